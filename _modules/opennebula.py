"""
OpenNebula's datastores and what is around them, as data
========================================================

Names are OpenNebula's. Each function is one request, but for those that say otherwise.

connection
    ``endpoint``, ``auth_file`` and ``api_timeout``, as in the execution module ``opennebula_api``; errors are there.

A number or a list that oned does not give is None, a text that it does not give is empty. A type or a state that is not
known here is oned's number, as a string. Only what has no identifier or no name is an error.
"""

import re

from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "opennebula"

DATASTORE_TYPES = ("IMAGE_DS", "SYSTEM_DS", "FILE_DS", "BACKUP_DS")
DATASTORE_STATES = ("READY", "DISABLED")
STATES = ("INIT", "READY", "USED", "DISABLED", "LOCKED", "ERROR", "CLONE", "DELETE", "USED_PERS", "LOCKED_USED",
          "LOCKED_USED_PERS")  # fmt: skip
GLUSTER_TYPES = (5, 6)  # of an image's disk: GLUSTER and GLUSTER_CDROM
TYPES = ("OS", "CDROM", "DATABLOCK", "KERNEL", "RAMDISK", "CONTEXT", "BACKUP", "FILESYSTEM")
# All that the user may see, whatever its place in the pool.
ALL = (-2, -1, -1)


def __virtual__():
    return __virtualname__


def datastore_list(run=None, **connection):
    """
    The datastores that the user may see, with their attributes.

    run
        Take the answer of an earlier call with the same value here, if nothing was changed since: the states of one run
        give its identifier, so that they ask once (string). Default: ask.

    Returns a list of flat dicts: OpenNebula's own elements in lower case, its template's attributes in upper case::

        [{"id": 101, "name": "glusterds", "uid": 0, "gid": 0, "owner": "oneadmin", "group": "oneadmin",
          "permissions": "um-u-----", "type": "IMAGE_DS", "ds_mad": "fs", "tm_mad": "shared", "state": "READY",
          "base_path": "/var/lib/one/datastores/101", "clusters": [0], "images": [], "total_mb": 258020,
          "free_mb": 75051, "used_mb": 31427, "DISK_TYPE": "GLUSTER", "GLUSTER_VOLUME": "one_vol", ...}]

    CLI Example:

    .. code-block:: bash

        salt head opennebula.datastore_list
    """
    return _pool("datastorepool", "DATASTORE", _datastore, run, connection)


def _kept(key, run, connection, ask):
    """
    What was kept under a key in the same run from the same oned, or else what ``ask`` returns.
    """
    kept = __context__.get(f"opennebula.{key}")
    if run is None or not kept or kept[0] != (run, connection):
        kept = ((run, connection), ask())
        __context__[f"opennebula.{key}"] = kept
    return kept[1]


def _pool(pool, element, convert, run, connection):
    """
    The members of a pool as dicts.
    """

    def ask():
        members = _members(f"{pool}.info", element, connection)
        try:
            return [convert(member) for member in members]
        except (LookupError, TypeError, ValueError) as exc:  # left out, it would seem not to be there
            raise _invalid(f"{pool}.info", f"one has {exc!r}") from None

    return _kept(pool, run, connection, ask)


def _members(request, element, connection, *args):
    """
    What a pool holds, as oned answers.
    """
    members = __salt__["opennebula_api.call"](request, *args, **connection).get(element)
    if not isinstance(members, list):
        raise _invalid(request, f"there is no {element} in it")
    return [_dict(member) for member in members]


def _invalid(request, what):
    error = CommandExecutionError(
        f"OpenNebula gave no valid answer to one.{request}: {what}; is the endpoint oned's XML-RPC port?"
    )
    error.code = None  # as of an oned that does not answer
    return error


def _datastore(element):
    rights = _dict(element.get("PERMISSIONS"))
    letters = [
        letter if _number(rights.get(f"{who}_{letter.upper()}")) else "-"
        for who in ("OWNER", "GROUP", "OTHER")
        for letter in "uma"
    ]
    attributes = _dict(element.get("TEMPLATE"))
    return {
        **{name.upper(): "" if value is None else value for name, value in attributes.items()},
        "id": int(element["ID"]),
        "name": element["NAME"],
        "uid": _number(element.get("UID")),
        "gid": _number(element.get("GID")),
        "owner": _text(element.get("UNAME")),
        "group": _text(element.get("GNAME")),
        "permissions": "".join(letters) if rights else "",
        "type": _name(DATASTORE_TYPES, element.get("TYPE")),
        "ds_mad": _text(element.get("DS_MAD")),
        "tm_mad": _text(element.get("TM_MAD")),
        "state": _name(DATASTORE_STATES, element.get("STATE")),
        "base_path": _text(element.get("BASE_PATH")),
        "clusters": _ids(element.get("CLUSTERS")),
        "images": _ids(element.get("IMAGES")),
        "total_mb": _number(element.get("TOTAL_MB")),
        "free_mb": _number(element.get("FREE_MB")),
        "used_mb": _number(element.get("USED_MB")),
    }


def _ids(element):
    return [int(value) for value in _list(element.get("ID"))] if isinstance(element, dict) else None


def datastore_info(name, run=None, **connection):
    """
    One datastore, by name or identifier.

    name
        The datastore's name (string), or its identifier (int, or a string of digits).

    run
        See :func:`datastore_list`.

    Returns a dict as in :func:`datastore_list`, empty when there is no such datastore.

    Raises CommandExecutionError when two datastores have that name, too.

    CLI Example:

    .. code-block:: bash

        salt head opennebula.datastore_info glusterds
    """
    datastores = datastore_list(run=run, **connection)
    found = [store for store in datastores if store["name"] == name]  # a number is not a name
    if not found and re.fullmatch(r"\d+", str(name)):
        found = [store for store in datastores if store["id"] == int(name)]
    if len(found) > 1:
        ids = " and ".join(str(store["id"]) for store in found)
        raise CommandExecutionError(f"OpenNebula has more than one datastore called {name} ({ids}): rename one")
    return found[0] if found else {}


def datastore_create(attributes, cluster=-1, **connection):
    """
    Create a datastore.

    attributes
        Its template's attributes (dict), ``NAME``, ``TM_MAD`` and, but for a system datastore, ``DS_MAD`` among them.

    cluster
        The identifier of its first cluster (int). Default: -1, OpenNebula's own default, which is cluster 0 now.

    Returns the new datastore's identifier (int).

    CLI Example:

    .. code-block:: bash

        salt head opennebula.datastore_create '{NAME: scratch, TYPE: SYSTEM_DS, TM_MAD: shared}'
    """
    return _changed("datastore.allocate", _template(attributes), *_identifiers(cluster=cluster), **connection)


def datastore_update(datastore_id, attributes, replace=False, **connection):
    """
    Set attributes of a datastore and keep all others.

    datastore_id
        The datastore's identifier (int).

    attributes
        The attributes to set (dict); a dict is written as OpenNebula's vector, a list as an attribute that is there
        several times, None removes one. ``NAME`` renames nothing.

    replace
        Drop all others (bool, default False). One that is forgotten, such as ``DISK_TYPE``, makes it another kind of
        datastore.

    Returns the datastore's identifier (int).

    CLI Example:

    .. code-block:: bash

        salt head opennebula.datastore_update 101 '{GLUSTER_HOST: "kvm2:24007"}'
    """
    return _changed(
        "datastore.update",
        *_identifiers(datastore_id=datastore_id),
        _template(attributes),
        int(not replace),
        **connection,
    )


def _template(attributes):
    """
    Attributes in OpenNebula's own notation.
    """
    if not isinstance(attributes, dict) or not attributes:
        raise SaltInvocationError(
            f"attributes is {attributes!r}: names and values are needed, such as {{TM_MAD: shared}}"
        )
    lines = []
    for name, value in attributes.items():
        if not re.fullmatch(r"\w+", str(name), re.ASCII):
            raise SaltInvocationError(
                f"Attribute {name!r} is not a name: letters, digits and _ are allowed, no umlauts"
            )
        lines += [f"{str(name).upper()}={_quoted(each)}\n" for each in (value if isinstance(value, list) else [value])]
    return "".join(lines)


def _quoted(value):
    """
    A value in quotes, or OpenNebula's vector of a dict. An empty vector in a merge removes the attribute.
    """
    if value is None or isinstance(value, dict):
        return "[" + ",".join(f"{key}={_quoted(member)}" for key, member in (value or {}).items()) + "]"
    text = str(value).replace('"', '\\"')
    if text.endswith("\\"):
        raise SaltInvocationError(f"{value!r} ends with a backslash, which OpenNebula's notation has no place for")
    return f'"{text}"'


def datastore_rename(datastore_id, name, **connection):
    """
    Rename a datastore.

    datastore_id
        The datastore's identifier (int).

    name
        Its new name (string). OpenNebula rejects one that another datastore of the same owner has.

    Returns the datastore's identifier (int).

    CLI Example:

    .. code-block:: bash

        salt head opennebula.datastore_rename 101 glusterds
    """
    return _changed("datastore.rename", *_identifiers(datastore_id=datastore_id), str(name), **connection)


def datastore_delete(datastore_id, **connection):
    """
    Delete a datastore. OpenNebula does not delete one that has images.

    datastore_id
        The datastore's identifier (int).

    Returns the datastore's identifier (int).

    CLI Example:

    .. code-block:: bash

        salt head opennebula.datastore_delete 101
    """
    return _changed("datastore.delete", *_identifiers(datastore_id=datastore_id), **connection)


def datastore_enable(datastore_id, enable=True, **connection):
    """
    Enable or disable a system datastore for the scheduler. OpenNebula rejects it for other types.

    datastore_id
        The datastore's identifier (int).

    enable
        Whether it is to be used (bool, default True).

    Returns the datastore's identifier (int).

    CLI Example:

    .. code-block:: bash

        salt head opennebula.datastore_enable 100 False
    """
    return _changed("datastore.enable", *_identifiers(datastore_id=datastore_id), bool(enable), **connection)


def datastore_chmod(datastore_id, permissions, **connection):
    """
    Set who may use, manage and administer a datastore.

    datastore_id
        The datastore's identifier (int).

    permissions
        Owner, group and others in letters, ``um-u-----``, or in octal digits, ``640`` (string or int).

    Returns the datastore's identifier (int).

    Raises SaltInvocationError for permissions of another form.

    CLI Example:

    .. code-block:: bash

        salt head opennebula.datastore_chmod 101 um-u-----
    """
    bits = [int(letter != "-") for letter in __utils__["one_datastore_rules.permission_letters"](permissions)]
    return _changed("datastore.chmod", *_identifiers(datastore_id=datastore_id), *bits, **connection)


def datastore_chown(datastore_id, uid=-1, gid=-1, **connection):
    """
    Give a datastore to another user or group.

    datastore_id
        The datastore's identifier (int).

    uid, gid
        The identifiers of OpenNebula's user and group (int, default -1: as it is).

    Returns the datastore's identifier (int).

    CLI Example:

    .. code-block:: bash

        salt head opennebula.datastore_chown 101 uid=2
    """
    return _changed("datastore.chown", *_identifiers(datastore_id=datastore_id, uid=uid, gid=gid), **connection)


def _changed(method, *args, **connection):
    """
    Send a request that changes something. After it nothing is what was kept, also where it seems to have failed.
    """
    try:
        return __salt__["opennebula_api.call"](method, *args, **connection)
    finally:
        for key in ("datastorepool", "clusterpool"):
            __context__.pop(f"opennebula.{key}", None)


def cluster_list(run=None, **connection):
    """
    The clusters that the user may see.

    run
        See :func:`datastore_list`.

    Returns a list of dicts ``{"id": 0, "name": "default", "hosts": [0, 1], "datastores": [0, 1, 2]}``.

    CLI Example:

    .. code-block:: bash

        salt head opennebula.cluster_list
    """
    return _pool(
        "clusterpool",
        "CLUSTER",
        lambda element: {
            "id": int(element["ID"]),
            "name": element["NAME"],
            "hosts": _ids(element.get("HOSTS")),
            "datastores": _ids(element.get("DATASTORES")),
        },
        run,
        connection,
    )


def cluster_datastore_add(cluster_id, datastore_id, **connection):
    """
    Add a datastore to a cluster.

    cluster_id, datastore_id
        Their identifiers (int).

    Returns the cluster's identifier (int).

    CLI Example:

    .. code-block:: bash

        salt head opennebula.cluster_datastore_add 100 101
    """
    return _changed(
        "cluster.adddatastore", *_identifiers(cluster_id=cluster_id, datastore_id=datastore_id), **connection
    )


def cluster_datastore_remove(cluster_id, datastore_id, **connection):
    """
    Remove a datastore from a cluster.

    cluster_id, datastore_id
        Their identifiers (int).

    Returns the cluster's identifier (int).

    CLI Example:

    .. code-block:: bash

        salt head opennebula.cluster_datastore_remove 0 101
    """
    return _changed(
        "cluster.deldatastore", *_identifiers(cluster_id=cluster_id, datastore_id=datastore_id), **connection
    )


def host_list(run=None, **connection):
    """
    The hosts that the user may see.

    run
        See :func:`datastore_list`.

    Returns a list of dicts ``{"id": 0, "name": "kvm1", "vm_mad": "kvm", "im_mad": "kvm", "cluster": 0, "off": False}``,
    ``off`` for one that is disabled or offline.

    CLI Example:

    .. code-block:: bash

        salt head opennebula.host_list
    """
    return _pool(
        "hostpool",
        "HOST",
        lambda element: {
            "id": int(element["ID"]),
            "name": element["NAME"],
            "vm_mad": _text(element.get("VM_MAD")),
            "im_mad": _text(element.get("IM_MAD")),
            "cluster": _number(element.get("CLUSTER_ID")),
            "off": _number(element.get("STATE")) in (4, 7, 8),
        },
        run,
        connection,
    )


def drivers(run=None, **connection):
    """
    The drivers that oned runs.

    run
        See :func:`datastore_list`.

    Returns a dict::

        {"ds_mad": ["dummy", "fs", ...], "tm_mad": ["dummy", "lvm", "shared", ...],
         "tm_mad_conf": {"shared": {"CLONE_TARGET": "SYSTEM", "LN_TARGET": "NONE", ...}, ...},
         "vm_mad": {"kvm": "kvm", "lxc": "xml"}, "required": {"ceph": ["DISK_TYPE", "BRIDGE_LIST"], ...},
         "encrypted": ["RESTIC_PASSWORD"]}

    ``ds_mad`` and ``tm_mad`` are what oned's datastore and transfer processes were started with (``-d`` and, for the
    transfer manager, ``-d`` of TM_MAD or else ``-s`` of DATASTORE_MAD), not what DS_MAD_CONF describes: ``shared`` is
    described there to this day, and no process runs it. ``vm_mad`` gives each virtualization driver's type,
    ``required`` the attributes without which oned refuses a datastore of each driver, ``encrypted`` those of a
    datastore that it keeps encrypted.

    CLI Example:

    .. code-block:: bash

        salt head opennebula.drivers
    """
    return _kept(
        "drivers", run, connection, lambda: _drivers(__salt__["opennebula_api.call"]("system.config", **connection))
    )


def _drivers(config):
    kinds = ("TM_MAD_CONF", "DS_MAD_CONF", "VM_MAD")
    conf, ds_conf, vm_mad = ([each for each in _vectors(config, key) if each.get("NAME")] for key in kinds)
    names = lambda text: [name.strip().upper() for name in text.split(",") if name.strip()]  # noqa: E731
    return {
        "ds_mad": _arguments(_vectors(config, "DATASTORE_MAD"), "d"),
        "tm_mad": _arguments(_vectors(config, "TM_MAD"), "d") or _arguments(_vectors(config, "DATASTORE_MAD"), "s"),
        "tm_mad_conf": {each["NAME"]: each for each in conf},
        "vm_mad": {each["NAME"]: each.get("TYPE", "") for each in vm_mad},
        "required": {each["NAME"]: names(each.get("REQUIRED_ATTRS", "")) for each in ds_conf},
        "encrypted": [_text(name).strip().upper() for name in _list(config.get("DATASTORE_ENCRYPTED_ATTR"))],
    }


def _vectors(config, key):
    """
    The vectors of one name in oned's configuration; an attribute that is there twice, and so no text, is empty.
    """
    return [{name: _text(value) for name, value in _dict(each).items()} for each in _list(config.get(key))]


def _arguments(mads, option):
    """
    The comma-separated names behind one option in the ARGUMENTS of a driver process.
    """
    found = [re.search(rf"-{option}\s+(\S+)", mad.get("ARGUMENTS", "")) for mad in mads]
    return [name for match in found if match for name in match[1].split(",")]


def image_list(datastore_id=None, **connection):
    """
    The images of a datastore.

    datastore_id
        The datastore's identifier (int). Default: the images of all datastores.

    Returns a list of dicts::

        [{"id": 3, "name": "ubuntu", "owner": "oneadmin", "group": "oneadmin", "type": "OS", "state": "READY",
          "persistent": False, "format": "raw", "size_mb": 1024, "source": "/var/lib/one/datastores/101/271d52...",
          "snapshots": 0, "datastore": 101, "native": True}]

    ``native`` is whether VMs made from it open it over ``gluster://``: oned gives an image the type of its datastore
    when it is made, and leaves it so.

    CLI Example:

    .. code-block:: bash

        salt head opennebula.image_list 101
    """
    images = [_image(element) for element in _members("imagepool.info", "IMAGE", connection, *ALL)]
    if datastore_id is None:
        return images
    (on,) = _identifiers(datastore_id=datastore_id)
    return [image for image in images if image["datastore"] == on]


def _image(element):
    snapshots = element.get("SNAPSHOTS")
    snapshots = snapshots.get("SNAPSHOT") if isinstance(snapshots, dict) else snapshots
    return {
        "id": _number(element.get("ID")),
        "name": _text(element.get("NAME")),
        "owner": _text(element.get("UNAME")),
        "group": _text(element.get("GNAME")),
        "type": _name(TYPES, element.get("TYPE")),
        "state": _name(STATES, element.get("STATE")),
        "persistent": _number(element.get("PERSISTENT")) == 1,
        "format": _text(element.get("FORMAT")) or _text(_dict(element.get("TEMPLATE")).get("FORMAT")),
        "size_mb": _number(element.get("SIZE")),
        "source": _text(element.get("SOURCE")),
        "snapshots": len(_list(snapshots)),
        "datastore": _number(element.get("DATASTORE_ID")),
        "native": _number(element.get("DISK_TYPE")) in GLUSTER_TYPES,
    }


def vm_list(datastore_id=None, **connection):
    """
    The VMs that are not done and have a disk on a datastore, or all VMs that are not done.

    A disk lies on the datastore of its image, and on the system datastore of its VM.

    datastore_id
        The datastore's identifier (int). Default: all VMs.

    Returns a list of dicts::

        [{"id": 7, "name": "web", "owner": "oneadmin", "state": 3, "lcm_state": 3, "host": "kvm2", "system": 100,
          "disks": [{"id": 0, "image": "ubuntu", "datastore": 101, "format": "qcow2", "clone": True,
                     "type": "GLUSTER", "native": True, "gluster_host": "kvm1:24007"}]}]

    ``type`` is what the disk's datastore was when the VM was made, and ``gluster_host`` whom it named then; ``native``
    is how the VM opens it: as its image says.
    ``state`` and ``lcm_state`` are OpenNebula's numbers: 3 and 3 is running.

    CLI Example:

    .. code-block:: bash

        salt head opennebula.vm_list 101
    """
    machines = [_machine(element) for element in _members("vmpool.infoextended", "VM", connection, *ALL, -1, "")]
    if datastore_id is None:
        return machines
    (on,) = _identifiers(datastore_id=datastore_id)
    return [vm for vm in machines if vm["system"] == on or any(disk["datastore"] == on for disk in vm["disks"])]


def _machine(element):
    history = [_dict(record) for record in _list(_dict(element.get("HISTORY_RECORDS")).get("HISTORY"))]
    last = history[-1] if history else {}
    return {
        "id": _number(element.get("ID")),
        "name": _text(element.get("NAME")),
        "owner": _text(element.get("UNAME")),
        "state": _number(element.get("STATE")),
        "lcm_state": _number(element.get("LCM_STATE")),
        "host": last.get("HOSTNAME"),
        "system": _number(last.get("DS_ID")),
        # The template is the user's, who may have written DISK = "anything".
        "disks": [
            {
                "id": _number(disk.get("DISK_ID")),
                "image": _text(disk.get("IMAGE")),
                "datastore": _number(disk.get("DATASTORE_ID", -1)),
                "format": _text(disk.get("FORMAT")) or _text(disk.get("DRIVER")),
                "clone": disk.get("CLONE") != "NO",
                "type": _text(disk.get("DISK_TYPE")),
                "native": (_text(disk.get("TYPE")) or _text(disk.get("DISK_TYPE"))).upper().startswith("GLUSTER"),
                "gluster_host": _text(disk.get("GLUSTER_HOST")),
            }
            for disk in map(_dict, _list(_dict(element.get("TEMPLATE")).get("DISK")))
        ],
    }


def _identifiers(**given):
    """
    Identifiers, which somebody may have typed.
    """
    for key, value in given.items():
        if _number(value) is None:
            raise SaltInvocationError(f"{key} is {value!r}: an identifier is needed, a number such as 101")
    return list(map(_number, given.values()))


def _number(value):
    """
    A number from oned, None for anything else.
    """
    return int(value) if re.fullmatch(r"-?\d{1,18}", str(value), re.ASCII) else None


def _text(value):
    return value if isinstance(value, str) else ""


def _dict(value):
    return value if isinstance(value, dict) else {}


def _list(value):
    return value if isinstance(value, list) else [] if value is None else [value]


def _name(names, value):
    number = _number(value)
    return names[number] if number is not None and 0 <= number < len(names) else "" if value is None else str(value)
