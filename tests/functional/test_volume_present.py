"""The states gluster_one.peered, bricks_ready and volume_present, on the lab's pool, without a master."""

import os
import re
from pathlib import Path

import pytest

from . import host
from .runs import fails, four_runs, idle, refuses

pytestmark = pytest.mark.long
SERVERS = ["kvm1", "kvm2", "kvm3"]


def bricks(name, *words):
    """``bricks("v", "1a")``: the brick kvm1:/data/v_a."""
    return [f"kvm{word[0]}:/data/{name}_{word[1:]}" for word in words]


def addresses():
    """The address of each server, by its name."""
    return dict(line.split()[1::-1] for line in Path("/etc/hosts").read_text().splitlines() if "kvm" in line)


def remove(name):
    host.remove_volume(name)
    for path in Path("/data").glob(f"{name}_*"):
        host.sh("rm", "-rf", path)


@pytest.fixture(scope="module")
def present(loaders):
    return loaders.states.gluster_one.volume_present


@pytest.fixture
def made():
    """Volumes of these names are gone afterwards, and so are their bricks on this host."""
    names = []
    yield lambda name: names.append(name) or name
    for name in names:
        remove(name)


# Layouts, as Gluster shows them


LAYOUTS = {
    "dist_vol": (["1a", "1b"], {"replica": 1}, "Distribute", "2", ["1a", "1b"]),
    "disp_vol": (
        ["1a", "2a", "3a"],
        {"disperse": 3, "redundancy": 1},
        "Disperse",
        "1 x (2 + 1) = 3",
        ["1a", "2a", "3a"],
    ),
    "six_vol": (
        ["1a", "1b", "2a", "2b", "3a", "3b"],
        {},
        "Distributed-Replicate",
        "2 x 3 = 6",
        ["1a", "2a", "3a", "1b", "2b", "3b"],
    ),
}


def as_the_formula(modules, given, **keys):
    """The arguments that volume.sls hands over: all of them, as they are worked out from the pillar."""
    found = modules.gluster_one.layout(given, **keys)
    assert not found.pop("errors")
    return found


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_volume_comes_to_be_as_it_is_wanted(present, modules, made, name):
    given, keys, kind, count, ordered = LAYOUTS[name]
    made(name)
    run = four_runs(present, name, **as_the_formula(modules, bricks(name, *given), **keys))
    assert run.changes["bricks"] == {"old": None, "new": " ".join(bricks(name, *ordered))}
    assert run.changes["status"] == {"old": None, "new": "Started"}
    others = any(not word.startswith("1") for word in given)
    assert ("without a master the other servers' directories were looked at by Gluster alone" in run.comment) == others
    text = host.volume_text(name)
    assert f"Type: {kind}\n" in text and f"Number of Bricks: {count}\n" in text and "Status: Started" in text
    assert re.findall(r"^Brick\d+: (\S+)", text, re.MULTILINE) == bricks(name, *ordered)


@pytest.fixture(scope="module")
def arbiter_vol(present):
    """A volume of two copies and an arbiter, made by the state."""
    name = "arb_vol"
    run = present(name, bricks=bricks(name, "1a", "2a", "3a"), arbiter=1)
    assert run.result is True, run.comment
    yield name
    remove(name)


def test_an_arbiter_is_the_third(arbiter_vol):
    assert f"Brick3: kvm3:/data/{arbiter_vol}_a (arbiter)" in host.volume_text(arbiter_vol)


def test_a_volume_that_is_stopped_is_started(present, arbiter_vol):
    host.gluster("volume", "stop", arbiter_vol)
    run = four_runs(present, arbiter_vol, bricks=bricks(arbiter_vol, "1a", "2a", "3a"), arbiter=1)
    assert run.changes == {"status": {"old": "Stopped", "new": "Started"}}


def test_bricks_by_another_name_of_their_server_are_the_same(present, arbiter_vol):
    by_address = [f"{addresses()[server]}:/data/arb_vol_a" for server in ("kvm1", "kvm2")]
    idle(present, arbiter_vol, bricks=[*by_address, *bricks(arbiter_vol, "3a")], arbiter=1)


def test_what_an_interrupted_growth_left_is_made_up(present, modules, made):
    """The bricks were added, and the run ended before directories could use them."""
    given = bricks(made("grown_vol"), "1a", "2a")
    run = present("grown_vol", bricks=given, replica=1)
    assert run.result is True, run.comment
    modules.data.update("gluster_one.grown:grown_vol", bricks("grown_vol", "3a"))  # refused, and never added
    idle(present, "grown_vol", bricks=given, replica=1)
    modules.data.update("gluster_one.grown:grown_vol", given[1:])
    run = four_runs(present, "grown_vol", bricks=given, replica=1)
    assert run.changes == {"layout": {"old": "of an interrupted growth", "new": "over all bricks"}}
    status = ("volume", "rebalance", "grown_vol", "status")
    host.eventually("the layout is fixed", lambda: "fix-layout completed" in host.gluster(*status))


OTHERWISE = {
    "another layout": (["1a", "2a", "3a"], {}, "is there with another layout, 3 copies, one of them an arbiter"),
    "other bricks": (
        ["1b", "2a", "3a"],
        {"arbiter": 1},
        r"bricks that are not wanted, kvm1:/data/arb_vol_a: take them",
    ),
    "half a set more": (["1a", "2a", "3a", "1b"], {"arbiter": 1}, "4 bricks are no whole number of sets of 3"),
    "two of a set on a server": (["1a", "1b", "2a"], {"arbiter": 1}, "2 of 3 bricks are on kvm1"),
}


@pytest.mark.parametrize("case", OTHERWISE)
def test_a_volume_that_is_otherwise_is_left_alone(present, arbiter_vol, case):
    given, keys, said = OTHERWISE[case]
    assert re.search(said, refuses(present, arbiter_vol, bricks=bricks(arbiter_vol, *given), **keys))


def test_what_gluster_refuses_is_an_error(present, made):
    """Another server's brick on the root file system: nobody has looked at it without a master."""
    run = fails(present, made("root_vol"), bricks=["kvm1:/data/root_vol_a", "kvm2:/srv/a", "kvm3:/data/root_vol_a"])
    assert "is being created in the root partition" in run.comment
    assert run.changes == {}
    assert "root_vol" not in host.gluster("volume", "list")


# Brick directories


@pytest.fixture
def ready(states):
    return states.gluster_one.bricks_ready


@pytest.fixture
def data():
    """A directory on the file system for bricks, for one test."""
    path = Path("/data/directories")
    path.mkdir()
    yield path
    for _, point in host.mounts():
        host.let_go(point) if point.startswith(str(path)) else None
    host.sh("umount", "-q", path / "mounted", check=False)
    host.sh("rm", "-rf", path)


def holding(path):
    path.mkdir()
    for name in ("b", "a", "d", "c"):
        (path / name).touch()


def once_started(path):
    path.mkdir()
    os.setxattr(path, "trusted.glusterfs.volume-id", bytes(16))
    os.setxattr(path, "trusted.gfid", bytes(15) + b"\1")


def once_written_on(path):
    path.mkdir()
    os.setxattr(path, "trusted.glusterfs.volume-id", bytes(16))
    (path / "image").touch()


def inside_a_brick(path):
    once_started(path.parent)


def mounted(path):
    path.mkdir()
    host.sh("mount", "-t", "tmpfs", "brick", path)


BAD = {
    "holding": ("held", holding, r"holds data \(4: a, b, c, ...\): choose an empty directory"),
    "once started": ("old", once_started, "was a brick of a volume once"),
    "once written on": ("old", once_written_on, "was a brick of a volume once"),
    "inside a brick": ("above/inside", inside_a_brick, "lies inside /data/directories/above, which is or was a brick"),
    "a mount point": ("mounted", mounted, "is a mount point: choose a directory below it, such as .*mounted/brick"),
    "a file": ("file", Path.touch, "needs a directory, and /data/directories/file is none"),
    "below a file": ("file/brick", lambda path: path.parent.touch(), "needs a directory, and .*/file is none"),
    "a link": ("link", lambda path: path.symlink_to("/data"), "needs a directory, and .*/link is none"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_directory_that_is_not_fit_is_said_to_be_so(ready, data, case):
    name, make, said = BAD[case]
    make(data / name)
    assert re.search(f"{data / name} {said}", refuses(ready, "new_vol", bricks=[f"kvm1:{data / name}"], paths=[data]))


def test_the_root_file_system_is_not_fit(ready):
    said = refuses(ready, "new_vol", bricks=["kvm1:/srv/not/there"], paths=["/srv"])
    assert said.startswith("/srv/not/there lies on the root file system")


def test_another_volume_s_brick_is_not_fit(ready, one_vol):
    assert "is a brick of volume one_vol" in refuses(ready, "new_vol", bricks=["kvm1:/data/one_vol"])
    idle(ready, "one_vol", bricks=["kvm1:/data/one_vol"])


def test_directories_above_a_brick_are_made_and_the_brick_is_not(ready, data):
    run = four_runs(ready, "new_vol", bricks=[f"kvm1:{data}/deep/down/brick"], paths=[data])
    assert run.changes == {f"directory {data}/deep/down": {"old": None, "new": "root 0755"}}
    assert (data / "deep/down").is_dir() and not (data / "deep/down/brick").exists()


def test_the_mark_of_a_refused_volume_is_taken_away(ready, data):
    path = f"{data}/brick"
    host.gluster("volume", "create", "no_vol", f"kvm1:{path}", "kvm9:/data/brick", check=False)
    assert os.listxattr(path) == ["trusted.glusterfs.volume-id"]
    run = four_runs(ready, "new_vol", bricks=[f"kvm1:{path}"], paths=[data], look=lambda: os.listxattr(path))
    assert run.changes == {f"mark on {path}": {"old": "a volume that never came to be", "new": None}}
    assert os.listxattr(path) == []


def test_an_empty_directory_is_fit(ready, data):
    (data / "empty").mkdir()
    idle(ready, "new_vol", bricks=[f"kvm1:{data}/empty"], paths=[data])


# The pool


@pytest.fixture
def peered(states):
    return states.gluster_one.peered


def test_a_pool_that_is_there_is_left_alone(peered):
    idle(peered, "pool", servers=["kvm1", "kvm3", "kvm2", "kvm1", "kvm3"])


def test_a_server_that_does_not_answer_is_waited_for(peered):
    predicted = peered("pool", servers=[*SERVERS, "kvm9.invalid"], test=True)
    assert predicted.changes == {"kvm9.invalid": {"old": None, "new": "member"}}
    run = fails(peered, "pool", servers=[*SERVERS, "kvm9.invalid"], timeout=2)
    assert run.comment.startswith("kvm9.invalid did not come into the pool: does glusterd run there")
    assert run.changes == {}


def test_nobody_who_holds_bricks_or_is_wanted_is_taken_out(peered, one_vol):
    said = refuses(peered, "pool", servers=SERVERS[:2], detach=["kvm3"])
    assert said.startswith("kvm3 stays in the pool, it holds kvm3:/data/")
    assert f"kvm3:/data/{one_vol} of volume {one_vol}" in said
    other = addresses()["kvm2"]
    assert refuses(peered, "pool", servers=SERVERS, detach=[other]).startswith(f"{other} stays in the pool, it holds")
    idle(peered, "pool", servers=SERVERS, detach=["kvm9"])


# Options


def test_the_options_of_a_group_are_wanted_and_the_others_win(states, new_volume):
    configured = states.gluster_one.volume_configured
    name = new_volume("group_vol", copies=3)
    options = {"network.ping-timeout": 11}
    before = host.commands()
    run = configured(name, group="virt", options=options)
    assert run.result is True, run.comment
    (command,) = host.commands()[len(before) :]
    assert f"volume set {name} " in command
    text = Path("/var/lib/glusterd/groups/virt").read_text()
    group = dict(line.split("=") for line in text.split())
    assert group.items() - {("network.ping-timeout", group["network.ping-timeout"])} <= host.set_options(name).items()
    assert run.changes["features.shard"]["new"] == "on"
    assert run.changes["network.ping-timeout"]["new"] == "11"
    host.gluster("volume", "set", name, "cluster.eager-lock", "off")
    run = configured(name, group="virt", options=options)
    assert run.changes == {"cluster.eager-lock": {"old": "off", "new": "enable"}}
    assert configured(name, group="virt", options=options).changes == {}


def test_a_group_that_is_not_there_names_the_package(states, one_vol):
    said = refuses(states.gluster_one.volume_configured, one_vol, group="virtual")
    assert "/var/lib/glusterd/groups/virtual is missing: it comes with glusterfs-server (Debian" in said
