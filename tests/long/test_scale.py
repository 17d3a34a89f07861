"""Many hosts and many volumes: what the status costs, and that it delays nothing else."""

import json
import re
import statistics
import time
from datetime import datetime

import pytest

from lab.taken import parts
from tests.fleet.fleet import changed, standard

from .test_cost import counting

VOLUME = "gluster --mode=script volume"


def seconds(command, *words):
    begin = time.monotonic()
    done = command(*words)
    return time.monotonic() - begin, done


@pytest.fixture
def say(capsys):
    """say(what, figure), on the terminal."""

    def write(what, figure):
        with capsys.disabled():
            print(f"\n{what:<44}{figure:>6}", end="")

    return write


def status_seconds(fleet, say):
    """(test.ping, status): the quicker of two each; nothing is found, and nobody is silent."""
    ping = min(seconds(fleet.lab.salt, "*", "test.ping")[0] for _ in range(2))
    looks = [seconds(fleet.runner, "gluster_one.status", "timeout=60") for _ in range(2)]
    for _, (status, data) in looks:
        assert (data["findings"], data["absent"], status) == ([], [], 0)
    say("test.ping", round(ping, 1))
    say("status", round(min(took for took, _ in looks), 1))
    return data


def rolled_out(fleet, *words):
    """
    A rollout over the fleet: its steps; what was changed, or would be, and by which step that says so first:
    {(minion, state): (step, keys)}; and when each step was said to begin, by the clock.
    """
    done = fleet.lab.run("--out=json", "state.orchestrate", "gluster_one.orchestrate.rollout", *words, timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr
    (ran,) = json.loads(done.stdout[done.stdout.index("{") :])["data"].values()
    steps = [state for key, state in ran.items() if key.endswith("_|-state")]
    steps.sort(key=lambda state: state["__run_num__"])
    changes = {}
    for step in steps[1:]:  # after the check, which is a test itself
        for minion, states in step["changes"].get("ret", {}).items():
            for state in states.values():
                if state["changes"]:
                    changes.setdefault((minion, state["__id__"]), (step["__id__"], sorted(state["changes"])))
    begun = re.findall(r"^(\d\d:\d\d:\d\d) +\d+ of \d+  (.*?)  \(", done.stderr, re.MULTILINE)
    return [step["__id__"] for step in steps], changes, [(step, clock(when)) for when, step in begun]


def clock(when):
    return datetime.strptime(when, "%H:%M:%S")


@pytest.mark.timeout(1800)
def test_a_rollout_over_twenty_hypervisors_is_as_planned(_fleet, say):
    _fleet.new(hosts=20)
    _fleet.stage = "used"
    _fleet.sh("kvm1", f"{VOLUME} set one_vol server.allow-insecure on")
    before = _fleet.look_all(reads=False)
    planned, foretold, _ = rolled_out(_fleet, "test=True")
    assert _fleet.look_all(reads=False) == before
    steps, changed_by, begun = rolled_out(_fleet)
    ended = clock(time.strftime("%H:%M:%S"))
    assert steps == planned == [step for step, _ in begun]
    assert changed_by == foretold
    run = _fleet.apply()
    assert (run.failures, run.changes) == ({}, {})
    for (step, begin), (_, end) in zip(begun, [*begun[1:], ("", ended)]):
        say(step[:40], (end - begin).seconds)


@pytest.fixture(scope="module")
def twenty(_fleet):
    _fleet.new(hosts=20)
    _fleet.stage = "used"
    with _fleet.pillar(changed(beacon={"interval": 1})):
        assert _fleet.apply().failures == {}
        yield _fleet


@pytest.mark.timeout(900)
def test_nobody_who_changes_a_volume_is_in_the_way_of_those_who_look(twenty, say):
    """Twenty nodes look each second, and the coordinator at all, while a hundred options are set by hand."""
    data = status_seconds(twenty, say)
    assert len(data["nodes"]) == 21
    script = (
        f"for n in $(seq 100); do {VOLUME} set one_vol user.n $n >/dev/null 2>&1 || echo failed; done; "
        "gluster volume info one_vol | grep user.n"
    )
    begin = time.monotonic()
    said = twenty.sh("kvm2", script, timeout=600)
    say("100 x volume set", round(time.monotonic() - begin))
    assert said == "user.n: 100\n"


NOTHING = "".join(f"nothing_{number}:\n  test.nop: []\n" for number in range(5))
# What is applied to all one after the other. The first of the formula's own SLS files syncs the modules.
STEPS = {
    "five test.nop, the first job": "nothing",
    "five test.nop": "nothing",
    "gluster_one.pillar: syncs the modules": "gluster_one.pillar",
    "gluster_one.pillar: renders": "gluster_one.pillar",
    "gluster_one, the first run": "gluster_one",
    "gluster_one, the second run": "gluster_one",
}


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("hosts", [20, 50])
def test_where_the_first_run_spends_its_time(_fleet, capsys, hosts):
    """By the minions' answers and the cgroups: seconds of the processor are those of all together."""
    fleet = _fleet
    fleet.new(hosts=hosts)
    fleet.stage = "used"
    (fleet.lab.state / "salt/nothing.sls").write_text(NOTHING)
    with capsys.disabled():
        columns = "first state after", "mounts", "other states", "minions", "other", "master"
        print(f"\n{hosts} hosts and the head{'':<18}  seconds  {'  '.join(columns)}")
    taken = {}
    for what, sls in STEPS.items():
        before, begin, clock = parts(fleet.lab), time.monotonic(), datetime.now()
        run = fleet.apply(sls)
        seconds, after = time.monotonic() - begin, parts(fleet.lab)
        assert (run.failures, len(run)) == ({}, hosts + 1)
        assert "second" not in what or run.changes == {}
        taken[what] = {part: after[part] - before[part] for part in after}
        spent = [spent_by_states(states, clock) for minion, states in run.items() if minion.startswith("kvm")]
        cells = [f"{statistics.median(each):.1f} ({max(each):.1f})" for each in zip(*spent)]
        cells += [f"{each:.0f}" for each in taken[what].values()]
        with capsys.disabled():
            widths = [len(column) for column in columns]
            print(f"{what:<38}  {seconds:>7.1f}  {'  '.join(map(str.ljust, cells, widths))}".rstrip())
    base = taken["five test.nop"]["minions"]
    # Before a name that is not there yet was not looked for, it was ten times as much to sync.
    most = {"gluster_one.pillar: syncs the modules": 6, "gluster_one, the second run": 4}
    for what, times in most.items():
        assert taken[what]["minions"] < times * base, what


def spent_by_states(states, clock):
    """Seconds from then until a minion's first state began, those of its mounts, those of its other states."""
    times = [datetime.strptime(state["start_time"], "%H:%M:%S.%f").time() for state in states.values()]
    before = min(datetime.combine(clock, when) for when in times) - clock
    mounts = sum(state["duration"] for name, state in states.items() if name.startswith("gluster_one_mount")) / 1000
    return before.total_seconds(), mounts, sum(state["duration"] for state in states.values()) / 1000 - mounts


@pytest.mark.timeout(3600)
def test_fifty_hosts_and_a_hundred_volumes(_fleet, say):
    fleet = _fleet
    fleet.new(hosts=50)
    fleet.stage = "used"
    names = [f"vol{number}" for number in range(2, 101)]
    # A brick holds 256 directories open, and a machine may allow a process no more than 20,000 files.
    fleet.sh("kvm1", f"{VOLUME} set all cluster.brick-multiplex on")
    fleet.sh("kvm1", f"{VOLUME} set all cluster.max-bricks-per-process 50")
    for name in names:
        fleet.sh("kvm1", f"{VOLUME} create {name} kvm1:/data/{name} force && {VOLUME} start {name}", timeout=120)
    # The hundred are the servers' alone: five thousand mounts would be too much for one machine.
    servers = standard()
    servers["gluster_one"]["roles"] = ["server"]
    servers["gluster_one"]["volumes"].update({name: {"servers": ["kvm1"]} for name in names})
    top = {"base": {"*": ["gluster_one"], "head*": ["gluster_one_head"], "kvm[123]": ["servers"]}}
    with fleet.pillar(top=top, servers=servers):
        took, run = seconds(fleet.apply)
        assert run.failures == {}
        say("state.apply gluster_one", round(took))
        data = status_seconds(fleet, say)
        with counting(fleet, ["head", "kvm1", "kvm2", "kvm3", "kvm50"]) as started:
            fleet.lab.run("gluster_one.status", "timeout=60")
            commands = {
                host: [line for line in lines if line.startswith("gluster ")] for host, lines in started().items()
            }
    assert (len(data["nodes"]), len(data["volumes"])) == (51, 100)
    assert {host for host, lines in commands.items() if lines} == {"kvm1"}
    assert not any(re.search(r"status|heal", line) for host in ("kvm2", "kvm50") for line in commands[host])
