"""When the next server of the pool may be restarted."""

import pytest
from salt.exceptions import CommandExecutionError

HOSTS = ["kvm1", "kvm2", "kvm3"]
BRICKS = ["kvm1:/b", "kvm2:/b", "kvm3:/b"]


def seen(connected, used=None):
    """How many connections there are, and how many of them are used."""
    return connected, connected if used is None else used


def connections(clients):
    """As Gluster has them: of those that are not used, the handshake alone was sent."""
    return {
        brick: [
            [f"{address}:{number}", 10_000 if number < used else 600]
            for address, (connected, used) in there.items()
            for number in range(connected)
        ]
        for brick, there in clients.items()
    }


ALL = dict.fromkeys(BRICKS, {"10.0.0.1": seen(2), "10.0.0.9": seen(1)})


@pytest.fixture
def unsettled(execution):
    """unsettled(...): what it says of a pool in which only that is not as it should be."""

    def make(apart=None, down=(), pending=0, clients=ALL, replica=3, hosts=()):
        info = {"status": "Started", "replica": replica, "disperse": 0, "bricks": BRICKS, "servers": HOSTS}
        rows = [
            {"hostname": host, "path": path, "online": f"{host}:{path}" not in down}
            for host, _, path in (brick.partition(":") for brick in BRICKS)
        ]

        def asked(name):
            if clients is None:
                raise CommandExecutionError("Commit failed on kvm2. Please check log file for details.")
            return connections(clients)

        salt = {
            "gluster.peer_status": lambda: [{"hostnames": ["kvm2"], "connected": True}],
            "gluster.pool_list": lambda server: [{"hostname": host, "connected": host != apart} for host in HOSTS],
            "gluster.volume_info": lambda: {"one_vol": info, "other_vol": {**info, "status": "Stopped"}},
            "gluster.snapshot": lambda heal: {
                "volumes": {"one_vol": info},
                "status": {"one_vol": rows},
                "heal": {name: {"pending": pending} for name in heal},
                "connections": {name: clients and connections(clients) for name in heal},
            },
            "gluster.heal": lambda name: True,
            "gluster.connections": asked,
        }
        salt["gluster.clients_apart"] = execution("gluster", __salt__=salt).clients_apart
        utils = {"gluster_hosts.glusterd_port": lambda host: "open"}
        pillar = {"gluster_one_hosts": hosts} if hosts else {}
        return execution("gluster_pool", __salt__=salt, __utils__=utils, __pillar__=pillar).unsettled_reason()

    return make


@pytest.mark.parametrize(
    "wrong, said",
    [
        ({}, None),
        ({"apart": "kvm3"}, "kvm2 sees kvm3 disconnected"),
        ({"down": BRICKS[1:]}, "kvm2:/b, kvm3:/b down"),
        ({"pending": 3}, "3 files of volume one_vol wait to be healed"),
        ({"pending": None}, "it is not known what waits to be healed on volume one_vol"),
        ({"clients": None}, "it is not known who is connected to volume one_vol"),
        ({"clients": {**ALL, "kvm3:/b": {}}, "replica": 1}, "a client at 10.0.0.1 is not connected to kvm3:/b"),
        ({"clients": {**ALL, "kvm3:/b": {"10.0.0.1": seen(2)}}}, "a client at 10.0.0.9 is not connected to kvm3:/b"),
        (
            {"clients": {**ALL, "kvm2:/b": {"10.0.0.1": seen(1), "10.0.0.9": seen(1)}}},
            "a client at 10.0.0.1 is not connected to kvm2:/b",
        ),
        # What an old set of options has left, and a client that has not done anything since its brick came back.
        ({"clients": {**ALL, "kvm2:/b": {"10.0.0.1": seen(4, 2), "10.0.0.9": seen(1, 0)}}}, None),
        # An orchestration has the word of the node whose two addresses these are.
        *(
            ({"clients": {**ALL, "kvm2:/b": {"10.0.0.1": seen(2), "10.0.0.8": seen(1)}}, "hosts": hosts}, said)
            for hosts, said in (
                ((), "a client at 10.0.0.8 is not connected to kvm1:/b, kvm3:/b"),
                ([["10.0.0.8", "10.0.0.9"]], None),
            )
        ),
        ({"clients": {"kvm1:/b": {"10.0.0.9": seen(1)}}}, "a client at 10.0.0.9 is not connected to kvm2:/b, kvm3:/b"),
    ],
)
def test_the_pool_is_settled_only_when_all_is_known_to_be_well(unsettled, wrong, said):
    assert unsettled(**wrong) == said


def test_what_gluster_does_not_say_is_not_settled(unsettled):
    """As of a volume without copies that nobody mounts: it has no self-heal daemon, either."""
    with pytest.raises(CommandExecutionError, match="Commit failed"):
        unsettled(clients=None, replica=1)


# Who is who


def lists(*addresses):
    return [[f"{address}:4914{number}", 9999] for number, address in enumerate(addresses)]


DEBIAN = {  # each server reaches its own brick from a loopback address
    "kvm1:/b": lists("127.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.9"),
    "kvm2:/b": lists("10.0.0.1", "127.0.0.1", "10.0.0.3", "10.0.0.9"),
    "kvm3:/b": lists("10.0.0.1", "10.0.0.2", "127.0.0.1", "10.0.0.9"),
}
NETWORKS = {  # kvm1 and its brick by a second network, from two nodes
    "kvm1:/b": lists("10.0.0.1", "10.1.0.8", "10.1.0.9"),
    "kvm2:/b": lists("10.0.0.1", "10.0.0.8", "10.0.0.9"),
    "kvm3:/b": lists("10.0.0.1", "10.0.0.8", "10.0.0.9"),
}
# One set of bricks by each network, from all servers and two nodes.
SETS = {
    **{f"kvm{n}:/b": lists(*(f"10.0.0.{host}" for host in (1, 2, 3, 8, 9))) for n in (1, 2, 3)},
    **{f"gl{n}:/b": lists(*(f"10.1.0.{host}" for host in (1, 2, 3, 8, 9))) for n in (1, 2, 3)},
}
NAMES = {f"{name}{n}": f"10.{network}.0.{n}" for network, name in enumerate(("kvm", "gl")) for n in (1, 2, 3)}


def without(connections, brick, address):
    left = [client for client in connections[brick] if client[0].rpartition(":")[0] != address]
    return {**connections, brick: left}


def renamed(connections, **names):
    return {
        brick: [
            [names.get(client.rpartition(":")[0], client.rpartition(":")[0]) + ":1", sent] for client, sent in there
        ]
        for brick, there in connections.items()
    }


@pytest.mark.parametrize("names", [NAMES, {}], ids=["names that have addresses", "names of nobody"])
@pytest.mark.parametrize(
    "connections, said",
    [
        (DEBIAN, {}),
        (renamed(DEBIAN, **{"127.0.0.1": "127.0.1.1"}), {}),
        (renamed(DEBIAN, **{"127.0.0.1": "::1"}), {}),
        (renamed(DEBIAN, **{f"10.0.0.{n}": f"fd00::{n}" for n in (1, 2, 3, 9)}), {}),
        (without(DEBIAN, "kvm2:/b", "10.0.0.9"), {"10.0.0.9": ["kvm2:/b"]}),
        (without(DEBIAN, "kvm1:/b", "127.0.0.1"), {"10.0.0.1": ["kvm1:/b"]}),
        (without(DEBIAN, "kvm3:/b", "10.0.0.1"), {"10.0.0.1": ["kvm3:/b"]}),
        (dict.fromkeys(DEBIAN, lists("10.0.0.9")) | {"kvm2:/b": lists("127.0.0.1", "10.0.0.9")},
         {"127.0.0.1 of kvm2": ["kvm1:/b", "kvm3:/b"]}),
        (NETWORKS, {}),
        (without(NETWORKS, "kvm1:/b", "10.1.0.9"), {"10.0.0.9": ["kvm1:/b"]}),
        (without(NETWORKS, "kvm3:/b", "10.0.0.9"), {"10.0.0.9 and 10.1.0.9": ["kvm3:/b"]}),
        (without(NETWORKS, "kvm1:/b", "10.1.0.8"), {"10.0.0.8": ["kvm1:/b"]}),
        (SETS, {}),
        (without(SETS, "gl3:/b", "10.1.0.9"), {"10.0.0.9 and 10.1.0.9": ["gl3:/b"]}),
        (without(SETS, "gl3:/b", "10.1.0.2"), {"10.0.0.2": ["gl3:/b"]}),
        (without(SETS, "kvm1:/b", "10.0.0.1"), {"10.0.0.1": ["kvm1:/b"]}),
        # One of two clients of a host is connected since its names had other addresses.
        ({**NETWORKS, "kvm1:/b": lists("10.0.0.1", "10.1.0.8", "10.1.0.9", "10.0.0.9"),
          **{brick: NETWORKS[brick] + lists("10.0.0.9") for brick in ("kvm2:/b", "kvm3:/b")}}, {}),
        # Of one network there are no two addresses of one host.
        ({**dict.fromkeys(DEBIAN, lists("10.0.0.9")), "kvm1:/b": lists("10.0.0.8")},
         {"10.0.0.8": ["kvm2:/b", "kvm3:/b"], "10.0.0.9": ["kvm1:/b"]}),
        # Each brick by another network.
        ({brick: lists(f"10.{n}.0.9") for n, brick in enumerate(DEBIAN)}, {}),
    ],
)  # fmt: skip
def test_who_is_connected_is_a_host_not_an_address(execution, connections, said, names):
    known = {"gluster_hosts.addresses": lambda name: {names[name]} if name in names else set()}
    servers = {brick: f"uuid of {brick.partition(':/')[0][-1]}" for brick in connections}
    apart = execution("gluster", __utils__=known).clients_apart("one_vol", connections=connections, servers=servers)
    if not names and "gl1:/b" in connections:  # all are nodes then
        assert list(apart.values()) == list(said.values())
    elif not names and "127.0.0.1" in str(connections) and said:
        assert set().union(*apart.values()) >= set().union(*said.values()), "which it is nobody can tell"
    else:
        assert apart == said


SPLIT = {**dict.fromkeys(DEBIAN, lists("10.0.0.9")), "kvm1:/b": lists("10.0.0.8")}  # two addresses of one network


@pytest.mark.parametrize(
    "connections, hosts, said",
    [
        (SPLIT, [["10.0.0.8", "10.0.0.9"]], {}),
        (SPLIT, [["10.0.0.8", "10.2.0.8"], ["10.0.0.9", "10.2.0.9"]],
         {"10.0.0.8": ["kvm2:/b", "kvm3:/b"], "10.0.0.9": ["kvm1:/b"]}),
        ({**SPLIT, "kvm3:/b": []}, [["10.0.0.8", "10.0.0.9", "fd00::9"]], {"10.0.0.8 and 10.0.0.9": ["kvm3:/b"]}),
        # A server of the volume, that has come to a brick by an address which no name has here.
        ({**without(DEBIAN, "kvm3:/b", "10.0.0.1"), "kvm2:/b": DEBIAN["kvm2:/b"]}, [["10.0.0.1", "10.2.0.1"]],
         {"10.0.0.1": ["kvm3:/b"]}),
        ({**DEBIAN, "kvm3:/b": lists("10.2.0.1", "10.0.0.2", "127.0.0.1", "10.0.0.9")}, [["10.0.0.1", "10.2.0.1"]], {}),
        # One that calls another's address its own hides nothing of what that one misses.
        (without(DEBIAN, "kvm2:/b", "10.0.0.9") | {"kvm1:/b": DEBIAN["kvm1:/b"] + lists("10.0.0.66"),
         "kvm2:/b": lists("10.0.0.1", "127.0.0.1", "10.0.0.3", "10.0.0.66"),
         "kvm3:/b": DEBIAN["kvm3:/b"] + lists("10.0.0.66")}, [["10.0.0.66", "10.0.0.9"]],
         {"10.0.0.66 and 10.0.0.9": ["kvm2:/b"]}),
    ],
)  # fmt: skip
def test_a_host_says_which_addresses_are_its_own(execution, connections, hosts, said):
    known = {"gluster_hosts.addresses": lambda name: {NAMES[name]} if name in NAMES else set()}
    servers = {brick: f"uuid of {brick.partition(':/')[0][-1]}" for brick in connections}
    module = execution("gluster", __utils__=known)
    assert module.clients_apart("one_vol", connections=connections, servers=servers, hosts=hosts) == said


@pytest.mark.parametrize("address, hosts", [("10.1.{}.{}", 300), ("fd00:{}:{}::1", 1)])
def test_many_clients_that_miss_bricks_are_told_apart_in_time(execution, address, hosts):
    """Which network an address is of is read from the node's interfaces: once for each."""
    there = [[f"{address.format(n // 250, n % 250 + 1)}:49000", 9999] for n in range(300)]
    connections = {brick: there[number::3] for number, brick in enumerate(DEBIAN)}
    module, looked = execution("gluster", __utils__={"gluster_hosts.addresses": lambda name: set()}), []
    real = module.__utils__["gluster_hosts.network"]

    def network(text):
        looked.append(text)
        assert len(looked) <= 300
        return real(text)

    module.__utils__["gluster_hosts.network"] = network
    apart = module.clients_apart("one_vol", connections=connections, servers=dict.fromkeys(DEBIAN, "uuid"))
    assert len(apart) <= hosts and len(looked) == 300
