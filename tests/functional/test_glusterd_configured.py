"""The states gluster_one.glusterd_configured and gluster_one_check.native_access_supported and pillar_valid."""

from pathlib import Path

import pytest

from . import host
from .conftest import HAND_MADE
from .runs import fails, four_runs, idle, refuses

LINE = "    option rpc-auth-allow-insecure on\n"
ADDED = {"rpc-auth-allow-insecure": {"old": None, "new": "on"}}


@pytest.fixture
def configured(states):
    return states.gluster_one.glusterd_configured


def test_what_the_guide_asks_for(configured, own_file, one_vol, small_vol):
    bricks, pid, before = host.brick_pids(one_vol, small_vol), host.glusterd_pid(), own_file.read_text()
    run = four_runs(configured, "glusterd")
    assert run.changes == ADDED
    assert "takes effect when glusterd restarts; VMs work without it" in run.comment
    assert own_file.read_text() == before.replace("end-volume", f"{LINE}end-volume")
    assert host.glusterd_pid() == pid
    assert host.brick_pids(one_vol, small_vol) == bricks


@pytest.mark.parametrize("value", ["on", "enable", "1", "True", "yes"])
def test_equal_by_hand_is_no_change(configured, volume_file, value):
    volume_file.write_text(HAND_MADE.replace("end-volume", f"option rpc-auth-allow-insecure {value}\nend-volume"))
    idle(configured, "glusterd", path=str(volume_file), paths=[volume_file])


def test_off_by_hand_is_predicted_with_its_old_value(configured, volume_file):
    volume_file.write_text(HAND_MADE.replace("end-volume", "option rpc-auth-allow-insecure off\nend-volume"))
    before = host.outside(volume_file)
    run = configured("glusterd", path=str(volume_file), test=True)
    assert (run.result, run.changes) == (None, {"rpc-auth-allow-insecure": {"old": "off", "new": "on"}})
    assert host.outside(volume_file) == before


def test_a_missing_file(configured, tmp_path):
    assert "is missing: install glusterfs-server" in refuses(configured, "glusterd", path=str(tmp_path / "none"))


def test_a_file_of_something_else_is_left_alone(configured, tmp_path):
    path = tmp_path / "hosts"
    path.write_text("127.0.0.1 localhost\n")
    run = fails(configured, "glusterd", path=str(path), within=20)
    assert "has no line end-volume" in run.comment
    assert path.read_text() == "127.0.0.1 localhost\n"


@pytest.mark.parametrize("value", ["on\nend-volume\nvolume mine", 'on"', "on # off"])
def test_no_line_of_the_file_is_broken(configured, volume_file, value):
    options = {"ping-timeout": value}
    said = refuses(configured, "glusterd", options=options, path=str(volume_file), paths=[volume_file])
    assert f"options is {options!r}: " in said


@pytest.fixture
def native(states):
    return states.gluster_one_check.native_access_supported


def test_native_access(native):
    idle(native, "gluster://", package="qemu-block-extra")


def test_native_access_without_the_driver(native):
    (driver,) = Path("/usr/lib").glob("*/qemu/block-gluster.so")
    with host.hidden(driver):
        text = refuses(native, "gluster://", package="qemu-block-extra")
    assert "cannot open gluster://: its gluster driver is not installed: install qemu-block-extra" in text


def test_native_access_without_qemu(native):
    with host.hidden("/usr/bin/qemu-img"):
        text = refuses(native, "gluster://", package="qemu-block-extra")
    assert text == "QEMU (qemu-img) is not installed: install qemu-utils and qemu-block-extra"


def test_native_access_without_libvirt(native):
    with host.hidden("/usr/sbin/libvirtd"):
        assert refuses(native, "gluster://").startswith("libvirt is not installed: install ")


@pytest.fixture
def readable(states, served):
    """The state for small_vol, mounted."""

    def run(*args, host="kvm1", **arguments):
        fixed = {"volume": "small_vol", "mount": str(served)}
        return states.gluster_one_check.native_readable("gluster://small_vol", host=host, **{**fixed, **arguments})

    return run


def test_oneadmin_reads_natively_what_the_head_has_left(readable, identifiers):
    identifiers('{"glusterds": 101}'.ljust(511) + "\n")
    idle(readable)
    assert readable(host=["kvm1:24007", "kvm2"]).comment == "oneadmin reads small_vol over gluster://kvm1 or kvm2"


def test_qemu_uses_a_file_on_the_mount(states, modules, served):
    """Without a driver for gluster://, and the head knows of that."""
    usable = states.gluster_one_check.files_usable
    (driver,) = Path("/usr/lib").glob("*/qemu/block-gluster.so")
    with host.hidden(driver):
        idle(usable, str(served))
        assert usable(str(served)).comment == f"QEMU writes and reads a file on {served} as oneadmin"
        assert modules.data.get("gluster_native.published")["found"]["gluster"] is False
    assert "QEMU cannot use a file" in fails(usable, str(served), user="daemon", timeout=1).comment
    run = usable(str(served / "none"), test=True)
    assert run.result is True and "the run will show it; now QEMU cannot use" in run.comment
    with host.hidden("/usr/sbin/libvirtd"):
        assert "libvirt is not installed: install" in refuses(usable, str(served))


def test_a_head_that_leaves_nothing_is_waited_for(readable, other_node):
    run = fails(readable, timeout=1)
    assert "within 1 s (last seen: the head has written no datastore's identifier there yet)" in run.comment
    run = readable(test=True)
    assert (run.result, run.changes) == (True, {}) and "the run will show it" in run.comment


def test_a_server_that_does_not_let_in_is_said(readable, identifiers):
    identifiers('{"glusterds": 101}'.ljust(511) + "\n")
    run = fails(readable, host="kvm1:1", timeout=1, within=30)
    assert "failed to connect" in run.comment and "bricks were started while it was off" in run.comment


def test_a_valid_pillar(modules, states):
    node = modules.gluster_one_pillar.node(pillar={"volumes": {"one_vol": {"servers": ["kvm1", "kvm2"]}}})
    assert (node["errors"], node["roles"]) == ([], ["hypervisor", "server"])
    assert node["volumes"]["one_vol"]["coordinator"] is True
    idle(states.gluster_one_check.pillar_valid, "gluster_one", errors=node["errors"], roles=node["roles"])


def test_a_pillar_that_is_not(modules, states):
    node = modules.gluster_one_pillar.node(pillar={"volumes": {"one_vol": {"servers": "kvm1, kvm2"}}})
    text = refuses(states.gluster_one_check.pillar_valid, "gluster_one", errors=node["errors"])
    assert "gluster_one:volumes:one_vol:servers is 'kvm1, kvm2' (a string): a list of host names is needed" in text


@pytest.mark.parametrize("by_hand", [False, True])
def test_what_it_has_written_goes_again_and_what_was_there_comes_back(configured, states, volume_file, by_hand):
    line = "option rpc-auth-allow-insecure off\n" if by_hand else ""
    volume_file.write_text(HAND_MADE.replace("end-volume", f"{line}end-volume"))
    restored, about = states.gluster_one.glusterd_restored, {"path": str(volume_file), "paths": [volume_file]}
    before = " ".join(volume_file.read_text().split())
    idle(restored, "none", **about)
    assert configured("glusterd", path=str(volume_file)).result is True
    run = four_runs(restored, "none", **about)
    assert run.changes == {"rpc-auth-allow-insecure": {"old": "on", "new": "off" if by_hand else None}}
    assert " ".join(volume_file.read_text().split()) == before
    assert configured("glusterd", path=str(volume_file)).result is True
    volume_file.write_text(volume_file.read_text().replace("insecure on", "insecure enable"))
    idle(restored, "none", **about)  # somebody else's by now


def test_the_drop_in_goes_again(states, own_file):
    assert states.gluster_one.bricks_kept("glusterd").result is True
    path = Path("/etc/systemd/system/glusterd.service.d/gluster_one.conf")
    run = four_runs(states.gluster_one.glusterd_restored, "glusterd", paths=[path.parent])
    assert run.changes == {"unit": {"old": str(path), "new": None}} and not path.exists()
    assert host.sh("systemctl", "show", "--value", "--property=KillMode", "glusterd").strip() == "control-group"
