"""Check what clients can ask of a task hub, by the SDK's client and by the webhooks."""

import contextlib
import http.client
import json
import threading

import pytest

from tests.local.functions.durable.conftest import KEY, ClientError, ask

SOURCE = """
@app.orchestration_trigger(context_name="context")
def show_input(context):
    yield context.call_activity("echo", 1)
    return context.get_input()

@app.orchestration_trigger(context_name="context")
def wait_for_approve(context):
    data = yield context.wait_for_external_event("approve")
    return data

@app.orchestration_trigger(context_name="context")
def collect(context):
    events = []
    for _ in range(3):
        events.append((yield context.wait_for_external_event("item")))
    return events

@app.orchestration_trigger(context_name="context")
def forgetful(context):
    given = context.get_input()
    data = yield context.wait_for_external_event("item")
    if given["rounds"]:
        yield context.call_activity("slow", context.instance_id)
        context.continue_as_new({"rounds": given["rounds"] - 1})
        return
    return data

@app.orchestration_trigger(context_name="context")
def parent(context):
    result = yield context.call_sub_orchestrator("wait_for_approve", instance_id=context.instance_id + "-child")
    return result

@app.activity_trigger(input_name="item")
def echo(item):
    return item

@app.activity_trigger(input_name="item")
def slow(item):
    note(begun=item)
    wait_for_file(item)
    note(ended=item)

@app.orchestration_trigger(context_name="context")
def call_slow(context):
    yield context.call_activity("slow", context.instance_id)

@app.activity_trigger(input_name="item")
def need_file(item):
    note(needed=item)
    if not pathlib.Path(item).exists():
        raise FileNotFoundError(item)
    return "found"

@app.orchestration_trigger(context_name="context")
def need(context):
    before = yield context.call_activity("echo", "before")
    found = yield context.call_activity("need_file", context.get_input())
    return [before, found]

@app.orchestration_trigger(context_name="context")
def need_in_child(context):
    result = yield context.call_sub_orchestrator("need", context.get_input())
    return result
"""


def test_an_input_of_the_client_is_encoded_twice_and_one_of_the_webhook_once(hub):
    """Look at the raw input of both."""
    by_client = hub.start("show_input", {"n": 1})
    status, urls = hub.webhook("orchestrators/show_input/by-webhook", body={"n": 1})

    assert (status, urls["id"]) == (202, "by-webhook")
    assert hub.wait(by_client)["output"] == hub.wait("by-webhook")["output"] == {"n": 1}
    assert hub.status(by_client)["input"] == '{"n": 1}'
    assert hub.status("by-webhook")["input"] == {"n": 1}


@pytest.mark.parametrize("content", [[1, 2], "text"])
def test_a_bare_list_or_text_over_the_webhook_breaks_get_input(hub, content):
    """Send what the SDK cannot decode."""
    _, urls = hub.webhook("orchestrators/show_input", body=content)

    assert "Orchestrator function 'show_input' failed" in hub.wait(urls["id"], "Failed")["output"]


def test_an_instance_of_a_running_id_is_refused_and_of_an_ended_one_begun(hub):
    """Start the same id three times."""
    hub.start("wait_for_approve", instance_id="again")

    with pytest.raises(ClientError, match="again already exists"):
        hub.start("wait_for_approve", instance_id="again")
    assert hub.webhook("orchestrators/wait_for_approve/again")[0] == 409
    hub.call("raise_event", instance_id="again", event_name="approve", event_data=1)
    hub.wait("again")
    assert hub.start("show_input", 2, instance_id="again") == "again"
    assert hub.wait("again")["output"] == 2


def test_an_unknown_orchestrator_is_refused_by_name(hub):
    """Ask for what is an activity."""
    with pytest.raises(ClientError, match="'echo' doesn't exist, is disabled, or is not an orchestrator function"):
        hub.start("echo")


@pytest.mark.parametrize("instance_id", ["@entity", "x" * 257, "tab%09"])
def test_an_id_that_the_real_host_refuses_is_refused(hub, instance_id):
    """Try an @, too many characters and a control character."""
    status, answer = hub.webhook(f"orchestrators/show_input/{instance_id}")

    assert status == 400
    assert answer["Message"].startswith("Instance IDs must not")


def test_an_event_of_the_client_arrives_as_text_and_one_of_the_webhook_as_it_is(hub):
    """Raise the same event both ways."""
    by_client, by_webhook = hub.start("wait_for_approve"), hub.start("wait_for_approve")

    hub.call("raise_event", instance_id=by_client, event_name="approve", event_data={"yes": True})
    assert hub.webhook(f"instances/{by_webhook}/raiseEvent/approve", body={"yes": True})[0] == 202

    assert hub.wait(by_client)["output"] == '{"yes": true}'
    assert hub.wait(by_webhook)["output"] == {"yes": True}


def test_an_event_of_another_case_leaves_the_orchestration_waiting(hub, eventually):
    """Raise Approve, which the host counts as approve and the SDK does not."""
    instance_id = hub.start("wait_for_approve")
    hub.call("raise_event", instance_id=instance_id, event_name="Approve", event_data=1)

    eventually(lambda: "EventRaised" in str(hub.status(instance_id, show_history=True)["historyEvents"]))
    assert hub.status(instance_id)["runtime_status"] == "Running"


def test_events_wait_until_they_are_asked_for(hub):
    """Raise three before the first is read."""
    instance_id = hub.start("collect")
    for number in range(3):
        hub.webhook(f"instances/{instance_id}/raiseEvent/item", body=number)

    assert hub.wait(instance_id)["output"] == [0, 1, 2]


def test_an_event_that_was_read_and_not_waited_for_is_lost_when_it_continues_as_new(hub, eventually):
    """Raise an event while an activity runs, and another one in the next round."""
    instance_id = hub.start("forgetful", {"rounds": 1})
    for data in ("first", "lost"):
        hub.webhook(f"instances/{instance_id}/raiseEvent/item", body=data)
    eventually(lambda: str(hub.status(instance_id, show_history=True)["historyEvents"]).count("EventRaised") == 2)
    hub.release(instance_id)
    eventually(lambda: '"rounds": 0' in hub.status(instance_id)["input"])
    hub.webhook(f"instances/{instance_id}/raiseEvent/item", body="last")

    assert hub.wait(instance_id)["output"] == "last"


def test_a_suspended_orchestration_reads_nothing_until_it_is_resumed(hub):
    """Raise its event while it is suspended."""
    instance_id = hub.start("wait_for_approve")
    hub.wait(instance_id, "Running")
    hub.call("suspend", instance_id=instance_id, reason="wait")
    hub.call("raise_event", instance_id=instance_id, event_name="approve", event_data=1)

    assert hub.status(instance_id)["runtime_status"] == "Suspended"
    hub.run("show_input", 1)
    assert hub.status(instance_id)["runtime_status"] == "Suspended"
    hub.call("resume", instance_id=instance_id, reason="go")
    assert hub.wait(instance_id)["output"] == "1"


def test_terminating_a_parent_stops_neither_its_child_nor_an_activity(hub, eventually):
    """Terminate two, and let child and activity end afterwards."""
    parent, slow = hub.start("parent"), hub.start("call_slow")
    eventually(lambda: hub.status(f"{parent}-child")["created_time"] and hub.notes(begun=slow))
    for instance_id in (parent, slow):
        hub.call("terminate", instance_id=instance_id, reason="enough")

    ended = hub.wait(parent, "Terminated")
    assert ended["output"] == "enough"
    assert hub.status(f"{parent}-child")["runtime_status"] == "Running"
    hub.call("raise_event", instance_id=f"{parent}-child", event_name="approve", event_data=1)
    hub.wait(f"{parent}-child")
    hub.release(slow)
    eventually(lambda: hub.notes(ended=slow))
    assert hub.status(slow)["runtime_status"] == hub.status(parent)["runtime_status"] == "Terminated"


def test_a_terminated_child_fails_for_its_parent(hub, eventually):
    """Terminate the child only."""
    parent = hub.start("parent")
    eventually(lambda: hub.status(f"{parent}-child")["created_time"])

    hub.call("terminate", instance_id=f"{parent}-child", reason="enough")

    assert "enough" in hub.wait(parent, "Failed")["output"]


def test_an_ended_instance_takes_no_event_and_can_be_purged(hub):
    """Ask an ended, a running and an unknown one."""
    running, ended = hub.start("wait_for_approve"), hub.start("show_input", 1)
    hub.wait(ended)

    with pytest.raises(ClientError, match="is gone"):
        hub.call("raise_event", instance_id=ended, event_name="approve")
    with pytest.raises(ClientError, match="No instance with ID nobody found"):
        hub.call("raise_event", instance_id="nobody", event_name="approve")
    assert hub.call("terminate", instance_id=ended, reason="late") is None
    with pytest.raises(ClientError, match="412"):
        hub.call("purge_instance_history", instance_id=running)
    assert hub.call("purge_instance_history", instance_id=ended) == {"instances_deleted": 1}
    assert hub.status(ended)["created_time"] is None
    assert hub.call("purge_instance_history", instance_id=ended) == {"instances_deleted": 0}


def test_instances_are_found_and_purged_by_time_status_and_prefix(hub):
    """Start three, of which two end."""
    for instance_id in ("found-1", "found-2"):
        hub.start("show_input", 1, instance_id)
        hub.wait(instance_id)
    hub.start("wait_for_approve", instance_id="found-3")

    def find(**conditions):
        return {found["instance_id"] for found in hub.call("get_status_by", instance_id_prefix="found-", **conditions)}

    assert find() == {"found-1", "found-2", "found-3"}
    assert find(runtime_status=["Completed", "Failed"]) == {"found-1", "found-2"}
    assert find(created_time_from="2100-01-01T00:00:00+00:00") == set()
    assert find(created_time_to="2100-01-01T00:00:00+00:00") == {"found-1", "found-2", "found-3"}
    purged = hub.call("purge_instance_history_by", created_time_from="2000-01-01T00:00:00+00:00")
    assert purged["instances_deleted"] >= 2
    assert find() == {"found-3"}


def test_an_instance_is_restarted_with_its_input_under_a_new_or_its_old_id(hub):
    """Restart an ended one both ways, and one that does not exist."""
    instance_id = hub.start("show_input", {"n": 1})
    hub.wait(instance_id)

    other = hub.call("restart", instance_id=instance_id)["id"]
    same = hub.call("restart", instance_id=instance_id, restart_with_new_instance_id=False)["id"]

    assert (other != instance_id, same) == (True, instance_id)
    assert hub.wait(other)["output"] == hub.wait(same)["output"] == {"n": 1}
    with pytest.raises(ClientError, match="No instance with ID 'nobody' found"):
        hub.call("restart", instance_id="nobody")


@pytest.mark.parametrize("name", ["need", "need_in_child"])
def test_a_failed_instance_is_rewound_to_run_only_what_failed(hub, name):
    """Make the file that was missing, and rewind."""
    instance_id = hub.start(name, f"file-of-{name}")
    hub.wait(instance_id, "Failed")
    hub.release(f"file-of-{name}")

    hub.call("rewind", instance_id=instance_id, reason="mended")

    assert hub.wait(instance_id)["output"] == ["before", "found"]
    assert len(hub.notes(needed=f"file-of-{name}")) == 2
    with pytest.raises(ClientError, match="only supported on failed"):
        hub.call("rewind", instance_id=instance_id, reason="again")


def test_a_check_status_response_holds_urls_that_work(hub):
    """Follow each of them."""
    hub.start("wait_for_approve", instance_id="checked")
    hub.wait("checked", "Running")
    status, urls = ask(f"{hub.host.url}api/check/checked")

    assert (status, urls["id"]) == (202, "checked")
    assert ask(urls["statusQueryGetUri"])[0] == 202
    assert ask(urls["suspendPostUri"].replace("{text}", "wait"), "POST")[0] == 202
    assert ask(urls["statusQueryGetUri"])[1]["runtimeStatus"] == "Suspended"
    assert ask(urls["resumePostUri"].replace("{text}", "go"), "POST")[0] == 202
    assert ask(urls["sendEventPostUri"].replace("{eventName}", "approve"), "POST", b'{"a": 1}')[0] == 202
    assert hub.wait("checked")["output"] == {"a": 1}
    assert ask(urls["statusQueryGetUri"])[0] == 200
    assert ask(urls["restartPostUri"], "POST")[0] == 202
    assert ask(urls["rewindPostUri"].replace("{text}", "x"), "POST")[0] == 410
    assert ask(urls["terminatePostUri"].replace("{text}", "x"), "POST")[0] == 410
    assert ask(urls["purgeHistoryDeleteUri"], "DELETE") == (200, {"instancesDeleted": 1})
    assert ask(urls["statusQueryGetUri"])[0] == 404


def test_the_webhooks_demand_the_key_and_this_task_hub(hub):
    """Ask without a key, and for another task hub."""
    assert ask(f"{hub.webhooks}instances")[0] == 401
    assert ask(f"{hub.webhooks}instances?code={KEY}")[0] == 200
    assert hub.webhook("instances?taskHub=Other", "GET")[0] == 400
    assert hub.webhook("instances?taskHub=testhub", "GET")[0] == 200


def test_the_rpc_endpoint_is_not_on_the_public_port(hub):
    """Ask where the client of the app asks elsewhere."""
    assert ask(f"{hub.host.url}durabletask/instances")[0] == 404


def test_the_webhook_refuses_what_is_not_json(hub):
    """Send a text without quotes, as an input and as an event."""
    hub.start("wait_for_approve", instance_id="strict")

    assert ask(f"{hub.webhooks}orchestrators/show_input?code={KEY}", "POST", b"{")[0] == 400
    assert ask(f"{hub.webhooks}instances/strict/raiseEvent/approve?code={KEY}", "POST", b"{")[0] == 400


def test_the_webhook_can_wait_for_the_output(hub):
    """Wait for an orchestration that ends, and in vain for one that does not."""
    wait = "timeout=600&pollingInterval=1"

    assert hub.webhook(f"orchestrators/show_input?{wait}", body={"n": 2}) == (200, {"n": 2})
    status, urls = hub.webhook("orchestrators/wait_for_approve?timeout=0.1&pollingInterval=0.1")
    assert (status, "statusQueryGetUri" in urls) == (202, True)


def test_requests_that_wait_for_an_output_hold_up_neither_others_nor_the_end_of_the_host(open_hub, eventually):
    """Let more requests wait than the host has threads for, and stop it."""
    hub = open_hub(SOURCE)
    path = "orchestrators/wait_for_approve/{}?timeout=600&pollingInterval=1"
    waiting = [
        threading.Thread(target=lambda number=number: suppressed(hub.webhook, path.format(f"waited-{number}")))
        for number in range(40)
    ]
    for thread in waiting:
        thread.start()
    eventually(lambda: len(hub.call("get_status_all")) == 40)
    hub.call("raise_event", instance_id="waited-7", event_name="approve", event_data=1)
    hub.wait("waited-7")

    assert hub.host.stop() == 0
    for thread in waiting:
        thread.join()


def suppressed(call, *arguments):
    """Call what may lose its connection."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        call(*arguments)


def test_a_status_shows_input_and_history_as_asked(hub):
    """Ask with all and with nothing."""
    instance_id = hub.start("show_input", 1)
    hub.wait(instance_id)

    _, brief = hub.webhook(f"instances/{instance_id}?showInput=false", "GET")
    _, full = hub.webhook(f"instances/{instance_id}?showHistory=true&showHistoryOutput=true", "GET")

    assert (brief["input"], brief["historyEvents"], brief["output"]) == (None, None, 1)
    assert full["input"] == "1"
    assert json.dumps(full["historyEvents"][1]).count('"FunctionName": "echo"') == 1
    assert full["historyEvents"][1]["Result"] == 1
