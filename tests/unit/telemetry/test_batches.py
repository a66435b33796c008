"""What the application's team counts as a failure is one."""

import logging

import pytest

from cdc.core.errors import PausedError, TransientError
from cdc.telemetry import batches, team
from cdc.telemetry.batches import Kind


@pytest.mark.parametrize(("error", "counted"), [(TransientError("no answer"), ["failed"]), (PausedError("why"), [])])
def test_a_paused_container_has_no_failed_writes(error, counted, monkeypatch):
    """Somebody wants its batches to wait: nobody is to be woken by the team's alert."""
    seen = []
    monkeypatch.setattr(team, "count", lambda _, outcome, *__: seen.append(outcome))

    with (
        pytest.raises(type(error)),
        batches.observed(logging.getLogger("cdc"), "Accounts", Kind.FEED, 1),
    ):
        raise error

    assert seen == counted
