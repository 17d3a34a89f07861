"""A node whose glusterd does not run: one line each, quickly, and nothing half done."""

import pytest

from . import host
from .runs import four_runs, raises, refuses
from .test_absent import FUNCTIONS

NO_GLUSTERD = "glusterd is not running on this node: start it with `systemctl start glusterd`"


@pytest.fixture(scope="module", autouse=True)
def stopped(small_vol, elsewhere):
    with host.glusterd_stopped():
        yield


@pytest.mark.parametrize("function", FUNCTIONS)
def test_functions(modules, function):
    assert NO_GLUSTERD in raises(getattr(modules.gluster, function), *FUNCTIONS[function])


def test_volume_configured(states):
    assert NO_GLUSTERD in refuses(states.gluster_one.volume_configured, "one_vol", timeout=20)


def test_glusterd_configured_before_its_start(states, volume_file):
    four_runs(states.gluster_one.glusterd_configured, "glusterd", path=str(volume_file))
