"""
OpenNebula's GlusterFS datastore kept right
===========================================

More of the runner ``gluster_one``: Salt joins modules of one virtual name. ``remediate`` is what the reactor calls.
"""

import contextlib
import fcntl
import os
import time

import salt.cache
import salt.client
import salt.utils.files
import salt.utils.minions
from salt.exceptions import SaltClientError

__virtualname__ = "gluster_one"

# What puts a finding right: the formula applied again to that node. Nothing else from an event or a mine is used.
REPAIRS = {
    "glusterd_down": "gluster_one.started",
    "brick_down": "gluster_one.started",
    "glusterd_option": "gluster_one.glusterd",
    "volume_option": "gluster_one.volume",
    "mount_gone": "gluster_one.mount",
    "mount_dead": "gluster_one.mount",
    "mount_flags": "gluster_one.mount",
    "fstab": "gluster_one.mount",
    "link": "gluster_one.mount",
    "datastore": "gluster_one.datastore",
}
# What these SLS would undo although somebody may have meant it: while that is found, they are not applied.
HELD_BY = {
    "gluster_one.datastore": ("datastore_gone",),
    "gluster_one.mount": ("mount_held",),
    "gluster_one.volume": ("volume_stopped", "volume_gone", "peer_gone"),
}
# These concern the pool: on one server at a time.
ONE_AT_A_TIME = ("gluster_one.started", "gluster_one.glusterd")
BANK = "gluster_one/remediate"
ATTEMPTS = 3
# Seconds after the first failure, doubled after each more.
BACK_OFF = 15
NO_ANSWER = "the minion did not answer"
UNCHANGED = "the formula finds nothing to change there"
# Seconds that a server waits for the others.
PATIENCE = 600
# Seconds after which a minion is asked, again and again, whether the job still runs there.
ASK_AFTER = 15


def __virtual__():
    return __virtualname__


def remediate(minion):
    """
    Put right what a minion has reported, by applying the formula to it again. The reactor calls it.

    The minion's findings are read from its mine, where only it can have left them; what the event said is not used.
    Which kinds are put right is the pillar's ``remediate``. One job for each minion at a time, servers one after
    another. After a failure, also when nothing was to be changed, that kind of finding waits, each time longer; after
    three in a row it is given up until it is gone, with an event ``gluster_one/<minion>/gave_up``.

    minion
        The minion (string).

    Returns a sentence that says what was done.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.remediate kvm2
    """
    if not isinstance(minion, str) or minion not in _accepted(minion):
        return "no accepted minion is called that"
    with _lock(minion) as held:
        if not held:
            return f"{minion} is being put right already"
        cache = salt.cache.factory(__opts__)
        at, found = _reported(minion)
        # A kind that has gone is forgotten: should it come back, it is something new.
        past = {kind: known for kind, known in (cache.fetch(BANK, minion) or {}).items() if kind in found}
        if not found & set(REPAIRS):
            cache.flush(BANK, minion)
            return f"{minion} has reported nothing that could be put right"
        said = {kind: _waits(past.get(kind), at) for kind in REPAIRS if kind in found}
        if not all(said.values()):
            settings = (__salt__["pillar.show_pillar"](minion) or {}).get("gluster_one") or {}
            if settings.get("maintenance"):
                return f"{minion} is under maintenance"
            mods = {}
            for kind in [kind for kind, why in said.items() if not why]:
                sls = _sls(kind, settings.get("roles") or [])
                holding = [other for other in HELD_BY.get(sls, ()) if other in found]
                if kind not in settings.get("remediate", REPAIRS):
                    said[kind] = "is to be left as it is"
                elif holding:
                    said[kind] = f"is left: {' and '.join(holding)} is to be looked at by somebody first"
                else:
                    mods[kind] = sls
            said.update(_put_right(minion, at, mods, past) if mods else {})
        # Also without a job, so that what has gone is forgotten.
        cache.store(BANK, minion, past)
        return f"{minion}: {'; '.join(f'{kind} {what}' for kind, what in said.items())}"


def _accepted(minion):
    """
    The accepted minions of that name.
    """
    return salt.utils.minions.CkMinions(__opts__).check_minions([minion], "list")["minions"]


def _waits(known, at):
    """
    Why a kind of finding is not put right now, or None.

    known
        What the cache has of it (dict), None for a new one.

    at
        When the minion has last looked (float).
    """
    if not known:
        return None
    if known["at"] == at:
        return "was not looked at again since it was to be put right"
    if known["failures"] >= ATTEMPTS:
        return f"was given up after {ATTEMPTS} failures"
    if time.time() < known["next"]:
        return f"is tried again in {known['next'] - time.time():.0f} s"
    return None


def _sls(kind, roles):
    """
    What puts a finding right on a minion of these roles. The head makes a datastore's link with the datastore.
    """
    return "gluster_one.datastore" if kind == "link" and "head" in roles else REPAIRS[kind]


def _put_right(minion, at, mods, past):
    """
    Apply the SLS of each kind of finding, keep in ``past`` what came of it, and say it: a dict by kind.
    """
    came = _repair(minion, mods.values())
    if NO_ANSWER in came.values() and _reported(minion)[0] != at:  # it was started anew, and the job was lost with it
        came = _repair(minion, mods.values())
    # It may have come right meanwhile by itself.
    still = _reported(minion)[1]
    failed = {kind: came[sls] for kind, sls in mods.items() if came[sls] and kind in still}
    for kind in mods:
        failures = past.get(kind, {"failures": 0})["failures"] + 1 if kind in failed else 0
        pause = BACK_OFF * 2 ** (failures - 1) if failures else 0
        past[kind] = {"at": at, "failures": failures, "next": time.time() + pause}
    given_up = [kind for kind in mods if past[kind]["failures"] == ATTEMPTS]
    if given_up:
        why = "; ".join(dict.fromkeys(failed[kind] for kind in given_up))
        __salt__["event.send"](f"gluster_one/{minion}/gave_up", {"kinds": given_up, "why": why})
    return {kind: f"could not be put right: {failed[kind]}" if kind in failed else "put right" for kind in mods}


@contextlib.contextmanager
def _lock(name, patience=0):
    """
    Hold a lock of the master, free again when its holder ends; yields whether it was got within so many seconds.
    """
    directory = os.path.join(__opts__["cachedir"], "gluster_one")
    os.makedirs(directory, exist_ok=True)
    deadline = time.monotonic() + patience
    with salt.utils.files.fopen(os.path.join(directory, f"{name}.lock"), "a") as stream:
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield True
                return
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    break
            time.sleep(0.5)
        yield False


def _reported(minion):
    """
    When a minion has last looked, by its own clock, and the kinds of all its findings (set).
    """
    mine = __salt__["mine.get"]([minion], "gluster_one.findings", "list").get(minion)
    if not isinstance(mine, dict) or not isinstance(mine.get("findings"), list):
        return None, set()
    kinds = [finding.get("kind") for finding in mine["findings"] if isinstance(finding, dict)]
    return mine.get("at"), {kind for kind in kinds if isinstance(kind, str)}


def _repair(minion, mods):
    """
    Apply these SLS in one job; returns what failed of each, or None, by its name. That nothing was changed fails, too:
    what was found is still there.
    """
    mods = list(dict.fromkeys(mods))
    alone = set(mods) & set(ONE_AT_A_TIME)
    with _lock("servers", PATIENCE) if alone else contextlib.nullcontext(True) as held:
        if not held:
            return dict.fromkeys(mods, "another server is being put right")
        try:
            with salt.client.get_local_client(mopts=__opts__) as client:
                answer = client.cmd(
                    [minion], "state.apply", [",".join(mods)], tgt_type="list", kwarg={"queue": True}, timeout=ASK_AFTER
                ).get(minion)
        except SaltClientError as exc:
            return dict.fromkeys(mods, str(exc))
    if not isinstance(answer, dict):
        silent = not answer or str(answer).startswith("Minion did not return")
        return dict.fromkeys(mods, NO_ANSWER if silent else str(answer))
    came = {}
    for sls in mods:
        own = ("gluster_one.pillar", sls)
        states = [state for state in answer.values() if state.get("__sls__") in own]
        failed = [f"{state.get('name')}: {state.get('comment')}" for state in states if state.get("result") is False]
        changed = any(state.get("result") and state.get("changes") for state in states)
        came[sls] = "; ".join(failed) or (None if changed else UNCHANGED)
    return came
