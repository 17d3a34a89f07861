"""The states of a replacement: what is predicted is what is done, and done once."""

import pytest
from salt.exceptions import CommandExecutionError

from ..conftest import CHECKOUT, imported

BRICK, OLD = "kvm4:/data/b", "kvm3:/data/b"
CHANGE = {BRICK: {"old": OLD, "new": "a brick of volume one_vol"}}
DISK = {"/dev/sdb": {"old": "500.1 GB without a signature", "new": "XFS"}}


class Server:
    """A server as its execution modules show it, and what it was told to do."""

    def __init__(self):
        self.done, self.in_place, self.disk, self.restored, self.members = [], False, {}, False, {}
        self.error = None
        self.salt = {
            "gluster_one_arguments.require_arguments": lambda *words, **more: True,
            "gluster_replace.is_in_place": lambda volume, brick: self.in_place,
            "gluster_replace.brick_changes": self.changes,
            "gluster_replace.replace_brick": self.replace,
            "gluster_disks.changes": lambda device, point, run=None: dict(self.disk),
            "gluster_disks.prepare": lambda device, point: self.done.append(("disk", device, point)),
            "gluster_replace.restore_changes": lambda uuid, peers: (
                {} if self.restored else {"uuid": {"old": "7", "new": "3"}}
            ),
            "gluster_replace.restore": self.restore,
            "gluster_peers.identify": lambda servers: {server: self.members.get(server) for server in servers},
            "gluster_peers.take_in": lambda server, timeout: self.joins(server),
            "gluster.peer_detach": lambda server, timeout: self.done.append(
                ("detach", self.members.pop(server)["name"])
            ),
        }

    def changes(self, volume, brick, old, run=None):
        if self.error:
            raise CommandExecutionError(self.error)
        return dict(CHANGE)

    def replace(self, *words):
        self.in_place = True
        self.done.append(words)

    def restore(self, *words):
        self.restored = True
        self.done.append(words)

    def joins(self, server):
        self.members[server] = {"name": server, "state": "Peer in Cluster"}
        self.done.append(("take in", server))

    def run(self, state, *words, test=False, **more):
        opts = {"test": test, "id": "kvm4", "file_client": "local"}
        path = CHECKOUT / "_states/gluster_one_replace.py"
        module = imported(path, __salt__=self.salt, __opts__=opts, __grains__={"id": "kvm4"})
        ret = getattr(module, state)(*words, **more)
        return ret["result"], ret["changes"], ret["comment"]


@pytest.fixture
def server():
    return Server()


def twice(server, changes, state, *words, **more):
    """It is predicted, done as predicted, and then nothing is left."""
    assert server.run(state, *words, test=True, **more)[:2] == (None, changes)
    assert server.done == []
    assert server.run(state, *words, **more)[:2] == (True, changes)
    done = list(server.done)
    server.disk = {}
    for test in (True, False):
        assert server.run(state, *words, test=test, **more)[:2] == (True, {})
    assert server.done == done
    return done


def test_a_brick(server):
    assert twice(server, CHANGE, "brick_replaced", BRICK, "one_vol", OLD) == [("one_vol", BRICK, OLD, 120)]


def test_a_brick_with_its_disk(server):
    server.disk = DISK
    done = twice(server, {**DISK, **CHANGE}, "brick_replaced", BRICK, "one_vol", OLD, device="/dev/sdb")
    assert done[0] == ("disk", "/dev/sdb", "/data")


def test_a_disk_that_was_made_before_something_was_in_the_way_is_a_change(server):
    server.disk, server.error = DISK, "/data/b is not empty"
    assert server.run("brick_replaced", BRICK, "one_vol", OLD, device="/dev/sdb") == (
        False,
        DISK,
        "/data/b is not empty",
    )


def test_a_place_in_the_pool(server):
    changes = {"uuid": {"old": "7", "new": "3"}}
    done = twice(server, changes, "server_restored", "glusterd", "3", 100000, {"1": ["kvm1"]}, ["one_vol"])
    assert done == [("3", 100000, {"1": ["kvm1"]}, ["one_vol"], "glusterd", 120)]


def test_taken_in_and_detached(server):
    twice(server, {"kvm4": {"old": "not in the pool", "new": "in the pool"}}, "server_taken_in", "kvm4")
    server.done.clear()
    assert twice(server, {"kvm4": {"old": "in the pool", "new": None}}, "server_detached", "kvm4") == [
        ("detach", "kvm4")
    ]


def test_one_that_was_taken_in_and_is_no_member_yet_is_not_probed_again(server):
    server.members["kvm4"] = {"name": "kvm4", "state": "Accepted peer request"}
    result, _, comment = server.run("server_taken_in", "kvm4", timeout=0)
    assert (result, server.done) == (False, [])
    assert "kvm4 was taken in, and is not a full member within 0 s (last seen: 'Accepted peer request')" in comment
