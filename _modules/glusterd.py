"""
glusterd's own volume file
==========================

What a server's management daemon reads at its start: ``/etc/glusterfs/glusterd.vol``.
"""

import salt.utils.atomicfile
import salt.utils.files
from salt.exceptions import CommandExecutionError

__virtualname__ = "glusterd"

VOLUME_FILE = "/etc/glusterfs/glusterd.vol"


def __virtual__():
    return __virtualname__


def options(path=VOLUME_FILE):
    """
    The options in glusterd's own volume file.

    path
        The file (string, default /etc/glusterfs/glusterd.vol).

    Returns a dict ``{"transport.socket.listen-port": "24007", ...}``; lines behind ``#`` are no options.

    Raises CommandExecutionError when there is no such file.

    CLI Example:

    .. code-block:: bash

        salt kvm1 glusterd.options
    """
    return {
        words[1]: " ".join(words[2:])
        for words in map(str.split, _read(path).splitlines())
        if len(words) > 2 and words[0] == "option"
    }


def _read(path):
    try:
        with salt.utils.files.fopen(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read()
    except FileNotFoundError:
        raise CommandExecutionError(f"{path} is missing: install glusterfs-server on this node") from None


def options_set(options, path=VOLUME_FILE):
    """
    Write options into glusterd's own volume file, leaving every other line as it is. glusterd reads it at its start.

    options
        Option names and values (dict). A boolean is written as ``on`` or ``off``.

    path
        The file (string, default /etc/glusterfs/glusterd.vol).

    Returns True.

    Raises CommandExecutionError when there is no such file or it has no ``end-volume`` line.

    CLI Example:

    .. code-block:: bash

        salt kvm1 glusterd.options_set '{rpc-auth-allow-insecure: "on"}'
    """
    missing = {
        option: f"    option {option} {__salt__['gluster_options.option_text'](value)}\n"
        for option, value in options.items()
    }
    lines = []
    for line in _read(path).splitlines(keepends=True):
        words = line.split()
        if len(words) > 1 and words[0] == "option" and words[1] in options:
            if words[1] not in missing:
                continue  # a second line for the same option would win over the first
            line = missing.pop(words[1])
        elif words == ["end-volume"]:
            lines += missing.values()
            missing = {}
        lines.append(line)
    if missing:
        raise CommandExecutionError(f"{path} has no line end-volume: it is no volume file of glusterd")
    # The temporary file lies beside the old one and takes over its mode, then replaces it in one step.
    with salt.utils.atomicfile.atomic_open(path, "wb") as stream:
        stream.write("".join(lines).encode(errors="surrogateescape"))
    return True
