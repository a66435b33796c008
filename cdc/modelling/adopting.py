"""Design the mapper of a table that exists: the table says which columns there are, the documents what fills them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cdc.core.conventions import Conventions, fold
from cdc.core.errors import RequestError
from cdc.modelling.conventions_found import choose_conventions, is_secret, list_secrets
from cdc.modelling.design import Column, Design, Part, TableDesign, TypeDesign, put_inside
from cdc.modelling.naming import RESERVED, Taken, name_class, name_field, singular, take, write_snake
from cdc.modelling.profile import Facts, Profile, TypeProfile
from cdc.modelling.table_catalogue import ExistingTable, TableColumn
from cdc.modelling.table_demands import list_demands
from cdc.modelling.table_items import (
    Items,
    find_arrays,
    list_own_key,
    make_item_keys,
    pair_items,
    tell_owned,
    tell_unpaired,
)
from cdc.modelling.table_keys import make_id, make_key, tell_counted, tell_unfit
from cdc.modelling.table_names import Property, fold_name, list_properties, pair_types, stem
from cdc.modelling.table_types import choose_key_type, choose_type, why_not
from cdc.modelling.types_found import choose_types

_ANOTHER = "another type"


@dataclass(slots=True)
class _Found:
    """What becomes of a table's columns: those that are written, those that are left, and what must be mended."""

    columns: list[Column] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)
    # By the names of the objects around them, the outermost first.
    parts: dict[tuple[tuple[str, ...], ...], list[Column]] = field(default_factory=dict)


def adopt(
    profile: Profile,
    container: str,
    tables: Sequence[ExistingTable],
    theirs: Conventions | None = None,
    taken: Taken | None = None,
    owners: Mapping[tuple[str, str], str] | None = None,
) -> Design:
    """Return the design of mappers that write these tables, one for each type; `owners` write other tables."""
    taken = taken or Taken({*RESERVED}, {*RESERVED})
    named, notes = choose_types(profile)
    pairs = list(pair_types(named, tables))
    conventions, home = choose_conventions(profile, [type_ for type_, _ in pairs], container, theirs, taken)
    owned = {name: f"the container {owner}" for name, owner in (owners or {}).items()}
    owned |= {(table.schema, table.name): _ANOTHER for table in tables}
    adopters = [_Adopter(conventions, taken, owned) for _ in pairs]
    types = tuple(
        adopter.adopt(type_, table, container, len(pairs))
        for adopter, (type_, table) in zip(adopters, pairs, strict=True)
    )
    without = [each.name for each in named if each not in [type_ for type_, _ in pairs]]
    notes += [f"Documents of the type {name} are unmapped: no `--table` is for them." for name in without]
    written = [table for type_ in types for table in type_.root.walk()]
    mapped = {table.there for table in written}
    needs = [need for adopter in adopters for need in adopter.needs]
    # A table may refer to several that are above it.
    needs += [need for adopter in adopters for name, need in adopter.unpaired if name not in mapped]
    keys = {(table.there, tuple(column.name for column in table.inherited)) for table in written}
    every = [
        each for table in tables for each in table.walk_all() if ((each.schema, each.name), each.inherited) in keys
    ]
    needs += [need for table in every for need in list_demands(table)]
    return Design(container, types, conventions, home, conventions is not theirs, notes, needs)


class _Adopter:
    """Adopts the tables of one type; `needs` are sentences about what must be mended in them.

    `unpaired` are those about tables for which no array was found here. Who writes a table is in `owned`.
    """

    def __init__(self, conventions: Conventions, taken: Taken, owned: dict[tuple[str, str], str]) -> None:
        self._conventions = conventions
        self._instants = conventions.instants
        self._taken = taken
        self._owned = owned
        self._classes: set[str] = set()
        self.needs: list[str] = []
        self._written: set[tuple[str, str]] = set()
        self.unpaired: list[tuple[tuple[str, str], str]] = []

    def adopt(self, profile: TypeProfile, table: ExistingTable, container: str, types: int) -> TypeDesign:
        """Return the design of a type whose documents become rows of this table."""
        class_name = self._name_class(profile.name or singular(write_snake(container)))
        root = self._adopt_root(profile, table, class_name)
        module = self._taken.take_module(write_snake(container) if types == 1 else root.name, container)
        secrets = list_secrets(self._conventions, profile.root)
        return TypeDesign(module, profile.name or class_name, profile.documents, root, secrets, profile.root)

    def _adopt_root(self, profile: TypeProfile, table: ExistingTable, class_name: str) -> TableDesign:
        if not table.key:
            raise RequestError(
                f"{table.quoted} has no primary key, by which rows are found again: alter table {table.quoted} add "
                "primary key (...), with the column of the documents' id."
            )
        fields = dict(profile.root.fields)
        id_ = fields.pop(self._conventions.key, None) or fields.get("id")
        fields.pop("id", None)
        properties = list_properties(fields)
        found = [
            (column, None if fold(column.name) == "id" else properties.get(fold_name(column.name)))
            for column in map(table.column, table.key)
        ]
        keys = [
            make_id(table, column, id_, self.needs) if each is None else make_key(column, each, self._instants)
            for column, each in found
        ]
        if None in keys or [key.field for key in keys if key].count("id") > 1:
            raise RequestError(tell_unfit(table, found))
        if id_ is not None and "id" not in [key.field for key in keys if key]:
            properties["id"] = Property((self._conventions.key,), id_)
        design = TableDesign(self._name_table(table.name), class_name, (), there=(table.schema, table.name))
        return self._fill(design, table, [key for key in keys if key], properties, fields, "$")

    def _fill(
        self,
        design: TableDesign,
        table: ExistingTable,
        keys: Sequence[Column],
        properties: Mapping[str, Property],
        fields: Mapping[str, Facts],
        path: str,
    ) -> TableDesign:
        """Return a table with its columns, its objects and the tables below it; `keys` are the columns of its key."""
        found = _Found(columns=list(keys))
        names = {column.field for column in keys} | ({"id"} if path == "$" else set())
        for column in table.columns:
            if column.name not in (*table.key, *table.inherited):
                self._adopt_column(table, column, properties.get(fold_name(column.name)), found, names, path)
        parts, flat = self._make_parts(found, fields, design.class_name, names, ())
        design = replace(design, columns=(*found.columns, *flat), parts=parts, left=tuple(found.left))
        children = tuple(self._adopt_children(design, table, fields, names, path))
        used = {name for column in design.columns if not column.part for name in column.spellings}
        used |= {name for part in parts for name in part.spellings}
        used |= {name for child in children for name in child.spellings}
        unmapped = tuple(name for name in fields if name not in used and not self._is_ours(name, path))
        return replace(design, children=children, unmapped=unmapped)

    def _adopt_column(
        self,
        table: ExistingTable,
        column: TableColumn,
        found: Property | None,
        into: _Found,
        names: set[str],
        path: str,
    ) -> None:
        reason = self._find_reason(column, found, path)
        if reason is not None:
            into.left.append((column.name, reason))
            if not column.may_be_left:
                self.needs.append(
                    f"{table.quoted}: {column.name} must not be null, and nothing fills it ({reason}): give it a "
                    "default, or let it be null."
                )
            return
        assert found is not None  # noqa: S101 - without a property there is a reason
        name = found.spellings[0]
        type_ = choose_type(column, name, found.facts, self._instants)
        assert type_ is not None  # noqa: S101 - without a type there is a reason
        field_ = name_field(name) if found.part else take(name_field(name), names)
        made = Column(column.name, field_, found.spellings, type_, not column.required, found.facts)
        if found.part:
            into.parts.setdefault(found.part, []).append(made)
        else:
            into.columns.append(made)

    def _find_reason(self, column: TableColumn, found: Property | None, path: str) -> str | None:
        """Return why a column is left out, or None if a property fills it."""
        if column.generated:
            return "PostgreSQL computes it"
        if found is None:
            has = "no property is called so"
            return f"{has}; its default fills it" if column.default or column.identity else has
        name = found.spellings[0]
        if is_secret(self._conventions, name, found.facts):
            return "it looks like a secret"
        if column.identity == "a":
            return "it is generated always as identity, so that no value can be written"
        if path == "$" and self._is_mark(name) and column.may_be_left:
            return "it says whether the document is deleted, and rows of such documents are deleted"
        if choose_type(column, name, found.facts, self._instants) is None:
            return why_not(column)
        return None

    def _is_ours(self, name: str, path: str) -> bool:
        """Return whether a property of the document is read without a column."""
        return path == "$" and (name in self._conventions.type_properties or self._is_mark(name))

    def _is_mark(self, name: str) -> bool:
        mark = self._conventions.delete_mark
        return mark is not None and name == mark.property

    def _make_parts(
        self,
        found: _Found,
        fields: Mapping[str, Facts],
        outer: str,
        names: set[str],
        around: tuple[tuple[str, ...], ...],
    ) -> tuple[tuple[Part, ...], list[Column]]:
        """Return the objects with columns inside the one at this path, and their columns."""
        parts: list[Part] = []
        flat: list[Column] = []
        depth = len(around)
        inside = dict.fromkeys(path[depth] for path in found.parts if path[:depth] == around and len(path) > depth)
        for spellings in inside:
            path = (*around, spellings)
            class_name = self._name_class(f"{outer}_{spellings[0]}")
            field_ = take(name_field(spellings[0]), names)
            own, inner_fields = found.parts.get(path, []), fields[spellings[0]].fields
            inner, deeper = self._make_parts(found, inner_fields, class_name, {each.field for each in own}, path)
            nullable = all(column.nullable for column in (*own, *deeper))
            columns = tuple(put_inside(column, field_, nullable=nullable) for column in (*own, *deeper))
            read = {name for names_ in (*(c.spellings for c in own), *(p.spellings for p in inner)) for name in names_}
            unmapped = tuple(name for name in inner_fields if name not in read)
            parts.append(Part(field_, spellings, class_name, nullable, columns, inner, unmapped))
            flat += columns
        return tuple(parts), flat

    def _adopt_children(
        self, parent: TableDesign, table: ExistingTable, fields: Mapping[str, Facts], names: set[str], path: str
    ) -> Iterator[TableDesign]:
        arrays = find_arrays(fields)
        unpaired: list[ExistingTable] = []
        for child in (*table.children, *table.candidates):
            name = (child.schema, child.name)
            if name in self._owned:
                # Here it may be an item's, by another foreign key.
                self.needs += [] if name in self._written else [tell_owned(child, table, self._owned[name])]
                continue
            items = pair_items(child, table, arrays)
            if items is None:
                unpaired.append(child)
                continue
            design = self._adopt_child(parent, child, items, names, path)
            if design is not None:
                self._owned[name] = _ANOTHER
                self._written.add(name)
                yield design
        taken = find_arrays(fields).keys() - arrays.keys()
        rest = [name for name in fields if stem(name) not in taken]
        self.unpaired += [((each.schema, each.name), tell_unpaired(each, table, arrays, rest)) for each in unpaired]

    def _adopt_child(
        self, parent: TableDesign, child: ExistingTable, items: Items, names: set[str], path: str
    ) -> TableDesign | None:
        fields = items.facts.fields
        properties = list_properties(fields)
        keys = make_item_keys(child, properties, self._instants, self.needs)
        if keys is None:
            return None
        self.needs += [tell_counted(child, key) for key in keys if child.column(key.name).counts]
        inherited = [
            replace(above, name=name, type=choose_key_type(child.column(name)) or above.type)
            for above, name in zip(parent.key, child.inherited, strict=True)
        ]
        field_ = take(name_field(items.spellings[0]), names)
        design = TableDesign(
            name=self._name_table(child.name),
            class_name=self._name_class(singular(write_snake(child.name))),
            columns=(),
            inherited=tuple(inherited),
            field=field_,
            spellings=items.spellings,
            there=(child.schema, child.name),
            own_key=child.key if child.has_own_key else (),
        )
        if child.has_own_key:
            self.needs += list_own_key(child)
        return self._fill(design, child, keys, properties, fields, f"{path}.{items.spellings[0]}[]")

    def _name_table(self, name: str) -> str:
        """Return the table's name in Python."""
        return take(write_snake(name), self._taken.tables)

    def _name_class(self, name: str) -> str:
        return take(name_class(name), self._classes, before="")
