"""The states of pools and volumes: what they predict, do, and say of what failed. Gluster itself is a stand-in."""

import inspect

import pytest
from salt.exceptions import CommandExecutionError, SaltInvocationError

from ..conftest import CHECKOUT, imported

THREE = ["kvm1", "kvm2", "kvm3"]
BRICKS = [f"{server}:/data/b" for server in THREE]
LAYOUT = {"bricks": "/data/b", "servers": THREE, "replica": 3}
JOINS = {"old": "not in the pool", "new": "in the pool"}


class Gluster:
    """kvm1 of a pool of three: the volumes, what is in the way, and all that was done."""

    mark = "5b1e0f9c"

    def __init__(self):
        self.volumes, self.done, self.words, self.pool_options = {}, [], [], {}
        self.elsewhere = {}  # what other servers have of volumes, where it is not the same
        self.plans = [{"changes": {}, "waiting": None}]
        self.refuses = self.unready = self.apart = self.unfit = None
        self.opts = {"test": False, "id": "kvm1", "file_client": "remote"}
        self.salt = {
            "gluster.volume_info": self.volume_info,
            "gluster.volume_create": self.create,
            "gluster.volume_add_bricks": self.add_bricks,
            "gluster.volume_start": lambda name, force, timeout: self.change("start", name, status="Started"),
            "gluster.volume_set": lambda name, options, timeout: self.change("set", name, more=options),
            "gluster_peers.identify": lambda servers, run=None: {
                server: {"uuid": server[-1], "own": server == "kvm1"} for server in servers
            },
            "gluster_peers.plan": self.plan,
            "gluster_peers.probe": lambda server, timeout: self.done.append(("probe", server)),
            "gluster.peer_status": lambda: [{"hostnames": ["10.0.0.2", "kvm2"]}, {"hostnames": ["kvm3"]}],
            "gluster_pool.peers_apart": lambda run=None: self.apart,
            "gluster_pool.peers_away": lambda: None,
            "gluster_pool.bricks_down": lambda name: [],
            "gluster_lock.lock": lambda timeout, run: None,
            "gluster_lock.lock_held": lambda: None,
            "gluster_lock.unlock": lambda: None,
            "gluster_auth.refuse_shutting_out": lambda *words: True,
            "gluster_bricks.look": lambda path, run=None: dict(self.look),
            "glusterd.marks": lambda path: {"volume": self.mark, "root": bool(self.mark)},
            "gluster_bricks.require_own_fit": self.require_own_fit,
            "gluster_bricks.unready": lambda layout: self.unready,
            "gluster_bricks.use_words": lambda layout: self.done.append(("use words",)),
            "gluster_bricks.publish": lambda path: self.done.append(("publish", path)),
            "gluster_bricks.clear": self.clear,
            "gluster_disks.changes": lambda device, point, run=None: self.disk(device, point),
            "gluster_disks.prepare": self.prepare,
            "gluster_mount.space": lambda path: {"total_mb": 2048, "free_percent": 97},
            "gluster_one_record.recorded": lambda kind: self.record.get(kind, {}),
            "gluster_one_record.record": lambda kind, values: self.record.update({kind: values}),
            "gluster_one_record.forget": self.forget,
            "gluster.volume_reset": lambda name, option, timeout: self.pool_options.pop(option),
            "glusterd.pool_options": lambda: dict(self.pool_options),
        }
        self.known = {"other_vol": "0d6b5bd0"}
        self.record = {"volumes": self.known}
        self.missing, self.fails = {}, None  # of a disk, what has to be made, and with which this fails
        self.look = {"volume": None, "left": None, "unfit": None}
        names = {"__salt__": self.salt, "__opts__": self.opts, "__context__": {}, "__grains__": {"id": "kvm1"}}
        for name in ("gluster_volume", "gluster_one_arguments"):
            module = imported(CHECKOUT / f"_modules/{name}.py", **names)
            for function, one in vars(module).items():
                if inspect.isfunction(one) and one.__module__ == name and function[0] != "_":
                    self.salt[f"{name}.{function}"] = one
        self.states = imported(CHECKOUT / "_states/gluster.py", __instance_id__="7", **names)

    def forget(self, kind, names):
        self.record[kind] = {name: value for name, value in self.record[kind].items() if name not in names}

    def plan(self, servers, run=None):
        plan = self.plans.pop(0) if len(self.plans) > 1 else self.plans[0]
        if isinstance(plan, Exception):
            raise plan
        return plan

    def volume_info(self, name=None, run=None, server=None):
        volumes = self.volumes if server is None else self.elsewhere.get(server, self.volumes)
        return {one: info for one, info in volumes.items() if name in (None, one)}

    def create(self, name, words, timeout):
        self.done.append(("create", name, *words))
        if self.refuses:
            raise CommandExecutionError(self.refuses)
        self.there(name)

    def add_bricks(self, name, bricks, timeout):
        self.done.append(("add-brick", name, *bricks))
        if self.refuses:
            raise CommandExecutionError(self.refuses)
        info = self.volumes[name]
        self.there(name, info["bricks"] + bricks, servers=info["servers"] + [brick[3] for brick in bricks])

    def there(self, name, bricks=BRICKS, **more):
        options = {"nfs.disable": "on", "cluster.granular-entry-heal": "on"}
        self.volumes[name] = {
            **{"replica": 3, "arbiter": 0, "disperse": 0, "redundancy": 0, "status": "Created", "options": options},
            **{"bricks": list(bricks), "servers": list("123")},
            **more,
        }

    def change(self, word, name, status=None, more=()):
        self.done.append((word, name))
        if self.refuses:
            raise CommandExecutionError(self.refuses)
        if name == "all":
            (option, value), *_ = more.items()  # of several the first is set
            self.pool_options[option] = value
            return
        self.volumes[name]["status"] = status or self.volumes[name]["status"]
        self.volumes[name]["options"].update(more)

    def require_own_fit(self, layout, run=None):
        if self.unfit:
            raise SaltInvocationError(self.unfit)

    def clear(self, path, run):
        if not self.opts["test"]:
            self.done.append(("clear", path))
            self.look["left"] = None

    def disk(self, device, point):
        assert (device, point) == ("/dev/sdb", "/data")
        if isinstance(self.missing, Exception):
            raise self.missing
        return {what: {"old": None, "new": what} for what in self.missing}

    def prepare(self, device, point):
        for what in list(self.missing):
            if what == self.fails:
                raise CommandExecutionError(f"{what} fails")
            self.done.append((what,))
            del self.missing[what]
        self.look["unfit"] = None

    def run(self, state, *words, test=False, **arguments):
        self.opts["test"] = test
        ret = getattr(self.states, state)(*words, **arguments)
        assert ret["comment"].isprintable() and ret["name"] == words[0]
        return ret["result"], ret["changes"], ret["comment"]


@pytest.fixture
def gluster():
    return Gluster()


# The pool


def test_a_pool_that_is_there_is_looked_at_once(gluster):
    looks = []
    plan = gluster.salt["gluster_peers.plan"]
    gluster.salt["gluster_peers.plan"] = lambda servers, run: looks.append(run) or plan(servers)
    for test in (False, True):
        assert gluster.run("peered", "pool", THREE, test=test) == (True, {}, "kvm1, kvm2, kvm3 are in one pool")
    assert looks == ["7", "7"] and gluster.done == []


def test_those_that_are_missing_are_probed_and_looked_for(gluster):
    joins = {"changes": {"kvm2": JOINS, "kvm3": JOINS}, "waiting": None}
    assert gluster.run("peered", "pool", THREE, test=True)[0] is True
    gluster.plans = [joins]
    result, changes, comment = gluster.run("peered", "pool", THREE, test=True)
    assert (result, changes, gluster.done) == (None, joins["changes"], [])
    gluster.plans = [joins, {"changes": {}, "waiting": None}]
    result, changes, comment = gluster.run("peered", "pool", THREE)
    assert (result, changes) == (True, joins["changes"])
    assert gluster.done == [("probe", "kvm2"), ("probe", "kvm3")]


def test_a_server_that_waits_says_for_what_and_predicts_no_change(gluster):
    gluster.plans = [{"changes": {}, "waiting": "kvm1 has not taken in kvm2"}]
    assert gluster.run("peered", "pool", THREE, test=True) == (True, {}, "kvm1 has not taken in kvm2")
    result, changes, comment = gluster.run("peered", "pool", THREE, timeout=0)
    assert (result, changes) == (False, {})
    assert "not in one pool within 0 s (last seen: kvm1 has not taken in kvm2)" in comment


def test_nothing_is_probed_while_something_is_waited_for(gluster):
    named = {"kvm1": {"old": "kvm1.lab", "new": "kvm1"}}
    gluster.plans = [{"changes": named, "waiting": "kvm1 has not taken in kvm3"}]
    assert gluster.run("peered", "pool", THREE, test=True)[:2] == (None, named)
    assert gluster.run("peered", "pool", THREE, timeout=0)[:2] == (False, {})
    assert gluster.done == []


def test_what_may_pass_is_waited_for_and_what_was_done_is_said(gluster):
    gluster.plans = [CommandExecutionError("glusterd is not running on kvm3"), {"changes": {}, "waiting": None}]
    assert gluster.run("peered", "pool", THREE)[0] is True
    gluster.plans = [{"changes": {"kvm2": JOINS}, "waiting": None}, CommandExecutionError("glusterd is not running")]
    result, changes, comment = gluster.run("peered", "pool", THREE, timeout=0)
    assert (result, changes) == (False, {"kvm2": JOINS}) and "last seen: glusterd is not running" in comment


def test_what_no_waiting_changes_fails_at_once(gluster):
    gluster.plans = [SaltInvocationError("kvm3 is in a pool with kvm9"), {"changes": {}, "waiting": None}]
    assert gluster.run("peered", "pool", THREE) == (False, {}, "kvm3 is in a pool with kvm9")


def test_after_a_probe_all_have_to_see_each_other(gluster):
    gluster.plans = [{"changes": {"kvm2": JOINS}, "waiting": None}, {"changes": {}, "waiting": None}]
    gluster.apart = "kvm2 sees kvm3 disconnected"
    assert "last seen: kvm2 sees kvm3 disconnected" in gluster.run("peered", "pool", THREE, timeout=0.3)[2]


# Bricks


def test_a_brick_of_a_volume_needs_nothing(gluster):
    gluster.look["volume"] = "one_vol"
    assert gluster.run("brick_prepared", "/data/b/") == (True, {}, "/data/b is a brick of volume one_vol")
    assert gluster.done == []


def test_a_brick_that_has_lost_its_files_names_the_way_to_replace_it(gluster):
    gluster.look["volume"], gluster.mark = "one_vol", None
    for test in (True, False):
        result, changes, comment = gluster.run("brick_prepared", "/data/b", test=test, device="/dev/sdb")
        assert (result, changes, gluster.done) == (False, {}, [])
        assert comment.endswith(
            "and nothing of it is there: mount its file system; if its files are lost, see docs/replace.md"
        )


def test_the_word_is_left_for_the_others_but_not_by_a_test(gluster):
    for test in (True, False):
        said = "/data/b can become a brick: 97 % of 2048 MB are free on its file system"
        assert gluster.run("brick_prepared", "/data/b", test=test) == (True, {}, said)
        assert gluster.done == ([] if test else [("publish", "/data/b")])


def test_what_is_in_the_way_is_said_here_and_to_the_others(gluster):
    gluster.look["unfit"] = "/data/b is not empty"
    assert gluster.run("brick_prepared", "/data/b", test=True) == (False, {}, "/data/b is not empty")
    assert gluster.done == []
    assert gluster.run("brick_prepared", "/data/b") == (False, {}, "/data/b is not empty")
    assert gluster.done == [("publish", "/data/b")]


def test_what_a_refused_volume_has_left_is_cleared_before_the_word(gluster):
    gluster.look["left"] = "1-2-3"
    change = {"/data/b": {"old": "the mark of 1-2-3, a volume that was refused", "new": None}}
    assert gluster.run("brick_prepared", "/data/b", test=True)[:2] == (None, change)
    assert gluster.run("brick_prepared", "/data/b")[:2] == (True, change)
    assert gluster.done == [("clear", "/data/b"), ("publish", "/data/b")]


DISK = {"/dev/sdb": {"old": None, "new": "/dev/sdb"}, "mount": {"old": None, "new": "mount"}}


def test_a_disk_is_made_before_the_directory_is_looked_at(gluster):
    gluster.missing = dict.fromkeys(DISK)
    assert gluster.run("brick_prepared", "/data/b", test=True, device="/dev/sdb")[:2] == (None, DISK)
    assert gluster.done == []
    gluster.look["unfit"] = "/data is not there"
    result, changes, comment = gluster.run("brick_prepared", "/data/b", device="/dev/sdb")
    assert (result, changes) == (True, DISK) and "; /data/b can become a brick: 97 %" in comment
    assert gluster.done == [("/dev/sdb",), ("mount",), ("publish", "/data/b")]
    for test in (True, False):
        assert gluster.run("brick_prepared", "/data/b", test=test, device="/dev/sdb")[:2] == (True, {})


def test_what_speaks_against_a_disk_is_said_here_and_to_the_others(gluster):
    gluster.missing = CommandExecutionError("/dev/sdb may hold data")
    for test in (True, False):
        said = gluster.run("brick_prepared", "/data/b", test=test, device="/dev/sdb")
        assert said == (False, {}, "/dev/sdb may hold data")
    assert gluster.done == [("publish", "/data/b")]


def test_what_was_made_before_a_step_failed_is_a_change(gluster):
    gluster.missing, gluster.fails = dict.fromkeys(DISK), "mount"
    result, changes, comment = gluster.run("brick_prepared", "/data/b", device="/dev/sdb")
    assert (result, changes, comment) == (False, {"/dev/sdb": DISK["/dev/sdb"]}, "mount fails")


def test_the_disk_of_a_brick_is_not_looked_at(gluster):
    gluster.look["volume"], gluster.missing = "one_vol", AssertionError("looked at")
    assert gluster.run("brick_prepared", "/data/b", device="/dev/sdb")[:2] == (True, {})


@pytest.mark.parametrize("device", ["sdb", "/srv/disk", "/dev/../srv/disk", "/dev/sd b", 7, ["/dev/sdb"]])
def test_devices_that_are_none(gluster, device):
    assert "a device below /dev is needed" in gluster.run("brick_prepared", "/data/b", device=device)[2]
    assert gluster.done == []


# Volumes

CREATED = {"one_vol": {"old": "not there", "new": f"replica 3: {' '.join(BRICKS)}"}}
STARTED = {"one_vol": {"old": "Created", "new": "Started"}}


def test_a_volume_is_created_once_and_predicted_as_it_is(gluster):
    assert gluster.run("volume_present", "one_vol", test=True, **LAYOUT)[:2] == (None, CREATED)
    assert gluster.done == []
    assert gluster.run("volume_present", "one_vol", **LAYOUT)[:2] == (True, CREATED)
    assert gluster.done == [("use words",), ("create", "one_vol", "replica", "3", *BRICKS)]
    for test in (False, True):
        assert gluster.run("volume_present", "one_vol", test=test, **LAYOUT)[:2] == (True, {})
    assert len(gluster.done) == 2


@pytest.mark.parametrize("test", [True, False])
def test_one_that_was_used_here_and_is_gone_is_not_made_anew(gluster, test):
    gluster.known["one_vol"] = "80225bd0"
    result, changes, comment = gluster.run("volume_present", "one_vol", **LAYOUT, test=test)
    assert (result, changes, gluster.done) == (False, {}, [])
    assert "kvm1 has used one with the id 80225bd0 until now, and it is gone" in comment
    assert f"`gluster volume create one_vol replica 3 {' '.join(BRICKS)}`, with its id" in comment
    assert comment.endswith("as gluster_one:volumes:one_vol:id in the pillar")
    gluster.there("one_vol")
    assert gluster.run("volume_present", "one_vol", **LAYOUT, test=test)[:2] == (True, {})


def test_a_volume_with_other_bricks_is_left(gluster):
    gluster.there("one_vol", [*BRICKS[:2], "kvm3:/data/c"])
    for test in (False, True):
        result, changes, comment = gluster.run("volume_present", "one_vol", test=test, **LAYOUT)
        assert (result, changes, gluster.done) == (False, {}, [])
        assert "left as it is: kvm3:/data/b is not among its bricks; kvm3:/data/c is" in comment


SIX = {**LAYOUT, "servers": [*THREE, "kvm4", "kvm5", "kvm6"]}
MORE = [f"kvm{number}:/data/b" for number in (4, 5, 6)]
GROWN = {"one_vol": {"old": f"without {', '.join(MORE)}", "new": f"replica 3: {' '.join(BRICKS)}, {' '.join(MORE)}"}}


def test_a_volume_gets_the_sets_that_it_lacks_where_that_is_asked_for(gluster):
    gluster.there("one_vol")
    for test in (False, True):
        result, changes, comment = gluster.run("volume_present", "one_vol", test=test, **SIX)
        assert (result, changes, gluster.done) == (False, {}, [])
        assert comment.endswith("`salt-run state.orchestrate gluster_one.orchestrate.grow` adds it (docs/grow.md)")
    gluster.known["one_vol"] = "80225bd0"  # that it was used here is no reason not to
    assert gluster.run("volume_present", "one_vol", grow=True, test=True, **SIX)[:2] == (None, GROWN)
    assert gluster.done == []
    assert gluster.run("volume_present", "one_vol", grow=True, **SIX)[:2] == (True, GROWN)
    assert gluster.done == [("use words",), ("add-brick", "one_vol", *MORE)]
    for test in (False, True):
        assert gluster.run("volume_present", "one_vol", grow=True, test=test, **SIX)[:2] == (True, {})
    assert len(gluster.done) == 2


def test_no_brick_is_added_before_all_is_ready_or_where_more_differs(gluster):
    gluster.there("one_vol")
    gluster.unready = "kvm4 has not said whether /data/b is fit"
    result, changes, comment = gluster.run("volume_present", "one_vol", grow=True, timeout=0, **SIX)
    assert (result, changes, gluster.done) == (False, {}, [])
    assert "one_vol got no new bricks: not all was ready for it within 0 s (last seen: kvm4 has not said" in comment
    gluster.unready, gluster.refuses = None, "add-brick: failed"
    result, changes, comment = gluster.run("volume_present", "one_vol", grow=True, **SIX)
    assert (result, changes) == (False, {}) and comment.startswith("add-brick: failed: ")
    gluster.done.clear()
    gluster.there("one_vol", [*BRICKS[:2], "kvm3:/data/c"])
    result, changes, comment = gluster.run("volume_present", "one_vol", grow=True, **SIX)
    assert (result, changes, gluster.done) == (False, {}, [])
    assert "kvm3:/data/c is" in comment and "orchestrate.grow" not in comment


def test_bricks_in_another_notation_are_the_same(gluster):
    gluster.there("one_vol", ["10.0.0.1:/data/b/", "kvm2.example.com:/data/b", "KVM3:/data/b"])
    assert gluster.run("volume_present", "one_vol", **LAYOUT)[:2] == (True, {})


def test_nothing_is_created_before_all_is_ready(gluster):
    gluster.unready = "kvm2 has not said whether /data/b is fit"
    result, changes, comment = gluster.run("volume_present", "one_vol", timeout=0, **LAYOUT)
    assert (result, changes, gluster.done) == (False, {}, [])
    assert "was not created: not all was ready for it within 0 s (last seen: kvm2 has not said" in comment
    gluster.unfit = "bricks has kvm1:/data/b: /data/b is not empty"
    for test in (False, True):
        assert gluster.run("volume_present", "one_vol", test=test, **LAYOUT) == (False, {}, gluster.unfit)


def test_one_that_another_node_creates_meanwhile_is_no_error(gluster):
    gluster.salt["gluster_bricks.require_own_fit"] = lambda layout, run=None: gluster.there("one_vol")
    result, changes, comment = gluster.run("volume_present", "one_vol", **LAYOUT)
    assert (result, changes, gluster.done) == (True, {}, [])


def test_a_refused_volume_says_why_and_what_next(gluster):
    gluster.refuses = "Staging failed on kvm3"
    result, changes, comment = gluster.run("volume_present", "one_vol", **LAYOUT)
    assert (result, changes) == (False, {})
    assert "Staging failed on kvm3: what that has left" in comment and "run again on all" in comment


def test_a_volume_that_is_there_although_gluster_failed_counts(gluster):
    gluster.refuses = "timed out"
    gluster.salt["gluster_bricks.use_words"] = lambda layout: gluster.there("one_vol")
    assert gluster.run("volume_present", "one_vol", **LAYOUT)[:2] == (True, CREATED)


def test_servers_that_did_not_take_over_what_was_done_are_named(gluster):
    gluster.refuses, gluster.elsewhere = "Commit failed on kvm3", {"kvm3": {}}
    gluster.salt["gluster_bricks.use_words"] = lambda layout: gluster.there("one_vol")
    result, _, comment = gluster.run("volume_present", "one_vol", **LAYOUT)
    assert result is False
    assert comment.startswith("Commit failed on kvm3; kvm3 did not take it over: restart glusterd there")


@pytest.mark.parametrize("name", ["all", "help", "-v", "a b", "", None, 7])
def test_names_that_are_none(gluster, name):
    gluster.opts["test"] = False
    assert gluster.states.volume_present(name, **LAYOUT)["result"] is False
    assert gluster.done == []


def test_started_once(gluster):
    gluster.there("one_vol")
    assert gluster.run("volume_started", "one_vol", test=True)[:2] == (None, STARTED)
    assert gluster.run("volume_started", "one_vol")[:2] == (True, STARTED)
    for test in (False, True):
        assert gluster.run("volume_started", "one_vol", test=test) == (True, {}, "volume one_vol is started")
    assert gluster.done == [("start", "one_vol")]


def test_only_a_new_one_is_started_where_that_is_asked_for(gluster):
    gluster.there("one_vol", status="Stopped")
    for test in (True, False):
        result, changes, comment = gluster.run("volume_started", "one_vol", test=test, only_new=True)
        assert (result, changes, gluster.done) == (False, {}, [])
        assert comment == "Volume one_vol is Stopped: `gluster volume start one_vol`, if nobody stopped it on purpose"
    gluster.there("one_vol")
    assert gluster.run("volume_started", "one_vol", only_new=True)[:2] == (True, STARTED)


def test_options_of_the_pool_one_by_one_by_meaning(gluster):
    gluster.pool_options["cluster.localtime-logging"] = "enable"
    options = {"cluster.max-bricks-per-process": 9, "cluster.brick-multiplex": True, "cluster.localtime-logging": "on"}
    changes = {"cluster.max-bricks-per-process": "9", "cluster.brick-multiplex": "on"}
    changes = {option: {"old": None, "new": value} for option, value in changes.items()}
    assert gluster.run("pool_options_set", "pool", options, test=True)[:2] == (None, changes)
    assert gluster.run("pool_options_set", "pool", options)[:2] == (True, changes)
    # The first needs the second.
    assert list(gluster.pool_options)[1:] == ["cluster.brick-multiplex", "cluster.max-bricks-per-process"]
    for test in (False, True):
        assert gluster.run("pool_options_set", "pool", options, test=test)[:2] == (True, {})
    assert gluster.done == [("set", "all")] * 2


def test_options_of_the_pool_go_back_to_what_they_were(gluster):
    gluster.pool_options.update({"cluster.localtime-logging": "enable", "cluster.server-quorum-ratio": "60%"})
    assert gluster.run("pool_options_restored", "pool")[:2] == (True, {})
    options = {"cluster.server-quorum-ratio": "51%", "cluster.brick-multiplex": True, "cluster.localtime-logging": "on"}
    assert gluster.run("pool_options_set", "pool", options)[0] is True
    changes = {
        "cluster.server-quorum-ratio": {"old": "51%", "new": "60%"},
        "cluster.brick-multiplex": {"old": "on", "new": None},
    }
    assert gluster.run("pool_options_restored", "pool", test=True)[:2] == (None, changes)
    assert gluster.run("pool_options_restored", "pool")[:2] == (True, changes)
    assert gluster.pool_options == {"cluster.localtime-logging": "enable", "cluster.server-quorum-ratio": "60%"}
    assert gluster.run("pool_options_restored", "pool")[:2] == (True, {}) and gluster.record["pool_options"] == {}


def test_of_the_pool_s_options_those_that_are_dropped_go_back(gluster):
    options = {"cluster.server-quorum-ratio": "51%", "cluster.brick-multiplex": True}
    assert gluster.run("pool_options_set", "pool", options)[0] is True
    changes = {"cluster.brick-multiplex": {"old": "on", "new": None}}
    assert gluster.run("pool_options_restored", "pool", options=["cluster.brick-multiplex"])[:2] == (True, changes)
    assert gluster.pool_options == {"cluster.server-quorum-ratio": "51%"} and len(gluster.record["pool_options"]) == 1


def test_an_option_of_which_nobody_knows_what_it_was_stays(gluster):
    """An earlier version recorded only what it had set it to."""
    gluster.pool_options.update({"cluster.server-quorum-ratio": "51%"})
    gluster.record["pool_options"] = {"cluster.server-quorum-ratio": "51%25"}
    assert gluster.run("pool_options_restored", "pool")[:2] == (True, {})
    assert gluster.run("pool_options_set", "pool", {"cluster.server-quorum-ratio": "60%"})[0] is True
    assert gluster.record["pool_options"] == {"cluster.server-quorum-ratio": {"old": "?", "new": "60%25"}}
    assert gluster.run("pool_options_restored", "pool")[:2] == (True, {})


def test_an_option_of_the_pool_that_gluster_refuses(gluster):
    gluster.refuses = "invalid percent format"
    ratio = {"cluster.server-quorum-ratio": "abc"}
    assert gluster.run("pool_options_set", "pool", ratio) == (False, {}, "invalid percent format")


@pytest.mark.parametrize("options", [None, [], "a", {"nfs.disable": "on"}, {"cluster.op-version": 100000}])
def test_options_that_are_not_the_pools(gluster, options):
    result, _, comment = gluster.run("pool_options_set", "pool", options)
    assert result is False and gluster.done == []
    assert "options of the whole pool are needed" in comment and "cluster.op-version and" in comment


def test_one_that_does_not_start_says_why(gluster):
    gluster.there("one_vol", status="Stopped")
    gluster.refuses = "Failed to find brick directory"
    result, changes, comment = gluster.run("volume_started", "one_vol")
    assert (result, changes) == (False, {}) and comment == "Failed to find brick directory"


def test_a_volume_that_is_not_there(gluster):
    for state, more in (("volume_started", {}), ("options_set", {"options": {"nfs.disable": "on"}})):
        assert gluster.run(state, "one_vol", test=True, **more) == (False, {}, "There is no volume one_vol")
        assert "was not created within 0 s" in gluster.run(state, "one_vol", timeout=0, **more)[2]


def test_options_by_meaning_in_one_command(gluster):
    gluster.there("one_vol", status="Started")
    options = {"nfs.disable": True, "network.ping-timeout": 10}
    changes = {"network.ping-timeout": {"old": None, "new": "10"}}
    assert gluster.run("options_set", "one_vol", options, test=True)[:2] == (None, changes)
    assert gluster.run("options_set", "one_vol", options)[:2] == (True, changes)
    for test in (False, True):
        assert gluster.run("options_set", "one_vol", options, test=test)[:2] == (True, {})
    assert gluster.done == [("set", "one_vol")]


@pytest.mark.parametrize(
    "options", [None, {}, [], "a", {"group": "virt"}, {"a": None}, {"cluster.server-quorum-ratio": 51}]
)
def test_options_that_are_none(gluster, options):
    gluster.there("one_vol")
    assert gluster.run("options_set", "one_vol", options)[0] is False
    assert gluster.done == []


def test_a_test_run_predicts_each_state_from_those_before(gluster):
    """Nothing is there: the options that a new volume has by itself are no change."""
    options = {"nfs.disable": "on", "features.shard": True}
    assert gluster.run("volume_present", "one_vol", test=True, **LAYOUT)[:2] == (None, CREATED)
    shard = {"features.shard": {"old": None, "new": "on"}}
    assert gluster.run("options_set", "one_vol", options, test=True)[:2] == (None, shard)
    assert gluster.run("volume_started", "one_vol", test=True)[:2] == (None, STARTED)
    assert gluster.run("volume_started", "one_vol", test=True)[:2] == (True, {})
    assert gluster.run("volume_present", "one_vol", test=True, **LAYOUT)[:2] == (True, {})
    assert gluster.done == []
    gluster.states.__instance_id__ = "8"
    assert gluster.run("volume_started", "one_vol", test=True)[0] is False
