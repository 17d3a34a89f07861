"""The lab as a whole: class Lab, for lab/lab and for tests."""

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import build, enter, files, tree
from lab.stamp import stamp
from lab.system import Cgroups, LabError, Lock, attach_disk

CHECKOUT = Path(__file__).resolve().parent.parent
ALL_STATES = Path("/var/lib/gluster_one-lab")
LOCKS = Path("/run/gluster_one-lab")  # of root alone


def default_name():
    """A name of its own for the lab of each checkout."""
    digest = hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:6]
    return re.sub(r"[^a-z0-9]+", "-", CHECKOUT.name.lower())[:20].strip("-") + f"-{digest}"


def by_number(name):
    """Sort key: head, kvm1, kvm2, ... kvm10."""
    return int(name.removeprefix("kvm")) if name != "head" else 0


def labs_of_checkout(checkout=CHECKOUT):
    """Names of all labs that were started from a checkout, by default this one; with None, from one that is gone."""
    names = []
    for path in ALL_STATES.glob("*/checkout"):
        found = Path(path.read_text())
        if found == checkout or (checkout is None and found.is_absolute() and not found.exists()):
            names.append(path.parent.name)
    return sorted(names)


def remove_abandoned(say):
    """Take away each lab whose checkout is gone, and so everybody who could."""
    for name in labs_of_checkout(None):
        say(f"taking away the lab {name}, whose checkout is gone")
        Lab(name, quiet=True).down()


class Lab:
    """One fleet. A lab is its name: any number of Lab objects, in any process, can speak of the same one."""

    def __init__(self, name=None, quiet=False):
        self.name = name or os.environ.get("LAB_NAME") or default_name()
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,29}", self.name):
            raise LabError(f"{self.name!r} is no name for a lab: 1 to 30 of a-z, 0-9 and -")
        self.quiet = quiet
        self.checkout = CHECKOUT
        self.state = ALL_STATES / self.name
        self.pillar_dir = self.state / "pillar"
        self.sls_dir = self.state / "salt"
        self.log_dir = self.state / "log"
        self.master_dir = self.state / "master"
        self.cgroups = Cgroups(self.state / "cgroup", f"gluster_one-{self.name}")
        self.giving_up = threading.Event()
        self._began = time.monotonic()

    # What is there

    @property
    def is_up(self):
        """Whether an `up` has come to its end and no `down` has begun since."""
        return (self.state / "up").exists()

    @property
    def shape(self):
        """What kind of lab came up: alone (one host that is everything), pool and volume (whether it has them), bare
        (hosts without Gluster and pyone), bricks a host, releases ({host: release} of the hosts that have another root
        than the machine's), minion_venv (the virtual environment of the minions' Salt, which may be another than the
        master's)."""
        return json.loads((self.state / "shape").read_text())

    @property
    def servers(self):
        """Names of the Gluster servers."""
        return ["head"] if self.shape["alone"] else ["kvm1", "kvm2", "kvm3"]

    @property
    def hosts(self):
        """Names of the hosts: head, kvm1, kvm2, ..."""
        return sorted((path.name for path in self.state.glob("hosts/*")), key=by_number)

    @property
    def venv(self):
        """The virtual environment of the lab's Salt: once it is up the one it came up with, before that the one that
        runs this, and .venv where that is the system's Python."""
        recorded = self.state / "venv"
        if recorded.exists():
            venv = Path(recorded.read_text())
        else:
            venv = Path(sys.prefix if sys.prefix != sys.base_prefix else self.checkout / ".venv").resolve()
        if not (venv / "bin/salt-minion").exists():
            raise LabError(f"no Salt in {venv}: run `make setup`")
        return venv

    def venv_in(self, host):
        """The virtual environment of a host's Salt, as the host sees it."""
        return tree.VENV if host in self.shape["releases"] else Path(self.shape["minion_venv"])

    def root(self, host):
        """The root directory of a host as the machine sees it: readable and writable also while the host is down."""
        return self.state / "hosts" / host / "root"

    def pid(self, host):
        """The machine's id of the host's first process, None if the host is down."""
        try:
            pid = int((self.state / "hosts" / host / "pid").read_text())
            groups = Path(f"/proc/{pid}/cgroup").read_text()
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return None
        if state in "ZX":  # dead, and nobody has taken note of it yet
            return None
        return pid if f"/{self.cgroups.name}/{host}/" in groups.replace("\n", "/\n") else None

    # Up and down

    def up(
        self,
        hosts=3,
        opennebula=None,
        auth=None,
        alone=False,
        volume=True,
        bricks=1,
        release=None,
        minion_salt=None,
        pool=True,
        bare=False,
    ):
        """Start the lab, or what of it is down. Returns False if there was nothing to do.

        Its kind (alone, volume, bricks, pool, bare, minion_salt) is that of the command that made it, whatever is
        started again later. release is a list of `RELEASE`, for all new hosts, and `HOST=RELEASE`; by default what is
        in LAB_RELEASE, if anything. minion_salt is a version that `make setup SALT=...` has been run for; by default
        what is in LAB_MINION_SALT, or the master's.
        """
        pool = pool and not bare
        shape = {"alone": alone, "volume": volume and pool, "bricks": bricks, "pool": pool, "bare": bare}
        hosts = 0 if alone else hosts
        build.check(self, hosts, opennebula, auth, shape)
        shape["minion_venv"] = str(tree.venv_of(minion_salt or os.environ.get("LAB_MINION_SALT")) or self.venv)
        names = ["head", *(f"kvm{number}" for number in range(1, hosts + 1))]
        if release is None:  # LAB_RELEASE is for labs of all sizes
            words = os.environ.get("LAB_RELEASE", "").split()
            release = [word for word in words if "=" not in word or word.partition("=")[0] in names]
        if bare:  # the machine itself has Gluster
            release = [tree.RELEASE, *release]
        releases = shape["releases"] = tree.releases(release, names)
        self.giving_up.clear()
        remove_abandoned(self.say)
        with self._lock():
            if self.is_up:
                if alone != self.shape["alone"]:
                    raise LabError("--alone is for a new lab: run `lab/lab down` first")
                if bare and not self.shape["bare"]:
                    raise LabError("--bare is for a new lab: run `lab/lab down` first")
                there = self.shape["releases"]
                if any(releases.get(name, there.get(name)) != there.get(name) for name in self.hosts):
                    raise LabError(
                        "--release is for new hosts: run `lab/lab down` first, or name those in HOST=RELEASE"
                    )
                shape = {**self.shape, "releases": {**releases, **there}}
                groups = ["master", "relay"] if (self.state / "opennebula").exists() else ["master"]
                alive = all(map(self.pid, self.hosts)) and all(map(self.cgroups.pids, groups))
                if alive and set(names) <= set(self.hosts):
                    return False
                if opennebula and not (self.state / "opennebula").exists():
                    raise LabError("--opennebula is for a new lab: run `lab/lab down` first")
            elif build.anything_left(self):
                self.say("taking away what a killed command left")
                build.tear_down(self)
            new = {name: shape["releases"].get(name) for name in names if name not in self.hosts}
            minions = Path(shape["minion_venv"])
            trees = {release: tree.ready(release, minions, self.say, shape["bare"]) for release in set(new.values())}
            build.make_state(self, shape)
            names = sorted({*names, *self.hosts}, key=by_number)
            build.start_network(self)
            build.start_master(self)
            build.start_relay(self, opennebula)
            with ThreadPoolExecutor(4) as pool:
                make = lambda name: build.make_host(self, name, names, auth, bool(opennebula), trees.get(new.get(name)))  # noqa: E731
                list(pool.map(make, names))
            self.say(f"{len(names)} hosts boot: {names[0]} to {names[-1]}")
            with ThreadPoolExecutor(len(names) + 1) as pool:
                try:
                    volume = pool.submit(build.make_volume, self)
                    list(pool.map(lambda name: build.start_host(self, name), names))
                    self.say("systemd is up on all of them")
                    volume.result()
                    there = f"the volume {build.VOLUME} is started" if self.shape["volume"] else "the pool is there"
                    if not self.shape["pool"]:
                        there = "there is no Gluster" if self.shape["bare"] else "glusterd runs on its servers"
                    self.say(there)
                except BaseException:
                    self.giving_up.set()
                    raise
            self.wait_for_minions(names)
            self.say("all minions answer")
            (self.state / "up").touch()
            return True

    def down(self):
        """End the lab and everything it started. Returns False if there was none."""
        if os.geteuid():
            raise LabError("the lab needs root")
        with self._lock() as lock:
            there = build.anything_left(self)
            build.tear_down(self)
            lock.remove()
            return there

    def reboot(self, *names, release=None):
        """End hosts as a power cut does and start them again; returns when they and their minions are back.

        With a release they come back with that one, as after an upgrade of all their packages.
        """
        for name in names:
            self.way_in(name)
        self.start_again(*names, release=release)

    def start_again(self, *names, release=None):
        """The same of hosts that may be down already."""
        if release:
            tree.releases([f"{name}={release}" for name in names], self.hosts)
            if not set(names) <= set(self.shape["releases"]):
                raise LabError("reboot --release is for hosts that `lab/lab up --release` has made")
        with self._lock():
            base = release and tree.ready(release, Path(self.shape["minion_venv"]), self.say, self.shape["bare"])
            for name in names:
                self.power_off(name)
                if release:
                    build.exchange_base(self, name, release, base)
            self.say(f"{', '.join(names)} without power, and on again")
            with ThreadPoolExecutor(len(names)) as pool:
                list(pool.map(lambda name: build.start_host(self, name), names))
            self.wait_for_minions(names)
            self.say(f"{', '.join(names)} answers")

    def add_disk(self, name, megabytes=400):
        """A new empty disk for a running host, until its reboot; returns the name of its device. `down` ends it."""
        home = self.state / "hosts" / name
        image = home / f"disk{len(list(home.glob('disk*')))}"
        with self.machine_lock():
            with image.open("wb") as stream:
                stream.truncate(megabytes * 2**20)
            device = attach_disk(image)
        self.exec(name, "mknod", "-m", "660", device, "b", "7", device.removeprefix("/dev/loop"), check=True)
        return device

    def power_off(self, name):
        """End a host as a power cut does; `up` starts it again."""
        (self.state / "hosts" / name / "pid").unlink(missing_ok=True)
        self.cgroups.kill(name)

    # Commands in hosts

    def way_in(self, host):
        """First process and cgroups of a host, as arguments for enter.py."""
        pid = self.pid(host)
        if pid is None:
            raise LabError(f"{host} is down" if host in self.hosts else f"lab {self.name} has no host {host}")
        return [str(pid), *(str(path) for path in self.cgroups.paths(f"{host}/exec"))]

    def exec(self, host, *command, user=None, input=None, check=False, timeout=120):
        """Run a command in a host, as root or another user; returns subprocess.CompletedProcess with text.

        With check=True a failure is a LabError with the command's own last words.
        """
        if user:
            command = ("runuser", "-u", user, "--", *command)
        command = [str(arg) for arg in command]
        standard_input = {"input": input} if input is not None else {"stdin": subprocess.DEVNULL}
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-S", enter.__file__, *self.way_in(host), "--", *command],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout,
                **standard_input,
            )
        except subprocess.TimeoutExpired:
            raise LabError(f"{host}: `{' '.join(command)}` did not end within {timeout} s") from None
        if check and done.returncode:
            said = (done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}").splitlines()[-1]
            raise LabError(f"{host}: `{' '.join(command)}`: {said}")
        return done

    # Salt

    def salt_command(self, program, *args):
        """The command line of one of the master's programs (salt, salt-run, salt-key, ...)."""
        if not self.cgroups.pids("master"):
            raise LabError(f"lab {self.name} is not up")
        stamp()  # what was edited takes effect at the next call
        command = [f"{self.venv}/bin/{program}", "-c", self.master_dir, *args]
        return self.cgroups.enter("cli", *build.in_network(self, "lab", *command))

    def salt(self, *args, program="salt", timeout=600):
        """Run the `salt` command; returns subprocess.CompletedProcess with text."""
        command = self.salt_command(program, *args)
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)

    def python(self, script, *args, input=None, timeout=900):
        """Run Python beside the master, with Salt to import; returns subprocess.CompletedProcess with text."""
        command = build.in_network(self, "lab", f"{self.venv}/bin/python", "-c", script, *args)
        command = self.cgroups.enter("cli", *command)
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, input=input)

    def run(self, *args, timeout=600):
        """Run `salt-run`; returns subprocess.CompletedProcess with text."""
        return self.salt(*args, program="salt-run", timeout=timeout)

    def call(self, target, *args, timeout=600):
        """Run a Salt function; returns {minion: what it returned}; a minion that did not answer is not in it."""
        done = self.salt("--static", "--out=json", "--no-color", target, *args, timeout=timeout)
        try:
            return json.loads(done.stdout[done.stdout.index("{") :])
        except ValueError:
            said = (done.stderr + done.stdout).strip()
        if "No minions matched" in said or "No return received" in said:
            return {}
        raise LabError(f"salt {target} {' '.join(map(str, args))}: {said}")

    def restart_master(self):
        """Start the master again, for instance after a change below master_dir/master.d."""
        self.cgroups.kill("master")
        build.start_master(self)
        self.wait_for_minions(self.hosts)

    def answering(self, names, timeout=5):
        """Which of these minions answer."""
        try:
            answers = self.call(f"--timeout={timeout}", "-L", ",".join(names), "test.ping")
        except LabError:  # the master is not ready yet
            return []
        return [name for name, answer in answers.items() if answer is True]

    def wait_for_minions(self, names):
        """Return when every one of these minions answers."""
        silent = set(names)
        end = time.monotonic() + 120 + 2 * len(names)
        while silent:
            # A question to a minion that is not there yet costs many seconds; its connection shows that it is.
            if silent <= set(build.connected_to_master(self, names)):
                silent -= set(self.answering(sorted(silent)))
            if silent and time.monotonic() > end:
                raise LabError(f"no answer from the minion on {', '.join(sorted(silent, key=by_number))}")
            time.sleep(0.1)

    # For the user

    def status(self):
        """One dict for each host: host, address, release, systemd, failed (units), glusterd, minion, roles, ok."""
        up = [name for name in self.hosts if self.pid(name)]
        answering = self.answering(up) if up and self.cgroups.pids("master") else []

        def one(name):
            row = {"host": name, "address": files.address(name), "systemd": "down", "failed": [], "glusterd": "-"}
            row["release"] = self.shape["releases"].get(name, "-")
            row["minion"] = "answers" if name in answering else "silent"
            row["roles"] = "hypervisor" if name != "head" else "head hypervisor" if self.shape["alone"] else "head"
            if name in self.servers:
                row["roles"] += " server"
            if name in up:
                row["systemd"] = self.exec(name, "systemctl", "is-system-running").stdout.strip()
                units = self.exec(name, "systemctl", "--failed", "--plain", "--no-legend").stdout
                row["failed"] = [line.split()[0] for line in units.splitlines()]
                if name in self.servers:
                    row["glusterd"] = self.exec(name, "systemctl", "is-active", "glusterd").stdout.strip()
            well = row["glusterd"] in ("-", "active") or self.shape["bare"] and row["glusterd"] == "inactive"
            row["ok"] = row["systemd"] == "running" and row["minion"] == "answers" and well
            return row

        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(one, self.hosts))

    def say(self, text):
        """Progress, with the seconds since the command began."""
        if not self.quiet:
            print(f"{time.monotonic() - self._began:5.1f} s  {text}", file=sys.stderr, flush=True)

    def _lock(self):
        waiting = lambda: self.say(f"waiting for another command on lab {self.name}")  # noqa: E731
        return Lock(LOCKS / self.name, waiting)

    def machine_lock(self):
        """Held while something is changed that all labs share."""
        return Lock(LOCKS / ".machine", lambda: None)
