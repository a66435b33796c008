"""Read a JSON Schema, such as .NET's exporter writes, as if documents had been profiled."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from cdc.core.errors import RequestError
from cdc.modelling.facts import choose_item_key
from cdc.modelling.forms import Form
from cdc.modelling.nodes import Kind
from cdc.modelling.personal import suspect
from cdc.modelling.profile import (
    TYPE_NAME,
    ArrayFacts,
    Facts,
    KeyFacts,
    NumberFacts,
    Profile,
    Source,
    TextFacts,
    TypeProfile,
)

# As many documents as make a property required that none lacks.
_DOCUMENTS = 100
_DEEPEST = 12
# Types that refer to each other have more paths than anybody can follow; no column is so deep inside.
_REFERENCES_DEEPEST = 4
_KINDS: dict[str, Kind] = {
    "string": "string",
    "boolean": "boolean",
    "array": "array",
    "object": "object",
    "null": "null",
    "number": "number",
    "integer": "number",
}
_TYPES = {
    type(None): "null",
    bool: "boolean",
    str: "string",
    int: "number",
    float: "number",
    list: "array",
    dict: "object",
}
_FORMS = {
    "date-time": Form.INSTANT_UTC,
    "date": Form.DATE,
    "uuid": Form.UUID,
    "uri": Form.URL,
    "email": Form.EMAIL,
    "duration": Form.DURATION_ISO,
}
# The begin of the pattern that .NET's exporter writes for a TimeSpan.
_TIME_SPAN = r"^-?(\d+\.)?\d{2}:\d{2}:\d{2}"
_Schema = Mapping[str, Any]


def read_schema(schema: Any, name: str, digits: int = 7) -> Profile:
    """Return the profile of one type that a schema describes; `name` is the container's.

    Instants have so many `digits` of a second: .NET writes seven.
    """
    if not isinstance(schema, dict) or not isinstance(schema.get("properties"), dict):
        raise RequestError("The schema must describe an object: it needs `properties`.")
    reader = _Reader(schema, digits)
    root = reader.read(schema, required=True)
    type_property, type_name = _find_type(schema)
    type_ = TypeProfile(
        name=type_name,
        documents=_DOCUMENTS,
        key=KeyFacts(ids=_DOCUMENTS, repeated=0, exact=True),
        root=root,
    )
    source = Source(name=name, kind="file", read=_DOCUMENTS, complete=True)
    return Profile(format=1, made_at=datetime.now(UTC), source=source, type_properties=type_property, types=(type_,))


def _find_type(schema: _Schema) -> tuple[tuple[str, ...], str | None]:
    """Return the property that names the type, and the type: what documents say, not the title, is its name."""
    for name in ("$type", "Discriminator", "type"):
        inner = schema["properties"].get(name)
        type_ = inner.get("const") if isinstance(inner, dict) else None
        if isinstance(type_, str) and TYPE_NAME.fullmatch(type_):
            return (name,), type_
    title = schema.get("title")
    return (), title if isinstance(title, str) and TYPE_NAME.fullmatch(title) else None


class _Reader:
    """Follows references inside one schema; a type that contains itself ends as any value."""

    def __init__(self, whole: _Schema, digits: int) -> None:
        self._whole = whole
        self._digits = digits
        # The references that are being followed; the whole schema is one of them.
        self._open = ["#"]
        self._seen: set[str] = set()

    def read(self, schema: Any, *, required: bool, name: str = "", depth: int = 0) -> Facts:
        """Return the facts of the values that a schema allows."""
        reference = schema.get("$ref") if isinstance(schema, dict) else None
        if reference in self._open or depth > _DEEPEST or self._is_known(reference):
            schema = {}  # the type contains itself
        elif isinstance(reference, str):
            self._open.append(reference)
            self._seen.add(reference)
            found = self._read(self._resolve(schema), required=required, name=name, depth=depth)
            self._open.pop()
            return found
        return self._read(self._resolve(schema), required=required, name=name, depth=depth)

    def _is_known(self, reference: object) -> bool:
        """Return whether a type need not be followed here, because it was seen before and this is deep inside."""
        return reference in self._seen and len(self._open) > _REFERENCES_DEEPEST

    def _read(self, schema: _Schema, *, required: bool, name: str, depth: int) -> Facts:
        allowed = _list_types(schema)
        kinds: dict[Kind, int] = {_KINDS[type_]: _DOCUMENTS for type_ in allowed if type_ in _KINDS}
        if not kinds.keys() - {"null"}:  # any value
            kinds |= {"object": 1, "string": 1}
        present = _DOCUMENTS if required else _DOCUMENTS - 1
        texts = _describe_text(schema, self._digits) if "string" in kinds else None
        found = Facts(
            parents=_DOCUMENTS,
            present=present,
            kinds=kinds,
            texts=texts,
            numbers=_describe_number(schema, allowed) if "number" in kinds else None,
            suspicions=suspect(name, {} if texts is None else texts.forms)
            if kinds.keys() & {"string", "number"}
            else {},
        )
        if set(kinds) - {"null"} == {"object"}:
            return found.model_copy(update=self._read_object(schema, name, depth))
        if set(kinds) - {"null"} == {"array"}:
            return found.model_copy(update=self._read_array(schema, name, depth))
        return found

    def _read_object(self, schema: _Schema, name: str, depth: int) -> dict[str, Any]:
        required = schema.get("required", ())
        fields = {
            each: self.read(inner, required=each in required, name=each, depth=depth + 1)
            for each, inner in schema.get("properties", {}).items()
        }
        if fields:
            return {"fields": fields}
        entries = schema.get("additionalProperties", {})
        return {"entries": self.read(entries, required=True, name=name, depth=depth + 1)}

    def _read_array(self, schema: _Schema, name: str, depth: int) -> dict[str, Any]:
        items = self.read(schema.get("items", {}), required=True, name=name, depth=depth + 1)
        keys = [each for each, facts in items.fields.items() if facts.always and facts.kind in ("string", "number")]
        key = choose_item_key([each for each in keys if each.lower().endswith(("id", "key"))], name)
        arrays = ArrayFacts(empty=0, items=_DOCUMENTS, largest=2, item_key=key)
        return {"items": items, "arrays": arrays}

    def _resolve(self, schema: Any, hops: int = 0) -> _Schema:
        if not isinstance(schema, dict):  # true: any value
            return {}
        reference = schema.get("$ref")
        if isinstance(reference, str) and reference.startswith("#") and hops < _DEEPEST:
            found: Any = self._whole
            for part in reference[1:].split("/")[1:]:
                step = part.replace("~1", "/").replace("~0", "~")
                found = found[int(step)] if isinstance(found, list) else found.get(step, {})
            return self._resolve(found, hops + 1)
        for choice in ("anyOf", "oneOf"):
            if choice in schema:
                return self._join([self._resolve(each, hops + 1) for each in schema[choice]])
        return schema

    def _join(self, schemas: Sequence[_Schema]) -> _Schema:
        """Return the one schema beside null; of several, one that allows all their types."""
        filled = [each for each in schemas if _list_types(each) != ["null"]]
        types = list(dict.fromkeys(type_ for each in schemas for type_ in _list_types(each)))
        return {**(filled[0] if len(filled) == 1 else {}), "type": types}


def _list_types(schema: _Schema) -> list[str]:
    types = schema.get("type", "object" if "properties" in schema else None)
    if types is not None:
        return list(types) if isinstance(types, list) else [types]
    values = [*schema.get("enum", ()), *([schema["const"]] if "const" in schema else ())]
    return list(dict.fromkeys(_TYPES[type(value)] for value in values))


def _describe_text(schema: _Schema, digits: int) -> TextFacts:
    form = _FORMS.get(str(schema.get("format")), Form.TEXT)
    if str(schema.get("pattern", "")).startswith(_TIME_SPAN):
        form = Form.DURATION
    return TextFacts(
        forms={form: _DOCUMENTS}, shortest=1, longest=100, fractions={digits: 1} if form is Form.INSTANT_UTC else {}
    )


def _describe_number(schema: _Schema, types: Sequence[str]) -> NumberFacts:
    if "number" in types:
        return NumberFacts(fractional=_DOCUMENTS, digits_before=8, digits_after=2)
    size: Literal["int32", "int53"] = "int53" if schema.get("format") == "int64" else "int32"
    return NumberFacts(sizes={size: _DOCUMENTS}, digits_before=9)
