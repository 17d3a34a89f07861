"""Where a volume may be mounted."""

import os

import pytest

from ..conftest import NO_MOUNTS


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
    points = ("/var/one/datastores/0", "/var/one/a\\040b/", "/srv/by_hand", "/srv/ours", "/place")
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
    recorded = {"/srv/ours": "vol", "/srv/e": "other", "/place": "vol", "/srv/gone": "vol"}
    module.__salt__.update({
        "gluster_fstab.volume_lines": fstab.volume_lines, "file.uid_to_user": str,
        "gluster_one_record.recorded": {"mounts": recorded}.get,
        "gluster_mount.place": module.place,
        **{f"gluster_mount.{name}": getattr(module, name) for name in ("cover", "foreign_parent", "mount_table")},
    })  # fmt: skip
    found = execution("gluster_mount_plan", __salt__=module.__salt__).former_places(
        "/place", "vol", "/new/one/datastores"
    )
    assert {path: each["cover"] for path, each in found.items() if each["cover"]} == {
        "/var/one/e": "x (fuse), mounted by 9869"
    }
    assert [(path, bool(each["line"]), each["mounted"], each["made"]) for path, each in found.items()] == [
        ("/var/one/datastores/0", True, None, False),
        ("/var/one/a b", True, "kvm1:/vol", False),
        ("/srv/ours", True, None, False),
        ("/var/one/e", False, "kvm1:/vol", False),
        ("/new/one/gluster/vol", False, None, True),
        ("/var/lib/gluster_one/vol", False, None, True),
        ("/srv/gone", False, None, False),
    ]


def test_options_of_the_line_go_that_the_pillar_has_brought(execution, monkeypatch, tmp_path):
    (tmp_path / "fstab").write_text("kvm1:/vol /srv/m glusterfs defaults,acl,log-level=INFO,_netdev 0 0\n")
    fstab = execution("gluster_fstab", __salt__={
        "gluster_one_arguments.keeps_away": lambda option: False,
        "gluster_one_arguments.undoes_flags": lambda option: False,
    }, __utils__={"gluster_hosts.known_as": lambda *about: None, "gluster_hosts.own_names": set})  # fmt: skip
    monkeypatch.setattr(fstab, "FSTAB", str(tmp_path / "fstab"))
    recorded = {}
    plan = execution("gluster_mount_plan", __salt__={
        "gluster_one_record.recorded": lambda kind: recorded,
        "gluster_one_record.record": lambda kind, values: recorded.update(values),
        "gluster_one_record.forget": lambda kind, names: recorded.clear(),
        "gluster_fstab.wanted_line": fstab.wanted_line,
    })  # fmt: skip

    def run(*options):
        line = plan.wanted_line("/srv/m", "vol", ["kvm1"], list(options))
        plan.record_options("vol", options, fstab.line("/srv/m")["opts"])
        text = ",".join(line["opts"])
        (tmp_path / "fstab").write_text(f"kvm1:/vol /srv/m glusterfs {text} 0 0\n")
        return text

    first = "defaults,acl,log-level={},_netdev,nosuid,nodev"
    assert run("acl") == first.format("INFO") and recorded == {}, "what was there is not ours"
    assert run("log-level=WARNING", "lru-limit=9") == f"{first.format('WARNING')},lru-limit=9"
    assert run("log-level=ERROR") == first.format("ERROR")
    assert recorded == {"vol": {"log-level=ERROR": "log-level=INFO"}}
    assert run() == first.format("INFO") == run() and recorded == {}
    assert plan.record_options("vol", ["acl"]) is None and recorded == {"vol": {"acl": None}}, "a line of our own"


def test_a_mount_of_a_run_that_is_not_needed_any_more(execution):
    lines = {
        "/var/lib/gluster_one/old": "old",
        "/var/lib/gluster_one/vol": "vol",
        "/srv/theirs": "old",
        "/srv/a": "old",
    }
    mounts = {"/srv/a": "old", "/var/lib/gluster_one/b": "older", "/srv/b": "older", "/srv/c": None, "/srv/v": "vol"}
    table = [[{"path": path, "volume": volume} for path, volume in each.items()] for each in (lines, mounts)]
    salt = {
        "gluster_fstab.gluster_lines": lambda: table[0],
        "gluster_mount.mount_table": lambda: table[1],
        "gluster_mount.is_default_place": execution("gluster_mount").is_default_place,
        "gluster_one_record.recorded": {"mounts": {"/srv/a": "old", "/srv/b": "other"}}.get,
    }
    module = execution("gluster_mount_plan", __salt__=salt)
    left = {"/var/lib/gluster_one/old": "old", "/srv/a": "old", "/var/lib/gluster_one/b": "older"}
    assert module.left_places(["vol"]) == left
    assert module.left_places(["vol", "old", "older"]) == {}


def test_a_place_of_which_nothing_is_there_any_more_is_forgotten(execution):
    """Whoever has a line or a mount there later has made it. What cannot be taken away yet stays ours."""
    lines = [{"path": "/srv/line", "volume": "vol"}, {"path": "/srv/theirs", "volume": "other"}]
    table = [{"path": "/srv/mount", "volume": "vol"}, {"path": "/srv/theirs", "volume": "other"}]
    places = dict.fromkeys(["/srv/line", "/srv/mount", "/srv/service", "/srv/gone", "/srv/theirs"], "vol")
    recorded = {"mounts": places, "mount_options": {"vol": {"acl": None}, "old": {"acl": None}}}
    forgotten = []
    salt = {
        "gluster_fstab.gluster_lines": lambda: lines,
        "gluster_fstab.retry_services": lambda: {"/srv/service": "x.service"},
        "gluster_mount.mount_table": lambda: table,
        "gluster_one_record.recorded": recorded.get,
        "gluster_one_record.forget": lambda *about: forgotten.append(about),
    }
    module = execution("gluster_mount_plan", __salt__=salt)
    module.forget_gone()
    assert forgotten == [("mounts", ["/srv/gone", "/srv/theirs"]), ("mount_options", ["old"])]
    places.pop("/srv/gone"), places.pop("/srv/theirs"), recorded["mount_options"].pop("old")
    forgotten.clear()
    module.forget_gone()
    assert forgotten == [], "nothing is written where nothing is gone"


def test_a_service_of_before_is_found_without_its_line(module, root, execution, monkeypatch):
    """The line goes first; where the service could not be disabled then, the next run does it."""
    (root / "var/one/datastores").mkdir(parents=True)
    os.chown(root / "var/one", 9869, 9869)
    fstab = execution("gluster_fstab")
    monkeypatch.setattr(fstab, "FSTAB", str(root / "fstab"))
    monkeypatch.setattr(fstab, "WANTS", str(root))
    (root / "fstab").write_text("kvm1:/vol /var/one/line glusterfs\nkvm1:/other /var/one/other glusterfs\n")
    for word in (r"var-one-a\x20b\x2dc", "var-one-line", "var-one-other", "srv-by_hand", "var-lib-gluster_one-vol",
                 "var-lib-gluster_one-old"):  # fmt: skip
        (root / f"gluster-one-mount@{word}.service").touch()
    module.__salt__.update({
        "gluster_fstab.retry_services": fstab.retry_services, "gluster_fstab.lines": fstab.lines,
        "gluster_mount.foreign_parent": module.foreign_parent,
        "gluster_mount.is_default_place": module.is_default_place,
    })  # fmt: skip
    assert execution("gluster_mount_plan", __salt__=module.__salt__).former_services(
        "/var/lib/gluster_one/vol", {"/var/one/line": {}}
    ) == {
        "/var/one/a b-c": r"gluster-one-mount@var-one-a\x20b\x2dc.service",
        "/var/one/line": "gluster-one-mount@var-one-line.service",
        "/var/lib/gluster_one/old": "gluster-one-mount@var-lib-gluster_one-old.service",
    }


def test_a_home_that_is_yet_to_come(module, monkeypatch):
    account = type("Account", (), {"pw_dir": "/no/such/home"})
    monkeypatch.setattr(module.pwd, "getpwnam", {"oneadmin": account}.__getitem__)
    assert module.place("/no/such/home/gluster/vol", "vol", "oneadmin") == "/var/lib/gluster_one/vol"
    assert module.place("/no/such/homes/vol", "vol", "oneadmin") == "/no/such/homes/vol"
    assert module.place("/no/such/home/gluster/vol", "vol", "nobody else") == "/no/such/home/gluster/vol"
