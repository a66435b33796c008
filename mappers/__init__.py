"""One mapper a container; a container that stands here is replicated."""

from typing import Any

from cdc.model import Mapper
from mappers.accounts import ACCOUNTS
from mappers.user_profiles import USER_PROFILES

MAPPERS: tuple[Mapper[Any], ...] = (ACCOUNTS, USER_PROFILES)
