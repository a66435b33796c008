"""The one timer in the real host: two hosts at once, and a part that fails."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest

from local.stack import Part
from tests.e2e.conftest import Query, wait_until

INTERVAL_SECONDS = 2


@pytest.fixture
def hosts(settings: Mapping[str, str]) -> Iterator[Callable[[], str]]:
    """Two hosts that both run the timer, as for a moment in a deployment; return what they log."""
    often = {**settings, "RECONCILE_INTERVAL_SECONDS": str(INTERVAL_SECONDS)}
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w+b") as log:
        parts = [Part(["local.functions", "--key", "key", "--state", f"{folder}/{n}"], often, log) for n in range(2)]
        try:
            yield lambda: (Path(folder) / "log").read_text(encoding="utf-8")
        finally:
            for part in parts:
                part.stop()


def test_two_hosts_do_each_part_once_and_one_that_fails_stops_no_other(
    hosts: Callable[[], str], query: Query, dsn: str
) -> None:
    """The failure is logged with the name of its part, and the timer fails."""

    def count() -> int:
        return int(query("select count(distinct id) from cdc.reconciliation")[0][0])

    wait_until(lambda: count() >= 3, "three reconciles have begun")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("alter table cdc.dead_letter rename to lost")
    before = count()
    wait_until(lambda: "maintain: dead letters failed" in hosts(), "the failure is logged")
    wait_until(lambda: count() > before + 1, "reconciles go on")

    assert "python -m cdc migrate" in hosts()
    begun = query("select min(extract(epoch from started_at)) from cdc.reconciliation group by id order by id")
    assert all(later - earlier >= INTERVAL_SECONDS for (earlier,), (later,) in pairwise(begun))
