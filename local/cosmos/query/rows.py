"""Make a query's rows from documents: join, filter, sort, group, project."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from local.cosmos import errors, values
from local.cosmos.query import aggregates, lexer
from local.cosmos.query.comparison import canonical, sort_key
from local.cosmos.query.compiler import Compiler, Evaluate
from local.cosmos.query.tree import Expression, ObjectOf, Parameter, Query
from local.cosmos.values import UNDEFINED, JsonObject

# While a page is made, no other request is answered; so many rows take up to a second.
LARGEST_JOIN = 250_000
LARGEST_COUNT = 2**31 - 1


class Item(Protocol):
    """What a query reads: a document, or a resource's properties."""

    @property
    def number(self) -> int:
        """The place in the order of reading."""

    @property
    def value(self) -> JsonObject:
        """The JSON object."""

    def text(self) -> bytes:
        """Write it as SELECT * returns it."""


class Place(NamedTuple):
    """Say where a row stands; values to sort by come before the number."""

    number: int = 0
    element: int = 0
    keys: tuple[Any, ...] = ()


class Row(NamedTuple):
    """Hold one row, ready to be sent."""

    place: Place
    text: bytes


class _Candidate(NamedTuple):
    item: Item
    element: int
    sources: tuple[Any, ...]
    keys: tuple[Any, ...] = ()

    @property
    def place(self) -> Place:
        """Say where the row will stand."""
        return Place(self.item.number, self.element, self.keys)


class Statement:
    """Hold a query, compiled with its parameters."""

    def __init__(self, query: Query, parameters: Mapping[str, Any]) -> None:
        aliases = (query.alias, *(join.alias for join in query.joins))
        compiler = Compiler(aliases, parameters, query.aggregates)
        self.query = query
        self.parameters = parameters
        self._width = len(aliases)
        self._joins = [compiler.compile(join.path) for join in query.joins]
        self._where = None if query.where is None else compiler.compile(query.where)
        self._groups = [compiler.compile(key) for key in query.group_by]
        self._figures = [(figure.name, compiler.compile(figure.argument)) for figure in query.aggregates]
        self._order = [(compiler.compile(key.expression), key.descending) for key in query.order_by]
        self._project = _projection(query, compiler)
        self.offset = _count(query.offset, compiler)
        self.limit = _count(query.limit if query.top is None else query.top, compiler)

    @property
    def reads_all(self) -> bool:
        """Tell whether every page needs all documents and not only those after the last page."""
        return bool(self._order or self.query.distinct or self.query.grouped)

    def matches(self, value: JsonObject) -> bool:
        """Tell whether one object fulfils the condition."""
        return self._where is None or self._where((value,)) is True

    def rows(self, items: Iterable[Item], start: Place | None = None, taken: int = 0) -> Iterator[Row]:
        """Make the rows that come after a place, of which so many were taken before."""
        found = self._group(items) if self.query.grouped else self._select(items, start)
        if self.query.distinct:
            found = _distinct(found)
        rows = (row for row, _ in found if start is None or not self.reads_all or self._follows(row.place, start))
        first = self.offset or 0 if start is None else 0
        return itertools.islice(rows, first, None if self.limit is None else max(first + self.limit - taken, 0))

    def _select(self, items: Iterable[Item], start: Place | None) -> Iterator[tuple[Row, Any]]:
        candidates: Iterable[_Candidate] = self._candidates(items)
        if self._order:
            candidates = self._sorted(candidates)
        for candidate in candidates:
            if (
                not self.reads_all
                and start
                and candidate.item.number == start.number
                and candidate.element <= start.element
            ):
                continue
            value = candidate.item.value if self._project is None else self._project(candidate.sources)
            if value is not UNDEFINED:
                text = candidate.item.text() if self._project is None else values.render(value)
                yield Row(candidate.place, text), value

    def _candidates(self, items: Iterable[Item]) -> Iterator[_Candidate]:
        where = self._where
        for item, index, sources in self._joined(items):
            if where is None or where(sources) is True:
                keys = tuple([key(sources) for key, _ in self._order]) if self._order else ()
                yield _Candidate(item, index, sources, keys)

    def _joined(self, items: Iterable[Item]) -> Iterator[tuple[Item, int, tuple[Any, ...]]]:
        if not self._joins:
            yield from ((item, 0, (item.value,)) for item in items)
            return
        made = 0
        for item in items:
            rows: list[tuple[Any, ...]] = [(item.value,)]
            for path in self._joins:
                rows = _join(rows, path, LARGEST_JOIN - made)
                made += len(rows)
            yield from ((item, index, sources) for index, sources in enumerate(rows))

    def _sorted(self, candidates: Iterable[_Candidate]) -> list[_Candidate]:
        found = list(candidates)
        found.sort(key=lambda candidate: (candidate.item.number, candidate.element))
        for position, (_, descending) in reversed(list(enumerate(self._order))):
            found.sort(key=_nth_key(position), reverse=descending)
        return found

    def _follows(self, place: Place, start: Place) -> bool:
        for (_, descending), own, other in zip(self._order, place.keys, start.keys, strict=True):
            if sort_key(own) != sort_key(other):
                return (sort_key(own) > sort_key(other)) is not descending
        return (place.number, place.element) > (start.number, start.element)

    def _group(self, items: Iterable[Item]) -> Iterator[tuple[Row, Any]]:
        groups: dict[Any, tuple[tuple[Any, ...], list[list[Any]]]] = {}
        if not self._groups:
            groups[()] = ((UNDEFINED,) * self._width, [[] for _ in self._figures])
        for candidate in self._candidates(items):
            key = tuple(canonical(group(candidate.sources)) for group in self._groups)
            _, collected = groups.setdefault(key, (candidate.sources, [[] for _ in self._figures]))
            for (_, argument), found in zip(self._figures, collected, strict=True):
                found.append(argument(candidate.sources))
        for number, (sources, collected) in enumerate(groups.values(), 1):
            figures = [
                aggregates.figure(name, found) for (name, _), found in zip(self._figures, collected, strict=True)
            ]
            value = UNDEFINED if self._project is None else self._project((*sources, *figures))
            if value is not UNDEFINED:
                yield Row(Place(number), values.render(value)), value


def _projection(query: Query, compiler: Compiler) -> Evaluate | None:
    if query.value is not None:
        return compiler.compile(query.value.expression)
    if query.columns:
        return compiler.compile(ObjectOf(tuple((column.name, column.expression) for column in query.columns)))
    return None


def _count(expression: Expression | None, compiler: Compiler) -> int | None:
    if expression is None:
        return None
    count = compiler.compile(expression)(())
    if type(count) is not int or not 0 <= count <= LARGEST_COUNT:
        name = expression.token.text if isinstance(expression, Parameter) else "The count"
        raise errors.bad_request(f"{name} of TOP, OFFSET or LIMIT must be a whole number from 0 to {LARGEST_COUNT}.")
    return count


def _join(rows: Iterable[tuple[Any, ...]], path: Evaluate, most: int) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    for sources in rows:
        elements = path(sources)
        if isinstance(elements, list):
            found += [(*sources, element) for element in elements]
            if len(found) > most:
                raise lexer.not_imitated(f"A page that needs more than {LARGEST_JOIN} rows of JOIN")
    return found


def _distinct(rows: Iterable[tuple[Row, Any]]) -> Iterator[tuple[Row, Any]]:
    seen: set[Any] = set()
    for row, value in rows:
        found = canonical(value)
        if found not in seen:
            seen.add(found)
            yield row, value


def _nth_key(position: int) -> Callable[[_Candidate], tuple[int, Any]]:
    return lambda candidate: sort_key(candidate.keys[position])
