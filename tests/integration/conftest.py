"""One fleet for all these tests, up when the first needs it, always down at the end."""

import re
import signal
from pathlib import Path

import pytest

from lab.fleet import CHECKOUT, Lab, default_name

from .fleet import Fleet

HERE = Path(__file__).parent
ARTIFACTS = CHECKOUT / "artifacts" / "integration"
FLEET = pytest.StashKey()
# A fleet takes half a minute to come up: those that need a clean one stand first on theirs, those that spoil it last.
ORDER = [
    "test_bare",
    "test_killed",
    "test_rollout",
    "test_first_run",
    "test_second_run",
    "test_check",
    "test_users_own",
    "test_loses_nothing",
    "test_each_sls",
    "test_edited_module",
    "test_own_sls",
    "test_clean",
    "test_fuse",
    "test_machines",
    "test_credentials",
    "test_cost",
    "test_examples",
    "test_bad_pillar",
    "test_quorum",
    "test_adoption",
    "test_waiting",
    "test_absent",
    "test_pool",
    "test_changed_mind",
]


def pytest_collection_modifyitems(items):
    mine = [item for item in items if HERE in item.path.parents]
    for item in mine:
        item.add_marker(pytest.mark.integration)
    places = [number for number, item in enumerate(items) if HERE in item.path.parents]
    rank = {name: number for number, name in enumerate(ORDER)}
    mine.sort(key=lambda item: rank.get(item.path.stem, len(rank)))
    for number, item in zip(places, mine):
        items[number] = item


@pytest.fixture(scope="session")
def _fleet(request):
    lab = Lab(f"integration-{default_name()[-6:]}", quiet=True)
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
    if HERE in item.path.parents and report.failed and fleet:
        folder = ARTIFACTS / re.sub(r"[^\w.-]+", "_", item.nodeid.split("/")[-1])
        fleet.save(folder)
        report.sections.append(("evidence", f"Salt's output and the hosts' logs are in {folder.relative_to(CHECKOUT)}"))
        if fleet.stage == "converged":
            fleet.stage = "doubtful"
    return report
