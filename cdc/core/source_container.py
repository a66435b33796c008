"""The source container that rows come from."""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass

from cdc.core.documents import JsonObject

# A document's resource id begins with its database's and its container's id, four bytes each.
_CONTAINER_BYTES = 8


@dataclass(frozen=True, slots=True)
class SourceContainer:
    """A source container: account, resource id, which changes when it is created again, and partition key paths."""

    container: str
    account: str
    rid: str
    partition_key_paths: tuple[str, ...]

    def has(self, documents: Iterable[JsonObject]) -> bool:
        """Return whether these documents belong to this container; a document without a resource id is accepted."""
        return {_container_rid(document.get("_rid")) for document in documents} <= {_bytes(self.rid), None}


def _container_rid(rid: object) -> bytes | None:
    raw = _bytes(rid) if isinstance(rid, str) else None
    return None if raw is None or len(raw) < _CONTAINER_BYTES else raw[:_CONTAINER_BYTES]


def _bytes(rid: str) -> bytes | None:
    try:
        # Resource ids are base64 with - instead of /.
        return base64.b64decode(rid.replace("-", "/"), validate=True)
    except binascii.Error:
        return None
