"""
A peer that is no full member of its pool becomes one again, without loss
=========================================================================

What the servers of a pool say before, and what each of them does. The ways were measured with Gluster 10.3:
docs/repair-peer.md.
"""

import contextlib
import os
import time

from salt.exceptions import CommandExecutionError

__virtualname__ = "gluster_repair"

MEMBER = "Peer in Cluster"
# Options that every volume has, with their values: one of them is set to what it is, for a newer version of the volume.
SAME = ("storage.fips-mode-rchecksum", "transport.address-family", "nfs.disable")
MOST = 100  # how much newer a version can become
ANSWER = 10  # seconds for glusterd's answer, which takes a tenth of one: the plan waits for the slowest server


def __virtual__():
    return __virtualname__


def membership():
    """
    How this server and its peers take each other, and what it knows of the volumes.

    Returns a dict; ``peers`` are those on disk where Gluster does not say it, as while a probe goes on, ``unfinished``
    the servers that were probed and have not answered, ``running`` is False, too, where glusterd hangs, ``version`` is
    Gluster's, as ``glusterd.version`` has it, ``paused`` what the server quorum was of volumes where it is off for a
    preparation (``gluster_options.paused``)::

        {"uuid": "...", "operating_version": 100000, "version": "10.3", "running": True, "unfinished": ["kvm4"],
         "paused": {},
         "peers": [{"uuid": "...", "hostnames": ["kvm2"], "connected": True, "state": "Peer in Cluster"}],
         "volumes": {"one_vol": {"id": "...", "version": 7, "checksum": "871155875"}}}

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_repair.membership
    """
    found = {
        **__salt__["glusterd.info"](),
        "version": __salt__["glusterd.version"](),
        "running": True,
        "unfinished": sorted(__salt__["glusterd.unfinished_probes"]()),
        "volumes": __salt__["glusterd.definitions"](),
    }
    paused = __utils__["gluster_options.paused"]
    options = {name: volume["options"] for name, volume in __salt__["glusterd.volumes"]().items()}
    found["paused"] = {name: paused(options[name]) for name in options if paused(options[name])}
    try:
        found["peers"] = __salt__["gluster.peer_status"](timeout=ANSWER)
    except CommandExecutionError:
        found["running"] = bool(found["unfinished"])  # glusterd that waits for an answer says nothing
        found["peers"] = __salt__["glusterd.stored_peers"]()
    return found


def view():
    """
    How this server and its peers take each other, and what a restart of glusterd costs, for the plan of a repair.

    Returns a dict as :func:`membership` with two keys more. ``restart`` is what a restart of glusterd would cost here,
    as ``gluster_pool.restart_losses`` has it, once the run has done what the pillar says of its unit; ``counted`` are
    the volumes with several bricks here, each with whether Gluster takes the sizes of these right::

        {..., "restart": {"bricks": [], "quorum": []}, "counted": {"two_vol": True}}

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_repair.view
    """
    found = membership()
    found["counted"] = {}
    for name in sorted(found["volumes"]):
        bricks = __salt__["glusterd.directories"](name).values()
        if len(bricks) > 1:
            found["counted"][name] = not any(brick and brick["miscounted"] for brick in bricks)
    plan = __salt__["gluster_one_pillar.node"]()
    about = [] if plan["errors"] else [plan["glusterd"]["service"], plan["restart"]["keep_bricks"]]
    try:
        if not found["running"]:
            raise CommandExecutionError("glusterd does not answer")  # nor is it waited for a second time
        found["restart"] = __salt__["gluster_pool.restart_losses"](*about)
    except CommandExecutionError as exc:
        found["restart"] = {"bricks": [], "quorum": [str(exc)]}
    return found


def accept_changes(peers):
    """
    Which peers this server's glusterd does not keep as full members.

    peers
        The names of each by its uuid (dict of lists of strings).

    Returns a dict of changes, an empty one where it keeps all so.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_repair.accept_changes '{1c7e...: [kvm3]}'
    """
    states = {peer["uuid"]: peer["state"] for peer in __salt__["glusterd.stored_peers"]()}
    wrong = {uuid: names for uuid, names in peers.items() if states.get(uuid) != MEMBER}
    return {names[0]: {"old": states.get(uuid), "new": MEMBER} for uuid, names in wrong.items()}


def restart_error(service="glusterd", kept=False):
    """
    Why glusterd is not restarted here for a repair.

    service, kept
        See ``gluster_pool.restart_losses``.

    Returns a sentence, None where it costs no brick.

    Raises CommandExecutionError when glusterd does not answer.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_repair.restart_error
    """
    because = __salt__["gluster_pool.restart_blockers"](service, kept)
    return f"{service} is not restarted: {'; '.join(because)}" if because else None


def accept(peers, service="glusterd"):
    """
    Have this server's glusterd keep some peers as full members; it is restarted for that, and its bricks run on.

    peers
        The names of each by its uuid (dict of lists of strings).

    service
        glusterd's service (string, default ``glusterd``).

    Returns True.

    Raises CommandExecutionError, before anything is done, where the restart would cost bricks.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_repair.accept '{1c7e...: [kvm3]}'
    """
    with _stopped(service) as own:
        __salt__["glusterd.restore_identity"](own["uuid"], own["operating_version"], peers)
    return True


@contextlib.contextmanager
def _stopped(service):
    """
    glusterd does not run, where that costs no brick; yields what it was before, and starts it again in any case.
    """
    wrong = restart_error(service)
    if wrong:
        raise CommandExecutionError(wrong)
    own = __salt__["glusterd.info"]()
    __salt__["service.stop"](service)
    try:
        yield own
    finally:
        __salt__["glusterd.restart"](service)


def start_again(service="glusterd"):
    """
    Restart this server's glusterd, while its bricks run on.

    service
        glusterd's service (string, default ``glusterd``).

    Returns True.

    Raises CommandExecutionError, before anything is done, where the restart would cost bricks.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_repair.start_again
    """
    with _stopped(service):
        return True


def forget_changes(names):
    """
    Which of these servers this one has probed without an answer.

    names
        The servers (list of strings).

    Returns a dict of changes by the name with which each was probed, an empty one where there is none.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_repair.forget_changes '[kvm4]'
    """
    return {name: {"old": "probed", "new": "forgotten"} for name in _probes(names)}


def _probes(names):
    """
    The files of those probes that have not ended, by the servers' names, which may be written in any case.
    """
    wanted = {name.casefold() for name in names}
    return {name: path for name, path in __salt__["glusterd.unfinished_probes"]().items() if name.casefold() in wanted}


def forget(names, service="glusterd"):
    """
    Have this server's glusterd forget probes that have not ended; it is restarted for that, and its bricks run on.

    names
        The servers that were probed (list of strings).

    service
        glusterd's service (string, default ``glusterd``).

    Returns True.

    Raises CommandExecutionError, before anything is done, where the restart would cost bricks.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_repair.forget '[kvm4]'
    """
    with _stopped(service):
        for path in _probes(names).values():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
    return True


def renew(volume, above, timeout=120):
    """
    Give a volume a higher version on the members of the pool, so that a server which is rejected takes over theirs.

    An option is set to the value that it has.

    volume
        The volume (string).

    above
        The version that is to be exceeded (int).

    timeout
        Seconds for Gluster's lock, and for other refusals to end (int, default 120).

    Returns True.

    Raises CommandExecutionError with Gluster's message, where there is no option to set, or where the versions are far
    apart.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_repair.renew one_vol 7
    """
    end = time.monotonic() + timeout
    for _ in range(MOST):
        if __salt__["glusterd.definitions"]().get(volume, {}).get("version", 0) > above:
            return True
        options = __salt__["gluster.volume_info"](volume).get(volume, {}).get("options", {})
        option = next((option for option in SAME if option in options), None)
        if option is None:
            raise CommandExecutionError(
                f"volume {volume} has none of the options {', '.join(SAME)}, which could be set to what it is: "
                f"`gluster volume set {volume} nfs.disable on`, and run again"
            )
        try:
            __salt__["gluster.volume_set"](volume, {option: options[option]}, timeout)
        except CommandExecutionError:
            if time.monotonic() >= end:
                raise
            time.sleep(2)  # a glusterd that has just come back refuses it for a moment
    raise CommandExecutionError(f"the version of volume {volume} is still not above {above}: run again")


def not_joined():
    """
    Which servers of the pool do not see each other as full members, and which probes have not ended.

    Returns a sentence, None where all are.

    Raises CommandExecutionError when glusterd does not answer.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_repair.not_joined
    """
    unfinished = sorted(__salt__["glusterd.unfinished_probes"]())
    if unfinished:
        return f"a probe of {', '.join(unfinished)} has not ended"
    return __salt__["gluster_pool.peers_apart"]()
