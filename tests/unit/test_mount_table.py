"""The kernel's table of mounts, in which whoever may use fusermount has a word: the directory's name and the device."""

import pytest

ROOT = b"21 1 0:20 / / ro,relatime - ext4 /dev/vda rw"
OURS = rb"41 21 0:33 / /srv/a\040b rw,relatime - fuse.glusterfs kvm1:/one_vol rw,user_id=0,group_id=0,allow_other"
# The kernel escapes a blank, a tab, a line feed and a backslash; text is split at more than those.
FORGED = b"a\x1f-\x1fq\r21\x1f1\x1f0:20\x1f/\x1f/victim\x1fro\x1f-\x1ffuse.glusterfs\x1fkvm1:/one_vol\x1frw,user_id=0"
THEIRS = b"42 21 0:34 / /home/" + FORGED + b" rw,nosuid,nodev - fuse.glusterfs kvm1:/one_vol rw,user_id=9869"


@pytest.fixture
def module(execution, monkeypatch, tmp_path):
    module = execution(
        "gluster_mount_flags", __salt__={"gluster_mount.device_volume": lambda device: device.rpartition(":/")[2]}
    )
    (tmp_path / "mountinfo").write_bytes(b"\n".join([ROOT, THEIRS, OURS, b""]))
    monkeypatch.setattr(module, "MOUNTINFO", str(tmp_path / "mountinfo"))
    return module


def test_no_line_is_forged_by_the_name_of_a_directory(module):
    assert module.without_flags("one_vol") == ["/srv/a b"]


def test_a_mount_by_fusermount_is_none_of_gluster_s(module):
    assert [entry[0] for entry in module._mounts()] == ["41"]
