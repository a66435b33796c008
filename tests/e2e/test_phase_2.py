"""What docs/phase-2.md tells the application holds, word for word, for the real host in phase 2."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cdc.api.resync import Result
from local.cosmos import CosmosServer
from local.operator import Operator
from local.sample import PARTITION_KEYS, Source
from tests.builders import a_session, an_account
from tests.e2e.conftest import Query, running_host, wait_until

PAGE = (Path(__file__).parents[2] / "docs" / "phase-2.md").read_text(encoding="utf-8")


def read_example() -> tuple[str, str, dict[str, Any], dict[str, Any]]:
    """Return the request and the answer that the page shows: method, path, body, answer."""
    blocks = r"^```\n(\w+) /api/(\S+)\n.*?\n\n(.*?)\n```\n\n```json\n(.*?)\n```"
    found = re.search(blocks, PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    method, path, body, answer = found.groups()
    return method, path, json.loads(body), json.loads(answer)


@pytest.fixture
def operator(cosmos: CosmosServer, settings: Mapping[str, str]) -> Iterator[Operator]:
    """The application, with a host in phase 2 whose feeds are late: nothing arrives that it does not ask for."""
    phase = {"MIGRATION_PHASE": "2", "DataMigration__Phase": "2", "SETTLE_SECONDS": "1"}
    with running_host({**settings, **phase}) as part, cosmos.hold(operation="read_change_feed"):
        yield Operator(part.url, "key")


def test_a_miss_an_own_write_a_look_up_a_pause_and_both_ways_to_delete(
    operator: Operator, source: Source, query: Query
) -> None:
    """The request of the page brings the document that was missed; every result is the one that the page promises."""
    method, path, body, promised = read_example()
    session = a_session(body["id"], accountId=body["partition_key"])
    source.write("GameSessions", session)
    source.write("Accounts", an_account("a", Email="Thandi@Example.com"))
    assert query("select count(*) from game_sessions") == [(0,)]

    status, answer = operator.ask(method, path, body)

    assert (status, answer | {"document": promised["document"]}) == (200, promised)
    assert re.fullmatch("[0-9a-f]{12}", answer["document"])
    assert re.fullmatch("[0-9a-f]{12}", promised["document"])
    assert query("select id, account_id from game_sessions") == [(body["id"], body["partition_key"])]
    # A session may be there before its account.
    assert query("select count(*) from accounts") == [(0,)]

    assert operator.resync("Accounts", "a", "a") == "applied"
    assert [id_ for id_, _ in query(read_look_up(), "THANDI@example.com")] == ["a"]
    source.write("Accounts", an_account("a", DisplayName="changed"))
    assert operator.resync("Accounts", "a", "a") == "applied"
    assert query("select display_name from accounts") == [("changed",)]
    assert operator.resync("Accounts", "a", "a") == "already_applied"

    source.write("Accounts", an_account("a", IsDeleted=True))
    assert operator.resync("Accounts", "a", "a") == "applied"
    assert query("select count(*) from accounts") == [(0,)]

    assert operator.ask("POST", "containers/GameSessions/pause", {"reason": "a test"})[0] == 200
    assert operator.ask(method, path, body)[0] == 409
    assert operator.ask("POST", "containers/GameSessions/resume", {})[0] == 200

    source.delete("GameSessions", session)
    assert operator.resync("GameSessions", body["id"], body["partition_key"]) == "to_be_confirmed"
    assert query("select count(*) from game_sessions") == [(1,)]
    wait_until(lambda: query("select count(*) from game_sessions") == [(0,)], "the delete is confirmed")


def read_look_up() -> str:
    """Return the page's query, with psycopg's sign for a parameter."""
    (found,) = re.findall(r"^```sql\n(.*?)\n```", PAGE, re.MULTILINE | re.DOTALL)
    return str(found).replace("$1", "%s")


def test_the_look_up_by_e_mail_is_served_by_the_index_that_the_page_names(
    settings: Mapping[str, str], cosmos: CosmosServer
) -> None:
    """PostgreSQL plans the page's own query."""
    with psycopg.connect(settings["POSTGRES_CONNECTION"]) as connection:
        connection.execute("set enable_seqscan = off")
        plan = connection.execute(("explain " + read_look_up()).encode(), ["a@example.com"]).fetchall()

    (index,) = set(re.findall(r"`(ix_\w+)`", PAGE))
    assert any(index in line for (line,) in plan)


def test_the_page_has_every_result_and_every_partition_key() -> None:
    """A new one must be explained."""
    listed = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)

    assert sorted(listed) == sorted(Result)
    sentence = PAGE[PAGE.index("The partition key is") : PAGE.index("`document` is a fingerprint")]
    named = re.findall(r"`(\w+)` for ([^,.]+)", " ".join(sentence.split()))
    keys = {container: f"/{key}" for key, names in named for container in names.split(" and ")}
    assert keys == PARTITION_KEYS
