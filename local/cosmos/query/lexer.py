"""Cut a query's text into tokens."""

import json
import re
from dataclasses import dataclass
from typing import Literal

from local.cosmos import errors

Kind = Literal["number", "string", "parameter", "name", "sign", "end"]

SPACE = re.compile(r"(?:\s|--[^\r\n]*)*")
TOKEN = re.compile(
    r"""
        (?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
      | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<parameter>@[A-Za-z_][A-Za-z0-9_]*)
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<sign>>>>|<<|>>|<=|>=|!=|<>|\|\||\?\?|[-+*/%<>=(),.\[\]{}:?~&|^])
    """,
    re.VERBOSE,
)
BITWISE = frozenset({"&", "|", "^", "~", "<<", ">>", ">>>"})
STRING_PART = re.compile(r"""\\(.)|(")""", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Token:
    """Hold one word, literal or sign and where it stands."""

    kind: Kind
    text: str
    start: int
    end: int

    def is_word(self, *words: str) -> bool:
        """Tell whether the token is one of these keywords, however it is capitalized."""
        return self.kind == "name" and self.text.upper() in words

    def is_sign(self, *signs: str) -> bool:
        """Tell whether the token is one of these signs."""
        return self.kind == "sign" and self.text in signs


def tokens(text: str) -> list[Token]:
    """Cut a query into tokens, the last of which says that it ends."""
    found: list[Token] = []
    start = _skip(text, 0)
    while start < len(text):
        match = TOKEN.match(text, start)
        if match is None or match.lastgroup is None:
            raise syntax_error(text[start], start, start + 1)
        if match.group() in BITWISE:
            raise not_imitated(f"The operator {match.group()}")
        found.append(Token(_kind(match.lastgroup), match.group(), start, match.end()))
        start = _skip(text, match.end())
    end = found[-1].end if found else 0
    found.append(Token("end", "", end, end))
    return found


def string_value(token: Token) -> str:
    """Read a string literal in either kind of quotes."""
    inner = STRING_PART.sub(_requote, token.text[1:-1])
    try:
        return str(json.loads(f'"{inner}"', strict=False))
    except ValueError as error:
        raise syntax_error(token.text, token.start, token.end) from error


def syntax_error(near: str, start: int, end: int, *, code: str = "SC1001", message: str = "") -> errors.CosmosError:
    """Refuse a query and point at where it goes wrong."""
    message = message or f"Syntax error, incorrect syntax near '{near}'."
    problem = {"severity": "Error", "location": {"start": start, "end": end}, "code": code, "message": message}
    return errors.bad_request(f"Message: {json.dumps({'errors': [problem]})}")


def not_imitated(what: str) -> errors.CosmosError:
    """Refuse what the service can do and this server cannot; the Python SDK would repeat what is answered with 501."""
    return errors.bad_request(f"{what} is not imitated by this server.")


def _skip(text: str, start: int) -> int:
    space = SPACE.match(text, start)
    return start if space is None else space.end()


def _requote(match: re.Match[str]) -> str:
    escaped, bare_quote = match.groups()
    if bare_quote:
        return '\\"'
    return "'" if escaped == "'" else f"\\{escaped}"


def _kind(group: str) -> Kind:
    kinds: dict[str, Kind] = {
        "number": "number",
        "string": "string",
        "parameter": "parameter",
        "name": "name",
        "sign": "sign",
    }
    return kinds[group]
