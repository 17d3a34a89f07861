"""Bricks that do not come back after a restart of glusterd."""

import pytest
from salt.exceptions import CommandExecutionError

from ..conftest import CHECKOUT, imported


@pytest.fixture
def back(monkeypatch):
    """
    back(rounds): what was started while ever fewer of the bricks were down; the last round stays. What is down has no
    process or, with lost, one that glusterd does not know.
    """

    def make(*rounds, lost=False, blockers=()):
        left, started = list(rounds), []
        down = lambda name: (left.pop(0) if len(left) > 1 else left[0]) if name == "one_vol" else []  # noqa: E731
        salt = {
            "glusterd.volumes": lambda: {"one_vol": {}, "other_vol": {}},
            "glusterd.bricks": lambda name: {"names": ["kvm1:/b"], "down": [] if lost else down(name)},
            "glusterd.end_brick": lambda name, brick: lost and started.append((brick, "ended")),
            "gluster_pool.bricks_down": lambda name: down(name) + ["kvm2:/b"] if lost else [],
            "gluster_pool.brick_blockers": lambda name, brick: list(blockers),
            "gluster.volume_start": lambda name, force, timeout: started.append((name, force)),
        }
        opts = {"test": False, "id": "kvm1", "file_client": "local"}
        path = CHECKOUT / "_states/gluster_one_server.py"
        module = imported(path, __salt__=salt, __grains__={"id": "kvm1"}, __opts__=opts)
        monkeypatch.setattr(module, "BACK", 0)
        return lambda: module._bricks_back("glusterd", 0.3), started

    return make


def test_bricks_that_run_are_left_alone(back):
    wait, started = back([])
    wait()
    assert started == []


def test_a_brick_that_has_not_come_back_is_started_once_more(back):
    wait, started = back(["kvm1:/b"], ["kvm1:/b"], [])
    wait()
    assert started == [("one_vol", True)]


@pytest.mark.parametrize("blockers", [[], ["without it too few are online"]])
def test_a_process_that_glusterd_has_lost_is_ended_before_unless_it_is_needed(back, blockers):
    wait, started = back(["kvm1:/b"], ["kvm1:/b"], [], lost=True, blockers=blockers)
    wait()
    assert started == [*([] if blockers else [("kvm1:/b", "ended")]), ("one_vol", True)]


def test_one_that_does_not_come_back_then_is_named_with_what_to_do(back):
    wait, started = back(["kvm1:/b"])
    with pytest.raises(CommandExecutionError) as failure:
        wait()
    assert started == [("one_vol", True)]
    text = str(failure.value)
    assert (
        "glusterd was restarted, and bricks of this server did not come back within 0.3 s (last seen: kvm1:/b)" in text
    )
    assert "/var/log/glusterfs/bricks on kvm1" in text and "`gluster volume start VOLUME force` starts it" in text
