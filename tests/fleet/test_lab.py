"""The lab itself: it comes, comes again, survives being killed, and goes without a trace."""

import contextlib
import os
import signal
from pathlib import Path

import pytest

from lab.fleet import Lab, default_name, remove_abandoned
from lab.system import mounts_under, wait_for


@pytest.fixture(scope="module")
def lab():
    lab = Lab(f"lab-{default_name()[-6:]}", quiet=True)
    lab.down()
    try:
        yield lab
    finally:
        lab.down()


def kill(lab):
    """What a machine that runs out of memory does: every process of the lab, the master included."""
    for pid in lab.cgroups.pids():
        with contextlib.suppress(ProcessLookupError):  # it has ended with the one before
            os.kill(pid, signal.SIGKILL)
    wait_for("the end of them", lambda: not lab.cgroups.pids(), 20)


def groups(lab):
    """The lab's cgroups, wherever they are."""
    return list(Path("/sys/fs/cgroup").rglob(lab.cgroups.name))


def test_up_on_a_lab_that_is_up_does_nothing(lab):
    assert lab.up(alone=True) is True
    pid = lab.pid("head")
    assert lab.up(alone=True) is False
    assert lab.pid("head") == pid
    assert [row["ok"] for row in lab.status()] == [True]


def test_up_after_a_kill_starts_what_is_down_and_keeps_its_files(lab):
    lab.exec("head", "touch", "/srv/kept", check=True)
    kill(lab)
    assert lab.up(alone=True) is True
    assert [row["ok"] for row in lab.status()] == [True]
    lab.exec("head", "test", "-e", "/srv/kept", check=True)


def test_a_lab_whose_checkout_is_gone_is_taken_away_and_leaves_nothing(lab):
    (lab.state / "checkout").write_text("/nonexistent/checkout")
    kill(lab)
    remove_abandoned(lambda _: None)
    assert not lab.state.exists()
    assert mounts_under(lab.state) == [] and groups(lab) == []
    assert lab.down() is False
