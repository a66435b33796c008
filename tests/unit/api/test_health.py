"""Readiness names what was checked, or what fails and what to do about it."""

import json
from datetime import UTC, datetime

from cdc.api.answers import answer
from cdc.api.health import Live, tell_ready
from cdc.core.errors import TransientError
from cdc.operations.ability import Ability
from cdc.operations.checks import Check
from cdc.operations.pauses import PauseStatus
from cdc.operations.problems import Code, CurrentProblem
from cdc.operations.unmapped import UnmappedStatus

PAUSED = PauseStatus(
    container="Accounts",
    reason="a bad release",
    since=datetime(2026, 1, 31, tzinfo=UTC),
    by="writer",
    source="operator",
    warning=None,
)
UNMAPPED = UnmappedStatus(container="Accounts", type="SalesOrder", documents=2, has_mapper=False)


def ask(*problems):
    """Ask an app that has these problems."""
    ability = Ability([Check("postgres"), Check("cosmos")], problems=problems)
    made = answer(lambda: tell_ready(lambda: ability, lambda: [UNMAPPED], lambda: [PAUSED]))
    return made.status, made.content_type, json.loads(made.body)


def test_passed_checks_are_ready():
    """With every check passed the answer names them; what is unmapped is told, and is no failure."""
    body = {"status": "ready", "checks": ["postgres", "cosmos"], "notes": [], "unmapped": [UNMAPPED.model_dump()]}
    body |= {"paused": ["Accounts"]}

    assert ask() == (200, "application/json", body)


def test_what_is_stopped_is_named():
    """The answer says which problems, and what to do about each; what is worth a note alone is left out."""
    stopped = [
        CurrentProblem.of(Code.SETUP_INCOMPLETE, "run python -m cdc migrate"),
        CurrentProblem.of(Code.FEED_DEAD, "nobody reads", "Accounts"),
        CurrentProblem.of(Code.FEED_DEAD, "nobody reads", "UserProfiles"),
    ]

    status, content_type, body = ask(*stopped, CurrentProblem.of(Code.LEASE_UNRENEWED, "nothing waits"))

    assert (status, content_type) == (503, "application/problem+json")
    assert body["detail"] == "Not ready: setup_incomplete, feed_dead."
    assert body["errors"] == [{"field": each.code, "message": each.message} for each in stopped]


def test_what_is_not_stopped_is_noted():
    """The app is ready all the same."""
    status, _, body = ask(CurrentProblem.of(Code.PHASE_DIFFERS, "set MIGRATION_PHASE"))

    assert (status, body["notes"]) == (200, ["set MIGRATION_PHASE"])


def test_a_worker_that_answers_is_live():
    """Nothing is asked for it."""
    assert json.loads(answer(Live).body) == {"status": "live"}


def test_a_count_that_takes_too_long_keeps_nobody_from_being_ready():
    """A large ledger is counted for minutes."""

    def count():
        raise TransientError("The ledger is being counted.")

    made = answer(lambda: tell_ready(lambda: Ability([Check("postgres")]), count, list))

    assert (made.status, json.loads(made.body)["unmapped"]) == (200, None)
