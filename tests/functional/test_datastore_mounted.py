"""The state gluster_one.datastore_mounted: from a clean or a broken host to one that is mounted and linked."""

import os
import shutil
from pathlib import Path

import pytest

from . import host
from .runs import four_runs, idle

LINE = "kvm1:/small_vol {} glusterfs defaults,_netdev,nosuid,nodev,backup-volfile-servers=kvm2:kvm3 0 0"
OTHERS = """\
# somebody's
UUID=0a1b /\text4   errors=remount-ro 0 1

kvm9:/other_vol\t/mnt/other glusterfs defaults,backup-volfile-servers=kvm8 0 0
tmpfs   /scratch\\040space tmpfs size=1m 0 0"""


def test_a_clean_host(mounted, place, point, identifiers, other_node, no_retry):
    identifiers()
    links = [str(place / "1")]
    run = four_runs(mounted, paths=[place], links=links, datastores=["glusterds", "gluster_system"])
    device = "kvm1:/small_vol"
    assert run.changes == {
        "directory": {"old": None, "new": "root root 0755"},
        "fstab": {"old": None, "new": f"{device} defaults,_netdev,nosuid,nodev,backup-volfile-servers=kvm2:kvm3"},
        "mount": {"old": None, "new": device},
        "boot": {"old": None, "new": r"gluster-one-mount@mnt-place\x2d1-0.service"},
        links[0]: {"old": None, "new": f"{place}/1 -> {point}"},
        "link for glusterds": {"old": None, "new": f"{place}/101 -> {point}"},
        "link for gluster_system": {"old": None, "new": f"{place}/100 -> {point}"},
    }
    assert "small_vol is mounted, writable by oneadmin and linked" in run.comment
    for name in ("1", "100", "101"):
        assert os.readlink(place / name) == str(point)
        host.sh("runuser", "-u", "oneadmin", "--", "touch", place / name / f"written-{name}")
        assert (other_node / f"written-{name}").exists()


def test_the_client_lives_in_the_mount_unit_and_the_line_in_fstab(mounted, point):
    assert mounted().result is True
    assert host.FSTAB.read_text().split() == LINE.format(point).split()
    unit = host.unit_of(point)
    assert f"/system.slice/{unit}\n" in Path(f"/proc/{host.fuse_client(point)}/cgroup").read_text()
    assert host.sh("systemctl", "is-active", unit).strip() == "active"


def test_the_bare_directory_belongs_to_root(mounted, point):
    assert mounted().result is True
    host.let_go(point)
    seen = point.stat()
    assert (seen.st_mode & 0o7777, seen.st_uid, seen.st_gid) == (0o755, 0, 0)


def test_an_empty_mount_point_of_oneadmin_is_taken_over(mounted, point):
    point.mkdir()
    point.chmod(0o775)
    shutil.chown(point, "oneadmin", "oneadmin")
    run = four_runs(mounted)
    assert run.changes["directory"] == {"old": "oneadmin oneadmin 0775", "new": "root root 0755"}


@pytest.mark.parametrize("end", ["", "\n"], ids=["last line without an end", "with one"])
def test_lines_of_others_in_fstab_survive_byte_for_byte(mounted, point, end):
    host.FSTAB.write_text(OTHERS + end)
    assert mounted().result is True
    text = host.FSTAB.read_text()
    assert text.startswith(OTHERS + "\n")
    assert text.removeprefix(OTHERS + "\n").split() == LINE.format(point).split()


def test_a_line_that_is_there_is_completed_and_keeps_its_options(mounted, point):
    host.FSTAB.write_text(f"kvm1:/small_vol {point} glusterfs acl,log-level=WARNING 0 0\n")
    run = four_runs(mounted, options=["log-level=ERROR"])
    assert run.changes["fstab"] == {
        "old": "kvm1:/small_vol acl,log-level=WARNING",
        "new": "kvm1:/small_vol acl,log-level=ERROR,_netdev,nosuid,nodev,backup-volfile-servers=kvm2:kvm3",
    }


def test_another_order_of_the_servers_is_no_difference(mounted, point):
    assert mounted().result is True
    idle(mounted, servers=["kvm3", "kvm2", "kvm1"])


@pytest.mark.parametrize(
    "servers, line",
    [(["kvm2", "kvm1"], "kvm1:/small_vol defaults,_netdev,nosuid,nodev,backup-volfile-servers=kvm2"),
     (["kvm2", "kvm3"], "kvm2:/small_vol defaults,_netdev,nosuid,nodev,backup-volfile-servers=kvm3")],
)  # fmt: skip
def test_a_server_that_is_gone_is_written_and_not_remounted(mounted, point, servers, line):
    assert mounted().result is True
    client = host.fuse_client(point)
    run = four_runs(mounted, servers=servers)
    assert run.changes == {
        "fstab": {"old": "kvm1:/small_vol defaults,_netdev,nosuid,nodev,backup-volfile-servers=kvm2:kvm3", "new": line}
    }
    assert host.fuse_client(point) == client


def test_another_option_is_written_and_said(mounted, point):
    assert mounted().result is True
    options = ["log-level=warning"]
    run = four_runs(mounted, options=options)
    assert list(run.changes) == ["fstab"]
    old = "kvm1, kvm2, kvm3 without log-level=WARNING"
    assert f"; from {old}, and by fstab from the next mount on" in run.comment


def test_a_line_of_several_servers_is_mounted_as_it_is(mounted, modules, point):
    line = f"kvm2,kvm1:/small_vol {point} glusterfs _netdev,nosuid,nodev,backup-volfile-servers=kvm3 0 0\n"
    host.FSTAB.write_text(line)
    run = mounted()
    assert run.result is True and set(run.changes) == {"directory", "mount"}, run.comment
    assert host.FSTAB.read_text() == line
    words = modules.gluster_mount.client(str(point))
    assert modules.gluster_mount.client_servers(words) == ["kvm2", "kvm1", "kvm3"]
    idle(mounted)


def test_a_server_alone_has_no_backup(mounted, point):
    assert mounted(servers=["kvm1"]).result is True
    line = f"kvm1:/small_vol {point} glusterfs defaults,_netdev,nosuid,nodev 0 0"
    assert host.FSTAB.read_text().split() == line.split()


@pytest.mark.parametrize("device", ["kvm1:/small_vol", "kvm1:small_vol", "kvm1:/small_vol.tcp", "localhost:/small_vol"])
def test_a_mount_that_somebody_made_by_hand_is_only_written_to_fstab(mounted, point, device):
    point.mkdir()
    host.sh("mount", "-t", "glusterfs", device, point)
    run = four_runs(mounted)
    assert list(run.changes) == ["fstab", "flags"]


def test_what_the_first_try_did_not_mount_is_mounted_by_the_service(mounted, point, no_retry):
    """As after a boot: the unit was tried once and failed, nobody calls Salt."""
    unit = r"gluster-one-mount@mnt-place\x2d1-0.service"
    assert mounted().changes["boot"] == {"old": None, "new": unit}
    assert host.sh("systemctl", "is-enabled", unit).strip() == "enabled"
    host.sh("umount", point)
    with host.hidden("/usr/sbin/mount.glusterfs"):
        host.sh("systemctl", "start", unit)
        host.eventually("it has failed", lambda: host.sh("systemctl", "show", "-P", "NRestarts", unit) != "0\n")
        assert not host.mounted(point)
    host.eventually("it is mounted", lambda: host.mounted(point))
    host.eventually("it has ended", lambda: host.sh("systemctl", "is-active", unit, check=False) == "inactive\n")
    assert host.sh("systemctl", "show", "-P", "Result", unit) == "success\n"  # what is unmounted by hand now stays so


# One directory by several names


def test_a_slash_at_the_end_is_the_same_directory(mounted, point, other_node):
    run = mounted(name=f"{point}/", timeout=5)
    assert run.result is True, run.comment
    assert host.mounts()[-1] == ("kvm1:/small_vol", str(point))
    idle(mounted)
    idle(mounted, name=f"{point}/")
    assert other_node.owner() == "oneadmin"


def test_the_root_of_a_mounted_volume_is_never_taken_for_a_bare_directory(mounted, place, other_node):
    """It would become root's, on every node, and no VM could write any more."""
    (place / "real/0").mkdir(parents=True)
    (place / "link").symlink_to(place / "real")
    host.sh("mount", "-t", "glusterfs", "kvm1:/small_vol", place / "real/0")
    for name in (f"{place}/real/0/", f"{place}/link/0", f"{place}/./real/0"):
        mounted(name=name, timeout=1)
        assert other_node.owner() == "oneadmin", name


# What broke


def test_a_dead_mount_is_mounted_again(mounted, point, place):
    assert mounted(links=[str(place / "1")]).result is True
    host.kill(host.fuse_client(point))
    run = four_runs(mounted, links=[str(place / "1")])
    assert run.changes == {"mount": {"old": "dead", "new": "kvm1:/small_vol"}}
    assert os.listdir(place / "1") == os.listdir(point)


def test_a_dead_mount_that_is_in_use_is_mounted_again(mounted, point):
    assert mounted().result is True
    user = os.open(point, os.O_RDONLY)
    try:
        host.kill(host.fuse_client(point))
        assert mounted().result is True
    finally:
        os.close(user)


def test_links_to_a_dead_mount_are_still_links(mounted, point, place, identifiers):
    identifiers()
    stores = ["glusterds"]
    assert mounted(datastores=stores).result is True
    host.kill(host.fuse_client(point))
    run = mounted(datastores=stores)
    assert list(run.changes) == ["mount"]


def test_what_was_unmounted_by_hand_is_mounted_again(mounted, point):
    assert mounted().result is True
    host.sh("umount", point)
    run = mounted()
    assert run.changes == {"mount": {"old": None, "new": "kvm1:/small_vol"}}


# Links


def test_a_datastore_that_is_to_be_renamed_is_known_by_its_identifier(mounted, modules, place, point, identifiers):
    identifiers()
    assert mounted(datastores=["glusterds"]).result is True
    renamed = {"images": 101, "gluster_system": None}
    run = mounted(datastores=renamed, test=True)
    assert run.changes == {"link for gluster_system": {"old": None, "new": f"{place}/100 -> {point}"}}
    modules.gluster_one_ids.publish_id(str(point), "images", 101, ["images", "gluster_system"])
    assert modules.gluster_one_ids.published_ids(str(point)) == {"images": 101, "gluster_system": 100}
    assert mounted(datastores=renamed).changes == run.changes


@pytest.mark.parametrize("datastores", ["glusterds", {"glusterds": "101"}, [101], {101: 101}])
def test_datastores_of_another_kind(mounted, point, datastores):
    run = mounted(datastores=datastores)
    assert (run.result, run.changes) == (False, {})
    assert f"datastores is {datastores!r}" in run.comment or f"datastores is {list(datastores)!r}" in run.comment
    assert not point.exists()


def test_an_empty_directory_in_the_place_of_a_link_is_replaced(mounted, place, point):
    (place / "1").mkdir()
    assert mounted(links=[str(place / "1")]).result is True
    assert os.readlink(place / "1") == str(point)


def test_links_of_others_survive(mounted, place):
    (place / "mine").symlink_to("/data")
    (place / "2").symlink_to("../elsewhere")
    (place / "3").mkdir()
    before = host.tree(place / "mine", place / "2", place / "3")
    assert mounted(links=[str(place / "1")]).result is True
    assert host.tree(place / "mine", place / "2", place / "3") == before


def test_the_directory_itself_among_the_links_is_no_link(mounted, place, point):
    assert mounted(links=[str(point), str(place / "1")]).result is True
    assert point.is_dir() and not point.is_symlink()


def test_the_volume_mounted_a_second_time_serves_as_a_link(mounted, place):
    second = place / "1"
    second.mkdir()
    host.sh("mount", "-t", "glusterfs", "kvm1:/small_vol", second)
    run = mounted(links=[str(second)])
    assert run.result is True, run.comment
    assert str(second) not in run.changes
