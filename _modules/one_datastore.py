"""
The rules for a datastore of OpenNebula that VMs can use
========================================================

oned accepts nearly anything: a datastore without a volume, with a driver that no process runs, in a cluster whose hosts
cannot open it. This module has the rules that oned does not check, and the notation and the equalities that it does not
know, so that the state ``gluster_one.one_datastore_present`` can reject a datastore before it writes.

run, connection
    As in ``opennebula.datastore_list``.
"""

import re

from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "one_datastore"

# What oned takes where the transfer driver's configuration says nothing.
DEFAULTS = {"ALLOW_ORPHANS": "NO", "PERSISTENT_SNAPSHOTS": "YES", "DS_MIGRATE": "YES"}
# What oned gives a new datastore that is not told about it.
GIVEN = ("DISK_TYPE", "RESTRICTED_DIRS", "SAFE_DIRS")
# Its own elements that are attributes, too; a template may have them from the first update on.
ELEMENTS = ("TYPE", "DS_MAD", "TM_MAD")
KVM = ("kvm", "qemu")
CLUSTERS = "one_datastore.clusters"  # what the head keeps: the clusters to which runs have added datastores
# What a datastore has that is opened natively alone, besides DISK_TYPE.
GLUSTER = ("GLUSTER_HOST", "GLUSTER_VOLUME")


def __virtual__():
    return __virtualname__


def template(arguments):
    """
    A datastore's attributes in OpenNebula's names and notation.

    arguments
        Those of the state ``gluster_one.one_datastore_present`` (dict); what is not an attribute is ignored.

    Returns a dict ``{"TYPE": "IMAGE_DS", "TM_MAD": "shared", "DISK_TYPE": "GLUSTER", "GLUSTER_HOST": "kvm1:24007",
    "GLUSTER_VOLUME": "one_vol", "DRIVER": "raw"}``, without what was not asked for.

    Raises SaltInvocationError for what no datastore can be.

    CLI Example:

    .. code-block:: bash

        salt head one_datastore.template '{volume: one_vol, host: kvm1}'
    """
    rows = __utils__["one_datastore_rules.arguments"]()
    given = {argument: arguments.get(argument, row["default"]) for argument, row in rows.items()}
    wanted = {
        row["attribute"]: given[argument]
        for argument, row in rows.items()
        if row["attribute"]
        and given[argument] is not None
        and (given[argument] not in ("", []) or row["kind"] == "directories")
    }
    volume, host, attributes = given["volume"], given["host"], given["attributes"]
    fuse = given["access"] == "fuse"
    if fuse:  # said, because a merge leaves GLUSTER where nothing is
        wanted = {attribute: value for attribute, value in wanted.items() if attribute not in GLUSTER}
    if fuse or volume:
        wanted["DISK_TYPE"] = "FILE" if fuse else "GLUSTER"
    if not isinstance(attributes or {}, dict):
        raise SaltInvocationError(f"attributes is {attributes!r}: names and values are needed, such as {{LIMIT_MB: 5}}")
    for attribute, value in _named("attributes", attributes or {}).items():
        if attribute == "NAME":
            raise SaltInvocationError(f"attributes has NAME {value!r}: it renames nothing; give datastore_id and name")
        if attribute == "BASE_PATH":
            raise SaltInvocationError(
                f"attributes has BASE_PATH {value!r}: oned makes it from DATASTORE_LOCATION in oned.conf, leave it out"
            )
        if value is None or isinstance(value, (dict, list)):
            value = __utils__["one_datastore_rules.shown"]({attribute: value})[attribute]
            raise SaltInvocationError(f"attributes has {attribute} {value!r}: a text or number is needed")
        wanted[attribute] = value
    kind, disk_type = wanted.get("TYPE", given["type"]), wanted.get("DISK_TYPE")
    types = rows["type"]["types"]
    if kind not in types:
        raise SaltInvocationError(f"type is {kind!r}: {', '.join(types)} are possible")
    given["ds_mad"] = wanted.get("DS_MAD")  # attributes may have it, too
    if host and not volume:
        raise SaltInvocationError(f"volume is {volume!r}, and host is {host!r}: give the volume too, or leave host out")
    for argument, row in rows.items():
        asked = given[argument] if row["attribute"] else fuse and row["kind"] == "access"
        if asked and kind not in row["types"]:
            raise SaltInvocationError(
                f"{argument} is {given[argument]!r}: {row['why'].format(type=kind)}, leave it out"
            )
    if volume and not host and not fuse:
        raise SaltInvocationError(f"host is {host!r}: a Gluster server is needed, such as kvm1 or kvm1:24007")
    if volume and not fuse and not is_native(wanted):
        raise SaltInvocationError(
            f"attributes has DISK_TYPE {disk_type}, and with volume it is GLUSTER: leave one out; for files on the "
            "mount, say access: fuse"
        )
    for attribute in ("DISK_TYPE", *GLUSTER) if fuse else ():
        value, has = wanted.get(attribute), "FILE" if attribute == "DISK_TYPE" else None
        if str(value).upper() != str(has).upper():
            raise SaltInvocationError(
                f"attributes has {attribute} {value}, and with access: fuse it is {has or 'not there'}: leave one out"
            )
    if disk_type and kind != "IMAGE_DS":
        raise SaltInvocationError(f"DISK_TYPE is {disk_type!r}: oned ignores or rejects it on a {kind}, leave it out")
    wanted["TM_MAD"] = wanted.get("TM_MAD") or rows["tm_mad"]["default"]
    if is_native(wanted):
        wanted.update(DISK_TYPE="GLUSTER", DRIVER=wanted.get("DRIVER") or "raw")
        if wanted.get("GLUSTER_HOST"):
            wanted["GLUSTER_HOST"] = __utils__["one_datastore_rules.gluster_host"](wanted["GLUSTER_HOST"])
    texts = {name: __utils__["one_datastore_rules.written"](name, value) for name, value in wanted.items()}
    return {name: text for name, text in texts.items() if text is not None}


def _named(argument, values):
    """
    Attributes and their values by the names that oned keeps.
    """
    named = {}
    for attribute, value in values.items():
        try:
            name = __utils__["one_datastore_rules.attribute_name"](attribute)
        except SaltInvocationError as exc:
            raise SaltInvocationError(f"{argument}: {exc}") from None
        if named.setdefault(name, value) != value:
            one, two = (__utils__["one_datastore_rules.shown"]({name: each})[name] for each in (named[name], value))
            raise SaltInvocationError(f"{argument} has {name} twice, as {one!r} and {two!r}: leave one out")
    return named


def completed(name, wanted, current, run=None, **connection):
    """
    A template with its ``DS_MAD``, without what oned decides by itself, checked against the drivers that oned runs.
    oned is asked for those only when something depends on them.

    name
        The datastore's name (string), for the errors.

    wanted
        The attributes that :func:`template` returned (dict).

    current
        The datastore as it is (dict of ``opennebula.datastore_info``), empty when it is not there.

    Returns a dict ``{"attributes": {...}, "warnings": [...]}``: what to compare and to send, and sentences.

    Raises CommandExecutionError when the type differs, a driver does not run, or an attribute is not what the transfer
    driver makes of it.

    CLI Example:

    .. code-block:: bash

        salt head one_datastore.completed glusterds '{TYPE: IMAGE_DS, TM_MAD: shared}' '{}'
    """
    if current and current["type"] != wanted["TYPE"]:
        raise CommandExecutionError(
            f"Datastore {name} ({current['id']}) is of type {current['type'] or 'unknown'}, which cannot be changed to "
            f"{wanted['TYPE']}: use another name, or delete it if it is empty"
        )
    warnings = []
    system = wanted["TYPE"] == "SYSTEM_DS"
    decided = {
        attribute: fate
        for attribute in wanted
        if (fate := __utils__["one_datastore_rules.set_by_driver"](attribute, wanted["TYPE"]))
    }
    sent = {key: value for key, value in wanted.items() if key not in decided or key in ("DRIVER", "DISK_TYPE")}
    ds_mad = None if system else wanted.get("DS_MAD", current.get("ds_mad"))
    dead = ds_mad == "shared" and "DS_MAD" not in wanted  # as the guide's value leaves it
    same = current and wanted["TM_MAD"] == current["tm_mad"] and (system or ds_mad == current["ds_mad"] != "shared")
    asked = {attribute: wanted[attribute] for attribute in decided}
    if same and not __utils__["one_datastore_rules.changes"](asked, current):
        return {"attributes": sent, "warnings": warnings}
    known = drivers(run=run, **connection)
    if not known:
        left = [attribute for attribute in decided if attribute not in sent]
        warnings.append(
            "oned does not tell which drivers it runs (before 7, one.system.config is for the group oneadmin), so "
            "they are not checked, and DS_MAD is fs unless it is given"
            + (f"; {', '.join(left)}: left to oned, which takes what TM_MAD has" if left else "")
        )
        if not system and (ds_mad is None or dead):
            sent["DS_MAD"] = "fs"
        return {"attributes": sent, "warnings": warnings}
    if not system and "DS_MAD" not in wanted and ds_mad not in known["ds_mad"]:
        # New, or the dead datastore that the guide's DS_MAD = shared makes.
        sent["DS_MAD"] = ds_mad = "shared" if "shared" in known["ds_mad"] else "fs"
    for key, driver in (("ds_mad", ds_mad), ("tm_mad", wanted["TM_MAD"])):
        if driver is not None and driver not in known[key]:
            raise CommandExecutionError(
                f"Datastore {name}: {key.upper()} {driver} is not among the drivers that oned runs "
                f"({', '.join(known[key])}): leave {key} out, or set it to one of them"
            )
    made = {**DEFAULTS, **known["tm_mad_conf"].get(wanted["TM_MAD"], {})}
    for attribute, fate in decided.items():
        value, has = wanted[attribute], made.get(attribute)
        if fate == "set" and not has:
            sent[attribute] = value  # left to the datastore
        elif value.upper() != str(has).upper():
            raise CommandExecutionError(
                f"Datastore {name}: {attribute} is {value}, and oned would "
                + (f"make it {has} because TM_MAD is {wanted['TM_MAD']}: leave it out, or use another tm_mad"
                   if fate == "set" else f"remove it because TYPE is {wanted['TYPE']}: leave it out")
            )  # fmt: skip
    return {"attributes": sent, "warnings": warnings}


def find(name, datastore_id=None, run=None, **connection):
    """
    The datastore that a state means.

    name
        Its name (string).

    datastore_id
        Its identifier (int), when it may have another name still. Default: the name alone says which.

    Returns a dict of ``opennebula.datastore_list``, empty when there is none of that name.

    Raises CommandExecutionError when two have the name, there is no such identifier, or another one has the name.

    CLI Example:

    .. code-block:: bash

        salt head one_datastore.find glusterds
    """
    datastores = __salt__["opennebula.datastore_list"](run=run, **connection)
    found = [store for store in datastores if store["name"] == str(name)]
    if datastore_id is None:
        if len(found) > 1:
            ids = " and ".join(str(store["id"]) for store in found)
            raise CommandExecutionError(
                f"Datastore {name}: there is more than one of that name ({ids}): give datastore_id"
            )
        return found[0] if found else {}
    if not str(datastore_id).isdecimal():
        raise SaltInvocationError(f"datastore_id is {datastore_id!r}: a number is needed")
    meant = [store for store in datastores if store["id"] == int(datastore_id)]
    if not meant:
        raise CommandExecutionError(f"Datastore {name}: OpenNebula has none with the identifier {datastore_id}")
    others = [store["id"] for store in found if store["id"] != int(datastore_id)]
    if others and meant[0] not in found:  # one that has the name already needs no renaming
        raise CommandExecutionError(
            f"Datastore {name}: {datastore_id} cannot be renamed to it, because datastore {others[0]} has that name"
        )
    return meant[0]


def difference(name, wanted, current, arguments=None, run=None, **connection):
    """
    All that differs between a datastore as it is and as it should be.

    name
        The datastore's name (string).

    wanted
        Its attributes, as :func:`completed` returned them (dict).

    current
        The datastore as it is (dict of ``opennebula.datastore_list``), empty when it is not there.

    arguments
        Those of the state ``gluster_one.one_datastore_present`` (dict, default none).

    Returns a dict: attributes by their names, and ``name``, ``clusters``, ``owner``, ``group``, ``permissions``,
    ``state``, each with ``old`` and ``new``.

    Raises CommandExecutionError or SaltInvocationError for a cluster, user or group that OpenNebula does not have, for
    permissions of no known form, and for attributes that cannot be absent.

    CLI Example:

    .. code-block:: bash

        salt head one_datastore.difference glusterds '{TM_MAD: shared}' '{}' '{clusters: [default]}'
    """
    rows = __utils__["one_datastore_rules.arguments"]()
    given = {argument: (arguments or {}).get(argument, row["default"]) for argument, row in rows.items()}
    absent_attributes, enabled, permissions = given["absent_attributes"], given["enabled"], given["permissions"]
    differing = __utils__["one_datastore_rules.changes"](wanted, current)
    if not isinstance(absent_attributes, (str, list, type(None))):
        raise SaltInvocationError(f"absent_attributes is {absent_attributes!r}: a list of attribute names is needed")
    absent = [absent_attributes] if isinstance(absent_attributes, str) else absent_attributes or []
    absent = [*absent, *(GLUSTER if given["access"] == "fuse" else ())]
    for attribute in _named("absent_attributes", dict.fromkeys(absent)):
        if attribute in ELEMENTS or _comes_back(attribute, wanted, run, connection):
            raise SaltInvocationError(
                f"absent_attributes has {attribute}, which oned sets again by itself: leave it out"
            )
        if attribute in wanted:
            raise SaltInvocationError(
                f"absent_attributes has {attribute}, which is to be "
                f"{__utils__['one_datastore_rules.shown'](wanted)[attribute]}: only one can be"
            )
        if attribute in current or (not current and attribute in GIVEN):
            differing[attribute] = {"old": current.get(attribute), "new": None}
    if enabled not in (None, True, False):
        raise SaltInvocationError(f"enabled is {enabled!r}: true or false is needed")
    desired = {"name": str(name) if current else None, "owner": given["owner"], "group": given["group"]}
    letters = __utils__["one_datastore_rules.permission_letters"]
    desired["permissions"] = None if permissions is None else letters(permissions)
    desired["state"] = {None: None, True: "READY", False: "DISABLED"}[enabled]
    there = current or {"state": "READY"}
    for key, value in desired.items():
        if value is not None and there.get(key) != value:
            differing[key] = {"old": current.get(key), "new": value}
    if "state" in differing and wanted["TYPE"] not in rows["enabled"]["types"]:
        raise SaltInvocationError(f"enabled is {enabled}: {rows['enabled']['why']}, leave it out")
    for kind, key in (("user", "owner"), ("group", "group")):
        if key in differing:
            _identifier(kind, differing[key]["new"], connection)
    clusters, clusters_exact = given["clusters"], given["clusters_exact"]
    if clusters or (clusters_exact and clusters is not None):
        if current and current["clusters"] is None:
            raise CommandExecutionError(
                f"Datastore {name}: OpenNebula does not say in which clusters it is (`onedatastore show -x "
                f"{current['id']}`): leave clusters out"
            )
        joined = _cluster_ids(name, clusters, run, connection)
        # What a run has added it to goes again; what else it is in was there before.
        ours = (__salt__["data.get"](CLUSTERS) or {}).get(str(current.get("id")), ())
        others = [] if clusters_exact else [each for each in current.get("clusters", ()) if each not in ours]
        joined = sorted({*joined, *others})
        if joined != sorted(current.get("clusters", [None])):
            differing["clusters"] = {"old": current.get("clusters"), "new": joined}
    return differing


def _comes_back(attribute, wanted, run, connection):
    """
    Whether oned sets an attribute again that was removed, as the transfer driver's configuration has it.
    """
    if __utils__["one_datastore_rules.set_by_driver"](attribute, wanted.get("TYPE")) != "set":
        return False
    known = drivers(run, **connection)
    if not known:
        return attribute not in ("DRIVER", "DISK_TYPE")
    return bool({**DEFAULTS, **known["tm_mad_conf"].get(wanted.get("TM_MAD"), {})}.get(attribute))


def _cluster_ids(name, clusters, run, connection):
    """
    The identifiers of clusters given by name or identifier.
    """
    clusters = clusters if isinstance(clusters, list) else [clusters]
    known = __salt__["opennebula.cluster_list"](run=run, **connection)
    ids = {key: cluster["id"] for cluster in known for key in (str(cluster["id"]), cluster["name"])}
    unknown = [str(cluster) for cluster in clusters if str(cluster) not in ids]
    if unknown:
        there = ", ".join(f"{cluster['name']} ({cluster['id']})" for cluster in known)
        raise SaltInvocationError(
            f"Datastore {name}: clusters names {', '.join(unknown)}, and OpenNebula has {there}: correct it, or create "
            "the cluster"
        )
    return [ids[str(cluster)] for cluster in clusters]


def apply(name, changes, current, secrets=None, **connection):
    """
    Make a datastore what it should be: one request for each thing that differs, none for what does not.

    name
        The datastore's name (string).

    changes
        What :func:`difference` returned (dict).

    current
        The datastore as it was then (dict of ``opennebula.datastore_list``), empty when it was not there.

    secrets
        The values of those attributes that ``changes`` does not show (dict), as :func:`compare` returns them.

    Returns the datastore's identifier (int).

    Raises CommandExecutionError, whose ``done`` has what was changed before (dict).

    CLI Example:

    .. code-block:: bash

        salt head one_datastore.apply spare '{TYPE: {new: SYSTEM_DS}, TM_MAD: {new: shared}}' '{}'
    """
    done, store = {}, current.get("id")
    try:
        for store, keys in _sent(name, changes, current, secrets or {}, connection):  # noqa: B007 (the last one is returned)
            done.update((key, changes[key]) for key in keys if key in changes)
    except CommandExecutionError as exc:
        exc.done = done
        raise
    return store


def record_clusters(store, change):
    """
    Keep, in the minion's own data, to which clusters runs have added a datastore.

    store
        Its identifier (int).

    change
        Its ``clusters`` as :func:`difference` has them (dict).

    Returns True.

    CLI Example:

    .. code-block:: bash

        salt head one_datastore.record_clusters 101 '{old: [0], new: [0, 100]}'
    """
    known = __salt__["data.get"](CLUSTERS) or {}
    before = known.pop(str(store), ())
    ours = [each for each in change["new"] if each in before or each not in (change["old"] or ())]
    return __salt__["data.update"](CLUSTERS, {**known, **({str(store): ours} if ours else {})})


def _sent(name, changes, current, secrets, connection):
    """
    Send one request after the other; yield the datastore's identifier and what each has changed.
    """
    attributes = {key: secrets.get(key, change["new"]) for key, change in changes.items() if key.isupper()}
    merged = {key: value for key, value in attributes.items() if value is not None}
    clusters = changes.get("clusters", {}).get("new", [])
    left = changes
    if not current:
        first = clusters[0] if clusters else -1
        store = __salt__["opennebula.datastore_create"]({"NAME": name, **merged}, first, **connection)
        yield store, merged
        current = __salt__["opennebula.datastore_info"](store, **connection)
        gone = {key: None for key in attributes if key not in merged and key in current}
        if gone:
            _update(store, gone, connection)
        yield store, attributes
        # What oned has made as it should be needs no request.
        left = {key: change for key, change in changes.items() if current.get(key) != change["new"]}
        yield store, set(changes) - set(left)
    elif attributes:
        store = current["id"]
        _update(store, attributes, connection)
        yield store, attributes
    store = current["id"]
    if "name" in left:
        __salt__["opennebula.datastore_rename"](store, name, **connection)
        yield store, ["name"]
    if "clusters" in left:
        for cluster in sorted(set(clusters) - set(current["clusters"])):
            __salt__["opennebula.cluster_datastore_add"](cluster, store, **connection)
        for cluster in sorted(set(current["clusters"]) - set(clusters)):
            __salt__["opennebula.cluster_datastore_remove"](cluster, store, **connection)
        yield store, ["clusters"]
    if "owner" in left or "group" in left:
        uid = _identifier("user", left.get("owner", {}).get("new"), connection)
        gid = _identifier("group", left.get("group", {}).get("new"), connection)
        __salt__["opennebula.datastore_chown"](store, uid, gid, **connection)
        yield store, ["owner", "group"]
    if "permissions" in left:
        __salt__["opennebula.datastore_chmod"](store, left["permissions"]["new"], **connection)
        yield store, ["permissions"]
    if "state" in left:
        __salt__["opennebula.datastore_enable"](store, left["state"]["new"] == "READY", **connection)
        yield store, ["state"]


def _update(store, attributes, connection):
    """
    Set a datastore's attributes, and remove those that are None.
    """
    __salt__["opennebula.datastore_update"](store, attributes, **connection)
    if None in attributes.values():
        seen = __salt__["opennebula.datastore_info"](store, **connection)
        seen = {key: value for key, value in seen.items() if key.isupper()}
        kept = {key: value for key, value in seen.items() if attributes.get(key, "") is not None}
        if kept != seen:  # an old oned, where a merge removes nothing
            __salt__["opennebula.datastore_update"](store, kept, replace=True, **connection)


def _identifier(kind, name, connection):
    """
    The identifier of a user or group that is given by name; -1, which changes nothing, for None.
    """
    if name is None:
        return -1
    pool = __salt__["opennebula_api.call"](f"{kind}pool.info", **connection).get(kind.upper()) or []
    ids = [member["ID"] for member in pool if member.get("NAME") == name and "ID" in member]
    if not ids:
        raise CommandExecutionError(f"OpenNebula has no {kind} {name}: create it, or name another one")
    return ids[0]


def is_native(attributes):
    """
    Whether VMs open the images of a datastore over ``gluster://``.

    attributes
        Its attributes (dict), or the datastore itself (dict of ``opennebula.datastore_list``).

    Returns True or False.

    CLI Example:

    .. code-block:: bash

        salt head one_datastore.is_native '{DISK_TYPE: GLUSTER}'
    """
    return str(attributes.get("DISK_TYPE")).upper() == "GLUSTER"


def drivers(run=None, **connection):
    """
    The drivers that oned runs, as far as the user may know.

    Returns the dict of ``opennebula.drivers``; an empty one where oned rejects the user's request, as it does for all
    but the members of the group oneadmin, and where it does not say how it was started.

    CLI Example:

    .. code-block:: bash

        salt head one_datastore.drivers
    """
    try:
        known = __salt__["opennebula.drivers"](run=run, **connection)
        return known if known["ds_mad"] and known["tm_mad"] else {}
    except CommandExecutionError as exc:
        if getattr(exc, "code", None) != 512:
            raise
        return {}


def compare(name, arguments, planned=(), run=None, **connection):
    """
    All that differs between a datastore as it is and as it should be, everything checked.

    name
        The datastore's name (string).

    arguments
        The arguments of the state ``gluster_one.one_datastore_present`` about the datastore, ``type`` to ``mount``
        (dict).

    planned
        The arguments of that state, ``name`` among them, for the other datastores that are to be on the volume (list of
        dicts, default none): those that are there already count as well.

    run
        See ``opennebula.datastore_list``.

    Returns a dict ``{"current": {...}, "changes": {...}, "warnings": [], "secrets": {}}``: the datastore as it is, as
    ``one_datastore.find`` returns it, and what ``one_datastore.difference`` does; the values of attributes that oned
    encrypts are in ``secrets`` and not in ``changes``.

    Raises SaltInvocationError for what no datastore can be, CommandExecutionError for what oned would accept and no
    machine could use.

    CLI Example:

    .. code-block:: bash

        salt head one_datastore.compare glusterds '{volume: one_vol, host: kvm1}'
    """
    wanted = template(arguments)
    current = find(name, arguments.get("datastore_id"), run=run, **connection)
    if not current:
        __salt__["gluster_one_ids.refuse_second"](name, wanted["TYPE"], run=run, **connection)
    if (
        current.get("images", []) != []
        and not arguments.get("driver")
        and "DRIVER" not in _upper(arguments.get("attributes"))
    ):
        wanted.pop("DRIVER", None)  # its images are as they are: the default is for what is new
    found = completed(name, wanted, current, run=run, **connection)
    changes = difference(name, found["attributes"], current, arguments, run=run, **connection)
    wanted, mount, warnings = found["attributes"], arguments.get("mount"), found["warnings"]
    known = drivers(run, **connection) if changes else {}
    hide = __salt__["one_datastore_secrets.without_values"]
    changes, secrets, hidden = hide(name, changes, current, known, **connection)
    warnings = [*warnings, *hidden]
    if arguments.get("access") == "fuse" and any(attribute in changes for attribute in GLUSTER):
        images = __salt__["opennebula.image_list"](current["id"], **connection)
        native = sum(image["native"] for image in images)
        hidden = __utils__["one_datastore_rules.hidden_images"](current, len(images))
        if native or hidden:  # VMs made from them take the volume and its server from the datastore
            changes = {key: change for key, change in changes.items() if key not in GLUSTER}
            stay = f"so {' and '.join(GLUSTER)} stay"
            warnings = [
                *warnings,
                f"{native} of its images are native still, as oned has made them, {stay}: gluster_one.images names them"
                if native
                else f"{hidden} that OpenNebula does not show to this user may be native still, {stay}: use one of the "
                "group oneadmin",
            ]
    refuse_in_use(name, changes, current, arguments.get("in_use"), **connection)
    # What was there before counts as much as what is asked for.
    after = {**current, **{key: change["new"] for key, change in changes.items()}}
    if changes:
        _require_attributes(name, wanted["TYPE"], after, run, connection)
    if is_native(after):
        warnings = [*warnings, *require_openable_images(name, after, run, **connection)]
    if mount:
        others = _beside(name, mount, planned, run, connection)
        require_matching_drivers(name, wanted, others, run, **connection)
        volume = after["GLUSTER_VOLUME"] if is_native(after) else arguments.get("volume")
        if volume:
            require_mounted_volume(name, volume, mount)
        if is_native(after):
            warnings = [*warnings, *require_same_servers(name, after["GLUSTER_HOST"], others)]
    return {"current": current, "changes": changes, "warnings": warnings, "secrets": secrets}


def _require_attributes(name, kind, after, run, connection):
    """
    A datastore as it will be has what oned demands for its datastore driver.
    """
    ds_mad = None if kind == "SYSTEM_DS" else after.get("DS_MAD", after.get("ds_mad"))
    needed = drivers(run, **connection).get("required", {}).get(ds_mad, ()) if ds_mad else ()
    lacking = [attribute for attribute in needed if not after.get(attribute)]
    if lacking:
        raise CommandExecutionError(
            f"Datastore {name}: DS_MAD {ds_mad} needs {', '.join(lacking)}, or oned refuses it: give that in attributes"
        )


def _upper(attributes):
    """
    Attributes by their names in capitals; what is not a dict is an error that another function raises.
    """
    return {str(key).upper(): value for key, value in attributes.items()} if hasattr(attributes, "items") else {}


def _beside(name, mount, planned, run, connection):
    """
    The other datastores on a volume: those that are there, and as they are to be those that are planned.
    """
    others, names, numbers = [], {name}, set()
    for arguments in planned:
        if arguments["name"] == name:
            continue
        attributes = _upper(arguments.get("attributes"))
        kind = attributes.get("TYPE") or arguments.get("type") or "IMAGE_DS"
        tm_mad = str(attributes.get("TM_MAD") or arguments.get("tm_mad") or "shared").strip()
        names.add(arguments["name"])
        numbers.add(str(arguments.get("datastore_id")))  # one that may be there under another name
        host = None if arguments.get("access") == "fuse" else attributes.get("GLUSTER_HOST") or arguments.get("host")
        others.append({"name": arguments["name"], "type": kind, "tm_mad": tm_mad, "GLUSTER_HOST": host})
    ids = __salt__["gluster_one_ids.published_ids"](mount).values()
    there = __salt__["opennebula.datastore_list"](run=run, **connection)
    there = [store for store in there if store["id"] in ids]
    return others + [store for store in there if store["name"] not in names and str(store["id"]) not in numbers]


def refuse_in_use(name, changes, current, allow=None, **connection):
    """
    Reject a change of what images or VMs depend on, unless ``allow`` is given.

    name
        The datastore's name (string).

    changes
        What :func:`difference` returned (dict).

    current
        The datastore as it is (dict of ``opennebula.datastore_list``), empty when it is not there.

    allow
        ``allow`` to change it all the same (string, default none).

    Raises CommandExecutionError with the number of images and VMs.

    CLI Example:

    .. code-block:: bash

        salt head one_datastore.refuse_in_use images '{DISK_TYPE: {old: GLUSTER, new: FILE}}' '{id: 101, images: [1]}'
    """
    if allow not in (None, "allow"):
        raise SaltInvocationError(f"in_use is {allow!r}: allow is possible, or leave it out")
    risky = [key for key in ("DISK_TYPE", "GLUSTER_VOLUME", "DRIVER", "DS_MAD", "TM_MAD") if key in changes]
    # A driver that no process runs serves no image: to correct it puts nothing at risk.
    if changes.get("DS_MAD", {}).get("old") == "shared" and "DS_MAD" in risky:
        risky.remove("DS_MAD")
    # It goes with DISK_TYPE, or later, when no image needs it.
    if "GLUSTER_VOLUME" in risky and ("DISK_TYPE" in risky or changes["GLUSTER_VOLUME"]["new"] is None):
        risky.remove("GLUSTER_VOLUME")
    if not current or not risky or allow == "allow":
        return
    images = len(__salt__["opennebula.image_list"](current["id"], **connection))
    machines = len(__salt__["opennebula.vm_list"](current["id"], **connection))
    hidden = hidden_users(current, images, machines, **connection)
    if images or machines or hidden:
        what = ", ".join(f"{key} from {changes[key]['old']} to {changes[key]['new']}" for key in risky)
        more = f" that OpenNebula shows to this user, and perhaps {hidden} that it does not show" if hidden else ""
        raise CommandExecutionError(
            f"Datastore {name} has {images} images and {machines} VMs{more}, and changing {what} puts them at risk: "
            "move them first, or set in_use: allow"
        )


def hidden_users(current, images, machines, **connection):
    """
    What may be on a datastore although OpenNebula does not show it to this user.

    current
        The datastore (dict of ``opennebula.datastore_list``).

    images, machines
        How many of its images and VMs OpenNebula shows (int).

    Returns None, or words such as ``2 images`` or ``VMs``.

    CLI Example:

    .. code-block:: bash

        salt head one_datastore.hidden_users '{id: 101, type: IMAGE_DS, images: [1, 2]}' 0 0
    """
    hidden = __utils__["one_datastore_rules.hidden_images"](current, images)
    if hidden or machines or current.get("type") != "SYSTEM_DS":
        return hidden  # VMs are on an image datastore by its images
    return None if __salt__["opennebula_api.sees_all"](**connection) else "VMs"


def require_matching_drivers(name, wanted, others, run=None, **connection):
    """
    The transfer drivers of image and system datastores on one volume fit each other.

    name
        The datastore's name (string), for the error.

    wanted
        Its attributes (dict), ``TYPE`` and ``TM_MAD`` among them.

    others
        The other datastores on the volume (list of dicts with ``name``, ``type`` and ``tm_mad``, such as those of
        ``opennebula.datastore_list``).

    Raises CommandExecutionError that names one which does not fit. An image datastore fits a system datastore of the
    same driver, and one whose driver its own names in ``TM_MAD_SYSTEM``.

    CLI Example:

    .. code-block:: bash

        salt head one_datastore.require_matching_drivers glusterds '{TYPE: IMAGE_DS, TM_MAD: shared}' '[]'
    """
    for other in others:
        pair = {wanted["TYPE"]: wanted["TM_MAD"], other["type"]: other["tm_mad"]}
        if set(pair) != {"IMAGE_DS", "SYSTEM_DS"} or pair["IMAGE_DS"] == pair["SYSTEM_DS"]:
            continue
        known = drivers(run, **connection)
        conf = known.get("tm_mad_conf", {}).get(pair["IMAGE_DS"], {})
        fitting = [pair["IMAGE_DS"], *re.findall(r"[^,\s]+", conf.get("TM_MAD_SYSTEM", ""))]
        if known and pair["SYSTEM_DS"] not in fitting:
            raise CommandExecutionError(
                f"Datastore {name}: its TM_MAD {wanted['TM_MAD']} does not fit {other['tm_mad']} of datastore "
                f"{other['name']} ({other['type']}) on the same volume: with tm_mad {pair['IMAGE_DS']} of the image "
                f"datastore, that of the system datastore can be {' or '.join(fitting)}"
            )


def require_same_servers(name, host, others):
    """
    The datastores on one volume name the same Gluster servers.

    name
        The datastore's name (string), for the error.

    host
        Its ``GLUSTER_HOST`` (string).

    others
        The other datastores on the volume (list of dicts with ``name`` and, where one is opened natively,
        ``GLUSTER_HOST``, which may be a list as well); one that has an ``id`` is there and nothing is planned for it.

    Returns a list of sentences about those that are there with others, which nobody changes in this run.

    Raises CommandExecutionError that names one which is to have others.

    CLI Example:

    .. code-block:: bash

        salt head one_datastore.require_same_servers glusterds kvm1 '[{name: files, GLUSTER_HOST: kvm1}]'
    """
    own, warnings = __utils__["one_datastore_rules.gluster_host"](host), []
    for other in others:
        try:
            theirs = __utils__["one_datastore_rules.gluster_host"](other.get("GLUSTER_HOST") or host)
        except SaltInvocationError:
            continue  # an error of that datastore's own
        if set(theirs.split()) == set(own.split()):
            continue
        known_as = __utils__["gluster_process.visible"](f"{theirs} of datastore {other['name']}")
        differ = f"its GLUSTER_HOST {own} is not {known_as} on the same volume"
        if "id" not in other:
            raise CommandExecutionError(f"Datastore {name}: {differ}: give both the same")
        warnings.append(f"{differ}, which is not in the pillar: change it with `onedatastore update {other['id']}`")
    return warnings


def require_openable_images(name, attributes, run=None, **connection):
    """
    VMs can open the images of a native datastore.

    name
        The datastore's name (string), for the error.

    attributes
        The datastore as it will be (dict): its attributes, and ``clusters``, their identifiers (list of int; default
        OpenNebula's own, the cluster 0).

    Returns a list of sentences about what most VMs cannot open.

    Raises SaltInvocationError when its Gluster server or volume is missing, CommandExecutionError that names the hosts
    of its clusters which cannot open any.

    CLI Example:

    .. code-block:: bash

        salt head one_datastore.require_openable_images ds '{GLUSTER_HOST: kvm1, GLUSTER_VOLUME: one_vol, DRIVER: raw}'
    """
    for attribute in ("GLUSTER_HOST", "GLUSTER_VOLUME"):
        if not attributes.get(attribute):
            raise SaltInvocationError(
                f"{attribute} is missing: a datastore of DISK_TYPE GLUSTER needs it, give host and volume"
            )
    __utils__["one_datastore_rules.gluster_host"](attributes["GLUSTER_HOST"])
    clusters, warnings = attributes.get("clusters", [0]), []
    if clusters is None:
        warnings = ["OpenNebula does not say in which clusters it is, so whether their hosts run KVM is not checked"]
    else:
        warnings = require_kvm_hosts(name, clusters, run, **connection)
    if attributes.get("DRIVER") == "raw":
        return warnings
    return [
        *warnings,
        f"DRIVER is {attributes.get('DRIVER')}: QEMU opens a qcow2 file over gluster:// only if its length is a "
        "multiple of 512, so most clones would not start; use raw",
    ]


def require_kvm_hosts(name, clusters, run=None, **connection):
    """
    Every host of a datastore's clusters runs KVM: nothing else opens gluster://.

    name
        The datastore's name (string), for the error.

    clusters
        The clusters' identifiers (list of int).

    Returns a list of sentences about hosts that OpenNebula does not show to this user.

    Raises CommandExecutionError that names the hosts which do not.

    CLI Example:

    .. code-block:: bash

        salt head one_datastore.require_kvm_hosts glusterds '[0]'
    """
    shown = __salt__["opennebula.host_list"](run=run, **connection)
    there = [host for host in shown if host["cluster"] in clusters]
    others = [host for host in there if host["vm_mad"] not in KVM]
    if others:  # a driver of another name can be of KVM's type
        types = drivers(run, **connection).get("vm_mad", {})
        others = [host for host in others if types.get(host["vm_mad"]) not in KVM]
    if others:
        names = ", ".join(f"{host['name']} ({host['vm_mad'] or 'of unknown VM_MAD'})" for host in others)
        raise CommandExecutionError(
            f"Datastore {name}: of the hosts in its clusters, {names} cannot open gluster://, only KVM hosts can: put "
            "it into a cluster of KVM hosts with clusters"
        )
    # oned shows all its clusters, and their hosts, to those alone who may use them.
    members = {each["id"]: each["hosts"] for each in __salt__["opennebula.cluster_list"](run=run, **connection)}
    known, numbers = {host["id"] for host in shown}, sorted(clusters)
    hidden = [number for number in numbers if members.get(number) is None or set(members[number]) - known]
    if not hidden:
        return []
    which = f"{'cluster' if len(hidden) == 1 else 'clusters'} {', '.join(map(str, hidden))}"
    return [
        f"whether the hosts of {which} run KVM is not known, because OpenNebula does not show all of them to this "
        "user: use one of the group oneadmin"
    ]


def require_mounted_volume(name, volume, mount):
    """
    The volume of a datastore is the one that is mounted where its directory leads.

    name
        The datastore's name (string), for the error.

    volume
        The volume (string).

    mount
        The directory on which this node should have it mounted (string).

    Raises CommandExecutionError when another volume is mounted there. Nothing mounted there is not an error: in test
    mode it may be mounted a moment later.

    CLI Example:

    .. code-block:: bash

        salt head one_datastore.require_mounted_volume glusterds one_vol /var/lib/gluster_one/one_vol
    """
    health = __salt__["gluster_mount.mount_health"](mount)
    if health["state"] != "absent" and health["volume"] != volume:
        raise CommandExecutionError(
            f"Datastore {name}: its volume is to be {volume}, and {health['device']} is mounted on {mount}: "
            "correct one of them"
        )


def wait_measured(store, mount=None, **connection):
    """
    OpenNebula has measured a datastore; it does so within a second of its creation, then every 300 s.

    store
        Its identifier (int).

    mount
        The directory on which this node has its volume mounted (string), default none: then any size will do.

    Returns nothing if so, else what OpenNebula shows instead (string).

    CLI Example:

    .. code-block:: bash

        salt head one_datastore.wait_measured 101
    """
    return unmeasured(__salt__["opennebula.datastore_info"](store, **connection), mount)


def unmeasured(current, mount=None):
    """
    What OpenNebula shows instead of a datastore's size.

    current
        The datastore (dict of ``opennebula.datastore_list``).

    mount
        See :func:`wait_measured`.

    Returns None where it shows the size, or never measures the datastore, else a string.

    CLI Example:

    .. code-block:: bash

        salt head one_datastore.unmeasured '{total_mb: 0}'
    """
    size = current.get("total_mb")
    space = __salt__["gluster_mount.space"](mount) if mount and size else None
    measured = __utils__["one_datastore_rules.is_measured"](current)
    if not measured or __utils__["one_datastore_rules.is_size"](size, space):
        return None
    error = __utils__["gluster_process.visible"](current.get("ERROR", "no ERROR in its template"))
    volume = f", and the volume has {space['total_mb']} MB" if space else ""
    return f"size {'unknown' if size is None else f'{size} MB' if size else 0}{volume}; {error}"
