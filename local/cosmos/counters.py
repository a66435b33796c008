"""Count what the account has been asked to do."""

from dataclasses import dataclass


@dataclass(slots=True)
class Count:
    """Hold how often an operation was asked for, what it touched and what it cost."""

    requests: int = 0
    refused: int = 0
    documents: int = 0
    charge: float = 0


class Counters:
    """Hold a count for each operation."""

    def __init__(self) -> None:
        self._counts: dict[str, Count] = {}

    def add(self, operation: str, *, refused: bool, documents: int, charge: float) -> None:
        """Count one request."""
        count = self._counts.setdefault(operation, Count())
        count.requests += 1
        count.refused += refused
        count.documents += documents
        count.charge += charge

    def __getitem__(self, operation: str) -> Count:
        """Read an operation's count."""
        return self._counts.get(operation, Count())

    def items(self) -> list[tuple[str, Count]]:
        """List the operations that were asked for."""
        return sorted(self._counts.items())

    def reset(self) -> None:
        """Begin at nothing."""
        self._counts = {}
