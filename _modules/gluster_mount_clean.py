"""
The way back from a volume's place on this node: who uses it, its line of /etc/fstab
=====================================================================================

More functions of the execution module ``gluster_mount``: Salt joins modules of one virtual name. Nothing here looks at
what might hang.
"""

import contextlib
import os
import re

import salt.utils.atomicfile
import salt.utils.files
import salt.utils.systemd
from salt.exceptions import CommandExecutionError

__virtualname__ = "gluster_mount"


def __virtual__():
    return __virtualname__


def users(path, volume):
    """
    The processes of this node that use a mounted volume: by a file or a directory below the mount, or, as machines do,
    natively over ``gluster://``.

    path
        The directory on which it is mounted (string).

    volume
        The volume (string).

    Returns a list of dicts ``{"pid": 2034, "name": "qemu-system-x86", "path": "/var/lib/one/datastores/0/21/disk.1"}``,
    one for each process; ``path`` is ``gluster://.../one_vol`` for a native one.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.users /var/lib/one/datastores/0 one_vol
    """
    path = os.path.normpath(path)
    # As QEMU is told it, in a word of its own or in JSON by libvirt.
    native = re.compile(
        rf"gluster(\+\w+)?://[^/\s]*/{re.escape(volume)}/|gluster\W.*\"volume\": ?\"{re.escape(volume)}\""
    )
    found = []
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            used = _opened(pid, path)
            words = _read(f"/proc/{pid}/cmdline").split("\0")
            # The client of the mount itself has its volume's name in its words, but no gluster:// address.
            if not used and "qemu" in words[0] and any(map(native.search, words)):
                used = f"gluster://.../{volume}"
            if used:
                found.append({"pid": int(pid), "name": _read(f"/proc/{pid}/comm").strip(), "path": used})
    return sorted(found, key=lambda process: process["pid"])


def busy(path, volume, native=True):
    """
    Who uses a mounted volume on this node, as a sentence.

    path, volume
        See :func:`users`.

    native
        Machines that have it open over ``gluster://`` count, too (bool, default True).

    Returns a string, None when nobody does.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.busy /var/lib/one/datastores/0 one_vol
    """
    found = [user for user in users(path, volume) if native or not user["path"].startswith("gluster:")]
    named = [f"{user['name']} ({user['pid']}: {user['path']})" for user in found]
    more = f" and {len(named) - 5} more" if len(named) > 5 else ""
    return f"{path} is in use by {', '.join(named[:5])}{more}: end or move them, then run again" if named else None


def _opened(pid, path):
    """
    What a process has open at or below a directory, or None. Only names are read: no file is looked at.
    """
    process = f"/proc/{pid}"
    links = [f"{process}/cwd", f"{process}/root", f"{process}/exe"]
    with contextlib.suppress(OSError):
        links += [f"{process}/fd/{number}" for number in os.listdir(f"{process}/fd")]
    for link in links:
        with contextlib.suppress(OSError):
            seen = os.readlink(link)
            if seen == path or seen.startswith(f"{path}/"):
                return seen
    mapped = re.search(rf" ({re.escape(path)}/.*)$", _read(f"{process}/maps"), re.MULTILINE)
    return mapped and mapped[1]


def _read(path):
    with salt.utils.files.fopen(path, errors="replace") as stream:
        return stream.read()


def left(mounts):
    """
    What this formula has mounted here and the pillar does not name any more: it is left alone.

    mounts
        The directories on which the pillar has volumes (list of strings).

    Returns a list of dicts ``{"path": "/var/lib/one/datastores/0", "volume": "one_vol"}``.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.left '[/var/lib/one/datastores/0]'
    """
    # gluster_one.datastore_ids keeps something for each directory that it was asked about.
    kept = "gluster_one.datastore_ids:"
    paths = [key.removeprefix(kept) for key in __salt__["data.keys"]() if key.startswith(kept)]
    entries = {path: __salt__["gluster_mount.entry"](path) for path in paths if path not in mounts}
    return [{"path": path, "volume": entry["volume"]} for path, entry in sorted(entries.items()) if entry.get("volume")]


def entry_absent(path):
    """
    Take the line of a Gluster volume for a directory out of /etc/fstab; every other line stays as it is.

    path
        The directory (string).

    Returns whether there was one.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.entry_absent /srv/nothing
    """
    with salt.utils.files.fopen("/etc/fstab", "rb") as stream:
        lines = stream.read().splitlines(keepends=True)
    kept = [line for line in lines if not _is_entry(line.decode(errors="replace").split(), path)]
    if kept == lines:
        return False
    with salt.utils.atomicfile.atomic_open("/etc/fstab", "wb") as stream:
        stream.write(b"".join(kept))
    if salt.utils.systemd.booted(__context__):
        __salt__["service.systemctl_reload"]()
    return True


def _is_entry(words, path):
    if len(words) < 3 or words[0].startswith("#") or words[2] != "glusterfs":
        return False
    return os.path.normpath(words[1]) == os.path.normpath(path)


def point_absent(path):
    """
    Remove the bare directory of a mount, if it is as this formula makes it (root's, 0755) and empty: OpenNebula makes
    a datastore's directory by itself.

    path
        The directory (string). Nothing may be mounted on it.

    Returns whether it was removed.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.point_absent /srv/nothing
    """
    point = __salt__["gluster_mount.mount_point"](path)
    if point["blocked"] or point["owner"] != "root root 0755":
        return False
    try:
        os.rmdir(path)
    except OSError as exc:
        raise CommandExecutionError(f"{path} cannot be removed: {exc.strerror}") from exc
    return True
