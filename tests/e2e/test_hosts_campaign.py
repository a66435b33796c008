"""Check two hosts on one container with one killed at random, and that the checks would find what is wrong."""

import pytest

from campaigns import hosts
from campaigns.hosts import Delivery, Result
from local.patience import PATIENCE_SECONDS


def deliver(*versions, host="first", ended=True):
    """Make deliveries of a document's versions, whose LSNs are their numbers."""
    return [Delivery(host, ended, "thing", number, number) for number in versions]


@pytest.mark.parametrize("stops", [False, True], ids=["killed", "stopped"])
@pytest.mark.parametrize(("seed", "pauses"), [("0/0", 0), ("0/3", 1)])
def test_a_host_lost_under_steady_writes_loses_nothing_and_the_other_takes_over(seed, pauses, stops, monkeypatch):
    """Play four rounds of the campaign, which measures the takeover; a busy machine tells nothing of its time."""
    monkeypatch.setattr(hosts, "SLACK_SECONDS", PATIENCE_SECONDS)
    result = Result()

    hosts.play(seed, result, stops=stops)

    assert result.differences == []
    assert (result.faults, result.pauses) == (1, pauses)
    assert result.changes > 0


@pytest.mark.parametrize(("versions", "ended", "missing"), [((1, 2), True, 0), ((1,), True, 1), ((1, 2), False, 1)])
def test_a_document_whose_newest_version_no_invocation_ended_with_is_missing(versions, ended, missing):
    """Deliver its versions, some, and all without an end."""
    assert len(hosts.find_missing({"thing": 2}, deliver(*versions, ended=ended))) == missing


@pytest.mark.parametrize(
    ("versions", "disorder"), [((1, 1, 2, 3), 0), ((1, 2, 1, 2, 3), 0), ((1, 3, 2), 1), ((2, 1, 1), 1)]
)
def test_only_first_deliveries_must_ascend(versions, disorder):
    """Deliver again what came before, and for the first time what is older."""
    assert len(hosts.find_disorder(deliver(*versions))) == disorder


def test_whatever_is_taken_in_a_pause_is_named():
    """Deliver one version, and none."""
    assert hosts.find_consumed(deliver(1)) == ["thing 1 was taken in the pause"]
    assert hosts.find_consumed([]) == []


@pytest.mark.parametrize(("checkpoint", "early"), [(None, 0), ('"2"', 0), ('"3"', 1)])
def test_what_was_checkpointed_must_not_come_again(checkpoint, early):
    """Deliver 3 and 4 after the kill."""
    lease = {"FeedRange": {"Range": {"min": ""}}, "ContinuationToken": checkpoint}

    assert len(hosts.find_early_restarts([lease], {"": {"thing"}}, deliver(3, 4))) == early
