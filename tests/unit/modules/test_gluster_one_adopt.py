"""What a node that was set up by hand says of itself: plain facts, and nothing that may be a secret."""

import json
import os

import pytest
from salt.exceptions import CommandExecutionError

UUID = "11111111-1111-1111-1111-111111111111"
GIVEN = {"transport.address-family": "inet", "nfs.disable": "on", "performance.client-io-threads": "off"}
OWN = {"server.allow-insecure": "on", "storage.owner-uid": "9869", "storage.owner-gid": "9869"}
VIRT = {"performance.client-io-threads": "on", "features.shard": "on", "cluster.shd-max-threads": "8"}
STORE = {
    "id": 100, "name": "glusterds", "uid": 0, "gid": 0, "owner": "oneadmin", "group": "oneadmin", "type": "IMAGE_DS",
    "permissions": "um-------", "ds_mad": "fs", "tm_mad": "shared", "state": "READY", "clusters": [0], "images": [7, 8],
    "base_path": "/var/lib/one/datastores/100", "total_mb": 1, "free_mb": 1, "used_mb": 0, "DISK_TYPE": "GLUSTER",
    "GLUSTER_HOST": "kvm1", "GLUSTER_VOLUME": "one_vol", "DRIVER": "raw", "RESTIC_PASSWORD": "sesame", "NOTE": "sesame",
}  # fmt: skip


@pytest.fixture
def adopt(execution, tmp_path):
    """adopt(...): the module on a node with one mount and directories of datastores in tmp_path."""

    def make(options=(), volume_error=None, oned=None, credentials=True, mounts=None, pillar=None, **more):
        mounts = {"/srv/one": "one_vol"} if mounts is None else mounts
        table = [
            {"path": path, "device": f"kvm1:/{volume}", "volume": volume, "options": ["rw"]}
            for path, volume in {"/": None, **mounts}.items()
        ]
        info = {
            "id": "id-1", "type": "Replicate", "status": "Started", "replica": more.pop("replica", 3), "arbiter": 0,
            "disperse": 0, "redundancy": 0, "bricks": ["kvm1:/data/one_vol"], "servers": [UUID],
            "options": dict(options),
        }  # fmt: skip

        def volume_info(run):
            if volume_error:
                raise CommandExecutionError(volume_error)
            return {"one_vol": info}

        def oned_says(what):
            if isinstance(oned, Exception):
                raise oned
            return (oned or {"datastores": [], "hosts": []})[what]

        def run(words, **_):
            if words[0] == "test":
                return [0 if credentials else 1, "", ""]
            listed = dict.fromkeys(os.listdir(tmp_path))
            for name in listed:
                if os.path.islink(tmp_path / name):
                    listed[name] = os.readlink(tmp_path / name)
            return [0, json.dumps(listed), ""]

        salt = {
            "gluster_mount.mount_table": lambda: table,
            "gluster_mount.client": lambda path: ["glusterfs", "--volfile-server=kvm2", "--acl", path],
            "gluster_mount.client_servers": lambda words: ["kvm2"],
            "gluster_mount.mount_health": lambda path: {"state": "alive"},
            "gluster_mount.place": lambda path, volume, user: path,
            "gluster_mount_plan.client_options": lambda words: [word for word in words if word == "acl"],
            "gluster_fstab.flags_missing": lambda options: ["nosuid", "nodev"],
            "gluster_fstab.gluster_lines": lambda: [
                {"path": "/srv/one", "device": "kvm1:/one_vol", "fstype": "glusterfs", "opts": ["noauto", "acl"],
                 "volume": "one_vol"}
            ],
            "gluster_one_arguments.keeps_away": lambda option: option == "noauto",
            "gluster_one_pillar.node": lambda pillar: {"errors": more.get("errors", [])},
            "gluster_links.link_state": lambda path, target: {"ends": [os.readlink(path)]},
            "glusterd.info": lambda: {"uuid": more.get("uuid", UUID)},
            "glusterd.options": lambda: {"rpc-auth-allow-insecure": more.get("insecure", "on")},
            "glusterd.pool_options": lambda: {"cluster.server-quorum-ratio": "51%", "cluster.op-version": "100000"},
            "gluster.peer_status": lambda run: [],
            "gluster.volume_info": volume_info,
            "opennebula.datastore_list": lambda: oned_says("datastores"),
            "opennebula.host_list": lambda: [{"name": host} for host in oned_says("hosts")],
            "opennebula.drivers": lambda: {"ds_mad": ["fs"], "tm_mad": ["shared"], "encrypted": ["RESTIC_PASSWORD"]},
        }  # fmt: skip
        utils = {
            "gluster_system.values": lambda: {"user": "oneadmin", "datastores_dir": str(tmp_path)},
            "gluster_process.run": run,
            "gluster_options.group_options": lambda name: VIRT,
        }
        module = execution("gluster_one_adopt", __salt__=salt, __utils__=utils, __pillar__=pillar or {})
        wanted = lambda uid, gid, group, copies: {  # noqa: E731
            **{name: value for name, value in VIRT.items() if copies or name != "cluster.shd-max-threads"}, **OWN
        }  # fmt: skip
        module.__utils__["gluster_options.wanted_options"] = wanted
        return module.found()

    return make


def test_mounts_and_lines(adopt):
    found = adopt()
    (mount,) = found["mounts"]
    assert mount == {
        "path": "/srv/one", "device": "kvm1:/one_vol", "volume": "one_vol", "state": "alive", "servers": ["kvm2"],
        "options": ["acl"], "flags": ["nosuid", "nodev"], "place": "/srv/one", "refused": None,
    }  # fmt: skip
    (line,) = found["fstab"]
    assert (line["options"], line["away"]) == (["noauto", "acl"], ["noauto"])


def test_why_a_mount_cannot_be_in_the_pillar(adopt):
    errors = ["gluster_one:user is 'x': no", "gluster_one:volumes:one_vol:mount is '/srv/one', which is the system's"]
    assert adopt(errors=errors)["mounts"][0]["refused"] == "'/srv/one', which is the system's"


def test_where_directories_lead(adopt, tmp_path):
    for name in ("0", "2"):
        (tmp_path / name).mkdir()
    (tmp_path / "100").symlink_to("/srv/one")
    (tmp_path / "101").symlink_to("/srv/one/sub/dir")
    (tmp_path / "102").symlink_to("/srv/other")
    found = adopt(mounts={"/srv/one": "one_vol", str(tmp_path / "0"): "two_vol/x"})["directories"]
    leads = {name: each["leads"] for name, each in found.items()}
    assert leads == {"0": "two_vol/x", "2": None, "100": "one_vol", "101": "one_vol/sub/dir", "102": None}
    mounted = {name: each["mounted"] for name, each in found.items()}
    assert mounted == {"0": str(tmp_path / "0"), "2": None, "100": "/srv/one", "101": "/srv/one", "102": None}
    assert (found["0"]["link"], found["100"]["link"]) == (None, "/srv/one")


@pytest.mark.parametrize(
    ("options", "typed", "group"),
    [
        ({}, {}, None),
        ({"network.ping-timeout": "10"}, {"network.ping-timeout": "10"}, None),
        ({"performance.client-io-threads": "on"}, {"performance.client-io-threads": "on"}, None),
        ({"nfs.disable": "off"}, {"nfs.disable": "off"}, None),
        (VIRT, {}, "virt"),
        ({**VIRT, "features.shard": "enable"}, {}, "virt"),
        ({**VIRT, "features.shard": "off"}, {"features.shard": "off"}, "virt"),
        ({"features.shard": "on"}, {"features.shard": "on"}, None),
        ({"features.quota": "on", "cluster.server-quorum-ratio": "51%"}, {}, None),
        ({"user.gluster_one.set": "x=y", "user.note": "z"}, {"user.note": "z"}, None),
    ],
)
def test_options_that_somebody_has_typed_in(adopt, options, typed, group):
    volume = adopt({**GIVEN, **OWN, **options})["pool"]["volumes"]["one_vol"]
    assert (volume["options"], volume["group"]) == (typed, group)
    assert (volume["insecure"], volume["uid"], volume["gid"]) == ("on", "9869", "9869")


def test_a_group_without_what_is_for_copies(adopt):
    options = {name: value for name, value in VIRT.items() if name != "cluster.shd-max-threads"}
    assert adopt(options, replica=1)["pool"]["volumes"]["one_vol"]["group"] == "virt"
    assert adopt(options)["pool"]["volumes"]["one_vol"]["group"] is None


def test_the_pool(adopt):
    found = adopt()["pool"]
    assert (found["options"], found["insecure"], found["error"]) == ({"cluster.server-quorum-ratio": "51%"}, True, None)
    assert adopt(insecure="off")["pool"]["insecure"] is False
    assert adopt(uuid=None)["pool"] is None
    assert adopt(volume_error="glusterd is not running")["pool"]["error"] == "glusterd is not running"


def test_no_secret_leaves_the_node(adopt):
    options = {"ssl.private-key": "sesame", "network.ping-timeout": "10"}
    found = adopt(options, oned={"datastores": [STORE], "hosts": ["kvm1"]})
    assert "sesame" not in json.dumps(found)
    assert found["pool"]["volumes"]["one_vol"]["hidden"] == ["ssl.private-key"]
    (store,) = found["opennebula"]["datastores"]
    assert (store["id"], store["images"], store["DRIVER"]) == (100, 2, "raw")
    assert found["opennebula"]["hosts"] == ["kvm1"]


def test_who_is_not_the_head_asks_nobody(adopt):
    refused = CommandExecutionError("OpenNebula at http://localhost:2633/RPC2 does not answer")
    assert adopt(credentials=False, oned=refused)["opennebula"] is None
    assert adopt(oned=refused)["opennebula"]["error"] == str(refused)
    pillar = {"gluster_one": {"opennebula": {"username": "x", "password": "y"}}}
    assert adopt(credentials=False, oned=refused, pillar=pillar)["opennebula"]["error"] == str(refused)
