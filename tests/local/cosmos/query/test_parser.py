"""What a query says is understood, or refused with its place or its reason."""

import pytest

from local.cosmos.errors import CosmosError
from local.cosmos.query import parser


def test_comment_runs_to_the_end_of_its_line() -> None:
    """Two dashes are never a minus before a negative number."""
    query = parser.parse("-- all\nSELECT * FROM c -- of them\n WHERE c.x = 1 --")

    assert query.where_text == "c.x = 1"


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


def test_nesting_without_end_is_refused() -> None:
    """A query cannot exhaust the stack."""
    with pytest.raises(CosmosError, match="nested too deeply"):
        parser.parse(f"SELECT * FROM c WHERE {'(' * 5000}1{')' * 5000}")
