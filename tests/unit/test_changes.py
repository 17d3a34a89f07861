"""What a state returns, from the changes that it found."""

import pytest

RET = {"name": "one_vol", "result": True, "changes": {}, "comment": ""}
CHANGES = {"owner": {"old": None, "new": 9869}, "insecure": {"old": "off", "new": "on"}, "x": {"old": 1, "new": None}}
SAID = "owner: 9869, insecure: off -> on, x: 1 -> gone"


@pytest.fixture
def changes(execution):
    return execution("gluster_one_changes")


def test_changes_in_words(changes):
    assert changes.said(CHANGES) == SAID


def test_prediction(changes):
    would = {**RET, "result": None, "changes": CHANGES, "comment": f"would change {SAID}"}
    assert changes.predicted(RET, CHANGES, "fine") == would
    assert changes.predicted(RET, {}, "fine") == {**RET, "comment": "fine"}


def test_result_says_what_was_done_and_what_is_left(changes):
    assert changes.applied(RET, CHANGES, {}, "fine") == {**RET, "changes": CHANGES, "comment": f"{SAID}; fine"}
    left = {"insecure": CHANGES["insecure"], "x": CHANGES["x"]}
    failed = changes.applied(RET, CHANGES, left, "fine")
    assert (failed["result"], failed["changes"]) == (False, {"owner": CHANGES["owner"]})
    assert failed["comment"] == "still different after the change: insecure: off -> on, x: 1 -> gone"
    assert changes.applied(RET, {}, {}, "fine") == {**RET, "comment": "fine"}
