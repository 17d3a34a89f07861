"""What is taken away of a node that leaves, and what stays."""

import ast
import os

import pytest
from salt.exceptions import CommandExecutionError

from ..conftest import CHECKOUT, imported

MOUNT, OTHER = "/var/lib/gluster_one/one_vol", "/srv/vol"
STORES = "/var/lib/one/datastores"
SERVICE = "gluster-one-mount@x.service"


class Node:
    """A node on which one_vol is mounted for two datastores, as far as the states ask for it."""

    def __init__(self, mount=MOUNT):
        self.mount, self.done, self.users, self.forgotten = mount, [], [], []
        self.mounted = {mount: {"device": "kvm1:/one_vol", "volume": "one_vol"}}
        self.lines = {mount: {"device": "kvm1:/one_vol", "opts": ["defaults", "_netdev"], "volume": "one_vol"}}
        self.services = {mount: SERVICE}
        self.links = {f"{STORES}/100": mount, f"{STORES}/101": mount, "/srv/elsewhere": mount}
        self.beneath, self.ours, self.point = [], mount == MOUNT, True

    def note(self, word, what):
        self.done.append((word, what))

    def health(self, path):
        if path not in self.mounted:
            return {"state": "absent", "device": None, "volume": None}
        return {"state": "alive", **self.mounted[path]}

    def point_state(self, path):
        blocked = "holds 1 file (x): move that away" if self.beneath else None
        return {"blocked": blocked, "owner": "root root 0755" if self.point else None}

    def unmounted(self, path, lazy):
        assert not lazy, "it is alive"
        self.note("umount", path)
        del self.mounted[path]

    def disabled(self, path):
        self.note("disable", path)
        del self.services[path]

    def unlinked(self, path, target):
        self.note("unlink", path)
        assert self.links.pop(path) == target

    def removed(self, path, volume):
        self.note("fstab", path)
        assert self.lines.pop(path)["volume"] == volume

    def rmdir(self, path):
        self.note("rmdir", path)
        self.point = False

    def state(self, test=False):
        accepted = lambda *_, **__: True  # noqa: E731
        table = lambda: [{"path": path, **mount} for path, mount in self.mounted.items()]  # noqa: E731
        salt = {
            "gluster_one_arguments.require_arguments": accepted,
            "gluster_mount.place": lambda path, volume, user: path,
            "gluster_mount.beneath": self.health,
            "gluster_mount.mount_health": self.health,
            "gluster_mount.mount_table": table,
            "gluster_mount.uncover": accepted,
            "gluster_mount.is_default_place": lambda path: path == MOUNT,
            "gluster_mount.unmount": self.unmounted,
            "gluster_mount_plan.is_ours": lambda path, volume: self.ours,
            "gluster_mount_plan.forget_gone": lambda: self.forgotten.append(dict(self.lines)),
            "gluster_native.volume_users": lambda path: self.users,
            "gluster_fstab.retry_services": lambda: self.services,
            "gluster_fstab.disable_boot_retry": self.disabled,
            "gluster_fstab.lines": lambda path: [self.lines[path]] if path in self.lines else [],
            "gluster_fstab.volume_lines": lambda volume: self.lines,
            "gluster_fstab.remove_lines": self.removed,
            "gluster_links.links_to": lambda directory, target: {
                path: text for path, text in self.links.items() if os.path.dirname(path) == directory
            },
            "gluster_links.remove_link": self.unlinked,
            "gluster_links.files_beneath": lambda path: self.beneath,
            "gluster_links.mount_point_state": self.point_state,
            "gluster_links.remove_mount_point": self.rmdir,
        }
        return imported(CHECKOUT / "_states/gluster_one_leave.py", __salt__=salt, __opts__={"test": test})

    def run(self, test=False):
        return self.state(test).datastore_unmounted(self.mount, "one_vol")


@pytest.fixture
def node():
    return Node()


GONE = {
    "mount": {"old": "kvm1:/one_vol", "new": None},
    "boot": {"old": SERVICE, "new": None},
    f"{STORES}/100": {"old": MOUNT, "new": None},
    f"{STORES}/101": {"old": MOUNT, "new": None},
    "fstab": {"old": "kvm1:/one_vol defaults,_netdev", "new": None},
    "directory": {"old": MOUNT, "new": None},
}


def test_all_that_a_run_has_made_goes_and_nothing_else(node):
    predicted = node.run(test=True)
    assert (predicted["result"], predicted["changes"], node.done) == (None, GONE, [])
    run = node.run()
    assert (run["result"], run["changes"]) == (True, GONE)
    # What could fail for being used comes first.
    assert [word for word, _ in node.done] == ["umount", "disable", "unlink", "unlink", "fstab", "rmdir"]
    assert node.links == {"/srv/elsewhere": MOUNT}
    for test in (True, False):
        again = node.run(test)
        assert (again["result"], again["changes"]) == (True, {})


@pytest.mark.parametrize("test", [True, False])
def test_what_is_used_stays_and_says_by_what(node, test):
    node.users = ["less (1)", "VM one-7 (2), over gluster://"]
    run = node.run(test)
    assert (run["result"], run["changes"], node.done) == (False, {}, [])
    assert run["comment"].endswith("while it is used by less (1), VM one-7 (2), over gluster://")


def test_what_is_left_of_a_run_that_was_killed_goes(node):
    node.mounted.clear()
    node.links.clear()
    assert set(node.run()["changes"]) == {"boot", "fstab", "directory"}


def test_what_is_gone_is_no_longer_ours(node):
    """Nor is what somebody has taken away by hand."""
    node.run(test=True)
    assert node.forgotten == []
    node.run()
    node.run()
    assert node.forgotten == [{}, {}]


def test_a_step_that_fails_leaves_the_others_for_the_next_run(node):
    def refused(path, volume):
        raise OSError("no room")

    node.removed = refused
    run = node.run()
    assert run["result"] is False and set(run["changes"]) == set(GONE) - {"fstab", "directory"}


def test_what_lies_beneath_the_mount_keeps_the_directory(node):
    node.beneath = ["image"]
    predicted, run = node.run(test=True), node.run()
    assert predicted["changes"] == run["changes"] and "directory" not in run["changes"]
    assert f"{MOUNT} stays, it holds" in run["comment"]


@pytest.mark.parametrize("test", [True, False])
def test_a_mount_that_was_there_before_the_formula_stays(test):
    node = Node(OTHER)
    run = node.run(test)
    assert set(run["changes"]) == {"boot"} and len(node.links) == 3 and OTHER in node.mounted
    assert "was there before the formula, and stays" in (node.run()["comment"])


def test_what_is_mounted_there_of_another_volume_is_not_touched(node):
    node.mounted[MOUNT]["volume"] = "other"
    run = node.run()
    assert (run["result"], node.done) == (False, []) and "not volume one_vol: it was left as it is" in run["comment"]


def test_where_else_the_volume_is_mounted_is_said(node):
    node.mounted[OTHER] = node.mounted[MOUNT]
    assert f"one_vol stays on {OTHER}" in node.run()["comment"]


class Kept:
    """What a node has kept: `record`, the mine and the minion's data."""

    def __init__(self, **opts):
        self.mine = {"gluster_one.findings": [], "gluster_brick_x": {}, "network.ip_addrs": []}
        self.data = {"gluster_one_ids.publish_id:/x": {}, "mine_cache": {}, "gluster_native.published": {}}
        self.record = {"volumes": {"one_vol": "u"}, "pool_options": {"a": "b"}, "glusterd": {"/x": {}}}
        self.unit, self.services, self.opts = "/etc/x.service", {MOUNT: SERVICE}, opts

    def removed(self):
        self.unit = None

    def run(self, test=False):
        salt = {
            "gluster_one_arguments.require_arguments": lambda *_, **__: True,
            "gluster_bricks.mine_key": lambda path: "gluster_brick_x",
            "mine.get": lambda who, names, kind: {
                name: {"kvm1": self.mine[name]} for name in names if name in self.mine
            },
            "mine.delete": self.mine.pop,
            "data.keys": lambda: self.data.keys(),
            "data.pop": self.data.pop,
            "gluster_one_record.recorded": lambda kind: self.record.get(kind, {}),
            "gluster_one_record.forget": self.record.pop,
            "gluster_fstab.retry_services": lambda: self.services,
            "gluster_fstab.retry_unit": lambda: self.unit,
            "gluster_fstab.remove_retry_unit": self.removed,
        }
        opts = {"test": test, **self.opts}
        state = imported(
            CHECKOUT / "_states/gluster_one_leave.py", __salt__=salt, __opts__=opts, __grains__={"id": "kvm1"}
        )
        return state.node_forgotten("leave", bricks=["/x"], mounts=[MOUNT])


def test_a_node_forgets_what_is_the_formula_s():
    kept = Kept()
    predicted, run = kept.run(test=True), kept.run()
    assert predicted["changes"] == run["changes"] == {
        "mine": {"old": "gluster_one.findings, gluster_brick_x", "new": None},
        "data": {"old": "gluster_native.published, gluster_one_ids.publish_id:/x", "new": None},
        "record": {"old": "volumes, glusterd", "new": None},
        "boot": {"old": "/etc/x.service", "new": None},
    }  # fmt: skip
    assert set(kept.mine) == {"network.ip_addrs"} and set(kept.data) == {"mine_cache"}
    assert set(kept.record) == {"pool_options"}, "its options are another state's"
    assert (kept.run()["result"], kept.run()["changes"]) == (True, {})


def test_the_service_of_another_directory_keeps_its_file():
    kept = Kept()
    kept.services["/srv/other"] = "gluster-one-mount@srv-other.service"
    assert "boot" not in kept.run()["changes"] and kept.unit


def test_without_a_master_there_is_no_mine():
    assert "mine" not in Kept(file_client="local").run()["changes"]


class Volume:
    """one_vol with its options, which runs have set; `clients` are those that are connected."""

    def __init__(self, **options):
        self.options, self.clients, self.status, self.done = options, {"glustershd": 3}, "Started", []
        self.apart = None
        self.utils = imported(CHECKOUT / "_states/gluster_one_leave.py").__utils__

    def set(self, **wanted):
        wanted = {name.replace("__", ".").replace("_", "-"): value for name, value in wanted.items()}
        changes = self.utils["gluster_options.option_changes"](self.options, wanted)
        self.options.update(self.utils["gluster_options.record"](self.options, changes))
        self.options.update({option: change["new"] for option, change in changes.items()})

    def kinds(self, name):
        if isinstance(self.clients, str):
            raise CommandExecutionError(self.clients)
        return self.clients

    def changed(self, function, name, *words):
        self.done.append(function)
        if function.endswith("reset"):
            del self.options[words[0]]
        else:
            self.options.update(words[0])

    def run(self, test=False, orchestrated=False):
        opts, context = {"test": test}, {}
        salt = {
            "gluster_one_arguments.require_arguments": lambda *_, **__: True,
            "gluster.volume_info": lambda name: {"one_vol": {"status": self.status, "options": dict(self.options)}},
            "gluster.client_kinds": self.kinds,
            "gluster.volume_set": lambda *words: self.changed("set", *words),
            "gluster.volume_reset": lambda *words: self.changed("reset", *words),
            "gluster_lock.lock": lambda *words: None,
            "gluster_lock.lock_held": lambda: False,
            "gluster_lock.unlock": lambda: True,
            "gluster_pool.peers_apart": lambda run=None: self.apart,
        }
        names = {"__salt__": salt, "__opts__": opts, "__context__": context}
        module = imported(CHECKOUT / "_modules/gluster_volume.py", **names)
        salt["gluster_volume.restore_options"] = module.restore_options
        return imported(CHECKOUT / "_states/gluster_one_leave.py", **names).volume_restored(
            "one_vol", timeout=0, orchestrated=orchestrated
        )


@pytest.fixture
def volume():
    volume = Volume(**{"network.ping-timeout": "20", "server.allow-insecure": "off", "nfs.disable": "on"})
    volume.set(network__ping_timeout=10, server__allow_insecure=True, storage__owner_uid=9869, features__shard=True)
    return volume


BACK = {
    "network.ping-timeout": {"old": "10", "new": "20"},
    "server.allow-insecure": {"old": "on", "new": None},
    "storage.owner-uid": {"old": "9869", "new": None},
}


def test_a_volume_has_the_options_that_it_had_before(volume):
    volume.options["diagnostics.client-log-level"] = "ERROR"
    predicted = volume.run(test=True)
    assert (predicted["result"], predicted["changes"], volume.done) == (None, BACK, [])
    run = volume.run()
    assert (run["result"], run["changes"]) == (True, BACK) and "features.shard stays: files may" in run["comment"]
    # The record goes last, so that a run that is killed before goes on.
    assert volume.done == ["reset", "reset", "set"]
    assert volume.options == {
        "network.ping-timeout": "20", "nfs.disable": "on", "features.shard": "on",
        "diagnostics.client-log-level": "ERROR", "user.gluster_one.set": "features.shard=on<",
    }  # fmt: skip
    assert (volume.run()["result"], volume.run()["changes"]) == (True, {})


@pytest.mark.parametrize("test", [True, False])
def test_while_somebody_is_connected_nothing_is_set_back(volume, test):
    volume.clients = {"glustershd": 3, "fuse": 2, "gfapi.qemu-system-x86_64": 1, "nfs": 0}
    before = dict(volume.options)
    run = volume.run(test)
    assert (run["result"], run["changes"], volume.options) == (False, {}, before)
    assert "last seen: 2 fuse, 1 gfapi.qemu-system-x86_64" in run["comment"]
    if test:  # they go before, in the orchestration
        assert volume.run(test, orchestrated=True)["changes"] == BACK
    else:
        assert volume.run(orchestrated=True)["result"] is False


def test_what_somebody_has_set_since_stays(volume):
    volume.options.update({"network.ping-timeout": "30", "storage.owner-uid": "0"})
    assert set(volume.run()["changes"]) == {"server.allow-insecure"}
    assert volume.options["network.ping-timeout"] == "30"


def test_nobody_is_connected_to_a_volume_that_is_stopped(volume):
    volume.status, volume.clients = "Stopped", {"fuse": 9}
    assert volume.run()["result"] is True


@pytest.mark.parametrize(
    "said, apart, fine",
    [
        ("Commit failed on kvm2. Please check log file", None, True),
        ("Commit failed on kvm2. Please check log file", "kvm3 is away", False),
        ("Another transaction is in progress", None, False),
    ],
)
def test_a_server_without_any_client_says_that_it_failed(volume, said, apart, fine):
    """Its self-heal daemon was rejected, for example."""
    volume.clients, volume.apart = said, apart
    run = volume.run()
    assert run["result"] is fine and bool(run["changes"]) is fine
    assert fine or (apart or said) in run["comment"]


def test_each_kind_of_the_record_goes():
    """Those of the pool go with its options."""
    kinds, leave = set(), imported(CHECKOUT / "_states/gluster_one_leave.py")
    for path in [*CHECKOUT.glob("_modules/*.py"), *CHECKOUT.glob("_states/*.py")]:
        tree = ast.parse(path.read_text())
        names = {
            target.id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
        }
        for call in [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args]:
            if ast.unparse(call.func) == "__salt__['gluster_one_record.record']":
                kind = call.args[0]
                kinds.add(kind.value if isinstance(kind, ast.Constant) else names.get(kind.id, kind.id))
    assert kinds - {"pool_options"} == {*leave.RECORDS}
