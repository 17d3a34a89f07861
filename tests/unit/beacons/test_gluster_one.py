"""The beacon's memory and its mine."""

import os
import threading
import time

import pytest

from ..conftest import CHECKOUT, imported

DEAD = {"kind": "mount_dead", "on": "/0", "seen": "gone", "expected": "mounted", "severity": "error", "cure": "apply"}


class Look:
    def __init__(self, *findings):
        self.findings = list(findings)


@pytest.fixture
def event():
    """event(findings, at second, ...): what the beacon fires after that look."""
    beacon = imported(CHECKOUT / "_beacons/gluster_one.py")
    watch = {"known": {}}
    return lambda findings, now: beacon._event(watch, Look(*findings), 10, now)


def test_fires_when_a_finding_appears_and_when_it_goes(event):
    assert event([], 0) is None
    assert event([DEAD], 10) == {"tag": "changed", "found": [DEAD], "gone": []}
    assert event([DEAD], 20) is None
    assert event([], 30) == {"tag": "changed", "found": [], "gone": [{"kind": "mount_dead", "on": "/0"}]}
    assert event([], 40) is None


def test_reminds_more_and_more_seldom(event):
    fired = [now for now in range(0, 100_000, 10) if event([DEAD], now)]
    assert fired[:5] == [0, 20, 60, 140, 300]
    assert max(later - earlier for earlier, later in zip(fired, fired[1:])) == 3600


@pytest.fixture
def watched(tmp_path):
    """watched(check): the beacon's answer after it has looked with that, and what it has sent to the mine."""

    def make(check):
        sent = []
        salt = {"gluster_one.check": check, "mine.send": lambda *words, **named: sent.append((words, named))}
        module = imported(CHECKOUT / "_beacons/gluster_one.py", __salt__=salt, __opts__={"cachedir": str(tmp_path)})
        node = {"id": "kvm1", "names": ["kvm1", "kvm1.lab"], "beacon": {"interval": 60}}
        return module.beacon([{"node": node}]), sent

    return make


def test_what_was_seen_goes_into_the_mine_without_a_second_look(watched, execution):
    looks = []

    def check(**arguments):
        looks.append(arguments)
        return [DEAD]

    before = time.time()
    events, [(words, named)] = watched(check)
    assert events == [{"tag": "changed", "found": [DEAD], "gone": []}]
    assert looks == [{"pool": False, "heal": False, "node": looks[0]["node"]}], "and without asking Gluster"
    assert words == ("gluster_one.findings",)
    module = execution("gluster_one", __utils__={"gluster_hosts.own_names": lambda: {"kvm1"}})
    mine = module.findings(**named)
    said = {"findings": [DEAD], "names": ["kvm1", "kvm1.lab"]}
    assert mine == {"at": named["at"], **said} and before <= mine["at"] <= time.time()
    assert module.findings(found=[], at=5)["findings"] == []


def test_a_look_that_began_before_states_were_applied_says_nothing(watched, tmp_path):
    def check(**arguments):
        (tmp_path / "sls.p").touch()
        os.utime(tmp_path / "sls.p", (time.time() + 1, time.time() + 1))
        return [DEAD]

    assert watched(check) == ([], [])


def test_nothing_goes_into_the_mine_when_nothing_is_fired(watched):
    assert watched(lambda **arguments: []) == ([], [])


@pytest.mark.parametrize("hangs", [False, True])
def test_a_look_that_came_too_late_is_taken_anew_unless_it_hangs_again(monkeypatch, tmp_path, hangs):
    gates = [threading.Event(), threading.Event()]
    seen = iter([(gates[0], [DEAD]), (gates[1], [])])

    def check(**arguments):
        gate, findings = next(seen)
        gate.wait(10)
        return findings

    salt = {"gluster_one.check": check, "mine.send": lambda *words, **named: None}
    module = imported(CHECKOUT / "_beacons/gluster_one.py", __salt__=salt, __opts__={"cachedir": str(tmp_path)})
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    config = [{"node": {"id": "kvm1", "beacon": {"interval": 60}}}]
    assert [module.beacon(config), module.beacon(config)] == [[], []]
    (late,) = (thread for thread in threading.enumerate() if isinstance(thread, module._Look))
    gates[0].set()
    late.join()
    if not hangs:
        gates[1].set()
    expected = [{"tag": "changed", "found": [DEAD], "gone": []}] if hangs else []
    assert module.beacon(config) == expected
    gates[1].set()


@pytest.mark.parametrize(
    "config, valid",
    [
        ([{"node": {"roles": []}}], True),
        ([{"interval": 5}, {"node": {"roles": []}}], True),
        ([{"interval": "often"}, {"node": {"roles": []}}], False),
        ([{"interval": 5}], False),
        ([{"node": "kvm1"}], False),
        (["node"], False),
        ({"node": {"roles": []}}, False),
        ([], False),
        ("text", False),
        (None, False),
    ],
)
def test_configuration(config, valid):
    assert imported(CHECKOUT / "_beacons/gluster_one.py").validate(config)[0] is valid


@pytest.mark.parametrize("config", [[], [{"node": {"roles": []}}], [{"node": []}], "text", None])
def test_never_raises(config, tmp_path):
    """One that does ends all beacons of the minion; without modules, without a shape."""
    module = imported(CHECKOUT / "_beacons/gluster_one.py", __opts__={"cachedir": str(tmp_path)})
    assert module.beacon(config) == []


def test_repairs_are_sls_files_of_the_formula():
    kinds = imported(CHECKOUT / "_runners/gluster_one_kinds.py").kinds()
    runner = imported(CHECKOUT / "_runners/gluster_one_remediate.py", __salt__={"gluster_one.kinds": lambda: kinds})
    assert all((CHECKOUT / f"{sls.replace('.', '/')}.sls").exists() for sls in runner._repairs().values())
    assert set(runner.ONE_AT_A_TIME) <= set(runner._repairs().values())
