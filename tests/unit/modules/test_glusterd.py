"""glusterd's own volume file: only the option asked for changes."""

import re

import pytest
import yaml
from salt.exceptions import CommandExecutionError, SaltInvocationError

from ..conftest import CHECKOUT

DEBIAN = """volume management
    type mgmt/glusterd
    option working-directory /var/lib/glusterd
    option ping-timeout 0
#   option base-port 49152
    option max-port  60999
end-volume
"""
ALLOWED = "    option rpc-auth-allow-insecure on\n"


@pytest.fixture
def glusterd(execution):
    return execution("glusterd", __salt__={"gluster_one_run.to_come": list})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (DEBIAN, DEBIAN.replace("end-volume", ALLOWED + "end-volume")),
        (DEBIAN.replace("#   option", "option rpc-auth-allow-insecure off\n#   option"),
         DEBIAN.replace("#   option", ALLOWED + "#   option")),
        (DEBIAN.replace("end-volume", 2 * "option rpc-auth-allow-insecure off\n" + "end-volume"),
         DEBIAN.replace("end-volume", ALLOWED + "end-volume")),
        (DEBIAN.replace("end-volume\n", "end-volume"), DEBIAN.replace("end-volume\n", ALLOWED + "end-volume")),
        (DEBIAN.replace("#   option base-port", "#   option rpc-auth-allow-insecure"),
         DEBIAN.replace("#   option base-port", "#   option rpc-auth-allow-insecure").replace(
             "end-volume", ALLOWED + "end-volume")),
    ],
)  # fmt: skip
def test_one_option_is_written_and_nothing_else(glusterd, tmp_path, before, after):
    file = tmp_path / "glusterd.vol"
    file.write_text(before)
    file.chmod(0o640)
    glusterd.set_options({"rpc-auth-allow-insecure": True}, path=str(file))
    assert file.read_text() == after
    assert file.stat().st_mode & 0o777 == 0o640
    assert glusterd.options(str(file))["rpc-auth-allow-insecure"] == "on"
    glusterd.set_options({"rpc-auth-allow-insecure": "on"}, path=str(file))
    assert file.read_text() == after


@pytest.mark.parametrize("before", [DEBIAN, DEBIAN.replace("max-port  60999", "max-port 60999\n    option x  y z")])
def test_an_option_that_was_written_goes_again(glusterd, tmp_path, before):
    file = tmp_path / "glusterd.vol"
    file.write_text(before)
    glusterd.set_options({"rpc-auth-allow-insecure": "on"}, path=str(file))
    glusterd.set_options({"rpc-auth-allow-insecure": None, "none": None}, path=str(file))
    assert file.read_text() == before


def test_only_the_formula_s_drop_in_goes(glusterd, tmp_path, monkeypatch):
    monkeypatch.setattr(glusterd, "DROP_IN", str(tmp_path / "{}.service.d/gluster_one.conf"))
    monkeypatch.setattr("salt.utils.systemd.booted", lambda context: False)
    path = tmp_path / "glusterd.service.d/gluster_one.conf"
    assert glusterd.drop_in() is None and glusterd.remove_drop_in() is False
    path.parent.mkdir()
    for text, ours in ((glusterd.TEXT, True), ("[Service]\nKillMode=process\n", False)):
        path.write_text(text)
        assert glusterd.drop_in() == (str(path) if ours else None)
        assert glusterd.remove_drop_in() is ours and path.exists() is not ours
        path.parent.mkdir(exist_ok=True)


def test_text_that_is_no_utf_8_stays_as_it_is(glusterd, tmp_path):
    file = tmp_path / "glusterd.vol"
    before = b"# f\xfcr uns\n" + DEBIAN.encode()
    file.write_bytes(before)
    assert glusterd.options(str(file))["ping-timeout"] == "0"
    glusterd.set_options({"rpc-auth-allow-insecure": "on"}, path=str(file))
    assert file.read_bytes() == before.replace(b"end-volume", ALLOWED.encode() + b"end-volume")


def test_options_of_the_pool_as_glusterd_keeps_them(glusterd, tmp_path, monkeypatch):
    monkeypatch.setattr(glusterd, "DIRECTORY", str(tmp_path))
    assert glusterd.pool_options() == {}  # before its first start
    (tmp_path / "options").write_text("cluster.server-quorum-ratio=51%\nglobal-option-version=1\n")
    assert glusterd.pool_options() == {"cluster.server-quorum-ratio": "51%"}


def test_options_are_read_without_comments(glusterd, tmp_path):
    file = tmp_path / "glusterd.vol"
    file.write_text(DEBIAN)
    assert glusterd.options(str(file)) == {
        "working-directory": "/var/lib/glusterd",
        "ping-timeout": "0",
        "max-port": "60999",
    }


def test_a_file_of_something_else_is_left_alone(glusterd, tmp_path):
    file = tmp_path / "glusterd.vol"
    file.write_text("hello\n")
    with pytest.raises(CommandExecutionError, match="end-volume"):
        glusterd.set_options({"a": "b"}, path=str(file))
    assert file.read_text() == "hello\n"
    with pytest.raises(CommandExecutionError, match="install glusterfs-server"):
        glusterd.options(str(tmp_path / "none"))


# Its pool


@pytest.fixture
def stored(execution, monkeypatch, tmp_path):
    """stored(state by peer): the module on kvm1, whose glusterd has these peers on disk."""

    def make(peers=None, info="UUID=1\n"):
        (tmp_path / "peers").mkdir()
        (tmp_path / "glusterd.info").write_text(info)
        for name, state in (peers or {}).items():
            (tmp_path / "peers" / name).write_text(f"uuid={name}\nstate={state}\nhostname1={name}\n")
        utils = {
            "gluster_hosts.own_names": lambda: {"kvm1", "10.0.0.1"},
            "gluster_hosts.known_as": lambda server, names: {"kvm1.san": "kvm1"}.get(server),
        }
        module = execution("glusterd", __utils__=utils)
        monkeypatch.setattr(module, "DIRECTORY", str(tmp_path))
        return module

    return make


@pytest.mark.parametrize(
    "peers, servers, said",
    [
        ({"kvm2": 3, "kvm3": 3}, ["kvm1", "kvm2"], None),
        ({"kvm2": 3, "kvm3": 6}, ["kvm1", "kvm2"], None),  # the other one is not
        ({}, ["KVM1", "kvm1.san"], None),  # a pool of one
        ({}, [], None),
        ({}, ["kvm1", "kvm2", "kvm3"], "knows no other server, not kvm2, kvm3: it is new, or .* was lost"),
        ({"kvm2": 6, "kvm3": 4}, ["kvm1"], "kvm2 is 'Peer Rejected' here, kvm3 is 'Accepted peer request' here"),
    ],
)
def test_a_server_sees_that_it_is_in_no_pool(stored, peers, servers, said):
    found = stored(peers).not_in_pool(servers)
    assert re.search(said, found) if said else found is None


def test_a_glusterd_that_has_never_run_is_in_no_pool_yet(stored):
    assert stored(info="").not_in_pool(["kvm1", "kvm2"]) is None


def test_what_is_on_disk_of_the_pool(stored):
    found = {
        peer["hostname"]: peer["connected"]
        for peer in stored({"kvm2": 3, "kvm3": 6, "kvm4": 3}).stored_snapshot(["kvm4"])["pool"]
    }
    assert found == {"localhost": True, "kvm2": True, "kvm3": False, "kvm4": False}


LATIN = b"# f\xfcr uns\n"


def test_the_store_of_glusterd(execution, monkeypatch, tmp_path):
    volume = tmp_path / "vols/one_vol"
    volume.mkdir(parents=True)
    (volume / "info").write_bytes(b"status=1\nuser.note=f\xfcr uns\n")
    module = execution("glusterd")
    monkeypatch.setattr(module, "DIRECTORY", str(tmp_path))
    assert module._stored(str(volume / "info"))["status"] == "1"
    (volume / "one_vol.kvm1.srv.vol").write_bytes(LATIN + b"    option shared-brick-count 2\n")
    assert module._sharing("one_vol", "kvm1", "/srv") == 2


@pytest.mark.parametrize(
    "counted, devices, wrong",
    [
        ((2, 2), (7, 8), {"/a": [2, 1], "/b": [2, 1]}),
        ((1, 1), (7, 7), {"/a": [1, 2], "/b": [1, 2]}),
        ((2, 2), (7, 7), {}),
        ((None, 1), (7, 8), {}),
        ((2, 2), (7, None), {}),  # nobody knows whether it is on the same one
    ],
)
def test_the_sizes_of_bricks_that_gluster_takes_wrong(execution, monkeypatch, tmp_path, counted, devices, wrong):
    volume = tmp_path / "vols/one_vol"
    (volume / "bricks").mkdir(parents=True)
    (tmp_path / "glusterd.info").write_text("UUID=1\n")
    for path, number in zip("ab", counted):
        (volume / f"bricks/kvm1:-{path}").write_text(f"uuid=1\nhostname=kvm1\npath=/{path}\n")
        text = f"    option shared-brick-count {number}\n" if number else ""
        (volume / f"one_vol.kvm1.{path}.vol").write_text(text)
    (volume / "bricks/kvm2:-c").write_text("uuid=2\nhostname=kvm2\npath=/c\n")
    shown = dict(zip(("/a", "/b"), devices))
    shown = {path: (0, f"9 9 {device}", "") if device else (None, "", "late") for path, device in shown.items()}
    module = execution("glusterd", __utils__={"gluster_process.run": lambda words: shown[words[-1]]})
    monkeypatch.setattr(module, "DIRECTORY", str(tmp_path))
    found = module.directories("one_vol")
    assert [bool(each) for each in found.values()] == [bool(device) for device in devices]
    assert {path: each["miscounted"] for path, each in found.items() if each and each["miscounted"]} == wrong


@pytest.mark.parametrize("given", [None, "", "rpc-auth-allow-insecure", ["x"], 5])
def test_options_that_are_none_are_named(execution, given):
    with pytest.raises(SaltInvocationError, match="^options is .*: names and values are needed, such as "):
        execution("glusterd").set_options(given)


# Its service


@pytest.fixture
def shown(execution, monkeypatch):
    """shown(properties, to_come=[]): the module where systemd says that of the unit."""

    def make(*lines, to_come=(), asked=None):
        asked = [] if asked is None else asked
        monkeypatch.setattr("salt.utils.systemd.booted", lambda context: bool(lines))
        salt = {
            "cmd.run_all": lambda *words, **settings: asked.append(words) or {"stdout": "\n".join(lines)},
            "gluster_one_run.to_come": lambda: [*to_come],
        }
        return execution("glusterd", __salt__=salt)

    return make


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (("LoadState=loaded", "ActiveState=active", "UnitFileState=enabled"), (True, "enabled")),
        (("LoadState=loaded", "ActiveState=inactive", "UnitFileState=disabled"), (False, "disabled")),
        (("LoadState=masked", "ActiveState=inactive", "UnitFileState=masked-runtime"), (False, "masked")),
        (("LoadState=masked", "ActiveState=active", "UnitFileState=masked"), (True, "masked")),
    ],
)
def test_how_its_unit_is(shown, lines, found):
    assert shown(*lines).unit() == dict(zip(("running", "enabled"), found))


def test_the_states_of_a_run_ask_systemd_once_until_something_was_changed(shown):
    asked, lines = [], ("LoadState=loaded", "ActiveState=active", "UnitFileState=enabled", "KillMode=process")
    module = shown(*lines, "ExecMainStartTimestampMonotonic=0", asked=asked)
    for _ in range(2):
        assert module.unit(run="7")["running"] and module.kept_changes(run="7") == {}
    assert len(asked) == 1
    module.unit(run="8")
    module.unit("other", run="8")
    assert len(asked) == 3
    assert module.kept_changes() == {} and module.unit(run="8")["running"]
    assert len(asked) == 5


def test_a_unit_that_is_not_there_is_an_error_unless_this_run_would_bring_it(shown):
    absent = ("LoadState=not-found", "ActiveState=inactive", "UnitFileState=")
    with pytest.raises(CommandExecutionError, match="glusterd.service is missing: install glusterfs-server"):
        shown(*absent).unit()
    coming = shown(*absent, to_come=["gluster_package"])
    assert coming.unit() == {"running": False, "enabled": "disabled"}
    assert coming.kept_changes() == {"KillMode": {"old": "control-group", "new": "process"}}
    assert coming.options("/nowhere/glusterd.vol") == {}
    assert shown().unit() is None and shown(*absent).kept_changes() == {}


POOL = {"1111": ["kvm1", "10.0.0.1"], "2222": ["kvm2"]}


@pytest.fixture
def lost(glusterd, tmp_path, monkeypatch):
    """A server whose glusterd has a new uuid and knows nobody."""
    monkeypatch.setattr(glusterd, "DIRECTORY", str(tmp_path))
    (tmp_path / "glusterd.info").write_text("UUID=7777\noperating-version=90000\n")
    return glusterd


def test_a_lost_glusterd_gets_its_uuid_and_its_peers(lost, tmp_path):
    assert lost.identity_changes("3333", POOL) == {
        "uuid": {"old": "7777", "new": "3333"},
        "peers": {"old": None, "new": "kvm1, kvm2"},
    }
    for _ in range(2):
        lost.restore_identity("3333", 100000, POOL)
    assert (tmp_path / "glusterd.info").read_text() == "UUID=3333\noperating-version=100000\n"
    assert (tmp_path / "peers/1111").read_text() == "uuid=1111\nstate=3\nhostname1=kvm1\nhostname2=10.0.0.1\n"
    assert lost.identity_changes("3333", POOL) == {}
    (tmp_path / "peers/2222").write_text("uuid=2222\nstate=6\nhostname1=kvm2\n")
    assert lost.identity_changes("3333", POOL) == {"peers": {"old": None, "new": "kvm2"}}


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("peers/9999", "uuid=9999\nstate=3\nhostname1=theirs\n", r"peers of its own here \(theirs\) as 7777"),
        ("vols/theirs/info", "volume-id=9\n", r"volumes of its own here \(theirs\) as 7777"),
    ],
)
def test_another_server_is_not_made_that_one(lost, tmp_path, path, text, said):
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text(text)
    for call in (lost.identity_changes, lambda uuid, peers: lost.restore_identity(uuid, 100000, peers)):
        with pytest.raises(CommandExecutionError, match=said):
            call("3333", POOL)
    assert "7777" in (tmp_path / "glusterd.info").read_text()


def test_what_to_do_about_a_lost_brick_is_said_alike(execution):
    cures = yaml.safe_load((CHECKOUT / "gluster_one/findings.yaml").read_text())["brick_gone"]["cures"]
    assert list(cures.values()) == [f"on {{minion}}: {execution('glusterd').LOST}"]


VOLUME = "5b1e0f9c-7d0e-4f1c-9e55-0a1c7a6f3c11"


@pytest.mark.parametrize(
    "answer, found, marked",
    [
        ((0, f"{VOLUME.replace('-', '')}\n00\n"), {"volume": VOLUME, "root": True}, True),
        ((0, f"{VOLUME.replace('-', '')}\n\n"), {"volume": VOLUME, "root": False}, True),
        ((0, "00\n\n"), {"volume": "00000000-0000-0000-0000-000000000000", "root": False}, False),
        ((0, "\n\n"), {"volume": None, "root": False}, False),
        ((2, ""), None, None),
    ],
)
def test_what_gluster_has_written_to_a_directory(execution, answer, found, marked):
    module = execution("glusterd", __utils__={"gluster_process.run": lambda words: (*answer, "")})
    assert module.marks("/data") == found
    assert module._marked("/data", VOLUME) is marked


def test_a_directory_that_does_not_answer_has_no_marks_that_are_known(execution):
    """Not that it has none: then somebody would put something in its place."""
    module = execution("glusterd", __utils__={"gluster_process.run": lambda words: (None, "", "no answer within 3 s")})
    with pytest.raises(CommandExecutionError, match="^/data does not answer: no answer within 3 s$"):
        module.marks("/data")
    assert module._marked("/data", VOLUME) is None


@pytest.mark.parametrize("there", [True, False])
def test_the_look_at_marks_runs_as_it_is(execution, util, tmp_path, there):
    run = util("gluster_process", __opts__={"cachedir": str(tmp_path)}).run
    module = execution("glusterd", __utils__={"gluster_process.run": run})
    path = tmp_path / "brick"
    if there:
        path.mkdir()
    assert module.marks(str(path)) == ({"volume": None, "root": False} if there else None)


@pytest.mark.parametrize("said, version", [("glusterfs 11.1\nRepository revision: x", "11.1"), ("what?", None)])
def test_the_version_of_gluster(glusterd, monkeypatch, said, version):
    glusterd.__salt__["cmd.run_all"] = lambda command, **more: {"stdout": said}
    monkeypatch.setattr(glusterd.salt.utils.path, "which", lambda name: f"/usr/sbin/{name}")
    assert glusterd.version() == version
    monkeypatch.setattr(glusterd.salt.utils.path, "which", lambda name: None)
    assert glusterd.version() is None


@pytest.fixture
def definition(glusterd, tmp_path, monkeypatch):
    """The definition of one_vol on a server."""
    monkeypatch.setattr(glusterd, "DIRECTORY", str(tmp_path))
    path = tmp_path / "vols/one_vol/info"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"type=2\nnfs.disable=on\nuser.note=nfs.disable=on \xfc\nnfs.disabled=on\nversion=7\n")
    path.chmod(0o600)
    return path


def test_the_line_of_an_option_is_taken_out_and_nothing_else(glusterd, definition):
    glusterd.take_out("one_vol", ["nfs.disable"])
    left = b"type=2\nuser.note=nfs.disable=on \xfc\nnfs.disabled=on\nversion=7\n"
    assert definition.read_bytes() == left and definition.stat().st_mode & 0o777 == 0o600
    before = definition.stat()
    glusterd.take_out("one_vol", ["nfs.disable"])
    assert definition.stat() == before, "there is nothing to write"
    assert [path.name for path in definition.parent.iterdir()] == ["info"]


def test_no_link_is_followed_to_a_definition(glusterd, definition, tmp_path):
    other = tmp_path / "other"
    definition.rename(other)
    definition.symlink_to(other)
    before = other.read_bytes()
    with pytest.raises(OSError, match="symbolic links"):
        glusterd.take_out("one_vol", ["nfs.disable"])
    assert definition.is_symlink() and other.read_bytes() == before


def test_the_snapshots_on_disk(glusterd, definition, tmp_path):
    assert glusterd.snapshots() == []
    (tmp_path / "snaps/daily").mkdir(parents=True)
    (tmp_path / "snaps/missed_snaps_list").write_text("")
    assert glusterd.snapshots() == ["daily"]
