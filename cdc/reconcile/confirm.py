"""Confirm suspects after the settle time, and repair drift within the limits."""

from dataclasses import dataclass
from typing import Any

from cdc.core.errors import UnreadableError
from cdc.core.mapping import Mapper
from cdc.reconcile import drift
from cdc.reconcile.drift import Kind
from cdc.reconcile.run import Finding, Run, Task
from cdc.reconcile.sides import Findings, LedgerSide, SourceSide
from cdc.repair.reread import EarlierReading, Ending, RereadStore, repair_document

_AT_ONCE = 50
_STATES = {
    Ending.APPLIED: "repaired",
    Ending.DELETED: "repaired",
    Ending.UNMAPPED: "repaired",
    Ending.ABSENT: "dropped",
    Ending.OVERTAKEN: "dropped",
    Ending.UNREADABLE: "unreadable",
}
_SUSPECTED = (Kind.MISSING, Kind.STALE, Kind.ORPHANED)


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Confirms and repairs the suspects of one run."""

    mapper: Mapper[Any]
    source: SourceSide
    ledger: LedgerSide
    findings: Findings
    repairs: RereadStore

    def do(self, run: Run, task: Task) -> None:
        """Do one task and put the tasks that follow from it first."""
        follows = self._confirm(run) if task.step == "confirm" else self._repair(run)
        run.progress.tasks[:0] = follows

    def _confirm(self, run: Run) -> list[Task]:
        suspects = self.findings.read(run, "suspected", _SUSPECTED, _AT_ONCE)
        if not suspects:
            run.progress.repairable = self._choose_kinds(run) if run.repair else []
            return [Task(step="repair")]
        identities = [each.suspect.identity for each in suspects]
        held, found = self.ledger.read_held(identities), dict(self.source.find_keys(identities))
        marks: list[tuple[int, Kind, str]] = []
        for each in suspects:
            identity = each.suspect.identity
            try:
                version = found.get(identity) or self.source.look_up(identity)
            except UnreadableError:
                marks.append((each.number, each.suspect.kind, "unreadable"))
                continue
            kind = drift.confirm(each.suspect, held.get(identity), version)
            marks.append((each.number, kind or each.suspect.kind, "dropped" if kind is None else "drift"))
        self.findings.mark(marks)
        return [Task(step="confirm")]

    def _choose_kinds(self, run: Run) -> list[Kind]:
        progress, found = run.progress, self.findings.count(run, "drift")
        surplus = progress.ledger_documents - progress.source_documents
        orphaned = max(surplus, found.get(Kind.ORPHANED, 0), progress.suspects.get(Kind.ORPHANED, 0))
        missing = max(-surplus, found.get(Kind.MISSING, 0), progress.suspects.get(Kind.MISSING, 0))
        kinds = [kind for kind in Kind if found.get(kind)]
        if Kind.ORPHANED in kinds and not progress.limits.allow(Kind.ORPHANED, orphaned):
            kinds.remove(Kind.ORPHANED)
            progress.note(
                f"At least {orphaned} documents of PostgreSQL are not in Cosmos, more than one run deletes "
                f"({progress.limits.orphaned}): nothing is deleted. Check that Cosmos is complete; if they were "
                "deleted on purpose, start a reconcile with max_deletes."
            )
        if Kind.MISSING in kinds and not progress.limits.allow(Kind.MISSING, missing):
            kinds.remove(Kind.MISSING)
            progress.note(
                f"At least {missing} documents of Cosmos are not in PostgreSQL, more than one run repairs "
                f"({progress.limits.missing}): run a backfill."
            )
        return kinds

    def _repair(self, run: Run) -> list[Task]:
        found = self.findings.read(run, "drift", run.progress.repairable, _AT_ONCE)
        for each in found:
            self.findings.mark([(each.number, each.suspect.kind, self._repair_one(each))])
        return [Task(step="repair")] if found else []

    def _repair_one(self, finding: Finding) -> str:
        suspect, answered = finding.suspect, None
        if suspect.kind in _SUSPECTED:  # for different rows there is no earlier answer of the source
            answered = EarlierReading(suspect.held, None if suspect.found is None else suspect.found.etag)
        ending = repair_document(self.mapper, suspect.identity, self.source, self.repairs, answered=answered)
        return _STATES.get(ending, "left")
