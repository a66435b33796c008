"""Plant twenty differences between two sides with as many documents, and see what reconcile finds and what it costs."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench import mirror
from bench.mirror import BATCH, Mirror
from cdc.core.documents import JsonObject

PLANTED = 5
QUERIES_WITH_DRIFT = 400
QUERIES_WITHOUT = 100
_FORGET = (
    "delete from game_sessions where id = %(id)s",
    "delete from cdc.document where container = 'GameSessions' and id = to_json(%(id)s::text)::text",
)
_EDIT = "update game_sessions set scene_count = coalesce(scene_count, 0) + 1 where id = %(id)s"
_QUERIES = "query_documents"
_RUNS: Mapping[str, Mapping[str, object]] = {
    "counts with drift": {"mode": "counts", "repair": False, "sample": 0},
    "keys": {"mode": "keys", "sample": 0},
    "deep": {"mode": "deep", "sample": "all"},
    "counts without drift": {"mode": "counts", "repair": False, "sample": 0},
}
_NAMES = tuple(_RUNS)


def run(documents: int, path: Path | None) -> int:
    """Print what each run found and took, and return 1 when one missed its goal."""
    with mirror.running() as sides:
        print(f"{documents} documents on both sides, {mirror.PARTITIONS} physical partitions", flush=True)
        sides.fill(documents)
        _plant(sides, documents)
        reports = {}
        for name, request in _RUNS.items():
            reports[name] = sides.reconcile(**request)
            _print(name, reports[name])
        counts = sides.count()
    complaints = list(_complaints(reports, counts))
    print(*complaints or ["reconcile: all goals are met"], sep="\n")
    if path is not None:
        path.write_text(json.dumps({"documents": documents, "runs": reports, "complaints": complaints}, indent=2))
    return 1 if complaints else 0


def _plant(sides: Mirror, documents: int) -> None:
    numbers = [documents * place // (4 * PLANTED) for place in range(4 * PLANTED)]
    missing, orphaned, edited, stale = (numbers[first::4] for first in range(4))
    for number in missing:
        for statement in _FORGET:
            sides.execute(statement, number)
    for number in orphaned:
        sides.delete(number)
    for number in edited:
        sides.execute(_EDIT, number)
    # Two of the last ones stay in the window of their old version; two move to another one; one keeps its second.
    for number in (documents - BATCH - 1, documents - BATCH - 2, *stale[:2]):
        sides.write(number, CurrentSceneId="scene-08")
    _write_twice_in_a_second(sides, stale[2])
    sides.controls.ask("POST", "clock", advance=3_600)


def _write_twice_in_a_second(sides: Mirror, number: int) -> None:
    while True:
        first = sides.write(number, CurrentSceneId="scene-08")
        sides.deliver([first])
        if sides.write(number, CurrentSceneId="scene-09")["_ts"] == first["_ts"]:
            return


def _print(name: str, report: JsonObject) -> None:
    counters: Mapping[str, JsonObject] = report["counters"]
    found = ", ".join(f"{count} {kind}" for kind, count in report["drift"].items() if count) or "nothing"
    print(f"{name}: found {found}; {report['repaired']} repaired, {report['left']} left; {report['seconds']:.1f} s")
    print(
        f"  {report['windows']} windows, {report['bisections']} bisections, {report['keys']} keys, "
        f"{report['values']} values, {report['queries']} answers, {report['request_units']:.0f} request units"
    )
    for operation, count in counters.items():
        print(f"  server: {operation} {count['requests']} ({count['documents']} documents)", flush=True)


def _complaints(reports: Mapping[str, JsonObject], counts: Sequence[int]) -> Iterator[str]:
    found = {name: {kind: count for kind, count in each["drift"].items() if count} for name, each in reports.items()}
    with_drift, keys, deep, without = (reports[name] for name in _NAMES)
    if sum(found[_NAMES[0]].values()) < 3 * PLANTED - 1:
        yield f"counts found {found[_NAMES[0]]}"
    if found[_NAMES[1]] != dict.fromkeys(("missing", "stale", "orphaned"), PLANTED) or keys["repaired"] != 3 * PLANTED:
        yield f"keys found {found[_NAMES[1]]} and repaired {keys['repaired']}"
    if found[_NAMES[2]] != {"different": PLANTED} or deep["repaired"] != PLANTED:
        yield f"deep found {found[_NAMES[2]]} and repaired {deep['repaired']}"
    if found[_NAMES[3]]:
        yield f"counts found {found[_NAMES[3]]} after everything was repaired"
    if counts[0] != counts[1]:
        yield f"{counts[0]} documents are in Cosmos, {counts[1]} rows in PostgreSQL"
    for name, report, limit in ((_NAMES[0], with_drift, QUERIES_WITH_DRIFT), (_NAMES[3], without, QUERIES_WITHOUT)):
        queries = report["counters"][_QUERIES]["requests"]
        bodies = report["counters"].get("read_document", {"documents": 0})["documents"]
        if queries >= limit or bodies:
            yield f"{name}: {queries} queries, fewer than {limit} are allowed; {bodies} bodies read"
