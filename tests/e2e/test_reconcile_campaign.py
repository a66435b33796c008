"""A small campaign: reconcile races changes, deletes, kills, pauses and damages, and harms nothing."""

import pytest

from campaigns import reconcile
from local.stack import running


def test_a_campaign_ends_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both sides are equal at the end, and documents that nobody touched were never written again."""
    monkeypatch.setattr(reconcile, "DOCUMENTS", 80)
    monkeypatch.setattr(reconcile, "BYSTANDERS", 20)
    monkeypatch.setattr(reconcile, "STILL_SECONDS", 1)
    with running() as stack:
        result = reconcile.play(stack, "7", 12)

    assert result.differences == []
    assert result.writes > 0
    assert result.pauses > 0
    assert result.stills > 0
    assert result.kills > 0
    assert result.damages > 0
