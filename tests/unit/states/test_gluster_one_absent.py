"""The state gluster_one.one_datastore_absent: bad arguments, and what the head has left of a datastore on a volume."""

import pytest

from ..conftest import CHECKOUT, imported


@pytest.mark.parametrize("number", ["x", -1, True, [1], 1.5])
def test_an_identifier_that_is_none(number):
    """Before oned is asked for anything."""
    required = imported(CHECKOUT / "_modules/gluster_one_arguments.py").require_arguments
    state = imported(
        CHECKOUT / "_states/gluster_one_absent.py", __salt__={"gluster_one_arguments.require_arguments": required}
    )
    run = state.one_datastore_absent("old", datastore_id=number)
    assert (run["result"], run["changes"]) == (False, {})
    assert run["comment"] == f"Datastore old: datastore_id is {number!r}: a number is needed"


@pytest.fixture
def absent():
    """absent(stores, ids): the state for the datastore old, given those of OpenNebula and the identifiers by name."""

    def run(stores, ids, test=False, **arguments):
        def delete(store, **_):
            stores[:] = [each for each in stores if each["id"] != store]

        salt = {
            "gluster_one_arguments.require_arguments": lambda *_, **__: True,
            "opennebula.datastore_list": lambda **_: list(stores),
            "opennebula.datastore_delete": delete,
            "opennebula.image_list": lambda *_, **__: [],
            "opennebula.vm_list": lambda *_, **__: [],
            "one_datastore.hidden_users": lambda *_, **__: None,
            "one_datastore.find": lambda name, **_: next((each for each in stores if each["name"] == name), {}),
            "gluster_one_ids.volumes_with_id": lambda name: {"/srv/x": ids[name]} if name in ids else {},
            "gluster_one_ids.forget_id": lambda path, name: ids.pop(name),
        }
        return imported(
            CHECKOUT / "_states/gluster_one_absent.py", __salt__=salt, __opts__={"test": test}
        ).one_datastore_absent("old", **arguments)

    return run


def test_its_identifier_goes_from_the_volume(absent):
    stores, ids = [{"id": 101, "name": "old"}, {"id": 100, "name": "other"}], {"old": 101, "other": 100}
    changes = {"datastore": {"old": 101, "new": None}, "identifier on /srv/x": {"old": 101, "new": None}}
    predicted = absent(stores, ids, test=True)
    assert (predicted["result"], predicted["changes"], len(stores), len(ids)) == (None, changes, 2, 2)
    run = absent(stores, ids)
    assert (run["result"], run["changes"], len(stores), ids) == (True, changes, 1, {"other": 100})
    assert absent(stores, ids)["changes"] == {}


@pytest.mark.parametrize("renamed", [False, True])
def test_so_it_does_where_somebody_else_has_deleted_it(absent, renamed):
    """But not where another datastore has the identifier."""
    ids = {"old": 101}
    run = absent([{"id": 101, "name": "new"}] if renamed else [], ids)
    assert run["result"] is True and bool(run["changes"]) is not renamed
    assert ("old" in ids) is renamed


@pytest.mark.parametrize("test", [True, False])
@pytest.mark.parametrize(
    "number, result, said",
    [(101, False, "it is empty and still in OpenNebula"), (1, True, "one of OpenNebula's own, and empty: it stays")],
)
def test_one_that_is_not_to_be_deleted_has_to_be_gone(absent, number, result, said, test):
    stores = [{"id": number, "name": "old"}]
    run = absent(stores, {}, test, delete=False)
    assert (run["result"], run["changes"], len(stores)) == (result, {}, 1) and said in run["comment"]
    assert absent([], {}, test, delete=False)["result"] is True
