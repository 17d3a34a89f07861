"""Something that does not answer: every run ends in time and names it, and the minion answers meanwhile."""

import contextlib
import threading
import time

import pytest

from lab.system import wait_for
from tests.fleet.fleet import HYPERVISORS, MOUNT, changed

TIMEOUT = 10
# Waiting for what may come, a look at what hangs, and Gluster's own patience with a server that is away.
LIMIT = 90


@contextlib.contextmanager
def frozen_brick(fleet):
    """A brick that does nothing: who looks at the mount hangs until the client gives the brick up."""
    (pid,) = fleet.pids("kvm2", "glusterfsd")
    fleet.sh("kvm2", "pkill -STOP glusterfsd")
    try:
        yield
    finally:
        fleet.sh("kvm2", "pkill -CONT glusterfsd")


@contextlib.contextmanager
def dead_client(fleet):
    fleet.sh("kvm3", f"pkill -9 -f '[g]lusterfs .*{MOUNT}'")
    wait_for("the dead mount", lambda: fleet.lab.exec("kvm3", "stat", "-f", MOUNT).returncode, 20)
    yield


@contextlib.contextmanager
def dropped_packets(fleet):
    """kvm3 is there for Salt, and nobody's Gluster reaches it."""
    others = ("head", *HYPERVISORS[:2])
    address = fleet.sh("kvm1", "getent hosts kvm3").split()[0]
    fleet.everywhere(lambda host: fleet.sh(host, f"ip route add blackhole {address}/32"), others)
    try:
        yield
    finally:
        fleet.everywhere(lambda host: fleet.sh(host, f"ip route del blackhole {address}/32"), others)


@contextlib.contextmanager
def silent_oned(fleet):
    fleet.stand_in(hang=True)
    try:
        yield
    finally:
        fleet.stand_in(behave=True)


# What does not answer; what may fail because of it, and what is said of it.
CASES = {
    "a frozen brick": (frozen_brick, f"{MOUNT} does not answer|volume one_vol does not answer|kvm2|native"),
    "a dead client": (dead_client, None),
    "a peer whose packets are dropped": (dropped_packets, "kvm3|does not answer|not connected"),
    "a silent oned": (
        silent_oned,
        "OpenNebula at http://localhost:2633/RPC2 did not answer one.datastorepool.info within 5 s",
    ),
}


@pytest.fixture(scope="module", params=CASES)
def hanging(request, _fleet):
    """(what is said, the runs by what they were, seconds they took, seconds of the slowest ping meanwhile)."""
    fleet = _fleet
    if fleet.stage != "converged":
        fleet.converge()
    spoil, said = CASES[request.param]
    runs, slowest, over = {}, [0.0], threading.Event()

    def ping():
        while not over.wait(1):
            begin = time.monotonic()
            answers = fleet.lab.call("*", "test.ping")
            assert answers == dict.fromkeys(fleet.lab.hosts, True), answers
            slowest[0] = max(slowest[0], time.monotonic() - begin)

    pillar = changed(timeout=TIMEOUT, opennebula={"timeout": 5}, volume={"options": {"network.ping-timeout": 42}})
    head = {"gluster_one": {"roles": ["head"]}}
    with fleet.pillar(pillar, head), spoil(fleet):
        fleet.stage = "used"
        pinging = threading.Thread(target=ping)
        pinging.start()
        try:
            for name, test in (("test=True", True), ("run", False)):
                begin = time.monotonic()
                runs[name] = (fleet.apply(test=test), time.monotonic() - begin)
        finally:
            over.set()
            pinging.join()
    return said, runs, slowest[0]


@pytest.mark.timeout(600)
def test_every_run_ends_in_time_and_names_what_does_not_answer(hanging):
    said, runs, _ = hanging
    for name, (run, seconds) in runs.items():
        assert seconds < LIMIT, (name, seconds)
        assert "Traceback" not in run.text
        if said is None:
            assert run.failures == {}, name
        for states in run.failures.values():
            for text in states.values():
                assert "requisite" in str(text) or any(word in str(text) for word in said.split("|")), text


def test_the_minions_answer_meanwhile(hanging):
    assert 0 < hanging[2] < 10
