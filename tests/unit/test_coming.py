"""What an earlier state of a run with test=True would bring."""

import pytest

NATIVE = "pkg_|-gluster_one_qemu-block-extra_|-qemu-block-extra_|-installed"
GLUSTERD = "service_|-gluster_one_glusterd_running_|-glusterd_|-running"
OTHER = "file_|-qemu-block-extra_|-qemu-block-extra_|-managed"


@pytest.fixture
def coming(execution):
    return execution("gluster_one_check").coming


def run(**results):
    return {
        tag: {"result": results[name]} for name, tag in (("native", NATIVE), ("glusterd", GLUSTERD)) if name in results
    }


@pytest.mark.parametrize(
    ("running", "names", "expected"),
    [
        (run(native=None), ["qemu-block-extra"], True),
        (run(native=True), ["qemu-block-extra"], False),  # it is there
        (run(native=False), ["qemu-block-extra"], False),
        (run(native=None), ["glusterd"], False),
        (run(glusterd=None), ["glusterd"], True),
        (run(native=None), [], True),
        (run(glusterd=None), [], False),  # no package
        ({OTHER: {"result": None}}, ["qemu-block-extra"], False),
        ({}, ["glusterd"], False),
        (None, ["glusterd"], False),
    ],
)
def test_only_what_would_be_installed_or_started(coming, running, names, expected):
    assert coming(running, *names) is expected
