"""The states that take away what runs have left: of a mount, and of what a node keeps."""

from pathlib import Path

import pytest

from . import host
from .runs import four_runs, idle, refuses

OWN = Path("/var/lib/gluster_one/small_vol")
RETRY = Path("/etc/systemd/system/gluster-one-mount@.service")


@pytest.fixture
def again(point, modules):
    """What the tests of other files find there: see tests/functional/conftest.py."""
    yield
    modules.gluster_fstab.enable_boot_retry(str(point))


@pytest.fixture
def unmounted(states, place):
    """unmounted(name, ...): the state for small_vol, whose datastores' links are in ``place``."""

    def run(name=OWN, **arguments):
        fixed = {"volume": "small_vol", "datastores_dir": str(place)}
        return states.gluster_one.datastore_unmounted(str(name), **{**fixed, **arguments})

    return run


def test_what_a_run_has_made_of_a_mount_goes(mounted, unmounted, place, identifiers):
    identifiers()
    (place / "102").symlink_to("/elsewhere")
    before = host.FSTAB.read_bytes(), host.mounts(), host.tree("/etc/systemd/system/multi-user.target.wants").keys()
    stores = {"datastores": ["glusterds", "gluster_system"]}
    assert mounted(OWN, **stores).result is True
    run = four_runs(unmounted, paths=[place])
    assert list(run.changes) == ["mount", "boot", str(place / "100"), str(place / "101"), "fstab", "directory"]
    assert (place / "102").is_symlink() and not (place / "101").is_symlink() and not OWN.exists()
    after = host.FSTAB.read_bytes(), host.mounts(), host.tree("/etc/systemd/system/multi-user.target.wants").keys()
    assert after == before
    assert "not-found" in host.sh("systemctl", "show", "--property=LoadState", host.unit_of(OWN))
    assert mounted(OWN, **stores).result is True and host.answers(place / "101")


def test_who_uses_it_keeps_all_of_it(mounted, unmounted, states, place):
    assert mounted(OWN).result is True
    check = states.gluster_one_check.mounts_unused
    with (OWN / "open").open("w"):
        said = refuses(unmounted, paths=[place])
        assert f"{OWN} stays as it is while it is used by " in said and "python" in said
        checked = check("leave", mounts={str(OWN): "small_vol"})
        assert checked.result is False and checked.comment.startswith(said)
    assert check("leave", mounts={str(OWN): "small_vol"}).result is True
    assert unmounted().result is True


def test_a_line_that_was_there_before_stays_with_its_mount(served, unmounted, mounted, again):
    assert mounted(served).result is True
    with (served / "open").open("w"):
        run = unmounted(served)
    assert (run.result, list(run.changes)) == (True, ["boot"])
    assert "was there before the formula, and stays" in run.comment and host.answers(served)


def test_a_place_of_the_pillar_s_is_the_formula_s_where_it_wrote_the_line(mounted, unmounted, point, modules, again):
    assert mounted().result is True
    assert modules.gluster_one_record.recorded("mounts") == {str(point): "small_vol"}
    run = four_runs(unmounted, point)
    assert list(run.changes) == ["mount", "boot", "fstab"] and point.is_dir()


def test_a_dead_mount_goes(mounted, unmounted):
    assert mounted(OWN).result is True
    host.kill(host.fuse_client(OWN))
    assert unmounted().result is True and not OWN.exists()


def test_what_is_mounted_there_of_another_volume_stays(unmounted, one_vol, place):
    OWN.mkdir(parents=True)
    host.sh("mount", "-t", "glusterfs", f"kvm1:/{one_vol}", OWN)
    assert "not volume small_vol: it was left as it is" in refuses(unmounted, paths=[place])


def test_a_node_forgets(states, mounted, unmounted, modules, again):
    forgotten = states.gluster_one.node_forgotten
    assert mounted(OWN).result is True and unmounted().result is True
    modules.gluster_one_record.record("volumes", {"small_vol": "x"})
    modules.gluster_one_record.record("pool_options", {"a.b": "c"})
    modules.data.update("gluster_one_ids.published_ids:/x", {"a": 1})
    mounts = ["/mnt/place-1/0", str(OWN)]  # of tests/functional/conftest.py
    run = four_runs(forgotten, "leave", mounts=mounts, paths=["/var/lib/gluster_one", RETRY])
    assert {"data", "record", "boot"} <= set(run.changes) and not RETRY.exists()
    assert modules.gluster_one_record.recorded("pool_options")
    modules.gluster_fstab.enable_boot_retry("/mnt/place-1/0")
    modules.gluster_one_record.forget("pool_options")
    assert not Path("/var/lib/gluster_one").exists()
    idle(forgotten, "leave")  # a service of another directory keeps the file


# The volume


@pytest.fixture
def vol(new_volume, states):
    """A volume on which a run has set what the guide asks for, over one option of somebody else's."""
    name = new_volume("left_vol", network__ping_timeout="20", server__allow_insecure="off")
    host.eventually("its brick runs", lambda: host.bricks_online(name))
    before = host.set_options(name)
    run = states.gluster_one.volume_configured(name, options={"network.ping-timeout": 10, "features.shard": True})
    assert run.result is True, run.comment
    return name, before


def test_a_volume_has_its_options_again(states, vol):
    name, before = vol
    host.gluster("volume", "set", name, "diagnostics.client-log-level", "ERROR")
    run = four_runs(states.gluster_one.volume_restored, name)
    assert {option: change["new"] for option, change in run.changes.items()} == {
        "network.ping-timeout": "20", "storage.owner-uid": None, "storage.owner-gid": None,
        "server.allow-insecure": None,
    }  # fmt: skip
    assert "features.shard stays: files may be stored in shards" in run.comment
    now = host.set_options(name)
    assert now.pop("diagnostics.client-log-level") == "ERROR" and now.pop("features.shard") == "on"
    assert now.pop("user.gluster_one.set") == "features.shard=on<"
    assert now == {option: value for option, value in before.items() if option != "server.allow-insecure"}


@pytest.fixture
def made(states):
    """A volume as `create` makes it, on which the pillar asks for its group as well."""
    brick = Path("/data/left/brick")
    brick.parent.mkdir()
    assert states.gluster.brick_prepared(str(brick)).result is True
    assert states.gluster.volume_present("made_vol", bricks=[f"kvm1:{brick}"], replica=1).result is True
    yield "made_vol"
    host.remove_volume("made_vol")
    host.sh("rm", "-r", brick.parent)


def test_a_volume_that_was_made_keeps_its_shards_and_comes_back(states, made):
    configured, restored = states.gluster_one.volume_configured, states.gluster_one.volume_restored
    group = {"group": "virt", "new_group": "virt"}
    created = host.set_options(made)
    assert configured(made, **group).result is True
    assert states.gluster.volume_started(made, only_new=True).result is True
    host.eventually("its brick runs", lambda: host.bricks_online(made))
    of_group = host.set_options(made)
    assert len(of_group) > len(created) + 20
    with host.mounted_aside(made) as point:
        (point / "image").write_bytes(bytes(range(256)) * 400_000)
    run = four_runs(restored, made)
    record = "features.shard=on< user.cifs=off<"
    left = {**created, "features.shard": "on", "user.cifs": "off", "user.gluster_one.set": record}
    assert host.set_options(made) == left and host.bricks_online(made)
    with host.mounted_aside(made) as point:
        assert (point / "image").read_bytes() == bytes(range(256)) * 400_000
    assert configured(made, **group).result is True
    again = host.set_options(made)
    assert {**again, "user.gluster_one.set": ""} == {**of_group, "user.gluster_one.set": ""}
    assert four_runs(restored, made).changes == run.changes and host.set_options(made) == left


def test_while_somebody_has_it_mounted_its_options_stay(states, vol):
    name, _ = vol
    with host.mounted_aside(name):
        before = host.set_options(name)
        run = states.gluster_one.volume_restored(name, timeout=1)
        assert (run.result, run.changes, host.set_options(name)) == (False, {}, before)
        assert "clients did not go within 1 s (last seen: 1 fuse): `gluster volume status" in run.comment
        assert states.gluster_one.volume_restored(name, test=True).result is False
        assert states.gluster_one.volume_restored(name, test=True, orchestrated=True).result is None
    assert states.gluster_one.volume_restored(name).result is True


def test_what_the_head_has_written_goes_from_the_volume(states, modules, mounted, other_node, identifiers):
    absent, inside = states.gluster_one.volume_files_absent, other_node / ".gluster_one"
    idle(absent, "small_vol")
    identifiers()
    for name in ("mark", "lock", f"mark.{'0' * 16}"):
        (inside / name).touch()
    run = four_runs(absent, "small_vol")
    assert run.changes == {"files": {"old": "/.gluster_one", "new": None}}
    host.eventually("another client sees it", lambda: not inside.exists())


def test_what_is_not_the_formula_s_stays_there(states, other_node, identifiers):
    identifiers()
    inside = other_node / ".gluster_one"
    (inside / "lock").symlink_to("/etc/passwd")
    (inside / "theirs").mkdir()
    said = refuses(states.gluster_one.volume_files_absent, "small_vol")
    assert "holds what is not the formula's: lock, theirs: move that away" in said
    assert sorted(path.name for path in inside.iterdir()) == ["datastores.json", "lock", "theirs"]


def test_a_directory_of_another_kind_is_not_followed(states, other_node):
    (other_node / "far").mkdir()
    (other_node / "far/lock").touch()
    (other_node / ".gluster_one").symlink_to("far")
    assert "is a link: remove it" in refuses(states.gluster_one.volume_files_absent, "small_vol")
    assert (other_node / "far/lock").exists()


def test_options_of_the_pool_go_back(states, modules):
    before = modules.glusterd.pool_options()
    assert states.gluster.pool_options_set("pool", options={"cluster.server-quorum-ratio": "51%"}).result is True
    run = four_runs(states.gluster.pool_options_restored, "pool")
    assert run.changes == {"cluster.server-quorum-ratio": {"old": "51%", "new": None}}
    assert modules.glusterd.pool_options() == before
    assert modules.gluster_one_record.recorded("pool_options") == {}
