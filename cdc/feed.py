"""Read the items of a change feed as changes."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from cdc.errors import FatalError
from cdc.model import Change, Identity, JsonObject, Version

_UNDEFINED: JsonObject = {}


def read_change(container: str, partition_key_paths: Sequence[str], document: JsonObject) -> Change:
    """Read one item of a latest-version feed.

    Raises FatalError for an item without a usable id, `_ts` or `_etag`: no document, so that none can be blamed for it.
    """
    try:
        version = read_version(document)
        identity = Identity.of(container, partition_key(partition_key_paths, document), document["id"])
    except (KeyError, TypeError, ValueError):
        raise FatalError(
            f"The change feed of {container} delivers items without a usable id, _ts or _etag: "
            "the trigger must read the latest-version feed of a Cosmos DB for NoSQL container."
        ) from None
    return Change(identity, version, document)


def read_version(document: JsonObject) -> Version:
    """Read a document's version; KeyError, TypeError or ValueError where it has none."""
    return Version(int(document["_ts"]), _lsn(document), str(document["_etag"]))


def _lsn(document: Mapping[str, Any]) -> int | None:
    # The service sends a number; some of its stored dumps show text.
    lsn = document.get("_lsn")
    return None if lsn is None else int(lsn)


def partition_key(paths: Sequence[str], document: JsonObject) -> object:
    """Return a document's partition key: a value, a list when the key is hierarchical, `{}` where it is missing."""
    values = [_value_at(path, document) for path in paths]
    return values[0] if len(values) == 1 else values


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
