"""The SLS files as Salt itself renders them: in which order a node's states come."""

import shutil

import pytest
import salt.loader
import salt.state
import salt.utils.jinja

from tests.minion import minion_opts, write_pillar

from .conftest import CHECKOUT

VOLUMES = {
    name: {"servers": ["gl1", "gl2"], "datastores": {f"{name}_system": {"type": "SYSTEM_DS"}, f"{name}_images": {}}}
    for name in ("bad", "good")
}
# Salt would load all of its own for each run.
OWN = sorted(path.stem for path in (CHECKOUT / "_modules").glob("*.py"))
MODULES = [
    *OWN,
    "state",
    "slsutil",
    "cp",
    "config",
    "pillar",
    "grains",
    "saltutil",
    "sysmod",
    "file",
    "cmdmod",
    "service",
]
PARTS = ["mount_{0}", "datastore_{0}_images", "datastore_{0}_system", "native_{0}"]


def node_opts(home, name, pillar, synced=True, **more):
    """The options of a node; it has the modules of an earlier run, without which each SLS file looks for them anew."""
    opts = minion_opts(home, name, {"gluster_one": {"user": "root", "beacon": False, **pillar}, **more})
    (home / "states/_beacons").symlink_to(CHECKOUT / "_beacons")
    opts["grains"] = {"id": name, "os": "Debian", "os_family": "Debian", "kernel": "Linux", "saltversioninfo": []}
    opts["whitelist_modules"] = MODULES
    for kind in ("modules", "states", "utils", "beacons") if synced else ():
        shutil.copytree(CHECKOUT / f"_{kind}", home / "extmods" / kind)
    return opts


@pytest.fixture
def chunks(tmp_path):
    """chunks(pillar): the names of a node's states in Salt's order."""

    def run(pillar, synced=True):
        opts = node_opts(tmp_path, "one", pillar, synced)
        found = salt.loader.minion_mods(opts)["state.show_low_sls"]("gluster_one")
        assert all(isinstance(chunk, dict) for chunk in found), found
        return [chunk["__id__"].removeprefix("gluster_one_") for chunk in sorted(found, key=lambda each: each["order"])]

    return run


@pytest.mark.parametrize(("names", "synced"), [(["good"], True), (["bad", "good"], False)])
def test_each_volume_s_datastores_follow_its_own_mount(chunks, names, synced):
    """On a head that is a hypervisor, too: its native access waits for what it has written itself."""
    found = chunks({"roles": ["head", "hypervisor"], "volumes": {name: VOLUMES[name] for name in names}}, synced)
    # Of two that are to be the first, Salts before 3008 sort what is required behind.
    first = ["pillar"] if synced else ["modules", "pillar"]
    assert sorted(found[: len(first)]) == first
    own = [[part.format(name) for part in PARTS] for name in names]
    assert [each for each in found if each in sum(own, [])] == sum(own, [])


def test_packages_come_first_and_only_where_the_pillar_has_them(chunks):
    volume = {"good": {**VOLUMES["good"], "servers": ["gl1", "one"]}}
    found = chunks({"roles": ["head"], "packages": True, "volumes": volume})
    assert found[:4] == ["pillar", "packages", "pyone", "glusterd_enabled"]


def test_without_packages_nothing_is_looked_for(chunks):
    found = chunks({"roles": ["head"], "volumes": VOLUMES})
    assert not {"packages", "pyone", "glusterd_enabled"} & {*found}


@pytest.fixture
def low(tmp_path):
    """low(pillar, minion, sls): {name of a state: the state, with all its requisites}, in Salt's order."""

    def run(pillar, minion="kvm1", sls="gluster_one", delete=False, **more):
        home = tmp_path / f"{minion}-{len([*tmp_path.iterdir()])}"
        opts = node_opts(home, minion, pillar, gluster_one_delete_datastores=delete, **more)
        opts["test"] = False
        with salt.state.HighState(opts) as state:
            high, errors = state.render_highstate({"base": [sls]})
            for step in (state.state.reconcile_extend, state.state.requisite_in, state.state.apply_exclude):
                found = step(high)
                high, more = found if isinstance(found, tuple) else (found, [])
                errors += more
            found = state.state.compile_high_data(high)
            assert errors == []
        found = found[0] if isinstance(found, tuple) else found  # Salt 3006 returns these alone
        found.sort(key=lambda each: each["order"])
        return {chunk["__id__"].removeprefix("gluster_one_"): chunk for chunk in found}

    return run


NEW = {
    "servers": ["kvm1", "kvm2", "kvm3"],
    "uid": 0,
    "gid": 0,
    "create": {"replica": 3, "bricks": ["/data/new_vol/brick", "/data/more/brick"]},
}
OLD = {"servers": ["kvm1", "kvm2", "kvm3"], "uid": 0, "gid": 0, "mount": "/srv/old"}
MAKING = ("gluster.", "gluster_one_check.servers_reachable")
RATIO = {"cluster.server-quorum-ratio": "51%"}


def making(chunks):
    """The states that a volume without `create` does not have."""
    named = {name: f"{chunk['state']}.{chunk['fun']}" for name, chunk in chunks.items()}
    return {name: function for name, function in named.items() if function.startswith(MAKING)}


def requisites(chunk):
    return {next(iter(each.values())).removeprefix("gluster_one_") for each in chunk.get("require", ())}


def test_a_volume_without_create_has_no_state_more(low):
    found = low({"volumes": {"old_vol": OLD}, "pool_options": RATIO})
    assert making(found) == {"pool_options": "gluster.pool_options_set"} and found["pool_options"]["options"] == RATIO
    assert [name for name in found if requisites(found[name]) - {"native_access", "mount_old_vol"}] == []
    assert not {"new_group", "awaited"} & {*found["volume_old_vol"], *found["mount_old_vol"]}
    assert found["glusterd"]["servers"] == OLD["servers"]
    assert making(low({"volumes": {"old_vol": OLD}, "pool_options": RATIO}, "kvm2")) == {}


def test_a_run_asks_once_for_its_plan(low, monkeypatch):
    """An import of map.jinja is a request to the master. A part that is applied alone has the same states."""
    volume = {**NEW, "datastores": VOLUMES["good"]["datastores"]}
    pillar = {"roles": ["head", "hypervisor"], "packages": True, "pool_options": RATIO, "volumes": {"new_vol": volume}}
    asked = []
    of_salt = salt.utils.jinja.SaltCacheLoader.cache_file
    monkeypatch.setattr(
        salt.utils.jinja.SaltCacheLoader,
        "cache_file",
        lambda self, template: asked.append(template) or of_salt(self, template),
    )
    whole = low(pillar)
    assert asked == 2 * ["gluster_one/map.jinja"]  # init.sls and pillar.sls
    assert len({chunk["__sls__"] for chunk in whole.values()}) == 10
    for part in ("gluster_one.create", "gluster_one.native", "gluster_one.pool_options"):
        alone, own = low(pillar, sls=part), {name for name, chunk in whole.items() if chunk["__sls__"] == part}
        assert own == {name for name, chunk in alone.items() if chunk["__sls__"] == part} != set()


@pytest.mark.parametrize("pillar", [{}, {"gluster_one": None}])
def test_a_part_beside_the_whole_run_without_a_pillar_is_no_error_of_its_own(tmp_path, pillar):
    opts = node_opts(tmp_path, "kvm1", {})
    write_pillar(tmp_path, pillar)
    found = salt.loader.minion_mods(opts)["state.show_low_sls"](["gluster_one", "gluster_one.mount"])
    assert [chunk["__id__"] for chunk in found] == ["gluster_one_pillar"] and found[0]["errors"]


def test_another_sls_of_a_like_name_comes_first_on_a_node_without_modules(tmp_path):
    opts = node_opts(tmp_path, "kvm1", {"roles": ["hypervisor"], "volumes": {"old_vol": OLD}}, synced=False)
    (tmp_path / "states/gluster_one_before.sls").write_text("before:\n  test.nop: []\n")
    found = salt.loader.minion_mods(opts)["state.show_low_sls"](["gluster_one_before", "gluster_one"])
    assert {"before", "gluster_one_mount_old_vol"} <= {chunk["__id__"] for chunk in found}


LOOKS = {"servers_new_vol": "gluster_one_check.servers_reachable"}
BRICK_STATES = {f"brick_{path}": "gluster.brick_prepared" for path in NEW["create"]["bricks"]}
SERVES = {**LOOKS, "pool": "gluster.peered", **BRICK_STATES}


@pytest.mark.parametrize(
    ("minion", "roles", "states"),
    [("kvm2", ["hypervisor"], SERVES), ("kvm3", ["server"], SERVES), ("head", ["head"], LOOKS)],
)
def test_who_does_what_for_a_new_volume(low, minion, roles, states):
    found = low({"volumes": {"new_vol": NEW}, "roles": roles, "pool_options": RATIO}, minion)
    assert making(found) == states
    if "pool" in states:
        assert requisites(found["pool"]) == {"servers_new_vol"} and found["glusterd"]["servers"] is None
        assert all(requisites(found[name]) == {"pool"} for name in BRICK_STATES)
    if "server" not in roles:
        assert requisites(found["mount_new_vol"]) == {"servers_new_vol", *states} - {*BRICK_STATES}
        assert found["mount_new_vol"]["awaited"] is True


@pytest.mark.parametrize(
    ("minion", "roles", "first"),
    [("kvm2", ["hypervisor"], {"packages", "glusterd_enabled"}), ("head", ["head"], {"packages"})],
)
@pytest.mark.parametrize("packages", [{}, {"packages": False}])
def test_packages_come_before_the_pool(low, minion, roles, first, packages):
    """Who cannot have them does not wait for others."""
    found = low({"volumes": {"new_vol": NEW}, "roles": roles, **packages}, minion, "gluster_one.create")
    assert requisites(found["servers_new_vol"]) == (set() if packages else first)


def test_a_new_volume_has_its_options_before_its_start(low):
    found = low({"volumes": {"new_vol": NEW, "old_vol": OLD}})
    created = {"created_new_vol": "gluster.volume_present", "started_new_vol": "gluster.volume_started"}
    assert making(found) == {**SERVES, **created}
    assert requisites(found["created_new_vol"]) == {"pool", *BRICK_STATES}
    assert requisites(found["volume_new_vol"]) == {"created_new_vol"} and not requisites(found["volume_old_vol"])
    assert requisites(found["started_new_vol"]) == {"volume_new_vol"} and found["started_new_vol"]["only_new"] is True
    assert found["volume_new_vol"]["new_group"] == "virt" and found["volume_new_vol"]["group"] is None
    assert found["created_new_vol"]["bricks"][:2] == ["kvm1:/data/new_vol/brick", "kvm2:/data/new_vol/brick"]
    assert found["created_new_vol"]["replica"] == 3 and "servers" not in found["created_new_vol"]
    assert "awaited" not in found["mount_new_vol"]
    places = list(found)
    assert places[0] == "pillar" and places.index("pool") < places.index("mount_new_vol")


def test_the_pool_has_its_options_once_it_is_whole(low):
    found = low({"volumes": {"new_vol": NEW}, "pool_options": RATIO})
    assert requisites(found["pool_options"]) == {"pool"} and found["pool_options"]["options"] == RATIO


@pytest.mark.parametrize("keeps", [True, False])
def test_a_server_s_part_in_an_upgrade(low, keeps):
    def part(minion, **part):
        pillar = {"volumes": {"old_vol": OLD}, "timeout": 70, "keep_bricks": keeps}
        found = low(pillar, minion, "gluster_one.upgrade", gluster_one_upgrade=part)
        return {name: chunk for name, chunk in found.items() if name.startswith("upgrade_")}

    found = part("kvm1", definitions=True, paused=["old_vol"])
    chunk = found.pop("upgrade_definitions")
    assert [chunk[key] for key in ("fun", "name", "paused", "kept", "timeout")] == [
        "definitions_prepared", "glusterd", ["old_vol"], keeps, 70,
    ]  # fmt: skip
    assert list(found) == (["upgrade_bricks_kept"] if keeps else []) and requisites(chunk) == {*found}
    for minion, words, function, paused in (
        ("kvm2", {"pause": ["old_vol"]}, "server_quorum_paused", None),
        ("kvm3", {"resume": {"old_vol": "server"}}, "server_quorum_resumed", "server"),
    ):
        (chunk,) = part(minion, **words).values()
        said = (chunk["fun"], chunk["name"], chunk["timeout"], chunk.get("paused"))
        assert said == (function, "old_vol", 70, paused)


def test_the_repair_of_the_pool_s_options_takes_nobody_in(low):
    pillar = {"volumes": {"new_vol": NEW}, "pool_options": RATIO}
    assert list(low(pillar, sls="gluster_one.pool_options")) == ["pillar", "pool_options"]


def test_the_repair_of_options_and_mounts_neither_makes_a_volume_nor_starts_it(low):
    assert list(low({"volumes": {"new_vol": NEW}}, sls="gluster_one.volume")) == ["pillar", "volume_new_vol"]
    assert list(low({"volumes": {"new_vol": NEW}}, "kvm2", "gluster_one.mount")) == [
        "pillar",
        "mount_new_vol",
        "mount_new_vol_known",
    ]


@pytest.mark.parametrize("delete", [False, True])
def test_the_head_that_leaves_looks_at_all_before_it_takes_anything_away(low, delete):
    volume = {**OLD, "datastores": {"default": {"datastore_id": 1}, "images": {}}}
    found = low({"volumes": {"old_vol": volume}, "roles": ["head"]}, "head", "gluster_one.absent", delete)
    first = ["unused", "absent_default", "absent_images"]
    last = ["unmounted_old_vol", "glusterd_restored", "forgotten"]
    assert list(found) == ["pillar", *first, *last]
    assert found["unused"]["mounts"] == {"/srv/old": "old_vol"} and found["forgotten"]["mounts"] == ["/srv/old"]
    # One of OpenNebula's own is never deleted.
    assert (found["absent_default"]["delete"], found["absent_images"]["delete"]) == (False, delete)
    assert requisites(found["absent_images"]) == {"unused"}
    assert requisites(found["unmounted_old_vol"]) == requisites(found["glusterd_restored"]) == {*first}
    assert requisites(found["forgotten"]) == {*first, *last[:2]}


def test_a_hypervisor_that_leaves_asks_nobody_about_datastores(low):
    volumes = {"new_vol": NEW, "old_vol": {**OLD, "datastores": {"images": {}}}}
    found = low({"volumes": volumes}, "kvm2", "gluster_one.absent")
    unmounted = {"unmounted_new_vol", "unmounted_old_vol"}
    assert [*found] == ["pillar", "unused", *sorted(unmounted), "glusterd_restored", "forgotten"]
    assert found["forgotten"]["bricks"] == NEW["create"]["bricks"]
    assert requisites(found["forgotten"]) == {"unused", "glusterd_restored", *unmounted}


@pytest.mark.parametrize("minion", ["kvm1", "kvm2"])
def test_the_files_on_the_volumes_go_when_no_lock_is_taken_any_more(low, minion):
    found = low({"volumes": {"new_vol": NEW, "old_vol": OLD}}, minion, "gluster_one.absent_volume")
    names = ["restored_new_vol", "restored_old_vol", "pool_restored", "files_absent_new_vol", "files_absent_old_vol"]
    assert list(found) == ["pillar", *(names if minion == "kvm1" else [])]
    if minion == "kvm1":
        assert requisites(found["pool_restored"]) == {*names[:2]}
        assert all(requisites(found[name]) == {"pool_restored"} for name in names[3:])


@pytest.mark.parametrize("packages", [True, False])
def test_a_server_that_takes_anothers_place_has_gluster_first(low, packages):
    part = {"server": True, "bricks": [{"volume": "new_vol", "name": "kvm2:/data/more/brick", "old": None}]}
    device = {"server": "kvm2", "path": "/data/more/brick", "device": "/dev/disk/by-id/new"}
    bricks = ["kvm1:/data/more/brick", device, "kvm3:/data/more/brick"]
    volume = {**NEW, "create": {"replica": 3, "bricks": bricks}}
    pillar = {"volumes": {"new_vol": volume}, "roles": ["server"], "packages": packages}
    found = low(pillar, "kvm2", "gluster_one.replace", gluster_one_replace=part)
    first = ["packages", "glusterd_enabled"] if packages else []
    named = ["replace_glusterd", "replace_bricks_kept", "replace_enabled", "replace_kvm2:/data/more/brick"]
    assert [name for name in found if name != "replace_restarted"] == ["pillar", *first, *named]
    # A requisite of an SLS without states fails where Salt's issue 30971 is not fixed.
    assert requisites(found["replace_glusterd"]) == ({"packages"} if packages else set())
    if packages:  # glusterd reads its file when it starts
        assert list(found["replace_glusterd"]["require_in"][0].values()) == ["gluster_one_glusterd_enabled"]
    assert found[named[-1]]["device"] == device["device"]
    assert list(low(pillar, "kvm3", "gluster_one.replace")) == ["pillar"], "alone it does nothing"
