"""Make resource ids and etags."""

import base64
import binascii
import itertools
import secrets

DATABASE_BYTES = 4
_run = secrets.token_hex(4)
_versions = itertools.count(1)


def new_database() -> str:
    """Make a database's resource id; random, so that no other life of a database has the same."""
    return _encode(secrets.token_bytes(DATABASE_BYTES))


def new_container(database_rid: str) -> str:
    """Make a container's resource id, which begins with its database's."""
    own = bytearray(secrets.token_bytes(4))
    own[0] |= 0x80  # tells a container from a user
    return _encode(_decode(database_rid) + bytes(own))


def new_offer() -> str:
    """Make an offer's resource id."""
    return _encode(secrets.token_bytes(3))


def of_document(container_rid: str, number: int) -> str:
    """Write a document's number as its resource id."""
    return _encode(_decode(container_rid) + number.to_bytes(8, "big"))


def document_number(document_rid: str) -> int:
    """Read the number back out of a document's resource id; ValueError when it is none."""
    raw = _decode(document_rid)
    if len(raw) != DATABASE_BYTES + 4 + 8:
        raise ValueError("not the resource id of a document")
    return int.from_bytes(raw[-8:], "big")


def new_etag(seconds: int) -> str:
    """Make a quoted etag that no other version has."""
    return f'"{_run}-0000-0700-{next(_versions):012x}-{seconds:08x}"'


def is_database_rid(segment: str) -> bool:
    """Tell whether a path's second segment is a resource id and not a name."""
    try:
        return len(segment) == DATABASE_BYTES * 2 and len(_decode(segment)) == DATABASE_BYTES
    except (binascii.Error, ValueError):
        return False


def _encode(raw: bytes) -> str:
    return base64.b64encode(raw).decode().replace("/", "-")


def _decode(text: str) -> bytes:
    return base64.b64decode(text.replace("-", "/"), validate=True)
