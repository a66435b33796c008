"""A container of which nothing is wrong, and what may be."""

from dataclasses import fields, replace
from datetime import UTC, datetime

from cdc.operations.conditions import Condition
from cdc.operations.evidence import Evidence, Runs
from cdc.operations.samples import Sample

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
RUNS = Runs(NOW, 0.0, unresolved=0, unclaimed=0, clean=1, unclean_at=None)


def an_evidence(container="Accounts", **changes):
    """Build what is known of a container: copied, compared, looked at now."""
    nothing = dict.fromkeys((field.name for field in fields(Evidence)), None)
    known = {"runs": RUNS, "container": container, "is_copying": False, "letters": 0, "copied_at": NOW}
    return Evidence(**nothing | known | changes)


def a_condition(container="Accounts", evidence=None, **changes):
    """Build the condition of a container, with these fields changed."""
    nothing = dict.fromkeys((field.name for field in fields(Condition)), None)
    known = {"container": container, "seen_at": NOW, "unaided": 0, "sample": a_sample(container)}
    condition = Condition(**nothing | known | {"evidence": an_evidence(container, **(evidence or {}))})
    return replace(condition, **changes)


def a_sample(container="Accounts", **changes):
    """Build a sample of now, of a feed that is not late."""
    known = {"container": container, "at": NOW, "lag_seconds": 0.0, "backlog": 0, "unknown": None, "parked": 0}
    known |= {"source_documents": 6, "documents": 6, "unmapped": 0, "applied": 9}
    return Sample(**known | changes)
