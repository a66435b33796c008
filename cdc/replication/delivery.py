"""One delivery of a change feed: from the host's items to the committed rows."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from cdc.core import feed_items
from cdc.core.deadline import Deadline
from cdc.core.documents import JsonObject
from cdc.core.errors import CdcError, PausedError
from cdc.core.feed_items import FeedMode
from cdc.core.fingerprints import fingerprint
from cdc.core.mapping import Mapper
from cdc.core.writes import Outcome
from cdc.postgres.containers import ConfirmedSource, PostgresFeedStates
from cdc.replication.batch import Sink, replicate
from cdc.replication.breaker import Breaker
from cdc.telemetry import batches, rows
from cdc.telemetry.batches import Kind
from cdc.telemetry.rows import Action

logger = logging.getLogger(__name__)

# PostgreSQL may be what has failed: the host must not wait long for its answer.
_NOTE_SECONDS = 2.0


class Delivery:
    """Read and apply deliveries of change feeds; `identity_key` hashes what the log says of a document."""

    def __init__(
        self,
        mode: FeedMode,
        source: ConfirmedSource,
        feed_states: PostgresFeedStates,
        sink: Sink,
        breaker: Breaker,
        identity_key: str,
    ) -> None:
        self._mode = mode
        self._source = source
        self._feed_states = feed_states
        self._sink = sink
        self._breaker = breaker
        self._identity_key = identity_key

    def apply(self, mapper: Mapper[Any], items: Sequence[JsonObject]) -> Outcome:
        """Apply one batch of a change feed; raise only if the whole batch must be delivered again."""
        container, mode = mapper.container, self._mode
        with batches.observed(logger, container, Kind.FEED, len(items), self._note_failure) as batch:
            documents = feed_items.read_documents(mode, container, items)
            paths = self._source.confirm(container, documents).partition_key_paths
            delivered = feed_items.read_delivered(mode, container, paths, items)
            # Before applying: counting twice is better than not at all.
            self._feed_states.note_nameless_deletes(container, delivered.nameless)
            count = self._breaker.count(container, delivered.changes)
            outcome = replicate(mapper, delivered.changes, self._sink, count)
            batch.note(delivered.changes, outcome)
        self._log(container, outcome, delivered.nameless)
        self._breaker.judge(count)
        return outcome

    def _note_failure(self, container: str, error: Exception) -> None:
        """Note for status why the batch will be delivered again; a pause says that itself."""
        if isinstance(error, PausedError):
            return
        # Only our own errors' texts are known to quote no document.
        problem = str(error) if isinstance(error, CdcError) else f"{type(error).__name__}."
        with suppress(CdcError), Deadline(_NOTE_SECONDS).applies():
            self._feed_states.note_failure(container, problem)

    def _log(self, container: str, outcome: Outcome, nameless: int) -> None:
        for key, problem in zip(outcome.parked_keys, outcome.problems, strict=True):
            sentence = f"parked a document of {container}: {problem.kind} at {problem.path}: {problem.message}"
            document = fingerprint(key, self._identity_key)
            rows.tell(
                logger,
                logging.WARNING,
                Action.DOCUMENT_PARKED,
                sentence,
                container=container,
                kind=problem.kind.value,
                document=document,
            )
        if outcome.gaps or nameless:
            rows.tell(
                logger,
                logging.WARNING,
                Action.FEED_GAPS,
                f"the change feed of {container} has gaps: {outcome.gaps} documents miss a version, "
                f"{nameless} deletes do not identify their document; the next reconcile finds them.",
                container=container,
                gaps=outcome.gaps,
                nameless=nameless,
            )
