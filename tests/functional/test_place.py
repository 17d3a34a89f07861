"""Where a volume is mounted: where nobody but root can exchange a directory, and without set-user-ID programs."""

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.unit.conftest import CHECKOUT, imported

from . import attacker, host
from .runs import fails, four_runs, idle, refuses

PLACE = "/var/lib/gluster_one/small_vol"
GENERATOR = "/lib/systemd/system-generators/systemd-fstab-generator"


@pytest.fixture
def home(place, modules, no_retry):
    """oneadmin's directory, with one for the datastores in it; with the former default's mount nothing is left."""
    shutil.chown(place, "oneadmin", "oneadmin")
    (place / "datastores").mkdir()
    shutil.chown(place / "datastores", "oneadmin", "oneadmin")
    yield place
    for path in (PLACE, place / "gluster/small_vol"):
        host.forget_retry(path)


@pytest.fixture
def placed(mounted, home):
    """placed(): the state for small_vol with its datastores in oneadmin's directory."""

    def run(name=PLACE, **arguments):
        return mounted(name=name, datastores_dir=str(home / "datastores"), **arguments)

    return run


def units(tmp_path):
    """What systemd would mount at the next boot."""
    for unit in tmp_path.rglob("*"):
        if unit.is_symlink() or unit.is_file():
            unit.unlink()
    host.sh(GENERATOR, *[tmp_path] * 3)
    return {line.removeprefix("Where=") for unit in tmp_path.glob("*.mount") for line in unit.read_text().splitlines()}


def as_oneadmin(script):
    return host.sh("runuser", "-u", "oneadmin", "--", "sh", "-ec", script)


def test_no_boot_mounts_the_volume_where_oneadmin_wants_it(mounted, home, tmp_path):
    victim = tmp_path / "victim"
    victim.mkdir()
    # The default of before, and the guide's way.
    for name in (home / "gluster/small_vol", home / "datastores/0"):
        run = mounted(name=name, datastores_dir=str(home / "datastores"))
        assert run.result is True, run.comment
        parent = name.parent
        as_oneadmin(f"mv {parent} {parent}.old; mkdir {parent}; ln -s {victim} {parent}/{name.name}")
        assert str(victim) not in units(tmp_path)
        as_oneadmin(f"rm -r {parent}; mv {parent}.old {parent}")


def test_a_place_below_oneadmin_s_directories_becomes_a_link(placed, home, identifiers, other_node):
    identifiers()
    asked = home / "datastores/0"
    run = four_runs(placed, name=asked, links=[str(home / "datastores/1")], datastores=["glusterds"], paths=[home])
    assert {key: change["new"] for key, change in run.changes.items() if "link" in key or key.startswith("/")} == {
        str(asked): f"{asked} -> {PLACE}",
        f"{home}/datastores/1": f"{home}/datastores/1 -> {PLACE}",
        "link for glusterds": f"{home}/datastores/101 -> {PLACE}",
    }
    assert [os.readlink(home / "datastores" / name) for name in ("0", "1", "101")] == [PLACE] * 3
    assert [line.split()[1] for line in host.FSTAB.read_text().splitlines() if "glusterfs" in line] == [PLACE]
    as_oneadmin(f"touch {asked}/written")
    assert (other_node / "written").exists()
    idle(placed, name=PLACE, links=[str(asked)], datastores=["glusterds"])


@pytest.fixture
def former(home, identifiers, modules):
    """A node as versions before left it: line, mount, service and links below oneadmin's home."""
    identifiers()
    point = home / "gluster/small_vol"
    point.mkdir(parents=True)
    with host.FSTAB.open("a") as fstab:
        fstab.write(f"kvm2:/small_vol {point} glusterfs acl,_netdev,backup-volfile-servers=kvm1:kvm3 0 0\n")
    modules.gluster_fstab.enable_boot_retry(str(point))
    host.sh("systemctl", "daemon-reload")
    host.sh("systemctl", "start", host.unit_of(point))
    for name in ("100", "101"):
        (home / "datastores" / name).symlink_to(point)
    return point


def test_what_is_there_is_moved_while_it_is_used(placed, states, modules, former, home):
    stores = ["glusterds", "gluster_system"]
    command = "exec 3>>$0/open; echo; read line; echo later >&3; echo $?"
    with subprocess.Popen(
        ["runuser", "-u", "oneadmin", "--", "sh", "-c", command, former], text=True, stdin=-1, stdout=-1
    ) as user:
        user.stdout.readline()
        client = host.fuse_client(former)
        run = four_runs(placed, datastores=stores, paths=[home])
        opts = "acl,_netdev,backup-volfile-servers=kvm1:kvm3"
        assert run.changes == {
            "directory": {"old": None, "new": "root root 0755"},
            "fstab": {"old": None, "new": f"kvm2:/small_vol {opts},nosuid,nodev"},
            "mount": {"old": None, "new": "kvm2:/small_vol"},
            "boot": {"old": None, "new": "gluster-one-mount@var-lib-gluster_one-small_vol.service"},
            "flags": {"old": f"missing on {former}", "new": "nosuid,nodev"},
            **{
                f"link for {store}": {
                    "old": f"{home}/datastores/{number} -> {former}",
                    "new": f"{home}/datastores/{number} -> {PLACE}",
                }
                for store, number in (("glusterds", 101), ("gluster_system", 100))
            },
            f"fstab for {former}": {"old": f"kvm2:/small_vol {opts}", "new": None},
            f"boot for {former}": {"old": host.retry_of(former), "new": None},
        }
        assert f"also still mounted on {former}, until gluster_one.remount" in run.comment
        assert str(former) not in host.FSTAB.read_text()
        assert host.sh("systemctl", "is-enabled", host.retry_of(former), check=False).strip() == "disabled"
        assert host.fuse_client(former) == client
        modules.gluster_fstab.enable_boot_retry(str(former))  # as if it could not be disabled then
        assert four_runs(placed, datastores=stores).changes.keys() == {f"boot for {former}"}

        def remounted(test=False):
            arguments = {"volume": "small_vol", "servers": ["kvm1", "kvm2", "kvm3"], "test": test}
            return states.gluster_one.datastore_remounted(PLACE, datastores_dir=f"{home}/datastores", **arguments)

        assert f"{former} stays as it is while it is used by " in fails(remounted).comment
        print(file=user.stdin, flush=True)
        assert user.stdout.readline() == "0\n"
    host.eventually("it is seen here", lambda: Path(PLACE, "open").read_text() == "later\n")
    with attacker.covering(former):
        run = four_runs(remounted)
    assert run.changes == {f"mount on {former}": {"old": "mounted", "new": None}}
    assert not host.mounted(former) and host.mounted(PLACE) and not former.parent.exists()


@pytest.fixture
def forgotten(place):
    yield
    for path in (PLACE, place / "volumes/small_vol"):
        host.forget_retry(path)


def test_another_place_in_the_pillar_moves_the_mount_while_it_is_used(
    mounted, states, place, identifiers, no_retry, forgotten
):
    identifiers()
    link, about = place / "101", {"volume": "small_vol", "servers": ["kvm1", "kvm2", "kvm3"]}
    other = str(place / "volumes/small_vol")
    assert mounted(name=PLACE, datastores=["glusterds"]).result is True
    for old, new in ((PLACE, other), (other, PLACE)):

        def remounted(test=False, new=new):
            return states.gluster_one.datastore_remounted(new, datastores_dir=str(place), test=test, **about)

        client = host.fuse_client(old)
        with open(f"{old}/open", "w") as held:
            run = four_runs(mounted, name=new, datastores=["glusterds"], paths=[place])
            assert run.changes.keys() == {
                "directory", "fstab", "mount", "boot", "link for glusterds", f"fstab for {old}", f"boot for {old}",
            }  # fmt: skip
            assert f"also still mounted on {old}, until gluster_one.remount" in run.comment
            assert (os.readlink(link), host.fuse_client(old)) == (new, client)
            assert [line.split()[1] for line in host.FSTAB.read_text().splitlines() if "small_vol" in line] == [new]
            held.write("written")
            assert f"{old} stays as it is while it is used by " in fails(remounted).comment
        assert four_runs(remounted).changes == {f"mount on {old}": {"old": "mounted", "new": None}}
        assert not host.mounted(old)
        # The other client asks for the size anew after a second.
        host.eventually("what was written", lambda link=link: (link / "open").read_text() == "written", 10)
        os.unlink(link / "open")
        idle(mounted, name=new, datastores=["glusterds"])
    assert not list(Path(other).iterdir()), "an administrator may have made it"


def a_file_in_place_of_a_link(home, former, identifiers):
    as_oneadmin(f"rm {home}/datastores/101; touch {home}/datastores/101")
    return contextlib.nullcontext(f"{home}/datastores/101 is a file and cannot become a link to {PLACE}")


def rubbish_in_place_of_the_identifiers(home, former, identifiers):
    identifiers("rubbish")
    return contextlib.nullcontext("(last seen: none for gluster_system, glusterds; ")


@contextlib.contextmanager
def a_mount_of_theirs_on_the_way(home, former, identifiers):
    shutil.chown(former.parent, "oneadmin", "oneadmin")
    with attacker.covering(former.parent):
        yield f"the mount on {former} cannot be made nosuid,nodev: "


@pytest.mark.parametrize(
    "obstacle",
    [a_file_in_place_of_a_link, rubbish_in_place_of_the_identifiers, a_mount_of_theirs_on_the_way],
    ids=lambda function: function.__name__,
)
def test_nobody_keeps_the_old_line(placed, former, home, identifiers, obstacle):
    arguments = {"datastores": ["glusterds", "gluster_system"], "timeout": 2}
    with obstacle(home, former, identifiers) as said:
        predicted = placed(test=True, **arguments)
        run = fails(placed, **arguments, within=20)
        assert said in run.comment
    if said in predicted.comment:
        assert (predicted.result, predicted.changes) == (False, run.changes)
    assert {"fstab", "mount", f"fstab for {former}"} <= set(run.changes)
    assert str(former) not in host.FSTAB.read_text() and host.mounted(PLACE)
    assert host.sh("systemctl", "is-enabled", host.retry_of(former), check=False).strip() == "disabled"
    linked = "rubbish" not in obstacle.__name__
    assert (os.readlink(home / "datastores/100") == PLACE) is linked


def test_what_oneadmin_mounts_over_it_is_taken_away(placed, former, home, modules):
    """Both the place and the former one, each mounted without the flags."""
    Path(PLACE).mkdir(parents=True)
    host.sh("mount", "-t", "glusterfs", "kvm1:/small_vol", PLACE)
    assert set(modules.gluster_one_ids.published_ids(PLACE)) == {"glusterds", "gluster_system"}  # seen once
    covers = "theirs (fuse), mounted by oneadmin"
    with attacker.covering(PLACE), attacker.covering(former):
        run = four_runs(placed, datastores=["glusterds", "gluster_system"])
    assert {key: run.changes[key]["old"] for key in ("cover", f"cover of {former}", "flags")} == {
        "cover": covers, f"cover of {former}": covers, "flags": f"missing on {former}, {PLACE}",
    }  # fmt: skip
    assert f"fstab for {former}" in run.changes and str(former) not in host.FSTAB.read_text()
    assert all({"nosuid", "nodev"} <= set(host_mounts(str(path))[0][2].split(",")) for path in (PLACE, former))


def test_a_link_to_the_former_place_where_nothing_is_mounted_is_exchanged(placed, former, home):
    host.sh("systemctl", "stop", host.unit_of(former))
    assert placed(datastores=["glusterds", "gluster_system"]).result is True
    assert os.readlink(home / "datastores/100") == PLACE


@pytest.mark.parametrize("named", [True, False], ids=["hypervisor", "head"])
def test_the_guide_s_way_becomes_a_link_once_nothing_uses_it(placed, states, home, named):
    """The head's state names no datastore: what is there by hand counts all the same."""
    point = home / "datastores/0"
    point.mkdir()
    as_oneadmin(f"rmdir {point}; mkdir {point}; touch {point}/image")
    with host.FSTAB.open("a") as fstab:
        fstab.write(f"kvm1:/small_vol {point} glusterfs ro,acl 0 0\n")
    host.sh("mount", "-t", "glusterfs", "kvm1:/small_vol", point)
    (home / "datastores/1").symlink_to(point)
    links = [str(home / "datastores/1")] if named else []
    with attacker.covering(point) if named else contextlib.nullcontext():
        run = four_runs(placed, name=point if named else PLACE, links=links)
    assert run.changes[f"fstab for {point}"] == {"old": "kvm1:/small_vol ro,acl", "new": None}
    for link in links:
        assert run.changes[link] == {"old": f"{link} -> {point}", "new": f"{link} -> {PLACE}"}
    assert host.mounted(point)

    def remounted(test=False):
        arguments = {"volume": "small_vol", "servers": ["kvm1", "kvm2", "kvm3"], "datastores_dir": f"{home}/datastores"}
        return states.gluster_one.datastore_remounted(str(point) if named else PLACE, test=test, **arguments)

    text = refuses(remounted)
    assert f"{point} stays mounted, because it could not become a link to {PLACE}" in text
    assert "holds 1 file (image); mkdir /run/disk; mount --bind" in text
    aside = host.open_directory("aside")
    host.sh("mount", "--bind", home / "datastores", aside)
    (aside / "0/image").unlink()
    host.sh("umount", aside)
    run = remounted()
    assert run.result is True, run.comment
    assert os.readlink(point) == PLACE
    idle(placed, name=point, links=links)


def test_a_former_place_is_ours_as_long_as_a_line_or_a_mount_is_there(mounted, states, modules, place):
    """Whoever makes a line there later keeps it: after a remount, and after a mount that was gone already."""
    former, new = place / "former", place / "new"
    recorded = lambda: modules.gluster_one_record.recorded("mounts")  # noqa: E731
    arguments = {"volume": "small_vol", "servers": ["kvm1", "kvm2", "kvm3"], "datastores_dir": str(place)}
    for by_hand in (False, True):
        assert mounted(name=former).result is True
        assert mounted(name=new).changes[f"fstab for {former}"]["new"] is None
        assert recorded() == {str(former): "small_vol", str(new): "small_vol"}
        if by_hand:
            host.sh("umount", former)
            assert mounted(name=new).result is True
        else:
            assert states.gluster_one.datastore_remounted(str(new), **arguments).result is True
        assert recorded() == {str(new): "small_vol"}
        assert not host.mounted(former)
        before = host.FSTAB.read_bytes()
        host.FSTAB.write_bytes(before + f"kvm1:/small_vol {former} glusterfs ro 0 0\n".encode())
        idle(mounted, name=new)
        host.FSTAB.write_bytes(before)
        assert states.gluster_one.datastore_unmounted(str(new), volume="small_vol", datastores_dir=str(place)).result
        assert recorded() == {}


def test_the_mount_of_somebody_else_is_not_taken_away_instead(modules, home, former, tmp_path):
    """oneadmin has put a link to another mount in the place of the former one's directory."""
    other = host.open_directory("victim")
    host.sh("mount", "-t", "tmpfs", "victim", other)
    try:
        as_oneadmin(f"mv {home}/gluster {home}/g; mkdir {home}/gluster; ln -s {other} {home}/gluster/small_vol")
        moved = home / "g/small_vol"
        number = [entry[0] for entry in host_mounts() if entry[1] == str(moved)][0]
        script = imported(CHECKOUT / "_modules/gluster_mount.py").ACT
        for action in ("detach", str(32 | 4096 | 2 | 4)):
            words = ["python3", "-c", script, action, former, number, "self"]
            done = subprocess.run(words, capture_output=True, text=True)
            assert (done.returncode, done.stderr) == (1, "Not a directory")
        assert host_mounts(str(other)) and "nosuid" not in host_mounts(str(other))[0][2]
    finally:
        host.sh("umount", other)


def host_mounts(path=None):
    lines = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [(words[0], words[4], words[5]) for words in lines if path in (None, words[4])]


# Programs that are set-user-ID root, and devices


def test_neither_set_user_id_programs_nor_devices_work(mounted, served, elsewhere):
    """Whoever reaches a brick is root on the volume: so is who makes them here."""
    host.sh("cp", "/usr/bin/id", elsewhere / "id")
    host.sh("chmod", "4755", elsewhere / "id")
    host.sh("mknod", "-m", "666", elsewhere / "null", "c", "1", "3")
    host.sh("mount", "-i", "-o", "remount,bind,suid,dev", served)  # as versions before mounted it
    run = four_runs(mounted, servers=["kvm1"])
    assert run.changes == {"flags": {"old": f"missing on {served}", "new": "nosuid,nodev"}}
    check(served)
    host.sh("umount", served)
    assert mounted(servers=["kvm1"]).result is True
    check(served)


def check(point):
    done = subprocess.run(["runuser", "-u", "oneadmin", "--", point / "id", "-u"], capture_output=True, text=True)
    assert done.stdout == f"{shutil._get_uid('oneadmin')}\n", done
    done = subprocess.run(["runuser", "-u", "oneadmin", "--", "cat", point / "null"], capture_output=True, text=True)
    assert "Permission denied" in done.stderr


@contextlib.contextmanager
def other_table(*command):
    """A process with a mount namespace of its own, in which nothing of /proc is: its number and its table."""
    script = "mount -t tmpfs none /proc; echo; read line"
    with subprocess.Popen([*command, "sh", "-c", script], stdin=-1, stdout=-1, stderr=-1) as process:
        try:
            process.stdout.readline()
            yield process.pid, lambda: Path(f"/proc/{process.pid}/mountinfo").read_text().splitlines()
        finally:
            process.kill()


def test_mounts_in_other_mount_namespaces_get_the_flags_too(mounted, modules, served):
    """As libvirt makes them for VMs, and anybody who makes a user namespace."""
    host.sh("mount", "-i", "-o", "remount,bind,suid,dev", served)
    unshare = ["unshare", "--mount", "--propagation", "slave"]
    chroot = [*unshare, "sh", "-c", 'mount --bind / /tmp; mount --rbind "$0" /tmp/mnt; exec chroot /tmp "$@"', served]
    other_user = ["setpriv", "--reuid=9869", "--regid=9869", "--clear-groups", *unshare, "--map-root-user"]
    with other_table(*unshare) as vm, other_table(*chroot) as jail, other_table(*other_user) as theirs:
        modules.gluster_mount.set_flags("small_vol")
        for _, table in (vm, jail, theirs):
            options = [line.split()[5] for line in table() if " fuse.glusterfs " in line]
            assert options and all({"nosuid", "nodev"} <= set(each.split(",")) for each in options), table()
        assert modules.gluster_mount.mounts_without_flags("small_vol") == {}
        enter = ["nsenter", f"--mount=/proc/{vm[0]}/ns/mnt", "mount"]
        host.sh(*enter, "-i", "-o", "remount,bind,suid,dev", served)
        host.sh(*enter, "-t", "tmpfs", "none", served)  # the mount is out of reach
        name = f"sh ({vm[0]})"
        assert modules.gluster_mount.mounts_without_flags("small_vol") == {f"{served} of {name}": name}
        run = fails(mounted, servers=["kvm1"])
        assert f"in the mount namespace of {name}: migrate that VM, or restart the process" in run.comment
    idle(mounted, servers=["kvm1"])


def test_a_program_that_runs_from_the_mount_goes_on(mounted, served):
    host.sh("mount", "-i", "-o", "remount,bind,suid,dev", served)
    host.sh("cp", "/bin/sh", served / "sh")
    with subprocess.Popen([served / "sh", "-c", "read line; echo $line"], text=True, stdin=-1, stdout=-1) as user:
        assert mounted().result is True
        print("on", file=user.stdin, flush=True)
        assert user.stdout.readline() == "on\n"
    assert host.sh("systemctl", "is-active", host.unit_of(served)).strip() == "active"


@pytest.mark.parametrize("option", ["suid", "dev", "fuse-mountopts=noatime"])
def test_an_option_that_would_undo_it_is_refused(mounted, point, option):
    run = fails(mounted, options=[option])
    assert f"options is ['{option}']: " in run.comment and "would undo nosuid and nodev" in run.comment
    assert run.changes == {} and not point.exists()


def test_what_is_mounted_aside_has_neither(modules, small_vol):
    command = modules.gluster_probe.private_mount_command(f"localhost:/{small_vol}", "cat", "/proc/self/mountinfo")
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    (line,) = [line for line in done.stdout.splitlines() if " /tmp/volume " in line]
    assert {"nosuid", "nodev"} <= set(line.split()[5].split(","))


# Identifiers


def test_the_pillar_outranks_the_file_on_the_volume(mounted, place, point, identifiers):
    """Whoever writes on the volume can write that file."""
    identifiers('{"glusterds": 55}')
    run = four_runs(mounted, datastores={"glusterds": 101}, paths=[place])
    assert run.changes["link for glusterds"]["new"] == f"{place}/101 -> {point}"
    assert not (place / "55").exists()


@pytest.mark.parametrize("there", [False, True], ids=["not there", "linked already"])
def test_a_number_of_opennebula_s_own_is_not_taken_from_the_file(mounted, place, point, identifiers, there):
    identifiers('{"system": 1}')
    assert mounted().result is True
    if there:
        (place / "1").symlink_to(point)
        idle(mounted, datastores=["system"])
    else:
        run = fails(mounted, datastores=["system"], timeout=60)
        assert "put `datastore_id: 1` into the pillar" in run.comment
        assert not (place / "1").exists()


def test_no_number_is_taken_twice(mounted, place, identifiers):
    identifiers('{"glusterds": 101, "other": 101, "third": 102}')
    run = fails(mounted, datastores={"glusterds": 101, "other": None, "third": None}, timeout=2)
    assert "(last seen: none for other)" in run.comment
