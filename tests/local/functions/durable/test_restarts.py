"""Check that orchestrations survive the host, and that one host at a time runs them."""

import os

SOURCE = """
@app.activity_trigger(input_name="item")
def step(item):
    note(begun=item, pid=os.getpid())
    wait_for_file(item)
    note(ended=item)
    return item

@app.activity_trigger(input_name="item")
def double(item):
    return item * 2

@app.orchestration_trigger(context_name="context")
def steps(context):
    first = yield context.call_activity("step", "first")
    second = yield context.call_activity("step", "second")
    event = yield context.wait_for_external_event("go")
    return [first, second, event]

@app.orchestration_trigger(context_name="context")
def sleep(context):
    yield context.create_timer(context.current_utc_datetime + timedelta(milliseconds=context.get_input()))
    return "awake"

@app.orchestration_trigger(context_name="context")
def loop(context):
    given = context.get_input()
    result = yield context.call_sub_orchestrator("child", given)
    if given < 25:
        context.continue_as_new(result)
        return
    return result

@app.orchestration_trigger(context_name="context")
def stuck_and_innocent(context):
    stuck = context.call_activity("step", "stuck")
    later = context.create_timer(context.current_utc_datetime + timedelta(milliseconds=1200))
    yield context.task_any([stuck, later])
    innocent = yield context.call_activity("step", "innocent")
    try:
        yield stuck
    except Exception as error:
        return [innocent, str(error).splitlines()[0]]

@app.orchestration_trigger(context_name="context")
def child(context):
    results = yield context.task_all([context.call_activity("double", context.get_input()) for _ in range(5)])
    return results[0] // 2 + 1
"""


def test_an_activity_that_ran_when_the_host_died_runs_again(open_hub, eventually):
    """Kill the host within the first activity, within the second and before the event."""
    hub = open_hub(SOURCE)
    instance_id = hub.start("steps")
    for name in ("first", "second"):
        eventually(lambda name=name, hub=hub: hub.notes(begun=name))
        hub.host.kill()
        hub = open_hub()
        eventually(lambda name=name, hub=hub: len(hub.notes(begun=name)) == 2)
        hub.release(name)
    eventually(lambda: hub.notes(ended="second"))
    hub.host.kill()

    hub = open_hub()
    hub.call("raise_event", instance_id=instance_id, event_name="go", event_data=None)

    assert hub.wait(instance_id)["output"] == ["first", "second", "null"]
    assert len(hub.notes(ended="first")) == 1


def test_a_timer_that_became_due_while_no_host_ran_fires_at_once(open_hub):
    """Stop the host while it waits."""
    hub = open_hub(SOURCE)
    instance_id = hub.start("sleep", 300)
    assert hub.host.stop() == 0

    assert open_hub().wait(instance_id)["output"] == "awake"


def test_an_activity_that_ends_within_the_grace_period_is_not_repeated(open_hub, eventually):
    """Ask the host to stop within the first activity, and let it end then."""
    hub = open_hub(SOURCE)
    instance_id = hub.start("steps")
    eventually(lambda: hub.notes(begun="first"))
    hub.host.process.terminate()
    hub.release("first")
    assert hub.host.wait() == 0

    hub = open_hub()
    eventually(lambda: hub.notes(begun="second"))

    assert len(hub.notes(begun="first")) == 1
    assert hub.status(instance_id)["runtime_status"] == "Running"


def test_sub_orchestrations_and_new_rounds_go_on_after_several_kills(open_hub, eventually):
    """Kill the host again and again while it counts to 26."""
    hub = open_hub(SOURCE)
    instance_id = hub.start("loop", 1)
    for least in (4, 12):
        eventually(lambda least=least, hub=hub: int(hub.status(instance_id)["input"]) >= least)
        hub.host.kill()
        hub = open_hub()

    assert hub.wait(instance_id)["output"] == 26


def test_a_second_host_waits_until_the_first_is_gone_and_takes_over(open_hub, eventually):
    """Start orchestrations through both; the second runs none while the first lives."""
    first = open_hub(SOURCE)
    instance_id = first.start("steps")
    eventually(lambda: first.notes(begun="first"))
    second = open_hub()
    by_second = second.start("sleep", 10)
    second.wait(by_second)
    assert {note["pid"] for note in first.notes(begun="first")} == {first.host.process.pid}
    assert "another host runs the task hub TestHub" in second.host.errors

    first.host.kill()
    second.release("first")
    second.release("second")

    eventually(lambda: second.notes(ended="second"))
    assert second.notes(begun="first")[-1]["pid"] == second.host.process.pid != os.getpid()
    assert second.status(instance_id)["runtime_status"] == "Running"


def test_changed_code_that_departs_from_the_history_fails_clearly(open_hub, eventually):
    """Swap two activities while the first of them runs."""
    hub = open_hub(SOURCE)
    instance_id = hub.start("steps")
    eventually(lambda: hub.notes(begun="first"))
    hub.host.kill()
    hub.release("first")

    changed = SOURCE.replace('call_activity("step", "first")', 'call_activity("double", "first")')
    hub = open_hub(changed)

    output = hub.wait(instance_id, "Failed")["output"]
    assert output == (
        "Non-Deterministic workflow detected: the history has TASK_SCHEDULED 0 step,"
        " and this replay scheduled TASK_SCHEDULED 0 double"
    )


def test_an_activity_whose_worker_ended_for_another_one_runs_again(open_hub, eventually):
    """Let one activity exceed functionTimeout, while another one runs beside it."""
    hub = open_hub(SOURCE, host_json={"version": "2.0", "functionTimeout": "00:00:02"})
    instance_id = hub.start("stuck_and_innocent")
    eventually(lambda: len(hub.notes(begun="innocent")) == 2)
    hub.release("innocent")

    innocent, error = hub.wait(instance_id)["output"]
    assert (innocent, len(hub.notes(begun="stuck"))) == ("innocent", 1)
    assert error.startswith("Activity function 'step' failed:  FunctionTimeoutError")
