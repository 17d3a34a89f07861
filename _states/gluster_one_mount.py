"""
A volume mounted for its datastores, as states
==============================================

More states of ``gluster_one``: Salt joins modules of one virtual name.
"""

import functools
import os

from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "gluster_one"

FORMER_LINE = "fstab for "  # what changes calls a line for a directory that is mounted on no more
UNKNOWN = "(identifier)"  # a datastore's, that OpenNebula has not picked yet
# What to do when another node did not do its part.
OWNER = ": run it on the volume's first server, which sets the owner, and see that the user has the same number there"
HEAD = ": run it on the head, and see its result"


def __virtual__():
    return __virtualname__


def datastore_mounted(
    name,
    volume,
    servers,
    links=None,
    datastores=None,
    options=None,
    user="oneadmin",
    datastores_dir="/var/lib/one/datastores",
    timeout=120,
):
    """
    A volume is mounted by FUSE, from fstab, writable by oneadmin, and the directories of its datastores are links to
    it. For the head and every hypervisor.

    Nothing is remounted unasked: a changed option is written to fstab and takes effect at the next mount, and what
    somebody has mounted by hand, from whichever server, stays. Nothing is mounted over files, and no path that holds
    anything becomes a link. While nothing is mounted, the bare directory belongs to root, so that nobody fills the
    local disk by mistake.

    A directory that has somebody else's directory above it, such as oneadmin's /var/lib/one, is not mounted on: its
    owner could have the next boot mount the volume over any other. The volume is mounted on /var/lib/gluster_one/VOLUME
    then, and the directory is a link to that. Where it is mounted on such a directory already, it is mounted on the new
    one as well, the links are exchanged, and the old mount stays until ``datastore_remounted`` takes it away.

    name
        The directory to mount on (string), such as /var/lib/gluster_one/one_vol.

    volume
        The volume (string).

    servers
        All its Gluster servers (list of host names): the first is mounted from, the others are backup volfile servers.
        A line of fstab or a mount by another of them, or by an address, is as good.

    links
        Paths that are to be links to the directory (list of strings, default none).

    datastores
        Names of datastores whose directories are to be links to it as well (list of strings, or dict of names and
        identifiers, None for those not known before; default none). The others' identifiers are those that
        ``one_datastore_present`` leaves on the volume; they are waited for. One below 100 has to be given.

    options
        Further mount options (list of strings, default none).

    user
        Who must be able to write (string, default ``oneadmin``).

    datastores_dir
        Where OpenNebula keeps the directories of its datastores (string, default /var/lib/one/datastores).

    timeout
        Seconds for each of: the mount, its owner, the datastores' identifiers (int, default 120).

    .. code-block:: yaml

        /var/lib/gluster_one/one_vol:
          gluster_one.datastore_mounted:
            - volume: one_vol
            - servers: [kvm1, kvm2, kvm3]
            - links: [/var/lib/one/datastores/1]
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    fine = f"{volume} is mounted, writable by {user} and linked"
    try:
        __salt__["gluster_mount.check_arguments"](
            name, volume=volume, servers=servers, links=links, datastores=datastores, options=options, user=user,
            datastores_dir=datastores_dir, timeout=timeout,
        )  # fmt: skip
        __salt__["gluster.owner_id"](user)
        asked = os.path.normpath(name)
        name = __salt__["gluster_mount.place"](asked, volume, user)
        links = [asked, *(links or [])]
        stores = datastores if isinstance(datastores, dict) else dict.fromkeys(datastores or [])
        look = functools.partial(_look, name, volume, servers, options, links, stores, datastores_dir)
        entry, changes, link_changes, former = look()
        stale = __salt__["gluster_mount.stale"](name, entry) if "mount" not in changes else None
        if stale:
            fine += f"; from {stale}, and by fstab from the next mount on"
        if __opts__["test"]:
            return __salt__["gluster_one.predicted"](ret, {**changes, **link_changes, **former}, fine)
        done = ret["changes"]  # as far as it comes, also when a later step fails
        refused = []
        if "flags" in changes:
            refused = __salt__["gluster_mount.set_flags"](volume)
            done["flags"] = changes["flags"]
        if "fstab" in changes:
            __salt__["gluster_mount.entry_set"](name, entry["device"], entry["opts"])
            done["fstab"] = changes["fstab"]
        if "directory" in changes:
            __salt__["gluster_mount.point_set"](name)
            done["directory"] = changes["directory"]
        if "boot" in changes:
            __salt__["gluster_mount.retry_set"](name)
            done["boot"] = changes["boot"]
        if "mount" in changes:
            mount = functools.partial(__salt__["gluster_mount.mount"], name, timeout)
            __salt__["gluster_one.awaited"](mount, timeout, f"Volume {volume} was not mounted on {name}")
            done["mount"] = changes["mount"]
        write = functools.partial(_refused, name, user, timeout)
        __salt__["gluster_one.awaited"](write, timeout, f"{user} could not write in {name}", OWNER)
        missing = functools.partial(_ids_missing, name, stores)
        waited = __salt__["gluster_one.awaited"](missing, timeout, f"The head did not name {volume}'s datastores", HEAD)
        paths = _link_paths(name, volume, links, stores, datastores_dir)
        link_changes = _link_changes(name, volume, paths, datastores_dir)
        for label, change in link_changes.items():
            old = change["old"] and change["old"].removeprefix(f"{paths[label]} -> ")
            __salt__["gluster_mount.link"](paths[label], name, replace=old, make=label == paths[label])
            done[label] = change
        for label in former:
            other = label.removeprefix(FORMER_LINE)
            __salt__["gluster_mount.retry_remove"](other)
            __salt__["gluster_mount.entry_remove"](other, volume)
            done[label] = former[label]
        fine += f" (waited {waited} s for the head)" if waited else ""
        fine += "".join(f"; {place}: {error}" for place, error in __salt__["gluster_one.volume_errors"](name).items())
        fine += _still_mounted(name, volume, paths, datastores_dir)
        _, left, links_left, former_left = look()
        left = {**left, **links_left, **former_left}
        if "flags" in left and refused:
            left["flags"]["old"] = "; ".join(refused)
        return __salt__["gluster_one.applied"](ret, {**changes, **link_changes, **former}, left, fine)
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def _refused(name, user, timeout):
    """
    Why a user cannot write on a mounted volume. A client that was started a moment before its volume seemed to be
    mounted and has ended since: it is mounted again.
    """
    refused = __salt__["gluster_one.writable"](name, user)
    if refused and __salt__["gluster_one.mount_health"](name)["state"] == "absent":
        __salt__["gluster_mount.mount"](name, timeout)
        refused = __salt__["gluster_one.writable"](name, user)
    return refused


def _look(name, volume, servers, options, links, stores, datastores_dir):
    """
    The line that fstab is to have, and what differs: of the mount, of the links, and of lines for former places.
    """
    paths = _link_paths(name, volume, links, stores, datastores_dir)
    former = _former(name, volume, paths, datastores_dir)
    lines = {path: found["line"] for path, found in former.items() if found["line"]}
    like = next(iter(lines.values()), None)
    entry = __salt__["gluster_mount.entry_wanted"](name, volume, servers, options, like=like)
    changes = __salt__["gluster_mount.changes"](name, volume, entry)
    goes = {
        f"{FORMER_LINE}{path}": {"old": f"{line['device']} {','.join(line['opts'])}", "new": None}
        for path, line in lines.items()
    }
    return entry, changes, _link_changes(name, volume, paths, datastores_dir), goes


def _former(name, volume, paths, datastores_dir):
    """
    Where the volume was mounted before, of the default and of what are to be links.
    """
    default = __salt__["gluster_mount.former_default"](volume, datastores_dir)
    return __salt__["gluster_mount.former_places"](name, volume, default, list(paths.values()))


def _still_mounted(name, volume, paths, datastores_dir):
    """
    A remark on former places where the volume is mounted still.
    """
    former = _former(name, volume, paths, datastores_dir)
    mounted = ", ".join(path for path in former if former[path]["mounted"])
    return f"; also still mounted on {mounted}, until gluster_one.remount finds nothing that uses it" if mounted else ""


def _link_changes(name, volume, paths, datastores_dir):
    former = [__salt__["gluster_mount.former_default"](volume, datastores_dir)]
    return __salt__["gluster_mount.link_changes"](name, volume, paths, former)


def _ids_missing(name, stores):
    """
    Which datastores have no identifier in the pillar or on the mounted volume yet, as a sentence.
    """
    numbers = __salt__["gluster_one.datastore_numbers"](stores, __salt__["gluster_one.datastore_ids"](name))
    missing = sorted(store for store, number in numbers.items() if number is None)
    if not missing:
        return None
    errors = __salt__["gluster_one.volume_errors"](name)
    return "; ".join([f"none for {', '.join(missing)}", *map(": ".join, errors.items())])


def _link_paths(name, volume, links, stores, datastores_dir):
    """
    The paths that are to be links to the mounted volume, by what ``changes`` calls them.
    """
    left = __salt__["gluster_one.datastore_ids"](name, volume) if stores else {}
    paths = {}
    for store, number in __salt__["gluster_one.datastore_numbers"](stores, left).items():
        path = os.path.join(datastores_dir, str(UNKNOWN if number is None else number))
        paths[f"link for {store}"] = path
        if number is not None and __salt__["gluster_mount.link_state"](path, name, volume)["state"] != "linked":
            __salt__["gluster_one.require_number"](store, number, stores[store])
    more = [path for path in map(os.path.normpath, links) if path not in paths.values()]
    return {label: path for label, path in {**dict(zip(more, more)), **paths}.items() if path != name}
