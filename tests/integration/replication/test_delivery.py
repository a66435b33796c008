"""What a change feed leaves out is noted where the next reconcile finds it."""

import pytest

from cdc.config.settings import Settings
from cdc.core import feed_items
from cdc.core.documents import Identity
from cdc.core.errors import FatalError, PausedError
from cdc.core.feed_items import FeedMode, read_delivered
from cdc.core.source_container import SourceContainer
from cdc.cosmos.account import CosmosAccount
from cdc.replication.batch import replicate
from cdc.runtime import Runtime
from mappers import APPLICATION_SQL, MAPPERS
from mappers.accounts import ACCOUNTS
from tests.builders import TS, a_change, a_version, an_account
from tests.integration.postgres.test_feed_states import the_feed
from tests.integration.test_runtime import SETTINGS

ALL, LATEST = FeedMode.ALL_VERSIONS, FeedMode.LATEST_VERSION


@pytest.fixture
def start(app_dsn, monkeypatch):
    """Start a runtime in a mode; its containers have the partition key /id."""
    monkeypatch.setattr(
        CosmosAccount,
        "read_source_container",
        lambda _, name: SourceContainer(name, "account", "AAAAAIAAAAA=", ("/id",)),
    )
    monkeypatch.setattr(CosmosAccount, "check_account", lambda *_: None)
    monkeypatch.setattr(CosmosAccount, "check_feed", lambda *_: None)
    started = []

    def start_runtime(mode):
        settings = SETTINGS | {"POSTGRES_CONNECTION": app_dsn, "CHANGE_FEED_MODE": mode}
        started.append(Runtime(Settings.read(settings), MAPPERS, APPLICATION_SQL))
        return started[-1]

    yield start_runtime
    for runtime in started:
        runtime.close()


def an_upsert(id_, lsn, follows=None, **overrides):
    """Build an item of a feed of all versions."""
    metadata = {"operationType": "replace" if follows else "create", "lsn": lsn, "crts": TS + lsn}
    if follows:
        metadata["previousImageLSN"] = follows
    document = an_account(id_, **overrides) | {"_ts": TS + lsn, "_etag": f"{id_}-{lsn}"}
    return {"current": document, "metadata": metadata}


def a_delete(lsn, follows, **metadata):
    """Build an item that tells of a delete."""
    known = {"operationType": "delete", "lsn": lsn, "crts": TS + lsn, "previousImageLSN": follows}
    return {"current": {}, "metadata": known | metadata}


def test_a_planted_gap_is_counted_and_its_document_suspected(start, feeds, observer):
    """The change is applied in the transaction that notes the gap; delivered again it is no second one."""
    runtime = start(ALL)
    runtime.delivery.apply(ACCOUNTS, [an_upsert("a", 10), an_upsert("b", 11)])
    page = [an_upsert("a", 14, follows=12, DisplayName="newest"), an_upsert("b", 15, follows=11)]

    first, second = runtime.delivery.apply(ACCOUNTS, page), runtime.delivery.apply(ACCOUNTS, page)

    assert (first.applied, first.gaps, second.stale, second.gaps) == (2, 1, 2, 0)
    feed = the_feed(feeds)
    assert (feed.gaps, feed.suspects, feed.complete_reconcile_since == feed.backfill_since) == (1, 1, True)
    suspects = observer.connection.execute("select key, container from cdc.suspect").fetchall()
    assert suspects == [(Identity.of("Accounts", "a", "a").key, "Accounts")]
    assert "newest" in {row["display_name"] for row in observer.rows("accounts")}


def test_a_batch_that_is_refused_whole_notes_no_gap(start, feeds, observer):
    """What is not written is not noted either."""
    runtime = start(ALL)
    runtime.delivery.apply(ACCOUNTS, [an_upsert("a", 10)])
    observer.connection.execute("alter table accounts rename column role to something_else")

    with pytest.raises(FatalError):
        runtime.delivery.apply(ACCOUNTS, [an_upsert("a", 14, follows=12)])

    assert (the_feed(feeds).gaps, the_feed(feeds).suspects) == (0, 0)


def test_a_gap_before_a_document_that_is_refused_is_noted_once(start, feeds):
    """Halving the batch keeps it."""
    runtime = start(ALL)
    runtime.delivery.apply(ACCOUNTS, [an_upsert("a", 10), an_upsert("b", 11)])

    outcome = runtime.delivery.apply(
        ACCOUNTS, [an_upsert("a", 14, follows=12, DisplayName="x\0"), an_upsert("b", 15, follows=11)]
    )

    assert (outcome.applied, outcome.parked, outcome.gaps) == (1, 1, 1)
    assert the_feed(feeds).suspects == 1


def test_a_delete_without_an_id_requires_a_complete_reconcile(start, feeds, observer, caplog):
    """It is a gap, and blocks nobody."""
    runtime = start(ALL)
    runtime.delivery.apply(ACCOUNTS, [an_upsert("a", 10)])
    since = the_feed(feeds).complete_reconcile_since

    runtime.delivery.apply(ACCOUNTS, [a_delete(12, 10, partitionKey={"id": "a"}), an_upsert("b", 13)])

    feed = the_feed(feeds)
    assert observer.ids() == ["a", "b"]
    assert feed.gaps == 1
    assert feed.complete_reconcile_since > since == feed.backfill_since
    assert "1 deletes do not identify their document" in caplog.text


def test_deletes_of_a_feed_take_children_along(start, observer):
    """A delete, and a delete followed by a new document under the same id, in one page."""
    runtime = start(ALL)
    runtime.delivery.apply(ACCOUNTS, [an_upsert("a", 10), an_upsert("b", 11)])
    deletes = [a_delete(lsn, lsn - 2, id=id_, partitionKey={"id": id_}) for id_, lsn in (("a", 12), ("b", 13))]

    outcome = runtime.delivery.apply(ACCOUNTS, [*deletes, an_upsert("b", 14, CompletedScenarioIds=["scenario-2"])])

    assert (outcome.applied, outcome.deleted, outcome.stale, outcome.gaps) == (1, 1, 1, 0)
    assert observer.ids() == ["b"]
    assert [row["scenario_id"] for row in observer.rows("completed_scenarios")] == ["scenario-2"]


def test_a_page_of_many_versions_ends_as_if_each_had_come_alone(start, observer, sink):
    """500 versions of 50 documents, with deletes among them, in one page and one by one."""
    items, alive = [], {}
    for number in range(500):
        id_, lsn = f"account-{number % 50}", 10 + number
        if number % 7 == 0 and alive.get(id_):
            items.append(a_delete(lsn, alive.pop(id_), id=id_, partitionKey={"id": id_}))
        else:
            scenarios = [f"scenario-{each}" for each in range(number % 4)]
            items.append(an_upsert(id_, lsn, alive.get(id_), DisplayName=f"{number}", CompletedScenarioIds=scenarios))
            alive[id_] = lsn
    # All in few seconds, as a script would write them.
    for item in items:
        item["metadata"]["crts"] = TS + item["metadata"]["lsn"] // 100
        if item["current"]:
            item["current"]["_ts"] = item["metadata"]["crts"]

    for item in items:
        replicate(ACCOUNTS, read_delivered(ALL, "Accounts", ("/id",), [item]).changes, sink)
    alone = observer.tables(), observer.states(), observer.letters()
    observer.empty()
    outcome = start(ALL).delivery.apply(ACCOUNTS, items)

    assert (observer.tables(), observer.states(), observer.letters()) == alone
    assert len(observer.ids()) == len(alive)
    assert (outcome.applied + outcome.deleted, outcome.stale, outcome.gaps) == (50, 450, 0)


@pytest.mark.parametrize(
    ("mode", "item", "words"),
    [
        (ALL, an_account("a") | {"_ts": TS, "_etag": "x"}, "extension bundle in host.json"),
        (LATEST, an_upsert("a", 1), "CHANGE_FEED_MODE is latest_version"),
    ],
)
def test_a_host_that_delivers_the_other_mode_is_told_at_the_first_page(start, mode, item, words, observer):
    """Nothing is written, and nothing is checkpointed."""
    with pytest.raises(FatalError, match=words):
        start(mode).delivery.apply(ACCOUNTS, [item])

    assert observer.ledger() == {}


def test_the_later_of_two_deletes_of_one_second_is_held(sink, observer):
    """Of an identity never seen: the document between them comes late, and stays deleted."""
    first, late, second = (
        a_change("a", version=a_version(0, lsn, etag), **body)
        for lsn, etag, body in ((11, "", {"body": None}), (12, "new", {}), (13, "", {"body": None}))
    )
    for change in (first, second, late, first):
        replicate(ACCOUNTS, [change], sink)

    assert observer.ids() == []
    assert observer.ledger()["a"][1] == 13
    assert observer.letters() == {}


def failures(observer):
    """Return what is noted of the batches that failed."""
    return observer.connection.execute("select container, problem, since, last_at from cdc.failed_batch").fetchall()


def test_a_batch_that_fails_again_and_again_is_noted_once(start, feeds, observer):
    """With our own sentence, which has the SQLSTATE; it is the same failure as long as it comes again."""
    runtime = start(LATEST)
    observer.connection.execute("alter table accounts rename column role to something_else")

    for _ in range(2):
        with pytest.raises(FatalError):
            runtime.delivery.apply(ACCOUNTS, [an_account("a") | {"_ts": TS, "_etag": "1", "_lsn": 1}])

    ((container, problem, since, last_at),) = failures(observer)
    assert (container, "(42703)" in problem, since < last_at) == ("Accounts", True, True)
    observer.connection.execute("update cdc.failed_batch set last_at = '2026-01-02', since = '2026-01-01'")
    with pytest.raises(FatalError):
        runtime.delivery.apply(ACCOUNTS, [an_account("a") | {"_ts": TS, "_etag": "1", "_lsn": 1}])
    assert failures(observer)[0][2] > last_at


def test_an_exception_that_is_not_our_own_is_noted_by_its_name(start, feeds, observer, monkeypatch):
    """Its text may quote a document."""
    runtime = start(LATEST)

    def fail(*_):
        raise ValueError("kim@example.com")

    monkeypatch.setattr(feed_items, "read_documents", fail)
    with pytest.raises(ValueError, match="kim"):
        runtime.delivery.apply(ACCOUNTS, [an_account("a")])

    assert [row[:2] for row in failures(observer)] == [("Accounts", "ValueError.")]


def test_a_paused_container_has_no_failure(start, feeds, observer):
    """Its batches are meant to come again, and status says why."""
    runtime = start(LATEST)
    observer.connection.execute(
        "insert into cdc.pause (container, reason, source, positions) values ('Accounts', 'why', 'operator', '[]')"
    )

    with pytest.raises(PausedError):
        runtime.delivery.apply(ACCOUNTS, [an_account("a") | {"_ts": TS, "_etag": "1", "_lsn": 1}])

    assert failures(observer) == []
