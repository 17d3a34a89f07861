"""
What has broken or changed on this node
=======================================

Calls ``gluster_one.check`` at an interval and fires when a finding appears, when it goes, and, more and more
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

import salt.utils.beacons

log = logging.getLogger(__name__)

__virtualname__ = "gluster_one"

# Seconds that the minion waits for a check; one that takes longer is asked again at the next interval.
PATIENCE = 2
LONGEST_REMINDER = 3600


def __virtual__():
    return __virtualname__


def validate(config):
    """
    Whether the beacon's configuration is a list of dicts with a ``node`` that is one, and any interval a number.

    config
        The configuration (list of dicts).

    Returns a tuple of a bool and a sentence. Salt leaves out a beacon whose configuration is refused here; one with an
    interval that is no number would end all others.
    """
    configure = "let the formula gluster_one configure the beacon"
    if not isinstance(config, list) or not all(isinstance(part, dict) for part in config):
        return False, f"a list of dicts is needed: {configure}"
    settings = salt.utils.beacons.list_to_dict(config)
    if not isinstance(settings.get("node"), dict) or not settings["node"]:
        return False, f"node is {settings.get('node')!r}, a dict is needed: {configure}"
    if not isinstance(settings.get("interval", 1), (int, float)):
        return False, f"interval is {settings['interval']!r}, a number of seconds is needed: {configure}"
    return True, "Valid beacon configuration"


def beacon(config):
    """
    Check, and fire what has changed.

    config
        The configuration (list of dicts).

    Returns an empty list, or a list of one dict::

        {"tag": "changed", "found": [{"kind": "mount_dead", "on": ...}, ...], "gone": [{"kind": ..., "on": ...}]}
    """
    try:
        return _beacon(config)
    except Exception:  # pylint: disable=broad-except
        # One that raises ends all beacons of the minion.
        log.exception("gluster_one: the beacon could not check")
        return []


def _beacon(config):
    settings = salt.utils.beacons.list_to_dict(config)
    watch = __context__.setdefault("gluster_one", {"known": {}, "look": None})
    late = watch["look"]
    if late and late.is_alive():
        return []
    look = watch["look"] = _Look(settings["node"])
    look.start()
    # The minion does nothing else meanwhile: a check that hangs must not hang it.
    look.join(PATIENCE)
    if not look.is_alive():
        watch["look"] = None
    elif late:  # what came too late for its own turn is outdated, except for what still hangs
        look = late
    else:
        return []
    if look.at < _last_run():  # what it has seen may have been repaired since
        return []
    # Salt takes the beacon's own interval out of what it hands over.
    event = _event(watch, look, settings["node"]["beacon"]["interval"], time.monotonic())
    if not event:
        return []
    try:
        # What was seen already: a second check here could hang the minion, which that one could not.
        names = settings["node"].get("names")
        __salt__["mine.send"]("gluster_one.findings", found=event["found"], at=look.at, names=names)
    except Exception as exc:  # pylint: disable=broad-except
        log.warning("gluster_one: the findings did not reach the master's mine: %s", exc)
    return [event]


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
    One check of this node, in a thread of its own.
    """

    def __init__(self, node):
        super().__init__(daemon=True)
        self.node, self.findings, self.at = node, None, time.time()
        self.check = __salt__["gluster_one.check"]

    def run(self):
        try:
            # From what this node has, without a gluster process: those take the pool's lock, and hang with it.
            self.findings = self.check(pool=False, heal=False, node=self.node)
        except Exception:  # pylint: disable=broad-except
            log.exception("gluster_one: the check of this node failed")


def _event(watch, look, interval, now):
    """
    What is to be fired after a check, or None; what is known is kept for the next.
    """
    if look.findings is None:
        return None
    found = {(finding["kind"], finding["on"]): finding for finding in look.findings}
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
