"""Check what the host loads and what it refuses."""

import json

import pytest

from local.functions.errors import HostError

HTTP = '@app.route(route="{route}")\ndef {name}(req: func.HttpRequest) -> str:\n    return "ok"\n'
FEED = """
@app.cosmos_db_trigger(arg_name="documents", connection="COSMOS", database_name="%DB%", container_name="things"{more})
def feed(documents: func.DocumentList) -> None: pass
"""
TIMER = '@app.timer_trigger(arg_name="timer", schedule="{}")\ndef tick(timer: func.TimerRequest) -> None: pass\n'
SET = {"COSMOS": "AccountEndpoint=http://127.0.0.1:1/;AccountKey=a2V5;", "DB": "db"}


def feed(**more):
    """Write a change-feed function with more trigger properties."""
    return FEED.replace("{more}", "".join(f", {name}={value!r}" for name, value in more.items()))


def test_a_missing_connection_setting_is_refused(app):
    """Leave the setting of the connection out."""
    app.write(feed())

    with pytest.raises(HostError, match="function feed: connection names the setting COSMOS"):
        app.load(DB="db")


def test_a_connection_may_be_an_account_endpoint(app):
    """Give the identity form of the connection only."""
    app.write(feed())

    _, plan = app.load(DB="db", COSMOS__accountEndpoint="https://account.example/")

    assert plan.change_feeds[0][1].connection.endpoint == "https://account.example/"


def test_settings_are_resolved_and_defaults_are_those_of_the_real_host(app):
    """Read a trigger that says little."""
    app.write(feed())

    _, plan = app.load(**SET)

    trigger = plan.change_feeds[0][1]
    assert (trigger.database, trigger.lease_database, trigger.lease_container) == ("db", "db", "leases")
    assert (trigger.poll_seconds, trigger.max_items, trigger.start) == (5.0, 100, "Now")
    assert not trigger.creates_lease_container


def test_an_interval_of_nothing_is_the_default(app):
    """Set every number to 0, as the extension's own attribute has it."""
    numbers = ("feed_poll_delay", "lease_acquire_interval", "lease_renew_interval", "lease_expiration_interval")
    app.write(feed(**dict.fromkeys(numbers, 0), max_items_per_invocation=0))

    _, plan = app.load(**SET)

    trigger = plan.change_feeds[0][1]
    assert (trigger.poll_seconds, trigger.acquire_seconds, trigger.renew_seconds) == (5.0, 13.0, 17.0)
    assert (trigger.expiration_seconds, trigger.max_items) == (60.0, 100)


@pytest.mark.parametrize("declared", ["documents", "documents: str", "documents: func.DocumentList"])
def test_the_annotations_that_the_worker_admits_are_admitted(app, declared):
    """Load a function for each of them."""
    app.write(feed().replace("documents: func.DocumentList", declared))

    loaded, _ = app.load(**SET)

    assert [function.name for function in loaded.functions] == ["feed"]


def test_host_json_sets_the_retry_policy_of_functions_that_have_none(app):
    """Read the policy from host.json."""
    policy = {"strategy": "fixedDelay", "maxRetryCount": 4, "delayInterval": "00:00:03"}
    app.write(TIMER.format("* * * * * *"), host_json={"version": "2.0", "retry": policy})

    loaded, _ = app.load()

    assert loaded.functions[0].retry.max_retry_count == 4
    assert loaded.functions[0].retry.delay(0) == 3


def test_a_refusal_ends_the_host_with_one_text(app, start):
    """Expect exit code 1 and no traceback."""
    app.write("raise ValueError('COSMOS is missing; DB is missing')\n")

    host = start(app)

    assert host.wait() == 1
    assert "functions: function_app.py cannot be imported: ValueError: COSMOS is missing; DB is missing" in host.errors
    assert len(host.errors.splitlines()) == 1


def test_a_syntax_error_is_placed_in_the_app_alone(app, start):
    """Leave a bracket open."""
    app.write("def broken(:\n")

    host = start(app)

    assert host.wait() == 1
    line = len((app.root / "function_app.py").read_text().splitlines())
    told = f"cannot be imported: SyntaxError: invalid syntax (function_app.py, line {line})"
    assert host.errors == f"functions: function_app.py {told}\n"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--port", "65536"), "argument --port: 65536 is no port: a whole number from 0 to 65535"),
        (("--port", "http"), "argument --port: http is no port"),
        (("--answer-within", "0"), "argument --answer-within: 0 is no number of seconds above 0"),
        (("--answer-within", "nan"), "argument --answer-within: nan is no number of seconds above 0"),
    ],
)
def test_bad_options_are_refused(app, start, options, reason):
    """Expect the usage, the reason and exit code 2."""
    host = start(app.write(HTTP.format(route="a", name="one")), *options)

    assert host.wait() == 2
    assert reason in host.errors.splitlines()[-1]


def test_a_number_of_threads_that_is_none_ends_the_host_with_one_text(app, start):
    """Expect exit code 1 and no traceback."""
    host = start(app.write(HTTP.format(route="a", name="one")), PYTHON_THREADPOOL_THREAD_COUNT="many")

    assert host.wait() == 1
    assert host.errors == (
        "functions: the setting PYTHON_THREADPOOL_THREAD_COUNT 'many' must be a whole number of at least 1\n"
    )


def test_local_settings_reach_the_app_unless_the_environment_says_otherwise(app, start):
    """Print two settings at import, one of which the environment has already."""
    app.write(
        "raise ValueError(os.environ['FIRST'] + ' ' + os.environ['SECOND'])\n",
        settings={"IsEncrypted": False, "Values": {"FIRST": "file", "SECOND": "file"}},
    )

    host = start(app, SECOND="environment")

    assert host.wait() == 1
    assert "ValueError: file environment" in host.errors


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"IsEncrypted": True}, "encrypted"),
        ({"Values": {"A": 1}}, "A must be a string"),
        ({"Values": ["A"]}, "Values must be an object"),
    ],
)
def test_bad_local_settings_are_refused(app, content, reason):
    """Expect a text that names the file."""
    app.write(HTTP.format(route="a", name="one"), settings=content)

    with pytest.raises(HostError, match=f"local.settings.json: .*{reason}"):
        app.load()


def test_list_prints_every_function_as_declared_and_starts_nothing(app, start):
    """Read the listing of an app whose settings are missing."""
    app.write(HTTP.format(route="a/{b}", name="one") + feed())

    host = start(app, "--list", "--port", "7999")

    assert host.wait() == 0
    one, other = (json.loads(line) for line in host.process.stdout)
    assert (one["name"], one["url"]) == ("one", "http://127.0.0.1:7999/api/a/{b}")
    assert "url" not in other
    assert other["bindings"][0]["databaseName"] == "%DB%"
