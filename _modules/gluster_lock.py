"""
One server of the pool at a time
================================

Two servers that restart something at once can make two replicas of a disk unavailable, and with
``cluster.server-quorum-type server``, as in the option group ``virt``, the third server stops its own brick, too.
Servers take turns by a POSIX lock on the first of the pool's volumes: it needs no lock server, it outlives the restart
of the holder's glusterd and of one brick, and ends with the process that holds it (measured with Gluster 10.3).
"""

import contextlib
import logging
import os
import select
import subprocess
import sys
import time

from salt.exceptions import CommandExecutionError

__virtualname__ = "gluster_lock"

log = logging.getLogger(__name__)
ACCEPTING = "gluster_lock.accepting"  # in the context: a run, and the volume whose bricks it has seen accept clients
# So that it is seen at once that the lock's name means another file: else the kernel and Gluster's client go on showing
# the old one for a second.
FRESH = "entry-timeout=0,attribute-timeout=0,xlator-option=*md-cache.md-cache-timeout=0"
# oneadmin owns the volume's root: no link of his is followed, no FIFO waited for, no device opened. Whoever renames
# what is locked gives the lock to another server: each line that comes in asks whether the name is still that file's.
# It ends with the process that started it, whose end closes its standard input.
HOLD = """
import fcntl, os, select, stat, sys

def say(*words):
    print(*words, flush=True)

def refused(kind, error, _):
    say("refused", error)

sys.excepthook = refused
kinds = {stat.S_IFDIR: "a directory", stat.S_IFREG: "a file", stat.S_IFLNK: "a link", stat.S_IFIFO: "a FIFO",
         stat.S_IFSOCK: "a socket"}

def kind(seen):
    return kinds.get(stat.S_IFMT(seen.st_mode), "a device")

def directory():
    try:
        return os.open(".gluster_one", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=root)
    except OSError:
        seen = os.stat(".gluster_one", dir_fd=root, follow_symlinks=False)
        raise OSError(f".gluster_one is {kind(seen)}: remove it") from None

def opened():
    inside = directory()
    try:
        return os.open("lock", os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=inside)
    except FileExistsError:
        there = os.open("lock", os.O_PATH | os.O_NOFOLLOW, dir_fd=inside)
        if not stat.S_ISREG(os.fstat(there).st_mode):
            raise OSError(f".gluster_one/lock is {kind(os.fstat(there))}: remove it") from None
        try:
            return os.open(f"/proc/self/fd/{there}", os.O_RDWR)
        finally:
            os.close(there)
    finally:
        os.close(inside)

def is_named():
    try:
        inside = directory()
        try:
            there, has = os.stat("lock", dir_fd=inside, follow_symlinks=False), os.fstat(lock)
        finally:
            os.close(inside)
        return (there.st_dev, there.st_ino) == (has.st_dev, has.st_ino)
    except OSError:
        return False

root = os.open("volume", os.O_RDONLY | os.O_DIRECTORY)
try:
    os.mkdir(".gluster_one", 0o755, dir_fd=root)
except FileExistsError:
    pass
say("mounted")
lock = opened()
while True:
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if is_named():
            break
    except (BlockingIOError, PermissionError):
        say("taken", os.fstat(lock).st_uid)
        if select.select([sys.stdin], [], [], 0.5)[0]:
            sys.exit()
    if not is_named():
        os.close(lock)
        lock = opened()
say("locked")
for _ in iter(sys.stdin.readline, ""):
    say("held" if is_named() else "lost")
"""


def __virtual__():
    return __virtualname__


def _lock_volume():
    """
    The volume on which the lock lies, the same for all servers, and its bricks; None and none where there is no such
    volume. It is the first, by name, that is started and accepts non-root clients.
    """
    for name, info in sorted(__salt__["glusterd.volumes"]().items()):
        closed = not __utils__["gluster_options.option_changes"](info["options"], {"server.allow-insecure": "off"})
        if info["status"] == "Started" and not closed:
            return name, info["bricks"]
    return None, []


def lock(timeout=120, run=None):
    """
    Wait for this server's turn, and keep it until :func:`unlock`, or until the process that asked ends.

    timeout
        Seconds to wait while another server has it (int, default 120).

    run
        Ask once for the same value here whether the bricks of the volume on which the lock lies accept clients: the
        states of one run give its identifier (string). Default: ask.

    Returns the volume on which the lock lies (string); None where there is none to lock on, because no volume of the
    pool is started and lets its servers in (then no other server has the turn either), or this server cannot mount it
    and has it mounted nowhere.

    Raises CommandExecutionError when the turn does not come, or the lock cannot be had although there is a volume for
    it, with the reason; ``taken`` of it is True where another server has the lock,
    or something else lies in its place.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_lock.lock timeout=10
    """
    begin = time.monotonic()
    while True:
        volume, bricks = _lock_volume()
        if not volume or _rejects(volume, bricks, run):
            return None
        holder = _hold(volume, begin, timeout)
        if not holder:
            return None
        __context__["gluster_lock.lock"] = holder
        if _lock_volume()[0] == volume:
            return volume
        unlock()  # one that comes before it was started meanwhile


def _rejects(volume, bricks, run):
    """
    Whether bricks of a volume reject clients. Those that accept them go on doing so until they are started again.
    """
    now = (run, volume, bricks)
    if run is None or __context__.get(ACCEPTING) != now:
        if __salt__["gluster_probe.rejecting_bricks"](volume, bricks):
            return True
        __context__[ACCEPTING] = now
    return False


def _hold(volume, begin, timeout):
    """
    The process that has the lock on a volume, or None when that cannot be mounted.
    """
    command = __salt__["gluster_probe.private_mount_command"](
        f"localhost:/{volume}", sys.executable, "-I", "-S", "-c", HOLD, options=FRESH
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "bufsize": 0}
    holder = subprocess.Popen(command, cwd="/", start_new_session=True, **pipes)
    seen, advice = f"volume {volume} does not answer", ""
    mounted = False
    while True:
        word, _, more = (_said(holder, 1) or "").partition(" ")
        if word == "locked":
            return holder
        if word == "taken":
            seen = f"another server has the lock on volume {volume}"
            advice = (
                f"; if no restart runs on any server, somebody else holds it, as whoever owns it (uid {more}) can for "
                f"ever: remove .gluster_one/lock on a mount of volume {volume} as root, and run again"
            )
        elif word == "mounted":
            mounted = True
        elif word in ("refused", "ended"):
            _end(holder)
            failure = f"There is no lock for the servers' turns on volume {volume}: {more}"
            if mounted or volume in [each["volume"] for each in __salt__["gluster_mount.mount_table"]()]:
                error = CommandExecutionError(f"{failure}; this server was left as it is")
                error.taken = more.endswith(": remove it")
                raise error
            log.warning("%s", failure)
            return None
        passed = time.monotonic() - begin
        if passed > timeout:
            _end(holder)
            error = CommandExecutionError(
                f"This server's turn did not come within {timeout} s (.gluster_one/lock: {seen}), and it was left as "
                f"it is: run again{advice}"
            )
            error.taken = bool(advice)
            raise error
        if word in ("", "taken"):
            __utils__["gluster_states.announce_wait"]("It was not this server's turn", seen, passed)


def _said(holder, seconds):
    """
    What a holder prints within some seconds, ``ended ...`` with its last output when it has ended; None if nothing.
    """
    line, end = bytearray(), time.monotonic() + seconds
    # Byte by byte, so that nothing of a further line is lost.
    while not line.endswith(b"\n"):
        if not select.select([holder.stdout], [], [], max(0, end - time.monotonic()))[0]:
            return None
        more = os.read(holder.stdout.fileno(), 1)
        if not more:
            errors = os.read(holder.stderr.fileno(), 4000) if select.select([holder.stderr], [], [], 1)[0] else b""
            return (
                f"ended {__utils__['gluster_process.visible'](' '.join(errors.decode(errors='replace').split()), 1000)}"
            )
        line += more
    return __utils__["gluster_process.visible"](line.decode(errors="replace").strip(), 1000)


def _end(holder):
    with contextlib.suppress(OSError):
        holder.stdin.close()
    try:
        holder.wait(10)
    except subprocess.TimeoutExpired:
        holder.kill()


def lock_held():
    """
    Make sure that this server still has its turn, just before it restarts something: who can write on the volume may
    have given the lock's name to another file, and thereby the turn to another server.

    Returns True; False when it has not asked for one, or there was no volume to lock on.

    Raises CommandExecutionError when it had the turn and has lost it.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_lock.lock_held
    """
    holder = __context__.get("gluster_lock.lock")
    if not holder:
        return False
    with contextlib.suppress(OSError):
        os.write(holder.stdin.fileno(), b"?\n")
        if _said(holder, 10) == "held":
            return True
    raise CommandExecutionError(
        "This server has lost its turn: somebody has renamed or removed .gluster_one or .gluster_one/lock on the "
        "volume, or the volume does not answer; it was left as it is: run again"
    )


def unlock():
    """
    End this server's turn, if it has it.

    Returns True.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_lock.unlock
    """
    holder = __context__.pop("gluster_lock.lock", None)
    if holder:
        _end(holder)
    return True
