"""What happens to one document stays with it: letters, resync and reconcile go on with its neighbours."""

import json

import pytest

from cdc.api.answers import read_body
from cdc.api.resync import Resync, ResyncRequest
from cdc.core.feed_items import read_change
from cdc.postgres.containers import ConfirmedSource
from cdc.repair.reread import Ending, retry
from cdc.repair.store import PostgresRereadStore
from cdc.replication.batch import replicate
from mappers.accounts import ACCOUNTS
from tests.builders import an_account
from tests.integration.cosmos.test_point_reads import ODD_IDS
from tests.integration.worlds import World
from tests.local.cosmos.test_documents import post

# PostgreSQL takes these ids.
ROW_IDS = ["end", *(id_ for id_ in ODD_IDS if id_.isprintable() or id_ in ("\u00a0end", "a\tb"))]


class Documents(World):
    """A world whose accounts may have any id."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.reader = ConfirmedSource(self.cosmos, self.database)
        self.repairs = PostgresRereadStore(self.database, backoff_seconds=60, settle_seconds=0.2)

    def write(self, *ids, **overrides):
        """Write accounts past the SDK, which refuses some ids."""
        for id_ in ids:
            key = {"x-ms-documentdb-partitionkey": json.dumps([id_]), "x-ms-documentdb-is-upsert": "True"}
            written = post(self.server, self.source.containers["Accounts"], an_account(id_, **overrides), **key)
            assert written.status_code < 300
            self.documents[id_] = written.json()

    def delete(self, id_):
        """Delete a document by its resource id."""
        self.source.containers["Accounts"].delete_item(self.documents.pop(id_), id_)

    def deliver(self, *ids):
        """Deliver what Cosmos holds of these documents, as its change feed tells it."""
        feed = self.source.containers["Accounts"].query_items_change_feed(start_time="Beginning")
        changes = [read_change("Accounts", ["/id"], dict(item)) for item in feed if item["id"] in ids]
        replicate(ACCOUNTS, changes, self.sink)

    def replay(self):
        """Read again every document that has a letter."""
        self.observer.connection.execute("update cdc.dead_letter set next_attempt_at = now(), state = 'waiting'")
        return dict(retry([ACCOUNTS], self.reader, self.repairs, rounds=5))

    def resync(self, id_):
        """Ask for one document over HTTP."""
        resync = Resync({"Accounts": ACCOUNTS}, self.reader.confirm, self.reader, self.repairs, "key of the test")
        body = json.dumps({"id": id_, "partition_key": id_}, ensure_ascii=False).encode()
        return str(resync.resync("Accounts", read_body(ResyncRequest, body)).result)

    def names(self):
        """Return the display names in the rows by id."""
        return {row["id"]: row["display_name"] for row in self.observer.rows("accounts")}


@pytest.fixture
def world(dsn, database, observer):
    """Accounts on both sides."""
    world = Documents(dsn, database, observer)
    yield world
    world.close()


def test_rows_of_any_id_are_repaired_from_their_own_document(world):
    """Edited by hand, found by a deep reconcile, and right afterwards."""
    for id_ in ROW_IDS:
        world.write(id_, DisplayName=f"name of {id_}")
    world.deliver(*ROW_IDS)
    world.settle()
    world.observer.connection.execute("update accounts set display_name = 'by hand'")

    report = world.run(mode="deep")

    assert report["found"] == [("different", "repaired")] * len(ROW_IDS)
    assert world.names() == {id_: f"name of {id_}" for id_ in ROW_IDS}
    assert world.run(mode="deep")["found"] == []


def test_documents_of_any_id_that_are_gone_are_deleted(world):
    """None of them stops the run, and the ones that are left stay."""
    world.write("stays", "stays/too", *ROW_IDS[:19])
    world.deliver("stays", "stays/too", *ROW_IDS[:19])
    world.settle()
    for id_ in ROW_IDS[:19]:
        world.delete(id_)

    report = world.run(mode="keys")

    assert (report["state"], report["repaired"], report["left"]) == ("completed", 19, 0)
    assert set(world.names()) == {"stays", "stays/too"}


def test_documents_of_any_id_are_read_when_somebody_asks(world):
    """Whether they are there, are unknown to PostgreSQL, or are gone."""
    world.write(*ROW_IDS)

    assert {world.resync(id_) for id_ in ROW_IDS} == {"applied"}
    assert sorted(world.names()) == sorted(ROW_IDS)
    world.delete("trip/2024")
    assert world.resync("trip/2024") == "to_be_confirmed"
    assert world.resync("never/there") == "absent"


def test_an_absence_that_a_query_tells_counts_only_twice(world):
    """As one that a read by path tells: the row stays until the settle time is over."""
    world.write("trip/2024")
    world.deliver("trip/2024")
    world.delete("trip/2024")

    assert world.resync("trip/2024") == "to_be_confirmed"
    assert list(world.names()) == ["trip/2024"]
    world.observer.connection.execute("update cdc.dead_letter set doubted_at = doubted_at - interval '1 minute'")
    world.observer.connection.execute("update cdc.document set applied_at = applied_at - interval '2 minutes'")
    assert world.replay() == {Ending.DELETED: 1}
    assert world.names() == {}


def test_a_letter_of_an_id_that_no_text_encodes_keeps_no_other_waiting(world):
    """A lone surrogate is read again, refused by PostgreSQL again, and its neighbours are applied."""
    world.write("a", "x\ud800", "z", DisplayName="not yet\u0000")
    world.deliver("a", "x\ud800", "z")
    assert len(world.observer.letters()) == 3
    world.write("a", "z", DisplayName="now")

    assert world.replay() == {Ending.APPLIED: 2, Ending.PARKED: 1}

    assert world.names() == {"a": "now", "z": "now"}


def test_a_lone_surrogate_that_is_gone_keeps_no_other_waiting(world):
    """A reconcile ends, and the one that it cannot name in a path is a tombstone as the other."""
    world.write("a", "x\ud800", "z")
    world.deliver("a", "x\ud800", "z")
    world.settle()
    world.delete("a")
    world.delete("x\ud800")

    report = world.run(mode="keys")

    assert (report["state"], report["drift"]["orphaned"], report["repaired"]) == ("completed", 2, 2)
    assert list(world.names()) == ["z"]


def refuse(world, id_, how):
    """Let every read of one document fail."""
    chosen = {"operation": "read_document", "path": f"/docs/{id_}/", "times": 999}
    if how == "silence":
        world.server.controls.drop(**chosen)
    else:
        world.server.controls.fail(how, **chosen)


@pytest.mark.parametrize("how", [400, 401, 413])
def test_letters_go_on_past_a_document_that_cosmos_refuses(world, how):
    """It stays parked and due later; more of its kind in a row are no outage either."""
    ids = ["a", "b", "c", "d", "e", "z"]
    world.write(*ids, DisplayName="not yet\u0000")
    world.deliver(*ids)
    world.write(*ids, DisplayName="now")
    refuse(world, "[a-e]", how)

    assert world.replay() == {Ending.UNREADABLE: 5, Ending.APPLIED: 1}

    assert world.names() == {"z": "now"}
    due = "select count(*) from cdc.dead_letter where next_attempt_at > now() and claimed_until is null"
    assert world.observer.connection.execute(due).fetchone() == (5,)


@pytest.mark.parametrize("how", [400, 401, 413, 500, "silence"])
def test_a_reconcile_ends_and_reports_a_document_that_cosmos_does_not_give(world, how):
    """Its neighbours are repaired, its own rows stay, and only its fingerprint is told."""
    world.write("a", "b", "gone", "lost", "z")
    world.deliver("a", "b", "gone", "lost", "z")
    world.settle()
    world.observer.connection.execute("update accounts set display_name = 'by hand' where id in ('b', 'z')")
    for id_ in ("gone", "lost"):
        world.delete(id_)
    refuse(world, "(b|gone)", how)

    report = world.run(mode="deep")

    assert report["state"] == "completed"
    assert sorted(report["found"]) == [
        ("different", "repaired"), ("different", "unreadable"), ("orphaned", "repaired"), ("orphaned", "unreadable"),
    ]  # fmt: skip
    assert (report["repaired"], report["unreadable"], report["left"]) == (2, 2, 0)
    assert world.names() == {"a": "Thandi M", "b": "by hand", "gone": "Thandi M", "z": "Thandi M"}
    assert "gone" not in json.dumps(report)


def test_a_suspect_that_cosmos_stops_giving_is_reported(world, monkeypatch):
    """Its first answer said that it is gone; no second one came."""
    monkeypatch.setattr("cdc.reconcile.activities._ADVANCE_SECONDS", 0.0)  # `meanwhile` is between two pieces
    world.write("gone", "z")
    world.deliver("gone", "z")
    world.settle()
    world.delete("gone")
    world.meanwhile = lambda: refuse(world, "gone", 400)

    report = world.run(mode="keys")

    assert (report["state"], report["found"]) == ("completed", [("orphaned", "unreadable")])
    assert set(world.names()) == {"gone", "z"}


def test_somebody_who_asks_for_a_document_that_cosmos_refuses_is_told(world):
    """The answer is about the document, not about the service."""
    world.write("a")
    refuse(world, "a", 400)

    assert world.resync("a") == "unreadable"


def test_an_lsn_in_a_body_is_no_lsn(world):
    """Only the feed tells it: a version that is newer stays newer, whatever a body says."""
    world.write("a", _lsn=1_000_000_000, DisplayName="v1")
    world.deliver("a")
    world.write("a", _lsn=1_000_000_000, DisplayName="v2")
    assert world.resync("a") == "applied"
    world.write("a", _lsn=1_000_000_000, DisplayName="v3")

    world.deliver("a")
    world.replay()

    assert world.names() == {"a": "v3"}
    assert max(row["lsn"] or 0 for row in world.observer.rows("cdc.document", "lsn")) < 1_000


@pytest.mark.parametrize("lsn", ["no number", 10**30, {"deep": 1}, None])
def test_an_lsn_in_a_body_may_be_anything(world, lsn):
    """It is not read: not by a repair, and not by a reconcile of either kind."""
    world.write("a", "b", _lsn=lsn)
    world.deliver("a")
    assert world.resync("a") == "already_applied"
    world.settle()

    report = world.run(mode="deep")

    assert (report["state"], report["found"]) == ("completed", [("missing", "repaired")])


def spoil(world, *ids):
    """Make a text of documents undecodable; their version stays."""
    for id_ in ids:
        world.server.controls.spoil("MystiraAppDb", "Accounts", id_, [id_], "DisplayName")


def test_a_document_whose_bytes_are_no_text_is_parked_by_itself(world):
    """The SDK alone would refuse every page that has it."""
    world.write("a", "b", "z")
    world.settle()
    spoil(world, "b")

    assert {id_: world.resync(id_) for id_ in ("a", "b", "z")} == {"a": "applied", "b": "parked", "z": "applied"}
    report = world.run(mode="deep")

    assert (report["state"], report["found"]) == ("completed", [])
    assert set(world.names()) == {"a", "z"}
    [(kind, path, _)] = world.observer.letters().values()
    assert (kind, path) == ("mapping", "$.DisplayName")
    world.write("b", DisplayName="whole again")
    assert world.replay() == {Ending.APPLIED: 1}


def test_a_document_that_was_spoiled_later_is_found(world):
    """Its last good rows stay, and a letter says why."""
    world.write("a", "b")
    world.deliver("a", "b")
    world.settle()
    spoil(world, "b")

    report = world.run(mode="deep")

    assert (report["state"], report["found"]) == ("completed", [("different", "left")])
    assert world.names() == {"a": "Thandi M", "b": "Thandi M"}
    assert list(world.observer.letters()) == ["b"]


@pytest.mark.parametrize("name", ["\ud800", "x\udfffy", "with\u0000"])
def test_a_name_that_no_text_encodes_stops_nothing(world, name):
    """Unknown properties are counted by name: what PostgreSQL cannot store must not fail a batch or a repair."""
    world.write("a", "z", **{name: 1})
    world.write("b", Settings={name: 1})

    world.deliver("a", "b", "z")

    assert set(world.names()) == {"a", "b", "z"}
    assert world.resync("a") == "already_applied"
    world.settle()
    assert world.run(mode="deep")["found"] == []
