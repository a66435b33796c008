"""HTTP answers: JSON, and problem details (RFC 9457) when there is nothing better to say."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from cdc.errors import CdcError
from cdc.model import JsonObject
from cdc.status import Check


@dataclass(frozen=True, slots=True)
class Answer:
    """A response without a framework."""

    status: int
    body: str
    content_type: str = "application/json"


def answer(read: Callable[[], JsonObject]) -> Answer:
    """Answer with what `read` returns, or 503 with the sentence of the error that it raises."""
    try:
        return Answer(HTTPStatus.OK, json.dumps(read()))
    except CdcError as error:
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error))


def answer_checks(checks: Sequence[Check]) -> Answer:
    """Answer 200 when every check passes, else 503 that names those that do not."""
    failed = [check for check in checks if check.problem is not None]
    if not failed:
        return Answer(HTTPStatus.OK, json.dumps({"status": "ready", "checks": [check.name for check in checks]}))
    errors = [{"field": check.name, "message": check.problem} for check in failed]
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, f"Not ready: {', '.join(check.name for check in failed)}.", errors)


def problem(status: HTTPStatus, detail: str, errors: Sequence[JsonObject] = ()) -> Answer:
    """Answer with problem details: one sentence, and what is wrong field by field."""
    body = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": detail,
        "errors": list(errors),
    }
    return Answer(status, json.dumps(body), "application/problem+json")
