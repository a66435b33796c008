"""Lock names across the hosts on this machine that have one state."""

import fcntl
import os
from pathlib import Path

from local.functions.errors import HostError


class HostLock:
    """Hold a name for as long as this process lives, once no other host holds it.

    The real host holds a blob lease instead; this lock ends with its process, however that ends.
    """

    def __init__(self, state: Path, name: str) -> None:
        self._path = state / f"{name}.lock"
        try:
            state.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise HostError(f"locks cannot be kept in {state}: {error.strerror}") from None
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Tell whether this host holds the name, now or from now on."""
        if self._descriptor is not None:
            return True
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Leave the name to another host."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
