"""From gluster:// to plain files and back, and the end of a volume's datastores."""

import pytest

NATIVE = {"volume": "one_vol", "host": "kvm1"}
ON_DISK = {"DISK_TYPE": "GLUSTER", "GLUSTER_HOST": "kvm1:24007", "GLUSTER_VOLUME": "one_vol", "DRIVER": "raw"}
# What the formula hands over for a volume with access: fuse.
FUSE = {"attributes": {"DISK_TYPE": "FILE"}, "absent_attributes": ["GLUSTER_HOST", "GLUSTER_VOLUME"]}
TO_FUSE = {
    "DISK_TYPE": {"old": "GLUSTER", "new": "FILE"},
    "GLUSTER_HOST": {"old": "kvm1:24007", "new": None},
    "GLUSTER_VOLUME": {"old": "one_vol", "new": None},
}
TO_NATIVE = {
    "DISK_TYPE": {"old": "FILE", "new": "GLUSTER"},
    "GLUSTER_HOST": {"old": None, "new": "kvm1:24007"},
    "GLUSTER_VOLUME": {"old": None, "new": "one_vol"},
}
BOTH = {"glusterds": {**NATIVE}, "gluster_system": {"type": "SYSTEM_DS"}}


def image(oned, store, name="old"):
    return oned.call("image.allocate", f'NAME="{name}"\nSOURCE=/one/{name}\nFORMAT=raw\nSIZE=1\nTYPE=OS\n', store)


# access: fuse


def change(present, asked, changes):
    predicted = present(test=True, **asked)
    assert (predicted.result, predicted.changes) == (None, changes)
    result = present(**asked)
    assert (result.result, result.changes) == (True, changes), result.comment
    assert present(**asked).changes == {}


def test_a_native_datastore_becomes_one_of_plain_files_and_native_again(oned, present):
    store = oned.datastore("glusterds", **ON_DISK, KEEP="me")
    change(present, FUSE, TO_FUSE)
    document = oned.document(store)
    assert "<DISK_TYPE><![CDATA[FILE]]>" in document and "KEEP" in document and "GLUSTER" not in document
    change(present, NATIVE, TO_NATIVE)


@pytest.mark.parametrize("there, asked, changes", [(ON_DISK, FUSE, TO_FUSE), ({"DRIVER": "raw"}, NATIVE, TO_NATIVE)])
def test_with_an_image_it_has_to_be_told_so(oned, present, there, asked, changes):
    store = oned.datastore("glusterds", **there)
    image(oned, store)
    before = oned.document(store)
    for test in (True, False):
        refused = present(test=test, **asked)
        assert refused.result is False and "has 1 images and 0 machines, and changing DISK_TYPE from" in refused.comment
        assert "or set in_use: allow" in refused.comment
    assert oned.document(store) == before
    change(present, {**asked, "in_use": "allow"}, changes)


def test_a_new_one_of_plain_files_keeps_qcow2(oned, present):
    result = present(**FUSE, driver="qcow2", ds_mad="fs")
    assert result.result is True and not result.warnings, result.comment
    assert present(**FUSE, driver="qcow2").changes == {}
    assert "GLUSTER" not in oned.document(100)


# The end


@pytest.fixture
def absent(loaders, oned):
    """absent(test=False, datastores=...): the state, in a run of its own."""

    def run(test=False, datastores=BOTH, **arguments):
        state = loaders.states.gluster_one.one_datastores_absent
        return state(name="one_vol", datastores=datastores, test=test, **{**oned.arguments, **arguments})

    return run


@pytest.fixture
def stores(oned):
    """The identifiers of the two datastores."""
    return {
        "glusterds": oned.datastore("glusterds", **ON_DISK),
        "gluster_system": oned.datastore("gluster_system", TYPE="SYSTEM_DS", DS_MAD=None),
    }


def names(modules, oned):
    return [store["name"] for store in modules.opennebula.datastore_list(**oned.arguments) if store["id"] > 99]


def stays(modules, oned, absent, *said, **arguments):
    """The state fails, in test mode as well, says that, and deletes nothing."""
    before = names(modules, oned)
    for test in (True, False):
        result = absent(test=test, **arguments)
        assert (result.result, result.changes) == (False, {})
        assert "\n" not in result.comment and result.comment.endswith(": nothing was deleted")
        for text in said:
            assert text in result.comment
    assert names(modules, oned) == before


def test_empty_ones_are_deleted(modules, oned, absent, stores):
    oned.datastore("theirs")
    changes = {name: {"old": number, "new": None} for name, number in stores.items()}
    predicted = absent(test=True)
    assert (predicted.result, predicted.changes) == (None, changes)
    assert len(names(modules, oned)) == 3
    result = absent()
    assert (result.result, result.changes) == (True, changes), result.comment
    assert names(modules, oned) == ["theirs"]
    for test in (True, False):
        assert (absent(test=test).result, absent(test=test).changes) == (True, {})


def test_one_with_images_keeps_all(modules, oned, absent, stores):
    for name in ("a", "b"):
        image(oned, stores["glusterds"], name)
    stays(modules, oned, absent, f"datastore glusterds ({stores['glusterds']}) has 2 images and 0 machines: delete or")


def test_one_with_machines_keeps_all(modules, oned, absent, stores):
    system = stores["gluster_system"]
    oned.lab(put={"vm": {"name": "web", "state": 8, "lcm_state": 0, "host": "kvm1", "ds": system}})
    stays(modules, oned, absent, f"datastore gluster_system ({system}) has 0 images and 1 machines")


def test_one_that_the_pillar_does_not_name_counts_when_it_holds_something(modules, oned, absent, stores):
    store = oned.datastore("private", **ON_DISK)
    assert absent(test=True).result is None
    image(oned, store)
    stays(modules, oned, absent, f"datastore private ({store}), which the pillar does not name, has 1 images")


def test_a_plain_one_behind_a_link_to_the_mount_counts_as_well(modules, oned, absent, stores, tmp_path):
    store = oned.datastore("isos")
    image(oned, store)
    (tmp_path / "0").mkdir()
    where = {"mount": str(tmp_path / "0"), "datastores_dir": str(tmp_path)}
    assert absent(test=True, **where).result is None
    (tmp_path / str(store)).symlink_to("0")
    stays(modules, oned, absent, f"datastore isos ({store}), which the pillar does not name, has 1 images", **where)


def test_opennebula_s_own_stays(oned, absent):
    result = absent(datastores={"default": {"datastore_id": 1}})
    assert (result.result, result.changes) == (True, {})
    assert "default (1) is OpenNebula's own and stays" in result.comment


@pytest.mark.parametrize(
    "attributes, said",
    [
        ({"TYPE": "FILE_DS"}, "is of type FILE_DS, not IMAGE_DS: correct the pillar"),
        ({**ON_DISK, "GLUSTER_VOLUME": "two_vol"}, "is on volume two_vol, not one_vol: correct the pillar"),
    ],
)
def test_one_of_the_same_name_that_is_another_stays(modules, oned, absent, attributes, said):
    oned.datastore("glusterds", **attributes)
    stays(modules, oned, absent, said)


def test_oned_that_does_not_answer_is_one_line(absent):
    result = absent(endpoint="http://127.0.0.1:1/RPC2")
    assert result.result is False and "cannot be reached" in result.comment and "\n" not in result.comment
