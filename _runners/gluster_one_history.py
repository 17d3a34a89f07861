"""
What the reactor has repaired
=============================

More of the runner ``gluster_one``: Salt joins modules of one virtual name. Each repair is recorded in the master's
cache, a few of each minion: Salt's job cache keeps a job for a day, and to find the repairs in it all of its jobs would
have to be read. What a minion has said stands there as a cleaned text.
"""

import logging
import time

from salt.exceptions import SaltInvocationError

log = logging.getLogger(__name__)

__virtualname__ = "gluster_one"

BANK = "gluster_one/repairs"
# Repairs of one minion that are kept, and what is kept of each: things that it was about, characters of a text.
KEPT, ABOUT, TEXT = 100, 3, 300
# So many repairs of one kind of finding on one minion, within so many seconds, are a finding.
FLAPS, WITHIN = 3, 86400


def __virtual__():
    return __virtualname__


def history(target="*", days=7):
    """
    Show what the reactor has repaired, and what it could not, the latest first: where, what, how often and when.

    target
        Which minions (string, a glob, default ``*``).

    days
        How many days back (number above 0, default 7). Of each minion the last hundred repairs are kept.

    On a terminal it is a table with a row for each minion and kind of finding, marked with ``!`` where the same was
    repaired three times or more within the last 24 hours; ``--out json`` has each repair. ``did`` is ``repaired``,
    ``failed`` or ``gave_up``, with ``why``; ``jid`` is the job, which Salt's job cache has for a day, ``seconds`` what
    it took::

        {"repairs": [{"minion": "kvm2", "kind": "mount_dead", "on": ["/var/lib/gluster_one/one_vol"],
                      "at": 1764500000.0, "did": "repaired", "why": None, "sls": "gluster_one.mount",
                      "jid": "20251130120000000000", "seconds": 2.1}], "flapping": {"kvm2": {"mount_dead": 3}}}

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.history
    """
    if type(days) not in (int, float) or not days > 0:
        raise SaltInvocationError(f"days is {days!r}: a number above 0 is needed, such as 7")
    minions = __salt__["gluster_one.accepted"](target)
    if not minions:
        more = __salt__["gluster_one.below"]()
        raise SaltInvocationError(f"target is {target!r}: no accepted minion of that name, see `salt-key`{more}")
    begin, known = time.time() - days * 86400, _recorded(minions)
    found = [{"minion": minion, **one} for minion, repairs in known.items() for one in repairs if one["at"] >= begin]
    found.sort(key=lambda one: -one["at"])
    flaps = {minion: {kind: len(those) for kind, those in _flaps(repairs).items()} for minion, repairs in known.items()}
    flaps = {minion: kinds for minion, kinds in flaps.items() if kinds}
    return {"data": {"repairs": found, "flapping": flaps}, "outputter": "gluster_one"}


def flapping(minions):
    """
    A finding for each kind of finding that the reactor has to repair on a node again and again.

    minions
        The minions (list).

    Returns a dict of lists of dicts by minion, without those that have none.

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.flapping '[kvm2]'
    """
    table, found = __salt__["gluster_one.kinds"](), {}
    for minion, repairs in _recorded(minions).items():
        for kind, those in _flaps(repairs).items():
            on = ", ".join(those[-1]["on"])
            ago = max(0, round((time.time() - those[-1]["at"]) / 60))
            one = {
                "kind": "flapping", "on": kind, "expected": f"fewer than {FLAPS} repairs within 24 hours",
                "seen": f"repaired {len(those)} times within 24 hours, last {ago} min ago" + (f": {on}" if on else ""),
                "severity": table["flapping"]["severity"],
            }  # fmt: skip
            one["cure"] = __salt__["gluster_one.cure"](one, minion)
            column = table.get(kind, {}).get("column")
            found.setdefault(minion, []).append({**one, "column": column} if column else one)
    return found


def record_repairs(minion, repairs):
    """
    Record what was done about a minion's findings.

    minion
        The minion (string). Whoever calls it holds the minion's lock.

    repairs
        What was done about each kind of finding, as :func:`history` has it, without when (list of dicts).

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.record_repairs kvm2 '[]'
    """
    cache, now = __salt__["gluster_one.cache"](), time.time()
    new = [
        {
            "at": now, "seconds": None, "sls": None, "jid": None, **one,
            "on": [_visible(on) for on in one["on"][:ABOUT]], "why": one.get("why") and _visible(one["why"]),
        }
        for one in repairs
    ]  # fmt: skip
    cache.store(BANK, minion, [*_of(minion, cache), *new][-KEPT:])


def forget_repairs(minion):
    """
    Forget what was recorded of a minion.

    minion
        The minion (string).

    Returns whether something was (bool).

    CLI Example:

    .. code-block:: bash

        salt-run gluster_one.forget_repairs kvm2
    """
    cache = __salt__["gluster_one.cache"]()
    known = bool(_of(minion, cache))
    cache.flush(BANK, minion)
    return known


def _recorded(minions):
    """
    What is recorded of these minions, oldest first, without those of which nothing is.
    """
    cache = __salt__["gluster_one.cache"]()
    there = set(cache.list(BANK))
    return {minion: _of(minion, cache) for minion in sorted(there.intersection(minions))}


def _of(minion, cache):
    try:
        known = cache.fetch(BANK, minion)
    except Exception as exc:  # pylint: disable=broad-except
        # A power failure may leave an empty file; no status and no repair fails for that.
        log.warning("gluster_one: what was repaired on %s cannot be read: %s", minion, exc)
        known = []
    return known if isinstance(known, list) else []


def _flaps(repairs):
    """
    Of what one minion had repaired that which was so too often, by kind.
    """
    now, of = time.time(), {}
    for one in repairs:
        if one["did"] == "repaired" and 0 <= now - one["at"] < WITHIN:
            of.setdefault(one["kind"], []).append(one)
    return {kind: those for kind, those in of.items() if len(those) >= FLAPS}


def _visible(said):
    return __salt__["gluster_one.visible"](said, TEXT)
