"""Compare both sides of a container task by task, and suspect documents that differ."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from cdc.core.documents import Change, Identity, State, Version
from cdc.core.errors import UnreadableError
from cdc.core.feed_items import read_version
from cdc.core.mapping import Mapper
from cdc.core.writes import map_change
from cdc.reconcile import drift
from cdc.reconcile.drift import KEYS_AT_ONCE, Kind, Suspect, Tally, Window
from cdc.reconcile.run import COMPARING, Run, Task
from cdc.reconcile.sides import Bodies, Findings, LedgerSide, Rotation, SourceSide, TablesSide

# Fewer than keys, because bodies need more memory.
_VALUES_AT_ONCE = 1_000
_SAMPLED_AT_ONCE = 200
_FOUND_AT_ONCE = 50
_ROWS_AT_MOST = 1_000
_GAPS_AT_MOST = 1_000
_KEY_BYTES = 32
# Greater than every `_ts`.
_END = 2**62

_Do = Callable[[Run, Task], list[Task]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Compares both sides of one container, task by task."""

    mapper: Mapper[Any]
    source: SourceSide
    ledger: LedgerSide
    tables: TablesSide
    findings: Findings
    rotation: Rotation
    settle_seconds: float

    def do(self, run: Run, task: Task) -> None:
        """Do one task and put the tasks that follow from it first."""
        progress = run.progress
        if _compares(task) and run.has_spent(task):
            self._leave_out(run, task)
            return
        steps: dict[str, _Do] = {
            "begin": self._begin,
            "gaps": self._compare_noticed,
            "count": self._count,
            "different": self._narrow,
            "keys": self._compare_keys,
            "rows": self._find_lost,
            "values": self._sample,
            "unclaimed": self._find_unclaimed,
        }
        progress.tasks[:0] = steps[task.step](run, task)
        if progress.has_too_many:
            progress.leave_out(_compares, "too_much_differs")

    def _leave_out(self, run: Run, task: Task) -> None:
        """Skip a task and similar ones; the next count begins at the first window that was not counted."""
        uncounted = [each for each in (task, *run.progress.tasks) if each.step == "count"]
        if uncounted:
            self.rotation.keep_count(_window(uncounted[0]).low)
        run.progress.leave_out((lambda each: each.narrows) if task.narrows else _compares, "request_units")

    def _begin(self, run: Run, _: Task) -> list[Task]:
        progress, census = run.progress, self.source.measure()
        progress.line = int(census.now - self.settle_seconds)
        progress.source_documents = census.documents
        progress.ledger_documents = self.ledger.tally(Window(None, _END)).documents
        next_ts, count_ts = self.rotation.read()
        # If Cosmos has many more documents, windows cut by the ledger are too large for keys: counts narrow them down.
        lacks_many = not progress.limits.allow(Kind.MISSING, census.documents - progress.ledger_documents)
        counts = self._plan_counts(progress.line, count_ts) if run.mode == "counts" or lacks_many else []
        keys = [*([] if lacks_many else self._plan_keys(run, next_ts)), Task(step="rows")]
        sample = progress.ledger_documents if run.sample is None else run.sample
        sample = 0 if run.reads_bodies else sample
        start = secrets.token_bytes(_KEY_BYTES).hex()
        values = [Task(step="values", start=start, left=sample)] if sample else []
        return [Task(step="gaps"), *counts, *keys, *values, Task(step="settle")]

    def _plan_counts(self, line: int, start: int | None) -> list[Task]:
        history = Window(None, line)
        shift = secrets.randbelow(1_000) / 1_000
        fractions = drift.count_fractions(self.ledger.tally(history).documents, shift)
        windows = drift.cut(self.ledger.cut(history, fractions), line)
        self.rotation.keep_count(None)
        return [Task(step="count", window=each) for each in drift.begin_at(windows, start)]

    def _plan_keys(self, run: Run, next_ts: int | None) -> list[Task]:
        history = Window(None, run.progress.line)
        documents = self.ledger.tally(history).documents
        fractions = drift.key_fractions(documents, _VALUES_AT_ONCE if run.reads_bodies else KEYS_AT_ONCE)
        windows = drift.cut(self.ledger.cut(history, fractions), history.high)
        turn = drift.take_turn(windows, next_ts) if run.mode == "counts" else drift.begin_at(windows, next_ts)
        return [Task(step="keys", window=each, rotates=True) for each in turn]

    def _compare_noticed(self, run: Run, _: Task) -> list[Task]:
        """Compare the documents with a gap before their last version; forget those that are surely equal."""
        noticed = self.ledger.read_noticed(_GAPS_AT_MOST)
        identities = list(noticed)
        held, found = self.ledger.read_held(identities), self._find(identities)
        equal = [each for each in identities if drift.classify(held.get(each), found.get(each)) is None]
        self._suspect(run, [each for each in identities if each not in equal], found)
        self.ledger.forget_noticed(
            {each: noticed[each] for each in equal if each not in found or found[each].ts < run.progress.line}
        )
        return []

    def _count(self, run: Run, task: Task) -> list[Task]:
        window = _window(task)
        run.progress.figures.windows += 1
        for _ in range(2):  # count a difference again: it may have changed in between
            ledger, source = self.ledger.tally(window), self.source.tally(window)
            if ledger == source:
                return []
        return [Task(step="different", window=window, source=source, ledger=ledger)]

    def _narrow(self, run: Run, task: Task) -> list[Task]:
        window = _window(task)
        documents = max(task.source.documents, task.ledger.documents)
        halves = None if documents <= KEYS_AT_ONCE else drift.halve(window, self._median(window))
        if halves is None:
            return [Task(step="keys", window=window)]
        run.progress.figures.bisections += 1
        left, right = halves
        ledger, source = self.ledger.tally(left), self.source.tally(left)
        parts: list[tuple[Window, Tally, Tally]] = [
            (left, source, ledger),
            (right, task.source - source, task.ledger - ledger),
        ]
        return [
            Task(step="different", window=part, source=source, ledger=ledger)
            for part, source, ledger in parts
            if source != ledger
        ]

    def _median(self, window: Window) -> int | None:
        return next(iter(self.ledger.cut(window, [0.5])), None)

    def _compare_keys(self, run: Run, task: Task) -> list[Task]:
        window, progress = _window(task), run.progress
        ledger = self.ledger.read_keys(window)  # first: changes in between are too young to be compared
        by_values = run.reads_bodies and task.rotates
        found = self._read_and_compare(run, window) if by_values else self.source.read_keys(window)
        progress.figures.keys += len(found.keys() | ledger.keys())
        self._suspect(run, drift.find_differences(found, ledger), found)
        if task.rotates and not progress.has_too_many:
            progress.note_compared(window)
            progress.all_compared = run.mode != "counts" and not any(each.rotates for each in progress.tasks)
        return []

    def _read_and_compare(self, run: Run, window: Window) -> dict[Identity, Version]:
        """Compare the values of a window page by page, and return its keys."""
        found: dict[Identity, Version] = {}
        for bodies in self.source.read_bodies(window):
            found |= {each: read_version(body) for each, body in bodies.items()}
            self._compare_values(run, bodies)
        return found

    def _suspect(self, run: Run, differing: Sequence[Identity], found: Mapping[Identity, Version]) -> None:
        identities = self.findings.leave_out_found(run, differing)  # counts may have found the same documents
        held = self.ledger.read_held(identities)
        found = {**found, **self._find([identity for identity in identities if identity not in found])}
        suspects = [
            drift.suspect(identity, held.get(identity), found.get(identity), run.progress.line)
            for identity in identities
        ]
        kept = []
        for each in suspects:
            suspected = each and self._doubt_absence(run, each)
            if suspected is not None:
                run.progress.suspects[suspected.kind] = run.progress.suspects.get(suspected.kind, 0) + 1
                kept.append(suspected)
        self.findings.add(run, kept)
        if differing:  # from the store: after a crash a window is compared again
            run.progress.suspects = dict(self.findings.count(run, "suspected"))

    def _find(self, identities: Sequence[Identity]) -> dict[Identity, Version]:
        found: dict[Identity, Version] = {}
        for few in _batches(identities, _FOUND_AT_ONCE):
            found |= self.source.find_keys(few)
        return found

    def _doubt_absence(self, run: Run, suspected: Suspect) -> Suspect | None:
        """Read an orphaned document by its id: this is the first of the two answers that a delete needs.

        If there are too many, the rest is neither read nor kept.
        """
        if suspected.kind is not Kind.ORPHANED:
            return suspected
        if run.progress.has_too_many:
            return None
        try:
            version = self.source.look_up(suspected.identity)
        except UnreadableError:
            self.findings.add_unreadable(run, suspected)
            return None
        if version is None:
            return suspected
        return drift.suspect(suspected.identity, suspected.held, version, run.progress.line)

    def _find_lost(self, run: Run, _: Task) -> list[Task]:
        lost = [*self.tables.find_lost(_ROWS_AT_MOST), *self._find_mapped_meanwhile(run)]
        self.findings.add_different(run, lost, self.ledger.read_held(lost))
        return []

    def _find_mapped_meanwhile(self, run: Run) -> Sequence[Identity]:
        """Return unmapped documents whose type the mapper takes by now."""
        found = self.ledger.find_unmapped(self.mapper.types, _ROWS_AT_MOST)
        if len(found) == _ROWS_AT_MOST:
            run.progress.note(
                f"At least {len(found)} unmapped documents have a type that a mapper takes now: run a backfill of the "
                "container with reapply."
            )
        return found

    def _find_unclaimed(self, run: Run, _: Task) -> list[Task]:
        unclaimed = self.tables.find_unclaimed(_ROWS_AT_MOST)
        self.findings.add_unclaimed(run, unclaimed)
        run.progress.figures.unclaimed = len(unclaimed)
        return []

    def _sample(self, run: Run, task: Task) -> list[Task]:
        wanted = min(task.left, _SAMPLED_AT_ONCE)
        identities = self.ledger.sample(bytes.fromhex(task.start), wanted)
        for few in _batches(identities, _FOUND_AT_ONCE):
            for bodies in self.source.find_bodies(few):
                self._compare_values(run, bodies)
        left = task.left - len(identities)
        if len(identities) < wanted:  # the end of the keys: continue once at their beginning
            return [Task(step="values", left=left)] if task.start and left else []
        return [Task(step="values", start=identities[-1].key.hex(), left=left)] if left else []

    def _compare_values(self, run: Run, bodies: Bodies) -> None:
        changes = [Change(identity, read_version(body), body) for identity, body in bodies.items()]
        writes = [map_change(self.mapper, change) for change in changes]
        compared, different = self.tables.find_different([write for write in writes if write.problem is None])
        run.progress.figures.values += compared
        different = [*different, *self._find_refused([write.change for write in writes if write.problem is not None])]
        self.findings.add_different(run, different, self.ledger.read_held(different))

    def _find_refused(self, changes: Sequence[Change]) -> list[Identity]:
        """Return the documents that are applied although their mapper refuses this version of them now."""
        held = self.ledger.read_held([change.identity for change in changes])
        applied = {each: entry.version.etag for each, entry in held.items() if entry.state is State.APPLIED}
        return [change.identity for change in changes if applied.get(change.identity) == change.version.etag]


def _compares(task: Task) -> bool:
    return task.step in COMPARING


def _window(task: Task) -> Window:
    assert task.window is not None  # noqa: S101 - steps that need a window are planned with one
    return task.window


def _batches(identities: Sequence[Identity], size: int) -> list[list[Identity]]:
    rest = iter(identities)
    return [batch for _ in range(0, len(identities), size) if (batch := list(islice(rest, size)))]
