"""What is in the way of a brick, what is taken away, and whose word counts."""

import errno
import os
import shutil

import pytest
from salt.exceptions import SaltInvocationError

ID = bytes(range(16))
TEXT = "00010203-0405-0607-0809-0a0b0c0d0e0f"
MARK, GFID = "trusted.glusterfs.volume-id", "trusted.gfid"
LAYOUT = {"size": 3, "bricks": [f"kvm{number}:/data/b" for number in (1, 2, 3)]}


class Server:
    """This server: directories that are real, attributes and devices that are not."""

    def __init__(self, execution, tmp_path, monkeypatch):
        self.top = tmp_path / "data"
        self.top.mkdir()
        self.marks, self.volumes, self.foreign, self.stored, self.mine = {}, {}, None, {}, {}
        self.members = {
            f"kvm{number}": {"uuid": str(number), "own": number == 1, "name": f"kvm{number}"} for number in (1, 2, 3)
        }
        self.now, self.apart = 1000.0, None
        salt = {
            "gluster.volume_info": lambda run=None: self.volumes,
            "glusterd.info": lambda: {"uuid": "1"},
            "gluster_mount.foreign_parent": lambda path: self.foreign,
            "gluster_peers.identify": lambda servers, run=None: {server: self.members[server] for server in servers},
            "gluster_pool.peers_apart": lambda: self.apart,
            "data.get": self.stored.get,
            "data.update": lambda key, value: not self.stored.update({key: value}),
            "mine.get": lambda target, key: self.mine,
            "gluster_disks.is_planned": lambda path, run: (path, run) == self.planned,
            "mine.send": lambda key, **words: not self.mine.update({key: words}),
        }
        self.planned = None
        self.opts = {"test": False, "file_client": "remote"}
        self.module = execution("gluster_bricks", __salt__=salt, __opts__=self.opts, __grains__={"id": "kvm1"})
        monkeypatch.setattr(self.module.os, "getxattr", self.getxattr)
        monkeypatch.setattr(self.module.os, "removexattr", self.removexattr)
        monkeypatch.setattr(self.module.os.path, "ismount", lambda path: path == str(self.top))
        real = os.stat
        monkeypatch.setattr(
            self.module.os, "stat", lambda path, **more: _Device(7) if str(path) == "/" else real(path, **more)
        )
        monkeypatch.setattr(self.module.time, "sleep", lambda seconds: None)
        monkeypatch.setattr(self.module.time, "time", lambda: self.now)

    def getxattr(self, path, name):
        path = os.readlink(f"/proc/self/fd/{path}") if isinstance(path, int) else str(path)
        if (path, name) not in self.marks:
            os.lstat(path)
            raise OSError(errno.ENODATA, "No data available")
        return self.marks[path, name]

    def removexattr(self, path, name):
        del self.marks[os.readlink(f"/proc/self/fd/{path}"), name]

    def brick(self, mark=None, files=(), gfid=False):
        path = self.top / "brick"
        path.mkdir()
        for name in files:
            (path / name).mkdir(parents=True)
        if mark:
            self.marks[str(path), MARK] = mark
        if gfid:
            self.marks[str(path), GFID] = ID
        return str(path)

    def look(self, path="brick"):
        return self.module.look(str(self.top / path))

    def say(self, minion, number, **more):
        self.mine[minion] = {"server": str(number), "unfit": None, "at": self.now, **more}


class _Device:
    def __init__(self, number):
        self.st_dev, self.st_mode, self.st_uid = number, 0o40755, 0


@pytest.fixture
def server(execution, tmp_path, monkeypatch):
    return Server(execution, tmp_path, monkeypatch)


FIT = {"volume": None, "left": None, "unfit": None}


def test_a_directory_that_is_not_there_or_empty_is_fit(server):
    assert server.look() == FIT
    server.brick()
    assert server.look() == FIT


def test_a_brick_of_a_volume_is_known_in_any_notation(server):
    path = server.brick(ID)
    server.volumes = {"one_vol": {"id": TEXT, "bricks": [f"10.0.0.1:{path}/"], "servers": ["1"]}}
    assert server.look() == {**FIT, "volume": "one_vol"}
    assert server.module.look(f"{path}/") == {**FIT, "volume": "one_vol"}
    server.volumes["one_vol"]["servers"] = ["2"]
    assert "at another path" in server.look()["unfit"]


def test_files_are_in_the_way(server):
    server.brick(files=["disk.0", "a\x1b[2J", "c", "d"])
    assert "is not empty (a\\x1b[2J, c, d, ...): choose an empty directory" in server.look()["unfit"]


def test_what_a_refused_volume_left_is_taken_away_and_nothing_else(server):
    path = server.brick(ID, [".glusterfs"])
    assert server.look() == {**FIT, "left": TEXT}
    server.module.clear(path)
    assert server.look() == FIT
    assert os.listdir(path) == [] and server.marks == {}


def test_a_test_run_clears_nothing_and_its_later_states_know(server):
    path = server.brick(ID, [".glusterfs"])
    server.opts["test"] = True
    server.module.clear(path, run="7")
    assert server.module.look(path, run="7") == FIT
    assert server.module.look(path, run="8")["left"] == server.look()["left"] == TEXT
    assert server.marks and os.listdir(path) == [".glusterfs"]


@pytest.mark.parametrize("files, gfid", [(["disk.0"], False), ([".glusterfs/00"], False), ([".glusterfs"], True)])
def test_a_brick_that_was_used_is_left(server, files, gfid):
    path = server.brick(ID, files, gfid)
    assert f"was a brick of the volume {TEXT}" in server.look()["unfit"]
    with pytest.raises(Exception, match="is being changed"):
        server.module.clear(path)
    assert server.marks and os.listdir(path)


def test_a_volume_that_is_being_created_keeps_its_mark(server, monkeypatch):
    path = server.brick(ID, [".glusterfs"])
    there = {"one_vol": {"id": TEXT, "bricks": [f"kvm1:{path}"], "servers": ["1"]}}
    monkeypatch.setattr(server.module.time, "sleep", lambda seconds: setattr(server, "volumes", there))
    with pytest.raises(Exception, match="is being changed: one_vol"):
        server.module.clear(path)
    assert server.marks and os.listdir(path) == [".glusterfs"]


def test_places_where_no_brick_can_be(server, monkeypatch):
    assert "is a mount point" in server.look("")["unfit"]
    assert f"{server.top}/absent is not there: mount" in server.look("absent/brick")["unfit"]
    (server.top / "file").touch()
    assert "is not a directory" in server.look("file")["unfit"]
    (server.top / "link").symlink_to(server.top / "target")
    assert f"leads to {server.top}/target" in server.look("link")["unfit"]
    server.marks[str(server.top), MARK] = ID
    assert f"is in {server.top}, which is, or was, a brick" in server.look()["unfit"]
    server.foreign = "/var/lib/one"
    assert "others than root can write to /var/lib/one" in server.look()["unfit"]


def test_the_root_file_system_and_one_without_attributes(server, monkeypatch):
    device = os.lstat(server.top).st_dev
    real = os.stat
    monkeypatch.setattr(server.module.os, "stat", lambda path, **more: _Device(device) if path == "/" else real(path))
    assert "is on the root file system" in server.look()["unfit"]
    monkeypatch.setattr(server.module.os, "stat", lambda path, **more: _Device(7) if path == "/" else real(path))

    def unsupported(path, name):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(server.module.os, "getxattr", unsupported)
    assert "has no extended attributes" in server.look()["unfit"]


# The word of the other servers


@pytest.fixture
def creating(server, monkeypatch):
    monkeypatch.setattr(server.module, "look", lambda path, run=None: FIT)
    return server


def test_the_others_are_waited_for_and_named(creating):
    assert "kvm2 has not said whether /data/b is fit: apply gluster.brick_prepared there" in creating.module.unready(
        LAYOUT
    )
    creating.say("kvm2", 2)
    assert "kvm2" not in creating.module.unready(LAYOUT)
    creating.say("kvm3", 3, unfit="/data/b holds 3 files")
    assert creating.module.unready(LAYOUT) == "kvm3 says: /data/b holds 3 files"
    creating.say("kvm3", 3)
    assert creating.module.unready(LAYOUT) is None
    creating.apart = "kvm2 sees kvm3 disconnected"
    assert creating.module.unready(LAYOUT) == "kvm2 sees kvm3 disconnected"


def test_a_word_counts_once_and_not_for_long(creating):
    creating.say("kvm2", 2)
    creating.say("kvm3", 3)
    creating.module.use_words(LAYOUT)
    assert "kvm2 has not said" in creating.module.unready(LAYOUT)
    creating.now += 1
    creating.say("kvm2", 2)
    creating.say("kvm3", 3)
    assert creating.module.unready(LAYOUT) is None
    creating.now += 601
    assert "kvm3 has not said" in creating.module.unready(LAYOUT)


def test_a_server_that_is_not_in_the_pool_has_not_been_asked(creating):
    creating.members["kvm3"] = None
    creating.say("kvm2", 2)
    assert creating.module.use_words(LAYOUT) is True
    assert creating.module.unready(LAYOUT) == "kvm3 not in the pool of kvm1"


def test_a_server_with_another_minion_id_is_known_by_its_uuid(creating):
    creating.say("kvm2.example.com", 2)
    creating.say("KVM3", 3)
    assert creating.module.unready(LAYOUT) is None


def test_where_two_speak_for_a_server_only_one_of_its_name_counts(creating):
    creating.say("kvm2.example.com", 2)
    creating.say("kvm3", 3)
    creating.say("evil", 2)
    assert "kvm2 has not said" in creating.module.unready(LAYOUT)
    creating.say("evil", 3, unfit="never")
    assert creating.module.unready(LAYOUT) is None


def test_a_word_of_any_shape(creating):
    creating.mine = {"kvm2": "fit", "kvm3": {"server": "3", "unfit": 7, "at": "now"}, "x": None}
    assert "kvm2 has not said" in creating.module.unready(LAYOUT)
    creating.mine = None
    assert "kvm3 has not said" in creating.module.unready(LAYOUT)


def test_without_a_master_nobody_is_waited_for(creating):
    creating.opts["file_client"] = "local"
    with pytest.raises(SaltInvocationError, match="without a master kvm2 cannot say whether /data/b is fit"):
        creating.module.unready(LAYOUT)
    assert creating.module.unready({"size": 1, "bricks": ["kvm1:/data/b"]}) is None
    assert creating.module.publish("/data/b") is False


def test_servers_that_are_not_in_the_pool_or_the_same(creating):
    creating.members["kvm3"] = None
    assert creating.module.unready(LAYOUT) == "kvm3 not in the pool of kvm1"
    creating.members["kvm3"] = creating.members["kvm2"]
    with pytest.raises(SaltInvocationError, match="kvm2:/data/b and kvm3:/data/b in one set"):
        creating.module.unready(LAYOUT)


def test_an_own_brick_that_is_not_fit_is_an_error(server):
    path = server.brick(files=["disk.0"])
    with pytest.raises(SaltInvocationError, match=f"bricks has kvm1:{path}: {path} is not empty"):
        server.module.unready({"size": 1, "bricks": [f"kvm1:{path}"]})
    shutil.rmtree(f"{path}/disk.0")
    server.marks[path, MARK] = ID
    with pytest.raises(SaltInvocationError, match="gluster.brick_prepared takes it away"):
        server.module.unready({"size": 1, "bricks": [f"kvm1:{path}"]})


def test_the_word_itself(server):
    path = server.brick(files=["disk.0"])
    said = server.module.word(path)
    assert (said["server"], said["at"]) == ("1", 1000.0) and "is not empty" in said["unfit"]
    assert server.module.publish("/data/a,b")
    assert server.mine == {
        "gluster_brick_%2Fdata%2Fa%2Cb": {"mine_function": "gluster_bricks.word", "path": "/data/a,b"}
    }


def test_a_directory_on_a_disk_that_a_run_with_test_would_mount_is_fit(server):
    path = str(server.top / "not_there/brick")
    assert "is not there" in server.module.look(path, run="7")["unfit"]
    server.planned = (path, "7")
    assert server.module.look(path, run="7") == FIT and server.module.look(path)["unfit"]
