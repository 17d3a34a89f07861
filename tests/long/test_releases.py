"""Hypervisors of Debian 14, and of 13 and 14 on one volume: who cannot open gluster://, and VMs that move live."""

import secrets

import pytest

from lab.system import wait_for
from tests.fleet.fleet import HYPERVISORS, MOUNT, changed
from tests.fleet.machine import counted, create, file_disk, make_counting

OLD, NEW = "kvm1", "kvm3"
# The default machine type of Debian 13's QEMU, its newest. Debian 14's QEMU knows it, too.
BOTH = "pc-i440fx-10.0"
VIRTIO, IDE = {}, {"target": "hda", "virtio": False}


def pillar(access):
    return changed(volume={"servers": ["kvm1", "kvm2"], "access": access})


@pytest.fixture(scope="module")
def mixed(_fleet):
    """Two servers and hypervisors of Debian 13, and a hypervisor of Debian 14 that is a client alone."""
    fleet = _fleet
    fleet.new(release=["trixie", "kvm3=forky"])
    fleet.stage = "used"
    fleet.sh("kvm1", "gluster --mode=script volume remove-brick one_vol replica 2 kvm3:/data/one_vol force")
    fleet.sh("kvm1", "gluster --mode=script peer detach kvm3")
    fleet.sh("kvm3", "systemctl disable --now glusterd")
    with fleet.pillar(everyone=pillar("native")):
        yield fleet


@pytest.fixture(scope="module")
def as_files(mixed):
    """The same with `access: fuse`; libvirtd is reached from the other hypervisors."""
    for host in HYPERVISORS:
        script = "echo 'auth_tcp = \"none\"' >>/etc/libvirt/libvirtd.conf; systemctl stop libvirtd"
        mixed.sh(host, f"{script}; systemctl start libvirtd-tcp.socket libvirtd")
    with mixed.pillar(everyone=pillar("fuse")):
        yield mixed


def those_that_cannot(run):
    """Check that who fails lacks the driver alone, and says so in one line with what to put into the pillar."""
    for states in run.own_failures.values():
        assert list(states) == ["gluster_one_native_access"]
        said = states["gluster_one_native_access"]
        assert (
            "cannot open gluster://: Debian builds it without the gluster driver: put `access: fuse` under the" in said
        )
        assert "\n" not in said
    return set(run.own_failures)


def test_on_debian_14_each_hypervisor_says_what_to_put_into_the_pillar(_fleet):
    _fleet.new(release=["forky"])
    _fleet.stage = "used"
    with _fleet.pillar(everyone=changed(volume={"access": "native"})):
        assert those_that_cannot(_fleet.apply()) == set(HYPERVISORS)
    with _fleet.pillar(everyone=changed(volume={"access": "fuse"})):
        assert _fleet.apply().failures == {}


def test_with_native_access_the_one_that_cannot_is_named_with_the_line_for_the_pillar(mixed):
    assert those_that_cannot(mixed.apply()) == {NEW}


def test_with_fuse_the_run_succeeds_everywhere_and_a_second_changes_nothing(as_files):
    assert as_files.apply().failures == {}
    again = as_files.apply()
    assert (again.failures, again.changes) == ({}, {})
    status, said = as_files.runner("gluster_one.status", "native=True")
    assert status == 0, said


def counts_on(fleet, path):
    """Wait until the machine of a disk has counted on by more than a second's ticks."""
    before = counted(fleet, path)
    wait_for(
        f"the machine of {path} to count on from {before}", lambda: counted(fleet, path) > before + 20, 30, every=1
    )


@pytest.mark.parametrize("host", HYPERVISORS)
def test_with_fuse_each_starts_a_vm(as_files, host):
    disk = f"{MOUNT}/started.{host}"
    make_counting(as_files, "head", disk)
    done = create(as_files, "one-1", file_disk(disk), host=host)
    try:
        assert done.returncode == 0, done.stderr
        assert as_files.sh(host, "ps -o user= -C qemu-system-x86").split() == ["oneadmin"]
        counts_on(as_files, disk)
    finally:
        as_files.lab.exec(host, "virsh", "destroy", "one-1")


def migrate(fleet, source, target):
    """Live, as OpenNebula does it, which reaches libvirt over SSH."""
    words = ["virsh", "migrate", "--live", "one-2", f"qemu+tcp://{target}/system", f"tcp://{target}"]
    return fleet.lab.exec(source, *words, timeout=120)


def running(fleet):
    """The host on which the VM is, and nowhere else."""
    (host,) = (host for host in HYPERVISORS if fleet.pids(host, "qemu-system-x86_64"))
    assert fleet.sh(host, "virsh domstate one-2").strip() == "running"
    return host


@pytest.fixture
def vm(as_files):
    """Start a VM whose disk is a file, with `create`'s arguments; returns the disk."""

    def start(host, target="sda", **how):
        path = f"{MOUNT}/moved.{secrets.token_hex(4)}"
        make_counting(as_files, "head", path)
        done = create(as_files, "one-2", file_disk(path, target=target), host=host, **how)
        assert done.returncode == 0, done.stderr
        counts_on(as_files, path)
        return path

    yield start
    for host in HYPERVISORS:
        as_files.lab.exec(host, "virsh", "destroy", "one-2")


def goes_on(fleet, path, host, before):
    """Check that the VM is on that host, and has not been booted again."""
    assert running(fleet) == host
    counts_on(fleet, path)
    assert counted(fleet, path) > before


@pytest.mark.parametrize("there, how", [(NEW, VIRTIO), (NEW, IDE), (OLD, IDE)], ids=["14-virtio", "14-ide", "13-ide"])
def test_a_vm_of_a_machine_type_that_both_know_moves_live_and_back(as_files, vm, there, how):
    """With virtio from Debian 14 alone: the next test says why."""
    away = OLD if there == NEW else NEW
    disk = vm(there, machine=BOTH, **how)
    for source, target in ((there, away), (away, there)):
        before = counted(as_files, disk)
        done = migrate(as_files, source, target)
        assert done.returncode == 0, done.stderr
        goes_on(as_files, disk, target, before)


def test_a_vm_with_virtio_of_debian_13_goes_on_whether_it_moves_or_not(as_files, vm):
    """QEMU 10.0.13 of Debian 13 gives every virtio queue 1024 entries; QEMU 11.1 takes no more than the device has."""
    disk = vm(OLD, machine=BOTH)
    before = counted(as_files, disk)
    done = migrate(as_files, OLD, NEW)
    assert done.returncode == 0 or "Failed to load element of type virtio" in done.stderr
    goes_on(as_files, disk, OLD if done.returncode else NEW, before)


def test_a_vm_of_the_newer_default_type_stays_where_it_is_and_goes_on(as_files, vm):
    disk = vm(NEW)
    before = counted(as_files, disk)
    done = migrate(as_files, NEW, OLD)
    assert done.returncode != 0 and "machine" in done.stderr, done.stderr
    goes_on(as_files, disk, NEW, before)
