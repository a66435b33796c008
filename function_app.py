"""The app's bindings, each a call of one use case; cdc.runtime binds these to their stores."""

import os
import re
from asyncio import to_thread
from collections.abc import Callable
from typing import Any

import azure.durable_functions as df
import azure.functions as func
from pydantic import BaseModel

from cdc.api.answers import answer, read_body, read_query
from cdc.api.backfills import BackfillQuery, StartRequest
from cdc.api.dead_letters import LetterQuery, ReplayRequest
from cdc.api.health import Live, tell_ready
from cdc.api.reconciliations import ReconcileRequest, ReconciliationQuery
from cdc.api.resync import ResyncRequest
from cdc.backfill import orchestration as backfill_flow
from cdc.config.settings import Settings
from cdc.core.durable import Steps
from cdc.core.feed_items import FeedMode
from cdc.core.mapping import Mapper
from cdc.reconcile import orchestration as reconcile_flow
from cdc.runtime import Runtime
from mappers import EXTRA_CONTAINERS, choose_mappers

settings = Settings.read(os.environ, EXTRA_CONTAINERS)
mappers = choose_mappers(settings.extra_containers)
runtime = Runtime(settings, mappers)
app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)


def _start() -> dict[str, Any]:
    if settings.change_feed_mode is FeedMode.ALL_VERSIONS:  # it begins now, and refuses to be told where
        return {"change_feed_mode": "AllVersionsAndDeletes"}
    if settings.change_feed_start == "beginning":
        return {"start_from_beginning": True}
    return {"start_from_time": settings.change_feed_start.isoformat().replace("+00:00", "Z")}


def _answer(make: Callable[[], BaseModel], status: int = 200) -> func.HttpResponse:
    """Make the response of a route from the model that it returns, or from what it raises."""
    made = answer(make, status)
    return func.HttpResponse(made.body, status_code=made.status, mimetype=made.content_type, headers=dict(made.headers))


def _register_change_feed(mapper: Mapper[Any]) -> None:
    # Without the retry policy the host checkpoints a failed batch, and its changes are gone.
    @app.function_name(f"change_feed_{re.sub('(?<!^)(?=[A-Z])', '_', mapper.container).lower()}")
    @app.cosmos_db_trigger(
        arg_name="documents",
        connection="COSMOS_CONNECTION",
        database_name="%COSMOS_DATABASE%",
        container_name=mapper.container,
        lease_database_name="%LEASE_DATABASE%",
        lease_container_name="%LEASE_CONTAINER%",
        lease_container_prefix=settings.trigger_lease_prefix,
        feed_poll_delay=settings.feed_poll_delay_ms,
        lease_acquire_interval=settings.lease_acquire_interval_ms,
        lease_expiration_interval=settings.lease_expiration_interval_ms,
        lease_renew_interval=settings.lease_renew_interval_ms,
        max_items_per_invocation=settings.max_items_per_invocation,
        **_start(),
    )
    @app.retry(
        strategy="exponential_backoff",
        max_retry_count="-1",
        minimum_interval=settings.retry_minimum_interval,
        maximum_interval=settings.retry_maximum_interval,
    )
    def change_feed(documents: func.DocumentList) -> None:
        runtime.delivery.apply(mapper, [document.to_dict() for document in documents])


if settings.replicates:
    for mapper in mappers:
        _register_change_feed(mapper)

    @app.timer_trigger(arg_name="timer", schedule=settings.dead_letter_schedule)
    def retry_dead_letters(timer: func.TimerRequest) -> None:
        """Read again what waits in dead letters and is due."""
        runtime.retry_dead_letters()

    @app.timer_trigger(arg_name="timer", schedule=settings.tombstone_schedule)
    def prune_tombstones(timer: func.TimerRequest) -> None:
        """Forget deletes that no delivery can come before any more."""
        runtime.tombstones.prune(mapper.container for mapper in mappers)

    @app.route("dead-letters", methods=["GET"])
    def list_dead_letters(req: func.HttpRequest) -> func.HttpResponse:
        """List what must be read again, and why."""
        return _answer(lambda: runtime.dead_letters.list(read_query(LetterQuery, req.params)))

    @app.route("dead-letters/replay", methods=["POST"])
    def replay_dead_letters(req: func.HttpRequest) -> func.HttpResponse:
        """Have many dead letters read again."""
        return _answer(lambda: runtime.dead_letters.replay_all(read_body(ReplayRequest, req.get_body())), 202)

    @app.route("dead-letters/{id}/replay", methods=["POST"])
    def replay_dead_letter(req: func.HttpRequest) -> func.HttpResponse:
        """Have one dead letter read again."""
        return _answer(lambda: runtime.dead_letters.replay(req.route_params["id"]), 202)

    @app.route("dead-letters/{id}", methods=["DELETE"])
    def discard_dead_letter(req: func.HttpRequest) -> func.HttpResponse:
        """Have one dead letter never read again by itself."""
        return _answer(lambda: runtime.dead_letters.discard(req.route_params["id"]))

    @app.route("documents/{container}/resync", methods=["POST"])
    def resync_document(req: func.HttpRequest) -> func.HttpResponse:
        """Read one document now, for a reader that has missed it in PostgreSQL."""
        container = req.route_params["container"]
        return _answer(lambda: runtime.resync.resync(container, read_body(ResyncRequest, req.get_body())))

    @app.route("backfills", methods=["POST"])
    @app.durable_client_input(client_name="client")
    async def start_backfill(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
        """Copy what containers hold."""
        made = await to_thread(_answer, lambda: runtime.backfills.start(read_body(StartRequest, req.get_body())), 202)
        await backfill_flow.start(client, await to_thread(runtime.backfills.list_tasks))
        return made

    @app.route("backfills", methods=["GET"])
    def list_backfills(req: func.HttpRequest) -> func.HttpResponse:
        """List backfills, newest first."""
        return _answer(lambda: runtime.backfills.list_newest(read_query(BackfillQuery, req.params)))

    @app.route("backfills/{id}", methods=["GET"])
    def read_backfill(req: func.HttpRequest) -> func.HttpResponse:
        """Tell how far a backfill is."""
        return _answer(lambda: runtime.backfills.read(req.route_params["id"]))

    @app.route("backfills/{id}/pause", methods=["POST"])
    def pause_backfill(req: func.HttpRequest) -> func.HttpResponse:
        """Let a backfill rest after its present pages."""
        return _answer(lambda: runtime.backfills.pause(req.route_params["id"]))

    @app.route("backfills/{id}/resume", methods=["POST"])
    @app.durable_client_input(client_name="client")
    async def resume_backfill(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
        """Let a paused backfill go on."""
        made = await to_thread(_answer, lambda: runtime.backfills.resume(req.route_params["id"]))
        await backfill_flow.start(client, await to_thread(runtime.backfills.list_tasks))
        return made

    @app.route("backfills/{id}/cancel", methods=["POST"])
    def cancel_backfill(req: func.HttpRequest) -> func.HttpResponse:
        """End a backfill; what it has copied stays."""
        return _answer(lambda: runtime.backfills.cancel(req.route_params["id"]))

    @app.timer_trigger(arg_name="timer", schedule=settings.backfill_schedule)
    @app.durable_client_input(client_name="client")
    async def restart_backfills(timer: func.TimerRequest, client: df.DurableOrchestrationClient) -> None:
        """Start the orchestrations of backfills that run and have none: nothing is lost between row and instance."""
        await backfill_flow.start(client, await to_thread(runtime.backfills.list_tasks))

    @app.orchestration_trigger(context_name="context")
    def backfill(context: df.DurableOrchestrationContext) -> Steps:
        """Copy all feed ranges of a backfill."""
        return (yield from backfill_flow.backfill(context))

    @app.orchestration_trigger(context_name="context")
    def copy_ranges(context: df.DurableOrchestrationContext) -> Steps:
        """Copy one feed range after the other."""
        return (yield from backfill_flow.copy_ranges(context))

    @app.activity_trigger(input_name="task")
    def plan_backfill(task: dict) -> dict:  # type: ignore[type-arg]  # the worker takes it without arguments only
        """Find out what is left of a backfill."""
        return runtime.backfill.plan(task["id"], task["generation"])

    @app.activity_trigger(input_name="task")
    def copy_pages(task: dict) -> dict:  # type: ignore[type-arg]
        """Copy pages for a while."""
        return runtime.backfill.copy(task["id"], task["generation"], task["lane"])

    @app.timer_trigger(arg_name="timer", schedule=settings.reconcile_schedule)
    @app.durable_client_input(client_name="client")
    async def reconcile_all(timer: func.TimerRequest, client: df.DurableOrchestrationClient) -> None:
        """Compare both sides of every container, or go on where a comparison stopped."""
        await reconcile_flow.start(client, await to_thread(runtime.reconcile.begin_due))

    @app.route("reconciliations", methods=["POST"])
    @app.durable_client_input(client_name="client")
    async def start_reconciliation(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
        """Compare both sides of containers."""
        body = req.get_body()
        made = await to_thread(_answer, lambda: runtime.reconciliations.start(read_body(ReconcileRequest, body)), 202)
        if made.status_code in (202, 409):  # on 409, the host that was to start the orchestration may have died
            running = await to_thread(runtime.reconcile.list_running)
            await reconcile_flow.start(client, running, waits=made.status_code == 202)
        return made

    @app.route("reconciliations", methods=["GET"])
    def list_reconciliations(req: func.HttpRequest) -> func.HttpResponse:
        """List reconciliations, newest first."""
        return _answer(lambda: runtime.reconciliations.list_newest(read_query(ReconciliationQuery, req.params)))

    @app.route("reconciliations/{id}", methods=["GET"])
    def read_reconciliation(req: func.HttpRequest) -> func.HttpResponse:
        """Report one reconciliation and what it found."""
        return _answer(lambda: runtime.reconciliations.read(req.route_params["id"]))

    @app.orchestration_trigger(context_name="context")
    def reconcile(context: df.DurableOrchestrationContext) -> Steps:
        """Bring the run of one container forward until it is over."""
        return (yield from reconcile_flow.reconcile(context))

    @app.activity_trigger(input_name="container")
    def reconcile_advance(container: str) -> dict:  # type: ignore[type-arg]  # the worker takes it without arguments only
        """Bring the run of one container forward for a while."""
        return runtime.reconcile.advance(container)

    @app.activity_trigger(input_name="task")
    def reconcile_give_up(task: dict) -> dict:  # type: ignore[type-arg]
        """End a run that cannot go on."""
        return runtime.reconcile.give_up(task["container"], task["problem"])


@app.route("status", methods=["GET"])
def status(req: func.HttpRequest) -> func.HttpResponse:
    """Report the state of the replication in numbers."""
    return _answer(runtime.status.read)


@app.route("health/live", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def health_live(req: func.HttpRequest) -> func.HttpResponse:
    """Tell that the worker runs."""
    return _answer(Live)


@app.route("health/ready", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def health_ready(req: func.HttpRequest) -> func.HttpResponse:
    """Tell whether changes can be applied now, and if not, why."""
    return _answer(lambda: tell_ready(runtime.checks))
