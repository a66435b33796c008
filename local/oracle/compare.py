"""Compare the documents in Cosmos with the rows in PostgreSQL, by a list of fields of its own.

It shares no code with the product, so that a mistake there cannot hide here.
"""

import argparse
import json
import os
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from azure.core.exceptions import AzureError
from azure.cosmos import ContainerProxy, CosmosClient
from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier
from psycopg.types.json import set_json_loads

from local.console import quiet_localhost
from local.oracle.expected import CONTAINERS, Child, Container
from local.oracle.fields import Expected, Json
from local.oracle.json_columns import is_equal, read_json

_SETTINGS = ("COSMOS_CONNECTION", "COSMOS_DATABASE", "POSTGRES_CONNECTION")
_PAGE = 1_000
_MOST_MESSAGES = 100


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

    `unlisted` are replicated containers that were not compared, because the list has no fields of them.
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
    """What the ledger says of a document; `row` is the key of the row that it wrote last."""

    etag: str
    parked: bool
    unmapped: bool
    waits: bool
    row: str | None


@dataclass(frozen=True, slots=True)
class _Target:
    """The rows of a container by id, its child rows by table, parent and key, and its ledger by identity."""

    rows: Mapping[str, Json]
    children: Mapping[str, Mapping[str, Mapping[str, Json]]]
    known: Mapping[str, _Known]


_LEDGER = """
select d.partition_key, d.id, d.etag, d.state, d.row_key, l.key is not null as waits
from cdc.document d left join cdc.dead_letter l using (key) where d.container = %s
"""
_UNLISTED = "select container from cdc.container where container <> all(%s) order by container"
_UNREADABLE = (ValueError, TypeError, LookupError, AttributeError)


def compare(
    cosmos_connection: str, cosmos_database: str, postgres_connection: str, extra: Collection[str] = ()
) -> Comparison:
    """Read both sides whole and compare them; `extra` names containers to compare even where they have no rows."""
    client = CosmosClient.from_connection_string(cosmos_connection)
    try:
        with psycopg.connect(postgres_connection, options="-c TimeZone=UTC", row_factory=dict_row) as connection:
            set_json_loads(read_json, connection)
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            database = client.get_database_client(cosmos_database)
            parts = []
            for container in CONTAINERS:
                if not _has_table(connection, container.table):  # of another application
                    continue
                target = _read_target(connection, container)
                if target.rows or not container.extra or container.name in extra:
                    source = database.get_container_client(container.name)
                    parts.append(_compare_container(container, _read_source(source), target))
            unlisted = connection.execute(_UNLISTED, [[container.name for container in CONTAINERS]]).fetchall()
    finally:
        client.close()
    return Comparison(
        documents=sum(part.documents for part in parts),
        containers=len(parts),
        rows=sum(part.rows for part in parts),
        parked=sum(part.parked for part in parts),
        differences=[difference for part in parts for difference in part.differences],
        unlisted=[row["container"] for row in unlisted],
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


def _read_target(connection: psycopg.Connection[Json], container: Container) -> _Target:
    rows = {row["id"]: row for row in _select(connection, container.table)}
    children: dict[str, dict[str, dict[str, Json]]] = {}
    for child in container.children:
        by_parent = children.setdefault(child.table, {})
        for row in _select(connection, child.table):
            by_parent.setdefault(row[child.parent], {})[row[child.key]] = row
    known = {}
    for entry in connection.execute(_LEDGER, [container.name]):
        identity = _identity(json.loads(entry["partition_key"]), json.loads(entry["id"]))
        row_key = entry["row_key"] and json.loads(entry["row_key"])[0]
        parked, unmapped = (entry["state"] == state for state in ("parked", "unmapped"))
        known[identity] = _Known(entry["etag"], parked, unmapped, entry["waits"], row_key)
    return _Target(rows, children, known)


def _select(connection: psycopg.Connection[Json], table: str) -> psycopg.Cursor[Json]:
    return connection.execute(SQL("select * from {}").format(Identifier("public", table)))


def _compare_container(container: Container, documents: Mapping[str, Json], target: _Target) -> Comparison:
    differences: list[Difference] = []
    claimed = set()
    for identity, document in documents.items():
        known = target.known.get(identity)
        if known and known.parked:
            claimed.add(known.row)
        else:
            claimed.update(_keys(container, document))
            differences += _compare_document(container, document, target, known)
    tables = {container.table: target.rows, **target.children}
    differences += [
        Difference("extra", container.name, id_, f"a row in {table} that no document maps to")
        for table, ids in tables.items()
        for id_ in sorted(ids.keys() - claimed)
    ]
    return Comparison(
        documents=len(documents),
        containers=1,
        rows=len(target.rows) + sum(len(rows) for parents in target.children.values() for rows in parents.values()),
        parked=sum(entry.waits for entry in target.known.values()),
        differences=differences,
    )


def _keys(container: Container, document: Json) -> list[str]:
    return [container.fields["id"](document)] if container.has_rows(document) else []


def _compare_document(
    container: Container, document: Json, target: _Target, known: _Known | None
) -> Iterator[Difference]:
    row = None
    for key in _keys(container, document):
        row = target.rows.get(key)
        if row is None:
            yield Difference("missing", container.name, document["id"], f"no row in {container.table}")
            return
    if known is None or known.etag != document["_etag"]:
        yield Difference("stale", container.name, document["id"], "the ledger holds another version, or none")
        return
    if known.unmapped is container.is_mapped(document):
        yield Difference("type", container.name, document["id"], "the ledger has another opinion whether it is mapped")
    if row is None:
        return
    for column in _unequal(container.fields, document, row):
        yield Difference("edited", container.name, document["id"], f"{container.table}.{column}")
    for child in container.children:
        rows = target.children[child.table].get(row["id"], {})
        for where in _compare_children(child, document, rows):
            yield Difference("child", container.name, document["id"], where)


def _compare_children(child: Child, document: Json, rows: Mapping[str, Json]) -> Iterator[str]:
    try:
        by_key = {str(child.fields[child.key](item)): item for item in child.items(document)}
    except _UNREADABLE:
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


def compare_settings(settings: Mapping[str, str]) -> Comparison:
    """Compare what the app's settings name, as the login of COMPARE_CONNECTION where that is set."""
    cosmos, database, postgres = (settings[name] for name in _SETTINGS)
    postgres = settings.get("COMPARE_CONNECTION") or postgres
    return compare(cosmos, database, postgres, settings.get("EXTRA_CONTAINERS", "").replace(" ", "").split(","))


def main() -> int:
    """Compare what COSMOS_CONNECTION, COSMOS_DATABASE and POSTGRES_CONNECTION name; exit 1 on any difference,
    and 2 if nothing was compared.

    PendingSignups is compared where its table has rows, or EXTRA_CONTAINERS names it.
    """
    argparse.ArgumentParser(prog="python -m local.compare", description=main.__doc__).parse_args()
    quiet_localhost()
    if missing := [name for name in _SETTINGS if not os.environ.get(name)]:
        print(f"{', '.join(missing)} must be set: they say where to compare.", file=sys.stderr)
        return 2
    try:
        comparison = compare_settings(os.environ)
    except (AzureError, psycopg.Error, ValueError) as error:
        print(f"The two sides cannot be read: {type(error).__name__}.", file=sys.stderr)
        return 2
    for difference in comparison.differences[:_MOST_MESSAGES]:
        print(difference)
    if hidden := comparison.differences[_MOST_MESSAGES:]:
        print(f"and {len(hidden)} more")
    print(f"compare: {comparison}")
    for container in comparison.unlisted:
        print(f"compare: {container} was not compared: local/oracle/expected.py has no fields of it")
    if not comparison.containers:
        return 2
    return 1 if comparison.differences else 0
