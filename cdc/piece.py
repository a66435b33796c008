"""A part of a batch, as a sink takes it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cdc.model import Held, Write


@dataclass(frozen=True, slots=True)
class Piece:
    """Some documents, in key order; `plan` says what to write of them, once it is told what the ledger holds.

    Of the piece's `changes`, those that `plan` does not return are stale.
    """

    keys: Sequence[bytes]
    changes: int
    plan: Callable[[Mapping[bytes, Held]], Sequence[Write]]
