"""Whether the servers of a pool may be prepared for an upgrade, one by one, and how a run that ended goes on."""

import itertools
import types

import pytest
from salt.exceptions import CommandExecutionError

from ..conftest import Master
from .test_gluster_one_repair import MEMBER, REJECTED, peer, uuid, volume
from .test_gluster_one_upgrade import AGAIN, LINES, SETTINGS, view

QUORUM = {"cluster.server-quorum-type": "server"}
PREPARE = f"`{AGAIN.format('prepare: true')}`"


class Pool:
    """Servers with Gluster 10.3 whose volume has a server quorum, in the middle of what a test says."""

    def __init__(self, monkeypatch, count=3):
        self.numbers = range(1, count + 1)
        self.names = [f"kvm{number}" for number in self.numbers]
        self.master = Master(
            monkeypatch, {name: {"volumes": {"one_vol": {"servers": self.names}}} for name in self.names}
        )
        self.runner, self.upgrade = self.master.files["gluster_one_prepare"], self.master.files["gluster_one_upgrade"]
        self.ticks = itertools.count(0, 1)
        clock = types.SimpleNamespace(
            monotonic=lambda: next(self.ticks), time=lambda: 5000 + next(self.ticks), sleep=lambda seconds: None,
            strftime=lambda how: how,
        )  # fmt: skip
        monkeypatch.setattr(self.runner, "time", clock)
        self.unhealed, self.pending = lambda: None, lambda: {"one_vol": 0}
        self.asked = []
        self.views = {
            f"kvm{number}": view(number, *(peer(other) for other in self.numbers if other != number),
                                 settings={**SETTINGS, **QUORUM})
            for number in self.numbers
        }  # fmt: skip
        self.master.answers = {
            "gluster_one_pillar.node": {
                name: {"errors": [], "roles": [], "volumes": {}, "batch": 1, "timeout": 60, "names": [name]}
                for name in self.names
            },
            "gluster_upgrade.view": lambda minions, arguments: self.views,
            "gluster_replace.unhealed": self.missing,
            "gluster_upgrade.unhealed": lambda minions, arguments: {name: self.pending() for name in minions},
        }

    def missing(self, minions, arguments):
        self.asked += minions
        return {name: self.unhealed() for name in minions}

    def begun(self, *converted, quorum="none", paused="server"):
        """The server quorum is off, and these have changed their definitions: the others reject them."""
        for number in self.numbers:
            own = self.views[f"kvm{number}"]
            own["settings"] = {"one_vol": {**SETTINGS, "cluster.server-quorum-type": quorum}}
            own["paused"] = {"one_vol": paused}
            own["lines"] = {} if number in converted else LINES
            own["peers"] = [
                peer(other, MEMBER if (other in converted) is (number in converted) else REJECTED)
                for other in self.numbers
                if other != number
            ]
        return self

    def stopped(self, number):
        """A run was killed between the stop and the start of its glusterd."""
        self.views[f"kvm{number}"]["running"] = False
        for own in self.views.values():
            own["peers"] = [{**each, "connected": each["connected"] and each["uuid"] != uuid(number)}
                            for each in own["peers"]]  # fmt: skip

    def plan(self):
        return self.upgrade.upgrade_plan(prepare=True)

    def steps(self):
        plan = self.plan()
        assert plan["errors"] == []
        return [step["id"] for step in plan["steps"]]


@pytest.fixture
def pool(monkeypatch):
    return Pool(monkeypatch)


END = ["look at the end, from kvm1", "server quorum on kvm1", "status of the pool of kvm1"]


def definitions(*numbers):
    return [text for number in numbers for text in (f"look before kvm{number}", f"definitions on kvm{number}")]


@pytest.mark.parametrize("count", [2, 3, 5, 7])
def test_one_after_the_other(monkeypatch, count):
    """However many there are: with no server quorum, nobody needs more than half of them."""
    pool = Pool(monkeypatch, count)
    assert pool.steps() == ["no server quorum on kvm1", *definitions(*pool.numbers), *END]


def test_what_each_step_is_told(pool):
    steps = {step["id"]: step for step in pool.plan()["steps"]}
    part = lambda name: steps[name]["pillar"]["gluster_one_upgrade"]  # noqa: E731
    assert part("no server quorum on kvm1") == {"pause": ["one_vol"]}
    assert part("definitions on kvm2") == {"definitions": True, "paused": ["one_vol"]}
    assert part("server quorum on kvm1") == {"resume": {"one_vol": "server"}}
    look = steps["look before kvm2"]["steady"]
    assert (look["minions"], look["stopped"]) == (pool.names, []) and 5000 <= look["at"] < 5100
    assert pool.plan()["fine"].endswith(f"next: `{AGAIN.format('before: kvm1')}`")


def test_a_volume_without_server_quorum_keeps_that_it_had_none(pool):
    for own in pool.views.values():
        own["settings"] = {"one_vol": SETTINGS, "two_vol": {**SETTINGS, **QUORUM}}
        own["volumes"] = {"one_vol": volume(), "two_vol": volume(name=8)}
    steps = {step["id"]: step for step in pool.plan()["steps"]}
    assert steps["no server quorum on kvm1"]["pillar"] == {"gluster_one_upgrade": {"pause": ["one_vol", "two_vol"]}}
    assert steps["server quorum on kvm1"]["pillar"] == {
        "gluster_one_upgrade": {"resume": {"one_vol": "none", "two_vol": "server"}}
    }


def test_where_nothing_is_to_do_nothing_is_done(pool):
    for own in pool.views.values():
        own["lines"] = {}
    plan = pool.plan()
    assert plan["steps"] == [] and plan["errors"] == []
    assert plan["fine"] == "nothing to do: no volume of kvm1, kvm2, kvm3 has what Gluster 11 drops"
    for own in pool.views.values():
        own.update(lines=LINES, version="11.1")
    assert pool.plan()["fine"].startswith("nothing to do")
    assert pool.asked == []


@pytest.mark.parametrize(
    "change, text",
    [
        (lambda views: views.update(kvm2=None), "kvm2 does not say how its glusterd is: no answer"),
        (lambda views: views["kvm2"].update(running=False), "`salt kvm2 state.apply gluster_one.started`"),
        (lambda views: views["kvm1"]["peers"].append(peer(7)), "kvm7, a member of the pool, is not among the servers"),
        (lambda views: views["kvm1"]["peers"].__setitem__(1, peer(3, REJECTED)), "kvm1 has kvm3 as 'Peer Rejected'"),
        (
            lambda views: views["kvm1"]["peers"].__setitem__(0, {**peer(2), "connected": False}),
            "kvm1 has kvm2 as disconnected",
        ),
        (lambda views: views["kvm3"].update(replaced=["glusterd"]), "kvm3 is being upgraded, glusterd there still"),
        (lambda views: views["kvm3"].update(bricks={"kvm3:/b": None}), "kvm3:/b is down: `salt kvm3 state.apply"),
        (lambda views: views["kvm3"].update(ends="bricks would end"), "kvm3: bricks would end"),
        (lambda views: views["kvm3"].update(asked=["nfs.disable"]), "the pillar of kvm3 has nfs.disable among"),
        (lambda views: views["kvm3"].update(snapshots=["daily"]), "kvm3 has the snapshot daily"),
        (
            lambda views: views["kvm3"]["volumes"].update(one_vol=volume(8)),
            "the version of volume one_vol is 7 on kvm1, 7 on kvm2, 8 on kvm3",
        ),
        (lambda views: views["kvm3"]["volumes"].update(one_vol=volume(7, "2")), "kvm1 and kvm3 differ in"),
        (lambda views: views["kvm3"].update(volumes={}), "kvm3 has no volume one_vol"),
        (lambda views: views["kvm3"].update(version="11.1"), "10.3 on kvm1, 10.3 on kvm2, 11.1 on kvm3): docs/upgr"),
        (
            lambda views: views["kvm3"].update(lines={}),
            "volume one_vol has a server quorum on kvm1: docs/upgrade.md, When it stops half way",
        ),
    ],
)
def test_it_is_not_begun(pool, change, text):
    change(pool.views)
    plan = pool.plan()
    assert any(text in error for error in plan["errors"]), plan["errors"]
    assert not plan.get("steps")


def test_an_nfs_server_is_not_turned_off(pool):
    for own in pool.views.values():
        own["lines"] = {"one_vol": {"nfs.disable": "off"}}
        own["settings"] = {"one_vol": {**SETTINGS, **QUORUM, "nfs.disable": "off"}}
    errors = pool.plan()["errors"]
    assert len(errors) == 1 and "volume one_vol has nfs.disable: off, and Gluster 11 of Debian has no NFS" in errors[0]


def test_it_is_not_begun_while_anything_waits_to_be_healed(pool):
    """Or a brick, a client or Gluster itself is not as it should be: each server says so, for some seconds."""
    said = itertools.chain([None, "3 files of volume one_vol wait to be healed"], itertools.repeat(None))
    pool.unhealed = lambda: next(said)
    assert pool.steps()[0] == "no server quorum on kvm1"
    assert set(pool.asked) == {"kvm1", "kvm2", "kvm3"}
    pool.unhealed = lambda: "it is not known which bricks of volume one_vol are online"
    plan = pool.plan()
    assert plan["errors"] == [
        "kvm1 says: it is not known which bricks of volume one_vol are online: wait until all is online, connected and "
        "healed, and run again"
    ]


@pytest.mark.parametrize(
    "converted, rest",
    [((), (1, 2, 3)), ((1,), (2, 3)), ((1, 2), (3,)), ((2,), (1, 3)), ((1, 2, 3), ())],
)
def test_a_run_that_ended_is_gone_on_with(pool, converted, rest):
    """With what is left, and the server quorum in any case."""
    pool.begun(*converted)
    assert pool.steps() == [*definitions(*rest), *END]
    assert pool.plan()["steps"][-2]["pillar"] == {"gluster_one_upgrade": {"resume": {"one_vol": "server"}}}
    assert pool.asked == [], "of servers that reject each other Gluster does not say it"


@pytest.mark.parametrize("converted", [(), (1,), (1, 2)])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_glusterd_that_was_left_stopped_comes_first(pool, converted, number):
    """Also where its definition is changed already."""
    pool.begun(*converted).stopped(number)
    rest = [other for other in pool.numbers if other not in converted and other != number]
    assert pool.steps() == [*definitions(number, *rest), *END]
    looks = [step["steady"]["stopped"] for step in pool.plan()["steps"] if "steady" in step]
    assert looks == [[f"kvm{number}"], *([[]] * (len(rest) + 1))]


def test_its_brick_need_not_run_before(pool):
    """As after a reset of the host in the middle."""
    pool.begun(1).stopped(2)
    pool.views["kvm2"]["bricks"] = {"kvm2:/b": None}
    assert pool.steps()[1] == "definitions on kvm2"
    pool.views["kvm3"]["bricks"] = {"kvm3:/b": None}
    assert "kvm3:/b is down" in pool.plan()["errors"][0]


def test_a_server_quorum_that_somebody_has_turned_on_is_turned_off_again(pool):
    pool.begun(quorum="server")
    assert pool.steps() == ["no server quorum on kvm1", *definitions(1, 2, 3), *END]
    pool.begun(1, quorum="server")
    assert pool.plan()["errors"] == [
        f"volume one_vol has a server quorum on kvm{number}: docs/upgrade.md, When it stops half way"
        for number in pool.numbers
    ]


@pytest.mark.parametrize(
    "change, text",
    [
        (lambda views: views.update(kvm2=None), "kvm2 does not say how its glusterd is: no answer"),
        (lambda views: views["kvm1"]["peers"].append(peer(7)), "kvm7, a member of the pool, is not among the servers"),
        (lambda views: views["kvm2"]["peers"].__setitem__(1, peer(3, REJECTED)), "kvm2 has kvm3 as 'Peer Rejected'"),
        (
            lambda views: views["kvm2"]["peers"].__setitem__(0, peer(1, "Accepted peer request")),
            "kvm2 has kvm1 as 'Accepted peer request'",
        ),
        (
            lambda views: views["kvm1"]["volumes"].update(one_vol=volume(8)),
            "the version of volume one_vol is 8 on kvm1, 7 on kvm2, 7 on kvm3: restart no glusterd",
        ),
        (lambda views: views["kvm3"].update(volumes={}), "the id of volume one_vol is "),
        (
            lambda views: views["kvm2"].update(settings={"one_vol": {**SETTINGS, "network.ping-timeout": "20"}}),
            "kvm1 and kvm2 differ in cluster.server-quorum-type, network.ping-timeout of volume one_vol",
        ),
        (lambda views: views["kvm3"].update(version="11.1"), "the servers have several versions of Gluster"),
        (lambda views: views["kvm3"].update(ends="bricks would end"), "kvm3: bricks would end"),
    ],
)
def test_it_does_not_go_on(pool, change, text):
    pool.begun(1)
    change(pool.views)
    plan = pool.plan()
    assert any(text in error for error in plan["errors"]), plan["errors"]
    assert not plan.get("steps")


def test_what_passes_by_itself_is_waited_for_in_the_middle(pool):
    pool.begun(1)
    later, looks = dict(pool.views), iter(range(3))
    away = {**later["kvm2"], "peers": [later["kvm2"]["peers"][0], {**peer(3), "connected": False}]}
    pool.master.answers["gluster_upgrade.view"] = lambda *_: later if next(looks, None) is None else {
        **later, "kvm2": away
    }  # fmt: skip
    assert pool.steps()[0] == "look before kvm2"


def steady(pool, **more):
    return pool.runner.upgrade_steady(pool.names, **{"timeout": 60, **more})


@pytest.mark.parametrize("converted", [(), (1,), (1, 2), (1, 2, 3)])
def test_between_two_servers(pool, converted):
    pool.begun(*converted)
    assert steady(pool, at=4500).startswith("kvm1, kvm2, kvm3 are as they have to be")


@pytest.mark.parametrize(
    "change, text",
    [
        (lambda pool: pool.views["kvm2"]["peers"].__setitem__(1, peer(3, REJECTED)), "kvm2 has kvm3 as 'Peer Rejec"),
        (lambda pool: pool.stopped(3), "glusterd does not run on kvm3"),
        (lambda pool: pool.views.update(kvm3=None), "kvm3 does not say how its glusterd is: no answer"),
        (lambda pool: pool.begun(1, quorum="server"), "volume one_vol has a server quorum on kvm1"),
        (lambda pool: pool.views["kvm1"]["volumes"].update(one_vol=volume(8)), "the version of volume one_vol is 8"),
        (lambda pool: setattr(pool, "pending", lambda: {"one_vol": 2}), "of what waits to be healed: {'one_vol': 2}"),
        (
            lambda pool: setattr(pool, "pending", lambda: {"one_vol": None}),
            "of what waits to be healed: {'one_vol': None}",
        ),
        (lambda pool: setattr(pool, "pending", lambda: "no"), "of what waits to be healed: no"),
    ],
)
def test_no_other_glusterd_is_stopped(pool, change, text):
    pool.begun(1)
    change(pool)
    with pytest.raises(CommandExecutionError) as error:
        steady(pool)
    assert f"no other glusterd is stopped: {'kvm1 says ' if 'healed' in text else ''}{text}" in str(error.value)
    assert f"then run {PREPARE} again, which goes on" in str(error.value)


def test_one_that_was_left_stopped_need_not_run_before_its_own_step(pool):
    """Meanwhile Gluster does not say what waits to be healed."""
    pool.begun(1).stopped(2)
    pool.pending = lambda: {"one_vol": None}
    assert steady(pool, stopped=["kvm2"]).startswith("kvm1, kvm2, kvm3 are")


def test_a_brick_that_was_restarted_ends_it_at_once(pool):
    pool.begun(1)
    pool.views["kvm1"]["bricks"] = {"kvm1:/b": 20}
    with pytest.raises(CommandExecutionError, match="no other glusterd is stopped: kvm1:/b has not run on; then run"):
        steady(pool, at=4900)
    assert next(pool.ticks) < 20
    pool.views["kvm1"]["bricks"] = {"kvm1:/b": 1000}
    assert steady(pool, at=4900)


def test_that_peers_come_and_go_is_not_steady(pool):
    pool.begun(1)
    first, second = pool.views, Pool.__new__(Pool)
    second.__dict__.update(pool.__dict__, views={name: dict(own) for name, own in pool.views.items()})
    second.views["kvm1"]["peers"] = [peer(2), peer(3)]
    both = itertools.cycle([first, second.views])
    pool.master.answers["gluster_upgrade.view"] = lambda *_: next(both)
    with pytest.raises(CommandExecutionError, match="no other glusterd is stopped: the states of peers change"):
        steady(pool)
