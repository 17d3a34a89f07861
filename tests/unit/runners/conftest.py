"""kvm1 as the runner that repairs sees it, for the tests of that."""

import contextlib
import time

import pytest
import salt.client

from ..conftest import Master

CHANGED = {"a": {"name": "x", "result": True, "changes": {"x": "y"}, "comment": "done"}}
NOTHING = {"a": {"name": "x", "result": True, "changes": {}, "comment": "as wanted"}}
FAILED = {"a": {"name": "x", "result": False, "changes": {}, "comment": "no way"}}
SERVER = {"volumes": {"one_vol": {"servers": ["kvm1", "kvm2"]}}}


class Minion:
    """kvm1 as the master sees it: what it reports, what its pillar has, what a job answers, what was done."""

    get_returns_no_block = None

    def __init__(self, monkeypatch, tmp_path):
        self.now, self.at, self.found, self.answer, self.names = 1000, 0, [], CHANGED, []
        self.jobs, self.fired, self.turns, self.mines = [], [], [], 0
        self.master = Master(monkeypatch, {"kvm1": SERVER, "kvm2": SERVER}, cachedir=str(tmp_path))
        self.runner = self.master.remediation
        self.master.bank["mine", "kvm1"] = self.mine
        self.runner.__salt__["gluster_one.kept_returns"] = self.kept_returns
        self.runner.__salt__["event.send"] = lambda tag, data: self.fired.append((tag, data))
        monkeypatch.setattr(self.runner.time, "time", lambda: self.now)
        flock = self.runner.fcntl.flock
        monkeypatch.setattr(
            self.runner.fcntl, "flock", lambda stream, how: self.turns.append(stream.name) or flock(stream, how)
        )
        monkeypatch.setattr(salt.client, "get_local_client", lambda mopts: contextlib.nullcontext(self))

    def mine(self):
        self.mines += 1
        found = [{"kind": kind, "on": f"/of/{kind}"} for kind in self.found]
        return {"gluster_one.findings": {"at": self.at, "findings": found, "names": self.names}}

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


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.setattr(time, "monotonic", time.monotonic)
    monkeypatch.setattr(time, "sleep", time.sleep)
