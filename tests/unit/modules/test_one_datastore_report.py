"""What the head's look makes of datastores, and of an OpenNebula that does not answer."""

import pytest
from salt.exceptions import CommandExecutionError

from ..conftest import Master


@pytest.fixture
def execution(execution):
    """With a head that has left no other datastore's identifier."""
    nothing = {"gluster_one_ids.dropped": lambda names, run: {}}
    return lambda name, __salt__=(): execution(name, __salt__={**nothing, **dict(__salt__)})


def test_the_check_knows_all_datastores_of_the_pillar(execution):
    """Their transfer drivers may have been changed together."""
    asked = {}

    def compare(name, arguments, planned=(), **_):
        asked[name] = {store["name"]: store.get("tm_mad") for store in planned}
        raise CommandExecutionError("seen enough")

    salt = {"gluster_mount.mount_health": lambda _: {"state": "absent"}, "one_datastore.compare": compare}
    volume = {"mount": "/srv/m", "datastores": {"d": {"tm_mad": "ssh"}, "e": {"type": "SYSTEM_DS"}}}
    node = {"id": "head", "volumes": {"v": volume}, "opennebula": {}}
    report = execution("one_datastore_report", __salt__=salt).report(node, heal=False)
    wrong = [["datastore_wrong", name, "seen enough"] for name in "de"]
    assert [finding[:3] for finding in report["findings"]] == wrong
    assert asked == {"d": {"d": "ssh", "e": None}, "e": {"d": "ssh", "e": None}}


@pytest.mark.parametrize("code, kinds", [(None, ["oned_away"]), (256, ["oned_away"]), (4096, ["datastore_wrong"] * 2)])
def test_the_check_ends_with_an_oned_that_does_not_answer(execution, code, kinds):
    def compare(*words, **_):
        error = CommandExecutionError("refused")
        error.code = code
        raise error

    salt = {"gluster_mount.mount_health": lambda _: {"state": "absent"}, "one_datastore.compare": compare}
    node = {"id": "head", "volumes": {"v": {"mount": "/v", "datastores": {"d": {}, "e": {}}}}, "opennebula": {}}
    report = execution("one_datastore_report", __salt__=salt).report(node, heal=False)
    assert [finding[0] for finding in report["findings"]] == kinds


def test_the_hosts_of_the_datastores_clusters(execution):
    store = {"id": 101, "type": "IMAGE_DS", "ds_mad": "fs", "tm_mad": "shared", "total_mb": 0, "clusters": [0, 100]}
    hosts = [
        {"name": name, "cluster": cluster, "off": name == "kvm8"}
        for name, cluster in (("kvm2", 100), ("kvm1", 0), ("kvm8", 0), ("kvm9", 101))
    ]
    salt = {
        "gluster_mount.mount_health": lambda _: {"state": "absent"},
        "one_datastore.compare": lambda *words, **_: {"current": store, "changes": {}},
        "opennebula.host_list": lambda **_: hosts,
    }
    node = {"id": "head", "volumes": {"v": {"mount": "/v", "datastores": {"d": {}}}}, "opennebula": {}}
    report = execution("one_datastore_report", __salt__=salt).report(node, heal=False)
    assert (report["hosts"], report["findings"]) == (["kvm1", "kvm2"], [])
    assert report["datastores"]["d"]["drivers"] == "fs/shared"


IMAGE = {"datastore": "d", "id": 1, "name": "i", "owner": "o", "problem": "p", "cure": "c"}


def test_of_many_unusable_images_the_first_are_named(execution):
    """The master takes a thousand findings of a node, others than these among them."""
    images = [{**IMAGE, "id": number, "what": "image", "disk": None} for number in range(1200)]
    module = execution("one_datastore_report", __salt__={"gluster_native.images": lambda: images})
    *named, (kind, on, *_, cure) = module._images({"id": "head"}, {"findings": []})
    assert len(named) == 500 and named[-1][1] == "d: image 499 (i, o)"
    assert (kind, on, cure) == ("image", "700 more images and disks", "salt head gluster_one.images")


@pytest.mark.parametrize(
    "what, disk, named, about",
    [
        ("image", None, "d: image 1 (i, o)", ["image", 1]),
        ("disk", 2, "d: disk 2 of VM 1 (i, o)", ["VM", 1]),
        ("disk", None, "d: a disk of VM 1 (i, o)", ["VM", 1]),
        ("datastore", None, "d: datastore 1 (i, o)", None),
    ],
)
def test_what_is_unusable_is_named_so_that_the_master_knows_it(execution, monkeypatch, what, disk, named, about):
    """A number is not said without what it is of: a VM has disks with numbers, and so have images."""
    images = [{**IMAGE, "what": what, "disk": disk}]
    module = execution("one_datastore_report", __salt__={"gluster_native.images": lambda: images})
    ((kind, on, *_),) = module._images({"id": "head"}, {"findings": []})
    assert (kind, on) == ("image", named)
    assert Master(monkeypatch, {}).salt["gluster_one.image_of"]({"kind": kind, "on": on}) == about


@pytest.mark.parametrize(
    "fails, error",
    [
        ("gluster_mount.mount_health", CommandExecutionError),
        ("gluster_mount.space", CommandExecutionError),
        ("opennebula.host_list", CommandExecutionError),
        ("gluster_native.images", CommandExecutionError),
        ("gluster_native.images", OSError),  # a process that cannot be started
    ],
)
def test_what_fails_of_the_report_hides_nothing_else(execution, fails, error):
    store = {
        "id": 101, "type": "IMAGE_DS", "ds_mad": "fs", "tm_mad": "shared", "total_mb": 0, "clusters": [0],
        "base_path": "/var/lib/one/datastores/101",
    }  # fmt: skip
    image = {**IMAGE, "what": "image", "disk": None}
    host = {"name": "kvm1", "cluster": 0, "off": False}

    def refuse(*words, **_):
        raise error("it is odd")

    def health(path):
        return refuse() if fails == "gluster_mount.mount_health" and path == "/v" else {"state": "alive"}

    salt = {
        "one_datastore.compare": lambda *words, **_: {"current": store, "changes": {}},
        "gluster_one_ids.published_ids": lambda _, kept: {"d": 101, "e": 101},
        "gluster_mount.space": lambda _: {"total_mb": 10, "free_percent": 10},
        "opennebula.host_list": lambda **_: [host],
        "gluster_native.images": lambda **_: [image],
        fails: refuse,
        "gluster_mount.mount_health": health,
    }
    volumes = {"v": {"mount": "/v", "datastores": {"d": {}}}, "w": {"mount": "/w", "datastores": {"e": {}}}}
    report = execution("one_datastore_report", __salt__=salt).report({"id": "head", "volumes": volumes})
    kinds = {finding[0] for finding in report["findings"]}
    assert "it is odd" in {finding[2] for finding in report["findings"]}
    assert ("image" in kinds) is (fails != "gluster_native.images")
    assert report["hosts"] == ([] if fails == "opennebula.host_list" else ["kvm1"])
    assert set(report["datastores"]) == {"d", "e"}


@pytest.mark.parametrize(
    "path", ["/d/101;id", "/d/$(id)", "/d 1", "-R", None, "/d\n/1", "/d" * 300], ids=lambda path: ascii(path)[:20]
)
def test_the_directory_of_a_datastore_is_named_where_it_is_plain(execution, path):
    module = execution("one_datastore_report")
    space, store = {"total_mb": 1000}, {"id": 101, "total_mb": 5, "base_path": "/d/101"}
    assert module._size(space, "glusterds", store)[0][4] == "ls -ld /d/101 on the head"
    cure = module._size(space, "glusterds", {**store, "base_path": path})[0][4]
    assert cure.startswith("see BASE_PATH in `onedatastore show 101`")


def test_a_datastore_that_the_pillar_has_dropped_is_named(execution):
    salt = {
        "gluster_mount.mount_health": lambda _: {"state": "absent"},
        "one_datastore.compare": lambda *words, **_: {"current": {}, "changes": {}},
        "gluster_one_ids.dropped": lambda names, run: {"old": {"id": 101}} if names == ["d", "e"] else {},
    }
    node = {"id": "head", "volumes": {each: {"mount": "/v", "datastores": {each: {}}} for each in "de"}}
    found = execution("one_datastore_report", __salt__=salt).report(node, heal=False)["findings"]
    assert found[-1][:3] == [
        "datastore_left", "old", "a run has made it (101), and the pillar no longer has it: new nodes do not link it"
    ]  # fmt: skip
