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

UNSHARE = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"]
# On a tmpfs, so that nothing is left of its directories and of the clients' logs.
BEGIN = "mount -t tmpfs none /tmp && cd /tmp || exit; "
MOUNT = 'mkdir volume && mount -t glusterfs -o "${2:+$2,}nosuid,nodev,log-file=/tmp/log" "$1" volume'
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


def _run(script, *words):
    return __salt__["cmd.run_all"](_apart(script, *words), python_shell=False, ignore_retcode=True, timeout=20)


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
    return _run(MOUNT, device, ",".join(options))["retcode"] == 0


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
