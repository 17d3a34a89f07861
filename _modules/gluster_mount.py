"""
Mounts of Gluster volumes on this node
======================================

Where a volume is mounted, with which flags, whether its client answers and who uses it; mount and unmount. Each
function reads one thing or changes one thing. What might hang is looked at by ``gluster_process.run`` only.

A mount is ``nosuid,nodev``: whoever reaches a brick is root on the volume and can leave a program there that is
set-user-ID root, or a device. What counts is the kernel's table of mounts: options on the way to it can be lost. Each
mount namespace has a table of its own, such as that of a VM, which libvirt makes, and flags that are set in one do not
reach the others.

systemd follows the path of a line of /etc/fstab at each boot, links included. Whoever owns a directory above the mount
point can put a link there and so have the volume mounted over any directory of the system. OpenNebula's directories
belong to oneadmin; so the volume is mounted where every parent is root's alone, and its place among them is a link.
"""

import contextlib
import fcntl
import glob
import itertools
import os
import pwd
import re
import secrets
import socket
import stat
import sys
import time

import salt.utils.files
import salt.utils.path
import salt.utils.systemd
import salt.utils.user
from salt.exceptions import CommandExecutionError

__virtualname__ = "gluster_mount"

_SERVER = "--volfile-server="  # an option of the client
CLIENTS = ("glusterfs", "glusterfsd")  # the former is a link to the latter
PROC = "/proc"
# By a descriptor that is reached without following a link, because the directories above a mount may belong to somebody
# who exchanges them meanwhile: it has to be that very mount, by its number in the kernel's table. In another process's
# mount namespace neither a file nor /proc is what it is here: nothing is imported or looked for by a path there.
ACT = r"""
import ctypes, os, re, sys
sys.excepthook = lambda kind, error, _: sys.stderr.write(getattr(error, "strerror", None) or str(error))
action, path, number, process = sys.argv[1:]
at = os.open(f"/proc/{process}/root", os.O_PATH)
for name in filter(None, path.split("/")):
    at = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY, dir_fd=at)
if re.search(r"^mnt_id:\s*(\d+)$", open(f"/proc/self/fdinfo/{at}").read(), re.M)[1] != number:
    sys.exit("something else is there now")
libc, place = ctypes.CDLL(None, use_errno=True), b"%d" % at
descriptors, namespace = os.open("/proc/self/fd", os.O_RDONLY), os.open(f"/proc/{process}/ns/mnt", os.O_RDONLY)
if process != "self" and libc.setns(namespace, 0x20000):  # CLONE_NEWNS
    sys.exit(os.strerror(ctypes.get_errno()))
os.fchdir(descriptors)
if action == "detach":
    failed = libc.umount2(place, 2)  # MNT_DETACH: the descriptor counts as a user
else:
    failed = libc.mount(None, place, None, ctypes.c_ulong(int(action)), None)
sys.exit(os.strerror(ctypes.get_errno()) if failed else 0)
"""
# Bytes of the tables of mount namespaces that belong to user namespaces, which anybody can make, with 100,000 mounts.
MOST_FOREIGN = 4_000_000
MOST_NAMED = 5  # errors
MOST_SECONDS = 60  # for all mounts together
MOST_COVERS = 20  # one over the other
MOST_UNSAFE = 500  # mounts at once: the next check finds the others
_NS_GET_USERNS = 0xB701
_REMOUNT_BIND = 32 | 4096
# What a remount takes away unless it is named again; the times of access stay as they are.
_KEPT = {"ro": 1, "noexec": 8, "nosymfollow": 256}
_NOSUID_NODEV = 2 | 4
# What to do when a user cannot write, by the system's words, and whether that stays so however long it is waited for.
_NOT_WRITABLE = {
    "No space left on device": ("volume {volume} is full: delete images, or add bricks", True),
    "Disk quota exceeded": ("see `gluster volume quota {volume} list`", True),
    "Read-only file system": (
        "see `findmnt {path}` (ro: unmount it and mount it without), `gluster volume get {volume} features.read-only`, "
        "and whether the file system of a brick has become read-only",
        True,
    ),
    "Input/output error": (
        "see `gluster volume heal {volume} info split-brain`, and the servers' kernel logs for the bricks' disks",
        True,
    ),
    "Transport endpoint is not connected": (
        "too few bricks answer this node: see `gluster volume status {volume}`, and the network",
        False,
    ),
    "Stale file handle": ("unmount {path}, and run again", False),
    "Permission denied": (
        "see `gluster volume get {volume} storage.owner-uid`: gluster_one.volume on the volume's first server sets it; "
        "and that the user has the same number there",
        False,
    ),
}
_NOT_WRITABLE["Operation not permitted"] = _NOT_WRITABLE["Permission denied"]
# The default mount points are below it.
PLACES = "/var/lib/gluster_one"


def __virtual__():
    return __virtualname__


def client_servers(words):
    """
    The servers that a FUSE client was started with: the one that was mounted from, and the backups.

    words
        The client's arguments, as :func:`client` returns them (list of strings).

    Returns a list of strings, empty where no client runs.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.client_servers '[glusterfs, --volfile-server=kvm1, /mnt]'
    """
    return [word.removeprefix(_SERVER) for word in words if word.startswith(_SERVER)]


def mount(path, timeout=120):
    """
    Mount what fstab names for a directory: by its mount unit where systemd runs, so that it lives in a control group of
    its own (a FUSE client that the minion starts itself dies with the minion); by ``mount`` elsewhere. A dead mount is
    unmounted first.

    path
        The directory (string).

    timeout
        Seconds to wait for it (int, default 120).

    Returns None: the mount is alive.

    Raises CommandExecutionError when it is not, since a client can seem mounted and end at once, or the command fails:
    with what the Gluster client's log says, why, and what to do. It has ``lasts``, True for what stays so.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.mount /var/lib/gluster_one/one_vol
    """
    if mount_health(path)["state"] == "dead":
        unmount(path)
    if salt.utils.systemd.booted(__context__):
        __salt__["service.systemctl_reload"]()
        command = ["systemctl", "restart", __salt__["gluster_fstab.unit"](path)]
    else:
        command = ["mount", path]
    log = f"/var/log/glusterfs/{path.strip('/').replace('/', '-')}.log"
    begin = os.path.getsize(log) if os.path.exists(log) else 0
    # systemd itself waits for 90 s for a client whom no brick answers.
    done = __salt__["cmd.run_all"](command, python_shell=False, ignore_retcode=True, timeout=timeout)
    if done["retcode"] != 0:
        raise _failed(f"{' '.join(command)}: ", path, log, begin, done["stderr"] or done["stdout"])
    # A client that could not get its volume, or is rejected, can look mounted for a moment.
    for pause in (0, 1):
        time.sleep(pause)
        state = mount_health(path)["state"]
        if state != "alive":
            raise _failed(f"the mount is {state}: ", path, log, begin)
    volume = mount_health(path)["volume"]
    if volume and path in mounts_without_flags(volume):
        set_flags(volume)
    return None


def _failed(what, path, log, begin, otherwise=""):
    """
    The error of a mount, with what its client says; `lasts` of it is whether it stays so however long it is waited for.
    """
    text = _read(log, begin)
    found = __salt__["gluster_probe.refusal"](text, __salt__["gluster_fstab.line"](path).get("device", ""))
    said = [(_client_error(text) or otherwise).rstrip(". "), found["why"], found["cure"]]
    error = CommandExecutionError(f"{what}{': '.join(filter(None, said))}".rstrip(": "))
    error.lasts = found["lasts"]
    return error


def unmount(path, lazy=True):
    """
    Unmount a directory.

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


def _client_error(text):
    """
    The last error that a Gluster client has logged, or an empty string. Lines with a stack of calls tell nothing.
    """
    errors = re.findall(r"^\[[^\]]*\] [EC] (?:\[[^\]]*\] )+(?!\[|\(-->)(?:\d+-[^:]*: )?(.*)$", text, re.MULTILINE)
    error = re.sub(r" \[\{.*|\s+$", "", errors[-1]) if errors else ""
    return __utils__["gluster_process.visible"](error, 1000) if error else ""


def mounts():
    """
    What is mounted. Unlike ``mount.active`` this starts no process, since it is called often.

    Returns a dict of dicts by directory; ``volume`` is None for a file system that root has not mounted by Gluster's
    client::

        {"/var/lib/gluster_one/one_vol": {"device": "kvm1:/one_vol", "fstype": "fuse.glusterfs", "volume": "one_vol",
                                          "read_only": False}}

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.mounts
    """
    return {mount["path"]: _shown(mount) for mount in mount_table()}


def _shown(mount):
    return {key: mount[key] for key in ("device", "fstype", "volume", "read_only")}


def mount_health(path):
    """
    What is mounted on a directory and whether it answers.

    path
        The directory (string).

    Returns a dict ``{"state": "alive", "device": "kvm1:/one_vol", "fstype": "fuse.glusterfs", "volume": "one_vol"}``.
    ``state`` is ``absent`` (nothing is mounted there; the others are None), ``alive``, ``dead`` (the FUSE client is
    gone: "Transport endpoint is not connected", or runs but was rejected by the bricks, after which it does not
    try again), ``offline`` (it says the same because its bricks are away, as when the volume is stopped; files that are
    open come back with them) or ``hung`` (no answer within 3 s). ``volume`` is None for a file system that is not
    Gluster's, and has the sub-directory behind it where one is mounted (``one_vol/sub``).

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.mount_health /var/lib/gluster_one/one_vol
    """
    path = os.path.normpath(path)
    mounted = mounts().get(path)
    if not mounted:
        return {"state": "absent", "device": None, "fstype": None, "volume": None}
    volume = mounted["volume"]
    if mounted["fstype"] == "autofs":  # a look would have it mount
        return {"state": "alive", "device": mounted["device"], "fstype": "autofs", "volume": None}
    # statfs is never answered from the kernel's cache, so that a client that has just died is seen to be dead.
    status, _, error = __utils__["gluster_process.run"](["stat", "-f", path])
    if status == 0 and path not in mounts():  # it ended just now: that was the bare directory
        return {"state": "absent", "device": None, "fstype": None, "volume": None}
    state = "alive" if status == 0 else "hung" if status is None else "dead"
    if state == "dead" and "not connected" not in error:
        shown = __utils__["gluster_process.visible"](path)
        raise CommandExecutionError(f"{shown} cannot be looked at: {error}")
    if state == "dead" and volume and client(path):
        state = "dead" if _comes_back(path, mounted["device"]) is False else "offline"
        state = "alive" if __utils__["gluster_process.run"](["stat", "-f", path])[0] == 0 else state
    return {"state": state, "device": mounted["device"], "fstype": mounted["fstype"], "volume": volume}


def _comes_back(path, device):
    """
    Whether a client whose bricks do not answer may still reconnect: False when the volume can be mounted elsewhere and
    this mount does not answer for 5 s more. A client tries again every 3 s, unless a brick has rejected it.
    """
    if not __salt__["gluster_probe.can_mount"](device):
        return True
    for _ in range(5):
        if __utils__["gluster_process.run"](["stat", "-f", path])[0] == 0:
            return True
        time.sleep(1)
    return False


def client(path):
    """
    The FUSE client of Gluster that runs for a directory: a process of root's, since anybody may give a process of
    theirs its name and arguments.

    path
        The directory (string).

    Returns its arguments (list of strings), those of the one that was started last; empty where none runs.

    Raises CommandExecutionError where those of a client are not known, see ``gluster_process.words``.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.client /var/lib/gluster_one/one_vol
    """
    found = []
    for directory in glob.glob(f"{PROC}/[0-9]*"):
        with contextlib.suppress(OSError):
            pid = os.path.basename(directory)
            words = __utils__["gluster_process.words"](pid) if _is_client(directory) else []
            if words is None:
                raise CommandExecutionError(f"the command line of Gluster's client {pid} cannot be read: run again")
            if words and os.path.basename(words[0]) in CLIENTS and words[-1] == path:
                found.append((__utils__["gluster_process.start_time"](pid) or 0, words))
    return max(found)[1] if found else []


def _is_client(directory):
    """
    Whether a process runs Gluster's own program, and all its identities are root: a program with the setuid bit takes
    its name and arguments from whoever starts it.
    """
    if os.path.basename(os.readlink(f"{directory}/exe")).removesuffix(" (deleted)") not in CLIENTS:
        return False
    with salt.utils.files.fopen(f"{directory}/status", errors="replace") as stream:
        users = next(line.split()[1:] for line in stream if line.startswith("Uid:"))
    return set(users) == {"0"}


def space(path):
    """
    The size of a mounted volume and how much of it is free.

    path
        The directory on which it is mounted (string).

    Returns a dict ``{"total_mb": 258020, "free_percent": 61}``, None when it does not answer within 3 s.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.space /var/lib/gluster_one/one_vol
    """
    status, out, _ = __utils__["gluster_process.run"](["stat", "-f", "-c", "%b %a %S", path])
    if status != 0:
        return None
    blocks, free, size = map(int, out.split())
    return {"total_mb": blocks * size // 2**20, "free_percent": round(100 * free / blocks) if blocks else 0}


def write_error(path, user="oneadmin"):
    """
    Whether a user can write in a directory, found out by writing a file there as that user and removing it.

    path
        The directory (string).

    user
        The user's name (string, default ``oneadmin``).

    Returns None if so, else the reason (string).

    Raises CommandExecutionError when there is no such user.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.write_error /var/lib/gluster_one/one_vol
    """
    # Another name each time: a file that only one brick took, while the root's owner was being changed on them, is not
    # writable until it is healed (measured with Gluster 10.3). What such tries have left goes with the next that works.
    # With something in it: on a full volume an empty file can still be made.
    script = """head -c 1 /dev/zero >"$1.$2" && { rm -f "$1".* 2>/dev/null || rm -f "$1.$2"; } && exit 0
    status=$?; rm -f "$1.$2" 2>/dev/null; exit $status"""
    probe = os.path.join(path, f".gluster_one.write-test.{socket.gethostname()}")
    words = ["/bin/sh", "-c", script, "sh", probe, secrets.token_hex(4)]
    status, _, error = __utils__["gluster_process.run"](words, user=user, probe=f"writable {path} {user}")
    return None if status == 0 else error


def write_cure(error, path, volume):
    """
    What to do when a user cannot write in a directory.

    error
        What stood in the way, as :func:`write_error` returns it (string).

    path
        The directory (string).

    volume
        The volume that is mounted there (string).

    Returns a dict ``{"cure": "...", "lasts": False}``: a sentence, and whether it stays so however long it is waited
    for.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.write_cure 'Permission denied' /var/lib/gluster_one/one_vol one_vol
    """
    other = "see `gluster volume status {volume}`, and the client's log in /var/log/glusterfs", False
    cure, lasts = next((found for words, found in _NOT_WRITABLE.items() if error.endswith(words)), other)
    return {"cure": cure.format(path=path, volume=volume), "lasts": lasts}


def mount_users(path, copies=True):
    """
    What uses a mount: processes with a file or a directory of it, and other mounts of it or in it. A mount that hangs
    does not delay the answer.

    path
        The directory on which it is mounted (string).

    copies
        Count other mounts of the same client (bool, default True): those end with it, if it ends.

    Returns a sorted list of strings such as ``["/srv/vol", "qemu-system-x86 (4711)"]``. If not all processes can be
    looked at (``gluster_process.users``), one of them says so: what is not known may be a user.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.mount_users /var/lib/gluster_one/one_vol
    """
    path = os.path.normpath(path)
    # Salt's mount.active knows the devices' numbers, too, but starts blkid, whose exit status becomes this command's.
    mounted = {mount["path"]: mount["device_number"] for mount in mount_table()}
    found = [
        other
        for other, device in mounted.items()
        if other != path and (copies and device == mounted.get(path) or _within(other, path))
    ]
    pids, last = __utils__["gluster_process.users"](lambda place: _within(place, path))
    names = {pid: __utils__["gluster_process.comm"](pid) for pid in pids}
    found += [f"{name} ({pid})" for pid, name in names.items() if name is not None]  # it has not ended
    if last:
        name = __utils__["gluster_process.process_name"](last)
        found.append(f"perhaps others (not all processes could be looked at in time: {name} could not)")
    return sorted(map(__utils__["gluster_process.visible"], found))


def _within(place, path):
    return place == path or place.startswith(f"{path}/")


def mount_table():
    """
    The kernel's table of this node's mounts, a later one over an earlier.

    Returns a list of dicts; ``number`` is the mount's, ``device_number`` its file system's, ``options`` those of the
    mount and ``super_options`` those of its file system. ``user`` is the number of who has mounted it by FUSE, None for
    other file systems. ``volume`` is None for what root has not mounted by Gluster's client: who may use fusermount
    chooses type and device, too. A directory of a volume that is mounted by ``mount --bind`` is in ``device`` and
    ``volume``, as if it were mounted by itself (``one_vol/ds101``)::

        [{"number": "41", "device_number": "0:33", "path": "/srv/vol", "options": ["rw", "nosuid", "nodev"],
          "fstype": "fuse.glusterfs", "device": "kvm1:/one_vol", "super_options": ["rw", "user_id=0"],
          "user": "0", "volume": "one_vol", "read_only": False}]

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.mount_table
    """
    return list(_parsed(_text("self")))


def _text(process, most=-1):
    with salt.utils.files.fopen(f"{PROC}/{process}/mountinfo", "rb") as stream:
        return stream.read(most)


def _parsed(text, containing=b""):
    # By bytes: the kernel escapes blanks, tabs and line feeds alone, and whoever may mount something by fusermount
    # gives its directory a name with what else text would be split at. A line without an end was cut off.
    for line in text.split(b"\n")[:-1]:
        if containing not in line:
            continue
        words = [os.fsdecode(re.sub(rb"\\([0-7]{3})", _char, word)) for word in line.split(b" ")]
        fstype, device, more = words[words.index("-", 6) + 1 :][:3]
        more = more.split(",")
        # The kernel itself writes it, also for a mount by fusermount.
        users = [option.removeprefix("user_id=") for option in more if option.startswith("user_id=")]
        user = users[0] if users and fstype.startswith("fuse") else None
        volume = fstype == "fuse.glusterfs" and user == "0"
        volume = __salt__["gluster_fstab.device_volume"](device) if volume else None
        if volume and words[3] != "/":
            volume, device = volume + words[3], device.rstrip("/") + words[3]
        options = words[5].split(",")
        yield {
            "number": words[0], "device_number": words[2], "path": words[4], "options": options,
            "fstype": fstype, "device": device, "super_options": more, "user": user, "volume": volume,
            "read_only": "ro" in (*options, *more),
        }  # fmt: skip


def _char(code):
    return bytes([int(code[1], 8)])


def _gluster_mounts():
    """
    The Gluster mounts in all mount namespaces of this node, those of this process first; ``process`` is one that has
    the mount in its table.
    """
    ours, foreign = _processes()
    devices, left = set(), MOST_FOREIGN
    for process, is_ours in [("self", True), *((each, True) for each in ours), *((each, False) for each in foreign)]:
        try:
            text = _text(process, -1 if is_ours else left)
        except OSError:  # it has ended
            continue
        left -= 0 if is_ours else len(text)
        for mount in _parsed(text, b" - fuse.glusterfs "):
            # Whoever makes a user namespace can have FUSE mounts there that look as if they were root's. A copy of a
            # mount of root's has its file system: set-user-ID root does not work there, but devices do.
            if mount["volume"] and (is_ours or mount["device_number"] in devices):
                devices.add(mount["device_number"])
                yield {**mount, "process": process}


def _processes():
    """
    One process of each other mount namespace: those that belong to this user namespace, so that root made them, and the
    others.
    """
    own, found = os.readlink(f"{PROC}/self/ns/mnt"), {}
    for process in filter(str.isdigit, os.listdir(PROC)):
        with contextlib.suppress(OSError):  # it has ended
            namespace = os.readlink(f"{PROC}/{process}/ns/mnt")
            if namespace == own:
                continue
            # The table of one in a chroot has nothing that lies outside of it.
            chroot = os.readlink(f"{PROC}/{process}/root") != "/"
            if namespace not in found or found[namespace][0] > chroot:
                found[namespace] = (chroot, process, _is_ours(process))
    ours, foreign = ([process for _, process, is_ours in found.values() if is_ours is which] for which in (True, False))
    return ours, foreign


def _is_ours(process):
    with salt.utils.files.fopen(f"{PROC}/{process}/ns/mnt", "rb") as namespace:
        owner = fcntl.ioctl(namespace, _NS_GET_USERNS)
    try:
        return os.path.samestat(os.fstat(owner), os.stat(f"{PROC}/self/ns/user"))
    finally:
        os.close(owner)


def _unsafe(volume):
    name = volume.partition("/")[0]
    found = (mount for mount in _gluster_mounts() if mount["volume"].partition("/")[0] == name)
    unsafe = (mount for mount in found if __salt__["gluster_fstab.flags_missing"](mount["options"]))
    return list(itertools.islice(unsafe, MOST_UNSAFE))


def mounts_without_flags(volume):
    """
    The mounts of a volume on which set-user-ID programs or devices work, those in other mount namespaces included: a VM
    that was started before the flags were set has such a mount of its own.

    volume
        The volume (string); a mount of one of its sub-directories counts, too.

    Returns a dict by mount, sorted: None, or the process in whose mount namespace it is::

        {"/var/lib/gluster_one/one_vol": None, "/var/lib/gluster_one/one_vol of one-7 (4711)": "one-7 (4711)"}

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.mounts_without_flags one_vol
    """
    found = {}
    for mount in _unsafe(volume):
        process = _name(mount)
        found[f"{mount['path']} of {process}" if process else mount["path"]] = process
    return dict(sorted(found.items()))


def _name(mount):
    return None if mount["process"] == "self" else __utils__["gluster_process.process_name"](int(mount["process"]))


def set_flags(volume):
    """
    Set ``nosuid`` and ``nodev`` on all mounts of a volume, while they are used: the client notices nothing, and open
    files stay open.

    volume
        See :func:`mounts_without_flags`.

    Returns a list of errors in other mount namespaces (strings).

    Raises CommandExecutionError when a mount in this one cannot be given them.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.set_flags one_vol
    """
    own, refused, deadline = [], [], time.monotonic() + MOST_SECONDS
    for mount in _unsafe(volume):
        process = _name(mount)
        kept = sum(flag for option, flag in _KEPT.items() if option in mount["options"])
        try:
            if time.monotonic() > deadline:
                raise CommandExecutionError(f"not all mounts of {volume} were reached within {MOST_SECONDS} s")
            _act(str(_REMOUNT_BIND | _NOSUID_NODEV | kept), mount)
        except CommandExecutionError as exc:
            # One that cannot be reached, because somebody has mounted something over it, is no reason to leave others.
            where = f", in the mount namespace of {process}: migrate that VM, or restart the process" if process else ""
            (refused if process else own).append(f"{exc}{where}")
            if time.monotonic() > deadline:
                break
    if own:
        raise CommandExecutionError("; ".join([*own, *refused][:MOST_NAMED]))
    return refused


def _theirs(mounted):
    """
    Of the mounts on a directory those of users other than root that cover all of root's, the topmost one first.
    """
    return list(itertools.takewhile(lambda mount: mount["user"] not in (None, "0"), reversed(mounted)))


def beneath(path):
    """
    What is mounted on a directory, except mounts of users other than root that cover it.

    path
        The directory (string).

    Returns what :func:`mount_health` does, as far as the kernel's table has it: ``state`` is ``absent`` or ``alive``;
    and ``read_only``.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.beneath /var/lib/gluster_one/one_vol
    """
    mounted = [mount for mount in mount_table() if mount["path"] == path]
    ours = mounted[: len(mounted) - len(_theirs(mounted))]
    if not ours:
        return {"state": "absent", "device": None, "fstype": None, "volume": None, "read_only": False}
    return {"state": "alive", **_shown(ours[-1])}


def cover(path):
    """
    What a user other than root has mounted over a directory. The root of a volume belongs to oneadmin, and by
    fusermount everybody may mount over a directory that is theirs.

    path
        The directory (string).

    Returns None if nothing, else what and by whom (string), such as ``theirs (fuse), mounted by oneadmin``.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.cover /var/lib/gluster_one/one_vol
    """
    theirs = _theirs([mount for mount in mount_table() if mount["path"] == path])
    if not theirs:
        return None
    mount = theirs[0]
    user = __salt__["file.uid_to_user"](int(mount["user"]))
    return __utils__["gluster_process.visible"](f"{mount['device']} ({mount['fstype']}), mounted by {user}")


def uncover(path):
    """
    Unmount what users other than root have mounted over a directory, and nothing else.

    path
        The directory (string).

    Returns True.

    Raises CommandExecutionError when somebody mounts it again each time.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.uncover /var/lib/gluster_one/one_vol
    """
    for _ in range(MOST_COVERS):
        theirs = _theirs([mount for mount in mount_table() if mount["path"] == path])
        if not theirs:
            return True
        with contextlib.suppress(CommandExecutionError):  # another one lies over it by now, or it is gone
            _act("detach", {**theirs[0], "process": "self"})
    if not cover(path):
        return True
    raise CommandExecutionError(
        f"{__utils__['gluster_process.visible'](path)} is covered again each time: {cover(path)}; end what does that"
    )


def detach(path):
    """
    Unmount a volume below directories of somebody else. What is open there stays usable.

    path
        The directory on which a Gluster volume is mounted (string). What its owner has mounted over it goes, too.

    Returns True.

    Raises CommandExecutionError when it cannot be unmounted.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.detach /var/lib/one/gluster/one_vol
    """
    uncover(path)
    for mount in reversed(mount_table()):
        if mount["volume"] and mount["path"] == path:
            _act("detach", {**mount, "process": "self"})
            break
    return True


def _act(action, mount):
    about = [mount[key] for key in ("path", "number", "process")]
    status, _, error = __utils__["gluster_process.run"](
        [sys.executable, "-I", "-S", "-c", ACT, action, *about], timeout=10
    )
    if status != 0:
        what = "taken away" if action == "detach" else "made nosuid,nodev"
        path = __utils__["gluster_process.visible"](mount["path"])
        raise CommandExecutionError(f"the mount on {path} cannot be {what}: {error}")


def place(path, volume, user=None):
    """
    The directory on which a volume is mounted.

    path
        Where it is wanted (string), or None.

    volume
        The volume (string).

    user
        Whose home directory, where it is not there yet, counts as somebody else's (string, default none).

    Returns ``path`` where all directories above it are root's alone, else ``/var/lib/gluster_one/VOLUME`` (string).

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.place /var/lib/one/datastores/0 one_vol
    """
    if path and not foreign_parent(path, user):
        return path
    return os.path.join(PLACES, volume.replace("/", "."))  # no volume has a dot in its name


def is_default_place(path):
    """
    Whether a directory is where volumes are mounted that the pillar has no other place for.

    path
        The directory (string).

    Returns True or False.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.is_default_place /var/lib/gluster_one/one_vol
    """
    return path.startswith(f"{PLACES}/")


def foreign_parent(path, user=None):
    """
    The first directory above a path in which others than root may create or replace files. One that a process
    answers for (FUSE) counts, and is not looked at. Of one behind an automounter it is that which is mounted there that
    counts; one that does not answer within 3 s is as if it were somebody else's.

    path
        The path (string); it need not be there.

    user
        See :func:`place`.

    Returns the directory, with links followed (string), None where all are root's alone.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.foreign_parent /var/lib/one/datastores/0 oneadmin
    """
    directory, names, served = "/", _names(path)[:-1], _served()
    for _ in range(100):
        seen = None if directory in served else os.lstat(directory)
        owner, mode = (seen.st_uid, seen.st_mode) if seen else _automounted(directory)
        # Rights that an access control list gives show in the group's bits.
        if owner != 0 or mode & (stat.S_IWGRP | stat.S_IWOTH) or not stat.S_ISDIR(mode):
            return directory
        if not names:
            return _home_above(path, user)
        below = os.path.join(directory, names.pop(0))
        try:
            names[:0] = _names(os.path.join(directory, os.readlink(below)))
            directory = "/"
        except FileNotFoundError:
            return _home_above(path, user)
        except OSError:  # no link
            directory = below
    return directory  # links in a circle


def _automounted(directory):
    """
    Owner and mode of what an automounter has mounted on a directory, None and 0 where a process still answers for it.
    Another process has it mounted, and is waited for no longer than any.
    """

    def kind():
        return [mount["fstype"] for mount in mount_table() if mount["path"] == directory][-1:]

    if kind() and not kind()[0].startswith("fuse"):
        status, out, _ = __utils__["gluster_process.run"](["stat", "-c", "%u %f", f"{directory}/."])
        if status == 0 and kind() and not kind()[0].startswith(("fuse", "autofs")):
            owner, mode = out.split()
            return int(owner), int(mode, 16)
    return None, 0


def _served():
    """
    The directories on which file systems are mounted that a process serves, so that reading them may hang.
    """
    mounts = mount_table()
    return {mount["path"] for mount in mounts if mount["fstype"].startswith(("fuse", "autofs"))} - {"/"}


def may_hang(path):
    """
    Whether a process serves a path, so that reading it may hang: it is on FUSE, or an automounter's.

    path
        The path (string), in which no link is followed.

    Returns True or False.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.may_hang /var/lib/gluster_one/one_vol
    """
    return any(path == served or path.startswith(f"{served}/") for served in _served())


def _names(path):
    return [name for name in os.path.normpath(path).split("/") if name]


def _home_above(path, user):
    """
    A user's home directory, which does not exist yet and will be the user's, if a path is in it.
    """
    try:
        home = os.path.normpath(pwd.getpwnam(str(user or "")).pw_dir)
    except KeyError:
        return None
    return home if os.path.normpath(path).startswith(f"{home}/") and not os.path.exists(home) else None
