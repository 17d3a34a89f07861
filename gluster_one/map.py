#!py
"""
This minion's part in the formula, for the SLS files: the pillar, checked, with defaults and the system's values.

Salt syncs custom modules by itself only for a highstate. So that the first `state.apply gluster_one` finds them too,
and an edited one takes effect at once, the kinds that the formula is made of are synced here, by the first SLS file of
a run: nothing is transferred when nothing changed, but the master is asked about each file.
"""

from salt.loader import minion_mods  # the name salt is __salt__ in this file

# One function of each module: a run that does not list it was begun before that module came, and has to list them anew.
LISTED = (
    "gluster.group_options",
    "gluster.option_changes",
    "gluster.volume_info",
    "gluster.volume_start",
    "gluster_mount.changes",
    "gluster_mount.link_changes",
    "gluster_one.mount_health",
    "gluster_one.native_read",
    "gluster_one.report",
    "gluster_one.said",
    "gluster_one.volume_options",
    "gluster_one_pillar.node",
    "gluster_one_pillar.system",
    "gluster_one_run.shared",
    "glusterd.options",
    "glusterd.peers",
    "one_datastore.template",
    "one_datastore_check.compare",
    "opennebula.datastore_list",
    "opennebula.image_list",
    "opennebula_api.call",
)


def run():
    pillar = __pillar__.get("gluster_one") or {}
    kept = __salt__["gluster_one_run.shared"](pillar) if "gluster_one_run.shared" in __salt__ else None
    if kept:
        return kept
    __salt__["saltutil.sync_modules"](refresh=False)
    __salt__["saltutil.sync_states"](refresh=False)
    if __salt__["saltutil.sync_beacons"](refresh=False):
        __salt__["saltutil.refresh_beacons"]()
    reload = any(function not in __salt__ for function in LISTED)
    __salt__["cp.cache_file"]("salt://gluster_one/os.yaml")
    functions = minion_mods(__opts__) if reload else __salt__
    node = functions["gluster_one_pillar.node"](pillar=pillar)
    return functions["gluster_one_run.shared"](pillar, {"reload": reload, "node": node, **node})
