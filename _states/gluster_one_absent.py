"""
A datastore that is to be deleted
=================================

More states of ``gluster_one``: Salt joins modules of one virtual name.
"""

from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "gluster_one"

FIRST = 100  # the first identifier that oned gives to a datastore that somebody makes


def __virtual__():
    return __virtualname__


def one_datastore_absent(name, datastore_id=None, timeout=120, endpoint=None, auth_file=None, delete=True):
    """
    OpenNebula has no datastore of this name. For the head.

    Only an empty one is deleted: while it has images, or VMs have disks on it, the state fails and names some of them.
    So it does where OpenNebula does not show all of them to the user.
    The files in its directories stay, and so do the links to the volume; its identifier, which the head wrote to the
    mounted volume for the other nodes, is removed.

    name
        The datastore (string).

    datastore_id
        Its identifier (int), where two datastores have the name.

    timeout
        Seconds to wait for an oned whose port is closed, as it is while oned starts (int, default 120).

    endpoint, auth_file
        Where oned answers, and the file with ``user:password`` (strings; defaults: those of ``opennebula_api``).

    delete
        Whether an empty one is deleted (bool, default True). Otherwise the state fails while it is there, but for one
        of OpenNebula's own, below 100: without its link its images would go to the local disk.

    .. code-block:: yaml

        old_images:
          gluster_one.one_datastore_absent: []
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    api = {"endpoint": endpoint, "auth_file": auth_file, "wait": timeout}
    fine = f"there is no datastore {name}"
    try:
        __salt__["gluster_one_arguments.require_arguments"](
            "one_datastore_absent", name=name, timeout=timeout, endpoint=endpoint, auth_file=auth_file
        )
        current = _there(name, datastore_id, api)
        changes = _changes(name, current, api)
        users = _users(current, api) if current else None
        if users:
            raise CommandExecutionError(users)
        if current and not delete:
            fine = _stays(current)
            changes.clear()
        if __opts__["test"] or not changes:
            return __utils__["gluster_states.would_change"](ret, changes, fine)
        try:
            if current:
                __salt__["opennebula.datastore_delete"](current["id"], **api)
        except CommandExecutionError as exc:
            if not getattr(exc, "unsure", False):
                raise
            if _there(name, datastore_id, api):  # it was not carried out
                __salt__["opennebula.datastore_delete"](current["id"], **api)
        ret["changes"] = {key: change for key, change in changes.items() if key == "datastore"}
        for path in __salt__["gluster_one_ids.volumes_with_id"](name):
            if f"identifier on {path}" in changes:
                __salt__["gluster_one_ids.forget_id"](path, name)
        left = _changes(name, _there(name, datastore_id, api), api)
        return __utils__["gluster_states.changed"](ret, changes, left, fine)
    except (CommandExecutionError, SaltInvocationError) as exc:
        said = str(exc)
        said = said if said.startswith(f"Datastore {name}") else f"Datastore {name}: {said}"
        return {**ret, "result": False, "comment": said}


def _changes(name, current, api):
    """
    What is there yet: the datastore, and its identifier on the mounted volumes, where the head has left it for the
    other nodes. One that another datastore has, such as that one under a new name, stays.
    """
    changes = {"datastore": {"old": current["id"], "new": None}} if current else {}
    found = __salt__["gluster_one_ids.volumes_with_id"](name)
    stores = __salt__["opennebula.datastore_list"](**api) if found else []
    for path, number in found.items():
        if number not in {store["id"] for store in stores} - {current.get("id")}:
            changes[f"identifier on {path}"] = {"old": number, "new": None}
    return changes


def _stays(current):
    """
    That an empty datastore stays, for the comment.
    """
    if current["id"] < FIRST:
        return f"datastore {current['id']} is one of OpenNebula's own, and empty: it stays"
    raise CommandExecutionError(
        "it is empty and still in OpenNebula, which would write its images to the local disk once its directory is no "
        f"link any more: `onedatastore delete {current['id']}`, or have it deleted (`delete: true`; of "
        "gluster_one.absent: pillar='{gluster_one_delete_datastores: true}')"
    )


def _there(name, datastore_id, api):
    """
    The datastore, an empty dict where there is none of that name. One with another name is left alone.
    """
    if datastore_id is None:
        return __salt__["one_datastore.find"](name, **api)
    if not str(datastore_id).isdecimal():
        raise SaltInvocationError(f"datastore_id is {datastore_id!r}: a number is needed")
    stores = __salt__["opennebula.datastore_list"](**api)
    found = [store for store in stores if (store["name"], store["id"]) == (name, int(datastore_id))]
    return found[0] if found else {}


def _users(current, api):
    """
    What is on a datastore, or may be, as a sentence, or None.
    """
    images = __salt__["opennebula.image_list"](current["id"], **api)
    machines = __salt__["opennebula.vm_list"](current["id"], **api)
    for kind, found in (("image", images), ("VM", machines)):
        if found:
            names = ", ".join(__utils__["gluster_process.visible"](each["name"]) for each in found[:3]) + (
                ", ..." if len(found) > 3 else ""
            )
            count = f"{len(found)} {kind}{'' if len(found) == 1 else 's'}"
            return f"it is not empty: {count} ({names}); move or delete them first"
    hidden = __salt__["one_datastore.hidden_users"](current, 0, 0, **api)
    return hidden and (
        f"it may not be empty: {hidden} that OpenNebula does not show to this user; use one of the group oneadmin"
    )
