"""What the reactor's runner makes of a minion's findings, a job after another."""

import contextlib
import fcntl
import itertools
import os
import time

import pytest
import salt.cache
import salt.client
import salt.utils.minions
from hypothesis import given

from ..conftest import Master
from .test_gluster_one_answer import answers, many

CHANGED = {"a": {"name": "x", "result": True, "changes": {"x": "y"}, "comment": "done"}}
NOTHING = {"a": {"name": "x", "result": True, "changes": {}, "comment": "as wanted"}}
FAILED = {"a": {"name": "x", "result": False, "changes": {}, "comment": "no way"}}


SERVER = {"volumes": {"one_vol": {"servers": ["kvm1", "kvm2"]}}}


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

    get_returns_no_block = None

    def __init__(self, monkeypatch, tmp_path):
        self.now, self.at, self.found, self.answer, self.names = 1000, 0, [], CHANGED, []
        self.jobs, self.fired, self.turns, self.mines = [], [], [], 0
        self.master = Master(monkeypatch, {"kvm1": SERVER, "kvm2": SERVER}, cachedir=str(tmp_path))
        self.runner = self.master.remediation
        self.runner.__salt__["mine.get"] = self.mine
        self.runner.__salt__["gluster_one.kept_returns"] = self.kept_returns
        self.runner.__salt__["event.send"] = lambda tag, data: self.fired.append((tag, data))
        monkeypatch.setattr(self.runner.time, "time", lambda: self.now)
        flock, bank = self.runner.fcntl.flock, Bank()
        monkeypatch.setattr(
            self.runner.fcntl, "flock", lambda stream, how: self.turns.append(stream.name) or flock(stream, how)
        )
        monkeypatch.setattr(salt.cache, "factory", lambda opts: bank)
        monkeypatch.setattr(salt.client, "get_local_client", lambda mopts: contextlib.nullcontext(self))

    def mine(self, minions, *words):
        self.mines += 1
        return {"kvm1": {"at": self.at, "findings": [{"kind": kind} for kind in self.found], "names": self.names}}

    @property
    def pillar(self):
        return self.master.pillars["kvm1"]

    @pillar.setter
    def pillar(self, settings):
        self.master.pillars["kvm1"] = {**SERVER, **settings}

    def run_job(self, *words, **more):
        self.kept = {minion: {"ret": answer} for minion, answer in self.cmd(*words, **more).items()}
        return {"jid": "1", "minions": ["kvm1"]}

    def get_iter_returns(self, *words, **more):
        yield None
        yield self.kept

    def kept_returns(self, jid, minions):
        return {minion: self.kept[minion]["ret"] for minion in minions if minion in self.kept}

    def cmd(self, target, function, arguments, **more):
        assert (target, function, more["tgt_type"]) == (["kvm1"], "state.apply", "list")
        self.jobs.append(arguments[0])
        mods = arguments[0].split(",")
        answers = self.answer if set(mods) <= set(self.answer) else dict.fromkeys(mods, self.answer)
        states = {
            f"{sls}{key}": {**state, "__sls__": sls} for sls, answer in answers.items() for key, state in answer.items()
        }
        return {"kvm1": states}

    def reports(self, *kinds, after=3600):
        """The minion has looked again, so many seconds later; returns what the runner says then."""
        self.now, self.at, self.found = self.now + after, self.at + 1, kinds
        return self.runner.remediate("kvm1")


@pytest.fixture
def minion(monkeypatch, tmp_path):
    return Minion(monkeypatch, tmp_path)


def test_a_server_by_a_name_that_only_the_minion_resolves(minion):
    minion.pillar = {"volumes": {"one_vol": {"servers": ["kvm1.lab", "kvm2.lab"]}}}
    assert "is ignored: by its pillar this minion cannot have it" in minion.reports("glusterd_down")
    minion.names = ["10.0.0.1", "kvm1", "kvm1.lab", {}]
    assert minion.reports("glusterd_down") == "kvm1: glusterd_down repaired"


def test_puts_right_what_was_found_in_one_job(minion):
    assert minion.reports("mount_dead", "fstab", "volume_option", "heal") == (
        "kvm1: volume_option repaired; mount_dead repaired; fstab repaired"
    )
    assert minion.jobs == ["gluster_one.volume,gluster_one.mount"]


def test_the_same_report_starts_no_second_job(minion):
    minion.reports("mount_dead")
    minion.now += 5
    assert "has not been checked again" in minion.runner.remediate("kvm1")
    assert len(minion.jobs) == 1


@pytest.mark.parametrize("roles, sls", [(["head"], "datastore"), (["hypervisor"], "mount"), (None, "mount")])
def test_a_link_is_made_where_the_formula_makes_it(minion, roles, sls):
    minion.pillar = {"roles": roles}
    assert minion.reports("link") == "kvm1: link repaired"
    assert minion.jobs == [f"gluster_one.{sls}"]


def test_gives_up_one_kind_and_puts_right_another(minion):
    minion.answer = FAILED
    for _ in range(3):
        assert minion.reports("brick_down") == "kvm1: brick_down could not be repaired: x: no way"
    assert minion.fired == [], "it may have come right by the next look"
    assert minion.reports("brick_down") == "kvm1: brick_down was given up after 3 failures"
    assert minion.fired == [("gluster_one/kvm1/gave_up", {"kinds": ["brick_down"], "why": "x: no way"})]
    minion.answer = CHANGED
    said = minion.reports("brick_down", "mount_dead")
    assert said == "kvm1: brick_down was given up after 3 failures; mount_dead repaired"
    assert minion.jobs == ["gluster_one.started"] * 3 + ["gluster_one.mount"]
    assert len([name for name in minion.turns if "/servers/" in name]) == 3
    assert len(minion.fired) == 1


def test_each_sls_of_a_job_is_judged_for_itself(minion):
    minion.answer = {"gluster_one.started": FAILED, "gluster_one.mount": CHANGED}
    said = minion.reports("glusterd_down", "mount_gone")
    assert said == "kvm1: glusterd_down could not be repaired: x: no way; mount_gone repaired"
    minion.answer = {"gluster_one.volume": NOTHING, "gluster_one.started": CHANGED}
    said = minion.reports("volume_option", "brick_down")
    assert "volume_option could not be repaired: the formula finds nothing to change" in said
    assert "brick_down repaired" in said
    minion.answer = {"gluster_one.pillar": FAILED, "gluster_one.mount": {}}
    assert minion.reports("mount_gone") == "kvm1: mount_gone could not be repaired: x: no way"


def test_one_kind_waits_and_another_does_not(minion):
    minion.answer = FAILED
    minion.reports("brick_down")
    said = minion.reports("brick_down", "mount_dead", after=5)
    assert said == "kvm1: brick_down is tried again in 10 s; mount_dead could not be repaired: x: no way"
    assert minion.jobs == ["gluster_one.started", "gluster_one.mount"]


def test_begins_anew_once_the_finding_was_gone(minion):
    minion.answer = FAILED
    for _ in range(4):
        minion.reports("brick_down", "mount_dead")
    assert minion.reports("mount_dead") == "kvm1: mount_dead was given up after 3 failures"
    assert minion.reports() == "kvm1 has reported nothing that could be repaired"
    minion.answer = CHANGED
    assert minion.reports("brick_down") == "kvm1: brick_down repaired"


def test_one_kind_that_was_gone_is_new_while_another_stays(minion):
    minion.answer = FAILED
    for _ in range(3):
        minion.reports("brick_down", "mount_dead")
    minion.reports("mount_dead")
    said = minion.reports("brick_down", "mount_dead")
    assert said == "kvm1: brick_down could not be repaired: x: no way; mount_dead was given up after 3 failures"


def test_a_repair_that_changes_nothing_is_given_up(minion):
    minion.answer = NOTHING
    said = [minion.reports("volume_option") for _ in range(5)]
    assert said[:3] == ["kvm1: volume_option could not be repaired: the formula finds nothing to change there"] * 3
    assert said[3:] == ["kvm1: volume_option was given up after 3 failures"] * 2
    assert len(minion.jobs) == 3
    assert [data["kinds"] for _, data in minion.fired] == [["volume_option"]]


def test_what_breaks_again_and_again_is_put_right_each_time(minion):
    for _ in range(5):
        assert minion.reports("mount_dead", after=5) == "kvm1: mount_dead repaired"


@pytest.mark.parametrize("kind", ["glusterd_down", "brick_down", "glusterd_option"])
@pytest.mark.parametrize("still", [True, False])
def test_a_server_that_says_it_came_right_has_no_turn_after_another(minion, kind, still):
    cmd = minion.cmd

    def leaves_out(*words, **more):
        minion.found = minion.found if still else ()
        return cmd(*words, **more)

    minion.cmd = leaves_out
    for _ in range(100):
        minion.reports(kind, after=6)
    assert len(minion.jobs) == 3
    assert [data["kinds"] for _, data in minion.fired] == [[kind]]
    assert minion.reports(kind, after=20) == f"kvm1: {kind} repaired", "time has passed"


def test_good_repairs_are_no_failures(minion):
    """One failure after two of them does not give a server up for ever."""
    minion.reports("brick_down", after=10)
    minion.reports("brick_down", after=10)
    minion.answer = FAILED
    assert "could not be repaired" in minion.reports("brick_down", after=10)
    assert minion.fired == []
    minion.answer = CHANGED
    assert minion.reports("brick_down", after=60) == "kvm1: brick_down repaired"
    assert minion.reports("brick_down", after=10) == "kvm1: brick_down has come back, and is tried again in 590 s"
    assert minion.reports("brick_down", after=700) == "kvm1: brick_down repaired"


@pytest.mark.parametrize("failed, said", [(0, ""), (1, ", with 1 failure")])
def test_it_has_come_back_once_it_was_looked_at_again(minion, failed, said):
    """What the mine had before the last repair says nothing of it, however many events come."""
    minion.answer = FAILED
    for _ in range(failed):
        minion.reports("brick_down", after=20)
    minion.answer = CHANGED
    for _ in range(3):
        minion.reports("brick_down", after=20)
    minion.now += 5
    assert "has not been checked again" in minion.runner.remediate("kvm1")
    assert minion.fired == []
    for _ in range(2):
        minion.reports("brick_down", after=20)
    why = f"repaired 3 times within ten minutes{said}, it has come back"
    assert minion.fired == [("gluster_one/kvm1/gave_up", {"kinds": ["brick_down"], "why": why})]


@pytest.mark.parametrize("part", [{"maintenance": True}, {"error": "no such thing"}])
def test_what_was_said_and_what_is_gone_is_kept_where_nothing_may_be_done(minion, part):
    for _ in range(3):
        minion.reports("brick_down", after=6)
    minion.answer = FAILED
    for _ in range(3):
        minion.reports("link", after=60)
    minion.fired.clear()
    rights = minion.runner.__salt__["gluster_one.rights"]
    minion.runner.__salt__["gluster_one.rights"] = lambda *words: {**rights(*words), **part}
    for _ in range(5):
        minion.reports("brick_down", "mount_dead", after=6)
    assert [data["kinds"] for _, data in minion.fired] == [["brick_down"]]
    minion.reports("mount_dead", after=700)
    minion.runner.__salt__["gluster_one.rights"] = rights
    assert minion.reports("link", after=6) == "kvm1: link could not be repaired: x: no way", "it is new"


def test_what_worked_and_breaks_much_later_is_put_right_each_time(minion):
    for _ in range(9):
        assert minion.reports("brick_down", after=700) == "kvm1: brick_down repaired"
    assert minion.fired == []


def test_a_repair_takes_no_failure_away(minion):
    """That it came right is the minion's word: between two failures it may say so as often as it likes."""
    for answer in (FAILED, CHANGED, FAILED, CHANGED, FAILED):
        minion.answer = answer
        minion.reports("mount_dead", after=70)
    assert minion.reports("mount_dead", after=70) == "kvm1: mount_dead was given up after 3 failures"


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
    minion.pillar = {"roles": ["hypervisor", "head"]} if kind == "datastore" else {}
    held = f"{kind} is not repaired: {reported} has to be looked at by a person first"
    assert minion.reports(kind, reported) == f"kvm1: {held}"
    assert minion.jobs == []
    assert minion.reports(kind, reported, "mount_dead") in (
        f"kvm1: {held}; mount_dead repaired", f"kvm1: mount_dead repaired; {held}",
    )  # fmt: skip
    assert minion.jobs == ["gluster_one.mount"]
    assert minion.reports(kind) == f"kvm1: {kind} repaired"


def test_a_link_of_the_head_is_not_put_right_by_creating_a_datastore(minion):
    minion.pillar = {"roles": ["head"]}
    assert "datastore_gone has to be looked at" in minion.reports("link", "datastore_gone")
    assert minion.jobs == []


def test_a_mount_that_is_used_is_not_undone_for_another_mounts_sake(minion):
    """Of the same SLS file: it would unmount the one whose client the bricks have rejected, too."""
    assert "mount_held has to be looked at" in minion.reports("link", "mount_held")
    assert minion.jobs == []


def test_every_sls_that_is_held_is_one_that_is_applied(minion):
    table, repairs = minion.runner.__salt__["gluster_one.kinds"](), minion.runner._repairs()
    holds = {kind: has["holds"] for kind, has in table.items() if "holds" in has}
    assert holds and set(holds.values()) <= set(repairs.values())
    assert not set(holds) & set(repairs)


def test_only_what_the_pillar_names_and_nothing_under_maintenance(minion):
    minion.pillar = {"remediate": ["link"]}
    assert (
        minion.reports("mount_dead", "link")
        == "kvm1: mount_dead is not repaired: remediate of the pillar leaves it out; link repaired"
    )
    minion.pillar = {"maintenance": True}
    assert minion.reports("mount_gone") == "kvm1 is under maintenance"
    assert minion.jobs == ["gluster_one.mount"]


def test_what_came_right_meanwhile_is_no_failure(minion):
    minion.answer = FAILED

    def cmd(*words, **more):
        minion.found = ["heal"]
        return {"kvm1": {"a": {**FAILED["a"], "__sls__": "gluster_one.mount"}}}

    minion.cmd = cmd
    assert minion.reports("mount_dead") == "kvm1: mount_dead repaired"


def test_a_mine_of_any_shape_is_nothing_to_do(minion):
    for mine in (None, [], {"findings": 1}, {"findings": [1, {}, {"kind": ["x"]}, {"kind": "other"}]}):
        minion.now += 5
        minion.runner.__salt__["mine.get"] = lambda *words, mine=mine: {"kvm1": mine}
        assert minion.runner.remediate("kvm1") == "kvm1 has reported nothing that could be repaired"


@pytest.mark.parametrize(
    "settings, kept",
    [
        ({"minion_data_cache": False}, False),
        ({"minion_data_cache": True}, True),
        ({"minion_data_cache": False, "enforce_mine_cache": True}, True),
    ],
)
def test_a_master_that_keeps_no_mine(minion, caplog, settings, kept):
    """Nothing that is known is not the same as nothing that is wrong."""
    minion.runner.__opts__.update(settings)
    said = minion.reports("mount_dead")
    assert said.startswith("kvm1: mount_dead repaired" if kept else "what kvm1 has found is not known")
    assert kept or ("enforce_mine_cache to true" in said and said in caplog.text and not minion.jobs)


# A minion whose word is not worth much


@pytest.mark.parametrize("mine", [None, [], "x", {"findings": 1}, {"at": 3}, {"at": float("nan"), "findings": None}])
def test_an_odd_mine_resets_no_failures(minion, mine):
    minion.answer = FAILED
    for _ in range(3):
        minion.reports("mount_dead")
    kept = minion.runner.__salt__["mine.get"]
    minion.now += 5
    minion.runner.__salt__["mine.get"] = lambda *words: {"kvm1": mine}
    assert minion.runner.remediate("kvm1") == "kvm1 has reported nothing that could be repaired"
    minion.runner.__salt__["mine.get"] = kept
    assert minion.reports("mount_dead") == "kvm1: mount_dead was given up after 3 failures"
    assert len(minion.jobs) == 3


def test_what_comes_and_goes_is_given_up_all_the_same(minion):
    minion.answer = FAILED
    for _ in range(9):
        minion.reports("mount_dead", after=70)
        minion.reports("mount_dead", after=70)
        minion.reports(after=70)
    assert len(minion.jobs) == 5 and len(minion.fired) == 1, "each second one is gone at the next look"
    minion.reports("mount_dead", after=700)
    assert len(minion.jobs) == 6, "it was gone for long enough"


@pytest.mark.parametrize("kind, jobs", [("mount_dead", 9), ("glusterd_down", 3)])
def test_a_failure_that_is_gone_at_the_next_look_is_none(minion, kind, jobs):
    """Any minion can return in another's name, its mine is its own. A server's turns are counted all the same."""
    minion.answer = FAILED
    for _ in range(9):
        assert "could not be repaired" in minion.reports(kind, after=10) or len(minion.jobs) == 3
        minion.reports("heal", after=10)
    assert len(minion.jobs) == jobs
    whys = [data["why"] for _, data in minion.fired]
    assert whys == ([] if jobs == 9 else ["repaired 3 times within ten minutes, it has come back"])


def test_a_success_that_is_not_there_at_the_next_look_takes_no_failure_away(minion):
    """However late: it is another's word, perhaps."""
    minion.answer = FAILED
    for _ in range(2):
        minion.reports("mount_dead", after=70)
    minion.answer = CHANGED
    assert minion.reports("mount_dead", after=70) == "kvm1: mount_dead repaired"
    minion.answer = FAILED
    minion.reports("mount_dead", after=700)
    assert minion.reports("mount_dead", after=70) == "kvm1: mount_dead was given up after 3 failures"


def test_a_look_while_the_job_went_on_is_not_the_next(minion):
    cmd, minion.answer = minion.cmd, FAILED

    def looks(*words, **more):
        minion.at += 1
        return cmd(*words, **more)

    minion.cmd = looks
    minion.reports("mount_dead")
    for _ in range(5):
        minion.now += 100
        assert "has not been checked again" in minion.runner.remediate("kvm1")
    minion.reports()
    assert "could not be repaired" in minion.reports("mount_dead", after=5)
    assert minion.fired == []


@pytest.mark.parametrize(
    "at", [float("nan"), float("inf"), "now", None, [1], 10**400, {}], ids=lambda at: type(at).__name__
)
def test_a_time_that_is_none_starts_no_job_after_another(minion, at):
    minion.found, minion.at = ["mount_dead"], at
    for _ in range(9):
        minion.now += 60
        assert minion.runner.remediate("kvm1").startswith("kvm1: mount_dead ")
    assert len(minion.jobs) == 1


def test_of_other_minions_no_grains_are_read(minion, monkeypatch):
    read, names = [], [f"node{number}" for number in range(50)]
    servers = {"volumes": {"one_vol": {"servers": ["10.0.0.1", "10.0.0.2", "gl3"]}}}
    minion.master.pillars.update(dict.fromkeys(["kvm1", *names], servers))
    grains = {"kvm1": {"ipv4": ["10.0.0.1"]}}
    monkeypatch.setattr(
        salt.utils.minions, "get_minion_data", lambda name, opts: read.append(name) or (name, grains.get(name), None)
    )
    assert minion.reports("brick_down", "mount_dead") == "kvm1: brick_down repaired; mount_dead repaired"
    assert set(read) == {"kvm1"}


def test_a_storm_of_events_is_looked_at_once(minion):
    minion.reports()
    before, rendered = minion.mines, len(minion.master.rendered)
    for _ in range(500):
        minion.found, minion.at = ["mount_dead"], minion.at + 1
        minion.runner.remediate("kvm1")
    assert (minion.mines, len(minion.master.rendered), minion.jobs) == (before, rendered, [])


@pytest.mark.parametrize("kind", ["glusterd_down", "brick_down", "glusterd_option", "datastore", "volume_option"])
def test_a_hypervisor_has_no_finding_of_a_server_or_the_head(minion, kind):
    minion.pillar = {"volumes": {"one_vol": {"servers": ["kvm2", "kvm3"]}}}
    minion.master.grains["kvm1"] = {"host": "kvm2"}  # by its own word alone
    assert minion.reports(kind) == f"kvm1: {kind} is ignored: by its pillar this minion cannot have it"
    assert minion.jobs == [] and not [name for name in minion.turns if "/servers/" in name]


def test_a_minion_called_servers_has_a_lock_of_its_own(minion):
    files = {minion.runner._file("minions", name) for name in ("servers", "servers.lock", "SERVERS", "a.b", "a_b")}
    assert len(files) == 5 and minion.runner._file("servers") not in files
    with minion.runner._lock(minion.runner._file("servers")) as held:
        assert held and minion.reports("mount_dead") == "kvm1: mount_dead repaired"


def hung(minion, after=None):
    """A job that says that it still runs, for ever; each read of the clock is ten seconds later."""
    clock = itertools.count(0, 10)
    minion.runner.time.monotonic = lambda: next(clock)
    minion.runner.time.sleep = lambda seconds: None

    def endless(*words, **more):
        while True:
            if after:
                after()
            yield None

    minion.cmd = lambda *words, **more: {}
    minion.get_iter_returns = endless


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.setattr(time, "monotonic", time.monotonic)
    monkeypatch.setattr(time, "sleep", time.sleep)


def test_a_job_that_never_ends_has_failed_after_its_longest_time(minion, clock):
    hung(minion)
    minion.pillar = {"timeout": 30}
    assert minion.reports("brick_down") == "kvm1: brick_down could not be repaired: the job did not end within 90 s"


@pytest.mark.parametrize("events", ["odd", "forged"])
def test_an_event_of_a_job_counts_for_nothing(minion, events):
    """Any minion can send one: Salt's own client ends at an odd one, and takes a forged one for the return."""

    def came(*words, **more):
        if events == "forged":
            yield {"kvm1": {"ret": {"a": {**FAILED["a"], "__sls__": "gluster_one.mount"}}}}
        raise TypeError("'int' object is not iterable")

    minion.get_iter_returns = came
    for _ in range(4):
        assert minion.reports("mount_dead") == "kvm1: mount_dead repaired"


def test_a_forged_return_ends_no_job(minion, clock):
    minion.cmd = lambda *words, **more: {}
    now = itertools.count(0, 10)
    minion.runner.time.monotonic = lambda: next(now)
    minion.runner.time.sleep = lambda seconds: None
    minion.get_iter_returns = lambda *words, **more: (part for part in [{"kvm1": {"ret": {}}}])
    with open(minion.runner._file("unfinished", "kvm1"), "w") as stream:
        stream.write("kvm1")
    assert "the job did not end within" in minion.reports("brick_down")
    assert os.path.exists(minion.runner._file("unfinished", "kvm1"))


@pytest.mark.parametrize("ends", [True, False])
def test_a_forged_answer_whether_it_runs_ends_no_job(minion, clock, ends):
    """Salt's client waits no longer for a minion of which anybody has said that the job does not run there."""
    now, looks = itertools.count(0, 1), []
    minion.runner.time.monotonic = lambda: next(now)
    minion.runner.time.sleep = lambda seconds: None
    minion.get_iter_returns = lambda *words, **more: iter([None])
    mark = minion.runner._file("unfinished", "kvm1")

    def kept(jid, minions):
        looks.append(os.path.exists(mark))
        return minion.kept_returns(jid, minions) if ends and len(looks) > 5 else {}

    minion.runner.__salt__["gluster_one.kept_returns"] = kept
    said = minion.reports("brick_down")
    assert said == f"kvm1: brick_down {'repaired' if ends else 'could not be repaired: the minion did not answer'}"
    assert len(minion.jobs) == 1 and len(looks) < 200
    assert all(looks), "also while it still has its turn"
    assert os.path.exists(mark) is not ends


def test_a_job_that_was_lost_with_its_minion_is_started_again_soon(minion, clock):
    now, looks = itertools.count(0, 1), []
    minion.runner.time.monotonic = lambda: next(now)
    minion.runner.time.sleep = lambda seconds: None
    minion.get_iter_returns = lambda *words, **more: iter([None])

    def kept(jid, minions):
        looks.append(len(minion.jobs))
        minion.at += len(looks) == 5
        return minion.kept_returns(jid, minions) if len(minion.jobs) > 1 else {}

    minion.runner.__salt__["gluster_one.kept_returns"] = kept
    assert minion.reports("mount_dead") == "kvm1: mount_dead repaired"
    assert looks == [1] * 5 + [2]


WORD = "waits for its turn"


@pytest.mark.parametrize("said", [f"{WORD}: mine", f" {WORD}", {"a": {**FAILED["a"], "name": WORD}}])
def test_a_minion_s_own_word_is_no_wait_for_a_turn(minion, said):
    if isinstance(said, str):
        minion.cmd = lambda *words, **more: minion.jobs.append(words[2][0]) or {"kvm1": said}
    minion.answer = said
    assert "could not be repaired: waits for its turn" in minion.reports("brick_down")
    minion.now += 5
    assert "has not been checked again" in minion.runner.remediate("kvm1")
    for _ in range(9):
        minion.reports("brick_down")
    assert len(minion.jobs) == 3 and len(minion.fired) == 1


def test_a_job_that_never_ends_lets_the_next_server_go_on(minion, clock):
    free = []

    def look():
        path = minion.runner._file("servers")
        with open(path, "a") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                free.append(True)
            except BlockingIOError:
                free.append(False)

    hung(minion, look)
    minion.reports("brick_down")
    assert free[:2] == [False, False] and free[-1] is True, "in the end, before its job is given up"


def test_waiting_for_another_server_is_no_failure(minion, clock):
    with minion.runner._lock(minion.runner._file("servers")):
        now = itertools.count(0, 100)
        minion.runner.time.monotonic = lambda: next(now)
        minion.runner.time.sleep = lambda seconds: None
        for _ in range(5):
            said = minion.reports("brick_down", "mount_dead")
            assert said.startswith("kvm1: ") and "brick_down waits for its turn" in said, said
    assert minion.fired == []
    minion.runner.time.sleep = lambda seconds: None
    assert "brick_down repaired" in minion.reports("brick_down")


@pytest.mark.parametrize("ok", [True, False])
def test_beside_a_job_that_goes_on_nothing_is_done_that_others_are_against(minion, ok):
    asked = []

    def free():
        with minion.runner._lock(minion.runner._file("servers")) as held:
            return held is not None

    minion.runner.__salt__["gluster_one.ok_to_stop"] = lambda minions, restart, unasked: (
        asked.append((minions, restart, unasked, free())) or {"ok": ok, "reasons": [] if ok else ["kvm3 is down"]}
    )
    path = minion.runner._file("unfinished", "kvm2")
    with open(path, "w") as stream:
        stream.write("kvm2")
    os.utime(path, (minion.now + 3600, minion.now + 3600))
    said = minion.reports("glusterd_option")
    assert asked == [(["kvm1"], True, ["kvm2"], True)], "before its turn, which others wait for"
    assert ("repaired" in said) is ok and ("kvm3 is down" in said) is not ok
    assert "repaired" in minion.reports("glusterd_down"), "what is down is started"


@pytest.mark.parametrize("other", [True, False])
@pytest.mark.parametrize("ok", [True, False])
def test_others_are_asked_again_when_a_server_had_its_turn_meanwhile(minion, other, ok):
    asked = []

    def ask(*words, **more):
        asked.append(words)
        if other and len(asked) == 1:
            with minion.runner._Turn("kvm3", True, 1) as turn:
                assert turn.held
        good = ok or len(asked) == 1
        return {"ok": good, "reasons": [] if good else ["kvm3 heals"]}

    minion.runner.__salt__["gluster_one.ok_to_stop"] = ask
    path = minion.runner._file("unfinished", "kvm2")
    with open(path, "w") as stream:
        stream.write("kvm2")
    os.utime(path, (minion.now + 3600, minion.now + 3600))
    said = minion.reports("glusterd_option")
    assert len(asked) == 1 + other
    assert ("kvm3 heals" in said, len(minion.jobs)) == ((True, 0) if other and not ok else (False, 1))


MINE = {"at": 5, "findings": [{"kind": "mount_dead", "on": "/a"}, {"kind": "glusterd_down"}, {"kind": "link"}]}
RETURN = {"a": {**CHANGED["a"], "__sls__": "gluster_one.mount"}, "b": {**FAILED["a"], "__sls__": "gluster_one.started"}}


@many
@given(mine=answers(MINE), returned=answers(RETURN))
def test_whatever_a_mine_and_a_job_say_it_goes_on(minion, mine, returned):
    minion.runner.__salt__["mine.get"] = lambda *words: {"kvm1": mine}
    minion.cmd = lambda *words, **more: minion.jobs.append(words[2][0]) or {"kvm1": returned}
    minion.now += 100000
    said = minion.runner.remediate("kvm1")
    assert said.startswith("kvm1") and said.isprintable()
    assert {sls for job in minion.jobs for sls in job.split(",")} <= set(minion.runner._repairs().values())


def test_nothing_that_a_minion_returns_reaches_a_terminal_as_it_is(minion):
    minion.answer = {"a": {"name": "\x1b[2J", "result": False, "changes": {}, "comment": "no\x9b \u202e"}}
    for _ in range(4):
        assert minion.reports("mount_dead").isprintable()
    assert minion.fired[0][1]["why"].isprintable()
