"""What VMs would notice: writers on every node, a reader as VMs read, which bricks each client has."""

import contextlib
import json
import os
import socket
import struct
import threading
import time
from pathlib import Path

from lab import files
from lab.system import wait_for

from .fleet import HYPERVISORS, MOUNT, disk_path

IMAGE = "load.img"
# A file in a directory, held open and written to until /run/let-go is there.
HOLDER = """
import mmap, os, sys, time
name = sys.argv[1] + "/held-" + os.uname().nodename
stream = os.open(name, os.O_RDWR | os.O_CREAT | os.O_DIRECT | os.O_SYNC, 0o644)
page, number = mmap.mmap(-1, 4096), 0
while not os.path.exists("/run/let-go"):
    page[:8] = b"%08d" % number
    os.pwrite(stream, page, 0)
    os.fsync(stream)
    number += 1
    time.sleep(0.05)
print("wrote", number, "times")
"""
# Blocks of a disk, past the cache, each for good before the next; or reads by one QEMU that has the image open. How
# long each took is what a VM would notice.
LOAD = f"""
import json, mmap, os, subprocess, sys, time

def write():
    file = os.open("{MOUNT}/load." + os.uname().nodename, os.O_WRONLY | os.O_CREAT | os.O_DIRECT, 0o644)
    block = mmap.mmap(-1, 4096)
    def once(number):
        block[:8] = number.to_bytes(8, "big")
        assert os.pwrite(file, block, number % 256 * 4096) == 4096
        os.fsync(file)
    return once

def read():
    command = ["stdbuf", "-oL", "qemu-io", "-r", "-n", "-f", "raw", "{disk_path(IMAGE)}"]
    qemu = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    def once(number):
        qemu.stdin.write("read -P 0xab 0 4096\\n")
        qemu.stdin.flush()
        line = qemu.stdout.readline()
        assert "read 4096/4096" in line, line
        qemu.stdout.readline()
    return once

once, number, longest, error = {{"write": write, "read": read}}[sys.argv[1]](), 0, 0, None
while not os.path.exists("/run/load.end") and not error:
    begin = time.monotonic()
    try:
        once(number)
        number += 1
    except Exception as exc:
        error = repr(exc)
    longest = max(longest, time.monotonic() - begin)
    with open(sys.argv[2] + ".new", "w") as said:
        json.dump([number, longest, error], said)
    os.rename(sys.argv[2] + ".new", sys.argv[2])
    time.sleep(0.05)
"""

# The lab's network outlives a host that goes down; on a machine it goes with network.target.
NETWORK = """\
[Unit]
Wants=network.target
Before=network.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=ip link set {0} up
ExecStop=ip link set {0} down
[Install]
WantedBy=multi-user.target
"""


class Load:
    """Writers on every node and a reader on one, from now to :meth:`end`."""

    def __init__(self, fleet, reader="kvm3"):
        self.fleet = fleet
        self.jobs = {**dict.fromkeys(fleet.lab.hosts, "write"), f"{reader} disk": "read"}
        image = f"{MOUNT}/{IMAGE}"
        make = f"qemu-img create -q -f raw {image} 1M && qemu-io -f raw -c 'write -q -P 0xab 0 1M' {image}"
        fleet.sh("head", make, user="oneadmin")
        for job, kind in self.jobs.items():
            host = job.split()[0]
            fleet.sh(host, f"rm -f /run/load.end; install -d -o oneadmin /run/load; rm -f /run/load/{kind}*")
            run = f"systemd-run --quiet --uid=oneadmin --unit=load-{kind} python3 -c".split()
            fleet.lab.exec(host, *run, LOAD, kind, f"/run/load/{kind}", check=True)
        wait_for("all writers and readers", lambda: all(self.felt(job)[0] > 3 for job in self.jobs), 30)
        self.fewest, self.over = {}, threading.Event()
        clients = {host: pids[0] for host, pids in fleet.clients().items()}  # before a host goes down
        self.sampler = threading.Thread(target=self._sample, args=[clients], daemon=True)
        self.sampler.start()

    def felt(self, job):
        """How many writes or reads there were, the longest in seconds, that of now included, and the error, if any."""
        host, path = job.split()[0], f"/run/load/{self.jobs[job]}"
        look = f"cat {path} && echo && echo $(($(date +%s) - $(stat -c %Y {path}) - 1))"
        done = self.fleet.lab.exec(host, "sh", "-c", look)
        if done.returncode:
            return [0, 0, None]
        said, age = done.stdout.split("\n")[:2]
        number, longest, error = json.loads(said)
        return [number, max(longest, int(age)), error]

    def _sample(self, clients):
        """How many bricks each node's client is connected to, at the least."""
        while not self.over.wait(0.1):
            for host, pid in clients.items():
                count = len(connected(host, pid))
                self.fewest[host] = min(self.fewest.get(host, count), count)

    def end(self):
        """What they noticed, {job: [count, longest, error]}; `fewest` has the bricks then."""
        self.over.set()
        self.sampler.join()
        for host in self.fleet.lab.hosts:
            self.fleet.sh(host, "touch /run/load.end")
        felt = {job: self.felt(job) for job in self.jobs}
        for job, kind in self.jobs.items():
            self.fleet.sh(job.split()[0], f"systemctl stop load-{kind} || true")
        return felt

    def without(self, host, release=None):
        """
        What they felt, but for those on this host, while it goes down in order and for some seconds more; then it
        comes back, with another release if one is named, and they end.
        """
        fleet = self.fleet
        link = fleet.sh(host, "ip -o route get 10.255.255.1 2>/dev/null || ip -o route").split("dev ")[1].split()[0]
        fleet.lab.exec(host, "tee", "/etc/systemd/system/the-network.service", input=NETWORK.format(link), check=True)
        fleet.sh(host, "systemctl daemon-reload && systemctl enable --now the-network")
        fleet.lab.exec(host, "systemctl", "poweroff", timeout=60)
        wait_for(f"the end of {host}", lambda: fleet.lab.pid(host) is None, 60)
        time.sleep(8)
        felt = {job: self.felt(job) for job in self.jobs if job.split()[0] != host}
        fleet.lab.start_again(host, release=release)
        self.end()
        return felt


def connected(host, pid):
    """
    The hosts of the bricks that a process of a host is connected to: their ports begin where those of clients end. It
    reaches its own bricks by a loopback address or by the other one, which may change when a brick comes back.
    """
    sockets, found = set(), set()
    with contextlib.suppress(OSError):
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                sockets.add(os.readlink(entry.path).removeprefix("socket:[").removesuffix("]"))
        for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
            words = line.split()
            address, port = words[2].split(":")
            if words[3] == "01" and words[9] in sockets and int(port, 16) >= 49152:
                found.add(socket.inet_ntoa(struct.pack("<L", int(address, 16))))
    found = {files.address(host) if address.startswith("127.") else address for address in found}
    return found & {files.address(host) for host in HYPERVISORS}


def unharmed(load):
    """No writer or reader had an error or 5 s without an answer, and each client had two bricks at all times."""
    felt = load.end()
    wrong = {job: seen for job, seen in felt.items() if seen[2] or seen[1] > 5 or seen[0] < 10}
    few = {host: count for host, count in load.fewest.items() if count < 2}
    return {**wrong, **few}
