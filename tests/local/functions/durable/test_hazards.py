"""Check that code which is unsafe on the real host is seen to be unsafe here."""

import pytest

SOURCE = """
QUICK = df.RetryOptions(first_retry_interval_in_milliseconds=100, max_number_of_attempts=2)

@app.activity_trigger(input_name="seconds")
def fail_after(seconds):
    time.sleep(seconds)
    raise ValueError("nope")

@app.activity_trigger(input_name="text")
def echo(text):
    return text

@app.activity_trigger(input_name="item")
def attempt(item):
    return {"ok": False, "error": "nope"}

@app.orchestration_trigger(context_name="context")
def unsafe(context):
    tasks = [context.call_activity_with_retry("fail_after", QUICK, seconds) for seconds in (0, 0.3)]
    try:
        yield context.task_all(tasks)
    except Exception:
        pass
    result = yield context.call_activity("echo", "expected")
    return result

@app.orchestration_trigger(context_name="context")
def one_item(context):
    try:
        yield context.call_activity_with_retry("fail_after", QUICK, context.get_input())
    except Exception:
        return {"ok": False}

@app.orchestration_trigger(context_name="context")
def safe(context):
    results = yield context.task_all([context.call_sub_orchestrator("one_item", seconds) for seconds in (0, 0.3)])
    after = yield context.call_activity("echo", "expected")
    return [results, after]

@app.orchestration_trigger(context_name="context")
def safe_too(context):
    results = yield context.task_all([context.call_activity("attempt", n) for n in range(2)])
    after = yield context.call_activity("echo", "expected")
    return [[each["ok"] for each in results], after]

@app.orchestration_trigger(context_name="context")
def fail_at_once_beside_a_slow_sibling(context):
    yield context.task_all([context.call_activity("fail_after", 0), context.call_activity("wait", context.instance_id)])

@app.activity_trigger(input_name="name")
def wait(name):
    wait_for_file(name)
"""


def test_task_all_over_retries_that_is_caught_confuses_what_comes_next(hub):
    """Fail twice side by side, catch it, call an activity: its task is completed by a retry's timer and is None."""
    instance_id = hub.start("unsafe")

    assert hub.wait(instance_id)["output"] is None


@pytest.mark.parametrize(("name", "results"), [("safe", [{"ok": False}, {"ok": False}]), ("safe_too", [False, False])])
def test_the_rules_against_it_hold(hub, name, results):
    """Retry in a sub-orchestration per item, or fan out over activities that do not raise."""
    assert hub.run(name) == [results, "expected"]


def test_a_failed_task_all_ends_only_with_its_last_sibling(hub, eventually):
    """Fail at once beside an activity that waits."""
    instance_id = hub.start("fail_at_once_beside_a_slow_sibling")
    eventually(lambda: "TaskFailed" in str(hub.status(instance_id, show_history=True)["historyEvents"]))

    assert hub.status(instance_id)["runtime_status"] == "Running"
    hub.release(instance_id)
    assert "nope" in hub.wait(instance_id, "Failed")["output"]
