"""
Empty disks become the bricks of a new volume by one run; a disk that holds anything stays as it is. One that is lost is
replaced by another.
"""

import pytest

from lab.fleet import Lab, default_name
from lab.system import run
from tests.fleet.fleet import HYPERVISORS, MOUNT, Fleet, changed
from tests.fleet.replacement import down, same_files

TOP = "/srv/bricks/one"


def volume(fleet):
    """What the pillar says of one_vol."""
    bricks = [{"server": host, "path": f"{TOP}/brick", "device": disk} for host, disk in fleet.disks.items()]
    return {"create": {"replica": 3, "bricks": bricks}}


@pytest.fixture(scope="module")
def bare():
    """Hosts with a fresh glusterd and an empty disk each, whose names the pillar has."""
    fleet = Fleet(Lab(f"disks-{default_name()[-6:]}", quiet=True))
    try:
        fleet.lab.down()
        fleet.lab.up(pool=False)
        fleet.disks = {host: fleet.lab.add_disk(host) for host in HYPERVISORS}
        with fleet.pillar(changed(volume=volume(fleet))):
            yield fleet
    finally:
        fleet.lab.down()
        assert not run("losetup", "--list", "--noheadings", "--output", "BACK-FILE").count(str(fleet.lab.state))


def mounted(fleet):
    return {host: fleet.sh(host, f"findmnt -n -o FSTYPE {TOP}", check=False).strip() for host in HYPERVISORS}


def test_a_disk_with_files_is_left_and_nothing_is_created(bare):
    disk = bare.disks["kvm2"]
    run("mkfs.ext4", "-q", disk)
    before = run("sha256sum", disk)
    state = f"gluster_one_brick_{TOP}/brick"
    with bare.pillar(changed(volume=volume(bare), timeout=5)):
        for test in (True, False):
            text = bare.apply(test=test).own_failures["kvm2"][state]
            assert f"{disk} may hold data, it has a signature of ext4: give another device" in text
    assert run("sha256sum", disk) == before
    assert mounted(bare) == {"kvm1": "xfs", "kvm2": "", "kvm3": "xfs"}
    assert "one_vol" not in bare.sh("kvm1", "gluster volume list 2>&1", check=False)
    run("wipefs", "--all", "--quiet", disk)


@pytest.mark.timeout(600)
def test_empty_disks_become_a_volume_as_was_predicted_and_the_next_run_is_silent(bare):
    state = f"gluster_one_brick_{TOP}/brick"
    predicted = bare.apply(test=True)
    assert predicted.failures == {}
    change = {"old": "419.4 MB without a signature", "new": "XFS"}
    assert predicted.changes["kvm2"][state][bare.disks["kvm2"]] == change
    assert state not in predicted.changes["kvm1"]
    done = bare.apply()
    assert done.failures == {}
    assert done.changes["kvm2"][state] == predicted.changes["kvm2"][state]
    assert mounted(bare) == dict.fromkeys(HYPERVISORS, "xfs")
    assert bare.sh("kvm1", "gluster volume status one_vol").count(f":{TOP}/brick") == 3
    again = bare.apply()
    assert (again.failures, again.changes) == ({}, {})


def test_fstab_has_it_by_its_uuid(bare):
    for host, disk in bare.disks.items():
        (line,) = [line for line in bare.sh(host, "cat /etc/fstab").splitlines() if TOP in line]
        uuid = run("blkid", "--probe", "--output", "value", "--match-tag", "UUID", disk).strip()
        assert (
            line == f"UUID={uuid} {TOP} xfs defaults,noatime,nosuid,nodev,nofail,x-systemd.before=glusterd.service 0 0"
        )


@pytest.mark.timeout(600)
def test_a_lost_disk_is_replaced_by_the_device_that_the_pillar_has_then(bare):
    bare.sh("head", f"cd {MOUNT}; for n in $(seq 30); do head -c 100000 /dev/urandom >$n; done")
    bare.sh("kvm3", f"pkill -9 -o -x glusterfsd; sleep 1; umount {TOP}")
    down(bare)
    bare.disks["kvm3"] = bare.lab.add_disk("kvm3")
    words, brick = {"brick": f"kvm3:{TOP}/brick"}, f"{TOP}/brick"
    with bare.pillar(changed(volume=volume(bare))):
        code, predicted, said = bare.orchestrate("replace", words, test=True)
        assert code != 0 and f" on {TOP}, not {bare.disks['kvm3']}: remove that line, or device" in said, said
        bare.sh("kvm3", f"sed -i '\\,{TOP},d' /etc/fstab")
        code, predicted, said = bare.orchestrate("replace", words, test=True)
        assert code == 0, said
        code, steps, said = bare.orchestrate("replace", words)
        assert (code, steps) == (0, predicted), said
        same_files(bare, *HYPERVISORS, least=30, brick=brick)
        assert bare.orchestrate("replace", words)[:2] == (0, {})
        run = bare.apply()
        assert (run.failures, run.changes) == ({}, {})
        test_fstab_has_it_by_its_uuid(bare)
    assert mounted(bare) == dict.fromkeys(HYPERVISORS, "xfs")
