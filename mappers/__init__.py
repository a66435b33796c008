"""One mapper a container; a container that stands here is replicated."""

from collections.abc import Sequence
from typing import Any

from cdc.errors import SettingsError
from cdc.model import Mapper
from mappers.accounts import ACCOUNTS
from mappers.game_sessions import GAME_SESSIONS
from mappers.pending_signups import PENDING_SIGNUPS
from mappers.player_scenario_scores import PLAYER_SCENARIO_SCORES
from mappers.user_profiles import USER_PROFILES

MAPPERS: tuple[Mapper[Any], ...] = (ACCOUNTS, USER_PROFILES, GAME_SESSIONS, PLAYER_SCENARIO_SCORES)
# Replicated only where EXTRA_CONTAINERS names them.
EXTRA_MAPPERS: tuple[Mapper[Any], ...] = (PENDING_SIGNUPS,)


def choose_mappers(extra_containers: Sequence[str]) -> tuple[Mapper[Any], ...]:
    """Return the mappers of all containers that are replicated; raise SettingsError for a name that has none."""
    extra = {mapper.container: mapper for mapper in EXTRA_MAPPERS}
    if set(extra_containers) - extra.keys():
        raise SettingsError(f"EXTRA_CONTAINERS: must name only {', '.join(extra)}, separated by commas.")
    return (*MAPPERS, *(mapper for name, mapper in extra.items() if name in extra_containers))
