"""One delivery of a change feed: from the host's items to the committed rows."""

import logging
from collections.abc import Sequence
from typing import Any

from cdc.core import feed_items
from cdc.core.documents import JsonObject
from cdc.core.feed_items import FeedMode
from cdc.core.mapping import Mapper
from cdc.core.writes import Outcome
from cdc.postgres.containers import ConfirmedSource, PostgresFeedStates
from cdc.replication.batch import Sink, replicate
from cdc.replication.breaker import Breaker

logger = logging.getLogger(__name__)


class Delivery:
    """Read and apply deliveries of change feeds."""

    def __init__(
        self, mode: FeedMode, source: ConfirmedSource, feed_states: PostgresFeedStates, sink: Sink, breaker: Breaker
    ) -> None:
        self._mode = mode
        self._source = source
        self._feed_states = feed_states
        self._sink = sink
        self._breaker = breaker

    def apply(self, mapper: Mapper[Any], items: Sequence[JsonObject]) -> Outcome:
        """Apply one batch of a change feed; raise only if the whole batch must be delivered again."""
        container, mode = mapper.container, self._mode
        documents = feed_items.read_documents(mode, container, items)
        paths = self._source.confirm(container, documents).partition_key_paths
        delivered = feed_items.read_delivered(mode, container, paths, items)
        # Before applying: counting twice is better than not at all.
        self._feed_states.note_nameless_deletes(container, delivered.nameless)
        count = self._breaker.count(container, delivered.changes)
        outcome = replicate(mapper, delivered.changes, self._sink, count)
        _log(container, outcome, delivered.nameless)
        self._breaker.judge(count)
        return outcome


def _log(container: str, outcome: Outcome, nameless: int) -> None:
    logger.info(
        "applied a batch of %s: %d applied, %d deleted, %d stale, %d undecided, %d parked, %d unmapped",
        container, outcome.applied, outcome.deleted, outcome.stale, outcome.undecided, outcome.parked,
        outcome.unmapped,
    )  # fmt: skip
    for problem in outcome.problems:
        logger.warning("parked a document of %s: %s at %s: %s", container, problem.kind, problem.path, problem.message)
    if outcome.gaps or nameless:
        logger.warning(
            "the change feed of %s has gaps: %d documents miss a version, "
            "%d deletes do not identify their document; the next reconcile finds them",
            container, outcome.gaps, nameless,
        )  # fmt: skip
