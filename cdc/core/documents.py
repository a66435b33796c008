"""Documents of the source: which one, in which version, and what is known of it."""

import hashlib
import json
from dataclasses import dataclass, field
from enum import StrEnum
from json.encoder import encode_basestring_ascii
from typing import Any

from cdc.core.frozen import frozen

JsonObject = dict[str, Any]

# Cosmos keeps numbers as IEEE doubles: beyond this a whole number has no exact neighbour.
_LARGEST_EXACT_INTEGER = 2**53

# Made once: json.dumps makes an encoder for every call.
_encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), sort_keys=True).encode


def canonical_json(value: object) -> str:
    """Write `value` as the one ASCII text that stands for it; 1.0 is 1, as in a Cosmos key."""
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
    """Which document: its container, partition key and id.

    Partition key and id are canonical JSON texts, so that every identity Cosmos accepts can be stored and compared.
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
    """Which state of a document: `ts` in whole seconds, `lsn` where the change feed told it, `etag`."""

    ts: int
    lsn: int | None
    etag: str


@frozen
class Change:
    """One version of a document; a delete has no body.

    `absence` marks a delete that was not delivered: the source answered that the document is gone; `ts` is its time.
    `follows` is the lsn of the document's version before this one, where the feed tells it: 0 where there was none.
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
    """What the ledger says of a document."""

    APPLIED = "applied"
    PARKED = "parked"
    DELETED = "deleted"


@frozen
class Held:
    """What the ledger holds of a document."""

    version: Version
    state: State
    absence: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """The source's answer: a document or none, and the server's time of the answer in seconds."""

    body: JsonObject | None
    ts: int
