"""A database gets the documented roles and their logins, and who has too many rights is seen."""

import psycopg
import pytest
from psycopg import errors

from cdc.operations.migrations import migrate, read_migrations
from cdc.postgres.database import Database
from local import roles
from mappers import APPLICATION_SQL


@pytest.fixture
def logins(empty_dsn):
    """The logins of a database that its owner has migrated."""
    logins = roles.create(empty_dsn)
    database = Database(logins.owner)
    migrate(database, read_migrations(APPLICATION_SQL))
    database.close()
    roles.grant(logins)
    return logins


def test_the_owner_owns_everything_and_the_writer_nothing(logins):
    """As the page says: the login that migrates acts as the owner's role."""
    with psycopg.connect(logins.administrator) as connection:
        owners = connection.execute(
            "select distinct pg_get_userbyid(relowner) from pg_class"
            " where relnamespace in ('cdc'::regnamespace, 'public'::regnamespace)"
        ).fetchall()

    assert owners == [(f"{roles.name_of(logins.administrator)}_cdc_owner",)]


def test_sessions_of_superusers_and_owners_are_named(logins):
    """The app's and the comparison's are not."""
    name = roles.name_of(logins.administrator)
    with psycopg.connect(logins.writer), psycopg.connect(logins.reader):
        assert roles.find_powerful_sessions(logins.administrator) == []
        with psycopg.connect(logins.owner), psycopg.connect(logins.administrator):
            named = roles.find_powerful_sessions(logins.administrator)

    assert sorted(sentence.split()[3] for sentence in named) == ["postgres", f"{name}_owner"]


def test_the_comparison_reads_identities_and_writes_nothing(logins):
    """What no other reader may see."""
    with psycopg.connect(logins.reader, autocommit=True) as connection:
        assert connection.execute("select id, etag, row_key from cdc.document").fetchall() == []
        for statement in ("select message, id from cdc.dead_letter", "delete from accounts"):
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(statement)
