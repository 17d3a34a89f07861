"""
The layout of a volume: which bricks, in which order, with how many copies
==========================================================================

A set is what holds the same files, or the parts of the same files: that many bricks of a volume one after the other.
No set has two bricks on one host. Nothing is asked of Gluster here, and no command is made with ``force``.
"""

import posixpath
import re

from salt.exceptions import SaltInvocationError

__virtualname__ = "gluster_layout"

COUNTS = ("replica", "arbiter", "disperse", "redundancy")
HOST = r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?"
BRICKS = (
    "a path on each of servers is needed, such as /data/one_vol/brick, or a list of those, or a list of bricks, each "
    "kvm1:/data/one_vol/brick or {server: kvm1, path: /data/one_vol/brick}"
)


def __virtual__():
    return __virtualname__


def layout(
    bricks,
    servers=None,
    replica=None,
    arbiter=None,
    disperse=None,
    redundancy=None,
    split_brain=None,
):
    """
    The layout that is meant by the arguments of the state ``gluster.volume_present``.

    bricks
        A path, or several, on each of ``servers``: all first ones, then all second ones (string or list of strings). Or
        the bricks, set by set, each ``server:path`` or ``{server: NAME, path: PATH}`` (list).

    servers
        The servers of paths without one (list of host names).

    replica
        How many bricks hold each file (int), 1 for files without a copy.

    arbiter
        1 where the last brick of each set of three holds names and attributes alone (int or bool, default 0).

    disperse
        On how many bricks the parts of each file lie (int), instead of ``replica``.

    redundancy
        How many of those may be lost (int).

    split_brain
        ``allow`` for two copies without an arbiter (string).

    Returns a dict with the keys of ``gluster.volume_info``, and the size of a set::

        {"replica": 3, "arbiter": 0, "disperse": 0, "redundancy": 0, "size": 3,
         "bricks": ["kvm1:/data/one_vol/brick", "kvm2:/data/one_vol/brick", "kvm3:/data/one_vol/brick"]}

    Raises SaltInvocationError that names key, value and what is needed.

    Example:

    .. code-block:: python

        __utils__["gluster_layout.layout"]("/data/one_vol/brick", ["kvm1", "kvm2", "kvm3"], replica=3)
    """
    found = _counts(replica, arbiter, disperse, redundancy, split_brain)
    found["bricks"] = _bricks(bricks, servers)
    count, size = len(found["bricks"]), found["size"]
    if count % size:
        key = "disperse" if disperse else "replica"
        raise SaltInvocationError(f"bricks are {count}: a multiple of {size} is needed, as {key} is {size}")
    require_apart(found, {server: server.casefold() for server in servers_of(found)})
    return found


def _counts(replica, arbiter, disperse, redundancy, split_brain):
    given = dict(zip(COUNTS, (replica, arbiter, disperse, redundancy)))
    given["arbiter"] = int(arbiter) if isinstance(arbiter, bool) else arbiter
    for key, value in given.items():
        if value is not None and (type(value) is not int or value < (key in ("replica", "disperse"))):
            raise SaltInvocationError(f"{key} is {value!r}: a number is needed")
    if (replica is None) == (disperse is None):
        both = f"replica is {replica!r} and disperse {disperse!r}"
        raise SaltInvocationError(f"{both}: one of them is needed; replica: 1 is for files without a copy")
    found = {key: value or 0 for key, value in given.items()}
    found["replica"], found["size"] = replica or 1, disperse or replica
    if found["arbiter"] and (found["arbiter"], replica) != (1, 3):
        raise SaltInvocationError(
            f"arbiter is {arbiter!r} and replica {replica!r}: arbiter: 1 goes with replica: 3, which counts it, too"
        )
    if disperse and not 0 < found["redundancy"] * 2 < disperse:
        raise SaltInvocationError(
            f"redundancy is {redundancy!r} and disperse {disperse}: a number is needed, 1 or more and less than half "
            "of disperse, which is 3 or more"
        )
    if found["redundancy"] and not disperse:
        raise SaltInvocationError(f"redundancy is {redundancy} without disperse: leave it out")
    if replica == 2 and split_brain != "allow":
        raise SaltInvocationError(
            "replica is 2 without an arbiter: of a file that was written to each copy alone one version is lost "
            "(split-brain); use replica: 3 with arbiter: 1, whose third brick needs little room, or split_brain: allow"
        )
    return found


def _bricks(bricks, servers):
    """
    The bricks in the order in which Gluster is given them.
    """
    entries = bricks if isinstance(bricks, list) else [bricks]
    if not entries:
        raise SaltInvocationError(f"bricks is {bricks!r}: {BRICKS}")
    if all(isinstance(entry, str) and entry.startswith("/") for entry in entries):
        if not servers:
            raise SaltInvocationError(f"bricks is {bricks!r} without servers: {BRICKS}")
        pairs = [(server, path) for path in entries for server in servers]
    elif servers:
        raise SaltInvocationError(f"bricks is {bricks!r} with servers: leave them out, or give paths alone")
    else:
        pairs = [_pair(entry) for entry in entries]
    for server, _ in pairs:
        if not isinstance(server, str) or not re.fullmatch(HOST, server):
            raise SaltInvocationError(f"bricks is {bricks!r} with the server {server!r}: {BRICKS}")
    found = [f"{server}:{_path(server, path)}" for server, path in pairs]
    require_disjoint(found)
    return found


def require_disjoint(bricks):
    """
    No brick is in another one, or the same.

    bricks
        Bricks (list of strings), of one volume or of several.

    Returns True.

    Raises SaltInvocationError that names the two.

    Example:

    .. code-block:: python

        __utils__["gluster_layout.require_disjoint"](["kvm1:/data/one_vol/a", "kvm1:/data/one_vol/b"])
    """
    for number, brick in enumerate(bricks):
        for other in bricks[:number]:
            (server, _, path), (host, _, there) = brick.partition(":/"), other.partition(":/")
            same = server.casefold() == host.casefold()
            if same and (f"{path}/".startswith(f"{there}/") or f"{there}/".startswith(f"{path}/")):
                raise SaltInvocationError(
                    f"bricks has {other} and {brick}: each brick has to be a directory of its own, in no other brick"
                )
    return True


def _pair(entry):
    if isinstance(entry, dict) and set(entry) == {"server", "path"}:
        return entry["server"], entry["path"]
    server, colon, path = entry.partition(":/") if isinstance(entry, str) else ("", "", "")
    if not colon:
        raise SaltInvocationError(f"bricks has {entry!r}: {BRICKS}")
    return server, f"/{path}"


def _path(server, path):
    fits = isinstance(path, str) and path.startswith("/") and path.isprintable()
    if not fits or path.split() != [path] or {"..", "."} & set(path.split("/")) or not path.strip("/"):
        raise SaltInvocationError(
            f"bricks has {path!r} on {server}: an absolute path without spaces, . and .. is needed, such as "
            "/data/one_vol/brick"
        )
    return posixpath.normpath("/" + path.strip("/"))


def creation(create, servers):
    """
    What ``create`` of a volume in the pillar means.

    create
        The arguments of :func:`layout` (dict); None stands for one that is not given.

    servers
        The volume's servers in the pillar (list of host names): a path is on each of them; a brick of a list is on one.

    Returns a dict: the arguments of the state ``gluster.volume_present``, and the bricks one by one, in their order::

        {"arguments": {"replica": 3, "bricks": ["kvm1:/data/one_vol/brick", ...]},
         "bricks": [{"server": "kvm1", "path": "/data/one_vol/brick", "device": None}, ...]}

    Raises SaltInvocationError as :func:`layout` does, for a server that is not among ``servers``, and for a device that
    is to be mounted on two directories, or a directory that has two.

    Example:

    .. code-block:: python

        __utils__["gluster_layout.creation"]({"replica": 1, "bricks": "/data/one_vol/brick"}, ["kvm1"])
    """
    given = {key: value for key, value in create.items() if value is not None}
    bricks = given.get("bricks")
    entries = bricks if isinstance(bricks, list) else [bricks]
    paths = all(isinstance(entry, str) and entry.startswith("/") for entry in entries)
    devices = [entry.get("device") if isinstance(entry, dict) else None for entry in entries]
    plain = [{**entry} if isinstance(entry, dict) else entry for entry in entries]
    for entry in plain:
        if isinstance(entry, dict):
            entry.pop("device", None)
    made = layout(**{**given, "bricks": plain, "servers": servers if paths else None})
    devices = devices if not paths else [None] * len(made["bricks"])
    # By the names that the pool knows.
    named = {server.casefold(): server for server in servers}
    found = []
    for brick, device in zip(made["bricks"], devices):
        server, _, path = brick.partition(":/")
        if server.casefold() not in named:
            raise SaltInvocationError(
                f"bricks has {brick}, and {server} is not among the volume's servers, {', '.join(servers)}: name it "
                "there, or correct the brick"
            )
        found.append({"server": named[server.casefold()], "path": f"/{path}", "device": device})
    _require_own_devices(found)
    return {
        "arguments": {**given, "bricks": [f"{brick['server']}:{brick['path']}" for brick in found]},
        "bricks": found,
    }


def _require_own_devices(bricks):
    """
    Each device of a server is the file system of one directory, in which several bricks can be.
    """
    for number, brick in enumerate(bricks):
        for other in bricks[:number]:
            devices = {brick["device"], other["device"]}
            above = posixpath.dirname(brick["path"]) == posixpath.dirname(other["path"])
            if brick["server"] == other["server"] and devices != {None} and above != (len(devices) == 1):
                one, two = (f"{each['server']}:{each['path']} ({each['device'] or '-'})" for each in (other, brick))
                raise SaltInvocationError(
                    f"bricks has {one} and {two}: a device is the file system of one directory, above its bricks"
                )


def servers_of(layout):
    """
    The servers of a layout, each once, in the order of their first bricks.

    layout
        What :func:`layout` returned (dict), or of ``gluster.volume_info``.

    Returns a list of strings.

    Example:

    .. code-block:: python

        __utils__["gluster_layout.servers_of"]({"bricks": ["kvm1:/data/one_vol"]})
    """
    return list(dict.fromkeys(brick.partition(":/")[0] for brick in layout["bricks"]))


def paths_on(layout, server):
    """
    The paths of a layout's bricks on a server.

    layout
        What :func:`layout` returned (dict).

    server
        The server as the layout has it (string).

    Returns a list of strings.

    Example:

    .. code-block:: python

        __utils__["gluster_layout.paths_on"]({"bricks": ["kvm1:/data/one_vol"]}, "kvm1")
    """
    pairs = [brick.partition(":/") for brick in layout["bricks"]]
    return [f"/{path}" for host, _, path in pairs if host == server]


def _sets(bricks, size):
    return [bricks[first : first + size] for first in range(0, len(bricks), size)]


def require_apart(layout, hosts):
    """
    No set of a layout has two bricks on one host.

    layout
        What :func:`layout` returned (dict).

    hosts
        By server what tells one host from another, such as the uuid of its glusterd (dict).

    Returns True.

    Raises SaltInvocationError that names the bricks.

    Example:

    .. code-block:: python

        __utils__["gluster_layout.require_apart"]({"bricks": ["kvm1:/data/one_vol"], "size": 1}, {"kvm1": "1"})
    """
    for bricks in _sets(layout["bricks"], layout["size"]):
        seen = {}
        for brick in bricks:
            host = hosts[brick.partition(":/")[0]]
            if host in seen:
                raise SaltInvocationError(
                    f"bricks has {seen[host]} and {brick} in one set, and both are on one host, with which both are "
                    f"lost: order the bricks so that each {layout['size']} in a row are on {layout['size']} hosts"
                )
            seen[host] = brick
    return True


def words(layout):
    """
    The words of ``gluster volume create`` that follow the volume's name.

    layout
        What :func:`layout` returned (dict).

    Returns a list of strings.

    Example:

    .. code-block:: python

        __utils__["gluster_layout.words"](__utils__["gluster_layout.layout"](["kvm1:/data/b"], replica=1))
    """
    return [*_kind(layout), *layout["bricks"]]


def _kind(layout):
    counts = {key: layout[key] for key in COUNTS if layout.get(key) and (key, layout[key]) != ("replica", 1)}
    return [word for key, value in counts.items() for word in (key, str(value))]


def describe(layout):
    """
    A layout in words.

    layout
        What :func:`layout` returned (dict).

    Returns a string such as ``replica 3: kvm1:/data/b kvm2:/data/b kvm3:/data/b``, with a comma between two sets.

    Example:

    .. code-block:: python

        __utils__["gluster_layout.describe"](__utils__["gluster_layout.layout"](["kvm1:/data/b"], replica=1))
    """
    kind = " ".join(_kind(layout)) or "without copies"
    return f"{kind}: {', '.join(map(' '.join, _sets(layout['bricks'], layout['size'])))}"


def differences(layout, info, hosts):
    """
    How a volume differs from a layout. By which of its names a server stands in a brick is no difference, nor is the
    order of the sets.

    layout
        What :func:`layout` returned (dict).

    info
        The volume as ``gluster.volume_info`` has it (dict).

    hosts
        By server of the layout the uuid of its glusterd, None of one that is not in the pool (dict).

    Returns a list of sentences, an empty one where it does not differ.

    Example:

    .. code-block:: python

        __utils__["gluster_layout.differences"]({"size": 1, "bricks": []}, {"bricks": [], "servers": []}, {"kvm1": "1"})
    """
    found = [f"{key} is {info[key]}, not {layout[key]}" for key in COUNTS if info.get(key) != layout.get(key)]
    wanted, there = _places(layout, info, hosts)
    missing = [brick for brick, one in zip(layout["bricks"], wanted) if one not in there]
    more = [brick for brick, one in zip(info["bricks"], there) if one not in wanted]
    found += [f"{', '.join(missing)} is not among its bricks"] * bool(missing)
    found += [f"{', '.join(more)} is"] * bool(more)
    size = layout["size"]
    if not found and set(_compared(wanted, layout)) != set(_compared(there, layout)):
        found.append(f"its bricks are in other sets: {', '.join(map(' '.join, _sets(info['bricks'], size)))}")
    return found


def growth(layout, info, hosts):
    """
    The bricks of the sets that a volume lacks, where that is all by which it differs from a layout.

    layout, info, hosts
        As for :func:`differences`.

    Returns a list of bricks, set by set; an empty one where it lacks none, or differs in something else.

    Example:

    .. code-block:: python

        __utils__["gluster_layout.growth"]({"size": 1, "bricks": []}, {"bricks": [], "servers": []}, {"kvm1": "1"})
    """
    wanted, there = (_compared(places, layout) for places in _places(layout, info, hosts))
    if any(info.get(key) != layout.get(key) for key in COUNTS) or not set(there) < set(wanted):
        return []
    sets = zip(_sets(layout["bricks"], layout["size"]), wanted)
    return [brick for bricks, one in sets if one not in there for brick in bricks]


def _places(layout, info, hosts):
    """
    The bricks of a layout, and of a volume, each by its server's uuid and its path.
    """
    wanted = [(hosts[brick.partition(":/")[0]], _brick_path(brick)) for brick in layout["bricks"]]
    return wanted, list(zip(info["servers"], map(_brick_path, info["bricks"])))


def _compared(places, layout):
    """
    The sets of bricks, so that two are equal that hold the same: an arbiter is the last one of its set.
    """
    last = -1 if layout.get("arbiter") else layout["size"]
    return [(frozenset(one), one[last:]) for one in map(tuple, _sets(places, layout["size"]))]


def _brick_path(brick):
    return posixpath.normpath("/" + brick.partition(":/")[2].strip("/"))
