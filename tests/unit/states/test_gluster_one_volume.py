"""A new volume's options before its start, and bricks after a change of them. Gluster itself is a stand-in."""

import pytest
from salt.exceptions import CommandExecutionError

from ..conftest import CHECKOUT, imported

GUIDE = {"server.allow-insecure": "on", "storage.owner-uid": "0", "storage.owner-gid": "0"}
BRICKS = ["kvm1:/b", "kvm2:/b"]
VIRT = {"features.shard": "on", "network.ping-timeout": "20"}


@pytest.fixture
def configured(execution):
    """configured(volume, **arguments): (the state's return, what was set, what was started and looked at)."""

    def run(volume, test=False, virt=VIRT, **arguments):
        done, context = [], {}
        opts = {"test": test, "id": "kvm1", "file_client": "local"}
        salt = {
            "gluster.volume_info": lambda name=None, run=None: {"one_vol": volume} if volume else {},
            "gluster.volume_set": lambda name, options, timeout: volume["options"].update(options),
            "gluster.volume_reset": lambda name, option, timeout: volume["options"].pop(option),
            "gluster_auth.refuse_shutting_out": lambda *words: True,
            "gluster_probe.rejecting_bricks": lambda name, bricks: done.append("probe") or [],
            "gluster_lock.lock": lambda timeout, run: None,
            "gluster_lock.lock_held": lambda: None,
            "gluster_lock.unlock": lambda: None,
            "gluster_pool.peers_apart": lambda run: None,
            "data.get": lambda key: None,
            "data.pop": lambda key: None,
            "data.update": lambda key, value: done.append("mark"),
        }

        def group_options(name):
            if virt is None:
                raise CommandExecutionError(f"Option group {name} is not on this node")
            return dict(virt)

        names = {"__salt__": salt, "__opts__": opts, "__context__": context}
        for name in ("gluster_volume", "gluster_one_arguments"):
            module = execution(name, **names)
            salt.update({f"{name}.{each}": one for each, one in vars(module).items() if each[0] != "_"})
        state = imported(CHECKOUT / "_states/gluster_one_volume.py", __instance_id__="7", **names)
        state.__utils__["gluster_options.wanted_options"].__globals__["group_options"] = group_options
        ret = state.volume_configured("one_vol", uid=0, gid=0, timeout=0, **arguments)
        return ret, {name: change["new"] for name, change in ret["changes"].items()}, done

    return run


def volume(status, **options):
    return {"status": status, "options": options, "bricks": ["kvm1:/data/b"], "servers": ["1"]}


@pytest.mark.parametrize("test", [True, False])
def test_a_new_volume_gets_the_group_before_its_start(configured, test):
    new = volume("Created")
    ret, changes, done = configured(new, test, new_group="virt")
    assert (ret["result"], changes) == (None if test else True, {**GUIDE, **VIRT})
    assert done == []  # its bricks do not run
    record = new["options"].pop("user.gluster_one.set", "")
    assert new["options"] == ({} if test else {**GUIDE, **VIRT})
    assert {word.partition("=")[0] for word in record.split()} == set(new["options"]), "what is ours"
    if not test:
        ret, changes, done = configured(new, new_group="virt")
        assert (ret["result"], changes, done) == (True, {}, [])


@pytest.mark.parametrize("paused", ["server", "-"])
def test_a_server_quorum_that_a_preparation_has_turned_off_is_left_off_and_named(configured, paused):
    kind = "cluster.server-quorum-type"
    there = volume("Started", **GUIDE, **{kind: "none", "user.gluster_one.quorum": paused})
    ret, changes, _ = configured(there, options={kind: "server"})
    assert ret["result"] is True
    assert ("left as it is while an upgrade is prepared" in ret["comment"]) is (paused == "server")
    assert changes == ({} if paused == "server" else {kind: "server"})


def twice(configured, there, **arguments):
    """The state's changes, which its test run has foretold, after which it finds nothing."""
    foretold = configured(there, True, **arguments)[0]
    ret = configured(there, **arguments)[0]
    assert (ret["result"], foretold["changes"]) == (True, ret["changes"]), (foretold, ret)
    assert configured(there, **arguments)[0]["changes"] == {}
    return ret["changes"]


def test_an_option_that_nothing_asks_for_any_more_is_what_it_was_before(configured):
    there = volume("Started", **{"nfs.disable": "on", "network.ping-timeout": "30"})
    asked = {"network.ping-timeout": 10, "performance.quick-read": False, "cluster.choose-local": False}
    configured(there, options=asked)
    there["options"]["cluster.choose-local"] = "on"  # by hand since
    changes = twice(configured, there, options={"nfs.disable": True})
    back = {"network.ping-timeout": {"old": "10", "new": "30"}, "performance.quick-read": {"old": "off", "new": None}}
    assert changes == back
    record = there["options"].pop("user.gluster_one.set")
    theirs = {"nfs.disable": "on", "network.ping-timeout": "30", "cluster.choose-local": "on"}
    assert there["options"] == {**GUIDE, **theirs} and "timeout" not in record and "quick" not in record


def test_an_option_is_dropped_in_the_run_that_sets_another(configured):
    there = volume("Started")
    configured(there, options={"network.ping-timeout": 10})
    changes = twice(configured, there, options={"performance.quick-read": False})
    assert {option: change["new"] for option, change in changes.items()} == {
        "network.ping-timeout": None, "performance.quick-read": "off",
    }  # fmt: skip


@pytest.mark.parametrize("made", [{"new_group": "virt"}, {"group": "virt"}])
def test_a_volume_of_virt_keeps_its_group(configured, made):
    there = volume("Created" if "new_group" in made else "Started")
    configured(there, options={"network.ping-timeout": 10}, **made)
    there["status"] = "Started"
    assert twice(configured, there, **made) == {"network.ping-timeout": {"old": "10", "new": "20"}}
    ret = configured(there)[0]  # nothing says any more that it has the group
    assert ret["changes"] == {} and "2 options of the group virt, which runs have set, stay" in ret["comment"]


def test_a_volume_whose_shards_were_asked_off_gets_none(configured):
    there = volume("Started", **{"network.ping-timeout": "42"})
    configured(there, options={"features.shard": "off", "network.ping-timeout": 10})
    assert twice(configured, there) == {"network.ping-timeout": {"old": "10", "new": "42"}}
    assert there["options"]["features.shard"] == "off"


@pytest.mark.parametrize("virt", [None, {}])
def test_without_the_group_s_file_its_options_stay(configured, virt):
    """Who empties /var/lib/glusterd to be taken into the pool again has no groups either."""
    there = volume("Created")
    configured(there, new_group="virt")
    there["status"], before = "Started", dict(there["options"])
    ret = configured(there, new_group="virt", virt=virt)[0]
    assert (ret["result"], ret["changes"], there["options"]) == (False, {}, before), ret


def test_shards_in_other_words_are_shards(configured):
    there = volume("Created")
    configured(there, new_group="virt")
    there["status"] = "Started"
    there["options"]["features.shard"] = "enable"
    before = dict(there["options"])
    assert (configured(there, new_group="virt")[0]["changes"], there["options"]) == ({}, before)


def test_what_cannot_be_set_back_is_said(configured):
    there = volume("Started", **{"auth.allow": ",".join(f"10.0.0.{number}" for number in range(99))})
    configured(there, options={"features.shard-block-size": "64MB", "auth.allow": "*"})
    ret = configured(there)[0]
    assert (ret["result"], ret["changes"]) == (True, {})
    assert "auth.allow, which a run has set, stays: what it was before is not known" in ret["comment"]
    assert "features.shard-block-size, which a run has set, stays: files may" in ret["comment"]


@pytest.mark.parametrize("status", ["Created", "Started"])
def test_a_volume_without_copies_gets_no_option_that_gluster_refuses_for_it(configured, status):
    threads = {"cluster.shd-max-threads": "8"}
    for kind, more in ({"replica": 1}, {}), ({"replica": 3}, threads), ({"replica": 1, "disperse": 3}, {}):
        changes = configured({**volume(status), **kind}, group="virt", new_group="virt", virt={**VIRT, **threads})[1]
        assert changes == {**GUIDE, **VIRT, **more}
    asked = configured({**volume(status), "replica": 1}, group="virt", new_group="virt", options=threads)[1]
    assert asked == {**GUIDE, **VIRT, **threads}


def test_one_that_was_started_gets_the_pillar_s_group_alone(configured):
    assert configured(volume("Started"), new_group="virt")[1] == GUIDE
    assert configured(volume("Started"), new_group="virt", group="virt")[1] == {**GUIDE, **VIRT}


def test_the_pillar_s_group_and_options_come_before_that_of_a_new_volume(configured):
    ret, changes, _ = configured(volume("Created"), new_group="nosuch", group="virt", options={"features.shard": "off"})
    assert (ret["result"], changes) == (True, {**GUIDE, **VIRT, "features.shard": "off"})


@pytest.mark.parametrize("status", ["Created", "Stopped"])
def test_others_wait_for_the_start(configured, status):
    arguments = {} if status == "Created" else {"new_group": "virt"}
    ret, changes, _ = configured(volume(status), **arguments)
    assert (ret["result"], changes) == (
        False,
        {},
    ) and "was not started (`gluster volume start one_vol`) within 0 s" in (ret["comment"])


def test_before_the_package_that_has_the_groups_a_test_run_names_the_group(configured):
    ret, changes, _ = configured(volume("Created"), True, virt=None, new_group="virt")
    assert (ret["result"], changes) == (None, {"group": "virt", **GUIDE})
    ret, changes, _ = configured(volume("Created"), virt=None, new_group="virt")
    assert (ret["result"], changes) == (False, {}) and "Option group virt is not on this node" in ret["comment"]


@pytest.mark.parametrize(
    "said, asked, done, remark",
    [
        ([[]], 1, [], ""),
        ([BRICKS, []], 2, ["stop", "start"], "; all its bricks rejected clients"),
        ([BRICKS[1:], []], 2, [], ""),
    ],
)
def test_bricks_that_accept_clients_are_asked_once(said, asked, done, remark):
    made, looks = [], []
    salt = {
        "gluster_probe.rejecting_bricks": lambda name, bricks: looks.append(bricks) or said[len(looks) - 1],
        "gluster.volume_stop": lambda name, timeout: made.append("stop"),
        "gluster.volume_start": lambda name, timeout: made.append("start"),
        "data.pop": lambda key: made.append(key),
    }
    state = imported(CHECKOUT / "_states/gluster_one_volume.py", __salt__=salt)
    assert state._let_in("one_vol", {"bricks": BRICKS, "options": {}}, 5).startswith(remark)
    assert (len(looks), made) == (asked, [*done, "gluster_one.closed:one_vol"])
