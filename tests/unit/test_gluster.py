"""What the gluster command says, as data, and which of its values are equal."""

import pytest
from salt.exceptions import CommandExecutionError, SaltInvocationError

INFO = """<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<cliOutput><opRet>0</opRet><opErrno>0</opErrno><opErrstr/><volInfo><volumes><volume><name>one_vol</name>
<id>6b2b</id><status>1</status><statusStr>Started</statusStr><replicaCount>3</replicaCount>
<arbiterCount>0</arbiterCount><disperseCount>0</disperseCount><redundancyCount>0</redundancyCount><typeStr>Replicate</typeStr>
<bricks><brick uuid="1">kvm1:/data/b<name>kvm1:/data/b</name><hostUuid>1</hostUuid></brick><brick uuid="2">kvm2:/data/b
<name>kvm2:/data/b</name><hostUuid>2</hostUuid></brick></bricks><options><option><name>nfs.disable</name><value>on</value></option></options></volume>
<count>1</count></volumes></volInfo></cliOutput>"""
PEERS = """<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<cliOutput><opRet>0</opRet><opErrno>0</opErrno><opErrstr/><peerStatus><peer><uuid>2</uuid><hostname>10.0.0.2</hostname>
<hostnames><hostname>10.0.0.2</hostname><hostname>kvm2</hostname></hostnames><connected>1</connected><state>3</state>
<stateStr>Peer in Cluster</stateStr></peer></peerStatus></cliOutput>"""
REFUSED = "<cliOutput><opRet>-1</opRet><opErrno>2</opErrno><opErrstr>{}</opErrstr></cliOutput>"


@pytest.fixture
def answering(execution, monkeypatch):
    """answering(text, ...): the module, whose command gives these answers one after the other, and the commands run."""

    def make(*answers, retcode=0):
        commands = []
        texts = list(answers)

        def run_all(command, **_):
            commands.append(command)
            return {"stdout": texts.pop(0) if len(texts) > 1 else texts[0], "stderr": "", "retcode": retcode}

        text = execution("gluster_options").option_text
        salt = {"cmd.run_all": run_all, "gluster.option_text": text, "gluster_one.waiting": lambda *words: None}
        module = execution("gluster", __salt__=salt)
        monkeypatch.setattr(module.salt.utils.path, "which", lambda name: f"/usr/sbin/{name}")
        monkeypatch.setattr(module.time, "sleep", lambda seconds: None)
        return module, commands

    return make


def test_volume_info_is_plain_data(answering):
    module, commands = answering(INFO)
    assert module.volume_info("one_vol")["one_vol"] == {
        "id": "6b2b",
        "type": "Replicate",
        "status": "Started",
        "replica": 3,
        "arbiter": 0,
        "disperse": 0,
        "redundancy": 0,
        "bricks": ["kvm1:/data/b", "kvm2:/data/b"],
        "servers": ["1", "2"],
        "options": {"nfs.disable": "on"},
    }
    assert "--xml" in commands[0] and "--mode=script" in commands[0]


def test_volume_info_is_read_once_in_a_run_and_anew_after_a_change(answering):
    module, commands = answering(f"{PEERS}\n{INFO}")
    for _ in range(10):
        module.volume_info("one_vol", run="1")
    assert len(commands) == 1
    module.volume_info("one_vol", run="2")
    assert len(commands) == 2


def test_what_was_read_does_not_outlive_a_change(answering):
    both = f"{PEERS}\n{INFO}"
    module, commands = answering(both, INFO, both)
    module.volume_info("one_vol", run="3")
    module.volume_set("one_vol", {"nfs.disable": "on"})
    module.volume_info("one_vol", run="3")
    assert len(commands) == 3


def test_peers_and_volumes_are_read_by_one_process(answering):
    module, commands = answering(f"{PEERS}\n{INFO}")
    assert module.peer_status(run="1") == [
        {"uuid": "2", "hostnames": ["10.0.0.2", "kvm2"], "connected": True, "state": "Peer in Cluster"}
    ]
    assert set(module.volume_info(run="1")) == {"one_vol"}
    assert len(commands) == 1


def test_what_one_process_does_not_answer_is_asked_alone(answering):
    module, commands = answering(f"{PEERS}\n{REFUSED.format('no such thing')}", PEERS)
    assert module.peer_status(run="1")[0]["uuid"] == "2"
    assert len(commands) == 2


def test_a_volume_that_is_none_is_empty(answering):
    assert answering(INFO)[0].volume_info("other") == {}


def test_all_options_in_one_process_and_booleans_in_words(answering):
    module, commands = answering(INFO)
    module.volume_set("one_vol", {"server.allow-insecure": True, "storage.owner-uid": 9869})
    assert commands[0][4:] == ["volume", "set", "one_vol", "server.allow-insecure", "on", "storage.owner-uid", "9869"]


def test_failure_in_the_xml_with_status_0_is_a_failure(answering):
    module, _ = answering(REFUSED.format("volume set: failed: option : nope does not exist"))
    with pytest.raises(CommandExecutionError, match="option : nope does not exist"):
        module.volume_set("one_vol", {"nope": 1})


def test_status_without_xml_is_a_failure(answering):
    module, _ = answering("Connection failed. Please check if gluster daemon is operational.", retcode=1)
    with pytest.raises(CommandExecutionError, match="systemctl start glusterd"):
        module.pool_list()


def test_the_lock_of_another_command_is_waited_for(answering):
    locked = REFUSED.format("Another transaction is in progress for one_vol. Please try again after some time.")
    module, commands = answering(locked, locked, INFO)
    module.volume_set("one_vol", {"nfs.disable": "on"})
    assert len(commands) == 3


def test_the_lock_is_waited_for_within_bounds(answering):
    module, _ = answering(REFUSED.format("Another transaction is in progress"))
    with pytest.raises(CommandExecutionError, match="Another transaction"):
        module.volume_set("one_vol", {"nfs.disable": "on"}, timeout=0)


@pytest.mark.parametrize("options", [None, {}, "nfs.disable on", ["nfs.disable"]])
def test_options_of_another_kind_are_refused(execution, options):
    with pytest.raises(SaltInvocationError, match="names and values"):
        execution("gluster").volume_set("one_vol", options)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *[("on", value) for value in ("on", "ON", "yes", "true", "True", "enable", "1", 1, True)],
        *[("off", value) for value in ("off", "no", "false", "False", "disable", "0", 0, False)],
        ("1GB", "1024MB"),
        ("1GB", "1073741824"),
        ("1gb", "1GB"),
        ("1.5GB", "1536MB"),
        ("64MB", "65536KB"),
        (9869, "9869"),
        ("full", "full"),
    ],
)
def test_equal_is_equal(execution, one, other):
    module = execution("gluster_options")
    assert module.option_changes({"option": one}, {"option": other}) == {}
    assert module.option_changes({"option": str(other)}, {"option": one}) == {}


@pytest.mark.parametrize(("one", "other"), [("on", "off"), ("1GB", "1MB"), ("9869", 0), ("full", "diff"), ("2", True)])
def test_different_is_different(execution, one, other):
    module = execution("gluster_options")
    change = module.option_changes({"option": one, "else": "1"}, {"option": other})
    assert change == {"option": {"old": one, "new": module.option_text(other)}}


def test_an_option_never_set_differs(execution):
    assert execution("gluster_options").option_changes({}, {"a": "on"}) == {"a": {"old": None, "new": "on"}}


def test_an_owner_by_number_or_by_name(execution, monkeypatch):
    module = execution("gluster_options")
    monkeypatch.setattr("salt.utils.user.get_uid", {"oneadmin": 9869}.get)
    monkeypatch.setattr("salt.utils.user.get_gid", {"oneadmin": 9870}.get)
    assert [module.owner_id(7), module.owner_id("7"), module.owner_id("oneadmin")] == [7, 7, 9869]
    assert module.owner_id("oneadmin", "group") == 9870
    with pytest.raises(SaltInvocationError, match="'nobody1' is no user"):
        module.owner_id("nobody1")


def test_heal_counts_are_those_of_the_worst_brick(answering):
    heal = "<cliOutput><opRet>0</opRet><healInfo><bricks>{}</bricks></healInfo></cliOutput>"
    brick = (
        "<brick><name>b</name><status>{}</status><totalNumberOfEntries>{}</totalNumberOfEntries>"
        "<numberOfEntriesInSplitBrain>{}</numberOfEntriesInSplitBrain></brick>"
    )
    both = heal.format(brick.format("Connected", 0, 2) + brick.format("Connected", 7, 1))
    assert answering(INFO, both)[0].heal_counts("one_vol") == {"pending": 7, "split_brain": 2}
    away = heal.format(brick.format("Connected", 0, 0) + brick.format("Transport endpoint is not connected", "-", "-"))
    assert answering(INFO, away)[0].heal_counts("one_vol") == {"pending": None, "split_brain": None}


def test_a_look_asks_again_for_a_volume_that_status_all_leaves_out(answering):
    """As it does, without an error, while another command holds the volume's lock."""
    members = "<?xml version='1.0'?><cliOutput><opRet>0</opRet></cliOutput>"
    status = (
        "<cliOutput><opRet>0</opRet><volStatus><volumes><volume><volName>one_vol</volName><node><hostname>kvm1</hostname>"
        "<path>/data/b</path><status>1</status><port>49152</port><pid>7</pid></node></volume></volumes></volStatus></cliOutput>"
    )
    nothing = f"<?xml version='1.0'?>{REFUSED.replace('-1', '0').format('')}"
    module, commands = answering(f"{members}{INFO}{nothing}", status)
    found = module.look()
    assert found["status"] == {
        "one_vol": [{"hostname": "kvm1", "path": "/data/b", "online": True, "port": "49152", "pid": 7}]
    }
    assert commands[1][-3:] == ["volume", "status", "one_vol"]
