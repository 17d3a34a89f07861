"""Bricks that do not come back after a restart of glusterd."""

import re

import pytest
from salt.exceptions import CommandExecutionError

from ..conftest import CHECKOUT, imported


@pytest.fixture
def back(monkeypatch):
    """
    back(rounds): what was started while ever fewer of the bricks were down; the last round stays. What is down has no
    process or, with lost, one that glusterd does not know.
    """

    def make(*rounds, lost=False, blockers=(), marked=True):
        left, started = list(rounds), []
        down = lambda name: (left.pop(0) if len(left) > 1 else left[0]) if name == "one_vol" else []  # noqa: E731
        salt = {
            "glusterd.volumes": lambda: {"one_vol": {}, "other_vol": {}},
            "glusterd.bricks": lambda name: {
                "names": ["kvm1:/b"],
                "down": {} if lost else dict.fromkeys(down(name), marked),
                "lost": {} if marked or lost else dict.fromkeys(down(name), "mount its file system"),
                "up": {"kvm1:/b": 9} if lost else {},
            },
            "glusterd.end_brick": lambda name, brick: started.append((brick, "ended")),
            "gluster_pool.bricks_down": lambda name: down(name) + ["kvm2:/b"] if lost else [],
            "gluster_pool.others_down": lambda name: {},
            "glusterd.info": lambda: {"uuid": "1"},
            "gluster_pool.brick_blockers": lambda name, brick: list(blockers),
            "gluster.volume_start": lambda name, force, timeout: started.append((name, force)),
        }
        opts = {"test": False, "id": "kvm1", "file_client": "local"}
        path = CHECKOUT / "_states/gluster_one_server.py"
        module = imported(path, __salt__=salt, __grains__={"id": "kvm1"}, __opts__=opts)
        monkeypatch.setattr(module, "BACK", 0)
        return lambda: module._bricks_back("glusterd", 0.3, "glusterd"), started

    return make


def test_bricks_that_run_are_left_alone(back):
    wait, started = back([])
    wait()
    assert started == []


def test_a_brick_that_has_not_come_back_is_started_once_more(back):
    wait, started = back(["kvm1:/b"], ["kvm1:/b"], [])
    wait()
    assert started == [("one_vol", True)]


def test_a_process_that_glusterd_has_lost_is_ended_before(back):
    wait, started = back(["kvm1:/b"], ["kvm1:/b"], [], lost=True)
    wait()
    assert started == [("kvm1:/b", "ended"), ("one_vol", True)]


def test_a_process_that_glusterd_has_lost_is_left_where_it_is_needed(back):
    """Nor is it started by force: new clients would not find it then."""
    wait, started = back(["kvm1:/b"], lost=True, blockers=["without it too few are online"])
    with pytest.raises(CommandExecutionError, match=r"not ended .*: kvm1:/b \(without it too few are online\): bring"):
        wait()
    assert started == []


def test_one_that_does_not_come_back_then_is_named_with_what_to_do(back):
    wait, started = back(["kvm1:/b"])
    with pytest.raises(CommandExecutionError) as failure:
        wait()
    assert started == [("one_vol", True)]
    text = str(failure.value)
    assert (
        "glusterd was restarted, and bricks of this server did not come back within 0.3 s (last seen: kvm1:/b)" in text
    )
    assert "/var/log/glusterfs/bricks on kvm1" in text and "then gluster_one.started starts it" in text


def test_a_brick_whose_directory_is_another_is_not_started_by_force(back):
    """Over an empty one it would make an empty brick, which dies."""
    wait, started = back(["kvm1:/b"], marked=False)
    with pytest.raises(
        CommandExecutionError, match="the directory of kvm1:/b lacks its identifier: mount its file sys"
    ):
        wait()
    assert started == []


# Bricks of several servers


@pytest.fixture
def server(monkeypatch):
    """
    server(others, ...): the state on a server whose brick is down while others' are, and what was done there. What is
    down stays so until it is started.
    """

    def make(
        others,
        blockers=(),
        own=("kvm1:/b",),
        marked=True,
        others_start=False,
        lock="one_vol",
        test=False,
        held=(),
        needed=(),
    ):
        seen, done = {"own": list(own), "others": dict(others), "daemon": False}, []

        def start(what):
            done.append(what)
            seen.update(own=[], daemon=True)

        def waited(look, timeout, failure, cure=""):
            look = salt[look] if isinstance(look, str) else look
            if failure.startswith("servers whose turn is before"):
                done.append(f"waited {timeout} s")
                if others_start:
                    seen["others"] = {}
            if look():
                raise CommandExecutionError(f"{failure} (last seen: {look()}){cure}")

        def locked(timeout):
            if others_start:
                seen["others"] = {}
            if isinstance(lock, CommandExecutionError):
                raise lock
            return lock

        salt = {
            "gluster_lock.lock": locked,
            "gluster_lock.lock_held": lambda: False,
            "gluster_lock.unlock": lambda: done.append("unlocked"),
            "gluster_one_arguments.require_arguments": lambda *_, **__: None,
            "glusterd.volumes": lambda: {"one_vol": {}, "other_vol": {}},
            "glusterd.info": lambda: {"uuid": "2"},
            "glusterd.bricks": lambda name: {
                "names": ["kvm1:/b"],
                "down": dict.fromkeys(seen["own"], marked),
                "lost": {} if marked else dict.fromkeys(seen["own"], "mount its file system"),
                "up": dict.fromkeys(held, 9),
            },
            "glusterd.restart": lambda name: start(f"{name} restarted"),
            "glusterd.end_brick": lambda name, brick: done.append(f"{brick} ended"),
            "gluster_pool.bricks_down": lambda name: [*seen["own"], *seen["others"]],
            "gluster_pool.others_down": lambda name: seen["others"],
            "gluster_pool.restart_blockers": lambda service: list(blockers),
            "gluster_pool.peers_apart": lambda: None,
            "gluster_pool.brick_blockers": lambda name, brick: list(needed),
            "gluster.volume_start": lambda name, force, timeout: start(f"{name} started by force"),
            "gluster.volume_info": lambda name=None: {
                "one_vol": {"status": "Started", "replica": 3, "disperse": 0},
                "ec_vol": {"status": "Started", "replica": 1, "disperse": 3},
                "plain_vol": {"status": "Started", "replica": 1, "disperse": 0},
                "stopped_vol": {"status": "Stopped", "replica": 3, "disperse": 0},
            },
            "gluster.heal_daemon_apart": lambda name: [] if seen["daemon"] else ["kvm2:/b"],
            "gluster.heal_daemon_end": lambda name: done.append("self-heal daemon ended"),
        }
        utils = {"gluster_states.wait_for": waited}
        opts = {"test": test, "id": "kvm1", "file_client": "local"}
        path = CHECKOUT / "_states/gluster_one_server.py"
        return imported(path, __salt__=salt, __utils__=utils, __grains__={"id": "kvm1"}, __opts__=opts), done

    return make


OWN = {"kvm1:/b": {"old": "down", "new": "online"}}
RESTART = {"gluster": {"old": "running", "new": "restarted"}}


def test_a_server_starts_its_own_bricks_by_force_where_no_other_s_are_down(server):
    module, done = server({})
    ret = module.bricks_running("one_vol")
    assert (ret["result"], ret["changes"], done) == (True, OWN, ["one_vol started by force"])


def test_a_brick_that_runs_and_is_taken_for_down_is_ended_before_it_is_started(server):
    module, done = server({}, held=["kvm1:/b"])
    ret = module.bricks_running("one_vol")
    assert (ret["result"], ret["changes"], done) == (True, OWN, ["kvm1:/b ended", "one_vol started by force"])


@pytest.mark.parametrize("test", [False, True])
def test_a_brick_that_runs_and_is_taken_for_down_is_left_where_it_is_needed(server, test):
    module, done = server({}, held=["kvm1:/b"], needed=["without it none is online"], test=test)
    ret = module.bricks_running("one_vol")
    assert (ret["result"], ret["changes"], done) == (False, {}, []), ret
    assert "kvm1:/b (without it none is online): bring the other bricks back first" in ret["comment"]


def failed(taken):
    error = CommandExecutionError("the lock")
    error.taken = taken
    return error


def test_bricks_of_another_server_are_never_started(server):
    """Its directory may be empty, and a start by force would mark it. A glusterd that starts starts its own alone."""
    module, done = server({"kvm3:/b": "3"})
    ret = module.bricks_running("one_vol", service="gluster")
    assert (ret["result"], ret["changes"]) == (True, {**OWN, **RESTART}), ret["comment"]
    assert done == ["gluster restarted", "unlocked"]


@pytest.mark.parametrize(
    "others, waits", [({"kvm3:/b": "3"}, 0), ({"kvm0:/b": "1"}, 30), ({"a:/b": "0", "b:/b": "1"}, 60)]
)
@pytest.mark.parametrize("lock", [None, failed(False)])
def test_where_no_volume_can_have_the_lock_the_servers_go_by_their_uuids(server, lock, others, waits):
    module, done = server(others, lock=lock)
    ret = module.bricks_running("one_vol", service="gluster")
    assert (ret["result"], ret["changes"]) == (True, {**OWN, **RESTART}), ret["comment"]
    assert done == [f"waited {waits} s", "gluster restarted", "unlocked"]


def test_while_another_server_has_the_lock_nothing_is_restarted(server):
    module, done = server({"kvm3:/b": "3"}, lock=failed(True))
    ret = module.bricks_running("one_vol")
    assert (ret["result"], ret["changes"], ret["comment"], done) == (False, {}, "the lock", ["unlocked"])


def test_one_that_another_server_has_started_meanwhile_is_no_reason_to_restart_glusterd(server):
    module, done = server({"kvm0:/b": "1"}, others_start=True)
    assert module.bricks_running("one_vol")["changes"] == OWN
    assert done == ["one_vol started by force", "unlocked"]


@pytest.mark.parametrize(
    "settings, why",
    [
        ({"blockers": ["without it 1 of 2"]}, "nor is glusterd restarted, .*: without it 1 of 2; or apply gluster_one"),
        ({"marked": False}, "the directory of kvm1:/b lacks its identifier"),
    ],
)
@pytest.mark.parametrize("test", [True, False])
def test_nothing_is_started_where_it_would_cost_other_bricks(server, settings, why, test):
    module, done = server({"kvm3:/b": "3"}, test=test, **settings)
    ret = module.bricks_running("one_vol")
    assert (ret["result"], ret["changes"]) == (False, {})
    assert re.search(why, ret["comment"])
    assert done in ([], ["unlocked"])


def test_the_restart_of_glusterd_is_predicted(server):
    module, done = server({"kvm3:/b": "3"}, test=True)
    ret = module.bricks_running("one_vol", service="gluster")
    assert (ret["result"], ret["changes"], done) == (None, {**OWN, **RESTART}, [])
    assert "would start kvm1:/b by a restart of gluster, unless kvm3:/b runs by then; kvm3:/b down" in ret["comment"]
    module, done = server({}, test=True)
    ret = module.bricks_running("one_vol", service="gluster")
    assert (ret["result"], ret["changes"], ret["comment"]) == (None, OWN, "would start kvm1:/b")


def test_a_server_whose_own_bricks_run_starts_none_and_names_the_others(server):
    module, done = server({"kvm3:/b": "3"}, own=())
    ret = module.bricks_running("one_vol")
    assert (ret["result"], ret["changes"], done) == (True, {}, [])
    assert ret["comment"].endswith("on this server run; kvm3:/b down: apply gluster_one.started to its server")


DAEMON = {"self-heal daemon": {"old": "not connected to kvm2:/b", "new": "restarted"}}


@pytest.mark.parametrize(
    "others, marked, restarts",
    [({}, True, False), ({"kvm3:/b": "3"}, True, True), ({}, False, True)],
)
def test_a_self_heal_daemon_is_not_started_by_force_over_another_directory(server, others, marked, restarts):
    """Of another server's brick that is down, or of an own one: a start of glusterd leaves it alone."""
    changes = {**DAEMON, **(RESTART if restarts else {})}
    predicted = server(others, marked=marked, test=True)[0].heal_daemon_connected("one_vol", "gluster")
    assert (predicted["result"], predicted["changes"]) == (None, changes)
    module, done = server(others, marked=marked)
    ret = module.heal_daemon_connected("one_vol", "gluster")
    assert (ret["result"], ret["changes"]) == (True, changes), ret["comment"]
    # It may be one for all volumes.
    by = ["gluster restarted", "unlocked"] if restarts else ["ec_vol started by force", "one_vol started by force"]
    assert done == ["self-heal daemon ended", *by]
    assert module.heal_daemon_connected("one_vol", "gluster")["changes"] == {}


@pytest.mark.parametrize("test", [True, False])
def test_a_self_heal_daemon_is_not_ended_where_it_could_not_be_started(server, test):
    module, done = server({"kvm3:/b": "3"}, blockers=["without it 1 of 2"], test=test)
    ret = module.heal_daemon_connected("one_vol")
    assert (ret["result"], ret["changes"]) == (False, {}) and "without it 1 of 2" in ret["comment"]
    assert "self-heal daemon ended" not in done


@pytest.mark.parametrize("test", [True, False])
def test_no_brick_is_restarted_by_force_beside_one_that_is_lost(server, test):
    """It would be started as well, over a directory that is not the brick."""
    module, done = server({}, marked=False, test=test)
    module._own_bricks = lambda name: (["kvm1:/b"], ["kvm1:/b"], True)
    ret = module.bricks_restarted("one_vol")
    assert (ret["result"], ret["changes"], done) == (False, {}, [])
    assert "the directory of kvm1:/b lacks its identifier" in ret["comment"]
