"""Servers come back with Debian 13 and its Gluster, one after the other: nobody who writes or reads notices."""

import time

import pytest

from lab.fleet import CHECKOUT
from lab.system import wait_for
from tests.fleet.fleet import HYPERVISORS, changed
from tests.fleet.load import Load
from tests.fleet.replacement import same_files, unnoticed

from .test_replace import well

AGAIN = "systemctl reset-failed glusterd; systemctl restart glusterd"
VERSION = "gluster --mode=script volume get all cluster.op-version | awk '/^cluster.op-version/ {print $2}'"


STOP = "systemctl stop glusterd"
TAKEN_OUT = "sed -i '/^nfs.disable=/d' /var/lib/glusterd/vols/*/info"
START = "systemctl reset-failed glusterd; systemctl start glusterd"
KIND = "gluster volume get one_vol cluster.server-quorum-type | awk '/^cluster.server-quorum-type/ {print $2}'"
# What a preparation changes.
PAUSED = {
    "cluster.server-quorum-type": {"old": "server", "new": "none"},
    "user.gluster_one.quorum": {"old": None, "new": "server"},
}
RESUMED = {
    "cluster.server-quorum-type": {"old": "none", "new": "server"},
    "user.gluster_one.quorum": {"old": "server", "new": "-"},
}
TAKEN = {"one_vol nfs.disable": {"old": "on", "new": None}, "glusterd": {"old": "running", "new": "restarted"}}
PAGE = (CHECKOUT / "docs/upgrade.md").read_text()


def new(fleet):
    """A fleet of Debian 12 with files on its volume, whose servers lose bricks without the servers' quorum."""
    fleet.new(release=["bookworm"])
    fleet.stage = "used"
    with fleet.pillar(changed(volume={"servers": list(HYPERVISORS), "group": "virt"})):
        assert fleet.apply().failures == {}
        script = "mkdir d; for n in $(seq 100); do head -c 200000 /dev/urandom >d/$n; done"
        fleet.sh("head", f"cd /var/lib/gluster_one/one_vol; {script}")
        fleet.healed()
        yield fleet


@pytest.fixture
def unprepared(_fleet):
    yield from new(_fleet)


@pytest.fixture(scope="module")
def fleet(_fleet):
    yield from new(_fleet)


def by_hand(fleet, host, *commands):
    """Commands of the page, on a host."""
    for command in commands:
        assert f"        {command}\n" in PAGE
        fleet.sh(host, command.replace("gluster ", "gluster --mode=script ").replace("VOLUME", "one_vol"))


def members(fleet, host, count):
    """Wait until a server takes so many others for members."""
    look = "gluster peer status | grep -c 'Peer in Cluster (Connected)' || :"
    wait_for(f"{count} members on {host}", lambda: fleet.sh(host, look).strip() == str(count), 60, every=1)


def upgrade(fleet, test=False, **words):
    return fleet.orchestrate("upgrade", words, test)


def refused(fleet, text, **words):
    before = fleet.sh("kvm1", "gluster volume info; gluster peer status")
    code, steps, said = upgrade(fleet, **words)
    assert code != 0 and steps == {} and text in said, said
    assert fleet.sh("kvm1", "gluster volume info; gluster peer status") == before


def upgraded(fleet, host, release="trixie"):
    """A server is upgraded and comes back; writers and a reader on the others notice nothing until all is healed."""
    others = [other for other in HYPERVISORS if other != host]
    code, steps, said = upgrade(fleet, before=host)
    assert (code, steps) == (0, {}) and f"{host} may be upgraded now" in said, said
    load = Load(fleet, reader=others[0])
    load.jobs = {job: kind for job, kind in load.jobs.items() if job != host}
    bricks = fleet.bricks()
    fleet.lab.reboot(host, release=release)
    code, predicted, said = upgrade(fleet, test=True, after=host)
    assert code == 0, said
    code, steps, said = upgrade(fleet, after=host)
    assert code == 0, said
    unnoticed(load)
    assert all(load.fewest[other] >= 2 for other in others), load.fewest
    restarted = [other for other in others if fleet.bricks()[other] != bricks[other]]
    assert {step: found for step, found in steps.items() if not step.startswith("formula")} == {
        step: found for step, found in predicted.items() if not step.startswith("formula")
    }
    assert upgrade(fleet, after=host)[:2] == (0, {})
    return steps, said, restarted


@pytest.mark.timeout(900)
def test_the_first_one_without_that_is_rejected_and_brought_back_by_hand(unprepared):
    fleet = unprepared
    fleet.lab.reboot("kvm1", release="trixie")
    look = "gluster peer status | grep -c 'Peer Rejected (Connected)' || :"
    wait_for("servers that reject each other", lambda: fleet.sh("kvm1", look).strip() == "2", 60, every=1)
    for words in ({"after": "kvm1"}, {"before": "kvm2"}):
        refused(fleet, "kvm1 has kvm2 as 'Peer Rejected': docs/upgrade.md, Gluster 10 and 11 in one pool", **words)
    code, steps, said = fleet.orchestrate("repair_peer", {"peer": "kvm1"})
    assert code != 0 and steps == {} and "the servers have several versions of Gluster" in said, said
    fleet.wait_healed()
    load, bricks = Load(fleet), fleet.bricks()
    by_hand(fleet, "kvm3", STOP)
    by_hand(fleet, "kvm2", STOP, TAKEN_OUT, START)
    members(fleet, "kvm2", 1)
    by_hand(fleet, "kvm3", TAKEN_OUT, START)
    for host in HYPERVISORS:
        members(fleet, host, 2)
    time.sleep(8)
    unnoticed(load)
    assert load.fewest and all(count >= 2 for count in load.fewest.values()), load.fewest
    assert [host for host in HYPERVISORS if fleet.bricks()[host] != bricks[host]] == ["kvm2"]
    code, _, said = upgrade(fleet, after="kvm1")
    assert code == 0 and "{before: kvm2}" in said, said
    fleet.sh("kvm3", AGAIN)
    time.sleep(8)
    code, _, said = upgrade(fleet, before="kvm2")
    assert code == 0 and "kvm2 may be upgraded now" in said, said


@pytest.mark.timeout(900)
def test_before_the_first_one_all_are_prepared(fleet):
    """Each glusterd is stopped for a moment; no brick is restarted, and every client has all of them all the time."""
    code, _, said = upgrade(fleet, before="kvm1")
    assert code == 0 and "servers will reject each other, as the volumes have nfs.disable" in said, said
    refused(fleet, "only true is possible", op_version=110000)
    load, bricks = Load(fleet), fleet.bricks()
    code, predicted, said = upgrade(fleet, test=True, prepare=True)
    assert code == 0, said
    code, steps, said = upgrade(fleet, prepare=True)
    assert code == 0 and "{before: kvm1}" in said, said
    time.sleep(8)
    unnoticed(load)
    assert set(load.fewest.values()) == {3} and fleet.bricks() == bricks
    assert steps == predicted and steps == {
        "no server quorum on kvm1": {"kvm1": {"gluster_one_upgrade_quorum_one_vol": PAUSED}},
        **{f"definitions on {host}": {host: {"gluster_one_upgrade_definitions": TAKEN}} for host in HYPERVISORS},
        "server quorum on kvm1": {"kvm1": {"gluster_one_upgrade_quorum_one_vol": RESUMED}},
    }
    code, steps, said = upgrade(fleet, prepare=True)
    assert (code, steps) == (0, {}) and "nothing to do" in said, said
    assert fleet.sh("kvm2", KIND).strip() == "server"
    assert "nfs.disable" not in upgrade(fleet, before="kvm1")[2]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("host", HYPERVISORS)
def test_one_after_the_other(fleet, host):
    steps, said, restarted = upgraded(fleet, host)
    assert restarted == []
    assert not [step for step in steps if not step.startswith("formula")]
    if host == "kvm1":
        assert "{before: kvm2}" in said
        refused(fleet, "kvm2 has Gluster 10.3 and others have 11.1: upgrade it first", op_version=True)


@pytest.mark.timeout(900)
def test_restarts_of_glusterd_change_nothing_any_more(fleet):
    for host in HYPERVISORS:
        fleet.sh(host, AGAIN)
        time.sleep(8)
        code, steps, said = upgrade(fleet, after=host)
        assert (code, steps) == (0, {}), said


@pytest.mark.timeout(900)
def test_the_protocol_last(fleet):
    """The head is a client of Debian 12 still."""
    refused(fleet, "(head) speaks version 100000, and 110000 is to be set", op_version=True)
    fleet.lab.reboot("head", release="trixie")
    code, predicted, said = upgrade(fleet, test=True, op_version=True)
    assert code == 0, said
    code, steps, said = upgrade(fleet, op_version=True)
    assert code == 0, said
    change = {"gluster_one_upgrade_op_version": {"cluster.op-version": {"old": 100000, "new": 110000}}}
    assert steps == predicted == {"protocol 110000 on kvm1": {"kvm1": change}}
    assert fleet.sh("kvm3", VERSION).strip() == "110000"
    code, steps, said = upgrade(fleet, op_version=True)
    assert (code, steps) == (0, {}) and "nothing to do" in said, said
    same_files(fleet, *HYPERVISORS)
    assert fleet.apply().failures == {}
    well(fleet)
