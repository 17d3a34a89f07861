"""Each fault is injected while records are written and an image is read: what the policy says is what happens."""

import json
import time
from pathlib import Path

import pytest

from lab.system import wait_for
from tests.fleet.faults import CLIENT, FAULTS, HEALED, LINES, MOUNTED, Scene, cured, first_line, settled, suffer
from tests.fleet.fleet import HYPERVISORS, changed
from tests.fleet.watch import INTERVAL, OTHER

from .conftest import ROWS


@pytest.mark.timeout(600)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_fault(fleet, events, load, request, fault):
    settled(fleet)
    line = cured(fleet, events, fault) if fault.policy == HEALED else None
    *row, seen = suffer(fleet, events, load, fault, lambda: first_line(fleet, fault))
    request.config.stash[ROWS].append((*row, line or seen))


def test_the_status_has_a_line_for_each_fault_but_one():
    """A node that is rebooted may be back before a status has ended."""
    assert {fault.name for fault in FAULTS} - set(LINES) == {"a node rebooted"}
    assert set(LINES) < {fault.name for fault in FAULTS}


# What any minion may send: the first is a storm, the last a whole event of its own making.
HOSTILE = [
    "*",
    "kvm1,kvm3",
    "$(touch /tmp/hostile)",
    "{{ salt['cmd.run']('touch /tmp/hostile') }}",
    "x\n- cmd.run: touch /tmp/hostile",
    "../../../../tmp/hostile",
    "kvm3",
    {"a": ["list"]},
    None,
    "k" * 1_000_000,
]
FORGE = """
import json, sys, salt.config, salt.utils.event
tag = "salt/beacon/kvm3/gluster_one/changed"
with salt.utils.event.MinionEvent(salt.config.minion_config("/etc/salt/minion"), listen=False) as bus:
    for identities in json.load(sys.stdin):
        events = []
        for identity in identities:
            data = {"id": identity, "found": [{"kind": "mount_dead", "on": identity}], "data": {"id": identity}}
            events.append({"tag": tag, "data": data})
        bus.fire_event({"data": data, "tag": tag, "events": None, "pretag": None}, "fire_master")
        bus.fire_event({"data": {}, "tag": "x", "events": events, "pretag": None}, "fire_master")
"""


def test_an_event_with_hostile_data_does_nothing(fleet, events, load):
    settled(fleet)
    begin = time.time()
    python = f"{fleet.lab.venv_in('kvm2')}/bin/python"
    fleet.lab.exec("kvm2", python, "-c", FORGE, input=json.dumps([[each] for each in HOSTILE]), check=True, timeout=120)
    time.sleep(10)
    heard = [event for event in events.since(begin) if event[1] == "salt/beacon/kvm3/gluster_one/changed"]
    assert len(heard) >= 2 * len(HOSTILE) - 2  # the big ones may be refused on their way
    assert events.jobs(begin) == {}
    for host in fleet.lab.hosts:
        assert fleet.sh(host, "ls /tmp").find("hostile") == -1
    assert not Path("/tmp/hostile").exists()


def test_a_storm_of_events_starts_one_job(fleet, events, load):
    settled(fleet)
    begin = time.time()
    fleet.sh("kvm2", CLIENT)
    forged = json.dumps([["kvm2"] * 500] * 2)
    python = f"{fleet.lab.venv_in('kvm3')}/bin/python"
    fleet.lab.exec("kvm3", python, "-c", FORGE, input=forged, check=True, timeout=120)
    wait_for("it is repaired", lambda: Scene(fleet, events, "kvm2").run(MOUNTED), 60)
    settled(fleet)
    assert {minion: len(jobs) for minion, jobs in events.jobs(begin).items()} == {"kvm2": 1}


def test_two_masters_hear_of_it_and_nothing_is_done_twice(fleet, events, load):
    """The second knows what the minion reports, and has a memory and locks of its own."""
    settled(fleet)
    lab, begin = fleet.lab, time.time()
    other = lab.state / "other"
    (other / "cache/proc").mkdir(parents=True)
    (other / "cache/minions").symlink_to(lab.state / "cache/minions")
    text = (lab.master_dir / "master").read_text()
    (other / "master").write_text(text.replace(f"cachedir: {lab.state}/cache", f"cachedir: {other}/cache"))
    fleet.sh("kvm2", CLIENT)
    wait_for("the event", lambda: events.noticed(begin, {"mount_dead"}), 30, every=0.05)
    said = lab.run("-c", other, "gluster_one.remediate", "kvm2").stdout
    assert "mount_dead repaired" in said or "nothing that could be repaired" in said, said
    wait_for("it is repaired", lambda: Scene(fleet, events, "kvm2").run(MOUNTED), 60)
    settled(fleet)
    assert len(events.jobs(begin).pop("kvm2")) <= 2
    assert not any("gave_up" in tag for _, tag, _ in events.since(begin))


# The last two are such that Salt itself runs no beacon at all beside them.
SHAPES = [[{"interval": "often"}, {"node": {}}], [{"interval": 5}, {"node": 7}], {"node": 5}, ["nonsense"], "nonsense"]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_beacon_configuration_of_the_wrong_shape_is_ended_by_the_formula(fleet, events, load, shape):
    settled(fleet)
    others = f"salt/beacon/kvm2/{OTHER}/"

    def goes_on():
        begin = time.time()
        wait_for("the other beacon", lambda: any(others in one[1] for one in events.since(begin)), 60)

    wrong = json.dumps({"beacons": {"gluster_one": shape, OTHER: [{"interval": INTERVAL}]}})
    fleet.sh("kvm2", f"echo '{wrong}' >/etc/salt/minion.d/beacons.conf; systemctl restart salt-minion")
    fleet.lab.wait_for_minions(["kvm2"])
    try:
        if shape not in SHAPES[-2:]:
            goes_on()
        assert fleet.apply("gluster_one.beacon", on=["kvm2"], test=True).failures == {}
    finally:
        run = fleet.apply("gluster_one.beacon", on=["kvm2"])
    assert run.failures == {}
    goes_on()
    fleet.sh("kvm2", CLIENT)
    wait_for("it is repaired", lambda: Scene(fleet, events, "kvm2").run(MOUNTED), 60)


def test_maintenance_leaves_a_node_alone(fleet, events, load):
    settled(fleet)
    begin = time.time()
    with fleet.pillar(changed(beacon={"interval": INTERVAL}, maintenance=True)):
        fleet.sh("kvm2", CLIENT)
        wait_for("the event", lambda: events.noticed(begin, {"mount_dead"}), 30)
        time.sleep(2 * INTERVAL)
        assert events.jobs(begin) == {}
    wait_for("it is repaired", lambda: Scene(fleet, events, "kvm2").run(MOUNTED), 60)


def test_gives_up_after_three_failures_and_says_so(fleet, events, load):
    """A glusterd that cannot be started."""
    settled(fleet)
    begin = time.time()
    fleet.sh("kvm2", "systemctl stop glusterd; systemctl mask --runtime glusterd")
    tag = "gluster_one/kvm2/gave_up"
    try:
        (event, *_) = wait_for("gave_up", lambda: [one for one in events.since(begin) if one[1] == tag], 240, every=1)
    finally:
        fleet.sh("kvm2", "systemctl unmask --runtime glusterd; systemctl start glusterd")
    assert event[2]["kinds"] == ["glusterd_down"] and "glusterd" in event[2]["why"]
    jobs = events.jobs(begin)["kvm2"]
    assert len(jobs) == 3
    settled(fleet)


def test_the_reader_reads_still(load):
    (read, damaged) = load.reads()
    assert read > 10 and not damaged
    wait_for("one more read", lambda: load.reads()[0] > read, 120)


def test_servers_and_hypervisors_are_as_before(fleet):
    assert fleet.apply().changes == {}
    assert set(HYPERVISORS) <= set(fleet.clients())
