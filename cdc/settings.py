"""The settings: read once from a mapping, checked all together."""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import IntEnum
from typing import Annotated, Literal, Self

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from cdc.errors import SettingsError

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Phase(IntEnum):
    """How far the application's move to PostgreSQL is."""

    COSMOS_ONLY = 0
    DUAL_WRITE_COSMOS_READ = 1
    DUAL_WRITE_POSTGRES_READ = 2
    POSTGRES_ONLY = 3


def _read_phase(value: object) -> object:
    names = {phase.name.replace("_", ""): phase for phase in Phase} | {str(int(phase)): phase for phase in Phase}
    phase = names.get(str(value).replace("_", "").upper())
    if phase is None:
        raise ValueError("must be a number from 0 to 3, or one of " + ", ".join(phase.name.lower() for phase in Phase))
    return phase


def _check_cosmos_connection(secret: SecretStr) -> SecretStr:
    names = {part.partition("=")[0].strip() for part in secret.get_secret_value().split(";")}
    if not {"AccountEndpoint", "AccountKey"} <= names:
        raise ValueError("must be a connection string: AccountEndpoint=https://...;AccountKey=...;")
    return secret


def _check_postgres_connection(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    try:
        parameters = conninfo_to_dict(text)
    except ProgrammingError:
        # libpq's own message may quote the password.
        raise ValueError(
            "must be a libpq URI, postgresql://user:password@host:5432/database, or libpq keywords, host=... dbname=..."
        ) from None
    host = str(parameters.get("host") or "localhost")
    if host in _LOOPBACK or host.startswith("/") or "sslmode" in parameters:
        return secret
    return SecretStr(make_conninfo(text, sslmode="verify-full", sslrootcert=parameters.get("sslrootcert", "system")))


def _read_start(value: object) -> object:
    if value == "beginning":
        return value
    try:
        instant = datetime.fromisoformat(str(value))
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise ValueError("must be `beginning` or an ISO time with its zone, such as 2026-01-31T12:00:00Z")
    return instant.astimezone(UTC)


_Name = Annotated[str, Field(pattern=r"^[^/\\#?]+$")]
_Milliseconds = Annotated[int, Field(ge=1)]
_Interval = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d:[0-5]\d$")]


class Settings(BaseModel):
    """Every setting of the app, by its environment name in lower case."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=str.upper)

    cosmos_connection: Annotated[SecretStr, AfterValidator(_check_cosmos_connection)]
    cosmos_database: _Name
    lease_database: _Name
    lease_container: _Name
    lease_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
    postgres_connection: Annotated[SecretStr, AfterValidator(_check_postgres_connection)]
    change_feed_start: Annotated[Literal["beginning"] | datetime, BeforeValidator(_read_start)] = "beginning"
    migration_phase: Annotated[Phase, BeforeValidator(_read_phase)] = Field(
        default=Phase.DUAL_WRITE_COSMOS_READ,
        validation_alias=AliasChoices("MIGRATION_PHASE", "DataMigration__Phase"),
    )
    # The Functions extension's own defaults.
    feed_poll_delay_ms: _Milliseconds = 5_000
    max_items_per_invocation: Annotated[int, Field(ge=1, le=10_000)] = 100
    lease_acquire_interval_ms: _Milliseconds = 13_000
    lease_expiration_interval_ms: _Milliseconds = 60_000
    lease_renew_interval_ms: _Milliseconds = 17_000
    retry_minimum_interval: _Interval = "00:00:01"
    retry_maximum_interval: _Interval = "00:01:00"

    @model_validator(mode="after")
    def _check_intervals(self) -> Self:
        if self.retry_minimum_interval > self.retry_maximum_interval:
            raise ValueError("RETRY_MINIMUM_INTERVAL must not be longer than RETRY_MAXIMUM_INTERVAL")
        if self.lease_renew_interval_ms >= self.lease_expiration_interval_ms:
            raise ValueError("LEASE_RENEW_INTERVAL_MS must be shorter than LEASE_EXPIRATION_INTERVAL_MS")
        return self

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """Read the settings; an empty one counts as missing.

        Raises SettingsError, which names every setting that is missing or wrong.
        """
        try:
            return cls.model_validate({name: value for name, value in environment.items() if value})
        except ValidationError as error:
            raise SettingsError(_describe(error)) from None

    @property
    def replicates(self) -> bool:
        """Tell whether this phase has change-feed triggers."""
        return self.migration_phase in (Phase.DUAL_WRITE_COSMOS_READ, Phase.DUAL_WRITE_POSTGRES_READ)


def _describe(error: ValidationError) -> str:
    lines = []
    for problem in error.errors(include_url=False, include_input=False):
        name = str(problem["loc"][0]) if problem["loc"] else ""
        message = "is missing" if problem["type"] == "missing" else problem["msg"].removeprefix("Value error, ")
        lines.append(f"  {name}: {message}" if name else f"  {message}")
    return "Settings are missing or wrong (docs/deploying.md lists them all):\n" + "\n".join(lines)
