"""Open a change feed: find its containers, write its leases, follow each of them."""

import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

from azure.cosmos import ContainerProxy, CosmosClient
from azure.cosmos.exceptions import CosmosHttpResponseError, CosmosResourceNotFoundError

from local.functions import account
from local.functions.errors import HostError
from local.functions.feed import RangeReader
from local.functions.follower import Follower, Subscription
from local.functions.leases import Lease, LeaseStore
from local.functions.outage import Outage

_REFUSALS = {401, 403}


class ChangeFeed:
    """Deliver the change feed of one container to one function."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self._name = subscription.function.name
        self._trigger = subscription.trigger
        self._owner = str(uuid.uuid4())
        self._opened = threading.Event()
        self._followers: list[Follower] = []
        self._thread = threading.Thread(target=self._open, name=self._name, daemon=True)
        self.failure: HostError | None = None

    def start(self, on_failure: Callable[[], None]) -> None:
        """Begin to follow in the background; call back when the feed can never be followed."""
        self._on_failure = on_failure
        self._thread.start()

    def wait_until_reading(self, deadline: float) -> None:
        """Return once every range was read for the first time, or cannot be read for now."""
        self._opened.wait(max(0.0, deadline - time.monotonic()))
        for follower in self._followers:
            follower.tried.wait(max(0.0, deadline - time.monotonic()))

    def join(self, deadline: float) -> None:
        """Wait for the running invocations and their checkpoints."""
        if self._thread.ident is not None:
            self._thread.join(max(0.0, deadline - time.monotonic()))
        for follower in self._followers:
            follower.join(deadline)

    def _open(self) -> None:
        outage = Outage(self._name, self._subscription.stopping)
        try:
            self._followers = outage.outlast(self._find_followers, on_failure=self._opened.set) or []
            for follower in self._followers:
                follower.start()
        except HostError as error:
            self.failure = error
            self._on_failure()
        finally:
            self._opened.set()

    def _find_followers(self) -> list[Follower]:
        try:
            container, rid, leases = self._open_containers()
        except CosmosHttpResponseError as error:
            if error.status_code not in _REFUSALS:
                raise
            name = self._subscription.function.trigger["connection"]
            raise HostError(
                f"function {self._name}: Cosmos refuses the key or token of the connection {name}"
            ) from None
        if not leases.is_initialized():
            ranges = [found["Range"] for found in container.read_feed_ranges(force_refresh=True)]
            leases.initialize([(found["min"], found["max"]) for found in ranges])
        return [self._follow(container, rid, leases, lease) for lease in leases.load()]

    def _follow(self, container: ContainerProxy, rid: str, leases: LeaseStore, lease: Lease) -> Follower:
        if leases.has_other_mode(lease):
            raise HostError(
                f"function {self._name}: its leases were made for another changeFeedMode; use another lease prefix"
            )
        return Follower(self._subscription, RangeReader(container, rid, self._trigger, lease), leases, lease)

    def _open_containers(self) -> tuple[ContainerProxy, str, LeaseStore]:
        trigger = self._trigger
        client = account.connect(trigger.connection)
        same = trigger.lease_connection == trigger.connection
        lease_client = client if same else account.connect(trigger.lease_connection)
        database, container, properties = self._open_container(client, trigger.database, trigger.container)
        lease_container = self._open_lease_container(lease_client)
        host = account.host_of(trigger.connection)
        prefix = f"{trigger.lease_prefix}{host}_{database['_rid']}_{properties['_rid']}"
        leases = LeaseStore(lease_container, prefix=prefix, owner=self._owner, mode=trigger.mode)
        return container, properties["_rid"], leases

    def _open_lease_container(self, client: CosmosClient) -> ContainerProxy:
        trigger = self._trigger
        if trigger.creates_lease_container:
            account.create_lease_container(client, trigger.lease_database, trigger.lease_container)
        _, container, properties = self._open_container(client, trigger.lease_database, trigger.lease_container)
        paths = properties["partitionKey"]["paths"]
        if paths != ["/id"]:
            raise HostError(
                f"function {self._name}: the partition key of the lease container "
                f"{trigger.lease_container} must be /id, it is {', '.join(paths)}"
            )
        return container

    def _open_container(
        self, client: CosmosClient, database_name: str, name: str
    ) -> tuple[dict[str, Any], ContainerProxy, dict[str, Any]]:
        database = client.get_database_client(database_name)
        container = database.get_container_client(name)
        try:
            return dict(database.read()), container, dict(container.read())
        except CosmosResourceNotFoundError:
            raise HostError(
                f"function {self._name}: the container {name} of the database {database_name} does not exist"
            ) from None
