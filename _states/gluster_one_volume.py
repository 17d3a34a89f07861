"""
More states of ``gluster_one``: Salt joins modules of one virtual name
======================================================================
"""

import time

from salt.exceptions import CommandExecutionError

__virtualname__ = "gluster_one"


def __virtual__():
    return __virtualname__


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
        deadline = time.monotonic() + timeout
        while (left := __salt__["gluster_one.bricks_down"](name)) and time.monotonic() < deadline:
            time.sleep(1)
        done = {brick: change for brick, change in changes.items() if brick not in left}
        if left:
            comment = f"{', '.join(left)} did not start within {timeout} s: see the brick's log on its server"
            return {**ret, "result": False, "changes": done, "comment": comment}
        return {**ret, "changes": done, "comment": f"started {', '.join(done)}"}
    except CommandExecutionError as exc:
        return {**ret, "result": False, "comment": str(exc)}
