"""Some faults, with beacons and reactor on; all of them, and more, are in tests/long/faults."""

import pytest

from .faults import FAULTS, settled, suffer
from .fleet import NATIVE, changed
from .watch import INTERVAL, Events, Load, watched

SOME = (
    "FUSE client killed",
    "umount by hand",
    "link is a directory with a file",
    "line of fstab deleted",
    "GLUSTER_HOST changed in OpenNebula" if NATIVE else "DISK_TYPE changed in OpenNebula",
)


@pytest.fixture(scope="module")
def around(fleet_of_module):
    """What listens to the events, and the load."""
    with watched(fleet_of_module):
        events = Events(fleet_of_module)
        try:
            yield events, Load(fleet_of_module)
        finally:
            events.stop()
            fleet_of_module.stage = "used"


@pytest.mark.parametrize("name", SOME)
def test_is_put_right_or_reported(fleet_of_module, around, name):
    (fault,) = [one for one in FAULTS if one.name == name]
    suffer(fleet_of_module, *around, fault)


def test_what_was_repaired_is_in_the_history(fleet_of_module, around):
    """As the reactor's own jobs have it."""
    fleet, jobs = fleet_of_module, around[0].jobs(0)
    repairs = fleet.runner("gluster_one.history")[1]["repairs"]
    assert {one["kind"] for one in repairs} >= {"mount_dead", "mount_gone", "fstab"}
    assert {one["minion"] for one in repairs} == set(jobs)
    for minion, sls in jobs.items():
        assert len({one["jid"] for one in repairs if one["minion"] == minion}) == len(sls)
    _, kept = fleet.runner("jobs.lookup_jid", repairs[0]["jid"])
    assert list(kept) == [repairs[0]["minion"]]
    assert fleet.lab.run("gluster_one.history").stdout.startswith("NODE")


@pytest.mark.parametrize(
    "other, said",
    [
        ({"beacon": {"interval": 9}, "timeout": 99}, f"every {INTERVAL} s -> every 9 s, by another pillar (timeout)"),
        ({"beacon": False}, f"every {INTERVAL} s -> gone"),
    ],
)
def test_another_pillar_is_foretold_and_reaches_the_beacon(fleet_of_module, around, other, said):
    fleet, beacon = fleet_of_module, {"sls": "gluster_one.beacon", "on": ["kvm2"]}
    with fleet.pillar(changed(**other)):
        foretold = fleet.apply(**beacon, test=True)
        assert said in foretold["kvm2"]["gluster_one_beacon"]["comment"]
        run = fleet.apply(**beacon)
        assert (run.failures, run.changes) == ({}, foretold.changes)
        assert fleet.apply(**beacon).changes == fleet.apply(**beacon, test=True).changes == {}
        kept = fleet.sh("kvm2", "cat /etc/salt/minion.d/beacons.conf")
        assert ("interval: 9" in kept, "gluster_one" in kept) == ("timeout" in other, bool(other["beacon"]))
    assert fleet.apply(**beacon).failures == {}


def test_nobody_has_lost_anything(fleet_of_module, around):
    settled(fleet_of_module)
    read, damaged = around[1].reads()
    assert read and not damaged
