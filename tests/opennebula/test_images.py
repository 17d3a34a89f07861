"""
Images and clones as oned and its drivers make them, in files of their real lengths: which of them machines can open
over gluster://, and which would start on the wrong file.
"""

import getpass
import os
import shlex
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.oned import template

from .standin import StandIn

NATIVE = {"DISK_TYPE": "GLUSTER", "GLUSTER_HOST": "kvm1:24007", "GLUSTER_VOLUME": "one_vol"}
EMPTY = 196_624  # the length of a fresh qcow2 file of a disk of 1 GB
EVE = "eve:Medlar-of-eve"
SHORT = "its length is no multiple of 512"
SHORT_ALL = f"{SHORT}, so QEMU cannot open it over gluster://"
NO_QCOW2 = "FORMAT is qcow2"
CLONED = "a qcow2 that is cloned"
RAW = "import it again into a datastore that has DRIVER = raw"
SNAPSHOT = "a persistent qcow2 with a disk snapshot"
END = f"{SHORT}: QEMU opens it over gluster://, and reading its last 100 bytes is an I/O error"


def qemu_img(*words):
    subprocess.run(["qemu-img", *map(str, words)], check=True, capture_output=True)


def eventually(look, seconds=20):
    end = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.fixture(scope="module")
def _cloud(tmp_path_factory):
    if not shutil.which("qemu-img"):
        pytest.fail("qemu-img is not installed: apt-get install qemu-utils")
    home = tmp_path_factory.mktemp("cloud")
    server = StandIn(home, datastores=home / "datastores")
    server.home = home
    (home / "data").write_bytes(b"\x5a" * (8 << 20))
    qemu_img("convert", "-O", "qcow2", home / "data", home / "data.qcow2")
    (home / "odd").write_bytes(b"\x5a" * ((8 << 20) + 100))
    yield server
    server.stop()


@pytest.fixture
def cloud(_cloud):
    """An OpenNebula with files: a native datastore that keeps qcow2, another with DRIVER raw, one of plain files."""
    _cloud.lab(reset=True)
    _cloud.call("user.allocate", *EVE.split(":"), "core", [])
    _cloud.system = _cloud.datastore("system of gluster", TYPE="SYSTEM_DS", DS_MAD=None)
    _cloud.keeps = _cloud.datastore("keeps qcow2", **NATIVE)
    _cloud.raw = _cloud.datastore("raw", **NATIVE, DRIVER="raw")
    _cloud.plain = _cloud.datastore("plain")
    places = [directory(_cloud, store) for store in (_cloud.system, _cloud.keeps, _cloud.raw, _cloud.plain)]
    for place in places:
        shutil.rmtree(place, ignore_errors=True)
    eventually(lambda: all(place.is_dir() for place in places))
    return _cloud


def directory(cloud, store):
    return cloud.home / "datastores" / str(store)


@pytest.fixture(autouse=True)
def _user(loaders):
    """There may be no oneadmin where these tests run: whoever runs them looks at the files."""
    loaders.modules.pack["__pillar__"]["gluster_one"] = {"user": getpass.getuser()}
    yield
    loaders.modules.pack["__pillar__"].clear()


@pytest.fixture
def image(cloud):
    """image(store, name, ...): an image that is there, by its identifier."""

    def make(store, name, session=None, **attributes):
        attributes = {"TYPE": "OS", **attributes, "NAME": name}
        number = cloud.call("image.allocate", template(attributes), store, session=session)
        eventually(lambda: "<STATE>1</STATE>" in cloud.call("image.info", number))
        return number

    return make


def source_of(modules, cloud, number):
    images = modules.opennebula.image_list(**cloud.arguments)
    (found,) = [image for image in images if image["id"] == number]
    return found["source"]


def length(path):
    return path.stat().st_size


def found(modules, cloud):
    """What is listed, by what it is and its name, with the problem's beginning."""
    listed = modules.gluster_native.images(**cloud.arguments)
    keys = {"datastore", "what", "disk", "id", "name", "owner", "problem", "cure"}
    assert all(set(entry) == keys and (entry["disk"] is not None) is (entry["what"] == "disk") for entry in listed)
    assert all("\n" not in entry["problem"] + entry["cure"] and entry["cure"] for entry in listed)
    return {(entry["datastore"], entry["what"], entry["name"], entry["owner"]): entry["problem"] for entry in listed}


# The image, and what is said of it.
IMAGES = [
    ("raw of a file", {"PATH": "data"}, None),
    ("raw that is empty", {"TYPE": "DATABLOCK", "SIZE": 16, "FORMAT": "raw"}, None),
    ("raw that is persistent", {"PATH": "data", "PERSISTENT": "YES"}, None),
    ("a raw CD", {"PATH": "data", "TYPE": "CDROM"}, None),
    ("raw of odd length", {"PATH": "odd"}, END),
    ("raw of odd length, persistent", {"PATH": "odd", "PERSISTENT": "YES"}, END),
    ("a raw CD of odd length", {"PATH": "odd", "TYPE": "CDROM"}, END),
    ("qcow2 that is empty", {"TYPE": "DATABLOCK", "SIZE": 1024, "FORMAT": "qcow2"}, SHORT),
    ("qcow2 that is empty and kept", {"TYPE": "DATABLOCK", "SIZE": 16, "FORMAT": "qcow2", "PERSISTENT": "YES"}, SHORT),
    ("qcow2 with data", {"PATH": "data.qcow2"}, CLONED),
    ("qcow2 with data, persistent", {"PATH": "data.qcow2", "PERSISTENT": "YES"}, None),
    ("qcow2 of 32 GB", {"TYPE": "DATABLOCK", "SIZE": 32768, "FORMAT": "qcow2"}, None),
    ("qcow2 of 33 GB", {"TYPE": "DATABLOCK", "SIZE": 33792, "FORMAT": "qcow2"}, SHORT),
]  # fmt: skip


@pytest.mark.parametrize("name, attributes, problem", IMAGES, ids=[name for name, *_ in IMAGES])
def test_each_kind_of_image(modules, cloud, image, name, attributes, problem):
    if "PATH" in attributes:
        attributes = {**attributes, "PATH": cloud.home / attributes["PATH"]}
    number = image(cloud.keeps, name, **attributes)
    said = found(modules, cloud)
    expected = {("keeps qcow2", "image", name, "oneadmin")} if problem else set()
    assert set(said) == expected
    assert all(words.startswith(problem) for words in said.values())
    path = Path(source_of(modules, cloud, number))
    assert (length(path) % 512 != 0) is (problem in (SHORT, END))  # the file is as QEMU makes it
    if name == "qcow2 that is empty":
        assert length(path) == EMPTY


def test_a_persistent_qcow2_with_a_disk_snapshot(modules, cloud, image):
    """Its VM would start on the file without the snapshot, and say nothing."""
    number = image(cloud.keeps, "disk", PATH=cloud.home / "data.qcow2", PERSISTENT="YES")
    cloud.lab(put={"image": {"id": number, "snapshots": [{"ID": "0", "SIZE": "8", "NAME": "before", "ACTIVE": "YES"}]}})
    (listed,) = modules.gluster_native.images(**cloud.arguments)
    source = source_of(modules, cloud, number)
    assert listed["problem"].startswith(SNAPSHOT) and f"convert -f qcow2 -O raw {source}.snap/N FILE`" in listed["cure"]
    cloud.lab(put={"image": {"id": number, "snapshots": []}})
    assert modules.gluster_native.images(**cloud.arguments) == []

    # The files as oned's drivers make them; one that was deleted leaves its number out.
    snapshots = Path(f"{source}.snap")
    snapshots.mkdir()
    (snapshots / snapshots.name).symlink_to(".")
    (snapshots / "0").symlink_to(source)
    assert modules.gluster_native.images(**cloud.arguments) == []
    for number, backing in (("9", source), ("10", snapshots / "9")):
        qemu_img("create", "-f", "qcow2", "-b", backing, "-F", "qcow2", snapshots / number)
    subprocess.run(["qemu-io", "-c", "write -P 7 0 4096", snapshots / "10"], check=True, capture_output=True)
    (listed,) = modules.gluster_native.images(**cloud.arguments)
    assert listed["problem"].startswith(f"{SNAPSHOT} that was deleted: ")
    file = cloud.home / "flat"
    subprocess.run(listed["cure"].split("`")[1].replace("FILE", str(file)), shell=True, check=True)
    assert file.read_bytes() == b"\7" * 4096 + b"\x5a" * ((8 << 20) - 4096)
    image(cloud.raw, "flat", PATH=file)
    assert {key[2] for key in found(modules, cloud)} == {"disk"}


def test_a_raw_image_may_have_snapshots(modules, cloud, image):
    number = image(cloud.keeps, "disk", PATH=cloud.home / "data", PERSISTENT="YES")
    cloud.lab(put={"image": {"id": number, "snapshots": [{"ID": "0"}, {"ID": "1"}]}})
    assert modules.gluster_native.images(**cloud.arguments) == []
    (listed,) = modules.opennebula.image_list(cloud.keeps, **cloud.arguments)
    assert listed["snapshots"] == 2


def test_where_clones_are_whole_copies_the_image_s_length_counts(modules, cloud, image):
    store = cloud.datastore("copies", **NATIVE, QCOW2_STANDALONE="YES")
    eventually(directory(cloud, store).is_dir)
    bases = {
        "data": image(store, "data", PATH=cloud.home / "data.qcow2"),
        "empty": image(store, "empty", TYPE="DATABLOCK", SIZE=16, FORMAT="qcow2"),
    }
    for name, number in bases.items():
        home = directory(cloud, cloud.system) / str(machine(cloud, name, number))
        (home / "disk.0.snap").mkdir(parents=True)
        qemu_img("convert", "-O", "qcow2", source_of(modules, cloud, number), home / "disk.0.snap/0")
        (home / "disk.0").symlink_to("disk.0.snap/0")
    said = found(modules, cloud)
    assert {key[1:3] for key in said} == {("image", "empty"), ("disk", "empty")}
    assert set(said.values()) == {SHORT_ALL}


def test_other_datastores_are_not_looked_at(modules, cloud, image):
    image(cloud.plain, "plain", PATH=cloud.home / "data.qcow2")
    image(cloud.raw, "converted", PATH=cloud.home / "data.qcow2")
    assert modules.gluster_native.images(**cloud.arguments) == []


def test_whose_image_it_is(modules, cloud, image):
    image(cloud.keeps, "hers", session=EVE, TYPE="DATABLOCK", SIZE=16, FORMAT="qcow2")
    assert set(found(modules, cloud)) == {("keeps qcow2", "image", "hers", "eve")}


def test_what_a_limited_user_does_not_see_is_said(modules, cloud, image, tmp_path):
    """Of each native datastore that this user may use."""
    number = image(cloud.keeps, "hers", session=EVE, TYPE="DATABLOCK", SIZE=16, FORMAT="qcow2")
    image(cloud.keeps, "another", PATH=cloud.home / "data")
    (tmp_path / "eve_auth").write_text(f"{EVE}\n")
    hers, *more = modules.gluster_native.images(endpoint=cloud.endpoint, auth_file=str(tmp_path / "eve_auth"))
    assert (hers["id"], hers["problem"]) == (number, SHORT_ALL)
    said = "VMs' disks that OpenNebula does not show to this user were not looked at"
    assert {entry["datastore"]: entry["problem"] for entry in more} == {
        "keeps qcow2": f"1 image and {said}", "raw": said,
    }  # fmt: skip
    assert {(entry["what"], entry["cure"]) for entry in more} == {("datastore", "use a user of the group oneadmin")}


# Machines


def machine(cloud, name, number, uid=0, **disk):
    """A VM that runs with a disk of an image."""
    values = {"name": name, "uid": uid, "host": "kvm1", "ds": cloud.system, "disks": [{"IMAGE_ID": number, **disk}]}
    return cloud.lab(put={"vm": values})["id"]


def cloned(modules, cloud, vm, number, form, grown=False):
    """The disk as oned's shared driver clones it: a raw one is copied, a qcow2 is disk.0 -> disk.0.snap/0."""
    base = source_of(modules, cloud, number)
    home = directory(cloud, cloud.system) / str(vm)
    home.mkdir()
    disk = home / "disk.0"
    if form == "raw":
        shutil.copyfile(base, disk)
        return disk
    snapshots = home / "disk.0.snap"
    snapshots.mkdir()
    (snapshots / "disk.0.snap").symlink_to(".")
    qemu_img("create", "-f", "qcow2", "-b", base, "-F", "qcow2", snapshots / "0")
    disk.symlink_to("disk.0.snap/0")
    if grown:  # by the guest's first write
        with (snapshots / "0").open("r+b") as stream:
            stream.truncate(327_680)
    return disk


@pytest.mark.parametrize(
    "base, grown, problem",
    [("data", False, None), ("odd", False, END), ("data.qcow2", False, SHORT), ("data.qcow2", True, None)],
    ids=["raw", "raw of odd length", "fresh qcow2", "qcow2 that was written to"],
)  # fmt: skip
def test_clones_of_machines(modules, cloud, image, base, grown, problem):
    number = image(cloud.keeps, "base", PATH=cloud.home / base)
    vm = machine(cloud, "web", number, uid=2)
    disk = cloned(modules, cloud, vm, number, "qcow2" if base.endswith("qcow2") else "raw", grown)
    assert (length(disk) % 512 != 0) is bool(problem)
    disks = {key: words for key, words in found(modules, cloud).items() if key[1] == "disk"}
    assert set(disks) == ({("keeps qcow2", "disk", "web", "eve")} if problem else set())
    assert all(words.startswith(problem) for words in disks.values())


def test_a_clone_that_is_not_there_yet(modules, cloud, image):
    number = image(cloud.keeps, "base", PATH=cloud.home / "data.qcow2")
    machine(cloud, "pending", number)
    assert not [key for key in found(modules, cloud) if key[1] == "disk"]


def test_a_persistent_image_is_listed_once_not_for_its_machine(modules, cloud, image):
    number = image(cloud.keeps, "mine", TYPE="DATABLOCK", SIZE=16, FORMAT="qcow2", PERSISTENT="YES")
    vm = machine(cloud, "db", number)
    home = directory(cloud, cloud.system) / str(vm)
    home.mkdir()
    (home / "disk.0").symlink_to(source_of(modules, cloud, number))
    assert set(found(modules, cloud)) == {("keeps qcow2", "image", "mine", "oneadmin")}


def test_a_raw_file_that_is_being_written_is_not_judged(modules, cloud, image):
    number = image(cloud.keeps, "base", PATH=cloud.home / "odd")
    vm = machine(cloud, "web", number)
    cloned(modules, cloud, vm, number, "raw")
    assert {key[1:3] for key in found(modules, cloud)} == {("image", "base"), ("disk", "web")}
    values = {"name": "new", "host": "kvm1", "ds": cloud.system, "lcm_state": 1, "disks": [{"IMAGE_ID": number}]}
    vm = cloud.lab(put={"vm": values})["id"]  # PROLOG
    cloned(modules, cloud, vm, number, "raw")
    cloud.lab(put={"image": {"id": number, "state": 4}})  # LOCKED
    assert {key[1:3] for key in found(modules, cloud)} == {("disk", "web")}


def test_a_disk_goes_by_its_own_type(modules, cloud, image):
    """Not by its datastore's: neither an image nor a VM's disk changes it."""

    def change(store, value):
        cloud.call("datastore.update", store, f'DISK_TYPE="{value}"', 1)

    for name, store in (("file", cloud.plain), ("native", cloud.keeps)):
        number = image(store, name, PATH=cloud.home / "odd")
        cloned(modules, cloud, machine(cloud, name, number), number, "raw")
    said = found(modules, cloud)
    assert {key[1:3] for key in said} == {("image", "native"), ("disk", "native")} and set(said.values()) == {END}
    change(cloud.keeps, "FILE")
    cloud.call("datastore.update", cloud.plain, template(NATIVE), 1)
    both = modules.gluster_native.images(**cloud.arguments)
    assert [one["datastore"] for one in both] == ["keeps qcow2"] * 4  # each is native for good, and its end is lost
    assert [one["problem"] for one in both].count(END) == 2


# What the module tells of them


def test_images_as_data(modules, cloud, image):
    number = image(cloud.keeps, "hers", session=EVE, PATH=cloud.home / "data.qcow2")
    (listed,) = modules.opennebula.image_list(cloud.keeps, **cloud.arguments)
    assert listed.pop("source").startswith(f"{cloud.home}/datastores/{cloud.keeps}/")
    assert listed == {
        "id": number, "name": "hers", "owner": "eve", "group": "users", "type": "OS", "state": "READY",
        "persistent": False, "format": "qcow2", "size_mb": 8, "snapshots": 0, "datastore": cloud.keeps,
        "native": True,
    }  # fmt: skip
    assert modules.opennebula.image_list(cloud.raw, **cloud.arguments) == []


@pytest.mark.parametrize("what", ["image", "persistent", "qcow2", "CD", "disk"])
def test_the_cure_of_an_odd_length(modules, cloud, image, what):
    """What is printed is run as it is: zeros are behind what the file held, and it is named no more."""
    if os.geteuid():
        pytest.skip("runuser is for root")
    attributes = {"persistent": {"PERSISTENT": "YES"}, "CD": {"TYPE": "CDROM"}}.get(what, {})
    attributes["PATH"] = cloud.home / "odd"
    if what == "qcow2":
        attributes = {"TYPE": "DATABLOCK", "SIZE": 16, "FORMAT": "qcow2", "PERSISTENT": "YES"}
    number = image(cloud.keeps, "base", **attributes)
    path = Path(source_of(modules, cloud, number))
    if what == "disk":
        path = cloned(modules, cloud, machine(cloud, "web", number), number, "raw")
    kind, when = ("disk", "while VM ") if what == "disk" else ("image", "`" if what == "image" else "while no VM runs")
    (listed,) = [entry for entry in modules.gluster_native.images(**cloud.arguments) if entry["what"] == kind]
    assert listed["cure"].startswith(when)
    before = path.read_bytes()
    subprocess.run(listed["cure"].split("`")[1], shell=True, check=True)
    assert path.read_bytes() == before.ljust(-(-len(before) // 512) * 512, b"\0") != before
    assert not [entry for entry in modules.gluster_native.images(**cloud.arguments) if entry["what"] == kind]


def test_the_cure_of_a_fresh_clone(modules, cloud, image):
    """What is printed is run as it is; the disk is no problem any more, and holds what it held."""
    if os.geteuid():
        pytest.skip("runuser is for root")
    number = image(cloud.keeps, "base", PATH=cloud.home / "data.qcow2")
    vm = machine(cloud, "web", number)
    disk = cloned(modules, cloud, vm, number, "qcow2")
    (listed,) = [entry for entry in modules.gluster_native.images(**cloud.arguments) if entry["what"] == "disk"]
    before, command = length(disk), listed["cure"].split("`")[1]
    assert f"while VM {vm} does not run" in listed["cure"] and shlex.quote(str(disk)) in command
    subprocess.run(command, shell=True, check=True)
    assert before % 512 != 0 and length(disk) % 512 == 0 and length(disk) - before < 512
    qemu_img("check", disk)
    qemu_img("compare", disk, source_of(modules, cloud, number))
    assert [entry for entry in modules.gluster_native.images(**cloud.arguments) if entry["what"] == "disk"] == []


def test_the_cure_of_a_clone_with_a_snapshot(modules, cloud, image):
    """The snapshot is its backing file, which is opened natively, too; no other file of oned's is changed."""
    if os.geteuid():
        pytest.skip("runuser is for root")
    number = image(cloud.keeps, "base", PATH=cloud.home / "data.qcow2")
    disk = cloned(modules, cloud, machine(cloud, "web", number), number, "qcow2")
    snapshots = disk.parent / "disk.0.snap"
    qemu_img("create", "-f", "qcow2", "-b", "disk.0.snap/0", "-F", "qcow2", snapshots / "1")
    (snapshots / "1.current").write_text("/somewhere/1")
    disk.unlink()
    disk.symlink_to("disk.0.snap/1")
    (listed,) = [entry for entry in modules.gluster_native.images(**cloud.arguments) if entry["what"] == "disk"]
    assert listed["problem"] == SHORT_ALL and listed["cure"].startswith("while VM ")
    subprocess.run(listed["cure"].split("`")[1], shell=True, check=True)
    assert [length(snapshots / name) % 512 for name in "01"] == [0, 0]
    assert (snapshots / "1.current").read_text() == "/somewhere/1"
    qemu_img("compare", disk, source_of(modules, cloud, number))
    assert [entry for entry in modules.gluster_native.images(**cloud.arguments) if entry["what"] == "disk"] == []


def test_what_leads_elsewhere_has_no_cure_that_was_not_tried(modules, cloud, image):
    number = image(cloud.keeps, "base", PATH=cloud.home / "data.qcow2")
    disk = cloned(modules, cloud, machine(cloud, "web", number), number, "qcow2")
    os.rename(disk.resolve(), disk.parent / "moved")
    disk.unlink()
    disk.symlink_to("moved")
    (listed,) = [entry for entry in modules.gluster_native.images(**cloud.arguments) if entry["what"] == "disk"]
    assert listed["problem"] == SHORT_ALL and listed["cure"].startswith(RAW) and "truncate" not in listed["cure"]


@pytest.mark.parametrize("what", ["image", "disk"])
def test_what_was_converted_by_hand(modules, cloud, image, what):
    """OpenNebula keeps FORMAT, and QEMU is told that it is a qcow2."""
    number = image(cloud.keeps, "base", PATH=cloud.home / "data.qcow2", PERSISTENT="YES" if what == "image" else "NO")
    path = Path(source_of(modules, cloud, number))
    if what == "disk":
        path = cloned(modules, cloud, machine(cloud, "web", number), number, "qcow2", grown=True)
        path.unlink()
    shutil.copyfile(cloud.home / "data", path)
    (listed,) = [entry for entry in modules.gluster_native.images(**cloud.arguments) if entry["what"] == what]
    assert listed["problem"].startswith(NO_QCOW2) and str(path) in listed["problem"]
    assert listed["cure"].startswith(RAW)


# What oned and the volume's owner may come up with


def problems(modules, cloud, what):
    listed = modules.gluster_native.images(**cloud.arguments)
    return {entry["name"]: entry["problem"] for entry in listed if entry["what"] == what}


SOURCES = ["--version", "-L", "relative", "/two\nlines", "/esc\x9b[2J", "~", "/dev/zero", "/etc", "/nowhere"]


def test_an_odd_source_is_that_images_own_problem(modules, cloud, image):
    numbers = [image(cloud.keeps, f"{number}", PATH=cloud.home / "data.qcow2", PERSISTENT="YES") for number in range(9)]
    image(cloud.keeps, "short", TYPE="DATABLOCK", SIZE=16, FORMAT="qcow2", PERSISTENT="YES")
    for number, source in zip(numbers, SOURCES):
        cloud.lab(put={"image": {"id": number, "source": source}})
    listed = problems(modules, cloud, "image")
    assert listed.pop("short").startswith(SHORT)
    assert set(listed) == {str(number) for number in range(8)}  # a missing file does not count as odd
    assert all(ascii(SOURCES[int(name)])[1:-1] in problem for name, problem in listed.items())
    assert all(problem.isprintable() for problem in listed.values())
    for number in numbers:
        cloud.lab(put={"image": {"id": number, "format": "raw"}})
    raw = problems(modules, cloud, "image")
    assert raw.pop("short").startswith(SHORT) and raw == listed
    cloud.lab(put={"image": {"id": numbers[0], "source": "/" + 200_000 * "x"}})
    assert problems(modules, cloud, "image")["0"].endswith("which is not an absolute path")


PLACES = {
    "FIFO": os.mkfifo,
    "link to a FIFO": lambda path: (os.mkfifo(f"{path}.fifo"), path.symlink_to(f"{path}.fifo")),
    "directory": lambda path: path.mkdir(),
    "device": lambda path: path.symlink_to("/dev/zero"),
    "link to itself": lambda path: path.symlink_to(path),
    "sparse": lambda path: (path.touch(), os.truncate(path, 1 << 30)),
    "nothing": lambda path: None,
}


@pytest.mark.parametrize("what", ["image", "disk"])
def test_odd_files_are_named_and_the_others_looked_at(modules, cloud, image, what):
    number = image(cloud.keeps, "base", PATH=cloud.home / "data.qcow2")
    paths = {}
    for name in PLACES:
        if what == "image":
            odd = image(cloud.keeps, name, PATH=cloud.home / "data.qcow2", PERSISTENT="YES")
            paths[name] = Path(source_of(modules, cloud, odd))
        else:
            paths[name] = cloned(modules, cloud, machine(cloud, name, number), number, "qcow2")
    cloned(modules, cloud, machine(cloud, "web", number), number, "qcow2")
    for name, put in PLACES.items():
        paths[name].unlink()
        put(paths[name])
    begin = time.monotonic()
    listed = problems(modules, cloud, what)
    assert time.monotonic() - begin < 20
    assert set(listed) == {*PLACES, "base" if what == "image" else "web"} - {"nothing"}
    assert all(str(path) in listed[name] for name, path in paths.items() if name != "nothing")
    assert problems(modules, cloud, "disk")["web"].startswith(SHORT)


@pytest.mark.parametrize("template", [
    {"DISK": "anything"}, {"DISK": "x", "disks": [{"DATASTORE_ID": "x"}]}, {"disks": [{"DISK_ID": "--version"}]},
    {"disks": [{"DATASTORE_ID": "1e3", "FORMAT": "qcow2"}, {}]},
], ids=str)  # fmt: skip
def test_an_odd_template_of_a_user_hides_nothing(modules, cloud, image, template):
    """Whoever may make a VM writes its template."""
    number = image(cloud.keeps, "base", PATH=cloud.home / "data.qcow2")
    values = {"name": "odd", "uid": 2, "host": "kvm1", "ds": cloud.system, **template}
    cloud.lab(put={"vm": values})
    cloned(modules, cloud, machine(cloud, "web", number), number, "qcow2")
    assert ("keeps qcow2", "disk", "web", "oneadmin") in found(modules, cloud)
    assert {"odd", "web"} <= {vm["name"] for vm in modules.opennebula.vm_list(**cloud.arguments)}


@pytest.fixture
def mine(loaders, monkeypatch):
    """What the hypervisors have left in the mine."""
    found = {
        "kvm1": {"qemu": "10.0.13", "gluster": True}, "kvm2": {"qemu": "11.1.2", "gluster": False},
        "kvm\x1b3": {"gluster": False}, "kvm4": "odd", "kvm5": None,
    }  # fmt: skip
    monkeypatch.setitem(loaders.modules, "mine.get", lambda target, function: found)
    return found


@pytest.fixture
def put(loaders, cloud):
    """put(name, ...): the state, on the cloud that has files."""
    return lambda name, **arguments: loaders.states.gluster_one.one_datastore_present(
        name=name, **arguments, **cloud.arguments
    )


FUSE = {"volume": "one_vol", "access": "fuse", "in_use": "allow"}


def test_the_way_over(modules, cloud, image, mine, put):
    """What was made while the datastore was native is native for good, and named until it is gone."""
    kept = image(cloud.raw, "kept", PATH=cloud.home / "data", PERSISTENT="YES")
    base = image(cloud.raw, "base", PATH=cloud.home / "data")
    for name, number in (("web", base), ("db", kept)):
        machine(cloud, name, number)
    assert found(modules, cloud) == {}
    result = put("raw", **FUSE)
    assert result.result is True and set(result.changes) == {"DISK_TYPE"}
    assert result.warnings[0].startswith("2 of its images are native still, as oned has made them, so GLUSTER_HOST")
    again = put("raw", volume="one_vol", access="fuse")
    assert (again.result, again.changes) == (True, {})
    listed = {(one["what"], one["name"]): one for one in modules.gluster_native.images(**cloud.arguments)}
    assert set(listed) == {("image", "kept"), ("image", "base"), ("disk", "web"), ("disk", "db")}
    assert listed["disk", "web"]["problem"].endswith("which QEMU of kvm2, kvm\\x1b3 cannot")
    assert "onevm disk-saveas" in listed["disk", "web"]["cure"]
    assert "the image kept, stays" in listed["disk", "db"]["cure"]
    assert listed["image", "base"]["cure"].startswith(f"`oneimage clone {base} NAME`")

    image(cloud.raw, "new", PATH=cloud.home / "data")
    (new,) = [one for one in modules.opennebula.image_list(cloud.raw, **cloud.arguments) if one["name"] == "new"]
    assert new["native"] is False and len(found(modules, cloud)) == 4
    machine(cloud, "fresh", new["id"])
    assert len(found(modules, cloud)) == 4


def test_what_is_native_alone_goes_last(cloud, image, put, modules, mine):
    """In use or not: no image and no new machine needs it."""
    number, fuse = image(cloud.raw, "base", PATH=cloud.home / "data"), {"volume": "one_vol", "access": "fuse"}
    assert set(put("raw", **FUSE).changes) == {"DISK_TYPE"}
    cloud.call("image.delete", number)
    image(cloud.raw, "file", PATH=cloud.home / "data")
    eventually(lambda: len(modules.opennebula.image_list(cloud.raw, **cloud.arguments)) == 1)
    assert set(put("raw", **fuse).changes) == {"GLUSTER_HOST", "GLUSTER_VOLUME"}
    assert put("raw", **fuse).changes == {}
    assert "has 1 images and 0 VMs" in put("raw", volume="one_vol", host="kvm1").comment
    back = put("raw", volume="one_vol", host="kvm1", in_use="allow").changes
    assert set(back) == {"DISK_TYPE", "GLUSTER_HOST", "GLUSTER_VOLUME"}


def test_machines_as_data(modules, cloud, image):
    number = image(cloud.keeps, "base", PATH=cloud.home / "data")
    vm = machine(cloud, "web", number)
    (listed,) = modules.opennebula.vm_list(cloud.keeps, **cloud.arguments)
    assert listed == {
        "id": vm, "name": "web", "owner": "oneadmin", "state": 3, "lcm_state": 3, "host": "kvm1",
        "system": cloud.system,
        "disks": [
            {"id": 0, "image": "base", "datastore": cloud.keeps, "format": "raw", "clone": True, "type": "GLUSTER",
             "native": True, "gluster_host": "kvm1:24007"},
        ],
    }  # fmt: skip
    on_system = modules.opennebula.vm_list(cloud.system, **cloud.arguments)
    assert vm in [found["id"] for found in on_system]
    assert modules.opennebula.vm_list(cloud.raw, **cloud.arguments) == []


def test_the_list_costs_four_requests(modules, cloud):
    """However many datastores there are."""
    for number in range(5):
        cloud.datastore(f"store{number}", **NATIVE)
    cloud.log()
    assert modules.gluster_native.images(**cloud.arguments) == []
    assert cloud.requests() == ["datastorepool.info", "imagepool.info", "vmpool.infoextended", "user.info"]
