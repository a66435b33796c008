"""HTTP answers are JSON, and problems are problem details."""

import json
from http import HTTPStatus

import pytest

from cdc.api import answers
from cdc.api.backfills import StartRequest
from cdc.api.dead_letters import ReplayRequest
from cdc.api.reconciliations import ReconcileRequest
from cdc.api.resync import ResyncRequest
from cdc.core.errors import FatalError, RequestError, TransientError
from cdc.operations.checks import Check


def test_an_answer_is_json():
    """What was read is the body."""
    answer = answers.answer(lambda: {"name": "é"})

    assert (answer.status, answer.content_type) == (200, "application/json")
    assert json.loads(answer.body) == {"name": "é"}


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

    answer = answers.answer(fail)

    assert (answer.status, answer.content_type) == (503, "application/problem+json")
    assert json.loads(answer.body) == {
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": 503,
        "detail": str(error),
        "errors": [],
    }


def test_passed_checks_are_ready():
    """With every check passed the answer names them."""
    answer = answers.answer_checks([Check("postgres"), Check("cosmos")])

    assert (answer.status, answer.content_type) == (200, "application/json")
    assert json.loads(answer.body) == {"status": "ready", "checks": ["postgres", "cosmos"]}


def test_failed_checks_are_named():
    """With a failed check the answer says which, and what to do about it."""
    answer = answers.answer_checks([Check("postgres"), Check("migrations", "run python -m cdc migrate")])
    body = json.loads(answer.body)

    assert (answer.status, answer.content_type) == (503, "application/problem+json")
    assert body["detail"] == "Not ready: migrations."
    assert body["errors"] == [{"field": "migrations", "message": "run python -m cdc migrate"}]


def test_a_problem_has_the_members_of_the_standard():
    """Type, title, status, detail and errors are always there."""
    answer = answers.problem(HTTPStatus.NOT_FOUND, "There is no such backfill.")

    assert answer.status == 404
    assert json.loads(answer.body).keys() == {"type", "title", "status", "detail", "errors"}


@pytest.mark.parametrize(
    ("model", "body", "field", "words"),
    [
        (
            StartRequest,
            {"container": "Accounts"},
            "container",
            "the names are containers, max_request_units_per_second",
        ),
        (StartRequest, {"containers": []}, "containers", "must not be empty"),
        (ReconcileRequest, {"sample": "some"}, "sample", "must be a whole number from 0 to 1000000, or `all`"),
        (ReconcileRequest, {"sample": -1}, "sample", "must be a whole number from 0 to 1000000, or `all`"),
        (ResyncRequest, {"id": "a/b", "partition_key": "x"}, "id", "none of them / \\ ? or #"),
        (ReplayRequest, {"container": "a?b"}, "container", "none of them / \\ ? or #"),
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
