"""
What a state says when OpenNebula does not do as it should: one line with the endpoint, the request, the datastore and
what to do, in test mode as well, in bounded time; and what is tried again.
"""

import threading
import time

import pytest
from salt.exceptions import CommandExecutionError

from tests.oned import PASSWORD

from .standin import StandIn
from .wire import certificate, speaking, unused_endpoint

NATIVE = {"volume": "one_vol", "host": "kvm1"}
LIMIT = 1  # seconds that an answer may take, in the pillar of these tests
ENOUGH = 20  # seconds for all of it, on a machine that is busy, too
READ, CREATE = "one.datastorepool.info", "one.datastore.allocate"


@pytest.fixture
def failing(present, opennebula_pillar):
    """failing(...): the state that cannot work; its comment, and the seconds that it took."""
    opennebula_pillar(timeout=LIMIT)

    def run(test=False, **arguments):
        begin = time.monotonic()
        result = present(test=test, **{**NATIVE, "timeout": LIMIT, **arguments})
        assert (result.result, result.changes) == (False, {}), result.comment
        return str(result.comment), time.monotonic() - begin

    return run


def check(comment, endpoint, request, *words):
    assert "\n" not in comment and "Traceback" not in comment
    assert comment.startswith("Datastore glusterds: OpenNebula at ") and comment.count("glusterds") == 1
    for word in (endpoint, request, *words):
        assert word in comment, comment


# What the stand-in is told to do at one method, and what is said then. test: both modes meet it.
TROUBLES = [
    ({"hang": True}, READ, "did not answer", f"within {LIMIT} s", "oned.log"),
    ({"slow": 3}, READ, "did not answer", f"within {LIMIT} s", "oned.log"),
    ({"garbage": True}, READ, "gave no valid answer", "ExpatError", "is the endpoint oned's XML-RPC port?"),
    ({"drop": True}, READ, "broke off the connection", "oned.log"),
    ({"status": 503}, READ, "with HTTP status 503", "is the endpoint oned's XML-RPC port?"),
    ({"fail": [256, "User couldn't be authenticated, aborting call."]}, READ, "did not accept", "one_auth",
     "correct them", "token may have expired"),
    ({"fail": [512, "User [2] : Not authorized to perform USE."]}, READ, "Not authorized", "(512)", "oneadmin"),
    ({"fail": [1024, "Error getting datastore [9]."]}, READ, "Error getting datastore [9] (1024)", "run again"),
    ({"fail": [2048, "It is\nin use."]}, READ, "It is in use (2048)", "put that right"),
    ({"fail": [4096, "Wrong type."]}, READ, "Wrong type (4096)", "correct the arguments"),
    ({"fail": [8192, "Database gone."]}, READ, "Database gone (8192)", "oned.log"),
    ({"fail": [16384, "New code."]}, READ, "New code", "oned.log"),
    ({"fail": [512, "Not authorized to perform CREATE."]}, CREATE, "CREATE (512)", "oneacl"),
    ({"fail": [8192, "NAME is already taken by DATASTORE 100."]}, CREATE, "already taken by DATASTORE 100 (8192)",
     "correct what it names"),
    ({"hang": True}, CREATE, "did not answer", "may have been carried out", "run again"),
    ({"garbage": True}, CREATE, "gave no valid answer"),
    ({"hang": True}, "one.system.config", "did not answer"),
    ({"status": 500}, "one.hostpool.info", "with HTTP status 500"),
]  # fmt: skip
# Test mode meets those of reads alone: it sends nothing else.
CASES = [(test, *case) for case in TROUBLES for test in (True, False) if not test or case[1] != CREATE]
IDS = [
    f"{'test' if test else 'run'}-{next(iter(trouble))}-{method}-{word}" for test, trouble, method, word, *_ in CASES
]


@pytest.mark.parametrize("test, trouble, method, words", [(a, b, c, words) for a, b, c, *words in CASES], ids=IDS)
def test_each_trouble_is_one_line(oned, failing, test, trouble, method, words):
    with oned.trouble(**trouble, method=method):
        comment, seconds = failing(test)
    check(comment, oned.endpoint, method, *words)
    assert seconds < ENOUGH


# What oned may leave out of its answers, and answers of another kind.
ABSENT = ["CLUSTERS", "IMAGES", "TOTAL_MB", "FREE_MB", "USED_MB", "PERMISSIONS", "TYPE", "STATE", "UNAME", "GNAME",
          "UID", "GID", "DS_MAD", "TM_MAD", "BASE_PATH", "DISK_TYPE", "TEMPLATE"]  # fmt: skip


@pytest.mark.parametrize("tag", ABSENT)
def test_what_oned_leaves_out_of_others_is_unknown(oned, present, modules, tag):
    """Two datastores of others lack it, or have a kind that is not known here: ours is made, and is as wanted then."""
    oned.datastore("other")
    with oned.trouble(edit=[rf"(?s)<{tag}>.*?</{tag}>|<{tag}/>", ""], method=READ):
        stores = modules.opennebula.datastore_list(**oned.arguments)
        assert {store["name"] for store in stores} >= {"other", "default"}
        result = present("glusterds", test=True, **NATIVE)
        assert result.result is None and result.changes["GLUSTER_VOLUME"]["new"] == "one_vol", result.comment


@pytest.mark.parametrize("tag, value", [("TYPE", "4"), ("STATE", "2"), ("DISK_TYPE", "9"), ("TOTAL_MB", "")])
def test_a_kind_that_is_not_known_is_passed_over(oned, present, tag, value):
    oned.datastore("other")
    with oned.trouble(edit=[f"<{tag}>[^<]*", f"<{tag}>{value}"], method=READ):
        result = present("glusterds", test=True, **NATIVE)
        assert result.result is None, result.comment


def test_what_oned_does_not_say_of_a_datastore_of_ours(oned, present, modules):
    assert present(**NATIVE).result is True
    without = {"method": READ}
    with oned.trouble(edit=["(?s)<CLUSTERS>.*?</CLUSTERS>", ""], **without):
        result = present(**NATIVE)
        assert result.result is True and "does not say in which clusters" in str(result.raw)
        result = present(**NATIVE, clusters=["default"])
        assert result.result is False and "OpenNebula does not say in which clusters it is" in result.comment
    oned.call("datastore.update", 100, "DRIVER=qcow2", 1)
    with oned.trouble(edit=["(?s)<IMAGES>.*?</IMAGES>|<IMAGES/>", ""], **without):  # it may hold some
        assert present(**NATIVE).changes == {}
    with oned.trouble(edit=["<TOTAL_MB>[^<]*</TOTAL_MB>", ""], **without):
        assert modules.one_datastore.wait_measured(100, **oned.arguments).startswith("size unknown")


@pytest.mark.parametrize("document", ["", "hello", "<html/>", "<VM_POOL/>", "<DATASTORE_POOL>", "7 < 8"])
def test_an_answer_that_is_no_document_or_another_one(oned, failing, modules, document):
    with oned.trouble(edit=["(?s)^.*$", document], method=READ):
        for test in (True, False):
            comment, _ = failing(test)
            assert "one.datastorepool.info" in comment and "is the endpoint oned's XML-RPC port?" in comment
    for function, method in (("image_list", "imagepool.info"), ("vm_list", "vmpool.infoextended"),
                             ("host_list", "hostpool.info"), ("cluster_list", "clusterpool.info")):  # fmt: skip
        if document != "<VM_POOL/>":
            with oned.trouble(edit=["(?s)^.*$", document], method=f"one.{method}"):
                with pytest.raises(CommandExecutionError, match=f"one.{method}"):
                    getattr(modules.opennebula, function)(**oned.arguments)


def test_a_change_that_is_answered_with_a_text(oned, failing):
    oned.call("user.allocate", "alice", "secret", "core", [])
    with oned.trouble(edit=["(?s)^.*$", "<USER_POOL/>"], method="one.userpool.info"):
        comment, _ = failing(owner="alice")
    assert "OpenNebula has no user alice" in comment


CONFIGURATION = {
    "VM_MAD without TYPE": ("(?s)<TYPE>.*?</TYPE>", ""),
    "VM_MAD without NAME": ("(?s)(<VM_MAD>.*?)<NAME>.*?</NAME>", r"\1"),
    "VM_MAD with two NAMEs": (r"(?s)(<VM_MAD>.*?)(<NAME>.*?</NAME>)", r"\1\2\2"),
    "TM_MAD_CONF with two NAMEs": (r"(?s)(<TM_MAD_CONF>.*?)(<NAME>.*?</NAME>)", r"\1\2\2"),
    "no VM_MAD": ("(?s)<VM_MAD>.*?</VM_MAD>", ""),
    "no TM_MAD_CONF": ("(?s)<TM_MAD_CONF>.*?</TM_MAD_CONF>", ""),
    "TM_MAD_CONF that is a text": ("(?s)<TM_MAD_CONF>.*?</TM_MAD_CONF>", "<TM_MAD_CONF>x</TM_MAD_CONF>"),
    "no DATASTORE_MAD": ("(?s)<DATASTORE_MAD>.*?</DATASTORE_MAD>", ""),
    "DATASTORE_MAD without ARGUMENTS": ("(?s)<ARGUMENTS>.*?</ARGUMENTS>", ""),
    "DATASTORE_MAD that is a text": ("(?s)<DATASTORE_MAD>.*?</DATASTORE_MAD>", "<DATASTORE_MAD>x</DATASTORE_MAD>"),
}


@pytest.mark.parametrize("edit", CONFIGURATION.values(), ids=CONFIGURATION)
def test_a_configuration_that_lacks_something(oned, present, edit):
    """What is not said is not checked, and that is a warning; nothing is made of a driver that may not run."""
    oned.call("host.allocate", "kvm1", "kvm", "kvm", 0)
    with oned.trouble(edit=edit, method="one.system.config"):
        result = present("glusterds", **NATIVE)
    assert result.result is True, result.comment
    assert ("<DATASTORE_MAD>" not in edit[0] and "ARGUMENTS" not in edit[0]) or "not checked" in str(result.raw)
    assert "<DS_MAD><![CDATA[fs]]>" in oned.document(100)


def test_a_host_that_does_not_say_what_it_runs(oned, present):
    oned.call("host.allocate", "kvm1", "kvm", "kvm", 0)
    for edit, words in ((["(?s)<VM_MAD>.*?</VM_MAD>", ""], "kvm1 (of unknown VM_MAD)"),
                        (["(?s)<STATE>.*?</STATE>|<CLUSTER_ID>.*?</CLUSTER_ID>", ""], "")):  # fmt: skip
        with oned.trouble(edit=edit, method="one.hostpool.info"):
            result = present(test=True, **NATIVE)
            assert words in result.comment and result.result is (False if words else None)


@pytest.mark.parametrize(
    "version, old", [("5.10.5", True), ("6.10.5", True), ("7.0.0", False), ("7.3.80", False), ("8.0", False)]
)
def test_the_least_version_of_pyone(oned, present, monkeypatch, version, old):
    import importlib.metadata

    monkeypatch.setattr(importlib.metadata, "version", lambda name: version)
    result = present(**NATIVE)
    assert result.result is not old
    if old:
        assert f"pyone {version} of this minion's Python is too old" in result.comment
        assert "7.0 or newer is needed: `salt-pip install 'pyone>=7'`" in result.comment and "\n" not in result.comment


@pytest.mark.parametrize("test", [True, False], ids=["test", "run"])
def test_oned_that_is_down(failing, test):
    endpoint = unused_endpoint()
    comment, seconds = failing(test, endpoint=endpoint)
    check(comment, endpoint, READ, "cannot be reached", "systemctl start opennebula", "correct the endpoint")
    assert seconds < ENOUGH


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n<?xml version", b"SSH-2.0-OpenSSH_9.2\r\n", b"\x16\x03\x01"],
    ids=["nothing", "half", "ssh", "tls"],
)
def test_what_is_no_oned(failing, answer):
    with speaking(answer) as (endpoint, _):
        comment, seconds = failing(endpoint=endpoint)
    check(comment, endpoint, READ)
    assert seconds < ENOUGH


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n<?xml version"])
def test_silence_before_or_in_the_middle_of_an_answer(failing, answer):
    with speaking(answer, silent=True) as (endpoint, heard):
        comment, seconds = failing(endpoint=endpoint)
    check(comment, endpoint, READ, f"did not answer one.datastorepool.info within {LIMIT} s")
    assert len(heard) == 1 and seconds < ENOUGH


@pytest.mark.parametrize("endpoint", ["head:2633", "ftp://head/RPC2", "http://"])
def test_an_endpoint_that_is_no_url(failing, endpoint):
    comment, _ = failing(endpoint=endpoint)
    assert comment == (
        f"Datastore glusterds: OpenNebula's endpoint is {endpoint!r}: a URL such as http://localhost:2633/RPC2 is "
        "needed, correct it"
    )


# Credentials


def test_a_wrong_password(oned, failing, tmp_path):
    wrong = tmp_path / "one_auth"
    wrong.write_text("oneadmin:wrong\n")
    for test in (True, False):
        comment, _ = failing(test, auth_file=str(wrong))
        check(comment, oned.endpoint, READ, "did not accept the credentials", str(wrong), "correct them")


def test_an_expired_token(oned, present, opennebula_pillar):
    for token, seconds in (("5e1f" * 16, 600), ("6e1f" * 16, 1)):
        oned.call("user.login", "oneadmin", token, seconds)
        opennebula_pillar(username="oneadmin", token=token)
        if seconds > 1:
            assert present(**NATIVE).result is True
    time.sleep(1.5)
    for test in (True, False):
        result = present(test=test, **NATIVE)
        assert result.result is False
        check(result.comment, oned.endpoint, READ, "login token", "has expired", "oneuser token-create")
        assert token not in str(result.raw)


@pytest.mark.parametrize(
    "text, words",
    [(None, "cannot be read from"), ("oneadmin", "not of the form user:password"), ("", "not of the form")],
)
def test_an_auth_file_that_is_none(failing, tmp_path, text, words):
    path = tmp_path / "auth"
    if text is not None:
        path.write_text(text)
    comment, _ = failing(auth_file=str(path))
    assert words in comment and str(path) in comment and "\n" not in comment


# https


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    """secured(kind): a stand-in with that certificate; secured.authority is the file of who signed it."""
    home = tmp_path_factory.mktemp("tls")
    authority, signer = certificate(home / "authority.pem")
    _, other_signer = certificate(home / "other.pem")
    kinds = {
        "good": {"signed_by": signer},
        "expired": {"signed_by": signer, "ends_in_days": -1},
        "wrong host name": {"signed_by": signer, "address": "192.0.2.1"},
        "of another authority": {"signed_by": other_signer},
    }
    running = {}

    def get(kind):
        if kind not in running:
            directory = home / kind.replace(" ", "")
            directory.mkdir()
            path, _ = certificate(directory / "head.pem", **kinds[kind])
            running[kind] = StandIn(directory, "--tls", path)
        return running[kind]

    get.authority = str(authority)
    yield get
    for server in running.values():
        server.stop()


@pytest.fixture
def secure(secured, present, opennebula_pillar):
    """secure(kind, ca_file): the state against an endpoint with that certificate, and the endpoint."""

    def run(kind, ca_file=secured.authority, test=False):
        opennebula_pillar(**({"ca_file": str(ca_file)} if ca_file else {"timeout": 30}))
        server = secured(kind)
        return present(test=test, **NATIVE, **server.arguments), server.endpoint

    return run


@pytest.mark.parametrize(
    "kind, ca_file, why",
    [
        ("expired", ..., "certificate has expired"),
        ("wrong host name", ..., "not valid for '127.0.0.1'"),
        ("of another authority", ..., "unable to get local issuer certificate"),
        ("good", None, "unable to get local issuer certificate"),
    ],
)
def test_a_certificate_that_is_not_valid(secure, kind, ca_file, why):
    for test in (True, False):
        result, endpoint = secure(kind, test=test, **({} if ca_file is ... else {"ca_file": ca_file}))
        assert result.result is False
        check(result.comment, endpoint, READ, "has no valid certificate", why, "ca_file")


def test_a_certificate_that_is_valid(secure):
    assert secure("good")[0].result is True


def test_an_authority_that_is_not_there(secure, tmp_path):
    result, endpoint = secure("good", ca_file=tmp_path / "nowhere.pem")
    assert result.comment == (
        f"Datastore glusterds: The certificate authority of OpenNebula at {endpoint} cannot be read from "
        f"{tmp_path}/nowhere.pem: correct gluster_one:opennebula:ca_file"
    )


# What is tried again


@pytest.fixture
def starting(tmp_path):
    """starting(seconds): the endpoint of an oned that opens its port in so many seconds."""
    threads, servers = [], []

    def start(seconds):
        endpoint = unused_endpoint()
        listen = endpoint.removeprefix("http://").removesuffix("/RPC2")
        (tmp_path / "one_auth").write_text(f"oneadmin:{PASSWORD}\n")
        begin = lambda: servers.append(StandIn(tmp_path, "--listen", listen))  # noqa: E731
        threads.append(threading.Timer(seconds, begin))
        threads[-1].start()
        return {"endpoint": endpoint, "auth_file": str(tmp_path / "one_auth")}

    yield start
    for thread in threads:
        thread.join()
    for server in servers:
        server.stop()


@pytest.mark.parametrize("test", [True, False], ids=["test", "run"])
def test_an_oned_that_starts_is_waited_for(present, starting, test):
    result = present(test=test, **NATIVE, **starting(6))
    assert result.result is (None if test else True) and result.changes["GLUSTER_VOLUME"]["new"] == "one_vol"


def test_a_deletion_waits_for_it_too(loaders, starting):
    result = loaders.states.gluster_one.one_datastore_absent(name="old", **starting(4))
    assert (result.result, result.changes) == (True, {})


def test_one_that_stays_away_is_waited_for_once_a_run(oned, in_one_run):
    gone = {"endpoint": unused_endpoint(), "auth_file": str(oned.auth_file), "timeout": 6}
    begin = time.monotonic()
    returned = in_one_run({f"store{number}": gone for number in range(4)})
    assert all("cannot be reached for one.datastorepool.info" in each.comment for each in returned.values())
    assert "within 6 s" in returned["store0"].comment
    assert 6 < time.monotonic() - begin < 6 + ENOUGH


def test_a_function_called_by_itself_does_not_wait(oned, modules, opennebula_pillar):
    opennebula_pillar(timeout=LIMIT)
    begin = time.monotonic()
    with pytest.raises(CommandExecutionError, match="cannot be reached"):
        modules.opennebula.datastore_list(**{**oned.arguments, "endpoint": unused_endpoint()})
    assert time.monotonic() - begin < ENOUGH / 2


# A change that may have been carried out: it was ("drop"), or it was not.
UNSURE = {"done": {"drop": True}, "not done": {"hang": True}, "refused by a proxy": {"status": 503}}


@pytest.mark.parametrize("trouble", UNSURE.values(), ids=UNSURE)
@pytest.mark.parametrize("method", ["allocate", "update", "chmod", "rename"])
def test_a_change_that_may_have_been_carried_out_is_looked_at(oned, present, opennebula_pillar, trouble, method):
    opennebula_pillar(timeout=LIMIT)
    arguments = {**NATIVE, "permissions": "600"}
    if method != "allocate":
        oned.datastore("old" if method == "rename" else "glusterds", DRIVER="qcow2")
        arguments["datastore_id"] = 100
    oned.log()
    with oned.trouble(**trouble, times=1, method=f"one.datastore.{method}"):
        result = present(**arguments)
    assert result.result is True, result.comment
    assert "GLUSTER_VOLUME" in result.changes and "permissions" in result.changes
    heard = [each for each in oned.log() if each["method"] == f"datastore.{method}"]
    assert len(heard) == 1, "done once, of what oned took in"
    assert present(**arguments).changes == {}


@pytest.mark.parametrize("trouble", [{"drop": True}, {"hang": True}])
def test_so_is_a_deletion(oned, loaders, opennebula_pillar, trouble):
    opennebula_pillar(timeout=LIMIT)
    number = oned.datastore("old")
    with oned.trouble(**trouble, times=1, method="one.datastore.delete"):
        result = loaders.states.gluster_one.one_datastore_absent(name="old", **oned.arguments)
    assert (result.result, result.changes) == (True, {"datastore": {"old": number, "new": None}})


@pytest.mark.parametrize("trouble", [{"drop": True}])
@pytest.mark.parametrize("times", [1, 2])
def test_what_reads_is_asked_again(oned, present, trouble, times):
    oned.datastore("scratch")
    oned.log()
    with oned.trouble(**trouble, times=times, method=READ):
        assert present("scratch").result is True
    assert oned.requests() == ["datastorepool.info"] * (times + 1)


@pytest.mark.parametrize("trouble", [{"slow": 3}, {"status": 503}, {"garbage": True}, {"fail": [512, "No."]}])
def test_what_would_fail_again_is_not(oned, failing, trouble):
    """A third try would find no more than the first."""
    oned.datastore("glusterds")
    oned.log()
    with oned.trouble(**trouble, times=1, method=READ):
        failing()
    time.sleep(3 if "slow" in trouble else 0)
    assert len(oned.requests()) == ("slow" in trouble or "fail" in trouble)


def test_reads_are_tried_three_times_in_a_few_seconds(oned, failing):
    oned.log()
    with oned.trouble(drop=True):
        _, seconds = failing()
    assert oned.requests() == ["datastorepool.info"] * 3
    assert 2 < seconds < ENOUGH


@pytest.mark.parametrize(
    "method, arguments",
    [
        ("datastore_create", ({"NAME": "n", "TYPE": "IMAGE_DS", "TM_MAD": "shared", "DS_MAD": "fs"},)),
        ("datastore_update", (1, {"A": 1})),
        ("datastore_rename", (1, "n")),
        ("datastore_delete", (1,)),
        ("datastore_chmod", (1, "640")),
        ("datastore_chown", (1, 0, 0)),
        ("datastore_enable", (0, False)),
        ("cluster_datastore_add", (0, 1)),
        ("cluster_datastore_remove", (0, 1)),
    ],
)
def test_what_changes_something_is_sent_once(oned, modules, method, arguments):
    oned.log()
    with oned.trouble(drop=True):
        with pytest.raises(CommandExecutionError, match="broke off .* may have been carried out: run again to see"):
            getattr(modules.opennebula, method)(*arguments, **oned.arguments)
    assert len(oned.requests()) == 1


def test_a_redirection_is_not_followed(modules, oned):
    """The credentials are for the endpoint alone."""
    with speaking(b"") as (elsewhere, heard):
        moved = f"HTTP/1.1 307 Moved\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\n\r\n".encode()
        with speaking(moved) as (endpoint, _):
            with pytest.raises(CommandExecutionError, match="gave no valid answer"):
                modules.opennebula.datastore_list(**{**oned.arguments, "endpoint": endpoint})
        assert heard == []


def test_no_proxy_of_the_environment(modules, oned, monkeypatch):
    with speaking(b"") as (proxy, heard):
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.delenv("no_proxy", raising=False)
        assert modules.opennebula.datastore_list(**oned.arguments)
        assert heard == []
