"""
What the SLS files of one run share
===================================

A module of its own, because it is asked before the others are synced: those must not be loaded then.
"""

import time

__virtualname__ = "gluster_one_run"


def __virtual__():
    return __virtualname__


def shared(pillar, part=None):
    """
    What the first SLS file of a run has computed, so that the others neither compute it nor sync the modules.

    pillar
        The value of the pillar key ``gluster_one`` (dict).

    part
        What they share (dict): it is kept. Default: what was kept is asked for.

    Returns it; None when nothing was kept for this pillar. Each run has a copy of the minion's ``__context__``, so
    nothing of one run is there in the next.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one_run.shared '{}'
    """
    if part is not None:
        # In a run that syncs this module the next SLS file may still call the former one: that looks for ``at``.
        __context__["gluster_one_run.shared"] = {"pillar": pillar, "part": part, "at": time.monotonic()}
    kept = __context__.get("gluster_one_run.shared") or {}
    return kept["part"] if kept.get("pillar") == pillar else None


def to_come(keys=None):
    """
    What a run with ``test=True`` would have installed before the state that asks.

    keys
        What it would install (list of strings): keys of ``os.yaml``, or ``pyone``. Default: nothing more.

    Returns a list of all of them so far.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one_run.to_come
    """
    kept = __context__.setdefault("gluster_one_run.to_come", [])
    kept.extend(keys or [])
    return kept
