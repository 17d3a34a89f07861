"""
A Gluster volume's place on this node: mount point, line of /etc/fstab, mount, links
====================================================================================

Each function reads one thing or changes one thing; nothing here looks at what might hang, but by way of
``gluster_one.mount_health``. What is about /etc/fstab is in ``gluster_mount_fstab.py``, about a boot in
``gluster_mount_boot.py``, about links in ``gluster_mount_links.py``.
"""

import os
import re
import time

import salt.utils.files
import salt.utils.path
import salt.utils.systemd
from salt.exceptions import CommandExecutionError

__virtualname__ = "gluster_mount"

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
# Owner, group and mode of a mount point while nothing is mounted: one that oneadmin can write swallows images.
BARE = "root root 0755"
_SERVER = "--volfile-server="  # an option of the client


def __virtual__():
    return __virtualname__


def check_arguments(path, **arguments):
    """
    The arguments of ``gluster_one.datastore_mounted`` are of the kinds that it needs.

    path
        The directory to mount on (string).

    arguments
        Its other arguments by name, those of ``gluster_one.datastore_remounted`` among them.

    Raises SaltInvocationError that names the argument and what is needed.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.check_arguments /mnt links='[/var/lib/one/datastores/1]'
    """
    __salt__["gluster_one_arguments.require_arguments"]("datastore_mounted", name=path, **arguments)


def changes(path, volume, wanted):
    """
    What differs between a mount as it is and as it should be.

    path
        The directory (string).

    volume
        The volume (string).

    wanted
        Its line of /etc/fstab, as :func:`entry_wanted` returns it (dict).

    Returns a dict with what differs of ``directory`` (the bare mount point), ``fstab``, ``mount``, ``flags`` (on which
    mounts of the volume ``nosuid`` or ``nodev`` is missing) and ``boot`` (the service that mounts it after a boot at
    which no glusterd answered)::

        {"mount": {"old": None, "new": "kvm1:/one_vol"}}

    Raises CommandExecutionError for what must not be touched: something else is mounted there, the directory holds
    files, the mount hangs, or this node cannot mount.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.changes /srv/vol one_vol '{device: "kvm1:/one_vol", opts: [defaults, _netdev]}'
    """
    health = __salt__["gluster_one.mount_health"](path)
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
        hosts = _client_servers(__salt__["gluster_one.client"](path))
        __salt__["gluster_fstab.check_servers"](health["device"], hosts, _servers(wanted), f"is mounted on {path}")
    differing = {}
    if health["state"] == "absent":
        point = __salt__["gluster_links.mount_point"](path)
        if point["blocked"]:
            raise CommandExecutionError(f"{path} cannot be mounted on: it {point['blocked']}")
        if point["owner"] != BARE:
            differing["directory"] = {"old": point["owner"], "new": BARE}
    there = __salt__["gluster_fstab.entry"](path)
    if (there.get("device"), there.get("opts")) != (wanted["device"], wanted["opts"]):
        old = f"{there['device']} {','.join(there['opts'])}" if there else None
        differing["fstab"] = {"old": old, "new": f"{wanted['device']} {','.join(wanted['opts'])}"}
        unwritable = __salt__["gluster_fstab.unwritable"]()
        if unwritable:
            raise CommandExecutionError(unwritable)
    if health["state"] != "alive":
        missing = client_missing()
        if missing:
            raise CommandExecutionError(missing)
        differing["mount"] = {"old": None if health["state"] == "absent" else "dead", "new": wanted["device"]}
    unsafe = __salt__["gluster_mount.without_flags"](volume)
    unsafe = [other for other in unsafe if other != path or "mount" not in differing]  # a new mount has them
    if unsafe:
        unsafe = ", ".join(map(__salt__["gluster_one.visible"], unsafe))
        differing["flags"] = {"old": f"missing on {unsafe}", "new": "nosuid,nodev"}
    retry = __salt__["gluster_mount.retry_missing"](path)
    if retry:
        differing["boot"] = {"old": None, "new": retry}
    return differing


def stale(path, wanted):
    """
    How a volume is mounted, where fstab is to say otherwise: from other servers, or with other options.

    path
        The directory (string).

    wanted
        Its line of /etc/fstab, as :func:`entry_wanted` returns it (dict).

    Returns a string such as ``kvm3`` or ``kvm1, kvm2 with acl, without log-level=WARNING``, None where the FUSE client
    was started as the line has it, the servers in their order, or none runs. The options that are compared are those
    that mount.glusterfs hands over to the client by the same name.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.stale /mnt '{device: "kvm1:/one_vol", opts: ["backup-volfile-servers=kvm2:kvm3"]}'
    """
    client = __salt__["gluster_one.client"](path)
    servers = _client_servers(client)
    has = _client_options(word.removeprefix("--") for word in client)
    should = _client_options(wanted["opts"])
    if not servers or (servers, has) == (_servers(wanted), should):
        return None
    other = [
        (word, sorted(options)) for word, options in (("with", has - should), ("without", should - has)) if options
    ]
    return ", ".join(servers) + "".join(f" {word} {', '.join(options)}" for word, options in other)


def _client_servers(words):
    """
    The servers that a client was started with, from its arguments.
    """
    return [word.removeprefix(_SERVER) for word in words if word.startswith(_SERVER)]


def _servers(line):
    """
    The servers that a line of fstab names: the one that is mounted from, and the backups.
    """
    return [line["device"].rpartition(":")[0], *__salt__["gluster_fstab.backups"](line["opts"])]


def _client_options(words):
    """
    Those of these options that the client is given, each as it was said last; the log's level is put into capitals.
    """
    found = {}
    for key, _, value in (word.partition("=") for word in words):
        value = value.upper() if key == "log-level" else value
        if key in CLIENT_OPTIONS:
            found[key] = f"{key}={value}" if value else key
    return set(found.values())


def client_missing():
    """
    What this node lacks to mount a Gluster volume.

    Returns None if nothing, else what it is and what to do (string).

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.client_missing
    """
    if not salt.utils.path.which("mount.glusterfs"):
        return "mount.glusterfs is not installed on this node: install glusterfs-client (RHEL-like: glusterfs-fuse)"
    if not os.path.exists("/dev/fuse"):
        return "This node has no FUSE (/dev/fuse): load it with `modprobe fuse`"
    return None


def mount(path, timeout=120):
    """
    Mount what fstab names for a directory: by its mount unit where systemd runs, so that it lives in a control group of
    its own (a FUSE client that the minion starts itself dies with the minion); by ``mount`` elsewhere. A dead mount is
    taken away first.

    path
        The directory (string).

    timeout
        Seconds to wait for it (int, default 120).

    Returns None if the mount is alive, else what it is, with what the Gluster client's log says (string): a client can
    seem mounted and end at once.

    Raises CommandExecutionError with what the log says when the command fails.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.mount /var/lib/gluster_one/one_vol
    """
    if __salt__["gluster_one.mount_health"](path)["state"] == "dead":
        unmount(path)
    if salt.utils.systemd.booted(__context__):
        __salt__["service.systemctl_reload"]()
        command = ["systemctl", "restart", __salt__["gluster_mount.unit"](path)]
    else:
        command = ["mount", path]
    log = f"/var/log/glusterfs/{path.strip('/').replace('/', '-')}.log"
    begin = os.path.getsize(log) if os.path.exists(log) else 0
    # systemd itself waits for 90 s for a client whom no brick answers.
    done = __salt__["cmd.run_all"](command, python_shell=False, ignore_retcode=True, timeout=timeout)
    if done["retcode"] != 0:
        raise CommandExecutionError(
            f"{' '.join(command)}: {_client_error(log, begin) or done['stderr'] or done['stdout']}"
        )
    # A client that could not get its volume, or is refused, can look mounted for a moment.
    for pause in (0, 1):
        time.sleep(pause)
        state = __salt__["gluster_one.mount_health"](path)["state"]
        if state != "alive":
            return f"the mount is {state}: {_client_error(log, begin)}".rstrip(": ")
    volume = __salt__["gluster_one.mount_health"](path)["volume"]
    if volume and path in __salt__["gluster_mount.without_flags"](volume):
        __salt__["gluster_mount.set_flags"](volume)
    return None


def unmount(path, lazy=True):
    """
    Take a mount away.

    path
        The directory (string).

    lazy
        Also while a process has its working directory or a file open there, as suits a dead mount (bool, default True).

    Returns True.

    Raises CommandExecutionError with the system's message.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.unmount /var/lib/gluster_one/one_vol
    """
    command = ["umount", *(["-l"] if lazy else []), path]
    done = __salt__["cmd.run_all"](command, python_shell=False, ignore_retcode=True, timeout=30)
    if done["retcode"] != 0:
        raise CommandExecutionError(f"{' '.join(command)}: {done['stderr']}")
    return True


def _read(path, begin=0):
    """
    A client's log behind a place, an empty string where there is none.
    """
    try:
        with salt.utils.files.fopen(path, errors="replace") as stream:
            stream.seek(begin)
            return stream.read()
    except FileNotFoundError:
        return ""


def _client_error(log, begin):
    """
    The last error that a Gluster client wrote into its log behind a place, or an empty string.
    """
    text = _read(log, begin)
    errors = re.findall(r"^\[[^\]]*\] [EC] .*?\] (?:\d+-[^:]*: )?(.*)$", text, re.MULTILINE)
    error = re.sub(r" \[\{.*|\s+$", "", errors[-1]) if errors else ""
    if re.search("uthentication failed|first lookup on root failed", text):
        # A brick reads server.allow-insecure when it starts; one that was started with it off stays so.
        error += (
            " The bricks refuse this node: server.allow-insecure is off, or was off when a brick was started: apply "
            "gluster_one.volume to the volume's first server, then gluster_one.restart to all of them"
        )
    return __salt__["gluster_one.visible"](error, 1000) if error else ""
