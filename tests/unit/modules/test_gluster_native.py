"""What QEMU's tools say of gluster://, of builds and accidents that are not on this machine: scripts in their place."""

import os
import re

import pytest

from ..conftest import CHECKOUT

NO_DRIVER = "qemu-img: Could not open 'json:{\"driver\": \"gluster\"}': Unknown driver 'gluster'"
PRESENT = "qemu-img: Could not open 'json:{\"driver\": \"gluster\"}': Parameter 'server' is missing"
MODULE = "/usr/lib/x86_64-linux-gnu/qemu/block-gluster.so"
FORMATS = "Supported formats: blkdebug file {}https qcow2 raw"


@pytest.fixture
def native(execution, tmp_path, monkeypatch):
    """native(program=script, ...): the module where these programs are shell scripts, and no others are installed."""

    def make(**scripts):
        for name, script in scripts.items():
            path = tmp_path / name.replace("_", "-")
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        opts = {"test": False, "cachedir": str(tmp_path / "cache")}
        kept = {}
        salt = {
            "gluster_mount.mount_health": lambda path: {"state": "alive" if path == str(tmp_path) else "absent"},
            "data.get": kept.get, "data.update": lambda key, value: kept.update({key: value}) or True,
        }  # fmt: skip
        module = execution("gluster_native", __opts__=opts, __grains__={"os": "Debian"}, __salt__=salt)
        programs = {name: str(tmp_path / name) for name in (each.replace("_", "-") for each in scripts)}
        monkeypatch.setattr(module.salt.utils.path, "which", programs.get)
        return module

    return make


def qemu_img(*said, version="7.2.22", formats="gluster ", end="exit 1"):
    """The script of a qemu-img that answers so when it is asked for the driver."""
    lines = "\n".join(said)
    return f"""case $1 in
--version) echo 'qemu-img version {version} (Debian 1:{version}+dfsg-7)';;
--help) echo; echo '{FORMATS.format(formats)}';;
info) cat >&2 <<'.'\n{lines}\n.\n{end};;
esac"""


# By what is the matter: the script of qemu-img, what it is about, what is seen and what to do.
CASES = {
    "a build without the driver, whatever packages there are": (
        qemu_img(NO_DRIVER, version="11.1.2", formats=""), "QEMU's build",
        "QEMU 11.1.2 cannot open gluster://: Debian builds it without the gluster driver",
        "put `access: fuse` under the volume in the pillar, and",
    ),
    "the same in older words": (
        qemu_img(NO_DRIVER.replace("driver 'gluster'", "protocol 'gluster'"), formats=""), "QEMU's build",
        "Debian builds it without the gluster driver", "hypervisor that has it is one of Debian 13",
    ),
    "the package is missing": (
        qemu_img(NO_DRIVER), "QEMU", "its gluster driver is not installed", "^install the-package$",
    ),
    "the package is missing, and QEMU says so": (
        qemu_img("qemu: module block-block-gluster not found, do you want to install qemu-block-extra package?",
                 NO_DRIVER),
        "QEMU", "its gluster driver is not installed", "^install the-package$",
    ),
    "a module of another build": (
        qemu_img(f"qemu-img: failed to initialize module: {MODULE}", "Only modules from the same build can be loaded.",
                 NO_DRIVER),
        "gluster driver", f"failed to initialize module: {MODULE} Only modules from the same build can be loaded.",
        "install QEMU and the-package of one version",
    ),
    "the same of QEMU 5": (
        qemu_img(f"Failed to initialize module: {MODULE}", "Note: only modules from the same build can be loaded.",
                 NO_DRIVER),
        "gluster driver", f"Failed to initialize module: {MODULE} Note: only", "of one version",
    ),
    "no libgfapi": (
        qemu_img("qemu-img: failed to open module: libgfapi.so.0: cannot open shared object file: No such file or "
                 "directory", NO_DRIVER),
        "gluster driver", "libgfapi.so.0: cannot open shared object file", "package with libgfapi.so.0 (Debian: libgf",
    ),
    "a library that libgfapi needs": (
        qemu_img("qemu-img: failed to open module: libglusterfs.so.0: cannot open shared object file: No such file or "
                 "directory", NO_DRIVER),
        "gluster driver", "libglusterfs.so.0: cannot open", "package with libglusterfs.so.0$",
    ),
    "a libgfapi that is too old": (
        qemu_img(f"qemu-img: failed to open module: {MODULE}: undefined symbol: glfs_zerofill, version GFAPI_3.5.0",
                 NO_DRIVER),
        "gluster driver", "undefined symbol: glfs_zerofill", "Gluster's libraries",
    ),
    "a module that is no file of its kind": (
        qemu_img(f"qemu-img: failed to open module: {MODULE}: file too short", NO_DRIVER),
        "gluster driver", "file too short", "install the-package again",
    ),
    "a crash": (
        qemu_img(end="kill -SEGV $$"), "gluster driver", "it ended by SIGSEGV, without output", "see why qemu-img",
    ),
    "no memory": (
        qemu_img(end="kill -KILL $$"), "gluster driver", "it ended by SIGKILL, without output", "see why qemu-img",
    ),
    "a crash in all that it does": (
        "kill -ABRT $$", "gluster driver", "(its version is not known) cannot open gluster://: it ended by SIGABRT",
        "see why qemu-img fails",
    ),
    "a library of its own that is missing": (
        "echo 'qemu-img: error while loading shared libraries: libaio.so.1: cannot open shared object file: No such "
        "file or directory' >&2; exit 127",
        "gluster driver", "libaio.so.1: cannot open shared object file", "install the package with libaio.so.1$",
    ),
    "no QEMU": (None, "QEMU", "^QEMU \\(qemu-img\\) is not installed$", "qemu-utils .*the-package$"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_why_qemu_cannot(native, case):
    script, about, seen, cure = CASES[case]
    scripts = {"qemu_img": script} if script else {}
    module = native(libvirtd="echo libvirtd '(libvirt)' 9.0.0", **scripts)
    found = module.native_access()
    assert found["gluster"] is False
    said = module.access_missing(found, "the-package")
    assert said[0] == about
    for text, wanted in ((said[1], seen), (said[3], cure)):
        assert re.search(wanted, text) if wanted[0] == "^" or wanted[-1] == "$" else wanted in text


def test_a_driver_that_is_there(native):
    scripts = {"qemu_img": qemu_img(PRESENT), "virtqemud": "echo virtqemud '(libvirt)' 11.3.0"}
    module = native(**scripts)
    found = module.native_access()
    assert found == {"qemu": "7.2.22", "libvirt": "11.3.0", "gluster": True, "built": True, "error": None}
    assert module.access_missing(found, "the-package") is None
    assert module.access_missing({**found, "libvirt": None}, "the-package")[0] == "libvirt"


def test_a_program_is_asked_for_its_version_again_when_it_is_another(native, tmp_path):
    module = native(qemu_img=qemu_img(PRESENT), libvirtd=f"echo >>{tmp_path}/asked; echo libvirtd 9.0.0")
    assert [module.native_access()["libvirt"] for _ in range(3)] == ["9.0.0"] * 3
    assert (tmp_path / "asked").read_text() == "\n"
    old = os.stat(tmp_path / "libvirtd")
    (tmp_path / "libvirtd").write_text((tmp_path / "libvirtd").read_text().replace("9.0.0", "9.0.1"))
    os.utime(tmp_path / "libvirtd", ns=(old.st_atime_ns, old.st_mtime_ns))
    assert module.native_access()["libvirt"] == "9.0.1"
    (tmp_path / "libvirtd").write_text("#!/bin/sh\nexit 1\n")
    assert [module.native_access()["libvirt"] for _ in range(2)] == ["(its version is not known)"] * 2
    (tmp_path / "libvirtd").write_text("#!/bin/sh\necho 9.0.2\n")
    assert module.native_access()["libvirt"] == "9.0.2"


@pytest.mark.parametrize(
    "script, said",
    [
        ("echo 'read 512/512 bytes at offset 0'; kill -KILL $$", None),
        ("kill -SEGV $$", "qemu-io: it ended by SIGSEGV, without output"),
        ("kill -KILL $$", "qemu-io: it ended by SIGKILL, without output"),
        ("exit 0", "qemu-io: it said nothing"),
        ("exit 3", "qemu-io: it ended with status 3, without output"),
        ("echo; kill -KILL $$", "SIGKILL"),
        ("echo 'a log' >&2; kill -ABRT $$", "qemu-io: a log"),
        ('echo "a log\nqemu-io: can\'t open device gluster://x: Permission denied" >&2; exit 1', "can't open device"),
        ("echo 'read failed: Input/output error'; kill -KILL $$", "read failed: Input/output error"),
        ("echo 'read failed: Invalid argument'; kill -KILL $$", "gluster volume set one_vol network.remote-dio enable"),
    ],
)
def test_a_read_counts_when_it_is_said(native, script, said):
    found = native(qemu_io=script).native_read("one_vol", user=None)
    assert found is None if said is None else said in found


def test_files_need_qemu_and_libvirt_alone(native):
    module = native(qemu_img=qemu_img(NO_DRIVER, version="11.1.2", formats=""), libvirtd="echo libvirtd 12.8.0")
    found = module.native_access()
    assert module.access_missing(found, None) is None and module.access_missing(found, "the-package")
    assert module.access_missing({**found, "libvirt": None}, None)[0] == "libvirt"
    assert module.access_missing({**found, "qemu": None}, None)[2:] == ["QEMU", "install qemu-utils"]


QEMU_IO = """case " $* " in *" -n "*) ;; *) echo 'qemu-io: not past the cache' >&2; exit 1;; esac
for file in "$@"; do :; done
test "$(stat -c %s "$file")" = 4096 || exit 9
"""


@pytest.mark.parametrize(
    "script, said",
    [
        ("echo 'wrote 4096/4096 bytes at offset 0'; echo 'read 4096/4096 bytes at offset 0'", None),
        ("echo 'wrote 4096/4096 bytes at offset 0'; echo 'read failed: Input/output error'; exit 1", "read failed: In"),
        (
            "echo 'wrote 4096/4096 bytes'; echo 'Pattern verification failed at offset 0'; echo 'read 4096/4096 bytes'",
            "Pattern verification failed",
        ),
        ("echo 'write failed: No space left on device'; exit 1", "write failed: No space left on device"),
        ('echo "qemu-io: can\'t open device $file: Permission denied" >&2; exit 1', "can't open device"),
        ("kill -SEGV $$", "qemu-io: "),
    ],
)
def test_a_file_on_the_mount(native, tmp_path, script, said):
    """It is removed, whatever came of it, and what a try of long ago has left; not that of another one beside it."""
    module = native(qemu_io=QEMU_IO + script)
    mine = tmp_path / f".gluster_one.qemu.{module.socket.gethostname()}"
    kept = [tmp_path / ".gluster_one.qemu.other.0123abcd", mine.with_name(f"{mine.name}.4567abcd")]
    old = mine.with_name(f"{mine.name}.89efabcd")
    for each in (*kept, old):
        each.touch()
    for each in (kept[0], old):
        os.utime(each, (0, 0))
    found = module.file_error(str(tmp_path), user=None)
    assert found is None if said is None else said in found
    assert sorted(tmp_path.glob(".gluster*")) == sorted(kept)


def test_a_file_where_nothing_is_mounted(native, tmp_path):
    module = native(qemu_io="exit 1")
    assert module.file_error("/mnt/none", user=None) == "the mount on /mnt/none is absent"


def test_a_directory_that_takes_no_file(native, tmp_path):
    module = native(qemu_io="exit 1")
    module.secrets.token_hex, kept = (lambda size: "x/y"), module.secrets.token_hex
    try:
        assert "annot create" in module.file_error(str(tmp_path), user=None)
    finally:
        module.secrets.token_hex = kept


def running(execution, monkeypatch, processes):
    """The module on a node with these processes: their command lines by number."""
    utils = {
        "gluster_process.command_lines": lambda: processes,
        "gluster_process.process_name": lambda pid: names[pid],
    }
    module = execution("gluster_native", __utils__=utils)
    vm_name = module.__utils__["gluster_process.vm_name"]
    names = {pid: f"{vm_name(words)} ({pid})" for pid, words in processes.items()}
    return module


@pytest.mark.parametrize(
    "words, native_disk",
    [
        (["-blockdev", '{"driver":"gluster","volume":"one_vol","path":"7/disk.0"}'], True),
        (["-blockdev", '{"driver": "gluster", "volume": "one_vol"}'], True),
        (["-drive", "file=gluster://kvm1:24007/one_vol/7/disk.0,format=raw"], True),
        (["-drive", "file=gluster+tcp://kvm1/one_vol/7/disk.0"], True),
        (["-drive", "file.driver=gluster,file.volume=one_vol"], True),
        (["-blockdev", '{"driver":"file","filename":"/var/lib/one/datastores/gluster/7/disk.0"}'], False),
        ([], False),
    ],
)
def test_machines_that_have_native_disks_open(execution, monkeypatch, words, native_disk):
    command = ["/usr/bin/qemu-system-x86_64", "-name", "guest=one-7,debug-threads=on", *words]
    module = running(execution, monkeypatch, {4711: command, 4712: []})
    assert module.native_machines() == ["one-7 (4711)"] * native_disk


@pytest.mark.parametrize(
    ("name", "disk", "native_disk"),
    [
        ("one-7", "<source protocol='gluster' name='one_vol/7/disk.1' index='2'>", True),
        ("one-7", "<source protocol='rbd' name='pool/image'>", False),
        ("one-7", "<description>&lt;source protocol='gluster'</description>", False),
        ("one-8", None, False),
        ("../one-7", "<source protocol='gluster' name='one_vol/7/disk.1'>", False),
    ],
    ids=["gluster", "another", "a text", "no file", "a path"],
)
def test_a_disk_that_was_attached_later_counts(execution, monkeypatch, tmp_path, name, disk, native_disk):
    command = ["/usr/bin/qemu-system-x86_64", "-name", f"guest={name},debug-threads=on"]
    module = running(execution, monkeypatch, {4711: command})
    (tmp_path / "qemu").mkdir()
    monkeypatch.setattr(module, "LIVE", f"{tmp_path}/qemu/{{}}.xml")
    if disk:
        (tmp_path / f"qemu/{name}.xml").write_text(f"<domstatus><domain><disk type='network'>{disk}</disk></domain>")
    assert module.native_machines() == [f"{name} (4711)"] * native_disk


def test_what_qemu_can_is_left_in_the_mine_when_it_changes(execution):
    kept, sent = {}, []
    salt = {
        "data.get": kept.get, "data.update": lambda key, value: kept.update({key: value}) or True,
        "mine.send": lambda name: sent.append(name) or len(sent) > 1,
    }  # fmt: skip
    module = execution("gluster_native", __salt__=salt)
    can, cannot = {"gluster": True}, {"gluster": False}
    # The first time the master does not answer.
    assert [module.publish_access(found) for found in (can, can, can, cannot)] == [False, True, False, True]
    assert sent == ["gluster_native.native_access"] * 3


def test_the_read_is_that_of_a_vm(native):
    """Past the host's cache."""
    script = 'case " $* " in *" -n "*) echo "read 512/512 bytes";; *) echo "read failed";; esac'
    assert native(qemu_io=script).native_read("one_vol", user=None) is None


@pytest.fixture
def listed(execution, tmp_path):
    """listed([{...}]): the module where oned has these images, each raw and persistent unless it says otherwise."""

    def make(images, run=None):
        store = {"id": 100, "name": "glusterds", "base_path": str(tmp_path), "DISK_TYPE": "GLUSTER"}
        image = {"name": "x", "owner": "eve", "state": "READY", "persistent": True, "format": "raw", "native": True,
                 "datastore": 100, "snapshots": 0, "type": "OS", "size_mb": 1}  # fmt: skip
        module = execution("gluster_native", __opts__={"cachedir": str(tmp_path)}, __salt__={
            "opennebula.datastore_list": lambda: [store], "opennebula.vm_list": list,
            "opennebula.image_list": lambda: [{**image, "id": n, **given} for n, given in enumerate(images)],
            "opennebula_api.account": lambda: "root", "one_datastore.is_native": lambda store: True,
            "opennebula_api.sees_all": lambda: True,
        })  # fmt: skip
        real = module.__utils__["gluster_process.run"]
        module.__utils__["gluster_process.run"] = lambda argv, **more: (run or real)(argv, **more)
        return module

    return make


def test_many_raw_files_take_few_processes(listed, tmp_path):
    """All images are raw by default: a process for each would be thousands."""
    paths = [tmp_path / f"image-{number}" for number in range(450)]
    for path in paths:
        path.write_bytes(bytes(512))
    paths[7].write_bytes(bytes(612))
    paths[8].unlink()
    commands = []
    module = listed([{"source": str(path)} for path in paths])
    run = module.__utils__["gluster_process.run"]
    module.__utils__["gluster_process.run"] = lambda argv, **more: commands.append(argv) or run(argv, **more)
    (found,) = module.images()
    assert found["id"] == 7 and "reading its last 100 bytes is an I/O error" in found["problem"]
    assert f"`runuser --pty -u root -- truncate -s %512 -- {paths[7]}`" in found["cure"]
    assert len(commands) == 5  # three for 450 files, one for each of those two


@pytest.mark.parametrize(
    "name", ["a b", "a'`id`", "a;id", "a\\b", "ä", "~", "{}", "x/" * 250 + "x"], ids=lambda name: ascii(name)[:20]
)
@pytest.mark.parametrize("snapshots", [0, 1])
def test_an_odd_path_stands_in_no_command(listed, tmp_path, name, snapshots):
    """oned and oneadmin choose it, and an administrator pastes what is printed as root."""
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"QFI\xfb" + bytes(600))
    form = "qcow2" if snapshots else "raw"
    (found,) = listed([{"source": str(path), "snapshots": snapshots, "format": form}]).images()
    assert "its file's path is odd" in found["cure"] and "`oneimage show 0`" in found["cure"]
    assert name not in found["cure"] and "runuser" not in found["cure"]


def test_a_snapshot_is_written_into_a_file_as_its_user(listed, tmp_path):
    """Root would read what a link or a backing file of oneadmin's leads to."""
    path = tmp_path / "image"
    path.write_bytes(b"QFI\xfb" + bytes(508))
    (found,) = listed([{"source": str(path), "snapshots": 1, "format": "qcow2"}]).images()
    command = f"runuser --pty -u root -- qemu-img convert -f qcow2 -O raw {path}.snap/N FILE"
    assert found["cure"].split("`")[1] == command and "(N: the highest number there)" in found["cure"]
    assert "FILE, a new one where root can write" in found["cure"]


def test_long_paths_fit_into_the_words_of_a_process(listed):
    """Users of OpenNebula may give 200 images a path of 4094 characters, of four bytes each."""
    lengths = []
    paths = ["/" + "\U0001f600" * 1000, "/" + "\U0001f600" * 4094]
    module = listed([{"source": path} for path in paths for _ in range(100)])
    run = module.__utils__["gluster_process.run"]

    def counted(argv, **more):
        lengths.append(sum(map(len, map(os.fsencode, argv))))
        return [1, "", "stat: cannot statx: No such file or directory"] if argv[0] == "sh" else run(argv, **more)

    module.__utils__["gluster_process.run"] = counted
    problems = [found["problem"] for found in module.images()]
    assert len(problems) == 100 and all("is not an absolute path" in problem for problem in problems)
    assert len(lengths) > 100 and max(lengths) < 70_000


@pytest.mark.parametrize("path", ["-l", "x", "/two\nlines", "/esc\x9b[2J"], ids=ascii)
def test_a_path_that_is_none_is_named_where_the_datastore_hangs(listed, path):
    images = [{"source": each, "snapshots": 1, "format": "qcow2"} for each in ("/hangs", path)]
    found = listed(images, run=lambda argv, **_: [None, "", "no answer within 3 s"]).images()
    assert ["did not answer" in one["problem"] for one in found] == [True, False]
    assert "is not an absolute path" in found[1]["problem"] and found[1]["cure"] == "see what it says"
    assert all(one[key].isprintable() for one in found for key in ("problem", "cure"))


def test_what_an_error_says_is_not_its_paths_words(listed):
    paths = ["/not connected", "/No such file", "/x"]
    images = [{"source": path, "format": "qcow2"} for path in paths]
    found = listed(
        images, run=lambda argv, **_: [1, "", f"stat: cannot statx '{argv[-1]}': Permission denied"]
    ).images()
    assert ["cannot be looked at" in one["problem"] for one in found] == [True] * 3


@pytest.mark.parametrize(
    "said, problems",
    [
        ([0, "", ""], []),
        ([1, "", "find: '/x.snap/': No such file or directory"], []),
        ([1, "", "find: '/x.snap/': Permission denied"], ["is not known: find: '/x.snap/': Permission denied"]),
        ([None, "", "no answer within 3 s"], ["is not known: no answer within 3 s"]),
        ([0, "1\n10\n9\n", ""], ["a persistent qcow2 with a disk snapshot"]),
    ],
)
@pytest.mark.parametrize("beyond", [0, 100])
def test_no_answer_is_not_no_snapshot(listed, said, problems, beyond):
    seen = [0, f"81a4 {512 + beyond}\n/x\n 51 46 49 fb\n", ""]
    module = listed([{"source": "/x", "format": "qcow2"}], run=lambda argv, **_: said if argv[0] == "find" else seen)
    found = [one["problem"] for one in module.images()]
    short = ["so QEMU cannot open it"] if beyond and not said[1] else []
    assert len(found) == len(problems + short)
    assert all(part in whole for part, whole in zip(problems + short, found))


def test_no_printed_command_of_another_user_has_roots_terminal():
    texts = [path for each in ("_*/*.py", "docs/*.md", "*.md", "gluster_one/**/*.*") for path in CHECKOUT.glob(each)]
    lines = [line for path in texts for line in path.read_text().splitlines() if "runuser -" in line]
    assert lines and all("runuser --pty" in line for line in lines)


@pytest.mark.parametrize("state", ["alive", "absent"])
def test_a_vm_needs_its_volume_where_it_is_not_mounted_too(execution, monkeypatch, state):
    module = execution("gluster_native")
    monkeypatch.setattr(module, "native_machines", lambda: ["one-7 (4711)"])
    salt = {
        "gluster_mount.beneath": lambda path: {"state": state},
        "gluster_mount.mount_users": lambda path: ["less (1)"],
    }
    monkeypatch.setattr(module, "__salt__", salt, raising=False)
    vm = "VM one-7 (4711), over gluster://"
    assert module.volume_users("/mnt") == (["less (1)", vm] if state == "alive" else [vm])
