"""
Files that this formula writes
==============================
"""

import salt.utils.atomicfile

__virtualname__ = "gluster_files"


def __virtual__():
    return __virtualname__


def write(path, text):
    """
    Write a file in one step, so that nobody sees half of it: a new one beside it takes its owner and mode, and then its
    place. Its directory has to be root's alone.

    path
        The file (string).

    text
        What is to be in it (bytes, or a string, which is written in UTF-8).

    Raises OSError; then the file is as it was.

    Example:

    .. code-block:: python

        __utils__["gluster_files.write"]("/tmp/example", "text")
    """
    with salt.utils.atomicfile.atomic_open(path, "wb") as stream:
        stream.write(text.encode() if isinstance(text, str) else text)
        stream.flush()  # on a full disk it fails here, and not in the end, where Salt would leave the new file
