"""A backfill of a real Cosmos server into a real database, driven as its orchestration drives it."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import pairwise

import pytest

from cdc.api.answers import answer, read_body, read_query
from cdc.api.backfills import BackfillQuery, StartRequest
from cdc.backfill import copying as backfill_module
from cdc.config.settings import Settings
from cdc.core.feed_pages import Page
from cdc.cosmos.feeds import CosmosFeed
from cdc.runtime import Runtime
from local.oracle.compare import compare
from local.patience import PATIENCE_SECONDS
from local.sample import DATABASE, Sample, Source
from local.stack import make_settings
from mappers import APPLICATION_SQL, MAPPERS
from mappers.accounts import ACCOUNTS
from mappers.user_profiles import USER_PROFILES
from tests.builders import TS, a_profile, an_account

FEED = "read_change_feed"


@pytest.fixture
def source(cosmos):
    """The source database."""
    source = Source.open(cosmos.connection_string, DATABASE)
    yield source
    source.close()


@pytest.fixture
def start(cosmos, app_dsn, source):
    """Start the app's use cases, as one worker process has them."""
    started = []

    def start_runtime(mappers=MAPPERS, **settings):
        values = make_settings(cosmos.connection_string, app_dsn) | settings
        started.append(Runtime(Settings.read(values), mappers, APPLICATION_SQL))
        return started[-1]

    yield start_runtime
    for runtime in started:
        runtime.close()


@pytest.fixture
def runtime(start):
    """One worker process."""
    return start()


def post(runtime, body):
    """Send a request for a backfill."""
    return answer(lambda: runtime.backfills.start(read_body(StartRequest, body)), 202)


def page(runtime, **query):
    """Send a request for a list of backfills."""
    return answer(lambda: runtime.backfills.list_newest(read_query(BackfillQuery, query)))


def move(runtime, verb, id_):
    """Send a request to pause, resume or cancel a backfill."""
    return answer(lambda: getattr(runtime.backfills, verb)(id_))


def ask(runtime, **body):
    """Ask for a backfill, unlimited unless it has a budget, and return its id."""
    body = {"unlimited": "max_request_units_per_second" not in body} | body
    made = post(runtime, json.dumps(body).encode())
    assert made.status == 202, made.body
    return json.loads(made.body)["id"]


def read(runtime, id_):
    """Read a backfill."""
    return json.loads(answer(lambda: runtime.backfills.read(id_)).body)


def work(runtime, id_, rounds=50):
    """Do what the orchestration does; return the backfill."""
    generation = None
    with ThreadPoolExecutor(8) as lanes:
        for _ in range(rounds):
            plan = runtime.backfill.plan(id_, generation)
            if plan["over"]:
                break
            generation = plan["generation"]
            list(lanes.map(partial(runtime.backfill.copy, id_, generation), range(plan.get("lanes", 0))))
    return read(runtime, id_)


class SalesOrders:
    """A reader that takes sales orders as accounts, too."""

    types = frozenset({"Account", "SalesOrder"})

    def __init__(self, reader):
        self._reader = reader

    def read(self, body):
        """Read a sales order as an account."""
        return self._reader.read(body | {"$type": "Account"} if body.get("$type") == "SalesOrder" else body)


def write(source, documents, container="Accounts"):
    """Write accounts, with names of their own."""
    for number in range(documents):
        source.write(container, an_account(f"account-{number}", Email=f"{number}@example.com"))


def is_equal(cosmos, reader_dsn):
    """Tell whether both sides are equal."""
    return not compare(cosmos.connection_string, DATABASE, reader_dsn).differences


def test_what_was_there_before_is_copied(runtime, source, cosmos, reader_dsn):
    """Every container, every generation of documents; the counters are those of the documents."""
    sample = Sample(seed=5)
    for document in sample.create(300):
        source.write(*document)
    source.write(*sample.poison())

    done = work(runtime, ask(runtime, page_size=20))

    assert done["state"] == "completed"
    assert done["totals"] == {"read": 301, "applied": 300, "stale": 0, "undecided": 0, "parked": 1, "unmapped": 0}
    assert (done["documents"], done["percent"], done["seconds_left"]) == (301, 100.0, 0)
    assert {range_["state"] for range_ in done["ranges"]} == {"completed"}
    assert sum(range_["read"] for range_ in done["ranges"]) == 301
    assert is_equal(cosmos, reader_dsn)


@pytest.mark.parametrize("page_size", [1, 4, 1_000])
def test_a_document_whose_bytes_are_no_text_is_parked(runtime, source, cosmos, connection, page_size):
    """Its page is copied, wherever in a page it is; the SDK alone would stop at this page for ever."""
    write(source, 12)
    for id_ in ("account-0", "account-5", "account-6"):
        cosmos.controls.spoil(DATABASE, "Accounts", id_, [id_], "DisplayName")

    done = work(runtime, ask(runtime, containers=["Accounts"], page_size=page_size))

    assert done["state"] == "completed"
    assert done["totals"] == {"read": 12, "applied": 9, "stale": 0, "undecided": 0, "parked": 3, "unmapped": 0}
    letters = connection.execute("select kind, path, message from cdc.dead_letter").fetchall()
    assert {(kind, path) for kind, path, _ in letters} == {("mapping", "$.DisplayName")}
    assert all(message.isascii() for _, _, message in letters)


def test_what_is_applied_already_is_stale(runtime, source):
    """A second backfill writes nothing."""
    write(source, 30)
    work(runtime, ask(runtime))

    again = work(runtime, ask(runtime, containers=["Accounts"]))

    assert again["totals"] == {"read": 30, "applied": 0, "stale": 30, "undecided": 0, "parked": 0, "unmapped": 0}


def test_a_range_that_splits_goes_on_in_its_children(runtime, source, cosmos, reader_dsn):
    """From where it was: nothing is read twice, nothing is left out."""
    write(source, 80)
    id_ = ask(runtime, containers=["Accounts"], page_size=5, max_parallel_ranges=1)
    with cosmos.hold(operation=FEED, path="/Accounts/") as feed, ThreadPoolExecutor(1) as thread:
        feed_seen = thread.submit(work, runtime, id_)
        assert feed.entered.wait(PATIENCE_SECONDS)
        cosmos.controls.split(DATABASE, "Accounts", "0")
        feed.release()
        done = feed_seen.result()

    assert done["totals"]["read"] == done["totals"]["applied"] == 80
    assert sorted(range_["state"] for range_ in done["ranges"]) == ["completed"] * 3 + ["split"]
    assert is_equal(cosmos, reader_dsn)


def test_a_range_that_splits_half_way_is_not_read_again(start, source, cosmos):
    """The children start at the parent's continuation."""
    write(source, 80)
    runtime = start(BACKFILL_ACTIVITY_SECONDS="0.001")  # one page at a time
    id_ = ask(runtime, containers=["Accounts"], page_size=5, max_parallel_ranges=1)
    work(runtime, id_, rounds=3)
    before = read(runtime, id_)
    assert 0 < before["totals"]["read"] < 40

    cosmos.controls.split(DATABASE, "Accounts", "0")
    done = work(runtime, id_, rounds=100)

    assert done["totals"]["read"] == 80
    assert next(range_ for range_ in done["ranges"] if range_["state"] == "split")["read"] == before["totals"]["read"]


def test_throttling_and_failures_put_a_backfill_off_and_lose_nothing(runtime, source, cosmos, reader_dsn):
    """While the source refuses, the backfill says why it waits; afterwards it ends exact."""
    write(source, 40)
    id_ = ask(runtime, containers=["Accounts"], page_size=7)
    cosmos.controls.throttle(10_000, operation="query_documents")
    waiting = work(runtime, id_, rounds=1)
    assert (waiting["documents"], waiting["problem"]) == (None, "Cosmos answered 429 for the change feed of Accounts.")
    cosmos.controls.clear()
    assert runtime.backfill.plan(id_, None)["progress"]["problem"] is None

    cosmos.controls.throttle(10_000, operation=FEED)
    waiting = work(runtime, id_, rounds=1)
    assert (waiting["state"], waiting["problem"]) == (
        "running",
        "Cosmos answered 429 for the change feed of Accounts.",
    )

    cosmos.controls.clear()
    cosmos.controls.fail(503, times=3, operation=FEED)
    cosmos.controls.fail(410, substatus=1007, times=3, operation=FEED)
    cosmos.controls.drop(times=2, operation=FEED)
    done = work(runtime, id_)

    assert (done["state"], done["problem"]) == ("completed", None)
    assert done["totals"]["read"] == 40
    assert is_equal(cosmos, reader_dsn)


def test_a_backfill_reads_no_more_than_the_containers_and_ends_at_what_the_live_feed_brings(
    runtime, source, cosmos
) -> None:
    """A page on which everything is newer than the start is the last of its range."""
    write(source, 10)
    id_ = ask(runtime, containers=["Accounts"], page_size=1, max_parallel_ranges=1)
    plan = runtime.backfill.plan(id_, None)
    cosmos.controls.clock.advance(60)
    write(source, 10)  # all of them again, newer: none of the old versions is left in the feed

    for _ in range(2):
        runtime.backfill.copy(id_, plan["generation"], 0)
    done = work(runtime, id_)

    assert done["state"] == "completed"
    assert done["totals"]["read"] == 2


def test_a_page_without_documents_is_no_end(runtime, source, monkeypatch):
    """Only 304 is: the service may answer with an empty page and a new continuation."""
    write(source, 20)
    read_page = CosmosFeed.read

    def read_nothing_first(feed, range_, continuation, size):
        if continuation is None:
            return Page((), '"0"', ended=False, request_units=1.0)
        return read_page(feed, range_, continuation, size)

    monkeypatch.setattr(CosmosFeed, "read", read_nothing_first)
    done = work(runtime, ask(runtime, containers=["Accounts"]))

    assert done["totals"]["applied"] == 20


def test_one_page_is_read_ahead_and_no_more(runtime, source, monkeypatch, cosmos):
    """While a page is being written, the next is asked for; the one after waits until it is committed."""
    write(source, 40)
    seen = []
    counters = cosmos.controls.counters
    replicate = backfill_module.replicate

    def slow_replicate(*arguments):
        while len(seen) < 8 and counters[FEED].requests < len(seen) + 2:
            time.sleep(0.01)
        time.sleep(0.05)
        seen.append(counters[FEED].requests)
        return replicate(*arguments)

    monkeypatch.setattr(backfill_module, "replicate", slow_replicate)
    id_ = ask(runtime, containers=["Accounts"], page_size=2, max_parallel_ranges=1)
    work(runtime, id_)

    assert [after - before for before, after in pairwise(seen[:8])] == [1] * 7
    assert seen[0] == 2


def test_the_charges_of_any_ten_seconds_stay_under_the_limit(start, source, cosmos):
    """Counted by the server, over all lanes."""
    for document in Sample(seed=6).create(700):
        source.write(*document)
    runtime = start()
    id_ = ask(runtime, max_request_units_per_second=100)
    cosmos.controls.counters.reset()
    charges, begun = [], time.monotonic()
    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(work, runtime, id_)
        while not done.done():
            before = time.monotonic() - begun
            total = sum(count.charge for name, count in cosmos.controls.counters.items() if name != "read_account")
            charges.append((before, time.monotonic() - begun, total))
            time.sleep(0.05)

    assert done.result()["state"] == "completed"
    assert charges[-1][2] > 500
    # Only what was counted within ten seconds for sure, however long the counting took.
    ten = [later - earlier for at, _, earlier in charges for _, until, later in charges if 0 <= until - at <= 10]
    assert max(ten) < 1000


def test_counting_the_documents_is_paid_from_the_budget(runtime, source, connection):
    """Its time is taken before the first page."""
    write(source, 5)
    id_ = ask(runtime, max_request_units_per_second=100)
    runtime.backfill.plan(id_, None)

    assert connection.execute("select paced_to > started_at from cdc.backfill").fetchone() == (True,)


def test_a_pause_ends_with_the_page_that_is_being_written(runtime, source, monkeypatch):
    """However long an activity may go on; what was read ahead is read again."""
    write(source, 40)
    id_ = ask(runtime, containers=["Accounts"], page_size=5, max_parallel_ranges=1)
    replicate = backfill_module.replicate

    def pause_first(*arguments):
        move(runtime, "pause", id_)
        return replicate(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(backfill_module, "replicate", pause_first)
        paused = work(runtime, id_)
    assert (paused["state"], paused["totals"]["read"]) == ("paused", 5)

    resumed = json.loads(move(runtime, "resume", id_).body)

    assert (resumed["request_units_per_second"], resumed["seconds_left"]) == (0.0, None)
    assert work(runtime, id_)["totals"]["read"] == 40


def test_a_container_that_is_another_before_it_is_counted_is_not_copied(start, source, connection):
    """The backfill waits, and says what to do."""
    write(source, 5)
    id_ = ask(start(), containers=["Accounts"])
    connection.execute("update cdc.container set rid = 'another'")

    waiting = work(start(), id_, rounds=1)

    assert (waiting["state"], waiting["ranges"]) == ("running", [])
    assert "python -m cdc adopt Accounts" in waiting["problem"]


def test_pause_resume_and_cancel(start, source):
    """A pause ends within a page, a resume goes on where it was, a cancel ends; then a new one may begin."""
    write(source, 60)
    runtime = start(BACKFILL_ACTIVITY_SECONDS="0.001")
    id_ = ask(runtime, containers=["Accounts"], page_size=5, max_parallel_ranges=1)
    plan = runtime.backfill.plan(id_, None)
    runtime.backfill.copy(id_, plan["generation"], 0)
    assert json.loads(move(runtime, "pause", id_).body)["state"] == "paused"
    paused = read(runtime, id_)

    assert runtime.backfill.copy(id_, plan["generation"], 0) == {"ok": True, "over": True}
    assert runtime.backfill.plan(id_, plan["generation"])["over"]
    assert runtime.backfills.list_tasks() == []
    assert read(runtime, id_)["totals"] == paused["totals"]

    assert json.loads(move(runtime, "resume", id_).body)["state"] == "running"
    assert [task["id"] for task in runtime.backfills.list_tasks()] == [id_]
    work(runtime, id_, rounds=2)
    resumed = read(runtime, id_)
    assert resumed["totals"]["read"] > paused["totals"]["read"]

    assert json.loads(move(runtime, "cancel", id_).body)["state"] == "cancelled"
    assert work(runtime, id_)["totals"] == resumed["totals"]
    assert move(runtime, "resume", id_).status == 409
    assert work(runtime, ask(runtime, containers=["Accounts"]), rounds=100)["totals"]["read"] == 60


def test_a_cancelled_backfill_writes_no_page_that_it_was_at(runtime, source, connection, monkeypatch):
    """The generation is another one when the page's transaction ends: rows, ledger and counters stay as they were."""
    write(source, 5)
    id_ = ask(runtime, containers=["Accounts"])
    replicate = backfill_module.replicate

    def cancel_first(*arguments):
        move(runtime, "cancel", id_)
        return replicate(*arguments)

    monkeypatch.setattr(backfill_module, "replicate", cancel_first)
    done = work(runtime, id_)

    assert (done["state"], done["totals"]["read"]) == ("cancelled", 0)
    assert connection.execute("select count(*) from cdc.document").fetchone() == (0,)


def test_a_worker_that_slept_through_the_end_of_its_backfill_revives_nothing(
    runtime, source, connection, cosmos, monkeypatch
):
    """It still writes the halves of a page that PostgreSQL refuses; tombstones of its time may be pruned by then."""
    connection.execute("alter table accounts alter display_name type varchar(20)")
    write(source, 5)
    source.write("Accounts", an_account("refused", Email="r@example.com", DisplayName="longer than the column is"))
    id_ = ask(runtime, containers=["Accounts"])
    replicate = backfill_module.replicate

    def sleep_first(*arguments):
        move(runtime, "cancel", id_)
        pruned = {"container": "Accounts", "ts": int(cosmos.controls.clock()) + 60}
        connection.execute(
            "insert into cdc.pruned values (%(container)s, %(ts)s) on conflict (container) do nothing", pruned
        )
        return replicate(*arguments)

    monkeypatch.setattr(backfill_module, "replicate", sleep_first)
    work(runtime, id_)

    assert connection.execute("select count(*) from accounts").fetchone() == (0,)
    assert connection.execute("select count(*) from cdc.document").fetchone() == (0,)


def test_who_takes_a_backfill_fences_the_one_before(start, source):
    """Two orchestrations of one backfill: what the older one does from then on is not written."""
    write(source, 60)
    runtime = start(BACKFILL_ACTIVITY_SECONDS="0.001")
    id_ = ask(runtime, containers=["Accounts"], page_size=5, max_parallel_ranges=1)
    first = runtime.backfill.plan(id_, None)
    second = runtime.backfill.plan(id_, None)
    assert second["generation"] == first["generation"] + 1

    assert runtime.backfill.copy(id_, first["generation"], 0)["over"]
    assert read(runtime, id_)["totals"]["read"] == 0
    assert not runtime.backfill.copy(id_, second["generation"], 0)["over"]
    assert read(runtime, id_)["totals"]["read"] == 5


def test_who_was_fenced_takes_no_range_from_a_lane(start, source, connection):
    """An orchestration of an older generation plans and fails: the lanes keep their ranges, and no problem is noted."""
    write(source, 20)
    runtime = start(BACKFILL_ACTIVITY_SECONDS="0.001")
    id_ = ask(runtime, containers=["Accounts"], page_size=5, max_parallel_ranges=2)
    first = runtime.backfill.plan(id_, None)
    fenced = runtime._backfills.find(id_, first["generation"])
    cursor = runtime._backfills.claim(fenced, 0)
    second = runtime.backfill.plan(id_, None)
    runtime.backfill.copy(id_, second["generation"], 1)
    lanes = "select lane from cdc.backfill_range order by number"
    before = connection.execute(lanes).fetchall()

    assert runtime.backfill.plan(id_, first["generation"])["over"]
    runtime._backfills.note_problem(fenced, "an old one", cursor)

    assert connection.execute(lanes).fetchall() == before != [(None,), (None,)]
    assert {range_["problem"] for range_ in read(runtime, id_)["ranges"]} == {None}


def test_two_who_copy_one_range_count_each_page_once(start, source):
    """An activity that the host delivers twice: one of the two loses each page, and writes nothing of it."""
    write(source, 120)
    runtimes = [start(), start()]
    id_ = ask(runtimes[0], containers=["Accounts"], page_size=3, max_parallel_ranges=1)
    plan = runtimes[0].backfill.plan(id_, None)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda each: each.backfill.copy(id_, plan["generation"], 0), runtimes))
    done = work(runtimes[0], id_)

    assert done["totals"]["read"] == done["totals"]["applied"] == 120


def test_a_locked_table_delays_its_own_container_alone(runtime, source, connection):
    """Its feed and its backfill leave connections for the other containers, for background work and for requests."""
    write(source, 20)
    id_ = ask(runtime, containers=["Accounts"], max_parallel_ranges=2)
    generation = runtime.backfill.plan(id_, None)["generation"]
    items = [an_account(f"b{number}", _ts=TS, _lsn=1, _etag="x") for number in range(5)]
    waiting = "select count(*) from pg_locks where not granted and relation = 'accounts'::regclass"

    with ThreadPoolExecutor(7) as pool:
        with connection.transaction():
            connection.execute("lock table accounts")
            stuck = [pool.submit(runtime.delivery.apply, ACCOUNTS, [item]) for item in items]
            stuck += [pool.submit(runtime.backfill.copy, id_, generation, lane) for lane in range(2)]
            wait_for(lambda: connection.execute(waiting).fetchone() == (4,))

            profile = a_profile("p", _ts=TS, _lsn=1, _etag="x")
            assert runtime.delivery.apply(USER_PROFILES, [profile]).applied == 1
            assert runtime.status.read().containers[1].documents["applied"] == 1
            assert runtime.retry_dead_letters().total() == 0
            assert connection.execute(waiting).fetchone() == (4,)
        assert [each.result() for each in stuck if each.exception() is None]


def wait_for(condition):
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_mended_mapper_is_applied_to_what_is_there_by_reapply(start, source, connection):
    """Equal versions are written again; without `reapply` they are stale; a newer version is not overwritten."""
    write(source, 3)
    work(start(), ask(start(), containers=["Accounts"]))
    connection.execute("update accounts set display_name = 'of an older mapper'")
    connection.execute("update cdc.document set ts = ts + 1000, etag = 'newer' where id = '\"account-2\"'")
    runtime = start()

    assert work(runtime, ask(runtime, containers=["Accounts"]))["totals"]["stale"] == 3
    assert work(runtime, ask(runtime, containers=["Accounts"], reapply=True))["totals"]["applied"] == 2

    names = connection.execute("select id, display_name from accounts order by id").fetchall()
    assert names == [("account-0", "Thandi M"), ("account-1", "Thandi M"), ("account-2", "of an older mapper")]


def test_a_parked_document_is_applied_by_reapply_when_it_can_be(start, source, connection, monkeypatch):
    """Its dead letter goes with it."""
    source.write("Accounts", an_account("a"))
    runtime = start()
    with monkeypatch.context() as patch:
        patch.setattr(type(MAPPERS[0]), "map", lambda *_: {}["a mapper with a mistake"])
        assert work(runtime, ask(runtime, containers=["Accounts"]))["totals"]["parked"] == 1
    assert connection.execute("select count(*) from cdc.dead_letter").fetchone() == (1,)

    done = work(runtime, ask(runtime, containers=["Accounts"], reapply=True))

    assert done["totals"]["applied"] == 1
    assert connection.execute("select count(*) from cdc.dead_letter").fetchone() == (0,)
    assert connection.execute("select id from accounts").fetchall() == [("a",)]


def test_a_backfill_counts_what_no_mapper_takes_and_applies_it_when_one_does(start, source, cosmos, connection):
    """The types are told by status and readiness; a mapper that is deployed later takes the documents by reapplying."""
    write(source, 2)
    source.write("Accounts", an_account("order", **{"$type": "SalesOrder"}))
    source.write("Accounts", an_account("guest", **{"$type": "thandi@example.com"}))
    runtime = start()

    done = work(runtime, ask(runtime, containers=["Accounts"]))

    assert done["totals"] == {"read": 4, "applied": 2, "stale": 0, "undecided": 0, "parked": 0, "unmapped": 2}
    assert sum(each["unmapped"] for each in done["ranges"]) == 2
    assert work(runtime, ask(runtime, containers=["Accounts"]))["totals"]["stale"] == 4
    order = {"container": "Accounts", "type": "SalesOrder", "documents": 1, "has_mapper": False}
    other = {"container": "Accounts", "type": "other", "documents": 1, "has_mapper": False}
    status = runtime.status.read().containers[0]
    assert (status.documents["unmapped"], status.documents["applied"]) == (2, 2)
    assert [each.model_dump() for each in status.unmapped] == [order, other]

    later = start([replace(ACCOUNTS, reader=SalesOrders(ACCOUNTS.reader))])
    assert [each.has_mapper for each in later.status.list_unmapped()] == [True, False]
    assert work(later, ask(later, containers=["Accounts"]))["totals"]["stale"] == 4
    again = work(later, ask(later, containers=["Accounts"], reapply=True))
    assert (again["totals"]["applied"], again["totals"]["unmapped"]) == (3, 1)
    assert connection.execute("select id from accounts where id = 'order'").fetchone() == ("order",)
    assert [each.type for each in later.status.list_unmapped()] == ["other"]


def test_documents_that_were_written_as_applied_become_known_by_reapplying(runtime, source, connection):
    """So were all of types that nobody maps before the state existed."""
    source.write("Accounts", an_account("order", **{"$type": "SalesOrder"}))
    work(runtime, ask(runtime, containers=["Accounts"]))
    connection.execute("update cdc.document set state = 'applied', unmapped_type = null")

    done = work(runtime, ask(runtime, containers=["Accounts"], reapply=True))

    assert done["totals"]["unmapped"] == 1
    assert [(each.type, each.documents) for each in runtime.status.list_unmapped()] == [("SalesOrder", 1)]


def test_a_dry_run_says_what_it_would_do_and_writes_nothing(runtime, source, connection):
    """What would be applied, what would be parked and why, and the properties that nobody knows."""
    write(source, 4)
    source.write("Accounts", an_account("poison", Email=None))
    source.write("Accounts", an_account("unknown", ShoeSize=38))
    source.write("Accounts", an_account("first", CompletedScenarioIds=[{}]))
    source.write("Accounts", an_account("second", CompletedScenarioIds=["a", {}]))
    for id_, type_ in (("one", "SalesOrder"), ("two", "SalesOrder"), ("three", "thandi@example.com")):
        source.write("Accounts", an_account(id_, **{"$type": type_}))

    done = work(runtime, ask(runtime, containers=["Accounts"], dry_run=True))

    assert done["totals"] == {"read": 11, "applied": 5, "stale": 0, "undecided": 0, "parked": 3, "unmapped": 3}
    types = {each["path"]: each["documents"] for each in done["findings"] if each["kind"] == "unmapped"}
    assert types == {"SalesOrder": 2, "other": 1}
    path = "$.CompletedScenarioIds[]"
    assert {"container": "Accounts", "kind": "mapping", "path": path, "documents": 2} in done["findings"]
    assert {"container": "Accounts", "kind": "mapping", "path": "$.Email", "documents": 1} in done["findings"]
    assert {"container": "Accounts", "kind": "unknown", "path": "$.ShoeSize", "documents": 1} in done["findings"]
    for table in ("accounts", "completed_scenarios", "cdc.document", "cdc.dead_letter", "cdc.observation"):
        assert connection.execute(f"select count(*) from {table}").fetchone() == (0,)


def test_a_container_of_another_life_is_refused(runtime, source, connection):
    """Before it starts; the sentence says what to do."""
    write(source, 3)
    runtime.checks.run()
    connection.execute("update cdc.container set rid = 'another'")

    made = post(runtime, b'{"containers": ["Accounts"], "unlimited": true}')

    assert made.status == 503
    assert "python -m cdc adopt Accounts" in json.loads(made.body)["detail"]
    assert connection.execute("select count(*) from cdc.backfill").fetchone() == (0,)


def test_a_backfill_of_a_container_of_another_life_ends_when_that_is_adopted(start, cosmos, source, dsn):
    """Its positions are those of the other one: going on there would leave documents out."""
    write(source, 40)
    runtime = start(BACKFILL_ACTIVITY_SECONDS="0.001")
    id_ = ask(runtime, containers=["Accounts"], page_size=5, max_parallel_ranges=2)
    work(runtime, id_, rounds=2)
    source.client.get_database_client(DATABASE).delete_container("Accounts")
    again = Source.open(cosmos.connection_string, DATABASE)
    write(again, 4)
    again.close()

    start().setup.adopt("Accounts")

    assert work(runtime, id_)["state"] == "cancelled"
    done = work(runtime, ask(runtime, containers=["Accounts"]))
    assert (done["state"], done["totals"]["read"]) == ("completed", 4)


def test_a_copy_waits_for_the_live_feed_to_begin(start, source):
    """What is written between the two would be in neither: 409, and the sentence says what is waited for."""
    start().setup.create_lease_container()
    body = b'{"containers": ["Accounts"], "unlimited": true}'
    ahead = post(start(CHANGE_FEED_START="2126-01-01T00:00:00Z"), body)
    without = post(start(CHANGE_FEED_MODE="all_versions_and_deletes"), body)

    assert (ahead.status, without.status) == (409, 409)
    assert "CHANGE_FEED_START" in json.loads(ahead.body)["detail"]
    assert "has not begun everywhere. The trigger of Accounts has not" in json.loads(without.body)["detail"]
    assert json.loads(page(start()).body)["items"] == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"containers": []}', "containers"),
        (b'{"unlimited": true, "containers": ["Nothing"]}', "containers.0"),
        (b'{"unlimited": true, "containers": ["Accounts", "Accounts"]}', "containers"),
        (b"", "max_request_units_per_second"),
        (b"{}", "max_request_units_per_second"),
        (b'{"dry_run": true}', "max_request_units_per_second"),
        (b'{"unlimited": false}', "max_request_units_per_second"),
        (b'{"max_request_units_per_second": null}', "max_request_units_per_second"),
        (b'{"max_request_units_per_second": 400, "unlimited": true}', "max_request_units_per_second"),
        (b'{"unlimited": 1}', "unlimited"),
        (b'{"max_request_units_per_second": 1}', "max_request_units_per_second"),
        (b'{"max_request_units_per_second": "400"}', "max_request_units_per_second"),
        (b'{"max_parallel_ranges": 0}', "max_parallel_ranges"),
        (b'{"page_size": 100000}', "page_size"),
        (b'{"reapply": 1}', "reapply"),
        (b'{"dry_run": "yes"}', "dry_run"),
        (b'{"pages": 1}', "pages"),
    ],
)
def test_a_bad_request_is_answered_with_the_field(runtime, body, field):
    """400, and nothing is started."""
    made = post(runtime, body)

    assert (made.status, made.content_type) == (400, "application/problem+json")
    assert [error["field"] for error in json.loads(made.body)["errors"]] == [field]
    assert json.loads(page(runtime).body) == {"items": [], "next": None}


def test_a_container_has_one_backfill_at_a_time(runtime, source):
    """The answer names the other one; a container that it does not have is free."""
    first = ask(runtime, containers=["Accounts", "UserProfiles"])

    made = post(runtime, b'{"containers": ["GameSessions", "UserProfiles"], "unlimited": true}')

    assert made.status == 409
    assert first in json.loads(made.body)["detail"]
    assert ask(runtime, containers=["GameSessions"]) != first
    move(runtime, "pause", first)
    assert post(runtime, b'{"containers": ["Accounts"], "unlimited": true}').status == 409
    move(runtime, "cancel", first)
    assert ask(runtime, containers=["Accounts"])


def test_of_many_who_ask_at_once_one_is_granted(runtime, source):
    """Each container once, whatever the order in which they are named."""
    bodies = [
        b'{"containers": ["Accounts", "UserProfiles"], "unlimited": true}',
        b'{"containers": ["UserProfiles", "Accounts"], "unlimited": true}',
    ] * 3
    with ThreadPoolExecutor(6) as threads:
        statuses = list(threads.map(lambda body: post(runtime, body).status, bodies))

    assert sorted(statuses) == [202] + [409] * 5


def test_what_is_not_there_is_404_and_lists_have_pages(runtime, source):
    """Newest first."""
    assert answer(lambda: runtime.backfills.read("nothing")).status == 404
    assert move(runtime, "pause", "nothing").status == 404
    assert "PostgreSQL cannot store" in json.loads(answer(lambda: runtime.backfills.read("\0")).body)["detail"]
    assert [move(runtime, "pause", "\0").status, page(runtime, after="\0").status] == [400, 400]
    ids = [ask(runtime, containers=[name]) for name in ("Accounts", "UserProfiles", "GameSessions")]

    first = json.loads(page(runtime, limit="2").body)
    second = json.loads(page(runtime, limit="2", after=first["next"]).body)

    assert [item["id"] for item in [*first["items"], *second["items"]]] == ids[::-1]
    assert second["next"] is None
    assert page(runtime, limit="0").status == 400
    assert page(runtime, after="nothing").status == 404


def test_without_postgres_the_answer_is_503_and_nobody_fails(start, source, monkeypatch):
    """One sentence; the timer that looks for backfills finds none."""
    runtime = start(POSTGRES_CONNECTION="postgresql://postgres@127.0.0.1:9/none")
    monkeypatch.setattr("cdc.postgres.database._POOL_TIMEOUT_SECONDS", 0.1)

    made = post(runtime, b'{"unlimited": true}')

    assert made.status == 503
    assert "PostgreSQL cannot be reached" in json.loads(made.body)["detail"]
    assert runtime.backfills.list_tasks() == []


def test_no_document_is_in_any_answer(runtime, source):
    """Numbers, names of containers and of properties."""
    source.write("Accounts", an_account("lerato", Email="lerato@example.com"))
    source.write("Accounts", an_account("lerato-2", Email=["lerato"]))
    id_ = ask(runtime, dry_run=True)
    work(runtime, id_)

    assert "lerato" not in answer(lambda: runtime.backfills.read(id_)).body + page(runtime).body
