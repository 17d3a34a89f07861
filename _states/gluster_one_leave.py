"""
What runs of the formula have left on a node, taken away
========================================================

More states of ``gluster_one``: Salt joins modules of one virtual name. They go by what says itself that it is the
formula's (a place, a name, a first line) and by the record; what else is there stays. See docs/leave.md.
"""

import functools
import os

from salt.exceptions import CommandExecutionError, SaltException, SaltInvocationError

__virtualname__ = "gluster_one"

# What this node's minion has kept or sent for the formula, by the first words of its names.
KEPT = ("gluster_one.", "gluster_one_ids.", "gluster_native.", "gluster_bricks.", "one_datastore.")
MINE = ("gluster_one.findings", "gluster_native.native_access")
# What a node records; `pool_options` go with these options.
RECORDS = ("volumes", "file_systems", "mounts", "mount_options", "glusterd", "restored")
# Gluster's own clients, by the names that it gives them.
DAEMONS = ("glustershd", "bitd", "scrub", "quotad", "nfs", "snapd", "rebalance", "gsyncd")
GOING = 30  # seconds in which clients go whose mounts are gone
UNIT = "unit"  # how `changes` names the drop-in
BOOT = "boot"  # and the service that mounts after a boot


def __virtual__():
    return __virtualname__


def datastore_unmounted(name, volume, links=None, user="oneadmin", datastores_dir="/var/lib/one/datastores"):
    """
    A volume is not mounted for datastores any more: what ``datastore_mounted`` has made on this node is gone.

    That is the mount, the service that mounts it after a boot, the links in OpenNebula's directory that lead to it, its
    line in fstab, and the mount point, if it is empty. While a process has a file open on the mount, or a VM with disks
    over gluster:// runs on this node, all of that stays, and the state fails and names them.

    Where fstab had a line for the directory before the formula came, the line, the mount and the links stay.

    name
        The directory on which it is mounted (string).

    volume, links, user, datastores_dir
        As for ``datastore_mounted``.

    .. code-block:: yaml

        /var/lib/gluster_one/one_vol:
          gluster_one.datastore_unmounted:
            - volume: one_vol
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    try:
        __salt__["gluster_one_arguments.require_arguments"](
            "datastore_unmounted", name=name, volume=volume, links=links, user=user, datastores_dir=datastores_dir
        )
        asked = os.path.normpath(name)
        name = __salt__["gluster_mount.place"](asked, volume, user)
        above = {
            os.path.normpath(datastores_dir),
            *map(os.path.dirname, map(os.path.normpath, [asked, *(links or [])])),
        }
        look = functools.partial(_look, name, volume, sorted(above))
        found = look()
        # Who uses a mount that stays does not need the service.
        users = __salt__["gluster_native.volume_users"](name) if set(found["changes"]) - {BOOT} else []
        if users:
            raise CommandExecutionError(__utils__["gluster_states.used"](name, users))
        if __opts__["test"]:
            return __utils__["gluster_states.would_change"](ret, found["changes"], found["fine"])
        for label, step in found["steps"].items():
            step()
            ret["changes"][label] = found["changes"][label]
        __salt__["gluster_mount_plan.forget_gone"]()
        left = look()
        return __utils__["gluster_states.changed"](ret, found["changes"], left["changes"], left["fine"])
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def _look(name, volume, directories):
    """
    What is there of a mount, as changes and the steps that take it away, in their order; and a
    comment on what stays.
    """
    health = __salt__["gluster_mount.beneath"](name)
    mounted = health["state"] != "absent"
    if mounted and health["volume"] != volume:
        raise CommandExecutionError(
            f"{_visible(health['device'])} is mounted on {name}, not volume {volume}: it was left as it is"
        )
    ours = __salt__["gluster_mount_plan.is_ours"](name, volume)
    steps, remarks = {}, []
    service = __salt__["gluster_fstab.retry_services"]().get(name)
    boot = {BOOT: (service, lambda: __salt__["gluster_fstab.disable_boot_retry"](name))} if service else {}
    lines = [line for line in __salt__["gluster_fstab.lines"](name) if line["volume"] == volume]
    if not ours:
        steps.update(boot)
        if mounted or lines:
            remarks.append(f"{volume} on {name} was there before the formula, and stays, with the links to it")
    else:
        if mounted:
            steps["mount"] = health["device"], lambda: _unmount(name)
        steps.update(boot)
        for directory in directories:
            for path, text in __salt__["gluster_links.links_to"](directory, name).items():
                steps[path] = text, functools.partial(__salt__["gluster_links.remove_link"], path, name)
        if lines:
            line = "; ".join(f"{line['device']} {','.join(line['opts'])}" for line in lines)
            steps["fstab"] = line, lambda: __salt__["gluster_fstab.remove_lines"](name, volume)
        # Elsewhere an administrator may have made it.
        default = __salt__["gluster_mount.is_default_place"](name)
        directory, remark = _directory(name, mounted) if default else (False, None)
        if directory:
            steps["directory"] = name, lambda: __salt__["gluster_links.remove_mount_point"](name)
        remarks += [remark] if remark else []
    others = {*__salt__["gluster_fstab.volume_lines"](volume)}
    others.update(each["path"] for each in __salt__["gluster_mount.mount_table"]() if each["volume"] == volume)
    if others - {name}:
        remarks.append(f"{volume} stays on {', '.join(map(_visible, sorted(others - {name})))}")
    return {
        "changes": {_visible(label): {"old": _visible(old), "new": None} for label, (old, _) in steps.items()},
        "steps": {_visible(label): step for label, (_, step) in steps.items()},
        "fine": "; ".join(remarks) or f"{volume} is not mounted on {name}",
    }


def _directory(name, mounted):
    """
    Whether a mount point is there and empty, and else what a person is to know of it.
    """
    if mounted:
        files = __salt__["gluster_links.files_beneath"](name)
        holds = f"{len(files)} files ({', '.join(files[:3])}) beneath the mount" if files else None
        return not files, holds and f"{name} stays, it holds {holds}"
    point = __salt__["gluster_links.mount_point_state"](name)
    return bool(point["owner"] and not point["blocked"]), point["blocked"] and f"{name} stays, it {point['blocked']}"


def _unmount(name):
    __salt__["gluster_mount.uncover"](name)
    alive = __salt__["gluster_mount.mount_health"](name)["state"] == "alive"
    __salt__["gluster_mount.unmount"](name, lazy=not alive)


def _visible(text):
    return __utils__["gluster_process.visible"](text)


def glusterd_restored(name="glusterd", path="/etc/glusterfs/glusterd.vol"):
    """
    glusterd's volume file and its unit are as they were before ``glusterd_configured`` and ``bricks_kept``.

    Of the file only those options are changed that the record has, and that nobody has changed since. glusterd is not
    restarted. Without the drop-in the unit decides again whether its restart ends the bricks; Debian's does.

    name
        glusterd's service (string, default ``glusterd``).

    path
        Its volume file (string, default /etc/glusterfs/glusterd.vol).

    .. code-block:: yaml

        glusterd:
          gluster_one.glusterd_restored: []
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    look = functools.partial(_look_glusterd, name, path)
    try:
        __salt__["gluster_one_arguments.require_arguments"]("glusterd_restored", name=name, path=path)
        changes, fine = look(), f"nothing of {path} and of {name}'s unit is the formula's"
        if __opts__["test"] or not changes:
            return __utils__["gluster_states.would_change"](ret, changes, fine)
        options = {option: change["new"] for option, change in changes.items() if option != UNIT}
        if options:
            __salt__["glusterd.set_options"](options, path=path)
        if UNIT in changes:
            __salt__["glusterd.remove_drop_in"](name)
        return __utils__["gluster_states.changed"](ret, changes, look(), f"takes effect when {name} restarts")
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def _look_glusterd(name, path):
    known = __salt__["gluster_one_record.recorded"]("glusterd").get(path)
    current = __salt__["glusterd.options"](path) if known and os.path.exists(path) else {}
    changes = __utils__["gluster_options.known"](__utils__["gluster_options.undone"](current, known or {}))
    drop_in = __salt__["glusterd.drop_in"](name)
    return {**changes, UNIT: {"old": drop_in, "new": None}} if drop_in else changes


def volume_restored(name, timeout=120, orchestrated=False):
    """
    A volume has the options again that it had before ``volume_configured``. For one node of the pool.

    Those are reset, or set back, that the record on the volume has, and that nobody has changed since. Nothing is
    changed while a client is connected that is not the pool's own: the state fails and names it. Shards stay on, and
    ``server.allow-insecure``, which is on by default, is not set off again.

    name
        The volume (string).

    timeout
        Seconds for each of: the clients to go, the peers, Gluster's lock (int, default 120).

    orchestrated
        Whether the caller takes the mounts of all nodes away before (bool, default False): with ``test=True`` clients
        that are connected now are no reason then.

    .. code-block:: yaml

        one_vol:
          gluster_one.volume_restored: []
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    try:
        __salt__["gluster_one_arguments.require_arguments"]("volume_restored", name=name, timeout=timeout)
        info = __salt__["gluster.volume_info"](name).get(name)
        if not info:
            return {**ret, "comment": f"there is no volume {name} here"}
        changes, stays = __utils__["gluster_options.dropped"](info["options"])
        kept = "".join(f"; {option} stays: {why}" for option, why in stays.items())
        fine = f"no other option of volume {name} is the formula's{kept}"
        if changes and not (__opts__["test"] and orchestrated):
            clients = functools.partial(_clients, name, info)
            wait = 0 if __opts__["test"] else min(timeout, GOING)
            failure = f"The options of volume {name} were left as they are: clients did not go"
            cure = (
                f": `gluster volume status {name} clients` says where they are; unmount it there, stop these VMs, and "
                f"run again; or reset by hand what nobody needs (`gluster volume reset {name} {next(iter(changes))}`)"
            )
            __utils__["gluster_states.wait_for"](clients, wait, failure, cure)
        if __opts__["test"] or not changes:
            return __utils__["gluster_states.would_change"](ret, changes, fine)
        error = __salt__["gluster_volume.restore_options"](name, changes, timeout, info["options"])
        left = __utils__["gluster_options.dropped"](__salt__["gluster.volume_info"](name)[name]["options"])[0]
        return __utils__["gluster_states.changed"](ret, changes, left, fine, error)
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def _clients(name, info):
    """
    Which clients a volume has, but for the pool's own daemons, as a text.
    """
    if info["status"] != "Started":
        return None
    try:
        found = __salt__["gluster.client_kinds"](name)
    except CommandExecutionError as exc:
        if "Commit failed" not in str(exc):
            raise
        # A server whose bricks have no client at all says that (10.3), and who has the volume mounted has them all.
        return __salt__["gluster_pool.peers_apart"]()
    return ", ".join(f"{count} {kind}" for kind, count in found.items() if count and kind not in DAEMONS)


def volume_files_absent(name, timeout=120):
    """
    A volume has no directory ``.gluster_one`` any more. For one server, after all other states of the volume.

    The head and the servers' lock have written to it. The volume is mounted privately for that. What else somebody has
    put into the directory stays, and the state fails and names it.

    name
        The volume (string).

    timeout
        Seconds to wait for the mount (int, default 120).

    .. code-block:: yaml

        one_vol:
          gluster_one.volume_files_absent: []
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    fine = f"volume {name} holds nothing of the formula's"
    look = lambda: __salt__["gluster_one_ids.left_files"](name, timeout)  # noqa: E731
    try:
        __salt__["gluster_one_arguments.require_arguments"]("volume_files_absent", name=name, timeout=timeout)
        found = look()
        changes = {"files": {"old": "/.gluster_one", "new": None}} if found is not None else {}
        if found:
            raise CommandExecutionError(
                f"/.gluster_one of volume {name} stays, it holds what is not the formula's: {', '.join(found)}: move "
                "that away, and run again"
            )
        if __opts__["test"] or not changes:
            return __utils__["gluster_states.would_change"](ret, changes, fine)
        __salt__["gluster_one_ids.remove_files"](name, timeout)
        return __utils__["gluster_states.changed"](ret, changes, changes if look() is not None else {}, fine)
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def node_forgotten(name, bricks=None, mounts=None):
    """
    Nothing is kept on this node of the formula's runs. The last state of a node that leaves.

    That are its entries of the mine, what its minion has kept, the record of volumes, and the file of the service that
    mounts after a boot.

    name
        Any text (string).

    bricks
        Paths of this server's bricks, of which it may have left word in the mine (list of strings, default none).

    mounts
        The directories whose services other states of the run disable (list of strings, default none): with one of
        another directory the service's file stays.

    .. code-block:: yaml

        leave:
          gluster_one.node_forgotten: []
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    fine = "nothing is kept here of the formula's runs"
    look = functools.partial(_look_kept, bricks or (), mounts or ())
    try:
        __salt__["gluster_one_arguments.require_arguments"]("node_forgotten", name=name, bricks=bricks, mounts=mounts)
        found = look()
        changes = {label: {"old": ", ".join(old), "new": None} for label, old in found.items() if old}
        if __opts__["test"] or not changes:
            return __utils__["gluster_states.would_change"](ret, changes, fine)
        for key in found["mine"]:
            __salt__["mine.delete"](key)
        for key in found["data"]:
            __salt__["data.pop"](key)
        for kind in found["record"]:
            __salt__["gluster_one_record.forget"](kind)
        for _ in found["boot"]:
            __salt__["gluster_fstab.remove_retry_unit"]()
        left = {label: {"old": ", ".join(old), "new": None} for label, old in look().items() if old}
        return __utils__["gluster_states.changed"](ret, changes, left, fine)
    except (SaltException, OSError) as exc:  # the master may not answer
        return {**ret, "result": False, "comment": str(exc)}


def _look_kept(bricks, mounts):
    others = {*__salt__["gluster_fstab.retry_services"]()} - {*mounts}
    unit = None if others else __salt__["gluster_fstab.retry_unit"]()
    return {
        "mine": _mine([*MINE, *map(__salt__["gluster_bricks.mine_key"], bricks)]),
        "data": sorted(key for key in __salt__["data.keys"]() if key.startswith(KEPT)),
        "record": [kind for kind in RECORDS if __salt__["gluster_one_record.recorded"](kind)],
        "boot": [unit] if unit else [],
    }


def _mine(names):
    """
    Which of these names this node's mine has; without a master there is no mine.
    """
    if __opts__.get("file_client") == "local":
        return []
    found = __salt__["mine.get"]([__grains__["id"]], names, "list")
    return [key for key in names if isinstance(found, dict) and __grains__["id"] in (found.get(key) or {})]
