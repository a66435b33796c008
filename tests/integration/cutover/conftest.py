"""A cut-over of the accounts: Cosmos with leases, an engine that applies what a host would deliver, and the owner."""

import threading
import time
from contextlib import suppress

import pytest

from cdc.config.settings import Phase
from cdc.core.feed_items import FeedMode, read_delivered
from cdc.cosmos.feeds import CosmosFeeds
from cdc.cosmos.places import PlaceReader
from cdc.cosmos.tail import Tail
from cdc.cutover.rehearsal import Rehearsal
from cdc.cutover.report import Report
from cdc.cutover.rules import Rules
from cdc.cutover.run import Run
from cdc.cutover.steps import Steps
from cdc.cutover.store import Attempts
from cdc.operations.source_watch import SourceWatch
from cdc.postgres import gate
from cdc.postgres.containers import ConfirmedSource
from cdc.replication.batch import replicate
from cdc.replication.sink import PostgresSink
from local.functions.leases import LeaseLostError
from mappers.accounts import ACCOUNTS
from tests.builders import an_account
from tests.integration.leased import LeasedAccounts

SETTLE_SECONDS = 0.4


class World:
    """The accounts, and everything that cuts over."""

    def __init__(self, cosmos, writer, owner, mappers=(ACCOUNTS,)):
        self.controls = cosmos.controls
        self.writer, self.owner = writer, owner
        self.accounts = LeasedAccounts(cosmos, FeedMode.LATEST_VERSION)
        self.accounts.initialize(self.accounts.partitions())
        self.reader = PlaceReader(self.accounts.account, FeedMode.LATEST_VERSION, "beginning")
        self.feeds = CosmosFeeds(self.accounts.account)
        self.source = ConfirmedSource(self.accounts.account, owner)
        self.said, self.unready, self.at_say = [], [], {}
        self.attempts = Attempts(owner)
        steps = Steps(
            mappers, owner, self.accounts.account, self.source, self.accounts.leases, Tail(self.feeds), self.attempts,
            lambda _: self.unready, SETTLE_SECONDS, 3_600, self.say,
        )  # fmt: skip
        self.steps, self.rules = steps, Rules(mappers, owner, self.attempts, self.say)
        self.rehearsal = Rehearsal(steps, self.rules)
        self.run = Run(steps, self.rules)
        self.report = Report(owner, self.attempts, 3_600)
        self.watch = SourceWatch(writer, ConfirmedSource(self.accounts.account, writer), Tail(self.feeds))

    def say(self, step, what):
        """Note what is said, and let something happen at a step, once."""
        self.said.append((step, what))
        happen = self.at_say.pop(step, None)
        if happen is not None:
            happen()

    def write(self, id_, **overrides):
        """Write an account of its own e-mail; return the document."""
        return self.accounts.source.write("Accounts", an_account(id_, **{"Email": f"{id_}@example.com", **overrides}))

    def deliver(self):
        """Apply what is new, and checkpoint it, as a host does."""
        store = self.accounts.store
        for lease in store.load():
            place = next(
                each for each in self.accounts.leases.read_places(self.accounts.origin) if each.range.min == lease.low
            )
            items, etag, _ = self.reader._read_page(self.accounts.origin, place)
            changes = read_delivered(FeedMode.LATEST_VERSION, "Accounts", ("/id",), items).changes
            replicate(ACCOUNTS, changes, PostgresSink(self.writer))
            with suppress(LeaseLostError):  # another thread of the test delivers it as well
                store.release(store.checkpoint(store.acquire(lease), etag))

    def phase(self):
        """Return the recorded phase."""
        return gate.read_phase(self.owner).phase

    def close(self):
        """Close the connections."""
        self.feeds.close()
        self.accounts.close()


@pytest.fixture
def world(cosmos, database, owner_database):
    """Three accounts that have arrived long enough ago, in phase 2."""
    gate.record(owner_database, Phase.DUAL_WRITE_COSMOS_READ, Phase.DUAL_WRITE_POSTGRES_READ)
    world = World(cosmos, database, owner_database)
    for id_ in ("a", "b", "c"):
        world.write(id_)
    cosmos.controls.clock.advance(10)
    world.deliver()
    yield world
    world.close()


@pytest.fixture
def rehearsed(world):
    """The same, rehearsed."""
    world.rehearsal.rehearse(50)
    return world


@pytest.fixture
def in_background():
    """Do something again and again, beside the test, until it ends."""
    ending, threads = threading.Event(), []

    def start(work):
        def repeat():
            while not ending.is_set():
                work()
                time.sleep(0.05)

        threads.append(threading.Thread(target=repeat, daemon=True))
        threads[-1].start()

    yield start
    ending.set()
    for thread in threads:
        thread.join()
