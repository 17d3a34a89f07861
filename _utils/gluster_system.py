"""
The formula's tables
====================

``gluster_one/os.yaml``, what differs between operating systems, and ``gluster_one/findings.yaml``, the kinds of
findings, as this minion has them from its last run.
"""

import contextlib
import glob
import os

import salt.utils.files
import salt.utils.yaml
from salt.exceptions import SaltException

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
    systems, found = _table("os.yaml"), {}
    for name in ("base", *(__grains__.get(grain) for grain in ("os_family", "os", "osfinger"))):
        found.update(systems.get(name) or {})
    return found


def finding_kinds():
    """
    The table ``findings.yaml``. The master is asked only where no run has brought it yet.

    Returns a dict by kind; the keys of each are explained in the file. An empty one where it cannot be had: a look does
    without it.

    Example:

    .. code-block:: python

        __utils__["gluster_system.finding_kinds"]()
    """
    with contextlib.suppress(SaltException):
        return _table("findings.yaml")
    return {}


def _table(name):
    path = _file(f"gluster_one/{name}")
    if not path:
        return {}
    with salt.utils.files.fopen(path) as stream:
        return salt.utils.yaml.safe_load(stream) or {}


def _file(name):
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
