"""What JSON columns hold, with every digit and without secrets: the comparison's own code, none of the product's."""

import json
import re
from decimal import Decimal
from typing import Any

from local.oracle.fields import Expected, Json

_SECRET = re.compile(
    "code|parentalcontrolpinhash|passwordhash|purchasetoken|refreshtoken.*|securitystamp|twofactorsecretkey"
    "|verificationtoken|verificationtokenhash"
)


def read_json(text: str | bytes) -> Any:
    """Read JSON with all digits of its numbers."""
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


def items(name: str) -> Expected:
    """Read an array as it is, without secrets."""
    return lambda document: [] if document.get(name) is None else _public(document[name], _SECRET)


def as_it_is(name: str, secret: re.Pattern[str]) -> Expected:
    """Read any value as it is, without these secrets."""
    return lambda document: _public(document.get(name), secret)


def packed(name: str, default: object) -> Expected:
    """Read JSON that may be packed in a text, once or twice."""

    def read(document: Json) -> object:
        value = document.get(name)
        for _ in range(2):
            if isinstance(value, str) and value:
                value = read_json(value)
        return default if value is None or value == "" else _public(value, _SECRET)

    return read


def _public(value: Any, secret: re.Pattern[str]) -> Any:
    if isinstance(value, dict):
        return {name: _public(inner, secret) for name, inner in value.items() if not _is_secret(name, secret)}
    if isinstance(value, list):
        return [_public(item, secret) for item in value]
    return _public_text(value, secret) if isinstance(value, str) else value


def _public_text(text: str, secret: re.Pattern[str]) -> str:
    """Take secrets out of a text that is itself JSON; any other text stays as it is."""
    try:
        inner = json.loads(text)
    except ValueError:
        return text
    public = _public(inner, secret)
    return text if public == inner else json.dumps(public, ensure_ascii=False, separators=(",", ":"))


def _is_secret(name: str, secret: re.Pattern[str]) -> bool:
    return secret.fullmatch(name.lower().replace("_", "")) is not None


def is_equal(expected: Any, found: Any) -> bool:
    """Compare values as JSON does, where true is not 1, and as PostgreSQL holds them: all digits, or a double."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return expected.keys() == found.keys() and all(is_equal(value, found[name]) for name, value in expected.items())
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(map(is_equal, expected, found))
    if isinstance(expected, bool) or isinstance(found, bool):
        return expected is found
    if isinstance(expected, int | Decimal) and isinstance(found, float):
        return float(expected) == found
    if isinstance(expected, float) and isinstance(found, int | Decimal):
        # A double is written with the digits that tell it from all others.
        return Decimal(repr(expected)) == found
    return bool(expected == found)
