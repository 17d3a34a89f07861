"""
Which names and addresses belong to one host
============================================
"""

import socket

__virtualname__ = "gluster_hosts"

PORT = 24007


def __virtual__():
    return __virtualname__


def own_names():
    """
    The names and addresses by which ``servers`` may mean this minion, in small letters: of a host's name, case is no
    part.

    Returns a set of strings.

    Example:

    .. code-block:: python

        __utils__["gluster_hosts.own_names"]()
    """
    names = {__grains__.get(grain) for grain in ("id", "host", "fqdn", "nodename", "localhost")}
    for grain in ("fqdn_ip4", "ipv4", "fqdns"):
        names.update(__grains__.get(grain) or [])
    return {name.casefold() for name in names if name} - {"localhost", "127.0.0.1"}


def peer_known_as(server, names):
    """
    By which of some names a pool knows a server of another name: the one that has an address of it.

    server
        A host name (string).

    names
        Names and addresses of peers (list of strings).

    Returns one of the names, or None.

    Example:

    .. code-block:: python

        __utils__["gluster_hosts.peer_known_as"]("kvm2", ["10.0.0.3", "10.0.0.2"])
    """
    addresses = _addresses(server)
    return next((name for name in names if addresses & ({name} | _addresses(name))), None)


def glusterd_port(host):
    """
    How glusterd's port answers on a host.

    host
        A host name or address (string).

    Returns ``open``, ``refused`` where nothing listens, or ``silent`` where nothing answers within 2 s.

    Example:

    .. code-block:: python

        __utils__["gluster_hosts.glusterd_port"]("kvm2")
    """
    try:
        socket.create_connection((host, PORT), timeout=2).close()
    except ConnectionRefusedError:
        return "refused"
    except OSError:
        return "silent"
    return "open"


def _addresses(host):
    try:
        return {found[4][0] for found in socket.getaddrinfo(host, None)}
    except OSError:
        return set()
