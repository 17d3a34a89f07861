"""Which names and addresses are one host: an own name may have a loopback address."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from ..conftest import CHECKOUT, imported

GRAINS = {"id": "kvm1", "host": "kvm1", "fqdn": "kvm1", "fqdn_ip4": ["127.0.1.1"], "ipv4": ["127.0.0.1", "10.0.0.1"],
          "ipv6": ["::1", "fd00::1"], "localhost": "kvm1"}  # fmt: skip
HOSTS = {"kvm1": ["127.0.1.1"], "kvm1.lan": ["::1"], "kvm2": ["10.0.0.2", "fd00::2"], "kvm3": ["::ffff:10.0.0.3"],
         "localhost": ["127.0.0.1", "::1"], "kvm1.san": ["127.0.1.1", "10.0.0.1"]}  # fmt: skip


@pytest.fixture
def hosts(util, monkeypatch):
    """The helpers on kvm1, whose own name in /etc/hosts is 127.0.1.1 alone."""

    def look_up(name, _):
        if name not in HOSTS and not name[0].isdigit():
            raise OSError(f"no address of {name}")
        return [(None, None, None, None, (found, 0)) for found in HOSTS.get(name, [name])]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    module = util("gluster_hosts", __grains__=GRAINS)
    monkeypatch.setattr(module.psutil, "net_if_addrs", dict)
    return module


def test_a_minion_goes_by_no_name_that_every_host_has(hosts):
    assert hosts.own_names() == {"kvm1", "10.0.0.1", "fd00::1"}


def test_a_minion_goes_by_names_that_lead_to_it(hosts):
    """Each name that resolves to one of its addresses; not one that every host has, nor a loopback address."""
    servers = ["KVM1.san", "kvm1.lan", "kvm2", "kvm4", "localhost", "127.0.1.1"]
    assert hosts.own_names(servers) == {"kvm1", "10.0.0.1", "fd00::1", "kvm1.san"}


@pytest.mark.parametrize("found", ["127.0.0.1", "127.0.0.53", "::1", "0.0.0.0", "fe80::1%eth0", "169.254.0.1"])
def test_what_a_name_server_has_for_every_name_is_nobodys(hosts, monkeypatch, found):
    links = {"ipv4": [*GRAINS["ipv4"], "169.254.0.1"], "ipv6": [*GRAINS["ipv6"], "fe80::1"]}
    monkeypatch.setattr(hosts, "__grains__", {**GRAINS, **links})
    monkeypatch.setattr(socket, "getaddrinfo", lambda name, _: [(None, None, None, None, (found, 0))])
    assert not {"gl1", "gl2"} & hosts.own_names(["gl1", "gl2"])


@pytest.mark.parametrize(
    "found, own",
    [
        (["10.0.0.1"], True),
        (["::ffff:10.0.0.1"], True),
        (["fd00:0::1"], True),
        (["127.0.1.1", "10.0.0.1"], True),
        (["10.0.0.2"], False),
        (["127.0.0.1", "::1", "127.0.0.53", "::ffff:127.0.0.1"], False),
        (["169.254.0.1", "fe80::1%eth0", "fe80::1"], False),
        (["0.0.0.0", "::"], False),
        (OSError("no such name"), False),
        (UnicodeError("label too long"), False),
    ],
)
def test_a_name_leads_to_the_same_addresses_on_the_master(hosts, monkeypatch, found, own):
    """A runner has no utils: what it has of the look-up goes by the same rules."""

    def look_up(*_):
        if isinstance(found, Exception):
            raise found
        return [(None, None, None, None, (each, 0)) for each in found]

    links = {"ipv4": [*GRAINS["ipv4"], "169.254.0.1"], "ipv6": [*GRAINS["ipv6"], "fe80::1"]}
    monkeypatch.setattr(hosts, "__grains__", {**GRAINS, **links})
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    there = imported(CHECKOUT / "_runners/gluster_one_names.py").addresses(["gl1"])["gl1"]
    assert ("gl1" in hosts.own_names(["gl1"])) is bool(there & {"10.0.0.1", "fd00::1"}) is own
    assert there <= {"10.0.0.1", "fd00::1", "10.0.0.2"}
    assert hosts.addresses("gl1") in (there, {"10.0.0.1", "fd00::1"})


@pytest.mark.parametrize("seconds, found", [(0.2, True), (60, False)])
def test_a_slow_name_server_is_not_waited_for_with_each_name(hosts, monkeypatch, seconds, found):
    names, over, begin = [f"gl{number}" for number in range(15)], threading.Event(), time.monotonic()
    look_up = lambda *_: [(over.wait(seconds), None, None, None, ("10.0.0.1", 0))]  # noqa: E731
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(hosts, "LOOKUP_SECONDS", 1.5)
    assert hosts.own_names(names) == {"kvm1", "10.0.0.1", "fd00::1", *(names if found else [])}
    there = imported(CHECKOUT / "_runners/gluster_one_names.py").addresses(names, time.monotonic() + 1.5)
    assert there == (dict.fromkeys(names, {"10.0.0.1"}) if found else {})
    over.set()
    assert time.monotonic() - begin < 6


@pytest.mark.parametrize(
    "name, found",
    [
        *[(own, {"10.0.0.1", "fd00::1"}) for own in ("kvm1", "kvm1.lan", "localhost", "127.0.1.1")],
        ("kvm1.san", {"10.0.0.1"}),
        ("kvm2", {"10.0.0.2", "fd00::2"}),
        ("kvm3", {"10.0.0.3"}),
        ("kvm4", set()),
        ("127.0.0.2", set()),  # whatever listens there
    ],
)
def test_addresses_are_those_that_others_know(hosts, name, found):
    assert hosts.addresses(name) == found


@pytest.mark.parametrize(
    "server, known",
    [("10.0.0.1", "kvm1"), ("127.0.1.1", "kvm1"), ("10.0.0.3", "kvm3"), ("10.0.0.4", None), ("kvm4", None)],
)
def test_a_server_is_known_by_another_name(hosts, server, known):
    assert hosts.known_as(server, ["kvm2", "kvm1", "kvm3", "kvm4"]) == known


def test_the_name_that_a_server_is_known_by_at_first(hosts, monkeypatch):
    monkeypatch.setattr(socket, "getnameinfo", lambda pair, flags: (f"host-{pair[0]}.lan", pair[1]))
    assert hosts.reverse_name("kvm3") == "host-10.0.0.3.lan"
    assert hosts.reverse_name("kvm4") == "kvm4"


@pytest.mark.parametrize(
    "one, other, same",
    [
        ("10.9.0.1", "10.9.0.200", True),
        ("10.9.0.1", "::ffff:10.9.0.2", True),
        ("10.9.0.1", "10.9.1.1", False),
        ("fd09::1", "fd09::ff", True),
        ("fd09::1", "fd09:0:0:1::1", False),
        ("10.77.0.1", "10.77.1.1", True),  # by this node's interface
        ("fd77::1", "fd77:0:0:1::1", True),
        ("fe80::1%eth0", "fe80::2", True),
    ],
)
def test_networks(hosts, monkeypatch, one, other, same):
    link = [(socket.AF_PACKET, "02:00:00:00:00:01", None), (socket.AF_INET, "10.77.1.1", "255.255.0.0"),
            (socket.AF_INET6, "fd77::1%eth0", "ffff:ffff:ffff::")]  # fmt: skip
    entry = lambda values: type("Address", (), dict(zip(("family", "address", "netmask"), values)))  # noqa: E731
    monkeypatch.setattr(hosts.psutil, "net_if_addrs", lambda: {"eth0": list(map(entry, link))})
    assert (hosts.network(one) == hosts.network(other)) is same
    assert hosts.network("kvm1") is None


LISTENS = "import socket, time; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); "


def test_a_port_of_a_process_that_is_stopped_is_open_and_of_one_that_has_ended_refused(util):
    """So a glusterd that is stopped is not silent: gluster_pool.snapshot."""
    module = util("gluster_hosts")
    with subprocess.Popen([sys.executable, "-c", LISTENS + "time.sleep(60)"], stdout=subprocess.PIPE) as process:
        try:
            module.PORT = int(process.stdout.readline())
            os.kill(process.pid, signal.SIGSTOP)
            assert module.glusterd_port("127.0.0.1") == "open"
        finally:
            process.kill()
    assert module.glusterd_port("127.0.0.1") == "refused"
