"""
What the pool calls its members, and a volume's start
=====================================================

More functions of the execution module ``gluster``: Salt joins modules of one virtual name.
"""

import socket

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
