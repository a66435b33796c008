"""Cut over while writers stop late, documents are deleted, and command, hosts and PostgreSQL are killed at any step."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import psycopg
from azure.core.exceptions import AzureError

from campaigns.mystira import MYSTIRA
from campaigns.planted import Identity
from campaigns.stage import KEY, Stage, compare_keys, running, wait_until
from local.operator import Operator
from local.patience import PATIENCE_SECONDS
from local.sample import DATABASE
from local.sample.values import Document
from local.stack import ROOT, Part

_SETTINGS = {
    "MIGRATION_PHASE": "2",
    "DataMigration__Phase": "2",
    "SETTLE_SECONDS": "1",
    "READINESS_CLEAN_RUNS": "1",
    "READINESS_SETTLE_SECONDS": "0",
    "READINESS_MAX_LAG_SECONDS": "3600",
    "RECONCILE_INTERVAL_SECONDS": "86400",
    "RETRY_MAXIMUM_INTERVAL": "00:00:02",
    "LEASE_RENEW_INTERVAL_MS": "500",
    "LEASE_EXPIRATION_INTERVAL_MS": "1500",
}
_STEPS = ("quiet", "drain", "changes", "rules", "counts", "switch")
_FAULTS = ("kill", "kill", "host", "outage", "stray", "delete", "rehearsal", "second", "abort", "late")
# Why a run may refuse or fail, by what happened: a true reason.
_REASONS = (
    "Cosmos is still written", "Something changes again and again", "Another process has taken this over",
    "checks of readiness fail", "PostgreSQL", "nothing leads back", "Cosmos did not answer",
)  # fmt: skip
_PHASE = "select phase from cdc.phase"
_SWITCHES = "select count(*) from cdc.phase_change where to_phase = 3"
_STEP = "select progress ->> 'step' from cdc.cutover where kind = 'run' and state = 'running'"
_LOOKED = "select count(*) from cdc.watch where looked_at > %s"

Say = Callable[[str], None]


@dataclass(slots=True)
class Result:
    """Count what a campaign did, and keep what was wrong."""

    faults: int = 0
    changes: int = 0
    stray: int = 0
    differences: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.faults} faults, {self.changes} changes, {self.stray} stray writes, "
            f"{len(self.differences)} differences"
        )


def run(seed: int, faults: int, accounts: int) -> int:
    """Print what happens and the sum, and return 1 when anything was wrong."""
    begun = time.monotonic()

    def say(what: str) -> None:
        print(f"cutover {seed}, {time.monotonic() - begun:5.0f} s: {what}", flush=True)

    result = play(seed, faults, accounts, say)
    print(*result.differences[:100], sep="\n")
    print(f"cutover: {result}")
    return 1 if result.differences else 0


def play(seed: int, faults: int, accounts: int, say: Say) -> Result:
    """Play one campaign; what is wrong at its end is in the result."""
    with running(MYSTIRA, **_SETTINGS) as stage:
        campaign = Campaign(stage, seed, accounts, say)
        campaign.prepare()
        campaign.cut_over(faults)
        campaign.go_on()
        return campaign.result


class Campaign:
    """One cut-over, and whoever disturbs it."""

    def __init__(self, stage: Stage, seed: int, accounts: int, say: Say) -> None:
        self.result = Result()
        self._stage, self._say = stage, say
        self._dice = random.Random(seed)
        planter = MYSTIRA.make_planter(seed, f"cutover{seed}")
        self._accounts = [planter.make_hot()[1] for _ in range(accounts)]
        self._environment = {**os.environ, **stage.settings, "POSTGRES_CONNECTION": stage.dsn}

    def prepare(self) -> None:
        """Write everything, copy it, compare it, and rehearse; the first rehearsal is killed."""
        for account in self._accounts:
            self._write(account)
        self._stage.add_host()
        wait_until(self._is_equal, "both sides are equal")
        operator = Operator(self._stage.hosts[0].url, KEY)
        backfill = operator.ask("POST", "backfills", {"unlimited": True})[1]["id"]
        wait_until(lambda: operator.ask("GET", f"backfills/{backfill}")[1]["state"] == "completed", "all is copied")
        self._stage.controls.ask("POST", "clock", advance=10)
        compare_keys(operator)
        self._command("rehearse", "full verification", subprocess.Popen.kill)
        code, told = self._command("rehearse")
        if code:
            self.result.differences.append(f"the rehearsal failed: {told[-300:]}")
        self._say(f"{len(self._accounts)} accounts are there, and rehearsed")

    def cut_over(self, faults: int) -> None:
        """Let the application stop late, and disturb run after run; the last ones are left alone."""
        stopped = threading.Event()
        writer = threading.Thread(target=self._write_until, args=(stopped,))
        writer.start()
        plan = [self._dice.choice(_FAULTS) for _ in range(faults)]
        try:
            for number, fault in enumerate(["late", *plan]):
                step = "quiet" if fault == "late" else self._dice.choice(_STEPS[: None if number == faults else -1])
                self.result.faults += 1
                told = self._disturb(fault, step, stopped, dies=number < faults)
                self._say(f"{fault} at {step}: {told.splitlines()[-1] if told else 'killed'}"[:200])
                self._judge_phase()
                if self._stage.count(_PHASE) == 3:
                    return
        finally:
            self._fence(stopped)
            writer.join()
        for _ in range(4):
            code, told = self._command("run")
            self._judge(code, told)
            if self._stage.count(_PHASE) == 3:
                return
        self.result.differences.append(f"undisturbed, it does not end: {told[-300:]}")

    def _disturb(self, fault: str, step: str, stopped: threading.Event, *, dies: bool) -> str:
        """Run, and let one fault happen when a step begins; if it must die, kill it when the next one begins."""
        happen = {
            "late": lambda _: self._fence(stopped),
            "kill": subprocess.Popen.kill,
            "host": lambda _: self._kill_host(),
            "outage": lambda _: self._cut_off(),
            "stray": lambda _: self._write_stray(),
            "delete": lambda _: self._delete(),
            "rehearsal": lambda _: self._judge(*self._command("rehearse")),
            "second": lambda _: self._command("run", "rules", subprocess.Popen.kill),
            "abort": lambda _: self._command("abort"),
        }[fault]
        code, told = self._command("run", step, happen, dies=dies)
        self._judge(code, told)
        return told

    def _command(
        self,
        name: str,
        step: str = "",
        happen: Callable[["subprocess.Popen[str]"], object] | None = None,
        *,
        dies: bool = False,
    ) -> tuple[int, str]:
        """Run a command to its end; hold it up when it shows a step, and let something happen meanwhile."""
        process = Part.popen(
            [sys.executable, "-m", "cdc", "cutover", name],
            cwd=ROOT, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        overdue = threading.Timer(PATIENCE_SECONDS, process.kill)
        overdue.start()
        told = ""
        with process:
            for line in process.stdout or ():
                told += line
                if happen is not None and f" s  {step}" in line:
                    process.send_signal(signal.SIGSTOP)
                    happen(process)
                    happen = None
                    process.send_signal(signal.SIGCONT)
                elif happen is None and dies and "begins" in line:
                    process.kill()
        overdue.cancel()
        return process.wait(), told

    def _kill_host(self) -> None:
        self._stage.hosts[0].kill()
        self._stage.restart(self._stage.hosts[0])

    def _cut_off(self) -> None:
        self._stage.postgres.kill()
        time.sleep(1)
        self._stage.postgres.start()

    def _fence(self, stopped: threading.Event) -> None:
        """Stop the application, and take its access away."""
        stopped.set()
        self._stage.controls.ask("POST", "refuse-writes", database=DATABASE)

    def _unfenced(self, work: Callable[[], None]) -> None:
        """Write as somebody whom nobody has thought of."""
        self._stage.controls.ask("POST", "allow-writes", database=DATABASE)
        work()
        self._stage.controls.ask("POST", "refuse-writes", database=DATABASE)

    def _write_stray(self) -> None:
        self.result.stray += 1
        self._unfenced(lambda: self._write(self._dice.choice(self._accounts)))

    def _delete(self) -> None:
        """Delete a document that is verified, but not later than the last count: that is what the fence is for."""
        with psycopg.connect(self._stage.dsn) as connection:
            row = connection.execute(_STEP).fetchone()
        if row is not None and row[0] in ("quiet", "drain", "changes", "rules"):
            gone = self._accounts.pop(self._dice.randrange(len(self._accounts)))
            self._unfenced(lambda: self._stage.source.delete("Accounts", gone))

    def _write_until(self, stopped: threading.Event) -> None:
        dice = random.Random(self._dice.random())
        while not stopped.is_set():
            try:
                self._write(dice.choice(self._accounts))
            except AzureError:  # the fence is there
                return
            time.sleep(0.1)

    def _write(self, account: Document) -> None:
        self.result.changes += 1
        account["Role"] = f"Role {self.result.changes}"
        self._stage.source.write("Accounts", account)

    def _judge_phase(self) -> None:
        """One side is authoritative, and the row says which."""
        if self._stage.count(_SWITCHES) != (self._stage.count(_PHASE) == 3):
            self.result.differences.append("phase and history disagree")

    def _judge(self, code: int, told: str) -> None:
        refused = code not in (0, -signal.SIGKILL) and not any(reason in told for reason in _REASONS)
        if refused or "Traceback" in told:
            self.result.differences.append(f"refused without a true reason: {told[-300:]}")

    def _is_equal(self) -> bool:
        return not self._stage.compare().differences

    def go_on(self) -> None:
        """Write both sides after the switch: the application PostgreSQL, and strays Cosmos; then compare everything."""
        if self._stage.count(_PHASE) != 3:
            return
        self._wait_for_watch()
        self.result.differences += self._judge_equal()
        with psycopg.connect(self._stage.dsn) as connection:
            connection.execute("update accounts set display_name = 'by the application'")
        self._stage.controls.ask("POST", "split", database=DATABASE, container="Accounts")
        for _ in range(5):
            self._write_stray()
        self._kill_host()
        wait_until(
            lambda: self._find_forgotten() == self._find_unknown(), "every stray write is an alarm, and no other"
        )
        own = self._stage.count("select count(*) from accounts where display_name <> 'by the application'")
        if own:
            self.result.differences.append(f"{own} rows of the application were overwritten")
        self._judge_phase()
        self._say(f"{len(self._find_forgotten())} documents were written by strays")

    def _wait_for_watch(self) -> None:
        with psycopg.connect(self._stage.dsn, autocommit=True) as connection:
            (now,) = connection.execute("select now()").fetchone() or (None,)
            wanted = connection.execute("select count(*) from cdc.watch").fetchone()
            wait_until(lambda: connection.execute(_LOOKED, [now]).fetchone() == wanted, "the watch has looked")

    def _judge_equal(self) -> Iterator[str]:
        """Compare both sides at the switch; what came after the places of the watch is an alarm instead."""
        forgotten = {key for _, key in self._find_forgotten()}
        for each in self._stage.compare().differences:
            if not any(f'"{each.id}"' in key for key in forgotten):
                yield f"after the switch: {each}"
        if self._find_forgotten() != self._find_unknown():
            yield "the watch does not know what the ledger lacks"

    def _find_unknown(self) -> set[Identity]:
        """Return the documents of Cosmos whose version the ledger does not have."""
        with psycopg.connect(self._stage.dsn) as connection:
            held = {etag for (etag,) in connection.execute("select etag from cdc.document")}
        return {
            MYSTIRA.identify(container, document)
            for container in MYSTIRA.partition_keys
            for document in self._stage.source.containers[container].read_all_items()
            if document["_etag"] not in held
        }

    def _find_forgotten(self) -> set[Identity]:
        with psycopg.connect(self._stage.dsn) as connection:
            found = connection.execute("select container, partition_key, id from cdc.forgotten_write").fetchall()
        return {(container, f"[{key}, {id_}]") for container, key, id_ in found}
