"""
This server's glusterd: its volume file, its systemd unit, what it keeps on disk
================================================================================

``/etc/glusterfs/glusterd.vol`` is read at its start.

The bricks are processes that glusterd has started, in its control group. Upstream's unit has ``KillMode=process``, with
which a restart leaves them alone; Debian's (glusterfs-server 10.3) has systemd's ``control-group``, with which it ends
every brick of the server.

What reads glusterd's own directory starts no process, and answers while glusterd does not run.
"""

import contextlib
import glob
import os
import re
import sys
import time
import uuid

import psutil
import salt.utils.files
import salt.utils.path
import salt.utils.systemd
from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "glusterd"

VOLUME_FILE = "/etc/glusterfs/glusterd.vol"
DROP_IN = "/etc/systemd/system/{}.service.d/gluster_one.conf"
OURS = "# Written by the Salt formula gluster_one:"  # how each version of it begins
TEXT = f"""\
{OURS} bricks live on while glusterd is restarted. With systemd's own KillMode each
# restart, one by an upgrade of the package too, ends every brick of this server.
[Service]
KillMode=process
# When the system goes down they end with glusterd, while there is a network: clients would otherwise wait for them.
ExecStopPost=/bin/sh -c '[ "$(systemctl is-system-running)" != stopping ] || pkill -x glusterfsd || :'
"""
SHOWN = "glusterd.shown"  # in the context: of which unit and run, and what systemd has said
DIRECTORY = "/var/lib/glusterd"
PIDS = "/run/gluster/vols"
# What Gluster has written to a directory that is a brick: the uuid of its volume, and that its brick has run.
MARKS = """import os, sys, errno
for name in ("trusted.glusterfs.volume-id", "trusted.gfid"):
    try:
        print(os.getxattr(sys.argv[1], name, follow_symlinks=False).hex())
    except OSError as exc:
        if exc.errno not in (errno.ENODATA, errno.EOPNOTSUPP):
            sys.exit(2 if exc.errno in (errno.ENOENT, errno.ENOTDIR) else str(exc))
        print()
"""
# What to do about a brick whose directory is not the brick; gluster_one/findings.yaml has it for the master.
LOST = (
    "mount its file system, and apply gluster_one.started; if its files are lost, replace the brick: docs/replace.md, "
    "One disk"
)
STATUS = {"0": "Created", "1": "Started", "2": "Stopped"}
NOBODY = "00000000-0000-0000-0000-000000000000"  # a peer's uuid before it has answered
# As `gluster peer status` has them.
PEER = {"0": "Establishing Connection", "1": "Probe Sent to Peer", "2": "Probe Received from Peer",
        "3": "Peer in Cluster", "4": "Accepted peer request", "5": "Sent and Received peer request",
        "6": "Peer Rejected", "7": "Peer detach in progress", "8": "Probe Received from peer", "9": "Connected to Peer",
        "10": "Peer is connected and Accepted"}  # fmt: skip


def __virtual__():
    return __virtualname__


def options(path=VOLUME_FILE):
    """
    The options in glusterd's own volume file, ``glusterd.vol``.

    path
        The file (string, default /etc/glusterfs/glusterd.vol).

    Returns a dict ``{"transport.socket.listen-port": "24007", ...}``; lines behind ``#`` are not options.

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


def _missing(path):
    return f"{path} is missing: install {__utils__['gluster_system.package']('gluster_package')} on this node"


def _read(path):
    try:
        with salt.utils.files.fopen(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read()
    except FileNotFoundError:
        if _to_come():
            return ""
        raise CommandExecutionError(_missing(path)) from None


def set_options(options, path=VOLUME_FILE):
    """
    Set options in glusterd's own volume file and keep all other lines; glusterd reads it when it starts.

    options
        Option names and values (dict). A boolean is written as ``on`` or ``off``; with None the option's line goes.

    path
        The file (string, default /etc/glusterfs/glusterd.vol).

    Returns True.

    Raises SaltInvocationError when options is no dict; CommandExecutionError when there is no such file or it has no
    ``end-volume`` line.

    CLI Example:

    .. code-block:: bash

        salt kvm1 glusterd.set_options '{rpc-auth-allow-insecure: "on"}'
    """
    if not isinstance(options, dict):
        raise SaltInvocationError(
            f"options is {options!r}: names and values are needed, such as {{rpc-auth-allow-insecure: on}}"
        )
    missing = {
        option: f"    option {option} {__utils__['gluster_options.option_text'](value)}\n"
        for option, value in options.items()
        if value is not None
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
        raise CommandExecutionError(f"{path} has no line end-volume: it is not a volume file of glusterd")
    __utils__["gluster_files.write"](path, "".join(lines).encode(errors="surrogateescape"))
    return True


def service(name="glusterd"):
    """
    Whether glusterd runs, since when, and whether systemd ends the bricks with it.

    name
        The service (string, default ``glusterd``).

    Returns a dict ``{"running": True, "kill_mode": "control-group", "started": 1764230400.5}``: the effective mode,
    drop-ins included, and when it was started, in seconds since 1970. An empty dict where systemd does not run the
    system or has no such service.

    CLI Example:

    .. code-block:: bash

        salt kvm1 glusterd.service
    """
    return _service(_shown(name))


def _service(seen):
    if seen.get("LoadState") != "loaded":
        return {}
    ago = time.monotonic() - int(seen["ExecMainStartTimestampMonotonic"]) / 1e6
    running = seen["ActiveState"] == "active"
    return {"running": running, "kill_mode": seen["KillMode"], "started": time.time() - ago}


def _shown(name, run=None):
    """
    What systemd says of a unit, an empty dict where it does not run the system. The states of one run ask once.
    """
    if not salt.utils.systemd.booted(__context__):
        return {}
    kept = __context__.get(SHOWN)
    if run is not None and kept and kept[0] == (name, run):
        return kept[1]
    properties = "LoadState,ActiveState,UnitFileState,KillMode,ExecMainStartTimestampMonotonic"
    show = ["systemctl", "show", f"--property={properties}", f"{name}.service"]
    done = __salt__["cmd.run_all"](show, python_shell=False, ignore_retcode=True, timeout=30)
    seen = dict(line.split("=", 1) for line in done["stdout"].splitlines() if "=" in line)
    __context__[SHOWN] = ((name, run), seen)  # without a run for nobody: what changes a unit looks without one
    return seen


def unit(name="glusterd", run=None):
    """
    Whether glusterd runs, and whether it starts at a boot.

    name
        The service (string, default ``glusterd``).

    run
        Take the answer of an earlier call with the same value here, if there was none without it since (string).
        Default: ask.

    Returns a dict ``{"running": False, "enabled": "disabled"}``: ``masked``, ``disabled`` or systemd's word for another
    state. In a run with ``test=True`` that would install it, it is ``disabled`` before, as Debian's package leaves it.
    None where systemd does not run the system.

    Raises CommandExecutionError where there is no such service.

    CLI Example:

    .. code-block:: bash

        salt kvm1 glusterd.unit
    """
    seen = _shown(name, run)
    if not seen:
        return None
    state = seen.get("UnitFileState") or seen.get("LoadState")
    if state == "not-found":
        if not _to_come():
            raise CommandExecutionError(_missing(f"{name}.service"))
        state = "disabled"
    state = "masked" if seen.get("LoadState") == "masked" else state
    return {"running": seen.get("ActiveState") == "active", "enabled": state}


def _to_come():
    """
    Whether this is a run with ``test=True`` that would have installed glusterd by now.
    """
    return "gluster_package" in __salt__["gluster_one_run.to_come"]()


def kept_changes(name="glusterd", run=None):
    """
    What has to change in glusterd's unit so that bricks keep running while glusterd restarts.

    name
        The service (string, default ``glusterd``).

    run
        See :func:`unit`.

    Returns a dict ``{"KillMode": {"old": "control-group", "new": "process"}}``, an empty one where they do.

    CLI Example:

    .. code-block:: bash

        salt kvm1 glusterd.kept_changes
    """
    return _kept_changes(_service(_shown(name, run)))


def _kept_changes(seen):
    # Of a unit that is to be installed nothing is known: without a word about it systemd's own holds.
    mode = seen.get("kill_mode", "control-group" if _to_come() else "process")
    return {} if mode == "process" else {"KillMode": {"old": mode, "new": "process"}}


def restart_changes(name="glusterd", path="/etc/glusterfs/glusterd.vol", keep_bricks=True):
    """
    What a restart of glusterd would bring into effect, and what has to change in its unit before.

    name
        The service (string, default ``glusterd``).

    path
        glusterd's own volume file (string, default /etc/glusterfs/glusterd.vol): if it was changed after glusterd
        started, a restart is needed.

    keep_bricks
        Whether the bricks are to keep running (bool, default True).

    Returns a dict with what differs, an empty one when no restart is needed::

        {"KillMode": {"old": "control-group", "new": "process"},
         "glusterd": {"old": "started before /etc/glusterfs/glusterd.vol was changed", "new": "restarted"}}

    Raises CommandExecutionError when glusterd does not run or there is no such file.

    CLI Example:

    .. code-block:: bash

        salt kvm1 glusterd.restart_changes
    """
    seen = service(name)
    if not seen.get("running"):
        raise CommandExecutionError(f"{name} does not run: start it with `systemctl start {name}`")
    changes = _kept_changes(seen) if keep_bricks else {}
    try:
        changed = os.path.getmtime(path)
    except FileNotFoundError:
        raise CommandExecutionError(_missing(path)) from None
    if changed > seen["started"]:
        changes[name] = {"old": f"started before {path} was changed", "new": "restarted"}
    return changes


def keep_bricks(name="glusterd"):
    """
    Write a drop-in of glusterd's unit with which bricks keep running while glusterd restarts.

    It sets ``KillMode=process`` and says why.

    name
        The service (string, default ``glusterd``).

    Returns True.

    CLI Example:

    .. code-block:: bash

        salt kvm1 glusterd.keep_bricks
    """
    path = DROP_IN.format(name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    __utils__["gluster_files.write"](path, TEXT)
    return __salt__["service.systemctl_reload"]()


def drop_in(name="glusterd"):
    """
    The drop-in of glusterd's unit with which bricks keep running, where the formula has written it.

    name
        The service (string, default ``glusterd``).

    Returns its path (string), None where there is none, or somebody else has written it.

    CLI Example:

    .. code-block:: bash

        salt kvm1 glusterd.drop_in
    """
    path = DROP_IN.format(name)
    with contextlib.suppress(FileNotFoundError), salt.utils.files.fopen(path, errors="replace") as stream:
        return path if stream.read().startswith(OURS) else None
    return None


def remove_drop_in(name="glusterd"):
    """
    Remove the drop-in of glusterd's unit that the formula has written.

    From then on the unit decides whether bricks keep running while glusterd restarts.

    name
        The service (string, default ``glusterd``).

    Returns whether it was there (bool).

    CLI Example:

    .. code-block:: bash

        salt kvm1 glusterd.remove_drop_in
    """
    path = drop_in(name)
    if not path:
        return False
    os.unlink(path)
    with contextlib.suppress(OSError):  # others have drop-ins there
        os.rmdir(os.path.dirname(path))
    if salt.utils.systemd.booted(__context__):
        __salt__["service.systemctl_reload"]()
    return True


def restart(name="glusterd"):
    """
    Restart glusterd, also where systemd does not start it again so soon.

    Debian's unit allows six starts an hour, and leaves glusterd stopped at the seventh.

    name
        The service (string, default ``glusterd``).

    Returns True.

    Raises CommandExecutionError with systemd's message.

    CLI Example:

    .. code-block:: bash

        salt kvm1 glusterd.restart
    """
    reset = ["systemctl", "reset-failed", f"{name}.service"]
    __salt__["cmd.run_all"](reset, python_shell=False, ignore_retcode=True, timeout=30)
    return __salt__["service.restart"](name)


def _stored(path):
    """
    The lines ``key=value`` of a file as a dict, an empty one where there is no such file.
    """
    try:
        with salt.utils.files.fopen(path, errors="replace") as stream:
            return dict(line.strip().split("=", 1) for line in stream if "=" in line)
    except FileNotFoundError:
        return {}


def info():
    """
    By which uuid the pool knows this server, and which version of Gluster's protocol the pool speaks.

    Returns a dict ``{"uuid": "...", "operating_version": 100000}``, None for both before glusterd's first start.

    CLI Example:

    .. code-block:: bash

        salt kvm2 glusterd.info
    """
    found = _stored(os.path.join(DIRECTORY, "glusterd.info"))
    version = found.get("operating-version", "")
    return {"uuid": found.get("UUID"), "operating_version": int(version) if version.isdecimal() else None}


def version():
    """
    Which version of Gluster is installed here.

    Returns a string such as ``11.1``, None where there is no glusterd, or it says none.

    CLI Example:

    .. code-block:: bash

        salt kvm2 glusterd.version
    """
    program = salt.utils.path.which("glusterd")
    if not program:
        return None
    done = __salt__["cmd.run_all"]([program, "--version"], python_shell=False, ignore_retcode=True, timeout=10)
    found = re.match(r"glusterfs (\d+(\.\d+)*)", done["stdout"])
    return found and found[1]


def volumes():
    """
    The volumes of this server's pool as glusterd keeps them on disk; Gluster is not asked.

    Returns a dict of dicts as ``gluster.volume_info`` returns them, with these keys alone::

        {"one_vol": {"id": "...", "status": "Started", "options": {"server.allow-insecure": "on", ...},
                     "transport": "tcp", "bricks": ["kvm1:/data/one_vol", "kvm2:/data/one_vol", "kvm3:/data/one_vol"]}}

    CLI Example:

    .. code-block:: bash

        salt kvm2 glusterd.volumes
    """
    found, pool = {}, pool_options()
    for path in sorted(glob.glob(os.path.join(DIRECTORY, "vols/*/info"))):
        kept = _stored(path)
        name = path.split("/")[-2]
        keys = sorted((key for key in kept if re.fullmatch(r"brick-\d+", key)), key=lambda key: int(key[6:]))
        bricks = [_stored(os.path.join(DIRECTORY, "vols", name, "bricks", kept[key])) for key in keys]
        found[name] = {
            "id": kept.get("volume-id"),
            "status": STATUS.get(kept.get("status")),
            "options": {**{key: value for key, value in kept.items() if "." in key}, **pool},
            "transport": __utils__["gluster_options.transport"](kept.get("transport-type")),
            "bricks": [f"{brick.get('hostname')}:{brick.get('path')}" for brick in bricks],
        }
    return found


def pool_options():
    """
    The options of the whole pool that were set, as glusterd keeps them on disk; Gluster is not asked.

    Returns a dict ``{"cluster.server-quorum-ratio": "51%"}``.

    CLI Example:

    .. code-block:: bash

        salt kvm2 glusterd.pool_options
    """
    return {key: value for key, value in _stored(os.path.join(DIRECTORY, "options")).items() if "." in key}


def peers():
    """
    The names by which this server knows the other members of its pool.

    Returns a list of lists of host names and addresses, one for each peer: ``[["10.0.0.2", "kvm2"], ["kvm3"]]``.

    CLI Example:

    .. code-block:: bash

        salt kvm2 glusterd.peers
    """
    return [names for names, _ in _peers()]


def _peers():
    """
    By which names this server knows each other member of its pool, and the member's state.
    """
    return [(peer["hostnames"], peer["state"]) for peer in stored_peers()]


def _peer_files():
    return {path: _stored(path) for path in sorted(glob.glob(os.path.join(DIRECTORY, "peers/*")))}


def _hostnames(peer):
    return [value for key, value in sorted(peer.items()) if key.startswith("hostname")]


def stored_peers():
    """
    The other members of this server's pool as glusterd keeps them on disk; Gluster is not asked.

    Returns a list of dicts as ``gluster.peer_status`` returns them; none counts as connected.

    CLI Example:

    .. code-block:: bash

        salt kvm2 glusterd.stored_peers
    """
    return [
        {"uuid": peer.get("uuid"), "hostnames": _hostnames(peer), "connected": False,
         "state": PEER.get(peer.get("state"))}
        for peer in _peer_files().values()
        if peer and peer.get("uuid") != NOBODY
    ]  # fmt: skip


def unfinished_probes():
    """
    Servers that this one has begun to probe and that have not answered.

    While glusterd waits for such a server it answers neither ``peer status`` nor ``pool list``; at its next start it
    does not read the file any more, which stays.

    Returns a dict of the files in glusterd's directory by host name: ``{"kvm4": "/var/lib/glusterd/peers/kvm4"}``.

    CLI Example:

    .. code-block:: bash

        salt kvm1 glusterd.unfinished_probes
    """
    files = _peer_files().items()
    return {name: path for path, peer in files if peer.get("uuid") == NOBODY for name in _hostnames(peer)}


def definitions():
    """
    The versions of the volumes that this server's glusterd keeps on disk.

    A server with the same version of a volume and another checksum is rejected by the others; where the versions
    differ, all take over the highest.

    Returns a dict of dicts::

        {"one_vol": {"id": "...", "version": 7, "checksum": "871155875",
                     "bricks": ["kvm1:/data/one_vol", "kvm2:/data/one_vol", "kvm3:/data/one_vol"]}}

    CLI Example:

    .. code-block:: bash

        salt kvm2 glusterd.definitions
    """
    found = {}
    for name, made in volumes().items():
        directory = os.path.join(DIRECTORY, "vols", name)
        version = _stored(os.path.join(directory, "info")).get("version", "")
        found[name] = {
            "id": made["id"],
            "version": int(version) if version.isdecimal() else 0,
            "checksum": _stored(os.path.join(directory, "cksum")).get("info"),
            "bricks": made["bricks"],
        }
    return found


def identity_changes(uuid, peers):
    """
    What a server that was reinstalled lacks of what its pool knows it by.

    uuid
        The one that the pool has for this server (string).

    peers
        The names of each other member by its uuid (dict of lists of strings).

    Returns a dict, an empty one where nothing is lacking::

        {"uuid": {"old": "1c7e...", "new": "8f14..."}, "peers": {"old": None, "new": "kvm1, kvm2"}}

    Raises CommandExecutionError where this server is another one: it has volumes or peers under a uuid of its own.

    CLI Example:

    .. code-block:: bash

        salt kvm3 glusterd.identity_changes 8f14e45f-ceea-467f-9bd1-6f2a1c3e5d70 '{1c7e...: [kvm1]}'
    """
    own, changes = info()["uuid"], {}
    if own != uuid:
        others = [names[-1] for names, _ in _peers() if names]
        for what, found in (("volumes", sorted(volumes())), ("peers", others)):
            if found:
                raise CommandExecutionError(
                    f"glusterd has {what} of its own here ({', '.join(found)}) as {own}, and the pool knows this "
                    f"server as {uuid}: it is in another pool, or another server"
                )
        changes["uuid"] = {"old": own, "new": uuid}
    missing = []
    for peer, names in sorted(peers.items()):
        kept = _stored(os.path.join(DIRECTORY, "peers", peer))
        missing += [names[0]] if PEER.get(kept.get("state")) != PEER["3"] else []
    if missing:
        changes["peers"] = {"old": None, "new": ", ".join(missing)}
    return changes


def restore_identity(uuid, operating_version, peers):
    """
    Give this server, whose glusterd is stopped, its uuid in the pool and the other members.

    glusterd gets the volumes from those when it starts.

    uuid, peers
        See :func:`identity_changes`.

    operating_version
        The version of Gluster's protocol that the pool speaks (int).

    Returns True.

    Raises CommandExecutionError as :func:`identity_changes` does.

    CLI Example:

    .. code-block:: bash

        salt kvm3 glusterd.restore_identity 8f14e45f-ceea-467f-9bd1-6f2a1c3e5d70 100000 '{1c7e...: [kvm1]}'
    """
    identity_changes(uuid, peers)
    os.makedirs(os.path.join(DIRECTORY, "peers"), exist_ok=True)
    text = f"UUID={uuid}\noperating-version={operating_version}\n"
    __utils__["gluster_files.write"](os.path.join(DIRECTORY, "glusterd.info"), text)  # first: now it is this server
    for peer, names in peers.items():
        lines = [f"uuid={peer}", "state=3", *(f"hostname{number}={name}" for number, name in enumerate(names, 1))]
        __utils__["gluster_files.write"](os.path.join(DIRECTORY, "peers", peer), "\n".join(lines) + "\n")
    return True


def snapshots():
    """
    The snapshots of volumes that this server's glusterd keeps on disk.

    Returns a list of names.

    CLI Example:

    .. code-block:: bash

        salt kvm2 glusterd.snapshots
    """
    return sorted(path.split("/")[-2] for path in glob.glob(os.path.join(DIRECTORY, "snaps/*/")))


def free_bytes():
    """
    How much room there is where glusterd keeps the definitions of volumes.

    Returns an int.

    Raises OSError where there is no such directory.

    CLI Example:

    .. code-block:: bash

        salt kvm2 glusterd.free_bytes
    """
    seen = os.statvfs(DIRECTORY)
    return seen.f_bavail * seen.f_frsize


def take_out(volume, options):
    """
    Take the lines of options out of this server's definition of a volume, while its glusterd is stopped.

    All other lines stay as they are.

    volume
        The volume (string).

    options
        The options (list of strings).

    Returns True.

    Raises OSError where the file is not there, or is a link; then nothing was changed.

    CLI Example:

    .. code-block:: bash

        salt kvm2 glusterd.take_out one_vol '[nfs.disable]'
    """
    path = os.path.join(DIRECTORY, "vols", volume, "info")
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as stream:
        lines = stream.readlines()
    left = [line for line in lines if line.partition(b"=")[0].decode(errors="replace") not in options]
    if left != lines:
        __utils__["gluster_files.write"](path, b"".join(left))
    return True


def brick_ids(volume):
    """
    By which names the attributes of files mean a volume's bricks.

    volume
        The volume (string).

    Returns a dict ``{"kvm1:/data/one_vol": "one_vol-client-0"}``.

    CLI Example:

    .. code-block:: bash

        salt kvm2 glusterd.brick_ids one_vol
    """
    files = [_stored(path) for path in sorted(glob.glob(os.path.join(DIRECTORY, "vols", volume, "bricks/*")))]
    return {f"{brick.get('hostname')}:{brick.get('path')}": brick.get("brick-id") for brick in files}


def not_in_pool(servers):
    """
    Whether this server is in no pool, or no other member accepts it, although its glusterd has been started.

    servers
        The servers of its volumes (list of strings), itself among them.

    Returns a sentence that says so, None where it is in one, or is the only server.

    CLI Example:

    .. code-block:: bash

        salt kvm2 glusterd.not_in_pool '[kvm1, kvm2, kvm3]'
    """
    if not info()["uuid"]:
        return None
    there = _peers()
    apart = [f"{names[-1]} is {state!r} here" for names, state in there if state not in (None, PEER["3"])]
    if apart and len(apart) == len(there):
        return f"this server is not in its pool: {', '.join(apart)}"
    own = __utils__["gluster_hosts.own_names"]()
    others = [server for server in dict.fromkeys(servers) if server.casefold() not in own]
    if there or not others or all(__utils__["gluster_hosts.known_as"](other, sorted(own)) for other in others):
        return None
    return f"this server's glusterd knows no other server, not {', '.join(others)}: it is new, or {DIRECTORY} was lost"


def silent_peers():
    """
    The peers whose hosts do not answer at glusterd's port, not even with "connection refused".

    Gluster waits for those.

    Returns a list of names, the last by which this server knows each.

    CLI Example:

    .. code-block:: bash

        salt kvm1 glusterd.silent_peers
    """
    port_state = __utils__["gluster_hosts.glusterd_port"]
    return [names[-1] for names in peers() if all(port_state(name) == "silent" for name in names)]


def stored_snapshot(away=()):
    """
    The members and the volumes of the pool as glusterd keeps them on disk; Gluster is not asked.

    away
        The peers that are known to be disconnected (list of names, default none). All other members count as connected.

    Returns a dict as ``gluster.snapshot`` returns it; ``status`` is None and ``heal`` is empty.

    CLI Example:

    .. code-block:: bash

        salt kvm1 glusterd.stored_snapshot
    """
    pool = [{"hostname": "localhost", "connected": True, "state": None}]
    for names, state in _peers():
        connected = names[-1] not in away and state in (None, PEER["3"])
        pool.append({"hostname": names[-1], "connected": connected, "state": state})
    return {"pool": pool, "volumes": volumes(), "status": None, "heal": {}}


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


def _own_bricks(volume):
    files = [_stored(path) for path in sorted(glob.glob(os.path.join(DIRECTORY, "vols", volume, "bricks/*")))]
    own = info()["uuid"]
    return [brick for brick in files if own and brick.get("uuid") == own]


def directories(volume):
    """
    The directories of a volume's bricks on this server: whose they are, and whether Gluster counts them right.

    A brick's size is divided by how many bricks of its server are on its file system. A ``volume set`` while this
    server's glusterd was down makes each count all of them.

    volume
        The volume (string).

    Returns a dict by path of dicts, None for a directory that does not answer; ``miscounted`` is of how many bricks
    Gluster takes it for one, and of how many it is one, None where that is right, or not known::

        {"/data/a/one_vol": {"owner": ["9869", "9869"], "miscounted": [2, 1]}, "/data/b/one_vol": None}

    CLI Example:

    .. code-block:: bash

        salt kvm2 glusterd.directories one_vol
    """
    volume = str(volume)
    counted = {brick["path"]: _sharing(volume, brick["hostname"], brick["path"]) for brick in _own_bricks(volume)}
    run = __utils__["gluster_process.run"]
    seen = {path: run(["stat", "-c", "%u %g %d", path])[1].split() for path in counted}
    devices = [words[-1] for words in seen.values() if words]
    found = {}
    for path, words in seen.items():
        sharing = devices.count(words[-1]) if words else 0
        wrong = len(devices) == len(seen) and counted[path] not in (None, sharing)
        found[path] = {"owner": words[:2], "miscounted": [counted[path], sharing] if wrong else None} if words else None
    return found


def bricks(volume):
    """
    A volume's bricks on this server: which are down, and who is to own the volume's root.

    volume
        The volume (string).

    Returns a dict ``{"names": ["kvm2:/data/one_vol"], "owner": ["9869", "9869"], "down": {"kvm2:/data/one_vol": True},
    "lost": {}, "up": {}}``: the bricks; the options ``storage.owner-uid`` and ``storage.owner-gid``, ``-1`` for one
    that nobody has set; and, where the volume is started, the bricks whose process is not there, each with whether its
    directory carries the volume's identifier, None where it does not answer; of these the ones that lack it, each with
    what to do: over such a directory ``gluster volume start VOLUME force`` would make an empty brick that dies; and
    those that run, each with the seconds since its process has begun.

    CLI Example:

    .. code-block:: bash

        salt kvm2 glusterd.bricks one_vol
    """
    volume = str(volume)  # digits alone are a number on a command line
    kept, mine = _stored(os.path.join(DIRECTORY, "vols", volume, "info")), _own_bricks(volume)
    started = STATUS.get(kept.get("status")) == "Started"
    running = {brick["path"]: _process(volume, brick["hostname"], brick["path"]) for brick in mine if started}
    down = {
        f"{brick['hostname']}:{brick['path']}": _marked(brick["path"], kept.get("volume-id"))
        for brick in mine
        if started and not running[brick["path"]]
    }
    return {
        "names": [f"{brick['hostname']}:{brick['path']}" for brick in mine],
        "owner": [kept.get(f"storage.owner-{kind}", "-1") for kind in ("uid", "gid")],
        "down": down,
        "lost": {brick: LOST for brick, marked in down.items() if marked is False},
        "up": {
            f"{brick['hostname']}:{brick['path']}": max(0, int(time.time() - running[brick["path"]].create_time()))
            for brick in mine
            if running.get(brick["path"])
        },
    }


def marks(path):
    """
    What Gluster has written to the root of a brick. It is looked at in a process of its own, which is waited for 3 s.

    path
        The directory (string).

    Returns a dict: the identifier of its volume, None where it has none, and whether its brick has run:
    ``{"volume": "5b1e0f9c-...", "root": True}``. None where there is no such directory.

    Raises CommandExecutionError where it does not answer, or cannot be read.

    CLI Example:

    .. code-block:: bash

        salt kvm1 glusterd.marks /data/one_vol/brick
    """
    status, out, error = __utils__["gluster_process.run"]([sys.executable, "-I", "-S", "-c", MARKS, path])
    if status == 2:
        return None
    if status != 0:
        raise CommandExecutionError(f"{path} does not answer: {error}")
    volume, root = (bytes.fromhex(line) for line in out.splitlines())
    return {"volume": str(uuid.UUID(bytes=volume[:16].ljust(16, b"\0"))) if volume else None, "root": bool(root)}


def _marked(path, volume):
    """
    Whether a directory carries the identifier of a volume, None where it does not answer, or is not there.
    """
    with contextlib.suppress(CommandExecutionError):
        found = marks(path)
        return found and found["volume"] == volume
    return None


def _process(volume, server, path):
    """
    The process that glusterd has started for a brick (of psutil), None where there is none.
    """
    with contextlib.suppress(OSError, ValueError, psutil.Error):
        with salt.utils.files.fopen(os.path.join(PIDS, volume, f"{server}{path.replace('/', '-')}.pid")) as stream:
            process = psutil.Process(int(stream.read()))
            return process if __utils__["gluster_process.comm"](process.pid) == "glusterfsd" else None
    return None


def end_brick(volume, brick):
    """
    End the process of a brick of this server that glusterd takes for down.

    Where a volume has a server quorum, a glusterd that starts may start a brick twice: first as it regains the quorum,
    then as it hears of the next peer, if the first process has not written its file by then. The second process ends,
    as it does not get the file's lock, and glusterd takes the brick for down, without a port. Clients find and use the
    first process until ``gluster volume start VOLUME force``: that leaves it as it is, but new clients get no port.

    volume
        The volume (string).

    brick
        The brick (string), such as ``kvm1:/data/one_vol``.

    Returns True if its process was there and has ended, False if there is none.

    Raises CommandExecutionError when it serves other bricks as well (``cluster.brick-multiplex``).

    CLI Example:

    .. code-block:: bash

        salt kvm1 glusterd.end_brick one_vol kvm1:/data/one_vol
    """
    server, _, path = str(brick).partition(":/")
    process = _process(str(volume), server, f"/{path}")
    if not process:
        return False
    with contextlib.suppress(psutil.NoSuchProcess):
        words = __utils__["gluster_process.words"](process.pid)  # none once it has ended
        if words is None:
            raise CommandExecutionError(f"{brick}: the command line of its process cannot be read: run again")
        if (words and f"/{path}" not in words) or len(_with_pid(process.pid)) > 1:
            raise CommandExecutionError(
                f"{brick} shares its process with others (cluster.brick-multiplex): restart them by hand"
            )
        __utils__["gluster_process.end"](process)
    return True


def _with_pid(number):
    """
    The files in which glusterd keeps a process as that of a brick.
    """
    found = []
    for path in glob.glob(os.path.join(PIDS, "*/*.pid")):
        with contextlib.suppress(OSError), salt.utils.files.fopen(path) as stream:
            found += [path] if stream.read().strip() == str(number) else []
    return found


def stopped_processes():
    """
    Gluster's processes on this server that are stopped, as by SIGSTOP or a debugger.

    They hold their ports and answer nobody, and Gluster calls them online.

    Returns a dict of process identifiers by what it is: ``{"kvm2:/data/one_vol": 2034}`` for a brick, ``glusterd``, or
    ``self-heal daemon``.

    CLI Example:

    .. code-block:: bash

        salt kvm2 glusterd.stopped_processes
    """
    found = {}
    for process in psutil.process_iter():
        name = __utils__["gluster_process.comm"](process.pid)
        if name not in ("glusterd", "glusterfsd", "glusterfs"):
            continue
        with contextlib.suppress(psutil.Error):
            stopped = process.status() in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)
            if stopped and process.uids().effective == 0:
                words = __utils__["gluster_process.words"](process.pid) or []
                after = dict(zip(words, words[1:]))
                what = {"glusterd": "glusterd", "glusterfsd": f"{after.get('-s')}:{after.get('--brick-name')}"}
                daemon = "self-heal daemon" if after.get("--process-name") == "glustershd" else None
                found[what.get(name, daemon)] = process.pid
    found.pop(None, None)  # a client, which shows in its mount
    return found
