"""The state gluster_one.datastore_mounted: it loses nothing, and it waits for others, but not for ever."""

from pathlib import Path

import pytest

from . import host
from .obstacles import BLOCKING, FILES, MOUNTS, files
from .runs import fails, idle, refuses

# Loses nothing


@pytest.mark.parametrize("make, said", MOUNTS.values(), ids=MOUNTS)
def test_what_must_not_be_mounted_on(mounted, place, point, make, said):
    make(point)
    try:
        text = refuses(mounted, paths=[place], links=[str(place / "1")])
        assert said in text and str(point) in text
    finally:
        host.sh("umount", point, check=False)


@pytest.mark.parametrize("make, detail", BLOCKING.values(), ids=BLOCKING)
def test_what_must_not_become_a_link(mounted, served, place, make, detail):
    make(place / "101")
    text = refuses(mounted, paths=[place / "101"], servers=["kvm1"], links=[str(place / "101")])
    assert f"{place}/101 {detail} and cannot become a link to {served}: move what it holds there" in text


def test_what_must_not_become_a_link_hinders_nothing_else(mounted, place, point, identifiers):
    identifiers('{"glusterds": 101, "others": 102}')
    files(place / "101")
    files(place / "1")
    before = host.tree(place / "101")
    arguments = {"datastores": ["glusterds", "others"], "links": [str(place / "1"), str(place / "2")]}
    predicted = mounted(test=True, **arguments)  # the identifiers are known from another mount of the volume
    run = fails(mounted, **arguments)
    assert run.comment.count(f"{FILES} and cannot become a link to {point}") == 2
    assert (predicted.result, predicted.comment, predicted.changes) == (False, run.comment, run.changes)
    assert set(run.changes) == {"directory", "fstab", "mount", "link for others", str(place / "2")}
    assert host.mounted(point) and (place / "102").is_symlink() and host.tree(place / "101") == before


def test_a_link_that_turns_out_to_be_impossible_after_the_mount(mounted, place, other_node):
    files(place / "101")
    before = host.tree(place / "101")
    inside = other_node / ".gluster_one"
    leave = f"""mkdir -p {inside} && echo '{{"glusterds": 101}}' >{inside}/datastores.json"""
    with host.later(3, leave):
        run = fails(mounted, datastores=["glusterds"])
    assert f"{place}/101 {FILES} and cannot become a link" in run.comment
    assert host.tree(place / "101") == before
    assert set(run.changes) == {"directory", "fstab", "mount"}, "what was done is said"


@pytest.mark.parametrize(
    "line",
    [
        "/dev/vdc {} ext4 defaults 0 2",
        "/dev/vdc {}/ ext4 defaults 0 2",
        "kvm1:/other_vol {} glusterfs defaults 0 0",
        "kvm1:/small_vol {} nfs ro 0 0",
    ],
)
def test_a_line_of_somebody_else_in_fstab(mounted, place, point, line):
    host.FSTAB.write_text(f"# mine\n{line.format(point)}\n")
    text = refuses(mounted, paths=[place])
    assert f"/etc/fstab mounts {line.split()[0]} " in text and "remove that line" in text


@pytest.mark.parametrize("seen", [False, True])
def test_an_automounter_of_systemd_s(mounted, modules, point, seen):
    """It is not woken by what is looked at, and goes as the error says."""
    line, options = f"kvm1:/small_vol {point} glusterfs {{}} 0 0\n", "noauto,x-systemd.automount,_netdev"
    host.FSTAB.write_text(line.format(options))
    unit = host.unit_of(point).replace(".mount", ".automount")
    host.sh("systemctl", "daemon-reload")
    host.sh("systemctl", "start", unit)
    try:
        if seen:
            host.sh("ls", point)
        text = refuses(mounted)
        assert f"/etc/fstab mounts {point} with noauto, x-systemd.automount, " in text
        assert f"remove noauto and x-systemd.automount, then `systemctl daemon-reload; systemctl stop '{unit}'`" in text
        host.FSTAB.write_text(line.format("_netdev"))
        assert f"{point} is an automounter's (systemd-1), " in refuses(mounted)
        assert modules.gluster_mount.mount_health(str(point))["volume"] == ("small_vol" if seen else None)
    finally:
        host.sh("sh", "-c", f"systemctl daemon-reload; systemctl stop '{unit}'")
    run = mounted()
    assert run.result is True and host.mounted(point), run.comment


def test_a_mount_that_hangs(mounted, served):
    with host.stopped(host.fuse_client(served)):
        text = refuses(mounted)
    assert f"{served} does not answer: a brick of volume small_vol or the network hangs" in text


@pytest.mark.parametrize(
    "key, value",
    [
        ("servers", []),
        ("servers", "kvm1, kvm2"),
        ("name", "mnt/place-1/0"),
        ("name", "/mnt/place-1/a b"),
        ("links", "/mnt/place-1/1"),
        ("links", ["1"]),
        ("datastores", "glusterds"),
        ("options", "acl"),
    ],
)
def test_a_wrong_argument_is_named_before_anything_is_touched(mounted, place, key, value):
    text = refuses(mounted, paths=[place], timeout=2, **{key: value})
    assert (value if key == "name" else f"{key} is {value!r}") in text


# Waiting


def test_a_volume_that_is_started_later(mounted, place, new_volume):
    name = new_volume("late_vol", start=False, storage__owner_uid="9869")
    predicted = mounted(volume=name, test=True)
    assert predicted.result is None
    assert "; now it could not be mounted: the volume is not started, or bricks of it are down" in predicted.comment
    try:
        with host.later(2, f"gluster --mode=script volume start {name} >/dev/null"):
            run = mounted(volume=name)
        assert run.result is True, run.comment
        idle(mounted, volume=name)
    finally:
        host.let_go(place / "0")


def test_an_owner_that_is_set_later(mounted, small_vol):
    host.gluster("volume", "set", small_vol, "storage.owner-uid", "0", "storage.owner-gid", "0")
    command = f"gluster --mode=script volume set {small_vol} storage.owner-uid 9869 storage.owner-gid 9869 >/dev/null"
    with host.later(1, command):
        run = mounted()
    assert run.result is True, run.comment


def test_identifiers_that_the_head_leaves_later(mounted, place, other_node, identifiers):
    identifiers('{"gluster_system": 100}')
    assert mounted().result is True
    new = other_node / ".gluster_one/new"
    script = f"""echo '{{"gluster_system": 100, "glusterds": 101}}' >{new}; mv {new} {new.parent}/datastores.json"""
    with host.later(3, script):
        run = mounted(datastores=["glusterds", "gluster_system"])
    assert run.result is True, run.comment
    assert "s for the head)" in run.comment
    assert (place / "101").is_symlink() and (place / "100").is_symlink()


@pytest.mark.parametrize(
    "volume, said",
    [
        ("no_such_vol", "volume no_such_vol on kvm1: no such volume: see `gluster volume list` on kvm1"),
        ("small_vol/none", "volume small_vol has no directory /none: make it there, or correct the name"),
    ],
)
def test_what_no_waiting_brings_is_said_at_once(mounted, point, small_vol, volume, said):
    predicted = fails(mounted, volume=volume, test=True)
    assert said in predicted.comment and f"Volume {volume} cannot be mounted: " in predicted.comment
    run = fails(mounted, volume=volume, timeout=60)
    assert f"Volume {volume} was not mounted on {point}: " in run.comment and said in run.comment
    assert set(run.changes) == {"directory", "fstab"}


def far_volume(name, *options):
    """A volume whose brick is on another host, where this one is a client like any other."""
    host.eventually("every server sees every other", host.pool_whole)
    host.gluster("volume", "create", name, f"kvm2:/data/{name}", "force")
    host.gluster("volume", "set", name, "storage.owner-uid", "9869", "storage.owner-gid", "9869", *options)
    host.gluster("volume", "start", name)
    host.eventually("its brick runs", lambda: host.bricks_online(name))


def test_why_this_node_is_rejected(mounted, point):
    """By auth.allow, which the first server may be about to change; by a brick that was started while it rejected."""
    name = "far_vol"
    asked = {"volume": name, "servers": ["kvm2", "kvm1"]}  # its own glusterd would tell a member of the pool a password
    try:
        far_volume(name, "auth.allow", "10.77.1.2")
        said = "the bricks reject this node, 10.77.1.1: auth.allow, auth.reject or, with TLS, auth.ssl-allow"
        predicted = mounted(test=True, **asked)
        assert predicted.result is None and f"; now it could not be mounted: {said}" in predicted.comment
        run = fails(mounted, timeout=1, **asked)
        assert said in run.comment and "put 10.77.1.1 there and apply gluster_one.volume to" in run.comment
        assert "allow-insecure" not in run.comment
        host.gluster("volume", "set", name, "auth.allow", "*", "auth.reject", "10.77.1.1")
        assert said in (run := mounted(test=True, **asked)).comment and "auth.reject wins: take what" in run.comment
        host.gluster("volume", "set", name, "auth.reject", "NONE", "server.allow-insecure", "off")
        host.gluster("volume", "stop", name)
        host.gluster("volume", "start", name)
        host.gluster("volume", "set", name, "server.allow-insecure", "on")
        predicted = mounted(test=True, **asked)
        assert "server.allow-insecure is off, or was off when a brick was started: apply glus" in predicted.comment
        assert "auth.allow" not in predicted.comment
        host.gluster("volume", "set", name, "client.ssl", "on")
        said = "client.ssl of volume far_vol is on, and this node has no such key or certificate for it: cert at /"
        assert said in fails(mounted, timeout=60, **asked).comment
    finally:
        host.let_go(point)
        host.remove_volume(name)


# Instead of mount.glusterfs: it does nothing and says that it went well; its client goes away a moment later.
SEEMING = {"nothing": "exit 0", "a moment": '"$0.hidden" "$@"; (sleep 0.6; umount -l "$2") >/dev/null 2>&1 &'}


@pytest.mark.parametrize("script", SEEMING.values(), ids=SEEMING)
def test_a_mount_that_only_seemed_to_be_is_none(mounted, place, point, script):
    path = Path("/usr/sbin/mount.glusterfs")
    with host.hidden(path):
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        run = fails(mounted, links=[str(place / "1")], timeout=3, within=20)
        host.eventually("it is gone", lambda: not host.mounted(point))
    assert f"Volume small_vol was not mounted on {point} within 3 s" in run.comment
    assert set(run.changes) == {"directory", "fstab"}
    assert not (place / "1").is_symlink()
    assert (point.stat().st_uid, point.stat().st_mode & 0o7777) == (0, 0o755)


def test_an_owner_that_is_never_set(mounted, point, small_vol):
    host.gluster("volume", "set", small_vol, "storage.owner-uid", "0", "storage.owner-gid", "0")
    try:
        run = fails(mounted, timeout=2)
    finally:
        host.gluster("volume", "set", small_vol, "storage.owner-uid", "9869", "storage.owner-gid", "9869")
    assert f"oneadmin could not write in {point} within 2 s (last seen: " in run.comment
    assert "Permission denied" in run.comment


def test_what_no_waiting_changes_is_not_waited_for(mounted, modules, point, small_vol):
    assert mounted().result is True
    host.gluster("volume", "set", small_vol, "features.read-only", "on")
    try:
        host.eventually("it cannot be written", lambda: modules.gluster_mount.write_error(str(point)))
        run = fails(mounted, timeout=60, within=15)
    finally:
        host.gluster("volume", "reset", small_vol, "features.read-only")
        host.eventually("it can be written", lambda: not modules.gluster_mount.write_error(str(point)))
    assert f"oneadmin cannot write in {point}: Read-only file system: see `findmnt" in run.comment


def test_a_full_volume_is_said_at_once(mounted, point):
    """It takes an empty file still."""
    name, disk = "full_vol", Path("/data/full_vol")
    disk.mkdir()
    host.sh("mount", "-t", "tmpfs", "-o", "size=8m", "full", disk)
    try:
        host.gluster("volume", "create", name, f"kvm1:{disk}/brick", "force")
        host.gluster("volume", "set", name, "storage.owner-uid", "9869", "storage.reserve", "0")
        host.gluster("volume", "start", name)
        assert mounted(volume=name).result is True
        host.sh("dd", "if=/dev/zero", f"of={disk}/other", "bs=4k", check=False)
        (point / "empty").touch()
        run = fails(mounted, volume=name, timeout=60, within=15)
    finally:
        host.let_go(point)
        host.sh("umount", "-l", disk, check=False)
        host.remove_volume(name)
    assert f"oneadmin cannot write in {point}: No space left on device: volume {name} is full: delete" in run.comment


def test_identifiers_that_never_come(mounted, identifiers):
    identifiers('{"gluster_system": 100, "glusterds": "101"}')
    run = fails(mounted, datastores=["gluster_system", "glusterds"], timeout=2)
    assert "within 2 s (last seen: none for glusterds)" in run.comment


def test_a_mount_that_never_answers_is_an_error_after_timeout(mounted, new_volume):
    """A client that the only brick rejects says nothing, and systemd waits for it for 90 s."""
    name = new_volume("closed_vol", server__allow_insecure="off")
    run = fails(mounted, volume=name, timeout=5, within=20)
    assert f"Volume {name} was not mounted" in run.comment
