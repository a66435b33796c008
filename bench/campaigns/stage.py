"""The running system that a campaign breaks: PostgreSQL, Cosmos, and one or two Functions hosts."""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TypeVar

import psycopg
from azure.cosmos import CosmosClient

from bench.campaigns.planted import RULES
from local.cosmos import CosmosServer
from local.patience import PATIENCE_SECONDS
from local.postgres import Postgres
from local.sample import PARTITION_KEYS, Source
from local.stack import Part, StackError, make_settings, prepare

_Started = TypeVar("_Started")

KEY = "key"
EXPIRATION_SECONDS = 1.5
_STARTS = 5
_SETTINGS = {
    "EXTRA_CONTAINERS": "PendingSignups",
    "FEED_POLL_DELAY_MS": "200",
    "LEASE_ACQUIRE_INTERVAL_MS": "400",
    "LEASE_RENEW_INTERVAL_MS": "500",
    "LEASE_EXPIRATION_INTERVAL_MS": f"{EXPIRATION_SECONDS * 1000:.0f}",
    "RETRY_MAXIMUM_INTERVAL": "00:00:02",
    "SETTLE_SECONDS": "0.5",
    "DEAD_LETTER_SCHEDULE": "* * * * * *",
    "DEAD_LETTER_BACKOFF_SECONDS": "0.2",
    "DEAD_LETTER_CLAIM_SECONDS": "2",
}
# Now and then the ledger is slow to begin a write, so that others come between a look at it and that write. And a
# version that goes backwards may be healed by a later one before anybody compares: PostgreSQL itself takes note.
_TRIGGERS = """
create function dawdle() returns trigger language plpgsql as $$
begin
    if random() < 0.1 then
        perform pg_sleep(random());
    end if;
    return null;
end $$;
create trigger dawdle before insert on cdc.document for each statement execute function dawdle();
create table backwards (container text, id text);
create function note_backwards() returns trigger language plpgsql as $$
begin
    if new.ts < old.ts or (new.ts = old.ts and new.lsn < old.lsn) then
        insert into backwards values (new.container, new.id);
    end if;
    return null;
end $$;
create trigger note_backwards after update on cdc.document for each row execute function note_backwards();
"""


class StuckError(Exception):
    """Say what did not happen."""


@dataclass(slots=True)
class Stage:
    """Hold the parts; `hosts` are those that run now."""

    settings: Mapping[str, str]
    cosmos: CosmosServer
    postgres: Postgres
    source: Source
    folder: Path
    log: IO[bytes]
    hosts: list[Part] = field(default_factory=list)

    @property
    def dsn(self) -> str:
        """Return where PostgreSQL is."""
        return self.settings["POSTGRES_CONNECTION"]

    def add_host(self, **settings: str) -> None:
        """Start another host; it shares the leases unless its settings say otherwise."""
        # The lock of a timer is a file in the folder for temporary files: other stacks of this folder have theirs.
        environment = {**self.settings, "TMPDIR": str(self.folder), **settings}
        command = ["local.functions", f"--key={KEY}", "--verbose", "--state", str(self.folder / "durable")]
        self.hosts.append(_try(lambda: Part(command, environment, self.log)))

    def restart(self, host: Part) -> None:
        """Start a host again that was killed."""
        _try(host.start)

    def remove_host(self) -> None:
        """Stop the host that came last."""
        self.hosts.pop().stop()

    def close(self) -> None:
        """Stop what runs."""
        while self.hosts:
            self.remove_host()


def _try(start: Callable[[], _Started]) -> _Started:
    """Start a host; one whose requests are refused once too often ends, and the platform starts another."""
    for _ in range(_STARTS - 1):
        try:
            return start()
        except StackError:
            continue
    return start()


def wait_until(condition: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait for a condition; raise StuckError with what was waited for."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise StuckError(f"waited in vain until {what}")
        time.sleep(0.02)


@contextmanager
def running() -> Iterator[Stage]:
    """Run PostgreSQL with the rules of the cut-over, Cosmos, and one host, until the block ends."""
    with ExitStack() as ends:
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="campaign-")))
        postgres = ends.enter_context(Postgres(durable=True))
        cosmos = ends.enter_context(CosmosServer(physical_partitions=2))
        log = ends.enter_context((folder / "hosts.log").open("a+b"))
        settings = make_settings(cosmos.connection_string, postgres.dsn()) | _SETTINGS
        prepare(settings, log)
        with psycopg.connect(postgres.dsn()) as connection:
            connection.execute(RULES.encode())
            connection.execute(_TRIGGERS.encode())
        source = _open_source(settings)
        ends.callback(source.close)
        stage = Stage(settings, cosmos, postgres, source, folder, log)
        ends.callback(stage.close)
        stage.add_host()
        yield stage


def _open_source(settings: Mapping[str, str]) -> Source:
    """Connect with a client that does not wait long before it writes again."""
    client = CosmosClient.from_connection_string(settings["COSMOS_CONNECTION"], retry_backoff_factor=0.01)
    database = client.get_database_client(settings["COSMOS_DATABASE"])
    return Source(client, {name: database.get_container_client(name) for name in PARTITION_KEYS})
