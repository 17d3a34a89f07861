"""Whom auth.allow and its like accept, as Gluster 10.3 did on a volume of the lab, and what is rejected for it."""

import socket
import threading

import pytest
from salt.exceptions import CommandExecutionError, SaltInvocationError

NAMES = {"head": "10.77.0.2", "kvm1": "10.77.1.1", "kvm2": "10.77.1.2", "kvm3": "10.77.1.3"}
HERE = {"localhost": "127.0.0.1", "here": "127.0.1.1"}  # this node has the name, and the address 10.77.1.9


@pytest.fixture(autouse=True)
def _resolved(monkeypatch):
    real = socket.getaddrinfo

    def look_up(host, port):
        name = NAMES.get(host.lower(), HERE.get(host.lower(), host))
        if not name[0].isdigit():
            raise OSError("unknown")
        return real(name, port, flags=socket.AI_NUMERICHOST)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


@pytest.fixture
def refuse(execution):
    """refuse(options, connected=..., ...): what a change to these options of a volume with brick kvm1 is told."""

    def make(options, connected=(), current=None, servers=(), peers=(), bricks=("kvm1:/data/v",), status="Started"):
        def connections(_):
            if isinstance(connected, Exception):
                raise connected
            return {bricks[0]: [[f"{NAMES.get(who, who)}:49152", 1] for who in connected]}

        salt = {
            "gluster.peer_status": lambda: [
                {"uuid": name, "hostnames": [name], "connected": not name.startswith("10.")} for name in peers
            ],
            "gluster.volume_info": lambda name: {name: {"status": status, "bricks": list(bricks)}},
            "gluster.connections": connections,
        }
        utils = {
            "gluster_process.run": lambda words: [0, "10.77.0.2 head\n" if words[-1] == NAMES["head"] else "", ""],
        }
        grains = {"ipv4": ["127.0.0.1", "10.77.1.9"]}
        module = execution("gluster_auth", __salt__=salt, __utils__=utils, __grains__=grains)
        changes = {option: {"old": (current or {}).get(option), "new": value} for option, value in options.items()}
        try:
            module.refuse_shutting_out("v", current or {}, changes, list(servers))
        except (SaltInvocationError, CommandExecutionError) as exc:
            return str(exc)
        return ""

    return make


# The value, and who could mount the volume then. (kvm1, whose own glusterd hands it the volume file, always could.)
MEASURED = [
    ("auth.allow", "*", "head kvm2 kvm3"),
    ("auth.allow", "10.77.1.1,10.77.1.2", "kvm2"),
    ("auth.allow", "10.77.*", "head kvm2 kvm3"),
    ("auth.allow", "10.77.*,", "head kvm2 kvm3"),
    ("auth.allow", "10.77.1.*", "kvm2 kvm3"),
    ("auth.allow", "*.2", "head kvm2"),
    ("auth.allow", "kvm1,kvm2", "kvm2"),
    ("auth.allow", "kvm1, head", "head"),
    ("auth.allow", "KVM2", "kvm2"),
    ("auth.allow", "10.77.1.02", "kvm2"),
    ("auth.allow", "10.77.1.0/24", "kvm2 kvm3"),
    ("auth.allow", "10.77.0.0/16", "head kvm2 kvm3"),
    ("auth.allow", "10.0.0.0/8", "head kvm2 kvm3"),
    ("auth.allow", "127.0.0.1", ""),
    ("auth.reject", "10.9.*", "head kvm2 kvm3"),
    ("auth.reject", "10.77.1.2", "head kvm3"),
    ("auth.reject", "kvm2", "head kvm3"),
    ("auth.reject", "10.77.1.0/24", "head"),
    ("auth.reject", "none", "head kvm2 kvm3"),
    ("auth.reject", "NONE", "head kvm2 kvm3"),
    ("auth.reject", "*", ""),
]


@pytest.mark.parametrize("option, value, let_in", MEASURED)
def test_who_is_let_in(refuse, option, value, let_in):
    for host in ("head", "kvm2", "kvm3"):
        said = refuse({option: value}, connected=[host], bricks=["unknown:/data/v"])
        out = NAMES[host] in said.partition("shut out")[2].partition(", connected now")[0]
        assert out == (host not in let_in.split()), said


@pytest.mark.parametrize(
    "value",
    # Those with /N are accepted by Gluster and mean others than they say.
    ["10.77.1.2/32", "10.77.1.0/30", "10.77.1.2/31", "10.77.0.0/23", "10.999.0.0/24", "/(10.77.1.2)", "/sub(*)",
     "10.77.1.2,/sub(*)", "!10.77.1.2", "10.77.1.?", "10.77.1.[12]", "kvm*", "no-such-host", "kvm1;kvm2", "*\n"],
)  # fmt: skip
@pytest.mark.parametrize("option", ["auth.allow", "auth.reject", "allow"])
def test_what_cannot_be_judged(refuse, option, value):
    said = refuse({option: f"10.77.1.1,{value}"}, connected=["kvm1"])
    assert "cannot be judged" in said and "set it by hand" in said


def test_all_are_named(refuse):
    said = refuse({"auth.allow": "10.77.1.1"}, connected=["kvm1", "kvm2", "head"], servers=["kvm1", "kvm3"])
    assert said == (
        "options: auth.allow '10.77.1.1' would shut out of volume v: head (10.77.0.2), connected now; 10.77.1.2, "
        "connected now; the server kvm3 (10.77.1.3); add them to it"
    )
    said = refuse({"auth.allow": "10.77.1.1"}, peers=["kvm2"])
    assert "the server kvm2 (10.77.1.2)" in said
    assert "the server nowhere (its name cannot be resolved)" in refuse({"auth.allow": "10.9.*"}, servers=["nowhere"])
    said = refuse({"auth.allow": "10.77.1.1"}, connected=[f"10.9.0.{number}" for number in range(250)])
    assert "and 240 more" in said and len(said) < 1000


def test_a_server_is_known_by_one_of_its_addresses(refuse):
    assert not refuse({"auth.allow": "10.77.1.*"}, connected=["kvm1", "kvm2"], servers=["kvm1", "kvm2", "kvm3"])
    # One that is connected by an address has to be accepted by that one,
    assert "10.9.0.1, connected now" in refuse({"auth.allow": "10.77.*"}, connected=["10.9.0.1"])


@pytest.mark.parametrize(
    "option, value, accepted",
    [
        ("auth.allow", "*", True),
        ("auth.allow", "10.77.*,127.0.0.1", True),
        ("auth.allow", "10.77.*,127.*", True),
        ("auth.allow", "10.77.*,127.0.0.0/8", True),
        ("auth.allow", "10.77.*, localhost", True),
        ("auth.allow", "10.77.*", False),
        ("auth.allow", "10.77.0.0/16", False),
        ("auth.allow", "kvm1,kvm2,kvm3,head,here", False),  # to the others a name leads to another address
        ("auth.allow", "10.77.*,127.0.1.1", False),
        ("auth.reject", "10.9.*", True),
        ("auth.reject", "127.0.1.1", True),
        ("auth.reject", "127.0.0.1", False),
        ("auth.reject", "LOCALHOST", False),
        ("auth.reject", "127.*", False),
    ],
)
def test_a_server_s_own_brick_sees_it_at_a_loopback_address(refuse, option, value, accepted):
    """Where /etc/hosts has one for its name: the brick knows it by nothing else."""
    said = refuse({option: value}, connected=["127.0.0.1"], bricks=["kvm2:/data/v"], servers=["kvm1", "kvm2"])
    assert ("kvm2 (127.0.0.1, by which its own brick sees it), connected now" in said) != accepted, said
    # The first server's mounts have a password.
    assert not refuse({"auth.allow": "10.77.*"}, connected=["127.0.0.1"], servers=["kvm1", "kvm2"])


def test_this_node_s_own_name_is_another_address_to_others(refuse):
    assert not refuse({"auth.allow": "here"}, connected=["10.77.1.9"], bricks=["here:/data/v"])
    assert "10.77.1.9, connected now" in refuse({"auth.allow": "localhost"}, connected=["10.77.1.9"])


SWITCHES = [
    ("server.allow-insecure", "off", "on"),
    ("server.allow-insecure", False, True),
    ("allow-insecure", "disable", "enable"),
    ("features.read-only", "on", "off"),
    ("read-only", True, False),
    ("features.worm", "on", "off"),
    ("features.worm-file-level", "1", "0"),
    ("server.all-squash", "yes", "no"),
]


@pytest.mark.parametrize("option, bad, good", SWITCHES)
def test_what_stops_those_who_are_connected(refuse, option, bad, good):
    assert "connected now: head (10.77.0.2)" in refuse({option: bad}, connected=["head"])
    assert not refuse({option: good}, connected=["head"])
    for nobody in ((), CommandExecutionError("Commit failed on kvm1. Please check log file for details.")):
        assert not refuse({option: bad}, connected=nobody)
    assert not refuse({option: bad}, connected=["head"], status="Stopped")


def test_it_is_known_who_is_connected(refuse):
    assert "10.77.1.9 disconnected" in refuse({"features.read-only": "on"}, peers=["10.77.1.9"])
    assert refuse({"features.read-only": "on"}, connected=CommandExecutionError("timed out")) == "timed out"


@pytest.mark.parametrize(
    "option, value, current, refused",
    [
        ("client.ssl", "on", {}, True),
        ("server.ssl", True, {}, True),
        ("server.ssl", "off", {}, False),
        ("server.ssl", "off", {"server.ssl": "on"}, True),
        ("ssl", "on", {}, True),
        ("config.transport", "rdma", {}, True),
        ("transport.address-family", "inet6", {"transport.address-family": "inet"}, True),
        ("auth.ssl-allow", "somebody", {}, False),
        ("auth.ssl-allow", "somebody", {"server.ssl": "on"}, True),
        ("ssl.ca-list", "/etc/ssl/other.pem", {"client.ssl": "on"}, True),
        ("network.ping-timeout", 10, {"client.ssl": "on"}, False),
        ("client.ssl", None, {"client.ssl": "on"}, True),  # reset
        ("client.ssl", None, {"client.ssl": "off"}, False),
        ("ssl.ca-list", None, {"client.ssl": "on", "ssl.ca-list": "/etc/ssl/other.pem"}, True),
        ("auth.allow", None, {"auth.allow": "10.77.1.1"}, False),
        ("auth.reject", None, {"auth.reject": "10.77.1.1"}, False),
        ("features.read-only", None, {"features.read-only": "on"}, False),
    ],
)
def test_what_bricks_and_clients_take_at_different_times(refuse, option, value, current, refused):
    assert ("set it by hand" in refuse({option: value}, connected=[], current=current)) == refused


@pytest.mark.parametrize(
    "options, said",
    [
        ({}, []),
        ({"auth.allow": "*", "auth.reject": "NONE"}, []),
        ({"auth.allow": "10.77.1.*"}, []),
        # The first server is accepted in any case, and who cannot be resolved here may be.
        ({"auth.allow": "10.77.1.2"}, ["the server kvm3 (10.77.1.3)"]),
        ({"auth.allow": "10.9.9.9"}, ["the server kvm2 (10.77.1.2); the server kvm3 (10.77.1.3)"]),
        ({"auth.reject": "kvm2"}, ["auth.reject kvm2 keeps out the server kvm2"]),
        ({"auth.allow": "10.77.1.0/30"}, []),  # what that means is not known
        ({"client.ssl": "on"}, ["client.ssl is on and server.ssl off"]),
        ({"server.ssl": "enable"}, ["client.ssl is off and server.ssl enable"]),
        ({"client.ssl": "on", "server.ssl": "1"}, []),
        ({"transport.address-family": "inet6"}, ["inet6, and kvm1; kvm2; kvm3 has no such address here"]),
        ({"transport.address-family": "inet"}, []),
        ({"auth.allow": "KVM1,kvm2, kvm3"}, []),
        ({"auth.reject": "10.77.1.0/24"}, ["auth.reject 10.77.1.0/24 keeps out the server kvm2"]),
    ],
)
def test_whom_options_keep_out_as_they_are(execution, options, said):
    module = execution("gluster_auth")
    found = module.kept_out("v", options, ["kvm1", "kvm2", "kvm3", "unknown"])
    assert len(found) == len(said) and all(text in what for text, (what, _) in zip(said, found)), found
    assert all(cure for _, cure in found)


@pytest.mark.parametrize("transport", ["rdma", "tcp,rdma"])
def test_a_transport_that_is_no_more(execution, transport):
    ((what, cure),) = execution("gluster_auth").kept_out("v", {}, ["kvm1"], transport)
    assert what.startswith(f"its transport is {transport}, and") and "config.transport tcp`" in cure


@pytest.mark.parametrize("options, looked_up", [
    ({}, 0), ({"client.ssl": "on", "transport.address-family": "inet"}, 0), ({"auth.allow": ""}, 0),
    ({"auth.allow": "gl1,gl2", "auth.reject": "gl3"}, 6), ({"transport.address-family": "inet6"}, 3),
])  # fmt: skip
def test_a_silent_name_server_is_waited_for_once(execution, monkeypatch, options, looked_up):
    """And only where names matter; all of them together."""
    asked, all_at_once = [], threading.Barrier(max(looked_up, 1))

    def look_up(host, port):
        asked.append(host)
        all_at_once.wait(20)
        raise OSError("no answer")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    execution("gluster_auth").kept_out("v", options, ["kvm1", "kvm2", "kvm3"])
    assert len(asked) == looked_up and not all_at_once.broken
