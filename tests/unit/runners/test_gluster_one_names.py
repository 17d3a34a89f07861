"""Which minion goes by which name."""

import time

import msgpack
import pytest
import salt.cache
import salt.config
import salt.payload
import salt.utils.minions
from salt.exceptions import SaltInvocationError

from ..conftest import Master


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


def test_what_minions_say_the_second_time_counts(monkeypatch):
    """Coordinators are asked again once the addresses of several are known."""
    master = Master(monkeypatch, {"gl9": {}})
    monkeypatch.setattr("socket.getaddrinfo", lambda host, port: [])
    known = {"said": {"gl9": ["san1.lab"]}}
    assert master.salt["gluster_one.called"]("san1.lab", known) == ["gl9"]
    known["said"] = {"gl9": ["san2.lab"]}
    assert master.salt["gluster_one.called"]("san2.lab", known) == ["gl9"]
    assert not master.salt["gluster_one.goes_by"]("gl9", "san1.lab", known)


SAID = {"san": ["san1.lab"], "kvm1.example.com": ["kvm1", "KVM1.san"], "liar": ["kvm1", "san1.lab", "kvm1.san"]}


@pytest.mark.parametrize("name, sayers, minions", [
    # As each has resolved it to an address of its own.
    ("san1.lab", ["san"], ["san"]),
    ("kvm1.san", ["kvm1.example.com"], ["kvm1.example.com"]),
    ("san1.lab", ["san", "liar"], ["liar", "san"]),
    ("kvm1.san", ["kvm1.example.com", "liar"], ["kvm1.example.com", "liar"]),
    # By an identifier, whatever others say.
    ("kvm1", ["kvm1.example.com", "liar"], ["kvm1.example.com"]),
    # One that is silent is known by an address that the master finds.
    ("san1.lab", [], ["san"]),
    ("san1.lab", ["liar"], ["liar", "san"]),
    ("other.lab", ["liar"], []),
    # One that may be meant by its short name, and does not say so.
    ("liar.lab", [], []),
])  # fmt: skip
def test_who_goes_by_a_name_that_minions_have_resolved(monkeypatch, name, sayers, minions):
    grains = {"san": {"host": "san", "ipv4": ["10.0.0.9"], "fqdn_ip4": ["127.0.1.1"]}, "kvm1.example.com": {},
              "liar": {"host": "liar", "fqdn_ip4": ["127.0.1.1"]}}  # fmt: skip
    found = {"san1.lab": ["10.0.0.9"], "other.lab": ["127.0.1.1"]}
    monkeypatch.setattr("socket.getaddrinfo", lambda host, _: [[0, 0, 0, 0, (each, 0)] for each in found.get(host, [])])
    master = Master(monkeypatch, dict.fromkeys(grains, {}), grains)
    known = {"said": {minion: SAID[minion] for minion in sayers}}
    assert master.salt["gluster_one.called"](name, known) == minions
    able = [minion for minion in grains if master.salt["gluster_one.goes_by"](minion, name, known)]
    assert set(sayers) & set(minions) <= set(able) <= {*sayers, *minions}


@pytest.mark.parametrize("name, able", [("kvm1", False), ("KVM1", False), ("kvm1.lab", False), ("gfs1", True)])
def test_what_is_another_ones_by_its_identifier_gives_no_rights(monkeypatch, name, able):
    """As the reactor asks it, which has a minion's own word alone."""
    pillars = dict.fromkeys(["kvm1", "liar"], {"volumes": {"one_vol": {"servers": [name]}}})
    master = Master(monkeypatch, pillars, {"kvm1": {"fqdn": "kvm1.lab", "host": "kvm1"}})
    kinds = master.salt["gluster_one.rights"]("liar", {"said": {"liar": [name]}})["kinds"]
    assert bool({"server", "coordinator"} & {master.salt["gluster_one.who"](kind) for kind in kinds}) is able


def test_what_others_say_is_theirs_does_not_hide_whose_short_name_it_is(monkeypatch):
    monkeypatch.setattr("socket.getaddrinfo", lambda *_: [])
    master = Master(monkeypatch, dict.fromkeys(["kvm1", "liar"], {}), {"kvm1": {"host": "kvm1"}})
    assert master.salt["gluster_one.called"]("kvm1.lab", {"said": {"liar": ["kvm1.lab"]}}) == ["kvm1", "liar"]


ADDRESSES = {"kvm1": "10.0.0.1", "kvm2": "10.0.0.2", "liar": "10.0.0.66"}


@pytest.mark.parametrize("found, grains, ok", [
    # The master finds the silent one's address, whatever the other's grains have.
    ({"gfs1": "10.0.0.1"}, {}, False), ({"gfs1": "fd00::1"}, {"kvm1": {"ipv6": ["::1", "fd00::1"]}}, False),
    # It finds no address, or has none of the silent one.
    ({}, {}, False), ({"gfs1": "10.0.0.66"}, {"kvm1": {}}, False),
    # The name is not the silent one's.
    ({"gfs1": "10.0.0.66"}, {}, True),
])  # fmt: skip
@pytest.mark.parametrize("fqdns", [["gfs1"], []])
def test_who_claims_a_silent_servers_name_does_not_let_another_go(monkeypatch, found, grains, ok, fqdns):
    found = {"gfs2": "10.0.0.2", **found}
    monkeypatch.setattr("socket.getaddrinfo", lambda host, _: [[0, 0, 0, 0, (found[host], 0)]] if host in found else [])
    claims = {"liar": {"fqdns": fqdns}}
    grains = {minion: {"host": minion, "ipv4": [address], **claims.get(minion, {})} for minion, address in
              ADDRESSES.items()} | grains  # fmt: skip
    master = Master(monkeypatch, dict.fromkeys(grains, {"volumes": {"one_vol": {"servers": ["gfs1", "gfs2"]}}}), grains)
    names = {"kvm2": ["kvm2", "gfs2"], "liar": ["liar", "gfs1"]}
    node = {"errors": [], "roles": ["server"], "batch": 10, "timeout": 120, "volumes": {}}
    master.answers = {
        "gluster_one_pillar.node": {minion: {**node, "names": own} for minion, own in names.items()},
        "glusterd.volumes": dict.fromkeys(names, ["one_vol"]),
        "gluster_one.stop_blockers": dict.fromkeys(names, []),
    }
    assert master.runner.ok_to_stop("kvm2", restart=True)["ok"] is ok


def test_many_names_that_are_nobodys_in_a_large_fleet(monkeypatch):
    fleet = [f"kvm{number}.example.com" for number in range(2000)]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_: [])
    master = Master(monkeypatch, dict.fromkeys(fleet, {}), {minion: {"fqdn": minion} for minion in fleet})
    known, begin = {}, time.process_time()
    for number in range(200):
        assert master.salt["gluster_one.called"](f"name{number}", known) == []
        assert not master.salt["gluster_one.goes_by"](fleet[0], f"other{number}", known)
    assert time.process_time() - begin < 2


def leave(cache, minion, grains, pillar):
    """In the master's cache, as Salt does it since 3008, and before."""
    cache.store("grains", minion, grains)
    cache.store("pillar", minion, pillar)
    cache.store(f"minions/{minion}", "data", {"grains": grains, "pillar": pillar})


@pytest.fixture
def keys(monkeypatch, tmp_path):
    """A master with these keys and caches, by Salt's own functions."""
    pillars = dict.fromkeys(["kvm1", "kvm2", "liar"], {"volumes": {"one_vol": {"servers": ["kvm1", "kvm2"]}}})
    directories = {name: str(tmp_path / name) for name in ("cachedir", "pki_dir", "root_dir")}
    opts = {**salt.config.master_config(None), **directories, "__role": "master"}
    cache = salt.cache.factory(opts)
    (tmp_path / "pki_dir" / "minions").mkdir(parents=True)
    for minion, settings in pillars.items():
        (tmp_path / "pki_dir" / "minions" / minion).write_text("key")
        leave(cache, minion, {"host": minion}, {"gluster_one": settings})
    with monkeypatch.context() as nothing:
        master = Master(nothing, pillars, **opts)
    master.salt["gluster_one.kept_of"] = master.files["gluster_one_kept"].kept_of
    master.cache = cache
    return master


def test_what_a_minion_registers_as_its_own_is_no_minion(keys):
    if not hasattr(salt.utils.minions, "update_resource_index"):
        pytest.skip("this Salt has no resources")
    salt.utils.minions.update_resource_index(keys.runner.__opts__, "liar", {"dummy": ["KVM1", "stranger"]})
    checked = salt.utils.minions.CkMinions(keys.runner.__opts__)
    assert {"KVM1", "stranger"} <= set(checked.check_minions("*", "glob")["minions"]), "Salt has them"
    assert sorted(keys.salt["gluster_one.accepted"]()) == ["kvm1", "kvm2", "liar"]
    assert keys.salt["gluster_one.called"]("kvm1") == ["kvm1"]
    assert keys.salt["gluster_one.part"]("kvm1")["volumes"]["one_vol"]["coordinator"]
    assert keys.remediation.remediate("stranger") == "no accepted minion is called that"


@pytest.mark.parametrize("what", ["pillar", "grains"])
def test_one_that_leaves_what_cannot_be_loaded_takes_nobody_away(keys, what):
    year_1 = salt.payload.loads(msgpack.packb({"a": msgpack.ExtType(78, b"00010101T00:00:00.000000")}))
    leave(keys.cache, "liar", **{"grains": {}, "pillar": {}, what: year_1})
    assert keys.runner._ours("*") == ["kvm1", "kvm2", "liar"]
    assert keys.runner._ours("kvm*") == ["kvm1", "kvm2"]
    leave(keys.cache, "kvm2", {}, {"gluster_one": {}})
    assert keys.runner._ours("kvm*") == ["kvm1"]


def test_a_master_that_knows_no_pillar_of_its_minions_yet(monkeypatch):
    """As one that has just taken over from another."""
    runner = Master(monkeypatch, {"kvm1": None}).runner
    for call in (lambda: runner.status("kvm*"), lambda: runner.status("other")):
        with pytest.raises(SaltInvocationError) as error:
            call()
        assert ("`salt 'kvm*' saltutil.refresh_pillar`, and again" in str(error.value)) == ("kvm" in str(error.value))


@pytest.mark.parametrize("syndics", [True, False])
def test_above_a_syndic_the_master_to_run_it_on_is_said(monkeypatch, syndics):
    """A master of masters has accepted the keys of its syndics."""
    master, said = Master(monkeypatch, {}, order_masters=syndics), []
    runner = master.runner
    for call in (lambda: runner.status(), lambda: runner.status("kvm*"), lambda: runner.ok_to_stop("kvm2")):
        with pytest.raises(SaltInvocationError) as error:
            call()
        said.append(str(error.value))
    said += runner.rollout_plan()["errors"] + runner.remount_plan()["errors"]
    said.append(master.remediation.remediate("kvm2"))
    assert len(said) == 6 and all("no accepted minion" in each for each in said)
    assert [each.endswith("run it on the master below that has accepted the minions' keys") for each in said] == [
        syndics
    ] * 6
