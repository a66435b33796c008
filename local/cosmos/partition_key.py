"""Read a document's partition key, from a header or from the document itself."""

import re
from dataclasses import dataclass
from typing import Any

from local.cosmos import epk, epk_v1, errors, values
from local.cosmos.values import UNDEFINED, JsonObject

PATH_PART = re.compile(r"""/(?:"([^"]+)"|'([^']+)'|([^/"']+))""")
MOST_PATHS = 3
MISMATCH = (
    "Partition key provided either doesn't correspond to definition in the collection or doesn't match partition key "
    "field values specified in the document."
)


@dataclass(frozen=True, slots=True)
class PartitionKey:
    """Name a logical partition: equal values have equal text, and `epk` says where it lives."""

    text: str
    epk: str


class Definition:
    """Hold how a container's documents are partitioned: by one path, or hierarchically by up to three."""

    def __init__(self, definition: Any) -> None:
        self.hierarchical, self.version = _kind(definition)
        self.names: list[str] = definition["paths"]
        self.paths = [split_path(path) for path in self.names]

    @property
    def space(self) -> tuple[int, int]:
        """Tell between which numbers the keys lie."""
        return epk.SPACE_V1 if self.version == 1 else epk.SPACE

    def boundaries(self, count: int) -> list[tuple[str, str]]:
        """Cut the key space into ranges."""
        return epk.boundaries(count, self.space)

    def cut(self, low: str, high: str, count: int) -> list[tuple[str, str]]:
        """Cut one range of the key space."""
        try:
            return epk.cut(low, high, count, self.space)
        except ValueError as error:
            raise errors.bad_request(str(error)) from error

    def from_header(self, header: str) -> PartitionKey:
        """Read the x-ms-documentdb-partitionkey header: an array with one value for each path, {} when undefined."""
        components = values.parse(header)
        if not isinstance(components, list) or len(components) != len(self.paths):
            raise errors.bad_request(MISMATCH, substatus=errors.PARTITION_KEY_MISMATCH)
        return self._key([UNDEFINED if component == {} else component for component in components])

    def from_document(self, document: JsonObject) -> PartitionKey:
        """Extract the partition key that a document carries."""
        return self._key([_scalar(values.lookup(document, path)) for path in self.paths])

    def value(self, document: JsonObject) -> JsonObject:
        """Write the partition key's values under their paths; an undefined one is left out."""
        found = (
            (name, _scalar(values.lookup(document, path))) for name, path in zip(self.names, self.paths, strict=True)
        )
        return {name.removeprefix("/"): item for name, item in found if item is not UNDEFINED}

    def _key(self, components: list[Any]) -> PartitionKey:
        if any(isinstance(component, dict | list) for component in components):
            raise errors.bad_request(
                "A partition key's value must be a string, a number, a boolean, null or undefined."
            )
        text = ",".join("{}" if item is UNDEFINED else values.render(item).decode() for item in components)
        effective_key = epk_v1.effective_key if self.version == 1 else epk.effective_key
        return PartitionKey(text=text, epk="".join(map(effective_key, components)))


def split_path(path: Any) -> tuple[str, ...]:
    """Split a partition-key path such as /a/b or /"a/b"/c into property names."""
    parts = list(PATH_PART.finditer(path)) if isinstance(path, str) else []
    if not parts or "".join(part.group(0) for part in parts) != path:
        raise errors.bad_request(f"The partition key path {path!r} is invalid.")
    return tuple(part.group(part.lastindex or 0) for part in parts)


def _scalar(value: Any) -> Any:
    return UNDEFINED if isinstance(value, dict | list) else value


def _kind(definition: Any) -> tuple[bool, int]:
    if not isinstance(definition, dict) or not isinstance(definition.get("paths"), list) or not definition["paths"]:
        raise errors.bad_request("A container needs a partitionKey with its paths.")
    kind = definition.get("kind", "Hash")
    if kind not in ("Hash", "MultiHash"):
        raise errors.bad_request(f"The kind {kind!r} of a partition key is neither Hash nor MultiHash.")
    hierarchical = kind == "MultiHash"
    if len(definition["paths"]) > (MOST_PATHS if hierarchical else 1):
        raise errors.bad_request("Too many partition key paths are specified.")
    version = definition.get("version", 2 if hierarchical else 1)
    if version not in ((2,) if hierarchical else (1, 2)):
        raise errors.bad_request(f"The version {version!r} of a partition key does not go with its kind.")
    return hierarchical, version
