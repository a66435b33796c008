"""What anyone may know about the state of the replication: numbers, no identities."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from cdc.core.documents import JsonObject, State
from cdc.operations.counts import Counts, DocumentCount, LetterCount
from cdc.postgres.containers import FeedState, PostgresFeedStates


class Status:
    """The state of the replication, from all that knows of it.

    `read_reports` returns the newest finished reconcile of each container.
    """

    def __init__(
        self,
        phase: str,
        containers: Sequence[str],
        counts: Counts,
        feed_states: PostgresFeedStates,
        read_reports: Callable[[], Mapping[str, JsonObject]],
    ) -> None:
        self._phase = phase
        self._containers = containers
        self._counts = counts
        self._feed_states = feed_states
        self._read_reports = read_reports

    def read(self) -> JsonObject:
        """Return it."""
        status = read_status(self._phase, self._containers, self._counts)
        reports = self._read_reports()
        containers = [each | {"reconciliation": reports.get(each["container"])} for each in status["containers"]]
        # Also containers that are not replicated any more were seen once.
        feeds = [state for state in self._feed_states.read() if state.container in self._containers]
        return status | {"containers": containers, "change_feeds": describe_feeds(feeds)}


def read_status(phase: str, containers: Sequence[str], counts: Counts) -> JsonObject:
    """Report each mapped container: its documents by state, its newest version, its dead letters by kind."""
    documents, letters = counts.count_documents(), counts.count_letters()
    return {
        "phase": phase,
        "containers": [_container(name, documents, letters) for name in containers],
    }


def _container(name: str, documents: Iterable[DocumentCount], letters: Iterable[LetterCount]) -> JsonObject:
    own = [count for count in documents if count.container == name]
    states: dict[str, int] = dict.fromkeys(State, 0) | {count.state: count.documents for count in own}
    return {
        "container": name,
        "documents": states,
        "newest_ts": max((count.newest_ts for count in own), default=None),
        "dead_letters": [
            {"kind": count.kind, "state": count.state, "documents": count.documents}
            for count in letters
            if count.container == name
        ],
    }


def describe_feeds(states: Iterable[FeedState]) -> list[JsonObject]:
    """Report each change feed: its mode, its gaps, and since when a backfill and a complete reconcile must begin."""
    return [_describe_feed(state) for state in states]


def _describe_feed(state: FeedState) -> JsonObject:
    moments = {"backfill_since": state.backfill_since, "complete_reconcile_since": state.complete_reconcile_since}
    return {
        "container": state.container,
        "mode": state.mode,
        "gaps": state.gaps,
        "suspects": state.suspects,
        **{name: None if moment is None else moment.isoformat() for name, moment in moments.items()},
    }
