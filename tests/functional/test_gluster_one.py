"""This node's part: mounts in every condition, what a user can write, and native access."""

import os
import re
import shutil
from pathlib import Path

import pytest
from salt.exceptions import CommandExecutionError

from . import host

ABSENT = {"state": "absent", "device": None, "fstype": None, "volume": None}
ALIVE = {"state": "alive", "device": "kvm1:/small_vol", "fstype": "fuse.glusterfs", "volume": "small_vol"}


@pytest.fixture(scope="module")
def closed_vol(one_vol):
    """A volume as it is before the guide: its bricks reject clients that do not come from a low port."""
    with host.volume("closed_vol", copies=3, server__allow_insecure="off") as name:
        yield name


def health(modules, point):
    with host.seconds(8):
        return modules.gluster_mount.mount_health(str(point))


def test_a_server_by_a_name_that_leads_to_this_node(modules):
    hosts = Path("/etc/hosts")
    before = hosts.read_text()
    servers = ["gl1.storage", "gl2.storage", "kvm3"]
    try:
        hosts.write_text(f"{before}\n10.77.1.1 gl1.storage\n10.77.1.2 gl2.storage\n")
        plans = [
            modules.gluster_one_pillar.node({"volumes": {"one_vol": {"servers": each}}})
            for each in (servers, servers[::-1], servers[1:])
        ]
    finally:
        hosts.write_text(before)
    assert [plan["errors"] for plan in plans] == [[], [], []]
    assert [plan["named"] for plan in plans] == [True, True, False]
    assert [plan["volumes"]["one_vol"]["coordinator"] for plan in plans] == [True, False, False]
    assert "gl1.storage" in plans[0]["names"] and not {"gl1.storage", "gl2.storage"} & set(plans[2]["names"])


def test_health_of_nothing(modules, point):
    assert health(modules, point) == ABSENT
    point.mkdir()
    assert health(modules, point) == ABSENT


def test_health_of_a_mount(modules, served):
    assert health(modules, served) == ALIVE


def test_health_of_a_sub_directory_of_a_volume(modules, point, other_node):
    (other_node / "sub").mkdir()
    point.mkdir()
    host.sh("mount", "-t", "glusterfs", "kvm1:/small_vol/sub", point)
    assert health(modules, point) == {**ALIVE, "device": "kvm1:/small_vol/sub", "volume": "small_vol/sub"}


def test_health_of_another_file_system(modules, point):
    point.mkdir()
    host.sh("mount", "-t", "tmpfs", "scratch", point)
    try:
        assert health(modules, point) == {"state": "alive", "device": "scratch", "fstype": "tmpfs", "volume": None}
    finally:
        host.sh("umount", point)


@pytest.mark.parametrize("above", ["/", "/tmp", "/mnt"])
def test_what_lies_beneath_a_mount(modules, above):
    path = Path(above, "gluster_one-beneath")
    path.mkdir()
    (path / "image").touch()
    host.sh("mount", "-t", "tmpfs", "scratch", path)
    try:
        (path / "of the mount").touch()
        assert modules.gluster_links.files_beneath(str(path)) == ["image"]
    finally:
        host.sh("umount", path)
        shutil.rmtree(path)
    path.mkdir()
    assert modules.gluster_links.files_beneath(str(path)) == []
    path.rmdir()


MARKS = {
    "the mark": (Path.touch, []),
    "a directory": (Path.mkdir, [".monitor"]),
    "a link": (lambda path: path.symlink_to("/etc/passwd"), [".monitor"]),
    "large": (lambda path: path.write_text("x" * 2000), [".monitor"]),
    "oneadmin's": (lambda path: (path.touch(), os.chown(path, 9869, 9869)), [".monitor"]),
}


@pytest.mark.parametrize("make, names", MARKS.values(), ids=MARKS)
def test_opennebula_s_mark_beneath_a_mount(modules, make, names):
    path = Path("/mnt/gluster_one-mark")
    path.mkdir()
    make(path / ".monitor")
    host.sh("mount", "-t", "tmpfs", "scratch", path)
    try:
        assert modules.gluster_links.files_beneath(str(path)) == names
    finally:
        host.sh("umount", path)
        shutil.rmtree(path)


def test_health_of_a_mount_whose_client_died(modules, served):
    host.kill(host.fuse_client(served))
    assert health(modules, served) == {**ALIVE, "state": "dead"}


def test_health_of_a_mount_that_hangs(modules, served):
    with host.stopped(host.fuse_client(served)):
        assert health(modules, served) == {**ALIVE, "state": "hung"}
    assert health(modules, served) == ALIVE


# Mounting


@pytest.fixture
def in_fstab(modules, point):
    point.mkdir()
    modules.gluster_fstab.set_line(str(point), "kvm1:/small_vol", ["defaults", "_netdev", "nosuid", "nodev"])
    return point


def test_mount_gives_the_client_to_its_mount_unit(modules, in_fstab, other_node):
    assert modules.gluster_mount.mount(str(in_fstab)) is None
    unit = host.unit_of(in_fstab)
    assert unit == "mnt-place\\x2d1-0.mount"
    assert f"/system.slice/{unit}\n" in Path(f"/proc/{host.fuse_client(in_fstab)}/cgroup").read_text()
    (in_fstab / "here").write_text("x")
    assert (other_node / "here").read_text() == "x"


def test_mount_of_what_is_mounted(modules, served):
    assert modules.gluster_mount.mount(str(served)) is None
    assert [point for _, point in host.mounts()].count(str(served)) == 1


def test_mount_repairs_a_dead_mount_that_is_in_use(modules, served, other_node):
    (served / "here").write_text("x")
    user = os.open(served, os.O_RDONLY)
    try:
        host.kill(host.fuse_client(served))
        assert modules.gluster_mount.mount(str(served)) is None
        assert (served / "here").read_text() == "x"
    finally:
        os.close(user)


def test_mount_of_what_fstab_does_not_know(modules, point):
    point.mkdir()
    with pytest.raises(CommandExecutionError, match="systemctl restart mnt-place"):
        modules.gluster_mount.mount(str(point))


def test_mount_of_a_volume_that_does_not_exist_says_what_the_client_said(modules, point):
    point.mkdir()
    modules.gluster_fstab.set_line(str(point), "kvm1:/no_such_vol", ["defaults", "_netdev", "nosuid", "nodev"])
    try:  # the client may end before the command does, or right behind it
        said = modules.gluster_mount.mount(str(point))
    except CommandExecutionError as exc:
        said = str(exc)
    assert re.search("(?i)failed to (get|fetch).*volume file|volfile", said)
    assert "\n" not in said


def test_mount_that_the_bricks_refuse_says_so(modules, point, closed_vol):
    point.mkdir()
    modules.gluster_fstab.set_line(str(point), f"kvm1:/{closed_vol}", ["defaults", "_netdev", "nosuid", "nodev"])
    with pytest.raises(CommandExecutionError, match="server.allow-insecure (of volume closed_vol )?is off") as failure:
        modules.gluster_mount.mount(str(point))
    assert "\n" not in str(failure.value)


def test_unmount(modules, served):
    assert modules.gluster_mount.unmount(str(served)) is True
    assert not host.mounted(served)


def test_unmount_a_dead_mount(modules, served):
    host.kill(host.fuse_client(served))
    assert modules.gluster_mount.unmount(str(served)) is True
    assert not host.mounted(served)


def test_unmount_of_nothing(modules, point):
    point.mkdir()
    with pytest.raises(CommandExecutionError, match=f"umount -l {point}: .*not mounted"):
        modules.gluster_mount.unmount(str(point))


def test_a_client_says_which_brick_it_has_not(modules, one_vol):
    point = host.open_directory("one_vol")
    host.sh("mount", "-t", "glusterfs", f"kvm1:/{one_vol}", point)
    try:
        host.eventually("it has all bricks", lambda: modules.gluster_one.apart()[one_vol] == [])
        host.kill(*host.brick_pids(one_vol)[one_vol])
        apart = [f"kvm1:/data/{one_vol}"]
        host.eventually("it has not the first", lambda: modules.gluster_one.apart()[one_vol] == apart)
        with host.stopped(host.fuse_client(point)):
            assert modules.gluster_one.apart()[one_vol] is None
    finally:
        host.gluster("volume", "start", one_vol, "force")
        host.let_go(point)
        host.eventually("the brick is back", lambda: host.bricks_online(one_vol))


# Who can write


def test_oneadmin_can_write(modules, served):
    assert modules.gluster_mount.write_error(str(served)) is None
    assert os.listdir(served) == []


def test_somebody_else_cannot(modules, served):
    assert "Permission denied" in modules.gluster_mount.write_error(str(served), user="daemon")
    assert os.listdir(served) == []


def test_nobody_can_in_the_bare_mount_point(modules, point):
    modules.gluster_links.make_mount_point(str(point))
    assert "Permission denied" in modules.gluster_mount.write_error(str(point))


def test_writable_beside_a_file_of_an_earlier_look_that_cannot_be_written(modules, served):
    """It was left when only one brick took it; here it is root's. The owner of the directory can remove it."""
    left = served / f".gluster_one.write-test.{os.uname().nodename}.00000000"
    left.write_text("")
    left.chmod(0o600)
    assert modules.gluster_mount.write_error(str(served)) is None
    assert not [name for name in os.listdir(served) if "write-test" in name]


def test_writable_for_no_such_user(modules, served):
    with pytest.raises(CommandExecutionError, match="There is no user no-such-one on this node: install OpenNebula's"):
        modules.gluster_mount.write_error(str(served), user="no-such-one")


def test_writable_while_the_mount_hangs(modules, served):
    with host.stopped(host.fuse_client(served)), host.seconds(8):
        assert modules.gluster_mount.write_error(str(served)) == "no answer within 3 s"


def test_writable_with_a_dead_mount(modules, served):
    host.kill(host.fuse_client(served))
    assert "Transport endpoint is not connected" in modules.gluster_mount.write_error(str(served))


# A file on the mount, as a VM has its disk there


def test_qemu_uses_a_file_on_the_mount(modules, served):
    with host.seconds(5):
        assert modules.gluster_native.file_error(str(served)) is None
    assert "Permission denied" in modules.gluster_native.file_error(str(served), user="daemon")
    assert os.listdir(served) == []
    host.kill(host.fuse_client(served))
    assert modules.gluster_native.file_error(str(served)) == f"the mount on {served} is dead"


# Native access


def test_native_access(modules):
    found = modules.gluster_native.native_access()
    assert found["gluster"] is True
    assert found["qemu"] in host.sh("qemu-img", "--version")
    assert found["libvirt"] in host.sh("libvirtd", "--version")


def of_another_build(driver, copy):
    """QEMU's module as another build has it: of another stamp."""
    stamp = re.search(rb"qemu_stamp_\w+", copy.read_bytes())[0]
    driver.write_bytes(copy.read_bytes().replace(stamp, stamp[:-4] + b"0000"))


@pytest.mark.parametrize(
    "spoil, seen, cure",
    [
        (lambda driver, copy: None, "its gluster driver is not installed", "install the-package"),
        (
            of_another_build,
            "nly modules from the same build can be loaded",
            "install QEMU and the-package of one version",
        ),
        (lambda driver, copy: driver.write_text("x"), "file too short", "install the-package again"),
    ],
)
def test_native_access_without_the_driver(modules, spoil, seen, cure):
    (driver,) = Path("/usr/lib").glob("*/qemu/block-gluster.so")
    with host.hidden(driver):
        try:
            spoil(driver, Path(f"{driver}.hidden"))
            found = modules.gluster_native.native_access()
        finally:
            driver.unlink(missing_ok=True)
    _, said, _, todo = modules.gluster_native.access_missing(found, "the-package")
    assert (found["gluster"], found["built"], seen in said, todo) == (False, True, True, cure)


def test_native_access_without_libgfapi(modules):
    (library,) = Path("/usr/lib").glob("*/libgfapi.so.0")
    with host.hidden(library):
        found = modules.gluster_native.native_access()
    _, said, _, todo = modules.gluster_native.access_missing(found, "the-package")
    assert "libgfapi.so.0: cannot open shared object file" in said and "Debian: libgfapi0" in todo


def test_native_access_without_qemu_and_libvirt(modules):
    with host.hidden("/usr/bin/qemu-img", "/usr/sbin/libvirtd"):
        found = modules.gluster_native.native_access()
    assert found == {"qemu": None, "libvirt": None, "gluster": False, "built": False, "error": None}


def test_native_read(modules, other_node, small_vol):
    image = other_node / "7/disk.0"
    image.parent.mkdir()
    host.sh("qemu-img", "create", "-q", "-f", "raw", image, "8M")
    host.sh("chown", "-R", "oneadmin:", image.parent)
    with host.seconds(5):
        assert modules.gluster_native.native_read(small_vol, "7/disk.0", host="kvm1") is None
    image.write_bytes(b"short")
    assert "Input/output error" in modules.gluster_native.native_read(small_vol, "7/disk.0", host="kvm1")


def test_native_read_that_is_refused_says_what_gluster_said(modules, closed_vol):
    # The library gives up after ten seconds of its own, more on a machine that is busy.
    said = modules.gluster_native.native_read(closed_vol, "7/disk.0", host="kvm1", timeout=120)
    assert f"Gluster connection for volume {closed_vol}, path 7/disk.0 failed to connect" in said
    assert "\n" not in said and said.startswith("can't open device gluster://")


def test_native_read_by_a_qemu_that_crashes(modules, small_vol):
    """Without memory it ends without a word."""
    program = Path("/usr/bin/qemu-io")
    with host.hidden(program):
        try:
            program.write_text(f"#!/bin/sh\nulimit -v 1\nexec {program}.hidden $@\n")
            program.chmod(0o755)
            said = modules.gluster_native.native_read(small_vol, "image", host="kvm1")
        finally:
            program.unlink()
    assert said.startswith("qemu-io: it ended by SIG")


def test_native_read_for_no_such_user_or_without_qemu(modules, small_vol):
    with pytest.raises(CommandExecutionError, match="There is no user no-such-one on this node"):
        modules.gluster_native.native_read(small_vol, "image", user="no-such-one")
    with host.hidden("/usr/bin/qemu-io"):
        with pytest.raises(CommandExecutionError, match="qemu-io is not installed on this node: install qemu-utils"):
            modules.gluster_native.native_read(small_vol, "image")


def test_a_volume_that_is_mounted_several_times_has_a_client_each(modules, one_vol):
    points = [host.open_directory(name) for name in ("first", "read_only", "sub", "within")]
    whole, *_, within = points
    host.sh("mount", "-t", "glusterfs", f"kvm1:/{one_vol}", whole)
    try:
        (whole / "sub").mkdir()
        host.sh("mount", "-t", "glusterfs", "-o", "ro", f"kvm1:/{one_vol}", points[1])
        host.sh("mount", "-t", "glusterfs", f"kvm1:/{one_vol}/sub", points[2])
        host.sh("mount", "--bind", whole / "sub", within)  # no client of its own
        host.eventually("all have all bricks", lambda: modules.gluster_one.apart()[one_vol] == [])
        with host.stopped(host.fuse_client(points[1])):
            assert modules.gluster_one.apart()[one_vol] is None
    finally:
        for point in reversed(points):
            host.let_go(point)
        with host.mounted_aside(one_vol) as point:
            (point / "sub").rmdir()


def test_what_a_node_says_that_was_set_up_by_hand(modules, served, small_vol):
    stores = Path("/var/lib/one/datastores")
    stores.mkdir(parents=True, exist_ok=True)
    links = {"901": served, "902": served / "sub/dir", "903": "901", "904": "/nowhere"}
    try:
        for name, target in links.items():
            (stores / name).symlink_to(target)
        found = modules.gluster_one_adopt.found()
        with host.stopped(host.fuse_client(served)), host.seconds(10):
            again = modules.gluster_one_adopt.found()
    finally:
        for name in links:
            (stores / name).unlink(missing_ok=True)
    states, seen = [], []
    for each in (found, again):
        mounts = {mount["path"]: mount for mount in each["mounts"]}
        states.append(mounts[str(served)].pop("state"))
        seen.append((mounts[str(served)], {name: each["directories"][name]["leads"] for name in links}))
    assert states == ["alive", "hung"]
    mount = {
        "path": str(served), "device": f"kvm1:/{small_vol}", "volume": small_vol, "servers": ["kvm1"], "options": [],
        "flags": [], "place": str(served), "refused": None,
    }  # fmt: skip
    assert seen == [(mount, {"901": small_vol, "902": f"{small_vol}/sub/dir", "903": small_vol, "904": None})] * 2
    (line,) = [line for line in found["fstab"] if line["path"] == str(served)]
    assert (line["volume"], line["away"]) == (small_vol, [])
    assert {tuple(peer["hostnames"]) for peer in found["pool"]["peers"]} == {("kvm2",), ("kvm3",)}
    volume = found["pool"]["volumes"][small_vol]
    assert (volume["insecure"], volume["uid"], volume["gid"], volume["options"]) == ("on", "9869", "9869", {})
    assert volume["servers"] == [found["pool"]["uuid"]]
