"""oneadmin of any node becomes root nowhere, and stops nothing: not in its directories, and not on the volume."""

import contextlib
import json
import os
import signal
import stat
import subprocess
from pathlib import Path

import pytest
from salt.exceptions import CommandExecutionError

from . import attacker, host

OURS = ".gluster_one"
IDS, MARK, LOCK = f"{OURS}/datastores.json", f"{OURS}/mark", f"{OURS}/lock"
ESCAPE = "\x1b[2J"


@pytest.fixture
def place(place):
    """A directory like /var/lib/one: oneadmin's."""
    os.chown(place, attacker.UID, attacker.UID)
    return place


@pytest.fixture
def victim(tmp_path):
    """A directory of root's that oneadmin cannot write."""
    path = tmp_path / "victim"
    path.mkdir()
    return path


@pytest.fixture
def secret(victim):
    path = victim / "shadow"
    path.write_text("root:$y$hash")
    path.chmod(0o600)
    return path


def seen(path):
    """What changes when somebody writes to a file or changes its owner; reading it changes nothing."""
    status = path.stat()
    return status.st_mode, status.st_uid, status.st_gid, status.st_size, status.st_mtime_ns, status.st_ctime_ns


# What root writes on the volume, and reads from it

# In place of mktemp, which has just made root's file: oneadmin puts a link there.
MKTEMP = """#!/bin/sh
new=$(/usr/bin/mktemp "$@") || exit
setpriv --reuid=9869 --regid=9869 --clear-groups ln -sf {secret} "$new"
touch {secret}.attacked
echo "$new"
"""
# Whatever appears is exchanged for a link at once.
EXCHANGING = """
import os, sys
directory, secret = sys.argv[1:]
print("ready", flush=True)
while True:
    for name in os.listdir(directory):
        try:
            if not os.path.islink(directory + "/" + name):
                os.symlink(secret, directory + "/new")
                os.rename(directory + "/new", directory + "/" + name)
        except OSError:
            pass
"""


def test_what_root_writes_on_the_volume_goes_to_no_link(modules, served, secret, tmp_path, monkeypatch):
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "mktemp").write_text(MKTEMP.format(secret=secret))
    (tools / "mktemp").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    before = seen(secret)
    attacker.does("mkdir", served / OURS)
    modules.gluster_one_ids.publish_id(str(served), "glusterds", 101)
    assert (secret.read_text(), seen(secret)) == ("root:$y$hash", before)
    with attacker.runs(attacker.SYSTEM_PYTHON, "-c", EXCHANGING, str(served / OURS), str(secret)) as process:
        process.stdout.readline()
        for number in range(10):
            with contextlib.suppress(CommandExecutionError):
                modules.gluster_one_ids.publish_id(str(served), "glusterds", number)
    assert (secret.read_text(), seen(secret)) == ("root:$y$hash", before)


def test_what_root_reads_on_the_volume_is_no_file_of_root_s(modules, served, secret):
    attacker.does("mkdir", served / OURS)
    attacker.does("ln", "-s", secret, served / MARK)
    assert modules.gluster_one_ids.read_mark(str(served)) is None
    attacker.does("mv", served / OURS, served / "old")
    (secret.parent / "mark").write_text("root:$y$hash")
    attacker.does("ln", "-s", secret.parent, served / OURS)
    assert modules.gluster_one_ids.read_mark(str(served)) is None


def test_names_that_oneadmin_has_written_are_not_written_again(modules, served):
    modules.gluster_one_ids.publish_id(str(served), "system", 100)
    attacker.does("mv", served / OURS, served / "old")
    attacker.does("mkdir", served / OURS)
    theirs = {"#!/bin/sh\nid": 5, ESCAPE: 6, "x" * 5000: 7, "glusterds": 0, "system": 100, "others": 8}
    (served / "theirs").write_text(json.dumps(theirs))
    attacker.does("cp", served / "theirs", served / IDS)
    modules.gluster_one_ids.publish_id(str(served), "glusterds", 101)
    assert json.loads((served / IDS).read_text()) == {"glusterds": 101, "system": 100}


def test_a_mark_is_left_on_the_volumes_of_the_pillar_alone(make_loaders, served, place, one_vol):
    os.chown(place, 0, 0)  # the formula mounts nowhere else
    pillar = {"volumes": {"small_vol": {"servers": ["kvm1", "kvm2", "kvm3"], "mount": str(served)}}}
    with host.mounted_aside(one_vol) as other:
        assert make_loaders({"gluster_one": pillar}).modules.gluster_one_ids.mark("8f14e45f") == ["small_vol"]
        assert not (other / MARK).exists()
    assert (served / MARK).read_text() == "8f14e45f"


KINDS = ("link", "FIFO", "device", "directory", "sparse")


def put(volume, point, place, kind, secret):
    """Something that is not a file of ours, put by whoever is root of the volume."""
    if kind == "sparse":
        (point / place).write_bytes(b"\xff\xfe")
        os.truncate(point / place, 2**30)
        return
    attacker.does_as_root_of(volume, kind, place, str(secret))


@pytest.mark.parametrize("kind", KINDS)
def test_anything_at_the_places_on_the_volume(modules, served, kind, secret):
    path = str(served)
    before = seen(secret)
    if kind not in ("directory", "sparse"):
        put("small_vol", served, OURS, kind, secret.parent)
        with host.seconds(4):
            assert (modules.gluster_one_ids.published_ids(path), modules.gluster_one_ids.read_mark(path)) == ({}, None)
            with pytest.raises(CommandExecutionError, match=f"{path}/{OURS} is a {kind}: remove it"):
                modules.gluster_one_ids.publish_id(path, "glusterds", 101)
        os.unlink(served / OURS)
    (served / OURS).mkdir()
    put("small_vol", served, IDS, kind, secret)
    put("small_vol", served, MARK, kind, secret)
    with host.seconds(4):
        assert modules.gluster_one_ids.published_ids(path) == {}
        assert "root" not in (modules.gluster_one_ids.read_mark(path) or "")
        if kind == "directory":
            with pytest.raises(CommandExecutionError, match=f"{path}/{IDS} is a directory: remove it"):
                modules.gluster_one_ids.publish_id(path, "glusterds", 101)
            os.rmdir(served / IDS)
        modules.gluster_one_ids.publish_id(path, "glusterds", 101)
    assert stat.filemode((served / IDS).lstat().st_mode) == "-rw-r--r--"
    assert modules.gluster_one_ids.published_ids(path) == {"glusterds": 101}
    assert seen(secret) == before


# Directories of oneadmin's


def test_a_mount_point_is_made_in_the_directory_that_was_looked_at(modules, place, victim, monkeypatch):
    """The directory above is exchanged just before root sets the mode."""
    (victim / "0").write_text("a file of root's")
    (victim / "0").chmod(0o600)
    attacker.does("mkdir", "-m", "0700", place / "gluster", place / "gluster/0")
    swap = lambda: attacker.exchanges(place / "gluster", victim)  # noqa: E731
    attacked = attacker.at_the_right_moment(monkeypatch, os, ("chmod", "fchmod"), swap)
    with contextlib.suppress(CommandExecutionError):
        modules.gluster_links.make_mount_point(str(place / "gluster/0"))
    assert attacked
    assert stat.S_IMODE((victim / "0").stat().st_mode) == 0o600


def test_a_link_is_made_in_the_directory_that_was_looked_at(modules, place, victim, monkeypatch):
    """The directory above is exchanged just before root removes the empty directory in the link's place."""
    (victim / "101").mkdir()
    attacker.does("mkdir", "-p", place / "datastores/101")
    swap = lambda: attacker.exchanges(place / "datastores", victim)  # noqa: E731
    attacked = attacker.at_the_right_moment(monkeypatch, os, ("rmdir",), swap)
    with contextlib.suppress(CommandExecutionError):
        modules.gluster_links.link(str(place / "datastores/101"), str(place / "0"))
    assert attacked
    assert (victim / "101").is_dir() and not (victim / "101").is_symlink()


def test_a_link_of_oneadmin_s_on_the_way_is_named(modules, place, victim):
    attacker.does("ln", "-s", victim, place / "datastores")
    path = str(place / "datastores/101")
    for call in (modules.gluster_links.link, modules.gluster_links.link_state):
        with pytest.raises(
            CommandExecutionError, match="datastores lies behind a link .*give the path without that link"
        ):
            call(path, str(place / "0"))
    with pytest.raises(CommandExecutionError, match="lies behind a link"):
        modules.gluster_links.make_mount_point(path)
    assert os.listdir(victim) == []
    assert modules.gluster_links.link(str(victim / "101"), str(place / "0")) is True, "what the error advises"


def test_a_link_of_root_s_alone_on_the_way_is_followed(modules, tmp_path, victim):
    (tmp_path / "way").symlink_to("victim")
    assert modules.gluster_links.link(str(tmp_path / "way/101"), "/mnt") is True
    assert os.readlink(victim / "101") == "/mnt"


@pytest.mark.parametrize("kind", ["FIFO", "socket", "sparse", "text"])
def test_anything_in_the_place_of_a_link(modules, place, kind):
    path = place / "101"
    if kind == "FIFO":
        attacker.does("mkfifo", path)
    elif kind == "socket":
        attacker.does(attacker.SYSTEM_PYTHON, "-c", f"import socket; socket.socket(1).bind('{path}')")
    elif kind == "sparse":
        attacker.does("truncate", "-s", "1G", path)
    else:
        os.symlink(b"/f\xfcr" + ESCAPE.encode(), path)
    said = {"FIFO": "is a FIFO", "socket": "is a socket", "sparse": "is a file"}.get(
        kind, r"is a link to /f\xfcr\x1b[2J"
    )
    with host.seconds(4):
        assert modules.gluster_links.link_state(str(path), str(place / "0"))["detail"] == said
        with pytest.raises(CommandExecutionError) as failure:
            modules.gluster_links.link(str(path), str(place / "0"))
    assert said in str(failure.value)


def test_a_mount_of_oneadmin_s_that_hangs_is_not_entered(modules, place):
    attacker.does("mkdir", "-p", place / "datastores/101")
    said = f"{place}/datastores lies behind theirs .fuse., mounted on {place}/datastores by the user with number 9869"
    with attacker.covering(place / "datastores", hangs=True), host.seconds(4):
        for call in (modules.gluster_links.link, modules.gluster_links.link_state):
            with pytest.raises(CommandExecutionError, match=said):
                call(str(place / "datastores/101"), str(place / "0"))
        point = modules.gluster_links.mount_point_state(str(place / "datastores/101"))
        assert "lies behind theirs" in point["blocked"]


def test_a_link_is_exchanged_only_for_the_one_that_was_named(modules, place):
    path, old, new = place / "101", str(place / "old"), str(place / "0")
    attacker.does("ln", "-s", old, path)
    assert modules.gluster_links.link_state(str(path), new)["target"] == old
    with pytest.raises(CommandExecutionError, match=f"is a link to {old}"):
        modules.gluster_links.link(str(path), new, replace="/another")
    assert modules.gluster_links.link(str(path), new, replace=old) is True
    assert (os.readlink(path), os.listdir(place)) == (new, ["101"])
    os.unlink(path)
    attacker.does("touch", path)
    with pytest.raises(CommandExecutionError, match="it is a file"):
        modules.gluster_links.link(str(path), new, replace=old)


def test_a_link_that_is_exchanged_in_the_meantime_stays(modules, place, monkeypatch):
    path = place / "101"
    attacker.does("ln", "-s", "/old", path)
    other = lambda: attacker.does("ln", "-sfn", "/other", path)  # noqa: E731
    attacker.at_the_right_moment(monkeypatch, os, ("symlink",), other)
    with pytest.raises(CommandExecutionError, match="is no longer a link to /old: run again"):
        modules.gluster_links.link(str(path), str(place / "0"), replace="/old")
    assert (os.readlink(path), os.listdir(place)) == ("/other", ["101"])


def test_a_directory_with_thousands_of_files_is_not_counted_to_the_end(modules, place):
    attacker.does("mkdir", place / "101")
    attacker.does("sh", "-c", f"cd {place}/101 && seq 1500 | xargs touch")
    state = modules.gluster_links.link_state(str(place / "101"), str(place / "0"))
    assert state["detail"].startswith("holds more than 1000 files (")


# Names


def test_names_are_shown_as_text(modules, place, served):
    attacker.does("mkdir", place / "101")
    for name in (ESCAPE.encode(), b"f\xfcr", "\u202etxt.exe".encode()):
        os.close(os.open(os.fsencode(place / "101") + b"/" + name, os.O_CREAT))
    shown = r"3 files (\x1b[2J, f\xfcr, \u202etxt.exe)"
    assert shown in modules.gluster_links.link_state(str(place / "101"), str(place / "0"))["detail"]
    script = "import sys, time; open('/proc/self/comm', 'w').write('\\x1b[2J'); print(flush=True); time.sleep(600)"
    words = ["/usr/bin/qemu-system-x86_64", "-c", script, "-name", f"guest=one-7{ESCAPE},x"]
    with attacker.runs(*words, program=attacker.SYSTEM_PYTHON) as process:
        process.stdout.readline()
        assert r"one-7\x1b[2J" in modules.gluster_one.machines()
    script = f"import os; os.chdir('{served}'); {script}"
    with attacker.runs(attacker.SYSTEM_PYTHON, "-c", script) as process:
        process.stdout.readline()
        assert rf"\x1b[2J ({process.pid})" in modules.gluster_mount.mount_users(str(served))


def test_a_process_of_oneadmin_s_is_no_client(modules, point):
    words = ["/usr/sbin/glusterfs", "-c", "import time; print(flush=True); time.sleep(600)", "--volfile-server=x"]
    with attacker.runs(*words, str(point), program=attacker.SYSTEM_PYTHON) as process:
        process.stdout.readline()
        assert modules.gluster_mount.client(str(point)) == []


# A probe that hangs


def test_a_probe_that_cannot_be_killed_is_not_started_again(modules, served, small_vol):
    (brick,) = host.brick_pids(small_vol)[small_vol]
    probe = ["stat", "-f", str(served)]

    def probes():
        found = subprocess.run(["pgrep", "-fx", " ".join(probe)], capture_output=True, text=True).stdout.split()
        return [pid for pid in found if "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()]

    os.kill(brick, signal.SIGSTOP)
    try:
        for _ in range(3):
            assert modules.gluster_mount.mount_health(str(served))["state"] == "hung"
        assert len(probes()) == 1
    finally:
        os.kill(brick, signal.SIGCONT)
    host.eventually("it is over", lambda: not probes())
    host.eventually("it answers", lambda: modules.gluster_mount.mount_health(str(served))["state"] == "alive")


# The servers' lock, which lies on one_vol


@pytest.fixture
def lock_volume(one_vol, modules):
    """one_vol as another node sees it, without what is there for the lock; that comes back afterwards."""
    with host.mounted_aside(one_vol) as point:
        (point / OURS).mkdir(exist_ok=True)
        (point / OURS).rename(point / "kept")
        yield point
        modules.gluster_lock.unlock()
        host.sh("rm", "-rf", point / OURS, point / "renamed")
        (point / "kept").rename(point / OURS)


@pytest.mark.parametrize("kind", ["link", "FIFO", "device", "directory"])
def test_what_is_no_file_in_the_place_of_the_lock_is_named(modules, one_vol, lock_volume, kind, secret):
    before = seen(secret)
    if kind != "directory":
        put(one_vol, lock_volume, OURS, kind, secret.parent)
        with host.seconds(8), pytest.raises(CommandExecutionError, match=f"{OURS} is a {kind}: remove it"):
            modules.gluster_lock.lock(5)
        os.unlink(lock_volume / OURS)
    (lock_volume / OURS).mkdir()
    put(one_vol, lock_volume, LOCK, kind, secret)
    with host.seconds(8), pytest.raises(CommandExecutionError, match=f"{LOCK} is a {kind}: remove it"):
        modules.gluster_lock.lock(5)
    host.sh("rm", "-r", lock_volume / LOCK)
    assert modules.gluster_lock.lock(5) == one_vol, "what the error advises"
    assert seen(secret) == before


def test_options_are_not_set_where_no_lock_can_be_had(states, lock_volume, one_vol, new_volume, secret):
    name = new_volume("plain_vol")
    put(one_vol, lock_volume, OURS, "FIFO", secret)
    run = states.gluster_one.volume_configured(name, timeout=5)
    assert run.result is False and f"{OURS} is a FIFO: remove it" in run.comment
    assert "storage.owner-uid" not in host.set_options(name)


def test_who_holds_the_lock_for_ever_is_named_and_got_rid_of(modules, one_vol, lock_volume):
    (lock_volume / OURS).mkdir()
    (lock_volume / LOCK).touch()
    os.chown(lock_volume / OURS, attacker.UID, attacker.UID)
    os.chown(lock_volume / LOCK, attacker.UID, attacker.UID)
    with attacker.holding(lock_volume / LOCK):
        with pytest.raises(CommandExecutionError, match=r"uid 9869\).*: remove .gluster_one/lock on a mount of volume"):
            modules.gluster_lock.lock(2)
        os.unlink(lock_volume / LOCK)
        assert modules.gluster_lock.lock(10) == one_vol, "what the error advises"


@pytest.fixture(params=["on", "off"])
def prefetch(one_vol, request):
    """Whether clients of one_vol have Gluster's cache of what a file is."""
    host.gluster("volume", "set", one_vol, "performance.stat-prefetch", request.param)
    yield
    host.gluster("volume", "reset", one_vol, "performance.stat-prefetch")


@pytest.mark.usefixtures("prefetch")
def test_a_lock_that_is_renamed_while_it_is_held_restarts_nothing(states, monkeypatch, lock_volume, small_vol):
    before, holders = host.brick_pids(small_vol), []
    begin, communicate = subprocess.Popen.__init__, subprocess.Popen.communicate

    def begun(process, command, *words, **more):
        holders.extend(word for word in command if "def is_named()" in str(word))
        begin(process, command, *words, **more)

    def communicated(process, *words, **more):
        """The first command that is run after the lock was taken, which asks whether the pool is settled."""
        if holders:
            monkeypatch.setattr(subprocess.Popen, "communicate", communicate)
            host.eventually("the lock is seen here, too", (lock_volume / LOCK).exists)
            attacker.does_as_root_of("one_vol", "rename", OURS, "renamed")
        return communicate(process, *words, **more)

    monkeypatch.setattr(subprocess.Popen, "__init__", begun)
    monkeypatch.setattr(subprocess.Popen, "communicate", communicated)
    run = states.gluster_one.bricks_restarted(small_vol, every=True, outage="allow", timeout=10)
    assert (lock_volume / "renamed").exists()
    assert (run.result, run.changes) == (False, {})
    assert "This server has lost its turn: somebody has renamed or removed .gluster_one" in run.comment
    assert host.brick_pids(small_vol) == before
