"""What each SQLSTATE means: retry, park one document, or stop until a person fixes it."""

import re

import psycopg

from cdc.core.errors import (
    CdcError,
    DocumentError,
    FatalError,
    PausedError,
    PhaseError,
    Problem,
    ProblemKind,
    TransientError,
)

_Verdict = type[TransientError] | type[FatalError] | ProblemKind
_DATA, _CONFLICT, _PARENT = ProblemKind.DATA, ProblemKind.CONFLICT, ProblemKind.MISSING_PARENT

# By whole code, else by class. All other codes are fatal, also codes of later versions, unless a function of the tables
# fails: then they are the document's.
_VERDICTS: dict[str, _Verdict] = {
    "08": TransientError,  # connections; poolers use it for their own errors too
    "21000": _DATA,  # an upsert meets one row twice: two documents claim it, or one repeats it; halving finds which
    "22": _DATA,
    "23000": _DATA,  # raised by a trigger for a broken rule
    "23001": _PARENT,  # other rows still refer to this row
    "23502": _DATA,
    "23503": _PARENT,
    "23505": _CONFLICT,
    "23514": _DATA,
    "23P01": _CONFLICT,
    "25006": TransientError,  # read-only: a replica, until the failover ends
    "25P03": TransientError,  # idle in a transaction for too long: this worker had no CPU time
    "25P04": TransientError,  # a transaction for too long
    "40": TransientError,  # also 40003: unknown whether it was committed, and writing again changes nothing
    "40002": _DATA,  # a rule broken at commit is broken again at a retry
    "42846": _DATA,  # a value does not fit its column's type: our statements cast only there
    "44000": _DATA,  # a view's check option
    "53": TransientError,
    "53400": FatalError,  # a limit in the server's configuration
    "54000": _DATA,  # a value too long for its index
    "54001": _DATA,  # a value nested too deeply
    "55006": TransientError,
    "55P03": TransientError,  # lock_timeout
    "57": TransientError,  # also 57014: statement_timeout or an operator
    "57P04": FatalError,  # the database was dropped
    "58000": TransientError,
    "58030": TransientError,
    "72000": TransientError,
    "P0": _DATA,  # a trigger of the application's table refuses the row
}

# Raised by cdc.enter_gate.
_PAUSED = "MC010"
_REFUSALS: dict[str, tuple[type[FatalError], str]] = {
    "MC000": (FatalError, "No phase is recorded, so nothing is written: run python -m cdc setup as the owner of cdc."),
    "MC003": (
        PhaseError,
        "Phase 3 is recorded, so this app writes nothing: set MIGRATION_PHASE to 3 wherever the app still runs.",
    ),
}

_POOLER = "if a transaction-mode pooler is in front of the server, set POSTGRES_POOLER=transaction"
_HINTS = {
    "26000": _POOLER,
    "42501": "grant the role of POSTGRES_CONNECTION its rights on schema cdc and on mapped tables: python -m cdc roles",
    "42703": "run python -m cdc check",
    "42883": "run python -m cdc migrate",
    "42P01": "run python -m cdc migrate",
    "42P05": _POOLER,
    "53400": "raise the limit that the server's log names",
    "55P03": "another session holds a lock that this app needs",
    "57014": "a statement took too long, perhaps because another session holds a lock",
}
# Messages with these codes name tables and roles, never row values.
_NAMING = ("28", "3D", "42501")
# Messages with these codes name what the statement names, but only if they have a position in it: PostgreSQL also looks
# up values as names, such as that of a regclass.
_NAMING_AT_A_POSITION = ("3F", "42")

# Frames of an error's context that are no function: foreign keys run statements, queries have parallel workers, and
# what cannot be read as JSON or as a parameter has a place.
_NO_FUNCTION = re.compile(
    r'.{0,40}\b(SELECT 1 FROM|DELETE FROM|UPDATE) ONLY "|parallel worker$|JSON.{0,20} \d+: |(unnamed )?portal '
)
# What is ours: the gate, what completes row keys, and the blocks of migrations.
_OURS = ("enter_gate(", "complete_document(", "complete_letter(", "inline_code_block")
# The server's function for RAISE of PL/pgSQL: it may choose any code, also one that the server uses.
_RAISE = "exec_stmt_raise"

TOO_LONG = "a value is too long for PostgreSQL, or for an index (54000)"
_FUNCTION = "a function of the table, such as a trigger, refuses it"


def translate(error: psycopg.Error, state: str) -> CdcError:
    """Translate an error with this SQLSTATE into an engine error that quotes no row values."""
    verdict = _VERDICTS.get(state) or _VERDICTS.get(state[:2], FatalError)
    name = type(error).__name__
    if verdict is TransientError and error.diag.source_function != _RAISE:
        return TransientError(f"PostgreSQL: {'; '.join(filter(None, (name, _HINTS.get(state))))} ({state}).")
    if _is_inside_function(error):
        kind = verdict if isinstance(verdict, ProblemKind) else _DATA
        return DocumentError(Problem(kind, "$", f"{_FUNCTION}: {_describe_chosen(state)}"))
    if state in _REFUSALS:
        refusal, sentence = _REFUSALS[state]
        return refusal(sentence)
    if state == _PAUSED:
        container, reason = error.diag.table_name, error.diag.message_primary
        return PausedError(f"{container} is paused, so nothing of it is written: {reason}")
    if isinstance(verdict, ProblemKind):
        where = error.diag.constraint_name or error.diag.column_name or "$"
        message = TOO_LONG if state == "54000" else f"PostgreSQL refuses it: {name} ({state})"
        return DocumentError(Problem(verdict, where, message))
    reason = "; ".join(text for text in (_own_words(error, state) or name, _HINTS.get(state)) if text)
    return FatalError(f"PostgreSQL refuses the statement: {reason} ({state}).")


def _is_inside_function(error: psycopg.Error) -> bool:
    """Return whether the error has the context of a function that is not ours; its text may be in any language."""
    context = error.diag.context
    frames = context.split("\n") if context else []
    return not all(_NO_FUNCTION.match(frame) for frame in frames) and not any(name in frames[-1] for name in _OURS)


def _describe_chosen(state: str) -> str:
    # A function may choose any five letters, also those of a name.
    try:
        return f"{psycopg.errors.lookup(state).__name__} ({state})"
    except KeyError:
        return "an SQLSTATE of its own"


def _own_words(error: psycopg.Error, state: str) -> str | None:
    if state.startswith(_NAMING) or (state.startswith(_NAMING_AT_A_POSITION) and error.diag.statement_position):
        return error.diag.message_primary
    return None
