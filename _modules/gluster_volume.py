"""
A volume created, started and given options while its whole pool is there
=========================================================================

Gluster changes a volume although a peer is away, which then differs from the others, or has to be repaired. What is
here waits for all peers, changes something once, and leaves it to its caller to look again.
"""

import contextlib
import time

from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "gluster_volume"

PEER = ": start glusterd there, or bring its network back"
PREDICTED = "gluster_volume.predict"  # in the context: of a run, what it would do to volumes
# The options that Gluster gives a new volume, and one with copies (10.3 and 11.1).
FRESH = {"storage.fips-mode-rchecksum": "on", "transport.address-family": "inet", "nfs.disable": "on"}
FRESH_REPLICA = {"cluster.granular-entry-heal": "on", "performance.client-io-threads": "off"}


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


def set_options(name, changes, timeout=120, current=None, run=None):
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

    current
        The volume's options as they are (dict): record with the others, on the volume, that the formula has set them
        (``gluster_options.record``). Default: do not.

    run
        See ``gluster_pool.peers_apart`` and ``gluster_lock.lock``.

    Returns Gluster's error (string), None where there was none: the options may be set nevertheless.

    Raises CommandExecutionError when a peer is not connected: then nothing was set.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_volume.set_options one_vol '{network.ping-timeout: {old: 42, new: 10}}'
    """
    options = {option: change["new"] for option, change in changes.items()}
    if current is not None:
        options.update(__utils__["gluster_options.record"](current, changes))
    with _whole_pool(f"The options of volume {name} were not touched", timeout, run):
        return _error("gluster.volume_set", name, options, timeout)


def restore_options(name, changes, timeout=120, current=None, run=None):
    """
    Set a volume's options back, and take them out of the record, while no server is being restarted and all peers are
    connected.

    name, timeout, run
        See :func:`set_options`.

    changes
        What ``gluster_options.dropped`` returned first (dict).

    current
        The volume's options as they are (dict).

    Returns Gluster's error (string), None where there was none.

    Raises CommandExecutionError when a peer is not connected: then nothing was set.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_volume.restore_options one_vol '{network.ping-timeout: {old: 10, new: null}}' current='{}'
    """
    back = {option: change["new"] for option, change in changes.items() if change["new"] is not None}
    back.update(__utils__["gluster_options.unrecorded"](current or {}, changes))
    with _whole_pool(f"The options of volume {name} were not touched", timeout, run):
        for option in [option for option, change in changes.items() if change["new"] is None]:
            error = _error("gluster.volume_reset", name, option, timeout)
            if error:
                return error
        return _error("gluster.volume_set", name, back, timeout)


def set_pool_options(changes, timeout=120):
    """
    Set options of the whole pool while no server is being restarted and all peers are connected, each by a command of
    its own: of several, Gluster (10.3) sets the first and calls it a success.

    changes
        What ``gluster_options.pool_option_changes`` returned (dict); an option whose ``new`` is None is reset.

    timeout
        Seconds for each of: the peers, Gluster's lock (int, default 120).

    Returns Gluster's error (string), None where there was none: the options may be set nevertheless.

    Raises CommandExecutionError when a peer is not connected: then nothing was set.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_volume.set_pool_options '{cluster.server-quorum-ratio: {old: null, new: 51%}}'
    """
    with _whole_pool("The options of the pool were not touched", timeout):
        for option in __utils__["gluster_options.pool_options"]():
            if option in changes:
                new = changes[option]["new"]
                change = (
                    ("gluster.volume_reset", "all", option)
                    if new is None
                    else ("gluster.volume_set", "all", {option: new})
                )
                error = _error(*change, timeout)
                if error:
                    return error
    return None


@contextlib.contextmanager
def _whole_pool(untouched, timeout, run=None):
    """
    A block that begins when all peers see each other, and in which no server is restarted.
    """
    untouched = f"{untouched}: a peer was not connected"
    apart = lambda: __salt__["gluster_pool.peers_apart"](run)  # noqa: E731
    try:
        __salt__["gluster_lock.lock"](timeout, run)
    except CommandExecutionError:  # as when the volume on which the lock lies waits for the one that is away
        __utils__["gluster_states.wait_for"]("gluster_pool.peers_away", timeout, untouched, PEER)
        raise
    try:
        __utils__["gluster_states.wait_for"](apart, timeout, untouched, PEER)
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


def create(name, layout, timeout=120):
    """
    Create a volume, once. It is not started.

    name
        The volume (string).

    layout
        See ``gluster_layout.layout``. Its bricks are to be fit: see ``gluster_bricks.unready``.

    timeout
        Seconds for each of: the peers, Gluster's lock (int, default 120).

    Returns Gluster's error (string), None where there was none: the volume may be there nevertheless.

    Raises CommandExecutionError when a peer is not connected: then nothing was done.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_volume.create next_vol '{replica: 1, size: 1, bricks: ["kvm1:/data/next_vol"]}'
    """
    words = __utils__["gluster_layout.words"](layout)
    with _whole_pool(f"Volume {name} was not created", timeout):
        __salt__["gluster_bricks.use_words"](layout)
        return _error("gluster.volume_create", name, words, timeout)


def grow(name, layout, timeout=120):
    """
    Add whole sets of bricks to a volume. What it holds stays where it is.

    name
        The volume (string).

    layout
        See ``gluster_layout.layout``, with the new bricks alone, which are to be fit: see ``gluster_bricks.unready``.

    timeout
        Seconds for each of: the peers, Gluster's lock (int, default 120).

    Returns Gluster's error (string), None where there was none: the bricks may be there nevertheless.

    Raises CommandExecutionError when a peer is not connected: then nothing was done.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_volume.grow next_vol '{replica: 1, size: 1, bricks: ["kvm2:/data/next_vol"]}'
    """
    with _whole_pool(f"Volume {name} got no new bricks", timeout):
        __salt__["gluster_bricks.use_words"](layout)
        return _error("gluster.volume_add_bricks", name, layout["bricks"], timeout)


def behind(name):
    """
    The servers of the pool whose definition of a volume has other bricks than that of this one, as after a change that
    one of them could not commit.

    name
        The volume (string).

    Returns a list of names; of a server that does not answer it is not known, and it is among them.

    Raises CommandExecutionError when this node's glusterd does not answer.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_volume.behind one_vol
    """
    here, found = __salt__["gluster.volume_info"](name), []
    for peer in __salt__["gluster.peer_status"]():
        there = {}
        with contextlib.suppress(CommandExecutionError):
            there = __salt__["gluster.volume_info"](name, server=peer["hostnames"][-1])
        if there.get(name, {}).get("bricks") != here[name]["bricks"]:
            found.append(peer["hostnames"][-1])
    return found


def start(name, timeout=120):
    """
    Start a volume and wait for its bricks.

    name
        The volume (string).

    timeout
        Seconds for each of: the peers, Gluster's lock, the bricks (int, default 120).

    Returns True.

    Raises CommandExecutionError when a peer is not connected, then nothing was done; with Gluster's message; or with
    the bricks that do not run.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_volume.start one_vol
    """
    with _whole_pool(f"Volume {name} was not started", timeout):
        error = _error("gluster.volume_start", name, False, timeout)
    if __salt__["gluster.volume_info"](name).get(name, {}).get("status") != "Started":
        raise CommandExecutionError(error or f"Volume {name} is not started, and Gluster has not said why")
    down = lambda: ", ".join(__salt__["gluster_pool.bricks_down"](name))  # noqa: E731
    failure, cure = f"Volume {name} was started, and bricks of it did not run", ": see their logs on their servers"
    __utils__["gluster_states.wait_for"](down, timeout, failure, cure)
    return True


def info(name, run=None):
    """
    A volume as it is, or as the states of this run with ``test=True`` would have made it.

    name
        The volume (string).

    run
        See ``gluster.volume_info``.

    Returns a dict as ``gluster.volume_info`` has it for one volume, an empty one where it is not there.

    Raises CommandExecutionError when glusterd does not answer.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_volume.info one_vol
    """
    there = __salt__["gluster.volume_info"](name, run=run).get(name, {})
    kept, changed = __context__.get(PREDICTED, (None, {}))
    return {**there, **changed.get(name, {})} if __opts__["test"] and kept == run else there


def fresh(layout):
    """
    A volume as Gluster creates it.

    layout
        See ``gluster_layout.layout``.

    Returns a dict with some of the keys that ``gluster.volume_info`` has.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_volume.fresh '{replica: 1, bricks: ["kvm1:/data/one_vol"]}'
    """
    options = {**FRESH, **(FRESH_REPLICA if layout.get("replica", 1) > 1 else {})}
    return {**layout, "status": "Created", "transport": "tcp", "options": options}


def predict(name, run, **changed):
    """
    Keep for later states of a run with ``test=True`` what one has predicted of a volume.

    name
        The volume (string).

    run
        The run's identifier (string).

    changed
        Keys and values of :func:`info`.

    Returns True.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_volume.predict one_vol 20260101120000 status=Started
    """
    kept, volumes = __context__.get(PREDICTED, (None, {}))
    volumes = volumes if kept == run else {}
    volumes[name] = {**volumes.get(name, {}), **changed}
    __context__[PREDICTED] = (run, volumes)
    return True


def started(name, timeout=120, run=None):
    """
    A volume's information, once it is started; in test mode at once.

    name
        The volume (string).

    timeout
        Seconds to wait (int, default 120).

    run
        See ``gluster.volume_info``.

    Returns a dict as ``gluster.volume_info`` has it for one volume; of one that is not started only in test mode.

    Raises CommandExecutionError with what was seen last, at once where there is no such volume, or one that cannot be
    started.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_volume.started one_vol timeout=0
    """
    info = {"status": None, "options": {}, "bricks": [], "transport": "tcp"}

    def look(run=None):
        info.update(__salt__["gluster.volume_info"](name, run=run).get(name, {}))
        return None if info["status"] == "Started" else info["status"] or "no such volume"

    seen = look(run=run)
    if not info["status"] and not __opts__["test"]:  # a server that has just joined the pool is about to hear of it
        time.sleep(1)
        seen = look()
    if not info["status"]:
        raise CommandExecutionError(
            f"There is no volume {name} in the pool of this server: see `gluster volume list`; create it, or correct "
            "the pillar"
        )
    if seen and info["transport"] != "tcp":  # it was created so, or with the option config.transport
        raise CommandExecutionError(
            f"Volume {name} cannot be started: its transport is {info['transport']}, and Gluster no longer has rdma: "
            f"`gluster volume set {name} config.transport tcp`, then `gluster volume start {name}`"
        )
    if seen and not __opts__["test"]:
        failure = f"Volume {name} was not started (`gluster volume start {name}`)"
        __utils__["gluster_states.wait_for"](look, timeout, failure)
    return info
