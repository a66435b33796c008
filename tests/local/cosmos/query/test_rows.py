"""A query makes its rows in the service's order, groups and windows."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from local.cosmos.errors import CosmosError
from local.cosmos.query import parser
from local.cosmos.query.rows import Place, Statement
from local.cosmos.values import JsonObject


@dataclass(frozen=True)
class Listed:
    """Stand for a document."""

    number: int
    value: JsonObject

    def text(self) -> bytes:
        """Write the object."""
        return json.dumps(self.value).encode()


def items(*values: JsonObject) -> list[Listed]:
    """Number some objects."""
    return [Listed(number, value) for number, value in enumerate(values, 1)]


def select(text: str, *values: JsonObject, **parameters: Any) -> list[Any]:
    """Run a query over some objects."""
    statement = Statement(parser.parse(text), {f"@{name}": value for name, value in parameters.items()})
    return [json.loads(row.text) for row in statement.rows(items(*values))]


@pytest.mark.parametrize("alias", ["FROM root r", "FROM root AS r", "from r"])
def test_alias_may_be_any_name(alias: str) -> None:
    """The document goes by the name that FROM gives it, and a column by its own or by its place."""
    found = select(f"select r.one, r.text as t, 1, r.absent {alias}", {"one": 1, "text": "a"})

    assert found == [{"one": 1, "t": "a", "$3": 1}]


@pytest.mark.parametrize(
    ("figure", "values", "expected"),
    [
        ("COUNT", [1, "a", None], [3]),
        ("SUM", [1, 2.5], [3.5]),
        ("SUM", [1, "a"], []),
        ("AVG", [1, 2], [1.5]),
        ("AVG", [1, None], []),
        ("MIN", ["a", 1, None], [None]),
        ("MAX", ["a", 1, None], ["a"]),
        ("MAX", [[]], []),
        ("COUNT", [], [0]),
        ("SUM", [], []),
        ("AVG", [], []),
        ("MIN", [], []),
    ],
)
def test_aggregate(figure: str, values: list[Any], expected: list[Any]) -> None:
    """Figures of mixed types follow the service's order of types, and undefined ones are no row."""
    assert select(f"SELECT VALUE {figure}(c.x) FROM c", *({"x": value} for value in values), {}) == expected


def test_aggregates_may_be_part_of_an_expression() -> None:
    """Within one physical partition figures can be combined."""
    text = "SELECT COUNT(1) AS count, {'sum': SUM(c.x) + 1} AS more, MAX(c.none) AS none FROM c WHERE c.x > 1"

    assert select(text, {"x": 1}, {"x": 2}, {"x": 3}) == [{"count": 2, "more": {"sum": 6}}]


def test_groups_come_in_the_order_of_their_first_document() -> None:
    """Values of different types are different groups, and so is undefined."""
    text = "SELECT c.kind, COUNT(1) AS count FROM c GROUP BY c.kind"

    found = select(text, {"kind": 1}, {"kind": True}, {"kind": 1.0}, {})

    assert found == [{"kind": 1, "count": 2}, {"kind": True, "count": 1}, {"count": 1}]


def test_types_are_sorted_as_the_service_does() -> None:
    """Undefined, null, booleans, numbers, strings; equal values stay in the order of the documents."""
    values: list[JsonObject] = [{"x": "a"}, {"x": 2}, {"x": True}, {"x": None}, {}, {"x": 2, "n": 1}, {"x": False}]

    ascending = select("SELECT * FROM c ORDER BY c.x", *values)
    descending = select("SELECT * FROM c ORDER BY c.x DESC", *values)

    assert ascending == [{}, {"x": None}, {"x": False}, {"x": True}, {"x": 2}, {"x": 2, "n": 1}, {"x": "a"}]
    assert descending == [{"x": "a"}, {"x": 2}, {"x": 2, "n": 1}, {"x": True}, {"x": False}, {"x": None}, {}]


def test_several_keys_have_their_own_directions() -> None:
    """The second key orders what the first leaves equal."""
    values = [{"a": a, "b": b} for a in (1, 2) for b in (1, 2)]

    found = select("SELECT VALUE [c.a, c.b] FROM c ORDER BY c.a DESC, c.b", *values)

    assert found == [[2, 1], [2, 2], [1, 1], [1, 2]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT TOP 2 VALUE c.x FROM c", [3, 1]),
        ("SELECT TOP @n VALUE c.x FROM c ORDER BY c.x", [1, 2]),
        ("SELECT VALUE c.x FROM c ORDER BY c.x OFFSET 1 LIMIT @n", [2, 2]),
        ("SELECT DISTINCT VALUE c.x FROM c", [3, 1, 2]),
        ("SELECT DISTINCT VALUE c.x FROM c ORDER BY c.x OFFSET 1 LIMIT 5", [2, 3]),
        ("SELECT TOP 0 * FROM c", []),
    ],
)
def test_window(text: str, expected: list[int]) -> None:
    """Rows are made different first, then counted."""
    assert select(text, {"x": 3}, {"x": 1}, {"x": 2}, {"x": 2.0}, n=2) == expected


@pytest.mark.parametrize("count", [-1, 1.5, True, "1", None, 2**31])
def test_window_must_be_a_whole_number(count: Any) -> None:
    """A parameter that counts nothing is refused."""
    with pytest.raises(CosmosError, match="@n of TOP, OFFSET or LIMIT must be a whole number"):
        select("SELECT TOP @n * FROM c", n=count)


@pytest.mark.parametrize("digits", [10, 20, 400, 5000])
def test_window_has_a_largest_number(digits: int) -> None:
    """Whatever is longer than a 32-bit number is refused and breaks nothing."""
    with pytest.raises(CosmosError) as refusal:
        select(f"SELECT TOP {'9' * digits} * FROM c")

    assert refusal.value.status == 400


@pytest.mark.parametrize(
    "text",
    [
        "SELECT VALUE COUNT(1) FROM c JOIN a IN c.list JOIN b IN c.list JOIN d IN c.list",
        "SELECT TOP 1 VALUE 1 FROM c JOIN a IN c.list JOIN b IN c.list JOIN d IN c.none",
    ],
)
def test_joins_have_a_largest_number_of_rows(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A query cannot keep the server from answering others; also rows that another JOIN drops again are work."""
    monkeypatch.setattr("local.cosmos.query.rows.LARGEST_JOIN", 500)
    documents = [{"list": list(range(20))}] * 2

    with pytest.raises(CosmosError, match="A page that needs more than 500 rows of JOIN is not imitated") as refusal:
        select(text, *documents)

    assert refusal.value.status == 400
    assert select("SELECT VALUE COUNT(1) FROM c JOIN a IN c.list JOIN b IN a", *documents) == [0]


def test_join_makes_a_row_of_each_element() -> None:
    """A document without the array has no row."""
    text = "SELECT c.id, t AS tag, s FROM c JOIN t IN c.tags JOIN s IN t.subs WHERE s != 2"

    found = select(
        text, {"id": "1", "tags": [{"subs": [1, 2, 3]}, {"subs": []}]}, {"id": "2"}, {"id": "3", "tags": "x"}
    )

    assert [(row["id"], row["s"]) for row in found] == [("1", 1), ("1", 3)]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT VALUE [c.id, t] FROM c JOIN t IN c.tags",
        "SELECT VALUE [c.id, t] FROM c JOIN t IN c.tags ORDER BY t DESC, c.id",
        "SELECT DISTINCT VALUE t FROM c JOIN t IN c.tags",
        "SELECT VALUE [c.id, t] FROM c JOIN t IN c.tags OFFSET 2 LIMIT 5",
        "SELECT TOP 4 VALUE t FROM c JOIN t IN c.tags ORDER BY t",
        "SELECT t, COUNT(1) AS n FROM c JOIN t IN c.tags GROUP BY t",
    ],
)
def test_any_row_is_a_place_to_go_on_from(text: str) -> None:
    """Going on after a row yields exactly the rows that followed it."""
    listed = items(*({"id": str(number), "tags": [number % 3, number % 2]} for number in range(5)))
    statement = Statement(parser.parse(text), {})
    rows = list(statement.rows(listed))

    for taken, row in enumerate(rows, 1):
        after = [item for item in listed if statement.reads_all or item.number >= row.place.number]
        assert list(statement.rows(after, row.place, taken)) == rows[taken:]


def test_place_may_be_gone() -> None:
    """A document that was deleted since is still a place to go on from."""
    statement = Statement(parser.parse("SELECT VALUE c.x FROM c ORDER BY c.x"), {})

    rows = statement.rows(items({"x": 1}, {"x": 5}), Place(9, 0, (3,)), 1)

    assert [row.text for row in rows] == [b"5"]
