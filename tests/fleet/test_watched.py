"""Some faults, with beacons and reactor on; all of them, and more, are in tests/long/faults."""

import pytest

from .faults import FAULTS, settled, suffer
from .watch import Events, Load, watched

SOME = (
    "FUSE client killed",
    "umount by hand",
    "link is a directory with a file",
    "line of fstab deleted",
    "GLUSTER_HOST changed in OpenNebula",
)


@pytest.fixture(scope="module")
def around(fleet_of_module):
    """What listens to the events, and the load."""
    with watched(fleet_of_module):
        events = Events(fleet_of_module)
        try:
            yield events, Load(fleet_of_module)
        finally:
            events.stop()
            fleet_of_module.stage = "used"


@pytest.mark.parametrize("name", SOME)
def test_is_put_right_or_reported(fleet_of_module, around, name):
    (fault,) = [one for one in FAULTS if one.name == name]
    suffer(fleet_of_module, *around, fault)


def test_nobody_has_lost_anything(fleet_of_module, around):
    settled(fleet_of_module)
    read, damaged = around[1].reads()
    assert read and not damaged
