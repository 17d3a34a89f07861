"""The metrics of a fleet with a brick that is down, and the alert rules, by Prometheus' own tool."""

import subprocess

import pytest

from lab.stamp import CHECKOUT
from lab.system import wait_for
from tests.unit.runners.test_gluster_one_metrics import of, parsed

RULES = CHECKOUT / "docs/gluster_one.rules.yaml"


@pytest.fixture(scope="module")
def promtool(tmp_path_factory):
    """promtool(words, text): of Debian's package prometheus, whose daemon is not installed."""
    there = tmp_path_factory.mktemp("prometheus")
    subprocess.run(["apt-get", "download", "-q", "prometheus"], cwd=there, check=True, capture_output=True)
    (package,) = there.glob("*.deb")
    subprocess.run(["dpkg", "-x", package, there], check=True)

    def run(*words, text=None):
        done = subprocess.run(
            [there / "usr/bin/promtool", *words], input=text, capture_output=True, text=True, timeout=60
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
        return done.stdout

    return run


def test_the_alert_rules(promtool):
    assert "10 rules found" in promtool("check", "rules", str(RULES))


def test_the_metrics_are_what_the_status_says(fleet, promtool):
    path = fleet.lab.state / "gluster_one.prom"
    fleet.sh("kvm3", "pkill -9 -x glusterfsd; sleep 3")
    try:
        _, data = fleet.runner("gluster_one.status", f"metrics={path}")
    finally:
        fleet.sh("kvm1", "gluster --mode=script volume start one_vol force")
        wait_for(
            "all bricks", lambda: fleet.lab.call("kvm1", "gluster_pool.bricks_down", "one_vol") == {"kvm1": []}, 30
        )
    fleet.healed()
    promtool("check", "metrics", text=path.read_text())
    found = parsed(path.read_text())
    volume = data["volumes"]["one_vol"]
    for name, value in (("bricks_online", volume["bricks"][0]), ("bricks", 3), ("peers_connected", volume["peers"][0])):
        assert of(found, name, volume="one_vol") == value
    assert of(found, "volume_free_ratio", volume="one_vol") == volume["free_percent"] / 100
    assert of(found, "causes", kind="brick_down", severity="error") == 1 == len(data["causes"])
    assert of(found, "nodes", state="error") == 1, "kvm3's"
    assert sum(value for (name, _), value in found.items() if name == "findings") == len(data["findings"])
    for name, store in data["datastores"].items():
        labels = {"datastore": name, "type": store["type"], "volume": "one_vol"}
        assert of(found, "datastore_size_bytes", **labels) == store["total_mb"] * 1024 * 1024
