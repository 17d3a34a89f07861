"""Whether a server may go down: never a yes after which somebody who writes comes to a stop."""

import pytest

from lab import files
from lab.system import wait_for
from tests.fleet.fleet import HYPERVISORS, MOUNT, changed
from tests.fleet.load import Load

VOLUME = "gluster --mode=script volume"
ARBITER = f"""
{VOLUME} stop one_vol; {VOLUME} delete one_vol
{VOLUME} create one_vol replica 3 arbiter 1 {" ".join(f"{host}:/data/arbiter" for host in HYPERVISORS)}
{VOLUME} start one_vol
"""
SHAPES = {"replica": {}, "arbiter": {}, "distributed": {"bricks": 2}}
# By its name: on which node it is done and undone, with what, and which servers may go meanwhile.
FAULTS = {
    "nothing": ("kvm3", "true", "true", HYPERVISORS),
    "a brick is down": ("kvm3", "pkill -9 -o -x glusterfsd", f"{VOLUME} start one_vol force", ()),
    "a glusterd is down": ("kvm3", "systemctl stop glusterd", "systemctl start glusterd", ()),
    "a client is cut off": (
        "head", f"ip route add unreachable {files.address('kvm3')}", f"ip route del {files.address('kvm3')}",
        ("kvm3",),
    ),
    "a heal is pending": (
        "kvm3",
        f"{VOLUME} set one_vol cluster.self-heal-daemon off; pkill -9 -x glusterfsd; sleep 1; "
        f"for n in $(seq 20); do echo late >{MOUNT}/late.$n; done; {VOLUME} start one_vol force",
        f"{VOLUME} set one_vol cluster.self-heal-daemon on",
        (),
    ),
}  # fmt: skip


@pytest.fixture(scope="module", params=SHAPES)
def fleet(request, _fleet):
    _fleet.new(**SHAPES[request.param])
    _fleet.stage = "used"
    if request.param == "arbiter":
        _fleet.sh("kvm1", ARBITER)
    with _fleet.pillar(changed(volume={"group": "virt", "options": {"network.ping-timeout": 10}})):
        assert _fleet.apply().failures == {}
        yield _fleet


def ok_to_stop(fleet, *hosts):
    status, answer = fleet.runner("gluster_one.ok_to_stop", ",".join(hosts))
    assert status == answer["retcode"] == (0 if answer["ok"] else 1)
    return answer


def settled(fleet):
    answers = {}

    def all_may():
        answers.update({host: ok_to_stop(fleet, host)["reasons"] for host in HYPERVISORS})
        return not any(answers.values())

    wait_for("a pool of which any server may go", all_may, 120, every=1)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("fault", FAULTS)
def test_never_a_yes_that_stalls_a_writer(fleet, fault):
    node, do, undo, may = FAULTS[fault]
    settled(fleet)
    fleet.sh(node, do)
    try:
        if fault == "a client is cut off":
            apart = lambda: fleet.lab.call("head", "gluster_one.apart")["head"]["one_vol"]  # noqa: E731
            wait_for("a client apart", apart, 30, every=1)
        answers = {host: ok_to_stop(fleet, host) for host in HYPERVISORS}
        assert {host for host, answer in answers.items() if answer["ok"]} == set(may), answers
        for host in may:
            fleet.healed()
            wait_for(f"another yes for {host}", lambda host=host: ok_to_stop(fleet, host)["ok"], 120, every=1)
            felt = Load(fleet).without(host)
            assert all(longest < 5 and not error for _, longest, error in felt.values()), (host, felt)
    finally:
        fleet.sh(node, undo)


def test_not_two_at_once(fleet):
    settled(fleet)
    answer = ok_to_stop(fleet, "kvm2", "kvm3")
    assert not answer["ok"] and "has 1 of these bricks online" in answer["reasons"][0]


def test_not_while_a_machine_runs_there(fleet):
    settled(fleet)
    fleet.sh("kvm2", "systemd-run --unit=machine qemu-system-x86_64 -name guest=one-7 -display none -S -m 16")
    try:
        assert ok_to_stop(fleet, "kvm2")["reasons"] == ["1 VM on kvm2: one-7"]
        assert ok_to_stop(fleet, "kvm3")["ok"]
    finally:
        fleet.sh("kvm2", "systemctl stop machine")


def test_not_when_a_node_does_not_say_what_runs_there(fleet):
    settled(fleet)
    fleet.sh("kvm2", "systemctl stop salt-minion")
    try:
        (reason,) = ok_to_stop(fleet, "kvm2")["reasons"]
        assert reason == "it is not known which VMs run on kvm2: no answer"
    finally:
        fleet.sh("kvm2", "systemctl start salt-minion")
        fleet.lab.wait_for_minions(["kvm2"])
