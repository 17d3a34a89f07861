"""Execution and state modules imported as plain Python, their Salt names given by the test."""

import copy
import importlib.util
import inspect
import re
from pathlib import Path

import pytest
import salt._logging
import salt.cache
import salt.utils.minions

salt._logging.shutdown_temp_handler()  # it would write what is logged to a stream of pytest that is closed by then

CHECKOUT = Path(__file__).resolve().parents[2]

NO_MOUNTS = {"gluster_mount.mount_table": lambda: []}


def loaded(path, **dunders):
    """A fresh import of one file, with the names that Salt's loader would give it."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    names = {"__salt__": {}, "__opts__": {"test": False}, "__pillar__": {}, "__grains__": {}, "__context__": {}}
    for name, value in {**names, **dunders}.items():
        setattr(module, name, value)
    return module


def imported(path, __utils__=None, **dunders):
    """The same with the functions of `_utils`, of which a test may replace some."""
    utils = {}
    for util in (CHECKOUT / "_utils").glob("*.py"):
        module = loaded(util, **dunders)
        if util.stem == "gluster_system":
            module._file = lambda name: CHECKOUT / name
        for name, function in vars(module).items():
            if inspect.isfunction(function) and function.__module__ == util.stem and name[0] != "_":
                utils[f"{util.stem}.{name}"] = function
    return loaded(path, __utils__={**utils, **(__utils__ or {})}, **dunders)


@pytest.fixture
def execution():
    """execution("gluster", __salt__={...}): the execution module of that name."""
    return lambda name, **dunders: imported(CHECKOUT / "_modules" / f"{name}.py", **dunders)


@pytest.fixture
def util():
    """util("gluster_hosts", __grains__={...}): the helpers of that name."""
    return lambda name, **dunders: loaded(CHECKOUT / "_utils" / f"{name}.py", **dunders)


class Bank(dict):
    """The master's cache; a function there is called for what it returns."""

    def fetch(self, bank, key):
        found = self.get((bank, key), {})
        return found() if callable(found) else copy.deepcopy(found)

    def store(self, bank, key, data):
        self[bank, key] = copy.deepcopy(data)

    def flush(self, bank, key):
        self.pop((bank, key), None)

    def list(self, bank):
        return [key for there, key in self if there == bank]


class Master:
    """
    The runner on a master with these minions: `pillars` has the value of gluster_one by minion, `grains` what they say
    of themselves, `answers` what they answer by function. What is faked is the network and the master's caches.
    """

    def __init__(self, monkeypatch, pillars, grains=None, **opts):
        self.pillars, self.grains, self.answers, self.rendered = pillars, grains or {}, {}, []
        self.bank = Bank()
        self.salt = {"pillar.show_pillar": self.pillar, "event.send": lambda tag, data: None}
        names = {"__salt__": self.salt, "__opts__": {"cachedir": "/nowhere", **opts}}
        self.files = {path.stem: imported(path, **names) for path in sorted((CHECKOUT / "_runners").glob("*.py"))}
        for module in self.files.values():
            for name, function in vars(module).items():
                if callable(function) and getattr(function, "__module__", None) == module.__name__ and name[0] != "_":
                    self.salt[f"gluster_one.{name}"] = function
        self.salt["gluster_one.hidden_modules"] = list  # the master's file roots are not faked
        self.salt["gluster_one.kept_of"] = lambda minion: [self.grains.get(minion), self.cached(minion)]
        self.runner, self.remediation = self.files["gluster_one"], self.files["gluster_one_remediate"]
        monkeypatch.setattr(salt.cache, "factory", lambda opts: self.bank)
        monkeypatch.setattr(salt.utils.minions, "CkMinions", lambda opts: self)
        # The runner's other files call it through __salt__.
        monkeypatch.setattr(self.runner, "ask", self.ask)
        monkeypatch.setitem(self.salt, "gluster_one.ask", self.ask)

    def pillar(self, minion):
        self.rendered.append(minion)
        return {"gluster_one": self.pillars[minion]}

    def cached(self, minion):
        return {"gluster_one": self.pillars.get(minion)}

    def check_minions(self, target, kind):
        assert kind == "pcre", "of a glob or a list there might be others"
        return {"minions": [name for name in self.pillars if re.match(target, name)], "missing": []}

    def ask(self, minions, function, arguments=None, timeout=15, until=None):
        answers = self.answers.get(function, {})
        answers = answers(minions, arguments) if callable(answers) else answers
        return {minion: answers[minion] for minion in minions if minion in answers}
