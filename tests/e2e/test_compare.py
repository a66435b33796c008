"""The comparison finds every kind of difference, and says so with its exit code."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping

import psycopg
import pytest

from local.sample import Sample, Source
from local.stack import ROOT, Part
from tests.e2e.conftest import is_equal, wait_until


def _compare(settings: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "local.compare"]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **settings}, capture_output=True, text=True, check=False
    )


def _execute(statement: str) -> Callable[[Mapping[str, str], Source, Sample], None]:
    def plant(settings: Mapping[str, str], source: Source, sample: Sample) -> None:
        with psycopg.connect(settings["POSTGRES_CONNECTION"]) as connection:
            assert connection.execute(statement).rowcount == 1

    return plant


def _change_in_cosmos(settings: Mapping[str, str], source: Source, sample: Sample) -> None:
    source.write(*sample.change())


_PLANTS = {
    "missing": _execute("delete from user_profiles where id = (select min(id) from user_profiles)"),
    "stale": _change_in_cosmos,
    "extra": _execute("insert into accounts (id, email) values ('nobody', 'nobody@example.com')"),
    "edited": _execute("update accounts set role = 'Admin' where id = (select min(id) from accounts)"),
    "child": _execute("delete from user_badges where id = (select min(id) from user_badges)"),
}


@pytest.mark.parametrize("kind", _PLANTS)
def test_one_planted_difference_is_found_and_named_by_its_kind(
    settings: Mapping[str, str], source: Source, host: Part, kind: str
) -> None:
    """One difference of each kind, planted in two sides that were equal."""
    sample = Sample(seed=5)
    for document in sample.create(20):
        source.write(*document)
    wait_until(lambda: is_equal(settings), "both sides are equal")
    host.stop()
    before = _compare(settings)

    _PLANTS[kind](settings, source, sample)
    after = _compare(settings)

    host.start()
    assert (before.returncode, before.stdout.splitlines()[-1][-14:]) == (0, ", 0 differences"[-14:])
    assert after.returncode == 1
    assert [line.split()[0] for line in after.stdout.splitlines()[:-1]] == [kind]
    assert after.stdout.splitlines()[-1].endswith(", 1 differences")


def test_a_child_value_edited_in_postgres_is_found(settings: Mapping[str, str], source: Source, host: Part) -> None:
    """An edit of a child row counts as well as a missing one."""
    sample = Sample(seed=5)
    for document in sample.create(20):
        source.write(*document)
    wait_until(lambda: is_equal(settings), "both sides are equal")

    _execute("update user_badges set axis = 'x' where id = (select min(id) from user_badges)")(settings, source, sample)

    comparison = _compare(settings)
    assert comparison.returncode == 1
    assert "user_badges.axis" in comparison.stdout


def test_without_settings_the_comparison_says_what_it_needs() -> None:
    """No address: one sentence, and an exit code that is not that of a difference."""
    comparison = _compare(dict.fromkeys(("COSMOS_CONNECTION", "COSMOS_DATABASE", "POSTGRES_CONNECTION"), ""))

    assert comparison.returncode == 2
    assert len(comparison.stderr.splitlines()) == 1
