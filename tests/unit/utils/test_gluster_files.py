"""gluster_files: a file is written in one step."""

import os
import time

import pytest


def test_mode_and_owner_stay_and_the_time_is_that_of_the_change(util, tmp_path):
    path = tmp_path / "file"
    path.write_text("before")
    path.chmod(0o640)
    os.chown(path, 9869, 9869)
    os.utime(path, (1, 1))
    util("gluster_files").write(str(path), "after")
    there = path.stat()
    assert path.read_text() == "after"
    assert (there.st_mode & 0o777, there.st_uid, there.st_gid) == (0o640, 9869, 9869)
    assert time.time() - there.st_mtime < 60


def test_nobody_else_may_read_it_for_a_moment(util, tmp_path, monkeypatch):
    """A definition of a volume has a password in it."""
    module, modes = util("gluster_files"), []
    path = tmp_path / "file"
    path.write_text("before")
    path.chmod(0o600)
    for name in ("chmod", "chown", "replace"):
        done = getattr(os, name)

        def seen(new, *words, done=done, **more):
            result = done(new, *words, **more)
            modes.extend(each.stat().st_mode & 0o777 for each in tmp_path.iterdir())
            return result

        monkeypatch.setattr(module.os, name, seen)
    module.write(str(path), "after")
    assert modes and set(modes) == {0o600}


def test_a_new_file_can_be_read_by_everybody(util, tmp_path):
    util("gluster_files").write(str(tmp_path / "file"), b"text")
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


def test_nothing_is_left_of_one_that_could_not_be_written(util, tmp_path, monkeypatch):
    module = util("gluster_files")
    path = tmp_path / "file"
    path.write_text("before")
    monkeypatch.setattr(module.os, "fsync", lambda descriptor: os.write(-1, b""))
    with pytest.raises(OSError):
        module.write(str(path), "after")
    assert path.read_text() == "before" and os.listdir(tmp_path) == ["file"]
