"""The expressions of a query mean what the service means by them."""

from typing import Any

import pytest

from local.cosmos.errors import CosmosError
from local.cosmos.query import parser
from local.cosmos.query.compiler import Compiler
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
    value = parser.parse(f"SELECT VALUE {expression} FROM c").value
    assert value is not None
    return Compiler(("c",), parameters or {}).compile(value.expression)((DOCUMENT,))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("c.one", 1),
        ('c["value"]', 5),
        ("c.values", UNDEFINED),
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
        ("c.one = '1'", False),
        ("c.one != '1'", True),
        ("c.one = true", False),
        ("c.one != null", True),
        ("c.none != null", False),
        ("c.absent != null", UNDEFINED),
        ("NOT (c.one = null)", True),
        ("c.inner != null", True),
        ("c.list != @list", False),
        ("c.list != [2]", True),
        ("c.one < 'a'", UNDEFINED),
        ("c.absent = null", UNDEFINED),
        ("c.absent != 1", UNDEFINED),
        ("c.list = @list", True),
        ("c.list < @list", UNDEFINED),
        ("1 < 2 = true", True),
    ],
)
def test_comparison(expression: str, expected: Any) -> None:
    """Values of different types are different but in no order, and nothing compares with undefined."""
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


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 + 2 * 3 - 4", 3),
        ("7 / 2", 3.5),
        ("6 / 2", 3),
        ("-7 % 3", -1),
        ("1 / 0", UNDEFINED),
        ("1 % 0", UNDEFINED),
        ("c.one + 'a'", UNDEFINED),
        ("-c.one", -1),
        ("-c.text", UNDEFINED),
        ("9007199254740993 + 0", 9007199254740992.0),
        ("'a' || c.text || 'b'", "aab"),
        ("'a' || 1", UNDEFINED),
        ("c.absent ?? c.none ?? 1", None),
        ("c.one = 1 ? 'yes' : 'no'", "yes"),
        ("c.absent ? 'yes' : 'no'", "no"),
        ("[c.one, c.absent, 'x']", [1, None, "x"]),
        ("{\"a\": c.one, b: c.absent, 'c': {}}", {"a": 1, "c": {}}),
        ("c[@name]", 1),
        ("c.list[c.one]", True),
        ("c.list[-1]", UNDEFINED),
    ],
)
def test_computed_value(expression: str, expected: Any) -> None:
    """Operators compute with values of their own type; an undefined property is left out, an undefined element null."""
    assert evaluate(expression, {"@name": "one"}) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("c.one IN (2, 1.0)", True),
        ("c.one IN (2, 3)", False),
        ("c.one IN (2, '1')", False),
        ("c.one IN (2, undefined)", UNDEFINED),
        ("c.one NOT IN ('1', null)", True),
        ("c.one IN (c['value'], c.one)", True),
        ("c.one NOT IN (2, 3)", True),
        ("c.absent IN (1)", UNDEFINED),
        ("c.list IN (@list)", True),
        ("c.one BETWEEN 1 AND 2 AND true", True),
        ("c.one NOT BETWEEN 2 AND 3", True),
        ("c.one BETWEEN 'a' AND 'b'", UNDEFINED),
        ("c.text LIKE '%'", True),
        ("'a%c' LIKE 'a!%_' ESCAPE '!'", True),
        ("'abc' LIKE 'a.c'", False),
        ("c.one LIKE '1'", UNDEFINED),
    ],
)
def test_membership(expression: str, expected: Any) -> None:
    """IN, BETWEEN and LIKE are comparisons in short."""
    assert evaluate(expression, {"@list": [1, True]}) is expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("IS_DEFINED(c.none)", True),
        ("IS_DEFINED(c.absent)", False),
        ("is_null(c.none)", True),
        ("IS_NUMBER(c.yes)", False),
        ("IS_STRING(c.text)", True),
        ("IS_BOOL(c.yes)", True),
        ("IS_ARRAY(c.list)", True),
        ("IS_OBJECT(c.inner)", True),
        ("IS_PRIMITIVE(c.inner)", False),
        ("STARTSWITH('Abc', 'a')", False),
        ("STARTSWITH('Abc', 'a', true)", True),
        ("ENDSWITH('Abc', 'bc')", True),
        ("CONTAINS(c.text, c.one)", UNDEFINED),
        ("ARRAY_CONTAINS(c.list, 1)", True),
        ("ARRAY_CONTAINS([{'a': 1, 'b': 2}], {'a': 1})", False),
        ("ARRAY_CONTAINS([{'a': 1, 'b': 2}], {'a': 1}, true)", True),
        ("ARRAY_LENGTH(c.list)", 2),
        ("ARRAY_LENGTH(c.text)", UNDEFINED),
        ("ARRAY_SLICE([1, 2, 3], -2, 1)", [2]),
        ("ARRAY_CONCAT([1], [2])", [1, 2]),
        ("LOWER('A') || UPPER('b')", "aB"),
        ("SUBSTRING('abcdef', 1, 2)", "bc"),
        ("LEFT('abc', 2) || RIGHT('abc', 1)", "abc"),
        ("INDEX_OF('abc', 'c')", 2),
        ("REPLACE('aba', 'a', 'c')", "cbc"),
        ("LENGTH('abc')", 3),
        ("CONCAT('a', 'b', 'c')", "abc"),
        ("ABS(-2.5)", 2.5),
        ("ROUND(-2.5)", -3),
        ("FLOOR(1.5) + CEILING(1.5) + SIGN(-4)", 2),
        ("SQRT(-1)", UNDEFINED),
        ("POWER(2, 3)", 8),
    ],
)
def test_function(expression: str, expected: Any) -> None:
    """Functions are undefined for arguments of another type."""
    assert evaluate(expression) == expected


def test_thousand_alternatives_are_no_thousand_levels() -> None:
    """Reading many documents asks for each of them in one condition."""
    names = [f"@p{number}" for number in range(1000)]
    condition = " OR ".join(f"( c.one = {name} AND c.text = 'a' )" for name in names)

    assert evaluate(f"({condition})", dict(zip(names, range(1000), strict=True))) is True


def test_parameter_without_a_value_is_refused() -> None:
    """A missing parameter is an error and not undefined."""
    with pytest.raises(CosmosError, match="'@x' has no value"):
        evaluate("c.one = @x")
