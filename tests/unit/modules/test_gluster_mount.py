"""The kernel's tables of mounts, in which whoever may use fusermount or make a user namespace has a word."""

import os

import pytest
from salt.exceptions import CommandExecutionError

ROOT = b"21 1 0:20 / / ro,relatime - ext4 /dev/vda rw"
OURS = rb"41 21 0:33 / /srv/a\040b rw,relatime - fuse.glusterfs kvm1:/one_vol rw,user_id=0,group_id=0,allow_other"
# The kernel escapes a blank, a tab, a line feed and a backslash; text is split at more than those.
FORGED = b"a\x1f-\x1fq\r21\x1f1\x1f0:20\x1f/\x1f/victim\x1fro\x1f-\x1ffuse.glusterfs\x1fkvm1:/one_vol\x1frw,user_id=0"
THEIRS = b"42 21 0:34 / /home/" + FORGED + b" rw,nosuid,nodev - fuse.glusterfs kvm1:/one_vol rw,user_id=9869"
COPY = b"61 60 0:33 / /srv/vol rw - fuse.glusterfs kvm1:/one_vol rw,user_id=0"
# In a user namespace user_id is counted as there.
MADE = b"62 60 0:35 / /forged rw - fuse.glusterfs kvm1:/one_vol rw,user_id=0"


@pytest.fixture
def put(monkeypatch, tmp_path):
    """put("7", 2, lines...): a process in the mount namespace number 2, and its table."""

    def make(pid, namespace, *lines, root="/"):
        (tmp_path / pid / "ns").mkdir(parents=True)
        os.symlink(root, tmp_path / pid / "root")
        os.symlink(f"mnt:[{namespace}]", tmp_path / pid / "ns/mnt")
        (tmp_path / pid / "mountinfo").write_bytes(b"\n".join([*lines, b""]))

    return make


@pytest.fixture
def module(execution, monkeypatch, tmp_path, put):
    module = execution(
        "gluster_mount",
        __salt__={
            "gluster_fstab.device_volume": lambda device: device.rpartition(":/")[2],
            "gluster_fstab.flags_missing": execution("gluster_fstab").flags_missing,
        },
        __utils__={"gluster_process.process_name": lambda pid: f"name ({pid})"},
    )
    monkeypatch.setattr(module, "PROC", str(tmp_path))
    monkeypatch.setattr(module, "_is_ours", lambda process: len(process) == 1)
    put("self", 1, ROOT, THEIRS, OURS)
    return module


def test_no_line_is_forged_by_the_name_of_a_directory(module):
    assert module.mounts_without_flags("one_vol") == {"/srv/a b": None}


def test_a_mount_by_fusermount_is_none_of_gluster_s(module):
    assert [mount["volume"] for mount in module.mount_table()] == [None, None, "one_vol"]


@pytest.mark.parametrize(
    "root, options, super_options, shown",
    [
        ("/", "rw", "rw,user_id=0", ("kvm1:/one_vol", "one_vol", False)),
        ("/", "ro,nosuid", "rw,user_id=0", ("kvm1:/one_vol", "one_vol", True)),  # mount -o remount,bind,ro
        ("/", "rw", "ro,user_id=0", ("kvm1:/one_vol", "one_vol", True)),
        ("/ds101", "rw", "rw,user_id=0", ("kvm1:/one_vol/ds101", "one_vol/ds101", False)),  # mount --bind
        (r"/a\040b/c", "ro", "rw,user_id=0", ("kvm1:/one_vol/a b/c", "one_vol/a b/c", True)),
        ("/ds101//deleted", "rw", "rw,user_id=0", ("kvm1:/one_vol/ds101//deleted", "one_vol/ds101//deleted", False)),
        ("/ds101", "rw", "rw,user_id=9869", ("kvm1:/one_vol", None, False)),
    ],
)
def test_what_of_a_volume_is_mounted(module, put, monkeypatch, tmp_path, root, options, super_options, shown):
    line = f"41 21 0:33 {root} /srv/vol {options} - fuse.glusterfs kvm1:/one_vol {super_options}\n"
    (tmp_path / "self/mountinfo").write_text(line)
    found = module.mounts()["/srv/vol"]
    assert (found["device"], found["volume"], found["read_only"]) == shown
    assert {**module.beneath("/srv/vol"), "state": None} == {**found, "state": None} or found["volume"] is None


def test_each_mount_namespace_has_a_table_of_its_own(module, put):
    put("3", 1, ROOT, OURS)
    put("7", 2, ROOT, COPY)
    put("8", 2, ROOT, COPY)
    (found,) = module.mounts_without_flags("one_vol").items() - {("/srv/a b", None)}
    assert found in [(f"/srv/vol of name ({pid})", f"name ({pid})") for pid in (7, 8)]


def test_a_process_in_a_chroot_hides_no_mount_of_its_namespace(module, put):
    put("6", 2, ROOT, root="/empty")
    put("7", 2, ROOT, COPY)
    put("8", 2, ROOT, root="/empty")
    assert "/srv/vol of name (7)" in module.mounts_without_flags("one_vol")


def test_what_a_user_namespace_made_is_no_mount_of_root_s(module, put):
    put("70", 3, ROOT, MADE, COPY)
    assert list(module.mounts_without_flags("one_vol")) == ["/srv/a b", "/srv/vol of name (70)"]


def test_a_process_that_ends_hides_no_other_of_its_namespace(module, put, monkeypatch):
    for pid in ("7", "8"):
        put(pid, 2, ROOT, COPY)
    gone = iter([True, False])

    def is_ours(process):
        if next(gone):
            raise OSError
        return True

    monkeypatch.setattr(module, "_is_ours", is_ours)
    assert len(module.mounts_without_flags("one_vol")) == 2


def test_many_mounts_of_a_user_namespace_are_not_read_to_the_end(module, put, monkeypatch):
    monkeypatch.setattr(module, "MOST_FOREIGN", 10 * len(COPY))
    put("70", 3, *[COPY.replace(b"/vol", b"/vol%d" % number) for number in range(1000)])
    put("71", 4, ROOT, COPY)
    assert 1 < len(module.mounts_without_flags("one_vol")) <= 10


def test_what_cannot_be_set_for_another_process_holds_nothing_up(module, put):
    put("7", 2, ROOT, COPY)
    put("8", 3, ROOT, COPY)
    asked = []
    module.__utils__["gluster_process.run"] = lambda argv, timeout: (
        asked.append(argv[-1]) or [int(argv[-1] == "7"), "", "not permitted"]
    )
    (said,) = module.set_flags("one_vol")
    assert asked[0] == "self" and sorted(asked) == ["7", "8", "self"]
    assert said == (
        "the mount on /srv/vol cannot be made nosuid,nodev: not permitted, in the mount namespace of name (7): migrate "
        "that VM, or restart the process"
    )


def test_a_mount_that_somebody_has_covered_keeps_no_other_from_its_flags(module, put):
    put("7", 2, ROOT, COPY)
    asked = []
    module.__utils__["gluster_process.run"] = lambda argv, timeout: (
        asked.append(argv[-1]) or [int(argv[-1] == "self"), "", "something else is there now"]
    )
    with pytest.raises(CommandExecutionError, match="on /srv/a b cannot be made nosuid,nodev: something else is there"):
        module.set_flags("one_vol")
    assert asked == ["self", "7"]


def test_all_mounts_together_have_a_limit(module, put, monkeypatch):
    monkeypatch.setattr(module, "MOST_SECONDS", -1)
    module.__utils__["gluster_process.run"] = lambda argv, timeout: pytest.fail("there is no time left")
    with pytest.raises(CommandExecutionError, match="not all mounts of one_vol were reached within"):
        module.set_flags("one_vol")


@pytest.mark.parametrize("copies, users", [(True, ["/copy", "/srv/vol/in it"]), (False, ["/srv/vol/in it"])])
def test_a_copy_of_a_mount_uses_it_only_where_the_client_would_end(module, monkeypatch, copies, users):
    table = [("/srv/vol", "0:1"), ("/copy", "0:1"), ("/srv/vol/in it", "0:2"), ("/srv/volume", "0:3")]
    monkeypatch.setattr(
        module, "mount_table", lambda: [{"path": path, "device_number": number} for path, number in table]
    )
    monkeypatch.setitem(module.__utils__, "gluster_process.users", lambda holds: ([], None))
    assert module.mount_users("/srv/vol", copies) == users


def test_processes_that_were_not_looked_at_may_be_users(module, monkeypatch):
    names = {7: "qemu-system-x86", 8: "", 9: None}
    utils = {"comm": names.get, "users": lambda holds: ([pid for pid in names if holds("/srv/vol/x")], 4711)}
    for name, function in utils.items():
        monkeypatch.setitem(module.__utils__, f"gluster_process.{name}", function)
    last = "perhaps others (not all processes could be looked at in time: name (4711) could not)"
    assert module.mount_users("/srv/vol") == [" (8)", last, "qemu-system-x86 (7)"]
    assert module.mount_users("/srv/vo") == [last]


GLUSTER = rb"41 21 0:33 / /vol rw - fuse.glusterfs kvm1:/one_vol rw,user_id=0,group_id=0,allow_other"
# Whoever mounts by fusermount chooses type and device.
COVER = rb"42 41 0:34 / /vol rw,nosuid,nodev - fuse.glusterfs kvm1:/one_vol rw,user_id=9869,group_id=9869"
SECOND = rb"43 42 0:35 / /vol rw,nosuid,nodev - fuse.sshfs \134x rw,user_id=1000"
AUTHORITY = rb"44 43 0:36 / /vol rw - fuse.sshfs root's rw,user_id=0"


@pytest.fixture
def covered(module, put):
    """covered(lines...): the module, with these mounts, of which the topmost goes when it is detached."""

    def make(*lines, again=False):
        left, done = list(lines), []

        def act(argv, timeout):
            action, path, number, process = argv[-4:]
            assert (action, path, process) == ("detach", "/vol", "self")
            done.append(number)
            if not left[-1].startswith(number.encode()):
                return 1, "", "something else is there now"
            left[-1:] = left[-1:] if again else []
            return 0, "", ""

        module._text = lambda process, most=-1: b"\n".join([ROOT, *left, b""])
        module.__utils__["gluster_process.run"] = act
        module.__salt__["file.uid_to_user"] = {9869: "oneadmin", 1000: 1000}.get
        module.done = done
        return module

    return make


@pytest.mark.parametrize("lines, over, detached", [
    ([GLUSTER], None, []),
    ([GLUSTER, COVER], "kvm1:/one_vol (fuse.glusterfs), mounted by oneadmin", ["42"]),
    ([GLUSTER, COVER, SECOND], r"\x (fuse.sshfs), mounted by 1000", ["43", "42"]),
    ([COVER], "kvm1:/one_vol (fuse.glusterfs), mounted by oneadmin", ["42"]),
    # What root has mounted stays, and so does what lies beneath that.
    ([GLUSTER, COVER, AUTHORITY], None, []),
    ([b"45 21 0:37 / /vol rw - tmpfs x rw,user_id=9869"], None, []),
])  # fmt: skip
def test_only_what_a_user_has_mounted_over_it_is_taken_away(covered, lines, over, detached):
    module = covered(*lines)
    assert module.cover("/vol") == over
    assert module.uncover("/vol") is True
    assert (module.done, module.cover("/vol")) == (detached, None)


def test_a_cover_that_comes_back_is_named(covered):
    module = covered(GLUSTER, COVER, again=True)
    with pytest.raises(CommandExecutionError, match="/vol is covered again each time: .* mounted by oneadmin"):
        module.uncover("/vol")
    assert len(module.done) == module.MOST_COVERS


def planned(execution, module, flags=()):
    module.__salt__.update({
        "gluster_fstab.check_servers": lambda *about: None, "gluster_fstab.backups": lambda opts: [],
        "gluster_fstab.device_servers": lambda device: [],
        "gluster_fstab.line": lambda path: {"device": "kvm1:/one_vol", "opts": ["acl"]},
        "gluster_fstab.missing_boot_retry": lambda path: None,
    })  # fmt: skip
    module.__utils__["gluster_process.start_time"] = lambda pid: 0
    names = ("cover", "mount_health", "beneath", "client", "client_servers", "mount_table")
    module.__salt__.update({f"gluster_mount.{name}": getattr(module, name) for name in names})
    module.__salt__["gluster_mount.mounts_without_flags"] = lambda volume: dict.fromkeys(flags)
    plan = execution("gluster_mount_plan", __salt__=module.__salt__)
    plan.client_missing = lambda: None
    return plan.changes("/vol", "one_vol", {"device": "kvm1:/one_vol", "opts": ["acl"]})


def test_a_cover_keeps_nothing_else_from_being_planned(covered, execution):
    cover = {"old": "kvm1:/one_vol (fuse.glusterfs), mounted by oneadmin", "new": None}
    assert planned(execution, covered(GLUSTER, COVER), ["/vol"]) == {
        "cover": cover, "flags": {"old": "missing on /vol", "new": "nosuid,nodev"},
    }  # fmt: skip
    assert planned(execution, covered(COVER)) == {
        "cover": cover, "directory": {"old": "covered", "new": "root root 0755"},
        "mount": {"old": None, "new": "kvm1:/one_vol"},
    }  # fmt: skip


def test_what_root_has_mounted_there_is_refused_also_beneath_a_cover(covered, execution):
    with pytest.raises(CommandExecutionError, match=r"root's \(fuse.sshfs\) is mounted on /vol, not volume one_vol"):
        planned(execution, covered(AUTHORITY, COVER))


AUTOMOUNT = rb"46 21 0:38 / /vol rw - autofs systemd-1 rw,fd=55,pgrp=1,direct"
MAP = rb"46 21 0:38 / /vol rw - autofs /etc/auto.direct rw,fd=5,pgrp=9,direct"


@pytest.mark.parametrize(
    "lines, device, cure",
    [
        ([AUTOMOUNT], "systemd-1", "systemctl stop 'vol.automount'"),
        ([AUTOMOUNT, GLUSTER], "systemd-1", "systemctl stop 'vol.automount'"),
        ([MAP], "/etc/auto.direct", "take it out of /etc/auto.direct, reload autofs"),
    ],
)
def test_an_automounter_is_named_and_not_woken(covered, execution, lines, device, cure):
    module = covered(*lines)
    fstab = execution("gluster_fstab")
    fstab.unit = lambda path: "vol.mount"
    module.__salt__.update({
        "gluster_mount.mount_table": module.mount_table, "gluster_fstab.automounter_cure": fstab.automounter_cure,
    })  # fmt: skip
    module.__utils__["gluster_process.run"] = lambda argv, timeout=3: pytest.fail("it would mount")
    with pytest.raises(CommandExecutionError) as failure:
        planned(execution, module)
    assert f"/vol is an automounter's ({device}), and the volume has to be mounted for good: " in str(failure.value)
    assert cure in str(failure.value)
    if len(lines) == 1:
        assert module.mount_health("/vol") == {"state": "alive", "device": device, "fstype": "autofs", "volume": None}


@pytest.fixture
def one(execution, module):
    module.__salt__["gluster_mount.mount_table"] = module.mount_table
    salt = {"gluster_mount.mounts": module.mounts, "gluster_mount.mount_table": module.mount_table}
    return execution("gluster_one", __salt__=salt)


def test_a_mount_by_fusermount_counts_nowhere_as_the_volume_s(one, monkeypatch):
    volumes = {path: mounted["volume"] for path, mounted in one.__salt__["gluster_mount.mounts"]().items()}
    assert volumes == {"/": None, os.fsdecode(b"/home/" + FORGED): None, "/srv/a b": "one_vol"}
    monkeypatch.setattr(one, "_bricks_unconnected", lambda path: [] if path == "/srv/a b" else None)
    assert one.apart() == {"one_vol": []}


@pytest.mark.parametrize("name", ["fuseblk", "fuse", "ext2/ext3"])
def test_a_client_is_asked_whatever_stat_calls_fuse(execution, tmp_path, monkeypatch, name):
    """Debian 12 calls it fuseblk, Debian 13 fuse; nothing else than FUSE is asked."""
    number = "ef53" if name == "ext2/ext3" else "65735546"
    stat = tmp_path / "stat"
    stat.write_text(f"#!/bin/sh\ncase $* in *%T*) echo {name};; *%t*) echo {number};; esac\n")
    stat.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    client = tmp_path / "mount/.meta/graphs/active/one_vol-client-0"
    (client / "options").mkdir(parents=True)
    (client / "private").write_text("connected = 0\n")
    (client / "options/remote-host").write_text("kvm1\n")
    (client / "options/remote-subvolume").write_text("/b\n")
    opts = {"test": False, "cachedir": str(tmp_path / "cache")}
    said = execution("gluster_one", __opts__=opts)._bricks_unconnected(str(tmp_path / "mount"))
    assert said == (["kvm1:/b"] if number == "65735546" else None)


@pytest.mark.parametrize(
    "table, said, both",
    [
        ([("/a", 1), ("/b", 2)], {"/a": [], "/b": ["kvm3:/b"]}, ["kvm3:/b"]),
        ([("/a", 1), ("/b", 2)], {"/a": ["kvm3:/b"], "/b": []}, ["kvm3:/b"]),
        ([("/a", 1), ("/b", 2)], {"/a": ["kvm3:/b"], "/b": ["kvm2:/b"]}, ["kvm2:/b", "kvm3:/b"]),
        ([("/a", 1), ("/b", 2)], {"/b": []}, None),
        ([("/a", 1), ("/a/sub", 1)], {"/a": ["kvm3:/b"]}, ["kvm3:/b"]),  # a directory of it, mounted by --bind
        ([("/sub", 1), ("/a", 1)], {"/a": []}, []),
        ([("/sub", 1)], {}, None),
        ([("/a", 1), ("/a", 2)], {"/a": []}, None),  # the one beneath cannot be asked
        ([("/a", 1), ("/a", 1)], {"/a": []}, []),
    ],
)
def test_what_the_clients_of_a_volume_say_is_joined(one, monkeypatch, table, said, both):
    mounts = [
        {"path": path, "number": number, "device_number": f"0:{client}", "volume": volume}
        for number, (path, client) in enumerate(table)
        for volume in ["one_vol/sub" if number else "one_vol"]
    ]
    monkeypatch.setitem(one.__salt__, "gluster_mount.mount_table", lambda: mounts)
    monkeypatch.setattr(one, "_bricks_unconnected", said.get)
    assert one.apart() == {"one_vol": both}


LATIN = b"# f\xfcr uns\n"


@pytest.fixture
def processes(execution, util, monkeypatch, tmp_path):
    """processes(command line, program, user): the module where these run, with the numbers 1, 2, ..."""
    process = util("gluster_process")
    utils = {f"gluster_process.{name}": getattr(process, name) for name in ("start_time", "words")}
    module = execution("gluster_mount", __utils__=utils)
    for each in (process, module):
        monkeypatch.setattr(each, "PROC", str(tmp_path))

    def run(*each):
        for number, (line, program, users) in enumerate(each, 1):
            directory = tmp_path / str(number)
            directory.mkdir()
            (directory / "cmdline").write_bytes(line)
            (directory / "exe").symlink_to(program)
            (directory / "status").write_text(f"Name:\tx\nUid:\t{users}\nGid:\t0 0 0 0\n")
            (directory / "stat").write_text(f"{number} (a ) b) S {' '.join('0' for _ in range(18))} {number} 0\n")
        return module

    return run


CLIENT = b"/usr/sbin/glusterfs\0--volfile-server=kvm1\0/mnt\0"


PROGRAM = "/usr/sbin/glusterfsd"


def test_a_command_line_of_another_process(processes):
    module = processes((b"vi\0f\xfcr uns\0", "/usr/bin/vi", "0 0 0 0"), (CLIENT, PROGRAM, "0 0 0 0"))
    assert module.client("/mnt") == ["/usr/sbin/glusterfs", "--volfile-server=kvm1", "/mnt"]
    assert module.client("/srv") == []


@pytest.mark.parametrize(
    "program, users, client",
    [
        (PROGRAM, "0 0 0 0", True),
        (f"{PROGRAM} (deleted)", "0 0 0 0", True),
        (PROGRAM, "9869 9869 9869 9869", False),
        (PROGRAM, "9869 0 0 0", False),
        ("/usr/bin/sleep", "0 0 0 0", False),
    ],
)
def test_whose_process_is_the_client(processes, program, users, client):
    assert bool(processes((CLIENT, program, users)).client("/mnt")) is client


def test_the_words_of_others_are_not_read(processes, monkeypatch):
    module = processes((CLIENT, PROGRAM, "9869 9869 9869 9869"), (CLIENT, "/usr/bin/vi", "0 0 0 0"))
    monkeypatch.setitem(module.__utils__, "gluster_process.words", lambda pid: pytest.fail("they are not root's"))
    assert module.client("/mnt") == []


def test_a_client_whose_words_are_held_up_is_not_gone(processes, monkeypatch):
    module = processes((CLIENT, PROGRAM, "0 0 0 0"))
    monkeypatch.setitem(module.__utils__, "gluster_process.words", lambda pid: None)
    with pytest.raises(CommandExecutionError, match="of Gluster's client .* cannot be read: run again"):
        module.client("/mnt")


def test_of_two_clients_the_one_that_was_started_last(processes):
    old, new = (CLIENT.replace(b"kvm1", server) for server in (b"old", b"new"))
    module = processes((old, PROGRAM, "0 0 0 0"), (new, PROGRAM, "0 0 0 0"))
    assert module.client("/mnt")[1] == "--volfile-server=new"


def test_what_a_client_says_last_is_no_stack_of_its_calls(execution):
    """Of a brick with TLS, and a client without (Gluster 10.3)."""
    begin = "[2026-11-30 10:24:20.613349 +0000] E "
    log = [
        f"{begin}[fuse-bridge.c:5364:fuse_first_lookup] 0-fuse: first lookup on root failed (not connected)",
        f"{begin}[rpc-clnt.c:333:saved_frames_unwind] (--> /lib/libglusterfs.so.0(_gf_log_callingfn+0x195) (--> "
        "/lib/libgfrpc.so.0(+0x726a)[0x7f00c95b326a] ))))) 0-v-client-0: forced unwinding frame type(GF-DUMP)",
    ]
    said = execution("gluster_mount")._client_error
    assert said("\n".join(log)) == "first lookup on root failed (not connected)" and said(log[1]) == ""
    assert said(f"{begin}[MSGID: 114022] [client.c:2503:client_init_rpc] 0-v-client-0: no RPC [{{a=1}}]") == "no RPC"
