"""The stand-in for oned: what a real oned answered, and its rules for datastores and clusters."""

import subprocess
import sys
import threading

import pytest

from .conftest import GLUSTER, ROOT, words

# What a real oned answered --------------------------------------------------------------------------------------------


def test_replay(oned):
    folder = ROOT / "tests" / "opennebula"
    done = subprocess.run(
        [sys.executable, folder / "replay.py", folder / "conversation.json", oned.url],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.strip() == "62 of 62 replies agree"


def test_disk_of_a_machine_is_as_recorded(oned):
    """What oned really wrote for a raw image that is not persistent, but for its names and its ORDER."""
    oned.value("datastore.allocate", "NAME=gsys\nTYPE=SYSTEM_DS\nTM_MAD=shared", -1)
    images = oned.value("datastore.allocate", GLUSTER.format("glusterds"), -1)
    image = oned.value("image.allocate", "NAME=raw8\nTYPE=OS\nPATH=/x\nSIZE=1", images)
    oned.lab(put={"image": {"id": image, "size": 8, "source": "/var/lib/one/datastores/101/e08c"}})
    oned.lab(
        put={
            "vm": {
                "name": "m",
                "ds": 100,
                "host": "kvm1",
                "disks": [{"IMAGE_ID": image}, {"TYPE": "fs", "SIZE": 16, "FORMAT": "qcow2"}],
            }
        }
    )
    disks = oned.document("vm.info", 0).findall("TEMPLATE/DISK")
    assert {leaf.tag: leaf.text for leaf in disks[0]} == words(
        ALLOW_ORPHANS="FORMAT",
        CLONE="YES",
        CLONE_TARGET="SYSTEM",
        CLUSTER_ID="0",
        DATASTORE="glusterds",
        DATASTORE_ID="101",
        DEV_PREFIX="sd",
        DISK_ID="0",
        DISK_SNAPSHOT_TOTAL_SIZE="0",
        DISK_TYPE="GLUSTER",
        DRIVER="raw",
        FORMAT="raw",
        GLUSTER_HOST="h1",
        GLUSTER_VOLUME="v",
        IMAGE="raw8",
        IMAGE_ID="0",
        IMAGE_STATE="2",
        LN_TARGET="NONE",
        ORIGINAL_SIZE="8",
        PERSISTENT_SNAPSHOTS="YES",
        READONLY="NO",
        SAVE="NO",
        SIZE="8",
        SOURCE="/var/lib/one/datastores/101/e08c",
        TARGET="sda",
        TM_MAD="shared",
        TYPE="GLUSTER",
    )
    assert {leaf.tag: leaf.text for leaf in disks[1]} == words(
        ALLOW_ORPHANS="FORMAT",
        CLUSTER_ID="0",
        DATASTORE="gsys",
        DATASTORE_ID="100",
        DEV_PREFIX="sd",
        DISK_ID="1",
        DISK_TYPE="FILE",
        DRIVER="qcow2",
        FORMAT="qcow2",
        PERSISTENT_SNAPSHOTS="YES",
        SIZE="16",
        TARGET="sdb",
        TM_MAD="shared",
        TYPE="fs",
    )


# Templates ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, expected",
    [
        ("a=b", "b"),
        ("A=b # the rest\n", "b"),
        ("# first\n  # second\nA = b\n", "b"),
        ('A="b c"', "b c"),
        ('A="say \\"hi\\""', 'say "hi"'),
        ('A="two\nlines"', "two\nlines"),
        ('A="two\r\nlines"', "two\nlines"),  # as XML has it
        ('A="# no, = comment [x]"', "# no, = comment [x]"),
        ("A=/a/b-c:1", "/a/b-c:1"),
        ("A=\n", ""),
        ("A=1\nB=x\nA=2\n", ["1", "2"]),
        ('A=" \tb  c\n"', "b  c"),
        ('A=[b=c,D="e f"]', {"B": "c", "D": "e f"}),
        ("A=[ B=c,\n   D=e ]\nF=g", {"B": "c", "D": "e"}),
        ("A=[B=c]\nA=[B=d]", [{"B": "c"}, {"B": "d"}]),
        ("<T><A>b</A></T>", "b"),
        ("<T><A><![CDATA[b & c]]></A></T>", "b & c"),
        ("<T><A><B>c</B><D>e</D></A></T>", {"B": "c", "D": "e"}),
    ],
)
def test_template(oned, store, text, expected):
    oned.value("datastore.update", store, text, 1)
    assert oned.template(store)["A"] == expected


@pytest.mark.parametrize(
    "text",
    [
        "A",
        "A=",
        "=b",
        "A=b c",
        "A=[B=c",
        "A=[B]",
        "A=[B=c,]",
        "A-B=c",
        "A=b]]>",
        "<T><A>b</T>",
        "A=b\n# no newline at the end",
    ],
)
def test_template_with_an_error_changes_nothing(oned, store, text):
    before = oned.template(store)
    reply = oned.call("datastore.update", store, text, 1)
    assert reply[:1] + reply[2:] == [False, 8192, -1, -1]
    assert reply[1].startswith("[one.datastore.update] Cannot update template. Parse error: ")
    assert oned.template(store) == before
    assert oned.call("datastore.allocate", text, -1)[1].startswith("[one.datastore.allocate] Parse error: ")


def test_merge_takes_the_place_of_every_value(oned, store):
    oned.value("datastore.update", store, "A=1\nA=2\nV=[X=1,Y=2]\nW=[X=1]\n", 1)
    oned.value("datastore.update", store, "a=3\nV=[X=9]\nW=[]\nB=\n", 1)
    found = oned.template(store)
    assert (found["A"], found["V"], found["B"], "W" in found) == ("3", {"X": "9"}, "", False)
    assert found["GLUSTER_HOST"] == "h1"


def test_names_that_xml_has_not(oned, store):
    oned.value("datastore.update", store, "1A=b\nXMLX=c", 1)
    found = oned.template(store)
    assert (found["ONE_1A"], found["ONE_XMLX"]) == ("b", "c")


# Names and numbers ----------------------------------------------------------------------------------------------------


def test_case_counts_in_names(oned, store):
    assert oned.value("datastore.allocate", GLUSTER.format("ONE"), -1) == store + 1
    assert oned.call("datastore.rename", store, "ONE")[2] == 2048
    assert oned.value("datastore.rename", store, "one") == store


def test_numbers_are_never_given_twice(oned, store):
    assert oned.call("datastore.allocate", "NAME=bad\nDS_MAD=fs\nTM_MAD=no", -1)[0] is False
    oned.value("datastore.delete", store)
    assert oned.value("datastore.allocate", GLUSTER.format("one"), -1) == store + 1


@pytest.mark.parametrize(
    "name, problem",
    [("a/b", "char '/' is not allowed"), ("a'b", "char ''' is not allowed"), ("x" * 129, "max length is 128 chars")],
)
def test_bad_names(oned, store, name, problem):
    assert oned.call("datastore.allocate", GLUSTER.format(name), -1)[1:3] == [
        f"[one.datastore.allocate] Invalid NAME, {problem}",
        8192,
    ]
    assert oned.call("datastore.rename", store, name)[1:3] == [f"[one.datastore.rename] Invalid NAME, {problem}", 2048]
    assert oned.call("cluster.allocate", name)[1:3] == [
        f"[one.cluster.allocate] Error allocating a new cluster. Invalid NAME, {problem}",
        16384,
    ]


def test_blanks_at_the_ends_of_a_name_are_cut(oned):
    oid = oned.value("datastore.allocate", GLUSTER.format(" one \t"), -1)
    assert oned.document("datastore.info", oid).findtext("NAME") == "one"
    assert "already taken" in oned.call("datastore.allocate", GLUSTER.format(" one"), -1)[1]


def test_one_name_at_once_is_given_once(oned):
    replies = []

    def allocate():
        replies.append(oned.call("datastore.allocate", GLUSTER.format("one"), -1))

    threads = [threading.Thread(target=allocate) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [reply[1] for reply in replies if reply[0]] == [100]
    assert {reply[2] for reply in replies if not reply[0]} == {8192}


def test_no_such_thing(oned):
    assert oned.call("datastore.delete", 7)[1:] == ["[one.datastore.delete] Error getting datastore [7].", 1024, 7, -1]
    assert oned.call("datastore.info", -1, False)[1:] == [
        "[one.datastore.info] Error getting datastore Pool.",
        1024,
        -1,
        -1,
    ]
    assert oned.call("datastore.chown", 1, 9, -1)[1] == "[one.datastore.chown] Error getting user [9]."
    assert oned.call("datastore.chown", 1, -1, 9)[1] == "[one.datastore.chown] Error getting group [9]."
    assert oned.call("cluster.addhost", 0, 3)[1] == "[one.cluster.addhost] Error getting host [3]."


# Datastores -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, problem",
    [
        ("DS_MAD=ceph\nTM_MAD=ceph", 'Datastore template is missing the "DISK_TYPE" attribute or it\'s empty.'),
        ("DS_MAD=fs\nTM_MAD=shared\nDISK_TYPE=FLOPPY", "Unknown DISK_TYPE in template."),
        ("DS_MAD=fs\nTM_MAD=shared\nDISK_TYPE=gluster_cdrom", "Invalid DISK_TYPE for an Image Datastore."),
        ("TYPE=system_ds\nTM_MAD=shared\nDISK_TYPE=GLUSTER", "Invalid DISK_TYPE for a System Datastore."),
        ("TYPE=SYSTEM_DS", "No TM_MAD in template."),
        ("TYPE=BACKUP_DS", "No DS_MAD in template."),
        ("TYPE=BACKUP_DS\nDS_MAD=rsync", 'Datastore template is missing the "RSYNC_HOST" attribute or it\'s empty.'),
    ],
)
def test_refused(oned, text, problem):
    assert oned.call("datastore.allocate", "NAME=a\n" + text, -1) == [
        False,
        "[one.datastore.allocate] " + problem,
        8192,
        -1,
        -1,
    ]


def test_an_unknown_type_is_an_image_datastore(oned):
    oid = oned.value("datastore.allocate", "NAME=a\nTYPE=GLUSTER_DS\nDS_MAD=fs\nTM_MAD=shared\ndisk_type=gluster", -1)
    it = oned.document("datastore.info", oid)
    assert (it.findtext("TYPE"), it.findtext("DISK_TYPE"), oned.template(oid)["TYPE"]) == ("0", "5", "GLUSTER_DS")
    assert oned.template(oid)["DISK_TYPE"] == "GLUSTER"


def test_the_driver_overrides_the_template(oned):
    oid = oned.value("datastore.allocate", GLUSTER.format("a") + "CLONE_TARGET=SELF\nALLOW_ORPHANS=NO\nSHARED=NO", -1)
    found = oned.template(oid)
    assert (found["CLONE_TARGET"], found["ALLOW_ORPHANS"], "SHARED" in found) == ("SYSTEM", "FORMAT", False)
    oned.value("datastore.update", oid, "LN_TARGET=SELF\nPERSISTENT_SNAPSHOTS=NO", 1)
    found = oned.template(oid)
    assert (found["LN_TARGET"], found["PERSISTENT_SNAPSHOTS"]) == ("NONE", "YES")


def test_block_drivers_bring_their_disk_type(oned):
    oid = oned.value("datastore.allocate", "NAME=a\nDS_MAD=fs\nTM_MAD=fs_lvm_ssh", -1)
    found = oned.template(oid)
    assert [found[name] for name in ("DISK_TYPE", "DRIVER", "PERSISTENT_SNAPSHOTS")] == ["BLOCK", "raw", "NO"]
    assert oned.document("datastore.info", oid).findtext("DISK_TYPE") == "2"
    assert oned.template(oned.value("datastore.allocate", "NAME=b\nDS_MAD=fs\nTM_MAD=dev", -1))["ALLOW_ORPHANS"] == "NO"


def test_one_of_the_directories_is_enough_to_have_no_default(oned):
    oid = oned.value("datastore.allocate", GLUSTER.format("a") + "SAFE_DIRS=/srv\nBASE_PATH=/elsewhere\n", -1)
    assert {"RESTRICTED_DIRS", "BASE_PATH"}.isdisjoint(oned.template(oid))


def test_a_replace_loses_what_is_not_said(oned, store):
    oned.value("datastore.update", store, "FOO=1", 0)
    found = oned.template(store)
    assert found == {"FOO": "1", "DS_MAD": "fs", "TM_MAD": "shared", "TYPE": "IMAGE_DS"}
    assert oned.document("datastore.info", store).findtext("DISK_TYPE") == "5"


def test_an_update_of_the_wrong_kind_and_one_that_fails(oned, store):
    assert oned.call("datastore.update", store, "A=1", 2)[1:3] == ["[one.datastore.update] Wrong update type", 4096]
    before = oned.template(store)
    for text in ("DS_MAD=ceph\nA=1", "DS_MAD=nope\nA=1", "DISK_TYPE=CDROM\nA=1"):
        assert oned.call("datastore.update", store, text, 1)[2] == 8192
        assert oned.template(store) == before
        assert oned.document("datastore.info", store).findtext("DS_MAD") == "fs"


def test_a_type_can_be_changed_but_datastore_0s(oned, store):
    oned.value("datastore.update", 0, "TYPE=IMAGE_DS", 1)
    assert oned.template(0)["TYPE"] == "SYSTEM_DS"
    assert oned.call("datastore.update", store, "TYPE=SYSTEM_DS", 1)[1] == (
        "[one.datastore.update] Cannot update template. Invalid DISK_TYPE for a System Datastore."
    )
    oned.value("datastore.update", store, "TYPE=SYSTEM_DS\nDISK_TYPE=FILE", 1)
    assert "DS_MAD" not in oned.template(store)
    assert oned.document("datastore.info", store).findtext("DS_MAD") == "-"


def test_not_deleted_while_images_are_there(oned, store):
    image = oned.value("image.allocate", "NAME=i\nTYPE=DATABLOCK\nSIZE=1", store)
    assert oned.call("datastore.delete", store)[1:3] == [
        f"[one.datastore.delete] Cannot delete datastore. Datastore {store} is not empty.",
        2048,
    ]
    oned.value("image.delete", image, False)
    assert oned.value("datastore.delete", store) == store


def test_chmod_changes_what_is_not_minus_one(oned, store):
    oned.value("datastore.chmod", store, -1, 0, -1, 0, 1, -1, 1, -1, -1)
    bits = [bit.text for bit in oned.document("datastore.info", store).find("PERMISSIONS")]
    assert "".join(bits) == "100010100"
    assert oned.call("datastore.chmod", store, 2, *[-1] * 8)[1:3] == [
        "[one.datastore.chmod] New permission values must be -1, 0 or 1",
        8192,
    ]


def test_chown(oned, store, guest):
    oned.value("datastore.chown", store, 2, 1)
    it = oned.document("datastore.info", store)
    assert [it.findtext(tag) for tag in ("UID", "UNAME", "GID", "GNAME")] == ["2", "guest", "1", "users"]
    oned.value("datastore.chown", store, -1, 0)
    assert oned.document("datastore.info", store).findtext("UNAME") == "guest"


# Clusters and hosts ---------------------------------------------------------------------------------------------------


def test_clusters(oned, store):
    cluster = oned.value("cluster.allocate", "c")
    assert oned.call("cluster.allocate", "c")[1:3] == [
        "[one.cluster.allocate] Error allocating a new cluster. NAME is already taken by CLUSTER 100.",
        16384,
    ]
    for _ in range(2):  # a second time is no error
        assert oned.value("cluster.adddatastore", cluster, store) == cluster
    assert [oid.text for oid in oned.document("datastore.info", store).findall("CLUSTERS/ID")] == ["0", "100"]
    assert oned.call("cluster.delete", cluster)[1:3] == [
        "[one.cluster.delete] Cannot delete cluster. Cluster 100 is not empty, it contains 1 datastores.",
        2048,
    ]
    for oid in (0, cluster, cluster):
        assert oned.value("cluster.deldatastore", oid, store) == oid
    assert len(oned.document("datastore.info", store).find("CLUSTERS")) == 0
    oned.value("cluster.delete", cluster)
    assert oned.call("cluster.delete", 0)[1].endswith("System Clusters (ID < 100) cannot be deleted.")


def test_a_host_is_in_one_cluster(oned):
    cluster = oned.value("cluster.allocate", "c")
    host = oned.value("host.allocate", "kvm1", "kvm", "qemu", cluster)
    it = oned.document("host.info", host)
    assert [it.findtext(tag) for tag in ("NAME", "VM_MAD", "CLUSTER")] == ["kvm1", "qemu", "c"]
    assert it.findtext("TEMPLATE/VM_MAD") == "qemu"
    oned.value("cluster.addhost", 0, host)
    assert len(oned.document("cluster.info", cluster).find("HOSTS")) == 0
    assert oned.value("cluster.delhost", cluster, host) == cluster
    assert oned.document("cluster.info", 0).findtext("HOSTS/ID") == str(host)
    assert oned.call("host.allocate", "kvm1", "kvm", "kvm", -1)[1].endswith("NAME is already taken by HOST 0.")
    assert oned.call("host.allocate", "kvm2", "kvm", "", -1)[1].endswith("VMM_MAD_NAME cannot be empty.")
