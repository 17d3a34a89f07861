"""The stand-in for oned: what goes over the wire, on disk and over TLS."""

import json
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
import xmlrpc.client
from http.client import HTTPException
from xml.parsers.expat import ExpatError

import pytest

from .conftest import ADMIN, GLUSTER, Endpoint, wait

# The wire -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "method, arguments, text",
    [
        ("datastore.info", (), "Not enough parameters"),
        ("datastore.info", ("0",), "Parameter that is supposed to be integer is not"),
        ("datastore.info", (True,), "Parameter that is supposed to be integer is not"),
        ("datastore.info", (0, 1), "Parameter that is supposed to be boolean is not"),
        ("datastore.allocate", (1, 0), "Parameter that is supposed to be a string is not"),
    ],
)
def test_arguments_of_the_wrong_type(oned, method, arguments, text):
    assert oned.call(method, *arguments) == ["fault", -501, text]


def test_arguments_left_out_or_too_many(oned, store):
    oned.value("datastore.update", store, "A=1")  # replaces
    assert "GLUSTER_HOST" not in oned.template(store)
    assert oned.call("datastore.info", store, False, "more")[0] is True


def test_no_xml_and_no_such_page(oned):
    with urllib.request.urlopen(oned.url, b"<methodCall>") as answer:
        assert b"-503" in answer.read()
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(oned.url.replace("RPC2", "other"), b"")


def test_requests_are_noted_without_secrets(oned):
    token = oned.value("user.login", "oneadmin", "", 60)
    oned.lab(log=True)
    oned.value("user.allocate", "eve", "pw-secret", "core", [])
    oned.value("user.passwd", 2, "pw-other")
    oned.value("system.version", session=f"oneadmin:{token}")
    oned.value("datastore.update", 1, 'A=1\nRESTIC_PASSWORD = "pw-quoted \\" it"\nMY_TOKEN=pw-plain\nB=2', 1)
    oned.value("datastore.update", 1, "<T><A_SECRET><![CDATA[pw-xml]]></A_SECRET></T>", 1)
    oned.call("system.version", session="oneadmin:pw-wrong")
    oned.call("user.login", "oneadmin", "pw-token", 0)
    noted = oned.lab(log=True)["log"]
    assert [(entry["method"], entry["user"], entry["code"]) for entry in noted] == [
        ("one.user.allocate", "oneadmin", 0),
        ("one.user.passwd", "oneadmin", 0),
        ("one.system.version", "oneadmin", 0),
        ("one.datastore.update", "oneadmin", 0),
        ("one.datastore.update", "oneadmin", 0),
        ("one.system.version", None, 256),
        ("one.user.login", "oneadmin", 4096),
    ]
    assert noted[0]["arguments"] == ["eve", "***", "core", []]
    assert "A=1" in noted[3]["arguments"][1] and "B=2" in noted[3]["arguments"][1]
    everything = json.dumps(noted) + oned.log.read_text()
    assert "pw-" not in everything and "opennebula" not in everything and token not in everything
    assert "one.datastore.update" in oned.log.read_text()
    assert oned.lab(log=True) == {"log": []}


def test_troubles(oned):
    oned.lab(garbage=True, times=1)
    with pytest.raises(ExpatError):
        oned.call("system.version")
    assert oned.value("system.version") == "7.5.80"
    oned.lab(status=503, method="one.system.version")
    with pytest.raises(xmlrpc.client.ProtocolError, match="503"):
        oned.call("system.version")
    assert oned.call("datastorepool.info")[0] is True
    oned.lab(fail=[512, "no"], method="one.system.config")
    assert oned.call("system.config") == [False, "[one.system.config] no", 512, -1, -1]
    assert oned.value("system.version") == "7.5.80"
    oned.lab(behave=True)
    assert oned.call("system.config")[0] is True


def test_slow_and_hang(oned):
    oned.lab(slow=0.2, times=1)
    start = time.monotonic()
    oned.value("system.version")
    assert 0.2 <= time.monotonic() - start < 10
    oned.lab(hang=True)
    with pytest.raises(OSError):
        oned.call("datastore.allocate", GLUSTER.format("a"), -1, timeout=0.1)
    oned.lab(behave=True)
    assert len(oned.document("datastorepool.info")) == 3


def test_drop_has_done_what_was_asked(oned):
    oned.lab(drop=True, times=1)
    with pytest.raises((OSError, HTTPException, ExpatError)):
        oned.call("datastore.allocate", GLUSTER.format("a"), -1)
    again = oned.call("datastore.allocate", GLUSTER.format("a"), -1)
    assert again[1].endswith("NAME is already taken by DATASTORE 100.")


def test_calls_in_between(oned, store):
    oned.lab(before=[["one.datastore.update", store, "A=1", 1]], method="one.datastore.update")
    oned.value("datastore.update", store, "B=2", 1)
    assert oned.template(store)["A"] == "1"
    oned.value("datastore.update", store, "A=3", 1)
    assert oned.template(store)["A"] == "3"


def test_drivers_that_run(oned):
    oned.lab(drivers="fs,shared")
    config = oned.document("system.config")
    assert " -d fs,shared -s " in config.findtext("DATASTORE_MAD/ARGUMENTS")
    oid = oned.value("datastore.allocate", "NAME=a\nDS_MAD=shared\nTM_MAD=shared", -1)
    assert oned.call("image.allocate", "NAME=i\nPATH=/x", oid)[0] is True


def test_one_that_hangs_leaves_the_others_alone(oned):
    oned.lab(hang=True, method="one.system.version", times=3)
    with socket.create_connection(("127.0.0.1", int(oned.url.rsplit(":", 1)[1].split("/")[0]))):  # says nothing
        assert oned.call("datastorepool.info")[0] is True
    oned.lab(behave=True)


def test_pyone(oned, store):
    pyone = pytest.importorskip("pyone")
    one = pyone.OneServer(oned.url, session=ADMIN)
    one.host.allocate("kvm1", "kvm", "kvm", -1)
    image = one.image.allocate("NAME=i\nPATH=/x", store)
    oned.lab(put={"vm": {"name": "m", "host": "kvm1", "disks": [{"IMAGE_ID": image}]}})
    assert [it.NAME for it in one.datastorepool.info().DATASTORE] == ["one", "files", "default", "system"]
    new = one.datastore.allocate({"TEMPLATE": {"NAME": "two", "DS_MAD": "fs", "TM_MAD": "shared", "A": {"B": "c"}}}, -1)
    assert one.datastore.info(new).TEMPLATE["A"]["B"] == "c"
    assert one.clusterpool.info().CLUSTER[0].HOSTS.ID == [0]
    assert one.hostpool.info().HOST[0].VM_MAD == "kvm"
    assert one.imagepool.info(-2, -1, -1).IMAGE[0].STATE == 2
    assert one.vmpool.info(-2, -1, -1, -1).VM[0].NAME == "m"
    assert one.vmpool.infoextended(-2, -1, -1, -1).VM[0].TEMPLATE["DISK"]["DATASTORE_ID"] == str(store)
    assert one.vm.info(0).HISTORY_RECORDS.HISTORY[0].HOSTNAME == "kvm1"
    assert [it.NAME for it in one.userpool.info().USER] == ["serveradmin", "oneadmin"]
    assert one.group.info(1).NAME == "users" and one.user.info(-1).NAME == "oneadmin"
    assert one.grouppool.info().GROUP[1].USERS.ID == [0, 1]
    assert one.system.config().DATASTORE_MAD[0].EXECUTABLE == "one_datastore"
    with pytest.raises(pyone.OneNoExistsException):
        one.datastore.info(999)


# On disk, and over TLS ------------------------------------------------------------------------------------------------


def test_datastores_on_disk(tmp_path):
    there = tmp_path / "datastores"
    there.mkdir()
    (there / "101").symlink_to(tmp_path / "nowhere")
    picture = tmp_path / "picture"
    picture.write_bytes(b"x" * 1500000)
    oned = Endpoint(tmp_path, "--datastores", str(there))
    try:
        for name, driver in (("one", "fs"), ("two", "fs"), ("dead", "shared")):
            oned.value("datastore.allocate", GLUSTER.format(name).replace("=fs", "=" + driver), -1)
        wait(lambda: oned.document("datastore.info", 100).findtext("TOTAL_MB") != "0")
        found = os.statvfs(there)
        it = oned.document("datastore.info", 100)
        assert int(it.findtext("TOTAL_MB")) == -(-found.f_blocks * found.f_frsize // 2**20)
        assert int(it.findtext("FREE_MB")) > 0
        # not those that no driver looks at: a system datastore that is not shared, a driver that does not run, and
        # not where mkdir fails
        assert sorted(entry.name for entry in there.iterdir() if entry.exists()) == ["1", "100", "2"]
        assert [oned.document("datastore.info", oid).findtext("TOTAL_MB") for oid in (0, 101, 102)] == ["0"] * 3
        image = oned.value("image.allocate", f"NAME=i\nPATH={picture}", 100)
        wait(lambda: oned.document("image.info", image).findtext("STATE") == "1")
        it = oned.document("image.info", image)
        assert (it.findtext("SIZE"), it.findtext("FORMAT")) == ("2", "raw")
        copy = there / "100" / it.findtext("SOURCE").rsplit("/", 1)[1]
        assert copy.read_bytes() == picture.read_bytes()
        assert "Cannot determine size for /none" in oned.call("image.allocate", "NAME=j\nPATH=/none", 100)[1]
        oned.value("image.delete", image, False)
        wait(lambda: not copy.exists())
        block = "NAME=k\nTYPE=DATABLOCK\nSIZE=1", 101
        assert oned.call("image.allocate", *block)[1].endswith("Not enough space in datastore")  # not measured yet
        block = oned.value("image.allocate", *block, True)
        wait(lambda: oned.document("image.info", block).findtext("STATE") == "5")
        assert "Error creating datablock" in oned.document("image.info", block).findtext("TEMPLATE/ERROR")
    finally:
        oned.stop()


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")
def test_tls(tmp_path):
    import ssl

    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=x -addext"
    subprocess.run(
        ["openssl", *words.split(), "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    oned = Endpoint(tmp_path, "--tls", str(certificate), str(key))
    try:
        assert oned.url.startswith("https://")
        trusting = ssl.create_default_context(cafile=str(certificate))
        silent = socket.create_connection(("127.0.0.1", int(oned.url.rsplit(":", 1)[1].split("/")[0])))
        with silent, xmlrpc.client.ServerProxy(oned.url, context=trusting) as proxy:
            assert proxy.one.system.version(ADMIN)[1] == "7.5.80"
        doubting = ssl.create_default_context()
        with (
            pytest.raises(ssl.SSLCertVerificationError),
            xmlrpc.client.ServerProxy(oned.url, context=doubting) as proxy,
        ):
            proxy.one.system.version(ADMIN)
    finally:
        oned.stop()


def test_sigterm_ends_it_at_once(tmp_path):
    oned = Endpoint(tmp_path)
    oned.lab(hang=True)
    thread = threading.Thread(target=lambda: pytest.raises((OSError, HTTPException), oned.call, "system.version"))
    thread.start()
    time.sleep(0.1)
    start = time.monotonic()
    oned.stop()
    assert time.monotonic() - start < 10
    thread.join()
