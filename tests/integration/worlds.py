"""Both sides of one container: a real Cosmos server, the ledger and the tables, and what is done to them."""

import json
import time

from cdc.api.answers import read_body, read_query
from cdc.api.reconciliations import ReconcileRequest, ReconciliationQuery, Reconciliations
from cdc.config.settings import Settings
from cdc.core.errors import UnknownLagError
from cdc.core.feed_items import read_change
from cdc.cosmos.account import CosmosAccount
from cdc.postgres.containers import ConfirmedSource
from cdc.reconcile.activities import Activities
from cdc.reconcile.cosmos_side import CosmosSide
from cdc.reconcile.store import PostgresRuns
from cdc.replication.batch import replicate
from cdc.replication.sink import PostgresSink
from cdc.runtime import make_tools
from local.cosmos import CosmosServer
from local.sample import Source
from mappers import MAPPERS
from mappers.accounts import ACCOUNTS
from tests.builders import an_account
from tests.integration.leased import ALONE

SETTINGS = {
    "COSMOS_DATABASE": "MystiraAppDb",
    "LEASE_DATABASE": "leases",
    "LEASE_CONTAINER": "leases",
    "LEASE_PREFIX": "test",
    "DURABLE_HUB": "TestHub",
    "IDENTITY_KEY": "0123456789abcdef",
    "SETTLE_SECONDS": "0.2",
}
CONTAINERS = [mapper.container for mapper in MAPPERS]
NOW = 1_800_000_000


class Clock:
    """A clock that only the test moves."""

    def __init__(self):
        self.now = float(NOW)

    def __call__(self):
        """Tell the time."""
        return self.now


class World:
    """Accounts on both sides; what is written to Cosmos reaches PostgreSQL when it is delivered."""

    def __init__(self, dsn, database, observer, settings=None):
        self.clock = Clock()
        self.server = CosmosServer(port=0, physical_partitions=2, clock=self.clock)
        self.server.__enter__()
        self.source = Source.open(self.server.connection_string, SETTINGS["COSMOS_DATABASE"], ALONE)
        self.database = database
        self.observer = observer
        self.sink = PostgresSink(database)
        self.mapper = ACCOUNTS
        self.lag = 0.0
        self.backfilled = True
        self.is_copied = lambda _: self.backfilled
        connections = {"COSMOS_CONNECTION": self.server.connection_string, "POSTGRES_CONNECTION": dsn}
        self.settings = Settings.read(SETTINGS | connections | (settings or {}))
        self.cosmos = CosmosAccount(self.server.connection_string, SETTINGS["COSMOS_DATABASE"])
        self.open()
        self.documents = {}
        self.meanwhile = None

    def open(self):
        """Open reconcile anew, as another process would."""
        confirmed = ConfirmedSource(self.cosmos, self.database)

        def open_tools(container):
            source = CosmosSide.open(self.cosmos, confirmed, container)
            return make_tools(self.settings, self.mapper, source, self.database, self.read_lag)

        runs = PostgresRuns(self.database)
        self.reconciliations = Reconciliations(self.settings, CONTAINERS, runs)
        self.activities = Activities(self.settings, CONTAINERS, runs, open_tools, self.has_copied)
        return self.activities

    def read_lag(self):
        """Tell how late the feed is, unless nobody knows."""
        if self.lag is None:
            raise UnknownLagError("No lease covers a part of the feed.")
        return self.lag

    def close(self):
        """Stop the server."""
        self.cosmos.close()
        self.source.close()
        self.server.__exit__(None, None, None)

    def write(self, *ids, **overrides):
        """Write accounts to Cosmos, all at one time."""
        for id_ in ids:
            body = an_account(id_, **overrides)
            self.documents[id_] = self.server.controls.write(SETTINGS["COSMOS_DATABASE"], "Accounts", body)

    def write_apart(self, count, first=0, seconds=10, **properties):
        """Write accounts with some seconds between each two, and deliver them."""
        ids = [f"a{number:04}" for number in range(first, first + count)]
        for id_ in ids:
            self.clock.now += seconds
            self.write(id_, **properties)
        self.deliver(*ids)
        return ids

    def deliver(self, *ids):
        """Deliver the newest version of documents, as the feed would."""
        changes = [read_change("Accounts", ["/id"], self.documents[id_]) for id_ in ids]
        replicate(ACCOUNTS, changes, self.sink)

    def delete(self, id_):
        """Delete a document in Cosmos; no feed tells it."""
        self.source.delete("Accounts", self.documents.pop(id_))

    def forget(self, id_):
        """Lose a document in PostgreSQL with everything that is known of it."""
        self.observer.connection.execute("delete from accounts where id = %s", [id_])
        self.observer.connection.execute("delete from completed_scenarios where account_id = %s", [id_])
        self.observer.connection.execute("delete from cdc.document where id = %s", [f'"{id_}"'])

    def settle(self):
        """Let the source's time pass, so that all that was written is old enough to be judged."""
        self.clock.now += 3_600

    def begin(self, **request):
        """Ask for a reconcile of the accounts."""
        body = json.dumps({"containers": ["Accounts"], **request}).encode()
        return self.reconciliations.start(read_body(ReconcileRequest, body)).id

    def has_copied(self, container):
        """Tell whether the backfill of a container is over."""
        return self.is_copied(container)

    def read_report(self, id_):
        """Return the report of a reconcile as JSON has it."""
        return self.reconciliations.read(id_).model_dump(mode="json")

    def list_reports(self, **query):
        """Return a page of reports as JSON has it."""
        return self.reconciliations.list_newest(read_query(ReconciliationQuery, query)).model_dump(mode="json")

    def next_step(self):
        """Tell what the run that is not over does next."""
        query = "select progress #>> '{tasks,0,step}' from cdc.reconciliation where state = 'running'"
        return self.observer.connection.execute(query).fetchone()[0]

    def run(self, **request):
        """Run a reconcile to its end and return its report.

        `meanwhile` happens once there are suspects, where the run goes piece by piece.
        """
        return self.finish(self.begin(**request))

    def finish(self, id_):
        """Bring a run to its end and return its report with what it found."""
        while not (turn := self.activities.advance("Accounts"))["over"]:
            assert turn["problem"] is None
            if self.meanwhile is not None and self.observer.rows("cdc.drift", "number"):
                self.meanwhile()
                self.meanwhile = None
            time.sleep(turn["seconds"])
        report = self.read_report(id_)
        return report["containers"][0] | {"found": [(each["kind"], each["state"]) for each in report["found"]]}
