"""
A volume in its pool: bricks, quorum, who is connected, and what waits to be healed
===================================================================================
"""

import contextlib
import math
import re

from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "gluster_pool"


MEMBER = "Peer in Cluster"
# By what they end with the master knows these findings' cure: see gluster_one/findings.yaml.
TAKES, CREATES, STARTS = "a run takes them in", "a run creates it", "a run starts it"
LOOK_AT_IT = (
    "salt SERVER gluster_one.check; where the brick's directory carries the volume's identifier: "
    "salt SERVER state.apply gluster_one.started"
)
APPLY = "salt '*' state.apply gluster_one"
PAGE = "docs/status.md, A server that is not in the pool"
TOGETHER = "gluster_pool.together"  # in the context: a run, and the peers as this server saw them when none was apart


def __virtual__():
    return __virtualname__


def snapshot(heal=(), ask=True, service="glusterd"):
    """
    The pool and its volumes. Gluster is asked only while glusterd runs and all peers' hosts answer: it would wait.

    heal
        See ``gluster.snapshot``.

    ask
        Whether Gluster may be asked at all (bool, default True).

    service
        glusterd's service (string, default ``glusterd``).

    Returns what ``gluster.snapshot`` returns, or instead what ``glusterd.stored_snapshot`` does. A peer that is
    connected and no member is asked, too: its dict has the uuid by which it calls itself as ``own_uuid``, None where it
    does not say. ``unfinished``, where there are some, are the servers that were probed and have not answered
    (list of names): meanwhile Gluster itself does not say who is in the pool.

    Raises CommandExecutionError when glusterd does not answer.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_pool.snapshot
    """
    silent, unfinished = __salt__["glusterd.silent_peers"](), sorted(__salt__["glusterd.unfinished_probes"]())
    seen = None
    if ask and not silent and __salt__["glusterd.service"](service).get("running", True):
        try:
            seen = __salt__["gluster.snapshot"](heal=heal)
        except CommandExecutionError:
            # A host may have fallen silent meanwhile. One whose glusterd is stopped, as by SIGSTOP, never does: its
            # kernel accepts connections. The finding `process_stopped` explains the `check_failed` of that one.
            silent = __salt__["glusterd.silent_peers"]()
            if not (unfinished or silent):
                raise
    if seen:
        for peer in seen["pool"]:
            if not peer["connected"] and peer.get("state") not in (None, MEMBER):
                peer["own_uuid"] = None
                with contextlib.suppress(CommandExecutionError):
                    peer["own_uuid"] = _uuid(__salt__["gluster.pool_list"](server=peer["hostname"]))
    else:
        seen = __salt__["glusterd.stored_snapshot"](silent)
    return {**seen, "unfinished": unfinished} if unfinished else seen


def _uuid(pool):
    return next((peer.get("uuid") for peer in pool if peer["hostname"] == "localhost"), None)


def volume_report(name, volume, seen, node):
    """
    A volume as its coordinator sees it.

    name
        The volume (string).

    volume
        What the pillar says of it (dict of ``gluster_one_pillar.node``).

    seen
        What :func:`snapshot` returned (dict): read once for all volumes.

    node
        This node's part (dict of ``gluster_one_pillar.node``); ``hosts`` in it as for :func:`stop_blockers`.

    Returns a list of two: facts as ``volumes`` of ``gluster_one.report`` has them, and findings, each a list of kind,
    what it is about, seen, expected and cure.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_pool.volume_report one_vol '{servers: [kvm1]}' '{pool: [], volumes: {}}' '{}'
    """
    pool, unknown = seen["pool"], dict.fromkeys(("bricks", "sets", "heal", "split_brain"))
    away = [peer for peer in pool if not peer["connected"]]
    facts = {"peers": [len(pool) - len(away) - 1, len(pool) - 1], **unknown}
    found = [_peer(peer, pool, volume["servers"][0]) for peer in away]
    for server in seen.get("unfinished", ()):
        what = "a probe of it has not ended: while it goes on, Gluster does not say who is in the pool"
        found.append(["peer_rejected", server, what, MEMBER, _repair(server)])
    what = _missing(set(volume["servers"]), pool, node)
    makes = volume.get("create")  # which the plan of an older beacon does not have
    if what:
        what, cure = (f"{what}: {TAKES}", APPLY) if makes else (what, "gluster peer probe SERVER")
        found.append(["peer_gone", name, what, "all of them", cure])
    if name not in seen["volumes"]:
        what, cure = (f"no such volume: {CREATES}", APPLY) if makes else ("no such volume", "gluster volume create")
        found.append(["volume_gone", name, what, "it is there", cure])
        return [facts, found]
    info = seen["volumes"][name]
    found += _options(name, volume, info, node)
    if info["status"] != "Started":
        what, cure = f"it is {info['status']}", f"gluster volume start {name}, if nobody stopped it on purpose"
        if makes and info["status"] == "Created":
            what, cure = f"{what}: {STARTS}", APPLY
        found.append(["volume_stopped", name, what, "Started", cure])
        return [facts, found]
    if seen["status"] is None:
        more = "more of them", "bring peers back"
        return [facts, found + [["server_quorum", name, text, *more] for text in _server_quorum(name, info, pool)]]
    online = _online(seen, name)
    lost = [("server_quorum", text) for text in _server_quorum(name, info, pool)]
    if online is None:
        found.append(["heal_unknown", name, _unknown(name), "an answer", "check again in three minutes"])
    else:
        facts["bricks"] = [len(online & set(info["bricks"])), len(info["bricks"])]
        facts["sets"] = [[[brick, brick in online] for brick in bricks] for bricks in _sets(info)]
        for brick in _down(info, online, pool):
            found.append(["brick_down", brick, "it is down", "online", LOOK_AT_IT])
        lost = [("client_quorum", text) for text in _brick_quorum(name, info, online)] + lost
    for kind, text in lost:
        found.append([kind, name, text, "more of them", "bring bricks and peers back"])
    if name in seen["heal"]:
        counts = seen["heal"][name]
        facts.update(heal=counts["pending"], split_brain=counts["split_brain"])
        found += _clients(name, info["bricks"], {**seen, "hosts": node.get("hosts", ())})
        found += _healing(name, counts, node["heal_files"])
    return [facts, found]


def _peer(peer, pool, here):
    """
    A peer that is disconnected, or connected but not a member, as a finding. The cures were tried with Gluster 10.3.
    """
    name, uuid, state = peer["hostname"], peer.get("uuid"), peer.get("state")
    if state in (None, MEMBER):
        return ["peer_away", name, "disconnected", "connected", f"systemctl start glusterd on {name}"]
    there = peer.get("own_uuid") or uuid
    stop, start = "systemctl stop glusterd", "systemctl reset-failed glusterd; systemctl start glusterd"
    what = f"{state}: it is not a member of the pool"
    if there != uuid:
        own = _uuid(pool)
        what += f"; its /var/lib/glusterd was lost: it calls itself {there}, and the pool knows it as {uuid}"
        cure = (
            f"salt-run state.orchestrate gluster_one.orchestrate.replace pillar='{{old: {name}, new: {name}}}' "
            f"(docs/replace.md); by hand, on {name}: {stop}; UUID={uuid} in "
            f"/var/lib/glusterd/glusterd.info; a file /var/lib/glusterd/peers/{own} "
            f"with the lines uuid={own}, state=3, hostname1={here}; {start}; if bricks were lost, too: {PAGE}"
        )
    elif state == "Peer Rejected":
        cure = (
            "while an upgrade of Gluster is prepared, or after it, docs/upgrade.md; else where the volumes' "
            f"definitions here are to stay: {_repair(name)}; by hand, here, for each volume: gluster volume set VOLUME "
            f"user.checked yes; then on {name}: {stop}; {start}"
        )
    else:
        files = f"/var/lib/glusterd/peers/{uuid}"
        cure = f"if nobody probes it now: {_repair(name)}; by hand, here: {stop}; state=3 in {files}; {start}"
    return ["peer_rejected", name, what, MEMBER, cure]


def _repair(server):
    return (
        f"salt-run state.orchestrate gluster_one.orchestrate.repair_peer pillar='{{peer: {server}}}' "
        "(docs/repair-peer.md)"
    )


def _options(name, volume, info, node):
    """
    The options that are not as the pillar wants them, as findings.
    """
    try:
        wanted = __utils__["gluster_options.wanted_options"](
            volume["uid"], volume["gid"], volume["options"], volume.get("group"), info.get("replica", 1) > 1
        )
        wanted = {**__utils__["gluster_options.kept_group"](info["options"], wanted), **wanted}
        changes = __utils__["gluster_options.option_changes"](info["options"], wanted)
        dropped = __utils__["gluster_options.dropped"](info["options"], wanted)[0]
    except (CommandExecutionError, SaltInvocationError) as exc:  # the bricks are to be looked at all the same
        return [["check_failed", name, str(exc), "options that can be set", "see the pillar's"]]
    cure = f"salt {node['id']} state.apply gluster_one.volume"
    return [
        ["volume_option", name, f"{option} is {change['old'] or 'not set'}", change["new"] or "not set", cure]
        for option, change in changes.items()
    ] + [
        ["volume_option", name, f"{option} is {change['old']}, which the pillar no longer asks for",
         change["new"] or "not set", cure]
        for option, change in dropped.items()
    ]  # fmt: skip


def _clients(name, bricks, seen):
    """
    Bricks that reject clients, and clients that are not connected to a brick, as findings.
    """
    found, refusing = [], []
    try:
        refusing = __salt__["gluster_probe.rejecting_bricks"](name, bricks)
    except (CommandExecutionError, OSError) as exc:
        found.append(["check_failed", name, str(exc), "an answer", "see what it says"])
    if refusing:
        what, cure = f"{', '.join(refusing)} reject clients", "salt SERVERS state.apply gluster_one.restart"
        found.append(["bricks_closed", name, what, "they accept non-root clients", cure])
    cure = (
        "the network (salt '*' gluster_one.apart: whose mount it is); for a server's self-heal daemon: salt SERVER "
        "state.apply gluster_one.bricks"
    )
    for what in _unconnected(seen, name) if seen["connections"][name] is not None else []:
        found.append(["client_apart", name, what, "connected to all of them", cure])
    return found


def _healing(name, counts, limit):
    """
    What waits to be healed, and whether it is; what is in split-brain: as findings.
    """
    found, pending, show = [], counts["pending"] or 0, f"gluster volume heal {name} info"
    kept = __context__.setdefault("gluster_one.heal", {})
    before, kept[name] = kept.get(name), counts["pending"]
    if pending > limit:
        growing = f", {before} at the check before" if before is not None and before < pending else ""
        what = f"{pending} files wait to be healed{growing}"
        found.append(["heal", name, what, f"at most {limit}", show])
    if pending:
        try:
            __salt__["gluster.heal"](name)
        except CommandExecutionError as exc:
            # Self-heal daemons that bricks once rejected, as while server.allow-insecure was off, do not try again. A
            # start of glusterd starts them, and no brick over an empty directory, as `volume start force` does.
            cure = (
                "salt SERVERS state.apply gluster_one.bricks; by hand, on one server after another, whose bricks run "
                "on while glusterd restarts (gluster_one.glusterd): pkill -f [g]lustershd; systemctl restart glusterd"
            )
            if not re.search("Another transaction|Locking failed", str(exc)):  # then it is not known
                found.append(["heal_daemon", name, str(exc), "the self-heal daemons heal", cure])
    if counts["split_brain"]:
        what = f"{counts['split_brain']} files are in split-brain"
        found.append(["split_brain", name, what, "none", f"{show} split-brain"])
    return found


def _missing(servers, pool, node):
    """
    Which of a volume's servers are not in the pool, as a sentence, or None.

    The pool may know a member by another name or address than the pillar: of the servers that it does not seem to know,
    as many may be there as there are members that the pillar does not seem to name.
    """
    aliases = __salt__["glusterd.peers"]()
    members = [{"localhost", *node.get("names", ())}]
    for peer in pool:
        if peer["hostname"] != "localhost":
            names = {peer["hostname"]}.union(*(known for known in aliases if peer["hostname"] in known))
            members.append({name.casefold() for name in names})
    every = sorted(set().union(*members))
    known = {
        server: server.casefold() if server.casefold() in every else __utils__["gluster_hosts.known_as"](server, every)
        for server in servers.union(*(volume["servers"] for volume in node.get("volumes", {}).values()))
    }
    unseen = sorted(server for server in servers if not known[server])
    strangers = [names for names in members[1:] if not names & set(known.values())]
    count = len(unseen) - len(strangers)
    if count <= 0:
        return None
    who = f"{count} of {', '.join(unseen)}" if strangers else ", ".join(unseen)
    what = f"the pool has {len(pool)} servers, the pillar names {len(servers)}"
    return f"{what}: {who} {'is' if count == 1 else 'are'} not among them"


def peers_away():
    """
    Which members of the pool are not connected, or do not answer.

    Returns a sentence such as ``kvm3 disconnected`` or ``kvm2 silent at port 24007``, None when all do.

    Raises CommandExecutionError when glusterd does not answer here.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_pool.peers_away
    """
    return _away(__salt__["gluster.peer_status"]())


def _away(peers):
    away = _disconnected({**peer, "hostname": peer["hostnames"][-1]} for peer in peers)
    if away:
        return away
    # glusterd takes a while to notice that a peer's network is gone.
    port_state = __utils__["gluster_hosts.glusterd_port"]
    silent = [
        peer["hostnames"][-1] for peer in peers if not any(port_state(name) == "open" for name in peer["hostnames"])
    ]
    return f"{', '.join(silent)} silent at port 24007" if silent else None


def peers_apart(run=None):
    """
    Which members of the pool are not connected, by what each of them sees: after a restart of one, another may need 3 s
    more than this one to see it.

    run
        Ask the peers what they see once for the same value here, until this server sees one of them away: the states of
        one run give its identifier (string). Default: ask. What this server sees itself is always asked.

    Returns a sentence such as ``kvm2 sees kvm3 disconnected``, None when all see all others.

    Raises CommandExecutionError when glusterd does not answer here.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_pool.peers_apart
    """
    peers = __salt__["gluster.peer_status"]()
    before, now = __context__.pop(TOGETHER, None), (run, peers)
    apart = _away(peers) or (None if run is not None and before == now else _apart_by_others(peers))
    if not apart:
        __context__[TOGETHER] = now
    return apart


def _apart_by_others(peers):
    """
    The first of this server's peers that sees another one disconnected, as a sentence, or None.
    """
    for peer in peers:
        # A name that another server has for it may have no address here.
        names = [name for name in peer["hostnames"] if __utils__["gluster_hosts.addresses"](name)] or peer["hostnames"]
        server = names[-1]
        missing = _disconnected(__salt__["gluster.pool_list"](server=server))
        if missing:
            return f"{server} sees {missing}"
    return None


def _disconnected(peers):
    """
    Which of these are not connected, or not members of the pool, as a sentence; an empty one where all are.
    """
    away = [peer for peer in peers if not peer["connected"]]
    plain = [peer["hostname"] for peer in away if peer.get("state") in (None, MEMBER)]
    odd = [f"{peer['hostname']} as {peer['state']!r} ({PAGE})" for peer in away if peer["hostname"] not in plain]
    return ", ".join([f"{', '.join(plain)} disconnected"] * bool(plain) + odd)


def unsettled_reason():
    """
    What has to be true before the next server of the pool, or the next brick, may be restarted: all peers see all
    others connected, all bricks are online, every client is connected to all of them, and nothing waits to be healed.
    An orchestration says in the pillar, as ``gluster_one_hosts``, which addresses are one host's.

    Returns None when all that is known to be true, else what is not (string), such as ``3 files of volume one_vol wait
    to be healed``.

    Raises CommandExecutionError when glusterd does not answer.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_pool.unsettled_reason
    """
    return peers_apart() or volumes_unsettled(hosts=__pillar__.get("gluster_one_hosts") or ())


def volumes_unsettled(names=None, hosts=()):
    """
    What of :func:`unsettled_reason` concerns the volumes: bricks, clients, and what waits to be healed.

    names
        Volumes (list of strings). Default: all.

    hosts
        As for :func:`stop_blockers`.

    Returns None or a sentence.

    Raises CommandExecutionError when glusterd does not answer.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_pool.volumes_unsettled '[one_vol]'
    """
    volumes = {name: info for name, info in __salt__["gluster.volume_info"]().items() if info["status"] == "Started"}
    volumes = {name: info for name, info in volumes.items() if names is None or name in names}
    healed = [name for name, info in volumes.items() if info["replica"] > 1 or info["disperse"]]
    seen = __salt__["gluster.snapshot"](heal=healed)
    seen["hosts"] = hosts
    for name, info in sorted(volumes.items()):
        online = _online(seen, name)
        if online is None:
            return _unknown(name)
        down = [brick for brick in info["bricks"] if brick not in online]
        if down:
            return f"{', '.join(down)} down"
        pending = seen["heal"].get(name, {"pending": 0})["pending"]
        if pending:
            return _to_be_healed(name, pending)
        if pending is None:
            return f"it is not known what waits to be healed on volume {name}"
        if name not in healed and len(info["bricks"]) > 1:
            seen["connections"][name] = __salt__["gluster.connections"](name)
        missing = _unconnected(seen, name, info["bricks"]) if len(info["bricks"]) > 1 else []
        if missing:
            return missing[0]
    return None


def _to_be_healed(volume, pending):
    """
    How many files wait to be healed, as a sentence; the self-heal daemons begin now, and not within ten minutes.
    """
    with contextlib.suppress(CommandExecutionError):
        __salt__["gluster.heal"](volume)
    return f"{pending} files of volume {volume} wait to be healed"


def _unconnected(seen, volume, bricks=None, without=()):
    """
    Which clients are not connected to all of the bricks, as sentences; `without` are those that they will not need.
    """
    connections = seen["connections"][volume]
    if connections is None:
        return [f"it is not known who is connected to volume {volume}"]
    info = seen["volumes"][volume]
    servers = dict(zip(info["bricks"], info["servers"]))
    found = __salt__["gluster.clients_apart"](volume, bricks, without, connections, servers, seen.get("hosts", ()))
    return [f"a client at {address} is not connected to {', '.join(apart)}" for address, apart in found.items()]


def bricks_down(name):
    """
    The bricks of a started volume that are down although their servers are connected.

    name
        The volume (string).

    Returns a list of bricks such as ``kvm2:/data/one_vol``, empty for a volume that is not started, or not there.

    Raises CommandExecutionError when Gluster does not list them.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_pool.bricks_down one_vol
    """
    seen = __salt__["gluster.snapshot"]()
    info = seen["volumes"].get(name, {"status": None})
    if info["status"] != "Started":
        return []
    online = _online(seen, name)
    if online is None:
        raise CommandExecutionError(_unknown(name))
    return _down(info, online, seen["pool"])


def others_down(name):
    """
    The bricks of a started volume on other servers that are down although these are connected.

    name
        The volume (string).

    Returns a dict of the servers' uuids by brick, such as ``{"kvm2:/data/one_vol": "1c7e..."}``.

    Raises CommandExecutionError when Gluster does not list them.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_pool.others_down one_vol
    """
    own = __salt__["glusterd.bricks"](name)["names"]
    down = [brick for brick in bricks_down(name) if brick not in own]
    info = __salt__["gluster.volume_info"](name).get(name) if down else None
    return {brick: server for brick, server in zip(info["bricks"], info["servers"]) if brick in down} if info else {}


def restart_blockers(service="glusterd", kept=False):
    """
    What a restart of this server's glusterd would cost: see :func:`restart_losses`.

    service, kept
        See there.

    Returns a list of sentences, an empty one where it costs nothing.

    Raises CommandExecutionError when glusterd does not answer.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_pool.restart_blockers
    """
    return sum(restart_losses(service, kept).values(), [])


def restart_losses(service="glusterd", kept=False):
    """
    What a restart of this server's glusterd would cost: bricks of its own that end with it, and bricks of other
    servers, which end where their volume loses its servers' quorum meanwhile.

    service
        glusterd's service (string, default ``glusterd``).

    kept
        Whether its unit will keep bricks running by then (bool, default False). Otherwise it is looked at.

    Returns a dict of two lists of sentences, ``bricks`` and ``quorum``; both are empty where it costs nothing.

    Raises CommandExecutionError when glusterd does not answer.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_pool.restart_losses
    """
    seen, found = snapshot(service=service), {"bricks": [], "quorum": []}
    here = {name: __salt__["glusterd.bricks"](name) for name in seen["volumes"]}
    up = [brick for own in here.values() for brick in own["up"]]
    unit = __salt__["glusterd.service"](service)  # empty where systemd says nothing, and keeps none
    if up and not (unit and kept) and unit.get("kill_mode") != "process":
        found["bricks"].append(
            f"{', '.join(up)} would end with {service}: `keep_bricks: true` in the pillar and gluster_one.glusterd "
            "keep bricks running"
        )
    views = _views_of_others(seen["pool"])
    for name, info in sorted(seen["volumes"].items()):
        online = _online(seen, name) if seen["status"] is not None else None
        others = set(info["bricks"]) - set(here[name]["names"])
        if info["status"] == "Started" and (online is None or online.intersection(others)):
            lost = [text for view in views for text in _server_quorum(name, info, view)]
            found["quorum"] += [f"without it {text}" for text in lost[:1]]
    return found


def _views_of_others(pool):
    """
    The pool as each of the others would see it while this server's glusterd is away. One whose own word is not to be
    had sees what this server sees.
    """
    own, views = __salt__["glusterd.info"]()["uuid"], []
    for peer in [peer["hostname"] for peer in pool if peer["hostname"] != "localhost"]:
        view = [{**each, "connected": each["connected"] and each["hostname"] != "localhost"} for each in pool]
        with contextlib.suppress(CommandExecutionError):
            there = __salt__["gluster.pool_list"](server=peer)
            view = [{**each, "connected": each["connected"] and each["uuid"] != own} for each in there]
        views.append(view)
    return views


def _down(info, online, pool):
    away = {peer["uuid"] for peer in pool if not peer["connected"]}  # a brick may have another name of its server
    bricks = zip(info["bricks"], info["servers"])
    return [brick for brick, server in bricks if brick not in online and server not in away]


def stop_blockers(names, restart=False, apart=None, hosts=()):
    """
    Why a server of the pool, or several, may not go down now; to be asked on another server.

    names
        By server, which may be any word, its names and addresses (dict of lists of strings), one of them at least as
        the pool has it, or of the same address.

    restart
        Only its glusterd is to be restarted, its bricks keep running: those that make a set alone do not count, nor do
        connections to the others (bool, default False).

    apart
        What ``gluster_one.apart`` said on the nodes that have mounts, by minion (dict, default none).

    hosts
        Addresses that are one host's, where that was asked of the hosts (list of lists of strings, default none).

    Returns a list of sentences, empty when it may go: it is known that nothing waits to be healed on its volumes, these
    keep their bricks' quorum without it, and every client of theirs is connected to the other bricks; and all volumes,
    also those of which it has no brick, keep the servers' quorum.

    Raises CommandExecutionError when one of them is not of this server's pool, or glusterd does not answer.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_pool.stop_blockers '{kvm2: [kvm2, 10.0.0.2]}'
    """
    blockers = [f"{peer} does not answer at glusterd's port" for peer in __salt__["glusterd.silent_peers"]()]
    if blockers:  # Gluster would wait for it
        return blockers
    before = __salt__["gluster.snapshot"]()
    blockers += [
        f"{peer['hostname']} is {peer['state']!r}, not a member of the pool"
        for peer in before["pool"]
        if not peer["connected"] and peer.get("state") not in (None, MEMBER)
    ]
    going = {_called(server, before["pool"], names[server]) for server in names}
    own = {
        name: {brick for brick, server in zip(info["bricks"], info["servers"]) if server in going}
        for name, info in before["volumes"].items()
        if info["status"] == "Started"
    }
    seen = __salt__["gluster.snapshot"](heal=[name for name in sorted(own) if own[name]])
    rest = [{**peer, "connected": peer["connected"] and peer["uuid"] not in going} for peer in seen["pool"]]
    for name in sorted(set(own) & set(seen["volumes"])):
        info, online = seen["volumes"][name], _online(seen, name)
        if online is None:
            blockers.append(_unknown(name))
            continue
        alone = restart and (info["disperse"] or info["replica"] or 1) == 1
        lost = _brick_quorum(name, info, online - own[name]) if own[name] and not alone else []
        blockers += [f"without it {text}" for text in lost + _server_quorum(name, info, rest)]
        if name not in seen["heal"]:
            continue
        pending = seen["heal"][name]["pending"]
        if pending:
            blockers.append(_to_be_healed(name, pending))
        elif pending is None and (info["replica"] > 1 or info["disperse"]):
            blockers.append(f"it is not known what waits to be healed on volume {name}")
        if not restart and not lost:
            blockers += _unconnected({**seen, "hosts": hosts}, name, info["bricks"], without=own[name])[:1]
            blockers += _apart(name, own[name], apart or {})
    return blockers


def _called(server, pool, names):
    """
    The uuid of the member of the pool that is meant by a server's names and addresses.
    """
    known = {name.casefold() for name in names}
    for same in (known.__contains__, lambda host: __utils__["gluster_hosts.known_as"](host, names)):
        for peer in pool:
            if same(peer["hostname"].casefold()):
                return peer["uuid"]
    raise CommandExecutionError(f"{server} is not in the pool of {__grains__['id']}, by any name of it that is known")


def _apart(volume, going, nodes):
    """
    The nodes whose client is not connected to a brick that stays, as sentences; one that does not say counts.
    """
    found = []
    for node, there in sorted(nodes.items()):
        apart = there.get(volume, []) if isinstance(there, dict) else None
        if apart is None:
            found.append(f"{node} does not say to which bricks of volume {volume} it is connected")
        else:
            missing = [brick for brick in apart if brick not in going]
            found += [f"{node} is not connected to {', '.join(missing)}"] if missing else []
    return found


def brick_blockers(volume, brick):
    """
    Why a brick may not go down now, although its server does not: its replicas on other servers do not suffice.

    volume
        The volume (string), which is started.

    brick
        The brick (string), such as ``kvm1:/data/one_vol``.

    Returns a list of sentences, empty when it may go.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_pool.brick_blockers one_vol kvm1:/data/one_vol
    """
    seen = __salt__["gluster.snapshot"]()
    info = seen["volumes"][volume]
    copies = {**info, "bricks": next(bricks for bricks in _sets(info) if brick in bricks)}
    server = dict(zip(info["bricks"], info["servers"]))
    online = _online(seen, volume)
    if online is None:
        return [_unknown(volume)]
    online = {other for other in online if server.get(other) != server[brick]}
    return [f"without it {text}" for text in _brick_quorum(volume, copies, online)]


def replace_blockers(going, servers=()):
    """
    Why some bricks may not be replaced now: their volumes do not have their quorum without them.

    going
        The bricks by volume (dict of lists of strings).

    servers
        The uuids of servers that are lost, or leave (list of strings, default none).

    Returns a list of sentences, empty when they may.

    Raises CommandExecutionError when glusterd does not answer.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_pool.replace_blockers '{one_vol: ["kvm3:/data/one_vol/brick"]}'
    """
    seen, found = __salt__["gluster.snapshot"](), []
    rest = [{**peer, "connected": peer["connected"] and peer["uuid"] not in servers} for peer in seen["pool"]]
    for name, bricks in sorted(going.items()):
        info, online = seen["volumes"][name], _online(seen, name)
        if online is None:
            found.append(_unknown(name))
            continue
        lost = [
            text
            for each in _sets(info)
            if set(each) & set(bricks)
            for text in _brick_quorum(name, {**info, "bricks": each}, online - set(bricks))
        ]
        found += [f"without what is to be replaced {text}" for text in lost + _server_quorum(name, info, rest)]
    return found


def _online(seen, volume):
    """
    The bricks of a volume that are online; those of a server that is away are not even listed. None where Gluster did
    not say it.
    """
    processes = seen["status"].get(volume, [])
    if processes is None:
        return None
    return {f"{brick['hostname']}:{brick['path']}" for brick in processes if brick["online"]}


def _unknown(volume):
    return f"it is not known which bricks of volume {volume} are online: another Gluster command, or a brick, hangs"


def _sets(info):
    """
    The bricks of a volume, by the sets that have the same files.
    """
    size = info["disperse"] or info["replica"] or 1
    return [info["bricks"][first : first + size] for first in range(0, len(info["bricks"]), size)]


def _brick_quorum(name, info, online):
    """
    Of which sets of bricks a volume has too few with these online, as sentences.
    """
    lost = []
    options = info["options"]
    kind = options.get("cluster.quorum-type") or ("auto" if info["replica"] > 2 else "none")
    if info["disperse"]:
        needed, kind = info["disperse"] - info["redundancy"], "disperse"
    elif kind == "fixed":
        needed = int(options.get("cluster.quorum-count", 1))
    else:
        needed = info["replica"] // 2 + 1 if kind == "auto" else 1
    for bricks in _sets(info):
        there = [brick for brick in bricks if brick in online]
        # Half of an even number are enough with the first among them.
        half = kind == "auto" and len(there) * 2 == len(bricks) and bricks[0] in there
        if len(there) < needed and not half:
            lost.append(
                f"volume {name} has {len(there)} of these bricks online, and needs {needed}: {', '.join(bricks)}"
            )
    return lost


def _server_quorum(name, info, pool):
    """
    A sentence, in a list, when a volume does not have its server quorum with these peers connected. All of the pool
    count, with bricks of it or without.
    """
    connected = sum(peer["connected"] for peer in pool)
    ratio = info["options"].get("cluster.server-quorum-ratio", "")  # the pool's; every volume shows it
    try:
        needed = math.ceil(len(pool) * float(ratio.strip().rstrip("%")) / 100)
    except ValueError:
        needed = len(pool) // 2 + 1
    if info["options"].get("cluster.server-quorum-type") != "server" or connected >= needed:
        return []
    return [f"{connected} of {len(pool)} servers are connected, too few for volume {name}'s server quorum"]
