"""Hold requests before they are executed, so that tests can decide what happens meanwhile."""

import asyncio
import threading
from types import TracebackType

from local.cosmos.matching import Match, Request


class Hold:
    """Hold the requests that match until they are released."""

    def __init__(self, match: Match, loop: asyncio.AbstractEventLoop) -> None:
        self.entered = threading.Event()
        self._match = match
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

    def matches(self, request: Request) -> bool:
        """Tell whether a request is to be held."""
        return not self.released and self._match(request)

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
