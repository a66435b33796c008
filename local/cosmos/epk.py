"""Hash partition-key values to effective partition keys and cut their space into ranges."""

import struct
from itertools import pairwise
from typing import Any

import mmh3

from local.cosmos.values import UNDEFINED

LOWEST = ""
HIGHEST = "FF"
# The hash's two highest bits are always cleared, so this is the largest key there is.
SPACE = 0x3FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF


def effective_key(component: Any) -> str:
    """Hash one partition-key value by version 2 of the scheme."""
    digest = bytearray(mmh3.hash_bytes(_encode(component), 0, True))
    digest.reverse()
    digest[0] &= 0x3F
    return digest.hex().upper()


def boundaries(count: int) -> list[tuple[str, str]]:
    """Cut the key space into `count` ranges of equal width, without gap or overlap."""
    width = SPACE // count
    edges = [LOWEST, *(f"{index * width:032X}" for index in range(1, count)), HIGHEST]
    return list(pairwise(edges))


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
