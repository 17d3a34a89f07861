"""Whether a server or a brick can be replaced: what several servers say, and never what one says alone."""

import pytest

from ..conftest import Master

VOLUMES = {"one_vol": {"servers": ["kvm1", "kvm2", "kvm3"]}}
MOVED = {"one_vol": {"servers": ["kvm1", "kvm2", "kvm4"]}}
MEMBER = "Peer in Cluster"
BRICK = "kvm3:/data/one_vol/brick"


def uuid(number):
    return f"00000000-0000-0000-0000-00000000000{number}"


def member(number):
    return {"uuid": uuid(number), "own": False, "name": f"kvm{number}", "state": MEMBER}


def peer(number, connected=True, answers=True, state=MEMBER):
    return {
        "uuid": uuid(number), "hostnames": [f"kvm{number}"], "connected": connected, "answers": answers, "state": state
    }  # fmt: skip


def volume(*numbers, online=(1, 2), size=3):
    bricks = [f"kvm{number}:/data/one_vol/brick" for number in numbers]
    return {
        "id": uuid(9), "status": "Started", "replica": size, "arbiter": 0, "disperse": 0, "redundancy": 0,
        "bricks": bricks, "servers": [uuid(number) for number in numbers],
        "online": [brick for brick, number in zip(bricks, numbers) if number in online],
    }  # fmt: skip


def view(number, *others, servers=None, **volumes):
    return {
        "uuid": uuid(number), "operating_version": 100000, "peers": list(others),
        "servers": servers or {"kvm3": member(3)}, "volumes": volumes or {"one_vol": volume(1, 2, 3)},
    }  # fmt: skip


EMPTY = {"blockers": [], "backlog": {}, "versions": {}}


def ready(number):
    return {**EMPTY, "backlog": {f"kvm{number}:/data/one_vol/brick": 0}}


class Fleet:
    """kvm1 and kvm2 see kvm3, whose glusterd was lost, as rejected; what each of them says can be another thing."""

    def __init__(self, monkeypatch, pillar=VOLUMES, minions=4):
        names = [f"kvm{number}" for number in range(1, minions + 1)]
        pillars = {name: {"volumes": pillar} for name in names}
        self.master = Master(monkeypatch, {**pillars, "head": {"volumes": pillar, "roles": ["head"]}})
        monkeypatch.setattr(self.master.runner, "STEADY", 0)
        lost = peer(3, state="Peer Rejected", connected=False)
        self.views = {"kvm1": view(1, peer(2), lost), "kvm2": view(2, peer(1), lost)}
        self.standing = {name: {"uuid": uuid(7), "volumes": [], "peers": []} for name in ("kvm3", "kvm4")}
        self.ready = {f"kvm{number}": ready(number) for number in (1, 2)}
        self.named, self.asked, self.names = [], [], []

    def plan(self, **words):
        names = {name: {"errors": [], "roles": [], "names": [name], "volumes": {}, "batch": 1, "timeout": 9}
                 for name in ("kvm1", "kvm2", "kvm4")}  # fmt: skip
        names["kvm1"]["names"] += ["10.0.0.1", "10.1.0.1"]
        self.master.answers = {
            "gluster_one_pillar.node": names,
            "gluster_replace.view": self.views,
            "gluster_replace.standing": self.standing,
            "gluster_replace.readiness": lambda minions, words: self.asked.append(words) or self.ready,
            "gluster_replace.is_named_by": lambda minions, words: self.names.append(words) or {"head": self.named},
        }
        return self.master.runner.replace_plan(**words)

    def lost(self):
        """kvm3 is off, for another server to take its place."""
        for name, said in self.views.items():
            said["peers"] = [peer(3 - int(name[-1])), peer(3, connected=False, answers=False)]
            said["servers"] = {"kvm3": member(3), "kvm4": None}


@pytest.fixture
def fleet(monkeypatch):
    return Fleet(monkeypatch)


@pytest.fixture
def moved(monkeypatch):
    """kvm3 is off, and the pillar has kvm4 in its place."""
    found = Fleet(monkeypatch, MOVED)
    found.lost()
    return found


def parts(plan):
    assert plan["errors"] == []
    return [
        (step["minions"], step["pillar"]["gluster_one_replace"] if "pillar" in step else step["waits"]["volumes"])
        for step in plan["steps"]
    ]


def test_a_reinstalled_server_gets_its_uuid_from_what_the_others_say(fleet):
    plan = fleet.plan(old="kvm3", new="kvm3")
    (on, part), (_, healed) = parts(plan)
    assert (on, healed) == (["kvm3"], ["one_vol"])
    assert plan["steps"][1]["waits"]["hosts"] == [["10.0.0.1", "10.1.0.1"]]
    assert part["restore"] == {
        "uuid": uuid(3),
        "operating_version": 100000,
        "peers": {uuid(1): ["kvm1"], uuid(2): ["kvm2"]},
        "volumes": ["one_vol"],
    }
    assert part["bricks"] == [{"volume": "one_vol", "name": BRICK, "old": None}]
    assert fleet.asked[0] == {"going": {"one_vol": [BRICK]}, "servers": [uuid(3)]}


@pytest.mark.parametrize("words", [{"old": "kvm3", "new": "kvm4"}, {"leave": "kvm3", "to": "kvm4"}])
def test_what_was_moved_before_a_kill_is_waited_for_too(moved, words):
    for said in moved.views.values():
        said["volumes"]["a_vol"] = {**volume(1, 2, 4), "bricks": [f"kvm{number}:/data/a_vol" for number in (1, 2, 4)]}
        said["servers"]["kvm4"] = member(4)
        said["peers"].append(peer(4))
    plan = moved.plan(**words, heal_timeout=7)
    waits = [step["waits"] for step in plan["steps"] if "waits" in step]
    assert plan["errors"] == [] and waits[0]["volumes"] == ["a_vol", "one_vol"]
    assert {wait["timeout"] for wait in waits} == {7}
    *_, last = parts(plan)
    assert last == (["kvm1"], {"detach": "kvm3"})


@pytest.mark.parametrize("words", [{"old": "kvm3", "new": "kvm4"}, {"leave": "kvm3", "to": "kvm4"}])
def test_a_volume_that_has_nothing_to_do_with_it_is_not_waited_for(moved, words):
    """A brick of it may be down for good until its disk is replaced, which nobody can while this one goes on."""
    for said in moved.views.values():
        said["volumes"]["other"] = {**volume(1, 2), "bricks": ["kvm1:/data/other", "kvm2:/data/other"]}
        said["volumes"]["other"]["online"] = ["kvm1:/data/other"]
    waits = [step["waits"]["volumes"] for step in moved.plan(**words)["steps"] if "waits" in step]
    assert waits and all(each == ["one_vol"] for each in waits)


def test_one_brick_alone(fleet):
    fleet.standing["kvm3"]["uuid"] = uuid(3)
    for said in fleet.views.values():
        said["peers"][1] = peer(3)
        said["volumes"]["other"] = {**volume(1, 2, 3), "bricks": [f"kvm{number}:/data/other" for number in (1, 2, 3)]}
    (on, part), (_, healed) = parts(fleet.plan(brick=BRICK))
    assert (on, healed) == (["kvm3"], ["one_vol"])
    assert part == {"bricks": [{"volume": "one_vol", "name": BRICK, "old": None}]}
    assert fleet.asked[0] == {"going": {"one_vol": [BRICK]}, "servers": []}


def test_another_server_takes_its_place(moved):
    moved.named = ["VM 7 has it as GLUSTER_HOST of disk 0"]
    plan = moved.plan(old="kvm3", new="kvm4")
    assert parts(plan) == [
        (["kvm4"], {"server": True}),
        (["kvm1"], {"take_in": "kvm4"}),
        (["kvm4"], {"bricks": [{"volume": "one_vol", "name": "kvm4:/data/one_vol/brick", "old": BRICK}]}),
        (["kvm1", "kvm2"], ["one_vol"]),
        (["kvm1"], {"detach": "kvm3"}),
    ]
    assert plan["named"] == ["VM 7 has it as GLUSTER_HOST of disk 0 (head)"]


def test_servers_of_another_pool_are_not_asked(monkeypatch):
    """kvm4 and kvm5 have a pool of their own; kvm6 shares a volume with kvm2, and so the pool with it."""
    pillar = {**VOLUMES, "theirs": {"servers": ["kvm4", "kvm5"]}, "second": {"servers": ["kvm2", "kvm6"]}}
    fleet = Fleet(monkeypatch, pillar, minions=6)
    third = peer(6)
    for said in fleet.views.values():
        said["peers"].append(third)
    lost = peer(3, state="Peer Rejected", connected=False)
    fleet.views.update(kvm4=view(4, peer(5)), kvm5=view(5, peer(4)), kvm6=view(6, peer(1), peer(2), lost))
    fleet.ready["kvm6"] = EMPTY
    (on, _), (awaited, _) = parts(fleet.plan(old="kvm3", new="kvm3"))
    assert (on, awaited) == (["kvm3"], ["kvm1", "kvm2", "kvm6"])


def test_the_head_is_asked_for_all_names_of_the_old_server(moved):
    moved.views["kvm2"]["peers"][1]["hostnames"] = ["10.0.0.3", "kvm3.storage"]
    assert moved.plan(old="kvm3", new="kvm4")["errors"] == []
    assert moved.names == [{"servers": ["10.0.0.3", "kvm3", "kvm3.storage"]}]


def leaving(moved):
    for said in moved.views.values():
        said["peers"][1] = peer(3)
        said["volumes"] = {"one_vol": volume(1, 2, 3, online=(1, 2, 3))}
    return moved.plan(leave="kvm3", to="kvm4")


def test_a_server_leaves_brick_by_brick(moved):
    assert [part for _, part in parts(leaving(moved))] == [
        {"server": True},
        {"take_in": "kvm4"},
        ["one_vol"],
        {"bricks": [{"volume": "one_vol", "name": "kvm4:/data/one_vol/brick", "old": BRICK}]},
        ["one_vol"],
        {"detach": "kvm3"},
    ]


@pytest.fixture
def spare(monkeypatch):
    """Others have only mounted from kvm4, which has no bricks and is in no volume of the pillar any more."""
    fleet = Fleet(monkeypatch)
    fleet.views = {
        f"kvm{number}": view(number, *(peer(other) for other in (1, 2, 3, 4) if other != number),
                             servers={"kvm1": member(1), "kvm4": member(4)})
        for number in (1, 2, 3)
    }  # fmt: skip
    fleet.standing["kvm1"] = {"uuid": uuid(1), "volumes": ["one_vol"], "peers": ["kvm2", "kvm3", "kvm4"]}
    return fleet


@pytest.mark.parametrize(
    ("to", "others"), [({"to": "kvm1"}, ["kvm2", "kvm3"]), ({}, ["kvm1", "kvm2", "kvm3"])], ids=["for another", "alone"]
)
def test_a_server_without_bricks_leaves(spare, to, others):
    plan = spare.plan(leave="kvm4", **to)
    assert parts(plan) == [(others, ["one_vol"]), (others[:1], {"detach": "kvm4"})]
    assert spare.asked == [], "nothing of a volume goes"
    assert plan["fine"] is None
    for said in spare.views.values():
        said["volumes"] = {}
    spare.standing["kvm1"]["volumes"] = []
    assert parts(spare.plan(leave="kvm4", **to)) == [(others[:1], {"detach": "kvm4"})], "there is nothing to heal"


def test_what_left_without_bricks_is_gone_the_next_time(spare):
    for number, said in zip((1, 2, 3), spare.views.values(), strict=True):
        said.update(servers={"kvm4": None}, peers=[peer(other) for other in (1, 2, 3) if other != number])
    plan = spare.plan(leave="kvm4")
    assert parts(plan) == []
    assert plan["fine"] == "kvm4 is not in the pool of kvm1, kvm2, kvm3, and has no brick of it"


def test_a_name_that_is_nobody_s_is_an_error_while_the_pool_has_a_server_of_no_pillar(spare):
    for said in spare.views.values():
        said["servers"] = {"kvm44": None}
    (error,) = spare.plan(leave="kvm44")["errors"]
    assert error == (
        "kvm44 is not in the pool of kvm1, kvm2, kvm3, which also has kvm4: correct the name, or name those in the "
        "pillar's servers"
    )


def test_who_has_bricks_does_not_leave_without_another(spare):
    for said in spare.views.values():
        said["volumes"] = {"one_vol": volume(1, 2, 4, online=(1, 2, 4))}
    (error,) = spare.plan(leave="kvm4")["errors"]
    assert error == (
        "kvm4 has kvm4:/data/one_vol/brick: give {leave: kvm4, to: SERVER}, with the server that takes over its bricks"
    )


def test_a_brick_of_a_server_that_no_pool_has_is_a_mistake(spare):
    for said in spare.views.values():
        said.update(servers={"kvm4": None}, volumes={"one_vol": volume(1, 2, 4)})
    (error,) = spare.plan(leave="kvm4")["errors"]
    assert error.startswith("kvm4 is not in the pool of kvm1, kvm2, kvm3: correct the name")


def test_who_is_among_the_servers_does_not_leave(fleet):
    (error,) = fleet.plan(leave="kvm3")["errors"]
    assert error.startswith("kvm3 is among the pillar's servers: take it out there, where it has no bricks")


def test_of_several_pools_one_is_named(monkeypatch):
    pillar = {**VOLUMES, "two_vol": {"servers": ["kvm4", "kvm5"]}}
    (error,) = Fleet(monkeypatch, pillar, minions=6).plan(leave="kvm6")["errors"]
    assert error == (
        "the pillar's servers (kvm1, kvm2, kvm3, kvm4, kvm5) may be of several pools: give {leave: kvm6, to: SERVER}, "
        "with one that stays in its pool"
    )


def test_others_have_to_agree_on_who_leaves_without_bricks(spare):
    spare.views["kvm2"]["servers"] = {"kvm4": member(5)}
    (error,) = spare.plan(leave="kvm4")["errors"]
    assert error.startswith("kvm1 and kvm2 do not say the same of which member of the pool kvm4 is")


def test_a_server_that_leaves_stays_in_the_pool_for_those_that_name_it(moved):
    moved.named = ["VM 7 has it as GLUSTER_HOST of disk 0"]
    plan = leaving(moved)
    assert {"detach": "kvm3"} not in [part for _, part in parts(plan)]
    assert plan["named"] == ["VM 7 has it as GLUSTER_HOST of disk 0 (head)"]


def test_what_was_done_before_is_not_done_again(moved):
    """Killed after the bricks: kvm4 has them, kvm3 is still in the pool."""
    for said in moved.views.values():
        said["peers"].append(peer(4))
        said["servers"]["kvm4"] = member(4)
        said["volumes"] = {"one_vol": volume(1, 2, 4, online=(1, 2, 4))}
    assert parts(moved.plan(old="kvm3", new="kvm4")) == [
        (["kvm1", "kvm2"], ["one_vol"]),
        (["kvm1"], {"detach": "kvm3"}),
    ]
    assert moved.asked == []


REFUSED = {
    "no arguments": ({}, {}, "give one of {old: kvm3, new: kvm3}"),
    "half of them": ({"old": "kvm3"}, {}, "give one of"),
    "the other half": ({"to": "kvm4"}, {}, "give one of"),
    "no name": ({"leave": "kvm 4"}, {}, "'kvm 4' is not a host name"),
    "two kinds": ({"old": "kvm3", "new": "kvm3", "brick": BRICK}, {}, "give one of"),
    "a list": ({"old": ["kvm3"], "new": "kvm3"}, {}, "['kvm3'] is not a host name"),
    "no brick": ({"brick": "kvm3"}, {}, "give one of"),
    "nobody": ({"old": "kvm9", "new": "kvm9"}, {}, "no accepted minion goes by kvm9"),
    "not in the pillar": ({"old": "kvm3", "new": "kvm4"}, {}, "kvm4 is not among the pillar's servers: write it"),
    "a word for yes": ({"old": "kvm3", "new": "kvm4", "accept_only_copy": "yes"}, {}, "accept_only_copy: 'yes', which"),
    "no seconds": ({"brick": BRICK, "heal_timeout": "1h"}, {}, "heal_timeout: '1h': seconds above 0 are needed"),
    "yes to a brick": ({"brick": BRICK, "accept_only_copy": True}, {}, "which can be true beside old and new"),
    "another brick": ({"brick": "kvm3:/data/other"}, {"lost": False}, "no volume has the brick kvm3:/data/other"),
    "its glusterd, too": ({"brick": BRICK}, {}, "it was reinstalled, so give {old: kvm3, new: kvm3}"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_replacement_is_refused_with_the_way_to_do_it(fleet, case):
    words, more, text = REFUSED[case]
    if more:
        fleet.standing["kvm3"]["uuid"] = uuid(3)
    (error,) = fleet.plan(**words)["errors"]
    assert text in error
    assert fleet.asked == []


def test_the_old_name_is_to_leave_the_pillar(monkeypatch):
    both = {"one_vol": {"servers": ["kvm1", "kvm2", "kvm3", "kvm4"]}}
    (error,) = Fleet(monkeypatch, both).plan(old="kvm3", new="kvm4")["errors"]
    assert error.startswith("kvm3 is among the pillar's servers: write kvm4 in its place")


def says(fleet, minion, **more):
    fleet.views[minion].update(more)


DISAGREE = {
    "nothing": (lambda fleet: fleet.views.pop("kvm2"), "kvm2 does not say what it sees of the pool: no answer"),
    "an error": (lambda fleet: fleet.views.update(kvm2="it is not available."), "kvm2 does not say"),
    "another uuid": (lambda fleet: says(fleet, "kvm2", servers={"kvm3": member(8)}), "which member of the pool"),
    "another brick": (
        lambda fleet: says(fleet, "kvm2", volumes={"one_vol": volume(1, 2, 4)}),
        "kvm1 and kvm2 do not say the same of which volumes there are",
    ),
    "another version": (lambda fleet: says(fleet, "kvm2", operating_version=90000), "which version the pool speaks"),
    "to be kvm1": (lambda fleet: says(fleet, "kvm2", uuid=uuid(1)), "say to be the same member"),
    "more members": (
        lambda fleet: [said["peers"].append(peer(5, state="Peer Rejected")) for said in fleet.views.values()],
        "kvm1 sees kvm5 as 'Peer Rejected': with that nothing is changed",
    ),
    "one away": (
        lambda fleet: fleet.views["kvm2"]["peers"].__setitem__(0, peer(1, connected=False)),
        "kvm2 sees kvm1 disconnected: start glusterd there",
    ),
    "not yet away": (
        lambda fleet: fleet.views["kvm2"]["peers"].__setitem__(1, peer(3, answers=False)),
        "kvm2 still takes kvm3 for connected, and it does not answer: run again in a minute",
    ),
    "in another pool": (
        lambda fleet: fleet.standing["kvm3"].update(volumes=["theirs"]),
        "kvm3 is in another pool, or has volumes of its own (theirs)",
    ),
    "a stopped volume": (
        lambda fleet: [said["volumes"]["one_vol"].update(status="Stopped") for said in fleet.views.values()],
        "volume one_vol is Stopped",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", DISAGREE)
def test_nothing_begins_where_servers_do_not_agree_or_are_apart(fleet, what):
    do, text = DISAGREE[what]
    do(fleet)
    errors = fleet.plan(old="kvm3", new="kvm3")["errors"]
    assert text in " ".join(errors)
    assert fleet.asked == []


def test_one_servers_word_is_not_enough_where_there_are_more(monkeypatch):
    fleet = Fleet(monkeypatch, {"one_vol": {"servers": ["kvm1", "kvm3"]}})
    (error,) = fleet.plan(old="kvm3", new="kvm3")["errors"]
    assert error == "only kvm1 says so, and the pool has 2 other members: name them in the pillar's servers"


def test_a_server_that_is_there_does_not_count_as_lost(moved):
    for said in moved.views.values():
        said["volumes"] = {"one_vol": volume(1, 2, 3, online=(1, 2, 3))}
    (error,) = moved.plan(old="kvm3", new="kvm4")["errors"]
    assert f"{BRICK} of kvm3 still runs: for a server that is there give {{leave: kvm3, to: kvm4}}" in error


def two_copies(fleet, **more):
    for said in fleet.views.values():
        info = {**volume(1, 3, 2, 4, online=(1, 2, 4), size=2), **more}
        said["volumes"] = {"one_vol": {**info, "bricks": [*info["bricks"][:3], "kvm2:/data/second"]}}
        said["volumes"]["one_vol"]["servers"][3] = uuid(2)


def test_of_two_copies_the_other_one_is_taken_when_that_is_accepted(moved):
    two_copies(moved)
    (error,) = moved.plan(old="kvm3", new="kvm4")["errors"]
    assert error.startswith(
        f"kvm1:/data/one_vol/brick would be the only copy that volume one_vol has, and only the lost brick {BRICK} "
        "could say what it lacks: where kvm3 can be started again, do so"
    )
    assert moved.plan(old="kvm3", new="kvm4", accept_only_copy=True)["errors"] == []


def test_of_two_copies_an_empty_brick_is_filled(fleet):
    two_copies(fleet)
    assert fleet.plan(old="kvm3", new="kvm3")["errors"] == []


def test_an_arbiter_says_what_the_other_brick_lacks(moved):
    for said in moved.views.values():
        said["volumes"]["one_vol"]["arbiter"] = 1
    assert moved.plan(old="kvm3", new="kvm4")["errors"] == []  # the arbiter
    for said in moved.views.values():
        said["volumes"] = {"one_vol": {**volume(3, 1, 2), "arbiter": 1}}
    assert moved.plan(old="kvm3", new="kvm4")["errors"] == []


@pytest.mark.parametrize("words", [{"old": "kvm3", "new": "kvm4", "accept_only_copy": True}, {"brick": BRICK}])
def test_an_arbiter_has_no_files(request, words):
    fleet = request.getfixturevalue("fleet" if "brick" in words else "moved")
    fleet.standing["kvm3"]["uuid"] = uuid(3)
    for said in fleet.views.values():
        info = {**volume(3, 3, 2, online=(2,)), "arbiter": 1}
        said["volumes"] = {"one_vol": {**info, "bricks": [BRICK, BRICK + "/", "kvm2:/data/one_vol/brick"]}}
    errors = " ".join(fleet.plan(**words)["errors"])
    assert f"volume one_vol has the files of {BRICK}, {BRICK}/ nowhere else: they cannot be replaced" in errors


def test_a_glusterd_that_answers_does_not_count_as_lost(moved):
    """Its bricks are down, or it is rejected."""
    for connected in (True, False):
        moved.views["kvm2"]["peers"][1] = peer(3, connected=connected)
        (error,) = moved.plan(old="kvm3", new="kvm4")["errors"]
        assert error.startswith("glusterd of kvm3 still runs: for a server that is there give {leave: kvm3, to: kvm4}")


def test_a_server_of_which_nobody_knows_whether_it_runs_does_not_count_as_lost(moved):
    moved.views["kvm2"]["volumes"]["one_vol"]["online"] = None
    (error,) = moved.plan(old="kvm3", new="kvm4")["errors"]
    assert error.startswith("it is not known which bricks of volume one_vol are online: another Gluster command")


def test_a_server_that_is_not_in_the_pool_is_a_mistake(moved):
    for said in moved.views.values():
        said["servers"] = {"kvm33": None, "kvm4": None}
    for words in ({"old": "kvm33", "new": "kvm4"}, {"leave": "kvm33", "to": "kvm4"}):
        (error,) = moved.plan(**words)["errors"]
        assert error.startswith("kvm33 is not in the pool of kvm1, kvm2: correct the name")
    for said in moved.views.values():  # it was taken in by a run, and has nothing yet
        said["peers"].append(peer(4))
        said["servers"]["kvm4"] = member(4)
    (error,) = moved.plan(old="kvm33", new="kvm4")["errors"]
    assert error.startswith("kvm33 is not in the pool of kvm1, kvm2: correct the name")


@pytest.mark.parametrize("words", [{"old": "kvm3", "new": "kvm4"}, {"leave": "kvm3", "to": "kvm4"}])
def test_after_all_was_done_nothing_is_left_but_to_wait(moved, words):
    for said in moved.views.values():
        said["peers"][1] = peer(4)
        said["servers"] = {"kvm3": None, "kvm4": member(4)}
        said["volumes"] = {"one_vol": volume(1, 2, 4, online=(1, 2, 4))}
    assert parts(moved.plan(**words)) == [(["kvm1", "kvm2"], ["one_vol"])]


def test_a_new_server_has_no_address_of_the_old_one(moved):
    for said in moved.views.values():
        said["servers"]["kvm4"] = member(3)
    (error,) = moved.plan(old="kvm3", new="kvm4")["errors"]
    assert error.startswith(
        "kvm4 is the member kvm3 of the pool: where that was reinstalled give {old: kvm3, new: kvm3}"
    )


def test_another_name_of_a_server_that_stays_is_a_mistake(moved):
    for said in moved.views.values():
        said["servers"] = {"kvm1.storage": member(1), "kvm4": None}
    (error,) = moved.plan(leave="kvm1.storage", to="kvm4")["errors"]
    assert error == "kvm1.storage is a name of kvm1, which is in the pillar's servers and answers: correct the name"


def test_no_two_of_a_set_on_one_server(moved):
    for said in moved.views.values():
        said["peers"].append(peer(4))
        said["servers"]["kvm4"] = member(4)
        said["volumes"] = {"one_vol": volume(1, 4, 3, online=(1, 4))}
    (error,) = moved.plan(old="kvm3", new="kvm4")["errors"]
    assert error.startswith(f"volume one_vol has kvm4:/data/one_vol/brick in the set of {BRICK}: choose a server")


UNREADY = {
    "no answer": (None, "kvm2 does not say whether the others have all that was written: no answer"),
    "nothing of its brick": ({**EMPTY, "backlog": ready(1)["backlog"]}, "kvm2 does not say whether others have all"),
    "no quorum": ({**ready(2), "blockers": ["without what is to be replaced"]}, "without what is to be"),
    "a backlog": (
        {**EMPTY, "backlog": {"kvm2:/data/one_vol/brick": 3}},
        "kvm2:/data/one_vol/brick has changes of 3 files that others than what is to be replaced lack: wait until",
    ),
}  # fmt: skip


MISSHAPEN = {
    "mixed bricks": {**ready(2), "backlog": {1: 0, "kvm2:/data/one_vol/brick": 0}},
    "no number": {**ready(2), "backlog": {"kvm2:/data/one_vol/brick": None}},
    "less than nothing": {**ready(2), "backlog": {"kvm2:/data/one_vol/brick": -1}},
    "no files": {**ready(2), "versions": {"kvm1:/ec": {"kvm2:/ec": ["gfid"]}}},
    "no versions": {**ready(2), "versions": {"kvm1:/ec": {"kvm2:/ec": {"gfid": 1, 2: "1"}}}},
    "no brick": {**ready(2), "versions": {"ec": {}}},
}
UNREADY.update({what: (said, "kvm2 does not say whether the others have all") for what, said in MISSHAPEN.items()})


@pytest.mark.parametrize("what", UNREADY)
def test_nothing_begins_without_quorum_or_with_a_backlog(fleet, what):
    said, text = UNREADY[what]
    fleet.ready["kvm2"] = said
    if said is None:
        del fleet.ready["kvm2"]
    (error,) = fleet.plan(old="kvm3", new="kvm3")["errors"]
    assert text in error


def test_it_is_looked_at_until_it_has_been_so_for_some_seconds(fleet, monkeypatch):
    now = [0]
    monkeypatch.setattr(fleet.master.runner.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(fleet.master.runner.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    monkeypatch.setattr(fleet.master.runner, "STEADY", 8)
    assert fleet.plan(old="kvm3", new="kvm3")["errors"] == []
    assert (now[0], len(fleet.asked)) == (8, 5)


@pytest.mark.parametrize(
    ("before", "now", "refused"),
    [
        (("1", "1"), ("1", "1"), False),
        (("1", "2"), ("1", "2"), True),
        (("1", None), ("1", None), True),
        (("1", "2"), ("2", "3"), False),  # it is being written
    ],
)
def test_dispersed_bricks_have_each_file_in_one_version(fleet, before, now, refused):
    def sample(*versions):
        files = [{} if version is None else {"gfid": version} for version in versions]
        return {
            # kvm2 says what is not its own, too
            f"kvm{number}": {**EMPTY, "versions": {"kvm1:/ec": {f"kvm{own}:/ec": each for own in range(1, number + 1)}}}
            for number, each in enumerate(files, 1)
        }

    witnesses = {f"kvm{number}": {f"kvm{number}:/ec": "kvm1:/ec"} for number in (1, 2)}
    found = fleet.master.salt["gluster_one.replace_unready"](witnesses, [sample(*before), sample(*now)])
    assert [text.partition(":/ec have")[0] for text in found] == ["kvm1:/ec, kvm2"] * refused


def dispersed(fleet):
    for said in fleet.views.values():
        said["volumes"] = {"one_vol": {**volume(1, 2, 3), "replica": 1, "disperse": 3, "redundancy": 1}}


def test_each_brick_of_a_dispersed_set_that_stays_is_told_of(fleet):
    dispersed(fleet)
    first, second = (f"kvm{number}:/data/one_vol/brick" for number in (1, 2))
    fleet.ready = {
        "kvm1": {**EMPTY, "versions": {first: {first: {}}}},
        "kvm2": {**EMPTY, "versions": {second: {second: {}}}},  # of another set, as it says
    }
    (error,) = fleet.plan(old="kvm3", new="kvm3")["errors"]
    assert error.startswith(
        f"kvm2 does not say whether others have all that {second} has: `salt kvm2 saltutil.sync_all`"
    )
    fleet.ready["kvm2"]["versions"] = {first: {second: {}}}
    assert fleet.plan(old="kvm3", new="kvm3")["errors"] == []


def test_a_server_that_is_not_asked_has_a_brick_that_stays(monkeypatch):
    fleet = Fleet(monkeypatch, {"one_vol": {"servers": ["kvm1", "kvm2", "kvm3"]}})
    for said in fleet.views.values():
        said["peers"].append(peer(5))
        said["volumes"] = {"one_vol": volume(1, 5, 3)}
    (error,) = fleet.plan(old="kvm3", new="kvm3")["errors"]
    assert error == (
        "nobody says whether others have all that kvm5:/data/one_vol/brick has: name its server in the pillar's servers"
    )
    assert fleet.asked == []


def test_another_brick_of_the_set_on_the_same_server_is_asked_for(fleet):
    fleet.standing["kvm3"]["uuid"] = uuid(3)
    for said in fleet.views.values():
        said["peers"][1] = peer(3)
        info = {**volume(1, 3, 3), "bricks": ["kvm1:/data/one_vol/brick", "kvm3:/data/second", BRICK]}
        said["volumes"] = {"one_vol": info}
    assert fleet.plan(brick=BRICK)["errors"] == [
        "kvm3 does not say whether the others have all that was written: no answer"
    ]
    fleet.ready["kvm3"] = {**EMPTY, "backlog": {"kvm3:/data/second": 1}}
    (error,) = fleet.plan(brick=BRICK)["errors"]
    assert error.startswith("kvm3:/data/second has changes of 1 file that others than")


def heals(fleet, monkeypatch, *answers, timeout=60):
    """What a wait for the heal says, with these answers, one each two seconds."""
    now, left, runner = [0], list(answers), fleet.master.runner
    monkeypatch.setattr(runner.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(runner.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    fleet.master.answers["gluster_replace.unhealed"] = lambda minions, words: (
        {minions[0]: left.pop(0) if len(left) > 1 else left[0]} if minions == ["kvm2"] else {}
    )
    return runner.heal_awaited(["one_vol"], ["kvm1", "kvm2"], timeout), now[0]


def test_a_zero_right_after_is_not_the_end(fleet, monkeypatch, capsys):
    said, passed = heals(fleet, monkeypatch, None, None, "5 files of volume one_vol wait to be healed", None)
    assert (said, passed) == ("all was healed after 6 s", 18)
    assert "5 files of volume one_vol wait to be healed" in capsys.readouterr().err


def test_a_heal_that_takes_too_long_is_said(fleet, monkeypatch):
    with pytest.raises(Exception, match=r"not healed within 60 s \(last seen: 5 files wait\): it goes on by itself, "):
        heals(fleet, monkeypatch, "5 files wait")


@pytest.mark.parametrize("status", ["Stopped by somebody: `curl x | sh` puts that right", "started", None])
def test_a_status_that_gluster_does_not_have_is_no_answer(fleet, status):
    fleet.views["kvm1"]["volumes"]["one_vol"]["status"] = status
    (error,) = fleet.plan(brick=BRICK)["errors"]
    assert error.startswith("kvm1 does not say what it sees of the pool") and "`curl" not in error[:80]


@pytest.mark.parametrize("key, text", [("volumes", "x\x1b[2J`curl`"), ("volumes", "a b"), ("peers", "kvm1; curl")])
def test_what_names_no_volume_and_no_server_is_no_answer(moved, key, text):
    moved.standing["kvm4"][key] = [text]
    (error,) = moved.plan(old="kvm3", new="kvm4")["errors"]
    assert error.startswith("the minion of kvm4 does not say what its glusterd has") and error.isprintable()
