"""Which layouts there are, how they are ordered, and how a volume differs from one."""

import hypothesis
import pytest
from hypothesis import strategies
from salt.exceptions import SaltInvocationError

THREE = ["kvm1", "kvm2", "kvm3"]


@pytest.fixture(scope="module")
def layouts():
    from ..conftest import CHECKOUT, loaded

    return loaded(CHECKOUT / "_utils/gluster_layout.py")


def named(path, *servers):
    return [f"{server}:{path}" for server in servers]


GOOD = {
    "a path on each server": (
        {"bricks": "/data/b", "servers": THREE, "replica": 3},
        "replica 3: kvm1:/data/b kvm2:/data/b kvm3:/data/b",
    ),
    "several paths on each server": (
        {"bricks": ["/a/b", "/c/b/"], "servers": THREE, "replica": 3},
        "replica 3: kvm1:/a/b kvm2:/a/b kvm3:/a/b, kvm1:/c/b kvm2:/c/b kvm3:/c/b",
    ),
    "sets over more servers than they have bricks": (
        {"bricks": ["/a/b", "/c/b"], "servers": THREE, "replica": 2, "split_brain": "allow"},
        "replica 2: kvm1:/a/b kvm2:/a/b, kvm3:/a/b kvm1:/c/b, kvm2:/c/b kvm3:/c/b",
    ),
    "an arbiter, as Salt's own states have it": (
        {"bricks": named("/data/b", *THREE), "replica": 3, "arbiter": True},
        "replica 3 arbiter 1: kvm1:/data/b kvm2:/data/b kvm3:/data/b",
    ),
    "bricks as dicts": (
        {"bricks": [{"server": "kvm1", "path": "/a"}, {"server": "kvm2", "path": "/b"}], "replica": 1},
        "without copies: kvm1:/a, kvm2:/b",
    ),
    "disperse": (
        {"bricks": "/data/b", "servers": THREE, "disperse": 3, "redundancy": 1},
        "disperse 3 redundancy 1: kvm1:/data/b kvm2:/data/b kvm3:/data/b",
    ),
    "two bricks on one server, in two sets": (
        {"bricks": [*named("/a/b", *THREE), *named("/c/b", *THREE)], "replica": 3},
        "replica 3: kvm1:/a/b kvm2:/a/b kvm3:/a/b, kvm1:/c/b kvm2:/c/b kvm3:/c/b",
    ),
    "one brick": ({"bricks": ["kvm1:/data/b"], "replica": 1}, "without copies: kvm1:/data/b"),
}
BAD = {
    "neither replica nor disperse": ({"bricks": "/b", "servers": THREE}, "replica is None and disperse None"),
    "both": ({"bricks": "/b", "servers": THREE, "replica": 3, "disperse": 3}, "replica is 3 and disperse 3"),
    "two copies": ({"bricks": "/b", "servers": THREE[:2], "replica": 2}, "split_brain: allow"),
    "no whole number of sets": (
        {"bricks": "/b", "servers": THREE, "replica": 2, "split_brain": "allow"},
        "bricks are 3",
    ),
    "no number": ({"bricks": "/b", "servers": THREE, "replica": "3"}, "replica is '3'"),
    "yes as a number": ({"bricks": "/b", "servers": THREE, "replica": True}, "replica is True"),
    "no copy at all": ({"bricks": "/b", "servers": THREE, "replica": 0}, "replica is 0"),
    "an arbiter of two": (
        {"bricks": "/b", "servers": THREE[:2], "replica": 2, "arbiter": 1},
        "arbiter is 1 and replica 2",
    ),
    "two arbiters": ({"bricks": "/b", "servers": THREE, "replica": 3, "arbiter": 2}, "arbiter is 2"),
    "an arbiter of parts": (
        {"bricks": "/b", "servers": THREE, "disperse": 3, "redundancy": 1, "arbiter": 1},
        "arbiter is 1 and replica None",
    ),
    "no redundancy": ({"bricks": "/b", "servers": THREE, "disperse": 3}, "redundancy is None and disperse 3"),
    "too much redundancy": (
        {"bricks": "/b", "servers": [*THREE, "kvm4"], "disperse": 4, "redundancy": 2},
        "less than half of disperse",
    ),
    "redundancy of copies": (
        {"bricks": "/b", "servers": THREE, "replica": 3, "redundancy": 1},
        "redundancy is 1 without disperse",
    ),
    "one host twice in a set": (
        {"bricks": ["kvm1:/a", "kvm1:/b", "kvm2:/a", "kvm2:/b"], "replica": 2, "split_brain": "allow"},
        "bricks has kvm1:/a and kvm1:/b in one set",
    ),
    "the same host in another case": (
        {"bricks": ["kvm1:/a", "KVM1:/b", "kvm2:/b"], "replica": 3},
        "bricks has kvm1:/a and KVM1:/b in one set",
    ),
    "a brick twice": ({"bricks": ["kvm1:/a", "kvm1:/a/"], "replica": 1}, "kvm1:/a and kvm1:/a"),
    "a brick in another": ({"bricks": ["kvm1:/a/b", "kvm1:/a"], "replica": 1}, "kvm1:/a/b and kvm1:/a"),
    "paths without servers": ({"bricks": "/data/b", "replica": 1}, "without servers"),
    "servers twice": ({"bricks": ["kvm1:/data/b"], "servers": THREE, "replica": 1}, "with servers"),
    "no path": ({"bricks": ["kvm1"], "replica": 1}, "bricks has 'kvm1'"),
    "no bricks": ({"bricks": [], "servers": THREE, "replica": 1}, r"bricks is \[\]"),
    "a number": ({"bricks": 7, "servers": THREE, "replica": 1}, "bricks is 7 with servers|bricks has 7"),
    "a path with a blank": ({"bricks": "/data/my brick", "servers": THREE, "replica": 3}, "without spaces"),
    "a path upwards": ({"bricks": "/data/../b", "servers": THREE, "replica": 3}, "without spaces, . and .."),
    "the root": ({"bricks": "/", "servers": THREE, "replica": 3}, "bricks has '/' on kvm1"),
    "a key that is none": (
        {"bricks": [{"server": "kvm1", "path": "/a", "disk": "/dev/sdb"}], "replica": 1},
        "bricks has {'server'",
    ),
    "a server that could be an option": ({"bricks": ["--force:/a"], "replica": 1}, "the server '--force'"),
    "a path on such a server": ({"bricks": "/a", "servers": ["-x"], "replica": 1}, "the server '-x'"),
}


@pytest.mark.parametrize("case", GOOD)
def test_a_good_layout(layouts, case):
    arguments, text = GOOD[case]
    assert layouts.describe(layouts.layout(**arguments)) == text


@pytest.mark.parametrize("case", BAD)
def test_a_bad_layout_names_key_and_value(layouts, case):
    arguments, text = BAD[case]
    with pytest.raises(SaltInvocationError, match=text):
        layouts.layout(**arguments)


PATHS = strategies.sampled_from(["/a", "/a/b", "/b", "/data/b", "/data/b/", "/force", "/a//b", "/../x", "b", "/d e"])
HOSTS = strategies.sampled_from(["kvm1", "kvm2", "kvm3", "KVM1", "kvm4", "force", "-x", "10.0.0.1"])
COUNTS = strategies.none() | strategies.integers(-1, 5) | strategies.booleans()
BRICKS = strategies.one_of(
    PATHS,
    strategies.lists(PATHS, max_size=4),
    strategies.lists(strategies.builds("{}:{}".format, HOSTS, PATHS), max_size=8),
    strategies.lists(strategies.fixed_dictionaries({"server": HOSTS, "path": PATHS}), max_size=8),
)


@hypothesis.settings(max_examples=1000, deadline=None)
@hypothesis.given(
    bricks=BRICKS,
    servers=strategies.none() | strategies.lists(HOSTS, max_size=5),
    counts=strategies.tuples(COUNTS, COUNTS, COUNTS, COUNTS),
    split_brain=strategies.sampled_from([None, "allow"]),
)
def test_no_layout_has_two_bricks_of_a_set_on_a_host_or_uses_force(layouts, bricks, servers, counts, split_brain):
    try:
        found = layouts.layout(bricks, servers, *counts, split_brain=split_brain)
    except SaltInvocationError as exc:
        assert str(exc).isprintable()
        return
    size = found["size"]
    assert found["bricks"] and len(found["bricks"]) % size == 0
    for first in range(0, len(found["bricks"]), size):
        hosts = [brick.split(":/")[0].lower() for brick in found["bricks"][first : first + size]]
        assert len(set(hosts)) == len(hosts)
    words = layouts.words(found)
    assert "force" not in words and not [word for word in words if word.startswith("-")]
    assert words[-len(found["bricks"]) :] == found["bricks"]


def volume(*bricks, uuids="123", **counts):
    return {
        "replica": 3,
        "arbiter": 0,
        "disperse": 0,
        "redundancy": 0,
        "bricks": list(bricks),
        "servers": list(uuids),
        **counts,
    }


DIFFERENCES = {
    "none": (volume(*named("/data/b", *THREE)), []),
    "names and paths in another notation": (
        volume("10.0.0.1:/data/b/", "kvm2.example.com:/data/b", "kvm3:/data//b"),
        [],
    ),
    "another number of copies": (
        volume(*named("/data/b", *THREE), replica=1),
        ["replica is 1, not 3"],
    ),
    "another path": (
        volume("kvm1:/data/b", "kvm2:/data/b", "kvm3:/data/c"),
        ["kvm3:/data/b is not among its bricks", "kvm3:/data/c is"],
    ),
    "another server": (
        volume(*named("/data/b", "kvm1", "kvm2", "kvm9"), uuids="129"),
        ["kvm3:/data/b is not among its bricks", "kvm9:/data/b is"],
    ),
    "another order within a set": (volume(*named("/data/b", "kvm3", "kvm1", "kvm2"), uuids="312"), []),
}


@pytest.mark.parametrize("case", DIFFERENCES)
def test_how_a_volume_differs(layouts, case):
    info, text = DIFFERENCES[case]
    layout = layouts.layout("/data/b", THREE, replica=3)
    assert layouts.differences(layout, info, dict(zip(THREE, "123"))) == text


def test_a_server_that_is_not_in_the_pool_differs(layouts):
    layout = layouts.layout("/data/b", THREE, replica=3)
    info = volume(*named("/data/b", *THREE))
    assert "kvm3:/data/b is not among" in layouts.differences(layout, info, {"kvm1": "1", "kvm2": "2", "kvm3": None})[0]


def test_other_sets_of_the_same_bricks_differ(layouts):
    layout = layouts.layout(["/a", "/b"], ["kvm1", "kvm2"], replica=2, split_brain="allow")
    there = volume("kvm1:/a", "kvm2:/b", "kvm1:/b", "kvm2:/a", uuids="1212", replica=2)
    assert layouts.differences(layout, there, {"kvm1": "1", "kvm2": "2"}) == [
        "its bricks are in other sets: kvm1:/a kvm2:/b, kvm1:/b kvm2:/a"
    ]
    swapped = volume("kvm1:/b", "kvm2:/b", "kvm1:/a", "kvm2:/a", uuids="1212", replica=2)
    assert layouts.differences(layout, swapped, {"kvm1": "1", "kvm2": "2"}) == []


def test_another_arbiter_differs(layouts):
    layout = layouts.layout("/data/b", THREE, replica=3, arbiter=1)
    there = volume(*named("/data/b", "kvm3", "kvm1", "kvm2"), uuids="312", arbiter=1)
    assert "other sets" in layouts.differences(layout, there, dict(zip(THREE, "123")))[0]


def test_what_a_volume_lacks_in_whole_sets(layouts):
    servers = ["kvm4", "kvm5", "kvm6", *THREE]
    hosts = {server: server[-1] for server in THREE}
    hosts.update(dict.fromkeys(servers[:3]))  # they are yet to join the pool
    wanted, there = layouts.layout("/data/b", servers, replica=3), volume(*named("/data/b", *THREE))
    assert layouts.growth(wanted, there, hosts) == named("/data/b", *servers[:3])
    same = layouts.layout("/data/b", THREE, replica=3)
    assert layouts.growth(same, there, hosts) == []
    for other in (
        volume(*named("/data/c", *THREE)),
        volume(*named("/data/b", *THREE), arbiter=1),
        volume(*named("/data/b", *THREE), *named("/data/c", *THREE), uuids="123123"),
    ):
        assert layouts.growth(wanted, other, hosts) == []
    mixed = layouts.layout("/data/b", ["kvm1", "kvm2", "kvm4", "kvm3", "kvm5", "kvm6"], replica=3)
    assert layouts.growth(mixed, there, hosts) == [], "no brick changes its set"


def brick(server, path, device=None):
    return {"server": server, "path": path, **({"device": device} if device else {})}


def test_a_brick_of_the_pillar_may_have_a_device(layouts):
    bricks = [brick("kvm1", "/a/b", "/dev/sdb"), "kvm2:/a/b", brick("KVM3", "/a/b", "/dev/sdb")]
    made = layouts.creation({"replica": 3, "bricks": bricks}, THREE)
    assert [each["device"] for each in made["bricks"]] == ["/dev/sdb", None, "/dev/sdb"]
    assert made["arguments"] == {"replica": 3, "bricks": ["kvm1:/a/b", "kvm2:/a/b", "kvm3:/a/b"]}
    assert bricks[0]["device"] == "/dev/sdb", "the pillar's own"
    made = layouts.creation({"replica": 3, "bricks": ["/a/b", "/a/c"]}, THREE)
    assert len(made["bricks"]) == 6 and {each["device"] for each in made["bricks"]} == {None}


@pytest.mark.parametrize(
    "other",
    [brick("kvm1", "/a/c", "/dev/sdc"), brick("kvm1", "/a/c"), brick("kvm1", "/c/b", "/dev/sdb")],
    ids=["two devices", "one of two", "two directories"],
)
def test_a_device_is_the_file_system_of_one_directory(layouts, other):
    for bricks in ([brick("kvm1", "/a/b", "/dev/sdb"), other], [other, brick("kvm1", "/a/b", "/dev/sdb")]):
        with pytest.raises(SaltInvocationError, match="a device is the file system of one directory"):
            layouts.creation({"replica": 1, "bricks": bricks}, THREE)
    both = [brick("kvm1", "/a/b", "/dev/sdb"), brick("kvm1", "/a/c", "/dev/sdb"), brick("kvm2", "/c/b", "/dev/sdb")]
    assert len(layouts.creation({"replica": 1, "bricks": both}, THREE)["bricks"]) == 3
