"""The running system that a campaign breaks: PostgreSQL, Cosmos, and one or two Functions hosts."""

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TypeVar

import psycopg
from azure.cosmos import CosmosClient

from campaigns.application import Application
from local.cosmos.auth import EMULATOR_KEY
from local.cosmos.remote import RemoteControls
from local.operator import Operator
from local.oracle.compare import Comparison, compare_settings
from local.patience import PATIENCE_SECONDS
from local.postgres import Postgres
from local.sample import Source
from local.stack import Part, StackError, make_settings, prepare

_Started = TypeVar("_Started")

KEY = "key"
_STARTS = 5


class StuckError(Exception):
    """Say what did not happen, and what the hosts said meanwhile."""


@dataclass(slots=True)
class Stage:
    """Hold the parts; `hosts` are those that run now, `dsn` is PostgreSQL's address for its administrator.

    `app` is the folder of the app, `folder` one for what is temporary.
    """

    application: Application
    app: Path
    settings: Mapping[str, str]
    dsn: str
    cosmos: Part
    controls: RemoteControls
    postgres: Postgres
    source: Source
    folder: Path
    log: IO[bytes]
    hosts: list[Part] = field(default_factory=list)

    def compare(self) -> Comparison:
        """Compare both sides."""
        return compare_settings(self.settings, self.application.name)

    def count(self, query: str) -> int:
        """Read one number; raises psycopg.Error while PostgreSQL is away."""
        with psycopg.connect(self.dsn, connect_timeout=5) as connection:
            row = connection.execute(query.encode()).fetchone()
        return int(row[0] or 0) if row else 0

    def count_lease_owners(self) -> list[int]:
        """Count who holds the leases of each feed; raises AzureError while requests fail."""
        leases = self.source.client.get_database_client(self.settings["LEASE_DATABASE"])
        found = leases.get_container_client(self.settings["LEASE_CONTAINER"]).read_all_items()
        owners: dict[str, set[str]] = defaultdict(set)
        for lease in found:
            if lease.get("Owner") and lease["id"].startswith(self.settings["LEASE_PREFIX"]):
                owners[lease["id"].rpartition("..")[0]].add(lease["Owner"])
        return [len(each) for each in owners.values()] or [0]

    def add_host(self, **settings: str) -> None:
        """Start another host; it shares the leases unless its settings say otherwise."""
        # The lock of a timer is a file in the folder for temporary files: other stacks of this folder have theirs.
        environment = {**self.settings, "TMPDIR": str(self.folder), **settings}
        command = ["local.functions", f"--key={KEY}", "--verbose", "--state", str(self.folder / "durable")]
        self.hosts.append(_try(lambda: Part(command, environment, self.log, folder=self.app)))

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
    """Wait for a condition; raise StuckError with what was waited for.

    What takes long to look at is looked at less often: it takes the processor from what is waited for.
    """
    deadline = time.monotonic() + seconds
    while True:
        begun = time.monotonic()
        if condition():
            return
        if time.monotonic() > deadline:
            raise StuckError(f"waited in vain until {what}")
        time.sleep(0.05 + 2 * (time.monotonic() - begun))


def compare_keys(operator: Operator) -> None:
    """Run reconciles until one was not late; raise StuckError when none is."""

    def is_compared() -> bool:
        path = f"reconciliations/{operator.ask('POST', 'reconciliations', {'mode': 'keys'})[1]['id']}"
        wait_until(lambda: operator.ask("GET", path)[1]["state"] != "running", "the reconcile is over")
        return bool(operator.ask("GET", path)[1]["state"] == "completed")

    wait_until(is_compared, "all is compared")


@contextmanager
def explaining(log: IO[bytes]) -> Iterator[None]:
    """Let a StuckError tell what the hosts said last."""
    try:
        yield
    except StuckError as error:
        log.seek(0)
        said = log.read().decode(errors="replace").splitlines()[-20:]
        raise StuckError("\n    ".join([f"{error}; the hosts said:", *said])) from None


@contextmanager
def running(application: Application, **settings: str) -> Iterator[Stage]:
    """Run PostgreSQL and Cosmos with the tables and containers of the app until the block ends, and no host yet."""
    with ExitStack() as ends:
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="campaign-")))
        postgres = ends.enter_context(Postgres(durable=True))
        cosmos = Part(["local.cosmos", "--physical-partitions", "2"], {})
        ends.callback(cosmos.stop)
        log = ends.enter_context((folder / "hosts.log").open("a+b"))
        address = f"AccountEndpoint={cosmos.url};AccountKey={EMULATOR_KEY};"
        (folder / "app").mkdir()
        app = application.make_app(folder / "app")
        containers = application.partition_keys
        of_app = prepare(make_settings(address, postgres.dsn()) | settings, log, folder=app, containers=containers)
        source = _open_source(of_app, containers)
        ends.callback(source.close)
        controls, dsn = RemoteControls(cosmos.url), postgres.dsn()
        stage = Stage(application, app, of_app, dsn, cosmos, controls, postgres, source, folder, log)
        ends.callback(stage.close)
        with explaining(log):
            yield stage


def _open_source(settings: Mapping[str, str], containers: Mapping[str, str]) -> Source:
    """Connect with a client that does not wait long before it writes again."""
    client = CosmosClient.from_connection_string(settings["COSMOS_CONNECTION"], retry_backoff_factor=0.01)
    database = client.get_database_client(settings["COSMOS_DATABASE"])
    return Source(client, {name: database.get_container_client(name) for name in containers}, containers)
