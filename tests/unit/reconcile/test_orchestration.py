"""The orchestration brings a run forward, waits where it waits, and gives up in the end."""

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from cdc.reconcile import orchestration

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Context:
    """Write down what is planned."""

    current_utc_datetime = NOW

    def __init__(self):
        self.renewed = None

    def get_input(self):
        """Return which container it is."""
        return {"container": "Accounts"}

    def call_activity(self, name, input_):
        """Name an activity."""
        return name, input_

    def create_timer(self, fire_at):
        """Name a timer."""
        return "timer", (fire_at - NOW) / timedelta(seconds=1)

    def continue_as_new(self, input_):
        """Remember what comes next."""
        self.renewed = input_


def play(context, turns):
    """Answer the activities one after the other, or let them fail, and return what was planned."""
    flow, planned, answers = orchestration.reconcile(context), [], iter(turns)
    answer = None
    try:
        while True:
            planned.append(flow.throw(answer) if isinstance(answer, Exception) else flow.send(answer))
            answer = next(answers) if planned[-1][0] == "reconcile_advance" else None
    except StopIteration:
        return planned


def turn(*, over=False, seconds=0.0, problem=None):
    """Build what the activity returns."""
    return {"over": over, "seconds": seconds, "problem": problem}


def test_a_run_is_brought_forward_until_it_is_over():
    """It waits only where the run waits."""
    context = Context()

    planned = play(context, [turn(), turn(seconds=120.0), turn(over=True)])

    advance = ("reconcile_advance", "Accounts")
    assert planned == [advance, advance, ("timer", 120.0), advance]
    assert context.renewed is None


def test_what_time_may_mend_is_tried_again_and_then_given_up():
    """The pauses grow; the report says what was wrong."""
    planned = play(Context(), [turn(problem="Cosmos did not answer.")] * 5)

    assert [each for name, each in planned if name == "timer"] == [5.0, 10.0, 15.0, 20.0]
    assert planned[-1] == ("reconcile_give_up", {"container": "Accounts", "problem": "Cosmos did not answer."})


def test_an_activity_that_fails_unexpectedly_is_tried_again_and_then_given_up():
    """The run ends: otherwise it would stay `running`, and every later request for one would be refused."""
    planned = play(Context(), [Exception("a bug, or the worker ended")] * 5)

    assert [each for name, each in planned if name == "timer"] == [5.0, 10.0, 15.0, 20.0]
    name, given_up = planned[-1]
    assert (name, given_up["container"]) == ("reconcile_give_up", "Accounts")
    assert "search the log" in given_up["problem"]
    assert "a bug" not in given_up["problem"]


def test_a_success_forgets_the_failures_before_it():
    """Only failures in a row are given up."""
    turns = [turn(problem="x"), turn(problem="x"), turn(), *[turn(problem="x")] * 4, turn(over=True)]

    assert "reconcile_give_up" not in dict(play(Context(), turns))


def test_a_long_run_begins_its_history_anew():
    """However long it takes, the history stays short."""
    context = Context()

    planned = play(context, [turn()] * 1_000)

    assert len(planned) == 50
    assert context.renewed == {"container": "Accounts"}


class Client:
    """Tell an orchestration's states one after the other, the last for ever, and hold what was started."""

    def __init__(self, *statuses):
        self.statuses = list(statuses)
        self.started = []

    async def get_status(self, _):
        """Tell how it is."""
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return SimpleNamespace(runtime_status=status)

    async def start_new(self, name, instance_id, client_input):
        """Refuse one whose instance runs, as the SDK does."""
        if instance_id == "reconcile-Busy":
            raise Exception("An instance runs")  # noqa: TRY002
        self.started.append((name, instance_id, client_input))


STARTED = [("reconcile", "reconcile-Accounts", {"container": "Accounts"})]


@pytest.fixture
def instantly(monkeypatch):
    """Nobody waits between two looks at an orchestration."""
    monkeypatch.setattr(orchestration, "_LOOK_SECONDS", 0.0)


@pytest.mark.usefixtures("instantly")
@pytest.mark.parametrize(
    ("status", "starts"), [("Running", 0), ("Pending", 0), ("Completed", 1), ("Failed", 1), (None, 1)]
)
def test_a_container_has_one_orchestration(status, starts):
    """It is started where its own does not run; one that another has just started hinders no other."""
    client = Client(status)

    asyncio.run(orchestration.start(client, {"Busy": True, "Accounts": True}))

    assert client.started == STARTED * starts


@pytest.mark.usefixtures("instantly")
def test_a_run_that_begins_while_the_last_orchestration_ends_is_given_one():
    """The report of a run is there before its orchestration has ended; whoever waits for it may ask at once."""
    client = Client("Running", "Running", "Completed")

    asyncio.run(orchestration.start(client, {"Accounts": True}))

    assert client.started == STARTED


@pytest.mark.usefixtures("instantly")
@pytest.mark.parametrize(("begun", "waits"), [(False, True), (True, False)])
def test_nobody_waits_for_an_orchestration_whose_run_goes_on(begun, waits):
    """A request that is refused because of a run is answered at once, also when that run has just begun."""
    client = Client("Running", "Completed")

    asyncio.run(orchestration.start(client, {"Accounts": begun}, waits=waits))

    assert client.started == []
