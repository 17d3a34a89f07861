"""The way from native access to files on the mount, with VMs that run: docs/native-or-fuse.md."""

import json
import xml.etree.ElementTree as ET

import pytest

from tests.fleet.fleet import HYPERVISORS, MOUNT, STORES, changed
from tests.fleet.machine import counted, create, disk, file_disk, make_counting

ALLOWED = changed(volume={"access": "fuse"}, datastores={"glusterds": {"in_use": "allow"}})
TAKE = "file=$(ls /usr/lib/*/qemu/block-gluster.so); mv $file $file.away"  # as an upgrade does
GIVE = "file=$(ls /usr/lib/*/qemu/block-gluster.so.away); mv $file ${file%.away}"


@pytest.fixture(scope="module")
def vms(fleet_of_module):
    """
    A VM on each hypervisor that runs natively, on a clone of an image that is in OpenNebula, as the VMs are:
    {host: number}.
    """
    fleet = fleet_of_module
    fleet.stage = "used"
    ids = {name: store["ID"] for name, store in fleet.datastores().items()}
    fleet.sh("head", "truncate -s 1M /var/tmp/base", user="oneadmin")
    image = fleet.oned("one.image.allocate", "NAME=base\nPATH=/var/tmp/base\nTYPE=OS\n", ids["glusterds"], True)
    source = ET.fromstring(fleet.oned("one.image.info", image, False)).findtext("SOURCE")
    fleet.sh("head", f"test -e {source}", user="oneadmin")

    def start(host):
        values = {"name": f"web-{host}", "host": host, "ds": ids["gluster_system"], "disks": [{"IMAGE_ID": image}]}
        number = fleet.stand_in(put={"vm": values})["id"]
        clone = f"{STORES}/{ids['gluster_system']}/{number}"
        fleet.sh(host, f"mkdir {clone}", user="oneadmin")
        make_counting(fleet, host, f"{clone}/disk.0")
        done = create(fleet, f"one-{number}", disk(f"{number}/disk.0"), host=host)
        assert done.returncode == 0, done.stderr
        return number

    numbers = fleet.everywhere(start, HYPERVISORS)
    yield numbers
    fleet.everywhere(lambda host: fleet.lab.exec(host, "virsh", "destroy", f"one-{numbers[host]}"), HYPERVISORS)


def running(fleet):
    """{host: QEMU's processes}."""
    return {host: fleet.pids(host, "qemu-system-x86_64") for host in HYPERVISORS}


def counts(fleet, vms):
    """{host: how far its VM has counted on its disk}."""
    return {host: counted(fleet, f"{MOUNT}/{number}/disk.0") for host, number in vms.items()}


def named(fleet):
    """What `gluster_one.images` says, by what it is of."""
    found = json.loads(fleet.salt("head", "gluster_one.images").stdout)["head"]
    return {(one["what"], one["name"]): one["problem"] for one in found}


def test_it_is_refused_with_their_number(fleet_of_module, vms):
    fleet = fleet_of_module
    with fleet.pillar(everyone=changed(volume={"access": "fuse"})):
        run = fleet.apply()
    assert list(run.own_failures) == ["head"]
    (said,) = run.own_failures["head"].values()
    assert "has 1 images and 3 VMs, and changing DISK_TYPE from GLUSTER to FILE puts them at risk" in said
    assert fleet.datastores()["glusterds"]["DISK_TYPE"] == "GLUSTER"


def test_with_in_use_allowed_the_vms_go_on_and_are_named(fleet_of_module, vms):
    fleet = fleet_of_module
    pids, before = running(fleet), counts(fleet, vms)
    assert all(map(len, pids.values()))
    fleet.sh("kvm2", TAKE)
    try:
        with fleet.pillar(everyone=ALLOWED):
            run = fleet.apply()
            assert not run.failures and set(run.changes) == {"head"}
            assert fleet.apply().changes == {}
            for host in HYPERVISORS:
                assert "QEMU writes and reads a file" in run[host]["gluster_one_files_one_vol"]["comment"]
                assert "gluster_one_native_access" not in run[host]
            assert fleet.datastores()["glusterds"]["DISK_TYPE"] == "FILE"
            assert fleet.datastores()["glusterds"]["GLUSTER_VOLUME"] == "one_vol"  # the image is native still
            found = named(fleet)
            disks = {("VM", f"web-{host}") for host in HYPERVISORS}
            assert set(found) == {("image", "base"), *disks}
            assert all(found[each].endswith("which QEMU of kvm2 cannot") for each in disks)
            assert fleet.findings("kvm2", native=True)["native_vm"]["on"] == f"one-{vms['kvm2']} ({inside(fleet)})"
            assert "native_vm" not in fleet.findings("kvm1", native=True)
            assert running(fleet) == pids
            after = counts(fleet, vms)
            assert all(after[host] > before[host] + 20 for host in vms), (before, after)

            fleet.sh("kvm2", f"truncate -s 1M {MOUNT}/file", user="oneadmin")
            done = create(fleet, "one-file", file_disk(f"{MOUNT}/file"))
            assert done.returncode == 0, done.stderr
            fleet.sh("kvm2", "virsh destroy one-file")
    finally:
        fleet.sh("kvm2", GIVE)


def inside(fleet):
    return fleet.sh("kvm2", "pidof qemu-system-x86_64").strip()


def test_without_the_key_the_run_says_what_to_put_into_the_pillar(fleet_of_module):
    fleet = fleet_of_module
    old = "#!/bin/sh\ncase $1 in --help) echo Supported formats: raw;; info) echo \"qemu-img: Could not open 'x': " \
        "Unknown driver 'gluster'\" >&2; exit 1;; *) exec /usr/bin/qemu-img.away \"$@\";; esac\n"  # fmt: skip
    fleet.sh("kvm3", "mv /usr/bin/qemu-img /usr/bin/qemu-img.away")
    try:
        fleet.lab.exec("kvm3", "tee", "/usr/bin/qemu-img", input=old, check=True)
        fleet.sh("kvm3", "chmod 755 /usr/bin/qemu-img")
        run = fleet.apply("gluster_one.native", on=["kvm3"])
    finally:
        fleet.sh("kvm3", "mv -f /usr/bin/qemu-img.away /usr/bin/qemu-img")
    said = run.own_failures["kvm3"]["gluster_one_native_access"]
    assert "builds it without the gluster driver: put `access: fuse` under the volume in the pillar" in said
    assert "\n" not in said


def test_and_back(fleet_of_module, vms):
    fleet = fleet_of_module
    with fleet.pillar(everyone=ALLOWED):
        assert not fleet.apply().failures
    with fleet.pillar(everyone=changed(datastores={"glusterds": {"in_use": "allow"}})):
        assert not fleet.apply().failures
    assert fleet.datastores()["glusterds"]["DISK_TYPE"] == "GLUSTER"
    assert named(fleet) == {}
