"""
This node's part in a GlusterFS datastore of OpenNebula
=======================================================

Read as data. Whatever might hang (a FUSE mount whose client is dead or whose brick is frozen) is looked at in a child
process with a time limit.
"""

import contextlib
import glob
import hashlib
import os
import secrets
import selectors
import signal
import socket
import subprocess
import time

import salt.utils.files
import salt.utils.path
import salt.utils.user
from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "gluster_one"

PROBE_SECONDS = 3
KILL_SECONDS = 0.5  # until a process that was killed is gone, unless it cannot be killed
MOST_OUTPUT = 1_000_000
MOST_BRICKS = 1000
PROC = "/proc"
CLIENTS = ("glusterfs", "glusterfsd")  # the former is a link to the latter


def __virtual__():
    return __virtualname__


def visible(text, longest=200):
    """
    A text that others may have written, such as a file's name, as it can be shown on a terminal: what is not printable
    is written as in Python's strings, bytes that are no UTF-8 as ``\\xff``.

    text
        The text (string).

    longest
        How many characters are shown of it (int, default 200): of a longer one the middle is left out.

    Returns a string.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.visible 'disk.0'
    """
    text = str(text)
    if len(text) > longest:
        text = f"{text[: longest // 2]}...{text[-(longest // 2) :]}"
    # Not printable are control characters, what reverses the direction of writing, and lone surrogates.
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char):
    if 0xDC80 <= ord(char) <= 0xDCFF:  # what Python makes of a byte that is no UTF-8
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode()


def child(argv, user=None, timeout=PROBE_SECONDS, stdin=None, probe=None, most=MOST_OUTPUT):
    """
    Run a command that may hang, in a session of its own. While one that could not be killed is there, the same command
    is not started again.

    argv
        The command (list of strings).

    user
        Who runs it (string). Default: root.

    timeout
        Seconds to wait (int, default 3). Then it is killed and not waited for: a process that looks at a frozen brick
        cannot be killed until the brick answers.

    stdin
        What it reads (string, default nothing).

    probe
        What the same command is known by when its words differ each time (string, default its words).

    most
        Bytes that it may write (int, default a million). It is killed when it writes more.

    Returns a list of its status, None when it did not end in time or wrote too much, its standard output and its
    standard error, the latter in one line.

    Raises CommandExecutionError when there is no such user.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.child '[stat, -f, /var/lib/gluster_one/one_vol]'
    """
    identity = {}
    if user:
        if salt.utils.user.get_uid(user) is None:
            raise CommandExecutionError(
                f"There is no user {user} on this node: install OpenNebula's packages (opennebula on the head, "
                "opennebula-node-kvm on a hypervisor) or name another user"
            )
        identity = {"user": user, "group": salt.utils.user.get_default_group(user), "extra_groups": []}
    stuck = _stuck_file(probe or [*argv, user])
    end, pid = time.monotonic() + KILL_SECONDS, _stuck(stuck)
    while pid and time.monotonic() < end:  # it was killed, and may be about to end
        time.sleep(0.02)
        pid = _stuck(stuck)
    if pid:
        return [None, "", f"no answer: a look of before hangs still (process {pid})"]
    process = subprocess.Popen(
        argv,
        stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        cwd="/",
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
        **identity,
    )
    failure, written = _talk(process, (stdin or "").encode(errors="surrogateescape"), timeout, most)
    # Also what it has started and left. It is not reaped before, so that its number is no other's.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for stream in filter(None, (process.stdin, process.stdout, process.stderr)):
        with contextlib.suppress(OSError):
            stream.close()
    try:
        process.wait(KILL_SECONDS)
    except subprocess.TimeoutExpired:
        _remember(stuck, process.pid)
    out, err = (text.decode(errors="replace") for text in written)
    return [None, "", failure] if failure else [process.returncode, out, visible(" ".join(err.split()), 1000)]


def _talk(process, left, timeout, most):
    """
    Write to a process and read from it until it has ended; not until whoever else has its pipes does. Returns what was
    wrong, or None, and what it wrote.
    """
    written = {process.stdout: bytearray(), process.stderr: bytearray()}
    failure, end = None, time.monotonic() + timeout
    with selectors.DefaultSelector() as selector:
        for stream in written:
            os.set_blocking(stream.fileno(), False)
            selector.register(stream, selectors.EVENT_READ)
        if process.stdin:
            os.set_blocking(process.stdin.fileno(), False)
            selector.register(process.stdin, selectors.EVENT_WRITE)
        pause = 0.001
        while not failure:
            try:
                ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:  # somebody else in this process has reaped it
                ended = True
            ready = selector.select(0 if ended else min(pause, max(0, end - time.monotonic())))
            pause = 0.001 if ready else min(2 * pause, 0.05)
            for stream in [key.fileobj for key, _ in ready]:
                more, left = _exchanged(stream, left)
                if more is None:
                    selector.unregister(stream)
                elif stream in written:
                    written[stream] += more
            if ended and not [key for key, _ in ready if key.fileobj in written]:
                break
            if sum(map(len, written.values())) > most:
                failure = f"more than {most} bytes of output"
            elif time.monotonic() > end:
                failure = f"no answer within {timeout} s"
    return failure, written.values()


def _exchanged(stream, left):
    """
    What was read, None at the end of a stream, and what is left to be written.
    """
    try:
        if stream.readable():
            return os.read(stream.fileno(), 65536) or None, left
        if left:
            left = left[os.write(stream.fileno(), left[:65536]) :]
        if left:
            return b"", left
    except BlockingIOError:
        return b"", left
    except OSError:
        pass
    if not stream.readable():
        with contextlib.suppress(OSError):
            stream.close()
    return None, left


def _stuck_file(words):
    """
    Where it is kept that a command hangs: jobs of the minion are processes of their own.
    """
    name = hashlib.sha256(repr(words).encode(errors="surrogateescape")).hexdigest()
    return os.path.join(__opts__["cachedir"], "gluster_one", name)


def _stuck(path):
    """
    The number of the process that hangs still, or None.
    """
    try:
        with salt.utils.files.fopen(path) as stream:
            pid, started = map(int, stream.read(100).split())
    except (OSError, ValueError):
        return None
    if _started(pid) == started:
        return pid
    with contextlib.suppress(OSError):
        os.unlink(path)
    return None


def _remember(path, pid):
    started = _started(pid)
    with contextlib.suppress(OSError):
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with salt.utils.files.fopen(path, "w") as stream:
            stream.write(f"{pid} {started}")


def _started(pid):
    """
    When a process was started, in the kernel's own measure; None when it has ended.
    """
    try:
        with salt.utils.files.fopen(f"{PROC}/{pid}/stat", errors="replace") as stream:
            words = stream.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if words[0] in "ZX" else int(words[19])


def mounts():
    """
    What is mounted. Unlike ``mount.active`` this starts no process, and it is looked at often.

    Returns a dict of dicts by directory; ``volume`` is None for a file system that root has not mounted by Gluster's
    client::

        {"/var/lib/gluster_one/one_vol": {"device": "kvm1:/one_vol", "fstype": "fuse.glusterfs", "volume": "one_vol"}}

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.mounts
    """
    return {
        mount["path"]: {key: mount[key] for key in ("device", "fstype", "volume")}
        for mount in __salt__["gluster_mount.mount_table"]()
    }


def mount_health(path):
    """
    What is mounted on a directory and whether it answers.

    path
        The directory (string).

    Returns a dict ``{"state": "alive", "device": "kvm1:/one_vol", "fstype": "fuse.glusterfs", "volume": "one_vol"}``.
    ``state`` is ``absent`` (nothing is mounted there; the others are None), ``alive``, ``dead`` (the FUSE client is
    gone: "Transport endpoint is not connected", or lives and has been refused by the bricks, after which it does not
    try again), ``offline`` (it says the same because its bricks are away, as when the volume is stopped; files that are
    open come back with them) or ``hung`` (no answer within 3 s). ``volume`` is None for a file system that is not
    Gluster's, and has the sub-directory behind it where one is mounted (``one_vol/sub``).

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.mount_health /var/lib/gluster_one/one_vol
    """
    path = os.path.normpath(path)
    mounted = mounts().get(path)
    if not mounted:
        return {"state": "absent", "device": None, "fstype": None, "volume": None}
    volume = mounted["volume"]
    # statfs is never answered from the kernel's cache, so that a client that has just died is seen to be dead.
    status, _, error = child(["stat", "-f", path])
    if status == 0 and path not in mounts():  # it ended just now: that was the bare directory
        return {"state": "absent", "device": None, "fstype": None, "volume": None}
    state = "alive" if status == 0 else "hung" if status is None else "dead"
    if state == "dead" and "not connected" not in error:
        raise CommandExecutionError(f"{path} cannot be looked at: {error}")
    if state == "dead" and volume and client(path):
        state = "dead" if _comes_back(path, mounted["device"]) is False else "offline"
        state = "alive" if child(["stat", "-f", path])[0] == 0 else state
    return {"state": state, "device": mounted["device"], "fstype": mounted["fstype"], "volume": volume}


def _comes_back(path, device):
    """
    Whether a client whose bricks do not answer may still get them back: False when the volume can be mounted anew and
    this mount does not answer for 5 s more. A client tries again every 3 s, but for one that a brick has refused.
    """
    if not __salt__["gluster_probe.mountable"](device):
        return True
    for _ in range(5):
        if child(["stat", "-f", path])[0] == 0:
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

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.client /var/lib/gluster_one/one_vol
    """
    found = []
    for directory in glob.glob(f"{PROC}/[0-9]*"):
        with contextlib.suppress(OSError):
            with salt.utils.files.fopen(f"{directory}/cmdline", errors="replace") as stream:
                words = stream.read().split("\0")[:-1]
            if words and os.path.basename(words[0]) in CLIENTS and words[-1] == path and _is_client(directory):
                found.append((_started(os.path.basename(directory)) or 0, words))
    return max(found)[1] if found else []


def _is_client(directory):
    """
    Whether a process runs Gluster's own program, and all its identities are root: a program with the setuid bit takes
    its name and arguments from whoever starts it.
    """
    program = os.path.basename(os.readlink(f"{directory}/exe")).removesuffix(" (deleted)")
    with salt.utils.files.fopen(f"{directory}/status", errors="replace") as stream:
        users = next(line.split()[1:] for line in stream if line.startswith("Uid:"))
    return program in CLIENTS and set(users) == {"0"}


def bricks_unconnected(path):
    """
    To which bricks the FUSE client of a mounted volume is not connected, by its own word.

    path
        The directory on which the volume is mounted (string).

    Returns a list of bricks such as ``kvm3:/data/one_vol``, None when it does not answer within 3 s.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.bricks_unconnected /var/lib/gluster_one/one_vol
    """
    # What the client shows of itself in the directory .meta of every mount. The numbers that it gives bricks are not
    # those of `gluster volume info`, once a brick was removed and another one added. Nowhere but on a FUSE mount:
    # the way to it may be oneadmin's.
    look = """cd -P "$1" && [ "$(stat -f -c %T .)" = fuseblk ] && cd .meta/graphs/active || exit
    for each in $(grep -ls "^connected = 0" *-client-*/private); do
        cd ${each%/private}/options && echo "$(cat remote-host):$(cat remote-subvolume)" && cd ../.. || exit
    done"""
    status, out, _ = child(["sh", "-c", look, "sh", path])
    return [visible(brick) for brick in out.splitlines()[:MOST_BRICKS]] if status == 0 else None


def apart():
    """
    To which bricks this node's mounts of Gluster volumes are not connected, by the clients' own word: a brick takes a
    while to notice that a client is gone.

    Returns a dict by volume of lists of bricks, empty where all are connected; None where one of its mounts does not
    answer::

        {"one_vol": ["kvm3:/data/one_vol"]}

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.apart
    """
    found = {}
    for path, mounted in mounts().items():
        if mounted["volume"]:
            found.setdefault(mounted["volume"].partition("/")[0], []).append(bricks_unconnected(path))
    return {volume: None if None in each else sorted(set().union(*each)) for volume, each in found.items()}


def space(path):
    """
    The size of a mounted volume and how much of it is free.

    path
        The directory on which it is mounted (string).

    Returns a dict ``{"total_mb": 258020, "free_percent": 61}``, None when it does not answer within 3 s.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.space /var/lib/gluster_one/one_vol
    """
    status, out, _ = child(["stat", "-f", "-c", "%b %a %S", path])
    if status != 0:
        return None
    blocks, free, size = map(int, out.split())
    return {"total_mb": blocks * size // 2**20, "free_percent": round(100 * free / blocks) if blocks else 0}


def writable(path, user="oneadmin"):
    """
    Whether a user can write in a directory, found out by writing a file there as that user and removing it.

    path
        The directory (string).

    user
        The user's name (string, default ``oneadmin``).

    Returns None if so, else what stood in the way (string).

    Raises CommandExecutionError when there is no such user.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.writable /var/lib/gluster_one/one_vol
    """
    # Another name each time: a file that only one brick took, while the root's owner was being changed on them, is not
    # writable until it is healed (measured with Gluster 10.3). What such tries have left goes with the next that works.
    script = ': >"$1.$2" && rm -f "$1.$2" && { rm -f "$1".* 2>/dev/null || :; }'
    probe = os.path.join(path, f".gluster_one.write-test.{socket.gethostname()}")
    words = ["/bin/sh", "-c", script, "sh", probe, secrets.token_hex(4)]
    status, _, error = child(words, user=user, probe=f"writable {path} {user}")
    return None if status == 0 else error


def volume_options(uid="oneadmin", gid="oneadmin", options=None, group=None):
    """
    The options of a volume that OpenNebula's machines are to open.

    uid, gid
        The owner of its root: a number, or the name of a user and a group of this node (default ``oneadmin``).

    options
        Further options, and others of these (dict, default none).

    group
        An option group, such as ``virt``, over whose options all of these are laid (string, default none).

    Returns a dict ``{"server.allow-insecure": "on", "storage.owner-uid": "9869", "storage.owner-gid": "9869"}``.

    Raises SaltInvocationError for a user or group that is not there or options that are none, CommandExecutionError for
    an option group that is not on this node.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.volume_options
    """
    needed = {
        **(__salt__["gluster_options.group_options"](group) if group else {}),
        "server.allow-insecure": "on",
        "storage.owner-uid": __salt__["gluster_options.owner_id"](uid, "user"),
        "storage.owner-gid": __salt__["gluster_options.owner_id"](gid, "group"),
    }
    if "group" in (options or ()):  # Gluster takes it for an option, and sets those of the group
        raise SaltInvocationError("options has 'group': it is an argument of its own")
    return __salt__["gluster_options.options_wanted"](needed, options)
