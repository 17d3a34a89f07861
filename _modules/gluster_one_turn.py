"""
One server of the pool at a time
================================

More functions of the execution module ``gluster_one``: Salt joins modules of one virtual name.

Two servers that restart something at once can take two copies of a disk away, and with ``cluster.server-quorum-type
server``, as in the option group ``virt``, the third stops its own brick besides. Servers take turns by a POSIX lock on
the first of the pool's volumes: no server of its own is needed, it outlives the restart of the holder's glusterd and of
one brick, and goes with the process that holds it (measured with Gluster 10.3).
"""

import logging
import os
import select
import subprocess
import sys
import time

from salt.exceptions import CommandExecutionError

log = logging.getLogger(__name__)

__virtualname__ = "gluster_one"

# oneadmin owns the volume's root: no link of his is followed. It ends with the process that started it, whose end
# closes its standard input.
HOLD = """
import fcntl, os, select, sys
os.makedirs("volume/.gluster_one", exist_ok=True)
print("mounted", flush=True)
inside = os.open("volume/.gluster_one", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
lock = os.open("lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600, dir_fd=inside)
while True:
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        break
    except (BlockingIOError, PermissionError):
        if select.select([sys.stdin], [], [], 0.5)[0]:
            sys.exit()
print("locked", flush=True)
sys.stdin.read()
"""


def __virtual__():
    return __virtualname__


def _lock_volume():
    """
    The volume on which the lock lies, the same for all servers, and its bricks; None and none where there is no such
    volume. It is the first, by name, that is started and lets in who is not root.
    """
    for name, info in sorted(__salt__["glusterd.volumes"]().items()):
        closed = not __salt__["gluster.option_changes"](info["options"], {"server.allow-insecure": "off"})
        if info["status"] == "Started" and not closed:
            return name, info["bricks"]
    return None, []


def lock(timeout=120):
    """
    Wait for this server's turn, and keep it until :func:`unlock`, or until the process that asked ends.

    timeout
        Seconds to wait while another server has it (int, default 120).

    Returns the volume on which the lock lies (string); None where there is none to lock on, because no volume of the
    pool is started and lets its servers in (then no other server has the turn either), or this server cannot mount it.

    Raises CommandExecutionError when the turn does not come.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.lock timeout=10
    """
    begin = time.monotonic()
    while True:
        volume, bricks = _lock_volume()
        if not volume or __salt__["gluster_mount.bricks_refusing"](volume, bricks):
            return None
        holder = _hold(volume, begin, timeout)
        if not holder:
            return None
        __context__["gluster_one.lock"] = holder
        if _lock_volume()[0] == volume:
            return volume
        unlock()  # one that comes before it was started meanwhile


def _hold(volume, begin, timeout):
    """
    The process that has the lock on a volume, or None when that cannot be mounted.
    """
    command = __salt__["gluster_mount.aside"](f"localhost:/{volume}", sys.executable, "-c", HOLD)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    pipes.update(text=True, errors="replace")
    holder = subprocess.Popen(command, cwd="/", start_new_session=True, **pipes)
    said = b""
    while not said.endswith(b"locked\n"):
        if select.select([holder.stdout], [], [], 1)[0]:
            more = os.read(holder.stdout.fileno(), 100)
            said += more
            if not more:
                _end(holder)
                log.warning("volume %s cannot be mounted for the servers' lock: %s", volume, holder.stderr.read())
                return None
            continue
        passed = time.monotonic() - begin
        seen = f"another server has the lock on volume {volume}" if said else f"volume {volume} does not answer"
        if passed > timeout:
            _end(holder)
            raise CommandExecutionError(
                f"This server's turn did not come within {timeout} s (.gluster_one/lock: {seen}), and it was left as "
                "it is: run again"
            )
        __salt__["gluster_one.waiting"]("It was not this server's turn", seen, passed)
    return holder


def _end(holder):
    holder.stdin.close()
    try:
        holder.wait(10)
    except subprocess.TimeoutExpired:
        holder.kill()


def unlock():
    """
    End this server's turn, if it has it.

    Returns True.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.unlock
    """
    holder = __context__.pop("gluster_one.lock", None)
    if holder:
        _end(holder)
    return True
