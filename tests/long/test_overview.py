"""What is wrong in the fleet is found, named, and gone when it is repaired; the status of the fleet has it, too."""

import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab.system import LabError, wait_for
from tests.fleet.fleet import HYPERVISORS, MOUNT, STORES, changed

UNIT = "var-lib-gluster_one-one_vol.mount"
VOLUME = "gluster --mode=script volume"
IDS = f"{MOUNT}/.gluster_one"
# By what is wrong: where it is done, how, which node finds it, what of it, in which words, and how it is undone.
FAULTS = {
    "a client that was killed": (
        "kvm2", f"pkill -9 -f '[g]lusterfs.* {MOUNT}$'", "kvm2", {"mount_dead"}, "the FUSE client is gone",
        f"systemctl restart {UNIT}",
    ),
    "a link that is gone": (
        "kvm2", f"rm {STORES}/101", "kvm2", {"link"}, "nothing", f"ln -s {MOUNT} {STORES}/101",
    ),
    "a volume whose root is root's": (
        "kvm2", f"chown root:root {MOUNT}", "kvm2", {"not_writable", "brick_owner"}, "Permission denied",
        f"chown oneadmin:oneadmin {MOUNT}",
    ),
    "a glusterd that does not run": (
        "kvm2", "systemctl stop glusterd", "kvm2", {"glusterd_down"}, "it is not running", "systemctl start glusterd",
    ),
    "a peer that is away": (
        "kvm3", "systemctl stop glusterd", "kvm1", {"peer_away"}, "disconnected", "systemctl start glusterd",
    ),
    "two peers that are away": (
        "kvm1", f"{VOLUME} set one_vol cluster.server-quorum-type server", "kvm1", {"peer_away", "server_quorum"},
        "1 of 3 servers are connected, too few", f"{VOLUME} reset one_vol cluster.server-quorum-type",
    ),
    "a volume that is stopped": (
        "kvm1", f"{VOLUME} stop one_vol", "kvm1", {"volume_stopped"}, "it is Stopped", f"{VOLUME} start one_vol",
    ),
    "self-heal daemons that do not heal": (
        "kvm1", f"{VOLUME} set one_vol cluster.self-heal-daemon off", "kvm1", {"heal_daemon"},
        "Self-heal-daemon is disabled", f"{VOLUME} set one_vol cluster.self-heal-daemon on",
    ),
    "a coordinator without the gluster command": (
        "kvm1", "mv /usr/sbin/gluster /var/tmp/", "kvm1", {"check_failed"}, "gluster command is not installed",
        "mv /var/tmp/gluster /usr/sbin/",
    ),
    "an identifier that is not on the volume": (
        "head", f"mv {IDS}/datastores.json {IDS}/kept", "head", {"link"}, "its identifier on the volume is None",
        f"mv {IDS}/kept {IDS}/datastores.json",
    ),
    "an oned that refuses the password": (
        "head", "cp /var/lib/one/.one/one_auth /run/kept; echo oneadmin:x >/var/lib/one/.one/one_auth", "head",
        {"oned_away"}, "did not accept", "cat /run/kept >/var/lib/one/.one/one_auth",
    ),
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _healers(fleet_of_module):
    """
    Before the fleet's first run its bricks reject clients. A self-heal daemon that was rejected does not try again, and
    is found, client_apart, once it has something to heal: after the first fault that needs that.
    """
    fleet_of_module.healed()


def well(fleet):
    """Wait until no node finds anything."""
    seen = {}

    def nothing():
        seen.update({host: fleet.findings(host) for host in fleet.lab.hosts})
        return not any(seen.values())

    try:
        wait_for("a fleet that is well", nothing, 120, every=1)
    except LabError as exc:
        raise LabError(f"{exc}, but {seen}") from exc


@pytest.mark.parametrize("name", FAULTS)
def test_is_found(fleet, name):
    host, do, where, kinds, words, undo = FAULTS[name]
    well(fleet)
    fleet.sh(host, do)
    try:
        if name == "two peers that are away":
            fleet.everywhere(lambda peer: fleet.sh(peer, "systemctl stop glusterd"), ["kvm2", "kvm3"])
        if name == "self-heal daemons that do not heal":
            late = f"pkill -9 -x glusterfsd; for n in 1 2 3; do echo late >{MOUNT}/late.$n; done; "
            fleet.sh("kvm3", f"{late} {VOLUME} start one_vol force")
            known = lambda: "heal_daemon" in fleet.findings("kvm1")  # noqa: E731
            wait_for("a count of what is to be healed", known, 30, every=1)
        found = fleet.findings(where)
    finally:
        fleet.everywhere(lambda peer: fleet.sh(peer, "systemctl start glusterd"), HYPERVISORS)
        fleet.sh(host, undo)
    assert kinds <= set(found), found
    assert any(re.search(words, finding["seen"]) for finding in found.values()), found
    assert all(finding["cure"] and finding["expected"] for finding in found.values())
    if name == "self-heal daemons that do not heal":
        fleet.sh("kvm3", f"rm -f {MOUNT}/late.*")
    well(fleet)


def test_servers_by_names_that_the_nodes_alone_resolve(fleet):
    """Neither an identifier nor a grain has them; where two nodes take one for theirs, nothing is done."""
    names = {f"gl{number}.storage": f"10.77.1.{number}" for number in (1, 2, 3)}
    lines = "\n".join(f"{address} {name}" for name, address in names.items())
    fleet.everywhere(lambda host: fleet.sh(host, f"cp /etc/hosts /var/tmp/hosts; echo '{lines}' >>/etc/hosts"))
    try:
        with fleet.pillar(changed(volume={"servers": list(names)})):
            run = fleet.apply(test=True)
            assert "gluster_one_volume_one_vol" in run["kvm1"] and "gluster_one_volume_one_vol" not in run["kvm2"]
            assert all("gluster_one_glusterd" in run[host] for host in HYPERVISORS)
            plan = fleet.runner("gluster_one.rollout_plan")[1]
            assert (plan["coordinators"], plan["servers"]) == (["kvm1"], list(HYPERVISORS)), plan
            assert fleet.runner("gluster_one.status")[1]["volumes"]["one_vol"]["bricks"] == [3, 3]
            fleet.sh("kvm2", "sed -i 's/^10.77.1.1 gl1/10.77.1.2 gl1/' /etc/hosts")
            said = "2 minions, kvm1 and kvm2, go by the name of its first server"
            assert said in " ".join(fleet.runner("gluster_one.status")[1]["volumes"]["one_vol"]["wrong"])
            assert said in fleet.runner("gluster_one.rollout_plan")[1]["errors"][0]
    finally:
        fleet.everywhere(lambda host: fleet.sh(host, "cat /var/tmp/hosts >/etc/hosts"))
    well(fleet)


def test_a_volume_that_is_not_there_and_a_pillar_that_is_wrong(fleet):
    with fleet.pillar(changed(volumes={"two_vol": {"servers": HYPERVISORS}})):
        assert fleet.findings("kvm1")["volume_gone"]["seen"] == "no such volume"
        assert {"mount_gone", "fstab", "boot"} <= set(fleet.findings("kvm2"))
    with fleet.pillar(changed(volume={"server": "kvm1"})):
        assert "server is not a known key: did you mean servers?" in fleet.findings("kvm2")["pillar"]["seen"]
    with fleet.pillar(changed(volume={"servers": ["gl1", "kvm2", "kvm3"]})):
        status, answer = fleet.runner("gluster_one.status")
        assert "nobody sets its options" in answer["volumes"]["one_vol"]["wrong"][0] and status == 1
        assert "volume one_vol: no minion goes by" in fleet.runner("gluster_one.rollout_plan")[1]["errors"][0]
    well(fleet)


def test_datastores_that_somebody_changed(fleet):
    store = fleet.datastores()["glusterds"]["ID"]
    fleet.oned("one.datastore.update", store, 'GLUSTER_HOST="kvm3:24007"', 1)
    assert fleet.findings("head")["datastore"]["seen"] == "GLUSTER_HOST is kvm3:24007"
    fleet.oned("one.datastore.update", store, 'GLUSTER_HOST="kvm1:24007"', 1)
    fleet.oned("one.datastore.rename", store, "other")
    assert fleet.findings("head")["datastore_gone"]["on"] == "glusterds"
    fleet.oned("one.datastore.rename", store, "glusterds")
    well(fleet)


# The overview


def status(fleet, *words):
    status, data = fleet.runner("gluster_one.status", *words)
    assert status == data["retcode"] == int(bool(data["findings"] or data["absent"]))
    return data


def test_a_node_that_shows_another_file_system(fleet):
    assert status(fleet)["findings"] == []
    fleet.sh("kvm2", f"mount -t tmpfs other {IDS}")
    try:
        (found,) = status(fleet)["findings"]
    finally:
        fleet.sh("kvm2", f"umount {IDS}")
    assert (found["kind"], found["seen"]) == ("mount_differs", "what the head has just written is not seen")
    assert status(fleet)["findings"] == []


def test_a_native_read_that_fails(fleet):
    fleet.sh("kvm2", f"mv {IDS}/datastores.json {IDS}/kept")
    try:
        seen = lambda: fleet.lab.exec("head", "test", "-e", f"{IDS}/datastores.json").returncode  # noqa: E731
        wait_for("the head's client sees it", seen, 10)
        data = status(fleet, "native=True", "timeout=60")
    finally:
        fleet.sh("kvm2", f"mv {IDS}/kept {IDS}/datastores.json")
    found = {name: {finding["kind"] for finding in node["findings"]} for name, node in data["nodes"].items()}
    assert found == {**dict.fromkeys(HYPERVISORS, {"native_read"}), "head": {"link"}}
    well(fleet)


def test_a_node_that_does_not_answer_is_named_and_the_page_says_so(fleet):
    page = fleet.lab.state / "fleet.html"
    fleet.sh("kvm3", "systemctl stop salt-minion")
    try:
        data = status(fleet, f"html={page}")
    finally:
        fleet.sh("kvm3", "systemctl start salt-minion")
        fleet.lab.wait_for_minions(["kvm3"])
    assert (data["absent"], data["findings"]) == (["kvm3"], [])
    text = page.read_text()
    assert "<b>kvm3</b>: does not answer" in text and text.count("kvm3:/data/one_vol") == 1


# Stop the process of the next report of this minion, and say its number and its parent's.
STOP = """
import glob, msgpack, os, signal, time
while True:
    for path in glob.glob("/var/cache/salt/minion/proc/*"):
        try:
            job = msgpack.unpackb(open(path, "rb").read())
        except (OSError, ValueError):
            continue
        if job["fun"] == "gluster_one.report":
            os.kill(job["pid"], signal.SIGSTOP)
            raise SystemExit(print(job["pid"], open(f"/proc/{job['pid']}/stat").read().rpartition(")")[2].split()[1]))
    time.sleep(0.005)
"""


def test_a_node_that_has_said_once_that_it_is_at_it_is_waited_for(fleet):
    """Its minion cannot say so again when Salt's client asks the next time, and has ten seconds for it."""
    stop = [f"{fleet.lab.venv_in('kvm2')}/bin/python", "-c", STOP]
    with ThreadPoolExecutor(2) as pool:
        stopped = pool.submit(fleet.lab.exec, "kvm2", *stop, check=True, timeout=60)
        data = pool.submit(status, fleet, "timeout=4")
        job, minion = stopped.result().stdout.split()
        try:
            time.sleep(8)  # after four it is asked
            fleet.sh("kvm2", f"kill -STOP {minion}")
            time.sleep(21)  # asked again at 14, and given up by Salt's client at 24
            assert not data.done()
        finally:
            fleet.sh("kvm2", f"kill -CONT {minion} {job}")
        assert (data.result()["absent"], data.result()["findings"]) == ([], [])


def test_packets_of_a_server_that_are_dropped(fleet):
    """It answers within its limit, and names the peer, whatever hangs."""
    link = fleet.sh("kvm3", "ip -o link show | sed -n 's/^[0-9]*: \\(e[^@:]*\\).*/\\1/p' | head -1").strip()
    fleet.sh("kvm3", f"ip link set {link} down")
    begin = time.monotonic()
    try:
        data = status(fleet)
        took = time.monotonic() - begin
    finally:
        fleet.sh("kvm3", f"ip link set {link} up")
        fleet.lab.wait_for_minions(["kvm3"])
    assert (data["absent"], took < 90) == (["kvm3"], True), (took, data)
    assert ("peer_away", "kvm3") in [(finding["kind"], finding["on"]) for finding in data["findings"]]
    fleet.healed()  # now and then a self-heal daemon needs the cure of heal_daemon after that
    well(fleet)


def test_a_size_that_is_not_the_volume_s(fleet):
    """OpenNebula measures what lies at the datastore's directory on the head."""
    path = f"{STORES}/{fleet.datastores()['glusterds']['ID']}"
    fleet.sh("head", f"rm {path}; mkdir {path}; mount -t tmpfs -o size=100m small {path}")
    try:
        wait_for("the size of that", lambda: fleet.sizes()["glusterds"] == 100, 330)
        found = fleet.findings("head")["datastore_size"]
    finally:
        fleet.sh("head", f"umount {path}; rmdir {path}; ln -s {MOUNT} {path}")
    assert (found["on"], found["seen"]) == ("glusterds", "OpenNebula sees 100 MB")
    assert found["expected"].endswith(" MB, the volume's size")
    well(fleet)
