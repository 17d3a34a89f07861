"""
A volume changed while its whole pool is there
==============================================

Gluster changes a volume although a peer is away, which then differs from the others, or has to be repaired. What is
here waits for all peers, changes something once, and leaves it to its caller to look again.
"""

import contextlib

from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "gluster_volume"

PEER = ": start glusterd there, or bring its network back"


def __virtual__():
    return __virtualname__


def option_changes(current, wanted):
    """
    What differs of a volume's options. Files written while ``features.shard`` was on are stored in shards, of which
    only the first is read once it is off: so it may not be turned off.

    current, wanted
        See ``gluster_options.option_changes``.

    Returns what that returns.

    Raises SaltInvocationError as that does, and where shards would be turned off.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_volume.option_changes '{}' '{network.ping-timeout: 10}'
    """
    changes = __utils__["gluster_options.option_changes"](current, wanted)
    if "features.shard" in changes and not __utils__["gluster_options.option_changes"](
        current, {"features.shard": "on"}
    ):
        raise SaltInvocationError(
            "options: features.shard is on, and files written since then cannot be read once it is off: leave it on, "
            "or turn it off by hand if the volume has never held a file"
        )
    return changes


def shard_remark(changes):
    """
    What a change of the shards means for existing files, as a remark behind another text.

    changes
        What :func:`option_changes` returned (dict).

    Returns a string, an empty one where no option of the shards is among them.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_volume.shard_remark '{features.shard: {old: "off", new: "on"}}'
    """
    remark, names = "", {option.rpartition(".")[2] for option in changes}  # Gluster takes short ones, too
    if "shard" in names:
        remark += (
            "; features.shard on splits files that are made from now on: those that the volume holds stay whole, and "
            "it cannot be turned off again"
        )
    if "shard-block-size" in names:
        remark += "; files that are split already keep the size of their shards"
    return remark


def set_options(name, changes, timeout=120):
    """
    Set a volume's options while no server is being restarted and all peers are connected: setting an option while a
    peer is disconnected makes the volume's size wrong where a server has several of its bricks (600 MB became 300 for
    good; measured with Gluster 10.3).

    name
        The volume (string).

    changes
        What :func:`option_changes` returned (dict).

    timeout
        Seconds for each of: the peers, Gluster's lock (int, default 120).

    Returns Gluster's error (string), None where there was none: the options may be set nevertheless.

    Raises CommandExecutionError when a peer is not connected: then nothing was set.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_volume.set_options one_vol '{network.ping-timeout: {old: 42, new: 10}}'
    """
    options = {option: change["new"] for option, change in changes.items()}
    with _whole_pool(f"The options of volume {name} were not touched", timeout):
        return _error("gluster.volume_set", name, options, timeout)


@contextlib.contextmanager
def _whole_pool(untouched, timeout):
    """
    A block that begins when all peers see each other, and in which no server is restarted.
    """
    untouched = f"{untouched}: a peer was not connected"
    try:
        __salt__["gluster_lock.lock"](timeout)
    except CommandExecutionError:  # as when the volume on which the lock lies waits for the one that is away
        __utils__["gluster_states.wait_for"]("gluster_pool.peers_away", timeout, untouched, PEER)
        raise
    try:
        __utils__["gluster_states.wait_for"]("gluster_pool.peers_apart", timeout, untouched, PEER)
        __salt__["gluster_lock.lock_held"]()
        yield
    finally:
        __salt__["gluster_lock.unlock"]()


def _error(function, *words):
    """
    What a change of Gluster's says when it fails, and which peer is away then; None where it does not fail.
    """
    try:
        __salt__[function](*words)
    except CommandExecutionError as exc:
        away = __salt__["gluster_pool.peers_away"]()
        return f"{exc} ({away})" if away else str(exc)
    return None


def started(name, timeout=120, run=None):
    """
    A volume's information, once it is started; in test mode at once.

    name
        The volume (string).

    timeout
        Seconds to wait (int, default 120).

    run
        See ``gluster.volume_info``.

    Returns a dict as ``gluster.volume_info`` has it for one volume; of one that is not there, or not started, only in
    test mode.

    Raises CommandExecutionError with what was seen last.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_volume.started one_vol timeout=0
    """
    info = {"status": None, "options": {}, "bricks": []}

    def look(run=None):
        info.update(__salt__["gluster.volume_info"](name, run=run).get(name, {}))
        return None if info["status"] == "Started" else info["status"] or "no such volume"

    if look(run=run) and not __opts__["test"]:
        failure = f"Volume {name} was not started (`gluster volume start {name}`)"
        __utils__["gluster_states.wait_for"](look, timeout, failure)
    return info
