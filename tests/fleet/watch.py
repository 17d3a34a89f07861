"""What happens while something breaks: events, jobs, a writer whose records must stay, a reader as VMs read."""

import contextlib
import json
import subprocess
import threading
import time

from lab.fleet import CHECKOUT
from lab.system import wait_for

from .fleet import MOUNT, changed, disk_path

# Seconds between two looks of the beacons, and another beacon, which fires as often.
INTERVAL, OTHER = 5, "status"
RECORDS, IMAGE = f"{MOUNT}/faults.records", "faults.img"
ACKNOWLEDGED, READS = "/var/tmp/faults.acknowledged", "/var/tmp/faults.reads"

# Appends numbers, each in the file for good before it is acknowledged; begins again where the mount was away.
WRITER = f"""
import os, time
number, stream, said = 0, None, open({ACKNOWLEDGED!r}, "w")
while True:
    try:
        if stream is None:
            stream = os.open({RECORDS!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(stream, b"%08d\\n" % number)
        os.fsync(stream)
    except OSError:
        if stream is not None:
            try:
                os.close(stream)
            except OSError:
                pass
        stream = None
        time.sleep(0.5)
        continue
    said.write(f"{{number}}\\n")
    said.flush()
    number += 1
    time.sleep(0.05)
"""
READER = f"""
while true; do
    timeout 60 qemu-io -r -n -f raw -c 'read -P 0xab 0 1M' {disk_path(IMAGE)} >>{READS} 2>&1
    echo "status $?" >>{READS}
    sleep 1
done
"""


@contextlib.contextmanager
def watched(fleet):
    """The beacons look each few seconds, beside another one, and the reactor is on; in the end as it was before."""
    conf = (CHECKOUT / "gluster_one/reactor/master.conf").read_text()
    path = fleet.lab.master_dir / "master.d/reactor.conf"
    path.write_text(conf.replace("/srv/formulas/gluster_one", str(CHECKOUT)))
    fleet.lab.restart_master()
    try:
        with fleet.pillar(changed(beacon={"interval": INTERVAL})):
            assert fleet.apply().failures == {}
            fleet.salt("*", "beacons.add", OTHER, json.dumps([{"interval": INTERVAL}]))
            fleet.salt("*", "beacons.save")  # for the next start of a minion
            yield
        fleet.salt("*", "beacons.delete", OTHER)
        assert fleet.apply("gluster_one.beacon").failures == {}
    finally:
        path.unlink()
        fleet.lab.restart_master()


class Events:
    """The master's events since it listens, newest last, each a tuple of time, tag and data."""

    def __init__(self, fleet):
        self.fleet, self.seen, self.process = fleet, [], None
        self.listen()

    def listen(self):
        """Listen, again after the master was restarted; returns once something was received."""
        self.stop()
        command = self.fleet.lab.salt_command("salt-run", "state.event", "pretty=False")
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, stdout=pipe, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, text=True
        )
        begin = len(self.seen)
        threading.Thread(target=self._read, args=[self.process], daemon=True).start()
        wait_for("an event", lambda: self.fleet.lab.answering(["head"]) and len(self.seen) > begin, 60)

    def _read(self, process):
        for line in process.stdout:
            tag, _, text = line.partition("\t")
            try:
                self.seen.append((time.time(), tag, json.loads(text)))
            except ValueError:
                continue

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(20)
            self.process = None

    def since(self, when):
        """The events from then on."""
        return [event for event in list(self.seen) if event[0] >= when]

    def changes(self, when, minion=None):
        """What the beacons have fired from then on: (time, data)."""
        tags = [f"salt/beacon/{minion or ''}", "/gluster_one/changed"]
        found = [event for event in self.since(when) if event[1].startswith(tags[0]) and event[1].endswith(tags[1])]
        return [(at, data) for at, _, data in found]

    def noticed(self, when, kinds):
        """When a finding of one of these kinds was first fired, or None."""
        times = [at for at, data in self.changes(when) for one in data["found"] if one["kind"] in kinds]
        return min(times, default=None)

    def jobs(self, when):
        """{minion: SLS files} of the jobs that the reactor has started from then on."""
        started = {}
        for _, tag, data in self.since(when):
            job = tag.startswith("salt/job/") and tag.endswith("/new") and data.get("fun") == "state.apply"
            if job and {"__kwarg__": True, "queue": True} in data["arg"]:
                for minion in data["minions"]:
                    started.setdefault(minion, []).append(data["arg"][0])
        return started


class Load:
    """A writer on the head, a reader of a VM's disk on kvm3."""

    def __init__(self, fleet):
        self.fleet = fleet
        fleet.sh("head", f"install -m 0666 /dev/null {ACKNOWLEDGED}")
        fleet.sh("kvm3", f"install -m 0666 /dev/null {READS}")
        make = f"qemu-img create -q -f raw {MOUNT}/{IMAGE} 1M && qemu-io -f raw -c 'write -P 0xab 0 1M' {MOUNT}/{IMAGE}"
        fleet.sh("head", make, user="oneadmin")
        # Units of their own: they outlive whoever started them, and go with their host.
        run = "systemd-run --quiet --uid=oneadmin --unit=faults"
        fleet.lab.exec("head", *f"{run} python3 -c".split(), WRITER, check=True)
        self.start_reader()
        wait_for("the first record", lambda: len(self.acknowledged()) > 3, 30)

    def start_reader(self):
        run = "systemd-run --quiet --uid=oneadmin --unit=faults sh -c"
        self.fleet.lab.exec("kvm3", *run.split(), READER, check=True)

    def acknowledged(self):
        return self.fleet.sh("head", f"cat {ACKNOWLEDGED}").split()

    def lost(self):
        """The records that were acknowledged and are not there, as another node reads it, a second late at most."""
        acknowledged = {int(number) for number in self.acknowledged()}
        for _ in range(10):
            there = self.fleet.sh("kvm1", f"cat {RECORDS}", user="oneadmin")
            lost = acknowledged - {int(line) for line in there.split() if line.isdigit()}
            if not lost:
                break
            time.sleep(1)
        return lost

    def reads(self):
        """How many reads were right, and how many found something else than was written."""
        text = self.fleet.sh("kvm3", f"cat {READS}")
        return text.count("status 0\n"), text.count("Pattern verification failed")
