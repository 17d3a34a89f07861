"""A disk is replaced, and nobody who writes or reads notices; nothing begins while the others are not well."""

import json

import pytest

from lab.system import wait_for
from tests.fleet.fleet import HYPERVISORS, changed
from tests.fleet.load import Load

BRICK = "/data/one_vol"
REPLACE = ("state.orchestrate", "gluster_one.orchestrate.replace")
LOST = f"pkill -9 -o -x glusterfsd; sleep 1; find {BRICK} -delete"
FILES = f"cd {BRICK} && find . -path ./.glusterfs -prune -o -type f -print0 | sort -z | xargs -0 -r sha256sum"


def pillar(*servers):
    volume = {"servers": list(servers), "group": "virt", "options": {"network.ping-timeout": 10}}
    return changed(volume=volume)


@pytest.fixture(scope="module")
def fleet(_fleet):
    """A fleet with files on its volume."""
    _fleet.new()
    _fleet.stage = "used"
    with _fleet.pillar(pillar(*HYPERVISORS)):
        assert _fleet.apply().failures == {}
        script = "mkdir d; for n in $(seq 100); do head -c 200000 /dev/urandom >d/$n; done"
        _fleet.sh("head", f"cd /var/lib/gluster_one/one_vol; {script}")
        _fleet.healed()
        yield _fleet


def command(words, test=False):
    return ("--out=json", *REPLACE, f"pillar={json.dumps(words)}", *(["test=True"] if test else []))


def carried_out(fleet, words, test=False):
    """(exit status, {step: {minion: {state: changes}}}, all that was said) of the orchestration."""
    done = fleet.lab.run(*command(words, test))
    answer = json.loads(done.stdout[done.stdout.index("{") :])
    (states,) = answer["data"].values()
    steps = {}
    for key, state in states.items():
        for minion, own in state["changes"].get("ret", {}).items():
            changes = {name.split("_|-")[1]: each["changes"] for name, each in own.items() if each["changes"]}
            if changes:
                steps.setdefault(key.split("_|-")[1], {})[minion] = changes
    return done.returncode, steps, done.stdout + done.stderr


def same_files(fleet, *hosts):
    """Each brick has the same files, and there are some."""
    found = fleet.everywhere(lambda host: fleet.sh(host, FILES), hosts)
    assert len(set(found.values())) == 1 and found[hosts[0]].count("\n") > 100, {h: len(t) for h, t in found.items()}


def unnoticed(load):
    felt = load.end()
    assert all(longest < 15 and not error and number > 20 for number, longest, error in felt.values()), felt


def well(fleet, kinds=()):
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
