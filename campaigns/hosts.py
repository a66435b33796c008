"""Kill or stop one of two hosts that share a container under steady writes, some paused, and check what arrived."""

import fcntl
import functools
import json
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from azure.cosmos import CosmosClient, PartitionKey

from campaigns.application import Application, Steady
from campaigns.mystira import MYSTIRA
from campaigns.stage import StuckError, explaining, wait_until
from local.cosmos import CosmosServer
from local.sample.source import make_partition_key
from local.stack import Part

PARTITIONS = 4
DOCUMENTS = 30
WRITE_SECONDS = 2.5
PAUSE_SECONDS = 0.006
EXPIRATION_SECONDS = 0.9
ACQUIRE_SECONDS = 0.1
# What this machine may add to the expiration when it is busy.
SLACK_SECONDS = 2.0
NAMES = ("first", "second")
HOST_JSON = {"version": "2.0", "extensions": {"cosmosDB": {"serializerSettings": {"dateParseHandling": "None"}}}}
APP = f"""
import fcntl, json, os, random, time
import azure.functions as func
app = func.FunctionApp()

@app.cosmos_db_trigger(arg_name="documents", connection="COSMOS", database_name="db", container_name="things",
                       lease_container_name="leases", feed_poll_delay=20, start_from_beginning=True,
                       max_items_per_invocation=10, lease_acquire_interval={ACQUIRE_SECONDS * 1000:.0f},
                       lease_renew_interval=200, lease_expiration_interval={EXPIRATION_SECONDS * 1000:.0f})
@app.retry(strategy="fixed_delay", max_retry_count="-1", delay_interval="00:00:00")
def feed(documents: func.DocumentList) -> None:
    versions = [[document["id"], document["number"], document["_lsn"]] for document in documents]
    with open(os.environ["GATE"], "rb") as gate:
        fcntl.flock(gate, fcntl.LOCK_SH)
        paused = gate.read()
        if not paused:
            note("began", versions)
            time.sleep(random.uniform(0, 0.03))
            note("ended", versions)
    if paused:
        time.sleep(0.02)
        raise RuntimeError("paused")

def note(what, versions):
    line = json.dumps([os.environ["HOST_NAME"], what, versions]) + chr(10)
    descriptor = os.open(os.environ["NOTES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, line.encode())
    os.close(descriptor)
"""


@dataclass(slots=True)
class Result:
    """Count what a campaign did, and keep what was wrong."""

    faults: int = 0
    pauses: int = 0
    changes: int = 0
    differences: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.faults} faults, {self.pauses} pauses, {self.changes} changes, 0 parked, "
            f"{len(self.differences)} differences"
        )


@dataclass(frozen=True, slots=True)
class Delivery:
    """Hold one version of a document that one invocation was given."""

    host: str
    ended: bool
    document: str
    number: int
    lsn: int


class Cosmos:
    """Hold the server, its container and its leases, and write to it steadily."""

    def __init__(self, server: CosmosServer, client: CosmosClient, steady: Steady) -> None:
        self.server, self._make = server, steady.make
        database = client.create_database("db")
        self.container = database.create_container("things", make_partition_key(steady.partition_key))
        self._leases = database.create_container("leases", PartitionKey("/id"), default_ttl=-1)
        self.written: dict[str, int] = {}
        self.changes = 0

    def write(self, dice: random.Random, seconds: float) -> None:
        """Create documents and change them for a while."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            document = f"thing-{dice.randrange(DOCUMENTS)}" if dice.random() < 0.7 else f"new-{self.changes}"
            number = self.written.get(document, 0) + 1
            self.container.upsert_item(self._make(document) | {"number": number})
            self.written[document] = number
            self.changes += 1
            time.sleep(dice.uniform(0, 2 * PAUSE_SECONDS))

    def leases(self) -> list[dict[str, Any]]:
        """Read all leases."""
        return [dict(lease) for lease in self._leases.read_all_items() if "LeaseToken" in lease]

    def documents_by_range(self) -> dict[str, set[str]]:
        """Return which documents each feed range has, by where it begins."""
        return {
            found["Range"]["min"]: {
                document["id"] for document in self.container.query_items("select c.id from c", feed_range=found)
            }
            for found in self.container.read_feed_ranges()
        }

    def owners(self) -> list[str]:
        """Return the owner of each lease that has one."""
        return [lease["Owner"] for lease in self.leases() if lease["Owner"]]


@dataclass(frozen=True, slots=True)
class Pair:
    """Hold two running hosts that share the leases of a container."""

    cosmos: Cosmos
    hosts: dict[str, Part]
    owners: dict[str, str]
    notes: Path
    gate: Path

    def pause(self) -> None:
        """Let every function fail from now on; return when none runs that had begun before."""
        self._write_gate(b"paused")

    def resume(self) -> None:
        """Let functions succeed again."""
        self._write_gate(b"")

    def _write_gate(self, content: bytes) -> None:
        with self.gate.open("r+b") as gate:
            fcntl.flock(gate, fcntl.LOCK_EX)
            gate.truncate(0)
            gate.write(content)

    def deliveries(self) -> list[Delivery]:
        """Read what the functions noted so far, in order."""
        lines = self.notes.read_text().splitlines() if self.notes.exists() else []
        noted = (json.loads(line) for line in lines)
        return [Delivery(host, what == "ended", *version) for host, what, versions in noted for version in versions]


def run(seed: int, rounds: int, application: Application) -> int:
    """Print one line a round and the sum, and return 1 when anything was wrong."""
    result = Result()
    for number in range(rounds):
        before = len(result.differences)
        try:
            play(f"{seed}/{number}", result, stops=number % 2 == 1, application=application)
        except StuckError as error:
            result.differences.append(str(error))
        print(f"hosts {seed}/{number}: {result}", *result.differences[before:], sep="\n  ", flush=True)
    print(f"hosts: {result}")
    return 1 if result.differences else 0


def play(seed: str, result: Result, *, stops: bool, application: Application = MYSTIRA) -> None:
    """Play one round: share the leases, write, kill one host at a random moment, maybe in a pause, wait, compare.

    One that is stopped instead goes on when the other one has its leases.
    """
    dice = random.Random(seed)
    with _running(application) as pair:
        cosmos = pair.cosmos
        writer = threading.Thread(target=cosmos.write, args=(random.Random(seed), WRITE_SECONDS))
        writer.start()
        time.sleep(dice.uniform(0.1, WRITE_SECONDS))
        victim, pauses = dice.choice(NAMES), dice.random() < 0.5
        if pauses:
            pair.pause()
        at_pause = len(pair.deliveries())
        (pair.hosts[victim].pause if stops else pair.hosts[victim].kill)()
        killed = time.monotonic()
        before = len(pair.deliveries())
        left = [lease for lease in cosmos.leases() if lease["Owner"] == pair.owners[victim]]
        wait_until(lambda: pair.owners[victim] not in cosmos.owners(), "the leases are taken over")
        seconds = time.monotonic() - killed
        if stops:
            pair.hosts[victim].go_on()
        writer.join()
        if pauses:
            result.pauses += 1
            result.differences += find_consumed(pair.deliveries()[at_pause:])
            pair.resume()
        with suppress(StuckError):
            wait_until(lambda: not find_missing(cosmos.written, pair.deliveries()), "everything is delivered")
        result.faults += 1
        result.changes += cosmos.changes
        result.differences += [
            *_check_takeover(seconds),
            *find_missing(cosmos.written, pair.deliveries()),
            *find_disorder(leave_out_late(pair.deliveries(), victim, before)),
            *find_early_restarts(left, cosmos.documents_by_range(), pair.deliveries()[before:]),
        ]


def find_missing(written: dict[str, int], deliveries: list[Delivery]) -> list[str]:
    """Name the documents whose newest version no invocation got to its end with."""
    delivered = {(each.document, each.number) for each in deliveries if each.ended}
    return [
        f"{document} {number} was not delivered"
        for document, number in written.items()
        if (document, number) not in delivered
    ]


def find_consumed(deliveries: list[Delivery]) -> list[str]:
    """Name what was taken while everything was paused."""
    return [f"{each.document} {each.number} was taken in the pause" for each in deliveries]


def leave_out_late(deliveries: list[Delivery], victim: str, before: int) -> list[Delivery]:
    """Leave out what a host delivers after it stood still: it read these versions before the other host took over."""
    return [each for place, each in enumerate(deliveries) if place < before or each.host != victim]


def find_disorder(deliveries: list[Delivery]) -> list[str]:
    """Name the versions that were delivered for the first time after a later version of their document."""
    newest: dict[str, int] = {}
    seen: set[tuple[str, int]] = set()
    found = []
    for each in deliveries:
        if (each.document, each.lsn) not in seen and each.lsn < newest.get(each.document, 0):
            found.append(f"{each.document} at {each.lsn} was first delivered after {newest[each.document]}")
        seen.add((each.document, each.lsn))
        newest[each.document] = max(each.lsn, newest.get(each.document, 0))
    return found


def find_early_restarts(
    left: list[dict[str, Any]], documents: dict[str, set[str]], deliveries: list[Delivery]
) -> list[str]:
    """Name what came again after the kill although the killed host had checkpointed it."""
    found = []
    for lease in left:
        checkpoint = int((lease["ContinuationToken"] or "0").strip('"'))
        mine = documents[lease["FeedRange"]["Range"]["min"]]
        found += [
            f"{each.document} at {each.lsn} came again after the checkpoint {checkpoint}"
            for each in deliveries
            if each.document in mine and each.lsn <= checkpoint
        ]
    return found


def _check_takeover(seconds: float) -> list[str]:
    limit = EXPIRATION_SECONDS + ACQUIRE_SECONDS + SLACK_SECONDS
    return [] if seconds <= limit else [f"the takeover took {seconds:.2f} s instead of {limit:.2f} s"]


@contextmanager
def _running(application: Application) -> Iterator[Pair]:
    with (
        tempfile.TemporaryDirectory() as folder,
        CosmosServer(physical_partitions=PARTITIONS) as server,
        CosmosClient.from_connection_string(server.connection_string) as client,
        ExitStack() as ends,
    ):
        root = Path(folder)
        root.joinpath("function_app.py").write_text(APP)
        root.joinpath("gate").touch()
        root.joinpath("host.json").write_text(json.dumps(HOST_JSON))
        cosmos, hosts = Cosmos(server, client, application.steady), {}
        owners: dict[str, str] = {}
        log = ends.enter_context(root.joinpath("log.txt").open("a+b"))
        ends.enter_context(explaining(log))
        for count, name in enumerate(NAMES, 1):
            environment = {"COSMOS": server.connection_string, "HOST_NAME": name}
            environment |= {"NOTES": str(root / "notes.jsonl"), "GATE": str(root / "gate")}
            hosts[name] = Part(["local.functions", "--root", str(root), "--key", "key"], environment, log)
            ends.callback(hosts[name].stop)
            wait_until(functools.partial(_is_shared, cosmos, count), "the leases are shared")
            owners[name] = next(iter(set(cosmos.owners()) - set(owners.values())))
        yield Pair(cosmos, hosts, owners, root / "notes.jsonl", root / "gate")


def _is_shared(cosmos: Cosmos, hosts: int) -> bool:
    return sorted(Counter(cosmos.owners()).values()) == [PARTITIONS // hosts] * hosts
