"""The status of the fleet: tables on a terminal, and a page."""

import html.parser
import re

import pytest
from salt.exceptions import SaltInvocationError

from ..conftest import CHECKOUT, Master, imported

KINDS = imported(CHECKOUT / "_runners/gluster_one_kinds.py").kinds
CAUSES = imported(CHECKOUT / "_runners/gluster_one_causes.py", __salt__={"gluster_one.kinds": KINDS})
DEAD = {
    "kind": "mount_dead", "on": "/0", "seen": "gone", "expected": "mounted", "severity": "error", "cure": "apply",
    "column": "mount",
}  # fmt: skip


ANSWER = {
    "version": 2,
    "roles": [], "looked": [], "datastores": {}, "volumes": {}, "findings": [], "coordinates": {}, "names": [],
    "hosts": [],
}  # fmt: skip


def fleet(nodes, absent=(), **more):
    """What the runner returns for these nodes."""
    found = [finding for node in nodes.values() for finding in node["findings"]]
    volume = {"bricks": [2, 3], "peers": [2, 2], "heal": 41, "split_brain": 0, "free_percent": 61, "wrong": ["down"]}
    volume["sets"] = None
    store = {"id": 101, "type": "IMAGE_DS", "drivers": "fs/shared", "total_mb": 2048, "volume": "one_vol"}
    return explained({"volumes": {"one_vol": volume}, "nodes": nodes, "absent": list(absent), "findings": found,
                      "datastores": {"glusterds": store}, "summary": "done", **more})  # fmt: skip


def explained(data):
    return {**data, "causes": CAUSES.causes(data)}


def shown(data):
    return imported(CHECKOUT / "_output/gluster_one.py", __opts__={}).output(data).splitlines()


def test_worst_first_and_the_rest_in_one_line():
    looked = ["mount", "links", "writable", "native"]
    nodes = {f"kvm{number}": {"roles": ["hypervisor"], "looked": looked, "findings": []} for number in range(30)}
    nodes["kvm7"]["findings"] = [DEAD]
    lines = shown(fleet(nodes, absent=["kvm99"]))
    assert lines[0].split() == ["CAUSE", "FELT", "BY", "WHAT", "TO", "DO"]
    assert lines[1].split() == ["kvm7:", "/0:", "gone", "kvm7", "apply"]
    assert lines[2].startswith("    VMs lose what they have open") and lines[4].startswith("    Nothing is known")
    assert lines[3].split() == ["kvm99", "does", "not", "answer", "-", "look", "at", "the", "host"]
    assert lines[7].split() == ["one_vol", "2/3", "!", "2/2", "41", "!", "0", "61", "%"]
    assert lines[10].split() == ["kvm7", "hypervisor", "dead", "!", "ok", "ok", "ok"]
    assert lines[11].startswith("kvm99") and lines[11].endswith("does not answer")
    assert lines[12].startswith("29 more nodes")
    assert lines[-3] == "done" and lines[-1].endswith("salt-run gluster_one.ok_to_stop SERVER")
    lines = shown(fleet(nodes, absent=["kvm99"], verbose=True))
    assert lines[7].endswith("61 %  down") and lines[10].endswith("/0: gone: apply")


@pytest.mark.parametrize("columns", [80, 160])
def test_what_causes_mean_is_said_once_below_the_first_of_them(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    dead = [{**DEAD, "on": f"/{number}"} for number in range(3)]
    nodes = {"kvm1": {"roles": [], "looked": [], "findings": [*dead, {**DEAD, "kind": "unit"}]}}
    data = fleet(nodes)
    effect = KINDS()["mount_dead"]["effect"]
    assert [one["effect"] for one in data["causes"]] == [effect] * 3 + [None]
    lines = shown(data)
    words = " ".join(" ".join(lines).split())
    assert words.count(effect) == 1 and "kvm1: /1: gone" in words.partition(effect)[2]
    first, last = effect.split()[0], effect.split()[-1]
    below = lines[row(lines, first) : next(n for n, line in enumerate(lines) if line.split()[-1:] == [last]) + 1]
    assert len(below) == (2 if columns == 80 else 1) and all(line.startswith("    ") for line in below)
    assert page(data).text.count(effect) == 3


def test_a_node_is_painted_by_what_is_its_own_fault():
    """What another node's brick does to its mount is said, and not marked."""
    down = {**DEAD, "kind": "brick_down", "on": "kvm3:/b", "seen": "it is down", "volume": "one_vol"}
    lost = {**DEAD, "kind": "client_bricks", "seen": "not connected to kvm3:/b"}
    looked = ["mount", "links", "writable", "native"]
    nodes = {f"kvm{number}": {"roles": ["hypervisor"], "looked": looked, "findings": [{**lost}], "machines": ["one-7"]}
             for number in range(30)}  # fmt: skip
    del down["column"]
    nodes["kvm1"]["findings"].append(down)
    nodes["kvm2"]["findings"].append({**DEAD})
    lines = shown(fleet(nodes))
    assert lines[1].split() == ["brick", "kvm3:/b", "is", "down", "30", "nodes,", "VM", "7", "apply"]
    assert lines[3].split()[:3] == ["kvm2:", "/0:", "gone"]
    assert lines[row(lines, "kvm2")].split()[2:5] == ["dead", "!", "ok"]
    assert lines[row(lines, "29")].split()[1:] == ["more", "nodes", "bricks", "ok", "ok", "ok"]


@pytest.mark.parametrize(
    "count, felt",
    [
        (1, "kvm0, VM 0"),
        (3, "3 nodes, VM 0, VM 1, VM 2"),
        (4, "4 nodes, 4 VMs"),
    ],
)
def test_a_few_vms_that_feel_a_cause_are_named(count, felt):
    """On the page, too. libvirt has OpenNebula's VM 7 as one-7."""
    names, vms = [f"kvm{number}" for number in range(count)], [f"one-{number}" for number in range(count)]
    data = fleet({name: {"roles": [], "looked": [], "findings": [{**DEAD}], "machines": vms} for name in names})
    every = ", ".join([*names, *(f"VM {number}" for number in range(count))])
    module = imported(CHECKOUT / "_output/gluster_one.py", __opts__={})
    assert [module._felt(data["causes"][0], verbose) for verbose in (False, True)] == [felt, every]
    said = " ".join(page(data).text.split())
    assert f"felt by {every}" in said if count < 4 else f"felt by {felt} {every}" in said


@pytest.mark.parametrize(
    "kind, looked, heal, legend",
    [
        (None, True, 0, []),
        (None, True, None, ["?: not known"]),
        (None, False, 0, ["-: not applicable or not checked"]),
        ("client_bricks", True, 0, ["bricks: some are not connected"]),
        (
            "client_bricks", False, None,
            ["?: not known; -: not applicable or not checked; bricks: some are not connected"],
        ),
    ],
)  # fmt: skip
def test_signs_of_the_tables_are_explained_where_there_are_any(kind, looked, heal, legend):
    looked = ["mount", "links", "writable", "native"] if looked else []
    data = fleet({"kvm1": {"roles": [], "looked": looked, "findings": [{**DEAD, "kind": kind}] if kind else []}})
    data["volumes"]["one_vol"]["heal"] = heal
    lines = shown(data)
    assert [line for line in lines if line.startswith(("?: ", "-: ", "bricks: "))] == legend
    assert not legend or lines[lines.index("done") - 2] == legend[0]


def test_where_to_type_what_is_to_be_done_is_said_once():
    said = "type salt and salt-run commands on the master, gluster commands on a server"
    dead = {"roles": [], "looked": [], "findings": [{**DEAD}, {**DEAD, "on": "/1"}]}
    assert shown(fleet({"kvm1": dead})).count(said) == 1
    assert said not in shown(fleet({"kvm1": {**dead, "findings": []}}))


def test_nodes_that_cannot_write_to_a_full_volume_are_marked():
    """What is said of the volume once."""
    nodes = {"kvm1": {"roles": ["head"], "looked": ["writable"], "findings": [], "columns": {"writable": "full"}}}
    assert shown(fleet(nodes))[4].split() == ["kvm1", "head", "-", "-", "full", "-"]


def test_nodes_with_the_same_finding_share_a_line(monkeypatch):
    looked = ["mount", "links", "writable", "native"]
    nodes = {}
    for number in range(30):
        cure = {**DEAD, "cure": f"salt kvm{number} state.apply gluster_one.mount"}
        found = [cure] if number < 7 else []
        nodes[f"kvm{number}"] = {"roles": ["hypervisor"], "looked": looked, "findings": found}
    lines = shown(fleet(nodes))
    cause = "7 nodes: /0: gone 7 nodes salt NODE state.apply gluster_one.mount"
    assert " ".join(lines[1].split()) == cause
    wide = lines[row(lines, "NODE") + 1 :]
    assert " ".join(wide[0].split()) == "7 nodes dead ! ok ok ok on kvm0, kvm1, kvm2, kvm3, kvm4, ..."
    assert wide[1].startswith("23 more nodes")
    monkeypatch.setenv("COLUMNS", "500")
    every = " ".join(" ".join(shown(fleet(nodes, verbose=True))).split())
    assert "(kvm0, kvm1, kvm2, kvm3, kvm4, kvm5, kvm6)" in every
    assert "gone: salt NODE state.apply gluster_one.mount on kvm0, kvm1, kvm2, kvm3, kvm4, ..." in every


def test_silent_nodes_share_a_line():
    names = [f"kvm{number}" for number in range(30)]
    lines = shown(fleet({}, absent=names))
    (line,) = [line.split() for line in lines[row(lines, "NODE") :] if "does not answer" in line]
    assert line[:2] == ["30", "nodes"] and line[2:6] == ["-"] * 4
    assert "on kvm0, kvm1, kvm2, kvm3, kvm4, ..." in " ".join(lines)
    for few in (fleet({}, absent=names[:3]), fleet({}, absent=names, verbose=True)):
        lines = shown(few)[row(shown(few), "NODE") + 1 :]
        assert [line.split()[0] for line in lines[: len(few["absent"])]] == few["absent"]


@pytest.mark.parametrize("columns", [80, 200])
@pytest.mark.parametrize("color", [True, False])
def test_reads_well_in_a_terminal(monkeypatch, columns, color):
    monkeypatch.setenv("COLUMNS", str(columns))
    looked = ["mount", "links", "writable", "native"]
    long = {**DEAD, "seen": "word " * 60}
    nodes = {"kvm1": {"roles": ["hypervisor", "server"], "looked": looked, "findings": [long]}}
    module = imported(CHECKOUT / "_output/gluster_one.py", __opts__={"color": color})
    text = module.output(fleet(nodes, absent=["kvm2"], verbose=True))
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert (plain != text) is color
    assert max(map(len, plain.splitlines())) <= columns
    assert " ".join(plain.split()).count("word word") >= 2 * 28
    monkeypatch.setattr(module, "__opts__", {"color": False})
    assert module.output(fleet(nodes, absent=["kvm2"], verbose=True)) == plain


def test_other_answers_as_they_are():
    assert shown("No such minion") == ["No such minion"]


def row(lines, first):
    return next(number for number, line in enumerate(lines) if line.split()[:1] == [first])


def test_errors_stand_before_warnings_and_these_before_what_is_well():
    warning = {**DEAD, "kind": "space", "severity": "warning"}
    looked = ["mount", "links", "writable", "native"]
    nodes = {
        name: {"roles": ["hypervisor"], "looked": looked, "findings": [{**one} for one in found]}
        for name, found in (("a", [warning]), ("b", []), ("c", [warning, DEAD]), ("d", [DEAD]))
    }
    data = fleet(nodes)
    facts, store = data["volumes"].pop("one_vol"), data["datastores"].pop("glusterds")
    for table, one, others in (("volumes", facts, "klmn"), ("datastores", store, "wxyz")):
        data[table] = {f"{name}_vol": one for name in others}
    data["findings"] += [
        {**warning, "on": "k_vol"},
        {**DEAD, "kind": "brick_down", "on": "kvm3:/data/m", "volume": "m_vol"},
        {**DEAD, "on": "n_vol"},
        {**warning, "on": "w_vol"},
        {**DEAD, "on": "z_vol"},
    ]
    lines = shown(explained(data))
    lines = lines[row(lines, "VOLUME") :]
    for order in ("cdab", ["m_vol", "n_vol", "k_vol", "l_vol"], ["z_vol", "w_vol", "x_vol", "y_vol"]):
        rows = [row(lines, name) for name in order]
        assert rows == sorted(rows), order


SERVERS = {"volumes": {"one_vol": {"servers": ["kvm1", "kvm3"], "datastores": {"glusterds": {}}}}}


def status(monkeypatch, answers, pillars=None, grains=None, target="*", opts=None, **arguments):
    """What the runner's `status` returns for these answers."""
    master = Master(monkeypatch, pillars or dict.fromkeys(answers, SERVERS), grains, **(opts or {}))
    master.answers["gluster_one.report"] = answers
    return master.runner.status(target, **arguments)["data"]


def test_a_brick_that_is_down_is_wrong_with_its_volume(monkeypatch):
    brick = {**DEAD, "kind": "brick_down", "on": "kvm3:/data/one_vol", "seen": "it is down", "volume": "one_vol"}
    option = {**DEAD, "kind": "volume_option", "on": "one_vol", "seen": "an option", "volume": "one_vol"}
    answer = {**ANSWER, "roles": ["server"], "coordinates": {"one_vol": True}}
    volumes = {"one_vol": {"bricks": [2, 3]}}
    answers = {
        "kvm1": {**answer, "findings": [brick, option, DEAD], "volumes": volumes},
        "kvm3": {**answer, "findings": [DEAD, brick], "coordinates": {"one_vol": False}},
    }
    found = status(monkeypatch, answers)
    kinds = sorted(finding["kind"] for finding in found["findings"])
    assert kinds == ["brick_down", "mount_dead", "mount_dead", "volume_option"], "seen by two, it is one"
    assert found["volumes"]["one_vol"]["wrong"] == ["an option", "kvm3:/data/one_vol: it is down"]


@pytest.mark.parametrize(
    "target, servers, grains, words",
    [
        ("*", ["kvm1"], {}, None),
        ("*", ["KVM1.example.com"], {"kvm1": {"fqdn": "kvm1.example.com"}, "kvm3": {"fqdn": "kvm1.example.com"}}, None),
        ("*", ["gl1"], {"kvm3": {"host": "gl1"}}, None),
        ("*", ["10.0.0.3"], {"kvm3": {"ipv4": ["127.0.0.1", "10.0.0.3"]}}, None),
        ("*", ["kvm1"], {"kvm3": {"host": "kvm1"}}, None),  # its identifier counts before what another says of itself
        ("*", ["gl1"], {}, "no minion goes by the name of its first server"),
        ("*", ["gl1"], {"kvm3": {"host": "gl1"}, "kvm1": {"fqdn": "gl1"}}, "2 minions, kvm1 and kvm3, go by the name"),
        ("kvm1", ["gl1"], {}, None),  # it may be another
    ],
)
def test_a_volume_whose_first_server_is_no_minion(monkeypatch, target, servers, grains, words):
    pillar = {"volumes": {"one_vol": {"servers": servers}}}
    answers = dict.fromkeys(["kvm1", "kvm3"], {**ANSWER, "coordinates": {"one_vol": False}})
    if not words:
        coordinator = {"gl1": "kvm3", "10.0.0.3": "kvm3"}.get(servers[0], "kvm1")
        answers[coordinator] = {**ANSWER, "coordinates": {"one_vol": True}}
    found = status(monkeypatch, answers, dict.fromkeys(answers, pillar), grains, target)
    assert [finding["kind"] for finding in found["findings"]] == (["volume_unseen"] if words else [])
    assert not words or words in found["volumes"]["one_vol"]["wrong"][0]
    assert found["retcode"] == int(bool(words))


@pytest.mark.parametrize("target", ["*", "kvm1"])
def test_who_claims_a_servers_address_accuses_no_honest_one(monkeypatch, target):
    pillar = {"volumes": {"one_vol": {"servers": ["10.0.0.1", "10.0.0.2"]}}}
    down = {**DEAD, "kind": "brick_down", "on": "10.0.0.1:/data/one_vol", "volume": "one_vol"}
    heal = {**DEAD, "kind": "heal", "on": "one_vol", "volume": "one_vol"}
    honest = {**ANSWER, "coordinates": {"one_vol": True}, "volumes": {"one_vol": {"bricks": [1, 2]}}}
    answers = {"kvm1": {**honest, "findings": [down, heal]}, "kvm9": {**ANSWER, "coordinates": {"one_vol": True}}}
    grains = dict.fromkeys(answers, {"ipv4": ["10.0.0.1"]})
    found = status(monkeypatch, answers, dict.fromkeys(answers, pillar), grains, target)
    assert not any("root" in one["cure"] for one in found["findings"])
    assert {one["kind"] for one in found["findings"]} == {"brick_down", "volume_unseen"}
    (said,) = [one for one in found["findings"] if one["kind"] == "volume_unseen"]
    assert "2 minions, kvm1 and kvm9, go by the name" in said["seen"] and "identifiers" in said["cure"]


def test_a_finding_of_a_volume_that_nobody_looks_at_is_shown_as_seen_there(monkeypatch):
    pillar = {"volumes": {"two_vol": {"servers": ["gl1"]}}}
    answers = {"kvm1": {**ANSWER, "coordinates": {"two_vol": False}, "findings": [{**DEAD, "on": "two_vol"}]}}
    found = status(monkeypatch, answers, {"kvm1": pillar})
    assert [one["on"] for one in found["findings"]] == ["two_vol (as seen there)", "two_vol"]
    assert len(found["volumes"]["two_vol"]["wrong"]) == 1, "what a hypervisor says is not of the volume"


@pytest.mark.parametrize("version", [None, 1, 3, True, "2", [2], float("nan")])
def test_modules_that_are_not_the_masters_are_named(monkeypatch, version):
    answers = {"kvm1": {**ANSWER, "version": version}}
    if version is None:
        del answers["kvm1"]["version"]
    (finding,) = status(monkeypatch, answers)["findings"]
    assert (finding["kind"], finding["cure"]) == ("outdated", "salt kvm1 saltutil.sync_all, or apply gluster_one")


def test_the_modules_and_the_runner_have_the_same_version(execution, monkeypatch):
    node = {"errors": ["wrong"], "roles": []}
    names = {"gluster_one_pillar.node": lambda: node}
    said = execution("gluster_one", __salt__=names).report()
    assert not Master(monkeypatch, {}).salt["gluster_one.sound"](said)["outdated"]


def test_a_volume_whose_first_server_does_not_take_itself_for_it(monkeypatch):
    """As where the pillar has a name of it that the minion does not know; then nobody looks at the volume."""
    pillar = {"volumes": {"one_vol": {"servers": ["kvm1.storage.lan"]}}}
    answers = dict.fromkeys(["kvm1", "kvm3"], {**ANSWER, "coordinates": {"one_vol": False}})
    found = status(monkeypatch, answers, dict.fromkeys(answers, pillar), {}, "*")
    assert [finding["kind"] for finding in found["findings"]] == ["volume_unseen"]
    assert found["retcode"] == 1


def test_a_host_of_opennebula_that_is_no_node_of_the_fleet(monkeypatch):
    pillars = {"head": {**SERVERS, "roles": ["head"]}, "kvm1": SERVERS}
    answers = {
        "head": {**ANSWER, "roles": ["head"], "names": ["head"], "hosts": ["KVM1", "kvm7", "10.0.0.1"]},
        "kvm1": {**ANSWER, "roles": ["hypervisor"], "names": ["10.0.0.1", "kvm1"]},
    }
    data = status(monkeypatch, answers, pillars)
    (finding,) = data["findings"]
    assert (finding["kind"], finding["on"], data["retcode"]) == ("host_unlooked", "kvm7", 1)
    lines = shown(data)
    assert [line for line in lines if line.startswith("kvm7 ")][-1].split()[1:5] == ["-", "-", "-", "-"]
    assert "no minion of this name has gluster_one in its pillar" in data["causes"][0]["what"]
    older = {key: value for key, value in answers["kvm1"].items() if key not in ("names", "coordinates", "hosts")}
    for other in (older, "The minion function caused an exception", None):  # which hides no other
        answers["kvm1"] = other
        data = status(monkeypatch, answers, pillars, {"kvm1": {"ipv4": ["10.0.0.1"]}})
        assert [one["on"] for one in data["findings"] if one["kind"] == "host_unlooked"] == ["kvm7"]
    assert "saltutil.sync_all" in data["nodes"]["kvm1"]["findings"][0]["cure"]


@pytest.mark.parametrize("syndics", [True, False])
def test_a_syndic_with_the_pillar_of_all_minions_is_no_silent_node(monkeypatch, syndics):
    data = status(monkeypatch, {}, {"lower": SERVERS}, opts={"order_masters": syndics})
    assert data["absent"] == ["lower"] and data["retcode"] == 1
    assert ("run it on the master below" in data["summary"]) is syndics


REACTOR = [{"salt/beacon/*/gluster_one/changed": ["salt://gluster_one/reactor/changed.sls"]}]


@pytest.mark.parametrize(
    "opts, target, said",
    [
        ({"minion_data_cache": False, "reactor": REACTOR}, "*", True),
        ({"minion_data_cache": False, "reactor": REACTOR}, "kvm1", False),
        ({"minion_data_cache": False, "reactor": REACTOR, "enforce_mine_cache": True}, "*", False),
        ({"minion_data_cache": False, "reactor": [{"other": ["salt://other.sls"]}]}, "*", False),
        ({"minion_data_cache": False}, "*", False),
        ({"reactor": REACTOR}, "*", False),
    ],
)
def test_a_master_with_the_reactor_that_keeps_no_mine(monkeypatch, opts, target, said):
    """What nobody repairs is not the same as what nothing is wrong with."""
    answers = dict.fromkeys(["kvm1", "kvm3"], {**ANSWER, "coordinates": {"one_vol": True}})
    answers["kvm3"] = {**ANSWER, "coordinates": {"one_vol": False}}
    data = status(monkeypatch, answers, target=target, opts=opts)
    assert [one["kind"] for one in data["findings"]] == ["mine_unkept"] * said
    assert data["retcode"] == said
    if said:
        text = " ".join(" ".join(shown(data)).split())
        what = "the master: it has the reactor and keeps no mine (minion_data_cache: false): nothing is repaired"
        assert data["causes"][0]["what"] == what
        assert "set minion_data_cache or enforce_mine_cache to true" in text and "the master" in page(data).text


@pytest.mark.parametrize("bad", ["\x1b[2J", "\x9b2J", "\x7f", "\u202e", "\u2066", "\u2028", "\ud800", "\r", "\0"])
def test_what_a_minion_says_gives_the_terminal_no_orders(monkeypatch, bad):
    said = {**DEAD, "on": f"/{bad}", "seen": f"{bad} no findings", "expected": bad, "cure": bad, "kind": "mount_dead"}
    answers = {"kvm1": {**ANSWER, "looked": [bad], "findings": [said], "names": [bad]}, "kvm3": f"what {bad}"}
    data = status(monkeypatch, answers)
    visible = bad.encode("unicode_escape").decode()
    assert bad not in repr(data).encode().decode("unicode_escape", "surrogatepass") or bad not in str(data)
    for text in ["\n".join(shown(data)), page(data).text, "\n".join(shown(f"an answer {bad}"))]:
        assert bad not in text and visible in text
    raw = fleet({"kvm1": {"roles": [], "looked": [], "findings": [{**DEAD, "seen": f"is {bad}"}]}})
    assert bad not in "\n".join(shown(raw)) + page(raw).text


def test_one_node_does_not_fill_the_screen(monkeypatch):
    """With what is worst of it, what is wrong with its answer first, and how many more there are."""
    warnings = [{**DEAD, "on": f"/{number}", "kind": "fstab"} for number in range(997)]
    lie = {**DEAD, "on": "kvm1:/b", "kind": "brick_down", "volume": "one_vol"}
    answers = {"kvm2": {**ANSWER, "findings": [*warnings, DEAD, lie]}, "kvm1": ANSWER}
    data = status(monkeypatch, answers)
    assert len(data["nodes"]["kvm2"]["findings"]) == 999, "the data has all of them"
    assert len(data["causes"]) == 999 and sum(cause["shown"] for cause in data["causes"]) == 20
    plain, lines, seen = shown(data), shown({**data, "verbose": True}), page(data)
    assert len(plain) < 60 and data["causes"][0]["what"].endswith("by its pillar that is not for it to say")
    assert "kvm2: 979 more" in " ".join(plain)
    first = len(lines) - lines[::-1].index(next(line for line in lines[::-1] if line.startswith("kvm2 "))) - 1
    assert "by its pillar that is not for it to say" in lines[first]
    assert lines[first + 1].strip().startswith("/0: gone: ") and len(lines) < 100
    assert lines[first + 20].strip() == "and 979 more: salt kvm2 gluster_one.check"
    assert seen.text.count("(expected: ") == 20 and "and 979 more" in seen.text
    assert all(len(each.get("title", "")) < 2000 for _, each in seen.elements)


def test_a_volume_and_a_datastore_do_not_fill_the_screen_either():
    data = fleet({})
    data["findings"] = [{**DEAD, "on": "glusterds"}] * 1000
    data["volumes"]["one_vol"]["wrong"] = ["down"] * 1000
    text = "\n".join(shown({**data, "verbose": True}))
    assert (text.count("down"), text.count("gone"), text.count("and 980 more: see the nodes")) == (20, 20, 2)


def test_hosts_that_one_head_names_do_not_fill_the_screen(monkeypatch):
    pillars = {"head": {**SERVERS, "roles": ["head"]}}
    hosts = [f"10.9.{number}.1.invalid" for number in range(1000)]
    monkeypatch.setattr("socket.getaddrinfo", lambda *words: [])
    data = status(monkeypatch, {"head": {**ANSWER, "roles": ["head"], "names": ["head"], "hosts": hosts}}, pillars)
    found = [one["on"] for one in data["findings"] if one["kind"] == "host_unlooked"]
    assert (len(found), found[-1]) == (21, "980 more hosts")
    assert "980 more hosts" in " ".join(" ".join(shown({**data, "verbose": True})).split())
    assert len(shown(data)) < 30


# The page


class Page(html.parser.HTMLParser):
    """What a browser makes of a page: its elements with their attributes, and its text."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def boxes(self, kind):
        return [each for _, each in self.elements if each.get("class") == f"box {kind}"]


def page(data):
    return Page(imported(CHECKOUT / "_output/gluster_one_html.py").output(data))


def test_the_page_shows_nodes_bricks_and_why():
    looked = ["mount"]
    nodes = {"kvm1": {"roles": ["server"], "looked": looked, "findings": []}}
    nodes["kvm2"] = {"roles": ["hypervisor"], "looked": looked, "findings": [DEAD]}
    data = fleet(nodes, absent=["kvm9"])
    data["volumes"]["one_vol"]["sets"] = [[["kvm1:/b", True], ["kvm2:/b", False]]]
    seen = page(data)
    assert "gone (expected: mounted)" in seen.text and "kvm9: does not answer" in seen.text
    # The legend has one of each.
    assert [len(seen.boxes(kind)) for kind in ("fine", "felt", "warning", "error")] == [1 + 2, 1, 1, 1 + 3]
    assert (
        seen.text.index("kvm2: /0: gone") < seen.text.index("kvm9 does not answer") < seen.text.index("Volume one_vol")
    )
    assert not [each for _, each in seen.elements if {"src", "href"} & set(each)], "it needs nothing but itself"


def test_the_picture_is_painted_by_whose_fault_it_is():
    down = {**DEAD, "kind": "brick_down", "on": "kvm3:/b", "seen": "it is down", "volume": "one_vol"}
    lost = {**DEAD, "kind": "client_bricks", "seen": "not connected to kvm3:/b"}
    nodes = {f"kvm{number}": {"roles": [], "looked": [], "findings": [{**lost}]} for number in range(12)}
    nodes["kvm1"]["findings"].append(down)
    nodes["kvm2"]["findings"] = []
    seen = page(fleet(nodes))
    assert [len(seen.boxes(kind)) for kind in ("fine", "felt", "error")] == [1 + 1, 1 + 11, 1]
    picture = seen.text[seen.text.rindex("Nodes") :]
    assert picture.index("kvm2") < picture.index("kvm10"), "numbers by what they are worth"


@pytest.mark.parametrize("count, look", [(39, "whole"), (300, "named"), (3000, "dots")])
def test_many_nodes_are_small(count, look):
    nodes = {f"kvm{number}": {"roles": ["hypervisor"], "looked": [], "findings": []} for number in range(count)}
    seen = page(fleet(nodes))
    assert [each for _, each in seen.elements if each.get("class") == f"boxes {look}"]
    assert ("hypervisor" in seen.text) is (look == "whole")
    assert sum(each.get("title", "").startswith("kvm") for _, each in seen.elements) == count, "for who points at it"


@pytest.mark.parametrize("count, more", [(1, ""), (23, " and 3 more")])
def test_the_page_names_images_and_vms_that_feel_a_cause(count, more):
    found = [{**DEAD, "kind": "image", "on": f"a: image {number} (x, y)"} for number in range(count)]
    seen = page(fleet({"head": {"roles": ["head"], "looked": [], "findings": found}}))
    (line,) = re.findall(r"felt by (.*)", seen.text)
    assert line == ", ".join(sorted(f"image {number}" for number in range(count))[:20]) + more


def test_many_causes_are_folded_up():
    nodes = {f"kvm{number}": {"roles": [], "looked": [], "findings": [{**DEAD, "on": f"/{number}"}]}
             for number in range(30)}  # fmt: skip
    seen = page(fleet(nodes))
    assert "10 more causes" in seen.text and seen.text.index("kvm29: /29") < seen.text.index("Nodes")


@pytest.mark.parametrize("reload", [None, 60])
def test_the_page_reloads_itself_only_when_asked_to(reload):
    metas = [each for tag, each in page({**fleet({}), "reload": reload}).elements if tag == "meta"]
    asked = [each["content"] for each in metas if each.get("http-equiv") == "refresh"]
    assert asked == ([str(reload)] if reload else [])


def test_the_page_is_written_in_one_step(monkeypatch, tmp_path):
    """A browser that reloads it never sees half of it."""
    path = tmp_path / "fleet.html"
    outputters = {"gluster_one_html": lambda data: f"a page: {data['reload']}"}
    monkeypatch.setattr("salt.loader.outputters", lambda opts: outputters)
    for reload in (60, None):
        number = path.stat().st_ino if path.exists() else None
        status(monkeypatch, {"kvm1": ANSWER}, html=str(path), reload=reload)
        assert path.read_text() == f"a page: {reload}" and path.stat().st_ino != number
    assert [each.name for each in tmp_path.iterdir()] == ["fleet.html"]


@pytest.mark.parametrize(
    "words, said",
    [
        (
            {"html": "/dev/null"},
            "html is '/dev/null': a file in a directory that is there is needed, such as /var/www/",
        ),
        ({"html": "/tmp/x.html", "reload": 0}, "reload is 0: a number of seconds above 0 is needed, such as 60"),
        ({"html": "/tmp/x.html", "reload": "6"}, "reload is '6': a number"),
        ({"html": "/tmp/x.html", "reload": True}, "reload is True: a number"),
        ({"reload": 60}, "reload is 60: .* with html"),
    ],
)
def test_what_cannot_be_is_refused_before_anybody_is_asked(monkeypatch, words, said):
    asked = []
    with pytest.raises(SaltInvocationError, match=said):
        status(monkeypatch, {"kvm1": asked.append}, **words)
    assert asked == []


def test_a_size_that_is_not_known_is_a_dash():
    data = fleet({})
    data["datastores"]["glusterds"]["total_mb"] = None
    assert "None" not in page(data).text and "None" not in "".join(shown(data))


def test_what_a_minion_says_is_no_html():
    evil = "<script>alert(1)</script>"
    finding = {**DEAD, "seen": evil, "on": evil, "cure": evil, "severity": '"><script>'}
    seen = page(fleet({evil: {"roles": [evil], "looked": [], "findings": [finding]}}, absent=[evil]))
    assert "script" not in [tag for tag, _ in seen.elements]
    assert seen.text.count(evil) >= 5


def test_the_page_says_what_is_not_known_as_the_table_does():
    data = fleet({}, absent=["kvm1"])
    data["volumes"] = {"one_vol": {**dict.fromkeys(data["volumes"]["one_vol"]), "wrong": []}}
    data["datastores"] = {}
    lines = shown(data)
    assert lines[row(lines, "one_vol")].split()[1:] == ["?"] * 5
    seen = page(data)
    said = "? bricks online, ? files to be healed, ? in split-brain, ? % free ?"
    assert f"Volume one_vol {said} Nodes" in " ".join(seen.text.split())
    boxes = [each for tag, each in seen.elements if each.get("class") == "box"]
    assert len(boxes) == 2, "in the legend, and for the bricks"
    data["volumes"]["one_vol"].update(bricks=[0, 1], sets=[[["kvm1:/b", False]]], heal=0, split_brain=0, free_percent=0)
    text = " ".join(page(data).text.split())
    assert "0 of 1 bricks online, 0 files to be healed, 0 in split-brain, 0 % free kvm1:/b" in text and "?" not in text
