"""Compare the documents in Cosmos with the rows in PostgreSQL, by a list of fields of its own.

It shares no code with the product, so that a mistake there cannot hide here.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from azure.cosmos import ContainerProxy, CosmosClient
from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier
from psycopg.types.json import set_json_loads

from local.oracle import example
from local.oracle import expected as mystira
from local.oracle.fields import Expected, Json
from local.oracle.json_columns import is_equal, read_json
from local.oracle.types import Child, Key, Type, find_type

# The lists, by the application whose mappers the app has.
EXPECTED: Mapping[str, Sequence[Type]] = {"mystira": mystira.TYPES, "example": example.TYPES}
SETTINGS = ("COSMOS_CONNECTION", "COSMOS_DATABASE", "POSTGRES_CONNECTION")
_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not equal: which kind, where, and which document; never a value."""

    kind: str
    container: str
    id: str
    where: str

    def __str__(self) -> str:
        return f"{self.kind:8} {self.container} {self.id}: {self.where}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What both sides hold, and where they differ; `parked` counts the documents with a dead letter.

    `unlisted` are containers, replicated or asked for, that were not compared: the list has no fields of them.
    """

    documents: int
    containers: int
    rows: int
    parked: int
    differences: list[Difference]
    unlisted: Sequence[str] = ()

    def __str__(self) -> str:
        return (
            f"{self.documents} documents in {self.containers} containers, {self.rows} rows, "
            f"{self.parked} parked, {len(self.differences)} differences"
        )


@dataclass(frozen=True, slots=True)
class _Known:
    """What the ledger says of a document; `row` is the table and the key of the row that it wrote last."""

    etag: str
    parked: bool
    unmapped: bool
    waits: bool
    row: tuple[str, Key] | None


@dataclass(frozen=True, slots=True)
class _Target:
    """The root rows of a container by table and key, its child rows by table, parent and key, its ledger by identity.

    Keys of parents are with their root table: two types may have equal ones.
    """

    rows: Mapping[str, Mapping[Key, Json]]
    children: Mapping[str, Mapping[tuple[str, Key], Mapping[str, Json]]]
    known: Mapping[str, _Known]


_LEDGER = """
select d.partition_key, d.id, d.etag, d.state, d.row_table, d.row_key, l.key is not null as waits
from cdc.document d left join cdc.dead_letter l using (key) where d.container = %s
"""
_UNLISTED = "select container from cdc.container where container <> all(%s) order by container"
_UNREADABLE = (ValueError, TypeError, LookupError, AttributeError)


def compare(
    cosmos_connection: str,
    cosmos_database: str,
    postgres_connection: str,
    extra: Collection[str] = (),
    types: Sequence[Type] = mystira.TYPES,
) -> Comparison:
    """Read both sides whole and compare them; `extra` names containers to compare even where they have no rows."""
    by_container: dict[str, list[Type]] = {}
    for each in types:
        by_container.setdefault(each.container, []).append(each)
    client = CosmosClient.from_connection_string(cosmos_connection)
    try:
        with psycopg.connect(postgres_connection, options="-c TimeZone=UTC", row_factory=dict_row) as connection:
            set_json_loads(read_json, connection)
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            database = client.get_database_client(cosmos_database)
            parts = []
            for name, group in by_container.items():
                if not any(_has_table(connection, each.table) for each in group):  # of another application
                    continue
                target = _read_target(connection, group)
                if any(target.rows.values()) or not group[0].extra or name in extra:
                    documents = _read_source(database.get_container_client(name))
                    parts.append(_compare_container(group, documents, target))
            replicated = connection.execute(_UNLISTED, [list(by_container)]).fetchall()
    finally:
        client.close()
    return Comparison(
        documents=sum(part.documents for part in parts),
        containers=len(parts),
        rows=sum(part.rows for part in parts),
        parked=sum(part.parked for part in parts),
        differences=[difference for part in parts for difference in part.differences],
        unlisted=sorted({*(row["container"] for row in replicated), *extra} - by_container.keys()),
    )


def _has_table(connection: psycopg.Connection[Json], table: str) -> bool:
    (found,) = connection.execute("select to_regclass(%s) is not null as found", [f"public.{table}"]).fetchall()
    return bool(found["found"])


def _read_source(container: ContainerProxy) -> dict[str, Json]:
    paths = container.read()["partitionKey"]["paths"]
    documents = container.read_all_items(max_item_count=_PAGE)
    return {_identity(_partition_key(document, paths), document["id"]): document for document in documents}


def _partition_key(document: Json, paths: Sequence[str]) -> object:
    values: list[Any] = []
    for path in paths:
        value: Any = document
        for name in path.strip("/").split("/"):
            value = value.get(name, {})
        values.append(value)
    return values if len(values) > 1 else values[0]


def _identity(partition_key: object, id_: str) -> str:
    return json.dumps([partition_key, id_])


def _read_target(connection: psycopg.Connection[Json], types: Sequence[Type]) -> _Target:
    rows: dict[str, dict[Key, Json]] = {}
    children: dict[str, dict[tuple[str, Key], dict[str, Json]]] = {}
    for each in types:
        found = _select(connection, each.table)
        rows[each.table] = {tuple(str(row[column]) for column in each.key): row for row in found}
        for child in each.children:
            by_parent = children.setdefault(child.table, {})
            for row in _select(connection, child.table):
                by_parent.setdefault((each.table, (row[child.parent],)), {})[str(row[child.key])] = row
    known = {}
    for entry in connection.execute(_LEDGER, [types[0].container]):
        identity = _identity(json.loads(entry["partition_key"]), json.loads(entry["id"]))
        table = (entry["row_table"] or types[0].table).removeprefix("public.")
        row_key = entry["row_key"] and (table, tuple(map(str, json.loads(entry["row_key"]))))
        parked, unmapped = (entry["state"] == state for state in ("parked", "unmapped"))
        known[identity] = _Known(entry["etag"], parked, unmapped, entry["waits"], row_key)
    return _Target(rows, children, known)


def _select(connection: psycopg.Connection[Json], table: str) -> psycopg.Cursor[Json]:
    return connection.execute(SQL("select * from {}").format(Identifier("public", table)))


def _compare_container(types: Sequence[Type], documents: Mapping[str, Json], target: _Target) -> Comparison:
    name, differences = types[0].container, list[Difference]()
    claimed: set[tuple[str, Key] | None] = set()
    for identity, document in documents.items():
        known = target.known.get(identity)
        if known and known.parked:
            claimed.add(known.row)
        else:
            type_ = find_type(types, document)
            key = None if type_ is None else type_.find_key(document)
            if type_ is not None and key is not None:
                claimed.add((type_.table, key))
            found = _compare_document(type_, key, document, target, known)
            differences += [Difference(kind, name, document["id"], where) for kind, where in found]
    claims = {table: {(table, key) for key in rows} for table, rows in target.rows.items()}
    claims |= {table: set(parents) for table, parents in target.children.items()}
    differences += [
        Difference("extra", name, ", ".join(key), f"a row in {table} that no document maps to")
        for table, held in claims.items()
        for _, key in sorted(held - claimed)
    ]
    return Comparison(
        documents=len(documents),
        containers=1,
        rows=sum(len(rows) for rows in target.rows.values())
        + sum(len(rows) for parents in target.children.values() for rows in parents.values()),
        parked=sum(entry.waits for entry in target.known.values()),
        differences=differences,
    )


def _compare_document(
    type_: Type | None, key: Key | None, document: Json, target: _Target, known: _Known | None
) -> Iterator[tuple[str, str]]:
    """Say what is not equal, each with its kind."""
    row = None
    if type_ is not None and key is not None:
        row = target.rows[type_.table].get(key)
        if row is None:
            yield "missing", f"no row in {type_.table}"
            return
    if known is None or known.etag != document["_etag"]:
        yield "stale", "the ledger holds another version, or none"
        return
    if known.unmapped is (type_ is not None):
        yield "type", "the ledger has another opinion whether it is mapped"
    if type_ is None or key is None or row is None:
        return
    for column in _unequal(type_.fields, document, row):
        yield "edited", f"{type_.table}.{column}"
    for child in type_.children:
        rows = target.children[child.table].get((type_.table, key), {})
        for where in _compare_children(child, document, rows):
            yield "child", where


def _compare_children(child: Child, document: Json, rows: Mapping[str, Json]) -> Iterator[str]:
    items, by_key = None, dict[str, Json]()
    with suppress(*_UNREADABLE):
        items = child.items(document)
        by_key = {str(child.fields[child.key](item)): item for item in items}
    if items is None or len(by_key) < len(items):  # something cannot be read, or two items have one key
        yield f"{child.table}: the document should have been parked"
        return
    for key in sorted(by_key.keys() ^ rows.keys()):
        yield f"{child.table} {'lacks' if key in by_key else 'has'} {key}"
    for key in sorted(by_key.keys() & rows.keys()):
        for column in _unequal(child.fields, by_key[key], rows[key]):
            yield f"{child.table}.{column} of {key}"


def _unequal(fields: Mapping[str, Expected], document: Json, row: Json) -> Iterator[str]:
    for column, expected in fields.items():
        try:
            equal = is_equal(expected(document), row[column])
        except _UNREADABLE:  # the document should have been parked, and was not
            equal = False
        if not equal:
            yield column


def compare_settings(settings: Mapping[str, str], application: str = "mystira") -> Comparison:
    """Compare what the app's settings name, as the login of COMPARE_CONNECTION where that is set."""
    cosmos, database, postgres = (settings[name] for name in SETTINGS)
    postgres = settings.get("COMPARE_CONNECTION") or postgres
    return compare(cosmos, database, postgres, list_extra(settings), EXPECTED[application])


def list_extra(settings: Mapping[str, str]) -> list[str]:
    """Return the containers that EXTRA_CONTAINERS names."""
    return [name for name in settings.get("EXTRA_CONTAINERS", "").replace(" ", "").split(",") if name]
