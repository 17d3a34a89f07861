"""The line of /etc/fstab, byte for byte, and what may be mounted on."""

import os
import re
from pathlib import Path

import pytest
from salt.exceptions import CommandExecutionError, SaltInvocationError

from . import host
from .obstacles import MOUNTS

OTHERS = """\
# /etc/fstab: static file system information.
UUID=0a1b  /        ext4\terrors=remount-ro 0 1
   # indented, with a tab\tin it
tmpfs\t/scratch\\040space  tmpfs   size=1m,mode=0700   0   0

kvm9:/other_vol /mnt/other glusterfs defaults,_netdev,backup-volfile-servers=kvm8 0 0
/dev/vdb none swap sw 0 0"""
POINT = "/mnt/place-1/0"
LINE = f"kvm1:/small_vol\t\t{POINT}\tglusterfs\tdefaults,_netdev,nosuid,nodev\t0 0\n"
OPTS = ["defaults", "_netdev", "nosuid", "nodev"]


def words(line):
    return line.split()


@pytest.fixture
def fstab(place):
    """/etc/fstab with lines of other people; ``place`` restores it."""
    host.FSTAB.write_text(OTHERS)
    return host.FSTAB


def test_no_entry(modules, fstab):
    assert modules.gluster_fstab.line(POINT) == {}
    assert modules.gluster_fstab.line("/")["volume"] is None


@pytest.mark.parametrize("end", ["", "\n"], ids=["last line without an end", "with one"])
def test_entry_set_adds_one_line_and_leaves_every_other_byte(modules, fstab, end):
    fstab.write_text(OTHERS + end)
    assert modules.gluster_fstab.set_line(POINT, "kvm1:/small_vol", OPTS) is True
    text = fstab.read_text()
    assert text.startswith(OTHERS + "\n")
    assert words(text.removeprefix(OTHERS + "\n")) == words(LINE)
    assert text.endswith("\n") and text.count("\n") == OTHERS.count("\n") + 2
    assert modules.gluster_fstab.line(POINT) == {
        "device": "kvm1:/small_vol",
        "fstype": "glusterfs",
        "opts": OPTS,
        "volume": "small_vol",
    }


def test_entry_set_in_an_empty_file(modules, fstab):
    fstab.write_text("")
    modules.gluster_fstab.set_line(POINT, "kvm1:/small_vol", OPTS)
    assert words(fstab.read_text()) == words(LINE)


def test_entry_set_replaces_its_own_line_where_it_stands(modules, fstab):
    before, after = OTHERS.split("UUID", 1)
    fstab.write_text(f"{before}kvm9:/small_vol  {POINT}  glusterfs  ro  0  0\nUUID{after}\n")
    modules.gluster_fstab.set_line(POINT, "kvm1:/small_vol", OPTS)
    text = fstab.read_text()
    assert text.startswith(before) and text.endswith(f"UUID{after}\n")
    assert words(text.removeprefix(before).removesuffix(f"UUID{after}\n")) == words(LINE)


# All of these are the line of POINT, and as they should be.
SPELLINGS = {
    "four fields": f"kvm1:/small_vol {POINT} glusterfs defaults,_netdev,nosuid,nodev",
    "tabs and blanks": f"  kvm1:/small_vol\t \t{POINT}\tglusterfs\tdefaults,_netdev,nosuid,nodev\t0\t0  ",
    "a slash at the end": f"kvm1:/small_vol {POINT}/ glusterfs defaults,_netdev,nosuid,nodev 0 0",
    "octal codes": rf"kvm1:/small_vol {POINT.replace('-', chr(92) + '055')} glusterfs {','.join(OPTS)} 0 0",
    "no slash before the volume": f"kvm1:small_vol {POINT} glusterfs defaults,_netdev,nosuid,nodev 0 0",
    "the transport": f"kvm1:/small_vol.tcp {POINT} glusterfs defaults,_netdev,nosuid,nodev 0 0",
    "this node": f"localhost:/small_vol {POINT} glusterfs defaults,_netdev,nosuid,nodev 0 0",
    "something behind it": f"kvm1:/small_vol {POINT} glusterfs defaults,_netdev,nosuid,nodev 0 2 # mine",
}


@pytest.mark.parametrize("line", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_line_is_found_however_it_is_spelled(modules, fstab, line, end):
    before, after = b"# \xe4 in latin-1\r\n" + OTHERS.encode() + b"\n", b"/dev/vdz /srv ext4 noauto 0 0" if end else b""
    fstab.write_bytes(before + (line + end).encode() + after)
    device, _, _, opts, *more = line.split()
    there = modules.gluster_fstab.line(POINT)
    assert (there["device"], there["opts"], there["volume"]) == (device, opts.split(","), "small_vol")
    assert modules.gluster_fstab.wanted_line(POINT, "small_vol", ["kvm1"]) == {"device": device, "opts": OPTS}
    modules.gluster_fstab.set_line(POINT, device, [*OPTS, "acl"])
    text = fstab.read_bytes()
    assert text.startswith(before) and text.endswith(end.encode() + after)
    written = text.removeprefix(before).removesuffix(end.encode() + after).decode()
    opts = ",".join([*OPTS, "acl"])
    assert words(written) == [device, line.split()[1], "glusterfs", opts, *(more or ["0", "0"])]


@pytest.mark.parametrize("first", ["kvm2", "address"])
def test_another_server_of_the_volume_is_as_good(modules, fstab, first):
    address = re.search(r"^(\S+)\s+kvm2$", Path("/etc/hosts").read_text(), re.MULTILINE)[1]
    device = f"{address if first == 'address' else first}:/small_vol"
    fstab.write_text(f"{device} {POINT} glusterfs _netdev,backup-volfile-servers=kvm3:kvm1 0 0\n")
    wanted = modules.gluster_fstab.wanted_line(POINT, "small_vol", ["kvm1", "kvm2", "kvm3"])
    assert wanted == {"device": device, "opts": ["_netdev", "backup-volfile-servers=kvm3:kvm1", "nosuid", "nodev"]}
    wanted = modules.gluster_fstab.wanted_line(POINT, "small_vol", ["kvm1", "kvm2"])
    assert wanted == {"device": device, "opts": ["_netdev", "backup-volfile-servers=kvm1", "nosuid", "nodev"]}
    wanted = modules.gluster_fstab.wanted_line(POINT, "small_vol", ["kvm1", "kvm3"])
    opts = ["_netdev", "backup-volfile-servers=kvm3", "nosuid", "nodev"]
    assert wanted == {"device": "kvm1:/small_vol", "opts": opts}


def test_the_volume_of_another_pool_is_an_error_that_names_its_server(modules, fstab):
    fstab.write_text(f"{OTHERS}\nkvm9:/small_vol {POINT} glusterfs defaults,backup-volfile-servers=kvm8 0 0\n")
    with pytest.raises(
        CommandExecutionError, match="kvm9:/small_vol is what /etc/fstab mounts on .*, and kvm9 is none"
    ):
        modules.gluster_fstab.wanted_line(POINT, "small_vol", ["kvm1", "kvm2"])


def test_two_lines_for_one_directory_are_an_error_that_names_both(modules, fstab):
    fstab.write_text(f"/dev/vdc {POINT}/ ext4 noauto 0 2\n{LINE}")
    with pytest.raises(CommandExecutionError, match=r"has 2 lines for .* \(of /dev/vdc and kvm1:/small_vol\)"):
        modules.gluster_fstab.wanted_line(POINT, "small_vol", ["kvm1"])


def test_entry_set_twice_is_the_same_file(modules, fstab):
    modules.gluster_fstab.set_line(POINT, "kvm1:/small_vol", OPTS)
    before = fstab.read_bytes()
    modules.gluster_fstab.set_line(POINT, "kvm1:/small_vol", OPTS)
    assert fstab.read_bytes() == before


@pytest.mark.parametrize("mode, owner", [(0o644, 0), (0o600, 0), (0o664, 9869)])
def test_entry_set_keeps_mode_and_owner(modules, fstab, mode, owner):
    fstab.chmod(mode)
    os.chown(fstab, owner, owner)
    try:
        modules.gluster_fstab.set_line(POINT, "kvm1:/small_vol", OPTS)
        seen = fstab.stat()
    finally:
        os.chown(fstab, 0, 0)
    assert (seen.st_mode & 0o7777, seen.st_uid, seen.st_gid) == (mode, owner, owner)
    assert not [name for name in os.listdir("/etc") if name.startswith(".fstab")]


@pytest.mark.parametrize(
    "servers, options, opts",
    [
        (["kvm1"], None, ["defaults", "_netdev", "nosuid", "nodev"]),
        (
            ["kvm1", "kvm2", "kvm3"],
            None,
            [*OPTS, "backup-volfile-servers=kvm2:kvm3"],
        ),
        (["kvm1"], ["log-level=WARNING", "_netdev"], ["defaults", "_netdev", "nosuid", "nodev", "log-level=WARNING"]),
    ],
)
def test_entry_wanted_where_there_is_none(modules, fstab, servers, options, opts):
    wanted = modules.gluster_fstab.wanted_line(POINT, "small_vol", servers, options)
    assert wanted == {"device": "kvm1:/small_vol", "opts": opts}


def test_entry_wanted_keeps_the_options_that_somebody_added(modules, fstab):
    fstab.write_text(f"{OTHERS}\nkvm1:/small_vol {POINT} glusterfs acl,log-level=INFO,backup-volfile-servers=kvm9 0 0")
    wanted = modules.gluster_fstab.wanted_line(POINT, "small_vol", ["kvm1", "kvm2"], ["log-level=WARNING"])
    assert wanted["opts"] == ["acl", "log-level=WARNING", "backup-volfile-servers=kvm2", "_netdev", "nosuid", "nodev"]


def test_entry_wanted_names_no_backup_server_where_one_server_is_left(modules, fstab):
    fstab.write_text(f"{OTHERS}\nkvm1:/small_vol {POINT} glusterfs _netdev,backup-volfile-servers=kvm2:kvm3 0 0")
    assert modules.gluster_fstab.wanted_line(POINT, "small_vol", ["kvm1"])["opts"] == ["_netdev", "nosuid", "nodev"]


@pytest.mark.parametrize(
    "line, said",
    [
        (f"/dev/vdc {POINT} ext4 defaults 0 2", r"/dev/vdc \(ext4\)"),
        (f"kvm1:/other_vol {POINT} glusterfs defaults 0 0", r"kvm1:/other_vol \(glusterfs\)"),
        (f"kvm1:/small_vol {POINT} nfs defaults 0 0", r"kvm1:/small_vol \(nfs\)"),
    ],
    ids=["another file system", "another volume", "the volume by NFS"],
)
def test_a_line_of_somebody_else_is_an_error_that_names_it(modules, fstab, line, said):
    fstab.write_text(f"{OTHERS}\n{line}\n")
    with pytest.raises(CommandExecutionError, match=f"{said} on {POINT}, not volume small_vol: remove that line"):
        modules.gluster_fstab.wanted_line(POINT, "small_vol", ["kvm1"])


@pytest.mark.parametrize("servers", [[], None, "kvm1"])
def test_entry_wanted_needs_a_list_of_servers(modules, servers):
    with pytest.raises(SaltInvocationError, match="a list of host names is needed"):
        modules.gluster_fstab.wanted_line(POINT, "small_vol", servers)


# The mount point


@pytest.mark.parametrize("there", [False, True], ids=["new", "oneadmin's"])
def test_point_set_gives_the_bare_directory_to_root(modules, point, there):
    if there:
        point.mkdir(mode=0o775)
        os.chown(point, 9869, 9869)
    modules.gluster_links.make_mount_point(str(point))
    seen = point.stat()
    assert (seen.st_mode & 0o7777, seen.st_uid, seen.st_gid) == (0o755, 0, 0)


def wanted(modules, point):
    return modules.gluster_fstab.wanted_line(str(point), "small_vol", ["kvm1"])


def test_changes_on_a_clean_host(modules, fstab, point):
    assert modules.gluster_mount_plan.changes(str(point), "small_vol", wanted(modules, point)) == {
        "directory": {"old": None, "new": "root root 0755"},
        "fstab": {"old": None, "new": "kvm1:/small_vol defaults,_netdev,nosuid,nodev"},
        "mount": {"old": None, "new": "kvm1:/small_vol"},
    }


def test_no_changes_once_mounted(modules, served):
    assert modules.gluster_mount_plan.changes(str(served), "small_vol", wanted(modules, served)) == {}


def test_changes_of_a_dead_mount(modules, served):
    host.kill(host.fuse_client(served))
    assert modules.gluster_mount_plan.changes(str(served), "small_vol", wanted(modules, served)) == {
        "mount": {"old": "dead", "new": "kvm1:/small_vol"}
    }


def test_changes_of_a_mount_that_hangs_is_an_error(modules, served):
    entry = wanted(modules, served)
    with host.stopped(host.fuse_client(served)), host.seconds(8):
        with pytest.raises(CommandExecutionError, match=f"{served} does not answer: a brick of volume small_vol"):
            modules.gluster_mount_plan.changes(str(served), "small_vol", entry)


@pytest.mark.parametrize("make, said", MOUNTS.values(), ids=MOUNTS)
def test_what_must_not_be_mounted_on(modules, fstab, point, make, said):
    make(point)
    before = host.outside(point)
    try:
        with pytest.raises(CommandExecutionError, match=re.escape(said)) as failure:
            modules.gluster_mount_plan.changes(str(point), "small_vol", wanted(modules, point))
        assert str(point) in str(failure.value)
        assert host.outside(point) == before
    finally:
        host.sh("umount", point, check=False)
