"""
Directories for bricks: what is in the way of a volume, on this server and, by the mine, on the others
======================================================================================================

Gluster refuses some directories, after it has marked those of other servers, and accepts one that holds files. So each
server looks at its own before, and says to the others what it has seen. Nothing is ever removed but a mark of a volume
that does not exist, and an empty ``.glusterfs``.
"""

import contextlib
import errno
import itertools
import os
import stat
import time
import uuid
from urllib.parse import quote

from salt.exceptions import CommandExecutionError, SaltException, SaltInvocationError

__virtualname__ = "gluster_bricks"

# What Gluster writes to the root of a brick: when the volume is created, and when it is first started.
VOLUME_ID, GFID = "trusted.glusterfs.volume-id", "trusted.gfid"
OWN = ".glusterfs"
MOST_HELD = 1000  # files, of which three are shown
MOMENT = 3  # seconds in which a volume that is being created becomes one
OLDEST = 600  # seconds for which a word of another server counts, by whose clock it has a time
CLEARED = "gluster_bricks.clear:"  # in the context: the run with test=True that would clear a directory
USED = "gluster_bricks.used"  # in the minion's data: the times of the words on which a volume was to be created


def __virtual__():
    return __virtualname__


def look(path, run=None):
    """
    Whether a directory of this server can become a brick.

    path
        The directory (string); it need not be there, the one above it has to be.

    run
        See ``gluster.volume_info``.

    Returns a dict: of which volume it is a brick already; the uuid of a volume that was never made, where that is all
    that lies there; and what else is in the way, as a sentence. None for what is not so::

        {"volume": "one_vol", "left": None, "unfit": None}

    Raises CommandExecutionError when glusterd does not answer.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_bricks.look /data/one_vol/brick
    """
    path = os.path.normpath(path)
    found = {"volume": None, "left": None, "unfit": None}
    volumes, here = __salt__["gluster.volume_info"](run=run), __salt__["glusterd.info"]()["uuid"]
    for name, info in volumes.items():
        for brick, server in zip(info["bricks"], info["servers"]):
            if server == here and os.path.normpath(f"/{brick.partition(':/')[2]}") == path:
                return {**found, "volume": name}
    if __salt__["gluster_disks.is_planned"](path, run):
        return found
    try:
        found["unfit"] = unfit(path)
        if found["unfit"] is None:
            cleared = __opts__["test"] and run is not None and __context__.get(CLEARED + path) == run
            found["left"] = None if cleared else _mark(path)
    except OSError as exc:
        found["unfit"] = f"{path}: {exc.strerror}"
    if found["left"] in [info["id"] for info in volumes.values()]:
        return {**found, "left": None, "unfit": f"{path} has the mark of a volume that has it at another path"}
    return found


def unfit(path):
    """
    Why a directory of this server cannot become a brick, by its place and what it holds. It is empty, or not there, and
    on a file system of its own.

    path
        The directory (string).

    Returns a sentence, None where it can.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_bricks.unfit /data/one_vol/brick
    """
    return _place_unfit(path) or _content_unfit(path)


def _place_unfit(path):
    """
    Why there can be no brick at a place, whatever it holds.
    """
    foreign = __salt__["gluster_mount.foreign_parent"](path)
    if foreign:
        return f"others than root can write to {foreign}, above {path}: choose a path below directories of root's alone"
    if os.path.realpath(path) != path:
        return f"{path} leads to {os.path.realpath(path)}: give that"
    parent = os.path.dirname(path)
    if not os.path.isdir(parent):
        return f"{parent} is not there: mount the bricks' file system, and make the directory if it is one of its"
    if os.path.ismount(path):
        return f"{path} is a mount point, beneath which the brick would be when it is not mounted: use {path}/brick"
    if os.stat(parent).st_dev == os.stat("/").st_dev:
        return f"{path} is on the root file system: mount a file system of its own above it, such as at {parent}"
    if os.statvfs(parent).f_flag & os.ST_RDONLY:
        return f"the file system of {path} is mounted read-only"
    if not _has_attributes(parent):
        return f"the file system of {path} has no extended attributes trusted.*: use XFS"
    above = parent
    while True:
        if _mark(above):
            return f"{path} is in {above}, which is, or was, a brick: choose another"
        if above == "/":
            return None
        above = os.path.dirname(above)


def _mark(directory):
    """
    The uuid of the volume whose brick a directory is, or was, None where it has no mark.
    """
    for name in (VOLUME_ID, GFID):
        try:
            return str(uuid.UUID(bytes=os.getxattr(directory, name)[:16].ljust(16, b"\0")))
        except OSError as exc:
            if exc.errno not in (errno.ENODATA, errno.EOPNOTSUPP, errno.ENOENT):
                raise
    return None


def _has_attributes(directory):
    """
    Whether a file system has the attributes that Gluster needs.
    """
    try:
        os.getxattr(directory, VOLUME_ID)
    except OSError as exc:
        return exc.errno != errno.EOPNOTSUPP
    return True


def _content_unfit(path):
    """
    Why a directory cannot become a brick by what it holds; None also for one that is not there.
    """
    try:
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            return f"{path} is not a directory: move it away"
    except FileNotFoundError:
        return None
    with os.scandir(path) as entries:  # of a former brick: oneadmin may have left millions of files on its volume
        held = sorted(entry.name for entry in itertools.islice(entries, MOST_HELD))
    with contextlib.suppress(OSError):
        if held == [OWN] and not os.listdir(os.path.join(path, OWN)):
            held = []
    mark = _mark(path)
    if mark and (held or _has(path, GFID)):
        return (
            f"{path} was a brick of the volume {mark}, which this server does not know: choose another directory; if "
            "nobody needs its files, remove it by hand"
        )
    if held:
        names = ", ".join(map(__utils__["gluster_process.visible"], held[:3]))
        more = ", ..." if held[3:] else ""
        return (
            f"{path} is not empty ({names}{more}): choose an empty directory, or one that is not there; files go to a "
            "volume through a mount of it alone"
        )
    return None


def _has(path, name):
    with contextlib.suppress(OSError):
        return bool(os.getxattr(path, name))
    return False


def clear(path, run=None):
    """
    Take away what the creation of a volume that was refused has left in a directory of this server: the mark, and an
    empty directory ``.glusterfs``. A volume that is being created just now is waited for.

    path
        The directory (string).

    run
        In a run with ``test=True``, its identifier (string): nothing is done, and :func:`look` says what would be.

    Returns True.

    Raises CommandExecutionError when there is something else by now.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_bricks.clear /data/left_vol/brick
    """
    path = os.path.normpath(path)
    if __opts__["test"]:
        __context__[CLEARED + path] = run
        return True
    before = look(path)["left"]
    time.sleep(MOMENT)
    now = look(path)
    if not before or now["left"] != before:
        raise CommandExecutionError(f"{path} is being changed: {now['unfit'] or now['volume'] or 'run again'}")
    inside = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        with contextlib.suppress(FileNotFoundError):
            os.rmdir(OWN, dir_fd=inside)
        os.removexattr(inside, VOLUME_ID)
    except OSError as exc:
        raise CommandExecutionError(
            f"{path}: what a refused `gluster volume create` left is still there: {exc}"
        ) from exc
    finally:
        os.close(inside)
    return True


def word(path):
    """
    What this server says of a directory to the one that creates the volume.

    path
        The directory (string).

    Returns a dict: the uuid of this server's glusterd, what is in the way (None or a sentence), and the time in seconds
    since 1970: ``{"server": "...", "unfit": None, "at": 1764230400}``.

    CLI Example:

    .. code-block:: bash

        salt kvm2 gluster_bricks.word /data/one_vol/brick
    """
    found = look(path)
    unfit = found["unfit"] or (f"{path} has the mark of a refused volume" if found["left"] else None)
    if found["volume"]:
        unfit = f"{path} is a brick of volume {found['volume']}"
    return {"server": __salt__["glusterd.info"]()["uuid"], "unfit": unfit, "at": round(time.time(), 3)}


def publish(path):
    """
    Leave this server's word on a directory in the mine.

    path
        The directory (string).

    Returns whether it was left (bool): without a master there is no mine.

    CLI Example:

    .. code-block:: bash

        salt kvm2 gluster_bricks.publish /data/one_vol/brick
    """
    if __opts__.get("file_client") == "local":
        return False
    return bool(__salt__["mine.send"](mine_key(path), mine_function="gluster_bricks.word", path=path))


def mine_key(path):
    """
    The name by which :func:`publish` leaves this server's word on a directory in the mine.

    path
        The directory (string).

    Returns a string.

    CLI Example:

    .. code-block:: bash

        salt kvm2 gluster_bricks.mine_key /data/one_vol/brick
    """
    return f"gluster_brick_{quote(path, safe='')}"  # the master takes a comma for the end of a name


def unready(layout):
    """
    What is not known to be ready for a new volume: its servers are members of the pool that see each other, no set has
    two bricks on one of them, this server's own bricks are fit, and the other servers have said so of theirs.

    layout
        See ``gluster_layout.layout``.

    Returns None or a sentence.

    Raises SaltInvocationError for what no waiting changes.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_bricks.unready '{size: 1, bricks: ["kvm1:/data/new_brick"]}'
    """
    found = __salt__["gluster_peers.identify"](__utils__["gluster_layout.servers_of"](layout))
    missing = [server for server, member in found.items() if not member]
    if missing:
        return f"{', '.join(missing)} not in the pool of {__grains__['id']}"
    __utils__["gluster_layout.require_apart"](layout, {server: member["uuid"] for server, member in found.items()})
    require_own_fit(layout)
    silent = [reason for reason, _ in _heard(layout, found).values() if reason]
    return "; ".join(silent) or __salt__["gluster_pool.peers_apart"]()


def require_own_fit(layout, run=None):
    """
    Those bricks of a layout that are this server's are fit.

    layout
        See ``gluster_layout.layout``.

    run
        See ``gluster.volume_info``.

    Returns True.

    Raises SaltInvocationError with what is in the way.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_bricks.require_own_fit '{bricks: ["kvm1:/data/new_brick"]}'
    """
    found = __salt__["gluster_peers.identify"](__utils__["gluster_layout.servers_of"](layout), run=run)
    for server in [server for server, member in found.items() if member and member["own"]]:
        for path in __utils__["gluster_layout.paths_on"](layout, server):
            seen = look(path, run)
            if seen["volume"]:
                raise SaltInvocationError(f"bricks has {server}:{path}: it is a brick of volume {seen['volume']}")
            if seen["unfit"] or seen["left"]:
                unfit = seen["unfit"] or (
                    f"{path} has the mark of the volume {seen['left']}, which was refused: gluster.brick_prepared "
                    "takes it away"
                )
                raise SaltInvocationError(f"bricks has {server}:{path}: {unfit}")
    return True


def _heard(layout, found):
    """
    By brick of another server why it is not known to be fit, and when it was said to be: one of the two is None. One
    that is not in the pool has not been asked.
    """
    used = __salt__["data.get"](USED) or {}
    heard = {}
    for server, member in found.items():
        for path in [] if not member or member["own"] else __utils__["gluster_layout.paths_on"](layout, server):
            brick, said = f"{server}:{path}", _word_of(server, member["uuid"], path)
            if not said or said["at"] == used.get(brick) or time.time() - said["at"] > OLDEST:
                reason = f"{server} has not said whether {path} is fit: apply gluster.brick_prepared there, too"
                heard[brick] = (reason, None)
            else:
                heard[brick] = (f"{server} says: {said['unfit']}", None) if said["unfit"] else (None, said["at"])
    return heard


def _word_of(server, its_uuid, path):
    """
    What a server has said of a directory, None where it has said nothing, or two minions speak for it of which none
    has its name.
    """
    if __opts__.get("file_client") == "local":
        raise SaltInvocationError(
            f"without a master {server} cannot say whether {path} is fit: look there, that it is empty or not there, "
            "and create the volume by hand once"
        )
    try:
        said = __salt__["mine.get"]("*", mine_key(path))
    except SaltException:  # the master does not answer
        said = None
    said = {minion: one for minion, one in said.items() if _is_word(one, its_uuid)} if isinstance(said, dict) else {}
    named = {minion.casefold(): one for minion, one in said.items()}
    return named.get(server.casefold()) or (next(iter(said.values())) if len(said) == 1 else None)


def _is_word(said, its_uuid):
    return (
        isinstance(said, dict)
        and said.get("server") == its_uuid
        and isinstance(said.get("unfit"), (str, type(None)))
        and type(said.get("at")) in (int, float)
    )


def use_words(layout):
    """
    From now on, what the other servers have said of their bricks does not count any more: a volume is about to be
    created, and when it is refused, they have to look again.

    layout
        See ``gluster_layout.layout``.

    Returns True.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_bricks.use_words '{size: 1, bricks: ["kvm1:/data/one_vol"]}'
    """
    found = __salt__["gluster_peers.identify"](__utils__["gluster_layout.servers_of"](layout))
    times = {brick: at for brick, (_, at) in _heard(layout, found).items() if at}
    return not times or __salt__["data.update"](USED, {**(__salt__["data.get"](USED) or {}), **times})
