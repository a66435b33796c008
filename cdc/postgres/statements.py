"""Load the named statements of sql/*.sql."""

import re
from functools import cache
from pathlib import Path
from typing import LiteralString

SQL = Path(__file__).parents[2] / "sql"

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@cache
def _statements() -> dict[str, str]:
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(SQL.glob("*.sql")) if path.name != "roles.sql")
    _, *parts = _NAME.split(text)
    return {name: text.strip() for name, text in zip(parts[::2], parts[1::2], strict=True)}


def statement(name: str) -> LiteralString:
    """Return a named statement; it comes from a file of this project, never from input."""
    return _statements()[name]
