"""
What the operating system has to bring
======================================

More functions of the execution module ``gluster_one_pillar``: Salt joins modules of one virtual name.
"""

import importlib.util
import os
import sys
import sysconfig

import salt.utils.files
import salt.utils.yaml

__virtualname__ = "gluster_one_pillar"


def __virtual__():
    return __virtualname__


def system():
    """
    What the formula's ``os.yaml`` has for this operating system, from the minion's own copy: the master is not asked.

    Returns a dict of the keys of ``base`` there; an empty one before the formula has run for the first time.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one_pillar.system
    """
    name = "gluster_one/os.yaml"
    if __opts__.get("file_client") == "local":
        path = __salt__["cp.cache_file"](f"salt://{name}")
    else:  # what cp.is_cached looks for, which takes longer than all else here
        path = os.path.join(__opts__["cachedir"], "files", __opts__.get("saltenv") or "base", name)
    if not path or not os.path.exists(path):
        return {}
    with salt.utils.files.fopen(path) as stream:
        systems = salt.utils.yaml.safe_load(stream)
    found = {}
    for name in ("base", *(__grains__.get(grain) for grain in ("os_family", "os", "osfinger"))):
        found.update(systems.get(name) or {})
    return found


def packages(roles, system=None):
    """
    What a minion of some roles needs to have installed.

    roles
        ``head``, ``hypervisor``, ``server`` (list of strings).

    system
        What :func:`system` returns (dict). Default: that of this minion.

    Returns a dict. ``pyone`` is how to install it for the Python that runs this minion: ``pip``, the name of a package,
    or None where it is there or not needed::

        {"gluster": ["glusterfs-client"], "native": ["qemu-block-extra", "libvirt-daemon-driver-storage-gluster"],
         "pyone": None}

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one_pillar.packages '[hypervisor]'
    """
    system = __salt__["gluster_one_pillar.system"]() if system is None else system
    needed = {
        "gluster": [*(["server_package"] if "server" in roles else []), "mount_package"],
        "native": ["qemu_gluster_package", "libvirt_gluster_package"] if "hypervisor" in roles else [],
    }
    # dict.fromkeys: one package may be two things.
    found = {kind: list(dict.fromkeys(system[key] for key in keys if system.get(key))) for kind, keys in needed.items()}
    missing = "head" in roles and importlib.util.find_spec("pyone") is None
    pyone = system.get("pyone_package") if _externally_managed() else "pip"
    return {**found, "pyone": pyone if missing else None}


def _externally_managed():
    """
    Whether this Python belongs to the distribution, and pip is told to leave it alone (PEP 668).
    """
    marker = os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED")
    return sys.prefix == sys.base_prefix and os.path.exists(marker)
