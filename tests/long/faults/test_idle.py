"""A fleet to which nothing happens: silent, and hardly any work. It takes a quarter of an hour."""

import contextlib
import os
import time
from pathlib import Path

import pytest

from tests.fleet.faults import settled
from tests.fleet.fleet import changed

from ..test_cost import counting

IDLE, BASE = 600, 300
TICK = os.sysconf("SC_CLK_TCK")


def minions_work(fleet):
    """{host: seconds of a core that the minion and all it has started have taken so far}."""
    found = {}
    for host in fleet.lab.hosts:
        ticks = 0
        for pid in fleet.processes(host):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                if "salt-minion.service" in Path(f"/proc/{pid}/cgroup").read_text():
                    # Its own time and that of the children that have ended: fields 14 to 17.
                    ticks += sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]))
        found[host] = ticks / TICK
    return found


def percent(fleet, seconds):
    """{host: per cent of a core that its minion takes in that time}."""
    before, begin = minions_work(fleet), time.monotonic()
    time.sleep(seconds)
    passed, after = time.monotonic() - begin, minions_work(fleet)
    return {host: 100 * (after[host] - before[host]) / passed for host in after}


def own(events, begin):
    """The events and jobs of gluster_one since then."""
    return [tag for _, tag, _ in events.since(begin) if "gluster_one" in tag or tag.endswith("/new")]


@pytest.mark.timeout(1500)
def test_idle_fleet_is_silent_and_cheap(fleet, events, capsys):
    with fleet.pillar(changed(beacon=True)):  # the default interval
        assert fleet.apply().failures == {}
        settled(fleet)
        time.sleep(70)  # each has looked once, and what it had to say is said
        with counting(fleet, fleet.lab.hosts) as started:
            begin = time.time()
            looking = percent(fleet, IDLE)
            assert own(events, begin) == []
            commands = started()
    assert not any(commands.values())
    with fleet.pillar(changed(beacon=False)):
        assert fleet.apply().failures == {}
        time.sleep(10)
        without = percent(fleet, BASE)
    with capsys.disabled():
        print("\nper cent of a core  with beacon  without")
        for host, share in looking.items():
            print(f"{host:<18}  {share:<11.2f}  {without[host]:.2f}")
    assert max(looking[host] - without[host] for host in looking) < 1
