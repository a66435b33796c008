"""Readiness names what was checked, or what fails and what to do about it."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace

from cdc.api.answers import answer
from cdc.api.health import Live, tell_ready
from cdc.core.errors import TransientError
from cdc.operations.checks import Check
from cdc.operations.pauses import PauseStatus
from cdc.operations.status import UnmappedStatus

PAUSED = PauseStatus(
    container="Accounts",
    reason="a bad release",
    since=datetime(2026, 1, 31, tzinfo=UTC),
    by="writer",
    source="operator",
    warning=None,
)
UNMAPPED = UnmappedStatus(container="Accounts", type="SalesOrder", documents=2, has_mapper=False)


def ask(*checks):
    """Ask an app that has made these checks."""
    made = answer(lambda: tell_ready(SimpleNamespace(run=lambda: checks), lambda: [UNMAPPED], lambda: [PAUSED]))
    return made.status, made.content_type, json.loads(made.body)


def test_passed_checks_are_ready():
    """With every check passed the answer names them; what is unmapped is told, and is no failure."""
    body = {"status": "ready", "checks": ["postgres", "cosmos"], "notes": [], "unmapped": [UNMAPPED.model_dump()]}
    body |= {"paused": ["Accounts"]}

    assert ask(Check("postgres"), Check("cosmos")) == (200, "application/json", body)


def test_failed_checks_are_named():
    """With a failed check the answer says which, and what to do about it."""
    status, content_type, body = ask(Check("postgres"), Check("migrations", "run python -m cdc migrate"))

    assert (status, content_type) == (503, "application/problem+json")
    assert body["detail"] == "Not ready: migrations."
    assert body["errors"] == [{"field": "migrations", "message": "run python -m cdc migrate"}]


def test_a_worker_that_answers_is_live():
    """Nothing is asked for it."""
    assert json.loads(answer(Live).body) == {"status": "live"}


def test_checks_without_time_are_not_taken_for_passed():
    """Nobody knows what they would have found."""
    status, _, body = ask(Check("postgres"), Check("cosmos", skipped=True))

    assert status == 503
    assert [error["field"] for error in body["errors"]] == ["cosmos"]


def test_a_count_that_takes_too_long_keeps_nobody_from_being_ready():
    """A large ledger is counted for minutes."""

    def count():
        raise TransientError("The ledger is being counted.")

    made = answer(lambda: tell_ready(SimpleNamespace(run=lambda: [Check("postgres")]), count, list))

    assert (made.status, json.loads(made.body)["unmapped"]) == (200, None)
