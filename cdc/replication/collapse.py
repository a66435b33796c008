"""Reduce a batch to the newest change of each document."""

from collections.abc import Iterable

from cdc.core.documents import Change
from cdc.core.ordering import Verdict, compare

Heads = tuple[Change, ...]


def collapse(changes: Iterable[Change]) -> dict[bytes, Heads]:
    """Keep the newest change of each document, or all its newest changes if they cannot be ordered.

    The result is in key order, the lock order of all writers.
    """
    heads: dict[bytes, Heads] = {}
    for change in changes:
        seen = heads.get(change.key)
        heads[change.key] = (change,) if seen is None else _advance(seen, change)
    return dict(sorted(heads.items()))


def _advance(heads: Heads, change: Change) -> Heads:
    verdicts = [compare(change.version, head.version) for head in heads]
    if Verdict.STALE in verdicts or Verdict.SAME in verdicts:
        return heads
    kept = (head for head, verdict in zip(heads, verdicts, strict=True) if verdict is not Verdict.NEWER)
    return (*kept, change)
