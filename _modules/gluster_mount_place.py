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
    The first directory above a path in which somebody else than root may create or exchange things.

    path
        The path (string); it need not be there.

    user
        See :func:`place`.

    Returns the directory, with links followed (string), None where all are root's alone.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.foreign_parent /var/lib/one/datastores/0 oneadmin
    """
    directory, names = "/", _names(path)[:-1]
    for _ in range(100):
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


def former_places(path, volume, default, others):
    """
    Where a volume is mounted, or would be after a boot, although it is to be mounted elsewhere: on the former default,
    or where somebody else than root can exchange directories.

    path
        The directory on which it is to be mounted (string).

    volume
        The volume (string).

    default
        The former default (string), see :func:`former_default`.

    others
        Other directories to look at (list of strings).

    Returns a dict by directory, those with a line in /etc/fstab first; ``line`` is that line as
    :func:`entry` returns it, an empty dict where there is none::

        {"/var/lib/gluster_one/one_vol": {"line": {"device": "kvm1:/one_vol", ...}, "mounted": True}}

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.former_places /var/lib/gluster_one/one_vol one_vol /var/lib/gluster_one/one_vol '[]'
    """
    mounts = __salt__["gluster_one.mounts"]()
    found = {}
    for other in dict.fromkeys(map(os.path.normpath, [default, *others])):
        if other == path or not (other == default or foreign_parent(other)):
            continue
        lines = __salt__["gluster_mount.entries"](other)
        line = next((line for line in lines if line["volume"] == volume), {})
        mounted = mounts.get(other, {}).get("volume") == volume
        if line or mounted:
            found[other] = {"line": line, "mounted": mounted}
    return dict(sorted(found.items(), key=lambda each: not each[1]["line"]))


def former_default(volume, datastores_dir):
    """
    Where versions before 0.1.0 mounted a volume by default.

    volume
        The volume (string).

    datastores_dir
        Where OpenNebula keeps the directories of its datastores (string).

    Returns the directory (string).

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.former_default one_vol /var/lib/one/datastores
    """
    return os.path.join(os.path.dirname(os.path.normpath(datastores_dir)), FORMER, volume)


def leads_to(path, places):
    """
    Whether a path is a link that leads to one of some directories, perhaps by way of other links.

    path
        The path (string).

    places
        The directories (list of strings).

    Returns the text of the link (string) if so, else None.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.leads_to /var/lib/one/datastores/100 '[/var/lib/gluster_one/one_vol]'
    """
    text, end = None, path
    # Followed as text: to resolve it would be to look at a mount, which can hang.
    for _ in range(8):
        try:
            link = os.readlink(end)
        except OSError:
            return None
        text = text or link
        end = os.path.normpath(os.path.join(os.path.dirname(end), link))
        if end in places:
            return text
    return None
