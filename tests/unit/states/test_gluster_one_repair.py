"""The states by which a peer becomes a full member again: what they say before, and do."""

import pytest

from ..conftest import CHECKOUT, imported

KVM3 = {"kvm3": {"old": "Peer Rejected", "new": "Peer in Cluster"}}
KVM4 = {"kvm4": {"old": "probed", "new": "forgotten"}}
RESTART = {"gluster": {"old": "running", "new": "restarted"}}
ENDS = "gluster is not restarted: kvm1:/b would end with gluster"


@pytest.fixture
def server():
    """server(test, ends, running): the states, and what was done; bricks would end unless the unit keeps them."""

    def make(test, ends=False, running=()):
        done, left = [], {"accept": dict(KVM3), "forget": dict(KVM4)}

        def act(what):
            done.append(what)
            left[what] = {}

        salt = {
            "gluster_one_arguments.require_arguments": lambda *_, **__: None,
            "gluster_repair.accept_changes": lambda peers: dict(left["accept"]),
            "gluster_repair.forget_changes": lambda servers: dict(left["forget"]),
            "gluster_repair.accept": lambda peers, name: act("accept"),
            "gluster_repair.forget": lambda servers, name: act("forget"),
            "gluster_repair.start_again": lambda name: act("again"),
            "gluster_repair.restart_error": lambda name, kept: ENDS if ends and not kept else None,
        }
        more = {"__running__": {tag: {"changes": changes} for tag, changes in running}}
        path = CHECKOUT / "_states/gluster_one_repair.py"
        return imported(path, __salt__=salt, __opts__={"test": test}, **more), done

    return make


CALLS = {
    "accept": (KVM3, lambda state: state.peers_accepted("gluster", {"3": ["kvm3"]})),
    "forget": (KVM4, lambda state: state.probes_forgotten("gluster", ["kvm4"])),
}


@pytest.mark.parametrize("what", CALLS)
def test_the_restart_of_glusterd_is_named_before(server, what):
    changes, call = CALLS[what]
    predicted = call(server(test=True)[0])
    assert (predicted["result"], predicted["changes"]) == (None, {**changes, **RESTART})
    state, done = server(test=False)
    assert call(state)["changes"] == predicted["changes"]
    assert done == [what]
    again = call(state)
    assert (again["result"], again["changes"], done) == (True, {}, [what])


def test_glusterd_is_restarted_each_time(server):
    assert server(test=True)[0].glusterd_started_again("gluster")["changes"] == RESTART
    state, done = server(test=False)
    for _ in range(2):
        ret = state.glusterd_started_again("gluster")
        assert (ret["result"], ret["changes"]) == (True, RESTART)
    assert done == ["again", "again"]
    ret = server(test=True, ends=True)[0].glusterd_started_again("gluster")
    assert (ret["result"], ret["changes"], ret["comment"]) == (False, {}, ENDS)


@pytest.mark.parametrize("what", CALLS)
@pytest.mark.parametrize(
    "changes, result", [({}, False), ({"KillMode": {"old": "control-group", "new": "process"}}, None)]
)
def test_a_refusal_comes_with_test_too(server, what, changes, result):
    """Not where the run would have had the unit keep the bricks before."""
    running = [("gluster_one_|-kept_|-gluster_|-bricks_kept", changes), ("x_|-y_|-z_|-other", {"a": "b"})]
    ret = CALLS[what][1](server(test=True, ends=True, running=running)[0])
    assert ret["result"] is result
    if result is False:
        assert (ret["changes"], ret["comment"]) == ({}, ENDS)
