"""
The first run, killed at a random moment: the next run converges, and nothing is lost or doubled.

`KILLS=20 SEED=7 make test-long ARGS="-k test_killed"` kills twenty times; the seed says what and when.
"""

import json
import os
import random
import time
import xml.etree.ElementTree as ET
from collections import Counter

import pytest

from lab.system import wait_for
from tests.fleet.fleet import HYPERVISORS, MOUNT, STORES, changed

PILLAR = changed(timeout=40)
# Not quite as long as the first run takes.
LENGTH = 8
VICTIMS = ["host", "minion", "gluster", "master"]
MINION = "systemctl kill -s KILL salt-minion; systemctl restart salt-minion"
RANDOM = random.Random(int(os.environ.get("SEED", 1)))
# The next process of the command that there is.
COMMAND = "for i in $(seq 300); do pkill -9 -x gluster && exit; sleep 0.05; done; exit 1"
# Somebody's, on each host, before the formula runs.
THEIRS = "mkdir -p /data && echo theirs >/data/theirs && echo '# theirs' >>/etc/fstab"


def drawn(number):
    victim = VICTIMS[number % len(VICTIMS)]
    host = {"master": "head", "gluster": "kvm1"}.get(victim) or RANDOM.choice(["head", *HYPERVISORS])
    return pytest.param(victim, host, moment := RANDOM.uniform(1, LENGTH), id=f"{victim} {host} {moment:.1f} s")


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


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("victim", "host", "moment"), [drawn(number) for number in range(int(os.environ.get("KILLS", 1)))]
)
def test_killed(_fleet, victim, host, moment):
    fleet = _fleet
    fleet.new()
    fleet.stage = "used"
    # As on a new volume. A brick that a reboot starts while it is off would reject all clients until its next start.
    fleet.sh("kvm1", "gluster --mode=script volume set one_vol server.allow-insecure on")
    fleet.everywhere(lambda host: fleet.sh(host, THEIRS))
    with fleet.pillar(PILLAR):
        said = fleet.lab.salt("--async", "*", "state.apply", "gluster_one").stdout
        time.sleep(moment)
        if victim == "master":
            fleet.lab.restart_master()
        elif victim == "host":
            fleet.lab.reboot(host)
        else:
            fleet.sh(host, MINION if victim == "minion" else COMMAND)
        fleet.lab.wait_for_minions(fleet.lab.hosts)
        wait_for("the end of the run", lambda: not running(fleet), 200, every=2)
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
