"""
Native access: QEMU's own way to a volume, ``gluster://``
=========================================================
"""

import contextlib
import functools
import os
import re
import shlex
import stat
import time

import salt.utils.files
import salt.utils.path
from salt.exceptions import CommandExecutionError

__virtualname__ = "gluster_native"

APPARMOR = "/sys/kernel/security/apparmor/profiles"
NO_RULES = r"\.|README$|.*(~$|\.(dpkg-|rpm|orig$|rej$))"
QEMU_CONF = "/etc/libvirt/qemu.conf"
SELINUX = "/sys/fs/selinux"
SECTORS = (
    "a VM's disk is read past the host's cache, here 512 bytes, and the bricks' disks seem to have larger sectors: "
    "`gluster volume set {} network.remote-dio enable`"
)
SHORT = "its length is no multiple of 512, so QEMU cannot open it over gluster://"
# What is known to work for each kind of image (tried on a real OpenNebula, as the other cure was, for a fresh clone).
IMPORT = "import it again into a datastore that has DRIVER = raw before the import, which converts it"
# Seconds for all files of one call.
LOOK_SECONDS = 60
# Print a file's mode, its length, what a link leads to in the end, and its first four bytes.
LOOK = """stat -L -c '%f %s' -- "$1" && readlink -f -- "$1" && test -f "$1" && exec od -An -tx1 -N4 -- "$1\""""
MAGIC = "514649fb"  # QFI and 0xfb
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
    for program in filter(salt.utils.path.which, programs):
        said = re.search(r"\d+(\.\d+)+", __utils__["gluster_process.run"]([program, "--version"], timeout=30)[1])
        version = said[0] if said else "(its version is not known)"
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
    What a hypervisor lacks for native access, and what to do.

    found
        What :func:`native_access` returned (dict).

    package
        The package with QEMU's gluster driver on this system (string).

    Returns None where it lacks nothing, else a list of what it is about, what was seen, what is expected and what to
    do::

        ["QEMU", "QEMU 7.2.22 cannot open gluster://: ...", "QEMU with its gluster driver", "install qemu-block-extra"]

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_native.access_missing '{qemu: null, libvirt: null, gluster: false}' qemu-block-extra
    """
    driver = "QEMU with its gluster driver"
    if not found["qemu"]:
        cure = f"install {__utils__['gluster_system.package']('qemu_io_package')} and {package}"
        return ["QEMU", "QEMU (qemu-img) is not installed", driver, cure]
    if not found["gluster"]:
        cannot = f"QEMU {found['qemu']} cannot open gluster://"
        if found["error"]:
            return ["gluster driver", f"{cannot}: {found['error']}", driver, _load_cure(found["error"], package)]
        if found["built"]:
            return ["QEMU", f"{cannot}: its gluster driver is not installed", driver, f"install {package}"]
        seen = f"{cannot}: {__grains__.get('os', 'its distribution')} builds it without the gluster driver"
        cure = "no package brings it: use a hypervisor whose QEMU has it, such as one of Debian 13"
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
        The file's path below the volume's root (string), such as ``7/disk.0``. Its length has to be a multiple of 512.
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
    if not salt.utils.path.which("qemu-io"):
        package = __utils__["gluster_system.package"]("qemu_io_package")
        raise CommandExecutionError(f"qemu-io is not installed on this node: install {package}")
    # Gluster's library takes ten seconds to close a file: the process ends itself before, and what it said until then
    # must not be in a buffer.
    command = ["stdbuf", "-oL", "qemu-io", "-r", "-n", "-f", "raw", "-c", "read 0 512", "-c", "sigraise 9"]
    url = f"gluster://{host}:{port}/{volume}/{path}"
    _, out, error = __utils__["gluster_process.run"]([*command, url], user=user, timeout=timeout)
    if "read 512/512 bytes" in out:
        return None
    # What it cannot open it says on standard error, behind the library's log; what it cannot read on standard output.
    _, found, said = error.partition("qemu-io: ")
    said = said if found else out.strip() or f"qemu-io: {error or 'it said nothing'}"
    return f"{said}: {SECTORS.format(shlex.quote(volume))}" if said == "read failed: Invalid argument" else said


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


def confinement(tops):
    """
    What confines QEMU, where AppArmor or SELinux is in force, so that it may not open what lies in some directories.

    tops
        The directories (list of strings).

    Returns a list of lists, each of what confines, what was seen, what is expected and what to do::

        [["SELinux", "virt_use_fusefs is off", "on", "setsebool -P virt_use_fusefs on"]]

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_native.confinement '[/var/lib/one/datastores]'
    """
    drivers, found = _security_drivers(), []
    # libvirt uses AppArmor where its own daemon has a profile; that of virt-aa-helper stays when the daemon's is off.
    if "apparmor" in drivers and re.search(r"(?m)^(\S*/)?(libvirtd|virtqemud) \(", _text(APPARMOR)):
        system = __utils__["gluster_system.values"]()
        files = system.get("apparmor_rules") or []
        rules = list(_rules(files, system.get("apparmor_directory", "")))
        for top in tops if files else []:
            if not _allows(rules, top):
                rule = f"add `{top}/** rwk,` to {files[0]}"
                found.append(["AppArmor", f"no rule for {top} in libvirt-qemu", "QEMU may open it", rule])
    boolean = "virt_use_fusefs"
    enforcing = "selinux" in drivers and "1" in _text(f"{SELINUX}/enforce")
    if enforcing and "1" not in _text(f"{SELINUX}/booleans/{boolean}"):
        found.append(["SELinux", f"{boolean} is off", "on", f"setsebool -P {boolean} on"])
    return found


def _text(path):
    """
    What is in a file, empty where there is none.
    """
    with contextlib.suppress(OSError), salt.utils.files.fopen(path, errors="replace") as stream:
        return stream.read()
    return ""


def _security_drivers():
    """
    What libvirt may confine VMs with: where qemu.conf does not say, it takes what is in force.
    """
    said = re.sub("#.*", "", _text(QEMU_CONF))
    values = dict(re.findall(r"(?m)^\s*(security_\w+)\s*=\s*(\[[^]]*\]|\S+)", said))
    if values.get("security_default_confined") == "0":
        return []
    return re.findall(r"\w+", values.get("security_driver", "")) or ["selinux", "apparmor"]


def _rules(files, directory):
    """
    The lines of AppArmor's files for QEMU and of what they include from its directory, without comments.
    """
    left, known = list(files), set()
    while left:
        path = left.pop()
        if path in known:
            continue
        known.add(path)
        if os.path.isdir(path):  # AppArmor leaves out what editors and packages leave there
            left += [os.path.join(path, name) for name in os.listdir(path) if not re.match(NO_RULES, name)]
            continue
        for line in _text(path).splitlines():
            include = re.match(r'\s*#?include\s+(?:if\s+exists\s+)?[<"]?([^>"\s]+)', line)
            if include:
                left.append(os.path.join(directory, include[1]))
            else:
                yield line.partition("#")[0].strip()


def _allows(lines, top):
    """
    Whether rules of AppArmor let QEMU read and write what lies in a directory, or in some of those below it.
    """
    variables, granted, denied = {}, set(), set()
    for line in lines:
        variable = re.match(r"(@\{\w+\})\s*\+?=(.*)", line)
        if variable:
            variables.setdefault(variable[1], []).extend(variable[2].replace('"', "").split())
        elif line.startswith("profile ") and re.search("complain|unconfined", line):
            return True
    # Rules end with a comma; those within braces and quotes are of a path.
    rules = [rule for line in lines for rule in re.findall(r'(?:\{(?:[^{}]|\{[^{}]*\})*\}|"[^"]*"|[^,])+', line)]
    for rule in rules:
        words = [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', rule)]
        paths = [word for word in words if word[:1] in ("/", "@", "{")]
        rights = [word for word in words if re.fullmatch("[rwalkmxipucPUC]+", word)]
        if words[-1:] == ["file"]:
            paths, rights = ["/**"], ["rw"]
        if len(paths) != 1 or len(rights) != 1:
            continue
        path = _spelled_out(paths[0], variables)
        if _covers(path, f"{top}/0/1/disk.0"):
            (denied if "deny" in words else granted).update(rights[0])
        elif "deny" not in words and path.startswith(f"{top}/") and path != f"{top}/":
            granted.update(rights[0])
    return {"r", "w"} <= granted - denied


def _spelled_out(path, variables):
    """
    A path of AppArmor with the values of its variables, which may have others in them.
    """
    for _ in range(5):
        for name, values in variables.items():
            path = path.replace(name, values[0] if len(values) == 1 else f"{{{','.join(values)}}}")
    return re.sub("/+", "/", path)


def _covers(pattern, path):
    """
    Whether a path with AppArmor's wildcards fits a path.
    """
    signs = {"**": ".*", "*": "[^/]*", "?": "[^/]", "{": "(?:", "}": ")", ",": "|"}
    parts = re.findall(r"\*\*|\[[^]]*\]|.", pattern)
    with contextlib.suppress(re.error):
        return bool(
            re.fullmatch("".join(signs.get(part) or (part if part[1:] else re.escape(part)) for part in parts), path)
        )
    return False


def images(**connection):
    """
    The images and clones that QEMU cannot open natively, or whose machine would start on the wrong file or not at all.
    For the head, where the volume is mounted.

    connection
        ``endpoint``, ``auth_file``, ``api_timeout`` as in the execution module ``opennebula_api``.

    Returns a list of dicts; ``what`` is ``image``, or ``disk`` for a machine's, with the machine's id, name and owner::

        [{"datastore": "glusterds", "what": "image", "id": 3, "name": "ubuntu", "owner": "oneadmin",
          "problem": "a qcow2 that is cloned: ...", "cure": "import it again ..."}]

    QEMU's gluster driver takes a short read for an error, so a file whose length is no multiple of 512 does not open;
    a fresh qcow2 file has such a length unless its disk is a multiple of 32 GB. OpenNebula never changes an image's
    FORMAT: a file that is no qcow2 any more, because somebody converted it, does not start either.

    The files are looked at as the user ``gluster_one:user`` (default ``oneadmin``), for 60 s at most. What is odd about
    one of them, such as a FIFO or a path that is none, is a problem of that one; of a mount that does not answer, the
    first file is named.

    CLI Example:

    .. code-block:: bash

        salt head gluster_native.images
    """
    stores = __salt__["opennebula.datastore_list"](**connection)
    native = {store["id"]: store for store in stores if __salt__["one_datastore.is_native"](store)}
    look = functools.partial(_look, {"end": time.monotonic() + LOOK_SECONDS, "hung": set()})
    found = []
    for image in __salt__["opennebula.image_list"](**connection) if native else []:
        store = native.get(image["datastore"])
        if store and image["format"] == "qcow2":
            found += [_finding(store, "image", image, *problem) for problem in _image_problem(store, image, look)]
    for machine in __salt__["opennebula.vm_list"](**connection) if native else []:
        for disk in machine["disks"]:
            store = native.get(disk["datastore"])
            if store and disk["format"] == "qcow2" and disk["clone"] and None not in (machine["system"], disk["id"]):
                found += [_finding(store, "disk", machine, *each) for each in _disk_problem(store, machine, disk, look)]
    return found


def _finding(store, what, thing, problem, cure):
    visible = __utils__["gluster_process.visible"]  # users of OpenNebula give the names
    return {
        "datastore": visible(store["name"]),
        "what": what,
        "id": thing["id"],
        "name": visible(thing["name"]),
        "owner": visible(thing["owner"]),
        "problem": problem,
        "cure": cure,
    }


def _image_problem(store, image, look):
    """
    What is wrong with a qcow2 image of a native datastore and what to do: a list of one or none.
    """
    file = look(store, image["source"]) if image["source"] else {}
    if file.get("odd"):
        return [(file["odd"], "see what it says")]
    if file.get("magic") not in (None, MAGIC) and image["state"] not in UNSETTLED:
        return [(_no_qcow2(image["source"]), IMPORT)]
    if image["persistent"] and image["snapshots"]:
        problem = "a persistent qcow2 with a disk snapshot: its machine would start on the file without the snapshot"
        return [(problem, IMPORT)]
    if file.get("short"):
        return [(SHORT, IMPORT)]
    cloned = not image["persistent"] and image["type"] in ("OS", "DATABLOCK")
    if cloned and (image["size_mb"] is None or image["size_mb"] % 32768):
        return [
            (
                "a qcow2 that is cloned: the fresh clone's length is no multiple of 512, and QEMU cannot open it over "
                "gluster://",
                IMPORT,
            )
        ]
    return []


def _disk_problem(store, machine, disk, look):
    """
    The same of a machine's disk that is a clone.
    """
    name = f"disk.{disk['id']}"
    path = os.path.join(os.path.dirname(store["base_path"]), str(machine["system"]), str(machine["id"]), name)
    file = look(store, path) if store["base_path"] else {}
    if file.get("odd"):
        return [(file["odd"], "see what it says")]
    if file.get("magic") not in (None, MAGIC) and (machine["state"], machine["lcm_state"]) != PROLOG:
        return [(_no_qcow2(path), IMPORT)]
    if not file.get("short"):
        return []
    # OpenNebula makes a clone as disk.0 -> disk.0.snap/0; with a snapshot, it leads elsewhere: that was not tried.
    if not file["real"].endswith(f"/{machine['id']}/{name}.snap/0"):
        return [(SHORT, IMPORT)]
    user = shlex.quote(__salt__["opennebula_api.account"]())
    command = f"runuser -u {user} -- truncate -s %512 -- {shlex.quote(path)}"
    return [(SHORT, f"while VM {machine['id']} does not run: `{command}`")]


def _no_qcow2(path):
    return (
        f"FORMAT is qcow2, and {path} is not a qcow2 file: its machine does not start (Image is not in qcow2 format), "
        "and OpenNebula never changes FORMAT"
    )


def _look(limits, store, path):
    """
    A file as the pillar's user sees it: a dict of ``short``, ``real`` and ``magic``, or of what is ``odd`` about it;
    empty where there is none or it cannot be looked at any more. oned says where it is, and on the volume its owner may
    have put anything there.
    """
    if store["id"] in limits["hung"]:
        return {}
    if not (isinstance(path, str) and path.startswith("/") and path.isprintable()):
        return {"odd": f"its file is {ascii(path)[:200]}, which is not an absolute path"}
    left = limits["end"] - time.monotonic()
    if left <= 0:
        limits["hung"].add(store["id"])
        return {"odd": f"its file {path} and those after it were not looked at: {LOOK_SECONDS} s were over"}
    # Who is not root cannot become somebody else, and need not.
    user = __salt__["opennebula_api.account"]() if os.geteuid() == 0 else None
    status, out, error = __utils__["gluster_process.run"](["sh", "-c", LOOK, "sh", path], user=user)
    if status is None or "not connected" in error:  # nor will the others answer
        limits["hung"].add(store["id"])
        return {"odd": f"its file {path} did not answer ({error}); others of this datastore were not looked at"}
    seen = re.match(r"([0-9a-f]+) (\d+)\n(.*)\n?([0-9a-f ]*)", out)
    if not seen:
        return {} if "No such file" in error else {"odd": f"its file {path} cannot be looked at: {error[:200]}"}
    if not stat.S_ISREG(int(seen[1], 16)):
        return {"odd": f"its file {path} is not a regular file"}
    if status:
        return {"odd": f"its file {path} cannot be read: {error[:200]}"}
    return {"short": int(seen[2]) % 512 != 0, "real": seen[3], "magic": seen[4].replace(" ", "")}
