"""What oned.conf says and the words and numbers of OpenNebula's interface: the data behind the stand-in for oned."""

VERSION = "7.5.80"
LOCATION = "/var/lib/one//datastores"

# oned.conf ------------------------------------------------------------------------------------------------------------

DS_DRIVERS = "dummy,fs,lvm,ceph,dev,iscsi_libvirt,restic,rsync,netapp,purefa,virtiofs,interactive"
TM_DRIVERS = "dummy,lvm,shared,ssh,local,ceph,fs_lvm,fs_lvm_ssh,qcow2,netapp,purefa"


def named(confs):
    """Each configuration with its own name in it, as oned.conf writes them."""
    return {name: dict(conf, NAME=name) for name, conf in confs.items()}


def ds_mad(required="", persistent_only="NO", **more):
    return dict(REQUIRED_ATTRS=required, PERSISTENT_ONLY=persistent_only, **more)


NETAPP = "NETAPP_HOST,NETAPP_USER,NETAPP_PASS,NETAPP_AGGREGATES,NETAPP_SVM,NETAPP_IGROUP,NETAPP_TARGET"
DS_MAD_CONF = named(
    {
        "ceph": ds_mad("DISK_TYPE,BRIDGE_LIST", MARKETPLACE_ACTIONS="export"),
        "dev": ds_mad("DISK_TYPE", "YES"),
        "iscsi_libvirt": ds_mad("DISK_TYPE,ISCSI_HOST", "YES"),
        "dummy": ds_mad(),
        "fs": ds_mad(MARKETPLACE_ACTIONS="export"),
        "lvm": ds_mad(),
        "restic": ds_mad("RESTIC_PASSWORD", "YES"),
        "rsync": ds_mad("RSYNC_HOST,RSYNC_USER", "YES"),
        "netapp": ds_mad(NETAPP),
        "purefa": ds_mad("PUREFA_HOST,PUREFA_API_TOKEN,PUREFA_TARGET"),
        "virtiofs": ds_mad(DATASTORE_CAPACITY_CHECK="NO"),
        "interactive": ds_mad(DATASTORE_CAPACITY_CHECK="NO"),
        "shared": ds_mad(),
        "ssh": ds_mad(),
        "vmfs": ds_mad("BRIDGE_LIST"),
    }
)


def tm_mad(clone, link, migrate=("YES", "YES", "YES"), shared="YES", **more):
    return dict(
        zip(("DS_MIGRATE", "DS_MIGRATE_SNAP", "DS_LIVE_MIGRATE"), migrate, strict=True),
        CLONE_TARGET=clone,
        LN_TARGET=link,
        SHARED=shared,
        **more,
    )


NEVER, COLD = ("NO", "NO", "NO"), ("YES", "NO", "NO")
SSH = {"TM_MAD_SYSTEM": "ssh", "LN_TARGET_SSH": "SYSTEM", "CLONE_TARGET_SSH": "SYSTEM", "DISK_TYPE_SSH": "FILE"}
BLOCK = {"DISK_TYPE": "BLOCK", "DRIVER": "raw"}
TM_MAD_CONF = named(
    {
        "dummy": tm_mad("SYSTEM", "NONE"),
        "shared": tm_mad("SYSTEM", "NONE", ALLOW_ORPHANS="FORMAT", **SSH),
        "lvm": tm_mad("SELF", "NONE", COLD, ALLOW_ORPHANS="YES", **BLOCK),
        "fs_lvm": tm_mad("SYSTEM", "SYSTEM", COLD, **BLOCK),
        "fs_lvm_ssh": tm_mad(
            "SYSTEM", "SYSTEM", ("YES", "NO", "YES"), ALLOW_ORPHANS="YES", PERSISTENT_SNAPSHOTS="NO", **BLOCK
        ),
        "qcow2": tm_mad("SYSTEM", "NONE", ALLOW_ORPHANS="FORMAT", DRIVER="qcow2", **SSH),
        "ssh": tm_mad("SYSTEM", "SYSTEM", shared="NO", ALLOW_ORPHANS="YES"),
        "local": tm_mad("SYSTEM", "SYSTEM", shared="NO", ALLOW_ORPHANS="FORMAT"),
        "ceph": tm_mad("SELF", "NONE", NEVER, ALLOW_ORPHANS="mixed", DRIVER="raw", **SSH),
        "iscsi_libvirt": tm_mad("SELF", "NONE", NEVER, DRIVER="raw"),
        "dev": tm_mad("NONE", "NONE", NEVER, DRIVER="raw"),
        "netapp": tm_mad("SELF", "NONE", NEVER, ALLOW_ORPHANS="LINEAR", **BLOCK),
        "purefa": tm_mad("SELF", "NONE", NEVER, ALLOW_ORPHANS="YES", **BLOCK),
        "virtiofs": tm_mad("NONE", "NONE", NEVER, DISK_TYPE="filesystem", DRIVER="virtiofs"),
    }
)
# What a datastore's template takes from its TM_MAD's configuration: what begins so, whatever the template says.
TM_ON_SYSTEM = "SHARED", "DS_MIGRATE", "DS_LIVE_MIGRATE"
TM_ON_IMAGES = "LN_TARGET", "CLONE_TARGET", "DISK_TYPE", "DRIVER", "TM_MAD_SYSTEM"  # and LN_TARGET_SSH, for that system
TM_DEFAULTS = {"ALLOW_ORPHANS": "NO", "PERSISTENT_SNAPSHOTS": "YES"}
KVM = {
    "EXECUTABLE": "one_vmm_exec",
    "DEFAULT": "vmm_exec/vmm_exec_kvm.conf",
    "KEEP_SNAPSHOTS": "yes",
    "LIVE_RESIZE": "yes",
    "SUPPORT_SHAREABLE": "yes",
}
VM_MAD = [
    dict(KVM, NAME="kvm", SUNSTONE_NAME="KVM", TYPE="kvm", ARGUMENTS="-t 15 -r 0 kvm -p"),
    dict(KVM, NAME="qemu", SUNSTONE_NAME="QEMU", TYPE="qemu", ARGUMENTS="-t 15 -r 0 kvm"),
    {
        "NAME": "lxc",
        "SUNSTONE_NAME": "LXC",
        "TYPE": "xml",
        "EXECUTABLE": "one_vmm_exec",
        "ARGUMENTS": "-t 15 -r 0 lxc",
        "KEEP_SNAPSHOTS": "no",
    },
]
INHERIT = (
    "CEPH_HOST",
    "CEPH_SECRET",
    "CEPH_KEY",
    "CEPH_USER",
    "CEPH_CONF",
    "CEPH_TRASH",
    "POOL_NAME",
    "ISCSI_USER",
    "ISCSI_USAGE",
    "ISCSI_HOST",
    "GLUSTER_HOST",
    "GLUSTER_VOLUME",
    "DISK_TYPE",
    "ALLOW_ORPHANS",
    "QCOW2_STANDALONE",
    "SPARSE",
    "LVM_THIN_ENABLE",
    "PERSISTENT_SNAPSHOTS",
)
SINGLE_CONF = {
    "API_LIST_ORDER": "DESC",
    "DATASTORE_CAPACITY_CHECK": "yes",
    "DATASTORE_LOCATION": LOCATION,
    "DEFAULT_AUTH": "default",
    "DEFAULT_IMAGE_TYPE": "OS",
    "DEFAULT_UMASK": "177",
    "MANAGER_TIMER": "15",
    "ENABLE_OTHER_PERMISSIONS": "YES",
    "MONITORING_INTERVAL_DATASTORE": "300",
    "PORT": "2633",
}

# The words and numbers of the interface -------------------------------------------------------------------------------

AUTHENTICATION, AUTHORIZATION, NO_EXISTS, ACTION, RPC_API, INTERNAL, ALLOCATE = 256, 512, 1024, 2048, 4096, 8192, 16384
NO_METHOD, BAD_XML, BAD_TYPE = -506, -503, -501  # faults of xmlrpc-c, the library under oned

OBJECTS = {
    "DATASTORE": "datastore",
    "CLUSTER": "cluster",
    "HOST": "host",
    "IMAGE": "image",
    "VM": "virtual machine",
    "USER": "user",
    "GROUP": "group",
}
BITS = [f"{who}_{what}" for who in ("OWNER", "GROUP", "OTHER") for what in "UMA"]
BAD_IN_NAMES = "&|:\\\";/'#{}$<>"
IMAGE_DS, SYSTEM_DS, FILE_DS, BACKUP_DS = DS_TYPES = "IMAGE_DS", "SYSTEM_DS", "FILE_DS", "BACKUP_DS"
DISK_TYPES = (
    "FILE",
    "CDROM",
    "BLOCK",
    "RBD",
    "RBD_CDROM",
    "GLUSTER",
    "GLUSTER_CDROM",
    "SHEEPDOG",
    "SHEEPDOG_CDROM",
    "ISCSI",
    "FILESYSTEM",
)
SYSTEM_DISK_TYPES = "FILE", "RBD", "BLOCK"
IMAGE_TYPES = "OS", "CDROM", "DATABLOCK", "KERNEL", "RAMDISK", "CONTEXT", "BACKUP"
IMAGE_STATES = (
    "INIT",
    "READY",
    "USED",
    "DISABLED",
    "LOCKED",
    "ERROR",
    "CLONE",
    "DELETE",
    "USED",
    "LOCKED_USED",
    "LOCKED_USED",
)
READY, USED, DISABLED, LOCKED, ERROR, USED_PERS = 1, 2, 3, 4, 5, 8
VM_ACTIVE, VM_DONE = 3, 6

# Who may what ---------------------------------------------------------------------------------------------------------

# What a call needs on its object, where one rule makes the call for all kinds.
RIGHTS = {
    "update": {
        "DATASTORE": "MANAGE",
        "CLUSTER": "MANAGE",
        "HOST": "ADMIN",
        "IMAGE": "MANAGE",
        "USER": "MANAGE",
        "GROUP": "ADMIN",
    },
    "rename": {"DATASTORE": "MANAGE", "CLUSTER": "MANAGE", "HOST": "ADMIN", "IMAGE": "MANAGE"},
    "delete": {
        "DATASTORE": "MANAGE",
        "CLUSTER": "ADMIN",
        "HOST": "ADMIN",
        "IMAGE": "MANAGE",
        "USER": "ADMIN",
        "GROUP": "ADMIN",
    },
}
GROUPS_MAY = {"HOST": "MANAGE", "DATASTORE": "USE"}  # every group, through the virtual data centre "default"
USERS_CREATE = "VM", "IMAGE"  # the group users, through the ACL rules of a fresh OpenNebula

# The methods ----------------------------------------------------------------------------------------------------------

# Their arguments after the session: i(nteger), s(tring), b(oolean), a(rray); after the question mark they can be left
# out; in capitals they are not for the log.
METHODS = {
    "system.version": "",
    "system.config": "",
    "datastorepool.info": "",
    "clusterpool.info": "",
    "hostpool.info": "",
    "userpool.info": "",
    "grouppool.info": "",
    "imagepool.info": "iii",
    "vmpool.info": "iiii?s",
    "vmpool.infoextended": "iiii?s",
    "datastore.allocate": "si",
    "datastore.info": "i?b",
    "datastore.update": "is?i",
    "datastore.rename": "is",
    "datastore.delete": "i",
    "datastore.enable": "ib",
    "datastore.chmod": "i" * 10,
    "datastore.chown": "iii",
    "cluster.allocate": "s",
    "cluster.info": "i?b",
    "cluster.update": "is?i",
    "cluster.rename": "is",
    "cluster.delete": "i",
    "cluster.adddatastore": "ii",
    "cluster.deldatastore": "ii",
    "cluster.addhost": "ii",
    "cluster.delhost": "ii",
    "host.allocate": "sssi",
    "host.info": "i?b",
    "host.update": "is?i",
    "host.rename": "is",
    "host.delete": "i",
    "host.status": "ii",
    "image.allocate": "si?b",
    "image.info": "i?b",
    "image.update": "is?i",
    "image.rename": "is",
    "image.delete": "i?b",
    "image.enable": "ib",
    "image.persistent": "ib",
    "image.chmod": "i" * 10,
    "image.chown": "iii",
    "vm.info": "i?b",
    "user.allocate": "sSs?a",
    "user.info": "i?b",
    "user.update": "is?i",
    "user.delete": "i",
    "user.passwd": "iS",
    "user.login": "sSi?i",
    "user.enable": "ib",
    "user.chgrp": "ii",
    "user.addgroup": "ii",
    "user.delgroup": "ii",
    "group.allocate": "s",
    "group.info": "i?b",
    "group.update": "is?i",
    "group.delete": "i",
}
TYPES = {"i": (int, "integer"), "s": (str, "a string"), "b": (bool, "boolean"), "a": (list, "an array")}
