"""
What a Gluster server and the coordinator of a volume do besides its options, as states
=======================================================================================

More states of ``gluster_one``: Salt joins modules of one virtual name.
"""

import contextlib
import functools
import logging

from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "gluster_one"

log = logging.getLogger(__name__)
RECORD = "glusterd"  # its key for the options of glusterd's volume file, by the file's path
# Seconds in which bricks come up after a start of glusterd.
BACK = 15
RESTART = {"old": "running", "new": "restarted"}


def __virtual__():
    return __virtualname__


def glusterd_configured(name="glusterd", options=None, path="/etc/glusterfs/glusterd.vol", servers=None):
    """
    glusterd accepts clients that are not root (the guide's ``option rpc-auth-allow-insecure on``). For every server.

    Only these options are edited, every other line stays. glusterd reads them at its next start: it is not restarted,
    because VMs work without them (since 3.7.3 Gluster accepts non-root clients by default), and a restart may end the
    server's bricks.

    name
        glusterd's service (string, default ``glusterd``).

    options
        Further options of its volume file and their values (dict, default none).

    path
        Its volume file (string, default /etc/glusterfs/glusterd.vol).

    servers
        The servers of this server's volumes (list of host names, default none): fails, after the options are written,
        where this server is in no pool although there are others, or is not a full member.

    .. code-block:: yaml

        glusterd:
          gluster_one.glusterd_configured: []
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    try:
        __salt__["gluster_one_arguments.require_arguments"](
            "glusterd_configured", name=name, options=options, path=path, servers=servers
        )
        wanted = __utils__["gluster_options.merged_options"]({"rpc-auth-allow-insecure": "on"}, options)
        differing = lambda: __utils__["gluster_options.option_changes"](__salt__["glusterd.options"](path), wanted)  # noqa: E731
        changes = differing()
        if __opts__["test"] or not changes:
            fine = ", ".join(f"{option} is {value}" for option, value in wanted.items())
            return _in_pool(__utils__["gluster_states.would_change"](ret, changes, fine), servers)
        known = __salt__["gluster_one_record.recorded"](RECORD).get(path, {})
        __salt__["gluster_one_record.record"](RECORD, {path: __utils__["gluster_options.noted"](known, changes)})
        __salt__["glusterd.set_options"]({option: change["new"] for option, change in changes.items()}, path=path)
        fine = f"takes effect when {name} restarts; VMs work without it"
        return _in_pool(__utils__["gluster_states.changed"](ret, changes, differing(), fine), servers)
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def _in_pool(ret, servers):
    """
    What a state returns, as a failure where this server is not in its pool.
    """
    apart = __salt__["glusterd.not_in_pool"](servers) if servers else None
    advice = (
        "if it is new, `gluster peer probe` it on a member; if it was reinstalled, see docs/replace.md; else "
        "docs/status.md, A server that is not in the pool"
    )
    return {**ret, "result": False, "comment": f"{ret['comment']}; {apart}: {advice}"} if apart else ret


def bricks_kept(name="glusterd"):
    """
    Bricks keep running while glusterd restarts, whoever restarts it. For every server.

    An upgrade of the package restarts it, too. Nothing is restarted by this state: where the unit's ``KillMode`` is not
    ``process``, it writes a drop-in.

    name
        glusterd's service (string, default ``glusterd``).

    .. code-block:: yaml

        glusterd:
          gluster_one.bricks_kept: []
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    try:
        __salt__["gluster_one_arguments.require_arguments"]("bricks_kept", name=name)
        changes = __salt__["glusterd.kept_changes"](name, run=globals().get("__instance_id__"))
        fine = f"bricks keep running while {name} restarts"
        if __opts__["test"] or not changes:
            return __utils__["gluster_states.would_change"](ret, changes, fine)
        __salt__["glusterd.keep_bricks"](name)
        return __utils__["gluster_states.changed"](ret, changes, __salt__["glusterd.kept_changes"](name), fine)
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def glusterd_running(name="glusterd"):
    """
    glusterd runs; if not, it is started at once. For every server.

    After a crash systemd waits before it starts glusterd (Debian's unit a minute), and after six starts in an hour it
    gives up.

    name
        glusterd's service (string, default ``glusterd``).

    .. code-block:: yaml

        glusterd:
          gluster_one.glusterd_running: []
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    stopped = {name: {"old": "stopped", "new": "running"}}
    differing = lambda: {} if __salt__["glusterd.service"](name).get("running") else stopped  # noqa: E731
    try:
        __salt__["gluster_one_arguments.require_arguments"]("glusterd_running", name=name)
        changes = differing()
        if __opts__["test"] or not changes:
            return __utils__["gluster_states.would_change"](ret, changes, f"{name} runs")
        __salt__["glusterd.restart"](name)
        return __utils__["gluster_states.changed"](ret, changes, differing(), f"{name} runs")
    except (CommandExecutionError, SaltInvocationError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def bricks_running(name, service="glusterd", timeout=120):
    """
    The bricks of a started volume on this server run; those that do not are started. For every server.

    A volume that is stopped stays stopped. The bricks of other servers are never started: over the empty directory of
    one whose file system is not mounted Gluster would make an empty brick, which dies, and only its own server can look
    there. So ``gluster volume start VOLUME force``, which starts all that are down, is used only where no other
    server's are. Else glusterd is restarted, which starts those of its own server alone: one server after the other, by
    the lock that restarts take or, where no volume can have one, by their uuids; and only while the bricks that run are
    kept and no volume loses its servers' quorum: else the state fails, also with ``test=True``.

    A brick that runs, and that glusterd still takes for down after 15 s, is ended and started anew, while enough of its
    copies are online: a start by force would hide it from new clients. Else the state fails, also with ``test=True``.

    name
        The volume (string).

    service
        glusterd's service (string, default ``glusterd``).

    timeout
        Seconds for the bricks to come up (int, default 120).

    .. code-block:: yaml

        one_vol:
          gluster_one.bricks_running: []
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    try:
        __salt__["gluster_one_arguments.require_arguments"](
            "bricks_running", name=name, service=service, timeout=timeout
        )
        down, others = _own_down(name), ", ".join(__salt__["gluster_pool.others_down"](name))
        changes = {brick: {"old": "down", "new": "online"} for brick in down}
        remark = f"; {others} down: apply gluster_one.started to its server" if others else ""
        if not down:
            return {**ret, "comment": f"all bricks of volume {name} on this server run{remark}"}
        _require_marked(name)
        restart, held = {service: RESTART}, _running(name, down)
        if __opts__["test"]:
            how = ""
            _require_copies(name, held)
            if others:
                _require_restart(name, others, service)
                changes, how = {**changes, **restart}, f" by a restart of {service}, unless {others} runs by then"
            return {**ret, "result": None, "changes": changes, "comment": f"would start {', '.join(down)}{how}{remark}"}
        if not held:
            ret["changes"] = restart if _start([name], timeout, service) else {}
        seen = lambda: ", ".join(_own_down(name))  # noqa: E731
        failure = f"the bricks of volume {name} on this server did not all run"
        with contextlib.suppress(CommandExecutionError):
            __utils__["gluster_states.wait_for"](seen, min(BACK, timeout), failure)
        if _start_anew(name, _own_down(name), timeout, service):
            ret["changes"] = restart
        cure = ": see the brick's log in /var/log/glusterfs/bricks"
        __utils__["gluster_states.wait_for"](seen, timeout, failure, cure)
        how = f" by a restart of {service}" if ret["changes"] else ""
        return {**ret, "changes": {**changes, **ret["changes"]}, "comment": f"started {', '.join(changes)}{how}"}
    except (CommandExecutionError, SaltInvocationError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def glusterd_restarted(
    name="glusterd",
    path="/etc/glusterfs/glusterd.vol",
    keep_bricks=True,
    outage=None,
    orchestrated=False,
    timeout=120,
):
    """
    glusterd runs with what its volume file says; if the file was changed after it started, glusterd is restarted.

    For every server, on all of them at once if need be, and only on request.

    One server of the pool at a time, by a lock on a volume: it begins when all peers are connected, all bricks online
    and connected to all clients and nothing waits to be healed, and the next server's turn comes when all of that is
    true again. The bricks keep running: where glusterd's unit itself does not ensure that, a drop-in does.

    name
        glusterd's service (string, default ``glusterd``).

    path
        Its volume file (string, default /etc/glusterfs/glusterd.vol).

    keep_bricks
        Whether the bricks are to keep running (bool, default True). Otherwise the unit is not changed, and a restart
        ends them if the unit says so.

    outage
        ``allow`` to restart it although a brick of this server has no online replica on another server, or a volume
        loses its quorum without this server (string).

    orchestrated
        Whether the caller ensures that no other server is restarted meanwhile (bool, default False). It is needed where
        no volume can be mounted for the lock.

    timeout
        Seconds for each wait (int, default 120): for the turn, per peer that may come first; for the pool, before and
        after.

    .. code-block:: yaml

        glusterd:
          gluster_one.glusterd_restarted: []
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    try:
        __salt__["gluster_one_arguments.require_arguments"]("glusterd_restarted", name=name, path=path, timeout=timeout)
        changes = __salt__["glusterd.restart_changes"](name, path, keep_bricks)
        fine = f"{name} runs with what {path} says"
        if __opts__["test"] and name not in changes and _file_to_change():
            changes[name] = {"old": f"started before {path} was changed", "new": "restarted"}
        if __opts__["test"] or not changes:
            return __utils__["gluster_states.would_change"](ret, changes, fine)
        if "KillMode" in changes:
            __salt__["glusterd.keep_bricks"](name)
            ret["changes"]["KillMode"] = changes["KillMode"]
        if name in changes:
            restart = functools.partial(__salt__["glusterd.restart"], name)
            blockers = functools.partial(__salt__["gluster_pool.stop_blockers"], {"this server": ["localhost"]})
            _in_turn(restart, name, blockers, outage, orchestrated, timeout, name)
        left = __salt__["glusterd.restart_changes"](name, path, keep_bricks)
        return __utils__["gluster_states.changed"](ret, changes, left, fine)
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def heal_daemon_connected(name, service="glusterd", timeout=120):
    """
    This server's self-heal daemon is connected to all running bricks of a volume; if not, it is restarted.

    No client notices. For every server; see ``gluster.heal_daemon_apart``. It may be that of several volumes: all get
    it back. As for ``bricks_running`` glusterd is restarted where ``gluster volume start VOLUME force`` would start
    other bricks as well, or one over a directory that is not the brick.

    name
        The volume (string).

    service
        glusterd's service (string, default ``glusterd``).

    timeout
        Seconds to wait until it is connected (int, default 120).

    .. code-block:: yaml

        one_vol:
          gluster_one.heal_daemon_connected: []
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    fine = f"the self-heal daemon is connected to the bricks of volume {name}"
    try:
        __salt__["gluster_one_arguments.require_arguments"](
            "heal_daemon_connected", name=name, service=service, timeout=timeout
        )
        healed = [
            each
            for each, info in sorted(__salt__["gluster.volume_info"]().items())
            if info["status"] == "Started" and (info["replica"] > 1 or info["disperse"])
        ]
        if name not in healed:
            return {**ret, "comment": f"volume {name} needs no self-heal daemon"}
        apart = lambda: ", ".join(__salt__["gluster.heal_daemon_apart"](name))  # noqa: E731
        missing = apart()
        changes = {"self-heal daemon": {"old": f"not connected to {missing}", "new": "restarted"}} if missing else {}
        if __opts__["test"] and changes and _not_by_force(healed):
            _require_restart(name, _not_by_force(healed), service)
            changes[service] = RESTART
        if __opts__["test"] or not changes:
            return __utils__["gluster_states.would_change"](ret, changes, fine)
        end = functools.partial(__salt__["gluster.heal_daemon_end"], name)
        if _start(healed, timeout, service, end):
            changes[service] = RESTART
        failure = "the self-heal daemon was restarted and is not connected to all bricks"
        __utils__["gluster_states.wait_for"](apart, timeout, failure)
        return __utils__["gluster_states.changed"](ret, changes, {}, fine)
    except (CommandExecutionError, SaltInvocationError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def bricks_restarted(name, every=False, outage=None, orchestrated=False, timeout=120):
    """
    No brick of this server rejects clients; those that do are restarted.

    They were started while ``server.allow-insecure`` was off. For every server, on all of them at once if need be, and
    only on request.

    No client is connected to a brick that rejects clients, so it is restarted at once. Other bricks are restarted only
    with ``every``: one at a time over the whole pool, as ``glusterd_restarted`` does it.

    name
        The volume (string).

    every
        Restart all bricks of this server, each time, as after a change of an option that they read when they start
        (bool, default False).

    outage, orchestrated, timeout
        As for ``glusterd_restarted``.

    .. code-block:: yaml

        one_vol:
          gluster_one.bricks_restarted: []
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    try:
        __salt__["gluster_one_arguments.require_arguments"]("bricks_restarted", name=name, timeout=timeout)
        fine = f"no brick of volume {name} here rejects clients"
        refusing, own, alone = _own_bricks(name)
        changes = {brick: {"old": "rejects clients", "new": "restarted"} for brick in refusing}
        if every:
            changes.update({brick: {"old": "online", "new": "restarted"} for brick in own if brick not in refusing})
        if changes:
            _require_marked(name)
        if __opts__["test"] or not changes:
            return __utils__["gluster_states.would_change"](ret, changes, fine)
        for brick in changes:
            restart = functools.partial(__salt__["gluster.brick_restart"], name, brick, timeout)
            if brick in refusing and alone:
                _others_up(name, f"{brick} was not restarted", timeout)
                restart()
                down = lambda: ", ".join(__salt__["gluster_pool.bricks_down"](name))  # noqa: E731
                __utils__["gluster_states.wait_for"](down, timeout, f"{brick} was restarted, and bricks are down")
            else:
                blockers = functools.partial(__salt__["gluster_pool.brick_blockers"], name, brick)
                _in_turn(restart, brick, blockers, outage, orchestrated, timeout)
            ret["changes"][brick] = changes[brick]
        left = {brick: change for brick, change in changes.items() if brick in _own_bricks(name)[0]}
        return __utils__["gluster_states.changed"](ret, changes, left, fine)
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def _file_to_change():
    """
    Whether a state of this run, before this one, would change glusterd's volume file.
    """
    ran = globals().get("__running__") or {}
    return any(ran[tag]["changes"] for tag in ran if tag.endswith("_|-glusterd_configured"))


def _own_bricks(name):
    """
    The bricks of a started volume on this server: those that reject clients, and all of them; and whether no client can
    be connected to the former, because clients do not use the ports that only root may have.
    """
    info = __salt__["gluster.volume_info"](name).get(name, {})
    if info.get("status") != "Started":
        return [], [], True
    this = next(peer["uuid"] for peer in __salt__["gluster.pool_list"]() if peer["hostname"] == "localhost")
    own = [brick for brick, server in zip(info["bricks"], info["servers"]) if server == this]
    refusing = __salt__["gluster_probe.rejecting_bricks"](name, info["bricks"]) if own else []
    return [brick for brick in own if brick in refusing], own, "client.bind-insecure" not in info["options"]


def _in_turn(restart, what, blockers, outage, orchestrated, timeout, service="glusterd"):
    """
    Restart something of this server while no other server does, when no client loses anything by it; then wait until
    the next server may.
    """
    before = f"{what} was not restarted: the pool was not ready for it"
    after = f"{what} was restarted, and the pool was not ready for the next"
    if outage not in (None, "allow"):
        raise SaltInvocationError(f"outage is {outage!r}: allow is possible")
    turns = timeout * max(1, len(__salt__["gluster.peer_status"]()))
    if not __salt__["gluster_lock.lock"](turns) and not orchestrated:
        raise CommandExecutionError(
            f"{what} was not restarted: no volume of the pool can be mounted here for the lock by which servers take "
            "turns; run `salt-run state.orchestrate gluster_one.orchestrate.restart`, which takes one after the other"
        )
    try:
        __utils__["gluster_states.wait_for"]("gluster_pool.unsettled_reason", timeout, before)
        because = blockers() if outage is None else []
        if because:
            raise CommandExecutionError(
                f"{what} was not restarted: {'; '.join(because)}; `outage: allow` in the pillar restarts it even so"
            )
        __salt__["gluster_lock.lock_held"]()
        restart()
        _bricks_back(what, timeout, service)
        __utils__["gluster_states.wait_for"]("gluster_pool.unsettled_reason", timeout, after)
    finally:
        __salt__["gluster_lock.unlock"]()


def _bricks_back(what, timeout, service):
    """
    Wait until the bricks of this server run again, and start those again that have not come back, for example because
    the port of one was in use.
    """

    def down():
        bricks = {name: _own_down(name) for name in __salt__["glusterd.volumes"]()}
        return {name: found for name, found in bricks.items() if found}

    seen = lambda: ", ".join(sum(down().values(), []))  # noqa: E731
    failure = f"{what} was restarted, and bricks of this server did not come back"
    try:
        __utils__["gluster_states.wait_for"](seen, BACK, failure)
    except CommandExecutionError as exc:
        log.warning("%s: they are started again", exc)
        for name, bricks in down().items():
            _start_anew(name, bricks, timeout, service)
        cure = (
            f": see why in /var/log/glusterfs/bricks on {__grains__['id']} (such as no free port up to max-port of "
            "glusterd.vol), then gluster_one.started starts it; the next server waits for it"
        )
        __utils__["gluster_states.wait_for"](seen, timeout, failure, cure)


def _own_down(name):
    """
    The bricks of a started volume on this server that are down: those without a process, and those of which glusterd
    says so, which may have one.
    """
    own = __salt__["glusterd.bricks"](name)
    said = __salt__["gluster_pool.bricks_down"](name)
    return [brick for brick in own["names"] if brick in own["down"] or brick in said]


def _require_marked(name):
    """
    A start by force would make an empty brick of a directory that is not the brick, and that brick dies.
    """
    lost = _lost(name)
    if lost:
        raise CommandExecutionError(
            f"volume {name} is not started by force: the directory of {', '.join(lost)} lacks its identifier: "
            f"{next(iter(lost.values()))}"
        )


def _others_up(name, undone, timeout):
    """
    Wait for the bricks of other servers: a start by force would start these, too, over whatever is at their places.
    """
    down = lambda: ", ".join(__salt__["gluster_pool.others_down"](name))  # noqa: E731
    failure = f"{undone}: it takes `gluster volume start {name} force`, and bricks of other servers did not run"
    cure = ": they would be started as well, perhaps over empty directories: apply gluster_one.started to their servers"
    __utils__["gluster_states.wait_for"](down, timeout, failure, cure)


def _not_by_force(volumes):
    """
    Which bricks `gluster volume start VOLUME force` of these would start that nobody means, or over another directory:
    those of other servers that are down, and those here whose directory is not the brick; as a text.
    """
    looks = [look for name in volumes for look in (__salt__["gluster_pool.others_down"](name), _lost(name))]
    return ", ".join(brick for found in looks for brick in found)


def _lost(name):
    return __salt__["glusterd.bricks"](name)["lost"]


def _start(volumes, timeout, service, before=lambda: None):
    """
    Start what is down of this server's part of volumes, and no other server's bricks. Two glusterds that restart at
    once may cost a third one its quorum, so that each waits for its turn. ``before`` is called when nothing is in the
    way any more. Returns whether glusterd was restarted.
    """
    down = functools.partial(_not_by_force, volumes)
    had = not down() or __salt__["gluster_lock.lock_held"]()
    try:
        if not had:
            _await_turn(timeout)
        if not down():
            before()
            for name in volumes:
                __salt__["gluster.volume_start"](name, force=True, timeout=timeout)
            return False
        _require_restart(volumes[0], down(), service)
        before()
        __salt__["gluster_lock.lock_held"]()
        __salt__["glusterd.restart"](service)
        failure = f"{service} was restarted, and the pool was not together"
        __utils__["gluster_states.wait_for"]("gluster_pool.peers_apart", timeout, failure)
        return True
    finally:
        if not had:
            __salt__["gluster_lock.unlock"]()


def _require_restart(name, others, service):
    """
    Reject to start bricks of this server where glusterd would have to be restarted for that, and it costs other bricks.
    """
    because = __salt__["gluster_pool.restart_blockers"](service)
    if because:
        raise CommandExecutionError(
            f"volume {name} is not started by force, because {others} would be started as well, perhaps over an "
            f"empty directory; nor is {service} restarted, which would start this server's bricks alone: "
            f"{'; '.join(because)}; or apply gluster_one.started to the other servers first"
        )


def _await_turn(timeout):
    """
    Wait for the lock; where no volume can have it, as none has its bricks, for those servers that have bricks down and
    a lower uuid.
    """
    try:
        if __salt__["gluster_lock.lock"](min(2 * BACK, timeout)):
            return
    except CommandExecutionError as exc:
        if getattr(exc, "taken", False):
            raise
    own, names = __salt__["glusterd.info"]()["uuid"], sorted(__salt__["glusterd.volumes"]())

    def before():
        servers = {server for name in names for server in __salt__["gluster_pool.others_down"](name).values()}
        return sorted(server for server in servers if server < own)

    seen, failure = lambda: ", ".join(before()), "servers whose turn is before this one's have bricks that are down"  # noqa: E731
    with contextlib.suppress(CommandExecutionError):
        __utils__["gluster_states.wait_for"](seen, min(2 * BACK * len(before()), timeout), failure)


def _running(name, bricks):
    """
    Those of some bricks of this server that have a process.
    """
    up = __salt__["glusterd.bricks"](name)["up"]
    return [brick for brick in bricks if brick in up]


def _require_copies(name, held):
    """
    Reject to end bricks that run, and that glusterd takes for down, where clients need one of them.
    """
    because = {brick: __salt__["gluster_pool.brick_blockers"](name, brick) for brick in held}
    needed = [f"{brick} ({'; '.join(found)})" for brick, found in because.items() if found]
    if needed:
        raise CommandExecutionError(
            f"glusterd takes bricks for down that run and are needed, so that they are not ended to start them anew: "
            f"{', '.join(needed)}: bring the other bricks back first; after `gluster volume start {name} force` new "
            "clients would not find them"
        )


def _start_anew(name, bricks, timeout, service="glusterd"):
    """
    Start bricks of this server that stayed down; a process of theirs that glusterd does not know is ended before, and
    where clients need it nothing is done. Returns whether glusterd was restarted.
    """
    _require_marked(name)

    def end():
        held = _running(name, bricks)
        _require_copies(name, held)
        for brick in held:
            __salt__["glusterd.end_brick"](name, brick)

    return _start([name], timeout, service, before=end) if bricks else False
