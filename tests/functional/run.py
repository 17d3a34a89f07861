"""
`make functional`: start a lab of its own, run the tests of this folder in its kvm1, and take the lab away again,
whatever happens. Arguments are pytest's. When a test fails, the host's logs are kept in artifacts/functional.
`--part 1/2` and `--part 2/2` can run beside each other, each in a lab of its own: they wait most of the time.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[0] = str(CHECKOUT)

from lab.fleet import Lab, default_name  # noqa: E402
from lab.system import LabError  # noqa: E402

HOST = "kvm1"
PART = next((word for option, word in zip(sys.argv, sys.argv[1:]) if option == "--part"), "")
ARTIFACTS = CHECKOUT / f"artifacts/functional{PART[:1]}"
PYTEST_LOG = "/var/log/functional.log"
KEPT = ("var/log/glusterfs", "var/log/salt", "var/log/oned-functional.log", PYTEST_LOG[1:])


def run_tests(lab, arguments):
    """pytest in the host, on this terminal; its exit status."""
    # What a failed test logged would fill the terminal; it is in the file.
    options = ["-p", "no:cacheprovider", "--show-capture=no", f"--log-file={PYTEST_LOG}", "--log-file-level=DEBUG"]
    pytest = [f"{lab.venv_in(HOST)}/bin/python", "-B", "-m", "pytest", *options, "tests/functional", *arguments]
    command = [CHECKOUT / "lab/lab", "--name", lab.name, "exec", HOST, "env", "-C", CHECKOUT, *pytest]
    process = subprocess.Popen([str(word) for word in command])
    try:
        status = process.wait()
        return status if status >= 0 else 128 - status
    except KeyboardInterrupt:  # the terminal has told pytest, too, which then sums up; what it leaves goes with the lab
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.terminate()
        return 130


def keep_logs(lab):
    """Copy the host's logs out, before its file system goes; this works from outside, also when the host hangs."""
    shutil.rmtree(ARTIFACTS, ignore_errors=True)
    ARTIFACTS.mkdir(parents=True)
    for path in KEPT:
        source = lab.root(HOST) / path
        copy = shutil.copytree if source.is_dir() else shutil.copy2
        if source.exists():
            copy(source, ARTIFACTS / source.name)
    with open(ARTIFACTS / "journal.log", "w") as journal:
        try:
            journal.write(lab.exec(HOST, "journalctl", "--no-pager", "-o", "short-precise", timeout=60).stdout)
        except LabError as error:
            journal.write(f"{error}\n")


def lab_name():
    """Of its own, so that it disturbs no lab that somebody looks around in."""
    return f"functional{PART[:1]}-{default_name().rpartition('-')[2]}"


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with open(__file__, "r+") as this:
        try:
            wait_for_turn(this)
        except KeyboardInterrupt:
            return 130
        return run(Lab(lab_name()))


def wait_for_turn(stream):
    """One run of a part at a time: each begins by taking its lab away."""
    byte = int(PART[:1] or 0)
    try:
        fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
    except OSError:
        print("functional: waiting for another run in this checkout", file=sys.stderr)
        fcntl.lockf(stream, fcntl.LOCK_EX, 1, byte)


def run(lab):
    """The lab's life around the tests; returns the exit status."""
    status = 1
    try:
        lab.down()
        lab.up()
        status = run_tests(lab, sys.argv[1:])
    except KeyboardInterrupt:
        status = 130
    except LabError as error:
        print(f"functional: {error}", file=sys.stderr)
    finally:
        # A second Ctrl-C must not leave a lab behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if status and lab.state.exists() and HOST in lab.hosts:
            try:
                keep_logs(lab)
                print(f"The logs are in {os.path.relpath(ARTIFACTS)}", file=sys.stderr)
            except OSError as error:
                print(f"functional: the logs could not be kept: {error}", file=sys.stderr)
        lab.down()
    return status


if __name__ == "__main__":
    sys.exit(main())
