"""Which source container the rows come from."""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass

from cdc.core.documents import JsonObject

# A document's resource id begins with its database's and its container's, of four bytes each.
_CONTAINER_BYTES = 8


@dataclass(frozen=True, slots=True)
class SourceContainer:
    """A source container: its account, its resource id, which only this life of it has, and its partition key."""

    container: str
    account: str
    rid: str
    partition_key_paths: tuple[str, ...]

    def has(self, documents: Iterable[JsonObject]) -> bool:
        """Tell whether these documents are of this container; one that does not tell is believed."""
        return {_container_rid(document.get("_rid")) for document in documents} <= {_bytes(self.rid), None}


def _container_rid(rid: object) -> bytes | None:
    raw = _bytes(rid) if isinstance(rid, str) else None
    return None if raw is None or len(raw) < _CONTAINER_BYTES else raw[:_CONTAINER_BYTES]


def _bytes(rid: str) -> bytes | None:
    try:
        # Resource ids are base64 with a character that may stand in a path.
        return base64.b64decode(rid.replace("-", "/"), validate=True)
    except binascii.Error:
        return None
