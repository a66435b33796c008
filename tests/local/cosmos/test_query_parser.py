"""The query language means what the service means by it."""

from typing import Any

import pytest

from local.cosmos import query_compiler, query_parser
from local.cosmos.errors import CosmosError
from local.cosmos.query_tree import Aggregate
from local.cosmos.values import UNDEFINED

DOCUMENT = {
    "one": 1,
    "text": "a",
    "yes": True,
    "none": None,
    "inner": {"a b": {"x": [10, 20]}},
    "list": [1, True],
    "value": 5,
}


def evaluate(expression: str, parameters: dict[str, Any] | None = None) -> Any:
    """Evaluate an expression over the document above."""
    tree = query_parser.parse(f"SELECT VALUE {expression} FROM c").select
    assert tree is not None
    assert not isinstance(tree, Aggregate | tuple)
    return query_compiler.compile_expression(tree, parameters or {})(DOCUMENT)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("c.one", 1),
        ("c.value", 5),
        ('c["one"]', 1),
        ("c['inner']['a b'].x[1]", 20),
        ("c.inner.absent.deeper", UNDEFINED),
        ("c.list[9]", UNDEFINED),
        ("c.text.length", UNDEFINED),
        ("1.5e1", 15),
        ("-2", -2),
        (r"'it\'s \"q\" \u00e9'", 'it\'s "q" é'),
        ("null", None),
        ("TRUE", True),
        ("undefined", UNDEFINED),
    ],
)
def test_path_or_literal(expression: str, expected: Any) -> None:
    """Properties and literals evaluate to their values."""
    assert evaluate(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("c.one = 1.0", True),
        ("c.one <> 2", True),
        ("c.one != 1", False),
        ("c.text < 'b'", True),
        ("c.yes > false", True),
        ("c.none = null", True),
        ("c.one = '1'", UNDEFINED),
        ("c.one != '1'", UNDEFINED),
        ("c.one = true", UNDEFINED),
        ("c.one < 'a'", UNDEFINED),
        ("c.absent = null", UNDEFINED),
        ("c.absent != 1", UNDEFINED),
        ("c.list = @list", True),
        ("c.list < @list", UNDEFINED),
        ("1 < 2 = true", True),
    ],
)
def test_comparison(expression: str, expected: Any) -> None:
    """Values of different types cannot be compared, and nothing compares with undefined."""
    assert evaluate(expression, {"@list": [1, True]}) is expected


def test_true_is_not_one_inside_an_array() -> None:
    """Python's equality of true and 1 does not leak."""
    assert evaluate("c.list = @list", {"@list": [1, 1]}) is False


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("true AND true", True),
        ("true AND c.absent", UNDEFINED),
        ("false AND c.absent", False),
        ("c.absent AND false", False),
        ("true OR c.absent", True),
        ("c.absent OR true", True),
        ("false OR c.absent", UNDEFINED),
        ("c.one AND true", UNDEFINED),
        ("NOT c.yes", False),
        ("NOT c.absent", UNDEFINED),
        ("NOT (c.one = 2)", True),
        ("true OR true AND false", True),
        ("(true OR true) AND false", False),
    ],
)
def test_logic(expression: str, expected: Any) -> None:
    """Undefined is neither true nor false, and one operand may decide alone."""
    assert evaluate(expression) is expected


@pytest.mark.parametrize("alias", ["FROM root r", "FROM root AS r", "from r"])
def test_alias_may_be_any_name(alias: str) -> None:
    """The document goes by the name that FROM gives it."""
    query = query_parser.parse(f"select r.one, r.text as t, 1, r.absent {alias}")

    assert isinstance(query.select, tuple)
    assert query_compiler.compile_columns(query.select, {})(DOCUMENT) == {"one": 1, "t": "a", "$3": 1}


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("COUNT", [1, "a", None], 3),
        ("SUM", [1, 2.5], 3.5),
        ("SUM", [1, "a"], UNDEFINED),
        ("MIN", ["a", 1, None], None),
        ("MAX", ["a", 1, None], "a"),
        ("MAX", [[]], UNDEFINED),
    ],
)
def test_aggregate(name: str, values: list[Any], expected: Any) -> None:
    """Figures of mixed types follow the service's order of types."""
    call = query_parser.parse(f"SELECT VALUE {name}(c.x) FROM c").select
    assert isinstance(call, Aggregate)

    assert query_compiler.aggregate(call, [*({"x": value} for value in values), {}], {}) == expected


@pytest.mark.parametrize(
    ("text", "near", "start"),
    [
        ("SELECT", "", 6),
        ("SELECT * FROM c WHERE", "", 21),
        ("SELECT * FROM c ORDER BY c.x", "ORDER", 16),
        ("SELECT TOP 1 * FROM c", "TOP", 7),
        ("SELECT DISTINCT c.x FROM c", "DISTINCT", 7),
        ("SELECT * FROM c JOIN t IN c.tags", "JOIN", 16),
        ("SELECT * FROM c WHERE c.x IN (1)", "IN", 26),
        ("SELECT * FROM c WHERE STARTSWITH(c.x, 'a')", "STARTSWITH", 22),
        ("SELECT VALUE COUNT(1) + 1 FROM c", "+", 22),
        ("SELECT COUNT(1) FROM c", "COUNT", 7),
        ("SELECT * FROM c WHERE c.x + 1 = 2", "+", 26),
        ("SELECT * FROM c WHERE c.x = {}", "{", 28),
        ("SELECT * FROM c ; DROP", ";", 16),
    ],
)
def test_what_is_not_understood_is_refused_with_its_position(text: str, near: str, start: int) -> None:
    """The error points at the first word that has no meaning."""
    with pytest.raises(CosmosError) as refusal:
        query_parser.parse(text)

    assert refusal.value.status == 400
    assert "SC1001" in refusal.value.message
    assert f"near '{near}'" in refusal.value.message
    assert f'"start": {start},' in refusal.value.message


@pytest.mark.parametrize("text", ["SELECT * FROM c WHERE d.x = 1", "SELECT * FROM root r WHERE root.x = 1"])
def test_unknown_name_is_refused(text: str) -> None:
    """Only the alias names the document."""
    with pytest.raises(CosmosError, match="could not be resolved"):
        query_parser.parse(text)


def test_parameter_without_a_value_is_refused() -> None:
    """A missing parameter is an error and not undefined."""
    with pytest.raises(CosmosError, match="'@x' has no value"):
        evaluate("c.one = @x")


def test_nesting_without_end_is_refused() -> None:
    """A query cannot exhaust the stack."""
    with pytest.raises(CosmosError, match="nested too deeply"):
        query_parser.parse(f"SELECT * FROM c WHERE {'(' * 5000}1{')' * 5000}")
