"""Where a volume may be mounted, and which identifiers of datastores count."""

import os

import pytest
from salt.exceptions import CommandExecutionError


@pytest.fixture
def module(execution):
    return execution("gluster_mount_place")


@pytest.fixture
def root(tmp_path, monkeypatch, module):
    """A directory that counts as /, so that no other user's directory is above it."""
    lstat, readlink = os.lstat, os.readlink
    monkeypatch.setattr(module.os, "lstat", lambda path: lstat(f"{tmp_path}{path}"))
    monkeypatch.setattr(module.os, "readlink", lambda path: readlink(f"{tmp_path}{path}"))
    tmp_path.chmod(0o755)
    return tmp_path


def test_directories_of_root_alone(module, root):
    (root / "srv/x").mkdir(parents=True)
    assert module.foreign_parent("/srv/x/vol") is None
    assert module.foreign_parent("/srv/new/deeper/vol") is None
    assert module.place("/srv/x/vol", "vol") == "/srv/x/vol"


@pytest.mark.parametrize(
    ("owner", "group", "mode"), [(9869, 9869, 0o755), (0, 50, 0o775), (0, 0, 0o777), (0, 0, 0o1777), (9869, 0, 0o500)]
)
def test_a_directory_that_somebody_else_can_write(module, root, owner, group, mode):
    (root / "srv/x").mkdir(parents=True)
    os.chown(root / "srv", owner, group)
    (root / "srv").chmod(mode)
    assert module.foreign_parent("/srv/x/vol") == "/srv"
    assert module.place("/srv/x/vol", "vol") == "/var/lib/gluster_one/vol"
    assert module.place("/srv/x/vol", "vol/sub") == "/var/lib/gluster_one/vol.sub"
    assert module.foreign_parent("/srv") is None  # the mount point itself becomes root's


def test_a_link_of_root_s_that_leads_to_somebody_else_s(module, root):
    (root / "data/one").mkdir(parents=True)
    os.chown(root / "data/one", 9869, 9869)
    (root / "data/one/gluster").mkdir()
    (root / "one").symlink_to("/data/one")
    (root / "data/relative").symlink_to("one")
    for path in ("/one/gluster/vol", "/data/relative/gluster/vol"):
        assert module.foreign_parent(path) == "/data/one", path


def test_links_in_a_circle(module, root):
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    assert module.foreign_parent("/a/vol") is not None


def test_a_home_that_is_yet_to_come(module, monkeypatch):
    account = type("Account", (), {"pw_dir": "/no/such/home"})
    monkeypatch.setattr(module.pwd, "getpwnam", {"oneadmin": account}.__getitem__)
    assert module.place("/no/such/home/gluster/vol", "vol", "oneadmin") == "/var/lib/gluster_one/vol"
    assert module.place("/no/such/homes/vol", "vol", "oneadmin") == "/no/such/homes/vol"
    assert module.place("/no/such/home/gluster/vol", "vol", "nobody else") == "/no/such/home/gluster/vol"


@pytest.mark.parametrize(
    ("stores", "left", "numbers"),
    [
        ({"a": None}, {"a": 101, "other": 5}, {"a": 101}),
        ({"a": 101}, {"a": 0}, {"a": 101}),
        ({"a": 101, "b": None}, {"b": 101}, {"a": 101, "b": None}),
        ({"a": None, "b": None}, {"a": 101, "b": 101}, {"a": None, "b": None}),
        ({"a": None, "b": None}, {"a": 101}, {"a": 101, "b": None}),
        ({"a": 0, "b": 1}, {}, {"a": 0, "b": 1}),
        ({}, {"a": 101}, {}),
    ],
)
def test_the_pillar_s_identifiers_come_first_and_none_twice(execution, stores, left, numbers):
    assert execution("gluster_one_numbers").datastore_numbers(stores, left) == numbers


def test_a_number_of_opennebula_s_own_comes_from_the_pillar(execution):
    module = execution("gluster_one_numbers")
    assert module.require_number("system", 0, 0) and module.require_number("images", 100, None)
    with pytest.raises(CommandExecutionError, match="put `datastore_id: 0` into the pillar"):
        module.require_number("system", 0, None)
