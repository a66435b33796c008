"""Check what orchestrators can do, through the SDK's own classes."""

SOURCE = """
QUICK = df.RetryOptions(first_retry_interval_in_milliseconds=10, max_number_of_attempts=3)

@app.activity_trigger(input_name="item")
def double(item: int) -> int:
    return item * 2

@app.activity_trigger(input_name="text")
def echo(text: str):
    return text

@app.activity_trigger(input_name="nothing")
async def find_nothing(nothing):
    return None

@app.activity_trigger(input_name="item")
def fail(item):
    raise ValueError(f"no {item}")

@app.activity_trigger(input_name="item", activity="succeed_later")
def flaky(item):
    note(attempt=item["id"])
    attempts = sum(line.count(item["id"]) for line in pathlib.Path(os.environ["NOTES"]).read_text().splitlines())
    if attempts < item["attempt"]:
        raise ValueError(f"attempt {attempts}")
    return attempts

@app.orchestration_trigger(context_name="context")
def chain(context):
    first = yield context.call_activity("double", context.get_input())
    second = yield context.call_activity(double, first)
    nothing = yield context.call_activity("find_nothing")
    text = yield context.call_activity("ECHO", "plain")
    return [first, second, nothing, text]

@app.orchestration_trigger(context_name="context")
def fan(context):
    results = yield context.task_all([context.call_activity("double", n) for n in range(context.get_input())])
    return sum(results)

@app.orchestration_trigger(context_name="context")
def unsafe_input(context):
    yield context.call_activity("fail", "luck")

@app.orchestration_trigger(context_name="context")
def caught(context):
    try:
        yield context.call_activity("fail", "luck")
    except Exception as error:
        return str(error)

@app.orchestration_trigger(context_name="context")
def persistent(context):
    item = {"id": context.instance_id, "attempt": context.get_input()}
    result = yield context.call_activity_with_retry("succeed_later", QUICK, item)
    after = yield context.call_activity("double", result)
    return [result, after]

@app.orchestration_trigger(context_name="context")
def hopeless(context):
    try:
        yield context.call_activity_with_retry("fail", QUICK, "luck")
    except Exception as error:
        text = str(error)
    after = yield context.call_activity("double", 4)
    return [text.splitlines()[0], after]

@app.orchestration_trigger(context_name="context")
def child(context):
    given = yield context.call_activity("echo", context.get_input())
    if given == "fail":
        raise ValueError("no luck")
    return {"given": given, "parent": context.parent_instance_id, "id": context.instance_id}

@app.orchestration_trigger(context_name="context")
def parent(context):
    named = yield context.call_sub_orchestrator("child", {"n": 1}, instance_id=context.instance_id + "-child")
    unnamed = yield context.task_all([context.call_sub_orchestrator(child, n) for n in range(3)])
    try:
        yield context.call_sub_orchestrator("child", "fail")
    except Exception as error:
        text = str(error).splitlines()[0].strip()
    return [named, unnamed, text]

@app.orchestration_trigger(context_name="context")
def patient_parent(context):
    try:
        yield context.call_sub_orchestrator_with_retry("child", QUICK, "fail")
    except Exception as error:
        return str(error).splitlines()[0].strip()

@app.orchestration_trigger(context_name="context")
def timer(context):
    begun = context.current_utc_datetime
    yield context.create_timer(begun + timedelta(milliseconds=context.get_input()))
    return (context.current_utc_datetime - begun).total_seconds()

@app.orchestration_trigger(context_name="context")
def first_of_two(context):
    short = context.create_timer(context.current_utc_datetime + timedelta(milliseconds=20))
    event = context.wait_for_external_event("approve")
    winner = yield context.task_any([short, event])
    return "timer" if winner == short else "event"

@app.orchestration_trigger(context_name="context")
def approval(context):
    end = context.create_timer(context.current_utc_datetime + timedelta(milliseconds=context.get_input()["end"]))
    event = context.wait_for_external_event("approve")
    winner = yield context.task_any([event, end])
    if winner == event and context.get_input()["cancel"]:
        end.cancel()
    return event.result

@app.orchestration_trigger(context_name="context")
def count(context):
    given = context.get_input()
    so_far = yield context.call_activity("double", given["so_far"])
    if given["left"]:
        context.continue_as_new({"so_far": so_far, "left": given["left"] - 1})
        return
    return so_far

@app.orchestration_trigger(context_name="context")
def say(context):
    context.set_custom_status(context.get_input())
    yield context.wait_for_external_event("go")
    return "said"

@app.orchestration_trigger(context_name="context")
def call_unknown(context):
    yield context.call_activity("nobody")

@app.orchestration_trigger(context_name="context")
def call_http(context):
    yield context.call_http("GET", "http://127.0.0.1:1/")

@app.orchestration_trigger(context_name="context")
def remember(context):
    uuids = []
    for number in range(3):
        if not context.is_replaying:
            note(new=number, instance=context.instance_id)
        uuids.append(context.new_uuid())
        yield context.call_activity("double", number)
    return [context.current_utc_datetime.tzinfo is not None, len(set(uuids))]

@app.orchestration_trigger(context_name="context")
def impatient(context):
    return "at once"

more = df.Blueprint()

@more.orchestration_trigger(context_name="context")
def of_blueprint(context):
    result = yield context.call_activity("of_blueprint_too", 1)
    return result

@more.activity_trigger(input_name="item")
def of_blueprint_too(item):
    return item + 1

app.register_functions(more)
"""


def test_activities_follow_each_other_with_their_inputs_and_results(hub):
    """Call by name in any case and by function, sync and async, with and without input and result."""
    assert hub.run("chain", 2) == [4, 8, None, "plain"]


def test_two_hundred_activities_fan_out_and_in(hub):
    """Sum what 200 activities return."""
    assert hub.run("fan", 200) == sum(range(200)) * 2


def test_a_failed_activity_fails_its_orchestration_unless_caught(hub):
    """Read the words of the real host."""
    words = "Activity function 'fail' failed:  ValueError: no luck"

    failed = hub.wait(hub.start("unsafe_input"), "Failed")

    assert failed["output"].startswith(f"Orchestrator function 'unsafe_input' failed: {words} \n ")
    assert hub.run("caught").startswith(f"{words} \n ")


def test_a_retry_goes_on_until_an_attempt_succeeds(hub):
    """Succeed at once, with the second and with the last attempt, and call another activity afterwards."""
    assert [hub.run("persistent", attempt) for attempt in (1, 2, 3)] == [[1, 2], [2, 4], [3, 6]]


def test_a_retry_that_is_spent_raises_after_one_more_timer(hub):
    """Go on after the failure: its timer has taken an id."""
    instance_id = hub.start("hopeless")

    assert hub.wait(instance_id)["output"] == ["Activity function 'fail' failed:  ValueError: no luck ", 8]
    events = hub.status(instance_id, show_history=True)["historyEvents"]
    assert [event["EventType"] for event in events].count("TimerFired") == 3


def test_sub_orchestrations_know_their_parent_and_report_to_it(hub):
    """Run children with and without a given id, side by side, and one that fails."""
    instance_id = hub.start("parent")

    named, unnamed, text = hub.wait(instance_id)["output"]

    assert named == {"given": {"n": 1}, "parent": instance_id, "id": f"{instance_id}-child"}
    assert [each["given"] for each in unnamed] == [0, 1, 2]
    assert len({each["id"] for each in unnamed}) == 3
    assert text == "Orchestrator function 'child' failed: no luck"


def test_a_sub_orchestration_is_retried_in_instances_of_its_own(hub):
    """Fail three times."""
    before = len(hub.call("get_status_all"))

    assert hub.run("patient_parent") == "Orchestrator function 'child' failed: no luck"
    assert len(hub.call("get_status_all")) - before == 4


def test_a_timer_fires_when_it_is_due(hub):
    """Measure with the orchestration's own clock."""
    assert hub.run("timer", 200) >= 0.2


def test_the_first_of_several_tasks_wins(hub):
    """Wait for an event that nobody raises, and for a timer."""
    assert hub.run("first_of_two") == "timer"


def test_an_orchestration_does_not_end_before_its_timers_unless_they_are_cancelled(hub):
    """Raise the event at once, with and without a cancelled timer."""
    cancelled = hub.start("approval", {"end": 600_000, "cancel": True})
    forgotten = hub.start("approval", {"end": 1_000, "cancel": False})
    for instance_id in (cancelled, forgotten):
        hub.call("raise_event", instance_id=instance_id, event_name="approve", event_data=None)

    assert hub.wait(cancelled)["output"] == "null"
    assert hub.status(forgotten)["runtime_status"] == "Running"
    hub.wait(forgotten)


def test_an_orchestration_continues_as_new_with_another_input_and_no_history(hub):
    """Double a number five times."""
    instance_id = hub.start("count", {"so_far": 1, "left": 4})

    assert hub.wait(instance_id)["output"] == 32
    events = hub.status(instance_id, show_history=True)["historyEvents"]
    assert [event["EventType"] for event in events] == ["ExecutionStarted", "TaskCompleted", "ExecutionCompleted"]


def test_a_custom_status_is_shown_and_may_have_16_kb_of_utf_16(hub, eventually):
    """Say something, something just short enough and something too long."""
    said = hub.start("say", {"step": 1})
    longest = hub.start("say", "x" * 8190)
    too_long = hub.start("say", "x" * 8191)

    eventually(lambda: hub.status(said)["custom_status"] == {"step": 1})
    eventually(lambda: hub.status(longest)["custom_status"] == "x" * 8190)
    assert "16 KB of UTF-16" in hub.wait(too_long, "Failed")["output"]


def test_an_orchestrator_knows_when_it_is_replayed(hub):
    """Note what is new, once each."""
    instance_id = hub.start("remember")

    assert hub.wait(instance_id)["output"] == [True, 3]
    assert [note["new"] for note in hub.notes(instance=instance_id)] == [0, 1, 2]


def test_an_unknown_function_fails_the_orchestration_that_calls_it(hub):
    """Read which functions exist."""
    instance = hub.start("call_unknown")
    output = hub.wait(instance, "Failed")["output"]

    assert "The function 'nobody' doesn't exist, is disabled, or is not an activity function" in output
    assert f"warning call_unknown: instance {instance} failed: {output}" in hub.host.errors
    assert "'double'" in output


def test_what_this_host_does_not_run_fails_the_orchestration_with_its_name(hub):
    """Call over HTTP."""
    output = hub.wait(hub.start("call_http"), "Failed")["output"]

    assert (
        output
        == "Orchestrator function 'call_http' failed: this host does not run the action CALL_HTTP of an orchestrator"
    )


def test_an_orchestrator_may_be_no_generator(hub):
    """Return without a yield."""
    assert hub.run("impatient") == "at once"


def test_the_functions_of_a_blueprint_run_too(hub):
    """Call one from the other."""
    assert hub.run("of_blueprint") == 2
