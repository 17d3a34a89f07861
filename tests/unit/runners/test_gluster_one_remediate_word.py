"""What the reactor's runner makes of a minion's word, which is not worth much."""

import pytest
from hypothesis import given

from .conftest import CHANGED, FAILED
from .test_gluster_one_answer import answers, many


@pytest.mark.parametrize("mine", [None, [], "x", {"findings": 1}, {"at": 3}, {"at": float("nan"), "findings": None}])
def test_an_odd_mine_resets_no_failures(minion, mine):
    minion.answer = FAILED
    for _ in range(3):
        minion.reports("mount_dead")
    kept = minion.master.bank["mine", "kvm1"]
    minion.now += 5
    minion.master.bank["mine", "kvm1"] = {"gluster_one.findings": mine}
    assert minion.runner.remediate("kvm1") == "kvm1 has reported nothing that could be repaired"
    minion.master.bank["mine", "kvm1"] = kept
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


def test_of_other_minions_no_grains_are_read(minion):
    read, names = [], [f"node{number}" for number in range(50)]
    servers = {"volumes": {"one_vol": {"servers": ["10.0.0.1", "10.0.0.2", "gl3"]}}}
    minion.master.pillars.update(dict.fromkeys(["kvm1", *names], servers))
    grains = {"kvm1": {"ipv4": ["10.0.0.1"]}}
    minion.master.salt["gluster_one.kept_of"] = lambda name: read.append(name) or [grains.get(name), None]
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


MINE = {"at": 5, "findings": [{"kind": "mount_dead", "on": "/a"}, {"kind": "glusterd_down"}, {"kind": "link"}]}
RETURN = {"a": {**CHANGED["a"], "__sls__": "gluster_one.mount"}, "b": {**FAILED["a"], "__sls__": "gluster_one.started"}}


@many
@given(mine=answers(MINE), returned=answers(RETURN))
def test_whatever_a_mine_and_a_job_say_it_goes_on(minion, mine, returned):
    minion.master.bank["mine", "kvm1"] = {"gluster_one.findings": mine}
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
