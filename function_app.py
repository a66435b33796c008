"""The app's bindings; each calls one use case of cdc.runtime."""

import os
import re
from asyncio import to_thread
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import azure.durable_functions as df
import azure.functions as func
from pydantic import BaseModel

from cdc.api import pauses
from cdc.api.answers import Answer, answer, read_body, read_query
from cdc.api.backfills import BackfillQuery, StartRequest
from cdc.api.dashboard import PAGE
from cdc.api.dead_letters import LetterQuery, ReplayRequest
from cdc.api.health import Live, tell_ready
from cdc.api.history import HistoryQuery, read_history
from cdc.api.openapi import ROUTES, Route
from cdc.api.pauses import PauseRequest, ResumeRequest
from cdc.api.readiness import ReadinessQuery
from cdc.api.reconciliations import ReconcileRequest, ReconciliationQuery
from cdc.api.resync import ResyncRequest
from cdc.backfill import orchestration as backfill_flow
from cdc.config import trigger
from cdc.config.settings import Phase, Settings
from cdc.core.durable import Steps
from cdc.core.mapping import Mapper
from cdc.operations import phases
from cdc.reconcile import orchestration as reconcile_flow
from cdc.runtime import Runtime
from cdc.telemetry import export
from cdc.telemetry.tracing import Name, continued, span
from mappers import APPLICATION_SQL, EXTRA_CONTAINERS, METRICS, choose_mappers

_Client: TypeAlias = df.DurableOrchestrationClient
settings = Settings.read(os.environ, EXTRA_CONTAINERS)
export.start(**settings.telemetry, declared=METRICS)
runtime = Runtime(settings, choose_mappers(settings.extra_containers), APPLICATION_SQL)
app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)


async def _answer(make: Callable[[], BaseModel], status: int = 200, **options: Any) -> func.HttpResponse:
    """Answer with the model that `make` returns or the error that it raises; see `Requests.answer`."""
    return _send(await runtime.requests.answer(make, status, **options))


async def _change(context: func.Context, *asked: Any, **options: Any) -> func.HttpResponse:
    """Answer a request that changes something: what follows from it belongs to its trace."""
    with continued(context.trace_context), span(Name.REQUEST, trigger="http", function=context.function_name):
        return await _answer(*asked, **options)


def _send(made: Answer) -> func.HttpResponse:
    return func.HttpResponse(made.body, status_code=made.status, mimetype=made.content_type, headers=dict(made.headers))


def _register_change_feed(mapper: Mapper[Any]) -> None:
    # Without the retry policy the host checkpoints a failed batch, and its changes are lost.
    @app.function_name(f"change_feed_{re.sub('(?<!^)(?=[A-Z])', '_', mapper.container).lower()}")
    @app.cosmos_db_trigger(
        arg_name="documents",
        connection="COSMOS_CONNECTION",
        database_name="%COSMOS_DATABASE%",
        container_name=mapper.container,
        lease_database_name="%LEASE_DATABASE%",
        lease_container_name="%LEASE_CONTAINER%",
        **trigger.list_options(settings),
    )
    @app.retry(
        strategy="exponential_backoff",
        max_retry_count="-1",
        minimum_interval=settings.retry_minimum_interval,
        maximum_interval=settings.retry_maximum_interval,
    )
    def change_feed(documents: func.DocumentList, context: func.Context) -> None:
        with continued(context.trace_context):
            runtime.delivery.apply(mapper, [document.to_dict() for document in documents])


def _register_refusal(route: Route) -> None:
    @app.function_name(f"refuse_{route.method.lower()}_{re.sub('[^a-z]+', '_', route.path).strip('_')}")
    @app.route(route.path, methods=[route.method])
    async def refuse(req: func.HttpRequest) -> func.HttpResponse:
        return _send(answer(partial(phases.refuse, settings.phase)))


async def _start_backfills(client: _Client, _: int) -> None:
    """Start the missing orchestrations after a request, in whatever way it was answered."""
    await backfill_flow.start(client, await to_thread(runtime.backfills.list_tasks))


async def _start_reconciles(client: _Client, status: int) -> None:
    if status in (202, 409):  # on 409, the host that was to start the orchestration may have died
        await reconcile_flow.start(client, await to_thread(runtime.reconcile.list_running), waits=status == 202)


# Where an operator sees whether a change was made that got no answer in time.
_LETTERS, _BACKFILLS, _RUNS, _STATUS = (
    f"GET /api/{each}" for each in ("dead-letters", "backfills", "reconciliations", "status")
)
_RESYNC = "the same request, sent again,"

if not settings.replicates:
    phases.warn(settings.phase)
for route in () if settings.replicates else ROUTES:
    if not route.in_every_phase:
        _register_refusal(route)

if settings.phase is not Phase.COSMOS_ONLY:  # in phase 3 it watches Cosmos

    @app.timer_trigger(arg_name="timer", schedule=settings.maintain_schedule)
    @app.durable_client_input(client_name="client")
    async def maintain(timer: func.TimerRequest, client: _Client, context: func.Context) -> None:
        """Do what is due: dead letters, missing orchestrations, reconciles, pruning; in phase 3 the watch on Cosmos."""
        with continued(context.trace_context):
            await runtime.maintain.run(client)


if settings.replicates:
    for mapper in runtime.mappers:
        _register_change_feed(mapper)

    @app.route("dead-letters", methods=["GET"])
    async def list_dead_letters(req: func.HttpRequest) -> func.HttpResponse:
        """List dead letters."""
        return await _answer(lambda: runtime.dead_letters.list(read_query(LetterQuery, req.params)))

    @app.route("dead-letters/replay", methods=["POST"])
    async def replay_dead_letters(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
        """Replay many dead letters."""
        replay = runtime.dead_letters.replay_all
        return await _change(context, lambda: replay(read_body(ReplayRequest, req.get_body())), 202, look=_LETTERS)

    @app.route("dead-letters/{id}/replay", methods=["POST"])
    async def replay_dead_letter(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
        """Replay one dead letter."""
        return await _change(context, lambda: runtime.dead_letters.replay(req.route_params["id"]), 202, look=_LETTERS)

    @app.route("dead-letters/{id}", methods=["DELETE"])
    async def discard_dead_letter(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
        """Stop automatic retries of one dead letter."""
        return await _change(context, lambda: runtime.dead_letters.discard(req.route_params["id"]), look=_LETTERS)

    @app.route("documents/{container}/resync", methods=["POST"])
    async def resync_document(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
        """Read one document again now, when a reader did not find it in PostgreSQL."""
        resync, container = runtime.resync.resync, req.route_params["container"]
        return await _change(context, lambda: resync(container, read_body(ResyncRequest, req.get_body())), look=_RESYNC)

    @app.route("containers/{container}/pause", methods=["POST"])
    async def pause_container(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
        """Pause a container: its changes wait in Cosmos."""
        pause = partial(pauses.pause, runtime.pauses, req.route_params["container"])
        return await _change(context, lambda: pause(read_body(PauseRequest, req.get_body())), look=_STATUS)

    @app.route("containers/{container}/resume", methods=["POST"])
    async def resume_container(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
        """Resume a paused container."""
        resume = partial(pauses.resume, runtime.pauses, req.route_params["container"])
        return await _change(context, lambda: resume(read_body(ResumeRequest, req.get_body())), look=_STATUS)

    @app.route("backfills", methods=["POST"])
    @app.durable_client_input(client_name="client")
    async def start_backfill(req: func.HttpRequest, client: _Client, context: func.Context) -> func.HttpResponse:
        """Start a backfill of containers."""
        start, body, then = runtime.backfills.start, req.get_body(), partial(_start_backfills, client)
        return await _change(context, lambda: start(read_body(StartRequest, body)), 202, look=_BACKFILLS, then=then)

    @app.route("backfills", methods=["GET"])
    async def list_backfills(req: func.HttpRequest) -> func.HttpResponse:
        """List backfills, newest first."""
        return await _answer(lambda: runtime.backfills.list_newest(read_query(BackfillQuery, req.params)))

    @app.route("backfills/{id}", methods=["GET"])
    async def read_backfill(req: func.HttpRequest) -> func.HttpResponse:
        """Report the progress of a backfill."""
        return await _answer(lambda: runtime.backfills.read(req.route_params["id"]))

    @app.route("backfills/{id}/pause", methods=["POST"])
    async def pause_backfill(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
        """Pause a backfill after its current pages."""
        return await _change(context, lambda: runtime.backfills.pause(req.route_params["id"]), look=_BACKFILLS)

    @app.route("backfills/{id}/resume", methods=["POST"])
    @app.durable_client_input(client_name="client")
    async def resume_backfill(req: func.HttpRequest, client: _Client, context: func.Context) -> func.HttpResponse:
        """Resume a paused backfill."""
        resume, then = runtime.backfills.resume, partial(_start_backfills, client)
        return await _change(context, lambda: resume(req.route_params["id"]), look=_BACKFILLS, then=then)

    @app.route("backfills/{id}/cancel", methods=["POST"])
    async def cancel_backfill(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
        """Cancel a backfill; what it has copied stays."""
        return await _change(context, lambda: runtime.backfills.cancel(req.route_params["id"]), look=_BACKFILLS)

    @app.orchestration_trigger(context_name="context")
    def backfill(context: df.DurableOrchestrationContext) -> Steps:
        """Copy all feed ranges of a backfill."""
        return (yield from backfill_flow.backfill(context))

    @app.orchestration_trigger(context_name="context")
    def copy_ranges(context: df.DurableOrchestrationContext) -> Steps:
        """Copy one feed range after the other."""
        return (yield from backfill_flow.copy_ranges(context))

    @app.activity_trigger(input_name="task")
    def plan_backfill(task: dict, context: func.Context) -> dict:  # type: ignore[type-arg]  # it must be plain
        """Plan the rest of a backfill."""
        with continued(context.trace_context):
            return runtime.backfill.plan(task["id"], task["generation"])

    @app.activity_trigger(input_name="task")
    def copy_pages(task: dict, context: func.Context) -> dict:  # type: ignore[type-arg]
        """Copy pages for a limited time."""
        with continued(context.trace_context):
            return runtime.backfill.copy(task["id"], task["generation"], task["lane"])

    @app.route("reconciliations", methods=["POST"])
    @app.durable_client_input(client_name="client")
    async def start_reconciliation(req: func.HttpRequest, client: _Client, context: func.Context) -> func.HttpResponse:
        """Start a reconcile of containers."""
        start, body, then = runtime.reconciliations.start, req.get_body(), partial(_start_reconciles, client)
        return await _change(context, lambda: start(read_body(ReconcileRequest, body)), 202, look=_RUNS, then=then)

    @app.route("reconciliations", methods=["GET"])
    async def list_reconciliations(req: func.HttpRequest) -> func.HttpResponse:
        """List reconciliations, newest first."""
        return await _answer(lambda: runtime.reconciliations.list_newest(read_query(ReconciliationQuery, req.params)))

    @app.route("reconciliations/{id}", methods=["GET"])
    async def read_reconciliation(req: func.HttpRequest) -> func.HttpResponse:
        """Report one reconciliation and its findings."""
        return await _answer(lambda: runtime.reconciliations.read(req.route_params["id"]))

    @app.orchestration_trigger(context_name="context")
    def reconcile(context: df.DurableOrchestrationContext) -> Steps:
        """Advance the run of one container until it is over."""
        return (yield from reconcile_flow.reconcile(context))

    @app.activity_trigger(input_name="container")
    def reconcile_advance(container: str, context: func.Context) -> dict:  # type: ignore[type-arg]
        """Advance the run of one container for a limited time."""
        with continued(context.trace_context):
            return runtime.reconcile.advance(container)

    @app.activity_trigger(input_name="task")
    def reconcile_give_up(task: dict, context: func.Context) -> dict:  # type: ignore[type-arg]
        """End a run that cannot continue."""
        with continued(context.trace_context):
            return runtime.reconcile.give_up(task["container"], task["problem"])


@app.route("status", methods=["GET"])
async def status(req: func.HttpRequest) -> func.HttpResponse:
    """Report the state of the replication in numbers."""
    return await _answer(runtime.status.read)


@app.route("status/history", methods=["GET"])
async def status_history(req: func.HttpRequest) -> func.HttpResponse:
    """Report how far a container was behind in the last hours."""
    read = partial(read_history, runtime.samples.containers, runtime.samples.history)
    return await _answer(lambda: read(read_query(HistoryQuery, req.params)))


@app.route("dashboard", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def dashboard(req: func.HttpRequest) -> func.HttpResponse:
    """Show the state of the replication as a page, which has no data and asks the other routes."""
    return _send(PAGE)  # without a thread: it answers whatever the others wait for


@app.route("readiness", methods=["GET"])
async def readiness(req: func.HttpRequest) -> func.HttpResponse:
    """Report whether the application may go to a phase, and why."""
    return await _answer(lambda: runtime.readiness.report(read_query(ReadinessQuery, req.params).to))


@app.route("phase", methods=["GET"])
async def phase(req: func.HttpRequest) -> func.HttpResponse:
    """Report the phase of the settings, the recorded one, and its history."""
    return await _answer(runtime.phase.report)


@app.route("health/live", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def health_live(req: func.HttpRequest) -> func.HttpResponse:
    """Report that the worker is running."""
    return _send(answer(Live))  # without a thread: it answers whatever the others wait for


@app.route("health/ready", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def health_ready(req: func.HttpRequest) -> func.HttpResponse:
    """Report whether changes can be applied now, and if not, why."""
    ready = partial(tell_ready, runtime.status.read_ability, runtime.status.list_unmapped, runtime.status.list_paused)
    return await _answer(ready, shared="ready")
