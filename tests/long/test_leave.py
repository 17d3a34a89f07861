"""Leave, apply, leave: what is used stays, and what is left of the fleet is the same after each pair."""

import json

import pytest

from tests.fleet.fleet import HYPERVISORS, MOUNT, NATIVE, STORES, changed
from tests.fleet.machine import create, disk, file_disk, make_counting

LEAVE = ("state.orchestrate", "gluster_one.orchestrate.leave")
DELETE = "pillar={gluster_one_delete_datastores: true}"
PILLAR = changed(beacon={"interval": 600}, volume={"options": {"network.ping-timeout": 10}})
PLACES = ("etc/salt/minion.d", "etc/fstab", "etc/glusterfs", "etc/systemd/system", "var/lib/one", "var/lib/gluster_one")


def outside(fleet):
    """What somebody sees who knows nothing of the formula."""
    shown = {}
    for host in fleet.lab.hosts:
        clients = [argv for argv in fleet.processes(host).values() if argv[0].endswith("glusterfs") and MOUNT in argv]
        units = fleet.sh(host, "systemctl list-units --all --plain --no-legend '*gluster*one*' '*gluster-one*'")
        shown[host] = fleet.tree(host, *PLACES), fleet.mounts(host), clients, units
        shown[host] += ([fleet.pids(host, program) for program in ("glusterd", "glusterfsd")],)
    volume = fleet.sh("kvm3", "gluster --mode=script volume info one_vol").splitlines()
    shown["volume"] = sorted(volume)  # options stand in the order in which Gluster happens to have them
    shown["on it"] = fleet.sh("kvm3", "mount -t glusterfs kvm1:/one_vol /mnt; ls -A /mnt; umount /mnt").split()
    shown["datastores"] = fleet.datastores()
    return shown


def leave(fleet, *words):
    """(exit status, {minion: {state: its changes}} of the last step that it had a part in, all text)."""
    done = fleet.lab.run("--out=json", *LEAVE, *words)
    text = done.stdout + done.stderr
    made = {}
    for states in json.loads(done.stdout[done.stdout.index("{") :])["data"].values():
        for step, state in states.items():
            answers = state["changes"].get("ret", {}) if "check" not in step.split("_|-")[1] else {}
            for minion, ran in answers.items():
                changes = {key.split("_|-")[1]: each["changes"] for key, each in ran.items() if each["changes"]}
                made.setdefault(minion, {}).update(changes)
    return done.returncode, {minion: states for minion, states in made.items() if states}, text


@pytest.fixture(scope="module")
def left(fleet_of_module):
    """The fleet before, and with a pillar that has more than the standard one."""
    with fleet_of_module.pillar(PILLAR):
        run = fleet_of_module.apply()
        assert not run.failures, run.failures
        fleet_of_module.stage = "used"
        yield fleet_of_module


def test_an_image_keeps_the_whole_fleet(left):
    number = left.datastores()["glusterds"]["ID"]
    template = "NAME=kept\nTYPE=DATABLOCK\nSIZE=1\n"
    image = left.oned("one.image.allocate", template, number)
    before = outside(left)
    status, made, text = leave(left, DELETE)
    assert (status != 0, made) == (True, {}) and "Datastore glusterds: it is not empty: 1 image (kept)" in text
    assert outside(left) == before
    left.oned("one.image.delete", image)


def test_an_empty_datastore_is_deleted_only_where_that_is_asked_for(left):
    before = outside(left)
    status, made, text = leave(left)
    assert (status != 0, made) == (True, {}) and "it is empty and still in OpenNebula" in text
    assert outside(left) == before


def test_an_open_file_keeps_its_node_and_the_fleet(left):
    before = outside(left)
    left.sh("kvm2", f"exec 9>{MOUNT}/open; setsid sleep 300 >/dev/null 2>&1 & echo $! >/run/holder")
    try:
        run = left.apply("gluster_one.absent", on=["kvm2"])
        assert set(run.changes) == set() and "is used by sleep (" in run.own_failures["kvm2"]["gluster_one_unused"]
        status, made, text = leave(left, DELETE)
        assert (status != 0, made) == (True, {}) and "is used by sleep (" in text
    finally:
        left.sh("kvm2", f"kill $(cat /run/holder); rm {MOUNT}/open")
    assert outside(left) == before


@pytest.fixture
def image(left):
    """The boot disk of a machine, which nobody has open on a mount; a disk of kvm2's own for the other machine."""
    make_counting(left, "head", f"{MOUNT}/counting")
    left.sh("kvm2", "truncate -s 1M /var/tmp/own; chown oneadmin: /var/tmp/own")
    yield "counting"
    left.sh("head", f"rm {MOUNT}/counting")


@pytest.mark.skipif(not NATIVE, reason="QEMU has no driver for gluster://")
@pytest.mark.parametrize("attached", [False, True], ids=["from its start", "attached later"])
def test_a_vm_over_gluster_keeps_its_node_and_the_fleet(left, image, attached):
    """QEMU has its disk open over gluster://, and no file of the mount."""
    if attached:
        done = create(left, "one-7", file_disk("/var/tmp/own", target="sdb"))
        left.lab.exec("kvm2", "tee", "/run/disk.xml", input=disk(image), check=True)
        done = done if done.returncode else left.lab.exec("kvm2", "virsh", "attach-device", "one-7", "/run/disk.xml")
    else:
        done = create(left, "one-7", disk(image))
    try:
        assert done.returncode == 0, done.stderr
        before = outside(left)
        pid = left.sh("kvm2", "pidof qemu-system-x86_64").strip()
        assert f"one_vol/{image}" in left.sh("kvm2", "virsh domblklist one-7")
        assert MOUNT not in left.sh("kvm2", f"ls -l /proc/{pid}/fd")
        by = f"is used by VM one-7 ({pid}), over gluster://"
        for test in (True, False):
            run = left.apply("gluster_one.absent", on=["kvm2"], test=test)
            assert set(run.changes) == set() and by in run.own_failures["kvm2"]["gluster_one_unused"]
        status, made, text = leave(left, DELETE)
        assert (status != 0, made) == (True, {}) and by in text
        assert outside(left) == before
    finally:
        left.lab.exec("kvm2", "virsh", "destroy", "one-7")
    assert left.apply("gluster_one.absent", on=["kvm2"], test=True).failures == {}


def test_one_node_leaves_and_comes_back(left):
    before = outside(left)
    foretold = left.apply("gluster_one.absent", on=["kvm2"], test=True)
    run = left.apply("gluster_one.absent", on=["kvm2"])
    assert (run.failures, run.changes) == ({}, foretold.changes)
    assert (left.mounts("kvm2"), left.tree("kvm2", "var/lib/gluster_one")) == ({}, {})
    assert left.apply("gluster_one.absent", on=["kvm2"]).changes == {}
    assert left.apply(on=["kvm2"]).failures == {}
    after = outside(left)
    client = after["kvm2"][2]
    assert len(client) == 1 and after["volume"] == before["volume"]
    assert left.apply().changes == {}


@pytest.mark.timeout(900)  # it asks all nodes some thirty times
def test_the_fleet_leaves_and_what_is_left_is_the_same_each_time(left):
    seen = []
    for _ in range(2):
        before = outside(left)
        status, foretold, text = leave(left, DELETE, "test=True")
        assert status == 0, text
        assert outside(left) == before, "test=True has changed something"
        status, made, text = leave(left, DELETE)
        assert status == 0, text
        assert made == foretold and set(made) == set(left.lab.hosts)
        seen.append(outside(left))
        assert leave(left, DELETE)[:2] == (0, {})
        assert outside(left) == seen[-1]
        for host in left.lab.hosts:
            assert left.mounts(host) == {} and left.tree(host, "var/lib/gluster_one") == {}
            assert not [path for path in left.tree(host, STORES[1:]) if path[-3:].isdecimal()]
        assert (
            left.datastores().keys() & {"glusterds", "gluster_system"} == set()
            and ".gluster_one" not in seen[-1]["on it"]
        )
        run = left.apply()
        assert not run.failures, run.failures
    assert seen[0] == seen[1]
    assert "before" in seen[0]["on it"], "what was on the volume is"
    assert {line for line in seen[0]["volume"] if "ping-timeout" in line or "owner" in line} == set()
    assert all(left.bricks()[host] for host in HYPERVISORS)
