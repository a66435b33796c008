"""How the comparison reads a document's properties: its own code, and none of the product's."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

Json = dict[str, Any]
Expected = Callable[[Json], Any]

_OLD_STATUS = dict(enumerate(("NotStarted", "InProgress", "Paused", "Completed", "Abandoned")))
_NEW_STATUS = dict(
    enumerate(("Creating", "Pending", "InProgress", "Paused", "Completed", "Abandoned", "Failed", "Expired"))
)
_STATUS_NAMES = {*_OLD_STATUS.values(), *_NEW_STATUS.values()}
_NEW_SESSION = ("HostPlayerId", "LastActivityAt", "MaxPlayers", "StartedAt", "IsDeleted")
_TIME_SPAN = re.compile(r"(-?)(?:(\d+)\.)?(\d+):(\d\d):(\d\d)(?:\.(\d{1,6})\d*)?")
_ESCAPED = re.compile(r"\^(\||[0-9A-F]{2})")
_CHARACTERS = {"|": "|", "2F": "/", "5C": "\\", "3F": "?", "23": "#"}
_SUBSCRIPTION: Json = {
    "Id": None,
    "Type": 0,
    "ProductId": "",
    "ValidUntil": None,
    "IsActive": False,
    "LastVerified": None,
    "PurchasedScenarios": [],
    "Tier": "Free",
    "StartDate": None,
    "EndDate": None,
}
_SETTINGS: Json = {
    "Id": None,
    "CacheCredentials": False,
    "RequireAuthOnStartup": False,
    "PreferredLanguage": "en",
    "NotificationsEnabled": False,
    "Theme": None,
}


def first(*names: str, default: object = None) -> Expected:
    """Read the first of these properties that says something, the newest name first; else the first that is there."""

    def read(document: Json) -> object:
        values = [document[name] for name in names if name in document]
        filled = [value for value in values if value is not None and value != ""]
        value = next(iter([*filled, *values]), None)
        return default if value is None else value

    return read


def same(name: str, default: object = None) -> Expected:
    """Read a property as it is."""
    return lambda document: default if document.get(name) is None else document[name]


def not_empty(name: str) -> Expected:
    """Read a property of which the empty text means nothing."""
    return lambda document: document.get(name) or None


def key(type_name: str) -> Expected:
    """Read the key, which early documents hold twice: in Id, and behind the type in id."""

    def read(document: Json) -> str:
        if isinstance(document.get("Id"), str) and document["Id"]:
            return str(document["Id"])
        prefix = f"{type_of(document) or type_name}|"
        id_ = str(document["id"])
        return _ESCAPED.sub(_unescape, id_[len(prefix) :]) if id_.startswith(prefix) else id_

    return read


def _unescape(match: re.Match[str]) -> str:
    return _CHARACTERS.get(match[1], match[0])


def type_of(document: Json) -> Any:
    """Read what the document says it is; None when it does not say."""
    return first("$type", "Discriminator")(document)


def instant(*names: str) -> Expected:
    """Read a moment; .NET's first day and last second mean that there is none."""

    def read(document: Json) -> datetime | None:
        text = first(*names)(document)
        if text is None or text.startswith(("0001-01-01", "9999-12-31T23:59:59")):
            return None
        # Microseconds are what PostgreSQL keeps; .NET writes a digit more.
        moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)

    return read


def day(name: str) -> Expected:
    """Read a day, whatever time is written behind it."""
    return lambda document: None if document.get(name) is None else date.fromisoformat(document[name][:10])


def time_span(name: str) -> Expected:
    """Read a TimeSpan."""

    def read(document: Json) -> timedelta | None:
        if document.get(name) is None:
            return None
        match = _TIME_SPAN.fullmatch(document[name])
        if match is None:
            raise ValueError(f"{name} is no TimeSpan")
        sign, days, hours, minutes, seconds, fraction = match.groups()
        length = timedelta(
            days=int(days or 0),
            hours=int(hours),
            minutes=int(minutes),
            seconds=int(seconds),
            microseconds=int((fraction or "").ljust(6, "0")),
        )
        return -length if sign else length

    return read


def names(name: str) -> Expected:
    """Read a list, which may be one text with commas."""

    def read(document: Json) -> list[Any]:
        value = document.get(name) or []
        return value.split(",") if isinstance(value, str) else value

    return read


def owner(document: Json) -> object:
    """Read a session's account; a copying tool has written the type's name beside the true one."""
    type_names = ("GameSession", type_of(document) or "GameSession")
    true = {name: value for name, value in document.items() if value not in type_names}
    return first("accountId", "AccountId")(true)


def status(document: Json) -> str:
    """Read a session's status as the name that both of the application's contexts know."""
    value = document.get("Status")
    if isinstance(value, str):
        value = "InProgress" if value == "Active" else value
        if value not in _STATUS_NAMES:
            raise ValueError("Status is no name of a status")
        return value
    new = any(name in document for name in _NEW_SESSION)
    return (_NEW_STATUS if new else _OLD_STATUS)[0 if value is None else value]


def age_group(document: Json) -> object:
    """Read a session's age group: a text, a text under the older name, or in an object."""
    group = document.get("TargetAgeGroup")
    if isinstance(group, str) and group:
        return group
    inner = group.get("Value") if isinstance(group, dict) else None
    return document.get("TargetAgeGroupName") or inner


def is_used(document: Json) -> bool:
    """Read whether a signup was answered: a flag, or the moment when it happened."""
    if document.get("IsUsed") is not None:
        return bool(document["IsUsed"])
    return instant("ConsumedAt")(document) is not None


def subscription(document: Json) -> Json:
    """Read a subscription without its purchase token."""
    if document.get("Subscription") is None:
        return {}
    inner = document["Subscription"]
    return {**_known(_SUBSCRIPTION, inner), "PurchasedScenarios": names("PurchasedScenarios")(inner)}


def settings(document: Json) -> Json:
    """Read an account's preferences."""
    return {} if document.get("Settings") is None else _known(_SETTINGS, document["Settings"])


def _known(defaults: Json, inner: Json) -> Json:
    return {name: inner.get(name, default) for name, default in defaults.items()}
