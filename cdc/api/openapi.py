"""Build the OpenAPI document of the HTTP API from its request and response models."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from cdc.api.answers import Accepted, ProblemDetails, RequestModel
from cdc.api.backfills import BackfillPage, BackfillQuery, StartRequest
from cdc.api.dead_letters import Discarded, LetterPage, LetterQuery, Replayed, ReplayRequest
from cdc.api.health import Live, Ready
from cdc.api.history import History, HistoryQuery
from cdc.api.pauses import PauseRequest, Resumed, ResumeRequest
from cdc.api.readiness import ReadinessQuery
from cdc.api.reconciliations import ReconcileRequest, ReconciliationPage, ReconciliationQuery, ReconciliationReport
from cdc.api.resync import Resynced, ResyncRequest
from cdc.backfill.progress import BackfillReport, BackfillStatus
from cdc.core.documents import JsonObject
from cdc.operations.pauses import PauseStatus
from cdc.operations.phase_record import PhaseReport
from cdc.operations.readiness import ReadinessReport
from cdc.operations.status import StatusReport

_REF = "#/components/schemas/{model}"
_KEY = "function_key"
_REASONS = {400: "The request is invalid.", 404: "The request names something that does not exist.",
            409: "The request conflicts with the current state.", 503: "A store is not available now."}  # fmt: skip
_JSON, _PROBLEM_JSON, _HTML = "application/json", "application/problem+json", "text/html"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A route of function_app.py: its request, answers and problems. `page` says what it shows as HTML."""

    method: str
    path: str
    summary: str
    answers: Mapping[int, type[BaseModel]]
    page: str | None = None
    query: type[RequestModel] | None = None
    body: type[RequestModel] | None = None
    problems: tuple[int, ...] = (503,)
    needs_key: bool = True
    in_every_phase: bool = False

    @property
    def models(self) -> list[tuple[type[BaseModel], JsonSchemaMode]]:
        """Return the models of the requests and of the answers."""
        requests = [model for model in (self.query, self.body) if model is not None]
        return [
            *((model, "validation") for model in requests),
            *((model, "serialization") for model in self.answers.values()),
        ]


ROUTES = (
    Route(method="GET", path="status", summary="Report the state of the replication.", answers={200: StatusReport},
          in_every_phase=True),
    Route(method="GET", path="status/history", summary="Report how far a container was behind in the last hours.",
          answers={200: History}, query=HistoryQuery, problems=(400, 404, 503), in_every_phase=True),
    Route(method="GET", path="dashboard", summary="Show the state of the replication as a page.", answers={},
          page="The page. It has no data; it asks the other routes with a function key.", problems=(), needs_key=False,
          in_every_phase=True),
    Route(method="GET", path="readiness", summary="Report if the application may go to a phase, and why.",
          answers={200: ReadinessReport}, query=ReadinessQuery, problems=(400, 503), in_every_phase=True),
    Route(method="GET", path="phase", summary="Report the phase and its history.", answers={200: PhaseReport},
          in_every_phase=True),
    Route(method="GET", path="health/live", summary="Report that the worker is running.", answers={200: Live},
          problems=(), needs_key=False, in_every_phase=True),
    Route(method="GET", path="health/ready", summary="Report if changes can be applied now.",
          answers={200: Ready}, needs_key=False, in_every_phase=True),
    Route(method="GET", path="dead-letters", summary="List dead letters.",
          answers={200: LetterPage}, query=LetterQuery, problems=(400, 404, 503)),
    Route(method="POST", path="dead-letters/replay", summary="Replay many dead letters.",
          answers={202: Replayed}, body=ReplayRequest, problems=(400, 404, 503)),
    Route(method="POST", path="dead-letters/{id}/replay", summary="Replay one dead letter.",
          answers={202: Replayed}, problems=(404, 503)),
    Route(method="DELETE", path="dead-letters/{id}", summary="Discard a dead letter: stop its automatic retries.",
          answers={200: Discarded}, problems=(404, 409, 503)),
    Route(method="POST", path="documents/{container}/resync", summary="Read one document again now.",
          answers={200: Resynced}, body=ResyncRequest, problems=(400, 404, 409, 503)),
    Route(method="POST", path="containers/{container}/pause", summary="Pause a container: write nothing of it.",
          answers={200: PauseStatus}, body=PauseRequest, problems=(400, 404, 409, 503)),
    Route(method="POST", path="containers/{container}/resume", summary="Resume a paused container.",
          answers={200: Resumed}, body=ResumeRequest, problems=(400, 404, 409, 503)),
    Route(method="POST", path="backfills", summary="Start a backfill of containers.", answers={202: Accepted},
          body=StartRequest, problems=(400, 409, 503)),
    Route(method="GET", path="backfills", summary="List backfills, newest first.", answers={200: BackfillPage},
          query=BackfillQuery, problems=(400, 404, 503)),
    Route(method="GET", path="backfills/{id}", summary="Report the progress of a backfill.",
          answers={200: BackfillReport}, problems=(404, 503)),
    *(
        Route(method="POST", path=f"backfills/{{id}}/{verb}", summary=f"{verb.capitalize()} a backfill.",
              answers={200: BackfillStatus}, problems=(404, 409, 503))
        for verb in ("pause", "resume", "cancel")
    ),
    Route(method="POST", path="reconciliations", summary="Start a reconcile of containers.", answers={202: Accepted},
          body=ReconcileRequest, problems=(400, 409, 503)),
    Route(method="GET", path="reconciliations", summary="List reconciliations, newest first.",
          answers={200: ReconciliationPage}, query=ReconciliationQuery, problems=(400, 503)),
    Route(method="GET", path="reconciliations/{id}", summary="Report one reconciliation and its findings.",
          answers={200: ReconciliationReport}, problems=(404, 503)),
)  # fmt: skip


def write_document() -> JsonObject:
    """Return the OpenAPI document; to add a route, add a line to ROUTES."""
    models = {model: None for route in ROUTES for model in route.models} | {(ProblemDetails, "serialization"): None}
    names, definitions = models_json_schema(list(models), ref_template=_REF)
    schemas: JsonObject = definitions.get("$defs", {})
    paths: JsonObject = {}
    for route in ROUTES:
        paths.setdefault(f"/api/{route.path}", {})[route.method.lower()] = _operation(route, names, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Change data capture", "version": "1"},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {_KEY: {"type": "apiKey", "in": "header", "name": "x-functions-key"}},
        },
    }


def _operation(route: Route, names: Mapping[Any, Any], schemas: JsonObject) -> JsonObject:
    operation: JsonObject = {"summary": route.summary, "responses": _responses(route, names)}
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", route.path)
    ]
    if route.query is not None:
        parameters += _query(schemas[names[route.query, "validation"]["$ref"].rpartition("/")[2]])
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        body = names[route.body, "validation"]
        # An empty body counts as `{}`.
        required = not {"required", "oneOf"}.isdisjoint(schemas[body["$ref"].rpartition("/")[2]])
        operation["requestBody"] = {"required": required, "content": {_JSON: {"schema": body}}}
    if route.needs_key:
        operation["security"] = [{_KEY: []}]
    return operation


def _query(schema: JsonObject) -> list[JsonObject]:
    required = schema.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in required, "schema": each}
        for name, each in schema["properties"].items()
    ]


def _responses(route: Route, names: Mapping[Any, Any]) -> JsonObject:
    responses: JsonObject = {
        str(status): {
            "description": (model.__doc__ or "").partition("\n")[0],
            "content": {_JSON: {"schema": names[model, "serialization"]}},
        }
        for status, model in route.answers.items()
    }
    if route.page is not None:
        responses["200"] = {"description": route.page, "content": {_HTML: {"schema": {"type": "string"}}}}
    problem = {_PROBLEM_JSON: {"schema": names[ProblemDetails, "serialization"]}}
    responses |= {str(status): {"description": _REASONS[status], "content": problem} for status in route.problems}
    if route.needs_key:
        responses["401"] = {"description": "The function key is missing or wrong."}
    return responses
