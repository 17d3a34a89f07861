"""What may break on a fleet with beacons and reactor, and what is to come of it."""

import re
import shlex
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from lab.system import LabError, wait_for

from .fleet import HYPERVISORS, KILL_MINION, MOUNT, NATIVE, STORES, changed
from .watch import INTERVAL, OTHER

CLIENT = f"pkill -9 -f '[g]lusterfs.* {MOUNT}$'"
# Not at the moment at which somebody looks at it.
UMOUNT = f"timeout 10 sh -c 'until umount {MOUNT}; do sleep 0.1; done'"
HEALED, REPORTED, PASSES = "repaired", "reported only", "passes by itself"
ONE_VOL = "gluster --mode=script volume"
ONE_AUTH = "/var/lib/one/.one/one_auth"


@dataclass
class Fault:
    """Something that breaks, and what is to come of it."""

    name: str
    host: str  # where it is done
    do: str  # a shell script, or a method of Scene
    policy: str
    kinds: set  # of the findings, one of which has to be fired
    right: str = "true"  # a shell script on that host that succeeds when it is repaired, or still as it was left
    undo: str = "true"
    within: int = 60  # seconds until it is right, from the moment when it was done
    jobs: dict = field(default_factory=dict)  # {minion: jobs at most}

    @property
    def line(self):
        """A regular expression for the line of the status; None where the fault is over too soon for one."""
        return LINES.get(self.name)


MOUNTED = f"stat -f {MOUNT} && grep -q ' {MOUNT} fuse.glusterfs' /proc/mounts"
LINK = f'test "$(readlink {STORES}/101)" = {MOUNT}'
DEAD = INTERVAL + 10
# Lines of the status.
REMOUNT, AGAIN = "salt kvm2 state.apply gluster_one.mount", "salt head state.apply gluster_one.datastore"
VOLUME, START = "salt kvm1 state.apply gluster_one.volume", "salt kvm2 state.apply gluster_one.started"
IS_DEAD = f"kvm2: {MOUNT}: the FUSE client is gone -> {REMOUNT}"
IS_GONE = f"kvm2: {MOUNT}: nothing is mounted.* -> {REMOUNT}"
SILENT = "it does not answer -> look at the host"
LINES = {
    "FUSE client killed": IS_DEAD,
    "umount by hand": IS_GONE,
    "umount -l, a file open": IS_GONE,
    "link is an empty directory": f"kvm2: {STORES}/101: an empty directory -> {REMOUNT}",
    "link gone on the head": f"head: {STORES}/101: .+ -> {AGAIN}",
    "link is a directory with a file": (
        rf"kvm2: {STORES}/101: it holds 1 file \(image\) -> move away or unmount what is there, then {REMOUNT}; .+"
    ),
    "line of fstab deleted": f"kvm2: {MOUNT}: no line in /etc/fstab -> {REMOUNT}",
    "allow-insecure off by hand": f"one_vol: server.allow-insecure is off -> {VOLUME}",
    "the same, a file open": f"one_vol: server.allow-insecure is off -> {VOLUME}",
    "owner-uid changed": f"one_vol: storage.owner-uid is 0 -> {VOLUME}",
    "glusterd killed": f"kvm2: glusterd is not running -> {START}",
    "glusterd stopped": f"kvm2: glusterd is not running -> {START}",
    "a brick killed": f"brick kvm2:/data/one_vol is down: its directory is in place, so it can be started -> {START}",
    "a node's network away for 60 s": "kvm2 does not answer -> look at the host",
    "two nodes' network away for 30 s": f"kvm2, kvm3: {SILENT}",
    "volume stopped by hand": "one_vol is Stopped -> gluster volume start one_vol, if nobody stopped it on purpose",
    "GLUSTER_HOST changed in OpenNebula": f"glusterds: GLUSTER_HOST is kvm3:24007 -> {AGAIN}",
    "DISK_TYPE changed in OpenNebula": f"glusterds: DISK_TYPE is BLOCK -> {AGAIN}",
    "datastore renamed": f"glusterds: OpenNebula has no such datastore -> {AGAIN}, if nobody deleted it on purpose",
    "datastore deleted": f"glusterds: OpenNebula has no such datastore -> {AGAIN}, if nobody deleted it on purpose",
    "oned down for 60 s": "OpenNebula: .+ -> see what it says",
    "wrong password in one_auth": "OpenNebula: .+ -> see what it says",
    "minion restarted meanwhile": IS_DEAD,
    "master restarted meanwhile": IS_DEAD,
    "the same ten times in a minute": IS_DEAD,
    "Gluster's lock held for 40 s": f"one_vol: storage.owner-uid is 0 -> {VOLUME}",
}  # a node that is rebooted may be back before a status has ended
FAULTS = [
    Fault("FUSE client killed", "kvm2", CLIENT, HEALED, {"mount_dead"}, MOUNTED, within=DEAD, jobs={"kvm2": 1}),
    Fault("umount by hand", "kvm2", UMOUNT, HEALED, {"mount_gone"}, MOUNTED, within=DEAD, jobs={"kvm2": 1}),
    Fault("umount -l, a file open", "kvm2", "umount_open", HEALED, {"mount_gone"}, MOUNTED, jobs={"kvm2": 1}),
    Fault(
        "link is an empty directory", "kvm2", f"rm {STORES}/101; mkdir {STORES}/101",
        HEALED, {"link"}, LINK, jobs={"kvm2": 1},
    ),
    Fault("link gone on the head", "head", f"rm {STORES}/101", HEALED, {"link"}, LINK, jobs={"head": 1}),
    Fault(
        "link is a directory with a file", "kvm2",
        f"rm {STORES}/101; mkdir {STORES}/101; echo image >{STORES}/101/image",
        REPORTED, {"blocked"}, f"grep -q image {STORES}/101/image",
        undo=f"rm -r {STORES}/101; ln -s {MOUNT} {STORES}/101",
    ),
    Fault(
        "line of fstab deleted", "kvm2", "sed -i /glusterfs/d /etc/fstab",
        HEALED, {"fstab"}, "grep -q glusterfs /etc/fstab", jobs={"kvm2": 1},
    ),
    Fault(
        "allow-insecure off by hand", "kvm2", f"{ONE_VOL} set one_vol server.allow-insecure off",
        HEALED, {"volume_option"}, f"{ONE_VOL} info one_vol | grep -q 'allow-insecure: on' && {MOUNTED}",
        undo="heal_daemons", within=120, jobs={"kvm1": 2, "kvm2": 2, "kvm3": 2, "head": 2},
    ),
    Fault(
        "the same, a file open", "kvm2", "insecure_off_open", REPORTED, {"mount_held"}, f"! stat -f {MOUNT}",
        undo="let_go", jobs={"kvm1": 2, "kvm3": 2, "head": 2},
    ),
    Fault(
        "owner-uid changed", "kvm2", f"{ONE_VOL} set one_vol storage.owner-uid 0",
        HEALED, {"volume_option", "not_writable"}, f"test $(stat -c %U {MOUNT}) = oneadmin",
        within=120, jobs={"kvm1": 1},
    ),
    Fault(
        "glusterd killed", "kvm2", "pkill -9 -x glusterd", HEALED, {"glusterd_down"},
        "systemctl is-active glusterd && pgrep -x glusterfsd", jobs={"kvm2": 1},
    ),
    Fault(
        "glusterd stopped", "kvm2", "systemctl stop glusterd", HEALED, {"glusterd_down"},
        "systemctl is-active glusterd && pgrep -x glusterfsd", jobs={"kvm2": 1},
    ),
    Fault(
        "a brick killed", "kvm2", "pkill -9 -x glusterfsd", HEALED, {"brick_down"},
        "pgrep -x glusterfsd", within=DEAD, jobs={"kvm2": 1},
    ),
    Fault("a node rebooted", "kvm2", "reboot", PASSES, set(), MOUNTED, within=90, jobs={"kvm1": 1, "kvm2": 2}),
    Fault("a node's network away for 60 s", "kvm2", "network_away", PASSES, set(), MOUNTED, within=120,
          jobs={"kvm1": 1}),
    Fault("two nodes' network away for 30 s", "kvm2", "two_networks_away", PASSES, set(), MOUNTED, within=120),
    Fault(
        "volume stopped by hand", "kvm2", f"{ONE_VOL} stop one_vol", REPORTED, {"volume_stopped"},
        f"{ONE_VOL} info one_vol | grep -q 'Status: Stopped' && pgrep -f 'glusterfs.* {MOUNT}$'",
        undo=f"{ONE_VOL} start one_vol",
        # While Gluster stops it, bricks of a started volume do not run: a job may come, which finds nothing to do.
        jobs=dict.fromkeys(("kvm1", "kvm2", "kvm3"), 1),
    ),
    Fault("GLUSTER_HOST changed in OpenNebula", "head", 'update:GLUSTER_HOST="kvm3:24007"', HEALED, {"datastore"},
          f"attribute:GLUSTER_HOST={'kvm1:24007' if NATIVE else ''}", jobs={"head": 1}),
    Fault("DISK_TYPE changed in OpenNebula", "head", 'update:DISK_TYPE="BLOCK"', HEALED, {"datastore"},
          f"attribute:DISK_TYPE={'GLUSTER' if NATIVE else 'FILE'}", jobs={"head": 1}),
    Fault("datastore renamed", "head", "rename", REPORTED, {"datastore_gone"}, "renamed", undo="rename_back"),
    Fault("datastore deleted", "head", "delete", REPORTED, {"datastore_gone"}, "deleted", undo="apply"),
    Fault("oned down for 60 s", "head", "systemctl stop oned; sleep 60", REPORTED, {"oned_away"},
          "! systemctl is-active oned", undo="oned_back"),
    Fault(
        "wrong password in one_auth", "head", f"cp {ONE_AUTH} /run/kept; echo oneadmin:x >{ONE_AUTH}",
        REPORTED, {"oned_away"}, f"grep -q oneadmin:x {ONE_AUTH}", undo=f"cat /run/kept >{ONE_AUTH}",
    ),
    Fault("minion restarted meanwhile", "kvm2", "minion_restarted", HEALED, {"mount_dead"}, MOUNTED, within=90,
          jobs={"kvm2": 2}),
    Fault("master restarted meanwhile", "kvm2", "master_restarted", HEALED, {"mount_dead"}, MOUNTED, within=90,
          jobs={"kvm2": 2}),
    Fault("the same ten times in a minute", "kvm2", "ten_times", HEALED, {"mount_dead"}, MOUNTED, jobs={"kvm2": 10}),
    Fault("Gluster's lock held for 40 s", "kvm2", "lock_held", HEALED, {"volume_option"},
          f"{ONE_VOL} info one_vol | grep -q 'owner-uid: 9869'", within=120, jobs={"kvm1": 3}),
]  # fmt: skip


class Scene:
    """How the faults are injected that are not a script."""

    def __init__(self, fleet, events, host):
        self.fleet, self.events, self.host = fleet, events, host

    def run(self, what):
        """A script on the host, or a method; returns whether it succeeded."""
        name, _, argument = what.partition(":")
        if hasattr(self, name):
            return getattr(self, name)(*([argument] if argument else [])) is not False
        return self.fleet.lab.exec(self.host, "sh", "-c", what, timeout=120).returncode == 0

    def umount_open(self):
        self.fleet.sh(
            self.host,
            f"systemd-run --quiet sh -c 'exec 9<{MOUNT}/faults.records; sleep 20'; sleep 1; umount -l {MOUNT}",
        )

    def reboot(self):
        self.fleet.lab.reboot(self.host)

    def network_away(self, *more, seconds=60):
        hosts = [self.host, *more]
        link = "ip -o link show | sed -n 's/^[0-9]*: \\(e[^@:]*\\).*/\\1/p' | head -1"
        script = f"link=$({link}); ip link set $link down; sleep {seconds}; ip link set $link up"
        self.fleet.everywhere(lambda host: self.fleet.sh(host, script, timeout=seconds + 60), hosts)

    def two_networks_away(self):
        self.network_away("kvm3", seconds=30)

    def insecure_off_open(self):
        run = "systemd-run --quiet --unit=holder sh -c"
        self.fleet.sh(self.host, f"{run} 'exec 9<{MOUNT}/faults.records; exec sleep 999'; sleep 1")
        self.fleet.sh(self.host, f"{ONE_VOL} set one_vol server.allow-insecure off")

    def let_go(self):
        self.fleet.sh(self.host, "systemctl stop holder")
        self.heal_daemons()

    def heal_daemons(self):
        """What the finding heal_daemon says: those that were rejected do not try again."""
        restart = f"pkill -f '[g]lustershd'; sleep 1; {ONE_VOL} start one_vol force"
        for host in HYPERVISORS:
            self.fleet.sh(host, restart)

    def oned(self, method, *args):
        self.fleet.oned(method, *args)

    def update(self, attribute):
        self.oned("one.datastore.update", self.fleet.datastores()["glusterds"]["ID"], attribute, 1)

    def attribute(self, pair):
        name, _, value = pair.partition("=")
        return self.fleet.datastores()["glusterds"].get(name, "") == value

    def rename(self):
        self.oned("one.datastore.rename", self.fleet.datastores()["glusterds"]["ID"], "other")

    def renamed(self):
        return {"other"} <= set(self.fleet.datastores()) and "glusterds" not in self.fleet.datastores()

    def rename_back(self):
        self.oned("one.datastore.rename", self.fleet.datastores()["other"]["ID"], "glusterds")

    def delete(self):
        self.oned("one.datastore.delete", self.fleet.datastores()["glusterds"]["ID"])

    def deleted(self):
        return "glusterds" not in self.fleet.datastores()

    def apply(self):
        assert self.fleet.apply().failures == {}

    def oned_back(self):
        """The stand-in remembers nothing: its datastores are made again."""
        self.fleet.sh("head", "systemctl start oned; sleep 2")
        self.apply()

    def _job(self):
        begin = time.time()
        self.fleet.sh(self.host, CLIENT)
        wait_for("the reactor's job", lambda: self.host in self.events.jobs(begin), 30, every=0.05)

    def minion_restarted(self):
        self._job()
        self.fleet.sh(self.host, KILL_MINION)

    def master_restarted(self):
        self._job()
        self.fleet.lab.restart_master()
        self.events.listen()

    def ten_times(self):
        for _ in range(10):
            self.fleet.lab.exec(self.host, "sh", "-c", CLIENT)
            time.sleep(6)

    def lock_held(self):
        self.fleet.sh("kvm3", "pkill -STOP -x glusterd", check=False)
        try:
            self.fleet.lab.exec("kvm1", "sh", "-c", f"timeout 5 {ONE_VOL} set one_vol storage.owner-uid 0")
            time.sleep(40)
        finally:
            self.fleet.sh("kvm3", "pkill -CONT -x glusterd")
        wait_for("the lock to be free", self._set_owner, 60, every=1)

    def _set_owner(self):
        """Whether the option could be set: the command before may be under way still, or the repair of what it did."""
        done = self.fleet.lab.exec("kvm1", "sh", "-c", f"{ONE_VOL} set one_vol storage.owner-uid 0", timeout=200)
        said = done.stdout + done.stderr
        assert done.returncode == 0 or "Another transaction is in progress" in said, said
        return done.returncode == 0


def calm(fleet):
    """Nothing is found anywhere, and nothing waits to be healed."""
    found = fleet.lab.call("*", "gluster_one.check", "heal=False")
    counts = fleet.heal_counts()
    if len(found) == 4 and not any(found.values()) and counts and counts["pending"] == 0:
        return True
    fleet.restless = f"{found} {counts}"
    # The self-heal daemons look by themselves each ten minutes.
    fleet.sh("kvm1", f"{ONE_VOL} heal one_vol", check=False)
    return False


def settled(fleet):
    """Wait until the fleet is calm; fails with what it was last seen to be."""
    try:
        wait_for("a calm fleet", lambda: calm(fleet), 120, every=1)
    except LabError as exc:
        raise LabError(f"{exc}, but {fleet.restless}") from exc


def lines(fleet):
    """The causes that the status shows, the first first, each as a line: `CAUSE -> WHAT TO DO`."""
    causes = fleet.runner("gluster_one.status")[1]["causes"]
    # Flapping is of all the faults before.
    return [f"{cause['what']} -> {cause['cure']}" for cause in causes if cause["kind"] != "flapping"]


def first_line(fleet, fault):
    """The only line of the status while a fault is there; fails unless it is what it has to be."""
    if not fault.line:
        return "-"
    time.sleep(2)  # it may only begin
    found = wait_for("a cause", lambda: lines(fleet), 60, every=1)
    assert len(found) == 1 and re.fullmatch(fault.line, found[0]), found
    return found[0]


def cured(fleet, events, fault):
    """
    Inject a fault that the reactor leaves alone for the moment, and do what the first line of the status says; returns
    the line. What else there is to do after it is the reactor's.
    """
    scene = Scene(fleet, events, fault.host)
    with fleet.pillar(changed(beacon={"interval": INTERVAL}, maintenance=True)):
        # Some that kill a client wait for the reactor then.
        assert scene.run(CLIENT if fault.kinds == {"mount_dead"} else fault.do)
        line = first_line(fleet, fault)
        done = fleet.lab.salt(*shlex.split(line.partition(" -> salt ")[2]))
        assert done.returncode == 0, done.stdout + done.stderr
        assert line not in lines(fleet)
    wait_for("it is repaired", lambda: scene.run(fault.right), fault.within)
    assert scene.run(fault.undo)
    settled(fleet)
    return line


def suffer(fleet, events, load, fault, look=lambda: "-"):
    """
    Inject a fault and see that what the policy says is what happens; returns a row of the table: its name, when it was
    noticed and healed, jobs, records lost, images damaged, what `look` says while it is there, unless it is repaired.
    """
    scene = Scene(fleet, events, fault.host)
    bricks = fleet.bricks()
    begin = time.time()
    looking = ThreadPoolExecutor(1)
    line = looking.submit(look) if fault.policy == PASSES else None
    assert scene.run(fault.do)
    done = time.time()
    line = looking.submit(look) if fault.policy == REPORTED else line
    noticed = None
    if fault.kinds:
        noticed = wait_for(f"event of {fault.kinds}", lambda: events.noticed(begin, fault.kinds), 60)
    if fault.policy == REPORTED:
        time.sleep(2 * INTERVAL)
        assert scene.run(fault.right), "it was not left as it was"
        healed = None
    else:
        wait_for("it is repaired", lambda: scene.run(fault.right), done + fault.within - time.time())
        healed = time.time()
    jobs = events.jobs(begin)
    line = line.result() if line else "-"
    looking.shutdown()
    assert scene.run(fault.undo)
    settled(fleet)
    written = len(load.acknowledged())
    wait_for("the writer goes on", lambda: len(load.acknowledged()) > written, 30)
    # Whatever broke, the minions still check everything else.
    for host in fleet.lab.hosts:
        tag = f"salt/beacon/{host}/{OTHER}/"
        wait_for(f"{OTHER} on {host}", lambda tag=tag: any(tag in one[1] for one in events.since(time.time() - 20)), 60)
    jobs = jobs if fault.policy == REPORTED else events.jobs(begin)
    lost, damaged = load.lost(), load.reads()[1]
    assert {minion: len(started) for minion, started in jobs.items()}.items() <= {
        (minion, count) for minion, most in fault.jobs.items() for count in range(1, most + 1)
    }, jobs
    assert (lost, damaged) == (set(), 0)
    if "network" in fault.name:
        assert fleet.bricks() == bricks
    after = [f"{when - begin:.1f} s" if when else "-" for when in (noticed, healed)]
    counts = sum(map(len, jobs.values())), len(lost), damaged
    return fault.name, after[0], after[1] if healed else fault.policy, *counts, line
