"""
How a volume's bricks are laid out
==================================

More functions of the execution module ``gluster_one``: Salt joins modules of one virtual name. They look at nothing but
what they are given.
"""

import collections
import posixpath
import re

from salt.exceptions import SaltInvocationError

__virtualname__ = "gluster_one"


def __virtual__():
    return __virtualname__


def layout(bricks, servers=None, replica=None, arbiter=0, disperse=None, redundancy=None, two_copies=None):
    """
    The bricks of a volume in Gluster's order, and how many make a set.

    bricks
        A path, the same on each of ``servers`` (string), or a list of ``server:/path`` in any order.

    servers
        The volume's servers (list of host names). Default: those of ``bricks``.

    replica, arbiter
        Copies of each file, 1 for a distributed volume (int, default 3 where ``disperse`` is not given), and how many
        of three are arbiters, which hold names but no data (int, default 0).

    disperse, redundancy
        Bricks of a set, and how many of these may be away (ints, default: not dispersed, and 1).

    two_copies
        ``allow`` for ``replica`` 2, which split-brain comes to sooner or later (string, default none).

    Returns a dict; ``errors`` has pairs of a key and what is wrong with it, and nothing else counts when it has any::

        {"errors": [], "bricks": ["kvm1:/data/one_vol", ...], "replica": 3, "arbiter": 0, "disperse": 0,
         "redundancy": 0}

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.layout /data/one_vol '[kvm1, kvm2, kvm3]'
    """
    if isinstance(bricks, str):
        bricks = [f"{server}:{bricks}" for server in dict.fromkeys(servers or [])]
    errors = []
    if disperse and (replica not in (None, 1) or arbiter):
        errors.append(("disperse", "a volume is replicated or dispersed, not both: leave out replica and arbiter"))
    elif disperse:
        redundancy = redundancy or 1
        if not 0 < redundancy * 2 < disperse:
            errors.append(
                ("redundancy", f"of {disperse} bricks of a set fewer than half, and one at least, may be away")
            )
    elif redundancy:
        errors.append(("redundancy", "it needs disperse, such as {disperse: 3, redundancy: 1}"))
    replica = 1 if disperse else replica or 3
    if arbiter and replica != 3:
        errors.append(("arbiter", "it is one of three copies: replica has to be 3"))
    if replica == 2 and two_copies != "allow":
        errors.append(
            ("replica", "two copies end in split-brain: 3, or {replica: 3, arbiter: 1}, or say two_copies: allow")
        )
    errors += _brick_errors(bricks, servers)
    size = disperse or replica
    if not errors:
        try:
            bricks = brick_order(bricks, size)
        except SaltInvocationError as exc:
            errors.append(("bricks", str(exc)))
    return {
        "errors": errors,
        "bricks": bricks,
        "replica": replica,
        "arbiter": arbiter or 0,
        "disperse": disperse or 0,
        "redundancy": redundancy or 0,
    }


def _brick_errors(bricks, servers):
    errors = []
    for brick in bricks:
        host, _, path = str(brick).partition(":")
        if not host or not path.startswith("/") or posixpath.normpath(path) != path or path == "/":
            errors.append(f"{brick} is no brick: server:/path is needed, such as kvm1:/data/one_vol")
        elif re.search(r"\s", brick):
            errors.append(f"{brick} has a space in it, which Gluster does not take")
        elif servers and host not in servers:
            errors.append(f"{host} of {brick} is not among its servers ({', '.join(servers)})")
    twice = [brick for brick, count in collections.Counter(bricks).items() if count > 1]
    errors += [f"{brick} stands there twice" for brick in twice]
    inside = [(one, other) for one in bricks for other in bricks if one != other and str(one).startswith(f"{other}/")]
    errors += [f"{one} lies inside {other}" for one, other in inside]
    return [("bricks", error) for error in errors]


def brick_order(bricks, size):
    """
    Bricks in sets of which none has two on one server. An order that is so already is kept, so that it can be said
    which brick of three is the arbiter.

    bricks
        Each ``server:/path`` (list of strings).

    size
        Bricks in a set: the copies, or what ``disperse`` says; 1 for a distributed volume (int).

    Returns the list in the order in which Gluster makes sets of it.

    Raises SaltInvocationError when there is no such order.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.brick_order '[kvm1:/a, kvm1:/b, kvm2:/a, kvm2:/b]' 2
    """
    if not bricks or len(bricks) % size:
        raise SaltInvocationError(f"{len(bricks)} bricks are no whole number of sets of {size}")
    sets = [bricks[first : first + size] for first in range(0, len(bricks), size)]
    if all(len({_host(brick) for brick in one}) == size for one in sets):
        return list(bricks)
    left = {}
    for brick in bricks:
        left.setdefault(_host(brick), []).append(brick)
    most = max(left, key=lambda host: len(left[host]))
    if len(left[most]) > len(sets):
        raise SaltInvocationError(
            f"{len(left[most])} of {len(bricks)} bricks are on {most}, and of each set of {size} one at most may be "
            f"there: {len(sets)} in all"
        )
    ordered = []
    for _ in sets:
        # Those with most left first, or the last sets would lack servers; sorting keeps the given order otherwise.
        hosts = sorted(left, key=lambda host: -len(left[host]))[:size]
        ordered += [left[host].pop(0) for host in left if host in hosts]
    return ordered


def _host(brick):
    return brick.partition(":")[0]
