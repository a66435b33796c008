"""Open a change feed: find its containers, write its leases, follow a fair share of them."""

import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.cosmos import ContainerProxy, CosmosClient
from azure.cosmos.exceptions import CosmosHttpResponseError, CosmosResourceNotFoundError

from local.functions import account, balance
from local.functions.controller import Controller, Source
from local.functions.errors import HostError
from local.functions.follower import Subscription
from local.functions.initialization import Initialization
from local.functions.leases import LeaseStore
from local.functions.outage import Outage
from local.functions.ranges import PartitionRanges

_BAD_REQUEST = 400
_REFUSALS = {401, 403}


class ChangeFeed:
    """Deliver the change feed of one container to one function."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self._name = subscription.function.name
        self._trigger = subscription.trigger
        self._owner = str(uuid.uuid4())
        self._opened = threading.Event()
        self._controller: Controller | None = None
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self.failure: HostError | None = None

    def start(self, on_failure: Callable[[], None]) -> None:
        """Begin to follow in the background; call back when the feed can never be followed."""
        self._on_failure = on_failure
        self._thread.start()

    def wait_until_reading(self, deadline: float) -> None:
        """Return once every range that is free was read for the first time, or cannot be read for now."""
        self._opened.wait(max(0.0, deadline - time.monotonic()))
        if self._controller is not None:
            self._controller.wait_until_reading(deadline)

    def join(self, deadline: float) -> None:
        """Wait for the running invocations and their checkpoints."""
        if self._thread.ident is not None:
            self._thread.join(max(0.0, deadline - time.monotonic()))
        if self._controller is not None:
            self._controller.join(deadline)

    def _run(self) -> None:
        stopping = self._subscription.stopping
        outage = Outage(self._name, stopping)
        try:
            source = outage.outlast(self._open, on_failure=self._opened.set)
            if source is None:
                return
            self._controller = Controller(self._subscription, source)
            while not stopping.is_set():
                self._take_leases(source, self._controller, outage)
                self._opened.set()
                stopping.wait(self._trigger.acquire_seconds)
        except HostError as error:
            self.failure = error
            self._on_failure()
        finally:
            self._opened.set()

    def _take_leases(self, source: Source, controller: Controller, outage: Outage) -> None:
        chosen = balance.choose(
            outage.attempt(source.leases.load) or [],
            owner=self._owner,
            now=datetime.now(UTC),
            expiration=timedelta(seconds=self._trigger.expiration_seconds),
        )
        for lease in chosen:
            if not self._subscription.stopping.is_set():
                controller.take(lease)

    def _open(self) -> Source | None:
        try:
            source, initialization = self._open_containers()
        except CosmosHttpResponseError as error:
            if error.status_code not in _REFUSALS:
                raise
            name = self._subscription.function.trigger["connection"]
            raise HostError(
                f"function {self._name}: Cosmos refuses the key or token of the connection {name}"
            ) from None
        if self._trigger.mode == "AllVersionsAndDeletes":
            self._check_all_versions(source.container)
        if not initialization.run(source.leases, source.read_first_leases, self._wait_for_lock):
            return None
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

    def _open_containers(self) -> tuple[Source, Initialization]:
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
        rid = properties["_rid"]
        source = Source(container, rid, PartitionRanges(container, rid), leases)
        return source, Initialization(lease_container, prefix, self._name)

    def _wait_for_lock(self) -> bool:
        return self._subscription.stopping.wait(self._subscription.lock_wait_seconds)

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
