"""Translate an Npgsql connection string, the form of .NET applications, into libpq parameters."""

import re
from collections.abc import Mapping

# Keywords are compared without case and spaces: "SslMode" and "SSL Mode" are the same keyword to Npgsql.
_SAME: Mapping[str, str] = {
    "host": "host",
    "server": "host",
    "port": "port",
    "database": "dbname",
    "db": "dbname",
    "username": "user",
    "userid": "user",
    "uid": "user",
    "password": "password",
    "psw": "password",
    "pwd": "password",
    "passfile": "passfile",
    "applicationname": "application_name",
    "options": "options",
    "rootcertificate": "sslrootcert",
    "sslcertificate": "sslcert",
    "clientcertificate": "sslcert",
    "sslkey": "sslkey",
    "sslpassword": "sslpassword",
    "clientcertificatekey": "sslpassword",
    "kerberosservicename": "krbsrvname",
}

# Values that libpq names differently. They are compared without case, spaces and hyphens; others are refused.
_WORDS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "sslmode": (
        "sslmode",
        {mode.replace("-", ""): mode for mode in ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")},
    ),
    "sslnegotiation": ("sslnegotiation", {"postgres": "postgres", "direct": "direct"}),
    "channelbinding": ("channel_binding", {mode: mode for mode in ("disable", "prefer", "require")}),
    "gssencryptionmode": ("gssencmode", {mode: mode for mode in ("disable", "prefer", "require")}),
    "targetsessionattributes": (
        "target_session_attrs",
        {"any": "any", "primary": "primary", "readwrite": "read-write"},
    ),
    "loadbalancehosts": ("load_balance_hosts", {"true": "random", "false": "disable"}),
}

_IGNORED: Mapping[str, tuple[str, ...]] = {
    "the app has a pool of its own, see POSTGRES_POOL_SIZE": (
        "pooling", "minimumpoolsize", "minpoolsize", "maximumpoolsize", "maxpoolsize", "connectionidlelifetime",
        "connectionpruninginterval", "connectionlifetime", "loadbalancetimeout", "noresetonclose",
    ),
    "the app bounds every wait itself": (
        "timeout", "connectiontimeout", "commandtimeout", "internalcommandtimeout", "cancellationtimeout",
        "keepalive", "tcpkeepalive", "tcpkeepalivetime", "tcpkeepaliveinterval", "hostrecheckseconds",
    ),
    "statements name their schemas, texts are UTF-8, and instants carry their zone": (
        "searchpath", "clientencoding", "encoding", "timezone",
    ),
    "neither errors nor logs ever show values": (
        "persistsecurityinfo", "includeerrordetail", "includeerrordetails", "includefailedbatchedcommand",
        "logparameters",
    ),
    "it concerns .NET or the inside of Npgsql alone": (
        "enlist", "maxautoprepare", "autoprepareminusages", "readbuffersize", "writebuffersize",
        "socketreceivebuffersize", "socketsendbuffersize", "multiplexing", "writecoalescingbufferthresholdbytes",
        "writecoalescingdelayus", "loadtablecomposites", "arraynullabilitymode", "efadmindatabase",
        "eftemplatedatabase", "useperfcounters", "usesslstream", "convertinfinitydatetime", "backendtimeouts",
        "preloadreader", "useextendedtypes", "entlib", "buffersize", "protocol", "includerealm",
    ),
}  # fmt: skip

# Values that change nothing, and what to do about every other value.
_REFUSED: Mapping[str, tuple[tuple[str, ...], str]] = {
    "trustservercertificate": (
        ("false",),
        "trusts any server because of Trust Server Certificate: remove it, or set Root Certificate to your CA's file",
    ),
    "checkcertificaterevocation": (
        ("false",),
        "has Check Certificate Revocation, which libpq does only by list: remove it, or use libpq's form with sslcrl",
    ),
    "integratedsecurity": (
        ("false",),
        "has Integrated Security: name a user with a password instead, or set POSTGRES_IDENTITY for an Entra identity",
    ),
    "requireauth": ((), "has Require Auth: remove it, or use libpq's form with require_auth"),
    "replicationmode": (("off",), "has Replication Mode, but the app is not a replica: remove it"),
    "servercompatibilitymode": (
        ("none", "notypeloading"),
        "has a Server Compatibility Mode: the app writes to PostgreSQL only",
    ),
}

_REASONS = {keyword: reason for reason, keywords in _IGNORED.items() for keyword in keywords}
KEYWORDS = frozenset({*_SAME, *_WORDS, *_REASONS, *_REFUSED})

# A quoted value doubles its own quote; an unquoted value ends at the next semicolon.
_PAIR = re.compile(
    r"""[\s;]*(?P<keyword>[^=;]+?)\s*=\s*
    (?: "(?P<double>(?:[^"]|"")*)" | '(?P<single>(?:[^']|'')*)' | (?P<plain>(?!["'])[^;]*?) )
    \s*(?:;|$)""",
    re.VERBOSE,
)


def split(text: str) -> list[tuple[str, str]]:
    """Split a .NET connection string into normalized keywords and values; return [] if it is not one."""
    pairs = []
    position, end = 0, len(text.rstrip("; \t\r\n"))
    while position < end:
        match = _PAIR.match(text, position)
        if match is None:
            return []
        keyword, double, single, plain = match.group("keyword", "double", "single", "plain")
        value = plain if plain is not None else (double or "").replace('""', '"') + (single or "").replace("''", "'")
        pairs.append((_normal(keyword), value))
        position = match.end()
    return pairs


def translate(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Return libpq's parameters for keywords and values; the last one of a kind wins, an empty value unsets it.

    Raises ValueError; its message says what to do and quotes no value.
    """
    parameters: dict[str, str] = {}
    for keyword, value in pairs:
        if keyword in _REASONS:
            continue
        if keyword in _REFUSED:
            _refuse(keyword, value)
            continue
        name, text = _translate(keyword, value)
        parameters.pop(name, None)
        if text:
            parameters[name] = text
    return _split_hosts(parameters)


def _normal(text: str) -> str:
    return re.sub(r"\s", "", text).lower()


def _refuse(keyword: str, value: str) -> None:
    harmless, sentence = _REFUSED[keyword]
    if value and _normal(value) not in harmless:
        raise ValueError(sentence)


def _translate(keyword: str, value: str) -> tuple[str, str]:
    if keyword in _SAME:
        # Npgsql's documentation puts Options in single quotes, and .NET does not always remove them.
        return _SAME[keyword], value.strip("'") if keyword == "options" else value
    name, words = _WORDS[keyword]
    word = _normal(value).replace("-", "")
    if word and word not in words:
        raise ValueError(f"has a {name} that the app cannot use: it must be one of {', '.join(words.values())}")
    return name, words.get(word, "")


def _split_hosts(parameters: dict[str, str]) -> dict[str, str]:
    """Move the ports of Npgsql's `one:5432,two:5433` into libpq's `port`."""
    hosts = [host.strip() for host in parameters.get("host", "").split(",")]
    if not any(re.fullmatch(r"[^:/]+:\d+", host) for host in hosts):
        return parameters
    port = parameters.get("port", "5432")
    places = [host.partition(":") if host.count(":") == 1 else (host, "", "") for host in hosts]
    return parameters | {
        "host": ",".join(host for host, _, _ in places),
        "port": ",".join(own or port for _, _, own in places),
    }
