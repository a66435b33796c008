"""The bindings are what the Functions host needs to lose nothing."""

import asyncio
import importlib.util
import inspect
import json
import re
from pathlib import Path
from types import SimpleNamespace

import azure.durable_functions as df
import azure.functions as func
import pytest

from cdc.api.answers import Accepted
from cdc.api.openapi import write_document
from cdc.config.settings import Settings
from cdc.core.errors import ConflictError, RequestError, SettingsError
from cdc.reconcile import orchestration as reconcile_flow
from local.functions.context import Context
from mappers import MAPPERS

ROOT = Path(__file__).parents[2]
EXAMPLE = json.loads((ROOT / "local.settings.example.json").read_text(encoding="utf-8"))["Values"]
ALWAYS = {"status", "status_history", "dashboard", "phase", "readiness", "health_live", "health_ready"}
TIMERS = {"maintain"}
LETTERS = {
    "list_dead_letters",
    "replay_dead_letters",
    "replay_dead_letter",
    "discard_dead_letter",
    "resync_document",
    "pause_container",
    "resume_container",
}
BACKFILLS = {
    "start_backfill": ("POST", "backfills"),
    "list_backfills": ("GET", "backfills"),
    "read_backfill": ("GET", "backfills/{id}"),
    "pause_backfill": ("POST", "backfills/{id}/pause"),
    "resume_backfill": ("POST", "backfills/{id}/resume"),
    "cancel_backfill": ("POST", "backfills/{id}/cancel"),
}
RECONCILIATIONS = {
    "start_reconciliation": ("POST", "reconciliations"),
    "list_reconciliations": ("GET", "reconciliations"),
    "read_reconciliation": ("GET", "reconciliations/{id}"),
}
# Orchestrators and activities.
DURABLE = {
    "backfill", "copy_ranges", "plan_backfill", "copy_pages", "reconcile", "reconcile_advance", "reconcile_give_up"
}  # fmt: skip
REPLICATING = {*TIMERS, *LETTERS, *BACKFILLS, *RECONCILIATIONS, *DURABLE}


@pytest.fixture
def load(monkeypatch):
    """Import function_app.py anew with the example's settings and these, and return its functions by name."""

    def load_with(**values):
        for name, value in (EXAMPLE | values).items():
            monkeypatch.setenv(name, value)
        spec = importlib.util.spec_from_file_location("function_app_under_test", ROOT / "function_app.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return {function.get_function_name(): function for function in module.app.get_functions()}

    monkeypatch.delenv("DataMigration__Phase", raising=False)
    return load_with


def trigger(function):
    """Return the JSON of a function's trigger."""
    bindings = json.loads(function.get_function_json())["bindings"]
    return next(binding for binding in bindings if binding["type"].endswith("Trigger"))


def test_every_container_has_a_change_feed_trigger(load):
    """The functions are one trigger for each container, the timers, status and health."""
    functions = load()

    assert functions.keys() - REPLICATING - ALWAYS == {
        "change_feed_accounts",
        "change_feed_user_profiles",
        "change_feed_game_sessions",
        "change_feed_player_scenario_scores",
    }
    containers = {trigger(function).get("containerName") for function in functions.values()} - {None}
    assert containers == {mapper.container for mapper in MAPPERS}


def test_an_extra_container_has_a_trigger_where_it_is_named(load):
    """What is short-lived and secret is replicated only where somebody asks for it."""
    functions = load(EXTRA_CONTAINERS=" PendingSignups , MediaAssets,")

    assert trigger(functions["change_feed_pending_signups"])["containerName"] == "PendingSignups"
    assert trigger(functions["change_feed_media_assets"])["containerName"] == "MediaAssets"
    assert len(functions) == len(MAPPERS) + 2 + len(REPLICATING) + len(ALWAYS)


@pytest.mark.parametrize("value", ["BadgeImages", "PendingSignups,pendingsignups", "Accounts"])
def test_an_extra_container_without_a_mapper_fails_the_import(load, value):
    """The message names the containers that may be added."""
    with pytest.raises(SettingsError, match=r"EXTRA_CONTAINERS: .*PendingSignups") as caught:
        load(EXTRA_CONTAINERS=value)

    assert "BadgeImages" not in str(caught.value)


def test_the_change_feed_binding(load):
    """The trigger reads its container under leases of this environment and mode, as the settings say."""
    function = load(
        LEASE_PREFIX="staging",
        FEED_POLL_DELAY_MS="50",
        MAX_ITEMS_PER_INVOCATION="7",
        LEASE_ACQUIRE_INTERVAL_MS="100",
        LEASE_RENEW_INTERVAL_MS="200",
        LEASE_EXPIRATION_INTERVAL_MS="300",
    )["change_feed_user_profiles"]

    assert trigger(function) == {
        "type": "cosmosDBTrigger",
        "direction": "IN",
        "name": "documents",
        "connection": "COSMOS_CONNECTION",
        "databaseName": "%COSMOS_DATABASE%",
        "containerName": "UserProfiles",
        "leaseDatabaseName": "%LEASE_DATABASE%",
        "leaseContainerName": "%LEASE_CONTAINER%",
        "leaseContainerPrefix": "staging-latest-version-",
        "feedPollDelay": 50,
        "maxItemsPerInvocation": 7,
        "leaseAcquireInterval": 100,
        "leaseRenewInterval": 200,
        "leaseExpirationInterval": 300,
        "startFromBeginning": True,
    }


def test_a_failed_batch_is_retried_without_limit(load):
    """Without this policy the host checkpoints a failed batch, and its changes are gone."""
    functions = load(RETRY_MINIMUM_INTERVAL="00:00:02", RETRY_MAXIMUM_INTERVAL="00:03:00")

    for name in functions.keys() - ALWAYS - REPLICATING:
        assert functions[name].get_settings_dict("retry_policy") == {
            "setting_name": "retry_policy",
            "strategy": "exponential_backoff",
            "max_retry_count": "-1",
            "minimum_interval": "00:00:02",
            "maximum_interval": "00:03:00",
        }


def test_a_start_time_replaces_the_beginning(load):
    """The host refuses both at once; the time is in UTC as the extension parses it, and a second earlier."""
    binding = trigger(load(CHANGE_FEED_START="2026-01-31T14:00:00+02:00")["change_feed_accounts"])

    assert binding["startFromTime"] == "2026-01-31T11:59:59Z"
    assert "startFromBeginning" not in binding


def test_a_feed_of_all_versions_begins_now_under_leases_of_its_own(load):
    """The host refuses a start option in that mode, and leases of the other one."""
    function = load(CHANGE_FEED_MODE="all_versions_and_deletes", LEASE_PREFIX="prod")["change_feed_accounts"]
    binding = trigger(function)

    assert binding["changeFeedMode"] == "AllVersionsAndDeletes"
    assert binding["leaseContainerPrefix"] == "prod-all-versions-"
    assert not {"startFromBeginning", "startFromTime"} & binding.keys()


def test_every_route_is_in_the_openapi_document(load):
    """What the app answers is written down, and nothing else is."""
    bindings = [trigger(function) for function in load().values()]
    declared = {
        (binding["methods"][0].lower(), f"/api/{binding['route']}", binding["authLevel"] == "FUNCTION")
        for binding in bindings
        if binding["type"] == "httpTrigger"
    }
    paths = write_document()["paths"]

    assert declared == {
        (method, path, "security" in operation)
        for path, methods in paths.items()
        for method, operation in methods.items()
    }


def test_referenced_settings_must_exist(load):
    """Every %NAME% is a setting without default, and the example has it, as it has the connection of the triggers."""
    bindings = "".join(function.get_function_json() for function in load().values())
    names = set(re.findall(r"%(\w+)%", bindings))

    assert names == {"COSMOS_DATABASE", "LEASE_DATABASE", "LEASE_CONTAINER"}
    assert set(re.findall(r'"connection": "(\w+)"', bindings)) == {"COSMOS_CONNECTION"}
    assert EXAMPLE["COSMOS_CONNECTION"]
    for name in names:
        assert Settings.model_fields[name.lower()].is_required()
        assert EXAMPLE[name]


@pytest.mark.parametrize(("phase", "name"), [("0", "cosmos_only"), ("postgres_only", "postgres_only")])
def test_outside_the_migration_no_trigger_is_registered(load, phase, name):
    """In phases 0 and 3 a trigger that runs and drops changes would lose them; in phase 3 the timer watches Cosmos."""
    during, outside = load(), load(MIGRATION_PHASE=phase)

    def routes(functions):
        http = [trigger(function) for function in functions.values() if trigger(function)["type"] == "httpTrigger"]
        return {(each["route"], *each["methods"], each["authLevel"]) for each in http}

    timers = TIMERS if phase == "postgres_only" else set()
    assert routes(outside) == routes(during)
    assert len(outside) == len(routes(outside)) + len(timers)
    for function in outside.keys() - ALWAYS - timers:
        made = asyncio.run(outside[function].get_user_function()(func.HttpRequest("POST", "/", body=b"")))
        assert made.status_code == 409
        assert name in json.loads(made.get_body())["detail"]


@pytest.mark.parametrize("phase", ["1", "2"])
def test_during_the_migration_every_trigger_is_registered(load, phase):
    """In phases 1 and 2 every container is replicated."""
    assert len(load(MIGRATION_PHASE=phase)) == len(MAPPERS) + len(REPLICATING) + len(ALWAYS)


def test_in_phase_3_the_timer_only_watches(load):
    """It writes no row, so nothing else is due but what is left of the last keys."""
    functions = load(MIGRATION_PHASE="3")
    parts = functions["maintain"].get_user_function().client_function.__globals__["runtime"].maintain.parts

    assert [part.name for part in parts] == ["phase", "forgotten writers", "cache keys"]


def test_one_timer_does_everything_else(load):
    """Each timer would keep instances of its own awake."""
    functions = load(MAINTAIN_SCHEDULE="*/2 * * * * *")
    timers = {name: trigger(each) for name, each in functions.items() if trigger(each)["type"] == "timerTrigger"}

    assert timers.keys() == {"maintain"}
    assert timers["maintain"]["schedule"] == "*/2 * * * * *"
    parts = functions["maintain"].get_user_function().client_function.__globals__["runtime"].maintain.parts
    assert [(part.name, part.every) for part in parts] == [
        ("phase", 0),
        ("forgotten writers", 0),
        ("cache keys", 3_600),
        ("dead letters", 0),
        ("leases", 0),
        ("paused feeds", 0),
        ("counts", 60),
        ("samples", 60),
        ("backfills", 0),
        ("gauges", 0),
        ("problems", 60),
        ("due reconciles", 900),
        ("reconciles", 0),
        ("measurements", 3_600),
        ("pruning", 86_400),
    ]


def test_backfills_have_a_function_for_each_verb_and_path(load):
    """Each needs a function key."""
    functions = load()
    bindings = {name: trigger(functions[name]) for name in BACKFILLS}

    assert {name: (*each["methods"], each["route"]) for name, each in bindings.items()} == BACKFILLS
    assert {each["authLevel"] for each in bindings.values()} == {"FUNCTION"}


def test_reconciliations_have_a_function_for_each_verb_and_path(load):
    """Each needs a function key."""
    functions = load()
    bindings = {name: trigger(functions[name]) for name in RECONCILIATIONS}

    assert {name: (*each["methods"], each["route"]) for name, each in bindings.items()} == RECONCILIATIONS
    assert {each["authLevel"] for each in bindings.values()} == {"FUNCTION"}


def test_invalid_settings_fail_the_import(load):
    """The host shows one error that names all problems."""
    with pytest.raises(SettingsError) as caught:
        load(COSMOS_DATABASE="", LEASE_PREFIX="", POSTGRES_CONNECTION="nonsense", MIGRATION_PHASE="9")

    for name in ("COSMOS_DATABASE", "LEASE_PREFIX", "POSTGRES_CONNECTION", "MIGRATION_PHASE"):
        assert name in str(caught.value)


def test_only_health_and_the_page_are_open(load):
    """Everything else needs a function key, and every route has one method."""
    routes = {trigger(function)["route"]: trigger(function) for name, function in load().items() if name in ALWAYS}

    assert {route: binding["authLevel"] for route, binding in routes.items()} == {
        "status": "FUNCTION",
        "status/history": "FUNCTION",
        "readiness": "FUNCTION",
        "phase": "FUNCTION",
        "dashboard": "ANONYMOUS",
        "health/live": "ANONYMOUS",
        "health/ready": "ANONYMOUS",
    }
    assert all(binding["methods"] == ["GET"] for binding in routes.values())


def test_the_import_opens_no_connection(load, monkeypatch):
    """A host without network can still index the functions."""
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("connected"))
    monkeypatch.setattr("psycopg.Connection.connect", lambda *_, **__: pytest.fail("connected"))

    assert load()


def test_the_host_leaves_dates_alone():
    """The host would otherwise rewrite text that looks like a date before we see it."""
    host = json.loads((ROOT / "host.json").read_text(encoding="utf-8"))

    assert host["extensions"]["cosmosDB"]["serializerSettings"]["dateParseHandling"] == "None"
    assert host["extensions"]["http"]["routePrefix"] == "api"
    assert host["extensionBundle"]["version"] == "[4.*, 5.0.0)"


def test_the_host_traces_orchestrations_and_samples_no_log_row_away():
    """Inputs are in no span; a warning that the host leaves out would alert nobody; the app's mode is the settings'."""
    host = json.loads((ROOT / "host.json").read_text(encoding="utf-8"))

    assert host["extensions"]["durableTask"]["tracing"] == {
        "distributedTracingEnabled": True, "traceInputsAndOutputs": False, "version": "V2",
    }  # fmt: skip
    assert "Trace" in host["logging"]["applicationInsights"]["samplingSettings"]["excludedTypes"].split(";")
    assert "telemetryMode" not in host


@pytest.mark.parametrize("kind", ["cosmosDBTrigger", "timerTrigger", "activityTrigger"])
def test_what_does_work_asks_for_the_trace_of_its_invocation(load, kind):
    """In a thread, the worker gives a function no trace; orchestrators, which are replayed, ask for none."""
    functions = [each for each in load().values() if trigger(each)["type"] == kind]

    assert functions
    for function in functions:
        assert "context" in inspect.signature(function.get_user_function()).parameters


def test_only_the_product_is_deployed():
    """What develops, tests and documents the app stays at home; what it runs on does not."""
    ignored = (ROOT / ".funcignore").read_text(encoding="utf-8").split()

    ignored_names = ("tests", "local", "bench", "campaigns", "docs", "infra", "requirements-local.txt")
    for name in (*ignored_names, "local.settings.json", ".venv"):
        assert name in ignored
    for name in ("cdc", "mappers", "sql", "function_app.py", "host.json", "requirements.txt"):
        assert name not in ignored


@pytest.mark.parametrize(
    ("error", "status", "looks"), [(None, 202, 20), (ConflictError, 409, 1), (RequestError, 400, 0)]
)
def test_a_reconcile_that_is_asked_for_gets_its_orchestration(load, monkeypatch, error, status, looks):
    """At once after it began, and where its run is refused; a wrong request starts nothing."""
    functions = load()
    app = functions["health_live"].get_user_function().__globals__
    asked = []

    def start(_):
        if error is not None:
            raise error("No.")
        return Accepted(id="1", status_url="/api/reconciliations/1")

    class Client:
        async def get_status(self, id_):
            asked.append(id_)
            return SimpleNamespace(runtime_status=df.OrchestrationRuntimeStatus.Running)

    monkeypatch.setattr(reconcile_flow, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(app["runtime"].reconciliations, "start", start)
    monkeypatch.setattr(app["runtime"].reconcile, "list_running", lambda: {"Accounts": True})
    request = func.HttpRequest("POST", "/api/reconciliations", body=b"{}")
    start = functions["start_reconciliation"].get_user_function().client_function
    made = asyncio.run(
        start(request, Client(), Context(function_name="f", invocation_id="i", directory="", retry=None))
    )

    assert made.status_code == status
    assert asked == ["reconcile-Accounts"] * looks
