"""Tell a time that can be set."""

from collections.abc import Callable

Clock = Callable[[], float]
LATEST = 253_402_300_800.0


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
        _check(now)
        self._offset = now - self._base()

    def advance(self, seconds: float) -> None:
        """Go on from a later time."""
        _check(self() + seconds)
        self._offset += seconds


def _check(now: float) -> None:
    if not 0 <= now < LATEST:
        raise ValueError("the time must be between 1970 and 9999")
