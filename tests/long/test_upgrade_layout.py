"""A fleet of the version before the modules got their places: none of its files is left, and the beacons go on."""

import time

import pytest

from lab.system import wait_for
from tests.fleet.fleet import CHECKOUT, STORES, changed

pytestmark = pytest.mark.timeout(600)

BEFORE = "51d66f6"
SYNCED = "/var/cache/salt/minion/extmods"
# A beacon that has the plan of before gets the new one, and the volume's identifier is recorded.
CHANGED = {"gluster_one_beacon", "gluster_one_mount_one_vol_known"}
KINDS = ("_beacons", "_modules", "_states", "_utils")


def test_modules_go_and_the_beacons_and_the_reactor_go_on(clean):
    fleet = clean
    fleet.stage = "used"
    conf = (CHECKOUT / "gluster_one/reactor/master.conf").read_text()
    reactor = fleet.lab.master_dir / "master.d/reactor.conf"
    reactor.write_text(conf.replace("/srv/formulas/gluster_one", str(CHECKOUT)))
    with fleet.pillar(changed(beacon={"interval": 5})):
        with fleet.version(BEFORE):
            assert fleet.apply().failures == {}
            assert "gluster_one_left.py" in fleet.sh("kvm2", f"ls {SYNCED}/modules")
            minions = fleet.everywhere(lambda host: fleet.sh(host, "systemctl show -P MainPID salt-minion"))
        _, overview = fleet.runner("gluster_one.status")
        assert set(overview["nodes"]) == set(fleet.lab.hosts) and overview["absent"] == []
        fleet.lab.run("fileserver.clear_file_list_cache")  # else the run says that the list may be 20 s old
        run = fleet.apply()
        assert run.failures == {} and {name for states in run.changes.values() for name in states} <= CHANGED
        again = fleet.apply()
        assert (again.failures, again.changes) == ({}, {})
        for host in fleet.lab.hosts:
            for kind in KINDS:
                there = set(fleet.sh(host, f"cd {SYNCED}/{kind[1:]}; ls *.py").split())
                assert there == {path.name for path in (CHECKOUT / kind).glob("*.py")}
        _, overview = fleet.runner("gluster_one.status")
        assert overview["findings"] == []
        fleet.sh("kvm3", f"rm {STORES}/101")
        begin = time.time()
        wait_for("the link", lambda: fleet.lab.exec("kvm3", "test", "-L", f"{STORES}/101").returncode == 0, 90, every=1)
        print(f"repaired after {time.time() - begin:.0f} s")
        assert minions == fleet.everywhere(lambda host: fleet.sh(host, "systemctl show -P MainPID salt-minion"))
