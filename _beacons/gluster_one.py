"""
What has broken or drifted on this node
=======================================

Looks with ``gluster_one.check`` at an interval and fires when a finding appears, when it goes, and, more and more
seldom, while it stays, in case an event was lost. The formula configures it from the pillar::

    beacons:
      gluster_one:
        - interval: 60
        - node: {...}     # what gluster_one_pillar.node returned at the last run of the formula

The event ``salt/beacon/<minion>/gluster_one/changed`` names what was found and what has gone. It is a hint only, since
any minion may send any event: what the master acts on is in the mine, under the minion's own key.
"""

import logging
import os
import threading
import time

log = logging.getLogger(__name__)

__virtualname__ = "gluster_one"

# Seconds that the minion waits for a look; one that takes longer is asked again at the next interval.
PATIENCE = 2
# Seconds between two looks of a coordinator at the pool, which take Gluster's lock for a moment: who sets an option
# meanwhile fails. While others change something it gives way, for as many times as long.
POOL_EVERY, POOL_PATIENCE = 59, 5
# Seconds after a change of a volume in which another is likely.
CALM = 10
# Of so many looks at the pool one counts what waits to be healed, which costs most.
HEAL_EVERY = 10
HEAL_KINDS = ("heal", "split_brain", "image")
LONGEST_REMINDER = 3600


def __virtual__():
    return __virtualname__


def validate(config):
    """
    Whether the beacon's configuration is a list with ``node`` in it.

    config
        The configuration (list of dicts).

    Returns a tuple of a bool and a sentence.
    """
    if not isinstance(config, list) or not any(isinstance(part, dict) and part.get("node") for part in config):
        return False, "node is missing: let the formula gluster_one configure the beacon"
    return True, "Valid beacon configuration"


def beacon(config):
    """
    Look, and fire what has changed.

    config
        The configuration (list of dicts).

    Returns an empty list, or a list of one dict::

        {"tag": "changed", "found": [{"kind": "mount_dead", "on": ...}, ...], "gone": [{"kind": ..., "on": ...}]}
    """
    try:
        return _beacon(config)
    except Exception:  # pylint: disable=broad-except
        # One that raises ends all beacons of the minion.
        log.exception("gluster_one: the beacon could not look")
        return []


def _beacon(config):
    settings = {key: value for part in config for key, value in part.items()}
    watch = __context__.setdefault("gluster_one", {"pools": 0, "pool": 0, "known": {}, "look": None})
    late = watch["look"]
    if late and late.is_alive():
        return []
    pool = _pool_due(watch, time.time())
    look = watch["look"] = _Look(settings["node"], pool=pool, heal=pool and watch["pools"] % HEAL_EVERY == 0)
    look.start()
    # The minion does nothing else meanwhile: a look that hangs must not hang it.
    look.join(PATIENCE)
    if not look.is_alive():
        watch["look"] = None
    elif late:  # what came too late for its own turn is out of date, but for what hangs still
        look = late
    else:
        return []
    if look.at < _last_run():  # what it has seen may have been put right since
        return []
    watch["pools"] += look.pool
    # Salt takes the beacon's own interval out of what it hands over.
    event = _event(watch, look, settings["node"]["beacon"]["interval"], time.monotonic())
    if not event:
        return []
    try:
        # What was seen already: a second look here would hang the minion, where that one could not.
        __salt__["mine.send"]("gluster_one.findings", found=event["found"], at=look.at)
    except Exception as exc:  # pylint: disable=broad-except
        log.warning("gluster_one: the findings did not reach the master's mine: %s", exc)
    return [event]


def _pool_due(watch, now):
    """
    Whether this look is one at the pool, too; keeps when it was.
    """
    calm = now - __salt__["glusterd.last_change"]() >= CALM
    due = now >= watch["pool"] + POOL_EVERY * (1 if calm else POOL_PATIENCE)
    due = due or _last_run() > watch["pool"]  # what was found there may have been put right
    watch["pool"] = now if due else watch["pool"]
    return due


def _last_run():
    """
    When SLS files were last applied to this node: ``state.apply`` keeps its result there at its end.
    """
    try:
        return os.path.getmtime(os.path.join(__opts__["cachedir"], "sls.p"))
    except OSError:
        return 0


class _Look(threading.Thread):
    """
    One look at this node, in a thread of its own.
    """

    def __init__(self, node, pool, heal):
        super().__init__(daemon=True)
        self.node, self.pool, self.heal, self.findings, self.at = node, pool, heal, None, time.time()
        self.check = __salt__["gluster_one.check"]

    def run(self):
        try:
            self.findings = self.check(pool=self.pool, heal=self.heal, node=self.node)
        except Exception:  # pylint: disable=broad-except
            log.exception("gluster_one: the look at this node failed")


def _event(watch, look, interval, now):
    """
    What is to be fired after a look, or None; what is known is kept for the next.
    """
    if look.findings is None:
        return None
    found = {(finding["kind"], finding["on"]): finding for finding in look.findings}
    for key, known in watch["known"].items():
        # What this look was none at is still as it was.
        if not look.heal and key[0] in HEAL_KINDS or not look.pool and "volume" in known["finding"]:
            found.setdefault(key, known["finding"])
    known, fire = {}, False
    for key, finding in found.items():
        before = watch["known"].get(key)
        pause = before["pause"] if before else interval
        if before is None or now >= before["remind"]:
            fire = True
            pause = min(pause * 2, LONGEST_REMINDER)
            known[key] = {"finding": finding, "pause": pause, "remind": now + pause}
        else:
            known[key] = {**before, "finding": finding}
    gone = [{"kind": kind, "on": on} for kind, on in watch["known"] if (kind, on) not in found]
    watch["known"] = known
    return {"tag": "changed", "found": list(found.values()), "gone": gone} if fire or gone else None
