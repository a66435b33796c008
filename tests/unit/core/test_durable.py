"""Missing orchestrations are started, and it is seen when one cannot be."""

import asyncio
from types import SimpleNamespace

import pytest

from cdc.backfill import orchestration as backfill_flow
from cdc.core.durable import start_missing
from cdc.core.errors import TransientError
from cdc.reconcile import orchestration as reconcile_flow


class Client:
    """A host that refuses some instances, and some others because another process has just started them."""

    def __init__(self, refused=(), raced=()):
        self.refused, self.raced = set(refused), set(raced)
        self.running = set()
        self.inputs = {}

    async def get_status(self, instance_id):
        """Tell whether an instance runs."""
        return SimpleNamespace(runtime_status="Running" if instance_id in self.running else None)

    async def start_new(self, name, instance_id, client_input):
        """Fail as the SDK does, with a bare Exception."""
        if instance_id in self.refused:
            raise Exception(f"{name} is unknown")  # noqa: TRY002
        self.running.add(instance_id)
        if instance_id in self.raced:
            raise Exception("It runs already")  # noqa: TRY002
        self.inputs[instance_id] = client_input


def test_one_that_is_refused_hinders_no_other_and_is_told():
    """The timer must be able to fail."""
    client = Client(refused=["a", "c"])

    with pytest.raises(TransientError, match=r"did not start 2 of 4 orchestrations backfill"):
        asyncio.run(start_missing(client, "backfill", dict.fromkeys("abcd", 1)))

    assert client.inputs == {"b": 1, "d": 1}


def test_one_that_another_process_has_just_started_is_no_failure():
    """Two instances may run the timer while a deployment replaces one by the other."""
    client = Client(raced=["a"])

    asyncio.run(start_missing(client, "backfill", {"a": 1}))

    assert client.inputs == {}


def test_one_that_runs_is_left_alone():
    """A second start would replace it."""
    client = Client()
    client.running.add("a")

    asyncio.run(start_missing(client, "backfill", {"a": 1}))

    assert client.inputs == {}


@pytest.mark.parametrize("refused", [["x"], ["reconcile-x"]])
def test_the_timer_is_told_and_a_request_is_not(refused):
    """A request has its answer already; the timer tries again."""
    client = Client(refused)
    starts = {
        "x": (lambda: backfill_flow.restart(client, [{"id": "x"}]), lambda: backfill_flow.start(client, [{"id": "x"}])),
        "reconcile-x": (
            lambda: reconcile_flow.restart(client, ["x"]),
            lambda: reconcile_flow.start(client, {"x": False}),
        ),
    }
    timer, request = starts[refused[0]]

    with pytest.raises(TransientError):
        asyncio.run(timer())
    asyncio.run(request())
