"""What the user has set by hand stays, in whatever spelling; what the pillar says otherwise is one change."""

import pytest

from tests.fleet.fleet import MOUNT, STORES, changed

OURS = "kvm1:/one_vol"
FSTAB = """\
# Disks of this machine, in an order of their own
/dev/vdz1\t/srv/own   ext4  noauto,user  0 2
{ours}
  tmpfs /srv/fast\ttmpfs noauto,size=1m,mode=0700 0\t0

# The end, without a newline"""
OPTIONS = {
    "network.ping-timeout": "17",
    "user.note": "my own",
    # The same as the pillar below asks for, in other words.
    "server.allow-insecure": "enable",
    "performance.readdir-ahead": "1",
    "performance.io-cache": "True",
    "performance.stat-prefetch": "on",
    "performance.cache-size": "1GB",
}
SAME = {
    "performance.readdir-ahead": True,
    "performance.io-cache": "on",
    "performance.stat-prefetch": "yes",
    "performance.cache-size": "1024MB",
}


def options(fleet):
    """{option: value} of one_vol that were ever set."""
    text = fleet.sh("kvm1", "gluster --mode=script volume info one_vol").partition("Options Reconfigured:\n")[2]
    return dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)


@pytest.fixture(scope="module")
def own(fleet_of_module):
    """Things of the user's own, on kvm2's disk, on the volume and in OpenNebula; how they were before any run."""
    fleet = fleet_of_module
    words = " ".join(f"{name} '{value}'" for name, value in OPTIONS.items())
    fleet.sh("kvm1", f"gluster --mode=script volume set one_vol {words}")
    store = fleet.datastores()["glusterds"]["ID"]
    attributes = 'GLUSTER_HOST="kvm1"\nLIMIT_MB="5000"\nMY_OWN="it is, <mine> \\"too\\""\n'
    fleet.oned("one.datastore.update", store, attributes, 1)
    fstab = fleet.lab.root("kvm2") / "etc/fstab"
    (line,) = fstab.read_text().splitlines()
    fstab.write_text(FSTAB.format(ours=line))
    fleet.sh("kvm2", f"ln -s /srv/own {STORES}/200; ln -s 0 {STORES}/by-hand", user="oneadmin")
    fleet.lab.root("kvm2").joinpath("etc/glusterfs/glusterd.vol").open("a").write("# my own remark\n")
    yield {
        "line": line,
        "glusterd.vol": fleet.tree("kvm2", "etc/glusterfs"),
        "options": options(fleet),
        "attributes": fleet.datastores()["glusterds"],
        "links": fleet.tree("kvm2", "var/lib/one/datastores"),
    }
    fleet.stage = "used"


def test_equal_in_other_words_is_no_change(fleet, own):
    same = {"glusterds": {"host": "kvm1:24007", "attributes": {"limit_mb": 5000, "My_Own": 'it is, <mine> "too"'}}}
    with fleet.pillar(changed(volume={"options": SAME}, datastores=same)):
        run = fleet.apply()
    assert (run.failures, run.changes) == ({}, {})
    assert options(fleet) == own["options"]
    assert fleet.datastores()["glusterds"] == own["attributes"]


@pytest.fixture(scope="module")
def different(fleet_of_module, own):
    """A run that has to write wherever the user's own things are."""
    fleet = fleet_of_module
    other = {"glusterds": {"host": ["kvm1", "kvm2"], "attributes": {"limit_mb": 6000}}}
    volume = {"options": {**SAME, "performance.io-cache": False}, "mount_options": ["log-level=WARNING"]}
    with fleet.pillar(changed(volume=volume, datastores=other)):
        return fleet.apply()


def test_each_difference_is_one_change(different, own):
    line = f"{OURS} defaults,_netdev,nosuid,nodev,backup-volfile-servers=kvm2:kvm3"
    fstab = {"fstab": {"old": line, "new": f"{line},log-level=WARNING"}}
    assert different.failures == {}
    assert different.changes == {
        "kvm1": {
            "gluster_one_volume_one_vol": {"performance.io-cache": {"old": "True", "new": "off"}},
            "gluster_one_mount_one_vol": fstab,
        },
        "kvm2": {"gluster_one_mount_one_vol": fstab},
        "kvm3": {"gluster_one_mount_one_vol": fstab},
        "head": {
            "gluster_one_mount_one_vol": fstab,
            "gluster_one_datastore_glusterds": {
                "GLUSTER_HOST": {"old": "kvm1", "new": "kvm1:24007 kvm2:24007"},
                "LIMIT_MB": {"old": "5000", "new": "6000"},
            },
        },
    }


def test_volume_options_survive(fleet, own, different):
    now, record = options(fleet), "user.gluster_one.set"
    assert "performance.io-cache=off<True" in now.pop(record).split()
    assert {**now, record: own["options"][record]} == {**own["options"], "performance.io-cache": "off"}


def test_datastore_attributes_survive(fleet, own, different):
    attributes = {**own["attributes"], "LIMIT_MB": "6000", "GLUSTER_HOST": "kvm1:24007 kvm2:24007"}
    assert fleet.datastores()["glusterds"] == attributes


def test_fstab_lines_survive_byte_for_byte(fleet, own, different):
    text = (fleet.lab.root("kvm2") / "etc/fstab").read_text()
    (line,) = (line for line in text.splitlines() if line.startswith(OURS))
    assert line.split()[1] == MOUNT
    assert text.removesuffix("\n") == FSTAB.format(ours=line)


def test_links_and_volume_file_survive(fleet, own, different):
    assert fleet.tree("kvm2", "var/lib/one/datastores") == own["links"]
    assert fleet.tree("kvm2", "etc/glusterfs") == own["glusterd.vol"]
