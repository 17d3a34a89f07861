"""What others have written need not be UTF-8: it is read all the same."""

import os

LATIN = b"# f\xfcr uns\n"


def test_a_command_line_of_another_process(execution, monkeypatch, tmp_path):
    theirs, client = tmp_path / "theirs", tmp_path / "client"
    theirs.write_bytes(b"vi\0f\xfcr uns\0")
    client.write_bytes(b"/usr/sbin/glusterfs\0--volfile-server=kvm1\0/mnt\0")
    module = execution("gluster_one")
    monkeypatch.setattr(module.glob, "glob", lambda pattern: [str(theirs), str(client)])
    assert module.client("/mnt") == ["/usr/sbin/glusterfs", "--volfile-server=kvm1", "/mnt"]
    assert module.client("/srv") == []


def test_the_rules_of_apparmor(execution, tmp_path):
    rules = tmp_path / "libvirt-qemu"
    rules.write_bytes(LATIN + b"/var/lib/one/** rwk,\n")
    module = execution("gluster_one_native")
    assert module._allows(str(rules), "/var/lib/one/datastores")
    assert module._says(str(rules), "rwk")


def test_an_option_group(execution, monkeypatch, tmp_path):
    (tmp_path / "ours").write_bytes(LATIN + b"features.shard=on\n")
    module = execution("gluster_options")
    monkeypatch.setattr(module, "GROUPS", str(tmp_path))
    assert module.group_options("ours") == {"features.shard": "on"}


def test_the_store_of_glusterd(execution, monkeypatch, tmp_path):
    volume = tmp_path / "vols/one_vol"
    volume.mkdir(parents=True)
    (volume / "info").write_bytes(b"status=1\nuser.note=f\xfcr uns\n")
    module = execution("glusterd_store")
    monkeypatch.setattr(module, "DIRECTORY", str(tmp_path))
    assert module._read(str(volume / "info"))["status"] == "1"
    (volume / "one_vol.kvm1.srv.vol").write_bytes(LATIN + b"    option shared-brick-count 2\n")
    assert module._sharing("one_vol", "kvm1", "/srv") == 2


def test_the_service_that_mounts_again(execution, monkeypatch, tmp_path):
    module = execution("gluster_mount_boot")
    monkeypatch.setattr(module, "DIRECTORY", str(tmp_path))
    (tmp_path / module.SERVICE.format("")).write_bytes(LATIN)
    assert module._text() != module.TEXT


def test_names_of_files(execution, tmp_path):
    os.close(os.open(os.fsencode(tmp_path) + b"/f\xfcr", os.O_CREAT))
    links = execution("gluster_mount_links")
    assert links.directory_content(str(tmp_path)) == "1 file (f\N{REPLACEMENT CHARACTER}r)"
    path = tmp_path / "link"
    os.symlink(b"/f\xfcr", path)
    links.__salt__["gluster_one.mount_health"] = lambda directory: {"state": "absent", "volume": None}
    assert links.link_state(str(path), "/mnt")["detail"] == "is a link to /f\N{REPLACEMENT CHARACTER}r"
