"""glusterd's volume file, byte for byte, and the restart that keeps what runs."""

import contextlib
import fcntl
import os
import re
from pathlib import Path

import pytest
from salt.exceptions import CommandExecutionError

from . import host
from .conftest import HAND_MADE

pytestmark = pytest.mark.long
DROP_INS = Path("/run/systemd/system/glusterd.service.d")
OWN_DROP_IN = DROP_INS / "50-gluster_one.conf"


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


# The restart


@pytest.fixture(scope="module")
def reconfigured(loaders, one_vol, small_vol):
    """One restart, and how the host was before it: what it did, and what it left."""
    before = {
        "text": host.VOLUME_FILE.read_text(),
        "bricks": host.brick_pids(one_vol, small_vol),
        "pid": host.glusterd_pid(),
        "left": (host.mounts(), sorted(os.listdir("/run"))),
    }
    DROP_INS.mkdir(parents=True)
    (DROP_INS / "10-other.conf").write_text("[Service]\nNice=1\n")
    done = loaders.modules.glusterd.reconfigure({"rpc-auth-allow-insecure": "on"})
    done["pools"] = [host.gluster(f"--remote-host={server}", "pool", "list") for server in ("kvm1", "kvm2", "kvm3")]
    yield before, done
    host.VOLUME_FILE.write_text(before["text"])
    host.sh("rm", "-rf", DROP_INS)
    host.sh("systemctl", "daemon-reload")


def test_reconfigure_writes_the_option_and_restarts_glusterd(reconfigured):
    before, done = reconfigured
    added = "    option rpc-auth-allow-insecure on\nend-volume"
    assert host.VOLUME_FILE.read_text() == before["text"].replace("end-volume", added)
    assert host.glusterd_pid() != before["pid"]
    assert done["waited"] == 0


def test_reconfigure_keeps_the_bricks(reconfigured, one_vol, small_vol):
    before, _ = reconfigured
    assert host.brick_pids(one_vol, small_vol) == before["bricks"]
    assert all(Path(f"/proc/{brick}").exists() for pids in before["bricks"].values() for brick in pids)


def test_reconfigure_waits_for_the_peers(reconfigured):
    assert reconfigured[1]["peers"] == 2
    # As every server sees it: with one that does not, an option set there would restart this server's bricks.
    assert [pool.count("Connected") for pool in reconfigured[1]["pools"]] == [3, 3, 3]


def test_reconfigure_leaves_nothing_behind(reconfigured):
    before, _ = reconfigured
    assert (host.mounts(), sorted(os.listdir("/run"))) == before["left"]
    assert os.listdir(DROP_INS) == ["10-other.conf"]
    assert host.sh("systemctl", "show", "-P", "KillMode", "glusterd").strip() == "control-group"


def test_a_glusterd_that_does_not_come_back_is_an_error(modules, own_file):
    try:
        with pytest.raises(CommandExecutionError, match="glusterd.service failed|glusterd was not restarted"):
            modules.glusterd.reconfigure({"transport-type": "no-such-transport"}, timeout=5)
        assert not OWN_DROP_IN.exists()
    finally:
        own_file.write_text(re.sub("no-such-transport", "socket", own_file.read_text()))
        host.sh("systemctl", "reset-failed", "glusterd", check=False)
        host.restart_glusterd()


def test_lets_in_who_is_not_root_unless_told_otherwise(modules, own_file):
    assert modules.glusterd.lets_in() is True  # nothing is said about it in the distribution's file
    modules.glusterd.options_set({"rpc-auth-allow-insecure": "off"})
    assert modules.glusterd.lets_in() is True  # as it runs, not as it would
    try:
        host.sh("systemctl", "restart", "glusterd")
        assert modules.glusterd.lets_in() is False
    finally:
        modules.glusterd.options_set({"rpc-auth-allow-insecure": "on"})
        host.sh("systemctl", "restart", "glusterd")
        host.restart_glusterd()
    assert modules.glusterd.lets_in() is True


# One server at a time


def test_reconfigure_is_not_led_elsewhere_by_a_link_of_oneadmin(modules, own_file, one_vol, tmp_path):
    """Root opens a file on a volume that oneadmin owns: what oneadmin puts there must not make root write elsewhere."""
    point, victim = tmp_path / "other", tmp_path / "victim"
    point.mkdir()
    host.sh("mount", "-t", "glusterfs", f"kvm1:/{one_vol}", point)
    try:
        (point / ".gluster_one").mkdir(exist_ok=True)
        (point / ".gluster_one/lock").unlink(missing_ok=True)
        (point / ".gluster_one/lock").symlink_to(victim)
        with contextlib.suppress(CommandExecutionError):
            modules.glusterd.reconfigure({"event-threads": 2}, volume=one_vol, timeout=20)
        assert not victim.exists()
    finally:
        (point / ".gluster_one/lock").unlink(missing_ok=True)
        host.let_go(point)


def test_reconfigure_waits_for_its_turn(modules, own_file, another_server):
    release = f"kill -USR1 {os.getpid()}"
    with host.on_signal(lambda: fcntl.lockf(another_server, fcntl.LOCK_UN)), host.later(8, release):
        done = modules.glusterd.reconfigure({"event-threads": 2}, volume="one_vol")
    assert done["waited"] >= 2
    assert not OWN_DROP_IN.exists()


def test_reconfigure_whose_turn_does_not_come_touches_nothing(modules, own_file, another_server):
    before, pid = host.tree(own_file), host.glusterd_pid()
    with host.seconds(20), pytest.raises(CommandExecutionError, match="Another server of the pool.* for more than 6 s"):
        modules.glusterd.reconfigure({"event-threads": 2}, volume="one_vol", timeout=3)
    assert host.tree(own_file) == before
    assert host.glusterd_pid() == pid
