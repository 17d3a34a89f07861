"""Options of volumes."""

import pytest

LATIN = b"# f\xfcr uns\n"
RECORD = "user.gluster_one.set"


def test_an_option_group(util, monkeypatch, tmp_path):
    (tmp_path / "ours").write_bytes(LATIN + b"features.shard=on\n")
    module = util("gluster_options")
    monkeypatch.setattr(module, "GROUPS", str(tmp_path))
    assert module.group_options("ours") == {"features.shard": "on"}


@pytest.fixture
def volume(util):
    """A volume's options, and `set`, which does to them what a run does."""

    class Volume(dict):
        module = util("gluster_options")

        def set(self, **wanted):
            wanted = {key.replace("__", ".").replace("_", "-"): value for key, value in wanted.items()}
            changes = self.module.option_changes(self, wanted)
            changed = {option: change["new"].replace(", ", ",") for option, change in changes.items()}
            self.update({**changed, **self.module.record(self, changes)})

        @property
        def ours(self):
            return self.module.recorded(self)

    return Volume()


def test_what_a_run_has_set_is_recorded_beside_it(volume):
    volume.set(server__allow_insecure=True, network__ping_timeout=10)
    assert volume[RECORD] == "server.allow-insecure=on< network.ping-timeout=10<"
    volume.set(network__ping_timeout=11, storage__owner_uid=9869)
    assert volume[RECORD] == "server.allow-insecure=on< network.ping-timeout=11< storage.owner-uid=9869<"
    assert volume.ours == ["server.allow-insecure", "network.ping-timeout", "storage.owner-uid"]


def test_what_was_so_before_is_not_ours(volume):
    volume.update({"nfs.disable": "on", RECORD: "hand-made  text="})
    volume.set(nfs__disable="enable", network__ping_timeout=10)
    assert volume.ours == ["network.ping-timeout"]
    assert volume.module.recorded({}) == []


@pytest.mark.parametrize("now", ["30", None])
def test_what_somebody_has_changed_since_is_not_ours(volume, now):
    volume.set(network__ping_timeout=10)
    volume.update({"network.ping-timeout": now})
    if now is None:  # reset
        del volume["network.ping-timeout"]
    assert volume.ours == []


@pytest.mark.parametrize("value", ["10.*, 192.168.0.1", "a=b c%20", ",".join(f"10.0.0.{n}" for n in range(200))])
def test_any_value_is_recognized(volume, value):
    volume.set(auth__allow=value)
    assert volume.ours == ["auth.allow"] and len(volume[RECORD]) < 60
    volume["auth.allow"] += "0"
    assert volume.ours == []


def test_a_short_name_is_that_of_the_full_one(volume):
    volume.set(ping_timeout=10)
    volume["network.ping-timeout"] = volume.pop("ping-timeout")  # as Gluster keeps it
    assert volume.ours == ["network.ping-timeout"]


def test_no_record_is_so_long_that_it_ends_glusterd(volume):
    volume.set(**{f"some__option_{number}": "x" * 30 for number in range(200)})
    assert 3000 < len(volume[RECORD]) <= 3500
    assert volume.ours[-1] == "some.option-199" and "some.option-0" not in volume.ours


def undone(volume):
    return {option: change["new"] for option, change in volume.module.undone(volume).items()}


def test_what_somebody_had_set_before_comes_back(volume):
    volume.update({"network.ping-timeout": "20", "auth.allow": "10.0.0.1, 10.0.0.2"})
    volume.set(network__ping_timeout=10, auth__allow="10.*", storage__owner_uid=9869)
    assert volume[RECORD] == "network.ping-timeout=10<20 auth.allow=10.*<10.0.0.1,10.0.0.2 storage.owner-uid=9869<"
    volume.set(network__ping_timeout=11)
    assert undone(volume) == {
        "auth.allow": "10.0.0.1,10.0.0.2",
        "storage.owner-uid": None,
        "network.ping-timeout": "20",
    }
    volume["network.ping-timeout"] = "12"  # by somebody else, and set again by a run
    volume.set(network__ping_timeout=13)
    assert undone(volume)["network.ping-timeout"] == "20"


def test_what_is_too_long_for_the_record_is_not_known(volume):
    volume["auth.allow"] = ",".join(f"10.0.0.{n}" for n in range(200))
    volume.set(auth__allow="10.*")
    assert undone(volume) == {"auth.allow": "?"}
    volume.set(auth__allow="11.*")
    assert undone(volume) == {"auth.allow": "?"}


def test_what_a_version_before_has_recorded_says_nothing_of_what_was_there(volume):
    """It wrote the same whether somebody had set the option or nobody."""
    volume.update({"network.ping-timeout": "10", "nfs.disable": "on", "server.allow-insecure": "on"})
    volume[RECORD] = "network.ping-timeout=10 nfs.disable=on< server.allow-insecure=on"
    assert undone(volume) == {"network.ping-timeout": "?", "nfs.disable": None, "server.allow-insecure": "?"}
    changes, stays = volume.module.dropped(volume)
    # That one goes back to its default in any case.
    assert {option: change["new"] for option, change in changes.items()} == {
        "nfs.disable": None, "server.allow-insecure": None,
    }  # fmt: skip
    assert stays == {"network.ping-timeout": "what it was before is not known"}
    volume.set(network__ping_timeout=11)
    assert undone(volume)["network.ping-timeout"] == "?", "nor is it known later"


def test_what_gluster_cannot_reset_alone_stays(volume):
    """One that somebody had set before is set to that again."""
    volume["user.note"] = "mine"
    volume.set(user__cifs="off", user__note="ours", nfs__disable="on")
    changes, stays = volume.module.dropped(volume)
    assert {option: change["new"] for option, change in changes.items()} == {"user.note": "mine", "nfs.disable": None}
    assert stays == {"user.cifs": "Gluster resets an option of that kind with all others alone"}


@pytest.mark.parametrize("value", ["?", "a<b", "a=b c%20"])
def test_any_value_comes_back(volume, value):
    volume["auth.ssl-allow"] = value
    volume.set(auth__ssl_allow="10")
    assert undone(volume) == {"auth.ssl-allow": value}


def test_the_record_of_another_file_is_undone_the_same_way(volume):
    module = volume.module
    found = module.noted({}, {"rpc-auth-allow-insecure": {"old": None, "new": "on"}})
    assert module.undone({"rpc-auth-allow-insecure": "on"}, found) == {
        "rpc-auth-allow-insecure": {"old": "on", "new": None}
    }
    assert module.undone({"rpc-auth-allow-insecure": "off"}, found) == module.undone({}, found) == {}


QUORUM, PAUSED = "cluster.server-quorum-type", "user.gluster_one.quorum"


@pytest.mark.parametrize(
    "options, paused, between, after",
    [
        ({QUORUM: "server"}, "server", {QUORUM: "none"}, {QUORUM: "server"}),
        ({QUORUM: "none"}, "none", {QUORUM: "none"}, {QUORUM: "none"}),
        ({}, "none", {}, {}),
        ({QUORUM: "server", PAUSED: "-"}, "server", {QUORUM: "none"}, {QUORUM: "server"}),
        ({QUORUM: "server", PAUSED: "server"}, "server", {QUORUM: "none"}, {QUORUM: "server"}),
        ({QUORUM: "server", PAUSED: "none"}, "server", {QUORUM: "none"}, {QUORUM: "server"}),
        ({QUORUM: "none", PAUSED: "server"}, "server", {QUORUM: "none"}, {QUORUM: "server"}),
        ({QUORUM: "server", PAUSED: "perhaps"}, "server", {QUORUM: "none"}, {QUORUM: "server"}),
    ],
)
def test_a_server_quorum_is_off_for_a_while(util, options, paused, between, after):
    """Also where it was begun before, and somebody has turned it on again since."""
    module = util("gluster_options")

    def changed(options, changes):
        assert all(change["old"] == options.get(option) for option, change in changes.items())
        return {**options, **{option: change["new"] for option, change in changes.items()}}

    off = changed(options, module.pause_changes(options))
    assert off == {**between, PAUSED: paused} and module.paused(off) == paused
    assert module.pause_changes(off) == {} and not module.has_server_quorum(off)
    on = changed(off, module.resume_changes(off))
    assert on == {**after, PAUSED: "-"} and module.paused(on) is None
    assert module.resume_changes(on) == {}


def test_one_that_somebody_has_turned_on_again_stays(util):
    changes = util("gluster_options").resume_changes({QUORUM: "server", PAUSED: "server"})
    assert changes == {PAUSED: {"old": "server", "new": "-"}}


def test_while_it_is_off_a_run_leaves_it_off(volume):
    """The reactor's repair of an option would turn it on again in the middle."""
    volume.set(cluster__server_quorum_type="server", network__ping_timeout=10)
    off = {option: change["new"] for option, change in volume.module.pause_changes(volume).items()}
    volume.update(off)
    for name in (QUORUM, "server-quorum-type"):
        assert volume.module.option_changes(volume, {name: "server", "network.ping-timeout": 10}) == {}
    assert volume.module.dropped(volume, []) == (
        {"network.ping-timeout": {"old": "10", "new": None}}, {}
    )  # fmt: skip
    volume.update({option: change["new"] for option, change in volume.module.resume_changes(volume).items()})
    assert volume.module.option_changes(volume, {QUORUM: "none"}) == {QUORUM: {"old": "server", "new": "none"}}
    assert volume.ours == [QUORUM, "network.ping-timeout"]
