"""Each SLS on its own, where it has a part to do and where not; minions without modules; a minion of every role."""

import json

import pytest
import yaml

from tests.fleet.fleet import MOUNT, STORES, Run, standard

PILLAR, VOLUME, GLUSTERD = "gluster_one_pillar", "gluster_one_volume_one_vol", "gluster_one_glusterd"
KEPT, BEACON, MOUNTED = "gluster_one_bricks_kept", "gluster_one_beacon", "gluster_one_mount_one_vol"
NATIVE = ["gluster_one_native_access", "gluster_one_native_one_vol"]
KNOWN = f"{MOUNTED}_known"
STORED = {"gluster_one_datastore_gluster_system", "gluster_one_datastore_glusterds"}
# SLS: what it is on the coordinator, on another hypervisor, on the head.
STATES = {
    "gluster_one.mount": 3 * ({PILLAR, MOUNTED, KNOWN},),
    "gluster_one.glusterd": ({PILLAR, GLUSTERD, KEPT}, {PILLAR, GLUSTERD, KEPT}, {PILLAR}),
    "gluster_one.volume": ({PILLAR, VOLUME}, {PILLAR}, {PILLAR}),
    "gluster_one.datastore": ({PILLAR}, {PILLAR}, {PILLAR, MOUNTED, KNOWN, *STORED}),
}
# SLS: what somebody spoils where, and the changes that put it right.
SPOILT = {
    "gluster_one.mount": (
        "kvm2",
        f"rm {STORES}/101",
        {MOUNTED: {"link for glusterds": {"old": None, "new": f"{STORES}/101 -> {MOUNT}"}}},
    ),
    "gluster_one.glusterd": (
        "kvm3",
        "sed -i 's/rpc-auth-allow-insecure .*/rpc-auth-allow-insecure off/' /etc/glusterfs/glusterd.vol",
        {GLUSTERD: {"rpc-auth-allow-insecure": {"old": "off", "new": "on"}}},
    ),
    "gluster_one.volume": (
        "kvm1",
        "gluster --mode=script volume set one_vol storage.owner-uid 0",
        {VOLUME: {"storage.owner-uid": {"old": "0", "new": "9869"}}},
    ),
    "gluster_one.datastore": (
        "head",
        f"rm {STORES}/100",
        {"gluster_one_datastore_gluster_system": {"link": {"old": None, "new": f"{STORES}/100 -> {MOUNT}"}}},
    ),
}


@pytest.mark.parametrize("sls", STATES)
def test_does_its_part_where_it_is_due(fleet, sls):
    host, script, repaired = SPOILT[sls]
    bricks = fleet.bricks()
    fleet.sh(host, script)
    run = fleet.apply(sls)
    kvm1, others, head = STATES[sls]
    expected = {"kvm1": kvm1, "kvm2": others, "kvm3": others, "head": head}
    assert {minion: set(states) for minion, states in run.items()} == expected
    assert (run.failures, run.changes) == ({}, {host: repaired})
    assert fleet.bricks() == bricks


@pytest.fixture
def never_synced(fleet):
    """Minions without any custom module, neither on their disk nor in memory."""
    script = "systemctl stop salt-minion; rm -rf /var/cache/salt/minion; systemctl start salt-minion"
    fleet.everywhere(lambda host: fleet.sh(host, script))
    fleet.lab.wait_for_minions(fleet.lab.hosts)
    return fleet


def test_first_use_needs_no_sync(never_synced):
    runs = {
        "kvm1": never_synced.apply("gluster_one.volume", on=["kvm1"]),
        "kvm2": never_synced.apply("gluster_one.mount", on=["kvm2"], test=True),
        "kvm3": never_synced.apply("gluster_one", on=["kvm3"]),
        "head": never_synced.apply("gluster_one.datastore", on=["head"]),
    }
    for minion, run in runs.items():
        assert (set(run), run.failures, run.changes) == ({minion}, {}, {})


@pytest.mark.parametrize("test", [True, False])
def test_minion_without_a_master(fleet, test):
    root = fleet.lab.root("kvm3")
    for name in ("gluster_one", "_beacons", "_modules", "_states", "_utils"):
        fleet.sh("kvm3", f"mkdir -p /srv/salt/{name}")
        for path in (fleet.lab.checkout / name).glob("*.*"):
            (root / "srv/salt" / name / path.name).write_bytes(path.read_bytes())
    fleet.sh("kvm3", "mkdir -p /srv/pillar; rm -rf /srv/cache")
    (root / "srv/pillar/top.sls").write_text("base: {'*': [gluster_one]}\n")
    (root / "srv/pillar/gluster_one.sls").write_text(yaml.safe_dump(standard()))
    command = "salt-call --local --file-root=/srv/salt --pillar-root=/srv/pillar --cachedir=/srv/cache --out=json"
    done = fleet.lab.exec("kvm3", "sh", "-c", f"{command} --log-level=quiet state.apply gluster_one test={test}")
    done.stdout = json.dumps({"kvm3": json.loads(done.stdout)["local"]})
    run = Run(done)
    # Its modules were not there yet.
    assert set(run["kvm3"]) == {"gluster_one_modules", PILLAR, GLUSTERD, KEPT, MOUNTED, KNOWN, *NATIVE}
    assert (run.failures, run.changes) == ({}, {})


def test_one_minion_with_every_role(fleet):
    """The head is a Gluster server and a hypervisor as well, with a volume of its own."""
    fleet.sh("head", "mkdir -p /data && mount -t tmpfs -o size=200m solo /data && systemctl start glusterd")
    gluster = "gluster --mode=script volume"
    fleet.sh("head", f"{gluster} create solo_vol head:/data/solo_vol force && {gluster} start solo_vol", timeout=60)
    volume = {
        "servers": ["head"],
        "mount": "/srv/solo",
        "datastores": {"solo_system": {"type": "SYSTEM_DS"}, "solo_images": {}},
    }
    pillar = {"gluster_one": {"roles": ["head", "hypervisor"], "beacon": False, "volumes": {"solo_vol": volume}}}
    fleet.stage = "used"
    with fleet.pillar(solo=pillar, top={"base": {"head": ["solo"]}}):
        run = fleet.apply(on=["head"])
        again = fleet.apply(on=["head"])
    assert run.failures == {}
    assert list(run["head"]) == [
        PILLAR,
        "gluster_one_volume_solo_vol",
        GLUSTERD,
        KEPT,
        "gluster_one_mount_solo_vol",
        "gluster_one_mount_solo_vol_known",
        "gluster_one_datastore_solo_system",
        "gluster_one_datastore_solo_images",
        "gluster_one_native_access",
        "gluster_one_native_solo_vol",
        BEACON,
    ]
    assert set(run.changes["head"]) == set(run["head"]) - {
        PILLAR,
        "gluster_one_native_access",
        "gluster_one_native_solo_vol",
        BEACON,
    }
    assert (again.failures, again.changes) == ({}, {})
    store = fleet.datastores()["solo_images"]["ID"]
    fleet.sh("head", f"qemu-img create -q -f raw {STORES}/{store}/image 1M", user="oneadmin")
    fleet.sh("head", "qemu-img info gluster://head:24007/solo_vol/image", user="oneadmin")
    fleet.stage = "converged"
