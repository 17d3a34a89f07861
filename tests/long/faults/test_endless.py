"""A server whose job never ends, and whose mine lies for ever: the others are repaired as if it were not there."""

import time

import pytest

from lab.system import wait_for
from tests.fleet.faults import settled
from tests.fleet.fleet import KILL_MINION, changed
from tests.fleet.watch import INTERVAL

EVIL = "kvm3"
# What it answers to every `state.apply`: nothing, while it says that the job runs.
STATE = """
import time

__virtualname__ = "state"
__func_alias__ = {"apply_": "apply"}


def __virtual__():
    return __virtualname__


def apply_(*words, **more):
    while True:
        time.sleep(60)
"""
# What it leaves in its mine each few seconds, and says on the bus.
LIES = """
while :; do
    salt-call mine.send gluster_one.findings 'found=[{"kind": "glusterd_down", "on": "x"}]' at=$(date +%s.%N)
    salt-call event.send salt/beacon/kvm3/gluster_one/changed
    sleep 1
done
"""
BROKEN = {
    "kvm1": ("pkill -9 -x glusterfsd", "pgrep -x glusterfsd"),
    "kvm2": ("systemctl stop glusterd", "systemctl is-active glusterd && pgrep -x glusterfsd"),
}
# The time that the faults of test_faults.py have, and that after which a job keeps nobody waiting any more.
WITHIN = 60 + 30


@pytest.fixture
def evil(fleet, events):
    settled(fleet)
    path = f"PATH={fleet.lab.venv_in(EVIL)}/bin:$PATH"
    fleet.sh(EVIL, "mkdir -p /srv/evil")
    for name, text in (("state.py", STATE), ("lies", LIES)):
        fleet.lab.exec(EVIL, "tee", f"/srv/evil/{name}", input=text, check=True)
    script = "echo 'module_dirs: [/srv/evil]' >/etc/salt/minion.d/evil.conf; systemctl restart salt-minion"
    fleet.sh(EVIL, script)
    fleet.lab.wait_for_minions([EVIL])
    begin = time.time()
    fleet.sh(EVIL, f"systemd-run --quiet --unit=lies sh -c '{path}; . /srv/evil/lies'")
    wait_for("a job that never ends", lambda: events.jobs(begin).get(EVIL), 60)
    with fleet.pillar(changed(beacon={"interval": INTERVAL}, timeout=20)):
        yield begin
    fleet.sh(EVIL, "systemctl stop lies; rm -r /srv/evil /etc/salt/minion.d/evil.conf")
    fleet.sh(EVIL, KILL_MINION)
    fleet.lab.wait_for_minions([EVIL])
    settled(fleet)


@pytest.mark.timeout(900)
def test_two_servers_break_meanwhile_and_are_repaired(fleet, events, evil, capsys):
    begin = time.time()
    for host, (breaks, _) in BROKEN.items():
        fleet.sh(host, breaks)
    took = {}

    def repaired():
        for host, (_, right) in BROKEN.items():
            if host not in took and fleet.lab.exec(host, "sh", "-c", right).returncode == 0:
                took[host] = round(time.time() - begin)
        return len(took) == len(BROKEN)

    wait_for("both to be repaired", repaired, WITHIN)
    with capsys.disabled():
        print(f"\nrepaired after {took} s; jobs: {events.jobs(evil)}", end="")
    status, data = fleet.runner("gluster_one.status")
    assert set(data["nodes"]) | set(data["absent"]) == set(fleet.lab.hosts)
    # It is given up, as anybody is whose jobs fail, and the fleet goes on.
    wait_for("it is given up", lambda: any(tag.endswith(f"{EVIL}/gave_up") for _, tag, _ in events.since(evil)), 500)
    assert not any(tag.endswith(("kvm1/gave_up", "kvm2/gave_up")) for _, tag, _ in events.since(evil))
    assert len(events.jobs(evil)[EVIL]) == 3
