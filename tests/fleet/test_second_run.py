"""What has run once needs nothing more: not at once, not after a reboot, not after the minions were restarted."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from lab.system import wait_for

from .fleet import MOUNT


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
    assert fleet.sh("kvm2", f"touch {MOUNT}/back && stat -f -c %T {MOUNT}", user="oneadmin").strip() == "fuseblk"
    run = fleet.apply()
    assert (run.failures, run.changes) == ({}, {})
    assert {host: pids for host, pids in fleet.clients().items() if host != "kvm2"} == others
