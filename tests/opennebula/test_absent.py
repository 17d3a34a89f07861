"""The state gluster_one.one_datastore_absent: only what is empty goes, and only what was named."""

import xmlrpc.client

import pytest

from tests.oned import template

from .wire import speaking


@pytest.fixture
def absent(loaders, oned):
    def run(name="old", test=False, **arguments):
        return loaders.states.gluster_one.one_datastore_absent(name=name, test=test, **{**oned.arguments, **arguments})

    return run


def test_an_empty_datastore_goes(absent, oned, modules):
    number = oned.datastore("old")
    oned.datastore("older")
    gone = {"datastore": {"old": number, "new": None}}
    oned.log()
    predicted = absent(test=True)
    assert (predicted.result, predicted.changes, oned.writes()) == (None, gone, [])
    run = absent()
    assert (run.result, run.changes, oned.writes()) == (True, gone, ["datastore.delete"])
    names = [store["name"] for store in modules.opennebula.datastore_list(**oned.arguments)]
    assert "old" not in names and "older" in names
    for test in (True, False):
        again = absent(test=test)
        assert (again.result, again.changes, again.comment) == (True, {}, "there is no datastore old")
    assert oned.writes() == []


@pytest.mark.parametrize("test", [True, False])
def test_images_keep_it(absent, oned, test):
    number = oned.datastore("old")
    for name in ("ubuntu", "debian", "alpine", "arch"):
        oned.call("image.allocate", template({"NAME": name, "TYPE": "DATABLOCK", "SIZE": 1}), number)
    oned.log()
    run = absent(test=test)
    assert (run.result, run.changes, oned.writes()) == (False, {}, [])
    assert run.comment == (
        "Datastore old: it is not empty: 4 images (arch, alpine, debian, ...); move or delete them first"
    )


def test_a_machine_keeps_its_system_datastore(absent, oned):
    number = oned.datastore("old", TYPE="SYSTEM_DS", DS_MAD=None)
    oned.lab(put={"vm": {"name": "web", "uid": 0, "host": "kvm1", "ds": number, "disks": []}})
    oned.log()
    assert "it is not empty: 1 VM (web)" in absent().comment
    assert oned.writes() == []


@pytest.mark.parametrize("test", [True, False])
def test_of_two_of_one_name_the_identifier_says_which(absent, oned, test):
    """oned lets nobody make them today; an old database may have them."""
    numbers = [oned.datastore(name) for name in ("one", "two")]
    pool = oned.call("datastorepool.info").replace("<NAME>two</NAME>", "<NAME>one</NAME>")
    body = xmlrpc.client.dumps(([True, pool, 0],), methodresponse=True).encode()
    with speaking(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)) as (endpoint, _):
        run = absent("one", test=test, endpoint=endpoint)
    assert (run.result, run.changes) == (False, {})
    assert "there is more than one of that name" in run.comment and "give datastore_id" in run.comment
    assert all(str(number) in run.comment for number in numbers)


@pytest.mark.parametrize("test", [True, False])
def test_what_a_limited_user_does_not_see_keeps_it(absent, oned, eve, test):
    files, scratch = oned.datastore("files of eve"), oned.datastore("scratch", TYPE="SYSTEM_DS", DS_MAD=None)
    oned.call("image.allocate", template({"NAME": "ubuntu", "TYPE": "DATABLOCK", "SIZE": 1}), files)
    oned.lab(put={"vm": {"name": "web", "uid": 0, "host": "kvm1", "ds": scratch, "disks": []}})
    me = eve(files, scratch, oned.datastore("old"))
    for name, hidden in (("files of eve", "1 image"), ("scratch", "VMs")):
        run = absent(name, test=test, **me)
        assert (run.result, run.changes, oned.writes()) == (False, {}, [])
        assert run.comment == (
            f"Datastore {name}: it may not be empty: {hidden} that OpenNebula does not show to this user; use one of "
            "the group oneadmin"
        )
    assert absent("old", test=test, **me).changes


def test_another_name_is_not_meant_by_the_identifier(absent, oned):
    number = oned.datastore("other")
    assert (absent(datastore_id=number).result, absent(datastore_id=number).changes) == (True, {})


def test_without_oned(absent):
    run = absent(endpoint="http://127.0.0.1:9/RPC2", timeout=1)
    assert run.result is False
    assert run.comment.startswith("Datastore old: OpenNebula at http://127.0.0.1:9/RPC2 cannot be reached")
