"""Tests that take too long to run on each change, on the fleet of tests/fleet: `make test-long`."""

from pathlib import Path

from tests.fleet.conftest import (  # noqa: F401 - fixtures and the hook of this folder, too
    _fleet,
    clean,
    fleet,
    fleet_of_module,
    pytest_runtest_makereport,
    pytest_sessionfinish,
)

HERE = Path(__file__).parent
# A fleet takes half a minute to come up: those that need a clean one stand first on theirs, those that spoil it last.
ORDER = [
    "test_killed",
    "test_rollout",
    "test_check",
    "test_overview",
    "test_users_own",
    "test_loses_nothing",
    "test_each_sls",
    "test_edited_module",
    "test_own_sls",
    "test_machines",
    "test_credentials",
    "test_cost",
    "test_examples",
    "test_bad_pillar",
    "test_adoption",
    "test_leave",
    "test_waiting",
    "test_absent",
]


def pytest_collection_modifyitems(items):
    mine = [item for item in items if HERE in item.path.parents]
    places = [number for number, item in enumerate(items) if HERE in item.path.parents]
    rank = {name: number for number, name in enumerate(ORDER)}
    mine.sort(key=lambda item: rank.get(item.path.stem, len(rank)))
    for number, item in zip(places, mine):
        items[number] = item
