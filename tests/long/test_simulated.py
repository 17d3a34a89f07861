"""Three thousand nodes, by simulation: a real master's folders and functions, answers made from a lab's."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lab.fleet import CHECKOUT

# Of the processor; the fleet of a tenth has to take more than a twelfth of it.
SECONDS, MEGABYTES, FEW, MANY = {"status": 5, "rollout": 10}, 500, 300, 3000


def simulated(folder, nodes, what, timeout=600):
    """What the master took for it, in a process of its own."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, Path(__file__).parent / "simulated.py", folder, str(nodes), what]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.timeout(600)
@pytest.mark.parametrize("what", ["status", "rollout"])
def test_three_thousand_nodes(tmp_path, capsys, what):
    found = {}
    for nodes in (FEW, MANY):
        folder = tmp_path / str(nodes)
        simulated(folder, nodes, what)  # which makes the folders
        found[nodes] = min((simulated(folder, nodes, what) for _ in range(2)), key=lambda each: each["seconds"])
        with capsys.disabled():
            print(f"\n{nodes} nodes, {what}: {found[nodes]['seconds']} s, {found[nodes]['megabytes']} MB", end="")
    few, many = found[FEW], found[MANY]
    assert many["seconds"] <= SECONDS[what] and many["megabytes"] <= MEGABYTES
    assert many["seconds"] <= 12 * few["seconds"]
    if what == "status":
        assert many["causes"] == few["causes"] == ["brick_down", "mount_dead", "silent"]
        assert many["felt"] > 2900 and many["lines"] < 50
    else:
        assert (many["errors"], many["minions"], many["batches"]) == ([], 3000, 300)


@pytest.mark.timeout(900)
def test_a_rack_that_has_its_network_back(tmp_path, capsys):
    found = simulated(tmp_path / "rack", 300, "events", 800)
    with capsys.disabled():
        print(f"\n{found}", end="")
    assert (found["looks"], found["others"], found["jobs"], found["nodes"]) == (300, [], 300, 300), "none twice"
    assert found["at once"] == 20 and found["servers at once"] == 1
    assert found["history"] == 300
