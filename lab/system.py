"""What the lab needs of the machine: commands, mounts, cgroups and a lock. No knowledge of hosts or Salt."""

import contextlib
import fcntl
import os
import re
import stat
import subprocess
import time
from pathlib import Path


class LabError(Exception):
    """Something that the user has to know, said in one line."""


def run(*argv, input=None, timeout=60, check=True):
    """Run a command of the machine, return what it printed; LabError with its own last words if it failed."""
    argv = [str(arg) for arg in argv]
    try:
        done = subprocess.run(argv, input=input, capture_output=True, text=True, timeout=timeout)
    except FileNotFoundError:
        raise LabError(f"{argv[0]} is not installed: run `make setup`") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"`{' '.join(argv)}` did not end within {timeout} s") from None
    if check and done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}").splitlines()[-1]
        raise LabError(f"`{' '.join(argv)}`: {said}")
    return done.stdout


def wait_for(what, probe, timeout, every=0.2):
    """Call probe until it returns something true, return that; LabError naming `what` after timeout seconds."""
    end = time.monotonic() + timeout
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() > end:
            raise LabError(f"{what}: not within {timeout:.0f} s")
        time.sleep(every)


def mounts_under(path):
    """Mount points at or below path, the last mounted first."""
    path = str(path)
    points = []
    with open("/proc/self/mountinfo") as mountinfo:
        for line in mountinfo:
            # Blanks and the like are octal escapes in this file.
            point = re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), line.split(" ")[4])
            if point == path or point.startswith(path + "/"):
                points.append(point)
    return points[::-1]


def unmount_all(path):
    """Unmount everything at and below path. A busy mount is detached: it ends with its last user."""
    for point in mounts_under(path):
        if subprocess.run(["umount", point], capture_output=True).returncode:
            run("umount", "--lazy", point)


def attach_disk(image):
    """A block device whose content is a file; returns its name."""
    name = run("losetup", "--find").strip()
    if not os.path.exists(name):  # where nobody makes nodes for new devices
        os.mknod(name, stat.S_IFBLK | 0o600, os.makedev(7, int(name.removeprefix("/dev/loop"))))
    run("losetup", name, image)
    return name


def detach_disks(path):
    """Detach every block device whose content is a file below path."""
    for found in Path("/sys/block").glob("loop*/loop/backing_file"):
        with contextlib.suppress(OSError):
            if Path(found.read_text().strip().removesuffix(" (deleted)")).is_relative_to(path):
                run("losetup", "--detach", f"/dev/{found.parts[3]}")


def memory_available():
    """Bytes that a new process can have without swapping."""
    with open("/proc/meminfo") as meminfo:
        for line in meminfo:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 0


class Lock:
    """One command at a time, as a context manager; the file goes when its last user asks for that."""

    def __init__(self, path, waiting):
        self.path, self.waiting, self.fd = path, waiting, None

    def __enter__(self):
        directory = Path(self.path).parent
        directory.mkdir(mode=0o700, exist_ok=True)
        there = directory.lstat()
        if not stat.S_ISDIR(there.st_mode) or there.st_uid != os.geteuid() or there.st_mode & 0o022:
            raise LabError(f"{directory} is not a directory that root alone can write: remove it")
        while True:
            # Where others may write, a link would make a file of root's elsewhere, and a FIFO would hold us.
            self.fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
            try:
                fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.waiting()
                fcntl.flock(self.fd, fcntl.LOCK_EX)
            # While we waited, the holder may have removed the file: then this lock is one of nothing.
            try:
                if os.path.samestat(os.fstat(self.fd), os.stat(self.path)):
                    return self
            except FileNotFoundError:
                pass
            os.close(self.fd)

    def remove(self):
        """To be called by the holder: the file is gone, the next one makes a new one."""
        Path(self.path).unlink(missing_ok=True)

    def __exit__(self, *exception):
        os.close(self.fd)


class Cgroups:
    """The lab's cgroups, one for each host, in each hierarchy that the systemd of a host works with.

    Everything that the lab starts lives in one of them: this is how it is found, and ended, without ever looking for
    a process by its name. The hierarchies are mounted by the lab for itself, so that it does not matter how (or
    whether) the machine mounts them.
    """

    # A machine with version 2 alone does not mount one of version 1; a host's systemd works without it then.
    UNIFIED_ONLY = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    HIERARCHIES = {
        **({} if UNIFIED_ONLY else {"systemd": ["-t", "cgroup", "-o", "none,name=systemd"]}),
        "unified": ["-t", "cgroup2"],
    }

    def __init__(self, mounts, name):
        self.mounts, self.name = Path(mounts), name

    def mount(self):
        """Mount the hierarchies, if they are not, and make the lab's own cgroup."""
        mounted = mounts_under(self.mounts)
        for hierarchy, options in self.HIERARCHIES.items():
            point = self.mounts / hierarchy
            point.mkdir(parents=True, exist_ok=True)
            if str(point) not in mounted:
                run("mount", *options, "cgroup", point)
            (point / self.name).mkdir(exist_ok=True)

    def paths(self, group=""):
        """The directories of one group (of the whole lab without a name)."""
        return [self.mounts / hierarchy / self.name / group for hierarchy in self.HIERARCHIES]

    def enter(self, group, *argv):
        """A command that runs argv inside the group."""
        for path in self.paths(group):
            path.mkdir(parents=True, exist_ok=True)
        into = "; ".join(f'echo $$ >"{path}/cgroup.procs"' for path in self.paths(group))
        return ["/bin/sh", "-ec", f'{into}; exec "$@"', "sh", *(str(arg) for arg in argv)]

    def pids(self, group=""):
        """Processes in the group and below it."""
        found = []
        for procs in self.paths(group)[-1].glob("**/cgroup.procs"):
            try:
                found += [int(pid) for pid in procs.read_text().split()]
            except OSError:  # the group went away while we looked
                pass
        return found

    def kill(self, group="", timeout=30):
        """End every process of the group at once, wait until they are gone, and remove the group."""

        def gone():
            try:
                for cgroup_kill in self.paths(group)[-1].glob("cgroup.kill"):
                    cgroup_kill.write_text("1")
                for top in self.paths(group):
                    for directory, _, _ in os.walk(top, topdown=False):
                        os.rmdir(directory)
            except OSError:  # not dead yet, or a child of a killed command that came only now
                return False
            return True

        wait_for(f"the end of {group or self.name}", gone, timeout, every=0.02)

    def wait_for_the_dead(self, timeout=3):
        """The dead stay in the process list until the machine's first process takes note, which some do at leisure."""
        end = time.monotonic() + timeout
        while time.monotonic() < end and self._has_dead():
            time.sleep(0.05)

    def _has_dead(self):
        """Whether the process list still shows a process of the lab."""
        path = f"/{self.name}/"
        for groups in Path("/proc").glob("[0-9]*/cgroup"):
            with contextlib.suppress(OSError):
                if path in re.sub(r"( \(deleted\))?\n", "/", groups.read_text()):
                    return True
        return False
