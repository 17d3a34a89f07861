"""A volume in its pool: quorum, servers that are missing, and whether one may go down."""

import pytest
import yaml
from salt.exceptions import CommandExecutionError

from ..conftest import CHECKOUT

BRICKS = [f"kvm{number}:/b" for number in (1, 2, 3)]
REPLICA = {"status": "Started", "replica": 3, "disperse": 0, "redundancy": 0, "options": {}, "bricks": BRICKS}
QUORUM = {"options": {"cluster.server-quorum-type": "server"}}


def pool(*away, servers=("kvm1", "kvm2", "kvm3")):
    """The pool as kvm1 sees it."""
    return [
        {"hostname": "localhost" if name == "kvm1" else name, "uuid": uuid(name), "connected": name not in away}
        for name in servers
    ]


def uuid(name):
    """The server that a name means: gl2 is kvm2 on another network."""
    return f"uuid of {name[-1]}"


def served(info):
    return {**info, "servers": [uuid(brick.partition(":/")[0]) for brick in info["bricks"]]}


def too_few(count, needed, bricks=BRICKS):
    return f"volume one_vol has {count} of these bricks online, and needs {needed}: {', '.join(bricks)}"


@pytest.mark.parametrize(
    "info, down, lost",
    [
        ({"replica": 3}, 1, []),
        ({"replica": 3}, 2, [too_few(1, 2)]),
        ({"replica": 3, "options": {"cluster.quorum-type": "none"}}, 2, []),
        (
            {"replica": 3, "options": {"cluster.quorum-type": "fixed", "cluster.quorum-count": "3"}},
            1,
            [too_few(2, 3)],
        ),
        ({"replica": 1}, 1, [too_few(0, 1, ["kvm3:/b"])]),
        ({"disperse": 3, "redundancy": 1}, 1, []),
        ({"disperse": 3, "redundancy": 1}, 2, [too_few(1, 2)]),
        ({"replica": 3, **QUORUM}, 1, []),
        (
            {"replica": 3, **QUORUM},
            2,
            [too_few(1, 2), "1 of 3 servers are connected, too few for volume one_vol's server quorum"],
        ),
    ],
)
def test_quorum(execution, info, down, lost):
    """As kvm1 sees it, when kvm3 is away, or kvm2, too."""
    module = execution("gluster_pool")
    info = {**REPLICA, "replica": 1, **info}
    found = module._brick_quorum("one_vol", info, set(BRICKS[:-down]))
    assert found + module._server_quorum("one_vol", info, pool(*["kvm3", "kvm2"][:down])) == lost


@pytest.mark.parametrize(
    "ratio, servers, connected, lost",
    [
        ("80%", 4, 3, True), ("80", 4, 4, False), ("75%", 4, 3, False), ("75.1%", 4, 3, True), ("50%", 2, 1, False),
        (" 51 % ", 2, 1, True), ("67%", 3, 2, True), ("66%", 3, 2, False), ("100%", 3, 2, True), ("0%", 3, 1, False),
        ("", 4, 2, True), ("", 4, 3, False), ("", 3, 2, False), ("odd", 2, 1, True), ("odd", 3, 2, False),
    ],
)  # fmt: skip
def test_the_ratio_of_the_pool_says_how_many_servers_are_needed(execution, ratio, servers, connected, lost):
    """With 67 and 66 % of three it was seen on Gluster 10.3: the bricks end, or go on, when one glusterd stops."""
    options = {"cluster.server-quorum-type": "server", **({"cluster.server-quorum-ratio": ratio} if ratio else {})}
    members = [{"connected": number < connected} for number in range(servers)]
    found = execution("gluster_pool")._server_quorum("one_vol", {"options": options}, members)
    assert bool(found) is lost


@pytest.mark.parametrize("create", [None, {"replica": 3}])
def test_what_a_run_makes_has_a_run_as_its_cure(execution, create):
    """The master's table has the same, by the end of what is seen."""
    volume = {"servers": ["kvm1", "kvm2"], "create": create}
    salt, utils = {"glusterd.peers": lambda: []}, {"gluster_hosts.known_as": lambda server, names: None}
    seen = {"pool": pool(servers=["kvm1"]), "volumes": {}, "status": {}, "heal": {}}
    module = execution("gluster_pool", __salt__=salt, __utils__=utils)
    found = module.volume_report("one_vol", volume, seen, {"names": ["kvm1"], "volumes": {}})[1]
    table = yaml.safe_load((CHECKOUT / "gluster_one/findings.yaml").read_text())
    new = {"status": "Created", "options": {}}
    seen["volumes"]["one_vol"] = new
    volume.update(uid=0, gid=0, options={})
    found += module.volume_report("one_vol", volume, seen, {"id": "kvm1", "names": ["kvm1"], "volumes": {}})[1][-1:]
    assert [each[0] for each in found] == ["peer_gone", "volume_gone", "volume_stopped"]
    for kind, _, text, _, cure in found:
        said = table[kind]["cures"].get(text.rpartition(": ")[2], table[kind]["cure"])
        assert said.format(volume="one_vol") == cure
        assert (cure == "salt '*' state.apply gluster_one") is bool(create)


@pytest.fixture
def missing(execution):
    """missing(servers, pool's names, ...): the sentence on kvm1 of the volume's servers that are not in the pool."""

    def make(servers, members, peers=(), addresses=None, others=None):
        module = execution(
            "gluster_pool",
            __salt__={"glusterd.peers": lambda: [list(names) for names in peers]},
            __utils__={"gluster_hosts.known_as": lambda server, names: (addresses or {}).get(server)},
        )
        volumes = {"one_vol": {"servers": servers}, **({"other_vol": {"servers": others}} if others else {})}
        node = {"id": "kvm1", "names": ["10.0.0.1", "kvm1"], "volumes": volumes}
        volume = {"servers": servers, "uid": 0, "gid": 0, "options": {}}
        seen = {"pool": pool(servers=members), "volumes": {}, "status": {}, "heal": {}}
        return [each[2] for each in module.volume_report("one_vol", volume, seen, node)[1] if each[0] == "peer_gone"]

    return make


ALL = ["kvm1", "kvm2", "kvm3"]


@pytest.mark.parametrize(
    "servers, members, more",
    [
        (ALL, ALL, {}),
        ([*ALL, "kvm2", "kvm3"], ALL, {}),  # each twice, for an order of bricks
        (["10.0.0.1", "kvm2", "kvm3"], ALL, {}),  # an address of its own
        (["KVM1", "Kvm2", "kvm3"], ["kvm1", "kvm2", "KVM3"], {}),
        (ALL, ["kvm1", "10.0.0.2", "kvm3"], {"peers": [["10.0.0.2", "kvm2"], ["kvm3"]]}),  # another name in the pool
        (ALL, ["kvm1", "10.0.0.2", "kvm3"], {"addresses": {"kvm2": "10.0.0.2"}}),  # known by an address alone
        (ALL, ["kvm1", "storage2", "kvm3"], {}),  # by a name on another network, of which nothing is known here
        (ALL, [*ALL, "kvm4"], {}),
        (ALL, [*ALL, "kvm4"], {"others": ["kvm1", "kvm4"]}),
        (["kvm1", "kvm2.lan"], ["kvm1", "kvm2"], {"others": ["kvm1", "kvm2"], "addresses": {"kvm2.lan": "kvm2"}}),
    ],
)
def test_no_server_is_missing(missing, servers, members, more):
    assert missing(servers, members, **more) == []


@pytest.mark.parametrize(
    "servers, members, more, said",
    [
        ([*ALL, "kvm4"], ALL, {}, "the pool has 3 servers, the pillar names 4: kvm4 is not among them"),
        ([*ALL, *ALL], ["kvm1"], {}, "the pool has 1 servers, the pillar names 3: kvm2, kvm3 are not among them"),
        (
            ALL, ["kvm1", "kvm2", "kvm4"], {"others": ["kvm4"]},
            "the pool has 3 servers, the pillar names 3: kvm3 is not among them",
        ),
        (
            ALL, ["kvm1", "storage2"], {},
            "the pool has 2 servers, the pillar names 3: 1 of kvm2, kvm3 is not among them",
        ),
    ],
)  # fmt: skip
def test_a_server_is_missing(missing, servers, members, more, said):
    assert missing(servers, members, **more) == [said]


CLIENTS = dict.fromkeys(BRICKS, ALL)


@pytest.fixture
def blockers(execution):
    """blockers(names, volumes): why that server may not go, as kvm1 says it."""

    def make(*names, volumes, down=(), away=(), pending=0, members=ALL, clients=CLIENTS, addresses=None, **more):
        volumes = {name: served(info) for name, info in volumes.items()}

        def look(heal=()):
            bricks = {name: [brick for brick in info["bricks"] if brick not in down] for name, info in volumes.items()}
            status = {
                name: [
                    {"hostname": host, "path": f"/{path}", "online": True}
                    for host, _, path in (brick.partition(":/") for brick in up)
                ]
                for name, up in bricks.items()
            }
            counts = {name: {"pending": pending, "split_brain": pending} for name in heal}
            there = clients and {brick: [[f"{client}:1", 9999] for client in of] for brick, of in clients.items()}
            return {"pool": pool(*away, servers=members), "volumes": volumes, "status": status, "heal": counts,
                    "connections": dict.fromkeys(heal, there)}  # fmt: skip

        salt = {"gluster.snapshot": look}
        salt["glusterd.silent_peers"] = list
        salt["gluster.clients_apart"] = execution("gluster", __salt__=salt).clients_apart
        salt["gluster.heal"] = lambda name: True
        utils = {"gluster_hosts.known_as": lambda host, known: (addresses or {}).get(host)}
        module = execution("gluster_pool", __salt__=salt, __utils__=utils, __grains__={"id": "kvm1"})
        return module.stop_blockers({name: [name] for name in names}, **more)

    return make


def test_no_server_may_go_and_gluster_is_not_asked_while_a_peer_is_silent(execution):
    module = execution("gluster_pool", __salt__={"glusterd.silent_peers": lambda: ["kvm3"]})
    assert module.stop_blockers({"kvm2": ["kvm2"]}) == ["kvm3 does not answer at glusterd's port"]


@pytest.mark.parametrize(
    "silent, ask, unit, asked",
    [
        ([], True, {"running": True}, True),
        ([], True, {}, True),  # no systemd
        ([], True, {"running": False}, False),
        (["kvm3"], True, {"running": True}, False),
        ([], False, {"running": True}, False),
    ],
)
def test_gluster_is_asked_while_it_runs_and_all_peers_hosts_answer(execution, silent, ask, unit, asked):
    salt = {
        "glusterd.silent_peers": lambda: silent,
        "glusterd.unfinished_probes": dict,
        "gluster.snapshot": lambda heal: {"pool": pool(), "heal": heal},
        "glusterd.stored_snapshot": lambda away: away,
    }
    salt["glusterd.service"] = lambda name: unit
    module = execution("gluster_pool", __salt__=salt)
    assert module.snapshot(["one_vol"], ask) == ({"pool": pool(), "heal": ["one_vol"]} if asked else silent)


def test_a_volume_of_which_only_what_glusterd_keeps_is_known(execution):
    salt = {
        "glusterd.peers": lambda: [["kvm2"], ["kvm3"]],
    }
    utils = {
        "gluster_options.option_changes": lambda has, wants: {},
        "gluster_options.wanted_options": lambda *words: {},
    }
    volume = {"servers": ALL, "uid": "oneadmin", "gid": "oneadmin", "options": {}}
    kept = {"status": "Started", "options": {"cluster.server-quorum-type": "server"}, "bricks": BRICKS}
    seen = {"pool": pool("kvm2", "kvm3"), "volumes": {"one_vol": kept}, "status": None, "heal": {}}
    module = execution("gluster_pool", __salt__=salt, __utils__=utils)
    facts, found = module.volume_report("one_vol", volume, seen, {"id": "kvm1", "names": ["kvm1"], "volumes": {}})
    assert facts == {"peers": [0, 2], "bricks": None, "sets": None, "heal": None, "split_brain": None}
    assert [one[0] for one in found] == ["peer_away", "peer_away", "server_quorum"]


def test_an_option_that_a_run_has_set_and_the_pillar_no_longer_has_is_found(execution):
    volume = {"servers": ALL, "uid": 0, "gid": 0, "options": {"performance.quick-read": False}}
    options = {"server.allow-insecure": "on", "storage.owner-uid": "0", "storage.owner-gid": "0", "nfs.disable": "on",
               "performance.quick-read": "off", "network.ping-timeout": "10",
               "user.gluster_one.set": "network.ping-timeout=10<20 performance.quick-read=off<"}  # fmt: skip
    kept = {"status": "Stopped", "options": options, "bricks": BRICKS}
    seen = {"pool": pool(), "volumes": {"one_vol": kept}, "status": None, "heal": {}}
    node = {"id": "kvm1", "names": ["kvm1"], "volumes": {}}
    module = execution("gluster_pool", __salt__={"glusterd.peers": lambda: [["kvm2"], ["kvm3"]]})
    found = module.volume_report("one_vol", volume, seen, node)[1]
    what, cure = "network.ping-timeout is 10, which the pillar no longer asks for", "state.apply gluster_one.volume"
    assert [each for each in found if each[0] == "volume_option"] == [
        ["volume_option", "one_vol", what, "20", f"salt kvm1 {cure}"]
    ]


@pytest.mark.parametrize("was, found", [("server", 1), ("none", 1), ("-", 0), (None, 0)])
def test_a_server_quorum_that_is_left_off_is_found(execution, was, found):
    """As when a preparation was killed, and nobody goes on with it."""
    options = {"cluster.server-quorum-type": "none", **({"user.gluster_one.quorum": was} if was else {})}
    kept = {"status": "Stopped", "options": options, "bricks": BRICKS}
    seen = {"pool": pool(), "volumes": {"one_vol": kept}, "status": None, "heal": {}}
    module = execution("gluster_pool", __salt__={"glusterd.peers": lambda: [["kvm2"], ["kvm3"]]})
    volume = {"servers": ALL, "uid": 0, "gid": 0, "options": {"cluster.server-quorum-type": "server"}}
    said = module.volume_report("one_vol", volume, seen, {"id": "kvm1", "names": ["kvm1"], "volumes": {}})[1]
    assert sum(one[0] == "quorum_paused" and "prepare: true" in one[-1] for one in said) == found
    named = [one for one in said if one[0] == "volume_option" and "server-quorum-type" in one[2]]
    assert len(named) == 1 - found


def test_a_server_may_go_when_all_is_well(blockers):
    assert blockers("kvm2", volumes={"one_vol": {**REPLICA, **QUORUM}}) == []


@pytest.mark.parametrize("hosts, said", [((), ["a client at 10.0.0.8 is not connected to kvm1:/b"]), (True, [])])
def test_two_addresses_are_one_client_by_the_word_of_their_host(blockers, hosts, said):
    clients = {**CLIENTS, "kvm1:/b": [*CLIENTS["kvm1:/b"], "10.0.0.9"], "kvm3:/b": [*CLIENTS["kvm3:/b"], "10.0.0.8"]}
    hosts = hosts and [["10.0.0.8", "10.0.0.9", "10.2.0.8"]]
    assert blockers("kvm2", volumes={"one_vol": REPLICA}, clients=clients, hosts=hosts) == said


@pytest.mark.parametrize(
    "clients, said",
    [
        ({**CLIENTS, "kvm3:/b": ["kvm1", "kvm3"]}, ["a client at kvm2 is not connected to kvm3:/b"]),
        ({**CLIENTS, "kvm2:/b": ["kvm1", "kvm3"]}, []),  # it will not need that one
        (dict.fromkeys(BRICKS[:1], ["kvm1"]), ["a client at kvm1 is not connected to kvm3:/b"]),
        (dict.fromkeys(BRICKS[1:2], ["kvm1"]), ["a client at kvm1 is not connected to kvm1:/b, kvm3:/b"]),
        ({}, []),
        (None, ["it is not known who is connected to volume one_vol"]),
    ],
)
def test_a_server_stays_while_a_client_has_no_other(blockers, clients, said):
    assert blockers("kvm2", volumes={"one_vol": REPLICA}, clients=clients) == said
    assert blockers("kvm2", volumes={"one_vol": REPLICA}, clients=clients, restart=True) == []


@pytest.mark.parametrize(
    "apart, said",
    [
        ({"kvm1": {"one_vol": []}, "head": {"one_vol": ["kvm2:/b"]}, "kvm9": {}}, []),
        ({"head": {"one_vol": ["kvm2:/b", "kvm3:/b"]}}, ["head is not connected to kvm3:/b"]),
        ({"head": {"one_vol": None}}, ["head does not say to which bricks of volume one_vol it is connected"]),
        ({"head": None}, ["head does not say to which bricks of volume one_vol it is connected"]),
        ({"head": "is not available"}, ["head does not say to which bricks of volume one_vol it is connected"]),
    ],
)
def test_a_server_stays_while_a_mount_says_that_it_has_no_other(blockers, apart, said):
    assert blockers("kvm2", volumes={"one_vol": REPLICA}, apart=apart) == said


def test_two_servers_at_once(blockers):
    (lost,) = blockers("kvm2", "kvm3", volumes={"one_vol": REPLICA})
    assert lost.startswith("without it volume one_vol has 1 of these bricks online, and needs 2: kvm1:/b")


def test_a_server_stays_that_has_the_one_copy(blockers):
    for name in ("kvm2", "KVM2"):
        assert blockers(name, volumes={"one_vol": {**REPLICA, "replica": 1}}) == [
            "without it volume one_vol has 0 of these bricks online, and needs 1: kvm2:/b"
        ]


def test_a_server_stays_while_files_wait_to_be_healed(blockers):
    assert blockers("kvm2", volumes={"one_vol": REPLICA}, pending=3) == ["3 files of volume one_vol wait to be healed"]


@pytest.mark.parametrize("layout", [{}, {"replica": 1, "disperse": 3, "redundancy": 1}])
def test_a_server_stays_while_it_is_not_known_what_waits(blockers, layout):
    """As while a brick is down, also its own: nobody says then what waits to be healed."""
    unknown = "it is not known what waits to be healed on volume one_vol"
    volumes = {"one_vol": {**REPLICA, **layout}}
    assert blockers("kvm2", volumes=volumes, pending=None) == [unknown]
    assert blockers("kvm2", volumes=volumes, pending=None, down=["kvm2:/b"]) == [unknown]
    lost, *rest = blockers("kvm2", volumes=volumes, pending=None, down=["kvm3:/b"])
    assert "has 1 of these bricks online" in lost and rest == [unknown]


def test_a_member_counts_for_the_server_quorum_of_volumes_elsewhere(blockers):
    members = [*ALL, "kvm4"]
    volumes = {"one_vol": {**REPLICA, **QUORUM}}
    assert blockers("kvm4", volumes=volumes, members=members) == []
    for name in ("kvm4", "KVM4"):
        assert blockers(name, volumes=volumes, members=members, away=["kvm3"], down=["kvm3:/b"]) == [
            "without it 2 of 4 servers are connected, too few for volume one_vol's server quorum"
        ]


def test_a_member_has_no_part_in_what_is_wrong_with_bricks_elsewhere(blockers):
    members = [*ALL, "kvm4"]
    assert blockers("kvm4", volumes={"one_vol": REPLICA}, members=members, down=BRICKS[1:]) == []
    stopped = {**REPLICA, **QUORUM, "status": "Stopped"}
    assert blockers("kvm4", volumes={"one_vol": stopped}, members=members, away=["kvm3"]) == []


def test_a_server_that_its_bricks_or_the_pool_call_otherwise(blockers):
    info = {**REPLICA, "bricks": ["gl1:/b", "gl2:/b", "gl3:/b"]}
    lost = "without it volume one_vol has 1 of these bricks online, and needs 2: gl1:/b, gl2:/b, gl3:/b"
    pending = "3 files of volume one_vol wait to be healed"
    assert blockers("KVM2", volumes={"one_vol": info}, clients={}, down=["gl3:/b"], pending=3) == [lost, pending]
    members = ["kvm1", "gl2", "gl3"]
    with pytest.raises(CommandExecutionError, match="kvm2 is not in the pool of kvm1"):
        blockers("kvm2", volumes={"one_vol": info}, members=members)
    addresses = {"gl2": "10.0.0.2"}
    found = blockers("kvm2", volumes={"one_vol": info}, members=members, addresses=addresses, clients={}, pending=3)
    assert found == [pending]


def test_one_of_two_that_is_not_of_this_pool(blockers):
    with pytest.raises(CommandExecutionError, match="kvm7 is not in the pool of kvm1"):
        blockers("kvm2", "kvm7", volumes={"one_vol": REPLICA})


@pytest.mark.parametrize("server, lost", [("localhost", 1), ("kvm2", 0)])
def test_of_two_copies_the_first_is_needed_where_quorum_is_automatic(blockers, server, lost):
    """As the option group virt has it."""
    info = {**REPLICA, "replica": 2, "bricks": BRICKS[:2], "options": {"cluster.quorum-type": "auto"}}
    found = blockers(server, volumes={"one_vol": info}, clients={})
    assert len(found) == lost and all(
        "1 of these bricks online, and needs 2: kvm1:/b, kvm2:/b" in text for text in found
    )


def test_a_server_asks_for_itself(blockers):
    one_vol = {**REPLICA, **QUORUM}
    assert blockers("localhost", volumes={"one_vol": one_vol}) == []
    lost = blockers("localhost", volumes={"one_vol": one_vol}, away=["kvm2"])
    assert lost == ["without it 1 of 3 servers are connected, too few for volume one_vol's server quorum"]


@pytest.mark.parametrize(
    "layout, brick, down, lost",
    [
        ({}, "kvm1:/b", [], 0),
        ({}, "kvm1:/b", ["kvm2:/b"], 1),
        ({"replica": 1}, "kvm1:/b", [], 1),
        ({"replica": 2, "bricks": ["kvm1:/b", "kvm1:/c"]}, "kvm1:/b", [], 1),  # the copy is on the same server
        (
            {"bricks": [*BRICKS, "kvm1:/c", "kvm2:/c", "kvm3:/c"]},
            "kvm1:/c",
            ["kvm2:/b", "kvm3:/b"],
            0,
        ),  # of another set
    ],
)
def test_a_brick_stays_that_has_no_copy_on_another_server(execution, layout, brick, down, lost):
    info = served({**REPLICA, **layout})
    online = [other.partition(":/") for other in info["bricks"] if other not in down]
    status = [{"hostname": host, "path": f"/{path}", "online": True} for host, _, path in online]
    salt = {"gluster.snapshot": lambda: {"volumes": {"one_vol": info}, "status": {"one_vol": status}}}
    assert len(execution("gluster_pool", __salt__=salt).brick_blockers("one_vol", brick)) == lost


def test_bricks_of_which_gluster_says_nothing_are_not_known_and_not_down(execution):
    said = "it is not known which bricks of volume one_vol are online"
    look = {"pool": pool(), "volumes": {"one_vol": served({**REPLICA, **QUORUM})}, "status": {"one_vol": None},
            "heal": {"one_vol": {"pending": 2, "split_brain": 0}}, "connections": {"one_vol": None}}  # fmt: skip

    def heal(name):
        raise CommandExecutionError("gluster volume heal one_vol: Another transaction is in progress")

    salt = {"gluster.snapshot": lambda heal=(): look, "glusterd.silent_peers": list, "gluster.peer_status": list,
            "gluster.volume_info": lambda: look["volumes"], "glusterd.peers": lambda: [["kvm2"], ["kvm3"]],
            "gluster.heal": heal, "gluster_probe.rejecting_bricks": lambda name, bricks: []}  # fmt: skip
    module = execution("gluster_pool", __salt__=salt, __grains__={"id": "kvm1"})
    assert module.unsettled_reason().startswith(said)
    assert module.stop_blockers({"kvm2": ["kvm2"]})[0].startswith(said)
    assert module.brick_blockers("one_vol", "kvm1:/b")[0].startswith(said)
    with pytest.raises(CommandExecutionError, match=said):
        module.bricks_down("one_vol")
    node = {"id": "kvm1", "names": ["kvm1"], "volumes": {}, "heal_files": 100}
    volume = {"servers": ALL, "uid": 0, "gid": 0, "options": {}}
    facts, found = module.volume_report("one_vol", volume, look, node)
    assert (facts["bricks"], facts["heal"], facts["peers"]) == (None, 2, [2, 2])
    assert [one[0] for one in found if one[0] != "volume_option"] == ["heal_unknown"]


@pytest.mark.parametrize(
    ("info", "down", "going", "lost"),
    [
        ({}, (), ["kvm3:/b"], []),
        ({}, ("kvm3:/b",), ["kvm3:/b"], []),
        ({}, ("kvm2:/b", "kvm3:/b"), ["kvm3:/b"], [too_few(1, 2)]),
        ({"replica": 1}, (), ["kvm3:/b"], [too_few(0, 1, ["kvm3:/b"])]),
        ({"disperse": 3, "redundancy": 1, "replica": 1}, ("kvm1:/b",), ["kvm3:/b"], [too_few(1, 2)]),
        # Another set, which has lost its quorum, is not concerned.
        (
            {"bricks": BRICKS + [f"kvm{number}:/c" for number in (1, 2, 3)]},
            ("kvm1:/c", "kvm2:/c"),
            ["kvm3:/b"],
            [],
        ),
    ],
)
def test_what_is_replaced_leaves_its_set_a_quorum(execution, info, down, going, lost):
    info = served({**REPLICA, **info})
    rows = [
        {"hostname": brick.partition(":")[0], "path": brick.partition(":")[2], "online": brick not in down}
        for brick in info["bricks"]
    ]
    seen = {"pool": pool(), "volumes": {"one_vol": info}, "status": {"one_vol": rows}}
    module = execution("gluster_pool", __salt__={"gluster.snapshot": lambda: seen})
    assert module.replace_blockers({"one_vol": going}) == [f"without what is to be replaced {text}" for text in lost]
    info["options"] = QUORUM["options"]
    seen["pool"] = pool("kvm2")
    assert "1 of 3 servers are connected" in module.replace_blockers({"one_vol": going}, [uuid("kvm3")])[-1]
    seen["status"] = {"one_vol": None}
    assert "it is not known which bricks" in module.replace_blockers({"one_vol": going})[0]
