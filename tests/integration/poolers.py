"""Transaction-mode poolers: one of the tests' own that runs everywhere, and PgBouncer."""

import os
import select
import shutil
import socket
import subprocess
import threading
from contextlib import closing, contextmanager
from itertools import cycle

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
_ASKS_FOR_ENCRYPTION = (80877103, 80877104)
_CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={server} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
server_reset_query = DISCARD ALL
server_reset_query_always = 1
"""


@contextmanager
def own_pooler(server_port, _folder):
    """Give each transaction of a client another session than the one before; yield the port to connect to."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        threading.Thread(target=_accept, args=(listener, server_port), daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


@contextmanager
def pgbouncer(server_port, folder):
    """Run PgBouncer, which here forgets all state of a session between its transactions; yield its port."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    file = folder / "pgbouncer.ini"
    file.write_text(_CONFIGURATION.format(server=server_port, port=port))
    options = {"user": "nobody", "group": "nogroup"} if os.getuid() == 0 else {}
    with file.open() as configuration:
        command = [PGBOUNCER, f"/dev/fd/{configuration.fileno()}"]
        bouncer = subprocess.Popen(command, pass_fds=[configuration.fileno()], stderr=subprocess.PIPE, **options)
    try:
        _wait_for_port(port, bouncer)
        yield port
    finally:
        bouncer.kill()
        bouncer.communicate()


def _wait_for_port(port, process):
    while True:
        assert process.poll() is None, process.stderr.read().decode()
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            continue
        return


def _accept(listener, port):
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(client, port), daemon=True).start()


def _serve(client, port):
    with closing(client), _sessions(port) as servers:
        for peer in (client, *servers):
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            _log_in(client, servers)
            _forward(client, cycle(servers))
        except EOFError:
            return


@contextmanager
def _sessions(port):
    with (
        closing(socket.create_connection(("127.0.0.1", port))) as one,
        closing(socket.create_connection(("127.0.0.1", port))) as two,
    ):
        yield one, two


def _log_in(client, servers):
    start = _read(client, b"")
    while int.from_bytes(start[4:8]) in _ASKS_FOR_ENCRYPTION:
        client.sendall(b"N")
        start = _read(client, b"")
    for server in servers:
        server.sendall(start)
        answers = [_read_message(server)]
        while answers[-1][:1] not in (b"Z", b"E"):
            answers.append(_read_message(server))
    client.sendall(b"".join(answers))


def _forward(client, turns):
    server = next(turns)
    while True:
        ready, _, _ = select.select([client, server], [], [])
        if client in ready:
            server.sendall(_read_message(client))
        if server in ready:
            message = _read_message(server)
            if message[:1] == b"Z" and message[5:6] == b"I":  # ready for the next transaction
                server = next(turns)
            client.sendall(message)


def _read_message(peer):
    return _read(peer, _receive(peer, 1))


def _read(peer, kind):
    length = _receive(peer, 4)
    return kind + length + _receive(peer, int.from_bytes(length) - 4)


def _receive(peer, size):
    received = peer.recv(size, socket.MSG_WAITALL) if size else b""
    if len(received) < size:
        raise EOFError
    return received
