"""OpenNebula's HA, where each front end is a head; and a head that is lost, and whose database alone is restored."""

import pytest

from lab.system import wait_for
from tests.fleet.fleet import MOUNT, STORES

pytestmark = pytest.mark.timeout(900)

HEADS = ("head", "kvm3")
TOP = """
base:
  '*':
    - gluster_one
  '{}':
    - match: list
    - gluster_one_head
"""
# A follower's oned has its leader do what it is asked to.
LEADER = "socat TCP-LISTEN:2634,reuseaddr,fork TCP:127.0.0.1:2633"
FOLLOWER = "socat TCP-LISTEN:2633,bind=127.0.0.1,reuseaddr,fork TCP:head:2634"
ANSWERS = "import socket; socket.create_connection(('127.0.0.1', 2633), 2)"
# What a new installation of the front end has not: OpenNebula's database was saved, and so are its own files.
LOST = f"""
systemctl stop salt-minion
umount -l {MOUNT}; sed -i '/one_vol/d' /etc/fstab; rm -rf /var/lib/gluster_one
find {STORES} -mindepth 1 -maxdepth 1 -type l -delete
find /var/cache/salt/minion -mindepth 1 -delete; rm -f /etc/salt/minion.d/beacons.conf
systemctl daemon-reload; systemctl start salt-minion
"""


@pytest.fixture(scope="module")
def heads(clean):
    """A fleet with OpenNebula's leader on head and a follower on kvm3, where the formula has never run."""
    clean.stage = "used"
    secret = clean.sh("head", "cat /var/lib/one/.one/one_auth").strip()
    here = "install -d -o oneadmin -m 700 /var/lib/one/.one; umask 077; cd /var/lib/one/.one"
    clean.sh("kvm3", f"{here}; echo '{secret}' >one_auth; chown oneadmin one_auth")
    for host, command in zip(HEADS, (LEADER, FOLLOWER), strict=True):
        clean.sh(host, f"systemd-run --quiet --unit=forward {command}")
    wait_for("the follower", lambda: clean.lab.exec("kvm3", "python3", "-c", ANSWERS).returncode == 0, 30)
    with clean.pillar(top=TOP.format(",".join(HEADS))):
        clean.lab.call("*", "saltutil.refresh_pillar", "wait=True")
        yield clean


def stores(fleet):
    return {name: store["ID"] for name, store in fleet.datastores().items()}


def links(fleet, host):
    return fleet.sh(host, f"find {STORES} -mindepth 1 -maxdepth 1 -type l -printf '%f %l\\n' | sort").splitlines()


def test_each_front_end_is_a_head(heads):
    before = stores(heads)
    run = heads.apply()
    assert run.failures == {}
    made = stores(heads)
    assert len(made) == len(set(made.values())) and set(made) - set(before), made
    assert links(heads, "kvm3") == links(heads, "head") == links(heads, "kvm1") != []


def test_and_then_nothing_is_due(heads):
    for test in (True, False):
        run = heads.apply(test=test)
        assert (run.failures, run.changes) == ({}, {})
    status, found = heads.runner("gluster_one.status")
    assert (status, found["findings"]) == (0, []), found["findings"]


def test_a_rollout_does_one_after_the_other(heads):
    code, _, said = heads.orchestrate("rollout", {})
    assert code == 0, said
    assert all(f"head ({head})" in said for head in HEADS), said


def test_a_front_end_that_is_lost_is_made_anew_by_one_run(heads):
    before, linked = heads.datastores(), links(heads, "head")
    heads.sh("head", LOST)
    heads.lab.wait_for_minions(["head"])
    assert links(heads, "head") == []
    run = heads.apply(on=["head"])
    assert run.failures == {}
    assert links(heads, "head") == linked
    assert heads.datastores() == before
    assert (heads.apply().changes, heads.runner("gluster_one.status")[0]) == ({}, 0)
