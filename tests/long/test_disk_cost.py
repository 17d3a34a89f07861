"""What VMs' disks cost over gluster:// and as files on the mount: the figures of docs/native-or-fuse.md."""

import re
import time

import pytest

from lab.system import wait_for
from lab.taken import middle
from tests.fleet.fleet import MOUNT, NATIVE, changed
from tests.fleet.machine import counted, disk, file_disk, make_counting, write_domain

HOST = "kvm2"
PAIRS = 3
# What `qemu-img bench` does; it flushes after no fewer requests than it has open at once, 16.
BENCHES = {
    "3000 reads of 4 KiB": "-c 3000 -s 4k",
    "1000 writes of 4 KiB": "-w -c 1000 -s 4k",
    "the same, a flush after each 16": "-w -c 1000 -s 4k --flush-interval=16",
    "200 reads of 1 MiB": "-c 200 -s 1M",
    "200 writes of 1 MiB": "-w -c 200 -s 1M",
}
# It ends before it closes the file, which takes ten seconds over gluster://, and is no part of the figure.
BENCH = """
rm -f /var/tmp/bench
stdbuf -oL qemu-img bench -f raw -t none -d 16 {words} {path} >/var/tmp/bench 2>&1 & pid=$!
while ! grep -qs completed /var/tmp/bench && kill -0 $pid; do sleep 0.1; done
kill -9 $pid || true
cat /var/tmp/bench
"""

pytestmark = pytest.mark.skipif(not NATIVE, reason="QEMU of Debian 14 has no gluster driver")


@pytest.fixture(scope="module")
def virt(fleet_of_module):
    """A fleet whose volume has the option group of VMs' images: without it, the client's write-behind is measured."""
    fleet = fleet_of_module
    with fleet.pillar(everyone=changed(volume={"group": "virt"})):
        assert not fleet.apply().failures
    fleet.stage = "used"
    for option, value in (("performance.strict-o-direct", "on"), ("network.remote-dio", "disable")):
        assert fleet.sh("kvm1", f"gluster volume get one_vol {option}").split()[-1] == value
    return fleet


def in_pairs(native, file):
    """The seconds of both, one after the other, so that a busy machine slows both: [(native, file), ...]."""
    return [(native(number), file(number)) for number in range(PAIRS)]


def row(what, pairs):
    """A line of the table."""
    native, file = zip(*pairs)
    ratio = middle([second / first for first, second in pairs], "{:.2f}")
    return f"| {what} | {middle(native)} | {middle(file)} | {ratio} |"


@pytest.fixture
def table(virt, capsys):
    """table(lines), on the terminal; medians and ranges."""

    def write(lines):
        release = virt.sh(HOST, ". /etc/os-release; echo $VERSION_ID").strip()
        qemu = re.search(r"[\d.]+", virt.sh(HOST, "qemu-img --version"))[0]
        with capsys.disabled():
            print(f"\n\n| Debian {release}, QEMU {qemu} | native | file | ratio in a pair |")
            print("|---|---|---|---|", *lines, sep="\n")

    return write


def new_disk(fleet, kind, number):
    """The <disk> of a fresh image, and its file: "native" and "file" are raw, "clone" has a raw backing file."""
    name = f"{kind}-{number}"
    make_counting(fleet, HOST, f"{MOUNT}/{name}")
    if kind == "native":
        return disk(name, servers=("kvm1",)), f"{MOUNT}/{name}"
    if kind == "file":
        return file_disk(f"{MOUNT}/{name}"), f"{MOUNT}/{name}"
    clone = f"{MOUNT}/{name}.qcow2"
    fleet.sh(HOST, f"qemu-img create -q -f qcow2 -F raw -b {MOUNT}/{name} {clone}", user="oneadmin")
    return file_disk(clone, driver="qcow2"), clone


def start(fleet, kind, number):
    """The seconds until `virsh create` says that the VM runs, which then counts on its disk."""
    element, path = new_disk(fleet, kind, number)
    name = f"one-{kind}-{number}"
    xml = write_domain(fleet, name, element, host=HOST)
    begin = time.monotonic()
    done = fleet.lab.exec(HOST, "virsh", "create", xml, timeout=120)
    seconds = time.monotonic() - begin
    assert done.returncode == 0, done.stderr
    try:
        assert fleet.sh(HOST, f"virsh domstate {name}").strip() == "running"
        assert len(opened_natively(fleet)) == (kind == "native")
        if kind == "clone":
            time.sleep(3)  # QEMU keeps what is new in the image's tables to itself until it ends
        else:
            wait_for("a count on the disk", lambda: counted(fleet, path), 30)
    finally:
        fleet.sh(HOST, f"virsh destroy {name}")
    if kind == "clone":
        fleet.sh("head", f"qemu-img convert -O raw {path} {MOUNT}/flat", user="oneadmin")
        assert counted(fleet, f"{MOUNT}/flat") > 0
    return seconds


def opened_natively(fleet):
    """QEMU's processes with a disk over gluster://."""
    argvs = [argv for argv in fleet.processes(HOST).values() if argv[0].endswith("qemu-system-x86_64")]
    assert len(argvs) == 1, argvs
    return [argv for argv in argvs if any('"driver":"gluster"' in word for word in argv)]


def test_the_start_of_a_vm(virt, table):
    pairs = in_pairs(lambda number: start(virt, "native", number), lambda number: start(virt, "file", number))
    clones = [start(virt, "clone", number) for number in range(PAIRS)]
    table(
        [
            row("start of a VM, raw disk", pairs),
            f"| start of a VM, qcow2 clone with its backing file | | {middle(clones)} | |",
        ]
    )
    written = " ".join(f"{MOUNT}/{kind}-{number}" for number in range(PAIRS) for kind in ("native", "file"))
    times = virt.sh("head", f"stat -c %.Y {written}").split()
    assert times == sorted(set(times)), times  # one VM after the other, each kind in turn
    # Over gluster:// a start takes more than ten seconds: docs/native-or-fuse.md.
    assert all(file < native for native, file in pairs), pairs


def bench(fleet, words, url, path, pattern):
    """The seconds that `qemu-img bench` says; what it wrote is read by another host."""
    words += f" --pattern={pattern}" if "-w" in words else ""
    said = fleet.sh(HOST, BENCH.format(words=words, path=url), user="oneadmin")
    found = re.search(r"Run completed in ([\d.]+) seconds", said)
    assert found and float(found[1]), said
    if "-w" in words:
        requests, size = int(re.search(r"-c (\d+)", words)[1]), 4096 if "4k" in words else 2**20
        for place in (0, requests // 2 * size, (requests - 1) * size):
            read = fleet.sh(
                "head", f"qemu-io -n -r -f raw -c 'read -P {pattern} {place} {size}' {path}", user="oneadmin"
            )
            assert f"read {size}/{size}" in read and "failed" not in read, read
    return float(found[1])


def test_reads_and_writes(virt, table):
    names = {"native": "bench-native", "file": "bench-file"}
    for name in names.values():
        script = f"dd if=/dev/zero of={MOUNT}/{name} bs=1M count=200 oflag=direct status=none"
        virt.sh(HOST, script, user="oneadmin")
    lines = []
    for kind, (what, words) in enumerate(BENCHES.items()):

        def one(number, access, words=words, first=100 + PAIRS * kind):
            path = f"{MOUNT}/{names[access]}"
            url = f"gluster://kvm1/one_vol/{names[access]}" if access == "native" else path
            return bench(virt, words, url, path, first + number)

        pairs = in_pairs(lambda number: one(number, "native"), lambda number: one(number, "file"))
        lines.append(row(what, pairs))
    table(lines)
