"""The fleet from the master: the rollout step by step, the overview, and whether a server may go down."""

import time

from tests.fleet.fleet import HYPERVISORS, changed, standard

ROLLOUT = ("state.orchestrate", "gluster_one.orchestrate.rollout")


def test_a_pillar_with_an_error_begins_nothing(clean):
    pillar = standard()
    pillar["gluster_one"]["volumes"]["one_vol"]["datastores"]["glusterds"] = {"hots": "kvm1"}
    before = clean.look_all()
    with clean.pillar(pillar):
        done = clean.lab.run(*ROLLOUT)
    assert done.returncode != 0
    assert "glusterds:hots is no known key: did you mean host?" in done.stdout + done.stderr
    assert clean.look_all() == before


def test_a_minion_that_does_not_answer_begins_nothing(clean):
    before = clean.look_all()
    clean.sh("kvm3", "systemctl stop salt-minion")
    done = clean.lab.run(*ROLLOUT)
    clean.sh("kvm3", "systemctl start salt-minion")
    clean.lab.wait_for_minions(clean.lab.hosts)
    assert done.returncode != 0
    assert "kvm3 does not answer" in done.stdout + done.stderr
    assert clean.look_all() == before


def test_shows_the_plan_and_touches_nothing(clean):
    before = clean.look_all()
    done = clean.lab.run("--out=json", *ROLLOUT, "test=True")
    assert "glusterd on kvm2" in done.stdout and "hypervisors 1 of 1" in done.stdout
    assert clean.look_all() == before


def test_carries_out_the_guide_step_by_step(clean):
    clean.stage = "doubtful"
    before = clean.everywhere(lambda host: clean.pids(host, "glusterd"), HYPERVISORS)
    done = clean.lab.run(*ROLLOUT)
    assert done.returncode == 0, done.stdout + done.stderr
    steps = [line[10:].split(":")[0] for line in done.stderr.splitlines() if line[2:3] == line[5:6] == ":"]
    servers = [f"glusterd on {server}" for server in HYPERVISORS]
    restarts = [f"{what} on {server}" for what in ("bricks", "restart") for server in HYPERVISORS]
    assert steps == ["check", "volume on kvm1", *servers, *restarts, "head head", "hypervisors 1 of 1"]
    daemons = clean.everywhere(lambda host: clean.pids(host, "glusterd"), HYPERVISORS)
    assert all(daemons[host] != before[host] for host in HYPERVISORS), "glusterd.vol was changed"
    run = clean.apply()
    assert (run.failures, run.changes) == ({}, {})
    clean.stage = "converged"


def test_status_of_a_fleet_that_is_well(fleet):
    status, found = fleet.runner("gluster_one.status")
    assert (status, found["findings"], found["absent"]) == (0, [], [])
    assert set(found["nodes"]) == set(fleet.lab.hosts)
    volume = found["volumes"]["one_vol"]
    assert (volume["bricks"], volume["peers"], volume["heal"], volume["split_brain"]) == ([3, 3], [2, 2], 0, 0)
    assert set(found["datastores"]) == {"gluster_system", "glusterds"}
    table = fleet.lab.run("gluster_one.status").stdout
    assert table.startswith("VOLUME") and "no findings on 4 nodes" in table


def test_status_takes_no_3_s_more_than_test_ping(fleet):
    """One after the other, several times: other work on the machine disturbs single ones."""

    def seconds(command, *words):
        begin = time.monotonic()
        command(*words)
        return time.monotonic() - begin

    more = []
    while len(more) < 10 and not (more and min(more) <= 3):
        ping = seconds(fleet.lab.salt, "*", "test.ping")
        more.append(seconds(fleet.lab.run, "gluster_one.status") - ping)
    assert min(more) <= 3, more


def test_status_opens_a_file_natively(fleet):
    status, found = fleet.runner("gluster_one.status", "native=True", "timeout=60")
    assert (status, found["findings"]) == (0, [])
    assert "native read" in found["nodes"]["kvm2"]["looked"]


def test_status_of_a_fleet_that_is_not(fleet):
    fleet.sh("kvm3", "pkill -9 -x glusterfsd; sleep 3")
    try:
        status, found = fleet.runner("gluster_one.status")
        assert status == 1
        assert {finding["kind"] for finding in found["findings"]} == {"brick_down", "client_bricks"}
        assert "kvm3:/data/one_vol" in [finding["on"] for finding in found["findings"]]
        status, answer = fleet.runner("gluster_one.ok_to_stop", "kvm2")
        assert (status, answer["ok"]) == (1, False)
        assert "1 of the bricks" in answer["reasons"][0]
    finally:
        run = fleet.apply("gluster_one.started", on=["kvm1"])
    assert run.changes["kvm1"]["gluster_one_bricks_one_vol"] == {"kvm3:/data/one_vol": {"old": "down", "new": "online"}}
    fleet.healed()


def test_ok_to_stop_when_all_is_well(fleet):
    status, answer = fleet.runner("gluster_one.ok_to_stop", "kvm2")
    assert (status, answer) == (0, {"ok": True, "reasons": [], "retcode": 0})
    assert fleet.runner("gluster_one.ok_to_stop", "head")[0] == 0


def test_the_beacon_comes_and_goes_with_the_pillar(fleet):
    with fleet.pillar(changed(beacon={"interval": 600})):
        assert fleet.apply("gluster_one.beacon", on=["kvm2"]).failures == {}
        (there,) = fleet.lab.call("kvm2", "beacons.list", "return_yaml=False")["kvm2"]["gluster_one"][:1]
        assert there == {"interval": 600}
        assert "gluster_one" in fleet.sh("kvm2", "cat /etc/salt/minion.d/beacons.conf")
        assert fleet.apply("gluster_one.beacon", on=["kvm2"]).changes == {}
    assert fleet.apply("gluster_one.beacon", on=["kvm2"]).failures == {}
    assert "gluster_one" not in fleet.lab.call("kvm2", "beacons.list", "return_yaml=False")["kvm2"]
