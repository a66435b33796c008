"""Families who play: the application whose mappers are in `mappers/`."""

from campaigns.application import Application, Contested, Damage, Steady
from campaigns.mystira.planted import FamilyPlanter
from local.sample import CONTAINERS, PARTITION_KEYS, Sample
from local.stack import ROOT
from mappers import MAPPERS

_LOSE = "delete from game_sessions where jsonb_build_array(id) = any(%(rows)s::jsonb[])"

MYSTIRA = Application(
    name="mystira",
    partition_keys=PARTITION_KEYS,
    containers=CONTAINERS,
    extra=("PendingSignups",),
    tables={mapper.container: [table.name for table in mapper.tables] for mapper in MAPPERS},
    type_property="$type",
    make_app=lambda _: ROOT,
    make_sample=lambda seed, containers: Sample(seed, containers=containers),
    make_planter=FamilyPlanter,
    contested=Contested("Accounts", "accounts", lambda account, number: account.update(Role=f"Guest {number}")),
    steady=Steady("/id", lambda id_: {"id": id_}),
    damages=(
        Damage("GameSessions", (_LOSE, "delete from cdc.document where key = any(%(keys)s)")),
        Damage("GameSessions", (_LOSE,)),
        Damage(
            "Accounts",
            ("update accounts set email = 'edited' where jsonb_build_array(id) = any(%(rows)s::jsonb[])",),
        ),
    ),
)
