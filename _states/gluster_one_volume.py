"""
A volume's options, and which volume it is, as states
=====================================================

More states of ``gluster_one``: Salt joins modules of one virtual name.
"""

from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "gluster_one"

INSECURE = "server.allow-insecure"
BRICKS = ", started while server.allow-insecure was off: apply gluster_one.restart to the servers of these bricks"
UNKNOWN = "(identifier)"  # of a volume that is not there, or not mounted, yet
CLOSED = "gluster_one.closed:"  # in the minion's data: a volume whose bricks may still reject clients


def __virtual__():
    return __virtualname__


def volume_configured(
    name, options=None, uid="oneadmin", gid="oneadmin", group=None, timeout=120, servers=None, new_group=None
):
    """
    OpenNebula's processes may use a volume, and its root belongs to oneadmin. For one node of the pool.

    The options for it are ``server.allow-insecure``, ``storage.owner-uid`` and ``storage.owner-gid``.

    Those that differ are set by one command, when all peers are connected. The same command records them on the volume,
    in ``user.gluster_one.set``. An option of that record that nothing asks for any more, and that nobody has changed
    since, goes back to what it was before; of a volume that was made with the group ``virt``, to what that has. All
    other options stay. A run that sets allow-insecure on then checks the bricks: if all reject
    clients it stops and starts the volume; if only some do, it fails and names them.

    Nothing is set where an option would shut out a client that is connected, or a server: see
    ``gluster_auth.refuse_shutting_out``.

    name
        The volume (string).

    options
        Further options by their full names, and other values of those above (dict, default none).

    uid, gid
        The owner of the volume's root: a number, or the name of a user and a group of this node (default ``oneadmin``).

    group
        An option group, such as ``virt`` (string, default none): its options are wanted, too; those above take
        precedence.

    timeout
        Seconds to wait for each of: the volume's start, its peers, Gluster's lock (int, default 120).

    servers
        Servers that options must not shut out beside those of the pool (list of host names, default none).

    new_group
        The ``group`` of a volume that has never been started, which is not waited for, but gets its options before its
        start (string, default none). A volume that has been started does not get it.

    .. code-block:: yaml

        one_vol:
          gluster_one.volume_configured:
            - options: {network.ping-timeout: 10}
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    try:
        __salt__["gluster_one_arguments.require_arguments"](
            "volume_configured",
            name=name, options=options, uid=uid, gid=gid, group=group, servers=servers, timeout=timeout,
            new_group=new_group,
        )  # fmt: skip
        wanted = __utils__["gluster_options.wanted_options"](uid, gid, options, group)
        info = __salt__["gluster_volume.info"](name, run=_run()) if new_group else {}
        new, more = info.get("status") == "Created", {}
        info = info if new else _started_volume(name, timeout)
        about = {"uid": uid, "gid": gid, "options": options, "copies": info.get("replica", 1) > 1}
        if new:
            wanted, more = _wanted_of_new(group or new_group, about)
        elif group:
            wanted = __utils__["gluster_options.wanted_options"](group=group, **about)
        fine = f"volume {name} has its {len(wanted)} options"
        kept = __utils__["gluster_options.kept_group"](info["options"], wanted)
        wanted = {**kept, **wanted}
        changes = {**more, **__salt__["gluster_volume.option_changes"](info["options"], wanted)}
        dropped, stays = __utils__["gluster_options.dropped"](info["options"], wanted)
        fine += "".join(f"; {option}, which a run has set, stays: {why}" for option, why in stays.items())
        if kept and not new_group:
            fine += f"; {len(kept)} options of the group virt, which runs have set, stay: say group: virt for them"
        if __utils__["gluster_options.paused"](info["options"]):
            fine += "; its server quorum is left as it is while an upgrade is prepared (docs/upgrade.md)"
        __salt__["gluster_auth.refuse_shutting_out"](name, info["options"], {**changes, **dropped}, servers)
        after = {option: change["new"] for option, change in {**changes, **dropped}.items()}
        after = {option: value for option, value in {**info["options"], **after}.items() if value is not None}
        out = __salt__["gluster_auth.kept_out"](name, after, servers, info["transport"]) if servers else []
        ret.update({"warnings": [f"{what}: {cure}" for what, cure in out]} if out else {})
        opening = not __utils__["gluster_options.option_changes"](changes.get(INSECURE, {"new": "off"}), {"new": "on"})
        opening = opening and not new  # whose bricks start with it
        bricks = {} if opening or new else _bricks_closed(name, info["bricks"])
        remark = __salt__["gluster_volume.shard_remark"](changes)
        if __opts__["test"] or not {**changes, **dropped, **bricks}:
            ret = __utils__["gluster_states.would_change"](ret, {**changes, **dropped, **bricks}, fine)
            return {**ret, "comment": ret["comment"] + remark}
        fine, left, still = fine + remark, {}, {}
        if opening:
            __salt__["data.update"](CLOSED + name, True)
        if changes:
            error = __salt__["gluster_volume.set_options"](name, changes, timeout, info["options"], run=_run())
            fine += f"; Gluster said {error}" if error else ""
            now = __salt__["gluster_volume.info"](name) if new else None
            info = now or __salt__["gluster_volume.started"](name, timeout, run=_run())
            left = __salt__["gluster_volume.option_changes"](info["options"], wanted)
            ret["changes"] = {option: change for option, change in changes.items() if option not in left}
            if error and left:
                raise CommandExecutionError(error)
        if dropped:
            error = __salt__["gluster_volume.restore_options"](name, dropped, timeout, info["options"], run=_run())
            info = {**info, **__salt__["gluster_volume.info"](name)}
            still = __utils__["gluster_options.dropped"](info["options"], wanted)[0]
            ret["changes"].update({option: change for option, change in dropped.items() if option not in still})
            if error and still:
                raise CommandExecutionError(error)
        if opening or bricks:
            fine += _let_in(name, info, timeout)
        return __utils__["gluster_states.changed"](ret, {**changes, **dropped, **bricks}, {**left, **still}, fine)
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def volume_known(name, id=None, server=False, mount=None):  # noqa: A002
    """
    This node knows a volume by its identifier, and uses no other one of its name.

    The identifier is recorded at the first run, in /var/lib/gluster_one/record.json. Where the volume has another one
    later, as that of another site, or one that was deleted and created again, the state fails until ``id`` has the new
    one.

    name
        The volume (string).

    id
        Its identifier, as ``gluster volume info`` has it (string). Default: the recorded one; at the first run any.

    server
        This node is one of its servers (bool, default False): what its glusterd has is looked at.

    mount
        The directory on which this node has mounted it (string, default none): its client is asked, which knows the
        identifier of a volume with copies.

    .. code-block:: yaml

        one_vol:
          gluster_one.volume_known:
            - mount: /var/lib/gluster_one/one_vol
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    try:
        __salt__["gluster_one_arguments.require_arguments"](
            "volume_known", name=name, id=id, server=server, mount=mount
        )
        known, where = __salt__["gluster_one_record.recorded"]("volumes").get(name), {"server": server, "mount": mount}
        ids = __salt__["gluster_one_record.volume_ids"](name, **where)
        other = __salt__["gluster_one_record.other_volume"](name, id, ids=ids, **where)
        if other:
            raise CommandExecutionError(other)
        seen = next(iter(ids.values()), None)
        if not seen and (not __opts__["test"] or mount in __salt__["gluster_mount.mounts"]()):
            return {**ret, "comment": f"volume {name} shows no identifier here"}
        new = seen or id or known or UNKNOWN
        changes = {} if new == known else {name: {"old": known, "new": new}}
        fine = f"the identifier of volume {name} is {new}"
        if __opts__["test"] or not changes:
            return __utils__["gluster_states.would_change"](ret, changes, fine)
        __salt__["gluster_one_record.record"]("volumes", {name: new})
        return __utils__["gluster_states.changed"](ret, changes, {}, "this node knows the volume by that")
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def _wanted_of_new(group, about):
    """
    The options that a new volume is to have; and in test mode, where the package is yet to be installed that says which
    options a group has, the group as a change.
    """
    try:
        return __utils__["gluster_options.wanted_options"](group=group, **about), {}
    except CommandExecutionError:
        if not __opts__["test"]:
            raise
    return __utils__["gluster_options.wanted_options"](**about), {"group": {"old": None, "new": group}}


def _run():
    """
    What names this run of states, so that all its states share one reading.
    """
    return globals().get("__instance_id__")


def _bricks_closed(name, bricks):
    """
    What differs of the bricks after a run that was killed between setting ``server.allow-insecure`` and checking
    whether they accept clients.
    """
    refusing = __salt__["data.get"](CLOSED + name) and __salt__["gluster_probe.rejecting_bricks"](name, bricks)
    return {"bricks": {"old": f"reject clients: {', '.join(refusing)}", "new": "accept clients"}} if refusing else {}


def _let_in(name, info, timeout):
    """
    Make sure that a volume's bricks accept non-root clients. Where all of them reject clients, none can be connected,
    unless clients use root's ports, and the volume is stopped and started. Returns a remark when that was done.
    """
    refusing = lambda: ", ".join(__salt__["gluster_probe.rejecting_bricks"](name, info["bricks"]))  # noqa: E731
    remark, rejecting = "", refusing()
    if rejecting == ", ".join(info["bricks"]) and "client.bind-insecure" not in info["options"]:
        __salt__["gluster.volume_stop"](name, timeout)
        __salt__["gluster.volume_start"](name, timeout=timeout)
        remark = "; all its bricks rejected clients, so no client was connected, and they were restarted"
    if rejecting:
        failure = f"Bricks of volume {name} did not accept non-root clients"
        __utils__["gluster_states.wait_for"](refusing, 3, failure, BRICKS)
    __salt__["data.pop"](CLOSED + name)
    return remark


def _started_volume(name, timeout):
    """
    A volume's information, once it is started; in test mode at once. A run may have been ended while it had it stopped.
    """
    info = __salt__["gluster.volume_info"](name, run=_run()).get(name, {})
    if info.get("status") == "Stopped" and __salt__["data.get"](CLOSED + name) and not __opts__["test"]:
        __salt__["gluster.volume_start"](name, timeout=timeout)
    return __salt__["gluster_volume.started"](name, timeout, run=_run())
