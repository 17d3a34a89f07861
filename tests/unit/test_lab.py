"""What the lab does to the machine and to what it is told: no secret in the process list, nothing left behind."""

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lab import build
from lab.fleet import Lab
from lab.system import LabError, Lock

CHECKOUT = Path(__file__).resolve().parents[2]
SECRET = "oneadmin:hidden-password"
UP = ["--name", "unit-auth", "up", "--opennebula", "http://127.0.0.1:1/RPC2"]


@pytest.fixture
def lab_up():
    """lab_up(*words, input=None): `lab/lab up`, which waits for the lab's lock; what it says, and its process."""
    started = []
    with Lab("unit-auth", quiet=True)._lock():

        def start(*words, input=None):
            command = [sys.executable, "lab/lab", *UP, *words]
            streams = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            process = subprocess.Popen(command, cwd=CHECKOUT, **streams)
            started.append(process)
            watch = threading.Timer(20, process.kill)
            watch.start()
            process.stdin.write(input or "")
            process.stdin.close()
            said = process.stderr.readline()
            watch.cancel()
            return said, process

        try:
            yield start
        finally:
            for process in started:
                process.kill()
                process.wait()
    Lock(Lab("unit-auth")._lock().path, lambda: None).remove()


@pytest.mark.skipif(os.geteuid() != 0, reason="the lab needs root")
@pytest.mark.parametrize("words", [["--auth", SECRET], [f"--auth={SECRET}"]])
def test_an_account_on_the_command_line_is_not_in_the_process_list(lab_up, words):
    said, process = lab_up(*words)
    assert "waiting for another command" in said
    for place in ("cmdline", "environ"):
        assert b"hidden-password" not in Path(f"/proc/{process.pid}/{place}").read_bytes()


@pytest.mark.skipif(os.geteuid() != 0, reason="the lab needs root")
def test_an_account_from_a_file_or_standard_input(lab_up, tmp_path):
    path = tmp_path / "one_auth"
    path.write_text(f"{SECRET}\n")
    assert "waiting for another command" in lab_up("--auth", str(path))[0]
    assert "waiting for another command" in lab_up("--auth", "-", input=f"{SECRET}\n")[0]
    assert "USER:PASSWORD is needed" in lab_up("--auth", "-", input="nonsense\n")[0]
    assert "there is no such file" in lab_up("--auth", "/no/such/file")[0]


def test_the_lock_lies_where_nobody_else_can_write():
    directory = Path(Lab("unit-lock")._lock().path).parent
    assert not directory.exists() or not directory.stat().st_mode & 0o022


def test_a_lock_follows_no_link(tmp_path):
    directory = tmp_path / "locks"
    directory.mkdir(0o700)
    (directory / "lab").symlink_to(tmp_path / "made")
    with pytest.raises(OSError), Lock(directory / "lab", lambda: None):
        pass
    assert not (tmp_path / "made").exists()


def test_a_lock_is_not_taken_in_a_directory_of_others(tmp_path):
    directory = tmp_path / "locks"
    directory.mkdir()
    directory.chmod(0o1777)
    with pytest.raises(LabError, match="root alone"), Lock(directory / "lab", lambda: None):
        pass


def test_the_inotify_limit_is_put_back_with_the_last_lab(tmp_path, monkeypatch):
    limit = tmp_path / "max_user_instances"
    limit.write_text("128\n")
    monkeypatch.setattr(build, "INOTIFY", limit)
    monkeypatch.setattr(build, "INOTIFY_BEFORE", tmp_path / "before", raising=False)
    monkeypatch.setattr(build, "run", lambda *words, **settings: "")  # nothing is mounted
    labs = []
    for name in ("unit-one", "unit-two"):
        lab = Lab(name, quiet=True)
        lab.state = tmp_path / "labs" / name
        lab.cgroups.mount = lambda: None
        build.make_state(lab, {})
        assert limit.read_text().strip() == "8192"
        labs.append(lab)
    for lab, left in zip(labs, ("8192", "128")):
        subprocess.run(["find", lab.state, "-mindepth", "1", "-delete"], check=True)
        build.tear_down(lab)
        assert limit.read_text().strip() == left


def test_all_that_pip_installs_has_a_hash():
    commands = re.findall(r"^\s*[^#\s].* pip .*$", (CHECKOUT / "lab/setup.sh").read_text(), re.MULTILINE)
    assert commands and all("--require-hashes" in command for command in commands)
