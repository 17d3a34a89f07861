"""What has run once needs nothing more: not at once, not after a reboot, not after the minions were restarted."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from lab.system import wait_for

from .fleet import MOUNT, changed


def test_second_run_changes_nothing_and_leaves_the_user_s_attributes(fleet):
    store = fleet.datastores()["glusterds"]["ID"]
    fleet.oned("one.datastore.update", store, 'MY_OWN="it is, <mine> \\"too\\""\nLIMIT_MB="5000"', 1)
    before = fleet.datastores()
    run = fleet.apply()
    assert (run.failures, run.changes, run.results) == ({}, {}, {True})
    assert fleet.datastores() == before


def test_prediction_says_so(fleet):
    run = fleet.apply(test=True)
    assert (run.failures, run.changes, run.results) == ({}, {}, {True})


def writing(fleet, host):
    """Write on the mount, and read it back, until somebody removes the file that says so."""
    script = f"""
        end=$(($(date +%s) + 90))
        while [ -e /run/writing ] && [ "$(date +%s)" -lt "$end" ]; do
            date +%N >/tmp/now
            cp /tmp/now {MOUNT}/alive.{host}
            cmp /tmp/now {MOUNT}/alive.{host}
        done
        [ ! -e /run/writing ]
    """
    return fleet.sh(host, script, user="oneadmin", timeout=120)


def test_minions_restart_without_the_mounts(fleet):
    clients = fleet.clients()
    assert all(len(pids) == 1 for pids in clients.values())
    # A client in the minion's control group would die with it, so somebody writes while it goes.
    fleet.everywhere(lambda host: fleet.sh(host, "touch /run/writing"))
    with ThreadPoolExecutor() as pool:
        writers = pool.submit(fleet.everywhere, lambda host: writing(fleet, host))
        fleet.everywhere(lambda host: fleet.sh(host, "systemctl restart salt-minion; rm /run/writing"))
        writers.result()
    fleet.lab.wait_for_minions(fleet.lab.hosts)
    assert fleet.clients() == clients
    run = fleet.apply()
    assert (run.failures, run.changes) == ({}, {})
    assert fleet.clients() == clients


@pytest.mark.timeout(400)
def test_rebooted_hypervisor_comes_back_by_itself(fleet):
    others = {host: pids for host, pids in fleet.clients().items() if host != "kvm2"}
    fleet.lab.reboot("kvm2")
    wait_for("the mount on kvm2", lambda: MOUNT in fleet.mounts("kvm2"), 60)
    assert fleet.sh("kvm2", f"touch {MOUNT}/back && stat -f -c %t {MOUNT}", user="oneadmin").strip() == "65735546"
    run = fleet.apply()
    assert (run.failures, run.changes) == ({}, {})
    assert {host: pids for host, pids in fleet.clients().items() if host != "kvm2"} == others


def test_options_are_not_touched_while_a_peer_is_away(fleet):
    options = "gluster --mode=script volume info one_vol"
    before = fleet.sh("kvm1", options)
    fleet.stage = "used"
    fleet.sh("kvm3", "systemctl stop glusterd")
    wait_for("kvm1 to notice", lambda: "Disconnected" in fleet.sh("kvm1", "gluster pool list"), 30)
    with fleet.pillar(changed(volume={"options": {"network.ping-timeout": 21}}, timeout=3)):
        run = fleet.apply("gluster_one.volume", on=["kvm1"])
        said = run.failures["kvm1"]["gluster_one_volume_one_vol"]
        assert "were not touched: a peer was not connected within 3 s (last seen: kvm3 disconnected)" in said
        assert fleet.sh("kvm1", options) == before
        assert fleet.lab.call("kvm1", "gluster_one_pillar.node")["kvm1"]["timeout"] == 3  # what is in the pillar now
        fleet.sh("kvm3", "systemctl start glusterd")
    with fleet.pillar(changed(volume={"options": {"network.ping-timeout": 21}})):
        run = fleet.apply("gluster_one.volume", on=["kvm1"])
    assert run.failures == {} and list(run.changes["kvm1"]["gluster_one_volume_one_vol"]) == ["network.ping-timeout"]
