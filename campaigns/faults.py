"""What goes wrong in a campaign, and when."""

import random
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from azure.core.exceptions import AzureError
from psycopg.sql import SQL, Identifier

from campaigns import pauses
from campaigns.stage import KEY, Stage, wait_until
from campaigns.writer import Ledger
from local.freezing import frozen, frozen_postgres
from local.operator import Operator
from local.sample.values import Document

if TYPE_CHECKING:
    from collections.abc import Callable


# How long a host keeps its leases without renewing them.
EXPIRATION_SECONDS = 1.5
_FOREVER = 10**9
_STILL = ["still Cosmos", "still PostgreSQL"]
# The local host never follows a lease that it has taken without an answer: such writes are dropped unexecuted.
_LEASE, _NO_LEASE = "/colls/leases/", "^(?!.*/colls/leases/)"
# Its feeds wait for each other between their look at the ledger and their write.
_STARVED = {"POSTGRES_POOL_SIZE": "1"}
_BLOCKED = "select coalesce(min(pid), 0) from pg_stat_activity where %s = any(pg_blocking_pids(pid))"
_HELD = SQL("select from {} where id = %s")
_LOCK = SQL("select from {} where id = %s for update")
_ALIVE = "select count(*) from pg_stat_activity where pid = %s"


@dataclass(frozen=True, slots=True)
class Scale:
    """How much a campaign does."""

    changes: int
    kills: int
    outages: int
    outage_seconds: float
    deadlocks: int
    freezes: int
    splits: int
    merges: int
    pauses: int
    stills: int
    pace: float
    stall_seconds: float = 2
    still_seconds: float = 15
    share: float = 1 / 3

    @property
    def faults(self) -> int:
        """Count what goes wrong, beside single requests."""
        alone = self.kills + self.outages + self.deadlocks + self.freezes + self.splits + self.merges + self.pauses
        return alone + len(_STILL) * self.stills

    def plan(self, dice: random.Random) -> list[tuple[int, str]]:
        """Return the faults, each with the number of changes after which it happens.

        At first two hosts read everything, each with leases of its own; then two share the leases; then there is one,
        because what is lost while two read everything is found by the other one.
        """
        names = ["kill"] * self.kills + ["outage"] * self.outages
        names += ["deadlock"] * self.deadlocks + ["split"] * self.splits + ["merge"] * self.merges
        names += ["pause"] * self.pauses + _STILL * self.stills
        faults = [(dice.randrange(self.changes // 20, self.changes), name) for name in names]
        third = self.changes // 3
        faults += [(dice.randrange(third + 1, 2 * third), "freeze") for _ in range(self.freezes)]
        return sorted([*faults, (0, "double"), (third, "share"), (2 * third, "alone")])


class Faults:
    """Make things go wrong on a stage."""

    def __init__(self, stage: Stage, ledger: Ledger, scale: Scale, dice: random.Random, hot: list[Document]) -> None:
        self._stage = stage
        self._ledger = ledger
        self._scale = scale
        self._dice = dice
        self._hot = hot
        self._application = stage.application
        self._deadlocks = 0
        self._repartitioned: set[str] = set()
        self.lost_deadlocks = 0
        self.written: list[str] = []
        self._requests = 0
        self._by_name: dict[str, Callable[[], str]] = {
            "kill": self._kill,
            "outage": self._cut_off,
            "deadlock": self._deadlock,
            "freeze": self._freeze,
            "still Cosmos": self._freeze_cosmos,
            "still PostgreSQL": self._freeze_postgres,
            "split": self._split,
            "merge": self._merge,
            "pause": self._pause,
            "double": self._double,
            "share": self._share,
            "alone": self._alone,
        }

    def happen(self, name: str) -> str:
        """Let a fault happen to its end; return what it was."""
        return self._by_name[name]()

    def begin_refusals(self) -> None:
        """Answer 429 to a share of all Cosmos requests, or drop their connections before or after they are executed."""
        third = self._scale.share / 3
        self._requests = self._count_requests()
        for kind, options in (
            ("throttle", {}),
            ("drop", {}),
            ("drop", {"executed": True, "path": _NO_LEASE}),
            ("drop", {"path": _LEASE}),
        ):
            self._stage.controls.ask("POST", kind, times=_FOREVER, share=third, **options)

    def end_refusals(self) -> float:
        """Let all requests be answered again; return the share that was not."""
        hits: list[int] = self._stage.controls.ask("GET", "hits")["hits"]
        throttled, dropped, executed, leases = hits
        self._stage.controls.ask("POST", "clear")
        # Those that are dropped unexecuted are not counted by the server.
        requests = self._count_requests() - self._requests + dropped + leases
        return (throttled + dropped + executed + leases) / max(1, requests)

    def _count_requests(self) -> int:
        return sum(count["requests"] for count in self._stage.controls.ask("GET", "counters").values())

    def _kill(self) -> str:
        number = self._dice.randrange(len(self._stage.hosts))
        self._stage.hosts[number].kill()
        self._stage.restart(self._stage.hosts[number])
        return f"killed host {number + 1} of {len(self._stage.hosts)}"

    def _cut_off(self) -> str:
        crash = self._dice.random() < 0.5
        if crash:
            self._stage.postgres.kill()
        else:
            self._stage.postgres.stop(keep_data=True)
        time.sleep(self._scale.outage_seconds)
        self._stage.postgres.start()
        return f"PostgreSQL {'crashed' if crash else 'stopped'} for {self._scale.outage_seconds} s"

    def _deadlock(self) -> str:
        """Lock a row, then its document in the ledger, while the app does it the other way round."""
        document, contested = self._hot[self._deadlocks % len(self._hot)], self._application.contested
        wait_until(lambda: self._is_held(document), "the row to lock is there")
        rival_loses = self._deadlocks % 2 == 0
        self._deadlocks += 1
        with (
            psycopg.connect(self._stage.dsn) as rival,
            psycopg.connect(self._stage.dsn, autocommit=True) as observer,
        ):
            rival.execute("select set_config('deadlock_timeout', %s, false)", ["10ms" if rival_loses else "60s"])
            rival.execute(_LOCK.format(Identifier(contested.table)), [document["id"]])
            contested.change(document, self._deadlocks)
            self._ledger.write(self._stage.source, contested.container, document)
            wait_until(lambda: _ask(observer, _BLOCKED, rival.info.backend_pid) > 0, "the app waits for the row")
            waiting = _ask(observer, _BLOCKED, rival.info.backend_pid)
            if rival_loses:  # else the app would look for the cycle, once, before there is one
                time.sleep(self._scale.stall_seconds)
            try:
                rival.execute(
                    "select from cdc.document where container = %s and id = to_json(%s::text)::text for update",
                    [contested.container, document["id"]],
                )
            except psycopg.errors.DeadlockDetected:
                return "deadlock, which the rival lost"
            time.sleep(0.2)  # a session whose host was killed ends when it cannot tell what it has lost
            if not _ask(observer, _ALIVE, waiting):
                return "deadlock, which the session of a killed host lost"
        self.lost_deadlocks += 1
        return "deadlock, which the app lost"

    def _is_held(self, document: Document) -> bool:
        with psycopg.connect(self._stage.dsn) as connection:
            table = Identifier(self._application.contested.table)
            found = connection.execute(_HELD.format(table), [document["id"]]).fetchone()
        return found is not None

    def _split(self) -> str:
        container = self._dice.choice(
            [name for name in self._application.containers if name not in self._repartitioned]
        )
        self._repartitioned.add(container)
        database = self._stage.settings["COSMOS_DATABASE"]
        asked = self._stage.controls.ask("POST", "split", database=database, container=container)
        return f"a physical partition of {container} split into {len(asked['children'])}"

    def _merge(self) -> str:
        """Merge the two partitions of a container that has not split: a split takes the first one's id away."""
        container = self._dice.choice(
            [name for name in self._application.containers if name not in self._repartitioned]
        )
        database = self._stage.settings["COSMOS_DATABASE"]
        asked = self._stage.controls.ask("POST", "merge", database=database, container=container)
        self._repartitioned.add(container)
        return f"the physical partitions of {container} merged into {asked['merged']}"

    def _pause(self) -> str:
        """Let a container rest, some time or through the death of a host."""
        container, stage = self._dice.choice(self._application.containers), self._stage
        kills = self._dice.random() < 0.5
        self.written += pauses.rest(
            lambda: Operator(stage.hosts[0].url, KEY),
            stage.dsn,
            container,
            self._application.tables[container],
            self._kill if kills else lambda: time.sleep(self._scale.stall_seconds),
        )
        return f"{container} was paused{' while a host was killed' if kills else ''}, and resumed"

    def _freeze(self) -> str:
        """Hold a host up until the other one has all the leases, in the midst of whatever it does."""
        number = self._dice.randrange(len(self._stage.hosts))
        wait_until(lambda: max(self._count_owners()) > 1, "two hosts share the leases")
        with frozen(self._stage.hosts[number].pid):
            wait_until(lambda: max(self._count_owners()) == 1, "the other host has taken all its leases")
            time.sleep(self._scale.stall_seconds)
        return f"host {number + 1} of {len(self._stage.hosts)} stood still, and lost its leases"

    def _count_owners(self) -> list[int]:
        with suppress(AzureError):
            return self._stage.count_lease_owners()
        return [0]

    def _freeze_cosmos(self) -> str:
        with frozen(self._stage.cosmos.pid):
            time.sleep(self._scale.still_seconds)
        return f"Cosmos stood still for {self._scale.still_seconds} s"

    def _freeze_postgres(self) -> str:
        with frozen_postgres(self._stage.postgres):
            time.sleep(self._scale.still_seconds)
        return f"PostgreSQL stood still for {self._scale.still_seconds} s"

    def _double(self) -> str:
        self._stage.add_host(LEASE_PREFIX="twin", **_STARVED)
        return "a second host reads everything, with leases of its own"

    def _share(self) -> str:
        self._stage.remove_host()
        self._stage.add_host(**_STARVED)
        return "the second host shares the leases of the first"

    def _alone(self) -> str:
        self._stage.remove_host()
        return "the second host is gone"


def _ask(connection: psycopg.Connection[tuple[int, ...]], query: str, parameter: object) -> int:
    row = connection.execute(query.encode(), [parameter]).fetchone()
    return row[0] if row else 0
