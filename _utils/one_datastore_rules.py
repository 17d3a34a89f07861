"""
How OpenNebula writes what a datastore's attributes say
=======================================================
"""

import re

from salt.exceptions import SaltInvocationError

__virtualname__ = "one_datastore_rules"


def __virtual__():
    return __virtualname__


def gluster_host(host):
    """
    A Gluster server, or several, as ``GLUSTER_HOST`` names them.

    host
        ``server`` or ``server:port`` (string; the port is 24007 when left out), or a list of those.

    Returns a string, ``kvm1:24007`` or ``kvm1:24007 kvm2:24007``: oned splits it at spaces, and each part at the colon.

    Raises SaltInvocationError for what oned would not understand: a comma, an IPv6 address, a port out of range.

    Example:

    .. code-block:: python

        __utils__["one_datastore_rules.gluster_host"](["kvm1", "kvm2"])
    """
    servers = host if isinstance(host, list) else str(host).split()
    needed = "a host name or IPv4 address is needed, with :port (1 to 65535) behind it or not, or a list of those"
    if not servers:
        raise SaltInvocationError(f"{host!r} names no host: {needed}")
    named = []
    for server in servers:
        server = str(server).strip()
        if "," in server:
            raise SaltInvocationError(f"{host!r} has a comma: {needed}, such as [kvm1, kvm2]")
        if server.count(":") > 1 or "[" in server:
            raise SaltInvocationError(
                f"{host!r} is an IPv6 address, which oned cuts at its first colon: {needed}; give the address a name "
                "in /etc/hosts or the DNS"
            )
        name, _, port = server.partition(":")
        if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", name):
            raise SaltInvocationError(f"{host!r} is no host: {needed}")
        if ":" in server and not (port.isdecimal() and 1 <= int(port) <= 65535):
            raise SaltInvocationError(f"{host!r} has no valid port: {needed}")
        named.append(f"{name}:{int(port or 24007)}")
    return " ".join(named)


def permission_letters(permissions):
    """
    Permissions in OpenNebula's letters.

    permissions
        ``um-u-----`` or ``640`` (string or int).

    Returns a string of nine letters.

    Raises SaltInvocationError for anything else.

    Example:

    .. code-block:: python

        __utils__["one_datastore_rules.permission_letters"](640)
    """
    text = str(permissions)
    if re.fullmatch("[0-7]{3}", text):
        return "".join(letter if int(digit) & bit else "-" for digit in text for letter, bit in zip("uma", (4, 2, 1)))
    if not re.fullmatch("([u-][m-][a-]){3}", text):
        raise SaltInvocationError(f"permissions is {permissions!r}: nine letters such as um-u-----, or 640, are needed")
    return text
