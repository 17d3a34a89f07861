"""The password and the token appear nowhere but in what is sent to oned: no return, error, log line or file."""

import contextlib
import logging
import time
import traceback
from pathlib import Path

import pytest
from salt.exceptions import CommandExecutionError

from tests.oned import PASSWORD

from .standin import StandIn
from .wire import certificate, speaking, unused_endpoint

NATIVE = {"volume": "one_vol", "host": "kvm1"}
TOKEN, WRONG = "70ken" * 12, "Wr0ng-and-Rotten"
SECRETS = PASSWORD, TOKEN, WRONG


class Everything(logging.Handler):
    """What is logged, whoever logs it and at whatever level, with its exceptions."""

    def __init__(self):
        super().__init__(1)
        self.lines = []

    def emit(self, record):
        text = record.getMessage()
        if record.exc_info:
            text += "".join(traceback.format_exception(*record.exc_info))
        self.lines.append(f"{text} {record.args!r}")


@contextlib.contextmanager
def listening():
    """Everything that is logged meanwhile, at all levels."""
    heard, root = Everything(), logging.getLogger()
    levels = {logger: logger.level for logger in (root, *map(logging.getLogger, ("urllib3", "requests", "salt")))}
    root.addHandler(heard)
    for logger in levels:
        logger.setLevel(1)
    try:
        yield heard.lines
    finally:
        root.removeHandler(heard)
        for logger, level in levels.items():
            logger.setLevel(level)


SOURCES = {
    "file": {},
    "password": {"username": "oneadmin", "password": PASSWORD},
    "token": {"username": "oneadmin", "token": TOKEN},
    "wrong": {"username": "oneadmin", "password": WRONG},
}


@pytest.fixture
def asking(oned, opennebula_pillar):
    """asking(source): the arguments with which Salt asks oned, with the credentials from there."""

    def run(source, endpoint=oned.endpoint):
        oned.call("user.login", "oneadmin", TOKEN, 60)
        opennebula_pillar(timeout=1, **SOURCES[source])
        return {"endpoint": endpoint, **({"auth_file": str(oned.auth_file)} if source == "file" else {})}

    return run


def everything(loaders, arguments):
    """What the state and the functions return or raise, in words."""
    said, functions = [], loaders.modules
    for test in (True, False):
        result = loaders.states.gluster_one.one_datastore_present(
            name="glusterds", test=test, **NATIVE, **arguments, clusters=["default"], owner="oneadmin"
        )
        said.append(str(result.raw))
    for function, words in [
        (functions.opennebula.datastore_list, ()),
        (functions.opennebula.cluster_list, ()),
        (functions.opennebula.host_list, ()),
        (functions.opennebula.drivers, ()),
        (functions.opennebula.datastore_update, (100, {"A": 1})),
        (functions.opennebula_api.call, ("userpool.info",)),
        (functions.opennebula.image_list, ()),
        (functions.opennebula.vm_list, ()),
        (functions.gluster_native.images, ()),
    ]:
        try:
            said.append(repr(function(*words, **arguments)))
        except CommandExecutionError as exc:
            said.append("".join(traceback.format_exception(exc)) + repr(exc) + repr(vars(exc)))
    return said


def clean(texts):
    """None of them has a secret; secrets of other users, as oned itself shows them, are not of this."""
    found = [(secret, text) for text in texts for secret in SECRETS if secret in text]
    assert found == []


@pytest.mark.parametrize("source", ["file", "password", "token", "wrong"])
def test_nothing_is_said_when_all_is_well_or_refused(loaders, asking, source):
    arguments = asking(source)
    with listening() as lines:
        said = everything(loaders, arguments)
    assert len(lines) > 100  # it did listen
    assert ("did not accept the credentials" in said[0]) is (source == "wrong")
    shown = [text for text in said if "LOGIN_TOKEN" not in text]
    # oned shows its own administrator the tokens that it gave; only the call that asks for users has them.
    assert len(shown) >= len(said) - 1
    clean([*shown, *[line for line in lines if "LOGIN_TOKEN" not in line]])


TROUBLES = [
    {"garbage": True},
    {"drop": True},
    {"hang": True},
    {"status": 500},
    *({"fail": [code, "No."]} for code in (256, 512, 1024, 2048, 4096, 8192)),
]


@pytest.mark.parametrize("source", ["file", "password", "token"])
@pytest.mark.parametrize("method", ["one.datastorepool.info", "one.datastore.allocate"])
def test_nothing_is_said_in_trouble(loaders, oned, asking, source, method):
    arguments, present = asking(source), loaders.states.gluster_one.one_datastore_present
    with listening() as lines:
        for number, trouble in enumerate(TROUBLES):
            with oned.trouble(**trouble, method=method):
                result = present(name=f"store{number}", **NATIVE, **arguments)
                done = trouble == {"drop": True} and method == "one.datastore.allocate"  # and found to be, afterwards
                assert result.result is done
                lines.append(str(result.raw))
    clean(lines)


@pytest.mark.parametrize("source", ["file", "password", "token"])
def test_nothing_is_said_where_no_oned_answers(loaders, asking, source, tmp_path):
    present = loaders.states.gluster_one.one_datastore_present
    path, _ = certificate(tmp_path / "head.pem")
    secure = StandIn(tmp_path, "--tls", path)
    try:
        with listening() as lines, speaking(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n<bad>") as (nobody, _):
            for endpoint in (unused_endpoint(), secure.endpoint, nobody, "ftp://head"):
                result = present(name="glusterds", timeout=1, **NATIVE, **asking(source, endpoint))
                assert result.result is False
                lines.append(str(result.raw))
        clean(lines)
    finally:
        secure.stop()


def test_an_answer_that_repeats_what_was_sent(loaders, asking):
    """A proxy's page of an error, say."""
    page = f"<html>You sent oneadmin:{PASSWORD}".encode()
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(page), page)
    with listening() as lines, speaking(answer) as (endpoint, _):
        present = loaders.states.gluster_one.one_datastore_present
        result = present(name="glusterds", **asking("password", endpoint), **NATIVE)
    assert result.result is False and "gave no valid answer" in result.comment
    clean([str(result.raw), *lines])


def test_a_bad_file_is_not_shown(present, tmp_path):
    path = tmp_path / "auth"
    path.write_text(WRONG + "\n")
    with listening() as lines:
        result = present(auth_file=str(path), **NATIVE)
    assert result.result is False and str(path) in result.comment
    clean([str(result.raw), *lines])


def test_the_stand_in_and_the_minion_write_none(loaders, oned, asking):
    for source in SOURCES:
        everything(loaders, asking(source))
    asking("file")  # the pillar's file has no secret either, now
    time.sleep(0.2)
    log = oned.log_file.read_text()
    assert "one.datastorepool.info" in log
    clean([log, str(oned.log()), *written(Path(loaders.opts["root_dir"]))])


def written(home):
    """What lies in a minion's directory."""
    for path in home.rglob("*"):
        if path.is_file():
            yield path.read_bytes().decode(errors="replace")
