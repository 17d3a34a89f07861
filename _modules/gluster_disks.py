"""
A disk that becomes the file system of bricks
=============================================

XFS is made only on a device on which no signature is found and that nothing uses, never by force: ``mkfs.xfs`` itself
looks for signatures, and holds the device alone, so that what changes between the look here and there is an error, too.

The UUID is chosen and recorded on this node before: by it, and not by a label, a run that was ended before its line in
fstab knows its own again. Several hosts may see one disk of a storage network, and two that mount one XFS destroy it.

Salt's own states do not serve: ``blockdev.formatted`` asks blkid's cache, and leaves the UUID to chance;
``mount.mounted`` writes fstab by the device's name, or needs the UUID before there is one, and does not see in test
mode what the state before it would have made.
"""

import json
import os
import stat
import uuid as uuids

import salt.utils.path
from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "gluster_disks"

MKFS = ["mkfs.xfs", "-q", "-K", "-i", "size=512", "-L", "gluster_one"]  # -K: to discard a whole disk may take hours
MADE = "file_systems"  # the record's key for those that were made here: mount points by UUID
LEAST = 300 * 1024**2  # bytes, of mkfs.xfs 6
UNITS = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"))
# Whoever reaches a brick can make a file on it that belongs to root and is setuid, or a device. A boot without the disk
# goes on, and glusterd waits for it or for its time to be over: else it would start its bricks without directories.
OPTIONS = ["defaults", "noatime", "nosuid", "nodev", "nofail", "x-systemd.before=glusterd.service"]
ANOTHER = "give another device; if nobody needs what is on it, `wipefs --all {}`"
PLANNED = "gluster_disks.planned:"  # in the context: the run with test=True that would make a mount point's file system


def __virtual__():
    return __virtualname__


def changes(device, point, run=None):
    """
    What has to be done so that a device has an XFS that is mounted, now and after a boot.

    device
        The device or a link to it, below /dev (string), such as /dev/disk/by-id/wwn-0x5000c500a1b2c3d4.

    point
        The mount point (string).

    run
        In a run with ``test=True``, its identifier (string): what this has answered once is as if it were done.

    Returns a dict of what differs, in the order in which it is done, an empty one where nothing is to be done::

        {"/dev/sdb": {"old": "500.1 GB without a signature", "new": "XFS"},
         "fstab": {"old": None, "new": "/data/one_vol by the UUID of /dev/sdb"},
         "mount": {"old": None, "new": "/dev/sdb on /data/one_vol"}}

    Raises CommandExecutionError that says why the device is not touched.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_disks.changes /dev/disk/by-id/wwn-0x5000c500a1b2c3d4 /data/one_vol
    """
    found = _look(device, point)
    if is_planned(os.path.join(point, "brick"), run):
        return {}
    name, named = found["name"], {}
    if not found["uuid"]:
        named[name] = {"old": f"{_size(found['size'])} without a signature", "new": "XFS"}
    if not found["line"]:
        named["fstab"] = {"old": None, "new": f"{point} by the UUID of {name}"}
    if not found["mounted"]:
        named["mount"] = {"old": None, "new": f"{name} on {point}"}
    if named:
        __context__[PLANNED + point] = run
    return named


def is_planned(path, run):
    """
    Whether this run with ``test=True`` would mount a file system at the directory above a path.

    path
        The path (string).

    run
        The run's identifier (string).

    Returns True or False.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_disks.is_planned /data/one_vol/brick 20260101120000
    """
    planned = __context__.get(PLANNED + os.path.dirname(path))
    return bool(__opts__["test"]) and run is not None and planned == run


def prepare(device, point):
    """
    Do what :func:`changes` says. It may be ended at any moment: the next call goes on.

    device, point
        See :func:`changes`.

    Returns True.

    Raises CommandExecutionError with what failed.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_disks.prepare /dev/disk/by-id/wwn-0x5000c500a1b2c3d4 /data/one_vol
    """
    found = _look(device, point)
    if not found["uuid"]:
        uuid = str(uuids.uuid4())
        __salt__["gluster_one_record.record"](MADE, {uuid: point})
        _run([*MKFS, "-m", f"uuid={uuid}", found["name"]], f"{found['name']}: XFS was not made", timeout=300)
        made, found = found, _look(device, point)
        if (found["number"], found["uuid"]) != (made["number"], uuid):
            raise CommandExecutionError(
                f"{device} is another device by now, or has not the XFS that was made on it: look at it, and run again"
            )
    if not found["mounted"]:
        __salt__["gluster_links.make_mount_point"](point)
    if not found["line"]:
        __salt__["gluster_fstab.set_line"](point, f"UUID={found['uuid']}", OPTIONS, fstype="xfs")
    if not found["mounted"]:
        settle = salt.utils.path.which("udevadm")
        if settle:  # the link by which the UUID is found comes a moment after the file system
            __utils__["gluster_process.run"]([settle, "settle", "--timeout=10"], timeout=15)
        _run(["mount", point], f"{found['name']} was not mounted on {point}")
        if not _look(device, point)["mounted"]:
            raise CommandExecutionError(f"{found['name']} was mounted on {point}, and is not there: see dmesg")
    return True


def _run(command, failure, timeout=60):
    """
    Run a command that hangs where a disk is dying, so long that nobody can kill it.
    """
    program = salt.utils.path.which(command[0])
    if not program:
        package = {"mkfs.xfs": "xfsprogs"}.get(command[0], "util-linux")
        raise CommandExecutionError(f"{command[0]} is not installed on this node: install {package}")
    status, out, error = __utils__["gluster_process.run"]([program, *command[1:]], timeout=timeout)
    if status != 0:
        said = error.partition(f" {command[0]}: ")[0]  # without its advice to use force
        said = said or _shown(out.strip().partition("\n")[0])
        raise CommandExecutionError(f"{failure}: {said}" + ("" if status else ": see dmesg"))
    return out


def _look(device, point):
    """
    A device that may be used: its name in the kernel, number and size, the UUID of its XFS, whether that is mounted on
    the mount point, and whether fstab has it.
    """
    name, number = _resolved(device)
    mounts = [mount for mount in __salt__["gluster_mount.mount_table"]() if mount["device_number"] == number]
    there = __salt__["gluster_mount.mounts"]().get(point)
    mounted = [mount for mount in mounts if mount["path"] == point]
    line = __salt__["gluster_fstab.line"](point)
    if there and not mounted:
        raise CommandExecutionError(
            f"{_shown(there['device'])} is mounted on {point}, not {device}: correct one of them"
        )
    if mounts and not mounted:
        raise CommandExecutionError(f"{device} is in use, mounted on {_shown(mounts[0]['path'])}: give another one")
    signatures = json.loads(_run(["wipefs", "--no-act", "--json", name], f"{device} cannot be read") or "{}")
    signatures = signatures.get("signatures") or []
    uuid = signatures[0]["uuid"] if [each["type"] for each in signatures] == ["xfs"] else None
    if mounted and not uuid:
        raise CommandExecutionError(
            f"{device} is mounted on {point}, and is not XFS: leave device out, it is as you made it"
        )
    if signatures and not uuid:
        kinds = _shown(", ".join(dict.fromkeys(str(each["type"]) for each in signatures)))
        raise CommandExecutionError(f"{device} may hold data, it has a signature of {kinds}: {ANOTHER.format(name)}")
    if line and (line["fstype"], line["device"]) != ("xfs", f"UUID={uuid}") and not mounted:
        raise CommandExecutionError(
            f"/etc/fstab mounts {_shown(line['device'])} on {point}, not {device}: remove that line, or device"
        )
    if uuid and not mounted and not line and uuid not in __salt__["gluster_one_record.recorded"](MADE):
        raise CommandExecutionError(
            f"{device} may hold data, it has an XFS that was not made here ({uuid}): if it is for bricks, and no other "
            f"host has it mounted, mount it by a line in /etc/fstab, UUID={uuid} {point}; or {ANOTHER.format(name)}"
        )
    size = 512 * int(_attribute(number, "size") or 0)
    if not uuid:
        _require_free(device, name, number, size)
    if not mounted:
        _require_place(point)
    return {"name": name, "number": number, "size": size, "uuid": uuid, "line": line, "mounted": bool(mounted)}


def _resolved(device):
    """
    The name and number of the device to which a path below /dev leads, on which root alone decides.
    """
    path = os.path.normpath(device)
    name = os.path.realpath(path)
    for each in (path, name):
        if not each.startswith("/dev/"):
            raise SaltInvocationError(
                f"device is {device!r}: a device below /dev is needed, such as /dev/disk/by-id/..."
            )
        foreign = __salt__["gluster_mount.foreign_parent"](each)
        if foreign:
            raise SaltInvocationError(f"device is {device!r}, and others than root can write to {_shown(foreign)}")
    try:
        seen = os.stat(name)
    except FileNotFoundError:
        raise CommandExecutionError(f"{device} is not there: see `lsblk --output NAME,SIZE,WWN,MODEL,SERIAL`") from None
    if not stat.S_ISBLK(seen.st_mode):
        raise SaltInvocationError(f"device is {device!r}: it is not a block device")
    if seen.st_uid:
        raise CommandExecutionError(
            f"{device} belongs to the user {seen.st_uid}, as the disk of a VM does: give another"
        )
    return name, f"{os.major(seen.st_rdev)}:{os.minor(seen.st_rdev)}"


def _attribute(number, *names):
    try:
        with open(os.path.join("/sys/dev/block", number, *names), encoding="ascii") as stream:
            return stream.read().strip()
    except OSError:
        return None


def _require_free(device, name, number, size):
    """
    Nothing uses a device that has no signature: no partitions, LVM, md, swap, and it is not mounted elsewhere either.
    """
    above = os.path.join("/sys/dev/block", number)
    parts = [each for each in sorted(os.listdir(above)) if os.path.exists(os.path.join(above, each, "partition"))]
    holders = sorted(os.listdir(os.path.join(above, "holders")))
    if parts:
        raise CommandExecutionError(
            f"{device} has partitions ({', '.join(parts)}): give one of them, or another device"
        )
    if _attribute(number, "ro") != "0":
        raise CommandExecutionError(f"{device} is read-only: give another device")
    if size < LEAST:
        raise CommandExecutionError(f"{device} has {_size(size)}, too little for XFS: give another device")
    try:
        # The kernel gives it to one alone: not while it is mounted, in whatever namespace, or a part of something else.
        os.close(os.open(name, os.O_RDONLY | os.O_EXCL))
    except OSError as exc:
        by = f" by {', '.join(holders)}" if holders else ""
        raise CommandExecutionError(f"{device} is in use{by} ({exc.strerror}): give another device") from exc
    _require_unused(device, name)


def _require_unused(device, name):
    """
    No process has a device open. QEMU does not ask for it alone, and OpenNebula gives a VM a host's disk through the
    group disk.
    """
    shown = __utils__["gluster_process.process_name"]
    pids, last = __utils__["gluster_process.users"](name.__eq__)
    if pids:
        raise CommandExecutionError(f"{device} is in use by {shown(pids[0])}: give another device")
    if last:
        raise CommandExecutionError(
            f"it is not known whether {device} is in use: not all processes could be looked at in time, {shown(last)} "
            "could not: end that one and others like it, and run again"
        )


def _require_place(point):
    """
    The file system can be mounted on its mount point, which may have to be made.
    """
    foreign = __salt__["gluster_mount.foreign_parent"](os.path.join(point, "brick"))
    if foreign:
        raise CommandExecutionError(
            f"others than root can write to {_shown(foreign)}: choose another path of the brick"
        )
    state = __salt__["gluster_links.mount_point_state"](point)
    if state["blocked"]:
        raise CommandExecutionError(f"{point} {state['blocked']}")


def _size(size):
    unit, name = next(((unit, name) for unit, name in UNITS if size >= unit), UNITS[-1])
    return f"{size / unit:.1f} {name}"


def _shown(text):
    return __utils__["gluster_process.visible"](text)
