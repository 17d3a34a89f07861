"""
What oned does not check before a datastore is made or changed
==============================================================

Each check raises CommandExecutionError, in one sentence that names the datastore and what to do, or returns nothing.
None changes anything.

run, connection
    As in ``opennebula.datastore_list``.
"""

import re

from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "one_datastore_check"

KVM = ("kvm", "qemu")

# Arguments of the state one_datastore_present, by what they are for.
TEMPLATE = ("type", "volume", "host", "ds_mad", "tm_mad", "driver", "restricted_dirs", "safe_dirs", "no_decompress",
            "attributes")  # fmt: skip
DIFFERENCE = ("absent_attributes", "clusters", "clusters_exact", "owner", "group", "permissions", "enabled")


def __virtual__():
    return __virtualname__


def native(attributes):
    """
    Whether machines open the images of a datastore over ``gluster://``.

    attributes
        Its attributes (dict), or the datastore itself (dict of ``opennebula.datastore_list``).

    Returns True or False.

    CLI Example:

    .. code-block:: bash

        salt head one_datastore_check.native '{DISK_TYPE: GLUSTER}'
    """
    return str(attributes.get("DISK_TYPE")).upper() == "GLUSTER"


def drivers(run=None, **connection):
    """
    The drivers that oned runs, as far as the user may know.

    Returns the dict of ``opennebula.drivers``; an empty one where oned refuses it to the user, as it does to all but
    the members of the group oneadmin.

    CLI Example:

    .. code-block:: bash

        salt head one_datastore_check.drivers
    """
    try:
        return __salt__["opennebula.drivers"](run=run, **connection)
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

    Returns a dict ``{"current": {...}, "changes": {...}, "warnings": []}``: the datastore as it is, as
    ``one_datastore.find`` returns it, and what ``one_datastore.difference`` does.

    Raises SaltInvocationError for what no datastore can be, CommandExecutionError for what oned would accept and no
    machine could use.

    CLI Example:

    .. code-block:: bash

        salt head one_datastore_check.compare glusterds '{volume: one_vol, host: kvm1}'
    """
    wanted = __salt__["one_datastore.template"](**{key: arguments[key] for key in TEMPLATE if key in arguments})
    current = __salt__["one_datastore.find"](name, arguments.get("datastore_id"), run=run, **connection)
    if current.get("images") and not arguments.get("driver") and "DRIVER" not in _upper(arguments.get("attributes")):
        wanted.pop("DRIVER", None)  # its images are as they are: the default is for what is new
    found = __salt__["one_datastore.completed"](name, wanted, current, run=run, **connection)
    more = {key: arguments[key] for key in DIFFERENCE if key in arguments}
    changes = __salt__["one_datastore.difference"](name, found["attributes"], current, run=run, **more, **connection)
    wanted, mount, warnings = found["attributes"], arguments.get("mount"), found["warnings"]
    in_use(name, changes, current, arguments.get("in_use"), **connection)
    # What was there before counts as much as what is asked for.
    after = {**current, **{key: change["new"] for key, change in changes.items()}}
    if native(after):
        warnings = [*warnings, *opened(name, after, run, **connection)]
    if mount:
        others = _beside(name, mount, planned, run, connection)
        transfer(name, wanted, others, run, **connection)
        if native(after):
            mounted(name, after["GLUSTER_VOLUME"], mount)
            servers(name, after["GLUSTER_HOST"], others)
    return {"current": current, "changes": changes, "warnings": warnings}


def _upper(attributes):
    """
    Attributes by their names in capitals; what is no dict is an error that somebody else says.
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
        tm_mad = attributes.get("TM_MAD") or arguments.get("tm_mad") or "shared"
        names.add(arguments["name"])
        numbers.add(str(arguments.get("datastore_id")))  # one that may be there under another name
        host = attributes.get("GLUSTER_HOST") or arguments.get("host")
        others.append({"name": arguments["name"], "type": kind, "tm_mad": tm_mad, "GLUSTER_HOST": host})
    ids = __salt__["gluster_one_ids.datastore_ids"](mount).values()
    there = __salt__["opennebula.datastore_list"](run=run, **connection)
    there = [store for store in there if store["id"] in ids]
    return others + [store for store in there if store["name"] not in names and str(store["id"]) not in numbers]


def in_use(name, changes, current, allow=None, **connection):
    """
    Nothing that images or running machines depend on is changed under them, unless told to.

    name
        The datastore's name (string).

    changes
        What :func:`difference` returned (dict).

    current
        The datastore as it is (dict of ``opennebula.datastore_list``), empty when it is not there.

    allow
        ``allow`` to change it all the same (string, default none).

    Raises CommandExecutionError with the number of images and machines.

    CLI Example:

    .. code-block:: bash

        salt head one_datastore_check.in_use glusterds '{DISK_TYPE: {old: GLUSTER, new: FILE}}' '{id: 101, images: [1]}'
    """
    if allow not in (None, "allow"):
        raise SaltInvocationError(f"in_use is {allow!r}: allow is possible, or leave it out")
    risky = [key for key in ("DISK_TYPE", "GLUSTER_VOLUME", "DRIVER", "DS_MAD", "TM_MAD") if key in changes]
    # A driver that no process runs serves nobody: mending it puts nothing at risk.
    if changes.get("DS_MAD", {}).get("old") == "shared" and "DS_MAD" in risky:
        risky.remove("DS_MAD")
    if not current or not risky or allow == "allow":
        return
    images = len(__salt__["opennebula.image_list"](current["id"], **connection))
    machines = len(__salt__["opennebula.vm_list"](current["id"], **connection))
    if images or machines:
        what = ", ".join(f"{key} from {changes[key]['old']} to {changes[key]['new']}" for key in risky)
        raise CommandExecutionError(
            f"Datastore {name} has {images} images and {machines} machines, and changing {what} puts them at risk: "
            "move them first, or set in_use: allow"
        )


def transfer(name, wanted, others, run=None, **connection):
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

        salt head one_datastore_check.transfer glusterds '{TYPE: IMAGE_DS, TM_MAD: shared}' '[]'
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


def servers(name, host, others):
    """
    The datastores on one volume name the same Gluster servers.

    name
        The datastore's name (string), for the error.

    host
        Its ``GLUSTER_HOST`` (string).

    others
        The other datastores on the volume (list of dicts with ``name`` and, where one is opened natively,
        ``GLUSTER_HOST``, which may be a list as well).

    Raises CommandExecutionError that names one which has others.

    CLI Example:

    .. code-block:: bash

        salt head one_datastore_check.servers glusterds kvm1 '[{name: files, GLUSTER_HOST: kvm1}]'
    """
    own = __salt__["one_datastore.gluster_host"](host)
    for other in others:
        try:
            theirs = __salt__["one_datastore.gluster_host"](other.get("GLUSTER_HOST") or host)
        except SaltInvocationError:
            continue  # an error of that datastore's own
        if set(theirs.split()) != set(own.split()):
            raise CommandExecutionError(
                f"Datastore {name}: its GLUSTER_HOST {own} is not {theirs} of datastore {other['name']} on the same "
                "volume: give both the same"
            )


def opened(name, attributes, run=None, **connection):
    """
    Machines can open the images of a native datastore.

    name
        The datastore's name (string), for the error.

    attributes
        The datastore as it will be (dict): its attributes, and ``clusters``, their identifiers (list of int; default
        OpenNebula's own, the cluster 0).

    Returns a list of sentences about what most machines cannot open.

    Raises SaltInvocationError when its Gluster server or volume is missing, CommandExecutionError that names the hosts
    of its clusters which cannot open any.

    CLI Example:

    .. code-block:: bash

        salt head one_datastore_check.opened glusterds '{GLUSTER_HOST: kvm1, GLUSTER_VOLUME: one_vol, DRIVER: raw}'
    """
    for attribute in ("GLUSTER_HOST", "GLUSTER_VOLUME"):
        if not attributes.get(attribute):
            raise SaltInvocationError(
                f"{attribute} is missing: a datastore of DISK_TYPE GLUSTER needs it, give host and volume"
            )
    __salt__["one_datastore.gluster_host"](attributes["GLUSTER_HOST"])
    hosts(name, attributes.get("clusters", [0]), run, **connection)
    if attributes.get("DRIVER") == "raw":
        return []
    return [
        f"DRIVER is {attributes.get('DRIVER')}: QEMU opens a qcow2 file over gluster:// only if its length is a "
        "multiple of 512, so most clones would not start; use raw"
    ]


def hosts(name, clusters, run=None, **connection):
    """
    Every host of a datastore's clusters runs KVM: nothing else opens gluster://.

    name
        The datastore's name (string), for the error.

    clusters
        The clusters' identifiers (list of int).

    Raises CommandExecutionError that names the hosts which do not.

    CLI Example:

    .. code-block:: bash

        salt head one_datastore_check.hosts glusterds '[0]'
    """
    there = [host for host in __salt__["opennebula.host_list"](run=run, **connection) if host["cluster"] in clusters]
    others = [host for host in there if host["vm_mad"] not in KVM]
    if others:  # a driver of another name can be of KVM's type
        types = drivers(run, **connection).get("vm_mad", {})
        others = [host for host in others if types.get(host["vm_mad"]) not in KVM]
    if others:
        names = ", ".join(f"{host['name']} ({host['vm_mad']})" for host in others)
        raise CommandExecutionError(
            f"Datastore {name}: of the hosts in its clusters, {names} cannot open gluster://, only KVM hosts can: put "
            "it into a cluster of KVM hosts with clusters"
        )


def mounted(name, volume, mount):
    """
    The volume of a datastore is the one that is mounted where its directory leads.

    name
        The datastore's name (string), for the error.

    volume
        The volume (string).

    mount
        The directory on which this node should have it mounted (string).

    Raises CommandExecutionError when another volume is mounted there. Nothing mounted there is no error: in test mode
    it may be mounted a moment later.

    CLI Example:

    .. code-block:: bash

        salt head one_datastore_check.mounted glusterds one_vol /var/lib/gluster_one/one_vol
    """
    health = __salt__["gluster_one.mount_health"](mount)
    if health["state"] != "absent" and health["volume"] != volume:
        raise CommandExecutionError(
            f"Datastore {name}: GLUSTER_VOLUME is to be {volume}, and {health['device']} is mounted on {mount}: "
            "correct one of them"
        )


def measured(store, **connection):
    """
    OpenNebula has measured a datastore; it does so within a second of its creation, then each 300 s.

    store
        Its identifier (int).

    Returns nothing if so, else what OpenNebula shows instead (string).

    CLI Example:

    .. code-block:: bash

        salt head one_datastore_check.measured 101
    """
    seen = __salt__["opennebula.datastore_info"](store, **connection)
    return None if seen.get("total_mb") else f"size 0; {seen.get('ERROR', 'no ERROR in its template')}"
