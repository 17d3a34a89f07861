"""One fleet for all these tests, up when the first needs it, always down at the end."""

import os
import re
import signal

import pytest

from lab import tested
from lab.fleet import CHECKOUT, Lab, default_name

from .fleet import BARE, NATIVE, Fleet

pytest.register_assert_rewrite("tests.fleet.faults")

# A run on hosts of another release, of another Salt, or on bare ones can be beside one on the machine's own.
OTHER = [*(os.environ.get(name, "") for name in ("LAB_RELEASE", "LAB_MINION_SALT")), "bare" if BARE else ""]
KIND = "-".join(["fleet", *re.findall("[a-z0-9]+", " ".join(OTHER))])
ARTIFACTS = CHECKOUT / "artifacts" / KIND
FLEET, VERSIONS = pytest.StashKey(), pytest.StashKey()


@pytest.fixture(scope="session")
def _fleet(request):
    lab = Lab(f"{KIND}-{default_name()[-6:]}", quiet=True)
    fleet = request.config.stash[FLEET] = Fleet(lab)
    # A test run that is told to end ends its lab as well.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield fleet
        if tested.RECORD and lab.is_up:
            request.config.stash[VERSIONS] = tested.versions(lab)
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
        folder = ARTIFACTS / re.sub(r"[^\w.-]+", "_", f"{item.path.name}_{item.name}")
        fleet.save(folder)
        report.sections.append(("evidence", f"Salt's output and the hosts' logs are in {folder.relative_to(CHECKOUT)}"))
        if fleet.stage == "converged":
            fleet.stage = "doubtful"
    return report


def pytest_sessionfinish(session, exitstatus):
    """The row of docs/tested.md, for a run of whole files or folders that came to its end."""
    config = session.config
    whole = not config.option.keyword and not any("::" in word for word in config.args)
    if VERSIONS in config.stash and whole and exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        stats = config.pluginmanager.get_plugin("terminalreporter").stats
        counts = [(len(stats.get(kind, [])), kind) for kind in ("failed", "error", "passed", "skipped")]
        result = ", ".join(f"{count} {kind}" for count, kind in counts if count)
        suite = (
            f"`{' '.join(config.args)}`"
            + ("" if NATIVE else " with `access: fuse`")
            + (" from bare hosts" if BARE else "")
        )
        tested.record(suite, config.stash[VERSIONS], result)
