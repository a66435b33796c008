"""Answer queries over a container's documents, page by page."""

import heapq
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from local.cosmos import errors, scope, values, wire
from local.cosmos.container import Container
from local.cosmos.partition import Document
from local.cosmos.query import parser, pins, planning
from local.cosmos.query.metrics import Costs
from local.cosmos.query.position import Position
from local.cosmos.query.rows import Place, Statement
from local.cosmos.scope import Scope
from local.cosmos.values import JsonObject
from local.cosmos.wire import Answer, Call, Page

EVERYTHING = "SELECT * FROM c"


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Hold what one page is read from: a logical partition, or a range that was one physical partition at first.

    Its children are read together in the order of the documents' numbers, as if it had not split.
    """

    scopes: list[Scope]
    low: str
    high: str
    following: Scope | None = None

    def documents(self, start: Position | None, costs: Costs) -> Iterator[Document]:
        # The last document is read again: it may have more rows.
        after = 0 if start is None else start.place.number - 1
        for document in heapq.merge(*(each.documents(after) for each in self.scopes), key=lambda item: item.number):
            costs.read += 1
            costs.read_bytes += len(document.open_text)
            yield document


@dataclass(frozen=True, slots=True)
class _Listed:
    number: int
    value: JsonObject

    def text(self) -> bytes:
        return values.render(self.value)


def read_all(container: Container, call: Call) -> Answer:
    """Read a page of all documents."""
    chosen = scope.of_key(container, call) or scope.of_range(container, call)
    return _page(container, call, Statement(parser.parse(EVERYTHING), {}), chosen)


def run(container: Container, call: Call) -> Answer:
    """Answer a page of a query."""
    statement = _statement(call)
    chosen = _chosen(container, call, statement)
    if chosen is None and planning.needed(statement.query):
        raise planning.refuse(statement)
    return _page(container, call, statement, chosen)


def plan(call: Call) -> Answer:
    """Describe how the client executes a query over physical partitions."""
    features = (call.header("x-ms-cosmos-supported-query-features") or "").split(",")
    described = planning.plan(_statement(call), frozenset(map(str.strip, features)))
    return Answer(200, values.render(described))


def run_over(items: Iterable[JsonObject], call: Call) -> list[bytes]:
    """Answer a query over the properties of databases or containers, in one page."""
    listed = (_Listed(number, item) for number, item in enumerate(items, 1))
    return [row.text for row in _statement(call).rows(listed)]


def _statement(call: Call) -> Statement:
    body = values.parse_object(call.body)
    text = body.get("query")
    if not isinstance(text, str):
        raise errors.bad_request("A query needs a text.")
    return Statement(parser.parse(text), _parameters(body.get("parameters") or []))


def _parameters(listed: Any) -> Mapping[str, Any]:
    named = isinstance(listed, list) and all(
        isinstance(item, dict) and isinstance(item.get("name"), str) for item in listed
    )
    if not named:
        raise errors.bad_request("A query's parameters must be a list of objects with a name.")
    return {item["name"]: item.get("value", values.UNDEFINED) for item in listed}


def _stretch(container: Container, chosen: Scope | None, start: Position | None) -> _Stretch:
    if chosen is not None:
        return _Stretch([chosen], chosen.partition.low, chosen.partition.high)
    partitions = container.partitions
    low, high = (partitions[0].low, partitions[0].high) if start is None else (start.low, start.high)
    # A split may have cut the range, and a merge may have made it a part of another.
    within = [Scope(each, low, high) for each in partitions if each.low < high and low < each.high]
    return _Stretch(within, low, high, next((Scope(each, high) for each in partitions if high < each.high), None))


def _chosen(container: Container, call: Call, statement: Statement) -> Scope | None:
    chosen = scope.of_key(container, call) or scope.of_range(container, call)
    if chosen is not None or call.flag("x-ms-documentdb-query-enablecrosspartition"):
        return chosen
    key = pins.pinned(statement.query, statement.parameters, container.definition)
    if key is None:
        raise errors.bad_request(
            "Cross partition query is required but disabled. Please set x-ms-documentdb-query-enablecrosspartition to "
            "true, specify x-ms-documentdb-partitionkey, or revise your query to avoid this exception."
        )
    return Scope(container.partition_of(key.epk), key=key)


def _page(container: Container, call: Call, statement: Statement, chosen: Scope | None) -> Answer:
    page: Page[bytes] = Page(sys.maxsize if statement.query.grouped else call.page_size())
    token = call.header("x-ms-continuation")
    start = None if token is None else Position.read(token, container.rid, len(statement.query.order_by))
    stretch, costs = _stretch(container, chosen, start), Costs()
    next_start = _fill(page, statement, stretch, start, costs)
    costs.sent, costs.sent_bytes = len(page.items), page.weight
    headers = {
        "x-ms-item-count": str(len(page.items)),
        **wire.partition_headers(container, stretch.scopes[0].partition),
        **costs.headers(statement.query, metrics=call.flag("x-ms-documentdb-populatequerymetrics")),
    }
    if next_start is not None:
        headers["x-ms-continuation"] = next_start.write(container.rid)
    return Answer(200, wire.envelope(container.rid, page.items, count=len(page.items)), headers)


def _fill(
    page: Page[bytes], statement: Statement, stretch: _Stretch, start: Position | None, costs: Costs
) -> Position | None:
    documents = stretch.documents(None if statement.reads_all else start, costs)
    taken = 0 if start is None else start.taken
    last = Place()
    for row in statement.rows(documents, start.place if start else None, taken):
        if page.full:
            return Position(last, stretch.low, stretch.high, taken + len(page.items))
        page.add(row.text, len(row.text))
        last = row.place
    if stretch.following is None:
        return None
    following = stretch.following
    return Position(Place(), following.low, following.partition.high, taken + len(page.items))
