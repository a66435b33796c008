"""The `id` that Entity Framework wrote before version 9: the type, a bar, and the escaped key."""

import re
from typing import Any

# https://github.com/dotnet/efcore/issues/38244: `^` itself is not escaped, so only `Id` can tell a key with `^2F` from
# one with `/`.
_ESCAPES = {"|": "^|", "/": "^2F", "\\": "^5C", "?": "^3F", "#": "^23"}
_ESCAPE = str.maketrans(_ESCAPES)
_CHARACTERS = {escape: character for character, escape in _ESCAPES.items()}
_ESCAPED = re.compile(r"\^(?:\||2F|5C|3F|23)")


def read_key(type_: str, id_: Any) -> Any:
    """Return the key that `id` has behind the type; `id` itself if it does not begin with the type."""
    if not isinstance(id_, str) or "|" not in id_:
        return id_
    prefix = f"{type_}|"
    return _ESCAPED.sub(_unescape, id_[len(prefix) :]) if id_.startswith(prefix) else id_


def write_id(type_: str, key: str) -> str:
    """Return the `id` that Entity Framework wrote for a key."""
    return f"{type_}|{key.translate(_ESCAPE)}"


def _unescape(match: re.Match[str]) -> str:
    return _CHARACTERS[match[0]]
