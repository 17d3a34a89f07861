"""Which sets of bricks a pillar makes, which it may not, and what Gluster is told then."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from salt.exceptions import SaltInvocationError

from .conftest import CHECKOUT, imported

LAYOUT = imported(CHECKOUT / "_modules/gluster_one_layout.py")
THREE = ["kvm1", "kvm2", "kvm3"]


def bricks(text):
    """``bricks("1a 2a")``: the bricks kvm1:/a and kvm2:/a."""
    return [f"kvm{word[:-1]}:/{word[-1]}" for word in text.split()]


# The keys of a pillar, and the bricks in Gluster's order.
GOOD = {
    "a path, three copies": ({"bricks": "/a", "servers": THREE}, "1a 2a 3a"),
    "servers named twice": ({"bricks": "/a", "servers": [*THREE, "kvm1"]}, "1a 2a 3a"),
    "six servers": ({"bricks": "/a", "servers": [*THREE, "kvm4", "kvm5", "kvm6"]}, "1a 2a 3a 4a 5a 6a"),
    "distributed": ({"bricks": "/a", "servers": THREE, "replica": 1}, "1a 2a 3a"),
    "distributed on one": ({"bricks": bricks("1a 1b"), "replica": 1}, "1a 1b"),
    "two copies, allowed": ({"bricks": "/a", "servers": THREE[:2], "replica": 2, "two_copies": "allow"}, "1a 2a"),
    "an arbiter": ({"bricks": "/a", "servers": THREE, "arbiter": 1}, "1a 2a 3a"),
    "which one is the arbiter": ({"bricks": bricks("3a 1a 2a 1b 2b 3b"), "arbiter": 1}, "3a 1a 2a 1b 2b 3b"),
    "dispersed": ({"bricks": "/a", "servers": THREE, "disperse": 3}, "1a 2a 3a"),
    "dispersed over five": ({"bricks": bricks("1a 2a 3a 4a 5a"), "disperse": 5, "redundancy": 2}, "1a 2a 3a 4a 5a"),
    "two bricks each, server by server": ({"bricks": bricks("1a 1b 2a 2b 3a 3b")}, "1a 2a 3a 1b 2b 3b"),
    "two bricks each, in order": ({"bricks": bricks("1a 2a 3a 3b 2b 1b")}, "1a 2a 3a 3b 2b 1b"),
    "one server with more": ({"bricks": bricks("1a 1b 2a 3a 4a 5a")}, "1a 2a 3a 1b 4a 5a"),
}
# The keys of a pillar, the one that is wrong, and what is said of it.
BAD = {
    "two copies": ({"bricks": "/a", "servers": THREE[:2], "replica": 2}, "replica", "two copies end in split-brain"),
    "four bricks of three": ({"bricks": bricks("1a 2a 3a 4a")}, "bricks", "4 bricks are no whole number of sets of 3"),
    "two servers": ({"bricks": "/a", "servers": THREE[:2]}, "bricks", "2 bricks are no whole number of sets of 3"),
    "all on one": ({"bricks": bricks("1a 1b 1c")}, "bricks", "3 of 3 bricks are on kvm1"),
    "two copies on one": ({"bricks": bricks("1a 1b 2a")}, "bricks", "2 of 3 bricks are on kvm1"),
    "three of six on one": ({"bricks": bricks("1a 1b 1c 2a 3a 3b")}, "bricks", "3 of 6 bricks are on kvm1"),
    "a brick twice": ({"bricks": bricks("1a 2a 1a")}, "bricks", "kvm1:/a stands there twice"),
    "a brick in another": ({"bricks": ["kvm1:/a", "kvm2:/a", "kvm1:/a/b"]}, "bricks", "kvm1:/a/b lies inside kvm1:/a"),
    "no server": ({"bricks": ["/a", "kvm2:/a", "kvm3:/a"]}, "bricks", "/a is no brick: server:/path is needed"),
    "no path": ({"bricks": ["kvm1:a", "kvm2:/a", "kvm3:/a"]}, "bricks", "kvm1:a is no brick"),
    "a whole file system": ({"bricks": ["kvm1:/", "kvm2:/a", "kvm3:/a"]}, "bricks", "kvm1:/ is no brick"),
    "a path upwards": ({"bricks": ["kvm1:/a/../b", "kvm2:/a", "kvm3:/a"]}, "bricks", "kvm1:/a/../b is no brick"),
    "a space": ({"bricks": ["kvm1:/a b", "kvm2:/a", "kvm3:/a"]}, "bricks", "has a space in it"),
    "another word": ({"bricks": ["kvm1:/a", "kvm2:/a", "kvm3:/a force"]}, "bricks", "has a space in it"),
    "a foreign server": (
        {"bricks": bricks("1a 2a 9a"), "servers": THREE},
        "bricks",
        "kvm9 of kvm9:/a is not among its servers",
    ),
    "an arbiter of two": ({"bricks": bricks("1a 2a"), "replica": 2, "arbiter": 1}, "arbiter", "replica has to be 3"),
    "copies and dispersed": ({"bricks": bricks("1a 2a 3a"), "replica": 3, "disperse": 3}, "disperse", "not both"),
    "an arbiter and dispersed": ({"bricks": bricks("1a 2a 3a"), "arbiter": 1, "disperse": 3}, "disperse", "not both"),
    "redundancy alone": ({"bricks": bricks("1a 2a 3a"), "redundancy": 1}, "redundancy", "it needs disperse"),
    "half of a set away": (
        {"bricks": bricks("1a 2a 3a 4a"), "disperse": 4, "redundancy": 2},
        "redundancy",
        "of 4 bricks of a set fewer than half",
    ),
}


@pytest.mark.parametrize("case", GOOD)
def test_bricks_in_order(case):
    keys, expected = GOOD[case]
    found = LAYOUT.layout(**keys)
    assert (found["errors"], found["bricks"]) == ([], bricks(expected))


@pytest.mark.parametrize("case", BAD)
def test_what_makes_no_volume_is_said_with_its_key(case):
    keys, key, said = BAD[case]
    errors = LAYOUT.layout(**keys)["errors"]
    assert [(name, error) for name, error in errors if name == key and said in error], errors


def test_an_order_that_is_right_is_kept():
    given = bricks("3a 1a 2a 2b 3b 1b")
    assert LAYOUT.brick_order(given, 3) == given


@st.composite
def pillars(draw):
    """
    The keys of a volume, most of them right: whole sets, on at least as many servers as a set has bricks, each server
    with no more than there are sets, in any order, as a list or as a path that all servers have.
    """
    keys = {}
    if draw(st.integers(0, 3)) == 0:
        keys["disperse"] = draw(st.integers(3, 6))
        keys["redundancy"] = draw(st.integers(1, 3))
    else:
        keys["replica"] = draw(st.integers(1, 4))
        keys["arbiter"] = draw(st.sampled_from([0, 0, 0, 1]))
    keys["two_copies"] = draw(st.sampled_from([None, "allow", "allow"]))
    size = keys.get("disperse") or keys["replica"]
    hosts = draw(st.integers(size, size + 3))
    if draw(st.integers(0, 4)) == 0:
        servers = draw(st.permutations([f"kvm{host}" for host in range(hosts)]))
        return {**keys, "bricks": "/data/b", "servers": servers}
    sets = draw(st.integers(1, 4))
    places = [f"kvm{host}:/data/{path}" for host in range(hosts) for path in range(sets)]
    wrong = draw(st.sampled_from([0, 0, 0, 0, 1]))
    return {**keys, "bricks": draw(st.permutations(places))[: size * sets + wrong]}


def has_no_two_on_one_server(bricks, size):
    sets = [bricks[first : first + size] for first in range(0, len(bricks), size)]
    return all(len({brick.partition(":")[0] for brick in one}) == size for one in sets)


def test_no_set_has_two_bricks_on_one_server_and_no_command_has_force():
    made = []

    @settings(max_examples=1000, deadline=None)
    @given(pillars(), st.data())
    def check(keys, data):
        found = LAYOUT.layout(**keys)
        if found["errors"]:
            return
        size = found["disperse"] or found["replica"]
        given = keys["bricks"] if isinstance(keys["bricks"], list) else [f"{host}:/data/b" for host in keys["servers"]]
        assert sorted(found["bricks"]) == sorted(given)
        assert len(found["bricks"]) % size == 0 and has_no_two_on_one_server(found["bricks"], size)
        assert found["replica"] != 2 or keys["two_copies"] == "allow"
        found.pop("errors")
        # What the formula hands over is worked out once more by the state, and comes to the same.
        again = LAYOUT.layout(**found, two_copies=keys["two_copies"])
        assert again == {"errors": [], **found}
        # Part of the sets are there already, the rest is new.
        there = data.draw(st.integers(0, len(found["bricks"]) // size)) * size
        new = LAYOUT.brick_order(found["bricks"][there:], size) if found["bricks"][there:] else []
        assert has_no_two_on_one_server(new, size)
        made.append((size, len(found["bricks"]) // size))
        commands = []
        salt = {"gluster.xml": lambda *words, timeout: commands.append([str(word) for word in words])}
        volume = imported(CHECKOUT / "_modules/gluster_volume.py", __salt__=salt)
        volume.volume_create("one_vol", **found)
        volume.bricks_add("one_vol", new)
        assert [command[1] for command in commands] == ["create", "add-brick"]
        assert not [word for command in commands for word in command if "force" in word]
        assert commands[0][-len(found["bricks"]) :] == found["bricks"] and commands[1][3:] == new

    check()
    # It was worth it: of a thousand, hundreds made sets of several bricks, and many several sets.
    sets = [count for size, count in made if size > 1]
    assert len(sets) >= 300 and len([count for count in sets if count > 1]) >= 100, len(sets)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=24), st.integers(1, 5))
def test_an_order_is_found_whenever_there_is_one(hosts, size):
    """There is one exactly when no server has more bricks than there are sets."""
    given_bricks = [f"kvm{host}:/data/{number}" for number, host in enumerate(hosts)]
    possible = len(hosts) % size == 0 and max(map(hosts.count, hosts)) <= len(hosts) // size
    if possible:
        assert sorted(LAYOUT.brick_order(given_bricks, size)) == sorted(given_bricks)
    else:
        with pytest.raises(SaltInvocationError):
            LAYOUT.brick_order(given_bricks, size)


COMMANDS = [
    ({}, "create v kvm1:/a"),
    ({"replica": 3}, "create v replica 3 kvm1:/a"),
    ({"replica": 3, "arbiter": 1}, "create v replica 3 arbiter 1 kvm1:/a"),
    ({"disperse": 3, "redundancy": 1}, "create v disperse 3 redundancy 1 kvm1:/a"),
]


@pytest.mark.parametrize(("layout", "command"), COMMANDS)
def test_what_gluster_is_told(execution, layout, command):
    told = []
    salt = {"gluster.xml": lambda *words, timeout: told.append(" ".join(map(str, words)))}
    context = {"gluster.read": ("run", {})}
    execution("gluster_volume", __salt__=salt, __context__=context).volume_create("v", ["kvm1:/a"], **layout)
    assert told == [f"volume {command}"]
    assert context == {}


@pytest.mark.parametrize("path", ["", "data/one_vol"])
def test_a_brick_without_an_absolute_path_is_unfit(execution, path):
    bricks = execution("gluster_one_bricks", __salt__={"glusterd.own_bricks": dict})
    assert bricks.brick_look(path) == {"state": "unfit", "detail": "is no absolute path, such as /data/one_vol"}
