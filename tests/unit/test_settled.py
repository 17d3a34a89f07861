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

    def make(apart=None, down=(), pending=0, clients=ALL, replica=3):
        info = {"status": "Started", "replica": replica, "disperse": 0, "bricks": BRICKS}
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
            "gluster.look": lambda heal: {
                "status": {"one_vol": rows},
                "heal": {name: {"pending": pending} for name in heal},
                "connections": {name: clients and connections(clients) for name in heal},
            },
            "gluster.heal": lambda name: True,
            "gluster.connections": asked,
        }
        salt["gluster.clients_apart"] = execution("gluster", __salt__=salt).clients_apart
        utils = {"gluster_hosts.glusterd_port": lambda host: "open"}
        return execution("gluster_pool", __salt__=salt, __utils__=utils).unsettled()

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
        ({"clients": {"kvm1:/b": {"10.0.0.9": seen(1)}}}, "a client at 10.0.0.9 is not connected to kvm2:/b, kvm3:/b"),
    ],
)
def test_the_pool_is_settled_only_when_all_is_known_to_be_well(unsettled, wrong, said):
    assert unsettled(**wrong) == said


def test_what_gluster_does_not_say_is_not_settled(unsettled):
    """As of a volume without copies that nobody mounts: it has no self-heal daemon, either."""
    with pytest.raises(CommandExecutionError, match="Commit failed"):
        unsettled(clients=None, replica=1)
