"""Settings are checked all together, and keep their secrets."""

import json
from datetime import UTC, datetime
from pathlib import Path

import certifi
import pytest
from psycopg.conninfo import conninfo_to_dict

from cdc.config.settings import Phase, Settings
from cdc.core.errors import SettingsError

EXAMPLE = Path(__file__).parents[3] / "local.settings.example.json"
SECRET = "s3cret/Key=="
VALID = {
    "COSMOS_CONNECTION": f"AccountEndpoint=https://localhost:8081/;AccountKey={SECRET};",
    "COSMOS_DATABASE": "MystiraAppDb",
    "LEASE_DATABASE": "MystiraCdc",
    "LEASE_CONTAINER": "leases",
    "LEASE_PREFIX": "test",
    "DURABLE_HUB": "test",
    "IDENTITY_KEY": "for the tests only",
    "POSTGRES_CONNECTION": "postgresql://app:s3cret@localhost:5432/app",
}
REQUIRED = list(VALID)


def read_error(**values):
    """Return the message about these settings."""
    with pytest.raises(SettingsError) as caught:
        Settings.read(VALID | values)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("DEAD_LETTER_SCHEDULE", "MAINTAIN_SCHEDULE"),
        ("BACKFILL_SCHEDULE", "MAINTAIN_SCHEDULE"),
        ("RECONCILE_SCHEDULE", "RECONCILE_INTERVAL_SECONDS"),
        ("TOMBSTONE_SCHEDULE", "once a day"),
    ],
)
def test_the_settings_of_the_old_timers_are_refused_by_name(name, remedy):
    """Ignored, they would be believed; they are reported together with what else is wrong."""
    message = read_error(**{name: "0 0 3 * * *", "COSMOS_DATABASE": ""})

    assert f"{name}: is no setting any more: remove it" in message
    assert remedy in message
    assert "COSMOS_DATABASE" in message
    assert Settings.read(VALID | {name: ""})


def read_postgres(text):
    """Return the connection parameters that a POSTGRES_CONNECTION leads to."""
    settings = Settings.read(VALID | {"POSTGRES_CONNECTION": text})
    return conninfo_to_dict(settings.postgres_connection.get_secret_value())


def test_defaults_suit_a_first_start():
    """With only the required settings the app replicates from the beginning in phase 1."""
    settings = Settings.read(VALID)

    assert settings.phase is Phase.DUAL_WRITE_COSMOS_READ
    assert settings.change_feed_start == "beginning"
    assert settings.replicates


def test_every_missing_setting_is_named_at_once():
    """An empty environment leads to one message with every required name."""
    with pytest.raises(SettingsError) as caught:
        Settings.read({})

    assert [name for name in REQUIRED if f"  {name}: is missing" in str(caught.value)] == REQUIRED


@pytest.mark.parametrize("name", REQUIRED)
def test_an_empty_setting_counts_as_missing(name):
    """Azure's portal keeps emptied settings: they are no values."""
    assert f"{name}: is missing" in read_error(**{name: ""})


def test_every_problem_is_named_at_once():
    """Wrong values, missing ones and contradictions come in one message."""
    message = read_error(
        COSMOS_DATABASE="",
        CHANGE_FEED_START="yesterday",
        MIGRATION_PHASE="4",
        MAX_ITEMS_PER_INVOCATION="many",
        RETRY_MINIMUM_INTERVAL="00:02:00",
        LEASE_RENEW_INTERVAL_MS="70000",
    )

    for name in (
        "COSMOS_DATABASE",
        "CHANGE_FEED_START",
        "MIGRATION_PHASE",
        "MAX_ITEMS_PER_INVOCATION",
        "RETRY_MINIMUM_INTERVAL",
        "LEASE_RENEW_INTERVAL_MS",
    ):
        assert name in message


def test_secrets_are_not_in_the_repr():
    """Neither the settings nor a message about them shows a key or a password."""
    settings = Settings.read(VALID)
    message = read_error(
        COSMOS_CONNECTION=f"AccountKey={SECRET}", POSTGRES_CONNECTION="postgresql://app:s3cret@host:5432/app?oops=1"
    )

    for text in (repr(settings), str(settings), message):
        assert "s3cret" not in text
    assert "COSMOS_CONNECTION" in message
    assert "POSTGRES_CONNECTION" in message


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("postgresql://app:p%40ss@db.example.com:5432/app", id="URI"),
        pytest.param("host=db.example.com user=app password='p@ss' dbname=app", id="keywords"),
        pytest.param("postgresql://app:p%40ss@localhost,db.example.com/app", id="several hosts"),
        pytest.param("postgresql://app:p%40ss@localhost.example.com/app", id="a name that begins like localhost"),
        pytest.param("hostaddr=10.0.0.5 user=app password='p@ss' dbname=app", id="address without a name"),
        pytest.param("host=/tmp,db.example.com user=app password='p@ss' dbname=app", id="a socket and a host"),
        pytest.param("user=app password='p@ss' dbname=app", id="no host, so that libpq's environment may name one"),
        pytest.param("host=localhost hostaddr=10.0.0.5 user=app password='p@ss' dbname=app", id="address wins"),
    ],
)
def test_a_remote_server_is_verified(text):
    """The certificate of a server elsewhere is checked, and so is its name; nothing else changes."""
    parameters = read_postgres(text)

    assert (parameters["sslmode"], parameters["sslrootcert"]) == ("verify-full", certifi.where())
    assert (parameters["user"], parameters["password"], parameters["dbname"]) == ("app", "p@ss", "app")


def test_a_certificate_of_ones_own_is_kept():
    """A named root certificate is not replaced by the system's."""
    assert read_postgres("postgresql://app@db.example.com/app?sslrootcert=/ca.pem")["sslrootcert"] == "/ca.pem"


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://app@localhost/app",
        "postgresql://app@127.0.0.1:5432/app",
        "postgresql://app@[::1]/app",
        "postgresql:///app?host=/tmp",
        "postgresql://app@localhost/app?sslmode=prefer",
        "postgresql://app@db.example.com/app?sslmode=require",
        "postgresql://app@db.example.com/app?sslmode=disable",
        "postgresql://app@db.example.com/app?sslmode=verify-ca&sslrootcert=/ca.pem",
    ],
)
def test_other_servers_stay_as_they_are(text):
    """This machine needs no certificate, and a mode that does what it says is meant."""
    assert read_postgres(text) == conninfo_to_dict(text)


@pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
def test_a_mode_that_verifies_has_its_authorities(mode):
    """libpq would look for them in a home folder, where Azure has none."""
    parameters = read_postgres(f"postgresql://app@db.example.com/app?sslmode={mode}")

    assert (parameters["sslmode"], parameters["sslrootcert"]) == (mode, certifi.where())


@pytest.mark.parametrize("mode", ["allow", "prefer"])
def test_a_mode_that_falls_back_to_plain_text_is_refused(mode):
    """Nobody would see that the data of children travel unencrypted: who wants that says so."""
    message = read_error(POSTGRES_CONNECTION=f"postgresql://app@db.example.com/app?sslmode={mode}")

    assert f"POSTGRES_CONNECTION: has sslmode={mode}" in message
    assert "sslmode=disable" in message


def test_a_short_identity_key_is_refused_in_words_of_a_secret():
    """It is told how long it must be, and not quoted."""
    message = read_error(IDENTITY_KEY="s3cret")

    assert "  IDENTITY_KEY: must be a secret of at least 16 characters" in message
    assert "s3cret" not in message


@pytest.mark.parametrize("name", ["IDENTITY_KEY", "POSTGRES_CONNECTION", "COSMOS_CONNECTION", "LEASE_PREFIX"])
def test_a_reference_that_azure_did_not_resolve_is_no_value(name):
    """As a key it would be known to everybody who sees the template."""
    message = read_error(**{name: "@Microsoft.KeyVault(VaultName=kv-x;SecretName=identity-key)"})

    assert f"  {name}: is a Key Vault reference that Azure did not resolve: give the app's identity the role" in message


@pytest.mark.parametrize(
    "text", ["postgresql://app:ge%heim@localhost/app", "postgresql://app:geheim@localhost:port/app"]
)
def test_what_is_wrong_in_a_uri_is_among_what_its_message_names(text):
    """A percent sign and a port are as easily wrong as an @ in a password."""
    message = read_error(POSTGRES_CONNECTION=text)

    assert "%25 for %" in message
    assert "a number as its port" in message
    assert "heim" not in message


@pytest.mark.parametrize("text", ["Host=h;Username=u;Password=ge;heim", "Host=h;Username=u;Password='geheim"])
def test_a_value_that_needs_quotes_is_told_so(text):
    """A semicolon or a quote in a password ends an Npgsql connection string early."""
    message = read_error(POSTGRES_CONNECTION=text)

    assert "quotes around a value with ; or quotes" in message
    assert "heim" not in message


@pytest.mark.parametrize("value", ["not a connection", "postgresql://host/app?nonsense=1", "host"])
def test_unreadable_postgres_connections_are_refused(value):
    """The message shows the forms that are understood."""
    assert "POSTGRES_CONNECTION: must be a libpq URI" in read_error(POSTGRES_CONNECTION=value)


@pytest.mark.parametrize(
    ("value", "phase"),
    [
        ("0", Phase.COSMOS_ONLY),
        ("1", Phase.DUAL_WRITE_COSMOS_READ),
        ("2", Phase.DUAL_WRITE_POSTGRES_READ),
        ("3", Phase.POSTGRES_ONLY),
        ("cosmos_only", Phase.COSMOS_ONLY),
        ("DualWriteCosmosRead", Phase.DUAL_WRITE_COSMOS_READ),
        ("DUAL_WRITE_POSTGRES_READ", Phase.DUAL_WRITE_POSTGRES_READ),
        ("postgres_only", Phase.POSTGRES_ONLY),
    ],
)
@pytest.mark.parametrize("name", ["MIGRATION_PHASE", "DataMigration__Phase"])
def test_phases_have_names_and_numbers(name, value, phase):
    """A phase is set as the application sets it, or as we do."""
    settings = Settings.read(VALID | {name: value})

    assert settings.phase is phase
    assert settings.replicates == (phase in (1, 2))


@pytest.mark.parametrize("name", ["MIGRATION_PHASE", "DataMigration__Phase"])
@pytest.mark.parametrize("value", ["4", "-1", "1.0", "dual", "true"])
def test_unknown_phases_are_refused(name, value):
    """The message lists the phases."""
    message = read_error(**{name: value})

    assert "PHASE" in message.upper()
    assert "must be a number from 0 to 3, or one of cosmos_only" in message


@pytest.mark.parametrize(
    ("value", "instant"),
    [
        ("2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31T14:00:00+02:00", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31T12:00:00.5Z", datetime(2026, 1, 31, 12, 0, 0, 500_000, tzinfo=UTC)),
    ],
)
def test_the_feed_starts_at_an_instant(value, instant):
    """A time with any zone is one instant in UTC; the trigger is given the second before, which Cosmos leaves out."""
    settings = Settings.read(VALID | {"CHANGE_FEED_START": value})

    assert settings.change_feed_start == instant
    assert settings.trigger_start == datetime(2026, 1, 31, 11, 59, 59, tzinfo=UTC)


def test_the_beginning_has_no_second_before_it():
    """The trigger starts there, too."""
    assert Settings.read(VALID).trigger_start == "beginning"


@pytest.mark.parametrize(
    "value",
    [
        "now",
        "2026-01-31T12:00:00",
        "2026-01-31",
        "1767225600",
        "Beginning",
        "0001-01-01T00:00:00+14:00",
        "0001-01-01T00:00:00Z",
    ],
)
def test_ambiguous_starts_are_refused(value):
    """A time without zone would mean another instant on another machine."""
    assert "CHANGE_FEED_START: must be `beginning` or an ISO time with its zone" in read_error(CHANGE_FEED_START=value)


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"RETRY_MINIMUM_INTERVAL": "1s"}, "RETRY_MINIMUM_INTERVAL"),
        ({"RETRY_MAXIMUM_INTERVAL": "24:00:00"}, "RETRY_MAXIMUM_INTERVAL"),
        ({"RETRY_MAXIMUM_INTERVAL": "00:60:00"}, "RETRY_MAXIMUM_INTERVAL"),
        ({"RETRY_MAXIMUM_INTERVAL": "00:01"}, "RETRY_MAXIMUM_INTERVAL"),
        ({"RETRY_MINIMUM_INTERVAL": "00:02:00"}, "RETRY_MINIMUM_INTERVAL"),
        ({"FEED_POLL_DELAY_MS": "0"}, "FEED_POLL_DELAY_MS"),
        ({"FEED_POLL_DELAY_MS": "1.5"}, "FEED_POLL_DELAY_MS"),
        ({"LEASE_RENEW_INTERVAL_MS": "60000"}, "LEASE_RENEW_INTERVAL_MS"),
        ({"LEASE_EXPIRATION_INTERVAL_MS": "1000"}, "LEASE_EXPIRATION_INTERVAL_MS"),
        ({"MAX_ITEMS_PER_INVOCATION": "0"}, "MAX_ITEMS_PER_INVOCATION"),
        ({"LEASE_PREFIX": "a/b"}, "LEASE_PREFIX"),
        ({"LEASE_CONTAINER": "a#b"}, "LEASE_CONTAINER"),
    ],
)
def test_bad_values_are_refused_by_name(values, name):
    """The host would refuse them too, but only after it has started."""
    assert name in read_error(**values)


@pytest.mark.parametrize(
    ("value", "containers"), [("", ()), ("PendingSignups", ("PendingSignups",)), (" A, ,B ", ("A", "B"))]
)
def test_extra_containers_are_a_list(value, containers):
    """Names are separated by commas; spaces and empty names mean nothing."""
    values = VALID | {"EXTRA_CONTAINERS": value}

    assert Settings.read(values, ["A", "B", "PendingSignups"]).extra_containers == containers


def test_an_extra_container_that_is_not_known_is_named_with_all_other_problems():
    """One start tells everything that must be corrected; the value, which may be anything, is not quoted."""
    with pytest.raises(SettingsError) as caught:
        Settings.read(VALID | {"EXTRA_CONTAINERS": "A,Nope", "LEASE_PREFIX": "a/b"}, ["A", "B"])

    assert "  EXTRA_CONTAINERS: must name only A, B, separated by commas" in str(caught.value)
    assert "  LEASE_PREFIX: " in str(caught.value)
    assert "Nope" not in str(caught.value)


def test_settings_are_frozen():
    """Nobody changes a setting while the app runs."""
    settings = Settings.read(VALID)

    with pytest.raises(ValueError, match="frozen"):
        settings.lease_prefix = "other"


def test_the_example_is_valid_and_complete():
    """The example settings are accepted, and name every setting there is."""
    values = json.loads(EXAMPLE.read_text(encoding="utf-8"))["Values"]
    names = set()
    for name, field in Settings.model_fields.items():
        if field.validation_alias is None or field.validation_alias == name.upper():
            names.add(name.upper())

    Settings.read(values)

    assert names == values.keys() - {"FUNCTIONS_WORKER_RUNTIME", "AzureWebJobsStorage"}


@pytest.mark.parametrize(
    "value",
    ["AccountEndpoint=https://host/;", f"AccountKey={SECRET};", "AccountEndpoint=https://host/;AccountKey=s3cret!;"],
)
def test_incomplete_cosmos_connections_are_refused(value):
    """A connection string without endpoint, or with a key that was not copied whole, is refused without quoting it."""
    message = read_error(COSMOS_CONNECTION=value)

    assert "  COSMOS_CONNECTION: " in message
    assert "s3cret" not in message


@pytest.mark.parametrize(
    "text", ["postgresql://app:Secret@Pass1@db.example.com/app", "postgresql://app:Sec/ret@db.example.com/app"]
)
def test_a_password_that_is_not_percent_encoded_is_refused_and_not_quoted(text):
    """Else a part of it would be taken for the host, and named as such in messages."""
    with pytest.raises(SettingsError) as refusal:
        Settings.read(VALID | {"POSTGRES_CONNECTION": text})

    assert "percent-encoded" in str(refusal.value)
    assert "Pass1" not in str(refusal.value)
    assert "ret@" not in str(refusal.value)


def test_two_names_of_the_phase_must_agree():
    """The application's setting and ours cannot name two phases."""
    assert Settings.read(VALID | {"MIGRATION_PHASE": "2", "DataMigration__Phase": "2"}).phase == 2
    with pytest.raises(SettingsError, match="differs from MIGRATION_PHASE"):
        Settings.read(VALID | {"MIGRATION_PHASE": "1", "DataMigration__Phase": "3"})


CLIENT_ID = "11111111-2222-3333-4444-555555555555"
BY_IDENTITY = {"COSMOS_CONNECTION": "", "COSMOS_CONNECTION__accountEndpoint": "https://acc.documents.azure.com:443/"}


def test_cosmos_is_reached_by_identity():
    """The names are those that the Functions extension reads for the trigger."""
    values = {"COSMOS_CONNECTION__credential": "managedIdentity", "COSMOS_CONNECTION__clientId": CLIENT_ID}
    settings = Settings.read(VALID | BY_IDENTITY | values)

    assert settings.cosmos_connection is None
    assert settings.cosmos_endpoint == "https://acc.documents.azure.com:443/"
    assert (settings.cosmos_credential, settings.cosmos_client_id) == ("managedidentity", CLIENT_ID)


@pytest.mark.parametrize("name", ["accountEndpoint", "credential", "clientId"])
def test_cosmos_is_reached_by_one_form(name):
    """A key and an identity at once leave open which of them is meant."""
    value = {"credential": "managedidentity", "clientId": CLIENT_ID}.get(name, "https://acc.documents.azure.com/")

    assert "COSMOS_CONNECTION: is set together with settings that begin with COSMOS_CONNECTION__" in read_error(
        **{f"COSMOS_CONNECTION__{name}": value}
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("accountEndpoint", "http://acc.documents.azure.com/"),
        ("accountEndpoint", "acc.documents.azure.com"),
        ("accountEndpoint", "AccountEndpoint=https://acc.documents.azure.com/;AccountKey=a2V5;"),
        ("credential", "workloadidentity"),
        ("clientId", "my-identity"),
    ],
)
def test_wrong_identity_settings_are_refused_by_name(name, value):
    """The message names the setting as it is written."""
    message = read_error(**BY_IDENTITY | {f"COSMOS_CONNECTION__{name}": value})

    assert f"  COSMOS_CONNECTION__{name}: " in message
    assert "  COSMOS_CONNECTION: " not in message


@pytest.mark.parametrize("identity", ["default", CLIENT_ID])
@pytest.mark.parametrize(
    "connection",
    [
        "postgresql://func-app@db.example.com/app",
        "Host=db.example.com;Username=func-app;Database=app;SSL Mode=Require",
        "postgresql://func-app@localhost/app",
        "postgresql://func-app@db.example.com/app?sslmode=verify-ca",
    ],
)
def test_postgres_is_reached_by_identity(identity, connection):
    """A token stands for the password that the connection does not have."""
    settings = Settings.read(VALID | {"POSTGRES_CONNECTION": connection, "POSTGRES_IDENTITY": identity})

    assert settings.postgres_identity == identity
    assert "password" not in conninfo_to_dict(settings.postgres_connection.get_secret_value())


@pytest.mark.parametrize(
    ("connection", "advice"),
    [
        ("postgresql://app:s3cret@db.example.com/app", "has a password too"),
        ("postgresql://db.example.com/app", "needs a user"),
        ("postgresql://app@db.example.com/app?sslmode=require", "unverified server"),
        ("postgresql://app@db.example.com/app?sslmode=disable", "unverified server"),
    ],
)
def test_a_token_goes_to_a_verified_server_alone(connection, advice):
    """Whoever answers in its place would have the token."""
    message = read_error(POSTGRES_CONNECTION=connection, POSTGRES_IDENTITY="default")

    assert "  POSTGRES_IDENTITY: " in message
    assert advice in message
    assert "s3cret" not in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POSTGRES_IDENTITY", "true"),
        ("POSTGRES_POOL_SIZE", "0"),
        ("POSTGRES_POOL_SIZE", "101"),
        ("POSTGRES_POOLER", "session"),
    ],
)
def test_wrong_pools_and_identities_are_refused(name, value):
    """The message names the setting."""
    assert f"  {name}: " in read_error(**{name: value})


def test_a_contradiction_with_a_default_is_named_as_the_setting_is():
    """The setting that is not there has its environment name in the message."""
    assert "  RETRY_MAXIMUM_INTERVAL: must not be shorter" in read_error(RETRY_MINIMUM_INTERVAL="00:02:00")


def test_telemetry_goes_nowhere_unless_a_setting_says_where():
    """The connection string alone is Azure's, for the host."""
    alone = Settings.read(VALID | {"APPLICATIONINSIGHTS_CONNECTION_STRING": "InstrumentationKey=1"})
    nowhere = {"service": "cdc", "otlp": False, "azure_monitor": None, "logs": True}

    assert Settings.read(VALID).telemetry == alone.telemetry == nowhere
    assert not alone.exports_telemetry


def test_telemetry_goes_where_the_settings_say():
    """To one place or to both; the host's mode leaves the log rows to the host."""
    values = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318",
        "APPLICATIONINSIGHTS_CONNECTION_STRING": "InstrumentationKey=1",
        "TELEMETRY_AZURE_MONITOR": "true",
        "WEBSITE_SITE_NAME": "site",
        "AzureFunctionsJobHost__telemetryMode": "OpenTelemetry",
    }
    settings = Settings.read(VALID | values)

    assert settings.telemetry == {
        "service": "site", "otlp": True, "azure_monitor": "InstrumentationKey=1", "logs": False,
    }  # fmt: skip
    assert settings.exports_telemetry
    assert Settings.read(VALID | values | {"OTEL_SERVICE_NAME": "name"}).telemetry["service"] == "name"
    assert "InstrumentationKey" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318", "must be the address of a collector"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/protobuf"),
        ("TELEMETRY_AZURE_MONITOR", "true", "needs APPLICATIONINSIGHTS_CONNECTION_STRING"),
        ("PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY", "true", "remove it and set TELEMETRY_AZURE_MONITOR"),
        ("PYTHON_ENABLE_OPENTELEMETRY", "1", "remove it: the app continues traces itself"),
    ],
)
def test_settings_of_telemetry_that_cannot_work_are_refused(name, value, words):
    """Each with a sentence that says what to do, under its own name."""
    message = read_error(**{name: value})

    assert f"  {name}: " in message
    assert words in message


@pytest.mark.parametrize("name", ["PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY", "PYTHON_ENABLE_OPENTELEMETRY"])
def test_switches_of_the_worker_may_be_off(name):
    """Templates write them down."""
    assert not Settings.read(VALID | {name: "False"}).exports_telemetry
