"""
Who else has a word in what root does: whoever can write where one_auth lies, whoever answers in oned's place, and
whoever may call the functions that read.
"""

import gzip
import inspect
import os
import pwd
import shutil
import tempfile
import time
from pathlib import Path

import pytest
from salt.exceptions import CommandExecutionError

from tests.oned import PASSWORD

from .wire import answered, dribbling, reply, speaking

LIMIT = 1  # seconds for an answer, in the pillar of these tests
ENOUGH = 10  # seconds for all of it, on a machine that is busy, too
POOL = "<DATASTORE_POOL></DATASTORE_POOL>"
VOLUMES = {"v": {"servers": ["kvm1"], "mount": "/srv/v", "datastores": {"default": {}}}}
SECRET = "root:only-root-may-read-this"


@pytest.fixture
def asked(modules, tmp_path, opennebula_pillar):
    """asked(endpoint, ...): what is said about the datastores there."""
    auth_file = tmp_path / "one_auth"
    auth_file.write_text(f"oneadmin:{PASSWORD}\n")
    opennebula_pillar(timeout=LIMIT)

    def run(endpoint, **more):
        begin = time.monotonic()
        try:
            return modules.opennebula.datastore_list(**{"endpoint": endpoint, "auth_file": str(auth_file), **more})
        except CommandExecutionError as exc:
            assert "\n" not in str(exc)
            return str(exc)
        finally:
            assert time.monotonic() - begin < ENOUGH

    return run


# Answers

SLOW = {
    "headers": b"HTTP/1.1 200 OK\r\nX-Nothing: " + b"x" * 4000,
    "continue": b"HTTP/1.1 100 Continue\r\n\r\n" * 200,
    "answer": answered(b"x" * 4000),
    "answer without a length": answered(b" " * 4000, length=False),
    "chunks": answered(b"1\r\n \r\n" * 900, "Transfer-Encoding: chunked", length=False),
    "size of a chunk": answered(b"0" * 4000, "Transfer-Encoding: chunked", length=False),
    "redirection": b"HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 4000\r\n\r\n" + b"x" * 4000,
    "error": b"HTTP/1.1 503 No\r\nContent-Length: 4000\r\n\r\n" + b"x" * 4000,
}


@pytest.mark.parametrize("answer", SLOW.values(), ids=SLOW)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_byte_now_and_then(asked, scheme, answer):
    """Each comes within the time limit of a socket, and the time is over nevertheless."""
    with dribbling(answer) as endpoint:
        said = asked(endpoint.replace("http", scheme, 1))
    assert f"within {LIMIT} s" in said or "HTTP status 503" in said or "has no valid certificate" in said


def test_a_handshake_that_never_ends(asked):
    """A record of TLS that is announced, and comes byte by byte."""
    with dribbling(b"\x16\x03\x03\x3f\xff\x02\x00\x3f\xfb" + b"\0" * 4000) as endpoint:
        said = asked(endpoint.replace("http", "https", 1))
    assert f"did not answer one.datastorepool.info within {LIMIT} s" in said


def test_an_answer_that_is_too_large(asked, opennebula_pillar):
    opennebula_pillar(timeout=ENOUGH)
    with speaking(answered(b" " * (65 << 20))) as (endpoint, _):
        assert "an answer to one.datastorepool.info that is larger than 64 MB" in asked(endpoint)


def test_an_answer_that_is_large(asked, opennebula_pillar):
    opennebula_pillar(timeout=ENOUGH)
    body = reply(POOL).encode()
    with speaking(answered(body + b" " * (60 << 20))) as (endpoint, _):
        assert asked(endpoint) == []


@pytest.mark.parametrize("status", [b"200 OK", b"307 Moved\r\nLocation: http://127.0.0.1:1/"])
def test_an_answer_that_grows_when_it_is_unpacked(asked, status):
    packed = gzip.compress(b" " * (300 << 20))
    answer = answered(packed, "Content-Encoding: gzip").replace(b"200 OK", status)
    before = peak()
    with speaking(answer) as (endpoint, heard):
        assert "is compressed, which was not asked for" in asked(endpoint)
    assert peak() - before < 200 << 10
    assert b"Accept-Encoding: identity" in heard[0]


def peak():
    """The most memory that this process ever had, in kB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


DOCTYPE = '<!DOCTYPE a [<!ENTITY name "made up">]>'
STORE = "<DATASTORE_POOL><DATASTORE><NAME>&name;</NAME></DATASTORE></DATASTORE_POOL>"
UTF7 = '<?xml version="1.0" encoding="UTF-7"?>'
ANSWERS = {
    "in the document": (reply(DOCTYPE + STORE).encode(), "has a DOCTYPE"),
    "after a declaration": (reply(f'<?xml version="1.0"?>{DOCTYPE}{STORE}').encode(), "has a DOCTYPE"),
    "after a comment": (reply(f"<!-- -->{DOCTYPE}{STORE}").encode(), "has a DOCTYPE"),
    "of a file": (reply(f'<!DOCTYPE a SYSTEM "file:///etc/hostname">{POOL}').encode(), "has a DOCTYPE"),
    "in another encoding": (reply(f"{UTF7}+ADwAIQ-DOCTYPE a+AD4-{POOL}").encode(), "another encoding"),
    "around it": (reply(POOL).replace("?>", f"?>{DOCTYPE}", 1).encode(), "has a DOCTYPE"),
    "around it, in UTF-16": (
        reply(POOL).replace("?>", f" encoding='UTF-16'?>{DOCTYPE}", 1).encode("utf-16"), "has a DOCTYPE"
    ),
}  # fmt: skip


@pytest.mark.parametrize("body, words", ANSWERS.values(), ids=ANSWERS)
def test_a_document_type(asked, body, words):
    with speaking(answered(body)) as (endpoint, _):
        assert words in asked(endpoint)


def test_what_only_looks_like_one(asked):
    """In a text of a document."""
    body = reply(f"<!--{DOCTYPE}--><DATASTORE_POOL><![CDATA[{DOCTYPE}]]></DATASTORE_POOL>").encode()
    with speaking(answered(body)) as (endpoint, _):
        assert asked(endpoint) == []


def test_what_oned_says_when_it_refuses_is_made_visible(asked, oned):
    with oned.trouble(fail=[512, "No.\x85\x9b2J" + "x" * 10_000]):
        said = asked(oned.endpoint)
    assert r"\x9b2J" in said and said.isprintable() and len(said) < 1000


def test_an_answer_that_lacks_something_names_the_request(asked, oned):
    body = reply("<DATASTORE_POOL><DATASTORE><ID>1</ID></DATASTORE></DATASTORE_POOL>").encode()
    with speaking(answered(body)) as (endpoint, _):
        assert "gave no valid answer to one.datastorepool.info" in asked(endpoint)


# The file with the credentials


@pytest.fixture
def theirs(loaders, asked):
    """A directory of the pillar's user, who is nobody of importance."""
    if os.geteuid():
        pytest.skip("only root reads files for somebody else")
    loaders.modules.pack["__pillar__"]["gluster_one"]["user"] = "nobody"
    path = Path(tempfile.mkdtemp(dir="/tmp"))
    shutil.chown(path, "nobody")
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def sent(asked, theirs):
    """sent(path): what is said, and what is sent, with the credentials from there."""

    def run(path):
        with speaking(answered(reply(POOL).encode())) as (endpoint, heard):
            said = asked(endpoint, auth_file=str(path))
        return said, b"".join(heard)

    return run


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret"
    path.write_text(SECRET + "\n")
    path.chmod(0o600)
    return path


@pytest.mark.timeout(60)
@pytest.mark.parametrize("way", ["file", "directory", "second link"])
def test_a_link_to_what_only_root_may_read(theirs, sent, secret, way):
    auth_file = theirs / ".one/one_auth"
    if way == "directory":
        auth_file.parent.symlink_to(secret.parent)
        auth_file = auth_file.parent / secret.name
    else:
        auth_file.parent.mkdir()
        auth_file.symlink_to(secret)
    if way == "second link":
        (theirs / "another").symlink_to(auth_file)
        auth_file = theirs / "another"
    said, heard = sent(auth_file)
    assert heard == b""
    assert f"cannot be read from {auth_file} as nobody (Permission denied)" in said
    assert SECRET not in said


def kinds(path):
    yield "a FIFO", lambda: os.mkfifo(path)
    yield "a directory", path.mkdir
    yield "a device", lambda: path.symlink_to("/dev/zero")
    yield "a FIFO", lambda: (os.mkfifo(f"{path}.fifo"), path.symlink_to(f"{path}.fifo"))
    yield "larger than 4096 bytes", lambda: (path.touch(), os.truncate(path, 1 << 30))
    yield "larger than 4096 bytes", lambda: path.write_text("oneadmin:" + "x" * 5000)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("whose", ["theirs", "root's"])
def test_what_is_no_file_is_named(theirs, tmp_path, sent, number, whose):
    path = (theirs if whose == "theirs" else tmp_path) / "one_auth.d"
    kind, make = list(kinds(path))[number]
    make()
    os.chmod(path, 0o644, follow_symlinks=True) if not path.is_symlink() else None
    said, heard = sent(path)
    assert heard == b""
    if whose == "root's" and path.is_symlink():
        assert f"cannot be read from {path}" in said  # nobody follows a link of root's, if it can
    else:
        assert f"cannot be read from {path}, which is {kind}" in said


def test_what_is_theirs_is_read(theirs, sent):
    path = theirs / "one_auth"
    path.write_text("nobody:knows\n")
    path.chmod(0o600)
    shutil.chown(path, "nobody")
    link = theirs / "link"
    link.symlink_to(path)
    for each in (path, link):
        said, heard = sent(each)
        assert said == [] and b"nobody:knows" in heard


def test_what_is_roots_alone_is_read(theirs, sent, secret):
    """Also below /tmp, in which nobody else can make or replace a directory of root's."""
    said, heard = sent(secret)
    assert said == [] and SECRET.encode() in heard


@pytest.mark.parametrize("place", ["group", "others", "in /tmp itself", "hard link"])
def test_what_others_can_put_there_is_not(theirs, sent, secret, tmp_path, place):
    path = secret
    if place in ("group", "others"):
        tmp_path.chmod(0o770 if place == "group" else 0o707)
    elif place == "hard link":
        path = theirs / "secret"
        os.link(secret, path)
    else:
        handle, name = tempfile.mkstemp(dir="/tmp")
        os.close(handle)
        path = Path(name)
        path.write_text(SECRET)
    try:
        said, heard = sent(path)
    finally:
        path.unlink()
        tmp_path.chmod(0o700)
    assert heard == b"" and f"cannot be read from {path} as nobody (Permission denied)" in said


def test_a_user_that_is_not_there(loaders, theirs, sent):
    loaders.modules.pack["__pillar__"]["gluster_one"]["user"] = "no-such-user"
    said, heard = sent(theirs / "one_auth")
    assert heard == b"" and "cannot be read" in said or "There is no user no-such-user" in said


@pytest.mark.parametrize("path", ["one_auth", "/etc/one\nauth", "/etc/one\0auth", "", 7, ["/etc"], "/", "//"])
def test_what_is_no_path(modules, oned, theirs, path):
    if path == "":
        return
    with pytest.raises(CommandExecutionError, match="cannot be read from") as error:
        modules.opennebula.datastore_list(endpoint=oned.endpoint, auth_file=path)
    assert str(error.value).isprintable()


# Where the credentials go

JOB = {"__pub_fun": "opennebula.datastore_list", "__pub_jid": "20260101000000000000", "__pub_tgt": "head"}


def takers(functions):
    """The functions that take the endpoint and the file, and arguments for each."""
    for name in sorted(functions):
        if name.startswith(("opennebula", "one_datastore", "gluster_")):
            function = inspect.unwrap(getattr(functions[name], "func", functions[name]))
            arguments = inspect.signature(function).parameters.values()
            if any(each.kind == each.VAR_KEYWORD for each in arguments):
                yield (
                    name,
                    [each.name for each in arguments if each.default is each.empty and each.kind < each.VAR_POSITIONAL],
                )


WORDS = {
    "method": "datastorepool.info", "datastore_id": 1, "attributes": {"A": 1}, "name": "default", "permissions": "640",
    "cluster_id": 0, "arguments": {"type": "IMAGE_DS"}, "changes": {"A": {"new": 1}}, "store": 1,
    "current": {"id": 1, "images": [1]}, "others": [], "clusters": [0],
    "wanted": {"ds_mad": None, "tm_mad": "shared", "type": "IMAGE_DS"},
}  # fmt: skip


def test_a_job_names_no_other_endpoint(modules, theirs, secret):
    """Whatever function it calls: all those that take the two words."""
    heard_of = {}
    with speaking(answered(reply(POOL).encode())) as (endpoint, heard):
        for name, required in takers(modules):
            words = {word: WORDS.get(word, {}) for word in required}
            try:
                modules[name](**words, endpoint=endpoint, auth_file=str(secret), **JOB)
            except Exception as exc:
                heard_of[name] = str(exc)
    assert heard == []
    assert {"opennebula_api.call", "opennebula.image_list", "gluster_native.images", "one_datastore.find"} <= set(
        heard_of
    )
    refused = [name for name, said in heard_of.items() if "asks the endpoint of the pillar alone" in said]
    assert len(refused) > 15, heard_of


def test_a_job_names_none_with_the_pillars_credentials(modules, opennebula_pillar):
    opennebula_pillar(username="oneadmin", password=PASSWORD)
    with speaking(answered(reply(POOL).encode())) as (endpoint, heard):
        with pytest.raises(CommandExecutionError, match="gluster_one:opennebula:endpoint"):
            modules.opennebula.datastore_list(endpoint=endpoint, **JOB)
    assert heard == []


def test_a_job_may_repeat_what_the_pillar_says(modules, oned, opennebula_pillar):
    opennebula_pillar(endpoint=oned.endpoint)
    for more in ({}, {"endpoint": oned.endpoint}):
        assert modules.opennebula.datastore_list(auth_file=str(oned.auth_file), **more, **JOB)


def test_a_report_of_a_made_up_node_asks_where_the_pillar_says(modules, opennebula_pillar, secret, oned):
    """It takes a dict, in which Salt's own words are not."""
    opennebula_pillar(endpoint=oned.endpoint, auth_file=str(oned.auth_file))
    with speaking(answered(reply(POOL).encode())) as (endpoint, heard):
        theirs = {"opennebula": {"endpoint": endpoint, "auth_file": str(secret)}}
        node = modules.gluster_one_pillar.node({"roles": ["head"], "user": "root", "volumes": VOLUMES})
        found = modules.gluster_one.report(node={**node, **theirs})["findings"]
    assert heard == [] and not {"pillar", "oned_away", "check_failed"} & {finding["kind"] for finding in found}
    assert "default" in [finding["on"] for finding in found], "oned of the pillar was asked"


def test_a_state_may_name_any(present, oned):
    assert present("scratch").result is True


def test_nobody_is_a_user():
    """Who the others are in these tests."""
    assert pwd.getpwnam("nobody").pw_uid != 0
