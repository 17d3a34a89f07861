"""
Gluster and the operating system are upgraded under a pool, one server after the other
======================================================================================

What the servers say before and after; the upgrade itself is the administrator's. What was measured: docs/upgrade.md.
"""

import contextlib
import os
import re
import time

import psutil
import salt.utils.path
from salt.exceptions import CommandExecutionError

__virtualname__ = "gluster_upgrade"

PROGRAMS = ("glusterd", "glusterfsd", "glusterfs")
PROTOCOL = "cluster.op-version"
# What Gluster 11 of Debian is built without, and drops from the definitions of volumes. With these values, one of which
# Gluster 10 gives a new volume, it does nothing there either.
DROPPED = {"nfs.disable": ("on", "enable", "yes", "true", "1")}
ANSWER = 10  # seconds for glusterd's answer, which takes a tenth of one
# Bytes that have to be free for the definitions: a glusterd that starts writes files of its own, too.
ROOM = 16 * 2**20


def __virtual__():
    return __virtualname__


def view():
    """
    This server as ``gluster_repair.membership`` has it, and what is to be known before and after its upgrade.

    Returns a dict with more keys. ``replaced`` are the programs of root that run and whose file has been replaced
    since, as by an upgrade that no reboot has followed. ``settings`` is what is set for each volume, its bricks and its
    options, without what Gluster 11 drops; ``lines`` is what it would drop, on disk or as glusterd has it. ``bricks``
    are those here of started volumes, each with the seconds since its process has begun, None where there is none.
    ``asked`` is what the pillar wants of what is dropped, ``snapshots`` are those of volumes, and ``ends`` says why
    glusterd must not be stopped: bricks end with it, and will once the run has done what the pillar says of its unit,
    or there is no room for its definitions. It is None where neither is so::

        {..., "replaced": ["glusterfsd"],
         "settings": {"one_vol": {"bricks": "kvm1:/data/one_vol kvm2:/data/one_vol", "network.ping-timeout": "20"}},
         "lines": {"one_vol": {"nfs.disable": "on"}}, "bricks": {"kvm1:/data/one_vol": 86400}, "asked": [],
         "snapshots": [], "ends": None}

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_upgrade.view
    """
    volumes, plan = __salt__["glusterd.volumes"](), __salt__["gluster_one_pillar.node"]()
    settings = {
        name: {
            **{option: value for option, value in volume["options"].items() if not _does_nothing(option, value)},
            "status": str(volume["status"]),
            "bricks": " ".join(volume["bricks"]),
        }
        for name, volume in volumes.items()
    }
    options = [volume["options"] or {} for volume in plan.get("volumes", {}).values()]
    unit = (plan["glusterd"]["service"], plan["restart"]["keep_bricks"]) if not plan["errors"] else ()
    found = __salt__["gluster_repair.membership"]()
    return {
        **found,
        "replaced": _replaced(),
        "settings": settings,
        "lines": lines(found["running"]),
        "bricks": _bricks(),
        "asked": sorted({option for option in DROPPED for each in options if option in each}),
        "snapshots": __salt__["glusterd.snapshots"](),
        "ends": _ends(*unit) or _full(),
    }


def _does_nothing(option, value):
    return value.lower() in DROPPED.get(option, ())


def lines(running=True):
    """
    What Gluster 11 drops from the definitions of volumes, and is there: on disk, or as the running glusterd has it.

    running
        Whether glusterd may be asked (bool, default True).

    Returns a dict by volume of dicts, an empty one where there is nothing: ``{"one_vol": {"nfs.disable": "on"}}``.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_upgrade.lines
    """
    loaded = {}
    with contextlib.suppress(CommandExecutionError):  # it does not run
        loaded = __salt__["gluster.volume_info"]() if running else loaded
    found = {}
    for name, volume in __salt__["glusterd.volumes"]().items():
        options = {**loaded.get(name, {}).get("options", {}), **volume["options"]}
        there = {option: options[option] for option in DROPPED if option in options}
        found.update({name: there} if there else {})
    return found


def _bricks():
    """
    The bricks of started volumes on this server, with the seconds since the process of each has begun, None without.
    """
    found = {}
    for name in __salt__["glusterd.volumes"]():
        own = __salt__["glusterd.bricks"](name)
        found.update({**own["up"], **dict.fromkeys(own["down"])})
    return found


def _ends(service="glusterd", kept=False):
    """
    Why bricks would end with glusterd, as a sentence, or None.
    """
    unit = __salt__["glusterd.service"](service)  # empty where systemd says nothing, and keeps none
    if unit and (kept or unit["kill_mode"] == "process"):
        return None
    return f"bricks would end with {service}: `keep_bricks: true` in the pillar and gluster_one.glusterd keep them"


def _full():
    """
    That there is no room for the definitions of volumes, as a sentence, or None.
    """
    free = __salt__["glusterd.free_bytes"]()
    if free >= ROOM:
        return None
    return f"/var/lib/glusterd has {free // 2**20} MiB free, and {ROOM // 2**20} are needed: make room there"


def take_out_error(service="glusterd", kept=False, paused=()):
    """
    Why glusterd is not stopped here to take options out of the definitions of volumes.

    service
        glusterd's service (string, default ``glusterd``).

    kept
        Whether its unit will keep bricks running by then (bool, default False). Otherwise it is looked at.

    paused
        Volumes whose server quorum will be off by then (list of strings, default none).

    Returns a sentence, None where it costs no brick, and there is room for the definitions. One that does not run costs
    none.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_upgrade.take_out_error
    """
    quorum = [
        name
        for name, volume in __salt__["glusterd.volumes"]().items()
        if name not in paused and __utils__["gluster_options.has_server_quorum"](volume["options"])
    ]
    if quorum:
        return (
            f"the definitions are left as they are: volume {', '.join(quorum)} has a server quorum, and servers that "
            "reject each other meanwhile would end their bricks: the orchestration turns it off (docs/upgrade.md)"
        )
    if not __salt__["glusterd.service"](service).get("running", True):
        full = _full()
        return f"{service} is not started: {full}" if full else None
    down = [brick for brick, age in _bricks().items() if age is None]
    wrong = _ends(service, kept) or _full() or (f"{', '.join(down)} is down" if down else None)
    return f"{service} is not stopped: {wrong}" if wrong else None


def take_out(service="glusterd", timeout=120):
    """
    Take what Gluster 11 drops out of this server's definitions of volumes, while its glusterd is stopped.

    It is started afterwards in any case, also where it did not run before. Bricks run on. Until all servers have done
    so, those that have and those that have not reject each other. Meanwhile this server has the turn of
    ``gluster_lock.lock``: an option that a run sets while its glusterd is stopped would be newer elsewhere.

    service
        glusterd's service (string, default ``glusterd``).

    timeout
        Seconds for each of: the turn, glusterd's answer afterwards (int, default 120).

    Returns True.

    Raises CommandExecutionError, before anything is done, where :func:`take_out_error` says why, or the turn does not
    come; afterwards where glusterd does not answer, or a brick was restarted.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_upgrade.take_out
    """
    _require_take_out(service)
    try:
        if __salt__["glusterd.service"](service).get("running", True):  # else the volume cannot be mounted for the lock
            __salt__["gluster_lock.lock"](timeout)
            _require_take_out(service)  # a run may have set an option before
            __salt__["gluster_lock.lock_held"]()
        return _taken_out(service, timeout)
    finally:
        __salt__["gluster_lock.unlock"]()


def _require_take_out(service):
    wrong = take_out_error(service)
    if wrong:
        raise CommandExecutionError(wrong)


def _taken_out(service, timeout):
    found, up, begin = lines(), _up(), time.time()
    try:
        __salt__["service.stop"](service)
        if __salt__["glusterd.service"](service).get("running"):
            raise CommandExecutionError(f"{service} could not be stopped, and the definitions are as they were")
        for volume, options in found.items():
            __salt__["glusterd.take_out"](volume, list(options))
    finally:
        # A restart, not a start: somebody else may have started it before the definitions were changed.
        __salt__["glusterd.restart"](service)
    answer = lambda: __salt__["gluster.peer_status"](timeout=ANSWER) and None  # noqa: E731
    failure = f"{service} was started, and did not answer"
    __utils__["gluster_states.wait_for"](answer, timeout, failure, ": see /var/log/glusterfs/glusterd.log")
    now, passed = _up(), time.time() - begin
    again = [brick for brick in up if now.get(brick, 0) < int(passed)]
    if again:
        raise CommandExecutionError(
            f"{', '.join(again)} did not run on while {service} was restarted: wait until all is healed, and run again"
        )
    return True


def _up():
    return {brick: age for brick, age in _bricks().items() if age is not None}


def _replaced():
    found = set()
    for process in psutil.process_iter(["uids"]):
        name = __utils__["gluster_process.comm"](process.pid)
        # Anybody can name a program like one of these.
        if name in PROGRAMS and process.info["uids"] and process.info["uids"].effective == 0:
            with contextlib.suppress(OSError):  # it has ended
                if os.readlink(f"/proc/{process.pid}/exe").endswith(" (deleted)"):
                    found.add(name)
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


def unhealed():
    """
    What waits to be healed on the started volumes of the pool; servers may reject each other meanwhile.

    Returns a dict by volume of how many files, None where it is not known: ``{"one_vol": 0}``.

    Raises CommandExecutionError when glusterd does not answer.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_upgrade.unhealed
    """
    started = [name for name, volume in __salt__["glusterd.volumes"]().items() if volume["status"] == "Started"]
    return {name: counts["pending"] for name, counts in __salt__["gluster.snapshot"](heal=started)["heal"].items()}


def held_for_down():
    """
    The bricks of the pool's started volumes that are down by Gluster's word, although their servers are connected.

    Returns a list of bricks, which may run nevertheless: see ``bricks`` of :func:`view`.

    Raises CommandExecutionError when Gluster does not list them.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_upgrade.held_for_down
    """
    return [brick for name in __salt__["glusterd.volumes"]() for brick in __salt__["gluster_pool.bricks_down"](name)]


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
