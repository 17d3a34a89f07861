"""Files of any kind where the formula reads, below /var/lib/one and on the volume: all ends in time and names it."""

import json
import time

import pytest

from lab.system import wait_for
from tests.fleet.fleet import MOUNT, STORES, changed

# By kind: what makes it, with the path as $1.
NO_FILES = {
    "a link to root's": "ln -s /etc/shadow $1",
    "a link to a device": "ln -s /dev/zero $1",
    "a FIFO": "mkfifo $1",
    "a directory": "mkdir $1; echo x >$1/x",
}
FILES = {
    "a sparse file": "truncate -s 1G $1; chmod 0666 $1",
    "no UTF-8": r"printf '{\377\33[2J' >$1",
}
# By name: the minion, the path, and the kinds that are wrong there. Of the lock and the mark any file does, and nothing
# is read of what a file is written to for a test.
PLACES = {
    "the session file": ("head", "/var/lib/one/.one/one_auth", {**NO_FILES, **FILES}),
    "the head's link": ("head", f"{STORES}/101", {**NO_FILES, **FILES}),
    "the hypervisor's link": ("kvm2", f"{STORES}/101", {**NO_FILES, **FILES}),
    "all datastores": ("kvm2", STORES, {**NO_FILES, **FILES}),
    "the directory on the volume": ("head", f"{MOUNT}/.gluster_one", {*NO_FILES, *FILES} - {"a directory"}),
    "the identifiers": ("kvm2", f"{MOUNT}/.gluster_one/datastores.json", {**NO_FILES, **FILES}),
    "the mark": ("head", f"{MOUNT}/.gluster_one/mark", NO_FILES),
    "the lock": ("kvm2", f"{MOUNT}/.gluster_one/lock", NO_FILES),
    "the file written for a test": ("kvm2", f"{MOUNT}/.gluster_one.write-test.kvm2", {}),
}
# Seconds for a check, and for a run that waits 20 s in vain.
LOOK, RUN = 30, 60


@pytest.fixture(scope="module")
def watched(fleet_of_module):
    """The beacons look each few seconds; no reactor repairs anything."""
    fleet = fleet_of_module
    with fleet.pillar(changed(beacon={"interval": 3}, timeout=20)):
        assert fleet.apply().failures == {}
        yield fleet
    assert fleet.apply("gluster_one.beacon").failures == {}


def left_by_beacon(fleet, minion):
    """(when it looked, its findings as text) of what the beacon has left in the mine."""
    found = fleet.lab.run("--out=json", "mine.get", minion, "gluster_one.findings").stdout
    left = json.loads(found[found.index("{") :]).get(minion) or {"at": 0, "findings": []}
    return left["at"], json.dumps(left["findings"])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", {**NO_FILES, **FILES})
def test_ends_and_names_the_place(watched, kind, place):
    fleet = watched
    minion, path, wrong = PLACES[place]
    make = {**NO_FILES, **FILES}[kind]
    fleet.sh(minion, f"set -- {path}; mv $1 $1.kept 2>&- || true; {make}; chown -h oneadmin $1")
    begin = time.time()
    took, said = {}, {}
    try:
        said["check"] = fleet.lab.salt("--out=json", "--no-color", minion, "gluster_one.check").stdout
        took["check"] = time.time() - begin
        if kind in wrong:
            wait_for("the beacon", lambda: path in left_by_beacon(fleet, minion)[1], LOOK)
        took["beacon"], said["beacon"] = time.time() - begin, left_by_beacon(fleet, minion)[1]
        at = time.time()
        said["run"] = fleet.lab.salt("--out=json", "--no-color", minion, "state.apply", "gluster_one").stdout
        took["run"] = time.time() - at
    finally:
        fleet.sh(minion, f"set -- {path}; rm -rf $1; mv $1.kept $1 2>&- || true")
        assert fleet.apply(on=["head", minion]).failures == {}
        wait_for("the beacon to see that", lambda: path not in left_by_beacon(fleet, minion)[1], LOOK)
    expected = ["check", "beacon", "run"] if kind in wrong else []
    assert [name for name, text in said.items() if path in text] == expected, said
    assert took["check"] < LOOK and took["beacon"] < 2 * LOOK and took["run"] < RUN, took
