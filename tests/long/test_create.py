"""Servers without a pool become a datastore that VMs can use, by one command and one pillar."""

import re
import time

import pytest

from lab.fleet import Lab, default_name
from tests.fleet.fleet import HYPERVISORS, MOUNT, Fleet, changed
from tests.long.test_gluster_states import asked, commands

CREATE = {"replica": 3, "bricks": "/data/one_vol"}
RATIO = {"cluster.server-quorum-ratio": "51%"}
MADE = {"gluster_one_pool", "gluster_one_pool_options", "gluster_one_created_one_vol", "gluster_one_started_one_vol"}


def pillar(volumes=None, create=CREATE, **keys):
    """The standard pillar with `create`, and more volumes."""
    for name, more in (volumes or {}).items():
        volumes[name] = {"servers": list(HYPERVISORS), "mount": f"/srv/{name}", **more}
    return changed(volume={"create": create}, volumes=volumes or {}, pool_options=RATIO, **keys)


@pytest.fixture(scope="module")
def bare():
    """Hosts with a fresh glusterd and a file system for bricks, and the pillar."""
    fleet = Fleet(Lab(f"create-{default_name()[-6:]}", quiet=True))
    try:
        fleet.lab.down()
        fleet.lab.up(pool=False)
        with fleet.pillar(pillar()):
            yield fleet
    finally:
        fleet.lab.down()


@pytest.fixture(scope="module")
def runs(bare):
    """What a run would do, what nodes do alone, and what two runs do."""
    found = {"predicted": bare.apply(test=True)}
    found["after test"] = {host: commands(bare, host) for host in HYPERVISORS}
    with bare.pillar(pillar(timeout=6)):
        found["alone"] = {host: bare.apply(on=[host]) for host in ("kvm2", "head")}
    found["predicted again"] = bare.apply(test=True)
    begin = time.monotonic()
    found["first"] = bare.apply()
    found["seconds"] = round(time.monotonic() - begin)
    before = {host: asked(bare, host) for host in bare.lab.hosts}
    begin = time.monotonic()
    found["second"] = bare.apply()
    print(f"first run {found['seconds']} s, second {round(time.monotonic() - begin)} s")
    found["asked"] = {host: asked(bare, host) - before[host] for host in bare.lab.hosts}
    found["again"] = bare.apply(test=True)
    return found


def options(fleet, name):
    info = fleet.sh("kvm2", f"gluster --mode=script volume info {name}")
    return dict(line.split(": ", 1) for line in info.splitlines() if ": " in line)


def test_one_command_makes_a_datastore_that_vms_can_use(bare, runs):
    assert runs["first"].failures == {}
    assert runs["first"].changes["kvm1"].keys() >= MADE
    found = options(bare, "one_vol")
    assert (found["Status"], found["Number of Bricks"]) == ("Started", "1 x 3 = 3")
    assert (found["features.shard"], found["storage.owner-uid"]) == ("on", "9869")
    assert "51%" in bare.sh("kvm3", "gluster --mode=script volume get all cluster.server-quorum-ratio")
    bare.sh("head", f"qemu-img create -q -f raw {MOUNT}/disk 100M", user="oneadmin")
    for host in HYPERVISORS:
        assert "read 512/512 bytes" in bare.disk_read(host, "disk", "read -P 0 99M 512")
    begun = [each for each in commands(bare, "kvm1") if re.search(r" : (volume (create|set|start)|peer)", each)]
    assert not any(" force" in each for each in begun)
    # Its options and the group's, before the start.
    order = [word for each in begun for word in re.findall(r"volume (create|set one|start)", each)]
    assert order == ["create", "set one", "start"]


def test_the_first_run_was_shown_before(bare, runs):
    assert runs["after test"] == dict.fromkeys(HYPERVISORS, [])
    assert runs["predicted"].failures == runs["predicted again"].failures == {}
    for name, unlike in (("predicted again", set()), ("predicted", {"kvm2", "head"})):
        for host, changes in runs["first"].changes.items():
            shown = runs[name].changes[host]
            if host not in unlike:  # have done what they could alone
                assert shown.keys() == changes.keys()
            same = [
                key for key in changes if not re.search("mount_|datastore_", key)
            ]  # their identifiers are not known
            assert {key: shown[key] for key in same} == {key: changes[key] for key in same}
    for host in HYPERVISORS:
        brick = runs["predicted"][host]["gluster_one_brick_/data/one_vol"]["comment"]
        assert re.fullmatch(r"/data/one_vol can become a brick: \d+ % of \d+ MB are free on its file system", brick)


def test_one_node_alone_says_what_it_waits_for(bare, runs):
    kvm2, head = runs["alone"]["kvm2"].own_failures["kvm2"], runs["alone"]["head"].own_failures["head"]
    assert set(kvm2) == {"gluster_one_pool"}
    assert "were not in one pool within 6 s (last seen: kvm1 has not taken in kvm2" in kvm2["gluster_one_pool"]
    assert set(head) == {"gluster_one_mount_one_vol"}
    text = head["gluster_one_mount_one_vol"]
    assert "within 6 s" in text and text.endswith(": run it on kvm1, kvm2, kvm3, which create the volume")
    for run in runs["alone"].values():
        assert not MADE & {state for states in run.changes.values() for state in states}


def test_a_second_run_is_silent(bare, runs):
    for name in ("second", "again"):
        assert (runs[name].failures, runs[name].changes, runs[name].results) == ({}, {}, {True})
    assert runs["asked"] == {"head": 0, **dict.fromkeys(HYPERVISORS, 1)}
    assert bare.lab.call("*", "gluster_one.check") == dict.fromkeys(bare.lab.hosts, [])


def test_a_volume_with_other_bricks_is_left(bare, runs):
    before = commands(bare, "kvm1")
    for test in (True, False):
        with bare.pillar(pillar(create={"replica": 3, "bricks": "/data/other"})):
            run = bare.apply(test=test)
        assert (list(run.own_failures), run.changes) == (["kvm1"], {})
        (text,) = run.own_failures["kvm1"].values()
        assert (
            "Volume one_vol was left as it is: kvm1:/data/other, kvm2:/data/other, kvm3:/data/other is not among"
            in text
        )
    assert commands(bare, "kvm1") == before


def test_a_volume_that_is_there_gets_no_group(bare, runs):
    """One that somebody has made and started; and one that a run that was killed has only created."""
    gluster = "gluster --mode=script volume"
    for name in ("there_vol", "killed_vol"):
        bricks = " ".join(f"{host}:/data/{name}" for host in HYPERVISORS)
        bare.sh("kvm1", f"{gluster} create {name} replica 3 {bricks}")
    bare.sh("kvm1", f"{gluster} start there_vol")
    volumes = {name: {"create": {"replica": 3, "bricks": f"/data/{name}"}} for name in ("there_vol", "killed_vol")}
    with bare.pillar(pillar(volumes)):
        run = bare.apply(on=HYPERVISORS)
        again = bare.apply(on=HYPERVISORS)
    assert (run.failures, again.failures, again.changes) == ({}, {}, {})
    assert "features.shard" not in options(bare, "there_vol")
    killed = options(bare, "killed_vol")
    assert (killed["features.shard"], killed["Status"]) == ("on", "Started")


def test_a_closed_port_is_named_and_nothing_is_created(bare, runs):
    volumes = {"new_vol": {"create": {"replica": 3, "bricks": "/data/new_vol"}}}
    bare.sh("head", "ip route add unreachable 10.77.1.3")
    try:
        with bare.pillar(pillar(volumes, timeout=4)):
            found = {test: bare.apply(on=["head"], test=test) for test in (True, False)}
    finally:
        bare.sh("head", "ip route del unreachable 10.77.1.3")
    named = "kvm3 does not answer at port 24007: see whether it is up, and whether its firewall"
    assert "gluster_one_servers_new_vol" not in found[True].failures.get("head", {}), found[True].failures
    assert named in found[True]["head"]["gluster_one_servers_new_vol"]["comment"]
    own = found[False].own_failures["head"]  # one_vol's mount looks at kvm3, too
    assert [state for state in own if "new_vol" in state] == ["gluster_one_servers_new_vol"]
    assert named in found[False].failures["head"]["gluster_one_servers_new_vol"]
    assert "new_vol" not in bare.sh("kvm1", "gluster --mode=script volume list")


def test_a_volume_that_is_not_there_yet_is_reported(bare, runs):
    volumes = {"new_vol": {"create": {"replica": 3, "bricks": "/data/new_vol"}}}
    with bare.pillar(pillar(volumes)):
        found = bare.findings("kvm1")["volume_gone"]
    assert found["on"] == "new_vol" and "salt '*' state.apply gluster_one" in found["cure"]
