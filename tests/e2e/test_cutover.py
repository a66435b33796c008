"""The cut-over on the running stack: rehearsed, refused, run while the host lives, and watched afterwards."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping

import pytest

from local.cosmos import CosmosServer
from local.operator import Operator
from local.sample import Sample, Source
from local.stack import ROOT
from tests.builders import an_account
from tests.commands import run_command
from tests.e2e.conftest import Query, is_equal, let_age, read_status, running_host, wait_until

EASY = {
    "READINESS_CLEAN_RUNS": "1",
    "READINESS_SETTLE_SECONDS": "0",
    "RECONCILE_INTERVAL_SECONDS": "86400",
    "SETTLE_SECONDS": "1",
    "MIGRATION_PHASE": "2",
    "DataMigration__Phase": "2",
}
FORECAST = re.compile(r"the pause of writing will take about ([\d.]+) s")
PAUSE = re.compile(r"the pause took ([\d.]+) s")


@pytest.fixture
def settings(settings: Mapping[str, str]) -> Mapping[str, str]:
    """The app's settings in phase 2, soon ready for the next one."""
    return {**settings, **EASY}


class Owner:
    """Whoever migrates, at the command line."""

    def __init__(self, settings: Mapping[str, str], dsn: str) -> None:
        self._settings = {**settings, "POSTGRES_CONNECTION": dsn}

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run a command, and return what it prints."""
        done = run_command(*arguments, settings=self._settings)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start a command in a process of its own, and return it."""
        return subprocess.Popen(
            [sys.executable, "-m", "cdc", *arguments],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], **self._settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


def find_cutover(operator: Operator) -> list[str]:
    """Return the codes by which status tells of a run."""
    codes = [each["code"] for each in read_status(operator)["problems"]]
    return [code for code in codes if code.startswith("cutover_")]


def make_ready(operator: Operator, cosmos: CosmosServer, settings: Mapping[str, str]) -> None:
    """Copy everything, and compare all keys."""
    backfill = operator.ask("POST", "backfills", {"unlimited": True})[1]["id"]
    wait_until(lambda: operator.ask("GET", f"backfills/{backfill}")[1]["state"] == "completed", "all is copied")
    let_age(cosmos, settings, 10)
    reconcile = operator.ask("POST", "reconciliations", {"mode": "keys"})[1]["id"]
    wait_until(
        lambda: operator.ask("GET", f"reconciliations/{reconcile}")[1]["state"] == "completed", "all is compared"
    )


def test_a_cut_over_from_the_rehearsal_to_the_watch(
    settings: Mapping[str, str], source: Source, query: Query, cosmos: CosmosServer, dsn: str
) -> None:
    """A delete that no feed reports is repaired in the pause; a write after the switch is an alarm, never a row.

    The commands are those of docs/cut-over.md.
    """
    owner, sample = Owner(settings, dsn), Sample(seed=23)
    for container, document in sample.create(30):
        source.write(container, document)
    source.write("Accounts", an_account("gone", Email="gone@example.com"))
    with running_host(settings) as host:
        operator = Operator(host.url, "key")
        wait_until(lambda: is_equal(settings), "both sides are equal")
        assert "from phase 2 to 3, but phase 1" in owner.run("cutover", "run", code=1)
        owner.run("phase", "2", "--override", "a test")
        assert "Nothing was rehearsed yet" in owner.run("cutover", "run", code=1)
        make_ready(operator, cosmos, settings)

        assert "FAIL" not in owner.run("cutover", "check")
        assert "FAIL" not in owner.run("readiness", "--to", "3")
        forecast = FORECAST.search(owner.run("cutover", "rehearse"))
        assert forecast is not None

        source.delete("Accounts", an_account("gone"))
        with owner.start("cutover", "run") as process:
            assert process.stdout is not None
            while "  quiet " not in process.stdout.readline():
                assert process.poll() is None
            process.send_signal(signal.SIGSTOP)  # so that it is not over before it is looked at
            assert find_cutover(operator) == ["cutover_running"]
            process.send_signal(signal.SIGINT)
            process.send_signal(signal.SIGCONT)
            rest = process.stdout.read()
        assert (process.returncode, "Traceback" in rest) == (130, False), rest
        wait_until(lambda: find_cutover(operator) == ["cutover_unfinished"], "status says that it was interrupted")
        told = owner.run("cutover", "run")
        pause = PAUSE.search(told)
        assert "a reconcile repairs them" in told
        assert pause is not None
        assert query("select id from accounts where id = 'gone'") == []
        assert "nothing leads back" in owner.run("cutover", "abort", code=1)
        assert operator.ask("GET", "health/ready")[0] == 503  # until its setting is 3, too

    third = {**settings, "MIGRATION_PHASE": "3", "DataMigration__Phase": "3"}
    owner = Owner(third, dsn)
    with running_host(third) as host:
        operator = Operator(host.url, "key")
        wait_until(lambda: operator.ask("GET", "health/ready")[0] == 200, "phase 3 is ready")
        before = query("select * from accounts order by id")
        source.write("Accounts", an_account("stray", Email="stray@example.com"))

        wait_until(lambda: operator.ask("GET", "health/ready")[0] == 503, "the stray write is an alarm")

        assert query("select * from accounts order by id") == before
        assert "Documents of Accounts that were written to Cosmos since the cut-over: 1, " in owner.run("check", code=1)
        assert operator.ask("GET", "status")[1]["problems"][0]["code"] == "forgotten_write"
        assert 'id "stray"' in owner.run("cutover", "status", "--identities")
        assert "stray" not in owner.run("cutover", "status")
        assert owner.run("cutover", "accept") == "accepted 1 documents\n"
        wait_until(lambda: operator.ask("GET", "health/ready")[0] == 200, "the alarm is over")


def test_a_rule_that_rows_break_is_named_with_them(settings: Mapping[str, str], query: Query, dsn: str) -> None:
    """By fingerprint; by name only for whoever asks. Nothing is switched, and abort says what stands."""
    owner = Owner(settings, dsn)
    owner.run("phase", "2", "--override", "a test")
    for id_ in ("a", "b"):
        query("insert into accounts (id, email) values (%s, 'x') returning id", id_)

    told = owner.run("cutover", "rehearse", code=1)

    assert "The rule ix_accounts_email fails: (email) is unique in public.accounts, but 2 rows break it" in told
    assert "no run is unfinished" in owner.run("cutover", "abort")
    assert "it stopped" not in owner.run("cutover", "status")
