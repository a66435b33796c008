"""Remove keys from the application's cache."""

import ipaddress
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from threading import Lock
from typing import Any

import certifi
from redis import Redis
from redis.backoff import NoBackoff
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.credentials import CredentialProvider
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError
from redis.retry import Retry

from cdc.config.stackexchange import RedisServer
from cdc.core.errors import CdcError, TransientError

# Name and token of an Entra identity.
Login = Callable[[], tuple[str, str]]

_SECONDS = 1.0


class CacheKeys:
    """The keys of one cache; a connection opens on first use, and every wait is short.

    redis-py quotes keys in its messages, so only the classes of its errors are ever shown.
    """

    def __init__(self, server: RedisServer, prefix: str, login: Login | None = None) -> None:
        """Take the server, what stands before every key, and a login by identity, if there is one."""
        self._server = server
        self._prefix = prefix
        self._login = login
        self._clients: dict[tuple[str, int], Redis] = {}
        # By slot of the hash of keys.
        self._nodes: dict[int, Redis] = {}
        self._lock = Lock()
        logging.getLogger("redis").setLevel(logging.CRITICAL)

    def remove(self, keys: Iterable[str]) -> set[str]:
        """Remove keys and return those that are gone now; raise TransientError if Redis cannot be asked.

        They go one by one in a pipeline: a cluster refuses a command with keys of several slots.
        """
        wanted, gone = set(keys), set[str]()
        with self._lock:
            try:
                for node, part in self._route(wanted):
                    gone.update(self._remove(node, part))
            except (RedisError, OSError) as error:
                self._drop()
                raise _translate(error) from None
            except CdcError:
                self._drop()
                raise
            if len(gone) < len(wanted):
                self._drop()  # the nodes of a cluster may have changed
        return gone

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            self._drop()

    def _route(self, keys: Iterable[str]) -> Iterable[tuple[Redis, Sequence[str]]]:
        """Return the keys of each node; keys that no node has are left out."""
        if not self._nodes:
            self._nodes = self._find_nodes()
        found = defaultdict[Redis, list[str]](list)
        for key in keys:
            node = self._nodes.get(key_slot((self._prefix + key).encode()))
            if node is not None:
                found[node].append(key)
        return found.items()

    def _remove(self, node: Redis, keys: Sequence[str]) -> Iterable[str]:
        pipeline = node.pipeline(transaction=False)
        for key in keys:
            pipeline.unlink(self._prefix + key)
        try:
            answers = pipeline.execute(raise_on_error=False)
        except (RedisError, OSError):
            if len(self._clients) == 1:
                raise
            return ()  # the other nodes of the cluster are asked
        return [key for key, answer in zip(keys, answers, strict=True) if not isinstance(answer, Exception)]

    def _find_nodes(self) -> dict[int, Redis]:
        """Return the node of each slot; a server that is no cluster has all.

        redis-py's own client of clusters tries every key anew for seconds when one node is away.
        """
        client: Any = self._open(self._server.host, self._server.port)
        if not client.info("cluster").get("cluster_enabled"):
            return dict.fromkeys(range(REDIS_CLUSTER_HASH_SLOTS), client)
        nodes: dict[int, Redis] = {}
        for first, last, (host, port, *_), *_ in client.execute_command("CLUSTER", "SLOTS"):
            nodes |= dict.fromkeys(range(first, last + 1), self._open(self._reach(host), port))
        return nodes

    def _reach(self, host: bytes | None) -> str:
        """Return where a node is reached: Azure's nodes name addresses, but their certificates the server's name."""
        name = (host or b"").decode()
        return self._server.host if not name or (self._server.tls and _is_address(name)) else name

    def _open(self, host: str, port: int) -> Redis:
        if (host, port) not in self._clients:
            self._clients[host, port] = self._make_client(host, port)
        return self._clients[host, port]

    def _make_client(self, host: str, port: int) -> Redis:
        server = self._server
        login: dict[str, Any] = {"username": server.user, "password": server.password}
        if self._login is not None:
            login = {"credential_provider": _Credentials(self._login)}
        tls: dict[str, Any] = {"ssl": True, "ssl_ca_certs": certifi.where()} if server.tls else {}
        return Redis(
            host,
            port,
            server.database,
            protocol=2,
            socket_connect_timeout=_SECONDS,
            socket_timeout=_SECONDS,
            # A connection that was idle for long may be dead: one more attempt opens another.
            retry=Retry(NoBackoff(), 1),
            **login,
            **tls,
        )

    def _drop(self) -> None:
        for client in self._clients.values():
            client.close()
        self._clients, self._nodes = {}, {}


class _Credentials(CredentialProvider):
    """Asks for a token for every new connection; Redis ends a connection whose token has expired."""

    def __init__(self, login: Login) -> None:
        self._login = login

    def get_credentials(self) -> tuple[str, str]:
        """Return the name and the token of the identity."""
        return self._login()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _translate(error: Exception) -> TransientError:
    name = type(error).__name__
    if isinstance(error, AuthenticationError | NoPermissionError):
        return TransientError(f"Redis refuses the login ({name}): check REDIS_CONNECTION and REDIS_IDENTITY.")
    return TransientError(f"Redis does not answer ({name}): check that the server of REDIS_CONNECTION runs.")
