"""The whole path with real processes: a Cosmos server, PostgreSQL, and the Functions host with the real app."""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cdc.config.settings import Settings
from cdc.runtime import Runtime
from local.cosmos import CosmosServer
from local.operator import Operator
from local.oracle.compare import compare_settings
from local.patience import PATIENCE_SECONDS
from local.sample import Source
from local.stack import LATEST_VERSION, ROOT, Part, make_settings
from mappers import APPLICATION_SQL, MAPPERS
from tests.commands import prepare

Query = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def cosmos() -> Iterator[CosmosServer]:
    """A Cosmos server of the test's own, with two physical partitions."""
    with CosmosServer(port=0, physical_partitions=2) as server:
        yield server


@pytest.fixture
def mode() -> str:
    """The mode of the change feed; a module or a test may choose the other."""
    return LATEST_VERSION


@pytest.fixture
def settings(cosmos: CosmosServer, dsn: str, mode: str) -> Mapping[str, str]:
    """The app's settings for the test's own servers; containers, leases and tables are there."""
    return prepare(make_settings(cosmos.connection_string, dsn, mode))


@pytest.fixture
def source(settings: Mapping[str, str]) -> Iterator[Source]:
    """The source database."""
    source = Source.open(settings["COSMOS_CONNECTION"], settings["COSMOS_DATABASE"])
    yield source
    source.close()


@pytest.fixture
def host(settings: Mapping[str, str]) -> Iterator[Part]:
    """The Functions host in a process of its own, with the real function_app.py."""
    with running_host(settings) as part:
        yield part


@contextmanager
def running_host(settings: Mapping[str, str], *options: str, folder: Path = ROOT) -> Iterator[Part]:
    """Run a Functions host with the app of a folder, with a state of its own, until the block ends."""
    with tempfile.TemporaryDirectory() as state:
        part = Part(["local.functions", "--key", "key", "--state", state, *options], settings, folder=folder)
        try:
            yield part
        finally:
            part.stop()


@pytest.fixture
def operator(host: Part) -> Operator:
    """Somebody who works the app over HTTP."""
    return Operator(host.url, "key")


@pytest.fixture
def query(dsn: str) -> Iterator[Query]:
    """A way to ask PostgreSQL."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield lambda text, *parameters: connection.execute(text, parameters).fetchall()


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition; fail with what was waited for.

    What takes long to look at is looked at less often: it takes the processor from what is waited for.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        begun = time.monotonic()
        if condition():
            return
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.05 + 2 * (time.monotonic() - begun))


def read_status(operator: Operator) -> dict[str, Any]:
    """Read the status with its numbers: on a busy machine the first looks may have no time left for them."""
    found: dict[str, Any] = {}

    def has_numbers() -> bool:
        found.update(operator.ask("GET", "status")[1])
        return bool(found["containers"])

    wait_until(has_numbers, "the status has numbers")
    return found


def wait_for_leases(settings: Mapping[str, str]) -> None:
    """Wait until every lease has noted all that was written: rows are there a moment before."""
    runtime = Runtime(Settings.read(settings), MAPPERS, APPLICATION_SQL)

    def is_noted() -> bool:
        lags = runtime.samples.lag.read([each.container for each in runtime.mappers], 5)
        return all(lag.backlog == 0 for lag in lags.values())

    try:
        wait_until(is_noted, "the leases have noted everything")
    finally:
        runtime.close()


def let_age(cosmos: CosmosServer, settings: Mapping[str, str], seconds: float) -> None:
    """Make what was written older; what no lease had noted would make its feed late."""
    wait_for_leases(settings)
    cosmos.controls.clock.advance(seconds)


def is_equal(settings: Mapping[str, str]) -> bool:
    """Tell whether both sides are equal."""
    return not compare_settings(settings).differences


def count_applied(dsn: str) -> int:
    """Count the documents that the ledger holds as applied."""
    with psycopg.connect(dsn) as connection:
        row = connection.execute("select count(*) from cdc.document where state = 'applied'").fetchone()
    assert row is not None
    return int(row[0])
