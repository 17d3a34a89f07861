"""A fleet of its own, converged, with the beacons looking every few seconds and the reactor on."""

import pytest

from tests.fleet.watch import Events, Load, watched

ROWS = pytest.StashKey()


@pytest.fixture(scope="session")
def fleet(request, _fleet):
    request.config.stash[ROWS] = []
    _fleet.new()
    with watched(_fleet):
        _fleet.stage = "used"
        yield _fleet


@pytest.fixture(scope="session")
def events(fleet):
    events = Events(fleet)
    yield events
    events.stop()


@pytest.fixture(scope="session")
def load(fleet, events):
    return Load(fleet)


def pytest_terminal_summary(terminalreporter, config):
    rows = config.stash.get(ROWS, [])
    if rows:
        terminalreporter.section("faults", sep="-")
        head = (
            "fault",
            "noticed after",
            "healed after",
            "jobs",
            "records lost",
            "images damaged",
            "first line of status",
        )
        widths = [max(len(str(row[column])) for row in [head, *rows]) for column in range(len(head))]
        for row in [head, *rows]:
            terminalreporter.line("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip())
