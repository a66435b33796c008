"""Lock names across the hosts of one app on this machine."""

import fcntl
import hashlib
import os
import tempfile
from pathlib import Path


class HostLock:
    """Hold a name for as long as this process lives, once no other host holds it.

    The real host holds a blob lease instead; this lock ends with its process, however that ends.
    """

    def __init__(self, root: str, name: str) -> None:
        digest = hashlib.sha256(f"{Path(root).resolve()}\0{name}".encode()).hexdigest()[:32]
        self._path = Path(tempfile.gettempdir()) / f"local-functions-{os.getuid()}-{digest}.lock"
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
