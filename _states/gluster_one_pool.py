"""
The pool and the volume that the guide presumes, as states
==========================================================

More states of ``gluster_one``: Salt joins modules of one virtual name. None of them ever wipes anything or adds
Gluster's ``force``.
"""

import time

from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "gluster_one"

# Kept on this node while a volume grows.
GROWN = "gluster_one.grown:"
# What Gluster says of a server that it does not take, and what to do.
REFUSALS = {
    "op-version": ": its Gluster is older than the pool's; install the version of the others there, and compare "
    "`gluster volume get all cluster.max-op-version`",
    "already part of another cluster": ": on a server of that pool `gluster peer detach {server}`, or delete its "
    "volumes, if nobody needs them; or name a member of that pool first among the servers",
}
REJECTED = (
    "{server} is rejected by the pool, what it keeps of the volumes is not what the others do: there stop glusterd, "
    "move all but glusterd.info out of /var/lib/glusterd, start glusterd, `gluster peer probe` another server, and "
    "restart glusterd; its bricks stay as they are"
)
AWAY = (
    "{server} is not connected, though its glusterd answers: compare `gluster volume get all cluster.op-version` and "
    "`gluster peer status` on both, and see /var/log/glusterfs/glusterd.log"
)


def __virtual__():
    return __virtualname__


def peered(name, servers, detach=None, timeout=120):
    """
    The servers are members of one trusted pool, each known by its name. For the first two of them: the first takes the
    others in, the second sees that the pool has the first one's name. On any other server nothing is done.

    name
        Any text (string).

    servers
        All of them, in any order but for the first, and more than once if need be (list of host names).

    detach
        Members to be taken out of the pool (list of host names, default none). One that holds bricks stays, and is an
        error. Nobody is taken out otherwise.

    timeout
        Seconds for a server whose glusterd does not answer yet, and until all see each other (int, default 120).

    .. code-block:: yaml

        pool:
          gluster_one.peered:
            - servers: [kvm1, kvm2, kvm3]
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    try:
        servers = list(dict.fromkeys(servers))
        own = __salt__["gluster_one_pillar.own_names"]()
        if servers[0] not in own:
            return _first_named(ret, servers, own, timeout)
        changes = _peer_changes(servers, detach, own, run=_run())
        if __opts__["test"] or not changes:
            return __salt__["gluster_one.predicted"](ret, changes, _members(servers, own, timeout))
        for server, change in changes.items():
            if change["new"]:
                _probe(server, timeout)
            else:
                __salt__["gluster.peer_detach"](server, timeout=timeout)
            ret["changes"][server] = change
        _wait(_unsettled, timeout, "The pool did not settle: see `gluster peer status` on each server")
        left = _peer_changes(servers, detach, own)
        if left:
            raise CommandExecutionError(f"still not in the pool by name: {', '.join(left)}")
        return __salt__["gluster_one.applied"](ret, ret["changes"], {}, _members(servers, own, timeout))
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def bricks_ready(name, bricks):
    """
    The directories of this server's bricks can become bricks of a volume, or are. The server that creates the volume is
    told so over Salt's mine.

    Directories above them are made; a directory itself is Gluster's to make. One that is a mount point itself, lies on
    the root file system, holds data, or is or was another volume's is an error. The mark that Gluster leaves on empty
    directories when it refuses a volume is taken away.

    name
        The volume (string).

    bricks
        This server's bricks, each ``server:/path`` (list of strings).

    .. code-block:: yaml

        one_vol:
          gluster_one.bricks_ready:
            - bricks: ['kvm1:/data/one_vol']
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    try:
        paths = [brick.partition(":")[2] for brick in bricks]
        looks = {path: __salt__["gluster_one.brick_look"](path, name) for path in paths}
        fine = f"{', '.join(paths)} can become bricks of {name}"
        if all(look["state"] == "brick" for look in looks.values()):
            return {**ret, "comment": f"{', '.join(paths)}: bricks of {name}"}
        unfit = [f"{path} {look['detail']}" for path, look in looks.items() if look["state"] == "unfit"]
        changes = {
            f"mark on {path}": {"old": "a volume that never came to be", "new": None}
            for path, look in looks.items()
            if look["state"] == "marked"
        }
        above = sorted({path.rpartition("/")[0] for path, look in looks.items() if look["state"] == "fit"})
        missing = [path for path in above if not __salt__["file.directory_exists"](path)]
        changes.update({f"directory {path}": {"old": None, "new": "root 0755"} for path in missing})
        if not unfit and not __opts__["test"]:
            for path in paths:
                __salt__["gluster_one.brick_unmark"](path)
            for path in missing:
                __salt__["file.makedirs_perms"](path, user="root", group="root", mode="0755")
        if __opts__["file_client"] != "local" and not __opts__["test"]:
            function = "gluster_one.bricks_answer"
            __salt__["mine.send"](f"gluster_one_bricks_{name}", name, bricks, mine_function=function)
        if unfit:
            raise CommandExecutionError("; ".join(unfit))
        if __opts__["test"]:
            return __salt__["gluster_one.predicted"](ret, changes, fine)
        return __salt__["gluster_one.applied"](ret, changes, {}, fine)
    except (CommandExecutionError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def volume_present(
    name,
    bricks,
    replica=None,
    arbiter=0,
    disperse=None,
    redundancy=None,
    two_copies=None,
    grow=None,
    timeout=120,
):
    """
    A volume is there, has these bricks and is started. For one server of the pool.

    It is created once. When there are more bricks here than it has, they are added; nothing on it is moved, and new
    files go to all bricks. That it has other bricks, or another layout, is an error. Before it creates or adds, it
    waits until every other server has said, by ``bricks_ready``, that its bricks are ready; without a master
    (``salt-call --local``, salt-ssh) it relies on what Gluster itself refuses.

    name
        The volume (string).

    bricks
        Its bricks, each ``server:/path`` (list of strings). They are put in an order in which no set has two on one
        server.

    replica, arbiter
        Copies of each file, 1 for a distributed volume (int, default 3 where ``disperse`` is not given), and how many
        of three hold no data (int, default 0).

    disperse, redundancy
        Bricks of a set, and how many of these may be away (ints, default: not dispersed, and 1).

    two_copies
        ``allow`` for ``replica: 2``, which ends in split-brain (string, default none).

    grow
        ``allow`` to add bricks to a sharded volume with something on it (string, default none).

    timeout
        Seconds for the other servers, and for Gluster's lock (int, default 120).

    .. code-block:: yaml

        one_vol:
          gluster_one.volume_present:
            - bricks: ['kvm1:/data/one_vol', 'kvm2:/data/one_vol', 'kvm3:/data/one_vol']
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    try:
        layout = __salt__["gluster_one.layout"](
            bricks, None, replica, arbiter, disperse, redundancy, two_copies=two_copies
        )
        if layout["errors"]:
            raise SaltInvocationError("; ".join(f"{key}: {error}" for key, error in layout.pop("errors")))
        layout.pop("errors")
        info = __salt__["gluster.volume_info"](name, run=_run()).get(name, {})
        new = _new_bricks(name, info, layout, grow) if info else layout["bricks"]
        changes = _volume_changes(name, info, layout, new)
        fine = f"volume {name} is started, {_layout_text(layout)}"
        if __opts__["test"] or not changes:
            return __salt__["gluster_one.predicted"](ret, changes, fine)
        if new:
            fine += _wait_ready(name, new, timeout)
        if not info:
            __salt__["data.pop"](GROWN + name)
            __salt__["gluster.volume_create"](name, timeout=timeout, **layout)
            ret["changes"].update({key: changes[key] for key in changes if key != "status"})
        elif new:
            # What ends this run before the layout is fixed leaves that to the next one.
            __salt__["data.update"](GROWN + name, new)
            __salt__["gluster.bricks_add"](name, new, timeout=timeout)
            ret["changes"]["bricks"] = changes["bricks"]
        if "status" in changes:
            __salt__["gluster.volume_start"](name, timeout=timeout)
            ret["changes"]["status"] = changes["status"]
        if info and (new or "layout" in changes):
            __salt__["gluster.layout_fix"](name, timeout=timeout)
            __salt__["data.pop"](GROWN + name)
            ret["changes"].update({"layout": changes["layout"]} if "layout" in changes else {})
            fine += "; new files go to all bricks, what is there stays where it is"
        after = __salt__["gluster.volume_info"](name, run=_run()).get(name, {})
        left = _volume_changes(name, after, layout, _new_bricks(name, after, layout, "allow") if after else new)
        return __salt__["gluster_one.applied"](ret, changes, left, fine)
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def _run():
    """
    What names this run of states, so that reading once serves all of them.
    """
    return globals().get("__instance_id__")


def _wait(look, timeout, failure):
    """
    Call ``look`` until it returns nothing; the error ends with what it said last.
    """
    end = time.monotonic() + timeout
    pause = 0.25
    while seen := look():
        if time.monotonic() + pause > end:
            raise CommandExecutionError(f"{failure} (waited {timeout} s, last seen: {seen})")
        time.sleep(pause)
        pause = min(pause * 1.5, 3)


def _peer_changes(servers, detach, own, run=None):
    """
    The servers that are no members, or not by their names, and the members to be taken out.
    """
    peers = __salt__["gluster.peer_status"](run=run)
    _none_rejected(peers)
    names = {name: peer["uuid"] for peer in peers for name in peer["hostnames"]}
    detach = list(dict.fromkeys(detach or ()))
    known = {
        server: server if server in names else __salt__["gluster.peer_known_as"](server, names)
        for server in [*servers, *detach]
        if server not in own
    }
    changes = {
        server: {"old": known[server], "new": server if known[server] else "member"}
        for server in servers
        if server not in own and known[server] != server
    }
    wanted = {names.get(known.get(server)) for server in servers}
    for server in detach:
        if server not in own and not known[server]:
            continue
        uuid = names.get(known.get(server))
        volumes = __salt__["gluster.volume_info"](run=run)
        held = [
            f"{brick} of volume {name}"
            for name, info in volumes.items()
            for brick, of in zip(info["bricks"], info["servers"])
            if of == uuid
        ]
        if held or uuid in wanted:
            why = f"it holds {', '.join(held)}" if held else "it is among the servers"
            raise CommandExecutionError(f"{server} stays in the pool, {why}: move or remove that first")
        changes[known[server]] = {"old": "member", "new": None}
    return changes


def _none_rejected(peers):
    for peer in peers:
        if peer["state"] == "Peer Rejected":
            raise CommandExecutionError(REJECTED.format(server=peer["hostnames"][-1]))


def _unsettled():
    """
    Which members of the pool do not see each other, as a sentence. One that is rejected never will.
    """
    _none_rejected(__salt__["gluster.peer_status"]())
    return __salt__["gluster.pool_unsettled"]()


def _probe(server, timeout):
    """
    Take a server in; one whose glusterd does not answer yet is asked again.
    """

    def refused():
        try:
            __salt__["gluster.peer_probe"](server, timeout=timeout)
            return None
        except CommandExecutionError as exc:
            cure = next((cure for said, cure in REFUSALS.items() if said in str(exc)), None)
            if cure:
                raise CommandExecutionError(str(exc) + cure.format(server=server)) from exc
            return str(exc)

    _wait(refused, timeout, f"{server} did not come into the pool: does glusterd run there, and is port 24007 open?")


def _members(servers, own, timeout):
    """
    A sentence on the members; one that is not connected though its glusterd answers is an error after a while.
    """
    others = [server for server in servers if server not in own]

    def away():
        peers = __salt__["gluster.peer_status"](run=_run())
        return [
            peer["hostnames"][-1] for peer in peers if not peer["connected"] and set(peer["hostnames"]) & set(others)
        ]

    silent = []
    for server in away() if not __opts__["test"] else []:
        end = time.monotonic() + timeout
        while True:
            try:
                __salt__["gluster.pool_list"](server=server)
            except CommandExecutionError:
                silent.append(server)
                break
            if not any(
                server in peer["hostnames"] and not peer["connected"] for peer in __salt__["gluster.peer_status"]()
            ):
                break
            if time.monotonic() > end:
                raise CommandExecutionError(AWAY.format(server=server))
            time.sleep(1)
    fine = f"{', '.join(others) or 'nobody else'} in the pool"
    return f"{fine}; {', '.join(silent)} away" if silent else fine


def _first_named(ret, servers, own, timeout):
    """
    The second server's part: only a probe from another member gives the first its name.
    """
    first = servers[0]
    if len(servers) < 2 or servers[1] not in own:
        return {**ret, "comment": f"{first} takes the servers into the pool"}

    def known():
        return [name for names in __salt__["glusterd.peers"]() for name in names]

    if not known() and not __opts__["test"]:
        _wait(
            lambda: None if known() else "no peers",
            timeout,
            f"{first} did not take this server into the pool: run it there, and see its result",
        )
    names = known()
    if first in names or not names:
        return {**ret, "comment": f"the pool knows {first}" if names else "in no pool yet"}
    other = __salt__["gluster.peer_known_as"](first, names)
    if not other:
        raise CommandExecutionError(
            f"this server is in a pool with {', '.join(names)}, and {first} is not: name a member of it first among "
            f"the servers, or run `gluster peer probe {first}` here"
        )
    changes = {first: {"old": other, "new": first}}
    fine = f"the pool knows {first}"
    if __opts__["test"]:
        return __salt__["gluster_one.predicted"](ret, changes, fine)
    __salt__["gluster.peer_probe"](first, timeout=timeout)
    if first not in known():
        raise CommandExecutionError(f"{first} is known to the pool as {other} still")
    return __salt__["gluster_one.applied"](ret, changes, {}, fine)


def _layout_text(layout):
    if layout["disperse"]:
        return f"dispersed over {layout['disperse']}, of which {layout['redundancy']} may be away"
    if layout["replica"] == 1:
        return "one copy"
    return f"{layout['replica']} copies" + (", one of them an arbiter" if layout["arbiter"] else "")


def _volume_changes(name, info, layout, new):
    """
    What makes a volume out of what is there.
    """
    changes = {}
    if not info:
        changes["volume"] = {"old": None, "new": _layout_text(layout)}
    if new:
        changes["bricks"] = {"old": " ".join(info["bricks"]) if info else None, "new": " ".join(new)}
    if info.get("status") != "Started":
        changes["status"] = {"old": info.get("status"), "new": "Started"}
    grown = __salt__["data.get"](GROWN + name) if info and not new else None
    if grown and set(grown) <= set(info["bricks"]):
        changes["layout"] = {"old": "of an interrupted growth", "new": "over all bricks"}
    return changes


def _new_bricks(name, info, layout, grow):
    """
    The bricks that a volume does not have yet, in order; whatever else differs is an error.
    """
    there = {key: info[key] for key in ("replica", "arbiter", "disperse", "redundancy")}
    there["replica"] = 1 if there["disperse"] else there["replica"]
    if there != {key: layout[key] for key in there}:
        raise CommandExecutionError(
            f"volume {name} is there with another layout, {_layout_text(there)}, and {_layout_text(layout)} is wanted: "
            "say what it is, or make another volume and move the images; the layout of one that holds data stays"
        )
    own = __salt__["gluster_one_pillar.own_names"]()
    uuids = {host: peer["uuid"] for peer in __salt__["gluster.peer_status"](run=_run()) for host in peer["hostnames"]}
    foreign = set(uuids.values())
    for host in {brick.partition(":")[0] for brick in layout["bricks"]} - {*own, *uuids}:
        uuids[host] = uuids.get(__salt__["gluster.peer_known_as"](host, uuids), host)
    # Bricks are the same whatever name of their server they are given by; "" is this one.
    have = {
        (uuid if uuid in foreign else "", brick.partition(":")[2]): brick
        for brick, uuid in zip(info["bricks"], info["servers"])
    }

    def key(brick):
        host, _, path = brick.partition(":")
        return ("" if host in own else uuids.get(host, host), path)

    wanted = {key(brick): brick for brick in layout["bricks"]}
    gone = [brick for one, brick in have.items() if one not in wanted]
    if gone:
        raise CommandExecutionError(
            f"volume {name} has bricks that are not wanted, {', '.join(gone)}: take them out by hand, a whole set at a "
            f"time (`gluster volume remove-brick {name} BRICKS start`, `... status` until it is completed, `... "
            "commit`), with no machine running on a sharded volume, or name them"
        )
    new = [brick for one, brick in wanted.items() if one not in have]
    if not new:
        return []
    new = __salt__["gluster_one.brick_order"](new, layout["disperse"] or layout["replica"])
    unsharded = __salt__["gluster.option_changes"](info["options"], {"features.shard": "on"})
    if not unsharded and grow != "allow" and _held(info, have):
        raise CommandExecutionError(
            f"volume {name} is sharded and not empty: growing such volumes has cost running machines their disks; stop "
            f"the machines and say grow: allow to add {', '.join(new)}"
        )
    return new


def _held(info, have):
    """
    Whether anything is, or may be, on a volume: only the bricks of this server can be looked at.
    """
    own = [path for uuid, path in have if not uuid]
    size = info["disperse"] or info["replica"]
    looked = {number // size for number, one in enumerate(have) if not one[0]}
    return len(looked) * size < len(have) or bool(__salt__["gluster_one.bricks_hold"](own))


def _wait_ready(name, bricks, timeout):
    """
    Wait until all servers see each other, and each has said that these bricks of it are fit; a sentence on that.
    """
    own = __salt__["gluster_one_pillar.own_names"]()
    _wait(_unsettled, timeout, "The pool did not settle: see `gluster peer status` on each server")
    others = [brick for brick in bricks if brick.partition(":")[0] not in own]
    if not others:
        return ""
    if __opts__["file_client"] == "local":
        return "; without a master the other servers' directories were looked at by Gluster alone"

    # The mine keeps what was said in earlier runs: what counts was said by the same job, or since this wait began.
    job = __salt__["gluster_one.bricks_answer"](name, [])["job"]
    before = __salt__["gluster_one.bricks_answers"](name)

    def silent():
        heard = {}
        for minion, answer in __salt__["gluster_one.bricks_answers"](name).items():
            if answer != before.get(minion) or (job and answer["job"] == job):
                heard.update(answer["bricks"])
        wrong = [f"{brick} {heard[brick]}" for brick in others if heard.get(brick)]
        if wrong:
            raise CommandExecutionError(f"nothing was done, not all bricks of {name} are ready: {'; '.join(wrong)}")
        return ", ".join(brick for brick in others if brick not in heard)

    _wait(
        silent,
        timeout,
        f"Nothing was done, not all servers of {name} have said that their bricks are ready: run `salt '*' state.apply "
        "gluster_one`, all of them at once, and see the result of bricks_ready on each",
    )
    return ""
