"""Compare the documents in Cosmos with the rows in PostgreSQL, by a list of fields of its own.

It shares no code with the product, so that a mistake there cannot hide here.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import psycopg
from azure.core.exceptions import AzureError
from azure.cosmos import CosmosClient
from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier

from local.expected import CONTAINERS, Container, Expected, Json


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
    """What both sides hold, and where they differ; `parked` counts the documents with a dead letter."""

    documents: int
    containers: int
    rows: int
    parked: int
    differences: list[Difference]

    def __str__(self) -> str:
        return (
            f"{self.documents} documents in {self.containers} containers, {self.rows} rows, "
            f"{self.parked} parked, {len(self.differences)} differences"
        )


@dataclass(frozen=True, slots=True)
class _Known:
    etag: str
    parked: bool
    waits: bool


_LEDGER = """
select d.id, d.etag, d.state, l.key is not null as waits
from cdc.document d left join cdc.dead_letter l using (key) where d.container = %s
"""


def compare(cosmos_connection: str, cosmos_database: str, postgres_connection: str) -> Comparison:
    """Read both sides whole and compare them."""
    client = CosmosClient.from_connection_string(cosmos_connection)
    try:
        with psycopg.connect(postgres_connection, options="-c TimeZone=UTC", row_factory=dict_row) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            database = client.get_database_client(cosmos_database)
            parts = []
            for container in CONTAINERS:
                rows, children, known = _read_rows(connection, container)
                documents = {
                    item["id"]: item for item in database.get_container_client(container.name).read_all_items()
                }
                parts.append(_compare_container(container, documents, rows, children, known))
    finally:
        client.close()
    return Comparison(
        documents=sum(part.documents for part in parts),
        containers=len(parts),
        rows=sum(part.rows for part in parts),
        parked=sum(part.parked for part in parts),
        differences=[difference for part in parts for difference in part.differences],
    )


def _read_rows(
    connection: psycopg.Connection[Json], container: Container
) -> tuple[dict[str, Json], dict[str, dict[str, Json]], dict[str, _Known]]:
    rows = {row["id"]: row for row in _select(connection, container.table)}
    children: dict[str, dict[str, Json]] = {}
    child = container.child
    for row in _select(connection, child.table):
        children.setdefault(row[child.parent], {})[row[child.key]] = row
    ledger = connection.execute(_LEDGER, [container.name])
    known = {json.loads(row["id"]): _Known(row["etag"], row["state"] == "parked", row["waits"]) for row in ledger}
    return rows, children, known


def _select(connection: psycopg.Connection[Json], table: str) -> psycopg.Cursor[Json]:
    return connection.execute(SQL("select * from {}").format(Identifier("public", table)))


def _compare_container(
    container: Container,
    documents: Mapping[str, Json],
    rows: Mapping[str, Json],
    children: Mapping[str, Mapping[str, Json]],
    known: Mapping[str, _Known],
) -> Comparison:
    parked = {id_ for id_, entry in known.items() if entry.parked}
    differences = [
        difference
        for id_, document in documents.items()
        if id_ not in parked
        for difference in _compare_document(container, document, rows.get(id_), children.get(id_, {}), known.get(id_))
    ]
    differences += [
        Difference("extra", container.name, id_, f"a row in {table} without a document")
        for table, ids in ((container.table, rows), (container.child.table, children))
        for id_ in ids.keys() - documents.keys()
    ]
    return Comparison(
        documents=len(documents),
        containers=1,
        rows=len(rows) + sum(map(len, children.values())),
        parked=sum(entry.waits for entry in known.values()),
        differences=differences,
    )


def _compare_document(
    container: Container, document: Json, row: Json | None, children: Mapping[str, Json], known: _Known | None
) -> Iterator[Difference]:
    id_ = document["id"]
    if row is None:
        yield Difference("missing", container.name, id_, f"no row in {container.table}")
        return
    if known is None or known.etag != document["_etag"]:
        yield Difference("stale", container.name, id_, "the ledger holds another version")
        return
    for column in _unequal(container.fields, document, row):
        yield Difference("edited", container.name, id_, f"{container.table}.{column}")
    child = container.child
    items = {str(child.fields[child.key](item)): item for item in child.items(document)}
    for key in sorted(items.keys() ^ children.keys()):
        yield Difference("child", container.name, id_, f"{child.table} {'lacks' if key in items else 'has'} {key}")
    for key in sorted(items.keys() & children.keys()):
        for column in _unequal(child.fields, items[key], children[key]):
            yield Difference("child", container.name, id_, f"{child.table}.{column} of {key}")


def _unequal(fields: Mapping[str, Expected], document: Json, row: Json) -> Iterable[str]:
    return [column for column, expected in fields.items() if expected(document) != row[column]]


def main() -> int:
    """Compare what COSMOS_CONNECTION, COSMOS_DATABASE and POSTGRES_CONNECTION name; exit 1 on any difference."""
    argparse.ArgumentParser(prog="python -m local.compare", description=main.__doc__).parse_args()
    names = ("COSMOS_CONNECTION", "COSMOS_DATABASE", "POSTGRES_CONNECTION")
    if missing := [name for name in names if not os.environ.get(name)]:
        print(f"{', '.join(missing)} must be set: they say where to compare.", file=sys.stderr)
        return 2
    try:
        comparison = compare(*(os.environ[name] for name in names))
    except (AzureError, psycopg.Error, ValueError) as error:
        print(f"The two sides cannot be read: {type(error).__name__}.", file=sys.stderr)
        return 2
    for difference in comparison.differences:
        print(difference)
    print(f"compare: {comparison}")
    return 1 if comparison.differences else 0


if __name__ == "__main__":
    sys.exit(main())
