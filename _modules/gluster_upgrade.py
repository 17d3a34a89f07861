"""
Gluster and the operating system are upgraded under a pool, one server after the other
======================================================================================

What the servers say before and after; the upgrade itself is the administrator's. What was measured: docs/upgrade.md.
"""

import contextlib
import os
import re

import psutil
import salt.utils.files
import salt.utils.path
from salt.exceptions import CommandExecutionError

__virtualname__ = "gluster_upgrade"

PROGRAMS = ("glusterd", "glusterfsd", "glusterfs")
PROTOCOL = "cluster.op-version"
INFO = "/var/lib/glusterd/vols/{}/info"
# What Gluster 11 of Debian, which is built without the NFS server, does not know, and leaves out when it writes INFO.
DROPPED = ("nfs.disable=on", "nfs.disable=enable", "nfs.disable=yes", "nfs.disable=true", "nfs.disable=1")


def __virtual__():
    return __virtualname__


def view():
    """
    This server as ``gluster_repair.view`` has it, and which version of Gluster is installed.

    Returns a dict with three keys more: ``version``, None where it is not known; ``replaced``, the programs that run
    and whose file has been replaced since, as by an upgrade that no reboot has followed; and ``settings``, what is set
    for each volume, its bricks and its options::

        {..., "version": "11.1", "replaced": ["glusterfsd"],
         "settings": {"one_vol": {"bricks": "kvm1:/data/one_vol kvm2:/data/one_vol", "nfs.disable": "on"}}}

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_upgrade.view
    """
    settings = {
        name: {**volume["options"], "status": str(volume["status"]), "bricks": " ".join(volume["bricks"])}
        for name, volume in __salt__["glusterd.volumes"]().items()
    }
    return {**__salt__["gluster_repair.view"](), "version": _version(), "replaced": _replaced(), "settings": settings}


def _version():
    program = salt.utils.path.which("glusterd")
    if not program:
        return None
    done = __salt__["cmd.run_all"]([program, "--version"], python_shell=False, ignore_retcode=True, timeout=10)
    found = re.match(r"glusterfs (\d+(\.\d+)*)", done["stdout"])
    return found and found[1]


def _replaced():
    found = set()
    for process in psutil.process_iter(["name"]):
        if process.info["name"] in PROGRAMS:
            with contextlib.suppress(OSError):  # it has ended
                if os.readlink(f"/proc/{process.pid}/exe").endswith(" (deleted)"):
                    found.add(process.info["name"])
    return sorted(found)


def conversion_changes(versions):
    """
    How this server's definitions of volumes differ from those that a newer version of Gluster writes.

    versions
        The version that the definition of each volume is to have (dict of ints by volume).

    Returns a dict of changes, an empty one where nothing is to be done::

        {"one_vol": {"old": "version 7, nfs.disable=on", "new": "version 7"}}

    CLI Example:

    .. code-block:: bash

        salt kvm2 gluster_upgrade.conversion_changes '{one_vol: 7}'
    """
    changes = {}
    for name, version in sorted(versions.items()):
        lines = _lines(name)
        old = [f"version {line[8:]}" for line in lines if line.startswith("version=")] + [
            line for line in lines if line in DROPPED
        ]
        if old != [f"version {version}"]:
            changes[name] = {"old": ", ".join(old), "new": f"version {version}"}
    return changes


def _lines(volume):
    with salt.utils.files.fopen(INFO.format(volume)) as stream:
        return stream.read().splitlines()


def unhealed(volumes):
    """
    What waits to be healed of volumes, also where their servers reject each other.

    volumes
        The volumes (list of strings).

    Returns a sentence, None where nothing does; a volume without replicas has nothing to heal.

    Raises CommandExecutionError when glusterd does not answer.

    CLI Example:

    .. code-block:: bash

        salt kvm2 gluster_upgrade.unhealed '[one_vol]'
    """
    seen = __salt__["gluster.snapshot"](heal=volumes)
    started = [name for name in volumes if seen["volumes"].get(name, {}).get("status") == "Started"]
    pending = {name: seen["heal"].get(name, {}).get("pending") for name in started}
    for name in started:
        if pending[name] is None:
            return f"it is not known what waits to be healed on volume {name}"
        if pending[name]:
            return f"{pending[name]} files of volume {name} wait to be healed"
    return None


def hold(service="glusterd"):
    """
    Stop glusterd, while its bricks run on, so that it does not lose the servers' quorum and end them.

    service
        glusterd's service (string, default ``glusterd``).

    Returns True.

    Raises CommandExecutionError, before anything is done, where bricks would end with it.

    CLI Example:

    .. code-block:: bash

        salt kvm3 gluster_upgrade.hold
    """
    _require_kept(service)
    return __salt__["service.stop"](service)


def _require_kept(service):
    up = [brick for name in __salt__["glusterd.volumes"]() for brick in __salt__["glusterd.bricks"](name)["up"]]
    seen = __salt__["glusterd.service"](service)
    if up and seen.get("running") and seen.get("kill_mode") != "process":
        raise CommandExecutionError(
            f"{service} was not stopped: {', '.join(up)} would end with it; `keep_bricks: true` in the pillar and "
            "gluster_one.glusterd keep bricks running"
        )


def convert(versions, members, service="glusterd", timeout=120):
    """
    Write this server's definitions of volumes as a newer version of Gluster does, while its glusterd is stopped.

    The upgraded servers take it for a member then. Other ways in which they come to agree restart the bricks of all
    servers that take over a definition, at the same time. Here at most those of this server are, where glusterd is for
    a moment without the servers' quorum.

    versions
        See :func:`conversion_changes`.

    members
        The uuids of the servers that have these definitions already (list of strings).

    service
        glusterd's service (string, default ``glusterd``).

    timeout
        Seconds to wait until they are members (int, default 120).

    Returns True.

    Raises CommandExecutionError, before anything is done, where bricks would end with glusterd, or where a definition
    has become a newer one; or when they do not become members.

    CLI Example:

    .. code-block:: bash

        salt kvm2 gluster_upgrade.convert '{one_vol: 7}' '[1c7e4b1a-3f0c-4c52-9d0b-0c8b7b8f0a11]'
    """
    there = __salt__["glusterd.definitions"]()
    newer = [name for name, version in sorted(versions.items()) if there[name]["version"] > version]
    if newer:
        raise CommandExecutionError(f"{', '.join(newer)} has been changed meanwhile: run the same command again")
    _require_kept(service)
    __salt__["service.stop"](service)
    try:
        for name in conversion_changes(versions):
            lines = [f"version={versions[name]}" if line.startswith("version=") else line for line in _lines(name)]
            text = "".join(f"{line}\n" for line in lines if line not in DROPPED)
            __utils__["gluster_files.write"](INFO.format(name), text)
    finally:
        __salt__["glusterd.restart"](service)

    def apart():
        peers = {peer["uuid"]: peer for peer in __salt__["gluster.peer_status"]()}
        wrong = [uuid for uuid in members if not peers[uuid]["connected"]]
        return ", ".join(f"{peers[uuid]['hostnames'][-1]} is {peers[uuid]['state']!r}" for uuid in wrong)

    failure = f"{service} was started with new definitions of its volumes, and is not taken for a member"
    cure = ": see /var/log/glusterfs/glusterd.log, and run the same command again"
    __utils__["gluster_states.wait_for"](apart, timeout, failure, cure)
    return True


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
