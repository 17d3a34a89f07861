"""A brick that runs, and that glusterd takes for down: it is left while clients need it, and else started anew."""

import pytest

from lab.system import wait_for
from tests.fleet.fleet import HYPERVISORS, changed
from tests.fleet.load import Load, connected
from tests.fleet.replacement import unnoticed

from .test_debian_upgrade import upgrade
from .test_replace import well

VOLUME = "gluster --mode=script volume"
# Processes of bricks begin a second late, as on a busy machine: within it glusterd hears of one peer and of the next.
LATE = """
mv /usr/sbin/glusterfsd /usr/sbin/glusterfsd.real
for name in glusterd glusterfs; do ln -sf glusterfsd.real /usr/sbin/$name; done
mkdir /usr/lib/late; ln -s /usr/sbin/glusterfsd.real /usr/lib/late/glusterfsd
printf '#!/bin/bash\nsleep 1\nexec -a "$0" /usr/lib/late/glusterfsd "$@"\n' >/usr/sbin/glusterfsd
chmod 755 /usr/sbin/glusterfsd
"""
BEGUN_ANEW = """
systemctl stop glusterd; pkill -9 -x glusterfsd || :; : >/var/log/glusterfs/glusterd.log
systemctl reset-failed glusterd; systemctl start glusterd; sleep 6
grep -q 'Unable to start brick' /var/log/glusterfs/glusterd.log && echo twice || :
"""
BRICK = "kvm3:/data/one_vol"
PORT = f"{VOLUME} status one_vol {BRICK} | awk '/^Brick/ {{print $3}}'"


@pytest.fixture
def taken_for_down(_fleet):
    """glusterd of kvm3 has started its brick twice as the quorum was there again, and takes it for down, as it runs."""
    fleet = _fleet
    fleet.new(release=["trixie"])
    fleet.stage = "used"
    with fleet.pillar(changed(volume={"servers": list(HYPERVISORS), "group": "virt"})):
        assert fleet.apply().failures == {}
        fleet.healed()
        fleet.sh("kvm3", LATE)
        for _ in range(40):
            if fleet.sh("kvm3", BEGUN_ANEW):
                break
        assert fleet.sh("kvm3", PORT).strip() == "N/A" and len(fleet.bricks()["kvm3"]) == 1
        yield fleet


@pytest.mark.timeout(900)
def test_a_brick_that_glusterd_takes_for_down_is_named_and_the_cure_helps(taken_for_down):
    """It is left as it is while another copy is down, as clients use it; nobody notices its end and its new start."""
    fleet = taken_for_down
    bricks = fleet.bricks()
    fleet.sh("kvm2", "pkill -9 -x glusterfsd")
    for test in (True, False):
        run = fleet.apply("gluster_one.started", on=["kvm3"], test=test)
        (said,) = run.failures["kvm3"].values()
        assert f"{BRICK} (without it volume one_vol has 1 of these bricks online" in said
    assert fleet.apply("gluster_one.started", on=["kvm2"]).failures == {}
    assert fleet.bricks()["kvm3"] == bricks["kvm3"] and fleet.sh("kvm3", PORT).strip() == "N/A"
    # heal info is a new client, which does not find the brick any more: the restart of kvm2's glusterd has hidden it.
    of_all = lambda: all(len(connected(host, pids[0])) == 3 for host, pids in fleet.clients().items())  # noqa: E731
    wait_for("clients of all three bricks", of_all, 60)
    load = Load(fleet, reader="kvm1")
    code, steps, said = upgrade(fleet, after="kvm1")
    cure = f"glusterd of kvm3 takes {BRICK} for down, although it runs, and no wait ends that: "
    assert code != 0 and steps == {} and f"{cure}`salt kvm3 state.apply gluster_one.started`" in said, said
    predicted = fleet.apply("gluster_one.started", on=["kvm3"], test=True)
    run = fleet.apply("gluster_one.started", on=["kvm3"])
    assert run.failures == {} and run.changes == predicted.changes
    assert run.changes == {"kvm3": {"gluster_one_bricks_one_vol": {BRICK: {"old": "down", "new": "online"}}}}
    assert fleet.sh("kvm3", PORT).strip().isdigit() and fleet.bricks()["kvm3"] != bricks["kvm3"]
    fleet.wait_healed()
    unnoticed(load)
    assert set(load.fewest.values()) == {2}
    code, _, said = upgrade(fleet, after="kvm1")
    assert code == 0, said
    well(fleet)
