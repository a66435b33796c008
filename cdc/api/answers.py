"""HTTP: read requests into models, answer with JSON, and with problem details (RFC 9457) on errors."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from cdc.core import deadline
from cdc.core.deadline import Change
from cdc.core.errors import (
    CdcError,
    ConflictError,
    DocumentError,
    PausedError,
    PhaseError,
    RequestError,
    UnknownError,
    UnreadyError,
)

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


ContainerName = Annotated[
    str,
    Field(min_length=1, max_length=255, pattern=r"^[^\x00/\\?#]+$"),
    say("must be the name of a container: 1 to 255 characters, without / \\ ? and #"),
]
_NUMBER = r"[0-9]{1,18}"
# Where a list of numbered items continues.
Token = Annotated[str, Field(pattern=f"^{_NUMBER}$"), say("must be the `next` of the previous page")]

_STATUSES = {
    UnknownError: HTTPStatus.NOT_FOUND,
    ConflictError: HTTPStatus.CONFLICT,
    PausedError: HTTPStatus.CONFLICT,
    PhaseError: HTTPStatus.CONFLICT,
    RequestError: HTTPStatus.BAD_REQUEST,
}
_CHANGES = {
    Change.NONE: "Nothing was changed.",
    Change.UNKNOWN: "It is not known whether the change was made: {look} shows it. Asking again starts nothing twice.",
    Change.MADE: "The change was made: {look} shows it.",
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


def answer(make: Callable[[], BaseModel], status: int = HTTPStatus.OK, *, look: str | None = None) -> Answer:
    """Answer with the model that `make` returns, or with the error that it raises.

    Accepted work also gets the header Location. It is a path, because a gateway in front of the app may use another
    host name. `look` says where to see the change that a request makes.
    """
    try:
        model = make()
    except DocumentError:  # no document's own: those are parked
        return refuse(RequestError("The request has a text or a number that PostgreSQL cannot store."))
    except CdcError as error:
        limit = deadline.current()
        return refuse(error, Change.NONE if limit is None else limit.change, look)
    headers = {"Location": model.status_url} if isinstance(model, Accepted) else {}
    return Answer(status, model.model_dump_json(), headers=headers)


def refuse(error: CdcError, change: Change = Change.NONE, look: str | None = None) -> Answer:
    """Answer with problem details: 4xx for an invalid request, 503 for every other error.

    With `look`, a 503 says what became of the change.
    """
    status = next((each for kind, each in _STATUSES.items() if isinstance(error, kind)), HTTPStatus.SERVICE_UNAVAILABLE)
    fields = error.fields if isinstance(error, RequestError | UnreadyError) else ()
    known = look is not None and status is HTTPStatus.SERVICE_UNAVAILABLE
    details = ProblemDetails(
        title=status.phrase,
        status=status.value,
        detail=" ".join([str(error), _CHANGES[change].format(look=look)]) if known else str(error),
        errors=[FieldProblem(field=name, message=message) for name, message in fields],
    )
    return Answer(status, details.model_dump_json(), "application/problem+json")
