"""What oned's own configuration asks of a datastore: attributes that its driver needs, and those that oned encrypts."""

import pytest

from .test_rules import refused


@pytest.mark.parametrize(
    "ds_mad, given, lacking",
    [
        ("ceph", {}, "DISK_TYPE, BRIDGE_LIST, or oned refuses it: give that in attributes"),
        ("ceph", {"DISK_TYPE": "RBD", "BRIDGE_LIST": " "}, "BRIDGE_LIST, or oned"),
        ("rsync", {"rsync_host": "kvm1"}, "RSYNC_USER, or oned"),
        ("dev", {}, "DISK_TYPE, or oned"),
        ("ceph", {"disk_type": "RBD", "bridge_list": "kvm1"}, None),
        ("rsync", {"RSYNC_HOST": "kvm1", "RSYNC_USER": "one"}, None),
    ],
)
def test_what_a_datastore_driver_needs(oned, present, ds_mad, given, lacking):
    arguments = {"ds_mad": ds_mad, "attributes": given} if given else {"ds_mad": ds_mad}
    if not lacking:
        assert present(**arguments).result is True
        name = list(given)[-1].upper()
        refused(oned, present, f"DS_MAD {ds_mad} needs {name}, or oned", absent_attributes=[name], ds_mad=ds_mad)
        return
    refused(oned, present, f"Datastore glusterds: DS_MAD {ds_mad} needs {lacking}", **arguments)
    oned.datastore("glusterds", TM_MAD="ssh")  # one of another driver, which has a DISK_TYPE
    if "DISK_TYPE" not in lacking:
        refused(oned, present, f"needs {lacking}", **arguments)


# Secrets


def test_what_oned_encrypts_is_compared_as_it_is(oned, present):
    """And shown nowhere."""
    oned.lab(encrypted=["RESTIC_PASSWORD", "TOKEN"])
    arguments = {"attributes": {"restic_password": "Medlar", "NOTE": "x"}}
    predicted, result = present(test=True, **arguments), present(**arguments)
    assert (predicted.result, result.result) == (None, True), result.comment
    assert result.changes == predicted.changes
    assert result.changes["RESTIC_PASSWORD"] == {"old": None, "new": "a secret, which oned encrypts"}
    assert "Medlar" not in oned.document(100) and "Medlar" in oned.call("datastore.info", 100, True)
    oned.log()
    again = present(**arguments)
    assert (again.result, again.changes, oned.writes()) == (True, {}, [])
    arguments["attributes"].update(RESTIC_PASSWORD="Quince")
    arguments["attributes"].pop("restic_password")
    result = present(**arguments)
    assert result.result is True and set(result.changes) == {"RESTIC_PASSWORD"}, result.comment
    assert "Quince" in oned.call("datastore.info", 100, True) and present(**arguments).changes == {}
    assert "Medlar" not in str(result) and "Quince" not in str(result)
    assert set(present(absent_attributes=["RESTIC_PASSWORD"]).changes) == {"RESTIC_PASSWORD"}


def test_what_oned_encrypts_is_kept_beside_what_is_removed(oned, present):
    oned.lab(encrypted=["TOKEN"])
    store = oned.datastore("glusterds", TOKEN="Medlar", NOTE="x", KEEP="me")
    assert present(attributes={"TOKEN": "Medlar"}, absent_attributes=["NOTE"]).result is True
    assert (
        "Medlar" in oned.call("datastore.info", store, True) and present(attributes={"TOKEN": "Medlar"}).changes == {}
    )


@pytest.mark.parametrize("there", [True, False])
def test_what_oned_encrypts_is_not_for_a_limited_user(oned, present, eve, there):
    oned.lab(encrypted=["TOKEN"])
    store = oned.datastore("glusterds" if there else "other", TOKEN="Medlar")
    oned.call("datastore.chmod", store, 1, 1, 0, 1, 1, 0, 1, 1, 0)
    user = eve(store)
    words = "Datastore glusterds: oned encrypts TOKEN, and shows to users of the group oneadmin alone what it is"
    refused(oned, present, words, attributes={"TOKEN": "Medlar"}, **user)
    assert not there or present(attributes={"NOTE": "x"}, **user).result is True


UNTOLD = {"fail": [512, "User [2] : Not authorized."], "method": "one.system.config"}


def test_what_is_encrypted_and_not_told_is_not_compared(oned, present, eve):
    """An oned before 7 keeps its configuration from limited users: the form of what it keeps says that it encrypts."""
    oned.lab(encrypted=["TOKEN"])
    store = oned.datastore("glusterds", TOKEN="Medlar", OTHER="plain")
    user, arguments = eve(store), {"attributes": {"TOKEN": "Medlar", "OTHER": "new"}}
    oned.call("datastore.chmod", store, 1, 1, 1, 1, 1, 0, 1, 1, 0)
    kept = oned.document(store)
    with oned.trouble(**UNTOLD):
        result = present(**arguments, **user)
        assert result.result is True and result.changes == {"OTHER": {"old": "plain", "new": "new"}}, result.comment
        (warning,) = result.warnings
        assert warning.startswith("TOKEN: left as it is and not compared, because oned seems to encrypt it")
        oned.log()
        again = present(**arguments, **user)
        assert (again.result, again.changes, oned.writes()) == (True, {}, [])
        assert oned.document(store) == kept.replace("[plain]", "[new]")
        assert not present(attributes={"OTHER": "new"}, **user).warnings
        # To a user of the group oneadmin it shows what it is, all the same.
        assert present(**arguments).changes == {} and present(**arguments).warnings == []
        result = present(attributes={"TOKEN": "Quince"})
        assert set(result.changes) == {"TOKEN"} and "Quince" not in str(result) and "Medlar" not in str(result)
    assert "Quince" in oned.call("datastore.info", store, True)


def test_what_may_be_encrypted_is_set_once_and_not_shown(oned, present, eve):
    oned.lab(encrypted=["TOKEN"])
    store = oned.datastore("glusterds", NOTE="x")
    user, arguments = eve(store), {"attributes": {"TOKEN": "Medlar", "A_KEY": "Quince"}}
    oned.call("datastore.chmod", store, 1, 1, 1, 1, 1, 0, 1, 1, 0)
    with oned.trouble(**UNTOLD):
        predicted, result = present(test=True, **arguments, **user), present(**arguments, **user)
        assert result.result is True, result.comment
        new = {"old": None, "new": "a secret"}
        assert result.changes == predicted.changes == {"TOKEN": new, "A_KEY": new}
        assert present(**arguments, **user).changes == {}
        result = present(attributes={"A_KEY": "Sloe"}, **user)
        assert result.changes == {"A_KEY": {"old": "another one", "new": "a secret"}}
    assert "Medlar" in oned.call("datastore.info", store, True) and "Sloe" in oned.document(store)
