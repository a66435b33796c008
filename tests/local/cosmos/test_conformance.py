"""What is documented about the SDK's own tests is consistent."""

import tomllib
from typing import Any

import pytest

from local.cosmos import conformance

# The change feed, feed ranges, queries by feed range and transactional batches work without exception.
REQUIRED = {
    "test_change_feed",
    "test_change_feed_async",
    "test_change_feed_split",
    "test_change_feed_split_async",
    "test_feed_range",
    "test_query_feed_range",
    "test_transactional_batch",
}


@pytest.fixture(scope="module")
def documented() -> dict[str, Any]:
    """Read which files are run, which of their tests fail, and what is left out."""
    return tomllib.loads(conformance.DOCUMENTED.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", sorted(REQUIRED))
def test_required_file_has_no_failure(documented: dict[str, Any], name: str) -> None:
    """No failure of these may be documented away."""
    assert documented["run"][name] == {}


def test_every_failure_has_a_reason(documented: dict[str, Any]) -> None:
    """Every reason is explained, and every explanation is needed."""
    used = {reason for failures in documented["run"].values() for reason in failures}

    assert used == set(documented["reasons"])


def test_file_is_run_or_left_out(documented: dict[str, Any]) -> None:
    """No file is both, and none is left out twice."""
    left_out = [name for names in documented["left_out"].values() for name in names]

    assert len(set(left_out)) == len(left_out)
    assert not set(left_out) & set(documented["run"])
