"""Read documents of every generation: type and key, renamed properties, and unknown properties."""

import re
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from cdc.core.conventions import Conventions, DeleteMark, fold
from cdc.core.document_models import RootDocument, Shape, shape
from cdc.core.documents import JsonObject
from cdc.core.errors import DocumentError, Problem, ProblemKind
from cdc.core.mapping import Observation, ObservationKind, Read
from cdc.core.prefixed_ids import read_key, write_id
from cdc.core.writes import json_path

_EMPTY = (None, "")
_MISSPELLED = "is missing: the document has it in another spelling"
_MISSPELLED_MARK = "has another spelling: it is unclear whether the document is deleted"
# Any other name may be a key in user data.
_PROPERTY = re.compile(r"[A-Za-z_$][A-Za-z0-9_]{0,63}")

Root = TypeVar("Root", bound=RootDocument)


class DocumentReader(Generic[Root]):
    """Reads documents of all generations; a document of another type, or marked as deleted, has no rows.

    A document that names no type is of the model's type.
    """

    def __init__(self, model: type[Root]) -> None:
        self.model = model
        # The function behind model_validate, which takes a microsecond more.
        self._validate = TypeAdapter(model).validator.validate_python
        # Read once from the model, because that is slow for every document.
        self.conventions: Conventions = model.conventions
        self._type = model.type_name or model.__name__
        self.types = frozenset({self._type})
        self._injected = model.injected
        self._root = shape(model)
        self._newest = next(iter(self.conventions.type_properties), None)
        self._older = self.conventions.type_properties[1:]
        self._key = None if self.conventions.key == "id" else self.conventions.key
        self._prefix = self._type if self.conventions.prefixed_ids else None
        self._mark = self.conventions.delete_mark

    def read(self, body: JsonObject) -> Read[Root]:
        """Return a document as its model, with the observations."""
        observations: list[Observation] = []
        document = None
        unmapped_type = self._find_other_type(body, observations)
        if unmapped_type is None:
            values = self._resolve(body, observations)
            _find_unknown(self._root, body, observations, self.conventions)
            # A deleted document must lose its rows, even if the rest of it is not valid.
            if self._mark is None or not _is_deleted(self._mark, body, observations):
                try:
                    document = self._validate(values)
                except ValidationError as error:
                    raise self._explain(error, observations) from None
        return Read(document, tuple(dict.fromkeys(observations)) if observations else (), unmapped_type)

    def _find_other_type(self, body: JsonObject, observations: list[Observation]) -> str | None:
        """Return the document's type if it is not the model's, else None."""
        if self._newest is None:
            return None
        if body.get(self._newest) == self._type:
            for name in self._older:
                if name in body:
                    break
            else:
                return None
        named = find_type(self.conventions, body)
        if named is None:
            return None
        observations += [_ambiguous(name) for name in self._older if body.get(name) not in (*_EMPTY, named)]
        return None if named == self._type else named

    def _resolve(self, body: JsonObject, observations: list[Observation]) -> JsonObject:
        """Keep each renamed property under one name only, because pydantic also takes a null or empty one."""
        has_losers = self._injected or _has_both(self._root.rivals, body)
        dropped = self._losers(body, observations) if has_losers else []
        replaced: JsonObject = {}
        for name, heard in self._root.presences:
            replaced[name] = not heard.isdisjoint(body)
        id_ = body.get("id")
        key = id_ if self._prefix is None else read_key(self._prefix, id_)
        if self._key is not None and (not key or body.get(self._key) != key):
            self._compare_keys(self._key, body, key, dropped, observations)
        if key != id_:
            replaced["id"] = key
        if not dropped and not replaced:
            return body
        resolved = body | replaced
        for name in dropped:
            resolved.pop(name, None)
        return resolved

    def _compare_keys(
        self, name: str, body: JsonObject, key: Any, dropped: list[str], observations: list[Observation]
    ) -> None:
        """Note an `id` with another key than the property of the key, and drop that property if it has none."""
        own = body.get(name)
        if isinstance(own, str) and own:
            if own != key and (self._prefix is None or write_id(self._prefix, own) != body.get("id")):
                observations.append(_ambiguous("id"))
        elif name in body:
            if own not in _EMPTY:
                observations.append(_ambiguous(name))
            dropped.append(name)

    def _losers(self, body: JsonObject, observations: list[Observation]) -> list[str]:
        losers = [name for name in self._injected if body.get(name) == self._type]
        observations += map(_ambiguous, losers)
        for names in self._root.renamed:
            given = [name for name in names if name in body]
            if len(given) > 1:
                losers += _older(body, [name for name in given if name not in losers], observations)
        return losers

    def _explain(self, error: ValidationError, observations: Sequence[Observation]) -> Exception:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        if first["type"] == "missing" and self._is_misspelled(first["loc"], observations):
            return DocumentError(Problem(ProblemKind.MAPPING, json_path(first["loc"]), _MISSPELLED))
        return error

    def _is_misspelled(self, location: Sequence[int | str], observations: Sequence[Observation]) -> bool:
        """Return whether a missing property was found under another spelling of any of its names."""
        *parents, last = ("[]" if isinstance(part, int) else f".{part}" for part in location)
        names = next((names for names in self._root.renamed if f".{names[0]}" == last), ())
        paths = {"".join(("$", *parents, name)) for name in (last, *(f".{name}" for name in names))}
        return any(each.kind is ObservationKind.SPELLING and each.path in paths for each in observations)


def find_type(conventions: Conventions, body: JsonObject) -> str | None:
    """Return the type that a document names, or None; raise DocumentError if it is no text, unless it is deleted."""
    for name in conventions.type_properties:
        value = body.get(name)
        if value in _EMPTY:
            continue
        if isinstance(value, str):
            return value
        if conventions.has_delete_mark(body):
            return None
        # A copy tool turned the value into an array: the document's type is unknown.
        raise DocumentError(Problem(ProblemKind.MAPPING, f"$.{name}", "Input should be a valid string"))
    return None


def _is_deleted(mark: DeleteMark, body: JsonObject, observations: Sequence[Observation]) -> bool:
    value = body.get(mark.property)
    # Most documents have no mark, or one that is false.
    if value is not None and (value is not False or mark.value is False):
        if mark.marks(value):
            return True
        if not mark.allows(value):
            message = "Input should be a valid boolean" if mark.value is True else _MISSPELLED_MARK
            raise DocumentError(Problem(ProblemKind.MAPPING, f"$.{mark.property}", message))
    if observations and Observation(ObservationKind.SPELLING, f"$.{mark.property}") in observations:
        _refuse_misspelled(mark, body)
    return False


def _refuse_misspelled(mark: DeleteMark, body: JsonObject) -> None:
    folded = fold(mark.property)
    values = [value for name, value in body.items() if name != mark.property and fold(name) == folded]
    if any(value not in (None, False) for value in values):
        raise DocumentError(Problem(ProblemKind.MAPPING, f"$.{mark.property}", _MISSPELLED_MARK))


def _has_both(rivals: Sequence[tuple[str, str]], body: JsonObject) -> bool:
    for one, other in rivals:  # noqa: SIM110 - any() of a generator takes three times as long
        if one in body and other in body:
            return True
    return False


def _older(body: JsonObject, given: Sequence[str], observations: list[Observation]) -> Sequence[str]:
    """Return the names before the winning one, and note later names with different values."""
    filled = [name for name in given if body[name] not in _EMPTY]
    if not filled:
        return ()
    winner, *others = filled
    observations += [_ambiguous(name) for name in others if body[name] != body[winner]]
    return given[: given.index(winner)]


def _ambiguous(name: str) -> Observation:
    return Observation(ObservationKind.AMBIGUOUS, f"$.{name}")


def _find_unknown(shape: Shape, value: JsonObject, observations: list[Observation], conventions: Conventions) -> None:
    if not shape.known.issuperset(value):
        unknown = sorted(value.keys() - shape.known)
        observations += [_describe(shape, name) for name in unknown if not _is_foreign(shape, name, conventions)]
    for name, inner in shape.nested:
        items = value.get(name)
        for item in items if isinstance(items, list) else (items,):
            if isinstance(item, dict):
                _find_unknown(inner, item, observations, conventions)


def _is_foreign(shape: Shape, name: str, conventions: Conventions) -> bool:
    """Return whether a property is not counted: Cosmos's own ones and secrets."""
    return (name.startswith("_") and shape.path == "$") or conventions.secrets.has(name)


def _describe(shape: Shape, name: str) -> Observation:
    meant = shape.read.get(fold(name))
    if meant is not None:
        return Observation(ObservationKind.SPELLING, f"{shape.path}.{meant}")
    return Observation(ObservationKind.UNKNOWN, f"{shape.path}.{name if _PROPERTY.fullmatch(name) else '*'}")
