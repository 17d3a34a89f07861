"""oned's rules on images and on the disks of virtual machines, and their documents."""

import secrets
import time

import oned_conf as conf
import oned_drivers
from oned_objects import Failure, Template, Thing, cdata, element, fields, ids, vector

NO_SNAPSHOTS = vector("SNAPSHOTS", {"ALLOW_ORPHANS": "NO", "CURRENT_BASE": "-1", "NEXT_SNAPSHOT": "0"})
SHORT_DISK = (
    "DISK_ID",
    "DATASTORE",
    "DATASTORE_ID",
    "IMAGE",
    "IMAGE_ID",
    "SIZE",
    "TYPE",
    "CLONE",
    "CLONE_TARGET",
    "LN_TARGET",
    "DISK_SNAPSHOT_TOTAL_SIZE",
)


class Images:
    """The part of the daemon that knows images and VMs."""

    def images_of(self, datastore):
        return [image.id for image in self.pools["IMAGE"].values() if image.ds == datastore.id]

    def image_xml(self, it):
        snapshots = NO_SNAPSHOTS
        if it.snapshots:
            head = fields(ALLOW_ORPHANS="NO", CURRENT_BASE=0, NEXT_SNAPSHOT=len(it.snapshots))
            snapshots = element("SNAPSHOTS", head, *(vector("SNAPSHOT", values) for values in it.snapshots))
        machines = self.machines_of(it)
        return element(
            "IMAGE",
            it.head(),
            fields(
                TYPE=conf.IMAGE_TYPES.index(it.type),
                DISK_TYPE=conf.DISK_TYPES.index(it.disk_type),
                PERSISTENT=int(it.persistent),
                REGTIME=it.regtime,
                SOURCE=cdata(it.source),
                PATH=cdata(it.path),
                FORMAT=cdata(it.format),
                FS=cdata(it.fs),
                SIZE=it.size,
                STATE=it.state,
                PREV_STATE=it.state,
                RUNNING_VMS=len(machines),
                CLONING_OPS=0,
                CLONING_ID=-1,
                TARGET_SNAPSHOT=-1,
                DATASTORE_ID=it.ds,
                DATASTORE=self.pools["DATASTORE"][it.ds].name,
            ),
            ids("VMS", machines),
            ids("CLONES", ()),
            ids("APP_CLONES", ()),
            it.template.xml(),
            snapshots,
            "<BACKUP_INCREMENTS/><BACKUP_DISK_IDS/>",
        )

    def image_allocate(self, caller, text, ds, skip_capacity=False):
        template = Template(text, unique=True)
        store = self.get("DATASTORE", ds)
        if store.type in (conf.SYSTEM_DS, conf.BACKUP_DS):
            raise Failure(conf.ALLOCATE, "New images can only be allocated in a files or image datastore.")
        kind = (template.get("TYPE") or "OS").upper()
        size = self.stat(template, kind, store)
        if (
            (store.size[0] or self.location)  # one that was not measured yet has no space
            and size > store.size[1]
            and not (skip_capacity and 0 in caller.groups)
            and conf.DS_MAD_CONF[store.ds_mad].get("DATASTORE_CAPACITY_CHECK") != "NO"
        ):
            raise Failure(conf.ACTION, "Not enough space in datastore")
        if template.get("SOURCE") and 0 not in caller.groups:
            raise Failure(
                conf.AUTHORIZATION, f"User [{caller.user.id}] : Template includes a restricted attribute SOURCE."
            )
        self.authorize(caller, ("CREATE", "IMAGE"), ("USE", "DATASTORE", store))
        persistent = template.pop("PERSISTENT").upper() == "YES"
        if conf.DS_MAD_CONF[store.ds_mad]["PERSISTENT_ONLY"] == "YES" and not persistent:
            raise Failure(conf.ALLOCATE, "This Datastore only accepts persistent images.")
        name = template.pop("NAME")
        self.check_name(name, conf.ALLOCATE)
        self.check_type(kind, store)
        self.check_free("IMAGE", name, conf.ALLOCATE, caller.user.id)
        it = Thing(
            "IMAGE",
            name,
            self.owner(caller),
            template,
            ds=ds,
            type=kind,
            disk_type=store.disk_type,
            size=size,
            persistent=persistent and kind in ("OS", "DATABLOCK", "CDROM"),
            regtime=int(time.time()),
            state=conf.LOCKED,
            snapshots=[],
            fs=template.pop("FS"),
            path=template.pop("PATH"),
            source=template.pop("SOURCE"),
            format=template.pop("FORMAT"),
        )
        template.erase("TYPE", "SIZE", "DRIVER", "TM_MAD")
        if kind in ("OS", "DATABLOCK", "CDROM"):
            if not template.get("DEV_PREFIX"):
                template.replace("DEV_PREFIX", "hd" if kind == "CDROM" else "sd")
        else:
            template.erase("DEV_PREFIX")
        self.set_format(it, store)
        self.insert(it)
        if it.source:
            it.state = conf.READY
            return it.id
        it.source = f"{conf.LOCATION}/{ds}/{secrets.token_hex(16)}"
        if self.location:
            self.apart(oned_drivers.register, it, store)
        else:
            oned_drivers.register(self, it, store)
        return it.id

    def stat(self, template, kind, store):
        """The size in MB, from the template or, where there is a path, from the datastore's driver."""
        path, source, size = (template.get(name) for name in ("PATH", "SOURCE", "SIZE"))
        try:
            if not source and path:
                oned_drivers.need(self, store)
                return oned_drivers.measure(path)[1] if self.location else 1
            if not source and kind not in ("OS", "DATABLOCK"):
                raise OSError(f"Either PATH or SOURCE are required for {template.get('TYPE')}")
            if not size.isdigit():
                raise OSError("Wrong number or missing SIZE attribute.")
            return int(size)
        except OSError as error:
            raise Failure(conf.INTERNAL, f"Cannot parse image SIZE: {error}") from None

    @staticmethod
    def check_type(kind, store):
        if kind in ("OS", "DATABLOCK", "CDROM"):
            if store.type != conf.IMAGE_DS:
                raise Failure(
                    conf.ALLOCATE,
                    "Only IMAGES of type KERNEL, RAMDISK and CONTEXT can be registered in a FILE_DS datastore",
                )
        elif kind in ("KERNEL", "RAMDISK", "CONTEXT"):
            if store.type != conf.FILE_DS:
                raise Failure(
                    conf.ALLOCATE,
                    "IMAGES of type KERNEL, RAMDISK and CONTEXT cannot be registered in an IMAGE_DS datastore",
                )
        elif kind == "BACKUP":
            raise Failure(conf.ALLOCATE, "IMAGES of type BACKUP can only be registered in an BACKUP_DS datastore")
        else:
            raise Failure(conf.ALLOCATE, "Unknown type " + kind)

    def set_format(self, it, store):
        """The format of what is made new is the datastore's; of what is copied, the driver says it."""
        driver = conf.TM_MAD_CONF.get(store.tm_mad, {}).get("DRIVER") or store.template.get("DRIVER")
        if it.source:
            if it.path:
                raise Failure(conf.ALLOCATE, "PATH and SOURCE cannot be both set.")
            if not it.format:
                raise Failure(conf.ALLOCATE, "SOURCE needs FORMAT to be set.")
        elif it.path:
            found = (
                oned_drivers.measure(it.path)[0] if self.location else "qcow2" if it.path.endswith(".qcow2") else "raw"
            )
            it.format = driver or found
        else:
            if driver:
                it.template.replace("DRIVER", driver)
            it.format = driver or it.format or "raw"

    def machines_of(self, image):
        return [vm.id for vm in self.pools["VM"].values() if vm.state != conf.VM_DONE and str(image.id) in vm.images]

    def image_stays(self, it):
        count = len(self.machines_of(it))
        return f"There are {count} VMs using it." if count else ""

    def image_delete(self, caller, oid, force=False):
        it = self.get("IMAGE", oid)
        if it.state == conf.LOCKED and not force:
            raise Failure(
                conf.INTERNAL,
                "Image locked, use --force flag to remove the image. Force delete may leave some files on Datastore",
                oid,
            )
        self.any_delete(caller, "IMAGE", oid)
        if self.location:
            self.apart(oned_drivers.remove, it)
        return oid

    def image_persistent(self, caller, oid, persistent):
        it = self.allowed(caller, "MANAGE", "IMAGE", oid)
        store = self.pools["DATASTORE"][it.ds]
        if persistent == it.persistent:
            return oid
        if it.type in ("KERNEL", "RAMDISK", "CONTEXT"):
            raise Failure(conf.ACTION, "KERNEL, RAMDISK and CONTEXT must be non-persistent")
        if not persistent and conf.DS_MAD_CONF[store.ds_mad]["PERSISTENT_ONLY"] == "YES":
            raise Failure(conf.INTERNAL, "This Datastore only accepts persistent images.")
        reason = (
            "Image has snapshots."
            if it.snapshots and not persistent
            else f"Image cannot be in state {conf.IMAGE_STATES[it.state]}."
            if self.machines_of(it)
            else ""
        )
        if reason:
            raise Failure(conf.INTERNAL, f"Could not make image {'' if persistent else 'non-'}persistent: {reason}")
        it.persistent = persistent
        return oid

    def image_enable(self, caller, oid, enable):
        it = self.allowed(caller, "MANAGE", "IMAGE", oid)
        if it.state not in (conf.READY, conf.DISABLED, conf.ERROR):
            raise Failure(
                conf.INTERNAL,
                f"Could not {'en' if enable else 'dis'}able image: Image cannot be in state "
                f"{conf.IMAGE_STATES[it.state]}.",
            )
        it.state = conf.READY if enable else conf.DISABLED
        return oid

    def put_image(self, id, **values):
        """What a test says of an image."""
        self.get("IMAGE", id).__dict__.update(values)
        return id

    # Virtual machines -------------------------------------------------------------------------------------------------

    def put_vm(self, name, uid=0, state=3, lcm_state=3, host="", ds=0, disks=(), **template):
        """A VM as oned would have made and run it."""
        user = self.get("USER", uid)
        it = self.insert(
            Thing(
                "VM",
                name,
                (uid, user.gid, user.name, user.gname),
                state=state,
                lcm_state=lcm_state,
                host=host,
                ds=ds,
                time=int(time.time()),
                images={str(disk["IMAGE_ID"]) for disk in disks if "IMAGE_ID" in disk},
            )
        )
        for key, value in {"CPU": 1, "MEMORY": 128, "VMID": it.id, **template}.items():
            it.template.add(key, str(value))
        for number, disk in enumerate(disks):
            it.template.add("DISK", self.vm_disk(it, number, {key: str(value) for key, value in disk.items()}))
        return it.id

    def vm_disk(self, vm, number, disk):
        """A disk with what it takes from its image and from the image's, or else the system, datastore."""
        image = self.get("IMAGE", int(disk["IMAGE_ID"])) if "IMAGE_ID" in disk else None
        store = self.get("DATASTORE", image.ds if image else vm.ds)
        prefix = disk.setdefault("DEV_PREFIX", (image and image.template.get("DEV_PREFIX")) or "sd")
        given = {"TARGET": prefix + chr(ord("a") + number), "FORMAT": "raw"}
        taken = {
            "DISK_ID": number,
            "DATASTORE": store.name,
            "DATASTORE_ID": store.id,
            "TM_MAD": store.tm_mad,
            "CLUSTER_ID": ",".join(map(str, sorted(store.clusters))),
        }
        if image:
            if vm.state != conf.VM_DONE:
                image.state = conf.USED_PERS if image.persistent else conf.USED
            cdrom, kind = image.type == "CDROM", image.disk_type
            if cdrom:
                kind = f"{kind}_CDROM" if f"{kind}_CDROM" in conf.DISK_TYPES else "CDROM"
            kept = image.persistent and not cdrom
            given["SIZE"] = image.size
            taken |= {
                "IMAGE": image.name,
                "SOURCE": image.source,
                "ORIGINAL_SIZE": image.size,
                "FORMAT": image.format,
                "IMAGE_STATE": image.state,
                "TYPE": kind,
                "READONLY": "YES" if cdrom else "NO",
                "CLONE": "NO" if cdrom or kept else "YES",
                "SAVE": "YES" if kept else "NO",
                "DISK_SNAPSHOT_TOTAL_SIZE": image.size * len(image.snapshots),
                **({"PERSISTENT": "YES"} if kept else {}),
            }
        given.update(
            (key, value) for key in ("CLONE_TARGET", "LN_TARGET", *conf.INHERIT) if (value := store.template.get(key))
        )
        disk = {**given, **disk, **taken}
        return {key: str(value) for key, value in {**disk, "DRIVER": disk["FORMAT"]}.items()}

    def vm_xml(self, it, short=False):
        """A VM's document, or the short one of a pool."""
        host = self.pools["HOST"].get(self.find("HOST", it.host))
        template, history, more = it.template, "", {}
        if it.host:
            times = {} if short else {"STIME": it.time, "ETIME": 0}
            history = element(
                "HISTORY",
                fields(
                    OID=it.id,
                    SEQ=0,
                    HOSTNAME=it.host,
                    HID=host.id if host else -1,
                    CID=min(host.clusters) if host else 0,
                    **times,
                    VM_MAD=cdata(host.mads[1] if host else "kvm"),
                    TM_MAD=cdata(self.get("DATASTORE", it.ds).tm_mad),
                    DS_ID=it.ds,
                    ACTION=0,
                ),
            )
        if short:
            template = Template()
            template.attributes = [
                (name, {key: value.get(key, "") for key in SHORT_DISK} if name == "DISK" else value)
                for name, value in it.template.attributes
                if name in ("CPU", "MEMORY", "DISK")
            ]
        else:
            more = {"PREV_STATE": it.state, "PREV_LCM_STATE": it.lcm_state}
        return element(
            "VM",
            it.head(bits=not short),
            fields(
                LAST_POLL=0,
                STATE=it.state,
                LCM_STATE=it.lcm_state,
                **more,
                RESCHED=0,
                STIME=it.time,
                ETIME=it.time if it.state == conf.VM_DONE else 0,
                DEPLOY_ID=f"one-{it.id}" if it.host else "",
            ),
            "<MONITORING/>",
            template.xml(),
            "<USER_TEMPLATE/>",
            element("HISTORY_RECORDS", history),
        )

    def vmpool_info(self, caller, who, start, end, state, query=""):
        return self.machines(caller, who, start, end, state, short=True)

    def vmpool_infoextended(self, caller, who, start, end, state, query=""):
        return self.machines(caller, who, start, end, state, short=False)

    def machines(self, caller, who, start, end, state, short):
        """Those in a state, in any but DONE (-1), or all (-2)."""
        if not -2 <= state <= 11:
            raise Failure(conf.RPC_API, f"Incorrect state filter {state}")
        return element(
            "VM_POOL",
            *(
                self.vm_xml(it, short)
                for it in self.listed(caller, "VM", who, start, end)
                if state in (-2, it.state) or (state == -1 and it.state != conf.VM_DONE)
            ),
        )
