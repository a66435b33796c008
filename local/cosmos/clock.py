"""Tell a time that can be set."""

from collections.abc import Callable

Clock = Callable[[], float]


class SettableClock:
    """Follow another clock at a distance."""

    def __init__(self, base: Clock) -> None:
        self._base = base
        self._offset = 0.0

    def __call__(self) -> float:
        """Tell the time in seconds since the epoch."""
        return self._base() + self._offset

    def set(self, now: float) -> None:
        """Go on from another time."""
        self._offset = now - self._base()

    def advance(self, seconds: float) -> None:
        """Go on from a later time."""
        self._offset += seconds
