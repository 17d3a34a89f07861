"""
Each attribute of a datastore, in every situation, through three runs: in test mode, for real, and again.

The cases are in matrix.py. Each is a datastore of its own; many share one run of states, because that is what takes
time. A test looks at what one case got in one of the runs.
"""

import re
import xml.etree.ElementTree as ET

import pytest

from tests.oned import READS

from .matrix import CASES, WORLD

AT_ONCE = 40
IDS = [f"{number}-{case.label}" for number, case in enumerate(CASES)]
CLUSTERS = ("cluster.adddatastore", "cluster.deldatastore")


def stores(oned):
    """Every datastore, whole: flat, its elements and its attributes under their names."""
    found = {}
    for store in ET.fromstring(oned.call("datastorepool.info")):
        whole = {child.tag: tuple(leaf.text for leaf in child) or (child.text or "") for child in store}
        del whole["TEMPLATE"]
        for attribute in store.find("TEMPLATE"):
            value = {leaf.tag: leaf.text for leaf in attribute} or (attribute.text or "")
            whole.setdefault(f"TEMPLATE/{attribute.tag}", []).append(value)
        found[int(whole["ID"])] = whole
    return found


def by_store(log, ids):
    """The requests that change something, by the datastore that they are about."""
    sent = {}
    for request in log:
        method, arguments = request["method"], request["arguments"]
        if method.endswith(READS):
            continue
        if method == "datastore.allocate":
            store = next(store for name, store in ids.items() if f'NAME="{name}"\n' in arguments[0])
        else:
            store = arguments[1] if method in CLUSTERS else arguments[0]
        sent.setdefault(store, []).append(request)
    return sent


def arguments_of(case, name, store, oned):
    arguments = {key: store if value == "ID" else value for key, value in case.arguments.items()}
    if "name" in arguments:
        arguments["name"] = arguments["name"].format(name)
    return {**oned.arguments, **arguments}


def made(case, name, oned):
    """The datastore as the administrator left it: its identifier, None where there is none."""
    if case.there is None:
        return None
    store = oned.call("datastore.allocate", case.document(name), 0)
    for method, *rest in case.before:
        oned.call(method, *(store if word == "ID" else word for word in rest))
    return store


def played(cases, oned, in_one_run):
    """Three runs over some cases; for each case what it got in them."""
    oned.lab(reset=True)
    for method, *rest in WORLD:
        oned.call(method, *rest)
    ids = {f"c{number}": made(case, f"c{number}", oned) for number, case in enumerate(cases)}
    states = {
        name: arguments_of(case, name, store, oned) for (name, store), case in zip(ids.items(), cases, strict=True)
    }
    phases, before = {}, stores(oned)
    for phase in ("test", "run", "again"):
        oned.log()
        returned = in_one_run(states, test=phase == "test")
        log, after = oned.log(), stores(oned)
        ids.update({whole["NAME"]: store for store, whole in after.items() if ids.get(whole["NAME"], 0) is None})
        phases[phase] = returned, by_store(log, ids), before, after
        before = after
    return [
        {
            phase: (returned[name], sent.get(ids[name], []), before.get(ids[name]), after.get(ids[name]), name)
            for phase, (returned, sent, before, after) in phases.items()
        }
        for name in (f"c{number}" for number in range(len(cases)))
    ]


@pytest.fixture(scope="module")
def got(_oned, in_one_run):
    """What the cases got, in their order; each batch is played when it is first looked at."""
    batches = {}

    def look(number):
        batch = number // AT_ONCE
        if batch not in batches:
            batches[batch] = played(CASES[batch * AT_ONCE : (batch + 1) * AT_ONCE], _oned, in_one_run)
        return batches[batch][number % AT_ONCE]

    return look


def expected(case, name):
    named = dict(case.changes)
    if "name" in named:
        named["name"] = tuple(value.format(name) for value in named["name"])
    return {key: {"old": old, "new": new} for key, (old, new) in named.items()}


def methods(sent):
    return [request["method"] for request in sent]


@pytest.mark.parametrize("number", range(len(CASES)), ids=IDS)
def test_test_mode_predicts_and_touches_nothing(got, number):
    result, sent, before, after, name = got(number)["test"]
    case = CASES[number]
    assert (result.changes, result.result) == (expected(case, name), None if case.changes else True), result.comment
    assert sent == [] and before == after


@pytest.mark.parametrize("number", range(len(CASES)), ids=IDS)
def test_a_run_sends_what_differs_and_leaves_the_rest(got, number):
    result, sent, before, after, name = got(number)["run"]
    case = CASES[number]
    assert result.result is True, result.comment
    assert result.changes == expected(case, name)
    assert methods(sent) == case.requests
    if case.there is None:
        return
    touched = {key for key in {*before, *after} if before.get(key) != after.get(key)}
    elements = {
        "clusters": "CLUSTERS",
        "name": "NAME",
        "owner": "UNAME",
        "group": "GNAME",
        "permissions": "PERMISSIONS",
    }
    elements.update(state="STATE", TM_MAD="TM_MAD", DS_MAD="DS_MAD", DISK_TYPE="DISK_TYPE")
    may = {elements.get(key, "") for key in case.changes} | {f"TEMPLATE/{key}" for key in (*case.changes, *case.along)}
    may |= {"UID"} if "owner" in case.changes else set()
    may |= {"GID"} if "group" in case.changes else set()
    assert touched <= may
    for key, (_, new) in case.changes.items():
        if key.isupper():
            assert after.get(f"TEMPLATE/{key}") == (None if new is None else [new])


@pytest.mark.parametrize("number", range(len(CASES)), ids=IDS)
def test_a_second_run_is_silent(got, number):
    result, sent, before, after, _ = got(number)["again"]
    assert (result.result, result.changes) == (True, {}), result.comment
    assert sent == [] and before == after


@pytest.mark.parametrize("number", range(len(CASES)), ids=IDS)
def test_only_what_differs_is_in_the_update(got, number):
    case, (_, sent, *_) = CASES[number], got(number)["run"]
    for request in sent:
        if request["method"] != "datastore.update":
            continue
        _, text, merge = request["arguments"]
        named = re.findall(r"^(\w+)=", text, re.MULTILINE)
        assert merge == 1 and sorted(named) == sorted(key for key in case.changes if key.isupper())
