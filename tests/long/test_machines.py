"""Machines of every kind start from disks that are put and cloned as oned does it, and write what arrives."""

import base64
import json
import time
import xml.etree.ElementTree as ET

import pytest

from tests.fleet.fleet import MOUNT, STORES, changed
from tests.fleet.machine import create, disk

# A boot sector that copies itself to the disk's second sector and stops: what the guest's disk received shows there.
#   xor ax,ax; mov es,ax; mov bx,7c00h; mov ax,0301h; mov cx,2; mov dh,0; int 13h; hlt; jmp hlt
CODE = bytes.fromhex("31c0 8ec0 bb007c b80103 b90200 b600 cd13 f4 ebfd")
BOOT = CODE.ljust(510, b"\0") + b"\x55\xaa"
SIZE = 2**20


@pytest.fixture(scope="module")
def stores(fleet_of_module):
    """{name: directory} of the datastores; one more keeps images as qcow2."""
    fleet = fleet_of_module
    with fleet.pillar(everyone=changed(datastores={"keeps_qcow2": {"driver": "qcow2"}})):
        run = fleet.apply()
    fleet.stage = "used"
    assert not run.failures, run.failures
    return {name: f"{STORES}/{store['ID']}" for name, store in fleet.datastores().items()}


@pytest.fixture(scope="module")
def disks(fleet_of_module, stores):
    """Three images of the boot sector on the head, and clones as oned makes them, on kvm2: raw, persistent, CD."""
    fleet = fleet_of_module
    boot = base64.b64encode(BOOT).decode()
    for name in ("raw", "persistent", "cd"):
        path = f"{stores['glusterds']}/{name}"
        fleet.sh(
            "head", f"truncate -s {SIZE} {path}; echo {boot} | base64 -d | dd of={path} conv=notrunc", user="oneadmin"
        )
    system = stores["gluster_system"]
    for machine in (21, 23):
        script = f"mkdir {system}/{machine}; cp {stores['glusterds']}/raw {system}/{machine}/disk.0"
        fleet.sh("kvm2", script, user="oneadmin")
    return {"raw": "21/disk.0", "persistent": "persistent", "cd": "23/disk.0"}


def test_a_fresh_qcow2_clone_does_not_start_and_images_said_so(fleet_of_module, stores):
    fleet = fleet_of_module
    fleet.sh("head", "qemu-img create -q -f qcow2 /var/tmp/empty.qcow2 1G", user="oneadmin")
    template = "NAME=empty\nPATH=/var/tmp/empty.qcow2\nTYPE=OS\n"
    store = int(stores["keeps_qcow2"].rpartition("/")[2])
    image = fleet.oned("one.image.allocate", template, store, True)
    source = ET.fromstring(fleet.oned("one.image.info", image, False)).findtext("SOURCE")
    said = json.loads(fleet.salt("head", "gluster_one.images").stdout)["head"]
    assert [(found["name"], found["owner"]) for found in said] == [("empty", "oneadmin")]
    assert "512" in said[0]["problem"] and "raw" in said[0]["cure"]
    clone = f"{stores['gluster_system']}/24"
    script = (
        f"mkdir -p {clone}/disk.0.snap; qemu-img create -q -f qcow2 -F qcow2 -b {source} {clone}/disk.0.snap/0; "
        f"ln -s disk.0.snap/0 {clone}/disk.0; ln -s . {clone}/disk.0.snap/disk.0.snap"
    )
    fleet.sh("kvm2", script, user="oneadmin")
    done = create(fleet, "one-qcow2", disk("24/disk.0", driver="qcow2", servers=("kvm1",)))
    assert done.returncode != 0
    assert "Could not read L1 table: Input/output error" in done.stderr


@pytest.fixture(scope="module")
def first_glusterd_down(fleet_of_module):
    """glusterd of kvm1, which GLUSTER_HOST names first, is away; its bricks are not."""
    fleet_of_module.sh("kvm1", "systemctl stop glusterd")
    yield
    fleet_of_module.sh("kvm1", "systemctl start glusterd")


@pytest.mark.parametrize("kind", ["raw", "persistent", "cd"])
def test_machine_starts_by_its_second_server_and_its_writes_arrive(fleet_of_module, disks, first_glusterd_down, kind):
    fleet = fleet_of_module
    image = disks[kind]
    attached = [disk(image)] + ([disk("cd", "cdrom", "hda")] if kind == "cd" else [])
    try:
        done = create(fleet, f"one-{kind}", *attached)
        assert done.returncode == 0, done.stderr
        assert f"one_vol/{image}" in fleet.sh("kvm2", f"virsh domblklist one-{kind}")
        assert fleet.sh("kvm2", "ps -o user= -C qemu-system-x86").split() == ["oneadmin"]
        assert sector_arrives(fleet, image)
    finally:
        fleet.lab.exec("kvm2", "virsh", "destroy", f"one-{kind}")


def sector_arrives(fleet, image):
    """Whether the head reads through FUSE, within a minute, what the VM wrote to its disk."""
    seen = f"dd if={MOUNT}/{image} bs=512 skip=1 count=1 status=none | base64 -w0"
    for _ in range(60):
        if base64.b64decode(fleet.sh("head", seen)) == BOOT:
            return True
        time.sleep(1)
    return False
