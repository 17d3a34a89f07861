"""Fleets whose minions have an older Salt than the master: the main job, the status, and what the reactor repairs."""

import os
import re
import subprocess

import pytest

from lab.fleet import CHECKOUT

# Salt does not support minions that are newer than their master.
NEWEST, *OLDER = re.search(r"^SALTS := (.*)", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)[1].split()
TESTS = "tests/long/test_overview.py -k 'first_run or second_run or watched or another_file_system or does_not_answer'"


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("salt", OLDER)
def test_minions_of_an_older_salt(salt):
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("LAB_", "PYTEST_", "MAKE"))}
    command = ["make", "fleet", f"SALT={NEWEST}", f"MINION_SALT={salt}", f"ARGS=-q {TESTS}"]
    done = subprocess.run(
        command, cwd=CHECKOUT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\d+ passed", done.stdout), done.stdout
