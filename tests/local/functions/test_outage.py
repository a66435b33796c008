"""Check what is said of an account that cannot be reached."""

import threading
from unittest.mock import Mock

from azure.core.exceptions import AzureError

from local.functions.outage import Outage


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
