"""Find the conventions of an application in a profile."""

from collections import Counter
from collections.abc import Iterator, Sequence

from cdc.core.conventions import ANYTHING, Conventions, DeleteMark, Instants, Naming, Secrets, fold
from cdc.modelling.columns import find_instants
from cdc.modelling.naming import find_naming
from cdc.modelling.personal import Suspicion
from cdc.modelling.profile import Facts, Profile, TypeProfile

_FLAGS = ("isdeleted", "deleted", "softdeleted", "isremoved", "removed", "tombstone", "tombstoned")
_TIMES = ("deletedat", "deletedon", "deleteddate", "deletedutc", "deletedtime", "removedat")


def find_conventions(profile: Profile, types: Sequence[TypeProfile]) -> Conventions:
    """Return the conventions that most of the documents follow."""
    properties = [each for type_ in types for each in _walk(type_.root)]
    naming = find_naming(name for name, _ in properties if not name.startswith(("$", "_")) and name != "id")
    has_id = all((own := type_.root.fields.get("Id")) and own.kind == "string" for type_ in types)
    return Conventions(
        naming=naming,
        instants=_find_instants(properties, naming),
        type_properties=profile.type_properties,
        key="Id" if has_id else "id",
        prefixed_ids=any(type_.key.prefixed for type_ in types),
        delete_mark=_find_mark(types),
        secrets=Secrets(frozenset(name for name, facts in properties if Suspicion.SECRET in facts.suspicions)),
    )


def fits(found: Conventions, theirs: Conventions, types: Sequence[TypeProfile]) -> bool:
    """Return whether documents can be read by conventions that are there already."""
    inner = [each for type_ in types for field in type_.root.fields.values() for each in _walk(field)]
    every = [each for type_ in types for each in _walk(type_.root)]
    hidden = any(theirs.secrets.has(name) and Suspicion.SECRET not in facts.suspicions for name, facts in every)
    covered = not hidden and all(
        theirs.secrets.has(name) for name, facts in inner if Suspicion.SECRET in facts.suspicions
    )
    return (
        covered
        and found.naming is theirs.naming
        and set(found.type_properties) <= set(theirs.type_properties)
        and found.key in ("id", theirs.key)
        and (theirs.prefixed_ids or not found.prefixed_ids)
        and found.delete_mark in (None, theirs.delete_mark)
        and found.instants is theirs.instants
    )


def _walk(facts: Facts) -> Iterator[tuple[str, Facts]]:
    """Return all properties below an object, those of dictionaries and arrays too."""
    for name, field in facts.fields.items():
        yield name, field
        yield from _walk(field)
    for inner in (facts.items, facts.entries):
        if inner is not None:
            yield from _walk(inner)


def _find_instants(properties: Sequence[tuple[str, Facts]], naming: Naming) -> Instants:
    counts: Counter[Instants] = Counter()
    for name, facts in properties:
        form = find_instants(name, facts)
        if form is not None:
            counts[form] += facts.present
    if counts[Instants.DOTNET] or (naming is Naming.PASCAL and counts[Instants.ISO]):
        counts[Instants.DOTNET] += counts.pop(Instants.ISO, 0)
    return max(counts, key=lambda form: counts[form], default=Instants.ISO)


def _find_mark(types: Sequence[TypeProfile]) -> DeleteMark | None:
    fields = [each for type_ in types for each in type_.root.fields.items()]
    for name, facts in fields:
        if fold(name) in _FLAGS and facts.kind in ("boolean", None) and facts.kinds.keys() <= {"boolean", "null"}:
            return DeleteMark(name)
    for name, facts in fields:
        if fold(name) in _TIMES and facts.kinds.keys() <= {"string", "number", "null"}:
            return DeleteMark(name, ANYTHING)
    return None
