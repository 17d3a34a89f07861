"""
What oned does not check and the state does: an error before anything is written, in test mode as well. Each rule has a
case that fails when the rule is taken out.
"""

import xmlrpc.client

import pytest

from .standin import StandIn
from .wire import speaking

NATIVE = {"volume": "one_vol", "host": "kvm1"}
ON_DISK = {"DISK_TYPE": "GLUSTER", "GLUSTER_HOST": "kvm1:24007", "GLUSTER_VOLUME": "one_vol", "DRIVER": "raw"}
SYSTEM = {"type": "SYSTEM_DS"}
BY_HAND = {"DISK_TYPE": "GLUSTER", "GLUSTER_HOST": "kvm1"}

# The arguments, and what the error says.
WRONG = [
    ({**NATIVE, "ds_mad": "shared"}, "DS_MAD shared is not among the drivers that oned runs (dummy, fs,"),
    ({**NATIVE, "ds_mad": "nope"}, "DS_MAD nope is not among"),
    ({"ds_mad": "vmfs"}, "DS_MAD vmfs is not among"),
    ({**NATIVE, "tm_mad": "nope"}, "TM_MAD nope is not among the drivers that oned runs (dummy, lvm, shared,"),
    ({**SYSTEM, "tm_mad": "vmfs"}, "TM_MAD vmfs is not among"),
    ({"type": "IMAGES"}, "type is 'IMAGES': IMAGE_DS, SYSTEM_DS, FILE_DS are possible"),
    ({"attributes": {"TYPE": "IMAGES"}}, "type is 'IMAGES'"),
    ({"volume": "one_vol"}, "host is None: a Gluster server is needed"),
    ({"host": "kvm1"}, "volume is None, and host is 'kvm1': give the volume too, or leave host out"),
    ({**SYSTEM, "host": "kvm1"}, "volume is None, and host is 'kvm1'"),
    ({"attributes": BY_HAND}, "GLUSTER_VOLUME is missing"),
    ({"attributes": {"DISK_TYPE": "gluster", "GLUSTER_VOLUME": "v"}}, "GLUSTER_HOST is missing"),
    ({**NATIVE, "host": "kvm1,kvm2"}, "has a comma"),
    ({**NATIVE, "host": ["kvm1", "fe80::1"]}, "is an IPv6 address, which oned cuts at its first colon"),
    ({**NATIVE, "host": "kvm1:0"}, "has no valid port"),
    ({**NATIVE, "host": "kvm1:65536"}, "(1 to 65535)"),
    ({"attributes": {**BY_HAND, "GLUSTER_VOLUME": "v", "GLUSTER_HOST": "kvm1:x"}}, "has no valid port"),
    ({**NATIVE, "mount": "/proc"}, "its volume is to be one_vol, and proc is mounted on /proc"),
    ({**SYSTEM, "attributes": {"DISK_TYPE": "FILE"}}, "oned ignores or rejects it on a SYSTEM_DS, leave it out"),
    ({"type": "FILE_DS", "attributes": {"DISK_TYPE": "BLOCK"}}, "on a FILE_DS"),
    ({**SYSTEM, **NATIVE}, "only an image datastore is opened natively"),
    ({**SYSTEM, "ds_mad": "fs"}, "ds_mad is 'fs': a system datastore has none"),
    ({**SYSTEM, "attributes": {"DS_MAD": "fs"}}, "a system datastore has none"),
    ({"restricted_dirs": "/etc root"}, "restricted_dirs is '/etc root': absolute paths are needed"),
    ({"safe_dirs": ["/tmp", "var"]}, "safe_dirs is ['/tmp', 'var']: absolute"),
    ({"attributes": {"SAFE_DIRS": "tmp"}}, "safe_dirs is 'tmp': absolute"),
    ({"attributes": {"CLONE_TARGET": "SELF"}}, "CLONE_TARGET is SELF, and oned would make it SYSTEM because TM_MAD is"),
    ({"attributes": {"LN_TARGET": "SYSTEM"}}, "LN_TARGET is SYSTEM, and oned would make it NONE"),
    ({"attributes": {"ALLOW_ORPHANS": "YES"}}, "oned would make it FORMAT because TM_MAD is shared: leave it out"),
    ({"attributes": {"PERSISTENT_SNAPSHOTS": "NO"}}, "PERSISTENT_SNAPSHOTS is NO, and oned would make it YES"),
    ({**NATIVE, "tm_mad": "qcow2"}, "DRIVER is raw, and oned would make it qcow2"),
    ({**NATIVE, "tm_mad": "fs_lvm"}, "DISK_TYPE is GLUSTER, and oned would make it BLOCK"),
    ({"clusters": ["default", "xen", 7]}, "clusters names xen, 7, and OpenNebula has default (0)"),
    ({"owner": "eve"}, "OpenNebula has no user eve: create it"),
    ({"group": "staff"}, "OpenNebula has no group staff: create it"),
    ({"permissions": "rw-r-----"}, "permissions is 'rw-r-----': nine letters such as um-u-----, or 640"),
    ({"permissions": 888}, "permissions is 888"),
    ({"enabled": False}, "only a system datastore can be disabled"),
    ({**SYSTEM, "enabled": "no"}, "enabled is 'no': true or false is needed"),
    ({**NATIVE, "attributes": {"disk_type": None}}, "attributes has DISK_TYPE None: a text or number is needed"),
    ({**NATIVE, "attributes": {"disk_type": "FILE"}}, "attributes has DISK_TYPE FILE, and with volume it is GLUSTER"),
    ({"datastore_id": 77}, "OpenNebula has none with the identifier 77"),
    ({"datastore_id": "x"}, "datastore_id is 'x': a number is needed"),
    ({"attributes": {"Name": "x"}}, "it renames nothing; give datastore_id and name"),
    ({"attributes": {"BAD NAME": "x"}}, "'BAD NAME' is not a name: letters, digits and _ are allowed"),
    ({"attributes": ["NOTE"]}, "attributes is ['NOTE']: names and values are needed"),
    ({"attributes": {"LIST": [1, 2]}}, "attributes has LIST [1, 2]: a text or number is needed"),
    ({"attributes": {"A": 1}, "absent_attributes": ["a"]}, "absent_attributes has A, which is to be 1"),
    ({"absent_attributes": ["TM_MAD"]}, "absent_attributes has TM_MAD, which oned sets again by itself"),
    ({"absent_attributes": "ln_target"}, "absent_attributes has LN_TARGET, which oned sets again"),
    ({"in_use": "yes"}, "in_use is 'yes': allow is possible"),
    ({"attributes": {"TM_MAD_SYSTEM": "local"}}, "TM_MAD_SYSTEM is local, and oned would make it ssh because TM_MAD"),
    ({**SYSTEM, "attributes": {"SHARED": False}}, "SHARED is NO, and oned would make it YES"),
    ({"absent_attributes": ["FOO", "clone_target_ssh"]}, "absent_attributes has CLONE_TARGET_SSH, which oned sets"),
    ({**SYSTEM, "absent_attributes": ["DS_MIGRATE"]}, "absent_attributes has DS_MIGRATE, which oned sets again"),
    ({"attributes": {"Gr\u00f6sse": 5}}, "'Gr\u00f6sse' is not a name: letters, digits and _ are allowed, no umlauts"),
    ({"attributes": {"NOTE": "a]]>b"}}, "each text without \\\" and ]]> in it and without \\ at its end"),
    ({"name": "glusterds "}, "name is 'glusterds ': a name is a text of up to 128 bytes"),
]  # fmt: skip


@pytest.mark.parametrize("test", [True, False], ids=["test", "run"])
@pytest.mark.parametrize("arguments, words", WRONG, ids=[words[:40] for _, words in WRONG])
def test_wrong_is_an_error_before_anything_is_written(oned, present, arguments, words, test):
    result = present(test=test, **arguments)
    assert (result.result, result.changes) == (False, {}) and words in result.comment
    assert result.comment.startswith("Datastore glusterds") and result.comment.count("Datastore glusterds") == 1
    assert "\n" not in result.comment and oned.writes() == []


@pytest.mark.parametrize("access", [{}, SYSTEM])
def test_what_oned_gives_a_new_datastore_can_be_absent(oned, present, access):
    """oned gives directories to one that has none, and a disk type."""
    asked = {**access, "absent_attributes": ["SAFE_DIRS", "DISK_TYPE"]}
    predicted, result = present(test=True, **asked), present(**asked)
    assert (predicted.result, result.result) == (None, True), result.comment
    assert result.changes == predicted.changes and oned.writes() == ["datastore.allocate", "datastore.update"]
    assert "SAFE_DIRS" not in oned.document(100) and "RESTRICTED_DIRS" in oned.document(100)
    assert (present(**asked).changes, oned.writes()) == ({}, [])


def test_what_the_transfer_driver_leaves_alone(oned, present):
    """Its configuration has no TM_MAD_SYSTEM, and nothing of migration is for an image datastore."""
    kept = {"TM_MAD_SYSTEM": "local", "LN_TARGET_LOCAL": "SYSTEM", "DS_MIGRATE": "NO"}
    oned.datastore("glusterds", TM_MAD="ssh", CLONE_TARGET_SSH="SELF")
    asked = {"tm_mad": "ssh", "attributes": kept, "absent_attributes": ["CLONE_TARGET_SSH"]}
    result = present(**asked)
    assert result.result is True and set(result.changes) == {*kept, "CLONE_TARGET_SSH"}, result.comment
    assert present(**asked).changes == {}


def test_elements_of_oned_are_no_attributes(oned, present):
    """One of that name is written."""
    oned.datastore("glusterds")
    assert set(present(attributes={"STATE": "READY", "ID": 100}).changes) == {"STATE", "ID"}
    assert present(attributes={"STATE": "READY", "ID": 100}).changes == {}


def refused(oned, present, words, **arguments):
    """The state is an error that says so, in test mode too, and changes nothing."""
    before = oned.call("datastorepool.info")
    oned.log()
    for test in (True, False):
        result = present(test=test, **arguments)
        assert (result.result, result.changes) == (False, {}) and words in result.comment, result.comment
        assert "\n" not in result.comment
    assert oned.writes() == [] and oned.call("datastorepool.info") == before


# Drivers


@pytest.mark.parametrize("drivers, given", [("fs,ceph", "fs"), ("fs,shared", "shared")])
def test_the_guides_driver_where_it_runs_and_fs_elsewhere(oned, present, drivers, given):
    oned.lab(drivers=drivers)
    assert present(**NATIVE).changes["DS_MAD"] == {"old": None, "new": given}
    assert present(**NATIVE).changes == {}


def image(oned, store, name="old"):
    """An image that is there already, wherever it came from."""
    return oned.call("image.allocate", f'NAME="{name}"\nSOURCE=/one/{name}\nFORMAT=raw\nSIZE=1\nTYPE=OS\n', store)


@pytest.mark.parametrize("asked", [{}, {"ds_mad": "fs"}])
def test_the_guides_dead_datastore_is_mended_with_its_images(oned, present, asked):
    store = oned.datastore("glusterds", **{**ON_DISK, "DS_MAD": "shared", "KEEP": "me"})
    image(oned, store)
    predicted = present(test=True, **NATIVE, **asked)
    result = present(**NATIVE, **asked)
    assert (predicted.result, result.result) == (None, True), result.comment
    assert result.changes == predicted.changes == {"DS_MAD": {"old": "shared", "new": "fs"}}
    assert "<KEEP><![CDATA[me]]></KEEP>" in oned.document(store)
    assert oned.call("image.allocate", 'NAME="new"\nPATH=/var/tmp/new.raw\nTYPE=OS\n', store) > 0
    assert present(**NATIVE, **asked).changes == {}


def test_where_oned_does_not_tell_its_drivers(oned, present):
    """oned rejects one.system.config for users outside of the group oneadmin: a warning says so, and fs is used."""
    arguments = {**NATIVE, "attributes": {"CLONE_TARGET": "SYSTEM"}}
    with oned.trouble(fail=[512, "User [2] : Not authorized."], method="one.system.config"):
        for test in (True, False):
            result = present(test=test, **arguments)
            assert result.changes["DS_MAD"] == {"old": None, "new": "fs"}
            (warning,) = result.warnings
            assert "one.system.config is for the group oneadmin" in warning and "DS_MAD is fs" in warning
            assert warning.endswith("; CLONE_TARGET: left to oned, which takes what TM_MAD has")
        assert result.result is True
        assert present(**arguments).warnings == []  # nothing depends on it any more
        ceph = oned.datastore("of ceph", DS_MAD="ceph", DISK_TYPE="RBD", BRIDGE_LIST="a")
        assert "DS_MAD" not in present("of ceph", test=True, attributes={"LN_TARGET": "x"}).changes
        dead = oned.datastore("dead", **{**ON_DISK, "DS_MAD": "shared"})
        assert present("dead", **NATIVE).changes == {"DS_MAD": {"old": "shared", "new": "fs"}}
    assert ceph < dead


@pytest.mark.parametrize("vm_mad", ["xen", "lxc", "esx"])
@pytest.mark.parametrize("cluster", [0, 100])
def test_only_kvm_hosts(oned, present, vm_mad, cluster):
    oned.call("cluster.allocate", "others")
    for number, mad in enumerate(("kvm", "qemu", vm_mad)):
        oned.call("host.allocate", f"host{number}", mad, mad, cluster if mad == vm_mad else 0)
    words = f"of the hosts in its clusters, host2 ({vm_mad}) cannot open gluster://, only KVM hosts can"
    arguments = {**NATIVE, **({"clusters": ["others"]} if cluster else {})}
    refused(oned, present, words, **arguments)
    by_attributes = {"DISK_TYPE": "gluster", "GLUSTER_HOST": "kvm1", "GLUSTER_VOLUME": "one_vol"}
    refused(oned, present, words, **{**arguments, "volume": None, "host": None, "attributes": by_attributes})
    assert present("plain", clusters=["others"]).result is True
    store = oned.datastore("glusterds", cluster, **ON_DISK)  # somebody moved it there, or the host
    refused(oned, present, words, **NATIVE)
    refused(oned, present, words)  # nor where the state does not say that it is native
    if not cluster:
        return
    oned.call("cluster.deldatastore", cluster, store)
    assert present(**NATIVE).result is True


def test_a_cluster_of_others_does_no_harm_elsewhere(oned, present):
    oned.call("cluster.allocate", "kvm")
    oned.call("host.allocate", "xen1", "xen", "xen", 0)
    assert present(**NATIVE, clusters=["kvm"]).result is True
    refused(oned, present, "xen1 (xen)", **NATIVE, clusters=["default"])


# What is there already, with what is asked for


ALL_OF_IT = ["DISK_TYPE", "GLUSTER_HOST", "GLUSTER_VOLUME"]


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"absent_attributes": ["GLUSTER_HOST"]}, "GLUSTER_HOST is missing: a datastore of DISK_TYPE GLUSTER needs it"),
        ({"absent_attributes": "gluster_volume"}, "GLUSTER_VOLUME is missing"),
        ({"attributes": {"GLUSTER_HOST": "kvm1,kvm2"}}, "'kvm1,kvm2' has a comma"),
        ({"mount": "/proc"}, "its volume is to be one_vol, and proc is mounted on /proc"),
        ({"absent_attributes": ALL_OF_IT}, None),
        ({"attributes": {"DISK_TYPE": "FILE"}, "absent_attributes": ALL_OF_IT[1:]}, None),
        ({"attributes": {"DISK_TYPE": "GLUSTER", "GLUSTER_HOST": "kvm2"}}, None),
        ({"attributes": {"LIMIT_MB": 5}}, None),
    ],
)
def test_what_is_there_counts_with_what_is_asked_for(oned, present, arguments, words):
    oned.datastore("glusterds", **ON_DISK)
    if words:
        refused(oned, present, words, **arguments)
        return
    result = present(**arguments)
    assert result.result is True and result.changes, result.comment
    assert present(**arguments).changes == {}


def test_a_native_datastore_is_not_added_to_other_hosts(oned, present):
    """Also by a state that does not say that it is native; one of plain files may be."""
    oned.call("cluster.allocate", "others")
    oned.call("host.allocate", "xen1", "xen", "xen", 100)
    oned.datastore("glusterds", **ON_DISK)
    refused(oned, present, "of the hosts in its clusters, xen1 (xen) cannot open gluster://", clusters=["others"])
    assert present(clusters=["others"], absent_attributes=ALL_OF_IT).result is True


# One volume, several datastores


@pytest.mark.parametrize(
    "theirs, tm_mad, fits",
    [("shared", "shared", True), ("ssh", "shared", True), ("local", "shared", False), ("shared", "ceph", False)],
)
def test_transfer_drivers_on_one_volume_fit(oned, present, modules, tmp_path, theirs, tm_mad, fits):
    """TM_MAD_SYSTEM of the image datastore's driver names other drivers that the system datastore may have."""
    other = oned.datastore("system of gluster", TYPE="SYSTEM_DS", DS_MAD=None, TM_MAD=theirs)
    mount = f"/srv/{tmp_path.name}"
    modules.data.update(f"gluster_one_ids.published_ids:{mount}", {"system of gluster": other})
    arguments = {**NATIVE, "tm_mad": tm_mad, "mount": mount, "datastores_dir": str(tmp_path)}
    if not fits:
        words = (
            f"its TM_MAD {tm_mad} does not fit {theirs} of datastore system of gluster (SYSTEM_DS) on the same volume"
        )
        refused(oned, present, words, **arguments)
        return
    assert present(test=True, **arguments).result is None


@pytest.mark.parametrize(
    "system, image, fitting",
    [
        ("shared", "shared", None),
        ("ssh", "shared", None),
        ("local", "local", None),
        ("ssh", "qcow2", None),
        ("local", "shared", "shared or ssh"),
        ("shared", "ssh", "ssh"),
        ("shared", "qcow2", "qcow2 or ssh"),
    ],
)
@pytest.mark.parametrize("by_attributes", [False, True])
def test_transfer_drivers_of_one_run_fit(oned, in_one_run, tmp_path, system, image, fitting, by_attributes):
    """Also where neither datastore is there: then none is created."""
    more = {"mount": str(tmp_path / "mount"), "datastores_dir": str(tmp_path), **oned.arguments}
    asked = lambda tm_mad: {"attributes": {"Tm_Mad": tm_mad}} if by_attributes else {"tm_mad": tm_mad}  # noqa: E731
    states = {"first": {**SYSTEM, **asked(system), **more}, "second": {**asked(image), **more}}
    for test in (True, False) if fitting else (True,):
        returned = in_one_run(states, test=test)
        for name, other in (("first", f"{image} of datastore second"), ("second", f"{system} of datastore first")):
            result = returned[name]
            if not fitting:
                assert result.result is None, result.comment
                continue
            assert (result.result, result.changes) == (False, {})
            assert f"does not fit {other}" in result.comment
            assert result.comment.endswith(
                f"with tm_mad {image} of the image datastore, that of the system datastore can be {fitting}"
            )
    assert oned.writes() == []


@pytest.mark.parametrize(
    "first, second, differ",
    [
        ("kvm1", "kvm1:24007", False),
        (["kvm1", "kvm2"], "kvm2 kvm1:24007", False),
        ("kvm1", "kvm2", True),
        ("kvm1", ["kvm1", "kvm2"], True),
    ],
)
def test_datastores_on_one_volume_name_the_same_servers(
    oned, in_one_run, present, loaders, modules, tmp_path, first, second, differ
):
    """Those of one run, and one that is there."""
    written = loaders.utils["one_datastore_rules.gluster_host"](first)
    mount = f"/srv/{tmp_path.name}"
    more = {"volume": "one_vol", "mount": mount, "datastores_dir": str(tmp_path)}
    states = {"first": {**more, "host": first, **oned.arguments}, "second": {**more, "host": second, **oned.arguments}}
    for result in in_one_run(states, test=True).values():
        assert result.result is (False if differ else None), result.comment
        assert ("on the same volume: give both the same" in result.comment) is differ
    there = oned.datastore("there", **{**ON_DISK, "GLUSTER_HOST": written})
    modules.data.update(f"gluster_one_ids.published_ids:{mount}", {"there": there})
    result = present("second", test=True, host=second, **more)
    assert result.result is None, "what nobody changes in this run is no reason to change nothing"
    (warning,) = result.warnings or [""]
    assert (f"is not {written} of datastore there on the same volume, which is not in the pillar" in warning) is differ


def test_the_servers_of_all_may_change_at_once(oned, in_one_run, modules, tmp_path):
    mount = f"/srv/{tmp_path.name}"
    ids = {name: oned.datastore(name, **ON_DISK) for name in ("first", "second")}
    modules.data.update(f"gluster_one_ids.published_ids:{mount}", ids)
    more = {"volume": "one_vol", "host": "kvm3", "mount": mount, "datastores_dir": str(tmp_path), **oned.arguments}
    returned = in_one_run({"first": more, "second": more}, test=True)
    assert {result.changes["GLUSTER_HOST"]["new"] for result in returned.values()} == {"kvm3:24007"}


def test_images_that_are_there_keep_their_format(oned, present):
    """The default driver is for new datastores, and for one that is adopted before its first image."""
    store = oned.datastore("glusterds", **{**ON_DISK, "DRIVER": None})
    assert present(test=True, **NATIVE).changes == {"DRIVER": {"old": None, "new": "raw"}}
    image(oned, store, "ubuntu")
    result = present(**NATIVE)
    assert (result.result, result.changes) == (True, {}), result.comment
    assert "DRIVER is None: " in result.warnings[0]
    refused(oned, present, "DRIVER from None to raw puts them at risk", **NATIVE, driver="raw")
    assert present(**NATIVE, driver="raw", in_use="allow").changes["DRIVER"]["new"] == "raw"


def test_a_datastore_elsewhere_need_not_fit(oned, in_one_run, tmp_path):
    states = {"first": {**SYSTEM, "tm_mad": "local"}, "second": {}}
    for number, arguments in enumerate(states.values()):
        arguments.update(mount=str(tmp_path / str(number)), datastores_dir=str(tmp_path), **oned.arguments)
    assert {result.result for result in in_one_run(states, test=True).values()} == {None}


def test_the_drivers_of_all_may_change_at_once(oned, in_one_run, modules, tmp_path):
    """What counts is what the others are to be, not what they still are; one is known by its number."""
    mount = f"/srv/{tmp_path.name}"
    ids = {
        "first": oned.datastore("first", TYPE="SYSTEM_DS", DS_MAD=None),
        "old": oned.datastore("old"),
    }
    modules.data.update(f"gluster_one_ids.published_ids:{mount}", ids)
    more = {"tm_mad": "local", "mount": mount, "datastores_dir": str(tmp_path), **oned.arguments}
    returned = in_one_run({"first": {**SYSTEM, **more}, "second": {"datastore_id": ids["old"], **more}}, test=True)
    assert {name: result.changes["TM_MAD"]["new"] for name, result in returned.items()} == {
        "first": "local",
        "second": "local",
    }
    assert {result.result for result in returned.values()} == {None}


def test_a_directory_that_holds_other_files(oned, present, tmp_path):
    """A datastore that is in use for files which are not the volume's."""
    store = oned.datastore("glusterds", **ON_DISK)
    (tmp_path / str(store)).mkdir()
    (tmp_path / str(store) / "image").write_text("data")
    arguments = {"mount": str(tmp_path / "mount"), "datastores_dir": str(tmp_path)}
    refused(oned, present, f"{tmp_path}/{store} ", **{**NATIVE, "host": "kvm2"}, **arguments)


# Names


@pytest.fixture
def twins(oned):
    """An endpoint with two datastores of one name. oned lets nobody make them today; an old database may have them."""
    for name in ("one", "two"):
        oned.datastore(name)
    pool = oned.call("datastorepool.info").replace("<NAME>two</NAME>", "<NAME>one</NAME>")
    body = xmlrpc.client.dumps(([True, pool, 0],), methodresponse=True).encode()
    with speaking(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)) as (endpoint, _):
        yield endpoint


@pytest.mark.parametrize("test", [True, False])
def test_two_of_one_name(twins, present, test):
    result = present("one", test=test, endpoint=twins)
    assert result.result is False
    words = ("Datastore one: there is more than one of that name (101 and 100): give datastore_id",)
    assert result.comment in (*words, words[0].replace("101 and 100", "100 and 101"))


@pytest.mark.parametrize("test", [True, False])
@pytest.mark.parametrize("number", [100, 101])
def test_one_of_two_of_one_name(twins, present, test, number):
    """As that error advises."""
    result = present("one", test=test, endpoint=twins, datastore_id=number)
    assert (result.result, result.changes) == (True, {}), result.comment


def test_a_name_that_another_has(oned, present):
    first, second = oned.datastore("first"), oned.datastore("second")
    words = f"{second} cannot be renamed to it, because datastore {first} has that name"
    refused(oned, present, words, name="first", datastore_id=second)


# Danger


def test_a_type_cannot_change(oned, present):
    oned.datastore("glusterds")
    refused(oned, present, "is of type IMAGE_DS, which cannot be changed to SYSTEM_DS", **SYSTEM)


DANGEROUS = [
    ("DISK_TYPE", {**ON_DISK, "DISK_TYPE": None}, NATIVE, "DISK_TYPE from FILE to GLUSTER"),
    ("DISK_TYPE", {**ON_DISK, "DISK_TYPE": None, "GLUSTER_VOLUME": None}, NATIVE, "DISK_TYPE from FILE to GLUSTER"),
    ("DISK_TYPE", ON_DISK, {"absent_attributes": ["DISK_TYPE"]}, "DISK_TYPE from GLUSTER to None"),
    ("DISK_TYPE", ON_DISK, {**NATIVE, "access": "fuse"}, "DISK_TYPE from GLUSTER to FILE"),
    ("GLUSTER_VOLUME", ON_DISK, {**NATIVE, "volume": "two_vol"}, "GLUSTER_VOLUME from one_vol to two_vol"),
    ("DS_MAD", ON_DISK, {**NATIVE, "ds_mad": "dummy"}, "DS_MAD from fs to dummy"),
    ("TM_MAD", ON_DISK, {**NATIVE, "tm_mad": "ssh"}, "TM_MAD from shared to ssh"),
    ("DRIVER", {**ON_DISK, "DRIVER": "qcow2"}, {**NATIVE, "driver": "raw"}, "DRIVER from qcow2 to raw"),
]


@pytest.mark.parametrize("attribute, there, asked, what", DANGEROUS, ids=[words for *_, words in DANGEROUS])
@pytest.mark.parametrize("images, machines", [(0, 0), (2, 0), (2, 3)])
def test_danger_asks_first(oned, present, attribute, there, asked, what, images, machines):
    store = oned.datastore("glusterds", **there)
    made = [image(oned, store, f"image{number}") for number in range(images)]
    for number in range(machines):
        disks = [{"IMAGE_ID": made[0]}]
        oned.lab(put={"vm": {"name": f"vm{number}", "host": "kvm1", "disks": disks}})
    if made:
        words = f"has {images} images and {machines} VMs, and changing {what} puts them at risk: "
        refused(oned, present, words, **asked)
        refused(oned, present, "set in_use: allow", **asked)
        asked = {**asked, "in_use": "allow"}
    assert attribute in present(test=True, **asked).changes
    result = present(**asked)
    assert attribute in result.changes and result.result is True, result.comment
    keeps = f"; existing VMs keep their disks' type {result.changes[attribute]['old']}"
    assert (keeps in result.comment) is (attribute == "DISK_TYPE")
    old = result.changes.get("GLUSTER_VOLUME", {}).get("old")
    assert (f"; existing VMs keep GLUSTER_VOLUME {old}" in result.comment) is (old is not None)
    assert present(**asked).changes == {}


def test_machines_on_a_system_datastore(oned, present):
    """They have no image there: their volatile disks are at risk."""
    store = oned.datastore("scratch", TYPE="SYSTEM_DS", DS_MAD=None)
    gone = {"name": "gone", "state": 6, "lcm_state": 0, "host": "kvm1", "ds": store}
    oned.lab(put={"vm": gone})
    assert present("scratch", test=True, **SYSTEM, tm_mad="ssh").result is None
    oned.lab(put={"vm": {**gone, "name": "web", "state": 3, "lcm_state": 3}})
    refused(oned, present, "has 0 images and 1 VMs", name="scratch", **SYSTEM, tm_mad="ssh")


def test_what_a_limited_user_does_not_see_counts(oned, present, eve):
    """Images and VMs of others: the datastore has the images' identifiers, of VMs nobody tells her anything."""
    store, scratch = oned.datastore("glusterds", **ON_DISK), oned.datastore("scratch", TYPE="SYSTEM_DS", DS_MAD=None)
    me = eve(store, scratch)
    assert present(test=True, **{**NATIVE, "volume": "two_vol"}, **me).result is None
    image(oned, store)
    hidden = "has 0 images and 0 VMs that OpenNebula shows to this user, and perhaps {} that it does not show, and"
    refused(oned, present, hidden.format("1 image"), **{**NATIVE, "volume": "two_vol"}, **me)
    refused(oned, present, hidden.format("VMs"), name="scratch", **SYSTEM, tm_mad="ssh", **me)
    assert present("scratch", test=True, **SYSTEM, tm_mad="ssh").result is None
    fuse = present(test=True, **NATIVE, access="fuse", in_use="allow", **me)
    assert set(fuse.changes) == {"DISK_TYPE"}, "what VMs of such an image need"
    assert fuse.warnings[0].startswith("1 image that OpenNebula does not show to this user may be native still, so")


def test_an_image_that_has_just_come_counts(oned, present):
    """It was not there when the datastore was read."""
    store = oned.datastore("glusterds", **ON_DISK)
    allocate = ["one.image.allocate", "NAME=late\nSOURCE=/one/late\nFORMAT=raw\nSIZE=1\nTYPE=OS\n", store]
    oned.lab(before=[allocate], method="one.imagepool.info")
    result = present(**{**NATIVE, "volume": "two_vol"})
    assert result.result is False and "has 1 images" in result.comment


def test_hosts_may_change_and_running_machines_keep_the_old_ones(oned, present):
    store = oned.datastore("glusterds", **ON_DISK)
    oned.lab(put={"vm": {"name": "web", "host": "kvm1", "disks": [{"IMAGE_ID": image(oned, store)}]}})
    result = present(**{**NATIVE, "host": ["kvm1", "kvm2"]})
    assert result.result is True
    assert result.changes == {"GLUSTER_HOST": {"old": "kvm1:24007", "new": "kvm1:24007 kvm2:24007"}}
    assert "existing VMs keep the old GLUSTER_HOST" in result.comment
    assert "keep the old GLUSTER_HOST" not in present(**{**NATIVE, "host": ["kvm1", "kvm2"]}).comment


def test_a_host_that_goes(oned, present):
    oned.datastore("glusterds", **ON_DISK)
    gone = {"attributes": {"DISK_TYPE": "FILE"}, "absent_attributes": ["GLUSTER_HOST", "GLUSTER_VOLUME"]}
    result = present("glusterds", **gone)
    assert result.result is True and result.changes["GLUSTER_HOST"]["new"] is None, result.comment
    assert "keep the old GLUSTER_HOST and need it" in result.comment


@pytest.mark.parametrize("hidden", ["hosts", "clusters", "a host", None])
def test_hosts_that_are_not_shown_are_not_checked(oned, present, hidden):
    """one.hostpool.info and one.clusterpool.info have what the user may use."""
    for name in ("kvm1", "kvm2"):
        oned.call("host.allocate", name, "kvm", "kvm", 0)
    method = "one.clusterpool.info" if hidden == "clusters" else "one.hostpool.info"
    tag = "CLUSTER" if hidden == "clusters" else "HOST"
    body = "(?:(?!</HOST>).)*<NAME>kvm2</NAME>.*?" if hidden == "a host" else ".*?"
    edit = [f"(?s)<{tag}>{body}</{tag}>", ""] if hidden else ["$^", ""]
    with oned.trouble(edit=edit, method=method):
        result = present(test=True, **NATIVE)
    assert result.result is None, result.comment
    assert [("hosts of cluster 0 run KVM is not known" in each) for each in result.warnings] == [True] * bool(hidden)


# What VMs open


@pytest.mark.parametrize("driver, warned", [(None, False), ("raw", False), ("qcow2", True)])
@pytest.mark.parametrize("phase", ["test", "run", "again"])
def test_a_native_datastore_told_to_keep_qcow2(present, driver, warned, phase):
    arguments = {**NATIVE, "driver": driver}
    if phase == "again":
        present(**arguments)
    result = present(test=phase == "test", **arguments)
    assert result.result is (None if phase == "test" else True)
    assert bool(result.warnings) is warned
    if warned:
        assert result.warnings[0].startswith("DRIVER is qcow2: ") and "use raw" in result.warnings[0]


def test_one_that_is_there_and_told_to_keep_qcow2(oned, present):
    """By a state that does not say that it is native."""
    oned.datastore("glusterds", **ON_DISK)
    assert present().warnings == []
    assert present(driver="qcow2").warnings[0].startswith("DRIVER is qcow2: ")


def test_raw_is_the_default_however_native_access_is_asked_for(oned, present):
    attributes = {"DISK_TYPE": "Gluster", "GLUSTER_HOST": "kvm1", "GLUSTER_VOLUME": "one_vol"}
    assert present(attributes=attributes).changes["DRIVER"]["new"] == "raw"
    assert present(**NATIVE).changes == {}
    assert "DRIVER" not in present("plain").changes


# After creation


def test_it_waits_until_oned_has_measured_it(present, tmp_path):
    server = StandIn(tmp_path, "--datastores", tmp_path / "datastores")
    try:
        result = present(**NATIVE, **server.arguments, wait_monitored=20)
        assert result.result is True
        assert "<TOTAL_MB>0</TOTAL_MB>" not in server.document(100)
        server.log()
        unseen = {"edit": [r"<TOTAL_MB>\d+", "<TOTAL_MB>0"], "method": "one.datastorepool.info", "times": 3}
        with server.trouble(**unseen):  # as it is after a change of DS_MAD
            result = present(**NATIVE, **server.arguments, wait_monitored=20)
        assert (result.result, result.changes, result.comment) == (True, {}, "datastore glusterds is as wanted")
        assert server.requests().count("datastorepool.info") == 4
    finally:
        server.stop()


def test_what_oned_has_not_measured(oned, present):
    result = present(**NATIVE, wait_monitored=1, attributes={"ERROR": "no space left"})
    assert result.result is False and result.changes["TYPE"]["new"] == "IMAGE_DS"
    assert result.comment == (
        "Datastore glusterds: OpenNebula did not measure datastore 100 within 1 s (last seen: size 0; no space left)"
    )
    result = present(**NATIVE, wait_monitored=1)  # no more a new one
    assert (result.result, result.changes) == (False, {})
    assert "(last seen: size 0; no space left): it does every 300 s (MONITORING_INTERVAL_DATASTORE" in result.comment
    assert present(test=True, **NATIVE, wait_monitored=1).comment.startswith(
        "datastore glusterds is as wanted; OpenNebula"
    )


def test_a_mended_driver_is_still_to_be_measured(oned, present):
    oned.datastore("glusterds", **{**ON_DISK, "DS_MAD": "shared"})
    result = present(**NATIVE)
    assert result.result is True and "OpenNebula has yet to measure it (size 0; no ERROR in its" in result.comment
    assert "and accepts no image before that" in result.comment
    with oned.trouble(edit=["<TOTAL_MB>0", "<TOTAL_MB>50"], method="one.datastorepool.info"):
        assert "measure" not in present(**NATIVE, safe_dirs=["/tmp"]).comment


@pytest.mark.parametrize("tm_mad", ["ssh", "local"])
def test_what_oned_never_measures_is_not_waited_for(present, tm_mad):
    for _ in ("new", "there"):
        result = present("scratch", **SYSTEM, tm_mad=tm_mad, wait_monitored=1)
        assert result.result is True
        assert f"OpenNebula never measures it, because SHARED is NO with TM_MAD {tm_mad}" in result.comment
