"""The promise: any mix of deliveries, in any order, any number of times, ends in the same rows, and nothing is lost."""

from itertools import pairwise

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cdc.core.documents import Version
from cdc.core.ordering import Verdict, compare
from cdc.replication import planning
from cdc.replication.batch import replicate
from cdc.replication.sink import PostgresSink
from mappers.accounts import ACCOUNTS
from tests.builders import TS, a_change, a_version, an_account

# An example takes many round trips: half of what the profile says.
REAL_DATABASE = settings(
    max_examples=settings.default.max_examples // 2,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
GOOD, DELETED, UNMAPPABLE, REFUSED = "good", None, "unmappable", "refused"
HISTORIES = st.lists(
    st.lists(st.sampled_from([GOOD, GOOD, DELETED, UNMAPPABLE, REFUSED]), min_size=1, max_size=5),
    min_size=1,
    max_size=6,
)


def a_body(id_, order, kind):
    """Build the body of a document's version number `order`, or none for a delete."""
    if kind is DELETED:
        return None
    overrides = {UNMAPPABLE: {"Email": None}, REFUSED: {"DisplayName": "longer than the column"}}.get(kind, {})
    scenarios = [f"scenario-{number}" for number in range(order % 3)]
    return an_account(id_, **{"DisplayName": f"name {order}", "CompletedScenarioIds": scenarios} | overrides)


def a_history(number, kinds):
    """Build all versions of one document; some documents' versions share seconds, some have no lsn."""
    with_lsn = number % 3 > 0
    return [
        a_change(
            f"document-{number}",
            partition_key=float(number),
            version=a_version(order // 2, 100 + order) if with_lsn else a_version(order),
            body=a_body(f"document-{number}", order, kind),
        )
        for order, kind in enumerate(kinds)
    ]


def cut(deliveries, randomness):
    """Cut deliveries into batches at random places."""
    places = sorted(randomness.sample(range(len(deliveries) + 1), randomness.randint(0, len(deliveries))))
    return [deliveries[start:end] for start, end in pairwise([0, *places, len(deliveries)])]


def a_state(observer, parked):
    """Return the rows and ledger, without the rows of documents whose newest version is parked."""
    rows = {
        "accounts": [row for row in observer.rows("accounts") if row["id"] not in parked],
        "completed_scenarios": [row for row in observer.rows("completed_scenarios") if row["account_id"] not in parked],
    }
    ledger = {id_: held[:4] if id_ in parked else held for id_, held in observer.ledger().items()}
    return rows, ledger, observer.letters()


@REAL_DATABASE
@given(histories=HISTORIES, randomness=st.randoms(use_true_random=False))
def test_any_delivery_ends_in_the_rows_of_the_newest_versions(sink, observer, histories, randomness):
    """Versions shuffled, repeated and cut into batches end as if only the newest of each had been delivered."""
    observer.connection.execute("alter table accounts alter display_name type varchar(10)")
    versions = [a_history(number, kinds) for number, kinds in enumerate(histories)]
    every = [change for history in versions for change in history]
    deliveries = every + randomness.choices(every, k=randomness.randint(0, len(every)))
    randomness.shuffle(deliveries)
    parked = {f"document-{number}" for number, kinds in enumerate(histories) if kinds[-1] in (UNMAPPABLE, REFUSED)}

    observer.empty()
    replicate(ACCOUNTS, [history[-1] for history in versions], sink)
    expected = a_state(observer, parked)
    observer.empty()
    for batch in cut(deliveries, randomness):
        replicate(ACCOUNTS, batch, sink)

    assert a_state(observer, parked) == expected
    assert {id_ for id_, state in observer.states().items() if state == "parked"} == parked == set(observer.letters())


@REAL_DATABASE
@given(histories=HISTORIES, randomness=st.randoms(use_true_random=False))
def test_a_replay_of_a_whole_history_changes_nothing(sink, observer, histories, randomness):
    """After all versions were delivered, delivering them again in another order writes nothing at all."""
    observer.connection.execute("alter table accounts alter display_name type varchar(10)")
    deliveries = [change for number, kinds in enumerate(histories) for change in a_history(number, kinds)]
    observer.empty()
    replicate(ACCOUNTS, deliveries, sink)
    before = observer.tuples()

    randomness.shuffle(deliveries)
    for batch in cut(deliveries, randomness):
        replicate(ACCOUNTS, batch, sink)

    assert observer.tuples() == before


UNORDERED = st.lists(
    st.builds(Version, st.integers(TS, TS + 3), st.none() | st.integers(0, 3), st.sampled_from("uvwxyz")),
    min_size=1,
    max_size=6,
    unique_by=lambda version: version.etag,  # no two versions have one etag
)


@REAL_DATABASE
@example(
    versions=[Version(TS, None, "w"), Version(TS + 1, 2, "u"), Version(TS + 1, 2, "v")],
    kinds=[GOOD, DELETED, DELETED],
    cuts={1, 2},
)
@given(
    versions=UNORDERED,
    kinds=st.lists(st.sampled_from([GOOD, DELETED, UNMAPPABLE]), min_size=6),
    cuts=st.sets(st.integers(0, 6)),
)
def test_no_version_is_lost_whatever_the_clocks_say(sink, observer, versions, kinds, cuts):
    """Each delivered version is superseded, by a chain of known supersessions, by the held one; or a letter waits."""
    changes = [
        a_change(version=version, body=a_body("a", order, kind))
        for order, (version, kind) in enumerate(zip(versions, kinds, strict=False))
    ]
    places = [0, *sorted(cuts), len(changes)]

    observer.empty()
    for start, end in pairwise(places):
        replicate(ACCOUNTS, changes[start:end], sink)

    if any(kind == "undecided" for kind, _, _ in observer.letters().values()):
        return
    (ts, lsn, etag, *_) = observer.ledger()["a"]
    deletes = {version for version, kind in zip(versions, kinds, strict=False) if kind is DELETED}
    covered = [Version(ts, lsn, etag)]
    for version in covered:
        covered.extend(other for other in versions if other not in covered and is_superseded(other, version, deletes))
    assert set(versions) <= set(covered)


def is_superseded(one, other, deletes):
    """Tell whether a version is known to be the other or before it; a delete event is told by its lsn, not its etag."""
    same_delete = {one, other} <= deletes and one.lsn is not None and (one.ts, one.lsn) == (other.ts, other.lsn)
    return same_delete or compare(one, other) in (Verdict.STALE, Verdict.SAME)


# What becomes of a document: gone, not to be mapped, or a row, a unique value and a number of child rows.
MOVES = st.none() | st.just(UNMAPPABLE) | st.tuples(st.sampled_from("wxyz"), st.sampled_from("1234"), st.integers(0, 2))


def a_move(id_, ts, move):
    """Build a version of a document that goes to another row, maybe one that another document leaves."""
    if not isinstance(move, tuple):
        return a_change(id_, version=a_version(ts), body=a_body(id_, ts, move))
    row, email, scenarios = move
    ids = [f"scenario-{ts}-{number}" for number in range(scenarios)]
    return a_change(id_, version=a_version(ts), body=an_account(row, Email=email, CompletedScenarioIds=ids))


@REAL_DATABASE
@given(
    batches=st.lists(st.dictionaries(st.sampled_from("abcde"), MOVES, min_size=1), min_size=2, max_size=5),
    size=st.integers(1, 2),
)
def test_rows_that_change_hands_end_alike_whole_and_in_pieces(database, observer, monkeypatch, batches, size):
    """Swaps, chains, conflicts and unique values: rows, ledger, letters and counts do not tell how it was written."""
    observer.connection.execute("create unique index if not exists one_email on accounts (email)")
    ends = []
    for most in (1_000_000, size):
        monkeypatch.setattr(planning, "_LEAST", most)
        monkeypatch.setattr(planning, "_MOST", most)
        observer.empty()
        for ts, moves in enumerate(batches):
            changes = [a_move(id_, ts, move) for id_, move in moves.items()]
            seen = []
            outcome = replicate(
                ACCOUNTS,
                [*changes, changes[0]],
                PostgresSink(database),
                lambda _, outcome, seen=seen: seen.append(outcome),
            )
            assert seen[-1] == outcome
            ends.append(
                (outcome, a_state(observer, ()), observer.rows("cdc.dead_letter", "id, next_attempt_at <= now()"))
            )
    assert ends[: len(batches)] == ends[len(batches) :]
