"""What `status` says is to be done, done as it says: the finding goes."""

import shlex

import pytest

from lab.system import wait_for
from tests.fleet.fleet import MOUNT, STORES

from .test_overview import IDS, status, well

DRIVER = "$(dirname /usr/lib/*/qemu/block-curl.so)/block-gluster.so"
IMAGE = f"rm {STORES}/101; mkdir {STORES}/101; echo image >{STORES}/101/image"
# By what is wrong: where it is done, how, which kind it is, what its cure is, and what a person does of it by hand.
CURES = {
    "a link that is gone": ("kvm2", f"rm {STORES}/101", "link", "salt kvm2 state.apply gluster_one.mount", ""),
    "a link that is gone on the head": (
        "head", f"rm {STORES}/101", "link", "salt head state.apply gluster_one.datastore", "",
    ),
    "a link elsewhere on the head": (
        "head", f"ln -sfn /nowhere {STORES}/101", "blocked", "move away or unmount", f"mv {STORES}/101 /var/tmp/link",
    ),
    "an identifier that is not on the volume": (
        "head", f"rm {IDS}/datastores.json", "link", "salt head state.apply gluster_one.datastore", "",
    ),
    "an image in the way": (
        "kvm2", IMAGE, "blocked", "move away or unmount what is there, then salt kvm2 state.apply gluster_one.mount;",
        f"mv {STORES}/101 /var/tmp/aside",
    ),
    "an image in the way on the head": (
        "head", IMAGE, "blocked", "move away or unmount what is there, then salt head state.apply gluster_one.dat",
        f"mv {STORES}/101 /var/tmp/aside",
    ),
    "a file system in the way on the head": (
        "head", f"rm {STORES}/101; mkdir {STORES}/101; mount -t tmpfs x {STORES}/101", "blocked",
        "move away or unmount", f"umount {STORES}/101",
    ),
    "QEMU without the driver": (
        "kvm2", f"mv {DRIVER} /var/tmp/", "native", "on kvm2: install QEMU with its gluster driver",
        f"dpkg -S {DRIVER} | grep -q ^qemu-block-extra; mv /var/tmp/block-gluster.so {DRIVER}",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CURES)
def test_the_cure_of(fleet, name):
    host, do, kind, cure, by_hand = CURES[name]
    well(fleet)
    fleet.sh(host, do)
    found = next(one for one in status(fleet)["findings"] if one["kind"] == kind)
    assert found["cure"].startswith(cure), found
    fleet.sh(host, by_hand)
    if "state.apply" in found["cure"]:
        command = found["cure"][found["cure"].index("salt ") :].partition(";")[0]
        done = fleet.lab.salt(*shlex.split(command)[1:])
        assert done.returncode == 0, done.stdout + done.stderr
    if "image" in name:
        fleet.sh(host, f"cp /var/tmp/aside/image {MOUNT}/image; rm -r /var/tmp/aside {MOUNT}/image")
    well(fleet)


def test_the_cure_of_a_size_that_is_not_the_volume_s(fleet):
    """OpenNebula measures what lies at the datastore's directory on the head."""
    path = f"{STORES}/{fleet.datastores()['glusterds']['ID']}"
    well(fleet)
    fleet.sh("head", f"rm {path}; mkdir {path}; mount -t tmpfs -o size=100m small {path}")
    wait_for("the size of that", lambda: fleet.sizes()["glusterds"] == 100, 330)
    found = {one["kind"]: one for one in status(fleet)["findings"]}
    print(found)
    assert found["datastore_size"]["cure"].startswith("on head: ls -ld its directory")
    assert fleet.sh("head", f"ls -ld {path}").startswith("d")
    fleet.sh("head", f"umount {path}")
    done = fleet.lab.salt("head", "state.apply", "gluster_one.datastore")
    assert done.returncode == 0, done.stdout + done.stderr
    assert fleet.sh("head", f"ls -ld {path}").endswith(f"{path} -> {MOUNT}\n")
    kinds = [one["kind"] for one in status(fleet)["findings"]]
    print(kinds)
    wait_for("the volume's size", lambda: fleet.sizes()["glusterds"] != 100, 330)
    well(fleet)
