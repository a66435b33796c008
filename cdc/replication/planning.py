"""Plan what to write of a batch: skip what is stale or applied already, and map the rest."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from cdc.core.documents import Change, Held
from cdc.core.mapping import Mapper
from cdc.core.ordering import Verdict, judge
from cdc.core.writes import Write, map_change
from cdc.replication.collapse import Heads
from cdc.replication.gaps import chains, mark_gaps

# Documents in a piece; a piece is mapped while PostgreSQL works on the one before. Pieces get smaller towards the end,
# because nothing is mapped while PostgreSQL works on the last one (docs/performance.md).
_LEAST, _MOST = 40, 125

# Document keys with the changes that no other change of the batch supersedes, in key order.
Documents = Sequence[tuple[bytes, Heads]]


@dataclass(frozen=True, slots=True)
class Piece:
    """Some documents in key order; `plan` takes their ledger entries and returns what to write.

    `changes` is the number of changes; those that `plan` does not return are stale.
    """

    keys: Sequence[bytes]
    changes: int
    plan: Callable[[Mapping[bytes, Held]], Sequence[Write]]


class Planner:
    """Plan the writes of one batch."""

    def __init__(self, mapper: Mapper[Any], changes: Sequence[Change], *, reapplies: bool) -> None:
        self.mapper = mapper
        self._chains = chains(changes)
        self._wanted = (Verdict.NEWER, Verdict.SAME) if reapplies else (Verdict.NEWER,)

    def cut(self, documents: Documents) -> Sequence[Piece]:
        """Cut documents into pieces."""
        pieces, first = [], 0
        while (left := len(documents) - first) > 0:
            size = min(_MOST, max(_LEAST, left // 3))
            pieces.append(self.piece(documents[first : first + size]))
            first += size
        return pieces

    def piece(self, documents: Documents) -> Piece:
        """Return documents as one piece."""
        return Piece([key for key, _ in documents], count(documents), partial(self._plan, documents))

    def _plan(self, documents: Documents, held: Mapping[bytes, Held]) -> Sequence[Write]:
        chosen = [each for key, heads in documents for each in _choose(heads, held.get(key), self._wanted)]
        writes = [each if isinstance(each, Write) else map_change(self.mapper, each) for each in chosen]
        return mark_gaps(writes, self._chains, held)


def _choose(heads: Heads, held: Held | None, wanted: Sequence[Verdict]) -> Sequence[Change | Write]:
    """Return the change to map, or the writes that park undecided versions."""
    if len(heads) == 1:
        verdict = Verdict.NEWER if held is None else judge(heads[0], held)
        if verdict in wanted:
            return heads
        return [Write.read_again(heads[0])] if verdict is Verdict.UNDECIDED else ()
    judged = [(head, Verdict.NEWER if held is None else judge(head, held)) for head in heads]
    left = [(head, verdict) for head, verdict in judged if verdict in (*wanted, Verdict.UNDECIDED)]
    if len(left) == 1 and left[0][1] in wanted:
        return [left[0][0]]
    return [Write.read_again(head) for head, _ in left]


def count(documents: Documents) -> int:
    """Count the changes of these documents."""
    return sum(len(heads) for _, heads in documents)
