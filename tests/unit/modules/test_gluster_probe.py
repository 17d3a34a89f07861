"""Why a client could not have its volume, by what it has logged (Gluster 10.3)."""

import os
import subprocess

import pytest

LINE = "[2026-11-30 04:02:52.549782 +0000] E [{}\n"
SETVOLUME = "0-v-client-0: SETVOLUME on remote-host failed [{"
SHUT = LINE.format("fuse-bridge.c:6552:notify] 0-fuse: Server authentication failed. Shutting down.")
NO_SUB = LINE.format(
    f'{SETVOLUME}remote-error=subdirectory for mount "/sub" is not found}}, {{errno=2}}, {{error=No such file}}] '
)
REJECTED = LINE.format(f"{SETVOLUME}remote-error=Authentication failed}}, {{errno=13}}, {{error=Permission denied}}] ")
NO_VOLUME = LINE.format("mgmt.c:2170:mgmt_getspec_cbk] 0-glusterfs: failed to get the 'volume file' from server")
NO_VOLUME += LINE.format("mgmt.c:2371:mgmt_getspec_cbk] 0-mgmt: failed to fetch volume file (key:/one_vol)")
NATIVE = LINE.format("glfs_mgmt_getspec_cbk] 0-gfapi: failed to get the volume file [{from server}, {errno=2}, {error=")
ROOT = LINE.format("fuse_first_lookup] 0-fuse: first lookup on root failed (Transport endpoint is not connected)")
NO_PORT = LINE.format(
    "client_query_portmap_cbk] 0-v-client-0: failed to get the port number for remote subvolume. Please run gluster "
    "volume status on server to see if brick process is running [] "
)
NO_CERT = LINE.format(
    "ssl_setup_connection_params] 0-v-client-0: could not load our cert at /usr/lib/ssl/glusterfs.pem"
)
NO_RDMA = LINE.format("rpc_transport_load] 0-rpc-transport: volume 'v-client-0': transport-type 'rdma' is not valid or")
CLOSED = LINE.format(
    "client.c:1290:client_dump_version_cbk] 0-v-client-0: received RPC status error, returning ENOTCONN"
)
ENDED = LINE.format("rpc-clnt-ping.c:210:rpc_clnt_ping_cbk] 0-v-client-0: socket disconnected")
BROKEN = LINE.format(
    "socket.c:2578:socket_connect_finish] 0-v-client-0: connection to 10.77.1.2:58387 failed (Broken pipe)"
)
NO_NAME = LINE.format("name.c:267:af_inet_client_get_remote_sockaddr] 0-v-client-0: DNS resolution failed on host kvm9")


@pytest.fixture
def refusal(execution, monkeypatch):
    """refusal(log, device, low=...): the reason, where a trial from a port of root's goes like that."""

    def run(log, device="kvm1:/one_vol", low=False):
        tried = []
        utils = {"gluster_hosts.address_towards": lambda host: f"10.0.0.9 to {host}"}
        module = execution("gluster_probe", __utils__=utils)
        monkeypatch.setattr(module, "can_mount", lambda *words: tried.append(words) or low)
        found = module.refusal(log, device)
        assert tried == ([(device, [module.LOW_PORT])] if "SETVOLUME" in log and "sub" not in log else [])
        return found

    return run


@pytest.mark.parametrize(
    "log, said, lasts",
    [
        (NO_SUB + SHUT, "volume one_vol has no directory /sub", True),
        (NO_VOLUME, "volume one_vol on kvm1: no such volume", True),
        (NATIVE, "volume one_vol on kvm1: no such volume", True),
        (NO_CERT + ROOT, "client.ssl of volume one_vol is on, and this node has no such key or certificate for it: "
                         "cert at /usr/lib/ssl/glusterfs.pem", True),
        (NO_RDMA, "volume one_vol is reached by rdma alone, which Gluster of this node does not have", True),
        (CLOSED + ENDED, "bricks of volume one_vol close the connection: their TLS is not this node's", True),
        (BROKEN + ROOT, "bricks of volume one_vol close the connection: their TLS is not this node's", True),
        (CLOSED, "server.allow-insecure of volume one_vol is off", False),
        (NO_NAME + ROOT, "kvm9 cannot be resolved here", False),
        (NO_PORT + ROOT, "the volume is not started, or bricks of it are down", False),
        (ROOT, "", False),
        ("", "", False),
    ],
)  # fmt: skip
def test_why_a_client_has_not_got_its_volume(refusal, log, said, lasts):
    found = refusal(log, "kvm1,kvm2:/one_vol/sub" if "sub" in said else "kvm1:/one_vol")
    assert (found["why"], found["lasts"]) == (said, lasts)
    assert bool(found["cure"]) == bool(said) and "{" not in found["cure"]


@pytest.mark.parametrize(
    "status, log, why",
    [(0, "", None), (1, NO_PORT, "the volume is not"), (124, NO_RDMA, "is reached by rdma"), (124, NO_NAME, ""),
     (124, REJECTED, "")],
)  # fmt: skip
def test_a_client_that_waits_for_good_has_said_why(execution, status, log, why):
    """Of one that was ended only what stays so counts: it might have been mounted a moment later."""
    ran = []
    salt = {"cmd.run_all": lambda words, **more: ran.append((words, more)) or {"retcode": status, "stdout": log}}
    module = execution("gluster_probe", __salt__=salt)
    found = module.mount_refusal("kvm1:/v", ["acl"], timeout=6)
    assert found is why if why is None else (bool(found["why"]), why in found["why"]) == (bool(why), True)
    ((words, more),) = ran
    assert more["timeout"] == 6 and any("LIMIT=4; " in word for word in words)


@pytest.mark.parametrize(
    "logs, why, lasts",
    [([ENDED, ENDED], "their TLS is not", True), ([ENDED, NO_PORT], "bricks of it are down", False),
     ([BROKEN, None], None, None)],
)  # fmt: skip
def test_a_brick_that_closes_the_connection_once_may_just_have_ended(execution, logs, why, lasts):
    """Of server.ssl alone a client without TLS says the same."""
    logs = list(logs)

    def run_all(words, **more):
        log = logs.pop(0)
        return {"retcode": int(log is not None), "stdout": log or ""}

    found = execution("gluster_probe", __salt__={"cmd.run_all": run_all}).mount_refusal("kvm1:/v")
    assert logs == []
    assert found is None if why is None else (why in found["why"], found["lasts"]) == (True, lasts)


@pytest.mark.parametrize("low", [True, False])
def test_by_which_option_a_client_is_rejected(refusal, low):
    found = refusal(REJECTED + SHUT, low=low)
    assert found["why"].startswith("the bricks reject this node") and not found["lasts"]
    assert ("server.allow-insecure" in found["why"], "10.0.0.9 to kvm1: auth.allow" in found["why"]) == (
        low,
        not low,
    )
    assert ("gluster_one.restart" in found["cure"], "put 10.0.0.9 to kvm1 there" in found["cure"]) == (low, not low)


@pytest.mark.parametrize(
    "bricks, has", [(["kvm1:-data-one_vol", "KVM2:-data"], True), (["kvm1:-data"], False), (None, False)]
)
def test_a_server_needs_its_loopback_address_too(execution, monkeypatch, tmp_path, bricks, has):
    module = execution("gluster_probe", __utils__={"gluster_hosts.own_names": lambda: {"kvm2"}})
    monkeypatch.setattr(module, "VOLFILES", str(tmp_path))
    for brick in bricks or ():
        (tmp_path / "one_vol/bricks").mkdir(parents=True, exist_ok=True)
        (tmp_path / "one_vol/bricks" / brick).touch()
    assert module._has_brick("one_vol") is has


@pytest.mark.parametrize("name, number", [("fuseblk", "65735546"), ("fuse", "65735546"), ("tmpfs", "1021994")])
def test_a_mount_that_is_none_counts_as_failed(execution, monkeypatch, tmp_path, name, number):
    """As mount.glusterfs may exit with 0 all the same; Debian 12 calls FUSE fuseblk, Debian 13 fuse."""
    for program, line in (("mount", ":"), ("stat", f"case $* in *%T*) echo {name};; *%t*) echo {number};; esac")):
        (tmp_path / program).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / program).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    done = subprocess.run(["sh", "-c", execution("gluster_probe").MOUNT, "sh", "kvm1:/v", ""], cwd=tmp_path)
    assert (done.returncode == 0) == (name != "tmpfs")
