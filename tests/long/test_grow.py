"""A volume gets more bricks, on servers that it has and on a new one: nobody who writes or reads notices."""

import pytest

from tests.fleet.fleet import HYPERVISORS, changed
from tests.fleet.load import Load
from tests.fleet.replacement import unnoticed

BRICKS = [f"{host}:/data/one_vol" for host in HYPERVISORS]
MORE = [f"{host}:/data/more" for host in ("kvm4", "kvm2", "kvm3")]
PRESENT = "gluster_one_created_one_vol"


def pillar(servers, bricks):
    return changed(volume={"servers": list(servers), "group": "virt", "create": {"replica": 3, "bricks": bricks}})


@pytest.fixture(scope="module")
def fleet(_fleet):
    """A fleet whose volume `create` describes, and kvm4, whose disk is mounted and whose glusterd runs, in no pool."""
    _fleet.new(hosts=4)
    _fleet.stage = "used"
    _fleet.sh("kvm4", "mkdir -p /data; mount -t tmpfs -o mode=755,size=2g data /data; systemctl start glusterd")
    with _fleet.pillar(pillar(HYPERVISORS, BRICKS)):
        assert _fleet.apply().failures == {}
        _fleet.healed()
    yield _fleet


def bricks(fleet):
    lines = fleet.sh("kvm1", "gluster --mode=script volume info one_vol").splitlines()
    return [line.split()[1] for line in lines if line.startswith("Brick") and ":/" in line]


@pytest.mark.timeout(900)
def test_a_new_server_and_a_set_of_bricks(fleet):
    load = Load(fleet)
    with fleet.pillar(pillar([*HYPERVISORS, "kvm4"], [*BRICKS, *MORE])):
        said = fleet.apply("gluster_one.create", on=["kvm1", "kvm2", "kvm3", "kvm4"], test=True).failures["kvm1"]
        assert "gluster_one.orchestrate.grow` adds it (docs/grow.md)" in said[PRESENT]
        code, predicted, said = fleet.orchestrate("grow", {}, test=True)
        assert code == 0, said
        assert bricks(fleet) == BRICKS
        code, steps, said = fleet.orchestrate("grow", {})
        assert code == 0, said
        grown = steps["pool and bricks"]["kvm1"][PRESENT]
        assert grown == predicted["pool and bricks"]["kvm1"][PRESENT]
        assert grown["one_vol"]["old"] == f"without {', '.join(MORE)}"
        assert bricks(fleet) == [*BRICKS, *MORE]
        code, steps, said = fleet.orchestrate("grow", {})
        assert (code, steps) == (0, {}), said
        assert fleet.apply().failures == {}
        unnoticed(load)
        fleet.sh("head", "mkdir /var/lib/gluster_one/one_vol/new; cd /var/lib/gluster_one/one_vol/new; touch $(seq 50)")
        for host, path in (("kvm1", "/data/one_vol"), ("kvm4", "/data/more")):
            assert int(fleet.sh(host, f"ls {path}/new | wc -l")) > 5, "new directories use both sets"
        fleet.healed()
        status, found = fleet.runner("gluster_one.status")
        assert {finding["kind"] for finding in found["findings"]} <= {"mount_options", "client_options"}
        assert found["volumes"]["one_vol"]["bricks"] == [6, 6]


@pytest.mark.timeout(300)
def test_what_differs_in_more_than_sets_is_left(fleet):
    there = bricks(fleet)
    other = [f"{host}:/data/other" for host in ("kvm4", "kvm2", "kvm3")]
    with fleet.pillar(pillar([*HYPERVISORS, "kvm4"], [*BRICKS, *other])):
        code, _, said = fleet.orchestrate("grow", {})
    assert code != 0 and "was left as it is" in said
    assert bricks(fleet) == there
