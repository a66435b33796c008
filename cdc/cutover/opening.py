"""Put the cut-over together."""

from collections.abc import Callable, Sequence
from typing import Any

from cdc.config.settings import Phase, Settings
from cdc.core.mapping import Mapper
from cdc.cosmos.account import CosmosAccount
from cdc.cosmos.feeds import CosmosFeeds
from cdc.cosmos.leases import Leases
from cdc.cosmos.tail import Tail
from cdc.cutover.command import CutoverCommands
from cdc.cutover.rehearsal import Rehearsal
from cdc.cutover.report import Report
from cdc.cutover.rules import Rules
from cdc.cutover.run import Run
from cdc.cutover.steps import Say, Steps
from cdc.cutover.store import Attempts
from cdc.operations.phase_record import NamedCheck
from cdc.postgres.containers import ConfirmedSource
from cdc.postgres.database import Database

CheckReadiness = Callable[[Phase], Sequence[NamedCheck]]


def open_cutover(
    settings: Settings,
    mappers: Sequence[Mapper[Any]],
    database: Database,
    account: CosmosAccount,
    source: ConfirmedSource,
    leases: Leases,
    feeds: CosmosFeeds,
    check_readiness: CheckReadiness,
    say: Say,
) -> CutoverCommands:
    """Build what the commands need."""
    attempts, proof_seconds = Attempts(database), settings.cutover_proof_seconds
    steps = Steps(
        mappers, database, account, source, leases, Tail(feeds), attempts, check_readiness,
        settings.settle_seconds, proof_seconds, say,
    )  # fmt: skip
    rules = Rules(mappers, database, attempts, say)
    return CutoverCommands(
        Rehearsal(steps, rules),
        Run(steps, rules),
        Report(database, attempts, proof_seconds),
        mappers,
        database,
        settings.identity_key.get_secret_value(),
    )
