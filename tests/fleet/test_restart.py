"""Restarts: of bricks that reject all clients, by the first run; of all servers at once, which no client notices."""

import pytest

from .fleet import HYPERVISORS
from .load import Load, unharmed


@pytest.fixture(scope="module")
def first(clean):
    """The first run on a fleet that was never connected: all bricks were started while they rejected clients."""
    clean.stage = "used"
    script = """
        gluster --mode=script volume stop one_vol
        gluster --mode=script volume set one_vol server.allow-insecure off
        gluster --mode=script volume start one_vol
        until [ "$(gluster --mode=script volume status one_vol | grep -c '^Brick.* Y ')" = 3 ]; do sleep 0.2; done
    """
    clean.sh("kvm1", script)
    return clean.apply()


@pytest.fixture(scope="module")
def virt(clean, first):
    """A fleet whose volume has the quorum that VMs need; glusterd's volume file is new on all servers."""
    clean.sh("kvm1", "gluster --mode=script volume set one_vol group virt")
    return clean


def test_bricks_that_all_refuse_are_started_anew_by_the_first_run(clean, first):
    assert first.failures == {}
    assert "and they were restarted" in first["kvm1"]["gluster_one_volume_one_vol"]["comment"]
    said = clean.everywhere(lambda host: clean.disk_read(host, "before", "read 0 512"), HYPERVISORS)
    assert all("read 512/512 bytes" in text for text in said.values()), said


def daemons(fleet):
    return {host: fleet.pids(host, "glusterd") for host in HYPERVISORS}


def test_all_servers_at_once(virt):
    before, bricks = daemons(virt), virt.bricks()
    load = Load(virt)
    run = virt.apply("gluster_one.restart", on=HYPERVISORS)
    assert unharmed(load) == {}
    assert run.failures == {}
    changes = {host: states["gluster_one_glusterd_restarted"] for host, states in run.changes.items()}
    assert {host: set(change) for host, change in changes.items()} == dict.fromkeys(HYPERVISORS, {"glusterd"})
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
