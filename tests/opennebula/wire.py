"""Servers that are no oned, and certificates."""

import contextlib
import datetime
import ipaddress
import socket
import threading
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = datetime.datetime.now(datetime.timezone.utc)


def certificate(path, address="127.0.0.1", ends_in_days=1, signed_by=None):
    """Write a certificate for an address, and its key, to one file; it is an authority itself unless signed by one."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, path.stem)])
    issuer, its_key = signed_by or (name, key)
    made = (
        x509.CertificateBuilder(issuer, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(NOW - datetime.timedelta(days=3))
        .not_valid_after(NOW + datetime.timedelta(days=ends_in_days))
        .add_extension(x509.BasicConstraints(ca=signed_by is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .sign(its_key, hashes.SHA256())
    )
    written = serialization.Encoding.PEM
    path.write_bytes(
        made.public_bytes(written)
        + key.private_bytes(written, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    path.chmod(0o600)
    return Path(path), (name, key)


@contextlib.contextmanager
def speaking(answer, silent=False):
    """
    A server that answers each connection with these bytes and closes it, or, where it is silent, says nothing more.
    Yields its endpoint and the list of what it was sent.
    """
    heard = []

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            heard.append(connection.recv(65536))
            connection.sendall(answer)
            if silent:
                kept.append(connection)
                continue
            connection.shutdown(socket.SHUT_WR)
            connection.close()

    kept = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/RPC2", heard
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)
    for connection in kept:
        connection.close()


def unused_endpoint():
    """Where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}/RPC2"
