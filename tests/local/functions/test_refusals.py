"""Hold everything that the real worker, host or extensions refuse to our message for it."""

import json
import re

import pytest

from local.functions import limits, settings
from local.functions.errors import HostError
from tests.local.functions.conftest import REPOSITORY

SET = {"COSMOS": "AccountEndpoint=http://127.0.0.1:1/;AccountKey=a2V5;", "DB": "db"}
ODD = {
    "IDENTITY__accountEndpoint": "https://account.example/",
    "BARE__accountEndpoint": "account.example",
    "KEY": "AccountEndpoint=http://127.0.0.1:1/;AccountKey=no base64!;",
    "EMPTY": "",
}
HTTP = '@app.route(route="{route}")\ndef {name}(req: func.HttpRequest) -> str:\n    return "ok"\n'
TIMER = '@app.timer_trigger(arg_name="timer", schedule="{}")\ndef tick(timer: func.TimerRequest) -> None: pass\n'
RETRIED = '@app.retry({})\n@app.timer_trigger(arg_name="timer", schedule="5 * * * *")\ndef tick(timer): pass\n'
FEED = """
@app.cosmos_db_trigger(arg_name="documents", connection="COSMOS", database_name="%DB%", container_name="things"{more})
def feed({documents}): pass
"""
DURABLE = """
import azure.durable_functions as df
app = df.DFApp()
"""


def http(parameters, answer="str"):
    """Write an HTTP function with these parameters."""
    return f'@app.route(route="a")\ndef one({parameters}) -> {answer}: return ""\n'


def feed(documents="documents: func.DocumentList", **more):
    """Write a change-feed function with this parameter and more trigger properties."""
    text = "".join(f", {name}={value!r}" for name, value in more.items())
    return FEED.replace("{more}", text).replace("{documents}", documents)


def activity(annotation):
    """Write an activity whose input is annotated so."""
    return (
        f"{DURABLE}import typing\n@app.activity_trigger(input_name='work')\ndef count(work: {annotation}): return 1\n"
    )


# What the Python worker refuses when it indexes the app.
WORKER = {
    "no app": ("del app\n", "exactly one FunctionApp, it has 0"),
    "two apps": ("other = func.FunctionApp()\n", "exactly one FunctionApp, it has 2: app, other"),
    "two names of an app": ("application = app\n", "exactly one FunctionApp, it has 2: app, application"),
    "import error": (
        "raise ValueError('A is missing')\n",
        r"cannot be imported: ValueError: A is missing \(function_app.py:\d+\)",
    ),
    "missing module": ("import nowhere_to_be_found\n", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
    "syntax error": ("def broken(:\n", "SyntaxError"),
    "duplicate name": (HTTP.format(route="a", name="one") + HTTP.format(route="b", name="one"), "one .* unique"),
    "parameter without a binding": (http("req, more"), "function one: parameter without a binding: more"),
    "binding without a parameter": (http(""), "function one: binding without a parameter: req"),
    "parameter of another name than its binding": (
        http("request"),
        "function one: parameter without a binding: request; binding without a parameter: req",
    ),
    "exit": ("raise SystemExit\n", "cannot be imported: it ends the process"),
    "input annotation": (
        http("req: func.HttpResponse"),
        "function one: the annotation HttpResponse of req does not fit httpTrigger, azure.functions.HttpRequest does",
    ),
    "context annotation": (http("req: func.HttpRequest, context: int"), "function one: the parameter context"),
    "return annotation": (http("req", "dict"), "function one: the return annotation dict"),
    "return annotation that is no type": (http("req", "str | None"), "function one: the return annotation str"),
    "name in an annotation that exists nowhere": (
        http('req: "Nowhere"'),
        "function one: its annotations cannot be read: name 'Nowhere'",
    ),
    "name that is imported for type checkers only": (
        "import typing\nif typing.TYPE_CHECKING:\n    from decimal import Decimal\n" + http('req: "Decimal"'),
        "function one: its annotations cannot be read: name 'Decimal'",
    ),
    "exponential retry without intervals": (
        RETRIED.format('strategy="exponential_backoff", max_retry_count="3"'),
        "function tick: retry: the minimum interval None is not of the form HH:MM:SS",
    ),
    "exponential retry without a maximum": (
        RETRIED.format('strategy="exponential_backoff", max_retry_count="3", minimum_interval="00:00:01"'),
        "function tick: retry: the maximum interval None is not of the form HH:MM:SS",
    ),
    "fixed retry without a delay": (
        RETRIED.format('strategy="fixed_delay", max_retry_count="3"'),
        "function tick: retry: the delay interval None is not of the form HH:MM:SS",
    ),
    "retry interval of a day": (
        RETRIED.format('strategy="fixed_delay", max_retry_count="3", delay_interval="24:00:00"'),
        "function tick: retry: the delay interval '24:00:00' is not",
    ),
    "retry intervals in the wrong order": (
        RETRIED.format(
            'strategy="exponential_backoff", max_retry_count="3", minimum_interval="00:01:00",'
            'maximum_interval="00:00:01"'
        ),
        "function tick: retry: the minimum interval is longer than the maximum interval",
    ),
    "retry count below -1": (
        RETRIED.format('strategy="fixed_delay", max_retry_count="-2", delay_interval="00:00:01"'),
        "function tick: retry: the maximum retry count -2 is below -1",
    ),
    "no trigger": (
        '@app.function_name("one")\ndef one(): pass\n',
        "function_app.py: Function one does not have a trigger",
    ),
    "data type": (
        feed(data_type="text"),
        "cannot be imported: KeyError: .*text.*DataType",
    ),
    "retry count": (
        RETRIED.format('strategy="fixed_delay", max_retry_count="x", delay_interval="00:00:01"'),
        "function tick: retry: the maximum retry count 'x'",
    ),
}
for annotation in (
    "list",
    "dict",
    "dict[str, Any]",
    "list[func.Document]",
    "func.DocumentList | None",
    "Optional[func.DocumentList]",
    "Sequence[func.Document]",
    "collections.abc.Sequence[func.Document]",
):
    WORKER[f"change-feed input annotated with {annotation}"] = (
        f"import collections.abc\nfrom typing import Any, Optional, Sequence\n{feed(f'documents: {annotation}')}",
        "function feed: the annotation .* of documents does not fit cosmosDBTrigger",
    )
for annotation in ("dict[str, typing.Any]", "dict | None", "typing.Optional[dict]"):
    WORKER[f"activity input annotated with {annotation}"] = (
        activity(annotation),
        "function count: the annotation .* of work does not fit activityTrigger",
    )

# What the host and its extensions refuse, and what fails in production at the first call.
HOST = {
    "no function": ("", "declares no function"),
    "name": (
        '@app.function_name("no good")\n' + HTTP.format(route="a", name="one"),
        "function no good: a name has letters, digits",
    ),
    "route": (HTTP.format(route="a/{b}c", name="one"), "function one: the segment"),
    "route of the host": (
        HTTP.format(route="Admin/a", name="one"),
        "function one: the route 'Admin/a' begins with admin or runtime, which the host keeps",
    ),
    "route of the host's extensions": (
        HTTP.format(route="Runtime", name="one"),
        "function one: the route 'Runtime' begins with admin or runtime",
    ),
    "name that is a route of the host": (
        HTTP.format(route="", name="runtimes"),
        "function runtimes: the route 'runtimes' begins with admin or runtime",
    ),
    "route of another function": (
        HTTP.format(route="a/{b}", name="one") + HTTP.format(route="/A/{b}/", name="two"),
        "function two: its route conflicts with that of function one",
    ),
    "route constraint": (HTTP.format(route="a/{b:odd}", name="one"), "function one: the route constraint 'odd'"),
    "binding that this host does not run": (
        '@app.queue_trigger(arg_name="msg", queue_name="q", connection="C")\ndef one(msg: func.QueueMessage): pass\n',
        "function one: this host does not run the binding queueTrigger",
    ),
    "client of durable functions in a sync function": (
        DURABLE
        + '@app.route(route="a")\n@app.durable_client_input(client_name="client")\n'
        + 'def one(req: func.HttpRequest, client): return ""\n',
        "function one: .*async def",
    ),
    "schedule": (TIMER.format("61 * * * * *"), "function tick: the schedule '61 .*' is wrong: second 61"),
    "schedule of too few fields": (TIMER.format("* *"), "function tick: .* it has 2 fields, not five or six"),
    "schedule that never comes": (TIMER.format("0 0 0 31 2 *"), "function tick: .* it never fires"),
    "setting of a schedule": (TIMER.format("%WHEN%"), "function tick: schedule names the setting WHEN, which is not"),
    "setting of a binding": (
        feed(lease_container_name="%LEASES%"),
        "function feed: leaseContainerName names the setting LEASES",
    ),
    "connection": (
        feed().replace('"COSMOS"', '"NOWHERE"'),
        "function feed: connection names the setting NOWHERE, but neither NOWHERE nor NOWHERE__accountEndpoint is set",
    ),
    "key of a connection string": (
        feed(lease_connection="KEY"),
        "function feed: leaseConnection: the setting KEY: its AccountKey is not base64",
    ),
    "empty connection": (
        feed().replace('"COSMOS"', '"EMPTY"'),
        "function feed: connection names the setting EMPTY, but neither EMPTY nor EMPTY__accountEndpoint is set",
    ),
    "leases in the container itself": (
        feed(lease_container_name="things"),
        "function feed: its leases cannot be kept in the container that it follows",
    ),
    "lease connection": (
        feed(lease_connection="OTHER"),
        "function feed: leaseConnection names the setting OTHER, but neither OTHER nor OTHER__accountEndpoint",
    ),
    "lease container created by an identity": (
        feed(lease_connection="IDENTITY", create_lease_container_if_not_exists=True),
        "function feed: createLeaseContainerIfNotExists needs a connection string",
    ),
    "two starts": (
        feed(start_from_beginning=True, start_from_time="2026-01-01T00:00:00Z"),
        "function feed: startFromBeginning and startFromTime",
    ),
    "all versions from the beginning": (
        feed(start_from_beginning=True, change_feed_mode="AllVersionsAndDeletes"),
        "function feed: changeFeedMode AllVersionsAndDeletes starts now",
    ),
    "all versions from a time": (
        feed(start_from_time="2026-01-01T00:00:00Z", change_feed_mode="AllVersionsAndDeletes"),
        "function feed: changeFeedMode AllVersionsAndDeletes starts now",
    ),
    "change-feed mode": (
        feed(change_feed_mode="Some"),
        "function feed: changeFeedMode is LatestVersion or AllVersionsAndDeletes, not some",
    ),
    "trigger of extension 3": (
        (
            '@app.cosmos_db_trigger_v3(arg_name="documents", connection_string_setting="COSMOS", '
            'database_name="db", collection_name="things")\ndef feed(documents): pass\n'
        ),
        "function feed: cosmos_db_trigger_v3 is not supported, use cosmos_db_trigger",
    ),
    "start time": (feed(start_from_time="soon"), "function feed: startFromTime 'soon'"),
    "number": (feed(max_items_per_invocation="many"), "function feed: maxItemsPerInvocation 'many'"),
    "account endpoint that is no URL": (
        feed().replace('"COSMOS"', '"BARE"'),
        "function feed: connection: the setting BARE__accountEndpoint must be a URL",
    ),
    "negative interval": (feed(lease_renew_interval=-1), "function feed: leaseRenewInterval is negative"),
}

HOST_JSON = {
    "missing": (None, "host.json does not exist"),
    "version": ({"version": "1.0"}, 'version must be "2.0"'),
    "no object": ([], "not a JSON object"),
    "section that is no object": ({"extensions": []}, "what holds http is not an object"),
    "retry strategy": ({"retry": {"strategy": "never"}}, "retry.strategy 'never'"),
    "retry without a delay": ({"retry": {"strategy": "fixedDelay", "maxRetryCount": 1}}, "the delay interval None"),
    "retry without intervals": (
        {"retry": {"strategy": "exponentialBackoff", "maxRetryCount": 1}},
        "the minimum interval None",
    ),
    "retry count": ({"retry": {"strategy": "fixedDelay", "maxRetryCount": -2}}, "retry.maxRetryCount -2 must be"),
    "functionTimeout": ({"functionTimeout": "10"}, "functionTimeout '10' must be '-1', or a time span"),
    "retry intervals in the wrong order": (
        {
            "retry": {
                "strategy": "exponentialBackoff",
                "maxRetryCount": 1,
                "minimumInterval": "00:01:00",
                "maximumInterval": "00:00:01",
            }
        },
        "the minimum interval is longer than the maximum interval",
    ),
    "extensionBundle.version": (
        {"extensionBundle": {"version": "4"}},
        "extensionBundle.version '4' must be a range of versions",
    ),
    "serializer that is no object": (
        {"extensions": {"cosmosDB": {"serializerSettings": "None"}}},
        "what holds dateParseHandling is not an object",
    ),
    "functionTimeout of nothing": ({"functionTimeout": "00:00:00"}, "functionTimeout '00:00:00' must be"),
}
for section, values in {
    "http": {"maxOutstandingRequests": 0, "maxConcurrentRequests": -2, "routePrefix": 1, "dynamicThrottlesEnabled": 1},
    "cosmosDB": {"connectionMode": "Fast"},
    "durableTask": {
        "hubName": "no",
        "maxConcurrentActivityFunctions": 0,
        "maxConcurrentOrchestratorFunctions": 0.5,
        "maxConcurrentEntityFunctions": "many",
        "maxOrchestrationActions": 0,
        "localRpcEndpointEnabled": False,
    },
}.items():
    for name, value in values.items():
        HOST_JSON[f"{section}.{name}"] = (
            {"extensions": {section: {name: value}}},
            re.escape(f"host.json: extensions.{section}.{name} {value!r} must be "),
        )
for name, value in {"distributedTracingEnabled": "yes", "traceInputsAndOutputs": 1, "version": "v2"}.items():
    HOST_JSON[f"tracing.{name}"] = (
        {"extensions": {"durableTask": {"tracing": {name: value}}}},
        re.escape(f"host.json: extensions.durableTask.tracing.{name} {value!r} must be "),
    )
HOST_JSON["telemetryMode"] = ({"telemetryMode": "OTel"}, "telemetryMode 'OTel' must be 'OpenTelemetry' or")
for name, value in {
    "partitionCount": 17,
    "controlQueueBatchSize": 33,
    "controlQueueBufferThreshold": 0,
    "controlQueueVisibilityTimeout": "00:00:59",
    "workItemQueueVisibilityTimeout": "01:00:01",
    "maxQueuePollingInterval": "soon",
    "type": "Memory",
}.items():
    HOST_JSON[f"storageProvider.{name}"] = (
        {"extensions": {"durableTask": {"storageProvider": {name: value}}}},
        f"durableTask.storageProvider.{name} {value!r} must be ",
    )


@pytest.mark.parametrize("case", WORKER)
def test_what_the_worker_refuses_is_refused_at_start(app, case):
    """Expect one text that names the function and the reason."""
    source, reason = WORKER[case]
    app.write(source)

    with pytest.raises(HostError, match=reason):
        app.load(**SET)


@pytest.mark.parametrize("case", HOST)
def test_what_the_host_refuses_is_refused_at_start(app, case):
    """Expect one text that names the function and the reason."""
    source, reason = HOST[case]
    app.write(source)

    with pytest.raises(HostError, match=reason):
        app.load(**SET, **ODD)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("secret", "must be of the form AccountEndpoint=https://...;AccountKey=...;"),
        ("AccountKey=c2VjcmV0;", "must be of the form"),
        ("AccountEndpoint=https://a.example/;", "must be of the form"),
        ("AccountEndpoint=a.example:443;AccountKey=c2VjcmV0;", "must be of the form"),
        ("AccountEndpoint=https://a.example/;AccountKey=c2VjcmV0;secret", "must be of the form"),
        ("AccountEndpoint=https://a.example/;AccountKey=secret!;", "its AccountKey is not base64"),
    ],
)
def test_a_connection_string_that_cannot_be_one_is_refused_and_not_quoted(app, text, reason):
    """Expect a text that names the function and the setting."""
    app.write(feed())

    with pytest.raises(HostError, match="function feed: connection: the setting COSMOS") as refused:
        app.load(DB="db", COSMOS=text)

    assert reason in str(refused.value)
    assert not re.search("secret|c2VjcmV0|example", str(refused.value))


def test_a_connection_string_in_place_of_a_setting_s_name_is_refused_and_not_quoted(app):
    """Write the key of an account into the code."""
    app.write(feed().replace('"COSMOS"', repr(SET["COSMOS"])))

    with pytest.raises(HostError, match="function feed: connection must be the name of a setting") as refused:
        app.load(**SET)

    assert "a2V5" not in str(refused.value)


@pytest.mark.parametrize("case", HOST_JSON)
def test_a_host_json_that_the_host_refuses_is_refused_at_start(app, case):
    """Expect one text that names the property, its value and what it may be."""
    content, reason = HOST_JSON[case]
    if isinstance(content, dict):
        content = {"version": "2.0", **content}
    app.write(HTTP.format(route="a", name="one"), host_json=content)

    with pytest.raises(HostError, match=reason):
        app.load()


def test_every_limit_of_host_json_has_its_refusal():
    """Look for each path among the reasons above."""
    reasons = "\n".join(reason.replace("\\", "") for _, reason in HOST_JSON.values())

    assert [path for path in limits.LIMITS if f"{path.removeprefix('extensions.')} " not in reasons] == []


@pytest.mark.parametrize(
    "content", [{"extensions": None}, {"extensions": {"http": None, "cosmosDB": None}}, {"functionTimeout": None}]
)
def test_what_is_null_in_host_json_has_its_default(app, content):
    """Load an app with it."""
    app.write(HTTP.format(route="a", name="one"), host_json={"version": "2.0", **content})

    loaded, _ = app.load()

    assert (loaded.host_json.route_prefix, loaded.host_json.function_timeout) == ("api", 1800.0)


def test_two_functions_may_answer_different_methods_of_one_route(app):
    """Declare one function for each method."""
    verbs = [f'@app.route(route="a", methods=["{verb}"])\ndef on_{verb}(req): return ""\n' for verb in ("GET", "POST")]
    app.write("".join(verbs))

    loaded, _ = app.load()

    assert len(loaded.endpoints) == 2


@pytest.mark.parametrize("count", ["many", "0", "-1"])
def test_a_number_of_threads_that_is_none_is_refused(count):
    """Expect the setting and its value."""
    with pytest.raises(HostError, match=f"the setting PYTHON_THREADPOOL_THREAD_COUNT '{count}' must be a whole number"):
        settings.read_threads({"PYTHON_THREADPOOL_THREAD_COUNT": count})


@pytest.mark.parametrize("documents", ["documents", "documents: str", "documents: func.DocumentList"])
def test_the_change_feed_inputs_that_the_worker_admits_are_admitted(app, documents):
    """Load a function for each of them."""
    app.write(feed(documents))

    loaded, _ = app.load(**SET)

    assert [function.name for function in loaded.functions] == ["feed"]


@pytest.mark.parametrize("annotation", ["dict", "typing.Any", "typing.Dict[str, int]", "'Work'", "str"])
def test_the_activity_inputs_that_the_worker_admits_are_admitted(app, annotation):
    """Load a function for each of them."""
    app.write("import typing\nclass Work(typing.TypedDict):\n    n: int\n" + activity(annotation))

    loaded, _ = app.load()

    assert [function.name for function in loaded.functions] == ["count"]


def test_annotations_may_be_postponed(app):
    """Import annotations from the future."""
    app.write(feed())
    path = app.root / "function_app.py"
    path.write_text("from __future__ import annotations\n" + path.read_text())

    loaded, _ = app.load(**SET)

    assert [function.name for function in loaded.functions] == ["feed"]


def test_a_function_that_returns_a_value_where_none_is_bound_fails_when_it_runs(app, start, source, eventually):
    """Let a timer, which nothing can answer, return something."""
    app.write(TIMER.format("* * * * * *").replace("-> None: pass", ": return 1"))

    host = start(app).wait_ready()

    eventually(
        lambda: "RuntimeError: function tick without a $return binding returned a non-None value: let" in host.errors
    )


@pytest.mark.parametrize("content", [{"functionTimeout": "-1"}, {"functionTimeout": "1.00:00:00"}])
def test_a_function_timeout_may_be_days_or_never(app, content):
    """Load a host.json that sets it."""
    app.write(HTTP.format(route="a", name="one"), host_json={"version": "2.0", **content})

    loaded, _ = app.load()

    assert loaded.host_json.function_timeout == {"-1": None, "1.00:00:00": 86_400.0}[content["functionTimeout"]]


def test_the_repository_s_own_host_json_is_admitted(app):
    """Load an app with it."""
    content = json.loads((REPOSITORY / "host.json").read_text())

    app.write(HTTP.format(route="a", name="one"), host_json=content)

    assert app.load(DURABLE_HUB="hub")[0].host_json.function_timeout == 600.0
