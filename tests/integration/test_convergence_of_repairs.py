"""The whole promise: deliveries of any feed and repairs, in any order, end in the rows of the newest versions."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cdc.core.documents import Change, Identity, Reading
from cdc.repair.reread import repair_document, retry
from cdc.repair.store import PostgresRereadStore
from cdc.replication.batch import replicate
from mappers.accounts import ACCOUNTS
from tests.builders import TS, a_change, a_version, an_account

SETTLE_SECONDS = 30
PRESENT, GONE, UNMAPPABLE = "present", "gone", "unmappable"
# A play takes more choices than hypothesis keeps of one example: what it draws itself are the short ones. A smaller
# seed is no simpler play.
SEEDS = st.integers(0, 2**64 - 1)
PLAYS = settings(
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@dataclass
class World:
    """A source container that changes: all versions of its documents, and the clock that stamps them."""

    histories: dict[str, list[Change]] = field(default_factory=dict)
    clock: int = 0
    lsn: int = 0
    # How far the clock that stamps an answer is from the one that stamps versions.
    skew: int = 0
    meanwhile: Callable[[], None] = lambda: None
    # By document, the lsn of the delete that was answered last.
    gone: dict[str, int] = field(default_factory=dict)

    def write(self, id_: str, kind: str, seconds: int) -> None:
        """Write the next version of a document, so many seconds after the one before."""
        self.clock += seconds
        self.lsn += 1
        body = None
        if kind != GONE:
            email = None if kind == UNMAPPABLE else f"{self.lsn}@example.com"
            scenarios = [f"scenario-{number}" for number in range(self.lsn % 3)]
            body = an_account(id_, DisplayName=f"name {self.lsn}", Email=email, CompletedScenarioIds=scenarios)
        version = a_version(self.clock, self.lsn, "" if body is None else f"etag {self.lsn}")
        self.histories.setdefault(id_, []).append(a_change(id_, partition_key="p", version=version, body=body))

    def read_document(self, identity: Identity) -> Reading:
        """Answer with the newest version, without its lsn."""
        id_ = identity.id.strip('"')
        history = self.histories.get(id_)
        newest = history[-1] if history else None
        answered = TS + self.clock + self.skew
        if newest is not None and newest.body is None:
            self.gone[id_] = newest.version.lsn or 0
        self.meanwhile()
        if newest is None or newest.body is None:
            return Reading(None, answered)
        return Reading(newest.body | {"_ts": newest.version.ts, "_etag": newest.version.etag}, answered)


def draw_steps(randomness):
    """Draw what happens: writes, mostly in few seconds, and deliveries of old and new versions of few documents."""
    ids = randomness.choice(["a", "ab"])
    kinds = randomness.choice([[PRESENT], [PRESENT, PRESENT, GONE], [PRESENT, GONE, UNMAPPABLE]])
    gaps = randomness.choice([[0, 0, 0, 1], [0, 1, 5, 20]])
    weights = randomness.choice([[4, 8, 0, 0, 0], [8, 8, 3, 3, 1], [4, 4, 4, 4, 4]])

    def draw_step():
        what = randomness.choices(["write", "deliver", "repair", "retry", "wait"], weights)[0]
        if what == "write":
            return what, randomness.choice(ids), randomness.choice(kinds), randomness.choice(gaps)
        if what == "deliver":
            # Which of the versions so far, counted from the newest, and whether its lsn is told.
            return what, [(randomness.choice(ids), randomness.randint(0, 4), randomness.random() < 0.6)]
        return (what, randomness.choice(ids)) if what == "repair" else (what,)

    return [draw_step() for _ in range(randomness.randint(5, 40))]


class Play:
    """Play steps against the database."""

    def __init__(self, database, sink, observer, *, deletes):
        self.world, self.sink, self.observer = World(), sink, observer
        self.deletes = deletes
        self.delivered = set()
        self.repairs = PostgresRereadStore(database, backoff_seconds=1, settle_seconds=SETTLE_SECONDS)

    def steps(self, steps):
        """Do some of the things that may happen at any moment."""
        for what, *arguments in steps:
            getattr(self, what)(*arguments)

    def write(self, id_, kind, seconds):
        """Let the application write."""
        self.world.write(id_, kind, seconds)

    def deliver(self, chosen):
        """Let a feed deliver versions that were written: again, late, in any order, with their lsn or without."""
        batch = []
        for id_, age, tells_lsn in chosen:
            history = self.world.histories.get(id_, [])
            if age < len(history) and (self.deletes or history[-1 - age].body is not None):
                change = history[-1 - age]
                self.delivered.add(change.version)
                # Only deletes of the feed of all versions arrive, and that feed always tells the lsn.
                told = tells_lsn or change.body is None
                batch.append(change if told else replace(change, version=replace(change.version, lsn=None)))
        replicate(ACCOUNTS, batch, self.sink)

    def repair(self, id_):
        """Let somebody ask for a document."""
        repair_document(ACCOUNTS, Identity.of("Accounts", "p", id_), self.world, self.repairs)

    def retry(self):
        """Let the timer run."""
        retry([ACCOUNTS], self.world, self.repairs, rounds=2)

    def wait(self):
        """Let the settle time pass."""
        self.world.clock += SETTLE_SECONDS
        for table, columns in (
            ("dead_letter", ("next_attempt_at", "doubted_at", "claimed_until")),
            ("document", ("applied_at",)),
        ):
            moved = ", ".join(f"{name} = {name} - interval '{SETTLE_SECONDS + 1} seconds'" for name in columns)
            self.observer.connection.execute(f"update cdc.{table} set {moved}")

    def end(self):
        """Deliver newest versions that never were, reconcile deletes that no feed tells, and wait for the rest."""
        self.wait()
        for id_, history in self.world.histories.items():
            if history[-1].body is None and not self.deletes:
                self.repair(id_)
            elif history[-1].version not in self.delivered:
                self.deliver([(id_, 0, True)])
        for _ in range(4):
            self.wait()
            self.retry()


@PLAYS
@given(seed=SEEDS, deletes=st.booleans())
def test_deliveries_and_repairs_end_in_the_newest_versions(database, sink, observer, seed, deletes):
    """Whatever was delivered, repeated, repaired or doubted before, the end is that of the newest versions alone.

    Each newest version was delivered once at some time; deletes only where the feed has them.
    """
    randomness = Random(seed)
    observer.empty()
    play = Play(database, sink, observer, deletes=deletes)
    play.world.skew = randomness.randint(-5, 5)
    steps = draw_steps(randomness)
    meanwhile = [step for step in steps if step[0] in ("write", "deliver")]
    play.world.meanwhile = lambda: play.steps(randomness.sample(meanwhile, min(2, len(meanwhile))))
    play.steps(steps)
    play.world.meanwhile = lambda: None
    play.end()

    assert_the_newest_versions_are_there(play, observer)


def assert_the_newest_versions_are_there(play, observer):
    """Assert that rows, ledger and letters are what the newest versions alone make of them."""
    newest = {id_: history[-1] for id_, history in play.world.histories.items()}
    present = {id_ for id_, change in newest.items() if change.body is not None}
    parked = {id_ for id_ in present if newest[id_].body["Email"] is None}
    rows = {row["id"]: row for row in observer.rows("accounts") if row["id"] not in parked}
    scenarios = observer.rows("completed_scenarios")
    expected = {id_: newest[id_].body for id_ in present - parked}
    assert rows.keys() == expected.keys()
    for id_, body in expected.items():
        assert (rows[id_]["display_name"], rows[id_]["email"]) == (body["DisplayName"], body["Email"])
        found = sorted(row["scenario_id"] for row in scenarios if row["account_id"] == id_)
        assert found == body["CompletedScenarioIds"]
    assert {id_: kind for id_, (kind, _, _) in observer.letters().items()} == dict.fromkeys(parked, "mapping")
    states = observer.states()
    assert {id_ for id_, state in states.items() if state == "parked"} == parked
    assert {id_ for id_, state in states.items() if state == "applied"} == present - parked
