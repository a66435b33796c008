"""A small campaign: reconcile races changes, deletes, kills and damages, and harms nothing."""

import pytest

from bench import reconcile_campaign
from local.stack import running


def test_a_campaign_ends_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both sides are equal at the end, and documents that nobody touched were never written again."""
    monkeypatch.setattr(reconcile_campaign, "DOCUMENTS", 80)
    monkeypatch.setattr(reconcile_campaign, "BYSTANDERS", 20)
    with running() as stack:
        result = reconcile_campaign.play(stack, "7", 12)

    assert result.differences == []
    assert result.writes > 0
