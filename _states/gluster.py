"""
Gluster's pool and volumes, as states for anybody
=================================================

They need neither OpenNebula nor the pillar of the formula gluster_one: see docs/gluster.md. An SLS of them applies to
all servers of a pool; where one server does something for all, the others wait for it, up to ``timeout``.
"""

import contextlib
import os

from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "gluster"

RECORD = "pool_options"  # the record's key for what the formula has set
REFUSED = (
    "what that has left on some servers does not come in the way of the next try, where gluster.brick_prepared is "
    "applied to each before: mend the cause, and run again on all of them"
)


def __virtual__():
    return __virtualname__


def peered(name, servers, timeout=120):
    """
    These servers are in one pool, each by its name. For each of them.

    The first one takes in the others, unless others are in a pool already, or one has volumes: then that one does. The
    others wait for it, and the second gives the first its name. Members that are not named stay. Before anything is
    done, all servers are looked at: one of another pool, one that does not answer or has no address is an error.

    name
        Any text (string).

    servers
        The servers, this one among them, by the names that they have for each other (list of host names).

    timeout
        Seconds to wait for the others (int, default 120).

    .. code-block:: yaml

        pool:
          gluster.peered:
            - servers: [kvm1, kvm2, kvm3]
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}

    def step(run=None):
        plan = __salt__["gluster_peers.plan"](servers, run=run)
        if plan["waiting"]:
            return plan["waiting"]
        for server, change in plan["changes"].items():
            __salt__["gluster_peers.probe"](server, timeout)
            ret["changes"][server] = change
        if plan["changes"]:
            return f"{', '.join(plan['changes'])} just probed"
        return None if run else __salt__["gluster_pool.peers_apart"]()

    try:
        __salt__["gluster_one_arguments.require_arguments"]("peered", name=name, servers=servers, timeout=timeout)
        fine = f"{', '.join(servers)} are in one pool"
        if __opts__["test"]:
            plan = __salt__["gluster_peers.plan"](servers, run=_run())
            return __utils__["gluster_states.would_change"](ret, plan["changes"], plan["waiting"] or fine)
        with contextlib.suppress(CommandExecutionError):  # what may pass
            if step(run=_run()) is None:
                return {**ret, "comment": fine}
        __utils__["gluster_states.wait_for"](step, timeout, f"{', '.join(servers)} were not in one pool")
        return __utils__["gluster_states.changed"](ret, ret["changes"], {}, fine)
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def brick_prepared(name, device=None):
    """
    A directory of this server can become a brick, or is one. For each server of a volume that is to be created.

    It is on a file system of its own, not its mount point, in no other brick, and empty or not there (Gluster makes
    it). Nothing is created. What a refused ``gluster volume create`` has left is taken away: its mark and an empty
    ``.glusterfs``. What this server finds it leaves in Salt's mine, for ``gluster.volume_present`` on another one.

    With ``device`` the file system above it is made, too: XFS, mounted by its UUID from a line in /etc/fstab, and only
    on a device without any signature that nothing uses. One that may hold data is an error.

    name
        The directory (string).

    device
        The device whose file system is mounted on the directory above it (string), below /dev, best a link that names
        this disk and no other: /dev/disk/by-id/... Default: that file system is mounted already.

    .. code-block:: yaml

        /data/one_vol/brick:
          gluster.brick_prepared:
            - device: /dev/disk/by-id/wwn-0x5000c500a1b2c3d4
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    try:
        __salt__["gluster_one_arguments.require_arguments"]("brick_prepared", name=name, device=device)
        path = os.path.normpath(name)
        seen, disk, unfit = __salt__["gluster_bricks.look"](path, run=_run()), {}, None
        if seen["volume"]:
            if not (__salt__["glusterd.marks"](path) or {}).get("volume"):
                raise CommandExecutionError(
                    f"{path} is a brick of volume {seen['volume']}, and nothing of it is there: mount its file system; "
                    "if its files are lost, see docs/replace.md"
                )
            return {**ret, "comment": f"{path} is a brick of volume {seen['volume']}"}
        if device:
            try:
                disk = _prepare_disk(ret, device, os.path.dirname(path))
                seen = __salt__["gluster_bricks.look"](path, run=_run())
            except (CommandExecutionError, SaltInvocationError) as exc:
                unfit = str(exc)
        unfit = unfit or seen["unfit"]
        change = {"old": f"the mark of {seen['left']}, a volume that was refused", "new": None}
        changes = {path: change} if seen["left"] and not unfit else {}
        fine = f"{path} can become a brick{_room(path)}"
        if changes:
            __salt__["gluster_bricks.clear"](path, run=_run())
        if __opts__["test"] and not unfit:
            return __utils__["gluster_states.would_change"](ret, {**disk, **changes}, fine)
        if not __opts__["test"]:
            __salt__["gluster_bricks.publish"](path)
        if unfit:
            raise CommandExecutionError(unfit)
        left = changes if changes and __salt__["gluster_bricks.look"](path)["left"] else {}
        return __utils__["gluster_states.changed"](ret, {**disk, **changes}, left, fine)
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def _prepare_disk(ret, device, point):
    """
    Make the file system of a brick, and mount it. Returns what differed; ``changes`` gets what was done, also where a
    later step has failed.
    """
    changes = __salt__["gluster_disks.changes"](device, point, run=_run())
    if changes and not __opts__["test"]:
        try:
            __salt__["gluster_disks.prepare"](device, point)
        finally:
            left = __salt__["gluster_disks.changes"](device, point)
            ret["changes"] = {what: change for what, change in changes.items() if what not in left}
    return changes


def _room(path):
    """
    How large the file system is on which a brick would be, as the end of a sentence.
    """
    space = __salt__["gluster_mount.space"](os.path.dirname(path))
    return f": {space['free_percent']} % of {space['total_mb']} MB are free on its file system" if space else ""


def volume_present(
    name,
    bricks,
    servers=None,
    replica=None,
    arbiter=None,
    disperse=None,
    redundancy=None,
    split_brain=None,
    grow=False,
    timeout=120,
):
    """
    A volume of this name has these bricks; if there is no such volume, it is created. For one node of the pool.

    It is created once, never with ``force``, when all its servers are in the pool and have said that their bricks are
    fit (``gluster.brick_prepared``), and not started. One that is there with other bricks is left, and is an error that
    says what differs; and so is one that is gone although this node has used it (``gluster_one.volume_known``). With
    ``grow`` one that lacks whole sets of these bricks gets them, in the same way; nothing is rebalanced.

    name
        The volume (string).

    bricks
        A path, or a list of paths, on each of ``servers``. Or a list of bricks, set by set, each ``server:path`` or
        ``{server: NAME, path: PATH}``.

    servers
        The servers, where ``bricks`` has paths alone (list of host names).

    replica
        How many bricks hold each file (int), 1 for files without a copy. With 2, ``split_brain`` is needed.

    arbiter
        1 where the last brick of each set of three holds names and attributes alone (int, default 0).

    disperse, redundancy
        On how many bricks the parts of each file lie, and how many of them may be lost (int), instead of ``replica``.

    split_brain
        ``allow`` for two copies without an arbiter (string).

    grow
        Whether a volume gets whole sets of bricks that it lacks (bool, default False).

    timeout
        Seconds to wait for each of: the other servers' word, the peers, Gluster's lock (int, default 120).

    .. code-block:: yaml

        one_vol:
          gluster.volume_present:
            - bricks: /data/one_vol/brick
            - servers: [kvm1, kvm2, kvm3]
            - replica: 3
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    try:
        __salt__["gluster_one_arguments.require_arguments"](
            "volume_present",
            name=name,
            bricks=bricks,
            servers=servers,
            split_brain=split_brain,
            grow=grow,
            timeout=timeout,
        )
        layout = __utils__["gluster_layout.layout"](
            bricks, servers, replica, arbiter, disperse, redundancy, split_brain
        )
        fine = f"volume {name} is {__utils__['gluster_layout.describe'](layout)}"
        lacking = _lacking(name, layout, grow)
        bricks = lacking(_run())
        if not bricks:
            return {**ret, "comment": fine}
        part, grows = {**layout, "bricks": bricks}, bricks != layout["bricks"]
        old = f"without {', '.join(bricks)}" if grows else "not there"
        changes = {name: {"old": old, "new": __utils__["gluster_layout.describe"](layout)}}
        if not grows:
            _refuse_again(name, layout)
        __salt__["gluster_bricks.require_own_fit"](part, run=_run())
        if __opts__["test"]:
            if not grows:
                __salt__["gluster_volume.predict"](name, _run(), **__salt__["gluster_volume.fresh"](layout))
            return __utils__["gluster_states.would_change"](ret, changes, fine)
        # Another node may do it meanwhile.
        unready = lambda: __salt__["gluster_bricks.unready"](part) if lacking() else None  # noqa: E731
        undone = "got no new bricks" if grows else "was not created"
        __utils__["gluster_states.wait_for"](unready, timeout, f"Volume {name} {undone}: not all was ready for it")
        if not lacking():
            return {**ret, "comment": fine}
        error = __salt__["gluster_volume.grow" if grows else "gluster_volume.create"](name, part, timeout)
        left = lacking()
        if error and left:
            raise CommandExecutionError(f"{error}: {REFUSED}")
        behind = __salt__["gluster_volume.behind"](name) if error else []
        if behind:
            raise CommandExecutionError(
                f"{error}; {', '.join(behind)} did not take it over: restart glusterd there, one after the other "
                "(docs/restart.md)"
            )
        return __utils__["gluster_states.changed"](ret, changes, changes if left else {}, fine)
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def _refuse_again(name, layout):
    """
    A volume that this node has used is not created in silence once more, empty, when it is gone.
    """
    known = __salt__["gluster_one_record.recorded"]("volumes").get(name)
    if known:
        words = " ".join(__utils__["gluster_layout.words"](layout))
        raise CommandExecutionError(
            f"Volume {name} was not created: {__grains__['id']} has used one with the id {known} until now, and it is "
            "gone. If that was no mistake, create an empty one by hand once, "
            f"`gluster volume create {name} {words}`, with its id from `gluster volume info` as "
            f"gluster_one:volumes:{name}:id in the pillar"
        )


def volume_started(name, timeout=120, only_new=False):
    """
    A volume is started. For one node of the pool.

    name
        The volume (string).

    only_new
        Only a volume that has never been started is started (bool, default False): one that somebody has stopped stays
        so, and is an error.

    timeout
        Seconds to wait for each of: the volume, the peers, Gluster's lock, the bricks (int, default 120).

    .. code-block:: yaml

        one_vol:
          gluster.volume_started: []
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    try:
        __salt__["gluster_one_arguments.require_arguments"]("volume_started", name=name, timeout=timeout)
        status = _volume(name, timeout)["status"]
        changes, fine = {name: {"old": status, "new": "Started"}}, f"volume {name} is started"
        if status == "Started":
            return {**ret, "comment": fine}
        if only_new and status != "Created":
            raise CommandExecutionError(
                f"Volume {name} is {status}: `gluster volume start {name}`, if nobody stopped it on purpose"
            )
        if __opts__["test"]:
            __salt__["gluster_volume.predict"](name, _run(), status="Started")
            return __utils__["gluster_states.would_change"](ret, changes, fine)
        __salt__["gluster_volume.start"](name, timeout)
        return __utils__["gluster_states.changed"](ret, changes, {}, fine)
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def options_set(name, options, timeout=120):
    """
    A volume has these options; others stay. For one node of the pool.

    Those that differ are set by one command, when all peers are connected. Nothing is set where an option would shut
    out a client that is connected, or a server: see ``gluster_auth.refuse_shutting_out``.

    name
        The volume (string).

    options
        Options by their full names and their values (dict).

    timeout
        Seconds to wait for each of: the volume, its peers, Gluster's lock (int, default 120).

    .. code-block:: yaml

        one_vol:
          gluster.options_set:
            - options: {network.ping-timeout: 10}
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    try:
        __salt__["gluster_one_arguments.require_arguments"]("options_set", name=name, options=options, timeout=timeout)
        wanted = __utils__["gluster_options.merged_options"]({}, options)
        current = _volume(name, timeout)["options"]
        changes = __salt__["gluster_volume.option_changes"](current, wanted)
        fine = f"volume {name} has its {len(wanted)} options{__salt__['gluster_volume.shard_remark'](changes)}"
        __salt__["gluster_auth.refuse_shutting_out"](name, current, changes, None)
        if __opts__["test"] or not changes:
            return __utils__["gluster_states.would_change"](ret, changes, fine)
        error = __salt__["gluster_volume.set_options"](name, changes, timeout, run=_run())
        left = __salt__["gluster_volume.option_changes"](_volume(name, timeout)["options"], wanted)
        return __utils__["gluster_states.changed"](ret, changes, left, fine, error)
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def pool_options_set(name, options, timeout=120):
    """
    The whole pool has these options; others stay. For one node of the pool.

    Those that differ are set one by one (``gluster volume set all``), when all peers are connected. They are recorded
    on this node, in /var/lib/gluster_one/record.json.

    name
        Any text (string).

    options
        Options by their full names and their values (dict), such as ``cluster.server-quorum-ratio``.

    timeout
        Seconds to wait for each of: the peers, Gluster's lock (int, default 120).

    .. code-block:: yaml

        pool:
          gluster.pool_options_set:
            - options: {cluster.server-quorum-ratio: 51%}
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    differing = lambda: __utils__["gluster_options.pool_option_changes"](__salt__["glusterd.pool_options"](), options)  # noqa: E731
    try:
        __salt__["gluster_one_arguments.require_arguments"](
            "pool_options_set", name=name, options=options, timeout=timeout
        )
        changes, fine = differing(), f"the pool has its {len(options)} options"
        if __opts__["test"] or not changes:
            return __utils__["gluster_states.would_change"](ret, changes, fine)
        known = __salt__["gluster_one_record.recorded"](RECORD)
        # Gluster keeps no record of the pool's.
        __salt__["gluster_one_record.record"](RECORD, __utils__["gluster_options.noted"](known, changes))
        error = __salt__["gluster_volume.set_pool_options"](changes, timeout)
        left = differing()
        return __utils__["gluster_states.changed"](ret, changes, left, fine, error)
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def pool_options_restored(name, options=None, timeout=120):
    """
    The whole pool has the options again that it had before ``pool_options_set``. For the node that has set them.

    Those are reset, or set back, that the record of this node has, and that nobody has changed since. One of which it
    does not have what it was before stays.

    name
        Any text (string).

    options
        Those alone (list of strings). Default: all.

    timeout
        Seconds to wait for each of: the peers, Gluster's lock (int, default 120).

    .. code-block:: yaml

        pool:
          gluster.pool_options_restored: []
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    known, fine = __salt__["gluster_one_record.recorded"], "no option of the pool is the formula's"

    def look():
        found = __utils__["gluster_options.undone"](__salt__["glusterd.pool_options"](), known(RECORD))
        found = {option: change for option, change in found.items() if options is None or option in options}
        return __utils__["gluster_options.known"](found)

    try:
        __salt__["gluster_one_arguments.require_arguments"]("pool_options_restored", name=name, timeout=timeout)
        changes = look()
        if __opts__["test"] or not changes:
            return __utils__["gluster_states.would_change"](ret, changes, fine)
        error = __salt__["gluster_volume.set_pool_options"](changes, timeout)
        left = look()
        __salt__["gluster_one_record.forget"](RECORD, [option for option in changes if option not in left])
        return __utils__["gluster_states.changed"](ret, changes, left, fine, error)
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def _run():
    """
    What names this run of states, so that all its states share one reading.
    """
    return globals().get("__instance_id__")


def _lacking(name, layout, grow):
    """
    What returns the bricks of a layout that a volume has yet to get: all where it is not there. One that differs is an
    error; with ``grow`` it may lack whole sets.
    """
    # It is asked from within a util, too, where there is no __utils__.
    rules = [__utils__[f"gluster_layout.{rule}"] for rule in ("servers_of", "differences", "growth")]
    servers_of, differences, growth = rules

    def look(run=None):
        info = __salt__["gluster_volume.info"](name, run=run)
        found = __salt__["gluster_peers.identify"](servers_of(layout), run=run) if info else {}
        hosts = {server: member and member["uuid"] for server, member in found.items()}
        predicted = "servers" not in info  # in a run with test=True, or not there
        differing = [] if predicted else differences(layout, info, hosts)
        if differing:
            more = growth(layout, info, hosts)
            if more and grow:
                return more
            way = ": `salt-run state.orchestrate gluster_one.orchestrate.grow` adds it (docs/grow.md)" if more else ""
            raise CommandExecutionError(f"Volume {name} was left as it is: {'; '.join(differing)}{way}")
        return [] if info else layout["bricks"]

    return look


def _volume(name, timeout):
    """
    A volume's information, once it is there; in test mode at once.
    """
    info = {}

    def look(run=None):
        info.update(__salt__["gluster_volume.info"](name, run=run))
        return None if info else "no such volume"

    if look(run=_run()):
        if __opts__["test"]:
            raise CommandExecutionError(f"There is no volume {name}")
        __utils__["gluster_states.wait_for"](look, timeout, f"Volume {name} was not created")
    return info
