"""
Which names and addresses belong to one host
============================================
"""

import ipaddress
import socket
import threading
import time

import psutil

__virtualname__ = "gluster_hosts"

PORT = 24007
# For all names that are looked up together: a resolver goes on to its second name server after five.
LOOKUP_SECONDS = 8
# Addresses that a host has for itself, the second one by Debian's installer; and names.
OWN = ("127.0.0.1", "127.0.1.1", "::1")
SELF = {"localhost", "localhost.localdomain", "localhost4", "localhost6", "ip6-localhost", "ip6-loopback"}


def __virtual__():
    return __virtualname__


def own_names(servers=()):
    """
    The names and addresses by which ``servers`` may mean this minion, in small letters: of a host's name, case is no
    part.

    servers
        Names that may be this node's, although its grains do not have them (list of strings, default none): those
        count that resolve, on this node and within 8 s for all, to one of its addresses. A loopback address is none, as
        a name server may have it for every name, and a link's own address is another host's on another link.

    Returns a set of strings.

    Example:

    .. code-block:: python

        __utils__["gluster_hosts.own_names"](["kvm1.storage", "kvm2.storage"])
    """
    names = {__grains__.get(grain) for grain in ("id", "host", "fqdn", "nodename", "localhost")}
    for grain in ("fqdn_ip4", "ipv4", "fqdns"):
        names.update(__grains__.get(grain) or [])
    own = _own_addresses()
    names = {name.casefold() for name in {*names, *own} if name and not _is_every_hosts(name)} - SELF
    more = {server.casefold() for server in servers if not _is_every_hosts(server)} - names - SELF
    return names | {server for server, found in resolved(sorted(more)).items() if found & own}


def _own_addresses():
    """
    The addresses that this node has now, and had when the minion started, by which others know it.
    """
    found = {each for grain in ("ipv4", "ipv6") for each in __grains__.get(grain) or []}
    for each in (each for interface in psutil.net_if_addrs().values() for each in interface):
        found |= {each.address} if each.family in (socket.AF_INET, socket.AF_INET6) else set()
    return {each for each in map(address, found) if not _is_every_hosts(each)}


def _is_every_hosts(text):
    """
    Whether it is an address that each host has for itself, or that means another host on each link.
    """
    parsed = _parsed(address(text))
    return bool(parsed and (parsed.is_loopback or parsed.is_link_local or parsed.is_unspecified))


def resolved(hosts):
    """
    What some names are resolved to, all of them within 8 s: a name server may not answer.

    hosts
        Names and addresses (list of strings).

    Returns a dict of sets of addresses (strings) by name, without those that were not found in time; an empty set for
    one that cannot be resolved.

    Example:

    .. code-block:: python

        __utils__["gluster_hosts.resolved"](["kvm1", "kvm2"])
    """
    found, deadline = {}, time.monotonic() + LOOKUP_SECONDS

    def look(part):
        for host in part:
            if time.monotonic() < deadline:
                found[host] = _resolved(host)

    threads = [threading.Thread(target=look, args=[hosts[first::10]], daemon=True) for first in range(10)]
    for thread in threads[: len(hosts)]:
        thread.start()
    for thread in threads[: len(hosts)]:
        thread.join(max(0, deadline - time.monotonic()))
    return dict(found)


def _resolved(host):
    try:
        return {address(each[4][0]) for each in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return set()


def known_as(server, names):
    """
    Which of these names shares an address with the server, or None.

    server
        A host name (string).

    names
        Names and addresses of peers (list of strings).

    Returns one of the names, or None.

    Example:

    .. code-block:: python

        __utils__["gluster_hosts.known_as"]("kvm2", ["10.0.0.3", "10.0.0.2"])
    """
    own = addresses(server)
    return next((name for name in names if own & ({address(name)} | addresses(name))), None)


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


def addresses(host, found=None):
    """
    The addresses by which other hosts know a host. Where its name is this node's own, and ``/etc/hosts`` has a loopback
    address for it, as Debian's installer writes it, they are those of this node.

    host
        A host name or address (string).

    found
        What :func:`resolved` has for it (set of strings). Default: look it up now, which has no limit of time.

    Returns a set of strings, without loopback addresses and a link's own; an empty one where the name cannot be
    resolved.

    Example:

    .. code-block:: python

        __utils__["gluster_hosts.addresses"]("kvm1")
    """
    found = _resolved(host) if found is None else found
    if found and all(map(is_loopback, found)) and (host in OWN or not is_loopback(host)):
        found = _own_addresses()
    return {each for each in found if not _is_every_hosts(each)}


def reverse_name(host):
    """
    The name that this node finds for a host's address: by that glusterd knows a server that has probed it.

    host
        A host name or address (string).

    Returns a string, the address where it has no name.

    Example:

    .. code-block:: python

        __utils__["gluster_hosts.reverse_name"]("kvm1")
    """
    known = sorted(addresses(host))
    try:
        return socket.getnameinfo((known[0], PORT), 0)[0] if known else host
    except OSError:
        return known[0]


def address(text):
    """
    An address in the one form in which equal ones compare equal.

    text
        An address (string), such as ``::ffff:10.0.0.1``, ``[fd00::1]`` or ``fe80::1%eth0``.

    Returns a string; anything else than an address as it is.

    Example:

    .. code-block:: python

        __utils__["gluster_hosts.address"]("::ffff:10.0.0.1")
    """
    parsed = _parsed(text)
    return str(getattr(parsed, "ipv4_mapped", None) or parsed) if parsed else text


def address_towards(host):
    """
    The address by which a host sees this node.

    host
        The host's name or address (string).

    Returns an address (string), None where there is no way to it.

    Example:

    .. code-block:: python

        __utils__["gluster_hosts.address_towards"]("kvm1")
    """
    try:
        kind, _, _, _, where = socket.getaddrinfo(host, PORT, type=socket.SOCK_DGRAM)[0]
        with socket.socket(kind, socket.SOCK_DGRAM) as probe:
            probe.connect(where)  # which sends nothing
            return probe.getsockname()[0]
    except (OSError, UnicodeError):
        return None


def is_loopback(text):
    """
    Whether a text is an address by which a host reaches itself.

    text
        A name or address (string).

    Returns True or False.

    Example:

    .. code-block:: python

        __utils__["gluster_hosts.is_loopback"]("127.0.1.1")
    """
    parsed = _parsed(address(text))
    return bool(parsed and parsed.is_loopback)


def network(text):
    """
    The network of an address: that of this node's interface in it, else the usual one of 256 addresses, or of an IPv6
    link.

    text
        An address (string).

    Returns a string such as ``10.0.0.0/24``, None for what is not an address.

    Example:

    .. code-block:: python

        __utils__["gluster_hosts.network"]("10.0.0.1")
    """
    own = _parsed(address(text))
    if not own:
        return None
    for each in (each for interface in psutil.net_if_addrs().values() for each in interface if each.netmask):
        mask = each.netmask if each.family == socket.AF_INET else bin(int(_parsed(each.netmask) or 0)).count("1")
        try:
            there = ipaddress.ip_network(f"{address(each.address)}/{mask}", strict=False)
        except ValueError:  # a link's own address
            continue
        if there.version == own.version and own in there and there.num_addresses > 1:
            return str(there)
    return str(ipaddress.ip_network(f"{own}/{24 if own.version == 4 else 64}", strict=False))


def _parsed(text):
    try:
        return ipaddress.ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None
