"""On which volume servers take turns, and what is asked before."""

import pytest


@pytest.fixture
def lock(execution, monkeypatch):
    """lock(run=...) with its attributes: the volumes, the bricks that reject clients, those that were asked."""
    volumes = {name: {"status": "Started", "options": {}, "bricks": [f"kvm1:/{name}"]} for name in ("a", "b")}
    asked, rejecting = [], set()

    def rejecting_bricks(name, bricks):
        asked.append(name)
        return [brick for brick in bricks if brick in rejecting]

    salt = {"glusterd.volumes": lambda: volumes, "gluster_probe.rejecting_bricks": rejecting_bricks}
    module = execution("gluster_lock", __salt__=salt, __context__={})
    monkeypatch.setattr(module, "_hold", lambda volume, begin, timeout: f"the holder on {volume}")

    def one(**arguments):
        return module.lock(**arguments)

    one.volumes, one.asked, one.rejecting = volumes, asked, rejecting
    return one


def test_a_run_asks_once_whether_the_bricks_accept_clients(lock):
    assert [lock(run="7") for _ in range(10)] == ["a"] * 10 and lock.asked == ["a"]
    assert [lock(run="8"), lock(), lock()] == ["a"] * 3 and lock.asked == ["a"] * 4
    lock.volumes["a"]["options"]["server.allow-insecure"] = "off"
    assert [lock(run="8"), lock(run="8")] == ["b"] * 2 and lock.asked == [*"aaaab"], "another volume"


def test_bricks_that_reject_clients_are_asked_each_time(lock):
    lock.rejecting.add("kvm1:/a")
    assert [lock(run="7"), lock(run="7")] == [None] * 2 and lock.asked == ["a"] * 2
    lock.rejecting.clear()
    assert lock(run="7") == "a"
