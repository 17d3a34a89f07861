"""
A datastore's arguments, and how OpenNebula writes what they say
================================================================

One table for the state ``gluster_one.one_datastore_present``, the pillar's keys of a datastore, the template that oned
gets, and the docs.
"""

import base64
import os
import re

from salt.exceptions import SaltInvocationError

__virtualname__ = "one_datastore_rules"

TYPES = ("IMAGE_DS", "SYSTEM_DS", "FILE_DS")
# What oned takes from the transfer driver's configuration, whatever the template says. Behind some names stands a
# driver, for system datastores of that one.
_BY_DRIVER = r"(CLONE_TARGET|LN_TARGET|DISK_TYPE|DRIVER)(_\w+)?|TM_MAD_SYSTEM|ALLOW_ORPHANS|PERSISTENT_SNAPSHOTS"
_ON_SYSTEM = r"SHARED|DS_MIGRATE|DS_MIGRATE_SNAP|DS_LIVE_MIGRATE|ALLOW_ORPHANS|PERSISTENT_SNAPSHOTS"
# What it removes.
_NOT_ON_SYSTEM, _ON_SYSTEM_ALONE = ("CLONE_TARGET", "LN_TARGET"), ("SHARED",)


def _argument(kind, meaning, attribute=None, types=TYPES, why=None, default=None, pillar=True):
    """
    A row of the table. See :func:`arguments`.
    """
    return {
        "attribute": attribute,
        "kind": kind,
        "types": types,
        "why": why,
        "default": default,
        "pillar": pillar,
        "meaning": meaning,
    }


ARGUMENTS = {
    "type": _argument("type", "What it is for. It cannot be changed later", "TYPE", default="IMAGE_DS"),
    "volume": _argument(
        "volume",
        "The Gluster volume on which VMs open its images; without it they are plain files",
        "GLUSTER_VOLUME",
        types=("IMAGE_DS",),
        why="only an image datastore is opened natively",
        pillar=False,  # it is the volume under which the datastore stands
    ),
    "host": _argument(
        "hosts",
        "The Gluster server that VMs ask for the volume, with `:port` or not, or a list of them",
        "GLUSTER_HOST",
        types=("IMAGE_DS",),
        why="VMs open nothing of a {type} over gluster://",
    ),
    "access": _argument(
        "access",
        "How VMs open its images: `native`, over `gluster://`, or `fuse`, as files on the mount (`DISK_TYPE = FILE`)",
        types=("IMAGE_DS",),
        why="a {type} holds files in either case",
        default="native",
    ),
    "ds_mad": _argument(
        "text",
        "The datastore driver. Default: `shared` where oned runs such a driver, `fs` otherwise",
        "DS_MAD",
        types=("IMAGE_DS", "FILE_DS"),
        why="a system datastore has none",
    ),
    "tm_mad": _argument("text", "The transfer driver", "TM_MAD", default="shared"),
    "driver": _argument(
        "text", "The format that images get when they are imported. Default: `raw` with native access", "DRIVER"
    ),
    "restricted_dirs": _argument("directories", "Directories from which no image may be registered", "RESTRICTED_DIRS"),
    "safe_dirs": _argument("directories", "Exceptions from `restricted_dirs`", "SAFE_DIRS"),
    "no_decompress": _argument("boolean", "Do not unpack files that are registered", "NO_DECOMPRESS"),
    "attributes": _argument("attributes", "Any other attributes and their values"),
    "absent_attributes": _argument("names", "Attributes to remove"),
    "datastore_id": _argument("number", "The identifier of an existing datastore, which gets this name"),
    "clusters": _argument(
        "clusters", "Clusters that it is added to, by name or identifier; one that a run has added goes with its entry"
    ),
    "clusters_exact": _argument("boolean", "Remove it from all other clusters", default=False),
    "owner": _argument("text", "The name of OpenNebula's user that owns it"),
    "group": _argument("text", "The name of OpenNebula's group that owns it"),
    "permissions": _argument("permissions", "Letters such as `um-u-----`, or digits such as `640`"),
    "enabled": _argument(
        "boolean",
        "Whether the scheduler uses it",
        types=("SYSTEM_DS",),
        why="only a system datastore can be disabled",
    ),
    "in_use": _argument("allow", "`allow` to change its disk type, volume or drivers although it is in use"),
    "mount": _argument(
        "path",
        "The directory on which the node has the volume mounted; the datastore's own becomes a link to it",
        pillar=False,  # it is a key of the volume
    ),
    "wait_monitored": _argument("seconds", "Wait until the size that OpenNebula knows is the volume's", default=0),
}
# Names of attributes that are secrets, as a rule.
SECRET = re.compile("PASS|SECRET|TOKEN|CREDENTIAL|KEY", re.IGNORECASE)


def __virtual__():
    return __virtualname__


def arguments():
    """
    The arguments of a datastore, in the order of those of ``gluster_one.one_datastore_present``.

    Returns a dict by argument::

        {"safe_dirs": {"attribute": "SAFE_DIRS", "kind": "directories", "types": ("IMAGE_DS", "SYSTEM_DS", "FILE_DS"),
                       "why": None, "default": None, "pillar": True, "meaning": "Exceptions from `restricted_dirs`"}}

    ``attribute`` is None for what is not an attribute of a datastore's template. ``kind`` says what a value has to look
    like (``KINDS`` of ``gluster_one_arguments``), and how it is written and compared. ``types`` are those of datastores
    that can have it; ``why`` is what an error says of another type, which it may have as ``{type}``. ``pillar`` is
    whether it is a key of the pillar, too, and ``meaning`` is for docs/datastores.md.

    Example:

    .. code-block:: python

        __utils__["one_datastore_rules.arguments"]()
    """
    return ARGUMENTS


def attribute_name(name):
    """
    The name of an attribute as oned keeps it: in capitals, with ``ONE_`` before what cannot begin an XML element.

    name
        The name (string).

    Returns a string.

    Raises SaltInvocationError for a name that oned's notation does not have.

    Example:

    .. code-block:: python

        __utils__["one_datastore_rules.attribute_name"]("1a")
    """
    name = str(name)
    if not re.fullmatch(r"\w+", name, re.ASCII):
        raise SaltInvocationError(f"{name!r} is not a name: letters, digits and _ are allowed, no umlauts")
    return f"{'ONE_' if name[0].isdecimal() or name.upper().startswith('XML') else ''}{name.upper()}"


def set_by_driver(attribute, kind):
    """
    What oned does with an attribute on account of the datastore's transfer driver, whatever is asked for.

    attribute
        Its name, in capitals (string).

    kind
        The datastore's type (string).

    Returns ``set`` where oned gives it the value of the driver's configuration, if that has one, ``removed`` where it
    never keeps it, None where it leaves it alone.

    Example:

    .. code-block:: python

        __utils__["one_datastore_rules.set_by_driver"]("SHARED", "SYSTEM_DS")
    """
    system = kind == "SYSTEM_DS"
    if attribute in (_NOT_ON_SYSTEM if system else _ON_SYSTEM_ALONE):
        return "removed"
    return "set" if re.fullmatch(_ON_SYSTEM if system else _BY_DRIVER, attribute) else None


def written(attribute, value):
    """
    The value of an attribute as a datastore's template has it: oned cuts the blanks at its ends.

    attribute
        Its name, in capitals (string).

    value
        A text, number, boolean, or for directories a list (any).

    Returns a string, None for what the template has not.

    Raises SaltInvocationError for directories that are no absolute paths.

    Example:

    .. code-block:: python

        __utils__["one_datastore_rules.written"]("SAFE_DIRS", ["/var/tmp", "/srv"])
    """
    if _kind(attribute) == "directories":
        if value is None:
            return None
        paths = value.split() if isinstance(value, str) else value
        if not (
            paths and isinstance(paths, list) and all(isinstance(each, str) and os.path.isabs(each) for each in paths)
        ):
            raise SaltInvocationError(
                f"{attribute.lower()} is {value!r}: absolute paths are needed; for OpenNebula's own, leave it out"
            )
        return " ".join(paths)
    if isinstance(value, bool):
        return "YES" if value else "NO"
    return None if value is None else str(value).strip()


def comparable(attribute, value):
    """
    The value of an attribute so that two which mean the same are equal.

    attribute
        Its name, in capitals (string).

    value
        What oned has, or :func:`written` (any).

    Returns a string; directories as a list; what is no text as it is.

    Example:

    .. code-block:: python

        __utils__["one_datastore_rules.comparable"]("GLUSTER_HOST", "kvm1")
    """
    if not isinstance(value, str):  # what only somebody else can have made: a vector, or several values
        return value
    kind, value = _kind(attribute), value.strip()
    if kind == "hosts":
        try:
            return gluster_host(value)
        except SaltInvocationError:  # what somebody typed in by hand
            return value
    if kind == "directories":
        return value.split()
    return value.upper() if attribute == "DISK_TYPE" or value.upper() in ("YES", "NO") else value


def changes(wanted, current):
    """
    The attributes that differ. A datastore that is not there differs in all of them.

    wanted
        Attributes and values (dict of strings).

    current
        The datastore as it is (dict of ``opennebula.datastore_info``), empty when it is not there.

    Returns a dict ``{"GLUSTER_HOST": {"old": "kvm1:24007", "new": "kvm2:24007"}}``. The port 24007 left out, ``yes``
    and ``YES``, ``gluster`` and ``GLUSTER``, directories with one space or two between them are equal.

    Example:

    .. code-block:: python

        __utils__["one_datastore_rules.changes"]({"GLUSTER_HOST": "kvm2:24007"}, {"GLUSTER_HOST": "kvm1"})
    """
    differing = {}
    for attribute, value in wanted.items():
        own = current.get(attribute.lower()) if attribute in ("TYPE", "DS_MAD", "TM_MAD", "DISK_TYPE") else None
        old = current.get(attribute, own)
        if old is None or comparable(attribute, old) != comparable(attribute, value):
            differing[attribute] = {"old": old, "new": value}
    return differing


def _kind(attribute):
    return next((row["kind"] for row in ARGUMENTS.values() if row["attribute"] == attribute), None)


def gluster_host(host):
    """
    A Gluster server, or several, as ``GLUSTER_HOST`` names them.

    host
        ``server`` or ``server:port`` (string; the port is 24007 when left out), or a list of those.

    Returns a string, ``kvm1:24007`` or ``kvm1:24007 kvm2:24007``: oned splits it at spaces, and each part at the colon.

    Raises SaltInvocationError for what oned would not understand: a comma, an IPv6 address, a port out of range.

    Example:

    .. code-block:: python

        __utils__["one_datastore_rules.gluster_host"](["kvm1", "kvm2"])
    """
    servers = host if isinstance(host, list) else str(host).split()
    needed = "a host name or IPv4 address is needed, with :port (1 to 65535) behind it or not, or a list of those"
    if not servers:
        raise SaltInvocationError(f"{host!r} does not name a host: {needed}")
    named = []
    for server in servers:
        server = str(server).strip()
        if "," in server:
            raise SaltInvocationError(f"{host!r} has a comma: {needed}, such as [kvm1, kvm2]")
        if server.count(":") > 1 or "[" in server:
            raise SaltInvocationError(
                f"{host!r} is an IPv6 address, which oned cuts at its first colon: {needed}; give the address a name "
                "in /etc/hosts or the DNS"
            )
        name, _, port = server.partition(":")
        if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", name):
            raise SaltInvocationError(f"{host!r} is not a valid host: {needed}")
        if ":" in server and not (port.isdecimal() and 1 <= int(port) <= 65535):
            raise SaltInvocationError(f"{host!r} has no valid port: {needed}")
        named.append(f"{name}:{int(port or 24007)}")
    return " ".join(named)


def is_size(total_mb, space):
    """
    Whether OpenNebula has measured a volume, and not nothing or a local disk.

    total_mb
        The size that it shows (int).

    space
        The volume's, as ``gluster_mount.space`` returns it (dict), None where it is not known.

    Returns True or False.

    Example:

    .. code-block:: python

        __utils__["one_datastore_rules.is_size"](258020, {"total_mb": 258021, "free_percent": 61})
    """
    return bool(total_mb) and (not space or abs(total_mb - space["total_mb"]) <= space["total_mb"] / 20)


def is_measured(current):
    """
    Whether OpenNebula measures a datastore. It leaves a system datastore alone that the hosts do not share.

    current
        The datastore (dict of ``opennebula.datastore_list``).

    Returns True or False.

    Example:

    .. code-block:: python

        __utils__["one_datastore_rules.is_measured"]({"type": "SYSTEM_DS", "SHARED": "NO"})
    """
    return current.get("type") != "SYSTEM_DS" or str(current.get("SHARED")).upper() != "NO"


def hidden_images(store, shown):
    """
    The images of a datastore that OpenNebula does not show to this user: it has the identifiers of all.

    store
        The datastore (dict of ``opennebula.datastore_list``).

    shown
        How many of its images are shown (int).

    Returns words such as ``2 images``, None for none.

    Example:

    .. code-block:: python

        __utils__["one_datastore_rules.hidden_images"]({"images": [1, 2]}, 0)
    """
    if store.get("images", []) is None:
        return "images"
    hidden = len(store.get("images", [])) - shown
    return f"{hidden} image{'' if hidden == 1 else 's'}" if hidden > 0 else None


def is_secret(attribute):
    """
    Whether an attribute is a secret by its name, such as ``RESTIC_PASSWORD``: which ones oned encrypts is not known
    before it is asked.

    attribute
        Its name (string).

    Returns True or False.

    Example:

    .. code-block:: python

        __utils__["one_datastore_rules.is_secret"]("RESTIC_PASSWORD")
    """
    return bool(SECRET.search(str(attribute)))


def is_encrypted(value):
    """
    Whether a value has the form of what oned makes of one that it encrypts: AES-256-CBC's blocks of 16 bytes in base64.

    value
        The value (string), or None.

    Returns True or False.

    Example:

    .. code-block:: python

        __utils__["one_datastore_rules.is_encrypted"]("q83vASNFZ4mrze8BI0VniQ==")
    """
    try:
        kept = base64.b64decode(value or "", validate=True)
    except ValueError:
        return False
    return bool(kept) and len(kept) % 16 == 0


def without_secrets(node):
    """
    A plan as it may be written to a file that others read, as Salt's with the beacons is, and kept by the master.

    node
        What ``gluster_one_pillar.node`` returned (dict).

    Returns a dict: the plan without those attributes of datastores that are secrets by their names.

    Example:

    .. code-block:: python

        __utils__["one_datastore_rules.without_secrets"]({"volumes": {}})
    """
    volumes = {}
    for name, volume in node.get("volumes", {}).items():
        stores = {store: {**settings} for store, settings in volume.get("datastores", {}).items()}
        for settings in stores.values():
            kept = {key: value for key, value in (settings.get("attributes") or {}).items() if not is_secret(key)}
            settings.update({"attributes": kept} if "attributes" in settings else {})
        volumes[name] = {**volume, **({"datastores": stores} if stores else {})}
    return {**node, **({"volumes": volumes} if volumes else {})}


def shown(attributes):
    """
    Attributes as an error may have them: Salt keeps it in logs and in its cache of jobs.

    attributes
        Names and values (dict); anything else is shown as it is.

    Returns a dict with asterisks for the values of those that are secrets by their names.

    Example:

    .. code-block:: python

        __utils__["one_datastore_rules.shown"]({"RESTIC_PASSWORD": "x", "LIMIT_MB": 5})
    """
    if not isinstance(attributes, dict):
        return attributes
    return {name: "****" if is_secret(name) else value for name, value in attributes.items()}


def permission_letters(permissions):
    """
    Permissions in OpenNebula's letters.

    permissions
        ``um-u-----`` or ``640`` (string or int).

    Returns a string of nine letters.

    Raises SaltInvocationError for anything else.

    Example:

    .. code-block:: python

        __utils__["one_datastore_rules.permission_letters"](640)
    """
    text = str(permissions)
    if re.fullmatch("[0-7]{3}", text):
        return "".join(letter if int(digit) & bit else "-" for digit in text for letter, bit in zip("uma", (4, 2, 1)))
    if not re.fullmatch("([u-][m-][a-]){3}", text):
        raise SaltInvocationError(f"permissions is {permissions!r}: nine letters such as um-u-----, or 640, are needed")
    return text
