"""
What OpenNebula makes of the datastores
=======================================

More functions of the execution module ``gluster_one``: Salt joins modules of one virtual name.
"""

import time

from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "gluster_one"


def __virtual__():
    return __virtualname__


def datastore_report(node, heal=True):
    """
    The datastores as the head sees them.

    node
        The head's part (dict of ``gluster_one_pillar.node``).

    heal
        Look for images that cannot be opened natively, too (bool, default True).

    Returns a dict: ``datastores`` as ``gluster_one.report`` has them, ``hosts``, the names of OpenNebula's hosts in
    their clusters that are not off, and ``findings``, each a list of kind, what it is about, seen, expected, cure and
    severity::

        {"datastores": {"glusterds": {"id": 101, ...}}, "hosts": ["kvm1", "kvm2"], "findings": []}

    CLI Example:

    .. code-block:: bash

        salt head gluster_one.datastore_report '{id: head, volumes: {}, opennebula: {}}'
    """
    seen = {"datastores": {}, "hosts": [], "findings": []}
    run = f"look at {time.time()}"  # OpenNebula is asked once for all datastores, and each mount looked at once
    # What this node's pillar says of OpenNebula is not repeated to the functions that ask: they read it themselves.
    try:
        clusters = set()
        for name, volume in node["volumes"].items():
            ids, space = _mounted(seen, volume)
            for store in volume["datastores"]:
                current = _current(seen, node, name, store, run)
                if current:
                    clusters.update(current["clusters"])
                    seen["findings"] += _identifier(node, ids, store, current) + _size(space, store, current)
        if clusters:
            there = _asked(seen, "OpenNebula's hosts", "opennebula.host_list", run=run)
            seen["hosts"] = sorted(host["name"] for host in there if host["cluster"] in clusters and not host["off"])
        if heal:
            seen["findings"] += _images(seen)
    except CommandExecutionError as exc:
        if not _away(exc):
            raise
        seen["findings"].append(["oned_away", "OpenNebula", str(exc), "oned answers", "see what it says", "error"])
    return seen


def _mounted(seen, volume):
    """
    What the head left on a volume, and its space; None for both where it is not mounted or cannot be looked at.
    """
    try:
        if __salt__["gluster_one.mount_health"](volume["mount"])["state"] == "alive":
            ids = __salt__["gluster_one_ids.datastore_ids"](volume["mount"], kept=False)
            return ids, __salt__["gluster_one.space"](volume["mount"])
    except CommandExecutionError as exc:
        for store in volume["datastores"]:
            _wrong(seen, store, exc)
    return None, None


def _asked(seen, on, function, **arguments):
    """
    What a function returns; an empty list and a finding where it fails, so that what was found before is not lost.
    """
    try:
        return __salt__[function](**arguments)
    except CommandExecutionError as exc:
        if _away(exc):
            raise
        seen["findings"].append(["check_failed", on, str(exc), "an answer", "see what it says", "error"])
        return []


def _wrong(seen, store, exc):
    what, expected = str(exc), "what the pillar says"
    seen["findings"].append(["datastore_wrong", store, what, expected, "see what it says", "error"])


def _away(exc):
    """
    Whether oned did not answer, or not to these credentials: what opennebula_api raises has oned's code, which is None
    or 256 then.
    """
    return getattr(exc, "code", 0) in (None, 256)


def _current(seen, node, name, store, run):
    """
    A datastore as it is, None where it is not there or refused; what is found of it is added.
    """
    volume, cure = node["volumes"][name], f"salt {node['id']} state.apply gluster_one.datastore"
    planned = [{**settings, "name": other} for other, settings in volume["datastores"].items()]
    arguments = {**volume["datastores"][store], "mount": volume["mount"]}
    try:
        found = __salt__["one_datastore_check.compare"](store, arguments, planned=planned, run=run)
    except (CommandExecutionError, SaltInvocationError) as exc:
        if _away(exc):
            raise
        _wrong(seen, store, exc)
        return None
    current = found["current"]
    if not current:
        what, again = "OpenNebula has no such datastore", f"{cure}, if nobody meant it"
        seen["findings"].append(["datastore_gone", store, what, "it is there", again, "error"])
        return None
    differing = ", ".join(f"{key} is {change['old']}" for key, change in found["changes"].items())
    expected = ", ".join(str(change["new"]) for change in found["changes"].values())
    if differing:
        seen["findings"].append(["datastore", store, differing, expected, cure, "error"])
    seen["datastores"][store] = {
        "id": current["id"],
        "type": current["type"],
        "drivers": f"{current['ds_mad'] or '-'}/{current['tm_mad']}",
        "total_mb": current["total_mb"],
        "volume": name,
    }
    return current


def _identifier(node, ids, store, current):
    """
    The head has left the datastore's identifier on the volume for the other nodes.
    """
    if ids is None or ids.get(store) == current["id"]:
        return []
    what, cure = f"its identifier on the volume is {ids.get(store)}", f"salt {node['id']} state.apply"
    return [["link", store, what, str(current["id"]), f"{cure} gluster_one.datastore", "error"]]


def _size(space, store, current):
    """
    The size that OpenNebula sees is the volume's, not that of a local disk; it looks each 300 s.
    """
    if not space or not current["total_mb"] or abs(current["total_mb"] - space["total_mb"]) <= space["total_mb"] / 20:
        return []
    what, expected = f"OpenNebula sees {current['total_mb']} MB", f"{space['total_mb']} MB, the volume's size"
    return [["datastore_size", store, what, expected, f"ls -l {current['base_path']} on the head", "warning"]]


def _images(seen):
    """
    Images that cannot be opened natively.
    """
    found = []
    for image in _asked(seen, "OpenNebula's images", "gluster_native.images"):
        on = f"{image['datastore']}: {image['what']} {image['id']} ({image['name']}, {image['owner']})"
        found.append(["image", on, image["problem"], "it opens over gluster://", image["cure"], "warning"])
    return found
