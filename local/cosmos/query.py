"""Answer queries over a container's documents, page by page."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from local.cosmos import errors, query_compiler, query_parser, rid, scope, values, wire
from local.cosmos.container import Container
from local.cosmos.partition import Document
from local.cosmos.query_tree import Aggregate, Query
from local.cosmos.scope import Scope
from local.cosmos.values import UNDEFINED, JsonObject
from local.cosmos.wire import Answer, Call, Page

# Names the last document that was read and not an offset, so that writes between two pages move nothing.
TOKEN_START = "+RID:~"  # noqa: S105  a position, no secret
TOKEN_RANGE = "#EPK:"  # noqa: S105

Select = Callable[[Document], bytes | None]
Evaluate = Callable[[JsonObject], Any]


@dataclass(frozen=True, slots=True)
class Position:
    """Say after which document a page begins, and in which physical partition that is."""

    low: str = ""
    number: int = 0


def read_all(container: Container, call: Call) -> Answer:
    """Read a page of all documents."""
    return _page(container, call, _scopes(container, call), lambda document: document.text())


def run(container: Container, call: Call) -> Answer:
    """Answer a page of a query."""
    query, parameters = _read_body(call)
    scopes = _scopes(container, call)
    _check_servable(query, call, scopes)
    where = _where(query, parameters)
    if isinstance(query.select, Aggregate):
        documents = (document.value for chosen in scopes for document in chosen.documents(0))
        figure = query_compiler.aggregate(query.select, filter(where, documents), parameters)
        rows = [] if figure is UNDEFINED else [values.render(figure)]
        return Answer(200, wire.envelope(container.rid, rows, count=len(rows)), _headers(container, scopes, len(rows)))
    return _page(container, call, scopes, _select(query, where, parameters))


def run_over(items: Iterable[JsonObject], call: Call) -> list[bytes]:
    """Answer a query over the properties of databases or containers, in one page."""
    query, parameters = _read_body(call)
    found = filter(_where(query, parameters), items)
    if isinstance(query.select, Aggregate):
        figures = [query_compiler.aggregate(query.select, found, parameters)]
    else:
        figures = list(map(_projection(query, parameters), found))
    return [values.render(figure) for figure in figures if figure is not UNDEFINED]


def _read_body(call: Call) -> tuple[Query, Mapping[str, Any]]:
    body = values.parse_object(call.body)
    text, listed = body.get("query"), body.get("parameters") or []
    if not isinstance(text, str) or not isinstance(listed, list):
        raise errors.bad_request("A query needs a text and a list of parameters.")
    if not all(isinstance(item, dict) and isinstance(item.get("name"), str) for item in listed):
        raise errors.bad_request("A query's parameter needs a name.")
    return query_parser.parse(text), {item["name"]: item.get("value", UNDEFINED) for item in listed}


def _scopes(container: Container, call: Call) -> list[Scope]:
    chosen = scope.of_key(container, call) or scope.of_range(container, call)
    return [chosen] if chosen else scope.of_all(container)


def _check_servable(query: Query, call: Call, scopes: list[Scope]) -> None:
    if call.header("x-ms-documentdb-partitionkeyrangeid") or scopes[0].key is not None:
        return
    if not call.flag("x-ms-documentdb-query-enablecrosspartition"):
        raise errors.bad_request(
            "Cross partition query is required but disabled. Please set x-ms-documentdb-query-enablecrosspartition to "
            "true, specify x-ms-documentdb-partitionkey, or revise your query to avoid this exception."
        )
    if isinstance(query.select, Aggregate):
        raise errors.bad_request(
            "The provided cross partition query can not be directly served by the gateway.",
            substatus=errors.CROSS_PARTITION_QUERY_NOT_SERVABLE,
        )


def _where(query: Query, parameters: Mapping[str, Any]) -> Callable[[JsonObject], bool]:
    if query.where is None:
        return lambda _value: True
    condition = query_compiler.compile_expression(query.where, parameters)
    return lambda value: condition(value) is True


def _select(query: Query, where: Callable[[JsonObject], bool], parameters: Mapping[str, Any]) -> Select:
    if query.select is None:
        return lambda document: document.text() if where(document.value) else None
    projection = _projection(query, parameters)

    def select(document: Document) -> bytes | None:
        row = projection(document.value) if where(document.value) else UNDEFINED
        return None if row is UNDEFINED else values.render(row)

    return select


def _projection(query: Query, parameters: Mapping[str, Any]) -> Evaluate:
    if query.select is None:
        return lambda value: value
    if isinstance(query.select, tuple):
        return query_compiler.compile_columns(query.select, parameters)
    assert not isinstance(query.select, Aggregate)  # noqa: S101  computed elsewhere, from all rows
    return query_compiler.compile_expression(query.select, parameters)


def _page(container: Container, call: Call, scopes: list[Scope], select: Select) -> Answer:
    page: Page[bytes] = Page(call.page_size())
    reached = continuation = None
    for position, document in _walk(scopes, _position(call)):
        if page.full:
            continuation = reached
            break
        reached = position
        row = select(document)
        if row is not None:
            page.add(row, len(row))
    headers = _headers(container, scopes, len(page.items))
    if continuation is not None:
        headers["x-ms-continuation"] = _token(container, continuation)
    return Answer(200, wire.envelope(container.rid, page.items, count=len(page.items)), headers)


def _walk(scopes: list[Scope], start: Position) -> Iterator[tuple[Position, Document]]:
    for chosen in scopes:
        low = chosen.partition.low
        if len(scopes) > 1 and chosen.partition.high <= start.low and start.number:
            continue
        begun = start.number if len(scopes) == 1 or low <= start.low else 0
        for document in chosen.documents(begun):
            yield Position(low, document.number), document


def _token(container: Container, position: Position) -> str:
    return f"{TOKEN_START}{rid.of_document(container.rid, position.number)}{TOKEN_RANGE}{position.low}"


def _position(call: Call) -> Position:
    token = call.header("x-ms-continuation")
    if token is None:
        return Position()
    text, _, low = token.removeprefix(TOKEN_START).partition(TOKEN_RANGE)
    try:
        return Position(low, rid.document_number(text))
    except ValueError as error:
        raise errors.bad_request(f"The continuation {token!r} is invalid.") from error


def _headers(container: Container, scopes: list[Scope], count: int) -> dict[str, str]:
    common = {"x-ms-item-count": str(count)}
    if len(scopes) == 1:
        return {**wire.partition_headers(container, scopes[0].partition), **common}
    return {**wire.container_headers(container), **common}
