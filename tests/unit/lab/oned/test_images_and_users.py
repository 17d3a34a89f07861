"""The stand-in for oned: images, VMs, users, rights and tokens."""

import pytest

from .conftest import ADMIN, GLUSTER, wait

# Images and machines --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, where, code, problem",
    [
        ("PATH=/x", 0, 16384, "New images can only be allocated in a files or image datastore."),
        (
            "PATH=/x",
            2,
            16384,
            "Only IMAGES of type KERNEL, RAMDISK and CONTEXT can be registered in a FILE_DS datastore",
        ),
        (
            "TYPE=KERNEL\nPATH=/x",
            1,
            16384,
            "IMAGES of type KERNEL, RAMDISK and CONTEXT cannot be registered in an IMAGE_DS datastore",
        ),
        ("TYPE=DATABLOCK", 1, 8192, "Cannot parse image SIZE: Wrong number or missing SIZE attribute."),
        ("TYPE=CDROM", 1, 8192, "Cannot parse image SIZE: Either PATH or SOURCE are required for CDROM"),
        ("TYPE=OS\nPATH=/x\nNAME=taken", 1, 16384, "NAME is already taken by IMAGE 0."),
        ("PATH=/x", 99, 1024, "Error getting datastore [99]."),
    ],
)
def test_images_refused(oned, text, where, code, problem):
    oned.value("image.allocate", "NAME=taken\nPATH=/x", 1)
    more = "Error allocating a new image. " if code == 16384 else ""
    assert oned.call("image.allocate", "NAME=i\n" + text, where)[1:3] == [f"[one.image.allocate] {more}{problem}", code]


def test_images(oned, store):
    oned.value("image.allocate", "NAME=a\nTYPE=OS\nPATH=/x.qcow2\nPERSISTENT=YES", store)
    oned.value("image.allocate", "NAME=b\nTYPE=CDROM\nPATH=/x.iso", store)
    oned.value("datastore.update", store, "DRIVER=raw", 1)
    oned.value("image.allocate", "NAME=c\nTYPE=OS\nPATH=/x.qcow2", store)
    pool = oned.document("imagepool.info", -2, -1, -1)
    assert [
        [
            image.findtext(tag)
            for tag in (
                "ID",
                "NAME",
                "TYPE",
                "DISK_TYPE",
                "PERSISTENT",
                "FORMAT",
                "STATE",
                "DATASTORE",
                "TEMPLATE/DEV_PREFIX",
            )
        ]
        for image in pool
    ] == [
        ["2", "c", "0", "5", "0", "raw", "1", "one", "sd"],
        ["1", "b", "1", "5", "0", "raw", "1", "one", "hd"],
        ["0", "a", "0", "5", "1", "qcow2", "1", "one", "sd"],
    ]
    assert [oid.text for oid in oned.document("datastore.info", store).findall("IMAGES/ID")] == ["0", "1", "2"]


def test_filters_of_a_pool(oned, guest):
    for number in range(5):
        oned.value("image.allocate", f"NAME=i{number}\nPATH=/x", 1)
    oned.value("image.allocate", "NAME=i0\nPATH=/x", 1, session=guest)
    oned.value("image.chmod", 1, *[-1] * 6, 1, -1, -1)

    def pool(*filters, session=ADMIN):
        return [int(image.findtext("ID")) for image in oned.document("imagepool.info", *filters, session=session)]

    assert pool(-2, -1, -1) == [5, 4, 3, 2, 1, 0]
    assert pool(-2, 1, 3) == [3, 2, 1]
    assert pool(-2, 4, -1) == [5, 4]
    assert pool(-2, 1, -2) == [4, 3]  # a page of 2 from the second on
    assert pool(2, -1, -1) == [5]
    assert pool(-2, -1, -1, session=guest) == [5, 1]
    assert pool(-3, -1, -1, session=guest) == [5]
    assert oned.call("imagepool.info", -5, -1, -1)[1:3] == ["[one.imagepool.info] Incorrect filter_flag", 4096]


def test_an_image_in_use(oned, store):
    image = oned.value("image.allocate", "NAME=a\nTYPE=OS\nPATH=/x\nPERSISTENT=YES", store)
    oned.value("host.allocate", "kvm1", "kvm", "kvm", -1)
    for state in (3, 6):
        oned.lab(put={"vm": {"name": f"m{state}", "state": state, "host": "kvm1", "disks": [{"IMAGE_ID": image}]}})
    it = oned.document("image.info", image)
    assert [it.findtext(tag) for tag in ("STATE", "RUNNING_VMS", "VMS/ID")] == ["8", "1", "0"]
    assert oned.call("image.delete", image)[1].endswith("Cannot delete image. There are 1 VMs using it.")
    assert oned.call("image.persistent", image, False)[1].endswith(
        "Could not make image non-persistent: Image cannot be in state USED."
    )
    assert oned.call("host.delete", 0)[1].endswith("Cannot delete host. Can not remove a host with running VMs")
    assert [vm.findtext("NAME") for vm in oned.document("vmpool.infoextended", -2, -1, -1, -1)] == ["m3"]
    assert [vm.findtext("NAME") for vm in oned.document("vmpool.info", -2, -1, -1, -2)] == ["m6", "m3"]
    oned.lab(put={"image": {"id": image, "state": 1, "snapshots": [{"ID": "0", "SIZE": "9"}]}})
    assert oned.document("image.info", image).findtext("SNAPSHOTS/SNAPSHOT/SIZE") == "9"


# Users, rights, tokens ------------------------------------------------------------------------------------------------


def test_what_a_user_may_not(oned, store, guest):
    def refused(method, *arguments):
        reply = oned.call(method, *arguments, session=guest)
        assert reply[::2] == [False, 512, -1], reply
        return reply[1].split(" : ")[1]

    assert refused("datastore.delete", store) == "Not authorized to perform MANAGE DATASTORE [100]."
    assert refused("datastore.chmod", store, *[-1] * 9) == "Not authorized to perform MANAGE DATASTORE [100]."
    assert refused("datastore.chmod", store, -1, -1, 1, *[-1] * 6) == "Not authorized to perform ADMIN DATASTORE [100]."
    group = oned.value("group.allocate", "others")
    assert refused("datastore.chown", store, 2, group) == (  # itself it may manage
        "Not authorized to perform MANAGE DATASTORE [100]; Not authorized to perform USE GROUP [100]."
    )
    assert refused("cluster.adddatastore", 0, store) == (
        "Not authorized to perform ADMIN CLUSTER [0]; Not authorized to perform ADMIN DATASTORE [100]."
    )
    assert refused("cluster.allocate", "c") == "Not authorized to perform CREATE CLUSTER."
    assert refused("cluster.info", 0) == "Not authorized to perform USE CLUSTER [0]."
    assert refused("user.allocate", "x", "y", "core", []) == "Not authorized to perform CREATE USER."
    assert refused("image.allocate", "NAME=i\nSOURCE=/x\nSIZE=1\nFORMAT=raw", store) == (
        "Template includes a restricted attribute SOURCE."
    )
    assert len(oned.document("clusterpool.info", session=guest)) == 0
    seen = oned.document("userpool.info", session=guest)
    assert [user.findtext("NAME") for user in seen.findall("USER")] == ["guest"]


def test_what_an_owner_and_a_group_may(oned, store, guest):
    oned.value("datastore.chown", store, 2, -1)
    oned.value("datastore.update", store, "A=1", 1, session=guest)
    oned.value("datastore.rename", store, "mine", session=guest)
    oned.value("datastore.chown", store, 0, 1)
    oned.value("datastore.chmod", store, *[-1] * 4, 1, *[-1] * 4)
    oned.value("datastore.update", store, "A=2", 1, session=guest)
    assert oned.call("datastore.info", store, False, session=guest)[0] is True


def test_members_of_group_0_are_administrators(oned, guest):
    oned.value("user.addgroup", 2, 0)
    assert oned.value("datastore.allocate", GLUSTER.format("a"), -1, session=guest) == 100
    it = oned.document("datastore.info", 100)
    assert [it.findtext(tag) for tag in ("UNAME", "GNAME")] == ["guest", "users"]


def test_users_refused(oned, guest):
    for arguments, problem in {
        ("guest", "x"): "NAME is already taken by USER 2.",
        ("a b", "x"): "Invalid NAME, char ' ' is not allowed.",
        ("a", ""): "Invalid password, it cannot be empty.",
    }.items():
        assert oned.call("user.allocate", *arguments, "core", [])[1:3] == ["[one.user.allocate] " + problem, 8192]
    assert oned.call("user.allocate", "a", "x", "", [77])[1] == "[one.user.allocate] Error getting group [77]."
    assert oned.call("user.delete", 0)[1].endswith("Cannot delete user. oneadmin cannot be deleted.")


def test_tokens(oned, guest):
    wrong = "[one.system.version] User couldn't be authenticated, aborting call."
    token = oned.value("user.login", "guest", "", 60, session=guest)
    assert oned.call("system.version", session=f"guest:{token}")[0] is True
    assert oned.call("system.version", session=f"oneadmin:{token}")[1:] == [wrong, 256, -1, -1]
    assert oned.call("system.version", session="guest:" + token[:-1])[2] == 256
    assert oned.document("user.info", -1, session=guest).findtext("LOGIN_TOKEN/TOKEN") == token
    assert oned.value("user.login", "guest", token, 0) == token
    assert oned.call("system.version", session=f"guest:{token}")[2] == 256
    assert oned.call("user.login", "guest", token, 0)[2] == 4096
    assert oned.call("user.login", "oneadmin", "", 60, session=guest)[2] == 512
    assert oned.call("user.login", "nobody", "", 60)[1:] == ["[one.user.login] Error getting user Pool.", 1024, -1, -1]


def test_a_token_expires(oned):
    assert oned.value("user.login", "oneadmin", "mine", 3) == "mine"
    assert oned.call("system.version", session="oneadmin:mine")[0] is True
    wait(lambda: not oned.call("system.version", session="oneadmin:mine")[0])
    assert oned.call("system.version", session="oneadmin:mine")[2] == 256


def test_a_password_ends_with_the_next(oned, guest):
    oned.value("user.passwd", 2, "other", session=guest)
    assert oned.call("system.version", session=guest)[2] == 256
    assert oned.call("system.version", session="guest:other")[0] is True
    oned.value("user.enable", 2, False)
    assert oned.call("system.version", session="guest:other")[2] == 256
