"""What tests do to the host that they run in, and how they look at it: without the code that they test."""

import contextlib
import os
import re
import signal
import stat
import subprocess
import time
from pathlib import Path

HISTORY = Path("/var/log/glusterfs/cmd_history.log")
FSTAB = Path("/etc/fstab")
VOLUME_FILE = Path("/etc/glusterfs/glusterd.vol")
CHANGING = ("set", "reset", "start", "stop", "create", "delete", "heal")


def in_lab():
    """Whether this is a host of the lab: its first process was started with that word in its environment."""
    with contextlib.suppress(OSError):
        return b"container=lab" in Path("/proc/1/environ").read_bytes().split(b"\0")
    return False


def sh(*argv, check=True, timeout=120):
    """Run a command and return what it wrote to standard output."""
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, timeout=timeout)
    assert not check or done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
    return done.stdout


def gluster(*words, check=True):
    return sh("gluster", "--mode=script", *words, check=check)


@contextlib.contextmanager
def later(seconds, script):
    """A shell script that begins some seconds from now, and is over when the block ends."""
    process = subprocess.Popen(["/bin/sh", "-ec", f"sleep {seconds}\n{script}"], stdout=subprocess.DEVNULL)
    try:
        yield
        assert process.wait(60) == 0, script
    finally:
        process.kill()
        process.wait()


def eventually(what, look, timeout=30):
    """What ``look`` returns, once that is something; a failure that says ``what`` when it takes too long."""
    end = time.monotonic() + timeout
    while not (found := look()):
        assert time.monotonic() < end, f"not within {timeout} s: {what}"
        time.sleep(0.1)
    return found


@contextlib.contextmanager
def seconds(most):
    """A block that has to end within so many seconds, three times as many on a machine that is busy."""
    begin = time.monotonic()
    yield
    assert time.monotonic() - begin < 3 * most


@contextlib.contextmanager
def hidden(*paths):
    """Files that are not there for a while. Salt finds programs outside of PATH too, so PATH alone would not do."""
    try:
        for path in paths:
            os.rename(path, f"{path}.hidden")
        yield
    finally:
        for path in paths:
            with contextlib.suppress(FileNotFoundError):
                os.rename(f"{path}.hidden", path)


def open_directory(name):
    """A directory of that name that oneadmin can look into."""
    path = Path("/run/gluster_one-functional", name)
    path.mkdir(parents=True, exist_ok=True)
    return path


# Gluster


def commands():
    """The commands that changed, or should have changed, something in Gluster, as glusterd's own journal has them."""
    found = re.findall(r"\]  : (volume (\S+) .*)", HISTORY.read_text())
    return [line.strip() for line, verb in found if verb in CHANGING and " info " not in line]


def volume_text(name=""):
    """`gluster volume info`, whole."""
    return gluster("volume", "info", *filter(None, [name]))


def set_options(name):
    """The options of a volume that somebody set, as typed."""
    lines = volume_text(name).partition("Options Reconfigured:\n")[2].splitlines()
    return dict(line.split(": ", 1) for line in lines if ": " in line)


def brick_pids(*volumes):
    """The processes of this host's bricks, by volume."""
    files = {name: list(Path("/run/gluster/vols", name).glob("*.pid")) for name in volumes}
    return {name: sorted(int(path.read_text()) for path in paths) for name, paths in files.items()}


def bricks_online(name):
    status = gluster("volume", "status", name, check=False)
    bricks = re.findall(r"^Brick .*?\s([YN])\s+\S+\s*$", status.replace("\n  ", " "), re.MULTILINE)
    return bool(bricks) and set(bricks) == {"Y"}


def heal(name):
    return gluster("volume", "heal", name, check=False)


@contextlib.contextmanager
def volume(name, start=True, copies=1, **options):
    """A volume with its bricks on this host. Options have _ for - and __ for a dot."""
    eventually("every server sees every other", pool_whole)
    gluster("volume", "create", name, *create_words(name, copies))
    try:
        words = [word for key, value in options.items() for word in (option_name(key), value)]
        if words:
            gluster("volume", "set", name, *words)
        if start:
            gluster("volume", "start", name)
        yield name
    finally:
        remove_volume(name)


def create_words(name, copies=1):
    bricks = [f"kvm1:/data/{name}/{number}" for number in range(copies)]
    Path(f"/data/{name}").mkdir(exist_ok=True)
    return [*(["replica", str(copies)] if copies > 1 else []), *bricks, "force"]


def option_name(key):
    return key.replace("__", ".").replace("_", "-")


def remove_volume(name):
    gluster("volume", "stop", name, "force", check=False)
    gluster("volume", "delete", name, check=False)
    assert name not in gluster("volume", "list").split()
    sh("rm", "-rf", f"/data/{name}")


def glusterd_pid():
    path = Path("/run/glusterd.pid")
    return int(path.read_text()) if path.exists() else 0


def pool_whole():
    """
    Whether each server says that it is connected to all others. Those that were left alone notice some seconds after
    the one that was restarted, and reject a new volume on it until then.
    """
    views = [gluster(f"--remote-host={server}", "pool", "list", check=False) for server in ("kvm1", "kvm2", "kvm3")]
    return all(view.count("Connected") == 3 for view in views)


def restart_glusterd():
    sh("systemctl", "start", "glusterd")
    eventually("every server sees every other", pool_whole)
    for name in gluster("volume", "list").split():
        if "Status: Started" in volume_text(name):
            eventually(f"the bricks of {name}", lambda name=name: bricks_online(name))
    for _, point in mounts():
        eventually(f"{point} answers", lambda point=point: answers(point))


def answers(path):
    """Whether a mount does, asked by somebody else, whom nobody misses."""
    try:
        return subprocess.run(["stat", "-f", path], capture_output=True, timeout=5).returncode == 0
    except subprocess.TimeoutExpired:
        return False


@contextlib.contextmanager
def glusterd_stopped():
    """A while without glusterd on this host; bricks end with it, as Debian's unit says."""
    sh("systemctl", "stop", "glusterd")
    try:
        yield
    finally:
        restart_glusterd()


@contextlib.contextmanager
def lock_held(name, seconds_held):
    """
    Another command holds the lock of a volume for so long: it waits for a peer that does not answer, and glusterd
    rejects every other command on the volume at once.
    """
    peer = re.search(r"^(\S+)\s+kvm2$", Path("/etc/hosts").read_text(), re.MULTILINE)[1]
    sh("ip", "route", "add", "blackhole", f"{peer}/32")
    release = subprocess.Popen(["/bin/sh", "-c", f"sleep {seconds_held}; ip route del blackhole {peer}/32"])
    command = ["gluster", "--mode=script", "volume", "status", name]
    holders = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(2)]
    try:
        # Of two commands one is rejected, because the other holds the lock.
        eventually("the lock is held", lambda: any(holder.poll() is not None for holder in holders))
        yield
    finally:
        release.wait(30)
        assert sorted(holder.wait(60) for holder in holders) == [0, 1]


# Mounts and files


def mounts():
    """What Gluster has mounted on this host: (device, directory), in the order of mounting."""
    lines = [line.split(" ") for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [(line[0], line[1]) for line in lines if line[2] == "fuse.glusterfs"]


def mounted(path):
    return str(path) in [point for _, point in mounts()]


def retry_of(path):
    """The service that mounts a directory again after a boot."""
    return sh("systemd-escape", "--path", "--template=gluster-one-mount@.service", path).strip()


def fuse_client(path):
    """The process that serves a mount: the newest with FUSE open, as that of a mount before may be ending still."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().decode().split("\0")[:-1]
            serves = words and words[0].endswith("glusterfs") and words[-1] == str(path)
            if serves and any(os.readlink(each) == "/dev/fuse" for each in (process / "fd").iterdir()):
                started = (process / "stat").read_text().rpartition(")")[2].split()[19]
                found.append((int(started), int(process.name)))
    assert found, f"no FUSE client for {path}"
    return max(found)[1]


@contextlib.contextmanager
def stopped(pid):
    """A process that does nothing for a while: a FUSE client makes its mount hang."""
    os.kill(pid, signal.SIGSTOP)

    def states():
        stats = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/stat")]
        return {stat.rpartition(")")[2].split()[0] for stat in stats}

    try:
        # Another processor may be running a thread of it for a moment, which would answer.
        eventually(f"{pid} stands still", lambda: states() == {"T"})
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def kill(pid):
    os.kill(pid, signal.SIGKILL)
    eventually(f"the end of {pid}", lambda: not Path(f"/proc/{pid}").exists())


def forget_retry(path):
    """Take away the service that mounts a directory again after a boot."""
    sh("systemctl", "disable", "--now", retry_of(path), check=False)


def let_go(path):
    """Unmount a directory, whatever state its mount is in."""
    if mounted(path):
        sh("umount", "-l", path)


@contextlib.contextmanager
def mounted_aside(name):
    """A volume mounted once more, as another node would."""
    point = open_directory("aside")
    sh("mount", "-t", "glusterfs", f"kvm1:/{name}", point)
    try:
        yield point
    finally:
        let_go(point)


def lets_in(name):
    with mounted_aside(name) as point:
        return answers(point)


def unit_of(path):
    return sh("systemd-escape", "--path", "--suffix=mount", path).strip()


def tree(*paths):
    """All that lies below some paths, with owner, mode, time and content; without looking into Gluster's mounts."""
    found = {}
    served = [point for _, point in mounts()]
    left = [str(path) for path in paths]
    while left:
        path = left.pop()
        found[path] = _entry(path) if path not in served else "a mount"
        if os.path.isdir(path) and not os.path.islink(path) and path not in served:
            left += [os.path.join(path, name) for name in os.listdir(path)]
    return found


def _entry(path):
    try:
        seen = os.lstat(path)
    except FileNotFoundError:
        return None
    content = None
    if stat.S_ISLNK(seen.st_mode):
        content = os.readlink(path)
    elif stat.S_ISREG(seen.st_mode):
        content = Path(path).read_bytes()
    return seen.st_mode, seen.st_uid, seen.st_gid, seen.st_mtime_ns, content


def outside(*paths):
    """What a state could have changed on this host."""
    return {
        "commands": commands(),
        "fstab": _entry(FSTAB),
        "glusterd": _entry(VOLUME_FILE),
        "process": glusterd_pid(),
        "mounts": mounts(),
        "files": tree(*paths),
    }


@contextlib.contextmanager
def on_signal(action):
    """A block in which SIGUSR1 does something."""
    before = signal.signal(signal.SIGUSR1, lambda *_: action())
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, before)
