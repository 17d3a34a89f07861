"""
Gluster and the operating system are upgraded under a pool, one server after the other
======================================================================================

What the servers say before and after; the upgrade itself is the administrator's. What was measured: docs/upgrade.md.
"""

import contextlib
import os
import re

import psutil
import salt.utils.path
from salt.exceptions import CommandExecutionError

__virtualname__ = "gluster_upgrade"

PROGRAMS = ("glusterd", "glusterfsd", "glusterfs")
PROTOCOL = "cluster.op-version"


def __virtual__():
    return __virtualname__


def view():
    """
    This server as ``gluster_repair.membership`` has it, and whether its upgrade has come to an end.

    Returns a dict with two keys more: ``replaced`` are the programs of root that run and whose file has been replaced
    since, as by an upgrade that no reboot has followed, and ``settings`` what is set for each volume, its bricks and
    its options::

        {..., "replaced": ["glusterfsd"],
         "settings": {"one_vol": {"bricks": "kvm1:/data/one_vol kvm2:/data/one_vol", "nfs.disable": "on"}}}

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_upgrade.view
    """
    settings = {
        name: {**volume["options"], "status": str(volume["status"]), "bricks": " ".join(volume["bricks"])}
        for name, volume in __salt__["glusterd.volumes"]().items()
    }
    return {**__salt__["gluster_repair.membership"](), "replaced": _replaced(), "settings": settings}


def _replaced():
    found = set()
    for process in psutil.process_iter(["name", "uids"]):
        # Anybody can name a program like one of these.
        if process.info["name"] in PROGRAMS and process.info["uids"] and process.info["uids"].effective == 0:
            with contextlib.suppress(OSError):  # it has ended
                if os.readlink(f"/proc/{process.pid}/exe").endswith(" (deleted)"):
                    found.add(process.info["name"])
    return sorted(found)


def driver():
    """
    Whether the newest package of QEMU's gluster driver that apt knows has that driver; no network is used.

    Returns a dict. ``needed`` is whether VMs of this node use native access; ``candidate`` is None, and ``gluster``
    too, where apt knows nothing newer than what is installed::

        {"needed": True, "package": "qemu-block-extra", "candidate": "1:10.0.3+ds-0+deb13u1", "gluster": True}

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_upgrade.driver
    """
    node, package = __salt__["gluster_one_pillar.node"](), __utils__["gluster_system.package"]("qemu_gluster_package")
    volumes = node.get("volumes", {}).values()
    needed = "hypervisor" in node.get("roles", ()) and any("native" in volume["access"] for volume in volumes)
    found = {"needed": needed, "package": package, "candidate": None, "gluster": None}
    if needed and salt.utils.path.which("apt-cache"):
        known = dict(re.findall(r"^ *(Installed|Candidate): (\S+)$", _apt("policy", package), re.MULTILINE))
        candidate = known.get("Candidate", "(none)")
        if candidate not in ("(none)", known.get("Installed")):
            needs = re.findall(r"^(?:Pre-)?Depends: .*", _apt("show", f"{package}={candidate}"), re.MULTILINE)
            found.update(candidate=candidate, gluster="libgfapi" in "".join(needs))
    return found


def _apt(*words):
    command, more = ["apt-cache", *words], {"env": {"LC_ALL": "C"}, "ignore_retcode": True}
    return __salt__["cmd.run_all"](command, python_shell=False, timeout=30, **more)["stdout"]


def op_versions():
    """
    The versions of Gluster's protocol: that of the pool, and those that its servers and clients speak.

    Returns a dict; ``most`` is the newest that all servers speak, ``clients`` the newest of each client, by volume and
    address::

        {"pool": 100000, "most": 110000, "clients": {"one_vol": {"10.0.0.1": 110000}}}

    Raises CommandExecutionError when glusterd does not answer, or does not say which clients a volume has.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_upgrade.op_versions
    """
    volumes = __salt__["gluster.volume_info"]()
    started = [name for name, info in sorted(volumes.items()) if info["status"] == "Started"]
    return {
        "pool": __salt__["glusterd.info"]()["operating_version"],
        "most": __salt__["gluster.max_op_version"](),
        "clients": {name: __salt__["gluster.client_versions"](name) for name in started},
    }


def set_op_version(version, timeout=120):
    """
    Have the pool speak a newer version of Gluster's protocol. It cannot be lowered again.

    version
        The version (int).

    timeout
        Seconds to wait for Gluster's answer and for its lock (int, default 120).

    Returns True.

    Raises CommandExecutionError with Gluster's message, as where a server does not speak it; and, before anything is
    set, where a server is not a full member, which would not be asked.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_upgrade.set_op_version 110000
    """
    apart = __salt__["gluster_pool.peers_apart"]()
    if apart:
        raise CommandExecutionError(f"{PROTOCOL} was not set: {apart}")
    return __salt__["gluster.volume_set"]("all", {PROTOCOL: version}, timeout)
