"""What the SLS files of one run share."""

from lab.stamp import CHECKOUT, checksums


def test_the_sls_files_of_one_run_share_what_the_first_has_worked_out(execution):
    module = execution("gluster_one_run", __context__={})
    assert module.shared({"roles": ["head"]}) is None
    assert module.shared({"roles": ["head"]}, {"node": 1}) == {"node": 1}
    assert module.shared({"roles": ["head"]}) == {"node": 1}
    assert module.shared({"roles": ["server"]}) is None


def test_the_checksums_are_those_of_the_modules():
    assert (CHECKOUT / "gluster_one/modules.sha256").read_text() == checksums(), "run `make format`"
