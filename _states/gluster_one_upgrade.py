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


def definitions_converted(name="glusterd", versions=None, members=None, timeout=120):
    """
    A server's definitions of volumes are as a newer version of Gluster writes them. For those that are not upgraded.

    Upgraded servers do not reject it then. glusterd is stopped for that and started again, while its bricks run on.

    name
        glusterd's service (string, default ``glusterd``).

    versions
        The version that each definition is to have (dict of ints by volume).

    members
        The uuids of the servers that have these definitions already, and are waited for (list of strings).

    timeout
        Seconds to wait (int, default 120).

    .. code-block:: yaml

        glusterd:
          gluster_one.definitions_converted:
            - versions: {one_vol: 7}
            - members: [1c7e4b1a-3f0c-4c52-9d0b-0c8b7b8f0a11]
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    try:
        __salt__["gluster_one_arguments.require_arguments"](
            "definitions_converted", name=name, versions=versions, members=members, timeout=timeout
        )
        differing = lambda: __salt__["gluster_upgrade.conversion_changes"](versions)  # noqa: E731
        changes, fine = (
            differing(),
            f"the definitions of {', '.join(sorted(versions))} are those of the upgraded servers",
        )
        if __opts__["test"] or not changes:
            return __utils__["gluster_states.would_change"](ret, changes, fine)
        __salt__["gluster_upgrade.convert"](versions, members, name, timeout)
        return __utils__["gluster_states.changed"](ret, changes, differing(), fine)
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def glusterd_held(name="glusterd"):
    """
    glusterd does not run, while its bricks do. For servers that would lose their quorum while others are converted.

    name
        glusterd's service (string, default ``glusterd``).

    .. code-block:: yaml

        glusterd:
          gluster_one.glusterd_held: []
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    running = {name: {"old": "running", "new": "stopped"}}
    differing = lambda: running if __salt__["glusterd.service"](name).get("running") else {}  # noqa: E731
    try:
        __salt__["gluster_one_arguments.require_arguments"]("glusterd_held", name=name)
        changes = differing()
        if __opts__["test"] or not changes:
            return __utils__["gluster_states.would_change"](ret, changes, f"{name} is stopped")
        __salt__["gluster_upgrade.hold"](name)
        return __utils__["gluster_states.changed"](ret, changes, differing(), f"{name} is stopped")
    except (CommandExecutionError, SaltInvocationError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


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
