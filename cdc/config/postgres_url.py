"""Read POSTGRES_CONNECTION in each of its forms as libpq parameters."""

import re

import certifi
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from cdc.config import npgsql

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_UNVERIFIED = ("allow", "prefer", "require")
_FORMS = (
    "must be a libpq URI, postgresql://user:password@host:5432/database, or libpq keywords, host=... dbname=..., "
    "or Npgsql keywords, Host=...;Database=...;Username=...;Password=..., with quotes around a value with ; or quotes"
)
_MISREAD = (
    "must be a libpq URI, postgresql://user:password@host:5432/database, with user and password percent-encoded "
    "(%40 for @, %2F for /, %3A for :, %25 for %), a number as its port, and no parameter that libpq does not have"
)


def read(text: str) -> str:
    """Return the libpq form of a connection; a server on another machine is verified.

    Raises ValueError; its message says what to do and quotes no value.
    """
    parameters = _read_npgsql(text)
    if parameters is None:
        parameters = _read_libpq(text)
    if re.search(r"[@\s;=]", parameters.get("host", "")) or not re.fullmatch(r"[\d,]*", parameters.get("port", "")):
        raise ValueError(_MISREAD if _is_uri(text) else _FORMS)
    return make_conninfo(**(parameters if _is_here(parameters) else _verify(parameters)))


def check_for_token(conninfo: str) -> None:
    """Raise ValueError if this connection cannot use an Entra token as its password."""
    parameters = {name: str(value) for name, value in conninfo_to_dict(conninfo).items()}
    if "password" in parameters:
        raise ValueError("is set, but POSTGRES_CONNECTION has a password too: remove one of them")
    if "user" not in parameters:
        raise ValueError("needs a user in POSTGRES_CONNECTION: the identity's name in the database")
    if not _is_here(parameters) and not parameters.get("sslmode", "").startswith("verify-"):
        raise ValueError("would send its token to an unverified server: remove sslmode from POSTGRES_CONNECTION")


def _read_npgsql(text: str) -> dict[str, str] | None:
    """Return the parameters of an Npgsql connection string, or None if it has another form."""
    pairs = [] if _is_uri(text) else npgsql.split(text)
    unknown = [number for number, (keyword, _) in enumerate(pairs, 1) if keyword not in npgsql.KEYWORDS]
    if len(unknown) == len(pairs) or ((unknown or ";" not in text) and _is_libpq(text)):
        return None
    if unknown:
        # By number, not by name: it may be part of a password that contains an unquoted semicolon.
        raise ValueError(f"has an unknown Npgsql keyword, number {unknown[0]}: correct it, or quote a value that has ;")
    parameters = npgsql.translate(pairs)
    # Some versions of Npgsql verify the server for Require, others do not: here it is always verified.
    if not _is_here(parameters) and parameters.get("sslmode") in _UNVERIFIED:
        del parameters["sslmode"]
    return parameters


def _is_uri(text: str) -> bool:
    return text.startswith(("postgresql://", "postgres://"))


def _is_libpq(text: str) -> bool:
    try:
        return bool(conninfo_to_dict(text))
    except ProgrammingError:
        return False


def _read_libpq(text: str) -> dict[str, str]:
    try:
        return {name: str(value) for name, value in conninfo_to_dict(text).items()}
    except ProgrammingError:
        # libpq's own message may quote the password.
        raise ValueError(_MISREAD if _is_uri(text) else _FORMS) from None


def _is_here(parameters: dict[str, str]) -> bool:
    # Without a host, libpq reads its environment, which may name another machine; a socket ignores sslmode.
    hosts = (parameters.get("hostaddr") or parameters.get("host") or "").split(",")
    return all(host in _LOOPBACK or host.startswith("/") for host in hosts)


def _verify(parameters: dict[str, str]) -> dict[str, str]:
    mode = parameters.get("sslmode", "verify-full")
    if mode in ("allow", "prefer"):
        raise ValueError(
            f"has sslmode={mode}, which silently falls back to plain text: remove it to verify the server, or set "
            "sslmode=disable if the network is yours"
        )
    if not mode.startswith("verify-"):
        return parameters  # chosen explicitly, and without a silent fallback
    # "system" would be a folder that exists only on the machine that built psycopg's wheel.
    return {"sslmode": mode, "sslrootcert": certifi.where()} | parameters
