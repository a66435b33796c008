"""Documents that only some ways of reading can read, through the real host: nothing stops, and nothing is lost."""

import json
from collections.abc import Mapping
from typing import Any

import psycopg
import pytest

from local.cosmos import CosmosServer
from local.operator import Operator
from local.sample import DATABASE, Source
from local.stack import Part
from tests.builders import a_session, an_account
from tests.e2e.conftest import Query, let_age, wait_until
from tests.e2e.test_reconcile import run
from tests.local.cosmos.test_documents import post

ACCOUNTS = ["end", "end/", "..", "50%", "x\ud800", "spoiled", "gone", "a"]
# PostgreSQL takes these.
APPLIED = {"end", "end/", "..", "50%", "spoiled", "gone", "a"}


def write(cosmos: CosmosServer, source: Source, container: str, key: str, document: dict[str, Any]) -> None:
    """Write a document that the SDK might refuse."""
    header = {"x-ms-documentdb-partitionkey": json.dumps([key]), "x-ms-documentdb-is-upsert": "True"}
    assert post(cosmos, source.containers[container], document, **header).status_code < 300


def test_single_documents_stop_no_other(
    cosmos: CosmosServer, source: Source, settings: Mapping[str, str], host: Part, query: Query, operator: Operator
) -> None:
    """The live feed, a backfill, letters, a reconcile and a request all go on past them."""
    for id_ in ACCOUNTS:
        write(cosmos, source, "Accounts", id_, an_account(id_, _lsn=10**9, DisplayName=f"name of {id_}"))
    write(cosmos, source, "GameSessions", "a", a_session("trip/2024"))
    wait_until(lambda: query("select count(*) from cdc.document") == [(9,)], "the live feed has brought all")
    let_age(cosmos, settings, 60)
    with psycopg.connect(settings["POSTGRES_CONNECTION"], autocommit=True) as connection:
        connection.execute("update accounts set display_name = 'by hand' where id <> 'gone'")
        connection.execute("update game_sessions set scenario_id = 'by hand'")
    cosmos.controls.spoil(DATABASE, "Accounts", "spoiled", ["spoiled"], "DisplayName")
    source.delete("Accounts", {"id": "gone"})
    cosmos.controls.fail(400, times=999, operation="read_document", path="/docs/gone/")

    report = run(host, mode="deep")

    accounts = next(each for each in report["containers"] if each["container"] == "Accounts")
    # What is left is the document whose bytes are no text: its rows are of a version that cannot be read any more.
    assert (report["state"], accounts["unreadable"], accounts["left"]) == ("completed", 1, 1)
    names = dict(query("select id, display_name from accounts"))
    assert names == {id_: f"name of {id_}" for id_ in APPLIED} | {"spoiled": "by hand"}
    assert query("select id, scenario_id from game_sessions") == [("trip/2024", "scenario-1")]
    assert operator.resync("GameSessions", "trip/2024", "a") == "already_applied"
    assert operator.resync("Accounts", "gone", "gone") == "unreadable"
    assert {id_ for (id_,) in query("select id from cdc.dead_letter")} == {'"x\\ud800"', '"spoiled"'}
    status, accepted = operator.ask(
        "POST", "backfills", {"containers": ["Accounts"], "reapply": True, "unlimited": True}
    )
    assert status == 202
    wait_until(lambda: operator.ask("GET", f"backfills/{accepted['id']}")[1]["state"] == "completed", "all is copied")
    assert dict(query("select id, display_name from accounts")) == names


@pytest.mark.usefixtures("host")
def test_the_live_feed_goes_on_past_bytes_that_are_no_text(cosmos: CosmosServer, source: Source, query: Query) -> None:
    """The host puts a replacement character in their place, as the .NET host does."""
    with cosmos.hold(operation="read_change_feed", path="/Accounts/"):
        for id_ in ("a", "b", "c"):
            source.write("Accounts", an_account(id_))
        cosmos.controls.spoil(DATABASE, "Accounts", "b", ["b"], "DisplayName")

    wait_until(lambda: query("select count(*) from cdc.document") == [(3,)], "the live feed has brought all")

    names = dict(query("select id, display_name from accounts"))
    assert (names["a"], names["c"]) == ("Thandi M", "Thandi M")
