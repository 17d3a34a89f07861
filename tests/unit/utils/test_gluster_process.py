"""Gluster's processes on this server: one that has ended gives no traceback, and none is taken for another."""

import contextlib
import mmap
import os
import time
import tracemalloc

import psutil
import pytest
from salt.exceptions import CommandExecutionError

BRICK = {"hostname": "kvm1", "path": "/b", "online": True, "pid": 2**22 + 1}  # greater than any
DAEMON = {"hostname": "Self-heal Daemon", "path": "localhost", "online": True, "pid": 2**22 + 1}


@pytest.fixture
def volumes(execution):
    """volumes(row): the module where Gluster has one process of one_vol; what it was told is in module.told."""

    def make(row):
        told = []
        module = execution("gluster", __utils__={"gluster_process.words": lambda pid: ["glusterfsd", "/b", "/b/c"]})
        module.volume_status = lambda name: [row]
        module.snapshot = lambda: {"status": {"one_vol": [row]}}
        module.xml = lambda *words, **_: told.append(words)
        module.told = told
        return module

    return make


def test_a_process_that_has_ended(volumes):
    module = volumes(DAEMON)
    for call in (module.heal_daemon_apart, module.heal_daemon_end):
        with pytest.raises(CommandExecutionError, match="the self-heal daemon: .*; run again"):
            call("one_vol")
    with pytest.raises(CommandExecutionError, match="kvm1:/b: .*; run again"):
        volumes(BRICK).brick_restart("one_vol", "kvm1:/b")
    assert module.told == []


def test_a_process_that_ends_in_the_meantime_is_started(volumes, monkeypatch):
    def gone(self):
        raise psutil.NoSuchProcess(self.pid)

    monkeypatch.setattr(psutil.Process, "terminate", gone)
    module = volumes({**BRICK, "pid": psutil.Process().pid})
    assert module.brick_restart("one_vol", "kvm1:/b") is True
    assert module.told == [("volume", "start", "one_vol", "force")]


@pytest.mark.parametrize("server", ["kvm1", "10.0.0.1", "fd00::1", "2001:db8:0:1::7"])
def test_a_brick_by_whatever_address_of_its_server(volumes, monkeypatch, server):
    monkeypatch.setattr(psutil.Process, "terminate", lambda self: None)
    monkeypatch.setattr(psutil.Process, "wait", lambda self, timeout: None)
    module = volumes({"hostname": server, "path": "/b/c", "online": True, "pid": psutil.Process().pid})
    assert module.brick_restart("one_vol", f"{server}:/b/c") is True
    with pytest.raises(CommandExecutionError, match="is down: apply gluster_one.started"):
        module.brick_restart("one_vol", f"{server}:/b/d")


def test_a_process_of_which_gluster_knows_no_number_is_not_this_one(volumes):
    module = volumes({**DAEMON, "pid": None})
    assert module.heal_daemon_apart("one_vol") == [] and module.heal_daemon_end("one_vol") is False
    assert module._heal_daemon([{**DAEMON, "pid": None}]) is None
    with pytest.raises(CommandExecutionError, match="kvm1:/b is down"):
        volumes({**BRICK, "pid": None}).brick_restart("one_vol", "kvm1:/b")


@pytest.mark.parametrize("rows, apart", [([BRICK], []), ([BRICK, {**DAEMON, "online": False}], ["kvm1:/b"])])
def test_a_self_heal_daemon_that_does_not_run_is_connected_to_no_brick(volumes, rows, apart):
    """Where it is off Gluster does not name it."""
    module = volumes(BRICK)
    module.volume_status = lambda name: rows
    assert module.heal_daemon_apart("one_vol") == apart


# Commands that may hang


@pytest.fixture
def child(util, tmp_path):
    return util("gluster_process", __opts__={"test": False, "cachedir": str(tmp_path)}).run


@contextlib.contextmanager
def seconds(most):
    begin = time.monotonic()
    yield
    assert time.monotonic() - begin < most


def test_a_command_s_answer(child):
    assert child(["sh", "-c", "cat; echo x  y >&2; exit 3"], stdin="a\n" * 100_000) == [3, "a\n" * 100_000, "x y"]
    assert child(["true"], stdin="a" * 1_000_000)[0] == 0
    assert child(["sh", "-c", "exec >&- 2>&-; exec sleep 0.1"]) == [0, "", ""]
    assert child(["sh", "-c", "exit 3"]) == [3, "", "it ended with status 3, without output"]
    assert child(["sh", "-c", "kill -SEGV $$"])[2].startswith("it ended by SIGSEGV, without output")
    assert child(["sh", "-c", "echo x; exit 3"]) == [3, "x\n", ""]
    assert child(["sleep", "9"], timeout=0.1) == [None, "", "no answer within 0.1 s"]


def test_output_without_end_is_not_kept(child):
    with seconds(20):
        line = "x" * 1000
        status, out, error = child(["sh", "-c", f"while :; do echo {line}; done"], timeout=30)
    assert (status, out, error) == (None, "", "more than 1000000 bytes of output")


def test_what_a_command_has_started_is_not_waited_for_and_is_ended(child):
    with seconds(5):
        status, out, _ = child(["sh", "-c", "sleep 600 & echo $!"], timeout=10)
    assert status == 0
    with seconds(5):
        while psutil.pid_exists(int(out)) and psutil.Process(int(out)).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
    with seconds(5):
        assert child(["sh", "-c", "setsid sleep 8 & echo x"], timeout=10)[:2] == [0, "x\n"]


def test_what_a_command_says_is_shown_as_text(child):
    said = r"printf 'a\033[2J\302\233b\342\200\256\377' >&2; exit 1"
    assert child(["sh", "-c", said]) == [1, "", "a\\x1b[2J\\x9bb\\u202e\N{REPLACEMENT CHARACTER}"]


def test_a_command_that_cannot_be_killed_is_not_started_again(util, monkeypatch, tmp_path):
    """Nor by another job of the minion, which is another process with modules of its own."""
    monkeypatch.setattr(os, "killpg", lambda *words: None)
    command = ["sh", "-c", f"echo x >>{tmp_path}/started; exec sleep 600"]
    looks = [util("gluster_process", __opts__={"cachedir": str(tmp_path)}).run for _ in range(3)]
    said = [look(command, timeout=0.2) for look in looks]
    (process,) = [each for each in psutil.Process().children() if each.cmdline() == ["sleep", "600"]]
    try:
        assert (tmp_path / "started").read_text() == "x\n"
        hangs = f"no answer: an earlier check still hangs (process {process.pid})"
        assert said == [[None, "", "no answer within 0.2 s"], [None, "", hangs], [None, "", hangs]]
        assert looks[0](["true"]) == [0, "", ""]
    finally:
        process.kill()
    with seconds(5):
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
    assert looks[2](["sh", "-c", f"echo x >>{tmp_path}/started"]) == [0, "", ""]
    monkeypatch.undo()
    looks[0](command, timeout=0.1)
    assert (tmp_path / "started").read_text() == "x\n" * 3, "once it is over, it is started again"


@pytest.mark.parametrize(
    "text, shown",
    [
        ("disk.0 é 漢字 \\", "disk.0 é 漢字 \\"),
        ("\x1b[2J\x7f\x9b\r\n\t", r"\x1b[2J\x7f\x9b\r\n\t"),
        ("\u202e\u2066\u2028\u2029", r"\u202e\u2066\u2028\u2029"),
        (os.fsdecode(b"f\xfcr\x1b"), r"f\xfcr\x1b"),
        ("\ud800", r"\ud800"),
        ("x" * 300, f"{'x' * 100}...{'x' * 100}"),
        (7, "7"),
    ],
)
def test_what_others_have_written(util, text, shown):
    assert util("gluster_process").visible(text) == shown


def test_a_process_whose_words_are_held_up_is_not_ended(execution, monkeypatch):
    utils = {"gluster_process.words": lambda pid: None, "gluster_process.end": lambda process: pytest.fail("ended")}
    module = execution("glusterd", __utils__=utils)
    monkeypatch.setattr(module, "_process", lambda *brick: psutil.Process())
    with pytest.raises(CommandExecutionError, match="kvm1:/b: the command line of its process cannot be read: run"):
        module.end_brick("one_vol", "kvm1:/b")


# Stopped processes


@pytest.mark.parametrize(
    "name, words, uid, state, found",
    [
        ("glusterfsd", ["glusterfsd", "-s", "kvm1", "--brick-name", "/b"], 0, "stopped", {"kvm1:/b": 7}),
        ("glusterfsd", ["glusterfsd", "-s", "fd00::1", "--brick-name", "/b"], 0, "tracing-stop", {"fd00::1:/b": 7}),
        ("glusterfsd", ["glusterfsd", "-s", "kvm1", "--brick-name", "/b"], 0, "sleeping", {}),
        ("glusterfsd", ["glusterfsd", "-s", "kvm1", "--brick-name", "/b"], 9869, "stopped", {}),
        ("glusterd", ["glusterd"], 0, "stopped", {"glusterd": 7}),
        ("glusterfs", ["glusterfs", "--process-name", "glustershd"], 0, "stopped", {"self-heal daemon": 7}),
        ("glusterfs", ["glusterfs", "/mnt"], 0, "stopped", {}),  # its mount hangs
        ("sshd", ["sshd"], 0, "stopped", {}),
    ],
)
def test_a_stopped_process_is_named(execution, monkeypatch, name, words, uid, state, found):
    class Process:
        pid = 7
        status = lambda self: state  # noqa: E731

        def uids(self):
            return type("Uids", (), {"effective": uid})

    monkeypatch.setattr(psutil, "process_iter", lambda: [Process()])
    utils = {"gluster_process.comm": {7: name}.get, "gluster_process.words": {7: words}.get}
    assert execution("glusterd", __utils__=utils).stopped_processes() == found


# What others' processes have


@pytest.fixture
def proc(util, monkeypatch, tmp_path):
    """proc(7, comm=b"...", ...): a process with these files; without a number, the module."""
    module = util("gluster_process")
    monkeypatch.setattr(module, "PROC", str(tmp_path))

    def make(pid=None, **files):
        if pid:
            (tmp_path / str(pid)).mkdir()
        for name, content in files.items():
            (tmp_path / str(pid) / name).write_bytes(content)
        return module

    return make


def test_a_command_line_of_gigabytes_is_cut_off(proc, tmp_path):
    qemu = b"/usr/bin/qemu-system-x86_64\0-name\0guest=one-7,x\0f\xfcr uns\0"
    module = proc(7, comm=b"qemu-system-x86\n", cmdline=qemu)
    os.truncate(tmp_path / "7/cmdline", 2**40)
    tracemalloc.start()
    try:
        words = module.words(7)
        assert module.process_name(7) == "one-7 (7)"
        assert tracemalloc.get_traced_memory()[1] < 50 * module.MOST_WORDS
    finally:
        tracemalloc.stop()
    assert words[:4] == ["/usr/bin/qemu-system-x86_64", "-name", "guest=one-7,x", "f\ufffdr uns"]
    assert len("\0".join(words)) < module.MOST_WORDS
    assert module.words(8) == [] and module.process_name(8) == "a process that has ended (8)"


def test_a_command_line_of_a_large_vm_is_read_whole(proc):
    words = ["/usr/bin/qemu-system-x86_64", "-name", "guest=one-7", *["-blockdev"] * 9000]
    assert proc(7, cmdline="".join(f"{word}\0" for word in words).encode()).words("7") == words


@pytest.mark.parametrize(
    "comm, name, shown",
    [
        (b"qemu-system-x86\n", "qemu-system-x86", "qemu-system-x86 (7)"),
        (b"\x1b[2J\n\n", "\x1b[2J\n", r"\x1b[2J\n (7)"),
        (b"\n", "", " (7)"),
    ],
)
def test_the_name_of_a_process_is_the_kernel_s(proc, comm, name, shown):
    module = proc(7, comm=comm, cmdline=b"sleep\x0060\0")
    assert (module.comm(7), module.process_name(7), module.comm(8)) == (name, shown, None)


@pytest.mark.parametrize(
    "words, name",
    [
        ([], None),
        (["/usr/bin/qemu-system-x86_64", "-name"], None),
        (["/usr/bin/vi", "-name", "one-7"], None),
        (["/usr/libexec/qemu-kvm", "-name", "one-7,debug-threads=on"], "one-7"),
        (["qemu-system-x86_64", "-name", "guest=one-7\x1b[2J,x"], r"one-7\x1b[2J"),
    ],
)
def test_which_vm_a_process_is(util, words, name):
    assert util("gluster_process").vm_name(words) == name


MAPS = b"7f0-7f1 r--p 00000000 00:00 0\n7f1-7f2 r--p 00000000 00:21 5                 /vol/a b (deleted)\n"


def test_what_processes_have_open_or_mapped(proc, tmp_path):
    for pid in (1, 2, 3, 4):
        proc(pid, maps=MAPS if pid == 3 else b"")
        (tmp_path / f"{pid}/fd").mkdir()
    (tmp_path / "self").mkdir()
    (tmp_path / "1/cwd").symlink_to("/vol/in it")
    (tmp_path / "2/fd/5").symlink_to("/vol/file")
    (tmp_path / "4/fd/5").symlink_to("/another")
    module = proc()
    assert sorted(module.users(lambda path: path.startswith("/vol/"))[0]) == [1, 2, 3]
    assert module.users("/vol/a b (deleted)".__eq__) == ([3], None)


def test_this_process_s_own_files(util, tmp_path):
    module, path = util("gluster_process"), tmp_path / "file"
    path.write_text("x")
    with open(path) as stream:
        assert module.users(str(path).__eq__) == ([os.getpid()], None)
        with mmap.mmap(stream.fileno(), 0, prot=mmap.PROT_READ):
            stream.close()
            assert module.users(str(path).__eq__)[0] == [os.getpid()]
    assert module.users(str(path).__eq__)[0] == []


def test_no_number_of_processes_takes_more_than_a_minute(proc, monkeypatch):
    """A minute is half a second here, as a look takes a fifth, and one process has two seconds."""
    module, looked = proc(), []
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.5)
    monkeypatch.setattr(module, "_pids", lambda: range(1, 41))
    monkeypatch.setattr(module, "_open", lambda process: looked.append(process) or time.sleep(0.2) or ["/vol"])
    begin = time.monotonic()
    found, last = module.users("/vol".__eq__)
    assert time.monotonic() - begin < 1.5 and found == list(range(1, last))
    before = len(looked)
    time.sleep(0.5)
    assert len(looked) == before < 10  # nor does it go on


@pytest.fixture
def held(proc, tmp_path, monkeypatch):
    """Whoever reads of the process 2 is held up, here by a FIFO, as by a process that waits for a hung mount."""
    module = proc(1, maps=MAPS, cmdline=b"/usr/bin/qemu-kvm\0-name\0one-1\0")
    proc(2, comm=b"vi\n")
    proc(3, maps=MAPS, cmdline=b"sleep\x0060\0")
    for name in ("maps", "cmdline"):
        os.mkfifo(tmp_path / f"2/{name}")
    monkeypatch.setattr(module, "HELD_SECONDS", 0.3)
    yield module
    for name in ("maps", "cmdline"):  # the threads that were left end
        with contextlib.suppress(OSError):
            os.close(os.open(tmp_path / f"2/{name}", os.O_WRONLY | os.O_NONBLOCK))


def test_a_process_whose_memory_is_held_up_holds_up_nobody(held):
    begin = time.monotonic()
    assert held.command_lines() == {1: ["/usr/bin/qemu-kvm", "-name", "one-1"], 3: ["sleep", "60"]}
    assert held.words(2) is None and held.process_name(2) == "vi (2)"
    found, last = held.users("/vol/a b (deleted)".__eq__)
    assert (sorted(found), last) == ([1, 3], 2) and time.monotonic() - begin < 5


def test_many_that_are_held_up_hide_no_vm(held, monkeypatch, tmp_path):
    (tmp_path / "3/exe").symlink_to("/usr/bin/qemu-system-x86_64")
    monkeypatch.setattr(held, "WORDS_SECONDS", 0.5)
    monkeypatch.setattr(held, "_pids", lambda: [2, 2, 2, 2, 1, 3])
    begin = time.monotonic()
    assert held.command_lines() == {3: ["sleep", "60"]} and time.monotonic() - begin < 2


@pytest.mark.parametrize("program", ["/usr/bin/qemu-system-x86_64", "/usr/libexec/qemu-kvm"])
def test_a_vm_that_is_held_up_is_not_none(held, tmp_path, program):
    (tmp_path / "2/exe").symlink_to(program)
    with pytest.raises(CommandExecutionError, match="which VM the process 2 is, as its command line cannot be read"):
        held.command_lines()


def test_a_look_that_fails_is_an_error(proc):
    def holds(path):
        raise ValueError(path)

    with pytest.raises(ValueError, match="/vol/a b"):
        proc(1, maps=MAPS).users(holds)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_users_command_has_nothing_of_root(util, tmp_path):
    module = util("gluster_process", __opts__={"cachedir": str(tmp_path)})
    show = "id -u; id -g; id -G; sed -n 's/^CapEff:[\t0]*$/powerless/p' /proc/self/status; ps -o pid=,sid= -p $$"
    status, out, error = module.run(["sh", "-c", show], user="nobody")
    *words, pid, session = out.split()
    assert [status, *words, error] == [0, "65534", "65534", "65534", "powerless", ""] and pid == session
    with pytest.raises(CommandExecutionError, match="There is no user no-such-one on this node"):
        module.run(["true"], user="no-such-one")
