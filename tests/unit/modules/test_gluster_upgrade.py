"""What servers of a pool say and do around an upgrade."""

import os
import pathlib
import subprocess
import time

import pytest
from salt.exceptions import CommandExecutionError

MEMBER, REJECTED = "Peer in Cluster", "Peer Rejected"
POLICY = "qemu-block-extra:\n  Installed: 1:7.2+dfsg-7\n  Candidate: {}\n  Version table:\n"
SHOW = "Package: qemu-block-extra\nVersion: 1:10.0\nDepends: libc6 (>= 2.38), {}libglib2.0-0\n"


INFO = "type=2\nversion={}\nstatus=1\n{}network.ping-timeout=10\n"


@pytest.fixture
def server(execution, tmp_path):
    """The module on a server; what it has done is in server.done, who takes it for a member in server.members."""
    module = execution("gluster_upgrade")
    module.done, module.members, module.version, module.kept = [], ["1"], 7, "process"
    module.INFO = f"{tmp_path}/{{}}"
    module.info = tmp_path / "one_vol"
    module.info.write_text(INFO.format(7, "nfs.disable=on\n"))

    def wait_for(look, timeout, failure, cure):
        seen = look()
        if seen:
            raise CommandExecutionError(f"{failure} within {timeout} s (last seen: {seen}){cure}")

    module.__salt__.update({
        "gluster_repair.view": lambda: {"uuid": "1"},
        "glusterd.volumes": lambda: {"one_vol": {"options": {"a.b": "c"}, "status": None, "bricks": ["x:/a", "y:/b"]}},
        "glusterd.bricks": lambda name: {"up": ["x:/a"]},
        "glusterd.service": lambda service: {"running": True, "kill_mode": module.kept},
        "glusterd.definitions": lambda: {"one_vol": {"version": module.version}},
        "glusterd.restart": lambda service: module.done.append((f"start {service}", module.info.read_text())),
        "service.stop": lambda service: module.done.append((f"stop {service}", module.info.read_text())) or True,
        "gluster.peer_status": lambda: [
            {"uuid": uuid, "hostnames": [f"kvm{uuid}"], "state": MEMBER if uuid in module.members else REJECTED,
             "connected": uuid in module.members}
            for uuid in "12"
        ],
    })  # fmt: skip
    module.__utils__["gluster_states.wait_for"] = wait_for
    return module


def test_the_view_has_version_and_settings(server, monkeypatch):
    said = {"stdout": "glusterfs 11.1\nRepository revision: x"}
    server.__salt__["cmd.run_all"] = lambda command, **more: said
    monkeypatch.setattr(server.salt.utils.path, "which", lambda name: f"/usr/sbin/{name}")
    found = server.view()
    assert (found["uuid"], found["version"]) == ("1", "11.1")
    assert found["settings"] == {"one_vol": {"a.b": "c", "status": "None", "bricks": "x:/a y:/b"}}
    said["stdout"] = "what?"
    assert server.view()["version"] is None


def test_a_program_that_was_replaced_while_it_runs(server, tmp_path):
    program = tmp_path / "glusterfsd"
    program.write_bytes(pathlib.Path("/bin/sleep").read_bytes())
    program.chmod(0o755)
    process = subprocess.Popen([program, "60"])
    try:
        time.sleep(0.2)
        before = server._replaced()
        os.unlink(program)
        assert "glusterfsd" in server._replaced()
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


def test_a_definition_is_converted_while_glusterd_is_stopped(server):
    before, after = server.info.read_text(), INFO.format(7, "")
    assert server.conversion_changes({"one_vol": 7}) == {
        "one_vol": {"old": "version 7, nfs.disable=on", "new": "version 7"}
    }
    assert server.convert({"one_vol": 7}, ["1"]) is True
    assert server.done == [("stop glusterd", before), ("start glusterd", after)]
    assert server.conversion_changes({"one_vol": 7}) == {}
    assert server.convert({"one_vol": 9}, []) is True
    assert server.info.read_text() == INFO.format(9, "")


def test_whoever_should_take_it_for_a_member_and_does_not_is_named(server):
    with pytest.raises(CommandExecutionError, match="not taken for a member within 5 s .last seen: kvm2 is 'Peer Rej"):
        server.convert({"one_vol": 7}, ["1", "2"], timeout=5)


def test_what_differs_in_more_is_kept(server):
    """Of NFS that is used, and of a definition that has become newer."""
    server.info.write_text(INFO.format(7, "nfs.disable=off\n"))
    assert server.conversion_changes({"one_vol": 7}) == {}
    server.version = 8
    with pytest.raises(CommandExecutionError, match="one_vol has been changed meanwhile: run the same"):
        server.convert({"one_vol": 7}, [])
    assert server.done == []


def test_glusterd_is_not_stopped_at_the_cost_of_bricks(server):
    server.kept = "control-group"
    for stop in (server.hold, lambda: server.convert({"one_vol": 7}, [])):
        with pytest.raises(CommandExecutionError, match="glusterd was not stopped: x:/a would end with it; `keep_bri"):
            stop()
    assert server.done == []
    server.kept = "process"
    assert server.hold() is True and server.done[0][0] == "stop glusterd"


@pytest.mark.parametrize(
    "pending, said",
    [(0, None), (3, "3 files of volume one_vol wait to be healed"), (None, "it is not known what waits to be healed")],
)
def test_what_waits_to_be_healed(server, pending, said):
    volumes = {"one_vol": {"status": "Started"}, "off": {"status": "Stopped"}}
    server.__salt__["gluster.snapshot"] = lambda heal: {"volumes": volumes, "heal": {"one_vol": {"pending": pending}}}
    found = server.unhealed(["one_vol", "off"])
    assert found is None if said is None else found.startswith(said)


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
