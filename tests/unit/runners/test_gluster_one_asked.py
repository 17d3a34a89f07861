"""How the runner asks minions: whose answer counts, how long it is waited for, and whether that lets a server go."""

import itertools

import pytest
import salt.client

from ..conftest import CHECKOUT, Master, imported
from .test_gluster_one_answer import EVIL, FACTS, FINDING, NODE, PILLARS, report


class Bus:
    """A client of the master: what comes as events, and what the master has kept under their keys, one read later."""

    get_returns_no_block = None

    def __init__(self, events, kept):
        self.events, self.kept, self.looks = events, kept, 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def run_job(self, minions, *words, **more):
        return {"jid": "1", "minions": minions}

    def get_iter_returns(self, *words, **more):
        yield from [None, *({minion: {"ret": answer}} for minion, answer in self.events), None]

    def cmd_iter(self, *words, **more):
        yield from (event for event in self.get_iter_returns() if event)

    def kept_returns(self, jid, minions):
        self.looks += 1
        return {minion: self.kept[minion] for minion in minions if minion in self.kept and self.looks > 1}


def test_an_event_in_anothers_name_is_no_answer(monkeypatch):
    """Any minion that was asked knows the job, and may send an event that looks like another's return."""
    master = Master(monkeypatch, PILLARS)
    monkeypatch.undo()
    runner = imported(CHECKOUT / "_runners/gluster_one.py", __salt__=master.salt)
    bus = Bus([("kvm1", []), ("kvm9", "mine"), ("stranger", [])], {"kvm1": ["no"], "kvm9": "mine"})
    master.salt["gluster_one.kept_returns"] = bus.kept_returns
    monkeypatch.setattr(salt.client, "get_local_client", lambda mopts: bus)
    assert runner.ask(["kvm1", "kvm9"], "gluster_one.stop_blockers") == {"kvm1": ["no"], "kvm9": "mine"}


def test_more_minions_that_an_event_names_are_not_waited_for(monkeypatch):
    """Salt's client keeps waiting, as long as anybody says in their names that the job still runs."""
    master = Master(monkeypatch, PILLARS)
    monkeypatch.undo()
    runner = imported(CHECKOUT / "_runners/gluster_one.py", __salt__=master.salt)
    bus = Bus([("kvm1", 1), ("kvm9", 2)], {"kvm1": 1, "kvm9": 2})

    def endless(*words, **more):
        yield from Bus.get_iter_returns(bus)
        raise AssertionError("it goes on")

    bus.get_iter_returns = endless
    monkeypatch.setattr(runner.log, "warning", lambda *words: pytest.fail(str(words)))
    master.salt["gluster_one.kept_returns"] = bus.kept_returns
    monkeypatch.setattr(salt.client, "get_local_client", lambda mopts: bus)
    assert runner.ask(["kvm1", "kvm9"], "test.ping") == {"kvm1": 1, "kvm9": 2}


def test_a_job_that_runs_for_ever_is_waited_for_in_vain(monkeypatch):
    master = Master(monkeypatch, PILLARS)
    monkeypatch.undo()
    runner = imported(CHECKOUT / "_runners/gluster_one.py", __salt__=master.salt)
    bus = Bus([("kvm1", "well")], {"kvm1": "well"})
    master.salt["gluster_one.kept_returns"] = bus.kept_returns
    now = itertools.count(0, 10)
    monkeypatch.setattr(runner.time, "monotonic", lambda: next(now))
    monkeypatch.setattr(runner.time, "sleep", lambda seconds: None)
    bus.get_iter_returns = lambda *words, **more: itertools.chain([{"kvm1": {"ret": "well"}}], itertools.repeat(None))
    monkeypatch.setattr(salt.client, "get_local_client", lambda mopts: bus)
    assert runner.ask(["kvm1", "kvm9"], "test.ping") == {"kvm1": "well"}


def test_what_ends_salts_own_client_ends_no_look_at_the_others(monkeypatch):
    """A minion that answers `saltutil.find_job` with a number, or sends an odd event of the job."""
    master = Master(monkeypatch, PILLARS)
    monkeypatch.undo()
    runner = imported(CHECKOUT / "_runners/gluster_one.py", __salt__=master.salt)
    bus = Bus([], {"kvm1": "well", "kvm9": 5})
    master.salt["gluster_one.kept_returns"] = bus.kept_returns

    def broken(*words, **more):
        yield {"kvm1": {"ret": "well"}}
        raise TypeError("'int' object is not iterable")

    bus.get_iter_returns = broken
    monkeypatch.setattr(salt.client, "get_local_client", lambda mopts: bus)
    assert runner.ask(["kvm1", "kvm9"], "test.ping") == {"kvm1": "well", "kvm9": 5}


@pytest.mark.parametrize("opts", [{"job_cache": False}, {"ext_job_cache": "redis"}])
def test_a_master_that_keeps_no_returns_lets_no_server_go(monkeypatch, opts):
    master = Master(monkeypatch, PILLARS, **opts)
    answer = master.runner.ok_to_stop("kvm1")
    assert not answer["ok"] and answer["retcode"] == 1
    assert "job_cache: True" in answer["reasons"][0]


APART = {**FINDING, "kind": "client_apart", "on": "one_vol", "volume": "one_vol",
         "seen": "a client at 10.0.0.8 is not connected to kvm1:/data/one_vol"}  # fmt: skip
TWO = ["10.0.0.8", "10.1.0.8"]


@pytest.mark.parametrize(
    "names, given",
    [
        ({"kvm3": ["kvm3", *TWO, "fe80::1", "127.0.0.1"]}, [TWO]),
        ({"kvm3": [*TWO, "10.2.0.8"], "kvm9": ["10.2.0.8", "10.0.0.9", "10.1.0.9"]}, [TWO, ["10.0.0.9", "10.1.0.9"]]),
        ({"kvm3": TWO, "kvm9": TWO}, []),  # one of them says what is not so
        ({"kvm9": [*TWO, "10.0.0.3"], "kvm3": ["10.0.0.3"]}, [TWO]),
        ({"kvm9": ["10.0.0.2", "10.0.0.99"]}, []),  # of kvm2, which says nothing, as the master has its grains
        ({"kvm3": ["10.0.0.8"]}, []),
    ],
)
def test_what_hosts_say_of_their_addresses_makes_clients_one(monkeypatch, names, given):
    """Of the status, and of whether a server may go: both ask once more then."""
    master, asked = Master(monkeypatch, PILLARS, {"kvm2": {"ipv4": ["10.0.0.2"]}}), []

    def reported(minions, words):
        asked.append((minions, words.get("hosts")))
        found = [] if words.get("hosts") else [APART]
        reports = {minion: report(minion, names=names.get(minion, [minion])) for minion in PILLARS if minion != "kvm2"}
        return {**reports, "kvm1": report("kvm1", volumes={"one_vol": FACTS}, findings=found)}

    def blockers(minions, words):
        asked.append((minions, words.get("hosts")))
        return dict.fromkeys(minions, [] if words.get("hosts") else [f"without it {APART['seen']}"])

    nodes = {minion: {**NODE, "names": names.get(minion, [minion])} for minion in PILLARS if minion != "kvm2"}
    nodes["kvm1"]["roles"] = nodes["head"]["roles"] = ["hypervisor", "server"]
    master.answers = {
        "gluster_one.report": reported, "gluster_one_pillar.node": nodes, "glusterd.volumes": {"kvm9": ["one_vol"]},
        "gluster_one.machines": {"kvm9": []}, "gluster_one.apart": dict.fromkeys(PILLARS, {}),
        "gluster_one.stop_blockers": blockers,
    }  # fmt: skip
    kinds = [one["kind"] for one in master.runner.status()["data"]["findings"]]
    assert ("client_apart" in kinds) is (not given)
    assert asked[1:] == ([(["kvm1"], given)] if given else [])
    asked.clear()
    master.answers["saltutil.refresh_pillar"] = dict.fromkeys(PILLARS, True)
    master.answers["gluster_one_pillar.node"] = {**nodes, "kvm2": NODE}
    assert master.runner.rollout_plan()["hosts"] == given
    master.answers["gluster_one_pillar.node"] = nodes
    reasons = master.runner.ok_to_stop("kvm9")["reasons"]
    assert any("a client at" in reason for reason in reasons) is (not given)
    assert [hosts for _, hosts in asked] == [None, given][: 1 + bool(given)]


def test_who_is_busy_is_not_asked_whether_a_server_may_go(monkeypatch):
    volume = {"volumes": {"one_vol": {"servers": ["kvm1", "kvm2", "kvm3"]}}}
    master = Master(monkeypatch, dict.fromkeys(["kvm1", "kvm2", "kvm3"], volume))
    server = {**NODE, "roles": ["hypervisor", "server"]}
    master.answers = {
        "gluster_one_pillar.node": dict.fromkeys(master.pillars, server),
        "glusterd.volumes": dict.fromkeys(master.pillars, {}),
        "gluster_one.stop_blockers": {"kvm2": ["busy"], "kvm3": []},
    }
    assert master.runner.ok_to_stop("kvm1", restart=True)["reasons"] == ["busy (kvm2)"]
    assert master.runner.ok_to_stop("kvm1", restart=True, unasked=["kvm2"])["ok"]


def test_all_questions_together_have_a_limit(monkeypatch):
    """A minion that says that its job still runs is waited for once, not at each question."""
    master, now = Master(monkeypatch, PILLARS), [0]
    asked = []
    monkeypatch.undo()
    runner = imported(CHECKOUT / "_runners/gluster_one.py", __salt__=master.salt)
    monkeypatch.setattr(runner.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(runner, "_ours", lambda target: ["kvm1", "kvm9"])
    master.salt["gluster_one.accepted"] = lambda *words: ["kvm1", "kvm9"]
    bus = Bus([], {})
    master.salt["gluster_one.kept_returns"] = bus.kept_returns
    bus.run_job = lambda minions, function, **more: asked.append(function) or {"jid": "1", "minions": minions}

    def endless(*words, **more):
        while True:
            now[0] += 10
            yield None

    bus.get_iter_returns = endless
    monkeypatch.setattr(runner.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(salt.client, "get_local_client", lambda mopts: bus)
    said = runner.ok_to_stop("kvm1")
    assert not said["ok"] and "half of the time was spent on kvm1, kvm9, without an answer" in said["reasons"]
    assert now[0] <= 200 and asked == ["gluster_one_pillar.node"]


def test_one_that_says_it_is_still_at_it_takes_no_time_of_later_questions(monkeypatch):
    master, now, asked = Master(monkeypatch, PILLARS), [0], []
    real = imported(CHECKOUT / "_runners/gluster_one.py", __salt__=master.salt)
    server = {**NODE, "roles": ["hypervisor", "server"]}
    says = {"gluster_one_pillar.node": server, "glusterd.volumes": {"one_vol": {}}, "gluster_one.stop_blockers": []}
    monkeypatch.setattr(real.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(real.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + 1))
    bus = Bus([], {})
    bus.kept_returns = lambda jid, minions: {minion: bus.says for minion in minions if minion != EVIL}
    master.salt["gluster_one.kept_returns"] = bus.kept_returns

    def run_job(minions, function, **more):
        asked.append((function, EVIL in minions))
        bus.says = says[function]
        return {"jid": "1", "minions": minions}

    def came(jid, minions, **more):
        yield {minion: {"ret": bus.says} for minion in minions if minion != EVIL}
        while EVIL in minions:
            yield None

    bus.run_job, bus.get_iter_returns = run_job, came
    monkeypatch.setattr(salt.client, "get_local_client", lambda mopts: bus)
    monkeypatch.setattr(master.runner, "ask", real.ask)
    assert master.runner.ok_to_stop("kvm1", restart=True)["reasons"] == []
    assert [function for function, evil in asked if evil] == ["gluster_one_pillar.node"] and len(asked) >= 3


@pytest.mark.parametrize("silent", [[], ["kvm3"]])
def test_one_server_s_word_is_not_enough_where_there_is_another(monkeypatch, silent):
    master = Master(monkeypatch, PILLARS)
    monkeypatch.undo()
    runner = imported(CHECKOUT / "_runners/gluster_one.py", __salt__=master.salt)
    answers = {"kvm2": [], "kvm3": "Another transaction is in progress"}
    runner.ask = lambda minions, *words, **more: {minion: answers[minion] for minion in minions}
    others = ["kvm2"] if silent else ["kvm2", "kvm3"]
    assert runner._blockers(others, silent, {}, {}) != []
    answers["kvm3"] = []
    assert runner._blockers(["kvm2", "kvm3"], [], {}, {}) == []
    assert runner._blockers(["kvm2"], [], {}, {}) == []  # a pool of two


def test_servers_of_an_older_version_are_asked_as_they_understand_it(monkeypatch):
    master = Master(monkeypatch, PILLARS)
    refused = "ERROR executing 'gluster_one.stop_blockers': The following keyword arguments are not valid: hosts=[]"
    blockers = lambda minions, words: dict.fromkeys(minions, refused if "hosts" in words else [APART["seen"]])  # noqa: E731
    nodes = {minion: {**NODE, "names": [minion, *(TWO if minion == "kvm3" else [])]} for minion in PILLARS}
    nodes["kvm1"]["roles"] = ["hypervisor", "server"]
    master.answers = {
        "gluster_one_pillar.node": nodes, "glusterd.volumes": {"kvm9": ["one_vol"]},
        "gluster_one.machines": {"kvm9": []}, "gluster_one.apart": dict.fromkeys(PILLARS, {}),
        "gluster_one.stop_blockers": blockers,
    }  # fmt: skip
    reasons = master.runner.ok_to_stop("kvm9")["reasons"]
    assert "kvm1 may take one client for several, its modules are not the master's" in reasons[0]
    assert reasons[1] == f"{APART['seen']} (kvm1)" and not any("arguments" in reason for reason in reasons)
