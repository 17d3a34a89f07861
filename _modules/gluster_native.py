"""
QEMU's ways to a volume: native access, ``gluster://``, and files on the mount
==============================================================================
"""

import os
import re
import secrets
import shlex
import socket
import stat
import time

import salt.utils.path
from salt.exceptions import CommandExecutionError, SaltException

__virtualname__ = "gluster_native"

SECTORS = (
    "a VM's disk is read past the host's cache, here 512 bytes, and the bricks' disks seem to have larger sectors: "
    "`gluster volume set {} network.remote-dio enable`"
)
INSECURE = (
    "where server.allow-insecure is on, bricks were started while it was off: apply gluster_one.restart to the "
    "volume's servers"
)
SHORT = "its length is no multiple of 512, so QEMU cannot open it over gluster://"
# Through the mount its end can be read.
END_LOST = (
    "its length is no multiple of 512: QEMU opens it over gluster://, and reading its last {} bytes is an I/O error"
)
# What is known to work for each kind: docs/datastores.md says on what each was tried.
IMPORT = "import it again into a datastore that has DRIVER = raw before the import, which converts it"
CLONE = "`oneimage clone {} NAME`, and VMs of that one: docs/native-or-fuse.md"
PAD_SNAPSHOTS = "find {}.snap/ -type f -regex '.*/[0-9]+' -exec truncate -s %512 {{}} +"
FLATTEN = "qemu-img convert -f qcow2 -O raw {{}}.snap/{} FILE"
IMAGE_STAYS = "VMs made from it open it over gluster:// for good, since it was made while its datastore was native"
UNSEEN = "{}VMs' disks that OpenNebula does not show to this user were not looked at"
GROUP = "use a user of the group oneadmin"
# Seconds for all files of one call.
LOOK_SECONDS = 60
# How many files one process looks at, bytes of their paths, and seconds for them; longer paths are no paths.
BATCH = 200
BATCH_BYTES = 65536
BATCH_SECONDS = 10
LONGEST_PATH = 4095
# Print a file's mode, its length, what a link leads to in the end, and its first four bytes.
LOOK = """stat -L -c '%f %s' -- "$1" && readlink -f -- "$1" && test -f "$1" && exec od -An -tx1 -N4 -- "$1\""""
ABSENT = ": No such file or directory"  # at the end: before it is a path, which may have any words
MAGIC = "514649fb"  # QFI and 0xfb
# In a new file of the user's own, past the host's cache; what such tries have left goes with the next that works.
USE = """( set -C; : >"$1.$2" ) && truncate -s 4096 -- "$1.$2" || exit
qemu-io -n -f raw -c 'write -P 90 0 4096' -c 'read -P 90 0 4096' "$1.$2"
rm -f -- "$1.$2"
find "${1%/*}" -maxdepth 1 -name "${1##*/}.????????" -mmin +10 -delete"""
GLUSTER = r'"driver":\s*"gluster"|\bdriver=gluster\b|gluster(\+\w+)?://'  # of a disk, among the words of a running QEMU
# What libvirt keeps of a running VM; it writes that anew when a disk is attached or detached.
LIVE = "/run/libvirt/qemu/{}.xml"
LIVE_NAME = r"[\w+-][\w.+-]*"
LIVE_GLUSTER = "<source protocol='gluster'"  # in other text there is no <
UNSETTLED = ("INIT", "LOCKED", "ERROR", "DELETE")  # states of an image whose file is perhaps not complete
PROLOG = (3, 1)  # state and lcm_state of a machine whose disks are being made


def __virtual__():
    return __virtualname__


def native_access():
    """
    Whether QEMU of this node can open ``gluster://`` (old builds cannot yet, newest ones no longer), and which libvirt
    there is.

    Returns a dict. ``gluster`` is what QEMU answers when asked for its gluster driver, without any server. Where it
    cannot, ``built`` is whether this build has a driver at all, as a module that may be missing, and ``error`` what
    QEMU says of one that it cannot load. A version is None where the program is not installed::

        {"qemu": "7.2.22", "libvirt": "9.0.0", "gluster": True, "built": True, "error": None}

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_native.native_access
    """
    # virtqemud is libvirt's daemon for QEMU where there is one for each hypervisor.
    found = {"qemu": _version("qemu-img"), "libvirt": _version("libvirtd", "virtqemud")}
    return {**found, **(_driver() if found["qemu"] else {"gluster": False, "built": False, "error": None})}


def _version(*programs):
    """
    The version of the last of some programs that is installed, or None.
    """
    version = None
    for path in filter(None, map(salt.utils.path.which, programs)):
        # A start of libvirtd takes 20 to 30 ms, and the same file says the same: each change of it is seen by ctime.
        seen, key = os.stat(path), f"gluster_native.version:{path}"
        file = [seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns]
        kept = __salt__["data.get"](key) or {}
        version = kept.get("version") if kept.get("file") == file else None
        if version is None:
            said = re.search(r"\d+(\.\d+)+", __utils__["gluster_process.run"]([path, "--version"], timeout=30)[1])
            version = said[0] if said else "(its version is not known)"
            if said:
                __salt__["data.update"](key, {"file": file, "version": version})
    return version


def _driver():
    """
    What QEMU says of its gluster driver.
    """
    child = __utils__["gluster_process.run"]
    error = child(["qemu-img", "info", 'json:{"driver": "gluster"}'], timeout=30)[2]
    # A driver that is there complains of missing parameters, one that is not is unknown. Before that QEMU says why a
    # module could not be loaded; Debian's also when there is none.
    first, asked, said = error.partition("qemu-img: Could not open ")
    if asked and "nknown driver" not in said and "nknown protocol" not in said:
        return {"gluster": True, "built": True, "error": None}
    # Formats whose modules are not installed are listed, too.
    formats = child(["qemu-img", "--help"], timeout=30)[1].partition("upported formats:")[2].split()
    first = "" if re.search(r"module \S*gluster\S* not found", first) else first.strip()
    return {"gluster": False, "built": "gluster" in formats, "error": first or (None if asked else error)}


def access_missing(found, package):
    """
    What a hypervisor lacks to run VMs from a volume, and what to do.

    found
        What :func:`native_access` returned (dict).

    package
        The package with QEMU's gluster driver on this system (string); None where QEMU needs no such driver, because
        all images are files on the mount.

    Returns None where it lacks nothing, else a list of what it is about, what was seen, what is expected and what to
    do::

        ["QEMU", "QEMU 7.2.22 cannot open gluster://: ...", "QEMU with its gluster driver", "install qemu-block-extra"]

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_native.access_missing '{qemu: null, libvirt: null, gluster: false}' qemu-block-extra
    """
    driver = "QEMU with its gluster driver" if package else "QEMU"
    if not found["qemu"]:
        packages = [__utils__["gluster_system.package"]("qemu_io_package"), *([package] if package else [])]
        return ["QEMU", "QEMU (qemu-img) is not installed", driver, f"install {' and '.join(packages)}"]
    if package and not found["gluster"]:
        cannot = f"QEMU {found['qemu']} cannot open gluster://"
        if found["error"]:
            return ["gluster driver", f"{cannot}: {found['error']}", driver, _load_cure(found["error"], package)]
        if found["built"]:
            return ["QEMU", f"{cannot}: its gluster driver is not installed", driver, f"install {package}"]
        seen = f"{cannot}: {__grains__.get('os', 'its distribution')} builds it without the gluster driver"
        cure = (
            "put `access: fuse` under the volume in the pillar, and VMs open images as files on the mount "
            "(docs/native-or-fuse.md); no package brings the driver, and a hypervisor that has it is one of Debian 13"
        )
        return ["QEMU's build", seen, driver, cure]
    if not found["libvirt"]:
        return ["libvirt", "libvirt is not installed", "libvirt", "install opennebula-node-kvm or libvirt"]
    return None


def _load_cure(error, package):
    """
    What to do when QEMU cannot load its gluster driver, by what it says.
    """
    library = re.search(r"(lib[^\s/]+\.so[.\d]*): cannot open shared object", error)
    if library:
        names = " (Debian: libgfapi0; RHEL-like: glusterfs-api)" if library[1].startswith("libgfapi") else ""
        return f"install the package with {library[1]}{names}"
    if "same build" in error or "nitialize module" in error:
        return f"install QEMU and {package} of one version"
    if "undefined symbol" in error:
        return f"install {package} and Gluster's libraries (libgfapi) of versions that belong together"
    if "module" in error:
        return f"install {package} again"
    return "see why qemu-img fails: `qemu-img info gluster://localhost/VOLUME/FILE`"


def native_read(volume, path=".gluster_one/datastores.json", host="localhost", port=24007, user="oneadmin", timeout=30):
    """
    Read the first 512 bytes of a file over the native GlusterFS API, through QEMU's own driver, as a virtual machine
    reads its disk: past the host's cache. It takes 0.3 s; where it is refused, ten to twelve.

    volume
        The volume's name (string).

    path
        The file's path below the volume's root (string), such as ``7/disk.0``, of 512 bytes at least.
        Default: the file in which the head leaves the datastores' identifiers.

    host, port
        The Gluster server to ask (string, default ``localhost``; int, default 24007).

    user
        Who reads it (string, default ``oneadmin``).

    timeout
        Seconds to wait (int, default 30).

    Returns None if it was read, else what stood in the way (string).

    Raises CommandExecutionError when qemu-io is not installed or there is no such user.

    CLI Example:

    .. code-block:: bash

        salt kvm2 gluster_native.native_read one_vol 7/disk.0 host=kvm1
    """
    _require_qemu_io()
    # Gluster's library takes ten seconds to close a file: the process ends itself before, and what it said until then
    # must not be in a buffer.
    command = ["stdbuf", "-oL", "qemu-io", "-r", "-n", "-f", "raw", "-c", "read 0 512", "-c", "sigraise 9"]
    url = f"gluster://{host}:{port}/{volume}/{path}"
    _, out, error = __utils__["gluster_process.run"]([*command, url], user=user, timeout=timeout)
    if "read 512/512 bytes" in out:
        return None
    said = _qemu_io_said(out, error)
    if "failed to connect" in said:
        found = __salt__["gluster_probe.refusal"](error, f"{host}:/{volume}")
        return f"{said}: {found['why']}: {found['cure']}" if found["why"] else f"{said}; {INSECURE}"
    return f"{said}: {SECTORS.format(shlex.quote(volume))}" if said == "read failed: Invalid argument" else said


def _require_qemu_io():
    if not salt.utils.path.which("qemu-io"):
        package = __utils__["gluster_system.package"]("qemu_io_package")
        raise CommandExecutionError(f"qemu-io is not installed on this node: install {package}")


def _qemu_io_said(out, error):
    """
    What it cannot open it says on standard error, behind the library's log; what it cannot read on standard output.
    """
    _, found, said = error.partition("qemu-io: ")
    said = said if found else out.strip() or f"qemu-io: {error or 'it said nothing'}"
    return __utils__["gluster_process.visible"](said, 1000)  # the process is the user's, and so is what it says


def native_read_error(volume, hosts, user="oneadmin"):
    """
    Why a volume cannot be read over the native GlusterFS API by any of several servers.

    volume, user
        See :func:`native_read`.

    hosts
        The Gluster servers, ``server`` or ``server:port`` (list of strings). Those behind the first that answers are
        not asked.

    Returns None if it was read, else what stood in the way at the last one (string).

    Raises CommandExecutionError as :func:`native_read` does.

    CLI Example:

    .. code-block:: bash

        salt kvm2 gluster_native.native_read_error one_vol '[kvm1, "kvm2:24007"]'
    """
    refused = "no server was named"
    for each in hosts:
        host, _, port = each.partition(":")
        refused = native_read(volume, host=host, port=int(port or 24007), user=user)
        if refused is None:
            return None
    return refused


def file_error(path, user="oneadmin", timeout=30):
    """
    Why QEMU of this node cannot use a file on a mount as a virtual machine uses its disk: it opens a new file past the
    host's cache, writes it and reads it again. The file is removed.

    path
        The directory on which the volume is mounted (string).

    user
        Who does it (string, default ``oneadmin``).

    timeout
        Seconds to wait (int, default 30).

    Returns None if it was written and read, else what stood in the way (string).

    Raises CommandExecutionError when qemu-io is not installed or there is no such user.

    CLI Example:

    .. code-block:: bash

        salt kvm2 gluster_native.file_error /var/lib/gluster_one/one_vol
    """
    _require_qemu_io()
    state = __salt__["gluster_mount.mount_health"](path)["state"]
    if state != "alive":
        return f"the mount on {path} is {state}"
    file = os.path.join(path, f".gluster_one.qemu.{socket.gethostname()}")
    words = ["sh", "-c", USE, "sh", file, secrets.token_hex(4)]
    run = __utils__["gluster_process.run"]
    _, out, error = run(words, user=user, timeout=timeout, probe=f"qemu {path} {user}")
    if all(f"{done} 4096/4096 bytes" in out for done in ("wrote", "read")) and "failed" not in out:
        return None
    return _qemu_io_said(out, error)


def native_machines():
    """
    The VMs that run on this node with a disk that QEMU has open over ``gluster://``, since its start or attached later.

    Returns a sorted list of names, each with its process, such as ``["one-7 (4711)"]``.

    Raises CommandExecutionError where it is not known, see ``gluster_process.command_lines``.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_native.native_machines
    """
    processes = __utils__["gluster_process.command_lines"]()
    return sorted(
        __utils__["gluster_process.process_name"](pid)
        for pid, words in processes.items()
        if "-name" in words and (any(re.search(GLUSTER, word) for word in words) or _has_attached(words))
    )


def _has_attached(words):
    """
    Whether libvirt says that a VM has a disk over gluster://, which may not be among the words of its process.
    """
    name = dict(zip(words, words[1:])).get("-name", "").partition(",")[0].removeprefix("guest=")
    path = LIVE.format(name)
    if not re.fullmatch(LIVE_NAME, name) or not os.path.isfile(path):
        return False
    try:
        with open(path, errors="replace") as file:
            return LIVE_GLUSTER in file.read()
    except FileNotFoundError:  # the VM has ended
        return False


def volume_users(path):
    """
    What on this node needs a mounted volume: who uses the mount, and the VMs with a disk over ``gluster://``, of
    whatever volume.

    path
        The directory on which it is mounted (string).

    Returns a list of strings such as ``["less (4711)", "VM one-7 (4712), over gluster://"]``; where nothing is mounted
    there, of VMs alone.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_native.volume_users /var/lib/gluster_one/one_vol
    """
    mounted = __salt__["gluster_mount.beneath"](path)["state"] != "absent"
    machines = [f"VM {name}, over gluster://" for name in native_machines()]
    return [*(__salt__["gluster_mount.mount_users"](path) if mounted else []), *machines]


def images(**connection):
    """
    The images and clones that QEMU cannot open natively or not read to their end, or whose machine would start on the
    wrong file or not at all; and those that are opened natively still, although their datastore is one of files now.
    For the head, where the volume is mounted.

    connection
        ``endpoint``, ``auth_file``, ``api_timeout`` as in the execution module ``opennebula_api``.

    Returns a list of dicts; ``what`` is ``image``, or ``disk`` for a VM's, with the disk's number as ``disk`` and the
    VM's id, name and owner, or ``datastore`` for one of which OpenNebula does not show everything to this user::

        [{"datastore": "glusterds", "what": "image", "disk": None, "id": 3, "name": "ubuntu", "owner": "oneadmin",
          "problem": "a qcow2 that is cloned: ...", "cure": "import it again ..."},
         {"datastore": "glusterds", "what": "disk", "disk": 0, "id": 7, "name": "web", "owner": "oneadmin", ...}]

    QEMU's gluster driver takes a short read for an error: of a raw file whose length is no multiple of 512 the end
    cannot be read, a qcow2 file of such a length does not open. A fresh qcow2 file has such a length unless its
    disk is a multiple of 32 GB. OpenNebula never changes an image's FORMAT: a file that is no qcow2 any more, because
    somebody converted it, does not start either. What oned has made as native is judged, whatever its datastore is now;
    not a VM's volatile disks, which are files on the mount.

    The files are looked at as the user ``gluster_one:user`` (default ``oneadmin``), for 60 s at most. What is odd about
    one of them, such as a FIFO or a path that is none, is a problem of that one; of a mount that does not answer, the
    first file is named.

    CLI Example:

    .. code-block:: bash

        salt head gluster_native.images
    """
    stores = {store["id"]: store for store in __salt__["opennebula.datastore_list"](**connection)}
    files = _files(stores, **connection)
    native = [
        file
        for file in files
        # What oned has made stays native, or stays a file, whatever its datastore is now.
        if (file["disk"] or file["thing"])["native"] and file["store"]
    ]
    limits = {"end": time.monotonic() + LOOK_SECONDS, "hung": set()}
    whole, found, unable = _whole(limits, native), [], None
    for file in native:
        store, disk = file["store"], file["disk"]
        problems = []
        if not __salt__["one_datastore.is_native"](store):
            if disk:
                unable = _without_driver() if unable is None else unable
            stays = _stays(file["thing"], disk, unable) if disk else (IMAGE_STAYS, CLONE.format(file["thing"]["id"]))
            problems.append(stays)
        if file["format"] == "qcow2":
            problems += _qcow2_problem(file, _look(limits, store, file["path"]))
        if file["format"] == "raw" and file["path"] not in whole:
            problems += _raw_problem(file, _look(limits, store, file["path"]))
        what, number = ("disk", disk["id"]) if disk else ("image", None)
        found += [_finding(store, what, file["thing"], *problem, number) for problem in problems]
    return found + _unseen(stores.values(), files, connection)


def _unseen(stores, files, connection):
    """
    The native datastores, where OpenNebula does not show everything on them to this user.
    """
    stores = [store for store in stores if __salt__["one_datastore.is_native"](store) or store.get("GLUSTER_VOLUME")]
    if not stores or __salt__["opennebula_api.sees_all"](**connection):
        return []
    shown, found = [file["thing"]["datastore"] for file in files if not file["disk"]], []
    for store in stores:
        hidden = __utils__["one_datastore_rules.hidden_images"](store, shown.count(store["id"]))
        found.append(_finding(store, "datastore", store, UNSEEN.format(f"{hidden} and " if hidden else ""), GROUP))
    return found


def _files(stores, **connection):
    """
    The images and the disks of VMs, each with its datastore and its file. That of a persistent disk or of a CD is the
    image's; a path is None where there is none or it is not known yet.
    """
    files = [
        {"store": stores.get(image["datastore"]), "thing": image, "disk": None, "format": image["format"],
         "path": image["source"] or None}
        for image in __salt__["opennebula.image_list"](**connection)
    ]  # fmt: skip
    for machine in __salt__["opennebula.vm_list"](**connection):
        for disk in machine["disks"]:
            store, path = stores.get(disk["datastore"]), None
            if store and store["base_path"] and disk["clone"] and None not in (machine["system"], disk["id"]):
                home = os.path.join(os.path.dirname(store["base_path"]), str(machine["system"]), str(machine["id"]))
                path = os.path.join(home, f"disk.{disk['id']}")
            files.append({"store": store, "thing": machine, "disk": disk, "format": disk["format"], "path": path})
    return files


def _stays(machine, disk, unable):
    """
    What there is to say of a machine's disk that is native still.
    """
    problem = "it is opened over gluster:// for good, as oned has made it"
    if unable:
        problem += f", which QEMU of {', '.join(unable)} cannot"
    if disk["clone"]:
        way = f"with the VM off, `onevm disk-saveas {machine['id']} {disk['id']} NAME`, and a new VM of that image"
    else:
        image = __utils__["gluster_process.visible"](disk["image"])
        way = f"terminate the VM; its disk, the image {image}, stays: `oneimage clone` it for a new VM"
    return problem, f"{way}: docs/native-or-fuse.md"


def _without_driver():
    """
    The nodes whose QEMU cannot open gluster://, as they have left it in the mine (see :func:`publish_access`).
    """
    try:
        said = __salt__["mine.get"]("*", "gluster_native.native_access")
    except SaltException:  # the master does not answer: they are not known
        said = None
    said = said if isinstance(said, dict) else {}
    visible = __utils__["gluster_process.visible"]
    return sorted(visible(name) for name, found in said.items() if isinstance(found, dict) and not found.get("gluster"))


def publish_access(found):
    """
    Leave in the mine what QEMU of this node can open, if it is not what was left there before; once a day in any case,
    as the master may have lost it.

    found
        What :func:`native_access` returned (dict).

    Returns whether it was left (bool).

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_native.publish_access '{qemu: 11.1.2, libvirt: 12.8.0, gluster: false}'
    """
    published = {"found": found, "day": int(time.time() // 86400)}
    if __salt__["data.get"]("gluster_native.published") == published:
        return False
    # It asks QEMU again, since the mine takes a function's name.
    sent = __salt__["mine.send"]("gluster_native.native_access")
    return bool(sent and __salt__["data.update"]("gluster_native.published", published))


def _finding(store, what, thing, problem, cure, disk=None):
    visible = __utils__["gluster_process.visible"]  # users of OpenNebula give the names
    return {
        "datastore": visible(store["name"]),
        "what": what,
        "disk": disk,
        "id": thing["id"],
        "name": visible(thing["name"]),
        "owner": visible(thing["owner"]),
        "problem": problem,
        "cure": cure,
    }


def _unfinished(file):
    """
    Whether the file of an image or a disk may be about to be written by OpenNebula.
    """
    thing = file["thing"]
    return (thing["state"], thing["lcm_state"]) == PROLOG if file["disk"] else thing["state"] in UNSETTLED


def _raw_problem(file, seen):
    """
    What is wrong with a raw image or disk and what to do: a list of one or none.
    """
    if seen.get("odd"):
        return [(seen["odd"], "see what it says")]
    if not seen.get("beyond") or _unfinished(file):
        return []
    return [(END_LOST.format(seen["beyond"]), _pad(file))]


def _pad(file, command="truncate -s %512 -- {}"):
    """
    How to bring a file to a length that fits: zeros behind its end, as it reads through the mount.
    """
    command, thing = _command(file, command), file["thing"]
    if file["disk"]:
        return f"while VM {thing['id']} does not run: {command}"
    if thing["persistent"] or thing["type"] == "CDROM":
        return f"while no VM runs with it: {command}"
    return f"{command}; VMs that were made from it before have disks of their own, which are named, too"


def _command(file, command):
    """
    What an administrator is to run, as the user of the files, since those may be links to others. The path is oned's or
    that user's, and is not shown for a shell unless it is plain.
    """
    if not __utils__["gluster_process.is_plain"](file["path"]):
        show = f"one{'vm' if file['disk'] else 'image'} show {file['thing']['id']}"
        return f"do what docs/datastores.md says; its file's path is odd or not known, so no command is shown: `{show}`"
    # With a terminal of its own: into root's it could write commands.
    user = shlex.quote(__salt__["opennebula_api.account"]())
    return f"`runuser --pty -u {user} -- {command.format(file['path'])}`"


def _flatten(file, newest):
    which = "" if newest else " (N: the highest number there)"
    user = __salt__["opennebula_api.account"]()
    return (
        f"with its VM off, {_command(file, FLATTEN.format(newest or 'N'))}{which}; FILE, a new one "
        f"where {user} can write, has all then: register it in a datastore that has DRIVER = raw"
    )


def _qcow2_problem(file, seen):
    """
    The same of one that is qcow2.
    """
    if seen.get("odd"):
        return [(seen["odd"], "see what it says")]
    if seen.get("magic") not in (None, MAGIC) and not _unfinished(file):
        return [(_no_qcow2(file["path"]), IMPORT)]
    return _disk_problem(file, seen) if file["disk"] else _image_problem(file, seen)


def _image_problem(file, seen):
    image = file["thing"]
    cloned = not image["persistent"] and image["type"] in ("OS", "DATABLOCK")
    newest, unknown = _newest_snapshot(file) if seen and image["persistent"] else (None, None)
    if image["persistent"] and (image["snapshots"] or newest):
        problem = (
            f"a persistent qcow2 with a disk snapshot{'' if image['snapshots'] else ' that was deleted'}: its machine "
            "would start on the file from before the snapshot"
        )
        return [(problem, _flatten(file, newest))]
    problems = [(f"whether it had a disk snapshot is not known: {unknown}", "see what it says")] if unknown else []
    if seen.get("beyond"):
        return [*problems, (SHORT, IMPORT if cloned else _pad(file))]
    copied = str(file["store"].get("QCOW2_STANDALONE")).upper() == "YES"  # a clone is as long as its image then
    if cloned and not copied and (image["size_mb"] is None or image["size_mb"] % 32768):
        return [
            (
                "a qcow2 that is cloned: the fresh clone's length is no multiple of 512, and QEMU cannot open it over "
                "gluster://",
                IMPORT,
            )
        ]
    return problems


def _newest_snapshot(file):
    """
    The number of the file with which a persistent image goes on after a disk snapshot (string), None without one: also
    when the snapshot was deleted OpenNebula goes on with the highest, and QEMU gets the image's own file. And why it is
    not known, or None.
    """
    words = ["-maxdepth", "1", "-type", "f", "-regex", ".*/[0-9]+", "-printf", "%f\\n"]
    status, out, error = __utils__["gluster_process.run"](["find", f"{file['path']}.snap/", *words], user=_account())
    if status != 0:
        return None, None if error.endswith(ABSENT) else error[:200]
    return max(re.findall(r"^\d{1,9}$", out, re.MULTILINE), key=int, default=None), None


def _disk_problem(file, seen):
    if not seen.get("beyond"):
        return []
    # OpenNebula makes a clone as disk.0 -> disk.0.snap/0. With a disk snapshot it is disk.0.snap/1, whose backing file,
    # by a relative path, is opened over gluster://, too.
    number = re.search(rf"/{file['thing']['id']}/disk\.{file['disk']['id']}\.snap/(\d+)$", seen["real"])
    if not number:
        return [(SHORT, IMPORT)]
    return [(SHORT, _pad(file) if number[1] == "0" else _pad(file, PAD_SNAPSHOTS))]


def _no_qcow2(path):
    return (
        f"FORMAT is qcow2, and {path} is not a qcow2 file: its machine does not start (Image is not in qcow2 format), "
        "and OpenNebula never changes FORMAT"
    )


def _is_path(path):
    if not isinstance(path, str) or not path.startswith("/") or not path.isprintable():
        return False
    try:
        return len(os.fsencode(path)) <= LONGEST_PATH
    except UnicodeEncodeError:  # by a locale that has not all characters
        return False


def _batches(paths):
    """
    Lists of paths that fit into the words of one process.
    """
    batch, size = [], 0
    for path in paths:
        length = len(os.fsencode(path))
        if batch and (len(batch) == BATCH or size + length > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(path)
        size += length
    if batch:
        yield batch


def _account():
    # Who is not root cannot become somebody else, and need not.
    return __salt__["opennebula_api.account"]() if os.geteuid() == 0 else None


def _whole(limits, files):
    """
    The paths of raw files with which nothing is wrong (set), many found by one process: where images are raw, it is
    nearly all.
    """
    whole = set()
    for store in {file["store"]["id"]: file["store"] for file in files}.values():
        own = [file["path"] for file in files if file["store"] is store and file["format"] == "raw"]
        for batch in _batches(filter(_is_path, own)):
            limit = min(BATCH_SECONDS, limits["end"] - time.monotonic())
            if limit <= 0:
                return whole
            command = ["stat", "-L", "-c", "%f %s %n", "--", *batch]
            status, out, _ = __utils__["gluster_process.run"](command, user=_account(), timeout=limit)
            if status is None:
                break  # the first that is looked at by itself says why
            for mode, size, path in re.findall(r"^([0-9a-f]{1,8}) (\d{1,20}) (.+)$", out, re.MULTILINE):
                if stat.S_ISREG(int(mode, 16)) and int(size) % 512 == 0:
                    whole.add(path)
    return whole


def _look(limits, store, path):
    """
    A file as the pillar's user sees it: a dict of ``beyond``, how many bytes are behind the last multiple of 512,
    ``real`` and ``magic``, or of what is ``odd`` about it; empty where there is none or it cannot be looked at any
    more. oned says where it is, and on the volume its owner may have put anything there.
    """
    if path is None:
        return {}
    if not _is_path(path):
        return {"odd": f"its file is {ascii(path)[:200]}, which is not an absolute path"}
    if store["id"] in limits["hung"]:
        return {}
    left = limits["end"] - time.monotonic()
    if left <= 0:
        limits["hung"].add(store["id"])
        return {"odd": f"its file {path} and those after it were not looked at: {LOOK_SECONDS} s were over"}
    status, out, error = __utils__["gluster_process.run"](["sh", "-c", LOOK, "sh", path], user=_account())
    if status is None or error.endswith("is not connected"):  # nor will the others answer
        limits["hung"].add(store["id"])
        return {"odd": f"its file {path} did not answer ({error}); others of this datastore were not looked at"}
    seen = re.match(r"([0-9a-f]+) (\d+)\n(.*)\n?([0-9a-f ]*)", out)
    if not seen:
        return {} if error.endswith(ABSENT) else {"odd": f"its file {path} cannot be looked at: {error[:200]}"}
    if not stat.S_ISREG(int(seen[1], 16)):
        return {"odd": f"its file {path} is not a regular file"}
    if status:
        return {"odd": f"its file {path} cannot be read: {error[:200]}"}
    return {"beyond": int(seen[2]) % 512, "real": seen[3], "magic": seen[4].replace(" ", "")}
