"""
What stands where a volume is mounted, and where a datastore's directory leads to it
====================================================================================

More functions of the execution module ``gluster_mount``: Salt joins modules of one virtual name.
"""

import itertools
import os

from salt.exceptions import CommandExecutionError

__virtualname__ = "gluster_mount"


def __virtual__():
    return __virtualname__


def link_state(path, target, volume=None):
    """
    What stands where a link to a mounted volume should be.

    path
        Where the link should be (string).

    target
        The directory on which the volume is mounted (string).

    volume
        The volume (string): mounted on the path itself, or on another directory that the link leads to, it serves as
        well.

    Returns a dict ``{"state": "linked", "detail": ""}``. ``state`` is ``linked``, ``absent``, ``empty`` (a directory
    without anything in it) or ``blocked``: ``detail`` then says what is there, such as ``holds 3 files (...)``.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.link_state /var/lib/one/datastores/101 /var/lib/gluster_one/one_vol
    """
    if os.path.islink(path):
        seen, end = os.readlink(path), path
        # Followed as text, up to what is mounted: to resolve it would be to look at the mount, which can hang.
        for _ in range(8):
            end = os.path.normpath(os.path.join(os.path.dirname(end), os.readlink(end)))
            if end == os.path.normpath(target):
                return {"state": "linked", "detail": ""}
            there = __salt__["gluster_one.mount_health"](end)
            if volume and there["volume"] == volume:  # a link by hand, to another directory that shows the volume
                return {"state": "linked", "detail": ""}
            if there["state"] != "absent" or not os.path.islink(end):
                break
        return {"state": "blocked", "detail": f"is a link to {_shown(seen)}"}
    health = __salt__["gluster_one.mount_health"](path)
    if health["state"] != "absent" and volume and health["volume"] == volume:
        return {"state": "linked", "detail": ""}
    if health["state"] != "absent":
        return {"state": "blocked", "detail": f"has {health['device']} mounted on it"}
    if not os.path.lexists(path):
        return {"state": "absent", "detail": ""}
    if not os.path.isdir(path):
        return {"state": "blocked", "detail": "is a file"}
    content = directory_content(path)
    return {"state": "blocked", "detail": f"holds {content}"} if content else {"state": "empty", "detail": ""}


def mount_point(path):
    """
    A directory on which nothing is mounted yet.

    path
        The directory (string).

    Returns a dict ``{"blocked": None, "owner": "root root 0755"}``: what speaks against mounting on it and what to do,
    such as ``holds 3 files (...): move them away ...``, and its owner, group and mode, None where there is no such
    directory.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.mount_point /var/lib/gluster_one/one_vol
    """
    real = os.path.realpath(path)
    if real != os.path.normpath(path):
        return {"blocked": f"lies behind a link, and systemd mounts on real paths only: give {real}", "owner": None}
    if not os.path.lexists(path):
        return {"blocked": None, "owner": None}
    if not os.path.isdir(path):
        return {"blocked": "is a file: remove it, if nothing needs it, and run again", "owner": None}
    stats = __salt__["file.stats"](path)
    content = directory_content(path)
    cure = "move that away (if these are images, copy them onto the volume once it is mounted) and run again"
    return {
        "blocked": f"holds {content}: {cure}" if content else None,
        "owner": f"{stats['user']} {stats['group']} {stats['mode']}",
    }


def directory_content(path):
    """
    What lies in a directory, in a few words: ``3 files (0f3a, 1b7c, 9d21)``; an empty string when nothing does or there
    is no such directory.

    path
        The directory (string). Nothing may be mounted on it.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.directory_content /var/lib/one/datastores/1
    """
    try:
        names = sorted(os.listdir(path))
    except FileNotFoundError:
        return ""
    if not names:
        return ""
    shown = ", ".join(map(_shown, itertools.islice(names, 3))) + (", ..." if len(names) > 3 else "")
    return f"{len(names)} file{'s' if len(names) > 1 else ''} ({shown})"


def _shown(name):
    """
    A file's name that can be sent to the master, also where it is no UTF-8.
    """
    return os.fsencode(name).decode(errors="replace")


def link(path, target, replace=None):
    """
    Link a datastore's directory to the mounted volume. An empty directory in the way is removed; nothing else ever is.

    path
        Where the link should be (string).

    target
        The directory on which the volume is mounted (string).

    Returns True.

    Raises CommandExecutionError when something else is in the way.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.link /var/lib/one/datastores/101 /var/lib/gluster_one/one_vol
    """
    # oned makes the directory of a new datastore within a second, perhaps just between these two steps.
    for _ in range(10):
        try:
            if os.path.isdir(path) and not os.path.islink(path):
                os.rmdir(path)
            if replace and os.path.islink(path) and os.readlink(path) == replace:
                os.symlink(target, f"{path}.gluster_one")
                os.replace(f"{path}.gluster_one", path)
                return True
            os.symlink(target, path)
        except FileExistsError:
            found = link_state(path, target)
            if found["state"] == "linked":
                return True
            if found["state"] == "blocked":
                raise CommandExecutionError(f"{path} cannot become a link to {target}: it {found['detail']}") from None
        except OSError as exc:
            raise CommandExecutionError(f"{path} cannot become a link to {target}: {exc.strerror}") from exc
        else:
            return True
    raise CommandExecutionError(f"{path} cannot become a link to {target}: it is made anew each time it is removed")


def link_changes(target, volume, paths, former=()):
    """
    The links that are missing.

    target, volume
        See :func:`link_state`.

    paths
        Where links should be (dict of strings, by what the changes are to call them).

    former
        Directories on which the volume was mounted before (list of strings, default none). Links that lead there, or to
        where it is mounted below a directory that is not root's alone, are to be exchanged.

    Returns a dict ``{"link for glusterds": {"old": None, "new": "/var/lib/one/datastores/101 -> ..."}}``.

    Raises CommandExecutionError for a path that holds something.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.link_changes /var/lib/gluster_one/one_vol one_vol '{link: /var/lib/one/datastores/101}'
    """
    changes = {}
    outdated = [
        *former,
        *(
            place
            for place, mounted in __salt__["gluster_one.mounts"]().items()
            if mounted["volume"] == volume and place != target and __salt__["gluster_mount.foreign_parent"](place)
        ),
    ]
    for label, path in paths.items():
        text = __salt__["gluster_mount.leads_to"](path, outdated)
        if text:
            changes[label] = {"old": f"{path} -> {text}", "new": f"{path} -> {target}"}
            continue
        found = link_state(path, target, volume)
        if found["state"] == "blocked":
            raise CommandExecutionError(
                f"{path} {found['detail']} and cannot become a link to {target}: move what it holds there (images of a "
                "datastore that was not on Gluster?), or remove it, and run again"
            )
        if found["state"] != "linked":
            changes[label] = {"old": None, "new": f"{path} -> {target}"}
    return changes
