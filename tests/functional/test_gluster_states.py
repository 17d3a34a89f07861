"""The states of gluster.*, on a server of a real pool, without a master."""

import os
import shutil
from pathlib import Path

import pytest

from . import host
from .runs import fails, four_runs, idle, refuses

POOL = ["kvm1", "kvm2", "kvm3"]


@pytest.fixture
def bricks():
    """A directory for bricks on a file system of its own, and the volume that a test makes there."""
    top = Path("/data/states")
    top.mkdir()
    yield top
    if "made_vol" in host.gluster("volume", "list"):
        host.remove_volume("made_vol")
    shutil.rmtree(top)


def made():
    return host.commands(), host.gluster("volume", "list")


def test_a_pool_that_is_there(states):
    idle(states.gluster.peered, "pool", servers=POOL, look=made)
    assert "none is this server" in refuses(states.gluster.peered, "pool", servers=POOL[1:], look=made)


def test_a_volume_from_nothing(states, bricks):
    brick = bricks / "brick"
    idle(states.gluster.brick_prepared, f"{brick}/")
    layout = {"bricks": [f"kvm1:{brick}"], "replica": 1}
    run = four_runs(states.gluster.volume_present, "made_vol", look=made, **layout)
    assert run.changes == {"made_vol": {"old": "not there", "new": f"without copies: kvm1:{brick}"}}
    idle(states.gluster.brick_prepared, str(brick))
    # Before its start, and without the option of the group that Gluster refuses for a volume without copies.
    run = four_runs(states.gluster_one.volume_configured, "made_vol", new_group="virt", look=made)
    assert run.changes["features.shard"]["new"] == "on" and run.changes["server.allow-insecure"]["new"] == "on"
    assert "cluster.shd-max-threads" not in run.changes and len(run.changes) > 20
    run = four_runs(
        states.gluster.options_set, "made_vol", options={"nfs.disable": True, "network.ping-timeout": 10}, look=made
    )
    assert run.changes == {"network.ping-timeout": {"old": "20", "new": "10"}}
    run = four_runs(states.gluster.volume_started, "made_vol", only_new=True, look=made)
    assert run.changes == {"made_vol": {"old": "Created", "new": "Started"}}
    assert host.bricks_online("made_vol")
    idle(states.gluster_one.volume_configured, "made_vol", new_group="nosuch")
    text = refuses(states.gluster.volume_present, "made_vol", look=made, bricks=[f"kvm1:{bricks}/other"], replica=1)
    assert f"kvm1:{bricks}/other is not among its bricks; kvm1:{brick} is" in text
    text = refuses(states.gluster.volume_present, "more_vol", look=made, **layout)
    assert f"kvm1:{brick}: it is a brick of volume made_vol" in text


def test_options_of_the_pool(states):
    options = {"cluster.daemon-log-level": "INFO", "cluster.localtime-logging": "disable"}
    try:
        run = four_runs(states.gluster.pool_options_set, "pool", options=options, look=made)
        assert run.changes == {option: {"old": None, "new": value} for option, value in options.items()}
        idle(states.gluster.pool_options_set, "pool", options={"cluster.localtime-logging": False})
        text = fails(states.gluster.pool_options_set, "pool", options={"cluster.server-quorum-ratio": "101%"}).comment
        assert "out of range" in text
    finally:
        for option in options:
            host.gluster("volume", "reset", "all", option)


def test_a_directory_that_holds_files_is_found_before_gluster_takes_it(states, bricks):
    (bricks / "brick").mkdir()
    (bricks / "brick/disk.0").touch()
    assert "is not empty (disk.0)" in refuses(states.gluster.brick_prepared, str(bricks / "brick"), look=made)
    layout = {"bricks": [f"kvm1:{bricks}/brick"], "replica": 1}
    assert "is not empty (disk.0)" in refuses(states.gluster.volume_present, "made_vol", look=made, **layout)


def test_places_that_gluster_refuses(states, bricks):
    for path, text in (("/data", "is a mount point"), ("/opt/brick", "root file system"), ("/data/x/b", "not there")):
        assert text in refuses(states.gluster.brick_prepared, path, look=made)


def test_what_a_refused_volume_has_left(states, bricks):
    brick = bricks / "brick"
    words = [f"kvm{number}:{brick}" for number in (1, 2, 3)]  # the others have no such directory above it
    assert "success" not in host.gluster("volume", "create", "made_vol", "replica", "3", *words, check=False)
    mark = os.getxattr(brick, "trusted.glusterfs.volume-id")
    assert mark and os.listdir(brick) == [".glusterfs"]
    layout = {"bricks": [f"kvm1:{brick}"], "replica": 1}
    assert "brick_prepared takes it away" in refuses(states.gluster.volume_present, "made_vol", look=made, **layout)
    run = four_runs(states.gluster.brick_prepared, str(brick), look=lambda: os.listdir(brick))
    assert "a volume that was refused -> gone" in run.comment and os.listdir(brick) == []
    assert states.gluster.volume_present("made_vol", **layout).result is True


def test_without_a_master_the_other_servers_say_nothing(states, bricks):
    text = states.gluster.volume_present("made_vol", bricks=f"{bricks}/brick", servers=POOL, replica=3).comment
    assert f"without a master kvm2 cannot say whether {bricks}/brick is fit" in text
    assert "made_vol" not in host.gluster("volume", "list")


# Disks


@pytest.fixture
def disk(tmp_path):
    """An empty disk, a loop device, and a place for its mount point; fstab is as before afterwards."""
    fstab, image = host.FSTAB.read_bytes(), Path("/data/disk.img")
    with image.open("wb") as stream:
        stream.truncate(320 * 2**20)
    # A host has none of these nodes.
    nodes = "[ -e /dev/loop-control ] || mknod /dev/loop-control c 10 237; cd /dev; for n in $(seq 0 31); do "
    host.sh("sh", "-c", nodes + "[ -e loop$n ] || mknod -m 660 loop$n b 7 $n; done")
    device = host.sh("losetup", "--find", "--show", image).strip()
    yield device
    host.sh("umount", "/srv/disks/a", "/srv/disks/b", check=False)
    host.sh("losetup", "--detach", device)
    host.FSTAB.write_bytes(fstab)
    host.sh("systemctl", "daemon-reload")
    shutil.rmtree("/srv/disks", ignore_errors=True)
    image.unlink()


def test_a_volume_on_an_empty_disk(states, disk):
    link = Path("/dev/functional-disk")
    link.symlink_to(disk)
    brick, prepared = "/srv/disks/a/brick", states.gluster.brick_prepared
    seen = lambda: (made(), host.sh("wipefs", "--no-act", disk), os.path.exists("/srv/disks"))  # noqa: E731
    try:
        run = four_runs(prepared, brick, device=str(link), look=seen)
    finally:
        link.unlink()
    assert run.changes == {
        disk: {"old": "335.5 MB without a signature", "new": "XFS"},
        "fstab": {"old": None, "new": f"/srv/disks/a by the UUID of {disk}"},
        "mount": {"old": None, "new": f"{disk} on /srv/disks/a"},
    }
    assert host.sh("stat", "-f", "-c", "%T", "/srv/disks/a").strip() == "xfs"
    uuid = host.sh("blkid", "-p", "-o", "value", "-s", "UUID", disk).strip()
    assert (
        f"\nUUID={uuid} /srv/disks/a xfs defaults,noatime,nosuid,nodev,nofail,x-systemd.before=glusterd.service 0 0\n"
        in ("\n" + host.FSTAB.read_text())
    )
    # Mounted again by its line; and what is there already is not made again for another directory.
    host.sh("umount", "/srv/disks/a")
    assert set(four_runs(prepared, brick, device=disk, look=seen).changes) == {"mount"}
    said = refuses(prepared, "/srv/disks/b/brick", device=disk, look=seen)
    assert said == f"{disk} is in use, mounted on /srv/disks/a: give another one"
    layout = {"bricks": [f"kvm1:{brick}"], "replica": 1}
    try:
        assert states.gluster.volume_present("made_vol", **layout).result is True
        idle(prepared, brick, device="/dev/another", look=seen)
    finally:
        host.remove_volume("made_vol")


def test_a_disk_that_holds_anything_is_left(states, disk):
    seen = lambda: host.sh("sha256sum", disk)  # noqa: E731
    for make, said in (
        (["mkfs.ext4", "-q", disk], "may hold data, it has a signature of ext4: give another device"),
        (["mkswap", disk], "may hold data, it has a signature of swap: give another device"),
        (["mkfs.xfs", "-q", disk], "may hold data, it has an XFS that was not made here"),
    ):
        host.sh(*make)
        assert said in refuses(states.gluster.brick_prepared, "/srv/disks/a/brick", device=disk, look=seen)
        host.sh("wipefs", "--all", "--quiet", disk)
    host.sh("blockdev", "--setro", disk)
    assert "is read-only" in refuses(states.gluster.brick_prepared, "/srv/disks/a/brick", device=disk)
    host.sh("blockdev", "--setrw", disk)
    holder = os.open(disk, os.O_RDWR | os.O_EXCL)  # as LVM, md and the swap hold theirs
    try:
        said = refuses(states.gluster.brick_prepared, "/srv/disks/a/brick", device=disk)
    finally:
        os.close(holder)
    assert said == f"{disk} is in use (Device or resource busy): give another device"
    os.makedirs("/srv/disks/a/mine")
    assert "/srv/disks/a holds 1 file (mine)" in refuses(
        states.gluster.brick_prepared, "/srv/disks/a/brick", device=disk
    )


@pytest.mark.parametrize("device, said", [("/dev/no-such", "is not there: see"), ("/dev/null", "not a block device")])
def test_what_is_no_disk(states, device, said):
    assert said in refuses(states.gluster.brick_prepared, "/srv/disks/a/brick", device=device)
