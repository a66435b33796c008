"""Paused containers on the running stack: by hand, by the breaker, and with a host that does not keep its place."""

import json
import re
import shutil
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from azure.cosmos import CosmosClient

from local.cosmos import CosmosServer
from local.operator import Operator
from local.sample import DATABASE, Source
from local.stack import ROOT
from tests.builders import a_profile, an_account
from tests.commands import run_command
from tests.e2e.conftest import Query, is_equal, read_status, running_host, wait_until

THRESHOLD = 20
# The release that parks every account.
BAD_MAPPER = (
    "runtime = Runtime(settings, choose_mappers(settings.extra_containers), ",
    """def refuse(account):
    raise ValueError("a bad release")

from dataclasses import replace
mappers = choose_mappers(settings.extra_containers)
mappers = [replace(each, rows=refuse) if each.container == "Accounts" else each for each in mappers]
runtime = Runtime(settings, mappers, """,
)


@pytest.fixture
def settings(settings: Mapping[str, str]) -> Mapping[str, str]:
    """The app's settings, with small batches, and a breaker that needs few of them."""
    return {
        **settings,
        "BREAKER_DOCUMENTS": str(THRESHOLD),
        "MAX_ITEMS_PER_INVOCATION": "3",
        "RETRY_MAXIMUM_INTERVAL": "00:00:02",
    }


def plant(folder: Path, pattern: str, text: str) -> str:
    """Write an app with one change into a folder; return the option with which a host runs it."""
    original = (ROOT / "function_app.py").read_text(encoding="utf-8")
    planted, times = re.subn(pattern, lambda _: text, original, flags=re.DOTALL)
    assert times == 1
    (folder / "function_app.py").write_text(planted, encoding="utf-8")
    shutil.copy(ROOT / "host.json", folder)
    return f"--root={folder}"


def run(settings: Mapping[str, str], *arguments: str) -> str:
    """Run a command of the app and return what it prints."""
    done = run_command(*arguments, settings=settings)
    assert done.returncode == 0, done.stderr
    return done.stdout


def read_leases(settings: Mapping[str, str], rid: str) -> list[dict[str, Any]]:
    """Read the leases of a container."""
    with closing(CosmosClient.from_connection_string(settings["COSMOS_CONNECTION"])) as client:
        leases = client.get_database_client(settings["LEASE_DATABASE"]).get_container_client(
            settings["LEASE_CONTAINER"]
        )
        return [dict(lease) for lease in leases.read_all_items() if f"_{rid}.." in lease["id"]]


def find_feed(operator: Operator) -> dict[str, Any]:
    """Return what the status says of the feed of the accounts."""
    feeds = read_status(operator)["change_feeds"]
    return next(feed for feed in feeds if feed["container"] == "Accounts")


def test_a_bad_release_pauses_its_container(
    settings: Mapping[str, str], source: Source, query: Query, tmp_path: Path
) -> None:
    """Two hosts park every account; together they reach the threshold, and no batch is consumed after the pause."""
    rid = source.containers["Accounts"].read()["_rid"]
    bad = plant(tmp_path, re.escape(BAD_MAPPER[0]), BAD_MAPPER[1])
    count = "select count(*) from cdc.dead_letter where kind = 'mapping'"
    with running_host(settings, bad) as first, running_host(settings, bad):
        operator = Operator(first.url, "key")
        wait_until(
            lambda: len({each.get("Owner") for each in read_leases(settings, rid)} - {None}) == 2, "both hosts read"
        )
        for number in range(2 * THRESHOLD):
            source.write("Accounts", an_account(f"a{number}"))
        wait_until(lambda: query("select source from cdc.pause") == [("breaker",)], "the breaker pauses the accounts")
        parked = query(count)
        assert THRESHOLD <= parked[0][0] < 2 * THRESHOLD

        source.write("UserProfiles", a_profile("p"))
        wait_until(lambda: query("select id from user_profiles") == [("p",)], "other containers go on")
        assert query(count) == parked
        status = read_status(operator)
        (paused,) = [each["paused"] for each in status["containers"] if each["paused"]]
        assert re.fullmatch(r"its mapper parked \d+ of the \d+ documents .*resume the container\.", paused["reason"])
        assert operator.ask("GET", "health/ready")[1]["paused"] == ["Accounts"]
        assert operator.ask("GET", "dead-letters?limit=1")[1]["paused"] == [paused]

    with running_host(settings) as mended:
        operator = Operator(mended.url, "key")
        assert operator.ask("POST", "containers/Accounts/resume") == (
            200, {"container": "Accounts", "due": parked[0][0]},
        )  # fmt: skip
        wait_until(lambda: query("select count(*) from cdc.dead_letter") == [(0,)], "no letter is left")
        wait_until(lambda: is_equal(settings), "everything is there")
        assert find_feed(operator)["backfill_since"] is None
        assert operator.ask("POST", "containers/Accounts/resume")[0] == 409


def test_a_paused_container_keeps_its_place(
    settings: Mapping[str, str], source: Source, query: Query, cosmos: CosmosServer
) -> None:
    """Its host dies, its partition splits, another host takes its leases: nothing is consumed, and nothing is lost."""
    rid = source.containers["Accounts"].read()["_rid"]
    applied = "select count(*) from cdc.document where container = 'Accounts'"
    with running_host(settings) as host:
        for number in range(10):
            source.write("Accounts", an_account(f"before{number}"))
        wait_until(lambda: query(applied) == [(10,)], "the feed runs")
        assert "paused since" in run(settings, "pause", "Accounts", "--reason", "a rehearsal")
        for number in range(10):
            source.write("Accounts", an_account(f"after{number}"))
        host.kill()
    cosmos.controls.split(DATABASE, "Accounts", "0")
    with running_host(settings) as other:
        operator = Operator(other.url, "key")
        wait_until(lambda: len(read_leases(settings, rid)) == 3, "the range has split")
        source.write("UserProfiles", a_profile("p"))
        wait_until(lambda: query("select id from user_profiles") == [("p",)], "other containers go on")
        status, answer = operator.ask("POST", "documents/Accounts/resync", {"id": "after1", "partition_key": "after1"})
        assert (status, "a rehearsal" in answer["detail"]) == (409, True)
        assert operator.ask("POST", "containers/Accounts/pause", {"reason": "again"})[0] == 409
        backfill = operator.ask(
            "POST",
            "backfills",
            {"containers": ["Accounts", "UserProfiles"], "unlimited": True},
        )[1]["id"]
        wait_until(lambda: rests(operator, backfill), "the backfill of the accounts rests")
        operator.ask("POST", "reconciliations", {"containers": ["Accounts"]})
        wait_until(lambda: is_behind(operator), "the reconcile is behind")
        assert "note  Accounts: paused since" in run(settings, "check")
        assert query(applied) == [(10,)]

        assert run(settings, "resume", "Accounts") == "resumed Accounts: 0 dead letters are read again\n"

        wait_until(lambda: is_equal(settings), "everything is there")
        wait_until(lambda: operator.ask("GET", f"backfills/{backfill}")[1]["state"] == "completed", "it goes on")
        assert find_feed(operator)["backfill_since"] is None
        assert operator.ask("GET", "health/ready")[0] == 200


def test_a_paused_container_keeps_its_place_when_another_host_takes_a_lease(
    settings: Mapping[str, str], source: Source, query: Query
) -> None:
    """Both hosts live; the first one repeats the batch that was refused while it loses a lease."""
    rid = source.containers["Accounts"].read()["_rid"]
    applied = "select count(*) from cdc.document where container = 'Accounts'"

    with running_host(settings) as first:
        for number in range(10):
            source.write("Accounts", an_account(f"before{number}"))
        wait_until(lambda: query(applied) == [(10,)], "the feed runs")
        run(settings, "pause", "Accounts", "--reason", "a rehearsal")
        for number in range(10):
            source.write("Accounts", an_account(f"after{number}"))
        with running_host(settings):
            wait_until(
                lambda: len({each.get("Owner") for each in read_leases(settings, rid)} - {None}) == 2, "both hosts read"
            )
            assert query(applied) == [(10,)]
            run(settings, "resume", "Accounts")
            wait_until(lambda: is_equal(settings), "everything is there")
            assert find_feed(Operator(first.url, "key"))["backfill_since"] is None


def rests(operator: Operator, backfill: str) -> bool:
    """Tell whether only the part of the accounts is left, and waits."""
    report = operator.ask("GET", f"backfills/{backfill}")[1]
    states = {(each["container"], each["state"]) for each in report["ranges"]}
    return (
        report["resting"] == ["Accounts"]
        and "paused" in (report["problem"] or "")
        and ("UserProfiles", "waiting") not in states
    )


def is_behind(operator: Operator) -> bool:
    """Tell whether the newest reconcile of the accounts says why it compared nothing."""
    report = operator.ask("GET", "reconciliations")[1]["items"][0]["containers"][0]
    return report["state"] == "behind" and "a rehearsal" in report["message"]


def test_a_host_that_gives_batches_up_is_found_out(
    settings: Mapping[str, str], source: Source, query: Query, tmp_path: Path
) -> None:
    """Without the retry policy it checkpoints what is refused: this is said until all is there again."""
    careless = plant(tmp_path, r"    @app\.retry\(.*?\n    \)\n", "")
    with running_host(settings, careless) as host:
        operator = Operator(host.url, "key")
        source.write("Accounts", an_account("before"))
        wait_until(lambda: query("select id from accounts") == [("before",)], "the feed runs")
        operator.ask("POST", "containers/Accounts/pause", {"reason": "to see whether batches are kept"})
        source.write("Accounts", an_account("lost"))
        wait_until(lambda: find_feed(operator)["backfill_since"] is not None, "the lost batch is found out")
        status, ready = operator.ask("GET", "health/ready")
        assert status == 503
        assert "retry policy" in json.dumps(ready["errors"])

    with running_host(settings) as host:
        operator = Operator(host.url, "key")
        assert operator.ask("POST", "containers/Accounts/resume", {"accept": True})[1]["due"] == 0
        assert operator.ask("POST", "backfills", {"containers": ["Accounts"], "unlimited": True})[0] == 202
        wait_until(lambda: is_equal(settings), "what was lost is there")

        def ask_for_keys() -> bool:
            operator.ask("POST", "reconciliations", {"containers": ["Accounts"], "mode": "keys"})
            return operator.ask("GET", "health/ready")[0] == 200

        wait_until(ask_for_keys, "nothing is missing any more")
