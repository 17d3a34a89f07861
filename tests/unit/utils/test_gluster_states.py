"""What a state returns, from the changes that it found."""

import pytest
from salt.exceptions import CommandExecutionError

RET = {"name": "one_vol", "result": True, "changes": {}, "comment": ""}
CHANGES = {"owner": {"old": None, "new": 9869}, "insecure": {"old": "off", "new": "on"}, "x": {"old": 1, "new": None}}
SAID = "owner: 9869, insecure: off -> on, x: 1 -> gone"


@pytest.fixture
def changes(util):
    return util("gluster_states")


def test_changes_in_words(changes):
    assert changes.describe(CHANGES) == SAID


def test_what_was_there_writes_nothing_of_its_own_to_a_terminal(changes):
    said = changes.describe({"NAME": {"old": "x\n\x1b[2Jkvm9: True", "new": "y\u0085"}})
    assert said == r"NAME: 'x\n\x1b[2Jkvm9: True' -> 'y\x85'"


def test_prediction(changes):
    would = {**RET, "result": None, "changes": CHANGES, "comment": f"would change {SAID}"}
    assert changes.would_change(RET, CHANGES, "fine") == would
    assert changes.would_change(RET, {}, "fine") == {**RET, "comment": "fine"}


def test_result_says_what_was_done_and_what_is_left(changes):
    assert changes.changed(RET, CHANGES, {}, "fine") == {**RET, "changes": CHANGES, "comment": f"{SAID}; fine"}
    left = {"insecure": CHANGES["insecure"], "x": CHANGES["x"]}
    failed = changes.changed(RET, CHANGES, left, "fine")
    assert (failed["result"], failed["changes"]) == (False, {"owner": CHANGES["owner"]})
    assert failed["comment"] == "still differs after the change: insecure: off -> on, x: 1 -> gone"
    assert changes.changed(RET, {}, {}, "fine") == {**RET, "comment": "fine"}


def test_a_wait_is_said_from_five_seconds_on_and_then_each_ten(util):
    events = []
    salt = {"event.send": lambda tag, data: events.append((tag, data["seen"], data["seconds"]))}
    module = util("gluster_states", __salt__=salt, __opts__={"id": "kvm1"}, __context__={})
    said = [second for second in range(31) if module.announce_wait("The volume was not started", "Created", second)]
    assert said == [5, 15, 25]
    assert events == [("gluster_one/kvm1/waiting", "Created", second) for second in said]
    assert not module.announce_wait("The volume was not started", "Created", 1)  # another wait for the same
    assert module.announce_wait("The volume was not started", "Created", 5)
    module.__opts__["file_client"] = "local"
    assert module.announce_wait("The volume was not started", "Created", 15) and len(events) == 4


def test_a_function_is_called_until_it_returns_nothing(util, monkeypatch):
    seen = iter(["Created", CommandExecutionError("glusterd is not running"), None])

    def look():
        found = next(seen)
        if isinstance(found, Exception):
            raise found
        return found

    module = util("gluster_states", __salt__={"gluster_one.look": look})
    monkeypatch.setattr(module.time, "sleep", lambda seconds: None)
    assert module.wait_for("gluster_one.look", 10, "The volume was not started") == 0
    with pytest.raises(CommandExecutionError) as failure:
        module.wait_for(lambda: "Created", 0, "The volume was not started", ": start it")
    assert str(failure.value) == "The volume was not started within 0 s (last seen: Created): start it"


def test_what_lasts_is_not_waited_for(util, monkeypatch):
    """One that comes a second time in a row: the first may be of a moment."""
    module = util("gluster_states")
    monkeypatch.setattr(module.time, "sleep", lambda seconds: None)
    lasting = CommandExecutionError("no such volume")
    lasting.lasts = True
    said = iter([lasting, CommandExecutionError("not yet"), lasting, lasting])

    def look():
        raise next(said)

    with pytest.raises(CommandExecutionError, match="^It was not mounted: no such volume: run it$"):
        module.wait_for(look, 60, "It was not mounted", ": run it")
    assert next(said, None) is None
