"""
The first run, killed at a random moment: the next run converges, and nothing is lost or doubled. So is one that begins
with bare hosts, and would install packages, make pool and volume.

`KILLS=20 SEED=7 make test-long ARGS="-k test_killed"` kills twenty times; the seed says what and when, and is a part of
each test's name. `BARE_KILLS=10` is for those of bare hosts, which take four minutes each.
"""

import json
import os
import random
import time
import xml.etree.ElementTree as ET
from collections import Counter

import pytest

from lab.system import wait_for
from tests.fleet.fleet import HYPERVISORS, KILL_MINION, MOUNT, STORES, changed

PILLAR = changed(timeout=40)
BARE = changed(timeout=60, volume={"create": {"replica": 3, "bricks": "/data/one_vol"}})
# Not quite as long as the first run takes, and as one on bare hosts.
LENGTH, BARE_LENGTH = 8, 60
VICTIMS = ["host", "minion", "gluster", "master"]
BARE_VICTIMS = ["host", "minion", "master"]
SEED = int(os.environ.get("SEED", 1))
# The next process of the command that there is.
COMMAND = "for i in $(seq 300); do pkill -9 -x gluster && exit; sleep 0.05; done; exit 1"
# Somebody's, on each host, before the formula runs.
THEIRS = "mkdir -p /data && echo theirs >/data/theirs && echo '# theirs' >>/etc/fstab"


def drawn(kills, victims, length):
    """What is killed where and when, so many times: of the same seed the same."""
    chance, found = random.Random(SEED), []
    for number in range(kills):
        victim = victims[number % len(victims)]
        host = {"master": "head", "gluster": "kvm1"}.get(victim) or chance.choice(["head", *HYPERVISORS])
        moment = chance.uniform(1, length)
        found.append(pytest.param(victim, host, moment, id=f"seed {SEED}, {victim} {host} {moment:.1f} s"))
    return found


def running(fleet):
    """The jobs with states that still run, or that a minion does not say."""
    found = fleet.lab.call("*", "saltutil.is_running", "state.*")
    return [minion for minion in fleet.lab.hosts if found.get(minion) != []]


def doubled(fleet):
    """What is there more or less often than once."""
    pool = ET.fromstring(fleet.oned("one.datastorepool.info", -2, -1, -1))
    stores = Counter(store.findtext("NAME") for store in pool.iter("DATASTORE"))
    seen = {name: stores[name] for name in ("gluster_system", "glusterds")}
    for host in fleet.lab.hosts:
        seen[f"line of {host}"] = fleet.sh(host, "cat /etc/fstab").count(f" {MOUNT} ")
        seen[f"mount of {host}"] = fleet.sh(host, "cat /proc/mounts").count(f" {MOUNT} ")
    for host in HYPERVISORS:
        seen[f"option of {host}"] = fleet.sh(host, "cat /etc/glusterfs/glusterd.vol").count("option rpc-auth-allow")
        seen[f"file beside it on {host}"] = fleet.sh(host, "cat /data/theirs").count("theirs")
    for host in fleet.lab.hosts:
        seen[f"comment in fstab of {host}"] = fleet.sh(host, "cat /etc/fstab").count("# theirs")
    return {name: count for name, count in seen.items() if count != 1}


def killed(fleet, victim, host, moment):
    """A first run, in the midst of which something is killed, and the next two."""
    said = fleet.lab.salt("--async", "*", "state.apply", "gluster_one").stdout
    time.sleep(moment)
    if victim == "master":
        fleet.lab.restart_master()
    elif victim == "host":
        fleet.lab.reboot(host)
    else:
        fleet.sh(host, KILL_MINION if victim == "minion" else COMMAND)
    fleet.lab.wait_for_minions(fleet.lab.hosts)
    wait_for("the end of the run", lambda: not running(fleet), 300, every=2)
    if victim in ("host", "minion"):  # it was in the midst of it
        job = fleet.lab.run("--out=json", "jobs.list_job", said.split()[-1]).stdout
        assert host not in json.loads(job)["Result"]
    second, third = fleet.apply(), fleet.apply()
    assert second.failures == {}
    assert (third.failures, third.changes) == ({}, {})
    assert doubled(fleet) == {}
    store = fleet.datastores()["glusterds"]["ID"]
    fleet.sh("head", f"qemu-img create -q -f raw {STORES}/{store}/image 1M", user="oneadmin")
    assert all("read 512/512" in fleet.disk_read(host, "image", "read 0 512") for host in HYPERVISORS)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("victim", "host", "moment"), drawn(int(os.environ.get("KILLS", 1)), VICTIMS, LENGTH))
def test_killed(_fleet, victim, host, moment):
    fleet = _fleet
    fleet.new()
    fleet.stage = "used"
    # As on a new volume. A brick that a reboot starts while it is off would reject all clients until its next start.
    fleet.sh("kvm1", "gluster --mode=script volume set one_vol server.allow-insecure on")
    fleet.everywhere(lambda host: fleet.sh(host, THEIRS))
    with fleet.pillar(PILLAR):
        killed(fleet, victim, host, moment)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("victim", "host", "moment"), drawn(int(os.environ.get("BARE_KILLS", 1)), BARE_VICTIMS, BARE_LENGTH)
)
def test_killed_on_bare_hosts(_fleet, victim, host, moment):
    fleet = _fleet
    fleet.lab.down()
    fleet.stage = None
    fleet.lab.up(bare=True)
    fleet.stage = "used"
    fleet.everywhere(lambda host: fleet.sh(host, THEIRS))
    with fleet.pillar(BARE):
        killed(fleet, victim, host, moment)
    left = {host: fleet.sh(host, "dpkg --audit; ls -A /var/lib/dpkg/updates") for host in fleet.lab.hosts}
    assert left == dict.fromkeys(fleet.lab.hosts, "")
    names = {host: fleet.sh(host, "gluster pool list | sed 1d").split() for host in HYPERVISORS}
    assert {host: len(words) for host, words in names.items()} == dict.fromkeys(HYPERVISORS, 9)  # uuid, name, state
    assert fleet.sh("kvm1", "gluster volume list").split() == ["one_vol"]
    bricks = [line for line in fleet.sh("kvm1", "gluster volume info one_vol").splitlines() if line[:5] == "Brick"]
    assert bricks[1:] == [f"Brick{number}: kvm{number}:/data/one_vol" for number in (1, 2, 3)]
    assert all(fleet.sh(host, "ls /data").split() == ["one_vol", "theirs"] for host in HYPERVISORS)
