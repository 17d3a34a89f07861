"""The gluster command as data, on the lab's pool."""

import re
import socket

import pytest
from salt.exceptions import CommandExecutionError, SaltInvocationError

from . import host


@pytest.fixture(scope="module")
def volume(one_vol):
    with host.volume("plain_vol") as name:
        yield name


def test_pool_list_names_every_member(modules):
    pool = modules.gluster.pool_list()
    assert {peer["hostname"] for peer in pool} == {"localhost", "kvm2", "kvm3"}
    assert all(peer["connected"] is True for peer in pool)
    text = host.gluster("pool", "list")
    assert all(peer["uuid"] in text for peer in pool)


def test_pool_list_of_another_server(modules):
    pool = modules.gluster.pool_list(server="kvm2")
    assert {peer["hostname"] for peer in pool} == {"localhost", "kvm1", "kvm3"}
    assert {peer["uuid"] for peer in pool} == {peer["uuid"] for peer in modules.gluster.pool_list()}


def test_pool_list_of_a_server_without_glusterd(modules):
    with pytest.raises(CommandExecutionError, match="glusterd is not running on kvm4.invalid: start it with"):
        modules.gluster.pool_list(server="kvm4.invalid")


def test_volume_info_of_the_replicated_volume(modules, one_vol):
    info = modules.gluster.volume_info(one_vol)
    assert list(info) == [one_vol]
    assert info[one_vol].pop("id") in host.volume_text(one_vol)
    assert info[one_vol].pop("options") == host.set_options(one_vol)
    assert [uuid in host.gluster("pool", "list") for uuid in info[one_vol].pop("servers")] == [True] * 3
    assert info[one_vol] == {
        "type": "Replicate",
        "status": "Started",
        "replica": 3,
        "arbiter": 0,
        "disperse": 0,
        "redundancy": 0,
        "transport": "tcp",
        "bricks": ["kvm1:/data/one_vol", "kvm2:/data/one_vol", "kvm3:/data/one_vol"],
    }


def test_volume_info_of_all_volumes(modules, volume, new_volume):
    created = new_volume("created_vol", start=False)
    volumes = modules.gluster.volume_info()
    assert sorted(volumes) == sorted(host.gluster("volume", "list").split())
    assert volumes[created]["status"] == "Created"
    assert (volumes[volume]["type"], volumes[volume]["replica"]) == ("Distribute", 1)


def test_volume_info_is_kept_within_a_run_until_something_is_set(modules, volume):
    def note(run):
        return modules.gluster.volume_info(volume, run=run)[volume]["options"].get("user.note")

    host.gluster("volume", "set", volume, "user.note", "first")
    assert note("run 1") == "first"
    host.gluster("volume", "set", volume, "user.note", "second")
    assert note("run 1") == "first"
    assert note("run 2") == "second"
    assert note(None) == "second"
    assert note("run 3") == "second"
    modules.gluster.volume_set(volume, {"user.note": "third"})
    assert note("run 3") == "third"


def test_volume_status_has_the_processes(modules, volume):
    (brick,) = modules.gluster.volume_status(volume)
    port = brick.pop("port")
    assert brick == {
        "hostname": "kvm1",
        "path": f"/data/{volume}/0",
        "online": True,
        "pid": host.brick_pids(volume)[volume][0],
    }
    socket.create_connection(("kvm1", int(port)), timeout=5).close()


def test_volume_status_has_the_self_heal_daemons(modules, one_vol):
    status = modules.gluster.volume_status(one_vol)
    assert [row["path"] for row in status if row["hostname"] != "Self-heal Daemon"] == ["/data/one_vol"] * 3
    assert len([row for row in status if row["hostname"] == "Self-heal Daemon"]) == 3


def test_volume_set_sets_several_options_in_one_process(modules, volume):
    before = host.commands()
    wanted = {"storage.owner-uid": 9869, "server.allow-insecure": True, "user.note": "a  b; $(c) 'd'"}
    assert modules.gluster.volume_set(volume, wanted) is True
    (command,) = host.commands()[len(before) :]
    assert command.startswith(f"volume set {volume} ")
    assert host.set_options(volume).items() >= {
        ("storage.owner-uid", "9869"),
        ("server.allow-insecure", "on"),
        ("user.note", "a  b; $(c) 'd'"),
    }


@pytest.mark.parametrize(
    "options, said",
    [
        ({"user.note": "x", "no.such-option": "1"}, "option : no.such-option does not exist"),
        ({"user.note": "x", "performance.quick-read": "perhaps"}, "Validation Failed"),
        ({"user.note": "x", "network.ping-timeout": "soon"}, 'invalid time format "soon"'),
    ],
    ids=["unknown option", "no boolean", "no number"],
)
def test_volume_set_that_gluster_refuses_sets_nothing(modules, volume, options, said):
    before = host.volume_text(volume)
    with pytest.raises(CommandExecutionError, match=said) as failure:
        modules.gluster.volume_set(volume, options)
    assert all(str(word) in str(failure.value) for pair in options.items() for word in pair)
    assert "\n" not in str(failure.value)
    assert host.volume_text(volume) == before


@pytest.mark.parametrize("options", [{}, None, "server.allow-insecure on", ["on"]])
def test_volume_set_of_nothing_is_an_error(modules, volume, options):
    before = host.commands()
    with pytest.raises(SaltInvocationError, match="names and values are needed"):
        modules.gluster.volume_set(volume, options)
    assert host.commands() == before


@pytest.mark.parametrize("function, more", [("volume_status", []), ("volume_set", [{"user.note": "x"}])])
def test_an_unknown_volume_is_said_in_one_line(modules, function, more):
    with pytest.raises(CommandExecutionError) as failure:
        getattr(modules.gluster, function)("no_such_vol", *more)
    assert re.search("(?i)volume (no_such_vol )?does not exist", str(failure.value)), str(failure.value)
    assert "no_such_vol" in str(failure.value) and "\n" not in str(failure.value)


def test_an_unknown_volume_has_no_information(modules):
    assert modules.gluster.volume_info("no_such_vol") == {}


def test_a_volume_that_is_not_started_has_no_status(modules, new_volume):
    created = new_volume("created_vol", start=False)
    with pytest.raises(CommandExecutionError, match=f"Volume {created} is not started"):
        modules.gluster.volume_status(created)


@pytest.mark.parametrize(
    "owner, kind, number", [("oneadmin", "user", 9869), ("oneadmin", "group", 9869), (7, "user", 7), ("7", "group", 7)]
)
def test_owner_id(loaders, owner, kind, number):
    assert loaders.utils["gluster_options.owner_id"](owner, kind) == number


@pytest.mark.parametrize("kind", ["user", "group"])
def test_owner_id_of_nobody(loaders, kind):
    with pytest.raises(SaltInvocationError, match=f"'no-such-one' is not a {kind} of this node"):
        loaders.utils["gluster_options.owner_id"]("no-such-one", kind)


# Heal


def pending(modules, name):
    """How many files of a volume wait to be healed; None when that is not known."""
    return modules.gluster.snapshot(heal=[name])["heal"][name]["pending"]


def test_nothing_to_heal(modules, one_vol, volume):
    assert pending(modules, one_vol) == 0
    assert pending(modules, volume) == 0


def test_files_written_while_a_brick_was_away_wait_to_be_healed(modules, one_vol, tmp_path):
    host.sh("mount", "-t", "glusterfs", f"kvm1:/{one_vol}", tmp_path)
    host.gluster("volume", "set", one_vol, "cluster.self-heal-daemon", "off")
    try:
        host.kill(*host.brick_pids(one_vol)[one_vol])
        host.eventually("the brick is seen to be away", lambda: pending(modules, one_vol) is None)
        (tmp_path / "written").write_text("x")
        host.gluster("volume", "start", one_vol, "force")
        host.eventually("files wait", lambda: (pending(modules, one_vol) or 0) >= 1)
    finally:
        host.gluster("volume", "reset", one_vol, "cluster.self-heal-daemon")
        (tmp_path / "written").unlink()
        host.let_go(tmp_path)
    host.eventually("all is healed", lambda: pending(modules, one_vol) == 0, timeout=60)


def test_the_self_heal_daemons_take_orders(modules, one_vol):
    assert modules.gluster.heal(one_vol) is True


# The lock


def test_a_lock_held_by_another_command_is_waited_for(modules, volume):
    before = host.commands()
    with host.lock_held(volume, 5):
        assert modules.gluster.volume_set(volume, {"user.note": "after the lock"}, timeout=60)
    assert host.set_options(volume)["user.note"] == "after the lock"
    refused = [line for line in host.commands()[len(before) :] if "Another transaction" in line]
    assert [line for line in refused if "volume set" in line], "it never met the lock"


def test_a_lock_that_is_never_released_is_an_error_after_timeout(modules, volume):
    with host.lock_held(volume, 8):
        with host.seconds(7), pytest.raises(CommandExecutionError, match="Another transaction is in progress"):
            modules.gluster.volume_set(volume, {"user.note": "never"}, timeout=2)
    assert host.set_options(volume).get("user.note") != "never"


# Who is connected


def test_a_server_is_one_client_also_where_its_own_name_is_a_loopback_address(modules, one_vol):
    """As Debian's installer writes it into /etc/hosts: it reaches its own brick from 127.0.0.1, others from another."""
    with host.mounted_aside(one_vol):
        there = modules.gluster.connections(one_vol)
        addresses = [{client.rpartition(":")[0] for client, _ in clients} for clients in there.values()]
        assert "127.0.0.1" in addresses[0] and "10.77.1.1" not in addresses[0] and "10.77.1.1" in addresses[1]
        assert modules.gluster.clients_apart(one_vol) == {}
        host.eventually("the pool is settled", lambda: modules.gluster_pool.unsettled_reason() is None)


def test_a_server_s_own_address_is_one_of_its_volume_s(modules):
    servers = ["kvm1", "kvm2", "kvm3"]
    for address in ("10.77.1.1", "10.77.1.2", "127.0.1.1"):
        modules.gluster_fstab.check_servers(f"{address}:/one_vol", [], servers, "is mounted")
    with pytest.raises(CommandExecutionError, match="10.77.0.2 is none of kvm1, kvm2, kvm3"):
        modules.gluster_fstab.check_servers("10.77.0.2:/one_vol", [], servers, "is mounted")


# Quorum


def test_the_pool_s_quorum_ratio_counts_and_is_no_volume_s(modules, states, one_vol):
    host.gluster("volume", "set", one_vol, "cluster.server-quorum-type", "server")
    try:
        said = f"2 of 3 servers are connected, too few for volume {one_vol}'s server quorum"
        for ratio, blocked in (("66%", False), ("67%", True)):
            host.gluster("volume", "set", "all", "cluster.server-quorum-ratio", ratio)
            blockers = modules.gluster_pool.stop_blockers({"kvm2": ["kvm2"]}, restart=True)
            assert (f"without it {said}" in blockers) is blocked, (ratio, blockers)
            assert modules.glusterd.volumes()[one_vol]["options"]["cluster.server-quorum-ratio"] == ratio
        before = host.volume_text(one_vol)
        run = states.gluster_one.volume_configured(one_vol, options={"server-quorum-ratio": "50%", "user.note": "x"})
        assert run.result is False and "run `gluster volume set all cluster.server-quorum-ratio 50%`" in run.comment
        assert host.volume_text(one_vol) == before
    finally:
        host.gluster("volume", "reset", "all")
        host.gluster("volume", "reset", one_vol, "cluster.server-quorum-type")
