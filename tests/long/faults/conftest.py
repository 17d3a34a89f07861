"""A fleet of its own, converged, with the beacons looking every few seconds and the reactor on."""

import pytest

from lab.fleet import CHECKOUT
from tests.fleet.fleet import changed

from .watch import Events, Load

INTERVAL = 5
ROWS = pytest.StashKey()


@pytest.fixture(scope="session")
def fleet(request, _fleet):
    request.config.stash[ROWS] = []
    _fleet.new()
    conf = (CHECKOUT / "gluster_one/reactor/master.conf").read_text()
    path = _fleet.lab.master_dir / "master.d/reactor.conf"
    path.write_text(conf.replace("/srv/formulas/gluster_one", str(CHECKOUT)))
    _fleet.lab.restart_master()
    with _fleet.pillar(changed(beacon={"interval": INTERVAL})):
        run = _fleet.apply()
        _fleet.stage = "used"
        assert run.failures == {}
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
        widths = [max(len(str(row[column])) for row in [head, *rows]) for column in range(len(head))]
        for row in [head, *rows]:
            terminalreporter.line("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip())
