"""The mappers: one per container; exactly these containers can be replicated.

Each name of this module is what the app asks a package of mappers for.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cdc.core.mapping import Mapper
from mappers.accounts import ACCOUNTS
from mappers.badges import BADGES
from mappers.content_bundles import CONTENT_BUNDLES
from mappers.data_deletion_requests import DATA_DELETION_REQUESTS
from mappers.game_sessions import GAME_SESSIONS
from mappers.media_assets import MEDIA_ASSETS
from mappers.metrics import METRICS as METRICS
from mappers.pending_signups import PENDING_SIGNUPS
from mappers.player_scenario_scores import PLAYER_SCENARIO_SCORES
from mappers.scenarios import SCENARIOS
from mappers.user_profiles import USER_PROFILES

MAPPERS: tuple[Mapper[Any], ...] = (ACCOUNTS, USER_PROFILES, GAME_SESSIONS, PLAYER_SCENARIO_SCORES)
# The migrations of the tables that these mappers write.
APPLICATION_SQL = Path(__file__).parents[1] / "sql" / "application"
# Replicated only if EXTRA_CONTAINERS names them.
EXTRA_MAPPERS: tuple[Mapper[Any], ...] = (
    PENDING_SIGNUPS,
    SCENARIOS,
    CONTENT_BUNDLES,
    BADGES,
    MEDIA_ASSETS,
    DATA_DELETION_REQUESTS,
)
EXTRA_CONTAINERS = tuple(dict.fromkeys(mapper.container for mapper in EXTRA_MAPPERS))


def choose_mappers(extra_containers: Sequence[str]) -> tuple[Mapper[Any], ...]:
    """Return the mappers of all replicated containers."""
    return (*MAPPERS, *(mapper for mapper in EXTRA_MAPPERS if mapper.container in extra_containers))
