"""Each step undone by hand, one after the other: `test=True` names that step alone, and the run does just that."""

import pytest

from .fleet import MOUNT, NATIVE, STORES, unit_keeps_bricks

LINE = "kvm1:/one_vol defaults,_netdev,nosuid,nodev,backup-volfile-servers=kvm2:kvm3"
GLUSTERD = "/etc/glusterfs/glusterd.vol"
MOUNTED, IMAGES = "gluster_one_mount_one_vol", "gluster_one_datastore_glusterds"
STEPS = {
    "glusterd's option": (
        "kvm2",
        f"sed -i '/rpc-auth-allow-insecure/d' {GLUSTERD}",
        "gluster_one_glusterd",
        {"rpc-auth-allow-insecure": {"old": None, "new": "on"}},
    ),
    "glusterd's unit": (
        "kvm1",
        "rm -r /etc/systemd/system/glusterd.service.d; systemctl daemon-reload",
        "gluster_one_bricks_kept",
        {"KillMode": {"old": "control-group", "new": "process"}},
    ),
    "volume's option": (
        "kvm1",
        "gluster --mode=script volume set one_vol storage.owner-gid 12",
        "gluster_one_volume_one_vol",
        {"storage.owner-gid": {"old": "12", "new": "9869"}},
    ),
    "mount": ("kvm3", f"umount {MOUNT}", MOUNTED, {"mount": {"old": None, "new": "kvm1:/one_vol"}}),
    "bare mount point": (
        "kvm2",
        f"umount {MOUNT}; chown oneadmin {MOUNT}",
        MOUNTED,
        {
            "directory": {"old": "oneadmin root 0755", "new": "root root 0755"},
            "mount": {"old": None, "new": "kvm1:/one_vol"},
        },
    ),
    "line of fstab": (
        "head",
        "sed -i /glusterfs/d /etc/fstab; systemctl daemon-reload",
        MOUNTED,
        {"fstab": {"old": None, "new": LINE}},
    ),
    "link": (
        "kvm1",
        f"rm {STORES}/101",
        MOUNTED,
        {"link for glusterds": {"old": None, "new": f"{STORES}/101 -> {MOUNT}"}},
    ),
    "link that is a directory": (
        "kvm3",
        f"rm {STORES}/100; mkdir {STORES}/100",
        MOUNTED,
        {"link for gluster_system": {"old": None, "new": f"{STORES}/100 -> {MOUNT}"}},
    ),
    "head's link": ("head", f"rm {STORES}/101", IMAGES, {"link": {"old": None, "new": f"{STORES}/101 -> {MOUNT}"}}),
    "attribute": (
        "head",
        ("one.datastore.update", 101, 'DISK_TYPE="BLOCK"', 1),
        IMAGES,
        {"DISK_TYPE": {"old": "BLOCK", "new": "GLUSTER" if NATIVE else "FILE"}},
    ),
}


@pytest.mark.parametrize("step", STEPS)
def test_just_that_step_is_named_and_done(fleet, step):
    host, undo, state, changes = STEPS[step]
    if state == "gluster_one_bricks_kept" and unit_keeps_bricks(fleet.lab, host):
        pytest.skip("the package's unit has it")
    assert {name: fleet.datastores()[name]["ID"] for name in ("gluster_system", "glusterds")} == {
        "gluster_system": 100,
        "glusterds": 101,
    }
    fleet.oned(*undo) if isinstance(undo, tuple) else fleet.sh(host, undo)
    predicted = fleet.apply(test=True)
    assert (predicted.failures, predicted.changes) == ({}, {host: {state: changes}})
    assert [one["result"] for states in predicted.values() for one in states.values()].count(None) == 1
    run = fleet.apply()
    assert (run.failures, run.changes) == ({}, {host: {state: changes}})


def test_a_node_leaves_and_comes_back(fleet):
    """The whole fleet does in tests/long/test_leave.py."""
    leave = {"sls": "gluster_one.absent", "on": ["kvm3"]}
    before, bricks = fleet.tree("kvm3"), fleet.bricks()
    foretold = fleet.apply(**leave, test=True)
    run = fleet.apply(**leave)
    assert (run.failures, run.changes) == ({}, foretold.changes) and set(run.changes) == {"kvm3"}
    assert (fleet.mounts("kvm3"), fleet.tree("kvm3", "var/lib/gluster_one"), fleet.bricks()) == ({}, {}, bricks)
    assert fleet.apply(**leave).changes == {}
    assert fleet.apply(on=["kvm3"]).failures == {}
    assert fleet.tree("kvm3") == before
