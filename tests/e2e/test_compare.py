"""The comparison finds every kind of difference, and says so with its exit code."""

import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from local.compare import main
from local.cosmos import CosmosServer
from local.oracle.compare import Comparison, compare_settings
from local.postgres import Postgres
from local.roles import name_of
from local.sample import CONTAINERS, Sample, Source
from local.stack import make_settings
from tests.commands import prepare, run_command
from tests.e2e.conftest import is_equal, running_host, wait_until

DOCUMENTS = 40
SIGNUP = {"id": "s", "$type": "PendingSignup", "email": "s@example.com", "Code": "493027"}
ROWLESS: list[tuple[str, dict[str, Any]]] = [
    ("Accounts", {"id": "gone", "$type": "Account", "Email": "gone@example.com", "IsDeleted": True}),
    ("GameSessions", {"id": "other", "$type": "Scenario", "accountId": "a"}),
]
UNREADABLE = {"id": "poison", "$type": "Account", "Email": "p@example.com", "CreatedAt": "the day before yesterday"}


@contextmanager
def _clone(server: Postgres, template: str) -> Iterator[str]:
    name = f"compare_{uuid.uuid4().hex}"
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute(f'create database "{name}" template "{template}"')
        yield name
        connection.execute(f'drop database "{name}" with (force)')


@pytest.fixture(scope="module")
def cosmos_connection() -> Iterator[str]:
    """Return the connection of a Cosmos server that is the module's own."""
    with CosmosServer(port=0, physical_partitions=2) as server:
        yield server.connection_string


@pytest.fixture(scope="module")
def equal(postgres_server: Postgres, cosmos_connection: str) -> Iterator[Mapping[str, str]]:
    """Return the settings of two equal sides: documents of every generation, two rowless, one parked."""
    with _clone(postgres_server, "migrated") as name:
        settings = prepare(make_settings(cosmos_connection, postgres_server.dsn(name)))
        source = Source.open(cosmos_connection, settings["COSMOS_DATABASE"])
        for document in [*Sample(seed=5).create(DOCUMENTS), *ROWLESS, ("Accounts", UNREADABLE)]:
            source.write(*document)
        source.close()
        with running_host(settings):
            wait_until(lambda: is_equal(settings), "both sides are equal")
        yield settings


@pytest.fixture
def settings(postgres_server: Postgres, equal: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    """Return the settings of two equal sides; PostgreSQL's is the test's own."""
    addresses = {name: equal[name] for name in ("POSTGRES_CONNECTION", "COMPARE_CONNECTION")}
    with _clone(postgres_server, name_of(equal["POSTGRES_CONNECTION"])) as name:
        yield {**equal, **{key: make_conninfo(address, dbname=name) for key, address in addresses.items()}}


def _execute(settings: Mapping[str, str], *statements: str) -> None:
    with psycopg.connect(settings["POSTGRES_CONNECTION"]) as connection:
        for statement in statements:
            assert connection.execute(statement).rowcount == 1, statement


def _print(settings: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return run_command(settings=settings, main=main)


def _delete(table: str) -> str:
    return f"delete from {table} where ctid = (select min(ctid) from {table})"


def _update(table: str, change: str, condition: str = "true") -> str:
    return f"update {table} set {change} where ctid = (select min(ctid) from {table} where {condition})"


PLANTS = {
    "a missing account": ("missing Accounts: no row in accounts", _delete("accounts")),
    "a missing profile": ("missing UserProfiles: no row in user_profiles", _delete("user_profiles")),
    "a missing session": ("missing GameSessions: no row in game_sessions", _delete("game_sessions")),
    "a missing score": (
        "missing PlayerScenarioScores: no row in player_scenario_scores",
        _delete("player_scenario_scores"),
    ),
    "another version": (
        "stale GameSessions: the ledger holds another version, or none",
        _update("cdc.document", "etag = 'x'", "container = 'GameSessions'"),
    ),
    "a rowless document that never arrived": (
        "stale Accounts: the ledger holds another version, or none",
        """delete from cdc.document where id = '"gone"'""",
    ),
    "a document of another type that counts as applied": (
        "type GameSessions: the ledger has another opinion whether it is mapped",
        """update cdc.document set state = 'applied', unmapped_type = null where id = '"other"'""",
    ),
    "a mapped document that counts as unmapped": (
        "type Accounts: the ledger has another opinion whether it is mapped",
        """update cdc.document set state = 'unmapped', unmapped_type = 'other' where id = '"gone"'""",
    ),
    "a row too many": (
        "extra Accounts: a row in accounts that no document maps to",
        "insert into accounts (id, email) values ('nobody', 'nobody@example.com')",
    ),
    "a session too many": (
        "extra GameSessions: a row in game_sessions that no document maps to",
        "insert into game_sessions (id, scenario_id, account_id) values ('x', 'y', 'z')",
    ),
    "a score too many": (
        "extra PlayerScenarioScores: a row in player_scenario_scores that no document maps to",
        "insert into player_scenario_scores (id, profile_id, scenario_id) values ('x', 'y', 'z')",
    ),
    "a signup too many": (
        "extra PendingSignups: a row in pending_signups that no document maps to",
        "insert into pending_signups (id, email) values ('x', 'nobody@example.com')",
    ),
    "a child without a parent": (
        "extra Accounts: a row in completed_scenarios that no document maps to",
        "insert into completed_scenarios values ('nobody', 'x')",
    ),
    "a row of a document that is deleted softly": (
        "extra Accounts: a row in accounts that no document maps to",
        "insert into accounts (id, email) values ('gone', 'gone@example.com')",
    ),
    "a row of a document of another type": (
        "extra GameSessions: a row in game_sessions that no document maps to",
        "insert into game_sessions (id, scenario_id, account_id) values ('other', 'y', 'a')",
    ),
    "a row of a parked document that never had one": (
        "extra Accounts: a row in accounts that no document maps to",
        "insert into accounts (id, email) values ('poison', 'p@example.com')",
    ),
    "an applied document that nobody can read": (
        "edited Accounts: accounts.created_at",
        "insert into accounts (id, email, role, created_at) values ('poison', 'p@example.com', null, null)",
        """update cdc.document set state = 'applied' where id = '"poison"'""",
    ),
    "another role": ("edited Accounts: accounts.role", _update("accounts", "role = 'Admin'")),
    "1 for true in JSON": (
        "edited Accounts: accounts.settings",
        _update("accounts", "settings = jsonb_set(settings, '{CacheCredentials}', '1')", "settings <> '{}'"),
    ),
    "another value deep in JSON": (
        "edited GameSessions: game_sessions.choice_history",
        _update(
            "game_sessions",
            "choice_history = jsonb_set(choice_history, '{0,CompassDelta}', '77')",
            "choice_history <> '[]'",
        ),
    ),
    "a microsecond more": (
        "edited GameSessions: game_sessions.elapsed_time",
        _update("game_sessions", "elapsed_time = elapsed_time + interval '0.000001'", "elapsed_time is not null"),
    ),
    "a forgotten session": (
        "edited PlayerScenarioScores: player_scenario_scores.game_session_id",
        _update("player_scenario_scores", "game_session_id = null", "game_session_id is not null"),
    ),
    "a child too few": ("child UserProfiles: user_badges lacks ", _delete("user_badges")),
    "a child too many": (
        "child Accounts: completed_scenarios has x",
        "insert into completed_scenarios select min(id), 'x' from accounts",
    ),
    "another value in a child": ("child UserProfiles: user_badges.axis of ", _update("user_badges", "axis = 'x'")),
}


def _describe(comparison: Comparison) -> list[str]:
    return [f"{each.kind} {each.container}: {each.where}" for each in comparison.differences]


def test_two_equal_sides_have_no_difference(settings: Mapping[str, str]) -> None:
    """Documents of every generation, of another type, deleted softly and parked."""
    comparison = _print(settings)

    documents = DOCUMENTS + len(ROWLESS) + 1
    assert comparison.returncode == 0
    assert comparison.stdout.startswith(f"compare: {documents} documents in {len(CONTAINERS)} containers, ")
    assert comparison.stdout.endswith(" rows, 1 parked, 0 differences\n")


def test_a_container_of_the_settings_without_fields_is_named_with_exit_code_2(settings: Mapping[str, str]) -> None:
    """What is compared of others is equal, and says nothing of the one that somebody asked for."""
    comparison = _print({**settings, "EXTRA_CONTAINERS": "PendingSignups, Loans"})

    assert comparison.returncode == 2
    *_, compared, unlisted = comparison.stdout.splitlines()
    assert compared.endswith(", 0 differences")
    assert unlisted == "compare: Loans was not compared: local/oracle/expected.py has no fields of it"


@pytest.mark.parametrize("what", PLANTS)
def test_one_planted_difference_is_the_one_that_is_found(settings: Mapping[str, str], what: str) -> None:
    """One difference, planted in two sides that were equal."""
    expected, *statements = PLANTS[what]

    _execute(settings, *statements)

    (found,) = _describe(compare_settings(settings))
    assert found.startswith(expected)


def test_a_change_that_has_not_arrived_is_printed_with_exit_code_1(
    settings: Mapping[str, str], cosmos_connection: str
) -> None:
    """A document that changes in Cosmos while nothing replicates."""
    source = Source.open(cosmos_connection, settings["COSMOS_DATABASE"])
    source.write("Accounts", {"id": "new", "$type": "Account", "Email": "secret@example.com"})

    comparison = _print(settings)

    source.delete("Accounts", {"id": "new"})
    source.close()
    assert comparison.returncode == 1
    assert comparison.stdout.splitlines()[0] == "missing  Accounts new: no row in accounts"
    assert comparison.stdout.endswith(", 1 differences\n")
    assert "secret" not in comparison.stdout


def test_signups_are_compared_only_where_they_are_asked_for(
    settings: Mapping[str, str], cosmos_connection: str
) -> None:
    """By default nobody replicates them, and their table is empty."""
    source = Source.open(cosmos_connection, settings["COSMOS_DATABASE"])
    source.write("PendingSignups", SIGNUP)

    unasked = compare_settings(settings)
    asked = compare_settings({**settings, "EXTRA_CONTAINERS": " PendingSignups"})

    source.delete("PendingSignups", SIGNUP)
    source.close()
    assert (unasked.containers, unasked.differences) == (len(CONTAINERS), [])
    assert asked.containers == len(CONTAINERS) + 1
    assert _describe(asked) == ["missing PendingSignups: no row in pending_signups"]


def test_many_differences_are_counted_and_the_first_are_printed(settings: Mapping[str, str]) -> None:
    """Two hundred rows too many."""
    with psycopg.connect(settings["POSTGRES_CONNECTION"]) as connection:
        connection.execute("insert into accounts (id, email) select n, 'x@example.com' from generate_series(1, 200) n")

    lines = _print(settings).stdout.splitlines()

    assert len(lines) == 102
    assert lines[-2] == "and 100 more"
    assert lines[-1].endswith(", 200 differences")


def test_without_settings_the_comparison_says_what_it_needs() -> None:
    """No address: one sentence, and an exit code that is not that of a difference."""
    comparison = _print(dict.fromkeys(("COSMOS_CONNECTION", "COSMOS_DATABASE", "POSTGRES_CONNECTION"), ""))

    assert comparison.returncode == 2
    assert len(comparison.stderr.splitlines()) == 1
