"""
A mount with the servers and options that /etc/fstab has
========================================================

More states of ``gluster_one``: Salt joins modules of one virtual name.
"""

import functools
import os

from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "gluster_one"

FORMER = "mount on "  # how `changes` names a former place


def __virtual__():
    return __virtualname__


def datastore_remounted(
    name,
    volume,
    servers,
    options=None,
    links=None,
    user="oneadmin",
    datastores_dir="/var/lib/one/datastores",
    timeout=120,
):
    """
    A volume is mounted with the servers and options that fstab has; if not, it is unmounted and mounted again.

    It comes after ``datastore_mounted``, which writes the line, and only on request.

    A mount that is in use stays as it is, and the state fails and says what uses it (``gluster_mount.mount_users``).
    A private trial mount with the new options comes first. What ``datastore_mounted`` has left mounted on a former
    place is unmounted, and its directory is removed or becomes a link. A directory that is to become a link and has
    files beneath the mount stays, and the state fails and names them.

    name
        The directory on which it is mounted (string).

    volume, servers, options, links, user, datastores_dir
        As for ``datastore_mounted``.

    timeout
        Seconds to wait for the mount (int, default 120).

    .. code-block:: yaml

        remount one_vol:
          gluster_one.datastore_remounted:
            - name: /var/lib/gluster_one/one_vol
            - volume: one_vol
            - servers: [kvm1, kvm2, kvm3]
            - options: [log-level=WARNING]
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    fine = f"{volume} is mounted as /etc/fstab has it"
    try:
        __salt__["gluster_one_arguments.require_arguments"](
            "datastore_mounted", name=name, volume=volume, servers=servers, links=links, options=options, user=user,
            datastores_dir=datastores_dir, timeout=timeout,
        )  # fmt: skip
        asked = os.path.normpath(name)
        name = __salt__["gluster_mount.place"](asked, volume, user)
        links = [asked, *map(os.path.normpath, links or [])]
        entry = __salt__["gluster_mount_plan.wanted_line"](name, volume, servers, options)
        first = {"cover", "fstab", "mount"} & set(__salt__["gluster_mount_plan.changes"](name, volume, entry))
        if first and not __opts__["test"]:
            raise CommandExecutionError(f"{name} is not mounted, or not from fstab: apply datastore_mounted first")
        look_former = functools.partial(_former, name, volume, datastores_dir, user)
        former = look_former()
        changes = {**_changes(name, entry), **_former_changes(name, former, links, datastores_dir)}
        for path in former:
            _refuse_used(path, copies=False)  # which may be mounts of the place that stays
        if "client" in changes:
            _refuse_used(name)
        for path, found in former.items():
            hosts = __salt__["gluster_mount.client_servers"](__salt__["gluster_mount.client"](path))
            __salt__["gluster_fstab.check_servers"](found["mounted"], hosts, servers, f"is mounted on {_visible(path)}")
            if changes[_label(path)]["new"]:
                _refuse_hidden(path, name)
        if __opts__["test"] or not changes:
            return __utils__["gluster_states.would_change"](ret, changes, fine)
        found = __salt__["gluster_probe.mount_refusal"](entry["device"], entry["opts"]) if "client" in changes else None
        if found:
            said = f"{name} stays as it is: a trial mount of {changes['client']['new']} failed"
            raise CommandExecutionError(": ".join(filter(None, [said, found["why"], found["cure"]])))
        for path in former:
            __salt__["gluster_mount.detach"](path)
            change = ret["changes"][_label(path)] = changes[_label(path)]
            if change["new"]:
                __salt__["gluster_links.link"](path, name)
            elif former[path]["made"]:
                __salt__["gluster_links.remove_mount_point"](path)
        if "client" in changes:
            __salt__["gluster_mount.unmount"](name, lazy=False)
            mount = functools.partial(__salt__["gluster_mount.mount"], name, timeout)
            __utils__["gluster_states.wait_for"](mount, timeout, f"Volume {volume} was not mounted on {name}")
        __salt__["gluster_mount_plan.forget_gone"]()
        left = {**_changes(name, entry), **_former_changes(name, look_former(), links, datastores_dir)}
        return __utils__["gluster_states.changed"](ret, changes, left, fine)
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def _visible(path):
    return __utils__["gluster_process.visible"](path)


def _label(path):
    return FORMER + _visible(path)


def _refuse_used(path, copies=True):
    users = __salt__["gluster_mount.mount_users"](path, copies)
    if users:
        raise CommandExecutionError(__utils__["gluster_states.used"](_visible(path), users))


def _refuse_hidden(path, name):
    """
    Reject a former place that is to become a link and has files beneath the mount: without the mount and without a
    link, the local disk would fill.
    """
    names = __salt__["gluster_links.files_beneath"](path)
    if names:
        above, last = os.path.split(_visible(path))
        shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        raise CommandExecutionError(
            f"{above}/{last} stays mounted, because it could not become a link to {name}: beneath the mount, on the "
            f"local disk, it holds {len(names)} file{'s' if len(names) > 1 else ''} ({shown}); mkdir /run/disk; mount "
            f"--bind {above} /run/disk; move what is in /run/disk/{last} away; umount /run/disk; and run again"
        )


def _former(name, volume, datastores_dir, user):
    """
    Former places where the volume is still mounted.
    """
    former = __salt__["gluster_mount_plan.former_places"](name, volume, datastores_dir, user)
    return {path: found for path, found in former.items() if found["mounted"]}


def _former_changes(name, former, links, datastores_dir):
    """
    What becomes of former places: a link in OpenNebula's directory, and where one is wanted.
    """
    inside = {path for path in former if os.path.dirname(path) == datastores_dir.rstrip("/")}
    return {
        _label(path): {"old": "mounted", "new": f"a link to {name}" if path in inside.union(links) else None}
        for path in former
    }


def _changes(name, entry):
    """
    What differs between the client that runs and the line of fstab.
    """
    stale = __salt__["gluster_mount_plan.outdated_client"](name, entry)
    return {"client": {"old": stale, "new": f"{entry['device']} {','.join(entry['opts'])}"}} if stale else {}
