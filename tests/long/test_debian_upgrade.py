"""Servers come back with Debian 13 and its Gluster, one after the other: nobody who writes or reads notices."""

import time

import pytest

from tests.fleet.fleet import HYPERVISORS, changed
from tests.fleet.load import Load
from tests.fleet.replacement import same_files, unnoticed

from .test_replace import well

AGAIN = "systemctl reset-failed glusterd; systemctl restart glusterd"
VERSION = "gluster --mode=script volume get all cluster.op-version | awk '/^cluster.op-version/ {print $2}'"


@pytest.fixture(scope="module")
def fleet(_fleet):
    """A fleet of Debian 12 with files on its volume, whose servers lose bricks without the servers' quorum."""
    _fleet.new(release=["bookworm"])
    _fleet.stage = "used"
    with _fleet.pillar(changed(volume={"servers": list(HYPERVISORS), "group": "virt"})):
        assert _fleet.apply().failures == {}
        script = "mkdir d; for n in $(seq 100); do head -c 200000 /dev/urandom >d/$n; done"
        _fleet.sh("head", f"cd /var/lib/gluster_one/one_vol; {script}")
        _fleet.healed()
        yield _fleet


def upgrade(fleet, test=False, **words):
    return fleet.orchestrate("upgrade", words, test)


def refused(fleet, text, **words):
    before = fleet.sh("kvm1", "gluster volume info; gluster peer status")
    code, steps, said = upgrade(fleet, **words)
    assert code != 0 and steps == {} and text in said, said
    assert fleet.sh("kvm1", "gluster volume info; gluster peer status") == before


def upgraded(fleet, host, release="trixie"):
    """A server is upgraded and comes back; writers and a reader on the others notice nothing until all is healed."""
    others = [other for other in HYPERVISORS if other != host]
    code, steps, said = upgrade(fleet, before=host)
    assert (code, steps) == (0, {}) and f"{host} may be upgraded now" in said, said
    load = Load(fleet, reader=others[0])
    load.jobs = {job: kind for job, kind in load.jobs.items() if job != host}
    bricks = fleet.bricks()
    fleet.lab.reboot(host, release=release)
    code, predicted, said = upgrade(fleet, test=True, after=host)
    assert code == 0, said
    code, steps, said = upgrade(fleet, after=host)
    assert code == 0, said
    unnoticed(load)
    assert {other: count for other, count in load.fewest.items() if other != host and count < 2} == {}
    restarted = [other for other in others if fleet.bricks()[other] != bricks[other]]
    assert {step: found for step, found in steps.items() if not step.startswith("formula")} == {
        step: found for step, found in predicted.items() if not step.startswith("formula")
    }
    assert upgrade(fleet, after=host)[:2] == (0, {})
    return steps, said, restarted


@pytest.mark.timeout(900)
def test_the_first_one_and_those_that_reject_it(fleet):
    refused(fleet, "only true is possible", op_version=110000)
    steps, said, restarted = upgraded(fleet, "kvm1")
    assert restarted == ["kvm2"], "for a moment it was alone with the one that is not a member yet"
    assert list(steps)[:3] == ["hold kvm3 meanwhile", "definitions on kvm2", "definitions on kvm3"]
    assert "{before: kvm2}" in said
    refused(fleet, "kvm2 has Gluster 10.3 and others have 11.1: upgrade it first", op_version=True)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("host", ["kvm2", "kvm3"])
def test_the_others(fleet, host):
    steps, _, restarted = upgraded(fleet, host)
    assert restarted == []
    assert not [step for step in steps if not step.startswith("formula")]


@pytest.mark.timeout(900)
def test_restarts_of_glusterd_change_nothing_any_more(fleet):
    for host in HYPERVISORS:
        fleet.sh(host, AGAIN)
        time.sleep(8)
        code, steps, said = upgrade(fleet, after=host)
        assert (code, steps) == (0, {}), said


@pytest.mark.timeout(900)
def test_the_protocol_last(fleet):
    """The head is a client of Debian 12 still."""
    refused(fleet, "(head) speaks version 100000, and 110000 is to be set", op_version=True)
    fleet.lab.reboot("head", release="trixie")
    code, predicted, said = upgrade(fleet, test=True, op_version=True)
    assert code == 0, said
    code, steps, said = upgrade(fleet, op_version=True)
    assert code == 0, said
    change = {"gluster_one_upgrade_op_version": {"cluster.op-version": {"old": 100000, "new": 110000}}}
    assert steps == predicted == {"protocol 110000 on kvm1": {"kvm1": change}}
    assert fleet.sh("kvm3", VERSION).strip() == "110000"
    code, steps, said = upgrade(fleet, op_version=True)
    assert (code, steps) == (0, {}) and "nothing to do" in said, said
    same_files(fleet, *HYPERVISORS)
    assert fleet.apply().failures == {}
    well(fleet)
