"""What gluster_one.check makes of several volumes on one node."""

import pytest
from salt.exceptions import CommandExecutionError, SaltInvocationError

MOUNT, NOBODY = "salt kvm2 state.apply gluster_one.mount", ", once nothing uses it"


@pytest.fixture
def module(execution):
    """The module on a node where one_vol's line of fstab is foreign and two_vol's client is gone."""

    def entry_wanted(path, name, servers, options, like=None):
        if name == "one_vol":
            raise CommandExecutionError(f"/etc/fstab mounts other:/x on {path}, not volume {name}")
        return {"device": f"kvm1:/{name}", "opts": ["defaults"]}

    return execution(
        "gluster_one",
        __salt__={
            "gluster_mount_plan.wanted_line": entry_wanted,
            "gluster_fstab.line": lambda path: {"device": f"kvm1:/{path[1:]}", "opts": ["defaults"]},
            "gluster_mount.place": lambda path, name, user: path,
            "gluster_mount_plan.former_places": lambda path, name, datastores_dir, user: {},
            "gluster_mount_plan.automounter_error": lambda path: None,
            "gluster_mount_plan.former_services": lambda path, former, user: {},
            "gluster_mount.cover": lambda path: None,
            "gluster_mount.mounts_without_flags": lambda name: {},
            "gluster_fstab.unit_outdated": lambda path: False,
            "gluster_fstab.missing_boot_retry": lambda path: None,
            "gluster_mount.mount_health": lambda path: {"state": "dead", "volume": path[1:]},
            "gluster_mount.client": lambda path: [],
            "gluster_one_ids.volume_files": lambda path, name: {"ids": {}, "errors": {}},
            "gluster_one_ids.datastore_numbers": lambda stores, left: {},
            "gluster_mount.mounts": lambda: {},
            "gluster_mount_plan.left_places": lambda names: {},
            "gluster_one_record.recorded": lambda kind: {},
            "glusterd.volumes": dict,
            "gluster_native.native_read_error": lambda name, hosts, user: None if "kvm1" in hosts else "no such file",
        },
    )


def node(*names, **more):
    volumes = {
        name: {
            "mount": f"/{name}", "servers": ["kvm1"], "mount_options": [], "datastores": {},
            "coordinator": False, **more,
        }
        for name in names
    }  # fmt: skip
    return {
        "id": "kvm2",
        "errors": [],
        "roles": ["head"],
        "user": "oneadmin",
        "datastores_dir": "/",
        "glusterd": {"service": "glusterd"},
        "volumes": volumes,
    }


def test_one_volumes_error_hides_no_other_volume(module):
    seen = {"findings": [], "looked": [], "volumes": {}}
    module._mounts(seen, node("one_vol", "two_vol"))
    assert [(one["kind"], one["on"]) for one in seen["findings"]] == [
        ("check_failed", "/one_vol"),
        ("mount_dead", "/two_vol"),
    ]
    assert "other:/x" in seen["findings"][0]["seen"]
    assert "mount" not in seen["looked"]


def test_no_finding_has_a_control_character(module):
    module.__salt__["gluster_mount.mounts_without_flags"] = lambda name: {"/srv/\x1b[2J": None}
    seen = {"findings": [], "looked": [], "volumes": {}}
    module._mounts(seen, node("two_vol"))
    assert [one["on"] for one in seen["findings"] if one["kind"] == "mount_flags"] == [r"/srv/\x1b[2J"]


def test_what_covers_a_mount_is_named_and_the_mount_not_looked_at(module):
    module.__salt__["gluster_mount.cover"] = lambda path: "theirs (fuse), mounted by oneadmin"
    del module.__salt__["gluster_mount.mount_health"]
    former = {"/one/\x1b[2J": {"line": {}, "mounted": "kvm1:/two_vol", "cover": "x (fuse), mounted by oneadmin"}}
    module.__salt__.update({
        "gluster_mount_plan.former_places": lambda *about: former,
        "gluster_mount_plan.former_services": lambda *about: {"/one/s": "again@one-s.service", "/two_vol": "its own"},
        "gluster_mount.foreign_parent": lambda path, user: "/one",
        "gluster_mount.mount_users": lambda path: [],
        "gluster_mount.mounts": lambda: {"/two_vol": {}},
    })  # fmt: skip
    seen = {"findings": [], "looked": [], "volumes": {}}
    module._mounts(seen, node("two_vol"))
    assert [(one["kind"], one["on"], one["seen"], one["cure"]) for one in seen["findings"]] == [
        ("boot", "/one/s", "the former again@one-s.service is enabled", MOUNT),
        ("mount_covered", r"/one/\x1b[2J", "it is covered by x (fuse), mounted by oneadmin", MOUNT),
        ("mount_former", r"/one/\x1b[2J", "still mounted from before", MOUNT.replace("mount", "remount") + NOBODY),
        ("mount_covered", "/two_vol", "it is covered by theirs (fuse), mounted by oneadmin", MOUNT),
    ]


def test_vms_that_are_not_known_are_not_none(module, monkeypatch):
    def held_up():
        raise CommandExecutionError("it is not known which VM the process 7 is")

    monkeypatch.setitem(module.__utils__, "gluster_process.command_lines", held_up)
    for part in ("_mounts", "_hypervisor", "_left"):
        monkeypatch.setattr(module, part, lambda seen, node: None)
    seen = module.report(node={"roles": ["hypervisor"], "errors": [], "volumes": {}, "names": []})
    (found,) = seen["findings"]
    assert (found["kind"], found["on"]) == ("check_failed", "machines") and "the process 7" in found["seen"]
    assert "machines" not in seen
    with pytest.raises(CommandExecutionError):
        module.machines()


def test_all_volumes_were_looked_at(module):
    seen = {"findings": [], "looked": [], "volumes": {}}
    module._mounts(seen, node("two_vol"))
    assert seen["looked"] == ["mount", "links"]


@pytest.mark.parametrize("hosts, refused", [([], 0), ([["kvm1"]], 0), ([["kvm1"], ["kvm2", "kvm3"]], 1)])
def test_each_native_datastores_servers_are_asked(module, hosts, refused):
    seen = {"findings": [], "looked": [], "volumes": {}}
    module._native(seen, node("two_vol", hosts=hosts))
    assert [one["expected"] for one in seen["findings"]] == ["it is read over gluster://kvm2 or kvm3"] * refused


@pytest.mark.parametrize("access, kinds", [
    (["fuse"], ["file_access"]), (["fuse", "native"], ["file_access", "native_read"]), (["native"], ["native_read"]),
])  # fmt: skip
@pytest.mark.parametrize("driver", [True, False])
def test_the_proof_is_that_of_the_access(module, access, kinds, driver):
    """Where QEMU cannot open gluster://, which is said already, it is not tried."""
    module.__salt__["gluster_native.file_error"] = lambda path, user: f"{user} cannot"
    hosts = [["kvm9"]] if "native" in access else []
    seen = {"findings": [] if driver else [{"kind": "native"}], "looked": [], "volumes": {}}
    module._native(seen, node("two_vol", hosts=hosts, access=access))
    found = [(one["kind"], one["on"]) for one in seen["findings"] if one["kind"] != "native"]
    on = {"file_access": "/two_vol", "native_read": "two_vol"}
    assert found == [(kind, on[kind]) for kind in kinds if driver or kind != "native_read"]


@pytest.mark.parametrize(
    "answers, refused",
    [
        ({"kvm1:24007": None}, None),
        ({"kvm1:24007": "away", "kvm2:24010": None}, None),
        ({"kvm1:24007": "away"}, "away"),
        ({}, "no server was named"),
    ],
)
def test_one_of_several_servers_has_to_answer(execution, monkeypatch, answers, refused):
    module = execution("gluster_native")
    monkeypatch.setattr(module, "native_read", lambda name, host, port, user: answers[f"{host}:{port}"])
    hosts = [host.removesuffix(":24007") for host in answers]
    assert module.native_read_error("one_vol", hosts) == refused


def mark(seconds, word="8f14e45fceea167a"):
    return f"{seconds * 10**9:020d} {word}"


@pytest.mark.parametrize(
    "seen, found",
    [
        (mark(1000), None),
        (mark(1001), None),
        (mark(999), "is not seen"),
        (None, "is not seen"),
        (mark(1000, "x"), "no head has written that"),
        (mark(5000), "no head has written that"),
        ("99999999999999999999 8f14e45fceea167a", "no head has written that"),
        ("z", "but z: no head has written that"),
    ],
)
def test_what_the_head_has_written_is_seen_or_what_another_overview_wrote_since(
    module, execution, monkeypatch, seen, found
):
    left = execution("gluster_one_ids")
    monkeypatch.setattr(left, "read_mark", lambda path: seen)
    module.__salt__["gluster_one_ids.mark_error"] = left.mark_error
    report = {"findings": [], "looked": []}
    module._marked(report, "one_vol", "/one_vol", {"one_vol": mark(1000)})
    assert [one["kind"] for one in report["findings"]] == ["mount_differs"] * bool(found)
    assert not found or found in report["findings"][0]["seen"]


@pytest.mark.parametrize("path, above", [("/srv/one_vol", "/srv"), ("/mnt", "/"), ("/mnt/one_vol", "/mnt")])
def test_what_lies_beneath_a_mount_is_reached_by_another_place(module, path, above):
    module.__salt__["gluster_links.files_beneath"] = lambda path: ["image"]
    seen = {"findings": []}
    module._hidden(seen, path)
    (cure,) = [one["cure"] for one in seen["findings"]]
    there = f"/run/disk/{path.rpartition('/')[2]}"
    assert f"mount --bind {above} /run/disk; move what is in {there}, names with a dot too, to {path};" in cure


def test_what_the_coordinator_finds_names_its_volume(module):
    brick = ["brick_down", "kvm3:/data/two_vol", "it is down", "online", "look at it"]
    module.__salt__["gluster_pool.volume_report"] = lambda *words: [{"bricks": [2, 3]}, [brick]]
    module.__salt__["gluster_pool.snapshot"] = lambda heal, ask, service: {"volumes": {}}
    report = module.report(heal=False, node={**node("two_vol", coordinator=True), "roles": []})
    assert [(one["on"], one["volume"]) for one in report["findings"] if one["kind"] == "brick_down"] == [
        ("kvm3:/data/two_vol", "two_vol")
    ]


@pytest.mark.parametrize("known, seen", [({}, "a run creates it"), ({"two_vol": "8022"}, "one with the id 8022")])
def test_a_volume_that_was_used_and_is_gone_is_created_by_no_run(module, known, seen):
    gone = ["volume_gone", "two_vol", "no such volume: a run creates it", "it is there", "salt '*' state.apply"]
    module.__salt__["gluster_pool.volume_report"] = lambda *words: [{}, [gone]]
    module.__salt__["gluster_pool.snapshot"] = lambda heal, ask, service: {"volumes": {}}
    module.__salt__["gluster_one_record.recorded"] = {"volumes": known}.get
    report = module.report(heal=False, node={**node("two_vol", coordinator=True), "roles": []})
    (found,) = [one for one in report["findings"] if one["kind"] == "volume_gone"]
    assert found["seen"].endswith(seen) and ("state.apply" in found["cure"]) is not bool(known)


@pytest.mark.parametrize("error, kinds, cure", [
    ("No space left on device", ["not_writable"], "volume one_vol is full: delete images"),
    ("Permission denied", ["not_writable", "space"], "gluster volume get one_vol storage.owner-uid"),
    ("Transport endpoint is not connected", ["not_writable", "space"], "gluster volume status one_vol"),
    (None, ["space"], "delete images, or add bricks"),
])  # fmt: skip
def test_a_full_volume_is_said_once_and_an_error_has_its_own_cure(module, execution, error, kinds, cure):
    module.__salt__.update({
        "gluster_mount_plan.wanted_line": lambda path, *about: {"device": f"kvm1:/{path[1:]}", "opts": ["defaults"]},
        "gluster_mount.mount_health": lambda path: {"state": "alive", "volume": path[1:]},
        "gluster_mount.write_error": lambda path, user: error and f"sh: 1: cannot create /one_vol/x: {error}",
        "gluster_mount.write_cure": execution("gluster_mount").write_cure,
        "gluster_mount.space": lambda path: {"free_percent": 0, "total_mb": 100},
        "gluster_links.files_beneath": lambda path: [],
        "gluster_links.link_state": lambda *about: {"state": "linked", "ends": []},
        "gluster_mount_plan.outdated_client": lambda path, entry: None,
    })  # fmt: skip
    module._bricks_unconnected = lambda path: []
    seen = {"findings": [], "looked": [], "volumes": {}}
    module._mounts(seen, {**node("one_vol"), "marks": {}, "free_percent": 10})
    assert [found["kind"] for found in seen["findings"]] == kinds
    assert cure in seen["findings"][0]["cure"]
    assert seen["volumes"]["one_vol"]["free_percent"] == 0


@pytest.mark.parametrize("error, kind", [
    ("[Errno 107] Transport endpoint is not connected: '/one_vol'", "check_failed"),
    ("it is a FIFO: remove it", "volume_file"),
])  # fmt: skip
def test_a_file_that_cannot_be_looked_at_is_not_one_to_be_removed(module, error, kind):
    module.__salt__.update({
        "gluster_mount_plan.wanted_line": lambda path, *about: {"device": f"kvm1:/{path[1:]}", "opts": ["defaults"]},
        "gluster_mount.mount_health": lambda path: {"state": "alive", "volume": path[1:]},
        "gluster_mount.write_error": lambda path, user: None,
        "gluster_mount.space": lambda path: {"free_percent": 99, "total_mb": 100},
        "gluster_links.files_beneath": lambda path: [],
        "gluster_mount_plan.outdated_client": lambda path, entry: None,
        "gluster_one_ids.volume_files": lambda path, name: {"ids": {}, "errors": {f"{path}/.gluster_one/mark": error}},
    })  # fmt: skip
    module._bricks_unconnected = lambda path: []
    seen = {"findings": [], "looked": [], "volumes": {}}
    module._mounts(seen, {**node("one_vol"), "marks": {}, "free_percent": 10})
    (found,) = [one for one in seen["findings"] if one["kind"] in ("check_failed", "volume_file")]
    assert (found["kind"], "remove it as root" in found["cure"]) == (kind, kind == "volume_file")
    assert error in found["seen"]


def test_an_automounter_is_named_before_anything_is_looked_at(module):
    module.__salt__["gluster_mount_plan.automounter_error"] = lambda path: "is an automounter's (systemd-1), and so on"
    for name in ("gluster_one_ids.volume_files", "gluster_mount.mount_health"):
        module.__salt__[name] = lambda *about: pytest.fail("it would mount")
    seen = {"findings": [], "looked": [], "volumes": {}}
    module._mounts(seen, {**node("one_vol"), "marks": {}})
    assert [(found["kind"], found["seen"]) for found in seen["findings"]] == [
        ("check_failed", "/one_vol is an automounter's (systemd-1), and so on")
    ]
    assert seen["looked"] == []


@pytest.mark.parametrize("there, options, seen", [
    ({"cluster.server-quorum-ratio": "60"}, {"cluster.server-quorum-ratio": "51%"}, "is 60"),
    ({}, {"cluster.server-quorum-ratio": "51%"}, "is not set"),
    ({"cluster.server-quorum-ratio": "51"}, {"cluster.server-quorum-ratio": "51%"}, None),
    ({"cluster.server-quorum-ratio": "60"}, {}, None),
    ({}, None, None),
])  # fmt: skip
@pytest.mark.parametrize("alone", [None, "it is in no pool"])
def test_options_of_the_pool_that_differ(module, there, options, seen, alone):
    module.__salt__.update({
        "glusterd.service": lambda name: {"running": True},
        "glusterd.stopped_processes": dict,
        "glusterd.options": lambda path: {"rpc-auth-allow-insecure": "on"},
        "glusterd.not_in_pool": lambda servers: alone,
        "glusterd.stored_snapshot": lambda: {"pool": []},
        "glusterd.pool_options": lambda: there,
    })  # fmt: skip
    plan = {**node(), "glusterd": {"service": "glusterd", "path": "/x"}, "restart": {"keep_bricks": False}}
    report = {"findings": [], "looked": []}
    module._server(report, {**plan, "names": [], **({} if options is None else {"pool": {"options": options}})})
    found = [one for one in report["findings"] if one["kind"] == "pool_option"]
    if alone or not seen:
        assert not found
        return
    (one,) = found
    said = (one["on"], one["seen"], one["expected"])
    assert said == ("pool", f"cluster.server-quorum-ratio {seen}", "51%")
    assert one["cure"] == "salt kvm2 state.apply gluster_one.pool_options"


@pytest.mark.parametrize("state, cure", [
    ("Accepted peer request", "if nobody probes it now: salt-run state.orchestrate gluster_one.orchestrate.repair_peer "
     "pillar='{peer: kvm3}' (docs/repair-peer.md); by hand: docs/status.md"),
    ("Peer Rejected", "docs/repair-peer.md; by hand: docs/status.md"),
    ("Peer in Cluster", None),
])  # fmt: skip
def test_a_server_that_does_not_count_names_a_peer_that_it_does_not_take_for_a_member(module, state, cure):
    """The coordinator may take it for one, as where a probe was interrupted."""
    peer = {"hostname": "kvm3", "connected": cure is None, "state": state}
    module.__salt__.update({
        "glusterd.service": lambda name: {"running": True},
        "glusterd.stopped_processes": dict,
        "glusterd.options": lambda path: {"rpc-auth-allow-insecure": "on"},
        "glusterd.not_in_pool": lambda servers: None,
        "glusterd.stored_snapshot": lambda: {"pool": [peer]},
    })  # fmt: skip
    plan = {**node(), "names": [], "restart": {"keep_bricks": False}, "glusterd": {"service": "g", "path": "/g"}}
    seen = {"findings": [], "looked": []}
    module._server(seen, plan)
    found = [(one["kind"], one["on"], one["seen"], one["cure"].partition(", A server")[0]) for one in seen["findings"]]
    assert found == ([("not_in_pool", "kvm3", f"{state!r} here", cure)] if cure else [])


def test_the_names_are_those_of_now(module, monkeypatch):
    """Beside those that the pillar's servers have: the beacon's plan may be old."""
    monkeypatch.setitem(module.__utils__, "gluster_hosts.own_names", lambda: {"kvm2", "2001:db8::7a31"})
    assert module.findings([], 1, ["gl2", "kvm2"])["names"] == ["2001:db8::7a31", "gl2", "kvm2"]
    report = module.report(heal=False, node={**node(), "names": ["gl2"], "roles": []})
    assert report["names"] == ["2001:db8::7a31", "gl2", "kvm2"]


@pytest.mark.parametrize("path", [None, "", 5, "srv/one_vol", ["/srv"]])
def test_a_path_that_is_none_is_named(module, path):
    with pytest.raises(SaltInvocationError, match="^path is .*: a directory is needed, such as /var/lib/gluster_one/"):
        module.mount_health(path)


def test_a_cure_is_whole_or_none(module):
    """Without its middle a quoted path may end early, and what is pasted be another command."""
    seen = {"findings": []}
    cure = "`truncate -s 512 '" + "x" * 2000 + "; id'`"
    module._find(seen, "image", "on", "y" * 2000, "expected", cure)
    (found,) = seen["findings"]
    assert found["cure"] == cure and len(found["seen"]) < 1100


@pytest.mark.parametrize(
    "marked, found",
    [
        (True, {"brick_down": "salt kvm2 state.apply gluster_one.started"}),
        (
            False,
            {"brick_down": ", if its directory", "brick_gone": "if its files are lost, replace the brick"},
        ),
        (None, {"brick_down": ", if its directory", "brick_gone": "mount its file system"}),
    ],
)
def test_a_brick_is_started_by_force_only_where_its_directory_is_the_brick(module, marked, found):
    """And a server that is the coordinator, too, says it once."""
    bricks = {
        "names": ["kvm2:/data/b"],
        "owner": ["-1", "-1"],
        "down": {"kvm2:/data/b": marked},
        "lost": {"kvm2:/data/b": "if its files are lost, replace the brick"} if marked is False else {},
        "up": {},
    }
    module.__salt__["glusterd.bricks"] = lambda name: bricks
    directory = None if marked is None else {"owner": ["0", "0"], "miscounted": None}
    module.__salt__["glusterd.directories"] = lambda name: {"/data/b": directory}
    module._space = lambda *words: None
    seen = {"findings": []}
    module._bricks(seen, {"id": "kvm2"}, "one_vol", alone=None)
    assert [one["kind"] for one in seen["findings"]] == list(found)
    assert all(cure in one["cure"] for one, cure in zip(seen["findings"], found.values()))
    by_coordinator = ["brick_down", "kvm2:/data/b", "it is down", "online", "look at it"]
    module.__salt__["gluster_pool.volume_report"] = lambda *words: [{}, [by_coordinator]]
    module.__salt__["gluster_pool.snapshot"] = lambda heal, ask, service: {"volumes": {}}
    module._server = lambda seen, node: module._bricks(seen, node, "one_vol", alone=None)
    plan = {**node("one_vol", coordinator=True), "roles": ["server"]}
    said = module.report(heal=False, node=plan)["findings"]
    assert [one["kind"] for one in said] == list(found) and seen["findings"][0]["seen"] == said[0]["seen"]


@pytest.mark.parametrize(
    ("roles", "volumes", "found"),
    [
        (["hypervisor"], ["vol", "old"], []),
        (["hypervisor"], ["vol"], [("mount_left", "/var/lib/gluster_one/old")]),
        (["server"], ["vol", "old"], [("mount_left", "/var/lib/gluster_one/old")]),
        (["head", "server"], ["vol"], [("mount_left", "/var/lib/gluster_one/old"), ("volume_left", "old")]),
    ],
)
def test_what_the_pillar_of_before_has_left(execution, roles, volumes, found):
    place = {"/var/lib/gluster_one/old": "old"}
    options = {"nfs.disable": "on", "user.gluster_one.set": "nfs.disable=on<"}
    stored = {name: {"options": options} for name in ("old", "vol", "never_ours")}
    module = execution("gluster_one", __salt__={
        "gluster_mount_plan.left_places": lambda names: place if "old" not in names else {},
        "gluster_one_record.recorded": {"volumes": {"old": "1", "vol": "2"}}.get,
        "glusterd.volumes": lambda: stored,
    })  # fmt: skip
    seen = {"findings": []}
    module._left(seen, {**node(*volumes), "roles": roles, "datastores_dir": "/var/lib/one/datastores"})
    assert [(each["kind"], each["on"]) for each in seen["findings"]] == found
    for each in seen["findings"]:
        state, _, more = each["cure"].partition("salt kvm2 state.single gluster_one.")[2].partition(" ")
        assert state == {"mount_left": "datastore_unmounted", "volume_left": "volume_restored"}[each["kind"]]
        assert more.split()[0] == each["on"]


def test_an_option_of_the_pool_that_is_dropped_is_found(module):
    ratio, more = "cluster.server-quorum-ratio", "cluster.brick-multiplex"
    module.__salt__.update({
        "glusterd.service": lambda name: {"running": True},
        "glusterd.stopped_processes": dict,
        "glusterd.options": lambda path: {"rpc-auth-allow-insecure": "on"},
        "glusterd.not_in_pool": lambda servers: None,
        "glusterd.pool_options": lambda: {ratio: "51%", more: "on"},
        "glusterd.stored_snapshot": lambda: {"pool": []},
        "gluster_one_record.recorded": lambda kind: {ratio: {"old": "60%25", "new": "51%25"}, more: "on"},
    })  # fmt: skip
    plan = {**node(), "names": [], "restart": {"keep_bricks": False}, "glusterd": {"service": "g", "path": "/g"}}
    seen = {"findings": [], "looked": []}
    module._server(seen, {**plan, "pool": {"options": {}, "dropped": [ratio, more]}})
    assert [(one["kind"], one["seen"], one["expected"]) for one in seen["findings"]] == [
        ("pool_option", f"{ratio} is 51%, which the pillar no longer asks for", "60%")
    ]
