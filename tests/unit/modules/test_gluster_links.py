"""Where a volume may be mounted, and which identifiers of datastores count."""

import os

import pytest
from salt.exceptions import CommandExecutionError

from ..conftest import CHECKOUT, NO_MOUNTS, imported


@pytest.fixture
def module(execution):
    return execution("gluster_mount", __salt__=dict(NO_MOUNTS))


@pytest.fixture
def root(tmp_path, monkeypatch, module):
    """A directory that counts as /, so that no other user's directory is above it."""
    lstat, readlink = os.lstat, os.readlink
    monkeypatch.setattr(module.os, "lstat", lambda path: lstat(f"{tmp_path}{path}"))
    monkeypatch.setattr(module.os, "readlink", lambda path: readlink(f"{tmp_path}{path}"))
    tmp_path.chmod(0o755)
    return tmp_path


def test_directories_of_root_alone(module, root):
    (root / "srv/x").mkdir(parents=True)
    assert module.foreign_parent("/srv/x/vol") is None
    assert module.foreign_parent("/srv/new/deeper/vol") is None
    assert module.place("/srv/x/vol", "vol") == "/srv/x/vol"


@pytest.mark.parametrize(
    ("owner", "group", "mode"), [(9869, 9869, 0o755), (0, 50, 0o775), (0, 0, 0o777), (0, 0, 0o1777), (9869, 0, 0o500)]
)
def test_a_directory_that_somebody_else_can_write(module, root, owner, group, mode):
    (root / "srv/x").mkdir(parents=True)
    os.chown(root / "srv", owner, group)
    (root / "srv").chmod(mode)
    assert module.foreign_parent("/srv/x/vol") == "/srv"
    assert module.place("/srv/x/vol", "vol") == "/var/lib/gluster_one/vol"
    assert module.place("/srv/x/vol", "vol/sub") == "/var/lib/gluster_one/vol.sub"
    assert module.foreign_parent("/srv") is None  # the mount point itself becomes root's


def test_a_link_of_root_s_that_leads_to_somebody_else_s(module, root):
    (root / "data/one").mkdir(parents=True)
    os.chown(root / "data/one", 9869, 9869)
    (root / "data/one/gluster").mkdir()
    (root / "one").symlink_to("/data/one")
    (root / "data/relative").symlink_to("one")
    for path in ("/one/gluster/vol", "/data/relative/gluster/vol"):
        assert module.foreign_parent(path) == "/data/one", path


def test_links_in_a_circle(module, root):
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    assert module.foreign_parent("/a/vol") is not None


@pytest.mark.parametrize("fstype", ["fuse.sshfs", "fuse.glusterfs", "autofs"])
def test_what_a_process_answers_for_is_not_looked_at(module, root, monkeypatch, fstype):
    (root / "srv/x").mkdir(parents=True)
    module.mount_table = lambda: [{"path": "/srv", "fstype": fstype}]
    module.__utils__["gluster_process.run"] = lambda words: [None, "", "no answer within 3 s"]
    lstat = module.os.lstat
    monkeypatch.setattr(module.os, "lstat", lambda path: lstat({"/srv": "/never"}.get(path, path)))
    assert module.foreign_parent("/srv/x/vol") == "/srv"
    paths = ("/", "/sr", "/srv", "/srv/x", "/srvs")
    assert [module.may_hang(path) for path in paths] == [False, False, True, True, False]


@pytest.mark.parametrize(
    ("answer", "mounted", "found"),
    [
        ([0, "0 41ed\n", ""], "ext4", None),
        ([0, "9869 41ed\n", ""], "nfs4", "/srv"),
        ([0, "0 43ff\n", ""], "ext4", "/srv"),
        ([0, "0 41ed\n", ""], None, "/srv"),  # the automounter's own directory
        ([0, "0 41ed\n", ""], "fuse.sshfs", "/srv"),
        ([1, "", "No such file"], "ext4", "/srv"),
        ([None, "", "no answer within 3 s"], "ext4", "/srv"),
    ],
)
def test_a_directory_behind_an_automounter_is_its_owner_s(module, root, answer, mounted, found):
    (root / "srv/x").mkdir(parents=True)
    os.chown(root / "srv", 9869, 9869)  # what only a look that could hang would see
    table, words = [{"path": "/srv", "fstype": "autofs"}], []

    def child(argv):
        words.append(argv[-1])
        table.extend([{"path": "/srv", "fstype": mounted}] * bool(mounted))
        return answer

    module.mount_table = lambda: table
    module.__utils__["gluster_process.run"] = child
    assert module.foreign_parent("/srv/x/vol") == found
    assert words == ["/srv/."]


def test_every_line_and_every_mount_of_the_volume_counts(module, root, execution, monkeypatch):
    """Below directories of somebody else: by whatever name, and whether the pillar has it or not."""
    (root / "var/one/datastores").mkdir(parents=True)
    os.chown(root / "var/one", 9869, 9869)
    fstab = execution("gluster_fstab")
    monkeypatch.setattr(fstab, "FSTAB", str(root / "fstab"))
    points = ("/var/one/datastores/0", "/var/one/a\\040b/", "/srv/by_hand", "/place")
    lines = [f"kvm1:/vol {point} glusterfs ro 0 0\n" for point in points]
    (root / "fstab").write_text("".join([*lines, "kvm1:/other /var/one/c glusterfs\n", "kvm1:/vol /var/one/d nfs\n"]))
    mounted = {"/var/one/a b": "vol", "/var/one/e": "vol", "/srv/e": "vol", "/var/one/f": "other", "/var/one/g": None}
    mounts = [
        {"path": path, "volume": volume, "device": f"kvm1:/{volume}", "fstype": "ext4", "user": None}
        for path, volume in mounted.items()
    ]
    # Over one of them, and over another one's: what is beneath counts.
    mounts += [{"path": "/var/one/e", "volume": None, "device": "x", "fstype": "fuse", "user": "9869"}]
    monkeypatch.setattr(module, "mount_table", lambda: mounts)
    module.__salt__.update({
        "gluster_fstab.volume_lines": fstab.volume_lines, "file.uid_to_user": str,
        **{f"gluster_mount.{name}": getattr(module, name) for name in ("cover", "foreign_parent", "mount_table")},
    })  # fmt: skip
    found = execution("gluster_mount_plan", __salt__=module.__salt__).former_places(
        "/place", "vol", "/new/one/datastores"
    )
    assert {path: each["cover"] for path, each in found.items() if each["cover"]} == {
        "/var/one/e": "x (fuse), mounted by 9869"
    }
    assert [(path, bool(each["line"]), each["mounted"]) for path, each in found.items()] == [
        ("/var/one/datastores/0", True, None),
        ("/var/one/a b", True, "kvm1:/vol"),
        ("/var/one/e", False, "kvm1:/vol"),
        ("/new/one/gluster/vol", False, None),
    ]


def test_a_service_of_before_is_found_without_its_line(module, root, execution, monkeypatch):
    """The line goes first; where the service could not be disabled then, the next run does it."""
    (root / "var/one/datastores").mkdir(parents=True)
    os.chown(root / "var/one", 9869, 9869)
    fstab = execution("gluster_fstab")
    monkeypatch.setattr(fstab, "FSTAB", str(root / "fstab"))
    monkeypatch.setattr(fstab, "WANTS", str(root))
    (root / "fstab").write_text("kvm1:/vol /var/one/line glusterfs\nkvm1:/other /var/one/other glusterfs\n")
    for word in (r"var-one-a\x20b\x2dc", "var-one-line", "var-one-other", "srv-by_hand", "var-lib-gluster_one-vol"):
        (root / f"gluster-one-mount@{word}.service").touch()
    module.__salt__.update({
        "gluster_fstab.retry_services": fstab.retry_services, "gluster_fstab.lines": fstab.lines,
        "gluster_mount.foreign_parent": module.foreign_parent,
    })  # fmt: skip
    assert execution("gluster_mount_plan", __salt__=module.__salt__).former_services(
        "/var/lib/gluster_one/vol", {"/var/one/line": {}}
    ) == {
        "/var/one/a b-c": r"gluster-one-mount@var-one-a\x20b\x2dc.service",
        "/var/one/line": "gluster-one-mount@var-one-line.service",
    }


def test_a_home_that_is_yet_to_come(module, monkeypatch):
    account = type("Account", (), {"pw_dir": "/no/such/home"})
    monkeypatch.setattr(module.pwd, "getpwnam", {"oneadmin": account}.__getitem__)
    assert module.place("/no/such/home/gluster/vol", "vol", "oneadmin") == "/var/lib/gluster_one/vol"
    assert module.place("/no/such/homes/vol", "vol", "oneadmin") == "/no/such/homes/vol"
    assert module.place("/no/such/home/gluster/vol", "vol", "nobody else") == "/no/such/home/gluster/vol"


@pytest.mark.parametrize(
    ("stores", "left", "numbers"),
    [
        ({"a": None}, {"a": 101, "other": 5}, {"a": 101}),
        ({"a": 101}, {"a": 0}, {"a": 101}),
        ({"a": 101, "b": None}, {"b": 101}, {"a": 101, "b": None}),
        ({"a": None, "b": None}, {"a": 101, "b": 101}, {"a": None, "b": None}),
        ({"a": None, "b": None}, {"a": 101}, {"a": 101, "b": None}),
        ({"a": 0, "b": 1}, {}, {"a": 0, "b": 1}),
        ({}, {"a": 101}, {}),
    ],
)
def test_the_pillar_s_identifiers_come_first_and_none_twice(execution, stores, left, numbers):
    assert execution("gluster_one_ids").datastore_numbers(stores, left) == numbers


def test_a_number_of_opennebula_s_own_comes_from_the_pillar(execution):
    module = execution("gluster_one_ids")
    assert module.require_number("system", 0, 0) and module.require_number("images", 100, None)
    with pytest.raises(CommandExecutionError, match="put `datastore_id: 0` into the pillar"):
        module.require_number("system", 0, None)


@pytest.mark.parametrize(
    ("volume", "ends", "mounted", "expected"),
    [
        ("vol", ["/etc/victim"], {"/place/vol": "vol"}, "/place/vol"),
        (None, ["/etc/victim"], {}, "/one/0"),
        ("vol", ["/one/1", "/srv/vol"], {"/srv/vol": "vol"}, "/srv/vol"),
        (None, ["/srv/vol"], {"/srv/vol": "vol"}, "/srv/vol"),
        ("vol", ["/srv/vol"], {"/srv/vol": "other"}, "/place/vol"),
        ("vol", ["/one/theirs"], {"/one/theirs": "vol"}, "/place/vol"),
        ("vol", [], {"/one/0": "vol"}, "/one/0"),
        ("vol", [], {"/one/0": "vol", "/place/vol": "vol"}, "/place/vol"),
    ],
)
def test_where_a_link_of_oneadmin_s_leads_is_not_taken_at_its_word(volume, ends, mounted, expected):
    salt = {
        "gluster_mount.mounts": lambda: {path: {"volume": name} for path, name in mounted.items()},
        "gluster_links.link_state": lambda path, target: {"ends": ends},
        "gluster_mount.foreign_parent": lambda path: "/one" if path.startswith("/one/") else None,
        "gluster_mount.place": lambda path, name: f"/place/{name}",
    }
    state = imported(CHECKOUT / "_states/gluster_one.py", __salt__=salt)
    assert state._mounted_on("/one/0", volume) == expected


@pytest.mark.parametrize(
    ("links", "served", "ends"),
    [
        ({"/a/1": "2", "/a/2": "/srv/vol/x"}, ["/srv/vol"], ["/a/2", "/srv/vol/x"]),
        ({"/a/1": "/target", "/target": "/b"}, [], ["/target"]),
        ({"/a/1": "1"}, [], ["/a/1"] * 8),
        ({"/a/1": "../b"}, [], ["/b"]),
    ],
)
def test_a_link_is_followed_by_a_bounded_child_up_to_what_may_hang(execution, links, served, ends):
    def child(words):
        assert words[0] == "readlink" and not words[-1].startswith("/srv")
        return [0, links[words[-1]], ""] if words[-1] in links else [1, "", ""]

    may_hang = lambda path: any(path.startswith(each) for each in served)  # noqa: E731
    salt, utils = {"gluster_mount.may_hang": may_hang}, {"gluster_process.run": child}
    assert execution("gluster_links", __salt__=salt, __utils__=utils)._ends("/a/1", links["/a/1"], "/target") == ends


@pytest.fixture
def walked(execution, monkeypatch, tmp_path):
    """The module where a directory `auto` is an automounter's, `net` root's by FUSE, and `theirs` oneadmin's."""
    kinds = {"auto": ("autofs", None), "net": ("fuse.mergerfs", "0"), "theirs": ("fuse.x", "9869"), "gone": None}
    for name in kinds:
        (tmp_path / name / "inside").mkdir(parents=True)
    asked = []

    def child(words, probe):
        asked.append(os.path.normpath(os.path.realpath(os.path.dirname(words[1])) + "/" + os.path.basename(words[1])))
        return [module.status, "", "no answer within 3 s"]

    def number(descriptor):
        place = os.path.relpath(os.readlink(f"/proc/self/fd/{descriptor}"), tmp_path).split("/")[0]
        return place if place in kinds else "root"

    table = [
        {"number": name, "path": f"/{name}", "device": "x\x1b", "fstype": kind[0], "user": kind[1]}
        for name, kind in kinds.items()
        if kind
    ]
    salt, utils = {"gluster_mount.mount_table": lambda: table}, {"gluster_process.run": child}
    module = execution("gluster_links", __salt__=salt, __utils__=utils)
    monkeypatch.setattr(module, "_mount_number", number)
    module.status, module.asked, module.kinds = 0, asked, kinds
    return module


@pytest.mark.parametrize("call", ["link_state", "make_mount_point", "mount_point_state"])
@pytest.mark.parametrize("kind", ["theirs", "gone"])
def test_root_enters_no_fuse_mount_of_somebody_else(walked, tmp_path, monkeypatch, call, kind):
    opens = os.open

    def opened(path, *words, dir_fd=None, **more):
        where = os.readlink(f"/proc/self/fd/{dir_fd}") if dir_fd is not None else ""
        assert kind not in where and not path.startswith(f"{tmp_path}/{kind}"), "it may hang"
        return opens(path, *words, dir_fd=dir_fd, **more)

    monkeypatch.setattr(walked.os, "open", opened)
    said = {
        "theirs": r"inside(/0)? lies behind x\\x1b \(fuse.x\), mounted on /theirs by the user with number 9869",
        "gone": "inside(/0)? is on a mount that has just been removed: run again",
    }[kind]
    path = f"{tmp_path}/{kind}/inside/0"
    with pytest.raises(CommandExecutionError, match=said):
        blocked = getattr(walked, call)(*[path, "/target"][: 1 + (call == "link_state")])["blocked"]
        raise CommandExecutionError(f"{path} {blocked}")  # what mount_point_state returns
    assert walked.asked == []


def test_a_mount_that_comes_between_look_and_use_is_not_entered(walked, tmp_path, monkeypatch):
    """Nothing was mounted there a moment before."""
    fstat = os.fstat

    def seen(descriptor):
        assert "theirs" not in os.readlink(f"/proc/self/fd/{descriptor}"), "it may hang"
        return fstat(descriptor)

    monkeypatch.setattr(walked.os, "fstat", seen)
    walked.__salt__["gluster_mount.mount_health"] = lambda path: {"state": "absent"}
    with pytest.raises(CommandExecutionError, match="lies behind"):
        walked.link_state(str(tmp_path / "theirs"), "/target")


def test_what_a_process_of_root_s_answers_for_is_asked_by_a_child_first(walked, tmp_path):
    (tmp_path / "net/inside/0").mkdir()
    walked.__salt__["gluster_mount.mount_health"] = lambda path: {"state": "absent"}
    assert walked.link_state(f"{tmp_path}/net/inside/0", "/target")["state"] == "empty"
    places = [f"{tmp_path}/net", *(f"{tmp_path}/net/{each}" for each in ("inside", "inside/0"))]
    assert list(dict.fromkeys(walked.asked)) == places
    walked.status = None
    with pytest.raises(CommandExecutionError, match="/auto cannot be looked at: no answer within 3 s"):
        walked.link_state(f"{tmp_path}/auto/inside", "/target")


@pytest.mark.parametrize("fstype", ["nfs4", "ceph", "fuse.glusterfs", "fuse.sshfs", "ocfs2", "virtiofs"])
@pytest.mark.parametrize("own", [False, True])
def test_no_link_is_made_where_it_would_be_all_nodes(walked, tmp_path, monkeypatch, fstype, own):
    (mount,) = [each for each in walked.__salt__["gluster_mount.mount_table"]() if each["path"] == "/net"]
    mount.update(fstype=fstype, device="nas:/one", volume=None)
    walked.__salt__["gluster_mount.mount_health"] = lambda path: {"state": "absent"}
    if own:  # as all else of the node
        monkeypatch.setattr(walked, "OWN", (str(tmp_path / "net"),))
    path = str(tmp_path / "net/inside/0")
    for call in (walked.link_state, walked.link):
        if own:
            assert call(path, "/target") in (True, {"state": "absent", "detail": "", "target": None, "ends": []})
            continue
        said = rf"cannot become a link: it lies on nas:/one \({fstype}\), mounted on /net, .*: unmount that, or give"
        with pytest.raises(CommandExecutionError, match=said):
            call(path, "/target")
    assert os.listdir(tmp_path / "net/inside") == ["0"] * own
    assert own or walked.link_state(path, path)["state"] == "absent"  # a mount point may be there


def test_a_covered_mount_of_the_volume_is_as_good_as_a_link(walked, tmp_path):
    """Until it is uncovered, as the run does."""
    walked.__salt__["gluster_mount.beneath"] = lambda path: {"volume": "vol", "read_only": False}
    walked.__salt__["gluster_mount.mount_health"] = lambda path: {"state": "alive", "volume": None, "device": "theirs"}
    found = {volume: walked.link_state(str(tmp_path / "theirs"), "/x", volume)["state"] for volume in ("vol", "other")}
    assert found == {"vol": "linked", "other": "blocked"}


@pytest.mark.parametrize(
    "volume, read_only, state",
    [("vol", False, "linked"), ("vol", True, "blocked"), ("vol/ds101", False, "blocked"), (None, False, "blocked")],
)
def test_what_serves_as_a_link_is_the_whole_volume_and_writable(walked, tmp_path, volume, read_only, state):
    mounted = {"state": "alive", "device": "kvm1:/vol", "volume": volume, "read_only": read_only}
    walked.__salt__.update({
        "gluster_mount.beneath": lambda path: mounted,
        "gluster_mount.mount_health": lambda path: mounted,
        "gluster_mount.mounts": lambda: {str(tmp_path / "101"): mounted, "/srv/vol": mounted},
        "gluster_mount.may_hang": lambda path: True,
    })  # fmt: skip
    (tmp_path / "101").mkdir()
    (tmp_path / "102").symlink_to("/srv/vol")
    found = [walked.link_state(f"{tmp_path}/{name}", "/target", "vol") for name in ("101", "102")]
    assert [each["state"] for each in found] == [state, state]
    assert all(("read-only" in each["detail"]) == read_only for each in found)
    if state == "blocked":
        with pytest.raises(CommandExecutionError, match="101 has kvm1:/vol mounted on it.*: unmount that, and run"):
            walked.link_changes("/target", "vol", {"link": f"{tmp_path}/101"})


def foreign(mark):
    mark.write_text("ssh")
    os.chown(mark.parent.parent, 9869, 9869)


MARKS = {
    "a mark": (lambda mark: mark.write_text("ssh\n"), "empty"),
    "one of oneadmin's": (
        lambda mark: [foreign(mark), *(os.chown(p, 9869, 9869) for p in (mark, mark.parent))],
        "empty",
    ),
    "an empty one": (lambda mark: mark.touch(), "empty"),
    "one of root's in oneadmin's directory": (foreign, "blocked"),
    "a large one": (lambda mark: mark.write_text("x" * 1025), "blocked"),
    "a link": (lambda mark: mark.symlink_to("/etc/passwd"), "blocked"),
    "a directory": (lambda mark: mark.mkdir(), "blocked"),
    "a FIFO": (lambda mark: os.mkfifo(mark), "blocked"),
    "another name": (lambda mark: mark.with_name(".monitor2").write_text("ssh"), "blocked"),
    "a file beside it": (lambda mark: [mark.write_text("ssh"), mark.with_name("0f3a").touch()], "blocked"),
}


@pytest.mark.parametrize("make, state", MARKS.values(), ids=MARKS)
def test_opennebula_s_mark_alone_is_nothing_to_keep(walked, tmp_path, make, state):
    walked.__salt__["gluster_mount.mount_health"] = lambda path: {"state": "absent"}
    path = tmp_path / "stores/101"
    path.mkdir(parents=True)
    make(path / ".monitor")
    before = sorted(os.listdir(path))
    assert walked.link_state(str(path), "/target")["state"] == state
    assert sorted(os.listdir(path)) == before
    if state == "empty":
        assert walked.link(str(path), "/target") is True and os.readlink(path) == "/target"
        return
    with pytest.raises(CommandExecutionError, match="101 cannot become a link to /target"):
        walked.link(str(path), "/target")
    assert sorted(os.listdir(path)) == before


def test_a_link_is_shown_as_text_and_exchanged_all_the_same(walked, tmp_path):
    """oneadmin has written the text, which leads to a former place."""
    path, text = tmp_path / "101", "/x\x1b[2J/../former"
    path.symlink_to(text)
    walked.__salt__["gluster_mount.may_hang"] = lambda place: True
    changes = walked.link_changes("/target", None, {"link": str(path)}, ["/former"])
    assert changes == {"link": {"old": rf"{path} -> /x\x1b[2J/../former", "new": f"{path} -> /target"}}
    with pytest.raises(CommandExecutionError, match="is a link to"):
        walked.link(str(path), "/target", replace="/other")
    walked.link(str(path), "/target", replace=changes["link"]["old"].removeprefix(f"{path} -> "))
    assert os.readlink(path) == "/target"
    walked.__utils__["gluster_process.run"] = lambda words: [1, "", "no way"]
    with pytest.raises(CommandExecutionError, match=r"What lies beneath /\\x1b\[2J cannot be looked at: no way"):
        walked.files_beneath("/\x1b[2J")


@pytest.fixture
def remounted(execution):
    """remounted(words...): the state's run in test mode, where a former mount's client was started with these."""

    def run(*words):
        fstab = execution("gluster_fstab", __utils__={"gluster_hosts.known_as": lambda *about: None,
                                                      "gluster_hosts.own_names": set})  # fmt: skip
        mount = execution("gluster_mount")
        mount.client = lambda path: words
        former = {"line": {}, "mounted": "old:/vol", "cover": None, "made": True}
        salt = {
            "gluster_one_arguments.require_arguments": lambda *about, **more: None,
            "gluster_mount.place": lambda path, volume, user: path,
            "gluster_mount_plan.changes": lambda *about: {},
            "gluster_mount_plan.former_places": lambda *about: {"/one/\x1bvol": former},
            "gluster_mount.mount_users": lambda *about: [],
            "gluster_mount_plan.outdated_client": lambda *about: None,
            "gluster_mount.client": mount.client,
            "gluster_mount.client_servers": mount.client_servers,
            "gluster_fstab.wanted_line": lambda *about: {"device": "kvm1:/vol", "opts": []},
            "gluster_fstab.check_servers": fstab.check_servers,
        }
        state = imported(CHECKOUT / "_states/gluster_one_remount.py", __salt__=salt, __opts__={"test": True})
        return state.datastore_remounted("/place", "vol", ["kvm1", "kvm2"])

    return run


def test_a_former_mount_is_the_volume_s_by_any_of_its_servers(remounted):
    run = remounted("glusterfs", "--volfile-server=old", "--volfile-server=kvm2", "/one/vol")
    assert run["changes"] == {r"mount on /one/\x1bvol": {"old": "mounted", "new": None}}
    run = remounted("glusterfs", "--volfile-server=old", "/one/vol")
    assert run["result"] is False
    assert r"old:/vol is mounted on /one/\x1bvol, and old is none of kvm1, kvm2" in run["comment"]
