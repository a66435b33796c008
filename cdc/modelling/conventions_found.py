"""Find the conventions of an application in a profile."""

from collections import Counter
from collections.abc import Iterator, Sequence

from cdc.core.conventions import ANYTHING, Conventions, DeleteMark, Instants, Naming, Secrets, fold
from cdc.modelling.columns import find_instants
from cdc.modelling.naming import Taken, distinguish, find_naming, write_snake
from cdc.modelling.profile import Facts, Profile, TypeProfile

_TOMBSTONES = ("tombstone", "tombstoned")
_FLAGS = ("isdeleted", "deleted", "softdeleted", "isremoved", "removed", *_TOMBSTONES)
_TIMES = ("deletedat", "deletedon", "deleteddate", "deletedutc", "deletedtime", "removedat")


def choose_conventions(
    profile: Profile, types: Sequence[TypeProfile], container: str, theirs: Conventions | None, taken: Taken
) -> tuple[Conventions, str]:
    """Return the conventions of a container's documents and their module: those that are there already, if they fit."""
    found = find_conventions(profile, types)
    if theirs is not None and fits(found, theirs, types):
        return theirs, "conventions"
    return found, distinguish(f"{write_snake(container)}_conventions", taken.modules)


def is_secret(conventions: Conventions, name: str, facts: Facts) -> bool:
    """Return whether a property is never copied."""
    return facts.is_secret or conventions.secrets.has(name)


def list_secrets(conventions: Conventions, root: Facts) -> tuple[str, ...]:
    """Return the paths of all properties that are never copied."""
    return tuple(path for path, name, facts in root.walk_named() if name and is_secret(conventions, name, facts))


def find_conventions(profile: Profile, types: Sequence[TypeProfile]) -> Conventions:
    """Return the conventions that most of the documents follow."""
    properties = [each for type_ in types for each in _list_properties(type_.root)]
    naming = find_naming(name for name, _ in properties if not name.startswith(("$", "_")) and name != "id")
    # Where some ids begin with the type, these documents have the key itself beside it.
    keyed = [type_ for type_ in types if type_.key.prefixed] or types
    has_id = all((own := type_.root.fields.get("Id")) and own.kind == "string" for type_ in keyed)
    return Conventions(
        naming=naming,
        instants=_find_instants(properties, naming),
        type_properties=profile.type_properties,
        key="Id" if has_id else "id",
        prefixed_ids=any(type_.key.prefixed for type_ in types),
        delete_mark=_find_mark(types),
        secrets=Secrets(frozenset(name for name, facts in properties if facts.is_secret)),
    )


def fits(found: Conventions, theirs: Conventions, types: Sequence[TypeProfile]) -> bool:
    """Return whether documents can be read by conventions that are there already."""
    every = [each for type_ in types for each in _list_properties(type_.root)]
    # A secret inside a JSON column is only left out if the conventions name it.
    inner = [each for type_ in types for field in type_.root.fields.values() for each in _list_properties(field)]
    return (
        not any(theirs.secrets.has(name) and not facts.is_secret for name, facts in every)
        and all(theirs.secrets.has(name) for name, facts in inner if facts.is_secret)
        and found.naming is theirs.naming
        and set(found.type_properties) <= set(theirs.type_properties)
        and found.key in ("id", theirs.key)
        and (theirs.prefixed_ids or not found.prefixed_ids)
        and found.delete_mark == _find_theirs(theirs.delete_mark, types)
        and found.instants is theirs.instants
    )


def _find_theirs(mark: DeleteMark | None, types: Sequence[TypeProfile]) -> DeleteMark | None:
    return mark if mark is not None and any(mark.property in type_.root.fields for type_ in types) else None


def _list_properties(facts: Facts) -> Iterator[tuple[str, Facts]]:
    """Return all properties below a path, those of dictionaries and arrays too."""
    return ((name, each) for _, name, each in facts.walk_named() if name)


def _find_instants(properties: Sequence[tuple[str, Facts]], naming: Naming) -> Instants:
    counts: Counter[Instants] = Counter()
    for name, facts in properties:
        form = find_instants(name, facts)
        if form is not None:
            counts[form] += facts.present
    if counts[Instants.DOTNET] or (naming is Naming.PASCAL and counts[Instants.ISO]):
        counts[Instants.DOTNET] += counts.pop(Instants.ISO, 0)
    return max(counts, key=lambda form: counts[form], default=Instants.ISO)


def suspect_marks(root: Facts) -> Iterator[DeleteMark]:
    """Return what may mark a deleted document, the surest first."""
    for name, facts in root.fields.items():
        if fold(name) in _FLAGS and facts.kinds.keys() <= {"boolean", "null"}:
            yield DeleteMark(name)
    for name, facts in root.fields.items():
        if fold(name) in _TIMES and facts.kinds.keys() <= {"string", "number", "null"}:
            yield DeleteMark(name, ANYTHING)


def _find_mark(types: Sequence[TypeProfile]) -> DeleteMark | None:
    """Return the mark of documents that Cosmos deletes later; the application may want others back."""
    for type_ in types:
        ttl = type_.root.fields.get("ttl")
        expires = ttl is not None and ttl.present < type_.documents
        for mark in suspect_marks(type_.root):
            if expires or fold(mark.property) in _TOMBSTONES:
                return mark
    return None
