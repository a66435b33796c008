"""Both sides of one container, filled alike: a Cosmos server of its own, PostgreSQL, and reconcile."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from azure.cosmos import ContainerProxy, CosmosClient

from bench.database import provision
from cdc.api.answers import read_body
from cdc.api.reconciliations import ReconcileRequest, Reconciliations
from cdc.backfill.store import PostgresBackfills
from cdc.config.settings import Settings
from cdc.core.documents import JsonObject
from cdc.core.feed_items import read_change
from cdc.cosmos.account import CosmosAccount
from cdc.postgres.containers import ConfirmedSource
from cdc.postgres.database import Database
from cdc.reconcile.activities import Activities
from cdc.reconcile.advance import ContainerTools
from cdc.reconcile.cosmos_side import CosmosSide
from cdc.reconcile.store import PostgresRuns
from cdc.replication.batch import replicate
from cdc.replication.sink import PostgresSink
from cdc.runtime import make_tools
from local.cosmos.auth import EMULATOR_KEY
from local.cosmos.remote import RemoteControls
from local.postgres import Postgres
from local.sample import Source
from local.stack import Part
from mappers.game_sessions import GAME_SESSIONS

CONTAINER = "GameSessions"
PARTITIONS = 2
# Documents of one transaction have one `_ts`; between two transactions the source's clock goes on by so much.
BATCH = 100
STEP_SECONDS = 7
_PAGE = 1_000
_SETTINGS = {
    "COSMOS_DATABASE": "MystiraAppDb",
    "LEASE_DATABASE": "bench",
    "LEASE_CONTAINER": "leases",
    "LEASE_PREFIX": "bench",
    "DURABLE_HUB": "Bench",
    "IDENTITY_KEY": "for this benchmark only",
    "SETTLE_SECONDS": "1",
}


def make_session(number: int, **overrides: object) -> JsonObject:
    """Build a session of an account that has as many as fit one transaction."""
    return {
        "id": f"session-{number:07}",
        "$type": "GameSession",
        "accountId": f"account-{number // BATCH:05}",
        "ScenarioId": f"scenario-{number % 17}",
        "ProfileId": f"profile-{number // 7}",
        "PlayerNames": "One,Two",
        "CurrentSceneId": "scene-07",
        "ChoiceHistory": [{"ChoiceText": "Count to five", "PlayerId": "p"}] * (number % 4),
        "CompassValues": '{"Courage":{"CurrentValue":0.5,"History":[]}}',
        "StartTime": "2026-01-09T15:07:55.5Z",
        "ElapsedTime": "00:12:34.5678901",
        "Status": number % 4,
        "SceneCount": number % 20,
        "TargetAgeGroupName": "6-9",
        **overrides,
    }


@dataclass(frozen=True, slots=True)
class Mirror:
    """The two sides, and what can be done to each."""

    controls: RemoteControls
    source: ContainerProxy
    database: Database
    dsn: str
    reconciliations: Reconciliations
    activities: Activities

    def fill(self, documents: int) -> None:
        """Write documents to Cosmos, and deliver them all."""
        for first in range(0, documents, BATCH):
            numbers = range(first, min(first + BATCH, documents))
            operations = [("upsert", (make_session(number),)) for number in numbers]
            self.source.execute_item_batch(operations, make_session(first)["accountId"])
            self.controls.ask("POST", "clock", advance=STEP_SECONDS)
        for feed_range in self.source.read_feed_ranges():
            found = self.source.query_items_change_feed(
                feed_range=feed_range, start_time="Beginning", max_item_count=_PAGE
            )
            for page in found.by_page():
                self.deliver([dict(document) for document in page])

    def deliver(self, documents: Sequence[JsonObject]) -> None:
        """Apply documents as the change feed would."""
        changes = [read_change(CONTAINER, ["/accountId"], document) for document in documents]
        replicate(GAME_SESSIONS, changes, PostgresSink(self.database))

    def write(self, number: int, **overrides: object) -> JsonObject:
        """Write a session to Cosmos."""
        return dict(self.source.upsert_item(make_session(number, **overrides)))

    def delete(self, number: int) -> None:
        """Delete a session in Cosmos."""
        session = make_session(number)
        self.source.delete_item(session["id"], session["accountId"])

    def execute(self, statement: str, number: int) -> None:
        """Do something to a session in PostgreSQL."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(statement, {"id": make_session(number)["id"]})

    def count(self) -> tuple[int, int]:
        """Count the documents of Cosmos and the rows of PostgreSQL."""
        counts: list[Any] = [
            next(iter(self.source.query_items("SELECT VALUE COUNT(1) FROM c", feed_range=each)))
            for each in self.source.read_feed_ranges()
        ]
        with psycopg.connect(self.dsn) as connection:
            row = connection.execute("select count(*) from game_sessions").fetchone()
        return sum(counts), 0 if row is None else row[0]

    def reconcile(self, **request: object) -> JsonObject:
        """Run a reconcile to its end; return its report, how long it took, and what the server counted."""
        self.controls.ask("DELETE", "counters")
        begun = time.perf_counter()
        body = json.dumps({"containers": [CONTAINER], "max_request_units": 1e9, **request}).encode()
        id_ = self.reconciliations.start(read_body(ReconcileRequest, body)).id
        while not (turn := self.activities.advance(CONTAINER))["over"]:
            if turn["problem"]:
                raise SystemExit(f"bench: {turn['problem']}")
            time.sleep(turn["seconds"])
        report = self.reconciliations.read(id_).containers[0].model_dump(mode="json")
        return {**report, "seconds": time.perf_counter() - begun, "counters": self.controls.ask("GET", "counters")}


@contextmanager
def running() -> Iterator[Mirror]:
    """Run two empty sides until the block ends."""
    with ExitStack() as ends:
        postgres = ends.enter_context(Postgres())
        server = Part(["local.cosmos", "--physical-partitions", str(PARTITIONS)], {})
        ends.callback(server.stop)
        connection = f"AccountEndpoint={server.url};AccountKey={EMULATOR_KEY};"
        app_dsn = provision(postgres.dsn()).writer
        database = Database(app_dsn)
        ends.callback(database.close)
        settings = Settings.read({**_SETTINGS, "COSMOS_CONNECTION": connection, "POSTGRES_CONNECTION": app_dsn})
        client = ends.enter_context(CosmosClient.from_connection_string(connection))
        Source.open(connection, settings.cosmos_database).close()
        source = client.get_database_client(settings.cosmos_database).get_container_client(CONTAINER)
        cosmos = CosmosAccount(connection, settings.cosmos_database)
        ends.callback(cosmos.close)
        confirmed = ConfirmedSource(cosmos, database)

        def open_tools(container: str) -> ContainerTools:
            side = CosmosSide.open(cosmos, confirmed, container)
            return make_tools(settings, GAME_SESSIONS, side, database, lambda: 0.0)

        runs = PostgresRuns(database)
        yield Mirror(
            RemoteControls(server.url),
            source,
            database,
            postgres.dsn(),
            Reconciliations(settings, [CONTAINER], runs),
            Activities(settings, [CONTAINER], runs, open_tools, PostgresBackfills(database).is_complete),
        )
