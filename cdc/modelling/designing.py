"""Design the tables of a container from its profile."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cdc.core.conventions import Conventions, fold
from cdc.modelling.columns import ENOUGH, INTEGER, TEXT, UUID, ColumnType, choose
from cdc.modelling.conventions_found import choose_conventions, is_secret, list_secrets
from cdc.modelling.design import Column, Design, Part, TableDesign, TypeDesign, put_inside
from cdc.modelling.hazards import has_no_zone, has_zones
from cdc.modelling.naming import (
    RESERVED,
    Taken,
    distinguish,
    group_spellings,
    name_class,
    name_field,
    plural,
    shorten,
    singular,
    take,
    write_snake,
)
from cdc.modelling.profile import Facts, Hazard, Profile, TypeProfile
from cdc.modelling.renames import find_renames, join
from cdc.modelling.shapes import has_key, is_child, is_part
from cdc.modelling.types_found import choose_types

# So many seconds after its last change, Cosmos removes a document.
TIME_TO_LIVE = "ttl"
# Arrays inside more arrays become JSON.
_DEEPEST = 3


@dataclass(frozen=True, slots=True)
class _Array:
    """A property whose items become rows, in a table so deep below the root."""

    field: str
    spellings: tuple[str, ...]
    facts: Facts
    depth: int


@dataclass(slots=True)
class _Found:
    """What becomes of the properties of an object."""

    columns: list[Column] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    part_columns: list[Column] = field(default_factory=list)
    arrays: list[_Array] = field(default_factory=list)
    unmapped: list[str] = field(default_factory=list)


def make_design(
    profile: Profile,
    container: str,
    partition_key: Sequence[str] = (),
    theirs: Conventions | None = None,
    taken: Taken | None = None,
) -> Design:
    """Return the design; `theirs` are conventions that are there already, and are taken if they fit."""
    taken = taken or Taken({*RESERVED}, {*RESERVED})
    named, notes = choose_types(profile)
    conventions, home = choose_conventions(profile, named, container, theirs, taken)
    paths = partition_key or profile.source.partition_key
    types = tuple(_Designer(conventions, paths, taken).design(each, container, len(named)) for each in named)
    notes += _list_shared_ids(named, types)
    return Design(container, types, conventions, home, conventions is not theirs, notes)


def _list_shared_ids(profiles: Sequence[TypeProfile], types: Sequence[TypeDesign]) -> Iterator[str]:
    for profile, type_ in zip(profiles, types, strict=True):
        if not profile.key.repeated:
            continue
        told = f"{profile.key.repeated} ids of {type_.type_name} occur in several documents"
        if len(type_.root.key) == 1:
            yield (
                f"{told}, and no property of the partition key is in the table's key: name its paths with "
                "`--partition-key`, or add them."
            )
        else:
            yield f"{told}: the table's key has the partition key, too. Is each of them meant, or is one a copy?"


class _Designer:
    """Designs one type; names of tables are unique in a container, names of classes in a module."""

    def __init__(self, conventions: Conventions, partition_key: Sequence[str], taken: Taken) -> None:
        self._conventions = conventions
        self._paths = [path.strip('/"') for path in partition_key]
        self._taken = taken
        self._classes: set[str] = set()
        self._has_zones = False

    def design(self, profile: TypeProfile, container: str, types: int) -> TypeDesign:
        """Return the design of a type."""
        own = write_snake(container)
        class_name = self._name_class(profile.name or singular(own))
        table = plural(write_snake(class_name))
        table = take(table if table not in self._taken.tables else f"{own}_{table}", self._taken.tables)
        root = self._design_root(profile, table, class_name)
        module = self._taken.take_module(own if types == 1 else table, container)
        secrets = list_secrets(self._conventions, profile.root)
        return TypeDesign(module, profile.name or class_name, profile.documents, root, secrets, profile.root)

    def _design_root(self, profile: TypeProfile, table: str, class_name: str) -> TableDesign:
        every, rules = profile.root.fields, self._conventions
        self._has_zones = has_zones(profile.root)
        mark = () if rules.delete_mark is None else (rules.delete_mark.property,)
        # These are read without a column of their own.
        apart = {"id", rules.key, *rules.type_properties, *mark}
        has_mark = any(name in every for name in mark)
        left = [name for name in every if name not in apart and _is_left(name, every[name], has_mark=has_mark)]
        fields = {name: facts for name, facts in every.items() if name not in apart and name not in left}
        keys = [name for name in self._paths if profile.key.repeated and name in fields]
        renamed = {each.new: each.old for each in find_renames(profile.root) if each.is_sure}
        renamed = {new: old for new, old in renamed.items() if {new, old} <= fields.keys() - {*keys}}
        for new, old in renamed.items():
            fields[new] = join(fields[new], fields.pop(old), profile.root.present)
        found = self._design_fields(fields, class_name, {"id"}, keys)
        found.columns = [_add_older(column, renamed) for column in found.columns]
        found.unmapped += left
        id_ = self._design_id(every.get(rules.key) or every.get("id") or profile.root)
        named = sorted((each for each in found.columns if each.is_key), key=lambda each: keys.index(each.source))
        rest = [column for column in found.columns if not column.is_key]
        return self._build(TableDesign(table, class_name, (*named, id_, *rest)), found)

    def _design_id(self, facts: Facts) -> Column:
        type_ = self._choose("id", facts)
        return Column("id", "id", ("id",), type_ if type_ == UUID else TEXT, nullable=False, facts=facts, is_key=True)

    def _design_fields(
        self, fields: Mapping[str, Facts], class_name: str, columns: set[str], keys: Sequence[str], depth: int = 0
    ) -> _Found:
        """Design an object's properties; `columns` are the names of columns that the table has already."""
        found = _Found()
        names = {"id"} if depth == 0 else set()
        for spellings, facts in merge_spellings(fields, keys):
            name = spellings[0]
            if is_secret(self._conventions, name, facts):
                found.unmapped.append(name)
                continue
            field = take(name_field(name), names)
            if is_child(facts) and depth < _DEEPEST:
                found.arrays.append(_Array(field, spellings, facts, depth + 1))
            elif is_part(facts):
                part = self._design_part(field, spellings, facts, f"{class_name}_{name}", columns, write_snake(name))
                found.parts.append(part)
                found.part_columns += part.columns
            else:
                column = self._design_column(write_snake(name), field, spellings, facts, columns)
                is_key = name in keys
                found.columns.append(replace(column, is_key=is_key, nullable=column.nullable and not is_key))
        return found

    def _design_column(
        self, name: str, field: str, spellings: tuple[str, ...], facts: Facts, columns: set[str]
    ) -> Column:
        type_ = self._choose(spellings[0], facts)
        required = _is_required(facts) and len(spellings) == 1
        becomes_null = type_.has_never and Hazard.NEVER in facts.hazards
        nullable = not required or becomes_null or type_.makes_none
        return Column(take(shorten(name), columns), field, spellings, type_, nullable, facts)

    def _choose(self, name: str, facts: Facts) -> ColumnType:
        type_ = choose(name, facts, self._conventions.instants)
        is_local = type_.sql == "timestamptz" and self._has_zones and has_no_zone(facts)
        return replace(type_, sql="timestamp", declared="DateTime") if is_local else type_

    def _design_part(
        self, field: str, spellings: tuple[str, ...], facts: Facts, class_name: str, columns: set[str], prefix: str
    ) -> Part:
        """Design an object; `prefix` begins the names of its columns."""
        part = Part(field, spellings, self._name_class(class_name), nullable=not _is_required(facts))
        found: list[Column] = []
        parts, unmapped = [], []
        names: set[str] = set()
        for inner, inner_facts in merge_spellings(facts.fields):
            if is_secret(self._conventions, inner[0], inner_facts):
                unmapped.append(inner[0])
                continue
            own = take(name_field(inner[0]), names)
            name = f"{prefix}_{write_snake(inner[0])}"
            if is_part(inner_facts):
                parts.append(self._design_part(own, inner, inner_facts, f"{part.class_name}_{inner[0]}", columns, name))
                found += parts[-1].columns
            else:
                found.append(self._design_column(name, own, inner, inner_facts, columns))
        around = tuple(put_inside(column, field, nullable=part.nullable) for column in found)
        return replace(part, columns=around, parts=tuple(parts), unmapped=tuple(unmapped))

    def _design_child(self, array: _Array, parent: TableDesign) -> TableDesign:
        items, arrays = array.facts.items, array.facts.arrays
        assert items is not None  # noqa: S101 - see is_child
        assert arrays is not None  # noqa: S101
        key = str(arrays.item_key) if has_key(array.facts) else None
        inherited = _inherit(parent)
        above = {column.name for column in inherited}
        table = take(shorten(_name_child(parent.name, array.spellings[0])), self._taken.tables)
        class_name = self._name_class(singular(table))
        # What an item repeats of its parent's id needs no column; a partition key's name may mean something else in it.
        ids = {column.name for column in inherited if column.source == "id"}
        fields = {name: each for name, each in items.fields.items() if write_snake(name) not in ids or name == key}
        columns = set(above)
        found = self._design_fields(fields, class_name, columns, [key] if key else [], array.depth)
        found.unmapped += [name for name in items.fields if name not in fields]
        own = found.columns if key else [_make_position(columns), *found.columns]
        design = TableDesign(
            table, class_name, tuple(own), inherited=inherited, field=array.field, spellings=array.spellings
        )
        return self._build(design, found)

    def _build(self, design: TableDesign, found: _Found) -> TableDesign:
        """Add what is inside the objects of a table: parts, and the tables below it."""
        design = replace(
            design,
            columns=(*design.columns, *found.part_columns),
            parts=tuple(found.parts),
            unmapped=tuple(found.unmapped),
        )
        return replace(design, children=tuple(self._design_child(array, design) for array in found.arrays))

    def _name_class(self, name: str) -> str:
        return take(name_class(name), self._classes, before="")


def _name_child(parent: str, array: str) -> str:
    """Return the name of a child table: of `BookPages` in `books` `book_pages`."""
    above, name = singular(parent), plural(singular(write_snake(array)))
    return name if name.startswith(f"{above}_") else f"{above}_{name}"


def _inherit(parent: TableDesign) -> tuple[Column, ...]:
    """Return the key's columns of a child table that come from its parent."""
    own = [column for column in parent.columns if column.is_key]
    prefix = singular(parent.name)
    last, above = own[-1], (*parent.inherited, *own[:-1])
    name = f"{prefix}_id" if last.name == "id" else last.name
    # The partition key of orders may be `orderId`, beside their `id`.
    return (*above, replace(last, name=distinguish(name, {column.name for column in above})))


def _make_position(taken: Collection[str]) -> Column:
    facts = Facts(parents=0, present=0, kinds={})
    type_ = replace(INTEGER, stored=0)
    return Column(distinguish("position", taken), "", (), type_, nullable=False, facts=facts, is_key=True)


def _add_older(column: Column, renamed: Mapping[str, str]) -> Column:
    old = renamed.get(column.source)
    return column if old is None else replace(column, spellings=(*column.spellings, old))


def _is_left(name: str, facts: Facts, *, has_mark: bool) -> bool:
    """Return whether a property of a document gets no column, as Cosmos' own and times of deletion beside a mark."""
    if name == TIME_TO_LIVE and facts.kinds.keys() <= {"number", "null"}:
        return True
    return has_mark and fold(name) in ("deletedat", "deletedby", "deletedon", "deleteddate")


def _is_required(facts: Facts) -> bool:
    return facts.always and facts.parents >= ENOUGH


def merge_spellings(fields: Mapping[str, Facts], keys: Sequence[str] = ()) -> Iterator[tuple[tuple[str, ...], Facts]]:
    """Return each property with all its spellings, a key or else the commonest first, and the facts of that one."""
    for names in group_spellings(fields):
        names.sort(key=lambda name: (name not in keys, -fields[name].present))
        yield tuple(names), fields[names[0]]
