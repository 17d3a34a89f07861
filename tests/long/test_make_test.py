"""`make test` where another run of it was killed in the middle: in a fresh clone below /tmp, without a terminal."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from lab.fleet import CHECKOUT, Lab, labs_of_checkout
from lab.system import wait_for


@pytest.fixture
def clone(tmp_path_factory):
    path = Path("/tmp") / tmp_path_factory.mktemp("clone").name
    subprocess.run(["git", "clone", "-q", CHECKOUT, path], check=True)
    yield path
    for name in labs_of_checkout(path):
        Lab(name, quiet=True).down()
    subprocess.run(["rm", "-rf", "--one-file-system", path], check=True)


def make_test(clone, log):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LAB_", "PYTEST_"))}
    with log.open("w") as stream:
        return subprocess.Popen(
            ["make", "test"],
            cwd=clone,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )


def functional_tests_run(clone):
    labs = [Lab(name, quiet=True) for name in labs_of_checkout(clone) if name.startswith("functional")]
    return any((lab.root("kvm1") / "var/log/functional.log").exists() for lab in labs)


def kill(session, labs):
    """Every process of a session, and all that its labs started."""
    pids = subprocess.run(["pgrep", "-s", str(session)], capture_output=True, text=True).stdout.split()
    for pid in [*map(int, pids), *(pid for lab in labs for pid in lab.cgroups.pids())]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


@pytest.mark.timeout(2400)
def test_passes_after_a_run_that_was_killed(clone, tmp_path):
    first = make_test(clone, tmp_path / "first.log")
    wait_for("the functional tests", lambda: functional_tests_run(clone), 600, every=1)
    labs = [Lab(name, quiet=True) for name in labs_of_checkout(clone)]
    assert labs
    kill(first.pid, labs)
    first.wait()
    second = make_test(clone, tmp_path / "second.log")
    try:
        assert second.wait(1500) == 0, (tmp_path / "second.log").read_text()[-3000:]
    finally:
        kill(second.pid, [])
    assert labs_of_checkout(clone) == []
