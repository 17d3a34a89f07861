"""What differs between operating systems: the data file, and what packages.sls makes of it."""

import json
from pathlib import Path

import jinja2
import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
SYSTEMS = yaml.safe_load((CHECKOUT / "gluster_one/os.yaml").read_text())
LIBVIRT = "libvirt-daemon-driver-storage-gluster"
# Grains as Salt has them: os_family, os, osfinger; and what is installed for a server, a mount, and QEMU and libvirt.
KNOWN = {
    ("Debian", "Debian", "Debian-12"): ("glusterfs-server", "glusterfs-client", "qemu-block-extra", LIBVIRT),
    ("Debian", "Ubuntu", "Ubuntu-22.04"): ("glusterfs-server", "glusterfs-client", "qemu-block-extra", LIBVIRT),
    ("Debian", "Ubuntu", "Ubuntu-24.04"): ("glusterfs-server", "glusterfs-client", "qemu-block-supplemental", LIBVIRT),
    ("RedHat", "RedHat", "Red Hat Enterprise Linux-9"): (
        "glusterfs-server",
        "glusterfs-fuse",
        "qemu-kvm-block-gluster",
    ),
    ("RedHat", "AlmaLinux", "AlmaLinux-9"): ("glusterfs-server", "glusterfs-fuse", "qemu-kvm-block-gluster"),
    ("RedHat", "Fedora", "Fedora Linux-41"): ("glusterfs-server", "glusterfs-fuse", "qemu-block-gluster", LIBVIRT),
    ("Suse", "Leap", "Leap-15"): ("glusterfs", "glusterfs", "qemu-block-gluster", LIBVIRT),
}


@pytest.fixture
def system(execution):
    """system(os_family, os, osfinger): the merged data of that system."""

    def make(*names):
        grains = dict(zip(("os_family", "os", "osfinger"), names))
        salt = {"cp.cache_file": lambda path: str(CHECKOUT / path.removeprefix("salt://"))}
        return execution(
            "gluster_one_system", __salt__=salt, __grains__=grains, __opts__={"file_client": "local"}
        ).system()

    return make


@pytest.fixture
def packages(execution):
    return lambda roles, found: execution("gluster_one_system").packages(roles, found)


@pytest.mark.parametrize("names", [*KNOWN, ("Arch", "Arch", "Arch")])
def test_every_system_has_every_key(system, names):
    found = system(*names)
    assert set(found) == set(SYSTEMS["base"])
    # libvirt has no such driver everywhere.
    assert all(isinstance(value, str) and (value or key == "libvirt_gluster_package") for key, value in found.items())


def test_no_system_has_a_key_that_the_others_have_not():
    for name, values in SYSTEMS.items():
        assert set(values) <= set(SYSTEMS["base"]), name


@pytest.mark.parametrize("names", KNOWN)
def test_packages_by_system(system, packages, names):
    server, mount, *native = KNOWN[names]
    found = packages(["hypervisor", "server"], system(*names))
    assert found["gluster"] == list(dict.fromkeys([server, mount]))
    assert found["native"] == native


@pytest.mark.parametrize(
    ("roles", "gluster", "native"),
    [
        (["head"], ["glusterfs-client"], 0),
        (["hypervisor"], ["glusterfs-client"], 2),
        (["server"], ["glusterfs-server", "glusterfs-client"], 0),
        (["head", "hypervisor", "server"], ["glusterfs-server", "glusterfs-client"], 2),
    ],
)
def test_packages_by_role(packages, roles, gluster, native):
    found = packages(roles, SYSTEMS["base"])
    assert (found["gluster"], len(found["native"])) == (gluster, native)


@pytest.mark.parametrize(
    ("there", "venv", "marked", "expected"),
    [
        (True, False, True, None),
        (False, True, True, "pip"),  # pip in a virtual environment is free to install
        (False, False, False, "pip"),  # onedir, whose pip Salt itself takes; a system that does not mind
        (False, False, True, "python3-pyone"),
    ],
)
def test_pyone_for_the_python_that_runs_the_minion(execution, monkeypatch, tmp_path, there, venv, marked, expected):
    module = execution("gluster_one_system")
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: object() if there else None)
    monkeypatch.setattr(module.sysconfig, "get_path", lambda name: str(tmp_path))
    monkeypatch.setattr(module.sys, "base_prefix", "/usr" if venv else module.sys.prefix)
    if marked:
        (tmp_path / "EXTERNALLY-MANAGED").touch()
    assert module.packages(["head"], SYSTEMS["base"])["pyone"] == expected
    assert module.packages(["hypervisor"], SYSTEMS["base"])["pyone"] is None


def rendered(node, running=True):
    """packages.sls with this in the place of what map.jinja hands over."""
    map_jinja = jinja2.DictLoader({"gluster_one/map.jinja": "{% set node = given %}"})
    loader = jinja2.ChoiceLoader([map_jinja, jinja2.FileSystemLoader(CHECKOUT)])
    environment = jinja2.Environment(loader=loader)
    salt = {"service.status": lambda name: running}
    environment.filters["json"] = json.dumps
    return yaml.safe_load(environment.get_template("gluster_one/packages.sls").render(given=node, salt=salt))


@pytest.mark.parametrize("names", KNOWN)
def test_the_sls_names_each_package_of_each_system(system, packages, names):
    native = KNOWN[names][2:]
    needed = packages(["hypervisor", "server"], system(*names))
    states = rendered({"errors": [], "manage_packages": True, "packages": needed, "roles": ["hypervisor"]})
    assert states.pop("include") == ["gluster_one.pillar"]
    (installed,) = states.pop("gluster_one_packages")["pkg.installed"]
    assert installed == {"pkgs": needed["gluster"]}
    assert states == {f"gluster_one_{name}": {"pkg.installed": [{"name": name}]} for name in native}


def test_the_sls_installs_pyone_either_way():
    for pyone, state in (("pip", {"pip.installed": [{"name": "pyone"}]}), ("p", {"pkg.installed": [{"name": "p"}]})):
        needed = {"gluster": ["g"], "native": [], "pyone": pyone}
        states = rendered({"errors": [], "manage_packages": True, "packages": needed, "roles": ["head"]})
        assert states["gluster_one_pyone"] == state


def test_a_stopped_glusterd_has_its_options_before_it_is_started():
    glusterd = {"service": "glusterd", "path": "/etc/glusterfs/glusterd.vol"}
    needed = {"gluster": ["g"], "native": [], "pyone": None}
    node = {"errors": [], "manage_packages": True, "packages": needed, "roles": ["server"], "glusterd": glusterd}
    order = ["include", "gluster_one_packages", "gluster_one_glusterd_stopped", "gluster_one_glusterd_running"]
    assert list(rendered(node, running=False)) == order
    order.remove("gluster_one_glusterd_stopped")
    assert list(rendered(node, running=True)) == order


@pytest.mark.parametrize("node", [{"errors": ["wrong"]}, {"errors": [], "manage_packages": False}])
def test_the_sls_leaves_packages_alone(node):
    assert rendered(node) == {"include": ["gluster_one.pillar"]}
