"""Read a document's partition key, from a header or from the document itself."""

import re
from dataclasses import dataclass
from typing import Any

from local.cosmos import epk, errors, values
from local.cosmos.values import UNDEFINED

PATH_PART = re.compile(r'/(?:"([^"]+)"|([^/"]+))')


@dataclass(frozen=True, slots=True)
class PartitionKey:
    """Name a logical partition: equal values have equal text, and `epk` says where it lives."""

    text: str
    epk: str


def split_path(path: Any) -> tuple[str, ...]:
    """Split a partition-key path such as /a/b or /"a b"/c into property names."""
    parts = list(PATH_PART.finditer(path)) if isinstance(path, str) else []
    if not parts or "".join(part.group(0) for part in parts) != path:
        raise errors.bad_request(f"The partition key path {path!r} is invalid.")
    return tuple(part.group(1) or part.group(2) for part in parts)


def from_header(header: str) -> PartitionKey:
    """Read the x-ms-documentdb-partitionkey header: one value in an array, [{}] when undefined."""
    components = values.parse(header)
    if not isinstance(components, list) or len(components) != 1:
        raise errors.bad_request("Partition key provided either doesn't correspond to definition in the collection.")
    component = components[0]
    return _from_value(UNDEFINED if component == {} else component)


def from_document(document: values.JsonObject, path: tuple[str, ...]) -> PartitionKey:
    """Extract the partition key that a document carries."""
    return _from_value(values.lookup(document, path))


def _from_value(component: Any) -> PartitionKey:
    if isinstance(component, dict | list):
        raise errors.bad_request("A partition key's value must be a string, a number, a boolean, null or undefined.")
    text = "{}" if component is UNDEFINED else values.render(component).decode()
    return PartitionKey(text=text, epk=epk.effective_key(component))
