"""
The way back, as states of ``gluster_one``: Salt joins modules of one virtual name
==================================================================================

What the other states have made is taken away or put back to what it was. None of them removes a volume, a brick, a
peer, an image, or anything that holds data, and none takes away what is in use: it waits, and then says by whom.
"""

import functools
import os
import time

from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "gluster_one"

NOTE = "user.gluster_one"
# Seconds for whoever looks at a mount for a moment.
MOMENT = 5


def __virtual__():
    return __virtualname__


def beacon_absent(name="gluster_one"):
    """
    This node looks after itself no more, and what it has found is forgotten.

    name
        The beacon (string, default ``gluster_one``).

    .. code-block:: yaml

        gluster_one:
          gluster_one.beacon_absent: []
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    if name not in __salt__["beacons.list"](return_yaml=False):
        return {**ret, "comment": f"there is no beacon {name}"}
    changes = {"beacon": {"old": name, "new": None}}
    if __opts__["test"]:
        return __salt__["gluster_one.predicted"](ret, changes, "")
    done = __salt__["beacons.delete"](name)
    if not done["result"]:
        return {**ret, "result": False, "comment": done["comment"]}
    __salt__["beacons.save"]()
    # Or a reactor would go on repairing by it what is meant to be gone.
    __salt__["mine.delete"]("gluster_one.findings")
    return {**ret, "changes": changes, "comment": __salt__["gluster_one.said"](changes)}


def one_datastores_absent(
    name, datastores, mount=None, datastores_dir="/var/lib/one/datastores", endpoint=None, auth_file=None
):
    """
    OpenNebula has no datastores on a volume any more. For the head.

    All of them are looked at first: if one has images or machines, none is deleted. OpenNebula's own (with an
    identifier below 100) are left.

    name
        The volume (string).

    datastores
        The datastores by name, with the arguments ``type`` and ``datastore_id`` of ``one_datastore_present`` or none
        (dict of dicts), others being ignored.

    mount
        The directory on which this node has the volume mounted (string). Given, their identifiers are taken away there,
        which the other nodes wait for, and a datastore whose directory is a link to it counts as one on the volume.

    datastores_dir
        Where OpenNebula keeps the directories of its datastores (string, default /var/lib/one/datastores).

    endpoint, auth_file
        Where oned answers, and the file with ``user:password`` (strings; defaults: those of ``opennebula_api``).

    .. code-block:: yaml

        one_vol:
          gluster_one.one_datastores_absent:
            - datastores: {glusterds: {}, gluster_system: {type: SYSTEM_DS}}
            - mount: /var/lib/one/datastores/0
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    api = {"endpoint": endpoint, "auth_file": auth_file}
    fine = f"OpenNebula has no datastores on {name}"
    try:
        look = functools.partial(
            __salt__["one_datastore_clean.look"], name, datastores, mount=mount, datastores_dir=datastores_dir, **api
        )
        found = look()
        if found["blockers"]:
            raise CommandExecutionError(f"{'; '.join(found['blockers'])}: nothing was deleted")
        fine += "".join(f"; {store} ({number}) is OpenNebula's own and stays" for store, number in found["own"].items())
        changes = found["changes"]
        if __opts__["test"] or not changes:
            return __salt__["gluster_one.predicted"](ret, changes, fine)
        for store, number in found["there"].items():
            __salt__["opennebula.datastore_delete"](number, **api)
            ret["changes"][store] = changes[store]
        for store in found["left"]:
            __salt__["gluster_one.datastore_id_set"](mount, store, None)
        return __salt__["gluster_one.applied"](ret, changes, look()["changes"], fine)
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def datastore_unmounted(
    name, volume, datastores=None, links=None, datastores_dir="/var/lib/one/datastores", timeout=120
):
    """
    A volume is not mounted on this node any more, nor in fstab, and the links to it that the formula has made are gone.
    For the head and every hypervisor.

    A mount that a process uses, or whose volume a machine of this node has open, stays, and the error names them. What
    is not this volume's is left.

    name
        The directory on which it is mounted (string), such as /var/lib/one/datastores/0.

    volume
        The volume (string).

    datastores
        Names of datastores that the head has to have deleted before (list of strings, default none): their identifiers
        are waited for to be gone from the volume.

    links
        Paths elsewhere than in ``datastores_dir`` that are links to the directory (list of strings, default none).

    datastores_dir
        Where OpenNebula keeps the directories of its datastores (string, default /var/lib/one/datastores); the links
        there that lead to the directory are removed, but for those that somebody has made by hand to OpenNebula's own
        datastores, below 100, or under other names.

    timeout
        Seconds to wait for the head (int, default 120).

    .. code-block:: yaml

        /var/lib/one/datastores/0:
          gluster_one.datastore_unmounted:
            - volume: one_vol
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    fine = f"{volume} is not mounted"
    try:
        __salt__["gluster_mount.check_arguments"](name, links=links, datastores=datastores)
        name = os.path.normpath(name)
        changes = _mount_left(name, volume, links, datastores_dir)
        busy = functools.partial(__salt__["gluster_mount.busy"], name, volume)
        if __opts__["test"] or not changes:
            said = busy() if "mount" in changes else None
            if said:
                raise CommandExecutionError(said)
            return __salt__["gluster_one.predicted"](ret, changes, fine)
        if __salt__["gluster_one.mount_health"](name)["state"] == "alive":
            waited = _wait(functools.partial(_ids_left, name, volume, datastores), timeout)
            fine += f" (waited {waited} s for the head)" if waited else ""
        if "mount" in changes:
            _wait(busy, MOMENT)
        for path in changes:
            if path.startswith("/"):
                __salt__["gluster_mount.link_absent"](path, name)
                ret["changes"][path] = changes[path]
        if "mount" in changes:
            dead = __salt__["gluster_one.mount_health"](name)["state"] == "dead"
            __salt__["gluster_mount.unmount"](name, lazy=dead)
            ret["changes"]["mount"] = changes["mount"]
        if "fstab" in changes:
            __salt__["gluster_mount.entry_absent"](name)
        __salt__["gluster_mount.point_absent"](name)
        __salt__["data.pop"](f"gluster_one.datastore_ids:{name}")
        kept = __salt__["gluster_mount.links"](datastores_dir, name)
        fine += f"; {', '.join(kept)}, made by somebody else, still leads there" if kept else ""
        return __salt__["gluster_one.applied"](ret, changes, _mount_left(name, volume, links, datastores_dir), fine)
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def glusterd_reset(name, volumes=None, timeout=120):
    """
    The options that ``glusterd_configured`` has set are in glusterd's volume file what they were before. For every
    server.

    glusterd is not restarted for it: it reads the file at its next start. Who has a volume open may need the options:
    it is waited for until nobody has.

    name
        glusterd's volume file (string), such as /etc/glusterfs/glusterd.vol.

    volumes
        The volumes that nobody may have open (list of strings, default none).

    timeout
        Seconds to wait for those that have a volume open (int, default 120).

    .. code-block:: yaml

        /etc/glusterfs/glusterd.vol:
          gluster_one.glusterd_reset:
            - volumes: [one_vol]
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    fine = "glusterd has no options of this formula"
    try:
        plan = __salt__["gluster_one.options_plan"](__salt__["glusterd.options"](name), {})
        if __opts__["test"] or not plan["changes"]:
            return __salt__["gluster_one.predicted"](ret, plan["changes"], fine)
        _wait_unused(volumes or [], timeout)
        back = {**plan["set"], **dict.fromkeys(plan["reset"]), NOTE: None}
        __salt__["glusterd.options_set"](back, name)
        left = __salt__["gluster_one.options_plan"](__salt__["glusterd.options"](name), {})["changes"]
        return __salt__["gluster_one.applied"](
            ret, plan["changes"], left, "glusterd was not restarted: it reads its file at its next start"
        )
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def volume_reset(name, timeout=120):
    """
    The options that ``volume_configured`` has set are what they were before. For one node of the pool.

    Clients may need them, and bricks refuse them at once when ``server.allow-insecure`` goes: they are waited for until
    there are none. Options that somebody has changed since are left.

    name
        The volume (string).

    timeout
        Seconds to wait for its clients to go, and for Gluster's lock (int, default 120).

    .. code-block:: yaml

        one_vol:
          gluster_one.volume_reset: []
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    fine = f"volume {name} has no options of this formula"

    def look():
        info = __salt__["gluster.volume_info"](name).get(name, {"options": {}})
        return __salt__["gluster_one.options_plan"](info["options"], {})

    try:
        plan = look()
        if __opts__["test"] or not plan["changes"]:
            return __salt__["gluster_one.predicted"](ret, plan["changes"], fine)
        _wait_unused([name], timeout)
        __salt__["gluster_one.options_apply"](name, plan, timeout=timeout)
        return __salt__["gluster_one.applied"](ret, plan["changes"], look()["changes"], fine)
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def _wait(look, timeout):
    """
    Call ``look`` until it returns nothing; return the seconds that took. The error is what it said last.
    """
    begin = time.monotonic()
    pause = 0.25
    while said := look():
        if time.monotonic() + pause > begin + timeout:
            raise CommandExecutionError(said)
        time.sleep(pause)
        pause = min(pause * 1.5, 3)
    return round(time.monotonic() - begin)


def _wait_unused(volumes, timeout):
    """
    Wait until nobody has these volumes open.
    """

    def look():
        said = "; ".join(__salt__["gluster_one.volume_users"](volumes))
        return said and (
            f"{said}: unmount it and stop its machines first (`gluster volume status VOLUME clients` says where they "
            f"are; waited {timeout} s)"
        )

    _wait(look, timeout)


def _ids_left(path, volume, datastores):
    """
    Which datastores still have their identifiers on a mounted volume, as a sentence.
    """
    ids = __salt__["gluster_one.datastore_ids"](path)
    left = [f"{store} ({ids[store]})" for store in sorted(datastores or []) if store in ids]
    return left and (
        f"OpenNebula still has {', '.join(left)} on volume {volume}: run it on the head, and see its result; to take "
        "this node alone away, apply gluster_one.clean.mount"
    )


def _mount_left(path, volume, links, datastores_dir):
    """
    What is still there of a volume's place on this node.
    """
    changes = {}
    health = __salt__["gluster_one.mount_health"](path)
    if health["state"] == "hung":
        raise CommandExecutionError(
            f"{path} does not answer: a brick of volume {volume} or the network hangs, see `gluster volume status "
            f"{volume}`"
        )
    if health["state"] != "absent" and health["volume"] != volume:
        return {}
    paths = __salt__["gluster_mount.links_made"](datastores_dir, path)
    for link in links or []:
        paths += [link] if link in __salt__["gluster_mount.links"](os.path.dirname(link), path) else []
    for link in dict.fromkeys(paths):
        changes[link] = {"old": f"link to {path}", "new": None}
    if health["state"] != "absent":
        changes["mount"] = {"old": health["device"], "new": None}
    entry = __salt__["gluster_mount.entry"](path)
    if entry.get("volume") == volume:
        changes["fstab"] = {"old": f"{entry['device']} {','.join(entry['opts'])}", "new": None}
    elif entry:
        return {}
    return changes
