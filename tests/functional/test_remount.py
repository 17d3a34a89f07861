"""The state gluster_one.datastore_remounted: a mount with the present options of fstab, unless something uses it."""

import contextlib
import os
import subprocess
import sys

import pytest

from . import host
from .runs import fails, four_runs, idle, refuses

NEW = ["log-level=WARNING"]
LINE = "kvm1:/small_vol defaults,_netdev,nosuid,nodev,backup-volfile-servers=kvm2:kvm3,log-level=WARNING"

# A process that has a file mapped, and changes what is mapped while its page waits to be written: as long as the mount
# hangs, the kernel lets nobody see its command line or what it has mapped. ctypes gives up Python's own lock meanwhile.
HOLDER = """
import ctypes, os, sys, threading, time
libc, pointer, size = ctypes.CDLL(None), ctypes.c_void_p, ctypes.c_size_t
libc.mmap.restype = pointer
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600)
os.ftruncate(file, 4096)
place = pointer(libc.mmap(None, size(4096), 3, 1, file, ctypes.c_long(0)))
os.close(file)
libc.memset(place, 1, size(4096))
print(flush=True)
sys.stdin.readline()
for function, *more in ((libc.msync, size(4096), 4), (libc.memset, 2, size(4096)), (libc.mprotect, size(4096), 1)):
    threading.Thread(target=function, args=(place, *more), daemon=True).start()
    time.sleep(0.3)
print(flush=True)
time.sleep(600)
"""


@pytest.fixture
def remounted(states, point):
    """The state for small_vol on ``point``, which is mounted, and has another line in fstab by now."""

    def run(name=point, options=NEW, **arguments):
        fixed = {"volume": "small_vol", "servers": ["kvm1", "kvm2", "kvm3"], "options": options}
        return states.gluster_one.datastore_remounted(str(name), **fixed, **arguments)

    return run


@pytest.fixture
def outdated(mounted):
    assert mounted().result is True
    assert mounted(options=NEW).result is True


@contextlib.contextmanager
def process(*command, **more):
    """A process that waits, and how the state is to name it."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **more) as child:
        child.stdout.readline()
        try:
            yield f"{os.path.basename(command[0])} ({child.pid})"
        finally:
            child.kill()


def an_open_file(point):
    return process("sh", "-c", 'exec 3>"$0/open"; echo; read line', point)


def a_working_directory(point):
    return process("sh", "-c", "echo; read line", cwd=point)


def a_program(point):
    host.sh("cp", "/bin/sh", point / "program")
    return process(point / "program", "-c", "echo; read line")


@contextlib.contextmanager
def a_mount_of_it_elsewhere(point):
    place = host.open_directory("bound")
    host.sh("mount", "--bind", point, place)
    try:
        yield str(place)
    finally:
        host.sh("umount", place)


@contextlib.contextmanager
def a_mount_in_it(point):
    (point / "in").mkdir()
    host.sh("mount", "-t", "tmpfs", "scratch", point / "in")
    try:
        yield str(point / "in")
    finally:
        host.sh("umount", point / "in")


def test_a_mount_gets_the_options_that_fstab_has(remounted, outdated, point):
    before = host.fuse_client(point)
    run = four_runs(remounted, look=lambda: host.fuse_client(point))
    assert run.changes == {"client": {"old": "kvm1, kvm2, kvm3 without log-level=WARNING", "new": LINE}}
    assert host.fuse_client(point) != before
    client = host.sh("cat", f"/proc/{host.fuse_client(point)}/cmdline").split("\0")
    assert "--log-level=WARNING" in client
    assert host.sh("systemctl", "is-active", host.unit_of(point)).strip() == "active"


@pytest.mark.parametrize(
    "use",
    [an_open_file, a_working_directory, a_program, a_mount_of_it_elsewhere, a_mount_in_it],
    ids=lambda f: f.__name__,
)
def test_what_uses_it_is_named_and_it_stays(remounted, outdated, point, use):
    client = lambda: host.fuse_client(point)  # noqa: E731
    with use(point) as user:
        assert refuses(remounted, look=client) == f"{point} stays as it is while it is used by {user}"
    host.eventually("it is free", lambda: remounted(test=True).result is None)
    assert remounted().result is True


def test_who_only_reads_elsewhere_is_no_user(modules, outdated, point):
    with process("sh", "-c", "echo; read line", cwd=point.parent):
        assert modules.gluster_mount.mount_users(str(point)) == []
        assert modules.gluster_mount.mount_users(f"{point}0") == []


def test_a_process_that_waits_for_a_mount_that_hangs_holds_up_no_look(mounted, modules, point):
    assert mounted().result is True
    words = [sys.executable, "-c", HOLDER, point / "file"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        line, user = f"/proc/{child.pid}/cmdline", f"{os.path.basename(sys.executable)} ({child.pid})"
        assert modules.gluster_mount.mount_users(str(point)) == [user]
        with host.stopped(host.fuse_client(point)):
            child.stdin.write(b"\n")
            child.stdin.flush()
            child.stdout.readline()
            assert subprocess.run(["timeout", "1", "cat", line], stdout=subprocess.DEVNULL).returncode == 124
            with host.seconds(30):
                assert modules.gluster_one.machines() == modules.gluster_native.native_machines() == []
                users = modules.gluster_mount.mount_users(str(point))
            assert users == [f"perhaps others (not all processes could be looked at in time: {user} could not)"]
        child.kill()


def test_options_that_no_client_takes_change_nothing(mounted, remounted, point):
    assert mounted().result is True
    wrong = ["direct-io-mode=perhaps"]
    assert mounted(options=wrong).result is True
    before = host.fuse_client(point)
    run = fails(remounted, options=wrong, within=30)
    assert "stays as it is: a trial mount of kvm1:/small_vol defaults," in run.comment
    assert "direct-io-mode=perhaps failed" in run.comment
    assert (run.changes, host.fuse_client(point), host.answers(point)) == ({}, before, True)


def test_what_is_not_mounted_or_not_in_fstab_is_left_to_the_other_state(mounted, remounted, point):
    said = f"{point} is not mounted, or not from fstab: apply datastore_mounted first"
    assert fails(remounted).comment == said
    assert mounted().result is True
    assert fails(remounted).comment == said
    idle(remounted, options=None)
