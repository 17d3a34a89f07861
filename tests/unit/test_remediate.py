"""What the reactor's runner makes of a minion's findings, a job after another."""

import contextlib

import pytest
import salt.cache
import salt.client

from .conftest import CHECKOUT, imported

CHANGED = {"a": {"name": "x", "result": True, "changes": {"x": "y"}, "comment": "done"}}
NOTHING = {"a": {"name": "x", "result": True, "changes": {}, "comment": "as wanted"}}
FAILED = {"a": {"name": "x", "result": False, "changes": {}, "comment": "no way"}}


class Bank(dict):
    """The master's cache."""

    def fetch(self, bank, key):
        return dict(self.get((bank, key), {}))

    def store(self, bank, key, data):
        self[bank, key] = data

    def flush(self, bank, key):
        self.pop((bank, key), None)


class Minion:
    """kvm1 as the master sees it: what it reports, what its pillar has, what a job answers, what was done."""

    def __init__(self, monkeypatch, tmp_path):
        self.now, self.at, self.found, self.pillar, self.answer = 1000, 0, [], {}, CHANGED
        self.jobs, self.fired, self.locks = [], [], []
        self.runner = imported(
            CHECKOUT / "_runners/gluster_one_remediate.py",
            __opts__={"cachedir": str(tmp_path)},
            __salt__={
                "mine.get": lambda *words: {
                    "kvm1": {"at": self.at, "findings": [{"kind": kind} for kind in self.found]}
                },
                "pillar.show_pillar": lambda minion: {"gluster_one": self.pillar},
                "event.send": lambda tag, data: self.fired.append((tag, data)),
            },
        )
        monkeypatch.setattr(self.runner, "_accepted", lambda *words: ["kvm1"])
        monkeypatch.setattr(self.runner.time, "time", lambda: self.now)
        lock, bank = self.runner._lock, Bank()
        monkeypatch.setattr(self.runner, "_lock", lambda name, *rest: self.locks.append(name) or lock(name, *rest))
        monkeypatch.setattr(salt.cache, "factory", lambda opts: bank)
        monkeypatch.setattr(salt.client, "get_local_client", lambda mopts: contextlib.nullcontext(self))

    def cmd(self, target, function, arguments, **more):
        assert (target, function, more["tgt_type"]) == (["kvm1"], "state.apply", "list")
        self.jobs.append(arguments[0])
        mods = arguments[0].split(",")
        answers = self.answer if set(mods) <= set(self.answer) else dict.fromkeys(mods, self.answer)
        states = {sls: {**state, "__sls__": sls} for sls, answer in answers.items() for state in answer.values()}
        return {"kvm1": states}

    def reports(self, *kinds, after=3600):
        """The minion has looked again, so many seconds later; returns what the runner says then."""
        self.now, self.at, self.found = self.now + after, self.at + 1, kinds
        return self.runner.remediate("kvm1")


@pytest.fixture
def minion(monkeypatch, tmp_path):
    return Minion(monkeypatch, tmp_path)


def test_puts_right_what_was_found_in_one_job(minion):
    assert minion.reports("mount_dead", "fstab", "volume_option", "heal") == (
        "kvm1: volume_option put right; mount_dead put right; fstab put right"
    )
    assert minion.jobs == ["gluster_one.volume,gluster_one.mount"]


def test_the_same_report_starts_no_second_job(minion):
    minion.reports("mount_dead")
    assert "not looked at again" in minion.runner.remediate("kvm1")
    assert len(minion.jobs) == 1


@pytest.mark.parametrize("roles, sls", [(["head"], "datastore"), (["hypervisor"], "mount"), (None, "mount")])
def test_a_link_is_made_where_the_formula_makes_it(minion, roles, sls):
    minion.pillar = {"roles": roles}
    assert minion.reports("link") == "kvm1: link put right"
    assert minion.jobs == [f"gluster_one.{sls}"]


def test_gives_up_one_kind_and_puts_right_another(minion):
    minion.answer = FAILED
    for _ in range(3):
        assert minion.reports("brick_down") == "kvm1: brick_down could not be put right: x: no way"
    assert minion.fired == [("gluster_one/kvm1/gave_up", {"kinds": ["brick_down"], "why": "x: no way"})]
    assert minion.reports("brick_down") == "kvm1: brick_down was given up after 3 failures"
    minion.answer = CHANGED
    said = minion.reports("brick_down", "mount_dead")
    assert said == "kvm1: brick_down was given up after 3 failures; mount_dead put right"
    assert minion.jobs == ["gluster_one.started"] * 3 + ["gluster_one.mount"]
    assert minion.locks.count("servers") == 3
    assert len(minion.fired) == 1


def test_each_sls_of_a_job_is_judged_for_itself(minion):
    minion.answer = {"gluster_one.started": FAILED, "gluster_one.mount": CHANGED}
    said = minion.reports("glusterd_down", "mount_gone")
    assert said == "kvm1: glusterd_down could not be put right: x: no way; mount_gone put right"
    minion.answer = {"gluster_one.volume": NOTHING, "gluster_one.started": CHANGED}
    said = minion.reports("volume_option", "brick_down")
    assert "volume_option could not be put right: the formula finds nothing to change" in said
    assert "brick_down put right" in said
    minion.answer = {"gluster_one.pillar": FAILED, "gluster_one.mount": {}}
    assert minion.reports("mount_gone") == "kvm1: mount_gone could not be put right: x: no way"


def test_one_kind_waits_and_another_does_not(minion):
    minion.answer = FAILED
    minion.reports("brick_down")
    said = minion.reports("brick_down", "mount_dead", after=5)
    assert said == "kvm1: brick_down is tried again in 10 s; mount_dead could not be put right: x: no way"
    assert minion.jobs == ["gluster_one.started", "gluster_one.mount"]


def test_begins_anew_once_the_finding_was_gone(minion):
    minion.answer = FAILED
    for _ in range(4):
        minion.reports("brick_down", "mount_dead")
    assert minion.reports("mount_dead") == "kvm1: mount_dead was given up after 3 failures"
    assert minion.reports() == "kvm1 has reported nothing that could be put right"
    minion.answer = CHANGED
    assert minion.reports("brick_down") == "kvm1: brick_down put right"


def test_one_kind_that_was_gone_is_new_while_another_stays(minion):
    minion.answer = FAILED
    for _ in range(3):
        minion.reports("brick_down", "mount_dead")
    minion.reports("mount_dead")
    said = minion.reports("brick_down", "mount_dead")
    assert said == "kvm1: brick_down could not be put right: x: no way; mount_dead was given up after 3 failures"


def test_a_repair_that_changes_nothing_is_given_up(minion):
    minion.answer = NOTHING
    said = [minion.reports("volume_option") for _ in range(5)]
    assert said[:3] == ["kvm1: volume_option could not be put right: the formula finds nothing to change there"] * 3
    assert said[3:] == ["kvm1: volume_option was given up after 3 failures"] * 2
    assert len(minion.jobs) == 3
    assert [data["kinds"] for _, data in minion.fired] == [["volume_option"]]


def test_what_breaks_again_and_again_is_put_right_each_time(minion):
    for _ in range(5):
        assert minion.reports("mount_dead", after=1) == "kvm1: mount_dead put right"


@pytest.mark.parametrize(
    "kind, reported",
    [
        ("datastore", "datastore_gone"),
        ("volume_option", "volume_stopped"),
        ("volume_option", "volume_gone"),
        ("volume_option", "peer_gone"),
    ],
)
def test_undoes_nothing_that_somebody_may_have_meant(minion, kind, reported):
    held = f"{kind} is left: {reported} is to be looked at by somebody first"
    assert minion.reports(kind, reported) == f"kvm1: {held}"
    assert minion.jobs == []
    assert minion.reports(kind, reported, "mount_dead") in (
        f"kvm1: {held}; mount_dead put right", f"kvm1: mount_dead put right; {held}",
    )  # fmt: skip
    assert minion.jobs == ["gluster_one.mount"]
    assert minion.reports(kind) == f"kvm1: {kind} put right"


def test_a_link_of_the_head_is_not_put_right_by_creating_a_datastore(minion):
    minion.pillar = {"roles": ["head"]}
    assert "datastore_gone is to be looked at" in minion.reports("link", "datastore_gone")
    assert minion.jobs == []


def test_a_mount_that_is_used_is_not_undone_for_another_mounts_sake(minion):
    """Of the same SLS file: it would take the one whose client the bricks have refused, too."""
    assert "mount_held is to be looked at" in minion.reports("link", "mount_held")
    assert minion.jobs == []


def test_every_sls_that_is_held_is_one_that_is_applied(minion):
    assert set(minion.runner.HELD_BY) <= set(minion.runner.REPAIRS.values())
    assert not {kind for kinds in minion.runner.HELD_BY.values() for kind in kinds} & set(minion.runner.REPAIRS)


def test_only_what_the_pillar_names_and_nothing_under_maintenance(minion):
    minion.pillar = {"remediate": ["link"]}
    assert minion.reports("mount_dead", "link") == "kvm1: mount_dead is to be left as it is; link put right"
    minion.pillar = {"maintenance": True}
    assert minion.reports("mount_gone") == "kvm1 is under maintenance"
    assert minion.jobs == ["gluster_one.mount"]


def test_what_came_right_meanwhile_is_no_failure(minion):
    minion.answer = FAILED

    def cmd(*words, **more):
        minion.found = ["heal"]
        return {"kvm1": {"a": {**FAILED["a"], "__sls__": "gluster_one.mount"}}}

    minion.cmd = cmd
    assert minion.reports("mount_dead") == "kvm1: mount_dead put right"


def test_a_mine_of_any_shape_is_nothing_to_do(minion):
    for mine in (None, [], {"findings": 1}, {"findings": [1, {}, {"kind": ["x"]}, {"kind": "other"}]}):
        minion.runner.__salt__["mine.get"] = lambda *words, mine=mine: {"kvm1": mine}
        assert minion.runner.remediate("kvm1") == "kvm1 has reported nothing that could be put right"
