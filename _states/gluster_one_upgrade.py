"""
Gluster is upgraded under a pool, as states
===========================================

More states of ``gluster_one``: Salt joins modules of one virtual name. The orchestration
``gluster_one.orchestrate.upgrade`` applies them, after it has looked at the whole pool; see docs/upgrade.md.
"""

from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "gluster_one"


def __virtual__():
    return __virtualname__


def op_version_set(name, version, timeout=120):
    """
    The pool speaks a version of Gluster's protocol, or a newer one. For one of its servers.

    It cannot be lowered again, and clients that do not speak it lose the volume: the orchestration looks at all first.

    name
        Any text (string).

    version
        The version (int), such as 110000.

    timeout
        Seconds for Gluster's lock (int, default 120).

    .. code-block:: yaml

        pool:
          gluster_one.op_version_set:
            - version: 110000
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}

    def differing():
        present = __salt__["glusterd.info"]()["operating_version"]
        newer = present is not None and present >= version
        return {} if newer else {"cluster.op-version": {"old": present, "new": version}}

    try:
        __salt__["gluster_one_arguments.require_arguments"](
            "op_version_set", name=name, version=version, timeout=timeout
        )
        changes, fine = differing(), f"the pool speaks version {version} of Gluster's protocol"
        if __opts__["test"] or not changes:
            return __utils__["gluster_states.would_change"](ret, changes, fine)
        __salt__["gluster_upgrade.set_op_version"](version, timeout)
        return __utils__["gluster_states.changed"](ret, changes, differing(), fine)
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def server_quorum_paused(name, timeout=120):
    """
    A volume has no server quorum, while the servers of its pool have different definitions of it. For one of them.

    What it had is kept in the volume's option ``user.gluster_one.quorum``, for ``server_quorum_resumed``. Meanwhile
    ``volume_configured`` leaves it as it is.

    name
        The volume (string).

    timeout
        Seconds for each of: the peers, Gluster's lock (int, default 120).

    .. code-block:: yaml

        one_vol:
          gluster_one.server_quorum_paused: []
    """
    return _quorum("server_quorum_paused", name, timeout, "pause_changes", f"volume {name} has no server quorum")


def server_quorum_resumed(name, paused=None, timeout=120):
    """
    A volume has the server quorum again that ``server_quorum_paused`` has turned off. For one server of its pool.

    name
        The volume (string).

    name
        The volume (string).

    paused
        With ``test=True``: what that would have kept by now (string, default: what is kept).

    timeout
        See ``server_quorum_paused``.

    .. code-block:: yaml

        one_vol:
          gluster_one.server_quorum_resumed: []
    """
    fine = f"the server quorum of volume {name} is not turned off"
    return _quorum("server_quorum_resumed", name, timeout, "resume_changes", fine, paused)


def _quorum(state, name, timeout, what, fine, paused=None):
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}

    def differing():
        there = __salt__["gluster.volume_info"](name).get(name)
        if there is None:
            raise CommandExecutionError(f"there is no volume {name}")
        options = there["options"]
        if __opts__["test"] and paused and not __utils__["gluster_options.paused"](options):
            options = {**options, **{option: change["new"] for option, change in before(options).items()}}
        return __utils__[f"gluster_options.{what}"](options)

    before = __utils__["gluster_options.pause_changes"]
    try:
        __salt__["gluster_one_arguments.require_arguments"](state, name=name, timeout=timeout)
        changes = differing()
        if __opts__["test"] or not changes:
            return __utils__["gluster_states.would_change"](ret, changes, fine)
        error = __salt__["gluster_volume.set_options"](name, changes, timeout)
        return __utils__["gluster_states.changed"](ret, changes, differing(), fine, error)
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def definitions_prepared(name="glusterd", paused=None, kept=False, timeout=120):
    """
    The definitions of volumes on this server have nothing that Gluster 11 drops, and glusterd runs with them.

    glusterd is stopped and started for that, while its bricks run on. Other servers reject this one, and the other way
    round, until they have done the same: so the orchestration applies it to one after the other. Fails before anything
    is done, also with ``test=True``, where a volume has a server quorum, or a brick would end.

    name
        glusterd's service (string, default ``glusterd``).

    paused
        With ``test=True``: volumes whose server quorum would be off by now (list of strings, default none).

    kept
        With ``test=True``: whether glusterd's unit would keep bricks running by now (bool, default False).

    timeout
        Seconds for glusterd's answer (int, default 120).

    .. code-block:: yaml

        glusterd:
          gluster_one.definitions_prepared: []
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    try:
        __salt__["gluster_one_arguments.require_arguments"]("definitions_prepared", name=name, timeout=timeout)

        def differing():
            there = __salt__["gluster_upgrade.lines"]().items()
            found = {f"{volume} {option}": {"old": value, "new": None}
                     for volume, options in there for option, value in options.items()}  # fmt: skip
            runs = __salt__["glusterd.service"](name).get("running", True)
            return found, {} if runs else {name: {"old": "stopped", "new": "running"}}

        found, stopped = differing()
        changes = {**found, **(stopped or {name: {"old": "running", "new": "restarted"}} if found else stopped)}
        fine = f"the definitions of volumes have nothing that Gluster 11 drops, and {name} runs with them"
        if __opts__["test"] and changes:
            wrong = __salt__["gluster_upgrade.take_out_error"](name, kept, paused or [])
            if wrong:
                raise CommandExecutionError(wrong)
        if __opts__["test"] or not changes:
            return __utils__["gluster_states.would_change"](ret, changes, fine)
        __salt__["gluster_upgrade.take_out"](name, timeout)
        found, stopped = differing()
        return __utils__["gluster_states.changed"](ret, changes, {**found, **stopped}, fine)
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}
