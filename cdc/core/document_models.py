"""Models of documents: the properties that they read, by the conventions of the application that writes them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import TYPE_CHECKING, Any, ClassVar, Self, get_args

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema

from cdc.core.conventions import Conventions, fold
from cdc.core.documents import JsonObject
from cdc.core.fields import Text

# pydantic's marks of an alias that a field declares itself, and of one that it gets.
_OWN_ALIAS, _GIVEN_ALIAS = 2, 1
# Cosmos writes these into every document.
_SYSTEM = ("_rid", "_self", "_etag", "_attachments", "_ts", "_lsn")


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
    """A document, or an object inside one; the conventions say how its properties are named.

    Properties without a field are ignored, and counted as unknown unless `unmapped` has their names.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False)
    conventions: ClassVar[Conventions] = Conventions()
    unmapped: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[BaseModel], handler: GetCoreSchemaHandler) -> CoreSchema:
        for name, info in cls.__pydantic_fields__.items():
            if info.alias_priority != _OWN_ALIAS:
                info.validation_alias, info.alias_priority = cls._name(name), _GIVEN_ALIAS
        with cls.conventions.apply():
            return handler(source)

    @classmethod
    def _name(cls, field: str) -> str | AliasChoices:
        return cls.conventions.naming.write(field)


class JsonObjectModel(DocumentModel):
    """An object that a JSON column stores in the application's shape: fields have the names of its properties."""

    def as_json(self) -> JsonObject:
        """Return the object for a JSON column."""
        return vars(self).copy()

    @classmethod
    def _name(cls, field: str) -> str | AliasChoices:
        return field


class RootDocument(DocumentModel):
    """A whole document. `type_name` is its type as documents name it; without one, it is the name of the class."""

    type_name: ClassVar[str] = ""
    # Properties in which a copy tool may have written the type's name.
    injected: ClassVar[tuple[str, ...]] = ()

    if TYPE_CHECKING:
        id: Any  # a model may declare another type of key, such as a UUID
    else:
        id: Text

    @classmethod
    def _name(cls, field: str) -> str | AliasChoices:
        return AliasChoices(*cls.conventions.keys) if field == "id" else super()._name(field)


@dataclass(frozen=True, slots=True)
class Shape:
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
    nested: tuple[tuple[str, "Shape"], ...]


@cache
def shape(model: type[DocumentModel], path: str = "$") -> Shape:
    """Return the names that a model knows; a path has `[]` for every index."""
    rules, is_root = model.conventions, issubclass(model, RootDocument)
    read = [*rules.type_properties] if is_root else []
    if is_root and rules.delete_mark is not None:
        read.append(rules.delete_mark.property)
    groups, presences, nested = [], [], []
    for name, info in model.model_fields.items():
        names = _names(info.validation_alias or name)
        marks = [mark.names for mark in info.metadata if isinstance(mark, Presence)]
        presences += [(names[0], mark) for mark in marks]
        read += [name for mark in marks for name in mark] if marks else names
        if len(names) > 1 and name != "id":
            groups.append(names)
        nested += [(names[0], shape(inner, f"{path}.{names[0]}{suffix}")) for inner, suffix in _inner(info.annotation)]
    common = (*rules.common, *_SYSTEM) if is_root else ()
    known = frozenset((*rules.secrets.names, *model.unmapped, *read, *common))
    rivals = tuple(pair for group in groups for pair in combinations(group, 2))
    folded = {fold(name): name for name in reversed(read)}
    return Shape(path, known, folded, tuple(groups), rivals, tuple(presences), tuple(nested))


def _names(alias: Any) -> tuple[str, ...]:
    return tuple(map(str, alias.choices)) if isinstance(alias, AliasChoices) else (str(alias),)


def _inner(annotation: Any, suffix: str = "") -> Iterator[tuple[type[DocumentModel], str]]:
    if isinstance(annotation, type) and issubclass(annotation, DocumentModel):
        yield annotation, suffix
    for argument in get_args(annotation):
        yield from _inner(argument, "[]" if getattr(annotation, "__origin__", None) is list else suffix)
