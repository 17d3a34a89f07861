"""glusterd's own volume file: only the option asked for changes."""

import pytest
from salt.exceptions import CommandExecutionError

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
    return execution("glusterd")


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
    glusterd.options_set({"rpc-auth-allow-insecure": True}, path=str(file))
    assert file.read_text() == after
    assert file.stat().st_mode & 0o777 == 0o640
    assert glusterd.options(str(file))["rpc-auth-allow-insecure"] == "on"
    glusterd.options_set({"rpc-auth-allow-insecure": "on"}, path=str(file))
    assert file.read_text() == after


def test_text_that_is_no_utf_8_stays_as_it_is(glusterd, tmp_path):
    file = tmp_path / "glusterd.vol"
    before = b"# f\xfcr uns\n" + DEBIAN.encode()
    file.write_bytes(before)
    assert glusterd.options(str(file))["ping-timeout"] == "0"
    glusterd.options_set({"rpc-auth-allow-insecure": "on"}, path=str(file))
    assert file.read_bytes() == before.replace(b"end-volume", ALLOWED.encode() + b"end-volume")


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
        glusterd.options_set({"a": "b"}, path=str(file))
    assert file.read_text() == "hello\n"
    with pytest.raises(CommandExecutionError, match="install glusterfs-server"):
        glusterd.options(str(tmp_path / "none"))
