"""
A rollout that is stopped: by each kind of failure in its middle, by a kill at a random moment. The next one goes on.

`KILLS=10 SEED=7 make test-long ARGS="-k test_rollout_stops"` kills ten times; the seed says what and when.
"""

import os
import random
import subprocess
import time

import pytest

from lab.fleet import CHECKOUT
from lab.system import wait_for
from tests.fleet.fleet import HYPERVISORS, KILL_MINION, MOUNT, STORES, changed
from tests.fleet.load import Load

from .test_killed import SEED, THEIRS, doubled, running

ROLLOUT = ("state.orchestrate", "gluster_one.orchestrate.rollout")
# What is shown on kvm2 instead of the SLS of its step, once that is not a mere check.
SHADOWS = {
    "a False": "broken:\n  test.fail_without_changes: []\n",
    "an exception": "broken:\n  gluster_one.volume_configured:\n    - no_such_argument: 1\n",
    "a rendering error": "{{ 1 / 0 }}\n",
    "nothing": "{}\n",
    "no return": "{% do salt['cmd.run']('systemctl kill -s KILL salt-minion; sleep 9') %}\n",
}


def rollout(fleet):
    """The exit status of a rollout, its steps so far, and all that it says."""
    done = fleet.lab.run(*ROLLOUT)
    steps = [line[20:].split("  ")[0] for line in done.stderr.splitlines() if " of 13  " in line]
    return done.returncode, steps, done.stdout + done.stderr


@pytest.fixture
def shadow(clean):
    """shadow(text): the SLS glusterd is this on kvm2."""
    path = clean.lab.state / "salt/gluster_one/glusterd.sls"
    own = (CHECKOUT / "gluster_one/glusterd.sls").read_text()

    def set_up(text):
        path.parent.mkdir()
        only = "{%- if grains['id'] == 'kvm2' and not opts['test'] %}\n"
        path.write_text(f"{only}{text}{{%- else %}}\n{own}\n{{%- endif %}}\n")

    yield set_up
    path.unlink()
    path.parent.rmdir()


def after(fleet):
    """All that the steps after that of kvm2 could have changed."""
    return {
        "later servers": fleet.look("kvm3"),
        "head": fleet.look("head"),
        "mounts": fleet.everywhere(fleet.mounts),
        "fstab": fleet.everywhere(lambda host: fleet.sh(host, "cat /etc/fstab")),
        "glusterd": fleet.everywhere(lambda host: fleet.pids(host, "glusterd"), HYPERVISORS),
        "datastores": fleet.datastores(),
    }


@pytest.mark.parametrize("kind", SHADOWS)
def test_a_failure_in_the_middle_ends_it(clean, shadow, kind):
    before = after(clean)
    shadow(SHADOWS[kind])
    status, steps, said = rollout(clean)
    assert (status != 0, steps[-1]) == (True, "glusterd on kvm2"), said
    assert after(clean) == before
    for step in ("glusterd on kvm3", "head (head)", "hypervisors 1 of 1 (kvm1, kvm2, kvm3)"):
        # Not tried, and named.
        assert f"ID: {step}" in said
    clean.lab.wait_for_minions(clean.lab.hosts)


def test_a_node_that_is_at_something_else_is_waited_for(clean):
    """The last here on a clean fleet: it continues where the others were ended."""
    clean.lab.salt("--async", "kvm2", "state.single", "cmd.run", "name=sleep 20")
    begin = time.monotonic()
    status, steps, said = rollout(clean)
    clean.stage = "doubtful"
    assert (status, len(steps)) == (0, 13), said
    assert time.monotonic() - begin > 15
    assert clean.apply().changes == {}
    clean.stage = "converged"


KILLS = int(os.environ.get("KILLS", 1))
VICTIMS = ["runner", "minion", "master", "host"]
# Not quite as long as such a rollout takes.
LENGTH = 50


def starts(fleet, host):
    """How often glusterd was started on a host so far."""
    return int(fleet.sh(host, "journalctl -u glusterd -o cat --no-pager | grep -c '^Started '", check=False))


def kill(fleet, process, victim, host):
    if victim == "runner":
        process.kill()
    elif victim == "master":
        fleet.lab.restart_master()
    elif victim == "host":
        fleet.lab.reboot(host)
    else:
        fleet.sh(host, KILL_MINION)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("number", range(KILLS))
def test_killed_at_a_random_moment_the_next_goes_on(fleet, number):
    """Two servers' glusterds are to be restarted, an option and a datastore are new, hypervisors come one by one."""
    draw = random.Random(f"{SEED}, {number}")
    victim, moment = VICTIMS[number % len(VICTIMS)], draw.uniform(1, LENGTH)
    host = draw.choice(fleet.lab.hosts) if victim == "host" else draw.choice(HYPERVISORS)
    print(victim, host, f"{moment:.1f} s")
    due = ("kvm1", "kvm2")
    pillar = changed(
        volume={"options": {"network.ping-timeout": 20 + number}},
        datastores={f"new{each}": {} for each in range(number + 1)},
        rollout={"batch": 1},
    )
    assert fleet.apply("gluster_one.restart", on=HYPERVISORS).failures == {}  # what the first run has left
    fleet.everywhere(lambda host: fleet.sh(host, "touch /etc/glusterfs/glusterd.vol"), due)
    fleet.everywhere(lambda host: fleet.sh(host, f"test -e /data/theirs || {{ {THEIRS}; }}"))
    fleet.healed()
    before = fleet.everywhere(lambda host: starts(fleet, host), HYPERVISORS)
    load = Load(fleet)
    fleet.stage = "used"
    with fleet.pillar(pillar):
        command = fleet.lab.salt_command("salt-run", *ROLLOUT)
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            time.sleep(moment)
            kill(fleet, process, victim, host)
            fleet.lab.wait_for_minions(fleet.lab.hosts)
            wait_for("the end of all jobs", lambda: not running(fleet), 300, every=2)
            # A runner that has lost its master waits for ever.
            process.kill()
        status, _, said = rollout(fleet)
        assert status == 0, said
        run = fleet.apply()
        assert (run.failures, run.changes) == ({}, {})
    felt = load.end()
    gone = [job for job in felt if victim == "host" and job.split()[0] == host]
    assert {
        job: seen for job, seen in felt.items() if job not in gone and (seen[2] or seen[1] > 10 or seen[0] < 10)
    } == {}
    assert f"network.ping-timeout: {20 + number}" in fleet.sh("kvm3", "gluster --mode=script volume info one_vol")
    store = fleet.datastores()[f"new{number}"]["ID"]
    assert all(fleet.sh(each, f"readlink {STORES}/{store}").strip() == MOUNT for each in fleet.lab.hosts)
    assert doubled(fleet) == {}
    known = [each for each in HYPERVISORS if victim != "host" or each != host]
    more = {each: starts(fleet, each) - before[each] for each in known}
    assert more == {each: int(each in due) for each in known}
    set_again = [line for line in fleet.history() if f"ping-timeout {20 + number}" in line and "SUCCESS" in line]
    assert len(set_again) == 1, set_again
    fleet.stage = "converged"
