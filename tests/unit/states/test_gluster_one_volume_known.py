"""The state gluster_one.volume_known: what it predicts and records."""

import pytest

from ..conftest import CHECKOUT, imported

FIRST, SECOND = "5b1e0f9c-7d0e-4f1c-9e55-0a1c7a6f3c11", "c0ffee00-7d0e-4f1c-9e55-0a1c7a6f3c22"


class Node:
    """A node with a record; the volume has the identifier `seen`."""

    def __init__(self):
        self.seen, self.record, self.mounts = FIRST, {}, {}
        opts = {"test": False}
        self.other = None
        salt = {
            "gluster_one_arguments.require_arguments": imported(
                CHECKOUT / "_modules/gluster_one_arguments.py"
            ).require_arguments,
            "gluster_mount.mounts": lambda: self.mounts,
            "gluster_one_record.recorded": lambda kind: self.record.get(kind, {}),
            "gluster_one_record.record": lambda kind, values: self.record.setdefault(kind, {}).update(values),
            "gluster_one_record.other_volume": lambda *words, **where: self.other,
            "gluster_one_record.volume_ids": lambda name, **where: {"here": self.seen} if self.seen else {},
        }
        self.opts, self.states = (
            opts,
            imported(CHECKOUT / "_states/gluster_one_volume.py", __salt__=salt, __opts__=opts),
        )

    def run(self, test=False, **arguments):
        self.opts["test"] = test
        ret = self.states.volume_known("one_vol", **arguments)
        return ret["result"], ret["changes"], ret["comment"]


@pytest.fixture
def node():
    return Node()


def test_the_first_run_records_what_was_predicted_and_the_second_nothing(node):
    change = {"one_vol": {"old": None, "new": FIRST}}
    assert node.run(test=True)[:2] == (None, change) and node.record == {}
    assert node.run()[:2] == (True, change) and node.record == {"volumes": {"one_vol": FIRST}}
    for test in (True, False):
        assert node.run(test=test)[:2] == (True, {})


def test_before_the_volume_is_there_its_identifier_is_not_predicted(node):
    node.seen = None
    assert node.run(test=True)[:2] == (None, {"one_vol": {"old": None, "new": "(identifier)"}})
    assert node.run(test=True, id=SECOND)[:2] == (None, {"one_vol": {"old": None, "new": SECOND}})
    assert node.run(mount="/mnt") == (True, {}, "volume one_vol shows no identifier here") and node.record == {}
    node.record = {"volumes": {"one_vol": FIRST}}
    assert node.run(test=True)[:2] == (True, {}), "a mount that is away for the moment"


def test_a_mounted_volume_without_copies_shows_none_and_test_says_so(node):
    node.seen, node.mounts = None, {"/mnt": {"volume": "one_vol"}}
    for test in (True, False):
        assert node.run(test=test, mount="/mnt") == (True, {}, "volume one_vol shows no identifier here")


def test_another_one_is_an_error_and_recorded_when_the_pillar_has_it(node):
    node.record, node.seen, node.other = {"volumes": {"one_vol": FIRST}}, SECOND, "the volume has another id"
    for test in (True, False):
        assert node.run(test=test) == (False, {}, "the volume has another id")
    node.other, change = None, {"one_vol": {"old": FIRST, "new": SECOND}}
    assert node.run(test=True, id=SECOND)[:2] == (None, change)
    assert node.run(id=SECOND)[:2] == (True, change)
    assert node.run()[:2] == (True, {}), "also without the line"


@pytest.mark.parametrize("wrong", ["", "one", FIRST.upper(), f"{FIRST}\n", 7])
def test_an_identifier_that_is_none(node, wrong):
    result, changes, comment = node.run(id=wrong)
    assert (result, changes) == (False, {}) and comment.startswith("id is ")
