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


MOUNTED = "gluster_one_mount_one_vol"
HANGS = f"{MOUNT} does not answer: a brick of volume one_vol or the network hangs, see `gluster volume status one_vol`"
# What does not answer; the minion, the state and the sentence by which each run names it; what else may be said.
CASES = {
    "a frozen brick": (
        frozen_brick,
        ("kvm3", MOUNTED, HANGS),
        "This server's turn did not come within 10 s (.gluster_one/lock: volume one_vol does not answer)",
    ),
    "a dead client": (dead_client, None, None),
    "a peer whose packets are dropped": (
        dropped_packets,
        ("head", MOUNTED, HANGS),
        "The options of volume one_vol were not touched: a peer was not connected within 10 s (last seen: kvm3 ",
    ),
    "a silent oned": (
        silent_oned,
        (
            "head",
            "gluster_one_datastore_glusterds",
            "OpenNebula at http://localhost:2633/RPC2 did not answer one.datastorepool.info within 5 s",
        ),
        None,
    ),
}


@pytest.fixture(scope="module", params=CASES)
def hanging(request, _fleet):
    """(what is said, what else may be, runs and their seconds by what they were, seconds of the slowest ping)."""
    fleet = _fleet
    if fleet.stage != "converged":
        fleet.converge()
    spoil, said, more = CASES[request.param]
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
    return said, more, runs, slowest[0]


@pytest.mark.timeout(600)
def test_every_run_ends_in_time_and_names_what_does_not_answer(hanging):
    said, more, runs, _ = hanging
    for name, (run, seconds) in runs.items():
        assert seconds < LIMIT, (name, seconds)
        assert "Traceback" not in run.text
        if said is None:
            assert run.failures == {}, name
            continue
        minion, state, sentence = said
        assert sentence in str(run.own_failures.get(minion, {}).get(state)), (name, run.failures)
        for states in run.own_failures.values():
            for text in states.values():
                assert sentence in text or more and more in text, (name, text)


def test_the_minions_answer_meanwhile(hanging):
    assert 0 < hanging[-1] < 10
