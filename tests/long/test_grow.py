"""
A hypervisor comes; a server without bricks comes and leaves; a volume gets more bricks, on servers that it has and on a
new one, also when that is killed and begun again: nobody who writes or reads notices.
"""

import signal

import pytest

from tests.fleet.fleet import HYPERVISORS, MOUNT, changed
from tests.fleet.load import Load
from tests.fleet.replacement import same_files, unnoticed
from tests.fleet.test_first_run import without_ids

from .test_replace import killed

BRICKS = [f"{host}:/data/one_vol" for host in HYPERVISORS]
MORE = [f"{host}:/data/more" for host in ("kvm4", "kvm2", "kvm3")]
PRESENT = "gluster_one_created_one_vol"
# A mount knows of a server that came later at its next start; the stand-in's VM has no file for its disk.
EXPECTED = {"mount_options", "client_options", "image"}


def pillar(servers, bricks):
    return changed(volume={"servers": list(servers), "group": "virt", "create": {"replica": 3, "bricks": bricks}})


@pytest.fixture(scope="module")
def fleet(_fleet):
    """
    A fleet whose volume `create` describes, and kvm4 and kvm5, whose disks are mounted and whose glusterds run, in no
    pool. The formula has not run on kvm4.
    """
    _fleet.new(hosts=5)
    _fleet.stage = "used"
    for host in ("kvm4", "kvm5"):
        _fleet.sh(host, "mkdir -p /data; mount -t tmpfs -o mode=755,size=2g data /data; systemctl start glusterd")
    with _fleet.pillar(pillar(HYPERVISORS, BRICKS)):
        assert _fleet.apply(on=["head", *HYPERVISORS, "kvm5"]).failures == {}
        _fleet.healed()
        yield _fleet


def bricks(fleet):
    lines = fleet.sh("kvm1", "gluster --mode=script volume info one_vol").splitlines()
    return [line.split()[1] for line in lines if line.startswith("Brick") and ":/" in line]


@pytest.mark.timeout(600)
def test_the_pillar_of_another_site_is_refused(fleet):
    """kvm4 is a pool of its own, with a volume of the same name, which the servers of that site's pillar lead to."""
    gluster = "gluster --mode=script volume"
    bricks = " ".join(f"kvm4:/data/other{number}" for number in range(3))
    owner = "storage.owner-uid 9869 storage.owner-gid 9869"
    made = f"create one_vol replica 3 {bricks} force && {gluster} set one_vol {owner}"
    fleet.sh("kvm4", f"{gluster} {made} && {gluster} start one_vol")
    others = ("head", *HYPERVISORS)
    before = fleet.everywhere(fleet.look, others)
    site = changed(volume={"servers": ["kvm4"]})
    with fleet.pillar(site):
        for test in (True, False):
            run = fleet.apply(on=others, test=test)
            assert set(run.own_failures) == {*others} and run.changes == {}, run
    assert fleet.everywhere(fleet.look, others) == before
    # A node whose mount is gone, line and all, would have mounted it.
    fleet.sh("kvm2", f"umount {MOUNT}; sed -i '/glusterfs/d' /etc/fstab; systemctl daemon-reload")
    with fleet.pillar(site):
        said = " ".join(fleet.apply(on=["kvm2"]).own_failures["kvm2"].values())
        assert "has the id" in said and "kvm2 has used one with the id" in said, said
    # The cure: the pillar is this site's again, and
    assert f"`umount {MOUNT}` once nothing uses it" in said
    fleet.sh("kvm2", f"umount {MOUNT}")
    said = " ".join(fleet.apply(on=["kvm2"]).own_failures["kvm2"].values())
    assert "kvm4:/one_vol is what /etc/fstab mounts" in said and "if it is of another pool, remove that" in said
    fleet.sh("kvm2", "sed -i '/kvm4/d' /etc/fstab; systemctl daemon-reload")
    assert fleet.apply(on=others).failures == {}
    fleet.sh("kvm4", f"{gluster} stop one_vol && {gluster} delete one_vol && rm -rf /data/other*")


@pytest.mark.timeout(300)
def test_a_new_hypervisor_and_nothing_changes_elsewhere(fleet):
    others = ("head", *HYPERVISORS, "kvm5")
    before = fleet.everywhere(fleet.look, others)
    foretold = fleet.apply(on=["kvm4"], test=True)
    run = fleet.apply(on=["kvm4"])
    assert (foretold.failures, run.failures, set(run.changes)) == ({}, {}, {"kvm4"})
    assert without_ids(run.changes) == without_ids(foretold.changes)
    assert fleet.everywhere(fleet.look, others) == before
    assert fleet.apply().changes == {}


@pytest.mark.timeout(900)
def test_a_server_without_bricks_comes_and_leaves(fleet):
    load = Load(fleet)
    with fleet.pillar(pillar([*HYPERVISORS, "kvm4"], BRICKS)):
        assert fleet.apply().failures == {}
        assert "Number of Peers: 3" in fleet.sh("kvm1", "gluster peer status")
        assert bricks(fleet) == BRICKS and "kvm4" in fleet.sh("head", "grep glusterfs /etc/fstab")
    words = {"leave": "kvm4"}
    vm = {"name": "web", "host": "kvm2", "disks": [{"DISK_TYPE": "GLUSTER", "GLUSTER_HOST": "kvm4:24007"}]}
    number = fleet.stand_in(put={"vm": vm})["id"]
    for test in (True, False):
        code, steps, said = fleet.orchestrate("replace", words, test=test)
        assert code != 0 and f"VM {number} has it as GLUSTER_HOST of disk 0" in said and steps == {}
    assert "Number of Peers: 3" in fleet.sh("kvm1", "gluster peer status")
    # Made anew, it names another one.
    fleet.stand_in(edit=["kvm4:24007", "kvm1:24007"], method="one.vmpool.infoextended")
    code, predicted, said = fleet.orchestrate("replace", words, test=True)
    assert code == 0, said
    code, steps, said = fleet.orchestrate("replace", words)
    assert (code, steps) == (0, predicted) and list(steps) == ["detach kvm4 on kvm1"], said
    assert "Number of Peers: 2" in fleet.sh("kvm1", "gluster peer status")
    assert fleet.apply().failures == {}
    assert "kvm4" not in fleet.sh("head", "grep glusterfs /etc/fstab")
    code, steps, said = fleet.orchestrate("replace", words)
    assert (code, steps) == (0, {}) and "kvm4 is not in the pool of kvm1, kvm2, kvm3, and has no brick of it" in said
    fleet.stand_in(behave=True)
    unnoticed(load)
    same_files(fleet, *HYPERVISORS, least=5)


@pytest.mark.timeout(900)
def test_a_new_server_and_a_set_of_bricks(fleet):
    load = Load(fleet)
    with fleet.pillar(pillar([*HYPERVISORS, "kvm4"], [*BRICKS, *MORE])):
        said = fleet.apply("gluster_one.create", on=["kvm1", "kvm2", "kvm3", "kvm4"], test=True).failures["kvm1"]
        assert "gluster_one.orchestrate.grow` adds it (docs/grow.md)" in said[PRESENT]
        code, predicted, said = fleet.orchestrate("grow", {}, test=True)
        assert code == 0, said
        assert bricks(fleet) == BRICKS
        code, steps, said = fleet.orchestrate("grow", {})
        assert code == 0, said
        grown = steps["pool and bricks"]["kvm1"][PRESENT]
        assert grown == predicted["pool and bricks"]["kvm1"][PRESENT]
        assert grown["one_vol"]["old"] == f"without {', '.join(MORE)}"
        assert bricks(fleet) == [*BRICKS, *MORE]
        code, steps, said = fleet.orchestrate("grow", {})
        assert (code, steps) == (0, {}), said
        assert fleet.apply().failures == {}
        unnoticed(load)
        fleet.sh("head", "mkdir /var/lib/gluster_one/one_vol/new; cd /var/lib/gluster_one/one_vol/new; touch $(seq 50)")
        for host, path in (("kvm1", "/data/one_vol"), ("kvm4", "/data/more")):
            assert int(fleet.sh(host, f"ls {path}/new | wc -l")) > 5, "new directories use both sets"
        fleet.healed()
        status, found = fleet.runner("gluster_one.status")
        assert {finding["kind"] for finding in found["findings"]} <= EXPECTED
        assert found["volumes"]["one_vol"]["bricks"] == [6, 6]


@pytest.mark.timeout(300)
def test_what_is_missing_in_the_end_is_said(fleet):
    there = bricks(fleet)
    everyone = pillar([*HYPERVISORS, "kvm4"], there)
    everyone["gluster_one"]["timeout"] = 20
    fleet.sh("kvm4", "pkill -9 -x glusterfsd")
    with fleet.pillar(everyone):
        code, steps, said = fleet.orchestrate("grow", {})
        assert code != 0 and steps == {} and f"not healed within 20 s (last seen: {MORE[0]} down)" in said, said
        causes = fleet.runner("gluster_one.status")[1]["causes"]
        said = [(cause["kind"], cause["cure"]) for cause in causes]
        assert ("brick_down", "salt kvm4 state.apply gluster_one.started") in said
        assert fleet.apply("gluster_one.started", on=["kvm4"]).failures == {}
        code, steps, said = fleet.orchestrate("grow", {})
        assert (code, steps) == (0, {}), said


@pytest.mark.timeout(300)
def test_what_differs_in_more_than_sets_is_left(fleet):
    there = bricks(fleet)
    other = [f"{host}:/data/other" for host in ("kvm4", "kvm2", "kvm3")]
    with fleet.pillar(pillar([*HYPERVISORS, "kvm4"], [*BRICKS, *other])):
        code, _, said = fleet.orchestrate("grow", {})
    assert code != 0 and "was left as it is" in said
    assert bricks(fleet) == there


# When the command ends, by which signal, and the minion of a host with it.
MOMENTS = {
    "in the pool": ("kvm5", "grep -q 3 /var/lib/glusterd/peers/*", signal.SIGKILL),
    "who adds the bricks": ("kvm1", "test -d /data/{}", signal.SIGTERM),
    "with its glusterd": ("kvm5", "test -d /data/{} && pkill -9 -x glusterd", signal.SIGKILL),
}


def started(fleet):
    assert fleet.apply("gluster_one.started", on=["kvm5"]).failures == {}


def repaired(fleet):
    code, _, text = fleet.orchestrate("repair_peer", {"peer": "kvm5"})
    if code:  # with the number of the new definition, and the bricks of the old one
        assert "neither definition is newer" in text, text
        assert "`gluster volume set one_vol user.checked yes` on one of them until" in text
        fleet.sh("kvm1", "gluster --mode=script volume set one_vol user.checked yes")
        code, _, text = fleet.orchestrate("repair_peer", {"peer": "kvm5"})
    assert code == 0, text


@pytest.mark.timeout(900)
@pytest.mark.parametrize("which", MOMENTS)
def test_killed_while_it_grows_the_next_goes_on(fleet, which):
    """Each time by a set more: kvm5 is new to the pool the first time."""
    assert fleet.apply(on=["kvm4"]).failures == {}  # which mounts, for its writer
    host, moment, by = MOMENTS[which]
    name, there = which.replace(" ", "-"), bricks(fleet)
    new = [f"{each}:/data/{name}" for each in ("kvm5", "kvm1", "kvm2")]
    load = Load(fleet)
    with fleet.pillar(pillar([*HYPERVISORS, "kvm4", "kvm5"], [*there, *new])):
        killed(fleet, {}, host, moment.format(name), name="grow", by=by)
        fleet.sh("kvm5", "systemctl start glusterd")
        code, _, said = fleet.orchestrate("grow", {})
        # It was taking the new definition over, or starting the brick, or one after the other.
        for _ in range(2 if which == "with its glusterd" else 0):
            if code:
                rejected = "Peer Rejected" in said
                assert rejected or f"{new[0]} down" in said, said
                (repaired if rejected else started)(fleet)
                code, _, said = fleet.orchestrate("grow", {})
        assert code == 0, said
        assert bricks(fleet) == [*there, *new]
        code, steps, said = fleet.orchestrate("grow", {})
        assert (code, steps) == (0, {}), said
        assert fleet.apply().failures == {}
        write = "for n in $(seq 60); do head -c 100000 /dev/urandom >$n; done; sha256sum *"
        written = fleet.sh("head", f"mkdir {MOUNT}/{name}; cd {MOUNT}/{name}; {write}")
        unnoticed(load)
        fleet.healed()
        same_files(fleet, *HYPERVISORS, least=20)
        same_files(fleet, "kvm5", "kvm1", "kvm2", least=5, brick=f"/data/{name}")
        assert fleet.sh("kvm3", f"cd {MOUNT}/{name}; sha256sum *") == written
        status, found = fleet.runner("gluster_one.status")
        assert {finding["kind"] for finding in found["findings"]} <= EXPECTED
        count = len(there) + len(new)
        assert found["volumes"]["one_vol"]["bricks"] == [count, count]
