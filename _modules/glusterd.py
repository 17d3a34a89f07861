"""
glusterd's own volume file and service
======================================

What a server's management daemon reads at its start (``/etc/glusterfs/glusterd.vol``), and the restart that makes it
read it, one server of the pool at a time.
"""

import contextlib
import fcntl
import os
import tempfile
import time

import salt.utils.atomicfile
import salt.utils.files
import salt.utils.systemd
from salt.exceptions import CommandExecutionError

__virtualname__ = "glusterd"

VOLUME_FILE = "/etc/glusterfs/glusterd.vol"
# Seconds after which a self-heal daemon that takes no orders is not one that has just been started.
DEAF = 15
# See gluster_one.options_plan.
NOTE = "user.gluster_one"


def __virtual__():
    return __virtualname__


def options(path=VOLUME_FILE):
    """
    The options in glusterd's own volume file.

    path
        The file (string, default /etc/glusterfs/glusterd.vol).

    Returns a dict ``{"transport.socket.listen-port": "24007", ...}``; lines behind ``#`` are no options, but for the
    note ``user.gluster_one`` of what this formula has set.

    Raises CommandExecutionError when there is no such file.

    CLI Example:

    .. code-block:: bash

        salt kvm1 glusterd.options
    """
    return {
        words[1]: " ".join(words[2:])
        for words in map(_words, _read(path).splitlines())
        if len(words) > 2 and words[0] == "option"
    }


def _words(line):
    """
    The words of a line. The note of what this formula has set is an option in a comment, because glusterd would
    complain of one that it does not know.
    """
    words = line.split()
    return words[1:] if words[:3] == ["#", "option", NOTE] else words


def _read(path):
    try:
        with salt.utils.files.fopen(path, encoding="utf-8") as stream:
            return stream.read()
    except FileNotFoundError:
        raise CommandExecutionError(f"{path} is missing: install glusterfs-server on this node") from None


def options_set(options, path=VOLUME_FILE):
    """
    Write options into glusterd's own volume file, leaving every other line as it is. glusterd reads it at its start.

    options
        Option names and values (dict). A boolean is written as ``on`` or ``off``, an option that is None taken out.

    path
        The file (string, default /etc/glusterfs/glusterd.vol).

    Returns True.

    Raises CommandExecutionError when there is no such file or it has no ``end-volume`` line.

    CLI Example:

    .. code-block:: bash

        salt kvm1 glusterd.options_set '{rpc-auth-allow-insecure: "on"}'
    """
    missing = {
        option: f"    {'# ' if option == NOTE else ''}option {option} {__salt__['gluster.option_text'](value)}\n"
        for option, value in options.items()
        if value is not None
    }
    lines = []
    for line in _read(path).splitlines(keepends=True):
        words = _words(line)
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
    with salt.utils.atomicfile.atomic_open(path, "w") as stream:
        stream.write("".join(lines))
    return True


def lets_in(user="nobody"):
    """
    Whether glusterd, as it runs now, answers processes that are not root: what ``rpc-auth-allow-insecure on`` is for.

    It does so without the option since Gluster 3.7.3, whose release notes say that it is on where nothing is said
    (measured with 10.3: without the option it answers, with ``off`` it refuses its peers' glusterd, too).

    user
        The account that asks (string, default ``nobody``).

    CLI Example:

    .. code-block:: bash

        salt kvm1 glusterd.lets_in
    """
    ask = ["runuser", "-u", user, "--", "gluster", "--log-file=/dev/null", "--mode=script", "--remote-host=localhost"]
    # Over the network, from a port that anybody may open; by itself the command takes root's socket.
    ask += ["--timeout=10", "pool", "list"]
    return __salt__["cmd.run_all"](ask, python_shell=False, ignore_retcode=True, timeout=20)["retcode"] == 0


def heals():
    """
    Whether the self-heal daemons of all started volumes of the pool take orders. Those that bricks have refused, while
    ``server.allow-insecure`` was off, do not try again; a restart of glusterd starts its server's anew.

    CLI Example:

    .. code-block:: bash

        salt kvm1 glusterd.heals
    """
    try:
        for name, info in __salt__["gluster.volume_info"]().items():
            daemon = f"cluster.{'disperse-' if info['disperse'] else ''}self-heal-daemon"
            # Where somebody has turned it off there is none to take an order, and no restart brings one.
            wanted = __salt__["gluster.option_changes"](info["options"], {daemon: "off"})
            if info["status"] == "Started" and (info["replica"] > 1 or info["disperse"]) and wanted:
                __salt__["gluster.heal"](name)
    except CommandExecutionError:
        return False
    return True


def reconfigure(options, path=VOLUME_FILE, service="glusterd", volume=None, timeout=120):
    """
    Write options into glusterd's own volume file and restart glusterd, one server of the pool at a time.

    While a volume is started, servers take turns by a lock on it: two glusterds of three away at once cost the third
    its server quorum, and it stops its bricks. The next server's turn comes when all peers are connected again and no
    heal is pending.

    options, path
        See :func:`options_set`.

    service
        The service's name (string, default ``glusterd``).

    volume
        The volume that holds the lock (string). Default: the first started volume of the pool, by name.

    timeout
        Seconds for the peers and for the heal (int, default 120); the turn is waited for that long for each peer.

    Returns a dict ``{"peers": 2, "seconds": 3, "waited": 0, "pending": []}``: peers that are connected again, seconds
    until then, seconds waited for the turn, and volumes with files that wait to be healed all the same, because a
    self-heal daemon of the pool does not take orders (it may need the very restart that waits for this server's turn).

    Raises CommandExecutionError when the turn does not come, a peer is away or a heal pending before it begins,
    glusterd does not come back, or peers stay away.

    CLI Example:

    .. code-block:: bash

        salt kvm1 glusterd.reconfigure '{rpc-auth-allow-insecure: "on"}'
    """
    started = sorted(name for name, info in __salt__["gluster.volume_info"]().items() if info["status"] == "Started")
    if not started:
        return {"waited": 0, **_write_and_restart(options, path, service, started, timeout)}
    # Each server before this one may take as long as this one.
    turn = timeout * max(1, len(_peers()))
    with _pool_lock(volume if volume in started else started[0], turn) as waited:
        _wait_settled(_peers(), started, timeout)
        return {"waited": waited, **_write_and_restart(options, path, service, started, timeout)}


def _write_and_restart(options, path, service, started, timeout):
    peers = _peers()
    options_set(options, path)
    begin = time.monotonic()
    with _bricks_kept(service):
        if not __salt__["service.restart"](service):
            raise CommandExecutionError(f"{service} was not restarted: see `journalctl -u {service}`")
    pending = _wait_settled(peers, started, timeout)
    return {"peers": len(peers), "seconds": round(time.monotonic() - begin), "pending": pending}


@contextlib.contextmanager
def _bricks_kept(service):
    """
    Keep the bricks running while glusterd restarts. Upstream's unit has KillMode=process for that; Debian's has
    control-group, with which a restart takes every brick of the server down.
    """
    if not salt.utils.systemd.booted(__context__):
        yield
        return
    # Below /run: it is gone with the next boot even if it is not taken away here.
    directory = f"/run/systemd/system/{service}.service.d"
    drop_in = os.path.join(directory, "50-gluster_one.conf")
    os.makedirs(directory, exist_ok=True)
    try:
        with salt.utils.files.fopen(drop_in, "w") as stream:
            stream.write("[Service]\nKillMode=process\n")
        __salt__["service.systemctl_reload"]()
        yield
    finally:
        os.unlink(drop_in)
        with contextlib.suppress(OSError):  # somebody else's drop-in lies there, too
            os.rmdir(directory)
        __salt__["service.systemctl_reload"]()


def _peers():
    """
    The other members of the pool, as ``{uuid: name}``.
    """
    pool = __salt__["gluster.pool_list"]()
    return {peer["uuid"]: peer["hostname"] for peer in pool if peer["hostname"] != "localhost"}


def _away(peers):
    """
    The names of those of these peers that this server does not see connected, or that do not see it so.

    A peer's glusterd connects anew only every 3 s. A volume option set there until then passes this server by; it then
    takes over the whole volume, and ends and starts its bricks for that (measured with Gluster 10.3).
    """
    pool = __salt__["gluster.pool_list"]()
    own = next(peer["uuid"] for peer in pool if peer["hostname"] == "localhost")
    connected = {peer["uuid"] for peer in pool if peer["connected"]}
    return [name for uuid, name in peers.items() if uuid not in connected] or [
        name
        for name in peers.values()
        if not any(peer["uuid"] == own and peer["connected"] for peer in __salt__["gluster.pool_list"](server=name))
    ]


def _wait_settled(peers, volumes, timeout):
    """
    Wait until these peers and this server see each other connected and no file of these volumes waits to be healed;
    return the volumes of which that is not so because nobody heals them: a self-heal daemon that bricks have refused,
    as while server.allow-insecure was off, takes no orders until its server's glusterd is restarted.
    """
    healing = time.monotonic()
    deadline = healing + timeout
    pause = 0.2
    while True:
        try:
            away = _away(peers)
            counts = {name: __salt__["gluster.heal_counts"](name)["pending"] for name in volumes if not away}
            pending = [name for name, count in counts.items() if count != 0]
            last = f"{', '.join(away)} disconnected" if away else f"heal pending on {', '.join(pending)}"
            for name in pending:  # or nobody looks at it for ten minutes
                with contextlib.suppress(CommandExecutionError):
                    __salt__["gluster.heal"](name)
                    healing = time.monotonic()
            if away or None in counts.values():  # a brick is away: nothing is known
                healing = time.monotonic()
            elif not pending or time.monotonic() - healing > DEAF:
                return pending
        except CommandExecutionError as exc:  # glusterd is not yet ready to answer
            last = str(exc)
        if time.monotonic() + pause > deadline:
            raise CommandExecutionError(
                f"The pool did not settle within {timeout} s (last seen: {last}): bring it back first, see `gluster "
                "pool list` and `gluster volume heal VOLUME info`"
            )
        time.sleep(pause)
        pause = min(pause * 2, 3)


@contextlib.contextmanager
def _pool_lock(volume, timeout):
    """
    Hold the pool's lock, a POSIX lock on the volume itself, and yield the seconds waited for it.

    The volume is mounted aside for it, so that it works on a server that does not mount the volume otherwise. Gluster
    keeps the lock while glusterd restarts and frees it when the holder or its node dies.
    """
    directory = tempfile.mkdtemp(prefix="gluster_one-lock-", dir="/run")
    try:
        begin = time.monotonic()
        _mount_aside(volume, directory, timeout)
        try:
            with _lock_file(os.path.join(directory, ".gluster_one")) as stream:
                _wait_lock(stream, timeout)
                yield round(time.monotonic() - begin)
        finally:
            __salt__["cmd.run_all"](["umount", "-l", directory], python_shell=False, timeout=timeout)
    finally:
        os.rmdir(directory)


def _lock_file(directory):
    """
    The file on the volume that is locked. oneadmin owns the volume's root: no link that lies there is followed.
    """
    try:
        os.makedirs(directory, mode=0o755, exist_ok=True)
        inside = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            return os.fdopen(os.open("lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600, dir_fd=inside), "r+")
        finally:
            os.close(inside)
    except OSError as exc:
        raise CommandExecutionError(
            f"The servers' lock .gluster_one/lock on the volume cannot be opened ({exc.strerror}): remove what lies "
            "there"
        ) from exc


def _mount_aside(volume, directory, timeout):
    """
    Mount a volume by this server's own glusterd; until server.allow-insecure is set its bricks may refuse that.
    """
    command = ["mount", "-t", "glusterfs", f"localhost:/{volume}", directory]
    deadline = time.monotonic() + timeout
    while True:
        done = __salt__["cmd.run_all"](command, python_shell=False, ignore_retcode=True, timeout=60)
        if done["retcode"] == 0:
            return
        if time.monotonic() > deadline:
            raise CommandExecutionError(
                f"Volume {volume}, over which the servers take turns, could not be mounted within {timeout} s (last "
                f"seen: {done['stderr']}): is server.allow-insecure on?"
            )
        time.sleep(1)


def _wait_lock(stream, timeout):
    """
    Lock an open file for this process alone, polling so that the wait has an end.
    """
    begin = time.monotonic()
    while True:
        try:
            fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except (BlockingIOError, PermissionError):
            if time.monotonic() - begin > timeout:
                raise CommandExecutionError(
                    f"Another server of the pool has been restarting its glusterd for more than {timeout} s: this one "
                    "was left as it is; run again"
                ) from None
            time.sleep(0.5)
