#!/usr/bin/python3
"""What a run costs: `make bench`. A converged hypervisor against five test.nop, what a minion pays for each, the first
run of one more hypervisor, options against Ansible's collection.

Everything is measured in pairs, one after the other on the same lab, so that a busy machine slows both.
"""

import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from lab.files import GSYNCD  # noqa: E402
from lab.fleet import Lab, default_name  # noqa: E402
from lab.system import LabError, Lock  # noqa: E402
from lab.taken import Minion, middle, parts  # noqa: E402

ANSIBLE = "ansible==9.13.0"  # the last that brings the collection gluster.gluster along
PAIRS = int(os.environ.get("PAIRS") or 10)
MORE = 3  # hypervisors that join
VOLUMES = [f"bench{number}" for number in range(10)]
OPTIONS = {"server.allow-insecure": "on", "storage.owner-uid": "9869", "storage.owner-gid": "9869"}
STARTED = "/var/log/started"
# It notes that it was started, and becomes the program itself.
WRAPPER = f'#!/bin/sh\necho "$*" >>{STARTED}\nexec /usr/sbin/gluster.real "$@"\n'
NOP = "".join(f"nothing_{number}:\n  test.nop: []\n" for number in range(5))
SLS = "".join(f"{volume}:\n  gluster_one.volume_configured: []\n" for volume in VOLUMES)
PLAYBOOK = f"""\
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - gluster.gluster.gluster_volume:
        name: "{{{{ item }}}}"
        state: present
        options: {OPTIONS}
      loop: {VOLUMES}
"""


def ansible():
    """The folder of Ansible's programs, in a virtual environment of its own."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gluster_one" / ANSIBLE
    cache.parent.mkdir(parents=True, exist_ok=True)
    with Lock(cache.with_suffix(".lock"), lambda: None):  # two that measure make one
        if not (cache / "bin/ansible-playbook").exists():
            subprocess.run([sys.executable, "-m", "venv", cache], check=True)
            subprocess.run([cache / "bin/pip", "install", "-q", ANSIBLE], check=True)
    return cache / "bin"


def sh(lab, script, timeout=300):
    """What a shell script prints on kvm1."""
    done = lab.exec("kvm1", "sh", "-ec", script, timeout=timeout)
    if done.returncode:
        raise LabError(f"{script}: {(done.stdout + done.stderr)[:1000]}")
    return done.stdout


def salt(lab, host, sls, changed=None):
    """Apply an SLS; the seconds that took. `changed` says whether it is to change anything."""
    begin = time.monotonic()
    done = lab.salt(host, "state.apply", sls, "--state-output=terse", "--no-color")
    seconds = time.monotonic() - begin
    if done.returncode or (changed is not None and ("(changed=" in done.stdout) != changed):
        raise LabError(done.stdout + done.stderr)
    return seconds


def play(lab, program, changed):
    """Run the playbook on kvm1; the seconds that took."""
    begin = time.monotonic()
    said = sh(lab, f"cd /srv && LC_ALL=C.UTF-8 {program} bench.yml 2>&1")
    seconds = time.monotonic() - begin
    if f"changed={1 if changed else 0} " not in said:
        raise LabError(said)
    return seconds


def against_nothing(lab):
    """A converged hypervisor, which coordinates nothing, against five states that do nothing."""
    pairs = [(salt(lab, "kvm2", "nothing"), salt(lab, "kvm2", "gluster_one", False)) for _ in range(PAIRS)]
    nothing, ours = zip(*pairs)
    print(f"\n`state.apply` on a converged hypervisor, {PAIRS} pairs, median and range\n")
    print("| SLS | time |\n|---|---|")
    print(f"| five `test.nop` | {middle(nothing)} |\n| `gluster_one` | {middle(ours)} |")
    print(f"| ratio within a pair | {middle([b / a for a, b in pairs], '{:.2f}')} |")


def called(lab, host, *words):
    """A job on a host, which is well there."""
    done = lab.salt(host, *words, "--no-color")
    if done.returncode:
        raise LabError(done.stdout + done.stderr)


# What a minion does: as a run, as a job, and by itself.
DOES = {
    "`state.apply` of five `test.nop`": ("state.apply", "nothing"),
    "`state.apply gluster_one`": ("state.apply", "gluster_one"),
    "`test.ping`": ("test.ping",),
    "`gluster_one.check heal=False`, as the beacon looks": ("gluster_one.check", "heal=False"),
    "`gluster_one.report`, for `status`": ("gluster_one.report",),
}
IDLE, EVERY = 30, 1  # seconds


def what_a_minion_pays(lab):
    """The processor and the memory of a minion that is the coordinator, of a hypervisor's, and of the head's."""
    print("\nWhat a minion takes: seconds of the processor, and the most memory\n")
    hosts = {"kvm1": "first server", "kvm2": "hypervisor", "head": "head"}
    print(f"| | {' | '.join(hosts.values())} |\n|---|{'---|' * len(hosts)}")
    found = {}
    for _ in range(PAIRS):
        for what, words in DOES.items():
            for host in hosts:
                with Minion(lab, host) as minion:
                    called(lab, host, *words)
                found.setdefault((what, host), []).append(minion)
    for what in DOES:
        cells = [
            f"{middle([each.seconds for each in found[what, host]])}, "
            f"{max(each.megabytes for each in found[what, host]):.0f} MB"
            for host in hosts
        ]
        print(f"| {what} | {' | '.join(cells)} |")
    idle = {}
    for beacon in (False, {"interval": EVERY}):
        pillar = json.dumps({"gluster_one": {"beacon": beacon}})
        called(lab, "*", "state.apply", "gluster_one.beacon", f"pillar={pillar}")
        time.sleep(10)
        minions = {host: Minion(lab, host) for host in hosts}
        with contextlib.ExitStack() as stack:
            for minion in minions.values():
                stack.enter_context(minion)
            time.sleep(IDLE)
        idle[bool(beacon)] = {host: minion.seconds for host, minion in minions.items()}
    looks = [f"{1000 * (idle[True][host] - idle[False][host]) * EVERY / IDLE:.0f} ms" for host in hosts]
    print(f"| a look of the beacon, of {IDLE // EVERY} | {' | '.join(looks)} |")
    print(f"| {IDLE} s without a beacon | {' | '.join(f'{idle[False][host]:.2f} s' for host in hosts)} |")


# On a hypervisor that is new: what is applied to it, one after the other, as the second one sees it.
STEPS = {
    "five `test.nop`": "nothing",
    "`gluster_one.pillar`, the first time: it syncs the modules": "gluster_one.pillar",
    "`gluster_one.pillar` again: it renders": "gluster_one.pillar",
    "`gluster_one`, the first time": "gluster_one",
    "`gluster_one` again": "gluster_one",
}


def one_more(lab):
    """The first run of a hypervisor that joins a fleet which runs, beside its second one, taken apart."""
    found = {}
    for number in range(4, 4 + MORE):
        host = f"kvm{number}"
        lab.up(hosts=number)
        for what, sls in STEPS.items():
            before, begin = parts(lab), time.monotonic()
            (states,) = lab.call(host, "state.apply", sls).values()
            seconds, after = time.monotonic() - begin, parts(lab)
            if not isinstance(states, dict) or not all(state["result"] for state in states.values()):
                raise LabError(f"{host}, {sls}: {states}")
            mount = sum(state["duration"] for name, state in states.items() if "gluster_one_mount" in name) / 1000
            others = sum(state["duration"] for state in states.values()) / 1000 - mount
            took = {"all": seconds, "mount": mount, "other": others}
            found.setdefault(what, []).append({**took, **{part: after[part] - before[part] for part in after}})
    print(f"\nOne more hypervisor on a fleet that runs, median of {MORE}\n")
    print("| | time | of it the mount's state | all other states | processor: minions | other | master |")
    print("|---|---|---|---|---|---|---|")
    for what, rows in found.items():
        keys = ("all", "mount", "other", "minions", "else", "master")
        cells = [f"{statistics.median(row[key] for row in rows):.2f} s" for key in keys]
        print(f"| {what} | {' | '.join(cells)} |")


def against_ansible(lab, folder):
    """The guide's three options on ten volumes, then nothing to do, by either."""
    program = folder / "ansible-playbook"
    reset = "".join(f"gluster --mode=script volume reset {volume} >/dev/null\n" for volume in VOLUMES)
    found = {}
    for _ in range(max(3, PAIRS // 3)):
        for who, work in (
            ("Ansible", lambda changed: play(lab, program, changed)),
            ("this formula's state", lambda changed: salt(lab, "kvm1", "bench", changed)),
        ):
            sh(lab, reset)
            for changed in (True, False):
                sh(lab, f"rm -f {STARTED}; touch {STARTED}")
                seconds = work(changed)
                started = int(sh(lab, f"wc -l <{STARTED}"))
                found.setdefault((who, changed), []).append((seconds, started))
    print(f"\nThree options on each of {len(VOLUMES)} volumes, median and range\n")
    print("| | to do | `gluster` processes | time |\n|---|---|---|---|")
    for (who, changed), runs in found.items():
        seconds, started = zip(*runs)
        numbers = ", ".join(sorted({str(number) for number in started}))
        print(f"| {who} | {'all' if changed else 'nothing'} | {numbers} | {middle(seconds)} |")


def main():
    """All tables; returns the exit status."""
    folder = ansible()
    lab = Lab(f"bench-{default_name()[-6:]}", quiet=True)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        lab.down()
        lab.up()
        for host in lab.hosts:
            for program in Path("/").glob(GSYNCD):  # with which each `gluster` process takes as long as elsewhere
                shutil.copy2(program, lab.root(host) / program.relative_to("/"))
        for name, text in (("nothing", NOP), ("bench", SLS)):
            (lab.state / "salt" / f"{name}.sls").write_text(text)
        (lab.root("kvm1") / "srv/bench.yml").write_text(PLAYBOOK)
        salt(lab, "*", "gluster_one", True)
        against_nothing(lab)
        what_a_minion_pays(lab)
        one_more(lab)
        for volume in VOLUMES:
            bricks = " ".join(f"kvm{number}:/data/{volume}" for number in (1, 2, 3))
            gluster = "gluster --mode=script volume"
            sh(lab, f"{gluster} create {volume} replica 3 {bricks} force && {gluster} start {volume}")
        (lab.root("kvm1") / "srv/wrapper").write_text(WRAPPER)
        sh(lab, "mv /usr/sbin/gluster /usr/sbin/gluster.real; install -m 755 /srv/wrapper /usr/sbin/gluster")
        against_ansible(lab, folder)
        return 0
    except LabError as error:
        print(f"not measured: {error}", file=sys.stderr)
        return 1
    finally:
        lab.down()


if __name__ == "__main__":
    sys.exit(main())
