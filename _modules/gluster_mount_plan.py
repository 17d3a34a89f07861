"""
What a mount of a Gluster volume needs
======================================

How a mount differs from what is wanted, what a client that runs was started with, and former places of a volume. It is
worked out once, for test mode, for the change and for ``gluster_one.check``; nothing is changed here.
"""

import os

import salt.utils.path
from salt.exceptions import CommandExecutionError

__virtualname__ = "gluster_mount_plan"

# Options that mount.glusterfs gives the client as they are, with two dashes before them.
CLIENT_OPTIONS = (
    "acl",
    "attribute-timeout",
    "background-qlen",
    "congestion-threshold",
    "direct-io-mode",
    "entry-timeout",
    "gid-timeout",
    "invalidate-limit",
    "log-file",
    "log-level",
    "lru-limit",
    "negative-timeout",
    "reader-thread-count",
    "use-readdirp",
    "worm",
)
# Owner, group and mode of a mount point while nothing is mounted: if oneadmin could write, images would land there.
BARE = "root root 0755"
# Where they were before 0.1.0, beside the datastores' directory.
FORMER = "gluster"
MOUNTS = "mounts"  # the record's key for places that are not the default
OPTIONS = "mount_options"  # and for the options of a volume's line that the pillar has brought


def __virtual__():
    return __virtualname__


def wanted_line(path, volume, servers, options=None, like=None):
    """
    The line that /etc/fstab is to have for a directory, without options that an earlier run has put there and that are
    not asked for any more.

    path, volume, servers, options, like
        See ``gluster_fstab.wanted_line``, as which it returns and raises.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount_plan.wanted_line /var/lib/gluster_one/one_vol one_vol '[kvm1, kvm2, kvm3]'
    """
    ours = __salt__["gluster_one_record.recorded"](OPTIONS).get(volume, {})
    dropped = {option: old for option, old in ours.items() if option not in (options or ())}
    return __salt__["gluster_fstab.wanted_line"](path, volume, servers, options, like=like, dropped=dropped)


def record_options(volume, options=None, before=None):
    """
    Record which options of a volume's line the pillar has brought, and what stood in their place.

    volume
        The volume (string).

    options
        Mount options of the pillar (list of strings, default none).

    before
        The options that the line had before (list of strings). Default: there was no line.

    Returns True.

    Raises CommandExecutionError when the record cannot be read or written.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount_plan.record_options one_vol '[log-level=WARNING]' '[defaults, _netdev]'
    """
    known = __salt__["gluster_one_record.recorded"](OPTIONS).get(volume, {})
    alike = {option.partition("=")[0]: option for option in before or ()}
    found = {option: known[option] for option in options or () if option in known}
    for option in options or ():
        if option not in known and option not in (before or ()):
            old = alike.get(option.partition("=")[0])
            found[option] = known.get(old, old)
    if found == known:
        return True
    if not found:
        return __salt__["gluster_one_record.forget"](OPTIONS, [volume])
    return __salt__["gluster_one_record.record"](OPTIONS, {volume: found})


def changes(path, volume, wanted):
    """
    What differs between a mount as it is and as it should be.

    path
        The directory (string).

    volume
        The volume (string).

    wanted
        Its line of /etc/fstab, as ``wanted_line`` returns it (dict).

    Returns a dict with what differs of ``cover`` (see ``gluster_mount.cover``), ``directory`` (the bare mount point),
    ``fstab``, ``mount``, ``flags`` (on which mounts of the volume ``nosuid`` or ``nodev`` is missing) and ``boot`` (the
    service that mounts it after a boot at which no glusterd answered). What is beneath a cover counts as well, as far
    as the kernel's table has it: whether it answers is seen once the cover is gone::

        {"mount": {"old": None, "new": "kvm1:/one_vol"}}

    Raises CommandExecutionError for what must not be touched: something else is mounted there, the directory holds
    files, the mount hangs, or this node cannot mount.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount_plan.changes /srv/vol one_vol '{device: "kvm1:/one_vol", opts: [defaults, _netdev]}'
    """
    automounter = automounter_error(path)
    if automounter:
        raise CommandExecutionError(f"{path} {automounter}")
    over = __salt__["gluster_mount.cover"](path)
    health = __salt__["gluster_mount.beneath"](path) if over else __salt__["gluster_mount.mount_health"](path)
    if health["state"] == "hung":
        raise CommandExecutionError(
            f"{path} does not answer: a brick of volume {volume} or the network hangs, see `gluster volume status "
            f"{volume}`"
        )
    if health["state"] == "offline":
        raise CommandExecutionError(
            f"{path} is mounted, and none of volume {volume}'s bricks answers: see `gluster volume status {volume}`"
        )
    if health["state"] != "absent" and health["volume"] != volume:
        raise CommandExecutionError(
            f"{health['device']} ({health['fstype']}) is mounted on {path}, not volume {volume}: unmount it, or give "
            "the volume another mount point"
        )
    if health["state"] != "absent":
        hosts = __salt__["gluster_mount.client_servers"](__salt__["gluster_mount.client"](path))
        __salt__["gluster_fstab.check_servers"](health["device"], hosts, _servers(wanted), f"is mounted on {path}")
    differing = {"cover": {"old": over, "new": None}} if over else {}
    if health["state"] == "absent" and over:  # who mounts over a directory can write in it
        differing["directory"] = {"old": "covered", "new": BARE}
    elif health["state"] == "absent":
        point = __salt__["gluster_links.mount_point_state"](path)
        if point["blocked"]:
            raise CommandExecutionError(f"{path} cannot be mounted on: it {point['blocked']}")
        if point["owner"] != BARE:
            differing["directory"] = {"old": point["owner"], "new": BARE}
    there = __salt__["gluster_fstab.line"](path)
    if (there.get("device"), there.get("opts")) != (wanted["device"], wanted["opts"]):
        old = f"{there['device']} {','.join(there['opts'])}" if there else None
        differing["fstab"] = {"old": old, "new": f"{wanted['device']} {','.join(wanted['opts'])}"}
        unwritable = __salt__["gluster_fstab.write_error"]()
        if unwritable:
            raise CommandExecutionError(unwritable)
    if health["state"] != "alive":
        missing = client_missing()
        if missing:
            raise CommandExecutionError(missing)
        differing["mount"] = {"old": None if health["state"] == "absent" else "dead", "new": wanted["device"]}
    unsafe = __salt__["gluster_mount.mounts_without_flags"](volume)
    unsafe = [other for other in unsafe if other != path or "mount" not in differing]  # a new mount has them
    if unsafe:
        unsafe = ", ".join(map(__utils__["gluster_process.visible"], unsafe))
        differing["flags"] = {"old": f"missing on {unsafe}", "new": "nosuid,nodev"}
    retry = __salt__["gluster_fstab.missing_boot_retry"](path)
    if retry:
        differing["boot"] = {"old": None, "new": retry}
    return differing


def automounter_error(path):
    """
    Whether an automounter (systemd's, autofs) has a directory, which mounts on it when somebody looks, and may unmount
    it when nobody does. The directory is not looked at.

    path
        The directory (string).

    Returns None if not, else what is there and what to do (string).

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount_plan.automounter_error /var/lib/gluster_one/one_vol
    """
    found = [mount for mount in __salt__["gluster_mount.mount_table"]() if mount["path"] == path]
    device = next((mount["device"] for mount in found if mount["fstype"] == "autofs"), None)
    if device is None:
        return None
    cure = __salt__["gluster_fstab.automounter_cure"](path, device)
    if __salt__["gluster_fstab.line"](path):
        cure = f"see that its line in /etc/fstab has no x-systemd.automount, then {cure}"
    device = __utils__["gluster_process.visible"](device)
    return f"is an automounter's ({device}), and the volume has to be mounted for good: {cure}"


def outdated_client(path, wanted):
    """
    How a volume is mounted, where fstab is to say otherwise: from other servers, or with other options.

    path
        The directory (string).

    wanted
        Its line of /etc/fstab, as ``wanted_line`` returns it (dict).

    Returns a string such as ``kvm3`` or ``kvm1, kvm2 with acl, without log-level=WARNING``, None where the FUSE client
    was started as the line has it, the servers in their order, or none runs. The options that are compared are those
    that mount.glusterfs hands over to the client by the same name.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount_plan.outdated_client /mnt '{device: "kvm1:/one_vol", opts: [acl]}'
    """
    client = __salt__["gluster_mount.client"](path)
    servers = __salt__["gluster_mount.client_servers"](client)
    has = set(client_options(word.removeprefix("--") for word in client))
    should = set(client_options(wanted["opts"]))
    if not servers or (servers, has) == (_servers(wanted), should):
        return None
    other = [
        (word, sorted(options)) for word, options in (("with", has - should), ("without", should - has)) if options
    ]
    return ", ".join(servers) + "".join(f" {word} {', '.join(options)}" for word, options in other)


def client_options(words):
    """
    Those options that mount.glusterfs gives the client as they are, each as it was said last; the log's level is put
    into capitals.

    words
        Mount options (list of strings).

    Returns a sorted list of strings.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount_plan.client_options '[defaults, log-level=warning]'
    """
    found = {}
    for key, _, value in (word.partition("=") for word in words):
        value = value.upper() if key == "log-level" else value
        if key in CLIENT_OPTIONS:
            found[key] = f"{key}={value}" if value else key
    return sorted(found.values())


def _servers(line):
    """
    The servers that a line of fstab names: the one that is mounted from, and the backups.
    """
    named = __salt__["gluster_fstab.device_servers"](line["device"])
    return [*named, *__salt__["gluster_fstab.backups"](line["opts"])]


def client_missing():
    """
    What this node lacks to mount a Gluster volume.

    Returns None if nothing, else what it is and what to do (string).

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount_plan.client_missing
    """
    there = salt.utils.path.which("mount.glusterfs") or "mount_package" in __salt__["gluster_one_run.to_come"]()
    if not there:
        package = __utils__["gluster_system.package"]("mount_package")
        return f"mount.glusterfs is not installed on this node: install {package}"
    if not os.path.exists("/dev/fuse"):
        return "This node has no FUSE (/dev/fuse): load it with `modprobe fuse`"
    return None


def is_ours(path, volume):
    """
    Whether the formula has put a volume's line into /etc/fstab, and not somebody else before it: in its own directory
    it has, elsewhere the record says so.

    path
        The directory (string).

    volume
        The volume (string).

    Returns True or False.

    Raises CommandExecutionError when the record cannot be read.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount_plan.is_ours /var/lib/gluster_one/one_vol one_vol
    """
    default = __salt__["gluster_mount.is_default_place"](path)
    return default or __salt__["gluster_one_record.recorded"](MOUNTS).get(path) == volume


def left_places(volumes):
    """
    Where runs have mounted volumes, or would have them mounted after a boot, that are no longer to be mounted here.

    volumes
        The volumes that are to be (list of strings).

    Returns a dict of volumes by directory: ``{"/var/lib/gluster_one/old_vol": "old_vol"}``.

    Raises CommandExecutionError when the record cannot be read.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount_plan.left_places '[one_vol]'
    """
    found = [*__salt__["gluster_fstab.gluster_lines"](), *__salt__["gluster_mount.mount_table"]()]
    return {
        each["path"]: each["volume"]
        for each in found
        if each["volume"] and each["volume"] not in volumes and is_ours(each["path"], each["volume"])
    }


def forget_gone():
    """
    Forget what the record has of volumes of which nothing is there any more: places with neither a line in /etc/fstab,
    a mount, nor a service, and options of volumes without a line. What somebody puts there later is not the formula's.

    Returns True.

    Raises CommandExecutionError when the record cannot be read or written.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount_plan.forget_gone
    """
    lines = __salt__["gluster_fstab.gluster_lines"]()
    mounts = [*lines, *__salt__["gluster_mount.mount_table"]()]
    there = {(each["path"], each["volume"]) for each in mounts}
    services = __salt__["gluster_fstab.retry_services"]()
    places = __salt__["gluster_one_record.recorded"](MOUNTS)
    gone = [path for path, volume in places.items() if (path, volume) not in there and path not in services]
    if gone:
        __salt__["gluster_one_record.forget"](MOUNTS, gone)
    volumes = {line["volume"] for line in lines}
    gone = [volume for volume in __salt__["gluster_one_record.recorded"](OPTIONS) if volume not in volumes]
    return __salt__["gluster_one_record.forget"](OPTIONS, gone) if gone else True


def our_places(volume):
    """
    Where runs mount a volume by default, and where else they have mounted it.

    volume
        The volume (string).

    Returns a list of directories, the default first.

    Raises CommandExecutionError when the record cannot be read.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount_plan.our_places one_vol
    """
    recorded = __salt__["gluster_one_record.recorded"](MOUNTS)
    return [__salt__["gluster_mount.place"](None, volume), *(path for path in recorded if recorded[path] == volume)]


def former_places(path, volume, datastores_dir, user=None):
    """
    Where a volume is mounted, or would be after a boot, although it is to be mounted elsewhere: where somebody else
    than root can exchange directories, where versions before 0.1.0 mounted it by default, and where runs have mounted
    it before the pillar had another place.

    path
        The directory on which it is to be mounted (string).

    volume
        The volume (string).

    datastores_dir
        Where OpenNebula keeps the directories of its datastores (string): that default was beside it.

    user
        See ``gluster_mount.place``.

    Returns a dict by directory, those with a line in /etc/fstab first, and places of runs in any case. ``line`` is
    that line as ``gluster_fstab.line`` returns it, an empty dict where there is none; ``mounted`` is what is mounted
    there of the volume, or None; ``cover`` is what lies over that, see ``gluster_mount.cover``; ``made`` says whether
    it is a default, whose directory the formula made itself::

        {"/var/lib/one/gluster/one_vol": {"line": {"device": "kvm1:/one_vol", ...}, "mounted": "kvm1:/one_vol",
                                          "cover": None, "made": True}}

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount_plan.former_places /var/lib/gluster_one/one_vol one_vol /var/lib/one/datastores
    """
    lines = __salt__["gluster_fstab.volume_lines"](volume)
    mounts = {
        mount["path"]: mount["device"] for mount in __salt__["gluster_mount.mount_table"]() if mount["volume"] == volume
    }
    default = os.path.join(os.path.dirname(os.path.normpath(datastores_dir)), FORMER, volume)
    ours = [default, *our_places(volume)]
    return {
        place: {
            "line": lines.get(place, {}),
            "mounted": mounts.get(place),
            "cover": __salt__["gluster_mount.cover"](place) if place in mounts else None,
            "made": place in ours[:2],
        }
        for place in dict.fromkeys([*lines, *mounts, *ours])
        if place != path and (place in ours or __salt__["gluster_mount.foreign_parent"](place, user))
    }


def former_services(path, former, user=None):
    """
    The services that would mount something on former places after a boot, those among them for which there is no line
    in /etc/fstab any more.

    path
        The directory on which the volume is to be mounted (string).

    former
        The former places (dict), see :func:`former_places`.

    user
        See ``gluster_mount.place``.

    Returns a dict by directory of the services' names (strings).

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount_plan.former_services /var/lib/gluster_one/one_vol '{}'
    """
    return {
        place: name
        for place, name in __salt__["gluster_fstab.retry_services"]().items()
        if place != path
        and (
            place in former
            or not __salt__["gluster_fstab.lines"](place)
            and (
                __salt__["gluster_mount.is_default_place"](place)
                or __salt__["gluster_mount.foreign_parent"](place, user)
            )
        )
    }
