"""Hash partition-key values by version 1 of the scheme, which older containers have."""

import struct
from typing import Any

import mmh3

from local.cosmos.values import UNDEFINED

LONGEST_STRING = 100
SIGN = 1 << 63


def effective_key(component: Any) -> str:
    """Hash one partition-key value and append the value itself, cut to a hundred characters."""
    value = component[:LONGEST_STRING] if isinstance(component, str) else component
    digest = mmh3.hash(_hashed(value), 0, signed=False)
    return (_sortable(digest) + _sortable(value)).hex().upper()


def _hashed(value: Any) -> bytes:
    if isinstance(value, str):
        return b"\x08" + value.encode("utf-8", "surrogatepass") + b"\x00"
    return _constant(value) or b"\x05" + struct.pack("<d", float(value))


def _sortable(value: Any) -> bytes:
    if isinstance(value, str):
        raw = value.encode("utf-8", "surrogatepass")
        text = bytes(byte + 1 for byte in raw[: LONGEST_STRING + 1])
        return b"\x08" + text + (b"\x00" if len(raw) <= LONGEST_STRING else b"")
    return _constant(value) or b"\x05" + _sortable_double(float(value))


def _constant(value: Any) -> bytes:
    if value is UNDEFINED:
        return b"\x00"
    if value is None:
        return b"\x01"
    if isinstance(value, bool):
        return b"\x03" if value else b"\x02"
    return b""


def _sortable_double(value: float) -> bytes:
    """Write a number so that bytes sort as numbers do: eight bits, then seven a byte and whether more follow."""
    bits = int(struct.unpack("<Q", struct.pack("<d", value))[0])
    ordered = bits | SIGN if bits < SIGN else -bits % (1 << 64)
    rest = (ordered << 8) % (1 << 64)
    encoded = bytearray([ordered >> 56])
    while rest:
        encoded.append(rest >> 56 | 1)
        rest = (rest << 7) % (1 << 64)
    if len(encoded) == 1:
        encoded.append(0)
    encoded[-1] &= 0xFE
    return bytes(encoded)
