"""
Mounts without set-user-ID programs and devices
===============================================

More functions of the execution module ``gluster_mount``: Salt joins modules of one virtual name.

Whoever reaches a brick is root on the volume and can leave a program there that is set-user-ID root, or a device. What
counts is the kernel's table of mounts: options on the way to it can be lost.
"""

import os
import re
import sys

import salt.utils.files
from salt.exceptions import CommandExecutionError

__virtualname__ = "gluster_mount"

FLAGS = {"nosuid", "nodev"}
MOUNTINFO = "/proc/self/mountinfo"
# By a descriptor that is reached without following a link, because the directories above a mount may belong to somebody
# who exchanges them meanwhile: it has to be that very mount, by its number in the kernel's table.
ACT = r"""
import ctypes, os, re, sys
action, path, number = sys.argv[1:]
at = os.open("/", os.O_PATH)
for name in path.strip("/").split("/"):
    at = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY, dir_fd=at)
if re.search(r"^mnt_id:\s*(\d+)$", open(f"/proc/self/fdinfo/{at}").read(), re.M)[1] != number:
    sys.exit("something else is there now")
libc, place = ctypes.CDLL(None, use_errno=True), b"/proc/self/fd/%d" % at
if action == "detach":
    failed = libc.umount2(place, 2)  # MNT_DETACH: the descriptor counts as a user
else:
    failed = libc.mount(None, place, None, ctypes.c_ulong(int(action)), None)
sys.exit(os.strerror(ctypes.get_errno()) if failed else 0)
"""
_REMOUNT_BIND = 32 | 4096
# What a remount takes away unless it is named again; the times of access stay as they are.
_KEPT = {"ro": 1, "noexec": 8}
_NOSUID_NODEV = 2 | 4


def __virtual__():
    return __virtualname__


def mount_table():
    """
    The kernel's table of this node's mounts, a later one over an earlier.

    Returns a list of dicts; ``number`` is the mount's, ``device_number`` its file system's, ``options`` those of the
    mount and ``super_options`` those of its file system::

        [{"number": "41", "device_number": "0:33", "path": "/srv/vol", "options": ["rw", "nosuid", "nodev"],
          "fstype": "fuse.glusterfs", "device": "kvm1:/one_vol", "super_options": ["rw", "user_id=0"]}]

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.mount_table
    """
    with salt.utils.files.fopen(MOUNTINFO, "rb") as stream:
        text = stream.read()
    table = []
    # By bytes: the kernel escapes blanks, tabs and line feeds alone, and whoever may mount something by fusermount
    # gives its directory a name with what else text would be split at.
    for line in filter(None, text.split(b"\n")):
        words = [os.fsdecode(re.sub(rb"\\([0-7]{3})", _char, word)) for word in line.split(b" ")]
        fstype, device, more = words[words.index("-", 6) + 1 :][:3]
        table.append({
            "number": words[0], "device_number": words[2], "path": words[4], "options": words[5].split(","),
            "fstype": fstype, "device": device, "super_options": more.split(","),
        })  # fmt: skip
    return table


def _char(code):
    return bytes([int(code[1], 8)])


def _mounts():
    """
    The Gluster mounts of this node as (number, directory, options of the mount, volume).
    """
    for mount in mount_table():
        # One by fusermount has its user's number there.
        if mount["fstype"] == "fuse.glusterfs" and "user_id=0" in mount["super_options"]:
            volume = __salt__["gluster_mount.device_volume"](mount["device"])
            yield mount["number"], mount["path"], set(mount["options"]), volume


def without_flags(volume):
    """
    The mounts of a volume on which set-user-ID programs or devices work.

    volume
        The volume (string); a mount of one of its sub-directories counts, too.

    Returns a sorted list of directories.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.without_flags one_vol
    """
    name = volume.partition("/")[0]
    return sorted({path for _, path, opts, of in _mounts() if of.partition("/")[0] == name and not opts >= FLAGS})


def set_flags(volume):
    """
    Set ``nosuid`` and ``nodev`` on all mounts of a volume, while they are used: the client notices nothing, and open
    files stay open.

    volume
        See :func:`without_flags`.

    Returns True.

    Raises CommandExecutionError when a mount cannot be given them.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.set_flags one_vol
    """
    name = volume.partition("/")[0]
    for number, path, opts, of in list(_mounts()):
        if of.partition("/")[0] == name and not opts >= FLAGS:
            kept = sum(flag for option, flag in _KEPT.items() if option in opts)
            _act(str(_REMOUNT_BIND | _NOSUID_NODEV | kept), path, number)
    return True


def detach(path):
    """
    Take a mount away that lies below directories of somebody else. What is open there stays usable.

    path
        The directory on which a Gluster volume is mounted (string).

    Returns True.

    Raises CommandExecutionError when it cannot be taken away.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.detach /var/lib/gluster_one/one_vol
    """
    for number, mounted, _, _ in reversed(list(_mounts())):
        if mounted == path:
            _act("detach", path, number)
            break
    return True


def _act(action, path, number):
    command = [sys.executable, "-I", "-S", "-c", ACT, action, path, number]
    status, _, error = __salt__["gluster_one.child"](command, timeout=10)
    if status != 0:
        what = "taken away" if action == "detach" else "made nosuid,nodev"
        raise CommandExecutionError(f"the mount on {path} cannot be {what}: {error.rpartition(': ')[2]}")
