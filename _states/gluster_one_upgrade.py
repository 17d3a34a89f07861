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
