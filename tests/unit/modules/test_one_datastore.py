"""The rules that oned does not check, the notation and the equalities that it does not know."""

import pytest
from salt.exceptions import CommandExecutionError, SaltInvocationError

DRIVERS = {
    "ds_mad": ["dummy", "fs", "ceph"],
    "tm_mad": ["shared", "ssh", "qcow2"],
    "tm_mad_conf": {"shared": {"CLONE_TARGET": "SYSTEM", "LN_TARGET": "NONE", "ALLOW_ORPHANS": "FORMAT"}},
    "vm_mad": {"kvm": "kvm", "kvm_slow": "kvm", "lxc": "xml"},
}
NATIVE = {
    "TYPE": "IMAGE_DS",
    "TM_MAD": "shared",
    "DISK_TYPE": "GLUSTER",
    "GLUSTER_VOLUME": "one_vol",
    "GLUSTER_HOST": "kvm1:24007",
    "DRIVER": "raw",
}
THERE = {"id": 101, "type": "IMAGE_DS", "tm_mad": "shared", "ds_mad": "fs", "clusters": [0], **NATIVE, "DS_MAD": "fs"}


@pytest.fixture
def store(execution):
    """store(): the module; its oned runs DRIVERS, and what was asked of it is in module.asked."""

    def make(drivers=None, datastores=()):
        asked = []

        def answer(name, value):
            def function(*arguments, **_):
                asked.append((name, *arguments))
                return value

            return function

        check = execution("one_datastore")
        module = execution(
            "one_datastore",
            __salt__={
                "opennebula.datastore_list": answer("datastores", list(datastores)),
                "opennebula.cluster_list": answer(
                    "clusters", [{"id": 0, "name": "default"}, {"id": 100, "name": "kvm"}]
                ),
                "one_datastore.is_native": check.is_native,
                "data.get": lambda key: None,
                "gluster_one_ids.refuse_second": answer("second", True),
            },
        )
        module.drivers = answer("drivers", DRIVERS if drivers is None else drivers)
        module.asked = asked
        return module

    return make


@pytest.mark.parametrize(
    ("host", "written"),
    [
        ("kvm1", "kvm1:24007"),
        ("kvm1:24007", "kvm1:24007"),
        ("kvm1:1234", "kvm1:1234"),
        ("10.0.0.1", "10.0.0.1:24007"),
        (["kvm1", "kvm2:1"], "kvm1:24007 kvm2:1"),
        ("kvm1 kvm2", "kvm1:24007 kvm2:24007"),
    ],
)
def test_hosts_as_oned_splits_them(util, host, written):
    assert util("one_datastore_rules").gluster_host(host) == written


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("kvm1,kvm2", "comma"),
        ("kvm1, kvm2", "comma"),
        ("fe80::1", "IPv6"),
        ("[fe80::1]:24007", "IPv6"),
        ("kvm1:0", "port"),
        ("kvm1:65536", "port"),
        ("kvm1:x", "port"),
        ("", "does not name a host"),
        ([], "does not name a host"),
        ("-x", "is not a valid host"),
        ('a"b', "is not a valid host"),
    ],
)
def test_hosts_that_oned_would_misread(util, host, why):
    with pytest.raises(SaltInvocationError, match=why):
        util("one_datastore_rules").gluster_host(host)


def test_a_native_datastore_is_raw_by_default(store):
    assert store().template({"volume": "one_vol", "host": "kvm1"}) == NATIVE
    assert store().template({"volume": "one_vol", "host": "kvm1", "driver": "qcow2"})["DRIVER"] == "qcow2"
    assert store().template({}) == {"TYPE": "IMAGE_DS", "TM_MAD": "shared"}


FILES = {"TYPE": "IMAGE_DS", "TM_MAD": "shared", "DISK_TYPE": "FILE"}


def test_files_on_the_mount(store):
    """DISK_TYPE is said, DRIVER is not."""
    fuse = {"volume": "one_vol", "access": "fuse"}
    assert store().template(fuse) == store().template({**fuse, "host": ["kvm1", "kvm2"]}) == FILES
    assert store().template({"access": "fuse"}) == FILES
    assert store().template({**fuse, "driver": "qcow2"}) == {**FILES, "DRIVER": "qcow2"}
    assert store().template({**fuse, "attributes": {"disk_type": "file"}})["DISK_TYPE"] == "file"
    assert (
        store().__utils__["one_datastore_rules.changes"](
            FILES, {"type": "IMAGE_DS", "tm_mad": "shared", "disk_type": "FILE"}
        )
        == {}
    )


def test_what_was_native_loses_what_only_that_has(store):
    change = {
        "DISK_TYPE": {"old": "GLUSTER", "new": "FILE"},
        "GLUSTER_HOST": {"old": "kvm1:24007", "new": None},
        "GLUSTER_VOLUME": {"old": "one_vol", "new": None},
    }
    assert (
        store().difference("d", FILES, {**THERE, "name": "d"}, {"access": "fuse", "absent_attributes": "FOO"}) == change
    )
    module = store()
    module.__salt__.update({
        "opennebula.image_list": lambda *words, **_: [1, 2],
        "opennebula.vm_list": lambda *words, **_: [7],
    })  # fmt: skip
    with pytest.raises(CommandExecutionError) as error:
        module.refuse_in_use("d", change, THERE)
    assert str(error.value) == (
        "Datastore d has 2 images and 1 VMs, and changing DISK_TYPE from GLUSTER to FILE puts them at risk: move "
        "them first, or set in_use: allow"
    )
    assert module.refuse_in_use("d", change, THERE, "allow") is None


def test_the_servers_of_files_are_nobodys(store):
    planned = [{"name": "files", "host": "kvm2", "access": "fuse"}, {"name": "native", "host": "kvm3"}]
    module = store()
    module.__salt__["gluster_one_ids.published_ids"] = lambda mount: {}
    others = module._beside("d", "/mnt", planned, None, {})
    assert [other["GLUSTER_HOST"] for other in others] == [None, "kvm3"]


def test_every_attribute_of_the_guide_and_others(store):
    wanted = store().template(
        {
            "restricted_dirs": ["/etc", "/root"],
            "safe_dirs": "/var/tmp /tmp",
            "no_decompress": True,
            "attributes": {"limit_mb": 5},
        }
    )
    assert wanted["RESTRICTED_DIRS"] == "/etc /root"
    assert wanted["SAFE_DIRS"] == "/var/tmp /tmp"
    assert wanted["NO_DECOMPRESS"] == "YES"
    assert wanted["LIMIT_MB"] == "5"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"type": "SYSTEM"}, "type is 'SYSTEM'"),
        ({"type": "SYSTEM_DS", "ds_mad": "fs"}, "a system datastore has none"),
        ({"type": "SYSTEM_DS", "volume": "v", "host": "h"}, "only an image datastore"),
        ({"volume": "v"}, "host is None"),
        ({"type": "SYSTEM_DS", "access": "fuse"}, "access is 'fuse': a SYSTEM_DS holds files in either case, leave"),
        ({"host": "h", "access": "fuse"}, "volume is None, and host is 'h'"),
        (
            {"volume": "v", "access": "fuse", "attributes": {"DISK_TYPE": "GLUSTER"}},
            "DISK_TYPE GLUSTER, and with access: fuse it is FILE: leave one out",
        ),
        (
            {"volume": "v", "access": "fuse", "attributes": {"gluster_host": "h"}},
            "GLUSTER_HOST h, and with access: fuse it is not there: leave one out",
        ),
        (
            {"volume": "v", "host": "h", "attributes": {"DISK_TYPE": "FILE"}},
            "with volume it is GLUSTER: leave one out; for files on the mount, say access: fuse",
        ),
        ({"host": "h"}, "volume is None, and host is 'h'"),
        ({"safe_dirs": ["tmp"]}, "absolute paths"),
        ({"restricted_dirs": "/ etc"}, "absolute paths"),
        ({"restricted_dirs": 5}, "restricted_dirs is 5: absolute paths"),
        ({"restricted_dirs": [5]}, "absolute paths"),
        ({"safe_dirs": True}, "safe_dirs is True: absolute paths"),
        ({"safe_dirs": False}, "safe_dirs is False: absolute paths"),
        ({"safe_dirs": ""}, "safe_dirs is '': absolute paths are needed; for OpenNebula's own, leave it out"),
        ({"restricted_dirs": []}, r"restricted_dirs is \[\]: absolute paths"),
        ({"attributes": {"SAFE_DIRS": " "}}, "safe_dirs is ' ': absolute paths"),
        ({"attributes": {"base_path": "/srv"}}, "BASE_PATH '/srv': oned makes it from DATASTORE_LOCATION in oned.conf"),
        ({"attributes": {"1a": 1, "ONE_1A": 2}}, "attributes has ONE_1A twice, as 1 and 2: leave one out"),
    ],
)
def test_what_no_datastore_can_be(store, arguments, why):
    with pytest.raises(SaltInvocationError, match=why):
        store().template(arguments)


@pytest.mark.parametrize("names", [5, True, {"A": "b"}])
def test_attributes_to_remove_that_are_no_names(store, names):
    with pytest.raises(SaltInvocationError, match="absent_attributes is .*: a list of attribute names is needed"):
        store().difference("d", NATIVE, THERE, {"absent_attributes": names})


def test_native_access_by_attributes_alone(store):
    attributes = {"disk_type": "gluster", "GLUSTER_HOST": "kvm1", "Gluster_Volume": "one_vol"}
    assert store().template({"attributes": attributes}) == NATIVE


def attributes(module, wanted, current):
    return module.completed("d", wanted, current)["attributes"]


def test_the_guides_driver_where_it_runs_and_fs_elsewhere(store):
    assert attributes(store(), NATIVE, {})["DS_MAD"] == "fs"
    old = {**DRIVERS, "ds_mad": ["fs", "shared"]}
    assert attributes(store(old), NATIVE, {})["DS_MAD"] == "shared"


def test_the_guides_dead_datastore_is_mended(store):
    module = store()
    dead = {**THERE, "ds_mad": "shared", "DS_MAD": "shared"}
    assert module.__utils__["one_datastore_rules.changes"](attributes(module, NATIVE, dead), dead) == {
        "DS_MAD": {"old": "shared", "new": "fs"}
    }


def test_drivers_that_oned_does_not_tell(store):
    """A datastore that has a driver keeps it."""
    for there, ds_mad in (({}, "fs"), ({**THERE, "ds_mad": "shared"}, "fs"), ({**THERE, "ds_mad": "ceph"}, None)):
        found = store(drivers={}).completed("d", {**NATIVE, "TM_MAD": "ssh"}, there)
        assert found["attributes"].get("DS_MAD") == ds_mad
        assert "so they are not checked" in found["warnings"][0]


def test_oned_is_asked_for_drivers_only_when_something_depends_on_them(store):
    module = store()
    assert attributes(module, NATIVE, THERE) == NATIVE and module.asked == []
    attributes(module, NATIVE, {})
    assert module.asked == [("drivers",)]


@pytest.mark.parametrize(
    ("wanted", "made"),
    [
        ({"CLONE_TARGET": "SYSTEM", "LN_TARGET": "NONE", "ALLOW_ORPHANS": "format"}, None),
        ({"PERSISTENT_SNAPSHOTS": "YES"}, None),
        ({"PERSISTENT_SNAPSHOTS": "NO"}, "YES"),
        ({"CLONE_TARGET": "SELF"}, "SYSTEM"),
    ],
)
def test_what_the_transfer_driver_decides(store, wanted, made):
    if not made:
        assert attributes(store(), {**NATIVE, **wanted}, THERE) == NATIVE
        return
    with pytest.raises(CommandExecutionError, match=f"oned would make it {made}"):
        attributes(store(), {**NATIVE, **wanted}, THERE)


CONF = {
    "shared": {"TM_MAD_SYSTEM": "ssh", "DISK_TYPE_SSH": "FILE", "SHARED": "YES", "DS_LIVE_MIGRATE": "YES"},
    "qcow2": {"DRIVER": "qcow2", "LN_TARGET": "NONE"},
}


@pytest.mark.parametrize(
    ("kind", "attribute", "value", "why"),
    [
        ("IMAGE_DS", "DISK_TYPE_SSH", "BLOCK", "would make it FILE because TM_MAD is shared"),
        ("FILE_DS", "TM_MAD_SYSTEM", "local", "would make it ssh"),
        ("IMAGE_DS", "SHARED", "NO", "would remove it because TYPE is IMAGE_DS: leave it out"),
        ("SYSTEM_DS", "SHARED", "NO", "would make it YES"),
        ("SYSTEM_DS", "DS_LIVE_MIGRATE", "NO", "would make it YES"),
        ("SYSTEM_DS", "DS_MIGRATE", "NO", "would make it YES"),
        ("SYSTEM_DS", "LN_TARGET", "SELF", "would remove it because TYPE is SYSTEM_DS"),
    ],
)
@pytest.mark.parametrize("there", [False, True])
def test_what_oned_would_make_another_value_of(store, kind, attribute, value, why, there):
    current = {"id": 101, "type": kind, "tm_mad": "shared", "ds_mad": "fs", attribute: "x"} if there else {}
    module = store({**DRIVERS, "tm_mad_conf": CONF})
    with pytest.raises(CommandExecutionError, match=f"Datastore d: {attribute} is {value}, and oned {why}"):
        module.completed("d", {"TYPE": kind, "TM_MAD": "shared", attribute: value}, current)


@pytest.mark.parametrize(
    ("kind", "tm_mad", "attribute", "refused"),
    [
        ("IMAGE_DS", "shared", "TM_MAD_SYSTEM", True),
        ("IMAGE_DS", "qcow2", "TM_MAD_SYSTEM", False),  # its configuration has none
        ("IMAGE_DS", "qcow2", "driver", True),
        ("IMAGE_DS", "shared", "DRIVER", False),
        ("SYSTEM_DS", "shared", "SHARED", True),
        ("IMAGE_DS", "shared", "SHARED", False),  # it is never there
        ("SYSTEM_DS", "shared", "TYPE", True),
        ("IMAGE_DS", "shared", "Gr\u00f6sse", True),
    ],
)
def test_what_can_be_removed(store, kind, tm_mad, attribute, refused):
    wanted = {"TYPE": kind, "TM_MAD": tm_mad}
    current = {"name": "d", "type": kind, "tm_mad": tm_mad, attribute: "x"}
    module = store({**DRIVERS, "tm_mad_conf": CONF})
    if refused:
        with pytest.raises(SaltInvocationError, match="sets again by itself: leave it out|'Gr\u00f6sse' is not a name"):
            module.difference("d", wanted, current, {"absent_attributes": [attribute]})
        return
    found = module.difference("d", wanted, current, {"absent_attributes": [attribute]})
    assert found == {attribute: {"old": "x", "new": None}}


@pytest.mark.parametrize(
    ("attribute", "old", "new"),
    [
        ("GLUSTER_HOST", "kvm1", "kvm1:24007"),
        ("GLUSTER_HOST", "kvm1:24007  kvm2", "kvm1:24007 kvm2:24007"),
        ("NO_DECOMPRESS", "yes", "YES"),
        ("DISK_TYPE", "gluster", "GLUSTER"),
        ("SAFE_DIRS", "/var/tmp  /tmp ", "/var/tmp /tmp"),
        ("A", "", ""),
    ],
)
def test_equal_is_equal(store, attribute, old, new):
    assert store().__utils__["one_datastore_rules.changes"]({attribute: new}, {attribute: old}) == {}


@pytest.mark.parametrize("old", ["kvm1", "a,b", "", {"A": "1"}, ["kvm2:24007", "x"], None])
def test_different_is_one_change_with_old_and_new(store, old):
    """Whatever somebody may have typed in by hand."""
    assert store().__utils__["one_datastore_rules.changes"](
        {"GLUSTER_HOST": "kvm2:24007", "A": "1"}, {"GLUSTER_HOST": old, "A": "1"}
    ) == {"GLUSTER_HOST": {"old": old, "new": "kvm2:24007"}}


def named(*names):
    return [{"id": 100 + number, "name": name} for number, name in enumerate(names)]


def test_a_datastore_by_name_or_identifier(store):
    one, two = named("one", "two")
    module = store(datastores=[two, one])
    assert module.find("one") == module.find("one", 100) == module.find("new", "100") == one
    assert module.find("none") == {}
    for name, given, why in (
        ("one", 101, "101 cannot be renamed to it, because datastore 100 has that name"),
        ("one", 7, "has none with the identifier 7"),
    ):
        with pytest.raises(CommandExecutionError, match=why):
            module.find(name, given)
    with pytest.raises(SaltInvocationError, match="a number is needed"):
        module.find("one", "two")


def test_two_datastores_of_one_name(store):
    module = store(datastores=named("one", "one"))
    with pytest.raises(CommandExecutionError, match=r"more than one of that name \(100 and 101\): give datastore_id"):
        module.find("one")
    assert [module.find("one", number)["id"] for number in (100, 101)] == [100, 101]


def test_a_number_is_no_name(execution):
    """Even where a datastore is called like another one's identifier."""
    module = execution("opennebula")
    module.datastore_list = lambda **_: [{"id": 100, "name": "one"}, {"id": 101, "name": "100"}]
    found = [module.datastore_info(asked)["id"] for asked in ("one", 100, "100", "101")]
    assert found == [100, 100, 101, 101] and module.datastore_info(7) == {}


def test_all_that_differs(store):
    current = {**THERE, "name": "d", "GONE": "x", "permissions": "um-u-----"}
    asked = {"absent_attributes": ["gone"], "clusters": ["kvm"], "permissions": "660"}
    found = store().difference("d", {"A": "1"}, current, asked)
    assert found == {
        "A": {"old": None, "new": "1"},
        "GONE": {"old": "x", "new": None},
        "permissions": {"old": "um-u-----", "new": "um-um----"},
        "clusters": {"old": [0], "new": [0, 100]},
    }


def test_an_old_oned_whose_merge_removes_nothing(store):
    """Then the template that was just read goes back without the attribute."""
    module, sent = store(), []

    def update(number, attributes, replace=False):
        sent.append((number, attributes, replace))

    seen = {"id": 101, "name": "d", "A": "1", "GONE": "", "VECTOR": {"X": "1"}}
    module.__salt__.update({"opennebula.datastore_update": update, "opennebula.datastore_info": lambda number: seen})
    changes = {"GONE": {"old": "x", "new": None}, "A": {"old": "0", "new": "1"}}
    assert module.apply("d", changes, {"id": 101, "A": "0", "GONE": "x"}) == 101
    assert sent == [(101, {"GONE": None, "A": "1"}, False), (101, {"A": "1", "VECTOR": {"X": "1"}}, True)]


def test_what_was_done_before_an_error(store):
    module = store()

    def refuse(*_):
        raise CommandExecutionError("no")

    module.__salt__.update({"opennebula.datastore_update": lambda *_: 101, "opennebula.datastore_rename": refuse})
    changes = {"A": {"old": None, "new": "1"}, "name": {"old": "d", "new": "e"}}
    with pytest.raises(CommandExecutionError) as caught:
        module.apply("e", changes, {"id": 101})
    assert caught.value.done == {"A": changes["A"]}


@pytest.mark.parametrize(
    ("attributes", "written"),
    [
        ({"a": 1, "B": 'x "y"'}, 'A="1"\nB="x \\"y\\""\n'),
        ({"V": {"X": 1, "Y": "a b"}}, 'V=[X="1",Y="a b"]\n'),
        ({"TWICE": ["1", "2"]}, 'TWICE="1"\nTWICE="2"\n'),
        ({"GONE": None}, "GONE=[]\n"),
    ],
)
def test_attributes_in_opennebulas_notation(execution, attributes, written):
    assert execution("opennebula")._template(attributes) == written


@pytest.mark.parametrize("attributes", [{}, None, {"A B": 1}, {"A": "ends with \\"}])
def test_attributes_that_have_no_notation(execution, attributes):
    with pytest.raises(SaltInvocationError):
        execution("opennebula")._template(attributes)


ANYTHING = [
    None,
    "",
    "x",
    "-1",
    "1e3",
    "٣",
    7,
    -7,
    1.5,
    "9" * 40,
    [],
    ["x"],
    {},
    {"a": {"b": []}},
    [{"SNAPSHOT": "x"}],
    True,
]


@pytest.mark.parametrize("value", ANYTHING, ids=ascii)
def test_whatever_oned_says_of_an_image_or_a_machine(execution, value):
    """One that is odd is in the list all the same, and the others are."""
    good = {"ID": 3, "NAME": "i", "UNAME": "o", "GNAME": "g", "TYPE": 0, "STATE": 1, "PERSISTENT": 0, "SIZE": 1,
            "DATASTORE_ID": 101, "SNAPSHOTS": {}, "TEMPLATE": {}, "SOURCE": "/s", "HISTORY_RECORDS": {}}  # fmt: skip
    disk = {"DISK_ID": "0", "IMAGE": "i", "DATASTORE_ID": "101", "FORMAT": "raw", "CLONE": "YES", "DISK_TYPE": "FILE"}
    odd = [{}, *({**good, key: value} for key in good)]
    odd += [{**good, "TEMPLATE": {"DISK": value}}, {**good, "HISTORY_RECORDS": {"HISTORY": value}}]
    odd += [{**good, "TEMPLATE": {"DISK": [{**disk, key: value}]}} for key in disk]
    answers = {"imagepool.info": {"IMAGE": [good, *odd]}, "vmpool.infoextended": {"VM": [good, *odd]}}
    salt = {"opennebula_api.call": lambda method, *words, **_: answers[method]}
    module = execution("opennebula", __salt__=salt)
    for read in (module.image_list, module.vm_list):
        listed = read()
        assert len(listed) == len(odd) + 1 and listed[0]["id"] == 3
        for one in listed:
            assert {type(one[key]) for key in ("name", "owner")} == {str} and isinstance(one["id"], (int, type(None)))
        read(101)


@pytest.mark.parametrize("missing", ["ID", "NAME"])
def test_a_datastore_without_identifier_or_name_is_an_error_in_one_line(execution, missing):
    whole = {
        "ID": 1, "NAME": "d", "UID": 0, "GID": 0, "UNAME": "o", "GNAME": "g", "TYPE": 9, "STATE": 7,
        "DS_MAD": "fs", "TM_MAD": "ssh",
        "BASE_PATH": "/b", "CLUSTERS": {}, "IMAGES": {}, "TOTAL_MB": 1, "FREE_MB": 1, "USED_MB": 0,
        "PERMISSIONS": {f"{who}_{letter}": 1 for who in ("OWNER", "GROUP", "OTHER") for letter in "UMA"},
    }  # fmt: skip
    answer = {"DATASTORE": [whole]}
    module = execution("opennebula", __salt__={"opennebula_api.call": lambda *words, **_: answer})
    (read,) = module.datastore_list()
    assert (read["type"], read["state"]) == ("9", "7")  # newer than this
    del whole[missing]
    with pytest.raises(CommandExecutionError, match="no valid answer to one.datastorepool.info") as error:
        module.datastore_list()
    assert error.value.code is None


@pytest.mark.parametrize(
    ("current", "volume", "what"),
    [
        ({"total_mb": 1000}, 1010, None),
        ({"total_mb": 1000}, None, None),
        ({"total_mb": 400, "ERROR": "old"}, 1000, "size 400 MB, and the volume has 1000 MB; old"),
        ({"total_mb": 0}, 1000, "size 0; no ERROR in its template"),
        ({"total_mb": None}, None, "size unknown; no ERROR in its template"),
        ({"total_mb": 0, "type": "SYSTEM_DS", "SHARED": "NO"}, 1000, None),
        ({"total_mb": 0, "type": "SYSTEM_DS", "SHARED": "YES"}, 1000, "size 0; no ERROR in its template"),
        ({"total_mb": 0, "type": "IMAGE_DS", "SHARED": "NO"}, 1000, "size 0; no ERROR in its template"),
    ],
)
def test_the_size_is_the_volumes(execution, current, volume, what):
    """A datastore that was there before its directory became a link has the size of a local disk until oned looks."""
    salt = {"gluster_mount.space": lambda _: volume and {"total_mb": volume, "free_percent": 50}}
    assert execution("one_datastore", __salt__=salt).unmeasured(current, "/v") == what


@pytest.mark.parametrize(
    ("clusters", "exact", "has", "ours", "wanted"),
    [
        (["kvm"], False, [0], [], [0, 100]),
        ([0], False, [0, 100], [100], [0]),  # which a run has added
        ([0], False, [0, 100], [], [0, 100]),
        ([0], False, [0, 100, 101], [100], [0, 101]),
        ([0], True, [0, 100], [], [0]),
        ([], False, [0, 100], [100], None),  # it has to be in one
        (None, False, [0, 100], [100], None),
    ],
)
def test_a_cluster_that_a_run_has_added_goes_with_the_pillar_s(store, clusters, exact, has, ours, wanted):
    module, kept = store(), {"one_datastore.clusters": {"101": ours, "102": [7]}}
    module.__salt__.update({"data.get": kept.get, "data.update": lambda key, value: kept.update({key: value})})
    arguments = {"clusters": clusters, "clusters_exact": exact}
    found = module.difference("images", {}, {**THERE, "name": "images", "clusters": has}, arguments)
    wanted = has if wanted is None else wanted
    assert found.get("clusters") == ({"old": has, "new": wanted} if wanted != has else None)
    if "clusters" in found:
        module.record_clusters(101, found["clusters"])
        left = [each for each in wanted if each not in has or each in ours]
        assert kept["one_datastore.clusters"] == {"102": [7], **({"101": left} if left else {})}
