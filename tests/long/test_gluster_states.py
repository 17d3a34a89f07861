"""The states of docs/gluster.md, on three hosts without pool, volume, OpenNebula and pillar."""

import re

import pytest
import yaml

from lab.fleet import CHECKOUT, Lab, default_name
from tests.fleet.fleet import HYPERVISORS, Fleet

SLS = re.search(r"```yaml\n({%.*?)```", (CHECKOUT / "docs/gluster.md").read_text(), re.DOTALL)[1]


@pytest.fixture(scope="module")
def bare():
    """Hosts with a fresh glusterd and a file system for bricks."""
    fleet = Fleet(Lab(f"bare-{default_name()[-6:]}", quiet=True))
    try:
        fleet.lab.down()
        fleet.lab.up(pool=False)
        fleet.everywhere(
            lambda host: fleet.sh(host, "mkdir /data/one_vol && mount -t tmpfs -o mode=755 tmpfs /data/one_vol"),
            HYPERVISORS,
        )
        # The others find another name for the first one's address: the second has to give it its own.
        script = (
            "sed 's/^10.77.1.1 kvm1$/10.77.1.1 kvm1.lab kvm1/' /etc/hosts > /run/hosts; cat /run/hosts > /etc/hosts"
        )
        fleet.everywhere(lambda host: fleet.sh(host, script), HYPERVISORS[1:])
        for name in ("gluster_one", "gluster_one_head"):
            (fleet.lab.pillar_dir / f"{name}.sls").unlink()
            (fleet.lab.pillar_dir / f"{name}.sls").write_text("{}\n")
        fleet.salt("*", "saltutil.sync_all")
        yield fleet
    finally:
        fleet.lab.down()


def apply(fleet, sls, test=False, on=HYPERVISORS):
    (fleet.lab.sls_dir / "gluster_servers.sls").write_text(sls)
    return fleet.apply("gluster_servers", on=list(on), test=test)


def commands(fleet, host):
    path = fleet.lab.root(host) / "var/log/glusterfs/cmd_history.log"
    return path.read_text().splitlines() if path.exists() else []


def asked(fleet, host):
    """How often a minion has started the gluster command."""
    log = (fleet.lab.root(host) / "var/log/salt/minion").read_text(errors="replace")
    return len(re.findall(r"Executing command \S*(?:timeout|gluster) ", log))


@pytest.fixture(scope="module")
def runs(bare):
    """What the SLS of the docs would do, what it does, and what it does and would do the second time."""
    found = {"predicted": apply(bare, SLS, test=True)}
    found["after test"] = {host: commands(bare, host) for host in HYPERVISORS}
    found["first"] = apply(bare, SLS)
    before = {host: asked(bare, host) for host in HYPERVISORS}
    found["second"] = apply(bare, SLS)
    found["asked"] = {host: asked(bare, host) - before[host] for host in HYPERVISORS}
    found["again"] = apply(bare, SLS, test=True)
    return found


def test_makes_the_pool_and_the_volume(bare, runs):
    assert runs["first"].failures == {}
    for host in HYPERVISORS:
        peers = bare.lab.call(host, "gluster.peer_status")[host]
        assert {name for peer in peers for name in peer["hostnames"]} >= {*HYPERVISORS} - {host}
        assert [peer["state"] for peer in peers] == ["Peer in Cluster"] * 2
    info = bare.sh("kvm2", "gluster --mode=script volume info one_vol")
    assert "Number of Bricks: 1 x 3 = 3" in info and "Status: Started" in info
    assert "features.shard: on" in info and "network.ping-timeout: 10" in info
    assert [line.split(": ")[1] for line in info.splitlines() if re.match(r"Brick\d", line)] == [
        f"{host}:/data/one_vol/brick" for host in HYPERVISORS
    ]


def test_predicts_what_it_does_and_touches_nothing(runs):
    assert runs["after test"] == dict.fromkeys(HYPERVISORS, [])
    assert runs["predicted"].failures == {}
    assert runs["predicted"].changes == runs["first"].changes
    assert runs["first"].changes["kvm2"] == {"pool": {"kvm1": {"old": "kvm1.lab", "new": "kvm1"}}}
    assert runs["first"].changes["kvm1"].keys() == {"pool", "one_vol created", "one_vol options", "one_vol started"}


def test_a_second_run_changes_nothing(runs):
    for name in ("second", "again"):
        assert (runs[name].failures, runs[name].changes, runs[name].results) == ({}, {}, {True})
    assert runs["asked"] == dict.fromkeys(HYPERVISORS, 1)


# Layouts on real Gluster: what volume_present is given, and what Gluster makes of it.

PATH = "/data/one_vol/{}"
TWO = {"split_brain": "allow"}
GOOD = {
    "three": ({"replica": 3}, "1 x 3 = 3"),
    "arbiter": ({"replica": 3, "arbiter": True}, "1 x (2 + 1) = 3"),
    "two": ({"replica": 2, "servers": ["kvm1", "kvm2"], **TWO}, "1 x 2 = 2"),
    "two-sets": ({"replica": 3, "bricks": ["{}-a", "{}-b"]}, "2 x 3 = 6"),
    "three-sets": ({"replica": 2, "bricks": ["{}-a", "{}-b"], **TWO}, "3 x 2 = 6"),
    "arbiters": ({"replica": 3, "arbiter": 1, "bricks": ["{}-a", "{}-b"]}, "2 x (2 + 1) = 6"),
    "parts": ({"disperse": 3, "redundancy": 1}, "1 x (2 + 1) = 3"),
    "parts-sets": ({"disperse": 3, "redundancy": 1, "bricks": ["{}-a/", "{}-b"]}, "2 x (2 + 1) = 6"),
    "plain": ({"replica": 1}, "Number of Bricks: 3"),
    "listed": (
        {"replica": 3, "servers": None, "bricks": ["kvm3:{}-c", {"server": "kvm1", "path": "{}-a"}, "kvm2:{}-b"]},
        "1 x 3 = 3",
    ),
}
BAD = {
    "no-kind": ({}, "replica is None and disperse None"),
    "both-kinds": ({"replica": 3, "disperse": 3, "redundancy": 1}, "one of them is needed"),
    "two-copies": ({"replica": 2, "servers": ["kvm1", "kvm2"]}, "split_brain: allow"),
    "half-a-set": ({"replica": 2, **TWO}, "bricks are 3: a multiple of 2"),
    "arbiter-of-two": ({"replica": 2, "arbiter": 1, "servers": ["kvm1", "kvm2"]}, "arbiter is 1 and replica 2"),
    "no-redundancy": ({"disperse": 3}, "redundancy is None"),
    "same-host": (
        {"replica": 2, "servers": None, "bricks": ["kvm1:{}-a", "kvm1:{}-b"], **TWO},
        "and both are on one host",
    ),
    "two-names": (
        {"replica": 2, "servers": None, "bricks": ["kvm2:{}-a", "kvm2.lab:{}-b"], **TWO},
        "kvm2.lab:/data/one_vol/two-names-b in one set",
    ),
    "nested": ({"replica": 3, "bricks": ["{}", "{}/more"]}, "in no other brick"),
    "stranger": ({"replica": 3, "servers": ["kvm1", "kvm2", "head"]}, "head not in the pool of kvm1"),
    "mount-point": ({"replica": 3, "bricks": "/data/one_vol"}, "/data/one_vol is a mount point"),
    "root-disk": ({"replica": 3, "bricks": "/opt/{name}"}, "is on the root file system"),
    "files-elsewhere": ({"replica": 3}, "kvm3 says: /data/one_vol/files-elsewhere is not empty (disk.0)"),
    "old-brick": ({"replica": 3}, "kvm2 says: /data/one_vol/old-brick was a brick of the volume"),
    "no-disk": (
        {"replica": 3, "bricks": "/data/one_vol/{name}/brick"},
        "kvm3 says: /data/one_vol/no-disk is not there",
    ),
    "taken": ({"replica": 3, "bricks": "/data/one_vol/brick"}, "it is a brick of volume one_vol"),
}
PREPARE = {
    "kvm1": "mkdir /data/one_vol/no-disk",
    "kvm2": "mkdir /data/one_vol/no-disk; cd /data/one_vol; mkdir -p old-brick/.glusterfs/00;"
    "setfattr -n trusted.glusterfs.volume-id -v 0x00112233445566778899aabbccddeeff old-brick",
    "kvm3": "mkdir /data/one_vol/files-elsewhere; touch /data/one_vol/files-elsewhere/disk.0",
}
MARKS = "getfattr -R -h --absolute-names -m trusted.glusterfs.volume-id /data/one_vol /opt 2>/dev/null | grep '^# file'"


def filled(value, name):
    """A value of the tables with the name of its volume in each path."""
    if isinstance(value, list):
        return [filled(one, name) for one in value]
    if isinstance(value, dict):
        return {key: filled(one, name) for key, one in value.items()}
    return value.replace("{name}", name).replace("{}", PATH.format(name)) if isinstance(value, str) else value


def layouts(table, **more):
    """An SLS that prepares all bricks on each server, and creates all volumes on kvm1."""
    states, volumes = {}, {}
    for name, (given, _) in table.items():
        arguments = {"bricks": "{}", "servers": list(HYPERVISORS), **given}
        arguments = filled({key: value for key, value in arguments.items() if value is not None}, name)
        bricks = arguments["bricks"] if isinstance(arguments["bricks"], list) else [arguments["bricks"]]
        for brick in bricks:
            path = brick["path"] if isinstance(brick, dict) else f"/{brick.partition(':/')[2] or brick[1:]}"
            states[path] = {"gluster.brick_prepared": []}
        volumes[name] = {"gluster.volume_present": [{key: value} for key, value in {**arguments, **more}.items()]}
    only = "{% if grains.id == 'kvm1' %}\n" + yaml.safe_dump(volumes, sort_keys=False) + "{% endif %}\n"
    return yaml.safe_dump(states, sort_keys=False) + only


def test_ten_good_layouts_on_real_gluster(bare, runs):
    sls = layouts(GOOD)
    run = apply(bare, sls)
    assert run.failures == {}
    assert run.changes["kvm1"].keys() == GOOD.keys()
    for name, (_, bricks) in GOOD.items():
        assert bricks in bare.sh("kvm3", f"gluster --mode=script volume info {name}")
    for test in (False, True):
        run = apply(bare, sls, test=test)
        assert (run.failures, run.changes) == ({}, {})
    for name in GOOD:
        bare.sh("kvm1", f"gluster --mode=script volume delete {name}")


def test_bad_layouts_leave_nothing_on_real_gluster(bare, runs):
    bare.everywhere(lambda host: bare.sh(host, PREPARE[host]), HYPERVISORS)
    bare.sh("kvm1", "echo 10.77.1.2 kvm2.lab >> /etc/hosts")

    def marks():
        return {host: bare.sh(host, f"{MARKS} || true") for host in HYPERVISORS}

    before = marks(), commands(bare, "kvm1")
    run = apply(bare, layouts(BAD, timeout=4))
    failures = run.failures["kvm1"]
    assert {name: text for name, (_, text) in BAD.items() if text not in failures.get(name, "")} == {}, failures
    assert run.changes == {}
    assert (marks(), commands(bare, "kvm1")) == before
    assert bare.sh("kvm1", "gluster --mode=script volume list").split() == ["one_vol"]


def test_a_refused_volume_does_not_spoil_the_next_try(bare, runs):
    """As it happens: the directory of one brick goes away between the look and the command."""
    sls = layouts({"again": ({"replica": 3, "bricks": "/data/one_vol/again/brick"}, "")}, timeout=30)
    bare.everywhere(lambda host: bare.sh(host, "mkdir /data/one_vol/again"), HYPERVISORS)
    words = " ".join(f"{host}:/data/one_vol/again/brick" for host in HYPERVISORS)
    bare.sh("kvm3", "mv /data/one_vol/again /data/one_vol/away")
    done = bare.lab.exec("kvm1", "sh", "-c", f"gluster --mode=script volume create again replica 3 {words}")
    assert done.returncode and "again/brick" in bare.sh("kvm2", MARKS)
    bare.sh("kvm3", "mv /data/one_vol/away /data/one_vol/again")
    predicted = apply(bare, sls, test=True)
    run = apply(bare, sls)
    assert (predicted.failures, predicted.changes, run.failures) == ({}, run.changes, {})
    assert {host: list(changes) for host, changes in run.changes.items()} == {
        "kvm1": ["/data/one_vol/again/brick", "again"],
        "kvm2": ["/data/one_vol/again/brick"],
    }
