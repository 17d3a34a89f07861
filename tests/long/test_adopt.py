"""Fleets that somebody set up by hand: the pillar that `gluster_one.adopt` prints for each, and a run with it."""

import re

import pytest
import yaml

from lab.system import wait_for
from tests.fleet.fleet import HYPERVISORS, STORES
from tests.fleet.fleet import MOUNT as PLACE
from tests.fleet.load import HOLDER

pytestmark = pytest.mark.timeout(900)

VOLUME = "gluster --mode=script volume"
GUIDE = f"{STORES}/0"
IMAGES = """
NAME = "by_hand"
TYPE = IMAGE_DS
DS_MAD = {ds_mad}
TM_MAD = shared
DISK_TYPE = GLUSTER
GLUSTER_HOST = "{host}"
GLUSTER_VOLUME = {volume}
{more}
"""


class ByHand:
    """A fleet with one_vol mounted somewhere and datastores that lead to it; what uses it while the run goes on."""

    def __init__(self, fleet):
        self.fleet, self.mounted = fleet, {}
        fleet.stage = "used"
        script = f"""
            {VOLUME} set one_vol server.allow-insecure on
            {VOLUME} set one_vol storage.owner-uid 9869
            {VOLUME} set one_vol storage.owner-gid 9869
        """
        fleet.sh("kvm1", script)
        # Bricks that rejected clients before still do, and so do self-heal daemons.
        for pattern in ("-x glusterfsd", "-f '[g]lustershd'"):
            for host in HYPERVISORS:
                fleet.sh(host, f"pkill -9 {pattern}; sleep 1; {VOLUME} start one_vol force")
            wait_for("every brick", lambda: all(fleet.bricks().values()), 30)
        for host in fleet.lab.hosts:  # no modules, no cache, no pillar: as before the formula
            fleet.sh(host, "sed -i /glusterfs/d /etc/fstab")

    def mount(self, host, path, options="", server="kvm1", fstab=None):
        command = f"mount -t glusterfs {f'-o {options}' if options else ''} {server}:/one_vol {path}"
        self.fleet.sh(host, f"rmdir {path} 2>/dev/null || true; mkdir -p {path}")
        if fstab is not None:
            self.fleet.sh(host, f"echo '{server}:/one_vol {path} glusterfs {fstab} 0 0' >> /etc/fstab; mount {path}")

        def there():
            self.fleet.sh(host, f"mountpoint -q {path} || {command}", check=False)
            return self.fleet.lab.exec(host, "stat", "-f", path).returncode == 0

        wait_for(f"the mount on {host}", there, 60, every=1)
        self.mounted[host] = path

    def link(self, host, number, target):
        path = f"{STORES}/{number}"
        self.fleet.sh(host, f"rm -rf {path}; ln -snT {target} {path}; chown -h oneadmin: {path}")

    def images(self, host="kvm1:24007", ds_mad="shared", volume="one_vol", more=""):
        """The image datastore, as somebody typed it in."""
        text = IMAGES.format(host=host, ds_mad=ds_mad, volume=volume, more=more)
        return self.fleet.oned("one.datastore.allocate", text, 0)

    def use(self):
        """Open a file on each mount, and an image over gluster:// that is read once more after the runs."""
        path = self.mounted["head"]
        image = f"{path}/held"
        make = f"qemu-img create -q -f raw {image} 1M && qemu-io -f raw -c 'write -P 0xab 0 1M' {image}"
        self.fleet.sh("head", make, user="oneadmin")
        run = ("systemd-run", "--quiet", "--uid=oneadmin")
        for host, where in self.mounted.items():
            self.fleet.lab.exec(host, *run, "--unit=holder", "python3", "-c", HOLDER, where, check=True)
        native = (
            "(until test -e /run/let-go; do sleep 0.2; done; echo 'read -P 0xab 0 1M'; echo quit)"
            " | qemu-io -r -f raw gluster://kvm2/one_vol/held"
        )
        wait_for("a native read", lambda: "read 512/512" in self.fleet.disk_read("kvm3", "held", "read 0 512"), 60)
        self.fleet.lab.exec("kvm3", *run, "--unit=native", "sh", "-c", native, check=True)
        wait_for("the native open", lambda: self.fleet.sh("kvm3", "pgrep -x qemu-io", check=False), 30)

    def adopt(self):
        """What the runner prints, and the pillar in it."""
        for host in self.fleet.lab.hosts:
            self.fleet.sh(host, "rm -rf /var/cache/salt/minion/extmods/*/gluster_one_adopt.py")
        done = self.fleet.lab.run("gluster_one.adopt")
        self.fleet.transcript.append(f"$ salt-run gluster_one.adopt\n{done.stdout}{done.stderr}\n")
        assert done.returncode == 0 and done.stdout.startswith("#!yaml\n"), done.stdout + done.stderr
        self.text = done.stdout
        self.said = " ".join(each.strip().lstrip("#").strip() for each in self.text.splitlines() if "#" in each)
        return yaml.safe_load(self.text)["gluster_one"]

    def state(self):
        """The processes and mounts that must stay."""
        fleet = self.fleet
        return {
            "mounts": {host: fleet.mounts(host) for host in fleet.lab.hosts},
            "clients": {host: fleet.pids(host, "glusterfs", path) for host, path in self.mounted.items()},
            "bricks": fleet.bricks(),
            "glusterd": {host: fleet.pids(host, "glusterd") for host in HYPERVISORS},
        }

    def runs(self):
        """Apply what was printed, as it was printed; the prediction, the run and the run after it."""
        before = self.state()
        text = self.text.replace("gluster_one:\n", "gluster_one:\n  beacon: false\n", 1)
        with self.fleet.pillar(gluster_one=text):
            predicted = self.fleet.apply(test=True)
            assert self.state() == before
            run = self.fleet.apply()
            after = self.state()
            again = self.fleet.apply()
        assert (predicted.failures, run.failures, again.failures) == ({}, {}, {})
        assert again.changes == {}
        assert _named(run.changes) == _named(predicted.changes)
        assert all(before["clients"].values()) and all(before["bricks"].values())
        for host, mounts in after.pop("mounts").items():
            assert before["mounts"][host].items() <= mounts.items()
            assert set(mounts) - set(before["mounts"][host]) <= {PLACE}
        before.pop("mounts")
        assert after == before
        return run

    def let_go(self):
        """What was open was usable throughout, and what was written is there."""
        fleet = self.fleet
        for host in self.mounted:
            assert fleet.sh(host, "systemctl is-active holder").strip() == "active"
        for host in {*self.mounted, "kvm3"}:
            fleet.sh(host, "touch /run/let-go")
        said = "journalctl -u holder -o cat"
        for host in self.mounted:
            wait_for(f"the holder on {host}", lambda host=host: "wrote" in fleet.sh(host, said), 20)
            (times,) = re.findall(r"wrote (\d+) times", fleet.sh(host, said))
            other = "kvm1" if host != "kvm1" else "kvm2"
            assert int(fleet.sh(other, f"head -c 8 {self.mounted[other]}/held-{host}")) == int(times) - 1
        native = lambda: fleet.sh("kvm3", "journalctl -u native -o cat")  # noqa: E731
        wait_for("the native read", lambda: "read 1048576/1048576" in native(), 90)
        assert "failed" not in native()


def _named(changes):
    """What changes, by minion and state; an identifier is predicted as one that is not known yet."""
    return {minion: {name: set(what) for name, what in each.items()} for minion, each in changes.items()}


@pytest.fixture
def by_hand(_fleet):
    _fleet.new()
    return ByHand(_fleet)


def remarks(hand, *texts):
    assert [text for text in texts if text not in hand.said] == [], hand.text


def test_the_guides_own_way(by_hand):
    """Mounted on the directory of datastore 0 without fstab, the others as links to it, DS_MAD = shared."""
    fleet = by_hand.fleet
    fleet.oned("one.datastore.update", 0, "TM_MAD=shared", 1)
    store = by_hand.images(more='CLONE_TARGET="SYSTEM"\nLN_TARGET="NONE"')
    for host in fleet.lab.hosts:
        by_hand.mount(host, GUIDE)
        fleet.sh(host, f"chown oneadmin: {GUIDE}")
        by_hand.link(host, 1, GUIDE)
        by_hand.link(host, store, GUIDE)
    by_hand.use()
    found = by_hand.adopt()
    stores = {"system": {"datastore_id": 0, "type": "SYSTEM_DS"}, "by_hand": {"datastore_id": store}}
    assert found == {"volumes": {"one_vol": {"servers": list(HYPERVISORS), "datastores": stores}}}
    remarks(
        by_hand,
        "head, kvm1, kvm2, kvm3: /etc/fstab does not have the mount of volume one_vol",
        "kvm1, kvm2, kvm3: glusterd.vol has no `option rpc-auth-allow-insecure on`",
        f"datastore by_hand ({store}) has DS_MAD shared, and oned runs no such driver",
        f"datastore by_hand ({store}) has no DRIVER",
    )
    changes = by_hand.runs().changes
    assert set(changes["head"]["gluster_one_datastore_by_hand"]) >= {"DS_MAD", "DRIVER"}
    assert "gluster_one_volume_one_vol" not in changes["kvm1"]
    by_hand.let_go()


def test_mounted_on_each_datastores_own_directory(by_hand):
    """From fstab, each node by another server or an address and with options of its own; options were typed in."""
    fleet = by_hand.fleet
    fleet.oned("one.datastore.update", 0, "TM_MAD=shared", 1)
    fleet.sh("kvm2", f"{VOLUME} set one_vol group virt; {VOLUME} set one_vol network.ping-timeout 10")
    store = by_hand.images(host="kvm2 kvm1:24007", ds_mad="fs", more="DRIVER = qcow2")
    address = fleet.sh("kvm2", "getent hosts kvm2 | cut -d' ' -f1").strip()
    servers = {"head": "kvm3", "kvm1": "kvm1", "kvm2": address, "kvm3": "kvm2"}
    for host, server in servers.items():
        options = "defaults,_netdev,log-level=WARNING" + (",acl" if host == "kvm1" else "")
        for number in (0, store):
            by_hand.mount(host, f"{STORES}/{number}", server=server, fstab=options)
    by_hand.use()
    found = by_hand.adopt()
    stores = {
        "system": {"datastore_id": 0, "type": "SYSTEM_DS"},
        "by_hand": {"datastore_id": store, "host": ["kvm2", "kvm1"], "driver": "qcow2"},
    }
    assert found["volumes"]["one_vol"] == {
        "servers": list(HYPERVISORS), "mount_options": ["log-level=WARNING"], "group": "virt",
        "options": {"network.ping-timeout": "10"}, "datastores": stores,
    }  # fmt: skip
    remarks(by_hand, "kvm1: its line of /etc/fstab has acl", "without backup-volfile-servers")
    changes = by_hand.runs().changes
    assert set(changes["head"]["gluster_one_datastore_by_hand"]) <= {"identifier", "link"}
    assert "gluster_one_volume_one_vol" not in changes["kvm1"]
    by_hand.let_go()


def test_several_volumes_by_names_with_a_domain(by_hand):
    """Mounted where only root can write, without fstab; the second volume knows its servers by their long names."""
    fleet = by_hand.fleet
    for host in fleet.lab.hosts:
        fleet.sh(host, r"sed -i -E 's/ (kvm[123])$/ \1 \1.example.com/' /etc/hosts")
    bricks = " ".join(f"{host}.example.com:/data/two_vol" for host in HYPERVISORS[1:])
    options = "server.allow-insecure on storage.owner-uid 9869 storage.owner-gid 9869"
    fleet.sh(
        "kvm2", f"{VOLUME} create two_vol replica 2 {bricks}; {VOLUME} set two_vol {options}; {VOLUME} start two_vol"
    )
    fleet.oned("one.datastore.update", 0, "TM_MAD=shared", 1)
    store = by_hand.images(ds_mad="fs", more="DRIVER = raw")
    other = IMAGES.format(host="kvm3.example.com", ds_mad="fs", volume="two_vol", more="DRIVER = raw")
    other = fleet.oned("one.datastore.allocate", other.replace("by_hand", "second"), 0)
    for host in fleet.lab.hosts:
        by_hand.mount(host, "/srv/one", server="kvm2.example.com")
        fleet.sh(host, "mkdir -p /srv/two; mount -t glusterfs kvm3:/two_vol /srv/two")
        for number, target in ((0, "/srv/one"), (store, "/srv/one"), (other, "/srv/two")):
            by_hand.link(host, number, target)
    by_hand.use()
    found = by_hand.adopt()
    assert found["volumes"] == {
        "one_vol": {
            "servers": list(HYPERVISORS), "mount": "/srv/one",
            "datastores": {
                "system": {"datastore_id": 0, "type": "SYSTEM_DS"}, "by_hand": {"datastore_id": store},
            },
        },
        "two_vol": {
            "servers": ["kvm2.example.com", "kvm3.example.com"], "mount": "/srv/two",
            "datastores": {"second": {"datastore_id": other, "host": "kvm3.example.com"}},
        },
    }  # fmt: skip
    changes = by_hand.runs().changes
    assert all("mount" not in changes[host].get("gluster_one_mount_one_vol", {}) for host in fleet.lab.hosts)
    by_hand.let_go()


def test_a_directory_of_a_volume_is_said_and_left(by_hand):
    fleet = by_hand.fleet
    fleet.sh("kvm1", "mount -t glusterfs kvm1:/one_vol /mnt; mkdir /mnt/sub; chown oneadmin: /mnt/sub; umount /mnt")
    store = by_hand.images(ds_mad="fs", volume="one_vol/sub")
    for host in fleet.lab.hosts:
        fleet.sh(host, f"rmdir {STORES}/{store} 2>/dev/null || true; mkdir -p {STORES}/{store}")
        fleet.sh(host, f"mount -t glusterfs kvm1:/one_vol/sub {STORES}/{store}")
    done = fleet.lab.run("gluster_one.adopt")
    assert yaml.safe_load(done.stdout) is None, done.stdout
    assert f"datastore by_hand ({store}) has GLUSTER_VOLUME one_vol/sub" in done.stdout
