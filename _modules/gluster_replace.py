"""
A server or a brick that takes the place of another one
=======================================================

What the servers of a pool say before it begins, and what the one that has the new brick does. The order was measured
with Gluster 10.3: docs/replace.md.
"""

import functools
import os
import sys
import time

from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "gluster_replace"

MEMBER = "Peer in Cluster"
RESTORED = "restored"  # the record's key: how far a glusterd is that gets back its place, by uuid
VERSION = "trusted.ec.version"
# A look at the files of a brick that Gluster has marked, in a process of its own, since its file system may hang: how
# many have changes in some attributes or, with a limit, what these hold of each (hexadecimal digits). The root of a
# volume is a link like a directory, with another text, and is the brick itself.
INDEX = """import errno, os, re, sys
path, most, *names = sys.argv[1:]
GFID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# How Gluster itself names a directory: any other link is a file of a user's.
DIRECTORY = re.compile(r"\\.\\./\\.\\./[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f-]{36}/[^/]+")
ROOT = "00000000-0000-0000-0000-000000000001"

def held(gfid):
    file = path if gfid == ROOT else os.path.join(path, ".glusterfs", gfid[:2], gfid[2:4], gfid)
    try:
        there = os.listxattr(file, follow_symlinks=False)
        if "trusted.gfid" not in there and os.path.islink(file):  # a link of a user's has one, whatever its text is
            text = os.readlink(file)
            if DIRECTORY.fullmatch(text):
                file = os.path.join(os.path.dirname(file), text)
                there = os.listxattr(file, follow_symlinks=False)
        return "".join(os.getxattr(file, name, follow_symlinks=False).hex() for name in names if name in there)
    except OSError as exc:
        if exc.errno not in (errno.ENOENT, errno.ENODATA):
            raise
        return ""  # healed meanwhile

try:
    entries = os.scandir(os.path.join(path, ".glusterfs/indices/xattrop"))  # there may be millions
    marked = (entry.name for entry in entries if GFID.fullmatch(entry.name))
    if int(most):
        for gfid, _ in zip(marked, range(int(most) + 1)):
            print(gfid, held(gfid))
    else:
        print(sum(bool(held(gfid).strip("0")) for gfid in marked))
except OSError as exc:
    sys.exit(str(exc))
"""
# Seconds for a look at all that waits to be healed, and how many files of a dispersed set can be compared.
LOOK, MOST = 60, 20_000


def __virtual__():
    return __virtualname__


def view(servers):
    """
    The pool as this server's glusterd sees it, for the plan of a replacement.

    servers
        Names of servers of which to say which members they are (list of strings).

    Returns a dict. ``answers`` of a peer is whether its glusterd's port does; ``online`` of a volume are its bricks
    that are, None where Gluster was not asked or did not say it, because it would wait for a peer::

        {"uuid": "...", "operating_version": 100000, "servers": {"kvm3": {"uuid": "...", ...}, "kvm4": None},
         "peers": [{"uuid": "...", "hostnames": ["kvm2"], "connected": True, "state": "Peer in Cluster",
                    "answers": True}],
         "volumes": {"one_vol": {"id": "...", "bricks": [...], "servers": [...], ..., "online": [...]}}}

    Raises CommandExecutionError when glusterd does not answer.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_replace.view '[kvm3, kvm4]'
    """
    port, peers = __utils__["gluster_hosts.glusterd_port"], __salt__["gluster.peer_status"]()
    for peer in peers:
        peer["answers"] = any(port(name) == "open" for name in peer["hostnames"])
    volumes, status = __salt__["gluster.volume_info"](), {}
    if all(peer["answers"] or not peer["connected"] for peer in peers):
        status = __salt__["gluster.snapshot"]()["status"]
    for name, info in volumes.items():
        rows = status.get(name)
        info["online"] = rows and [f"{row['hostname']}:{row['path']}" for row in rows if row["online"]]
        info.pop("options", None)
    return {
        **__salt__["glusterd.info"](),
        "servers": __salt__["gluster_peers.identify"](servers),
        "peers": peers,
        "volumes": volumes,
    }


def standing():
    """
    What this server's glusterd has on disk, whether it runs or not: which pool it is in.

    Returns a dict ``{"uuid": "...", "volumes": ["one_vol"], "peers": ["kvm1", "kvm2"]}``, with None for the uuid before
    glusterd's first start.

    CLI Example:

    .. code-block:: bash

        salt kvm3 gluster_replace.standing
    """
    return {
        "uuid": __salt__["glusterd.info"]()["uuid"],
        "volumes": sorted(__salt__["glusterd.volumes"]()),
        "peers": [names[-1] for names in __salt__["glusterd.peers"]() if names],
    }


def readiness(going, servers=()):
    """
    What speaks against replacing some bricks now, as this server sees it.

    going
        The bricks by volume (dict of lists of strings).

    servers
        The uuids of servers that are lost, or leave (list of strings, default none).

    Returns a dict: sentences about the quorum of the others; how many files on this server's bricks of the same sets
    have changes that another one that stays lacks; and of a dispersed set the versions of files that wait to be healed,
    by its first brick and by brick::

        {"blockers": [], "backlog": {"kvm1:/data/one_vol": 0},
         "versions": {"kvm1:/data/ec": {"kvm2:/data/ec": {"0a1b...": "00..."}}}}

    Raises CommandExecutionError when glusterd does not answer, the look takes more than a minute or fails, or more than
    20000 files of a brick of a dispersed set wait to be healed.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_replace.readiness '{one_vol: ["kvm3:/data/one_vol"]}'
    """
    found = {"blockers": __salt__["gluster_pool.replace_blockers"](going, servers), "backlog": {}, "versions": {}}
    own, volumes = __salt__["glusterd.info"]()["uuid"], __salt__["gluster.volume_info"]()
    until = time.monotonic() + LOOK
    for name, bricks in sorted(going.items()):
        info, ids = volumes[name], __salt__["glusterd.brick_ids"](name)
        size = info["disperse"] or info["replica"] or 1
        server = dict(zip(info["bricks"], info["servers"]))
        for first in range(0, len(info["bricks"]), size):
            together = info["bricks"][first : first + size]
            stay = [brick for brick in together if brick not in bricks]
            for brick in [brick for brick in stay if len(stay) < len(together) and server[brick] == own]:
                path = _path(brick)
                if info["disperse"]:
                    lines = _index(path, MOST, [VERSION], until).splitlines()
                    if len(lines) > MOST:
                        raise CommandExecutionError(
                            f"more than {MOST} files of {brick} wait to be healed, too many to be compared with the "
                            "other bricks': wait until there are fewer (`gluster volume heal VOLUME info summary`)"
                        )
                    files = {gfid: text for gfid, _, text in (line.partition(" ") for line in lines)}
                    found["versions"].setdefault(together[0], {})[brick] = files
                else:
                    lacking = [f"trusted.afr.{ids[other]}" for other in stay if other != brick]
                    found["backlog"][brick] = int(_index(path, 0, lacking, until))
    return found


def _index(path, most, names, until):
    """
    What a look at the index of a brick has printed: see INDEX.
    """
    status, out, error = __utils__["gluster_process.run"](
        [sys.executable, "-I", "-S", "-c", INDEX, path, str(most), *names],
        timeout=max(1, until - time.monotonic()), most=100 * (MOST + 1),
    )  # fmt: skip
    if status is None:
        raise CommandExecutionError(
            f"{path}: it is not known within {LOOK} s what waits to be healed ({error}): so many files, or its file "
            "system hangs; try again later"
        )
    if status:
        raise CommandExecutionError(
            f"what waits to be healed in {path} cannot be read ({error}): repair that brick's disk first"
        )
    return out


def restore_changes(uuid, peers):
    """
    What has to be done so that this server, whose glusterd has lost what it knew, has its place in the pool again.

    uuid, peers
        See ``glusterd.identity_changes``.

    Returns a dict of changes, an empty one where nothing is to be done.

    Raises CommandExecutionError where this is another server.

    CLI Example:

    .. code-block:: bash

        salt kvm3 gluster_replace.restore_changes 8f14e45f-ceea-467f-9bd1-6f2a1c3e5d70 '{}'
    """
    changes = __salt__["glusterd.identity_changes"](uuid, peers)
    if not changes and __salt__["gluster_one_record.recorded"](RESTORED).get(uuid) == "begun":
        changes["glusterd"] = {"old": "restored and not restarted", "new": "restarted"}
    return changes


def restore(uuid, operating_version, peers, volumes, service="glusterd", timeout=120):
    """
    Give this server back its place in the pool. It may be ended at any moment: the next call does all of it again.

    uuid, operating_version, peers
        See ``glusterd.restore_identity``.

    volumes
        The pool's volumes (list of strings), which glusterd gets from the others.

    service
        glusterd's service (string, default ``glusterd``).

    timeout
        Seconds to wait until it is a member, each time (int, default 120).

    Returns True.

    Raises CommandExecutionError when it does not become a member.

    CLI Example:

    .. code-block:: bash

        salt kvm3 gluster_replace.restore 8f14e45f-ceea-467f-9bd1-6f2a1c3e5d70 100000 '{1c7e...: [kvm1]}' '[one_vol]'
    """
    failure = f"glusterd was given back the uuid {uuid}, and this server is not a full member of the pool"
    joined = functools.partial(_not_joined, peers, volumes)
    __salt__["gluster_one_record.record"](RESTORED, {uuid: "begun"})
    __salt__["service.stop"](service)
    __salt__["glusterd.restore_identity"](uuid, operating_version, peers)
    # Only after a second start does it know its bricks well enough for reset-brick (Gluster 10.3).
    for _ in range(2):
        __salt__["glusterd.restart"](service)
        __utils__["gluster_states.wait_for"](joined, timeout, failure)
    __salt__["gluster_one_record.record"](RESTORED, {uuid: "done"})
    return True


def _not_joined(peers, volumes):
    """
    Which members or volumes of the pool this server does not have, or which of them do not see it, as a sentence, or
    None.
    """
    states = {peer["uuid"]: peer["state"] for peer in __salt__["gluster.peer_status"]()}
    apart = [f"{names[0]} is {states.get(peer)!r}" for peer, names in peers.items() if states.get(peer) != MEMBER]
    missing = [name for name in volumes if name not in __salt__["gluster.volume_info"]()]
    missing = f"no volume {', '.join(missing)} yet" if missing else None
    return ", ".join(apart) or missing or __salt__["gluster_pool.peers_apart"]()


def is_in_place(volume, brick):
    """
    Whether a brick of this server is one of a volume, and its directory is that brick's.

    volume
        The volume (string).

    brick
        The brick (string), such as ``kvm3:/data/one_vol/brick``.

    Returns a bool: False where its directory is empty, or not there.

    Raises SaltInvocationError where it is another server's brick; CommandExecutionError where it does not answer.

    CLI Example:

    .. code-block:: bash

        salt kvm3 gluster_replace.is_in_place one_vol kvm3:/data/one_vol/brick
    """
    info = __salt__["gluster.volume_info"](volume).get(volume)
    if not info or brick not in info["bricks"]:
        return False
    if dict(zip(info["bricks"], info["servers"]))[brick] != __salt__["glusterd.info"]()["uuid"]:
        raise SaltInvocationError(f"{brick} is not a brick of this server")
    return __salt__["glusterd.marks"](_path(brick)) == {"volume": info["id"], "root": True}


def _path(brick):
    return os.path.normpath("/" + brick.partition(":/")[2])


def brick_changes(volume, brick, old=None, run=None):
    """
    What it is that a directory of this server takes the place of a brick, which it can.

    volume
        The volume (string).

    brick
        The brick that is to be (string), such as ``kvm3:/data/one_vol/brick``.

    old
        The brick whose place it takes (string, default none: its own, whose files are lost).

    run
        In a run with ``test=True``, its identifier (string): what it would mount counts as mounted.

    Returns a dict::

        {"kvm3:/data/one_vol/brick": {"old": "lost", "new": "a brick of volume one_vol"}}

    Raises CommandExecutionError with what is in the way; SaltInvocationError where the volume has no such brick.

    CLI Example:

    .. code-block:: bash

        salt kvm3 gluster_replace.brick_changes one_vol kvm3:/data/one_vol/brick
    """
    path, info = _path(brick), __salt__["gluster.volume_info"](volume).get(volume)
    if not info and not __opts__["test"]:  # there a step before would have made it known
        raise CommandExecutionError(f"this server knows no volume {volume}: run the orchestration again")
    if info and not {old, brick} & set(info["bricks"]):
        raise SaltInvocationError(f"volume {volume} has no brick {old or brick}")
    unfit = None if __salt__["gluster_disks.is_planned"](path, run) else __salt__["gluster_bricks.unfit"](path)
    if unfit:
        raise CommandExecutionError(unfit)
    return {brick: {"old": old or "lost", "new": f"a brick of volume {volume}"}}


def replace_brick(volume, brick, old=None, timeout=120):
    """
    Have a directory of this server take the place of a brick, and wait until it is online; it is not healed then.

    volume, brick, old
        See :func:`brick_changes`.

    timeout
        Seconds for Gluster's lock, and for the brick (int, default 120).

    Returns True.

    Raises CommandExecutionError with Gluster's message, or when the brick does not come up.

    CLI Example:

    .. code-block:: bash

        salt kvm4 gluster_replace.replace_brick one_vol kvm4:/data/one_vol/brick old=kvm3:/data/one_vol/brick
    """
    moved = brick not in __salt__["gluster.volume_info"](volume)[volume]["bricks"]
    __salt__["gluster.brick_replace"](volume, old if moved else brick, brick if moved else None, timeout=timeout)
    down = lambda: brick if brick in __salt__["gluster_pool.bricks_down"](volume) else None  # noqa: E731
    cure = f": see its log in /var/log/glusterfs/bricks on {__grains__['id']}"
    __utils__["gluster_states.wait_for"](down, timeout, f"{brick} is a brick of volume {volume}, and is down", cure)
    return True


def unhealed(volumes, hosts=()):
    """
    What volumes lack until all is healed: bricks that are online, clients connected to each, nothing that waits.

    volumes
        The volumes (list of strings).

    hosts
        As for ``gluster_pool.stop_blockers`` (list of lists of strings, default none).

    Returns None or a sentence, as ``gluster_pool.volumes_unsettled``, whose name for the runner this is.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_replace.unhealed '[one_vol]'
    """
    return __salt__["gluster_pool.volumes_unsettled"](volumes, hosts)


def is_named_by(servers, **connection):
    """
    On the head: which datastores and VMs' disks name one server alone as ``GLUSTER_HOST``.

    They cannot be opened without it.

    servers
        Names and addresses of the server (list of strings). Others count that resolve to an address of these here.

    connection
        See ``opennebula_api.call`` (default: as the pillar has it).

    Returns a list of sentences.

    CLI Example:

    .. code-block:: bash

        salt head gluster_replace.is_named_by '[kvm3]'
    """
    connection = connection or __salt__["gluster_one_pillar.node"]().get("opennebula") or {}
    stores, vms = __salt__["opennebula.datastore_list"](**connection), __salt__["opennebula.vm_list"](**connection)
    hosts = lambda text: {host.partition(":")[0].casefold() for host in (text or "").split()}  # noqa: E731
    texts = [store.get("GLUSTER_HOST") for store in stores] + [
        disk["gluster_host"] for vm in vms for disk in vm["disks"]
    ]
    own = {server.casefold() for server in servers}
    at = __utils__["gluster_hosts.resolved"](sorted(own.union(*map(hosts, texts))))
    at = {host: __utils__["gluster_hosts.addresses"](host, found) for host, found in at.items()}
    own = own.union(*(at.get(server, ()) for server in own))
    only = lambda text: bool(hosts(text)) and all({host, *at.get(host, ())} & own for host in hosts(text))  # noqa: E731
    found = [
        f"datastore {store['name']} has it as GLUSTER_HOST ({store['GLUSTER_HOST']})"
        for store in stores
        if only(store.get("GLUSTER_HOST"))
    ]
    for vm in vms:
        disks = [str(disk["id"]) for disk in vm["disks"] if only(disk["gluster_host"])]
        found += [f"VM {vm['id']} has it as GLUSTER_HOST of disk {', '.join(disks)}"] if disks else []
    return found
