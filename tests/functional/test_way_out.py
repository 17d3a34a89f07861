"""What the states have made is taken back: datastore_unmounted, volume_reset, glusterd_reset."""

import contextlib
import os
import subprocess

import pytest

from . import host
from .conftest import HAND_MADE
from .runs import fails, four_runs, idle, refuses

pytestmark = pytest.mark.long
OTHERS = """\
# kvm1:/small_vol /mnt/place-1/0 glusterfs defaults 0 0
UUID=0a1b /\t ext4   errors=remount-ro 0 1

kvm9:/other_vol\t/mnt/place-1/9 glusterfs defaults,backup-volfile-servers=kvm8 0 0
tmpfs   /scratch\\040space tmpfs size=1m 0 0
"""
DEVICE = "kvm1:/small_vol"
LINE = f"{DEVICE} defaults,_netdev,backup-volfile-servers=kvm2:kvm3"


@contextlib.contextmanager
def process(*argv, **options):
    """A process that waits; its identifier."""
    child = subprocess.Popen(argv, **options)
    try:
        yield child.pid
    finally:
        child.kill()
        child.wait()


# The place on this node


@pytest.fixture
def unmounted(states, place):
    """unmounted(test=..., datastores=...): the state for small_vol in ``place``."""

    def run(name=place / "0", **arguments):
        fixed = {"volume": "small_vol", "datastores_dir": str(place)}
        return states.gluster_one.datastore_unmounted(str(name), **{**fixed, **arguments})

    return run


def test_what_was_made_is_taken_back_and_comes_again(mounted, unmounted, place, point, identifiers):
    identifiers()
    host.FSTAB.write_text(OTHERS)
    (place / "mine").symlink_to("/data")
    (place / "1").mkdir()
    (place / "2").symlink_to(point)
    before = host.tree(host.FSTAB, place / "mine", place / "1", place / "2")
    wanted = {"links": [str(place / "5"), str(place / "3")], "datastores": ["glusterds", "gluster_system"]}
    made = mounted(**wanted)
    assert made.result is True, made.comment
    run = four_runs(unmounted, paths=[place], links=[str(place / "5")])
    assert f"; {place}/2, made by somebody else, still leads there" in run.comment
    # The 3 is one of OpenNebula's own numbers, and the formula has made that link.
    links = {str(place / name): {"old": f"link to {point}", "new": None} for name in ("100", "101", "3", "5")}
    assert run.changes == {
        **links,
        "mount": {"old": DEVICE, "new": None},
        "fstab": {"old": LINE, "new": None},
    }
    assert host.FSTAB.read_text() == OTHERS
    assert {path: seen[-1] for path, seen in host.tree(*before).items()} == {k: v[-1] for k, v in before.items()}
    assert sorted(os.listdir(place)) == ["1", "2", "mine"] and not host.mounted(point)
    assert host.sh("systemctl", "is-active", host.unit_of(point), check=False).strip() in ("inactive", "unknown")
    again = mounted(**wanted)
    assert again.changes == made.changes


def test_nothing_there_is_nothing_to_do(unmounted):
    idle(unmounted)


@pytest.mark.parametrize("how", ["file", "directory", "program"])
def test_a_mount_in_use_stays_and_its_users_are_named(mounted, unmounted, place, point, how):
    assert mounted().result is True
    (point / "image").write_text("x" * 512)
    host.sh("cp", "/usr/bin/sleep", point / "sleep")
    with contextlib.ExitStack() as stack:
        if how == "file":
            stream = stack.enter_context((point / "image").open())
            pid, used = stack.enter_context(process("sleep", "100", stdin=stream)), "image"
        elif how == "directory":
            (point / "7").mkdir(exist_ok=True)
            pid, used = stack.enter_context(process("sleep", "100", cwd=point / "7")), "7"
        else:
            pid, used = stack.enter_context(process(str(point / "sleep"), "100")), "sleep"
        text = refuses(unmounted, paths=[place], within=20)
        assert f"sleep ({pid}: {point}/{used})" in text and "end or move them, then run again" in text
        assert host.mounted(point)
    assert unmounted().result is True


@pytest.mark.parametrize(
    "words",
    [
        ("-blockdev", '{"driver":"gluster","volume":"small_vol","path":"21/disk.0","server":[]}'),
        ("-drive", "file=gluster://kvm1:24007/small_vol/21/disk.0,format=raw"),
    ],
)
def test_a_machine_that_has_the_volume_open_natively_counts(mounted, unmounted, words):
    assert mounted().result is True
    waiting = ("-c", "import time; time.sleep(100)", *words)
    with process("python3", *waiting):
        assert unmounted(test=True).result is None
    with process("/usr/bin/qemu-system-x86_64", *waiting, executable="/usr/bin/python3") as pid:
        assert f"({pid}: gluster://.../small_vol)" in refuses(unmounted, within=20)


def test_what_is_another_volume_s_is_left(unmounted, place, point):
    point.mkdir()
    (place / "101").symlink_to("0")
    host.sh("mount", "-t", "glusterfs", "kvm1:/one_vol", point)
    idle(unmounted, paths=[place])


def test_a_dead_mount_is_taken_away(mounted, unmounted, point):
    assert mounted().result is True
    host.kill(host.fuse_client(point))
    run = unmounted()
    assert run.result is True, run.comment
    assert not host.mounted(point)


def test_what_was_unmounted_by_hand_loses_its_line_and_links(mounted, unmounted, place, point):
    assert mounted(links=[str(place / "105")]).result is True
    host.sh("umount", point)
    run = four_runs(unmounted, paths=[place])
    assert set(run.changes) == {str(place / "105"), "fstab"}
    assert os.listdir(place) == []


def test_a_directory_that_holds_files_beneath_stays(mounted, unmounted, point):
    assert mounted().result is True
    host.sh("umount", point)
    (point / "image").write_text("x")
    assert unmounted().result is True
    assert (point / "image").read_text() == "x"


def test_the_head_comes_first(mounted, unmounted, identifiers, other_node, point):
    identifiers()
    stores = ["glusterds", "gluster_system"]
    assert mounted(datastores=stores).result is True
    run = fails(unmounted, datastores=stores, timeout=1, within=10)
    assert (
        "OpenNebula still has gluster_system (100), glusterds (101) on volume small_vol: run it on the" in run.comment
    )
    assert "apply gluster_one.clean.mount" in run.comment
    assert host.mounted(point)
    with host.later(5, f"rm {other_node}/.gluster_one/datastores.json"):
        run = unmounted(datastores=stores)
    assert run.result is True and "s for the head)" in run.comment, run.comment
    identifiers("{}")
    run = mounted(datastores=stores, timeout=1)  # what it saw before is forgotten
    assert "none for gluster_system, glusterds" in run.comment


def test_the_last_identifier_takes_the_file_away(modules, served, other_node):
    for name, number in (("glusterds", 101), ("gluster_system", 100), ("glusterds", None)):
        modules.gluster_one.datastore_id_set(str(served), name, number)
    assert modules.gluster_one.datastore_ids(str(served)) == {"gluster_system": 100}
    modules.gluster_one.datastore_id_set(str(served), "gluster_system", None)
    assert modules.gluster_one.datastore_ids(str(served)) == {}
    host.eventually("the other node sees it", lambda: not (other_node / ".gluster_one").exists(), 5)


# The volume


@pytest.fixture
def reset(states):
    return states.gluster_one.volume_reset


def test_a_volume_s_options_are_what_they_were(states, reset, new_volume):
    name = new_volume("clean_vol", server__allow_insecure="off", network__ping_timeout="30")
    before = host.set_options(name)
    options = {"network.ping-timeout": 10, "performance.cache-size": "64MB"}
    assert states.gluster_one.volume_configured(name, options=options).result is True
    host.gluster("volume", "set", name, "performance.cache-size", "32MB")
    run = four_runs(reset, name)
    assert run.changes.keys() == {
        *("server.allow-insecure", "storage.owner-uid", "storage.owner-gid", "network.ping-timeout", "user.gluster_one")
    }
    assert run.changes["network.ping-timeout"] == {"old": "10", "new": "30"}
    theirs = {"performance.cache-size": "32MB", "user.gluster_one": "none"}
    assert host.set_options(name) == {**before, **theirs}


def test_a_volume_that_is_not_there_or_was_never_configured(reset, one_vol):
    idle(reset, "no_such_vol")
    idle(reset, one_vol)


def test_a_volume_in_use_keeps_its_options(states, reset, new_volume, tmp_path):
    name = new_volume("used_vol")
    assert states.gluster_one.volume_configured(name).result is True
    host.sh("mount", "-t", "glusterfs", f"kvm1:/{name}", tmp_path)
    try:
        before = host.volume_text(name)
        run = fails(reset, name, timeout=1, within=15)
        assert f"volume {name} has clients: fuse: unmount it and stop its machines first" in run.comment
        assert host.volume_text(name) == before and host.answers(tmp_path)
    finally:
        host.let_go(tmp_path)
    assert reset(name).result is True


# glusterd


@pytest.mark.parametrize("before", ["", "    option event-threads 1\n"], ids=["not there", "of another value"])
def test_glusterd_s_file_is_what_it_was(modules, states, volume_file, before):
    text = HAND_MADE.replace("end-volume", f"{before}end-volume")
    volume_file.write_text(text)
    path, wanted = str(volume_file), {"rpc-auth-allow-insecure": "on", "event-threads": 2}
    plan = modules.gluster_one.options_plan(modules.glusterd.options(path), wanted)
    modules.glusterd.options_set(plan["set"], path)
    assert modules.glusterd.options(path)["event-threads"] == "2"
    run = four_runs(states.gluster_one.glusterd_reset, path, paths=[volume_file], volumes=["no_such_vol"])
    assert run.changes["rpc-auth-allow-insecure"] == {"old": "on", "new": None}
    assert "glusterd was not restarted: it reads its file at its next start" in run.comment
    assert volume_file.read_text() == text


def test_glusterd_keeps_its_options_while_a_volume_is_in_use(modules, states, volume_file, served):
    path = str(volume_file)
    plan = modules.gluster_one.options_plan({}, {"rpc-auth-allow-insecure": "on"})
    modules.glusterd.options_set(plan["set"], path)
    before = volume_file.read_text()
    run = fails(states.gluster_one.glusterd_reset, path, volumes=["small_vol"], timeout=1, within=15)
    assert "volume small_vol has clients: fuse" in run.comment
    assert volume_file.read_text() == before
