"""What each phase of the application's move to PostgreSQL means for this app."""

import logging
from typing import NoReturn

from cdc.config.settings import Phase
from cdc.core.errors import ConflictError
from cdc.telemetry import rows
from cdc.telemetry.rows import Action

logger = logging.getLogger(__name__)

MEANINGS = {
    Phase.COSMOS_ONLY: "The application uses only Cosmos DB, and this app replicates nothing.",
    Phase.DUAL_WRITE_COSMOS_READ: "The application writes and reads Cosmos DB; this app replicates it to PostgreSQL.",
    Phase.DUAL_WRITE_POSTGRES_READ: "The application writes Cosmos DB and reads PostgreSQL; this app replicates.",
    Phase.POSTGRES_ONLY: "PostgreSQL is the primary store, and this app writes nothing to it.",
}
_REMEDIES = {
    Phase.COSMOS_ONLY: "To replicate, set MIGRATION_PHASE to dual_write_cosmos_read.",
    Phase.POSTGRES_ONLY: "GET /api/status says whether that is right.",
}


def refuse(phase: Phase) -> NoReturn:
    """Refuse a request that a phase without replication does not have."""
    raise ConflictError(f"{_tell(phase)}, so this app replicates nothing. {_REMEDIES[phase]}")


def warn(phase: Phase) -> None:
    """Log that this instance reads no change feed."""
    sentence = f"{_tell(phase)}: this app reads no change feed."
    remedy = "GET /api/health/ready says whether that is right."
    rows.tell(logger, logging.WARNING, Action.PHASE, f"{sentence} {remedy}", phase=phase.value)


def _tell(phase: Phase) -> str:
    return f"MIGRATION_PHASE is {phase.value} ({phase.name.lower()})"
