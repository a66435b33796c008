"""The real mappers over a real container: golden numbers, planted faults, exit codes, and nothing written."""

import json
import sys

import pytest

from cdc.command import main
from local.cosmos import CosmosServer
from local.sample import DATABASE, Sample, Source
from tests.builders import a_badge, a_profile, a_session, an_account
from tests.example.mappers import MAPPERS

SECRET = "Thandiwe"
# Counted by hand from the documents of the sample with seed 1.
GOLDEN = [
    "Accounts: 35 of 35 documents, all; 35 rows of accounts, 48 rows of completed_scenarios",
    "UserProfiles: 66 of 66 documents, all; 66 rows of user_profiles, 65 rows of user_badges",
    "GameSessions: 69 of 69 documents, all; 69 rows of game_sessions",
    "PlayerScenarioScores: 30 of 30 documents, all; 30 rows of player_scenario_scores",
]


@pytest.fixture(scope="module")
def sound():
    """A server with two physical partitions and sound documents of the sample."""
    with CosmosServer(port=0, physical_partitions=2) as server:
        source = Source.open(server.connection_string, DATABASE)
        for each in Sample(1).create(200):
            source.write(*each)
        source.close()
        yield server


@pytest.fixture
def plan(monkeypatch, tmp_path, capsys):
    """Run the command against a server; return its exit code and what it printed."""

    def run(server, *arguments, **environment):
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("POSTGRES_CONNECTION", raising=False)
        if server is not None:
            monkeypatch.setenv("COSMOS_CONNECTION", server.connection_string)
            monkeypatch.setenv("COSMOS_DATABASE", DATABASE)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["cdc", "plan", *arguments])
        code = main()
        said = capsys.readouterr()
        assert SECRET not in said.out + said.err
        return code, said.out + said.err

    return run


def test_the_sample_is_green_and_counted_exactly(sound, plan):
    """Golden numbers: the sample with seed 1; every container, every rule, and no setting of PostgreSQL."""
    writes = sum(counter.requests for name, counter in sound.controls.counters.items() if "write" in name)
    code, said = plan(sound, "--all")

    assert code == 0
    assert [line.strip() for line in said.splitlines() if " rows of " in line] == GOLDEN
    assert "FAIL" not in said
    assert "not judged" not in said
    assert "a backfill costs about" in said
    assert writes == sum(counter.requests for name, counter in sound.controls.counters.items() if "write" in name)


def test_a_small_budget_reads_a_part_and_judges_no_parent(sound, plan):
    """What it says is about the part that it read."""
    code, said = plan(sound, "GameSessions", "--budget", "40", "--units-per-second", "1")

    assert code == 0
    assert "documents, all" not in said
    assert "note  fk_game_sessions_accounts: not judged" in said
    assert "minutes at 1 a second" in said


@pytest.fixture(scope="module")
def unsound():
    """A server whose documents have every fault."""
    with CosmosServer(port=0, physical_partitions=2) as server:
        source = Source.open(server.connection_string, DATABASE)
        for document in (
            an_account("a", Email=f"{SECRET}@example.com"),
            an_account("b", Email=f"{SECRET}@example.com"),
            an_account("c", Email=7),
            an_account("d", Email="d@example.com", Zodiac=SECRET, displayname=SECRET),
            an_account("e", **{"$type": "Robot"}),
            an_account("f", **{"$type": f"{SECRET} the robot"}),
        ):
            source.write("Accounts", document)
        source.write("UserProfiles", a_profile("p", EarnedBadges=[a_badge(SECRET), a_badge(SECRET)]))
        source.write("GameSessions", a_session("s", accountId="nobody"))
        source.write("GameSessions", a_session("s", accountId="a"))
        source.close()
        yield server


@pytest.mark.parametrize(
    "line",
    [
        "$.Email: Input should be a valid string: 1",
        "$: EarnedBadges must not hold two badges with one Id: 1",
        "Robot: 1 documents",
        "other: 1 documents",
        "$.Zodiac: 1 documents",
        "$.DisplayName in another spelling: 1 documents",
        "FAIL  primary key of game_sessions: several documents have rows of one key in game_sessions: 1 keys",
        "FAIL  ix_accounts_email: several rows of accounts have the same email: 1 keys",
        "FAIL  fk_game_sessions_accounts: account_id of game_sessions is the key of no row of accounts: 1 keys",
        "not green: see the lines with FAIL",
    ],
)
def test_every_planted_fault_is_told_with_exit_code_1(unsound, plan, line):
    """With what to do, and without a value."""
    code, said = plan(unsound, "--all")

    assert code == 1
    assert line in [each.strip() for each in said.splitlines()]


def test_accepted_types_are_no_fault(unsound, plan):
    """The setting of readiness counts here, too."""
    _, said = plan(unsound, "Accounts", READINESS_ACCEPTED_TYPES="Accounts:Robot,Accounts:other")

    assert "types that nobody maps" not in said


@pytest.mark.parametrize("green", [True, False])
def test_a_file_is_planned_without_any_setting(plan, tmp_path, green):
    """For CI: exit code 0, or 1."""
    documents = [an_account("a", Email="a@example.com"), an_account("b", Email="b@example.com" if green else None)]
    (tmp_path / "accounts.json").write_text(json.dumps(documents))
    code, said = plan(None, "Accounts", "--json", "accounts.json")

    assert code == (0 if green else 1)
    assert f"Accounts: 2 documents, all; {1 + green} rows of accounts" in said
    assert ("$.Email: Input should be a valid string: 1 (document 2 of the file)" in said) is not green


def test_the_first_of_many_documents_are_named_by_their_place(plan, tmp_path):
    """Whoever corrects them must find them, and no value may be shown."""
    documents = [an_account(f"a{n}", Email=None if n in (1, *range(3, 9)) else f"{n}@example.com") for n in range(9)]
    (tmp_path / "accounts.json").write_text("\n".join(map(json.dumps, documents)))

    _, said = plan(None, "Accounts", "--json", "accounts.json")

    assert "$.Email: Input should be a valid string: 7 (documents 2, 4, 5, 6, 7, ... of the file)" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--json", "a.json"], "Name the one container whose documents are in the file."),
        (["Nothing"], "This container is not replicated: name one of Accounts"),
        (["Accounts", "--json", "none.json"], "none.json cannot be read"),
        (["Accounts", "--json", "empty.json"], "FAIL  Accounts: no document was read: the file has none"),
    ],
)
def test_what_cannot_be_planned_is_one_sentence(plan, tmp_path, arguments, message):
    """And exit code 1."""
    (tmp_path / "empty.json").write_text("[]")
    code, said = plan(None, *arguments)

    assert code == 1
    assert message in said
    assert "Traceback" not in said


def test_a_name_that_looks_like_a_secret_belongs_into_unmapped(plan, monkeypatch, tmp_path):
    """Also inside an object; no other property is called one."""
    monkeypatch.setattr("cdc.command.choose_mappers", lambda _: MAPPERS)
    line = {"lineId": "0" * 32, "priceHash": "x"}
    documents = [
        {"id": "a", "type": "order", "customerId": "c", "total": 1, "apiToken": "x", "colour": 1, "lines": [line]}
    ]
    (tmp_path / "orders.json").write_text(json.dumps(documents))

    code, said = plan(None, "orders", "--json", "orders.json")

    assert code == 1
    secrets, others = said.split("FAIL  ")[1:]
    assert "look like secrets" in secrets
    assert "apiToken: 1 documents" in secrets
    assert "priceHash: 1 documents" in secrets
    assert "list the name in `unmapped` of the model: a secret is never copied" in secrets
    assert "colour: 1 documents" in others
    assert "add a field to the model" in others


def test_a_container_with_several_types_is_planned_type_by_type(plan, monkeypatch, tmp_path):
    """Rows are counted in the tables of each type, and a value that does not fit is named by its path."""
    monkeypatch.setattr("cdc.command.choose_mappers", lambda _: MAPPERS)
    documents = [
        {"id": "a", "type": "order", "customerId": "c", "total": 1.25, "lines": [{"lineId": "0" * 32}]},
        {"id": "b", "type": "refund", "amount": "0.50"},
        {"id": "c", "type": "refund", "amount": 0.005},
        {"id": "d", "type": "invoice"},
    ]
    (tmp_path / "orders.json").write_text(json.dumps(documents))

    code, said = plan(None, "orders", "--json", "orders.json")

    assert code == 1
    assert "1 rows of orders, 1 rows of order_lines, 1 rows of refunds" in said
    assert "$.amount" in said
    assert "invoice" in said
