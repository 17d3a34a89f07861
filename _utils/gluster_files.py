"""
Files that this formula writes
==============================
"""

import os
import shutil
import tempfile

__virtualname__ = "gluster_files"


def __virtual__():
    return __virtualname__


def write(path, text):
    """
    Write a file in one step, so that no reader sees half of it: a new file beside it gets its owner and mode, and then
    replaces it. Its directory has to be root's alone.

    path
        The file (string).

    text
        What is to be in it (bytes, or a string, which is written in UTF-8).

    Raises OSError; then the file is as it was.

    Example:

    .. code-block:: python

        __utils__["gluster_files.write"]("/tmp/example", "text")
    """
    # Salt's atomicfile leaves the new file on a full disk, where closing it fails as well.
    new = tempfile.NamedTemporaryFile(dir=os.path.dirname(path), prefix=".gluster_one.", delete=False)  # noqa: SIM115
    try:
        with new:
            new.write(text.encode() if isinstance(text, str) else text)
            new.flush()
            os.fsync(new.fileno())
        if os.path.exists(path):  # until then nobody else may read it: it may hold a secret
            os.chown(new.name, os.stat(path).st_uid, os.stat(path).st_gid)
            shutil.copystat(path, new.name)
            os.utime(new.name)  # when it was written: by that it is seen that a daemon has older content
        else:
            os.chmod(new.name, 0o644)
        os.replace(new.name, path)
    except BaseException:
        os.unlink(new.name)
        raise
