"""Arguments of states that would break a line of fstab, of a volume file or of the screen."""

import pytest
from salt.exceptions import SaltInvocationError

from ..conftest import CHECKOUT, imported

BREAKS = ["a\nb", "a\rb", "a\x1b[2Jb", "a\tb", "a\u2028b", "a\x00b"]
MOUNT = {"volume": "one_vol", "servers": ["kvm1"]}


@pytest.fixture
def check(execution):
    """What the states that mount ask of their arguments."""
    required = execution("gluster_one_arguments").require_arguments
    return lambda path, **arguments: required("datastore_mounted", name=path, **arguments)


@pytest.mark.parametrize("text", BREAKS)
@pytest.mark.parametrize(
    "key, value",
    [
        ("path", "/mnt/{}"),
        ("volume", "{}"),
        ("volume", "one_vol/{}"),
        ("servers", ["kvm1", "{}"]),
        ("options", ["log-level={}"]),
        ("links", ["/mnt/{}"]),
        ("datastores", ["{}"]),
        ("datastores", {"{}": 101}),
        ("user", "{}"),
        ("datastores_dir", "/mnt/{}"),
    ],
)
def test_no_line_of_fstab_is_broken(check, key, value, text):
    if isinstance(value, dict):
        value = {text: 101}
    else:
        value = [each.format(text) for each in value] if isinstance(value, list) else value.format(text)
    with pytest.raises(SaltInvocationError, match="name is" if key == "path" else f"{key} is") as failure:
        check(**{"path": "/mnt/one", **MOUNT, key: value})
    assert str(failure.value).isprintable()


@pytest.mark.parametrize(
    "key, value",
    [
        ("path", "mnt"), ("path", "/mnt/a b"), ("path", "/mnt/a#b"), ("path", "/mnt/a\\040b"), ("path", None),
        ("volume", ""), ("volume", "-v"), ("volume", "a/../b"), ("volume", "a/"), ("volume", "a//b"), ("volume", None),
        ("volume", "a/b c"), ("volume", "a,b"), ("volume", 7), ("servers", ["kvm1", "KVM1"]),
        ("options", ["acl", "suid"]), ("options", ["dev"]), ("options", ["fuse-mountopts=noatime"]),
        ("servers", []), ("servers", "kvm1"), ("servers", None), ("servers", ["kvm1 kvm2"]), ("servers", ["-oops"]),
        ("servers", ["kvm1,x"]), ("servers", [7]),
        ("options", "acl"), ("options", ["a b"]), ("options", ["acl,suid"]), ("options", ["#"]), ("options", [""]),
        ("options", ["acl,log-level=INFO"]), ("options", ["acl", "ro"]), ("options", ["noauto"]), ("options", ["ro="]),
        ("options", ["x-systemd.automount"]), ("options", ["comment=systemd.automount"]), ("options", ["nodev=x"]),
        ("links", ["mnt"]), ("links", "/mnt"), ("links", ["/mnt/a b"]),
        ("datastores", "glusterds"), ("datastores", {"a": "101"}), ("datastores", {"a": True}), ("datastores", [""]),
        ("user", "--all"), ("user", "a b"), ("user", True),
        ("timeout", "1"), ("timeout", -1),
    ],
)  # fmt: skip
def test_what_is_no_value_of_a_mount(check, key, value):
    with pytest.raises(SaltInvocationError, match="name is" if key == "path" else f"{key} is"):
        check(**{"path": "/mnt/one", **MOUNT, key: value})


def test_what_a_mount_may_have(check):
    check("/mnt/one")
    check("/mnt/\u00fcber", links=None, datastores=None, options=None, **MOUNT)
    check("/mnt/one", volume="one_vol/sub.dir/b", servers=["kvm1", "10.0.0.1", "KVM2.example.org"], user="9869")
    check("/mnt/one", links=["/a"], datastores={"a b": 101, "c": None}, options=['context="x"', "log-level=INFO"])


NAMED_VOLUMES = ["bricks_running", "bricks_restarted", "heal_daemon_connected"]
SERVICES = ["glusterd_configured", "bricks_kept", "glusterd_running", "glusterd_restarted"]


@pytest.fixture
def state():
    """state("bricks_running", ...): a state that finds out nothing but whether its arguments are right."""
    required = imported(CHECKOUT / "_modules/gluster_one_arguments.py").require_arguments

    def run(name, *arguments, **named):
        files = {"volume_configured": "_volume", "beacon_configured": "_beacon", "one_datastore_absent": "_absent"}
        files["one_datastore_present"] = ""
        path = CHECKOUT / f"_states/gluster_one{files.get(name, '_server')}.py"
        salt = {"gluster_one_arguments.require_arguments": required}
        return getattr(imported(path, __salt__=salt), name)(*arguments, **named)

    return run


@pytest.mark.parametrize("text", [*BREAKS, "a b", "-v", ""])
@pytest.mark.parametrize("name", ["volume_configured", *NAMED_VOLUMES, *SERVICES, "beacon_configured"])
def test_a_name_of_every_state(state, name, text):
    if name == "beacon_configured" and text == "-v":
        return
    run = state(name, text)
    assert (run["result"], run["changes"]) == (False, {})
    assert run["comment"].startswith(f"name is {text!r}: ") and run["comment"].isprintable()


@pytest.mark.parametrize("text", BREAKS)
def test_a_datastore_s_name(state, text):
    assert "name is" in state("one_datastore_absent", text)["comment"]


@pytest.mark.parametrize(
    "name, arguments",
    [
        ("volume_configured", {"options": {"network.ping-timeout": "10\nauth.allow=x"}}),
        ("volume_configured", {"options": {"a\nb": "1"}}),
        ("volume_configured", {"options": {"user.note": ""}}),
        ("volume_configured", {"options": {"auth.allow": "10.0.0.10," * 401}}),
        ("volume_configured", {"options": {"user.note": ["1"]}}),
        ("volume_configured", {"options": {"-x": "1"}}),
        ("volume_configured", {"uid": "a\nb"}),
        ("volume_configured", {"gid": "-1"}),
        ("volume_configured", {"group": "../virt"}),
        ("volume_configured", {"servers": ["a\nb"]}),
        ("glusterd_configured", {"options": {"ping-timeout": "0\nend-volume"}}),
        ("glusterd_configured", {"options": {"ping-timeout": '0"'}}),
        ("glusterd_configured", {"options": {"ping-timeout": "0 1"}}),
        ("glusterd_configured", {"options": {"a b": 1}}),
        ("glusterd_configured", {"path": "/etc/a\nb"}),
        ("glusterd_restarted", {"path": "glusterd.vol"}),
        ("one_datastore_absent", {"endpoint": "http://a\nb"}),
        ("one_datastore_absent", {"auth_file": "one_auth"}),
        ("beacon_configured", {"interval": "60\n"}),
        ("one_datastore_present", {"type": "IMAGE_DS\n"}),
        ("one_datastore_present", {"volume": 7}),
        ("one_datastore_present", {"host": ["kvm1", None]}),
        ("one_datastore_present", {"host": "kvm1\nkvm2"}),
        ("one_datastore_present", {"ds_mad": "fs\nTM_MAD=x"}),
        ("one_datastore_present", {"tm_mad": 7}),
        ("one_datastore_present", {"driver": "raw\x1b[2J"}),
        ("one_datastore_present", {"driver": "raw\\"}),
        ("one_datastore_present", {"safe_dirs": "/srv/]]> /tmp"}),
        ("one_datastore_present", {"safe_dirs": ["/srv\\"]}),
        ("one_datastore_present", {"restricted_dirs": ["/etc", "root"]}),
        ("one_datastore_present", {"safe_dirs": "/etc\n/root"}),
        ("one_datastore_present", {"safe_dirs": ""}),
        ("one_datastore_present", {"restricted_dirs": []}),
        ("one_datastore_present", {"tm_mad": " "}),
        ("one_datastore_present", {"no_decompress": "yes"}),
        ("one_datastore_present", {"attributes": {"LIMIT\nMB": 1}}),
        ("one_datastore_present", {"absent_attributes": ["a\nb"]}),
        ("one_datastore_present", {"datastore_id": "101"}),
        ("one_datastore_present", {"clusters": ["a\nb"]}),
        ("one_datastore_present", {"clusters_exact": 1}),
        ("one_datastore_present", {"owner": "a\nb"}),
        ("one_datastore_present", {"group": ["oneadmin"]}),
        ("one_datastore_present", {"permissions": "640\n"}),
        ("one_datastore_present", {"enabled": "no"}),
        ("one_datastore_present", {"in_use": True}),
        ("one_datastore_present", {"wait_monitored": "1"}),
        ("one_datastore_present", {"endpoint": "http://a\nb"}),
        ("one_datastore_present", {"auth_file": "one_auth"}),
    ],
)
def test_other_arguments(state, name, arguments):
    (key,) = arguments
    run = state(name, "one_vol" if name == "volume_configured" else "glusterd", **arguments)
    assert (run["result"], run["changes"]) == (False, {})
    assert f"{key} is {arguments[key]!r}: " in run["comment"] and run["comment"].isprintable()


@pytest.mark.parametrize("state", ["one_datastore_present", "one_datastore_absent"])
@pytest.mark.parametrize("value", [" glusterds", "glusterds ", " ", "", "a\tb", 7])
def test_names_that_oned_would_cut(state, value):
    required = imported(CHECKOUT / "_modules/gluster_one_arguments.py").require_arguments
    with pytest.raises(SaltInvocationError, match="name is .*: a name .*without blanks at its ends"):
        required(state, name=value)


@pytest.mark.parametrize("value", ["a/b", "a'b", "x" * 129, "\u00e4" * 65])
def test_names_that_oned_rejects(value):
    required = imported(CHECKOUT / "_modules/gluster_one_arguments.py").require_arguments
    with pytest.raises(SaltInvocationError, match="up to 128 bytes.* and without any of & | :"):
        required("one_datastore_present", name=value)
    required("one_datastore_present", name="\u00e4" * 64)
    required("one_datastore_absent", name=value)  # an old oned may have it


@pytest.mark.parametrize("value", ['a\\"\nTM_MAD=\\"x', "a\x1bb", "a\rb", "two\r\nlines", "a]]>b", "a\\", "a\\ \n"])
def test_attributes_of_a_datastore(value):
    required = imported(CHECKOUT / "_modules/gluster_one_arguments.py").require_arguments
    required("one_datastore_present", name="glusterds", attributes={"NOTE": 'two\nlines and "quotes"', "LIMIT_MB": 5})
    with pytest.raises(SaltInvocationError, match="attributes is"):
        required("one_datastore_present", name="glusterds", attributes={"NOTE": value})
