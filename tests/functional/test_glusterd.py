"""glusterd's volume file, byte for byte."""

import os
import re
from pathlib import Path

import pytest
from salt.exceptions import CommandExecutionError

from . import host
from .conftest import HAND_MADE


def test_options_leave_comments_out(modules, volume_file):
    options = modules.glusterd.options(str(volume_file))
    assert "rpc-auth-allow-insecure" not in options
    assert options["transport-type"] == "socket"


def test_options_of_the_distribution_s_file(modules):
    assert modules.glusterd.options()["working-directory"] == "/var/lib/glusterd"


@pytest.mark.parametrize(
    "options, old, new",
    [
        ({"rpc-auth-allow-insecure": "on"}, "end-volume", "    option rpc-auth-allow-insecure on\nend-volume"),
        ({"rpc-auth-allow-insecure": True}, "end-volume", "    option rpc-auth-allow-insecure on\nend-volume"),
        ({"transport-type": "tcp"}, "    option transport-type  socket\n", "    option transport-type tcp\n"),
        (
            {"one": 1, "bind": "::1"},
            '    option bind "a  b"\nend-volume',
            "    option bind ::1\n    option one 1\nend-volume",
        ),
    ],
    ids=["added", "a boolean", "replaced", "two at once"],
)
def test_options_set_changes_that_line_and_no_byte_more(modules, volume_file, options, old, new):
    assert modules.glusterd.set_options(options, path=str(volume_file)) is True
    assert volume_file.read_text() == HAND_MADE.replace(old, new)
    before = volume_file.read_bytes()
    assert modules.glusterd.set_options(options, path=str(volume_file)) is True
    assert volume_file.read_bytes() == before


@pytest.mark.parametrize("mode, owner", [(0o640, 9869), (0o600, 0)])
def test_options_set_keeps_mode_and_owner(modules, volume_file, mode, owner):
    volume_file.chmod(mode)
    os.chown(volume_file, owner, owner)
    modules.glusterd.set_options({"one": 1}, path=str(volume_file))
    seen = volume_file.stat()
    assert (seen.st_mode & 0o7777, seen.st_uid, seen.st_gid) == (mode, owner, owner)
    assert [path.name for path in volume_file.parent.iterdir()] == ["glusterd.vol"]


def test_options_set_of_something_else_touches_nothing(modules, tmp_path):
    path = tmp_path / "hosts"
    path.write_text("127.0.0.1 localhost\n")
    with pytest.raises(CommandExecutionError, match="has no line end-volume"):
        modules.glusterd.set_options({"one": 1}, path=str(path))
    assert path.read_text() == "127.0.0.1 localhost\n"


def test_a_missing_file_says_what_to_install(modules, tmp_path):
    for call in (modules.glusterd.options, lambda path: modules.glusterd.set_options({"one": 1}, path=path)):
        with pytest.raises(CommandExecutionError, match="is missing: install glusterfs-server"):
            call(str(tmp_path / "glusterd.vol"))


def test_the_bricks_of_this_server(modules, small_vol, new_volume):
    own = modules.glusterd.bricks(small_vol)
    path = f"/data/{small_vol}/0"
    assert 0 <= own.pop("up")[f"kvm1:{path}"] < 3600
    assert own == {"names": [f"kvm1:{path}"], "owner": ["9869", "9869"], "down": {}, "lost": {}}
    assert modules.glusterd.directories(small_vol) == {path: {"owner": ["9869", "9869"], "miscounted": None}}
    assert modules.glusterd.marks(path) == {"volume": modules.glusterd.volumes()[small_vol]["id"], "root": True}
    assert modules.glusterd.marks("/data") == {"volume": None, "root": False} and not modules.glusterd.marks("/none")
    assert modules.glusterd.bricks(new_volume("plain_vol"))["owner"] == ["-1", "-1"]
    assert modules.glusterd.bricks("no_such_vol") == {
        "names": [],
        "owner": ["-1", "-1"],
        "down": {},
        "lost": {},
        "up": {},
    }


def test_a_brick_s_process_is_ended(modules, new_volume):
    name = new_volume("ended_vol")
    (brick,) = modules.glusterd.bricks(name)["names"]
    assert modules.glusterd.end_brick(name, brick) is True
    assert modules.glusterd.bricks(name)["down"] == {brick: True}
    assert modules.glusterd.end_brick(name, brick) is False
    modules.gluster.volume_start(name, force=True)
    host.eventually("it runs again", lambda: not modules.glusterd.bricks(name)["down"])


def test_what_glusterd_keeps_is_what_it_says(modules, small_vol, new_volume):
    new_volume("created_vol", start=False)
    host.gluster("volume", "stop", new_volume("stopped_vol", features__read_only="off"))
    said = modules.gluster.volume_info()
    assert {"one_vol", "small_vol", "created_vol", "stopped_vol"} <= set(said)
    keys = ("id", "status", "options", "transport", "bricks")
    kept = {name: {key: info[key] for key in keys} for name, info in said.items()}
    assert modules.glusterd.volumes() == kept
    look = modules.glusterd.stored_snapshot()
    assert (look["volumes"], look["status"], look["heal"]) == (kept, None, {})
    assert [peer["connected"] for peer in look["pool"]] == [True, True, True]


def test_a_brick_without_its_process_is_down_but_not_one_that_is_meant_to_be(modules, new_volume):
    name = new_volume("killed_vol", copies=2)
    host.eventually("its bricks run", lambda: host.bricks_online(name))
    assert modules.glusterd.bricks(name)["down"] == {}
    first = Path(f"/run/gluster/vols/{name}/kvm1-data-{name}-0.pid")
    host.kill(int(first.read_text()))
    brick, path = f"kvm1:/data/{name}/0", Path(f"/data/{name}/0")
    assert modules.glusterd.bricks(name)["down"] == {brick: True}
    first.write_text("1")  # somebody else's by now
    assert modules.glusterd.bricks(name)["down"] == {brick: True}
    path.rename(f"{path}.away")
    assert modules.glusterd.bricks(name)["down"] == {brick: None}
    path.mkdir()  # as where its file system is not mounted
    assert modules.glusterd.bricks(name)["down"] == {brick: False}
    path.rmdir()
    Path(f"{path}.away").rename(path)
    host.gluster("volume", "stop", name, "force")
    assert modules.glusterd.bricks(name)["down"] == {}


def test_a_peer_whose_host_is_silent_is_named(modules):
    assert modules.glusterd.silent_peers() == []
    peer = re.search(r"^(\S+)\s+kvm2$", Path("/etc/hosts").read_text(), re.MULTILINE)[1]
    host.sh("ip", "route", "add", "blackhole", f"{peer}/32")
    try:
        assert modules.glusterd.silent_peers() == ["kvm2"]
        assert modules.gluster_pool.snapshot()["status"] is None
        assert modules.gluster_pool.stop_blockers(["kvm3"]) == ["kvm2 does not answer at glusterd's port"]
    finally:
        host.sh("ip", "route", "del", "blackhole", f"{peer}/32")
    assert modules.gluster_pool.snapshot()["status"]
