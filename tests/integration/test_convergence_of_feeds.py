"""Whatever of the feeds comes late, twice or in between, nothing is revived: through the reader of both feeds."""

from random import Random

from hypothesis import given

from cdc.core.feed_items import FeedMode, read_delivered
from cdc.replication.batch import replicate
from mappers.accounts import ACCOUNTS
from tests.integration.test_convergence_of_repairs import (
    GONE,
    PLAYS,
    PRESENT,
    SEEDS,
    Play,
    World,
    assert_the_newest_versions_are_there,
)

LIVE, BACKFILL, QUERY = "live", "backfill", "query"
PATHS = ("/p",)


class FeedPlay(Play):
    """Deliver items of feeds as they come over the wire."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        # By document, the newest of the versions that any feed has delivered.
        self.newest = {}

    def page(self, source, chosen):
        """Let one page come: versions of any age, of the feed of all versions or of one of the latest versions."""
        picked = [
            (history, len(history) - 1 - age)
            for id_, age in chosen
            if age < len(history := self.world.histories.get(id_, []))
        ]
        live = source == LIVE
        items = [
            write_version_item(history, place) if live else write_latest_item(history[place], tells_lsn=source != QUERY)
            for history, place in picked
            if live or history[place].body is not None
        ]
        self.delivered |= {history[place].version for history, place in picked if live}
        mode = FeedMode.ALL_VERSIONS if live else FeedMode.LATEST_VERSION
        page = read_delivered(mode, "Accounts", PATHS, items)
        assert page.nameless == 0
        replicate(ACCOUNTS, page.changes, self.sink)
        for history, place in picked:
            if live or history[place].body is not None:
                id_ = history[place].identity.id.strip('"')
                self.newest[id_] = max(self.newest.get(id_, 0), history[place].version.lsn)
        self.assert_nothing_is_lost()

    def assert_nothing_is_lost(self):
        """Assert that each document is as new as what was delivered of it, or waits to be read again."""
        ledger, letters = self.observer.ledger(), self.observer.letters()
        names = {row["id"]: row["display_name"] for row in self.observer.rows("accounts")}
        for id_, newest in self.newest.items():
            if id_ in letters:
                assert letters[id_][0] == "undecided"
            elif id_ in names:
                assert int(names[id_].removeprefix("name ")) >= newest
            else:
                _, lsn, _, state, _ = ledger[id_]
                assert state == "deleted"
                if self.is_absence(id_):
                    # A delete after the answer adds nothing to it: what is deleted already stays as it is.
                    assert newest <= self.world.gone[id_] or self.is_delete(id_, newest)
                else:
                    assert newest <= lsn

    def is_delete(self, id_, lsn):
        """Tell whether a version of a document is its delete."""
        return any(change.body is None for change in self.world.histories[id_] if change.version.lsn == lsn)

    def is_absence(self, id_):
        """Tell whether a tombstone is from an answer of the source."""
        query = "select absence from cdc.document where id = %s"
        return self.observer.connection.execute(query, [f'"{id_}"']).fetchone() == (True,)

    def end(self):
        """Deliver what the live feed has not delivered yet of the newest versions, and wait for the rest."""
        self.wait()
        for id_, history in self.world.histories.items():
            if history[-1].version not in self.delivered:
                self.page(LIVE, [(id_, 0)])
        for _ in range(4):
            self.wait()
            self.retry()


def write_version_item(history, place):
    """Write a version as the feed of all versions has it."""
    change = history[place]
    before = history[place - 1] if place else None
    metadata = {"lsn": change.version.lsn, "crts": change.version.ts}
    if before is not None and before.body is not None:
        metadata["previousImageLSN"] = before.version.lsn
    if change.body is None:
        told = {"operationType": "delete", "id": change.identity.id.strip('"'), "partitionKey": {"p": "p"}}
        return {"current": {}, "metadata": metadata | told}
    operation = "replace" if "previousImageLSN" in metadata else 0
    return {"current": write_document(change), "metadata": metadata | {"operationType": operation}}


def write_latest_item(change, *, tells_lsn):
    """Write a version as a feed of latest versions had it when it was the latest."""
    return write_document(change) | ({"_lsn": change.version.lsn} if tells_lsn else {})


def write_document(change):
    """Write a document with its system properties."""
    return change.body | {"p": "p", "_ts": change.version.ts, "_etag": change.version.etag}


def draw_steps(randomness):
    """Draw writes and deletes of few documents in few seconds, and pages of every feed, late ones too."""
    ids = randomness.choice(["a", "ab", "abc"])
    kinds = randomness.choice([[PRESENT, GONE], [PRESENT, PRESENT, GONE], [PRESENT, GONE, GONE]])
    gaps = randomness.choice([[0], [0, 0, 0, 1], [0, 1, 5, 20]])
    weights = randomness.choice([[6, 8, 0, 0, 0], [8, 8, 2, 2, 1], [4, 4, 4, 4, 4]])

    def draw_step():
        what = randomness.choices(["write", "page", "repair", "retry", "wait"], weights)[0]
        if what == "write":
            return what, randomness.choice(ids), randomness.choice(kinds), randomness.choice(gaps)
        if what == "page":
            # Mostly a stretch of one document's history, in any order.
            id_, ages = randomness.choice(ids), range(randomness.randint(0, 1), randomness.randint(2, 6))
            chosen = [(id_, age) for age in randomness.sample(ages, len(ages))]
            chosen += [(randomness.choice(ids), randomness.randint(0, 5)) for _ in range(randomness.randint(0, 2))]
            return what, randomness.choice([LIVE, LIVE, BACKFILL, QUERY]), chosen
        return (what, randomness.choice(ids)) if what == "repair" else (what,)

    return [draw_step() for _ in range(randomness.randint(5, 40))]


class TidyWorld(World):
    """A source in which nothing is deleted twice."""

    def write(self, id_, kind, seconds):
        """Write the next version; where nothing is there, it cannot be deleted."""
        history = self.histories.get(id_)
        gone = not history or history[-1].body is None
        super().write(id_, PRESENT if gone else kind, seconds)


@PLAYS
@given(seed=SEEDS)
def test_no_interleaving_of_feeds_and_tombstones_revives_anything(database, sink, observer, seed):
    """Live feed, backfill, replays, late pages, repairs: the end is that of the newest versions alone."""
    randomness = Random(seed)
    observer.empty()
    play = FeedPlay(database, sink, observer, deletes=True)
    play.world = TidyWorld(skew=randomness.randint(-5, 5))
    steps = draw_steps(randomness)
    meanwhile = [step for step in steps if step[0] in ("write", "page")]
    play.world.meanwhile = lambda: play.steps(randomness.sample(meanwhile, min(2, len(meanwhile))))
    play.steps(steps)
    play.world.meanwhile = lambda: None
    play.end()

    assert_the_newest_versions_are_there(play, observer)
