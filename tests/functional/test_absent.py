"""What this node does not have, or does not run: one line each, quickly, and nothing half done."""

import importlib.machinery
import sys

import pytest

from . import host
from .runs import fails, four_runs, raises, refuses

NO_GLUSTER = "The gluster command is not installed on this node: install glusterfs-server"
FUNCTIONS = {
    "pool_list": [],
    "volume_info": [],
    "volume_status": ["one_vol"],
    "volume_set": ["one_vol", {"user.note": "x"}],
    "connections": ["one_vol"],
    "snapshot": [],
}


# Without the gluster command


@pytest.fixture
def no_gluster(one_vol):
    with host.hidden("/usr/sbin/gluster"):
        yield


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_gluster_command(modules, function, no_gluster):
    assert raises(getattr(modules.gluster, function), *FUNCTIONS[function]).startswith(NO_GLUSTER)


def test_no_gluster_command_for_the_states(states, no_gluster):
    assert NO_GLUSTER in refuses(states.gluster_one.volume_configured, "one_vol", timeout=20)


@pytest.mark.parametrize(
    "path, said",
    [
        ("/usr/sbin/mount.glusterfs", "mount.glusterfs is not installed on this node: install glusterfs-client"),
        ("/dev/fuse", "This node has no FUSE (/dev/fuse): load it with `modprobe fuse`"),
    ],
)
def test_no_client(modules, mounted, place, path, said):
    assert modules.gluster_mount_plan.client_missing() is None
    with host.hidden(path):
        assert modules.gluster_mount_plan.client_missing().startswith(said)
        assert said in refuses(mounted, paths=[place], timeout=20)


def test_a_mount_that_is_there_needs_no_mount_command(mounted):
    assert mounted().result is True
    with host.hidden("/usr/sbin/mount.glusterfs"):
        assert mounted().result is True


# Without a place to write, or systemd


def test_fstab_on_a_file_system_that_is_read_only(mounted, place):
    host.sh("mount", "--bind", "/etc", "/etc")
    try:
        host.sh("mount", "-o", "remount,bind,ro", "/etc")
        text = refuses(mounted, paths=[place])
    finally:
        host.sh("umount", "/etc")
    assert "/etc/fstab cannot be written (read-only file system): see that its file system is mounted writable" in text


def test_fstab_on_a_full_disk(mounted, place, tmp_path):
    disk, own = tmp_path, host.FSTAB.with_name("fstab.own")
    host.sh("mount", "-t", "tmpfs", "-o", "size=16k", "disk", disk)
    (disk / "fstab").write_bytes(host.FSTAB.read_bytes())
    host.FSTAB.rename(own)
    host.FSTAB.symlink_to(disk / "fstab")
    host.sh("sh", "-c", f"cat /dev/zero >{disk}/more", check=False)
    try:
        before = host.outside(place)
        run = fails(mounted)
        assert run.changes == {} and host.outside(place) == before
        assert sorted(path.name for path in disk.iterdir()) == ["fstab", "more"]
    finally:
        own.replace(host.FSTAB)
        host.sh("umount", disk)
    assert "/etc/fstab cannot be written (No space left on device): see that" in run.comment


def test_a_host_without_systemd(mounted, place, point):
    host.sh("mount", "-t", "tmpfs", "none", "/run/systemd")
    try:
        run = four_runs(mounted, paths=[place])
        host.sh("umount", point)
    finally:
        host.sh("umount", "/run/systemd")
    assert set(run.changes) == {"directory", "fstab", "mount"}


# Without oneadmin


def test_no_such_user(mounted, place):
    text = refuses(mounted, paths=[place], user="no-such-one", timeout=20)
    assert "'no-such-one' is not a user of this node" in text


# Without OpenNebula


@pytest.fixture
def present(states, oned):
    fixed = {"volume": "one_vol", "host": "kvm1", **oned.arguments}
    return lambda **more: states.gluster_one.one_datastore_present("glusterds", **{**fixed, **more})


@pytest.fixture
def nobody(oned, tmp_path):
    """Each way in which oned does not serve, as arguments of the state."""
    wrong = tmp_path / "one_auth"
    wrong.write_text("oneadmin:wrong\n")
    return {
        "down": {"endpoint": "http://127.0.0.1:9/RPC2", "timeout": 1},
        "wrong password": {"auth_file": str(wrong)},
        "no auth file": {"auth_file": str(tmp_path / "none")},
    }


@pytest.mark.parametrize(
    "how, said",
    [
        ("down", "OpenNebula at http://127.0.0.1:9/RPC2 cannot be reached"),
        ("wrong password", "did not accept the credentials"),
        ("no auth file", "OpenNebula's credentials cannot be read from"),
    ],
)
def test_no_opennebula(present, nobody, oned, how, said):
    oned.requests()
    assert said in refuses(present, within=15, **nobody[how])
    assert oned.writes() == []


def test_no_pyone(make_loaders, oned, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyone", None)
    find = importlib.machinery.PathFinder.find_spec
    absent = lambda name, *words: None if name == "pyone" else find(name, *words)  # noqa: E731
    monkeypatch.setattr(importlib.machinery.PathFinder, "find_spec", absent)
    states = make_loaders().states  # of its own: what is loaded without pyone stays without it
    oned.requests()
    said = refuses(
        states.gluster_one.one_datastore_present, "glusterds", volume="one_vol", host="kvm1", **oned.arguments
    )
    assert "pyone is not installed for this minion's Python: `salt-pip install 'pyone>=7'`" in said
    assert "then restart salt-minion" in said
    assert oned.requests() == []
