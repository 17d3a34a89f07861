"""A server is away: no option is set meanwhile, which would spoil the volume's size; the others are mounted from."""

import pytest

from lab.system import wait_for
from tests.fleet.fleet import HYPERVISORS, changed

VOLUME, MOUNT = "two_sets", "/srv/two_sets"
STATE = f"gluster_one_volume_{VOLUME}"
INFO = f"gluster --mode=script volume info {VOLUME}"
AWAY = {
    "glusterd is down": ("systemctl stop glusterd", "systemctl start glusterd"),
    "its network is cut": ("ip link set eth0 down", "ip link set eth0 up"),
}


@pytest.fixture(scope="module")
def sets(_fleet):
    """
    A fleet with a volume of two sets of bricks, two on each host, each brick on a file system of its own, as on real
    servers: only so does Gluster count the size of both.
    """
    fleet = _fleet
    fleet.new()
    fleet.stage = "used"
    disks = [f"/srv/disk{number}" for number in (1, 2)]
    for host in HYPERVISORS:
        fleet.sh(host, "".join(f"mkdir -p {disk} && mount -t tmpfs -o size=300m disk {disk}\n" for disk in disks))
    bricks = " ".join(f"{host}:{disk}/brick" for disk in disks for host in HYPERVISORS)
    gluster = "gluster --mode=script volume"
    fleet.sh("kvm1", f"{gluster} create {VOLUME} replica 3 {bricks} && {gluster} start {VOLUME}", timeout=60)
    with fleet.pillar(pillar({})):
        run = fleet.apply()
    assert run.failures == {}
    return fleet


def pillar(options, timeout=120):
    """The standard pillar, and the other volume with these options."""
    volume = {"servers": list(HYPERVISORS), "mount": MOUNT, "options": options}
    return changed(volumes={VOLUME: volume}, timeout=timeout)


def size(fleet):
    return int(fleet.sh("head", f"df --output=size -m {MOUNT} | tail -n 1"))


def connected(fleet, number):
    """Wait until every server that is connected sees so many of the pool."""
    hosts = HYPERVISORS if number == 3 else HYPERVISORS[:2]

    def all_see():
        return all(fleet.sh(host, "gluster pool list").count("Connected") == number for host in hosts)

    wait_for(f"{number} connected servers", all_see, 90)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("how", AWAY)
def test_no_option_is_set_and_the_size_stays(sets, how):
    leave, come_back = AWAY[how]
    before, shown = size(sets), sets.sh("kvm1", INFO)
    value = 20 + list(AWAY).index(how)
    sets.sh("kvm3", leave)
    try:
        connected(sets, 2)
        with sets.pillar(pillar({"network.ping-timeout": value}, timeout=4)):
            predicted = sets.apply("gluster_one.volume", on=["kvm1"], test=True)
            run = sets.apply("gluster_one.volume", on=["kvm1"])
        assert predicted.failures == {} and list(predicted.changes["kvm1"]) == [STATE]
        said = run.failures["kvm1"][STATE]
        assert "were not touched: a peer was not connected within 4 s (last seen: kvm3 disconnected)" in said
        assert (run.changes, sets.sh("kvm1", INFO)) == ({}, shown)
    finally:
        sets.sh("kvm3", come_back)
    connected(sets, 3)
    with sets.pillar(pillar({"network.ping-timeout": value})):
        run = sets.apply("gluster_one.volume", on=["kvm1"])
    assert (run.failures, list(run.changes["kvm1"])) == ({}, [STATE])
    wait_for("the size of before", lambda: size(sets) == before, 30)


@pytest.mark.timeout(400)
def test_what_it_is_for_the_size_collapses_when_somebody_sets_an_option_by_hand(sets):
    """What the state waits for: a volume that lost half its size, for good, by one command."""
    before = size(sets)
    sets.sh("kvm3", "systemctl stop glusterd")
    connected(sets, 2)
    sets.sh("kvm1", f"gluster --mode=script volume set {VOLUME} network.ping-timeout 30")
    sets.sh("kvm3", "systemctl start glusterd")
    connected(sets, 3)
    wait_for("the size that collapses", lambda: size(sets) < before * 0.6, 60)


@pytest.mark.timeout(400)
def test_a_volume_is_mounted_although_its_first_server_is_away(sets):
    sets.sh("kvm1", "systemctl stop glusterd")
    try:
        sets.sh("head", f"umount {MOUNT}")
        with sets.pillar(pillar({})):
            run = sets.apply("gluster_one.mount", on=["head"])
        assert run.failures == {}
        assert set(run.changes["head"][f"gluster_one_mount_{VOLUME}"]) == {"mount"}
        assert MOUNT in sets.mounts("head")
    finally:
        sets.sh("kvm1", "systemctl start glusterd")
