"""The guide, done by one run: what could not be before can be afterwards, and `test=True` said so."""

import json
import re

import pytest

from .fleet import HYPERVISORS, MOUNT, STORES

CHANGING = re.compile(r"\.(allocate|update|add\w+|del\w+|delete|rename|chmod|chown|enable)$")
SIZE = 16 * 2**20
# As oned writes it: see the <disk> of its deployment files.
DOMAIN = """\
<domain type='qemu'>
	<name>one-7</name>
	<vcpu>1</vcpu>
	<memory>65536</memory>
	<os>
		<type arch='x86_64'>hvm</type>
	</os>
	<devices>
		<emulator>/usr/bin/qemu-system-x86_64</emulator>
		<disk type='network' device='disk'>
			<source protocol='gluster' name='one_vol/7/disk.0'>
				<host name='kvm1' port='24007' transport='tcp'/>
			</source>
			<target dev='sda'/>
			<boot order='1'/>
			<driver name='qemu' type='raw' cache='none' discard='unmap'/>
			<address type='drive' controller='0' bus='0' target='0' unit='0'/>
		</disk>
		<controller type='scsi' index='0' model='virtio-scsi'/>
	</devices>
</domain>
"""


def started(fleet):
    """`virsh create` of the machine on kvm2."""
    fleet.lab.exec("kvm2", "tee", "/run/one-7.xml", input=DOMAIN, check=True)
    return fleet.lab.exec("kvm2", "virsh", "create", "/run/one-7.xml", timeout=120)


@pytest.fixture(scope="module")
def before(clean):
    """The fleet before the run: how it looks, what a native open and a machine's start say."""
    opened = clean.native_open("kvm2", "probe.img")
    machine = started(clean)
    clean.requests()
    return {"look": clean.look_all(), "opened": opened, "machine": machine}


@pytest.fixture(scope="module")
def predicted(clean, before):
    """`test=True`, and how the fleet looks after it."""
    clean.requests()
    run = clean.apply(test=True)
    return {"run": run, "requests": clean.requests(), "look": clean.look_all()}


@pytest.fixture(scope="module")
def first(clean, predicted):
    """The one run."""
    clean.stage = "used"
    bricks = clean.bricks()
    run = clean.apply()
    clean.stage = "used" if run.failures else "converged"
    return {"run": run, "bricks": (bricks, clean.bricks()), "stores": clean.datastores()}


@pytest.fixture(scope="module")
def image(clean, first):
    """An image written through the image datastore on the head, and its clone through the system datastore on kvm3."""
    image = f"{STORES}/{first['stores']['glusterds']['ID']}/3f2a9c"
    clone = f"{STORES}/{first['stores']['gluster_system']['ID']}/7/disk.0"
    clean.sh("head", f"qemu-img create -q -f raw {image} {SIZE}", user="oneadmin")
    clean.sh("kvm3", f"mkdir -p $(dirname {clone}) && cp {image} {clone}", user="oneadmin")
    return {"name": "3f2a9c", "clone": "7/disk.0"}


# Before


def test_before_the_run_gluster_refuses_a_native_open(before):
    size, said = before["opened"]
    assert size is None
    assert "Gluster connection for volume one_vol, path probe.img failed to connect" in said


def test_before_the_run_the_machine_does_not_start(before):
    assert before["machine"].returncode != 0
    assert "failed to initialize gluster connection" in before["machine"].stderr


# test=True


def test_prediction_touches_nothing(before, predicted):
    assert predicted["look"] == before["look"]
    assert [method for method in predicted["requests"] if CHANGING.search(method)] == []


def test_prediction_changes_every_minion_and_fails_on_none(clean, predicted):
    run = predicted["run"]
    assert not run.failures
    assert set(run.changes) == set(clean.lab.hosts)
    for states in run.values():
        for state in states.values():
            assert state["result"] is (None if state["changes"] else True)


# The run


def test_run_succeeds_on_every_minion(clean, first):
    assert set(first["run"]) == set(clean.lab.hosts)
    assert first["run"].failures == {}
    assert first["run"].results == {True}


def without_ids(changes):
    """Changes with "(identifier)" for the numbers that only the run could know."""
    text = re.sub(
        r'(datastores/)\d+(?= -> )|("identifier": \{"old": null, "new": )\d+', r"\1\2(identifier)", json.dumps(changes)
    )
    return json.loads(text.replace('"new": (identifier)', '"new": "(identifier)"'))


def test_run_does_what_was_predicted(predicted, first):
    assert {minion: set(states) for minion, states in first["run"].items()} == {
        minion: set(states) for minion, states in predicted["run"].items()
    }
    assert without_ids(first["run"].changes) == predicted["run"].changes


def test_no_brick_was_restarted(first):
    bricks, bricks_after = first["bricks"]
    assert all(len(pids) == 1 for pids in bricks.values())
    assert bricks_after == bricks


# What it is for


def test_every_node_has_both_directories(clean, first):
    ids = {name: first["stores"][name]["ID"] for name in ("gluster_system", "glusterds")}
    for host in clean.lab.hosts:
        assert clean.mounts(host)[MOUNT][1] == "fuse.glusterfs"
        for store in ids.values():
            assert clean.sh(host, f"readlink -f {STORES}/{store}").strip() == MOUNT


def test_image_and_clone_open_natively_on_every_hypervisor(clean, image):
    opened = clean.everywhere(
        lambda job: clean.native_open(*job), [(h, i) for h in HYPERVISORS for i in image.values()]
    )
    assert {job: size for job, (size, _) in opened.items()} == dict.fromkeys(opened, SIZE), opened


def test_machine_runs_as_oneadmin(clean, image):
    done = started(clean)
    try:
        assert done.returncode == 0, done.stderr
        assert clean.sh("kvm2", "virsh domstate one-7").strip() == "running"
        (pid,) = clean.pids("kvm2", "qemu-system-x86_64")
        assert clean.sh("kvm2", "ps -o user= -C qemu-system-x86").strip() == "oneadmin", pid
    finally:
        clean.lab.exec("kvm2", "virsh", "destroy", "one-7")


def test_datastores_are_as_the_guide_has_them(first):
    image, system = first["stores"]["glusterds"], first["stores"]["gluster_system"]
    assert {key: image[key] for key in ("DISK_TYPE", "GLUSTER_HOST", "GLUSTER_VOLUME", "DRIVER", "TM_MAD")} == {
        "DISK_TYPE": "GLUSTER",
        "GLUSTER_HOST": "kvm1:24007",
        "GLUSTER_VOLUME": "one_vol",
        "DRIVER": "raw",
        "TM_MAD": "shared",
    }
    assert (system["TYPE"], system["TM_MAD"]) == ("SYSTEM_DS", "shared")
    assert "DS_MAD" not in system


def test_oned_reports_the_size_of_the_volume(clean, first):
    size, disk = (int(clean.sh("head", f"df --output=size -m {path} | tail -n 1")) for path in (MOUNT, "/var/lib/one"))
    assert size != disk
    sizes = clean.sizes()
    assert {name: sizes[name] for name in ("gluster_system", "glusterds")} == dict.fromkeys(
        ("gluster_system", "glusterds"), size
    )


def test_oneadmin_reads_on_one_node_what_it_wrote_on_another(clean, first):
    clean.sh("kvm1", f"echo 'from kvm1' >{MOUNT}/note", user="oneadmin")
    assert {clean.sh(host, f"cat {MOUNT}/note", user="oneadmin") for host in clean.lab.hosts} == {"from kvm1\n"}
