"""What the engine asks Cosmos itself, through the SDK and over HTTP."""

import logging

import pytest
from azure.cosmos import CosmosClient, PartitionKey

from cdc.api.answers import answer
from cdc.api.health import tell_ready
from cdc.config.settings import Settings
from cdc.core.documents import Identity
from cdc.core.errors import FatalError, TransientError
from cdc.core.feed_items import partition_key
from cdc.cosmos.account import CosmosAccount
from cdc.runtime import Runtime
from local.cosmos import CosmosServer
from mappers import APPLICATION_SQL, MAPPERS
from mappers.accounts import ACCOUNTS
from tests.builders import an_account
from tests.integration.test_runtime import SETTINGS


@pytest.fixture
def server():
    """A Cosmos server of the test's own."""
    with CosmosServer(port=0, physical_partitions=2) as server:
        yield server


@pytest.fixture
def database(server):
    """Its database, as an application would use it."""
    client = CosmosClient.from_connection_string(server.connection_string)
    yield client.create_database("db")
    client.close()


@pytest.fixture
def cosmos(server):
    """What is under test."""
    cosmos = CosmosAccount(server.connection_string, "db")
    yield cosmos
    cosmos.close()


@pytest.mark.parametrize(
    ("path", "document"),
    [
        pytest.param("/id", {"id": "a"}, id="the id"),
        pytest.param("/pk", {"id": "a", "pk": 7}, id="a number"),
        pytest.param("/pk", {"id": "a", "pk": True}, id="a truth value"),
        pytest.param("/pk", {"id": "a", "pk": None}, id="null"),
        pytest.param("/pk", {"id": "a"}, id="missing"),
        pytest.param("/a/b", {"id": "a", "a": {"b": "deep"}}, id="nested"),
        pytest.param(["/x", "/y"], {"id": "a", "x": "one", "y": 2}, id="hierarchical"),
        pytest.param("/pk", {"id": "ä b%+'\"", "pk": "ü/ö?"}, id="odd characters"),
    ],
)
def test_a_document_is_found_by_its_identity(cosmos, database, path, document):
    """Whatever type its partition key has: what the ledger keeps of it leads back to it."""
    kind = PartitionKey(path, kind="MultiHash") if isinstance(path, list) else PartitionKey(path)
    database.create_container("things", kind).create_item(document)
    paths = path if isinstance(path, list) else [path]
    identity = Identity.of("things", partition_key(paths, document), document["id"])

    reading = cosmos.read_document(identity)

    assert reading.body is not None
    assert reading.body.items() >= document.items()
    assert abs(reading.ts - reading.body["_ts"]) <= 5


def test_the_lock_of_a_host_that_died_expires(cosmos, database):
    """The lease container has a default time to live, without which no document of it has one."""
    cosmos.create_lease_container(database.id, "leases")

    assert database.get_container_client("leases").read()["defaultTtl"] == -1


@pytest.mark.parametrize(
    ("ttl", "harm"),
    [
        pytest.param(None, "the lock of a host that dies", id="older than the setting"),
        pytest.param(3_600, "the leases of a stopped app expire", id="everything expires"),
    ],
)
def test_an_older_lease_container_is_corrected(cosmos, database, ttl, harm):
    """The check says what is wrong and what to do; setup does it, and changes nothing else."""
    policy = {"indexingMode": "consistent", "automatic": True, "excludedPaths": [{"path": "/properties/*"}]}
    container = database.create_container("leases", PartitionKey("/id", version=1), policy, ttl)
    container.create_item({"id": "a lease"})
    before = container.read()

    with pytest.raises(FatalError, match=f"{harm}.*run python -m cdc setup"):
        cosmos.check_lease_container(database.id, "leases")
    cosmos.create_lease_container(database.id, "leases")

    cosmos.check_lease_container(database.id, "leases")
    changed = ("_etag", "_ts", "defaultTtl")
    assert [{k: v for k, v in each.items() if k not in changed} for each in (before, container.read())] == [
        {k: v for k, v in before.items() if k not in changed}
    ] * 2
    assert [each["id"] for each in container.read_all_items()] == ["a lease"]


def test_a_container_of_something_else_is_left_alone(cosmos, database):
    """Its partition key says that no lease is kept there: a wrong LEASE_CONTAINER changes nobody's documents."""
    database.create_container("things", PartitionKey("/pk"))

    with pytest.raises(FatalError, match="change LEASE_CONTAINER"):
        cosmos.create_lease_container(database.id, "things")

    assert "defaultTtl" not in database.get_container_client("things").read()


def test_a_document_that_is_gone_is_an_absence_with_the_servers_time(cosmos, database, server):
    """The tombstone will have the source's time, not ours."""
    database.create_container("things", PartitionKey("/id"))
    server.controls.clock.set(1_900_000_000)

    reading = cosmos.read_document(Identity.of("things", "a", "a"))

    assert reading.body is None
    assert 0 <= reading.ts - 1_900_000_000 <= 30


def test_a_container_that_is_gone_is_no_absence(cosmos, database):
    """Nobody may take the loss of a container for the loss of its documents."""
    database.create_container("things", PartitionKey("/id")).create_item({"id": "a"})
    cosmos.read_document(Identity.of("things", "a", "a"))
    database.delete_container("things")

    with pytest.raises(FatalError):
        cosmos.read_document(Identity.of("things", "a", "a"))


def test_a_source_that_is_away_is_no_absence(server, database):
    """An outage is raised as one."""
    database.create_container("things", PartitionKey("/id"))
    cosmos = CosmosAccount(server.connection_string, "db")
    cosmos.read_document(Identity.of("things", "a", "a"))
    server.stop()

    with pytest.raises(TransientError):
        cosmos.read_document(Identity.of("things", "a", "a"))
    cosmos.close()


def test_a_replica_that_lags_behind_what_was_read_before_is_waited_for(cosmos, database, server):
    """The service says so by a 404 of its own: neither the document nor its container is missing."""
    database.create_container("things", PartitionKey("/id")).create_item({"id": "a"})
    cosmos.read_document(Identity.of("things", "a", "a"))
    server.controls.fail(404, substatus=1002, times=99, operation="read_document")

    with pytest.raises(TransientError):
        cosmos.read_document(Identity.of("things", "a", "a"))


def test_the_sdk_logs_no_identity(server, database, caplog):
    """Its log of requests, which the worker would pass on, has ids in addresses and partition keys in headers."""
    database.create_container("things", PartitionKey("/email"))
    logging.getLogger("azure.cosmos").setLevel(logging.NOTSET)
    cosmos = CosmosAccount(server.connection_string, "db")

    with caplog.at_level(logging.INFO):
        logging.getLogger("anything").info("heard")
        cosmos.read_document(Identity.of("things", "lerato@example.com", "secret-id"))

    assert "heard" in caplog.text
    assert "lerato@example.com" not in caplog.text
    assert "secret-id" not in caplog.text
    cosmos.close()


class TestAnotherContainer:
    """Containers that are not the ones seen first."""

    @pytest.fixture
    def containers(self, database):
        """The mapped containers."""
        return {m.container: database.create_container(m.container, PartitionKey("/id")) for m in MAPPERS}

    @pytest.fixture
    def start(self, server, app_dsn):
        """Start a worker process's runtime."""
        values = {
            "COSMOS_CONNECTION": server.connection_string,
            "COSMOS_DATABASE": "db",
            "POSTGRES_CONNECTION": app_dsn,
        }
        started = []

        def start_runtime():
            started.append(Runtime(Settings.read(SETTINGS | values), MAPPERS, APPLICATION_SQL))
            return started[-1]

        yield start_runtime
        for runtime in started:
            runtime.close()

    def deliver(self, container):
        """Return what the feed of a container delivers."""
        container.upsert_item(an_account("a"))
        return [dict(item) for item in container.query_items_change_feed(start_time="Beginning")]

    @pytest.mark.parametrize("restarted", [False, True], ids=["the same worker", "a new worker"])
    def test_a_container_made_again_is_refused_until_it_is_adopted(self, database, containers, start, restarted):
        """Its documents write nothing, readiness names the command, and after it they go in."""
        runtime = start()
        runtime.delivery.apply(ACCOUNTS, self.deliver(containers["Accounts"]))
        database.delete_container("Accounts")
        again = database.create_container("Accounts", PartitionKey("/id"))
        if restarted:
            runtime = start()

        with pytest.raises(FatalError, match="python -m cdc adopt Accounts"):
            runtime.delivery.apply(ACCOUNTS, self.deliver(again))
        assert "adopt Accounts" in answer(lambda: tell_ready(runtime.status.read_ability, list, list)).body

        assert start().setup.adopt("Accounts")
        assert not start().setup.adopt("Accounts")
        assert runtime.delivery.apply(ACCOUNTS, self.deliver(again)).problems == ()
        assert "adopt Accounts" not in answer(lambda: tell_ready(runtime.status.read_ability, list, list)).body

    def test_an_absence_in_a_container_made_again_deletes_nothing(self, database, containers, start, connection):
        """Dead letters that are due are not answered by a container that never had their documents."""
        runtime = start()
        documents = self.deliver(containers["Accounts"])
        runtime.delivery.apply(ACCOUNTS, documents)
        runtime.delivery.apply(ACCOUNTS, [documents[0] | {"_etag": "other", "_lsn": None}])
        database.delete_container("Accounts")
        database.create_container("Accounts", PartitionKey("/id"))
        connection.execute("update cdc.dead_letter set next_attempt_at = now(), doubted_at = now() - interval '1 day'")

        with pytest.raises(FatalError, match="adopt Accounts"):
            runtime.retry_dead_letters()

        assert connection.execute("select state from cdc.document").fetchall() == [("applied",)]

    def test_a_page_of_a_container_that_is_gone_is_refused(self, database, containers, start):
        """What the old container delivered late is not applied to what the new one brought."""
        late = self.deliver(containers["Accounts"])
        database.delete_container("Accounts")
        database.create_container("Accounts", PartitionKey("/id"))

        with pytest.raises(FatalError, match="a container that no longer exists"):
            start().delivery.apply(ACCOUNTS, late)

    def test_only_a_replicated_container_can_be_adopted(self, start):
        """A wrong name is told with the right ones."""
        with pytest.raises(FatalError, match="name one of Accounts"):
            start().setup.adopt("Account")
