"""
Two masters, or a person at the web interface: never two datastores of one name, nothing of the other's undone, and what
changed between reading and writing is noticed. ``before`` makes another administrator's call just before a request.
"""

import multiprocessing
import re
import threading
import time

import pytest

from tests.oned import template

NATIVE = {"volume": "one_vol", "host": "kvm1"}
ON_DISK = {"DISK_TYPE": "GLUSTER", "GLUSTER_HOST": "kvm1:24007", "GLUSTER_VOLUME": "one_vol", "DRIVER": "raw"}
COMMON = {"TYPE": "IMAGE_DS", "DS_MAD": "fs", "TM_MAD": "shared"}


def names(oned):
    return re.findall("<NAME>(.*?)</NAME>", oned.call("datastorepool.info"))


def attribute(oned, store, key):
    found = re.findall(rf"<{key}><!\[CDATA\[(.*?)\]\]></{key}>", oned.document(store))
    return found[-1] if found else None


def meanwhile(oned, method, *calls):
    oned.lab(before=[[f"one.{call}", *arguments] for call, *arguments in calls], method=f"one.{method}")
    oned.log()


def theirs(**attributes):
    """The call that creates the datastore, with these attributes."""
    return ["datastore.allocate", template({"NAME": "glusterds", **COMMON, **attributes}), -1]


# Created by somebody else between our read and our create


@pytest.mark.parametrize(
    "other, changed, sent",
    [
        (ON_DISK, set(), []),
        ({**ON_DISK, "THEIRS": "1"}, set(), []),
        ({**ON_DISK, "GLUSTER_HOST": "kvm9", "THEIRS": "1"}, {"GLUSTER_HOST"}, ["datastore.update"]),
        ({**ON_DISK, "DS_MAD": "shared"}, {"DS_MAD"}, ["datastore.update"]),
        ({}, {"DISK_TYPE", "GLUSTER_VOLUME", "GLUSTER_HOST", "DRIVER"}, ["datastore.update"]),
    ],
    ids=["the same", "with more", "other", "dead", "plain"],
)
def test_a_datastore_that_somebody_else_has_just_created(oned, present, other, changed, sent):
    meanwhile(oned, "datastore.allocate", theirs(**other))
    result = present(**NATIVE)
    assert result.result is True, result.comment
    assert set(result.changes) == changed
    assert oned.writes() == ["datastore.allocate", *sent]
    assert names(oned).count("glusterds") == 1
    assert attribute(oned, 100, "THEIRS") == other.get("THEIRS")
    assert attribute(oned, 100, "GLUSTER_HOST") in ("kvm1:24007", "kvm1")
    assert present(**NATIVE).changes == {}


def test_one_that_is_of_another_type(oned, present):
    meanwhile(oned, "datastore.allocate", theirs(TYPE="SYSTEM_DS", DS_MAD=None))
    result = present(**NATIVE)
    assert (result.result, result.changes) == (False, {})
    assert "is of type SYSTEM_DS, which cannot be changed" in result.comment


def test_one_that_is_in_use_already(oned, present):
    allocate = ["image.allocate", "NAME=i\nSOURCE=/one/i\nFORMAT=raw\nSIZE=1\nTYPE=OS\n", 100]
    meanwhile(oned, "datastore.allocate", theirs(**{**ON_DISK, "GLUSTER_VOLUME": "other_vol"}), allocate)
    result = present(**NATIVE)
    assert (result.result, result.changes) == (False, {}) and "has 1 images" in result.comment
    assert attribute(oned, 100, "GLUSTER_VOLUME") == "other_vol"


def test_a_name_that_is_taken_for_good(oned, present):
    """oned rejects it, and the user cannot see whose it is."""
    with oned.trouble(fail=[8192, "NAME is already taken by DATASTORE 100."], method="one.datastore.allocate"):
        result = present(**NATIVE)
    assert result.result is False and "already taken by DATASTORE 100" in result.comment


# Changed by somebody else between our read and our write


def test_another_attribute_is_kept(oned, present):
    store = oned.datastore("glusterds", **ON_DISK)
    for number, asked in enumerate(({"host": "kvm2"}, {"absent_attributes": ["OLD"]})):
        oned.call("datastore.update", store, 'OLD="1"', 1)
        meanwhile(oned, "datastore.update", ["datastore.update", store, f'THEIRS="{number}"', 1])
        result = present(**{**NATIVE, "host": "kvm2", **asked})
        assert result.result is True, result.comment
        assert oned.writes() == ["datastore.update"]
        assert attribute(oned, store, "THEIRS") == str(number)
    assert attribute(oned, store, "OLD") is None


def test_the_same_attribute_is_as_the_last_one_wants_it(oned, present):
    store = oned.datastore("glusterds", **ON_DISK)
    meanwhile(oned, "datastore.update", ["datastore.update", store, 'GLUSTER_HOST="kvm8:24007"', 1])
    result = present(**{**NATIVE, "host": "kvm2"})
    assert result.changes == {"GLUSTER_HOST": {"old": "kvm1:24007", "new": "kvm2:24007"}}
    assert attribute(oned, store, "GLUSTER_HOST") == "kvm2:24007"


def test_other_clusters_are_kept(oned, present):
    store = oned.datastore("glusterds", **ON_DISK)
    for name in ("ours", "theirs"):
        oned.call("cluster.allocate", name)
    meanwhile(oned, "cluster.adddatastore", ["cluster.adddatastore", 101, store])
    result = present(**NATIVE, clusters=["ours"])
    assert "<CLUSTERS><ID>0</ID><ID>100</ID><ID>101</ID></CLUSTERS>" in oned.document(store)
    assert result.result is True or "run again" in result.comment


def test_one_that_is_deleted(oned, present):
    store = oned.datastore("glusterds", **ON_DISK)
    meanwhile(oned, "datastore.update", ["datastore.delete", store])
    result = present(**{**NATIVE, "host": "kvm2"})
    assert (result.result, result.changes) == (False, {})
    assert "Error getting datastore [100] (1024)" in result.comment and "run again" in result.comment
    assert present(**NATIVE).result is True


def test_one_that_is_renamed(oned, present):
    store = oned.datastore("glusterds", **ON_DISK)
    meanwhile(oned, "datastore.update", ["datastore.rename", store, "theirs"])
    result = present(**{**NATIVE, "host": "kvm2"})
    assert result.result is False and "name: theirs -> glusterds" in result.comment
    assert names(oned).count("theirs") == 1


def test_a_name_that_is_taken_before_our_rename(oned, present):
    store = oned.datastore("old name", **ON_DISK)
    meanwhile(oned, "datastore.rename", theirs())
    result = present(**{**NATIVE, "host": "kvm2"}, datastore_id=store)
    assert result.result is False and "(2048)" in result.comment
    assert result.changes == {"GLUSTER_HOST": {"old": "kvm1:24007", "new": "kvm2:24007"}}  # what was done before
    assert names(oned).count("glusterds") == 1


def test_what_is_undone_before_we_look_again(oned, present):
    """The state reads once more after it wrote, and says what is not as wanted."""
    store = oned.datastore("glusterds", **ON_DISK)
    oned.log()
    oned.lab(slow=1, method="one.datastore.update", times=1)

    def undo():
        while "datastorepool.info" not in oned.requests():
            time.sleep(0.05)
        meanwhile(oned, "datastorepool.info", ["datastore.update", store, 'GLUSTER_HOST="kvm1:24007"', 1])

    other = threading.Thread(target=undo)
    other.start()
    result = present(**{**NATIVE, "host": "kvm2"}, attributes={"A": 1})
    other.join()
    assert result.result is False and result.changes == {"A": {"old": None, "new": "1"}}
    assert "still differs after the change: GLUSTER_HOST: kvm1:24007 -> kvm2:24007" in result.comment


# Several masters at once

MASTERS, STORES = 3, 6


def master(number, home, arguments, ready, go, told):
    """A process with loaders of its own, that makes the same datastores and gives each an attribute of its own."""
    from saltfactories.utils.functional import Loaders

    from tests.minion import minion_opts

    high = Loaders(minion_opts(home / f"master{number}")).modules.state.high
    mine = {**NATIVE, **arguments, "attributes": {f"OF_{number}": number}, "absent_attributes": [f"OLD_{number}"]}
    states = {
        f"store{store}": {
            "__env__": "base",
            "__sls__": "stores",
            "gluster_one": ["one_datastore_present", *({key: value} for key, value in mine.items())],
        }
        for store in range(STORES)
    }
    ready.release()
    go.wait(60)
    told.put([(result.id, result.result, str(result.comment)) for result in high(states)])


@pytest.mark.parametrize("there", [False, True], ids=["new", "there"])
def test_several_masters_at_once(oned, tmp_path, there):
    if there:
        old = {f"OLD_{number}": "1" for number in range(MASTERS)}
        for store in range(STORES):
            oned.datastore(f"store{store}", **ON_DISK, **old, KEEP="me")
    context = multiprocessing.get_context("spawn")
    ready, go, told = context.Semaphore(0), context.Event(), context.Queue()
    masters = [
        context.Process(target=master, args=(number, tmp_path, oned.arguments, ready, go, told), daemon=True)
        for number in range(MASTERS)
    ]
    for process in masters:
        process.start()
    assert all(ready.acquire(timeout=100) for _ in masters)
    oned.lab(slow=0.5, method="one.datastore.allocate")  # so that all have looked before the first one writes
    go.set()
    results = [result for _ in masters for result in told.get(timeout=100)]
    for process in masters:
        process.join(30)
    assert [result for result in results if result[1] is not True] == []
    found = names(oned)
    for number in range(STORES):
        name = f"store{number}"
        assert found.count(name) == 1
        (store,) = [store for store in range(100, 100 + STORES) if f"<NAME>{name}</NAME>" in oned.document(store)]
        assert [attribute(oned, store, f"OF_{number}") for number in range(MASTERS)] == ["0", "1", "2"]
        assert attribute(oned, store, "KEEP") == ("me" if there else None)
        assert "OLD_" not in oned.document(store)
    oned.lab(behave=True)
    codes = [request["code"] for request in oned.log() if request["method"] == "datastore.allocate"]
    assert codes.count(0) == STORES and (there or 8192 in codes)  # they did meet, and each was created once
