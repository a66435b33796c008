"""The design of a container's tables and models: what `init` writes down, and the team then edits."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from cdc.core.conventions import Conventions
from cdc.modelling.columns import ColumnType
from cdc.modelling.profile import Facts


@dataclass(frozen=True, slots=True)
class Column:
    """A column, the field that it is read from, and the property behind it.

    `spellings` are the property's names, the commonest first; an item's place in its array has none. A column of an
    object's property has that object's `part`: its field, and those of the objects around it, such as `address.geo`.
    `optional` are those of them that may be missing.
    """

    name: str
    field: str
    spellings: tuple[str, ...]
    type: ColumnType
    nullable: bool
    facts: Facts
    is_key: bool = False
    part: str | None = None
    optional: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """Return the property's name."""
        return self.spellings[0]


def put_inside(column: Column, field: str, *, nullable: bool) -> Column:
    """Return the column of a property of an object, which is read from a field and may be missing."""
    inner = (f"{field}.{path}" for path in column.optional)
    return replace(
        column,
        nullable=nullable or column.nullable,
        part=field if column.part is None else f"{field}.{column.part}",
        optional=(field, *inner) if nullable else (*inner,),
    )


@dataclass(frozen=True, slots=True)
class Part:
    """An object with columns of its own in the table around it; `columns` has those of `parts` inside it, too."""

    field: str
    spellings: tuple[str, ...]
    class_name: str
    nullable: bool
    columns: tuple[Column, ...] = ()
    parts: tuple["Part", ...] = ()
    unmapped: tuple[str, ...] = ()

    @property
    def own_columns(self) -> tuple[Column, ...]:
        """Return the columns of its own properties."""
        return tuple(column for column in self.columns if column.part == self.field)

    @property
    def source(self) -> str:
        """Return the property's name."""
        return self.spellings[0]


@dataclass(frozen=True, slots=True)
class TableDesign:
    """A table: of a type's documents, or of the items of an array.

    `inherited` are the columns of the key that come from above, `path` the property that holds the items. A table that
    is `there` already has its own name in SQL, and `left` are columns that nobody writes, with the reason. `own_key` is
    its primary key, if that does not begin with the inherited columns.
    """

    name: str
    class_name: str
    columns: tuple[Column, ...]
    parts: tuple[Part, ...] = ()
    children: tuple["TableDesign", ...] = ()
    unmapped: tuple[str, ...] = ()
    inherited: tuple[Column, ...] = ()
    field: str = ""
    spellings: tuple[str, ...] = ()
    there: tuple[str, str] | None = None
    left: tuple[tuple[str, str], ...] = ()
    own_key: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """Return the name of the property with the items."""
        return self.spellings[0]

    @property
    def sql_name(self) -> str:
        """Return the table's name in PostgreSQL, without its schema."""
        return self.name if self.there is None else self.there[1]

    @property
    def all_columns(self) -> tuple[Column, ...]:
        """Return all columns as the table has them: the key first."""
        return (*self.key, *(column for column in self.columns if not column.is_key))

    @property
    def has_position(self) -> bool:
        """Return whether the place in the array is a column."""
        return any(not column.spellings for column in self.columns)

    @property
    def key(self) -> tuple[Column, ...]:
        """Return the columns of the key, those of its own key in the order of that."""
        keys = (*self.inherited, *(column for column in self.columns if column.is_key))
        places = {name: place for place, name in enumerate(self.own_key)}
        return tuple(sorted(keys, key=lambda column: places.get(column.name, -1))) if places else keys

    @property
    def primary_key(self) -> tuple[str, ...]:
        """Return the names of the columns of the primary key."""
        return self.own_key or tuple(column.name for column in self.key)

    def walk(self) -> Iterator["TableDesign"]:
        """Return this table and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class TypeDesign:
    """A document type: its module, its tables, and what the page says of it."""

    module: str
    type_name: str
    documents: int
    root: TableDesign
    secrets: tuple[str, ...]
    facts: Facts

    @property
    def variable(self) -> str:
        """Return the name of the mapper."""
        return self.module.upper()


@dataclass(frozen=True, slots=True)
class Design:
    """A container: its types, and the conventions of its documents; `home` is the module that has these.

    `needs` say what tables that exist demand of the documents, and what must be mended in them.
    """

    container: str
    types: tuple[TypeDesign, ...]
    conventions: Conventions
    home: str
    has_own_conventions: bool
    notes: Sequence[str] = field(default_factory=tuple)
    needs: Sequence[str] = field(default_factory=tuple)
