"""Check the ids that a replay assigns, which are those of the real host."""

import pytest

from local.functions.durable import history
from local.functions.durable.history import EventType, make
from local.functions.durable.replay import NonDeterminismError, Replay, ReplayError

BEGIN = [make(EventType.ORCHESTRATOR_STARTED), history.started("o", None, None)]


def activity(name, **more):
    """Write an action that calls an activity."""
    return {"actionType": 0, "functionName": name, "input": "null", **more}


def retried(name, attempts=2):
    """Write an action that calls an activity with retries."""
    options = {"firstRetryIntervalInMilliseconds": 1000, "maxNumberOfAttempts": attempts}
    return activity(name, actionType=1, retryOptions=options)


def timer(cancelled=False):
    """Write an action that creates a timer."""
    return {"actionType": 5, "fireAt": "2100-01-01T00:00:00.000000Z", "isCanceled": cancelled}


def wait(name):
    """Write an action that waits for an event."""
    return {"actionType": 6, "externalEventName": name, "reason": "ExternalEvent"}


def whole(kind, *actions):
    """Write an action that waits for all or for any of others."""
    return {"actionType": {"any": 11, "all": 12}[kind], "compoundActions": list(actions)}


def scheduled(task, name):
    """Make the event of an activity that was scheduled."""
    return make(EventType.TASK_SCHEDULED, event_id=task, Name=name)


def completed(task):
    """Make the event of an activity that returned."""
    return history.task_completed(task, "null")


def failed(task):
    """Make the event of an activity that raised."""
    return history.task_failed(task, "a", ValueError("nope"))


def replay(actions, *events):
    """Replay actions, and return what they lead to."""
    return Replay(actions, lambda *_: None).run([*BEGIN, *events])


def decided(*arguments):
    """Return the kinds, names and ids of what a replay schedules."""
    return [(decision.kind, decision.name, decision.id) for decision in replay(*arguments).decisions]


def test_ids_count_activities_timers_and_sub_orchestrations_but_no_events():
    """Schedule one of each at once."""
    child = activity("child", actionType=2, instanceId=None)
    actions = [whole("all", activity("a"), wait("e"), timer(), child, activity("b"))]

    assert decided(actions) == [
        (EventType.TASK_SCHEDULED, "a", 0),
        (EventType.TIMER_CREATED, None, 1),
        (EventType.SUB_ORCHESTRATION_CREATED, "child", 2),
        (EventType.TASK_SCHEDULED, "b", 3),
    ]


def test_a_retry_takes_its_ids_when_it_fails_and_when_its_timer_has_fired():
    """Fail the second of two first."""
    actions = [whole("all", retried("a"), retried("b"))]
    past = [scheduled(0, "a"), scheduled(1, "b"), failed(1)]
    fired = make(EventType.TIMER_FIRED, TimerId=2)
    created = make(EventType.TIMER_CREATED, event_id=2)

    assert decided(actions, *past) == [(EventType.TIMER_CREATED, None, 2)]
    assert decided(actions, *past, created, failed(0)) == [(EventType.TIMER_CREATED, None, 3)]
    assert decided(actions, *past, created, failed(0), fired) == [
        (EventType.TIMER_CREATED, None, 3),
        (EventType.TASK_SCHEDULED, "b", 4),
    ]


def test_the_last_failure_is_followed_by_one_more_timer():
    """Spend a retry of one attempt, and go on to the next action only after the timer."""
    actions = [retried("a", attempts=1), activity("b")]
    past = [scheduled(0, "a"), failed(0)]
    created = make(EventType.TIMER_CREATED, event_id=1)

    assert decided(actions, *past) == [(EventType.TIMER_CREATED, None, 1)]
    assert decided(actions, *past, created) == []
    assert decided(actions, *past, created, make(EventType.TIMER_FIRED, TimerId=1)) == [
        (EventType.TASK_SCHEDULED, "b", 2)
    ]


def test_a_whole_of_all_waits_for_those_that_still_run_after_a_failure():
    """Fail one of two."""
    actions = [whole("all", activity("a"), activity("b")), activity("c")]
    past = [scheduled(0, "a"), scheduled(1, "b"), failed(0)]

    assert decided(actions, *past) == []
    assert decided(actions, *past, completed(1)) == [(EventType.TASK_SCHEDULED, "c", 2)]


def test_an_open_timer_keeps_an_orchestration_open_and_a_cancelled_one_does_not():
    """End an activity that raced a timer."""
    past = [scheduled(0, "a"), make(EventType.TIMER_CREATED, event_id=1), completed(0)]

    assert not replay([whole("any", activity("a"), timer())], *past).is_settled
    assert replay([whole("any", activity("a"), timer(cancelled=True))], *past).is_settled


def test_the_waiter_that_came_last_gets_an_event_first_and_case_does_not_matter():
    """Wait twice for one name, then go on with either."""
    actions = [whole("any", wait("Go"), activity("a")), activity("b")]
    raised = make(EventType.EVENT_RAISED, Name="gO", Input="1")

    assert decided(actions, scheduled(0, "a"), raised) == [(EventType.TASK_SCHEDULED, "b", 1)]


def test_events_that_follow_continue_as_new_are_carried_over():
    """Raise one before and one after."""
    raised = [make(EventType.EVENT_RAISED, Name="go", Input=str(number)) for number in range(2)]
    replayed = replay([wait("go"), {"actionType": 4, "input": "2"}], *raised)

    assert (replayed.next_input, replayed.carried_events, replayed.is_settled) == ("2", raised[1:], True)


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([scheduled(0, "b")], "the history has TASK_SCHEDULED 0 b, and this replay scheduled TASK_SCHEDULED 0 a"),
        ([make(EventType.TIMER_CREATED, event_id=0)], "the history has TIMER_CREATED 0, and this replay scheduled"),
        ([scheduled(1, "a")], "the history has TASK_SCHEDULED 1 a, which this replay did not schedule"),
    ],
)
def test_a_replay_that_departs_from_the_history_is_refused(events, reason):
    """Find another name, another kind and another id in the history."""
    with pytest.raises(NonDeterminismError, match=reason):
        replay([activity("a")], *events)


def test_an_action_that_this_host_does_not_run_is_refused_by_name():
    """Call an entity."""
    with pytest.raises(ReplayError, match="CALL_ENTITY"):
        replay([{"actionType": 7}])
