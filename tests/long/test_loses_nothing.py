"""What holds data, or belongs to somebody else, is named and left as it is; the rest of the fleet goes on."""

import pytest

from tests.fleet.fleet import STORES, changed

TWO = "/srv/two"


@pytest.fixture(scope="module")
def run(fleet_of_module):
    """A new datastore, and a new volume on /srv/two, with something in the way on each host; before, the run, after."""
    fleet = fleet_of_module
    new = max(store["ID"] for store in fleet.datastores().values()) + 1
    gluster = "gluster --mode=script volume"
    fleet.sh("kvm1", f"{gluster} create two_vol kvm1:/data/two_vol force && {gluster} start two_vol", timeout=60)
    fleet.sh("kvm1", f"mkdir {STORES}/{new} && cd {STORES}/{new} && touch 0f3a 1b7c 9d21", user="oneadmin")
    fleet.sh("kvm2", f"ln -s /srv/elsewhere {STORES}/{new}", user="oneadmin")
    fleet.sh("kvm2", f"mkdir -p {TWO} && mount -t glusterfs kvm2:/one_vol {TWO}")
    fleet.sh("kvm3", f"mkdir -p {TWO} && echo 'filer:/export {TWO} nfs noauto 0 0' >>/etc/fstab")
    fleet.sh("head", f"mkdir -p {TWO} && echo important >{TWO}/letter")
    before = {host: fleet.tree(host) for host in fleet.lab.hosts}
    two = {"servers": ["kvm1", "kvm2", "kvm3"], "mount": TWO}
    pillar = changed(datastores={"archive": {"type": "SYSTEM_DS"}}, volumes={"two_vol": two}, timeout=20)
    with fleet.pillar(pillar):
        fleet.stage = "used"
        done = fleet.apply()
        again = fleet.apply(test=True)
    assert fleet.datastores()["archive"]["ID"] == new
    after = {host: fleet.tree(host) for host in fleet.lab.hosts}
    yield {"run": done, "again": again, "before": before, "after": after, "path": f"{STORES}/{new}"}
    # Out of the way, and all is as it was but for a datastore and a volume that nobody uses.
    fleet.sh("kvm1", f"rm {STORES}/{new}/0f3a {STORES}/{new}/1b7c {STORES}/{new}/9d21 && rmdir {STORES}/{new}")
    fleet.sh("kvm2", f"rm {STORES}/{new}")
    for host in fleet.lab.hosts:
        fleet.sh(host, f"if mountpoint -q {TWO}; then umount {TWO}; fi; sed -i '\\|{TWO}|d' /etc/fstab")
        fleet.sh(host, "systemctl daemon-reload")
    fleet.stage = "doubtful"


CASES = {
    "directory with files": ("kvm1", "gluster_one_mount_one_vol", "{path} holds 3 files (0f3a, 1b7c, 9d21) and cannot"),
    "link to elsewhere": ("kvm2", "gluster_one_mount_one_vol", "{path} is a link to /srv/elsewhere and cannot"),
    "other volume mounted": (
        "kvm2",
        "gluster_one_mount_two_vol",
        "kvm2:/one_vol (fuse.glusterfs) is mounted on /srv/two",
    ),
    "line in fstab": ("kvm3", "gluster_one_mount_two_vol", "/etc/fstab mounts filer:/export (nfs) on /srv/two"),
    "mount point with files": (
        "head",
        "gluster_one_mount_two_vol",
        "/srv/two cannot be mounted on: it holds 1 file (letter)",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_error_names_what_is_in_the_way(run, case):
    host, state, text = CASES[case]
    comment = run["run"].failures[host][state]
    assert comment.startswith(text.format(path=run["path"]))
    assert any(word in comment for word in ("move", "remove", "unmount"))
    assert "\n" not in comment


@pytest.mark.parametrize("case", CASES)
def test_prediction_gives_the_same_error(run, case):
    host, state, text = CASES[case]
    assert run["again"].failures[host][state].startswith(text.format(path=run["path"]))


def test_nothing_else_fails(run):
    assert {(host, state) for host, states in run["run"].own_failures.items() for state in states} == {
        (host, state) for host, state, _ in CASES.values()
    }


def test_nothing_that_holds_data_is_touched(run):
    for host, top in {"kvm1": run["path"], "kvm2": run["path"], "head": TWO, "kvm3": TWO}.items():
        before, after = (
            {path: what for path, what in run[moment][host].items() if f"/{path}/".startswith(f"{top}/")}
            for moment in ("before", "after")
        )
        assert after == before != {}
        if host != "kvm1":  # where two_vol was mounted
            assert run["after"][host]["etc/fstab"] == run["before"][host]["etc/fstab"]
