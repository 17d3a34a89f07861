"""Servers with two networks: the names of one set of bricks resolve in the first, those of the other in the second."""

import pytest

from lab import files
from lab.system import wait_for
from tests.fleet.fleet import HYPERVISORS

from .test_overview import status, well

VOLUME = "gluster --mode=script volume"
SECOND = [f"gl{host[-1]}:/data/second" for host in HYPERVISORS]


def second(host):
    """A host's address in the second network."""
    return files.address(host).replace("10.77.", "10.78.")


@pytest.fixture(scope="module")
def networks(_fleet):
    """A fleet whose volume has a set of bricks in each network, after a run."""
    fleet = _fleet
    fleet.new()
    fleet.stage = "used"
    names = "".join(f"{second(host)} gl{host[-1]}\\n" for host in HYPERVISORS)
    for host in fleet.lab.hosts:
        fleet.sh(host, f"ip address add {second(host)}/16 dev eth0; printf '{names}' >>/etc/hosts")
    for host, name in (("kvm1", "gl2"), ("kvm1", "gl3"), ("kvm2", "gl1")):
        fleet.sh(host, f"gluster peer probe {name}")
    # First of all the option: bricks that are started without it go on rejecting clients.
    fleet.sh("kvm1", f"{VOLUME} set one_vol server.allow-insecure on network.ping-timeout 5")
    fleet.sh("kvm1", f"{VOLUME} add-brick one_vol {' '.join(SECOND)} force")
    assert fleet.apply().failures == {}
    return fleet


def addresses(fleet):
    """{brick: addresses of its clients}, as Gluster has them."""
    there = fleet.lab.call("kvm1", "gluster.connections", "one_vol")["kvm1"]
    return {brick: {client.rpartition(":")[0] for client, _ in clients} for brick, clients in there.items()}


def test_a_client_with_an_address_in_each_network_is_one(networks):
    fleet = networks
    there = addresses(fleet)
    assert files.address("head") in there["kvm2:/data/one_vol"] and second("head") in there[SECOND[1]]
    assert files.address("head") not in there[SECOND[1]], "the brick sees one of them"
    well(fleet)
    assert status(fleet)["findings"] == []
    for host in HYPERVISORS:
        assert fleet.lab.call(host, "gluster.clients_apart", "one_vol")[host] == {}
        code, answer = fleet.runner("gluster_one.ok_to_stop", host)
        assert (code, answer["reasons"]) == (0, [])


def test_a_client_with_two_addresses_in_one_network_is_one_by_its_host_s_word(networks):
    """The coordinator cannot know it; the master asks once more, with what the host says of its addresses."""
    fleet, other = networks, "10.77.9.9"
    route = f"{files.address('kvm3')}/32 dev eth0 src {other}"
    again = "systemctl restart $(systemd-escape --path --suffix=mount /var/lib/gluster_one/one_vol)"
    fleet.sh("head", f"ip address add {other}/16 dev eth0; ip route add {route}; {again}")
    apart = lambda: fleet.lab.call("kvm1", "gluster.clients_apart", "one_vol")["kvm1"]  # noqa: E731
    try:
        wait_for("another address", lambda: other in apart(), 60, every=1)
        wait_for("a status without findings", lambda: status(fleet)["findings"] == [], 120, every=1)
        code, answer = fleet.runner("gluster_one.ok_to_stop", "kvm2")
        assert (code, answer["reasons"]) == (0, [])
    finally:
        fleet.sh("head", f"ip route del {route}; {again}; ip address del {other}/16 dev eth0")
    wait_for("one address", lambda: apart() == {}, 60, every=1)


@pytest.mark.parametrize("host, missed", [("head", {"head": 2}), ("kvm2", {"kvm2": 2, "kvm3": 1})])
def test_one_that_misses_a_brick_is_named_with_that_brick_alone(networks, host, missed):
    """By the coordinator as far as it can know, and by its own word. Between servers it is away in both directions."""
    fleet, missed = networks, {name: [SECOND[brick]] for name, brick in missed.items()}
    fleet.sh(host, f"ip route add blackhole {second('kvm3')}/32")
    try:
        apart = lambda: fleet.lab.call("kvm1", "gluster.clients_apart", "one_vol")["kvm1"]  # noqa: E731
        wait_for("the bricks' own end of these connections", lambda: len(apart()) == len(missed), 90, every=1)
        who = {address.partition(" and ")[0]: bricks for address, bricks in apart().items()}
        assert who == {files.address(name): bricks for name, bricks in missed.items()}
        own = lambda: fleet.lab.call("*", "gluster_one.apart")  # noqa: E731
        own_missed = lambda: {name: each["one_vol"] for name, each in own().items() if each["one_vol"]}  # noqa: E731
        wait_for("the clients' own end of them", lambda: own_missed() == missed, 60, every=1)
        found = {one["kind"]: one for one in status(fleet)["findings"]}
        assert {"client_apart", "client_bricks"} <= set(found), found
        assert "salt '*' gluster_one.apart" in found["client_apart"]["cure"]
        assert fleet.runner("gluster_one.ok_to_stop", "kvm1")[0] == 1
    finally:
        fleet.sh(host, f"ip route del blackhole {second('kvm3')}/32")
    fleet.healed()
    well(fleet)
