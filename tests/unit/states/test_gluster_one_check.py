"""The checks of the formula as states."""

import pytest

from ..conftest import CHECKOUT, imported


@pytest.mark.parametrize(
    ("roles", "words"), [(["head"], False), (["hypervisor", "server"], False), (["head", "hypervisor"], True)]
)
def test_a_head_that_is_a_hypervisor_is_told_why_that_may_be(roles, words):
    state = imported(CHECKOUT / "_states/gluster_one_check.py")
    ret = state.pillar_valid("gluster_one", [], roles)
    assert ret["result"] is True and ret["comment"].startswith(f"this minion is {', '.join(roles)}")
    assert ("pillar_merge_lists: true" in ret["comment"]) is words


DOWN = {"why": "glusterd is not running on kvm2", "refused": True}
CLOSED = {"why": "kvm3 does not answer at port 24007", "refused": False}


@pytest.fixture
def reachable(execution):
    """reachable(answers..., test): the state on a node that finds these servers closed, one look after the other."""

    def run(*looks, test=False, volumes=(), mounts=()):
        looks = list(looks)
        salt = {
            "gluster_peers.unreachable": lambda servers: looks.pop(0),
            "glusterd.volumes": lambda: dict.fromkeys(volumes),
            "gluster_mount.mounts": lambda: dict.fromkeys(mounts),
            "gluster_one_arguments.require_arguments": execution("gluster_one_arguments").require_arguments,
        }
        names = {"__salt__": salt, "__opts__": {"test": test, "id": "kvm4", "file_client": "local"}}
        state = imported(CHECKOUT / "_states/gluster_one_check.py", __grains__={"id": "kvm4"}, **names)
        ret = state.servers_reachable("one_vol", ["kvm1", "kvm2"], mount="/srv/one", timeout=0.3)
        assert ret["changes"] == {} and looks == []
        return ret["result"], ret["comment"], ret.get("warnings")

    return run


def test_ports_of_servers_are_waited_for_and_named(reachable):
    assert reachable({}) == (True, "kvm1, kvm2 answer at port 24007", None)
    assert reachable({"kvm2": DOWN}, {}) == (True, "kvm1, kvm2 answer at port 24007", None)
    result, comment, _ = reachable({"kvm2": DOWN, "kvm3": CLOSED}, {"kvm3": CLOSED})
    assert result is False
    assert comment == f"kvm4 could not reach all servers of volume one_vol within 0.3 s (last seen: {CLOSED['why']})"


def test_a_test_run_looks_once_and_fails_nothing_that_may_come(reachable):
    assert reachable({"kvm2": DOWN}, test=True) == (True, "the run waits for glusterd of kvm2", None)
    found = reachable({"kvm2": DOWN, "kvm3": CLOSED}, test=True)
    assert found == (True, CLOSED["why"], [CLOSED["why"]])


@pytest.mark.parametrize("there", [{"volumes": ["one_vol"]}, {"mounts": ["/srv/one"]}], ids=list)
def test_where_the_volume_is_no_port_is_looked_at(reachable, there):
    assert reachable(**there) == (True, "volume one_vol is there", None)
