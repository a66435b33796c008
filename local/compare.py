"""Compare the documents in Cosmos with the rows in PostgreSQL, by a list of fields of its own.

It shares no code with the product, so that a mistake there cannot hide here.
"""

import argparse
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import psycopg
from azure.core.exceptions import AzureError
from azure.cosmos import CosmosClient
from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier

Json = dict[str, Any]
Expected = Callable[[Json], object]


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
    """What both sides hold, and where they differ."""

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
class Child:
    """A child table: its rows by key, and where a document holds them."""

    table: str
    parent: str
    key: str
    items: Callable[[Json], list[Json]]
    fields: Mapping[str, Expected]


@dataclass(frozen=True, slots=True)
class Container:
    """A container, its root table, and what each column must hold."""

    name: str
    table: str
    fields: Mapping[str, Expected]
    child: Child


@dataclass(frozen=True, slots=True)
class _Known:
    etag: str
    parked: bool


def _same(name: str) -> Expected:
    return lambda document: document.get(name)


def _instant(name: str) -> Expected:
    def read(document: Json) -> datetime | None:
        text = document.get(name)
        if text is None:
            return None
        # Microseconds are what PostgreSQL keeps; .NET writes a digit more.
        instant = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
        return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)

    return read


def _day(name: str) -> Expected:
    return lambda document: None if document.get(name) is None else date.fromisoformat(document[name][:10])


def _commas(name: str) -> Expected:
    return lambda document: [part for part in (document.get(name) or "").split(",") if part]


def _subscription(document: Json) -> Json:
    subscription = {name: value for name, value in document["Subscription"].items() if name != "PurchaseToken"}
    return subscription | {"PurchasedScenarios": _commas("PurchasedScenarios")(subscription)}


def _completed(document: Json) -> list[Json]:
    return [{"ScenarioId": id_} for id_ in set(document["CompletedScenarioIds"])]


CONTAINERS = (
    Container(
        "Accounts",
        "accounts",
        {
            "id": _same("id"),
            "external_user_id": _same("ExternalUserId"),
            "email": _same("Email"),
            "display_name": _same("DisplayName"),
            "role": _same("Role"),
            "user_profile_ids": _commas("UserProfileIds"),
            "completed_scenario_ids": _same("CompletedScenarioIds"),
            "subscription": _subscription,
            "settings": _same("Settings"),
            "created_at": _instant("CreatedAt"),
            "last_login_at": _instant("LastLoginAt"),
        },
        Child("completed_scenarios", "account_id", "scenario_id", _completed, {"scenario_id": _same("ScenarioId")}),
    ),
    Container(
        "UserProfiles",
        "user_profiles",
        {
            "id": _same("id"),
            "account_id": _same("AccountId"),
            "name": _same("Name"),
            "age_group": _same("AgeGroupName"),
            "date_of_birth": _day("DateOfBirth"),
            "is_guest": _same("IsGuest"),
            "is_npc": _same("IsNpc"),
            "pronouns": _same("Pronouns"),
            "bio": _same("Bio"),
            "avatar_media_id": _same("AvatarMediaId"),
            "selected_avatar_media_id": _same("SelectedAvatarMediaId"),
            "preferred_themes": _commas("PreferredFantasyThemes"),
            "has_completed_onboarding": _same("HasCompletedOnboarding"),
            "created_at": _instant("CreatedAt"),
            "updated_at": _instant("UpdatedAt"),
        },
        Child(
            "user_badges",
            "user_profile_id",
            "id",
            lambda document: document["EarnedBadges"],
            {
                "id": _same("Id"),
                "badge_configuration_id": _same("BadgeConfigurationId"),
                "badge_id": _same("BadgeId"),
                "badge_name": _same("BadgeName"),
                "badge_message": _same("BadgeMessage"),
                "axis": _same("Axis"),
                "trigger_value": _same("TriggerValue"),
                "threshold": _same("Threshold"),
                "earned_at": _instant("EarnedAt"),
                "game_session_id": _same("GameSessionId"),
                "scenario_id": _same("ScenarioId"),
                "image_id": _same("ImageId"),
            },
        ),
    ),
)


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
    ledger = connection.execute("select id, etag, state from cdc.document where container = %s", [container.name])
    known = {json.loads(row["id"]): _Known(row["etag"], row["state"] == "parked") for row in ledger}
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
        len(documents), 1, len(rows) + sum(map(len, children.values())), len(parked & documents.keys()), differences
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
    try:
        names = ("COSMOS_CONNECTION", "COSMOS_DATABASE", "POSTGRES_CONNECTION")
        comparison = compare(*(os.environ[name] for name in names))
    except KeyError as error:
        print(f"{error.args[0]} is not set: it says where to compare.", file=sys.stderr)
        return 2
    except (AzureError, psycopg.Error, ValueError) as error:
        print(f"The two sides cannot be read: {type(error).__name__}.", file=sys.stderr)
        return 2
    for difference in comparison.differences:
        print(difference)
    print(f"compare: {comparison}")
    return 1 if comparison.differences else 0


if __name__ == "__main__":
    sys.exit(main())
