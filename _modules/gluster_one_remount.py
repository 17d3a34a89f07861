"""
Who uses a mount, and the virtual machines
==========================================

More functions of the execution module ``gluster_one``: Salt joins modules of one virtual name.
"""

import contextlib
import glob
import os

import psutil

__virtualname__ = "gluster_one"

# What a process may hold a mount with, below its directory in /proc.
HELD = ("cwd", "root", "exe", "fd/*", "map_files/*")


def __virtual__():
    return __virtualname__


def mount_users(path):
    """
    Who would lose something if a mount went: processes with a file or a directory of it, and other mounts of it or in
    it. Only links of /proc are read, which a mount that hangs does not delay.

    path
        The directory on which it is mounted (string).

    Returns a sorted list of strings such as ``["/srv/vol", "qemu-system-x86 (4711)"]``.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.mount_users /var/lib/gluster_one/one_vol
    """
    path = os.path.normpath(path)
    # Salt's mount.active knows the devices' numbers, too, but starts blkid, whose exit status becomes this command's.
    mounted = {mount["path"]: mount["device_number"] for mount in __salt__["gluster_mount.mount_table"]()}
    found = [
        other
        for other, device in mounted.items()
        if other != path and (device == mounted.get(path) or _within(other, path))
    ]
    for process in psutil.process_iter(["pid", "name"]):
        if any(_within(place, path) for place in _places(process.pid)):
            found.append(f"{process.info['name']} ({process.pid})")
    return sorted(map(__salt__["gluster_one.visible"], found))


def _within(place, path):
    return place == path or place.startswith(f"{path}/")


def _places(pid):
    """
    What a process has open, is in, or runs.
    """
    for pattern in HELD:
        for link in glob.iglob(f"/proc/{pid}/{pattern}"):
            with contextlib.suppress(OSError):  # it has closed it since, or ended; a thread of the kernel runs nothing
                yield os.readlink(link)


def machines():
    """
    The virtual machines that run on this node.

    Returns a sorted list of QEMU's names for them, such as ``["one-7"]``.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.machines
    """
    names = [_machine(process.info["cmdline"]) for process in psutil.process_iter(["cmdline"])]
    return sorted(filter(None, names))


def _machine(words):
    words = words or [""]
    if os.path.basename(words[0]).startswith(("qemu-system", "qemu-kvm", "kvm")) and "-name" in words[:-1]:
        name = words[words.index("-name") + 1].partition(",")[0].removeprefix("guest=")
        return __salt__["gluster_one.visible"](name)
    return None


def process_name(pid):
    """
    How a process is named to an administrator.

    pid
        Its number (int).

    Returns a string such as ``one-7 (4711)``, the name of its virtual machine where it is QEMU.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.process_name 1
    """
    try:
        process = psutil.Process(pid)
        name = _machine(process.cmdline()) or __salt__["gluster_one.visible"](process.name())
    except psutil.Error:
        name = "a process that has ended"
    return f"{name} ({pid})"
