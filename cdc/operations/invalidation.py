"""Remove the cache keys in the outbox: at once by a thread, and later by the timer."""

import logging
import time
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING

from cdc.config import entra, stackexchange
from cdc.config.settings import Settings
from cdc.core.errors import CdcError, TransientError
from cdc.postgres import outbox
from cdc.postgres.database import Database
from cdc.telemetry import rows
from cdc.telemetry.rows import Action

if TYPE_CHECKING:
    from cdc.cache.keys import CacheKeys

logger = logging.getLogger(__name__)

_AT_ONCE = 500
# The timer's next run goes on.
_SECONDS = 30.0
# Without a cache, the timer forgets what was noted when there was one.
_EVERY_SECONDS = 3_600.0
# During an outage the thread does not try for every batch.
_PAUSE_SECONDS = 5.0
_ENDING_SECONDS = 10.0


class Invalidation:
    """Removes what the outbox holds; whoever changes rows only wakes a thread, and never waits for the cache."""

    def __init__(self, database: Database, cache: "CacheKeys | None", entry_seconds: float) -> None:
        """Take the cache, if there is one, and how long its entries live: then a key need not be removed any more."""
        self.on_commit = None if cache is None else self.wake
        self.every = _EVERY_SECONDS if cache is None else 0.0
        self._database = database
        self._cache = cache
        self._entry_seconds = entry_seconds
        self._noted, self._closed = Event(), Event()
        self._thread: Thread | None = None
        self._starting, self._removing = Lock(), Lock()

    def wake(self) -> None:
        """Let the thread remove what was committed."""
        self._noted.set()
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._thread = Thread(target=self._run, args=[self._cache], name="invalidation", daemon=True)
                self._thread.start()

    def catch_up(self) -> None:
        """Remove what is left, such as after an outage or the end of a process; delete notes that nobody needs."""
        try:
            if self._cache is not None:
                self._remove(self._cache)
        finally:
            dropped = outbox.prune(self._database, self._entry_seconds)
            if dropped:
                sentence = f"forgot the cache keys of {dropped} rows: entries that old have expired:"
                rows.tell(logger, logging.WARNING, Action.CACHE_KEYS_FORGOTTEN, sentence, rows=dropped)

    def close(self) -> None:
        """End the thread; what is left stays in the outbox."""
        self._closed.set()
        self._noted.set()
        with self._starting:
            thread = self._thread
        if thread is not None:
            thread.join(_ENDING_SECONDS)
        if self._cache is not None:
            self._cache.close()

    def _run(self, cache: "CacheKeys") -> None:
        while True:
            self._noted.wait()
            if self._closed.is_set():
                return
            self._noted.clear()
            try:
                self._remove(cache)
            except CdcError:  # the timer tries it, too, and says what is wrong
                self._closed.wait(_PAUSE_SECONDS)

    def _remove(self, cache: "CacheKeys") -> None:
        """Walk through the outbox once, past keys that Redis does not remove."""
        end, after, left = time.monotonic() + _SECONDS, 0, 0
        with self._removing:
            while notes := outbox.read(self._database, after, _AT_ONCE):
                gone = cache.remove(key for note in notes for key in note.keys)
                done = [note for note in notes if gone.issuperset(note.keys)]
                outbox.delete(self._database, done)
                after, left = notes[-1].id, left + len(notes) - len(done)
                if len(notes) < _AT_ONCE or time.monotonic() > end or self._closed.is_set():
                    break
        if left:
            raise TransientError(
                f"Redis does not remove the cache keys of {left} rows: check that all its nodes run, and that the user "
                "of REDIS_CONNECTION may delete keys that begin with REDIS_INSTANCE_NAME."
            )


def open_invalidation(settings: Settings, database: Database) -> Invalidation:
    """Return what removes cache keys; without a cache in the settings nothing is noted."""
    cache = None
    if settings.redis_connection is not None:
        from cdc.cache.keys import CacheKeys  # redis-py takes time to load: only who has a cache waits for it

        server = stackexchange.read(settings.redis_connection.get_secret_value())
        identity = entra.find_identity(settings.redis_identity)
        login = None if identity is None else entra.redis_login(identity)
        cache = CacheKeys(server, settings.redis_instance_name, login)
    return Invalidation(database, cache, settings.redis_entry_seconds)
