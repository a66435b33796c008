"""Read one document by its identity."""

import json
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from azure.cosmos import ContainerProxy
from azure.cosmos.exceptions import CosmosResourceNotFoundError
from azure.cosmos.partition_key import NonePartitionKeyValue, NullPartitionKeyValue

from cdc.core.documents import Identity, JsonObject, Reading
from cdc.core.feed_items import read_identity

# Clients and servers cut, decode, resolve or refuse these in a path: they would ask for another resource.
_UNSAFE_IN_A_PATH = re.compile(r"[/\\?#%\x00-\x1f\x7f\ud800-\udfff]")
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")


def read_document(proxy: ContainerProxy, identity: Identity) -> Reading:
    """Read the current version of a document; a missing document is an answer, not an error."""
    id_, key = json.loads(identity.id), json.loads(identity.partition_key)
    if not _fits_in_a_path(id_) or _has_lone_surrogate(key):
        return _query_document(proxy, identity, id_, key)
    try:
        # Any: the SDK declares neither the response's headers nor all forms of a partition key.
        body: Any = proxy.read_item(id_, _write_key(key))
    except CosmosResourceNotFoundError as error:
        if error.sub_status:  # the container or the session is missing, not the document
            raise
        return Reading(None, read_seconds(error.headers))
    return Reading(dict(body), read_seconds(body.get_response_headers()))


def read_seconds(headers: Mapping[str, str]) -> int:
    """Read the server's time from the headers of an answer."""
    return int(parsedate_to_datetime(headers["Date"]).timestamp())


def _fits_in_a_path(id_: str) -> bool:
    return not _UNSAFE_IN_A_PATH.search(id_) and id_ == id_.strip().strip(".")


def _has_lone_surrogate(key: object) -> bool:
    return _LONE_SURROGATE.search(json.dumps(key, ensure_ascii=False)) is not None


def _query_document(proxy: ContainerProxy, identity: Identity, id_: str, key: Any) -> Reading:
    """Find a document without its path; no document is found if it is gone."""
    seconds: list[int] = []
    found: JsonObject | None = None
    paths = proxy.read()["partitionKey"]["paths"]
    for scope in _find_scopes(proxy, key):
        items = proxy.query_items(
            "SELECT * FROM c WHERE c.id = @id", parameters=[{"name": "@id", "value": id_}], **scope
        )
        for item in items:
            if read_identity(identity.container, paths, item) == identity:
                found = dict(item)
        seconds.append(read_seconds(items.get_response_headers()))
    return Reading(found, max(seconds))


def _find_scopes(proxy: ContainerProxy, key: Any) -> list[dict[str, Any]]:
    if _has_lone_surrogate(key):  # the SDK cannot tell where such a key is
        return [{"feed_range": each} for each in proxy.read_feed_ranges()]
    return [{"partition_key": _write_key(key)}]


def _write_key(key: Any) -> Any:
    if key is None:
        return NullPartitionKeyValue
    return NonePartitionKeyValue if key == {} else key
