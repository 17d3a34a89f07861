"""The way out: clean takes back what the formula has made, refuses while it is in use, and apply brings it again."""

import json

import pytest

from lab.system import wait_for
from tests.fleet.fleet import HYPERVISORS, MOUNT, STORES, changed

CLEAN = "gluster_one.clean"
# What of the minion is the formula's as well.
BEACONS = "etc/salt/minion.d"
STATES = {
    "head": ["datastores_one_vol", "mount_one_vol", "beacon"],
    "kvm1": ["mount_one_vol", "beacon", "glusterd", "volume_one_vol"],
    "kvm2": ["mount_one_vol", "beacon", "glusterd"],
    "kvm3": ["mount_one_vol", "beacon", "glusterd"],
}


def look(fleet):
    """The outside state; the volume's options in no order, and of the processes only the bricks."""
    seen = fleet.look_all()
    for host in STATES:
        seen[host].pop("processes")
    beacons = {host: fleet.tree(host, BEACONS) for host in fleet.lab.hosts}
    bricks = fleet.bricks()
    return {**seen, "volumes": sorted(seen["volumes"].splitlines()), "beacons": beacons, "bricks": bricks}


@pytest.fixture(scope="module")
def watched(fleet_of_module):
    """A fleet with beacons, which look seldom enough not to be seen."""
    fleet = fleet_of_module
    with fleet.pillar(changed(beacon={"interval": 3600}, timeout=60)):
        run = fleet.apply()
        assert not run.failures, run.failures
        yield fleet
    fleet.apply()


@pytest.fixture(scope="module")
def pairs(watched):
    """Clean and apply, twice: all that was seen and said."""
    fleet = watched
    seen = {"applied": [look(fleet)], "cleaned": [], "runs": []}
    for first in (True, False):
        if first:
            before = look(fleet)
            seen["predicted"] = fleet.apply(CLEAN, test=True)
            assert look(fleet) == before
        glusterd = {host: fleet.pids(host, "glusterd") for host in HYPERVISORS}
        seen["runs"].append(fleet.apply(CLEAN))
        seen["cleaned"].append(look(fleet))
        assert {host: fleet.pids(host, "glusterd") for host in HYPERVISORS} == glusterd
        if first:
            seen["again"] = fleet.apply(CLEAN)
            seen["cleaned"].append(look(fleet))
        fleet.stand_in(reset=True)  # OpenNebula gives no number twice, and here they are to be compared
        run = fleet.apply()
        assert not run.failures, run.failures
        seen["applied"].append(look(fleet))
    return seen


@pytest.mark.timeout(400)
def test_clean_does_what_it_predicted_and_once(pairs):
    first, second = pairs["runs"]
    assert (first.failures, second.failures, pairs["again"].failures) == ({}, {}, {})
    assert pairs["predicted"].changes == first.changes
    assert pairs["again"].changes == {}
    assert {minion: list(states) for minion, states in first.changes.items()} == {
        minion: [f"gluster_one_clean_{state}" for state in states] for minion, states in STATES.items()
    }


def test_nothing_of_the_formula_is_left(pairs):
    cleaned = pairs["cleaned"][0]
    for host in STATES:
        text = json.dumps(cleaned[host]["disk"], default=str)
        assert "one_vol" not in text and "rpc-auth-allow-insecure" not in text and cleaned[host]["mounts"] == {}
        assert "gluster_one" not in json.dumps(cleaned["beacons"][host], default=str)
    assert not {"gluster_system", "glusterds"} & cleaned["datastores"].keys()
    assert {"server.allow-insecure: off", "user.gluster_one: none"} <= set(cleaned["volumes"])
    assert not [line for line in cleaned["volumes"] if line.startswith("storage.owner")]


def test_after_each_pair_the_fleet_is_the_same(pairs):
    first, *others = pairs["applied"]
    for other in others:
        assert other == first
    first, *others = pairs["cleaned"]
    for other in others:
        assert other == first


def test_with_a_machine_in_opennebula_nothing_is_touched(watched):
    fleet = watched
    store = fleet.datastores()["gluster_system"]["ID"]
    fleet.stand_in(put={"vm": {"name": "web", "host": "kvm2", "ds": store}})
    before = look(fleet)
    with fleet.pillar(changed(beacon={"interval": 3600}, timeout=4)):
        run = fleet.apply(CLEAN)
    assert run.changes == {}
    said = "has 0 images and 1 machines: delete or move them first: nothing was deleted"
    failed = run.failures["head"]["gluster_one_clean_datastores_one_vol"]
    assert failed == f"datastore gluster_system ({store}) {said}"
    for host in ("kvm1", "kvm2", "kvm3"):
        assert f"OpenNebula still has gluster_system ({store}), glusterds" in str(run.failures[host])
    assert look(fleet) == before
    fleet.stand_in(reset=True)  # it has no word that takes a machine away
    assert not fleet.apply().failures


def test_a_mount_that_a_process_uses_stays_and_it_is_named(watched):
    fleet = watched
    fleet.sh("kvm2", f"mkdir {MOUNT}/7 && cd {MOUNT}/7 && exec setsid sleep 60 >/dev/null 2>&1 &", user="oneadmin")
    (pid,) = wait_for("the process", lambda: fleet.sh("kvm2", "pgrep -x sleep", check=False).split(), 10)
    run = fleet.apply(f"{CLEAN}.mount", on=["kvm2"])
    assert f"{MOUNT} is in use by sleep ({pid}: {MOUNT}/7)" in str(run.failures["kvm2"])
    assert run.changes == {} and MOUNT in fleet.mounts("kvm2")
    fleet.sh("kvm2", f"kill {pid}; rmdir {MOUNT}/7")


def test_one_hypervisor_goes_alone_and_comes_back(watched):
    fleet = watched
    before = look(fleet)
    run = fleet.apply(f"{CLEAN}.mount", on=["kvm2"])
    assert not run.failures and fleet.mounts("kvm2") == {}
    assert not list((fleet.lab.root("kvm2") / STORES[1:]).glob("10*"))
    run = fleet.apply(f"{CLEAN}.glusterd", on=["kvm2"], test=True)
    assert set(run["kvm2"]) == {"gluster_one_pillar", "gluster_one_clean_glusterd"}
    run = fleet.apply()
    assert not run.failures and set(run.changes) == {"kvm2"}
    assert look(fleet) == before
