"""Which identifiers of datastores count."""

import pytest
from salt.exceptions import CommandExecutionError


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
    assert execution("gluster_one_ids").datastore_numbers(stores, left) == numbers


def test_a_number_of_opennebula_s_own_comes_from_the_pillar(execution):
    module = execution("gluster_one_ids")
    assert module.require_number("system", 0, 0) and module.require_number("images", 100, None)
    with pytest.raises(CommandExecutionError, match="put `datastore_id: 0` into the pillar"):
        module.require_number("system", 0, None)
