"""What the reactor has repaired: recorded by the repair itself, shown by `history`, a finding where it goes on."""

import json

import pytest
from salt.exceptions import SaltInvocationError

from ..conftest import CHECKOUT, imported
from .conftest import FAILED
from .test_gluster_one_causes import fleet


@pytest.fixture
def history(minion, monkeypatch):
    """What `history` returns at the minion's time."""
    salt = minion.master.salt
    monkeypatch.setattr(minion.master.files["gluster_one_history"].time, "time", lambda: minion.now)
    return lambda *words, **more: salt["gluster_one.history"](*words, **more)["data"]


def shown(data):
    return imported(CHECKOUT / "_output/gluster_one.py", __opts__={}).output(data).splitlines()


def test_each_repair_is_there_the_latest_first(minion, history):
    assert history() == {"repairs": [], "flapping": {}} and shown(history()) == ["no repairs"]
    minion.reports("mount_dead")
    minion.answer = FAILED
    minion.reports("link", "heal")
    first = {"minion": "kvm1", "seconds": 0, "jid": "1", "sls": "gluster_one.mount"}
    assert history()["repairs"] == [
        {**first, "kind": "link", "on": ["/of/link"], "at": 8200, "did": "failed", "why": "x: no way"},
        {**first, "kind": "mount_dead", "on": ["/of/mount_dead"], "at": 4600, "did": "repaired", "why": None},
    ]
    lines = [line.split() for line in shown(history())]
    assert lines[0] == ["NODE", "FINDING", "REPAIRED", "FAILED", "LAST"]
    assert lines[1][:4] == ["kvm1", "link", "0", "1"] and lines[1][6:] == ["/of/link"]
    assert lines[2] == ["failed:", "x:", "no", "way"]
    assert lines[3][:4] == ["kvm1", "mount_dead", "1", "0"]
    assert history("kvm2")["repairs"] == []
    assert len(history(days=0.04)["repairs"]) == 1


def test_what_is_given_up_is_there(minion, history):
    minion.answer = FAILED
    for _ in range(5):
        minion.reports("brick_down")
    assert [one["did"] for one in history()["repairs"]] == ["gave_up", "failed", "failed", "failed"]
    assert shown(history())[-1].endswith("given up: x: no way")


def test_what_comes_back_again_and_again_is_a_finding(minion, history):
    flapping = minion.master.salt["gluster_one.flapping"]
    for count in range(4):
        assert bool(flapping(["kvm1"])) is (count >= 3)
        minion.reports("mount_dead", after=3600)
    minion.now += 300
    (one,) = flapping(["kvm1", "kvm2"])["kvm1"]
    assert (one["kind"], one["on"], one["column"]) == ("flapping", "mount_dead", "mount")
    assert one["seen"] == "repaired 4 times within 24 hours, last 5 min ago: /of/mount_dead"
    assert history()["flapping"] == {"kvm1": {"mount_dead": 4}} and " 4 ! " in shown(history())[1]
    assert flapping(["kvm2"]) == {}
    minion.now += 86400
    assert flapping(["kvm1"]) == {} and len(history()["repairs"]) == 4


def test_failures_do_not_flap(minion):
    minion.answer = FAILED
    for _ in range(3):
        minion.reports("brick_down", after=60)
    assert minion.master.salt["gluster_one.flapping"](["kvm1"]) == {}


def test_the_status_has_it(minion, history):
    for _ in range(3):
        minion.reports("mount_dead", after=60)
    data = fleet(minion.master, {})
    assert data["retcode"] == 1 and [one["kind"] for one in data["findings"]] == ["flapping"]
    (cause,) = data["causes"]
    assert (cause["severity"], cause["at"], cause["felt_by"]) == ("warning", ["kvm1"], ["kvm1"])
    assert cause["what"].startswith("kvm1: mount_dead: repaired 3 times within 24 hours, last 0 min ago: /of/")
    lines = shown(data)
    assert lines[1].startswith("kvm1: mount_dead: repaired 3 times")
    assert next(line for line in lines if line.startswith("kvm1  ")).split()[3:5] == ["flapping", "!"]
    away = fleet(minion.master, {}, silent=["kvm1"])
    assert [cause["kind"] for cause in away["causes"]] == ["silent"]


def test_a_minions_word_is_cut_and_cleaned(minion, history):
    places = {"mount_dead": ["\x1b[31m\u202e" + "x" * 10**6, *"abcdef"]}
    minion.runner.__salt__["gluster_one.reported_places"] = lambda name: places
    minion.answer = {"gluster_one.mount": {"a": {**FAILED["a"], "comment": "\x1b]0;title\x07\n" + "y" * 10**6}}}
    minion.reports("mount_dead")
    (one,) = history()["repairs"]
    assert len(one["on"]) == 3 and len(json.dumps(one)) < 2000
    assert one["on"][0].isprintable() and one["why"].isprintable()
    assert all(line.isprintable() for line in shown(history()))


@pytest.mark.parametrize(
    "found", [None, "x", [None, 1, {"kind": []}, {"kind": "link"}, {"kind": "link", "on": {}}, {"on": "/"}]]
)
def test_a_mine_of_any_shape(minion, found):
    minion.master.bank["mine", "kvm1"] = {"gluster_one.findings": {"findings": found}}
    assert minion.master.salt["gluster_one.reported_places"]("kvm1") == {}


def test_of_one_minion_a_hundred_are_kept(minion, history):
    for _ in range(120):
        minion.reports("mount_dead", after=60)
    kept = history()["repairs"]
    assert len(kept) == 100 and kept[0]["at"] == minion.now


def test_what_cannot_be_read_is_nothing(minion, history):
    minion.reports("mount_dead")
    fetch = minion.master.bank.fetch
    minion.master.bank.fetch = lambda bank, key: 1 / 0 if bank == "gluster_one/repairs" else fetch(bank, key)
    assert history()["repairs"] == [] and minion.master.salt["gluster_one.flapping"](["kvm1"]) == {}
    assert minion.reports("mount_dead") == "kvm1: mount_dead repaired"
    minion.master.bank.fetch = fetch
    assert len(history()["repairs"]) == 1


def test_the_job_cache_is_not_read(minion, history, monkeypatch):
    """A day's hundred thousand jobs are nothing that somebody waits for."""
    minion.reports("mount_dead")
    minion.runner.__salt__["gluster_one.kept_returns"] = None
    assert len(history()["repairs"]) == 1


def test_what_was_repaired_is_forgotten_with_its_minion(minion, history):
    minion.reports("mount_dead")
    minion.reports(after=3600)  # what is remembered for the next repair is gone by now
    assert minion.runner.forget(["kvm1", "kvm2"]) == ["kvm1"]
    assert history()["repairs"] == [] and minion.runner.forget("kvm1") == []


@pytest.mark.parametrize("days", [0, -1, "x", None, True, float("nan")])
def test_days_have_to_be_a_number(history, days):
    with pytest.raises(SaltInvocationError, match="days is .*: a number above 0 is needed"):
        history(days=days)


def test_a_target_of_nobody(history):
    with pytest.raises(SaltInvocationError, match="target is 'x\\*': no accepted minion of that name"):
        history("x*")
