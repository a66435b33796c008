"""One document is read now, and what became of it is said in one word."""

import json

import pytest

from cdc.api.answers import read_body
from cdc.api.resync import Resync, ResyncRequest
from cdc.core.documents import Identity, Reading
from cdc.core.errors import RequestError, TransientError, UnknownError
from cdc.core.fingerprints import fingerprint
from cdc.core.source_container import SourceContainer
from cdc.repair.store import PostgresRereadStore
from cdc.replication.batch import replicate
from mappers.accounts import ACCOUNTS
from tests.builders import TS, a_change, a_version, an_account

KEY = "for the tests only"


class Source:
    """Answer with the document that is set."""

    def __init__(self):
        self.body = None
        self.asked = []
        self.meanwhile = lambda: None

    def read_document(self, identity):
        """Answer, after whatever happens meanwhile."""
        self.asked.append(identity)
        self.meanwhile()
        return Reading(self.body, TS + 1_000)

    def put(self, ts, **overrides):
        """Set the document."""
        version = a_version(ts)
        self.body = an_account("a", **overrides) | {"_ts": version.ts, "_etag": version.etag}


@pytest.fixture
def source():
    """A source without documents."""
    return Source()


@pytest.fixture
def paths():
    """The paths of the container's partition key."""
    return ["/p"]


@pytest.fixture
def ask(database, source, paths):
    """Ask for a document by a JSON body, and return the answer."""
    repairs = PostgresRereadStore(database, backoff_seconds=60, settle_seconds=60)

    def confirm(name):
        return SourceContainer(name, "account", "rid", tuple(paths))

    resync = Resync({"Accounts": ACCOUNTS}, confirm, source, repairs, KEY)

    def ask(container="Accounts", **body):
        return resync.resync(container, read_body(ResyncRequest, json.dumps({"id": "a"} | body).encode()))

    return ask


def read(ask):
    """Ask for the document and return the result."""
    return str(ask(partition_key="p").result)


def hold(sink, ts=0, **overrides):
    """Let the feed have delivered the document."""
    body = an_account(**overrides)
    replicate(ACCOUNTS, [a_change("a", partition_key="p", version=a_version(ts), body=body)], sink)


def pass_time(observer, seconds):
    """Let time pass: what the letters and the ledger say was so much earlier."""
    for table, columns in {"dead_letter": ["doubted_at", "next_attempt_at"], "document": ["applied_at"]}.items():
        moved = ", ".join(f"{name} = {name} - make_interval(secs => {seconds})" for name in columns)
        observer.connection.execute(f"update cdc.{table} set {moved}")


def test_a_missed_document_is_applied_and_then_already_applied(ask, source, observer):
    """The answer calls it by its fingerprint."""
    source.put(0)

    first, second = ask(partition_key="p"), ask(partition_key="p")

    assert (first.result, second.result) == ("applied", "already_applied")
    assert observer.ids() == ["a"]
    assert first.document == fingerprint(Identity.of("Accounts", "p", "a").key, KEY)


def test_a_newer_version_is_applied(ask, source, sink, observer):
    """What is held is older than what the source has."""
    hold(sink)
    source.put(5, DisplayName="newer")

    assert read(ask) == "applied"
    assert observer.rows("accounts")[0]["display_name"] == "newer"


def test_what_nobody_knows_is_absent(ask, observer):
    """Nothing is written about it."""
    assert read(ask) == "absent"
    assert observer.ledger() == {}


def test_a_document_that_no_mapper_takes_is_parked(ask, source, observer):
    """Its letter says why."""
    source.put(0, Email=None)

    assert read(ask) == "parked"
    assert observer.letters()["a"][0] == "mapping"


def test_a_document_of_a_type_that_nobody_maps_is_unmapped(ask, source, sink, observer):
    """It gives up its rows, as when the feed brings it; its type is shown in the ledger only as a name."""
    hold(sink)
    source.put(5, **{"$type": "SalesOrder"})

    assert (read(ask), read(ask)) == ("unmapped", "unmapped")
    assert (observer.ids(), observer.states()) == ([], {"a": "unmapped"})

    source.put(6, **{"$type": "lerato@example.com"})
    assert read(ask) == "unmapped"
    assert [row["unmapped_type"] for row in observer.rows("cdc.document")] == ["other"]

    source.put(7)
    assert read(ask) == "applied"
    assert observer.ids() == ["a"]


def test_a_reader_does_not_undo_a_discard(ask, source, observer):
    """The version that somebody gave up stays given up, however often it is missed; the next one has a letter again."""
    source.put(0, Email=None)
    assert read(ask) == "parked"
    observer.connection.execute("update cdc.dead_letter set state = 'discarded'")

    assert read(ask) == "parked"
    assert observer.rows("cdc.dead_letter", "state") == [{"state": "discarded"}]

    source.put(1, Email=None)
    assert read(ask) == "parked"
    assert observer.rows("cdc.dead_letter", "state") == [{"state": "waiting"}]


def test_a_document_that_seems_to_be_gone_is_confirmed_first(ask, sink, observer):
    """One answer of the source is not believed; the rows stay until it says so again after the settle time."""
    hold(sink)

    first = ask(partition_key="p")
    assert first.result == "to_be_confirmed"
    assert "again automatically after the settle time" in first.message
    assert observer.ids() == ["a"]

    pass_time(observer, 100)
    assert read(ask) == "deleted"
    assert observer.ids() == []
    assert read(ask) == "absent"


def test_asking_often_does_not_put_off_the_answer(ask, sink, observer):
    """The settle time counts from the first doubt, as long as nobody writes the document."""
    hold(sink)

    assert [read(ask), pass_time(observer, 40), read(ask), pass_time(observer, 40)] == ["to_be_confirmed", None] * 2
    assert read(ask) == "deleted"


def test_a_write_after_the_doubt_begins_it_anew(ask, sink, observer):
    """What the source said before the write tells nothing about it."""
    hold(sink)
    assert read(ask) == "to_be_confirmed"
    pass_time(observer, 40)
    hold(sink, ts=1)

    assert read(ask) == "to_be_confirmed"
    pass_time(observer, 40)
    assert read(ask) == "to_be_confirmed"
    assert observer.ids() == ["a"]


def test_an_older_version_is_confirmed_first(ask, source, sink, observer):
    """A replica that lags, or a restored source: only the second answer tells."""
    hold(sink, ts=5, DisplayName="newer")
    source.put(0)

    assert read(ask) == "to_be_confirmed"
    assert observer.rows("accounts")[0]["display_name"] == "newer"


def test_a_document_that_others_write_is_read_again(ask, source, sink):
    """A delivery between note and write wins, and the document is read once more."""
    source.put(5)
    timestamps = iter([1])
    source.meanwhile = lambda: [hold(sink, ts=ts) for ts in timestamps]

    assert read(ask) == "applied"
    assert len(source.asked) == 2


def test_a_document_that_never_rests_is_asked_for_later(ask, source, sink):
    """Three times in a row somebody else was faster."""
    source.put(100)
    times = iter(range(1, 10))
    source.meanwhile = lambda: hold(sink, ts=next(times))

    with pytest.raises(TransientError, match="try again"):
        read(ask)


@pytest.mark.parametrize(
    ("paths", "key"),
    [
        pytest.param(["/p"], "x", id="text"),
        pytest.param(["/p"], 1, id="number"),
        pytest.param(["/p"], 1.5, id="fraction"),
        pytest.param(["/p"], True, id="boolean"),
        pytest.param(["/p"], None, id="null"),
        pytest.param(["/p"], {}, id="missing"),
        pytest.param(["/p", "/q"], ["x", 2], id="hierarchical"),
        pytest.param(["/p", "/q", "/r"], ["x", {}, None], id="hierarchical, a level missing"),
    ],
)
def test_a_partition_key_keeps_its_json_type(ask, source, key):
    """The source is asked for exactly that identity."""
    ask(partition_key=key)

    assert source.asked[0] == Identity.of("Accounts", key, "a")


@pytest.mark.parametrize(
    ("paths", "body", "field"),
    [
        pytest.param(["/p"], {}, "partition_key", id="no key"),
        pytest.param(["/p"], {"partition_key": {"a": 1}}, "partition_key", id="an object"),
        pytest.param(["/p"], {"partition_key": []}, "partition_key", id="an empty list"),
        pytest.param(["/p"], {"partition_key": ["x"]}, "partition_key", id="a list for one path"),
        pytest.param(["/p", "/q"], {"partition_key": "x"}, "partition_key", id="one value for two paths"),
        pytest.param(["/p", "/q"], {"partition_key": ["x"]}, "partition_key", id="too few values"),
        pytest.param(["/p"], {"partition_key": "x", "id": ""}, "id", id="an empty id"),
        pytest.param(["/p"], {"partition_key": "x", "id": "a" * 1024}, "id", id="an id that is too long"),
        pytest.param(["/p"], {"partition_key": "x", "id": 7}, "id", id="an id that is no text"),
        pytest.param(["/p"], {"partition_key": "x", "other": "y"}, "other", id="an unknown field"),
    ],
)
def test_wrong_requests_are_refused_by_field(ask, source, body, field):
    """Nothing is asked of the source."""
    with pytest.raises(RequestError) as refusal:
        ask(**body)

    assert [name for name, _ in refusal.value.fields] == [field]
    assert source.asked == []


def test_an_unknown_container_is_not_repeated(ask):
    """What stands in the address may be anything."""
    with pytest.raises(UnknownError) as refusal:
        ask("thandi@example.com", partition_key="x")

    assert "thandi" not in str(refusal.value)
    assert "name one of Accounts" in str(refusal.value)
