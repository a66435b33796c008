"""Open the source that the settings name, and nothing else."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from cdc.config.source_settings import SourceSettings
from cdc.core.source_container import SourceContainer
from cdc.cosmos.feeds import CosmosFeeds
from cdc.cosmos.opening import open_account
from cdc.modelling.sampling import SampledFeed


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
