"""The table of problems is the page of the docs, and the worst of what is found is the verdict."""

from pathlib import Path

import pytest

from cdc.operations.problems import Code, CurrentProblem, Health, sum_up, write_page

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
