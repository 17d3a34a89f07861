"""What the SLS files of one run share."""

from types import SimpleNamespace

import pytest

from lab.stamp import CHECKOUT, checksums


@pytest.mark.parametrize(
    ("later", "asked", "found"),
    [(9, {"roles": ["head"]}, {"node": 1}), (11, {"roles": ["head"]}, None), (1, {"roles": ["server"]}, None)],
    ids=["the same run", "a later run", "another pillar"],
)
def test_the_sls_files_of_one_run_share_what_the_first_has_worked_out(execution, monkeypatch, later, asked, found):
    module = execution("gluster_one_run", __context__={})
    clock = [100]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    assert module.shared({"roles": ["head"]}) is None
    assert module.shared({"roles": ["head"]}, {"node": 1}) == {"node": 1}
    clock[0] += later
    assert module.shared(asked) == found


def test_the_checksums_are_those_of_the_modules():
    assert (CHECKOUT / "gluster_one/modules.sha256").read_text() == checksums(), "run `make format`"
