"""
A fleet of the version before, with its volume mounted below oneadmin's home, gets this one while all of it is used.
"""

import json

import pytest

from lab.system import wait_for
from tests.fleet import machine
from tests.fleet.fleet import CHECKOUT, HYPERVISORS, MOUNT, STORES, changed

pytestmark = pytest.mark.timeout(900)

BEFORE = "87a5389"
FORMER = "/var/lib/one/gluster/one_vol"
HOLDER = f"""
import os, time
stream, number = os.open("{STORES}/100/held-" + os.uname().nodename, os.O_RDWR | os.O_CREAT, 0o644), 0
while not os.path.exists("/run/let-go"):
    os.pwrite(stream, b"%08d" % number, 0)
    os.fsync(stream)
    number += 1
    time.sleep(0.05)
print("wrote", number, "times")
"""


@pytest.fixture(scope="module")
def upgraded(clean):
    """What was before, the predicted and the real run, and after: with files open, a VM, beacons and the reactor."""
    fleet = clean
    fleet.stage = "used"
    reactor = (CHECKOUT / "gluster_one/reactor/master.conf").read_text()
    (fleet.lab.master_dir / "master.d/reactor.conf").write_text(
        reactor.replace("/srv/formulas/gluster_one", str(CHECKOUT))
    )
    with fleet.pillar(changed(beacon={"interval": 5})):
        with fleet.version(BEFORE):
            assert fleet.apply().failures == {}
            assert {FORMER} == set(fleet.mounts("kvm2"))
            make = f"qemu-img create -q -f raw {FORMER}/7.img 16M"
            fleet.sh("head", make, user="oneadmin")
            assert machine.create(fleet, "one-7", machine.disk("7.img")).returncode == 0
            for host in fleet.lab.hosts:
                run = ("systemd-run", "--quiet", "--uid=oneadmin", "--unit=holder")
                fleet.lab.exec(host, *run, "python3", "-c", HOLDER, check=True)
            before = state(fleet)
        overview = fleet.runner("gluster_one.status")
        predicted = fleet.apply(test=True)
        run = fleet.apply()
        yield {
            "fleet": fleet, "before": before, "overview": overview, "predicted": predicted, "run": run,
            "after": state(fleet), "again": fleet.apply(),
        }  # fmt: skip
        fleet.lab.exec("kvm2", "virsh", "destroy", "one-7")


def state(fleet):
    """The processes that must stay."""
    return {
        "clients": fleet.clients(FORMER),
        "bricks": fleet.bricks(),
        "glusterd": {host: fleet.pids(host, "glusterd") for host in HYPERVISORS},
        "machine": fleet.pids("kvm2", "qemu-system-x86_64"),
        "minion": fleet.everywhere(lambda host: fleet.sh(host, "systemctl show -P MainPID salt-minion")),
    }


def test_a_new_master_understands_minions_of_before(upgraded):
    _, overview = upgraded["overview"]
    assert set(overview["nodes"]) == set(upgraded["fleet"].lab.hosts)
    assert overview["absent"] == []


def test_one_run_moves_all_and_the_second_is_silent(upgraded):
    assert (upgraded["predicted"].failures, upgraded["run"].failures) == ({}, {})
    # The modules came with the prediction: beacons and reactor, which go on, may have repaired something since.
    for host, states in upgraded["predicted"].changes.items():
        assert set(upgraded["run"].changes.get(host, ())) <= set(states)
    assert upgraded["run"].changes.keys() <= upgraded["predicted"].changes.keys()
    assert (upgraded["again"].failures, upgraded["again"].changes) == ({}, {})
    fleet = upgraded["fleet"]
    for host in fleet.lab.hosts:
        assert set(fleet.mounts(host)) == {FORMER, MOUNT}
        lines = fleet.sh(host, "grep glusterfs /etc/fstab")
        assert FORMER not in lines and f" {MOUNT} glusterfs " in lines
        assert fleet.sh(host, f"readlink {STORES}/100 {STORES}/101").split() == [MOUNT, MOUNT]
        mounted = fleet.sh(host, "grep fuse.glusterfs /proc/mounts").splitlines()
        assert all("nosuid,nodev" in line for line in mounted), mounted


def test_nothing_was_interrupted(upgraded):
    assert upgraded["before"]["machine"] and all(upgraded["before"]["clients"].values())
    assert upgraded["after"] == upgraded["before"]
    assert upgraded["fleet"].sh("kvm2", "virsh domstate one-7").strip() == "running"


def test_only_the_old_mounts_are_found(upgraded):
    _, overview = upgraded["fleet"].runner("gluster_one.status")
    assert {finding["kind"] for finding in overview["findings"]} == {"mount_former"}, overview["findings"]


def test_the_beacons_live_and_the_reactor_repairs(upgraded):
    fleet = upgraded["fleet"]
    fleet.sh("kvm3", f"rm {STORES}/101")
    wait_for("the link", lambda: fleet.lab.exec("kvm3", "test", "-L", f"{STORES}/101").returncode == 0, 90, every=1)


def test_the_old_mounts_go_once_nothing_uses_them(upgraded):
    fleet = upgraded["fleet"]
    used = fleet.apply("gluster_one.remount")
    assert set(used.failures) == set(fleet.lab.hosts), json.dumps(used.failures)
    for host in fleet.lab.hosts:
        assert fleet.sh(host, "systemctl is-active holder").strip() == "active"
        fleet.sh(host, "touch /run/let-go")
    for host in fleet.lab.hosts:
        wait_for(f"the holder on {host}", lambda host=host: "wrote" in fleet.sh(host, "journalctl -u holder"), 20)
    assert fleet.apply("gluster_one.remount").failures == {}
    for host in fleet.lab.hosts:
        assert set(fleet.mounts(host)) == {MOUNT}
        assert fleet.lab.exec(host, "test", "-e", "/var/lib/one/gluster").returncode == 1
    code, overview = fleet.runner("gluster_one.status")
    assert (code, overview["findings"]) == (0, [])


def test_no_boot_mounts_the_volume_where_oneadmin_wants_it(upgraded):
    fleet = upgraded["fleet"]
    fleet.sh("kvm3", "mkdir /etc/victim")
    swap = """
        cd /var/lib/one
        mkdir gluster; ln -s /etc/victim gluster/one_vol
        mv datastores d.old; mkdir datastores; ln -s /etc/victim datastores/100; ln -s /etc/victim datastores/0
    """
    fleet.sh("kvm3", swap, user="oneadmin")
    fleet.lab.reboot("kvm3")
    wait_for("the mount", lambda: MOUNT in fleet.mounts("kvm3"), 60, every=1)
    assert set(fleet.mounts("kvm3")) == {MOUNT}
    assert fleet.sh("kvm3", "ls -A /etc/victim") == ""
