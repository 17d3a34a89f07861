"""All servers are prepared for an upgrade, killed wherever one fears it most: nobody who writes or reads notices."""

import subprocess

import pytest

from lab.system import wait_for
from tests.fleet.fleet import HYPERVISORS, changed, orchestration
from tests.fleet.load import Load
from tests.fleet.replacement import unnoticed

from .test_debian_upgrade import KIND, upgrade
from .test_replace import killed, well

PREPARE = ("upgrade", {"prepare": True})
VOLUME = "gluster --mode=script volume"
LINES = "grep -c '^nfs.disable=' /var/lib/glusterd/vols/one_vol/info || :"
TAKEN_OUT = "sed -i '/^nfs.disable=/d' /var/lib/glusterd/vols/one_vol/info"
# glusterd takes so long to stop that one can end the run before its definitions are changed.
SLOWLY = """
mkdir -p /run/systemd/system/glusterd.service.d
printf '[Service]\\nExecStopPost=/bin/sleep 4\\n' >/run/systemd/system/glusterd.service.d/slowly.conf
systemctl daemon-reload
"""
AT_ONCE = "rm /run/systemd/system/glusterd.service.d/slowly.conf; systemctl daemon-reload"
STOPPING = "systemctl is-active glusterd | grep -q deactivating"


@pytest.fixture(scope="module")
def fleet(_fleet):
    """Gluster 10, a volume that servers lose bricks of without their quorum, by the pillar."""
    _fleet.new(release=["bookworm"])
    _fleet.stage = "used"
    with _fleet.pillar(changed(volume={"servers": list(HYPERVISORS), "group": "virt"})):
        assert _fleet.apply().failures == {}
        _fleet.healed()
        yield _fleet


@pytest.fixture
def unprepared(fleet):
    """The definitions have the line, and a server quorum; writers are there, who notice nothing; all is well after."""
    fleet.sh("kvm1", f"{VOLUME} set one_vol nfs.disable on")
    assert {fleet.sh(host, LINES).strip() for host in HYPERVISORS} == {"1"}
    fleet.wait_healed()
    load, bricks = Load(fleet), fleet.bricks()
    yield fleet
    unnoticed(load)
    assert set(load.fewest.values()) == {3} and fleet.bricks() == bricks
    assert {fleet.sh(host, LINES).strip() for host in HYPERVISORS} == {"0"}
    assert fleet.sh("kvm3", KIND).strip() == "server"
    well(fleet)


def ended(fleet, step):
    """The orchestration is killed when it announces a step."""
    run = fleet.lab.salt_command("salt-run", *orchestration(*PREPARE))
    with subprocess.Popen(run, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        said = []
        for line in process.stderr:
            said.append(line)
            if step in line:
                process.kill()
        assert step in said[-1], said
    idle = lambda: not any(fleet.lab.call("*", "saltutil.is_running", "state.*").values())  # noqa: E731
    wait_for("the end of what it had begun", idle, 120, every=1)


def stopped(fleet, host):
    """The run and the minion are killed while glusterd of a host stops: before its definition is changed."""
    fleet.sh(host, SLOWLY)
    killed(fleet, {"prepare": True}, host, STOPPING, "upgrade")
    fleet.sh(host, AT_ONCE)
    wait_for("its end", lambda: fleet.sh(host, "systemctl is-active glusterd || :").strip() == "inactive", 30)
    assert fleet.sh(host, LINES).strip() == "1"


@pytest.mark.timeout(900)
def test_killed_wherever_one_fears_it(unprepared):
    """One preparation in six runs, of which five are killed: each goes on from where the one before was."""
    fleet = unprepared
    ended(fleet, "look before kvm1")
    assert fleet.sh("kvm3", KIND).strip() == "none"
    code, _, said = upgrade(fleet, before="kvm1")
    assert code != 0 and "the preparation is not at its end: `salt-run state.orchestrate" in said, said
    # A run, or the reactor, does not turn it on again.
    assert fleet.apply(on=["kvm1"]).changes == {}
    stopped(fleet, "kvm1")
    # The next run starts it; a second one is killed in the same way, and the reactor or a person starts glusterd.
    stopped(fleet, "kvm2")
    assert [fleet.sh(host, LINES).strip() for host in HYPERVISORS] == ["0", "1", "1"]
    code, _, said = fleet.orchestrate("repair_peer", {"peer": "kvm1"})
    assert code != 0 and ("an upgrade is being prepared" in said or "glusterd does not answer on kvm2" in said), said
    assert fleet.lab.salt("kvm2", "state.apply", "gluster_one.started").returncode == 0
    # As if it had been killed a moment later.
    stopped(fleet, "kvm3")
    fleet.sh("kvm3", TAKEN_OUT)
    ended(fleet, "look at the end")
    assert fleet.sh("kvm3", KIND).strip() == "none"
    ended(fleet, "status of the pool")
    code, steps, said = upgrade(fleet, prepare=True)
    assert (code, steps) == (0, {}) and "nothing to do" in said, said


def option_set(fleet, host, option):
    """Somebody sets an option on a server, when what looked at the volume before has let go of Gluster's lock."""
    once = lambda: fleet.lab.exec(host, "sh", "-c", f"{VOLUME} set one_vol {option}").returncode == 0  # noqa: E731
    wait_for(f"{option} on {host}", once, 60, every=1)


@pytest.mark.timeout(900)
def test_what_others_do_in_the_middle(unprepared):
    """
    Nothing more is begun where somebody has set an option on one side, or turned the server quorum on: who has the
    older definition would take over the newer one and restart bricks. What the page says against it helps. The reactor
    is told that glusterd is down while the step on that server still goes on, and waits for its end.
    """
    fleet = unprepared
    ended(fleet, "look before kvm2")
    started = {host: fleet.pids(host, "glusterd") for host in HYPERVISORS}
    # Before it has heard from the others they would take the option, too, or keep the lock for it for 180 s.
    rejected = lambda: fleet.sh("kvm1", "gluster peer status").count("Peer Rejected") == 2  # noqa: E731
    wait_for("the others reject kvm1", rejected, 60)
    option_set(fleet, "kvm1", "user.note both")
    code, steps, said = fleet.orchestrate(*PREPARE, test=True)
    assert code != 0 and steps == {} and "the version of volume one_vol is" in said, said
    assert "restart no glusterd, see docs/upgrade.md, When it stops half way" in said
    option_set(fleet, "kvm2", "user.note both")
    option_set(fleet, "kvm2", "cluster.server-quorum-type server")
    code, steps, said = fleet.orchestrate(*PREPARE)
    assert code != 0 and steps == {} and "volume one_vol has a server quorum on kvm2" in said, said
    assert started == {host: fleet.pids(host, "glusterd") for host in HYPERVISORS}
    option_set(fleet, "kvm2", "cluster.server-quorum-type none")
    for _ in range(2):
        option_set(fleet, "kvm1", "cluster.server-quorum-type none")
    fleet.sh("kvm2", SLOWLY)
    run = fleet.lab.salt_command("salt-run", *orchestration(*PREPARE))
    with subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        stopping = lambda: fleet.lab.exec("kvm2", "sh", "-c", STOPPING).returncode == 0  # noqa: E731
        wait_for("the stop of glusterd on kvm2", stopping, 120, every=0.2)
        done = fleet.lab.salt("kvm2", "state.apply", "gluster_one.started", "queue=True")
        assert done.returncode == 0 and "glusterd runs" in done.stdout, done.stdout
        fleet.sh("kvm2", AT_ONCE)
        process.communicate(timeout=300)
        assert process.returncode == 0
    code, steps, said = upgrade(fleet, prepare=True)
    assert (code, steps) == (0, {}) and "nothing to do" in said, said
