"""A volume that keeps its clients out, on real ones: what a mount, its client's log, a run and the check say."""

import contextlib
from pathlib import Path

import pytest

from . import host
from .runs import refuses

SERVERS = ["kvm1", "kvm2", "kvm3"]
ONE_SIDE = "their TLS is not this node's"
NO_CERTIFICATE = "this node has no such key or certificate for it: cert at /"
TLS = [("off", "on", ONE_SIDE), ("on", "off", NO_CERTIFICATE), ("on", "on", NO_CERTIFICATE)]


@pytest.fixture(scope="module")
def tls_vol(one_vol):
    with host.volume("tls_vol", start=False) as name:
        yield name


def set_tls(name, client, server):
    """As the cure says: both by hand, while nobody has it mounted, and stopped and started."""
    host.gluster("volume", "stop", name, check=False)
    host.gluster("volume", "set", name, "client.ssl", client, "server.ssl", server)
    host.gluster("volume", "start", name)
    host.eventually("its brick runs", lambda: host.bricks_online(name))


def found(modules, name):
    """What the check of this node says of the volume, and the beacon by what glusterd keeps on disk."""
    plan = modules.gluster_one_pillar.node({"volumes": {name: {"servers": SERVERS}}})
    reports = [modules.gluster_one.check(node=plan, pool=pool) for pool in (True, False)]
    seen, stored = ([[each["seen"], each["cure"]] for each in one if each["kind"] == "shut_out"] for one in reports)
    assert seen == stored
    return seen


@pytest.mark.parametrize("client, server, why", TLS)
def test_tls_of_one_side_or_without_certificates(states, modules, tls_vol, client, server, why):
    set_tls(tls_vol, client, server)
    refusal = modules.gluster_probe.mount_refusal(f"kvm1:/{tls_vol}")
    assert why in refusal["why"] and refusal["cure"]
    run = states.gluster_one.volume_configured(tls_vol, servers=SERVERS)
    assert run.result is True, run.comment
    seen = found(modules, tls_vol)
    if client == server:  # whether the others have certificates, they say themselves
        assert not run.warnings and not seen
        return
    what = f"client.ssl is {client} and server.ssl {server}: no client reaches a brick"
    assert [each[0] for each in seen] == [what]
    assert run.warnings == [f"{what}: {seen[0][1]}"] and "stop and start it" in run.warnings[0]
    for option in ("client.ssl", "server.ssl"):
        value = "off" if {"client.ssl": client, "server.ssl": server}[option] == "on" else "on"
        said = refuses(states.gluster_one.volume_configured, tls_vol, servers=SERVERS, options={option: value})
        assert f"{option} '{value}' would cut off the clients of volume {tls_vol}" in said


def test_the_mount_says_why_in_one_line(states, modules, tls_vol, place):
    """And does not wait for what stays so."""
    set_tls(tls_vol, "off", "on")
    arguments = {"volume": tls_vol, "servers": SERVERS, "datastores_dir": str(place), "timeout": 300}
    for test in (True, False):

        def refused(test=test):
            run = states.gluster_one.datastore_mounted(str(place / "0"), test=test, **arguments)
            # A trial of 5 s on a machine that is busy may end before the client has said anything.
            return None if test and run.result is None else [run]

        with host.seconds(60):
            (run,) = host.eventually("a trial tells why", refused)
        assert run.result is False and ONE_SIDE in run.comment
        assert "_gf_log_callingfn" not in run.comment and "-->" not in run.comment


def test_the_cure_of_tls(modules, tls_vol):
    set_tls(tls_vol, "off", "off")
    assert modules.gluster_probe.can_mount(f"kvm1:/{tls_vol}") and not found(modules, tls_vol)


@contextlib.contextmanager
def of_transport(name, transport):
    """A volume as `volume create ... transport` makes it, which accepts what no Gluster has any more."""
    Path("/data", name).mkdir()
    try:
        host.gluster("volume", "create", name, "transport", transport, f"kvm1:/data/{name}/0", "force")
        yield name
    finally:
        host.remove_volume(name)


@pytest.mark.parametrize("transport", ["rdma", "tcp,rdma"])
def test_a_transport_that_gluster_no_longer_has(states, modules, one_vol, transport):
    with of_transport("rdma_vol", transport) as name:
        assert "config.transport" not in host.set_options(name)
        assert modules.gluster.volume_info(name)[name]["transport"] == transport
        said = refuses(states.gluster_one.volume_configured, name, servers=SERVERS, within=5)
        assert said.startswith(f"Volume {name} cannot be started: its transport is {transport}")
        with pytest.raises(AssertionError, match="Commit failed on localhost"):
            host.gluster("volume", "start", name)
        ((what, cure),) = found(modules, name)
        assert what.startswith(f"its transport is {transport}, and Gluster no longer has rdma")
        if transport == "rdma":  # the client waits for good, and has said why
            refusal = modules.gluster_probe.mount_refusal(f"kvm1:/{name}", timeout=6)
            assert refusal["lasts"] and f"volume {name} is reached by rdma alone" in refusal["why"]
        assert f"gluster volume set {name} config.transport tcp" in cure
        host.gluster("volume", "set", name, "config.transport", "tcp")
        host.gluster("volume", "start", name)
        assert host.lets_in(name) and not found(modules, name)
