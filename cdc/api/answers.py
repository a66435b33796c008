"""HTTP: requests read into models, answers as JSON, and problem details (RFC 9457) for what cannot be granted."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from cdc.core.documents import JsonObject
from cdc.core.errors import CdcError, ConflictError, RequestError, UnknownError
from cdc.operations.checks import Check

Request = TypeVar("Request", bound="RequestModel")
Item = TypeVar("Item")


def say(expectation: str) -> WrapValidator:
    """Let a field that is wrong be told in these words, once: pydantic would quote a pattern, or name each form."""

    def check(value: object, read: ValidatorFunctionWrapHandler) -> object:
        try:
            return read(value)
        except ValidationError:
            raise ValueError(expectation) from None

    return WrapValidator(check)


_NUMBER = r"[0-9]{1,18}"
# Where a list goes on whose items are numbered.
Token = Annotated[str, Field(pattern=f"^{_NUMBER}$"), say("must be the `next` of the page before")]

_STATUSES = {
    UnknownError: HTTPStatus.NOT_FOUND,
    ConflictError: HTTPStatus.CONFLICT,
    RequestError: HTTPStatus.BAD_REQUEST,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A response without a framework."""

    status: int
    body: str
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


class RequestModel(BaseModel):
    """The body or the query of a request: what it does not know is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def read_body(model: type[Request], body: bytes) -> Request:
    """Read a JSON body; an empty one counts as `{}`. Raises RequestError, which names every wrong field."""
    try:
        return model.model_validate_json(body.strip() or b"{}", strict=True)
    except ValidationError as error:
        raise _refuse("The body", model, error) from None


def read_query(model: type[Request], query: Mapping[str, str]) -> Request:
    """Read the query of a URL. Raises RequestError, which names every wrong field."""
    try:
        # The function key may stand in the query; it is the host's.
        return model.model_validate({name: value for name, value in query.items() if name != "code"})
    except ValidationError as error:
        raise _refuse("The query", model, error) from None


def _refuse(what: str, model: type[RequestModel], error: ValidationError) -> RequestError:
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    sentences = {
        "extra_forbidden": f"is not known here: the names are {', '.join(model.model_fields)}",
        "too_short": "must not be empty",
    }
    fields = [
        (".".join(map(str, each["loc"])), sentences.get(each["type"]) or each["msg"].removeprefix("Value error, "))
        for each in problems
    ]
    if fields == [("", fields[0][1])] and problems[0]["type"] == "json_invalid":
        return RequestError(f"{what} must be a JSON object.")
    return RequestError(f"{what} is not as it must be.", fields)


def read_number(id_: str) -> int | None:
    """Read the number that stands in an address; nothing where there is none that an item may have."""
    return int(id_) if re.fullmatch(_NUMBER, id_) else None


def cut_page(found: Sequence[Item], limit: int, name: Callable[[Item], object]) -> tuple[Sequence[Item], str | None]:
    """Return a page of a list, and the `after` of the following one, from one item more than the page may have.

    Every list has `after`, the `next` of the page before, and ends with a `next` that is null.
    """
    page = found[:limit]
    return page, str(name(page[-1])) if len(found) > limit else None


def answer(read: Callable[[], JsonObject], status: HTTPStatus = HTTPStatus.OK) -> Answer:
    """Answer with what `read` returns, or with the problem that it raises."""
    try:
        return Answer(status, json.dumps(read()))
    except CdcError as error:
        return refuse(error)


def send(make: Callable[[], BaseModel], status: int = HTTPStatus.OK) -> Answer:
    """Answer with the model that `make` returns, or with the problem that it raises."""
    return answer(lambda: make().model_dump(mode="json"), HTTPStatus(status))


def accept(start: Callable[[], tuple[str, str]]) -> Answer:
    """Answer 202 with the id and the address of the work that `start` began, or with the problem that it raises.

    The address is a path: whoever stands before the app may have given it another name.
    """
    try:
        id_, url = start()
    except CdcError as error:
        return refuse(error)
    body = json.dumps({"id": id_, "status_url": url})
    return Answer(HTTPStatus.ACCEPTED, body, headers={"Location": url})


def refuse(error: CdcError) -> Answer:
    """Answer with problem details: what was wrong with the request, or 503 when the fault is ours."""
    for kind, status in _STATUSES.items():
        if isinstance(error, kind):
            fields = [{"field": name, "message": message} for name, message in error.fields]
            return problem(status, str(error), fields)
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
