"""PostgreSQL: the login of the app's identity, the roles, and what must be true of them."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.sql import SQL, Identifier

from cdc.operations import rights
from infra.hooks.site import DeploymentError, Site
from mappers import EXTRA_CONTAINERS, choose_mappers

_KINDS = ("owner", "writer", "reader")
# Azure's extension, which is in the database postgres only. By the object id: names may repeat.
_CREATE = "select from pgaadauth_create_principal_with_oid(%s, %s, 'service', false, false)"
_FIND = """
select rolcanlogin, rolsuper or rolcreaterole or rolcreatedb,
    (select label from pg_shseclabel where provider = 'pgaadauth' and objoid = r.oid)
from pg_roles r where rolname = %s
"""
_MAY_CREATE = "select rolsuper or rolcreaterole from pg_roles where rolname = session_user"
_LACKING = """
select rolname from pg_roles
where rolname = any(%s) and not pg_has_role(session_user, oid, %s)
"""


def prepare(site: Site) -> None:
    """Create what is missing, and bring the database to this release; a second run changes nothing."""
    create_principal(site)
    grant(site)
    site.run("setup", "owner")
    grant(site)
    check(site)
    print(f"PostgreSQL knows {site.read('POSTGRES_ROLE')}, which may do what {site.name_role('writer')} may.")


def create_principal(site: Site) -> None:
    """Let the app's identity log in."""
    role, object_id = site.read("POSTGRES_ROLE"), site.read("AZURE_APP_PRINCIPAL_ID")
    with site.connect("postgres") as connection:
        if connection.execute(_MAY_CREATE).fetchone() != (True,):
            raise DeploymentError(
                f"{connection.info.user} may not create roles in PostgreSQL. Make it a Microsoft Entra administrator "
                "of the server: az postgres flexible-server microsoft-entra-admin create."
            )
        if connection.execute(_FIND, [role]).fetchone() is None:
            connection.execute(_CREATE, [role, object_id])
            print(f"created the login {role}")


def grant(site: Site) -> None:
    """Run the script of the roles, and give the roles to the app's login and to whoever deploys."""
    with _explaining(site), site.connect(site.database) as connection:
        connection.execute(rights.write_script(choose_mappers(EXTRA_CONTAINERS)).encode())
        members = [(site.read("POSTGRES_ROLE"), site.name_role("writer"))]
        roles = [site.name_role(kind) for kind in _KINDS[:2]]
        # From PostgreSQL 16 on, who has created a role may grant it, but not set it.
        kind = "set" if connection.info.server_version >= 160_000 else "member"
        lacking = connection.execute(_LACKING, [roles, kind]).fetchall()
        members += [(connection.info.user, name) for (name,) in lacking]
        for member, name in members:
            connection.execute(SQL("grant {} to {}").format(Identifier(name), Identifier(member)))


def check(site: Site) -> None:
    """Refuse a login of the app that is not what it must be."""
    if problems := list(_find_problems(site)):
        raise DeploymentError(" ".join(problems))


def _find_problems(site: Site) -> Iterator[str]:
    role, object_id = site.read("POSTGRES_ROLE"), site.read("AZURE_APP_PRINCIPAL_ID")
    owner = site.name_role("owner")
    with site.connect(site.database) as connection:
        found = connection.execute(_FIND, [role]).fetchone()
        owns = found and connection.execute("select pg_has_role(%s, %s, 'member')", [role, owner]).fetchone()
    if found is None:
        yield f"The login {role} is gone: run this again."
        return
    logs_in, is_mighty, label = found
    name = f'"{role}"'
    if not logs_in:
        yield f"{role} may not log in: run alter role {name} login."
    if is_mighty:
        yield f"{role} may do more than the app needs: run alter role {name} nosuperuser nocreaterole nocreatedb."
    if owns == (True,):
        yield f"{role} is a member of {owner}, which the app must not be: run revoke {owner} from {name}."
    if label is not None and object_id not in label:
        yield (
            f"{role} is the login of another identity, perhaps of one that was deleted. In the database postgres, run "
            f"security label for pgaadauth on role {name} is 'aadauth,oid={object_id},type=service'."
        )


@contextmanager
def _explaining(site: Site) -> Iterator[None]:
    """Say what to do where PostgreSQL says what is not allowed."""
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        names = ", ".join(map(site.name_role, _KINDS))
        raise DeploymentError(
            f"{_first_line(error)}. Whoever deployed first made the roles, and must let others grant them: run "
            f'grant {names} to "<your login>" with admin option. The database must be yours, or that of a role that '
            "you are a member of."
        ) from None
    except psycopg.errors.RaiseException as error:
        raise DeploymentError(f"The script of the roles says: {_first_line(error)}") from None


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")
