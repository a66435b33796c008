"""Check that the SDK's own replay and this host's count alike, whatever the order of events."""

import json
import random
from datetime import UTC, datetime, timedelta

import azure.durable_functions as df
import pytest

from local.functions.durable import history
from local.functions.durable.episode import Episode
from local.functions.durable.history import EventType, make
from local.functions.durable.instances import Instance, Status
from local.functions.durable.replay import Replay

# The SDK says so once in a process about its own call.
pytestmark = pytest.mark.filterwarnings("ignore:azure.functions df_loads was called without expected_type")
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class Machine:
    """Run an orchestrator turn by turn, with events and a clock that a test decides on."""

    def __init__(self, orchestrator, raw_input=None):
        self.now = BEGIN
        self.open = {}
        self.answer = {}
        self._orchestrator = df.Orchestrator.create(orchestrator)
        self._instance = Instance(
            id="i", execution="e", name="o", status=Status.RUNNING, created=BEGIN, updated=BEGIN, input=raw_input
        )
        self._past = []
        self.turn(history.started("o", raw_input, None))

    def turn(self, *events):
        new = [self._at_now(event) for event in (make(EventType.ORCHESTRATOR_STARTED), *events)]
        episode = Episode(instance=self._instance, messages=[], past=self._past, new=new)
        self.answer = json.loads(self._orchestrator(episode.payload))
        replayed = Replay(self.answer["actions"][0], lambda *_: None).run([*self._past, *new])
        scheduled = [make(found.kind, event_id=found.id, Name=found.name) for found in replayed.decisions]
        self.open |= {found.id: found for found in replayed.decisions}
        played = [*new, *scheduled, make(EventType.ORCHESTRATOR_COMPLETED)]
        self._past += [{**self._at_now(event), "IsPlayed": True} for event in played]
        self.is_settled = replayed.is_settled

    def end(self, task, *, fails=False):
        """Make the event by which an open activity or timer ends."""
        found = self.open.pop(task)
        if found.kind is EventType.TIMER_CREATED:
            return make(EventType.TIMER_FIRED, TimerId=task)
        if fails:
            return history.task_failed(task, found.name, ValueError("nope"))
        return history.task_completed(task, found.input)

    def _at_now(self, event):
        return {**event, "Timestamp": history.write_time(self.now)}


def count_retries(context):
    """Retry five items side by side, then two things in a row."""
    options = df.RetryOptions(first_retry_interval_in_milliseconds=1000, max_number_of_attempts=4)
    items = [context.call_activity_with_retry("work", options, n) for n in range(5)]
    event = context.wait_for_external_event("go")
    results = yield context.task_all([*items, event, context.call_activity("other", "between")])
    first = yield context.call_activity("other", "first")
    yield context.create_timer(context.current_utc_datetime + timedelta(seconds=1))
    second = yield context.call_activity("other", "second")
    return [*results, first, second]


@pytest.mark.parametrize("seed", range(20))
def test_retries_in_any_order_give_every_task_its_own_result(seed):
    """End what is open in random order, several at a time, and let any of the first attempts fail."""
    chosen = random.Random(seed)
    machine = Machine(count_retries)
    failures = dict.fromkeys(map(str, range(5)), 3)
    raised = [make(EventType.EVENT_RAISED, Name="go", Input='"went"')]
    while machine.open or raised:
        events = []
        for task in chosen.sample(sorted(machine.open), min(len(machine.open), chosen.randint(1, 3))):
            item = machine.open[task].input
            fails = failures.get(item, 0) > 0 and chosen.random() < 0.6
            failures[item] = failures.get(item, 0) - fails
            events.append(machine.end(task, fails=fails))
        if raised and chosen.random() < 0.3:
            events.append(raised.pop())
        machine.turn(*events)

    assert machine.is_settled
    assert machine.answer["output"] == [0, 1, 2, 3, 4, "went", "between", "first", "second"]


def test_a_timer_beyond_six_days_is_made_of_timers_of_three():
    """Wait ten days."""

    def wait_long(context):
        yield context.create_timer(context.current_utc_datetime + timedelta(days=10))
        return "done"

    machine = Machine(wait_long)
    days = []
    while machine.open:
        task, found = machine.open.popitem()
        days.append((found.fire_at - BEGIN).days)
        machine.now = found.fire_at
        machine.turn(make(EventType.TIMER_FIRED, TimerId=task))

    assert days == [3, 6, 10]
    assert (machine.is_settled, machine.answer["output"]) == (True, "done")
