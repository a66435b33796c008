"""Phase 3, in the settings or recorded: nothing is written, nothing is consumed, and it is loudly said."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from local.operator import Operator
from local.sample import Sample, Source
from local.stack import Part
from tests.commands import run_command
from tests.e2e.conftest import Query, is_equal, running_host, wait_until
from tests.e2e.test_crashes import _continuations as read_continuations

EVERYTHING = "select count(*), max(ts), (select count(*) from accounts) from cdc.document"


@contextmanager
def logged_host(settings: Mapping[str, str]) -> Iterator[tuple[Part, Path]]:
    """Run a Functions host, and write what it says to a file."""
    with tempfile.TemporaryDirectory() as state:
        path = Path(state) / "log"
        log: IO[bytes]
        with path.open("wb") as log:
            part = Part(["local.functions", "--key", "key", "--state", f"{state}/durable"], settings, log)
            try:
                yield part, path
            finally:
                part.stop()


def write(source: Source, sample: Sample) -> None:
    """Change the source."""
    for document in sample.create(12):
        source.write(*document)


def test_phase_3_in_the_settings_alone_keeps_every_change_waiting(
    settings: Mapping[str, str], source: Source, query: Query
) -> None:
    """The recorded phase is 1: nothing is written or consumed, and back in phase 1 the change arrives."""
    sample = Sample(seed=5)
    write(source, sample)
    with running_host(settings):
        wait_until(lambda: is_equal(settings), "both sides are equal")
    write(source, sample)
    before = query(EVERYTHING), read_continuations(settings)
    third = {**settings, "MIGRATION_PHASE": "3", "DataMigration__Phase": "3"}
    sentence = "MIGRATION_PHASE is 3 (postgres_only), but the recorded phase is 1 (dual_write_cosmos_read)"

    with logged_host(third) as (host, log):
        operator = Operator(host.url, "key")
        status, ready = operator.ask("GET", "health/ready")
        assert (status, [each["field"] for each in ready["errors"]]) == (503, ["phase_mismatch"])
        assert ready["errors"][0]["message"].startswith(sentence)
        (problem,) = operator.ask("GET", "status")[1]["problems"]
        assert (problem["code"], problem["message"].startswith(sentence)) == ("phase_mismatch", True)
        assert operator.ask("GET", "phase")[1]["recorded"] == "dual_write_cosmos_read"
        assert operator.ask("POST", "backfills", {"unlimited": True})[0] == 409
        checked = run_command("check", settings=third)
        assert checked.returncode == 1
        assert f"FAIL  phase: {sentence}" in checked.stdout
        assert "MIGRATION_PHASE is 3 (postgres_only): this app reads no change feed" in log.read_text()
    assert (query(EVERYTHING), read_continuations(settings)) == before

    with running_host(settings):
        wait_until(lambda: is_equal(settings), "what waited has arrived")


def test_phase_3_that_is_recorded_stops_an_instance_that_believes_in_phase_1(
    settings: Mapping[str, str], source: Source, query: Query
) -> None:
    """It writes nothing and keeps its place, says so, and asks for the setting."""
    sample = Sample(seed=6)
    write(source, sample)
    with logged_host(settings) as (host, log):
        operator = Operator(host.url, "key")
        wait_until(lambda: is_equal(settings), "both sides are equal")
        account = query("select id from accounts limit 1")[0][0]
        query("update cdc.phase set phase = 3 returning phase")
        before = query(EVERYTHING)

        write(source, sample)

        wait_until(lambda: "Phase 3 is recorded, so this app writes nothing" in log.read_text(), "a batch is refused")
        status, ready = operator.ask("GET", "health/ready")
        assert status == 503
        assert ready["errors"][0]["message"].endswith("set MIGRATION_PHASE to 3, or stop this app.")
        for path, body in (
            ("documents/Accounts/resync", {"id": account, "partition_key": account}),
            ("backfills", {"unlimited": True}),
            ("reconciliations", {}),
        ):
            status, problem = operator.ask("POST", path, body)
            assert (path, status) == (path, 409)
            assert problem["detail"].startswith("Phase 3 is recorded")
        assert query(EVERYTHING) == before
    assert run_command("phase", "1", "--override", "back", settings=settings).returncode == 1
    query("update cdc.phase set phase = 1 returning phase")  # a rehearsal that is taken back

    with running_host(settings):
        wait_until(lambda: is_equal(settings), "what was refused has arrived")
