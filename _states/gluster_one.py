"""
OpenNebula's GlusterFS datastore: what its guide asks for, as states
====================================================================

Each state reads once, works out one difference, uses it for ``test=True``, for applying and for ``changes``, and reads
again afterwards. Each works on its own in any SLS; the formula ``gluster_one`` hands them arguments from the pillar.
"""

import functools
import os

from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "gluster_one"

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

    name
        The directory to mount on (string), such as /var/lib/one/gluster/one_vol.

    volume
        The volume (string).

    servers
        All its Gluster servers (list of host names): the first is mounted from, the others are backup volfile servers.
        A line of fstab or a mount by another of them, or by an address, is as good.

    links
        Paths that are to be links to the directory (list of strings, default none).

    datastores
        Names of datastores whose directories are to be links to it as well (list of strings, or dict of names and
        identifiers, None for those not known before; default none). Their identifiers are those that
        ``one_datastore_present`` leaves on the volume; they are waited for.

    options
        Further mount options (list of strings, default none).

    user
        Who must be able to write (string, default ``oneadmin``).

    datastores_dir
        Where OpenNebula keeps the directories of its datastores (string, default /var/lib/one/datastores).

    timeout
        Seconds for each of: the mount, its owner, the datastores' identifiers (int, default 120).

    .. code-block:: yaml

        /var/lib/one/gluster/one_vol:
          gluster_one.datastore_mounted:
            - volume: one_vol
            - servers: [kvm1, kvm2, kvm3]
            - links: [/var/lib/one/datastores/1]
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    fine = f"{volume} is mounted, writable by {user} and linked"
    try:
        __salt__["gluster.owner_id"](user)
        __salt__["gluster_mount.check_arguments"](name, links=links, datastores=datastores, options=options)
        name = os.path.normpath(name)
        entry = __salt__["gluster_mount.entry_wanted"](name, volume, servers, options)
        paths = _link_paths(name, volume, links, datastores, datastores_dir)
        changes = __salt__["gluster_mount.changes"](name, volume, entry)
        stale = __salt__["gluster_mount.stale"](name, entry) if "mount" not in changes else None
        if stale:
            fine += f"; from {stale}, and by fstab from the next mount on"
        link_changes = __salt__["gluster_mount.link_changes"](name, volume, paths)
        if __opts__["test"]:
            return __salt__["gluster_one.predicted"](ret, {**changes, **link_changes}, fine)
        done = ret["changes"]  # as far as it comes, also when a later step fails
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
        missing = functools.partial(_ids_missing, name, datastores)
        waited = __salt__["gluster_one.awaited"](missing, timeout, f"The head did not name {volume}'s datastores", HEAD)
        paths = _link_paths(name, volume, links, datastores, datastores_dir)
        link_changes = __salt__["gluster_mount.link_changes"](name, volume, paths)
        for label in link_changes:
            __salt__["gluster_mount.link"](paths[label], name)
            done[label] = link_changes[label]
        fine += f" (waited {waited} s for the head)" if waited else ""
        left = {
            **__salt__["gluster_mount.changes"](name, volume, entry),
            **__salt__["gluster_mount.link_changes"](name, volume, paths),
        }
        return __salt__["gluster_one.applied"](ret, {**changes, **link_changes}, left, fine)
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def one_datastore_present(
    name,
    type="IMAGE_DS",  # pylint: disable=redefined-builtin
    volume=None,
    host=None,
    ds_mad=None,
    tm_mad="shared",
    driver=None,
    restricted_dirs=None,
    safe_dirs=None,
    no_decompress=None,
    attributes=None,
    absent_attributes=None,
    datastore_id=None,
    clusters=None,
    clusters_exact=False,
    owner=None,
    group=None,
    permissions=None,
    enabled=None,
    in_use=None,
    mount=None,
    datastores_dir="/var/lib/one/datastores",
    wait_monitored=0,
    endpoint=None,
    auth_file=None,
):
    """
    OpenNebula has a datastore of this name with these attributes. For the head.

    Attributes are merged: those not named here stay as they are. What oned accepts and no machine could use is an error
    before anything is created. What is not given below is left as it is, or to OpenNebula.

    name
        The datastore (string).

    type
        ``IMAGE_DS``, ``SYSTEM_DS`` or ``FILE_DS`` (string, default ``IMAGE_DS``). It cannot be changed later.

    volume
        Of an image datastore that machines open natively: the Gluster volume (string). Given, ``DISK_TYPE`` is
        ``GLUSTER`` and ``host`` is needed. Not given, the datastore is one of plain files.

    host
        ``GLUSTER_HOST``: ``server`` or ``server:port`` (string), the port 24007 when left out; or a list of them. With
        ``volume`` only.

    ds_mad
        The datastore driver (string). Default: ``shared``, as the guide says, where oned runs such a driver, ``fs``
        otherwise, which is what every oned of today has. A system datastore has none.

    tm_mad
        The transfer driver (string, default ``shared``). Those of image and system datastores on one volume, there or
        in the same run, have to fit each other.

    driver
        ``DRIVER``, the format that images get when they are imported (string). Default: ``raw`` with ``volume``, unless
        there are images in it, because QEMU cannot open most qcow2 files over gluster:// (their length is no multiple
        of 512); none otherwise.

    restricted_dirs, safe_dirs
        ``RESTRICTED_DIRS`` and ``SAFE_DIRS``: directories from which no image may be registered, and exceptions from
        them (list of absolute paths, or a string with spaces between them).

    no_decompress
        ``NO_DECOMPRESS``: do not unpack files that are registered (bool).

    attributes, absent_attributes
        Any other attributes and their values (dict), and attributes to remove (list of strings).

    datastore_id
        The identifier of a datastore that is there (int): it is renamed when its name is another one. Of two of one
        name, it says which.

    clusters, clusters_exact
        Names or identifiers of clusters that the datastore is added to (list), and whether it is taken out of all
        others (bool, default False). A new datastore is in these alone, or in OpenNebula's cluster 0.

    owner, group, permissions
        Names of OpenNebula's user and group (strings), and letters such as ``um-u-----`` or digits such as ``640``.

    enabled
        Whether the scheduler uses a system datastore (bool).

    in_use
        ``allow`` to change ``DISK_TYPE``, ``GLUSTER_VOLUME``, ``DRIVER``, ``DS_MAD`` or ``TM_MAD`` although there are
        images or machines on it (string). ``GLUSTER_HOST`` may always change: running machines keep the old one.

    mount
        The directory on which this node has the volume mounted (string). Given, the datastore's own directory becomes a
        link to it, and its identifier is left on the volume for the other nodes.

    datastores_dir
        Where OpenNebula keeps the directories of its datastores (string, default /var/lib/one/datastores).

    wait_monitored
        Seconds to wait until OpenNebula has measured a new datastore (int, default 0: do not wait).

    endpoint, auth_file
        Where oned answers, and the file with ``user:password`` (strings; defaults: those of ``opennebula_api``).

    .. code-block:: yaml

        glusterds:
          gluster_one.one_datastore_present:
            - volume: one_vol
            - host: kvm1
            - mount: /var/lib/one/gluster/one_vol
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    api = {"endpoint": endpoint, "auth_file": auth_file}
    arguments = {
        "type": type, "volume": volume, "host": host, "ds_mad": ds_mad, "tm_mad": tm_mad, "driver": driver,
        "restricted_dirs": restricted_dirs, "safe_dirs": safe_dirs, "no_decompress": no_decompress,
        "attributes": attributes, "absent_attributes": absent_attributes, "datastore_id": datastore_id,
        "clusters": clusters, "clusters_exact": clusters_exact, "owner": owner, "group": group,
        "permissions": permissions, "enabled": enabled, "in_use": in_use, "mount": mount,
    }  # fmt: skip
    try:
        more = {"planned": _planned(mount), "run": _run(), **api}
        read = functools.partial(__salt__["one_datastore_check.compare"], name, arguments, **more)
        found = read()
        current, changes = found["current"], found["changes"]
        ret.update({"warnings": found["warnings"]} if found["warnings"] else {})
        links = _directory_changes(name, volume, mount, datastores_dir, current.get("id"))
        if __opts__["test"] or not {**changes, **links}:
            return __salt__["gluster_one.predicted"](ret, {**changes, **links}, f"datastore {name} is as wanted")
        if mount and __salt__["gluster_one.mount_health"](mount)["state"] != "alive":
            raise CommandExecutionError(f"{mount} is not mounted: mount its volume first, by datastore_mounted")
        try:
            store = __salt__["one_datastore.send"](name, changes, current, **api) if changes else current["id"]
        except CommandExecutionError as exc:
            refused = not current and not exc.done and getattr(exc, "code", None) == 8192
            if not refused or not __salt__["opennebula.datastore_info"](name, **api):
                raise
            found = read()  # somebody else has created it since
            current, changes = found["current"], found["changes"]
            store = __salt__["one_datastore.send"](name, changes, current, **api)
        ret["changes"] = changes
        links = _directory_changes(name, volume, mount, datastores_dir, store)
        if "link" in links:
            __salt__["gluster_mount.link"](os.path.join(datastores_dir, str(store)), mount)
        if "identifier" in links:
            __salt__["gluster_one.datastore_id_set"](mount, name, store)
        if wait_monitored and not current:
            measured = functools.partial(__salt__["one_datastore_check.measured"], store, **api)
            __salt__["gluster_one.awaited"](measured, wait_monitored, f"OpenNebula did not measure datastore {store}")
        arguments["datastore_id"] = store  # it may have been renamed since
        left = {**read()["changes"], **_directory_changes(name, volume, mount, datastores_dir, store)}
        fine = f"datastore {name} has the identifier {store}"
        if (links.get("identifier") or {}).get("old"):
            fine += ", another than before: the other nodes link it at their next run of gluster_one.mount"
        if (changes.get("GLUSTER_HOST") or {}).get("old"):
            fine += "; running machines keep the old GLUSTER_HOST until they are started anew"
        return __salt__["gluster_one.applied"](ret, {**changes, **links}, left, fine)
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        said = str(exc)
        said = said if said.startswith(f"Datastore {name}") else f"Datastore {name}: {said}"
        return {**ret, "result": False, "changes": getattr(exc, "done", ret["changes"]), "comment": said}


def _run():
    """
    What names this run of states, so that reading once serves all of them.
    """
    return globals().get("__instance_id__")


def _planned(mount):
    """
    The datastores that this run of states is to have on one volume: the arguments of their states.
    """
    alike = {"state": "gluster_one", "fun": "one_datastore_present", "mount": mount}
    states = (globals().get("__lowstate__") or []) if mount else []
    return [each for each in states if all(each.get(key) == value for key, value in alike.items())]


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


def _ids_missing(name, datastores):
    """
    Which datastores have no identifier on the mounted volume yet, as a sentence.
    """
    missing = sorted(set(datastores or []) - set(__salt__["gluster_one.datastore_ids"](name)))
    return f"none for {', '.join(missing)}" if missing else None


def _link_paths(name, volume, links, datastores, datastores_dir):
    """
    The paths that are to be links to the mounted volume, by what ``changes`` calls them.
    """
    ids = __salt__["gluster_one.datastore_ids"](name, volume) if datastores else {}
    paths = {path: path for path in links or []}
    for store in datastores or []:
        # One that is yet to be renamed is known by its number alone.
        known = datastores[store] if isinstance(datastores, dict) else None
        store_id = ids.get(store, UNKNOWN if known is None else known)
        paths[f"link for {store}"] = os.path.join(datastores_dir, str(store_id))
    return {label: path for label, path in paths.items() if path != name}


def _directory_changes(name, volume, mount, datastores_dir, store):
    """
    What differs on this node: the link to the mounted volume, and the identifier left there for the other nodes.
    """
    if not mount:
        return {}
    store = UNKNOWN if store is None else store
    path = os.path.join(datastores_dir, str(store))
    # A system datastore does not say on which volume it is: the one that is mounted, or that its link leads to.
    for shown in [mount, *([os.readlink(path)] if os.path.islink(path) else [])]:
        volume = volume or __salt__["gluster_one.mount_health"](shown)["volume"]
    changes = __salt__["gluster_mount.link_changes"](mount, volume, {"link": path} if path != mount else {})
    left = __salt__["gluster_one.datastore_ids"](mount, volume).get(name)
    if left != store:
        changes["identifier"] = {"old": left, "new": store}
    return changes
