"""The app's bindings; what they call is in cdc.runtime."""

import asyncio
import os
import re
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from cdc import api, reconcile_flow
from cdc.model import Mapper
from cdc.runtime import Runtime
from cdc.settings import Settings
from mappers import choose_mappers

settings = Settings.read(os.environ)
mappers = choose_mappers(settings.extra_containers)
runtime = Runtime(settings, mappers)
app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)

_START = (
    {"start_from_beginning": True}
    if settings.change_feed_start == "beginning"
    else {"start_from_time": settings.change_feed_start.isoformat().replace("+00:00", "Z")}
)


def _respond(answer: api.Answer) -> func.HttpResponse:
    return func.HttpResponse(
        answer.body, status_code=answer.status, mimetype=answer.content_type, headers=dict(answer.headers)
    )


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
        lease_container_prefix=f"{settings.lease_prefix}-latest-version-",
        feed_poll_delay=settings.feed_poll_delay_ms,
        lease_acquire_interval=settings.lease_acquire_interval_ms,
        lease_expiration_interval=settings.lease_expiration_interval_ms,
        lease_renew_interval=settings.lease_renew_interval_ms,
        max_items_per_invocation=settings.max_items_per_invocation,
        **_START,
    )
    @app.retry(
        strategy="exponential_backoff",
        max_retry_count="-1",
        minimum_interval=settings.retry_minimum_interval,
        maximum_interval=settings.retry_maximum_interval,
    )
    def change_feed(documents: func.DocumentList) -> None:
        runtime.replicate(mapper, [document.to_dict() for document in documents])


if settings.replicates:
    for mapper in mappers:
        _register_change_feed(mapper)

    @app.timer_trigger(arg_name="timer", schedule=settings.dead_letter_schedule)
    def retry_dead_letters(timer: func.TimerRequest) -> None:
        """Read again what waits in dead letters and is due."""
        runtime.retry_dead_letters()

    @app.timer_trigger(arg_name="timer", schedule=settings.reconcile_schedule)
    @app.durable_client_input(client_name="client")
    async def reconcile_all(timer: func.TimerRequest, client: df.DurableOrchestrationClient) -> None:
        """Compare both sides of every container, or go on where a comparison stopped."""
        await reconcile_flow.start(client, await asyncio.to_thread(runtime.reconciliations.begin_due))

    @app.route("reconciliations", methods=["POST"])
    @app.durable_client_input(client_name="client")
    async def start_reconciliation(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
        """Compare both sides of containers."""
        answer, needed = await asyncio.to_thread(runtime.reconciliations.accept, req.get_body(), req.url)
        await reconcile_flow.start(client, needed)
        return _respond(answer)

    @app.route("reconciliations", methods=["GET"])
    def list_reconciliations(req: func.HttpRequest) -> func.HttpResponse:
        """List reconciliations, newest first."""
        return _respond(runtime.reconciliations.list_newest(req.params))

    @app.route("reconciliations/{id}", methods=["GET"])
    def read_reconciliation(req: func.HttpRequest) -> func.HttpResponse:
        """Report one reconciliation and what it found."""
        return _respond(runtime.reconciliations.read(req.route_params["id"]))

    @app.orchestration_trigger(context_name="context")
    def reconcile(context: df.DurableOrchestrationContext) -> reconcile_flow.Steps:
        """Bring the run of one container forward until it is over."""
        return (yield from reconcile_flow.reconcile(context))

    @app.activity_trigger(input_name="container")
    def reconcile_advance(container: str) -> dict:  # type: ignore[type-arg]  # the worker takes it without arguments only
        """Bring the run of one container forward for a while."""
        return runtime.reconciliations.advance(container)

    @app.activity_trigger(input_name="task")
    def reconcile_give_up(task: dict) -> dict:  # type: ignore[type-arg]
        """End a run that cannot go on."""
        return runtime.reconciliations.give_up(task["container"], task["problem"])


@app.route("status", methods=["GET"])
def status(req: func.HttpRequest) -> func.HttpResponse:
    """Report the state of the replication in numbers."""
    return _respond(runtime.status())


@app.route("health/live", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def health_live(req: func.HttpRequest) -> func.HttpResponse:
    """Tell that the worker runs."""
    return _respond(api.answer(lambda: {"status": "live"}))


@app.route("health/ready", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def health_ready(req: func.HttpRequest) -> func.HttpResponse:
    """Tell whether changes can be applied now, and if not, why."""
    return _respond(runtime.ready())
