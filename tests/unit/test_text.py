"""What others have written need not be UTF-8: it is read all the same."""

import os

import pytest

LATIN = b"# f\xfcr uns\n"


@pytest.fixture
def processes(execution, util, monkeypatch, tmp_path):
    """processes(command line, program, user): the module where these run, with the numbers 1, 2, ..."""
    process = util("gluster_process")
    module = execution("gluster_mount", __utils__={"gluster_process.start_time": process.start_time})
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


def test_of_two_clients_the_one_that_was_started_last(processes):
    old, new = (CLIENT.replace(b"kvm1", server) for server in (b"old", b"new"))
    module = processes((old, PROGRAM, "0 0 0 0"), (new, PROGRAM, "0 0 0 0"))
    assert module.client("/mnt")[1] == "--volfile-server=new"


def test_the_rules_of_apparmor(execution, tmp_path):
    rules = tmp_path / "libvirt-qemu"
    rules.write_bytes(LATIN + b"/var/lib/one/** rwk,\n")
    module = execution("gluster_confinement")
    assert module._allows(list(module._rules([str(rules)], "")), "/var/lib/one/datastores")


def test_an_option_group(util, monkeypatch, tmp_path):
    (tmp_path / "ours").write_bytes(LATIN + b"features.shard=on\n")
    module = util("gluster_options")
    monkeypatch.setattr(module, "GROUPS", str(tmp_path))
    assert module.group_options("ours") == {"features.shard": "on"}


def test_the_store_of_glusterd(execution, monkeypatch, tmp_path):
    volume = tmp_path / "vols/one_vol"
    volume.mkdir(parents=True)
    (volume / "info").write_bytes(b"status=1\nuser.note=f\xfcr uns\n")
    module = execution("glusterd")
    monkeypatch.setattr(module, "DIRECTORY", str(tmp_path))
    assert module._stored(str(volume / "info"))["status"] == "1"
    (volume / "one_vol.kvm1.srv.vol").write_bytes(LATIN + b"    option shared-brick-count 2\n")
    assert module._sharing("one_vol", "kvm1", "/srv") == 2


def test_the_service_that_mounts_again(execution, monkeypatch, tmp_path):
    module = execution("gluster_fstab")
    monkeypatch.setattr(module, "DIRECTORY", str(tmp_path))
    (tmp_path / module.SERVICE.format("")).write_bytes(LATIN)
    assert module._text() != module.TEXT


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
