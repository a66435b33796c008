"""Dead letters are worked over HTTP, and nothing that anybody sees of them tells whose they are."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
import pytest

from local.operator import Operator
from local.sample import Source
from local.stack import ALL_VERSIONS, LATEST_VERSION, Part
from tests.builders import an_account
from tests.commands import run_command
from tests.e2e.conftest import Query, wait_until
from tests.e2e.test_privacy import read_own_state

PLANTED = "lerato.dlamini"


@pytest.fixture
def log(tmp_path: Any) -> Iterator[Any]:
    """What the Functions host writes."""
    with (tmp_path / "host.log").open("w+b") as file:
        yield file


@pytest.fixture
def host(settings: Mapping[str, str], log: Any) -> Iterator[Part]:
    """The Functions host, which logs every invocation."""
    part = Part(["local.functions", "--key", "key", "--verbose"], settings, log)
    yield part
    part.stop()


@pytest.mark.parametrize("mode", [LATEST_VERSION, ALL_VERSIONS])
def test_dead_letters_are_worked_over_http_and_tell_nobody_who_they_are(
    host: Part,
    source: Source,
    query: Query,
    operator: Operator,
    settings: Mapping[str, str],
    dsn: str,
    log: Any,
) -> None:
    """A refused document waits with its reason, is replayed when the reason is gone, and is named to nobody."""
    query_write = psycopg.connect(dsn, autocommit=True)
    query_write.execute("alter table accounts add constraint no_planted check (email not like 'lerato%') not valid")
    email = f"{PLANTED}@example.com"
    good, bad, worse = f"good-{PLANTED}", f"bad-{PLANTED}", f"worse-{PLANTED}"
    source.write("Accounts", an_account(good, Email="a@example.com", DisplayName=PLANTED, Bio=PLANTED))
    source.write("Accounts", an_account(bad, Email=email, DisplayName=PLANTED))
    source.write("Accounts", an_account(worse, Email=None, DisplayName=PLANTED, ExternalUserId=PLANTED))
    answers = []

    def ask(*request: Any) -> tuple[int, Any]:
        status, answer = operator.ask(*request)
        answers.append(answer)
        return status, answer

    wait_until(lambda: len(ask("GET", "dead-letters")[1]["items"]) == 2, "two letters wait")
    letters = {item["kind"]: item for item in ask("GET", "dead-letters?container=Accounts")[1]["items"]}
    assert letters["mapping"]["path"] == "$.Email"
    assert letters["data"]["path"] == "no_planted"

    query_write.execute("alter table accounts drop constraint no_planted")
    query_write.close()
    assert ask("POST", "dead-letters/replay", {"container": "Accounts", "kind": "data"}) == (202, {"due": 1})
    wait_until(lambda: query("select 1 from accounts where id = %s", bad) == [(1,)], "the replayed document is there")
    assert ask("GET", "dead-letters?container=Nowhere")[0] == 404
    assert ask("POST", "dead-letters/replay", {"container": "Nowhere"})[0] == 404
    number = letters["mapping"]["id"]
    assert ask("POST", f"dead-letters/{number}/replay") == (202, {"due": 1})
    wait_until(
        lambda: [item["attempts"] for item in ask("GET", "dead-letters")[1]["items"]] == [1], "it was tried in vain"
    )
    shown = run_command("show", str(number), settings=settings)
    assert shown.returncode == 0
    assert f'Accounts, id "{worse}"' in shown.stdout
    assert ask("DELETE", f"dead-letters/{number}")[1]["state"] == "discarded"
    source.write("Accounts", an_account(worse, DisplayName=PLANTED))
    wait_until(
        lambda: ask("GET", "dead-letters")[1] == {"items": [], "next": None, "paused": []},
        "the mended document is applied",
    )
    assert ask("POST", "documents/Accounts/resync", {"id": bad, "partition_key": bad})[1]["result"] == "already_applied"
    assert ask("POST", "documents/Accounts/resync", {"id": PLANTED, "partition_key": 7})[1]["result"] == "absent"
    assert ask("POST", "documents/Nowhere/resync", {"id": PLANTED, "partition_key": {}})[0] == 404
    assert ask("POST", "documents/Accounts/resync", {"id": PLANTED, "partition_key": PLANTED, "other": 1})[0] == 400

    for path in ("status", "backfills", "reconciliations", "health/ready"):
        assert ask("GET", path)[0] == 200

    _assert_nowhere(json.dumps(answers), "answers")
    _assert_nowhere(read_own_state(query), "state of ours")
    log.seek(0)
    written = log.read().decode()
    assert "change_feed_accounts" in written
    _assert_nowhere(written, "log")


def _assert_nowhere(text: str, where: str) -> None:
    assert text
    assert PLANTED not in text, f"a planted value is in the {where}"
