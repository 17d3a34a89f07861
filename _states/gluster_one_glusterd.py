"""
glusterd's part, as a state
===========================

More states of ``gluster_one``: Salt joins modules of one virtual name.
"""

import os

from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "gluster_one"


def __virtual__():
    return __virtualname__


def glusterd_configured(
    name="glusterd", options=None, path="/etc/glusterfs/glusterd.vol", volume=None, restart=True, timeout=120
):
    """
    glusterd accepts clients that are not root (the guide's ``option rpc-auth-allow-insecure on``). For every server.

    Only these options are edited, and those put back that this state has set before. glusterd is restarted only for one
    that changed and that it does not follow already (since Gluster 3.7.3 it lets in who is not root untold), or where
    the self-heal daemons, which it starts anew, were refused by the bricks; while a volume is started, one server at a
    time: the servers take turns by a lock on it.

    name
        glusterd's service (string, default ``glusterd``).

    options
        Further options of its volume file and their values (dict, default none).

    path
        Its volume file (string, default /etc/glusterfs/glusterd.vol).

    volume
        The volume that holds the servers' lock (string, default: the pool's first started volume).

    restart
        Restart it (bool, default True). False is for one that is stopped, before it is started: the file alone is
        edited, and read at the start.

    timeout
        Seconds for the peers and the heal, and for each peer's turn before this one's (int, default 120).

    .. code-block:: yaml

        glusterd:
          gluster_one.glusterd_configured
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    try:
        wanted = __salt__["gluster.options_wanted"]({"rpc-auth-allow-insecure": "on"}, options)
        if restart and not __salt__["service.status"](name):
            if __salt__["gluster_one.coming"](globals().get("__running__"), name):
                return {**ret, "comment": f"{name} is started with its options"}
            raise CommandExecutionError(f"{name} is not running on this node: start it with `systemctl start {name}`")
        # Like Salt's own states, test=True takes for granted that an earlier one brings what is not there.
        to_come = __opts__["test"] and not restart and not os.path.exists(path)
        read = lambda: {} if to_come else __salt__["glusterd.options"](path)  # noqa: E731
        plan = __salt__["gluster_one.options_plan"](read(), wanted)
        changes = plan["changes"]
        if __opts__["test"] or not changes:
            fine = ", ".join(f"{option} is {value}" for option, value in wanted.items())
            return __salt__["gluster_one.predicted"](ret, changes, fine)
        missing = {**plan["set"], **dict.fromkeys(plan["reset"])}
        follows = not changes.keys() - {"rpc-auth-allow-insecure"} and restart and __salt__["glusterd.lets_in"]()
        if restart and not (follows and __salt__["glusterd.heals"]()):
            done = __salt__["glusterd.reconfigure"](missing, path=path, service=name, volume=volume, timeout=timeout)
            waited = f" after {done['waited']} s of waiting for other servers" if done["waited"] else ""
            heal = f"heal pending on {', '.join(done['pending'])}" if done["pending"] else "no heal pending"
            fine = f"{name} restarted{waited}, {done['peers']} peers back after {done['seconds']} s, {heal}"
        else:
            __salt__["glusterd.options_set"](missing, path=path)
            fine = f"{name} reads that at its start"
            fine = f"{name} lets in who is not root already, and was not restarted" if follows else fine
        left = __salt__["gluster_one.options_plan"](read(), wanted)["changes"]
        return __salt__["gluster_one.applied"](ret, changes, left, fine)
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}
