"""Peers of a pool: who is no member, although it is connected, and what the members see of each other."""

import pytest
from salt.exceptions import CommandExecutionError

from .test_gluster_pool import ALL, QUORUM, REPLICA, pool, served, uuid

PEER = "<peer><uuid>{0}</uuid><hostname>kvm{0}</hostname><connected>{1}</connected>{2}</peer>"
STATE = "<state>{}</state><stateStr>{}</stateStr>"
ODD = [(4, "Accepted peer request"), (5, "Sent and Received peer request"), (6, "Peer Rejected"), (0, "Establishing")]


@pytest.mark.parametrize("number, words", [*ODD, (3, "Peer in Cluster")])
def test_only_a_member_is_connected(execution, number, words):
    peers = PEER.format(2, 1, STATE.format(number, words)) + PEER.format(3, 0, STATE.format(3, "Peer in Cluster"))
    answer = f"<cliOutput><opRet>0</opRet>{peers}<peer><uuid>1</uuid><hostname>localhost</hostname>"
    module = execution("gluster")
    module.xml = lambda *words, **_: f"{answer}<connected>1</connected></peer></cliOutput>"
    assert [(one["connected"], one["state"]) for one in module.pool_list()] == [
        (number == 3, words), (False, "Peer in Cluster"), (True, None),
    ]  # fmt: skip
    assert [one["connected"] for one in module.peer_status()[:2]] == [number == 3, False]


def with_state(state, name="kvm3"):
    return [{**peer, "connected": peer["connected"] and peer["hostname"] != name,
             "state": state if peer["hostname"] == name else None} for peer in pool()]  # fmt: skip


@pytest.mark.parametrize(
    "state, calls_itself, said, cure",
    [
        (
            "Peer Rejected",
            None,
            "Peer Rejected: it is not a member of the pool",
            "docs/upgrade.md; else where the volumes' definitions here are to stay: salt-run state.orchestrate",
        ),
        ("Peer Rejected", "other", "it calls itself other, and the pool knows it as uuid of 3", "UUID=uuid of 3 in"),
        (
            "Accepted peer request",
            None,
            "Accepted peer request: it is no",
            "state=3 in /var/lib/glusterd/peers/uuid of",
        ),
        (None, None, "disconnected", "systemctl start glusterd on kvm3"),
        ("Peer in Cluster", None, "disconnected", "systemctl start glusterd on kvm3"),
    ],
)
def test_a_peer_that_is_no_member_is_named_with_its_cure(execution, state, calls_itself, said, cure):
    def pool_list(server):
        assert server == "kvm3"
        return [{"hostname": "localhost", "uuid": calls_itself or uuid("kvm3"), "connected": True, "state": None}]

    look = {"pool": with_state(state), "volumes": {}, "status": {}, "heal": {}}
    salt = {"glusterd.silent_peers": list, "glusterd.service": lambda name: {}, "gluster.snapshot": lambda heal: look,
            "glusterd.unfinished_probes": dict,
            "gluster.pool_list": pool_list, "glusterd.peers": lambda: [["kvm2"], ["kvm3"]]}  # fmt: skip
    module = execution("gluster_pool", __salt__=salt)
    seen = module.snapshot()
    # Judging asks nobody.
    salt.pop("gluster.pool_list")
    volume = {"servers": ALL, "uid": 0, "gid": 0, "options": {}}
    facts, (found, _) = module.volume_report("one_vol", volume, seen, {"id": "kvm1", "names": ["kvm1"], "volumes": {}})
    assert found[0] == ("peer_rejected" if "in C" not in (state or "in C") else "peer_away") and found[1] == "kvm3"
    assert said in found[2] and cure in found[4] and facts["peers"] == [1, 2]


def test_a_peer_that_does_not_say_who_it_is_hides_nothing(execution):
    def silent(server):
        raise CommandExecutionError("glusterd is not running on kvm3")

    salt = {"glusterd.silent_peers": list, "glusterd.service": lambda name: {}, "gluster.pool_list": silent,
            "glusterd.unfinished_probes": dict,
            "gluster.snapshot": lambda heal: {"pool": with_state("Peer Rejected"), "volumes": {}}}  # fmt: skip
    module = execution("gluster_pool", __salt__=salt)
    (peer,) = [each for each in module.snapshot()["pool"] if each["hostname"] == "kvm3"]
    kind, on, what, *_ = module._peer(peer, pool(), "kvm1")
    assert (kind, on, what) == ("peer_rejected", "kvm3", "Peer Rejected: it is not a member of the pool")


def test_a_probe_that_does_not_end_is_named(execution):
    """Gluster does not say who is in the pool then; what it keeps on disk does."""

    def failed(heal=()):
        raise CommandExecutionError("pool list: failed")

    salt = {"glusterd.silent_peers": list, "glusterd.service": lambda name: {}, "gluster.snapshot": failed,
            "glusterd.unfinished_probes": lambda: {"kvm4": "/var/lib/glusterd/peers/kvm4"},
            "glusterd.stored_snapshot": lambda away: {"pool": pool(), "volumes": {}, "status": None, "heal": {}},
            "glusterd.peers": lambda: [["kvm2"], ["kvm3"]]}  # fmt: skip
    module = execution("gluster_pool", __salt__=salt)
    seen, volume = module.snapshot(), {"servers": ALL, "uid": 0, "gid": 0, "options": {}}
    facts, (found, _) = module.volume_report("one_vol", volume, seen, {"id": "kvm1", "names": ["kvm1"], "volumes": {}})
    assert found[:2] == ["peer_rejected", "kvm4"] and "a probe of it has not ended" in found[2]
    assert "gluster_one.orchestrate.repair_peer pillar='{peer: kvm4}'" in found[4] and facts["peers"] == [2, 2]
    salt["glusterd.unfinished_probes"] = dict
    with pytest.raises(CommandExecutionError):
        module.snapshot()
    silent = iter([[], ["kvm3"]])
    salt["glusterd.silent_peers"] = lambda: next(silent)
    assert module.snapshot()["pool"] == pool(), "one that falls silent while Gluster is asked is seen as silent"


def test_a_peer_that_is_no_member_holds_everything(execution):
    peers = [{"hostnames": ["kvm2"], "connected": False, "state": "Peer Rejected"}]
    module = execution("gluster_pool", __salt__={"gluster.peer_status": lambda: peers})
    for look in (module.peers_away, module.peers_apart, module.unsettled_reason):
        assert look() == "kvm2 as 'Peer Rejected' (docs/status.md, A server that is not in the pool)"
    there = {"kvm2": with_state("Accepted peer request"), "kvm3": pool()}
    salt = {"gluster.pool_list": lambda server: there[server],
            "gluster.peer_status": lambda: [{"hostnames": [name], "connected": True} for name in ALL[1:]]}  # fmt: skip
    module = execution("gluster_pool", __salt__=salt, __utils__={"gluster_hosts.glusterd_port": lambda host: "open"})
    assert "kvm2 sees kvm3 as 'Accepted peer request'" in module.peers_apart()


def test_a_peer_is_asked_by_a_name_that_has_an_address_here(execution):
    asked, names = [], ["10.9.9.9", "kvm2", "kvm2.elsewhere"]
    salt = {"gluster.pool_list": lambda server: asked.append(server) or pool(),
            "gluster.peer_status": lambda: [{"hostnames": names, "connected": True}]}  # fmt: skip
    utils = {"gluster_hosts.glusterd_port": lambda host: "open",
             "gluster_hosts.addresses": lambda host: {"10.0.0.2"} if host == "kvm2" else set()}  # fmt: skip
    assert execution("gluster_pool", __salt__=salt, __utils__=utils).peers_apart() is None
    assert asked == ["kvm2"]


def test_a_run_asks_the_peers_what_they_see_once_while_none_is_away(execution):
    looks, asked, away, others = [], [], set(), {}

    def peer_status():
        looks.append(1)
        return [{"hostnames": [name], "connected": name not in away} for name in ALL[1:]]

    salt = {"gluster.pool_list": lambda server: asked.append(server) or others.get(server, pool()),
            "gluster.peer_status": peer_status}  # fmt: skip
    utils = {"gluster_hosts.glusterd_port": lambda host: "open"}
    apart = execution("gluster_pool", __salt__=salt, __utils__=utils, __context__={}).peers_apart
    assert [apart("7") for _ in range(10)] == [None] * 10
    assert (len(looks), asked) == (10, ["kvm2", "kvm3"]), "what this server sees is looked at each time"
    away.add("kvm3")
    assert apart("7") == "kvm3 disconnected"
    away.clear()
    others["kvm2"] = pool("kvm3")
    assert apart("7") == apart("7") == "kvm2 sees kvm3 disconnected", "it was away: the others are asked again"
    others.clear()
    asked.clear()
    assert [apart(run) for run in ("7", "8", "8", None, None)] == [None] * 5
    assert asked == ["kvm2", "kvm3"] * 4, "another run, and who gives none, ask"


@pytest.mark.parametrize(
    "state, lost",
    [
        (None, []),
        (
            "Peer Rejected",
            [
                "kvm3 is 'Peer Rejected', not a member of the pool",
                "without it 1 of 3 servers are connected, too few for volume one_vol's server quorum",
            ],
        ),
    ],
)
def test_a_peer_that_is_no_member_counts_for_no_quorum(execution, state, lost):
    pooled = with_state(state) if state else pool()
    volumes = {"one_vol": served({**REPLICA, **QUORUM, "bricks": []})}
    look = {"pool": pooled, "volumes": volumes, "status": {"one_vol": []}, "heal": {}}
    salt = {"glusterd.silent_peers": list, "gluster.snapshot": lambda heal=(): look}
    module = execution("gluster_pool", __salt__=salt, __grains__={"id": "kvm1"})
    assert module.stop_blockers({"kvm2": ["kvm2"]}) == lost
