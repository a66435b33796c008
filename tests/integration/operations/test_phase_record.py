"""A phase is recorded when the application is ready for it, or with a reason; the cut-over alone records phase 3."""

import logging

import pytest
from pydantic import BaseModel

from cdc.config.settings import Phase
from cdc.core.errors import ConflictError, FatalError, UnreadyError
from cdc.operations.phase_record import PhaseRecord
from cdc.postgres import gate

ZERO, ONE, TWO, THREE = Phase


class Measured(BaseModel):
    """What readiness has measured of one check."""

    name: str
    passed: bool
    actual: str = "8 s"
    required: str = "at most 5 s"
    container: str | None = "Accounts"
    remedy: str | None = "Wait."


LATE, IN_TIME = Measured(name="lag", passed=False), Measured(name="lag", passed=True, actual="1 s")


@pytest.fixture
def database(owner_database):
    """The database of the login that migrates: only the owner changes the phase."""
    return owner_database


@pytest.fixture
def record(database):
    """Build the phase of an instance, and note for which phases readiness is measured."""

    def build(setting=ONE, *checks, asked=None):
        def measure(phase):
            if asked is not None:
                asked.append(phase)
            return checks

        return PhaseRecord(setting, database, measure)

    return build


def test_a_higher_phase_is_refused_while_a_check_fails(record, database):
    """The refusal names the check, its container, what is, what must be, and what to do; nothing is recorded."""
    with pytest.raises(UnreadyError, match="Phase 2 is not recorded, because 1 checks") as refused:
        record(ONE, LATE).change(TWO)

    assert refused.value.fields == (("Accounts: lag", "8 s (must be: at most 5 s). Wait."),)
    assert gate.read_phase(database).phase is ONE
    assert len(gate.read_changes(database)) == 1


def test_a_reason_overrides_failed_checks_and_is_kept(record):
    """The history has the checks as they stood, and why somebody went on."""
    phase = record(ONE, LATE)

    phase.change(TWO, "a rehearsal")

    newest = phase.report().changes[0]
    assert (newest.before, newest.phase, newest.override) == (ONE.name.lower(), TWO.name.lower(), "a rehearsal")
    assert newest.checks == [LATE.model_dump()]


def test_the_way_back_asks_for_nothing(record, database):
    """From 2 to 1, and from 1 to 0, a phase is only recorded; each way up is measured."""
    asked = []
    phase = record(ONE, IN_TIME, asked=asked)

    for to in (TWO, ONE, ZERO, ONE):
        phase.change(to)

    assert asked == [TWO, ONE]
    assert [change.phase for change in gate.read_changes(database)] == [ONE, ZERO, ONE, TWO, ONE]


@pytest.mark.parametrize(
    ("recorded", "to", "words"),
    [(ONE, ONE, "already"), (TWO, THREE, "cut-over alone"), (THREE, TWO, "no lower phase"), (THREE, THREE, "already")],
)
def test_what_the_command_does_not_do(record, database, recorded, to, words):
    """Phase 3 is the cut-over's, and nothing leads back from it."""
    if recorded is not ONE:
        gate.record(database, ONE, recorded)

    with pytest.raises(ConflictError, match=words):
        record(ONE, IN_TIME).change(to, "because")

    assert gate.read_phase(database).phase is recorded


def test_two_changes_at_once_do_not_both_count(database):
    """Who decided on a phase that has changed meanwhile decides again."""
    gate.record(database, ONE, TWO)

    with pytest.raises(ConflictError, match="python -m cdc phase"):
        gate.record(database, ONE, ZERO)


@pytest.mark.parametrize(("setting", "recorded"), [(ZERO, ONE), (ONE, TWO), (TWO, ONE), (ONE, ZERO)])
def test_among_the_lower_phases_a_difference_is_a_note(record, database, setting, recorded, caplog):
    """It says how to end the difference, and is logged once."""
    if recorded is not ONE:
        gate.record(database, ONE, recorded)
    phase = record(setting)
    sentence = f"set MIGRATION_PHASE to {recorded}, or record the other with python -m cdc phase {setting}."

    assert phase.check().endswith(sentence)
    assert phase.read().problem == phase.check()
    with caplog.at_level(logging.WARNING):
        phase.watch()
        phase.watch()
    assert caplog.text.count(sentence) == 1


@pytest.mark.parametrize(
    ("setting", "recorded", "remedy"),
    [
        (THREE, ONE, "changes wait in Cosmos. Set MIGRATION_PHASE to 1"),
        (ONE, THREE, "writes nothing: set MIGRATION_PHASE to 3"),
        (ZERO, THREE, "writes nothing: set MIGRATION_PHASE to 3"),
    ],
)
def test_phase_3_on_one_side_is_a_failure(record, database, setting, recorded, remedy):
    """Its sentence says what to do."""
    if recorded is not ONE:
        gate.record(database, ONE, recorded)
    phase = record(setting)

    for look in (phase.check, phase.watch):
        with pytest.raises(FatalError, match=remedy):
            look()
    assert remedy in phase.read().problem


def test_no_recorded_phase_is_a_failure(record, connection):
    """The command that records one is named."""
    connection.execute("delete from cdc.phase")
    phase = record()

    with pytest.raises(FatalError, match="python -m cdc setup"):
        phase.check()
    with pytest.raises(FatalError, match="python -m cdc setup"):
        phase.change(TWO)
    assert phase.read().recorded is None


@pytest.mark.parametrize("setting", Phase)
def test_where_both_are_equal_there_is_no_problem(record, database, setting):
    """Also in phase 3, once it is recorded."""
    if setting is not ONE:
        gate.record(database, ONE, setting)
    phase = record(setting)

    assert (phase.check(), phase.read().problem) == (None, None)
