"""Machines as OpenNebula starts them, whose disks are on a volume."""

import base64

from .fleet import MOUNT, NATIVE

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
			<target dev='{target}'/>
			<driver name='qemu' type='{driver}' cache='none' discard='unmap'/>
		</disk>"""
# A boot sector that writes itself to the disk's second sector at each tick of the clock, 18 times a second, with a word
# in it that it counts up: what the guest goes through shows there.
#   xor ax,ax; mov es,ax; mov ds,ax
#   next: sti; hlt; inc word [7df0h]; mov bx,7c00h; mov ax,0301h; mov cx,2; mov dh,0; int 13h; jmp next
COUNTING = bytes.fromhex("31c0 8ec0 8ed8 fb f4 ff06f07d bb007c b80103 b90200 b600 cd13 ebeb")
VIRTIO, NO_VIRTIO = "<controller type='scsi' index='0' model='virtio-scsi'/>", "<memballoon model='none'/>"
DOMAIN = """\
<domain type='qemu'>
	<name>{name}</name>
	<vcpu>1</vcpu>
	<memory>65536</memory>
	<os>
		<type arch='x86_64' machine='{machine}'>hvm</type>
		<boot dev='hd'/>
	</os>
	<devices>
		<emulator>/usr/bin/qemu-system-x86_64</emulator>
{disks}
{more}
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


def file_disk(path, driver="raw", target="sda"):
    """The same of a disk that is a file."""
    return FILE.format(path=path, driver=driver, target=target)


def vm_disk(image, servers=("kvm1",)):
    """The one of the two that VMs of these hosts have."""
    return disk(image, servers=servers) if NATIVE else file_disk(f"{MOUNT}/{image}")


def write_domain(fleet, name, *disks, host="kvm2", machine="pc", virtio=True):
    """The file on the host that `virsh create` takes; the machine type is by default the newest of the host's QEMU,
    virtio are the SCSI controller and the memory balloon that libvirt adds."""
    more = "\t\t" + (VIRTIO if virtio else NO_VIRTIO)
    domain = DOMAIN.format(name=name, disks="\n".join(disks), machine=machine, more=more)
    fleet.lab.exec(host, "tee", f"/run/{name}.xml", input=domain, check=True)
    return f"/run/{name}.xml"


def create(fleet, name, *disks, host="kvm2", **domain):
    """`virsh create` of a domain; the arguments are those of `write_domain`."""
    return fleet.lab.exec(host, "virsh", "create", write_domain(fleet, name, *disks, host=host, **domain), timeout=120)


def make_counting(fleet, host, path):
    """A disk, made by oneadmin, whose machine counts on it."""
    boot = base64.b64encode(COUNTING.ljust(510, b"\0") + b"\x55\xaa").decode()
    script = f"truncate -s 1M {path}; echo {boot} | base64 -d | dd of={path} conv=notrunc status=none"
    fleet.sh(host, script, user="oneadmin")


def counted(fleet, path, host="head"):
    """How far the machine of such a disk has counted, as a host reads it on the mount."""
    seen = fleet.sh(host, f"dd if={path} iflag=direct bs=512 skip=1 count=1 status=none | base64 -w0", user="oneadmin")
    return int.from_bytes(base64.b64decode(seen)[0x1F0:0x1F2], "little")
