"""A fleet of its own, converged, with the beacons looking every few seconds and the reactor on."""

import re
import signal

import pytest

from lab.fleet import CHECKOUT, Lab, default_name
from tests.fleet.fleet import Fleet, changed

from .watch import Events, Load

ARTIFACTS = CHECKOUT / "artifacts" / "faults"
INTERVAL = 5
FLEET, ROWS = pytest.StashKey(), pytest.StashKey()


@pytest.fixture(scope="session")
def fleet(request):
    lab = Lab(f"faults-{default_name()[-6:]}", quiet=True)
    fleet = request.config.stash[FLEET] = Fleet(lab)
    request.config.stash[ROWS] = []
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        fleet.new()
        conf = (CHECKOUT / "gluster_one/reactor/master.conf").read_text()
        (lab.master_dir / "master.d/reactor.conf").write_text(conf.replace("/srv/formulas/gluster_one", str(CHECKOUT)))
        lab.restart_master()
        with fleet.pillar(changed(beacon={"interval": INTERVAL})):
            run = fleet.apply()
            assert run.failures == {}
            yield fleet
    finally:
        lab.down()


@pytest.fixture(scope="session")
def events(fleet):
    events = Events(fleet)
    yield events
    events.stop()


@pytest.fixture(scope="session")
def load(fleet, events):
    return Load(fleet)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    fleet = item.config.stash.get(FLEET, None)
    if report.failed and fleet:
        folder = ARTIFACTS / re.sub(r"[^\w.-]+", "_", item.nodeid.split("/")[-1])
        fleet.transcript.append(getattr(fleet, "restless", ""))
        fleet.save(folder)
        report.sections.append(("evidence", f"Salt's output and the hosts' logs are in {folder.relative_to(CHECKOUT)}"))
    return report


def pytest_terminal_summary(terminalreporter, config):
    rows = config.stash.get(ROWS, [])
    if rows:
        terminalreporter.section("faults", sep="-")
        head = ("fault", "noticed after", "healed after", "jobs", "records lost", "images damaged")
        widths = [max(len(str(row[column])) for row in [head, *rows]) for column in range(len(head))]
        for row in [head, *rows]:
            terminalreporter.line("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip())
