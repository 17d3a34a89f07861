"""What servers of a pool say and do around an upgrade."""

import os
import pathlib
import subprocess
import tempfile
import time
import types

import pytest
from salt.exceptions import CommandExecutionError

POLICY = "qemu-block-extra:\n  Installed: 1:7.2+dfsg-7\n  Candidate: {}\n  Version table:\n"
SHOW = "Package: qemu-block-extra\nVersion: 1:10.0\nDepends: libc6 (>= 2.38), {}libglib2.0-0\n"


ENDS = "bricks would end with gluster: `keep_bricks: true` in the pillar and gluster_one.glusterd keep them"


class Glusterd:
    """A server's glusterd, its definition of one_vol on disk and in its memory, and its brick, which began at 100."""

    def __init__(self):
        self.options, self.loaded, self.done = {"a.b": "c", "nfs.disable": "on"}, None, []
        self.running, self.kill_mode, self.began, self.stuck = True, "process", 100, False
        self.starts_between = self.ends = False
        self.now = 1000

    def stop(self, service):
        self.done.append(f"stop {service}")
        self.running = self.stuck or self.starts_between
        if self.kill_mode != "process":
            self.began = None

    def take_out(self, volume, options):
        self.done.append((volume, options))
        self.options = {option: value for option, value in self.options.items() if option not in options}

    def restart(self, service):
        self.done.append(f"restart {service}")
        self.running, self.loaded, self.now = True, dict(self.options), self.now + 5
        if self.ends:
            self.began = self.now

    def info(self):
        if not self.running:
            raise CommandExecutionError("no answer")
        return {"one_vol": {"options": self.options if self.loaded is None else self.loaded}}

    def bricks(self, name):
        up = {} if self.began is None else {"kvm1:/b": self.now - self.began}
        return {"up": up, "down": {} if up else {"kvm1:/b": True}}


@pytest.fixture
def server(execution, monkeypatch):
    """The module on a server; what it has done is in server.done."""
    module, glusterd = execution("gluster_upgrade"), Glusterd()
    module.glusterd, module.done = glusterd, glusterd.done
    node = {"errors": [], "glusterd": {"service": "gluster"}, "restart": {"keep_bricks": False},
            "volumes": {"one_vol": {"options": {"network.ping-timeout": 10}}}}  # fmt: skip
    module.node = node
    module.__salt__.update({
        "gluster_repair.membership": lambda: {
            "uuid": "1", "version": "11.1", "running": glusterd.running,
        },
        "glusterd.volumes": lambda: {
            "one_vol": {"options": glusterd.options, "status": None, "bricks": ["x:/a", "y:/b"]}
        },
        "glusterd.service": lambda name="glusterd": {"running": glusterd.running, "kill_mode": glusterd.kill_mode},
        "glusterd.bricks": glusterd.bricks,
        "glusterd.snapshots": lambda: ["daily"],
        "glusterd.take_out": glusterd.take_out,
        "glusterd.restart": glusterd.restart,
        "service.stop": glusterd.stop,
        "gluster.volume_info": glusterd.info,
        "gluster.peer_status": lambda timeout: glusterd.info() and [],
        "gluster_one_pillar.node": lambda: node,
    })  # fmt: skip
    monkeypatch.setattr(module, "time", types.SimpleNamespace(time=lambda: glusterd.now))
    return module


def test_the_view_has_version_and_settings(server):
    found = server.view()
    assert (found["uuid"], found["version"]) == ("1", "11.1")
    assert found["settings"] == {"one_vol": {"a.b": "c", "status": "None", "bricks": "x:/a y:/b"}}
    assert found["lines"] == {"one_vol": {"nfs.disable": "on"}}
    assert found["bricks"] == {"kvm1:/b": 900}
    assert (found["asked"], found["snapshots"], found["ends"]) == ([], ["daily"], None)
    server.glusterd.began = None
    assert server.view()["bricks"] == {"kvm1:/b": None}


def test_what_the_pillar_asks_for_is_in_the_view(server):
    server.node["volumes"]["one_vol"]["options"] = {"nfs.disable": "on"}
    assert server.view()["asked"] == ["nfs.disable"]
    server.node["volumes"]["one_vol"]["options"] = None
    assert server.view()["asked"] == []


def test_an_nfs_server_is_in_the_settings_too(server):
    """To take that line out would change what the volume does."""
    server.glusterd.options["nfs.disable"] = "off"
    found = server.view()
    assert found["settings"]["one_vol"]["nfs.disable"] == "off" == found["lines"]["one_vol"]["nfs.disable"]


def test_whether_bricks_end_is_in_the_view(server):
    server.glusterd.kill_mode = "control-group"
    assert server.view()["ends"] == ENDS
    server.node["restart"]["keep_bricks"] = True
    assert server.view()["ends"] is None
    server.__salt__["glusterd.service"] = lambda name="glusterd": {}
    assert server.view()["ends"] == ENDS, "where systemd says nothing it keeps none"


def test_what_the_running_glusterd_has_counts_and_what_is_on_disk(server):
    """Somebody has edited the file while it ran: it writes the line again."""
    glusterd = server.glusterd
    glusterd.loaded = dict(glusterd.options)
    del glusterd.options["nfs.disable"]
    assert server.lines() == {"one_vol": {"nfs.disable": "on"}}
    assert server.view()["lines"] == server.lines()
    assert server.lines(running=False) == {}
    glusterd.running = False
    assert server.lines() == server.view()["lines"] == {}
    glusterd.running, glusterd.loaded = True, {}
    assert server.lines() == {}
    glusterd.options["nfs.disable"] = "on"
    assert server.lines() == {"one_vol": {"nfs.disable": "on"}}


def test_a_line_is_taken_out_while_glusterd_is_stopped(server):
    assert server.take_out("gluster") is True
    assert server.done == ["stop gluster", ("one_vol", ["nfs.disable"]), "restart gluster"]
    assert server.lines() == {} and server.glusterd.options == {"a.b": "c"}


@pytest.mark.parametrize("converted", [True, False])
def test_a_glusterd_that_a_killed_run_has_left_stopped_is_started(server, converted):
    server.glusterd.running = False
    if converted:
        del server.glusterd.options["nfs.disable"]
    assert server.take_out("gluster") is True
    assert server.done[-1] == "restart gluster" and server.lines() == {}


def test_one_that_somebody_starts_in_between_is_restarted(server):
    """Else it would go on with what it has read before, and write it again."""
    server.glusterd.starts_between = True
    server.__salt__["glusterd.service"] = lambda name="glusterd": {"running": False, "kill_mode": "process"}
    server.take_out("gluster")
    assert server.done[-2:] == [("one_vol", ["nfs.disable"]), "restart gluster"]


def test_whatever_fails_in_between_it_is_started_again(server):
    def failed(volume, options):
        raise OSError("No space left on device")

    server.__salt__["glusterd.take_out"] = failed
    with pytest.raises(OSError, match="No space left"):
        server.take_out("gluster")
    assert server.done == ["stop gluster", "restart gluster"] and server.glusterd.running


def test_one_that_cannot_be_stopped_is_left_with_its_definitions(server):
    server.glusterd.stuck = True
    with pytest.raises(CommandExecutionError, match="gluster could not be stopped, and the definitions are as they"):
        server.take_out("gluster")
    assert server.done == ["stop gluster", "restart gluster"] and "nfs.disable" in server.glusterd.options


def test_a_brick_that_did_not_run_on_is_a_failure(server):
    server.glusterd.ends = True
    with pytest.raises(CommandExecutionError, match="kvm1:/b did not run on while gluster was restarted"):
        server.take_out("gluster")


QUORUM = {"cluster.server-quorum-type": "server"}


@pytest.mark.parametrize(
    "change, text",
    [
        (lambda glusterd: glusterd.options.update(QUORUM), "volume one_vol has a server quorum, and servers that"),
        (lambda glusterd: setattr(glusterd, "kill_mode", "control-group"), f"gluster is not stopped: {ENDS}"),
        (lambda glusterd: setattr(glusterd, "began", None), "gluster is not stopped: kvm1:/b is down"),
    ],
)
def test_no_glusterd_is_stopped_where_that_costs_bricks(server, change, text):
    change(server.glusterd)
    before = dict(server.glusterd.options)
    assert text in server.take_out_error("gluster")
    with pytest.raises(CommandExecutionError) as error:
        server.take_out("gluster")
    assert text in str(error.value) and server.done == [] and server.glusterd.options == before


def test_what_steps_before_would_have_changed_is_not_in_the_way_with_test(server):
    server.glusterd.options.update(QUORUM)
    server.glusterd.kill_mode = "control-group"
    assert server.take_out_error("gluster", True, ["one_vol"]) is None
    assert "server quorum" in server.take_out_error("gluster", True, ["other"])
    assert ENDS in server.take_out_error("gluster", False, ["one_vol"])


def test_one_that_is_stopped_already_is_refused_only_for_a_server_quorum(server):
    server.glusterd.running, server.glusterd.kill_mode, server.glusterd.began = False, "control-group", None
    assert server.take_out_error("gluster") is None
    server.glusterd.options.update(QUORUM)
    assert "server quorum" in server.take_out_error("gluster")


def test_what_waits_to_be_healed(server):
    volumes = {name: {"options": {}, "status": status} for name, status in (("a", "Started"), ("b", "Stopped"))}
    server.__salt__["glusterd.volumes"] = lambda: volumes
    asked = []
    server.__salt__["gluster.snapshot"] = lambda heal: asked.append(heal) or {"heal": {"a": {"pending": 3}}}
    assert server.unhealed() == {"a": 3} and asked == [["a"]]


def test_what_is_down_by_glusters_word(server):
    server.__salt__["gluster_pool.bricks_down"] = lambda name: [f"kvm2:/{name}"]
    assert server.held_for_down() == ["kvm2:/one_vol"]


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
