"""Links in place of the directories of datastores, and the identifiers that the head leaves on the volume."""

import json
import os
import subprocess
import sys

import pytest
from salt.exceptions import CommandExecutionError

from . import host
from .obstacles import BLOCKING, LINKS

IDS = ".gluster_one/datastores.json"


def state_of(modules, path, target, volume="small_vol"):
    found = modules.gluster_links.link_state(str(path), str(target), volume)
    return found["state"], found["detail"]


@pytest.mark.parametrize("make, expected", LINKS.values(), ids=LINKS)
def test_link_state(modules, place, make, expected):
    make(place / "101")
    before = host.tree(place)
    assert state_of(modules, place / "101", place / "0") == expected
    assert host.tree(place) == before


def test_link_state_of_the_volume_mounted_there_too(modules, served, place):
    second = place / "101"
    second.mkdir()
    host.sh("mount", "-t", "glusterfs", "kvm1:/small_vol", second)
    assert state_of(modules, second, served) == ("linked", "")
    assert state_of(modules, second, served, "other_vol") == ("blocked", "has kvm1:/small_vol mounted on it")


def test_link_state_of_a_directory_of_the_volume_and_of_a_read_only_mount(modules, served, place):
    for name in ("101", "102", "103"):
        (place / name).mkdir()
    (served / "ds101").mkdir(exist_ok=True)
    host.sh("mount", "--bind", served / "ds101", place / "101")
    host.sh("mount", "--bind", served, place / "102")
    assert state_of(modules, place / "102", "/mnt/x") == ("linked", "")
    host.sh("mount", "-o", "remount,bind,ro", place / "102")
    host.sh("mount", "-t", "glusterfs", "-o", "ro", "kvm1:/small_vol", place / "103")
    (place / "104").symlink_to("103")
    states = {name: state_of(modules, place / name, "/mnt/x") for name in ("101", "102", "103", "104")}
    assert states == {
        "101": ("blocked", "has kvm1:/small_vol/ds101 mounted on it"),
        "102": ("blocked", "has kvm1:/small_vol mounted on it, read-only"),
        "103": ("blocked", "has kvm1:/small_vol mounted on it, read-only"),
        "104": ("blocked", "is a link to 103, where it is mounted read-only"),
    }


def test_no_link_is_made_on_a_volume(modules, served, place):
    """All of the datastores' directory on it: by its mount, or by a link of root's that leads there."""
    (place / "stores").symlink_to(served)
    for path in (served / "101", place / "stores/101"):
        for call in (modules.gluster_links.link_state, modules.gluster_links.link):
            with pytest.raises(
                CommandExecutionError, match=r"it lies on kvm1:/small_vol \(fuse.glusterfs\), mounted on"
            ):
                call(str(path), "/mnt/x")
    assert not (served / "101").is_symlink()


def test_link_state_of_another_file_system_mounted_there(modules, place):
    second = place / "101"
    second.mkdir()
    host.sh("mount", "-t", "tmpfs", "scratch", second)
    try:
        assert state_of(modules, second, place / "0") == ("blocked", "has scratch mounted on it")
    finally:
        host.sh("umount", second)


def test_link_state_does_not_look_at_a_mount_that_hangs(modules, served, place):
    (place / "101").symlink_to(served)
    with host.stopped(host.fuse_client(served)), host.seconds(2):
        assert state_of(modules, place / "101", served) == ("linked", "")


def test_a_link_into_a_mount_that_hangs_is_not_followed(modules, served, place):
    (place / "101").symlink_to(place / "102")
    (place / "102").symlink_to(served / "deeper/101")
    with host.stopped(host.fuse_client(served)), host.seconds(2):
        assert state_of(modules, place / "101", "/mnt/elsewhere") == ("blocked", f"is a link to {place}/102")
        with pytest.raises(CommandExecutionError, match=f"{place}/101 is a link to {place}/102 and cannot become"):
            modules.gluster_links.link_changes("/mnt/elsewhere", "other", {"link": str(place / "101")}, ["/mnt/old"])


# Making a link


@pytest.mark.parametrize("kind", ["absent", "an empty directory", "OpenNebula's mark", "a link"])
def test_link(modules, place, kind):
    (place / "0").mkdir()
    LINKS[kind][0](place / "101")
    assert modules.gluster_links.link(str(place / "101"), str(place / "0")) is True
    assert os.readlink(place / "101") == str(place / "0")
    assert os.listdir(place / "0") == []


@pytest.mark.parametrize("kind", BLOCKING)
def test_link_over_something_touches_nothing(modules, place, kind):
    BLOCKING[kind][0](place / "101")
    before = host.tree(place)
    with pytest.raises(CommandExecutionError, match=f"{place}/101 cannot become a link to {place}/0"):
        modules.gluster_links.link(str(place / "101"), str(place / "0"))
    assert host.tree(place) == before


def test_the_reason_for_no_link_is_the_true_one(modules, place):
    (place / "101").symlink_to("/data")
    with pytest.raises(CommandExecutionError) as failure:
        modules.gluster_links.link(str(place / "101"), str(place / "0"))
    assert "made again" not in str(failure.value), "nobody makes it anew: it is a link elsewhere"


def making_anew(path, times):
    """A process that makes a directory whenever it is gone, so many times, as oned does with that of a datastore."""
    script = f"""
import os
left = {times}
while left:
    try:
        os.mkdir({str(path)!r})
        left -= 1
    except FileExistsError:
        pass
"""
    return subprocess.Popen([sys.executable, "-c", script])


def test_link_while_the_directory_is_made_anew(modules, place):
    for _ in range(20):
        other = making_anew(place / "101", 3)
        try:
            host.eventually("the directory is there", (place / "101").is_dir)
            assert modules.gluster_links.link(str(place / "101"), str(place / "0")) is True
            assert os.readlink(place / "101") == str(place / "0")
        finally:
            other.kill()
            other.wait()
        (place / "101").unlink()


def test_link_while_the_directory_is_made_anew_for_ever_has_an_end(modules, place):
    other = making_anew(place / "101", -1)
    try:
        host.eventually("the directory is there", (place / "101").is_dir)
        with host.seconds(8):
            try:
                assert modules.gluster_links.link(str(place / "101"), str(place / "0")) is True
            except CommandExecutionError as failure:  # on most machines the other one is faster, ten times
                assert "it is made again each time it is removed" in str(failure)
    finally:
        other.kill()
        other.wait()
    assert state_of(modules, place / "101", place / "0")[0] in ("linked", "empty")


# Identifiers on the volume


def test_no_identifiers(modules, other_node):
    assert modules.gluster_one_ids.published_ids(str(other_node)) == {}


def test_a_first_identifier_is_seen_on_another_mount_at_once(modules, served, other_node):
    assert modules.gluster_one_ids.published_ids(str(other_node)) == {}
    assert modules.gluster_one_ids.publish_id(str(served), "glusterds", 101) is True
    assert modules.gluster_one_ids.published_ids(str(other_node)) == {"glusterds": 101}


def test_a_further_identifier_is_seen_on_another_mount_within_seconds(modules, served, other_node):
    expected = {}
    for name, number in (("a", 100), ("b", 101), ("a", 102)):
        modules.gluster_one_ids.publish_id(str(served), name, number)
        expected[name] = number
        assert modules.gluster_one_ids.published_ids(str(served)) == expected
        host.eventually("it is seen", lambda: modules.gluster_one_ids.published_ids(str(other_node)) == expected)
    assert json.loads((other_node / IDS).read_text()) == expected
    assert os.listdir(other_node / ".gluster_one") == ["datastores.json"]
    assert (other_node / IDS).stat().st_mode & 0o777 == 0o644


CONTENTS = {
    "not JSON": ("{'glusterds': 101}", {}),
    "cut off": ('{"glusterds": 101', {}),
    "nothing": ("", {}),
    "a list": ('["glusterds", 101]', {}),
    "a number": ("101", {}),
    "null": ("null", {}),
    "strings": ('{"a": "101", "b": "../../etc", "c": 101}', {"c": 101}),
    "negative": ('{"a": -1, "b": 0}', {"b": 0}),
    "no whole numbers": ('{"a": 1.5, "b": 1e2, "c": NaN, "d": Infinity}', {}),
    "booleans and null": ('{"a": true, "b": false, "c": null, "d": 1}', {"d": 1}),
    "nested": ('{"a": {"b": 1}, "c": [1], "d": 7}', {"d": 7}),
    "deeply nested": ("[" * 200_000, {}),
    "two megabytes": ('{"a": 1, "b": "' + "x" * 2_000_000 + '"}', {}),
    "bytes that are no text": (b'{"a": 1, "\xff\xfe": 2}', {}),
    "a number of 5000 digits": ('{"a": ' + "9" * 5000 + "}", {}),
}


@pytest.mark.parametrize("content, expected", CONTENTS.values(), ids=CONTENTS)
def test_hostile_identifiers(modules, other_node, content, expected):
    (other_node / IDS).parent.mkdir()
    (other_node / IDS).write_bytes(content if isinstance(content, bytes) else content.encode())
    with host.seconds(8):
        assert modules.gluster_one_ids.published_ids(str(other_node)) == expected


def a_directory(path):
    path.mkdir(parents=True)


def a_pipe(path):
    path.parent.mkdir()
    os.mkfifo(path)


def a_link_to_secrets(path):
    path.parent.mkdir()
    path.symlink_to("/etc/shadow")


@pytest.mark.parametrize("make", [a_directory, a_pipe, a_link_to_secrets])
def test_no_file_in_the_place_of_the_identifiers(modules, other_node, make):
    make(other_node / IDS)
    with host.seconds(8):
        assert modules.gluster_one_ids.published_ids(str(other_node)) == {}
        os.mkfifo(other_node / ".gluster_one/mark")
        left = modules.gluster_one_ids.volume_files(str(other_node))
    errors = left["errors"]
    assert left["ids"] == {}
    assert errors.pop(f"{other_node}/.gluster_one/mark") == "it is a FIFO: remove it"
    assert list(errors) == [f"{other_node}/.gluster_one/datastores.json"]


def test_an_identifier_where_no_file_can_be_written_is_an_error(modules, other_node):
    (other_node / IDS).mkdir(parents=True)
    with pytest.raises(CommandExecutionError, match=f"identifiers could not be written to {other_node}: .*irectory"):
        modules.gluster_one_ids.publish_id(str(other_node), "glusterds", 101)
    assert os.listdir(other_node / ".gluster_one") == ["datastores.json"]


def test_an_identifier_is_not_written_through_a_link_of_oneadmin(modules, other_node, tmp_path):
    """Root writes into a directory that oneadmin owns: what oneadmin puts there must not lead root elsewhere."""
    os.chown(other_node, 9869, 9869)
    (other_node / ".gluster_one").symlink_to(tmp_path)
    with pytest.raises(CommandExecutionError, match=f"to {other_node}: .*/.gluster_one is a link: remove it"):
        modules.gluster_one_ids.publish_id(str(other_node), "glusterds", 101)
    assert os.listdir(tmp_path) == []


def test_identifiers_last_seen_are_known_while_nothing_is_mounted(modules, served):
    modules.gluster_one_ids.publish_id(str(served), "glusterds", 101)
    assert modules.gluster_one_ids.volume_files(str(served)) == {"ids": {"glusterds": 101}, "errors": {}}
    host.sh("umount", served)
    assert modules.gluster_one_ids.published_ids(str(served)) == {"glusterds": 101}


@pytest.mark.parametrize("how", ["dead", "hung"])
def test_identifiers_on_a_mount_that_does_not_answer(modules, served, how):
    modules.gluster_one_ids.publish_id(str(served), "glusterds", 101)
    assert modules.gluster_one_ids.published_ids(str(served)) == {"glusterds": 101}
    client = host.fuse_client(served)
    if how == "dead":
        host.kill(client)
        assert modules.gluster_one_ids.published_ids(str(served)) == {"glusterds": 101}
        return
    with host.stopped(client), host.seconds(8):
        assert modules.gluster_one_ids.published_ids(str(served)) == {"glusterds": 101}
