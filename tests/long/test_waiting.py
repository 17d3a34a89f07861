"""What another node has not done yet is waited for, up to the pillar's timeout."""

import contextlib
import json
import re
import subprocess
import threading
import time

import pytest

from lab.system import wait_for
from tests.fleet.fleet import HYPERVISORS, changed

GLUSTER = "gluster --mode=script volume"
WAITING = "/srv/waiting"


def create(fleet, name, start=True, servers=HYPERVISORS):
    """A volume, as an administrator makes it."""
    bricks = " ".join(f"{host}:/data/{name}" for host in servers)
    replica = f"replica {len(servers)}" if len(servers) > 1 else ""
    fleet.sh(servers[0], f"{GLUSTER} create {name} {replica} {bricks} force")
    if start:
        fleet.sh(servers[0], f"{GLUSTER} start {name}")


@contextlib.contextmanager
def listening(fleet):
    """Note what each node says it waits for; yields the file."""
    path = fleet.lab.state / "waiting"
    command = fleet.lab.salt_command("salt-run", "state.event", "gluster_one/*/waiting", "pretty=False")
    with path.open("wb") as output:
        listener = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    try:

        def listens():  # it does not say that it has begun to
            fleet.lab.call("kvm1", "event.send", "gluster_one/kvm1/waiting")
            return path.stat().st_size

        wait_for("the first event", listens, 30)
        yield path
    finally:
        listener.terminate()
        listener.wait(20)


@pytest.mark.timeout(400)
def test_volume_that_is_started_late_is_waited_for(clean):
    fleet = clean
    fleet.stage = "used"
    fleet.sh("kvm1", f"{GLUSTER} stop one_vol force && {GLUSTER} delete one_vol")
    fleet.everywhere(lambda host: fleet.sh(host, "rm -rf /data/one_vol"), HYPERVISORS)
    create(fleet, "one_vol", start=False)
    begun = threading.Event()

    def late(work):
        if work == "run":
            begun.set()
            return fleet.apply()
        begun.wait(10)
        time.sleep(20)
        logs = lambda: [fleet.sh(host, "cat /var/log/salt/minion") for host in fleet.lab.hosts]  # noqa: E731
        wait_for("all that wait", lambda: all("waiting for" in log for log in logs()), 60, every=1)
        assert not fleet.datastores().keys() & {"glusterds"}
        return fleet.sh("kvm1", f"{GLUSTER} start one_vol")

    with listening(fleet) as events:
        run = fleet.everywhere(late, ["run", "create"])["run"]
    assert run.failures == {}
    for host, what in {"kvm1": "started", "kvm2": "mounted", "kvm3": "mounted", "head": "mounted"}.items():
        log = fleet.sh(host, "cat /var/log/salt/minion")
        assert re.search(rf"waiting for \d+ s: Volume one_vol was not {what} .*\(last seen: .+\)", log), host
    said = events.read_text()  # the listener may miss one
    assert re.search(r'"what": "Volume one_vol was not (started|mounted) .*"seen": ".+", "seconds": \d+', said)
    assert set(run.changes) == set(fleet.lab.hosts)
    again = fleet.apply()
    assert (again.failures, again.changes) == ({}, {})
    fleet.stage = "converged"


@pytest.fixture(scope="module")
def never(fleet_of_module):
    """kvm1 and kvm2 alone, with volumes that lack something, and a datastore that no head creates."""
    fleet = fleet_of_module
    fleet.stage = "used"
    create(fleet, "created_vol", start=False, servers=["kvm1"])
    create(fleet, "rootly_vol", servers=["kvm3"])
    servers = {"never_vol": ["kvm1", "kvm2"], "created_vol": ["kvm1", "kvm2"], "rootly_vol": ["kvm3", "kvm2"]}
    volumes = {name: {"servers": hosts, "mount": f"{WAITING}/{name}"} for name, hosts in servers.items()}
    pillar = changed(volumes=volumes, datastores={"unborn": {}}, timeout=4)
    with fleet.pillar(pillar):
        run = fleet.apply(on=["kvm1", "kvm2"])
    fleet.sh("kvm1", f"{GLUSTER} delete created_vol")
    for host in ("kvm1", "kvm2"):
        fleet.sh(host, f"for at in {WAITING}/*; do if mountpoint -q $at; then umount $at; fi; done")
        fleet.sh(host, f"sed -i '\\|{WAITING}|d' /etc/fstab && systemctl daemon-reload && systemctl reset-failed")
    fleet.stage = "doubtful"
    return run


# Minion, state: what it waited for, and what it saw last.
WAITED = {
    ("kvm1", "gluster_one_volume_created_vol"): (r"Volume created_vol .* \(`gluster volume start", "Created"),
    ("kvm2", "gluster_one_mount_created_vol"): (f"Volume created_vol was not mounted on {WAITING}/created_vol", ".+"),
    ("kvm2", "gluster_one_mount_rootly_vol"): (
        f"oneadmin could not write in {WAITING}/rootly_vol",
        "Permission denied",
    ),
    ("kvm2", "gluster_one_mount_one_vol"): ("The head did not name one_vol's datastores", "none for unborn"),
}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("case", WAITED, ids=" ".join)
def test_each_state_gives_up_after_its_timeout(never, case):
    minion, state = case
    comment = never.failures[minion][state]
    waited_for, seen = WAITED[case]
    assert re.match(rf"{waited_for}.* within 4 s \(last seen: .*{seen}", comment), comment
    # The last look itself may take its time: a mount is tried with every server.
    assert 2 < never[minion][state]["duration"] / 1000 < 20


def test_a_volume_that_is_not_there_is_said_at_once(never):
    states = {"kvm1": "gluster_one_volume_never_vol", "kvm2": "gluster_one_mount_never_vol"}
    assert never.failures["kvm1"][states["kvm1"]].startswith("There is no volume never_vol in the pool of this server")
    assert "volume never_vol on kvm1: no such volume" in never.failures["kvm2"][states["kvm2"]]
    assert all(never[minion][state]["duration"] < 4000 for minion, state in states.items())


def test_what_need_not_wait_is_done(never):
    assert never["kvm1"]["gluster_one_volume_one_vol"]["result"] is True
    assert never["kvm2"]["gluster_one_glusterd"]["result"] is True


def test_mount_that_ends_while_it_is_looked_at_is_not_alive(fleet):
    """As the one of a client that could not get its volume: it is there for some milliseconds."""
    at = f"{WAITING}/brief"
    stat = fleet.lab.root("kvm2") / "usr/local/bin/stat"
    fleet.sh("kvm2", f"mkdir -p {at} && mount -t glusterfs kvm2:/one_vol {at}")
    stat.write_text(f'#!/bin/sh\numount {at}\nexec /usr/bin/stat "$@"\n')
    stat.chmod(0o755)
    try:
        health = json.loads(fleet.salt("kvm2", "gluster_one.mount_health", at).stdout)["kvm2"]
    finally:
        stat.unlink()
    assert at not in fleet.mounts("kvm2")
    assert health["state"] == "absent"


HOLD = """\
#!/bin/sh
touch /run/held
sleep 8
rm /run/held
"""


def test_gluster_lock_of_another_command_delays_the_run(fleet):
    """A hook makes a command on kvm2 hold the lock of the volume for 8 s."""
    hook = fleet.lab.root("kvm2") / "var/lib/glusterd/hooks/1/set/pre/S00hold.sh"
    hook.parent.mkdir(parents=True, exist_ok=True)
    hook.write_text(HOLD)
    hook.chmod(0o755)
    try:
        holder = threading.Thread(target=fleet.sh, args=("kvm2", f"{GLUSTER} set one_vol user.held yes"))
        holder.start()
        wait_for("the lock", lambda: not fleet.lab.exec("kvm2", "test", "-e", "/run/held").returncode, 20)
        refused = fleet.lab.exec("kvm1", "sh", "-c", f"{GLUSTER} set one_vol user.refused yes")
        assert "Another transaction is in progress" in refused.stderr + refused.stdout
        with fleet.pillar(changed(volume={"options": {"network.ping-timeout": 23}})):
            run = fleet.apply(on=["kvm1"])
        holder.join()
    finally:
        hook.unlink()
    assert run.failures == {}
    assert run.changes == {"kvm1": {"gluster_one_volume_one_vol": {"network.ping-timeout": {"old": None, "new": "23"}}}}
    assert run["kvm1"]["gluster_one_volume_one_vol"]["duration"] > 1000
    options = fleet.sh("kvm1", f"{GLUSTER} info one_vol")
    assert "user.held: yes" in options and "user.refused" not in options
    assert fleet.apply("gluster_one.volume", on=["kvm1"]).failures == {}  # without ping-timeout again
