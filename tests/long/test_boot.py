"""All hosts lose their power and come back while no glusterd answers: each mounts by itself once glusterd is there."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab import build
from lab.system import wait_for
from tests.fleet.fleet import HYPERVISORS, MOUNT, STORES

# It starts with the host, and one of its disks is a file on the volume.
DOMAIN = f"""\
<domain type='qemu'>
  <name>one-9</name> <memory unit='MiB'>64</memory>
  <os><type arch='x86_64'>hvm</type></os>
  <devices>
    <disk type='file' device='disk'>
      <source file='{STORES}/100/9/disk.1'/> <target dev='sda' bus='scsi'/> <driver name='qemu' type='raw'/>
    </disk>
  </devices>
</domain>
"""


@pytest.fixture(scope="module")
def machine(fleet_of_module):
    """A VM that kvm2 starts when it boots; no Salt from now on."""
    fleet = fleet_of_module
    fleet.stage = "used"
    fleet.sh("kvm2", f"mkdir -p {MOUNT}/9 && truncate -s 1M {MOUNT}/9/disk.1", user="oneadmin")
    fleet.lab.exec("kvm2", "tee", "/run/one-9.xml", input=DOMAIN, check=True)
    fleet.sh("kvm2", "virsh define /run/one-9.xml && virsh autostart one-9")
    fleet.everywhere(lambda host: fleet.sh(host, "systemctl disable --now salt-minion"))
    yield fleet
    fleet.everywhere(lambda host: fleet.sh(host, "systemctl enable --now salt-minion"))


def mounted(fleet, host):
    """Whether the volume is there: a look at the directory is answered by FUSE, and by no disk beneath."""
    return fleet.lab.exec(host, "stat", "-f", "-c", "%t", MOUNT).stdout == "65735546\n"


@pytest.mark.timeout(500)
@pytest.mark.parametrize("time_of_ten", range(1, 11))
def test_every_node_mounts_once_glusterd_is_there(machine, time_of_ten, record_property):
    fleet = machine
    fleet.everywhere(lambda host: fleet.sh(host, "systemctl mask glusterd"), HYPERVISORS)
    for host in fleet.lab.hosts:
        fleet.lab.power_off(host)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda host: build.start_host(fleet.lab, host), fleet.lab.hosts))
    time.sleep(90)  # as long as the servers take
    for host in fleet.lab.hosts:
        assert not mounted(fleet, host)
        asked = ("systemctl", "is-active", "emergency.target", "rescue.target", "multi-user.target")
        assert fleet.lab.exec(host, *asked).stdout.split() == ["inactive", "inactive", "active"]
    assert "one-9" not in fleet.sh("kvm2", "virsh list --name")
    fleet.everywhere(lambda host: fleet.sh(host, "systemctl unmask glusterd && systemctl start glusterd"), HYPERVISORS)
    begin = time.monotonic()

    def all_there():
        return all(mounted(fleet, host) for host in fleet.lab.hosts)

    wait_for("every node's mount", all_there, 120, every=1)
    record_property("seconds", round(time.monotonic() - begin))
    time.sleep(3)  # none of them was there for a moment only
    assert all_there()
    # Nothing was written where the volume is mounted now.
    bare = "mkdir -p /run/bare; mount --bind /var/lib /run/bare; ls -A /run/bare/gluster_one/one_vol; umount /run/bare"
    assert set(fleet.everywhere(lambda host: fleet.sh(host, bare)).values()) == {""}
