"""Read a connection string of StackExchange.Redis, the form of .NET applications."""

import re
from dataclasses import dataclass, field

# Azure serves its caches over TLS alone, except on this port.
_AZURE = re.compile(
    r"\.(redis\.cache\.windows\.net|redis\.azure\.net|redisenterprise\.cache\.azure\.net)$", re.IGNORECASE
)
_PLAIN_PORT, _TLS_PORT = 6379, 6380
_USED = ("password", "user", "ssl", "defaultdatabase")
# They concern .NET, or what the app never does; the app bounds every wait itself.
_IGNORED = frozenset(
    (
        "abortconnect", "allowadmin", "asynctimeout", "channelprefix", "checkcertificaterevocation", "configchannel",
        "configcheckseconds", "connectretry", "connecttimeout", "heartbeatinterval", "highintegrity",
        "includedetailinexceptions", "includeperformancecountersinexceptions", "keepalive", "name",
        "preserveasyncorder", "protocol", "resolvedns", "responsetimeout", "setlib", "sslprotocols", "synctimeout",
        "tiebreaker", "version", "writebuffer",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RedisServer:
    """Where a Redis is, and how to log in."""

    host: str
    port: int
    tls: bool
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    database: int = 0


def read(text: str) -> RedisServer:
    """Read a connection string; raise ValueError, whose message quotes no value."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    places = [part for part in parts if "=" not in part]
    pairs = (part.partition("=")[::2] for part in parts if "=" in part)
    options = {keyword.strip().lower(): value.strip() for keyword, value in pairs}
    if len(places) != 1 or "/" in places[0]:
        raise ValueError("must name one server, as in cache.example.net:6380,password=...,ssl=True")
    if not options.keys() <= {*_USED, *_IGNORED}:
        # Not by name: it may be part of a password that contains a comma.
        raise ValueError(f"has an option that the app does not know: it knows {', '.join(_USED)}")
    host, port = _split(places[0])
    tls = _read_flag(options.get("ssl"), default=_AZURE.search(host) is not None and port != _PLAIN_PORT)
    return RedisServer(
        host,
        port or (_TLS_PORT if tls else _PLAIN_PORT),
        tls,
        options.get("user") or None,
        options.get("password") or None,
        _read_number(options.get("defaultdatabase") or "0", "a defaultDatabase"),
    )


def _split(place: str) -> tuple[str, int | None]:
    match = re.fullmatch(r"\[?(?P<host>[^\[\]]+?)\]?(?::(?P<port>[^:\]]*))?", place)
    if match is None:
        raise ValueError("must name one server, as in cache.example.net:6380,password=...,ssl=True")
    return match["host"], _read_number(match["port"], "a port") if match["port"] else None


def _read_flag(value: str | None, *, default: bool) -> bool:
    if not value:
        return default
    if value.lower() not in ("true", "false"):
        raise ValueError("has an ssl that is neither True nor False")
    return value.lower() == "true"


def _read_number(value: str, what: str) -> int:
    if not value.isascii() or not value.isdigit() or int(value) > 65_535:
        raise ValueError(f"has {what} that is no number")
    return int(value)
