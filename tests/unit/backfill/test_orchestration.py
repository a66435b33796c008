"""The orchestrators take the same steps for the same history, and keep it short."""

import asyncio
import json
import random
from types import SimpleNamespace

import azure.durable_functions as df
import pytest

from cdc.backfill import orchestration
from local.functions.durable import history
from local.functions.durable.history import EventType
from tests.local.functions.durable.test_lockstep import Machine

# The SDK says so once in a process about its own call.
pytestmark = pytest.mark.filterwarnings("ignore:azure.functions df_loads was called without expected_type")
TASK = {"id": "b", "generation": None, "retry_seconds": 5}
PLAN = {"ok": True, "over": False, "progress": {"percent": 10.0}, "generation": 3, "lanes": 3}


class Orchestration(Machine):
    """An orchestrator of ours, replayed by the SDK from the beginning at every turn."""

    def __init__(self, orchestrator, task):
        # The SDK writes an input twice, and reads it so.
        super().__init__(orchestrator, json.dumps(json.dumps(task)))

    def finish(self, task, result=None):
        """End an activity, a lane or a timer."""
        found = self.open.pop(task)
        if found.kind is EventType.TIMER_CREATED:
            self.turn(history.make(EventType.TIMER_FIRED, TimerId=task))
        elif found.kind is EventType.SUB_ORCHESTRATION_CREATED:
            self.turn(history.make(EventType.SUB_ORCHESTRATION_COMPLETED, TaskScheduledId=task, Result="null"))
        else:
            self.turn(history.task_completed(task, json.dumps(result)))

    @property
    def events(self):
        """Count what the history holds."""
        return len(self._past)

    @property
    def actions(self):
        """Return all actions of the last answer."""
        return self.answer["actions"][0]


def names(orchestration):
    """Return what is open, by name."""
    return sorted(found.name for found in orchestration.open.values() if found.name)


@pytest.mark.parametrize("seed", range(5))
def test_lanes_work_side_by_side_and_the_history_begins_anew_when_they_have_ended(seed):
    """In whatever order they end; the progress is the custom status, and the next round has the generation."""
    parent = Orchestration(orchestration.backfill, TASK)
    assert names(parent) == ["plan_backfill"]

    parent.finish(0, PLAN)
    assert names(parent) == ["copy_ranges"] * 3
    assert parent.answer["customStatus"] == PLAN["progress"]
    for task in random.Random(seed).sample(sorted(parent.open), 3):
        assert not any(action["actionType"] == 4 for action in parent.actions)
        parent.finish(task)

    assert parent.actions[-1]["actionType"] == 4
    assert json.loads(parent.actions[-1]["input"]) == {**TASK, "generation": 3}


def test_a_backfill_that_is_over_ends_with_its_progress():
    """Nothing is scheduled any more."""
    parent = Orchestration(orchestration.backfill, TASK)
    parent.finish(0, {"ok": True, "over": True, "progress": {"percent": 100.0}})

    assert (parent.answer["isDone"], parent.answer["output"]) == (True, {"percent": 100.0})


def test_a_plan_that_fails_for_now_is_made_again_after_a_while():
    """A timer, then a new history, under the generation that was taken."""
    parent = Orchestration(orchestration.backfill, TASK)
    parent.finish(0, {"ok": False, "over": False, "generation": 7})
    assert [found.kind for found in parent.open.values()] == [EventType.TIMER_CREATED]

    parent.finish(1)

    assert json.loads(parent.actions[-1]["input"]) == {**TASK, "generation": 7}


@pytest.mark.parametrize(
    ("answers", "activities"),
    [
        ([{"ok": True, "over": True}], 1),
        ([{"ok": True, "over": False}, {"ok": True, "over": True}], 2),
        ([{"ok": False, "over": False}, {"ok": True, "over": True}], 2),
        ([{"ok": True, "over": False}] * 100, 3),
        ([{"ok": False, "over": False}] * 100, 3),
    ],
)
def test_a_lane_ends_when_nothing_is_left_for_it_or_after_a_few_activities(answers, activities):
    """So a history has a bound, whatever the container holds and however often a store is away."""
    lane = Orchestration(orchestration.copy_ranges, {**TASK, "generation": 3, "lane": 1})
    done, results = 0, iter(answers)
    while lane.open:
        (task,) = lane.open
        is_timer = lane.open[task].kind is EventType.TIMER_CREATED
        done += not is_timer
        lane.finish(task, None if is_timer else next(results))

    assert lane.answer["isDone"]
    assert done == activities
    assert lane.events < 40


def test_the_orchestrators_are_what_the_sdk_takes():
    """Plain generator functions, replayed by the SDK."""
    for orchestrator in (orchestration.backfill, orchestration.copy_ranges):
        assert df.Orchestrator.create(orchestrator)


def test_every_running_backfill_whose_orchestration_has_ended_gets_another():
    """Whatever ended it; one that somebody else has started meanwhile keeps no other from being started."""
    statuses = {"taken": None, "gone": None} | {each.value: each for each in df.OrchestrationRuntimeStatus}
    started = []

    class Client:
        async def get_status(self, id_):
            return SimpleNamespace(runtime_status=statuses[id_])

        async def start_new(self, name, id_, task):
            if id_ == "taken":
                raise Exception("There is one already.")  # noqa: TRY002 - as the SDK does
            started.append((name, id_, task["id"]))

    asyncio.run(orchestration.start(Client(), [{"id": id_} for id_ in statuses]))

    ended = ("gone", "Completed", "Failed", "Terminated", "Canceled")
    assert sorted(started) == sorted(("backfill", id_, id_) for id_ in ended)
