"""
Where a volume is mounted, and where it was mounted before
==========================================================

More functions of the execution module ``gluster_mount``: Salt joins modules of one virtual name.

A line of /etc/fstab is followed by systemd at each boot, links in its path included. Whoever owns a directory above the
mount point can put a link there and so have the volume mounted over any directory of the system. OpenNebula's
directories belong to oneadmin; so the volume is mounted where every parent is root's alone, and its place among them
is a link.
"""

import os
import pwd
import stat

__virtualname__ = "gluster_mount"

# The default mount points are below it.
PLACES = "/var/lib/gluster_one"
# Where they were before 0.1.0, beside the datastores' directory.
FORMER = "gluster"


def __virtual__():
    return __virtualname__


def place(path, volume, user=None):
    """
    The directory on which a volume is mounted.

    path
        Where it is wanted (string), or None.

    volume
        The volume (string).

    user
        Whose home directory, where it is not there yet, counts as somebody else's (string, default none).

    Returns ``path`` where all directories above it are root's alone, else ``/var/lib/gluster_one/VOLUME`` (string).

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.place /var/lib/one/datastores/0 one_vol
    """
    if path and not foreign_parent(path, user):
        return path
    return os.path.join(PLACES, volume.replace("/", "."))  # no volume has a dot in its name


def foreign_parent(path, user=None):
    """
    The first directory above a path in which somebody else than root may create or exchange things. One that a process
    answers for (FUSE, an automounter) counts, and is not looked at.

    path
        The path (string); it need not be there.

    user
        See :func:`place`.

    Returns the directory, with links followed (string), None where all are root's alone.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.foreign_parent /var/lib/one/datastores/0 oneadmin
    """
    directory, names, served = "/", _names(path)[:-1], _served()
    for _ in range(100):
        if directory in served:
            return directory
        seen = os.lstat(directory)
        # Rights that an access control list gives show in the group's bits.
        if seen.st_uid != 0 or seen.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or not stat.S_ISDIR(seen.st_mode):
            return directory
        if not names:
            return _home_above(path, user)
        below = os.path.join(directory, names.pop(0))
        try:
            names[:0] = _names(os.path.join(directory, os.readlink(below)))
            directory = "/"
        except FileNotFoundError:
            return _home_above(path, user)
        except OSError:  # no link
            directory = below
    return directory  # links in a circle


def _served():
    """
    The directories on which file systems are mounted that a process answers for, so that to look at them may hang.
    """
    mounts = __salt__["gluster_mount.mount_table"]()
    return {mount["path"] for mount in mounts if mount["fstype"].startswith(("fuse", "autofs"))} - {"/"}


def may_hang(path):
    """
    Whether a process answers for a path, so that to look at it may hang: it is on FUSE, or an automounter's.

    path
        The path (string), in which no link is followed.

    Returns True or False.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.may_hang /var/lib/gluster_one/one_vol
    """
    return any(path == served or path.startswith(f"{served}/") for served in _served())


def _names(path):
    return [name for name in os.path.normpath(path).split("/") if name]


def _home_above(path, user):
    """
    A user's home directory, which is not there yet and will be the user's, if a path is in it.
    """
    try:
        home = os.path.normpath(pwd.getpwnam(str(user or "")).pw_dir)
    except KeyError:
        return None
    return home if os.path.normpath(path).startswith(f"{home}/") and not os.path.exists(home) else None


def former_places(path, volume, datastores_dir, user=None):
    """
    Where a volume is mounted, or would be after a boot, although it is to be mounted elsewhere: where somebody else
    than root can exchange directories, and where versions before 0.1.0 mounted it by default.

    path
        The directory on which it is to be mounted (string).

    volume
        The volume (string).

    datastores_dir
        Where OpenNebula keeps the directories of its datastores (string): that default was beside it.

    user
        See :func:`place`.

    Returns a dict by directory, those with a line in /etc/fstab first, and the former default in any case. ``line`` is
    that line as :func:`entry` returns it, an empty dict where there is none, ``mounted`` what is mounted there of the
    volume, or None::

        {"/var/lib/one/gluster/one_vol": {"line": {"device": "kvm1:/one_vol", ...}, "mounted": "kvm1:/one_vol"}}

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.former_places /var/lib/gluster_one/one_vol one_vol /var/lib/one/datastores
    """
    lines = __salt__["gluster_fstab.volume_entries"](volume)
    mounts = {
        place: mount["device"] for place, mount in __salt__["gluster_one.mounts"]().items() if mount["volume"] == volume
    }
    default = os.path.join(os.path.dirname(os.path.normpath(datastores_dir)), FORMER, volume)
    return {
        place: {"line": lines.get(place, {}), "mounted": mounts.get(place)}
        for place in dict.fromkeys([*lines, *mounts, default])
        if place != path and (place == default or foreign_parent(place, user))
    }
