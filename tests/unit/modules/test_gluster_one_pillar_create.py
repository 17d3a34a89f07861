"""What the pillar makes of ``create`` of a volume, and of the pool that it needs."""

import pytest
from salt.exceptions import CommandExecutionError

from .test_gluster_one_pillar import with_create

BRICKS = [f"{server}:/data/b" for server in ("kvm1", "kvm2", "kvm3")]


@pytest.mark.parametrize(
    ("keys", "bricks"),
    [
        ({"replica": 3, "bricks": "/data/b"}, BRICKS),
        ({"replica": 3, "arbiter": 1, "disperse": None, "bricks": ["/data/b/"]}, BRICKS),
        ({"replica": 3, "bricks": ["KVM1:/data/b", {"server": "kvm2", "path": "/data/b"}, "kvm3:/data/b"]}, BRICKS),
        ({"replica": 2, "split_brain": "allow", "bricks": ["kvm3:/a", "kvm1:/b"]}, ["kvm3:/a", "kvm1:/b"]),
        ({"disperse": 3, "redundancy": 1, "bricks": ["/a", "/b"]}, None),
    ],
)
def test_how_a_volume_is_created(node, keys, bricks):
    for minion in ("kvm1", "kvm2", "head"):
        plan = node(with_create(**keys), minion)
        assert plan["errors"] == []
        made = plan["volumes"]["one_vol"]["create"]
        named = made["arguments"]["bricks"]
        assert named == (bricks or [f"{server}:{path}" for path in ("/a", "/b") for server in ("kvm1", "kvm2", "kvm3")])
        given = {key: value for key, value in keys.items() if value is not None}
        assert made == {"arguments": {**given, "bricks": named}, "bricks": made["bricks"], "group": "virt"}
        assert [f"{brick['server']}:{brick['path']}" for brick in made["bricks"]] == named
        assert all(brick["own"] == (brick["server"] == minion) for brick in made["bricks"])
        own = ["kvm1", "kvm2", "kvm3"] if minion != "head" else []
        assert plan["pool"] == {"servers": own, "options": {}, "dropped": []}


def test_volumes_that_share_a_server_are_in_one_pool(node):
    servers = {"a": "1 2", "other": "7 8", "b": "4 5", "c": "5 2", "there": "8 9 1"}
    volumes = {name: {"servers": [f"kvm{number}" for number in said.split()]} for name, said in servers.items()}
    for name in servers.keys() - {"there"}:
        volumes[name]["create"] = {"replica": 1, "bricks": f"/data/{name}"}
    pillar = {"volumes": volumes, "pool_options": {"cluster.server-quorum-ratio": "51%"}}
    for minion, expected in {"kvm1": "1 2 4 5", "kvm4": "1 2 4 5", "kvm8": "7 8", "kvm9": "", "head": ""}.items():
        pool = node(pillar, minion)["pool"]
        assert pool["servers"] == [f"kvm{number}" for number in expected.split()]
        # All are in one pool by the volume that is there, and its options are one node's.
        assert pool["options"] == (pillar["pool_options"] if minion == "kvm1" else {})


def test_an_option_of_the_pool_that_the_pillar_drops_is_set_back_where_it_was_set(node):
    recorded = {"pool_options": {"cluster.server-quorum-ratio": {}, "cluster.brick-multiplex": {}}}.get
    ratio = {"cluster.server-quorum-ratio": "51%"}
    pillar = {"volumes": {"one_vol": {"servers": ["kvm1", "kvm2"]}}, "pool_options": ratio}
    for minion, options in {"kvm1": ratio, "kvm2": {}}.items():  # kvm2 was the first before
        pool = node(pillar, minion, recorded=recorded)["pool"]
        assert (pool["options"], pool["dropped"]) == (options, ["cluster.brick-multiplex"])

    def unreadable(kind):
        raise CommandExecutionError("restore it")

    assert node(pillar, "kvm2", recorded=unreadable)["pool"]["dropped"] == []


def test_a_new_pool_s_first_server_need_not_be_in_it(node):
    pillar = with_create(["kvm4", "kvm1"], replica=1, bricks="/b")
    assert node(pillar, "kvm1", peers=[["kvm3"]])["errors"] == []
