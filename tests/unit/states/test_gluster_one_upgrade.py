"""The states of an upgrade: what is predicted is what is done, and done once."""

import pytest
from salt.exceptions import CommandExecutionError

from ..conftest import CHECKOUT, imported

CHANGES = {"cluster.op-version": {"old": 100000, "new": 110000}}


QUORUM, PAUSED = "cluster.server-quorum-type", "user.gluster_one.quorum"
LINE = {"one_vol nfs.disable": {"old": "on", "new": None}}
RESTART = {"glusterd": {"old": "running", "new": "restarted"}}
START = {"glusterd": {"old": "stopped", "new": "running"}}


class Server:
    """A server as its execution modules show it, and what it was told to do."""

    def __init__(self):
        self.done, self.version, self.error = [], 100000, None
        self.options, self.lines, self.running, self.stays = {QUORUM: "server"}, {"nfs.disable": "on"}, True, False
        self.salt = {
            "gluster_one_arguments.require_arguments": lambda *words, **more: True,
            "glusterd.info": lambda: {"operating_version": self.version},
            "gluster_upgrade.set_op_version": self.set_version,
            "gluster.volume_info": lambda name: {"one_vol": {"options": self.options}},
            "gluster_volume.set_options": self.set_options,
            "gluster_upgrade.lines": lambda: {"one_vol": self.lines} if self.lines else {},
            "glusterd.service": lambda name: {"running": self.running},
            "gluster_upgrade.take_out_error": lambda name, kept, paused: None if kept and paused else "not now",
            "gluster_upgrade.take_out": self.take_out,
        }

    def set_options(self, name, changes, timeout):
        self.done.append({option: change["new"] for option, change in changes.items()})
        if self.error:
            return self.error
        self.options = {**self.options, **self.done[-1]}
        return None

    def take_out(self, name, timeout):
        if self.error:
            raise CommandExecutionError(self.error)
        self.done.append(f"take out {name}")
        self.lines, self.running = self.lines if self.stays else {}, True

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


PAUSE = {QUORUM: {"old": "server", "new": "none"}, PAUSED: {"old": None, "new": "server"}}
RESUME = {QUORUM: {"old": "none", "new": "server"}, PAUSED: {"old": "server", "new": "-"}}


def test_the_server_quorum_is_off_for_a_while_and_what_it_was_is_kept(server):
    pause, resume = ("server_quorum_paused", "one_vol"), ("server_quorum_resumed", "one_vol")
    assert server.run(*resume) == (True, {}), "nothing was turned off"
    assert server.run(*pause, test=True) == (None, PAUSE)
    assert server.run(*resume, paused="server", test=True) == (None, RESUME), "as if that had been done"
    assert server.done == []
    assert server.run(*pause) == (True, PAUSE)
    assert server.run(*pause) == server.run(*pause, test=True) == (True, {})
    assert server.run(*resume, test=True) == server.run(*resume, paused="server", test=True) == (None, RESUME)
    assert server.run(*resume) == (True, RESUME)
    assert server.run(*resume) == (True, {})
    assert server.options == {QUORUM: "server", PAUSED: "-"}
    assert len(server.done) == 2


def test_one_without_it_has_none_afterwards(server):
    server.options = {}
    change = {PAUSED: {"old": None, "new": "none"}}
    assert server.run("server_quorum_resumed", "one_vol", paused="none", test=True) == (
        None, {PAUSED: {"old": "none", "new": "-"}},
    )  # fmt: skip
    assert server.run("server_quorum_paused", "one_vol") == (True, change)
    assert server.run("server_quorum_resumed", "one_vol")[0] is True
    assert server.options == {PAUSED: "-"}


@pytest.mark.parametrize("state", ["server_quorum_paused", "server_quorum_resumed"])
def test_a_quorum_that_is_not_set_is_a_failure(server, state):
    server.error = "Another transaction is in progress"
    server.options = {QUORUM: "server"} if state.endswith("paused") else {PAUSED: "server"}
    assert server.run(state, "one_vol") == (False, {})
    assert server.run(state, "no_vol") == (False, {})


STATE = ("definitions_prepared", "glusterd")


def test_definitions_are_prepared_once(server):
    assert server.run(*STATE, test=True, kept=True, paused=["one_vol"]) == (None, {**LINE, **RESTART})
    assert server.done == []
    assert server.run(*STATE) == (True, {**LINE, **RESTART})
    assert server.run(*STATE) == server.run(*STATE, test=True) == (True, {})
    assert server.done == ["take out glusterd"]


@pytest.mark.parametrize("converted", [True, False])
def test_a_glusterd_that_was_left_stopped_is_started(server, converted):
    server.running = False
    server.lines = {} if converted else server.lines
    changes = {**({} if converted else LINE), **START}
    assert server.run(*STATE, test=True, kept=True, paused=["one_vol"]) == (None, changes)
    assert server.run(*STATE) == (True, changes) and server.running


def test_a_refusal_of_the_change_comes_with_test_too(server):
    assert server.run(*STATE, test=True) == (False, {})
    server.error = "glusterd is not stopped"
    assert server.run(*STATE) == (False, {}) and server.done == []


def test_a_line_that_comes_back_is_a_failure(server):
    server.stays = True
    assert server.run(*STATE) == (False, RESTART)
