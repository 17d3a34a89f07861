"""The identifiers that the head writes to a volume, whose owner can write anything there."""

import errno
import os

import pytest
from salt.exceptions import CommandExecutionError

from ..conftest import CHECKOUT, imported

FILE = "/srv/vol/.gluster_one/datastores.json"
NO_JSON = f"none for glusterds; {FILE}: it is not a JSON object in UTF-8: remove it, and apply gluster_one.datastore"
TLS = "could not load our cert at /etc/ssl/glusterfs.pem"
A_FIFO = f"none for glusterds; {FILE}: it is a FIFO: remove it"


@pytest.mark.parametrize(
    "answer, said",
    [
        ((0, '{"glusterds": 101}', ""), None),
        ((3, "", ""), "none for glusterds"),
        ((0, '{"other": 101}', ""), "none for glusterds"),
        ((0, "\ufffd{}", ""), NO_JSON),
        ((0, '{"glusterds": ', ""), NO_JSON),
        ((0, "[" * 100_000, ""), NO_JSON),
        ((0, "[101]", ""), NO_JSON),
        ((1, "", "it is a FIFO"), A_FIFO),
    ],
)
def test_a_node_that_waits_for_identifiers_says_what_is_in_their_place(execution, answer, said):
    salt = {
        "gluster_mount.mounts": lambda: {"/srv/vol": {"device": "kvm1:/one_vol", "volume": "one_vol"}},
        "gluster_one_ids.datastore_numbers": lambda given, left: {store: left.get(store) for store in given},
        "data.get": lambda key: None,
        "data.update": lambda key, value: True,
    }
    status, text, error = answer
    answers = [[0, "\0datastores.json/a FIFO\0\0", ""] if status == 1 else [status, f"\0\0{text}", error]]
    utils = {"gluster_process.run": lambda words, **more: answers.pop()}  # once
    module = execution("gluster_one_ids", __salt__=salt, __utils__=utils)
    salt["gluster_one_ids.volume_files"] = module.volume_files
    state = imported(CHECKOUT / "_states/gluster_one_mount.py", __salt__=salt)
    found = state._ids_missing("/srv/vol", {"glusterds": None}, {})
    assert found == said or (said == NO_JSON and found.startswith(said))


@pytest.fixture
def look(execution):
    """look(names): the module where these lie in .gluster_one and are FIFOs; one process may look."""

    def make(names):
        found = "".join(f"{name}/a FIFO\0" for name in names)
        answers = [[0, f'\0{found}\0{{"glusterds": 101}}', ""]]
        salt = {
            "gluster_mount.mounts": lambda: {"/srv/vol": {"device": "kvm1:/one_vol", "volume": "one_vol"}},
            "data.get": lambda key: None,
            "data.update": lambda key, value: True,
        }
        utils = {"gluster_process.run": lambda words, **more: answers.pop()}  # once
        return execution("gluster_one_ids", __salt__=salt, __utils__=utils)

    return make


def test_a_thousand_odd_files_are_a_few_lines(look):
    """Or the runner, which keeps a thousand findings of a node, would have no room for any other."""
    left = look(["lock", *map(str, range(999))]).volume_files("/other", "one_vol")
    errors = left["errors"]
    assert left["ids"] == {"glusterds": 101}
    assert len(errors) == 6 and errors["/srv/vol/.gluster_one/lock"] == "it is a FIFO: remove it"
    assert errors["/srv/vol/.gluster_one"] == "995 more in it are not files: remove them"


def test_where_nothing_is_mounted_nothing_is_odd(look):
    assert look([]).volume_files("/srv/other") == {"ids": {}, "errors": {}}
    assert look([]).volume_files("/srv/vol") == {"ids": {"glusterds": 101}, "errors": {}}


@pytest.fixture
def refused(execution, monkeypatch):
    """refused(answers...): what the state makes of these answers to a user's writing, one after the other."""

    def run(*answers):
        answers = list(answers)
        texts = [f"sh: 1: cannot create /srv/vol/x: {os.strerror(each)}" if each else None for each in answers]
        salt = {
            "gluster_mount.write_error": lambda path, user: texts.pop(0) if len(texts) > 1 else texts[0],
            "gluster_mount.write_cure": execution("gluster_mount").write_cure,
            "gluster_mount.mount_health": lambda path: {"state": "alive"},
        }
        state = imported(CHECKOUT / "_states/gluster_one_mount.py", __salt__=salt)
        monkeypatch.setattr(state.time, "sleep", lambda seconds: None)
        return state._refused("/srv/vol", "one_vol", "oneadmin", 120)

    return run


@pytest.mark.parametrize(
    "number, cure, lasts",
    [
        (errno.ENOSPC, "volume one_vol is full: delete images, or add bricks", True),
        (errno.EDQUOT, "gluster volume quota one_vol list", True),
        (errno.EROFS, "gluster volume get one_vol features.read-only", True),
        (errno.EIO, "gluster volume heal one_vol info split-brain", True),
        (errno.ENOTCONN, "gluster volume status one_vol", False),
        (errno.ESTALE, "unmount /srv/vol", False),
        (errno.EACCES, "gluster volume get one_vol storage.owner-uid", False),
        (errno.EPERM, "gluster volume get one_vol storage.owner-uid", False),
        (errno.EMFILE, "gluster volume status one_vol", False),
    ],
)
def test_who_cannot_write_is_told_why_and_what_no_waiting_changes_at_once(refused, monkeypatch, number, cure, lasts):
    if lasts:
        said = f"^oneadmin cannot write in /srv/vol: {os.strerror(number)}: .*{cure}"
        with pytest.raises(OSError, match=said):
            refused(number)
        assert not issubclass(OSError, CommandExecutionError)  # which would be waited for
    else:
        assert cure in refused(number)
    assert ("storage.owner-uid" in cure) == (number in (errno.EACCES, errno.EPERM))


def test_an_error_that_goes_by_itself_is_none(refused):
    assert refused(errno.EIO, None) is None
    assert "storage.owner-uid" in refused(errno.EIO, errno.EACCES)


@pytest.mark.parametrize("name", ["/one/stores", "/one/stores/", "/one"])
def test_a_volume_is_not_mounted_over_the_datastores_directory(name):
    """`datastores_dir` would lie on the volume, and so would the links."""
    salt = {"gluster_one_arguments.require_arguments": lambda *about, **more: True}
    state = imported(CHECKOUT / "_states/gluster_one_mount.py", __salt__=salt)
    run = state.datastore_mounted(name, "one_vol", ["kvm1"], datastores_dir="/one/stores")
    assert (run["result"], run["changes"]) == (False, {})
    assert f"name is {name!r}, in which OpenNebula's /one/stores lies, " in run["comment"]


@pytest.mark.parametrize("awaited", [False, True])
@pytest.mark.parametrize(("log", "comes"), [("failed to get the volume file from server", True), (TLS, False)])
def test_a_volume_that_another_node_creates_is_waited_for(execution, log, comes, awaited):
    found = execution("gluster_probe").refusal(log, "kvm1:/one_vol")
    error = CommandExecutionError(f"systemctl restart: {found['why']}: {found['cure']}")
    error.lasts = found["lasts"]
    assert error.lasts is True

    def mount(path, timeout):
        raise error

    state = imported(CHECKOUT / "_states/gluster_one_mount.py", __salt__={"gluster_mount.mount": mount})
    with pytest.raises(CommandExecutionError, match="one_vol") as raised:
        state._mount("/srv/vol", 120, awaited)
    assert raised.value.lasts is not (comes and awaited)


@pytest.mark.parametrize("late", [0, 2])
def test_the_files_on_the_volume_are_read_once_unless_an_identifier_is_waited_for(monkeypatch, late):
    """Each look is a process; again only while the head has not named a datastore."""
    looks, links = [], {}

    def files(path):
        looks.append("all")
        ids = {"glusterds": 101} if len(looks) > late else {}
        return {"ids": ids, "errors": {f"{path}/x": "it is a FIFO"}}

    def link_changes(name, volume, paths, former):
        return {label: {"old": None, "new": f"{path} -> {name}"} for label, path in paths.items() if path not in links}

    salt = {
        "gluster_one_arguments.require_arguments": lambda *words, **more: True,
        "gluster_mount.place": lambda path, volume, user: path,
        "gluster_mount_plan.former_places": lambda *words: {},
        "gluster_mount_plan.former_services": lambda *words: {},
        "gluster_mount_plan.forget_gone": lambda: True,
        "gluster_mount_plan.changes": lambda *words: {},
        "gluster_mount_plan.outdated_client": lambda *words: None,
        "gluster_mount_plan.wanted_line": lambda *words, **more: {"device": "kvm1:/one_vol", "opts": []},
        "gluster_mount.write_error": lambda *words: None,
        "gluster_one_ids.volume_files": files,
        "gluster_one_ids.datastore_numbers": lambda given, left: {store: left.get(store) for store in given},
        "gluster_one_ids.require_number": lambda *words: True,
        "gluster_links.link_state": lambda *words: {"state": "absent", "ends": []},
        "gluster_links.link_changes": link_changes,
        "gluster_links.link": lambda path, name, replace, make: links.update({path: name}),
    }
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    state = imported(CHECKOUT / "_states/gluster_one_mount.py", __salt__=salt, __opts__={"test": False, "id": "kvm2"})
    state.__utils__["gluster_options.owner_id"] = lambda user: 9869
    ret = state.datastore_mounted("/srv/vol", "one_vol", ["kvm1"], datastores=["glusterds"], datastores_dir="/stores")
    assert (ret["result"], list(links)) == (True, ["/stores/101"])
    assert ret["comment"].count("/srv/vol/x: it is a FIFO") == 1
    assert looks == ["all"] * (late + 1)
