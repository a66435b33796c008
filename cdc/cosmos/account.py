"""The engine's own requests to Cosmos DB."""

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from azure.core import MatchConditions
from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError, ClientAuthenticationError, ServiceRequestError, ServiceResponseError
from azure.cosmos import ContainerProxy, CosmosClient, PartitionKey
from azure.cosmos.exceptions import (
    CosmosAccessConditionFailedError,
    CosmosClientTimeoutError,
    CosmosHttpResponseError,
    CosmosResourceNotFoundError,
)

from cdc.config.entra import no_token
from cdc.core.documents import Identity, JsonObject, Reading
from cdc.core.errors import CdcError, FatalError, RetentionError, TransientError, UnansweredError, UnreadableError
from cdc.core.feed_items import FeedMode
from cdc.core.feed_pages import FeedRange
from cdc.core.source_container import SourceContainer
from cdc.cosmos import point_reads
from cdc.cosmos.backlog import Head
from cdc.cosmos.clients import Clients
from cdc.cosmos.continuation import write_feed_range
from cdc.cosmos.lease_container import NEVER, check_properties, correct_expiry
from cdc.cosmos.point_reads import read_seconds
from cdc.cosmos.transport import Transport

_IDENTITY = "COSMOS_CONNECTION__accountEndpoint, __credential and __clientId"
_SETUP = "Run python -m cdc setup."
_NO_SETUP = (
    "An Entra identity cannot create it: run az cosmosdb sql container create, "
    "with --partition-key-path /id and --ttl -1."
)
# Substatus of a 404: this replica does not yet have what the client has read from another replica.
_SESSION_NOT_AVAILABLE = 1002
_NO_ANSWERS = (408, 500, 502, 503, 504)
_TRANSIENT_STATUSES = (410, 429, 449, *_NO_ANSWERS)


class MissingError(FatalError):
    """A missing database or container."""


class DeniedError(FatalError):
    """A key or an identity that the account refuses."""


class CosmosAccount:
    """The `SourceAccount` and `FeedReader` on Cosmos DB; connects on first use."""

    def __init__(self, connection: str, database: str, credential: TokenCredential | None = None) -> None:
        """Take a connection string, or the account's address and an identity's credential."""
        self.database = database
        self._connection = connection
        self._credential = credential
        self._clients = Clients(self.connect)
        # The SDK logs requests with ids and partition keys, and the worker forwards every log line.
        logging.getLogger("azure.cosmos").setLevel(logging.WARNING)

    def read_source_container(self, container: str) -> SourceContainer:
        """Read the resource id and the partition key paths of a container."""
        what = f"the container {container} in database {self.database}"
        with self._open(self.database, container, what) as proxy:
            properties: JsonObject = dict(proxy.read())
            account = urlsplit(proxy.client_connection.url_connection).hostname or ""
        paths = tuple(properties["partitionKey"]["paths"])
        return SourceContainer(container, account, properties["_rid"], paths)

    def connect(self, **options: Any) -> CosmosClient:
        """Make another client: threads that read in parallel need one each."""
        options |= {"connection_timeout": 5, "transport": Transport()}
        if self._credential is None:
            return CosmosClient.from_connection_string(self._connection, **options)
        return CosmosClient(self._connection, self._credential, **options)

    def read_document(self, identity: Identity) -> Reading:
        """Read the current version of a document; raise UnreadableError for a failure that may be its own."""
        what = f"a document of {identity.container}"
        with self._open(self.database, identity.container, what) as proxy, _refusals_of_one_document(what):
            return point_reads.read_document(proxy, identity)

    def check_account(self) -> None:
        with self.translated_errors("the account of COSMOS_CONNECTION"), self._clients.lend() as client:
            account = client.get_database_account()
        if len(account.WritableLocations) > 1:
            raise FatalError(
                "The Cosmos account has several write regions, so versions cannot be ordered: use one write region."
            )
        if (account.ConsistencyPolicy or {}).get("defaultConsistencyLevel") == "Eventual":
            raise FatalError(
                "The Cosmos account uses Eventual consistency, so a later read may return an older version: "
                "use Session consistency or stronger."
            )

    def check_feed(self, container: str, mode: FeedMode) -> None:
        """Read one page, and raise FatalError if the account does not support this change-feed mode."""
        if mode is FeedMode.LATEST_VERSION:
            return
        try:
            with self._open(self.database, container, f"the change feed of {container}") as proxy:
                next(proxy.query_items_change_feed(mode="AllVersionsAndDeletes", start_time="Now").by_page(), None)
        except FatalError as error:
            if not is_bad_request(error):
                raise
            raise FatalError(
                f"CHANGE_FEED_MODE is {mode}, but the account does not keep the versions of {container}: enable "
                "continuous backup and the all-versions-and-deletes change feed, or set it to "
                f"{FeedMode.LATEST_VERSION}."
            ) from error

    def read_leases(self, database: str, container: str, prefix: str) -> list[JsonObject]:
        """Return the documents of the lease container whose id begins with this prefix."""
        with self._open(database, container, f"the lease container {container} in database {database}") as proxy:
            query = "SELECT * FROM c WHERE STARTSWITH(c.id, @prefix)"
            parameters: list[dict[str, object]] = [{"name": "@prefix", "value": prefix}]
            return list(proxy.query_items(query, parameters=parameters, enable_cross_partition_query=True))

    def replace_lease(self, database: str, container: str, lease: JsonObject) -> bool:
        """Replace a lease and return True; return False if the lease has changed since it was read."""
        with self._open(database, container, f"the lease container {container} in database {database}") as proxy:
            try:
                unwritten = MatchConditions.IfNotModified
                proxy.replace_item(lease["id"], lease, etag=lease["_etag"], match_condition=unwritten)
            except (CosmosAccessConditionFailedError, CosmosResourceNotFoundError):
                return False
        return True

    def list_parts(self, container: str, range_: FeedRange) -> list[FeedRange]:
        """Return a feed range cut at the bounds of physical partitions that the SDK knows; it learns of splits late."""
        with self.open_container(container) as proxy:
            found = [each["Range"] for each in proxy.read_feed_ranges()]
        parts = [FeedRange(max(each["min"], range_.min), min(each["max"], range_.max)) for each in found]
        return sorted((part for part in parts if part.min < part.max), key=lambda part: part.min)

    def read_head(self, container: str, position: JsonObject) -> Head:
        tokens = [""]

        def note(answer: Any) -> None:
            tokens.append(answer.http_response.headers.get("x-ms-session-token", ""))

        try:
            with self._open(self.database, container, f"the change feed of {container}") as proxy:
                items = proxy.query_items_change_feed(max_item_count=1, raw_response_hook=note, **position)
                item = next((dict(item) for item in items), None)
            return Head.read(tokens[-1], item)
        except RecursionError:  # the SDK recurses when a range stays gone
            with self.open_container(container) as proxy:
                proxy.read_feed_ranges(force_refresh=True)
            raise TransientError(f"The feed ranges of {container} are moving in Cosmos.") from None
        except FatalError as error:
            if not is_bad_request(error):
                raise
            raise RetentionError(f"A lease of {container} is older than the retention of its change feed.") from error

    def read_end(self, container: str, range_: FeedRange) -> str | None:
        feed_range = write_feed_range(range_)
        ends: list[str | None] = []

        def note(answer: Any) -> None:  # read the header now: the SDK later replaces it with its own continuation
            ends.append(answer.http_response.headers.get("etag"))

        with self.open_container(container) as proxy:
            options: dict[str, Any] = {"mode": "AllVersionsAndDeletes", "start_time": "Now", "raw_response_hook": note}
            next(proxy.query_items_change_feed(feed_range=feed_range, **options).by_page(), None)
            physical = [each["Range"] for each in proxy.read_feed_ranges(force_refresh=True)]
        # After a merge, the range is a part of a physical one. For a range that has split, the answer is a child's.
        holding = [each for each in physical if each["min"] < range_.max and range_.min < each["max"]]
        return ends[-1] if len(holding) == 1 else None

    def read_time(self, container: str) -> int:
        with self.open_container(container) as proxy:
            return read_seconds(proxy.read().get_response_headers())

    def count_documents(self, container: str) -> int | None:
        """Return how many documents a container has, as the service knows it without a query, or None."""
        with self.open_container(container) as proxy:
            usage = proxy.read(populate_quota_info=True).get_response_headers().get("x-ms-resource-usage", "")
        counts = dict(each.partition("=")[::2] for each in usage.split(";"))
        return int(counts["documentsCount"]) if counts.get("documentsCount", "").isdecimal() else None

    def check_lease_container(self, database: str, container: str) -> None:
        """Raise FatalError if the lease container is missing, or its partition key or default time to live is wrong."""
        try:
            with self._open(database, container, f"the container {container} in database {database}") as proxy:
                properties = dict(proxy.read())
        except MissingError as error:
            raise FatalError(f"{error} {_SETUP if self._credential is None else _NO_SETUP}") from error
        check_properties(properties, by_identity=self._credential is not None)

    def create_lease_container(self, database: str, container: str) -> None:
        """Create or correct the lease container, and create its database; an Entra identity can only check them."""
        if self._credential is None:
            what = f"the lease container {container} in database {database}"
            with self.translated_errors(what), self._clients.lend() as client:
                leases = client.create_database_if_not_exists(database)
                proxy = leases.create_container_if_not_exists(container, PartitionKey("/id"), default_ttl=NEVER)
                correct_expiry(leases, proxy.read())
        self.check_lease_container(database, container)

    @contextmanager
    def open_container(self, container: str) -> Iterator[ContainerProxy]:
        """Lend a source container, with a client of its own, to this thread."""
        with self._open(self.database, container, f"the container {container}") as proxy:
            yield proxy

    def close(self) -> None:
        """Close the connections, if any were made."""
        self._clients.close()

    def translated_errors(self, what: str) -> AbstractContextManager[None]:
        """Translate the SDK's errors; messages name the identity settings if the account uses an identity."""
        return translated_errors(what, by_identity=self._credential is not None)

    @contextmanager
    def _open(self, database: str, container: str, what: str) -> Iterator[ContainerProxy]:
        with self.translated_errors(what), self._clients.lend() as client:
            yield client.get_database_client(database).get_container_client(container)


@contextmanager
def translated_errors(what: str, *, by_identity: bool = False) -> Iterator[None]:
    """Translate the SDK's errors into the engine's errors."""
    try:
        yield
    except CosmosResourceNotFoundError as error:
        if error.sub_status == _SESSION_NOT_AVAILABLE:
            raise TransientError(f"A Cosmos replica does not have the latest state of {what} yet.") from error
        raise MissingError(f"Cosmos does not have {what}: create it, or correct the setting that names it.") from error
    except CosmosHttpResponseError as error:
        if by_identity and error.status_code == 401:
            raise DeniedError(f"Cosmos refuses the identity's token: check {_IDENTITY}.") from error
        raise _translate(error, what) from error
    except (ServiceRequestError, ServiceResponseError, CosmosClientTimeoutError) as error:
        raise UnansweredError(f"Cosmos did not answer for {what}: check COSMOS_CONNECTION and the network.") from error
    except ClientAuthenticationError as error:
        raise no_token(f"Cosmos: check {_IDENTITY}", error) from None
    except AzureError as error:
        raise FatalError(f"The Cosmos SDK refuses the request for {what}: {type(error).__name__}.") from error


@contextmanager
def _refusals_of_one_document(what: str) -> Iterator[None]:
    """Raise UnreadableError for every failure that one document alone may cause.

    401 is one of them: the signature may be wrong for one path only.
    """
    try:
        yield
    except CosmosHttpResponseError as error:
        if error.status_code in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, *_TRANSIENT_STATUSES):
            raise
        raise UnreadableError(f"Cosmos answered {error.status_code} for {what}.") from None
    except (
        ServiceRequestError,
        ServiceResponseError,
        CosmosClientTimeoutError,
        ClientAuthenticationError,
        MemoryError,
    ):
        raise
    except Exception as error:  # noqa: BLE001 - whatever the SDK raises for one document is kept from its neighbours
        raise UnreadableError(f"The Cosmos SDK cannot read {what}: {type(error).__name__}.") from None


def is_bad_request(error: FatalError) -> bool:
    """Return whether the service refuses the request itself, such as a position that it does not keep any more."""
    return (
        isinstance(error.__cause__, CosmosHttpResponseError) and error.__cause__.status_code == HTTPStatus.BAD_REQUEST
    )


def _translate(error: CosmosHttpResponseError, what: str) -> CdcError:
    if error.status_code == 401:
        return DeniedError("Cosmos refuses the key: correct AccountKey in COSMOS_CONNECTION.")
    if error.status_code == 403:
        return DeniedError(f"Cosmos forbids access to {what}: grant the identity or the key access to it.")
    if error.status_code in _TRANSIENT_STATUSES:
        kind = UnansweredError if error.status_code in _NO_ANSWERS else TransientError
        return kind(f"Cosmos answered {error.status_code} for {what}.")
    return FatalError(f"Cosmos answered {error.status_code} for {what}.")
