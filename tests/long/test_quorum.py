"""Restarts under load: whatever the unit does to the bricks, nobody loses a disk, and the volume keeps its size."""

import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab import build
from lab.system import LabError, wait_for
from tests.fleet.fleet import HYPERVISORS, KILL_MINION, MOUNT, changed
from tests.fleet.load import Load, unharmed

TOUCH = "touch /etc/glusterfs/glusterd.vol"
KILL_MODE = "systemctl show --value --property=KillMode glusterd"
NO_DROP_IN = "rm -f /etc/systemd/system/glusterd.service.d/gluster_one.conf; systemctl daemon-reload"
RESTARTED = "gluster_one_glusterd_restarted"


@pytest.fixture(scope="module")
def virt(_fleet):
    """A fleet with two replica sets, two bricks a host, and the quorum that VMs need."""
    fleet = _fleet
    fleet.new(bricks=2)
    fleet.stage = "used"
    with fleet.pillar(changed(volume={"group": "virt"}, timeout=60)):
        assert fleet.apply().failures == {}
        assert fleet.apply("gluster_one.restart", on=HYPERVISORS).failures == {}
        yield fleet


@pytest.fixture
def size(virt):
    """The volume's size, which must be the same after the test."""
    before = virt.sizes()["glusterds"], df(virt)
    yield before
    assert (virt.sizes()["glusterds"], df(virt)) == before


def df(fleet):
    return fleet.sh("head", f"df --output=size -m {MOUNT} | tail -n 1").strip()


def settled(fleet):
    seen = []

    def nothing():
        seen.append(fleet.lab.call("kvm1", "gluster_pool.unsettled_reason").get("kvm1", "no answer"))
        return seen[-1] is None

    try:
        wait_for("a settled pool", nothing, 120, every=1)
    except LabError as error:
        status = fleet.sh("kvm1", "gluster --mode=script volume status one_vol clients", check=False)
        raise AssertionError(f"{error} (last seen: {seen[-1]})\n{status}") from error


def restarts(run):
    """The servers whose glusterd a run has restarted."""
    return sorted(host for host, states in run.changes.items() if "glusterd" in states.get(RESTARTED, {}))


@pytest.mark.timeout(400)
@pytest.mark.parametrize("keep", [True, False], ids=["drop-in", "the unit as it is"])
def test_two_servers_at_once(virt, size, keep):
    virt.everywhere(lambda host: virt.sh(host, NO_DROP_IN), HYPERVISORS)
    virt.everywhere(lambda host: virt.sh(host, TOUCH), ["kvm1", "kvm2"])
    settled(virt)
    bricks = virt.bricks()
    load = Load(virt)
    with virt.pillar(changed(volume={"group": "virt"}, timeout=60, keep_bricks=keep)):
        run = virt.apply("gluster_one.restart", on=HYPERVISORS)
    assert unharmed(load) == {}
    assert run.failures == {}
    assert restarts(run) == ["kvm1", "kvm2"]
    modes = {virt.sh(host, KILL_MODE).strip() for host in HYPERVISORS}
    assert modes == ({"process"} if keep else {"control-group"})
    assert (virt.bricks() == bricks) is keep


@pytest.mark.timeout(400)
def test_every_brick(virt, size):
    """As after an option that bricks read at their start: six of them, one at a time, asked for everywhere at once."""
    settled(virt)
    bricks = virt.bricks()
    load = Load(virt)
    answers = virt.lab.call(
        "kvm*", "state.single", "gluster_one.bricks_restarted", "one_vol", "every=True", timeout=400
    )
    assert unharmed(load) == {}
    for host in HYPERVISORS:
        (state,) = answers[host].values()
        assert (state["result"], len(state["changes"])) == (True, 2), state
        assert not set(virt.bricks()[host]) & set(bricks[host])


@pytest.mark.timeout(400)
def test_options_in_the_same_run(virt, size):
    virt.everywhere(lambda host: virt.sh(host, TOUCH), HYPERVISORS)
    settled(virt)
    load = Load(virt)
    pillar = changed(volume={"group": "virt", "options": {"network.ping-timeout": 21}}, timeout=60)
    with virt.pillar(pillar), ThreadPoolExecutor() as pool:
        restart = pool.submit(virt.apply, "gluster_one.restart", ["kvm2", "kvm3"])
        time.sleep(1)  # in the midst of them
        options = virt.apply("gluster_one.volume", on=["kvm1"])
        runs = [restart.result(), options]
    assert unharmed(load) == {}
    assert [run.failures for run in runs] == [{}, {}]
    assert options.changes["kvm1"]["gluster_one_volume_one_vol"]["network.ping-timeout"]["new"] == "21"


@pytest.mark.timeout(400)
def test_the_orchestration_ends_at_the_first_that_may_not(virt):
    """A brick of kvm3's is down: kvm1 is not restarted, and nobody after it is tried."""
    settled(virt)
    virt.everywhere(lambda host: virt.sh(host, TOUCH), HYPERVISORS)
    daemons = virt.everywhere(lambda host: virt.pids(host, "glusterd"), HYPERVISORS)
    virt.sh("kvm3", "pkill -9 -f '[b]rick-name /data/one_vol '")
    with virt.pillar(changed(volume={"group": "virt"}, timeout=10)):
        done = virt.lab.run("state.orchestrate", "gluster_one.orchestrate.restart")
        virt.sh("kvm1", "gluster --mode=script volume start one_vol force")
        assert done.returncode != 0
        assert "glusterd was not restarted: the pool was not ready for it within 10 s" in done.stdout
        assert "kvm3:/data/one_vol down" in done.stdout
        assert virt.everywhere(lambda host: virt.pids(host, "glusterd"), HYPERVISORS) == daemons
        settled(virt)
        assert virt.lab.run("state.orchestrate", "gluster_one.orchestrate.restart").returncode == 0
    after = virt.everywhere(lambda host: virt.pids(host, "glusterd"), HYPERVISORS)
    assert all(after[host] != daemons[host] for host in HYPERVISORS)


# Killed


VICTIMS = ["minion", "state", "host"]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", range(6))
def test_killed_in_the_middle(virt, size, number):
    random.seed(number)
    victim, host, moment = VICTIMS[number % 3], random.choice(HYPERVISORS), random.uniform(2, 12)
    virt.everywhere(lambda each: virt.sh(each, TOUCH), HYPERVISORS)
    settled(virt)
    with ThreadPoolExecutor() as pool:
        # After 15 s the minions are asked whether the job still runs; one that was killed is not waited for.
        run = pool.submit(virt.lab.salt, "--static", "--timeout=15", "kvm*", "state.apply", "gluster_one.restart")
        time.sleep(moment)
        if victim == "host":
            virt.lab.power_off(host)
            build.start_host(virt.lab, host)
        elif victim == "minion":
            virt.sh(host, KILL_MINION)
        else:
            virt.lab.call(host, "saltutil.kill_all_jobs")
        run.result()
    virt.lab.wait_for_minions(list(HYPERVISORS))
    nothing_runs = lambda: virt.lab.call("kvm*", "saltutil.is_running", "state.*") == dict.fromkeys(HYPERVISORS, [])  # noqa: E731
    wait_for("the end of the runs", nothing_runs, 120, every=1)
    settled(virt)
    run = virt.apply("gluster_one.restart", on=HYPERVISORS)
    assert run.failures == {}, (victim, host, moment)
    assert virt.apply("gluster_one.restart", on=HYPERVISORS, test=True).changes == {}
    left = virt.everywhere(lambda each: virt.sh(each, "pgrep -fc '[g]luster_one/lock' || true").strip(), HYPERVISORS)
    assert set(left.values()) == {"0"}
    assert all(len(pids) == 2 for pids in virt.bricks().values())


# A shutdown


def test_bricks_end_with_a_host_that_goes_down(virt):
    """In time, while there is a network: clients that hear nothing wait for network.ping-timeout."""
    assert virt.sh("kvm3", KILL_MODE).strip() == "process"
    settled(virt)
    felt = Load(virt).without("kvm3")
    assert all(longest < 5 and not error for _, longest, error in felt.values()), felt
