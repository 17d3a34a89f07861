"""A stand-in for oned in a process of its own, and what it has at the beginning of a test."""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
import xml.etree.ElementTree as ET
import xmlrpc.client
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
ADMIN = "oneadmin:opennebula"
GLUSTER = 'NAME="{}"\nDS_MAD=fs\nTM_MAD=shared\nDISK_TYPE=GLUSTER\nGLUSTER_HOST="h1"\nGLUSTER_VOLUME=v\n'


class Endpoint:
    """A stand-in that runs in a process of its own."""

    def __init__(self, directory, *options):
        self.log = directory / "oned.log"
        auth = directory / "one_auth"
        auth.write_text(ADMIN + "\n")
        self.process = subprocess.Popen(
            [
                sys.executable,
                str(ROOT / "lab" / "oned.py"),
                "--listen",
                "127.0.0.1:0",
                "--auth",
                str(auth),
                "--log",
                str(self.log),
                *options,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.url = self.process.stdout.readline().strip()

    def call(self, method, *arguments, session=ADMIN, timeout=10):
        """The reply as a list; a fault as ["fault", code, text]."""

        class Transport(xmlrpc.client.Transport):
            def make_connection(self, host):
                connection = super().make_connection(host)
                connection.timeout = timeout
                return connection

        with xmlrpc.client.ServerProxy(self.url, transport=Transport()) as proxy:
            try:
                return list(getattr(proxy, "one." + method)(session, *arguments))
            except xmlrpc.client.Fault as fault:
                return ["fault", fault.faultCode, fault.faultString]

    def value(self, method, *arguments, **options):
        reply = self.call(method, *arguments, **options)
        assert reply[0] is True, reply
        return reply[1]

    def document(self, method, *arguments, **options):
        return ET.fromstring(self.value(method, *arguments, **options))

    def template(self, oid):
        """The attributes of a datastore, a repeated one as a list, a vector as a dict."""
        found = {}
        for child in self.document("datastore.info", oid).find("TEMPLATE"):
            value = {leaf.tag: leaf.text for leaf in child} if len(child) else child.text or ""
            found.setdefault(child.tag, []).append(value)
        return {name: values[0] if len(values) == 1 else values for name, values in found.items()}

    def lab(self, **words):
        request = urllib.request.Request(self.url.replace("/RPC2", "/lab"), json.dumps(words).encode())
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        self.process.stdout.close()


def words(**values):
    return values


def wait(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    endpoint = Endpoint(tmp_path_factory.mktemp("oned"))
    yield endpoint
    endpoint.stop()


@pytest.fixture
def oned(running):
    """A fresh OpenNebula."""
    running.lab(reset=True)
    return running


@pytest.fixture
def store(oned):
    """The id of a new gluster datastore."""
    return oned.value("datastore.allocate", GLUSTER.format("one"), -1)


@pytest.fixture
def guest(oned):
    """The session of a user without rights."""
    oned.value("user.allocate", "guest", "secret", "core", [])
    return "guest:secret"
