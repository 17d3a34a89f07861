"""What is to be done about options, and what the note of them says: gluster_one.options_plan."""

import pytest
from salt.exceptions import SaltInvocationError

NOTE = "user.gluster_one"


@pytest.fixture
def plan(execution):
    module = execution("gluster_one_clean")
    module.__salt__ = {"gluster.option_changes": execution("gluster_options").option_changes}
    return module.options_plan


def after(current, plan):
    """The options once a plan is carried out."""
    return {option: value for option, value in {**current, **plan["set"]}.items() if option not in plan["reset"]}


def test_what_is_set_is_noted_with_what_it_was(plan):
    found = plan({"a.x": "off"}, {"a.x": "on", "b.y": 9869})
    assert found["changes"] == {"a.x": {"old": "off", "new": "on"}, "b.y": {"old": None, "new": "9869"}}
    assert found["set"] == {"a.x": "on", "b.y": "9869", NOTE: "a.x=off:on,b.y=:9869"}
    assert found["reset"] == []


def test_what_is_as_wanted_already_is_nobody_s_to_note(plan):
    assert plan({"a.x": "enable"}, {"a.x": "on"}) == {"changes": {}, "set": {}, "reset": []}


def test_what_it_was_at_first_is_remembered_over_several_values(plan):
    options = {"a.x": "1"}
    for value in (2, 3, 4):
        options = after(options, plan(options, {"a.x": value}))
    assert options[NOTE] == "a.x=1:4"
    assert plan(options, {})["set"] == {"a.x": "1", NOTE: "none"}


def test_a_value_that_goes_back_to_the_first_needs_no_note(plan):
    options = after({"a.x": "1GB"}, plan({"a.x": "1GB"}, {"a.x": "2GB"}))
    assert plan(options, {"a.x": "1024MB"})["set"] == {"a.x": "1024MB", NOTE: "none"}


def test_a_dropped_option_goes_back_and_the_others_stay(plan):
    options = after({"c.z": "theirs"}, plan({"c.z": "theirs"}, {"a.x": 1, "b.y": 2}))
    found = plan(options, {"b.y": 2})
    assert found["changes"] == {"a.x": {"old": "1", "new": None}}
    assert (found["reset"], found["set"]) == (["a.x"], {NOTE: "b.y=:2"})
    assert after(options, found) == {"b.y": "2", "c.z": "theirs", NOTE: "b.y=:2"}


def test_an_option_of_the_user_s_own_kind_stays_when_it_is_dropped_unless_it_had_a_value(plan):
    options = after({"user.b": "theirs"}, plan({"user.b": "theirs"}, {"user.a": 1, "user.b": 2}))
    assert options[NOTE] == "user.b=theirs:2"
    found = plan(options, {})
    assert (found["reset"], found["set"]) == ([], {"user.b": "theirs", NOTE: "none"})


def test_sharding_once_on_is_never_put_back(plan):
    options = after({}, plan({}, {"features.shard": "on", "a.x": 1}))
    assert options == {"features.shard": "on", "a.x": "1", NOTE: "a.x=:1"}
    assert after(options, plan(options, {})) == {"features.shard": "on", NOTE: "none"}
    noted = {"features.shard": "on", NOTE: "features.shard=:on"}
    assert plan(noted, {}) == {"changes": {}, "set": {}, "reset": []}


def test_sharding_is_not_turned_off_where_it_is_on(plan):
    with pytest.raises(SaltInvocationError, match="options: features.shard is on, and what was written since lies in"):
        plan({"features.shard": "enable"}, {"features.shard": False})
    assert plan({}, {"features.shard": False})["set"]["features.shard"] == "off"


@pytest.mark.parametrize("now", ["7", None], ids=["has another value", "is not set"])
def test_what_somebody_has_changed_since_is_forgotten_and_left(plan, now):
    options = after({"a.x": "1"}, plan({"a.x": "1"}, {"a.x": 2}))
    options.pop("a.x")
    options.update({"a.x": now} if now else {})
    found = plan(options, {})
    assert found == {"changes": {NOTE: {"old": "a.x=1:2", "new": "none"}}, "set": {NOTE: "none"}, "reset": []}
    assert plan(after(options, found), {}) == {"changes": {}, "set": {}, "reset": []}


@pytest.mark.parametrize("value", ["a  b; c", "10.*,192.168.0.1", "k=v:w", "100%", "ä", "none"])
def test_every_value_comes_back(plan, value):
    options = after({"a.x": value}, plan({"a.x": value}, {"a.x": f"other {value}"}))
    assert set(options[NOTE]) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/%=:,")
    assert after(options, plan(options, {})) == {"a.x": value, NOTE: "none"}


@pytest.mark.parametrize("text", ["", "none", " ", "x", "a.x", "a.x=1", "a.x=1:2:3", ",,,", "=:"])
def test_a_note_that_cannot_be_read_names_nothing_of_another_s(plan, text):
    found = plan({"a.x": "7", NOTE: text}, {})
    assert "a.x" not in found["set"] and not found["reset"]


def test_more_than_gluster_bears_is_refused(plan):
    with pytest.raises(Exception, match="Gluster bears 3500"):
        plan({}, {f"a.{number}": "x" * 100 for number in range(40)})
