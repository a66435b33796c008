"""Hold requests before they are executed, so that tests can decide what happens meanwhile."""

import asyncio
import re
import threading
from types import TracebackType


class Hold:
    """Hold the requests that match a method and a path until they are released."""

    def __init__(self, method: str, path: str, loop: asyncio.AbstractEventLoop) -> None:
        self.entered = threading.Event()
        self._method = method.upper()
        self._path = re.compile(path)
        self._loop = loop
        self._released = threading.Event()
        self._wake = asyncio.Event()

    def __enter__(self) -> "Hold":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    @property
    def released(self) -> bool:
        """Tell whether nothing is held any more."""
        return self._released.is_set()

    def matches(self, method: str, path: str) -> bool:
        """Tell whether a request is to be held."""
        return not self.released and method == self._method and self._path.search(path) is not None

    def release(self) -> None:
        """Let the held requests go on and hold no more."""
        self._released.set()
        try:
            self._loop.call_soon_threadsafe(self._wake.set)
        except RuntimeError:  # the server has stopped and holds nothing any more
            return

    async def wait(self) -> None:
        """Tell the test that a request is held, and hold it."""
        self.entered.set()
        await self._wake.wait()
