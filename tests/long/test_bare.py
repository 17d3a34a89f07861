"""
From bare machines: no pool, no volume, no glusterd started, and on some hosts not even the packages.

The hosts reach no mirror. What is taken from them lies in a directory that apt and pip are told to look into: packages
that dpkg-repack made of the machine's own, and pyone as a wheel.
"""

import zipfile

import pytest

from tests.fleet.fleet import HYPERVISORS, MOUNT, STORES, changed

# Each host lacks another part.
LACKING = {
    "head": ["glusterfs-client", "glusterfs-server"],
    "kvm1": ["glusterfs-server"],
    "kvm2": ["qemu-block-extra", "libvirt-daemon-driver-storage-gluster"],
    "kvm3": ["glusterfs-server", "glusterfs-client", "glusterfs-cli"],
}
TAKEN_AWAY = """\
mkdir -p /var/tmp/mirror && cd /var/tmp/mirror
dpkg-repack --deb-option=-Znone {packages} >/dev/null 2>&1
dpkg-scanpackages . >Packages 2>/dev/null
dpkg -P {packages} >/dev/null 2>&1
rm -rf /etc/apt/sources.list.d
echo 'deb [trusted=yes] file:/var/tmp/mirror ./' >/etc/apt/sources.list
"""
# The fixture of the first test brings up a lab of its own and applies the formula three times.
pytestmark = pytest.mark.timeout(600)
PACKAGES, NATIVE, PYONE = "gluster_one_packages", "gluster_one_native_access", "gluster_one_pyone"
SIZE = 16 * 2**20


def without_pyone(fleet):
    """Take pyone from the head's minion, and make a wheel of it that pip finds."""
    place = next(fleet.lab.venv.glob("lib/python3*/site-packages"))
    (info,) = place.glob("pyone-*.dist-info")
    wheels = fleet.lab.root("head") / "var/tmp/wheels"
    wheels.mkdir()
    with zipfile.ZipFile(wheels / f"{info.name.removesuffix('.dist-info')}-py3-none-any.whl", "w") as wheel:
        for path in (*(place / "pyone").rglob("*.py"), *info.glob("*")):
            wheel.write(path, path.relative_to(place))
    (fleet.lab.root("head") / fleet.lab.venv.relative_to("/") / "pip.conf").write_text(
        "[global]\nno-index = true\nfind-links = /var/tmp/wheels\n"
    )
    fleet.sh("head", f"rm -r {place}/pyone {info}; systemctl restart salt-minion")


def installed(fleet):
    """{host: those of the packages it was to lack that are installed}."""
    query = "dpkg-query -W -f '${{db:Status-Status}} ${{Package}}\\n' {} 2>/dev/null | sed -n 's/^installed //p'"
    return {host: set(fleet.sh(host, query.format(" ".join(names))).split()) for host, names in LACKING.items()}


def look(fleet):
    return {host: fleet.look(host) for host in fleet.lab.hosts}, installed(fleet)


@pytest.fixture(scope="module")
def runs(_fleet):
    """A bare fleet: what it was, what test=True said, the first run and the second."""
    fleet, seen = _fleet, {}
    fleet.new(bare=True)
    fleet.stage = "used"
    without_pyone(fleet)
    fleet.everywhere(lambda host: fleet.sh(host, TAKEN_AWAY.format(packages=" ".join(LACKING[host]))), LACKING)
    fleet.lab.wait_for_minions(fleet.lab.hosts)
    with fleet.pillar(changed(volume={"bricks": "/data/one_vol"})):
        seen["before"] = look(fleet)
        seen["predicted"] = fleet.apply(test=True)
        seen["untouched"] = look(fleet)
        seen["first"] = fleet.apply()
        seen["second"] = fleet.apply()
        yield seen


def test_the_hosts_are_bare(_fleet, runs):
    looks, packages = runs["before"]
    assert packages == {host: set() for host in LACKING}
    assert all(look["processes"] == [[], []] for look in looks.values())


def test_prediction_touches_nothing(runs):
    assert runs["untouched"] == runs["before"]


def test_prediction_fails_nowhere_and_names_the_states_that_change(runs):
    assert runs["predicted"].failures == {}
    differing = {
        minion: {name for name, state in states.items() if state["result"] is None} - {NATIVE}
        for minion, states in runs["predicted"].items()
    }
    assert differing == {minion: set(changes) for minion, changes in runs["first"].changes.items()}
    # What cannot be known before something is installed is left open, and says so.
    assert "once qemu-block-extra is installed" in runs["predicted"]["kvm2"][NATIVE]["comment"]
    volume = runs["predicted"]["kvm1"]["gluster_one_volume_one_vol"]["comment"]
    assert "those of the group virt are looked at once Gluster is installed" in volume
    assert "once pyone is installed" in runs["predicted"]["head"]["gluster_one_datastore_glusterds"]["comment"]


def test_one_run_converges(runs):
    assert runs["first"].failures == {}
    assert (runs["second"].failures, runs["second"].changes) == ({}, {})


def test_what_was_missing_is_installed(_fleet, runs):
    head, *hypervisors = LACKING
    there = installed(_fleet)
    assert there == {head: {"glusterfs-client"}, **{host: set(LACKING[host]) for host in hypervisors}}
    assert PYONE in runs["first"].changes["head"] and PACKAGES in runs["first"].changes["kvm3"]


def test_glusterd_is_enabled_and_was_started_once(_fleet, runs):
    for host in HYPERVISORS:
        assert _fleet.sh(host, "systemctl is-enabled glusterd").strip() == "enabled"
        assert _fleet.sh(host, "journalctl -u glusterd --no-pager").count("Started ") == 1


def test_image_opens_natively_on_every_hypervisor(_fleet, runs):
    store = _fleet.datastores()["glusterds"]["ID"]
    _fleet.sh("head", f"qemu-img create -q -f raw {STORES}/{store}/image {SIZE}", user="oneadmin")
    assert _fleet.mounts("head")[MOUNT][1] == "fuse.glusterfs"
    opened = _fleet.everywhere(lambda host: _fleet.native_open(host, "image"), HYPERVISORS)
    assert {host: size for host, (size, _) in opened.items()} == dict.fromkeys(HYPERVISORS, SIZE), opened
