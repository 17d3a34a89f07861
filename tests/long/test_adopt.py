"""Fleets that somebody set up by hand: the pillar that `gluster_one.adopt` prints for each, and a run with it."""

import re

import pytest
import yaml

from lab import files
from lab.commands import CHECKOUT
from lab.system import wait_for
from tests.fleet.fleet import HYPERVISORS, STORES
from tests.fleet.fleet import MOUNT as PLACE
from tests.fleet.load import HOLDER

pytestmark = pytest.mark.timeout(900)

VOLUME = "gluster --mode=script volume"
ADOPT = " ".join((CHECKOUT / "docs/adopt.md").read_text().split())
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


# What somebody, or a run, changes on a host's own disk, as it was before the first fleet.
KEPT = "etc/fstab etc/hosts etc/glusterfs etc/systemd/system"
SAVE = f"tar -C / -cf /var/lib/kept.tar {KEPT}"
END = """
touch /run/let-go
systemctl stop 'holder*' 'native*' || true
systemctl reset-failed
for path in $(awk '$3 == "fuse.glusterfs" {print $2}' /proc/mounts); do umount -l $path; done
rm -f /run/let-go
"""
SET_BACK = f"""
cd / && rm -rf etc/glusterfs etc/systemd/system && tar -xf /var/lib/kept.tar
rm -rf /var/lib/gluster_one /srv/* /var/cache/salt/minion/extmods/* /var/cache/salt/minion/datastore
systemctl daemon-reload
cd {STORES} && find . -mindepth 1 -maxdepth 1 -type l -delete
find . -mindepth 1 -maxdepth 1 -type d -empty -delete
"""


class ByHand:
    """A fleet with one_vol mounted somewhere and datastores that lead to it; what uses it while the run goes on."""

    def __init__(self, fleet):
        self.fleet, self.mounted, self.number, self.registered, self.added = fleet, {}, 0, [], None
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
            fleet.sh(host, f"sed -i /glusterfs/d /etc/fstab; {SAVE}")
        self.own = {store["ID"]: store for store in fleet.datastores().values()}

    def set_back(self):
        """The next fleet: nothing is mounted, and nobody knows anything of the last one."""
        fleet = self.fleet
        fleet.everywhere(lambda host: fleet.sh(host, END))
        for image in self.registered:
            fleet.oned("one.image.delete", image)
        if self.added is not None:
            fleet.oned("one.host.delete", self.added)
        for store in [store["ID"] for store in fleet.datastores().values() if store["ID"] not in self.own]:
            fleet.oned("one.datastore.delete", store)
        for number, store in self.own.items():
            text = "\n".join(f'{key}="{value}"' for key, value in store.items() if key not in ("ID", "CLUSTERS"))
            fleet.oned("one.datastore.update", number, text, 0)
        script = f"""
            mount -t glusterfs kvm1:/one_vol /mnt
            find /mnt -mindepth 1 -delete
            umount /mnt
            for name in $({VOLUME} list | grep -v one_vol); do {VOLUME} stop $name force; {VOLUME} delete $name; done
            {VOLUME} reset one_vol
            {VOLUME} set one_vol server.allow-insecure on storage.owner-uid 9869 storage.owner-gid 9869
        """
        fleet.sh("kvm1", script)
        fleet.everywhere(lambda host: fleet.sh(host, SET_BACK))
        self.mounted, self.registered, self.added, self.number = {}, [], None, self.number + 1
        return self

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
        self.fleet.sh("head", f"head -c 3000000 /dev/urandom >{path}/kept", user="oneadmin")
        self.sum = self.fleet.sh("head", f"sha256sum <{path}/kept")
        run = ("systemd-run", "--quiet", "--uid=oneadmin")
        for host, where in self.mounted.items():
            self.fleet.lab.exec(host, *run, f"--unit=holder{self.number}", "python3", "-c", HOLDER, where, check=True)
        native = (
            "(until test -e /run/let-go; do sleep 0.2; done; echo 'read -P 0xab 0 1M'; echo quit)"
            " | qemu-io -r -f raw gluster://kvm2/one_vol/held"
        )
        wait_for("a native read", lambda: "read 512/512" in self.fleet.disk_read("kvm3", "held", "read 0 512"), 60)
        self.fleet.lab.exec("kvm3", *run, f"--unit=native{self.number}", "sh", "-c", native, check=True)
        wait_for("the native open", lambda: self.fleet.sh("kvm3", "pgrep -x qemu-io", check=False), 30)

    def adopt(self):
        """What the runner prints, and the pillar in it."""
        for host in self.fleet.lab.hosts:
            self.fleet.sh(host, "rm -rf /var/cache/salt/minion/extmods/*/gluster_one_adopt.py")
        with self.fleet.pillar(gluster_one={}, gluster_one_head={}):  # it needs none
            self.fleet.lab.call("*", "saltutil.refresh_pillar", "wait=True")
            done = self.fleet.lab.run("gluster_one.adopt")
        self.fleet.transcript.append(f"$ salt-run gluster_one.adopt\n{done.stdout}{done.stderr}\n")
        assert done.returncode == 0 and done.stdout.startswith("#!yaml\n"), done.stdout + done.stderr
        self.text = done.stdout
        self.remarks = _remarks(self.text)
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
        printed = _files(self.text)
        assert set(printed) == {"top", "gluster_one", "gluster_one_head"}
        everyone = printed["gluster_one"].replace("gluster_one:\n", "gluster_one:\n  beacon: false\n", 1)
        with self.fleet.pillar(**{**printed, "gluster_one": everyone}):
            predicted = self.fleet.apply(test=True)
            assert self.state() == before
            run = self.fleet.apply()
            after = self.state()
            again = self.fleet.apply()
        assert (predicted.failures, run.failures, again.failures) == ({}, {}, {})
        assert again.changes == {}
        assert run.changes == _with_ids(predicted.changes, run.changes)
        assert self.unannounced(run.changes) == [], self.text
        assert all(before["clients"].values()) and all(before["bricks"].values())
        for host, mounts in after.pop("mounts").items():
            assert before["mounts"][host].items() <= mounts.items()
            assert set(mounts) - set(before["mounts"][host]) <= {PLACE, *self.mounted.values()}
        before.pop("mounts")
        assert after == before
        return run

    def unannounced(self, changes):
        """Which changes of the first run neither what was printed nor docs/adopt.md names for the minion."""
        found = []
        for minion, states in changes.items():
            own = [text for minions, text in self.remarks if not minions or minion in minions]
            for state, each in states.items():
                for label, change in each.items():
                    words = _announcements(state, label, change)
                    if words is None or not all(any(re.search(word, text) for text in own) for word in words):
                        found.append((minion, state, label, change))
        return found

    def let_go(self):
        """What was open was usable throughout, and what was written is there."""
        fleet = self.fleet
        for host in self.mounted:
            assert fleet.sh(host, f"systemctl is-active holder{self.number}").strip() == "active"
        for host in {*self.mounted, "kvm3"}:
            fleet.sh(host, "touch /run/let-go")
        said = f"journalctl -u holder{self.number} -o cat"
        for host in self.mounted:
            wait_for(f"the holder on {host}", lambda host=host: "wrote" in fleet.sh(host, said), 20)
            (times,) = re.findall(r"wrote (\d+) times", fleet.sh(host, said))
            other = "kvm1" if host != "kvm1" else "kvm3"
            assert int(fleet.sh(other, f"head -c 8 {self.mounted[other]}/held-{host}")) == int(times) - 1
            assert fleet.sh(host, f"sha256sum <{self.mounted[host]}/kept") == self.sum
        native = lambda: fleet.sh("kvm3", f"journalctl -u native{self.number} -o cat")  # noqa: E731
        wait_for("the native read", lambda: "read 1048576/1048576" in native(), 90)
        assert "failed" not in native()


# What is announced before each run: the sentence of docs/adopt.md, and the state and label of what it stands for.
EVERY_FIRST_RUN = {
    "a drop-in with which bricks outlive a restart of glusterd": ("gluster_one_bricks_kept", ".*"),
    "the service that mounts after a boot": ("gluster_one_mount_.*", "boot"),
    "the datastores' identifiers, in `.gluster_one` on the volume": ("gluster_one_datastore_.*", "identifier"),
    "the volume's identifier": ("gluster_one_(mount|volume)_.*_known", ".*"),
}
AS_WELL = "mounts? it on {place} as well"
NEW_MOUNT = rf"volume {{volume}} is not mounted: the run mounts it|{AS_WELL}|each gets a mount on {{place}}"
OPTIONS = {
    "nosuid": "a mount of volume {volume} lacks [a-z, ]*nosuid.*: the run sets that",
    "nodev": "a mount of volume {volume} lacks [a-z, ]*nodev.*: the run sets that",
    "backup-volfile-servers": "mounts volume {volume} without backup-volfile-servers: the run adds them",
}


def _announcements(state, label, change):
    """Patterns, each of which a remark has to fit; None for a change of which no remark speaks."""
    for words, (of, named) in EVERY_FIRST_RUN.items():
        if re.fullmatch(of, state) and re.fullmatch(named, label):
            return [] if words in ADOPT else None
    kind, _, name = state.removeprefix("gluster_one_").partition("_")
    old, new, about = change["old"], change["new"], {"volume": name, "place": "/[^ ]+"}
    if kind == "glusterd":
        return [rf"glusterd.vol has no `option {label} {new}`: the run writes it"]
    if kind in ("datastore", "mount") and label.startswith(("link", "/")):
        path, _, place = new.partition(" -> ")
        made = rf"{re.escape(path)} of datastore \S+ .*: the run makes it a link"
        return [f"{made}|{AS_WELL.format(place=re.escape(place))}.* and exchanges the links"]
    if kind == "datastore":
        return [rf"datastore {name} \(\d+\) has (no {label}|{label} {old})\b.*: the run sets {new}\b"]
    if kind == "volume":
        return [
            rf"volume {name} has (no {label}|{label} {old}|{label} by Gluster's default alone)\b.*: the run sets it"
        ]
    if kind != "mount":
        return None
    if label in ("mount", "directory"):
        return [NEW_MOUNT.format(**about)]
    if label == "flags":
        return [OPTIONS[flag].format(**about) for flag in new.split(",")]
    if label.startswith("fstab for "):
        return [rf"mounted on {re.escape(label.removeprefix('fstab for '))}, .* its line of /etc/fstab goes"]
    if label == "fstab" and not old:
        written = f"/etc/fstab does not have the mount of volume {name}: .*; the run writes a line"
        return [f"{written}|{NEW_MOUNT.format(**about)}"]
    return _for_options(old, new, about) if label == "fstab" else None


def _for_options(old, new, about):
    """The same for a line of fstab that was there: for each option that comes, or is in another's place."""
    before, after = (text.split(" ") for text in (old, new))
    differing = set(before[1].split(",")) ^ set(after[1].split(","))
    keys = {option.partition("=")[0].replace("backupvolfile-server", "backup-volfile-servers") for option in differing}
    known = before[0] == after[0] and keys <= set(OPTIONS)
    return [OPTIONS[key].format(**about) for key in sorted(keys)] if known else None


def _with_ids(predicted, changes):
    """What was predicted, with the identifiers of volumes that are not mounted yet as the run has found them."""
    found = {minion: dict(states) for minion, states in predicted.items()}
    for minion, states in found.items():
        for state in [state for state in states if state.endswith("_known")]:
            known = {name: each["new"] != "(identifier)" for name, each in states[state].items()}
            run = changes.get(minion, {}).get(state, {})
            states[state] = {name: states[state][name] if is_so else run.get(name) for name, is_so in known.items()}
    return found


def _remarks(text):
    """What stands at the top of the printed text: for each remark the minions before the colon, and the rest."""
    found = []
    for line in text[: text.index("\ngluster_one:")].splitlines():
        if line.startswith("# - "):
            found.append(line[4:])
        elif line.startswith("#   ") and found:
            found[-1] += " " + line[4:]
    minions = [re.match(r"((?:head|kvm\d)(?:, (?:head|kvm\d))*): ", remark) for remark in found]
    return [(set(who[1].split(", ")) if who else set(), remark) for who, remark in zip(minions, found, strict=True)]


def _files(text):
    """The pillar files that are printed, by name: the one for all as it is, the others from the comments after it."""
    own, _, rest = text.partition("\n# Which minions get it")
    found, name = {"gluster_one": own}, None
    for block in rest.split("\n#\n"):
        lines = [line[2:] for line in block.splitlines()]
        if lines[0] == "base:":
            found["top"] = "\n".join(lines)
        elif name:
            found[name] = "\n".join(lines)
        name = (re.fullmatch(r"The file (\w+)\.sls:", lines[0]) or [None, None])[1]
    return found


@pytest.fixture(scope="module")
def hand(_fleet):
    _fleet.new()
    return ByHand(_fleet)


@pytest.fixture
def by_hand(hand):
    """Each fleet is set up where the last one was: a lab of its own would take longer than the test."""
    return hand.set_back()


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
    """Beside a datastore in the root of the same volume, which is taken over."""
    fleet = by_hand.fleet
    fleet.sh("kvm1", "mount -t glusterfs kvm1:/one_vol /mnt; mkdir /mnt/sub; chown oneadmin: /mnt/sub; umount /mnt")
    below = IMAGES.format(host="kvm1", ds_mad="fs", volume="one_vol/sub", more="").replace("by_hand", "below")
    below = fleet.oned("one.datastore.allocate", below, 0)
    for host in fleet.lab.hosts:
        fleet.sh(host, f"rmdir {STORES}/{below} 2>/dev/null || true; mkdir -p {STORES}/{below}")
        fleet.sh(host, f"mount -t glusterfs kvm1:/one_vol/sub {STORES}/{below}")
    done = fleet.lab.run("gluster_one.adopt")
    assert yaml.safe_load(done.stdout) is None, done.stdout
    left = f"datastore below ({below}) has GLUSTER_VOLUME one_vol/sub"
    assert left in done.stdout
    store = by_hand.images(ds_mad="fs", more="DRIVER = raw")
    for host in fleet.lab.hosts:
        by_hand.mount(host, "/srv/one")
        by_hand.link(host, store, "/srv/one")
    by_hand.use()
    found = by_hand.adopt()
    assert found["volumes"]["one_vol"] == {
        "servers": list(HYPERVISORS), "mount": "/srv/one", "datastores": {"by_hand": {"datastore_id": store}},
    }  # fmt: skip
    remarks(by_hand, left)
    by_hand.runs()
    below = f"stat -c %a {STORES}/{below} && mountpoint {STORES}/{below}"
    assert all("is a mountpoint" in fleet.sh(host, below) for host in fleet.lab.hosts)
    by_hand.let_go()


def test_opennebulas_own_datastores_one_a_link_to_the_other(by_hand):
    """1 is a link to 0, where the volume is mounted from fstab without backups; both are GLUSTER by hand."""
    fleet = by_hand.fleet
    fleet.oned("one.datastore.update", 0, "TM_MAD=shared", 1)
    native = "DS_MAD=shared\nTM_MAD=shared\nDISK_TYPE=GLUSTER\nGLUSTER_HOST=kvm1\nGLUSTER_VOLUME=one_vol"
    fleet.oned("one.datastore.update", 1, native, 1)
    for host in fleet.lab.hosts:
        by_hand.mount(host, GUIDE, fstab="defaults,_netdev")
        by_hand.link(host, 1, "0" if host == "kvm2" else GUIDE)
    by_hand.use()
    found = by_hand.adopt()
    stores = {"system": {"datastore_id": 0, "type": "SYSTEM_DS"}, "default": {"datastore_id": 1}}
    assert found == {"volumes": {"one_vol": {"servers": list(HYPERVISORS), "datastores": stores}}}
    remarks(by_hand, "without backup-volfile-servers", "datastore default (1) has DS_MAD shared")
    changes = by_hand.runs().changes
    assert set(changes["head"]["gluster_one_datastore_default"]) >= {"DS_MAD", "DRIVER"}
    by_hand.let_go()


def test_with_images_and_an_option_that_is_no_backup(by_hand):
    """Each node has mounted it elsewhere; a datastore without DRIVER has an image, which keeps its format."""
    fleet = by_hand.fleet
    fleet.oned("one.datastore.update", 0, "TM_MAD=shared", 1)
    store = by_hand.images(ds_mad="fs")
    for number, host in enumerate(fleet.lab.hosts):
        by_hand.mount(host, f"/srv/one{number}", fstab="defaults,_netdev,backupvolfile-server=kvm2")
        for each in (0, store):
            by_hand.link(host, each, f"/srv/one{number}")
    fleet.sh("head", "truncate -s 1M /var/tmp/image")
    image = 'NAME = "image"\nPATH = "/var/tmp/image"\nSIZE = 1'
    by_hand.registered.append(fleet.oned("one.image.allocate", image, store, True))
    by_hand.use()
    found = by_hand.adopt()
    assert found["volumes"]["one_vol"]["datastores"]["by_hand"] == {"datastore_id": store}
    remarks(by_hand, "without backup-volfile-servers", "`salt HEAD gluster_one.images` names those")
    changes = by_hand.runs().changes
    assert "DRIVER" not in changes["head"]["gluster_one_datastore_by_hand"]
    by_hand.let_go()


def test_disks_as_files_on_the_mount(by_hand):
    """No gluster:// by OpenNebula: both datastores are plain ones of files, in directories of their own mounts."""
    fleet = by_hand.fleet
    fleet.oned("one.datastore.update", 0, "TM_MAD=shared", 1)
    store = fleet.oned("one.datastore.allocate", "NAME=by_hand\nTYPE=IMAGE_DS\nDS_MAD=fs\nTM_MAD=shared", 0)
    for host in fleet.lab.hosts:
        by_hand.mount(host, "/srv/one", server="kvm3", options="backup-volfile-servers=kvm1:kvm2")
        for each in (0, store):
            by_hand.link(host, each, "/srv/one")
    by_hand.use()
    found = by_hand.adopt()
    assert found["volumes"]["one_vol"]["datastores"]["by_hand"] == {"datastore_id": store, "access": "fuse"}
    by_hand.runs()
    assert fleet.datastores()["by_hand"].get("DISK_TYPE") != "GLUSTER"
    by_hand.let_go()


def test_one_that_is_as_the_formula_would_have_it(by_hand):
    """The present guide to the letter: the option of glusterd, the group virt, a line with backups, DRIVER raw."""
    fleet = by_hand.fleet
    fleet.oned("one.datastore.update", 0, "TM_MAD=shared", 1)
    fleet.sh("kvm1", f"{VOLUME} set one_vol group virt")
    line = "s/^end-volume/    option rpc-auth-allow-insecure on\\nend-volume/"
    store = by_hand.images(ds_mad="fs", more="DRIVER = raw")
    options = "defaults,_netdev,nosuid,nodev,backup-volfile-servers=kvm2:kvm3"
    for host in fleet.lab.hosts:
        fleet.sh(host, f"sed -i '{line}' /etc/glusterfs/glusterd.vol")
        by_hand.mount(host, "/srv/one", options="backup-volfile-servers=kvm2:kvm3", fstab=options)
        for each in (0, store):
            by_hand.link(host, each, "/srv/one")
    by_hand.use()
    found = by_hand.adopt()
    assert found["volumes"]["one_vol"].keys() == {"servers", "mount", "group", "datastores"}
    changes = by_hand.runs().changes
    assert not any("gluster_one_volume_one_vol" in states for states in changes.values())
    assert all(set(changes[host].get("gluster_one_mount_one_vol", ())) <= {"boot", "flags"} for host in fleet.lab.hosts)
    assert set(changes["head"]["gluster_one_datastore_by_hand"]) <= {"identifier"}
    by_hand.let_go()


def test_a_host_on_which_nobody_has_mounted_it(by_hand):
    """OpenNebula has kvm2 as a host, the run mounts the volume there; options that were typed in stay."""
    fleet = by_hand.fleet
    by_hand.added = fleet.oned("one.host.allocate", "kvm2", "kvm", "kvm", 0)
    fleet.oned("one.datastore.update", 0, "TM_MAD=shared", 1)
    fleet.sh(
        "kvm1", f"{VOLUME} set one_vol network.ping-timeout 20 performance.quick-read off cluster.lookup-optimize on"
    )
    store = by_hand.images(host="kvm3", ds_mad="fs", more="DRIVER = raw")
    for host in ("head", "kvm1", "kvm3"):
        by_hand.mount(host, "/srv/one", server="kvm3")
        for each in (0, store):
            by_hand.link(host, each, "/srv/one")
    by_hand.use()
    found = by_hand.adopt()
    assert found["volumes"]["one_vol"]["options"] == {
        "cluster.lookup-optimize": "on", "network.ping-timeout": "20", "performance.quick-read": "off",
    }  # fmt: skip
    assert found["volumes"]["one_vol"]["datastores"]["by_hand"]["host"] == "kvm3"
    remarks(by_hand, "kvm2: volume one_vol is not mounted: the run mounts it")
    changes = by_hand.runs().changes
    assert "gluster_one_volume_one_vol" not in changes["kvm1"]
    assert [host for host in changes if "mount" in changes[host]["gluster_one_mount_one_vol"]] == ["kvm2"]
    by_hand.let_go()


def test_bricks_and_mounts_by_address(by_hand):
    """The last one: the volume is made anew by servers that the pool knows by their addresses as well."""
    fleet = by_hand.fleet
    addresses = {host: files.address(host) for host in HYPERVISORS}
    fleet.sh("kvm1", f"{VOLUME} stop one_vol force; {VOLUME} delete one_vol")
    for host, other in zip(HYPERVISORS, ("kvm2", "kvm3", "kvm1"), strict=True):
        fleet.sh(other, f"gluster --mode=script peer probe {addresses[host]}")
        fleet.sh(host, "rm -rf /data/one_vol")
    bricks = " ".join(f"{address}:/data/one_vol" for address in addresses.values())
    fleet.sh("kvm1", f"{VOLUME} create one_vol replica 3 {bricks}; {VOLUME} start one_vol")
    fleet.sh("kvm1", f"{VOLUME} set one_vol server.allow-insecure on storage.owner-uid 9869 storage.owner-gid 9869")
    fleet.oned("one.datastore.update", 0, "TM_MAD=shared", 1)
    first = addresses["kvm1"]
    store = by_hand.images(host=f"{first}:24007", ds_mad="fs", more="DRIVER = raw")
    for host in fleet.lab.hosts:
        by_hand.mount(
            host, GUIDE, server=first, options="log-level=warning,backup-volfile-servers=" + addresses["kvm2"]
        )
        by_hand.link(host, store, GUIDE)
    by_hand.use()
    found = by_hand.adopt()
    stores = {"system": {"datastore_id": 0, "type": "SYSTEM_DS"}, "by_hand": {"datastore_id": store}}
    assert found["volumes"]["one_vol"] == {
        "servers": list(addresses.values()), "mount_options": ["log-level=WARNING"], "datastores": stores,
    }  # fmt: skip
    by_hand.runs()
    by_hand.let_go()
