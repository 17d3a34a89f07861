"""
Packages that a node needs by its roles, and pyone for the Python of the head's minion
======================================================================================

Whether one is there is seen by its programs and files: that starts no process, and takes what was built or installed in
another way for what it is.
"""

import glob
import importlib
import importlib.machinery
import importlib.metadata
import os

import salt.utils.path
from salt.exceptions import CommandExecutionError

__virtualname__ = "gluster_one_packages"

# The least version of pyone: older ones do not know all of what oned answers today.
PYONE_MAJOR = 7
PYONE = f"pyone>={PYONE_MAJOR}"
# What dpkg was about to configure may need what apt is about to unpack.
FINISH = (
    ["dpkg", "--configure", "-a", "--force-confold"],
    ["apt-get", "install", "--fix-broken", "--no-remove", "--yes", "--quiet"],
)
# Where the file server may have wheels for nodes without a network.
WHEELS = "salt://gluster_one/wheels"
# By key of os.yaml: which roles need the package, and the program that shows it, ...
PROGRAMS = {
    "gluster_package": (("server",), "glusterd"),
    "mount_package": (("head", "hypervisor"), "mount.glusterfs"),
}
# ... or the programs that it is a part of, any of them, and the key of the files that show it.
PARTS = {
    "qemu_gluster_package": (("qemu-img",), "qemu_gluster_files"),
    "libvirt_gluster_package": (("libvirtd", "virtqemud"), "libvirt_gluster_files"),
}
# A package of the same source, whose version a new one gets where it is there: another one would pull that up.
SIBLINGS = {
    "gluster_package": "mount_package",
    "mount_package": "gluster_package",
    "qemu_gluster_package": "qemu_io_package",
    "libvirt_gluster_package": "libvirt_package",
}


def __virtual__():
    return __virtualname__


def missing(roles, native=True):
    """
    Which packages a node lacks for its roles. Those of QEMU's and libvirt's gluster drivers are missing only where QEMU
    and libvirt themselves are there.

    roles
        What the node is: ``head``, ``hypervisor``, ``server`` (list of strings).

    native
        Whether VMs are to open ``gluster://`` (bool, default True).

    Returns a list of keys of ``os.yaml``: ``["gluster_package", "qemu_gluster_package"]``.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one_packages.missing '[server]'
    """
    which = salt.utils.path.which
    found = [key for key, (who, program) in PROGRAMS.items() if {*who} & {*roles} and not which(program)]
    if native and "hypervisor" in roles:
        system = __utils__["gluster_system.values"]()
        found += [
            key
            for key, (programs, files) in PARTS.items()
            if any(map(which, programs)) and not any(map(glob.glob, system.get(files) or []))
        ]
    return found


def to_install(keys):
    """
    What is to be installed of packages whose programs or files are not there, and in which versions.

    keys
        Keys of ``os.yaml`` (list of strings).

    Returns a dict of packages and versions, None where any will do. A package that is installed, and has no such file
    in this distribution, is not in it::

        {"qemu-block-extra": "1:7.2+dfsg-7", "glusterfs-server": None}

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one_packages.to_install '[qemu_gluster_package]'
    """
    package, found = __utils__["gluster_system.package"], {}
    version = __salt__.get("pkg.version", lambda name: None)
    for key in keys:
        if not version(package(key)):
            found[package(key)] = version(package(SIBLINGS[key])) or None
    return found


def finish():
    """
    Finish what a package manager that was killed has left half done: dpkg refuses everything until then, and nothing
    that is installed is upgraded or removed. One that keeps no such state, as rpm, has nothing to finish.

    Returns True.

    Raises CommandExecutionError with the package manager's last words.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one_packages.finish
    """
    if not salt.utils.path.which("dpkg"):
        return True
    for command in FINISH:
        done = __salt__["cmd.run_all"](
            command, python_shell=False, ignore_retcode=True, env={"DEBIAN_FRONTEND": "noninteractive"}, timeout=600
        )
    if done["retcode"]:
        said = __utils__["gluster_process.visible"](" ".join(f"{done['stdout']} {done['stderr']}".split())[-500:])
        raise CommandExecutionError(f"what a run that was ended has half installed could not be finished: {said}")
    return True


def pyone_missing():
    """
    What the Python of this minion lacks to speak with OpenNebula. It looks on the disk: what this process has loaded
    may be gone since.

    Returns None if nothing, else what it is and what to do (string).

    CLI Example:

    .. code-block:: bash

        salt head gluster_one_packages.pyone_missing
    """
    importlib.invalidate_caches()  # a directory that was not there when the minion started is not looked into again
    cure = f"`salt-pip install '{PYONE}'` (onedir) or `pip install '{PYONE}'`, then restart salt-minion"
    if not importlib.machinery.PathFinder.find_spec("pyone"):
        return f"pyone is not installed for this minion's Python: {cure}"
    try:
        version = importlib.metadata.version("pyone")
    except importlib.metadata.PackageNotFoundError:
        return None  # one that says no version is tried
    major = version.partition(".")[0]
    if major.isdecimal() and int(major) < PYONE_MAJOR:
        return f"pyone {version} of this minion's Python is too old, {PYONE_MAJOR}.0 or newer is needed: {cure}"
    return None


def pyone_source():
    """
    How pip gets pyone: from wheels of the file server, where it has any in ``salt://gluster_one/wheels``.

    Returns a dict of arguments of Salt's ``pip.installed``:
    ``{"name": "pyone>=7", "find_links": "/var/cache/salt/minion/files/base/gluster_one/wheels", "no_index": True}``.

    CLI Example:

    .. code-block:: bash

        salt head gluster_one_packages.pyone_source
    """
    files = __salt__["cp.cache_dir"](WHEELS, saltenv=__opts__.get("saltenv") or "base") or []
    wheels = [path for path in files if path.endswith(".whl")]
    source = {"find_links": os.path.dirname(wheels[0]), "no_index": True} if wheels else {}
    return {"name": PYONE, **source}
