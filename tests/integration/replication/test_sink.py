"""Changes become rows in PostgreSQL: each newest version once, and nothing else."""

import traceback
from dataclasses import replace

import pytest

from cdc.core.errors import FatalError, ProblemKind
from cdc.core.writes import Outcome, map_change
from cdc.postgres import ledger, rows
from cdc.replication import planning
from cdc.replication.batch import replicate
from cdc.replication.sink import PostgresSink
from mappers.accounts import ACCOUNTS
from mappers.user_profiles import USER_PROFILES
from tests.builders import TS, a_badge, a_change, a_profile, a_version, an_account, by_column


def an_upsert(id_="a", ts=0, lsn=None, partition_key="p", row=None, **overrides):
    """Build a version of an account whose row may have another id than the document."""
    return a_change(
        id_, partition_key=partition_key, version=a_version(ts, lsn), body=an_account(row or id_, **overrides)
    )


def a_delete(id_="a", ts=0):
    """Build the delete of an account."""
    return a_change(id_, partition_key="p", version=a_version(ts), body=None)


def a_profile_change(ts=0, **overrides):
    """Build a version of one profile."""
    return a_change("p", container="UserProfiles", version=a_version(ts), body=a_profile(**overrides))


def conflicting_pair():
    """Build two documents that claim the row `r`, in key order."""
    pair = [a_change(id_, partition_key="p", body=an_account("r", DisplayName=id_)) for id_ in ("one", "two")]
    return sorted(pair, key=lambda change: change.key)


def test_rows_equal_the_mapping(sink, observer):
    """What a mapper returns is what stands in the tables, value by value."""
    change = a_profile_change(EarnedBadges=[a_badge("b1"), a_badge("b2", Threshold=None, EarnedAt=None)])

    outcome = replicate(USER_PROFILES, [change], sink)

    rows = by_column(USER_PROFILES, map_change(USER_PROFILES, change).rows)
    assert outcome == Outcome(applied=1)
    assert observer.rows("user_profiles") == [rows.root]
    assert observer.rows("user_badges") == sorted(rows.children["user_badges"], key=str)


def test_hazardous_values_arrive_as_they_are(sink, observer):
    """The ends of the calendar, quotes, placeholders and text of any script survive the journey."""
    change = a_change(
        body=an_account(
            DisplayName='O\'Brien "%s" \\ {x} é 🦊',
            CreatedAt="0001-01-01T00:00:00",
            LastLoginAt="9999-12-31T23:59:59.9999999",
            Settings={"Theme": "\\u0000 is only text, {} and %(name)s too"},
        )
    )

    replicate(ACCOUNTS, [change], sink)

    assert observer.rows("accounts") == [by_column(ACCOUNTS, map_change(ACCOUNTS, change).rows).root]


def test_a_second_delivery_changes_nothing(sink, observer):
    """A replay leaves every row, the ledger and the letters untouched: not even rewritten with the same values."""
    batch = [an_upsert("a"), a_delete("b"), an_upsert("c", Email=None)]
    replicate(ACCOUNTS, batch, sink)
    before = observer.tuples()

    outcome = replicate(ACCOUNTS, batch, sink)

    assert outcome == Outcome(stale=3)
    assert observer.tuples() == before


def test_a_new_version_with_equal_rows_rewrites_none(sink, observer):
    """Documents change in properties that are not mapped: their rows are not written again."""
    replicate(ACCOUNTS, [an_upsert(ts=0)], sink)
    before = observer.rows("accounts", "xmin::text, ctid::text")

    replicate(ACCOUNTS, [an_upsert(ts=1, Unmapped=True)], sink)

    assert observer.rows("accounts", "xmin::text, ctid::text") == before
    assert observer.ledger()["a"][0] == TS + 1


def test_child_rows_vanish_with_their_items(sink, observer):
    """Children that the newest version does not have are deleted; those of other documents stay."""
    other = a_change("q", container="UserProfiles", body=a_profile("q"))
    replicate(USER_PROFILES, [a_profile_change(0, EarnedBadges=[a_badge("b1"), a_badge("b2")]), other], sink)

    replicate(USER_PROFILES, [a_profile_change(1, EarnedBadges=[a_badge("b2", Axis="Courage"), a_badge("b3")])], sink)

    badges = {(row["user_profile_id"], row["id"], row["axis"]) for row in observer.rows("user_badges")}
    assert badges == {("p", "b2", "Courage"), ("p", "b3", "Self-Regulation"), ("q", "badge-1", "Self-Regulation")}

    replicate(USER_PROFILES, [a_profile_change(2, EarnedBadges=[])], sink)

    assert [row["user_profile_id"] for row in observer.rows("user_badges")] == ["q"]


def test_a_delete_leaves_a_tombstone_and_no_rows(sink, observer):
    """After a delete the ledger remembers the version, and no row of the document is left."""
    replicate(ACCOUNTS, [an_upsert("a"), an_upsert("b")], sink)

    outcome = replicate(ACCOUNTS, [a_delete("a", ts=1)], sink)

    assert outcome == Outcome(deleted=1)
    assert observer.ids() == ["b"]
    assert [row["account_id"] for row in observer.rows("completed_scenarios")] == ["b"]
    assert observer.ledger()["a"] == (TS + 1, None, '"1-None"', "deleted", None)


@pytest.mark.parametrize("seen_before", [True, False])
def test_an_older_version_does_not_revive(sink, observer, seen_before):
    """A late delivery of an older version is stale, also for a document first seen by its delete."""
    replicate(ACCOUNTS, [an_upsert(ts=0)] if seen_before else [], sink)
    replicate(ACCOUNTS, [a_delete(ts=2)], sink)

    outcome = replicate(ACCOUNTS, [an_upsert(ts=1)], sink)

    assert outcome == Outcome(stale=1)
    assert observer.ids() == []


def test_a_document_can_come_back(sink, observer):
    """A version newer than the tombstone is a new life."""
    replicate(ACCOUNTS, [a_delete(ts=1)], sink)

    replicate(ACCOUNTS, [an_upsert(ts=2)], sink)

    assert observer.ids() == ["a"]
    assert observer.states() == {"a": "applied"}


def test_a_changed_row_key_leaves_no_row_behind(sink, observer):
    """When a document maps to another row than last time, the row under the old key goes, with its children."""
    replicate(ACCOUNTS, [an_upsert(ts=0, row="old"), an_upsert("b")], sink)

    replicate(ACCOUNTS, [an_upsert(ts=1, row="new")], sink)

    assert observer.ids() == ["b", "new"]
    assert [row["account_id"] for row in observer.rows("completed_scenarios")] == ["b", "new"]


def test_two_documents_swap_their_rows(sink, observer):
    """A swap of row keys in one batch ends with both rows, each with the other's values."""
    replicate(ACCOUNTS, [an_upsert("a", row="x", Email="a"), an_upsert("b", row="y", Email="b")], sink)

    outcome = replicate(ACCOUNTS, [an_upsert("a", 1, row="y", Email="a"), an_upsert("b", 1, row="x", Email="b")], sink)

    assert outcome == Outcome(applied=2)
    assert {row["id"]: row["email"] for row in observer.rows("accounts")} == {"x": "b", "y": "a"}


def test_a_freed_row_is_taken_over_in_one_batch(sink, observer):
    """A document may claim the row that another one gives up, by a delete or by moving, in the same batch."""
    replicate(ACCOUNTS, [an_upsert("a", row="x"), an_upsert("b", row="y")], sink)

    batch = [a_delete("a", 1), an_upsert("b", 1, row="z"), an_upsert("c", row="x"), an_upsert("d", row="y")]
    outcome = replicate(ACCOUNTS, batch, sink)

    assert outcome == Outcome(applied=3, deleted=1)
    assert observer.ids() == ["x", "y", "z"]


@pytest.mark.parametrize("order", [1, -1])
def test_a_unique_value_is_taken_over_in_one_batch(sink, observer, order):
    """A deleted row gives its value to another document of the batch, whichever of them comes first in key order."""
    observer.connection.execute("create unique index one_email on accounts (email)")
    old, new = sorted(["a", "b"], key=lambda id_: an_upsert(id_).key)[::order]
    replicate(ACCOUNTS, [an_upsert(old, Email="x")], sink)

    outcome = replicate(ACCOUNTS, [a_delete(old, 1), an_upsert(new, Email="x")], sink)

    assert outcome == Outcome(applied=1, deleted=1)
    assert observer.ids() == [new]


@pytest.mark.parametrize("batches", [1, 2])
def test_the_second_claim_to_a_row_is_parked(sink, observer, batches):
    """Of two documents that claim one row one has it, the other is parked as a conflict; neighbours go in."""
    first, second = conflicting_pair()
    whole = [first, an_upsert("n"), an_upsert("m"), second]

    for delivered in [whole] if batches == 1 else [whole[:2], whole[2:]]:
        replicate(ACCOUNTS, delivered, sink)

    winner, loser = first.identity.id.strip('"'), second.identity.id.strip('"')
    assert observer.states() == {winner: "applied", "n": "applied", "m": "applied", loser: "parked"}
    assert observer.letters()[loser][:2] == ("conflict", "document_row_key_unique")
    assert [row["display_name"] for row in observer.rows("accounts") if row["id"] == "r"] == [winner]
    assert observer.ids() == ["m", "n", "r"]


def test_a_conflict_is_due_again_in_a_minute(sink, observer):
    """The other document may go: a conflict is tried again by itself."""
    replicate(ACCOUNTS, conflicting_pair(), sink)

    assert observer.rows("cdc.dead_letter", "round(extract(epoch from next_attempt_at - parked_at)) as wait") == [
        {"wait": 60}
    ]


@pytest.mark.parametrize(
    ("statement", "overrides", "place"),
    [
        pytest.param(
            "alter table accounts alter display_name type varchar(10)", {"DisplayName": "x" * 11}, "$", id="too long"
        ),
        pytest.param(
            "alter table accounts add constraint adult check (role <> 'Child')", {"Role": "Child"}, "adult", id="check"
        ),
        pytest.param(
            "alter table accounts alter role set not null", {"Role": None}, "role", id="not null in an adopted table"
        ),
    ],
)
def test_a_value_that_postgres_refuses_parks_one_document(sink, observer, statement, overrides, place):
    """Bisecting finds the document that the database refuses; the rest of the batch is applied."""
    observer.connection.execute(statement)
    neighbours = [f"n{number}" for number in range(10)]
    batch = [an_upsert(id_) for id_ in neighbours] + [an_upsert("bad", **overrides)]

    outcome = replicate(ACCOUNTS, batch, sink)

    assert outcome.applied == 10
    assert [problem.kind for problem in outcome.problems] == [ProblemKind.DATA]
    assert observer.ids() == neighbours
    assert observer.states()["bad"] == "parked"
    assert observer.letters() == {"bad": ("data", place, TS)}


def test_a_missing_parent_is_parked_as_such(sink, observer):
    """A foreign key that the application made parks the child alone, to be tried again."""
    observer.connection.execute("alter table user_profiles add foreign key (account_id) references accounts (id)")

    outcome = replicate(USER_PROFILES, [a_profile_change()], sink)

    assert outcome.parked == 1
    assert observer.letters()["p"][:2] == ("missing_parent", "user_profiles_account_id_fkey")


def test_parking_keeps_the_last_good_rows(sink, observer):
    """A version that cannot be mapped leaves the rows of the one before; a newer good one clears the letter."""
    replicate(ACCOUNTS, [an_upsert(ts=0, row="r", DisplayName="good")], sink)
    rows = observer.tables()

    outcome = replicate(ACCOUNTS, [an_upsert(ts=1, Email=None)], sink)

    assert outcome.parked == 1
    assert observer.tables() == rows
    assert observer.ledger()["a"] == (TS + 1, None, '"1-None"', "parked", '["r"]')
    assert observer.letters() == {"a": ("mapping", "$.Email", TS + 1)}

    replicate(ACCOUNTS, [an_upsert(ts=2, row="s", DisplayName="better")], sink)

    assert [(row["id"], row["display_name"]) for row in observer.rows("accounts")] == [("s", "better")]
    assert observer.states() == {"a": "applied"}
    assert observer.letters() == {}


def test_deleting_a_parked_document_removes_its_last_good_rows(sink, observer):
    """The ledger still knows which rows a parked document has."""
    replicate(ACCOUNTS, [an_upsert(ts=0, row="r")], sink)
    replicate(ACCOUNTS, [an_upsert(ts=1, Email=None)], sink)

    replicate(ACCOUNTS, [a_delete(ts=2)], sink)

    assert observer.ids() == []
    assert observer.letters() == {}
    assert observer.states() == {"a": "deleted"}


def test_a_newer_bad_version_replaces_the_letter(sink, observer):
    """There is one letter for a document: about its newest version, waiting from the start."""
    replicate(ACCOUNTS, [an_upsert(ts=0, Email=None)], sink)
    observer.connection.execute("update cdc.dead_letter set state = 'exhausted', attempts = 5")

    replicate(ACCOUNTS, [an_upsert(ts=1, Settings="wrong")], sink)

    assert observer.letters() == {"a": ("mapping", "$.Settings", TS + 1)}
    assert observer.rows("cdc.dead_letter", "state, attempts") == [{"state": "waiting", "attempts": 0}]


def test_an_undecided_version_is_read_again_soon(sink, observer):
    """A version that cannot be ordered leaves rows and ledger alone, and a letter due two seconds after its ts."""
    replicate(ACCOUNTS, [an_upsert(ts=5, lsn=None)], sink)
    rows, ledger = observer.tables(), observer.ledger()

    outcome = replicate(ACCOUNTS, [an_upsert(ts=5, lsn=7, Email="other")], sink)

    assert outcome == Outcome(undecided=1)
    assert (observer.tables(), observer.ledger()) == (rows, ledger)
    assert observer.letters() == {"a": ("undecided", "_ts", TS + 5)}
    assert observer.rows("cdc.dead_letter", "extract(epoch from next_attempt_at)::bigint as due") == [{"due": TS + 7}]


def test_a_delete_and_an_upsert_of_one_second_are_undecided(sink, observer):
    """A tombstone without lsn neither loses nor wins against an upsert of the same second."""
    replicate(ACCOUNTS, [a_delete(ts=5)], sink)

    outcome = replicate(ACCOUNTS, [an_upsert(ts=5, lsn=7)], sink)

    assert outcome == Outcome(undecided=1)
    assert observer.ids() == []


def test_only_a_newer_version_answers_an_undecided_letter(sink, observer):
    """A version that itself cannot be ordered against the undecided one leaves the letter waiting."""
    replicate(ACCOUNTS, [an_upsert(ts=5, lsn=8)], sink)
    replicate(ACCOUNTS, [an_upsert(ts=4, lsn=10)], sink)
    assert observer.letters() == {"a": ("undecided", "_ts", TS + 4)}

    replicate(ACCOUNTS, [an_upsert(ts=6, lsn=9)], sink)
    assert observer.letters() == {"a": ("undecided", "_ts", TS + 4)}

    replicate(ACCOUNTS, [an_upsert(ts=7, lsn=11)], sink)
    assert observer.letters() == {}


@pytest.mark.parametrize(
    ("order", "winner"), [((0, 1), (6, 9)), ((1, 0), (5, None))], ids=["one has the lsn", "one has the ts"]
)
def test_only_a_version_newer_than_all_undecided_ones_answers_their_letter(sink, observer, order, winner):
    """One letter stands for several undecided versions: it waits while any of them may be the newest."""
    undecided = [an_upsert(ts=4, lsn=10), an_upsert(ts=5, lsn=9)]
    replicate(ACCOUNTS, [undecided[place] for place in order], sink)

    outcome = replicate(ACCOUNTS, [an_upsert("a", *winner)], sink)

    assert outcome == Outcome(applied=1)
    assert observer.letters() == {"a": ("undecided", "_ts", TS + 5)}

    replicate(ACCOUNTS, [an_upsert(ts=7, lsn=11)], sink)

    assert observer.letters() == {}


def test_a_failure_to_park_fails_the_batch(sink, observer):
    """When the dead letter cannot be written, nothing is committed: no rows, no ledger."""
    observer.connection.execute("alter table cdc.dead_letter rename to elsewhere")

    with pytest.raises(FatalError, match="dead_letter"):
        replicate(ACCOUNTS, [an_upsert("a"), an_upsert("b", Email=None)], sink)

    assert observer.ids() == []
    assert observer.ledger() == {}


def test_a_failure_to_park_quotes_no_row(sink, observer):
    """The traceback of a batch that fails while a refused document is parked holds nothing of that document."""
    observer.connection.execute("alter table accounts add constraint adult check (role <> 'Child')")
    observer.connection.execute("alter table cdc.dead_letter rename to elsewhere")

    batch = [an_upsert("a", Role="Child", Email="lerato@example.com")]

    with pytest.raises(FatalError) as caught:
        replicate(ACCOUNTS, batch, sink)

    assert "lerato" not in "".join(traceback.format_exception(caught.value))


def test_a_refusal_that_nobody_reads_is_not_logged(sink, observer, caplog):
    """Where we fail before the answer is read, nobody logs what the server says of the document that it has refused."""
    observer.connection.execute("alter table accounts add constraint adult check (role <> 'Child')")
    first, second, third = sorted("abc", key=lambda id_: an_upsert(id_).key)

    def fail(account):
        if account.id == third:
            raise MemoryError
        return ACCOUNTS.rows(account)

    batch = [an_upsert(first, Role="Child", Email="lerato@example.com"), an_upsert(second), an_upsert(third)]
    with pytest.raises(MemoryError):
        replicate(replace(ACCOUNTS, rows=fail), batch, sink)

    assert observer.ids() == []
    assert "lerato" not in caplog.text


def test_a_letter_holds_no_value(sink, observer):
    """Whoever reads the dead letters learns where it failed, not what stood there."""
    observer.connection.execute("alter table accounts add constraint adult check (role <> 'Child')")

    replicate(
        ACCOUNTS, [an_upsert("a", Role="Child", Email="lerato@example.com"), an_upsert("b", Email=["lerato"])], sink
    )

    letters = observer.rows("cdc.dead_letter")
    assert len(letters) == 2
    assert "lerato" not in str(letters)


def test_an_identity_of_any_characters_is_kept(sink, observer):
    """The ledger holds identities with NUL, lone surrogates and 1,000 characters, parked or deleted."""
    ids = ["a\0b", "\ud83e", "🦊" * 255, "x" * 1000, "%s\"'\\"]

    for partition_key in (None, True, 1.5, {}, ["a", {}, None]):
        batch = [a_change(id_, partition_key=partition_key, body=body) for id_ in ids for body in (None,)]
        batch += [a_change(f"{id_}!", partition_key=partition_key, body={}) for id_ in ids]
        outcome = replicate(ACCOUNTS, batch, sink)
        assert (outcome.deleted, outcome.parked) == (5, 5)

    assert len(observer.rows("cdc.document")) == 50
    assert len(observer.rows("cdc.dead_letter")) == 25


def test_containers_do_not_share_rows_or_ledger(sink, observer):
    """Documents with one id in two containers are two documents."""
    account = a_change("same", body=an_account("same"))
    profile = a_change("same", container="UserProfiles", body=a_profile("same"))

    replicate(ACCOUNTS, [account], sink)
    replicate(USER_PROFILES, [profile], sink)

    assert (observer.ids("accounts"), observer.ids("user_profiles")) == (["same"], ["same"])
    assert len(observer.rows("cdc.document")) == 2


def test_a_missing_table_blames_no_document(sink, observer):
    """A table that is gone stops the batch with one sentence, and nothing is parked."""
    observer.connection.execute("drop table completed_scenarios")

    with pytest.raises(FatalError, match=r"completed_scenarios.*python -m cdc migrate"):
        replicate(ACCOUNTS, [an_upsert()], sink)

    assert observer.ledger() == {}
    assert observer.letters() == {}


def test_a_mapper_that_repeats_a_child_key_parks_its_document(sink, observer):
    """A mapper's mistake with one document does not stop the others."""

    def repeat(account):
        rows = ACCOUNTS.rows(account)
        times = 2 if account.id == "bad" else 1
        return replace(rows, children={"completed_scenarios": [*rows.children["completed_scenarios"]] * times})

    def repeat_badges(profile):
        rows = USER_PROFILES.rows(profile)
        times = 2 if profile.id == "bad" else 1
        return replace(rows, children={"user_badges": [*rows.children["user_badges"]] * times})

    bad = [a_change(id_, container="UserProfiles", body=a_profile(id_)) for id_ in ("a", "bad", "c")]

    accounts = replicate(replace(ACCOUNTS, rows=repeat), [an_upsert("a"), an_upsert("bad")], sink)
    profiles = replicate(replace(USER_PROFILES, rows=repeat_badges), bad, sink)

    assert accounts == Outcome(applied=2)
    assert (profiles.applied, profiles.parked) == (2, 1)
    assert observer.letters()["bad"][0] == "data"


def test_observations_are_counted_once_for_each_document(sink, observer):
    """Unknown properties add up by path; a replay, which writes nothing, adds nothing."""
    batch = [an_upsert("a", Hat="blue"), an_upsert("b", Hat="red", Cat=1)]
    for _ in range(2):
        replicate(ACCOUNTS, batch, sink)

    found = {(row["kind"], row["path"]): row["documents"] for row in observer.rows("cdc.observation")}
    assert found == {("unknown", "$.Hat"): 2, ("unknown", "$.Cat"): 1}


def test_observations_are_bounded(sink, observer):
    """A container whose documents have a property of their own each fills no disk; what is known is counted still."""
    replicate(ACCOUNTS, [an_upsert("a", **{f"P{number}": 1 for number in range(600)})], sink)
    replicate(ACCOUNTS, [an_upsert("b", Q=1, P1=1)], sink)

    found = {row["path"]: row["documents"] for row in observer.rows("cdc.observation")}
    assert len(found) == 500
    assert found["$.P1"] == 2


def test_the_ledger_is_one_piece_ahead_of_the_rows(database, monkeypatch):
    """PostgreSQL works on the rows of a piece while the next one is mapped."""
    trace = []

    def traced(name, function):
        def call(*arguments, **options):
            trace.append(name)
            return function(*arguments, **options)

        return call

    monkeypatch.setattr(planning, "_LEAST", 1)
    monkeypatch.setattr(planning, "_MOST", 1)
    for module, name in ((ledger, "upsert"), (rows, "write_rows")):
        monkeypatch.setattr(module, name, traced(name, getattr(module, name)))
    replicate(ACCOUNTS, [a_change(id_) for id_ in ("a", "b", "c")], PostgresSink(database))

    assert trace == ["upsert", "upsert", "write_rows", "upsert", "write_rows", "write_rows"]
