"""One fleet for all these tests, up when the first needs it, always down at the end."""

import os
import re
import signal

import pytest

from lab.fleet import CHECKOUT, Lab, default_name

from .fleet import Fleet

pytest.register_assert_rewrite("tests.fleet.faults")

# A run on hosts of another release, or of another Salt, can be beside one on the machine's own.
OTHER = [os.environ.get(name, "") for name in ("LAB_RELEASE", "LAB_MINION_SALT")]
KIND = "-".join(["fleet", *re.findall("[a-z0-9]+", " ".join(OTHER))])
ARTIFACTS = CHECKOUT / "artifacts" / KIND
FLEET = pytest.StashKey()


@pytest.fixture(scope="session")
def _fleet(request):
    lab = Lab(f"{KIND}-{default_name()[-6:]}", quiet=True)
    fleet = request.config.stash[FLEET] = Fleet(lab)
    # A test run that is told to end ends its lab as well.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield fleet
    finally:
        lab.down()


@pytest.fixture(scope="module")
def clean(_fleet):
    """A fleet on which the formula has never run."""
    if _fleet.stage != "clean":
        _fleet.new()
    return _fleet


@pytest.fixture
def fleet(_fleet):
    """A fleet on which the formula has run with the standard pillar."""
    if _fleet.stage != "converged":
        _fleet.converge()
    return _fleet


@pytest.fixture(scope="module")
def fleet_of_module(_fleet):
    """The same, for fixtures of a whole module."""
    if _fleet.stage != "converged":
        _fleet.converge()
    return _fleet


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    fleet = item.config.stash.get(FLEET, None)
    if report.failed and fleet:
        folder = ARTIFACTS / re.sub(r"[^\w.-]+", "_", item.nodeid.split("/")[-1])
        fleet.save(folder)
        report.sections.append(("evidence", f"Salt's output and the hosts' logs are in {folder.relative_to(CHECKOUT)}"))
        if fleet.stage == "converged":
            fleet.stage = "doubtful"
    return report
