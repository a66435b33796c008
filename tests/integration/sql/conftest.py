"""A database with the roles that `python -m cdc roles` creates, and a login for each."""

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import SQL, Identifier

from cdc.operations.rights import write_script
from cdc.postgres.database import Database
from mappers import EXTRA_MAPPERS, MAPPERS

ROLES = write_script([*MAPPERS, *EXTRA_MAPPERS])
KINDS = ("owner", "writer", "reader")


class Logins:
    """A login for each role of one database, and the roles' administrator."""

    def __init__(self, dsn):
        self.dsn = dsn
        self.name = conninfo_to_dict(dsn)["dbname"]
        self.names = {kind: f"{self.name}_{kind}" for kind in (*KINDS, "admin")}

    def as_(self, kind, **parameters):
        """Return the address of the database for the login of a role."""
        return make_conninfo(self.dsn, user=self.names[kind], **parameters)

    def create(self, admin):
        """Let the logins be members of the roles, once the script has made these."""
        for kind in KINDS:
            names = {"login": Identifier(self.names[kind]), "role": Identifier(f"{self.name}_cdc_{kind}")}
            admin.execute(SQL("create role {login} login in role {role}").format(**names))
        places = map(Identifier, (self.names["owner"], self.name, f"{self.name}_cdc_owner"))
        admin.execute(SQL("alter role {} in database {} set role = {}").format(*places))

    def drop(self, admin):
        """Leave no role on the server."""
        found = admin.execute("select rolname from pg_roles where starts_with(rolname, %s)", [self.name]).fetchall()
        for drop in ("drop owned by {} cascade", "drop role {}"):
            for (name,) in found:
                admin.execute(SQL(drop).format(Identifier(name)))


def logins_of(dsn, *, script_runs_as=None, script=ROLES):
    """Run the script on a database and yield its logins."""
    logins = Logins(dsn)
    with psycopg.connect(dsn, autocommit=True) as admin:
        with psycopg.connect(script_runs_as or dsn, autocommit=True) as connection:
            connection.execute(script)
        try:
            logins.create(admin)
            yield logins
        finally:
            logins.drop(admin)


@pytest.fixture
def logins(dsn):
    """The logins of a database that was migrated before the script ran."""
    yield from logins_of(dsn)


@pytest.fixture
def empty_logins(empty_dsn):
    """The logins of a database that the script found empty."""
    yield from logins_of(empty_dsn)


@pytest.fixture
def open_as():
    """Open pools, and close them at the end."""
    opened = []

    def open_pool(logins, kind):
        opened.append(Database(logins.as_(kind)))
        return opened[-1]

    yield open_pool
    for database in opened:
        database.close()
