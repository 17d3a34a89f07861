"""Somebody who has become oneadmin, on this node or another: what such a process can do to directories and volumes."""

import contextlib
import os
import subprocess
import threading
from pathlib import Path

from . import host

UID = 9869
BECOME = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups"]
SYSTEM_PYTHON = "/usr/bin/python3"

# Anybody who reaches the bricks is root on the volume, as long as server.allow-insecure is on.
ROOT_OF_A_VOLUME = """
import ctypes, os, stat, sys
volume, kind, path, text = (word.encode() for word in sys.argv[1:])
gfapi = ctypes.CDLL("libgfapi.so.0", use_errno=True)
gfapi.glfs_new.restype = ctypes.c_void_p
fs = ctypes.c_void_p(gfapi.glfs_new(volume))
gfapi.glfs_set_volfile_server(fs, b"tcp", b"kvm1", 24007)
gfapi.glfs_set_logging(fs, b"/dev/null", 0)
if gfapi.glfs_init(fs):
    sys.exit("no way to the volume")
gfapi.glfs_setfsuid(0)
gfapi.glfs_setfsgid(0)
if kind == b"directory":
    failed = gfapi.glfs_mkdir(fs, path, 0o755)
elif kind == b"link":
    failed = gfapi.glfs_symlink(fs, text, path)
elif kind == b"rename":
    failed = gfapi.glfs_rename(fs, path, text)
else:
    mode = {b"FIFO": stat.S_IFIFO, b"device": stat.S_IFCHR, b"file": stat.S_IFREG}[kind] | 0o644
    failed = gfapi.glfs_mknod(fs, path, mode, ctypes.c_ulong(os.makedev(1, 5)))  # /dev/zero
print(os.strerror(ctypes.get_errno()) if failed else "done", flush=True)
os._exit(bool(failed))  # it would take ten seconds to close
"""


def does(*argv):
    """A command of oneadmin's."""
    return host.sh(*BECOME, *argv)


def does_as_root_of(volume, kind, path, text=""):
    """Put something on a volume, as root of it: ``directory``, ``link``, ``FIFO``, ``device``, ``file``; or rename."""
    return does(SYSTEM_PYTHON, "-c", ROOT_OF_A_VOLUME, volume, kind, path, text)


@contextlib.contextmanager
def runs(*argv, program=None):
    """A process of oneadmin's, for a while; it may call itself as it likes."""
    words = [os.fsencode(word) for word in argv]
    process = subprocess.Popen(
        words, executable=program, user=UID, group=UID, extra_groups=[], stdout=subprocess.PIPE, text=True, cwd="/"
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def holding(path):
    """A process of oneadmin's that holds a lock on a file."""
    script = (
        "import fcntl, sys, time; stream = open(sys.argv[1], 'r+'); fcntl.lockf(stream, fcntl.LOCK_EX); "
        "print('locked', flush=True); time.sleep(600)"
    )
    with runs(SYSTEM_PYTHON, "-c", script, str(path)) as process:
        assert process.stdout.readline() == "locked\n"
        yield


@contextlib.contextmanager
def covering(directory, hangs=False):
    """
    A FUSE mount of oneadmin's over a directory, as by fusermount: not even root comes past it. One that hangs lets root
    in, as where fuse.conf has user_allow_other, and answers nothing, for ten seconds.
    """
    with open("/dev/fuse", "r+b", buffering=0) as device:
        number = device.fileno()
        opts = f"fd={number},rootmode=40000,user_id={UID},group_id={UID},nosuid,nodev{',allow_other' * hangs}"
        subprocess.run(["mount", "-i", "-t", "fuse", "-o", opts, "theirs", directory], check=True, pass_fds=[number])
        end = threading.Timer(10, device.close)
        try:
            if hangs:
                end.start()
            yield
        finally:
            end.cancel()
            device.close()
            if f"theirs {directory} " in Path("/proc/self/mounts").read_text():
                host.sh("umount", "-l", directory)


def exchanges(directory, elsewhere):
    """Put a link in the place of a directory, which oneadmin may do where the directory above is his."""
    does("mv", directory, f"{directory}.old")
    does("ln", "-s", elsewhere, directory)


def at_the_right_moment(monkeypatch, module, names, attack):
    """
    Have the attack happen once, just before one of these functions does its work; returns a list, empty until it has.
    """
    done = []

    def hooked(original):
        def call(*words, **more):
            if not done:
                done.append(True)
                attack()
            return original(*words, **more)

        return call

    for name in names:
        monkeypatch.setattr(module, name, hooked(getattr(module, name)))
    return done
