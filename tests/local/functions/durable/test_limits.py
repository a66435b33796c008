"""Check what host.json decides of durable functions, and what is refused of them."""

import pytest

from local.functions.errors import HostError
from tests.local.functions.durable.conftest import CLIENT

SOURCE = """
@app.activity_trigger(input_name="item")
async def alone(item):
    note(begun=item)
    while not pathlib.Path(f"release-{item}").exists():
        await asyncio.sleep(0.01)
    note(ended=item)

@app.orchestration_trigger(context_name="context")
def fan(context):
    yield context.task_all([context.call_activity("alone", n) for n in range(5)])

import asyncio
"""
ORCHESTRATOR = """
@app.orchestration_trigger(context_name="context"{more})
def {name}(context):
    yield context.call_activity("x")
"""


def host_json(**durable):
    """Write a host.json."""
    return {"version": "2.0", "extensions": {"durableTask": durable}}


def test_no_more_activities_run_at_a_time_than_host_json_admits(open_hub, eventually):
    """Let five activities end one by one, of which two may run."""
    hub = open_hub(SOURCE, host_json=host_json(maxConcurrentActivityFunctions=2))
    instance_id = hub.start("fan")
    begun = []
    for count in range(5):
        eventually(lambda count=count: len(hub.app.notes()) >= min(count + 2, 5) + count)
        running = [note["begun"] for note in hub.app.notes() if "begun" in note]
        assert len(running) == min(count + 2, 5)
        chosen = next(item for item in running if item not in begun)
        begun.append(chosen)
        hub.release(f"release-{chosen}")
        eventually(lambda chosen=chosen: hub.notes(ended=chosen))

    hub.wait(instance_id)


@pytest.mark.parametrize(
    ("declared", "environment", "expected"),
    [
        ("%HUB%", {"HUB": "FromSetting"}, "FromSetting"),
        ("Named1", {}, "Named1"),
        (None, {"WEBSITE_SITE_NAME": "my-site"}, "mysite"),
        (None, {}, "TestHubName"),
    ],
)
def test_the_task_hub_has_the_name_of_host_json_or_of_the_site(app, declared, environment, expected):
    """Name it directly, by a setting, by the site and not at all."""
    durable = {} if declared is None else {"hubName": declared}
    app.write(CLIENT, host_json=host_json(**durable))

    _, plan = app.load(**environment)

    assert plan.task_hub.options.hub_name == expected


@pytest.mark.parametrize(
    ("source", "environment", "reason"),
    [
        (CLIENT, {}, "durableTask.hubName names the setting HUB, which is not set"),
        (CLIENT, {"HUB": "no"}, "durableTask.hubName 'no' must have 3 to 45 letters and digits"),
        (CLIENT, {"HUB": "1st"}, "durableTask.hubName '1st' must have"),
        (
            CLIENT.replace('client_name="client"', 'client_name="client", task_hub="Other"'),
            {"HUB": "Mine"},
            "function use_client: its client names the task hub Other, this host has Mine",
        ),
        (
            CLIENT
            + ORCHESTRATOR.format(more="", name="one")
            + ORCHESTRATOR.format(more=', orchestration="ONE"', name="two"),
            {"HUB": "Mine"},
            "function two: another durable function has the name ONE",
        ),
        (
            CLIENT + '@app.entity_trigger(context_name="context")\ndef entity(context): pass\n',
            {"HUB": "Mine"},
            "function entity: this host does not run the binding entityTrigger",
        ),
    ],
)
def test_what_cannot_run_is_refused_at_start(app, source, environment, reason):
    """Expect one text that says what is wrong."""
    app.write(source, host_json=host_json(hubName="%HUB%"))

    with pytest.raises(HostError, match=reason):
        app.load(**environment)


def test_an_app_without_durable_functions_has_no_task_hub(app):
    """Load an app with one HTTP function."""
    app.write('@app.route(route="a")\ndef one(req: func.HttpRequest) -> str: return ""\n')

    assert app.load()[1].task_hub is None
