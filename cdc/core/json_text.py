"""The value of a JSON column as the text that is stored."""

from typing import Any

from pydantic_core import to_json

from cdc.core.frozen import frozen


@frozen
class JsonText:
    """JSON that a mapper has written itself; Python's numbers could not hold all digits of its numbers."""

    text: bytes


def write_json(value: Any) -> bytes:
    """Write the value of a JSON column; raise ValueError if JSON cannot hold it."""
    return value.text if isinstance(value, JsonText) else to_json(value)
