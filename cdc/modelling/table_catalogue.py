"""Read a table that exists: its columns, its key, its rules, and the tables below it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cdc.core.errors import RequestError
from cdc.modelling.naming import quote
from cdc.postgres.database import Connection
from cdc.postgres.refusals import find_refusals
from cdc.postgres.statements import statement

# Tables below tables below tables become no tables of a document.
_DEEPEST = 3
_KINDS = {"v": "a view", "m": "a materialized view", "f": "a foreign table"}


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column; `base` and `type` are its type without and with the modifier, `kind` is PostgreSQL's of the type."""

    name: str
    base: str
    type: str
    modifier: int
    kind: str
    type_name: str
    type_schema: str
    required: bool
    identity: str
    generated: bool
    default: str | None
    labels: Sequence[str]

    @property
    def counts(self) -> bool:
        """Return whether PostgreSQL numbers the rows in it."""
        return bool(self.identity) or (self.default or "").startswith("nextval(")

    @property
    def may_be_left(self) -> bool:
        """Return whether a row may leave it out."""
        return not self.required or self.default is not None or bool(self.identity) or self.generated


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key: the columns of a table, and those of the table that they refer to."""

    name: str
    table: str
    columns: tuple[str, ...]
    other: str
    other_columns: tuple[str, ...]
    deferrable: bool
    on_delete: str


@dataclass(frozen=True, slots=True)
class TableRule:
    """A unique rule, an index alone that is one, a check, an exclusion, a trigger, or a rewrite rule on delete."""

    kind: str
    name: str
    definition: str


@dataclass(frozen=True, slots=True)
class ExistingTable:
    """A table, and the `children` whose key begins with its own.

    `candidates` are tables with a key of their own that refer to it: only the documents tell whether their rows are
    items, or documents of another container. `others` refer to it in another way.
    """

    schema: str
    name: str
    columns: tuple[TableColumn, ...]
    key: tuple[str, ...]
    references: tuple[Reference, ...]
    others: tuple[Reference, ...]
    rules: tuple[TableRule, ...]
    children: tuple["ExistingTable", ...] = ()
    candidates: tuple["ExistingTable", ...] = ()
    # Of a child: the foreign key to the table above it, and its columns in the order of that table's key.
    above: Reference | None = None
    inherited: tuple[str, ...] = ()
    # The name of its primary key, and whether an index begins with the inherited columns.
    key_name: str = ""
    is_indexed: bool = True
    # What the role that reads it may not do with it.
    role: str = ""
    missing_rights: tuple[str, ...] = ()
    is_hidden: bool = False
    # Why it refuses every row.
    refusals: tuple[str, ...] = ()

    @property
    def quoted(self) -> str:
        """Return its name with its schema, as SQL takes it."""
        return f"{quote(self.schema)}.{quote(self.name)}"

    @property
    def has_own_key(self) -> bool:
        """Return whether its key does not begin with that of the table above it."""
        return self.key[: len(self.inherited)] != self.inherited

    @property
    def is_single(self) -> bool:
        """Return whether at most one of its rows is below a row of the table above."""
        return {*self.key} <= {*self.inherited}

    @property
    def referring(self) -> tuple[Reference, ...]:
        """Return the foreign keys of other tables to it."""
        below = (each.above for each in (*self.children, *self.candidates))
        return (*self.others, *(each for each in below if each is not None))

    def column(self, name: str) -> TableColumn:
        """Return the column of this name."""
        return next(column for column in self.columns if column.name == name)

    def walk(self) -> Iterator["ExistingTable"]:
        """Return this table and all below it, without candidates."""
        yield self
        for child in self.children:
            yield from child.walk()

    def walk_all(self) -> Iterator["ExistingTable"]:
        """Return this table and all below it, and candidates."""
        for each in self.walk():
            yield from (each, *each.candidates)


def read_table(connection: Connection, name: str) -> ExistingTable:
    """Return the table `schema.table`, or of the schema public; raise RequestError if there is none."""
    schema, _, table = name.rpartition(".")
    schema, table = _unquote(schema), _unquote(table)
    parameters = {"schema": schema or "public", "name": table}
    found = connection.execute(statement("find_tables"), parameters).fetchall()
    named = [each for each in found if tuple(each[1:3]) == (parameters["schema"], table)] or found
    if not named:
        raise RequestError(
            f"There is no table {parameters['schema']}.{table} in the database of POSTGRES_CONNECTION: write its "
            "schema in front, and let that be the application's database."
        )
    if len(named) > 1:
        raise RequestError(f"Several tables are called {name}: write the name with its capitals.")
    ((oid, schema, table, kind),) = named
    if kind in _KINDS:
        raise RequestError(f"{schema}.{table} is {_KINDS[kind]}: name the table behind it.")
    return _read(connection, oid, schema, table)


def _unquote(name: str) -> str:
    return name[1:-1].replace('""', '"') if re.fullmatch('".+"', name) else name


def _read(
    connection: Connection,
    oid: int,
    schema: str,
    name: str,
    above: Reference | None = None,
    inherited: Sequence[str] = (),
    depth: int = 0,
    ancestors: Sequence[str] = (),
) -> ExistingTable:
    parameters = {"table": oid}
    columns = connection.execute(statement("read_table_columns"), parameters).fetchall()
    key = _read_key(connection, schema, name)
    ours, others = [], []
    children: list[ExistingTable] = []
    candidates: list[ExistingTable] = []
    theirs: dict[int, list[tuple[Reference, str, str]]] = {}
    for from_, schema_, table_, name_, table, other, own, refer, deferrable, on_delete in connection.execute(
        statement("read_table_references"), parameters
    ).fetchall():
        reference = Reference(name_, table, tuple(own), other, tuple(refer), deferrable, on_delete)
        if from_ == oid:
            ours.append(reference)
        else:
            theirs.setdefault(from_, []).append((reference, schema_, table_))
    for from_, references in theirs.items():
        several = sum(bool(_order(each, key)) for each, *_ in references) > 1
        for reference, schema_, table_ in references:
            named = _order(reference, key)
            begins = _begins(named, _read_key(connection, schema_, table_))
            if depth >= _DEEPEST or not named or (several and not begins):
                others.append(reference)
                continue
            # Of tables below one with a key of its own, no column says which document their rows are of.
            deeper = depth + 1 if begins else _DEEPEST
            names = (*ancestors, reference.other)
            child = _read(connection, from_, schema_, table_, reference, named, deeper, names)
            (children if begins else candidates).append(child)
    ((key_name, is_indexed),) = connection.execute(statement("read_table_key"), {"table": oid, "columns": [*inherited]})
    return ExistingTable(
        schema=schema,
        name=name,
        columns=tuple(TableColumn(*values) for values in columns),
        key=tuple(key),
        # The rows above it are those of its own document.
        references=tuple(each for each in ours if each.other not in ancestors or not {*each.columns} <= {*inherited}),
        others=tuple(others),
        rules=tuple(TableRule(*each) for each in connection.execute(statement("read_table_rules"), parameters)),
        children=tuple(children),
        candidates=tuple(candidates),
        above=above,
        inherited=tuple(inherited),
        key_name=key_name or "",
        is_indexed=is_indexed,
        refusals=tuple(find_refusals(connection, f"{quote(schema)}.{quote(name)}", [])),
        **_read_rights(connection, schema, name),
    )


def _read_rights(connection: Connection, schema: str, name: str) -> dict[str, Any]:
    parameters = {"schemas": [schema], "tables": [name], "read_only": []}
    missing = [right for (right,) in connection.execute(statement("read_missing_rights"), parameters)]
    # Those on schema cdc are no matter of this table.
    ours = tuple(right for right in missing if not re.search(r" (?:schema cdc$|cdc\.|function cdc\.)", right))
    ((role,),) = connection.execute("select current_user")
    hidden = connection.execute(statement("read_hidden_tables"), parameters).fetchone() is not None
    return {"role": role, "missing_rights": ours, "is_hidden": hidden}


def _read_key(connection: Connection, schema: str, name: str) -> list[str]:
    table = f"{quote(schema)}.{quote(name)}"
    return [column for (column,) in connection.execute(statement("read_primary_key"), {"table": table})]


def _order(reference: Reference, key: Sequence[str]) -> list[str]:
    """Return the columns that refer to a table's key, in its order, or [] if they refer to something else."""
    pairs = dict(zip(reference.other_columns, reference.columns, strict=True))
    return [pairs[name] for name in key] if pairs.keys() == {*key} else []


def _begins(named: Sequence[str], key: Sequence[str]) -> bool:
    """Return whether a child's key begins with the columns that name its parent, and goes on."""
    return bool(named) and len(key) > len(named) and [*named] == [*key[: len(named)]]
