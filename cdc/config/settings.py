"""The settings: read once from a mapping and checked together."""

from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)

from cdc.config.cache_settings import CacheSettings
from cdc.config.environment_settings import matching
from cdc.config.postgres_settings import PostgresSettings
from cdc.config.source_settings import Name, SourceSettings
from cdc.config.telemetry_settings import TelemetrySettings
from cdc.core.feed_items import FeedMode


class Phase(IntEnum):
    """The phase of the application's move to PostgreSQL."""

    COSMOS_ONLY = 0
    DUAL_WRITE_COSMOS_READ = 1
    DUAL_WRITE_POSTGRES_READ = 2
    POSTGRES_ONLY = 3


def read_phase(value: object) -> Phase:
    """Read a phase by its name or number; raise ValueError for anything else."""
    names = {phase.name.replace("_", ""): phase for phase in Phase} | {str(int(phase)): phase for phase in Phase}
    phase = names.get(str(value).replace("_", "").upper())
    if phase is None:
        raise ValueError("must be a number from 0 to 3, or one of " + ", ".join(phase.name.lower() for phase in Phase))
    return phase


def _check_identity_key(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value()) < _LEAST_KEY:
        raise ValueError(f"must be a secret of at least {_LEAST_KEY} characters")
    return secret


def _read_start(value: object) -> object:
    if value == "beginning":
        return value
    try:
        instant = datetime.fromisoformat(str(value))
        if instant.tzinfo is not None:
            _before(instant.astimezone(UTC))  # raises OverflowError if the calendar ends there
            return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError("must be `beginning` or an ISO time with its zone, such as 2026-01-31T12:00:00Z")


def _before(start: datetime) -> datetime:
    return start.replace(microsecond=0) - timedelta(seconds=1)


_LEAST_KEY = 16
_Phase = Annotated[Phase, BeforeValidator(read_phase)]
_Milliseconds = Annotated[int, Field(ge=1)]
_Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
_Schedule = Annotated[
    str, matching(r"\S+( \S+){4,5}", "must be an NCRONTAB expression of five or six fields, such as 0 */5 * * * *")
]
_Interval = Annotated[
    str, matching(r"(?!00:00:00)([01]\d|2[0-3]):[0-5]\d:[0-5]\d", "must be HH:MM:SS, from 00:00:01 to 23:59:59")
]
# The four timers that became one.
_REMOVED = {
    "DEAD_LETTER_SCHEDULE": "remove it; MAINTAIN_SCHEDULE says when due dead letters are read again.",
    "BACKFILL_SCHEDULE": "remove it; MAINTAIN_SCHEDULE says when missing orchestrations are started.",
    "RECONCILE_SCHEDULE": "remove it; RECONCILE_INTERVAL_SECONDS says how often both sides are compared.",
    "TOMBSTONE_SCHEDULE": "remove it; old deletes are forgotten once a day.",
}


class Settings(SourceSettings, PostgresSettings, CacheSettings, TelemetrySettings):
    """Every setting of the app, by its environment name in lower case."""

    removed = _REMOVED

    lease_database: Name
    lease_container: Name
    lease_prefix: Annotated[str, matching(r"[A-Za-z0-9_-]{1,100}", "must be 1 to 100 letters, digits, - and _")]
    answer_seconds: Annotated[float, Field(ge=0.5, le=230)] = 5  # Azure's load balancer waits at most 230 seconds
    durable_hub: Annotated[
        str, matching(r"[A-Za-z][A-Za-z0-9]{2,44}", "must be 3 to 45 letters and digits, a letter first")
    ]
    identity_key: Annotated[SecretStr, AfterValidator(_check_identity_key)]
    change_feed_start: Annotated[Literal["beginning"] | datetime, BeforeValidator(_read_start)] = "beginning"
    migration_phase: _Phase | None = None
    # The name of the same setting in the application.
    application_phase: _Phase | None = Field(default=None, validation_alias="DataMigration__Phase")
    # Defaults of the Functions extension.
    feed_poll_delay_ms: _Milliseconds = 5_000
    max_items_per_invocation: Annotated[int, Field(ge=1, le=10_000)] = 100
    lease_acquire_interval_ms: _Milliseconds = 13_000
    lease_expiration_interval_ms: _Milliseconds = 60_000
    lease_renew_interval_ms: _Milliseconds = 17_000
    retry_minimum_interval: _Interval = "00:00:01"
    retry_maximum_interval: _Interval = "00:01:00"
    settle_seconds: _Seconds = 120
    maintain_schedule: _Schedule = "*/10 * * * * *"
    dead_letter_backoff_seconds: _Seconds = 60
    dead_letter_claim_seconds: _Seconds = 120
    change_feed_mode: FeedMode = FeedMode.LATEST_VERSION
    # Longer than any change feed keeps deletes, which is at most 30 days.
    tombstone_retention_days: Annotated[int, Field(ge=31, le=3_650)] = 90
    # How long the account keeps the changes of a feed of all versions: the period of its continuous backup.
    feed_retention_days: Annotated[int, Field(ge=1, le=30)] = 7
    breaker_documents: Annotated[int, Field(ge=1, le=1_000_000)] = 50
    backfill_activity_seconds: Annotated[float, Field(gt=0, le=120, allow_inf_nan=False)] = 50
    backfill_retry_seconds: _Seconds = 5
    reconcile_interval_seconds: _Seconds = 900
    reconcile_request_units: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 5_000
    reconcile_sample: Annotated[int, Field(ge=0, le=10_000)] = 20
    readiness_max_lag_seconds: _Seconds = 60
    readiness_clean_runs: Annotated[int, Field(ge=1, le=10_000)] = 96
    readiness_settle_seconds: Annotated[float, Field(ge=0, le=2_592_000, allow_inf_nan=False)] = 86_400
    readiness_measure_seconds: _Seconds = 3_600
    readiness_max_age_seconds: _Seconds = 14_400
    cutover_proof_seconds: Annotated[float, Field(gt=0, le=604_800, allow_inf_nan=False)] = 86_400

    @field_validator("application_phase")
    @classmethod
    def _check_phase(cls, phase: Phase | None, others: ValidationInfo) -> Phase | None:
        ours = others.data.get("migration_phase")
        if None not in (phase, ours) and phase is not ours:
            raise ValueError("differs from MIGRATION_PHASE: set only one of them")
        return phase

    @field_validator("retry_maximum_interval")
    @classmethod
    def _check_retries(cls, maximum: str, others: ValidationInfo) -> str:
        if others.data.get("retry_minimum_interval", maximum) > maximum:
            raise ValueError("must not be shorter than RETRY_MINIMUM_INTERVAL")
        return maximum

    @field_validator("lease_renew_interval_ms")
    @classmethod
    def _check_lease_times(cls, renew: int, others: ValidationInfo) -> int:
        if renew >= others.data.get("lease_expiration_interval_ms", renew + 1):
            raise ValueError("must be shorter than LEASE_EXPIRATION_INTERVAL_MS")
        return renew

    @property
    def phase(self) -> Phase:
        """Return the phase, or 1 if none is set."""
        chosen = self.application_phase if self.migration_phase is None else self.migration_phase
        return Phase.DUAL_WRITE_COSMOS_READ if chosen is None else chosen

    @property
    def trigger_lease_prefix(self) -> str:
        """Return the id prefix of the trigger's leases; leases of one mode cannot be used in the other."""
        mode = "latest-version" if self.change_feed_mode is FeedMode.LATEST_VERSION else "all-versions"
        return f"{self.lease_prefix}-{mode}-"

    @property
    def trigger_start(self) -> Literal["beginning"] | datetime:
        """Return where the trigger starts: for Cosmos a start is exclusive, and in whole seconds."""
        start = self.change_feed_start
        return _before(start) if isinstance(start, datetime) else start

    @property
    def lease_settle_seconds(self) -> float:
        """Return how long a split may take: a host dies in it, its lease expires, and another host takes the lease."""
        return 2 * (self.lease_expiration_interval_ms + self.lease_acquire_interval_ms) / 1_000

    @property
    def replicates(self) -> bool:
        """Return whether this phase has change-feed triggers."""
        return self.phase in REPLICATING


REPLICATING = (Phase.DUAL_WRITE_COSMOS_READ, Phase.DUAL_WRITE_POSTGRES_READ)
