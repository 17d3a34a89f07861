"""The fleet as these tests see it: what it answers to Salt, and how it looks from outside the formula."""

import contextlib
import json
import os
import re
import shlex
import stat
import subprocess
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

from lab.fleet import CHECKOUT
from lab.system import LabError, wait_for

STORES = "/var/lib/one/datastores"
MOUNT = "/var/lib/gluster_one/one_vol"
HYPERVISORS = ("kvm1", "kvm2", "kvm3")
# QEMU of Debian 14 has no gluster driver: where hosts are of it, VMs' disks are files on the mount.
NATIVE = "forky" not in os.environ.get("LAB_RELEASE", "")
# systemd 262 would kill the new minion, too, were it started before the old one has ended.
KILL_MINION = (
    "systemctl kill -s KILL salt-minion; while systemctl -q is-active salt-minion; do sleep 0.1; done; "
    "systemctl restart salt-minion"
)
# Hosts without Gluster, pool and volume, which the run is to make.
BARE = bool(os.environ.get("LAB_BARE"))
# Where the formula may change anything on a host's own disk.
TOUCHED = ("etc/fstab", "etc/glusterfs", "etc/systemd/system", "var/lib/one/datastores", "var/lib/gluster_one", "srv")


def standard():
    """The pillar of everyone as pillar.example has it, without beacons, which would repair what tests break."""
    pillar = yaml.safe_load((CHECKOUT / "pillar.example").read_text())
    pillar["gluster_one"]["beacon"] = False
    if not NATIVE:
        pillar["gluster_one"]["volumes"]["one_vol"]["access"] = "fuse"
    if BARE:
        pillar["gluster_one"]["volumes"]["one_vol"]["create"] = {"replica": 3, "bricks": "/data/one_vol"}
    return pillar


def disk_path(image, server="kvm1"):
    """A file of one_vol as QEMU opens it for a VM's disk."""
    return f"gluster://{server}:24007/one_vol/{image}" if NATIVE else f"{MOUNT}/{image}"


def changed(**keys):
    """The standard pillar with more below gluster_one; `volume` goes to one_vol, `datastores` to its datastores."""
    pillar = standard()
    volume = pillar["gluster_one"]["volumes"]["one_vol"]
    volume["datastores"].update(keys.pop("datastores", {}))
    volume.update(keys.pop("volume", {}))
    pillar["gluster_one"]["volumes"].update(keys.pop("volumes", {}))
    pillar["gluster_one"].update(keys)
    return pillar


def unit_keeps_bricks(lab, host):
    """Whether the package's own unit of glusterd lets bricks run while glusterd restarts, as that of Debian 14 does."""
    unit = "/lib/systemd/system/glusterd.service"
    return lab.exec(host, "grep", "-qx", "KillMode=process", unit).returncode == 0


def orchestration(name, words, test=False):
    """Arguments of salt-run."""
    pillar = f"pillar={json.dumps(words)}"
    return ("--out=json", "state.orchestrate", f"gluster_one.orchestrate.{name}", pillar, *["test=True"] * test)


class Run(dict):
    """One `state.apply`: {minion: {state id: what the state returned}}, or instead of states what Salt said."""

    def __init__(self, done):
        super().__init__()
        self.text = done.stdout + done.stderr
        try:
            answers = json.loads(done.stdout[done.stdout.index("{") :])
        except ValueError:
            raise AssertionError(f"salt gave no answer: {self.text}") from None
        for minion, answer in answers.items():
            if isinstance(answer, dict):
                answer = {key.split("_|-")[1]: state for key, state in answer.items()}
            self[minion] = answer

    def _each(self, accept):
        found = {}
        for minion, states in self.items():
            if not isinstance(states, dict):
                states = {"": {"result": False, "changes": {}, "comment": states}}
            for name, state in states.items():
                value = accept(state)
                if value:
                    found.setdefault(minion, {})[name] = value
        return found

    @property
    def failures(self):
        """{minion: {state id: comment}} of the states that failed; the id "" where there are no states at all."""
        return self._each(lambda state: state["comment"] or "failed" if state["result"] is False else None)

    @property
    def own_failures(self):
        """The failures that are not only the consequence of another."""
        return {
            minion: own
            for minion, failed in self.failures.items()
            if (own := {name: text for name, text in failed.items() if "requisite failed" not in str(text)})
        }

    @property
    def changes(self):
        """{minion: {state id: changes}} of the states that changed, or would change, anything."""
        return self._each(lambda state: state["changes"])

    @property
    def results(self):
        """The set of all results."""
        return {state["result"] for states in self.values() if isinstance(states, dict) for state in states.values()}


class Fleet:
    """One lab and what is known about it: stage is None (down), "clean", "converged" or "used"."""

    def __init__(self, lab):
        self.lab, self.stage, self.transcript = lab, None, []

    # Stages

    def new(self, **shape):
        """A fleet on which the formula has never run, and whose volume, if it has one, rejects non-root clients; shape
        is `up`'s."""
        self.lab.down()
        self.stage = None
        self.lab.up(**({"bare": True} if BARE else {}), **shape)
        if not BARE:
            script = """
                mount -t glusterfs kvm1:/one_vol /mnt
                qemu-img create -q -f raw /mnt/before 1M
                umount /mnt
                gluster --mode=script volume set one_vol server.allow-insecure off
            """
            self.sh("kvm1", script)
        pillar = self.lab.pillar_dir / "gluster_one.sls"
        pillar.unlink()
        pillar.write_text(yaml.safe_dump(standard(), sort_keys=False))
        self.stage = "clean"

    def converge(self):
        """The fleet as a run with the standard pillar leaves it."""
        if self.stage in (None, "used"):
            self.new()
        run = self.apply()
        if run.failures and self.stage == "doubtful":
            self.new()
            run = self.apply()
        assert not run.failures, run.failures
        self.stage = "converged"

    # Salt

    def salt(self, *args, timeout=300):
        """`salt ARGUMENTS` with the answers as JSON, kept for the evidence of a failure."""
        # With --static the command waits no longer than its timeout, whatever the minions are doing.
        command = ("--static", f"--timeout={timeout}", "--out=json", "--no-color", *args)
        done = self.lab.salt(*command, timeout=timeout + 60)
        self.transcript.append(f"$ salt {shlex.join(command)}\n{done.stdout}{done.stderr}\n")
        return done

    def apply(self, sls="gluster_one", on="*", test=False):
        """`salt '*' state.apply gluster_one`, or another SLS, or on a list of minions."""
        target = [on] if isinstance(on, str) else ["-L", ",".join(on)]
        run = Run(self.salt(*target, "state.apply", sls, *(["test=True"] if test else [])))
        missing = set(self.lab.hosts if on == "*" else on) - set(run)
        assert not missing, f"no answer from {missing}"
        return run

    @contextlib.contextmanager
    def pillar(self, everyone=None, head=None, **files):
        """Other pillar files while the block runs: dicts, or text as it is; `name=...` is the file NAME.sls."""
        files = {**files, **({"gluster_one": everyone} if everyone is not None else {})}
        files.update({"gluster_one_head": head} if head is not None else {})
        kept = {}
        try:
            for name, content in files.items():
                path = self.lab.pillar_dir / f"{name}.sls"
                kept[path] = path.readlink() if path.is_symlink() else path.read_text() if path.exists() else None
                path.unlink(missing_ok=True)
                path.write_text(content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False))
            yield
        finally:
            for path, content in kept.items():
                path.unlink(missing_ok=True)
                if isinstance(content, Path):
                    path.symlink_to(content)
                elif content is not None:
                    path.write_text(content)

    # Hosts

    @contextlib.contextmanager
    def version(self, commit):
        """The master serves the formula as it was at that commit; the reactor's files are this one's."""
        tree = self.lab.state / commit
        tree.mkdir()
        archive = subprocess.run(["git", "-C", CHECKOUT, "archive", commit], capture_output=True, check=True).stdout
        subprocess.run(["tar", "-x", "-C", tree], input=archive, check=True)
        path = self.lab.master_dir / "master.d/before.conf"
        path.write_text(f"file_roots:\n  base:\n    - {tree}\n")
        self.lab.restart_master()
        yield
        path.unlink()
        self.lab.restart_master()

    def sh(self, host, script, user=None, check=True, timeout=120):
        """What a shell script prints on a host."""
        return self.lab.exec(host, "sh", "-ec", script, user=user, check=check, timeout=timeout).stdout

    def everywhere(self, work, hosts=None):
        """{host: work(host)}, on all at once."""
        hosts = list(hosts or self.lab.hosts)
        with ThreadPoolExecutor(len(hosts)) as pool:
            return dict(zip(hosts, pool.map(work, hosts)))

    def processes(self, host):
        """{the machine's process id: arguments} of all that runs on a host."""
        found = {}
        for pid in self.lab.cgroups.pids(host):
            with contextlib.suppress(OSError):
                argv = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
                if argv:
                    found[pid] = argv
        return found

    def pids(self, host, program, *words):
        """The processes of a program with these arguments."""
        return sorted(
            pid
            for pid, argv in self.processes(host).items()
            if os.path.basename(argv[0]) == program and all(word in argv for word in words)
        )

    def bricks(self):
        """{host: the brick's process}."""
        return {host: self.pids(host, "glusterfsd") for host in HYPERVISORS}

    def clients(self, mount=MOUNT):
        """{host: the FUSE client of the datastores}."""
        return {host: self.pids(host, "glusterfs", mount) for host in self.lab.hosts}

    def mounts(self, host):
        """{directory: (device, type)} of the Gluster mounts on a host."""
        lines = Path(f"/proc/{self.lab.pid(host)}/mounts").read_text().splitlines()
        return {line.split()[1]: tuple(line.split()[::2][:2]) for line in lines if "glusterfs" in line.split()[2]}

    def tree(self, host, *tops):
        """{path: owner, mode and content} on a host's own disk, below what is mounted."""
        root, found = self.lab.root(host), {}
        for top in tops or TOUCHED:
            paths = [root / top]
            for directory, names, files in os.walk(root / top):
                paths += [Path(directory) / name for name in (*names, *files)]
            for path in paths:
                with contextlib.suppress(FileNotFoundError):
                    info = path.lstat()
                    content = os.readlink(path) if stat.S_ISLNK(info.st_mode) else None
                    content = path.read_bytes() if stat.S_ISREG(info.st_mode) else content
                    found[str(path.relative_to(root))] = (oct(info.st_mode), info.st_uid, info.st_gid, content)
        return found

    def look(self, host):
        """All that the formula could change on a host, glusterd's process included."""
        return {
            "disk": self.tree(host),
            "mounts": self.mounts(host),
            "processes": [self.pids(host, program) for program in ("glusterd", "glusterfsd")],
        }

    def look_all(self, reads=True):
        """All that the formula could change on the fleet; Gluster's journal with or without commands that only read."""
        return {
            **{host: self.look(host) for host in self.lab.hosts},
            "volumes": self.sh("kvm3", "! command -v gluster >/dev/null || gluster --mode=script volume info"),
            "history": [line for line in self.history() if reads or not re.search("volume status|^Commit fail", line)],
            "datastores": self.datastores(),
        }

    def history(self):
        """The lines of every server's journal of commands that take Gluster's lock."""
        journals = [self.lab.root(host) / "var/log/glusterfs/cmd_history.log" for host in HYPERVISORS]
        return [line for journal in journals if journal.exists() for line in journal.read_text().splitlines()]

    def disk_read(self, host, image, *reads):
        """What qemu-io, as oneadmin, says of reads of a VM's disk, such as `read -P 0xab 0 512`; it does not close."""
        commands = " ".join(f"-c '{read}'" for read in (*reads, "sigraise 9"))
        read = f"stdbuf -oL qemu-io -r -n -f raw {commands} {disk_path(image)}"
        done = self.lab.exec(host, "sh", "-c", read, user="oneadmin")
        return done.stdout + done.stderr

    def runner(self, *words):
        """(exit status, data) of a runner."""
        done = self.lab.run("--out=json", *words)
        return done.returncode, json.loads(done.stdout[done.stdout.index("{") :])

    def orchestrate(self, name, words, test=False):
        """(exit status, {step: {minion: {state: its changes}}}, all that was said) of gluster_one.orchestrate.NAME."""
        done = self.lab.run(*orchestration(name, words, test))
        (states,) = json.loads(done.stdout[done.stdout.index("{") :])["data"].values()
        steps = {}
        for key, state in states.items():
            for minion, own in state["changes"].get("ret", {}).items():
                changes = {state.split("_|-")[1]: each["changes"] for state, each in own.items() if each["changes"]}
                if changes:
                    steps.setdefault(key.split("_|-")[1], {})[minion] = changes
        return done.returncode, steps, done.stdout + done.stderr

    def findings(self, minion, **arguments):
        """{kind: the finding} of `gluster_one.check` on a minion; its exit status says whether there are any."""
        words = [f"{key}={value}" for key, value in arguments.items()]
        done = self.lab.salt("--out=json", "--no-color", minion, "gluster_one.check", *words)
        answer = json.loads(done.stdout)
        assert isinstance(answer[minion], list), answer
        assert bool(done.returncode) is bool(answer[minion])
        return {finding["kind"]: finding for finding in answer[minion]}

    def start_healers(self):
        """Restart the self-heal daemons: one that was rejected, while allow-insecure was off, does not try again."""
        # A new one ends where the old one still holds the lock of its file, and then the command fails.
        kill = "while pkill -9 -f '[g]lustershd'; do sleep 0.1; done"
        for host in HYPERVISORS:
            self.sh(host, f"{kill}; gluster --mode=script volume start one_vol force")

    def healed(self):
        """Have the self-heal daemons heal one_vol."""
        self.start_healers()
        self.wait_healed()

    def wait_healed(self):
        """Wait until no file of one_vol waits to be healed."""
        nothing = {"pending": 0, "split_brain": 0}
        try:
            wait_for("no file to heal", lambda: self.heal_counts() == nothing, 120, every=1)
        except LabError as error:
            waits = self.sh("kvm1", "gluster --mode=script volume heal one_vol info")
            raise LabError(f"{error}; {self.heal_counts()}: {waits}") from None

    def heal_counts(self):
        """What waits to be healed on one_vol, and what is in split-brain; None while kvm1 does not know."""
        look = self.lab.call("kvm1", "gluster.snapshot", "[one_vol]").get("kvm1")
        return look["heal"]["one_vol"] if isinstance(look, dict) else None

    # OpenNebula

    def oned(self, method, *args):
        """What oned answers to oneadmin, on the head; fails with oned's text."""
        return self.oned_each(method, [args])[0]

    def oned_each(self, method, calls):
        """The answers to the same method with each of these lists of arguments."""
        script = (
            "import json, sys, xmlrpc.client as x\n"
            "method, calls = json.load(sys.stdin)\n"
            "session = open('/var/lib/one/.one/one_auth').read().strip()\n"
            "call = getattr(x.ServerProxy('http://127.0.0.1:2633/RPC2'), method)\n"
            "print(json.dumps([call(session, *args)[:2] for args in calls]))"
        )
        asked = json.dumps([method, calls])
        answers = json.loads(self.lab.exec("head", "python3", "-c", script, input=asked, check=True).stdout)
        assert all(fine for fine, _ in answers), answers
        return [answer for _, answer in answers]

    def stand_in(self, **words):
        """A word to the stand-in for oned, past its XML-RPC; returns its answer."""
        command = ("curl", "-sf", "-d", json.dumps(words), "http://127.0.0.1:2633/lab")
        return json.loads(self.lab.exec("head", *command, check=True).stdout)

    def requests(self):
        """The methods that oned was asked for since the last time, in order."""
        return [request["method"] for request in self.stand_in(log=True)["log"]]

    def datastores(self):
        """{name: {ID, attributes of the template...}} as oned has them."""
        found = {}
        for element in ET.fromstring(self.oned("one.datastorepool.info", -2, -1, -1)).iter("DATASTORE"):
            found[element.findtext("NAME")] = {
                "ID": int(element.findtext("ID")),
                "CLUSTERS": [cluster.text for cluster in element.iterfind("CLUSTERS/ID")],
                **{attribute.tag: attribute.text for attribute in element.find("TEMPLATE")},
            }
        return found

    def sizes(self):
        """{name: size in MB} of the datastores as oned reports them."""
        pool = ET.fromstring(self.oned("one.datastorepool.info", -2, -1, -1))
        return {store.findtext("NAME"): int(store.findtext("TOTAL_MB")) for store in pool.iter("DATASTORE")}

    # What is left of a failure

    def save(self, folder):
        """Salt's output and the last of every log, for who looks at a failed test."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "salt.txt").write_text("\n".join(self.transcript))
        logs = {"master": self.lab.log_dir.glob("*")}
        for host in self.lab.hosts:
            with contextlib.suppress(Exception):
                journal = self.lab.exec(host, "journalctl", "--no-pager", "--lines=2000", timeout=30).stdout
                (folder / f"{host}.journal").write_text(journal)
            logs[host] = self.lab.root(host).glob("var/log/**/*")
        for name, paths in logs.items():
            for path in paths:
                if path.is_file() and "journal" not in path.parts:
                    with contextlib.suppress(OSError), path.open("rb") as log:
                        log.seek(max(0, path.stat().st_size - 500_000))
                        copied = folder / name / path.name
                        copied.parent.mkdir(exist_ok=True)
                        copied.write_bytes(log.read())
