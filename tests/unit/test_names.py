"""Which minion goes by which name."""

import time

import pytest

from .conftest import Master


@pytest.mark.parametrize("name, grains, minions", [
    ("KVM1.example.com", {}, ["kvm1.example.com"]),
    ("kvm1", {}, ["kvm1.example.com"]),
    ("kvm1", {"kvm1.example.com": {}}, ["kvm1.example.com"]),
    ("kvm1", {"kvm1.example.com": {"host": "other"}}, []),
    ("kvm1", {"kvm1.example.com": {"host": "kvm1"}, "gl9": {"host": "kvm1"}}, ["kvm1.example.com"]),
    ("kvm2", {}, ["kvm2.a.org", "kvm2.b.org"]),
    ("gl9.example.com", {"gl9": {"fqdn": "gl9.example.com"}}, ["gl9"]),
    ("gl9.example.com", {}, []),
    ("storage1", {"gl9": {"host": "Storage1"}, "kvm2.a.org": {"host": "a"}}, ["gl9"]),
    ("10", {}, []),
    ("10.0.0.7", {}, ["10.0.0.7"]),
    ("10.0.0.7.example.com", {}, []),
    ("10.0.0.8", {"gl9": {"ipv4": ["10.0.0.8"]}}, ["gl9"]),
])  # fmt: skip
def test_who_goes_by_a_name(monkeypatch, name, grains, minions):
    known = dict.fromkeys(["kvm1.example.com", "kvm2.a.org", "kvm2.b.org", "gl9", "10.0.0.7"], {})
    master = Master(monkeypatch, known, grains)
    assert master.salt["gluster_one.called"](name) == minions
    assert [minion for minion in known if master.salt["gluster_one.goes_by"](minion, name)] == minions
    assert not master.salt["gluster_one.goes_by"]("stranger", name)


def test_many_names_that_are_nobodys_in_a_large_fleet(monkeypatch):
    fleet = [f"kvm{number}.example.com" for number in range(2000)]
    master = Master(monkeypatch, dict.fromkeys(fleet, {}), {minion: {"fqdn": minion} for minion in fleet})
    known, begin = {}, time.process_time()
    for number in range(200):
        assert master.salt["gluster_one.called"](f"name{number}", known) == []
        assert not master.salt["gluster_one.goes_by"](fleet[0], f"other{number}", known)
    assert time.process_time() - begin < 2
