"""Bricks on a disk with sectors of 4096 bytes: what a VM cannot read there, the proof does not read either."""

import re
import subprocess
import sys

import pytest

from lab import enter

MOUNT = "/var/tmp/sectors"
# The device is made outside of the lab's hosts, which share the machine's, and is given back as soon as the host has
# mounted it, its file even before: so it goes with the host, however this process or the lab ends.
ATTACH = """\
set -e
truncate -s 400M "$1"
device=$(losetup --sector-size 4096 --find --show "$1")
trap 'losetup --detach "$device"' EXIT
rm "$1"
mkfs.xfs -q "$device"
numbers=$(stat -c '0x%t 0x%T' "$device")
shift
"$@" sh -ec 'mkdir -p /data/sectors; mknod /run/sectors b $(($1)) $(($2)); mount /run/sectors /data/sectors' sh $numbers
"""


@pytest.fixture
def volume(fleet, tmp_path):
    """A volume on such a brick, with what the head leaves on each, and an image."""
    inside = [sys.executable, "-I", "-S", enter.__file__, *fleet.lab.way_in("kvm1"), "--"]
    attach = ["setsid", "--wait", "sh", "-c", ATTACH, "sh", tmp_path / "disk", *inside]
    done = subprocess.run(attach, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    try:
        fleet.sh("kvm1", "gluster --mode=script volume create sectors_vol kvm1:/data/sectors/brick")
        for option in ("server.allow-insecure on", "storage.owner-uid 9869", "storage.owner-gid 9869"):
            fleet.sh("kvm1", f"gluster --mode=script volume set sectors_vol {option}")
        fleet.sh("kvm1", "gluster --mode=script volume start sectors_vol")
        fleet.sh("kvm1", f"mkdir {MOUNT}; mount -t glusterfs kvm1:/sectors_vol {MOUNT}")
        # Not sparse: a hole is read without the disk.
        fleet.sh("kvm1", f"head -c 1M /dev/urandom >{MOUNT}/image; chown oneadmin: {MOUNT}/image")
        assert fleet.lab.call("kvm1", "gluster_one_ids.publish_id", MOUNT, "images", "101") == {"kvm1": True}
        yield "sectors_vol"
    finally:
        fleet.sh("kvm1", f"umount -l {MOUNT}; rmdir {MOUNT}", check=False)
        fleet.sh("kvm1", "gluster --mode=script volume stop sectors_vol force", check=False)
        fleet.sh("kvm1", "gluster --mode=script volume delete sectors_vol", check=False)
        fleet.sh("kvm1", "umount /data/sectors; rm /run/sectors; rmdir /data/sectors", check=False)
    assert str(tmp_path) not in subprocess.run(["losetup", "--list"], capture_output=True, text=True).stdout


def test_what_a_vm_cannot_read(fleet, volume):
    def read(*words):
        return fleet.lab.call("kvm2", "gluster_native.native_read", volume, *words, "host=kvm1")["kvm2"]

    image, proof = read("image"), read()
    assert proof == image and proof.startswith("read failed: Invalid argument: ")
    fleet.sh("kvm1", re.search("`(.*)`", proof)[1])
    assert (read("image"), read()) == (None, None)
