"""What the servers say before a brick is replaced, and what the one that has it does."""

import contextlib
import errno
import io
import os
import sys

import pytest
from salt.exceptions import CommandExecutionError, SaltInvocationError

UUID = "8f14e45f-ceea-467f-9bd1-6f2a1c3e5d70"
MEMBER = "Peer in Cluster"
PEERS = {"11111111-1111-1111-1111-111111111111": ["kvm1"], "22222222-2222-2222-2222-222222222222": ["kvm2"]}
ROOT = "00000000-0000-0000-0000-000000000001"
GFIDS = [f"0a1b{number:04d}-0000-0000-0000-000000000000" for number in range(4)]


@pytest.fixture
def brick(tmp_path, monkeypatch):
    """brick(gfid={attribute: value}): a brick that Gluster has marked these files of; xattrs of a tmpfs are faked."""
    attributes = {}

    def listed(path, follow_symlinks=True):
        found = attributes.get(str(path)) if follow_symlinks else attributes.get(os.path.normpath(path))
        if isinstance(found, OSError):
            raise found
        if found is None and os.path.islink(path):
            return []
        if found is None:
            raise FileNotFoundError(errno.ENOENT, "No such file", path)
        return found

    def value(path, name, follow_symlinks=True):
        assert not follow_symlinks
        found = attributes[os.path.normpath(path)][name]
        if isinstance(found, OSError):
            raise found
        return found

    monkeypatch.setattr(os, "listxattr", listed)
    monkeypatch.setattr(os, "getxattr", value)
    index = tmp_path / ".glusterfs/indices/xattrop"
    index.mkdir(parents=True)
    (index / "xattrop-e0a6f1b4").touch()

    def mark(at=None, **files):
        for gfid, values in files.items():
            (index / gfid).touch()
            attributes[str(at or handle(tmp_path, gfid))] = values
        return tmp_path

    return mark


def handle(path, gfid):
    return path / ".glusterfs" / gfid[:2] / gfid[2:4] / gfid


def linked(path, gfid, text):
    handle(path, gfid).parent.mkdir(parents=True)
    handle(path, gfid).symlink_to(text)


def looked(words, timeout, most):
    """What the look at an index would print, in this process, where the attributes are faked."""
    assert words[:4] == [sys.executable, "-I", "-S", "-c"] and 0 < timeout <= 60
    out, before = io.StringIO(), sys.argv
    sys.argv = words[4:]
    try:
        with contextlib.redirect_stdout(out):
            exec(words[4], {})
    except SystemExit as end:
        return [1, out.getvalue(), str(end)]
    finally:
        sys.argv = before
    assert len(out.getvalue()) < most
    return [0, out.getvalue(), ""]


@pytest.fixture
def module(execution, tmp_path):
    def make(disperse=0, run=looked, **salt):
        bricks = [f"kvm1:{tmp_path}", "kvm2:/data", "kvm3:/data"]
        info = {"id": "1", "bricks": bricks, "servers": ["1", "2", "3"], "replica": 1 if disperse else 3}
        return execution(
            "gluster_replace",
            __salt__={
                "gluster.volume_info": lambda name=None: {"one_vol": {**info, "disperse": disperse}},
                "glusterd.info": lambda: {"uuid": "1"},
                "glusterd.brick_ids": lambda name: {each: f"v-client-{n}" for n, each in enumerate(bricks)},
                "gluster_pool.replace_blockers": lambda going, servers: [f"{going} {servers}"],
                **salt,
            },
            __utils__={"gluster_process.run": run},
        )

    return make


GOING = {"one_vol": ["kvm3:/data"]}


def test_what_only_the_lost_brick_lacks_is_no_backlog(module, brick):
    path = brick(
        **{
            GFIDS[0]: {"trusted.afr.v-client-2": b"\0\0\0\1"},  # written while kvm3 was away
            GFIDS[1]: {"trusted.afr.v-client-1": b"\0\0\0\0", "trusted.afr.dirty": b"\0\0\0\1"},
            GFIDS[2]: {"trusted.afr.v-client-1": b"\0\0\0\1"},
            GFIDS[3]: {},
        }
    )
    said = module().readiness(GOING, ["3"])
    assert said == {"blockers": [f"{GOING} ['3']"], "backlog": {f"kvm1:{path}": 1}, "versions": {}}


def test_a_file_that_vanishes_meanwhile_is_healed(module, brick):
    path = brick()
    (path / ".glusterfs/indices/xattrop" / GFIDS[0]).touch()
    module_ = module()
    assert module_.readiness(GOING)["backlog"] == {f"kvm1:{path}": 0}


DIRECTORY = "../../00/00/00000000-0000-0000-0000-000000000001/images"


@pytest.mark.parametrize("text", [DIRECTORY, "/etc/shadow", "../../../etc"])
def test_a_users_link_is_not_followed(module, brick, text):
    path = brick(**{GFIDS[0]: {"trusted.gfid": b"\1", "trusted.afr.v-client-1": b"\1"}})
    linked(path, GFIDS[0], text)
    brick(at=handle(path, GFIDS[0]).parent / text, **{GFIDS[0]: OSError(errno.EIO, "it was followed")})
    assert module().readiness(GOING)["backlog"] == {f"kvm1:{path}": 1}


def test_a_directory_is_a_link_to_its_place(module, brick):
    path = brick()
    brick(at=handle(path, ROOT) / "images", **{GFIDS[0]: {"trusted.gfid": b"\1", "trusted.afr.v-client-1": b"\1"}})
    linked(path, GFIDS[0], DIRECTORY)
    assert module().readiness(GOING)["backlog"] == {f"kvm1:{path}": 1}


def test_the_root_of_the_volume_waits_too(module, brick):
    path = brick()
    brick(at=path, **{ROOT: {"trusted.gfid": b"\1", "trusted.afr.v-client-1": b"\1"}})
    linked(path, ROOT, "../../..")
    assert module().readiness(GOING)["backlog"] == {f"kvm1:{path}": 1}


def test_what_cannot_be_read_is_not_healed(module, brick):
    path = brick(**{GFIDS[0]: {"trusted.afr.v-client-1": OSError(errno.ENODATA, "it was healed")}})
    assert module().readiness(GOING)["backlog"] == {f"kvm1:{path}": 0}
    brick(**{GFIDS[0]: OSError(errno.EIO, "Input/output error")})
    with pytest.raises(CommandExecutionError, match="cannot be read .*Input/output error.*: repair that brick's disk"):
        module().readiness(GOING)


def test_of_a_dispersed_set_the_versions_are_told(module, brick):
    path = brick(**{GFIDS[0]: {"trusted.ec.version": b"\0\1", "trusted.ec.dirty": b"\1"}})
    said = module(disperse=3).readiness(GOING)
    assert said["versions"] == {f"kvm1:{path}": {f"kvm1:{path}": {GFIDS[0]: "0001"}}}


def test_of_more_files_than_can_be_compared_none_is_left_out(module, brick, monkeypatch):
    brick(**{gfid: {"trusted.ec.version": b"\0\1"} for gfid in GFIDS})
    found = module(disperse=3)
    monkeypatch.setattr(found, "MOST", 3)
    with pytest.raises(CommandExecutionError, match="more than 3 files of kvm1:.* wait to be healed, too many to be"):
        found.readiness(GOING)
    monkeypatch.setattr(found, "MOST", 4)
    assert len(next(iter(found.readiness(GOING)["versions"].values()))) == 1


@pytest.mark.parametrize("disperse", [0, 3])
def test_a_look_that_takes_too_long_is_no_answer(module, disperse):
    """The brick's file system may hang: no process of the job's own looks."""
    found = module(disperse, run=lambda *words, **more: [None, "", "no answer within 60 s"])
    with pytest.raises(CommandExecutionError, match="it is not known within 60 s what waits to be healed .no answer"):
        found.readiness(GOING)


class Server:
    """kvm3, whose glusterd has lost all; what it is done to, in order."""

    def __init__(self, execution, ends_at=None):
        self.done, self.record, self.changes, self.ends_at = [], {}, {"uuid": {"old": "7", "new": UUID}}, ends_at
        steps = {
            "service.stop": lambda name: self.does("stop"),
            "glusterd.restart": lambda name: self.does("start"),
            "glusterd.restore_identity": lambda *words: self.does("identity"),
        }
        members = [{"uuid": uuid, "state": MEMBER} for uuid in PEERS]
        self.module = execution(
            "gluster_replace",
            __salt__={
                **steps,
                "gluster_one_record.record": lambda kind, values: self.record.update(values),
                "gluster_one_record.recorded": lambda kind: self.record,
                "glusterd.identity_changes": lambda uuid, peers: dict(self.changes),
                "gluster.peer_status": lambda: members if self.done[-1] == "start" else [],
                "gluster.volume_info": lambda: {"one_vol": {}},
                "gluster_pool.peers_apart": lambda: self.behind.pop() if self.behind else None,
            },
        )
        self.behind = []

    def does(self, what):
        if len(self.done) == self.ends_at:
            raise KeyboardInterrupt
        self.done.append(what)
        if what == "identity":
            self.changes = {}

    def restore(self):
        return self.module.restore(UUID, 100000, PEERS, ["one_vol"])


def test_a_lost_glusterd_is_started_twice(execution):
    server = Server(execution)
    assert server.restore()
    assert server.done == ["stop", "identity", "start", "start"]
    assert server.module.restore_changes(UUID, PEERS) == {}


def test_it_is_back_when_the_others_see_it(execution):
    """Else they refuse what comes next: "Host kvm3 not connected"."""
    server = Server(execution)
    server.behind = ["kvm1 sees kvm3 disconnected"]
    assert server.restore()
    assert server.behind == [] and server.done == ["stop", "identity", "start", "start"]


@pytest.mark.parametrize("step", range(4))
def test_killed_at_any_step_it_is_all_done_again(execution, step):
    server = Server(execution, ends_at=step)
    with pytest.raises(KeyboardInterrupt):
        server.restore()
    assert server.module.restore_changes(UUID, PEERS) != {}
    server.ends_at, before = None, len(server.done)
    server.restore()
    assert server.done[before:] == ["stop", "identity", "start", "start"]
    assert server.module.restore_changes(UUID, PEERS) == {}


def test_one_whose_disk_alone_was_lost_is_left(execution):
    server = Server(execution)
    server.changes = {}
    assert server.module.restore_changes(UUID, PEERS) == {}


class Place:
    """A directory of kvm4 that may become a brick, and what a volume knows."""

    def __init__(self, execution, bricks, marks=None, unfit=None, known=True, test=False, planned=False):
        self.sent = []
        info = {"id": "1", "bricks": bricks, "servers": [brick[3] for brick in bricks]}
        self.module = execution(
            "gluster_replace",
            __opts__={"test": test},
            __grains__={"id": "kvm4"},
            __salt__={
                "gluster.volume_info": lambda name: {name: info} if known else {},
                "glusterd.info": lambda: {"uuid": "4"},
                "glusterd.marks": lambda path: marks or {"volume": None, "root": False},
                "gluster_bricks.unfit": lambda path: unfit,
                "gluster_disks.is_planned": lambda path, run: planned,
                "gluster.brick_replace": lambda *words, timeout: self.sent.append(words),
                "gluster_pool.bricks_down": lambda name: [],
            },
        )


NEW, OLD = "kvm4:/data/b", "kvm3:/data/b"


@pytest.mark.parametrize(
    ("bricks", "marks", "expected"),
    [
        ([OLD], None, False),
        ([NEW], {"volume": "1", "root": True}, True),
        ([NEW], {"volume": "1", "root": False}, False),  # `start force` over an empty directory
        ([NEW], {"volume": "2", "root": True}, False),
        ([NEW], None, False),
    ],
)
def test_a_brick_is_in_place_when_its_directory_is_that_bricks(execution, bricks, marks, expected):
    assert Place(execution, bricks, marks).module.is_in_place("one_vol", NEW) is expected


def test_another_servers_brick_is_not_this_ones(execution):
    with pytest.raises(SaltInvocationError, match="kvm3:/data/b is not a brick of this server"):
        Place(execution, [OLD]).module.is_in_place("one_vol", OLD)


def test_what_is_in_the_way_is_said(execution):
    with pytest.raises(CommandExecutionError, match="on the root file system"):
        Place(execution, [NEW], unfit="/data/b is on the root file system").module.brick_changes("one_vol", NEW)
    change = {NEW: {"old": OLD, "new": "a brick of volume one_vol"}}
    planned = Place(execution, [OLD], unfit="/data/b is on the root", test=True, planned=True).module
    assert planned.brick_changes("one_vol", NEW, OLD, run="1") == change
    assert Place(execution, [], known=False, test=True).module.brick_changes("one_vol", NEW, OLD) == change
    with pytest.raises(CommandExecutionError, match="this server knows no volume one_vol"):
        Place(execution, [], known=False).module.brick_changes("one_vol", NEW, OLD)
    with pytest.raises(SaltInvocationError, match="volume one_vol has no brick kvm3:/data/b"):
        Place(execution, ["kvm1:/data/b"]).module.brick_changes("one_vol", NEW, OLD)


def test_a_place_that_was_taken_and_is_empty_is_reset(execution):
    """Killed between Gluster's note of the new brick and the brick's first start."""
    moved, taken, own = (Place(execution, bricks) for bricks in ([OLD], [NEW], [NEW]))
    moved.module.replace_brick("one_vol", NEW, OLD)
    taken.module.replace_brick("one_vol", NEW, OLD)
    own.module.replace_brick("one_vol", NEW)
    assert moved.sent == [("one_vol", OLD, NEW)]
    assert taken.sent == own.sent == [("one_vol", NEW, None)]


def test_those_that_name_the_server_by_any_name_are_found(execution):
    addresses = {"kvm3": "10.0.0.3", "kvm3.storage": "10.0.0.3", "kvm1": "10.0.0.1", "10.0.0.3": "10.0.0.3"}
    texts = ["KVM3:24007", "kvm3.storage", "10.0.0.3:24007 kvm3", "kvm1 kvm3", "unknown", None]
    module = execution(
        "gluster_replace",
        __salt__={
            "opennebula.datastore_list": lambda **words: [
                {"name": f"ds{number}", "GLUSTER_HOST": text} for number, text in enumerate(texts)
            ],
            "opennebula.vm_list": lambda **words: [
                {"id": 7, "disks": [{"id": number, "gluster_host": text} for number, text in enumerate(texts)]}
            ],
        },
        __utils__={
            "gluster_hosts.resolved": lambda hosts: {host: {addresses[host]} for host in hosts if host in addresses},
            "gluster_hosts.addresses": lambda host, found: found,
        },
    )
    found = module.is_named_by(["kvm3"], endpoint="http://head")
    assert [text.partition(" has it")[0] for text in found] == [
        "datastore ds0",
        "datastore ds1",
        "datastore ds2",
        "VM 7",
    ]
    assert found[3].endswith("disk 0, 1, 2")
