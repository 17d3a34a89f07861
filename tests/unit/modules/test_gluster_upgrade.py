"""What servers of a pool say and do around an upgrade."""

import os
import pathlib
import subprocess
import tempfile
import time

import pytest
from salt.exceptions import CommandExecutionError

POLICY = "qemu-block-extra:\n  Installed: 1:7.2+dfsg-7\n  Candidate: {}\n  Version table:\n"
SHOW = "Package: qemu-block-extra\nVersion: 1:10.0\nDepends: libc6 (>= 2.38), {}libglib2.0-0\n"


@pytest.fixture
def server(execution):
    """The module on a server; what it has done is in server.done."""
    module = execution("gluster_upgrade")
    module.done = []
    module.__salt__.update({
        "gluster_repair.membership": lambda: {"uuid": "1", "version": "11.1"},
        "glusterd.volumes": lambda: {"one_vol": {"options": {"a.b": "c"}, "status": None, "bricks": ["x:/a", "y:/b"]}},
    })  # fmt: skip
    return module


def test_the_view_has_version_and_settings(server):
    found = server.view()
    assert (found["uuid"], found["version"]) == ("1", "11.1")
    assert found["settings"] == {"one_vol": {"a.b": "c", "status": "None", "bricks": "x:/a y:/b"}}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("user, counts", [(0, True), (65534, False)])
def test_a_program_of_root_that_was_replaced_while_it_runs(server, user, counts):
    with tempfile.TemporaryDirectory() as directory:
        program = pathlib.Path(directory, "glusterfsd")
        program.write_bytes(pathlib.Path("/bin/sleep").read_bytes())
        for path in (program, program.parent):
            path.chmod(0o755)
        process = subprocess.Popen([program, "60"], user=user)
        try:
            time.sleep(0.2)
            before = server._replaced()
            os.unlink(program)
            assert ("glusterfsd" in server._replaced()) is counts
            assert "glusterfsd" not in before
        finally:
            process.kill()
            process.wait()


@pytest.fixture
def apt(server, monkeypatch):
    """apt(candidate, depends): what the driver's package is then."""

    def look(candidate="1:10.0", depends="", access="native", roles=("hypervisor",)):
        node = {"roles": list(roles), "volumes": {"one_vol": {"access": [access]}}}
        answers = {"policy": POLICY.format(candidate), "show": SHOW.format(depends)}
        server.__salt__["gluster_one_pillar.node"] = lambda: node
        server.__salt__["cmd.run_all"] = lambda command, **more: {"stdout": answers[command[1]]}
        server.__utils__["gluster_system.package"] = lambda key: "qemu-block-extra"
        return server.driver()

    monkeypatch.setattr(server.salt.utils.path, "which", lambda name: f"/usr/bin/{name}")
    return look


def test_whether_the_next_qemu_has_the_driver(apt):
    found = {"needed": True, "package": "qemu-block-extra", "candidate": "1:10.0", "gluster": True}
    assert apt(depends="libgfapi0 (>= 5.1), ") == found
    assert apt() == {**found, "gluster": False}


@pytest.mark.parametrize("candidate", ["(none)", "1:7.2+dfsg-7"])
def test_where_apt_knows_nothing_newer(apt, candidate):
    assert apt(candidate)["candidate"] is None


def test_who_does_not_need_the_driver(apt):
    assert apt(access="fuse")["needed"] is False
    assert apt(roles=["server"])["needed"] is False


def test_the_versions_of_the_protocol(server):
    server.__salt__.update({
        "gluster.volume_info": lambda: {"one_vol": {"status": "Started"}, "off": {"status": "Stopped"}},
        "glusterd.info": lambda: {"operating_version": 100000},
        "gluster.max_op_version": lambda: 110000,
        "gluster.client_versions": lambda name: {"10.0.0.1": 110000},
    })  # fmt: skip
    assert server.op_versions() == {"pool": 100000, "most": 110000, "clients": {"one_vol": {"10.0.0.1": 110000}}}


def test_the_protocol_is_set_when_all_are_members(server):
    apart = ["kvm1 sees kvm2 as 'Peer Rejected'", None]
    server.__salt__["gluster_pool.peers_apart"] = lambda: apart.pop(0)
    server.__salt__["gluster.volume_set"] = lambda *words: server.done.append(words) or True
    with pytest.raises(CommandExecutionError, match="cluster.op-version was not set: kvm1 sees kvm2 as"):
        server.set_op_version(110000)
    assert server.done == []
    assert server.set_op_version(110000) is True
    assert server.done == [("all", {"cluster.op-version": 110000}, 120)]
