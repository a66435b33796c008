"""HTTP answers are JSON, and problems are problem details."""

import json

import pytest
from pydantic import BaseModel

from cdc.api import answers
from cdc.api.backfills import StartRequest
from cdc.api.dead_letters import ReplayRequest
from cdc.api.reconciliations import ReconcileRequest
from cdc.api.resync import ResyncRequest
from cdc.core.errors import FatalError, RequestError, TransientError


class Name(BaseModel):
    """An answer."""

    name: str


def test_an_answer_is_its_model_as_json():
    """What was made is the body."""
    made = answers.answer(lambda: Name(name="é"))

    assert (made.status, made.content_type) == (200, "application/json")
    assert json.loads(made.body) == {"name": "é"}


def test_accepted_work_has_a_location():
    """The header repeats the path of the body."""
    made = answers.answer(lambda: answers.Accepted(id="7", status_url="/api/x/7"), 202)

    assert (made.status, made.headers) == (202, {"Location": "/api/x/7"})
    assert json.loads(made.body) == {"id": "7", "status_url": "/api/x/7"}


@pytest.mark.parametrize(
    ("found", "page", "following"),
    [([], [], None), ([7], [7], None), ([7, 8], [7, 8], None), ([7, 8, 9], [7, 8], "8")],
)
def test_a_list_ends_with_its_last_item(found, page, following):
    """`next` is the name of the last item where another one follows; a full page may be the last one."""
    assert answers.cut_page(found, 2, lambda item: item) == (page, following)


@pytest.mark.parametrize("error", [TransientError("PostgreSQL cannot be reached."), FatalError("A table is missing.")])
def test_an_error_is_problem_details(error):
    """The sentence of the error is the detail, and the status is 503."""

    def fail():
        raise error

    made = answers.answer(fail)

    assert (made.status, made.content_type) == (503, "application/problem+json")
    assert json.loads(made.body) == {
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": 503,
        "detail": str(error),
        "errors": [],
    }


@pytest.mark.parametrize(
    ("model", "body", "field", "words"),
    [
        (
            StartRequest,
            {"container": "Accounts"},
            "container",
            "use containers, max_request_units_per_second",
        ),
        (StartRequest, {"containers": []}, "containers", "must not be empty"),
        (ReconcileRequest, {"sample": "some"}, "sample", "must be a whole number from 0 to 1000000, or `all`"),
        (ReconcileRequest, {"sample": -1}, "sample", "must be a whole number from 0 to 1000000, or `all`"),
        (ResyncRequest, {"id": "", "partition_key": "x"}, "id", "text of 1 to 1023 characters"),
        (ReplayRequest, {"container": "a?b"}, "container", "without / \\ ? and #"),
    ],
)
def test_a_wrong_field_is_named_once_with_what_it_may_be(model, body, field, words):
    """A name that is nearly right is told the right ones, in words that need no knowledge of Python or of patterns."""
    with pytest.raises(RequestError) as refusal:
        answers.read_body(model, json.dumps(body).encode())

    ((name, message),) = refusal.value.fields
    assert name == field
    assert words in message


def test_both_forms_of_a_sample_are_read():
    """A number and the word for all of them are what a reconcile may be asked for."""
    assert answers.read_body(ReconcileRequest, b'{"sample": 5}').sample == 5
    assert answers.read_body(ReconcileRequest, b'{"sample": "all"}').sample == "all"
    assert answers.read_body(ReconcileRequest, b"{}").sample is None
