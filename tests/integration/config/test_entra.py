"""All stores are reached with tokens of an identity, which nobody ever sees."""

import base64
import json
import logging
import os
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import psycopg
import pytest
from azure.core.credentials import AccessToken
from azure.cosmos import PartitionKey
from azure.identity import CredentialUnavailableError

from cdc.cache.keys import CacheKeys
from cdc.config import entra, stackexchange
from cdc.config.entra import token_password
from cdc.config.settings import Settings
from cdc.core.errors import FatalError, TransientError
from cdc.cosmos.account import CosmosAccount
from cdc.postgres.database import Database
from cdc.runtime import Runtime
from local import cosmos
from local.cosmos.errors import CosmosError
from local.postgres import Postgres
from mappers import APPLICATION_SQL, MAPPERS
from tests.redis_server import RedisServer, needs_redis

# The SDK does not verify localhost, which no setting of ours can change.
pytestmark = pytest.mark.filterwarnings("ignore:Unverified HTTPS request is being made to host 'localhost'")


class Credential:
    """A credential of the tests' own: gives the token that it holds, or none."""

    def __init__(self, token):
        self.token = token
        self.scopes = []

    def get_token(self, *scopes, **_):
        """Return the token, and remember for what it was asked."""
        self.scopes.extend(scopes)
        if self.token is None:
            raise CredentialUnavailableError("no identity of tenant Contoso")
        return AccessToken(self.token, 4_000_000_000)


@pytest.fixture(scope="module")
def guarded_server():
    """A PostgreSQL server that demands a password of the role `app`."""
    with Postgres() as server:
        rules = server.data / "pg_hba.conf"
        rules.write_text(f"host all app all scram-sha-256\n{rules.read_text()}")
        with psycopg.connect(server.dsn(), autocommit=True) as admin:
            admin.execute("select pg_reload_conf()")
            admin.execute("create role app login")
        yield server


@pytest.fixture
def admin(guarded_server):
    """A superuser's connection to that server."""
    with psycopg.connect(guarded_server.dsn(), autocommit=True) as connection:
        yield connection


@pytest.fixture
def credential():
    """A credential whose token is the first password."""
    return Credential("token-one")


@pytest.fixture
def database(guarded_server, admin, credential):
    """A pool that connects as `app` with the credential's token."""
    rotate(admin, "token-one")
    dsn = guarded_server.dsn().replace("postgres@", "app@")
    database = Database(dsn, password=token_password(credential))
    yield database
    database.close()


def rotate(admin, token):
    """Make another token the valid one; who is connected stays so."""
    admin.execute(psycopg.sql.SQL("alter role app password {}").format(psycopg.sql.Literal(token)))


def disconnect(admin):
    """End every session of `app`."""
    admin.execute("select pg_terminate_backend(pid, 10000) from pg_stat_activity where usename = 'app'")


def who(database):
    """Ask the server as whom the pool is connected."""
    with database.connection() as connection:
        return connection.execute("select current_user").fetchone()[0]


def be_refused(database):
    """Ask in vain, and return the error."""
    with pytest.raises(TransientError, match="PostgreSQL refuses the connection") as refusal:
        who(database)
    return refusal


def test_a_token_is_the_password(database, credential):
    """The pool and the check connect with a token for PostgreSQL."""
    database.check()

    assert who(database) == "app"
    assert set(credential.scopes) == {"https://ossrdbms-aad.database.windows.net/.default"}


def test_every_new_connection_has_a_new_token(database, credential, admin):
    """A token that has expired ends no connection, and the next connection comes with the next token."""
    assert who(database) == "app"
    rotate(admin, "token-two")
    asked = len(credential.scopes)
    assert who(database) == "app"
    assert len(credential.scopes) == asked

    disconnect(admin)
    credential.token = "token-two"

    assert who(database) == "app"
    assert len(credential.scopes) > asked


def test_an_old_token_is_refused_until_there_is_a_new_one(database, credential, admin):
    """The refusal is transient and says where to look; the pool recovers by itself."""
    assert who(database) == "app"
    rotate(admin, "token-two")
    disconnect(admin)

    with pytest.raises(TransientError, match="identity"):
        database.check()
    be_refused(database)
    credential.token = "token-two"

    assert who(database) == "app"


def test_no_token_is_said_as_such(database, credential, monkeypatch):
    """When Entra gives none, the sentence names the setting; Entra's own words are for the terminal."""
    credential.token = None

    monkeypatch.setattr("cdc.postgres.database._POOL_TIMEOUT_SECONDS", 1.0)

    with pytest.raises(TransientError, match="check POSTGRES_IDENTITY") as refusal:
        database.check()
    with pytest.raises(TransientError, match="check POSTGRES_IDENTITY"):
        who(database)

    assert "Contoso" not in str(refusal.value)
    assert "Contoso" in refusal.value.detail


def test_a_token_is_nowhere_to_be_seen(database, credential, admin, caplog):
    """Neither a log of any level, nor a repr, nor an error, nor its traceback shows it, accepted or refused."""
    with caplog.at_level(logging.DEBUG), database.connection() as connection:
        shown = [repr(database), repr(database.__dict__), repr(connection), connection.info.dsn]
    rotate(admin, "token-two")
    disconnect(admin)
    with caplog.at_level(logging.DEBUG):
        refusal = be_refused(database)
    with pytest.raises(TransientError) as other:
        database.check()
    shown += ["".join(traceback.format_exception(error.value)) + repr(error.value) for error in (refusal, other)]

    assert "token-" not in caplog.text
    assert "token-" not in "".join(shown)
    assert "token-" not in other.value.detail


CLIENT_ID = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
def identity_endpoint(monkeypatch):
    """The endpoint that a function app in Azure has for its identities: gives out a token, and notes the questions."""
    questions = []

    class Endpoint(BaseHTTPRequestHandler):
        def do_GET(self):
            question = dict(parse_qsl(urlsplit(self.path).query))
            questions.append((question.get("resource"), question.get("client_id")))
            allowed = self.headers["X-IDENTITY-HEADER"] == "header"
            token = {"access_token": "token-one", "expires_on": "4000000000", "token_type": "Bearer"}
            self.send_response(200 if allowed else 401)
            self.end_headers()
            self.wfile.write(json.dumps(token if allowed else {}).encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    for name in [name for name in os.environ if name.startswith(("AZURE_", "IDENTITY_", "MSI_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{server.server_port}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "header")
    yield questions
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("find", "client_id"),
    [
        (entra.default_identity, None),
        (lambda: entra.default_identity(CLIENT_ID), CLIENT_ID),
        (lambda: entra.managed_identity(None), None),
        (lambda: entra.managed_identity(CLIENT_ID), CLIENT_ID),
    ],
    ids=["default", "default with a client id", "system-assigned", "user-assigned"],
)
def test_the_identities_of_a_function_app(identity_endpoint, guarded_server, admin, find, client_id):
    """The app's own identity, or the one that is named, is asked for; its token opens PostgreSQL."""
    rotate(admin, "token-one")
    database = Database(guarded_server.dsn().replace("postgres@", "app@"), password=token_password(find()))

    database.check()
    database.close()

    assert set(identity_endpoint) == {("https://ossrdbms-aad.database.windows.net", client_id)}


@pytest.fixture
def account(monkeypatch):
    """A Cosmos account over TLS that takes the token `entra` and no key; and what came as authorization."""
    seen = []

    def check(_key, _method, _segments, headers):
        seen.append(headers.get("authorization", ""))
        if seen[-1] != "type=aad&ver=1.0&sig=entra":
            raise CosmosError(401, "The token is not valid.")

    monkeypatch.setattr("local.cosmos.auth.check", check)
    with cosmos.CosmosServer(tls=True) as server:
        server.authorizations = seen
        yield server


@pytest.fixture
def open_account(account):
    """Open the account with a credential; its database and its containers are there."""
    opened = []

    def open_with(credential):
        opened.append(CosmosAccount(account.endpoint.replace("127.0.0.1", "localhost"), "db", credential))
        return opened[-1]

    client = open_with(Credential("entra")).connect()
    database = client.create_database("db")
    for mapper in MAPPERS:
        database.create_container(mapper.container, PartitionKey("/id"))
    yield open_with
    for one in opened:
        one.close()


def test_cosmos_is_asked_with_a_token(account, open_account):
    """Every request carries a token for this account, and no signature of a key."""
    credential = Credential("entra")
    account.authorizations.clear()

    assert open_account(credential).read_source_container("Accounts").partition_key_paths == ("/id",)

    assert set(account.authorizations) == {"type=aad&ver=1.0&sig=entra"}
    assert set(credential.scopes) == {"https://localhost/.default"}


def test_cosmos_refuses_a_token(open_account):
    """The sentence blames the identity, not a key."""
    with pytest.raises(FatalError, match="refuses the identity's token: check COSMOS_CONNECTION__accountEndpoint"):
        open_account(Credential("other")).check_account()


def test_no_token_for_cosmos_is_transient(open_account):
    """The managed identity's endpoint may be late: the batch is tried again."""
    with pytest.raises(TransientError, match="Entra gives no token for Cosmos") as refusal:
        open_account(Credential(None)).check_account()

    assert "Contoso" not in str(refusal.value)


def test_an_identity_creates_no_lease_container(open_account):
    """Cosmos lets no identity create or change one: the sentence says how it is done; one that is right is accepted."""
    account = open_account(Credential("entra"))

    with pytest.raises(FatalError, match=r"az cosmosdb sql container create.*--ttl -1"):
        account.create_lease_container("db", "leases")
    with pytest.raises(FatalError, match=r"has no default time to live.*az cosmosdb sql container update.*--ttl -1"):
        account.create_lease_container("db", "Accounts")

    account.connect().get_database_client("db").create_container("leases", PartitionKey("/id"), default_ttl=-1)
    account.create_lease_container("db", "leases")


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"POSTGRES_IDENTITY": "default"}, [("default", None), ("default", None)]),
        ({"POSTGRES_IDENTITY": CLIENT_ID}, [("default", None), ("managed", CLIENT_ID)]),
        (
            {
                "POSTGRES_IDENTITY": "default",
                "COSMOS_CONNECTION__credential": "managedidentity",
                "COSMOS_CONNECTION__clientId": CLIENT_ID,
            },
            [("managed", CLIENT_ID), ("default", None)],
        ),
    ],
)
def test_the_app_runs_without_a_secret(values, found, guarded_server, admin, account, open_account, monkeypatch):
    """With identities in the settings, setup and every check pass; each store has the identity that is named."""
    asked = []

    def find(kind, token):
        return lambda client_id=None: asked.append((kind, client_id)) or Credential(token[len(asked)])

    tokens = {1: "entra", 2: "token-one"}  # Cosmos is opened first
    monkeypatch.setattr(entra, "default_identity", find("default", tokens))
    monkeypatch.setattr(entra, "managed_identity", find("managed", tokens))
    rotate(admin, "token-one")
    admin.execute("create database secretless owner app")
    database = open_account(Credential("entra")).connect().get_database_client("db")
    database.create_container("leases", PartitionKey("/id"), default_ttl=-1)
    settings = {
        "COSMOS_CONNECTION__accountEndpoint": account.endpoint.replace("127.0.0.1", "localhost"),
        "COSMOS_DATABASE": "db",
        "LEASE_DATABASE": "db",
        "LEASE_CONTAINER": "leases",
        "LEASE_PREFIX": "test",
        "DURABLE_HUB": "test",
        "IDENTITY_KEY": "for the tests only",
        "POSTGRES_CONNECTION": f"Host=127.0.0.1;Port={guarded_server.port};Username=app;Database=secretless",
    }

    runtime = Runtime(Settings.read(settings | values), MAPPERS, APPLICATION_SQL)
    runtime.setup.create_lease_container()
    runtime.setup.migrate(runtime.mappers)
    runtime.setup.record_phase()
    checks = runtime.checks.run()
    runtime.close()
    admin.execute("drop database secretless with (force)")

    assert [check for check in checks if check.problem or check.skipped] == []
    assert asked == found


def write_token(object_id, number):
    """Write a token of an identity as Entra does, but unsigned."""
    claims = base64.urlsafe_b64encode(json.dumps({"oid": object_id, "number": number}).encode()).rstrip(b"=")
    return f"e30.{claims.decode()}.signature"


@needs_redis
def test_redis_is_asked_as_the_identity_with_a_token_for_every_connection(tmp_path, credential, caplog):
    """Its name is the object id in the token; Redis ends a connection whose token has expired, and takes the next."""
    server, first, second = RedisServer(tmp_path), write_token("object-1", 1), write_token("object-1", 2)
    server.client.execute_command("acl", "setuser", "object-1", "on", f">{first}", "~*", "+@all")
    server.client.execute_command("acl", "setuser", "default", "-unlink")
    server.fill("account:a")
    credential.token = first
    cache = CacheKeys(stackexchange.read(server.connection), "", entra.redis_login(credential))

    with caplog.at_level(logging.DEBUG):
        assert cache.remove(["account:a"]) == {"account:a"}
        credential.token = second
        server.client.execute_command("acl", "setuser", "object-1", "resetpass", f">{second}")
        server.client.execute_command("client", "kill", "user", "object-1")
        server.fill("account:a")
        assert cache.remove(["account:a"]) == {"account:a"}
        credential.token = first
        server.client.execute_command("client", "kill", "user", "object-1")
        with pytest.raises(TransientError, match="check REDIS_CONNECTION and REDIS_IDENTITY") as refusal:
            cache.remove(["account:a"])
        credential.token = None
        with pytest.raises(TransientError, match="check REDIS_IDENTITY") as missing:
            cache.remove(["account:a"])

    cache.close()
    server.stop()
    assert set(credential.scopes) == {"https://redis.azure.com/.default"}
    assert "e30." not in caplog.text + repr(refusal.value) + repr(cache.__dict__)
    assert "Contoso" not in str(missing.value)


@pytest.mark.parametrize("name", ["default", CLIENT_ID])
def test_the_identity_of_a_setting_is_found(identity_endpoint, monkeypatch, name):
    """The same as for the other stores."""
    monkeypatch.setattr(entra, "_read_object_id", lambda _: "object-1")

    assert entra.redis_login(entra.find_identity(name))() == ("object-1", "token-one")

    assert entra.find_identity(None) is None
    client_id = None if name == "default" else name
    assert set(identity_endpoint) == {("https://redis.azure.com", client_id)}
