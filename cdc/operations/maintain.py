"""The timer `maintain`: it starts every part that is due, and no part waits for another."""

import asyncio
import logging
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from typing import Any

from cdc.core.durable import Client
from cdc.core.errors import CdcError, FatalError, TransientError
from cdc.postgres.database import Database
from cdc.postgres.statements import statement
from cdc.telemetry import rows, tracing
from cdc.telemetry.rows import Action
from cdc.telemetry.tracing import Name

logger = logging.getLogger(__name__)

# A part that takes longer goes on, and a later run of the timer reports how it ended.
_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the timer: `work` runs in a thread, `then` gets the timer's client and the result of `work`.

    Every run of the timer does a part. With `every`, all instances together do it once in so many seconds, for the
    first time that long after the first start. A part that runs longer than `budget` seconds counts as failed.
    """

    name: str
    work: Callable[[], Any]
    then: Callable[[Client, Any], Awaitable[None]] | None = None
    every: float = 0.0
    budget: float = 60.0

    @property
    def overdue_seconds(self) -> float:
        """After so many seconds without an end, the part fails or hangs: it was tried at least twice."""
        return 2 * (self.every + self.budget)


class Maintain:
    """Runs the parts side by side; a part that still runs is not started a second time."""

    def __init__(self, parts: Sequence[Part], database: Database) -> None:
        self.parts = parts
        self._database = database
        self._threads = ThreadPoolExecutor(len(parts), thread_name_prefix="maintain")
        self._running: dict[str, tuple[asyncio.Task[None], float]] = {}

    async def run(self, client: Client) -> None:
        """Run all parts; log each failure with the name of its part, and raise after all of them."""
        with tracing.span(Name.MAINTAIN, trigger="timer"):
            parts = (self._advance(part, client) for part in self.parts)
            endings = await asyncio.gather(*parts, return_exceptions=True)
        failed = [(part.name, ending) for part, ending in zip(self.parts, endings, strict=True) if ending is not None]
        sentences = [f"{name}: {_report(name, error)}" for name, error in failed]
        if failed:
            passing = all(isinstance(error, TransientError) for _, error in failed)
            raise (TransientError if passing else FatalError)(" ".join(sentences))

    def close(self) -> None:
        """Start nothing any more."""
        self._threads.shutdown(wait=False)

    async def _advance(self, part: Part, client: Client) -> None:
        """Start a part unless it still runs, and wait a moment for its end."""
        if part.name not in self._running:
            self._running[part.name] = asyncio.create_task(self._do(part, client)), time.monotonic()
        task, since = self._running[part.name]
        await asyncio.wait([task], timeout=_PATIENCE_SECONDS)
        if task.done():
            self._running.pop(part.name, None)
            task.result()
        elif (seconds := time.monotonic() - since) > part.budget:
            raise TransientError(f"It has run for {seconds:.0f} seconds; until it ends it is not started again.")

    async def _do(self, part: Part, client: Client) -> None:
        work = partial(copy_context().run, self._work, part)  # the trace goes along
        is_done, result = await asyncio.get_running_loop().run_in_executor(self._threads, work)
        if is_done and part.then is not None:
            await part.then(client, result)

    def _work(self, part: Part) -> tuple[bool, Any]:
        """Do a part if it is due; return whether it was done, and its result."""
        if not part.every:
            return True, part.work()
        if not _claim(self._database, part):
            return False, None
        result = part.work()
        with self._database.connection() as connection:
            connection.execute(statement("note_part_done"), {"part": part.name})
        return True, result


def _claim(database: Database, part: Part) -> bool:
    """Claim a part that is due; a part that fails is due again when its claim expires."""
    parameters = {"part": part.name, "every": part.every, "claim_seconds": part.budget}
    with database.connection() as connection:
        row = connection.execute(statement("claim_part"), parameters).fetchone()
    return row is not None and bool(row[0])


def _report(name: str, error: BaseException) -> str:
    """Log a failure and return its sentence; only our own errors' texts are known to quote no document."""
    if isinstance(error, CdcError):
        _tell(name, f"maintain: {name} failed: {error}", error)
        return str(error)
    where = "".join(traceback.format_tb(error.__traceback__))
    _tell(name, f"maintain: {name} failed: {type(error).__name__}\n{where}", error)
    return f"{type(error).__name__}."


def _tell(name: str, sentence: str, error: BaseException) -> None:
    rows.tell(logger, logging.ERROR, Action.PART_FAILED, sentence, part=name, error=type(error).__name__)
