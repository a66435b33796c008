"""The accounts of a real Cosmos server, and leases of their feed as the host writes them."""

from functools import partial

import pytest
from azure.cosmos import PartitionKey

from cdc.core.feed_items import FeedMode
from cdc.cosmos.account import CosmosAccount
from cdc.cosmos.leases import Leases
from local.functions.initialization import Initialization
from local.functions.leases import LeaseStore
from local.functions.ranges import PartitionRanges
from local.functions.successors import of_partition, of_range
from local.sample import DATABASE, Source

PLACE = "leases", "leases"
ALONE = {"Accounts": "/id"}  # each container costs every test some requests
PREFIX = "test-all-versions-"  # as of LEASE_PREFIX=test, in the feed of all versions


class LeasedAccounts:
    """The engine's leases, and the host's: both see the same documents."""

    def __init__(self, cosmos, mode=FeedMode.ALL_VERSIONS, containers=ALONE):
        self.controls = cosmos.controls
        every = mode is FeedMode.ALL_VERSIONS
        self.source = Source.open(cosmos.connection_string, DATABASE, containers, all_versions=every)
        self.account = CosmosAccount(cosmos.connection_string, DATABASE)
        self.origin = self.account.read_source_container("Accounts")
        database = self.source.client.create_database_if_not_exists(PLACE[0])
        self.container = database.create_container_if_not_exists(PLACE[1], PartitionKey("/id"))
        self.prefix = f"{PREFIX}{self.origin.account}_database_{self.origin.rid}"
        self.store = LeaseStore(self.container, prefix=self.prefix, owner="host", mode="AllVersionsAndDeletes")
        self.leases = self.open(mode)

    def open(self, mode, read=None):
        """Open the leases as another process would; `read` may answer in the account's place."""
        ask = partial(self.account.read_leases, *PLACE, PREFIX)
        write = partial(self.account.replace_lease, *PLACE)
        return Leases(read or ask, write, self.account, mode, "beginning", PREFIX)

    def close(self):
        """Close the connections."""
        self.account.close()
        self.source.close()

    def partitions(self):
        """Read the physical partitions, as leases of them."""
        return [
            of_partition(each) for each in PartitionRanges(self.source.containers["Accounts"], self.origin.rid).read()
        ]

    def initialize(self, new):
        """Write the first leases, as the host does."""
        Initialization(self.container, self.prefix, "feed").run(self.store, lambda: new, pytest.fail)

    def split(self, delete=True):
        """Split the first partition; make leases of the children, and then delete the parent's, as the host does."""
        parent = self.store.load()[0]
        self.controls.split(DATABASE, "Accounts", parent.token)
        for child in self.partitions()[:2]:
            self.store.create(child, parent.continuation)
        if delete:
            self.store.delete(parent)
        return parent

    def merge(self):
        """Merge the first two partitions; replace their leases by such of their ranges, as the host does."""
        merged = self.store.load()[:2]
        self.controls.merge(DATABASE, "Accounts", merged[0].token)
        for lease in merged:
            self.store.create(of_range(lease.low, lease.high), lease.continuation)
            self.store.delete(lease)
