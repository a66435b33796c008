"""Conventions of the application that writes the documents: values that a mappers package chooses, never code."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic.alias_generators import to_camel, to_pascal, to_snake

from cdc.core.documents import JsonObject

ANYTHING = object()
_UNSET = (None, False, "")


class Naming(StrEnum):
    """How the names of properties are made of the names of fields."""

    PASCAL = "pascal"
    CAMEL = "camel"
    SNAKE = "snake"
    EXACT = "exact"

    def write(self, field_name: str) -> str:
        """Return the name of a field's property."""
        return _WRITERS[self](field_name)


_WRITERS: dict[Naming, Callable[[str], str]] = {
    Naming.PASCAL: to_pascal,
    Naming.CAMEL: to_camel,
    Naming.SNAKE: to_snake,
    Naming.EXACT: str,
}


class Instants(StrEnum):
    """How an instant is written: by .NET, in ISO 8601 with any precision, or as a number since 1970."""

    DOTNET = "dotnet"
    ISO = "iso"
    EPOCH_SECONDS = "epoch_seconds"
    EPOCH_MILLISECONDS = "epoch_milliseconds"


def fold(name: str) -> str:
    """Return a name without capitals and underscores, in which the spelling of another writer may differ."""
    return name.replace("_", "").lower()


@dataclass(frozen=True)
class Secrets:
    """Properties that are never stored and never counted, in any spelling; `prefixes` are beginnings of names."""

    names: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()
    _folded: frozenset[str] = field(init=False, repr=False)
    _beginnings: tuple[str, ...] = field(init=False, repr=False)
    # What a JSON text with a secret has in it.
    _marks: tuple[bytes, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        folded, beginnings = frozenset(map(fold, self.names)), tuple(map(fold, self.prefixes))
        object.__setattr__(self, "_folded", folded)
        object.__setattr__(self, "_beginnings", beginnings)
        heads = sorted({*folded, *beginnings}, key=len)
        kept = [head for place, head in enumerate(heads) if not head.startswith(tuple(heads[:place]))]
        object.__setattr__(self, "_marks", tuple(f'"{head}'.encode() for head in kept))

    def has(self, name: str) -> bool:
        """Return whether a property is a secret."""
        folded = fold(name)
        return folded in self._folded or folded.startswith(self._beginnings)

    def may_be_in(self, text: bytes) -> bool:
        """Return whether a JSON text may have a secret's name; this is faster than to walk through the value."""
        if not self._marks:
            return False
        folded = text.lower().replace(b"_", b"")
        for mark in self._marks:  # noqa: SIM110 - any() of a generator takes three times as long
            if mark in folded:
                return True
        return False


@dataclass(frozen=True, slots=True)
class DeleteMark:
    """The property that marks a deleted document: by this value, or by ANYTHING but null, false and ""."""

    property: str
    value: Any = True

    def marks(self, value: Any) -> bool:
        """Return whether a value of the property marks the document as deleted."""
        if self.value is ANYTHING:
            return value not in _UNSET
        # Cosmos has one kind of number; to Python, true is one, too.
        return isinstance(value, bool) is isinstance(self.value, bool) and bool(value == self.value)

    def allows(self, value: Any) -> bool:
        """Return whether a value can be understood: not another than true and false, nor the mark in other capitals."""
        if self.value is True:
            return value is None or isinstance(value, bool)
        if isinstance(self.value, str) and isinstance(value, str):
            return value == self.value or fold(value) != fold(self.value)
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Conventions:
    """How the documents of one application are written.

    `type_properties` name a document's type; the first that is filled wins. `key` is the property with the key, which
    may be only in `id`; with `prefixed_ids`, an `id` may be the type, a bar and the escaped key. `common` are
    properties of every document that have no column. With `parks_unknown_types`, a document whose type nobody maps is
    parked instead of counted.
    """

    naming: Naming = Naming.EXACT
    instants: Instants = Instants.ISO
    type_properties: tuple[str, ...] = ()
    key: str = "id"
    prefixed_ids: bool = False
    delete_mark: DeleteMark | None = None
    secrets: Secrets = Secrets()
    common: frozenset[str] = frozenset()
    parks_unknown_types: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the properties that may have the key."""
        return ("id",) if self.key == "id" else (self.key, "id")

    def has_delete_mark(self, body: JsonObject) -> bool:
        """Return whether a document is marked as deleted."""
        mark = self.delete_mark
        return mark is not None and mark.marks(body.get(mark.property))

    @contextmanager
    def apply(self) -> Iterator[None]:
        """Let the types of fields that are built inside the block follow these conventions."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)


_current: ContextVar[Conventions] = ContextVar("conventions")


def current() -> Conventions:
    """Return the conventions of the model whose fields are being built."""
    return _current.get(Conventions())
