"""
What this formula has set, and what it was before
=================================================

More functions of the execution module ``gluster_one``: Salt joins modules of one virtual name.

The note of what was set lies where it was set, is written in the same step, and can be read by every server: for a
volume it is an option of the volume itself, ``user.gluster_one``, for glusterd a comment in its volume file. It says
``network.ping-timeout=42:10,storage.owner-uid=:9869``: before and after, nothing for an option that was not set before.
"""

import re
from urllib.parse import quote, unquote

import salt.utils.path
from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "gluster_one"

NOTE = "user.gluster_one"
# Gluster takes no option away whose name begins with user., so an empty note stays.
EMPTY = "none"
# Files that were written while it was on lie in shards, and only the first shard is read once it is off: it stays on.
SHARD = "features.shard"
# A value of more than 4,096 characters ends glusterd (10.3).
LONGEST = 3500
# What Gluster itself has open on a volume.
OWN_CLIENTS = {"glustershd", "quotad", "bitd", "scrub", "snapd", "rebalance"}


def __virtual__():
    return __virtualname__


def options_plan(current, wanted):
    """
    What is to be done so that options are as they should be, what the formula has set before and is not asked for any
    more included: that is put back to what it was, unless somebody has changed it since.

    current
        The options that are set (dict), as ``gluster.volume_info`` or ``glusterd.options`` returns them.

    wanted
        Those that are to be set and their values (dict).

    Returns a dict: what changes for whoever looks, what to set, with the note, and what to reset::

        {"changes": {"network.ping-timeout": {"old": "10", "new": None}}, "set": {"user.gluster_one": "none"},
         "reset": ["network.ping-timeout"]}

    ``changes`` has the note itself only where it forgets an option that somebody else has changed.

    ``features.shard`` is set, and never put back: what was written since lies in shards.

    Raises SaltInvocationError when the note would be longer than Gluster bears, or ``features.shard`` is to be turned
    off.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.options_plan '{}' '{network.ping-timeout: 10}'
    """
    differ = __salt__["gluster.option_changes"]
    before = _noted(current.get(NOTE, EMPTY))
    before.pop(SHARD, None)
    noted = {option: note for option, note in before.items() if option in wanted}
    changes = differ(current, wanted)
    if SHARD in changes and not differ(current, {SHARD: "on"}):
        raise SaltInvocationError(
            f"options: {SHARD} is on, and what was written since lies in shards, of which only the first is read once "
            "it is off: turn it off by hand if the volume has never held a file, or leave it on"
        )
    for option, change in changes.items():
        old = before.get(option, {"old": current.get(option)})["old"]
        noted[option] = {"old": old, "new": change["new"]}
        same = old is not None and not differ({option: old}, {option: change["new"]})
        # Gluster cannot take away again what begins with user.
        if same or option == SHARD or (old is None and option.startswith("user.")):
            del noted[option]
    plan = {"set": {option: change["new"] for option, change in changes.items()}, "reset": []}
    strangers = False
    for option in [option for option in before if option not in wanted]:
        if option not in current or differ(current, {option: before[option]["new"]}):
            strangers = True
            continue
        changes[option] = {"old": current[option], "new": before[option]["old"]}
        if before[option]["old"] is None:
            plan["reset"].append(option)
        else:
            plan["set"][option] = before[option]["old"]
    if noted != before:
        plan["set"][NOTE] = _note(noted)
        if strangers:
            changes[NOTE] = {"old": current[NOTE], "new": plan["set"][NOTE]}
    return {"changes": changes, "set": plan["set"], "reset": sorted(plan["reset"])}


def _noted(text):
    """
    A note as ``{option: {"old": ..., "new": ...}}``. What cannot be read is nothing that the formula has set.
    """
    parts = re.findall(r"([^,=:]+)=([^,=:]*):([^,=:]*)", text)
    return {unquote(option): {"old": unquote(old) or None, "new": unquote(new)} for option, old, new in parts}


def _note(noted):
    text = ",".join(
        f"{quote(option)}={quote(note['old'] or '')}:{quote(note['new'])}" for option, note in noted.items()
    )
    if len(text) > LONGEST:
        raise SaltInvocationError(
            f"options: what {len(noted)} options were before takes {len(text)} characters to note, and Gluster bears "
            f"{LONGEST} in {NOTE}: set those with the longest values by hand"
        )
    return text or EMPTY


def options_apply(name, plan, timeout=120):
    """
    Carry out for a volume what :func:`options_plan` returned: one process for all that is set, one for each that is
    reset.

    name
        The volume (string).

    plan
        What is to be set (``set``, dict) and reset (``reset``, list).

    timeout
        See ``gluster.volume_set``.

    Returns True.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.options_apply one_vol '{set: {user.note: hello}, reset: [network.ping-timeout]}'
    """
    # The note last: whatever ends this before, it still says what is to be put back.
    for option in plan["reset"]:
        __salt__["gluster.volume_reset"](name, option, timeout=timeout)
    if plan["set"]:
        __salt__["gluster.volume_set"](name, plan["set"], timeout=timeout)
    return True


def volume_users(names):
    """
    What has volumes open besides Gluster itself.

    names
        The volumes (list of strings). One that is not there, or not started, has no users.

    Returns a list of sentences, empty when there is nothing. What cannot be asked just now, because another command of
    the pool has Gluster's lock, is a sentence, too.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.volume_users '[one_vol]'
    """
    info = __salt__["gluster.volume_info"]()
    found = []
    for name in names:
        if info.get(name, {}).get("status") == "Started":
            try:
                clients = _clients(name, info[name]["bricks"])
            except CommandExecutionError as exc:
                found.append(str(exc))
                continue
            others = sorted(clients - OWN_CLIENTS)
            found += [f"volume {name} has clients: {', '.join(others)}"] if others else []
    return found


def _clients(name, bricks):
    """
    What has a volume open, by the names that clients give themselves: ``fuse`` is a mount, ``gfapi.`` and a program one
    that opens it natively. The command's numbers are wrong, and its XML has nothing of this (Gluster 10.3).
    """
    found = _client_list(name)
    if found is None:  # on some brick, at least
        found = set().union(*(_client_list(name, brick) or () for brick in bricks))
    return found


def _client_list(*words):
    """
    What one command says; None where a brick of another server has no clients, which the command takes for a failure.
    """
    command = [salt.utils.path.which("gluster"), "--mode=script", "volume", "status", *words, "client-list"]
    done = __salt__["cmd.run_all"](command, python_shell=False, ignore_retcode=True, timeout=130)
    said = f"{done['stdout']} {done['stderr']}"
    if done["retcode"] != 0 and "Commit failed" not in said:
        raise CommandExecutionError(f"gluster {' '.join(command[2:])}: {' '.join(said.split())}")
    return set(re.findall(r"^(\S+) +\d+ *$", done["stdout"], re.MULTILINE)) if done["retcode"] == 0 else None
