"""
The kinds of findings
=====================

More of the runner ``gluster_one``: Salt joins modules of one virtual name.
"""

import functools
import os

import salt.fileserver
import salt.utils.files
import salt.utils.yaml
from salt.exceptions import CommandExecutionError

__virtualname__ = "gluster_one"

TABLE = "gluster_one/findings.yaml"


def __virtual__():
    return __virtualname__


def kinds():
    """
    The table of the kinds of findings: ``gluster_one/findings.yaml`` of the folder that this runner lies in, or of the
    master's file roots where the runner was synced from them.

    Returns a dict by kind; the keys of each are explained in the file.

    Raises CommandExecutionError where there is no such file.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.kinds
    """
    path = os.path.join(os.path.dirname(os.path.realpath(__file__)), os.pardir, TABLE)
    if not os.path.exists(path):
        path = salt.fileserver.Fileserver(__opts__).find_file(TABLE, "base")["path"]
    if not path:
        raise CommandExecutionError(f"the master has no {TABLE}: serve the whole repository as a file root")
    return _read(path, os.stat(path).st_mtime_ns)


@functools.lru_cache(maxsize=1)
def _read(path, changed):  # pylint: disable=unused-argument
    """
    A process of the reactor lives long: the file is read again when it was changed.
    """
    with salt.utils.files.fopen(path) as stream:
        return salt.utils.yaml.safe_load(stream)
