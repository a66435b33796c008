"""What POSTGRES_CONNECTION leads to: libpq's parameters, out of every form in which people hold them."""

import re

import certifi
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from cdc.config import npgsql

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_UNVERIFIED = ("allow", "prefer", "require")
_FORMS = (
    "must be a libpq URI, postgresql://user:password@host:5432/database, or libpq keywords, host=... dbname=..., "
    "or Npgsql keywords, Host=...;Database=...;Username=...;Password=..., a value that holds ; or a quote in quotes"
)
_MISREAD = (
    "must be a libpq URI, postgresql://user:password@host:5432/database, with user and password percent-encoded "
    "(%40 for @, %2F for /, %3A for :, %25 for %), a number as its port, and no parameter that libpq does not have"
)


def read(text: str) -> str:
    """Return the libpq form of a connection; a server on another machine is verified.

    Raises ValueError with a sentence that says what to do and quotes no value.
    """
    parameters = _read_npgsql(text)
    if parameters is None:
        parameters = _read_libpq(text)
    if re.search(r"[@\s;=]", parameters.get("host", "")) or not re.fullmatch(r"[\d,]*", parameters.get("port", "")):
        raise ValueError(_MISREAD if _is_uri(text) else _FORMS)
    return make_conninfo(**(parameters if _is_here(parameters) else _verify(parameters)))


def check_for_token(conninfo: str) -> None:
    """Raise ValueError when an Entra token cannot be the password of this connection."""
    parameters = {name: str(value) for name, value in conninfo_to_dict(conninfo).items()}
    if "password" in parameters:
        raise ValueError("is set, but POSTGRES_CONNECTION holds a password too: remove one of them")
    if "user" not in parameters:
        raise ValueError("needs a user in POSTGRES_CONNECTION: the name that the identity has in the database")
    if not _is_here(parameters) and not parameters.get("sslmode", "").startswith("verify-"):
        raise ValueError("would send its token to a server that is not verified: remove sslmode from the connection")


def _read_npgsql(text: str) -> dict[str, str] | None:
    """Return the parameters of an Npgsql connection string, None when it is in another form."""
    pairs = [] if _is_uri(text) else npgsql.split(text)
    unknown = [number for number, (keyword, _) in enumerate(pairs, 1) if keyword not in npgsql.KEYWORDS]
    if len(unknown) == len(pairs) or ((unknown or ";" not in text) and _is_libpq(text)):
        return None
    if unknown:
        # By number, not by name: it may be the rest of a password whose semicolon is not in quotes.
        raise ValueError(f"has a keyword that Npgsql does not have, number {unknown[0]}: correct it, or quote a value")
    parameters = npgsql.translate(pairs)
    # Require has verified in some versions of Npgsql and not in others: what it says at least is taken at its best.
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
    # Without a host libpq asks its own environment, which may name another machine; a socket ignores sslmode.
    hosts = (parameters.get("hostaddr") or parameters.get("host") or "").split(",")
    return all(host in _LOOPBACK or host.startswith("/") for host in hosts)


def _verify(parameters: dict[str, str]) -> dict[str, str]:
    mode = parameters.get("sslmode", "verify-full")
    if mode in ("allow", "prefer"):
        raise ValueError(
            f"has sslmode={mode}, which falls back to plain text unseen: remove it, so that the server is verified, "
            "or say sslmode=disable where the network is yours"
        )
    if not mode.startswith("verify-"):
        return parameters  # written down, and it does what it says
    # "system" would be a folder that only the machine has on which psycopg's wheel was built.
    return {"sslmode": mode, "sslrootcert": certifi.where()} | parameters
