#!py
"""
This minion's part in the formula, for the SLS files: the pillar, checked, with defaults and the system's values.

Salt syncs custom modules by itself only for a highstate. So that the first `state.apply gluster_one` finds them too,
and one after an update the new ones, the first SLS file of a run syncs those that differ from what modules.sha256 says.
"""

import os

from salt.loader import minion_mods, utils  # the name salt is __salt__ in this file
from salt.utils.hashutils import get_hash


def run():
    pillar = __pillar__.get("gluster_one") or {}
    stale = _stale()
    for kind in stale:
        __salt__[f"saltutil.sync_{kind}"](refresh=False)
    if stale:
        # The beacon lives in the minion's own process, which would go on with the modules that it has loaded.
        __salt__["saltutil.refresh_modules"]()
    # What came only now is not among the functions that this run of states began with.
    reload = bool(stale) or "gluster_one_run.shared" not in __salt__
    for table in ("os.yaml", "findings.yaml"):  # gluster_system reads the copies, between the runs, too
        __salt__["cp.cache_file"](f"salt://gluster_one/{table}", saltenv=__env__)
    functions = minion_mods(__opts__, utils=utils(__opts__)) if reload else __salt__
    left = _stale() if stale else []
    node = {"errors": [_mixed(left)]} if left else functions["gluster_one_pillar.node"](pillar=pillar)
    # Kept where the other SLS files of this run look, or they would not know that there is something to reload.
    keep = __salt__ if "gluster_one_run.shared" in __salt__ else functions
    return keep["gluster_one_run.shared"](pillar, {"reload": reload, "node": node})


def _mixed(kinds):
    """
    Why this is not to be run: the modules that the minion gets, which are those of its top file's environments, are of
    another version than these SLS files.
    """
    minion = __grains__["id"]
    return (
        f"{', '.join(kinds)} on this minion are not those of saltenv {__env__}: sync them, `salt {minion} "
        f"saltutil.sync_all saltenv={__env__}`; after a change of your own write the checksums, "
        "`python3 -m lab.stamp` in the clone"
    )


def _stale():
    """
    The kinds of modules of which this minion has others, or none.
    """
    stale = set()
    for line in __salt__["cp.get_file_str"]("salt://gluster_one/modules.sha256", saltenv=__env__).splitlines():
        checksum, path = line.split()
        kind, name = path[1:].split("/")
        here = os.path.join(__opts__["extension_modules"], kind, name)
        if not os.path.exists(here) or get_hash(here) != checksum:
            stale.add(kind)
    return sorted(stale)
