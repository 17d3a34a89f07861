"""Links below directories of other users, by descriptor."""

import os

import pytest
from salt.exceptions import CommandExecutionError

from ..conftest import CHECKOUT, imported


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
    deeper = str(tmp_path / "net/inside/1/2/0")  # what is missing on the way is not made there, either
    for call in (walked.link_state, lambda path, target: walked.link(path, target, make=True)):
        if own:
            assert call(deeper, "/target") in (True, {"state": "absent", "detail": "", "target": None, "ends": []})
            continue
        with pytest.raises(CommandExecutionError, match=said):
            call(deeper, "/target")
    assert sorted(os.listdir(tmp_path / "net/inside")) == ["0", "1"] * own
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


LATIN = b"# f\xfcr uns\n"


def test_names_of_files(execution, tmp_path):
    os.close(os.open(os.fsencode(tmp_path) + b"/f\xfcr", os.O_CREAT))
    mounts = execution("gluster_mount", __salt__={"gluster_fstab.device_volume": str}).mount_table
    utils = {"gluster_process.run": lambda words: [1, "", "no link"]}
    links = execution("gluster_links", __salt__={"gluster_mount.mount_table": mounts}, __utils__=utils)
    with links._directory(str(tmp_path.parent)) as above:
        assert links._content(above, tmp_path.name, str(tmp_path)) == "1 file (f\\xfcr)"
    path = tmp_path / "link"
    os.symlink(b"/f\xfcr", path)
    links.__salt__["gluster_mount.may_hang"] = lambda directory: False
    assert links.link_state(str(path), "/mnt")["detail"] == "is a link to /f\\xfcr"


def test_links_by_their_own_text_go_and_nothing_else(walked, tmp_path):
    texts = {"100": "/place/vol", "101": "/place/./vol/", "102": "/place/vol/sub", "103": "103x"}
    for name, text in texts.items():
        (tmp_path / name).symlink_to(text)
    (tmp_path / "104").mkdir()
    (tmp_path / "105").symlink_to(os.path.relpath("/place/vol", tmp_path))
    found = walked.links_to(f"{tmp_path}/", "/place/vol")
    assert {os.path.basename(path) for path in found} == {"100", "101", "105"}
    assert walked.remove_link(str(tmp_path / "100"), "/place/vol/") is True
    for name in ("100", "102", "104", "none/x"):
        assert walked.remove_link(str(tmp_path / name), "/place/vol") is False
    assert {"101", "102", "103", "104", "105"} <= set(os.listdir(tmp_path)) and "100" not in os.listdir(tmp_path)
    assert walked.links_to(str(tmp_path / "none"), "/place/vol") == {}


@pytest.mark.parametrize(
    ("end", "volume", "other"),
    [
        ("/srv/old", "old", True), ("/srv/old/", "vol", False), ("/srv/none", None, False), ("/srv/gone", None, False),
        ("/var/lib/gluster_one/old", None, True), ("/var/lib/gluster_one/old", "old", True),
    ],
)  # fmt: skip
def test_a_link_to_another_volume_is_not_turned(walked, execution, tmp_path, end, volume, other):
    end = os.path.normpath(end)
    mounts = {end: {"volume": volume, "read_only": True}} if volume or end == "/srv/none" else {}
    walked.__salt__.update({
        "gluster_mount.mounts": lambda: mounts, "gluster_mount.may_hang": lambda path: True,
        "gluster_mount.is_default_place": execution("gluster_mount").is_default_place,
    })  # fmt: skip
    (tmp_path / "101").symlink_to(end)
    with pytest.raises(CommandExecutionError) as raised:
        walked.link_changes("/target", "vol", {"link": str(tmp_path / "101")})
    assert ("a datastore does not move to another volume" in str(raised.value)) == other


def test_a_datastores_link_needs_the_directory_of_datastores(walked, tmp_path):
    """Which is not made, as another link's is, that the pillar gives by its path."""
    path = str(tmp_path / "stores/101")
    with pytest.raises(CommandExecutionError, match="stores is not there; OpenNebula's packages make its own: correct"):
        walked.link_changes("/target", None, {"link for images": path})
    new = {"old": None, "new": f"{path} -> /target"}
    assert walked.link_changes("/target", None, {path: path}) == {path: new}
    (tmp_path / "stores").mkdir()
    walked.__salt__["gluster_mount.mount_health"] = lambda place: {"state": "absent"}
    assert walked.link_changes("/target", None, {"link for images": path}) == {"link for images": new}


@pytest.mark.parametrize(
    ("place", "owner", "named"),
    [("net", 9870, "one"), ("net", 107, "107"), ("net", 9869, None), ("net", 0, None), ("none", 0, None),
     ("file/x", 0, None), ("theirs", 9870, None)],
)  # fmt: skip
def test_the_user_is_who_the_datastores_belong_to(walked, monkeypatch, tmp_path, place, owner, named):
    (tmp_path / "file").touch()
    path = tmp_path / place
    if path.is_dir():
        os.chown(path, owner, -1)
    monkeypatch.setattr("salt.utils.user.get_uid", {"oneadmin": 9869}.get)
    walked.__salt__["file.uid_to_user"] = lambda number: {9870: "one"}.get(number, number)
    walked.__grains__ = {"id": "kvm1"}
    wrong = (
        f"gluster_one:user is 'oneadmin', and {path} on kvm1 belongs to {named}: give the account that OpenNebula runs "
        "as, which gets the volume's root, or `chown` the directory, if its owner is wrong"
    )
    assert walked.user_errors("oneadmin", str(path)) == ([wrong] if named else [])
