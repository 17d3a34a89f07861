"""A thousand pillars that nobody wrote: each is accepted with a right plan, or rejected in lines that name the key."""

import copy
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ..conftest import NO_MOUNTS

MINION = "kvm1"
MANY = settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def node(execution, monkeypatch):
    """node(pillar): what it makes of kvm1, where oneadmin is the only account."""
    for name in ("get_uid", "get_gid"):
        monkeypatch.setattr(f"salt.utils.user.{name}", {"oneadmin": 9869}.get)
    salt = {
        "gluster_one_arguments.argument_needed": execution("gluster_one_arguments").argument_needed,
        "gluster_mount.place": execution("gluster_mount", __salt__=NO_MOUNTS).place,
        "gluster_links.user_errors": lambda user, directory: [],
        "glusterd.peers": lambda: [],
        "gluster_one_record.recorded": lambda kind: {},
        "gluster_one_record.other_volume": lambda *words: None,
    }
    utils = {"gluster_hosts.own_names": lambda servers=(): {MINION}}
    return execution("gluster_one_pillar", __salt__=salt, __utils__=utils, __grains__={"id": MINION}).node


SERVERS = [MINION, "Kvm2", "kvm3", "kvm4"]
HOSTS = [*SERVERS, "KVM1", "kvm2"]
names = st.text("abcdefgh0", min_size=2, max_size=6)
hosts = names.filter(lambda name: name != MINION)
paths = st.lists(names, min_size=2, max_size=4).map(lambda parts: "/" + "/".join(parts))
words = st.text("abAB09_=.:-", min_size=1, max_size=6)
seconds = st.integers(1, 10**6)
options = st.dictionaries(
    st.sampled_from(["network.ping-timeout", "user.note", "performance.io-cache"]),
    st.one_of(st.integers(), st.booleans(), st.sampled_from(["on", "off", "1GB", "a b"])),
    max_size=3,
)
attributes = st.dictionaries(
    st.sampled_from(["LIMIT_MB", "limit_mb", "X"]), st.one_of(st.integers(), words), max_size=3
)
image = st.fixed_dictionaries(
    {},
    optional={
        "type": st.just("IMAGE_DS"),
        "host": st.one_of(hosts, hosts.map(lambda host: f"{host}:24007"), st.lists(hosts, min_size=1, max_size=3)),
        "tm_mad": names,
        "driver": st.sampled_from(["raw", "qcow2"]),
        "safe_dirs": st.lists(paths, min_size=1, max_size=2),
        "no_decompress": st.booleans(),
        "clusters": st.lists(st.one_of(names, st.integers(0, 200)), min_size=1, max_size=3),
        "attributes": attributes,
        "datastore_id": st.integers(0, 10**6),
        "permissions": st.sampled_from(["um-u-----", "640", 640]),
    },
)
other = st.fixed_dictionaries({"type": st.sampled_from(["SYSTEM_DS", "FILE_DS"])}, optional={"tm_mad": names})
# As somebody may write it who knows the keys: most are wrong, by the numbers or the servers.
brick = st.one_of(
    st.builds("{}:{}".format, st.sampled_from(HOSTS), paths),
    st.fixed_dictionaries({"server": st.sampled_from(HOSTS), "path": paths}),
)
kind = st.one_of(
    st.fixed_dictionaries(
        {"replica": st.integers(1, 4), "split_brain": st.sampled_from(["allow", None])},
        optional={"arbiter": st.sampled_from([0, 1, True])},
    ),
    st.fixed_dictionaries({"disperse": st.integers(3, 5), "redundancy": st.integers(0, 2)}),
)
bricks = st.one_of(paths, st.lists(paths, min_size=1, max_size=2), st.lists(brick, min_size=1, max_size=8))
create = st.builds(lambda kind, bricks: {**kind, "bricks": bricks}, kind, bricks)
volume = st.fixed_dictionaries(
    {"servers": st.lists(st.one_of(hosts, st.just(MINION)), min_size=1, max_size=4, unique=True)},
    optional={
        "mount_options": st.lists(words, max_size=3),
        "options": options,
        "uid": st.one_of(st.integers(0, 10**6), st.just("oneadmin")),
        "gid": st.one_of(st.integers(0, 10**6), st.just("oneadmin")),
        "group": names,
        "datastores": st.dictionaries(names, st.one_of(image, other, st.none()), max_size=3),
    },
)
pillars = st.fixed_dictionaries(
    {"volumes": st.dictionaries(names, volume, min_size=1, max_size=3)},
    optional={
        "roles": st.lists(st.sampled_from(["head", "hypervisor"]), min_size=1, unique=True),
        "timeout": seconds,
        "beacon": st.one_of(st.booleans(), st.fixed_dictionaries({"interval": seconds})),
        "free_percent": st.integers(0, 100),
        "datastores_dir": paths,
        "opennebula": st.fixed_dictionaries(
            {}, optional={"endpoint": st.just("https://head/RPC2"), "auth_file": paths}
        ),
    },
)


def apart(bricks, size):
    """Whether no set has two bricks on one host."""
    hosts = [brick.partition(":/")[0].casefold() for brick in bricks]
    return all(len(set(hosts[first : first + size])) == size for first in range(0, len(hosts), size))


@settings(MANY, max_examples=1000)
@given(servers=st.lists(st.sampled_from(SERVERS), min_size=1, unique=True), create=create)
def test_no_volume_is_created_with_two_bricks_of_a_set_on_one_host_nor_by_force(node, util, servers, create):
    plan = node({"volumes": {"one_vol": {"servers": servers, "create": create}}})
    if plan["errors"]:
        assert all(error.startswith("gluster_one:volumes:one_vol:") for error in plan["errors"])
        return
    made = plan["volumes"]["one_vol"]["create"]
    layouts = util("gluster_layout")
    layout = layouts.layout(**made["arguments"])
    assert [f"{brick['server']}:{brick['path']}" for brick in made["bricks"]] == layout["bricks"]
    assert apart(layout["bricks"], create.get("disperse") or create["replica"])
    assert {brick["server"] for brick in made["bricks"]} <= set(servers)
    words = layouts.words(layout)
    assert "force" not in words and all(word.isprintable() and word.split() == [word] for word in words)
    json.dumps(plan)


def one_place(pillar):
    """Whether each datastore is listed under one volume only."""
    stores = [store for each in pillar["volumes"].values() for store in each.get("datastores") or {}]
    return len(stores) == len(set(stores))


@MANY
@given(pillar=pillars.filter(one_place))
def test_what_is_right_is_accepted_as_it_is(node, pillar):
    given_pillar = copy.deepcopy(pillar)
    plan = node(pillar)
    assert plan["errors"] == [] and pillar == given_pillar
    json.dumps(plan)
    served = [each for each in pillar["volumes"].values() if MINION in each["servers"]]
    assert set(plan["roles"]) == set(pillar.get("roles", ["hypervisor"])) | ({"server"} if served else set())
    assert plan["timeout"] == pillar.get("timeout", 120)
    assert set(plan["volumes"]) == set(pillar["volumes"])
    for name, said in pillar["volumes"].items():
        made = plan["volumes"][name]
        assert made["servers"] == said["servers"] and made["coordinator"] == (said["servers"][0] == MINION)
        assert made["mount"].endswith(f"/gluster_one/{name}")
        assert made["options"] == said.get("options", {}) and made["group"] == said.get("group")
        assert (made["uid"], made["gid"]) == (said.get("uid", "oneadmin"), said.get("gid", "oneadmin"))
        for store, keys in (said.get("datastores") or {}).items():
            keys = keys or {}
            native = {"volume": name, "host": said["servers"][0]} if keys.get("type", "IMAGE_DS") == "IMAGE_DS" else {}
            assert made["datastores"][store] == {**native, **keys}


# What somebody may type by mistake, or with intent, in the place of anything.
texts = ["", " ", "a\nb", "a'b", 'a"b', "{{ 1 }}", "{% x %}", "$(id)", "`id`", "; id", "../x", "/", "--x", "a/b", "\0"]
keys = st.one_of(st.text(max_size=6), st.integers(), st.none())
junk = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.sampled_from(texts)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)),
    max_leaves=4,
)
# What no value that is accepted may hold: a line of fstab or of a log would be two.
HARMFUL = ("\n", "\0", "\x1b")


def places(value, path=()):
    """The path of every key and element."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return found + [place for key, each in items for place in places(each, (*path, key))]


@MANY
@given(pillar=pillars.filter(one_place), data=st.data())
def test_what_is_not_is_refused_in_lines_that_name_the_key(node, pillar, data):
    *above, last = data.draw(st.sampled_from(places(pillar)))
    place = pillar
    for key in above:
        place = place[key]
    value = data.draw(junk)
    if isinstance(place, dict) and data.draw(st.booleans()):
        kept = place.pop(last)
        last, value = data.draw(st.one_of(keys, st.just(f"{last}x"))), kept
    place[last] = value
    plan = node(pillar)
    if plan["errors"]:
        assert list(plan) == ["errors"]
        assert all(error.startswith("gluster_one") and error.isprintable() for error in plan["errors"])
        return
    for each in plan["volumes"].values():
        for store in each["datastores"].values():
            store.pop("attributes", None)  # any text is allowed there
    handed = json.dumps(plan["volumes"], ensure_ascii=False)
    assert not any(json.dumps(char, ensure_ascii=False)[1:-1] in handed for char in HARMFUL), handed
