"""Read documents of every generation: type and key, renamed properties, and unknown properties."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any, ClassVar, Generic, Self, TypeVar, get_args

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_pascal

from cdc.core.documents import JsonObject
from cdc.core.errors import DocumentError, Problem, ProblemKind
from cdc.core.mapping import Observation, ObservationKind, Read
from cdc.core.writes import json_path
from mappers.fields import Text
from mappers.ids import read_key, write_id
from mappers.json_columns import Json
from mappers.names import SECRETS, fold, is_secret

_EMPTY = (None, "")
_KEYS = ("Id", "id")
_TYPE_NAMES = ("$type", "Discriminator")
_MISSPELLED = "is missing: the document has it in another spelling"
_MISSPELLED_MARK = "has another spelling: it is unclear whether the document is deleted"
# Any other name may be a key in user data.
_PROPERTY = re.compile(r"[A-Za-z_$][A-Za-z0-9_]{0,63}")

# Properties that Entity Framework, the application's base classes and Cosmos write into every document.
_COMMON = {
    *("$type", "Discriminator", "PartitionKeyId", "PartitionKeyIdUpper"),
    *("CreatedAt", "CreatedBy", "UpdatedAt", "UpdatedBy", "DeletedAt", "DeletedBy"),
    *("_rid", "_self", "_etag", "_attachments", "_ts", "_lsn"),
}


@dataclass(frozen=True, slots=True)
class Presence:
    """Marks a field that is true if a document has any of these properties, with any value."""

    names: frozenset[str]

    @classmethod
    def of(cls, *names: str) -> Self:
        """Return the mark for these names."""
        return cls(frozenset(names))


def renamed(*names: str, default: Any = ...) -> Any:
    """Declare a field by all names that its property has had, the newest first.

    The newest name with a value other than null and "" wins: the newest application reads that one.
    """
    return Field(default, validation_alias=AliasChoices(*names))


class DocumentModel(BaseModel):
    """A document, or an object inside one; property names are Pascal case.

    Properties without a field are ignored, and counted as unknown unless `unmapped` has their names.
    """

    model_config = ConfigDict(frozen=True, alias_generator=to_pascal, extra="ignore", strict=True, allow_inf_nan=False)
    unmapped: ClassVar[tuple[str, ...]] = ()


class JsonObjectModel(DocumentModel):
    """An object that a JSON column stores in the application's shape: fields have the names of its properties."""

    model_config = ConfigDict(alias_generator=None)

    def as_json(self) -> JsonObject:
        """Return the object for a JSON column."""
        return vars(self).copy()


class RootDocument(DocumentModel):
    """A whole document; the class name is the application's class name, which is the document's type in Cosmos."""

    # Properties in which a copy tool may have written the type's name.
    injected: ClassVar[tuple[str, ...]] = ()

    id: Text = renamed(*_KEYS)
    is_deleted: bool | None = None


Root = TypeVar("Root", bound=RootDocument)


@dataclass(frozen=True, slots=True)
class _Shape:
    """The property names that a model knows, and the models inside it.

    `read` has the names that are read, by their folded form. `rivals` are all pairs of names of one property; most
    documents have only one of them.
    """

    path: str
    known: frozenset[str]
    read: Mapping[str, str]
    renamed: tuple[tuple[str, ...], ...]
    rivals: tuple[tuple[str, str], ...]
    presences: tuple[tuple[str, frozenset[str]], ...]
    nested: tuple[tuple[str, "_Shape"], ...]


@cache
def _shape(model: type[DocumentModel], path: str = "$") -> _Shape:
    is_root = issubclass(model, RootDocument)
    read = [*_TYPE_NAMES] if is_root else []
    groups, presences, nested = [], [], []
    for name, info in model.model_fields.items():
        alias = info.validation_alias or name
        names = tuple(map(str, alias.choices)) if isinstance(alias, AliasChoices) else (str(alias),)
        marks = [mark.names for mark in info.metadata if isinstance(mark, Presence)]
        presences += [(names[0], mark) for mark in marks]
        read += [name for mark in marks for name in mark] if marks else names
        if len(names) > 1 and names != _KEYS:
            groups.append(names)
        nested += [(names[0], _shape(inner, f"{path}.{names[0]}{suffix}")) for inner, suffix in _inner(info.annotation)]
    known = frozenset((*SECRETS, *model.unmapped, *read, *(_COMMON if is_root else ())))
    rivals = tuple(pair for group in groups for pair in combinations(group, 2))
    folded = {fold(name): name for name in reversed(read)}
    return _Shape(path, known, folded, tuple(groups), rivals, tuple(presences), tuple(nested))


def _inner(annotation: Any, suffix: str = "") -> Iterator[tuple[type[DocumentModel], str]]:
    if isinstance(annotation, type) and issubclass(annotation, DocumentModel):
        yield annotation, suffix
    for argument in get_args(annotation):
        yield from _inner(argument, "[]" if getattr(annotation, "__origin__", None) is list else suffix)


class DocumentReader(Generic[Root]):
    """Reads documents of all generations; a document of another type, or marked as deleted, has no rows.

    A document that names no type is of the model's type.
    """

    def __init__(self, model: type[Root]) -> None:
        # The function behind model_validate, which takes a microsecond more.
        self._validate = TypeAdapter(model).validator.validate_python
        # Read once from the model, because that is slow for every document.
        self._type = model.__name__
        self.types = frozenset({self._type})
        self._injected = model.injected
        self._root = _shape(model)

    def read(self, body: JsonObject) -> Read[Root]:
        """Return a document as its model, with the observations."""
        observations: list[Observation] = []
        document = None
        unmapped_type = self._find_other_type(body, observations)
        if unmapped_type is None:
            values = self._resolve(body, observations)
            _find_unknown(self._root, body, observations)
            # A deleted document must lose its rows, even if the rest of it is not valid.
            if not _is_deleted(body):
                _refuse_misspelled_mark(body, observations)
                try:
                    document = self._validate(values)
                except ValidationError as error:
                    raise self._explain(error, observations) from None
        return Read(document, tuple(dict.fromkeys(observations)) if observations else (), unmapped_type)

    def _find_other_type(self, body: JsonObject, observations: list[Observation]) -> str | None:
        """Return the document's type if it is not the model's, else None."""
        if body.get("$type") == self._type and "Discriminator" not in body:
            return None
        names = [name for name in _TYPE_NAMES if body.get(name) not in _EMPTY]
        if not names:
            return None
        chosen = body[names[0]]
        if not isinstance(chosen, str):
            if _is_deleted(body):
                return None
            # A copy tool turned the value into an array: the document's type is unknown.
            raise DocumentError(Problem(ProblemKind.MAPPING, f"$.{names[0]}", "Input should be a valid string"))
        observations += [_ambiguous(name) for name in names if body[name] != chosen]
        return None if chosen == self._type else chosen

    def _resolve(self, body: JsonObject, observations: list[Observation]) -> JsonObject:
        """Keep each renamed property under one name only, because pydantic also takes a null or empty one."""
        has_losers = self._injected or _has_both(self._root.rivals, body)
        dropped = self._losers(body, observations) if has_losers else []
        replaced: JsonObject = {}
        for name, heard in self._root.presences:
            replaced[name] = not heard.isdisjoint(body)
        id_, own = body.get("id"), body.get("Id")
        key = read_key(self._type, id_)
        if isinstance(own, str) and own:
            if own != key and write_id(self._type, own) != id_:
                observations.append(_ambiguous("id"))
        elif "Id" in body:
            if own not in _EMPTY:
                observations.append(_ambiguous("Id"))
            dropped.append("Id")
        if key != id_:
            replaced["id"] = key
        if not dropped and not replaced:
            return body
        resolved = body | replaced
        for name in dropped:
            resolved.pop(name, None)
        return resolved

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


def _is_deleted(body: JsonObject) -> bool:
    return body.get("IsDeleted") is True


def _refuse_misspelled_mark(body: JsonObject, observations: Sequence[Observation]) -> None:
    if Observation(ObservationKind.SPELLING, "$.IsDeleted") not in observations:
        return
    marks = [value for name, value in body.items() if name != "IsDeleted" and fold(name) == "isdeleted"]
    if any(value not in (None, False) for value in marks):
        raise DocumentError(Problem(ProblemKind.MAPPING, "$.IsDeleted", _MISSPELLED_MARK))


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


def ambiguous_keys(name: str, value: Json) -> tuple[Observation, ...]:
    """Return an observation if dictionary keys differ only in case: for the application they are one key."""
    return (_ambiguous(name),) if len(set(map(str.lower, value.names))) < len(value.names) else ()


def _ambiguous(name: str) -> Observation:
    return Observation(ObservationKind.AMBIGUOUS, f"$.{name}")


def _find_unknown(shape: _Shape, value: JsonObject, observations: list[Observation]) -> None:
    if not shape.known.issuperset(value):
        unknown = sorted(value.keys() - shape.known)
        observations += [_describe(shape, name) for name in unknown if not _is_foreign(shape, name)]
    for name, inner in shape.nested:
        items = value.get(name)
        for item in items if isinstance(items, list) else (items,):
            if isinstance(item, dict):
                _find_unknown(inner, item, observations)


def _is_foreign(shape: _Shape, name: str) -> bool:
    """Return whether a property is not counted: Cosmos's own ones and secrets."""
    return (name.startswith("_") and shape.path == "$") or is_secret(name)


def _describe(shape: _Shape, name: str) -> Observation:
    meant = shape.read.get(fold(name))
    if meant is not None:
        return Observation(ObservationKind.SPELLING, f"{shape.path}.{meant}")
    return Observation(ObservationKind.UNKNOWN, f"{shape.path}.{name if _PROPERTY.fullmatch(name) else '*'}")
