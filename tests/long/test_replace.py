"""A disk, a server, another server in its place, and one that leaves: nobody who writes or reads notices."""

import json
import subprocess
import time

import pytest

from lab.system import wait_for
from tests.fleet.fleet import HYPERVISORS, changed
from tests.fleet.load import Load

BRICK = "/data/one_vol"
REPLACE = ("state.orchestrate", "gluster_one.orchestrate.replace")
LOST = f"pkill -9 -o -x glusterfsd; sleep 1; find {BRICK} -delete"
# All that a reinstallation takes away of Gluster; the host itself goes on, with those who write on it.
REINSTALLED = """
systemctl stop glusterd; pkill -9 -x glusterfsd; pkill -9 -f '[g]lustershd'; sleep 1
find /var/lib/glusterd -mindepth 1 ! -path '*/groups*' ! -path '*/hooks*' -delete
find /data -mindepth 1 -delete; rm -f /var/lib/gluster_one/record.json; systemctl reset-failed glusterd
"""
START = "systemctl start glusterd"
FILES = f"cd {BRICK} && find . -path ./.glusterfs -prune -o -type f -print0 | sort -z | xargs -0 -r sha256sum"
KILL = "systemctl kill -s KILL salt-minion; systemctl restart salt-minion"


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


def command(words, test=False, orchestration=REPLACE):
    return ("--out=json", *orchestration, f"pillar={json.dumps(words)}", *(["test=True"] if test else []))


def carried_out(fleet, words, test=False, orchestration=REPLACE):
    """(exit status, {step: {minion: {state: changes}}}, all that was said) of the orchestration."""
    done = fleet.lab.run(*command(words, test, orchestration))
    answer = json.loads(done.stdout[done.stdout.index("{") :])
    (states,) = answer["data"].values()
    steps = {}
    for key, state in states.items():
        for minion, own in state["changes"].get("ret", {}).items():
            changes = {name.split("_|-")[1]: each["changes"] for name, each in own.items() if each["changes"]}
            if changes:
                steps.setdefault(key.split("_|-")[1], {})[minion] = changes
    return done.returncode, steps, done.stdout + done.stderr


def killed(fleet, words, host, moment):
    """The orchestration and the minion of a host end at a moment: a condition on the host."""
    process = subprocess.Popen(fleet.lab.salt_command("salt-run", *command(words)), stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        wait_for(
            f"{moment} on {host}", lambda: fleet.lab.exec(host, "sh", "-c", moment).returncode == 0, 120, every=0.2
        )
    finally:
        process.kill()
        process.wait()
    fleet.sh(host, KILL)
    fleet.lab.wait_for_minions(fleet.lab.hosts)
    idle = lambda: not any(fleet.lab.call("*", "saltutil.is_running", "state.*").values())  # noqa: E731
    wait_for("the end of what it had begun", idle, 120, every=1)


def same_files(fleet, *hosts):
    """Each brick has the same files, and there are some."""
    found = fleet.everywhere(lambda host: fleet.sh(host, FILES), hosts)
    assert len(set(found.values())) == 1 and found[hosts[0]].count("\n") > 100, {h: len(t) for h, t in found.items()}


def unnoticed(load):
    felt = load.end()
    assert all(longest < 15 and not error and number > 20 for number, longest, error in felt.values()), felt


def well(fleet, kinds=()):
    nothing = {"pending": 0, "split_brain": 0}  # what was written last may be on its way
    wait_for("no file to heal", lambda: fleet.heal_counts() == nothing, 60, every=1)
    status, found = fleet.runner("gluster_one.status")
    assert {finding["kind"] for finding in found["findings"]} <= set(kinds), found["findings"]
    assert (found["volumes"]["one_vol"]["bricks"], found["volumes"]["one_vol"]["heal"]) == ([3, 3], 0)


def refused(fleet, words, text):
    before = fleet.sh("kvm1", "gluster volume info; gluster peer status")
    code, steps, said = carried_out(fleet, words)
    assert code != 0 and steps == {} and text in said, said
    assert fleet.sh("kvm1", "gluster volume info; gluster peer status") == before


def down(fleet, brick="kvm3"):
    """One whose server is no member is not listed."""
    look = f"! gluster --mode=script volume status one_vol | grep '^Brick {brick}:' | grep -q ' Y '"
    wait_for(f"the end of the brick on {brick}", lambda: fleet.lab.exec("kvm1", "sh", "-c", look).returncode == 0, 60)


@pytest.mark.timeout(900)
def test_a_disk(fleet):
    words = {"brick": f"kvm3:{BRICK}"}
    load = Load(fleet)
    fleet.sh("kvm3", LOST)
    down(fleet)
    _, predicted, _ = carried_out(fleet, words, test=True)
    code, steps, said = carried_out(fleet, words)
    assert code == 0, said
    change = {f"kvm3:{BRICK}": {"old": "lost", "new": "a brick of volume one_vol"}}
    assert steps == predicted == {"brick on kvm3": {"kvm3": {f"gluster_one_replace_kvm3:{BRICK}": change}}}
    unnoticed(load)
    code, steps, said = carried_out(fleet, words)
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
        _, predicted, _ = carried_out(fleet, words, test=True)
    code, steps, said = carried_out(fleet, words)
    assert code == 0, said
    assert moment or steps == predicted
    unnoticed(load)
    assert carried_out(fleet, words)[:2] == (0, {})
    same_files(fleet, "kvm1", "kvm2", "kvm3")
    assert fleet.apply(on=["kvm3"]).failures == {}
    well(fleet)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("moment", [None, "grep -q 3 /var/lib/glusterd/peers/*", "test -d /data/one_vol"])
def test_another_server_and_back(fleet, moment):
    """kvm3 is lost, and kvm4 takes its place; then kvm4 leaves, and kvm3, by now a new server, takes over."""
    load = Load(fleet)
    fleet.sh("kvm3", REINSTALLED, check=False)
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
    fleet.sh("kvm4", REINSTALLED, check=False)


def replaced(fleet, words, host, moment):
    if moment:
        killed(fleet, words, host, moment)
    else:
        _, predicted, _ = carried_out(fleet, words, test=True)
    code, steps, said = carried_out(fleet, words)
    assert code == 0, said
    assert moment or steps == predicted
    assert carried_out(fleet, words)[:2] == (0, {})


@pytest.mark.timeout(300)
def test_a_server_stays_in_the_pool_for_those_that_name_it(fleet):
    """kvm1 is GLUSTER_HOST of the datastore."""
    refuse = "datastore glusterds has it as GLUSTER_HOST (kvm1:24007)"
    with fleet.pillar(pillar("kvm4", "kvm2", "kvm3")):
        assert refuse in carried_out(fleet, {"leave": "kvm1", "to": "kvm4"}, test=True)[2]
