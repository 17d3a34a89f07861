"""The SLS files as Salt itself renders them: in which order a node's states come."""

import pytest
import salt.loader

from tests.minion import minion_opts

from .conftest import CHECKOUT

VOLUMES = {
    name: {"servers": ["gl1", "gl2"], "datastores": {f"{name}_system": {"type": "SYSTEM_DS"}, f"{name}_images": {}}}
    for name in ("bad", "good")
}
PARTS = ["mount_{0}", "datastore_{0}_images", "datastore_{0}_system", "native_{0}"]


@pytest.fixture
def chunks(tmp_path):
    """chunks(pillar): the names of a node's states in Salt's order."""

    def run(pillar):
        opts = minion_opts(tmp_path, "one", {"gluster_one": {"user": "root", "beacon": False, **pillar}})
        (tmp_path / "states/_beacons").symlink_to(CHECKOUT / "_beacons")
        opts["grains"] = {"id": "one", "os": "Debian", "os_family": "Debian", "kernel": "Linux", "saltversioninfo": []}
        found = salt.loader.minion_mods(opts)["state.show_low_sls"]("gluster_one")
        assert all(isinstance(chunk, dict) for chunk in found), found
        return [chunk["__id__"].removeprefix("gluster_one_") for chunk in sorted(found, key=lambda each: each["order"])]

    return run


@pytest.mark.parametrize("names", [["good"], ["bad", "good"]], ids=len)
def test_each_volume_s_datastores_follow_its_own_mount(chunks, names):
    """On a head that is a hypervisor, too: its native access waits for what it has written itself."""
    found = chunks({"roles": ["head", "hypervisor"], "volumes": {name: VOLUMES[name] for name in names}})
    assert found[0] == "pillar"
    own = [[part.format(name) for part in PARTS] for name in names]
    assert [each for each in found if each in sum(own, [])] == sum(own, [])
