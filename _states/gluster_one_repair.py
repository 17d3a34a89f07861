"""
A peer that is no full member of its pool becomes one again, as states
======================================================================

More states of ``gluster_one``: Salt joins modules of one virtual name. The orchestration
``gluster_one.orchestrate.repair_peer`` applies them, after it has looked at the whole pool; see docs/repair-peer.md.
"""

from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "gluster_one"


def __virtual__():
    return __virtualname__


def peers_accepted(name="glusterd", peers=None):
    """
    glusterd keeps these peers as full members. For a server that does not, or is not taken for one by them.

    It is restarted for that, while its bricks run on. Where they would not, or where a volume would lose its servers'
    quorum meanwhile, the state fails before it does anything, also with ``test=True``.

    name
        glusterd's service (string, default ``glusterd``).

    peers
        The names of each peer by its uuid (dict of lists of strings).

    .. code-block:: yaml

        glusterd:
          gluster_one.peers_accepted:
            - peers: {1c7e4b1a-3f0c-4c52-9d0b-0c8b7b8f0a11: [kvm3]}
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    try:
        __salt__["gluster_one_arguments.require_arguments"]("peers_accepted", name=name, peers=peers)
        differing = lambda: __salt__["gluster_repair.accept_changes"](peers)  # noqa: E731
        fine = f"{name} keeps {', '.join(names[0] for names in peers.values())} as a member"
        return _restarted(ret, differing, fine, lambda: __salt__["gluster_repair.accept"](peers, name))
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def _restarted(ret, differing, fine, change):
    """
    What a state returns that changes something while glusterd is stopped.
    """
    changes = differing()
    if not changes:
        return __utils__["gluster_states.would_change"](ret, {}, fine)
    name = ret["name"]
    changes[name] = {"old": "running", "new": "restarted"}
    if __opts__["test"]:
        wrong = __salt__["gluster_repair.restart_error"](name, _unit_to_change())
        if wrong:
            raise CommandExecutionError(wrong)
        return __utils__["gluster_states.would_change"](ret, changes, fine)
    change()
    return __utils__["gluster_states.changed"](ret, changes, differing(), fine)


def _unit_to_change():
    """
    Whether a state of this run, before this one, would have glusterd's unit keep the bricks.
    """
    ran = globals().get("__running__") or {}
    return any(ran[tag]["changes"] for tag in ran if tag.endswith("_|-bricks_kept"))


def glusterd_started_again(name="glusterd"):
    """
    glusterd is restarted, each time, as by ``peers_accepted``. For a server with several bricks of a volume.

    While it was away, or no member, the volume may have changed: then it takes the sizes of these bricks wrong, until
    it has been started once more and an option of the volume is set.

    name
        glusterd's service (string, default ``glusterd``).

    .. code-block:: yaml

        glusterd:
          gluster_one.glusterd_started_again: []
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    try:
        __salt__["gluster_one_arguments.require_arguments"]("glusterd_started_again", name=name)
        left = {name: {"old": "running", "new": "restarted"}}

        def again():
            __salt__["gluster_repair.start_again"](name)
            left.clear()

        return _restarted(ret, lambda: dict(left), f"{name} runs", again)
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def probes_forgotten(name="glusterd", servers=None):
    """
    glusterd does not wait for the answer of servers that were probed. For the server that has probed them.

    It is restarted for that, as by ``peers_accepted``.

    name
        glusterd's service (string, default ``glusterd``).

    servers
        The servers (list of host names).

    .. code-block:: yaml

        glusterd:
          gluster_one.probes_forgotten:
            - servers: [kvm4]
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    try:
        __salt__["gluster_one_arguments.require_arguments"]("probes_forgotten", name=name, servers=servers)
        differing = lambda: __salt__["gluster_repair.forget_changes"](servers)  # noqa: E731
        fine = f"{name} waits for no answer of {', '.join(servers)}"
        return _restarted(ret, differing, fine, lambda: __salt__["gluster_repair.forget"](servers, name))
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def volume_renewed(name, above, timeout=120):
    """
    The version of a volume on the members of the pool is higher than another server's. For one member.

    An option is set to the value that it has.

    name
        The volume (string).

    above
        The version that is to be exceeded (int).

    timeout
        Seconds for Gluster's lock (int, default 120).

    .. code-block:: yaml

        one_vol:
          gluster_one.volume_renewed:
            - above: 7
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    try:
        __salt__["gluster_one_arguments.require_arguments"]("volume_renewed", name=name, timeout=timeout)
        version = lambda: __salt__["glusterd.definitions"]().get(name, {}).get("version", 0)  # noqa: E731
        change = {"version": {"old": f"at most {above}", "new": f"above {above}"}}
        low = lambda: change if version() <= above else {}  # noqa: E731
        changes, fine = low(), f"the version of volume {name} is above {above}"
        if __opts__["test"] or not changes:
            return __utils__["gluster_states.would_change"](ret, changes, fine)
        __salt__["gluster_repair.renew"](name, above, timeout)
        return __utils__["gluster_states.changed"](ret, changes, low(), fine)
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def pool_joined(name, timeout=120):
    """
    All servers of the pool see each other as full members. For one of them, which waits for that.

    name
        Any text (string).

    timeout
        Seconds to wait (int, default 120).

    .. code-block:: yaml

        pool:
          gluster_one.pool_joined: []
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": "all servers of the pool are full members"}
    try:
        __salt__["gluster_one_arguments.require_arguments"]("pool_joined", name=name, timeout=timeout)
        if not __opts__["test"]:
            failure = "the servers of the pool are not all full members"
            cure = ": see /var/log/glusterfs/glusterd.log on these"
            __utils__["gluster_states.wait_for"]("gluster_repair.not_joined", timeout, failure, cure)
        return ret
    except (CommandExecutionError, SaltInvocationError) as exc:
        return {**ret, "result": False, "comment": str(exc)}
