"""oned's rules on clusters and hosts, and their documents."""

import oned_conf as conf
from oned_objects import Failure, Template, Thing, cdata, element, fields, ids


class Hosts:
    """The part of the daemon that knows clusters and hosts."""

    def cluster_xml(self, it):
        return element(
            "CLUSTER",
            it.head(owner=False, bits=False),
            ids("HOSTS", self.members("HOST", it)),
            ids("DATASTORES", self.members("DATASTORE", it)),
            ids("VNETS", ()),
            it.template.xml(),
        )

    def cluster_allocate(self, caller, name):
        self.authorize(caller, ("CREATE", "CLUSTER"))
        self.check_name(name, conf.ALLOCATE)
        self.check_free("CLUSTER", name, conf.ALLOCATE)
        return self.insert(Thing("CLUSTER", name, template=Template('RESERVED_CPU=""\nRESERVED_MEM=""'))).id

    def cluster_stays(self, it):
        if it.id < 100:
            return "System Clusters (ID < 100) cannot be deleted."
        for kind in ("HOST", "DATASTORE"):
            count = len(self.members(kind, it))
            if count:
                return f"Cluster {it.id} is not empty, it contains {count} {kind.lower()}s."
        return ""

    def both(self, caller, cluster, kind, oid):
        cluster, it = self.get("CLUSTER", cluster), self.get(kind, oid)
        self.authorize(caller, ("ADMIN", "CLUSTER", cluster), ("ADMIN", kind, it))
        return it

    def cluster_adddatastore(self, caller, oid, datastore):
        self.both(caller, oid, "DATASTORE", datastore).clusters.add(oid)
        return oid

    def cluster_deldatastore(self, caller, oid, datastore):
        self.both(caller, oid, "DATASTORE", datastore).clusters.discard(oid)
        return oid

    def cluster_addhost(self, caller, oid, host):
        self.both(caller, oid, "HOST", host).clusters = {oid}
        return oid

    def cluster_delhost(self, caller, oid, host):
        """Whatever cluster is named: a host is in exactly one, and leaves it for the default one."""
        self.cluster_addhost(caller, 0, host)
        return oid

    def running(self, host):
        return [vm.id for vm in self.pools["VM"].values() if vm.host == host.name and vm.state == conf.VM_ACTIVE]

    def host_xml(self, it):
        (cluster,) = (self.pools["CLUSTER"][oid] for oid in it.clusters)
        running = self.running(it)
        share = fields(
            MEM_USAGE=0,
            CPU_USAGE=0,
            TOTAL_MEM=0,
            TOTAL_CPU=0,
            MAX_MEM=0,
            MAX_CPU=0,
            RUNNING_VMS=len(running),
            VMS_THREAD=1,
            DATASTORES=fields(DISK_USAGE=0, FREE_DISK=0, MAX_DISK=0, USED_DISK=0),
        )
        return element(
            "HOST",
            it.head(owner=False, bits=False),
            fields(
                STATE=it.state,
                PREV_STATE=it.state,
                IM_MAD=cdata(it.mads[0]),
                VM_MAD=cdata(it.mads[1]),
                CLUSTER_ID=cluster.id,
                CLUSTER=cluster.name,
                HOST_SHARE=share + "<PCI_DEVICES/><NUMA_NODES/>",
            ),
            ids("VMS", running),
            it.template.xml(),
            "<MONITORING/>",
        )

    def host_allocate(self, caller, name, im_mad, vm_mad, cluster):
        cluster = self.get("CLUSTER", 0 if cluster == -1 else cluster)
        self.authorize(caller, ("CREATE", "HOST"), ("ADMIN", "CLUSTER", cluster))
        self.check_name(name, conf.ALLOCATE)
        for word, value in (("IM", im_mad), ("VMM", vm_mad)):
            if not value:
                raise Failure(conf.ALLOCATE, f"{word}_MAD_NAME cannot be empty.")
        self.check_free("HOST", name, conf.ALLOCATE)
        it = self.insert(
            Thing(
                "HOST",
                name,
                template=Template('RESERVED_CPU=""\nRESERVED_MEM=""'),
                state=0,
                mads=(im_mad, vm_mad),
                clusters={cluster.id},
            )
        )
        self.host_updated(it)
        return it.id

    def host_updated(self, it):
        """What an update leaves out stays, in the host and in the template."""
        it.mads = tuple(it.template.get(name) or old for name, old in zip(("IM_MAD", "VM_MAD"), it.mads, strict=True))
        it.template.replace("IM_MAD", it.mads[0])
        it.template.replace("VM_MAD", it.mads[1])

    def host_status(self, caller, oid, status):
        it = self.allowed(caller, "ADMIN", "HOST", oid)
        if status not in (0, 1, 2):
            raise Failure(conf.INTERNAL, "Wrong status code")
        it.state = {0: 0, 1: 4, 2: 8}[status]  # INIT, DISABLED, OFFLINE
        return oid

    def host_stays(self, it):
        return "Can not remove a host with running VMs" if self.running(it) else ""
