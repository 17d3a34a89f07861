"""The line of /etc/fstab for a volume."""

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from salt.exceptions import CommandExecutionError, SaltInvocationError

STOP = ", then `systemctl daemon-reload; systemctl stop 'mnt.automount'` while nothing uses the volume there"


@pytest.fixture
def fstab(execution, monkeypatch, tmp_path):
    """The module, whose /etc/fstab is a file of its own, on a node that is called kvm1."""
    module = execution("gluster_fstab")
    module.__utils__.update({
        "gluster_hosts.own_names": lambda: {"kvm1", "10.0.0.1"},
        "gluster_hosts.known_as": lambda host, servers: None,
    })  # fmt: skip
    module.__salt__.update({
        "service.systemctl_reload": lambda: None,
        "cmd.run_all": lambda words, python_shell: {"stdout": "mnt.mount"},
        **{f"gluster_one_arguments.{name}": getattr(execution("gluster_one_arguments"), name)
           for name in ("undoes_flags", "keeps_away")},
    })  # fmt: skip
    monkeypatch.setattr(module, "FSTAB", str(tmp_path / "fstab"))
    return module


@pytest.mark.parametrize("servers", [None, "kvm1", [], ["kvm1", 2], [None], {"kvm1": None}])
def test_servers_that_are_no_names(fstab, servers):
    with pytest.raises(SaltInvocationError, match="a list of host names is needed"):
        fstab.wanted_line("/mnt", "one_vol", servers)


def test_a_line_without_options(fstab):
    """mount and systemd take three fields."""
    others = "# three words here\nproc /proc proc\n"
    file = Path(fstab.FSTAB)
    file.write_text(f"{others}kvm1:/one_vol /mnt\tglusterfs\n")
    there = {"device": "kvm1:/one_vol", "fstype": "glusterfs", "opts": ["defaults"], "volume": "one_vol"}
    assert fstab.line("/mnt") == there
    wanted = fstab.wanted_line("/mnt", "one_vol", ["kvm1"])
    assert wanted == {"device": "kvm1:/one_vol", "opts": ["defaults", "_netdev", "nosuid", "nodev"]}
    fstab.set_line("/mnt", **wanted)
    assert file.read_text() == f"{others}kvm1:/one_vol /mnt glusterfs defaults,_netdev,nosuid,nodev 0 0\n"
    assert fstab.line("/mnt") == {**there, "opts": ["defaults", "_netdev", "nosuid", "nodev"]}


@pytest.mark.parametrize("option", ["suid", "dev", "fuse-mountopts=exec", "fuse-mountopts", "nodev=x", "nosuid="])
def test_what_would_undo_nosuid_and_nodev(fstab, option):
    """The first two win when they come later; the third makes mount.glusterfs forget what came before."""
    Path(fstab.FSTAB).write_text(f"kvm1:/one_vol /mnt glusterfs nosuid,acl,{option} 0 0\n")
    assert fstab.wanted_line("/mnt", "one_vol", ["kvm1"])["opts"] == ["nosuid", "acl", "_netdev", "nodev"]


def test_this_node_by_its_name_in_any_case(fstab):
    assert fstab._server("localhost", ["kvm2", "KVM1"]) == "KVM1"


def test_a_line_for_another_place_lends_no_options_that_keep_the_volume_away(fstab):
    like = {"device": "kvm1:/one_vol", "opts": ["ro", "noauto", "acl", "x-systemd.automount"], "volume": "one_vol"}
    wanted = fstab.wanted_line("/mnt", "one_vol", ["kvm1"], like=like)
    assert wanted["opts"] == ["acl", "_netdev", "nosuid", "nodev"]


@pytest.mark.parametrize(
    "there, device, others",
    [
        ("kvm2,kvm1:/one_vol", "kvm2,kvm1:/one_vol", ["kvm3"]),
        ("kvm1,kvm2,kvm3:one_vol", "kvm1,kvm2,kvm3:one_vol", []),
        ("10.0.0.2,kvm3:/one_vol", "10.0.0.2,kvm3:/one_vol", ["kvm1"]),
        ("old,kvm3:/one_vol", "kvm3:/one_vol", ["kvm1", "kvm2"]),  # another pool could have a volume of that name
        ("kvm2,:/one_vol", "kvm2:/one_vol", ["kvm1", "kvm3"]),
    ],
)
def test_a_line_of_several_servers(fstab, there, device, others):
    fstab.__utils__["gluster_hosts.known_as"] = lambda host, servers: "kvm2" if host == "10.0.0.2" else None
    Path(fstab.FSTAB).write_text(f"{there} /mnt glusterfs _netdev,nosuid,nodev 0 0\n")
    wanted = fstab.wanted_line("/mnt", "one_vol", ["kvm1", "kvm2", "kvm3"])
    backups = [f"backup-volfile-servers={':'.join(others)}"] if others else []
    assert wanted == {"device": device, "opts": ["_netdev", "nosuid", "nodev", *backups]}
    fstab.set_line("/mnt", **wanted)
    assert fstab.wanted_line("/mnt", "one_vol", ["kvm1", "kvm2", "kvm3"]) == wanted


def test_a_line_of_several_servers_of_another_pool(fstab):
    Path(fstab.FSTAB).write_text("old,older:/one_vol /mnt glusterfs\n")
    with pytest.raises(CommandExecutionError, match="on /mnt, and old or older is none of kvm1, kvm2: add it"):
        fstab.wanted_line("/mnt", "one_vol", ["kvm1", "kvm2"])


@pytest.mark.parametrize(
    "options, more",
    [
        ("noauto", ""),
        ("ro", ""),
        ("x-systemd.automount", STOP),
        ("x-systemd.automount=", STOP),
        ("comment=systemd.automount", STOP),
        ("noauto,x-systemd.automount", STOP),
    ],
)
def test_a_line_that_keeps_the_volume_away_is_refused_with_all_that_has_to_go(fstab, options, more):
    Path(fstab.FSTAB).write_text(f"kvm1:/one_vol /mnt glusterfs {options},x-systemd.idle-timeout=5,acl 0 0\n")
    named = options.replace(",", " and ")
    with pytest.raises(CommandExecutionError, match=f" with .*: remove {re.escape(named + more)}(, and run again)?$"):
        fstab.wanted_line("/mnt", "one_vol", ["kvm1"])


words = st.sampled_from([
    "acl", "ro", "rw", "noauto", "nofail", "noatime", "defaults", "_netdev", "nosuid", "nosuid=1", "suid", "dev",
    "log-level=INFO", "log-level=WARNING", "acl,log-level=INFO", "backup-volfile-servers=kvm3:kvm2",
    "backup-volfile-servers=kvm2", "backup-volfile-servers=", "xlator-option=a.b=1", "xlator-option=a.c=2",
    "x-systemd.automount", "comment=systemd.automount", "x-systemd.device-timeout=9", "fuse-mountopts=x", "=", "a=,b",
])  # fmt: skip
options = st.lists(st.one_of(words, st.text(max_size=5)), max_size=5)


@pytest.fixture
def needed(execution):
    """needed(options): what is wrong with the pillar's options."""
    argument_needed = execution("gluster_one_arguments").argument_needed
    return lambda options: argument_needed("datastore_mounted", "options", options)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    options=options, there=st.one_of(st.none(), options), servers=st.sampled_from([["kvm1"], ["kvm1", "kvm2", "kvm3"]])
)
@example(["acl,log-level=INFO"], None, ["kvm1"])
@example(["ro"], None, ["kvm1"])
@example(["nosuid=1"], ["nodev=1"], ["kvm1"])
def test_no_line_is_written_that_the_next_run_refuses_or_writes_again(fstab, needed, options, there, servers):
    """Whatever the pillar has, and whatever somebody has written into the line."""
    file = Path(fstab.FSTAB)
    text = ",".join(word for word in there or [] if word.isprintable() and word.split() == [word])
    file.write_text(f"kvm1:/one_vol /mnt glusterfs {text or 'rw'} 0 0\n" if there is not None else "")
    if needed(options):
        return
    try:
        wanted = fstab.wanted_line("/mnt", "one_vol", servers, options)
    except CommandExecutionError as exc:
        assert "remove " in str(exc) and there is not None  # what somebody has written
        return
    assert {"nosuid", "nodev", "_netdev"} <= set(wanted["opts"])
    fstab.set_line("/mnt", **wanted)
    assert fstab.line("/mnt") == {**wanted, "fstype": "glusterfs", "volume": "one_vol"}
    assert fstab.wanted_line("/mnt", "one_vol", servers, options) == wanted


LATIN = b"# f\xfcr uns\n"


def test_the_service_that_mounts_again(execution, monkeypatch, tmp_path):
    module = execution("gluster_fstab")
    monkeypatch.setattr(module, "DIRECTORY", str(tmp_path))
    (tmp_path / module.SERVICE.format("")).write_bytes(LATIN)
    assert module._text() != module.TEXT
