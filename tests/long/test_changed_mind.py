"""Changes of the pillar that a user makes later: each works, or is refused with the way to do it."""

import json
import re

import pytest

from tests.fleet.fleet import HYPERVISORS, MOUNT, STORES, changed, standard

ELSEWHERE = "/srv/one"
PILLAR = "gluster_one_pillar"


@pytest.fixture
def used(fleet):
    """A fleet that is as the standard pillar wants it, before and after."""
    yield fleet
    fleet.apply()
    fleet.stage = "doubtful"


def known(run):
    """The changes, but for the identifiers in links: a node that has never mounted the volume cannot foretell them."""
    return re.sub(r"/(\d+|\(identifier\)) ->", "/N ->", json.dumps(run.changes, sort_keys=True))


def converged(fleet, pillar):
    """Apply a pillar twice: the run that changes, after a look at what test=True says of it."""
    with fleet.pillar(pillar):
        predicted, run, again = fleet.apply(test=True), fleet.apply(), fleet.apply()
    assert (predicted.failures, run.failures) == ({}, {})
    assert known(predicted) == known(run)
    assert (again.failures, again.changes) == ({}, {})
    return run


def test_another_host_for_the_datastore(used):
    run = converged(used, changed(datastores={"glusterds": {"host": "kvm2"}}))
    change = {"GLUSTER_HOST": {"old": "kvm1:24007", "new": "kvm2:24007"}}
    assert run.changes == {"head": {"gluster_one_datastore_glusterds": change}}


def test_a_new_hypervisor(used):
    leaves = used.apply("gluster_one.clean.mount,gluster_one.clean.beacon", on=["kvm3"])
    assert leaves.failures == {} and MOUNT not in used.mounts("kvm3")
    clients = used.clients()
    run = converged(used, standard())
    assert set(run.changes) == {"kvm3"}
    assert {**used.clients(), "kvm3": []} == clients
    used.sh("head", f"qemu-img create -q -f raw {MOUNT}/new 1M", user="oneadmin")
    assert used.native_open("kvm3", "new")[0] == 2**20
    used.sh("head", f"rm {MOUNT}/new", user="oneadmin")


def test_a_server_less_and_a_new_server(used):
    clients, bricks = used.clients(), used.bricks()
    with_all = "kvm1:/one_vol defaults,_netdev,backup-volfile-servers=kvm2:kvm3"
    with_two = "kvm1:/one_vol defaults,_netdev,backup-volfile-servers=kvm2"
    for servers, old, new in (["kvm1", "kvm2"], with_all, with_two), (list(HYPERVISORS), with_two, with_all):
        run = converged(used, changed(volume={"servers": servers}))
        change = {"gluster_one_mount_one_vol": {"fstab": {"old": old, "new": new}}}
        assert run.changes == dict.fromkeys(used.lab.hosts, change)
    assert (used.clients(), used.bricks()) == (clients, bricks)


def test_a_datastore_renamed(used):
    store = used.datastores()["glusterds"]["ID"]
    pillar = standard()
    datastores = pillar["gluster_one"]["volumes"]["one_vol"]["datastores"]
    datastores["images"] = {**(datastores.pop("glusterds") or {}), "datastore_id": store}
    run = converged(used, pillar)
    assert used.datastores()["images"]["ID"] == store and "glusterds" not in used.datastores()
    assert set(run.changes) == {"head"}
    used.oned("one.datastore.rename", store, "glusterds")


def test_a_cluster_added(used):
    cluster = used.oned("one.cluster.allocate", "second", -1)
    converged(used, changed(datastores={"glusterds": {"clusters": ["second"]}}))
    assert str(cluster) in used.datastores()["glusterds"]["CLUSTERS"]
    used.oned("one.cluster.deldatastore", cluster, used.datastores()["glusterds"]["ID"])


def test_another_mount_point_leaves_the_old_one_which_may_be_in_use(used):
    clients = used.clients()
    run = converged(used, changed(volume={"mount": ELSEWHERE}))
    for host in used.lab.hosts:
        assert used.mounts(host).keys() >= {ELSEWHERE, MOUNT}
        assert f"left alone: one_vol on {MOUNT}" in run[host][PILLAR]["comment"]
    assert used.clients() == clients
    store = used.datastores()["glusterds"]["ID"]
    used.sh("head", f"qemu-img create -q -f raw {STORES}/{store}/moved 1M", user="oneadmin")
    assert [used.native_open(host, "moved")[0] for host in HYPERVISORS] == [2**20] * 3
    used.sh("head", f"rm {STORES}/{store}/moved", user="oneadmin")
    with used.pillar(changed(volume={"mount": ELSEWHERE})):
        assert used.apply("gluster_one.clean.mount").failures == {}
    for host in used.lab.hosts:
        assert ELSEWHERE not in used.mounts(host)
        assert used.sh(host, f"readlink {STORES}/{store}").strip() == MOUNT


def test_a_volume_that_leaves_the_pillar_is_left_alone_and_named(used):
    bricks = " ".join(f"{host}:/data/gone_vol" for host in HYPERVISORS)
    used.sh("kvm1", f"gluster --mode=script volume create gone_vol replica 3 {bricks}")
    used.sh("kvm1", "gluster --mode=script volume start gone_vol")
    converged(used, changed(volumes={"gone_vol": {"servers": list(HYPERVISORS), "mount": ELSEWHERE}}))
    run = used.apply()
    assert (run.failures, run.changes) == ({}, {})
    for host in used.lab.hosts:
        assert f"left alone: gone_vol on {ELSEWHERE}" in run[host][PILLAR]["comment"]
        assert used.mounts(host)[ELSEWHERE][1] == "fuse.glusterfs"
    with used.pillar(changed(volumes={"gone_vol": {"servers": list(HYPERVISORS), "mount": ELSEWHERE}})):
        assert used.apply("gluster_one.clean.mount").failures == {}
    used.sh("kvm1", "for do in stop delete; do gluster --mode=script volume $do gone_vol; done")
