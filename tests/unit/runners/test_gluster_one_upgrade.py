"""Whether a server may be upgraded, what follows it, and when the pool may speak a newer protocol."""

import itertools
import types

import pytest
from salt.exceptions import CommandExecutionError

from ..conftest import CHECKOUT, Master
from .test_gluster_one_repair import MEMBER, REJECTED, VOLUMES, peer, uuid, volume
from .test_gluster_one_repair import view as repair_view

SETTINGS = {"bricks": "kvm1:/b kvm2:/b kvm3:/b", "status": "Started", "network.ping-timeout": "10"}
LINES = {"one_vol": {"nfs.disable": "on"}}
DRIVER = {"needed": True, "package": "qemu-block-extra", "candidate": "1:10.0", "gluster": True}
BY_HAND = "docs/upgrade.md, Gluster 10 and 11 in one pool"
AGAIN = "salt-run state.orchestrate gluster_one.orchestrate.upgrade pillar='{{{}}}'"


def view(number, *peers, version="10.3", replaced=(), settings=None, **more):
    return {
        **repair_view(number, *peers, **more), "version": version, "replaced": list(replaced),
        "settings": {"one_vol": settings or SETTINGS}, "lines": LINES if version < "11" else {},
        "bricks": {f"kvm{number}:/b": 1000}, "asked": [], "snapshots": [], "ends": None,
    }  # fmt: skip


class Fleet:
    """Three servers with Gluster 10.3, of which a test says how they are."""

    def __init__(self, monkeypatch):
        self.names = ["kvm1", "kvm2", "kvm3"]
        self.master = Master(monkeypatch, {name: {"volumes": VOLUMES} for name in self.names})
        self.views = {f"kvm{n}": view(n, *(peer(m) for m in (1, 2, 3) if m != n)) for n in (1, 2, 3)}
        self.driver, self.reasons, self.said, self.down = dict(DRIVER), [], None, []
        self.master.salt["gluster_one.ok_to_stop"] = lambda minions: {"reasons": self.reasons}
        self.runner = self.master.files["gluster_one_upgrade"]
        ticks = itertools.count(0, 1)
        clock = types.SimpleNamespace(
            monotonic=lambda: next(ticks), sleep=lambda seconds: None, strftime=lambda how: how
        )
        monkeypatch.setattr(self.runner, "time", clock)

    def plan(self, **arguments):
        node = {"errors": [], "roles": [], "volumes": {}, "batch": 1, "timeout": 60}
        self.master.answers = {
            "gluster_one_pillar.node": {name: {**node, "names": [name, f"10.0.0.{name[-1]}"]} for name in self.names},
            "gluster_upgrade.view": self.views,
            "gluster_upgrade.driver": dict.fromkeys(self.names, self.driver),
            "gluster_upgrade.op_versions": dict.fromkeys(self.names, self.said),
            "gluster_upgrade.held_for_down": lambda minions, arguments: {
                name: self.down() if callable(self.down) else self.down for name in minions
            },
        }
        return self.runner.upgrade_plan(**arguments)

    def upgraded(self, number=1, rejected=True, checksum="2", **more):
        """A server has come back with Gluster 11.1, which writes the same definition in other words."""
        state = REJECTED if rejected else MEMBER
        others = [n for n in (1, 2, 3) if n != number]
        more = {"one_vol": volume(checksum=checksum), "version": "11.1", **more}
        self.views[f"kvm{number}"] = view(number, *(peer(other, state) for other in others), **more)
        for other in others:
            peers = self.views[f"kvm{other}"]["peers"]
            peers[:] = [peer(number, state) if each["uuid"] == uuid(number) else each for each in peers]


@pytest.fixture
def fleet(monkeypatch):
    return Fleet(monkeypatch)


def steps(plan):
    assert plan["errors"] == []
    return [(step["id"], step.get("pillar")) for step in plan["steps"]]


@pytest.mark.parametrize(
    "arguments, text",
    [
        ({}, "the pillar has none of prepare, before, after and op_version: give one of {prepare: true}, {before: SER"),
        ({"prepare": "yes"}, "the pillar has prepare: 'yes': only true is possible"),
        ({"prepare": True, "before": "kvm1"}, "the pillar has prepare: True, before: 'kvm1': give one of"),
        ({"before": "kvm1", "after": "kvm2"}, "the pillar has before: 'kvm1', after: 'kvm2': give one of"),
        ({"before": 3}, "the pillar has before: 3: a name of the pillar's servers is needed, such as kvm2"),
        ({"after": "kvm1; rm"}, "the pillar has after: 'kvm1; rm': a name"),
        ({"after": "kvm9"}, "after: 'kvm9': that is not a server of the pillar; the servers are kvm1, kvm2, kvm3"),
        ({"op_version": 110000}, "the pillar has op_version: 110000: only true is possible"),
        ({"op_version": False}, "the pillar has op_version: False: only true is possible"),
        ({"after": "kvm1", "heal_timeout": "1h"}, "heal_timeout: '1h': seconds above 0 are needed, such as 86400"),
    ],
)
def test_a_wrong_pillar_is_refused(fleet, arguments, text):
    (error,) = fleet.plan(**arguments)["errors"]
    assert text in error


def test_before(fleet):
    plan = fleet.plan(before="kvm2")
    assert (plan["errors"], plan["steps"]) == ([], [])
    assert plan["fine"] == (
        "kvm2 may be upgraded now (Gluster 10.3 on kvm1, 10.3 on kvm2, 10.3 on kvm3): its packages and its reboot are "
        f"yours; after that `{AGAIN.format('after: kvm2')}`; if that brings Gluster 11, servers will reject each "
        f"other, as the volumes have nfs.disable: first `{AGAIN.format('prepare: true')}`, while all have the same "
        f"version ({BY_HAND})"
    )
    for each in fleet.views.values():
        each["lines"] = {}
    assert fleet.plan(before="kvm2")["fine"].endswith("after: kvm2}'`")


@pytest.mark.parametrize(
    "change, text",
    [
        (lambda fleet: fleet.reasons.append("1 VM on kvm2: one-7"), "1 VM on kvm2: one-7: migrate it away"),
        (lambda fleet: fleet.reasons.append("2 VMs on kvm2: a, b"), "2 VMs on kvm2: a, b: migrate them away"),
        (lambda fleet: fleet.reasons.append("3 files of volume one_vol wait"), "3 files of volume one_vol wait"),
        (lambda fleet: fleet.views.update(kvm3=None), "kvm3 does not say how its glusterd is: no answer"),
        (lambda fleet: fleet.views.update(kvm3={}), "kvm3 does not say how its glusterd is: {}"),
        (lambda fleet: fleet.views["kvm3"].update(version="x"), "kvm3 does not say how its glusterd is"),
        (lambda fleet: fleet.views["kvm3"].update(version=None), "kvm3 does not say how its glusterd is"),
        (lambda fleet: fleet.views["kvm3"].update(bricks={"kvm3:/b": "1"}), "kvm3 does not say how its glusterd is"),
        (lambda fleet: fleet.views["kvm3"].update(bricks={3: 1, "kvm3:/b": 1}), "kvm3 does not say how its glusterd"),
        (lambda fleet: fleet.views["kvm3"].update(lines=[]), "kvm3 does not say how its glusterd is"),
        (
            lambda fleet: fleet.views["kvm3"].update(lines={"one_vol": {"nfs.disable on; curl x | sh": "off"}}),
            "kvm3 does not say how its glusterd is",
        ),
        (lambda fleet: fleet.driver.update(package="qemu; curl x | sh"), "kvm2 does not say"),
        (lambda fleet: fleet.views["kvm3"].pop("paused"), "kvm3 does not say how its glusterd is"),
        (
            lambda fleet: fleet.views["kvm3"].update(paused={"one_vol": "server"}),
            "the server quorum of volume one_vol is off, as the preparation is not at its end: "
            f"`{AGAIN.format('prepare: true')}`",
        ),
        (
            lambda fleet: fleet.views["kvm1"]["peers"].append(peer(7)),
            "kvm7, a member of the pool, is not among the servers that were asked: name it in the pillar's servers",
        ),
        (
            lambda fleet: fleet.views["kvm3"].update(volumes={}),
            "of the servers kvm1, kvm2, kvm3 kvm3 has no volume one_vol: see docs/repair-peer.md",
        ),
        (lambda fleet: fleet.views["kvm1"].update(running=False), "`salt kvm1 state.apply gluster_one.started`"),
        (
            lambda fleet: fleet.views["kvm1"].update(replaced=["glusterfsd"]),
            "kvm1 is being upgraded, glusterfsd there still runs the program of before: reboot it, then "
            f"`{AGAIN.format('after: kvm1')}`",
        ),
        (
            lambda fleet: fleet.views["kvm1"]["peers"].__setitem__(1, peer(3, "Accepted peer request")),
            "kvm1 has kvm3 as 'Accepted peer request': `salt-run state.orchestrate gluster_one.orchestrate.repair_peer",
        ),
        (
            lambda fleet: fleet.driver.update(gluster=False),
            "qemu-block-extra 1:10.0, to which apt upgrades kvm2, does not need libgfapi",
        ),
        (
            lambda fleet: setattr(fleet, "driver", "no"),
            "kvm2 does not say whether its QEMU keeps the gluster driver: no",
        ),
    ],
)
def test_before_is_refused_with_the_cure(fleet, change, text):
    fleet.driver = dict(DRIVER)
    change(fleet)
    (error,) = fleet.plan(before="kvm2")["errors"]
    assert text in error


def test_the_page_has_the_way_that_is_named(fleet):
    page, section = BY_HAND.split(", ", 1)
    assert fleet.runner.BY_HAND == BY_HAND
    assert f"## {section}\n" in (CHECKOUT / page).read_text()


@pytest.mark.parametrize("arguments", [{"before": "kvm2"}, {"after": "kvm1"}])
def test_servers_that_reject_each_other_since_one_was_upgraded_are_named(fleet, arguments):
    fleet.upgraded(1)
    assert fleet.plan(**arguments)["errors"] == [
        f"{one} has {other} as 'Peer Rejected': {BY_HAND}"
        for one, other in [("kvm1", "kvm2"), ("kvm1", "kvm3"), ("kvm2", "kvm1"), ("kvm3", "kvm1")]
    ]


@pytest.mark.parametrize("arguments", [{"before": "kvm2"}, {"after": "kvm1"}])
@pytest.mark.parametrize("version", [6, 7])
def test_the_definitions_have_to_be_the_same(fleet, version, arguments):
    """Nobody rejects anybody yet; the next restart of a glusterd would have them do so, or restart bricks."""
    fleet.upgraded(1, rejected=False, one_vol=volume(version, "2"))
    assert fleet.plan(**arguments)["errors"] == [
        f"kvm1 and {other} differ in the words of the definition of volume one_vol: {BY_HAND}"
        for other in ("kvm2", "kvm3")
    ]


@pytest.mark.parametrize("driver, said", [({"candidate": None}, True), ({"candidate": None, "needed": False}, False)])
def test_before_says_what_apt_does_not_know(fleet, driver, said):
    fleet.driver = {**DRIVER, **driver}
    assert ("apt-cache show --no-all-versions qemu-block-extra" in fleet.plan(before="kvm2")["fine"]) is said


WAITS = {"volumes": ["one_vol"], "minions": ["kvm1", "kvm2", "kvm3"], "timeout": 86400, "hosts": []}
REST = [("formula on kvm1", None), ("heal", None), ("status of the pool", None)]


def test_after_where_all_are_members_and_agree(fleet):
    fleet.upgraded(1, rejected=False, checksum="1")
    plan = fleet.plan(after="kvm1")
    assert steps(plan) == REST
    assert plan["steps"][1]["waits"] == WAITS
    assert fleet.plan(after="kvm1", heal_timeout=5)["steps"][1]["waits"] == {**WAITS, "timeout": 5}
    assert plan["fine"].endswith(f"next: `{AGAIN.format('before: kvm2')}`")


def test_after_a_brick_that_is_held_for_down_is_named(fleet):
    """No wait ends that. One that does not run is another matter, and one that is seen in time is none."""
    fleet.upgraded(1, rejected=False, checksum="1")
    fleet.down = ["kvm2:/b"]
    plan = fleet.plan(after="kvm1")
    (error,) = plan["errors"]
    said = "glusterd of kvm2 takes kvm2:/b for down, although it runs, and no wait ends that: "
    cure = "`salt kvm2 state.apply gluster_one.started` starts it anew if its other copies are online"
    assert error == said + cure
    assert "steps" not in plan
    fleet.down = [{"kvm2:/b": 1}, 3]
    assert steps(fleet.plan(after="kvm1")) == REST
    fleet.down, fleet.views["kvm2"]["bricks"] = ["kvm2:/b"], {"kvm2:/b": None}
    assert steps(fleet.plan(after="kvm1")) == REST
    fleet.views["kvm2"]["bricks"] = {"kvm2:/b": 5}
    looks = [["kvm2:/b"], ["kvm2:/b"], []]
    fleet.down = lambda: looks.pop(0)
    assert steps(fleet.plan(after="kvm1")) == REST and looks == []


def test_after_what_was_set_on_one_side_alone_is_refused(fleet):
    fleet.upgraded(1, rejected=False, settings={**SETTINGS, "network.ping-timeout": "20"})
    errors = fleet.plan(after="kvm1")["errors"]
    assert len(errors) == 2
    assert "kvm1 and kvm2 differ in network.ping-timeout of volume one_vol: " in errors[0]


def test_after_another_volume_of_the_name(fleet):
    fleet.upgraded(1, rejected=False, one_vol=volume(7, "2", name=8))
    (error,) = fleet.plan(after="kvm1")["errors"]
    assert error == "of the servers kvm1, kvm2, kvm3 they have several volumes one_vol: see docs/repair-peer.md"


def test_those_of_one_version_that_reject_each_other_are_left_to_the_repair(fleet):
    fleet.upgraded(1, version="10.3")
    errors = fleet.plan(after="kvm1")["errors"]
    cure = "`salt-run state.orchestrate gluster_one.orchestrate.repair_peer pillar='{peer: kvm2}'`"
    assert errors[0] == f"kvm1 has kvm2 as 'Peer Rejected': {cure}" and len(errors) == 4


def test_after_only_that_server_has_to_be_rebooted(fleet):
    fleet.upgraded(1, rejected=False, checksum="1")
    fleet.views["kvm2"]["replaced"] = ["glusterfs"]
    assert fleet.plan(after="kvm1")["errors"] == []
    fleet.views["kvm1"]["replaced"] = ["glusterd"]
    (error,) = fleet.plan(after="kvm1")["errors"]
    assert error.startswith("kvm1 is being upgraded, glusterd there still runs the program of before: reboot it")


@pytest.mark.parametrize("name", ["kvm1", "kvm2"])
def test_after_a_minion_without_the_module_is_an_error_in_words(fleet, name):
    fleet.upgraded(1, rejected=False, checksum="1")
    fleet.views[name] = "'gluster_upgrade.view' is not available."
    (error,) = fleet.plan(after="kvm1")["errors"]
    assert error == f"{name} does not say how its glusterd is: 'gluster_upgrade.view' is not available."


@pytest.mark.parametrize(
    "change, text",
    [
        (lambda views: views.update(kvm1=None), "kvm1 does not say how its glusterd is: no answer"),
        (lambda views: views["kvm1"].update(running=False), "`salt kvm1 state.apply gluster_one.started`"),
        (lambda views: views["kvm2"]["peers"].__setitem__(1, peer(3, REJECTED)), "kvm2 has kvm3 as 'Peer Rejected'"),
        (
            lambda views: views["kvm2"]["peers"].__setitem__(0, {**peer(1), "connected": False}),
            "kvm2 sees kvm1 disconnected: see /var/log/glusterfs/glusterd.log on both",
        ),
        (
            lambda views: views["kvm2"]["peers"].__setitem__(0, peer(1, "Accepted peer request")),
            f"kvm2 has kvm1 as 'Accepted peer request': {BY_HAND}",
        ),
    ],
)
def test_after_is_refused_with_the_cure(fleet, change, text):
    fleet.upgraded(1, rejected=False, checksum="1")
    change(fleet.views)
    (error,) = fleet.plan(after="kvm1")["errors"]
    assert text in error


def test_after_waits_until_the_server_is_back_and_seen_in_the_same_way(fleet, monkeypatch):
    """It is seen as it was before, then as disconnected, then as rejected."""
    fleet.upgraded(1)
    later, asked = fleet.views, []
    before = {name: each for name, each in Fleet(monkeypatch).views.items() if name != "kvm1"}
    away = {
        name: {**each, "peers": [{**p, "connected": False} for p in each["peers"]]} for name, each in before.items()
    }

    def answers(minions, arguments):
        asked.append(1)
        return [before, before, {**away, "kvm1": later["kvm1"]}, later][min(len(asked), 4) - 1]

    fleet.views = answers
    assert len(fleet.plan(after="kvm1")["errors"]) == 4
    assert len(asked) > 6


def test_after_the_last_one(fleet):
    for number in (1, 2, 3):
        fleet.upgraded(number, rejected=False)
    plan = fleet.plan(after="kvm1")
    assert steps(plan) == REST
    assert plan["fine"].endswith(f"in any order, then `{AGAIN.format('op_version: true')}`")


def spoken(pool=100000, most=110000, **clients):
    return {"pool": pool, "most": most, "clients": {"one_vol": {"10.0.0.1": 110000, **clients}}}


@pytest.fixture
def upgraded(fleet):
    for number in (1, 2, 3):
        fleet.upgraded(number, rejected=False)
    fleet.said = spoken()
    return fleet


def test_the_protocol_that_all_speak_is_set(upgraded):
    assert steps(upgraded.plan(op_version=True)) == [
        ("protocol 110000 on kvm1", {"gluster_one_upgrade": {"op_version": 110000}}),
        ("status of the pool of kvm1", None),
    ]


def test_where_the_pool_speaks_it_already_nothing_is_done(upgraded):
    upgraded.said = spoken(pool=110000)
    plan = upgraded.plan(op_version=True)
    assert steps(plan) == [] and plan["fine"].startswith(
        "nothing to do: the pool of kvm1, kvm2, kvm3 speaks version 110000"
    )


def test_who_does_not_speak_it_is_named(upgraded):
    upgraded.said = spoken(**{"10.0.0.2": 100000, "10.9.9.9": 0})
    first, second = upgraded.plan(op_version=True)["errors"]
    assert "a client of volume one_vol at 10.0.0.2 (kvm2) speaks version 100000, and 110000 is to be set" in first
    assert "at 10.9.9.9 (no accepted minion) speaks version unknown" in second


def test_an_older_server_is_named(upgraded):
    upgraded.views["kvm3"]["version"] = "10.3"
    upgraded.said = spoken(most=100000)
    (error,) = upgraded.plan(op_version=True)["errors"]
    assert error == f"kvm3 has Gluster 10.3 and others have 11.1: upgrade it first, `{AGAIN.format('before: kvm3')}`"


@pytest.mark.parametrize(
    "said", [None, "no", {"pool": "x"}, {**spoken(), "most": None}, {**spoken(), "clients": {"a": 1}}]
)
def test_what_is_not_known_is_no_yes(upgraded, said):
    upgraded.said = said
    (error,) = upgraded.plan(op_version=True)["errors"]
    assert "kvm1 does not say which versions of the protocol are spoken" in error


def test_it_is_not_set_while_one_is_rejected(upgraded):
    upgraded.upgraded(2)
    assert any("kvm1 has kvm2 as 'Peer Rejected'" in error for error in upgraded.plan(op_version=True)["errors"])


def status(*findings, absent=()):
    return {"data": {"absent": list(absent), "nodes": {"kvm1": {"findings": list(findings)}}}}


def finding(severity):
    return {"severity": severity, "on": "kvm2", "seen": "away", "cure": "start it"}


def test_the_end_is_a_pool_without_errors(fleet):
    looks = [status(finding("error")), status(absent=["kvm2"]), status(finding("warning"))]
    fleet.master.salt["gluster_one.status"] = lambda: looks.pop(0)
    assert fleet.runner.upgrade_well(["kvm1", "kvm2"]) == "status finds no error on kvm1, kvm2"
    fleet.master.salt["gluster_one.status"] = lambda: status(finding("error"))
    with pytest.raises(CommandExecutionError, match=r"after 5 s: kvm1: kvm2: away \(start it\): repair it, and"):
        fleet.runner.upgrade_well(["kvm1"], 5)
