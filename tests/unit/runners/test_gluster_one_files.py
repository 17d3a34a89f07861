"""What the master serves of the formula, from its real file roots."""

import pytest
import salt.config

from lab.stamp import CHECKOUT

from ..conftest import imported


@pytest.mark.parametrize("path", ["_modules/gluster.py", "_states/gluster_one.py", "_utils/gluster_hosts.py", None])
@pytest.mark.parametrize("before", [True, False])
def test_both_roots_are_named(tmp_path, path, before):
    other, own = tmp_path / "other", tmp_path / "own"
    own.mkdir()
    for folder in ("_modules", "_states", "_utils", "_beacons", "gluster_one"):
        (own / folder).symlink_to(CHECKOUT / folder)
    (other / "_modules").mkdir(parents=True)
    (other / "_modules/mine.py").write_text("")
    if path:
        (other / path).parent.mkdir(exist_ok=True)
        (other / path).write_text("")
    roots = [str(root) for root in ([other, own] if before else [own, other])]
    opts = {**salt.config.master_config(None), "file_roots": {"base": roots}, "cachedir": str(tmp_path / "cache")}
    said = imported(CHECKOUT / "_runners/gluster_one_files.py", __opts__=opts).hidden_modules()
    if path and before:
        (sentence,) = said
        assert sentence.startswith(f"{path} of the file root {other} hides this formula's in {own}")
    else:
        assert said == []


def test_a_master_that_does_not_serve_it(tmp_path):
    opts = {**salt.config.master_config(None), "file_roots": {"base": [str(tmp_path)]}, "cachedir": str(tmp_path)}
    assert imported(CHECKOUT / "_runners/gluster_one_files.py", __opts__=opts).hidden_modules() == []
