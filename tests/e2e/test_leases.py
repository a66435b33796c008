"""What becomes of the leases that the host keeps, on the running stack."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from azure.cosmos import CosmosClient

from local.cosmos import CosmosServer
from local.operator import Operator
from local.sample import Source
from local.stack import Part
from tests.builders import an_account
from tests.e2e.conftest import Query, running_host, wait_until


def test_a_feed_begins_within_the_second_of_its_start(
    settings: dict[str, str], source: Source, cosmos: CosmosServer, query: Query
) -> None:
    """For Cosmos a start is exclusive; the second before stays outside."""
    cosmos.controls.clock.advance(1)
    source.write("Accounts", an_account("a"))
    cosmos.controls.clock.advance(1)
    written = source.write("Accounts", an_account("b"))
    settings["CHANGE_FEED_START"] = datetime.fromtimestamp(written["_ts"], UTC).isoformat()

    with running_host(settings):
        wait_until(lambda: query("select id from accounts") != [], "the feed has begun")

        assert query("select id from accounts") == [("b",)]


def test_a_part_without_a_lease_is_told_everywhere(
    host: Part, settings: Mapping[str, str], source: Source, query: Query, operator: Operator
) -> None:
    """One of two leases is deleted: about half of what is written then never arrives, and no host writes the lease
    again. Status, readiness and reconcile name the part, until somebody has done what they say."""
    source.write("Accounts", an_account("before"))
    wait_until(lambda: query("select count(*) from accounts") == [(1,)], "the feed runs")
    with CosmosClient.from_connection_string(settings["COSMOS_CONNECTION"]) as client:
        leases = client.get_database_client(settings["LEASE_DATABASE"]).get_container_client(
            settings["LEASE_CONTAINER"]
        )
        rid = source.containers["Accounts"].read()["_rid"]
        deleted = next(each for each in leases.read_all_items() if each["id"].endswith(f"_{rid}..0"))
        assert _problem(operator) is None
        host.stop()  # a host that holds the lease goes on until it renews it the next time
        leases.delete_item(deleted["id"], deleted["id"])
        host.start()
        operator = Operator(host.url, "key")
        for number in range(60):
            source.write("Accounts", an_account(f"a{number}"))

        wait_until(lambda: _problem(operator) is not None, "the gap has lasted longer than a split")

        part = 'No lease covers the feed range "" to "1FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF" of Accounts'
        assert _problem(operator).startswith(part)
        status, ready = operator.ask("GET", "health/ready")
        assert status == 503
        assert [each["message"].startswith(part) for each in ready["errors"]] == [True]
        run = operator.ask("POST", "reconciliations", {"containers": ["Accounts"]})[1]["id"]
        wait_until(lambda: _report(operator, run)["state"] != "running", "the reconcile is over")
        assert _report(operator, run)["state"] == "behind"
        assert part in _report(operator, run)["containers"][0]["message"]
        assert query("select count(*) < 61 from accounts") == [(True,)]

        _start_anew(host, leases, deleted["id"].partition("..")[0])

    wait_until(lambda: _problem(Operator(host.url, "key")) is None, "the host has written its leases")
    wait_until(lambda: query("select count(*) from accounts") == [(61,)], "everything has arrived")
    assert Operator(host.url, "key").ask("GET", "health/ready")[0] == 200


def _start_anew(host: Part, leases: Any, prefix: str) -> None:
    """Do what the sentence says."""
    host.stop()
    for document in list(leases.read_all_items()):
        if document["id"].startswith(prefix):
            leases.delete_item(document["id"], document["id"])
    host.start()


def _problem(operator: Operator) -> Any:
    problems = operator.ask("GET", "status")[1]["problems"]
    return next((each["message"] for each in problems if each["code"] == "lease_missing"), None)


def _report(operator: Operator, run: str) -> Any:
    return operator.ask("GET", f"reconciliations/{run}")[1]
