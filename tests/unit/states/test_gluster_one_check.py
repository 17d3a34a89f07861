"""The checks of the formula as states."""

import pytest

from ..conftest import CHECKOUT, imported


@pytest.mark.parametrize(
    ("roles", "words"), [(["head"], False), (["hypervisor", "server"], False), (["head", "hypervisor"], True)]
)
def test_a_head_that_is_a_hypervisor_is_told_why_that_may_be(roles, words):
    state = imported(CHECKOUT / "_states/gluster_one_check.py")
    ret = state.pillar_valid("gluster_one", [], roles)
    assert ret["result"] is True and ret["comment"].startswith(f"this minion is {', '.join(roles)}")
    assert ("pillar_merge_lists: true" in ret["comment"]) is words
