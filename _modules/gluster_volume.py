"""
What makes a trusted pool and a volume, by the ``gluster`` command
==================================================================

More functions of the execution module ``gluster``: Salt joins modules of one virtual name. Each change is one process.
Gluster's ``force`` is never added to what makes or grows one.
"""

import socket

from salt.exceptions import CommandExecutionError

__virtualname__ = "gluster"


def __virtual__():
    return __virtualname__


def _change(*words, timeout):
    """
    One command; what was read of the pool before does not hold any more.
    """
    try:
        __salt__["gluster.xml"](*words, timeout=timeout)
    finally:
        __context__.pop("gluster.read", None)
    return True


def peer_probe(name, timeout=120):
    """
    Take a server into the trusted pool, or give a member that the pool knows by another name this one as well.

    name
        The server's host name (string).

    timeout
        Seconds to wait for Gluster's answer (int, default 120).

    Returns True, for a member of that name too.

    Raises CommandExecutionError when glusterd does not answer there, has an op-version that is not the pool's, is in
    another pool, or has volumes.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster.peer_probe kvm2
    """
    return _change("peer", "probe", name, timeout=timeout)


def peer_detach(name, timeout=120):
    """
    Take a server out of the trusted pool.

    name
        The server, by a name that the pool has for it (string).

    timeout
        Seconds to wait for Gluster's answer (int, default 120).

    Returns True.

    Raises CommandExecutionError when it is no member, holds bricks, or a member is away.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster.peer_detach kvm4
    """
    return _change("peer", "detach", name, timeout=timeout)


def peer_known_as(server, names):
    """
    By which of some names a pool knows a server of another name: the one that has an address of it.

    server
        A host name (string).

    names
        Names and addresses of peers (list of strings).

    Returns one of the names, or None.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster.peer_known_as kvm2 '[10.0.0.3, 10.0.0.2]'
    """
    addresses = _addresses(server)
    return next((name for name in names if addresses & ({name} | _addresses(name))), None)


def _addresses(host):
    try:
        return {found[4][0] for found in socket.getaddrinfo(host, None)}
    except OSError:
        return set()


def pool_unsettled():
    """
    Which members of the pool do not see each other as connected members. Gluster refuses to create a volume then, when
    the first servers have marked their bricks already.

    Returns None when all see all, else a sentence on the first that does not.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster.pool_unsettled
    """
    peers = __salt__["gluster.peer_status"]()
    for peer in peers:
        if peer["state"] != "Peer in Cluster" or not peer["connected"]:
            return f"{peer['hostnames'][-1]}: {peer['state']}, {'' if peer['connected'] else 'dis'}connected"
    for peer in peers:
        name = peer["hostnames"][-1]
        try:
            seen = __salt__["gluster.pool_list"](server=name)
        except CommandExecutionError as exc:
            return str(exc)
        connected = sum(one["connected"] for one in seen)
        if connected <= len(peers):
            return f"{name} sees {connected} of {len(peers) + 1} members connected"
    return None


def volume_create(name, bricks, replica=1, arbiter=0, disperse=0, redundancy=0, timeout=120):
    """
    Create a volume; it is not started.

    name
        The volume (string).

    bricks
        Its bricks in Gluster's order, each ``server:/path`` (list of strings).

    replica, arbiter
        Copies of each file, 1 for a distributed volume, and how many of these hold no data (ints, default 1 and 0).

    disperse, redundancy
        Bricks of a set, and how many of these may be away (ints, default 0: not dispersed).

    timeout
        Seconds to wait for Gluster's answer and, while another command holds it, for its lock (int, default 120).

    Returns True.

    Raises CommandExecutionError when Gluster refuses. The servers that had looked at their bricks before leave the mark
    of a volume on those directories then.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster.volume_create new_vol '[kvm1:/data/new_vol, kvm2:/data/new_vol, kvm3:/data/new_vol]' replica=3
    """
    words = []
    if disperse:
        words = ["disperse", disperse, "redundancy", redundancy]
    elif replica > 1:
        words = ["replica", replica, *(["arbiter", arbiter] if arbiter else [])]
    return _change("volume", "create", name, *words, *bricks, timeout=timeout)


def bricks_add(name, bricks, timeout=120):
    """
    Add whole sets of bricks to a volume. What is on the volume stays where it is.

    name
        The volume (string).

    bricks
        The new bricks in Gluster's order, each ``server:/path`` (list of strings).

    timeout
        Seconds to wait for Gluster's answer and, while another command holds it, for its lock (int, default 120).

    Returns True.

    Raises CommandExecutionError when Gluster refuses.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster.bricks_add two_vol '[kvm1:/data/more, kvm2:/data/more, kvm3:/data/more]'
    """
    return _change("volume", "add-brick", name, *bricks, timeout=timeout)


def layout_fix(name, timeout=120):
    """
    Let directories of a volume that has grown have new files on the new bricks, too. It moves no data, and goes on in
    the background.

    name
        The volume (string), started.

    timeout
        Seconds to wait for Gluster's answer and, while another command holds it, for its lock (int, default 120).

    Returns True.

    Raises CommandExecutionError when the volume is not started, has one set of bricks only, or is rebalanced just now.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster.layout_fix two_vol
    """
    return _change("volume", "rebalance", name, "fix-layout", "start", timeout=timeout)


def volume_reset(name, option, timeout=120):
    """
    Take an option of a volume back to Gluster's default. Gluster resets none that begins with ``user.``.

    name, option
        The volume and the option (strings). One that is not set is left so.

    timeout
        See ``volume_set``.

    Returns True, and raises CommandExecutionError with Gluster's own message.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster.volume_reset one_vol network.ping-timeout
    """
    return _change("volume", "reset", name, option, timeout=timeout)


def volume_start(name, force=False, timeout=120):
    """
    Start a volume.

    name
        The volume's name (string).

    force
        Start the bricks of a started volume that are down, too (bool, default False).

    timeout
        Seconds to wait for Gluster's answer and, while another command holds it, for its lock (int, default 120).

    Returns True.

    Raises CommandExecutionError when there is no such volume, or it is started already and ``force`` not given.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster.volume_start one_vol force=True
    """
    return _change("volume", "start", name, *(["force"] if force else []), timeout=timeout)
