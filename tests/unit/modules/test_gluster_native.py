"""What QEMU's tools say of gluster://, of builds and accidents that are not on this machine: scripts in their place."""

import os
import re

import pytest

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
        module = execution("gluster_native", __opts__=opts, __grains__={"os": "Debian"})
        only = {name.replace("_", "-") for name in scripts}
        monkeypatch.setattr(module.salt.utils.path, "which", lambda name: name if name in only else None)
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
        "QEMU 11.1.2 cannot open gluster://: Debian builds it without the gluster driver", "such as one of Debian 13",
    ),
    "the same in older words": (
        qemu_img(NO_DRIVER.replace("driver 'gluster'", "protocol 'gluster'"), formats=""), "QEMU's build",
        "Debian builds it without the gluster driver", "such as one of Debian 13",
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


def test_the_read_is_that_of_a_vm(native):
    """Past the host's cache."""
    script = 'case " $* " in *" -n "*) echo "read 512/512 bytes";; *) echo "read failed";; esac'
    assert native(qemu_io=script).native_read("one_vol", user=None) is None
