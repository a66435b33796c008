"""A server that is not this machine is verified, on a real PostgreSQL with a certificate."""

import socket
import ssl
import sys
import threading
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cdc.config.postgres_url import read
from cdc.core.errors import TransientError
from cdc.postgres.database import Database

pytestmark = pytest.mark.skipif(sys.platform == "darwin", reason="macOS has one loopback address")
ELSEWHERE = "127.0.0.2"  # an address that nobody takes for this machine
OTHER = "127.0.0.3"  # one that is not in the certificate
ASKS_FOR_TLS = (8).to_bytes(4) + (80877103).to_bytes(4)
NPGSQL = "Host={};Port={};Username=postgres;Database=postgres"


def make_certificate():
    """Make a certificate for one address, signed by itself, and its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ELSEWHERE)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(ELSEWHERE))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificate.public_bytes(encoding), private


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """The certificate and its key, each in a file."""
    folder = tmp_path_factory.mktemp("authority")
    files = folder / "authority.pem", folder / "key.pem"
    for file, content in zip(files, make_certificate(), strict=True):
        file.write_bytes(content)
    return files


@pytest.fixture(scope="module")
def port(postgres_server, authority):
    """The port where PostgreSQL offers TLS with that certificate on several addresses, and demands it on none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority)
    with ExitStack() as stack:
        port = 0
        for address in ("127.0.0.1", ELSEWHERE, OTHER):
            listener = stack.enter_context(closing(socket.create_server((address, port))))
            stack.callback(listener.shutdown, socket.SHUT_RDWR)
            port = listener.getsockname()[1]
            threading.Thread(target=accept, args=(listener, context, postgres_server.port), daemon=True).start()
        yield port


def accept(listener, context, port):
    """Stand before a server whose build has no TLS."""
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=serve, args=(client, context, port), daemon=True).start()


def serve(client, context, port):
    """Answer the client's wish for TLS, then carry what both sides say."""
    with closing(client), closing(socket.create_connection(("127.0.0.1", port))) as server:
        start = client.recv(8, socket.MSG_WAITALL)
        if start != ASKS_FOR_TLS:
            server.sendall(start)
            carry(client, server)
            return
        client.sendall(b"S")
        with suppress(ssl.SSLError, ConnectionError), context.wrap_socket(client, server_side=True) as encrypted:
            carry(encrypted, server)


def carry(client, server):
    """Carry bytes both ways until one side ends."""
    back = threading.Thread(target=pump, args=(server, client), daemon=True)
    back.start()
    pump(client, server)
    back.join()


def pump(source, target):
    """Carry bytes one way, and then the end."""
    with suppress(OSError):
        while received := source.recv(65536):
            target.sendall(received)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


def is_encrypted(connection):
    """Connect as the app would, and tell whether TLS is spoken."""
    with closing(Database(read(connection))) as database, database.connection() as connection:
        return connection.execute("select 1").fetchone() == (1,) and connection.pgconn.ssl_in_use


def refuse(connection):
    """Return what is said for the terminal of a connection that is refused."""
    with closing(Database(read(connection))) as database, pytest.raises(TransientError) as refusal:
        database.check()
    return refusal.value.detail


@pytest.mark.parametrize("mode", ["", ";SSL Mode=Require", ";SSL Mode=Prefer", ";SSL Mode=VerifyFull"])
def test_a_certificate_that_nobody_vouches_for_is_refused(port, mode):
    """The authorities of the world do not know it, whatever Npgsql's form asks for."""
    assert "certificate verify failed" in refuse(NPGSQL.format(ELSEWHERE, port) + mode)
    assert "certificate verify failed" in refuse(f"postgresql://postgres@{ELSEWHERE}:{port}/postgres")


def test_an_authority_of_ones_own_is_accepted(port, authority):
    """With its file named, in either form, the server is verified and the connection encrypted."""
    file, _ = authority

    assert is_encrypted(f"{NPGSQL.format(ELSEWHERE, port)};SSL Mode=Require;Root Certificate={file}")
    assert is_encrypted(f"postgresql://postgres@{ELSEWHERE}:{port}/postgres?sslrootcert={file}")


def test_another_name_is_refused(port, authority):
    """A certificate that is good for another server is none for this one."""
    file, _ = authority

    assert "does not match" in refuse(f"{NPGSQL.format(OTHER, port)};Root Certificate={file}")
    assert is_encrypted(f"{NPGSQL.format(OTHER, port)};SSL Mode=VerifyCA;Root Certificate={file}")


def test_what_is_written_down_is_done(port):
    """Encryption without verification, and no encryption, are for who asks for them; this machine needs neither."""
    assert is_encrypted(f"postgresql://postgres@{ELSEWHERE}:{port}/postgres?sslmode=require")
    assert not is_encrypted(f"postgresql://postgres@{ELSEWHERE}:{port}/postgres?sslmode=disable")
    assert not is_encrypted(f"{NPGSQL.format(ELSEWHERE, port)};SSL Mode=Disable")
    assert is_encrypted(f"{NPGSQL.format('127.0.0.1', port)};SSL Mode=Require")
