"""Real servers for the tests: PostgreSQL once a session, a database of its own for each test."""

import os
import signal
import uuid
from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import HealthCheck, settings

from cdc.config.settings import Phase
from cdc.operations.migrations import migrate, read_migrations
from cdc.postgres.database import Database
from cdc.postgres.gate import record_first
from local import roles
from local.postgres import Postgres
from local.stack import Part
from mappers import APPLICATION_SQL
from tests import forks

# All servers are on this machine. Without this, requests looks for a proxy in the whole environment at every request.
os.environ["NO_PROXY"] = "127.0.0.1,localhost"

# A shell that runs the tests in the background has Ctrl-C ignored, also in the processes that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# An example may take long, and be slow to find: the machine may be busy.
settings.register_profile("patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
# For hours nobody waits for: python -m pytest --hypothesis-profile thorough tests/integration/test_convergence.py
settings.register_profile("thorough", settings.get_profile("patient"), max_examples=2_000)
settings.load_profile("patient")

Part.popen = staticmethod(forks.popen)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """A PostgreSQL server that lives as long as the session, with a template database that its owner migrated."""
    with Postgres() as server:
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute("create database migrated")
        logins = roles.create(server.dsn("migrated"))
        database = Database(logins.owner)
        migrate(database, read_migrations(APPLICATION_SQL))
        record_first(database, Phase.DUAL_WRITE_COSMOS_READ)
        database.close()
        roles.grant(logins)
        yield server


@pytest.fixture
def empty_dsn(postgres_server: Postgres) -> Iterator[str]:
    """The address of an empty database of the test's own."""
    yield from create_database(postgres_server, "template1")


@pytest.fixture
def dsn(postgres_server: Postgres) -> Iterator[str]:
    """The address of a migrated database of the test's own."""
    yield from create_database(postgres_server, "migrated")


def create_database(server: Postgres, template: str) -> Iterator[str]:
    """Make a database of a template, lend its address, and drop it."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute(f'create database "{name}" template "{template}" strategy file_copy')
        yield server.dsn(name)
        connection.execute(f'drop database "{name}" with (force)')
        roles.drop(connection, name)


@pytest.fixture
def app_dsn(dsn: str) -> str:
    """The address of the test's migrated database for the login of the app, whose rights the template has."""
    return dsn.replace("postgres@", "migrated_writer@", 1)


@pytest.fixture
def reader_dsn(dsn: str) -> str:
    """The address of the test's migrated database for the login of the comparison."""
    return dsn.replace("postgres@", "migrated_reader@", 1)


@pytest.fixture
def database(app_dsn: str) -> Iterator[Database]:
    """A pool on the test's migrated database, as the app has it."""
    database = Database(app_dsn)
    yield database
    database.close()


@pytest.fixture
def owner_database(dsn: str) -> Iterator[Database]:
    """A pool on the test's migrated database, as whoever migrates has it."""
    database = Database(dsn.replace("postgres@", "migrated_owner@", 1))
    yield database
    database.close()


@pytest.fixture
def connection(dsn: str) -> Iterator[psycopg.Connection]:
    """A plain connection of the administrator to the test's migrated database."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection
