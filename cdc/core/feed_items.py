"""Read the items of a change feed as changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from cdc.core.documents import Change, Identity, JsonObject, Version
from cdc.core.errors import FatalError

_UNDEFINED: JsonObject = {}
# The host sends the operation as a word or as a number.
_DELETES = ("delete", "2")


class FeedMode(StrEnum):
    """What a change feed delivers: only the newest version of each document, or every version and every delete."""

    LATEST_VERSION = "latest_version"
    ALL_VERSIONS = "all_versions_and_deletes"


@dataclass(frozen=True, slots=True)
class Delivered:
    """The changes of one delivery; `nameless` counts deletes that do not identify their document."""

    changes: Sequence[Change]
    nameless: int = 0


def read_documents(mode: FeedMode, container: str, items: Sequence[JsonObject]) -> list[JsonObject]:
    """Return the documents that items carry; raise FatalError if the host delivers another mode than `mode`."""
    _check_mode(mode, container, items)
    if mode is FeedMode.LATEST_VERSION:
        return list(items)
    return [item["current"] for item in items if isinstance(item.get("current"), dict)]


def _check_mode(mode: FeedMode, container: str, items: Sequence[JsonObject]) -> None:
    for item in items:
        has_versions = isinstance(item.get("metadata"), dict) and "_etag" not in item
        if has_versions and mode is FeedMode.LATEST_VERSION:
            raise FatalError(
                f"The trigger of {container} delivers all versions and deletes, but CHANGE_FEED_MODE is {mode}: "
                f"set it to {FeedMode.ALL_VERSIONS}."
            )
        if mode is FeedMode.ALL_VERSIONS and not has_versions:
            raise FatalError(
                f"CHANGE_FEED_MODE is {mode}, but the host delivers only latest versions of {container}: use an "
                "extension bundle in host.json that has the Cosmos DB extension 4.16.1 or later, or set "
                f"CHANGE_FEED_MODE to {FeedMode.LATEST_VERSION}."
            )


def read_delivered(mode: FeedMode, container: str, paths: Sequence[str], items: Sequence[JsonObject]) -> Delivered:
    """Read a page in either mode; `paths` are the paths of the container's partition key."""
    if mode is FeedMode.LATEST_VERSION:
        return Delivered([read_change(container, paths, item) for item in items])
    read = [_read_version_item(container, paths, item) for item in items]
    changes = [change for change in read if change is not None]
    return Delivered(changes, nameless=len(read) - len(changes))


def read_change(container: str, partition_key_paths: Sequence[str], document: JsonObject) -> Change:
    """Read one item of a latest-version feed.

    Raises FatalError for an item without a usable id, `_ts` or `_etag`: without these no document can be parked.
    """
    try:
        version = Version(int(document["_ts"]), _lsn(document, "_lsn"), str(document["_etag"]))
        identity = read_identity(container, partition_key_paths, document)
    except (KeyError, TypeError, ValueError):
        raise FatalError(
            f"The change feed of {container} delivers items without a usable id, _ts or _etag: "
            "the trigger must read the change feed of a Cosmos DB for NoSQL container."
        ) from None
    return Change(identity, version, document)


def read_identity(container: str, partition_key_paths: Sequence[str], document: JsonObject) -> Identity:
    """Read a document's identity; raise KeyError or TypeError if it has none."""
    return Identity.of(container, partition_key(partition_key_paths, document), document["id"])


def read_version(document: JsonObject) -> Version:
    """Read a document's version, without an lsn; raise KeyError, TypeError or ValueError if it has none.

    Outside a latest-version feed, `_lsn` is a property that anybody may have written.
    """
    return Version(int(document["_ts"]), None, str(document["_etag"]))


def _read_version_item(container: str, paths: Sequence[str], item: JsonObject) -> Change | None:
    """Read one item of an all-versions feed; return None if it does not identify its document."""
    metadata, document = item["metadata"], item.get("current")
    try:
        lsn, follows = _lsn(metadata, "lsn"), _lsn(metadata, "previousImageLSN") or 0
        if str(metadata.get("operationType")).lower() in _DELETES:
            return _read_delete(container, paths, metadata, follows)
        if not document:
            return None
        # The document's own `_lsn` means nothing in this feed.
        version = Version(int(document["_ts"]), lsn, str(document["_etag"]))
        return Change(read_identity(container, paths, document), version, document, follows=follows)
    except (KeyError, TypeError, ValueError):
        raise FatalError(
            f"The change feed of {container} delivers items whose metadata has no usable lsn or crts, or whose "
            "document has no usable id, _ts or _etag: "
            "the trigger must read the change feed of a Cosmos DB for NoSQL container."
        ) from None


def _read_delete(container: str, paths: Sequence[str], metadata: JsonObject, follows: int) -> Change | None:
    id_, key = metadata.get("id"), _deleted_key(paths, metadata)
    if not isinstance(id_, str) or not id_ or key is None:
        return None
    version = Version(int(metadata["crts"]), _lsn(metadata, "lsn"), "")
    return Change(Identity.of(container, key[0] if len(key) == 1 else key, id_), version, None, follows=follows)


def _deleted_key(paths: Sequence[str], metadata: JsonObject) -> list[object] | None:
    """Return a deleted document's partition key values, or None if the item has none and the key is not /id."""
    values = metadata.get("partitionKey")
    if not isinstance(values, dict):
        return [metadata.get("id")] if list(paths) == ["/id"] else None
    by_path = {_plain(name): value for name, value in values.items()}
    # However the names are written, all levels come in order.
    if len(values) == len(paths) and not by_path.keys() & set(map(_plain, paths)):
        return list(values.values())
    return [by_path.get(_plain(path), _UNDEFINED) for path in paths]


def _plain(path: str) -> str:
    return path.strip("/").replace('"', "")


def _lsn(source: Mapping[str, Any], name: str) -> int | None:
    # The service sends a number; some stored samples show text.
    lsn = source.get(name)
    return None if lsn is None else int(lsn)


def partition_key(paths: Sequence[str], document: JsonObject) -> object:
    """Return a document's partition key: a value, a list if the key is hierarchical, `{}` if it is missing."""
    if len(paths) == 1:
        return _value_at(paths[0], document)
    return [_value_at(path, document) for path in paths]


def _value_at(path: str, document: JsonObject) -> object:
    value: Any = document
    for name in _names(path):
        if not isinstance(value, dict) or name not in value:
            return _UNDEFINED
        value = value[name]
    return _UNDEFINED if isinstance(value, dict | list) else value


@cache
def _names(path: str) -> list[str]:
    return [name.strip('"') for name in path.strip("/").split("/")]
