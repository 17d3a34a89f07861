"""Who is in the pool, by whatever name, and who takes whom into it."""

import pytest
from salt.exceptions import CommandExecutionError, SaltInvocationError

ADDRESSES = {"kvm1": {"10.0.0.1"}, "kvm2": {"10.0.0.2"}, "kvm2.example.com": {"10.0.0.2"}, "kvm3": {"10.0.0.3"},
             "kvm4": {"10.0.0.4"}, "two": {"10.0.0.2"}}  # fmt: skip
MEMBER = "Peer in Cluster"
JOINS = {"old": "not in the pool", "new": "in the pool"}
THREE = ["kvm1", "kvm2", "kvm3"]


def peer(number, *names, state=MEMBER):
    return {"uuid": str(number), "hostnames": list(names), "connected": True, "state": state}


class World:
    """A pool as one of its servers sees it, and what other servers answer: pools by server, volumes by server."""

    def __init__(self, execution, here, peers=(), pools=None, volumes=None, own_volumes=(), test=False):
        self.pools, self.volumes, self.probed, self.asked = pools or {}, volumes or {}, [], []
        self.ports, self.reverse, self.apart = {}, {}, None
        number = here[-1]

        def asked(name, answer):
            self.asked.append(name)
            return answer

        def addresses(host):
            return ADDRESSES.get(host, {host} if host[0].isdigit() else set())

        salt = {
            "gluster.peer_status": lambda run=None: asked("here", list(peers)),
            "gluster.volume_info": lambda run=None, server=None: (
                asked(server, dict.fromkeys(self.volumes.get(server, ()))) if server else dict.fromkeys(own_volumes)
            ),
            "gluster.pool_list": lambda server: asked(
                server,
                [
                    {"hostname": "localhost", "uuid": server[-1]},
                    *({"hostname": name, "uuid": name[-1]} for name in self.pools.get(server, ())),
                ],
            ),
            "glusterd.info": lambda: {"uuid": number},
            "gluster_pool.peers_apart": lambda: self.apart,
            "gluster.peer_probe": self.probe,
        }
        utils = {
            "gluster_hosts.own_names": lambda: {here, *ADDRESSES[here]},
            "gluster_hosts.addresses": addresses,
            "gluster_hosts.known_as": lambda server, names: next(
                (name for name in names if addresses(server) & addresses(name)), None
            ),
            "gluster_hosts.reverse_name": lambda host: self.reverse.get(host, host),
            "gluster_hosts.glusterd_port": lambda host: self.ports.get(host, "open"),
        }
        opts = {"test": test}
        self.module = execution("gluster_peers", __salt__=salt, __utils__=utils, __grains__={"id": here}, __opts__=opts)

    def probe(self, server, timeout):
        self.probed.append(server)
        raise CommandExecutionError(f"gluster peer probe {server}: Peer {server} does not support required op-version")

    def plan(self, servers=THREE):
        return self.module.plan(list(servers))

    def error(self, servers=THREE):
        with pytest.raises((CommandExecutionError, SaltInvocationError)) as failure:
            self.plan(servers)
        assert str(failure.value).isprintable()
        return failure


@pytest.fixture
def world(execution):
    return lambda *words, **more: World(execution, *words, **more)


def test_one_look_where_all_are_in_the_pool_by_their_names(world):
    one = world("kvm1", [peer(2, "10.0.0.2", "KVM2"), peer(3, "kvm3"), peer(9, "kvm9")])
    assert one.plan() == {"changes": {}, "waiting": None}
    assert one.asked == ["here"]


def test_the_first_takes_in_the_others_and_they_wait(world):
    assert world("kvm1").plan() == {"changes": {"kvm2": JOINS, "kvm3": JOINS}, "waiting": None}
    for here in ("kvm2", "kvm3"):
        plan = world(here).plan()
        assert plan == {"changes": {}, "waiting": f"kvm1 has not taken in {here}"}


def test_only_those_that_are_missing_are_taken_in(world):
    assert world("kvm1", [peer(2, "kvm2")]).plan()["changes"] == {"kvm3": JOINS}


def test_one_that_has_volumes_takes_in_the_others(world):
    volumes = {"kvm2": ["scratch"]}
    assert world("kvm1", volumes=volumes).plan()["waiting"] == "kvm2 has not taken in kvm1"
    assert world("kvm2", own_volumes=["scratch"]).plan()["changes"] == {"kvm1": JOINS, "kvm3": JOINS}
    assert world("kvm3", volumes=volumes).plan()["waiting"] == "kvm2 has not taken in kvm3"


def test_those_in_a_pool_take_in_a_new_first_one(world):
    """All servers come to the same answer."""
    servers = ["kvm4", "kvm2", "kvm3"]
    pools = {"kvm2": ["kvm3"], "kvm3": ["kvm2"]}
    assert world("kvm2", [peer(3, "kvm3")]).plan(servers)["changes"] == {"kvm4": JOINS}
    assert world("kvm3", [peer(2, "kvm2")]).plan(servers)["waiting"] == "kvm2 has not taken in kvm4"
    assert world("kvm4", pools=pools).plan(servers)["waiting"] == "kvm2 has not taken in kvm4"


def test_a_server_of_another_pool_is_an_error_before_any_probe(world):
    failure = world("kvm1", [peer(2, "kvm2")], pools={"kvm3": ["kvm9"]}).error()
    assert failure.type is SaltInvocationError
    assert "kvm3 is in a pool with kvm9, and kvm1 is in a pool with kvm2: Gluster joins no two pools" in str(
        failure.value
    )
    assert "peer detach" in str(failure.value)


def test_a_pool_with_servers_that_are_not_named_is_not_joined_by_the_first(world):
    for one in (world("kvm1", pools={"kvm3": ["kvm9"]}), world("kvm3", [peer(9, "kvm9")])):
        text = str(one.error().value)
        assert (
            "kvm3 is in a pool with kvm9, and kvm1, the first of servers, is not: name all servers of that pool" in text
        )


def test_a_server_with_volumes_is_not_taken_into_a_pool(world):
    text = str(world("kvm1", [peer(2, "kvm2")], volumes={"kvm3": ["scratch"]}).error().value)
    assert "kvm3 has the volume scratch of its own, and kvm1 is in a pool with kvm2" in text


def test_copies_of_one_server_are_told_apart_before_any_probe(world):
    one = world("kvm1")
    pool_list = one.module.__salt__["gluster.pool_list"]
    one.module.__salt__["gluster.pool_list"] = lambda server: pool_list(server="kvm2")
    assert "kvm2 and kvm3: they are one server, or one is a copy of the other" in str(one.error().value)


def test_a_peer_that_is_just_being_taken_in_is_of_this_pool(world):
    one = world("kvm3", [peer(1, "kvm1")], pools={"kvm2": ["kvm1"]})
    assert one.plan()["waiting"] == "kvm1 has not taken in kvm2"


def test_a_server_that_is_taken_in_while_it_is_looked_at_has_no_volumes_of_its_own(world):
    """It gets the pool's volumes: nobody sees them without the pool."""
    one = world("kvm2", [peer(1, "kvm1")], own_volumes=["one_vol"])

    def joined(function):
        answer = one.module.__salt__[function]

        def answered(**words):
            found = answer(**words)
            if words.get("server") == "kvm3":
                one.pools["kvm3"], one.volumes["kvm3"] = ["kvm1", "kvm2"], ["one_vol"]
            return found

        one.module.__salt__[function] = answered

    joined("gluster.pool_list")
    joined("gluster.volume_info")
    assert one.plan()["waiting"] == "kvm1 has not taken in kvm3"


def test_a_server_that_is_just_taken_in_looks_at_its_pool_behind_its_volumes(world):
    peers = []
    one = world("kvm3", peers, own_volumes=["one_vol"], pools={"kvm1": ["kvm2"], "kvm2": ["kvm1"]})
    volumes = one.module.__salt__["gluster.volume_info"]

    def taken_in(**words):
        peers[:] = [peer(1, "kvm1"), peer(2, "kvm2")]
        return volumes(**words)

    one.module.__salt__["gluster.peer_status"] = lambda run=None: list(peers)
    one.module.__salt__["gluster.volume_info"] = taken_in
    assert one.plan()["waiting"] == "kvm1 has not taken in kvm3"


def test_a_peer_known_by_an_address_or_another_name_gets_its_own(world):
    one = world("kvm1", [peer(2, "kvm2.example.com"), peer(3, "10.0.0.3")])
    assert one.plan()["changes"] == {
        "kvm2": {"old": "kvm2.example.com", "new": "kvm2"},
        "kvm3": {"old": "10.0.0.3", "new": "kvm3"},
    }


def test_the_second_gives_the_first_its_name_and_nobody_else(world):
    first = peer(1, "10.0.0.1")
    assert world("kvm2", [first, peer(3, "kvm3")]).plan()["changes"] == {"kvm1": {"old": "10.0.0.1", "new": "kvm1"}}
    assert world("kvm3", [first, peer(2, "kvm2")]).plan() == {"changes": {}, "waiting": None}
    assert world("kvm2", [first, peer(3, "10.0.0.3")]).plan()["changes"].keys() == {"kvm1"}


def test_a_test_run_predicts_the_name_that_the_first_will_need(world):
    for here, changes in (("kvm2", {"kvm1": {"old": "kvm1.example.com", "new": "kvm1"}}), ("kvm3", {})):
        one = world(here, test=True)
        one.reverse["kvm1"] = "kvm1.example.com"
        assert one.plan() == {"changes": changes, "waiting": f"kvm1 has not taken in {here}"}
    one = world("kvm2")
    one.reverse["kvm1"] = "kvm1.example.com"
    assert one.plan()["changes"] == {}


@pytest.mark.parametrize(
    "servers, text",
    [
        (["kvm2", "kvm3"], "none is this server, which goes by 10.0.0.1, kvm1"),
        (["kvm1", "kvm2", "two"], "kvm2 and two: they are one server"),
        (["kvm1", "kvm2", "nowhere"], "servers has 'nowhere', of which kvm1 finds no address"),
    ],
)
def test_servers_that_cannot_be_meant(world, servers, text):
    failure = world("kvm1", [peer(2, "kvm2")]).error(servers)
    assert failure.type is SaltInvocationError and text in str(failure.value)


@pytest.mark.parametrize(
    "answer, text",
    [("refused", "glusterd is not running on kvm3: start it"), ("silent", "kvm3 does not answer at port 24007")],
)
def test_a_server_that_does_not_answer_may_come(world, answer, text):
    one = world("kvm1")
    one.ports["kvm3"] = answer
    failure = one.error()
    assert failure.type is CommandExecutionError and text in str(failure.value)


def test_a_rejected_peer_is_an_error_and_one_on_its_way_is_waited_for(world):
    failure = world("kvm1", [peer(2, "kvm2"), peer(3, "kvm3", state="Peer Rejected")]).error()
    assert failure.type is SaltInvocationError and "kvm3: 'Peer Rejected'" in str(failure.value)
    plan = world("kvm1", [peer(2, "kvm2"), peer(3, "kvm3", state="Accepted peer request")]).plan()
    assert plan["changes"] == {} and "kvm3 is 'Accepted peer request'" in plan["waiting"]


@pytest.mark.parametrize("grains", [{"id": "kvm1"}, {"id": "a-minion"}])
def test_the_own_name_at_a_loopback_address_is_this_server_alone(execution, monkeypatch, grains):
    """As Debian's installer writes it to /etc/hosts; other servers know it by another address."""
    hosts = {"kvm1": "127.0.1.1", "kvm2": "10.0.0.2", "10.0.0.2": "10.0.0.2"}

    def resolve(host, port):
        if host not in hosts:
            raise OSError("Name or service not known")
        return [(None, None, None, None, (hosts[host], 0))]

    salt = {
        "gluster.peer_status": lambda run=None: [peer(2, "10.0.0.2")],
        "glusterd.info": lambda: {"uuid": "1"},
    }
    grains = {**grains, "ipv4": ["127.0.0.1", "10.0.0.1"]}
    module = execution("gluster_peers", __salt__=salt, __grains__=grains)
    monkeypatch.setattr("socket.getaddrinfo", resolve)
    assert module.plan(["kvm1", "kvm2"])["changes"] == {"kvm2": {"old": "10.0.0.2", "new": "kvm2"}}
    assert [server for server, one in module.identify(["kvm1", "kvm2"]).items() if one["own"]] == ["kvm1"]


def test_nobody_is_probed_while_a_member_is_away(world):
    one = world("kvm1", [peer(2, "kvm2")])
    one.apart = "kvm2 disconnected"
    with pytest.raises(CommandExecutionError, match="kvm3 was not probed: kvm2 disconnected"):
        one.module.probe("kvm3")
    assert one.probed == []


def test_versions_that_do_not_fit_are_not_waited_for(world):
    with pytest.raises(SaltInvocationError, match="required op-version: its Gluster is older"):
        world("kvm1").module.probe("kvm3")


def test_before_glusterds_first_start_a_test_run_asks_nobody(execution):
    one = World(execution, "kvm1", test=True)
    one.module.__salt__["glusterd.info"] = lambda: {"uuid": None}
    assert one.plan()["changes"] == {"kvm2": JOINS, "kvm3": JOINS}
    assert one.asked == ["here"]


def test_ports_that_a_node_does_not_reach_are_named_with_the_cure(world):
    pool = world("kvm4")
    pool.ports = {"kvm2": "refused", "kvm3": "silent"}
    found = pool.module.unreachable(["kvm1", "kvm2", "kvm3", "nosuch"])
    assert {server: one["refused"] for server, one in found.items()} == {"kvm2": True, "kvm3": False, "nosuch": False}
    assert "if it runs, a firewall rejects kvm4 at port 24007" in found["kvm2"]["why"]
    assert "let kvm4 in at TCP 24007 and, for bricks, 49152 to 60999" in found["kvm3"]["why"]
    assert "'nosuch', of which kvm4 finds no address" in found["nosuch"]["why"]
    assert pool.asked == pool.probed == []


def test_a_server_that_was_reinstalled_is_told_how_it_gets_back(execution):
    """The pool has its name under the uuid of before: to wait until it is taken in would be in vain."""
    world = World(execution, "kvm3", pools={"kvm1": ["kvm2", "kvm3"], "kvm2": ["kvm1", "kvm3"]})
    world.module.__salt__["glusterd.info"] = lambda: {"uuid": "9"}
    with pytest.raises(SaltInvocationError, match="kvm3 is in the pool of kvm1 under another uuid .* docs/replace.md"):
        world.module.plan(THREE)


@pytest.mark.parametrize("pools", [{"kvm1": ["kvm2", "kvm3"], "kvm2": ["kvm1", "kvm3"]}, {"kvm2": ["kvm1", "kvm3"]}])
def test_one_that_had_no_uuid_when_it_began_to_look_is_no_stranger(execution, pools):
    """As at its glusterd's first start: kvm1 has taken it in since, the second time after it was looked at."""
    world = World(execution, "kvm3", pools=pools)
    uuids = iter([None, "3"])
    world.module.__salt__["glusterd.info"] = lambda: {"uuid": next(uuids)}
    assert world.module.plan(THREE) == {"changes": {}, "waiting": f"{min(pools)} has not taken in kvm3"}


def test_one_that_is_just_being_probed_has_no_uuid_yet(execution):
    world = World(execution, "kvm3")
    listed = world.module.__salt__["gluster.pool_list"]
    probed = {"hostname": "kvm3", "uuid": "00000000-0000-0000-0000-000000000000"}
    world.module.__salt__["gluster.pool_list"] = lambda server: [*listed(server), probed]
    assert world.module.plan(THREE) == {"changes": {}, "waiting": "kvm1 has not taken in kvm3"}


@pytest.mark.parametrize(
    ("pools", "volumes", "said", "probed"),
    [
        ({}, {}, "its Gluster is older than the version that the pool speaks", True),
        ({"10.0.0.5": ["kvm9"]}, {}, "10.0.0.5 is in a pool with kvm9", False),
        ({}, {"10.0.0.5": ["theirs"]}, "10.0.0.5 has the volume theirs of its own", False),
    ],
)
def test_another_server_is_probed_while_one_is_away(execution, pools, volumes, said, probed):
    peers = [peer(2, "kvm2"), {**peer(3, "kvm3"), "connected": False}]
    world = World(execution, "kvm1", peers, pools, volumes)
    with pytest.raises(SaltInvocationError, match=said):
        world.module.take_in("10.0.0.5")
    assert world.probed == ["10.0.0.5"] * probed


def test_a_copy_of_a_member_is_not_taken_in(execution):
    world = World(execution, "kvm1", [peer(4, "kvm2")])
    with pytest.raises(SaltInvocationError, match="they are one server, or one is a copy of the other"):
        world.module.take_in("kvm4")
