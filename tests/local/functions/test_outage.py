"""Check what is said of an account that cannot be reached."""

import threading
from unittest.mock import Mock

import pytest
from azure.core.exceptions import AzureError
from azure.cosmos.exceptions import CosmosHttpResponseError

from local.functions.outage import Outage, report


def test_a_recovery_is_said_once(caplog):
    """Fail twice, succeed twice."""
    call = Mock(side_effect=[AzureError("away"), AzureError("away"), "one", "two"])
    outage = Outage("feed", threading.Event())

    assert [outage.outlast(call), outage.outlast(call)] == ["one", "two"]
    assert [record.message for record in caplog.records] == [
        "Cosmos is not available, trying again: AzureError",
        "Cosmos is available again",
    ]


def test_nothing_is_said_of_a_recovery_when_the_host_stops(caplog):
    """Fail until the end, and succeed in giving back the lease."""
    stopping = threading.Event()
    outage = Outage("feed", stopping)

    assert outage.outlast(Mock(side_effect=AzureError("away")), on_failure=stopping.set) is None
    assert outage.outlast(lambda: "given back") == "given back"
    assert [record.message for record in caplog.records] == ["Cosmos is not available, trying again: AzureError"]


def test_an_attempt_that_fails_returns_nothing_and_is_not_repeated(caplog):
    """Fail once, succeed once."""
    call = Mock(side_effect=[AzureError("away"), "one"])
    outage = Outage("feed", threading.Event())

    assert [outage.attempt(call), outage.attempt(call)] == [None, "one"]
    assert len(caplog.records) == 2


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (CosmosHttpResponseError(status_code=503), ("WARNING", "experiencing transient connectivity issues")),
        (CosmosHttpResponseError(status_code=408), ("WARNING", "experiencing transient connectivity issues")),
        (AzureError("no answer"), ("WARNING", "experiencing transient connectivity issues")),
        (CosmosHttpResponseError(status_code=429), ("ERROR", "experienced an error during processing")),
    ],
)
def test_what_ends_a_follower_is_said_as_the_extension_says_it(caplog, error, said):
    """Report the errors of the service."""
    report("3", error, {"function": "feed"})

    assert [(each.levelname, each.message[: len("Lease 3 " + said[1])]) for each in caplog.records] == [
        (said[0], f"Lease 3 {said[1]}")
    ]
