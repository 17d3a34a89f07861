"""The state gluster_one.volume_configured."""

import re
from pathlib import Path

import pytest

from . import host
from .runs import fails, four_runs, idle, refuses

GUIDE = {
    "server.allow-insecure": {"old": None, "new": "on"},
    "storage.owner-uid": {"old": None, "new": "9869"},
    "storage.owner-gid": {"old": None, "new": "9869"},
}
RECORD = "user.gluster_one.set"


@pytest.fixture
def configured(states):
    return states.gluster_one.volume_configured


@pytest.fixture(scope="module")
def _volume(one_vol):
    with host.volume("state_vol") as name:
        yield name


@pytest.fixture
def volume(_volume):
    """A started volume with Gluster's own options."""
    host.gluster("volume", "reset", _volume)
    return _volume


def test_what_the_guide_asks_for(configured, volume):
    host.gluster("volume", "set", volume, "server.allow-insecure", "off")
    before = host.commands()
    run = four_runs(configured, volume)
    assert run.changes == {**GUIDE, "server.allow-insecure": {"old": "off", "new": "on"}}
    assert "server.allow-insecure: off -> on, storage.owner-uid: 9869" in run.comment
    (command,) = host.commands()[len(before) :]
    assert command.startswith(f"volume set {volume} ")
    record = "server.allow-insecure=on<off storage.owner-uid=9869< storage.owner-gid=9869<"
    assert host.set_options(volume)[RECORD] == record and RECORD in command


def test_an_option_that_was_never_set_has_no_old_value(configured, volume):
    run = four_runs(configured, volume, options={"network.ping-timeout": 10})
    assert run.changes == {**GUIDE, "network.ping-timeout": {"old": None, "new": "10"}}


def test_options_of_others_survive_byte_for_byte(configured, volume):
    theirs = {"user.note": "a  b; c", "auth.allow": "10.*,192.168.0.1", "performance.cache-size": "64MB"}
    by_hand(volume, theirs)
    before = host.set_options(volume)
    assert configured(volume).result is True
    after = host.set_options(volume)
    assert {key: after[key] for key in before} == before
    assert after.keys() - before.keys() == {*GUIDE, RECORD}


def test_owner_by_number_and_by_other_name(configured, volume):
    assert configured(volume, uid=7, gid="daemon").result is True
    assert host.set_options(volume)["storage.owner-uid"] == "7"
    assert host.set_options(volume)["storage.owner-gid"] == "1"


def test_an_option_of_the_guide_is_overridden_by_name(configured, volume):
    options = {"storage.owner-uid": 0, "server.allow-insecure": False}
    assert set(configured(volume, options=options).changes) == GUIDE.keys()
    assert host.set_options(volume)["storage.owner-uid"] == "0"
    assert host.set_options(volume)["server.allow-insecure"] == "off"


def test_one_difference_is_one_change(configured, volume):
    assert configured(volume).result is True
    record = host.set_options(volume)[RECORD]
    host.gluster("volume", "set", volume, "storage.owner-gid", "7")
    before = host.commands()
    run = configured(volume)
    assert len(host.commands()) == len(before) + 1
    assert run.changes == {"storage.owner-gid": {"old": "7", "new": "9869"}}
    assert host.set_options(volume)[RECORD] == record


def test_an_option_that_is_not_asked_for_any_more_is_what_it_was_before(configured, volume):
    by_hand(volume, {"network.ping-timeout": "30", "performance.io-cache": "on"})
    asked = {"network.ping-timeout": 10, "performance.quick-read": False}
    assert configured(volume, options=asked).result is True
    run = four_runs(configured, volume)
    back = {"network.ping-timeout": {"old": "10", "new": "30"}, "performance.quick-read": {"old": "off", "new": None}}
    assert run.changes == back
    left = host.set_options(volume)
    assert (left["network.ping-timeout"], left["performance.io-cache"]) == ("30", "on")
    assert "performance.quick-read" not in left and "timeout" not in left[RECORD]


def by_hand(volume, options):
    host.gluster("volume", "set", volume, *[word for pair in options.items() for word in pair])


SPELLINGS = [
    ("performance.quick-read", "enable", True),
    ("performance.io-cache", "1", "on"),
    ("performance.read-ahead", "True", "enable"),
    ("performance.stat-prefetch", "on", 1),
    ("performance.write-behind", "YES", "true"),
    ("performance.readdir-ahead", "disable", False),
    ("performance.nl-cache", "0", "off"),
    ("performance.parallel-readdir", "False", "disable"),
    ("features.shard", "off", 0),
    ("cluster.lookup-optimize", "NO", "false"),
    ("performance.cache-size", "1GB", "1024MB"),
    ("performance.cache-max-file-size", "64MB", 67108864),
    ("performance.write-behind-window-size", "2MB", "2mb"),
    ("features.shard-block-size", "65536KB", "64MB"),
    ("network.ping-timeout", "10", 10),
    ("auth.reject", "10.9.0.1, 10.9.0.2", "10.9.0.2 ,10.9.0.1"),
    ("cluster.min-free-disk", "10%", 10),
    ("cluster.heal-timeout", "0x10", 16),
    ("diagnostics.brick-log-level", "INFO", "info"),
    ("performance.cache-min-file-size", "64KB", "64k"),
    ("network.frame-timeout", "1min", "60s"),
]


def test_every_spelling_of_a_value_is_equal(configured, volume):
    assert configured(volume).result is True
    by_hand(volume, {option: there for option, there, _ in SPELLINGS})
    idle(configured, volume, options={option: wanted for option, _, wanted in SPELLINGS})
    change = {"network.ping-timeout": {"old": "10", "new": "11"}}
    assert configured(volume, options={"ping-timeout": 11}).changes == change
    idle(configured, volume, options={"ping-timeout": 11})


def test_what_shards_mean_for_files_that_are_there_is_said(configured, volume):
    for options, said in (
        ({"features.shard": True}, "those that the volume holds stay whole, and it cannot be turned off again"),
        ({"shard-block-size": "128MB"}, "files that are split already keep the size of their shards"),
    ):
        run = configured(volume, options=options, test=True)
        assert run.result is None and said in run.comment
        assert said not in configured(volume, test=True).comment


def test_the_guide_s_own_option_by_hand(configured, volume):
    assert configured(volume).result is True
    for allow in ("enable", "1", "True", "on"):
        by_hand(volume, {"server.allow-insecure": allow})
        assert configured(volume, test=True).changes == {}
    assert host.set_options(volume)["server.allow-insecure"] == "on"


def test_sizes_that_differ(configured, volume):
    host.gluster("volume", "set", volume, "performance.cache-size", "1GB")
    changes = configured(volume, options={"performance.cache-size": "1000MB"}, test=True).changes
    assert changes["performance.cache-size"] == {"old": "1GB", "new": "1000MB"}


# What is wrong


@pytest.mark.parametrize("key, kind", [("uid", "user"), ("gid", "group")])
def test_no_such_account(configured, volume, key, kind):
    assert f"'no-such-one' is not a {kind} of this node" in refuses(configured, volume, **{key: "no-such-one"})


@pytest.mark.parametrize(
    "options, said",
    [
        ({"no.such-option": 1}, "option : no.such-option does not exist"),
        ({"network.ping-timeout": "soon"}, 'invalid time format "soon"'),
        ({"performance.quick-read": "perhaps"}, "Validation Failed"),
    ],
)
def test_what_gluster_refuses_is_an_error_and_nothing_is_set(configured, volume, options, said):
    before = host.volume_text(volume)
    run = fails(configured, volume, within=20, options=options)
    assert said in run.comment
    assert run.changes == {}
    assert host.volume_text(volume) == before


@pytest.mark.parametrize("options", ["network.ping-timeout", ["network.ping-timeout"]])
def test_options_that_are_none(configured, volume, options):
    assert f"options is {options!r}" in refuses(configured, volume, options=options)


@pytest.mark.parametrize("options", [{"user.note": "a\nauth.allow=10.9.*"}, {"user.note\nb": "1"}, {"user.note": ""}])
def test_no_line_is_broken(configured, volume, options):
    assert f"options is {options!r}: " in refuses(configured, volume, options=options)


# Who would be shut out


def test_auth_allow_without_the_others_of_the_pool(configured, one_vol):
    """Their self-heal daemons are connected; the mounts of such servers would vanish."""
    said = refuses(configured, one_vol, options={"auth.allow": "10.77.1.1"})
    assert "kvm2 (10.77.1.2), connected now; kvm3 (10.77.1.3), connected now" in said
    assert "kvm2 (10.77.1.2), connected now" in refuses(configured, one_vol, options={"auth.reject": "kvm2"})
    # To Gluster this network begins and ends elsewhere than it says.
    assert "'10.77.1.0/30', and whom it means cannot be judged" in refuses(
        configured, one_vol, options={"auth.allow": "10.77.1.0/30"}
    )


def test_a_server_that_is_not_connected(configured, volume):
    said = refuses(configured, volume, options={"auth.allow": "10.77.1.1"})
    assert "the server kvm2 (10.77.1.2); the server kvm3 (10.77.1.3); add them to it" in said
    # All of the pool; and the head, once the pillar has it among the servers.
    allowed = {"auth.allow": "10.77.1.*"}
    assert configured(volume, test=True, options=allowed).result is None
    assert "the server head (10.77.0.2)" in refuses(configured, volume, options=allowed, servers=["kvm1", "head"])


def test_whom_an_option_of_before_keeps_out_is_a_warning(configured, volume):
    assert not configured(volume, servers=["kvm1", "kvm2", "kvm3"]).warnings
    by_hand(volume, {"auth.allow": "10.77.1.3"})
    run = configured(volume, servers=["kvm1", "kvm2", "kvm3"])
    assert run.result is True
    (warning,) = run.warnings
    assert warning.startswith("auth.allow 10.77.1.3 keeps out the server kvm2 (10.77.1.2): add them to it, and 127")


@pytest.fixture
def client(volume, tmp_path):
    """A mount of the volume."""
    host.sh("mount", "-t", "glusterfs", f"kvm1:/{volume}", tmp_path)
    yield tmp_path
    host.sh("umount", "--lazy", tmp_path)


def test_all_who_are_let_in_go_on(configured, volume, client):
    options = {"auth.allow": "kvm1, 10.77.1.2,10.77.1.3", "auth.reject": "10.9.*"}
    four_runs(configured, volume, options=options)
    (client / "made").touch()


def test_the_loopback_address_by_which_a_server_s_own_brick_sees_it(configured, volume, tmp_path):
    """Whatever else is accepted: a mount with another server's glusterd would vanish."""
    servers = ["kvm2", "kvm1", "kvm3"]
    seen = "kvm1 (127.0.0.1, by which its own brick sees it), connected now"
    host.sh("mount", "-t", "glusterfs", f"kvm2:/{volume}", tmp_path)
    try:
        for options in ({"auth.allow": "10.77.*"}, {"auth.allow": "kvm1,kvm2,kvm3"}, {"auth.reject": "127.0.0.1"}):
            assert seen in refuses(configured, volume, options=options, servers=servers)
        by_hand(volume, {"auth.allow": "10.77.*,127.0.0.1", "auth.reject": "127.0.1.1"})
        run = configured(volume, options={"auth.allow": "10.77.*,localhost"}, servers=servers)
        assert run.result is True and run.changes
        (tmp_path / "made").touch()
        by_hand(volume, {"auth.allow": "10.77.*"})
        host.eventually("what was refused shuts it out", lambda: not host.answers(tmp_path))
    finally:
        host.sh("umount", "--lazy", tmp_path, check=False)


@pytest.mark.parametrize(
    "options",
    [
        {"server.allow-insecure": False},
        {"features.read-only": True},
        {"server.all-squash": "enable"},
        {"client.ssl": "on"},
    ],
)
def test_what_stops_those_who_are_connected(configured, volume, client, options):
    (option,) = options
    said = refuses(configured, volume, options=options)
    assert option in said and ("10.77.1.1" in said or option == "client.ssl")
    (client / "made").touch()


# Waiting


def test_a_volume_that_is_started_later_is_waited_for(configured, new_volume):
    name = new_volume("created_vol", start=False)
    predicted = configured(name, test=True)
    assert predicted.result is None
    with host.later(1, f"gluster --mode=script volume start {name} >/dev/null"):
        run = configured(name)
    assert run.result is True, run.comment
    assert run.changes == predicted.changes


def test_a_volume_that_is_never_started_is_an_error_after_timeout(configured, new_volume):
    name = new_volume("created_vol", start=False)
    run = fails(configured, name, timeout=2, within=8)
    assert f"Volume {name} was not started" in run.comment
    assert "within 2 s (last seen: Created)" in run.comment
    assert run.changes == {}


def test_a_volume_that_is_not_there_is_said_at_once(configured):
    said = refuses(configured, "no_such_vol", within=5)
    assert said.startswith("There is no volume no_such_vol in the pool of this server: see `gluster volume list`")


def test_the_lock_of_another_command_delays_and_does_not_fail(configured, volume):
    with host.lock_held(volume, 6):
        run = configured(volume)
    assert run.result is True, run.comment
    assert run.changes == GUIDE


def test_a_peer_that_does_not_answer_is_an_error_after_timeout(configured, volume):
    with host.lock_held(volume, 9):  # by a command that waits for it
        run = fails(configured, volume, timeout=2, within=8)
    assert "were not touched: a peer was not connected within 2 s (last seen: kvm2 silent at port 24007)" in run.comment
    assert run.changes == {}


# Exit status is no proof

# It carries the command out, and says otherwise.
LYING = """\
#!/bin/sh
/usr/sbin/gluster.hidden "$@" >/run/said
case "$*" in
*' volume set '*) echo 'Error : Request timed out' >&2; exit 1;;
*) cat /run/said;;
esac
"""


def test_what_was_reported_as_failed_but_done_is_a_change_with_a_remark(configured, volume):
    with host.hidden("/usr/sbin/gluster"):
        Path("/usr/sbin/gluster").write_text(LYING)
        Path("/usr/sbin/gluster").chmod(0o755)
        run = configured(volume)
        assert (run.result, run.changes) == (True, GUIDE), run.comment
        assert "; Gluster said gluster volume set state_vol" in run.comment and "Request timed out" in run.comment
        idle(configured, volume)
    assert host.set_options(volume).items() >= {"server.allow-insecure": "on", "storage.owner-uid": "9869"}.items()


def test_bricks_that_all_refuse_are_started_anew(configured, closed):
    run = four_runs(configured, closed)
    assert set(run.changes) == set(GUIDE)
    assert "; all its bricks rejected clients, so no client was connected, and they were restarted" in run.comment
    assert host.lets_in(closed)


def test_a_brick_that_alone_refuses_is_named(configured, closed):
    assert configured(closed).result is True
    host.sh("pkill", "-9", "-f", f"glusterfsd .*--brick-name /data/{closed}/1 ")
    host.gluster("volume", "set", closed, "server.allow-insecure", "off")
    host.gluster("volume", "start", closed, "force")
    host.eventually("the brick is back", lambda: host.bricks_online(closed))
    run = fails(configured, closed, within=20)
    assert set(run.changes) == {"server.allow-insecure"}, "it was set"
    assert (
        f"Bricks of volume {closed} did not accept non-root clients within 3 s (last seen: kvm1:/data/{closed}/1), "
        "started while server.allow-insecure was off: apply gluster_one.restart to the servers of these bricks"
    ) in run.comment
    # The next run still says so, although no option differs, until it is restarted.
    assert configured(closed, test=True).changes == {
        "bricks": {"old": f"reject clients: kvm1:/data/{closed}/1", "new": "accept clients"}
    }
    assert configured(closed).result is False


@pytest.mark.parametrize("stopped", [True, False], ids=["stopped", "set"])
def test_a_run_that_was_ended_half_way_is_taken_up(configured, closed, modules, stopped):
    """A run that sets the option notes the volume, before; it may be ended behind that, or while it has it stopped."""
    modules.data.update(f"gluster_one.closed:{closed}", True)
    host.gluster("volume", "set", closed, "server.allow-insecure", "on", "storage.owner-uid", "9869")
    host.gluster("volume", "set", closed, "storage.owner-gid", "9869")
    if stopped:
        host.gluster("volume", "stop", closed)
    run = configured(closed)
    assert run.result is True, run.comment
    assert host.bricks_online(closed) and host.lets_in(closed)
    idle(configured, closed)


# Which volume it is


@pytest.fixture
def record():
    """The file in which the host records which volumes it knows, not there before and after."""
    path = Path("/var/lib/gluster_one/record.json")
    yield path
    path.unlink(missing_ok=True)


def identifier(name):
    return re.search(r"^Volume ID: (\S+)$", host.volume_text(name), re.MULTILINE)[1]


def test_a_volume_that_was_made_anew_is_another_until_the_pillar_has_it(states, modules, new_volume, record):
    known = states.gluster_one.volume_known
    first = identifier(new_volume("known_vol", start=False))
    run = four_runs(known, "known_vol", server=True, paths=[record])
    assert run.changes == {"known_vol": {"old": None, "new": first}}
    assert (record.stat().st_uid, record.stat().st_mode & 0o777, record.parent.stat().st_mode & 0o777) == (
        0,
        0o644,
        0o755,
    )
    host.remove_volume("known_vol")
    second = identifier(new_volume("known_vol", start=False))
    said = refuses(known, "known_vol", server=True, paths=[record])
    assert f"has the id {second}, and kvm1 has used one with the id {first} until now" in said
    pillar = {"volumes": {"known_vol": {"servers": ["kvm1", "kvm2"]}}}
    assert modules.gluster_one_pillar.node(pillar)["errors"] == [said]
    cure = said.rpartition("write gluster_one:volumes:known_vol:id: ")[2].removesuffix(" into the pillar")
    pillar["volumes"]["known_vol"]["id"] = cure
    assert modules.gluster_one_pillar.node(pillar)["errors"] == []
    run = four_runs(known, "known_vol", id=cure, server=True, paths=[record])
    assert run.changes == {"known_vol": {"old": first, "new": second}}
    idle(known, "known_vol", server=True, paths=[record])


def test_the_client_of_a_mount_says_which_volume_it_is(states, one_vol, record, tmp_path):
    host.sh("mount", "-t", "glusterfs", f"kvm2:/{one_vol}", tmp_path)
    try:
        run = four_runs(states.gluster_one.volume_known, one_vol, mount=str(tmp_path), paths=[record])
        assert run.changes == {one_vol: {"old": None, "new": identifier(one_vol)}}
        record.write_text(record.read_text().replace(identifier(one_vol)[:8], "0" * 8))
        said = refuses(states.gluster_one.volume_known, one_vol, mount=str(tmp_path), paths=[record])
        assert f"volume {one_vol} that is mounted on {tmp_path} has the id {identifier(one_vol)}, and kvm1" in said
    finally:
        host.sh("umount", "--lazy", tmp_path)
