"""What oned's datastore drivers do on disk: directories, sizes, the files of images."""

import contextlib
import math
import os
import shutil
import subprocess
import time

import oned_conf as conf

MB = 2**20


def runs(oned, datastore):
    """Whether oned monitors the datastore: a system one by its transfer driver where it is shared, else by DS_MAD."""
    if datastore.type == conf.SYSTEM_DS:
        return datastore.template.get("SHARED") == "YES" and datastore.tm_mad in conf.TM_DRIVERS.split(",")
    return datastore.ds_mad in oned.drivers.split(",")


def monitor(oned, datastore):
    """At once and then at each interval make the datastore's directory and measure its file system, until the datastore
    is deleted."""
    path = os.path.join(oned.location, str(datastore.id))
    while oned.pools["DATASTORE"].get(datastore.id) is datastore:
        if runs(oned, datastore):
            try:
                os.makedirs(path, exist_ok=True)
                found = os.statvfs(path)
                blocks = found.f_blocks, found.f_bavail, found.f_blocks - found.f_bfree
                datastore.size = tuple(math.ceil(number * found.f_frsize / MB) for number in blocks)
            except OSError:
                pass  # as oned, which keeps the last size
        time.sleep(oned.interval)


def measure(path):
    """The format of a file and its size in MB, a qcow2's the one that a VM sees."""
    try:
        with open(path, "rb") as stream:
            head = stream.read(32)
            size = os.fstat(stream.fileno()).st_size
    except OSError:
        raise OSError(f"Cannot determine size for {path}") from None
    if head.startswith(b"QFI\xfb"):
        return "qcow2", math.ceil(int.from_bytes(head[24:32], "big") / MB)
    return "raw", math.ceil(size / MB)


def need(oned, datastore):
    """Fail where the datastore has a driver that does not run."""
    if datastore.ds_mad not in oned.drivers.split(","):
        raise OSError(f"Datastore driver '{datastore.ds_mad}' not available")


def place(oned, image):
    """Where the image's file really is."""
    return os.path.join(oned.location, str(image.ds), os.path.basename(image.source))


def register(oned, image, datastore):
    """Put the image into the datastore; what goes wrong is the image's ERROR."""
    try:
        need(oned, datastore)
        if oned.location:
            fill(image, place(oned, image))
        image.state = conf.READY
    except (OSError, subprocess.CalledProcessError) as error:
        what = "Error copying image in the datastore" if image.path else "Error creating datablock"
        image.template.replace("ERROR", f"{time.ctime()} : {what}: {getattr(error, 'stderr', '') or error}".strip())
        image.state = conf.ERROR


def fill(image, target):
    """A copy of what the image is made from, in its format, or an empty one."""
    if image.path and measure(image.path)[0] == image.format == "raw":
        shutil.copyfile(image.path, target)
    elif image.path:
        qemu_img("convert", "-O", image.format, image.path, target)
    elif image.format == "raw":
        with open(target, "xb") as stream:
            stream.truncate(image.size * MB)
    else:
        qemu_img("create", "-f", image.format, target, f"{image.size}M")


def qemu_img(*arguments):
    subprocess.run(["qemu-img", *arguments], check=True, capture_output=True, text=True)


def remove(oned, image):
    if os.path.dirname(image.source).endswith(f"/{image.ds}"):  # never what a SOURCE of the template names
        with contextlib.suppress(OSError):
            os.unlink(place(oned, image))
