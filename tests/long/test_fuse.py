"""access: fuse, for hypervisors whose QEMU has no gluster driver: images and machines work, and no mix goes unseen."""

import base64
import contextlib
import json

import pytest

from lab.system import wait_for
from tests.fleet.fleet import STORES, changed

from .test_machines import BOOT, SIZE, create

FUSE = changed(volume={"access": "fuse"})
DRIVER = "/usr/lib/*/qemu/block-gluster.so"
FILE = """\
		<disk type='file' device='disk'>
			<source file='{path}'/>
			<target dev='sda'/>
			<driver name='qemu' type='qcow2' cache='none'/>
		</disk>"""


def runner(fleet, function):
    done = fleet.lab.run("--out=json", "--no-color", function)
    return json.loads(done.stdout[done.stdout.index("{") :])


@pytest.fixture(scope="module")
def fuse(fleet_of_module):
    """Two hypervisors have lost the driver: the fleet before and after its pillar says fuse; native at the end."""
    fleet, seen = fleet_of_module, {}
    with contextlib.ExitStack() as undo:
        for host in ("kvm2", "kvm3"):
            undo.callback(fleet.sh, host, "mv /var/tmp/block-gluster.so $(dirname /usr/lib/*/qemu/block-curl.so)/")
            fleet.sh(host, f"mv {DRIVER} /var/tmp/")
        seen["native"] = fleet.apply()
        with fleet.pillar(FUSE):
            seen["predicted"], seen["changed"] = fleet.apply(test=True), fleet.apply()
            seen["again"] = fleet.apply()
            seen["stores"] = fleet.datastores()
            fleet.lab.call("*", "saltutil.refresh_pillar", "wait=True")
            yield fleet, seen
    run = fleet.apply()
    assert not run.failures, run.failures
    fleet.lab.call("*", "saltutil.refresh_pillar", "wait=True")


def test_natively_the_hypervisors_that_cannot_say_so_and_how_to_do_without(fuse):
    failed = fuse[1]["native"].own_failures
    assert set(failed) == {"kvm2", "kvm3"}
    for host in failed:
        said = "cannot open gluster:// (no gluster driver in this build): install qemu-block-extra, or set "
        assert failed[host]["gluster_one_native_access"].endswith(f"{said}gluster_one:volumes:one_vol:access to fuse")


def test_by_fuse_all_converge_and_the_datastore_is_one_of_plain_files(fuse):
    seen = fuse[1]
    assert seen["changed"].failures == {}
    assert (
        seen["changed"].changes
        == seen["predicted"].changes
        == {
            "head": {
                "gluster_one_datastore_glusterds": {
                    "DISK_TYPE": {"old": "GLUSTER", "new": "FILE"},
                    "GLUSTER_HOST": {"old": "kvm1:24007", "new": None},
                    "GLUSTER_VOLUME": {"old": "one_vol", "new": None},
                }
            }
        }
    )
    assert (seen["again"].failures, seen["again"].changes) == ({}, {})
    assert seen["stores"]["glusterds"]["DISK_TYPE"] == "FILE"
    assert not [key for key in seen["stores"]["glusterds"] if key.startswith("GLUSTER")]


def test_status_says_fuse_and_finds_nothing(fuse):
    fleet, _ = fuse
    text = fleet.lab.run("--no-color", "gluster_one.status", "native=True").stdout
    assert "no findings on 4 nodes" in text
    for host in ("kvm1", "kvm2", "kvm3"):
        (line,) = [line for line in text.splitlines() if line.startswith(f"{host} ")]
        assert line.split() == [host, "hypervisor", "server", "ok", "ok", "ok", "fuse"]


def test_a_minion_of_another_mind_is_named_before_a_rollout_and_by_status(fuse):
    fleet, _ = fuse
    top = {"base": {"*": ["gluster_one"], "kvm1": ["native"], "head": ["gluster_one_head"]}}
    with fleet.pillar(native=changed(volume={"access": "native"}), top=top):
        plan = runner(fleet, "gluster_one.rollout_plan")
        status = fleet.lab.run("--no-color", "gluster_one.status").stdout
    fleet.lab.call("*", "saltutil.refresh_pillar", "wait=True")
    said = "its access is fuse on head, kvm2, kvm3 and native on kvm1"
    assert plan == {"errors": [f"volume one_vol: {said}: give all minions the same in their pillar"]}
    assert said in status


@pytest.mark.timeout(200)
def test_a_qcow2_clone_starts_without_the_driver(fuse):
    """What no machine can do natively: a clone whose length is no multiple of 512, backed by a datastore's image."""
    fleet, seen = fuse
    image = f"{STORES}/{seen['stores']['glusterds']['ID']}/base"
    clone = f"{STORES}/{seen['stores']['gluster_system']['ID']}/31"
    (fleet.lab.root("head") / "var/tmp/boot").write_bytes(BOOT.ljust(SIZE, b"\0"))
    fleet.sh("head", f"qemu-img convert -O qcow2 /var/tmp/boot {image}", user="oneadmin")
    script = f"mkdir {clone}; qemu-img create -q -f qcow2 -F qcow2 -b {image} {clone}/disk.0"
    fleet.sh("kvm2", script, user="oneadmin")
    assert fleet.native_open("kvm2", "31/disk.0")[0] is None
    try:
        done = create(fleet, "one-31", FILE.format(path=f"{clone}/disk.0"))
        assert done.returncode == 0, done.stderr
        written = "virsh domblkstat one-31 sda | awk '/wr_req/ {print $3}'"
        wait_for("the machine's write", lambda: int(fleet.sh("kvm2", written) or 0), 60)
    finally:
        fleet.lab.exec("kvm2", "virsh", "destroy", "one-31")
    raw = "/var/tmp/raw"
    read = f"qemu-img convert -O raw {clone}/disk.0 {raw}; dd if={raw} bs=512 skip=1 count=1 status=none | base64 -w0"
    assert base64.b64decode(fleet.sh("head", read)) == BOOT
    fleet.sh("kvm2", f"rm -r {clone} {image}")
    fleet.sh("head", f"rm {raw} /var/tmp/boot")
