"""A small campaign: reconcile races changes, deletes, kills, pauses and damages, and harms nothing."""

from pathlib import Path

import pytest

from campaigns import reconcile
from campaigns.application import Application
from campaigns.example import EXAMPLE
from campaigns.mystira import MYSTIRA
from local.stack import running


@pytest.mark.parametrize(("application", "seconds"), [(MYSTIRA, 5), (EXAMPLE, 1)], ids=["mystira", "example"])
def test_a_campaign_ends_equal(
    application: Application, seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both sides are equal at the end, and documents that nobody touched were never written again."""
    monkeypatch.setattr(reconcile, "DOCUMENTS", 80)
    monkeypatch.setattr(reconcile, "BYSTANDERS", 20)
    monkeypatch.setattr(reconcile, "STILL_SECONDS", 1)
    with running(app=application.make_app(tmp_path), containers=application.partition_keys) as stack:
        result = reconcile.play(stack, "7", seconds, application)

    assert result.differences == []
    assert result.writes > 0
    assert result.pauses > 0
    assert result.stills > 0
    assert result.kills > 0
    assert result.damages > 0
