"""
What the pool calls its members, a volume's start and stop, a brick and its clients
===================================================================================

More functions of the execution module ``gluster``: Salt joins modules of one virtual name.
"""

import socket
import xml.etree.ElementTree as ET
from collections import Counter

import psutil
from salt.exceptions import CommandExecutionError

__virtualname__ = "gluster"


def __virtual__():
    return __virtualname__


def _change(*words, timeout):
    """
    One command; what was read of the pool before does not hold any more.
    """
    try:
        __salt__["gluster.xml"](*words, timeout=timeout)
    finally:
        __context__.pop("gluster.read", None)
    return True


def peer_known_as(server, names):
    """
    By which of some names a pool knows a server of another name: the one that has an address of it.

    server
        A host name (string).

    names
        Names and addresses of peers (list of strings).

    Returns one of the names, or None.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster.peer_known_as kvm2 '[10.0.0.3, 10.0.0.2]'
    """
    addresses = _addresses(server)
    return next((name for name in names if addresses & ({name} | _addresses(name))), None)


def _addresses(host):
    try:
        return {found[4][0] for found in socket.getaddrinfo(host, None)}
    except OSError:
        return set()


def volume_start(name, force=False, timeout=120):
    """
    Start a volume.

    name
        The volume's name (string).

    force
        Start the bricks of a started volume that are down, too (bool, default False).

    timeout
        Seconds to wait for Gluster's answer and, while another command holds it, for its lock (int, default 120).

    Returns True.

    Raises CommandExecutionError when there is no such volume, or it is started already and ``force`` not given.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster.volume_start one_vol force=True
    """
    return _change("volume", "start", name, *(["force"] if force else []), timeout=timeout)


def volume_stop(name, timeout=120):
    """
    Stop a volume: whoever has it mounted loses it until it is started.

    name
        The volume (string).

    timeout
        Seconds to wait for Gluster's answer and, while another command holds it, for its lock (int, default 120).

    Returns True.

    Raises CommandExecutionError when there is no such volume, it is not started, or is being rebalanced.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster.volume_stop one_vol
    """
    return _change("volume", "stop", name, timeout=timeout)


def clients(name):
    """
    Who is connected to the bricks of a started volume: mounts, virtual machines, self-heal daemons.

    name
        The volume (string).

    Returns a dict of dicts, by brick how many connections there are from each address::

        {"kvm1:/data/one_vol": {"10.0.0.1": 2, "10.0.0.9": 1}}

    Raises CommandExecutionError when the volume does not exist or is not started; Gluster 10.3 says "Commit failed"
    also where a brick has not had a client since its start.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster.clients one_vol
    """
    root = ET.fromstring(__salt__["gluster.xml"]("volume", "status", name, "clients", timeout=10))
    return {
        f"{brick.findtext('hostname')}:{brick.findtext('path')}": dict(
            Counter(client.findtext("hostname", "").rpartition(":")[0] for client in brick.iter("client"))
        )
        for brick in root.iter("node")
        if brick.find("clientsStatus") is not None
    }


def brick_restart(volume, brick, timeout=120):
    """
    End a brick of this server and start it again.

    volume
        The volume (string).

    brick
        The brick (string), such as ``kvm1:/data/one_vol``.

    timeout
        Seconds for Gluster's lock (int, default 120).

    Returns True.

    Raises CommandExecutionError when the brick is down or shares its process with others (``cluster.brick-multiplex``).

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster.brick_restart one_vol kvm1:/data/one_vol
    """
    host, _, path = brick.partition(":")
    rows = [row for rows in __salt__["gluster.look"]()["status"].values() for row in rows if row["hostname"] == host]
    pid = next((row["pid"] for row in rows if row["path"] == path and row["online"]), None)
    if pid is None:
        raise CommandExecutionError(f"{brick} is down: start it with `gluster volume start {volume} force`")
    others = [row["path"] for row in rows if row["pid"] == pid and row["path"] != path]
    if others:
        raise CommandExecutionError(
            f"{brick} shares its process with {', '.join(others)} (cluster.brick-multiplex): restart them by hand"
        )
    process = psutil.Process(pid)
    if path not in process.cmdline():
        raise CommandExecutionError(f"{brick}: the process {pid} is another one by now; run again")
    process.terminate()
    try:
        process.wait(10)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait(10)
    return volume_start(volume, force=True, timeout=timeout)
