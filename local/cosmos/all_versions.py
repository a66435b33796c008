"""Write the change feed that has every version and every delete."""

from collections.abc import Iterator

from local.cosmos import errors, values
from local.cosmos.container import Container
from local.cosmos.partition import Change
from local.cosmos.scope import Scope
from local.cosmos.values import JsonObject


def check(container: Container, since: float | None, position: str | None) -> None:
    """Refuse a request that this mode cannot answer: it starts now or at a continuation, and only where it is on."""
    if container.retention is None:
        raise errors.bad_request(
            "Change feed mode All Versions and Deletes must be enabled by a changeFeedPolicy with a retentionDuration."
        )
    if since is not None or position is None:
        raise errors.bad_request("Change feed mode All Versions and Deletes starts only now or at a continuation.")


def entries(container: Container, chosen: Scope, after: int) -> Iterator[tuple[int, bytes]]:
    """Walk the changes after an LSN, each with its own; 400 when one of them is kept no longer."""
    oldest = container.clock() - 60 * (container.retention or 0)
    too_old = errors.bad_request(f"The continuation {after} is older than the changes that are kept.")
    if after < chosen.history_begins:
        raise too_old
    for change in filter(chosen.holds, chosen.partition.changes_after(after)):
        if change.seconds < oldest:  # after a merge not only the first may be
            raise too_old
        yield change.lsn, values.render(_entry(container, change))


def _entry(container: Container, change: Change) -> JsonObject:
    metadata: JsonObject = {"operationType": _operation(change), "lsn": change.lsn, "crts": change.seconds}
    if change.before is not None:
        metadata["previousImageLSN"] = change.before.lsn
    if change.after is not None:
        return {"current": change.after.value, "metadata": metadata}
    deleted = {
        "timeToLiveExpired": change.expired,
        "id": change.document.id,
        "partitionKey": container.definition.value(change.document.value),
    }
    return {"current": {}, "metadata": {**metadata, **deleted}}


def _operation(change: Change) -> str:
    if change.after is None:
        return "delete"
    return "create" if change.before is None else "replace"
