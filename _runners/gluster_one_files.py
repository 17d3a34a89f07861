"""
What the master serves of the formula
=====================================

More of the runner ``gluster_one``: Salt joins modules of one virtual name. A minion sees that it has another module
than the formula's; only the master knows from which of its file roots.
"""

import os

import salt.fileserver
import salt.utils.files

__virtualname__ = "gluster_one"

CHECKSUMS = "gluster_one/modules.sha256"


def __virtual__():
    return __virtualname__


def hidden_modules(saltenv="base"):
    """
    The formula's modules that no minion gets, because a file root before the formula's has a file of that name.

    saltenv
        The environment (string, default ``base``).

    Returns a list of sentences, each with the file and the two roots.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.hidden_modules
    """
    files = salt.fileserver.Fileserver(__opts__)
    checksums = files.find_file(CHECKSUMS, saltenv)["path"]
    if not checksums:
        return []
    own, hidden = checksums.removesuffix(f"/{CHECKSUMS}"), []
    with salt.utils.files.fopen(checksums) as stream:
        paths = [line.split()[1] for line in stream]
    for path in paths:
        served = files.find_file(path, saltenv)["path"]
        root = served.removesuffix(f"/{path}")
        if served and os.path.realpath(root) != os.path.realpath(own):
            hidden.append(
                f"{path} of the file root {root} hides this formula's in {own}, which stands behind it: rename that "
                "file, or put this formula's root first in file_roots"
            )
    return hidden
