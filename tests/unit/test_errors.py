"""Every PostgreSQL error says what is to be done about it, and quotes no row."""

import traceback

import psycopg
import pytest
from psycopg import errors

from cdc.errors import CdcError, DocumentError, FatalError, ProblemKind, TransientError
from cdc.postgres import translate, translated_errors

MARKER = "thandi@example.com"
ALL = sorted(
    (one for one in vars(errors).values() if isinstance(getattr(one, "sqlstate", None), str)),
    key=lambda one: one.sqlstate,
)


def raise_error(error):
    """Raise an error where the edges raise it, and return what comes out."""
    with pytest.raises(CdcError) as caught, translated_errors():
        raise error
    return caught.value


@pytest.mark.parametrize("error", ALL, ids=lambda one: f"{one.sqlstate}-{one.__name__}")
def test_every_sqlstate_has_a_verdict(error):
    """Every class that psycopg knows is transient, one document's, or fatal with its code in the sentence."""
    translated = translate(error(MARKER))

    assert isinstance(translated, TransientError | DocumentError | FatalError)
    assert error.sqlstate in str(translated)
    assert MARKER not in str(translated)


@pytest.mark.parametrize(
    "error",
    [
        errors.DeadlockDetected,
        errors.SerializationFailure,
        errors.AdminShutdown,
        errors.CrashShutdown,
        errors.CannotConnectNow,
        errors.TooManyConnections,
        errors.ConnectionFailure,
        errors.QueryCanceled,
        errors.LockNotAvailable,
        errors.DiskFull,
        errors.ReadOnlySqlTransaction,
        psycopg.OperationalError,
        psycopg.InterfaceError,
    ],
)
def test_time_mends_it(error):
    """The whole batch is tried again."""
    assert isinstance(translate(error("away")), TransientError)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.StringDataRightTruncation, ProblemKind.DATA),
        (errors.NumericValueOutOfRange, ProblemKind.DATA),
        (errors.DatetimeFieldOverflow, ProblemKind.DATA),
        (errors.UntranslatableCharacter, ProblemKind.DATA),
        (errors.CharacterNotInRepertoire, ProblemKind.DATA),
        (errors.NotNullViolation, ProblemKind.DATA),
        (errors.CheckViolation, ProblemKind.DATA),
        (errors.ProgramLimitExceeded, ProblemKind.DATA),
        (errors.CardinalityViolation, ProblemKind.DATA),
        (psycopg.DataError, ProblemKind.DATA),
        (errors.UniqueViolation, ProblemKind.CONFLICT),
        (errors.ExclusionViolation, ProblemKind.CONFLICT),
        (errors.ForeignKeyViolation, ProblemKind.MISSING_PARENT),
    ],
)
def test_one_document_is_to_blame(error, kind):
    """The document is parked under the kind that says when to try again."""
    translated = translate(error(MARKER))

    assert isinstance(translated, DocumentError)
    assert translated.problem.kind is kind
    assert MARKER not in translated.problem.message


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (errors.UndefinedTable, "migrate"),
        (errors.UndefinedColumn, "check"),
        (errors.InsufficientPrivilege, "grant"),
        (errors.InvalidPassword, "28P01"),
        (errors.DatatypeMismatch, "42804"),
        (errors.SyntaxError, "42601"),
        (errors.RaiseException, "P0001"),
        (errors.InternalError_, "XX000"),
    ],
)
def test_a_person_must_mend_it(error, advice):
    """No document is blamed, and where it is known the sentence says what to do."""
    translated = translate(error("wrong"))

    assert isinstance(translated, FatalError)
    assert advice in str(translated)


@pytest.mark.parametrize("error", [errors.UniqueViolation, errors.RestrictViolation, errors.DeadlockDetected])
def test_a_logged_traceback_quotes_no_row(error):
    """The host logs the whole traceback of what is raised: PostgreSQL's own words are not in it."""
    caught = raise_error(error(f"Key (email)=({MARKER}) already exists."))

    assert MARKER not in "".join(traceback.format_exception(caught))


def test_text_that_is_not_unicode_is_data():
    """A lone surrogate cannot be sent to PostgreSQL: its document is parked."""
    error = UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")

    assert raise_error(error).problem.kind is ProblemKind.DATA


def test_our_own_errors_pass_unchanged():
    """What is translated already is not translated again."""
    error = FatalError("one sentence")

    assert raise_error(error) is error
