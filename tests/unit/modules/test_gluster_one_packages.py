"""Which packages a node lacks, in which versions they come, and pyone."""

import importlib.machinery
import importlib.metadata

import pytest
from salt.exceptions import CommandExecutionError

BARE = []
QEMU = ["qemu-img", "libvirtd"]
ALL = ["server", "hypervisor", "head"]


@pytest.fixture
def packages(execution, monkeypatch):
    """packages(programs, files, versions): the module on a node that has these."""

    def make(programs=(), files=(), versions=None):
        monkeypatch.setattr("salt.utils.path.which", lambda name: name in programs)
        monkeypatch.setattr("glob.glob", lambda pattern: [path for path in files if pattern.endswith(path)])
        salt = {} if versions is None else {"pkg.version": lambda name: versions.get(name, "")}
        grains = {"os_family": "Debian", "os": "Debian"}
        return execution("gluster_one_packages", __salt__=salt, __grains__=grains)

    return make


@pytest.mark.parametrize(
    ("roles", "programs", "files", "lacking"),
    [
        (["server"], BARE, [], ["gluster_package"]),
        (["head"], BARE, [], ["mount_package"]),
        # Of a hypervisor libvirt and QEMU are the administrator's.
        (["hypervisor"], BARE, [], ["mount_package"]),
        (["hypervisor"], QEMU, [], ["mount_package", "qemu_gluster_package", "libvirt_gluster_package"]),
        (["hypervisor"], ["virtqemud", "mount.glusterfs"], [], ["libvirt_gluster_package"]),
        (ALL, [*QEMU, "glusterd"], ["/block-gluster.so"], ["mount_package", "libvirt_gluster_package"]),
        (ALL, [*QEMU, "glusterd", "mount.glusterfs"], ["/block-gluster.so", "_backend_gluster.so"], []),
        (["server", "head"], [*QEMU, "glusterd", "mount.glusterfs"], [], []),
    ],
)
def test_what_is_missing_by_roles(packages, roles, programs, files, lacking):
    assert packages(programs, files).missing(roles) == lacking


def test_where_disks_are_files_no_driver_is_missing(packages):
    assert packages([*QEMU, "mount.glusterfs"]).missing(["hypervisor"], native=False) == []


def test_a_new_package_has_the_version_of_what_it_belongs_to(packages):
    """Another one of the same source would be pulled up with it."""
    module = packages(versions={"qemu-utils": "1:7.2+b3", "libvirt-daemon": "9.0.0"})
    assert module.to_install(["gluster_package", "qemu_gluster_package", "libvirt_gluster_package"]) == {
        "glusterfs-server": None,
        "qemu-block-extra": "1:7.2+b3",
        "libvirt-daemon-driver-storage-gluster": "9.0.0",
    }
    assert packages(versions={"glusterfs-client": "10.3-5"}).to_install(["gluster_package"]) == {
        "glusterfs-server": "10.3-5"
    }
    assert packages().to_install(["gluster_package"]) == {
        "glusterfs-server": None
    }  # no package manager that Salt knows


def test_an_installed_package_without_the_file_is_not_installed_again(packages):
    """Debian 14 builds QEMU without the driver, and has the package."""
    module = packages(QEMU, versions={"qemu-block-extra": "1:11.1", "qemu-utils": "1:11.1"})
    keys = module.missing(["hypervisor"])
    assert "qemu_gluster_package" in keys and "qemu-block-extra" not in module.to_install(keys)


@pytest.mark.parametrize(
    ("there", "version", "seen"),
    [
        (True, "7.3.80", None),
        (True, None, None),
        (True, "6.10.0", "pyone 6.10.0 of this minion's Python is too old, 7.0 or newer is needed: `salt-pip install"),
        (False, None, "pyone is not installed for this minion's Python: `salt-pip install 'pyone>=7'` (onedir)"),
    ],
)
def test_pyone(packages, monkeypatch, there, version, seen):
    def metadata(name):
        if not version:
            raise importlib.metadata.PackageNotFoundError
        return version

    monkeypatch.setattr(importlib.machinery.PathFinder, "find_spec", lambda name: there)
    monkeypatch.setattr(importlib.metadata, "version", metadata)
    found = packages().pyone_missing()
    assert found is None if seen is None else found.startswith(seen)


@pytest.mark.parametrize("status", [0, 100])
def test_what_was_half_installed_is_finished_without_removing_anything(execution, monkeypatch, status):
    ran = []

    def run_all(command, env, **_):
        ran.append(" ".join(command))
        assert env == {"DEBIAN_FRONTEND": "noninteractive"}
        return {"retcode": status if command[0] == "apt-get" else 1, "stdout": "", "stderr": "E: Unmet\n dependencies"}

    module = execution("gluster_one_packages", __salt__={"cmd.run_all": run_all})
    monkeypatch.setattr("salt.utils.path.which", lambda name: None)
    assert module.finish() is True and ran == [], "no dpkg"
    monkeypatch.setattr("salt.utils.path.which", lambda name: f"/usr/bin/{name}")
    if status:
        with pytest.raises(CommandExecutionError, match="could not be finished: E: Unmet dependencies$"):
            module.finish()
    else:
        assert module.finish() is True
    assert ran == [
        "dpkg --configure -a --force-confold",
        "apt-get install --fix-broken --no-remove --yes --quiet",
    ]


def test_wheels_of_the_file_server_go_before_an_index(execution):
    directory = "/var/cache/salt/minion/files/dev/gluster_one/wheels"
    files = {"dev": [f"{directory}/README", f"{directory}/pyone-7.3.80-py3-none-any.whl"], "base": []}
    salt = {"cp.cache_dir": lambda path, saltenv: files[saltenv]}
    source = {
        env: execution("gluster_one_packages", __salt__=salt, __opts__={"saltenv": env}).pyone_source()
        for env in ("dev", None)
    }
    assert source["dev"] == {"name": "pyone>=7", "find_links": directory, "no_index": True}
    assert source[None] == {"name": "pyone>=7"}
