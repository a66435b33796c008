"""The mappers of one container: each maps one type of documents, and the type says which."""

from collections.abc import Collection, Sequence
from typing import Any

from cdc.core.conventions import Conventions
from cdc.core.document_reader import DocumentReader, find_type
from cdc.core.documents import JsonObject
from cdc.core.errors import DocumentError, Problem, ProblemKind
from cdc.core.mapping import Mapper, Tuples, unmapped


class MapperGroup(Mapper[Any]):
    """Stands where the one mapper of a container stands, and leaves each document to the mapper of its type.

    Its tables are those of all its mappers. A document whose type nobody maps, or that names none, is unmapped, or
    parked where the conventions say so and it is not deleted.
    """

    def __init__(self, mappers: Sequence[Mapper[Any]]) -> None:
        self.container = mappers[0].container
        self._conventions = _find_conventions(self.container, mappers)
        self._parts = tuple(mappers)
        self._by_type: dict[str | None, Mapper[Any]] = {type_: each for each in mappers for type_ in each.reader.types}
        if len(mappers) == 1:
            self._by_type[None] = mappers[0]
        self.tables = tuple(table for each in mappers for table in each.tables)
        self.lookups = tuple(lookup for each in mappers for lookup in each.lookups)
        self.rules = tuple(rule for each in mappers for rule in each.rules)
        self.cache_keys = ()
        _refuse_shared(self.container, [type_ for each in mappers for type_ in each.reader.types], "type")
        _refuse_shared(self.container, [str(table) for table in self.tables], "table")

    def __repr__(self) -> str:
        return f"MapperGroup({self.container!r}, {sorted(self.types)})"

    @property
    def parts(self) -> Sequence[Mapper[Any]]:
        return self._parts

    @property
    def types(self) -> Collection[str]:
        return frozenset(type_ for each in self._parts for type_ in each.types)

    def map(self, body: JsonObject) -> Tuples:
        named = find_type(self._conventions, body)
        mapper = self._by_type.get(named)
        if mapper is not None:
            return mapper.map(body)
        if self._conventions.parks_unknown_types and not self._conventions.has_delete_mark(body):
            path = f"$.{self._conventions.type_properties[0]}"
            raise DocumentError(Problem(ProblemKind.MAPPING, path, "must be a type that a mapper takes"))
        return unmapped(named or "")


def by_container(mappers: Sequence[Mapper[Any]]) -> tuple[Mapper[Any], ...]:
    """Return one mapper for each container: its own, or the group of those of its types."""
    found: dict[str, list[Mapper[Any]]] = {}
    for mapper in mappers:
        found.setdefault(mapper.container, []).append(mapper)
    tables = [str(table) for mapper in mappers for table in mapper.tables]
    _refuse_shared("the mappers", tables, "table")
    return tuple(_group(group) for group in found.values())


def _group(mappers: Sequence[Mapper[Any]]) -> Mapper[Any]:
    first = mappers[0]
    parks = isinstance(first.reader, DocumentReader) and first.reader.conventions.parks_unknown_types
    return MapperGroup(mappers) if len(mappers) > 1 or parks else first


def _find_conventions(container: str, mappers: Sequence[Mapper[Any]]) -> Conventions:
    readers = [mapper.reader for mapper in mappers]
    conventions = [reader.conventions for reader in readers if isinstance(reader, DocumentReader)]
    if len(conventions) < len(readers) or any(each != conventions[0] for each in conventions):
        raise ValueError(f"The mappers of {container} must all read by the same conventions.")
    if not conventions[0].type_properties:
        raise ValueError(f"The conventions of {container} must name the properties that tell its types apart.")
    return conventions[0]


def _refuse_shared(where: str, names: Sequence[str], what: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"Two mappers of {where} have the {what} {name}: each needs its own.")
