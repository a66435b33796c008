"""Every PostgreSQL error says what is to be done about it, and quotes no row."""

import traceback

import psycopg
import pytest
from psycopg import errors

from cdc.core.errors import CdcError, DocumentError, FatalError, ProblemKind, TransientError
from cdc.postgres.database import translate, translated_errors

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


T, F = "transient", "fatal"
DATA, CONFLICT, PARENT = ProblemKind.DATA, ProblemKind.CONFLICT, ProblemKind.MISSING_PARENT

# Every class of SQLSTATE, and within it the codes that stand out. What time mends is T, what a person must mend is F.
VERDICTS = {
    "02": (F, {}),
    "03": (F, {}),
    "08": (T, {}),
    "09": (F, {}),
    "0A": (F, {}),
    "0B": (F, {}),
    "0F": (F, {}),
    "0L": (F, {}),
    "0P": (F, {}),
    "0Z": (F, {}),
    "10": (F, {}),
    "20": (F, {}),
    "21": (F, {"21000": DATA}),
    "22": (DATA, {}),
    "23": (
        F,
        {
            "23000": DATA,
            "23001": PARENT,
            "23502": DATA,
            "23503": PARENT,
            "23505": CONFLICT,
            "23514": DATA,
            "23P01": CONFLICT,
        },
    ),
    "24": (F, {}),
    "25": (F, {"25006": T, "25P03": T, "25P04": T}),
    "26": (F, {}),
    "27": (F, {}),
    "28": (F, {}),
    "2B": (F, {}),
    "2D": (F, {}),
    "2F": (F, {}),
    "34": (F, {}),
    "38": (F, {}),
    "39": (F, {}),
    "3B": (F, {}),
    "3D": (F, {}),
    "3F": (F, {}),
    "40": (T, {"40002": DATA}),
    "42": (F, {"42846": DATA}),
    "44": (F, {"44000": DATA}),
    "53": (T, {"53400": F}),
    "54": (F, {"54000": DATA, "54001": DATA}),
    "55": (F, {"55006": T, "55P03": T}),
    "57": (T, {"57P04": F}),
    "58": (F, {"58000": T, "58030": T}),
    "72": (F, {"72000": T}),
    "F0": (F, {}),
    "HV": (F, {}),
    "P0": (DATA, {}),
    "XX": (F, {}),
}


def verdict(error):
    """Translate an error, and return in a word what is to be done about it."""
    translated = translate(error)
    if isinstance(translated, DocumentError):
        return translated.problem.kind
    return T if isinstance(translated, TransientError) else F


def test_every_class_of_sqlstate_is_listed():
    """A psycopg that knows another class, or no longer one of these, asks for a verdict."""
    assert {error.sqlstate[:2] for error in ALL} == VERDICTS.keys()
    assert {code for _, codes in VERDICTS.values() for code in codes} <= {error.sqlstate for error in ALL}


@pytest.mark.parametrize("error", ALL, ids=lambda one: f"{one.sqlstate}-{one.__name__}")
def test_every_sqlstate_has_its_verdict(error):
    """It is the one listed for its code, else for its class; the code is said, and nothing of the row."""
    of_class, codes = VERDICTS[error.sqlstate[:2]]

    assert verdict(error(MARKER)) == codes.get(error.sqlstate, of_class)
    assert error.sqlstate in str(translate(error(MARKER)))
    assert MARKER not in str(translate(error(MARKER)))


@pytest.mark.parametrize("state", ["ZZ999", "24999", "23999", "25P99", "54999", "55999", "58999", "XX999"])
def test_a_code_of_a_later_version_is_fatal(state):
    """Where a class is not all of one kind, a code that nobody has judged blames no document."""
    unknown = type("LaterError", (psycopg.DatabaseError,), {"sqlstate": state})

    assert verdict(unknown(MARKER)) == F
    assert MARKER not in str(translate(unknown(MARKER)))


@pytest.mark.parametrize("error", [psycopg.OperationalError, psycopg.InterfaceError])
def test_a_lost_connection_is_mended_by_time(error):
    """Without a SQLSTATE the server has not answered."""
    assert verdict(error("away")) == T


def test_a_value_that_cannot_be_sent_is_data():
    """Without a SQLSTATE the value has not left us."""
    assert verdict(psycopg.DataError(MARKER)) == DATA


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (errors.UndefinedTable, "migrate"),
        (errors.UndefinedColumn, "check"),
        (errors.InsufficientPrivilege, "grant"),
        (errors.InvalidPassword, "28P01"),
        (errors.DatatypeMismatch, "42804"),
        (errors.SyntaxError, "42601"),
        (errors.InvalidSqlStatementName, "POSTGRES_POOLER=transaction"),
        (errors.DuplicatePreparedStatement, "POSTGRES_POOLER=transaction"),
        (errors.ConfigurationLimitExceeded, "53400"),
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
