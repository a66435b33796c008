"""Change 20,000 documents while hosts are killed, stores go away, writers collide and requests fail; then compare."""

import json
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import psycopg

from campaigns import leaks, pauses
from campaigns.application import Application
from campaigns.faults import EXPIRATION_SECONDS, Faults, Scale
from campaigns.mystira import MYSTIRA
from campaigns.planted import Case, Identity, Planter, mix
from campaigns.stage import Stage, StuckError, running, wait_until
from campaigns.writer import Ledger, Writer
from local.roles import find_powerful_sessions

_SETTINGS = {
    "FEED_POLL_DELAY_MS": "200",
    "LEASE_ACQUIRE_INTERVAL_MS": "400",
    "LEASE_RENEW_INTERVAL_MS": "500",
    "LEASE_EXPIRATION_INTERVAL_MS": f"{EXPIRATION_SECONDS * 1000:.0f}",
    "RETRY_MAXIMUM_INTERVAL": "00:00:02",
    "SETTLE_SECONDS": "0.5",
    "MAINTAIN_SCHEDULE": "* * * * * *",
    "DEAD_LETTER_BACKOFF_SECONDS": "0.2",
    "DEAD_LETTER_CLAIM_SECONDS": "2",
}
_HOT = 5
_LETTERS_DUE = "select count(*) from cdc.dead_letter where state = 'waiting' and next_attempt_at is not null"
_LETTERS = "select container, partition_key, id from cdc.dead_letter"
_PARKED = "select container, partition_key, id from cdc.document where state = 'parked'"
# Now and then the ledger is slow to begin a write, so that others come between a look at it and that write. And a
# version that goes backwards may be healed by a later one before anybody compares: PostgreSQL itself takes note.
_TRIGGERS = """
create function dawdle() returns trigger language plpgsql as $$
begin
    if random() < 0.1 then
        perform pg_sleep(random());
    end if;
    return null;
end $$;
create trigger dawdle before insert on cdc.document for each statement execute function dawdle();
create table backwards (container text, id text);
create function note_backwards() returns trigger language plpgsql security definer as $$
begin
    if new.ts < old.ts or (new.ts = old.ts and new.lsn < old.lsn) then
        insert into backwards values (new.container, new.id);
    end if;
    return null;
end $$;
create trigger note_backwards after update on cdc.document for each row execute function note_backwards();
"""
# What the hosts may say when their stores are away; all else is a failure that nobody planned.
_UNPLANNED = ("FatalError", "AssertionError", "TypeError", "KeyError", "AttributeError", "DocumentError", "batch lost")


@dataclass(slots=True)
class Result:
    """Count what a campaign did, and keep what was wrong."""

    faults: int = 0
    changes: int = 0
    parked: int = 0
    differences: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.faults} faults, {self.changes} changes, {self.parked} parked, {len(self.differences)} differences"
        )


Say = Callable[[str], None]


def run(seed: int, changes: int, application: Application) -> int:
    """Print what happens and the sum, and return 1 when anything was wrong."""
    begun = time.monotonic()

    def say(what: str) -> None:
        print(f"apply {seed}, {time.monotonic() - begun:5.0f} s: {what}", flush=True)

    scale = Scale(
        changes,
        kills=30,
        outages=5,
        outage_seconds=10,
        deadlocks=10,
        freezes=3,
        splits=1,
        merges=1,
        pauses=5,
        stills=3,
        pace=400,
    )
    result = play(seed, scale, say, application)
    print(*result.differences[:100], sep="\n")
    print(f"apply: {result}")
    return 1 if result.differences else 0


def play(seed: int, scale: Scale, say: Say, application: Application = MYSTIRA) -> Result:
    """Play one campaign; what is wrong at its end is in the result."""
    dice = random.Random(seed)
    marker = f"planted{dice.randrange(10**9):09}"
    planter = application.make_planter(seed, marker)
    hot = [planter.make_hot() for _ in range(_HOT)]
    cases = [*planter.cases(scale.changes), *(Case((), first=(write,)) for write in hot)]
    ledger, result = Ledger(application), Result()
    with running(application, EXTRA_CONTAINERS=",".join(application.extra), **_SETTINGS) as stage:
        _prepare_tables(stage, planter)
        stage.add_host()
        asker = leaks.Asker(stage)
        asker.start()
        say("PostgreSQL, Cosmos and a host run")
        for write in [write for case in cases for write in case.first]:
            ledger.write(stage.source, *write)
        # The ledger also has what waits for its parent; nothing may take its row meanwhile.
        wait_until(lambda: _is_applied(stage, ledger) and not _read(stage, _LETTERS), "what is first is applied")
        writer = Writer(stage, ledger, seed, planter, mix(cases, scale.changes, dice), scale.pace)
        faults = Faults(stage, ledger, scale, dice, [document for _, document in hot])
        _break(scale, writer, faults, dice, say)
        result.faults = scale.faults
        result.changes = ledger.writes
        say(f"{ledger.writes} changes of {len(ledger.newest)} documents are written, and nothing fails any more")
        result.differences += _settle(stage, ledger)
        asker.stop()
        say(f"the hosts answered {asker.answers.total()} times: {dict(asker.statuses)}")
        result.parked = len(_read(stage, _LETTERS))
        result.differences += [*faults.written, *pauses.find_skipped(stage.dsn)]
        result.differences += [*_judge(stage, cases), *find_powerful_sessions(stage.dsn)]
        result.differences += _find_leaks(stage, asker, (marker, "@example.com", "secret-"))
        result.differences += _judge_log(_read_log(stage), faults.lost_deadlocks)
        if result.differences:
            say(f"what the hosts said is kept in {_keep_log(stage)}")
    return result


def _prepare_tables(stage: Stage, planter: Planter) -> None:
    """Give the tables the rules that the planted cases break, and triggers that dawdle and take note."""
    with psycopg.connect(stage.dsn) as connection:
        connection.execute(planter.rules.encode())
        connection.execute(_TRIGGERS.encode())


def _break(scale: Scale, writer: Writer, faults: Faults, dice: random.Random, say: Say) -> None:
    """Let each fault happen in the midst of the changes between it and the next one."""
    thread = threading.Thread(target=writer.run, args=(scale.changes,), daemon=True)
    thread.start()
    plan = scale.plan(dice)
    faults.begin_refusals()
    for (at, name), (following, _) in zip(plan, [*plan[1:], (scale.changes, "")], strict=True):
        writer.allow(at)
        writer.wait_for(at)
        writer.allow(max(at, following))
        say(f"{at} changes: {faults.happen(name)}")
    writer.allow(scale.changes)
    thread.join()
    writer.wait_for(scale.changes)
    say(f"{faults.end_refusals():.0%} of all Cosmos requests were refused or dropped")


def _settle(stage: Stage, ledger: Ledger) -> Iterator[str]:
    """Wait until nothing is under way; say what still is when that takes too long."""
    for condition, what in (
        (lambda: _is_applied(stage, ledger), "every newest version is in the ledger"),
        (lambda: not stage.count(_LETTERS_DUE), "no dead letter is due"),
        (lambda: _is_applied(stage, ledger), "every newest version is still in the ledger"),
    ):
        try:
            wait_until(condition, what)
        except StuckError as error:
            yield f"{error}: {len(_lag(stage, ledger))} documents behind, {stage.count(_LETTERS_DUE)} letters due"


def _is_applied(stage: Stage, ledger: Ledger) -> bool:
    return not _lag(stage, ledger)


def _lag(stage: Stage, ledger: Ledger) -> set[str]:
    with psycopg.connect(stage.dsn) as connection:
        held = {etag for (etag,) in connection.execute("select etag from cdc.document")}
    return set(ledger.newest.values()) - held


def _judge(stage: Stage, cases: list[Case]) -> Iterator[str]:
    yield from map(str, stage.compare().differences)
    planted = {stage.application.identify(*case.parked) for case in cases if case.parked}
    yield from find_wrongly_parked(planted, _read(stage, _LETTERS), "a dead letter")
    yield from find_wrongly_parked(planted, _read(stage, _PARKED), "the state parked")
    with psycopg.connect(stage.dsn) as connection:
        for container, id_ in connection.execute("select container, id from backwards"):
            yield f"backward {container} {id_}: an older version has replaced a newer one"


def find_wrongly_parked(planted: set[Identity], parked: set[Identity], what: str) -> Iterator[str]:
    """Name the documents that are parked and should not be, or the other way round."""
    yield from (
        f"parked   {container} {key}: nothing is wrong with it, and it has {what}"
        for container, key in sorted(parked - planted)
    )
    yield from (
        f"applied  {container} {key}: it is poison, and lacks {what}" for container, key in sorted(planted - parked)
    )


def _read(stage: Stage, query: str) -> set[Identity]:
    with psycopg.connect(stage.dsn) as connection:
        return {
            (container, json.dumps([json.loads(key), json.loads(id_)]))
            for container, key, id_ in connection.execute(query.encode())
        }


def _find_leaks(stage: Stage, asker: leaks.Asker, marks: tuple[str, ...]) -> Iterator[str]:
    yield from leaks.find_in_tables(stage.dsn, marks)
    yield from leaks.find_in_texts("lines of the log", _read_log(stage), marks)
    yield from leaks.find_in_texts("answers over HTTP", asker.answers, marks)


def _read_log(stage: Stage) -> list[str]:
    stage.log.seek(0)
    return stage.log.read().decode(errors="replace").splitlines()


def _judge_log(lines: list[str], deadlocks: int) -> Iterator[str]:
    """Name failures that nobody planned, and planned ones that the hosts did not meet."""
    unplanned = [line for line in lines if any(word in line for word in _UNPLANNED)]
    yield from (f"the hosts said: {line}" for line in unplanned[:20])
    met = sum("(40P01)" in line for line in lines)
    if met < deadlocks:
        yield f"the app lost {met} deadlocks of the {deadlocks} that were made for it"


def _keep_log(stage: Stage) -> str:
    with tempfile.NamedTemporaryFile(prefix="campaign-", suffix=".log", delete=False) as kept:
        stage.log.seek(0)
        shutil.copyfileobj(stage.log, kept)
    return kept.name
