"""
The line of /etc/fstab for a Gluster volume, its mount unit, and the mount after a boot
=======================================================================================

``mount.set_fstab`` of Salt would do for the line, but for other people's lines: it changes their ends, and stops at
text that is not UTF-8.

systemd tries a mount unit once. At a boot at which no glusterd answers yet, as after a power cut, it fails for good;
a service beside it tries again until the volume is there. It looks twice: a client that could not get its volume can
show a mount for a moment.
"""

import glob
import os
import re

import salt.utils.files
import salt.utils.systemd
from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "gluster_fstab"

FSTAB = "/etc/fstab"
UNWRITABLE = (
    "/etc/fstab cannot be written ({}): see that its file system is mounted writable (`mount -o remount,rw /`) and has "
    "room, and run again"
)
_BACKUPS = "backup-volfile-servers="
# Whoever reaches a brick can make a file that belongs to root and is setuid, or a device: neither works with these.
FLAGS = ("nosuid", "nodev")
SERVICE = "gluster-one-mount@{}.service"
DIRECTORY = "/etc/systemd/system"
WANTS = f"{DIRECTORY}/multi-user.target.wants"
OURS = "# Written by the Salt formula gluster_one:"  # how each version of it begins
TEXT = f"""\
{OURS} a mount unit is tried once at boot, this one tries until the volume is there.
[Unit]
Description=Mount %f, again and again until it is there
Wants=network-online.target
After=network-online.target remote-fs.target
StartLimitIntervalSec=0

[Service]
ExecStart=/bin/sh -c 'systemctl cat "$$0" >/dev/null 2>&1 || exit 0; \\
    systemctl start "$$0" && sleep 1 && mountpoint -q "$$1" && stat -f "$$1" >/dev/null' "%i.mount" "%f"
Restart=on-failure
RestartSec=5

[Install]
WantedBy=multi-user.target
"""


def __virtual__():
    return __virtualname__


def flags_missing(options):
    """
    Which of ``nosuid`` and ``nodev`` is missing in mount options.

    options
        Mount options (list of strings).

    Returns a list of strings.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_fstab.flags_missing '[rw, nosuid]'
    """
    return [flag for flag in FLAGS if flag not in options]


def device_volume(device):
    """
    The volume that the device of a Gluster mount names.

    device
        Server and volume (string): ``kvm1:/one_vol``, ``kvm1:one_vol`` or ``kvm1:/one_vol.tcp``.

    Returns its name (string), with a sub-directory behind it where one is named (``one_vol/sub``).

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_fstab.device_volume kvm1:/one_vol
    """
    return re.sub(r"\.(tcp|rdma)$", "", device.rpartition(":")[2].strip("/"))


def device_servers(device):
    """
    The servers that the device of a Gluster mount names, one after the other: mount.glusterfs takes several.

    device
        Servers and volume (string): ``kvm1:/one_vol`` or ``kvm1,kvm2:/one_vol``.

    Returns a list of strings.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_fstab.device_servers kvm1,kvm2:/one_vol
    """
    return [server for server in device.rpartition(":")[0].split(",") if server]


def backups(opts):
    """
    The backup volfile servers that mount options name.

    opts
        Mount options (list of strings).

    Returns a list of strings.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_fstab.backups '[defaults, "backup-volfile-servers=kvm2:kvm3"]'
    """
    named = [option.removeprefix(_BACKUPS) for option in opts if option.startswith(_BACKUPS)]
    return named[-1].split(":") if named else []


def _server(host, servers):
    """
    Which of a volume's servers a host is: by its name, an address, or as this very node.
    """
    if host in servers:
        return host
    own = [name for name in servers if name.casefold() in __utils__["gluster_hosts.own_names"]()]
    if own and host in ("localhost", "127.0.0.1", "::1"):
        return own[0]
    return __utils__["gluster_hosts.known_as"](host, servers)


def check_servers(device, hosts, servers, what):
    """
    What is mounted, or to be mounted, comes from the pool of the volume's servers: another pool can have a volume of
    the same name.

    device
        Server and volume (string), such as ``kvm1:/one_vol``.

    hosts
        Further servers that it can be had from (list of strings): one that is among the volume's is enough.

    servers
        The volume's servers (list of strings).

    what
        What the device does (string), for the error: ``is mounted on /mnt``.

    Raises CommandExecutionError when none of them is one of the volume's servers, by name or by address.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_fstab.check_servers kvm1:/one_vol '[]' '[kvm1, kvm2]' 'is mounted on /mnt'
    """
    named = device_servers(device)
    if not any(_server(each, servers) for each in (*named, *hosts)):
        raise CommandExecutionError(
            f"{device} {what}, and {' or '.join(named)} is none of {', '.join(servers)}: add it to the volume's "
            "servers if it is of their pool; if it is of another pool, remove that, or give the volume another "
            "mount point"
        )


def _fields(line):
    """
    The fields of a line of fstab (list of strings), four or more, none where it is a comment or no entry.
    """
    words = line.decode(errors="surrogateescape").split()
    if len(words) < 3 or words[0].startswith("#"):
        return []
    return words if len(words) > 3 else [*words, "defaults"]  # as mount takes it


def _point(fields):
    """
    The directory of a line of fstab, whose name may have octal codes in it and slashes at its end.
    """
    return os.path.normpath(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), fields[1]))


def _is_for(line, path):
    fields = _fields(line)
    return bool(fields) and _point(fields) == os.path.normpath(path)


def _lines():
    try:
        with open(FSTAB, "rb") as stream:
            return stream.read().splitlines(keepends=True)
    except FileNotFoundError:
        return []


def line(path):
    """
    The line of /etc/fstab for a directory.

    path
        The directory (string).

    Returns a dict ``{"device": "kvm1:/one_vol", "fstype": "glusterfs", "opts": ["defaults", "_netdev"],
    "volume": "one_vol"}``, with None for the volume of anything but Gluster; empty when there is none.

    Raises CommandExecutionError when there are two: systemd would take one of them.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_fstab.line /var/lib/gluster_one/one_vol
    """
    found = lines(path)
    if len(found) > 1:
        raise CommandExecutionError(
            f"/etc/fstab has {len(found)} lines for {path} (of {' and '.join(line['device'] for line in found)}): "
            "remove all but one"
        )
    return found[0] if found else {}


def lines(path):
    """
    All lines of /etc/fstab for a directory.

    path
        The directory (string).

    Returns a list of dicts as :func:`line` has them.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_fstab.lines /var/lib/gluster_one/one_vol
    """
    return [line for point, line in _entries() if point == os.path.normpath(path)]


def _entries():
    """
    The directory of each line of fstab, and the line as :func:`line` has it.
    """
    for fields in filter(None, map(_fields, _lines())):
        device, _, fstype, opts = fields[:4]
        volume = device_volume(device) if fstype == "glusterfs" else None
        yield _point(fields), {"device": device, "fstype": fstype, "opts": opts.split(","), "volume": volume}


def gluster_lines():
    """
    All lines of /etc/fstab that mount Gluster volumes.

    Returns a list of dicts as :func:`line` has them, each with its directory as ``path``.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_fstab.gluster_lines
    """
    return [{"path": point, **line} for point, line in _entries() if line["volume"]]


def volume_lines(volume):
    """
    All lines of /etc/fstab that mount a volume.

    volume
        The volume (string).

    Returns a dict by directory of dicts as :func:`line` has them; of two lines for one directory it has the first.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_fstab.volume_lines one_vol
    """
    found = {}
    for point, line in _entries():
        if line["volume"] == volume:
            found.setdefault(point, line)
    return found


def set_line(path, device, opts, fstype="glusterfs"):
    """
    Write the line of /etc/fstab for a directory; every other line stays as it is.

    path
        The directory (string).

    device
        Server and volume (string), such as ``kvm1:/one_vol``.

    opts
        Mount options (list of strings).

    fstype
        The type of its file system (string, default ``glusterfs``).

    Returns True.

    Raises CommandExecutionError when it cannot be written, as on a full disk; nothing is changed then.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_fstab.set_line /mnt kvm1:/one_vol '[defaults, _netdev]'
    """
    lines = _lines()
    number = next((number for number, line in enumerate(lines) if _is_for(line, path)), len(lines))
    name, more, end = path, [], b"\n"
    if number < len(lines):
        _, name, _, _, *more = _fields(lines[number])
        end = lines[number][len(lines[number].rstrip()) :]
    elif lines and not lines[-1].endswith(b"\n"):
        lines[-1] += b"\n"
    words = [device, name, fstype, ",".join(opts), *(more or ["0", "0"])]
    lines[number:] = [" ".join(words).encode(errors="surrogateescape") + end, *lines[number + 1 :]]
    return _write(lines)


def remove_lines(path, volume):
    """
    Remove the lines of /etc/fstab that mount a Gluster volume on a directory; every other line stays as it is.

    path
        The directory (string).

    volume
        The volume (string).

    Returns True.

    Raises CommandExecutionError when it cannot be written; nothing is changed then.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_fstab.remove_lines /mnt one_vol
    """

    def goes(line):
        device, _, fstype = (_fields(line) or [""] * 3)[:3]
        return _is_for(line, path) and fstype == "glusterfs" and device_volume(device) == volume

    return _write([line for line in _lines() if not goes(line)])


def _write(lines):
    try:
        __utils__["gluster_files.write"](os.path.realpath(FSTAB), b"".join(lines))
    except OSError as exc:
        raise CommandExecutionError(UNWRITABLE.format(exc.strerror)) from None
    if salt.utils.systemd.booted(__context__):
        __salt__["service.systemctl_reload"]()  # systemd makes mount units of the lines
    return True


def write_error():
    """
    Why /etc/fstab cannot be written, as far as that can be known in advance.

    Returns None if it can, else a sentence (string).

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_fstab.write_error
    """
    # Not even root may write on a file system that is mounted read-only.
    fine = os.access(os.path.dirname(os.path.realpath(FSTAB)), os.W_OK)
    return None if fine else UNWRITABLE.format("read-only file system")


def wanted_line(path, volume, servers, options=None, like=None, dropped=None):
    """
    The line that /etc/fstab is to have for a directory. Of a line that is there the options are kept, and the server
    that is mounted from, if it is one of the volume's. ``nosuid`` and ``nodev`` are always among the options.

    path
        The directory (string).

    volume
        The volume (string).

    servers
        Its servers (list of host names): the first is mounted from, the others are backup volfile servers.

    options
        Further mount options (list of strings, default none).

    like
        A line for another directory (dict as :func:`line` returns it) from which options and server are taken where
        there is none for this one (default none), but for those that would keep the volume away, such as ``noauto``.

    dropped
        Options of the line that go, and what stands in their place, None for nothing (dict of strings, default none).

    Returns a dict::

        {"device": "kvm1:/one_vol",
         "opts": ["defaults", "_netdev", "nosuid", "nodev", "backup-volfile-servers=kvm2:kvm3"]}

    Raises CommandExecutionError when /etc/fstab has a line for that directory and something else, SaltInvocationError
    when there are no servers.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_fstab.wanted_line /var/lib/gluster_one/one_vol one_vol '[kvm1, kvm2, kvm3]'
    """
    if not isinstance(servers, list) or not servers or not all(isinstance(server, str) for server in servers):
        raise SaltInvocationError(f"servers is {servers!r}: a list of host names is needed, such as [kvm1, kvm2]")
    there = line(path)
    if there and there["volume"] != volume:
        raise CommandExecutionError(
            f"/etc/fstab mounts {there['device']} ({there['fstype']}) on {path}, not volume {volume}: remove that "
            "line, or give the volume another mount point"
        )
    keeps_away = __salt__["gluster_one_arguments.keeps_away"]
    if like and not there:
        there = {**like, "opts": [option for option in like["opts"] if not keeps_away(option)]}
    device, first, dropped = f"{servers[0]}:/{volume}", {servers[0]}, dropped or {}
    opts = [dropped.get(option, option) for option in there.get("opts", ["defaults"])]
    opts = [option for option in opts if option and not __salt__["gluster_one_arguments.undoes_flags"](option)]
    if there:
        check_servers(there["device"], backups(opts), servers, f"is what /etc/fstab mounts on {path}")
        named = {host: _server(host, servers) for host in device_servers(there["device"])}
        known = [host for host in named if named[host]]  # another pool's could have a volume of the same name
        if known:
            device = f"{','.join(known)}:{there['device'].rpartition(':')[2]}"
            first = {named[host] for host in known}
    unwanted = [option for option in opts if keeps_away(option)]
    if unwanted:
        also = f", then {automounter_cure(path)}" if "automount" in str(unwanted) else ""
        raise CommandExecutionError(
            f"/etc/fstab mounts {path} with {', '.join(unwanted)}, and it has to be there after a reboot, for good and "
            f"writable: remove {' and '.join(unwanted)}{also}"
        )
    others = [server for server in servers if server not in first]
    named = backups(opts)
    if len(named) == len(others) and {_server(host, servers) for host in named} == set(others):
        others = named  # as somebody has written them
    more = ["_netdev", *FLAGS, *([_BACKUPS + ":".join(others)] if others else []), *(options or [])]
    if not backups(more):
        opts = [option for option in opts if not option.startswith(_BACKUPS)]
    for option in more:
        key = option.partition("=")[0]
        if key != "xlator-option":  # the one option that may be given several times
            opts = [option if old.partition("=")[0] == key else old for old in opts]
        opts = opts if option in opts else [*opts, option]
    return {"device": device, "opts": opts}


def unit(path):
    """
    The mount unit that systemd makes of a line of fstab.

    path
        The directory (string).

    Returns its name (string).

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_fstab.unit /var/lib/gluster_one/one_vol
    """
    key = f"gluster_fstab.unit:{path}"  # asked for at each check
    if key not in __context__:
        done = __salt__["cmd.run_all"](["systemd-escape", "--path", "--suffix=mount", path], python_shell=False)
        __context__[key] = done["stdout"]
    return __context__[key]


def automounter_cure(path, device="systemd-1"):
    """
    How an automounter leaves a directory alone. systemd's takes what is mounted on it along.

    path
        The directory (string).

    device
        Whose it is, by the kernel's table (string, default ``systemd-1``): systemd's, or the map of another one.

    Returns a sentence (string).

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_fstab.automounter_cure /var/lib/gluster_one/one_vol
    """
    if not device.startswith("systemd"):
        return f"take it out of {__utils__['gluster_process.visible'](device)}, reload autofs, and run again"
    name = unit(path).removesuffix(".mount") + ".automount"
    return f"`systemctl daemon-reload; systemctl stop '{name}'` while nothing uses the volume there, and run again"


def unit_outdated(path):
    """
    Whether systemd has yet to read the present /etc/fstab, so that the mount unit would still mount the old entry.

    path
        The directory (string).

    Returns True or False; False on a system that systemd does not run.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_fstab.unit_outdated /var/lib/gluster_one/one_vol
    """
    if not salt.utils.systemd.booted(__context__):
        return False
    show = ["systemctl", "show", "--value", "--property=NeedDaemonReload", unit(path)]
    return __salt__["cmd.run_all"](show, python_shell=False, timeout=30)["stdout"] == "yes"


def missing_boot_retry(path):
    """
    The service that is to mount a directory again after a boot, where it is missing.

    path
        The directory (string).

    Returns its name (string), None where it is there, and on a system that systemd does not run.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_fstab.missing_boot_retry /var/lib/gluster_one/one_vol
    """
    if not salt.utils.systemd.booted(__context__):
        return None
    name = SERVICE.format(unit(path).removesuffix(".mount"))
    enabled = os.path.lexists(os.path.join(WANTS, name))
    return None if enabled and _text() == TEXT else name


def _text():
    try:
        with salt.utils.files.fopen(os.path.join(DIRECTORY, SERVICE.format("")), errors="replace") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def retry_services():
    """
    The services that mount a directory again after a boot and are enabled, whatever /etc/fstab has.

    Returns a dict of their names by directory (strings).

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_fstab.retry_services
    """
    names = sorted(map(os.path.basename, glob.glob(os.path.join(WANTS, SERVICE.format("?*")))))
    return {_unescaped(name[len(SERVICE.partition("{")[0]) : -len(".service")]): name for name in names}


def retry_unit():
    """
    The file of the service that mounts a directory again after a boot, for all directories.

    Returns its path (string), None where there is none, or somebody else has written it.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_fstab.retry_unit
    """
    return os.path.join(DIRECTORY, SERVICE.format("")) if (_text() or "").startswith(OURS) else None


def remove_retry_unit():
    """
    Remove the file of the service that mounts a directory again after a boot, if it is the formula's.

    Returns whether it was there (bool).

    Raises CommandExecutionError when it cannot be removed.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_fstab.remove_retry_unit
    """
    path = retry_unit()
    if not path:
        return False
    try:
        os.unlink(path)
    except OSError as exc:
        raise CommandExecutionError(f"{path} cannot be removed: {exc.strerror}") from exc
    if salt.utils.systemd.booted(__context__):
        __salt__["service.systemctl_reload"]()
    return True


def _unescaped(word):
    """
    The directory from which ``systemd-escape --path`` made this name.
    """
    text = re.sub(rb"\\x([0-9a-f]{2})", lambda code: bytes([int(code[1], 16)]), os.fsencode(word.replace("-", "/")))
    return "/" + os.fsdecode(text)


def enable_boot_retry(path):
    """
    Write and enable the service that mounts a directory again after a boot. It is not started now.

    path
        The directory (string).

    Returns True.

    Raises CommandExecutionError when it cannot be written or enabled.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_fstab.enable_boot_retry /var/lib/gluster_one/one_vol
    """
    name = SERVICE.format(unit(path).removesuffix(".mount"))
    try:
        if _text() != TEXT:
            __utils__["gluster_files.write"](os.path.join(DIRECTORY, SERVICE.format("")), TEXT)
            __salt__["service.systemctl_reload"]()
    except OSError as exc:
        raise CommandExecutionError(
            f"{name} cannot be written ({exc.strerror}): see that {DIRECTORY} is writable"
        ) from exc
    if not __salt__["service.enable"](name):
        raise CommandExecutionError(f"{name} cannot be enabled: see `systemctl enable '{name}'`")
    return True


def disable_boot_retry(path):
    """
    Disable the service that mounts a directory again after a boot, and stop it where it is active.

    path
        The directory (string).

    Returns True.

    Raises CommandExecutionError when it cannot be disabled.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_fstab.disable_boot_retry /var/lib/gluster_one/one_vol
    """
    name = SERVICE.format(unit(path).removesuffix(".mount"))
    if not os.path.lexists(os.path.join(WANTS, name)):
        return True
    if not (__salt__["service.disable"](name) and __salt__["service.stop"](name)):
        raise CommandExecutionError(f"{name} cannot be disabled: see `systemctl disable '{name}'`")
    return True
