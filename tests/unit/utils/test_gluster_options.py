"""Options of volumes."""

LATIN = b"# f\xfcr uns\n"


def test_an_option_group(util, monkeypatch, tmp_path):
    (tmp_path / "ours").write_bytes(LATIN + b"features.shard=on\n")
    module = util("gluster_options")
    monkeypatch.setattr(module, "GROUPS", str(tmp_path))
    assert module.group_options("ours") == {"features.shard": "on"}
