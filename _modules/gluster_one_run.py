"""
What the SLS files of one run share
===================================

A module of its own, because it is asked before the others are synced: those must not be loaded then.
"""

import time

__virtualname__ = "gluster_one_run"

# Seconds between two SLS files of one run, at most.
APART = 10


def __virtual__():
    return __virtualname__


def shared(pillar, part=None):
    """
    What the first SLS file of a run has worked out, so that the others need neither do that nor sync the modules.

    pillar
        The value of the pillar key ``gluster_one`` (dict).

    part
        What they share (dict): it is kept. Default: what was kept is asked for.

    Returns it; None when nothing was kept for this pillar in the last 10 s. A run that comes later works it out anew.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one_run.shared '{}'
    """
    kept = __context__.get("gluster_one_run.shared")
    if part is None:
        part = kept["part"] if kept and kept["pillar"] == pillar and time.monotonic() - kept["at"] < APART else None
    if part is not None:
        __context__["gluster_one_run.shared"] = {"pillar": pillar, "part": part, "at": time.monotonic()}
    return part
