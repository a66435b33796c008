"""Hash partition-key values to effective partition keys and cut their space into ranges."""

import struct
from itertools import pairwise
from typing import Any

import mmh3

from local.cosmos.values import UNDEFINED

LOWEST = ""
HIGHEST = "FF"
DIGITS = 32
# The hash's two highest bits are always cleared, so this is the largest key there is.
SPACE = (0, 0x3FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF)
# Keys of version 1 begin with their hash written as a sortable double; seven of eight hashes begin within these.
SPACE_V1 = (0x05C1C0 << 104, 0x05C1F0 << 104)


def effective_key(component: Any) -> str:
    """Hash one partition-key value by version 2 of the scheme."""
    digest = bytearray(mmh3.hash_bytes(_encode(component), 0, True))
    digest.reverse()
    digest[0] &= 0x3F
    return digest.hex().upper()


def boundaries(count: int, space: tuple[int, int] = SPACE) -> list[tuple[str, str]]:
    """Cut the key space into `count` ranges of equal width, without gap or overlap."""
    return cut(LOWEST, HIGHEST, count, space)


def cut(low: str, high: str, count: int, space: tuple[int, int] = SPACE) -> list[tuple[str, str]]:
    """Cut one range into `count` of equal width; ValueError when it is too narrow."""
    begin = space[0] if low == LOWEST else int(low[:DIGITS].ljust(DIGITS, "0"), 16)
    end = space[1] if high == HIGHEST else int(high[:DIGITS].ljust(DIGITS, "0"), 16)
    width = (end - begin) // count
    if width < 1:
        raise ValueError(f"The range from {low!r} to {high!r} is too narrow to be cut.")
    inner = (f"{begin + index * width:0{DIGITS}X}" for index in range(1, count))
    return list(pairwise([low, *inner, high]))


def _encode(component: Any) -> bytes:
    if component is UNDEFINED:
        return b"\x00"
    if component is None:
        return b"\x01"
    if isinstance(component, bool):
        return b"\x03" if component else b"\x02"
    if isinstance(component, int | float):
        return b"\x05" + struct.pack("<d", float(component))
    return b"\x08" + str(component).encode("utf-8", "surrogatepass") + b"\xff"
