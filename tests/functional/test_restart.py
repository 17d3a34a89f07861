"""What takes effect only after a restart: glusterd's volume file, bricks that reject clients, one server at a time."""

import contextlib
import fcntl
import os
import re
import time
from pathlib import Path

import pytest

from . import host
from .runs import fails, four_runs, idle

UNIT = Path("/etc/systemd/system/glusterd.service.d/gluster_one.conf")
DUE = {"old": f"started before {host.VOLUME_FILE} was changed", "new": "restarted"}
KILL_MODE = {"old": "control-group", "new": "process"}
ALONE = "without it volume small_vol has 0 of these bricks online, and needs 1: kvm1:/data/small_vol/0"


@pytest.fixture
def restarted(states):
    return states.gluster_one.glusterd_restarted


@pytest.fixture
def bricks(states):
    return states.gluster_one.bricks_restarted


@pytest.fixture(autouse=True)
def unit():
    """glusterd's unit as it is in Debian's package."""
    yield
    if UNIT.exists():
        UNIT.unlink()
        host.sh("systemctl", "daemon-reload")


@pytest.fixture
def due(own_file, small_vol):
    """glusterd's volume file is younger than the daemon."""
    os.utime(own_file)
    return own_file


# glusterd


def test_the_service(modules, small_vol):
    found = modules.glusterd.service()
    assert (found["running"], found["kill_mode"]) == (True, "control-group")
    assert abs(found["started"] - Path("/run/glusterd.pid").stat().st_mtime) < 5


def test_nothing_is_due_after_a_start(modules, restarted, small_vol):
    assert modules.glusterd.restart_changes() == {"KillMode": KILL_MODE}
    assert modules.glusterd.restart_changes(keep_bricks=False) == {}
    idle(restarted, "glusterd", keep_bricks=False)


def test_a_service_that_does_not_run(restarted):
    run = fails(restarted, "no-such-daemon")
    assert "no-such-daemon does not run: start it with `systemctl start no-such-daemon`" in run.comment


@pytest.mark.parametrize("end", ["killed", "started too often"])
def test_a_glusterd_that_does_not_run_is_started_at_once(states, modules, small_vol, end):
    """After a crash systemd would wait a minute, and after six starts in an hour it would do it no more."""
    if end == "killed":
        host.kill(host.glusterd_pid())
        host.eventually("systemd waits", lambda: "auto-restart" in host.sh("systemctl", "show", "glusterd"))
    else:
        for _ in range(7):
            host.sh("systemctl", "restart", "glusterd", check=False)
        host.eventually("systemd gives up", lambda: "start-limit-hit" in host.sh("systemctl", "show", "glusterd"))
    runs = lambda: modules.glusterd.service()["running"]  # noqa: E731
    try:
        with host.seconds(10):
            run = four_runs(states.gluster_one.glusterd_running, "glusterd", look=runs)
    finally:
        host.sh("systemctl", "reset-failed", "glusterd")
        host.restart_glusterd()
    assert run.changes == {"glusterd": {"old": "stopped", "new": "running"}}


def test_a_glusterd_that_is_not_there(states):
    assert "no-such-daemon" in fails(states.gluster_one.glusterd_running, "no-such-daemon").comment


def test_glusterd_is_restarted_and_the_bricks_live_on(restarted, due, one_vol, small_vol):
    pid, before = host.glusterd_pid(), host.brick_pids(one_vol, small_vol)
    predicted = restarted("glusterd", outage="allow", test=True)
    assert (predicted.result, predicted.changes) == (None, {"KillMode": KILL_MODE, "glusterd": DUE})
    assert (host.glusterd_pid(), UNIT.exists()) == (pid, False)
    run = restarted("glusterd", outage="allow")
    assert (run.result, run.changes) == (True, predicted.changes), run.comment
    assert host.glusterd_pid() != pid
    assert host.brick_pids(one_vol, small_vol) == before
    assert host.sh("systemctl", "show", "-P", "KillMode", "glusterd") == "process\n"
    assert UNIT.read_text().startswith("# Written by the Salt formula gluster_one: bricks live on")
    idle(restarted, "glusterd")


def test_a_brick_without_a_copy_is_not_risked_untold(restarted, due):
    pid = host.glusterd_pid()
    run = fails(restarted, "glusterd", within=20)
    assert f"glusterd was not restarted: {ALONE}; `outage: allow` in the pillar restarts it even so" in run.comment
    assert run.changes == {"KillMode": KILL_MODE}
    assert host.glusterd_pid() == pid


def test_outage_is_told_in_one_word(restarted, due):
    assert "outage is 'yes': allow is possible" in fails(restarted, "glusterd", outage="yes").comment


def without_a_brick():
    (pid,) = host.brick_pids("one_vol")["one_vol"]
    host.kill(pid)
    host.eventually("the brick is down", lambda: not host.bricks_online("one_vol"))
    return "kvm1:/data/one_vol down"


def with_a_client_of_one_brick():
    text = Path("/var/lib/glusterd/vols/one_vol/one_vol.tcp-fuse.vol").read_text()
    volfile = host.open_directory("one_brick.d") / "vol"
    volfile.write_text(re.search(r"^volume one_vol-client-0$.*?^end-volume$", text, re.MULTILINE | re.DOTALL)[0] + "\n")
    point = host.open_directory("one_brick")
    host.sh("glusterfs", f"--volfile={volfile}", point)
    host.sh("ls", point)  # over a connection that is never used nobody could lose anything
    return "a client at 10.77.1.1 is not connected to kvm2:/data/one_vol, kvm3:/data/one_vol"


def with_files_to_heal():
    host.gluster("volume", "set", "one_vol", "cluster.self-heal-daemon", "off")
    without_a_brick()
    with host.mounted_aside("one_vol") as point:
        (point / "written").write_text("x")
    host.gluster("volume", "start", "one_vol", "force")
    host.eventually("the brick is back", lambda: host.bricks_online("one_vol"))
    return "files of volume one_vol wait to be healed"


def with_a_peer_away():
    peer = re.search(r"^(\S+)\s+kvm2$", Path("/etc/hosts").read_text(), re.MULTILINE)[1]
    host.sh("ip", "route", "add", "blackhole", f"{peer}/32")
    return "kvm2 silent at port 24007"


@pytest.fixture
def mended(one_vol, modules):
    """All that these tests break, repaired afterwards."""
    yield
    for route in re.findall(r"^blackhole (\S+)", host.sh("ip", "route"), re.MULTILINE):
        host.sh("ip", "route", "del", "blackhole", route)
    host.let_go(host.open_directory("one_brick"))
    host.eventually("every server sees every other", host.pool_whole)
    host.gluster("volume", "reset", one_vol, "cluster.self-heal-daemon")
    host.gluster("volume", "start", one_vol, "force")
    host.eventually("the bricks run", lambda: host.bricks_online(one_vol))
    host.eventually("all is settled", lambda: modules.gluster_pool.unsettled_reason() is None, 60)


@pytest.mark.parametrize(
    "spoil",
    [without_a_brick, with_a_client_of_one_brick, with_files_to_heal, with_a_peer_away],
    ids=lambda f: f.__name__,
)
def test_what_must_not_be_while_a_server_is_restarted(restarted, modules, due, mended, spoil):
    # Of the test before, clients may be a moment late at a brick that was away.
    host.eventually("the pool is settled", lambda: modules.gluster_pool.unsettled_reason() is None)
    pid, said = host.glusterd_pid(), spoil()
    run = fails(restarted, "glusterd", keep_bricks=False, outage="allow", timeout=3, within=30)
    assert "glusterd was not restarted: the pool was not ready for it within 3 s (last seen: " in run.comment
    assert said in run.comment
    assert (run.changes, host.glusterd_pid()) == ({}, pid)


# The lock


@contextlib.contextmanager
def lock_taken():
    """Another server has its turn."""
    with host.mounted_aside("one_vol") as point:
        (point / ".gluster_one").mkdir(exist_ok=True)
        with open(point / ".gluster_one/lock", "w") as stream:
            fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield


def test_the_lock_is_taken_and_released(modules, one_vol, small_vol):
    for _ in range(2):
        assert modules.gluster_lock.lock(10) == one_vol
        with pytest.raises(BlockingIOError), lock_taken():
            pass
        assert modules.gluster_lock.unlock() is True
        with lock_taken():
            pass
    assert "unshare" not in host.sh("ps", "ax") and ".gluster_one" not in host.sh("ps", "ax")


def test_another_server_s_turn_is_waited_for(restarted, due, small_vol):
    pid = host.glusterd_pid()
    with lock_taken():
        run = fails(restarted, "glusterd", outage="allow", timeout=3, within=20)
        said = "turn did not come within 6 s (.gluster_one/lock: another server has the lock on volume one_vol)"
        assert said in run.comment
        assert host.glusterd_pid() == pid


def test_options_are_not_set_in_another_server_s_turn(states, new_volume):
    name = new_volume("plain_vol")
    with lock_taken():
        run = fails(states.gluster_one.volume_configured, name, timeout=1)
        assert "This server's turn did not come within 1 s" in run.comment
        assert "storage.owner-uid" not in host.set_options(name)
    assert states.gluster_one.volume_configured(name).result is True


def test_without_a_volume_for_the_lock_only_the_orchestration_restarts(restarted, due, one_vol, small_vol):
    host.gluster("volume", "set", one_vol, "server.allow-insecure", "off")
    host.gluster("volume", "set", small_vol, "server.allow-insecure", "off")
    pid = host.glusterd_pid()
    try:
        run = fails(restarted, "glusterd", outage="allow", within=20)
        assert "no volume of the pool can be mounted here for the lock" in run.comment
        assert "run `salt-run state.orchestrate gluster_one.orchestrate.restart`" in run.comment
        assert host.glusterd_pid() == pid
    finally:
        host.gluster("volume", "set", one_vol, "server.allow-insecure", "on")
        host.gluster("volume", "set", small_vol, "server.allow-insecure", "on")


# Bricks


def pids(name):
    files = sorted(Path("/run/gluster/vols", name).glob("*.pid"))
    return [int(path.read_text()) for path in files]


def test_bricks_that_refuse_are_restarted(bricks, closed, modules):
    host.gluster("volume", "set", closed, "server.allow-insecure", "on")
    names = [f"kvm1:/data/{closed}/{number}" for number in (0, 1)]
    assert modules.gluster_probe.rejecting_bricks(closed, names) == names
    # A brick that rejects this server on every port is not restarted: other clients may be connected to it.
    host.gluster("volume", "set", closed, "auth.allow", "10.9.9.9")
    assert modules.gluster_probe.rejecting_bricks(closed, names) == []
    host.gluster("volume", "reset", closed, "auth.allow")
    before = pids(closed)
    run = four_runs(bricks, closed, look=lambda: pids(closed))
    assert run.changes == dict.fromkeys(names, {"old": "rejects clients", "new": "restarted"})
    assert not set(before) & set(pids(closed))
    assert host.lets_in(closed)


def test_a_self_heal_daemon_that_was_refused_is_restarted(states, modules, new_volume, one_vol):
    name = new_volume("refused_vol", copies=2, server__allow_insecure="on")
    apart, connected = modules.gluster.heal_daemon_apart, states.gluster_one.heal_daemon_connected
    host.eventually("it is connected", lambda: apart(name) == [])
    idle(connected, name)
    host.gluster("volume", "set", name, "server.allow-insecure", "off")
    modules.gluster.heal_daemon_end(name)
    for volume in (name, one_vol):
        modules.gluster.volume_start(volume, force=True)
    bricks = [f"kvm1:/data/{name}/{number}" for number in (0, 1)]
    host.eventually("it is refused", lambda: apart(name) == bricks)
    host.gluster("volume", "set", name, "server.allow-insecure", "on")
    time.sleep(5)  # after three seconds it would ask again
    run = four_runs(connected, name, look=lambda: apart(name))
    assert run.changes == {"self-heal daemon": {"old": f"not connected to {', '.join(bricks)}", "new": "restarted"}}
    host.eventually("those of all volumes are connected", lambda: (apart(name), apart(one_vol)) == ([], []))
    modules.gluster.heal_daemon_end(name)  # whether the other volume's ends with it, is Gluster's
    host.eventually("it is gone", lambda: apart(name) == bricks)
    run = four_runs(connected, name, look=lambda: apart(name))
    host.eventually("those of all volumes are connected", lambda: (apart(name), apart(one_vol)) == ([], []))
    assert run.changes == {"self-heal daemon": {"old": f"not connected to {', '.join(bricks)}", "new": "restarted"}}


def test_a_self_heal_daemon_is_started_without_a_brick_over_an_empty_directory(states, modules, new_volume, one_vol):
    """As `volume start force` would: that brick would be marked, and die."""
    name = new_volume("empty_vol", copies=2)
    host.eventually("its bricks run", lambda: host.bricks_online(name))
    apart, path = modules.gluster.heal_daemon_apart, f"/data/{name}/0"
    states.gluster_one.bricks_kept("glusterd")
    host.kill(int(Path(f"/run/gluster/vols/{name}/kvm1-data-{name}-0.pid").read_text()))
    host.sh("mv", path, f"{path}.aside")
    host.sh("mkdir", path)
    host.eventually("it is down", lambda: modules.glusterd.bricks(name)["lost"])
    modules.gluster.heal_daemon_end(name)
    try:
        run = four_runs(states.gluster_one.heal_daemon_connected, name, look=lambda: os.listxattr(path))
        missing = {"old": f"not connected to kvm1:/data/{name}/1", "new": "restarted"}
        assert run.changes == {"self-heal daemon": missing, "glusterd": {"old": "running", "new": "restarted"}}
        assert apart(name) == [] and os.listdir(path) == [] and "trusted.glusterfs.volume-id" not in os.listxattr(path)
    finally:
        host.sh("rmdir", path)
        host.sh("mv", f"{path}.aside", path)
        host.eventually("the pool is whole", host.pool_whole)


def test_a_brick_that_serves_clients_is_restarted_only_when_told(bricks, small_vol):
    before = host.brick_pids(small_vol)
    idle(bricks, small_vol)
    assert ALONE in fails(bricks, small_vol, every=True, within=20).comment
    assert host.brick_pids(small_vol) == before
    run = bricks(small_vol, every=True, outage="allow")
    assert run.changes == {f"kvm1:/data/{small_vol}/0": {"old": "online", "new": "restarted"}}, run.comment
    assert host.brick_pids(small_vol) != before


def test_one_of_three_bricks_is_restarted_while_a_writer_goes_on(bricks, one_vol):
    before = host.brick_pids(one_vol)
    with host.mounted_aside(one_vol) as point:
        with open(point / "written", "w") as stream:
            run = bricks(one_vol, every=True)
            for _ in range(10):
                stream.write("x")
                stream.flush()
                os.fsync(stream.fileno())
        assert (point / "written").read_text() == 10 * "x"
        (point / "written").unlink()
    assert (run.result, list(run.changes)) == (True, [f"kvm1:/data/{one_vol}"]), run.comment
    assert host.brick_pids(one_vol) != before


def test_a_volume_without_bricks_here_or_that_is_stopped(bricks, new_volume):
    idle(bricks, "no_such_vol")
    idle(bricks, new_volume("created_vol", start=False))


# The unit


def test_bricks_are_kept_by_whomever_glusterd_is_restarted(states, one_vol, small_vol):
    before, pid = host.brick_pids(one_vol, small_vol), host.glusterd_pid()
    run = four_runs(states.gluster_one.bricks_kept, "glusterd", look=UNIT.exists)
    assert run.changes == {"KillMode": KILL_MODE}
    assert (host.brick_pids(one_vol, small_vol), host.glusterd_pid()) == (before, pid)
    host.sh("systemctl", "restart", "glusterd")
    host.restart_glusterd()  # which waits for the peers
    assert host.brick_pids(one_vol, small_vol) == before


def test_a_service_that_is_not_there_has_nothing_to_keep(states):
    idle(states.gluster_one.bricks_kept, "no-such-daemon")


# Bricks that are down


def test_a_server_starts_no_brick_of_another_one(states, modules, one_vol, small_vol):
    """What is down there may be an empty directory, which a start by force would mark; it would die."""
    own, other = f"kvm1:/data/{one_vol}", f"kvm2:/data/{one_vol}"
    running, down = states.gluster_one.bricks_running, lambda: set(modules.gluster_pool.bricks_down(one_vol))
    host.gluster("volume", "reset-brick", one_vol, other, "start")  # the only way to end it from here
    (pid,) = host.brick_pids(one_vol)[one_vol]
    host.kill(pid)
    host.eventually("both are down", lambda: down() == {own, other})
    try:
        assert f"kvm1:/data/{small_vol}/0 would end with glusterd" in fails(running, one_vol, timeout=1).comment
        states.gluster_one.bricks_kept("glusterd")
        small = host.brick_pids(small_vol)
        run = four_runs(running, one_vol, timeout=5, look=down)
        restart = {"glusterd": {"old": "running", "new": "restarted"}}
        assert run.changes == {own: {"old": "down", "new": "online"}, **restart}
        assert (down(), host.brick_pids(small_vol)) == ({other}, small)
    finally:
        host.gluster("volume", "start", one_vol, "force")
        host.restart_glusterd()
        host.eventually("all is healed", lambda: not modules.gluster_pool.volumes_unsettled([one_vol]))
