"""Which identifiers of datastores count."""

import json

import pytest
from salt.exceptions import CommandExecutionError


@pytest.mark.parametrize(
    ("stores", "left", "numbers"),
    [
        ({"a": None}, {"a": 101, "other": 5}, {"a": 101}),
        ({"a": 101}, {"a": 0}, {"a": 101}),
        ({"a": 101, "b": None}, {"b": 101}, {"a": 101, "b": None}),
        ({"a": None, "b": None}, {"a": 101, "b": 101}, {"a": None, "b": None}),
        ({"a": None, "b": None}, {"a": 101}, {"a": 101, "b": None}),
        ({"a": 0, "b": 1}, {}, {"a": 0, "b": 1}),
        ({}, {"a": 101}, {}),
    ],
)
def test_the_pillar_s_identifiers_come_first_and_none_twice(execution, stores, left, numbers):
    assert execution("gluster_one_ids").datastore_numbers(stores, left) == numbers


@pytest.mark.parametrize(
    "value, counts", [(0, True), (2**31 - 1, True), *((value, False) for value in (2**31, 2**64, -1, True, 5.0, "5"))]
)
def test_what_is_a_number_of_opennebula_s(execution, value, counts):
    """Of 2**64 the minion's data makes a text, with which no number can be compared."""
    kept = {}
    salt = {"data.get": kept.get, "data.update": lambda key, value: kept.update({key: value})}
    module = execution("gluster_one_ids", __salt__=salt)
    module._shown = lambda path, volume: (path, {"device": "kvm1:/x"})
    module._on_volume = lambda *words: (0, json.dumps({"a": value}), "")
    assert module.published_ids("/srv/x") == ({"a": value} if counts else {})


def test_a_number_of_opennebula_s_own_comes_from_the_pillar(execution):
    module = execution("gluster_one_ids")
    assert module.require_number("system", 0, 0) and module.require_number("images", 100, None)
    with pytest.raises(CommandExecutionError, match="put `datastore_id: 0` into the pillar"):
        module.require_number("system", 0, None)


@pytest.fixture
def ids(execution):
    """The module on a head that has two volumes mounted; what is on each volume, and what it wrote there itself."""
    left = {"/srv/x": {"old": 101, "new": 102}, "/srv/y": {"old": 7}}
    own = {"gluster_one_ids.publish_id:/srv/x": {"old": 101, "new": 102}}
    mounts = {path: {"volume": path[-1], "device": f"kvm1:/{path[-1]}"} for path in left}
    salt = {
        "gluster_mount.mounts": lambda: mounts,
        "data.get": own.get,
        "data.load": lambda: {**own, "another": 1},
        "gluster_one_pillar.node": lambda: {"volumes": {"x": {"datastores": {"new": {}}}}},
        "data.update": lambda key, value: own.update({key: value}),
    }
    module = execution("gluster_one_ids", __salt__=salt)
    module.published_ids = lambda path, kept=True: left[path]
    module._write_ids = lambda path, names: left.update({path: names})
    return module, left, own


def test_the_identifier_of_another_head_is_not_this_one_s_to_remove(ids):
    module, left, _ = ids
    assert module.volumes_with_id("old") == {"/srv/x": 101}
    left["/srv/x"] = {"old": 55}
    assert module.volumes_with_id("old") == {}


def test_a_datastore_s_identifier_goes_alone(ids):
    module, left, own = ids
    assert module.forget_id("/srv/x", "old") is True
    assert (left["/srv/x"], own["gluster_one_ids.publish_id:/srv/x"]) == ({"new": 102}, {"new": 102})


def test_what_cannot_be_read_any_more_is_not_written_over(ids):
    module, left, _ = ids
    left["/srv/x"] = {}
    with pytest.raises(
        CommandExecutionError, match="The identifier of old on /srv/x cannot be read any more: run again"
    ):
        module.forget_id("/srv/x", "old")
    assert left["/srv/x"] == {}


def test_a_datastore_of_another_name_is_not_made_beside_the_old_one(ids):
    """A key of the pillar that changes may be a new name, or another datastore."""
    module, _, own = ids
    own["gluster_one_ids.publish_id:/srv/before"] = {"gone": 5, "other": 6}  # where the volume was mounted before
    there = {"old": 101, "other": 9, "new": 102}
    stores = [{"name": name, "id": number, "type": "IMAGE_DS"} for name, number in there.items()]
    module.__salt__["opennebula.datastore_list"] = lambda run=None: stores
    assert module.dropped() == {}, "a state beside the pillar may have made it"
    assert own["gluster_one_ids.seen"] == ["new"]
    own["gluster_one_ids.seen"] += ["old", "other", "gone"]
    assert module.dropped().keys() == {"old"}
    assert module.dropped(["old", "new"]) == {} == module.dropped([]), "no pillar says nothing"
    assert module.refuse_second("images", "SYSTEM_DS")
    said = r"Datastore images: .* old \(101\), which runs have made, is no longer in the pillar: .*`datastore_id: 101`"
    with pytest.raises(CommandExecutionError, match=said):
        module.refuse_second("images", "IMAGE_DS")
    del stores[0]
    assert module.refuse_second("images", "IMAGE_DS")
