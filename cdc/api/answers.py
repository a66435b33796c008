"""HTTP: requests read into models, answers as JSON, and problem details (RFC 9457) for what cannot be granted."""

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


class Accepted(BaseModel):
    """Work that began, and the path where its state is told."""

    id: str
    status_url: str


class FieldProblem(BaseModel):
    """What is wrong with one field or one check."""

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
    """The body or the query of a request: what it does not know is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def read_body(model: type[Request], body: bytes) -> Request:
    """Read a JSON body; an empty one counts as `{}`. Raises RequestError, which names every wrong field."""
    try:
        return model.model_validate_json(body.strip() or b"{}", strict=True)
    except ValidationError as error:
        raise _name_fields("The body", model, error) from None


def read_query(model: type[Request], query: Mapping[str, str]) -> Request:
    """Read the query of a URL. Raises RequestError, which names every wrong field."""
    try:
        # The function key may stand in the query; it is the host's.
        return model.model_validate({name: value for name, value in query.items() if name != "code"})
    except ValidationError as error:
        raise _name_fields("The query", model, error) from None


def _name_fields(what: str, model: type[RequestModel], error: ValidationError) -> RequestError:
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


def answer(make: Callable[[], BaseModel], status: int = HTTPStatus.OK) -> Answer:
    """Answer with the model that `make` returns, or with the problem that it raises.

    Work that was accepted also has its address in the header Location. It is a path: a gateway before the app may have
    given the app another name.
    """
    try:
        model = make()
    except CdcError as error:
        return _refuse(error)
    headers = {"Location": model.status_url} if isinstance(model, Accepted) else {}
    return Answer(status, model.model_dump_json(), headers=headers)


def _refuse(error: CdcError) -> Answer:
    """Answer with problem details: what was wrong with the request, or 503 when the fault is ours."""
    status = next((each for kind, each in _STATUSES.items() if isinstance(error, kind)), HTTPStatus.SERVICE_UNAVAILABLE)
    fields = error.fields if isinstance(error, RequestError | UnreadyError) else ()
    details = ProblemDetails(
        title=status.phrase,
        status=status.value,
        detail=str(error),
        errors=[FieldProblem(field=name, message=message) for name, message in fields],
    )
    return Answer(status, details.model_dump_json(), "application/problem+json")
