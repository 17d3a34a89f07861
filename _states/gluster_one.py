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
INTERVAL = 300  # seconds between oned's looks at a datastore, as it comes


def __virtual__():
    return __virtualname__


def one_datastore_present(
    name,
    type="IMAGE_DS",  # pylint: disable=redefined-builtin
    volume=None,
    host=None,
    access="native",
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
    timeout=120,
    endpoint=None,
    auth_file=None,
):
    """
    OpenNebula has a datastore of this name with these attributes. For the head.

    Attributes are merged: those not named here stay as they are. What oned accepts and no VM could use is an error
    before anything is created. What is not given below stays as it is, or is left to OpenNebula.

    name
        The datastore (string).

    type
        ``IMAGE_DS``, ``SYSTEM_DS`` or ``FILE_DS`` (string, default ``IMAGE_DS``). It cannot be changed later.

    volume
        Of an image datastore that is on a Gluster volume: the volume (string). Given, and ``access`` is ``native``,
        ``DISK_TYPE`` is ``GLUSTER`` and ``host`` is needed. Not given, the images are plain files.

    host
        ``GLUSTER_HOST``: ``server`` or ``server:port`` (string), the port 24007 when left out; or a list of them. With
        ``volume`` only. With ``access: fuse`` it is not written.

    access
        How VMs open its images (string, default ``native``): ``native`` over ``gluster://``, which needs a QEMU
        with the gluster driver, or ``fuse`` as files on the mount. With ``fuse`` ``DISK_TYPE`` is ``FILE``, and
        ``GLUSTER_HOST`` and ``GLUSTER_VOLUME`` are removed when no image is native any more. Images and VMs that
        are there keep the access they have.

    ds_mad
        The datastore driver (string). Default: ``shared``, as the guide says, where oned runs such a driver, ``fs``
        otherwise, which every current oned has. A system datastore has none.

    tm_mad
        The transfer driver (string, default ``shared``). Those of image and system datastores on one volume, there or
        in the same run, have to fit each other.

    driver
        ``DRIVER``, the format that images get when they are imported (string). Default: ``raw`` where VMs open
        images natively, unless there are images in it, because QEMU cannot open most qcow2 files over gluster:// (their
        length is not a multiple of 512); none otherwise.

    restricted_dirs, safe_dirs
        ``RESTRICTED_DIRS`` and ``SAFE_DIRS``: directories from which no image may be registered, and exceptions from
        them (list of absolute paths, or a string with spaces between them).

    no_decompress
        ``NO_DECOMPRESS``: do not unpack files that are registered (bool).

    attributes, absent_attributes
        Any other attributes and their values (dict), and attributes to remove (list of strings).

    datastore_id
        The identifier of an existing datastore (int): it is renamed to this name. Where two datastores have the name,
        it says which one is meant.

    clusters, clusters_exact
        Names or identifiers of clusters that the datastore is added to (list), and whether it is removed from all
        others (bool, default False); from one to which an earlier run has added it, and which the list no longer has,
        it is removed in any case. A new datastore is in these alone, or in OpenNebula's cluster 0.

    owner, group, permissions
        Names of OpenNebula's user and group (strings), and letters such as ``um-u-----`` or digits such as ``640``.

    enabled
        Whether the scheduler uses a system datastore (bool).

    in_use
        ``allow`` to change ``DISK_TYPE``, ``GLUSTER_VOLUME``, ``DRIVER``, ``DS_MAD`` or ``TM_MAD`` although there are
        images or VMs on it (string). ``GLUSTER_HOST`` may always change: existing VMs keep the old one. A datastore on
        the same volume that is not in the run, and has another one, is named in a warning.

    mount
        The directory on which this node has the volume mounted (string). Given, the datastore's own directory becomes a
        link to it, and its identifier is written to the volume for the other nodes.

    datastores_dir
        Where OpenNebula keeps the directories of its datastores (string, default /var/lib/one/datastores).

    wait_monitored
        Seconds to wait until the size that OpenNebula knows is the volume's (int, default 0: do not wait). It measures
        a new datastore within a second, and any other, such as after a change of ``DS_MAD``, every 300 s; until then
        it accepts no image. A system datastore that it never measures (``tm_mad: ssh``, ``local``) is not waited for.

    timeout
        Seconds to wait for an oned whose port is closed, as it is while oned starts (int, default 120).

    endpoint, auth_file
        Where oned answers, and the file with ``user:password`` (strings; defaults: those of ``opennebula_api``).

    .. code-block:: yaml

        glusterds:
          gluster_one.one_datastore_present:
            - volume: one_vol
            - host: kvm1
            - mount: /var/lib/gluster_one/one_vol
    """
    given = dict(locals())
    arguments = {argument: given[argument] for argument in __utils__["one_datastore_rules.arguments"]()}
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    api = {"endpoint": endpoint, "auth_file": auth_file, "wait": timeout}
    try:
        more = {"datastores_dir": datastores_dir, "endpoint": endpoint, "auth_file": auth_file, "timeout": timeout}
        __salt__["gluster_one_arguments.require_arguments"]("one_datastore_present", name=name, **arguments, **more)
        if "pyone" in __salt__["gluster_one_run.to_come"]():
            said = f"datastore {name} can be looked at once pyone is installed, which this run would do"
            return {**ret, "result": None, "comment": said}
        more = {"planned": _planned(mount), "run": _run(), **api}
        mount = arguments["mount"] = _mounted_on(mount, volume)
        read = functools.partial(__salt__["one_datastore.compare"], name, arguments, **more)
        found = read()
        current, changes = found["current"], found["changes"]
        ret.update({"warnings": found["warnings"]} if found["warnings"] else {})
        links = _directory_changes(name, volume, mount, datastores_dir, current.get("id"), datastore_id)
        if __opts__["test"] or not {**changes, **links}:
            fine = f"datastore {name} is as wanted"
            fine += _size(current, mount, wait_monitored, api, current) if current and wait_monitored else ""
            return __utils__["gluster_states.would_change"](ret, {**changes, **links}, fine)
        if mount and __salt__["gluster_mount.mount_health"](mount)["state"] != "alive":
            raise CommandExecutionError(f"{mount} is not mounted: mount its volume first, by datastore_mounted")
        try:
            send = functools.partial(__salt__["one_datastore.apply"], **api)
            store = send(name, changes, current, found["secrets"]) if changes else current["id"]
        except CommandExecutionError as exc:
            unsure, refused = getattr(exc, "unsure", False), getattr(exc, "code", None) == 8192
            created = refused and not current and not exc.done and __salt__["opennebula.datastore_info"](name, **api)
            if not unsure and not created:
                if "clusters" in exc.done and current:
                    __salt__["one_datastore.record_clusters"](current["id"], exc.done["clusters"])
                raise
            # What may have been done is looked at; or somebody else has created it since.
            ret["changes"] = exc.done
            found = read()
            current, left = found["current"], found["changes"]
            store = send(name, left, current, found["secrets"]) if left else current["id"]
            changes = {**changes, **left} if unsure else left
        ret["changes"] = changes
        if "clusters" in changes:
            __salt__["one_datastore.record_clusters"](store, changes["clusters"])
        links = _directory_changes(name, volume, mount, datastores_dir, store, datastore_id)
        if "link" in links:
            path, old = os.path.join(datastores_dir, str(store)), links["link"]["old"]
            __salt__["gluster_links.link"](path, mount, replace=old and old.removeprefix(f"{path} -> "))
        if "identifier" in links:
            __salt__["gluster_one_ids.publish_id"](mount, name, store, [each["name"] for each in more["planned"]])
        arguments["datastore_id"] = store  # it may have been renamed since
        found = read()
        left = {**found["changes"], **_directory_changes(name, volume, mount, datastores_dir, store, store)}
        size = _size(found["current"], mount, wait_monitored, api, current) if current or wait_monitored else ""
        fine = f"datastore {name} has the identifier {store}"
        if (links.get("identifier") or {}).get("old"):
            fine += ", another than before: the other nodes link it at their next run of gluster_one.mount"
        if (changes.get("DISK_TYPE") or {}).get("old"):
            fine += f"; existing VMs keep their disks' type {changes['DISK_TYPE']['old']}"
        if (host := changes.get("GLUSTER_HOST") or {}).get("old"):
            fine += "; existing VMs keep the old GLUSTER_HOST"
            fine += "" if host["new"] else " and need it; new ones are created without one"
        if (changes.get("GLUSTER_VOLUME") or {}).get("old"):
            fine += f"; existing VMs keep GLUSTER_VOLUME {changes['GLUSTER_VOLUME']['old']}"
        fine += size
        return __utils__["gluster_states.changed"](ret, {**changes, **links}, left, fine)
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        said = str(exc)
        said = said if said.startswith(f"Datastore {name}") else f"Datastore {name}: {said}"
        return {**ret, "result": False, "changes": {**ret["changes"], **getattr(exc, "done", {})}, "comment": said}


def _size(current, mount, seconds, api, before):
    """
    Wait until OpenNebula has measured a datastore, if that is asked for; returns what is still to come. A new datastore
    is measured at once, any other some time.
    """
    seen, store = __salt__["one_datastore.unmeasured"](current, mount), current["id"]
    later = f"every {INTERVAL} s (MONITORING_INTERVAL_DATASTORE in oned.conf)"
    if not current["total_mb"] and current["type"] != "SYSTEM_DS":
        later += ", and accepts no image before that"
    if not __utils__["one_datastore_rules.is_measured"](current):
        return (
            f"; OpenNebula never measures it, because SHARED is NO with TM_MAD {current['tm_mad']}" if seconds else ""
        )
    if not seen:
        return ""
    if not seconds or __opts__["test"]:
        return f"; OpenNebula has yet to measure it ({seen}), which it does {later}"
    __utils__["gluster_states.wait_for"](
        functools.partial(__salt__["one_datastore.wait_measured"], store, mount, **api),
        seconds,
        f"OpenNebula did not measure datastore {store}",
        f": it does {later}" if before else "",
    )
    return ""


def _run():
    """
    What names this run of states, so that all its states share one reading.
    """
    return globals().get("__instance_id__")


def _planned(mount):
    """
    The datastores that this run of states is to have on one volume: the arguments of their states.
    """
    alike = {"state": "gluster_one", "fun": "one_datastore_present", "mount": mount}
    states = (globals().get("__lowstate__") or []) if mount else []
    return [each for each in states if all(each.get(key) == value for key, value in alike.items())]


def _mounted_on(mount, volume):
    """
    The directory on which a volume is mounted, where its place is a link to that: see ``datastore_mounted``. Whoever
    owns the directory can have the link lead anywhere.
    """
    if not mount:
        return mount
    mounts = __salt__["gluster_mount.mounts"]()
    for end in __salt__["gluster_links.link_state"](mount, mount)["ends"]:
        shown = mounts.get(end, {}).get("volume")
        if shown and shown == (volume or shown) and not __salt__["gluster_mount.foreign_parent"](end):
            return end
    place = __salt__["gluster_mount.place"](mount, volume) if volume else mount
    return mount if mount in mounts and place not in mounts else place  # by hand, on this node


def _directory_changes(name, volume, mount, datastores_dir, store, given):
    """
    What differs on this node: the link to the mounted volume, and the identifier on it for the other nodes.
    """
    if not mount:
        return {}
    store = UNKNOWN if store is None else store
    path = os.path.join(datastores_dir, str(store))
    # A system datastore does not say on which volume it is: the one that is mounted, or that its directory shows.
    mounts, ends = __salt__["gluster_mount.mounts"](), __salt__["gluster_links.link_state"](path, mount)["ends"]
    shown = (mounts.get(each, {}).get("volume") for each in (mount, path, *ends))
    volume = volume or next(filter(None, shown), None)
    former = __salt__["gluster_mount_plan.former_places"](mount, volume, datastores_dir) if volume else {}
    changes = __salt__["gluster_links.link_changes"](mount, volume, {"link": path} if path != mount else {}, former)
    if "link" in changes and store != UNKNOWN and not changes["link"]["old"]:
        __salt__["gluster_one_ids.require_number"](name, store, given)
    left = __salt__["gluster_one_ids.published_ids"](mount, volume, kept=False).get(name)
    if left != store:
        changes["identifier"] = {"old": left, "new": store}
    return changes
