"""The table of problems is the page of the docs, and the worst of what is found is the verdict."""

from pathlib import Path

import pytest

from cdc.operations.problem_page import write_page
from cdc.operations.problems import BLOCKERS, Code, CurrentProblem, Health, sum_up

ROOT = Path(__file__).parents[3]


def test_the_page_is_the_table():
    """`python -m cdc problems > docs/problems.md` writes it."""
    assert (ROOT / "docs/problems.md").read_text(encoding="utf-8") == write_page()


def test_a_problem_leads_to_its_paragraph():
    """A link to the page, with the heading of the paragraph."""
    problem = CurrentProblem.of(Code.FEED_DEAD, "Nobody reads.", "Accounts")

    assert (problem.code, problem.severity, problem.docs) == ("feed_dead", "stopped", "docs/problems.md#feed_dead")
    assert "\n## feed_dead\n" in write_page()
    assert problem.remedy in write_page()


@pytest.mark.parametrize(
    ("codes", "verdict"),
    [
        ([], Health.HEALTHY),
        ([Code.LEASE_UNRENEWED], Health.HEALTHY),
        ([Code.LEASE_UNRENEWED, Code.PAUSED], Health.DEGRADED),
        ([Code.PAUSED, Code.COSMOS_REFUSED], Health.STOPPED),
    ],
)
def test_the_worst_problem_is_the_verdict(codes, verdict):
    """A note leaves it as it is."""
    assert sum_up(CurrentProblem.of(code, "") for code in codes) is verdict


def test_a_remedy_names_what_is_known():
    """The container, and the type of its documents: commands and settings can be copied as they are."""
    paused = CurrentProblem.of(Code.PAUSED, "why", "UserProfiles")
    unmapped = CurrentProblem.of(Code.UNMAPPED_TYPE, "why", "Accounts", type_="SalesOrder")

    assert "`python -m cdc resume UserProfiles`" in paused.remedy
    assert "`READINESS_ACCEPTED_TYPES=Accounts:SalesOrder`" in unmapped.remedy
    assert "backfill of Accounts with `reapply`" in unmapped.remedy
    assert "`python -m cdc resume CONTAINER`" in CurrentProblem.of(Code.PAUSED, "why").remedy


def test_a_name_that_looks_like_a_place_for_a_name_stays_as_it_is():
    """Whatever a type is called."""
    problem = CurrentProblem.of(Code.UNMAPPED_TYPE, "why", "TYPE", type_=r"CONTAINER\1")

    assert r"`READINESS_ACCEPTED_TYPES=TYPE:CONTAINER\1`" in problem.remedy


def test_the_reason_comes_before_what_follows_from_it():
    """A batch that fails before a feed that is late; both say who holds a lock."""
    codes = list(Code)

    assert codes.index(Code.FEED_FAILING) < codes.index(Code.FEED_BEHIND)
    assert all(f"`{BLOCKERS}`" in code.remedy for code in (Code.FEED_FAILING, Code.FEED_BEHIND))


@pytest.mark.parametrize("code", Code)
def test_what_is_typed_is_set_apart(code):
    """Each command and each request is between two backticks."""
    parts = code.remedy.split("`")

    assert len(parts) % 2 == 1
    assert [each for each in parts[::2] if "python -m" in each or "/api/" in each or "select " in each] == []
