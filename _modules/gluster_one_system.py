"""
What the operating system has to bring
======================================

More functions of the execution module ``gluster_one_pillar``: Salt joins modules of one virtual name.
"""

import os

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
