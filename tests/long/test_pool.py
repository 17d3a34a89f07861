"""From servers that know nothing of each other to a volume that grows: what the guide presumes."""

import threading
import xml.etree.ElementTree as ET

import pytest

from lab.system import wait_for
from tests.fleet.fleet import HYPERVISORS, MOUNT, STORES, changed

from .test_cost import counting

GLUSTER = "gluster --mode=script"
PEERS, READY, PRESENT, OPTIONS = (
    f"gluster_one_{state}_one_vol" for state in ("peers", "bricks_ready", "present", "volume")
)
DATA = "/data/one_vol"
SIX = [f"{host}:{path}" for host in HYPERVISORS for path in (DATA, "/data/more")]
PROGRAM = "/usr/lib/*/glusterfs/*/xlator/mgmt/glusterd.so"
# The newest op-version that glusterd knows, 100000, becomes 90000.
OLDER = f"""\
cp {PROGRAM} /srv/glusterd.so
python3 - {PROGRAM} <<END
import sys
with open(sys.argv[1], "r+b") as program:
    code = program.read().replace((100000).to_bytes(4, "little"), (90000).to_bytes(4, "little"))
    program.seek(0)
    program.write(code)
END
"""


def made(**keys):
    """The standard pillar with bricks, and not much patience."""
    keys.setdefault("bricks", DATA)
    return changed(volume=keys, timeout=30)


def alone(fleet):
    """No volume, no pool, no bricks; every glusterd as the package leaves it."""
    fleet.sh("kvm1", f"for host in kvm2 kvm3; do {GLUSTER} peer detach $host || true; done")
    script = "systemctl stop glusterd; rm -rf /var/lib/glusterd/glusterd.info /data/*; systemctl start glusterd"
    fleet.everywhere(lambda host: fleet.sh(host, script), HYPERVISORS)


def names(fleet, host):
    """The names by which a server's glusterd knows its peers."""
    peers = ET.fromstring(fleet.sh(host, f"{GLUSTER} --xml peer status")).iter("hostnames")
    return sorted([name.text for name in peer] for peer in peers)


def volumes(fleet):
    return fleet.sh("kvm1", f"{GLUSTER} volume list 2>&1")


@pytest.fixture(scope="module")
def bare(clean):
    """Servers without a pool and a volume, their glusterd running."""
    clean.stage = "used"
    clean.sh("kvm1", f"{GLUSTER} volume stop one_vol force && {GLUSTER} volume delete one_vol")
    alone(clean)
    return clean


# The pool


def test_a_server_known_by_its_address_gets_its_name(bare):
    """kvm1 knows kvm2 by its address, and kvm2, which finds no name for that address, kvm1."""
    bare.sh("kvm2", "cp /etc/hosts /srv/hosts && sed '/ kvm1$/d' /srv/hosts >/etc/hosts")
    bare.sh("kvm1", f"{GLUSTER} peer probe 10.77.1.2")
    bare.sh("kvm2", "cat /srv/hosts >/etc/hosts")
    assert (names(bare, "kvm1"), names(bare, "kvm2")) == ([["10.77.1.2"]], [["10.77.1.1"]])
    with bare.pillar(made()):
        predicted = bare.apply("gluster_one.pool", on=HYPERVISORS, test=True)
        run = bare.apply("gluster_one.pool", on=HYPERVISORS)
        again = bare.apply("gluster_one.pool", on=HYPERVISORS)
    assert run.failures == {}
    assert run.changes == predicted.changes
    assert run.changes == {
        "kvm1": {PEERS: {"kvm2": {"old": "10.77.1.2", "new": "kvm2"}, "kvm3": {"old": None, "new": "member"}}},
        "kvm2": {PEERS: {"kvm1": {"old": "10.77.1.1", "new": "kvm1"}}},
    }
    assert names(bare, "kvm1") == [["10.77.1.2", "kvm2"], ["kvm3"]]
    assert names(bare, "kvm2") == [["10.77.1.1", "kvm1"], ["kvm3"]]
    assert (again.failures, again.changes) == ({}, {})


def test_a_server_is_taken_out_when_it_is_asked_for(bare):
    """By its address: the pool knows it by its name."""
    words = ("state.single", "gluster_one.peered", "pool", "servers=[kvm1, kvm2]", "detach=[10.77.1.3]")
    ((state,),) = (answer.values() for answer in bare.lab.call("kvm1", *words).values())
    assert (state["result"], state["changes"]) == (True, {"kvm3": {"old": "member", "new": None}}), state
    assert names(bare, "kvm1") == [["10.77.1.2", "kvm2"]]


def test_an_older_gluster_is_not_taken_in(bare):
    bare.sh("kvm3", f"{OLDER}rm -f /var/lib/glusterd/glusterd.info; systemctl restart glusterd")
    with bare.pillar(made()):
        run = bare.apply("gluster_one.pool", on=["kvm1"])
    bare.sh("kvm3", f"cat /srv/glusterd.so >$(echo {PROGRAM}); systemctl restart glusterd")
    said = run.failures["kvm1"][PEERS]
    assert "Peer kvm3 does not support required op-version: its Gluster is older than the pool's; install" in said
    assert names(bare, "kvm1") == [["10.77.1.2", "kvm2"]]


def test_a_member_with_an_older_gluster_is_an_error(bare):
    """Its glusterd answers, and the others do not get on with it."""
    bare.sh("kvm2", f"{OLDER}systemctl restart glusterd")
    with bare.pillar(changed(volume={"servers": ["kvm1", "kvm2"], "bricks": DATA, "replica": 1}, timeout=5)):
        run = bare.apply("gluster_one.pool", on=["kvm1"])
        bare.sh("kvm2", f"cat /srv/glusterd.so >$(echo {PROGRAM}); systemctl restart glusterd")
        again = bare.apply("gluster_one.pool", on=["kvm1"])
    assert run.failures["kvm1"][PEERS].startswith(
        "kvm2 is not connected, though its glusterd answers: compare `gluster"
    )
    assert again.failures == {}


def test_a_server_of_another_pool_is_not_taken_in(bare):
    bare.sh("kvm3", f"{GLUSTER} volume create own kvm3:/data/own")
    with bare.pillar(made()):
        run = bare.apply("gluster_one.pool", on=["kvm1"])
    bare.sh("kvm3", f"{GLUSTER} volume delete own && rm -rf /data/own")
    said = run.failures["kvm1"][PEERS]
    assert (
        "already part of another cluster or having volumes configured: on a server of that pool `gluster peer" in said
    )


# Bricks


# What stands in each server's way, and what is said of it. That kvm2's directory was fine a moment ago does not count.
BAD = [
    ({"kvm2": DATA, "kvm3": "/srv/brick"}, "holds data (1: photos)", "lies on the root file system"),
    ({"kvm2": "/data", "kvm3": "/data/old"}, "is a mount point", "was a brick of a volume once"),
]


@pytest.mark.parametrize(("paths", *("of_kvm2", "of_kvm3")), BAD)
def test_a_bad_directory_on_another_server_makes_no_volume(bare, paths, of_kvm2, of_kvm3):
    bare.sh("kvm2", f"mkdir -p {DATA} && echo mine >{DATA}/photos")
    bare.sh("kvm3", "mkdir -p /data/old && setfattr -n trusted.gfid -v 0x01 /data/old")
    bricks = [f"kvm1:{DATA}", *(f"{host}:{path}" for host, path in paths.items())]
    with bare.pillar(made(bricks=bricks)):
        run = bare.apply("gluster_one.volume", on=HYPERVISORS)
    assert f"{paths['kvm2']} {of_kvm2}" in run.failures["kvm2"][READY]
    assert f"{paths['kvm3']} {of_kvm3}" in run.failures["kvm3"][READY]
    said = run.failures["kvm1"][PRESENT]
    assert said.startswith("nothing was done, not all bricks of one_vol are ready: kvm")
    assert of_kvm2 in said or of_kvm3 in said
    assert "no such volume" in run.failures["kvm1"][OPTIONS]
    assert "No volumes" in volumes(bare)
    assert bare.sh("kvm2", f"cat {DATA}/photos") == "mine\n"
    assert bare.sh("kvm1", "ls /data") == ""
    for host in HYPERVISORS:
        assert "volume-id" not in bare.sh(host, "getfattr -m volume-id /data /data/* 2>/dev/null || true")


def test_servers_that_say_nothing_are_named(bare):
    bare.everywhere(lambda host: bare.sh(host, "rm -rf /data/* /srv/brick"), HYPERVISORS)
    with bare.pillar(changed(volume={"bricks": DATA}, timeout=3)):
        run = bare.apply("gluster_one.volume", on=["kvm1"])
    said = run.failures["kvm1"][PRESENT]
    assert said.startswith("Nothing was done, not all servers of one_vol have said that their bricks are ready")
    assert f"last seen: kvm2:{DATA}, kvm3:{DATA}" in said
    assert "No volumes" in volumes(bare)


# The volume


@pytest.fixture(scope="module")
def first(bare):
    """`test=True`, and the one run, from nothing."""
    alone(bare)
    look = lambda: (bare.look_all(), [names(bare, host) for host in HYPERVISORS], volumes(bare))  # noqa: E731
    before = look()
    with bare.pillar(made()):
        predicted = bare.apply(test=True)
        after = look()
        run = bare.apply()
    return {"predicted": predicted, "before": before, "after": after, "run": run}


def new(changes):
    """Changes without the old values: of a volume that is not there no option has one."""
    return {
        minion: {state: {key: change["new"] for key, change in found.items()} for state, found in states.items()}
        for minion, states in changes.items()
    }


def test_a_prediction_on_bare_servers_touches_nothing_and_is_right(first):
    assert first["after"] == first["before"]
    assert first["predicted"].failures == {}
    mine = (PEERS, READY, PRESENT, OPTIONS)
    of_mine = [
        {state: found for state, found in new(run.changes)["kvm1"].items() if state in mine}
        for run in (first["predicted"], first["run"])
    ]
    assert of_mine[0] == of_mine[1]
    assert set(of_mine[0]) == {PEERS, PRESENT, OPTIONS}


def test_one_plain_run_makes_pool_and_volume_and_mounts_it(bare, first):
    run = first["run"]
    assert run.failures == {}
    assert run.changes["kvm1"][PEERS] == {host: {"old": None, "new": "member"} for host in ("kvm2", "kvm3")}
    assert run.changes["kvm1"][PRESENT] == {
        "volume": {"old": None, "new": "3 copies"},
        "bricks": {"old": None, "new": " ".join(f"{host}:{DATA}" for host in HYPERVISORS)},
        "status": {"old": None, "new": "Started"},
    }
    text = bare.sh("kvm1", f"{GLUSTER} volume info one_vol")
    assert "Number of Bricks: 1 x 3 = 3" in text and "Status: Started" in text
    for option in ("features.shard: on", "cluster.server-quorum-type: server", "storage.owner-uid: 9869"):
        assert option in text
    assert all(MOUNT in bare.mounts(host) for host in bare.lab.hosts)
    assert all(names(bare, host) == [[other] for other in HYPERVISORS if other != host] for host in HYPERVISORS)


def test_a_second_run_changes_nothing_and_asks_gluster_once(bare, first):
    with bare.pillar(made()), counting(bare, bare.lab.hosts) as started:
        run = bare.apply()
        commands = started()
    assert (run.failures, run.changes) == ({}, {})
    assert {host: len(lines) for host, lines in commands.items()} == {"head": 0, "kvm1": 1, "kvm2": 0, "kvm3": 0}


def test_what_the_group_sets_is_put_right_and_options_stand_over_it(bare, first):
    bare.sh("kvm1", f"{GLUSTER} volume set one_vol cluster.eager-lock off")
    with bare.pillar(made(options={"network.ping-timeout": 12})):
        run = bare.apply("gluster_one.volume", on=["kvm1"])
    assert run.failures == {}
    assert run.changes["kvm1"] == {
        OPTIONS: {
            "cluster.eager-lock": {"old": "off", "new": "enable"},
            "network.ping-timeout": {"old": "20", "new": "12"},
        }
    }


def test_a_server_that_the_pool_rejects_is_an_error_with_a_cure(bare, first):
    info = "/var/lib/glusterd/vols/one_vol/info"
    spoil = f"systemctl stop glusterd; cp -a $(dirname {info}) /srv/kept; sed -i 's/shard=on/shard=off/' {info}"
    bare.sh("kvm3", f"{spoil}; systemctl start glusterd")
    rejected = f"{GLUSTER} peer status | grep -q Rejected"
    wait_for("kvm3 is rejected", lambda: not bare.lab.exec("kvm1", "sh", "-c", rejected).returncode, 20)
    with bare.pillar(made()):
        run = bare.apply("gluster_one.pool", on=["kvm1"])
    restore = (
        f"systemctl stop glusterd; cp -a /srv/kept/. $(dirname {info}); rm -rf /srv/kept; systemctl start glusterd"
    )
    bare.sh("kvm3", restore)
    wait_for("kvm3 is back", lambda: bare.lab.exec("kvm1", "sh", "-c", rejected).returncode, 20)
    assert run.failures["kvm1"][PEERS].startswith("kvm3 is rejected by the pool")
    assert "move all but glusterd.info out of /var/lib/glusterd" in run.failures["kvm1"][PEERS]


def test_what_is_missing_is_found_with_the_formula_as_its_cure(bare, first):
    volume = "{servers: [kvm1, kvm2], uid: 0, gid: 0, options: {}, bricks: ['kvm1:/data/x']}"
    (report,) = bare.lab.call(
        "kvm1", "gluster_one.volume_report", "gone_vol", volume, "{pool: [], volumes: {}}", "{}"
    ).values()
    assert {(finding[0], finding[4]) for finding in report[1]} == {
        ("peer_gone", "salt '*' state.apply gluster_one"),
        ("volume_gone", "salt '*' state.apply gluster_one"),
    }


# Growth


@pytest.fixture(scope="module")
def image(bare, first):
    """An image on the volume."""
    bare.sh("kvm2", f"head -c 32M /dev/urandom >{MOUNT}/image && cd {MOUNT} && md5sum image >sum", user="oneadmin")
    return f"{MOUNT}/image"


def test_a_sharded_volume_with_an_image_does_not_grow_by_itself(bare, image):
    with bare.pillar(made(bricks=SIX)):
        run = bare.apply("gluster_one.volume", on=HYPERVISORS)
    said = run.failures["kvm1"][PRESENT]
    assert "volume one_vol is sharded and not empty" in said and "say grow: allow to add kvm1:/data/more" in said
    assert "Number of Bricks: 1 x 3 = 3" in bare.sh("kvm1", f"{GLUSTER} volume info one_vol")


def test_it_grows_when_told_to_under_a_writer_and_new_files_use_the_new_bricks(bare, image):
    end = threading.Event()
    errors = []

    def write():
        number = 0
        while not end.is_set():
            number += 1
            script = f"dd if=/dev/urandom of={MOUNT}/written bs=1M count=8 oflag=direct conv=fsync,notrunc 2>&1"
            done = bare.lab.exec("kvm3", "sh", "-ec", script, user="oneadmin")
            if done.returncode:
                errors.append(done.stdout)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with bare.pillar(made(bricks=SIX, grow="allow")):
            run = bare.apply("gluster_one.volume", on=HYPERVISORS)
            wait_for(
                "the directories know the new bricks",
                lambda: "completed" in bare.sh("kvm1", f"{GLUSTER} volume rebalance one_vol status"),
                60,
            )
            again = bare.apply("gluster_one.volume", on=HYPERVISORS)
    finally:
        end.set()
        writer.join()
    assert run.failures == {}
    assert list(run.changes["kvm1"]) == [PRESENT]
    added = " ".join(f"{host}:/data/more" for host in HYPERVISORS)
    assert run.changes["kvm1"][PRESENT]["bricks"]["new"] == added
    assert (again.failures, again.changes) == ({}, {})
    assert "Number of Bricks: 2 x 3 = 6" in bare.sh("kvm1", f"{GLUSTER} volume info one_vol")
    assert errors == []
    assert bare.sh("head", f"cd {MOUNT} && md5sum -c sum", user="oneadmin") == "image: OK\n"
    store = bare.datastores()["glusterds"]["ID"]
    bare.sh("head", f"cd {STORES}/{store} && touch new-$(seq -s ' new-' 20)", user="oneadmin")
    assert "new-" in bare.sh("kvm2", "ls /data/more") and "new-" in bare.sh("kvm2", f"ls {DATA}")


def test_fewer_bricks_are_refused_with_the_way_to_do_it(bare, image):
    with bare.pillar(made()):
        run = bare.apply("gluster_one.volume", on=["kvm1"], test=True)
    assert (
        "has bricks that are not wanted, kvm1:/data/more, kvm2:/data/more, kvm3:/data/more: take them out by hand"
        in (run.failures["kvm1"][PRESENT])
    )
    assert "gluster volume remove-brick one_vol BRICKS start" in run.failures["kvm1"][PRESENT]
