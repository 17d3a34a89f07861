"""
What the head leaves on a volume for the other nodes
====================================================

More functions of the execution module ``gluster_one``: Salt joins modules of one virtual name.
"""

import contextlib
import json
import os

from salt.exceptions import CommandExecutionError

__virtualname__ = "gluster_one"

# Below the volume's root: the datastores' identifiers, and a text of the last look at the whole fleet.
IDS_FILE = ".gluster_one/datastores.json"
MARK_FILE = ".gluster_one/mark"


def __virtual__():
    return __virtualname__


def datastore_ids(path, volume=None):
    """
    The identifiers of datastores that the head has left on a mounted volume; while it does not answer, those last seen.

    path
        The directory on which the volume is mounted (string).

    volume
        The volume (string): while nothing is mounted there, another directory that shows it is looked at.

    Returns a dict ``{"glusterds": 101, "gluster_system": 100}``. Only whole numbers are taken from the file: oneadmin,
    who owns the volume's root, could have written it.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.datastore_ids /var/lib/gluster_one/one_vol
    """
    kept = f"gluster_one.datastore_ids:{path}"
    mounts = __salt__["gluster_one.mounts"]()
    if volume and path not in mounts:
        path = next((other for other, mounted in mounts.items() if mounted["volume"] == volume), path)
    status, out, error = None, "", ""
    if path in mounts:
        status, out, error = __salt__["gluster_one.child"](["head", "-c", "1000000", os.path.join(path, IDS_FILE)])
    if status != 0 and "No such file" not in error:
        return __salt__["data.get"](kept) or {}
    try:
        found = json.loads(out or "{}")
    except (ValueError, RecursionError):
        found = {}
    found = found if isinstance(found, dict) and "\ufffd" not in out else {}
    ids = {name: value for name, value in found.items() if type(value) is int and value >= 0}
    if ids != __salt__["data.get"](kept):
        __salt__["data.update"](kept, ids)
    return ids


def datastore_id_set(path, name, datastore_id):
    """
    Leave a datastore's identifier on a mounted volume, for the nodes that wait for it. Another name that it had there
    goes.

    path
        The directory on which the volume is mounted (string).

    name
        The datastore's name (string).

    datastore_id
        Its identifier (int).

    Returns True.

    Raises CommandExecutionError when nothing is mounted there.

    CLI Example:

    .. code-block:: bash

        salt head gluster_one.datastore_id_set /var/lib/gluster_one/one_vol glusterds 101
    """
    ids = {other: value for other, value in datastore_ids(path).items() if value != datastore_id and other != name}
    ids[name] = datastore_id
    text = json.dumps(ids, indent=1, sort_keys=True)
    # Of a length that QEMU can open: so there is a file for a native open on every volume.
    text += " " * (-(len(text) + 1) % 512) + "\n"
    refused = _leave(path, IDS_FILE, text)
    if refused:
        raise CommandExecutionError(f"The datastores' identifiers could not be written to {path}: {refused}")
    return True


def _leave(path, name, text):
    """
    Leave a file on a mounted volume, seen at once on all others; returns None, or what stood in the way.
    """
    if __salt__["gluster_one.mount_health"](path)["state"] != "alive":
        raise CommandExecutionError(f"{path} is not mounted: mount the volume first (gluster_one.datastore_mounted)")
    # A new file that is renamed is seen on the other mounts at once; one that is rewritten only after a second.
    # oneadmin owns the volume's root: root does not go where a link of his leads.
    script = (
        'mkdir -p "$1"; cd -P "$1" && [ "$(pwd -P)" = "$1" ] || { echo "$1 is no directory of its own" >&2; exit 1; }; '
        'new=$(mktemp "$2.XXXXXX") && cat >"$new" && chmod 0644 "$new" && mv -T "$new" "$2" || '
        '{ rm -f "$new"; exit 1; }'
    )
    words = ["/bin/sh", "-c", script, "sh", *os.path.split(os.path.join(path, name))]
    status, _, error = __salt__["gluster_one.child"](words, timeout=30, stdin=text)
    return None if status == 0 else error


def mark(text):
    """
    Leave a text on every volume that is mounted here, for :func:`marked` on the other nodes. For the head.

    text
        The text (string), another each time, which sorts behind those before.

    Returns the volumes on which it was left (sorted list of strings).

    CLI Example:

    .. code-block:: bash

        salt head gluster_one.mark 8f14e45f
    """
    done = set()
    for path, mounted in __salt__["gluster_one.mounts"]().items():
        if mounted["volume"] and "/" not in mounted["volume"]:
            with contextlib.suppress(CommandExecutionError):
                done |= set() if _leave(path, MARK_FILE, text) else {mounted["volume"]}
    return sorted(done)


def marked(path):
    """
    The text that the head has left last on a volume.

    path
        The directory on which it is mounted (string).

    Returns the text, None when there is none, or it cannot be read.

    CLI Example:

    .. code-block:: bash

        salt kvm2 gluster_one.marked /var/lib/gluster_one/one_vol
    """
    status, out, _ = __salt__["gluster_one.child"](["head", "-c", "100", os.path.join(path, MARK_FILE)])
    return out if status == 0 else None
