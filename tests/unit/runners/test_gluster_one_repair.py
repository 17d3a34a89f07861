"""Whether a peer can become a full member again, by what all servers of its pool say."""

import pytest

from ..conftest import Master

VOLUMES = {"one_vol": {"servers": ["kvm1", "kvm2", "kvm3"]}}
MEMBER, REJECTED = "Peer in Cluster", "Peer Rejected"


def uuid(number):
    return f"00000000-0000-0000-0000-00000000000{number}"


def peer(number, state=MEMBER):
    return {"uuid": uuid(number), "hostnames": [f"kvm{number}"], "connected": state == MEMBER, "state": state}


def volume(version=7, checksum="1", name=9, bricks=("kvm1:/b", "kvm2:/b", "kvm3:/b")):
    return {"id": uuid(name), "version": version, "checksum": checksum, "bricks": list(bricks)}


def view(number, *peers, unfinished=(), running=True, version="10.3", **volumes):
    return {
        "uuid": uuid(number), "operating_version": 100000, "version": version, "running": running,
        "unfinished": list(unfinished),
        "peers": list(peers), "volumes": {"one_vol": volume(), **volumes}, "restart": {"bricks": [], "quorum": []},
        "counted": {}, "paused": {},
    }  # fmt: skip


class Fleet:
    """Three servers; how kvm3 is taken, and takes the others, each test says."""

    def __init__(self, monkeypatch):
        names = ["kvm1", "kvm2", "kvm3", "kvm4"]
        self.master = Master(monkeypatch, {name: {"volumes": VOLUMES} for name in names})
        self.views = {
            "kvm1": view(1, peer(2), peer(3)),
            "kvm2": view(2, peer(1), peer(3)),
            "kvm3": view(3, peer(1), peer(2)),
        }

    def plan(self, server="kvm3"):
        names = {name: {"errors": [], "roles": [], "names": [name], "volumes": {}, "batch": 1, "timeout": 9}
                 for name in ("kvm1", "kvm2", "kvm3", "kvm4")}  # fmt: skip
        self.master.answers = {"gluster_one_pillar.node": names, "gluster_repair.view": self.views}
        return self.master.runner.repair_plan(server)

    def rejected(self, **own):
        for name in ("kvm1", "kvm2"):
            self.views[name]["peers"][1] = peer(3, REJECTED)
        self.views["kvm3"] = view(3, peer(1, REJECTED), peer(2, REJECTED), **own)


@pytest.fixture
def fleet(monkeypatch):
    return Fleet(monkeypatch)


def parts(plan):
    assert plan["errors"] == []
    return [(step["minions"], step["pillar"].get("gluster_one_repair") or step["sls"]) for step in plan["steps"]]


ITS_PEERS = {uuid(1): ["kvm1"], uuid(2): ["kvm2"]}


def test_where_all_is_well_nothing_is_done(fleet):
    plan = fleet.plan()
    assert (plan["errors"], plan["steps"]) == ([], [])
    assert plan["fine"] == "kvm3 is a full member of its pool, and takes all others for members"


@pytest.mark.parametrize("version", ["11.1", "10.5", None])
def test_of_several_versions_nobody_takes_over_anything(fleet, version):
    """What the others made newer would restart bricks of the upgraded one, or of all others the other way round."""
    fleet.rejected(one_vol=volume(7, "2"), version=version)
    plan = fleet.plan()
    (error,) = plan["errors"]
    there = version or "of an unknown version"
    assert f"(10.3 on kvm1, 10.3 on kvm2, {there} on kvm3), and bricks would be restarted" in error
    assert error.endswith("docs/upgrade.md, Gluster 10 and 11 in one pool") and plan["steps"] == []
    fleet.views["kvm3"]["version"] = "10.3"
    assert fleet.plan()["errors"] == []


def test_in_the_middle_of_a_preparation_nobody_takes_over_anything(fleet):
    """kvm3 has changed its definition and the others have not: what one side made newer would restart bricks."""
    fleet.rejected(one_vol=volume(7, "2"))
    fleet.views["kvm2"]["paused"] = {"one_vol": "server"}
    plan = fleet.plan()
    (error,) = plan["errors"]
    assert "the server quorum of volume one_vol is off, and bricks would be restarted: go on with `salt-run" in error
    assert "pillar='{prepare: true}'` (docs/upgrade.md)" in error and plan["steps"] == []
    fleet.views["kvm2"]["paused"] = {"one_vol": "perhaps"}
    assert "kvm2 does not say how it takes its peers" in fleet.plan()["errors"][0]


@pytest.mark.parametrize("version", ["x", 11, "1" * 300])
def test_what_is_no_version_is_no_answer(fleet, version):
    fleet.views["kvm3"]["version"] = version
    assert "the minion of kvm3 does not say how it takes its peers" in fleet.plan()["errors"][0]


def test_a_rejected_one_takes_over_what_the_others_have(fleet):
    """Its own version, where it is not lower, would win, or keep it out: that of the others has to be above it."""
    fleet.rejected(one_vol=volume(7, "2"))
    assert parts(fleet.plan()) == [
        (["kvm1"], {"renew": {"one_vol": 7}}),
        (["kvm3"], {"peers": ITS_PEERS}),
        (["kvm1"], {"joined": True}),
    ]
    fleet.views["kvm3"]["counted"] = {"one_vol": True}
    assert parts(fleet.plan())[2:] == [
        (["kvm1"], {"joined": True}),
        (["kvm3"], {"again": True}),
        (["kvm1"], {"joined": True, "renew": {"one_vol": 8}}),
    ], "with several bricks there"


def test_a_newer_definition_is_not_given_up(fleet):
    """Somebody has changed the volume through it, or its bricks."""
    fleet.rejected(one_vol=volume(12, "2"))
    (error,) = fleet.plan()["errors"]
    assert "kvm3 has a newer definition of volume one_vol (12) than kvm1, kvm2 (7): compare" in error


def test_of_two_that_are_as_new_and_have_other_bricks_neither_is_given_up(fleet):
    """Both sides have changed them."""
    fleet.rejected(one_vol=volume(7, "2", bricks=["kvm3:/b", "kvm3:/\x1bc"]))
    plan = fleet.plan()
    ((error,), steps) = plan["errors"], plan["steps"]
    assert "it is made of kvm3:/b kvm3:/\\x1bc there, and of kvm1:/b kvm2:/b kvm3:/b here" in error
    assert "`gluster volume set one_vol user.checked yes` on one of them" in error and steps == []


def test_other_bricks_in_an_older_definition_are_those_of_before(fleet):
    fleet.rejected(one_vol=volume(6, "2", bricks=["kvm3:/b"]))
    assert parts(fleet.plan())[0] == (["kvm3"], {"peers": ITS_PEERS})


@pytest.mark.parametrize(
    "change, text",
    [
        (lambda views: views["kvm2"]["peers"][1].update(connected=False), "kvm2 sees kvm3 disconnected: start glu"),
        (lambda views: views["kvm3"]["peers"][0].update(connected=False), "kvm3 sees kvm1 disconnected: start glu"),
        (lambda views: views["kvm3"]["volumes"].update(one_vol=volume(7, "2")), "(version 7) than kvm1, kvm2 (ver"),
        (lambda views: views["kvm3"]["volumes"].update(one_vol=volume(6)), "(version 6) than kvm1, kvm2 (version 7)"),
        (lambda views: views["kvm3"]["volumes"].clear(), "(none) than kvm1, kvm2 (version 7)"),
    ],
)
def test_a_member_that_is_apart_is_not_fine(fleet, change, text):
    change(fleet.views)
    plan = fleet.plan()
    assert (plan["steps"], len(plan["errors"])) == ([], 1)
    assert text in plan["errors"][0]


def test_while_a_probe_goes_on_nobody_says_who_is_connected(fleet):
    """What is on disk does not have it; then it is the probe that is forgotten."""
    fleet.views["kvm1"].update(unfinished=["kvm3"], peers=[{**each, "connected": False} for each in (peer(2), peer(3))])
    assert parts(fleet.plan()) == [(["kvm1"], {"forget": ["kvm3"]})]


def test_nobody_is_taken_in_through_a_server_that_is_rejected(fleet):
    for name in ("kvm1", "kvm2"):
        fleet.views[name]["peers"].pop()
    fleet.views["kvm1"].update(unfinished=["kvm3"])
    fleet.views["kvm1"]["peers"][0] = peer(2, REJECTED)
    fleet.views["kvm3"] = {**view(3, running=True), "volumes": {}}
    assert parts(fleet.plan()) == [(["kvm1"], {"forget": ["kvm3"]}), (["kvm1"], {"joined": True})]


def test_one_whose_version_is_lower_needs_no_newer_one(fleet):
    """But an option was set while it was away, which leaves the sizes of its bricks wrong, where it has several."""
    fleet.rejected(one_vol=volume(6, "2"))
    steps = [(["kvm3"], {"peers": ITS_PEERS}), (["kvm1"], {"joined": True})]
    assert parts(fleet.plan()) == steps
    fleet.views["kvm3"]["counted"] = {"one_vol": True}
    assert parts(fleet.plan()) == [*steps, *counted(7)]


def counted(version):
    return [(["kvm3"], {"again": True}), (["kvm1"], {"joined": True, "renew": {"one_vol": version}})]


def test_the_sizes_that_a_killed_run_has_left_wrong_are_put_right(fleet):
    """It was killed after the peer had taken over the volume."""
    fleet.views["kvm3"]["counted"] = {"one_vol": False, "no_such": False, "right": True}
    assert parts(fleet.plan()) == counted(7)
    fleet.views["kvm2"]["peers"][1] = peer(3, "Accepted peer request")
    assert parts(fleet.plan())[-2:] == counted(7)
    fleet.views["kvm3"]["restart"]["bricks"] = ["they would end"]
    assert fleet.plan()["errors"] == ["glusterd of kvm3 has to be restarted, and is not: they would end"]


@pytest.mark.parametrize("state", ["Accepted peer request", "Sent and Received peer request", "Probe Sent to Peer"])
def test_a_half_probed_one_is_kept_by_each_that_does_not(fleet, state):
    fleet.views["kvm2"]["peers"][1] = peer(3, state)
    assert parts(fleet.plan()) == [
        (["kvm3"], {"peers": ITS_PEERS}),
        (["kvm2"], {"peers": {uuid(3): ["kvm3"]}}),
        (["kvm1"], {"joined": True}),
    ]


def test_one_that_knows_only_who_has_probed_it(fleet):
    fleet.views["kvm1"]["peers"][1] = peer(3, "Accepted peer request")
    fleet.views["kvm2"]["peers"] = [peer(1)]
    fleet.views["kvm3"].update(peers=[peer(1, "Accepted peer request")], volumes={})
    assert parts(fleet.plan()) == [
        (["kvm3"], {"peers": ITS_PEERS}),
        (["kvm1"], {"peers": {uuid(3): ["kvm3"]}}),
        (["kvm2"], {"peers": {uuid(3): ["kvm3"]}}),
        (["kvm1"], {"joined": True}),
    ]


@pytest.mark.parametrize("there", [True, False, None])
def test_a_probe_that_does_not_end_is_forgotten(fleet, there):
    """Whoever it was for holds nothing; it is taken in where it answers."""
    for name in ("kvm1", "kvm2"):
        fleet.views[name]["peers"].pop()
    fleet.views["kvm1"]["unfinished"] = ["kvm3"]
    fleet.views["kvm3"] = {**view(3, running=there), "volumes": {}} if there is not None else None
    taken_in = [(["kvm1"], "gluster_one.replace")] if there else []
    assert parts(fleet.plan()) == [(["kvm1"], {"forget": ["kvm3"]}), *taken_in, (["kvm1"], {"joined": True})]


def test_one_that_was_wiped_is_replaced(fleet):
    fleet.rejected()
    fleet.views["kvm3"] = {**view(7), "volumes": {}}
    (error,) = fleet.plan()["errors"]
    assert f"kvm3 calls itself {uuid(7)}, and the pool knows it as {uuid(3)}" in error
    assert "gluster_one.orchestrate.replace pillar='{old: kvm3, new: kvm3}'" in error


@pytest.mark.parametrize(
    "change, text",
    [
        (lambda views: views.update(kvm3=None), "no minion speaks for kvm3, or it does not answer: start the host"),
        (lambda views: views["kvm3"].update(running=False), "`salt kvm3 state.apply gluster_one.started`"),
        (lambda views: views["kvm1"].update(running=False), "glusterd does not answer on kvm1: start it (`salt"),
        (lambda views: views.update(kvm1="x"), "kvm1 does not say how it takes its peers: x"),
        (lambda views: views["kvm1"]["peers"].__setitem__(0, peer(2, REJECTED)), "sees kvm2 as 'Peer Rejected': rep"),
        (lambda views: views["kvm1"]["peers"][0].update(connected=False), "kvm1 sees kvm2 disconnected: start glu"),
        (lambda views: views["kvm1"]["volumes"].update(one_vol=volume(8)), "have other definitions of volumes"),
        (lambda views: views["kvm3"]["volumes"].update(own=volume()), "kvm3 has a volume own"),
        (lambda views: views["kvm3"]["peers"].append(peer(8)), "kvm3 is in a pool with kvm8, who are not in this one"),
        (lambda views: views["kvm1"]["peers"].append(peer(8)), "kvm8, a member of the pool, is not among the servers"),
        (lambda views: views["kvm2"]["peers"].__setitem__(1, {**peer(3), "uuid": uuid(6)}), "by several uuids"),
    ],
)
def test_what_cannot_be_repaired_is_said(fleet, change, text):
    change(fleet.views)
    plan = fleet.plan()
    assert plan.get("steps", []) == []
    assert text in " ".join(plan["errors"]), plan["errors"]


@pytest.mark.parametrize(
    "minion, kind, refused",
    [("kvm3", "bricks", True), ("kvm3", "quorum", True), ("kvm2", "bricks", True), ("kvm2", "quorum", False),
     ("kvm1", "bricks", False)],
)  # fmt: skip
def test_a_restart_that_costs_bricks_is_refused_before_anything_is_done(fleet, minion, kind, refused):
    """kvm3 is restarted first, and may count for kvm2's quorum then; kvm1 is not restarted."""
    fleet.views["kvm2"]["peers"][1] = peer(3, "Accepted peer request")
    fleet.views[minion]["restart"][kind] = ["too\x1b few"]
    plan = fleet.plan()
    assert plan["errors"] == [f"glusterd of {minion} has to be restarted, and is not: too\\x1b few"] * refused
    assert bool(plan["steps"]) is not refused


def test_the_restart_that_forgets_a_probe_is_refused_too(fleet):
    for name in ("kvm1", "kvm2"):
        fleet.views[name]["peers"].pop()
    fleet.views["kvm1"].update(unfinished=["kvm3"], restart={"bricks": [], "quorum": ["too few"]})
    fleet.views["kvm3"] = None
    plan = fleet.plan()
    assert (plan["errors"], plan["steps"]) == (["glusterd of kvm1 has to be restarted, and is not: too few"], [])


def test_a_name_that_nobody_has(fleet):
    assert "is not in the pool of kvm1, kvm2, kvm3" in fleet.plan("kvm9")["errors"][0]
    for name in (None, "", "a b", ["kvm3"]):
        assert "give the name that the pool has for the server" in fleet.plan(name)["errors"][0]
