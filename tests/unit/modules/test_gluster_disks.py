"""A disk that becomes the file system of bricks: when XFS is made on it, and what is done on the way."""

import json
import os
import re
import stat

import pytest
from salt.exceptions import CommandExecutionError, SaltInvocationError

POINT, LINK, UUID = "/data/one_vol", "/dev/disk/by-id/wwn-1", "41033f75-0ca4-422e-a35e-aee4f7abb2d5"
OTHER = "5b1e0f9c-7d0e-4f1c-9e55-0a1c7a6f3c11"
CHANGES = {
    "/dev/sdb": {"old": "500.1 GB without a signature", "new": "XFS"},
    "fstab": {"old": None, "new": f"{POINT} by the UUID of /dev/sdb"},
    "mount": {"old": None, "new": f"/dev/sdb on {POINT}"},
}


class Disk:
    """/dev/sdb of a server; what runs on it is kept in `done`, and ends at the command `fails`."""

    def __init__(self, execution, monkeypatch):
        self.signatures, self.mounts, self.lines, self.done = [], {}, {}, []
        self.number, self.fails, self.blocked, self.foreign, self.made = "8:16", None, None, {}, {}
        self.hangs = None
        opts, salt = (
            {"test": False},
            {
                "gluster_mount.mount_table": lambda: [
                    {"path": path, "device_number": number} for path, number in self.mounts.items()
                ],
                "gluster_mount.mounts": lambda: {path: {"device": number} for path, number in self.mounts.items()},
                "gluster_mount.foreign_parent": self.foreign.get,
                "gluster_fstab.line": lambda path: self.lines.get(path, {}),
                "gluster_fstab.set_line": self.set_line,
                "gluster_links.mount_point_state": lambda path: {"blocked": self.blocked, "owner": None},
                "gluster_one_record.record": lambda kind, values: self.made.update(values),
                "gluster_one_record.recorded": lambda kind: self.made,
                "gluster_links.make_mount_point": lambda path: self.done.append(f"mkdir {path}"),
            },
        )
        self.utils = {"gluster_process.run": lambda command, **more: self.run(command, **more)}
        self.opts = opts
        self.module = execution("gluster_disks", __salt__=salt, __opts__=opts, __utils__=self.utils)
        monkeypatch.setattr("salt.utils.path.which", lambda name: f"/sbin/{name}")
        monkeypatch.setattr(self.module.uuids, "uuid4", lambda: UUID)
        monkeypatch.setattr(self.module, "_resolved", lambda device: ("/dev/sdb", self.number))
        monkeypatch.setattr(self.module, "_attribute", lambda number, name: str(500107862016 // 512))
        monkeypatch.setattr(self.module, "_require_free", lambda *words: None)

    def run(self, command, timeout):
        word, limit = os.path.basename(command[0]), {"mkfs.xfs": 300, "udevadm": 15}
        assert timeout == limit.get(word, 60)
        if word == self.hangs:
            return [None, "", f"no answer within {timeout} s"]
        if word == "wipefs":
            assert command[1] == "--no-act"
            return [0, json.dumps({"signatures": self.signatures}), ""]
        if word == self.fails:
            return [1, "", f"{word}: it fails. {word}: Use the -f option to force."]
        self.done.append(" ".join([word, *command[1:]]))
        if word == "mkfs.xfs":
            assert self.signatures == [] and "-f" not in command
            uuid = command[command.index("-m") + 1].removeprefix("uuid=")
            assert uuid in self.made, "recorded before"
            self.signatures = [xfs(uuid, command[command.index("-L") + 1])]
        if word == "mount":
            self.mounts[command[1]] = self.number
        return [0, "", ""]

    def set_line(self, path, device, opts, fstype):
        self.done.append(f"fstab {device}")
        self.lines[path] = {"device": device, "fstype": fstype, "opts": opts}

    def changes(self, test=False, run=None):
        self.opts["test"] = test
        return self.module.changes(LINK, POINT, run)

    def refused(self):
        with pytest.raises(CommandExecutionError) as failure:
            self.changes()
        with pytest.raises(CommandExecutionError):
            self.module.prepare(LINK, POINT)
        assert self.done == []
        return str(failure.value)


def xfs(uuid, label=None):
    return {"type": "xfs", "uuid": uuid, "label": label}


@pytest.fixture
def disk(execution, monkeypatch):
    return Disk(execution, monkeypatch)


def test_an_empty_disk_is_made_and_mounted_by_its_uuid_and_then_nothing(disk):
    assert disk.changes() == CHANGES
    disk.module.prepare(LINK, POINT)
    mkfs = f"mkfs.xfs -q -K -i size=512 -L gluster_one -m uuid={UUID} /dev/sdb"
    settle = "udevadm settle --timeout=10"
    assert disk.done == [mkfs, f"mkdir {POINT}", f"fstab UUID={UUID}", settle, f"mount {POINT}"]
    assert "nofail" in disk.lines[POINT]["opts"] and disk.lines[POINT]["fstype"] == "xfs"
    assert disk.changes() == {}
    disk.module.prepare(LINK, POINT)
    assert len(disk.done) == 5


def test_a_run_with_test_makes_nothing_and_knows_it_later(disk):
    assert disk.changes(test=True, run="7") == CHANGES and disk.done == []
    assert disk.changes(test=True, run="7") == {}, "another brick on it"
    assert disk.module.is_planned(f"{POINT}/brick", "7") and not disk.module.is_planned("/data/b/brick", "7")
    assert disk.changes(test=True, run="8") == CHANGES
    disk.opts["test"] = False
    assert not disk.module.is_planned(f"{POINT}/brick", "8")


@pytest.mark.parametrize("ended", ["mkfs.xfs", "fstab", "mount"])
def test_a_run_that_was_ended_is_taken_up(disk, monkeypatch, ended):
    if ended == "fstab":
        monkeypatch.setitem(disk.module.__salt__, "gluster_fstab.set_line", lambda *words, **more: 1 / 0)
    disk.fails = ended
    with pytest.raises((CommandExecutionError, ZeroDivisionError)):
        disk.module.prepare(LINK, POINT)
    monkeypatch.setitem(disk.module.__salt__, "gluster_fstab.set_line", disk.set_line)
    disk.fails = None
    assert list(disk.changes()) == list(CHANGES)[["mkfs.xfs", "fstab", "mount"].index(ended) :]
    disk.module.prepare(LINK, POINT)
    assert disk.changes() == {} and sum("mkfs" in line for line in disk.done) == 1


def test_what_a_command_says_is_one_line(disk):
    disk.fails = "mkfs.xfs"
    with pytest.raises(CommandExecutionError, match=r"^/dev/sdb: XFS was not made: mkfs.xfs: it fails\.$"):
        disk.module.prepare(LINK, POINT)


@pytest.mark.parametrize(
    "word, said",
    [
        ("wipefs", f"{LINK} cannot be read: no answer within 60 s: see dmesg"),
        ("mkfs.xfs", "/dev/sdb: XFS was not made: no answer within 300 s: see dmesg"),
        ("mount", f"/dev/sdb was not mounted on {POINT}: no answer within 60 s: see dmesg"),
    ],
)
def test_a_disk_that_does_not_answer_is_given_up(disk, word, said):
    disk.hangs = word
    with pytest.raises(CommandExecutionError, match=f"^{re.escape(said)}$"):
        disk.module.prepare(LINK, POINT)


KINDS = ["ext4", "btrfs", "swap", "LVM2_member", "linux_raid_member", "crypto_LUKS", "gpt", "dos", "zfs_member",
         "bcache", "ceph_bluestore", "drbd", "ntfs", "mystery"]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_disk_with_any_signature_is_left(disk, kind):
    for more in ([], [xfs(UUID, "gluster_one")], [{"type": kind, "uuid": None}]):
        disk.signatures = [{"type": kind, "uuid": None, "label": None}, *more]
        said = disk.refused()
        assert f"{LINK} may hold data, it has a signature of {kind}" in said
        assert said.endswith("give another device; if nobody needs what is on it, `wipefs --all /dev/sdb`")


def test_an_xfs_that_was_not_made_here_is_left_until_fstab_has_it(disk):
    # A label shows nothing: another host that sees the same disk may have made it, and have it mounted.
    for label in ("backup", "gluster_one"):
        disk.signatures = [xfs(UUID, label)]
        assert f"an XFS that was not made here ({UUID})" in disk.refused()
    disk.lines[POINT] = {"device": f"UUID={UUID}", "fstype": "xfs"}
    assert list(disk.changes()) == ["mount"]
    disk.mounts[POINT] = disk.number
    assert disk.changes() == {}
    disk.lines[POINT] = {"device": "/dev/sdb", "fstype": "xfs"}
    assert disk.changes() == {}, "mounted by hand and by another name"
    disk.lines = {}
    assert list(disk.changes()) == ["fstab"]


@pytest.mark.parametrize("there", ["UUID=" + OTHER, "/dev/sdc1", "kvm1:/one_vol"])
def test_a_line_for_something_else_is_left(disk, there):
    disk.lines[POINT] = {"device": there, "fstype": "xfs"}
    for signatures in ([], [xfs(UUID, "gluster_one")]):
        disk.signatures = signatures
        assert disk.refused() == f"/etc/fstab mounts {there} on {POINT}, not {LINK}: remove that line, or device"


def test_what_is_mounted(disk):
    disk.mounts[POINT] = "8:32"
    assert disk.refused() == f"8:32 is mounted on {POINT}, not {LINK}: correct one of them"
    disk.mounts = {"/srv/mine": "8:16"}
    assert disk.refused() == f"{LINK} is in use, mounted on /srv/mine: give another one"
    disk.mounts, disk.signatures = {POINT: "8:16"}, [{"type": "ext4", "uuid": UUID}]
    assert "is not XFS: leave device out" in disk.refused()


def test_the_mount_point_holds_nothing_and_is_root_s(disk):
    disk.blocked = "holds 3 files: move them away"
    assert disk.refused() == f"{POINT} holds 3 files: move them away"
    disk.foreign[f"{POINT}/brick"] = "/data"
    assert "others than root can write to /data" in disk.refused()


def test_another_disk_under_the_same_link_is_noticed(disk, monkeypatch):
    run = disk.run

    def exchanged(command, **more):
        done = run(command, **more)
        disk.number = "8:48" if command[0] == "/sbin/mkfs.xfs" else disk.number
        return done

    monkeypatch.setattr(disk, "run", exchanged)
    with pytest.raises(CommandExecutionError, match="is another device by now"):
        disk.module.prepare(LINK, POINT)
    assert disk.lines == {} and disk.mounts == {}


def test_another_host_that_makes_its_own_on_the_same_disk_is_noticed(disk, monkeypatch):
    run = disk.run

    def overtaken(command, **more):
        done = run(command, **more)
        if command[0] == "/sbin/mkfs.xfs":
            disk.signatures, disk.made[OTHER] = [xfs(OTHER, "gluster_one")], POINT
        return done

    monkeypatch.setattr(disk, "run", overtaken)
    with pytest.raises(CommandExecutionError, match="has not the XFS that was made on it"):
        disk.module.prepare(LINK, POINT)
    assert disk.lines == {} and disk.mounts == {}


@pytest.mark.parametrize(
    ("users", "error"),
    [
        (([7], None), r"/dev/disk/by-id/wwn-1 is in use by one-7 \(7\): give another device"),
        (([7], 9), r"/dev/disk/by-id/wwn-1 is in use by one-7 \(7\): give another device"),
        (([], 9), r"it is not known whether /dev/disk/by-id/wwn-1 is in use: .* one-7 \(9\) could not: end that"),
    ],
)
def test_a_device_that_a_process_has_or_may_have_open_is_not_used(execution, users, error):
    utils = {
        "gluster_process.process_name": lambda pid: f"one-7 ({pid})",
        "gluster_process.users": lambda holds: users if holds("/dev/sdb") and not holds("/dev/sdb1") else ([], None),
    }
    with pytest.raises(CommandExecutionError, match=error):
        execution("gluster_disks", __utils__=utils)._require_unused(LINK, "/dev/sdb")
    execution("gluster_disks", __utils__=utils)._require_unused(LINK, "/dev/sdc")


@pytest.fixture
def resolved(execution, monkeypatch):
    """resolved(device, name, mode, uid, foreign): what a path below /dev leads to."""

    def make(device, name="/dev/sdb", mode=stat.S_IFBLK | 0o660, uid=0, foreign=None):
        module = execution("gluster_disks", __salt__={"gluster_mount.foreign_parent": (foreign or {}).get})
        monkeypatch.setattr("os.path.realpath", lambda path: name if path.startswith("/dev/disk/") else path)
        seen = os.stat_result((mode, 0, 0, 1, uid, 6, 0, 0, 0, 0), {"st_rdev": os.makedev(8, 16)})
        monkeypatch.setattr("os.stat", lambda path: seen)
        try:
            return module._resolved(device)
        finally:
            monkeypatch.undo()

    return make


def test_a_link_below_dev_leads_to_a_disk(resolved):
    assert resolved(LINK) == ("/dev/sdb", "8:16")
    assert resolved("/dev/sdc") == ("/dev/sdc", "8:16")


@pytest.mark.parametrize(
    "device, more, said",
    [
        ("/srv/disk", {}, "a device below /dev is needed"),
        ("/dev/../srv/disk", {}, "a device below /dev is needed"),
        (LINK, {"name": "/srv/image"}, "a device below /dev is needed"),
        ("/dev/shm/disk", {"foreign": {"/dev/shm/disk": "/dev/shm"}}, "others than root can write to /dev/shm"),
        (LINK, {"name": "/dev/shm/x", "foreign": {"/dev/shm/x": "/dev/shm"}}, "others than root can write to /dev/shm"),
        ("/dev/null", {"mode": stat.S_IFCHR | 0o666}, "it is not a block device"),
        ("/dev/sdb", {"uid": 9869}, "belongs to the user 9869, as the disk of a VM does"),
    ],
)
def test_what_is_no_disk_of_root_s(resolved, device, more, said):
    with pytest.raises((CommandExecutionError, SaltInvocationError), match=said):
        resolved(device, **more)


@pytest.mark.parametrize(
    "size, said", [(335544320, "335.5 MB"), (999_999_999_999, "1000.0 GB"), (4 * 10**12, "4.0 TB")]
)
def test_sizes_as_disks_have_them(disk, size, said):
    assert disk.module._size(size) == said
