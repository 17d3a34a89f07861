"""The states of an upgrade: what is predicted is what is done, and done once."""

import pytest
from salt.exceptions import CommandExecutionError

from ..conftest import CHECKOUT, imported

CHANGES = {"cluster.op-version": {"old": 100000, "new": 110000}}


class Server:
    """A server as its execution modules show it, and what it was told to do."""

    def __init__(self):
        self.done, self.version, self.error = [], 100000, None
        self.salt = {
            "gluster_one_arguments.require_arguments": lambda *words, **more: True,
            "glusterd.info": lambda: {"operating_version": self.version},
            "gluster_upgrade.set_op_version": self.set_version,
        }

    def set_version(self, version, timeout):
        if self.error:
            raise CommandExecutionError(self.error)
        self.version = version
        self.done.append(version)

    def run(self, state, *words, test=False, **more):
        opts = {"test": test, "id": "kvm1", "file_client": "local"}
        path = CHECKOUT / "_states/gluster_one_upgrade.py"
        module = imported(path, __salt__=self.salt, __opts__=opts, __grains__={"id": "kvm1"})
        ret = getattr(module, state)(*words, **more)
        return ret["result"], ret["changes"]


@pytest.fixture
def server():
    return Server()


def test_it_is_predicted_and_done_once(server):
    state = ("op_version_set", "pool", 110000)
    assert server.run(*state, test=True) == (None, CHANGES)
    assert server.done == []
    assert server.run(*state) == (True, CHANGES)
    assert server.done == [110000]
    assert server.run(*state) == server.run(*state, test=True) == (True, {})
    assert server.done == [110000]


def test_a_newer_protocol_is_not_lowered(server):
    server.version = 120000
    assert server.run("op_version_set", "pool", 110000) == (True, {})


def test_what_gluster_refuses_is_a_failure(server):
    server.error = "Required op-version (110000) is not supported"
    assert server.run("op_version_set", "pool", 110000) == (False, {})
