"""Which finding explains which: the table, the fleet's causes, and that nobody hides behind another node."""

import shlex

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.stamp import CHECKOUT

from ..conftest import Master, imported

LOOK = imported(CHECKOUT / "_modules/gluster_one.py")
TABLE = yaml.safe_load((CHECKOUT / "gluster_one/findings.yaml").read_text())
BY = {"node", "place", "volume", "brick", "host", "client", "datastore", "pool", "unseen", "mount"}
MOUNT, B3 = "/var/lib/gluster_one/one_vol", "kvm3:/data/one_vol"
NODES = ("head", "kvm1", "kvm2", "kvm3", "kvm9")
PILLAR = {"volumes": {"one_vol": {"servers": ["kvm1", "kvm2", "kvm3"], "datastores": {"glusterds": {}}}}}
PILLARS = {**dict.fromkeys(NODES, PILLAR), "head": {**PILLAR, "roles": ["head"]}}
SETS = [[[f"kvm{number}:/data/one_vol", True] for number in (1, 2, 3)]]
DOWN = [[["kvm1:/data/one_vol", True], ["kvm2:/data/one_vol", True], [B3, False]]]
STORE = {"id": 101, "type": "IMAGE_DS", "drivers": "fs/shared", "total_mb": 100, "volume": "one_vol"}
LOST = f"not connected to {B3}"


def finding(kind, on=MOUNT, seen="wrong", **more):
    return {"kind": kind, "on": on, "seen": seen, "expected": "right", "severity": "error", "cure": "x", **more}


def of_volume(kind, on="one_vol", seen="wrong"):
    return finding(kind, on, seen, volume="one_vol")


@pytest.fixture(scope="module")
def master():
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield Master(monkeypatch, PILLARS)


def fleet(master, found, sets=SETS, silent=(), machines=None, back=None, names=None, servers=NODES[1:4]):
    """What `status` returns for these findings by node; nodes of `silent` do not answer."""
    answers = {}
    for name in NODES:
        facts = {"one_vol": {"sets": sets, "bricks": sets and [2, 3], "peers": [1, 2]}} if name == "kvm1" else {}
        answers[name] = {
            "version": 2, "roles": ["head" if name == "head" else "hypervisor", *["server"] * (name in servers)],
            "looked": ["mount"],
            "names": (names or {}).get(name, [name]),
            "findings": found.get(name, []), "volumes": facts, "hosts": [],
            "datastores": {"glusterds": STORE} if name == "head" else {}, "coordinates": {"one_vol": name == "kvm1"},
            "machines": (machines or {}).get(name, []), "back": (back or {}).get(name, {}),
        }  # fmt: skip
    master.answers["gluster_one.report"] = {name: said for name, said in answers.items() if name not in silent}
    return master.runner.status()["data"]


EVERY = {name: [finding("client_bricks", seen=LOST)] for name in NODES}
HUNG = {name: [finding("mount_hangs")] for name in NODES}
NO = {name: [finding("not_writable", seen="oneadmin cannot write: Permission denied")] for name in NODES}
DEAD = {name: [finding("mount_dead")] for name in NODES}
UNREAD = {name: [finding("native_read", "one_vol", "Authentication failed")] for name in NODES[1:]}


def joined(*parts):
    return {name: [one for part in parts for one in part.get(name, [])] for name in NODES}


# What is found, of bricks that are so, while these do not answer: the only cause, and how many nodes feel it.
CASES = {
    "a brick is down": (
        joined(EVERY, {"kvm1": [of_volume("brick_down", B3, "it is down")]}), DOWN, [], ("brick_down", B3), 5,
    ),
    "its server sees it, too": (
        joined(EVERY, {"kvm3": [of_volume("brick_down", B3, "it is down")]},
               {"kvm1": [of_volume("brick_down", B3, "it is down")]}), DOWN, [], ("brick_down", B3), 5,
    ),
    "a brick's directory is gone": (
        joined(EVERY, {"kvm3": [finding("brick_gone", "/data/one_vol")]},
               {"kvm1": [of_volume("brick_down", B3, "it is down")]}), DOWN, [], ("brick_gone", "/data/one_vol"), 5,
    ),
    "a host is away": (
        joined({name: HUNG[name] for name in NODES if name != "kvm3"}, {"kvm1": [of_volume("peer_away", "kvm3")]}),
        None, ["kvm3"], ("silent", "kvm3"), 4,
    ),
    "a host is away, and its bricks are missed": (
        joined({name: EVERY[name] for name in NODES if name != "kvm3"}, {"kvm1": [of_volume("peer_away", "kvm3")]}),
        DOWN, ["kvm3"], ("silent", "kvm3"), 4,
    ),
    "the coordinator's host is away": (HUNG, None, ["kvm1"], ("silent", "kvm1"), 4),
    "glusterd is stopped": (
        {"kvm3": [finding("glusterd_down", "glusterd")], "kvm1": [of_volume("peer_away", "kvm3")]}, DOWN, [],
        ("glusterd_down", "glusterd"), 1,
    ),
    "two bricks are down": (
        joined(NO, {"kvm1": [of_volume("client_quorum"), of_volume("volume_option", seen="storage.owner-uid is 0")]}),
        SETS, [], None, None,
    ),
    "the owner option": (
        joined(NO, {"kvm1": [of_volume("volume_option", seen="storage.owner-uid is 0")]}), SETS, [],
        ("volume_option", "one_vol"), 5,
    ),
    "the owner of the bricks' roots": (
        joined(NO, {f"kvm{number}": [finding("brick_owner", "/data/one_vol")] for number in (1, 2, 3)}), SETS, [],
        ("brick_owner", "/data/one_vol"), 5,
    ),
    "bricks reject": (
        joined(DEAD, UNREAD, {"kvm1": [of_volume("bricks_closed"),
                                       of_volume("volume_option", seen="server.allow-insecure is off")]}),
        SETS, [], ("volume_option", "one_vol"), 5,
    ),
    "identifiers that are not there": (
        joined(UNREAD, {"head": [finding("link", "glusterds", "its identifier on the volume is None")]}), SETS, [],
        ("link", "glusterds"), 5,
    ),
    "the mount on the head": (
        {"head": [finding("mount_gone"), finding("fstab"), finding("boot"), finding("datastore_size", "glusterds")]},
        SETS, [], ("mount_gone", MOUNT), 1,
    ),
    "a client that is cut off": (
        {"kvm2": EVERY["kvm2"],
         "kvm1": [of_volume("client_apart", seen=f"a client at kvm2 is not connected to {B3}")]}, SETS, [],
        ("client_bricks", MOUNT), 1,
    ),
    "a mount that is just coming back": (
        {"kvm2": [finding("mount_gone")],
         "kvm1": [of_volume("client_apart", seen=f"a client at kvm2 is not connected to {B3}")]}, SETS, [],
        ("mount_gone", MOUNT), 1,
    ),
    "a frozen brick": (
        joined(HUNG, {"kvm3": [finding("process_stopped", B3)]}), SETS, [], ("process_stopped", B3), 5,
    ),
    "a frozen glusterd": (
        {"kvm1": [finding("check_failed", "volumes", "gluster did not answer within 30 s: a peer or a brick hangs")],
         "kvm3": [finding("process_stopped", "glusterd")]}, None, [], ("process_stopped", "glusterd"), 2,
    ),
    "the same on many": (DEAD, SETS, [], ("mount_dead", MOUNT), 5),
    "a volume that is stopped": (
        joined(HUNG, {"kvm1": [of_volume("volume_stopped", seen="it is Stopped")]}), None, [],
        ("volume_stopped", "one_vol"), 5,
    ),
    "a server that has lost all": (
        {"kvm1": [of_volume("peer_rejected", "kvm3")], "kvm3": [finding("not_in_pool", "glusterd")]}, SETS, [],
        ("peer_rejected", "kvm3"), 1,
    ),
    "little space": (
        {"head": [finding("space", seen="3 %")],
         "kvm2": [finding("space", seen="4 %"), finding("space", "/data/one_vol")]},
        SETS, [], ("space", MOUNT), 2,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_one_cause(master, name):
    found, sets, silent, cause, nodes = CASES[name]
    data = fleet(master, found, sets, silent)
    kinds = [(one["kind"], one["on"]) for one in data["causes"]]
    if cause is None:
        assert len(kinds) > 1
        return
    assert kinds == [cause]
    assert len(data["causes"][0]["felt_by"]) == nodes
    assert {one["explained_by"] for one in data["findings"]} <= {None, 0}
    assert (data["retcode"], data["causes"][0]["severity"]) == (1, TABLE[cause[0]]["severity"]) or "shut" in name


@pytest.mark.parametrize(
    "said, cure",
    [
        ([], "on its server: getfattr -n trusted.glusterfs.volume-id on the brick's directory; where it is there: "
             "salt SERVER state.apply gluster_one.started"),
        ([of_volume("brick_down", B3, f"it is down: {LOOK.MARKED}")],
         "salt kvm3 state.apply gluster_one.started"),
        ([of_volume("brick_down", B3, "it is down"),
          finding("brick_gone", "/data/one_vol", f"not the brick: {LOOK.UNMARKED}")],
         "on kvm3: mount its file system, and apply gluster_one.started; if its files are lost, replace the brick"),
    ],
)  # fmt: skip
def test_force_is_a_cure_only_where_the_brick_s_server_has_looked(master, said, cure):
    data = fleet(master, {"kvm1": [of_volume("brick_down", B3, "it is down")], "kvm3": said}, DOWN)
    (cause,) = data["causes"]
    assert cause["cure"].startswith(cure) and ("brick_down", B3) in [
        (one["kind"], one["on"]) for one in data["findings"]
    ]


def causes(data):
    return sorted((one["kind"], one["on"]) for one in data["causes"])


EFFECTS = {
    "a brick is down": (joined(EVERY, {"kvm1": [of_volume("brick_down", B3)]}), "brick_down"),
    "the same, and too few are left": (
        joined(EVERY, {"kvm1": [of_volume("brick_down", B3), of_volume("client_quorum")]}), "client_quorum",
    ),
    "an option that no node feels": ({"kvm1": [of_volume("volume_option", seen="cluster.eager-lock is off")]}, None),
    "an option that all feel": (CASES["the owner option"][0], "not_writable"),
    "an option that more than one kind comes from": (CASES["bricks reject"][0], "mount_dead"),
}  # fmt: skip


@pytest.mark.parametrize("name", EFFECTS)
def test_what_a_cause_means(master, name):
    found, kind = EFFECTS[name]
    (cause,) = fleet(master, found, DOWN)["causes"]
    assert cause["effect"] == (kind and TABLE[kind]["effect"])


def test_two_of_three_bricks_are_the_causes_of_all_that_cannot_be_read(master):
    """As a fleet said it: what cannot be read is no file to be removed, no link to be made, no image to be mended."""
    gone = "Transport endpoint is not connected"
    cannot = [
        finding("not_writable", seen=f"oneadmin cannot write: {gone}"),
        finding("check_failed", seen=f"{MOUNT}/.gluster_one: [Errno 107] {gone}: '{MOUNT}'"),
    ]
    head = [
        *cannot, finding("link", "glusterds", "its identifier on the volume is None"),
        finding("image", "glusterds: image 1 (odd, x)", f"its file /a did not answer (stat: {gone})"),
    ]  # fmt: skip
    down = [of_volume("brick_down", f"kvm{number}:/data/one_vol", "it is down") for number in (1, 3)]
    found = {**dict.fromkeys(NODES, cannot), "head": head, "kvm1": [*cannot, *down, of_volume("client_quorum")]}
    data = fleet(master, {name: [{**one} for one in each] for name, each in found.items()}, DOWN)
    assert causes(data) == [("brick_down", "kvm1:/data/one_vol"), ("brick_down", B3)]


def test_while_a_volume_cannot_be_written_nothing_behind_it_says_that_vms_go_on(master):
    """Each of two bricks that are down is a cause: only one of them explains that they are too many."""
    found = [
        of_volume("brick_down", B3), of_volume("brick_down", "kvm1:/data/one_vol"), of_volume("client_quorum"),
        {**of_volume("brick_down", "kvm2:/data/two_vol"), "volume": "two_vol"}, finding("mount_dead"),
    ]  # fmt: skip
    fleet = {"nodes": {"kvm1": {"findings": found}}, "absent": ["kvm2"], "datastores": {}, "findings": found}
    said = {
        (one["kind"], one["on"]): one["effect"]
        for one in master.salt["gluster_one.causes"](
            {**fleet, "volumes": {"one_vol": {"sets": DOWN}, "two_vol": {"sets": None}}}
        )
    }
    effects = {kind: row.get("effect") for kind, row in TABLE.items()}
    assert said == {
        ("brick_down", B3): effects["client_quorum"],
        ("brick_down", "kvm1:/data/one_vol"): effects["client_quorum"],
        ("brick_down", "kvm2:/data/two_vol"): effects["brick_down"],
        ("silent", "kvm2"): effects["client_quorum"],
        ("mount_dead", MOUNT): effects["mount_dead"],
    }


# What may be said by whom, and hides nothing that another one has found.
LIES = {
    "a hypervisor says that a brick is down": ({"kvm9": [of_volume("brick_down", B3)]}, SETS, []),
    "a server says that another's brick is": ({"kvm2": [of_volume("brick_down", B3)]}, SETS, []),
    "a server says that of its own, and the coordinator sees it": ({"kvm3": [of_volume("brick_down", B3)]}, SETS, []),
    "its directory is said to be gone": ({"kvm3": [finding("brick_gone", "/data/one_vol")]}, SETS, []),
    "another one's directory is": ({"kvm2": [finding("brick_gone", "/data/one_vol")]}, DOWN, []),
    "another one's glusterd is": ({"kvm2": [finding("glusterd_down", "kvm3")]}, DOWN, []),
    "a hypervisor says nothing": ({}, DOWN, ["kvm9"]),
    "a server says nothing, and is connected": ({}, SETS, ["kvm3"]),
    "a hypervisor says that the volume is stopped": ({"kvm9": [of_volume("volume_stopped")]}, DOWN, []),
    "a server says that it says nothing": ({"kvm3": [finding("silent", "kvm3")]}, DOWN, []),
    "a hypervisor's process": ({"kvm9": [finding("process_stopped", B3)]}, DOWN, []),
    "a hypervisor's own mount": ({"kvm9": [finding("mount_gone"), finding("link", "glusterds")]}, DOWN, []),
}


@pytest.mark.parametrize("name", LIES)
def test_nobody_hides_what_another_node_has_found(master, name):
    lie, sets, silent = LIES[name]
    lost, read = EVERY["kvm1"], UNREAD["kvm2"]
    data = fleet(master, joined({"kvm1": lost, "kvm2": read}, lie), sets, silent)
    assert {("client_bricks", MOUNT), ("native_read", "one_vol (as seen there)")} <= set(causes(data)), data["causes"]


def test_a_brick_that_is_missed_and_up_is_a_finding_of_its_own(master):
    """Where one of two bricks is explained, the other is not hidden."""
    both = [finding("client_bricks", seen=f"not connected to kvm2:/data/one_vol, {B3}")]
    down = {"kvm1": [of_volume("brick_down", B3, "it is down")]}
    assert causes(fleet(master, joined(down, {"kvm2": both}), DOWN)) == [
        ("brick_down", B3), ("client_bricks", MOUNT),
    ]  # fmt: skip


def test_a_server_s_word_explains_its_own_findings_whatever_the_coordinator_has_just_seen(master):
    """The brick may have gone, or come back, between the two looks."""
    down = of_volume("brick_down", B3, "it is down")
    assert causes(fleet(master, {"kvm3": [*EVERY["kvm3"], down]}, SETS)) == [("brick_down", B3)]


def test_a_client_that_lacks_another_brick_explains_nothing(master):
    apart = of_volume("client_apart", seen=f"a client at kvm2 is not connected to {B3}")
    other = finding("client_bricks", seen="not connected to kvm1:/data/one_vol")
    assert len(fleet(master, {"kvm1": [apart], "kvm2": [other]}, SETS)["causes"]) == 2


def test_names_are_looked_up_only_for_what_may_be_a_cause(master, monkeypatch):
    """Any minion may name a thousand hosts."""
    looked = []
    monkeypatch.setattr("socket.getaddrinfo", lambda host, port: looked.append(host) or [])
    many = [finding("client_bricks", seen=f"not connected to host{number}:/b") for number in range(100)]
    assert len(fleet(master, {"kvm9": many}, SETS)["findings"]) == 100 and looked == []


def test_nobody_uses_up_the_time_in_which_names_are_looked_up(monkeypatch):
    """While a node is silent, a brick's host is looked up where the pillar or the coordinator names it."""
    looked = []
    monkeypatch.setattr("socket.getaddrinfo", lambda host, port: looked.append(host) or [])
    master = Master(monkeypatch, PILLARS)
    many = [finding("client_bricks", f"/{i}", "not connected to " + ", ".join(f"h{i}x{j}:/b" for j in range(50)))
            for i in range(20)]  # fmt: skip
    own = [{**of_volume("brick_down", f"own{i}:/b")} for i in range(100)]
    sets = [[*SETS[0], ["kvm3.san:/data/one_vol", True]]]
    data = fleet(master, {"kvm9": many, "kvm2": own}, sets, ["kvm3"], names={"kvm2": [f"own{i}" for i in range(100)]})
    assert set(looked) == {"kvm3.san", "own0", "own1"} and len(data["findings"]) == 120
    alike = [finding("client_bricks", seen=f"not connected to {B3}")]
    assert causes(fleet(master, {"kvm9": alike}, None, ["kvm3"])) == [("silent", "kvm3")], "the pillar names it"


@pytest.mark.parametrize("host", ["10.0.0.3", "kvm3.storage"])
@pytest.mark.parametrize("sets, silent", [(SETS, ["kvm1"]), (None, [])], ids=["silent", "without an answer"])
def test_a_server_speaks_for_its_brick_while_the_coordinator_does_not(monkeypatch, host, sets, silent):
    monkeypatch.setattr("socket.getaddrinfo", lambda *_: [(2, 1, 6, "", ("10.0.0.3", 0))])
    at = {"id": "kvm3", "ipv4": ["10.0.0.3"]}
    findings = {
        "kvm9": [finding("client_bricks", seen=f"not connected to {host}:/data/one_vol")],
        "kvm3": [of_volume("brick_down", f"{host}:/data/one_vol", "it is down")],
    }
    names = {"kvm3": ["kvm3", "10.0.0.3", "kvm3.storage"]}
    data = fleet(Master(monkeypatch, PILLARS, {"kvm3": at}), findings, sets, silent, names=names)
    assert causes(data) == [("brick_down", f"{host}:/data/one_vol"), *(("silent", each) for each in silent)]
    assert data["volumes"]["one_vol"]["wrong"] == [f"{host}:/data/one_vol: it is down"]


def test_hosts_that_are_silent_and_hypervisors_alike_are_one_cause_each(master):
    data = fleet(master, {"kvm1": DEAD["kvm1"], "head": DEAD["head"]}, SETS, ["kvm2", "kvm3", "kvm9"])
    silent, dead = sorted(data["causes"], key=lambda one: one["kind"], reverse=True)
    assert silent["what"] == "kvm2, kvm3, kvm9: it does not answer" and silent["felt_by"] == []
    assert dead["what"] == f"2 nodes: {MOUNT}: wrong" and dead["cure"] == "salt NODE state.apply gluster_one.mount"
    assert data["summary"] == "2 causes, 2 findings on 2 nodes, 3 nodes do not answer"


def test_what_waits_to_be_healed_comes_from_a_brick_that_is_back(master):
    """By the word of its own server, once the volume's coordinator has it; where nothing waits, that is no cause."""
    waits = {"kvm1": [of_volume("heal", seen="41 files wait to be healed")]}
    (cause,) = fleet(master, waits, SETS, back={"kvm3": {B3: 125}})["causes"]
    assert (cause["kind"], cause["what"]) == ("brick_back", f"brick {B3} is back since 3 min, and is being healed")
    assert (cause["severity"], cause["at"], cause["cure"][:5]) == ("warning", ["kvm3"], "wait:")
    assert causes(fleet(master, waits, SETS, back={"kvm2": {B3: 1}, "kvm9": {B3: 1}})) == [("heal", "one_vol")]
    assert fleet(master, {}, SETS, back={"kvm3": {B3: 125}})["causes"] == []
    down = {"kvm1": [*waits["kvm1"], of_volume("brick_down", "kvm2:/data/one_vol", "it is down")]}
    assert causes(fleet(master, down, None, back={"kvm3": {B3: 1}})) == [("brick_down", "kvm2:/data/one_vol")]


def test_a_cause_has_the_machines_of_those_that_feel_it(master):
    down = {"kvm1": [of_volume("brick_down", B3, "it is down")]}
    data = fleet(master, joined(down, {"kvm2": EVERY["kvm2"]}), DOWN, machines={"kvm2": ["one-7"], "kvm9": ["x"]})
    (cause,) = data["causes"]
    assert (cause["what"], cause["felt_by"], cause["machines"]) == (f"brick {B3} is down", ["kvm2"], ["one-7"])
    assert (cause["at"], cause["said_by"], cause["findings"]) == (["kvm3"], ["kvm1"], 2)


@pytest.mark.parametrize(
    "found, what",
    [
        (of_volume("brick_down", B3, "it is down"), f"brick {B3} is down"),
        (finding("brick_gone", "/data/one_vol"), "kvm3: brick /data/one_vol: wrong"),
        (finding("space", "/data/one_vol", "3 %"), "kvm3: brick /data/one_vol: 3 %"),
        (finding("process_stopped", B3), f"kvm3: brick {B3}: wrong"),
        (finding("process_stopped", "glusterd"), "kvm3: glusterd: wrong"),
        (finding("mount_dead"), f"kvm3: {MOUNT}: wrong"),
    ],
)
def test_a_brick_is_called_one(master, found, what):
    assert [one["what"] for one in fleet(master, {"kvm3": [found]}, DOWN)["causes"]] == [what]


def test_an_option_that_keeps_all_out_is_one_cause(master):
    why = "nothing is mounted, nor can it be: the bricks reject this node: auth.allow, auth.reject or, with TLS, "
    data = fleet(master, {name: [finding("mount_gone", seen=f"{why}auth.ssl-allow")] for name in NODES})
    (cause,) = data["causes"]
    assert cause["cure"].startswith("put the address of NODE, and") and len(cause["felt_by"]) == 5


TWO = {"volumes": {**PILLAR["volumes"], "two": {"servers": ["kvm2"], "datastores": {"other": {}}}}}
SMALL = finding("datastore_size", "glusterds", "OpenNebula sees 3 MB")
STAT = finding("image", "glusterds: image 1 (odd, x)", "its file /a did not answer (stat: timed out)")


@pytest.mark.parametrize("mount, found, explained", [
    ("mount_gone", SMALL, {"one_vol": True, "two": False, "disk": True}),
    ("mount_hangs", STAT, {"one_vol": True, "two": False, "disk": True}),
    # Of a datastore of which the master knows no volume.
    ("mount_hangs", {**STAT, "on": STAT["on"].replace("glusterds", "odd")}, dict.fromkeys(("one_vol", "two"), True)),
])  # fmt: skip
def test_a_mount_explains_the_datastores_of_its_own_volume(monkeypatch, mount, found, explained):
    """Where a volume is mounted elsewhere than by default, which one it is may not be known."""
    master = Master(monkeypatch, {**dict.fromkeys(NODES, TWO), "head": {**TWO, "roles": ["head"]}})
    for name, yes in explained.items():
        gone = finding(mount, f"/var/lib/gluster_one/{name}", "it is gone")
        data = fleet(master, {"head": [gone, {**found}]})
        assert len(data["causes"]) == 2 - yes, (name, data["causes"])


@pytest.mark.parametrize(
    "server, shared, explained",
    [("kvm2", [], True), ("kvm3", [], False), ("kvm9", [], False), ("kvm3", ["kvm2"], True), ("kvm9", ["kvm2"], False)],
)
def test_a_frozen_glusterd_explains_what_hangs_in_its_own_pool(monkeypatch, server, shared, explained):
    """By the master's pillar: one_vol is on kvm1 and kvm2, and two on kvm3, of another pool unless kvm2 has it, too."""
    volumes = {"one_vol": {"servers": ["kvm1", "kvm2"]}, "two": {"servers": ["kvm3", *shared]}}
    master = Master(monkeypatch, dict.fromkeys(NODES, {"volumes": volumes}))
    hangs = finding("check_failed", "volumes", "gluster did not answer within 30 s: a peer or a brick hangs")
    found = {"kvm1": [hangs], server: [finding("process_stopped", "glusterd", "it is stopped")]}
    data = fleet(master, found, None)
    assert (("check_failed", "volumes") not in causes(data)) is explained, data["causes"]


@pytest.mark.parametrize(
    "place, explained",
    [("/var/lib/gluster_one/one_vol", True), ("/srv/elsewhere", True), ("/var/lib/gluster_one/two", False)],
)
def test_a_mount_that_is_gone_explains_clients_of_its_own_volume(monkeypatch, place, explained):
    master = Master(monkeypatch, {**dict.fromkeys(NODES, TWO), "head": {**TWO, "roles": ["head"]}})
    gone = finding("mount_gone", place, "nothing is mounted")
    apart = of_volume("client_apart", seen=f"a client at kvm2 is not connected to {B3}")
    data = fleet(master, {"kvm2": [gone], "kvm1": [apart]})
    assert (len(data["causes"]) == 1) is explained, data["causes"]


# The table


CURES = sorted({cure for has in TABLE.values() for cure in (has["cure"], *has.get("cures", {}).values())})


@pytest.mark.parametrize("cure", [cure for cure in CURES if "{minion}" in cure])
@pytest.mark.parametrize("minion", ["kvm1.example.com", "a node", "on"])
def test_a_cure_is_the_same_for_all_nodes(master, cure, minion):
    """Else the same finding on three hundred nodes is three hundred causes."""
    words = {word: word.upper() for word in ("volume", "on", "host", "above", "name", "datastores_dir")}
    generic = master.files["gluster_one_causes"]._generic
    assert generic(cure.format(minion=shlex.quote(minion), **words), minion) == cure.format(minion="NODE", **words)


def edges():
    return [(kind, rule) for kind, has in TABLE.items() for rule in has.get("explained_by", ())]


@pytest.mark.parametrize("kind, rule", edges(), ids=str)
def test_a_rule(kind, rule):
    assert set(rule) <= {"kind", "by", "if", "of"} and rule["by"] in BY and rule["kind"] in TABLE
    # What a hypervisor says may explain its own findings alone.
    anybody = TABLE[rule["kind"]]["who"] in ("mounts", "hypervisor", "anybody")
    own = rule["by"] in ("node", "place", "datastore", "client", "mount")
    assert own or not anybody or (rule["kind"], rule["by"]) == ("link", "volume"), "of the head, which is looked at"


def test_no_kind_explains_itself_over_others():
    above = {kind: {rule["kind"] for other, rule in edges() if other == kind} for kind in TABLE}
    while any(not causes for causes in above.values()):
        last = {kind for kind, causes in above.items() if not causes}
        above = {kind: causes - last for kind, causes in above.items() if kind not in last}
    assert above == {}


TEXTS = st.sampled_from([
    LOST, "it is down", "oneadmin cannot write: Permission denied", "storage.owner-uid is 0", "nor can it be: x",
    "its identifier on the volume is None", "server.allow-insecure is off", f"not connected to kvm1:/x, {B3}",
    f"a client at kvm2 is not connected to {B3}",
])  # fmt: skip
ONS = st.sampled_from([MOUNT, B3, "kvm1:/data/one_vol", "/data/one_vol", "kvm3", "kvm2", "one_vol", "glusterds"])
FOUND = st.builds(
    lambda kind, on, seen, volume: finding(kind, on, seen, **({"volume": "one_vol"} if volume else {})),
    st.sampled_from(sorted(TABLE)), ONS, TEXTS, st.booleans(),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    found=st.dictionaries(st.sampled_from(NODES), st.lists(FOUND, max_size=8)),
    sets=st.sampled_from([SETS, DOWN, None]),
    silent=st.lists(st.sampled_from(NODES), unique=True, max_size=4),
)
def test_each_finding_is_a_cause_or_explained_by_one_that_is_there(master, found, sets, silent):
    data = fleet(master, found, sets, silent)
    causes, explained = data["causes"], [one["explained_by"] for one in data["findings"]]
    assert all(number is None or 0 <= number < len(causes) for number in explained)
    assert sum(cause["findings"] for cause in causes) == len(explained) + len(data["absent"])
    roots = {(one["kind"], one["on"]) for one in data["findings"] if one["explained_by"] is None}
    roots |= {("silent", name) for name in data["absent"]}
    assert {(cause["kind"], cause["on"]) for cause in causes} <= roots
    assert bool(causes) == bool(data["retcode"])
