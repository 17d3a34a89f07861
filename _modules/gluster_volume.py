"""
What the pool calls its members, a volume's start and stop, a brick and its clients
===================================================================================

More functions of the execution module ``gluster``: Salt joins modules of one virtual name.
"""

import contextlib
import socket

import psutil
from salt.exceptions import CommandExecutionError

__virtualname__ = "gluster"

# Bytes that a brick has sent to a client with which it has shaken hands, at most.
HANDSHAKE = 1000


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


def heal(name):
    """
    Have the self-heal daemons look now for what waits to be healed; by themselves they look each ten minutes.

    name
        The volume's name (string).

    Returns True.

    Raises CommandExecutionError when the volume is not started or a self-heal daemon does not run.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster.heal one_vol
    """
    try:
        __salt__["gluster.xml"]("volume", "heal", name)
    except CommandExecutionError as exc:
        if "has been successful" not in str(exc):  # it answers in words, also with --xml
            raise
    return True


def clients_apart(name, bricks=None, without=(), connections=None):
    """
    Which clients of a started volume are not connected to all of its bricks.

    A client is known by its address alone: one with two clients has two connections to every brick, that are used on
    one of them at least: more went over them than the handshake. A client that has changed to another set of options
    keeps the connections of the one before on bricks that were restarted since: they carry nothing (seen with Gluster
    10.3; a handshake is answered with 508 to 644 bytes).

    name
        The volume (string).

    bricks
        The bricks to which they have to be connected (list of strings, default those that run).

    without
        Those of them that do not matter (list of strings, default none).

    connections
        What ``gluster.connections`` has said (dict). Default: ask.

    Returns a dict such as ``{"10.0.0.9": ["kvm1:/data/one_vol"]}``, by address the bricks that it misses.

    Raises CommandExecutionError as ``gluster.connections`` does.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster.clients_apart one_vol
    """
    if connections is None:
        connections = __salt__["gluster.connections"](name)
    found, seen = {}, {brick: _counted(there) for brick, there in connections.items()}
    for address in sorted({address for there in seen.values() for address in there}):
        none = {"connected": 0, "used": 0}
        there = {brick: seen.get(brick, {}).get(address, none) for brick in bricks or seen}
        needed = max(count["used"] for count in there.values())
        apart = [brick for brick, count in there.items() if brick not in without and count["connected"] < needed]
        if apart:
            found[address] = apart
    return found


def _counted(connections):
    """
    By address how many connections there are, and how many of them are used.
    """
    found = {}
    for client, written in connections:
        count = found.setdefault(client.rpartition(":")[0], {"connected": 0, "used": 0})
        count["connected"] += 1
        count["used"] += written is None or written > HANDSHAKE
    return found


def heal_daemon_apart(name):
    """
    To which bricks of a started volume that run this server's self-heal daemon is not connected. A brick that has
    refused it once, as while ``server.allow-insecure`` was off, it does not ask again (Gluster 10.3): it heals nothing
    there.

    name
        The volume (string).

    Returns a list of bricks such as ``kvm2:/data/one_vol``, an empty one where no self-heal daemon runs.

    Raises CommandExecutionError when the volume does not exist or is not started.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster.heal_daemon_apart one_vol
    """
    rows = [row for row in __salt__["gluster.volume_status"](name) if row["online"]]
    daemon = _heal_daemon(rows)
    if daemon is None:
        return []
    # psutil 6 has given it another name.
    connections = getattr(daemon, "net_connections", None) or daemon.connections
    with _looking("the self-heal daemon"):
        own = {f"{seen.laddr.ip.removeprefix('::ffff:')}:{seen.laddr.port}" for seen in connections("tcp")}
    try:
        there = __salt__["gluster.connections"](name)
    except CommandExecutionError as exc:
        if "Commit failed" not in str(exc):
            raise
        there = {}  # none has had one
    bricks = [f"{row['hostname']}:{row['path']}" for row in rows if row["path"].startswith("/")]
    return [brick for brick in bricks if own.isdisjoint(client for client, _ in there.get(brick, []))]


def _heal_daemon(rows):
    """
    The process of this server's self-heal daemon, by what Gluster says of a volume's processes, or None.
    """
    daemons = [row for row in rows if row["hostname"] == "Self-heal Daemon" and row["online"]]
    pids = [row["pid"] for row in daemons if row["path"] == "localhost" and row["pid"] is not None]
    with _looking("the self-heal daemon"):
        return psutil.Process(pids[0]) if pids else None


@contextlib.contextmanager
def _looking(what):
    """
    A process may end at any moment, and what Gluster says of it be of before.
    """
    try:
        yield
    except psutil.Error as exc:
        raise CommandExecutionError(f"{what}: {exc}; run again") from exc


def heal_daemon_restart(name, timeout=120):
    """
    End the self-heal daemon of this server, which is one for all volumes, and start it again.

    name
        A volume (string).

    timeout
        Seconds for Gluster's lock (int, default 120).

    Returns True.

    Raises CommandExecutionError when the volume does not exist or is not started.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster.heal_daemon_restart one_vol
    """
    daemon = _heal_daemon(__salt__["gluster.volume_status"](name))
    if daemon:
        _end(daemon)
    return volume_start(name, force=True, timeout=timeout)


def _end(process):
    with contextlib.suppress(psutil.NoSuchProcess):
        process.terminate()
        try:
            process.wait(10)
        except psutil.TimeoutExpired:
            process.kill()
            with _looking("a process that was to end"):
                process.wait(10)


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
    with _looking(brick):
        process = psutil.Process(pid)
        known = path in process.cmdline()
    if not known:
        raise CommandExecutionError(f"{brick}: the process {pid} is another one by now; run again")
    _end(process)
    return volume_start(volume, force=True, timeout=timeout)
