"""While Cosmos does not answer, everybody who asks waits for the own answer alone, and no longer than they may."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from azure.cosmos import CosmosClient, PartitionKey

from cdc.core.deadline import Deadline
from cdc.core.documents import Identity
from cdc.core.errors import TransientError
from cdc.cosmos.account import CosmosAccount
from local.cosmos import CosmosServer
from local.cosmos.auth import EMULATOR_KEY
from local.freezing import frozen
from local.stack import Part

DOCUMENT = Identity.of("things", "a", "a")


@pytest.fixture
def server():
    """A Cosmos server in a process of its own."""
    part = Part(["local.cosmos"], {})
    with CosmosClient(part.url, EMULATOR_KEY) as client:
        client.create_database("db").create_container("things", PartitionKey("/id")).create_item({"id": "a"})
    yield part
    part.stop()


@pytest.fixture
def account(server):
    """What is under test; it has a connection."""
    account = CosmosAccount(f"AccountEndpoint={server.url};AccountKey={EMULATOR_KEY};", "db")
    account.read_document(DOCUMENT)
    yield account
    account.close()


def test_one_who_waits_for_an_answer_keeps_nobody_waiting(server, account):
    """A feed may wait for minutes: a request ends in its own time."""
    with ThreadPoolExecutor(1) as threads:
        with frozen(server.pid):
            feed = threads.submit(account.read_document, DOCUMENT)
            for ask in (account.check_account, lambda: account.read_source_container("things")):
                with Deadline(0.5).applies(), pytest.raises(TransientError, match="did not answer"):
                    ask()
            assert not feed.done()
        assert feed.result().body["id"] == "a"


def test_eight_at_once_have_the_time_of_one(server, account):
    """None waits until another one has given up; each makes its client in that time, too."""

    def ask(_: int) -> float:
        until = Deadline(0.5)
        with until.applies(), pytest.raises(TransientError, match="did not answer"):
            account.read_document(DOCUMENT)
        return until.remaining()

    with ThreadPoolExecutor(9) as threads, frozen(server.pid):
        feed = threads.submit(account.read_document, DOCUMENT)
        assert list(threads.map(ask, range(8))) == [0.0] * 8
        assert not feed.done()


def test_a_pause_that_cosmos_asks_for_ends_with_the_time(cosmos: CosmosServer):
    """The SDK sleeps as long as it is told to before it tries again."""
    account = CosmosAccount(cosmos.connection_string, "db")
    with CosmosClient.from_connection_string(cosmos.connection_string) as client:
        client.create_database("db").create_container("things", PartitionKey("/id")).create_item({"id": "a"})
    account.read_document(DOCUMENT)
    cosmos.controls.throttle(10**9, retry_after_ms=3_000, operation="read_document")
    with ThreadPoolExecutor(1) as threads:
        patient = threads.submit(account.read_document, DOCUMENT)
        with Deadline(0.5).applies(), pytest.raises(TransientError):
            account.read_document(DOCUMENT)
        assert not patient.done()
        cosmos.controls.clear()
        assert patient.result().body["id"] == "a"
    account.close()


def test_a_name_that_does_not_resolve_is_said_at_once():
    """Nobody knows this host."""
    account = CosmosAccount(f"AccountEndpoint=https://no-account.invalid;AccountKey={EMULATOR_KEY};", "db")
    until = Deadline(600)

    with until.applies(), pytest.raises(TransientError, match=r"did not answer .*: check COSMOS_CONNECTION"):
        account.check_account()

    assert until.remaining()


def test_a_name_server_that_is_silent_takes_the_time_and_no_lock(monkeypatch, cosmos: CosmosServer):
    """What the system's resolver waits for cannot be bounded; nobody else waits for it."""
    resolve, silent = socket.getaddrinfo, threading.Event()

    def wait(host, *rest, **options):
        if host == "silent.invalid":
            silent.wait(600)
        return resolve(host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", wait)
    lost = CosmosAccount(f"AccountEndpoint=https://silent.invalid;AccountKey={EMULATOR_KEY};", "db")
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(lost.check_account)
        account = CosmosAccount(cosmos.connection_string, "db")
        account.check_account()
        account.close()
        assert not waiting.done()
        silent.set()
        assert isinstance(waiting.exception(), TransientError)
