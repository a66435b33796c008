"""The query language means what the service means by it."""

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
        ("[c.one, c.absent, 'x']", [1, "x"]),
        ("{\"a\": c.one, b: c.absent, 'c': {}}", {"a": 1, "c": {}}),
        ("c[@name]", 1),
        ("c.list[c.one]", True),
        ("c.list[-1]", UNDEFINED),
    ],
)
def test_computed_value(expression: str, expected: Any) -> None:
    """Operators compute with values of their own type, and constructors leave out what is undefined."""
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


def test_comment_runs_to_the_end_of_its_line() -> None:
    """Two dashes are never a minus before a negative number."""
    query = parser.parse("-- all\nSELECT * FROM c -- of them\n WHERE c.x = 1 --")

    assert query.where_text == "c.x = 1"


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


@pytest.mark.parametrize(
    ("text", "near", "start"),
    [
        ("SELECT", "", 6),
        ("SELECT * FROM c WHERE", "", 21),
        ("SELECT TOP -1 * FROM c", "-", 11),
        ("SELECT * FROM c JOIN t", "", 22),
        ("SELECT * FROM c WHERE c.x NOT = 1", "=", 30),
        ("SELECT * FROM c WHERE EXISTS", "EXISTS", 22),
        ("SELECT * FROM c WHERE SELECT", "SELECT", 22),
        ("SELECT * FROM c WHERE c.x < < 1", "<", 28),
        ("SELECT TOP 1.5 * FROM c", "1.5", 11),
        ("SELECT VALUE 1e999 FROM c", "1e999", 13),
        ("SELECT * FROM c ORDER c.x", "c", 22),
        ("SELECT * FROM c OFFSET 1", "", 24),
        ("SELECT * FROM c ; DROP", ";", 16),
        ("SELECT c.value FROM c", "value", 9),
        ("SELECT * FROM c WHERE c.a.Order = 1", "Order", 26),
        ("SELECT * FROM c JOIN t IN c.group", "group", 28),
    ],
)
def test_what_is_not_understood_is_refused_with_its_position(text: str, near: str, start: int) -> None:
    """The error points at the first word that has no meaning."""
    with pytest.raises(CosmosError) as refusal:
        parser.parse(text)

    assert refusal.value.status == 400
    assert "SC1001" in refusal.value.message
    assert f"near '{near}'" in refusal.value.message
    assert f'"start": {start},' in refusal.value.message


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("SELECT * FROM c WHERE d.x = 1", "'d' could not be resolved"),
        ("SELECT * FROM root r WHERE root.x = 1", "'root' could not be resolved"),
        ("SELECT * FROM c WHERE REGEXPMATCH(c.x, 'a')", "'REGEXPMATCH' is not a recognized built-in function name"),
        ("SELECT * FROM c WHERE LOWER(c.x, 1)", "'LOWER' has another number of arguments than 2"),
        ("SELECT * FROM c WHERE COUNT(1) = 1", "only understood in the SELECT clause"),
        ("SELECT VALUE SUM(COUNT(1)) FROM c", "an expression containing an aggregate"),
        ("SELECT COUNT(1), c.x FROM c", "'c' is invalid in the select list because it is not"),
        ("SELECT c.y FROM c GROUP BY c.x", "'c' is invalid in the select list because it is not"),
        ("SELECT c.x FROM c GROUP BY c.x ORDER BY c.x", "not supported in presence of GROUP BY"),
        ("SELECT * FROM c JOIN t IN c.tags", "only valid with a single input set"),
        ("SELECT VALUE t FROM c JOIN c IN c.tags", "the same name"),
        ("SELECT TOP 1 * FROM c OFFSET 1 LIMIT 1", "not allowed beside OFFSET"),
    ],
)
def test_what_makes_no_sense_is_refused(text: str, reason: str) -> None:
    """What the service refuses is refused here."""
    with pytest.raises(CosmosError, match=reason) as refusal:
        parser.parse(text)

    assert refusal.value.status == 400


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("SELECT * FROM c WHERE RegexMatch(c.x, 'a')", "The function RegexMatch"),
        ("SELECT VALUE CountIf(c.x) FROM c", "The function CountIf"),
        ("SELECT VALUE GetCurrentTimestamp() FROM c", "The function GetCurrentTimestamp"),
        ("SELECT VALUE udf.plus1(c.x) FROM c", "A user-defined function"),
        ("SELECT * FROM c WHERE EXISTS(SELECT VALUE t FROM t IN c.tags)", "A subquery"),
        ("SELECT ARRAY(SELECT VALUE t FROM t IN c.tags) AS a FROM c", "A subquery"),
        ("SELECT (SELECT VALUE 1) AS a FROM c", "A subquery"),
        ("SELECT * FROM c WHERE c.x IN (SELECT VALUE 1)", "A subquery"),
        ("SELECT VALUE x FROM (SELECT VALUE 1) AS x", "A subquery"),
        ("SELECT * FROM c JOIN (SELECT VALUE t FROM t IN c.tags)", "A subquery"),
        ("SELECT VALUE x FROM c JOIN x IN (SELECT VALUE t FROM t IN c.tags)", "A subquery"),
        ("SELECT VALUE t FROM t IN c.tags", "A path after FROM"),
        ("SELECT VALUE c FROM root.tags c", "A path after FROM"),
        ("SELECT VALUE c FROM root['tags'] c", "A path after FROM"),
        ("SELECT VALUE 1", "A query without FROM"),
        ("SELECT * FROM c WHERE c.x & 1 = 1", "The operator &"),
        ("SELECT VALUE ~c.x FROM c", "The operator ~"),
        ("SELECT VALUE c.x << 2 FROM c", "The operator <<"),
        ("SELECT VALUE c.x >>> 2 FROM c", "The operator >>>"),
        ("SELECT * FROM c ORDER BY RANK FullTextScore(c.x, 'a')", "ORDER BY RANK"),
    ],
)
def test_what_the_service_can_and_this_server_cannot_is_said_so(text: str, what: str) -> None:
    """Nobody looks for a mistake in a query that has none."""
    with pytest.raises(CosmosError) as refusal:
        parser.parse(text)

    assert refusal.value.status == 400
    assert refusal.value.message == f"{what} is not imitated by this server."


def test_names_of_functions_are_names() -> None:
    """A property may have the name of a function or of what follows ORDER BY."""
    query = parser.parse("SELECT c.udf, c.rank, c.array FROM c WHERE c.exp = 1 ORDER BY c.rank")

    assert [column.name for column in query.columns] == ["udf", "rank", "array"]


def test_parameter_without_a_value_is_refused() -> None:
    """A missing parameter is an error and not undefined."""
    with pytest.raises(CosmosError, match="'@x' has no value"):
        evaluate("c.one = @x")


def test_nesting_without_end_is_refused() -> None:
    """A query cannot exhaust the stack."""
    with pytest.raises(CosmosError, match="nested too deeply"):
        parser.parse(f"SELECT * FROM c WHERE {'(' * 5000}1{')' * 5000}")
