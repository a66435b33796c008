"""Reconcile finds what differs between Cosmos and PostgreSQL, only that, and repairs it."""

import time

import pytest

from cdc.core.errors import ConflictError, RequestError, UnknownError
from cdc.reconcile import drift
from cdc.reconcile.cosmos_side import CosmosSide
from cdc.reconcile.store import PostgresRuns
from tests.builders import an_account
from tests.integration.worlds import CONTAINERS, World

NOTHING = {"missing": 0, "stale": 0, "orphaned": 0, "different": 0, "unclaimed": 0}


@pytest.fixture
def empty_world(app_dsn, database, observer):
    """Both sides of a container, and nothing on them."""
    world = World(app_dsn, database, observer)
    yield world
    world.close()


@pytest.fixture
def world(empty_world):
    """The same, with twelve accounts on each."""
    empty_world.write_apart(12)
    empty_world.settle()
    return empty_world


@pytest.fixture
def piecewise(monkeypatch):
    """Every call brings a run forward by one piece."""
    monkeypatch.setattr("cdc.reconcile.activities._ADVANCE_SECONDS", 0.0)


@pytest.fixture
def narrow(monkeypatch):
    """No more than four keys are compared at once."""
    monkeypatch.setattr(drift, "KEYS_AT_ONCE", 4)
    monkeypatch.setattr("cdc.reconcile.compare.KEYS_AT_ONCE", 4)


def ids(world):
    """Return the ids that Cosmos and PostgreSQL have."""
    return sorted(world.documents), world.observer.ids()


def test_equal_sides_have_no_drift(world):
    """Nothing is found, and every key has been compared."""
    report = world.run()

    assert (report["state"], report["drift"], report["found"]) == ("completed", NOTHING, [])
    assert report["keys"] == 12
    assert report["rotation"]["every_key_compared_since"] is not None


@pytest.mark.parametrize("mode", ["counts", "keys", "deep"])
def test_a_missing_document_is_applied(world, mode):
    """What PostgreSQL lacks is brought."""
    world.forget("a0003")

    report = world.run(mode=mode)

    assert report["found"] == [("missing", "repaired")]
    assert ids(world)[0] == ids(world)[1]
    assert world.run()["drift"] == NOTHING


@pytest.mark.parametrize("mode", ["counts", "keys", "deep"])
def test_a_stale_document_is_applied(world, mode):
    """What PostgreSQL has in an old version is brought up to date."""
    world.write("a0003", DisplayName="newer")
    world.settle()

    report = world.run(mode=mode)

    assert report["found"] == [("stale", "repaired")]
    assert {row["display_name"] for row in world.observer.rows("accounts") if row["id"] == "a0003"} == {"newer"}


def test_a_version_of_the_same_second_is_found_by_its_key(world):
    """Count and sum are the same; the etag is not."""
    world.write("b")
    world.deliver("b")
    world.write("b", DisplayName="newer")
    world.settle()

    assert world.run()["found"] == [("stale", "repaired")]


@pytest.mark.parametrize("mode", ["counts", "keys", "deep"])
def test_an_orphaned_document_is_deleted(world, mode):
    """What Cosmos deleted without telling is deleted with its child rows, and leaves a tombstone."""
    world.delete("a0003")

    report = world.run(mode=mode)

    assert report["found"] == [("orphaned", "repaired")]
    assert ids(world)[0] == ids(world)[1]
    assert "a0003" not in {row["account_id"] for row in world.observer.rows("completed_scenarios")}
    assert world.observer.states()["a0003"] == "deleted"
    assert world.observer.letters() == {}


def test_nothing_is_repaired_where_nobody_asks_for_it(world):
    """The report tells what differs and leaves it, since when it is known."""
    world.delete("a0003")
    world.forget("a0004")

    first, second = world.run(repair=False), world.run(repair=False)

    assert sorted(first["found"]) == [("missing", "left"), ("orphaned", "left")]
    assert sorted(second["found"]) == sorted(first["found"])
    assert first["oldest_drift_since"] == second["oldest_drift_since"] is not None
    assert "a0003" in world.observer.ids()


def test_a_missing_and_an_orphaned_document_of_one_second_are_found(world):
    """They cancel in every count; the comparison of keys finds both."""
    world.write("b", "c")
    world.deliver("b")
    world.delete("b")
    world.settle()

    assert sorted(world.run()["found"]) == [("missing", "repaired"), ("orphaned", "repaired")]


@pytest.mark.usefixtures("narrow")
def test_what_cancels_in_every_count_is_found_within_the_promised_runs(world, monkeypatch):
    """Of a long history each run compares the keys of a share, from where the last one ended."""
    monkeypatch.setattr(drift, "ROTATION_RUNS", 4)
    world.write_apart(60, first=12)
    world.write("b", "c")
    world.deliver("b")
    world.delete("b")
    world.settle()

    found = [sorted(world.run(sample=0)["found"]) for _ in range(drift.ROTATION_RUNS)]

    both = [("missing", "repaired"), ("orphaned", "repaired")]
    assert found[0] == []
    assert [each for each in found if each] == [both]


class TestRowsChangedByHand:
    """What somebody did to the tables is found, however the ledger is."""

    def test_a_deleted_row_is_written_again(self, world):
        """The ledger says that it is there."""
        world.observer.connection.execute("delete from accounts where id = 'a0003'")

        assert world.run()["found"] == [("different", "repaired")]
        assert "a0003" in world.observer.ids()

    def test_an_added_row_is_reported_and_left(self, world):
        """Nobody knows whose it is; child rows without a root are no other case."""
        world.observer.connection.execute("insert into accounts (id, email) values ('x', 'x@example.com')")
        world.observer.connection.execute("insert into completed_scenarios values ('y', 's')")

        report = world.run()

        assert report["found"] == [("unclaimed", "left"), ("unclaimed", "left")]
        assert report["drift"]["unclaimed"] == 2
        assert "x" in world.observer.ids()

    @pytest.mark.parametrize(
        ("repair", "found"), [(True, {("missing", "repaired")}), (False, {("missing", "left"), ("unclaimed", "left")})]
    )
    def test_a_row_is_unclaimed_only_where_its_document_is_not_brought_back(self, world, repair, found):
        """A run that gives a document its ledger entry again has claimed its row."""
        world.observer.connection.execute("delete from cdc.document where id = '\"a0003\"'")

        report = world.run(repair=repair)

        assert set(report["found"]) == found
        assert (report["unclaimed"] == report["drift"]["unclaimed"] == 0) is repair

    @pytest.mark.parametrize(
        "statement",
        [
            "update accounts set email = 'x@example.com' where id = 'a0003'",
            "update accounts set display_name = null where id = 'a0003'",
            "update accounts set settings = settings || '{\"Theme\": \"Dark\"}' where id = 'a0003'",
            "update accounts set created_at = created_at + interval '1 microsecond' where id = 'a0003'",
            "insert into completed_scenarios values ('a0003', 'x')",
            "delete from completed_scenarios where account_id = 'a0003'",
        ],
    )
    @pytest.mark.parametrize(
        "request_", [{"mode": "deep"}, {"sample": 12}, {"sample": "all"}], ids=["deep", "sample", "all"]
    )
    def test_an_edited_row_is_written_again(self, world, statement, request_):
        """The values of the document's own version are compared with those of its rows."""
        before = world.observer.tables()
        world.observer.connection.execute(statement)

        assert world.run(**request_)["found"] == [("different", "repaired")]
        assert world.observer.tables() == before

    def test_values_that_are_written_otherwise_are_equal(self, world):
        """The order of keys and the zone of a time are no difference."""
        world.observer.connection.execute("update accounts set settings = (settings::text)::jsonb")
        world.observer.connection.execute("set timezone to 'Africa/Johannesburg'")

        report = world.run(mode="deep")

        assert (report["found"], report["values"]) == ([], 12)


class TestNoFalseDrift:
    """What is on its way is no drift."""

    def test_what_changed_after_the_settle_line_is_not_judged(self, world):
        """Neither a new version, a new document nor a deleted one of the last moments is even suspected."""
        world.write("a0003", "new", DisplayName="newer")

        report = world.run(repair=False)

        assert report["found"] == []
        assert report["state"] == "completed"

    @pytest.mark.usefixtures("piecewise")
    def test_a_suspect_that_the_feed_brings_meanwhile_is_dropped(self, world):
        """The ledger has moved while it settled."""
        world.write("a0003", DisplayName="newer")
        world.settle()
        world.meanwhile = lambda: world.deliver("a0003")

        assert world.run(repair=False)["found"] == []

    @pytest.mark.usefixtures("piecewise")
    def test_a_suspect_that_is_created_again_meanwhile_is_dropped(self, world):
        """It is not orphaned any more, and what it is now the feed will tell."""
        document = world.documents["a0003"]
        world.delete("a0003")

        def create_again():
            world.documents["a0003"] = world.source.write("Accounts", an_account("a0003", DisplayName="again"))
            world.deliver("a0003")

        world.meanwhile = create_again

        assert world.run()["found"] == []
        assert world.documents["a0003"]["_etag"] != document["_etag"]
        assert "a0003" in world.observer.ids()

    @pytest.mark.parametrize(("lag", "sentence"), [(5.0, "lags 5 s"), (None, "No lease covers a part")])
    def test_while_the_feed_is_behind_nothing_is_judged(self, world, lag, sentence):
        """The answer is `behind`, and why."""
        world.forget("a0003")
        world.lag = lag

        report = world.run()

        assert (report["state"], report["found"]) == ("behind", [])
        assert sentence in report["message"]
        assert "a0003" not in world.observer.ids()

    def test_before_the_backfill_is_over_nothing_is_judged(self, world):
        """What has not been copied is not missing."""
        world.forget("a0003")
        world.backfilled = False

        report = world.run()

        assert (report["state"], report["found"]) == ("behind", [])
        assert "backfill" in report["message"]

    @pytest.mark.usefixtures("piecewise")
    def test_a_feed_that_falls_behind_while_suspects_settle_ends_the_run(self, world):
        """What could not be confirmed is dropped."""
        world.forget("a0003")

        def stall():
            world.lag = 60.0

        world.meanwhile = stall

        report = world.run()

        assert (report["state"], report["found"]) == ("behind", [])

    def test_a_parked_document_is_no_drift(self, world):
        """Its version is in the ledger; its last good rows stay."""
        world.write("a0003", Email=None)
        world.deliver("a0003")
        world.settle()

        assert world.run(mode="deep")["found"] == []


def lagging_queries(monkeypatch, id_):
    """Let no query find a document, whether it is there or not."""
    for name in ("read_keys", "find_keys"):
        ask = getattr(CosmosSide, name)
        monkeypatch.setattr(
            CosmosSide,
            name,
            lambda *arguments, ask=ask: {
                each: version for each, version in ask(*arguments).items() if each.id != f'"{id_}"'
            },
        )


def test_a_report_tells_whether_everything_was_compared(world):
    """Beside the state, of each container and of all: who watches `completed` alone would take it for no drift."""
    world.run()
    gone = world.write_apart(30, first=12)
    world.settle()
    for id_ in gone:
        world.delete(id_)
    world.run()

    reports = world.list_reports()["items"]

    found = [(each["state"], each["ended_early"], each["containers"][0]["ended_early"]) for each in reports]
    assert found == [("completed", "too_much_differs", "too_much_differs"), ("completed", None, None)]
    assert world.reconciliations.newest_reports()["Accounts"].ended_early == "too_much_differs"


class TestNeverHarmful:
    """A wrong source empties nothing."""

    def test_an_emptied_container_deletes_nothing(self, world):
        """More than twenty documents and one in a hundred are gone: somebody must look."""
        world.write_apart(30, first=12)
        world.settle()
        for id_ in list(world.documents):
            world.delete(id_)

        report = world.run(mode="keys")

        assert "At least 42 documents" in report["message"]
        assert "nothing is deleted" in report["message"]
        assert report["ended_early"] == "too_much_differs"
        assert report["drift"] == NOTHING | {"orphaned": 21}
        assert report["repaired"] == 0
        assert len(world.observer.ids()) == 42

    @pytest.mark.parametrize(("mode", "max_deletes", "left"), [("keys", 30, 12), ("counts", 30, 12), ("keys", 29, 42)])
    def test_somebody_who_has_looked_lets_more_be_deleted(self, world, mode, max_deletes, left):
        """So many as were said and no more; the next run has the usual limit again."""
        gone = world.write_apart(30, first=12)
        world.settle()
        for id_ in gone:
            world.delete(id_)
        assert "max_deletes" in world.run(mode=mode)["message"]

        report = world.run(mode=mode, max_deletes=max_deletes)

        assert report["max_deletes"] == max_deletes
        assert len(world.observer.ids()) == left
        assert world.run(mode=mode)["max_deletes"] == 20

    @pytest.mark.parametrize("mode", ["counts", "keys", "deep"])
    def test_twenty_documents_are_few_in_every_mode(self, world, mode):
        """A document that counts find, and then the comparison of keys in turn, is one document."""
        gone = world.write_apart(20, first=12)
        world.settle()
        for id_ in gone:
            world.delete(id_)

        assert world.run(mode=mode)["drift"]["orphaned"] == 20
        assert len(world.observer.ids()) == 12

    def test_fewer_may_be_deleted_than_usual(self, world):
        """None, for whoever only wants to bring what is missing."""
        world.delete("a0003")
        world.forget("a0004")

        report = world.run(mode="keys", max_deletes=0)

        assert sorted(report["found"]) == [("missing", "repaired"), ("orphaned", "left")]

    def test_a_lost_database_asks_for_a_backfill(self, world):
        """More than twenty documents and one in ten are missing."""
        lost = world.write_apart(30, first=12)
        world.settle()
        for id_ in lost:
            world.forget(id_)

        report = world.run(mode="keys")

        assert "run a backfill" in report["message"]
        assert (report["repaired"], len(world.observer.ids())) == (0, 12)

    @pytest.mark.usefixtures("narrow")
    def test_an_emptied_container_of_which_little_is_compared_deletes_nothing(self, world):
        """Both sides' counts tell that there are more than the few that a run found before it ended."""
        world.write_apart(30, first=12)
        world.settle()
        for id_ in list(world.documents):
            world.delete(id_)

        report = world.run(mode="keys", sample=0, max_request_units=4)

        assert 0 < report["drift"]["orphaned"] <= 20
        assert "request units" in report["message"]
        assert "nothing is deleted" in report["message"]
        assert len(world.observer.ids()) == 42

    @pytest.mark.usefixtures("piecewise")
    def test_a_document_that_no_query_finds_is_asked_for_by_its_id(self, world, monkeypatch):
        """What a query leaves out is not gone: the first of two answers that it is must be as sure as the second."""
        lagging_queries(monkeypatch, "a0003")
        world.forget("a0004")
        world.meanwhile = lambda: world.delete("a0003")

        assert world.run(mode="keys", sample=0)["found"] == [("missing", "repaired")]
        assert "a0003" in world.observer.ids()

    @pytest.mark.usefixtures("piecewise")
    def test_a_document_that_is_there_again_is_not_gone_because_no_query_finds_it(self, world, monkeypatch):
        """Also what is confirmed is asked for by its id."""
        lagging_queries(monkeypatch, "a0003")
        world.delete("a0003")
        world.meanwhile = lambda: world.write("a0003")

        assert world.run(mode="keys", sample=0)["found"] == [("stale", "repaired")]
        assert "a0003" in world.observer.ids()

    def test_a_recreated_container_is_refused(self, world):
        """It has another resource id, and one clear sentence says what to do."""
        world.run()
        database = world.source.client.get_database_client(world.settings.cosmos_database)
        database.delete_container("Accounts")
        database.create_container("Accounts", {"paths": ["/id"], "kind": "Hash"})

        report = world.run()

        assert report["state"] == "failed"
        assert "python -m cdc adopt Accounts" in report["message"]
        assert len(world.observer.ids()) == 12


class TestBounds:
    """Runs are bounded, never two at once, and go on where they stopped."""

    def test_a_container_has_one_run_at_a_time(self, world):
        """A second one is refused until the first is over."""
        id_ = world.begin()

        with pytest.raises(ConflictError, match="Accounts is running"):
            world.begin()
        world.finish(id_)
        world.finish(world.begin())

    def test_a_run_without_an_orchestration_is_given_one(self, world):
        """A host that died before it started one is made up for by whoever asks next, and by the timer."""
        assert world.activities.list_running() == {}

        world.begin()
        with pytest.raises(ConflictError):
            world.begin()

        assert world.activities.list_running() == {"Accounts": True}
        world.activities.begin_due()
        assert sorted(world.activities.read_running()) == sorted(CONTAINERS)

    @pytest.mark.usefixtures("piecewise")
    def test_a_run_that_has_begun_is_told_from_one_that_goes_on(self, world):
        """The orchestration of the run before is waited for only where it may still be ending."""
        world.begin()
        world.activities.advance("Accounts")

        assert world.activities.list_running() == {"Accounts": False}

    @pytest.mark.usefixtures("piecewise")
    def test_a_run_goes_on_in_another_process(self, world):
        """After every piece, whoever comes next knows what is left."""
        world.forget("a0003")
        id_ = world.begin()
        while not world.open().advance("Accounts")["over"]:
            pass

        report = world.finish(id_)

        assert report["found"] == [("missing", "repaired")]

    @pytest.mark.usefixtures("piecewise")
    def test_a_suspect_that_another_process_adds_late_is_not_confirmed(self, world):
        """Two may work at one run when a host is taken for dead: nothing is deleted before it has settled."""
        world.delete("a0003")
        id_ = world.begin()
        while world.next_step() != "confirm":
            time.sleep(world.activities.advance("Accounts")["seconds"])
        world.observer.connection.execute("update cdc.drift set suspected_at = now() + interval '1 minute'")

        assert world.finish(id_)["found"] == []
        assert "a0003" in world.observer.ids()

    def test_a_run_whose_request_units_are_spent_goes_on_in_the_next(self, world, monkeypatch):
        """No key is forgotten: the rotation begins where it ended."""
        monkeypatch.setattr(drift, "KEYS_AT_ONCE", 3)
        monkeypatch.setattr("cdc.reconcile.compare.KEYS_AT_ONCE", 3)
        world.forget("a0011")

        reports = [world.run(mode="keys", max_request_units=4, sample=0) for _ in range(6)]

        assert "request units" in reports[0]["message"]
        assert reports[0]["ended_early"] == "request_units"
        assert 0 < reports[0]["keys"] < 11
        assert [found for report in reports for found in report["found"]] == [("missing", "repaired")]

    @pytest.mark.usefixtures("narrow")
    def test_a_count_goes_on_where_it_ended_whatever_it_was_spent_for(self, world):
        """Also where narrowing down the first windows takes all: else the last ones would never be counted."""
        world.write_apart(60, first=12)
        world.settle()
        for number in range(12):
            world.forget(f"a{number:04}")
        counted = {}

        for units in (*range(10, 130, 10), 10_000):
            world.observer.connection.execute("update cdc.rotation set count_ts = null")
            windows = world.run(sample=0, repair=False, max_request_units=units)["windows"]
            counted.setdefault(windows, set()).add(world.observer.rows("cdc.rotation")[0]["count_ts"])

        assert counted.pop(max(counted)) == {None}
        assert counted
        assert None not in set().union(*counted.values())

    @pytest.mark.usefixtures("narrow")
    def test_keys_are_compared_in_turn_whatever_a_count_takes(self, world):
        """The rotation goes on in each run, also where differences come back in each."""
        world.write_apart(60, first=12)
        world.settle()
        for number in range(12):
            world.forget(f"a{number:04}")

        for units in range(1, 100, 9):
            world.observer.connection.execute("delete from cdc.rotation")
            reports = [world.run(sample=0, repair=False, max_request_units=units) for _ in range(2)]

            compared = [each["rotation"]["keys_of_this_round"] for each in reports]
            assert 0 < compared[0] < compared[1], units

    @pytest.mark.usefixtures("narrow")
    @pytest.mark.parametrize("mode", ["counts", "keys", "deep"])
    def test_a_container_that_was_never_copied_is_not_read_at_once(self, world, monkeypatch, mode):
        """However much the ledger lacks, no more keys are asked for than fit; a backfill is asked for."""
        asked, read_keys = [], CosmosSide.read_keys
        monkeypatch.setattr(CosmosSide, "read_bodies", lambda *_: pytest.fail("bodies are read"))

        def count_keys(queries, window):
            found = read_keys(queries, window)
            asked.append(len(found))
            return found

        monkeypatch.setattr(CosmosSide, "read_keys", count_keys)
        for id_ in list(world.documents):
            world.forget(id_)
        for number in range(60):
            world.clock.now += 10
            world.write(f"b{number:04}")
        world.settle()

        report = world.run(mode=mode)

        assert "run a backfill" in report["message"]
        assert 0 < max(asked) <= 4
        assert report["rotation"]["every_key_compared_since"] is None

    def test_a_round_beyond_a_line_that_went_back_begins_anew(self, world):
        """A longer settle time judges less than was compared already."""
        world.run()
        world.observer.connection.execute("update cdc.rotation set next_ts = 2 ^ 40, completed_at = null")

        report = world.run()

        assert report["rotation"]["every_key_compared_since"] is not None
        assert world.observer.rows("cdc.rotation", "next_ts") == [{"next_ts": None}]

    @pytest.mark.usefixtures("narrow")
    def test_a_round_began_before_its_first_keys_were_compared(self, world, monkeypatch):
        """The run that ends a round goes on with the first windows of the next one."""
        monkeypatch.setattr(drift, "ROTATION_RUNS", 2)
        world.write_apart(28, first=12)
        world.settle()
        reports = [world.run(sample=0) for _ in range(5)]

        for before, report in zip([None, *reports], reports, strict=False):
            if before and before["rotation"]["round_began_at"] != report["rotation"]["round_began_at"]:
                assert report["rotation"]["round_began_at"] == report["started_at"]
        assert report["rotation"]["every_key_compared_since"] is not None

    @pytest.mark.usefixtures("piecewise")
    @pytest.mark.parametrize("mode", ["counts", "keys", "deep"])
    def test_keys_of_a_run_that_does_not_complete_are_compared_again(self, world, mode):
        """What it suspected was not confirmed: a comparison that found something and dropped it proves nothing."""
        world.forget("a0003")
        world.meanwhile = lambda: setattr(world, "lag", 60.0)

        report = world.run(mode=mode)

        assert (report["state"], report["found"]) == ("behind", [])
        assert report["rotation"]["every_key_compared_since"] is None
        world.lag = 0.0
        report = world.run(mode=mode)
        assert report["found"] == [("missing", "repaired")]
        assert report["rotation"]["every_key_compared_since"] is not None

    def test_what_is_left_is_kept_once(self, world):
        """Each run finds it again; since when is known all the same, and the newest report has it."""
        world.observer.connection.execute("insert into accounts (id, email) values ('x', 'x@example.com')")
        since = world.run()["oldest_drift_since"]
        world.delete("a0003")
        world.run(repair=False)
        world.observer.connection.execute("update cdc.drift set suspected_at = suspected_at - interval '2 days'")

        report = world.run(repair=False)
        PostgresRuns(world.database).prune()

        assert sorted(report["found"]) == [("orphaned", "left"), ("unclaimed", "left")]
        assert report["oldest_drift_since"] == since
        assert len(world.observer.rows("cdc.drift")) == 2

    def test_old_reports_go_and_the_newest_stays(self, world):
        """However old it is: status shows it."""
        ids = []
        for _ in range(2):
            ids.append(world.begin())
            world.finish(ids[-1])
        PostgresRuns(world.database).prune()
        assert len(world.list_reports()["items"]) == 2

        world.observer.connection.execute("update cdc.reconciliation set finished_at = now() - interval '31 days'")
        PostgresRuns(world.database).prune()

        assert [report["id"] for report in world.list_reports()["items"]] == ids[1:]

    @pytest.mark.usefixtures("narrow")
    def test_differences_in_many_documents_are_narrowed_down(self, world):
        """Windows are counted, halved and compared until each difference is found."""
        world.write_apart(60, first=12)
        world.settle()
        world.forget("a0020")
        world.delete("a0050")
        world.write("a0033", DisplayName="newer")
        world.settle()

        report = world.run(sample=0)

        assert sorted(report["found"]) == [("missing", "repaired"), ("orphaned", "repaired"), ("stale", "repaired")]
        assert report["bisections"] > 0
        assert report["windows"] > 10

    @pytest.mark.usefixtures("piecewise")
    def test_a_split_between_two_pieces_is_no_drift(self, world):
        """What is asked of each physical partition is asked of its parts."""
        world.forget("a0003")
        id_ = world.begin(mode="keys", sample=12)
        world.activities.advance("Accounts")
        world.server.controls.split(world.settings.cosmos_database, "Accounts")

        assert world.finish(id_)["found"] == [("missing", "repaired")]

    def test_a_count_reads_no_bodies(self, world):
        """Suspects are looked up by their keys."""
        world.forget("a0003")
        world.delete("a0004")
        world.server.controls.counters.reset()

        world.run(sample=0, repair=False)

        assert world.server.controls.counters["read_document"].documents == 0
        assert world.server.controls.counters["read_change_feed"].requests == 0

    def test_which_container_answers_is_not_asked_again_for_each_document_that_is_gone(self, world):
        """That is asked once for each piece, and with the read that leads to a delete."""
        for number in range(11):
            world.delete(f"a{number:04}")
        counters = world.server.controls.counters
        counters.reset()

        world.run(sample=0, repair=False)

        asked = [counters[name].requests for name in ("read_document", "read_container", "read_account")]
        assert asked[0] == 2 * 11
        assert max(asked[1:]) < 11


class TestRequests:
    """What is asked wrongly is refused, and what is told names nobody."""

    @pytest.mark.parametrize(
        "request_", [{"mode": "all"}, {"sample": -1}, {"max_request_units": 0}, {"max_deletes": -1}, {"when": "now"}]
    )
    def test_a_wrong_field_is_named(self, empty_world, request_):
        """The message names the field."""
        with pytest.raises(RequestError) as caught:
            empty_world.begin(**request_)

        assert caught.value.fields[0][0].startswith(next(iter(request_)))

    def test_an_unknown_container_is_named(self, empty_world):
        """Only what is replicated can be compared."""
        with pytest.raises(RequestError) as caught:
            empty_world.begin(containers=["Scenarios"])

        ((name, message),) = caught.value.fields
        assert name == "containers"
        assert message.startswith("Scenarios is not replicated: name one of Accounts,")

    @pytest.mark.parametrize("id_", ["77", "x", "-1", "9" * 30])
    def test_an_unknown_id_is_refused(self, empty_world, id_):
        """There is no such reconciliation."""
        with pytest.raises(UnknownError):
            empty_world.read_report(id_)

    def test_reports_name_nobody(self, world):
        """A document is a number and a fingerprint."""
        world.forget("a0003")
        world.observer.connection.execute("insert into accounts (id, email) values ('lerato', 'lerato@example.com')")
        id_ = world.begin()
        world.finish(id_)

        text = str(world.read_report(id_))

        assert "a0003" not in text
        assert "lerato" not in text

    def test_reports_come_in_pages(self, world):
        """The newest first, and where to go on."""
        for _ in range(3):
            world.run()

        first = world.list_reports(limit="2")
        second = world.list_reports(limit="2", after=first["next"])

        assert [each["id"] for each in first["items"]] == ["3", "2"]
        assert ([each["id"] for each in second["items"]], second["next"]) == (["1"], None)
        assert world.list_reports(limit="3")["next"] is None
