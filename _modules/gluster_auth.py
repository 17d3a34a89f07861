"""
Whom a volume's options shut out, and whom a change of them would
=================================================================
"""

import fnmatch
import ipaddress
import re

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
NAME = re.compile(r"[A-Za-z0-9._:-]+")
# Of the entries of a list, those that mean each host itself.
LOCAL = re.compile(r"localhost|ip6-lo|127\.|::1$", re.IGNORECASE)
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
    # What is reset has Gluster's default then.
    after = {option: TOGETHER.get(option) if value is None else value for option, value in new.items()}
    tls = any(not _same(o, {**current, **after}.get(o, "off"), "off") for o in ("client.ssl", "server.ssl"))
    for option, value in new.items():
        changed = option in TOGETHER and not _same(option, current.get(option, TOGETHER[option]), after[option])
        if changed or (tls and option in TLS):
            what = f"{option} {value!r}" if value is not None else f"{option} reset, as nothing asks for it any more,"
            raise SaltInvocationError(
                f"options: {what} would cut off the clients of volume {name}, which take it at another "
                "time than its bricks: set it by hand, while nobody has the volume mounted"
            )
    new = {option: value for option, value in new.items() if value is not None}  # the defaults shut out nobody
    stopping = [option for option in new if option in STOPPING and _same(option, new[option], STOPPING[option])]
    lists = [option for option in LISTS if option in new]
    if not stopping and not lists:
        return True
    peers = __salt__["gluster.peer_status"]()
    info = __salt__["gluster.volume_info"](name).get(name, {})
    connected = _connected(name, info, peers)
    found = _resolved(_names(info.get("bricks", []), servers, peers), [new[option] for option in lists])
    members = _members(info.get("bricks", []), servers, peers, found)
    for option in stopping:
        if connected:
            # Two of one server are one here.
            who = {(min(members.get(home, ()), default=address), "") for address, home in connected}
            who = _shown([_named(client, members) for client in sorted(who)])
            raise SaltInvocationError(
                f"options: {option} {new[option]!r} would shut out the clients of volume {name}, connected now: {who}; "
                "leave it out, or unmount the volume there first"
            )
    # The own glusterd of the first server, which is this node as a rule, hands a password to its mounts.
    first = members[servers[0]] if servers else __utils__["gluster_hosts.addresses"]("127.0.0.1")
    clients = {(address, home) for address, home in connected if not first & members.get(home, set())}
    for option in lists:
        entries = _entries(option, new[option], found)
        out = _shut_out(option, entries, clients, members)
        if out:
            raise SaltInvocationError(
                f"options: {option} {new[option]!r} would shut out of volume {name}: {_shown(out)}; {LISTS[option]}"
            )
    return True


def kept_out(name, options, servers, transport="tcp"):
    """
    Whom a volume's options keep from being its clients, as they are: servers that ``auth.allow`` or ``auth.reject`` do
    not accept, or all, by TLS on one side alone or a transport with which no brick starts. The first server is handed a
    password by its own glusterd, and is accepted in any case.

    name
        The volume (string).

    options
        The options that are set (dict).

    servers
        Its servers, as the pillar has them (list of host names).

    transport
        As ``gluster.volume_info`` has it (string, default tcp).

    Returns a list of lists of what it is and what to do (strings), empty where all are accepted, as far as that can be
    judged.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_auth.kept_out one_vol '{auth.allow: 10.0.0.1}' '[kvm1, kvm2]'
    """
    now = {option: options.get(option, value) for option, value in TOGETHER.items()}
    family, lists = now["transport.address-family"], [option for option in LISTS if options.get(option)]
    # Names are looked up only where it matters: a name server may not answer. Without IPv4 nobody has mounted anything.
    judged = servers if lists or family == "inet6" else []
    resolved = _resolved(judged, [options[option] for option in lists])
    found, members = [], {server: known for server, known in _members([], judged, (), resolved).items() if known}
    own = members.get(servers[0], set())
    others = {server: known for server, known in members.items() if not known & own}
    for option in lists:
        try:
            entries = _entries(option, options[option], resolved)
        except SaltInvocationError:  # whom it means cannot be judged
            continue
        out = _shut_out(option, entries, set(), others)
        if out:
            found.append([f"{option} {options[option]} keeps out {_shown(out)}", _list_cure(name, option)])
    together = f"set both by hand, while nobody has volume {name} mounted, and stop and start it"
    if not _same("client.ssl", now["client.ssl"], now["server.ssl"]):
        what = f"client.ssl is {now['client.ssl']} and server.ssl {now['server.ssl']}: no client reaches a brick"
        found.append([what, together])
    if transport != "tcp":
        cure = f"`gluster volume set {name} config.transport tcp`, while it is stopped"
        found.append([f"its transport is {transport}, and Gluster no longer has rdma: no brick of it starts", cure])
    lacking = [server for server, known in members.items() if not any(":" in address for address in known)]
    if family == "inet6" and lacking:
        cure = f"`gluster volume set {name} transport.address-family inet`"
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
    return {_client(brick, client) for brick, clients in bricks.items() for client, _ in clients if client}


def _client(brick, client):
    """
    A client of a brick as its address and, where that is a loopback address, the brick's host, else an empty text. So a
    server reaches its own brick where its name has such an address there, as Debian's installer writes it: that brick
    accepts it by this address alone, whatever else the list has (seen with Gluster 10.3).
    """
    address = __utils__["gluster_hosts.address"](client.rpartition(":")[0])
    return address, brick.partition(":/")[0] if __utils__["gluster_hosts.is_loopback"](address) else ""


def _names(bricks, servers, peers):
    """
    The names of the volume's servers and of all others of its pool.
    """
    hosts = (brick.partition(":/")[0] for brick in bricks)
    return list(dict.fromkeys([*(servers or []), *hosts, *(name for peer in peers for name in peer["hostnames"])]))


def _resolved(names, lists):
    """
    What these names and those in the values of options are resolved to.
    """
    names = [*names, *(word for text in lists for word in _words(text))]
    return __utils__["gluster_hosts.resolved"]([name for name in dict.fromkeys(names) if NAME.fullmatch(name)])


def _members(bricks, servers, peers, found):
    """
    The addresses of the volume's servers and of all others of its pool, by name.
    """
    own = lambda name: __utils__["gluster_hosts.addresses"](name, found.get(name, set()))  # noqa: E731
    members = {server: own(server) for server in _names(bricks, servers, ())}
    for peer in peers:
        known = set().union(*map(own, peer["hostnames"]))
        same = [server for server, there in members.items() if server in peer["hostnames"] or there & known]
        for server in same or peer["hostnames"][-1:]:
            members[server] = members.get(server, set()) | known
    return members


def _words(text):
    return [word for word in (each.strip(" ") for each in str(text).split(",")) if word]


def _entries(option, text, found):
    """
    The addresses, wildcards and networks of a list, with what its names are resolved to.

    A network is one only where its length is 8, 16 or 24: Gluster 10.3 takes the bits of another in the wrong order,
    so that 10.77.1.0/30 does not have 10.77.1.2, and 10.77.1.2/32 is everybody.
    """
    entries = []
    for entry in _words(text):
        network = _network(entry)
        if re.fullmatch(r"[0-9A-Fa-f.:*]*\*[0-9A-Fa-f.:*]*", entry):
            entries.append(lambda address, pattern=entry: fnmatch.fnmatchcase(address, pattern))
        elif network:
            entries.append(lambda address, network=network: ipaddress.ip_address(address) in network)
        elif found.get(entry):
            # This node's own name is to others no loopback address.
            known = found[entry] if LOCAL.match(entry) else __utils__["gluster_hosts.addresses"](entry, found[entry])
            entries.append(known.__contains__)
        elif option != "auth.reject" or entry.casefold() != "none":
            raise SaltInvocationError(
                f"options: {option} has {entry!r}, and whom it means cannot be judged: addresses, names that can be "
                "resolved, wildcards such as 10.77.* and networks of /8, /16 and /24 can; or set it by hand"
            )
    return entries


def _network(text):
    try:
        return ipaddress.ip_network(text, strict=False) if re.fullmatch(r"[0-9.]+/(8|16|24)", text) else None
    except ValueError:
        return None


def _shut_out(option, entries, connected, members):
    """
    Who would be shut out, as texts: of a server that is not connected, one address has to be accepted.
    """
    refused = lambda address: any(entry(address) for entry in entries) == (option == "auth.reject")  # noqa: E731
    out = [f"{_named(client, members)}, connected now" for client in sorted(connected) if refused(client[0])]
    seen = {address for address, home in connected if not home}
    for server, addresses in sorted(members.items()):
        # A name without an address counts as rejected: it is unknown whether it is accepted.
        if not addresses & seen and all(map(refused, addresses)):
            out.append(f"the server {server} ({', '.join(sorted(addresses)) or 'its name cannot be resolved'})")
    return out


def _named(client, members):
    address, home = client
    if home:
        return f"{home} ({address}, by which its own brick sees it)"
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
