"""A small campaign: releases change in the middle of everything, on one database, and nothing is lost."""

from pathlib import Path

import pytest

from campaigns import redeploy


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The old release, of which a shallow clone has nothing."""
    try:
        return redeploy.unpack(redeploy.OLD, tmp_path / "old")
    except redeploy.ReleaseError as error:
        pytest.skip(str(error))


def test_both_releases_run_on_one_database_and_nothing_is_lost(
    old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old to new, and back: in mid-feed and in mid-backfill."""
    monkeypatch.setattr(redeploy, "DOCUMENTS", 300)

    result = redeploy.play(3, 2, [old, redeploy.unpack(None, tmp_path / "new")])

    assert result.differences == []
    assert (result.restarts, result.parked) == (2, 0)
    assert result.caught == {"feed": 1, "backfill": 1, "reconcile": 0}
    assert result.changes > 0


def test_a_commit_that_is_not_there_is_named(tmp_path: Path) -> None:
    """As in a shallow clone."""
    with pytest.raises(redeploy.ReleaseError, match="no commit 0123456789"):
        redeploy.unpack("0123456789", tmp_path)
