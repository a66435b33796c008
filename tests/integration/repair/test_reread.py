"""Documents that are read again: what the source says now wins, where nobody else was faster."""

from dataclasses import replace

import pytest

from cdc.core.documents import Identity, Reading
from cdc.core.errors import FatalError, TransientError
from cdc.core.writes import Outcome
from cdc.repair import blockers
from cdc.repair.reread import EarlierReading, Ending, repair_document, retry
from cdc.repair.store import PostgresRereadStore
from cdc.replication.batch import replicate
from mappers.accounts import ACCOUNTS
from mappers.user_profiles import USER_PROFILES
from tests.builders import TS, a_change, a_profile, a_version, an_account

A = Identity.of("Accounts", "p", "a")
SETTLE_SECONDS = 120


class FakeSource:
    """Hold documents as the source would, and answer with what is there."""

    def __init__(self):
        self.documents = {}
        self.meanwhile = lambda: None
        self.failures = 0
        self.refused = {}
        self.reads = []

    def put(self, id_, ts=0, etag=None, **overrides):
        """Write a document's version, as one that is read by its id: without an lsn."""
        version = a_version(ts, etag=etag)
        row = overrides.pop("row", id_)
        self.documents[id_] = an_account(row, **overrides) | {"_ts": version.ts, "_etag": version.etag}

    def read_document(self, identity):
        """Answer, after whatever happens meanwhile."""
        id_ = identity.id.strip('"')
        self.reads.append(id_)
        for name in (identity.container, id_):
            if name in self.refused:
                raise self.refused[name]
        if self.failures:
            self.failures -= 1
            raise TransientError("Cosmos did not answer.")
        body = self.documents.get(id_)
        self.meanwhile()
        return Reading(body, TS + 1_000)


@pytest.fixture
def source():
    """A source without documents."""
    return FakeSource()


@pytest.fixture
def repairs(database):
    """The store under test."""
    return PostgresRereadStore(database, backoff_seconds=60, settle_seconds=SETTLE_SECONDS)


@pytest.fixture
def repair(source, repairs):
    """Read one account again."""
    return lambda identity=A: repair_document(ACCOUNTS, identity, source, repairs)


@pytest.fixture
def run_timer(source, repairs):
    """Do what the timer does."""
    return lambda: dict(retry([ACCOUNTS], source, repairs, rounds=5))


def an_upsert(id_="a", ts=0, lsn=None, row=None, **overrides):
    """Build a delivery of an account."""
    return a_change(id_, partition_key="p", version=a_version(ts, lsn), body=an_account(row or id_, **overrides))


def name_of(observer, id_="a"):
    """Return the display name in an account's row."""
    return {row["id"]: row["display_name"] for row in observer.rows("accounts")}.get(id_)


def letter(observer, columns, id_="a"):
    """Return columns of a document's letter, or None."""
    return observer.connection.execute(f"select {columns} from cdc.dead_letter where id = %s", [f'"{id_}"']).fetchone()


def pass_time(observer, seconds):
    """Let time pass: everything that the letters and the ledger say was so much earlier."""
    for table, columns in {
        "dead_letter": ("next_attempt_at", "doubted_at", "parked_at", "claimed_until"),
        "document": ("applied_at",),
    }.items():
        moved = ", ".join(f"{column} = {column} - make_interval(secs => {seconds})" for column in columns)
        observer.connection.execute(f"update cdc.{table} set {moved}")


def test_an_undecided_document_is_read_again_when_its_second_is_over(sink, observer, source, run_timer):
    """Two versions of one second that cannot be ordered end in what the source holds, and no letter stays."""
    replicate(ACCOUNTS, [an_upsert(lsn=7, DisplayName="first")], sink)
    replicate(ACCOUNTS, [replace(an_upsert(DisplayName="second"), version=a_version(0, None, "second"))], sink)
    source.put("a", etag="second", DisplayName="second")

    assert run_timer() == {Ending.APPLIED: 1}

    assert name_of(observer) == "second"
    assert observer.letters() == {}
    assert run_timer() == {}


def test_an_undecided_letter_waits_for_its_second_to_end(connection, sink, observer, source, run_timer):
    """While another version of the same second may still be written, reading again would prove nothing."""
    (now,) = connection.execute("select extract(epoch from now())::bigint + 5").fetchone()
    replicate(ACCOUNTS, [an_upsert(ts=now - TS, DisplayName="first")], sink)
    other = replace(an_upsert(DisplayName="second"), version=a_version(now - TS, None, "second"))
    replicate(ACCOUNTS, [other], sink)

    assert run_timer() == {}
    pass_time(observer, 10)
    source.put("a", now - TS, etag="second", DisplayName="second")
    assert run_timer() == {Ending.APPLIED: 1}


def test_a_repair_keeps_the_lsn_of_a_version_it_finds_again(sink, observer, source, repair):
    """A point read does not tell the lsn; the one that the feed told stays."""
    replicate(ACCOUNTS, [an_upsert(lsn=7)], sink)
    source.put("a", etag=a_version(0, 7).etag)

    assert repair() is Ending.APPLIED

    (lsn,) = observer.connection.execute("select lsn from cdc.document").fetchone()
    assert lsn == 7


def test_a_replay_applies_what_a_mended_mapper_takes(sink, observer, source, repair):
    """The parked version itself is applied, and its letter goes."""
    replicate(ACCOUNTS, [an_upsert(Email=None)], sink)
    source.put("a", etag=a_version(0).etag)

    assert repair() is Ending.APPLIED

    assert observer.states() == {"a": "applied"}
    assert observer.letters() == {}


def test_a_parked_document_that_has_become_unmapped_loses_its_letter_and_its_rows(sink, observer, source, repair):
    """The retry finds another type: nothing waits for it any more."""
    replicate(ACCOUNTS, [an_upsert(ts=0)], sink)
    replicate(ACCOUNTS, [an_upsert(ts=1, Email=None)], sink)
    source.put("a", 2, etag="other", **{"$type": "SalesOrder"})

    assert repair() is Ending.UNMAPPED

    assert (observer.ids(), observer.letters(), observer.states()) == ([], {}, {"a": "unmapped"})


def test_a_document_that_is_still_bad_stays_parked(sink, observer, source, repair):
    """The letter says what is wrong now, and counts the attempt; nothing makes it due again."""
    replicate(ACCOUNTS, [an_upsert(Email=None)], sink)
    source.put("a", 1, CreatedAt="no time")

    assert repair() is Ending.PARKED

    assert letter(observer, "kind, path, attempts, state, next_attempt_at") == (
        "mapping", "$.CreatedAt", 1, "waiting", None,
    )  # fmt: skip
    assert observer.states() == {"a": "parked"}


def test_a_document_that_is_parked_has_a_letter_whoever_answered_the_last(sink, observer, source, repairs, repair):
    """Two workers, of which one has an older mapper, read one document at once: what the second refuses is said."""
    replicate(ACCOUNTS, [an_upsert(lsn=7)], sink)
    replicate(ACCOUNTS, [replace(an_upsert(), version=a_version(0, None, "other"))], sink)
    source.put("a", etag=a_version(0, 7).etag)

    def refuse(_):
        raise ValueError

    def be_overtaken():
        source.meanwhile = lambda: None
        assert repair() is Ending.APPLIED

    source.meanwhile = be_overtaken
    assert repair_document(replace(ACCOUNTS, rows=refuse), A, source, repairs) is Ending.PARKED

    assert observer.states() == {"a": "parked"}
    assert observer.letters()["a"][0] == "mapping"


def test_letters_for_which_the_time_was_too_short_are_due_at_once(sink, observer, source, repairs, run_timer):
    """The next run of the timer takes them, on whatever instance."""
    for id_ in "abc":
        replicate(ACCOUNTS, [an_upsert(id_, lsn=1), an_upsert(id_, ts=-5, lsn=2)], sink)
        source.put(id_)
    pass_time(observer, SETTLE_SECONDS)

    assert retry([ACCOUNTS], source, repairs, seconds=0.0) == {}
    assert source.reads == []

    assert run_timer() == {Ending.APPLIED: 3}


def test_whoever_writes_while_the_source_answers_wins(sink, observer, source, repair):
    """The repair finds the ledger moved and writes nothing."""
    replicate(ACCOUNTS, [an_upsert(ts=0)], sink)
    source.put("a", 1, DisplayName="read")
    source.meanwhile = lambda: replicate(ACCOUNTS, [an_upsert(ts=2, DisplayName="newer")], sink)

    assert repair() is Ending.OVERTAKEN

    assert name_of(observer) == "newer"


def test_a_letter_that_comes_while_the_source_answers_stays(sink, observer, source, repair):
    """An undecided version that nobody has read yet is not answered by an answer that is older."""
    replicate(ACCOUNTS, [an_upsert(ts=0, lsn=7)], sink)
    source.put("a", 0, etag=a_version(0, 7).etag)
    other = replace(an_upsert(ts=0), version=a_version(0, None, "other"))
    source.meanwhile = lambda: replicate(ACCOUNTS, [other], sink)

    assert repair() is Ending.APPLIED

    assert observer.letters()["a"][0] == "undecided"


def test_an_undecided_letter_that_another_version_joins_stays(sink, observer, source, repair):
    """It was there before the source was asked; what it waits for now came later."""
    replicate(ACCOUNTS, [an_upsert(lsn=7)], sink)
    second, third = (replace(an_upsert(), version=a_version(0, None, etag)) for etag in ("second", "third"))
    replicate(ACCOUNTS, [second], sink)
    source.put("a", etag="second")
    source.meanwhile = lambda: replicate(ACCOUNTS, [third], sink)

    assert repair() is Ending.APPLIED

    assert observer.letters()["a"][0] == "undecided"


def test_an_undecided_letter_is_not_answered_before_its_second_is_over(sink, observer, source, repair):
    """Whoever asks for the document sooner may get what is not the newest version of that second."""
    replicate(ACCOUNTS, [an_upsert(lsn=7)], sink)
    replicate(ACCOUNTS, [replace(an_upsert(), version=a_version(0, None, "other"))], sink)
    observer.connection.execute("update cdc.dead_letter set next_attempt_at = now() + interval '1 hour'")
    source.put("a", etag="other")

    assert repair() is Ending.APPLIED

    assert observer.letters()["a"][0] == "undecided"


def test_an_undecided_letter_stays_where_a_version_of_its_second_is_parked(sink, observer):
    """It alone knows of the version that may be newer."""
    replicate(ACCOUNTS, [an_upsert(lsn=7)], sink)
    replicate(ACCOUNTS, [replace(an_upsert(), version=a_version(0, None, "other"))], sink)
    replicate(ACCOUNTS, [an_upsert(lsn=8, Email=None)], sink)

    assert observer.states() == {"a": "parked"}
    assert observer.letters()["a"][0] == "undecided"


def test_a_document_that_comes_while_the_source_answers_is_not_undone(sink, observer, source, repair):
    """A repair of a document that nobody held loses against a delivery."""
    source.put("a", 0, DisplayName="read")
    source.meanwhile = lambda: replicate(ACCOUNTS, [an_upsert(ts=2, DisplayName="newer")], sink)

    assert repair() is Ending.OVERTAKEN

    assert name_of(observer) == "newer"


def test_an_absence_is_believed_when_it_is_repeated_a_settle_time_later(sink, observer, repair, run_timer):
    """One 404 deletes nothing; the second one leaves a tombstone with the server's time and the version's etag."""
    replicate(ACCOUNTS, [an_upsert(lsn=7)], sink)

    assert repair() is Ending.DOUBTED
    assert observer.ids() == ["a"]
    assert run_timer() == {}
    assert repair() is Ending.DOUBTED
    pass_time(observer, SETTLE_SECONDS + 1)
    assert run_timer() == {Ending.DELETED: 1}

    assert observer.ids() == []
    assert observer.ledger()["a"][:4] == (TS + 1_000, 7, a_version(0, 7).etag, "deleted")
    assert observer.letters() == {}


def test_an_absence_counts_anew_when_the_document_changed_meanwhile(sink, observer, repair, run_timer):
    """Between the two answers the feed delivered a version: the first answer says nothing about it."""
    replicate(ACCOUNTS, [an_upsert(ts=0)], sink)
    repair()
    pass_time(observer, SETTLE_SECONDS + 1)
    replicate(ACCOUNTS, [an_upsert(ts=1, Email=None)], sink)

    assert repair() is Ending.DOUBTED
    assert observer.ids() == ["a"]


def test_an_absent_document_that_nobody_holds_writes_nothing(observer, repair):
    """Whoever asks for a document that never was finds no trace of it."""
    assert repair() is Ending.ABSENT
    assert (observer.ledger(), observer.letters()) == ({}, {})


def test_a_tombstone_of_an_absence_refuses_the_version_it_replaced(sink, observer, repair, run_timer):
    """A late delivery of the deleted version does not revive the document, however far apart their times are."""
    replicate(ACCOUNTS, [an_upsert()], sink)
    repair()
    pass_time(observer, SETTLE_SECONDS + 1)
    run_timer()

    assert replicate(ACCOUNTS, [an_upsert()], sink) == Outcome(stale=1)
    assert replicate(ACCOUNTS, [an_upsert(ts=995)], sink) == Outcome(undecided=1)
    assert observer.ids() == []


@pytest.mark.parametrize("deleted", [False, True])
def test_a_document_that_only_its_letter_knows_is_not_revived(sink, observer, run_timer, deleted):
    """Its versions could not be ordered, and then it is gone: an older one that comes late finds a tombstone."""
    if deleted:  # long ago, and created again since
        replicate(ACCOUNTS, [an_upsert(ts=-100, lsn=1)], sink)
        replicate(ACCOUNTS, [a_change("a", partition_key="p", version=a_version(-90, 2, ""), body=None)], sink)
    one, other = (
        a_change("a", partition_key="p", version=a_version(0, None, etag), body=an_account("a"))
        for etag in ("one", "other")
    )
    assert replicate(ACCOUNTS, [one, other], sink) == Outcome(undecided=2)
    for _ in range(2):
        pass_time(observer, SETTLE_SECONDS + 10)
        run_timer()

    assert observer.letters() == {}
    assert observer.states() == {"a": "deleted"}
    assert replicate(ACCOUNTS, [one], sink) == Outcome(stale=1)
    assert observer.ids() == []


def test_a_document_created_again_about_the_time_of_its_absence(sink, observer, source, repair, run_timer):
    """Within ten seconds of the answer the clocks decide nothing; the source does."""
    replicate(ACCOUNTS, [an_upsert()], sink)
    repair()
    pass_time(observer, SETTLE_SECONDS + 1)
    run_timer()
    source.put("a", 1_005, DisplayName="again")
    replicate(ACCOUNTS, [an_upsert(ts=1_005, DisplayName="again")], sink)

    assert run_timer() == {Ending.APPLIED: 1}
    assert name_of(observer) == "again"


def test_an_older_version_is_believed_when_it_is_repeated(sink, observer, source, repair, run_timer):
    """A source that was restored goes back; a replica that lags for a moment does not."""
    replicate(ACCOUNTS, [an_upsert(ts=5, DisplayName="newer")], sink)
    source.put("a", 1, DisplayName="restored")

    assert repair() is Ending.DOUBTED
    assert name_of(observer) == "newer"
    pass_time(observer, SETTLE_SECONDS + 1)
    assert run_timer() == {Ending.APPLIED: 1}

    assert name_of(observer) == "restored"
    assert observer.ledger()["a"][0] == TS + 1


def test_an_absence_counts_anew_when_the_document_was_read_meanwhile(sink, observer, source, repair):
    """Gone, there, gone: the first answer is no witness for the third."""
    replicate(ACCOUNTS, [an_upsert()], sink)
    assert repair() is Ending.DOUBTED
    source.put("a", etag=a_version(0).etag)
    assert repair() is Ending.APPLIED
    del source.documents["a"]
    pass_time(observer, SETTLE_SECONDS + 1)

    assert repair() is Ending.DOUBTED
    assert observer.ids() == ["a"]


def test_another_answer_needs_a_second_one_of_its_own(sink, observer, source, repair):
    """An older version, and a settle time later no document: each was answered once, so neither is believed."""
    replicate(ACCOUNTS, [an_upsert(ts=5, DisplayName="newer")], sink)
    source.put("a", 1)
    assert repair() is Ending.DOUBTED
    pass_time(observer, SETTLE_SECONDS + 1)

    del source.documents["a"]
    assert [repair(), repair()] == [Ending.DOUBTED] * 2
    assert name_of(observer) == "newer"
    pass_time(observer, SETTLE_SECONDS + 1)
    assert repair() is Ending.DELETED


@pytest.mark.parametrize("first", [None, "restored"], ids=["gone", "older"])
def test_an_answer_of_somebody_else_counts_when_it_is_the_same(sink, observer, source, repairs, first):
    """Who got a first answer a settle time ago needs a second one, not another one."""
    replicate(ACCOUNTS, [an_upsert(ts=5)], sink)
    held = repairs.note([A])[A].held
    if first is not None:
        source.put("a", 1, etag=first, DisplayName="restored")

    def repair_after(etag):
        return repair_document(ACCOUNTS, A, source, repairs, answered=EarlierReading(held, etag))

    assert repair_after("another") is Ending.DOUBTED
    assert repair_after("restored" if first is None else None) is Ending.DOUBTED
    assert repair_after(first) is (Ending.DELETED if first is None else Ending.APPLIED)


def test_asking_again_does_not_put_off_the_second_answer(sink, observer, source, repair):
    """The settle time begins with the first answer, however often somebody asks meanwhile."""
    replicate(ACCOUNTS, [an_upsert()], sink)
    for _ in range(3):
        assert repair() is Ending.DOUBTED
        pass_time(observer, SETTLE_SECONDS / 3 + 1)

    assert repair() is Ending.DELETED


def test_a_tombstone_is_not_older_than_what_it_replaces(sink, observer, source, repair):
    """Where the clock of the answers is behind that of the versions, no version between them comes back."""
    replicate(ACCOUNTS, [an_upsert(ts=2_000)], sink)
    repair()
    pass_time(observer, SETTLE_SECONDS + 1)
    assert repair() is Ending.DELETED

    replicate(ACCOUNTS, [an_upsert(ts=1_500)], sink)

    assert observer.ids() == []
    assert observer.states() == {"a": "deleted"}


class TestConflicts:
    """Documents that claim one row, or a value that a rule of the table lets only one have."""

    def claim_one_row(self, sink):
        """Deliver two documents that claim the row `r`."""
        replicate(ACCOUNTS, [an_upsert("one", row="r", DisplayName="one")], sink)
        replicate(ACCOUNTS, [an_upsert("two", row="r", DisplayName="two")], sink)

    def test_the_claimant_waits_and_knows_for_what(self, sink, observer):
        """The second one is parked with the row that it wants."""
        self.claim_one_row(sink)

        assert letter(observer, "kind, wanted_table, wanted_key", "two") == ("conflict", "public.accounts", '["r"]')
        assert name_of(observer, "r") == "one"

    def test_tries_are_spaced_and_end(self, sink, observer, source, run_timer):
        """1, 2, 4, 8 and 16 minutes later, then it is exhausted and waits for somebody."""
        self.claim_one_row(sink)
        source.put("one", row="r")
        source.put("two", row="r")

        for minutes in (1, 2, 4, 8, 16):
            pass_time(observer, minutes * 60 - 5)
            assert run_timer() == {}
            pass_time(observer, 6)
            assert run_timer() == {Ending.PARKED: 1}

        assert letter(observer, "state, attempts", "two") == ("exhausted", 5)
        pass_time(observer, 100_000)
        assert run_timer() == {}

    @pytest.mark.parametrize("exhausted", [False, True])
    def test_a_row_that_is_freed_wakes_its_claimant(self, sink, observer, source, run_timer, exhausted):
        """The holder's delete makes the claimant due at once, also after its tries were over."""
        self.claim_one_row(sink)
        if exhausted:
            observer.connection.execute("update cdc.dead_letter set state = 'exhausted', attempts = 5")
        source.put("two", row="r", DisplayName="two")

        replicate(ACCOUNTS, [a_change("one", partition_key="p", version=a_version(1), body=None)], sink)

        assert run_timer() == {Ending.APPLIED: 1}
        assert name_of(observer, "r") == "two"
        assert observer.letters() == {}

    def test_a_holder_that_keeps_its_row_wakes_nobody(self, sink, run_timer):
        """However often it changes, its claimant has five tries."""
        self.claim_one_row(sink)
        replicate(ACCOUNTS, [an_upsert("one", 1, row="r", DisplayName="changed")], sink)

        assert run_timer() == {}

    def test_a_holder_that_is_parked_keeps_its_last_good_row(self, sink, observer, source, run_timer):
        """Its newest version has no rows to tell which one it wants: the claimant waits until it has."""
        self.claim_one_row(sink)
        replicate(ACCOUNTS, [an_upsert("one", 1, row="s", Email=None)], sink)
        source.put("one", 1, row="s", Email=None)
        source.put("two", row="r", DisplayName="two")
        pass_time(observer, 61)

        assert run_timer() == {Ending.PARKED: 1}
        assert (name_of(observer, "r"), name_of(observer, "s")) == ("one", None)

        replicate(ACCOUNTS, [an_upsert("one", 2, row="s", DisplayName="one")], sink)
        assert run_timer() == {Ending.APPLIED: 1}
        assert (name_of(observer, "r"), name_of(observer, "s")) == ("two", "one")

    def test_two_that_want_each_others_values_wake_nobody_for_ever(self, sink, observer, source, run_timer):
        """Neither gives way first: each has its five tries, and a try that fails wakes no letter."""
        observer.connection.execute("create unique index one_email on accounts (email)")
        replicate(ACCOUNTS, [an_upsert("one", Email="x"), an_upsert("two", Email="y")], sink)
        for id_, email in (("one", "y"), ("two", "x")):
            replicate(ACCOUNTS, [an_upsert(id_, 1, Email=email)], sink)
            source.put(id_, 1, Email=email)

        for _ in range(5):
            pass_time(observer, 100_000)
            assert run_timer() == {Ending.PARKED: 2}

        assert (letter(observer, "state", "one"), letter(observer, "state", "two")) == (("exhausted",), ("exhausted",))
        assert run_timer() == {}

    def test_three_that_pass_their_rows_around_one_by_one_end_exhausted(self, sink, observer, source, run_timer):
        """A try writes claimant and holder, and the third stands in the way of both: it is seen, nothing is lost."""
        replicate(ACCOUNTS, [an_upsert(id_, row=f"r{id_}") for id_ in "123"], sink)
        for id_, row in (("1", "r2"), ("2", "r3"), ("3", "r1")):
            replicate(ACCOUNTS, [an_upsert(id_, 1, row=row)], sink)
            source.put(id_, 1, row=row)

        for _ in range(5):
            pass_time(observer, 100_000)
            run_timer()

        assert observer.rows("cdc.dead_letter", "state") == [{"state": "exhausted"}] * 3
        assert observer.ids() == ["r1", "r2", "r3"]

    def test_a_claim_that_runs_out_counts_one_try(self, sink, observer, source, run_timer):
        """Another timer takes the letter while the source keeps the first one waiting; only one of them counts."""
        self.claim_one_row(sink)
        source.put("one", row="r")
        source.put("two", row="r")
        pass_time(observer, 61)

        def be_overtaken():
            source.meanwhile = lambda: None
            observer.connection.execute("update cdc.dead_letter set claimed_until = now()")
            assert run_timer() == {Ending.PARKED: 1}

        source.meanwhile = be_overtaken
        run_timer()

        assert letter(observer, "attempts, state", "two") == (1, "waiting")

    def test_a_holder_that_is_gone_makes_way(self, sink, observer, source, run_timer):
        """A hard delete that no feed delivers is found by the claimant's retry, and confirmed."""
        self.claim_one_row(sink)
        source.put("two", row="r", DisplayName="two")
        pass_time(observer, 61)

        assert run_timer() == {Ending.PARKED: 1}
        pass_time(observer, SETTLE_SECONDS + 1)
        assert run_timer() == {Ending.DELETED: 1, Ending.APPLIED: 1}

        assert name_of(observer, "r") == "two"
        assert observer.states() == {"one": "deleted", "two": "applied"}
        assert observer.letters() == {}

    def test_two_that_swap_rows_one_by_one_end_swapped(self, sink, observer, source, run_timer):
        """Each alone is refused; read again, both are written in one transaction."""
        replicate(ACCOUNTS, [an_upsert("one", row="r1"), an_upsert("two", row="r2")], sink)
        for id_, row in (("one", "r2"), ("two", "r1")):
            replicate(ACCOUNTS, [an_upsert(id_, 1, row=row, DisplayName=id_)], sink)
            source.put(id_, 1, row=row, DisplayName=id_)
        assert len(observer.letters()) == 2
        pass_time(observer, 61)

        run_timer()

        assert (name_of(observer, "r1"), name_of(observer, "r2")) == ("two", "one")
        assert observer.letters() == {}

    def test_an_email_that_moves_to_another_account(self, sink, observer, source, run_timer):
        """A rule of the table's own refuses the newcomer until the holder's newest version has given the value up."""
        observer.connection.execute("create unique index one_email on accounts (email)")
        replicate(ACCOUNTS, [an_upsert("one", Email="x@example.com")], sink)
        replicate(ACCOUNTS, [an_upsert("two", Email="x@example.com")], sink)
        assert letter(observer, "kind, path, wanted_key", "two") == ("conflict", "one_email", '["one"]')
        source.put("one", 1, Email="y@example.com")
        source.put("two", 0, Email="x@example.com")
        pass_time(observer, 61)

        assert run_timer() == {Ending.APPLIED: 1}

        emails = {row["id"]: row["email"] for row in observer.rows("accounts")}
        assert emails == {"one": "y@example.com", "two": "x@example.com"}
        assert observer.letters() == {}

    @pytest.mark.parametrize("columns", ["(email)", "(email) include (id)"])
    def test_an_email_that_the_feed_frees_wakes_the_newcomer(self, sink, observer, source, run_timer, columns):
        """The holder's next version makes the newcomer due, whatever the index carries besides."""
        observer.connection.execute(f"create unique index one_email on accounts {columns}")
        replicate(ACCOUNTS, [an_upsert("one", Email="x@example.com")], sink)
        replicate(ACCOUNTS, [an_upsert("two", Email="x@example.com")], sink)
        source.put("two", 0, Email="x@example.com")

        replicate(ACCOUNTS, [an_upsert("one", 1, Email="y@example.com")], sink)

        assert run_timer() == {Ending.APPLIED: 1}

    def test_what_was_tried_for_another_reason_does_not_count(self, sink, observer, source, repair):
        """A document that somebody replayed until its mapper was mended has all its tries when it conflicts then."""
        replicate(ACCOUNTS, [an_upsert("a", row="r"), an_upsert("b", row="r", Email=None)], sink)
        observer.connection.execute("update cdc.dead_letter set attempts = 4")
        source.put("a", row="r")
        source.put("b", row="r")

        assert repair(Identity.of("Accounts", "p", "b")) is Ending.PARKED

        assert letter(observer, "kind, state, attempts", "b") == ("conflict", "waiting", 0)
        (wait,) = letter(observer, "round(extract(epoch from next_attempt_at - now()) / 60)", "b")
        assert wait == 1

    def test_a_row_that_is_freed_during_a_vain_try_is_taken_at_once(self, sink, observer, source, run_timer):
        """The feed tells of the holder's delete while the claimant's last try asks for it: it is due at once."""
        self.claim_one_row(sink)
        observer.connection.execute("update cdc.dead_letter set attempts = 4")
        source.put("two", row="r", DisplayName="two")
        source.meanwhile = lambda: self.tell_of_a_delete(sink, source, "one")
        pass_time(observer, 61)

        assert run_timer() == {Ending.PARKED: 1, Ending.APPLIED: 1}
        assert name_of(observer, "r") == "two"

    @pytest.mark.parametrize("when", ["before it is known what stands in the way", "when the holder is asked for"])
    def test_tries_that_waited_for_another_row_do_not_count(self, sink, observer, source, run_timer, monkeypatch, when):
        """What it wants at its last try is freed meanwhile, by somebody who could not know that it waits for it."""
        observer.connection.execute("create unique index one_email on accounts (email)")
        replicate(ACCOUNTS, [an_upsert("one", Email="x"), an_upsert("three", Email="z")], sink)
        replicate(ACCOUNTS, [an_upsert("two", Email="x")], sink)
        observer.connection.execute("update cdc.dead_letter set attempts = 4")
        source.put("two", 1, Email="z")
        if when.startswith("before"):
            explain = blockers.explain
            tell = [lambda: self.tell_of_a_delete(sink, source, "two", deleted="three")]
            monkeypatch.setattr(blockers, "explain", lambda *arguments: (tell and tell.pop()(), explain(*arguments))[1])
        else:
            source.meanwhile = lambda: self.tell_of_a_delete(sink, source, "three")
        pass_time(observer, 61)

        assert run_timer() == {Ending.PARKED: 1}
        assert letter(observer, "state, attempts", "two") == ("waiting", 0)
        pass_time(observer, 61)
        assert run_timer()[Ending.APPLIED] == 1
        assert {row["id"]: row["email"] for row in observer.rows("accounts")} == {"one": "x", "two": "z"}

    def tell_of_a_delete(self, sink, source, asked, deleted=None):
        """Deliver a delete when the source is asked for a document."""
        if source.reads[-1] == asked:
            delete = a_change(deleted or asked, partition_key="p", version=a_version(2, 9, ""), body=None)
            replicate(ACCOUNTS, [delete], sink)

    def test_it_may_be_asked_for_any_number_of_times(self, sink, observer, source, repair):
        """However often an exhausted letter is replayed in vain, the wait after it stays one that fits a calendar."""
        self.claim_one_row(sink)
        source.put("one", row="r")
        source.put("two", row="r")
        observer.connection.execute("update cdc.dead_letter set state = 'exhausted', attempts = 60")

        assert repair(Identity.of("Accounts", "p", "two")) is Ending.PARKED

        assert letter(observer, "state, attempts", "two") == ("exhausted", 61)


class TestMissingParents:
    """Documents whose table points to rows that are not there yet."""

    def test_the_parent_wakes_its_children(self, sink, observer, source, run_timer):
        """A child is parked with the row that it misses, and goes in when that is written, however late."""
        observer.connection.execute(
            "alter table accounts add constraint sponsor foreign key (external_user_id) references accounts (id)"
        )
        replicate(ACCOUNTS, [an_upsert("a", ExternalUserId="parent")], sink)
        source.put("a", 0, ExternalUserId="parent")
        assert letter(observer, "kind, wanted_key") == ("missing_parent", '["parent"]')
        observer.connection.execute("update cdc.dead_letter set state = 'exhausted'")
        assert run_timer() == {}

        replicate(ACCOUNTS, [an_upsert("parent", ExternalUserId=None)], sink)

        assert run_timer() == {Ending.APPLIED: 1}
        assert observer.ids() == ["a", "parent"]
        assert observer.letters() == {}

    def test_the_parent_of_an_item_wakes_the_document(self, sink, observer, source, run_timer):
        """Of several rows that an item's table refers to, the document waits for one that no document holds."""
        observer.connection.execute(
            "alter table completed_scenarios add constraint played foreign key (scenario_id) references accounts (id)"
        )
        scenarios = "there,late,later"
        source.put("a", 0, CompletedScenarioIds=scenarios)
        there = [an_upsert(name, CompletedScenarioIds="") for name in scenarios.split(",")]
        replicate(ACCOUNTS, [there[0]], sink)
        replicate(ACCOUNTS, [an_upsert("a", CompletedScenarioIds=scenarios)], sink)
        assert letter(observer, "kind, wanted_key") == ("missing_parent", '["late"]')

        for parent, ending in zip(there[1:], (Ending.PARKED, Ending.APPLIED), strict=True):
            observer.connection.execute("update cdc.dead_letter set state = 'exhausted'")
            assert run_timer() == {}
            replicate(ACCOUNTS, [parent], sink)
            assert run_timer() == {ending: 1}

        assert observer.ids() == ["a", "late", "later", "there"]

    def test_a_parent_of_any_length_is_waited_for(self, sink, observer):
        """A key that no index takes is not waited for by name; the child is parked and its neighbours go on."""
        observer.connection.execute(
            "alter table accounts add constraint sponsor foreign key (display_name) references accounts (id)"
        )
        long = "".join(f"{number:x}" for number in range(4_000))

        outcome = replicate(
            ACCOUNTS, [an_upsert("a", DisplayName=long), an_upsert("b", row="b", DisplayName=None)], sink
        )

        assert (outcome.applied, outcome.parked) == (1, 1)
        assert letter(observer, "kind, wanted_key") == ("missing_parent", None)


def test_a_source_that_is_away_costs_no_attempt(sink, observer, source, run_timer):
    """After three failures in a row the run ends; the letters wait as they did."""
    replicate(ACCOUNTS, [an_upsert(str(number), row="r") for number in range(6)], sink)
    pass_time(observer, 61)
    source.failures = 99

    with pytest.raises(TransientError):
        run_timer()

    assert len(source.reads) == 3
    attempts = observer.connection.execute("select distinct attempts, state from cdc.dead_letter").fetchall()
    assert attempts == [(0, "waiting")]


class TestContainersThatCannotBeRead:
    """What is wrong with one container, or with one document, keeps nobody else's letters waiting."""

    def deliver_twice(self, sink, source):
        """Leave undecided letters: four of profiles, which are due first, and one of an account."""
        for number in range(4):
            change = a_change(f"p{number}", container="UserProfiles", version=a_version(0, 7), body=a_profile())
            replicate(USER_PROFILES, [change], sink)
            replicate(USER_PROFILES, [replace(change, version=a_version(0, None, "other"))], sink)
        replicate(ACCOUNTS, [an_upsert(ts=1, lsn=7)], sink)
        replicate(ACCOUNTS, [replace(an_upsert(), version=a_version(1, None, "other"))], sink)
        source.put("a", 1, etag="other", DisplayName="read")

    def run(self, source, repairs):
        """Do what the timer does for both containers."""
        retry([USER_PROFILES, ACCOUNTS], source, repairs, rounds=5)

    @pytest.mark.parametrize("error", [FatalError("Adopt it."), TransientError("Cosmos did not answer.")])
    def test_the_others_are_read_and_then_it_is_raised(self, sink, observer, source, repairs, error):
        """After three failures the container is left alone for this run."""
        self.deliver_twice(sink, source)
        source.refused = {"UserProfiles": error}

        with pytest.raises(type(error)) as caught:
            self.run(source, repairs)

        assert caught.value is error
        assert name_of(observer) == "read"
        assert len(source.reads) == 4
        assert set(observer.letters()) == {"p0", "p1", "p2", "p3"}

    def test_one_document_that_cannot_be_read_is_told_of(self, sink, observer, source, repairs):
        """The rest of its container is read all the same."""
        self.deliver_twice(sink, source)
        source.refused = {"p0": FatalError("Cosmos answered 400 for a document of UserProfiles.")}

        with pytest.raises(FatalError, match="400"):
            self.run(source, repairs)

        assert sorted(source.reads) == ["a", "p0", "p1", "p2", "p3"]
        assert name_of(observer) == "read"


def test_a_container_that_is_not_replicated_now_keeps_its_letters(sink, observer, source, repairs, run_timer):
    """They hold nobody else up, and are read when it is replicated again."""
    for version in (a_version(0, 7), a_version(0, None, "other")):
        replicate(USER_PROFILES, [a_change("p", container="UserProfiles", version=version, body=a_profile())], sink)
    replicate(ACCOUNTS, [an_upsert(lsn=7)], sink)
    replicate(ACCOUNTS, [replace(an_upsert(), version=a_version(0, None, "other"))], sink)
    source.put("a", etag="other")

    assert run_timer() == {Ending.APPLIED: 1}
    assert set(observer.letters()) == {"p"}

    assert dict(retry([USER_PROFILES], source, repairs, rounds=1)) == {Ending.DOUBTED: 1}


def test_a_claimed_letter_is_not_taken_twice(sink, observer, repairs):
    """Two timers at once share the letters; a claim whose holder died runs out."""
    replicate(ACCOUNTS, [an_upsert("one", row="r"), an_upsert("two", row="r")], sink)
    pass_time(observer, 61)

    assert len(repairs.claim(["Accounts"], 10)) == 1
    assert repairs.claim(["Accounts"], 10) == []
    assert repairs.claim(["UserProfiles"], 10) == []
    pass_time(observer, 121)
    assert len(repairs.claim(["Accounts"], 10)) == 1


def test_a_discarded_letter_is_left_alone(sink, observer, run_timer):
    """Somebody has decided that the document needs no row: only a newer version asks again."""
    replicate(ACCOUNTS, [an_upsert("one", row="r"), an_upsert("two", row="r")], sink)
    observer.connection.execute("update cdc.dead_letter set state = 'discarded'")
    pass_time(observer, 10_000)

    assert run_timer() == {}
