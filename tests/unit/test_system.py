"""What differs between operating systems: the data file, merged by grains."""

from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
SYSTEMS = yaml.safe_load((CHECKOUT / "gluster_one/os.yaml").read_text())
# Grains as Salt has them, os_family, os, osfinger, and what brings QEMU's gluster driver there.
KNOWN = {
    ("Debian", "Debian", "Debian-12"): "qemu-block-extra",
    ("Debian", "Ubuntu", "Ubuntu-22.04"): "qemu-block-extra",
    ("Debian", "Ubuntu", "Ubuntu-24.04"): "qemu-block-supplemental",
    ("RedHat", "RedHat", "Red Hat Enterprise Linux-9"): "qemu-kvm-block-gluster",
    ("RedHat", "AlmaLinux", "AlmaLinux-9"): "qemu-kvm-block-gluster",
    ("RedHat", "Fedora", "Fedora Linux-41"): "qemu-block-gluster",
    ("Suse", "Leap", "Leap-15"): "qemu-block-gluster",
}


@pytest.fixture
def system(execution):
    """system(os_family, os, osfinger): the merged data of that system."""

    def make(*names):
        grains = dict(zip(("os_family", "os", "osfinger"), names))
        salt = {"cp.cache_file": lambda path: str(CHECKOUT / path.removeprefix("salt://"))}
        return execution(
            "gluster_one_pillar", __salt__=salt, __grains__=grains, __opts__={"file_client": "local"}
        ).system()

    return make


@pytest.mark.parametrize("names", [*KNOWN, ("Arch", "Arch", "Arch")])
def test_every_system_has_every_key(system, names):
    found = system(*names)
    assert set(found) == set(SYSTEMS["base"])
    assert all(isinstance(value, str) and value for value in found.values())


def test_no_system_has_a_key_that_the_others_have_not():
    for name, values in SYSTEMS.items():
        assert set(values) <= set(SYSTEMS["base"]), name


@pytest.mark.parametrize("names", KNOWN)
def test_packages_by_system(system, names):
    assert system(*names)["qemu_gluster_package"] == KNOWN[names]
