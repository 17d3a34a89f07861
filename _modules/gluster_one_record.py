"""
What runs of the formula have found and set on this node
========================================================

A file of root's, below a directory of root's alone: docs/architecture.md, "The record". What a run has set on a volume
is recorded on the volume itself: see ``gluster_volume.set_options``.
"""

import contextlib
import json
import os
import uuid

import salt.utils.files
from salt.exceptions import CommandExecutionError

__virtualname__ = "gluster_one_record"

FILE = "/var/lib/gluster_one/record.json"  # beside the mount points: no volume has a dot in its name
VOLUMES = "volumes"  # its key for the volumes' identifiers, by name
# What the FUSE client of a mount shows of itself, where the volume has copies. FUSE by its number: stat's name for it
# varies.
LOOK = """cd -P "$1" && [ "$(stat -f -c %t .)" = 65735546 ] &&
    sed -n 's/^ *option volume-id //p' .meta/graphs/active/volfile"""


def __virtual__():
    return __virtualname__


def recorded(kind):
    """
    What is recorded of one kind.

    kind
        Its key (string), such as ``volumes``.

    Returns a dict, an empty one where nothing is: ``{"one_vol": "5b1e0f9c-..."}``.

    Raises CommandExecutionError when the file cannot be read.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one_record.recorded volumes
    """
    return _read().get(kind, {})


def _read():
    try:
        with salt.utils.files.fopen(FILE, encoding="utf-8") as stream:
            found = json.load(stream)
        if isinstance(found, dict) and all(isinstance(each, dict) for each in found.values()):
            return found
        why = "it is not a record"
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as exc:
        why = exc
    raise CommandExecutionError(
        f"{FILE} cannot be read ({why}): restore it, or remove it; then volumes are taken as they are at the next run, "
        "and nothing that earlier runs have set on this node counts as the formula's"
    )


def record(kind, values):
    """
    Record more of one kind.

    kind
        Its key (string), such as ``volumes``.

    values
        What is to be known by its name (dict); what has no name here stays.

    Returns True.

    Raises CommandExecutionError when the file cannot be read or written; then it is as it was.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one_record.record volumes '{one_vol: 5b1e0f9c-7d0e-4f1c-9e55-0a1c7a6f3c11}'
    """
    found = _read()
    found[kind] = {**found.get(kind, {}), **values}
    return _write(found)


def _write(found):
    try:
        os.makedirs(os.path.dirname(FILE), mode=0o755, exist_ok=True)
        __utils__["gluster_files.write"](FILE, json.dumps(found, indent=1, sort_keys=True) + "\n")
    except OSError as exc:
        raise CommandExecutionError(f"{FILE} cannot be written: {exc.strerror}") from exc
    return True


def forget(kind, names=None):
    """
    Take something out of the record; the file goes with the last of it, and so does its directory, if it is empty.

    kind
        Its key (string), such as ``volumes``.

    names
        What is to be forgotten of it (list of strings). Default: all.

    Returns True.

    Raises CommandExecutionError when the file cannot be read or written; then it is as it was.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one_record.forget volumes '[one_vol]'
    """
    before = _read()
    kept = {name: value for name, value in before.get(kind, {}).items() if names is not None and name not in names}
    found = {**before, kind: kept}
    found = {each: values for each, values in found.items() if values}
    if found:
        return found == before or _write(found)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(FILE)
    with contextlib.suppress(OSError):  # a mount point is in it
        os.rmdir(os.path.dirname(FILE))
    return True


def volume_ids(name, server=False, mount=None):
    """
    The identifier of a volume as this node sees it: what tells it from others of its name.

    name
        The volume (string).

    server
        This node is one of its servers (bool, default False): what its glusterd keeps on disk is looked at.

    mount
        Ask the client of the mount at this directory (string, default none), which is waited for 3 s. It knows the
        identifier of a volume with copies only.

    Returns a dict by where it was seen, without those places where it was not::

        {"volume one_vol of this server's pool": "5b1e0f9c-..."}

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one_record.volume_ids one_vol server=True
    """
    found = {}
    if server:
        found[f"volume {name} of this server's pool"] = __salt__["glusterd.volumes"]().get(name, {}).get("id")
    if mount and __salt__["gluster_mount.mounts"]().get(mount, {}).get("volume") == name:
        shown = __utils__["gluster_process.run"](["sh", "-c", LOOK, "sh", mount])[1]
        found[f"volume {name} that is mounted on {mount}"] = shown.partition("\n")[0]
    return {where: text for where, seen in found.items() for text in [_uuid(seen)] if text}


def _uuid(text):
    try:
        return str(uuid.UUID(text))
    except (TypeError, ValueError, AttributeError):
        return None


def other_volume(name, wanted=None, server=False, mount=None, ids=None):
    """
    Why a volume is not the one that the pillar means, or that this node has used until now.

    name
        The volume (string).

    wanted
        Its identifier, as the pillar gives it (string). Default: the recorded one.

    server, mount
        See :func:`volume_ids`.

    ids
        What that returned (dict). Default: ask.

    Returns a sentence, None where it is the same or not known.

    Raises CommandExecutionError when the record cannot be read.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one_record.other_volume one_vol server=True
    """
    known = _uuid(wanted) or recorded(VOLUMES).get(name)
    key = f"gluster_one:volumes:{name}:id"
    if not known:
        return None
    for where, seen in (volume_ids(name, server, mount) if ids is None else ids).items():
        if seen == known:
            continue
        move = f"`umount {mount}` once nothing uses it, and run again" if where.endswith(f" {mount}") else None
        if wanted:
            cure = move or "correct that, or the servers"
            return f"{key} is {wanted!r}, and the {where} has the id {seen}: {cure}"
        return (
            f"the {where} has the id {seen}, and {__grains__['id']} has used one with the id {known} until now: "
            "correct the pillar, if it is another site's, or the servers' names"
            f"{f', and {move}' if move else ''}; if the new volume is meant, write {key}: {seen} into the pillar"
        )
    return None
