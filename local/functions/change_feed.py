"""Open a change feed: find its containers, write its leases, follow a fair share of them."""

import contextlib
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.cosmos import ContainerProxy, CosmosClient
from azure.cosmos.exceptions import CosmosHttpResponseError, CosmosResourceNotFoundError

from local.functions import account, balance
from local.functions.errors import HostError
from local.functions.feed import RangeReader
from local.functions.follower import Follower, Subscription
from local.functions.held import HeldLease
from local.functions.leases import Lease, LeaseLostError, LeaseStore
from local.functions.outage import UNAVAILABLE, Outage

_BAD_REQUEST = 400
_REFUSALS = {401, 403}


@dataclass(frozen=True, slots=True)
class _Source:
    container: ContainerProxy
    rid: str
    leases: LeaseStore


class ChangeFeed:
    """Deliver the change feed of one container to one function."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self._name = subscription.function.name
        self._trigger = subscription.trigger
        self._owner = str(uuid.uuid4())
        self._opened = threading.Event()
        self._taking = threading.Lock()
        self._followers: list[Follower] = []
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self.failure: HostError | None = None

    def start(self, on_failure: Callable[[], None]) -> None:
        """Begin to follow in the background; call back when the feed can never be followed."""
        self._on_failure = on_failure
        self._thread.start()

    def wait_until_reading(self, deadline: float) -> None:
        """Return once every range that is free was read for the first time, or cannot be read for now."""
        self._opened.wait(max(0.0, deadline - time.monotonic()))
        for follower in self._followers:
            follower.tried.wait(max(0.0, deadline - time.monotonic()))

    def join(self, deadline: float) -> None:
        """Wait for the running invocations and their checkpoints."""
        if self._thread.ident is not None:
            self._thread.join(max(0.0, deadline - time.monotonic()))
        for follower in self._followers:
            follower.join(deadline)

    def _run(self) -> None:
        stopping = self._subscription.stopping
        outage = Outage(self._name, stopping)
        try:
            source = outage.outlast(self._open, on_failure=self._opened.set)
            while source is not None and not stopping.is_set():
                self._look_for_leases(source, outage)
                self._opened.set()
                stopping.wait(self._trigger.acquire_seconds)
        except HostError as error:
            self.failure = error
            self._on_failure()
        finally:
            self._opened.set()

    def _open(self) -> _Source:
        try:
            source = self._open_containers()
        except CosmosHttpResponseError as error:
            if error.status_code not in _REFUSALS:
                raise
            name = self._subscription.function.trigger["connection"]
            raise HostError(
                f"function {self._name}: Cosmos refuses the key or token of the connection {name}"
            ) from None
        if self._trigger.mode == "AllVersionsAndDeletes":
            self._check_all_versions(source.container)
        if not source.leases.is_initialized():
            ranges = [found["Range"] for found in source.container.read_feed_ranges(force_refresh=True)]
            source.leases.initialize([(found["min"], found["max"]) for found in ranges])
        if any(source.leases.has_other_mode(lease) for lease in source.leases.load()):
            raise HostError(
                f"function {self._name}: its leases were made for another changeFeedMode; use another lease prefix"
            )
        return source

    def _check_all_versions(self, container: ContainerProxy) -> None:
        pages = container.query_items_change_feed(start_time="Now", mode="AllVersionsAndDeletes").by_page()
        try:
            next(pages, None)
        except CosmosHttpResponseError as error:
            if error.status_code != _BAD_REQUEST:
                raise
            raise HostError(
                f"function {self._name}: the container {self._trigger.container} has no change feed of "
                "AllVersionsAndDeletes: enable all versions and deletes for the account, "
                "or give the container a changeFeedPolicy with a retentionDuration"
            ) from None

    def _look_for_leases(self, source: _Source, outage: Outage) -> None:
        if not self._followers:
            outage.outlast(lambda: self._take_leases(source), on_failure=self._opened.set)
            return
        with contextlib.suppress(*UNAVAILABLE):  # the followers say so
            self._take_leases(source)

    def _take_leases(self, source: _Source) -> None:
        with self._taking:
            self._followers = [follower for follower in self._followers if follower.is_running]
            chosen = balance.choose(
                source.leases.load(),
                owner=self._owner,
                now=datetime.now(UTC),
                expiration=timedelta(seconds=self._trigger.expiration_seconds),
            )
            for lease in chosen:
                if not self._subscription.stopping.is_set():
                    self._take(source, lease)

    def _take(self, source: _Source, lease: Lease) -> None:
        try:
            acquired = source.leases.acquire(lease)
        except LeaseLostError:
            return
        for follower in self._followers:
            if follower.token == lease.token:
                follower.lose()
        held = HeldLease(source.leases, acquired, renew_seconds=self._trigger.renew_seconds)
        reader = RangeReader(source.container, source.rid, self._trigger, acquired)
        follower = Follower(self._subscription, reader, held, on_split=lambda: self._take_leases(source))
        self._followers.append(follower)
        follower.start()

    def _open_containers(self) -> _Source:
        trigger = self._trigger
        client = account.connect(trigger.connection)
        # A client shares the headers of its last answer, and reading a change feed changes them under other readers.
        lease_client = account.connect(trigger.lease_connection)
        database = self._read_database(client, trigger.database)
        container, properties = self._open_container(client, trigger.database, trigger.container)
        lease_container = self._open_lease_container(lease_client)
        host = account.host_of(trigger.connection)
        prefix = f"{trigger.lease_prefix}{host}_{database['_rid']}_{properties['_rid']}"
        leases = LeaseStore(lease_container, prefix=prefix, owner=self._owner, mode=trigger.mode)
        return _Source(container, properties["_rid"], leases)

    def _open_lease_container(self, client: CosmosClient) -> ContainerProxy:
        trigger = self._trigger
        self._read_database(client, trigger.lease_database)
        if trigger.creates_lease_container:
            account.create_lease_container(client, trigger.lease_database, trigger.lease_container)
        advice = ": create it with the partition key /id, or set create_lease_container_if_not_exists"
        container, properties = self._open_container(client, trigger.lease_database, trigger.lease_container, advice)
        paths = properties["partitionKey"]["paths"]
        if paths != ["/id"]:
            raise HostError(
                f"function {self._name}: the partition key of the lease container "
                f"{trigger.lease_container} must be /id, it is {', '.join(paths)}"
            )
        return container

    def _read_database(self, client: CosmosClient, name: str) -> dict[str, Any]:
        try:
            return dict(client.get_database_client(name).read())
        except CosmosResourceNotFoundError:
            raise HostError(f"function {self._name}: the database {name} does not exist") from None

    def _open_container(
        self, client: CosmosClient, database: str, name: str, advice: str = ""
    ) -> tuple[ContainerProxy, dict[str, Any]]:
        container = client.get_database_client(database).get_container_client(name)
        try:
            return container, dict(container.read())
        except CosmosResourceNotFoundError:
            raise HostError(
                f"function {self._name}: the container {name} of the database {database} does not exist{advice}"
            ) from None
