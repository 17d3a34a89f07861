"""What the pillar makes of a minion, and what it says of a pillar that is wrong."""

import inspect
import re

import pytest
import salt.modules.pillar
import salt.utils.dictupdate
import yaml

from ..conftest import CHECKOUT

ORDINARY = {
    "volumes": {
        "one_vol": {
            "servers": ["kvm1", "kvm2", "kvm3"],
            "datastores": {"gluster_system": {"type": "SYSTEM_DS"}, "glusterds": {}},
        }
    }
}
ID = "5b1e0f9c-7d0e-4f1c-9e55-0a1c7a6f3c11"


def test_a_server_by_a_name_that_leads_to_this_node(node, monkeypatch):
    known = {"gl1.storage": ["10.0.0.1"], "gl2.storage": ["10.0.0.2"], "gl3.storage": ["127.0.1.1"]}

    def look_up(host, _):
        assert host not in ("kvm1", "kvm2"), "a name that the grains have tells enough"
        if host not in known:
            raise OSError(f"no address of {host}")
        return [(0, 0, 0, 0, (each, 0)) for each in known[host]]

    monkeypatch.setattr("socket.getaddrinfo", look_up)
    for servers, named, coordinator in (
        (["gl1.storage", "gl2.storage"], True, True),
        (["gl2.storage", "GL1.storage"], True, False),
        (["gl2.storage", "gl4.storage"], False, False),
        (["gl2.storage", "gl3.storage"], False, False),
        (["kvm2", "kvm1"], True, False),
    ):
        plan = node({"volumes": {"one_vol": {"servers": servers}}}, ipv4=["127.0.0.1", "10.0.0.1"])
        assert (plan["named"], plan["volumes"]["one_vol"]["coordinator"]) == (named, coordinator)
        assert "gl2.storage" not in plan["names"] and ("server" in plan["roles"]) == named


def with_volume(**keys):
    return {"volumes": {"one_vol": {"servers": ["kvm1"], **keys}}}


def with_create(servers=("kvm1", "kvm2", "kvm3"), **keys):
    return with_volume(servers=list(servers), create=keys)


def with_datastore(**keys):
    return with_volume(datastores={"glusterds": keys})


def test_the_ordinary_case(node):
    plan = node(ORDINARY)
    assert plan["errors"] == []
    assert plan["roles"] == ["hypervisor", "server"]
    volume = plan["volumes"]["one_vol"]
    assert volume["coordinator"] and volume["mount"] == "/var/lib/gluster_one/one_vol"
    assert volume["datastores"] == {
        "gluster_system": {"type": "SYSTEM_DS"},
        "glusterds": {"volume": "one_vol", "host": "kvm1"},
    }


@pytest.mark.parametrize(
    ("minion", "roles", "expected"),
    [
        ("kvm1", None, ["hypervisor", "server"]),
        ("kvm4", None, ["hypervisor"]),
        ("head", ["head"], ["head"]),
        ("kvm2", ["head"], ["head", "server"]),
        ("kvm3", ["server"], ["server"]),
        ("kvm3", ["head", "hypervisor", "server"], ["head", "hypervisor", "server"]),
        ("kvm2.example.com", None, ["hypervisor", "server"]),
        ("KVM2", None, ["hypervisor", "server"]),
    ],
)
def test_roles(node, minion, roles, expected):
    assert node({**ORDINARY, **({"roles": roles} if roles else {})}, minion)["roles"] == expected


def test_only_the_first_server_coordinates(node):
    for name, expected in {"kvm1": True, "KVM1": True, "kvm2": False, "head": False}.items():
        assert node(ORDINARY, name)["volumes"]["one_vol"]["coordinator"] is expected
    pillar = {"volumes": {"one_vol": {"servers": ["Kvm1", "KVM2"]}}}
    assert node(pillar, "kvm1")["volumes"]["one_vol"]["coordinator"]
    assert node(pillar, "kvm2")["roles"] == ["hypervisor", "server"]


@pytest.mark.parametrize(
    "datastores, hosts",
    [
        (None, []),
        ({"s": {"type": "SYSTEM_DS"}}, [["kvm1"]]),
        ({"a": {}, "b": {"host": "kvm1"}, "s": {"type": "SYSTEM_DS"}}, [["kvm1"]]),
        ({"a": {"host": ["kvm2", "kvm3:24010"]}, "b": {"host": "kvm2"}}, [["kvm2", "kvm3:24010"], ["kvm2"]]),
        ({"a": {"host": "kvm1:24007 kvm2:24007"}, "b": {"host": ["kvm1", "kvm2"]}}, [["kvm1", "kvm2"]]),
    ],
)
def test_machines_ask_the_datastores_servers(node, datastores, hosts):
    pillar = {"volumes": {"one_vol": {"servers": ["kvm1", "kvm2", "kvm3"], "datastores": datastores or {}}}}
    assert node(pillar)["volumes"]["one_vol"]["hosts"] == hosts


@pytest.mark.parametrize(
    "keys, datastores, access, hosts",
    [
        ({}, {"a": {}}, ["native"], [["kvm1"]]),
        ({"access": "native"}, {"a": {}}, ["native"], [["kvm1"]]),
        ({"access": "fuse"}, {"a": {}, "s": {"type": "SYSTEM_DS"}}, ["fuse"], []),
        ({"access": "fuse"}, {"s": {"type": "SYSTEM_DS"}}, ["fuse"], []),
        ({"access": "fuse"}, {}, ["fuse"], []),
        ({"access": "fuse"}, {"a": {"access": "native", "host": "kvm2"}}, ["native"], [["kvm2"]]),
        ({}, {"a": {"access": "fuse"}, "s": {"type": "SYSTEM_DS"}}, ["fuse"], []),
        ({}, {"a": {"access": "fuse", "host": "kvm2"}, "b": {}}, ["fuse", "native"], [["kvm1"]]),
    ],
)
def test_how_machines_open_what_is_on_a_volume(node, keys, datastores, access, hosts):
    volume = node(with_volume(datastores=datastores, **keys))["volumes"]["one_vol"]
    assert (volume["access"], volume["hosts"]) == (access, hosts)
    wanted = {name: each.get("access", keys.get("access")) for name, each in datastores.items() if name != "s"}
    assert {name: volume["datastores"][name].get("access") for name in wanted} == wanted


def test_a_mount_below_directories_of_somebody_else_becomes_a_link(node, tmp_path):
    tmp_path.chmod(0o755)
    wanted = str(tmp_path / "0")
    volume = node(with_volume(mount="/srv/x"))["volumes"]["one_vol"]
    assert (volume["mount"], volume["links"]) == ("/srv/x", [])
    volume = node(with_volume(mount=wanted))["volumes"]["one_vol"]  # /tmp is everybody's
    assert (volume["mount"], volume["links"]) == ("/var/lib/gluster_one/one_vol", [wanted])


@pytest.mark.parametrize(
    ("minion", "servers", "errors"),
    [
        ("kvm1", ["kvm4", "kvm1", "kvm3", "10.0.0.2"], 1),
        ("kvm1", ["kvm4", "kvm1", "kvm3"], 0),  # the one that is known by an address alone may be kvm4
        ("kvm1", ["kvm2", "kvm1", "kvm3", "10.0.0.2"], 0),
        ("kvm1", ["kvm3", "kvm1", "10.0.0.2"], 0),
        ("kvm4", ["kvm4", "kvm1", "kvm3", "10.0.0.2"], 0),
        ("head", ["kvm4", "kvm1", "kvm3", "10.0.0.2"], 0),
    ],
)
def test_the_first_server_has_to_be_in_the_pool_of_the_others(node, minion, servers, errors):
    """kvm2 is known by its address alone."""
    pillar = {"volumes": {"one_vol": {"servers": servers}}}
    found = node(pillar, minion, peers=[["10.0.0.2"], ["10.0.0.3", "kvm3"]])["errors"]
    assert len(found) == errors
    assert not found or "one_vol:servers begins with 'kvm4', which is not in the pool" in found[0]


def test_a_server_may_be_named_by_address(node):
    pillar = {"volumes": {"one_vol": {"servers": ["10.0.0.1", "10.0.0.2"]}}}
    assert node(pillar, "storage", ipv4=["127.0.0.1", "10.0.0.1"])["volumes"]["one_vol"]["coordinator"]
    assert node(pillar, "other", ipv4=["127.0.0.1", "10.0.0.9"])["roles"] == ["hypervisor"]


@pytest.mark.parametrize(
    ("strategy", "lists", "everyones", "words"),
    [
        ("smart", False, {}, ["head"]),
        ("recurse", False, {"roles": ["hypervisor"]}, ["head"]),
        ("overwrite", False, {}, "volumes is missing: .* pillar_source_merging_strategy has dropped"),
        ("smart", True, {"roles": ["hypervisor"]}, ["head", "hypervisor"]),
    ],
)
def test_two_files_of_the_pillar_as_the_master_merges_them(node, strategy, lists, everyones, words):
    """README's two files with one top-level key, on the head."""
    files = [{"gluster_one": {**with_volume(), **everyones}}, {"gluster_one": {"roles": ["head"]}}]
    made = node(salt.utils.dictupdate.merge(*files, strategy, "yaml", lists)["gluster_one"], "head")
    if isinstance(words, list):  # the state pillar_valid says it of both
        assert (made["errors"], made["roles"]) == ([], words)
    else:
        (error,) = made["errors"]
        assert re.search(words, error)


@pytest.mark.parametrize("rest", [{}, {"gluster_one": {"roles": ["head"]}}, {"gluster_one": ORDINARY}])
def test_a_pillar_that_could_not_be_rendered(execution, rest):
    failed = "Rendering SLS 'gluster_one' failed, render error: 'nosuch' is undefined\n\n---\npassword: Qu1nce\n---"
    whole = {"_errors": [failed, "Conflicting ID"], **rest}

    def items(*words, **more):
        inspect.signature(salt.modules.pillar.items).bind(*words, **more)  # which differs between Salt's releases
        return whole

    module = execution("gluster_one_pillar", __salt__={"pillar.items": items}, __grains__={"id": "kvm1"})
    (error,) = module.node()["errors"]
    assert error.startswith(
        "the pillar of kvm1 could not be rendered: Rendering SLS 'gluster_one' failed, render error"
    )
    assert "Conflicting ID; correct it: `salt-run pillar.show_pillar kvm1`" in error and "Qu1nce" not in error


def test_what_the_master_keeps_of_a_plan_has_no_secret(execution, monkeypatch):
    plan = {
        "errors": [],
        "volumes": {"one_vol": {"datastores": {"backups": {"attributes": {"restic_password": "Qu1nce"}}}}},
    }
    module = execution("gluster_one_pillar", __salt__={"pillar.items": lambda **_: {"gluster_one": {"volumes": {}}}})
    made = module.node
    monkeypatch.setattr(module, "node", lambda pillar: plan)
    assert made()["volumes"] == {"one_vol": {"datastores": {"backups": {"attributes": {}}}}}


BAD = [
    ({}, r"gluster_one is \{\} in the pillar of kvm1: it needs volumes"),
    ({"volumes": {}}, r"gluster_one:volumes is \{\} \(a mapping\): volumes by name are needed"),
    ({"roles": ["head"]}, r"gluster_one:volumes is missing: volumes by name are needed"),
    ("text", r"gluster_one is a string: a mapping is needed"),
    ({"volumes": {"one_vol": {}}}, r"gluster_one:volumes:one_vol:servers is missing: a list of host names"),
    (with_volume(servers=[]), r"gluster_one:volumes:one_vol:servers is \[\] \(a list\): a list of host names"),
    (
        with_volume(servers="kvm1, kvm2"),
        r"gluster_one:volumes:one_vol:servers is 'kvm1, kvm2' \(a string\): a list of host names is needed",
    ),
    (
        {**ORDINARY, "remediate": ["fstab", "space"]},
        r"remediate is \['fstab', 'space'\] \(a list\): a list is needed of volume_option, .*, fstab, link$",
    ),
    (with_volume(servers=["kvm1", "kvm 2"]), r"servers is \['kvm1', 'kvm 2'\]"),
    (
        with_volume(id="8022D53F"),
        r"one_vol:id is '8022D53F' .*: the identifier of a volume is needed, as `gluster volume info`",
    ),
    (with_volume(mont="/x"), r"gluster_one:volumes:one_vol:mont is not a known key: did you mean mount\?"),
    ({**ORDINARY, "rolls": ["head"]}, r"gluster_one:rolls is not a known key: did you mean roles\?"),
    (with_datastore(hots="kvm1"), r"datastores:glusterds:hots is not a known key: did you mean host\?"),
    (with_datastore(zzz=1), r"datastores:glusterds:zzz is not a known key: known are type, host"),
    (
        with_volume(mount="one/datastores"),
        r"one_vol:mount is 'one/datastores' \(a string\): an absolute path without spaces",
    ),
    (with_volume(mount="/var/../lib"), r"one_vol:mount is '/var/../lib'"),
    (with_volume(mount="/"), r"one_vol:mount is '/'"),
    (with_volume(mount=0), r"one_vol:mount is 0 \(a number\): an absolute path without spaces"),
    (
        {"volumes": {name: {"servers": ["kvm1"], "mount": "/mnt"} for name in ("one_vol", "two_vol")}},
        r"gluster_one:volumes:two_vol:mount is '/mnt', where volume one_vol is mounted",
    ),
    (
        {"volumes": {name: {"servers": ["kvm1"], "mount": f"/srv/{name}"} for name in ("a", "a/b")}},
        r"gluster_one:volumes is \{'a/b': \{...\}\} \(a mapping\): .*a name has letters, digits, _ and -",
    ),
    (
        {"volumes": {name: {"servers": ["kvm1"], "mount": f"/srv/{name}"} for name in ("good", "gr\u00f6\u00dfe")}},
        r"gluster_one:volumes is \{'gr\u00f6\u00dfe': \{...\}\} \(a mapping\): ",
    ),
    ({"volumes": {7: {"servers": ["kvm1"]}}}, r"volumes is \{7: \{...\}\} .*in quotes where it has digits alone"),
    (
        with_volume(datastores={"good": {"tm_mad": "shared"}, "a/b": {"tm_mad": "shared"}}),
        r"one_vol:datastores is \{'a/b': \{...\}\} \(a mapping\): datastores by name",
    ),
    (with_volume(options={"a.b": 1, "c": 2}), r"one_vol:options is \{'c': 2\} \(a mapping\): option names"),
    (
        {"volumes": {"a": {"servers": ["kvm1"], "mount": "/srv/a"}, "b": {"servers": ["kvm1"], "mount": "/srv/a/b/c"}}},
        r"volumes:b:mount is '/srv/a/b/c', which lies in '/srv/a', where volume a is mounted: each volume needs",
    ),
    (
        {"volumes": {"a": {"servers": ["kvm1"], "mount": "/var/lib/gluster_one/b/x"}, "b": {"servers": ["kvm1"]}}},
        r"volumes:a:mount is '/var/lib/gluster_one/b/x', which lies in '/var/lib/gluster_one/b', where volume b",
    ),
    *(
        (with_volume(mount=path), rf"one_vol:mount is '{path}', in which OpenNebula's /var/lib/one/datastores lies, ")
        for path in ("/var/lib/one/datastores", "/var/lib/one", "/var/lib", "/var")
    ),
    (
        {**with_volume(mount="/srv/one"), "datastores_dir": "/srv/one/datastores"},
        r"one_vol:mount is '/srv/one', in which OpenNebula's /srv/one/datastores lies",
    ),
    *(
        (with_volume(mount=path), rf"one_vol:mount is '{path}', which is the system's: .*/var/lib/gluster_one/one_vol$")
        for path in ("/etc", "/etc/one", "/usr/share", "/boot", "/proc/1", "/home", "/tmp", "/var/lib/gluster_one")
    ),
    (with_datastore(type="SYSTEM_DS", host="kvm1"), r"glusterds:host is 'kvm1': VMs open nothing of a SYSTEM_DS"),
    (with_datastore(type="FILE_DS", host="kvm1"), r"glusterds:host is 'kvm1': VMs open nothing of a FILE_DS"),
    (with_volume(datastores={"a/b": {}}), r"one_vol:datastores is \{'a/b': \{\}\} \(a mapping\): datastores by name"),
    (with_volume(datastores={"a'b": {}}), r"datastores by name are needed"),
    (with_volume(datastores={"{{ x }}": {}}), r"datastores by name are needed"),
    (
        with_volume(datastores={"a\nb": {}}),
        r"datastores is \{'a\\nb': \{\}\} \(a mapping\): datastores by name are needed",
    ),
    (with_volume(datastores={"a ": {}}), r"datastores by name are needed"),
    (with_volume(datastores={101: {}}), r"datastores is \{101: \{\}\} \(a mapping\): datastores by name are needed"),
    ({"volumes": {"a/b": {"servers": ["kvm1"]}}}, r"gluster_one:volumes is .*: volumes by name are needed"),
    ({"volumes": {"--mode": {"servers": ["kvm1"]}}}, r"gluster_one:volumes is .*: volumes by name are needed"),
    ({"volumes": {"one_vol": None}}, r"gluster_one:volumes:one_vol is nothing: a mapping is needed"),
    ({"volumes": ["one_vol"]}, r"gluster_one:volumes is \['one_vol'\] \(a list\): volumes by name are needed"),
    ({**ORDINARY, "a\nb": 1}, r"gluster_one:'a\\nb' is not a known key"),
    (with_volume(servers=["kvm1", "kvm1"]), r"one_vol:servers is \['kvm1', 'kvm1'\] \(a list\): .*each once"),
    (with_volume(servers=["kvm1", "KVM1"]), r"one_vol:servers is \['kvm1', 'KVM1'\] \(a list\): .*each once"),
    (with_volume(servers=["fe80::1"]), r"one_vol:servers is \['fe80::1'\] .* colons \(IPv6\) is not possible"),
    (with_volume(mount="//foo"), r"one_vol:mount is '//foo' \(a string\): .* with single slashes"),
    (with_volume(mount="/srv/a b"), r"one_vol:mount is '/srv/a b' \(a string\): an absolute path without spaces"),
    (with_volume(mount_options=["acl, ro"]), r"one_vol:mount_options is \['acl, ro'\] \(a list\): a list of words"),
    (with_volume(mount_options=["acl,ro"]), r"one_vol:mount_options is .*without spaces, commas"),
    (with_volume(mount_options=["log-file=/a#b"]), r"one_vol:mount_options is .*without spaces, commas, #"),
    (with_volume(mount_options=["suid"]), r"one_vol:mount_options is .*would undo nosuid and nodev"),
    (with_volume(mount="/srv/a#b"), r"one_vol:mount is '/srv/a#b' \(a string\): an absolute path"),
    ({**ORDINARY, "user": "a b"}, r"gluster_one:user is 'a b' \(a string\): a number or the name of an account"),
    (with_datastore(host=["kvm1", None]), r"glusterds:host is \['kvm1', None\] \(a list\): a host name is needed"),
    (with_datastore(attributes={"A": 'x\\"y'}), r"glusterds:attributes is .*without control characters"),
    (with_volume(options={"user.note": "x" * 4001}), r"one_vol:options is .*, of one line and up to 4000 characters"),
    (with_volume(options={"user.note": "a\nb"}), r"one_vol:options is .*: option names and values are needed"),
    ({**ORDINARY, "roles": []}, r"gluster_one:roles is \[\] \(a list\): a list is needed of head"),
    (with_datastore(tm_mad=None), r"glusterds:tm_mad is None \(nothing\): a text"),
    (with_datastore(attributes={"RESTIC_PASSWORD": "secret\\"}), r"attributes is \{'RESTIC_PASSWORD': '\*\*\*\*'\} "),
    (with_datastore(attributes={"A": None}), r"glusterds:attributes is \{'A': None\} \(a mapping\): attribute names"),
    (with_datastore(host="kvm1:99999"), r"glusterds:host is 'kvm1:99999' \(a string\): it has no valid port"),
    (with_datastore(host="kvm1:port"), r"glusterds:host is 'kvm1:port'"),
    (with_datastore(host="kvm1:"), r"glusterds:host is 'kvm1:'"),
    (with_datastore(host="fe80::1"), r"glusterds:host is 'fe80::1' \(a string\): it is an IPv6 address"),
    (with_datastore(host="[fe80::1]:24007"), r"IPv6"),
    (with_datastore(host="kvm1,kvm2"), r"glusterds:host is 'kvm1,kvm2' \(a string\): it has a comma"),
    (with_datastore(type="FILES"), r"glusterds:type is 'FILES' \(a string\): IMAGE_DS, SYSTEM_DS or FILE_DS is needed"),
    (with_datastore(no_decompress="maybe"), r"no_decompress is 'maybe' \(a string\): true or false"),
    (with_datastore(safe_dirs="var/tmp"), r"safe_dirs is 'var/tmp' \(a string\): absolute paths"),
    (
        with_datastore(safe_dirs=""),
        r"safe_dirs is '' \(a string\): absolute paths .*for OpenNebula's own, leave it out",
    ),
    (with_datastore(clusters="default"), r"clusters is 'default' \(a string\): a list of cluster names"),
    (with_datastore(attributes=["A"]), r"attributes is \['A'\] \(a list\)"),
    (with_volume(datastores=["glusterds"]), r"one_vol:datastores is \['glusterds'\] \(a list\): datastores by name"),
    (with_volume(datastores={"glusterds": "x"}), r"datastores:glusterds is a string: a mapping is needed"),
    (with_volume(uid="no such"), r"one_vol:uid is 'no such' \(a string\): a number or the name of an account"),
    (with_volume(uid="nosuch"), r"one_vol:uid is 'nosuch': there is no such user on kvm1"),
    (with_volume(uid=True), r"one_vol:uid is True \(a boolean\)"),
    (with_volume(options={"a": [1]}), r"one_vol:options is \{'a': \[1\]\} \(a mapping\): option names and values"),
    ({**ORDINARY, "roles": ["boss"]}, r"gluster_one:roles is \['boss'\] \(a list\): a list is needed of head"),
    ({**ORDINARY, "roles": "head"}, r"gluster_one:roles is 'head' \(a string\): a list is needed of head"),
    ({**ORDINARY, "timeout": "1m"}, r"gluster_one:timeout is '1m' \(a string\): a number of seconds"),
    ({**ORDINARY, "timeout": 0}, r"gluster_one:timeout is 0 \(a number\): a number of seconds above 0"),
    ({**ORDINARY, "timeout": True}, r"gluster_one:timeout is True \(a boolean\)"),
    ({**ORDINARY, "user": "nobody1"}, r"gluster_one:user is 'nobody1': there is no such account on kvm1"),
    ({**ORDINARY, "opennebula": {"endpoint": "head:2633"}}, r"gluster_one:opennebula:endpoint is 'head:2633'"),
    (with_volume(access="kernel"), r"one_vol:access is 'kernel' \(a string\): native \(.*\) or fuse \(.*\) is needed"),
    (with_volume(access=["fuse"]), r"one_vol:access is \['fuse'\] \(a list\): native"),
    (with_volume(access=None), r"one_vol:access is None \(nothing\): native"),
    (with_create(replica=3, brick="/b"), r"one_vol:create:brick is not a known key: did you mean bricks\?"),
    (with_create(replica=3), r"one_vol:create:bricks is missing: a path on each of servers is needed"),
    (with_volume(create=None), r"one_vol:create is None \(nothing\): a mapping is needed, such as"),
    (
        with_create(replica=1, bricks=[{"server": "kvm1", "path": "/a/b", "device": "sdb"}]),
        "one_vol:create:bricks has the device 'sdb': a device below /dev is needed, best one of",
    ),
    (with_create(bricks="/b"), r"one_vol:create: replica is None and disperse None: one of them is needed"),
    (with_create(replica="3", bricks="/b"), r"one_vol:create: replica is '3': a number is needed"),
    (with_create(replica=2, bricks="/b"), r"one_vol:create: replica is 2 without an arbiter: .*split_brain: allow"),
    (with_create(replica=2, bricks="/b", split_brain=True), r"create:split_brain is True \(a boolean\): allow"),
    (with_create(replica=3, bricks="b"), r"one_vol:create: bricks has 'b': a path on each of servers is needed"),
    (with_create(replica=3, bricks="/b c"), r"one_vol:create: bricks has '/b c' on kvm1: an absolute path"),
    (
        with_create(replica=1, bricks=["kvm9:/b"]),
        r"create: bricks has kvm9:/b, and kvm9 is not among the volume's serv",
    ),
    (
        with_create(replica=3, bricks=["kvm1:/a", "kvm1:/b", "kvm2:/a"]),
        r"one_vol:create: bricks has kvm1:/a and kvm1:/b in one set",
    ),
    (
        {
            "volumes": {
                name: {"servers": ["kvm1"], "create": {"replica": 1, "bricks": path}}
                for name, path in {"a": "/b", "c": "/b/c"}.items()
            }
        },
        r"gluster_one:volumes: bricks has kvm1:/b and kvm1:/b/c: each brick has to be a directory of its own",
    ),
    (
        {**ORDINARY, "pool_options": {"cluster.server-quorum-ratio": 51, "cluster.op-version": 100000}},
        r"gluster_one:pool_options is \{'cluster.op-version': 100000\} .*of the whole pool .*are set by hand",
    ),
    (
        {**ORDINARY, "pool_options": {"network.ping-timeout": 10}},
        r"pool_options is \{'network.ping-timeout': 10\} .*Those of a volume go to its own options",
    ),
    (with_volume(acces="fuse"), r"one_vol:acces is not a known key: did you mean access\?"),
    (with_datastore(access="file"), r"glusterds:access is 'file' \(a string\): native"),
    (with_datastore(type="SYSTEM_DS", access="fuse"), r"glusterds:access is 'fuse': a SYSTEM_DS holds files in either"),
    (with_volume(mount="/srv/x/"), r"one_vol:mount is '/srv/x/' \(a string\): .* slashes and none at its end"),
    (with_volume(group="../virt"), r"one_vol:group is '../virt' \(a string\): the name of an option group"),
    (with_volume(options={"group": "virt"}), r"one_vol:options is .*those of a group each by its name"),
    (with_datastore(host=None), r"glusterds:host is None \(nothing\): a host name is needed"),
    (with_datastore(host=True), r"glusterds:host is True \(a boolean\): a host name is needed"),
    ({**ORDINARY, "opennebula": {"endpoint": "http://u:s3cret@head/RPC2"}}, r"opennebula:endpoint is a string: a URL"),
    (
        {"volumes": {"v": {"servers": ["gl1"]}}, "roles": ["server"]},
        r"roles has server, and no volume names kvm1 among",
    ),
    ({**ORDINARY, "opennebula": {"password": "s3cret"}}, r"gluster_one:opennebula:password is in the pillar of kvm1"),
    (
        {"volumes": {name: {"servers": ["kvm1"], "mount": f"/{name}", "datastores": {"d": {}}} for name in ("a", "b")}},
        r"datastore d is listed under two volumes",
    ),
]


@pytest.mark.parametrize(
    "path", ["/mnt", "/srv", "/srv/a.b/c", "/data/etc", "/var/lib/one/datastores/0", "/etcetera/x"]
)
def test_where_a_volume_may_be_mounted(node, path):
    assert node(with_volume(mount=path))["errors"] == []


@pytest.mark.parametrize(("pillar", "error"), BAD, ids=[error[:60] for _, error in BAD])
def test_a_bad_pillar_is_one_sentence_that_names_key_value_and_what_is_allowed(node, pillar, error):
    plan = node(pillar)
    assert list(plan) == ["errors"] and len(plan["errors"]) == 1
    assert re.search(error, plan["errors"][0]), plan["errors"]


def test_every_error_is_said_at_once(node):
    plan = node({"volumes": {"one_vol": {"servers": "kvm1", "mont": 1, "datastores": {"d": {"hots": 1}}}}})
    assert len(plan["errors"]) == 3
    other = {"server": {"bricks": ["/srv"]}, "client": {"volumes": {"v": {"path": "/mnt"}}}}  # of another formula
    assert [error[:43] for error in node(other)["errors"]] == [
        "gluster_one:server is not a known key: did ",
        "gluster_one:client is not a known key: know",
    ]


def test_a_password_is_never_shown(node):
    for wrong in (
        {"password": ["s3cret"]},
        {"auth_file": "u:s3cret"},
        "u:s3cret",
        {"endpoint": "http://u:s3cret@head"},
    ):
        errors = node({**ORDINARY, "opennebula": wrong})["errors"]
        assert errors and "s3cret" not in str(errors)
    assert "s3cret" not in str(node(["s3cret"])["errors"])
    plan = node({**ORDINARY, "roles": ["head"], "opennebula": {"username": "u", "password": "s3cret"}}, "head")
    assert not plan["errors"] and "s3cret" not in str(plan)


def test_without_an_account_of_that_name_nothing_begins(execution, monkeypatch):
    monkeypatch.setattr("salt.utils.user.get_uid", lambda name: None)
    module = execution(
        "gluster_one_pillar",
        __salt__={
            "gluster_one_arguments.argument_needed": execution("gluster_one_arguments").argument_needed,
            "gluster_mount.place": lambda path, volume, user: f"/{volume}",
            "gluster_one_record.recorded": lambda kind: {},
        },
        __grains__={"id": "kvm9"},
    )
    assert "gluster_one:user is 'oneadmin': there is no such account on kvm9" in module.node(ORDINARY)["errors"][0]


def test_where_opennebula_has_files_its_account_is_needed(node):
    pillar = {**ORDINARY, "user": "oneadmin"}
    assert node(pillar, theirs=True)["errors"] == ["oneadmin, /var/lib/one/datastores"]
    assert node({**pillar, "datastores_dir": "/srv/one"}, theirs=True)["errors"] == ["oneadmin, /srv/one"]
    assert node({**pillar, "roles": ["server"]}, theirs=True)["errors"] == []


def test_without_the_values_of_the_system_nothing_begins(execution):
    """A default in their place would be another system's."""
    needed = execution("gluster_one_arguments").argument_needed
    module = execution(
        "gluster_one_pillar",
        __salt__={"gluster_one_arguments.argument_needed": needed},
        __utils__={"gluster_system.values": lambda: {"user": "oneadmin"}},
        __grains__={"id": "kvm9"},
    )
    (error,) = module.node(ORDINARY)["errors"]
    assert error.startswith("gluster_one/os.yaml has no glusterd_service, glusterd_volume_file, group, datastores_dir,")
    assert "for kvm9: the formula's own file is needed" in error


def test_the_example_is_the_ordinary_case(node):
    example = yaml.safe_load((CHECKOUT / "pillar.example").read_text())
    assert example == {"gluster_one": ORDINARY}


def test_the_example_names_every_key_with_its_default(node, execution):
    text = (CHECKOUT / "pillar.example").read_text()
    lines = text[text.index("# All other keys") :].splitlines()[2:]
    everything = yaml.safe_load("\n".join(line[2:] for line in lines))["gluster_one"]
    module = execution("gluster_one_pillar")
    volume = everything["volumes"]["one_vol"]
    assert set(everything) == set(module._TOP)
    assert set(everything["opennebula"]) == set(module._OPENNEBULA)
    assert set(volume) == set(module._VOLUME)
    assert set(volume["datastores"]["glusterds"]) == set(module._datastore_keys())
    assert set(volume["create"]) == set(module._CREATE)
    del volume["create"]["disperse"], volume["create"]["redundancy"]  # instead of replica
    everything["roles"] = ["head"]  # credentials stand in the head's pillar only
    given, default = node(everything, "head"), node({**ORDINARY, "roles": ["head"]}, "head")
    assert given["errors"] == []
    kinds = yaml.safe_load((CHECKOUT / "gluster_one/findings.yaml").read_text())
    assert sorted(everything["remediate"]) == sorted(kind for kind, has in kinds.items() if "repair" in has)
    for key in ("user", "datastores_dir", "timeout", "beacon", "batch", "free_percent", "heal_files"):
        assert given[key] == default[key]
    assert {key: everything[key] for key in module.DEFAULTS} == module.DEFAULTS
    for key in ("mount", "mount_options", "options", "uid", "gid"):
        assert given["volumes"]["one_vol"][key] == default["volumes"]["one_vol"][key]


@pytest.mark.parametrize(
    ("packages", "create", "wanted"),
    [(None, False, False), (None, True, True), (False, True, False), (True, False, True)],
)
def test_packages_are_installed_where_volumes_are_made_unless_the_pillar_says(node, packages, create, wanted):
    volume = {**ORDINARY["volumes"]["one_vol"], **({"create": {"replica": 3, "bricks": "/data/b"}} if create else {})}
    pillar = {"volumes": {"one_vol": volume}, **({} if packages is None else {"packages": packages})}
    assert node(pillar)["packages"] is wanted


SECTIONS = {
    "_TOP": lambda key, value: {**ORDINARY, key: value},
    "_OPENNEBULA": lambda key, value: {**ORDINARY, "opennebula": {key: value}},
    "_VOLUME": lambda key, value: with_volume(**{key: value}),
    "_DATASTORE": lambda key, value: with_datastore(**{key: value}),
}
NONE_OF_THEM = {"mount_options", "absent_attributes", "remediate"}  # an empty list says something


@pytest.mark.parametrize("section", SECTIONS)
def test_nothing_in_particular_is_no_value(node, execution, section):
    for key in getattr(execution("gluster_one_pillar"), section):
        for value in ("", " ", *([] if key in NONE_OF_THEM else [[]])):
            errors = node(SECTIONS[section](key, value))["errors"]
            assert any(f":{key} is " in error for error in errors), (key, value)


def test_another_volume_than_before_stops_the_run_of_each_who_uses_it(node):
    seen = []

    def other(name, wanted, server, mount):
        seen.append((name, wanted, server, mount))
        return f"the volume {name} has the id 7"

    for minion, roles, expected in (
        ("kvm1", None, ("one_vol", ID, True, "/var/lib/gluster_one/one_vol")),
        ("kvm4", None, ("one_vol", ID, False, "/var/lib/gluster_one/one_vol")),
        ("kvm3", ["server"], ("one_vol", ID, True, None)),
    ):
        pillar = {"volumes": {"one_vol": {**ORDINARY["volumes"]["one_vol"], "id": ID}}}
        plan = node({**pillar, **({"roles": roles} if roles else {})}, minion, other=other)
        assert plan == {"errors": ["the volume one_vol has the id 7"]} and seen.pop() == expected
