"""Whether a server may be upgraded, what follows it, and when the pool may speak a newer protocol."""

import itertools
import re
import types

import pytest
from salt.exceptions import CommandExecutionError

from ..conftest import Master
from .test_gluster_one_repair import MEMBER, REJECTED, VOLUMES, peer, uuid, volume
from .test_gluster_one_repair import view as repair_view

SETTINGS = {"bricks": "kvm1:/b kvm2:/b kvm3:/b", "status": "Started", "network.ping-timeout": "10"}
OLD, NEW = {**SETTINGS, "nfs.disable": "on"}, SETTINGS
DRIVER = {"needed": True, "package": "qemu-block-extra", "candidate": "1:10.0", "gluster": True}
AGAIN = "salt-run state.orchestrate gluster_one.orchestrate.upgrade pillar='{{{}}}'"


def view(number, *peers, version="10.3", replaced=(), settings=None, **more):
    settings = settings or (OLD if version < "11" else NEW)
    return {
        **repair_view(number, *peers, **more), "version": version, "replaced": list(replaced),
        "settings": {"one_vol": settings},
    }  # fmt: skip


class Fleet:
    """Three servers with Gluster 10.3, of which a test says how they are."""

    def __init__(self, monkeypatch):
        self.names = ["kvm1", "kvm2", "kvm3"]
        self.master = Master(monkeypatch, {name: {"volumes": VOLUMES} for name in self.names})
        self.views = {f"kvm{n}": view(n, *(peer(m) for m in (1, 2, 3) if m != n)) for n in (1, 2, 3)}
        self.driver, self.reasons, self.said = DRIVER, [], None
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
        ({}, "the pillar has none of before, after and op_version: give one of {before: SERVER}"),
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
        f"yours; after that `{AGAIN.format('after: kvm2')}`"
    )


@pytest.mark.parametrize(
    "change, text",
    [
        (lambda fleet: fleet.reasons.append("1 VM on kvm2: one-7"), "1 VM on kvm2: one-7: migrate it away"),
        (lambda fleet: fleet.reasons.append("2 VMs on kvm2: a, b"), "2 VMs on kvm2: a, b: migrate them away"),
        (lambda fleet: fleet.reasons.append("3 files of volume one_vol wait"), "3 files of volume one_vol wait"),
        (lambda fleet: fleet.views.update(kvm3=None), "kvm3 does not say how its glusterd is: no answer"),
        (lambda fleet: fleet.views.update(kvm3={}), "kvm3 does not say how its glusterd is: {}"),
        (lambda fleet: fleet.views["kvm3"].update(version="x"), "kvm3 does not say how its glusterd is"),
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


def test_before_names_one_that_is_rejected_since_its_upgrade(fleet):
    fleet.upgraded(1)
    errors = fleet.plan(before="kvm2")["errors"]
    assert errors and all(f"{REJECTED!r}: `{AGAIN.format('after: kvm1')}`" in error for error in errors)


@pytest.mark.parametrize("version", [6, 7])
def test_before_the_definitions_have_to_be_the_same(fleet, version):
    """One that is a version behind would take over that of the next one that comes back, just then."""
    fleet.upgraded(1, rejected=False, one_vol=volume(version, "2"))
    (error,) = fleet.plan(before="kvm2")["errors"]
    assert error.endswith(f"bricks would be restarted when kvm2 comes back: first `{AGAIN.format('after: kvm1')}`")


@pytest.mark.parametrize("driver, said", [({"candidate": None}, True), ({"candidate": None, "needed": False}, False)])
def test_before_says_what_apt_does_not_know(fleet, driver, said):
    fleet.driver = {**DRIVER, **driver}
    assert ("apt-cache show --no-all-versions qemu-block-extra" in fleet.plan(before="kvm2")["fine"]) is said


WAITS = {"volumes": ["one_vol"], "minions": ["kvm1", "kvm2", "kvm3"], "timeout": 86400, "hosts": []}
REST = [("formula on kvm1", None), ("heal", None), ("status of the pool", None)]


def part(what, **words):
    return (what, {"gluster_one_upgrade": words})


SAME = {"one_vol": 7}
BEFORE = ("heal before", None)
CONVERTED = [
    BEFORE,
    part("hold kvm3 meanwhile", hold=True),
    part("definitions on kvm2", convert=SAME, members=[uuid(1)]),
    part("definitions on kvm3", convert=SAME, members=[uuid(1), uuid(2)]),
    part("members", joined=True),
]


def test_after_where_all_are_members_and_agree(fleet):
    fleet.upgraded(1, rejected=False, checksum="1")
    plan = fleet.plan(after="kvm1")
    assert steps(plan) == REST
    assert plan["steps"][1]["waits"] == WAITS and "unforeseen" not in plan["steps"][0]
    assert plan["fine"].endswith(f"next: `{AGAIN.format('before: kvm2')}`")


@pytest.mark.parametrize("rejected", [True, False])
def test_after_the_first_one_the_others_are_converted(fleet, rejected):
    """Also where nobody has noticed it yet: the next restart of a glusterd would."""
    fleet.upgraded(1, rejected)
    plan = fleet.plan(after="kvm1", heal_timeout=5)
    assert steps(plan) == [*CONVERTED, *REST]
    assert plan["steps"][-2]["waits"] == {**WAITS, "timeout": 5}
    assert plan["steps"][0]["waits"] == {**WAITS, "timeout": 5, "minions": ["kvm3"], "rejected": True}
    assert [step["id"] for step in plan["steps"] if step.get("unforeseen")] == ["formula on kvm1"] * rejected


def test_after_the_reactor_must_not_start_what_is_held(fleet):
    fleet.upgraded(1)
    fleet.runner.__opts__["reactor"] = [{"gluster_one/findings": ["/srv/salt/gluster_one/reactor/remediate.sls"]}]
    (error,) = fleet.plan(after="kvm1")["errors"]
    assert error.startswith("glusterd of kvm3 is to be stopped for a while, and the reactor would start it meanwhile")
    fleet.master.pillars["kvm3"] = {"volumes": VOLUMES, "maintenance": True}
    assert steps(fleet.plan(after="kvm1")) == [*CONVERTED, *REST]


def test_after_a_run_that_was_killed_only_the_rest_is_converted(fleet):
    fleet.upgraded(1, rejected=False)
    fleet.views["kvm2"].update(volumes={"one_vol": volume(checksum="2")}, settings={"one_vol": NEW})
    for name in ("kvm1", "kvm2"):
        peers = fleet.views[name]["peers"]
        peers[:] = [peer(3, REJECTED) if each["uuid"] == uuid(3) else each for each in peers]
    fleet.views["kvm3"]["peers"] = [peer(1, REJECTED), peer(2, REJECTED)]
    assert steps(fleet.plan(after="kvm1")) == [BEFORE, *CONVERTED[3:], *REST]


def test_after_the_same_was_set_on_the_others_more_often(fleet):
    """As the upgraded one's is not the newest, it is raised first."""
    for name in ("kvm2", "kvm3"):
        fleet.views[name]["volumes"] = {"one_vol": volume(9)}
    fleet.upgraded(1)
    plan = steps(fleet.plan(after="kvm1"))
    assert plan[1] == part("definitions on kvm1", convert={"one_vol": 9})
    assert plan[3] == part("definitions on kvm2", convert={"one_vol": 9}, members=[uuid(1)])


def test_after_what_was_set_on_one_side_alone_is_refused(fleet):
    fleet.upgraded(1, settings={**NEW, "network.ping-timeout": "20"})
    errors = fleet.plan(after="kvm1")["errors"]
    assert len(errors) == 2
    assert "kvm1 and kvm2 differ in network.ping-timeout of volume one_vol: compare" in errors[0]


def test_after_another_volume_of_the_name(fleet):
    fleet.upgraded(1, one_vol=volume(7, "2", name=8))
    assert "kvm1 and kvm2 do not have the same volume one_vol" in fleet.plan(after="kvm1")["errors"][0]


def test_after_one_that_is_rejected_for_another_reason(fleet):
    fleet.upgraded(1, checksum="1")
    errors = fleet.plan(after="kvm1")["errors"]
    cure = "`salt-run state.orchestrate gluster_one.orchestrate.repair_peer pillar='{peer: kvm2}'`"
    assert errors[0] == f"kvm1 has kvm2 as 'Peer Rejected': {cure}" and len(errors) == 4


@pytest.mark.parametrize(
    "servers, upgraded, expected",
    [
        (2, 1, ["definitions 2"]),
        (3, 2, ["definitions 3"]),
        (4, 1, None),
        (5, 1, ["definitions 2", "hold 4", "hold 5", "definitions 3", "definitions 4", "definitions 5"]),
    ],
)
def test_nobody_is_left_without_the_majority_and_with_its_glusterd(fleet, servers, upgraded, expected):
    views = {f"kvm{n}": view(n, version="10.3" if n > upgraded else "11.1") for n in range(1, servers + 1)}
    for n in range(1, upgraded + 1):
        views[f"kvm{n}"]["volumes"] = {"one_vol": volume(checksum="2")}
    found = fleet.runner._conversion(views)
    views["kvm1"]["volumes"] = {"one_vol": volume(8, "2")}
    assert fleet.runner._conversion(views) is None or servers < 4, "the others would take over what is newer"
    assert (found and [re.sub(r"(\w+) (on )?kvm(\d).*", r"\1 \3", step["id"]) for step in found[1:-1]]) == expected


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
            "kvm2 has kvm1 as 'Accepted peer request': `salt-run state.orchestrate gluster_one."
            "orchestrate.repair_peer pillar='{peer: kvm1}'`",
        ),
    ],
)
def test_after_is_refused_with_the_cure(fleet, change, text):
    fleet.upgraded(1, rejected=False)
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
    assert steps(fleet.plan(after="kvm1")) == [*CONVERTED, *REST]
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
