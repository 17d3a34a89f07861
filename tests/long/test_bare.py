"""Hosts without Gluster and without a network: one run installs it, makes pool and volume, and ends as on any fleet."""

import contextlib
import time

import pytest

from lab.fleet import Lab, default_name
from lab.system import wait_for
from tests.fleet.fleet import HYPERVISORS, MOUNT, STORES, Fleet, changed
from tests.long.test_cost import counting

DRIVERS = ("qemu-block-extra", "libvirt-daemon-driver-storage-gluster")
INSTALLED = {
    "head": {"glusterfs-client"},
    **dict.fromkeys(HYPERVISORS, {"glusterfs-server", "glusterfs-client", *DRIVERS}),
}
PACKAGES, PYONE, SERVICE = "gluster_one_packages", "gluster_one_pyone", "gluster_one_glusterd_enabled"
CREATE = {"replica": 3, "bricks": "/data/one_vol"}
PYONE_FILES = "/opt/venv/lib/python3*/site-packages/pyone*"
# What dpkg is asked with, by whoever asks.
DPKG = "/usr/bin/dpkg-query"

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def bare(_fleet):
    """Four bare hosts, whose pillar has `create`."""
    _fleet.lab.down()
    _fleet.stage = None
    _fleet.lab.up(bare=True)
    with _fleet.pillar(changed(volume={"create": CREATE})):
        yield _fleet
    _fleet.stage = "used"


def installed(fleet, host):
    """Which of the packages a host has."""
    asked = "dpkg-query -W -f='${db:Status-Status} ${Package}\\n' 2>/dev/null | sed -n 's/^installed //p'"
    return set(fleet.sh(host, asked).split()) & {*INSTALLED["kvm1"]}


@pytest.mark.parametrize("volume", [{}, {"create": CREATE}], ids=["default", "create"])
def test_without_packages_what_is_missing_is_named(bare, volume):
    with bare.pillar(changed(volume=volume, packages=False, timeout=5)):
        run = bare.apply()
        asked = bare.lab.call("head", "opennebula.datastore_list")["head"]
    said = {minion: str(failed) for minion, failed in run.failures.items()}
    assert set(said) == set(bare.lab.hosts)
    assert all("install glusterfs-server" in said[host] for host in HYPERVISORS)
    if not volume:
        assert "install glusterfs-client" in said["head"]
        assert all(DRIVERS[0] in said[host] for host in HYPERVISORS)
    assert "pyone is not installed for this minion's Python: `salt-pip install" in asked
    assert all(installed(bare, host) == set() for host in bare.lab.hosts)


def test_what_a_run_would_do_touches_nothing(bare):
    before = {host: bare.look(host) for host in bare.lab.hosts}
    run = bare.apply(test=True)
    assert run.failures == {}
    assert {host: set(states[PACKAGES]) for host, states in run.changes.items()} == INSTALLED
    assert {host: SERVICE in states for host, states in run.changes.items()} == {
        host: host in HYPERVISORS for host in bare.lab.hosts
    }
    assert {host: bare.look(host) for host in bare.lab.hosts} == before
    assert all(installed(bare, host) == set() for host in bare.lab.hosts)


def test_one_run_does_it_all_and_a_second_nothing(bare, record_property):
    begin = time.monotonic()
    run = bare.apply()
    record_property("seconds", round(time.monotonic() - begin, 1))
    assert run.failures == {}
    assert {host: set(states[PACKAGES]) for host, states in run.changes.items()} == INSTALLED
    assert run.changes["head"][PYONE] == {"pyone": {"old": None, "new": "installed"}}
    assert all(installed(bare, host) == INSTALLED[host] for host in HYPERVISORS)
    bare.sh("head", "qemu-img create -q -f raw /var/lib/one/datastores/101/image 1M", user="oneadmin")
    assert "read 512/512 bytes" in bare.disk_read("kvm2", "image", "read 0 512")
    with asking(bare, HYPERVISORS) as asked, counting(bare, HYPERVISORS) as started:
        again = bare.apply()
        commands = {host: len(lines) for host, lines in started().items()}
    assert (again.failures, again.changes, again.results) == ({}, {}, {True})
    assert commands == dict.fromkeys(HYPERVISORS, 1)  # the pool and the bricks, of which each server speaks
    assert asked() == dict.fromkeys(HYPERVISORS, "")


@contextlib.contextmanager
def asking(fleet, hosts):
    """Note who asks dpkg; yields a function: {host: what was asked}."""
    script = f'#!/bin/sh\\necho "$*" >>/var/log/dpkg-asked\\nexec {DPKG}.real "$@"\\n'
    for host in hosts:
        fleet.sh(host, f"mv {DPKG} {DPKG}.real; printf '{script}' >{DPKG}; chmod 755 {DPKG}; : >/var/log/dpkg-asked")
    try:
        yield lambda: {host: fleet.sh(host, "cat /var/log/dpkg-asked") for host in hosts}
    finally:
        for host in hosts:
            fleet.sh(host, f"mv {DPKG}.real {DPKG}")


def test_pyone_that_an_upgrade_has_taken_away_is_put_back(bare):
    bare.sh("head", f"rm -r {PYONE_FILES}")
    predicted = bare.apply(on=["head"], test=True)
    assert predicted.changes == {"head": {PYONE: {"pyone": {"old": None, "new": "installed"}}}}
    run = bare.apply(on=["head"])
    assert (run.failures, run.changes) == ({}, predicted.changes)
    assert bare.apply(on=["head"]).changes == {}
    # Where the file server has no wheel, the index is asked, which no host reaches.
    wheels = bare.lab.sls_dir / "gluster_one/wheels"
    wheels.rename(wheels.with_name("kept"))
    bare.sh("head", f"mkdir /var/tmp/kept; mv {PYONE_FILES} /var/tmp/kept")
    try:
        run = bare.apply("gluster_one.packages", on=["head"])
        said = run.failures["head"][PYONE]
        assert "`salt-pip install 'pyone>=7'`" in said and "from pip's index it could not be installed" in said
    finally:
        wheels.with_name("kept").rename(wheels)
        bare.sh("head", f"mv /var/tmp/kept/* {PYONE_FILES.rpartition('/')[0]}/")
    assert bare.apply(on=["head"]).changes == {}


@pytest.mark.parametrize(
    ("spoil", "said", "mend"),
    [
        ("systemctl mask glusterd", "glusterd is masked on this node", "systemctl unmask glusterd"),
        ("systemctl disable glusterd", "glusterd is disabled on this node although it has peers or volumes (", None),
    ],
)
def test_a_glusterd_that_somebody_has_stopped_is_left_so_and_named(bare, spoil, said, mend):
    bare.sh("kvm3", spoil)
    run = bare.apply("gluster_one.packages", on=["kvm3"])
    assert (run.failures, run.changes) == ({}, {}), "it runs"
    assert said in run["kvm3"][SERVICE]["comment"]
    bare.sh("kvm3", "systemctl stop glusterd")
    run = bare.apply("gluster_one.packages", on=["kvm3"])
    assert run.changes == {} and said in run.failures["kvm3"][SERVICE]
    assert bare.lab.exec("kvm3", "systemctl", "is-active", "glusterd").stdout.strip() != "active"
    bare.sh("kvm3", f"{mend or ':'}; systemctl enable --now glusterd")
    run = bare.apply("gluster_one.packages", on=["kvm3"])
    assert (run.failures, run.changes) == ({}, {})


def test_one_that_is_merely_stopped_is_started(bare):
    bare.sh("kvm3", "systemctl stop glusterd")
    run = bare.apply("gluster_one.packages", on=["kvm3"])
    assert (run.failures, run.changes) == ({}, {"kvm3": {SERVICE: {"service": {"old": "stopped", "new": "running"}}}})


def test_nothing_installed_is_upgraded(bare):
    """A driver that has gone comes back in the version of the QEMU that is there, or not at all."""
    bare.sh("kvm2", f"dpkg -r --force-depends {DRIVERS[0]}")
    version = bare.sh("kvm2", "dpkg-query -W -f='${Version}' qemu-utils")
    status = "/var/lib/dpkg/status"
    bare.sh("kvm2", f"cp {status} {status}.kept; sed -i '/^Package: qemu-utils$/,/^$/s/^Version: .*/&~older/' {status}")
    try:
        run = bare.apply("gluster_one.packages", on=["kvm2"])
        assert f"{DRIVERS[0]} {version}~older goes with what is installed here" in run.failures["kvm2"][PACKAGES]
        assert run.changes == {}
    finally:
        bare.sh("kvm2", f"mv {status}.kept {status}")
    run = bare.apply("gluster_one.packages", on=["kvm2"])
    assert (run.failures, set(run.changes["kvm2"][PACKAGES])) == ({}, {DRIVERS[0]})
    assert bare.sh("kvm2", f"dpkg-query -W -f='${{Version}}' {DRIVERS[0]}") == version


# What an administrator types for the same, each on all hosts at once where the formula does it so; without pyone, which
# the formula alone needs.
INSTALL = "apt-get update -q; DEBIAN_FRONTEND=noninteractive apt-get install -q -y {}"
SERVER = """
sed -i 's/^end-volume/    option rpc-auth-allow-insecure on\\n&/' /etc/glusterfs/glusterd.vol
systemctl enable --now glusterd
"""
JOIN = ["gluster peer probe kvm2", "gluster peer probe kvm3", "gluster pool list | grep -c 'Connected' | grep -q 3"]
VOLUME = [
    "gluster --mode=script volume create one_vol replica 3 kvm{1,2,3}:/data/one_vol",
    "gluster volume set one_vol group virt",
    "gluster volume set one_vol server.allow-insecure on",
    "gluster volume set one_vol storage.owner-uid 9869",
    "gluster volume set one_vol storage.owner-gid 9869",
    "gluster volume start one_vol",
]
MOUNTED = f"""
mkdir -p {MOUNT}
echo 'kvm1:/one_vol {MOUNT} glusterfs defaults,_netdev,backup-volfile-servers=kvm2:kvm3 0 0' >>/etc/fstab
systemctl daemon-reload
systemctl start "$(systemd-escape -p --suffix=mount {MOUNT})"
"""
LINKED = f"cd {STORES}; for id in 100 101; do until [ -L $id ]; do rmdir $id || :; ln -sT {MOUNT} $id || :; done; done"
STORE_TEMPLATES = [
    "NAME=gluster_system\nTYPE=SYSTEM_DS\nTM_MAD=shared",
    "NAME=glusterds\nTYPE=IMAGE_DS\nDS_MAD=fs\nTM_MAD=shared\nDISK_TYPE=GLUSTER\nGLUSTER_HOST=kvm1:24007\n"
    "GLUSTER_VOLUME=one_vol\nDRIVER=raw",
]


def test_the_time_of_the_same_by_hand(record_property):
    """Nobody reads a guide here, mistypes, or looks whether it worked: it is what the machines need."""
    lab = Lab(f"hand-{default_name()[-6:]}", quiet=True)
    fleet = Fleet(lab)
    try:
        lab.down()
        lab.up(bare=True)
        begin = time.monotonic()
        fleet.everywhere(lambda host: fleet.sh(host, INSTALL.format(" ".join(INSTALLED[host])), timeout=400))
        fleet.everywhere(lambda host: fleet.sh(host, SERVER), HYPERVISORS)
        for line in JOIN:
            wait_for(line, lambda line=line: lab.exec("kvm1", "bash", "-c", line).returncode == 0, 60)
        for line in VOLUME:
            lab.exec("kvm1", "bash", "-c", line, check=True)
        fleet.everywhere(lambda host: fleet.sh(host, MOUNTED))
        fleet.oned_each("one.datastore.allocate", [[template, -1] for template in STORE_TEMPLATES])
        fleet.everywhere(lambda host: fleet.sh(host, LINKED))
        fleet.sh("head", f"qemu-img create -q -f raw {STORES}/101/image 1M", user="oneadmin")
        read = fleet.everywhere(lambda host: fleet.disk_read(host, "image", "read 0 512"), HYPERVISORS)
        record_property("seconds", round(time.monotonic() - begin, 1))
        assert all("read 512/512 bytes" in said for said in read.values()), read
    finally:
        lab.down()
