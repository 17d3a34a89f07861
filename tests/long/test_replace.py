"""A disk, a server, another server in its place, and one that leaves: nobody who writes or reads notices."""

import signal
import subprocess
import time

import pytest

from lab.system import wait_for
from tests.fleet.fleet import HYPERVISORS, KILL_MINION, changed, orchestration
from tests.fleet.load import Load
from tests.fleet.replacement import BRICK, LOST, down, replaced_disk, same_files, unnoticed

# All that a reinstallation takes away of Gluster; the host itself goes on, with those who write on it.
REINSTALLED = """
systemctl stop glusterd; pkill -9 -x glusterfsd || true; pkill -9 -f '[g]lustershd' || true; sleep 1
find /var/lib/glusterd -mindepth 1 ! -path '*/groups*' ! -path '*/hooks*' -delete
find /data -mindepth 1 -delete; rm -f /var/lib/gluster_one/record.json; systemctl reset-failed glusterd
"""
START = "systemctl start glusterd"


def pillar(*servers):
    volume = {"servers": list(servers), "group": "virt", "options": {"network.ping-timeout": 10}}
    return changed(volume=volume)


@pytest.fixture(scope="module")
def fleet(_fleet):
    """A fleet with files on its volume, and kvm4, whose disk is mounted and who is no server."""
    _fleet.new(hosts=4)
    _fleet.stage = "used"
    _fleet.sh("kvm4", "mkdir -p /data; mount -t tmpfs -o mode=755,size=2g data /data")
    with _fleet.pillar(pillar(*HYPERVISORS)):
        assert _fleet.apply().failures == {}
        script = "mkdir d; for n in $(seq 100); do head -c 200000 /dev/urandom >d/$n; done"
        _fleet.sh("head", f"cd /var/lib/gluster_one/one_vol; {script}")
        _fleet.healed()
        yield _fleet


def killed(fleet, words, host, moment, name="replace", by=signal.SIGKILL):
    """The orchestration, by a signal, and the minion of a host end at a moment: a condition on the host."""
    run = fleet.lab.salt_command("salt-run", *orchestration(name, words))
    process = subprocess.Popen(run, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(
            f"{moment} on {host}", lambda: fleet.lab.exec(host, "sh", "-c", moment).returncode == 0, 120, every=0.2
        )
    finally:
        process.send_signal(by)
        process.wait(60)
    fleet.sh(host, KILL_MINION)
    fleet.lab.wait_for_minions(fleet.lab.hosts)
    idle = lambda: not any(fleet.lab.call("*", "saltutil.is_running", "state.*").values())  # noqa: E731
    wait_for("the end of what it had begun", idle, 120, every=1)


def well(fleet, kinds=()):
    # What was written last may be on its way, or wait for the daemon's next round, ten minutes from the one before.
    begin = ("gluster", "--mode=script", "volume", "heal", "one_vol")
    wait_for("a round of all daemons", lambda: fleet.lab.exec("kvm1", *begin).returncode == 0, 60, every=1)
    fleet.wait_healed()
    status, found = fleet.runner("gluster_one.status")
    assert {finding["kind"] for finding in found["findings"]} <= set(kinds), found["findings"]
    assert (found["volumes"]["one_vol"]["bricks"], found["volumes"]["one_vol"]["heal"]) == ([3, 3], 0)


def refused(fleet, words, text):
    before = fleet.sh("kvm1", "gluster volume info; gluster peer status")
    code, steps, said = fleet.orchestrate("replace", words)
    assert code != 0 and steps == {} and text in said, said
    assert fleet.sh("kvm1", "gluster volume info; gluster peer status") == before


@pytest.mark.timeout(900)
@pytest.mark.parametrize("moment", [None, f"test -d {BRICK}"])
def test_a_disk(fleet, moment):
    if moment:
        words, load = {"brick": f"kvm3:{BRICK}"}, Load(fleet)
        fleet.sh("kvm3", LOST)
        down(fleet)
        killed(fleet, words, "kvm3", moment)
        code, _, said = fleet.orchestrate("replace", words)
        assert code == 0, said
        unnoticed(load)
    else:
        words = replaced_disk(fleet)
    code, steps, said = fleet.orchestrate("replace", words)
    assert (code, steps) == (0, {}), said
    same_files(fleet, "kvm1", "kvm2", "kvm3")
    well(fleet)


@pytest.mark.timeout(900)
def test_nothing_begins_without_the_others(fleet):
    """A second brick is down; changes that kvm2 lacks wait to be healed."""
    words = {"brick": f"kvm3:{BRICK}"}
    volume = "gluster --mode=script volume"
    fleet.sh("kvm2", "pkill -9 -o -x glusterfsd")
    down(fleet, "kvm2")
    refused(fleet, words, "without what is to be replaced volume one_vol has 1 of these bricks online, and needs 2")
    fleet.sh("head", "echo late >/var/lib/gluster_one/one_vol/late")
    late = f"{volume} set one_vol cluster.self-heal-daemon off; {volume} start one_vol force"
    fleet.sh("kvm2", late)
    refused(fleet, words, "that others than what is to be replaced lack: wait until")
    fleet.sh("kvm2", f"{volume} set one_vol cluster.self-heal-daemon on")
    fleet.healed()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("moment", [None, "grep -q 3 /var/lib/glusterd/peers/*", "test -d /data/one_vol"])
def test_a_server_that_was_reinstalled(fleet, moment):
    words = {"old": "kvm3", "new": "kvm3"}
    load = Load(fleet)
    fleet.sh("kvm3", REINSTALLED + START, check=False)
    down(fleet)
    time.sleep(5)
    if moment:
        killed(fleet, words, "kvm3", moment)
    else:
        run = fleet.apply(on=["kvm3"])
        assert "docs/replace.md" in str(run.own_failures)
        _, predicted, _ = fleet.orchestrate("replace", words, test=True)
    code, steps, said = fleet.orchestrate("replace", words)
    assert code == 0, said
    assert moment or steps == predicted
    unnoticed(load)
    assert fleet.orchestrate("replace", words)[:2] == (0, {})
    same_files(fleet, "kvm1", "kvm2", "kvm3")
    assert fleet.apply(on=["kvm3"]).failures == {}
    well(fleet)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("moment", [None, "grep -q 3 /var/lib/glusterd/peers/*", "test -d /data/one_vol"])
def test_another_server_and_back(fleet, moment):
    """kvm3 is lost, and kvm4 takes its place; then kvm4 leaves, and kvm3, by now a new server, takes over."""
    load = Load(fleet)
    fleet.sh("kvm3", REINSTALLED)
    with fleet.pillar(pillar("kvm1", "kvm2", "kvm4")):
        replaced(fleet, {"old": "kvm3", "new": "kvm4"}, "kvm4", moment)
        unnoticed(load)
        same_files(fleet, "kvm1", "kvm2", "kvm4")
        assert fleet.apply().failures == {}
        well(fleet, kinds=["mount_options", "client_options"])
        load = Load(fleet)
    replaced(fleet, {"leave": "kvm4", "to": "kvm3"}, "kvm3", moment)
    unnoticed(load)
    same_files(fleet, "kvm1", "kvm2", "kvm3")
    assert fleet.apply().failures == {}
    well(fleet, kinds=["mount_options", "client_options"])
    fleet.sh("kvm4", REINSTALLED)


def replaced(fleet, words, host, moment):
    if moment:
        killed(fleet, words, host, moment)
    else:
        _, predicted, _ = fleet.orchestrate("replace", words, test=True)
    code, steps, said = fleet.orchestrate("replace", words)
    assert code == 0, said
    assert moment or steps == predicted
    assert fleet.orchestrate("replace", words)[:2] == (0, {})


@pytest.mark.timeout(300)
def test_a_server_stays_in_the_pool_for_those_that_name_it(fleet):
    """kvm1 is GLUSTER_HOST of the datastore."""
    refuse = "datastore glusterds has it as GLUSTER_HOST (kvm1:24007)"
    with fleet.pillar(pillar("kvm4", "kvm2", "kvm3")):
        assert refuse in fleet.orchestrate("replace", {"leave": "kvm1", "to": "kvm4"}, test=True)[2]
