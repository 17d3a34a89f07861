"""
The servers of a pool: who is in it, under which names, and who is to take whom into it
=======================================================================================

A member is known by the uuid of its glusterd and by any of its names and addresses. One server takes the others in:
two that probe each other at the same time both fail. Everything is looked at before the first probe.
"""

from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "gluster_peers"

MEMBER = "Peer in Cluster"
REJECTED = "Peer Rejected"
PAGE = "docs/status.md, A server that is not in the pool"
JOIN = (
    "Gluster joins no two pools, and takes in no server that has volumes; leave one of them out of servers, or take it "
    "out of its pool first (`gluster peer detach`; volumes that nobody needs: `gluster volume delete`)"
)
VERSIONS = (
    "its Gluster is older than the version that the pool speaks (`gluster volume get all cluster.op-version`): install "
    "a newer one there"
)
STRANGERS = "name all servers of that pool in servers as well, or name one of them first"


def __virtual__():
    return __virtualname__


def identify(servers, run=None):
    """
    Which member of this node's pool each of these servers is: by a name that the pool knows, or by an address.

    servers
        The servers (list of host names).

    run
        See ``gluster.volume_info``.

    Returns a dict of dicts by server, None for one that is not in the pool; ``name`` is one by which the pool knows it,
    the server's own where it is among them::

        {"kvm1": {"uuid": "...", "own": True, "name": "kvm1", "state": "Peer in Cluster"}, "kvm4": None}

    Raises CommandExecutionError when glusterd does not answer here.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_peers.identify '[kvm1, kvm2]'
    """
    peers = __salt__["gluster.peer_status"](run=run)
    own = __utils__["gluster_hosts.own_names"]()
    return {server: _member(server, peers, own) for server in servers}


def _member(server, peers, own):
    for peer in peers:
        for name in peer["hostnames"]:
            if name.casefold() == server.casefold():
                return {"uuid": peer["uuid"], "own": False, "name": server, "state": peer["state"]}
    if server.casefold() in own or __utils__["gluster_hosts.known_as"](server, sorted(own)):
        return {"uuid": __salt__["glusterd.info"]()["uuid"], "own": True, "name": server, "state": MEMBER}
    for peer in peers:
        name = __utils__["gluster_hosts.known_as"](server, peer["hostnames"])
        if name:
            return {"uuid": peer["uuid"], "own": False, "name": name, "state": peer["state"]}
    return None


def plan(servers, run=None):
    """
    What this server has to do so that all of these are in one pool, each by its name, and for what it has to wait.

    The first one takes in the others, unless others are in a pool already, or one has volumes; it is given its own name
    by the second. Other members of the pool stay.

    servers
        The servers, this one among them (list of host names).

    run
        See ``gluster.volume_info``: where all are in the pool, this is all that is asked.

    Returns a dict: the probes to make, as changes by server, and a sentence or None::

        {"changes": {"kvm2": {"old": "not in the pool", "new": "in the pool"},
                     "kvm3": {"old": "10.0.0.3", "new": "kvm3"}},
         "waiting": "kvm1 has not taken in kvm4"}

    Raises CommandExecutionError for what may pass, as where a glusterd does not answer; SaltInvocationError for what
    does not, such as a server of another pool, a name without an address, and versions that do not fit.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_peers.plan '[kvm1, kvm2, kvm3]'
    """
    found = identify(servers, run)
    here = _here(servers, found)
    missing = [server for server in servers if not found[server]]
    rejected = [server for server in servers if found[server] and found[server]["state"] == REJECTED]
    if rejected:
        raise SaltInvocationError(f"{', '.join(rejected)}: {REJECTED!r}, with which nothing is changed: see {PAGE}")
    changes, waiting, names = {}, [], {}
    if missing:
        taker = _taker(servers, found, run)
        if taker == here:
            changes = {server: {"old": "not in the pool", "new": "in the pool"} for server in missing}
        else:
            waiting.append(f"{taker} has not taken in {', '.join(missing) if found[taker] else here}")
        if __opts__["test"] and taker in missing:
            names[taker] = __utils__["gluster_hosts.reverse_name"](taker)
    for server, member in found.items():
        if member:
            names[server] = member["name"]
            waiting += [f"{server} is {member['state']!r} ({PAGE})"] if member["state"] != MEMBER else []
    for server, name in names.items():
        # Nobody can give itself a name.
        namer = next((other for other in servers if other != server), None)
        if name.casefold() != server.casefold() and namer == here:
            changes[server] = {"old": name, "new": server}
    return {"changes": changes, "waiting": "; ".join(waiting) or None}


def _here(servers, found):
    """
    Which of the servers this one is. No two are the same.
    """
    this = [server for server in servers if found[server] and found[server]["own"]]
    if not this:
        own = __utils__["gluster_hosts.own_names"]()
        raise SaltInvocationError(
            f"servers is {servers!r}, and none is this server, which goes by {', '.join(sorted(own))}: name it "
            "as well, or apply this to those alone"
        )
    _require_different({server: member["uuid"] for server, member in found.items() if member})
    return this[0]


def _require_different(uuids):
    """
    No two servers have the same uuid.
    """
    servers = {}
    for server, own in uuids.items():
        other = servers.setdefault(own, server)
        if other != server:
            raise SaltInvocationError(
                f"servers has {other} and {server}: they are one server, or one is a copy of the other with its "
                "/var/lib/glusterd/glusterd.info: name it once; on a copy, remove that file while glusterd is stopped"
            )


def _taker(servers, found, run):
    """
    Which server takes in the others: the first one, unless others are in a pool, or one has volumes. That those that
    are missing can be taken in is looked at before.
    """
    if __opts__["test"] and not __salt__["glusterd.info"]()["uuid"]:
        return servers[0]  # glusterd has yet to be started for the first time: there is nothing to ask
    # A server that is taken in gets the pool's volumes. Where the pool is asked for after them, none are without it.
    own = {"volumes": sorted(__salt__["gluster.volume_info"](run=run))}
    own["pool"] = _pool({peer["uuid"]: peer["hostnames"][-1] for peer in __salt__["gluster.peer_status"]()})
    seen = {}
    for server in servers:
        seen[server] = {**own, "uuid": found[server]["uuid"]} if found[server] else _look(server)
    # After the pools: before glusterd's first use there is none, and whoever has taken it in since has had it made.
    seen[_here(servers, found)]["uuid"] = __salt__["glusterd.info"]()["uuid"]
    _require_different({server: one["uuid"] for server, one in seen.items()})
    held = [server for server in servers if seen[server]["pool"] or seen[server]["volumes"]]
    if not held:
        return servers[0]
    first = held[0]
    pool = {**seen[first]["pool"], seen[first]["uuid"]: first}
    apart = [server for server in held if not {*seen[server]["pool"], seen[server]["uuid"]} & set(pool)]
    if apart:
        raise SaltInvocationError(f"{_holds(apart[0], seen)}, and {_holds(first, seen)}: {JOIN}")
    named = {name.casefold() for name in pool.values()}
    lost = [server for server in servers if seen[server]["uuid"] not in pool and server.casefold() in named]
    if lost:
        raise SaltInvocationError(
            f"{lost[0]} is in the pool of {first} under another uuid than its own: if it was reinstalled, see "
            "docs/replace.md"
        )
    strangers = set(pool) - {one["uuid"] for one in seen.values()}
    if first != servers[0] and strangers:
        raise SaltInvocationError(f"{_holds(first, seen)}, and {servers[0]}, the first of servers, is not: {STRANGERS}")
    return first


def _look(server):
    """
    The pool and the volumes of a server that is not in this one's pool.
    """
    closed = _closed(server)
    if closed:
        answer, text = closed
        raise (SaltInvocationError if answer == "unknown" else CommandExecutionError)(text)
    volumes = sorted(__salt__["gluster.volume_info"](server=server))  # before the pool, as in _taker
    pool = __salt__["gluster.pool_list"](server=server)
    return {
        "uuid": next((peer["uuid"] for peer in pool if peer["hostname"] == "localhost"), None),
        "pool": _pool({peer["uuid"]: peer["hostname"] for peer in pool if peer["hostname"] != "localhost"}),
        "volumes": volumes,
    }


def _pool(names):
    """
    Names by uuid, without servers that are just being probed: they have none yet but zeros.
    """
    return {uuid: name for uuid, name in names.items() if uuid.strip("0-")}


def _closed(server):
    """
    How glusterd's port of a server cannot be reached from here (``unknown``, ``refused`` or ``silent``) and a sentence
    with the cure; None where it can.
    """
    here = __grains__["id"]
    if not __utils__["gluster_hosts.addresses"](server):
        return "unknown", (
            f"servers has {server!r}, of which {here} finds no address: add it to the DNS or /etc/hosts of all nodes, "
            "or mend the name"
        )
    answer = __utils__["gluster_hosts.glusterd_port"](server)
    if answer == "refused":
        return answer, (
            f"glusterd is not running on {server}: start it there: systemctl start glusterd; if it runs, a firewall "
            f"rejects {here} at port 24007"
        )
    if answer != "open":
        return answer, (
            f"{server} does not answer at port 24007: see whether it is up, and whether its firewall, and those on the "
            f"way, let {here} in at TCP 24007 and, for bricks, 49152 to 60999"
        )
    return None


def unreachable(servers):
    """
    Which of these servers' glusterd cannot be reached from this node, and why.

    servers
        The servers (list of host names).

    Returns a dict of sentences, each with what to do, by server; of those alone whose glusterd may just have to be
    started, the key ``refused`` of it is True::

        {"kvm2": {"why": "kvm2 does not answer at port 24007: see whether it is up, ...", "refused": False}}

    CLI Example:

    .. code-block:: bash

        salt kvm2 gluster_peers.unreachable '[kvm1, kvm2, kvm3]'
    """
    found = {server: _closed(server) for server in servers}
    return {server: {"why": one[1], "refused": one[0] == "refused"} for server, one in found.items() if one}


def _holds(server, seen):
    """
    That a server is in a pool, or has volumes, as a sentence.
    """
    others, volumes = sorted(seen[server]["pool"].values()), seen[server]["volumes"]
    if others:
        return f"{server} is in a pool with {', '.join(others)}"
    return f"{server} has {'the volume' if len(volumes) == 1 else 'the volumes'} {', '.join(volumes)} of its own"


def probe(server, timeout=120):
    """
    Take a server into this node's pool, or give a peer the name, when all members of the pool see each other.

    server
        The server, by the name by which the pool is to know it (string).

    timeout
        Seconds for Gluster's lock (int, default 120).

    Returns True.

    Raises CommandExecutionError when a member is away, then nothing was done; or with Gluster's message.
    SaltInvocationError when the versions do not fit.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_peers.probe kvm2
    """
    apart = __salt__["gluster_pool.peers_apart"]()
    if apart:
        raise CommandExecutionError(f"{server} was not probed: {apart}")
    return _probed(server, timeout)


def _probed(server, timeout):
    try:
        return __salt__["gluster.peer_probe"](server, timeout)
    except CommandExecutionError as exc:
        if "op-version" in str(exc):
            raise SaltInvocationError(f"{exc}: {VERSIONS}") from exc
        raise


def take_in(server, timeout=120):
    """
    Take a server into this node's pool in the place of one that is lost, which may be away meanwhile.

    server
        The server, by the name by which the pool is to know it (string).

    timeout
        Seconds for Gluster's lock (int, default 120).

    Returns True.

    Raises SaltInvocationError where it is in a pool, has volumes, is a copy of a member, or its version does not fit;
    CommandExecutionError when it does not answer, or with Gluster's message.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_peers.take_in kvm4
    """
    seen = {server: _look(server)}
    if seen[server]["pool"] or seen[server]["volumes"]:
        raise SaltInvocationError(f"{_holds(server, seen)}: {JOIN}")
    members = {peer["uuid"]: peer["hostnames"][-1] for peer in __salt__["gluster.peer_status"]()}
    members[__salt__["glusterd.info"]()["uuid"]] = __grains__["id"]
    _require_different({**{name: uuid for uuid, name in members.items()}, server: seen[server]["uuid"]})
    return _probed(server, timeout)
