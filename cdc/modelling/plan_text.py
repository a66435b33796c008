"""What a plan found, line by line, and whether it is green."""

from collections.abc import Collection, Iterator, Sequence

from cdc.core.mapping import ObservationKind
from cdc.modelling.personal import Suspicion, suspect
from cdc.modelling.plan import Plan, estimate_hours
from cdc.modelling.rule_check import Breach

_SHOWN_AT_MOST = 20
_PARKED = "correct these documents, or let the mapper take them: a parked document keeps its old rows, or has none"
_UNMAPPED = "add a mapper, or accept the type in READINESS_ACCEPTED_TYPES"
_UNREAD = "add a field to the model, or list the name in `unmapped`"
_NEVER_COPIED = "list the name in `unmapped` of the model: a secret is never copied"
_BREACH = "correct the documents, or change the rule: PostgreSQL would refuse some of these rows"

Line = tuple[bool, str]


def write(plan: Plan, accepted: Collection[str], units_per_second: float) -> Iterator[Line]:
    """Return the lines about one container; the first of each pair says whether it is fine."""
    name = plan.mapper.container
    if not plan.documents:
        empty = plan.held == 0
        yield empty, f"{'note' if empty else 'FAIL'}  {name}: no document was read" + ("" if empty else _suggest(plan))
        return
    of = "" if plan.held is None else f" of {plan.held}"
    rest = ", all" if plan.complete else ""
    yield True, f"      {name}: {plan.documents}{of} documents{rest}; {', '.join(_count_rows(plan))}"
    yield from _list(
        name, f"{sum(plan.refusals.values())} reasons to park documents",
        [f"{each.path}: {each.message}: {count}{_say_where(plan.places[each], count)}"
         for each, count in plan.refusals.most_common()], _PARKED,
    )  # fmt: skip
    unmapped = plan.list_unmapped(accepted)
    yield from _list(
        name, "types that nobody maps", [f"{type_}: {count} documents" for type_, count in unmapped], _UNMAPPED
    )
    yield from _list_unread(plan)
    for (kind, path), count in plan.observations.items():
        if kind == ObservationKind.AMBIGUOUS:
            yield True, f"note  {name}: {path} is ambiguous in {count} documents"
    units = plan.estimate_units()
    if units is not None:
        hours = estimate_hours(units, units_per_second)
        yield (
            True,
            (
                f"      {name}: a backfill costs about {units:.0f} request units: {_say_time(hours)} at "
                f"{units_per_second:.0f} a second"
            ),
        )


def write_rules(breaches: Sequence[Breach], unjudged: Sequence[str]) -> Iterator[Line]:
    """Return the lines about keys and rules."""
    for breach in breaches:
        about = "" if breach.exact else "about "
        yield False, f"FAIL  {breach.rule}: {breach.meaning}: {about}{breach.keys} keys"
        yield False, f"      {_BREACH}"
    for rule in unjudged:
        yield True, f"note  {rule}: not judged, because not all documents of the parent were read"


def _list(name: str, what: str, found: Sequence[str], remedy: str) -> Iterator[Line]:
    if not found:
        return
    yield False, f"FAIL  {name}: {what}:"
    yield from ((False, f"        {line}") for line in found[:_SHOWN_AT_MOST])
    if len(found) > _SHOWN_AT_MOST:
        yield False, f"        and {len(found) - _SHOWN_AT_MOST} more"
    yield False, f"      {remedy}"


def _list_unread(plan: Plan) -> Iterator[Line]:
    said: dict[bool, list[str]] = {True: [], False: []}
    for kind, path, count in plan.list_unread():
        is_secret = Suspicion.SECRET in suspect(path.rpartition(".")[2], {})
        said[is_secret].append(f"{path}{_say(kind)}: {count} documents")
    name = plan.mapper.container
    yield from _list(name, "properties that are not read and look like secrets", said[True], _NEVER_COPIED)
    yield from _list(name, "properties that are not read", said[False], _UNREAD)


def _count_rows(plan: Plan) -> list[str]:
    counts = [f"{plan.rows[table.name]} rows of {table.name}" for table in plan.mapper.tables]
    return [*counts, f"{plan.without_rows} deleted documents"] if plan.without_rows else counts


def _say_where(places: Sequence[int], count: int) -> str:
    """Name documents of a file by their place in it, which is no value of theirs."""
    if not places:
        return ""
    more = ", ..." if count > len(places) else ""
    return f" (document{'s' if count > 1 else ''} {', '.join(map(str, places))}{more} of the file)"


def _say(kind: str) -> str:
    return " in another spelling" if kind == ObservationKind.SPELLING else ""


def _say_time(hours: float) -> str:
    if hours >= 1:
        return f"{hours:.1f} hours"
    return f"{hours * 60:.0f} minutes" if hours * 60 >= 2 else "a minute or two"


def _suggest(plan: Plan) -> str:
    return ": the file has none" if plan.held is None else f" of {plan.held}: use a bigger --budget"
