"""Restarts on all servers at once: one after the other, and nobody who writes or reads feels it."""

import pytest

from .fleet import HYPERVISORS
from .load import Load, unharmed


@pytest.fixture(scope="module")
def virt(fleet_of_module):
    """A fleet whose volume has the quorum that machines need; glusterd's volume file is new on all servers."""
    fleet = fleet_of_module
    fleet.stage = "used"
    fleet.sh("kvm1", "gluster --mode=script volume set one_vol group virt")
    return fleet


def daemons(fleet):
    return {host: fleet.pids(host, "glusterd") for host in HYPERVISORS}


def test_all_servers_at_once(virt):
    before, bricks = daemons(virt), virt.bricks()
    load = Load(virt)
    run = virt.apply("gluster_one.restart", on=HYPERVISORS)
    assert unharmed(load) == {}
    assert run.failures == {}
    changes = {host: states["gluster_one_glusterd_restarted"] for host, states in run.changes.items()}
    assert {host: set(change) for host, change in changes.items()} == dict.fromkeys(
        HYPERVISORS, {"KillMode", "glusterd"}
    )
    assert all(before[host] != after for host, after in daemons(virt).items())
    assert virt.bricks() == bricks


def test_and_then_nothing_is_due(virt):
    before = daemons(virt)
    for test in (True, False):
        run = virt.apply("gluster_one.restart", on=HYPERVISORS, test=test)
        assert (run.failures, run.changes) == ({}, {})
    assert daemons(virt) == before


def test_from_the_master_one_after_the_other(virt):
    before = daemons(virt)
    virt.everywhere(lambda host: virt.sh(host, "touch /etc/glusterfs/glusterd.vol"), ["kvm1", "kvm3"])
    done = virt.lab.run("state.orchestrate", "gluster_one.orchestrate.restart", "--out=txt")
    assert done.returncode == 0, done.stdout + done.stderr
    after = daemons(virt)
    assert [host for host in HYPERVISORS if before[host] != after[host]] == ["kvm1", "kvm3"]
