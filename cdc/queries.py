"""Load the named statements of sql/queries.sql."""

import re
from functools import cache
from pathlib import Path
from typing import LiteralString

SQL = Path(__file__).parent.parent / "sql"

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@cache
def _statements() -> dict[str, str]:
    _, *parts = _NAME.split((SQL / "queries.sql").read_text(encoding="utf-8"))
    return {name: text.strip() for name, text in zip(parts[::2], parts[1::2], strict=True)}


def statement(name: str) -> LiteralString:
    """Return a named statement; it comes from a file of this project, never from input."""
    return _statements()[name]
