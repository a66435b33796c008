"""Design the tables of a container from its profile."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from cdc.core.conventions import Conventions, fold
from cdc.core.errors import RequestError
from cdc.modelling.columns import ENOUGH, INTEGER, TEXT, ColumnType, choose
from cdc.modelling.conventions_found import find_conventions, fits
from cdc.modelling.design import Column, Design, Part, TableDesign, TypeDesign
from cdc.modelling.naming import name_class, name_field, plural, shorten, singular, write_snake
from cdc.modelling.odd_values import set_aside
from cdc.modelling.personal import Suspicion
from cdc.modelling.profile import Facts, Hazard, Profile, TypeProfile
from cdc.modelling.shapes import has_key, is_child, is_part

# Arrays inside more arrays become JSON.
_DEEPEST = 3


@dataclass(frozen=True, slots=True)
class Taken:
    """Names of modules and tables that other containers have."""

    modules: set[str]
    tables: set[str]


def make_design(
    profile: Profile,
    container: str,
    partition_key: Sequence[str] = (),
    theirs: Conventions | None = None,
    taken: Taken | None = None,
) -> Design:
    """Return the design; `theirs` are conventions that are there already, and are taken if they fit."""
    taken = taken or Taken(set(), set())
    named, notes = _choose_types(profile)
    named = _order([each.model_copy(update={"root": set_aside(each.root)}) for each in named])
    found = find_conventions(profile, named)
    own = theirs is None or not fits(found, theirs, named)
    conventions = found if own or theirs is None else theirs
    module = write_snake(container)
    paths = partition_key or profile.source.partition_key
    types = tuple(_Designer(conventions, paths, taken).design(each, container, len(named)) for each in named)
    return Design(container, types, conventions, f"{module}_conventions" if own else "conventions", own, notes)


def _choose_types(profile: Profile) -> tuple[list[TypeProfile], list[str]]:
    named = [each for each in profile.types if each.name is not None and each.name != "other"]
    if not named:
        named = [each for each in profile.types if each.name is None]
    left = [each for each in profile.types if each not in named]
    if not named:
        raise RequestError("The profile has no type that can be mapped.")
    notes = []
    for each in left:
        what = "name no type" if each.name is None else "have a type whose name is not shown"
        mapped = each.name is None and len(named) == 1
        notes.append(
            f"{each.documents} documents {what}: they are {'mapped like the others' if mapped else 'unmapped'}."
        )
    return named, notes


def _order(types: Sequence[TypeProfile]) -> list[TypeProfile]:
    """Return the types in an order in which those come first that others refer to, by a property such as `OrderId`."""
    names = {fold(name_class(each.name or "")): each for each in types}
    left, ordered = dict(names), []
    while left:
        free = [name for name, each in left.items() if not (_find_references(each) & left.keys()) - {name}]
        # Types that refer to each other come as they are.
        ordered += [left.pop(name) for name in free or [next(iter(left))]]
    return ordered


def _find_references(type_: TypeProfile) -> set[str]:
    return {fold(name)[: -len("id")] for name in type_.root.fields if fold(name).endswith("id")}


class _Designer:
    """Designs one type; names of tables are unique in a container, names of classes in a module."""

    def __init__(self, conventions: Conventions, partition_key: Sequence[str], taken: Taken) -> None:
        self._conventions = conventions
        self._paths = [path.strip("/") for path in partition_key]
        self._taken = taken
        self._classes: set[str] = set()
        self._secrets: list[str] = []

    def design(self, profile: TypeProfile, container: str, types: int) -> TypeDesign:
        """Return the design of a type."""
        name = profile.name or container
        class_name = self._name_class(name if profile.name else singular(write_snake(container)))
        table = plural(write_snake(class_name))
        table = self._name_table(table if table not in self._taken.tables else f"{write_snake(container)}_{table}")
        root = self._design_root(profile, table, class_name)
        module = write_snake(container) if types == 1 else table
        module = module if module not in self._taken.modules else f"{write_snake(container)}_{module}"
        self._taken.modules.add(module)
        type_name = profile.name or class_name
        return TypeDesign(module, type_name, profile.documents, root, tuple(self._secrets), profile.root)

    def _design_root(self, profile: TypeProfile, table: str, class_name: str) -> TableDesign:
        fields = dict(profile.root.fields)
        key = self._conventions.key
        facts = fields.get(key) or fields.get("id")
        fields.pop(key, None)
        fields.pop("id", None)
        type_ = TEXT if facts is None else self._choose("id", facts)
        type_ = type_ if type_.sql in ("text", "uuid") else TEXT
        id_ = Column("id", "id", ("id",), type_, nullable=False, facts=facts or profile.root, is_key=True)
        keys = [name for name in self._paths if profile.key.repeated and name in fields and name != "id"]
        for name in [name for name in fields if self._is_ours(name)]:
            fields.pop(name)
        columns, parts, children, unmapped = self._design_fields(fields, "$", class_name, keys)
        by_source = {column.source: replace(column, is_key=True, nullable=False) for column in columns}
        named = [by_source[name] for name in keys if name in by_source]
        rest = [column for column in columns if column.source not in keys]
        design = TableDesign(table, class_name, (*named, id_, *rest), parts, (), unmapped)
        return replace(design, children=self._design_children(children, design, 1))

    def _is_ours(self, name: str) -> bool:
        """Return whether a property is read without a column: the type, the delete mark, and what goes with it."""
        mark = self._conventions.delete_mark
        return name in self._conventions.type_properties or (mark is not None and name == mark.property)

    def _design_fields(
        self, fields: Mapping[str, Facts], where: str, class_name: str, keys: Sequence[str] = ()
    ) -> tuple[list[Column], tuple[Part, ...], list[tuple[str, tuple[str, ...], Facts]], tuple[str, ...]]:
        columns: list[Column] = []
        parts: list[Part] = []
        children: list[tuple[str, tuple[str, ...], Facts]] = []
        unmapped: list[str] = []
        names: set[str] = {"id"} if where == "$" else set()
        for spellings, facts in _merge_spellings(fields):
            name = spellings[0]
            if self._leave_out(name, facts, f"{where}.{name}"):
                unmapped.append(name)
                continue
            field = name_field(name, names)
            names.add(field)
            if is_child(facts) and where.count("[]") < _DEEPEST:
                children.append((field, spellings, facts))
            elif is_part(facts):
                parts.append(self._design_part(field, spellings, facts, class_name, f"{where}.{name}"))
                names |= {column.name for column in parts[-1].columns}
            else:
                columns.append(self._design_column(field, spellings, facts, is_key=name in keys))
        flat = [column for part in parts for column in part.columns]
        return [*columns, *flat], tuple(parts), children, tuple(unmapped)

    def _leave_out(self, name: str, facts: Facts, path: str) -> bool:
        """Return whether a property gets no column: a secret, times of deletion beside a mark, the time to live."""
        if self._conventions.secrets.has(name) or Suspicion.SECRET in facts.suspicions:
            self._secrets.append(path)
            return True
        if path != f"$.{name}":
            return False
        mark = self._conventions.delete_mark
        beside_mark = mark is not None and fold(name) in ("deletedat", "deletedby", "deletedon", "deleteddate")
        return name == "ttl" or beside_mark or name in ("PartitionKeyId", "PartitionKeyIdUpper")

    def _design_column(self, field: str, spellings: tuple[str, ...], facts: Facts, *, is_key: bool = False) -> Column:
        type_ = self._choose(spellings[0], facts)
        required = facts.always and facts.parents >= ENOUGH and len(spellings) == 1
        nullable = not is_key and (not required or Hazard.NEVER in facts.hazards or bool(type_.marks))
        name = write_snake(field)
        name = "id_value" if name == "id" and field != "id" else name  # beside the key
        return Column(name, field, spellings, type_, nullable, facts)

    def _choose(self, name: str, facts: Facts) -> ColumnType:
        return choose(name, facts, self._conventions.instants)

    def _design_part(self, field: str, spellings: tuple[str, ...], facts: Facts, outer: str, where: str) -> Part:
        class_name = self._name_class(f"{outer}_{spellings[0]}")
        nullable = not (facts.always and facts.parents >= ENOUGH)
        columns, unmapped = [], []
        names: set[str] = set()
        for inner, inner_facts in _merge_spellings(facts.fields):
            if self._leave_out(inner[0], inner_facts, f"{where}.{inner[0]}"):
                unmapped.append(inner[0])
                continue
            column = self._design_column(name_field(inner[0], names), inner, inner_facts)
            names.add(column.field)
            name = shorten(f"{write_snake(field)}_{column.name}")
            columns.append(replace(column, name=name, nullable=nullable or column.nullable, part=field))
        return Part(field, spellings, class_name, nullable, tuple(columns), tuple(unmapped))

    def _design_children(
        self, found: Sequence[tuple[str, tuple[str, ...], Facts]], parent: TableDesign, depth: int
    ) -> tuple[TableDesign, ...]:
        return tuple(self._design_child(*each, parent, depth) for each in found)

    def _design_child(
        self, field: str, spellings: tuple[str, ...], facts: Facts, parent: TableDesign, depth: int
    ) -> TableDesign:
        items, arrays = facts.items, facts.arrays
        assert items is not None  # noqa: S101 - see is_child
        assert arrays is not None  # noqa: S101
        key = str(arrays.item_key) if has_key(facts) else None
        inherited = _inherit(parent)
        taken = {column.name for column in inherited}
        table = self._name_table(shorten(_name_child(parent.name, spellings[0])))
        class_name = self._name_class(singular(table))
        fields = {name: each for name, each in items.fields.items() if write_snake(name) not in taken or name == key}
        where = "$" + ".[]" * depth
        columns, parts, children, unmapped = self._design_fields(fields, where, class_name, [key] if key else [])
        columns = [_as_key(column, taken) if column.source == key else column for column in columns]
        if key is None:
            columns = [_make_position(taken | {column.name for column in columns}), *columns]
        copied = tuple(name for name in items.fields if name not in fields)
        design = TableDesign(
            table, class_name, tuple(columns), parts, (), (*unmapped, *copied), inherited, field, spellings
        )
        return replace(design, children=self._design_children(children, design, depth + 1))

    def _name_table(self, name: str) -> str:
        while name in self._taken.tables:
            name += "_more"
        self._taken.tables.add(name)
        return name

    def _name_class(self, name: str) -> str:
        found = name_class(name, self._classes)
        self._classes.add(found)
        return found


def _name_child(parent: str, array: str) -> str:
    """Return the name of a child table: of `OrderLines` in `orders` `order_lines`."""
    above, name = singular(parent), plural(singular(write_snake(array)))
    return name if name.startswith(f"{above}_") else f"{above}_{name}"


def _inherit(parent: TableDesign) -> tuple[Column, ...]:
    """Return the key's columns of a child table that come from its parent."""
    own = [column for column in parent.columns if column.is_key]
    prefix = singular(parent.name)
    last = own[-1]
    name = f"{prefix}_id" if last.name == "id" else last.name
    return (*parent.inherited, *own[:-1], replace(last, name=name))


def _make_position(taken: set[str]) -> Column:
    name = "position" if "position" not in taken else "item_position"
    facts = Facts(parents=0, present=0, kinds={})
    return Column(name, "", (), replace(INTEGER, stored=0), nullable=False, facts=facts, is_key=True)


def _as_key(column: Column, taken: set[str]) -> Column:
    name = column.name if column.name not in taken else f"item_{column.name}"
    return replace(column, name=name, is_key=True, nullable=False, type=replace(column.type, marks=()))


def _merge_spellings(fields: Mapping[str, Facts]) -> Iterator[tuple[tuple[str, ...], Facts]]:
    """Return each property with all its spellings, the commonest first, and the facts of that one."""
    by_folded: dict[str, list[str]] = {}
    for name in fields:
        by_folded.setdefault(name.lower().replace("_", "").replace("-", ""), []).append(name)
    for names in by_folded.values():
        names.sort(key=lambda name: -fields[name].present)
        yield tuple(names), fields[names[0]]
