"""Copy two feed ranges from a Cosmos server side by side, and apply the same documents alone."""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from bench.database import provision
from bench.goals import Figure, report
from bench.sessions import CONTAINER, fill
from cdc.backfill.copying import Backfill, FeedSource
from cdc.backfill.job import Job, Options
from cdc.backfill.store import PostgresBackfills
from cdc.core.documents import Change, JsonObject
from cdc.core.feed_items import read_change
from cdc.core.feed_pages import FeedRange, Page, Size
from cdc.core.mapping import Mapper, Tuples
from cdc.core.writes import Also, Outcome
from cdc.cosmos.account import CosmosAccount
from cdc.cosmos.feeds import CosmosFeed, CosmosFeeds
from cdc.postgres.database import Database
from cdc.replication.batch import replicate
from cdc.replication.planning import Piece
from cdc.replication.sink import PostgresSink
from local.cosmos.auth import EMULATOR_KEY
from local.postgres import Postgres
from local.sample import DATABASE, PARTITION_KEYS
from local.stack import Part
from mappers.game_sessions import GAME_SESSIONS

GOAL = 0.7
PAGE = 300
LANES = 2

Result = TypeVar("Result")


class Watch:
    """Add up how long each thing takes, in all lanes; what runs side by side counts for each."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def time(self, what: str, do: Callable[[], Result]) -> Result:
        """Do something and add its time."""
        begun = time.perf_counter()
        try:
            return do()
        finally:
            self.seconds[what] += time.perf_counter() - begun


class TimedFeed:
    """A feed whose readings are timed."""

    def __init__(self, feed: CosmosFeed, watch: Watch) -> None:
        self._feed = feed
        self._watch = watch

    def list_ranges(self) -> list[FeedRange]:
        """Return the physical feed ranges."""
        return self._feed.list_ranges()

    def measure(self) -> Size:
        """Count the documents."""
        return self._feed.measure()

    def read(self, range_: FeedRange, continuation: str | None, size: int) -> Page:
        """Read a page."""
        return self._watch.time("reading", lambda: self._feed.read(range_, continuation, size))


class TimedSink:
    """A sink whose statements are timed."""

    reapplies = False

    def __init__(self, sink: PostgresSink, watch: Watch) -> None:
        self._sink = sink
        self._watch = watch

    def apply(self, mapper: Mapper[Any], pieces: Sequence[Piece], also: Also | None = None) -> Outcome:
        """Write a page."""
        return self._watch.time("writing", lambda: self._sink.apply(mapper, pieces, also))


class TimedMapper(Mapper[Any]):
    """A mapper whose work is timed."""

    def __init__(self, mapper: Mapper[Any], watch: Watch) -> None:
        super().__init__(container=mapper.container, reader=mapper.reader, tables=mapper.tables, rows=mapper.rows)
        self._mapper = mapper
        self._watch = watch

    def map(self, body: JsonObject) -> Tuples:
        """Map a document."""
        return self._watch.time("mapping", lambda: self._mapper.map(body))


def run(documents: int, rounds: int, path: Path | None) -> int:
    """Print the rates of both in turn, and return 1 when the ratio of their medians is less than the goal."""
    cosmos_part = Part(["local.cosmos", "--physical-partitions", str(LANES)], {})
    cosmos = CosmosAccount(f"AccountEndpoint={cosmos_part.url};AccountKey={EMULATOR_KEY};", DATABASE)
    try:
        fill(f"AccountEndpoint={cosmos_part.url};AccountKey={EMULATOR_KEY};", documents)
        feeds = CosmosFeeds(cosmos)
        pages = _read_all(feeds)
        copies, applies = [], []
        for _ in range(rounds):
            copies.append(_copy(feeds, documents))
            applies.append(_apply_alone(pages, documents))
    finally:
        cosmos_part.stop()
    return _report(documents, copies, applies, path)


def _report(documents: int, copies: list[dict[str, float]], applies: list[float], path: Path | None) -> int:
    copied, applied = statistics.median(each["rate"] for each in copies), statistics.median(applies)
    shares = {
        name: statistics.median(each[name] for each in copies) for name in ("reading", "mapping", "writing", "waiting")
    }
    figure = Figure("backfill / apply alone", copied / applied, at_least=GOAL, parts=shares)
    rates = {"documents_per_second": round(copied), "documents_per_second_applied_alone": round(applied)}
    print(f"{copied:,.0f} documents/s copied, {applied:,.0f} applied alone; shares of the lanes' time:")
    report([figure], {"documents": documents, "rounds": len(copies), **rates}, path)
    return 0 if figure.met else 1


def _read_all(feeds: CosmosFeeds) -> list[list[tuple[JsonObject, ...]]]:
    """Read the pages of each feed range into memory."""
    found = []
    with feeds.open(CONTAINER) as feed:
        for range_ in feed.list_ranges():
            pages, continuation = [], None
            while not (page := feed.read(range_, continuation, PAGE)).ended:
                pages.append(page.documents)
                continuation = page.continuation
            found.append(pages)
    return found


def _copy(feeds: CosmosFeeds, documents: int) -> dict[str, float]:
    """Copy everything with a lane for each feed range; return the rate and the shares of the lanes' time.

    Reading runs beside the rest. A sink maps what it writes: writing is the rest of its time. Waiting is what a lane is
    not in the sink: for a page, or for the other lane.
    """
    watch = Watch()
    with _database() as database:
        backfills = PostgresBackfills(database)

        @contextmanager
        def open_feed(container: str) -> Iterator[TimedFeed]:
            with feeds.open(container) as feed:
                yield TimedFeed(feed, watch)

        def open_sink(_: Job, _source_ts: int) -> TimedSink:
            return TimedSink(PostgresSink(database), watch)

        mapper = TimedMapper(GAME_SESSIONS, watch)
        backfill = Backfill({CONTAINER: mapper}, FeedSource(open_feed, _read_changes), backfills, open_sink, 600)
        backfills.insert("bench", [CONTAINER], Options(page_size=PAGE, max_parallel_ranges=LANES))
        plan = backfill.plan("bench", None)
        begun = time.perf_counter()
        with ThreadPoolExecutor(LANES) as lanes:
            list(lanes.map(lambda lane: backfill.copy("bench", plan["generation"], lane), range(LANES)))
        seconds = time.perf_counter() - begun
        if backfills.read("bench")["applied"] != documents:
            raise SystemExit("backfill: not everything was copied")
    return {"rate": documents / seconds, **_shares(watch, seconds * LANES)}


def _shares(watch: Watch, lane_seconds: float) -> dict[str, float]:
    shares = {name: watch.seconds[name] / lane_seconds for name in ("reading", "mapping", "writing")}
    waiting = max(0.0, 1 - shares["writing"])
    return {**shares, "writing": shares["writing"] - shares["mapping"], "waiting": waiting}


def _apply_alone(pages: list[list[tuple[JsonObject, ...]]], documents: int) -> float:
    """Apply the pages of both ranges side by side, from memory."""
    with _database() as database:

        def apply(mine: list[tuple[JsonObject, ...]]) -> int:
            sink = PostgresSink(database)
            return sum(replicate(GAME_SESSIONS, _read_changes(CONTAINER, page), sink).applied for page in mine)

        begun = time.perf_counter()
        with ThreadPoolExecutor(LANES) as writers:
            applied = sum(writers.map(apply, pages))
        seconds = time.perf_counter() - begun
    if applied != documents:
        raise SystemExit("backfill: not everything was applied")
    return documents / seconds


def _read_changes(container: str, documents: Sequence[JsonObject]) -> list[Change]:
    return [read_change(container, [PARTITION_KEYS[container]], document) for document in documents]


@contextmanager
def _database() -> Iterator[Database]:
    with Postgres() as server:
        database = Database(provision(server.dsn()).writer)
        yield database
        database.close()
