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


LACKS = {"gluster_package": "server", "mount_package": "hypervisor"}


@pytest.fixture
def reachable(execution):
    """reachable(answers..., test): the state on a node that finds these servers closed, one look after the other."""

    def run(*looks, test=False, volumes=(), mounts=(), lacking=(), coming=()):
        looks = list(looks)
        salt = {
            "gluster_peers.unreachable": lambda servers: looks.pop(0),
            "gluster_one_packages.missing": lambda roles, native: [key for key in lacking if LACKS[key] in roles],
            "gluster_one_run.to_come": lambda: [*coming],
            "glusterd.volumes": lambda: dict.fromkeys(volumes),
            "gluster_mount.mounts": lambda: dict.fromkeys(mounts),
            "gluster_one_arguments.require_arguments": execution("gluster_one_arguments").require_arguments,
        }
        names = {"__salt__": salt, "__opts__": {"test": test, "id": "kvm4", "file_client": "local"}}
        utils = {"gluster_hosts.own_names": lambda servers: {"kvm2" if lacking else "kvm4"}}
        names.update(__utils__=utils, __grains__={"id": "kvm4", "os_family": "Debian"})
        state = imported(CHECKOUT / "_states/gluster_one_check.py", **names)
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


@pytest.mark.parametrize("test", [True, False])
@pytest.mark.parametrize(
    "lacking, said",
    [
        (["mount_package"], "glusterfs-client"),
        (["gluster_package"], "glusterfs-server"),
        ([*LACKS], "glusterfs-server, glusterfs-client"),
    ],
)
def test_what_the_node_itself_lacks_comes_before_others(reachable, lacking, said, test):
    result, comment, _ = reachable(test=test, lacking=lacking)
    assert result is False
    assert comment == f"this node lacks {said}: install that, or set `packages: true` in the pillar"


def test_what_the_run_would_install_is_not_lacking(reachable):
    assert reachable({}, test=True, lacking=[*LACKS], coming=[*LACKS])[0] is True


@pytest.mark.parametrize("there", [{"volumes": ["one_vol"]}, {"mounts": ["/srv/one"]}], ids=list)
def test_where_the_volume_is_no_port_is_looked_at(reachable, there):
    assert reachable(**there) == (True, "volume one_vol is there", None)


STORES = "/var/lib/one/datastores"


@pytest.mark.parametrize(
    ("named", "links", "said"),
    [
        (None, ["101", "105"], None),  # no head
        (["glusterds"], [], None),
        (["glusterds"], ["101"], None),
        (
            ["glusterds"],
            ["101", "105", "note"],
            "OpenNebula has old (105) on such a mount, which the pillar does not name",
        ),
    ],
)
def test_a_datastore_that_the_pillar_does_not_name_keeps_its_mount(named, links, said):
    """Without the link oned would make a directory on the local disk, and its images would seem to be gone."""
    salt = {
        "gluster_one_arguments.require_arguments": lambda *_, **__: True,
        "gluster_mount_plan.is_ours": lambda path, volume: True,
        "gluster_native.volume_users": lambda path: [],
        "gluster_links.links_to": lambda directory, path: {f"{directory}/{name}": path for name in links},
        "opennebula.datastore_list": lambda **_: [{"id": 101, "name": "glusterds"}, {"id": 105, "name": "old"}],
    }
    state = imported(CHECKOUT / "_states/gluster_one_check.py", __salt__=salt)
    ret = state.mounts_unused("leave", {"/var/lib/gluster_one/one_vol": "one_vol"}, named, STORES)
    assert ret["result"] is (said is None) and ret["comment"].startswith(said or "nothing uses")
