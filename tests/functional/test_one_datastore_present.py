"""The state gluster_one.one_datastore_present, against the stand-in for oned, which makes directories as oned does."""

import os

import pytest

from . import host
from .runs import fails, four_runs, idle, refuses

GLUSTER = {"DISK_TYPE": "GLUSTER", "GLUSTER_HOST": "kvm1:24007", "GLUSTER_VOLUME": "small_vol", "DRIVER": "raw"}


@pytest.fixture
def present(states, oned):
    """present("glusterds", volume=...): the state, against the stand-in."""
    return lambda *args, **more: states.gluster_one.one_datastore_present(*args, **{**oned.arguments, **more})


@pytest.fixture
def look(oned):
    """All datastores as oned shows them."""
    return lambda: oned.call("datastorepool.info")


@pytest.fixture
def store(modules, oned):
    """store("glusterds"): a datastore as it is."""
    return lambda name: modules.opennebula.datastore_info(name, **oned.arguments)


def new(**attributes):
    return {key: {"old": None, "new": value} for key, value in attributes.items()}


IMAGE = {"volume": "small_vol", "host": "kvm1"}


def test_an_image_datastore(present, look, store):
    run = four_runs(present, "glusterds", look=look, **IMAGE)
    assert run.changes == new(TYPE="IMAGE_DS", TM_MAD="shared", DS_MAD="fs", **GLUSTER)
    made = store("glusterds")
    assert made.items() >= {"type": "IMAGE_DS", "tm_mad": "shared", "ds_mad": "fs", **GLUSTER}.items()
    assert f"datastore glusterds has the identifier {made['id']}" in run.comment


def test_a_system_datastore(present, look, store):
    run = four_runs(present, "gluster_system", type="SYSTEM_DS", look=look)
    assert run.changes == new(TYPE="SYSTEM_DS", TM_MAD="shared")
    assert store("gluster_system")["type"] == "SYSTEM_DS"


def test_every_attribute_of_the_guide_s_table(present, look, store):
    run = four_runs(
        present,
        "glusterds",
        **{**IMAGE, "host": ["kvm1", "kvm2:24008"]},
        driver="raw",
        restricted_dirs=["/etc", "/root"],
        safe_dirs="/var/tmp /srv",
        no_decompress=True,
        attributes={"limit_mb": 10000, "Bridge_List": "kvm1 kvm2", "LABELS": 'a "b", c'},
        look=look,
    )
    expected = {
        "GLUSTER_HOST": "kvm1:24007 kvm2:24008",
        "DRIVER": "raw",
        "RESTRICTED_DIRS": "/etc /root",
        "SAFE_DIRS": "/var/tmp /srv",
        "NO_DECOMPRESS": "YES",
        "LIMIT_MB": "10000",
        "BRIDGE_LIST": "kvm1 kvm2",
        "LABELS": 'a "b", c',
    }
    assert run.changes.items() >= new(**expected).items()
    assert store("glusterds").items() >= expected.items()


def test_a_change_is_one_merge_and_leaves_what_others_have_set(present, oned, look, store):
    assert present("glusterds", **IMAGE).result is True
    number = store("glusterds")["id"]
    oned.call("datastore.update", number, 'NOTE="a <b> & \\"c\\""\nLIMIT_MB="5"', 1)
    before = store("glusterds")
    oned.requests()
    run = four_runs(present, "glusterds", volume="small_vol", host="kvm2", look=look)
    assert run.changes == {"GLUSTER_HOST": {"old": "kvm1:24007", "new": "kvm2:24007"}}
    assert oned.writes() == ["datastore.update"]
    assert store("glusterds") == {**before, "GLUSTER_HOST": "kvm2:24007"}


def test_a_converged_datastore_costs_reads_alone(present, oned):
    assert present("glusterds", **IMAGE).result is True
    oned.requests()
    assert present("glusterds", **IMAGE).changes == {}
    assert sorted(oned.requests()) == ["clusterpool.info", "datastorepool.info", "hostpool.info"]


@pytest.mark.parametrize("trouble", [{"fail": [512, "no"]}, {"garbage": True}], ids=str)
def test_trouble_while_it_is_created(present, oned, trouble):
    with oned.trouble(**trouble, method="one.datastore.allocate"):
        run = fails(present, "glusterds", **IMAGE)
    assert oned.endpoint in run.comment and "one.datastore.allocate" in run.comment
    assert run.changes == {}
    again = present("glusterds", **IMAGE)  # whatever oned had done by then
    assert again.result is True, again.comment
    idle(present, "glusterds", **IMAGE)


# The directory


@pytest.fixture
def on_disk(states, oned_on_disk, served, stores):
    """on_disk("glusterds"): the state on a head that has small_vol mounted."""
    where = {"mount": str(served), "datastores_dir": str(stores), **oned_on_disk.arguments, **IMAGE}
    return lambda *args, **more: states.gluster_one.one_datastore_present(*args, **{**where, **more})


def test_the_directory_becomes_a_link_and_the_identifier_is_left_for_others(
    on_disk, modules, oned_on_disk, stores, served, other_node
):
    run = four_runs(on_disk, "glusterds", paths=[stores])
    number = modules.opennebula.datastore_info("glusterds", **oned_on_disk.arguments)["id"]
    assert run.changes["link"] == {"old": None, "new": f"{stores}/{number} -> {served}"}
    assert run.changes["identifier"] == {"old": None, "new": number}
    assert os.readlink(stores / str(number)) == str(served)
    assert modules.gluster_one_ids.published_ids(str(other_node)) == {"glusterds": number}


def test_oned_reports_the_size_of_the_volume(on_disk, modules, oned_on_disk, served):
    assert on_disk("glusterds").result is True
    volume = os.statvfs(served)
    megabytes = volume.f_blocks * volume.f_frsize // 2**20

    def reported():
        return modules.opennebula.datastore_info("glusterds", **oned_on_disk.arguments)["total_mb"]

    host.eventually("oned has measured it", lambda: abs(reported() - megabytes) <= 1)


def test_a_system_datastore_on_the_mounted_volume(on_disk, modules, oned_on_disk, stores, served):
    run = four_runs(on_disk, "gluster_system", type="SYSTEM_DS", volume=None, host=None, paths=[stores])
    number = modules.opennebula.datastore_info("gluster_system", **oned_on_disk.arguments)["id"]
    assert run.changes["identifier"]["new"] == number
    assert os.readlink(stores / str(number)) == str(served)


def test_a_directory_that_oned_made_long_ago_is_replaced(on_disk, oned_on_disk, stores, served):
    number = oned_on_disk.datastore("glusterds", **GLUSTER)
    host.eventually("oned has made the directory", (stores / str(number)).is_dir)
    run = four_runs(on_disk, "glusterds", paths=[stores], wait_monitored=20)
    assert set(run.changes) == {"link", "identifier"} and "yet to measure" not in run.comment
    assert os.readlink(stores / str(number)) == str(served)


def test_a_directory_that_holds_images_is_named_and_left(on_disk, oned_on_disk, stores):
    number = oned_on_disk.datastore("glusterds", **{**GLUSTER, "GLUSTER_HOST": "kvm9"})
    host.eventually("oned has made the directory", (stores / str(number)).is_dir)
    (stores / str(number) / "0f3a").write_text("an image")
    oned_on_disk.requests()
    text = refuses(on_disk, "glusterds", paths=[stores])
    assert f"{stores}/{number} holds 1 file (0f3a) and cannot become a link" in text
    assert oned_on_disk.writes() == []


def test_a_volume_that_is_not_mounted(on_disk, modules, oned_on_disk, place, served):
    """Or the identifier would lie on the local disk, and nothing could be mounted over it any more."""
    host.sh("umount", served)
    run = on_disk("glusterds")
    assert run.result is False and f"{served} is not mounted" in run.comment
    assert modules.opennebula.datastore_info("glusterds", **oned_on_disk.arguments) == {}


def test_an_identifier_that_changed_is_corrected(on_disk, modules, oned_on_disk, served):
    modules.gluster_one_ids.publish_id(str(served), "glusterds", 77)
    modules.gluster_one_ids.publish_id(str(served), "other", 78)
    run = four_runs(on_disk, "glusterds")
    number = modules.opennebula.datastore_info("glusterds", **oned_on_disk.arguments)["id"]
    assert run.changes["identifier"] == {"old": 77, "new": number}
    assert modules.gluster_one_ids.published_ids(str(served)) == {"glusterds": number, "other": 78}
    assert modules.gluster_one_ids.volumes_with_id("other")[str(served)] == 78
    assert modules.gluster_one_ids.forget_id(str(served), "other") is True  # as one_datastore_absent does
    assert modules.gluster_one_ids.published_ids(str(served)) == {"glusterds": number}
