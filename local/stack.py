"""Start every part of the system on this machine: PostgreSQL, the Cosmos server, the Functions host."""

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from local import roles
from local.cosmos.auth import EMULATOR_KEY
from local.freezing import freeze
from local.oracle.compare import Comparison, compare_settings
from local.patience import PATIENCE_SECONDS
from local.postgres import Postgres
from local.sample import DATABASE, PARTITION_KEYS, Source

ROOT = Path(__file__).parent.parent
LATEST_VERSION, ALL_VERSIONS = "latest_version", "all_versions_and_deletes"


class StackError(Exception):
    """A part of the stack did not start; the message is what the part said."""


class Part:
    """A part of the stack in a process of its own, which ends with this one; `url` is where it listens."""

    popen = subprocess.Popen  # tests have a cheaper one

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: IO[bytes] | None = None,
        *,
        python: str = sys.executable,
        folder: Path = ROOT,
    ) -> None:
        self._command = [python, "-m", *command, "--port", "0", "--with-parent"]
        self._environment = {**os.environ, **environment}
        self._folder, self._log = folder, log
        self.start()

    def start(self) -> None:
        """Start it, again after it was stopped or killed, and wait until it listens."""
        self._process = self.popen(
            self._command,
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,  # Ctrl-C is for this process: it ends the parts in order
        )
        self.url = self._read_url(self._process)

    @property
    def pid(self) -> int:
        """Return the id of its process."""
        return self._process.pid

    def kill(self) -> None:
        """End it with SIGKILL, as a crash would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to end, and wait."""
        self._end(signal.SIGTERM)

    def restart(self, **settings: str) -> None:
        """Stop it, and start it with other settings where it was."""
        self.stop()
        self._environment |= settings
        self._command[self._command.index("--port") + 1] = self.url.rstrip("/").rpartition(":")[2]
        self.start()

    def pause(self) -> None:
        """Hold it up, as a machine that is starved would."""
        freeze(self.pid)

    def go_on(self) -> None:
        """Let it go on where it was held up."""
        self._process.send_signal(signal.SIGCONT)

    def _read_url(self, process: subprocess.Popen[bytes]) -> str:
        overdue = threading.Timer(PATIENCE_SECONDS, process.kill)
        overdue.start()
        try:
            for line in process.stdout or ():
                if match := re.search(r"http://\S+", line.decode()):
                    return match[0]
        finally:
            overdue.cancel()
        self._end(signal.SIGKILL)
        raise StackError(f"{self._command[2]} did not start.{_tail(self._log)}")

    def _end(self, how: signal.Signals) -> None:
        self._process.send_signal(how)
        try:
            self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()


def shorten(path: str) -> str:
    """Return a path as it is written most briefly from this folder."""
    return min(path, os.path.relpath(path), key=len)


@dataclass(frozen=True)
class Stack:
    """The running parts, the settings that the app runs with, and the address of PostgreSQL's administrator."""

    settings: Mapping[str, str]
    administrator: str
    cosmos: Part
    functions: Part
    functions_key: str
    psql: str
    containers: Mapping[str, str]

    def describe(self) -> dict[str, dict[str, str]]:
        """Return the addresses and keys, in the shape that `python -m local up --json` prints."""
        database = self.settings["COSMOS_DATABASE"]
        return {
            "cosmos": {"endpoint": self.cosmos.url, "key": EMULATOR_KEY, "database": database},
            "functions": {"url": self.functions.url, "key": self.functions_key},
            "postgres": {"dsn": self.administrator},
        }

    @property
    def psql_command(self) -> str:
        """Return what somebody types, in this folder, to ask the database something."""
        return f'{shorten(self.psql)} "{self.administrator}" -P pager=off'

    def open_source(self) -> Source:
        """Connect to the source database."""
        return Source.open(self.settings["COSMOS_CONNECTION"], self.settings["COSMOS_DATABASE"], self.containers)

    def compare(self) -> Comparison:
        """Compare both sides."""
        return compare_settings(self.settings)


@contextmanager
def running(
    *,
    physical_partitions: int = 2,
    log: IO[bytes] | None = None,
    mode: str = LATEST_VERSION,
    preload: Callable[[Source], None] | None = None,
    containers: Mapping[str, str] = PARTITION_KEYS,
    extra: Sequence[str] = (),
    app: Path = ROOT,
) -> Iterator[Stack]:
    """Run everything until the block ends, in one of the change feed's modes.

    `app` is the app's folder, `containers` the source containers with their partition keys, `extra` EXTRA_CONTAINERS.
    What `preload` writes is there before the app starts: the live feed begins after it. POSTGRES_CONNECTION may name
    the server, which gets a database for the time. Must be entered from a thread that outlives the block.
    """
    with ExitStack() as ends:
        dsn, psql = _start_postgres(ends)
        cosmos = Part(["local.cosmos", "--physical-partitions", str(physical_partitions)], {}, log)
        ends.callback(cosmos.stop)
        made = make_settings(f"AccountEndpoint={cosmos.url};AccountKey={EMULATOR_KEY};", dsn, mode)
        settings = prepare(made | {"EXTRA_CONTAINERS": ",".join(extra)}, log, folder=app, containers=containers)
        if preload is not None:
            settings["CHANGE_FEED_START"] = _preload(settings, preload, containers)
        key = secrets.token_urlsafe(16)
        state = ends.enter_context(tempfile.TemporaryDirectory(prefix="durable-"))
        functions = Part(["local.functions", f"--key={key}", "--state", state], settings, log, folder=app)
        ends.callback(functions.stop)
        yield Stack(settings, dsn, cosmos, functions, key, psql, containers)


def _preload(settings: Mapping[str, str], preload: Callable[[Source], None], containers: Mapping[str, str]) -> str:
    """Write what is to be there before; return when the live feed begins, which is in whole seconds."""
    source = Source.open(settings["COSMOS_CONNECTION"], settings["COSMOS_DATABASE"], containers)
    preload(source)
    source.close()
    start = int(time.time()) + 1
    while time.time() < start:
        time.sleep(0.05)
    return datetime.fromtimestamp(start, UTC).isoformat()


def _start_postgres(ends: ExitStack) -> tuple[str, str]:
    if connection := os.environ.get("POSTGRES_CONNECTION"):
        return ends.enter_context(_own_database(connection)), "psql"
    server = ends.enter_context(Postgres())
    return server.dsn(), str(server.bin / "psql")


@contextmanager
def _own_database(connection: str) -> Iterator[str]:
    name = f"mystira_cdc_{secrets.token_hex(4)}"
    try:
        with psycopg.connect(connection, autocommit=True, connect_timeout=10) as server:
            server.execute(SQL("create database {}").format(Identifier(name)))
    except psycopg.Error as error:
        raise StackError(f"No database can be created with POSTGRES_CONNECTION: {str(error).strip()}") from None
    print(f"Using the server of POSTGRES_CONNECTION, in a new database {name}, dropped at the end.", file=sys.stderr)
    try:
        yield make_conninfo(connection, dbname=name)
    finally:
        with psycopg.connect(connection, autocommit=True, connect_timeout=10) as server:
            server.execute(SQL("drop database {} with (force)").format(Identifier(name)))
            roles.drop(server, name)


def make_settings(cosmos_connection: str, dsn: str, mode: str = LATEST_VERSION) -> dict[str, str]:
    """Return the app's settings, with delays that suit somebody who watches.

    Every setting there is: none is left to the environment or to a local.settings.json.
    """
    example = json.loads((ROOT / "local.settings.example.json").read_text(encoding="utf-8"))["Values"]
    return {
        **example,
        "DataMigration__Phase": example["MIGRATION_PHASE"],
        "COSMOS_CONNECTION": cosmos_connection,
        "COSMOS_DATABASE": DATABASE,
        "LEASE_DATABASE": "MystiraCdc",
        "LEASE_CONTAINER": "leases",
        "LEASE_PREFIX": "local",
        "POSTGRES_CONNECTION": dsn,
        "CHANGE_FEED_START": "beginning",
        "FEED_POLL_DELAY_MS": "400",
        "LEASE_ACQUIRE_INTERVAL_MS": "1000",
        "LEASE_RENEW_INTERVAL_MS": "1500",
        "LEASE_EXPIRATION_INTERVAL_MS": "4000",
        "CHANGE_FEED_MODE": mode,
        "SETTLE_SECONDS": "3",
        "MAINTAIN_SCHEDULE": "* * * * * *",
        "DEAD_LETTER_BACKOFF_SECONDS": "1",
        "BACKFILL_ACTIVITY_SECONDS": "2",
        "BACKFILL_RETRY_SECONDS": "0.5",
    }


def prepare(
    settings: Mapping[str, str],
    log: IO[bytes] | None = None,
    *,
    folder: Path = ROOT,
    containers: Mapping[str, str] = PARTITION_KEYS,
    set_up: Callable[[Mapping[str, str]], int] | None = None,
) -> dict[str, str]:
    """Create the source containers, the roles, the lease container and the tables, all as docs/deploying.md says.

    `folder` is the app's; `containers` are the source containers with their partition keys.
    POSTGRES_CONNECTION is the administrator's. Returns the settings with the login of the app, and with that of the
    comparison beside it. `set_up` does what `python -m cdc setup` does with settings, where that needs no process.
    """
    all_versions = settings["CHANGE_FEED_MODE"] == ALL_VERSIONS
    Source.open(
        settings["COSMOS_CONNECTION"], settings["COSMOS_DATABASE"], containers, all_versions=all_versions
    ).close()
    logins = _create_roles(settings["POSTGRES_CONNECTION"], folder)
    owners = {**settings, "POSTGRES_CONNECTION": logins.owner}
    if (_set_up(owners, log, folder) if set_up is None else set_up(owners)) != 0:
        raise StackError(f"python -m cdc setup failed.{_tail(log)}")
    roles.grant(logins, folder)
    return {**settings, "POSTGRES_CONNECTION": logins.writer, "COMPARE_CONNECTION": logins.reader}


def _set_up(settings: Mapping[str, str], log: IO[bytes] | None, folder: Path) -> int:
    command = [sys.executable, "-m", "cdc", "setup"]
    return subprocess.call(command, cwd=folder, env=os.environ | settings, stdout=subprocess.DEVNULL, stderr=log)


def _create_roles(administrator: str, folder: Path) -> roles.Logins:
    try:
        return roles.create(administrator, folder)
    except psycopg.Error as error:
        raise StackError(f"No roles can be created with POSTGRES_CONNECTION: {str(error).strip()}") from None


def _tail(log: IO[bytes] | None) -> str:
    if log is None:
        return " Its own messages are above."
    log.seek(0)
    return "".join(f"\n  {line}" for line in log.read().decode(errors="replace").splitlines()[-10:])
