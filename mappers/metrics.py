"""The metrics that the application's team watches already, under its own names."""

from collections.abc import Callable, Mapping

from cdc.core.team_metrics import TeamMetric

_METER = "Mystira.Infrastructure.Data.Polyglot"
_WRITTEN, _LOST = frozenset({"applied", "deleted"}), frozenset({"parked", "failed"})
# The application names its tags after classes.
_ENTITIES = {
    "Accounts": "Account",
    "UserProfiles": "UserProfile",
    "GameSessions": "GameSession",
    "PlayerScenarioScores": "PlayerScenarioScore",
    "PendingSignups": "PendingSignup",
    "Scenarios": "Scenario",
    "ContentBundles": "ContentBundle",
    "Badges": "Badge",
    "MediaAssets": "MediaAsset",
    "DataDeletionRequests": "DataDeletionRequest",
}


def _entity(container: str, _: str | None) -> Mapping[str, str]:
    return {"entity_type": _ENTITIES.get(container, container)}


def _tags(container: str, reason: str | None) -> Mapping[str, str]:
    tags = {**_entity(container, None), "mode": "DualWrite"}
    return tags if reason is None else {**tags, "exception_type": reason}


def _counter(name: str, meaning: str, outcomes: frozenset[str], tags: Callable[..., Mapping[str, str]]) -> TeamMetric:
    return TeamMetric(_METER, name, "{write}", meaning, tags, outcomes=outcomes)


METRICS = (
    _counter("polyglot.secondary_write_successes", "Changes that PostgreSQL has taken.", _WRITTEN, _tags),
    _counter(
        "polyglot.secondary_write_failures",
        "Documents that were parked, and attempts of batches that failed; while a container is paused, none.", _LOST,
        _tags,
    ),
    _counter("Polyglot.DualWriteFailures", "The same, for the alert rule of this name.", _LOST, _entity),
    TeamMetric(
        _METER, "DataMigration.DualWriteLatencyMs", "ms", "From the write of a batch's oldest change to its commit.",
        _entity, measures="lag",
    ),
)  # fmt: skip
