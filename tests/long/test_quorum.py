"""Several servers need a new glusterd at once while server quorum is on: a plain parallel run takes them one by one."""

import pytest

from lab.system import wait_for
from tests.fleet.fleet import HYPERVISORS, MOUNT

VOLUME = "gluster --mode=script volume"
WRITER = f"""
import mmap, os, time
page, number = mmap.mmap(-1, 4096), 0
stream = os.open("{MOUNT}/written-" + os.uname().nodename, os.O_RDWR | os.O_CREAT | os.O_DIRECT, 0o644)
while not os.path.exists("/run/enough"):
    page[:8] = b"%08d" % number
    os.pwrite(stream, page, 4096 * (number % 256))
    os.fsync(stream)
    number += 1
    time.sleep(0.02)
print("wrote", number)
"""
READER = """
while [ ! -e /run/enough ]; do
    qemu-io -r -f raw -c 'read -P 0xab 0 1M' gluster://kvm1/one_vol/quorum.img || exit 1
done
echo read all
"""


@pytest.fixture
def quorum(fleet):
    """A converged fleet with the option group virt, which has server quorum; two servers need their option again."""
    fleet.stage = "used"
    fleet.sh("kvm1", f"{VOLUME} set one_vol group virt")
    make = "qemu-img create -q -f raw {0} 1M && qemu-io -f raw -c 'write -P 0xab 0 1M' {0}"
    fleet.sh("head", make.format(f"{MOUNT}/quorum.img"), user="oneadmin")
    for host in ("kvm2", "kvm3"):  # without their self-heal daemons, a restart is what they need
        fleet.sh(host, "sed -i /rpc-auth/d /etc/glusterfs/glusterd.vol; pkill -9 -f '[g]lustershd'")
    return fleet


def test_every_brick_and_every_open_file_survives(quorum):
    fleet, run = quorum, ("systemd-run", "--quiet", "--uid=oneadmin")
    for host in fleet.lab.hosts:
        fleet.lab.exec(host, *run, "--unit=writer", "python3", "-c", WRITER, check=True)
    fleet.lab.exec("kvm3", *run, "--unit=reader", "sh", "-c", READER, check=True)
    wait_for("the first read", lambda: "read 1048576" in fleet.sh("kvm3", "journalctl -u reader -o cat"), 60)
    bricks, daemons = fleet.bricks(), {host: fleet.pids(host, "glusterd") for host in HYPERVISORS}
    done = fleet.apply()
    assert done.failures == {}
    assert {host for host in done.changes if "gluster_one_glusterd" in done.changes[host]} == {"kvm2", "kvm3"}
    restarted = {host for host in HYPERVISORS if fleet.pids(host, "glusterd") != daemons[host]}
    assert restarted == {"kvm2", "kvm3"}
    assert fleet.bricks() == bricks
    for host in fleet.lab.hosts:
        assert fleet.sh(host, "systemctl is-active writer").strip() == "active"
        fleet.sh(host, "touch /run/enough")
    for host in fleet.lab.hosts:
        wait_for(f"{host}'s writer", lambda host=host: "wrote" in fleet.sh(host, "journalctl -u writer -o cat"), 30)
    wait_for("the reader", lambda: "read all" in fleet.sh("kvm3", "journalctl -u reader -o cat"), 60)
    fleet.healed()
