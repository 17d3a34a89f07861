"""Gluster's processes on this server: one that has ended is no traceback, and none is no other process."""

import psutil
import pytest
from salt.exceptions import CommandExecutionError

BRICK = {"hostname": "kvm1", "path": "/b", "online": True, "pid": 2**22 + 1}  # greater than any
DAEMON = {"hostname": "Self-heal Daemon", "path": "localhost", "online": True, "pid": 2**22 + 1}


@pytest.fixture
def volumes(execution):
    """volumes(row): the module where Gluster has one process of one_vol; what it was told is in module.told."""

    def make(row):
        told = []
        module = execution(
            "gluster_volume",
            __salt__={
                "gluster.volume_status": lambda name: [row],
                "gluster.look": lambda: {"status": {"one_vol": [row]}},
                "gluster.xml": lambda *words, **_: told.append(words),
            },
        )
        module.told = told
        return module

    return make


def test_a_process_that_has_ended(volumes):
    module = volumes(DAEMON)
    for call in (module.heal_daemon_apart, module.heal_daemon_restart):
        with pytest.raises(CommandExecutionError, match="the self-heal daemon: .*; run again"):
            call("one_vol")
    with pytest.raises(CommandExecutionError, match="kvm1:/b: .*; run again"):
        volumes(BRICK).brick_restart("one_vol", "kvm1:/b")
    assert module.told == []


def test_a_process_that_ends_in_the_meantime_is_started(volumes, monkeypatch):
    def gone(self):
        raise psutil.NoSuchProcess(self.pid)

    monkeypatch.setattr(psutil.Process, "terminate", gone)
    monkeypatch.setattr(psutil.Process, "cmdline", lambda self: ["glusterfsd", "/b"])
    module = volumes({**BRICK, "pid": psutil.Process().pid})
    assert module.brick_restart("one_vol", "kvm1:/b") is True
    assert module.told == [("volume", "start", "one_vol", "force")]


def test_a_process_of_which_gluster_knows_no_number_is_not_this_one(volumes):
    module = volumes({**DAEMON, "pid": None})
    assert module.heal_daemon_apart("one_vol") == []
    assert module._heal_daemon([{**DAEMON, "pid": None}]) is None
    with pytest.raises(CommandExecutionError, match="kvm1:/b is down"):
        volumes({**BRICK, "pid": None}).brick_restart("one_vol", "kvm1:/b")
