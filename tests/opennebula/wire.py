"""Servers that are not oned, and certificates."""

import contextlib
import datetime
import ipaddress
import socket
import threading
import time
import xmlrpc.client
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
            with contextlib.suppress(OSError):  # it may not want all of it
                connection.sendall(answer)
                if silent:
                    kept.append(connection)
                    continue
                connection.shutdown(socket.SHUT_WR)
                connection.settimeout(5)
                while more := connection.recv(65536):  # closed with something unread, it would lose what is under way
                    heard.append(more)
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


@contextlib.contextmanager
def dribbling(answer, pause=0.05, seconds=20):
    """A server that sends these bytes one by one, with a pause after each, for some seconds. Yields its endpoint."""

    def serve():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=dribble, args=(connection,), daemon=True).start()

    def dribble(connection):
        end = time.monotonic() + seconds
        with contextlib.suppress(OSError), connection:
            connection.recv(65536)
            for byte in answer:
                connection.sendall(bytes([byte]))
                if over.wait(pause) or time.monotonic() > end:
                    break

    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/RPC2"
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def answered(body, *headers, length=True):
    """An answer of HTTP with this body."""
    lines = ["HTTP/1.1 200 OK", "Content-Type: text/xml", *headers, *([f"Content-Length: {len(body)}"] * length)]
    return "\r\n".join([*lines, "", ""]).encode() + body


def reply(document):
    """The body with which oned answers, with a document in it."""
    return xmlrpc.client.dumps(((True, document, 0),), methodresponse=True)
