"""Bad arguments of the state gluster_one.one_datastore_absent."""

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
