"""glusterd's volume file, byte for byte."""

import os

import pytest
from salt.exceptions import CommandExecutionError

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
    assert modules.glusterd.options_set(options, path=str(volume_file)) is True
    assert volume_file.read_text() == HAND_MADE.replace(old, new)
    before = volume_file.read_bytes()
    assert modules.glusterd.options_set(options, path=str(volume_file)) is True
    assert volume_file.read_bytes() == before


@pytest.mark.parametrize("mode, owner", [(0o640, 9869), (0o600, 0)])
def test_options_set_keeps_mode_and_owner(modules, volume_file, mode, owner):
    volume_file.chmod(mode)
    os.chown(volume_file, owner, owner)
    modules.glusterd.options_set({"one": 1}, path=str(volume_file))
    seen = volume_file.stat()
    assert (seen.st_mode & 0o7777, seen.st_uid, seen.st_gid) == (mode, owner, owner)
    assert [path.name for path in volume_file.parent.iterdir()] == ["glusterd.vol"]


def test_options_set_of_something_else_touches_nothing(modules, tmp_path):
    path = tmp_path / "hosts"
    path.write_text("127.0.0.1 localhost\n")
    with pytest.raises(CommandExecutionError, match="has no line end-volume"):
        modules.glusterd.options_set({"one": 1}, path=str(path))
    assert path.read_text() == "127.0.0.1 localhost\n"


def test_a_missing_file_says_what_to_install(modules, tmp_path):
    for call in (modules.glusterd.options, lambda path: modules.glusterd.options_set({"one": 1}, path=path)):
        with pytest.raises(CommandExecutionError, match="is missing: install glusterfs-server"):
            call(str(tmp_path / "glusterd.vol"))


def test_the_bricks_of_this_server(modules, small_vol, new_volume):
    assert modules.glusterd.bricks(small_vol) == {"sharing": {f"/data/{small_vol}/0": 1}, "owner": ["9869", "9869"]}
    assert modules.glusterd.bricks(new_volume("plain_vol"))["owner"] == ["-1", "-1"]
    assert modules.glusterd.bricks("no_such_vol") == {"sharing": {}, "owner": ["-1", "-1"]}
