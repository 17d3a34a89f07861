"""
A server or a brick that takes the place of another one, as states
==================================================================

More states of ``gluster_one``: Salt joins modules of one virtual name. The orchestration
``gluster_one.orchestrate.replace`` applies them, after it has looked at the whole pool; see docs/replace.md.
"""

import os

from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "gluster_one"

MEMBER = "Peer in Cluster"


def __virtual__():
    return __virtualname__


def server_restored(name, uuid, operating_version, peers, volumes, timeout=120):
    """
    A server that was reinstalled has its place in the pool again. For that server.

    Its glusterd is given the uuid by which the pool knows it, and the other members, and is started twice. One that has
    volumes or peers of its own is an error.

    name
        glusterd's service (string).

    uuid
        The one that the pool has for this server (string).

    operating_version
        The version of Gluster's protocol that the pool speaks (int).

    peers
        The names of each other member by its uuid (dict of lists of strings).

    volumes
        The pool's volumes (list of strings).

    timeout
        Seconds to wait until it is a member, each time (int, default 120).

    .. code-block:: yaml

        glusterd:
          gluster_one.server_restored:
            - uuid: 8f14e45f-ceea-467f-9bd1-6f2a1c3e5d70
            - operating_version: 100000
            - peers: {1c7e4b1a-3f0c-4c52-9d0b-0c8b7b8f0a11: [kvm1]}
            - volumes: [one_vol]
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    try:
        __salt__["gluster_one_arguments.require_arguments"]("server_restored", name=name, timeout=timeout)
        changes, fine = (
            __salt__["gluster_replace.restore_changes"](uuid, peers),
            "this server has its place in the pool",
        )
        if __opts__["test"] or not changes:
            return __utils__["gluster_states.would_change"](ret, changes, fine)
        __salt__["gluster_replace.restore"](uuid, operating_version, peers, volumes, name, timeout)
        left = __salt__["gluster_replace.restore_changes"](uuid, peers)
        return __utils__["gluster_states.changed"](ret, changes, left, fine)
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def server_taken_in(name, timeout=120):
    """
    A server is in the pool, also while another one, whose place it takes, is away. For one member of the pool.

    name
        The server, by the name by which the pool is to know it (string).

    timeout
        Seconds for Gluster's lock, and until it is a full member (int, default 120).

    .. code-block:: yaml

        kvm4:
          gluster_one.server_taken_in: []
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}

    def outside():
        member = __salt__["gluster_peers.identify"]([name])[name]
        return None if member and member["state"] == MEMBER else f"{member['state']!r}" if member else "not in the pool"

    try:
        __salt__["gluster_one_arguments.require_arguments"]("server_taken_in", name=name, timeout=timeout)
        seen, fine = outside(), f"{name} is in the pool"
        changes = {name: {"old": seen, "new": "in the pool"}} if seen else {}
        if __opts__["test"] or not changes:
            return __utils__["gluster_states.would_change"](ret, changes, fine)
        if seen == "not in the pool":
            __salt__["gluster_peers.take_in"](name, timeout)
        __utils__["gluster_states.wait_for"](outside, timeout, f"{name} was taken in, and is not a full member")
        return __utils__["gluster_states.changed"](ret, changes, {}, fine)
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def brick_replaced(name, volume, old=None, device=None, timeout=120):
    """
    A directory of this server is a brick, in the place of one that is lost or leaves. For the server that has it.

    The directory is empty, or not there, on a file system of its own. Gluster heals it from the others of its set,
    which is not waited for.

    name
        The brick (string), such as ``kvm3:/data/one_vol/brick``.

    volume
        The volume (string).

    old
        The brick whose place it takes (string). Default: its own, whose files are lost.

    device
        The device whose file system is mounted on the directory above it, and is made, as ``gluster.brick_prepared``
        does (string). Default: that file system is mounted already.

    timeout
        Seconds for Gluster's lock, and for the brick (int, default 120).

    .. code-block:: yaml

        kvm3:/data/one_vol/brick:
          gluster_one.brick_replaced:
            - volume: one_vol
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    try:
        __salt__["gluster_one_arguments.require_arguments"](
            "brick_replaced", name=name, volume=volume, old=old, device=device, timeout=timeout
        )
        run, fine = globals().get("__instance_id__"), f"{name} is a brick of volume {volume}"
        if __salt__["gluster_replace.is_in_place"](volume, name):
            return {**ret, "comment": fine}
        point = os.path.dirname("/" + name.partition(":/")[2])
        disk = __salt__["gluster_disks.changes"](device, point, run=run) if device else {}
        if disk and not __opts__["test"]:
            __salt__["gluster_disks.prepare"](device, point)
            ret["changes"] = disk
        changes = {**disk, **__salt__["gluster_replace.brick_changes"](volume, name, old, run=run)}
        if __opts__["test"] or not changes:
            return __utils__["gluster_states.would_change"](ret, changes, fine)
        __salt__["gluster_replace.replace_brick"](volume, name, old, timeout)
        left = {} if __salt__["gluster_replace.is_in_place"](volume, name) else {name: changes[name]}
        return __utils__["gluster_states.changed"](ret, changes, left, fine)
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def server_detached(name, timeout=120):
    """
    A server is not in the pool. For another one; Gluster refuses while it has bricks.

    name
        The server (string).

    timeout
        Seconds for Gluster's lock (int, default 120).

    .. code-block:: yaml

        kvm3:
          gluster_one.server_detached: []
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    try:
        __salt__["gluster_one_arguments.require_arguments"]("server_detached", name=name, timeout=timeout)
        member = lambda: __salt__["gluster_peers.identify"]([name])[name]  # noqa: E731
        there, fine = member(), f"{name} is not in the pool"
        changes = {name: {"old": "in the pool", "new": None}} if there else {}
        if __opts__["test"] or not changes:
            return __utils__["gluster_states.would_change"](ret, changes, fine)
        __salt__["gluster.peer_detach"](there["name"], timeout)
        return __utils__["gluster_states.changed"](ret, changes, changes if member() else {}, fine)
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}
