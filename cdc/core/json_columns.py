"""Types of JSON columns: each value is written once, here, so that exactly what was checked is stored.

Secrets of the model's conventions are left out. Messages say what was expected and never quote the value.
"""

import json
import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import GetPydanticSchema
from pydantic_core import CoreSchema, core_schema, to_json

from cdc.core.conventions import Secrets, current
from cdc.core.frozen import frozen
from cdc.core.json_text import JsonText

# `to_json` writes so many arrays and objects inside each other, whatever stands in the innermost.
_TOO_DEEP = "must not be nested more than 254 levels deep"
_ENCODE = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")).encode
# The NUL character in JSON; an even number of backslashes before it are escaped backslashes.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


@frozen
class Json(JsonText):
    """The value of a JSON column; `names` are those of the outermost object."""

    names: tuple[str, ...] = ()


class _Number(str):
    """A number with all its digits."""

    __slots__ = ()


def _column(empty: Json, *, embedded: bool) -> GetPydanticSchema:
    """Declare an array or object; an embedded one is JSON in a string, or in a string in a string."""

    def build(_source: object, _handler: object) -> CoreSchema:
        secrets = current().secrets

        def read(value: object) -> Json:
            written = None
            for _ in range(2 if embedded else 0):
                if isinstance(value, str):
                    written, value = value, _parse(value, str) if value else None
            if value is None or (embedded and value == ""):
                return empty
            if not isinstance(value, list | dict):
                raise ValueError("must be an array or an object")  # noqa: TRY004 - pydantic collects only ValueError
            return _write(value, written, secrets)

        return core_schema.no_info_plain_validator_function(read)

    return GetPydanticSchema(build)


def _as_it_is(_source: object, _handler: object) -> CoreSchema:
    secrets = current().secrets
    return core_schema.no_info_plain_validator_function(lambda value: _write(value, None, secrets))


def _parse(text: str, number: Callable[[str], str]) -> Any:
    try:
        return json.loads(text, parse_int=number, parse_float=number, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except ValueError:
        raise ValueError("must be JSON in a string") from None


def _refuse_constant(_: str) -> None:
    raise ValueError


def _write(value: Any, written: str | None, secrets: Secrets) -> Json:
    """Write a value; one that is `written` in a string keeps the digits of its numbers."""
    text = _encode(value)
    if b"\\u0000" in text and _NUL.search(text):
        raise ValueError("text must not contain the NUL character")
    if written is None and (b"NaN" in text or b"Infinity" in text):
        _check_finite(value)
    if secrets.may_be_in(text):
        value = _remove(secrets, value if written is None else _parse(written, _Number))
        text = _encode_exactly(value).encode()
    elif written is not None:
        text = written.encode()
    return Json(text, tuple(value) if isinstance(value, dict) else ())


def _encode(value: Any) -> bytes:
    try:
        return to_json(value)
    except ValueError:
        raise ValueError(_TOO_DEEP if _is_unicode(value) else "text must be valid Unicode") from None


def _is_unicode(value: Any) -> bool:
    try:
        _ENCODE(value).encode()
    except UnicodeEncodeError:
        return False
    except (RecursionError, ValueError):
        pass
    return True


def _check_finite(value: Any) -> None:
    try:
        _ENCODE(value)
    except ValueError:
        raise ValueError("numbers must be finite") from None


def _remove(secrets: Secrets, value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _remove(secrets, item) for name, item in value.items() if not secrets.has(name)}
    if isinstance(value, list):
        return [_remove(secrets, item) for item in value]
    return _clean_text(secrets, value) if isinstance(value, str) and not isinstance(value, _Number) else value


def _clean_text(secrets: Secrets, text: str) -> str:
    """Return a text without the secrets that it has if it is JSON."""
    if not text.lstrip().startswith(("{", "[", '"')):
        return text
    try:
        value = _parse(text, _Number)
        cleaned = _remove(secrets, value)
    except (ValueError, RecursionError):
        return text
    return text if cleaned == value else _encode_exactly(cleaned)


def _encode_exactly(value: Any) -> str:
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{_ENCODE(name)}:{_encode_exactly(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_encode_exactly, value)) + "]"
    return _ENCODE(value)


EMPTY_ARRAY, EMPTY_OBJECT = Json(b"[]"), Json(b"{}")
# Any value, as it is.
JsonValue = Annotated[Json, GetPydanticSchema(_as_it_is)]
# An array or object; null is the empty one.
JsonArray = Annotated[Json, _column(EMPTY_ARRAY, embedded=False)]
JsonObject = Annotated[Json, _column(EMPTY_OBJECT, embedded=False)]
EmbeddedArray = Annotated[Json, _column(EMPTY_ARRAY, embedded=True)]
EmbeddedObject = Annotated[Json, _column(EMPTY_OBJECT, embedded=True)]
