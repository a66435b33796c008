"""An Npgsql connection string leads to the connection that it means, or to a sentence that says what to do."""

from pathlib import Path

import certifi
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from cdc.config import npgsql, postgres_url

DOCUMENT = (Path(__file__).parents[3] / "docs" / "deploying.md").read_text(encoding="utf-8")
LOCAL = "Host=localhost;Database=app;Username=me"
REMOTE = "Host=db.example.com;Database=app;Username=me"


def read(text):
    """Return the parameters that a POSTGRES_CONNECTION leads to."""
    return conninfo_to_dict(postgres_url.read(text))


def read_value(keyword, value, form='{}="{}"'):
    """Return what a keyword adds to a connection to this machine."""
    added = read(f"{LOCAL};{form.format(keyword, value)}").items() - read(LOCAL).items()
    return dict(added)


def test_the_connection_of_the_application():
    """What the application's key vault holds, without its one dangerous keyword, is a verified connection."""
    text = "Host=core-db.example.com;Port=5432;Username=app;Password=s3cret;Database=mystiraapp;SSL Mode=Require;"

    assert read(text) == {
        "host": "core-db.example.com",
        "port": "5432",
        "user": "app",
        "password": "s3cret",
        "dbname": "mystiraapp",
        "sslmode": "verify-full",
        "sslrootcert": certifi.where(),
    }


@pytest.mark.parametrize(
    ("keyword", "value", "expected"),
    [
        ("Host", "/var/run/postgresql", {"host": "/var/run/postgresql"}),
        ("Server", "127.0.0.1", {"host": "127.0.0.1"}),
        ("Port", "6432", {"port": "6432"}),
        ("Database", "other", {"dbname": "other"}),
        ("DB", "other", {"dbname": "other"}),
        ("Username", "other", {"user": "other"}),
        ("User Name", "other", {"user": "other"}),
        ("User Id", "other", {"user": "other"}),
        ("UserId", "other", {"user": "other"}),
        ("UID", "other", {"user": "other"}),
        ("Password", "p", {"password": "p"}),
        ("PWD", "p", {"password": "p"}),
        ("PSW", "p", {"password": "p"}),
        ("Passfile", "/pgpass", {"passfile": "/pgpass"}),
        ("Application Name", "our app", {"application_name": "our app"}),
        ("Options", "'-c search_path=x'", {"options": "-c search_path=x"}),
        ("SSL Mode", "Disable", {"sslmode": "disable"}),
        ("SSL Mode", "Allow", {"sslmode": "allow"}),
        ("SSL Mode", "Prefer", {"sslmode": "prefer"}),
        ("SslMode", "require", {"sslmode": "require"}),
        ("SSL Mode", "VerifyCA", {"sslmode": "verify-ca"}),
        ("SSL Mode", "Verify-Full", {"sslmode": "verify-full"}),
        ("SSL Negotiation", "Direct", {"sslnegotiation": "direct"}),
        ("SSL Certificate", "/me.pem", {"sslcert": "/me.pem"}),
        ("Client Certificate", "/me.pem", {"sslcert": "/me.pem"}),
        ("SSL Key", "/me.key", {"sslkey": "/me.key"}),
        ("SSL Password", "p", {"sslpassword": "p"}),
        ("Client Certificate Key", "p", {"sslpassword": "p"}),
        ("Root Certificate", "/ca.pem", {"sslrootcert": "/ca.pem"}),
        ("Channel Binding", "Require", {"channel_binding": "require"}),
        ("GSS Encryption Mode", "Disable", {"gssencmode": "disable"}),
        ("Kerberos Service Name", "pg", {"krbsrvname": "pg"}),
        ("Target Session Attributes", "ReadWrite", {"target_session_attrs": "read-write"}),
        ("Target Session Attributes", "read-write", {"target_session_attrs": "read-write"}),
        ("Target Session Attributes", "Primary", {"target_session_attrs": "primary"}),
        ("Load Balance Hosts", "True", {"load_balance_hosts": "random"}),
    ],
)
def test_keywords_are_translated(keyword, value, expected):
    """Each has its parameter in libpq, in any case and with or without spaces."""
    for spelling in (keyword, keyword.upper(), keyword.replace(" ", "")):
        assert read_value(spelling, value) == expected


@pytest.mark.parametrize(
    "keyword",
    [
        "Pooling", "Minimum Pool Size", "Maximum Pool Size", "MaxPoolSize", "Connection Idle Lifetime",
        "Connection Pruning Interval", "Connection Lifetime", "No Reset On Close", "Timeout", "Command Timeout",
        "Internal Command Timeout", "Cancellation Timeout", "Keepalive", "TCP Keepalive", "Tcp Keepalive Time",
        "Tcp Keepalive Interval", "Host Recheck Seconds", "Search Path", "Client Encoding", "Encoding", "Timezone",
        "Persist Security Info", "Include Error Detail", "Include Failed Batched Command", "Log Parameters", "Enlist",
        "Max Auto Prepare", "Auto Prepare Min Usages", "Read Buffer Size", "Write Buffer Size",
        "Socket Receive Buffer Size", "Socket Send Buffer Size", "Multiplexing", "Load Table Composites",
        "Array Nullability Mode", "EF Admin Database", "EF Template Database", "Use Perf Counters", "Include Realm",
    ],
)  # fmt: skip
def test_keywords_of_npgsql_alone_are_ignored(keyword):
    """They change nothing, and the documentation names each."""
    assert read_value(keyword, "1") == {}
    assert f"`{keyword}`" in DOCUMENT or keyword == "MaxPoolSize"


@pytest.mark.parametrize(
    ("pair", "advice"),
    [
        ("Trust Server Certificate=True", "remove it, or set Root Certificate to your CA's file"),
        ("TrustServerCertificate=1", "remove it"),
        ("Check Certificate Revocation=true", "sslcrl"),
        ("Integrated Security=true", "POSTGRES_IDENTITY"),
        ("Require Auth=ScramSHA256", "require_auth"),
        ("Replication Mode=Logical", "remove it"),
        ("Server Compatibility Mode=Redshift", "PostgreSQL only"),
        ("Target Session Attributes=Standby", "any, primary, read-write"),
        ("Target Session Attributes=PreferPrimary", "any, primary, read-write"),
        ("SSL Mode=Sometimes", "disable, allow, prefer, require, verify-ca, verify-full"),
    ],
)
def test_what_would_mislead_is_refused(pair, advice):
    """The sentence says what to do instead, and the documentation names the keyword."""
    with pytest.raises(ValueError, match=advice):
        postgres_url.read(f"{LOCAL};{pair}")


@pytest.mark.parametrize(
    "pair",
    [
        "Trust Server Certificate=false",
        "Check Certificate Revocation=False",
        "Integrated Security=false",
        "Server Compatibility Mode=NoTypeLoading",
        "Replication Mode=Off",
        "Trust Server Certificate=",
    ],
)
def test_what_says_no_is_no_reason_to_refuse(pair):
    """A dangerous keyword that is switched off changes nothing."""
    assert read(f"{LOCAL};{pair}") == read(LOCAL)


@pytest.mark.parametrize(
    ("written", "password"),
    [
        ("plain", "plain"),
        ("  inner space  ", "inner space"),
        ("a=b", "a=b"),
        ("a'b\"c", "a'b\"c"),
        ('"semi;colon"', "semi;colon"),
        ("'semi;colon'", "semi;colon"),
        ('"a""b"', 'a"b'),
        ("'a''b'", "a'b"),
        ('"it\'s"', "it's"),
        ("'say \"x\"'", 'say "x"'),
        ('"  kept  "', "  kept  "),
        ('"Host=evil;"', "Host=evil;"),
        ("back\\slash", "back\\slash"),
    ],
)
@pytest.mark.parametrize("form", ["Host=/tmp;Password={};Username=me", "Password={};Host=/tmp;Username=me;"])
def test_quotes_follow_the_rules_of_dotnet(form, written, password):
    """A value with a semicolon, a quote or outer spaces stands in quotes, and holds its own quote twice."""
    assert read(form.format(written)) == {"host": "/tmp", "user": "me", "password": password}


def test_the_last_value_counts_and_an_empty_one_unsets():
    """As in .NET; Server is another word for Host."""
    assert read("Host=/one;Server=/two;Port=1;Port=;;Username = me ;") == {"host": "/two", "user": "me"}


def test_several_hosts_have_their_ports():
    """Npgsql writes the port behind each host, libpq beside all hosts."""
    parameters = read("Host=one.example.com:6432,two.example.com;Port=5433;Username=me")

    assert (parameters["host"], parameters["port"]) == ("one.example.com,two.example.com", "6432,5433")


@pytest.mark.parametrize("mode", ["Allow", "Prefer", "Require", "VerifyFull"])
def test_a_remote_server_is_verified_whatever_npgsql_would_do(mode):
    """Versions of Npgsql disagree about what Require verifies: here it verifies all, and so do weaker modes."""
    parameters = read(f"{REMOTE};SSL Mode={mode}")

    assert (parameters["sslmode"], parameters["sslrootcert"]) == ("verify-full", certifi.where())


@pytest.mark.parametrize(("mode", "expected"), [("Disable", "disable"), ("VerifyCA", "verify-ca")])
def test_other_modes_are_kept(mode, expected):
    """They say exactly what they do."""
    assert read(f"{REMOTE};SSL Mode={mode}")["sslmode"] == expected


@pytest.mark.parametrize(
    "text",
    [
        "Host=db.example.com;Password=Se;cret=1;Username=me",
        "Host=db.example.com;Passwort=cret;Username=me",
        'Host=db.example.com;Password="cret;Username=me',
        "Host=db.example.com;Password='cret'x;Username=me",
        "Host=db;Username=me;Port=cret",
        "host=db.example.com;port=5432;user=cret",
        "Host=a b;Password=cret",
    ],
)
def test_what_cannot_be_read_is_refused_without_quoting_it(text):
    """What looks like a keyword may be the rest of a password."""
    with pytest.raises(ValueError, match=r"must be a libpq URI|number \d") as refusal:
        postgres_url.read(text)

    assert "cret" not in str(refusal.value).lower().replace("secret", "")


@pytest.mark.parametrize(
    "text",
    [
        "host=localhost password='a;b=c' dbname=app",
        "host=localhost password=a;b dbname=app",
        "host=localhost dbname=app",
        "host=localhost",
        "postgresql://me:a;b@localhost/app?application_name=Host%3Dx;Port%3D1",
    ],
)
def test_libpqs_own_forms_are_left_alone(text):
    """A semicolon in a libpq password makes no Npgsql connection string of it."""
    assert read(text) == conninfo_to_dict(text)


def test_every_value_survives_the_way_to_libpq():
    """Each character that either form quotes comes through."""
    password = "".join(map(chr, range(33, 127))) + " ü"
    quoted = password.replace('"', '""')

    assert read(f'Host=/tmp;Password="{quoted}";Username=me')["password"] == password
    assert read(make_conninfo(host="/tmp", password=password))["password"] == password


def test_a_keyword_has_one_verdict():
    """No keyword is translated and ignored, or ignored for two reasons."""
    parts = [npgsql._SAME, npgsql._WORDS, npgsql._REFUSED, *npgsql._IGNORED.values()]

    assert sum(map(len, parts)) == len(npgsql.KEYWORDS)
