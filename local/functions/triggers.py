"""Turn declared triggers into options with all settings resolved."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from local.functions import cron, settings
from local.functions.app import Function
from local.functions.cron import Schedule, ScheduleError
from local.functions.errors import HostError
from local.functions.settings import Connection, UnknownSettingError
from local.functions.signature import JsonObject

Start = Literal["Beginning", "Now"] | datetime
Mode = Literal["LatestVersion", "AllVersionsAndDeletes"]

# Names of the app, and route templates, are no place for settings.
_LITERAL = {"name", "type", "direction", "route", "connection", "leaseConnection"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CosmosTrigger:
    """Hold which change feed a function follows, and where its leases are."""

    connection: Connection
    database: str
    container: str
    lease_connection: Connection
    lease_database: str
    lease_container: str
    lease_prefix: str
    creates_lease_container: bool
    acquire_seconds: float
    renew_seconds: float
    expiration_seconds: float
    poll_seconds: float
    max_items: int
    start: Start
    mode: Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerTrigger:
    """Hold when a function runs."""

    schedule: Schedule
    run_on_startup: bool


def resolve(function: Function, environment: Mapping[str, str]) -> JsonObject:
    """Return the declared trigger of a function with every %NAME% replaced."""
    resolved = dict(function.trigger)
    for key, value in function.trigger.items():
        if isinstance(value, str) and key not in _LITERAL:
            try:
                resolved[key] = settings.resolve(value, environment)
            except UnknownSettingError as error:
                raise HostError(
                    f"function {function.name}: {key} names the setting {error}, which is not set, "
                    "neither in the environment nor in Values of local.settings.json"
                ) from None
    return resolved


def read_timer(function: Function, environment: Mapping[str, str]) -> TimerTrigger:
    """Read the trigger of a timer function."""
    declared = resolve(function, environment)
    schedule = str(declared["schedule"])
    try:
        parsed = cron.parse(schedule, now=datetime.now(UTC))
    except ScheduleError as error:
        raise HostError(f"function {function.name}: the schedule {schedule!r} is wrong: {error}") from None
    return TimerTrigger(schedule=parsed, run_on_startup=_flag(declared.get("runOnStartup")))


def read_cosmos(function: Function, environment: Mapping[str, str]) -> CosmosTrigger:
    """Read the trigger of a change-feed function."""
    declared = resolve(function, environment)
    if "containerName" not in declared:
        raise HostError(f"function {function.name}: cosmos_db_trigger_v3 is not supported, use cosmos_db_trigger")
    database = declared["databaseName"]
    mode = _mode(function, declared)
    lease_key = "leaseConnection" if declared.get("leaseConnection") else "connection"
    lease_connection = _connection(function, lease_key, environment)
    creates = _flag(declared.get("createLeaseContainerIfNotExists"))
    if creates and lease_connection.connection_string is None:
        raise HostError(
            f"function {function.name}: createLeaseContainerIfNotExists needs a connection string: "
            "an Entra identity may not create containers"
        )
    trigger = CosmosTrigger(
        connection=_connection(function, "connection", environment),
        database=database,
        container=declared["containerName"],
        lease_connection=lease_connection,
        lease_database=declared.get("leaseDatabaseName") or database,
        lease_container=declared.get("leaseContainerName") or "leases",
        lease_prefix=declared.get("leaseContainerPrefix") or "",
        creates_lease_container=creates,
        acquire_seconds=_number(function, declared, "leaseAcquireInterval", 13_000) / 1000,
        renew_seconds=_number(function, declared, "leaseRenewInterval", 17_000) / 1000,
        expiration_seconds=_number(function, declared, "leaseExpirationInterval", 60_000) / 1000,
        poll_seconds=_number(function, declared, "feedPollDelay", 5000) / 1000,
        max_items=_number(function, declared, "maxItemsPerInvocation", 100),
        start=_start(function, declared, mode),
        mode=mode,
    )
    _refuse_own_leases(function, trigger)
    return trigger


def _refuse_own_leases(function: Function, trigger: CosmosTrigger) -> None:
    source = (trigger.connection.endpoint, trigger.database, trigger.container)
    if source == (trigger.lease_connection.endpoint, trigger.lease_database, trigger.lease_container):
        raise HostError(f"function {function.name}: its leases cannot be kept in the container that it follows")


def _connection(function: Function, key: str, environment: Mapping[str, str]) -> Connection:
    name = function.trigger[key]
    if "=" in name or ";" in name:
        # Whatever it is, it is not quoted: a connection string holds the key of the account.
        raise HostError(
            f"function {function.name}: {key} must be the name of a setting, which holds the connection string"
        )
    try:
        return settings.find_connection(name, environment)
    except UnknownSettingError:
        raise HostError(
            f"function {function.name}: {key} names the setting {name}, "
            f"but neither {name} nor {name}__accountEndpoint is set"
        ) from None
    except HostError as error:
        raise HostError(f"function {function.name}: {key}: {error}") from None


def _mode(function: Function, declared: JsonObject) -> Mode:
    match str(declared.get("changeFeedMode") or "LatestVersion").lower():
        case "latestversion":
            return "LatestVersion"
        case "allversionsanddeletes":
            return "AllVersionsAndDeletes"
        case found:
            raise HostError(
                f"function {function.name}: changeFeedMode is LatestVersion or AllVersionsAndDeletes, not {found}"
            )


def _start(function: Function, declared: JsonObject, mode: Mode) -> Start:
    beginning, moment = _flag(declared.get("startFromBeginning")), declared.get("startFromTime")
    if beginning and moment:
        raise HostError(f"function {function.name}: startFromBeginning and startFromTime exclude each other")
    if mode == "AllVersionsAndDeletes" and (beginning or moment):
        raise HostError(f"function {function.name}: changeFeedMode AllVersionsAndDeletes starts now, nowhere else")
    if not moment:
        return "Beginning" if beginning else "Now"
    try:
        parsed = datetime.fromisoformat(str(moment))
    except ValueError:
        raise HostError(f"function {function.name}: startFromTime {moment!r} is no ISO 8601 time") from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _number(function: Function, declared: JsonObject, key: str, default: int) -> int:
    value = declared.get(key)
    try:
        number = int(value or 0)
    except (TypeError, ValueError):
        raise HostError(f"function {function.name}: {key} {value!r} is no whole number") from None
    if number < 0:
        raise HostError(f"function {function.name}: {key} is negative")
    # To the extension nothing is as good as the default.
    return number or default


def _flag(value: Any) -> bool:
    return str(value).lower() == "true"
