"""Read host.json, local.settings.json and the settings that bindings name."""

import base64
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.functions import limits, retry
from local.functions.errors import HostError
from local.functions.retry import RetryPolicy

# What every plan but Consumption, which has 5 minutes, sets.
_DEFAULT_TIMEOUT = "00:30:00"
_REFERENCE = re.compile(r"%([^%]+)%")


class UnknownSettingError(LookupError):
    """Carry the name of a setting that exists nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostJson:
    """Hold what this host reads of host.json."""

    route_prefix: str
    retry: RetryPolicy | None
    keeps_date_strings: bool
    durable_task: dict[str, Any]
    function_timeout: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Hold how a Cosmos account is reached: by connection string, or by endpoint and Entra identity."""

    connection_string: str | None
    endpoint: str

    def __repr__(self) -> str:
        return "Connection(...)"


def load_host_json(root: Path) -> HostJson:
    """Read host.json, which every app must have."""
    content = _load(root / "host.json")
    if content is None:
        raise HostError(f'{root / "host.json"} does not exist; the smallest one is {{"version": "2.0"}}')
    if content.get("version") != "2.0":
        raise HostError('host.json: version must be "2.0"')
    limits.check(content)
    prefix = limits.find(content, "extensions.http.routePrefix")
    dates = limits.find(content, "extensions.cosmosDB.serializerSettings.dateParseHandling")
    return HostJson(
        route_prefix=("api" if prefix is None else prefix).strip("/"),
        retry=retry.from_host_json(content.get("retry")),
        keeps_date_strings=dates == "None",
        durable_task=limits.find(content, "extensions.durableTask") or {},
        function_timeout=limits.read_time_span(content.get("functionTimeout") or _DEFAULT_TIMEOUT),
    )


def load_local_settings(root: Path, file: str = "local.settings.json") -> dict[str, str]:
    """Read the Values of a settings file, if it exists."""
    content = _load(root / file) or {}
    if content.get("IsEncrypted"):
        raise HostError(f"{file}: encrypted settings are not supported")
    values = content.get("Values") or {}
    if not isinstance(values, dict):
        raise HostError(f"{file}: Values must be an object of names and strings")
    for name, value in values.items():
        if not isinstance(value, str):
            raise HostError(f"{file}: the value of {name} must be a string, in quotes")
    return dict(values)


def resolve(text: str, environment: Mapping[str, str]) -> str:
    """Replace every %NAME% by the setting of that name."""
    return _REFERENCE.sub(lambda match: find(match[1], environment), text)


def find(name: str, environment: Mapping[str, str]) -> str:
    """Return a setting that must exist."""
    if name not in environment:
        raise UnknownSettingError(name)
    return environment[name]


def find_connection(name: str, environment: Mapping[str, str]) -> Connection:
    """Return the connection of a name, in either of its two forms."""
    if text := environment.get(name):
        return Connection(connection_string=text, endpoint=_find_endpoint(name, text))
    endpoint = environment.get(f"{name}__accountEndpoint")
    if not endpoint:
        raise UnknownSettingError(name)
    if not _is_url(endpoint):
        raise HostError(f"the setting {name}__accountEndpoint must be a URL, https://...")
    return Connection(connection_string=None, endpoint=endpoint)


def read_threads(environment: Mapping[str, str]) -> int:
    """Return how many sync functions run at a time."""
    text = environment.get("PYTHON_THREADPOOL_THREAD_COUNT")
    if not text:
        return min(32, (os.cpu_count() or 1) + 4)
    if not (text.isascii() and text.isdigit() and int(text)):
        raise HostError(f"the setting PYTHON_THREADPOOL_THREAD_COUNT {text!r} must be a whole number of at least 1")
    return int(text)


def read_drains(environment: Mapping[str, str]) -> bool:
    """Tell whether a stop lets batches and their retries go on, as the real host does where this is set."""
    return environment.get("FUNCTIONS_ENABLE_DRAIN_ON_APP_STOPPING", "").strip().lower() == "true"


def _find_endpoint(name: str, connection_string: str) -> str:
    # Nothing of it is quoted: it holds the key of the account.
    parts = dict(part.partition("=")[::2] for part in connection_string.rstrip(";").split(";"))
    endpoint, key = parts.get("AccountEndpoint", ""), parts.get("AccountKey")
    if not key or not _is_url(endpoint) or not all(parts.values()):
        raise HostError(f"the setting {name} must be of the form AccountEndpoint=https://...;AccountKey=...;")
    try:
        base64.b64decode(key, validate=True)
    except ValueError:
        raise HostError(f"the setting {name}: its AccountKey is not base64, copy it whole") from None
    return endpoint


def _is_url(text: str) -> bool:
    return text.startswith(("https://", "http://"))


def _load(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise HostError(f"{path.name} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise HostError(f"{path.name} is not a JSON object")
    return content
