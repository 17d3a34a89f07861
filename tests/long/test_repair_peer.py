"""A peer that is no full member becomes one again, and nobody who writes or reads notices; or it is said why not."""

import json
import time

import pytest

from lab.system import wait_for
from tests.fleet.fleet import HYPERVISORS, changed
from tests.fleet.load import Load
from tests.fleet.replacement import unnoticed

from .test_replace import REINSTALLED, START, well

MEMBERS = "gluster --mode=script pool list"
INFO, PEERS = "/var/lib/glusterd/vols/one_vol/info", "/var/lib/glusterd/peers"
# A change of one server's definition of the volume that is no newer one.
REJECTED = f"""
systemctl stop glusterd; grep -q ^nfs.disable=on {INFO}; sed -i s/^nfs.disable=on/nfs.disable=off/ {INFO}
systemctl reset-failed glusterd; systemctl start glusterd
"""


@pytest.fixture(scope="module")
def fleet(_fleet):
    """A fleet whose servers keep their bricks, and kvm4, whose glusterd runs and who is in no pool."""
    _fleet.new(hosts=4)
    _fleet.stage = "used"
    with _fleet.pillar(changed(volume={"servers": list(HYPERVISORS), "group": "virt"})):
        assert _fleet.apply().failures == {}
        _fleet.sh("kvm4", f"{START}; {MEMBERS}")
        _fleet.healed()
        yield _fleet


def repaired(fleet, peer, test=False):
    return fleet.orchestrate("repair_peer", {"peer": peer}, test)


def found(fleet, name):
    """What the coordinator finds of a peer."""

    def look():
        findings = json.loads(fleet.lab.salt("--out=json", "kvm1", "gluster_one.check", "heal=False").stdout)["kvm1"]
        return next((each for each in findings if (each["kind"], each["on"]) == ("peer_rejected", name)), None)

    wait_for(f"a finding of {name}", look, 60, every=1)
    return look()


def members(fleet):
    def all_members():
        states = fleet.everywhere(lambda host: fleet.sh(host, "gluster peer status | grep State:"), HYPERVISORS)
        return set(states.values()) == {2 * "State: Peer in Cluster (Connected)\n"}

    wait_for("all are members", all_members, 30)


def as_predicted(fleet, peer):
    """The steps that were taken, which test=True had shown; then there is nothing to do."""
    code, predicted, said = repaired(fleet, peer, test=True)
    assert code == 0, said
    code, steps, said = repaired(fleet, peer)
    assert code == 0, said
    assert steps == predicted
    members(fleet)
    assert repaired(fleet, peer)[:2] == (0, {})
    return list(steps)


@pytest.mark.timeout(900)
def test_a_rejected_one(fleet):
    load, bricks = Load(fleet), fleet.bricks()
    own = bricks.pop("kvm3")
    fleet.sh("kvm3", REJECTED)
    cure = found(fleet, "kvm3")["cure"]
    assert "gluster_one.orchestrate.repair_peer pillar='{peer: kvm3}'" in cure
    assert as_predicted(fleet, "kvm3") == ["volumes on kvm1", "kvm3 keeps its peers on kvm3"]
    assert "nfs.disable=on" in fleet.sh("kvm3", f"cat {INFO}")
    assert {**fleet.bricks(), "kvm3": own} == {**bricks, "kvm3": own}
    unnoticed(load)
    fleet.healed()
    well(fleet)


@pytest.fixture
def two_bricks(fleet):
    """A volume with two bricks on kvm3, on a file system each."""
    script = """
        mkdir -p /srv/a /srv/b; for each in a b; do mount -t tmpfs -o size=100m $each /srv/$each; done
        gluster --mode=script volume create two_vol kvm3:/srv/a/brick kvm3:/srv/b/brick
        gluster --mode=script volume start two_vol
    """
    fleet.sh("kvm3", script)
    yield "two_vol"
    fleet.sh("kvm3", "gluster --mode=script volume stop two_vol; gluster --mode=script volume delete two_vol")
    fleet.sh("kvm3", "umount /srv/a /srv/b")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("steps", [1, 2], ids=["before the peer", "after the peer"])
def test_one_whose_repair_was_killed(fleet, two_bricks, steps):
    """What was set while the peer was away leaves the sizes of its bricks wrong, until it is set once more."""
    fleet.sh("kvm3", REJECTED.replace("one_vol", two_bricks))
    found(fleet, "kvm3")
    plan = fleet.runner("gluster_one.repair_plan", "kvm3")[1]
    assert len(plan["steps"]) == 5, plan
    for step in plan["steps"][:steps]:
        words = (*step["minions"], "state.apply", step["sls"], f"pillar={json.dumps(step['pillar'])}")
        assert fleet.salt(*words).returncode == 0
    counted = lambda: fleet.lab.call("kvm3", "gluster_repair.view")["kvm3"]["counted"]  # noqa: E731
    if steps == 2:
        members(fleet)
        wait_for("its definition, with wrong sizes", lambda: counted() == {two_bricks: False}, 30)
    left = ["kvm3 keeps its peers on kvm3", "glusterd again on kvm3", "sizes on kvm1"][steps - 1 :]
    assert as_predicted(fleet, "kvm3") == left
    assert counted() == {two_bricks: True}
    fleet.healed()
    well(fleet)


@pytest.mark.timeout(900)
def test_a_half_probed_one(fleet):
    """kvm2 has accepted kvm3, and has never heard of it again."""
    load = Load(fleet)
    of = fleet.sh("kvm2", f"grep -l hostname1=kvm3 {PEERS}/*").strip()
    fleet.sh("kvm2", f"systemctl stop glusterd; sed -i s/state=3/state=5/ {of}; {START}")
    found_state = lambda: "State: Peer in Cluster" not in fleet.sh("kvm2", "gluster peer status | grep -A2 kvm3")  # noqa: E731
    wait_for("a state that stays", found_state, 20)
    findings = json.loads(fleet.lab.salt("--out=json", "kvm2", "gluster_one.check").stdout)["kvm2"]
    (cure,) = [each["cure"] for each in findings if (each["kind"], each["on"]) == ("not_in_pool", "kvm3")]
    assert "gluster_one.orchestrate.repair_peer pillar='{peer: kvm3}'" in cure
    assert as_predicted(fleet, "kvm3")[0] in ("kvm3 keeps its peers on kvm3", "keep kvm3 on kvm2")
    unnoticed(load)
    fleet.healed()
    well(fleet)


@pytest.mark.timeout(900)
def test_a_probe_of_a_host_that_is_silent(fleet):
    load = Load(fleet)
    fleet.sh("kvm4", "kill -STOP $(pidof glusterd)")
    try:
        fleet.sh("kvm1", "timeout 5 gluster --mode=script peer probe kvm4", check=False)
        finding = found(fleet, "kvm4")
        assert "a probe of it has not ended" in finding["seen"] and "{peer: kvm4}" in finding["cure"]
        begin = time.monotonic()
        _, predicted, _ = repaired(fleet, "kvm4", test=True)
        assert time.monotonic() - begin < 60, "the plan waits for no answer of glusterd on kvm4"
        code, steps, said = repaired(fleet, "kvm4")
        assert (code, steps) == (0, predicted), said
        assert list(steps) == ["forget the probe of kvm4 on kvm1"]
        members(fleet)
    finally:
        fleet.sh("kvm4", "kill -CONT $(pidof glusterd)")
    unnoticed(load)
    fleet.healed()
    well(fleet)


@pytest.mark.timeout(900)
def test_a_member_that_hangs_is_named_with_its_cure(fleet):
    load = Load(fleet)
    fleet.sh("kvm3", "kill -STOP $(pidof glusterd)")
    try:
        for peer in ("kvm3", "kvm2"):
            begin = time.monotonic()
            code, steps, said = repaired(fleet, peer)
            assert time.monotonic() - begin < 60
            assert (code != 0, steps) == (True, {})
            assert "glusterd does not answer on kvm3" in said and "`salt kvm3 service.restart glusterd`" in said
        assert fleet.lab.call("kvm3", "service.restart", "glusterd") == {"kvm3": True}
        members(fleet)
    finally:
        fleet.sh("kvm3", "kill -CONT $(pidof glusterd)")
    assert repaired(fleet, "kvm3")[:2] == (0, {})
    unnoticed(load)
    fleet.healed()
    well(fleet)


@pytest.mark.timeout(900)
def test_one_that_was_wiped_is_a_case_for_replace(fleet):
    fleet.sh("kvm3", REINSTALLED + START, check=False)
    wait_for("kvm3 is rejected", lambda: "Rejected" in fleet.sh("kvm1", "gluster peer status"), 60)
    before = fleet.sh("kvm1", "gluster volume info; gluster peer status")
    code, steps, said = repaired(fleet, "kvm3")
    assert code != 0 and steps == {}
    assert "its /var/lib/glusterd was lost; replace it by itself: salt-run state.orchestrate" in said
    assert fleet.sh("kvm1", "gluster volume info; gluster peer status") == before
