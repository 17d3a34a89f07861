"""
The directories of this server's bricks
=======================================

More functions of the execution module ``gluster_one``: Salt joins modules of one virtual name. Gluster itself refuses
some directories, and only while it creates a volume, when other servers have marked theirs already; one that holds
files it takes. So each server looks at its own before, and tells the one that creates the volume by Salt's mine.
"""

import errno
import glob
import os
import time

import salt.payload
import salt.utils.files
from salt.exceptions import CommandExecutionError

__virtualname__ = "gluster_one"

VOLUME_ID = "trusted.glusterfs.volume-id"
GFID = "trusted.gfid"  # a brick has it from the time on when it was started first
# What is on a brick without anybody having written on the volume; .shard is empty then.
GLUSTERS = (".glusterfs", ".trashcan", ".shard", ".gluster_one")


def __virtual__():
    return __virtualname__


def brick_look(path, volume=None):
    """
    What a directory of this server is for Gluster.

    path
        The directory (string).

    volume
        The volume that it is a brick of, or is to be (string, default: any).

    Returns a dict ``{"state": "fit", "detail": ""}``. ``state`` is ``fit`` for one that can become a brick, whether it
    is there or not; ``brick`` for one that is one, with its volume as detail; ``marked`` for an empty one that bears
    the mark of a volume that never came to be; and ``unfit``, with the reason.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.brick_look /data/one_vol
    """
    if not os.path.isabs(path):
        return {"state": "unfit", "detail": "is no absolute path, such as /data/one_vol"}
    bricks = __salt__["glusterd.own_bricks"]()
    if path in bricks:
        if volume in (None, bricks[path]):
            return {"state": "brick", "detail": bricks[path]}
        return {"state": "unfit", "detail": f"is a brick of volume {bricks[path]}: choose another directory"}
    detail = _unfit(path)
    if detail:
        return {"state": "unfit", "detail": detail}
    return {"state": "marked" if _mark(path, VOLUME_ID) else "fit", "detail": ""}


def _unfit(path):
    """
    Why a directory cannot become a brick, or None.
    """
    for above in _parents(path):
        if _mark(above, VOLUME_ID) or _mark(above, GFID):
            return f"lies inside {above}, which is or was a brick: choose a directory beside it"
    if os.path.ismount(path):
        return f"is a mount point: choose a directory below it, such as {path}/brick"
    nearest = next(above for above in (path, *_parents(path)) if os.path.lexists(above))
    if os.path.islink(nearest) or not os.path.isdir(nearest):
        return f"needs a directory, and {nearest} is none: name the directory itself, or remove what is there"
    if os.stat(nearest).st_dev == os.stat("/").st_dev:
        return (
            "lies on the root file system: mount a file system of its own for bricks, and choose a directory below it"
        )
    held = sorted(os.listdir(path)) if nearest == path else []
    marked = _mark(path, VOLUME_ID)
    if _mark(path, GFID) or (marked and (held not in ([], [".glusterfs"]) or _inside(path))):
        return "was a brick of a volume once: choose another directory, or move this one away if nobody needs it"
    if held and not marked:
        names = ", ".join(held[:3]) + (", ..." if len(held) > 3 else "")
        return f"holds data ({len(held)}: {names}): choose an empty directory, or move away what is there"
    return None


def _parents(path):
    while path != "/":
        path = os.path.dirname(path)
        yield path


def _mark(path, name):
    """
    An extended attribute, None where there is none.
    """
    try:
        return os.getxattr(path, name)
    except OSError as exc:
        if exc.errno in (errno.ENODATA, errno.ENOENT, errno.ENOTDIR, errno.ENOTSUP):
            return None
        raise


def _inside(path):
    """
    What Gluster's own directory of a brick holds: nothing before the brick was started.
    """
    own = os.path.join(path, ".glusterfs")
    return os.listdir(own) if os.path.isdir(own) else []


def brick_unmark(path):
    """
    Take the mark of a volume that never came to be from an empty directory. Gluster leaves it there when it refuses a
    volume because of another server's brick, and refuses the directory itself the next time.

    path
        The directory, in the state ``marked`` of :func:`brick_look` (string).

    Returns True, and False where there was nothing to do.

    Raises CommandExecutionError for a directory that holds anything.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.brick_unmark /data/new_vol
    """
    if brick_look(path)["state"] != "marked":
        return False
    try:
        if os.path.isdir(os.path.join(path, ".glusterfs")):
            os.rmdir(os.path.join(path, ".glusterfs"))
    except OSError as exc:
        raise CommandExecutionError(f"{path}/.glusterfs is not empty, and was left as it is") from exc
    os.removexattr(path, VOLUME_ID)
    return True


def bricks_hold(paths):
    """
    What somebody has written on bricks of this server.

    paths
        Their directories (list of strings).

    Returns a sorted list of names in them, but for Gluster's and the formula's own.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.bricks_hold '[/data/one_vol]'
    """
    held = set()
    for path in paths:
        for entry in os.scandir(path):
            own = entry.name in GLUSTERS or entry.name.startswith(".glusterfs")
            if not own or (entry.name == ".shard" and set(os.listdir(entry.path)) - {".remove_me"}):
                held.add(entry.name)
    return sorted(held)


def bricks_answer(volume, bricks):
    """
    Which of this server's directories may become bricks: what it leaves in the mine.

    volume
        The volume (string).

    bricks
        Each ``server:/path`` (list of strings), all of this server.

    Returns a dict ``{"job": "20261125111935", "at": 1764036000.5, "bricks": {"kvm2:/data/one_vol": ""}}``, with a
    reason for one that may not: the job, the same on all minions of one run, and the time by this node's clock.

    CLI Example:

    .. code-block:: bash

        salt kvm2 gluster_one.bricks_answer one_vol '[kvm2:/data/one_vol]'
    """
    found = {}
    for brick in bricks:
        look = brick_look(brick.partition(":")[2], volume)
        found[brick] = "" if look["state"] in ("fit", "brick") else look["detail"] or "bears a volume's mark"
    return {"job": _job(), "at": time.time(), "bricks": found}


def _job():
    """
    The job that this process works on; None where it works on none.
    """
    for path in glob.glob(os.path.join(__opts__["cachedir"], "proc/*")):
        with salt.utils.files.fopen(path, "rb") as stream:
            data = salt.payload.loads(stream.read() or b"\x80")
        if data.get("pid") == os.getpid():
            return data["jid"]
    return None


def bricks_answers(volume):
    """
    What the servers of a volume have left in the mine of their bricks, at any time.

    volume
        The volume (string).

    Returns a dict of what :func:`bricks_answer` returned, by minion.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.bricks_answers one_vol
    """
    answers = __salt__["mine.get"]("*", f"gluster_one_bricks_{volume}")
    return {minion: answer for minion, answer in answers.items() if isinstance(answer, dict) and answer.get("bricks")}
