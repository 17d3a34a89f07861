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
        _fleet.healed()  # the daemons that the bricks rejected before the first run
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
        head = ("fault", "noticed after", "healed after", "jobs", "records lost", "images damaged")
        table(terminalreporter, [head, *(row[:-1] for row in rows)])
        terminalreporter.line("")
        table(terminalreporter, [("fault", "first line of status"), *((row[0], row[-1]) for row in rows)])


def table(terminalreporter, rows):
    widths = [max(len(str(row[column])) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        terminalreporter.line("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip())
