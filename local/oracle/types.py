"""What the comparison knows of a type of documents: where its rows are, and what each column must hold."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from local.oracle.fields import Expected, Json, type_of

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Child:
    """A child table: its rows by key, and where a document holds them."""

    table: str
    parent: str
    key: str
    items: Callable[[Json], list[Json]]
    fields: Mapping[str, Expected]


@dataclass(frozen=True, slots=True)
class Habits:
    """How documents say of which type they are, and that they are deleted."""

    type_of: Expected
    is_deleted: Callable[[Json], bool]


DOTNET = Habits(type_of, lambda document: document.get("IsDeleted") is True)


@dataclass(frozen=True, slots=True)
class Type:
    """A type of a container's documents, its root table with its key, and what each column must hold.

    An `extra` one is compared only where it is asked for, or where its table has rows.
    """

    container: str
    name: str
    table: str
    fields: Mapping[str, Expected]
    children: tuple[Child, ...] = ()
    extra: bool = False
    key: tuple[str, ...] = ("id",)
    habits: Habits = DOTNET

    def find_key(self, document: Json) -> Key | None:
        """Return the key of a document's row; None for one that is deleted softly."""
        if self.habits.is_deleted(document):
            return None
        return tuple(str(self.fields[column](document)) for column in self.key)


def find_type(types: Sequence[Type], document: Json) -> Type | None:
    """Return which of a container's types a document is of; only where there is one need it not name it."""
    named = types[0].habits.type_of(document)
    if not named:
        return types[0] if len(types) == 1 else None
    if not isinstance(named, str):
        return types[0]  # it is no other type either: such a document is parked, or has no rows
    return next((each for each in types if each.name == named), None)
