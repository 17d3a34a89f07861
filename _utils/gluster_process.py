"""
Commands that may hang, processes of others, and text of others for the terminal
================================================================================
"""

import contextlib
import hashlib
import itertools
import os
import pwd
import re
import selectors
import signal
import subprocess
import threading
import time

import psutil
import salt.utils.files
from salt.exceptions import CommandExecutionError

__virtualname__ = "gluster_process"

PROBE_SECONDS = 3
KILL_SECONDS = 0.5  # until a process that was killed is gone, unless it cannot be killed
MOST_OUTPUT = 1_000_000
MOST_WORDS = 131_072  # bytes of a command line; one of QEMU has 10,000 to 30,000
LOOK_SECONDS = 60  # for what all processes have open
WORDS_SECONDS = 20  # for all command lines, which take some milliseconds
HELD_SECONDS = 5  # for one process
PROC = "/proc"


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

    Example:

    .. code-block:: python

        __utils__["gluster_process.visible"]("disk.0")
    """
    text = str(text)
    if len(text) > longest:
        text = f"{text[: longest // 2]}...{text[-(longest // 2) :]}"
    # Not printable are control characters, what reverses the direction of writing, and lone surrogates.
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def is_plain(path):
    """
    Whether a path that others have chosen may stand in a command that is printed for an administrator: its characters
    mean nothing to a shell, and it is short enough that nobody leaves out a part of it.

    path
        The path (string).

    Returns a bool.

    Example:

    .. code-block:: python

        __utils__["gluster_process.is_plain"]("/var/lib/one/datastores/101")
    """
    return isinstance(path, str) and bool(re.fullmatch(r"/[\w@%+=:,./-]{0,399}", path, re.ASCII))


def _escaped(char):
    if 0xDC80 <= ord(char) <= 0xDCFF:  # what Python makes of a byte that is no UTF-8
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode()


def run(argv, user=None, timeout=PROBE_SECONDS, stdin=None, probe=None, most=MOST_OUTPUT):
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
    standard error, the latter in one line. What fails without a word on either has an error, too: how it ended.

    Raises CommandExecutionError when there is no such user.

    Example:

    .. code-block:: python

        __utils__["gluster_process.run"](["stat", "-f", "/var/lib/gluster_one/one_vol"])
    """
    stuck = _stuck_file(probe or [*argv, user])
    argv = [*_becoming(user), *argv] if user else argv
    end, pid = time.monotonic() + KILL_SECONDS, _stuck(stuck)
    while pid and time.monotonic() < end:  # it was killed, and may be about to end
        time.sleep(0.02)
        pid = _stuck(stuck)
    if pid:
        return [None, "", f"no answer: an earlier check still hangs (process {pid})"]
    process = subprocess.Popen(
        argv,
        stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        cwd="/",
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
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
    if failure:
        return [None, "", failure]
    # Callers take no error for nothing wrong, and a process that crashes says none.
    silent = process.returncode and not (out.strip() or err.strip())
    return [process.returncode, out, _ending(process.returncode) if silent else visible(" ".join(err.split()), 1000)]


def _becoming(user):
    """
    The words before a command that have a user run it, with the user's own group alone. Python itself would have to
    copy the minion's page tables to become somebody else (fork instead of vfork), which takes 5 to 10 ms.
    """
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        raise CommandExecutionError(
            f"There is no user {user} on this node: install OpenNebula's packages (opennebula on the head, "
            "opennebula-node-kvm on a hypervisor) or name another user"
        ) from None
    return ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups", "--"]


def _ending(status):
    if status > 0:
        return f"it ended with status {status}, without output"
    try:
        name = signal.Signals(-status).name
    except ValueError:  # a real-time signal
        name = f"signal {-status}"
    return f"it ended by {name}, without output: see the kernel's log (journalctl -k)"


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
    The file that records that a command hangs, since jobs of the minion are separate processes.
    """
    name = hashlib.sha256(repr(words).encode(errors="surrogateescape")).hexdigest()
    return os.path.join(__opts__["cachedir"], "gluster_one", name)


def _stuck(path):
    """
    The number of the process that still hangs, or None.
    """
    try:
        with salt.utils.files.fopen(path) as stream:
            pid, begun = map(int, stream.read(100).split())
    except (OSError, ValueError):
        return None
    if start_time(pid) == begun:
        return pid
    with contextlib.suppress(OSError):
        os.unlink(path)
    return None


def _remember(path, pid):
    begun = start_time(pid)
    with contextlib.suppress(OSError):
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with salt.utils.files.fopen(path, "w") as stream:
            stream.write(f"{pid} {begun}")


def start_time(pid):
    """
    When a process was started.

    pid
        Its number (int or string).

    Returns the ticks of the kernel's clock since the boot (int), None when it has ended.

    Example:

    .. code-block:: python

        __utils__["gluster_process.start_time"](1)
    """
    try:
        with salt.utils.files.fopen(f"{PROC}/{pid}/stat", errors="replace") as stream:
            words = stream.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if words[0] in "ZX" else int(words[19])


def words(pid):
    """
    The command line of a process. Anybody can make that of a process of theirs gigabytes long, and psutil reads it
    whole, also for a process's name; here it is cut off.

    pid
        Its number (int or string).

    Returns a list of strings, without what lies behind the first 128 KiB; empty for a thread of the kernel, and for a
    process that has ended. None where the kernel does not say it within five seconds: while a process changes what is
    mapped into its memory, others have to wait for it, and it may wait for a mount that hangs.

    Example:

    .. code-block:: python

        __utils__["gluster_process.words"](1)
    """
    return _lines([pid])[pid]


def command_lines():
    """
    The command lines of all processes.

    Returns a dict of lists of strings by number, each as :func:`words` has it; without those that are not known within
    twenty seconds for all, QEMU's being the first.

    Raises CommandExecutionError where the one of a QEMU is not known.

    Example:

    .. code-block:: python

        __utils__["gluster_process.command_lines"]()
    """
    others, machines = [], []
    for pid in _pids():
        (machines if _is_qemu(pid) else others).append(pid)
    found = _lines([*machines, *others])
    unknown = [pid for pid in machines if found[pid] is None]
    if unknown:
        raise CommandExecutionError(
            f"it is not known which VM the process {unknown[0]} is, as its command line cannot be read: end it, or "
            "have the mount answer for which it waits, and run again"
        )
    return {pid: line for pid, line in found.items() if line is not None}


def _is_qemu(pid):
    with contextlib.suppress(OSError):  # it has ended
        return os.path.basename(os.readlink(f"{PROC}/{pid}/exe")).startswith(("qemu", "kvm"))
    return False


def _lines(pids):
    found = {}

    def read(pid):
        found[pid] = _start(pid, "cmdline", MOST_WORDS).split("\0")[:-1]

    _each(pids, read, WORDS_SECONDS)
    return {pid: found.get(pid) for pid in pids}


def _pids():
    return [int(name) for name in os.listdir(PROC) if name.isdigit()]


def _each(pids, look, seconds):
    """
    Look at processes one after another, in a thread, since a look may be held up for ever: then that thread is left,
    and another goes on. Returns those that were not looked at to the end, and the one at which the time was over.
    """
    held, failed, at, left = [], [], [None], iter(list(pids))
    end = time.monotonic() + seconds

    def go_on(worker):
        try:
            for at[0] in left:
                look(at[0])
                if worker != len(held):  # it was left, and comes back
                    return
        except Exception as exc:
            failed.append(exc)

    while True:
        thread, before = threading.Thread(target=go_on, args=(len(held),), daemon=True), None
        thread.start()
        while thread.is_alive() and (before is None or before != at[0]) and time.monotonic() < end:
            before = at[0]
            thread.join(min(HELD_SECONDS, max(0, end - time.monotonic())))
        if failed:
            raise failed[0]
        if not thread.is_alive():
            return held
        held.append(at[0])
        if time.monotonic() >= end:
            return held


def comm(pid):
    """
    The name that the kernel has for a process: the first 15 characters of its program's, unless it has changed it.

    pid
        Its number (int or string).

    Returns a string, which anybody may have chosen; None when the process has ended.

    Example:

    .. code-block:: python

        __utils__["gluster_process.comm"](1)
    """
    text = _start(pid, "comm", 100)
    return text.removesuffix("\n") if text else None


def _start(pid, name, most):
    """
    How a file of a process begins; nothing where it has ended.
    """
    with contextlib.suppress(OSError), salt.utils.files.fopen(f"{PROC}/{pid}/{name}", "rb") as stream:
        return stream.read(most).decode(errors="replace")
    return ""


def vm_name(command):
    """
    The name of the VM that a process is.

    command
        Its command line (list of strings), see :func:`words`.

    Returns a string that can be shown, such as ``one-7``; None for what is not QEMU.

    Example:

    .. code-block:: python

        __utils__["gluster_process.vm_name"](["/usr/bin/qemu-system-x86_64", "-name", "guest=one-7"])
    """
    program = os.path.basename(command[0]) if command else ""
    if program.startswith(("qemu-system", "qemu-kvm", "kvm")) and "-name" in command[:-1]:
        return visible(command[command.index("-name") + 1].partition(",")[0].removeprefix("guest="))
    return None


def process_name(pid):
    """
    How a process is named to an administrator.

    pid
        Its number (int).

    Returns a string such as ``one-7 (4711)``, the name of its virtual machine where it is QEMU.

    Example:

    .. code-block:: python

        __utils__["gluster_process.process_name"](1)
    """
    name = comm(pid)
    shown = "a process that has ended" if name is None else vm_name(words(pid)) or visible(name)
    return f"{shown} ({pid})"


def users(holds):
    """
    The processes that have one of some files open, or mapped into their memory, are in one of some directories, or run
    one of some programs. Only texts of the kernel's are read. Others may run any number of processes with any number of
    files, and hold up a look at them: five seconds are spent on one, a minute on all.

    holds
        Whether a path is one of them (function of a string).

    Returns a tuple: the processes' numbers (list of ints), and that of a process for which the time was not enough,
    None if all were looked at.

    Example:

    .. code-block:: python

        __utils__["gluster_process.users"]("/dev/sdb".__eq__)
    """
    found = []

    def look(pid):
        if any(map(holds, _open(f"{PROC}/{pid}"))):
            found.append(pid)

    held = _each(_pids(), look, LOOK_SECONDS)
    return list(found), held[-1] if held else None


def _open(process):
    others = (f"{process}/{name}" for name in ("cwd", "root", "exe"))
    for link in itertools.chain(others, _entries(f"{process}/fd")):
        with contextlib.suppress(OSError):  # it has closed it since, or ended; a thread of the kernel runs nothing
            yield os.readlink(link)
    # The links in map_files say the same, and take seven times as long.
    with contextlib.suppress(OSError), salt.utils.files.fopen(f"{process}/maps", "rb") as stream:
        for line in stream:
            fields = line.rstrip(b"\n").split(None, 5)
            if len(fields) > 5:
                yield os.fsdecode(fields[5])


def _entries(directory):
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        yield from (entry.path for entry in entries)


def end(process):
    """
    End a process, and wait until it has ended.

    process
        The process (of psutil).

    Returns True.

    Raises CommandExecutionError when it has not ended ten seconds after it was killed.

    Example:

    .. code-block:: python

        __utils__["gluster_process.end"](__import__("psutil").Popen(["sleep", "60"]))
    """
    with contextlib.suppress(psutil.NoSuchProcess):
        process.terminate()
        try:
            process.wait(10)
        except psutil.TimeoutExpired:
            process.kill()
            try:
                process.wait(10)
            except psutil.Error as exc:
                raise CommandExecutionError(f"a process that was to end: {exc}; run again") from exc
    return True
