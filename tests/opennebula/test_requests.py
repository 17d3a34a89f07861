"""How many requests a run of states costs: what it reads, it reads once, however many datastores there are."""

import pytest
from salt.exceptions import SaltInvocationError

NATIVE = {"volume": "one_vol", "host": "kvm1", "clusters": ["default"], "permissions": 640, "owner": "oneadmin"}
# The guide's own example gives these, which oned decides by itself.
GUIDE = {"attributes": {"LN_TARGET": "NONE", "CLONE_TARGET": "SYSTEM"}}
ON_DISK = {"DISK_TYPE": "GLUSTER", "GLUSTER_HOST": "kvm1:24007", "GLUSTER_VOLUME": "one_vol", "DRIVER": "raw"}


def converged(oned, in_one_run, count, managed=None, **more):
    """The requests of one run over so many datastores that are as they should be."""
    names = [f"store{number}" for number in range(count)]
    for name in names:
        oned.datastore(name, **ON_DISK)
    states = {name: {**NATIVE, **more, **oned.arguments} for name in names[:managed]}
    oned.log()
    returned = in_one_run(states)
    assert {(result.result, str(result.changes)) for result in returned.values()} == {(True, "{}")}
    return oned.requests()


@pytest.fixture(scope="module")
def for_two(_oned, in_one_run):
    _oned.lab(reset=True)
    return converged(_oned, in_one_run, 2, **GUIDE)


def test_a_converged_head_needs_at_most_four(for_two):
    assert sorted(for_two) == ["clusterpool.info", "datastorepool.info", "hostpool.info"]


def test_nor_where_something_depends_on_the_drivers(oned, in_one_run):
    """A system datastore has no CLONE_TARGET to compare with."""
    oned.datastore("system of gluster", TYPE="SYSTEM_DS", DS_MAD=None)
    asked = {"type": "SYSTEM_DS", "attributes": {"CLONE_TARGET": "SYSTEM"}, **oned.arguments}
    oned.log()
    returned = in_one_run({str(number): {"name": "system of gluster", **asked} for number in range(3)})
    assert all(result.result is True and not result.changes for result in returned.values())
    assert oned.requests() == ["datastorepool.info", "system.config"]


@pytest.mark.parametrize("managed", [2, 1000])
def test_a_thousand_datastores_need_no_more_than_two(oned, in_one_run, for_two, managed):
    assert converged(oned, in_one_run, 1000, managed, **GUIDE) == for_two


@pytest.mark.parametrize("test", [True, False])
def test_what_is_not_asked_for_is_not_read(oned, present, test):
    oned.datastore("scratch")
    oned.log()
    assert present("scratch", test=test).result is True
    assert oned.requests() == ["datastorepool.info"]


def test_the_next_run_reads_anew(oned, present):
    """Also where it is the next one in the same process, which may get the last one's place in memory."""
    for number in range(8):
        present("scratch", attributes={"A": number})
        assert present("scratch", attributes={"A": number}).changes == {}
        oned.call("datastore.update", 100, 'A="by hand"', 1)
        assert present("scratch", attributes={"A": number}).changes["A"]["old"] == "by hand"


def test_a_state_sees_what_the_one_before_it_did(oned, in_one_run):
    """Two states on one datastore in one run."""
    asked = {"name": "scratch", **oned.arguments}
    returned = in_one_run({"first": {**asked, "attributes": {"A": 1}}, "second": {**asked, "attributes": {"B": 2}}})
    assert returned["first"].changes["A"] == {"old": None, "new": "1"}
    assert returned["second"].changes == {"B": {"old": None, "new": "2"}}
    assert oned.writes() == ["datastore.allocate", "datastore.update"]


def test_two_clouds_in_one_run_are_not_mixed_up(oned, in_one_run, another_oned):
    """Each endpoint has its own answers."""
    another_oned.datastore("scratch", A="elsewhere")
    returned = in_one_run(
        {
            "here": {"name": "scratch", "attributes": {"A": "here"}, **oned.arguments},
            "there": {"name": "scratch", "attributes": {"A": "there"}, **another_oned.arguments},
        }
    )
    assert "TYPE" in returned["here"].changes
    assert returned["there"].changes == {"A": {"old": "elsewhere", "new": "there"}}


def test_a_new_datastore_is_asked_of_oned_in_one_request(oned, present):
    """Its first cluster, too, goes with its creation; what oned makes of it as it should be is not sent again."""
    oned.call("cluster.allocate", "kvm")
    oned.log()
    arguments = {**NATIVE, "clusters": ["kvm"], "safe_dirs": ["/tmp"], "no_decompress": True}
    assert present(**arguments).result is True
    assert oned.writes() == ["datastore.allocate"]


def test_an_error_in_one_datastore_costs_the_others_nothing(oned, in_one_run):
    oned.datastore("good")
    oned.log()
    returned = in_one_run({"bad": {"tm_mad": "nope", **oned.arguments}, "good": oned.arguments})
    assert (returned["bad"].result, returned["good"].result) == (False, True)
    assert oned.requests() == ["datastorepool.info", "system.config"]


TYPED = [
    ("datastore_create", [{"NAME": "x", "TM_MAD": "shared"}], "cluster", []),
    ("datastore_update", [], "datastore_id", [{"A": "b"}]),
    ("datastore_rename", [], "datastore_id", ["x"]),
    ("datastore_delete", [], "datastore_id", []),
    ("datastore_enable", [], "datastore_id", [True]),
    ("datastore_chmod", [], "datastore_id", ["640"]),
    ("datastore_chown", [], "datastore_id", [0, 0]),
    ("datastore_chown", [100], "uid", [0]),
    ("cluster_datastore_add", [], "cluster_id", [100]),
    ("cluster_datastore_remove", [0], "datastore_id", []),
    ("image_list", [], "datastore_id", []),
    ("vm_list", [], "datastore_id", []),
]


@pytest.mark.parametrize("function, before, key, behind", TYPED)
def test_what_was_typed_for_an_identifier_is_named(oned, modules, function, before, key, behind):
    for typed in ("", "glusterds", "10 1", [100], {"id": 100}, True, 1.5):
        with pytest.raises(SaltInvocationError, match=f"^{key} is .*: an identifier is needed, a number such as 101$"):
            modules[f"opennebula.{function}"](*before, typed, *behind, **oned.arguments)
    assert oned.writes() == []
