"""
Mounts without set-user-ID programs and devices
===============================================

More functions of the execution module ``gluster_mount``: Salt joins modules of one virtual name.

Whoever reaches a brick is root on the volume and can leave a program there that is set-user-ID root, or a device. What
counts is the kernel's table of mounts: options on the way to it can be lost. Each mount namespace has a table of its
own, such as that of a VM, which libvirt makes, and flags that are set in one do not reach the others.
"""

import contextlib
import fcntl
import itertools
import os
import re
import sys

import salt.utils.files
from salt.exceptions import CommandExecutionError

__virtualname__ = "gluster_mount"

FLAGS = {"nosuid", "nodev"}
PROC = "/proc"
# By a descriptor that is reached without following a link, because the directories above a mount may belong to somebody
# who exchanges them meanwhile: it has to be that very mount, by its number in the kernel's table. In another process's
# mount namespace neither a file nor /proc is what it is here: nothing is imported or looked for by a path there.
ACT = r"""
import ctypes, os, re, sys
sys.excepthook = lambda kind, error, _: sys.stderr.write(getattr(error, "strerror", None) or str(error))
action, path, number, process = sys.argv[1:]
at = os.open(f"/proc/{process}/root", os.O_PATH)
for name in filter(None, path.split("/")):
    at = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY, dir_fd=at)
if re.search(r"^mnt_id:\s*(\d+)$", open(f"/proc/self/fdinfo/{at}").read(), re.M)[1] != number:
    sys.exit("something else is there now")
libc, place = ctypes.CDLL(None, use_errno=True), b"%d" % at
descriptors, namespace = os.open("/proc/self/fd", os.O_RDONLY), os.open(f"/proc/{process}/ns/mnt", os.O_RDONLY)
if process != "self" and libc.setns(namespace, 0x20000):  # CLONE_NEWNS
    sys.exit(os.strerror(ctypes.get_errno()))
os.fchdir(descriptors)
if action == "detach":
    failed = libc.umount2(place, 2)  # MNT_DETACH: the descriptor counts as a user
else:
    failed = libc.mount(None, place, None, ctypes.c_ulong(int(action)), None)
sys.exit(os.strerror(ctypes.get_errno()) if failed else 0)
"""
# Bytes of the tables of mount namespaces that belong to user namespaces, which anybody can make, with 100,000 mounts.
MOST_FOREIGN = 4_000_000
MOST_UNSAFE = 500  # mounts at once: the next look finds the others
_NS_GET_USERNS = 0xB701
_REMOUNT_BIND = 32 | 4096
# What a remount takes away unless it is named again; the times of access stay as they are.
_KEPT = {"ro": 1, "noexec": 8, "nosymfollow": 256}
_NOSUID_NODEV = 2 | 4


def __virtual__():
    return __virtualname__


def mount_table():
    """
    The kernel's table of this node's mounts, a later one over an earlier.

    Returns a list of dicts; ``number`` is the mount's, ``device_number`` its file system's, ``options`` those of the
    mount and ``super_options`` those of its file system. ``volume`` is None for what root has not mounted by Gluster's
    client: who may use fusermount chooses type and device, too::

        [{"number": "41", "device_number": "0:33", "path": "/srv/vol", "options": ["rw", "nosuid", "nodev"],
          "fstype": "fuse.glusterfs", "device": "kvm1:/one_vol", "super_options": ["rw", "user_id=0"],
          "volume": "one_vol"}]

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.mount_table
    """
    return list(_parsed(_text("self")))


def _text(process, most=-1):
    with salt.utils.files.fopen(f"{PROC}/{process}/mountinfo", "rb") as stream:
        return stream.read(most)


def _parsed(text, containing=b""):
    # By bytes: the kernel escapes blanks, tabs and line feeds alone, and whoever may mount something by fusermount
    # gives its directory a name with what else text would be split at. A line without an end was cut off.
    for line in text.split(b"\n")[:-1]:
        if containing not in line:
            continue
        words = [os.fsdecode(re.sub(rb"\\([0-7]{3})", _char, word)) for word in line.split(b" ")]
        fstype, device, more = words[words.index("-", 6) + 1 :][:3]
        more = more.split(",")
        # A mount by fusermount has its user's number there.
        volume = fstype == "fuse.glusterfs" and "user_id=0" in more
        volume = __salt__["gluster_fstab.device_volume"](device) if volume else None
        yield {
            "number": words[0], "device_number": words[2], "path": words[4], "options": words[5].split(","),
            "fstype": fstype, "device": device, "super_options": more, "volume": volume,
        }  # fmt: skip


def _char(code):
    return bytes([int(code[1], 8)])


def _gluster_mounts():
    """
    The Gluster mounts in all mount namespaces of this node, those of this process first; ``process`` is one that has
    the mount in its table.
    """
    ours, foreign = _processes()
    devices, left = set(), MOST_FOREIGN
    for process, is_ours in [("self", True), *((each, True) for each in ours), *((each, False) for each in foreign)]:
        try:
            text = _text(process, -1 if is_ours else left)
        except OSError:  # it has ended
            continue
        left -= 0 if is_ours else len(text)
        for mount in _parsed(text, b" - fuse.glusterfs "):
            # Whoever makes a user namespace can have FUSE mounts there that look as if they were root's. A copy of a
            # mount of root's has its file system: set-user-ID root does not work there, but devices do.
            if mount["volume"] and (is_ours or mount["device_number"] in devices):
                devices.add(mount["device_number"])
                yield {**mount, "process": process}


def _processes():
    """
    One process of each other mount namespace: those that belong to this user namespace, so that root made them, and the
    others.
    """
    known, ours, foreign = {os.readlink(f"{PROC}/self/ns/mnt")}, [], []
    for process in filter(str.isdigit, os.listdir(PROC)):
        with contextlib.suppress(OSError):  # it has ended
            namespace = os.readlink(f"{PROC}/{process}/ns/mnt")
            if namespace not in known:
                (ours if _is_ours(process) else foreign).append(process)
                known.add(namespace)
    return ours, foreign


def _is_ours(process):
    with salt.utils.files.fopen(f"{PROC}/{process}/ns/mnt", "rb") as namespace:
        owner = fcntl.ioctl(namespace, _NS_GET_USERNS)
    try:
        return os.path.samestat(os.fstat(owner), os.stat(f"{PROC}/self/ns/user"))
    finally:
        os.close(owner)


def _unsafe(volume):
    name = volume.partition("/")[0]
    found = (mount for mount in _gluster_mounts() if mount["volume"].partition("/")[0] == name)
    unsafe = (mount for mount in found if not set(mount["options"]) >= FLAGS)
    return list(itertools.islice(unsafe, MOST_UNSAFE))


def without_flags(volume):
    """
    The mounts of a volume on which set-user-ID programs or devices work, those in other mount namespaces included: a VM
    that was started before the flags were set has such a mount of its own.

    volume
        The volume (string); a mount of one of its sub-directories counts, too.

    Returns a dict by mount, sorted: None, or the process in whose mount namespace it is::

        {"/var/lib/gluster_one/one_vol": None, "/var/lib/gluster_one/one_vol of one-7 (4711)": "one-7 (4711)"}

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.without_flags one_vol
    """
    found = {}
    for mount in _unsafe(volume):
        process = _name(mount)
        found[f"{mount['path']} of {process}" if process else mount["path"]] = process
    return dict(sorted(found.items()))


def _name(mount):
    return None if mount["process"] == "self" else __salt__["gluster_one.process_name"](int(mount["process"]))


def set_flags(volume):
    """
    Set ``nosuid`` and ``nodev`` on all mounts of a volume, while they are used: the client notices nothing, and open
    files stay open.

    volume
        See :func:`without_flags`.

    Returns a list of what stood in the way in other mount namespaces (strings).

    Raises CommandExecutionError when a mount in this one cannot be given them.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.set_flags one_vol
    """
    refused = []
    for mount in _unsafe(volume):
        process = _name(mount)
        kept = sum(flag for option, flag in _KEPT.items() if option in mount["options"])
        try:
            _act(str(_REMOUNT_BIND | _NOSUID_NODEV | kept), mount)
        except CommandExecutionError as exc:
            if not process:
                raise
            refused.append(f"{exc}, in the mount namespace of {process}: migrate that VM, or restart the process")
    return refused


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
    for mount in reversed(mount_table()):
        if mount["volume"] and mount["path"] == path:
            _act("detach", {**mount, "process": "self"})
            break
    return True


def _act(action, mount):
    about = [mount[key] for key in ("path", "number", "process")]
    status, _, error = __salt__["gluster_one.child"](
        [sys.executable, "-I", "-S", "-c", ACT, action, *about], timeout=10
    )
    if status != 0:
        what = "taken away" if action == "detach" else "made nosuid,nodev"
        path = __salt__["gluster_one.visible"](mount["path"])
        raise CommandExecutionError(f"the mount on {path} cannot be {what}: {error}")
