"""
glusterd's service, and what its restart does to the bricks
===========================================================

More functions of the execution module ``glusterd``: Salt joins modules of one virtual name.

The bricks are processes that glusterd has started, in its control group. Upstream's unit has ``KillMode=process``, with
which a restart leaves them alone; Debian's (glusterfs-server 10.3) has systemd's ``control-group``, with which it ends
every brick of the server.
"""

import os
import time

import salt.utils.files
import salt.utils.systemd
from salt.exceptions import CommandExecutionError

__virtualname__ = "glusterd"

DROP_IN = "/etc/systemd/system/{}.service.d/gluster_one.conf"
TEXT = """\
# Written by the Salt formula gluster_one: bricks live on while glusterd is restarted. With systemd's own KillMode each
# restart, one by an upgrade of the package too, ends every brick of this server.
[Service]
KillMode=process
# When the system goes down they end with glusterd, while there is a network: clients would otherwise wait for them.
ExecStopPost=/bin/sh -c '[ "$(systemctl is-system-running)" != stopping ] || pkill -x glusterfsd || :'
"""


def __virtual__():
    return __virtualname__


def service(name="glusterd"):
    """
    How glusterd's service runs.

    name
        The service (string, default ``glusterd``).

    Returns a dict ``{"running": True, "kill_mode": "control-group", "started": 1764230400.5}``: the mode in force,
    drop-ins included, and when it was started, in seconds since 1970. An empty dict where systemd does not run the
    system or has no such service.

    CLI Example:

    .. code-block:: bash

        salt kvm1 glusterd.service
    """
    if not salt.utils.systemd.booted(__context__):
        return {}
    properties = "LoadState,ActiveState,KillMode,ExecMainStartTimestampMonotonic"
    show = ["systemctl", "show", f"--property={properties}", f"{name}.service"]
    done = __salt__["cmd.run_all"](show, python_shell=False, ignore_retcode=True, timeout=30)
    seen = dict(line.split("=", 1) for line in done["stdout"].splitlines() if "=" in line)
    if seen.get("LoadState") != "loaded":
        return {}
    ago = time.monotonic() - int(seen["ExecMainStartTimestampMonotonic"]) / 1e6
    running = seen["ActiveState"] == "active"
    return {"running": running, "kill_mode": seen["KillMode"], "started": time.time() - ago}


def kept_changes(name="glusterd"):
    """
    What has to change so that the bricks live on while glusterd is restarted.

    name
        The service (string, default ``glusterd``).

    Returns a dict ``{"KillMode": {"old": "control-group", "new": "process"}}``, an empty one where they do.

    CLI Example:

    .. code-block:: bash

        salt kvm1 glusterd.kept_changes
    """
    mode = service(name).get("kill_mode", "process")
    return {} if mode == "process" else {"KillMode": {"old": mode, "new": "process"}}


def restart_changes(name="glusterd", path="/etc/glusterfs/glusterd.vol", keep_bricks=True):
    """
    What a restart of glusterd would bring into force, and what of its unit has to be changed before.

    name
        The service (string, default ``glusterd``).

    path
        glusterd's own volume file (string, default /etc/glusterfs/glusterd.vol): younger than the daemon, a restart is
        due.

    keep_bricks
        Whether the bricks are to live on (bool, default True).

    Returns a dict with what differs, an empty one when nothing is due::

        {"KillMode": {"old": "control-group", "new": "process"},
         "glusterd": {"old": "started before /etc/glusterfs/glusterd.vol was changed", "new": "restarted"}}

    Raises CommandExecutionError when glusterd does not run or there is no such file.

    CLI Example:

    .. code-block:: bash

        salt kvm1 glusterd.restart_changes
    """
    seen = service(name)
    if not seen.get("running"):
        raise CommandExecutionError(f"{name} does not run: start it with `systemctl start {name}`")
    changes = kept_changes(name) if keep_bricks else {}
    try:
        changed = os.path.getmtime(path)
    except FileNotFoundError:
        raise CommandExecutionError(f"{path} is missing: install glusterfs-server on this node") from None
    if changed > seen["started"]:
        changes[name] = {"old": f"started before {path} was changed", "new": "restarted"}
    return changes


def keep_bricks(name="glusterd"):
    """
    Have the bricks live on while glusterd is restarted: ``KillMode=process`` in a drop-in of its unit, which says why.

    name
        The service (string, default ``glusterd``).

    Returns True.

    CLI Example:

    .. code-block:: bash

        salt kvm1 glusterd.keep_bricks
    """
    path = DROP_IN.format(name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with salt.utils.files.fopen(path, "w") as stream:
        stream.write(TEXT)
    return __salt__["service.systemctl_reload"]()


def restart(name="glusterd"):
    """
    Restart glusterd, also where systemd would not start it again: Debian's unit allows six starts an hour, and leaves
    it stopped at the seventh.

    name
        The service (string, default ``glusterd``).

    Returns True.

    Raises CommandExecutionError with systemd's message.

    CLI Example:

    .. code-block:: bash

        salt kvm1 glusterd.restart
    """
    reset = ["systemctl", "reset-failed", f"{name}.service"]
    __salt__["cmd.run_all"](reset, python_shell=False, ignore_retcode=True, timeout=30)
    return __salt__["service.restart"](name)
