"""HTTP: read requests into models, answer with JSON, and with problem details (RFC 9457) on errors."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from cdc.core.errors import CdcError, ConflictError, RequestError, UnknownError, UnreadyError

Request = TypeVar("Request", bound="RequestModel")
Item = TypeVar("Item")


def say(expectation: str) -> WrapValidator:
    """Report a wrong field with this one message; pydantic would quote a pattern or list each allowed type."""

    def check(value: object, read: ValidatorFunctionWrapHandler) -> object:
        try:
            return read(value)
        except ValidationError:
            raise ValueError(expectation) from None

    return WrapValidator(check)


_NUMBER = r"[0-9]{1,18}"
# Where a list of numbered items continues.
Token = Annotated[str, Field(pattern=f"^{_NUMBER}$"), say("must be the `next` of the previous page")]

_STATUSES = {
    UnknownError: HTTPStatus.NOT_FOUND,
    ConflictError: HTTPStatus.CONFLICT,
    RequestError: HTTPStatus.BAD_REQUEST,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, independent of any framework."""

    status: int
    body: str
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


class Accepted(BaseModel):
    """Accepted work and the path of its status."""

    id: str
    status_url: str


class FieldProblem(BaseModel):
    """The problem of one field or one check."""

    field: str
    message: str


class ProblemDetails(BaseModel):
    """Problem details (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[FieldProblem]


class RequestModel(BaseModel):
    """The body or the query of a request; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def read_body(model: type[Request], body: bytes) -> Request:
    """Read a JSON body; an empty one counts as `{}`. Raises RequestError, which names every wrong field."""
    try:
        return model.model_validate_json(body.strip() or b"{}", strict=True)
    except ValidationError as error:
        raise _name_fields("The request body", model, error) from None


def read_query(model: type[Request], query: Mapping[str, str]) -> Request:
    """Read the query of a URL. Raises RequestError, which names every wrong field."""
    try:
        # The query may contain the function key, which is for the host.
        return model.model_validate({name: value for name, value in query.items() if name != "code"})
    except ValidationError as error:
        raise _name_fields("The query", model, error) from None


def _name_fields(what: str, model: type[RequestModel], error: ValidationError) -> RequestError:
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    sentences = {
        "extra_forbidden": f"is unknown: use {', '.join(model.model_fields)}",
        "too_short": "must not be empty",
    }
    fields = [
        (".".join(map(str, each["loc"])), sentences.get(each["type"]) or each["msg"].removeprefix("Value error, "))
        for each in problems
    ]
    if fields == [("", fields[0][1])] and problems[0]["type"] == "json_invalid":
        return RequestError(f"{what} must be a JSON object.")
    return RequestError(f"{what} is invalid.", fields)


def read_number(id_: str) -> int | None:
    """Read an item's number from a URL path, or return None if it is not a number."""
    return int(id_) if re.fullmatch(_NUMBER, id_) else None


def cut_page(found: Sequence[Item], limit: int, name: Callable[[Item], object]) -> tuple[Sequence[Item], str | None]:
    """Cut `found`, which may have one item more than the page, into a page and the `next` of that page.

    In every list, `after` takes the `next` of the previous page; the last page has a null `next`.
    """
    page = found[:limit]
    return page, str(name(page[-1])) if len(found) > limit else None


def answer(make: Callable[[], BaseModel], status: int = HTTPStatus.OK) -> Answer:
    """Answer with the model that `make` returns, or with the error that it raises.

    Accepted work also gets the header Location. It is a path, because a gateway in front of the app may use another
    host name.
    """
    try:
        model = make()
    except CdcError as error:
        return _refuse(error)
    headers = {"Location": model.status_url} if isinstance(model, Accepted) else {}
    return Answer(status, model.model_dump_json(), headers=headers)


def _refuse(error: CdcError) -> Answer:
    """Answer with problem details: 4xx for an invalid request, 503 for every other error."""
    status = next((each for kind, each in _STATUSES.items() if isinstance(error, kind)), HTTPStatus.SERVICE_UNAVAILABLE)
    fields = error.fields if isinstance(error, RequestError | UnreadyError) else ()
    details = ProblemDetails(
        title=status.phrase,
        status=status.value,
        detail=str(error),
        errors=[FieldProblem(field=name, message=message) for name, message in fields],
    )
    return Answer(status, details.model_dump_json(), "application/problem+json")
