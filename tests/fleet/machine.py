"""Machines as OpenNebula starts them, whose disks are on a volume."""

DISK = """\
		<disk type='network' device='{device}'>
			<source protocol='gluster' name='one_vol/{image}'>
{hosts}
			</source>
			<target dev='{target}'{bus}/>
			{readonly}
			<driver name='qemu' type='{driver}' cache='none' discard='unmap'/>
		</disk>"""
FILE = """\
		<disk type='file' device='disk'>
			<source file='{path}'/>
			<target dev='sda'/>
			<driver name='qemu' type='{driver}' cache='none' discard='unmap'/>
		</disk>"""
DOMAIN = """\
<domain type='qemu'>
	<name>{name}</name>
	<vcpu>1</vcpu>
	<memory>65536</memory>
	<os>
		<type arch='x86_64'>hvm</type>
		<boot dev='hd'/>
	</os>
	<devices>
		<emulator>/usr/bin/qemu-system-x86_64</emulator>
{disks}
		<controller type='scsi' index='0' model='virtio-scsi'/>
	</devices>
</domain>
"""


def disk(image, device="disk", target="sda", driver="raw", servers=("kvm1", "kvm2")):
    """A <disk> as oned writes it, by a list of Gluster servers."""
    hosts = "\n".join(f"\t\t\t\t<host name='{server}' port='24007' transport='tcp'/>" for server in servers)
    cdrom = device == "cdrom"
    return DISK.format(
        device=device,
        image=image,
        hosts=hosts,
        target=target,
        driver=driver,
        bus=" bus='ide'" if cdrom else "",
        readonly="<readonly/>" if cdrom else "",
    )


def file_disk(path, driver="raw"):
    """The same of a disk that is a file."""
    return FILE.format(path=path, driver=driver)


def create(fleet, name, *disks):
    """`virsh create` on kvm2."""
    domain = DOMAIN.format(name=name, disks="\n".join(disks))
    fleet.lab.exec("kvm2", "tee", f"/run/{name}.xml", input=domain, check=True)
    return fleet.lab.exec("kvm2", "virsh", "create", f"/run/{name}.xml", timeout=120)
