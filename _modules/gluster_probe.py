"""
A volume mounted privately, for checks
======================================

No other process sees this mount: it is in namespaces of its own, which end with the process that made them, the Gluster
client included, however that process ends. No cleanup can touch the volume's files.
"""

import os
import re

import salt.utils.files
import salt.utils.path
from salt.exceptions import CommandExecutionError

__virtualname__ = "gluster_probe"

REJECTED = r"SETVOLUME on remote-host failed.*uthentication failed|Server authentication failed"
UNSHARE = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"]
# On a tmpfs, so that nothing is left of its directories and of the clients' logs.
BEGIN = "mount -t tmpfs none /tmp && cd /tmp || exit; "
# mount.glusterfs may exit with 0 although its client has ended, and waits for good for one without a transport. FUSE by
# its number, since stat's name for it varies.
MOUNT = (
    'mkdir volume && timeout "${LIMIT:-15}" mount -t glusterfs -o "${2:+$2,}nosuid,nodev,log-file=/tmp/log" "$1" '
    'volume && [ "$(stat -f -c %t volume)" = 65735546 ]'
)
LOG = "tail -c 100000 log"  # of a trial that has failed
OVER = 124  # timeout's status
UNKNOWN = {"why": "", "cure": "", "lasts": False}
# From a port that only root may use, of which server.allow-insecure does not speak.
LOW_PORT = "xlator-option=*-client-*.client-bind-insecure=off"
# Also what a brick leaves that ends, but not twice: then it is gone.
CLOSED = r"rpc_clnt_ping_cbk\].*socket disconnected|connection to \S+ failed \(Broken pipe\)"
# What a client says in its log when it cannot have its volume: what that means, what to do, and whether it stays so
# however long it is waited for, as nothing of the formula changes it. The first that is found counts.
REASONS = (
    (
        r'subdirectory for mount "(?P<what>[^"]*)" is not found',
        "volume {volume} has no directory {what}",
        "make it there, or correct the name",
        True,
    ),
    (
        r"failed to get the '?volume file'?(?: from server| \[\{from server\})",
        "volume {volume} on {server}: no such volume",
        "see `gluster volume list` on {server}; create it, or correct the pillar",
        True,
    ),
    (
        r"could not load (?:our )?(?P<what>cert at \S+|private key at \S+|CA list)",
        "client.ssl of volume {volume} is on, and this node has no such key or certificate for it: {what}",
        "put those of the pool's TLS there, or set client.ssl and server.ssl off while nobody has the volume mounted",
        True,
    ),
    (
        r"transport-type '(?P<what>\w+)' is not valid",
        "volume {volume} is reached by {what} alone, which Gluster of this node does not have",
        "`gluster volume set {volume} config.transport tcp`, while it is stopped",
        True,
    ),
    (REJECTED, "the bricks reject this node", None, False),
    (
        CLOSED,
        "bricks of volume {volume} close the connection: their TLS is not this node's",
        "compare client.ssl and server.ssl in `gluster volume get {volume} all`, and the certificates",
        True,
    ),
    (
        r"client_dump_version_cbk\].*received RPC status error",
        "server.allow-insecure of volume {volume} is off",
        "apply gluster_one.volume to the volume's first server, and gluster_one.restart to all where it names bricks",
        False,
    ),
    (
        r"DNS resolution failed on host (?P<what>\S+)",
        "{what} cannot be resolved here",
        "see /etc/hosts, the DNS, and `gluster volume get {volume} transport.address-family`",
        False,
    ),
    (
        r"failed to connect with remote-host: (?P<what>[^\s\]]+)",
        "glusterd of {what} does not answer",
        "see `systemctl status glusterd` there, and the network",
        False,
    ),
    (
        r"failed to get the port number for remote subvolume",
        "the volume is not started, or bricks of it are down",
        "see `gluster volume status {volume}`",
        False,
    ),
)
# One client for each brick: a client of the whole volume ends when the first brick rejects it. A brick that also
# rejects a client from a port that only root may use has another reason, such as auth.allow.
EACH = """
refuses() {
    mkdir $1; echo "$text" | sed "/bind-insecure/d; /^end-volume/ioption client-bind-insecure $2" >$1.vol
    { glusterfs --fuse-mountopts=nosuid,nodev --volfile=/tmp/$1.vol --log-file=/tmp/$1.log /tmp/$1
      timeout 5 stat -f $1; } >/dev/null 2>&1
    grep -q 'uthentication failed' $1.log
}
for text; do
    n=$((n + 1)); { refuses $n on && ! refuses $n.root off && echo $n; } &
done; wait
"""
VOLFILES = "/var/lib/glusterd/vols"


def __virtual__():
    return __virtualname__


def private_mount_command(device, *command, options=""):
    """
    The command that runs another one with a volume mounted privately on ``volume`` in its working directory.

    device
        The volume, with the server to ask (string), such as ``localhost:/one_vol``.

    command
        The other command (strings).

    options
        Mount options, with commas between them (string, default none).

    Returns the command (list of strings).

    Raises CommandExecutionError where there is no unshare.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_probe.private_mount_command localhost:/one_vol ls volume
    """
    return _apart(MOUNT + ' && shift 2 && exec "$@"', device, options, *command)


def _apart(script, *words):
    if not salt.utils.path.which(UNSHARE[0]):
        raise CommandExecutionError("unshare is not installed on this node: install util-linux")
    return [*UNSHARE, "sh", "-c", BEGIN + script, "sh", *words]


def _run(script, *words, timeout=20):
    return __salt__["cmd.run_all"](_apart(script, *words), python_shell=False, ignore_retcode=True, timeout=timeout)


def can_mount(device, options=()):
    """
    Whether this node can mount a volume.

    device
        The volume, with the server to ask (string), such as ``kvm1:/one_vol``.

    options
        With these mount options (list of strings, default none); ``log-file`` is left out.

    Returns True or False.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_probe.can_mount kvm1:/one_vol
    """
    return _trial(device, options)["retcode"] == 0


def _trial(device, options, timeout=20):
    script = f"LIMIT={max(timeout - 2, 1)}; {{ {MOUNT}; }} || {{ status=$?; {LOG}; exit $status; }}"
    return _run(script, device, ",".join(options), timeout=timeout)


def mount_refusal(device, options=(), timeout=20):
    """
    Why this node cannot mount a volume, found out by a trial.

    device, options
        See :func:`can_mount`.

    timeout
        Seconds to wait for it (int, default 20).

    Returns what :func:`refusal` does, ``why`` of which may be empty; None where it can.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_probe.mount_refusal kvm1:/one_vol
    """
    done = _trial(device, options, timeout)
    if done["retcode"] and re.search(CLOSED, done["stdout"]):
        done = _trial(device, options, timeout)
    if done["retcode"] == OVER and not any(
        lasts and re.search(pattern, done["stdout"]) for pattern, *_, lasts in REASONS
    ):
        return {**UNKNOWN}  # it might have been mounted a moment later
    return refusal(done["stdout"], device) if done["retcode"] else None


def refusal(log, device):
    """
    Why a client could not have its volume, by its log. Where the bricks reject it, a trial tells by which option.

    log
        What the client has logged (string).

    device
        The volume, with the server that was asked (string), such as ``kvm1:/one_vol``.

    Returns a dict ``{"why": "volume one_vol on kvm1: no such volume", "cure": "see ...", "lasts": True}``: sentences,
    empty where it is not known, and whether it stays so however long it is waited for.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_probe.refusal 'failed to get the volume file from server' kvm1:/one_vol
    """
    servers, _, volume = device.partition(":/")
    names = {"server": servers.partition(",")[0], "volume": volume.partition("/")[0]}
    for pattern, why, cure, lasts in REASONS:
        found = re.search(pattern, log)
        if found:
            said = {key: __utils__["gluster_process.visible"](text) for key, text in found.groupdict().items()}
            if pattern == REJECTED:
                why, cure = _rejection(device, why)
            return {"why": why.format(**names, **said), "cure": cure.format(**names), "lasts": lasts}
    return {**UNKNOWN}


def _rejection(device, why):
    """
    By which of a volume's options its bricks reject this node, and what to do.
    """
    if can_mount(device, [LOW_PORT]):
        return (
            f"{why}: server.allow-insecure is off, or was off when a brick was started",
            "apply gluster_one.volume to the volume's first server, then gluster_one.restart to all of them",
        )
    server, _, volume = device.partition(":/")
    address = __utils__["gluster_hosts.address_towards"](server.partition(",")[0]) or "its address"
    # A brick on this node may see it come from there: Debian's /etc/hosts has 127.0.1.1 for a host's own name.
    needed = f"{address} and 127.0.0.1" if _has_brick(volume.partition("/")[0]) else address
    return (
        f"{why}, {address}: auth.allow, auth.reject or, with TLS, auth.ssl-allow",
        "see `gluster volume get {volume} all` on a server; where the pillar's options have it, "
        f"put {needed} there and apply gluster_one.volume to the volume's first server, else "
        f"`gluster volume set {{volume}} auth.allow` with all that it has and {needed}; auth.reject wins: take what "
        "means this node out of it",
    )


def _has_brick(volume):
    """
    Whether this node is a server with a brick of a volume.
    """
    try:
        bricks = os.listdir(os.path.join(VOLFILES, volume, "bricks"))
    except OSError:
        return False
    return any(brick.partition(":")[0].casefold() in __utils__["gluster_hosts.own_names"]() for brick in bricks)


def rejecting_bricks(volume, bricks):
    """
    Which bricks of a volume reject clients that are not root, whatever ``server.allow-insecure`` says: those that were
    started while it was off. Each is asked by a client; on a server of the volume.

    volume
        The volume (string).

    bricks
        Its bricks in their order (list of strings), as ``gluster.volume_info`` has them.

    Returns those that reject clients (list of strings).

    Raises CommandExecutionError when they cannot be asked, or not within 20 s.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_probe.rejecting_bricks one_vol '["kvm1:/data/one_vol", "kvm2:/data/one_vol"]'
    """
    path = os.path.join(VOLFILES, volume, f"{volume}.tcp-fuse.vol")
    with salt.utils.files.fopen(path, errors="replace") as stream:
        client = rf"^volume {re.escape(volume)}-client-\d+$.*?^end-volume$"
        texts = re.findall(client, stream.read(), re.MULTILINE | re.DOTALL)
    done = _run(EACH, *texts)
    if done["retcode"] != 0:
        raise CommandExecutionError(f"It is not known which bricks of volume {volume} reject clients: {_said(done)}")
    refusing = done["stdout"].split()
    return [brick for number, brick in enumerate(bricks, 1) if str(number) in refusing]


def _said(done):
    return " ".join(f"{done['stderr']} {done['stdout']}".split()) or f"unshare ended with status {done['retcode']}"
