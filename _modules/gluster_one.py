"""
This node's part in a GlusterFS datastore of OpenNebula
=======================================================

Read as data. Whatever might hang (a FUSE mount whose client is dead or whose brick is frozen) is looked at in a child
process with a time limit.
"""

import contextlib
import glob
import os
import secrets
import signal
import socket
import subprocess
import time

import psutil
import salt.utils.files
import salt.utils.path
import salt.utils.user
from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "gluster_one"

PROBE_SECONDS = 3


def __virtual__():
    return __virtualname__


def child(argv, user=None, timeout=PROBE_SECONDS, stdin=None):
    """
    Run a command that may hang, in a session of its own.

    argv
        The command (list of strings).

    user
        Who runs it (string). Default: root.

    timeout
        Seconds to wait (int, default 3). Then it is killed and not waited for: a process that looks at a frozen brick
        cannot be killed until the brick answers.

    stdin
        What it reads (string, default nothing).

    Returns a list of its status, None when it did not end in time, its standard output and its standard error, the
    latter in one line.

    Raises CommandExecutionError when there is no such user.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.child '[stat, -f, /var/lib/gluster_one/one_vol]'
    """
    identity = {}
    if user:
        if salt.utils.user.get_uid(user) is None:
            raise CommandExecutionError(
                f"There is no user {user} on this node: install OpenNebula's packages (opennebula on the head, "
                "opennebula-node-kvm on a hypervisor) or name another user"
            )
        identity = {"user": user, "group": salt.utils.user.get_default_group(user), "extra_groups": []}
    process = subprocess.Popen(
        argv,
        stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
        cwd="/",
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
        **identity,
    )
    try:
        out, err = process.communicate(stdin, timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return [None, "", f"no answer within {timeout} s"]
    return [process.returncode, out, " ".join(err.split())]


def mounts():
    """
    What is mounted. Unlike ``mount.active`` this starts no process, and it is looked at often.

    Returns a dict of dicts by directory; ``volume`` is None for a file system that is not Gluster's::

        {"/var/lib/gluster_one/one_vol": {"device": "kvm1:/one_vol", "fstype": "fuse.glusterfs", "volume": "one_vol"}}

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.mounts
    """
    return {
        part.mountpoint: {"device": part.device, "fstype": part.fstype, "volume": _volume(part)}
        for part in psutil.disk_partitions(all=True)
    }


def _volume(part):
    gluster = "glusterfs" in part.fstype
    return __salt__["gluster_mount.device_volume"](part.device) if gluster else None


def mount_health(path):
    """
    What is mounted on a directory and whether it answers.

    path
        The directory (string).

    Returns a dict ``{"state": "alive", "device": "kvm1:/one_vol", "fstype": "fuse.glusterfs", "volume": "one_vol"}``.
    ``state`` is ``absent`` (nothing is mounted there; the others are None), ``alive``, ``dead`` (the FUSE client is
    gone: "Transport endpoint is not connected", or lives and has been refused by the bricks, after which it does not
    try again), ``offline`` (it says the same because its bricks are away, as when the volume is stopped; files that are
    open come back with them) or ``hung`` (no answer within 3 s). ``volume`` is None for a file system that is not
    Gluster's, and has the sub-directory behind it where one is mounted (``one_vol/sub``).

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.mount_health /var/lib/gluster_one/one_vol
    """
    path = os.path.normpath(path)
    mounted = mounts().get(path)
    if not mounted:
        return {"state": "absent", "device": None, "fstype": None, "volume": None}
    volume = mounted["volume"]
    # statfs is never answered from the kernel's cache, so that a client that has just died is seen to be dead.
    status, _, error = child(["stat", "-f", path])
    if status == 0 and path not in mounts():  # it ended just now: that was the bare directory
        return {"state": "absent", "device": None, "fstype": None, "volume": None}
    state = "alive" if status == 0 else "hung" if status is None else "dead"
    if state == "dead" and "not connected" not in error:
        raise CommandExecutionError(f"{path} cannot be looked at: {error}")
    if state == "dead" and volume and client(path):
        state = "dead" if _comes_back(path, mounted["device"]) is False else "offline"
        state = "alive" if child(["stat", "-f", path])[0] == 0 else state
    return {"state": state, "device": mounted["device"], "fstype": mounted["fstype"], "volume": volume}


def _comes_back(path, device):
    """
    Whether a client whose bricks do not answer may still get them back: False when the volume can be mounted anew and
    this mount does not answer for 5 s more. A client tries again every 3 s, but for one that a brick has refused.
    """
    if not __salt__["gluster_mount.mountable"](device):
        return True
    for _ in range(5):
        if child(["stat", "-f", path])[0] == 0:
            return True
        time.sleep(1)
    return False


def client(path):
    """
    The FUSE client of Gluster that runs for a directory.

    path
        The directory (string).

    Returns its arguments (list of strings), empty where none runs.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.client /var/lib/gluster_one/one_vol
    """
    for commandline in glob.glob("/proc/[0-9]*/cmdline"):
        with contextlib.suppress(OSError), salt.utils.files.fopen(commandline, errors="replace") as stream:
            words = stream.read().split("\0")[:-1]
            if words and os.path.basename(words[0]) == "glusterfs" and words[-1] == path:
                return words
    return []


def machines():
    """
    The virtual machines that run on this node.

    Returns a sorted list of QEMU's names for them, such as ``["one-7"]``.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.machines
    """
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or [""]
        if os.path.basename(words[0]).startswith(("qemu-system", "qemu-kvm", "kvm")) and "-name" in words[:-1]:
            found.append(words[words.index("-name") + 1].partition(",")[0].removeprefix("guest="))
    return sorted(found)


def bricks_unconnected(path):
    """
    To which bricks the FUSE client of a mounted volume is not connected, by its own word.

    path
        The directory on which the volume is mounted (string).

    Returns a list of bricks such as ``kvm3:/data/one_vol``, None when it does not answer within 3 s.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.bricks_unconnected /var/lib/gluster_one/one_vol
    """
    # What the client shows of itself in the directory .meta of every mount. The numbers that it gives bricks are not
    # those of `gluster volume info`, once a brick was removed and another one added.
    look = """cd "$1"/.meta/graphs/active && for each in $(grep -ls "^connected = 0" *-client-*/private); do
        cd ${each%/private}/options && echo "$(cat remote-host):$(cat remote-subvolume)" && cd ../.. || exit
    done"""
    status, out, _ = child(["sh", "-c", look, "sh", path])
    return out.splitlines() if status == 0 else None


def apart():
    """
    To which bricks this node's mounts of Gluster volumes are not connected, by the clients' own word: a brick takes a
    while to notice that a client is gone.

    Returns a dict by volume of lists of bricks, empty where all are connected; None for a mount that does not answer::

        {"one_vol": ["kvm3:/data/one_vol"]}

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.apart
    """
    found = {}
    for path, mounted in mounts().items():
        if mounted["volume"]:
            found[mounted["volume"].partition("/")[0]] = bricks_unconnected(path)
    return found


def space(path):
    """
    The size of a mounted volume and how much of it is free.

    path
        The directory on which it is mounted (string).

    Returns a dict ``{"total_mb": 258020, "free_percent": 61}``, None when it does not answer within 3 s.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.space /var/lib/gluster_one/one_vol
    """
    status, out, _ = child(["stat", "-f", "-c", "%b %a %S", path])
    if status != 0:
        return None
    blocks, free, size = map(int, out.split())
    return {"total_mb": blocks * size // 2**20, "free_percent": round(100 * free / blocks) if blocks else 0}


def hidden(path):
    """
    What lies on the local disk beneath a mounted directory: files that were written while nothing was mounted.

    path
        The directory on which something is mounted (string).

    Returns a list of names, empty when there is nothing.

    Raises CommandExecutionError when it cannot be looked at.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.hidden /var/lib/gluster_one/one_vol
    """
    above, name = os.path.split(os.path.realpath(path))
    # In a mount namespace of its own, the directory above is mounted elsewhere: without what is mounted in it. Over
    # itself would do, but for the root, which stays what it was for the process.
    look = 'mount --bind "$1" /tmp && exec ls -A "/tmp/$2"'
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", look, "sh", above, name]
    status, out, error = child(command)
    if status != 0:
        raise CommandExecutionError(f"What lies beneath {path} cannot be looked at: {error}")
    return out.splitlines()


def writable(path, user="oneadmin"):
    """
    Whether a user can write in a directory, found out by writing a file there as that user and removing it.

    path
        The directory (string).

    user
        The user's name (string, default ``oneadmin``).

    Returns None if so, else what stood in the way (string).

    Raises CommandExecutionError when there is no such user.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.writable /var/lib/gluster_one/one_vol
    """
    # Another name each time: a file that only one brick took, while the root's owner was being changed on them, is not
    # writable until it is healed (measured with Gluster 10.3). What such tries have left goes with the next that works.
    script = ': >"$1.$2" && rm -f "$1.$2" && { rm -f "$1".* 2>/dev/null || :; }'
    probe = os.path.join(path, f".gluster_one.write-test.{socket.gethostname()}")
    status, _, error = child(["/bin/sh", "-c", script, "sh", probe, secrets.token_hex(4)], user=user)
    return None if status == 0 else error


def volume_options(uid="oneadmin", gid="oneadmin", options=None, group=None):
    """
    The options of a volume that OpenNebula's machines are to open.

    uid, gid
        The owner of its root: a number, or the name of a user and a group of this node (default ``oneadmin``).

    options
        Further options, and others of these (dict, default none).

    group
        An option group, such as ``virt``, over whose options all of these are laid (string, default none).

    Returns a dict ``{"server.allow-insecure": "on", "storage.owner-uid": "9869", "storage.owner-gid": "9869"}``.

    Raises SaltInvocationError for a user or group that is not there or options that are none, CommandExecutionError for
    an option group that is not on this node.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.volume_options
    """
    needed = {
        **(__salt__["gluster.group_options"](group) if group else {}),
        "server.allow-insecure": "on",
        "storage.owner-uid": __salt__["gluster.owner_id"](uid, "user"),
        "storage.owner-gid": __salt__["gluster.owner_id"](gid, "group"),
    }
    if "group" in (options or ()):  # Gluster takes it for an option, and sets those of the group
        raise SaltInvocationError("options has 'group': it is an argument of its own")
    return __salt__["gluster.options_wanted"](needed, options)
