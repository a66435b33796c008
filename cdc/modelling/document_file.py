"""Read the documents of a JSON file one by one: an array, or one document a line."""

import json
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import IO, Any

from cdc.core.documents import JsonObject
from cdc.core.errors import FatalError

_CHUNK = 1 << 20
# No document is longer: Cosmos takes 2 MB, which may be more as text.
_LONGEST = 64 << 20
_SPACE = " \t\r\n"
# A larger number would take all memory as a whole one.
_LARGEST_EXPONENT = 400


def read_documents(path: Path, *, exact: bool = False) -> Iterator[JsonObject]:
    """Return the documents; raise FatalError, which quotes nothing of the file, where it holds something else.

    With `exact`, numbers with a point keep all their digits. Bytes that are no UTF-8 become lone surrogates, as in what
    Cosmos sends.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            for number, value in enumerate(_Values(file, path.name, exact=exact).read(), 1):
                if not isinstance(value, dict):
                    raise FatalError(f"Item {number} of {path.name} is no JSON object: write one object per document.")
                yield value
    except OSError as error:
        raise FatalError(f"{path.name} cannot be read: {error.strerror}.") from None


class _Values:
    """The values of a file; only one of them, and a chunk of the file, is in memory."""

    def __init__(self, file: IO[str], name: str, *, exact: bool) -> None:
        self._file = file
        self._name = name
        self._text = ""
        self._at = self._lines = 0
        self._ended = False
        self._decode = json.JSONDecoder(parse_float=_read_fraction if exact else None).raw_decode

    def read(self) -> Iterator[Any]:
        """Return the values."""
        in_array = self._next() == "["
        self._at += in_array
        while self._next() not in ("", "]"):
            yield self._take()
            if in_array and self._next() == ",":
                self._at += 1
                if self._next() == "]":
                    raise self._wrong()
        if self._next() == "]":
            if not in_array:
                raise self._wrong()
            self._at += 1
            in_array = False
        if in_array or self._next():
            raise self._wrong()

    def _next(self) -> str:
        """Return the next character that is no space, or "" at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._text) or not self._more():
                return self._text[self._at : self._at + 1]

    def _take(self) -> Any:
        while True:
            try:
                value, end = self._decode(self._text, self._at)
            except json.JSONDecodeError:
                if len(self._text) - self._at > _LONGEST or not self._more():
                    raise self._wrong() from None
                continue
            except (RecursionError, ValueError):
                raise FatalError(
                    f"{self._name} is nested too deep near line {self._line}, or a number there has too many digits."
                ) from None
            # A number at the end of a chunk may go on in the next one.
            if end < len(self._text) or not self._more():
                self._at = end
                return value

    def _more(self) -> bool:
        """Read on, at least as much as is in memory; return False at the end of the file."""
        if self._ended:
            return False
        rest = self._text[self._at :]
        self._lines += self._text.count("\n", 0, self._at)
        chunk = self._file.read(max(_CHUNK, len(rest)))
        self._text, self._at, self._ended = rest + chunk, 0, not chunk
        return bool(chunk)

    @property
    def _line(self) -> int:
        return self._lines + self._text.count("\n", 0, self._at) + 1

    def _wrong(self) -> FatalError:
        return FatalError(
            f"{self._name} is no JSON in or after line {self._line}: it must be an array of documents, or one "
            "document a line."
        )


def _read_fraction(text: str) -> Decimal | float:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return float(text)
    return number if abs(number.adjusted()) <= _LARGEST_EXPONENT else float(text)
