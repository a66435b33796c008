"""Open the source or the tables that the settings name, and nothing else."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from cdc.config.postgres_settings import PostgresSettings
from cdc.config.source_settings import SourceSettings
from cdc.core.source_container import SourceContainer
from cdc.cosmos.feeds import CosmosFeeds
from cdc.cosmos.opening import open_account
from cdc.modelling.sampling import SampledFeed
from cdc.modelling.table_catalogue import ExistingTable, read_table
from cdc.postgres.opening import open_database


@dataclass(frozen=True, slots=True)
class Source:
    """Containers and their feeds; nothing is written."""

    open_feed: Callable[[str], AbstractContextManager[SampledFeed]]
    find: Callable[[str], SourceContainer]


@contextmanager
def open_source(environment: Mapping[str, str], extra_containers: Collection[str]) -> Iterator[Source]:
    """Lend the source; connections open on first use."""
    account = open_account(SourceSettings.read(environment, extra_containers))
    feeds = CosmosFeeds(account)
    try:
        yield Source(feeds.open, account.read_source_container)
    finally:
        feeds.close()
        account.close()


def read_tables(environment: Mapping[str, str], names: Sequence[str]) -> list[ExistingTable]:
    """Return tables that exist, by their names; it only reads."""
    database = open_database(PostgresSettings.read(environment))
    try:
        with database.connection() as connection:
            return [read_table(connection, name) for name in names]
    finally:
        database.close()
