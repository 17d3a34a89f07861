"""
Whom a volume's options shut out, and whom a change of them would
=================================================================
"""

import fnmatch
import ipaddress
import re
import socket

from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "gluster_auth"

LISTS = {"auth.allow": "add them to it", "auth.reject": "take them out of it"}
# With this value, connected clients are rejected or can no longer write, at once (seen with Gluster 10.3).
STOPPING = {
    "server.allow-insecure": "off",
    "features.read-only": "on",
    "features.worm": "on",
    "features.worm-file-level": "on",
    "server.all-squash": "on",
}
# Bricks and clients take these at different times, and cannot talk to each other in between. With the defaults.
TOGETHER = {
    "client.ssl": "off",
    "server.ssl": "off",
    "config.transport": "tcp",
    "transport.address-family": "inet",
}
# Without TLS they have no effect.
TLS = ("auth.ssl-allow", "ssl.own-cert", "ssl.private-key", "ssl.ca-list", "ssl.crl-path", "ssl.certificate-depth",
       "ssl.cipher-list", "ssl.dh-param", "ssl.ec-curve")  # fmt: skip
SHOWN = 10  # names in an error


def __virtual__():
    return __virtualname__


def refuse_shutting_out(name, current, changes, servers=None):
    """
    Reject a change of options that shuts out a client that is connected now, or a server: ``auth.allow`` without it,
    ``server.allow-insecure off``, TLS, a volume that is only read, and the like. Who is connected is asked only when
    such an option changes.

    name
        The volume (string).

    current
        The options that are set (dict).

    changes
        What is to change, as ``gluster_options.option_changes`` returns it (dict).

    servers
        Servers that have to be let in beside those of the pool (list of host names, default none).

    Returns True.

    Raises SaltInvocationError that names the option and whom it shuts out, or a value that cannot be judged;
    CommandExecutionError when it is not known who is connected.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_auth.refuse_shutting_out one_vol '{}' '{auth.allow: {old: null, new: "*"}}' '[kvm1, kvm2]'
    """
    new = {option: change["new"] for key, change in changes.items() for option in _guarded(key)}
    tls = any(not _same(o, {**current, **new}.get(o, "off"), "off") for o in ("client.ssl", "server.ssl"))
    for option, value in new.items():
        changed = option in TOGETHER and not _same(option, current.get(option, TOGETHER[option]), value)
        if changed or (tls and option in TLS):
            raise SaltInvocationError(
                f"options: {option} {value!r} would cut off the clients of volume {name}, which take it at another "
                "time than its bricks: set it by hand, while nobody has the volume mounted"
            )
    stopping = [option for option in new if option in STOPPING and _same(option, new[option], STOPPING[option])]
    lists = [option for option in LISTS if option in new]
    if not stopping and not lists:
        return True
    peers = __salt__["gluster.peer_status"]()
    info = __salt__["gluster.volume_info"](name).get(name, {})
    connected = _connected(name, info, peers)
    members = _members(info.get("bricks", []), servers, peers)
    for option in stopping:
        if connected:
            who = _shown([_named(address, members) for address in sorted(connected)])
            raise SaltInvocationError(
                f"options: {option} {new[option]!r} would shut out the clients of volume {name}, connected now: {who}; "
                "leave it out, or unmount the volume there first"
            )
    for option in lists:
        entries = _entries(option, new[option])
        out = _shut_out(option, entries, connected, members)
        if out:
            raise SaltInvocationError(
                f"options: {option} {new[option]!r} would shut out of volume {name}: {_shown(out)}; {LISTS[option]}"
            )
    return True


def kept_out(name, options, servers):
    """
    Whom a volume's options keep from being its clients, as they are: servers that ``auth.allow`` or ``auth.reject`` do
    not accept, or all, by TLS on one side alone or a transport that nobody has. The first server is handed a password
    by its own glusterd, and is accepted in any case.

    name
        The volume (string).

    options
        The options that are set (dict).

    servers
        Its servers, as the pillar has them (list of host names).

    Returns a list of lists of what it is and what to do (strings), empty where all are accepted, as far as that can be
    judged.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_auth.kept_out one_vol '{auth.allow: 10.0.0.1}' '[kvm1, kvm2]'
    """
    found, members = [], {server: known for server, known in _members([], servers).items() if known}
    own = members.get(servers[0], set())
    others = {server: known for server, known in members.items() if not known & own}
    for option in [option for option in LISTS if options.get(option)]:
        try:
            entries = _entries(option, options[option])
        except SaltInvocationError:  # whom it means cannot be judged
            continue
        out = _shut_out(option, entries, set(), others)
        if out:
            found.append([f"{option} {options[option]} keeps out {_shown(out)}", _list_cure(name, option)])
    now = {option: options.get(option, value) for option, value in TOGETHER.items()}
    together = f"set both by hand, while nobody has volume {name} mounted, and stop and start it"
    if not _same("client.ssl", now["client.ssl"], now["server.ssl"]):
        what = f"client.ssl is {now['client.ssl']} and server.ssl {now['server.ssl']}: no client reaches a brick"
        found.append([what, together])
    if "tcp" not in str(now["config.transport"]).split(","):
        cure = f"`gluster volume set {name} config.transport tcp`, while it is stopped"
        found.append([f"config.transport is {now['config.transport']}, and clients use tcp", cure])
    family, six = now["transport.address-family"], now["transport.address-family"] == "inet6"
    lacking = [server for server, known in members.items() if all((":" in address) != six for address in known)]
    if family in ("inet", "inet6") and lacking and "transport.address-family" in options:
        cure = f"`gluster volume set {name} transport.address-family {'inet' if six else 'inet6'}`"
        found.append([f"transport.address-family is {family}, and {_shown(lacking)} has no such address here", cure])
    return found


def _list_cure(name, option):
    where = f"in the pillar's options of the volume, or by `gluster volume set {name} {option}` with all that it has"
    own = ", and 127.0.0.1, from which their own bricks may see them" if option == "auth.allow" else ""
    return f"{LISTS[option]}{own}, {where}"


def _guarded(key):
    """
    The options that a name may stand for: Gluster also takes what is behind the first dot.
    """
    every = (*LISTS, *STOPPING, *TOGETHER, *TLS)
    return [option for option in every if key in (option, option.partition(".")[2])]


def _same(option, one, other):
    return not __utils__["gluster_options.option_changes"]({option: str(one)}, {option: other})


def _connected(name, info, peers):
    """
    The addresses of a volume's clients, as its bricks see them.
    """
    if info.get("status") != "Started":
        return set()
    away = [peer["hostnames"][-1] for peer in peers if not peer["connected"]]
    if away:
        raise CommandExecutionError(
            f"It is not known who is connected to volume {name}: {', '.join(away)} disconnected: start glusterd there, "
            "or bring its network back"
        )
    try:
        bricks = __salt__["gluster.connections"](name)
    except CommandExecutionError as exc:
        if "Commit failed" not in str(exc):
            raise
        bricks = {}  # none has had one since its start
    return {_client(brick, client) for brick, clients in bricks.items() for client, _ in clients} - {""}


def _client(brick, client):
    """
    The address of a client of a brick; of one on the brick's own server, which may reach it from 127.0.0.1, one that
    the others know: Gluster lets it in by the server's name or address.
    """
    address = __utils__["gluster_hosts.address"](client.rpartition(":")[0])
    if __utils__["gluster_hosts.is_loopback"](address):
        return min(__utils__["gluster_hosts.addresses"](brick.partition(":/")[0]), default=address)
    return address


def _members(bricks, servers, peers=()):
    """
    The addresses of the volume's servers and of all others of its pool, by name.
    """
    names = [*(servers or []), *(brick.partition(":/")[0] for brick in bricks)]
    addresses = __utils__["gluster_hosts.addresses"]
    members = {server: addresses(server) for server in dict.fromkeys(names)}
    for peer in peers:
        known = set().union(*map(addresses, peer["hostnames"]))
        same = [server for server, there in members.items() if server in peer["hostnames"] or there & known]
        for server in same or peer["hostnames"][-1:]:
            members[server] = members.get(server, set()) | known
    return members


def _entries(option, text):
    """
    The addresses, wildcards and networks of a list.

    A network is one only where its length is 8, 16 or 24: Gluster 10.3 takes the bits of another in the wrong order,
    so that 10.77.1.0/30 does not have 10.77.1.2, and 10.77.1.2/32 is everybody.
    """
    entries = []
    for entry in filter(None, (each.strip(" ") for each in str(text).split(","))):
        if re.fullmatch(r"[0-9A-Fa-f.:*]*\*[0-9A-Fa-f.:*]*", entry):
            entries.append(lambda address, pattern=entry: fnmatch.fnmatchcase(address, pattern))
            continue
        if option == "auth.reject" and entry.casefold() == "none":
            continue
        found = set()
        if re.fullmatch(r"[0-9.]+/(8|16|24)", entry):
            try:
                network = ipaddress.ip_network(entry, strict=False)
                entries.append(lambda address, network=network: ipaddress.ip_address(address) in network)
                continue
            except ValueError:
                pass
        elif re.fullmatch(r"[A-Za-z0-9._:-]+", entry):
            try:
                found = {each[4][0] for each in socket.getaddrinfo(entry, None)}
            except (OSError, UnicodeError):
                pass
        if not found:
            raise SaltInvocationError(
                f"options: {option} has {entry!r}, and whom it means cannot be judged: addresses, names that can be "
                "resolved, wildcards such as 10.77.* and networks of /8, /16 and /24 can; or set it by hand"
            )
        entries.append(found.__contains__)
    return entries


def _shut_out(option, entries, connected, members):
    """
    Who would be shut out, as texts: of a server that is not connected, one address has to be accepted.
    """
    refused = lambda address: any(entry(address) for entry in entries) == (option == "auth.reject")  # noqa: E731
    clients = sorted(filter(refused, connected))
    out = [f"{_named(address, members)}, connected now" for address in clients]
    for server, addresses in sorted(members.items()):
        # A name without an address counts as rejected: it is unknown whether it is accepted.
        if not addresses & connected and all(map(refused, addresses)):
            out.append(f"the server {server} ({', '.join(sorted(addresses)) or 'its name cannot be resolved'})")
    return out


def _named(address, members):
    names = [server for server, addresses in members.items() if address in addresses] or _reverse(address)
    return f"{names[0]} ({address})" if names else address


def _reverse(address):
    """
    The name of an address in /etc/hosts or the DNS, in a list; an empty one where there is none.
    """
    kept = __context__.setdefault("gluster.reverse", {})
    if address not in kept and len(kept) < SHOWN:  # each may take seconds
        _, said, _ = __utils__["gluster_process.run"](["getent", "hosts", address])
        kept[address] = [name for name in said.split()[1:2] if re.fullmatch(r"[A-Za-z0-9._-]+", name)]
    return kept.get(address, [])


def _shown(texts):
    return "; ".join(texts[:SHOWN]) + (f" and {len(texts) - SHOWN} more" if len(texts) > SHOWN else "")
