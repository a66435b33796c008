"""The hooks of a deployment, as processes, on the local stack in place of Azure: twice without harm, and refusing."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from infra.hooks import prove_retries, roles
from infra.hooks.site import DeploymentError, Site
from local.cosmos import CosmosServer
from local.patience import PATIENCE_SECONDS
from local.postgres import Postgres
from local.sample import Source
from local.stack import ROOT, make_settings
from tests.builders import an_account
from tests.e2e.conftest import running_host, wait_until
from tests.e2e.test_deploying import MANAGED
from tests.e2e.test_pauses import plant

ROLE = "id-cdc-local"
OBJECT_ID = "b1946ac9-2a6c-4e5f-9c2e-1c6f2e5d0a11"
# It exists in Azure only, where it makes a role that logs in with tokens of the identity.
PRINCIPALS = """
create function pgaadauth_create_principal_with_oid(role text, object_id text, kind text, admin bool, mfa bool)
returns void language plpgsql as $$
begin
    assert kind = 'service' and not admin;
    execute format('create role %I login', role);
end $$
"""
# Answers as the Azure CLI does.
AZ = """#!{python}
import json, sys
answers = json.load(open({answers!r}))
found = [answer for words, answer in answers.items() if " ".join(sys.argv[1:]).startswith(words)]
print(json.dumps(found[0])) if found else sys.exit("az: unknown command")
"""
STATE = """
select jsonb_agg(to_jsonb(r)::text order by r.rolname),
    (select jsonb_agg(to_jsonb(m) - 'oid' order by m.roleid, m.member, m.grantor) from pg_auth_members m),
    (select jsonb_agg(to_jsonb(c) order by c.oid) from (select oid, relname, relowner, relacl::text from pg_class
        where relnamespace in ('cdc'::regnamespace, 'public'::regnamespace)) c),
    (select jsonb_agg(to_jsonb(m)) from cdc.migration m), (select jsonb_agg(to_jsonb(p)) from cdc.phase p)
from (select oid, rolname, rolcanlogin, rolcreaterole from pg_roles) r
"""


class Place:
    """A resource group: an empty PostgreSQL server, a Cosmos account, the app's settings, and a signed-in deployer."""

    def __init__(self, server: Postgres, cosmos: CosmosServer, folder: Path) -> None:
        self.superuser = server.dsn("mystiraapp")
        with psycopg.connect(server.dsn(), autocommit=True) as superuser:
            for statement in (*MANAGED, PRINCIPALS):
                superuser.execute(statement)
        Source.open(cosmos.connection_string, "MystiraAppDb").close()
        # The hooks must not need the app's own way to PostgreSQL.
        self.settings = make_settings(cosmos.connection_string, make_conninfo(self.superuser, user=ROLE))
        self._answers = folder / "answers.json"
        self.tell()
        (folder / "az").write_text(AZ.format(python=sys.executable, answers=str(self._answers)))
        (folder / "az").chmod(0o755)
        self.variables = {
            "PATH": f"{folder}:{os.environ['PATH']}",
            "PGPORT": str(server.port),
            "POSTGRES_HOST": "127.0.0.1",
            "POSTGRES_DATABASE": "mystiraapp",
            "POSTGRES_ROLE": ROLE,
            "POSTGRES_ADMINISTRATOR": "manager",
            "AZURE_APP_PRINCIPAL_ID": OBJECT_ID,
            "AZURE_RESOURCE_GROUP": "group",
            "AZURE_FUNCTION_APP_NAME": "app",
            "AZURE_FUNCTION_APP_HOST": "http://127.0.0.1:1",
            "READY_PATIENCE_SECONDS": "0.1",
        }

    def tell(self, **more: str) -> None:
        """Let the Azure CLI answer with the app's settings and these."""
        settings = [{"name": name, "value": value} for name, value in (self.settings | more).items()]
        answers: dict[str, Any] = {"account get-access-token --resource-type oss-rdbms": {"accessToken": "a token"}}
        answers["functionapp config appsettings list"] = settings
        answers["keyvault secret show --vault-name kv --name redis --output"] = {"value": "cache:6380"}
        answers["keyvault secret show --vault-name kv --name redis --version 1 "] = {"value": "cache:6381"}
        answers["keyvault secret show --id https://kv.vault.azure.net/secrets/redis "] = {"value": "another:6380"}
        self._answers.write_text(json.dumps(answers))

    def run(self, hook: str, *arguments: str, folder: Path = ROOT, **variables: str) -> tuple[int, str]:
        """Run a hook as azd does; return its exit code and what it said."""
        done = subprocess.run(
            [sys.executable, ROOT / "infra" / "hooks" / f"{hook}.py", *arguments],
            cwd=folder,
            env={**os.environ, **self.variables, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )
        return done.returncode, done.stdout

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the database, past all roles."""
        with psycopg.connect(self.superuser, autocommit=True) as superuser:
            cursor = superuser.execute(query.encode())
            return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A place after the first hook."""
    with CosmosServer(port=0) as cosmos, Postgres() as server:
        place = Place(server, cosmos, tmp_path_factory.mktemp("az"))
        code, said = place.run("postprovision")
        assert code == 0, said
        yield place


@pytest.fixture
def place(made: Place) -> Iterator[Place]:
    """The same for every test, which mends what it breaks."""
    yield made
    made.tell()


@pytest.fixture
def source(place: Place) -> Iterator[Source]:
    """The source database."""
    source = Source.open(place.settings["COSMOS_CONNECTION"], place.settings["COSMOS_DATABASE"])
    yield source
    source.close()


def test_a_deployment_goes_live_and_a_second_run_of_every_hook_changes_nothing(place: Place, source: Source) -> None:
    """The app runs as its own login, whose rights the hooks gave it."""
    before = place.ask(STATE)
    assert place.run("postprovision")[0] == 0
    code, said = place.run("predeploy")
    assert (code, "FAIL" in said) == (0, False), said
    assert place.ask(STATE) == before
    with running_host(place.settings) as host:
        source.write("Accounts", an_account("a"))
        for _ in range(2):
            code, said = place.run("postdeploy", AZURE_FUNCTION_APP_HOST=host.url, READY_PATIENCE_SECONDS="")
            assert (code, "The app is ready" in said) == (0, True), said
        wait_until(lambda: place.ask("select id from accounts") == [("a",)], "the document has its row")
        place.ask("alter table accounts enable row level security")
        code, said = place.run("postdeploy", AZURE_FUNCTION_APP_HOST=host.url)
        place.ask("alter table accounts disable row level security")
        assert (code, "row security applies" in said, "docs/problems.md" in said) == (1, True, True), said


@pytest.fixture
def site(place: Place, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The same place for the hooks' functions in this process."""
    for name in ("PATH", "PGPORT"):
        monkeypatch.setenv(name, place.variables[name])
    return Site(place.variables)


def prepare(site: Site) -> None:
    """Do what the hooks do but for the commands of the app."""
    roles.create_principal(site)
    roles.grant(site)
    roles.check(site)


@pytest.mark.parametrize(
    ("breaks", "mends", "remedy"),
    [
        (f'alter role "{ROLE}" nologin', f'alter role "{ROLE}" login', f'alter role "{ROLE}" login'),
        (f'alter role "{ROLE}" createdb', f'alter role "{ROLE}" nocreatedb', "nocreatedb"),
        (
            f'grant mystiraapp_cdc_owner to "{ROLE}"',
            f'revoke mystiraapp_cdc_owner from "{ROLE}"',
            f'revoke mystiraapp_cdc_owner from "{ROLE}"',
        ),
        (
            f"insert into pg_shseclabel select oid, 1260, 'pgaadauth', 'gone' from pg_roles where rolname = '{ROLE}'",
            "delete from pg_shseclabel",
            f"aadauth,oid={OBJECT_ID},type=service",
        ),
        ("alter role manager nocreaterole", "alter role manager createrole", "Microsoft Entra administrator"),
        (
            "alter table accounts owner to postgres; revoke all on accounts from mystiraapp_cdc_writer",
            "alter table accounts owner to mystiraapp_cdc_owner",
            "as a member of role postgres",
        ),
    ],
    ids=["no login", "mighty", "owner", "other identity", "no administrator", "other owner"],
)
def test_a_role_that_is_wrong_stops_the_release_with_what_to_do(
    place: Place, site: Site, breaks: str, mends: str, remedy: str
) -> None:
    """And once it is done, the release goes on."""
    place.ask(breaks)
    with pytest.raises(DeploymentError, match=re.escape(remedy)):
        prepare(site)
    place.ask(mends)
    prepare(site)


@pytest.mark.parametrize(
    ("breaks", "holds"),
    [
        (
            f'revoke mystiraapp_cdc_writer from "{ROLE}" granted by manager',
            f"pg_has_role('{ROLE}', 'mystiraapp_cdc_writer', 'usage')",
        ),
        (
            "revoke select on accounts from mystiraapp_cdc_writer",
            f"has_table_privilege('{ROLE}', 'accounts', 'select')",
        ),
        ("revoke usage on schema cdc from mystiraapp_cdc_writer", f"has_schema_privilege('{ROLE}', 'cdc', 'usage')"),
    ],
)
def test_rights_that_are_missing_are_given_again(place: Place, site: Site, breaks: str, holds: str) -> None:
    """What the script can mend needs nobody."""
    place.ask(breaks)
    assert place.ask(f"select {holds}") == [(False,)]
    prepare(site)
    assert place.ask(f"select {holds}") == [(True,)]


def test_a_second_deployer_is_told_what_the_first_one_must_grant(place: Place, site: Site) -> None:
    """Who creates a role may grant it; other administrators may not."""
    second = Site({**site.variables, "POSTGRES_ADMINISTRATOR": "second"})
    place.ask("create role second login createrole; grant create, temp on database mystiraapp to second")
    with pytest.raises(DeploymentError, match="with admin option") as told:
        prepare(second)
    assert "mystiraapp_cdc_owner, mystiraapp_cdc_writer, mystiraapp_cdc_reader" in str(told.value)
    place.ask(
        "grant mystiraapp_cdc_owner, mystiraapp_cdc_writer, mystiraapp_cdc_reader to second with admin option;"
        "grant manager to second with inherit true"
    )
    prepare(second)


def test_a_release_does_not_go_live_while_a_check_fails(place: Place) -> None:
    """The check runs with the rights of the app, which sees that rows would be hidden from it."""
    place.ask("alter table accounts enable row level security")
    code, said = place.run("predeploy")
    place.ask("alter table accounts disable row level security")
    assert (code, "FAIL  rights: row security applies to public.accounts" in said) == (1, True), said


def test_a_command_of_the_app_runs_on_the_deployment(place: Place) -> None:
    """With the rights to record a phase, and with the command's own exit code."""
    for phase in ("0", "1"):
        code, said = place.run("command", "phase", phase)
        assert (code, place.ask("select phase from cdc.phase")) == (0, [(int(phase),)]), said
    code, said = place.run("command", "phase", "9")
    assert (code, "must be a number from 0 to 3" in said) == (2, True), said


def test_a_command_does_not_read_the_settings_of_the_local_stack(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whoever has tried the app on this machine has such a file where the command is typed."""
    (tmp_path / "local.settings.json").write_text('{"Values": {"COSMOS_CONNECTION__accountEndpoint": "https://x"}}')
    monkeypatch.chdir(tmp_path)
    assert site.call("owner", "phase") == 0, capfd.readouterr()


def test_a_command_reads_and_writes_files_where_it_is_typed(place: Place, tmp_path: Path) -> None:
    """Their names are those of whoever types them."""
    (tmp_path / "loans.json").write_text('[{"id": "a", "branchId": "b"}]')
    code, said = place.run("command", "profile", "--json", "loans.json", folder=tmp_path)
    assert (code, [path.name for path in tmp_path.glob("*.profile.json")]) == (0, ["loans.profile.json"]), said


def test_ctrl_c_ends_the_command_in_its_own_way(place: Place) -> None:
    """A terminal tells both processes, and the hook must not kill a command that still closes what it has opened."""
    command = [sys.executable, ROOT / "infra" / "hooks" / "command.py", "status", "--watch"]
    environment = {**os.environ, **place.variables}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, env=environment, start_new_session=True, text=True, **pipes) as hook:
        assert hook.stdout is not None
        assert hook.stdout.readline()
        os.killpg(hook.pid, signal.SIGINT)
        said = hook.communicate(timeout=PATIENCE_SECONDS)[0]
    assert hook.returncode in (0, 1), said
    assert "Traceback" not in said


def test_a_variable_that_is_missing_is_named(place: Place) -> None:
    """Whoever runs a hook by hand has forgotten one."""
    assert place.run("postprovision", POSTGRES_ROLE="") == (
        1,
        "postprovision.py: POSTGRES_ROLE is not set: run azd provision first, or export what the deployment printed.\n",
    )


def test_a_storage_key_beside_the_identity_is_refused(place: Place, site: Site) -> None:
    """The platform has put one there in some deployments."""
    place.tell(AzureWebJobsStorage__blobServiceUri="https://x.blob.core.windows.net")
    with pytest.raises(DeploymentError, match="appsettings delete --setting-names AzureWebJobsStorage"):
        site.read_settings()


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("@Microsoft.KeyVault(VaultName=kv;SecretName=redis)", "cache:6380"),
        ("@Microsoft.KeyVault(VaultName=kv;SecretName=redis;SecretVersion=1)", "cache:6381"),
        ("@Microsoft.KeyVault(SecretUri=https://kv.vault.azure.net/secrets/redis)", "another:6380"),
        ("cache:6379", "cache:6379"),
    ],
)
def test_a_hook_resolves_references_but_never_reads_the_apps_key(
    place: Place, site: Site, value: str, read: str
) -> None:
    """Azure lists the reference, not the secret; whoever deploys needs no right on the key."""
    prepare(site)
    place.tell(REDIS_CONNECTION=value, IDENTITY_KEY="@Microsoft.KeyVault(VaultName=kv;SecretName=identity-key)")
    first, second = (site.adapt_settings("writer") for _ in range(2))
    assert first["REDIS_CONNECTION"] == read
    assert len(first["IDENTITY_KEY"]) >= 16
    assert first["IDENTITY_KEY"] != second["IDENTITY_KEY"]


@pytest.mark.parametrize(
    ("administrator", "says"),
    [
        ("manager", ["In phase 3 never delete the group: its PostgreSQL server", "In phase 0, run "]),
        ("", ["In phase 0 or 3, look whether a PostgreSQL server is in the group", "If it is in another group, run "]),
    ],
    ids=["made by the template", "existing"],
)
def test_taking_down_by_azd_is_refused(place: Place, administrator: str, says: list[str]) -> None:
    """It would take the resource group of the Cosmos account, too; what to run instead is what the page says."""
    code, said = place.run("predown", POSTGRES_ADMINISTRATOR=administrator, AZURE_RESOURCE_GROUP="rg-prod")
    page = (ROOT / "docs" / "deploying.md").read_text(encoding="utf-8")
    look = "az resource list --resource-group rg-prod --resource-type Microsoft.DBforPostgreSQL/flexibleServers"
    delete = "az group delete --name rg-prod"
    assert code == 1
    assert all(words in said for words in ["Nothing was deleted.", *says, f"run {delete}."])
    assert (f": {look}." in said) == (not administrator)
    assert f"\n{look}\n{delete} " in page


def test_an_app_that_does_not_answer_fails_the_deployment(place: Place) -> None:
    """It is somewhere else, or only in its network; the way back is not another deployment, whose hook migrates."""
    code, said = place.run("postdeploy")
    assert (code, "cannot be reached" in said) == (1, True), said
    assert "publish the release before, without its hooks: see Going back in docs/deploying.md" in said


@pytest.mark.parametrize(
    ("administrator", "remedy"),
    [("manager", "azd env set DEPLOYER_ADDRESS"), ("", "az postgres flexible-server firewall-rule create")],
    ids=["made by the template", "existing"],
)
def test_a_server_that_cannot_be_reached_opens_as_it_was_made(
    site: Site, monkeypatch: pytest.MonkeyPatch, administrator: str, remedy: str
) -> None:
    """The template makes no rule for a server that it did not make."""
    monkeypatch.setenv("PGPORT", "1")
    names = {"POSTGRES_ADMINISTRATOR": administrator, "AZURE_PRINCIPAL_NAME": "manager"}
    with pytest.raises(DeploymentError, match=remedy):
        Site({**site.variables, **names}).connect("postgres")


@pytest.mark.parametrize(
    ("app", "told"),
    [("", "all have arrived"), ("careless", "no retry policy")],
    ids=["retries", "no retries"],
)
def test_a_pause_proves_whether_retries_hold(
    place: Place, site: Site, source: Source, tmp_path: Path, app: str, told: str
) -> None:
    """A host that gives a batch up goes on in the feed, which is seen when the container is resumed."""
    settings = place.settings | {"LEASE_PREFIX": f"prefix{app}"}
    options = [plant(tmp_path, r"    @app\.retry\(.*?\n    \)\n", "")] if app else []
    place.tell(LEASE_PREFIX=settings["LEASE_PREFIX"])
    with running_host(settings, *options):
        source.write("Accounts", an_account(f"before{app}"))
        wait_until(lambda: len(place.ask(f"select 1 from accounts where id = 'before{app}'")) == 1, "the feed runs")
        code, said = prove(place, lambda: source.write("Accounts", an_account(f"in it{app}")))
        assert (code, told in said) == (int(bool(app)), True), said
        if not app:
            with pytest.raises(DeploymentError, match="nothing is proved"):
                prove_retries.work(site, "Accounts", seconds=1)
    place.ask("update cdc.container set skipped_at = null")
    assert place.ask("select 1 from cdc.pause") == []


def prove(place: Place, meanwhile: Callable[[], object]) -> tuple[int, str]:
    """Run the proof, and do something in its pause."""
    command = [sys.executable, ROOT / "infra" / "hooks" / "prove_retries.py", "Accounts", "--seconds", "4"]
    environment = {**os.environ, **place.variables}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as hook:
        wait_until(lambda: place.ask("select 1 from cdc.pause") != [] or hook.poll() is not None, "it is paused")
        meanwhile()
        said = hook.communicate(timeout=PATIENCE_SECONDS)[0].decode()
    return hook.returncode, said
