"""
What glusterd keeps on disk
===========================

More functions of the execution module ``glusterd``: Salt joins modules of one virtual name. They read glusterd's own
directory: they start no process, and answer while glusterd does not run.
"""

import contextlib
import glob
import os
import re
import socket

import psutil
import salt.utils.files

__virtualname__ = "glusterd"

DIRECTORY = "/var/lib/glusterd"
PIDS = "/run/gluster/vols"
PORT = 24007
STATUS = {"0": "Created", "1": "Started", "2": "Stopped"}


def __virtual__():
    return __virtualname__


def _read(path):
    """
    The lines ``key=value`` of a file as a dict, an empty one where there is no such file.
    """
    try:
        with salt.utils.files.fopen(path, errors="replace") as stream:
            return dict(line.strip().split("=", 1) for line in stream if "=" in line)
    except FileNotFoundError:
        return {}


def volumes():
    """
    The volumes of this server's pool, as glusterd last heard of them.

    Returns a dict of dicts as ``gluster.volume_info`` returns them, with these keys alone::

        {"one_vol": {"status": "Started", "options": {"server.allow-insecure": "on", ...},
                     "bricks": ["kvm1:/data/one_vol", "kvm2:/data/one_vol", "kvm3:/data/one_vol"]}}

    CLI Example:

    .. code-block:: bash

        salt kvm2 glusterd.volumes
    """
    found = {}
    for path in sorted(glob.glob(os.path.join(DIRECTORY, "vols/*/info"))):
        info = _read(path)
        name = path.split("/")[-2]
        keys = sorted((key for key in info if re.fullmatch(r"brick-\d+", key)), key=lambda key: int(key[6:]))
        bricks = [_read(os.path.join(DIRECTORY, "vols", name, "bricks", info[key])) for key in keys]
        found[name] = {
            "status": STATUS.get(info.get("status")),
            "options": {key: value for key, value in info.items() if "." in key},
            "bricks": [f"{brick.get('hostname')}:{brick.get('path')}" for brick in bricks],
        }
    return found


def peers():
    """
    The names by which this server knows the other members of its pool.

    Returns a list of lists of host names and addresses, one for each peer: ``[["10.0.0.2", "kvm2"], ["kvm3"]]``.

    CLI Example:

    .. code-block:: bash

        salt kvm2 glusterd.peers
    """
    files = [_read(path) for path in sorted(glob.glob(os.path.join(DIRECTORY, "peers/*")))]
    return [[value for key, value in sorted(peer.items()) if key.startswith("hostname")] for peer in files if peer]


def silent():
    """
    Which hosts of this server's peers do not answer at glusterd's port, not even that nobody listens there: Gluster
    waits for those.

    Returns a list of names, the last by which this server knows each.

    CLI Example:

    .. code-block:: bash

        salt kvm1 glusterd.silent
    """
    return [names[-1] for names in peers() if not any(_answers(name) for name in names)]


def _answers(host):
    try:
        socket.create_connection((host, PORT), timeout=2).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return True


def look(away=()):
    """
    The pool and the volumes, as far as they are known without asking Gluster.

    away
        The peers that are known to be away (list of names, default none). All others count as connected.

    Returns a dict as ``gluster.look`` returns it; ``status`` is None and ``heal`` is empty.

    CLI Example:

    .. code-block:: bash

        salt kvm1 glusterd.look
    """
    members = ["localhost", *(names[-1] for names in peers())]
    pool = [{"hostname": name, "connected": name not in away} for name in members]
    return {"pool": pool, "volumes": volumes(), "status": None, "heal": {}}


def pool_without(server, servers):
    """
    The members of this server's pool, when another server is none of them.

    server
        The other server (string).

    servers
        The names of a volume's servers (list of strings). A member that goes by none of them may be the other server,
        by another network's address.

    Returns the members' names and addresses (list of strings), empty when the server is one of them or may be, or this
    server is in no pool.

    CLI Example:

    .. code-block:: bash

        salt kvm2 glusterd.pool_without kvm1 '[kvm1, kvm2, kvm3]'
    """
    members = [[name.casefold() for name in names] for names in peers()]
    known = [name for names in members for name in names]
    strangers = [names for names in members if not {name.casefold() for name in servers} & set(names)]
    if not known or strangers or server.casefold() in known or __salt__["gluster.peer_known_as"](server, known):
        return []
    return known


def _sharing(volume, server, brick):
    """
    What a brick's own volume file says of its file system.
    """
    name = f"{volume}.{server}.{brick.strip('/').replace('/', '-')}.vol"
    path = os.path.join(DIRECTORY, "vols", volume, name)
    with contextlib.suppress(FileNotFoundError), salt.utils.files.fopen(path, errors="replace") as stream:
        found = re.search(r"option shared-brick-count (\d+)", stream.read())
        return int(found[1]) if found else None
    return None


def bricks(volume):
    """
    The bricks of a volume on this server, and who is to own its root.

    volume
        The volume (string).

    Returns a dict ``{"sharing": {"/data/one_vol": 1}, "owner": ["9869", "9869"], "down": ["kvm2:/data/one_vol"]}``: by
    the paths of the bricks of how many on one file system each counts itself, by which its size is divided, None where
    that is not known; the options ``storage.owner-uid`` and ``storage.owner-gid``, ``-1`` for one that nobody has set;
    and, where the volume is started, the bricks whose process is not there.

    CLI Example:

    .. code-block:: bash

        salt kvm2 glusterd.bricks one_vol
    """
    own = _read(os.path.join(DIRECTORY, "glusterd.info")).get("UUID")
    files = [_read(path) for path in sorted(glob.glob(os.path.join(DIRECTORY, "vols", volume, "bricks/*")))]
    info = _read(os.path.join(DIRECTORY, "vols", volume, "info"))
    mine = [brick for brick in files if own and brick.get("uuid") == own]
    return {
        "sharing": {brick["path"]: _sharing(volume, brick["hostname"], brick["path"]) for brick in mine},
        "owner": [info.get(f"storage.owner-{kind}", "-1") for kind in ("uid", "gid")],
        "down": [
            f"{brick['hostname']}:{brick['path']}"
            for brick in mine
            if STATUS.get(info.get("status")) == "Started" and not _served(volume, brick)
        ],
    }


def _served(volume, brick):
    """
    Whether the process that glusterd has started for a brick is there.
    """
    name = f"{brick['hostname']}{brick['path'].replace('/', '-')}.pid"
    with contextlib.suppress(OSError, ValueError, psutil.Error):
        with salt.utils.files.fopen(os.path.join(PIDS, volume, name)) as stream:
            return psutil.Process(int(stream.read())).name() == "glusterfsd"
    return False
