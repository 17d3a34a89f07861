"""What somebody made by hand, after the guide and in its usual variants, is taken over while it is in use."""

import re

import pytest

from lab.system import wait_for
from tests.fleet.fleet import HYPERVISORS, STORES, changed
from tests.fleet.fleet import MOUNT as PLACE
from tests.fleet.load import HOLDER

pytestmark = pytest.mark.timeout(600)

VOLUME = "gluster --mode=script volume"
MOUNT = f"{STORES}/0"  # the guide's way
TEMPLATE = """
NAME = "by_hand"
DS_MAD = shared
TM_MAD = shared
DISK_TYPE = GLUSTER
GLUSTER_HOST = kvm1:24007
GLUSTER_VOLUME = one_vol
CLONE_TARGET="SYSTEM"
LN_TARGET="NONE"
"""
# How each has mounted the volume: the guide's way, another server's name, an address and options of its own.
MOUNTS = {
    "head": f"mount -t glusterfs kvm1:/one_vol {MOUNT}",
    "kvm1": f"mount -t glusterfs -o log-level=WARNING kvm1:/one_vol {MOUNT}",
    "kvm2": f"mount -t glusterfs kvm3:/one_vol {MOUNT}",
    "kvm3": f"mount -t glusterfs $(getent hosts kvm2 | cut -d' ' -f1):/one_vol {MOUNT}",
}


def pillar(store, **keys):
    """The datastores that exist: OpenNebula's own for VMs, and that one, which is to have another name."""
    made = changed(volume={"mount": MOUNT}, **keys)
    stores = {"system": {"type": "SYSTEM_DS"}, "glusterds": {"datastore_id": store}}
    made["gluster_one"]["volumes"]["one_vol"]["datastores"] = stores
    return made


@pytest.fixture(scope="module")
def adopted(clean):
    """Made by hand, taken over by a run while files were open; what was before, the run, what was held, and after."""
    fleet = clean
    fleet.stage = "used"
    fleet.sh("kvm1", f"{VOLUME} set one_vol server.allow-insecure on")
    fleet.sh("kvm1", f"{VOLUME} set one_vol storage.owner-uid 9869")
    fleet.sh("kvm1", f"{VOLUME} set one_vol storage.owner-gid 9869")
    for host in HYPERVISORS:  # which rejected clients before, and still do
        fleet.sh(host, f"pkill -9 -x glusterfsd; sleep 1; {VOLUME} start one_vol force")
    wait_for("every brick", lambda: all(fleet.bricks().values()), 30)
    for host in HYPERVISORS:  # and their self-heal daemons, which do not try again
        fleet.sh(host, f"pkill -9 -f '[g]lustershd'; sleep 1; {VOLUME} start one_vol force")
    for host in ("kvm1", "kvm2"):
        line = "s/^end-volume/    option rpc-auth-allow-insecure on\\nend-volume/"
        fleet.sh(host, f"sed -i '{line}' /etc/glusterfs/glusterd.vol; sed -i /glusterd/d /etc/fstab")
    # On the head, oned may have made the directory of its datastore 1 once more by the time of the link.
    for host, mount in MOUNTS.items():
        fleet.sh(host, f"rmdir {STORES}/0 {STORES}/1 2>/dev/null || true; mkdir -p {MOUNT}")
        wait_for(f"the mount on {host}", lambda host=host, mount=mount: mounted(fleet, host, mount), 60, every=1)
        fleet.sh(host, f"chown oneadmin:oneadmin {MOUNT}; rm -rf {STORES}/1; ln -snT {MOUNT} {STORES}/1")
    fleet.oned("one.datastore.update", 0, "TM_MAD=shared", 1)
    store = fleet.oned("one.datastore.allocate", TEMPLATE, 0)
    for host in fleet.lab.hosts:  # by hand, too, for the identifier that OpenNebula has picked; on kvm3 by a mount
        fleet.sh(host, f"rmdir {STORES}/{store} 2>/dev/null || true")
        link, mount = f"ln -sn {STORES}/1 {STORES}/{store}", f"mount -t glusterfs kvm2:/one_vol {STORES}/{store}"
        fleet.sh(host, f"mkdir {STORES}/{store}; {mount}" if host == "kvm3" else link)
    make = f"qemu-img create -q -f raw {MOUNT}/held 1M && qemu-io -f raw -c 'write -P 0xab 0 1M' {MOUNT}/held"
    fleet.sh("head", make, user="oneadmin")
    fleet.sh("head", "truncate -s 1M /var/tmp/held")
    # An old oned ran the driver shared; the present one registers nothing with it.
    fleet.oned("one.datastore.update", store, "DS_MAD=fs", 1)
    # Not looking at the size, which oned has yet to measure after that.
    fleet.oned("one.image.allocate", 'NAME = "held"\nPATH = "/var/tmp/held"\nSIZE = 1', store, True)
    fleet.oned("one.datastore.update", store, "DS_MAD=shared", 1)
    run = ("systemd-run", "--quiet", "--uid=oneadmin")
    for host in fleet.lab.hosts:
        fleet.lab.exec(host, *run, "--unit=holder", "python3", "-c", HOLDER, MOUNT, check=True)
    wait_for("a native read", lambda: "read 512/512" in fleet.disk_read("kvm3", "held", "read 0 512"), 60)
    native = "(sleep 45; echo 'read -P 0xab 0 1M'; echo quit) | qemu-io -r -f raw gluster://kvm2/one_vol/held"
    fleet.lab.exec("kvm3", *run, "--unit=native", "sh", "-c", native, check=True)
    wait_for("the native open", lambda: fleet.sh("kvm3", "pgrep -x qemu-io", check=False), 30)
    before = state(fleet)
    with fleet.pillar(pillar(store)):
        predicted = fleet.apply(test=True)
        untouched = state(fleet)
        run = fleet.apply()
        after = state(fleet)
        yield {
            "fleet": fleet, "store": store, "before": before, "untouched": untouched, "predicted": predicted,
            "run": run, "after": after, "again": fleet.apply(),
        }  # fmt: skip


def mounted(fleet, host, mount):
    fleet.sh(host, f"mountpoint -q {MOUNT} || {mount}", check=False)
    return fleet.lab.exec(host, "stat", "-f", MOUNT).returncode == 0


def state(fleet):
    """The processes and mounts that must stay."""
    return {
        "mounts": {host: fleet.mounts(host) for host in fleet.lab.hosts},
        "clients": fleet.clients(MOUNT),
        "bricks": fleet.bricks(),
        "glusterd": {host: fleet.pids(host, "glusterd") for host in HYPERVISORS},
    }


def test_the_run_succeeds_and_the_next_changes_nothing(adopted):
    assert adopted["predicted"].failures == {}
    assert adopted["run"].failures == {}
    assert (adopted["again"].failures, adopted["again"].changes) == ({}, {})


def test_nothing_that_is_in_use_is_unmounted_or_restarted(adopted):
    assert all(adopted["before"]["clients"].values()) and all(adopted["before"]["bricks"].values())
    assert adopted["before"] == adopted["untouched"]
    for host, mounts in adopted["after"].pop("mounts").items():
        assert mounts == {**adopted["before"]["mounts"][host], PLACE: mounts[PLACE]}
    adopted["before"].pop("mounts")
    assert adopted["before"] == adopted["after"]


def test_what_differs_is_brought_to_the_pillar(adopted):
    changes = adopted["run"].changes
    for host in adopted["fleet"].lab.hosts:
        assert {"fstab", "mount", "flags"} <= set(changes[host]["gluster_one_mount_one_vol"])
    assert {host for host in HYPERVISORS if "gluster_one_glusterd" in changes[host]} == {"kvm3"}
    assert "gluster_one_volume_one_vol" not in changes["kvm1"]
    store = adopted["fleet"].datastores()["glusterds"]
    assert (store["ID"], store["DS_MAD"]) == (adopted["store"], "fs")
    assert "DRIVER" not in store, "it has an image already"
    assert set(changes["head"]["gluster_one_datastore_glusterds"]) == {"name", "DS_MAD", "identifier", "link"}
    assert set(changes["head"]["gluster_one_datastore_system"]) == {"identifier"}


def test_what_takes_effect_later_is_said(adopted):
    comments = {host: states["gluster_one_mount_one_vol"]["comment"] for host, states in adopted["again"].items()}
    for comment in comments.values():
        assert "; also still mounted on " in comment and MOUNT in comment


def test_open_files_stay_usable(adopted):
    fleet = adopted["fleet"]
    for host in fleet.lab.hosts:
        assert fleet.sh(host, "systemctl is-active holder").strip() == "active"
        fleet.sh(host, "touch /run/let-go")
    said = "journalctl -u holder -o cat"
    for host in fleet.lab.hosts:
        wait_for(f"the holder on {host}", lambda host=host: "wrote" in fleet.sh(host, said), 20)
        (times,) = re.findall(r"wrote (\d+) times", fleet.sh(host, said))
        other = "kvm1" if host != "kvm1" else "kvm2"
        assert int(fleet.sh(other, f"head -c 8 {MOUNT}/held-{host}")) == int(times) - 1
    wait_for("the native read", lambda: "read 1048576/1048576" in fleet.sh("kvm3", "journalctl -u native -o cat"), 90)
    assert "failed" not in fleet.sh("kvm3", "journalctl -u native -o cat")
    assert "read 512/512" in fleet.disk_read("kvm1", "held", "read 0 512")
