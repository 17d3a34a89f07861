"""
What differs between operating systems
======================================

The formula's ``gluster_one/os.yaml``, as this minion has it from its last run.
"""

import glob
import os

import salt.utils.files
import salt.utils.yaml

__virtualname__ = "gluster_system"


def __virtual__():
    return __virtualname__


def values():
    """
    What ``os.yaml`` has for this operating system. The master is asked only where no run has brought it yet.

    Returns a dict of the keys of ``base`` there; an empty one where there is no such file.

    Example:

    .. code-block:: python

        __utils__["gluster_system.values"]()
    """
    path = _file()
    if not path:
        return {}
    with salt.utils.files.fopen(path) as stream:
        systems = salt.utils.yaml.safe_load(stream)
    found = {}
    for name in ("base", *(__grains__.get(grain) for grain in ("os_family", "os", "osfinger"))):
        found.update(systems.get(name) or {})
    return found


def _file():
    name = "gluster_one/os.yaml"
    if __opts__.get("file_client") != "local":  # what cp.is_cached looks for, which takes longer than all else here
        files = os.path.join(__opts__["cachedir"], "files")
        path = os.path.join(files, __opts__.get("saltenv") or "base", name)
        # A run with another saltenv leaves it there, and what looks between the runs does not know which.
        for each in (path, *sorted(glob.glob(os.path.join(files, "*", name)))):
            if os.path.exists(each):
                return each
    return __salt__["cp.cache_file"](f"salt://{name}")


def package(key):
    """
    The package to install, for an error.

    key
        Its key in ``os.yaml`` (string).

    Returns a string; words that fit any where ``os.yaml`` has no such key.

    Example:

    .. code-block:: python

        __utils__["gluster_system.package"]("gluster_package")
    """
    return values().get(key) or "its package"
