"""Values of documents are planted everywhere, also in what triggers raise: nobody reads one outside of the tables."""

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from local.cosmos import CosmosServer
from local.operator import Operator
from local.sample import PARTITION_KEYS, Source
from local.stack import Part
from tests.builders import a_badge, a_profile, a_score, a_session, an_account
from tests.commands import run_command
from tests.e2e.conftest import Query, let_age, wait_until
from tests.e2e.test_reconcile import run

# A function may choose five letters as its SQLSTATE.
PLANTED, CODE = "lerato.dlamini", "DLAMI"
# These columns hold identities, or the keys of rows or of the cache: only people with access to the database see them.
IDENTITIES = {"partition_key", "id", "row_key", "abandoned_row_key", "wanted_key", "keys"}
# Nobody listens there: every key of the cache waits in the outbox.
NO_REDIS = {"REDIS_CONNECTION": "127.0.0.1:1,password=s3cret"}

FIELDS = ("message", "detail", "hint", "constraint", "column", "table", "schema", "datatype")
GUARD = f"""
create function guard() returns trigger language plpgsql as $$
declare said text := coalesce(new.display_name, '') || new.email;
begin
    case split_part(new.role, ' ', 1)
        when 'raise' then
            raise exception using errcode = split_part(new.role, ' ', 2),
                {", ".join(f"{each} = said" for each in FIELDS)};
        when 'table' then execute format('insert into %I values (1)', 'audit_' || new.email);
        when 'column' then execute format('select %I from accounts', new.email);
        when 'type' then perform new.email::regtype;
        when 'syntax' then execute new.email;
        when 'drop' then return null;
        when 'warn' then raise warning '%', said;
        else null;
    end case;
    return new;
end $$;
create trigger guard before insert or update on accounts for each row execute function guard();
"""
RULES = """
create unique index one_name on user_profiles (name);
alter table player_scenario_scores add foreign key (profile_id) references user_profiles (id);
alter table game_sessions add check (current_scene_id not like 'refused%') not valid;
"""
STATES = [
    "P0001",
    "23505",
    "23503",
    "23502",
    "23514",
    "42501",
    "42P01",
    "54000",
    "40001",
    "55P03",
    "XX000",
    "MC010",
    CODE,
]
ROLES = [*(f"raise {state}" for state in STATES), "table", "column", "type", "syntax", "drop", "warn", "none"]


def plant(document: dict[str, Any]) -> dict[str, Any]:
    """Put the planted words into every text of a document that may have any."""
    return {name: _plant(name, value) for name, value in document.items()}


def _plant(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return plant(value)
    if isinstance(value, list):
        return [_plant(name, each) for each in value]
    kept = name in ("$type", "Role") or name.endswith(("At", "Time", "OfBirth", "Values", "Scores"))
    return f"{PLANTED} {value}" if isinstance(value, str) and not kept else value


def accounts() -> Iterator[dict[str, Any]]:
    """Build one account for each thing that a trigger does, and some that cannot be mapped."""
    for number, role in enumerate(ROLES):
        yield plant(an_account(f"{number}", Role=role))
    for number, wrong in enumerate(
        [{"Email": None}, {"CreatedAt": PLANTED}, {"Settings": PLANTED}, {"Role": [PLANTED]}]
    ):
        yield plant(an_account(f"wrong-{number}")) | wrong
    yield plant(an_account("other")) | {"$type": f"{PLANTED} Account"}
    yield plant(an_account("nul", DisplayName="\0"))


def others() -> Iterator[tuple[str, dict[str, Any]]]:
    """Build documents of the other containers that break rules of the tables."""
    yield "UserProfiles", plant(a_profile("p"))
    yield "UserProfiles", plant(a_profile("q"))
    yield "UserProfiles", plant(a_profile("r", EarnedBadges=[a_badge(Threshold=PLANTED)], Name="other"))
    yield "GameSessions", plant(a_session("s", CurrentSceneId="scene"))
    yield "GameSessions", plant(a_session("t")) | {"CurrentSceneId": f"refused {PLANTED}"}
    yield "GameSessions", plant(a_session("u", ScenarioId=os.urandom(9_000).hex()))
    yield "GameSessions", plant(a_session("v")) | {"CompassValues": f'{{"{PLANTED}":'}
    yield "PlayerScenarioScores", plant(a_score("score", ProfileId="nobody"))
    yield "PlayerScenarioScores", plant(a_score("axes")) | {"AxisScores": f'{{"axis": "{PLANTED}"}}'}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The file that holds what the Functions host writes."""
    return tmp_path / "host.log"


@contextmanager
def verbose_host(settings: Mapping[str, str], state: Path, log: Path) -> Iterator[Part]:
    """Run the Functions host, which logs every invocation."""
    with log.open("ab") as file:
        part = Part(["local.functions", "--key", "key", "--verbose", "--state", str(state)], settings, file)
        try:
            yield part
        finally:
            part.stop()


@dataclass(frozen=True)
class Listener(Operator):
    """Somebody who works the app, and keeps every answer."""

    answers: list[str] = field(default_factory=list)

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Ask, and keep the answer."""
        status, answer = super().ask(method, path, body)
        self.answers.append(f"{status} {json.dumps(answer)}")
        return status, answer


def test_no_planted_value_is_read_outside_of_the_tables(
    cosmos: CosmosServer,
    source: Source,
    settings: Mapping[str, str],
    connection: psycopg.Connection,
    query: Query,
    tmp_path: Path,
    log: Path,
) -> None:
    """Live feed, letters, resync, backfill, dry run and reconcile, of documents that are refused in every way."""
    connection.execute(GUARD + RULES)
    documents = [*(("Accounts", each) for each in accounts()), *others()]
    for container, document in documents:
        source.write(container, document)

    with verbose_host({**settings, **NO_REDIS}, tmp_path / "state", log) as host:
        operator = Listener(host.url, "key")
        wait_until(lambda: query("select count(*) from cdc.document") == [(len(documents),)], "all is delivered")
        let_age(cosmos, settings, 60)
        _work(operator, documents)
        _reconcile(host, operator, query)
        _break(operator, source, connection)

    applied = str(query("select a::text from accounts a"))
    assert str(query("select keys from cdc.invalidation")).count(f"account:email:{PLANTED}") > 2
    assert "maintain: cache keys failed: Redis does not answer" in log.read_text()
    kinds = Counter(kind for (kind,) in query("select kind from cdc.dead_letter"))
    assert applied.count(PLANTED) > 2
    assert kinds["data"] >= len(STATES)
    assert kinds.keys() >= {"data", "mapping", "conflict", "missing_parent"}
    assert query("select path from cdc.dead_letter where path = 'ix_game_sessions_scenario_id'")
    _assert_nowhere("answers", "\n".join(operator.answers))
    _assert_nowhere("log", log.read_text())
    _assert_nowhere("state of ours", read_own_state(query))
    _assert_nowhere("state of the host", _read_files(tmp_path / "state"))
    _assert_nowhere("terminal", _check(settings))


def _work(operator: Operator, documents: list[tuple[str, dict[str, Any]]]) -> None:
    """Read all letters again, one document of each kind by hand, and copy everything twice."""
    letters = operator.ask("GET", "dead-letters?limit=200")[1]["items"]
    assert operator.ask("POST", "dead-letters/replay", {})[0] == 202
    wait_until(
        lambda: (
            {each["id"] for each in operator.ask("GET", "dead-letters?limit=200")[1]["items"] if each["attempts"]}
            >= {each["id"] for each in letters}
        ),
        "all letters were tried again",
    )
    results = Counter(_resync(operator, container, document) for container, document in documents)
    assert results["parked"] > len(STATES)
    assert results["already_applied"] + results["applied"] > 2
    for options in ({"reapply": True}, {"reapply": True, "dry_run": True}):
        path = operator.ask("POST", "backfills", {"unlimited": True, **options})[1]["status_url"].removeprefix("/api/")
        wait_until(partial(_is_completed, operator, path), "all is copied")


def _reconcile(host: Part, operator: Operator, query: Query) -> None:
    """Lose rows, and let them be found and refused again."""
    query("with gone as (delete from accounts returning 1) select count(*) from gone")
    report = run(host, mode="deep")
    assert {each["state"] for each in report["containers"]} == {"completed"}
    assert operator.ask("GET", f"reconciliations/{report['id']}")[1]["found"]
    for path in ("status", "backfills", "reconciliations", "dead-letters?limit=200", "health/ready", "health/live"):
        operator.ask("GET", path)


def _is_completed(operator: Operator, path: str) -> bool:
    return bool(operator.ask("GET", path)[1]["state"] == "completed")


def _break(operator: Operator, source: Source, connection: psycopg.Connection) -> None:
    """Take a column away: a request, a backfill and the live feed say so."""
    connection.execute("alter table accounts rename column role to part")
    document = plant(an_account("late"))
    source.write("Accounts", document)
    key = {"id": document["id"], "partition_key": document["id"]}
    assert operator.ask("POST", "documents/Accounts/resync", key)[0] == 503
    accepted = operator.ask("POST", "backfills", {"containers": ["Accounts"], "unlimited": True})[1]["id"]
    wait_until(lambda: "42703" in json.dumps(operator.ask("GET", f"backfills/{accepted}")[1]), "the backfill says why")
    assert operator.ask("GET", "health/ready")[0] == 503


def _resync(operator: Operator, container: str, document: Mapping[str, Any]) -> str:
    key = {"id": document["id"], "partition_key": document[PARTITION_KEYS[container].removeprefix("/")]}
    return str(operator.ask("POST", f"documents/{container}/resync", key)[1]["result"])


def _check(settings: Mapping[str, str]) -> str:
    """Return what `python -m cdc check` prints."""
    done = run_command("check", settings=settings)
    return done.stdout + done.stderr


def read_own_state(query: Query) -> str:
    """Return everything in the schema cdc but identities."""
    columns = query("select table_name, column_name from information_schema.columns where table_schema = 'cdc'")
    found = []
    for table in {table for table, _ in columns}:
        names = ", ".join(f'"{name}"' for where, name in columns if where == table and name not in IDENTITIES)
        found += [f"{table} {row}" for (row,) in query(f"select row({names})::text from cdc.{table}")]
    return "\n".join(found)


def _read_files(folder: Path) -> str:
    return "\n".join(path.read_bytes().decode(errors="replace") for path in folder.rglob("*") if path.is_file())


def _assert_nowhere(where: str, text: str) -> None:
    assert text
    # The words in any form in which they may be quoted.
    planted = [line for line in text.splitlines() if PLANTED in line or CODE in line or "dlamini" in line.lower()]
    assert not planted, f"planted values are in the {where}: {planted[:3]}"
