"""What servers of a pool say and do so that a peer becomes a full member again."""

import pytest
from salt.exceptions import CommandExecutionError

MEMBER = "Peer in Cluster"
INFO = "volume-id=5b1e0f9c-7d0e-4f1c-9e55-0a1c7a6f3c11\nversion=7\nstatus=1\nbrick-0=kvm2:-b\n"

NODE = {"errors": [], "glusterd": {"service": "gluster"}, "restart": {"keep_bricks": True}}


@pytest.fixture
def stored(execution, tmp_path):
    """glusterd's directory, with a member, one that was probed half, and one that has never answered."""
    module = execution("glusterd")
    module.DIRECTORY = str(tmp_path)
    (tmp_path / "peers").mkdir()
    for number, state in (("2", 3), ("3", 4)):
        (tmp_path / "peers" / number).write_text(f"uuid={number}\nstate={state}\nhostname1=kvm{number}\n")
    (tmp_path / "peers/kvm4").write_text(f"uuid={module.NOBODY}\nstate=0\nhostname1=kvm4\n")
    (tmp_path / "vols/one_vol").mkdir(parents=True)
    (tmp_path / "vols/one_vol/info").write_text(INFO)
    (tmp_path / "vols/one_vol/bricks").mkdir()
    (tmp_path / "vols/one_vol/bricks/kvm2:-b").write_text("hostname=kvm2\npath=/b\n")
    (tmp_path / "vols/one_vol/cksum").write_text("info=871155875\n")
    return module


def test_one_that_has_never_answered_is_no_peer(stored, tmp_path):
    states = {peer["uuid"]: peer["state"] for peer in stored.stored_peers()}
    assert states == {"2": MEMBER, "3": "Accepted peer request"}
    assert stored.peers() == [["kvm2"], ["kvm3"]]
    assert stored.unfinished_probes() == {"kvm4": str(tmp_path / "peers/kvm4")}


def test_the_definitions_of_volumes(stored):
    assert stored.definitions() == {
        "one_vol": {
            "id": "5b1e0f9c-7d0e-4f1c-9e55-0a1c7a6f3c11", "version": 7, "checksum": "871155875", "bricks": ["kvm2:/b"]
        }
    }  # fmt: skip


@pytest.fixture
def repair(execution, stored):
    """The module on that server; what it has done is in repair.done."""
    module, done = execution("gluster_repair"), []
    module.done, module.blockers, module.miscounted = done, [], None
    module.__salt__.update({
        "glusterd.info": lambda: {"uuid": "1", "operating_version": 100000},
        "glusterd.version": lambda: "10.3",
        "glusterd.stored_peers": stored.stored_peers,
        "glusterd.unfinished_probes": stored.unfinished_probes,
        "glusterd.definitions": stored.definitions,
        "glusterd.volumes": stored.volumes,
        "glusterd.restore_identity": lambda *words: done.append(words),
        "glusterd.restart": lambda service: done.append(f"start {service}"),
        "service.stop": lambda service: done.append(f"stop {service}"),
        "gluster_pool.restart_blockers": lambda service, kept: module.blockers,
        "gluster_pool.restart_losses": lambda *about: done.append(about) or {"bricks": module.blockers, "quorum": []},
        "gluster_one_pillar.node": lambda: NODE,
        "glusterd.directories": lambda name: {"/b": None, "/c": {"owner": ["0", "0"], "miscounted": module.miscounted}},
    })  # fmt: skip
    return module


def test_while_a_probe_goes_on_what_is_on_disk_counts(repair):
    def failed(timeout):
        raise CommandExecutionError("peer status: failed")

    repair.__salt__["gluster.peer_status"] = failed
    said = repair.view()
    assert (said["running"], said["unfinished"]) == (True, ["kvm4"])
    assert [peer["hostnames"] for peer in said["peers"]] == [["kvm2"], ["kvm3"]]
    repair.__salt__["glusterd.unfinished_probes"] = dict
    assert repair.view()["running"] is False


def test_what_a_restart_would_cost_is_said_before(repair, monkeypatch):
    """As the pillar will have the unit by then; where glusterd cannot say it, that is the reason."""
    repair.__salt__["gluster.peer_status"] = lambda timeout: []
    repair.blockers = ["kvm1:/b would end"]
    assert repair.view()["restart"] == {"bricks": ["kvm1:/b would end"], "quorum": []}
    assert repair.done == [("gluster", True)]
    assert "restart" not in repair.membership() and len(repair.done) == 1, "it is asked for every two seconds"
    monkeypatch.setitem(NODE, "errors", ["odd"])
    repair.view()
    assert repair.done[1] == ()

    def failed(*about):
        raise CommandExecutionError("no answer")

    repair.__salt__["gluster_pool.restart_losses"] = failed
    assert repair.view()["restart"] == {"bricks": [], "quorum": ["no answer"]}


@pytest.mark.parametrize("miscounted, said", [(None, {"one_vol": True}), ([2, 1], {"one_vol": False})])
def test_whether_several_bricks_are_counted_right_is_said(repair, miscounted, said):
    repair.__salt__["gluster.peer_status"] = lambda timeout: []
    repair.miscounted = miscounted
    assert repair.view()["counted"] == said
    repair.__salt__["glusterd.directories"] = lambda name: {"/b": {"owner": ["0", "0"], "miscounted": None}}
    assert repair.view()["counted"] == {}


def test_that_a_server_quorum_is_off_is_said(repair, tmp_path):
    repair.__salt__["gluster.peer_status"] = lambda timeout: []
    assert repair.membership()["paused"] == {}
    (tmp_path / "vols/one_vol/info").write_text(f"{INFO}user.gluster_one.quorum=server\n")
    assert repair.membership()["paused"] == {"one_vol": "server"}
    (tmp_path / "vols/one_vol/info").write_text(f"{INFO}user.gluster_one.quorum=-\n")
    assert repair.membership()["paused"] == {}


def test_a_peer_is_accepted_while_glusterd_is_stopped(repair):
    peers = {"2": ["kvm2"], "3": ["kvm3"]}
    assert repair.accept_changes(peers) == {"kvm3": {"old": "Accepted peer request", "new": MEMBER}}
    repair.accept(peers)
    assert repair.done == ["stop glusterd", ("1", 100000, peers), "start glusterd"]


def test_a_probe_is_forgotten_while_glusterd_is_stopped(repair, stored):
    repair.forget(["kvm4", "kvm9"])
    assert repair.done == ["stop glusterd", "start glusterd"]
    assert stored.unfinished_probes() == {}


@pytest.mark.parametrize("written", ["KVM4", "kvm4"])
def test_a_probe_is_known_by_its_name_in_any_case(repair, stored, written):
    assert repair.forget_changes([written, "kvm9"]) == {"kvm4": {"old": "probed", "new": "forgotten"}}
    repair.forget([written])
    assert stored.unfinished_probes() == {} == repair.forget_changes([written])


def test_glusterd_is_started_again(repair):
    repair.start_again("gluster")
    assert repair.done == ["stop gluster", "start gluster"]


def test_no_glusterd_is_stopped_where_that_costs_bricks(repair):
    repair.blockers = ["without it too few"]
    for call in (lambda: repair.accept({"3": ["kvm3"]}), lambda: repair.forget(["kvm4"]), repair.start_again):
        with pytest.raises(CommandExecutionError, match="glusterd is not restarted: without it too few"):
            call()
    assert repair.done == []


def test_a_volume_gets_a_higher_version_by_the_value_that_it_has(repair):
    seen = {"version": 7, "set": []}

    def volume_set(name, options, timeout):
        seen["version"] += 1
        seen["set"].append(options)

    repair.__salt__.update({
        "glusterd.definitions": lambda: {"one_vol": {"version": seen["version"]}},
        "gluster.volume_info": lambda name: {name: {"options": {"nfs.disable": "on", "network.ping-timeout": "3"}}},
        "gluster.volume_set": volume_set,
    })  # fmt: skip
    assert repair.renew("one_vol", 9) is True
    assert seen["set"] == [{"nfs.disable": "on"}] * 3
    repair.renew("one_vol", 9)
    assert len(seen["set"]) == 3
    repair.__salt__["gluster.volume_info"] = lambda name: {}
    with pytest.raises(CommandExecutionError, match="has none of the options"):
        repair.renew("one_vol", 10)
