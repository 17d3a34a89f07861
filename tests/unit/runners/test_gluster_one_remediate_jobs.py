"""What the reactor's runner makes of jobs that do not end, and who has the servers' turn meanwhile."""

import contextlib
import fcntl
import itertools
import os

import pytest


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


def test_a_job_that_never_ends_has_failed_after_its_longest_time(minion, clock):
    hung(minion)
    minion.pillar = {"timeout": 30}
    assert minion.reports("brick_down") == "kvm1: brick_down could not be repaired: the job did not end within 90 s"


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


def test_twenty_repairs_run_at_a_time(minion, clock):
    """A rack that has its network back sends hundreds of events in a second."""
    with contextlib.ExitStack() as others:
        for number in range(20):
            others.enter_context(minion.runner._lock(minion.runner._file("places", str(number))))
        now = itertools.count(0, 100)
        minion.runner.time.monotonic = lambda: next(now)
        minion.runner.time.sleep = lambda seconds: None
        for _ in range(5):
            said = minion.reports("mount_dead")
            assert said == "kvm1: mount_dead waits for its turn: 20 other repairs are running"
    assert (minion.jobs, minion.fired) == ([], []), "which is no failure"
    assert minion.reports("mount_dead") == "kvm1: mount_dead repaired"


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
            with minion.runner._Turn("kvm3", True) as turn:
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


def test_a_minion_called_servers_has_a_lock_of_its_own(minion):
    files = {minion.runner._file("minions", name) for name in ("servers", "servers.lock", "SERVERS", "a.b", "a_b")}
    assert len(files) == 5 and minion.runner._file("servers") not in files
    with minion.runner._lock(minion.runner._file("servers")) as held:
        assert held and minion.reports("mount_dead") == "kvm1: mount_dead repaired"


CALLED = "salt/beacon/{}/gluster_one/changed"


def waits(minion, name, at):
    """A server that has not got its turn."""
    path = minion.runner._file("waiting", name)
    with open(path, "w") as stream:
        stream.write(name)
    os.utime(path, (at, at))


def test_a_server_that_waits_for_its_turn_holds_no_thread(minion, monkeypatch):
    """The reactor has ten. It is looked at again when the turn of another one ends."""
    monkeypatch.setattr(minion.runner, "WAIT", 0)
    with open(minion.runner._file("servers"), "a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        said = minion.reports("brick_down")
        assert said == "kvm1: brick_down waits for its turn: another server is being repaired"
        assert minion.reports("mount_dead") == "kvm1: mount_dead repaired", "which needs no turn"
        assert (minion.jobs, minion.fired) == (["gluster_one.mount"], [])
    with minion.runner._Turn("kvm2", True) as turn:
        assert turn.held and minion.fired == []
        since = os.stat(minion.runner._file("waiting", "kvm1")).st_mtime
        monkeypatch.setattr(minion.runner.time, "time", lambda: since)
    assert minion.fired == [(CALLED.format("kvm1"), {"id": "kvm1"})]
    with minion.runner._Turn("kvm3", True):
        pass
    assert len(minion.fired) == 1, "once"


def test_all_that_wait_are_called_who_has_waited_longest_first(minion):
    """One that is called may take no turn. What has waited for too long may be of a master that was ended."""
    for name, since in (("kvm4", 5), ("kvm3", 30), ("kvm2", 601), ("kvm5", 20)):
        waits(minion, name, minion.now - since)
    with minion.runner._Turn("kvm9", True) as turn:
        assert turn.held
        turn.begin -= 1000
        turn.late()
    assert [data["id"] for _, data in minion.fired] == ["kvm3", "kvm5", "kvm4"]
    assert os.listdir(os.path.dirname(minion.runner._file("waiting"))) == []


def test_a_server_that_has_not_got_its_turn_calls_nobody(minion, monkeypatch):
    monkeypatch.setattr(minion.runner, "WAIT", 0)
    waits(minion, "kvm3", minion.now)
    with open(minion.runner._file("servers"), "a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with minion.runner._Turn("kvm1", True) as turn:
            assert not turn.held
    assert minion.fired == []
