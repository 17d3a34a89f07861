"""What the gluster command says, as data, and which of its values are equal."""

import xml.etree.ElementTree as ET

import hypothesis
import pytest
from hypothesis import strategies
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

        utils = {"gluster_states.announce_wait": lambda *words: None}
        module = execution("gluster", __salt__={"cmd.run_all": run_all}, __utils__=utils)
        monkeypatch.setattr(module.salt.utils.path, "which", lambda name: f"/usr/sbin/{name}")
        monkeypatch.setattr(module.time, "sleep", lambda seconds: None)
        monkeypatch.setattr(module, "_listens", lambda: True)
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
        "transport": "tcp",
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


def test_a_warning_before_the_xml_is_not_part_of_it(answering):
    warning = "Failed to load a library\n"
    module, _ = answering(warning + INFO)
    assert set(module.volume_info()) == {"one_vol"}
    module, _ = answering(warning + '<?xml version="1.0"?>' + REFUSED.format("Volume one_vol already started"))
    with pytest.raises(CommandExecutionError, match="start one_vol: Volume one_vol already started$"):
        module.volume_start("one_vol")
    module, _ = answering(f"{warning}{PEERS}\n{warning}{INFO}")
    assert set(module.volume_info(run="1")) == {"one_vol"}


def test_another_server_is_asked_for_its_volumes(answering):
    module, commands = answering(INFO)
    assert set(module.volume_info(server="kvm2")) == {"one_vol"}
    assert "--remote-host=kvm2" in commands[0]


def test_what_changes_the_pool_and_makes_a_volume(answering):
    both = f"{PEERS}\n{INFO}"
    module, commands = answering(both, INFO, both, INFO, INFO, both)
    module.peer_status(run="1")
    assert module.peer_probe("kvm3")
    module.peer_status(run="1")
    assert module.volume_create("one_vol", ["replica", "3", "kvm1:/b", "kvm2:/b", "kvm3:/b"])
    assert module.volume_add_bricks("one_vol", ["kvm4:/b", "kvm5:/b", "kvm6:/b"])
    module.peer_status(run="1")
    assert [command[4:] for command in commands if command[0] != "timeout"] == [
        ["peer", "probe", "kvm3"],
        ["volume", "create", "one_vol", "replica", "3", "kvm1:/b", "kvm2:/b", "kvm3:/b"],
        ["volume", "add-brick", "one_vol", "kvm4:/b", "kvm5:/b", "kvm6:/b"],
    ]
    assert len(commands) == 6


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
        ("10.0.0.1,10.0.0.2", "10.0.0.1, 10.0.0.2"),
        ("a , b", "a,b"),
        ("64k", "64KB"),
        ("64K", "65536"),
        ("1m", "1024kb"),
        ("1g", "1.0GiB"),
        ("64b", "64"),
        ("10%", "10"),
        ("10.0%", "10 %"),
        ("0%", "0"),
        ("INFO", "info"),
        ("Full", "FULL"),
        ("0x10", "16"),
        ("0755", 493),
        ("+5", 5),
        ("10.0.0.2,10.0.0.1", "10.0.0.1, 10.0.0.2"),
        ("kvm1,10.0.0.*,10.0.0.0/24", "10.0.0.0/24 ,kvm1,10.0.0.*"),
        ("a,b,a", "b,a"),
    ],
)
def test_equal_is_equal(util, one, other):
    module = util("gluster_options")
    assert module.option_changes({"option": one}, {"option": other}) == {}
    assert module.option_changes({"option": str(other)}, {"option": one}) == {}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("on", "off"),
        ("1GB", "1MB"),
        ("9869", 0),
        ("full", "diff"),
        ("2", True),
        ("a b", "ab"),
        ("64k", "64MB"),
        ("10%", "11"),
        ("10%", "10%,5"),
        ("INFO", "inform"),
        ("0x10", "10"),
        ("010", "10"),
        ("09", "11"),
        ("a,b", "a,c"),
        ("/a", "/A"),
        ("[a,b]{1,2}", "[b,a]{1,2}"),
        ("1.5", "15"),
    ],
)
def test_different_is_different(util, one, other):
    module = util("gluster_options")
    change = module.option_changes({"option": one, "else": "1"}, {"option": other})
    assert change == {"option": {"old": one, "new": module.option_text(other)}}


@pytest.mark.parametrize(
    "option, one, other, equal",
    [
        ("network.ping-timeout", "1m", "60", True),
        ("network.ping-timeout", "1min", "60s", True),
        ("ping-timeout", "2h", "7200sec", True),
        ("network.ping-timeout", "1m", "1MB", False),
        ("performance.cache-size", "1m", "60", False),
        ("user.note", "INFO", "info", False),
        ("user.note", "a,b", "b,a", False),
        ("user.note", "10%", "10", False),
        ("user.smb", "on", "enable", True),
        ("auth.ssl-allow", "Kvm1", "kvm1", False),
        ("ssl.own-cert", "/etc/A", "/etc/a", False),
    ],
)
def test_what_a_value_means_depends_on_the_option(util, option, one, other, equal):
    assert (util("gluster_options").option_changes({option: one}, {option: other}) == {}) is equal


def test_an_option_never_set_differs(util):
    assert util("gluster_options").option_changes({}, {"a": "on"}) == {"a": {"old": None, "new": "on"}}


def test_an_option_by_the_end_of_its_name(util):
    """Gluster takes it so, and keeps it under its full name."""
    module = util("gluster_options")
    kept = {"network.ping-timeout": "10", "a.same": "1", "b.same": "1", "performance.nfs.quick-read": "on"}
    changes = module.option_changes(kept, {"quick-read": "off", "nfs.quick-read": "on"})
    assert changes == {"quick-read": {"old": None, "new": "off"}}
    assert module.option_changes(kept, {"ping-timeout": 10, "other": 1}) == {"other": {"old": None, "new": "1"}}
    assert module.option_changes(kept, {"ping-timeout": 9}) == {"network.ping-timeout": {"old": "10", "new": "9"}}
    wanted = module.merged_options({"storage.owner-uid": 9869}, {"owner-uid": 0, "ping-timeout": 9})
    assert wanted == {"storage.owner-uid": 0, "ping-timeout": 9}
    with pytest.raises(SaltInvocationError, match="options has 'same': it may be a.same or b.same, give the full name"):
        module.option_changes(kept, {"same": 1})


@pytest.mark.parametrize(
    "name", ["cluster.server-quorum-ratio", "server-quorum-ratio", "cluster.brick-multiplex", "brick-multiplex"]
)
def test_an_option_of_the_whole_pool_is_refused_before_gluster_refuses_all(util, name):
    module = util("gluster_options")
    with pytest.raises(
        SaltInvocationError, match=r"the whole pool's.* run `gluster volume set all cluster\.[a-z-]+ 60%`"
    ):
        module.option_changes({"nfs.disable": "off"}, {"nfs.disable": "on", name: "60%"})
    full = name if "." in name else f"cluster.{name}"
    assert module.option_changes({full: "60%"}, {name: "60%"}) == {}, "every volume shows what the pool has"
    assert full in module.pool_options()


def test_what_is_for_an_administrator_s_hand_goes_to_no_pillar(util):
    module = util("gluster_options")
    for name, pillar in (("cluster.op-version", False), ("cluster.server-quorum-ratio", True)):
        with pytest.raises(SaltInvocationError, match="gluster volume set all") as raised:
            module.option_changes({}, {name: "60"})
        assert ("pool_options of the pillar" in str(raised.value)) is pillar is (name in module.pool_options())


def test_options_of_the_pool_are_compared_by_meaning(util):
    changes = util("gluster_options").pool_option_changes
    now = {"cluster.server-quorum-ratio": "51", "cluster.localtime-logging": "enable"}
    assert changes(now, {"cluster.server-quorum-ratio": "51%", "cluster.localtime-logging": True}) == {}
    assert changes(now, {"cluster.server-quorum-ratio": 60}) == {
        "cluster.server-quorum-ratio": {"old": "51", "new": "60"}
    }


def test_a_group_is_no_option(util):
    with pytest.raises(SaltInvocationError, match="options has 'group': it is an argument of its own"):
        util("gluster_options").wanted_options(9869, 9869, options={"group": "virt"})


def test_an_owner_by_number_or_by_name(util, monkeypatch):
    module = util("gluster_options")
    monkeypatch.setattr("salt.utils.user.get_uid", {"oneadmin": 9869}.get)
    monkeypatch.setattr("salt.utils.user.get_gid", {"oneadmin": 9870}.get)
    assert [module.owner_id(7), module.owner_id("7"), module.owner_id("oneadmin")] == [7, 7, 9869]
    assert module.owner_id("oneadmin", "group") == 9870
    with pytest.raises(SaltInvocationError, match="'nobody1' is not a user"):
        module.owner_id("nobody1")


def counted(answering, heal):
    """What a check counts, where Gluster answers this to `volume heal one_vol info summary`."""
    fine = "<cliOutput><opRet>0</opRet></cliOutput>"
    texts = [f"<?xml version='1.0'?>{text.partition('?>')[2] or text}" for text in (fine, INFO, STATUS, heal, fine)]
    return answering("".join(texts))[0].snapshot(heal=["one_vol"])["heal"]["one_vol"]


def test_heal_counts_are_those_of_the_worst_brick(answering):
    heal = "<cliOutput><opRet>0</opRet><healInfo><bricks>{}</bricks></healInfo></cliOutput>"
    brick = (
        "<brick><name>b</name><status>{}</status><totalNumberOfEntries>{}</totalNumberOfEntries>"
        "<numberOfEntriesInSplitBrain>{}</numberOfEntriesInSplitBrain></brick>"
    )
    both = heal.format(brick.format("Connected", 0, 2) + brick.format("Connected", 7, 1))
    assert counted(answering, both) == {"pending": 7, "split_brain": 2}
    away = heal.format(brick.format("Connected", 0, 0) + brick.format("Transport endpoint is not connected", "-", "-"))
    assert counted(answering, away) == {"pending": None, "split_brain": None}


NODE = "<node><hostname>{}</hostname><path>{}</path><status>{}</status><port>{}</port><pid>{}</pid></node>"
STATUS = f"""<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<cliOutput><opRet>0</opRet><opErrno>0</opErrno><opErrstr/><volStatus><volumes><volume><volName>one_vol</volName>
<nodeCount>4</nodeCount>{NODE.format("kvm1", "/data/b", 1, 49152, 2034)}{NODE.format("kvm2", "/data/b", 0, "N/A", -1)}
{NODE.format("Self-heal Daemon", "localhost", 1, "N/A", 2051)}{NODE.format("Self-heal Daemon", "kvm2", 1, "N/A", 977)}
<tasks/></volume></volumes></volStatus></cliOutput>"""
HEALED = "<brick hostUuid='{}'><name>{}:/data/b</name><status>{}</status>{}</brick>"
COUNTS = (
    "<totalNumberOfEntries>{0}</totalNumberOfEntries><numberOfEntriesInHealPending>{0}</numberOfEntriesInHealPending>"
    "<numberOfEntriesInSplitBrain>0</numberOfEntriesInSplitBrain>"
)
HEAL = "<cliOutput><healInfo><bricks>{}</bricks></healInfo><opRet>0</opRet><opErrno>0</opErrno><opErrstr/></cliOutput>"
AWAY = "Transport endpoint is not connected"
UNKNOWN = {"pending": None, "split_brain": None}


@pytest.mark.parametrize(
    "bricks, said",
    [
        ([("Connected", COUNTS.format(0)), ("Connected", COUNTS.format(4))], {"pending": 4, "split_brain": 0}),
        # A brick is down: 9 has no summary then, 10 and 11 have a dash for each count, or none.
        ([("Connected", COUNTS.format(0)), (AWAY, COUNTS.format("-"))], UNKNOWN),
        ([("Connected", COUNTS.format(0)), (AWAY, "")], UNKNOWN),
        ([("Connected", COUNTS.format(0)), ("Connected", COUNTS.format("N/A"))], UNKNOWN),
        ([("Connected", COUNTS.format(0)), ("Connected", COUNTS.format("many"))], UNKNOWN),
        ([("Connected", COUNTS.format(0)), ("Connected", COUNTS.format("²"))], UNKNOWN),
        ([("Connected", COUNTS.format(0)), ("Connected", "")], UNKNOWN),
        ([], UNKNOWN),
    ],
)
def test_what_is_not_known_to_be_healed_is_not_zero(answering, bricks, said):
    answer = HEAL.format("".join(HEALED.format(n, f"kvm{n}", *brick) for n, brick in enumerate(bricks, 1)))
    assert counted(answering, answer) == said


@pytest.mark.parametrize(
    "row, online, pid",
    [
        (("kvm1", "/data/b", 1, 49152, 2034), True, 2034),
        (("kvm1", "/data/b", 0, "N/A", -1), False, None),
        (("kvm1", "/data/b", 0, "N/A", "N/A"), False, None),
        (("kvm1", "/data/b", "", "", ""), False, None),
        (("kvm1", "/data/b", "-", "-", "-"), False, None),
        (("kvm1", "/data/b", "Y", 49152, "none"), False, None),
    ],
)
def test_a_brick_is_online_only_when_gluster_says_so(answering, row, online, pid):
    (found,) = answering(f"<cliOutput><opRet>0</opRet>{NODE.format(*row)}</cliOutput>")[0].volume_status("one_vol")
    assert (found["online"], found["pid"]) == (online, pid)


@pytest.mark.parametrize(
    "names", ["<hostname>kvm2</hostname>", "<hostname/><hostnames><hostname>kvm2</hostname></hostnames>"]
)
def test_a_peer_has_the_name_that_there_is(answering, names):
    answer = f"<cliOutput><opRet>0</opRet><peer><uuid>2</uuid>{names}<connected>1</connected></peer></cliOutput>"
    assert answering(answer)[0].peer_status()[0]["hostnames"] == ["kvm2"]


MEMBERS = """<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<cliOutput><opRet>0</opRet><opErrno>0</opErrno><opErrstr/><peerStatus><peer><uuid>1</uuid><hostname>localhost</hostname>
<connected>1</connected></peer><peer><uuid>2</uuid><hostname>kvm2</hostname><connected>1</connected></peer></peerStatus>
</cliOutput>"""
WHOLE = HEAL.format("".join(HEALED.format(n, f"kvm{n}", "Connected", COUNTS.format(0)) for n in (1, 2)))
WORDS = ["", "-", "N/A", "none", "²", "-1", "99999999999999999999", None]


@hypothesis.given(data=strategies.data())
@hypothesis.settings(deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
def test_whatever_stands_in_an_answer_is_no_traceback_and_never_well(answering, data):
    """One element of one answer, of any of the four, is missing or says something else."""
    roots = [ET.fromstring(text.partition("?>")[2] or text) for text in (MEMBERS, INFO, STATUS, WHOLE)]
    parents = [parent for root in roots for parent in root.iter() if len(parent)]
    parent = data.draw(strategies.sampled_from(parents))
    child = data.draw(strategies.sampled_from(list(parent)))
    word = data.draw(strategies.sampled_from(WORDS))
    if word is None:
        parent.remove(child)
    else:
        child.text = word
    texts = [f"<?xml version='1.0'?>{ET.tostring(root, encoding='unicode')}" for root in roots]
    module, _ = answering("".join(texts), *texts)
    try:
        seen = module.snapshot(heal=["one_vol"])
    except CommandExecutionError:
        return
    counts = seen["heal"]["one_vol"]
    assert counts in ({"pending": 0, "split_brain": 0}, UNKNOWN) or "9999" in str(counts)
    online = {row["hostname"] for row in seen["status"].get("one_vol", []) if row["online"]}
    assert "kvm2" not in online, "it is down in every one of these answers"


@pytest.mark.parametrize("port, online", [("49152", True), ("N/A", False)], ids=["", "no client finds its port"])
def test_a_look_asks_again_for_a_volume_that_status_all_leaves_out(answering, port, online):
    """As it does, without an error, while another command holds the volume's lock."""
    members = "<?xml version='1.0'?><cliOutput><opRet>0</opRet></cliOutput>"
    status = (
        "<cliOutput><opRet>0</opRet><volStatus><volumes><volume><volName>one_vol</volName><node><hostname>kvm1</hostname>"
        f"<path>/data/b</path><status>1</status><port>{port}</port><pid>7</pid></node></volume></volumes></volStatus>"
        "</cliOutput>"
    )
    nothing = f"<?xml version='1.0'?>{REFUSED.replace('-1', '0').format('')}"
    module, commands = answering(f"{members}{INFO}{nothing}", status)
    found = module.snapshot()
    assert found["status"] == {
        "one_vol": [{"hostname": "kvm1", "path": "/data/b", "online": online, "port": port, "pid": 7}]
    }
    assert commands[1][-3:] == ["volume", "status", "one_vol"]


# A look does not wait

CLIENTS = """<?xml version="1.0"?><cliOutput><opRet>0</opRet><volStatus><volumes><volume><volName>one_vol</volName>
<node>
<hostname>kvm1</hostname><path>/data/b</path><clientsStatus><client><hostname>10.0.0.1:49151</hostname><bytesWrite>999
</bytesWrite></client></clientsStatus></node></volume></volumes></volStatus></cliOutput>"""
CONNECTED = {"kvm1:/data/b": [["10.0.0.1:49151", 999]]}
LOCKED = REFUSED.format("Another transaction is in progress for one_vol. Please try again after some time.")


def heal_info(status):
    bricks = [HEALED.format(1, "kvm1", "Connected", COUNTS.format(4)), HEALED.format(2, "kvm2", AWAY, "")]
    return f"<?xml version='1.0'?>{HEAL.format(''.join(bricks).replace('Connected', status))}"


def test_what_is_answered_before_the_time_is_over_stands(answering):
    """As where a hundred thousand entries are to be counted: the process is ended at the third of four answers."""
    module, commands = answering(f"{MEMBERS}{INFO}{STATUS}", CLIENTS, retcode=124)
    seen = module.snapshot(heal=["one_vol"])
    assert [peer["connected"] for peer in seen["pool"]] == [True, True]
    assert [row["online"] for row in seen["status"]["one_vol"]] == [True, False, True, True]
    assert (seen["heal"], seen["connections"]) == ({"one_vol": UNKNOWN}, {"one_vol": CONNECTED})
    assert len(commands) == 2 and commands[0][:3] == ["timeout", "-k", "5"]


@pytest.mark.parametrize("answers", ["", f"{MEMBERS}", f"{MEMBERS}{INFO}"])
def test_a_pool_that_does_not_answer_is_asked_once(answering, answers):
    module, commands = answering(answers, retcode=124)
    with pytest.raises(CommandExecutionError, match="gluster did not answer within 30 s"):
        module.snapshot(heal=["one_vol"])
    assert len(commands) == 1


def test_a_brick_that_hangs_is_not_asked_who_is_connected(answering):
    """kvm1's is online, and the heal's information cannot reach it; kvm2's is down, which is no reason."""
    module, commands = answering(f"{MEMBERS}{INFO}{STATUS}{heal_info(AWAY)}", CLIENTS)
    seen = module.snapshot(heal=["one_vol"])
    assert (seen["heal"], seen["connections"], len(commands)) == ({"one_vol": UNKNOWN}, {"one_vol": None}, 1)
    module, commands = answering(f"{MEMBERS}{INFO}{STATUS}{heal_info('Connected')}", CLIENTS)
    assert (module.snapshot(heal=["one_vol"])["connections"], len(commands)) == ({"one_vol": CONNECTED}, 2)


def test_a_volume_whose_lock_another_command_holds_is_not_down(answering, monkeypatch):
    module, commands = answering(f"{MEMBERS}{INFO}<?xml version='1.0'?>{LOCKED}", LOCKED)
    clock = iter(range(0, 1000, 2))
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    seen = module.snapshot()
    assert (seen["status"], set(seen["volumes"])) == ({"one_vol": None}, {"one_vol"})


@pytest.mark.parametrize(
    "error", ["Commit failed on kvm3. Please check log file for details.", "Another transaction is"]
)
def test_a_heal_that_cannot_begin_is_tried_once(answering, error):
    module, commands = answering(REFUSED.format(error))
    with pytest.raises(CommandExecutionError, match=error[:10]):
        module.heal("one_vol")
    assert len(commands) == 1


# Who is meant

UUID = "7c0980d4-b354-4b86-98ae-abce509a2e52"
BY_ADDRESS = PEERS.replace("<uuid>2<", f"<uuid>{UUID}<")


@pytest.mark.parametrize(
    "error, peers, volumes, said",
    [
        (f"Staging failed on {UUID}. Error: no", BY_ADDRESS, INFO, f"Staging failed on kvm2 ({UUID}). Error: no"),
        ("Locking failed on 10.0.0.2. Please", BY_ADDRESS, INFO, "Locking failed on kvm2 (10.0.0.2). Please"),
        ("on 10.0.0.22 and 110.0.0.2", BY_ADDRESS, INFO, "on 10.0.0.22 and 110.0.0.2"),
        ("one or more nodes do not support it: 10.0.0.2", BY_ADDRESS.replace("<hostname>kvm2<", "<hostname>10.0.0.2<"),
         INFO.replace("<hostUuid>2<", f"<hostUuid>{UUID}<"), "it: kvm2 (10.0.0.2)"),
        ("on fd00::2.", BY_ADDRESS.replace("10.0.0.2", "fd00::2"), INFO, "on kvm2 (fd00::2)."),
        ("on 10.0.0.2", BY_ADDRESS.replace("<hostname>kvm2<", "<hostname>10.0.0.2<"), INFO, "on 10.0.0.2"),
        ("on 10.0.0.2", "", "", "on 10.0.0.2"),
    ],
)  # fmt: skip
def test_a_peer_is_called_by_its_name(answering, error, peers, volumes, said):
    module, _ = answering(REFUSED.format(error), f"{peers}{volumes}")
    with pytest.raises(CommandExecutionError) as failure:
        module.xml("volume", "set", "one_vol", "a", "b", patience=0)
    assert str(failure.value).endswith(said)


LISTED = """Client connections for volume one_vol
Name                                                       count
-----                                                     ------
glustershd                                                     3
gfapi.qemu-system-x86_64                                      12

total clients for volume one_vol : 15 
-----------------------------------------------------------------
"""  # noqa: W291


@pytest.mark.parametrize(
    "text, found",
    [
        (LISTED, {"glustershd": 3, "gfapi.qemu-system-x86_64": 12}),
        (
            LISTED.replace("gfapi.qemu-system-x86_64", "gfapi.CPU 0/KVM         "),
            {"glustershd": 3, "gfapi.CPU 0/KVM": 12},
        ),
        ("Client connections for volume one_vol\n\ntotal clients for volume one_vol : 0 \n", {}),
    ],
)
def test_the_kinds_of_clients_are_read_from_gluster_s_text(execution, monkeypatch, text, found):
    answers = {"retcode": 0, "stdout": text, "stderr": ""}
    module = execution("gluster", __salt__={"cmd.run_all": lambda command, **_: answers})
    monkeypatch.setattr(module, "_program", lambda timeout: ["gluster", "--xml"])
    assert module.client_kinds("one_vol") == found
    answers.update(retcode=1, stdout="", stderr="Volume one_vol is not started\n")
    with pytest.raises(CommandExecutionError, match="client-list: Volume one_vol is not started"):
        module.client_kinds("one_vol")


SET = "<cliOutput><opRet>0</opRet><opErrno>0</opErrno><opErrstr /></cliOutput>"
APART = "Pre Validation failed on kvm2. Host kvm3 not connected"


@pytest.mark.parametrize("new", [None, "kvm4:/data/b"])
def test_a_brick_is_replaced_once_the_others_are_connected_to_its_server(answering, new):
    begin = [] if new else [SET]
    module, commands = answering(*begin, REFUSED.format(APART), *begin, SET)
    waited = []

    def wait_for(look, timeout, failure):
        while said := look():
            waited.append(said)

    module.__utils__["gluster_states.wait_for"] = wait_for
    assert module.brick_replace("one_vol", "kvm3:/data/b", new) is True
    assert len(waited) == 1 and APART in waited[0]
    assert len(commands) == (2 if new else 4) and commands[: len(commands) // 2] == commands[len(commands) // 2 :]


def test_what_else_keeps_a_brick_from_being_replaced_is_not_waited_for(answering):
    module, commands = answering(SET, REFUSED.format("Volume one_vol does not exist"))
    module.__utils__["gluster_states.wait_for"] = lambda look, timeout, failure: look()
    with pytest.raises(CommandExecutionError, match="does not exist"):
        module.brick_replace("one_vol", "kvm3:/data/b")
    assert len(commands) == 2


SPEAKING = """<?xml version="1.0"?><cliOutput><opRet>0</opRet><volStatus><volumes><volume><node>
<hostname>kvm1</hostname><path>/data/b</path><clientsStatus><clientCount>3</clientCount>
<client><hostname>10.0.0.1:49149</hostname><bytesWrite>9</bytesWrite><opVersion>110000</opVersion></client>
<client><hostname>10.0.0.1:49148</hostname><bytesWrite>9</bytesWrite><opVersion>100000</opVersion></client>
<client><hostname>10.0.0.2:49148</hostname><bytesWrite>9</bytesWrite></client>
</clientsStatus></node></volume></volumes></volStatus></cliOutput>"""
MOST = """<cliOutput><opRet>0</opRet><volGetopts><count>1</count><Opt><Option>cluster.max-op-version</Option>
<Value>{}</Value></Opt></volGetopts></cliOutput>"""


def test_the_oldest_client_of_an_address_counts(answering):
    module, commands = answering(SPEAKING)
    assert module.client_versions("one_vol") == {"10.0.0.1": 100000, "10.0.0.2": 0}
    assert commands[0][-4:] == ["volume", "status", "one_vol", "clients"]


def test_the_protocol_that_all_servers_speak(answering):
    module, commands = answering(MOST.format(110000))
    assert module.max_op_version() == 110000
    assert commands[0][-4:] == ["volume", "get", "all", "cluster.max-op-version"]
    assert answering(MOST.format("?"))[0].max_op_version() is None
