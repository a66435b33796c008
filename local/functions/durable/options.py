"""Read what host.json says of durable functions."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.functions import settings
from local.functions.errors import HostError
from local.functions.settings import UnknownSettingError

_HUB_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{2,44}")
_DEFAULT_HUB = "TestHubName"
_PER_CORE = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Hold the name of the task hub and how much runs at a time."""

    hub_name: str
    max_activities: int
    max_orchestrators: int


def read(declared: Mapping[str, Any], environment: Mapping[str, str]) -> Options:
    """Read extensions.durableTask, whose numbers were checked before."""
    most = _PER_CORE * (os.cpu_count() or 1)
    return Options(
        hub_name=_read_hub_name(declared.get("hubName"), environment),
        max_activities=declared.get("maxConcurrentActivityFunctions", most),
        max_orchestrators=declared.get("maxConcurrentOrchestratorFunctions", most),
    )


def _read_hub_name(declared: Any, environment: Mapping[str, str]) -> str:
    if declared is None:
        site = re.sub(r"[^A-Za-z0-9]", "", environment.get("WEBSITE_SITE_NAME", ""))
        return site if _HUB_NAME.fullmatch(site) else _DEFAULT_HUB
    try:
        name = settings.resolve(str(declared), environment)
    except UnknownSettingError as error:
        raise HostError(f"host.json: durableTask.hubName names the setting {error}, which is not set") from None
    if not _HUB_NAME.fullmatch(name):
        raise HostError(
            f"host.json: durableTask.hubName {name!r} must have 3 to 45 letters and digits and begin with a letter"
        )
    return name
