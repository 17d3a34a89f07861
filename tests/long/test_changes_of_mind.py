"""A pillar that changes: what a run does then, what it refuses, and what of the old is named and can be taken away."""

import json
import os
import re
import shlex

import pytest
import yaml

from lab.system import wait_for
from tests.fleet.fleet import HYPERVISORS, MOUNT, NATIVE, STORES, Run, standard

pytestmark = pytest.mark.timeout(900)  # each change is four runs of all nodes, and more
TWO = "/var/lib/gluster_one/two_vol"
OPTIONS = {"network.ping-timeout": 10, "performance.quick-read": False}


class Mind:
    """A fleet and the pillar that it has now, which each test changes for good."""

    def __init__(self, fleet):
        self.fleet, self.pillar = fleet, standard()
        self.all = self.pillar["gluster_one"]
        self.all["timeout"] = 20
        self.volume = self.all["volumes"]["one_vol"]
        self.stores = self.volume["datastores"]

    def write(self):
        self.fleet.lab.pillar_dir.joinpath("gluster_one.sls").write_text(yaml.safe_dump(self.pillar, sort_keys=False))

    def run(self, on="*"):
        """{minion: {state: changes}} of a run, as test=True has foretold it; the next one finds nothing."""
        self.write()
        foretold = self.fleet.apply(on=on, test=True)
        run = self.fleet.apply(on=on)
        assert not run.failures, run.failures
        assert run.changes == foretold.changes
        self.comments = {name: state["comment"] for states in run.values() for name, state in states.items()}
        again = self.fleet.apply(on=on)
        assert (again.failures, again.changes) == ({}, {})
        return {minion: {name[12:]: each for name, each in states.items()} for minion, states in run.changes.items()}

    def make(self):
        """A run that makes what has no number before; the next one finds nothing."""
        self.write()
        assert self.fleet.apply().failures == {}
        again = self.fleet.apply()
        assert (again.failures, again.changes) == ({}, {})

    def refused(self, on="head"):
        """What a run and one with test=True fail with there, in one text; nothing changes."""
        self.write()
        before = self.look()
        foretold, run = self.fleet.apply(on=[on], test=True), self.fleet.apply(on=[on])
        assert foretold.own_failures == run.own_failures and run.changes == foretold.changes == {}
        assert self.look() == before
        return " ".join(run.own_failures[on].values())

    def look(self):
        look = self.fleet.look_all(reads=False)
        return {**look, "history": None}

    def found(self, minion, *kinds):
        """What a check says of these kinds: {what it is on: its cure}."""
        done = self.fleet.lab.salt("--out=json", "--no-color", minion, "gluster_one.check")
        return {each["on"]: each["cure"] for each in json.loads(done.stdout)[minion] if each["kind"] in kinds}

    def single(self, cure):
        """What the command in a cure changes, as test=True has foretold it; the next time it changes nothing."""
        words = shlex.split(cure[cure.index("salt ") :])[1:]
        foretold, run, again = (Run(self.fleet.salt(*words, *more)) for more in (["test=True"], [], []))
        assert foretold.failures == run.failures == again.failures == again.changes == {}
        assert run.changes == foretold.changes
        ((changes,),) = ([*states.values()] for states in run.changes.values())
        return changes

    def options(self):
        return self.fleet.sh("kvm1", "gluster --mode=script volume info one_vol")

    def links(self, host="kvm2"):
        root = self.fleet.lab.root(host) / STORES[1:]
        return {path.name: os.readlink(path) for path in root.iterdir() if path.is_symlink()}


@pytest.fixture(scope="module")
def mind(fleet_of_module):
    """The standard fleet, where somebody writes to a file of a datastore for as long as it lasts."""
    fleet = fleet_of_module
    fleet.stage = "used"
    mind = Mind(fleet)
    mind.number = fleet.datastores()["glusterds"]["ID"]
    mind.image = fleet.oned("one.image.allocate", "NAME=kept\nTYPE=DATABLOCK\nSIZE=1\n", mind.number)
    hold = f"exec 9>>{STORES}/{mind.number}/held; while sleep 0.2; do echo x >&9 || echo $? >/run/failed; done"
    fleet.sh("kvm2", f"setsid sh -c '{hold}' >/dev/null 2>&1 & echo $! >/run/holder")
    yield mind
    fleet.sh("kvm2", "kill $(cat /run/holder) || true")


def is_written(fleet):
    return fleet.sh("kvm2", "ls /run/failed 2>/dev/null || true") == ""


def test_an_option_that_is_dropped_is_what_it_was(mind):
    fleet = mind.fleet
    fleet.sh("kvm1", "gluster --mode=script volume set one_vol network.ping-timeout 30 performance.io-cache on")
    mind.volume["options"] = dict(OPTIONS)
    assert set(mind.run()["kvm1"]["volume_one_vol"]) == OPTIONS.keys()
    del mind.volume["options"]
    mind.write()
    assert set(mind.found("kvm1", "volume_option")) == {"one_vol"}
    back = {"network.ping-timeout": {"old": "10", "new": "30"}, "performance.quick-read": {"old": "off", "new": None}}
    assert mind.run() == {"kvm1": {"volume_one_vol": back}}
    assert "ping-timeout: 30" in mind.options() and "io-cache: on" in mind.options()
    assert not mind.found("kvm1", "volume_option")


def test_an_option_of_the_pool_goes_where_it_was_set_although_another_server_is_the_first(mind):
    mind.all["pool_options"] = {"cluster.server-quorum-ratio": "60%"}
    assert set(mind.run()) == {"kvm1"}
    mind.volume["servers"] = ["kvm2", "kvm3", "kvm1"]
    changed = mind.run()
    host = {"GLUSTER_HOST": {"old": "kvm1:24007", "new": "kvm2:24007"}}
    assert changed == ({"head": {"datastore_glusterds": host}} if NATIVE else {}), "mounts keep their server"
    assert not NATIVE or "existing VMs keep the old GLUSTER_HOST" in mind.comments["gluster_one_datastore_glusterds"]
    del mind.all["pool_options"]
    mind.write()
    assert set(mind.found("kvm1", "pool_option")) == {"pool"}
    ratio = {"cluster.server-quorum-ratio": {"old": "60%", "new": None}}
    assert mind.run() == {"kvm1": {"pool_options_dropped": ratio}}
    mind.volume["servers"] = list(HYPERVISORS)
    mind.run()


@pytest.mark.skipif(not NATIVE, reason="a datastore of files has no host")
def test_another_host_of_a_datastore_is_for_new_vms(mind):
    mind.stores["glusterds"] = {"host": "kvm3"}
    host = {"GLUSTER_HOST": {"old": "kvm1:24007", "new": "kvm3:24007"}}
    assert mind.run() == {"head": {"datastore_glusterds": host}}
    mind.stores["glusterds"] = {}
    mind.run()


def test_a_mount_option_that_is_dropped_goes_from_the_line(mind):
    mind.volume["mount_options"] = ["log-level=WARNING"]
    added = mind.run()
    mind.volume["mount_options"] = []
    dropped = mind.run()
    assert set(added) == set(dropped) == set(mind.fleet.lab.hosts)
    for host, changes in dropped.items():
        (before,), (after,) = added[host].values(), changes.values()
        assert after["fstab"] == {"old": before["fstab"]["new"], "new": before["fstab"]["old"]}


def test_a_mount_moves_under_what_is_open_on_it(mind):
    fleet, number = mind.fleet, str(mind.fleet.datastores()["glusterds"]["ID"])
    for old, new in ((MOUNT, "/srv/one_vol"), ("/srv/one_vol", MOUNT)):
        mind.volume["mount"] = new
        changed = mind.run()
        assert set(changed) == set(fleet.lab.hosts)
        for host in fleet.lab.hosts:
            made = changed[host]["mount_one_vol"]
            assert {"fstab", "mount", f"fstab for {old}", f"boot for {old}"} <= set(made)
            assert mind.links(host)[number] == new and set(fleet.mounts(host)) == {old, new}
        assert "also still mounted on " + old in mind.comments["gluster_one_mount_one_vol"]
        assert set(mind.found("kvm2", "mount_former")) == {old}
        remounts = fleet.apply("gluster_one.remount")
        assert set(remounts.own_failures) == ({"kvm2"} if old == MOUNT else set())
        assert is_written(fleet)
        if old == MOUNT:
            fleet.sh("kvm2", "kill $(cat /run/holder)")
            assert not fleet.apply("gluster_one.remount", on=["kvm2"]).failures
        for host in fleet.lab.hosts:
            assert set(fleet.mounts(host)) == {new} and not mind.found(host, "mount_former", "mount_place")
    assert "kept" in fleet.oned("one.image.info", mind.image, False)


def test_a_cluster_that_is_taken_away_again(mind):
    fleet = mind.fleet
    cluster = fleet.oned("one.cluster.allocate", "more")
    before = fleet.datastores()["glusterds"]["CLUSTERS"]
    mind.stores["glusterds"] = {"clusters": [0, "more"]}
    assert mind.run(["head"]) == {"head": {"datastore_glusterds": {"clusters": {"old": [0], "new": [0, cluster]}}}}
    gone = {"head": {"datastore_glusterds": {"clusters": {"old": [0, cluster], "new": [0]}}}}
    mind.stores["glusterds"] = {}
    assert mind.run(["head"]) == {}, "without the key all of them stay"
    mind.stores["glusterds"] = {"clusters": [0]}
    assert mind.run(["head"]) == gone
    assert fleet.datastores()["glusterds"]["CLUSTERS"] == before
    fleet.oned("one.cluster.adddatastore", cluster, fleet.datastores()["glusterds"]["ID"])
    assert mind.run(["head"]) == {}, "somebody else has added it"
    mind.stores["glusterds"] = {"clusters": [0], "clusters_exact": True}
    assert mind.run(["head"]) == gone
    mind.stores["glusterds"] = {}
    assert mind.run(["head"]) == {}


def test_an_attribute_that_is_dropped_stays_until_it_is_named(mind):
    added = {"NOTE": {"old": None, "new": "x"}}
    mind.stores["glusterds"] = {"attributes": {"NOTE": "x"}, "permissions": "660"}
    assert mind.run(["head"])["head"]["datastore_glusterds"].items() >= added.items()
    mind.stores["glusterds"] = {}
    assert mind.run(["head"]) == {}
    mind.stores["glusterds"] = {"absent_attributes": ["NOTE"]}
    assert mind.run(["head"]) == {"head": {"datastore_glusterds": {"NOTE": {"old": "x", "new": None}}}}
    mind.stores["glusterds"] = {}
    assert mind.run(["head"]) == {} and "NOTE" not in mind.fleet.datastores()["glusterds"]


def test_a_datastore_that_is_dropped_is_named_until_it_is_deleted(mind):
    fleet = mind.fleet
    mind.stores["brief"] = {}
    mind.make()
    number = fleet.datastores()["brief"]["ID"]
    del mind.stores["brief"]
    assert mind.run() == {}
    assert set(mind.found("head", "datastore_left")) == {"brief"} and mind.links()[str(number)] == MOUNT
    gone = mind.single("salt head state.single gluster_one.one_datastore_absent brief")
    assert set(gone) == {"datastore", f"identifier on {MOUNT}"} and "brief" not in fleet.datastores()
    assert mind.run(["head"]) == {} and not mind.found("head", "datastore_left")
    fleet.everywhere(lambda host: fleet.sh(host, f"rm {STORES}/{number}"))
    assert mind.run() == {}


def test_a_datastore_under_another_key_is_not_made_twice(mind):
    fleet = mind.fleet
    before, settings = fleet.datastores(), mind.stores.pop("glusterds")
    number = before["glusterds"]["ID"]
    mind.write()
    assert set(mind.found("head", "datastore_left")) == {"glusterds"}
    mind.stores["images"] = settings
    said = mind.refused()
    assert f"glusterds ({number}), which runs have made, is no longer in the pillar" in said
    mind.stores["images"] = {**settings, "datastore_id": number}
    changed = mind.run()
    assert set(changed) == {"head"} and set(changed["head"]) == {"datastore_images"}
    after = fleet.datastores()
    assert after.keys() == {*before, "images"} - {"glusterds"} and after["images"]["ID"] == number
    mind.stores["images"] = settings
    assert mind.run() == {} and not mind.found("head", "datastore_left")


def test_a_datastore_stays_on_its_volume(mind):
    fleet = mind.fleet
    bricks = " ".join(f"{host}:/data/two_vol" for host in HYPERVISORS)
    fleet.sh("kvm1", f"gluster --mode=script volume create two_vol replica 3 {bricks}")
    fleet.sh("kvm1", "gluster --mode=script volume start two_vol")
    two = {"servers": list(HYPERVISORS), "datastores": {}, "options": {"network.ping-timeout": 15}}
    if not NATIVE:
        two["access"] = "fuse"
    mind.all["volumes"]["two_vol"] = two
    mind.make()
    two["datastores"]["images"] = mind.stores.pop("images")
    said = mind.refused()
    assert "images and 0 VMs, and changing GLUSTER_VOLUME" in said or "does not move to another volume" in said
    two["datastores"]["images"] = {"in_use": "allow"}
    assert "a datastore does not move to another volume" in mind.refused()
    two["datastores"]["images"] = {"datastore_id": fleet.datastores()["images"]["ID"]}
    assert "a datastore does not move to another volume" in mind.refused("kvm2")
    assert any("docs/changes.md" in cure for cure in mind.found("kvm2", "blocked").values())
    # Its images go to one of the other volume.
    mind.stores["images"] = {}
    two["datastores"] = {"more_images": {}}
    mind.make()
    assert mind.links()[str(fleet.datastores()["more_images"]["ID"])] == TWO


def test_a_volume_that_is_taken_out_is_named_until_it_is_taken_away(mind):
    fleet = mind.fleet
    number = str(fleet.datastores()["more_images"]["ID"])
    del mind.all["volumes"]["two_vol"]
    before = mind.look()
    assert mind.run() == {} and mind.look() == before
    assert set(mind.found("head", "datastore_left")) == {"more_images"}
    mind.single("salt head state.single gluster_one.one_datastore_absent more_images")

    def taken_away(host):
        ((place, cure),) = mind.found(host, "mount_left").items()
        gone = mind.single(cure)
        assert place == TWO and {"mount", "boot", "fstab", f"{STORES}/{number}"} <= set(gone)
        assert number not in mind.links(host) and set(fleet.mounts(host)) == {MOUNT}
        assert not mind.found(host, "mount_left", "datastore_left")

    fleet.everywhere(taken_away)
    cures = {host: mind.found(host, "volume_left") for host in HYPERVISORS}
    assert [set(cure) for cure in cures.values()] == 3 * [{"two_vol"}]
    gone = mind.single(cures["kvm1"]["two_vol"])
    assert gone["network.ping-timeout"] == {"old": "15", "new": None}
    assert set(mind.single("salt kvm1 state.single gluster_one.volume_files_absent two_vol")) == {"files"}
    assert not any(mind.found(host, "volume_left") for host in HYPERVISORS)
    assert "ping-timeout" not in fleet.sh("kvm1", "gluster --mode=script volume info two_vol")
    assert mind.run() == {}


def test_another_user_is_one_that_opennebula_runs_as(mind):
    """The volume's root gets that owner, and no file."""
    fleet = mind.fleet
    files = [MOUNT, f"{STORES}/{mind.number}/held"]
    owners = lambda: [fleet.sh("kvm2", f"stat -c %U {path}").strip() for path in files]  # noqa: E731
    before = owners()
    assert before[0] == "oneadmin"
    mind.all["user"] = "nosuch"
    assert "gluster_one:user is 'nosuch': there is no such account on kvm2" in mind.refused("kvm2")
    mind.all["user"] = "daemon"
    for host in fleet.lab.hosts:
        wrong = f"gluster_one:user is 'daemon', and {STORES} on {host} belongs to oneadmin: give the account that"
        assert wrong in mind.refused(host)
    theirs = "find /var/lib/one -user {} -exec chown -h {} {{}} +"
    fleet.everywhere(lambda host: fleet.sh(host, theirs.format("oneadmin", "daemon")))
    owner = {"old": "9869", "new": "1"}
    assert mind.run() == {"kvm1": {"volume_one_vol": {"storage.owner-uid": owner}}}
    assert owners() == ["daemon", *before[1:]] and is_written(fleet)
    fleet.everywhere(lambda host: fleet.sh(host, theirs.format("daemon", "oneadmin")))
    assert "belongs to oneadmin" in mind.refused("kvm1")
    del mind.all["user"]
    back = {"kvm1": {"volume_one_vol": {"storage.owner-uid": {"old": "1", "new": "9869"}}}}
    assert mind.run() == back
    assert owners() == before and is_written(fleet)
    # A volume's own uid is not compared: where user cannot write then, the mount says so.
    mind.volume["uid"] = 1
    mind.write()
    for host in ("kvm1", "kvm2", "head"):
        assert "oneadmin could not write in" in str(fleet.apply(on=[host]).own_failures[host])
    del mind.volume["uid"]
    assert mind.run() == back
    assert owners() == before and is_written(fleet)


def test_another_directory_of_datastores_gets_links_and_the_old_ones_stay(mind):
    fleet = mind.fleet
    before = {host: mind.links(host) for host in fleet.lab.hosts}
    mind.all["datastores_dir"] = "/srv/stores"
    for host in ("kvm2", "head"):
        assert "/srv/stores is not there; OpenNebula's packages make its own" in mind.refused(host)
    fleet.everywhere(lambda host: fleet.sh(host, "install -d -o oneadmin -g oneadmin /srv/stores"))
    changes = mind.run()
    assert set(changes) == set(fleet.lab.hosts)
    for host in fleet.lab.hosts:
        new = fleet.sh(host, "cd /srv/stores; for link in *; do echo $link $(readlink $link); done").splitlines()
        assert dict(line.split() for line in new) == mind.links(host) == before[host]
    del mind.all["datastores_dir"]
    assert mind.run() == {} and is_written(fleet)
    fleet.everywhere(lambda host: fleet.sh(host, "rm -r /srv/stores"))


# The roles of a minion of its own, beside the head's.
TOP = """
base:
  '*':
    - gluster_one
  {}:
    - gluster_one_head
  {}:
    - gluster_one_other
"""


def test_a_node_that_is_no_hypervisor_any_more(mind):
    fleet = mind.fleet
    other = {"gluster_one": {"roles": ["server"]}}
    with fleet.pillar(top=TOP.format("head", "kvm2"), gluster_one_other=other):
        before = mind.look()
        assert mind.run() == {} and mind.look() == before
        ((place, cure),) = mind.found("kvm2", "mount_left").items()
        assert place == MOUNT
        fleet.sh("kvm2", "kill $(cat /run/holder) || true")
        fleet.sh("kvm2", f"systemd-run --quiet --unit=user sh -c 'exec 3>{MOUNT}/used; exec sleep 999'; sleep 0.5")
        words = shlex.split(cure[cure.index("salt ") :])[1:]
        used = Run(fleet.salt(*words))
        assert "sleep (" in str(used.failures) and used.changes == {} and MOUNT in fleet.mounts("kvm2")
        fleet.sh("kvm2", f"systemctl stop user; rm {MOUNT}/used")
        assert {"mount", "boot", "fstab", "directory"} <= set(mind.single(cure))
        assert not fleet.mounts("kvm2") and not mind.links("kvm2") and all(fleet.bricks().values())
        assert not mind.found("kvm2", "mount_left") and mind.run() == {}
    assert set(mind.run()) == {"kvm2"} and fleet.mounts("kvm2").keys() == {MOUNT} and mind.links("kvm2")


# The new front end has OpenNebula's database and configuration; here it asks the old one's oned.
FORWARD = "socat TCP-LISTEN:{},reuseaddr,fork TCP:{}:{}"


def test_another_head_finds_the_datastores_by_their_names(mind):
    fleet = mind.fleet
    secret = fleet.sh("head", "cat /var/lib/one/.one/one_auth").strip()
    fleet.sh("kvm3", "install -d -o oneadmin -m 700 /var/lib/one/.one")
    fleet.sh("kvm3", f"umask 077; echo '{secret}' >/var/lib/one/.one/one_auth; chown oneadmin: /var/lib/one/.one/*")
    fleet.sh("head", f"systemd-run --quiet --unit=forward {FORWARD.format(2634, '127.0.0.1', 2633)}")
    fleet.sh("kvm3", f"systemd-run --quiet --unit=forward {FORWARD.format(2633, 'head', 2634)}")
    there = lambda: fleet.lab.exec("kvm3", "curl", "-s", "http://127.0.0.1:2633/").returncode == 0  # noqa: E731
    wait_for("oned on the new head", there, 30)
    before, both = fleet.datastores(), {"gluster_one": {"roles": ["head", "hypervisor"]}}
    with fleet.pillar(top=TOP.format("kvm3", "head"), gluster_one_head=both, gluster_one_other={}):
        assert mind.run() == {}
        assert fleet.datastores() == before and is_written(fleet)
        mind.stores["later"] = {}
        mind.make()
        number = str(fleet.datastores()["later"]["ID"])
        assert all(mind.links(host)[number] == MOUNT for host in fleet.lab.hosts)
    assert mind.run() == {} and fleet.datastores().keys() == {*before, "later"}
    fleet.everywhere(lambda host: fleet.sh(host, "systemctl stop forward || true"), ["head", "kvm3"])


def test_a_server_that_is_taken_out_of_servers_is_no_longer_mounted_from(mind):
    mind.volume["servers"] = ["kvm2", "kvm3"]
    changed = mind.run()
    assert all("fstab" in changed[host]["mount_one_vol"] for host in mind.fleet.lab.hosts)
    assert "kvm1" in mind.comments["gluster_one_mount_one_vol"]
    mind.volume["servers"] = list(HYPERVISORS)
    mind.run()


def test_options_of_a_group_that_is_dropped(mind):
    """Those of virt are what images are stored by, and stay; those of another one go."""
    mind.volume["group"] = "metadata-cache"
    (added,) = mind.run(["kvm1"])["kvm1"].values()
    del mind.volume["group"]
    (gone,) = mind.run(["kvm1"])["kvm1"].values()
    assert gone == {option: {"old": change["new"], "new": change["old"]} for option, change in added.items()}
    mind.volume["group"] = "virt"
    mind.run(["kvm1"])
    options = mind.options()
    del mind.volume["group"]
    assert mind.run(["kvm1"]) == {} and mind.options() == options
    assert "options of the group virt, which runs have set, stay" in mind.comments["gluster_one_volume_one_vol"]


AGAIN = "/var/lib/gluster_one/again_vol"


def test_a_volume_made_anew_is_another_one_until_the_pillar_has_its_identifier(mind):
    """As is the one of that name of another site, which the pillar's servers lead to."""
    fleet, again = mind.fleet, {"servers": list(HYPERVISORS), "datastores": {}}

    def gluster(words):
        return fleet.sh("kvm1", f"gluster --mode=script volume {words}")

    def made(directory):
        bricks = " ".join(f"{host}:/data/{directory}" for host in HYPERVISORS)
        gluster(f"create again_vol replica 3 {bricks}")
        gluster("start again_vol")
        return re.search(r"^Volume ID: (\S+)$", gluster("info again_vol"), re.M)[1]

    first = made("again_1")
    mind.all["volumes"]["again_vol"] = again if NATIVE else {**again, "access": "fuse"}
    mind.make()
    gluster("stop again_vol")
    gluster("delete again_vol")
    second = made("again_2")
    fleet.everywhere(lambda host: fleet.sh(host, f"umount -l {AGAIN}"))
    for host in HYPERVISORS:
        said = mind.refused(host)
        assert f"has the id {second}, and {host} has used one with the id {first} until now" in said
        assert AGAIN not in fleet.mounts(host)
    assert "owner-uid" not in gluster("info again_vol")
    # A node that serves none of its bricks knows once the volume is mounted, and does no more with it. The other site's
    # has its owner.
    gluster("set again_vol storage.owner-uid 9869")
    gluster("set again_vol storage.owner-gid 9869")
    head = fleet.apply(on=["head"])
    assert any(f"has the id {second}" in text for text in head.own_failures["head"].values()), head.failures
    mind.all["volumes"]["again_vol"]["id"] = second
    mind.make()
    assert all(AGAIN in fleet.mounts(host) for host in fleet.lab.hosts)
    del mind.all["volumes"]["again_vol"]["id"]
    assert mind.run() == {}
