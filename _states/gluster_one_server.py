"""
What a Gluster server and the coordinator of a volume do besides its options, as states
=======================================================================================

More states of ``gluster_one``: Salt joins modules of one virtual name.
"""

import time

from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "gluster_one"


def __virtual__():
    return __virtualname__


def glusterd_configured(name="glusterd", options=None, path="/etc/glusterfs/glusterd.vol"):
    """
    glusterd accepts clients that are not root (the guide's ``option rpc-auth-allow-insecure on``). For every server.

    Only these options are edited, every other line stays. glusterd reads them at its next start: it is not restarted,
    because machines do not need them before (since Gluster 3.7.3 it lets in who is not root untold), and a restart may
    take the server's bricks with it.

    name
        glusterd's service (string, default ``glusterd``).

    options
        Further options of its volume file and their values (dict, default none).

    path
        Its volume file (string, default /etc/glusterfs/glusterd.vol).

    .. code-block:: yaml

        glusterd:
          gluster_one.glusterd_configured
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    try:
        wanted = __salt__["gluster.options_wanted"]({"rpc-auth-allow-insecure": "on"}, options)
        differing = lambda: __salt__["gluster.option_changes"](__salt__["glusterd.options"](path), wanted)  # noqa: E731
        changes = differing()
        if __opts__["test"] or not changes:
            fine = ", ".join(f"{option} is {value}" for option, value in wanted.items())
            return __salt__["gluster_one.predicted"](ret, changes, fine)
        __salt__["glusterd.options_set"]({option: change["new"] for option, change in changes.items()}, path=path)
        fine = f"in force from {name}'s next restart; machines do not need it before"
        return __salt__["gluster_one.applied"](ret, changes, differing(), fine)
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def bricks_running(name, timeout=120):
    """
    All bricks of a started volume run; those that do not are started. For one node of the pool. A volume that is
    stopped is left so, and a brick whose server is away is not waited for.

    name
        The volume (string).

    timeout
        Seconds for the bricks to come up (int, default 120).

    .. code-block:: yaml

        one_vol:
          gluster_one.bricks_running: []
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": f"all bricks of volume {name} run"}
    try:
        down = __salt__["gluster_one.bricks_down"](name)
        changes = {brick: {"old": "down", "new": "online"} for brick in down}
        if not down:
            return ret
        if __opts__["test"]:
            return {**ret, "result": None, "changes": changes, "comment": f"would start {', '.join(down)}"}
        __salt__["gluster.volume_start"](name, force=True, timeout=timeout)
        begin = time.monotonic()
        while (left := __salt__["gluster_one.bricks_down"](name)) and time.monotonic() - begin < timeout:
            what = f"The bricks of volume {name} did not all run"
            __salt__["gluster_one.waiting"](what, f"{', '.join(left)} down", time.monotonic() - begin)
            time.sleep(1)
        done = {brick: change for brick, change in changes.items() if brick not in left}
        if left:
            comment = f"{', '.join(left)} did not start within {timeout} s: see the brick's log on its server"
            return {**ret, "result": False, "changes": done, "comment": comment}
        return {**ret, "changes": done, "comment": f"started {', '.join(done)}"}
    except CommandExecutionError as exc:
        return {**ret, "result": False, "comment": str(exc)}
