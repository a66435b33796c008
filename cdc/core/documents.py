"""Documents of the source: identity, version and body."""

import hashlib
import json
from dataclasses import dataclass, field
from enum import StrEnum
from json.encoder import encode_basestring_ascii
from typing import Any

from cdc.core.frozen import frozen

JsonObject = dict[str, Any]

# Cosmos stores numbers as IEEE doubles: above this limit, not every whole number is exact.
_LARGEST_EXACT_INTEGER = 2**53

# Built once: json.dumps builds a new encoder for every call.
_encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), sort_keys=True).encode


def canonical_json(value: object) -> str:
    """Write a JSON value as its one canonical ASCII text; 1.0 becomes 1, as in a Cosmos key."""
    return encode_basestring_ascii(value) if isinstance(value, str) else _encode(_canonical(value))


def _canonical(value: object) -> object:
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value)
        exact = number.is_integer() and abs(number) <= _LARGEST_EXACT_INTEGER
        return int(number) if exact else number
    return value


@frozen
class Identity:
    """Identifies a document by container, partition key and id.

    Partition key and id are canonical JSON texts: every identity that Cosmos accepts can be stored and compared.
    """

    container: str
    partition_key: str
    id: str

    @classmethod
    def of(cls, container: str, partition_key: object, id_: str) -> "Identity":
        """Build the identity from raw JSON values; a missing partition key is `{}`, a hierarchical one a list."""
        id_text = canonical_json(id_)
        return cls(container, id_text if partition_key is id_ else canonical_json(partition_key), id_text)

    @property
    def key(self) -> bytes:
        """Return the SHA-256 of the identity: the ledger's primary key and the lock order of all writers."""
        text = f"[{encode_basestring_ascii(self.container)},{self.partition_key},{self.id}]"
        return hashlib.sha256(text.encode("ascii")).digest()


@frozen
class Version:
    """A version of a document: `ts` in whole seconds, `lsn` if the change feed gave it, `etag`."""

    ts: int
    lsn: int | None
    etag: str


@frozen
class Change:
    """One version of a document; a delete has no body.

    `absence` marks a delete that no feed delivered: the source answered that the document is gone, at its time `ts`.
    `follows` is the lsn of the document's previous version, if the feed gives it; 0 if there was no previous version.
    """

    identity: Identity
    version: Version
    body: JsonObject | None
    absence: bool = False
    follows: int | None = None
    key: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.key = self.identity.key  # type: ignore[misc]


class State(StrEnum):
    """The state of a document in the ledger; no mapper takes the type of an unmapped one."""

    APPLIED = "applied"
    PARKED = "parked"
    DELETED = "deleted"
    UNMAPPED = "unmapped"


@frozen
class Held:
    """The ledger's entry for a document."""

    version: Version
    state: State
    absence: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """The source's answer: the document or None, and the server's time in seconds."""

    body: JsonObject | None
    ts: int
