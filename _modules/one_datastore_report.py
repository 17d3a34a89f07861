"""
The head's look at the datastores of the pillar
===============================================

Each as OpenNebula has it, against the pillar and the volume. Nothing is changed.
"""

import time

from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "one_datastore_report"

MOST_IMAGES = 500
EVERYWHERE = "VMs start with it anywhere and read all of it"


def __virtual__():
    return __virtualname__


def report(node, heal=True):
    """
    The datastores of the pillar as the head sees them.

    node
        This node's part (dict of ``gluster_one_pillar.node``).

    heal
        Look for images that QEMU cannot open, too (bool, default True).

    Returns a dict: ``datastores`` as ``gluster_one.report`` has them, ``hosts``, the names of OpenNebula's hosts in
    their clusters that are not off, and ``findings``, each a list of kind, what it is about, seen, expected and cure.
    Where oned does not answer, that is one of them.

    CLI Example:

    .. code-block:: bash

        salt head one_datastore_report.report '{id: head, volumes: {}}'
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
                    clusters.update(current["clusters"] or ())
                    seen["findings"] += _identifier(node, ids, store, current) + _size(space, store, current)
        names = [store for volume in node["volumes"].values() for store in volume["datastores"]]
        for store, current in __salt__["gluster_one_ids.dropped"](names, run=run).items():
            what = f"a run has made it ({current['id']}), and the pillar no longer has it: new nodes do not link it"
            cure = "put it back into the pillar, or delete it if it is empty: docs/changes.md, A datastore dropped"
            seen["findings"].append(["datastore_left", store, what, "in the pillar, or deleted", cure])
        if clusters:
            there = _asked(seen, "OpenNebula's hosts", "opennebula.host_list", run=run)
            seen["hosts"] = sorted(host["name"] for host in there if host["cluster"] in clusters and not host["off"])
        if heal:
            seen["findings"] += _images(node, seen)
    except CommandExecutionError as exc:
        if not _away(exc):
            raise
        seen["findings"].append(["oned_away", "OpenNebula", str(exc), "oned answers", "see what it says"])
    return seen


def _mounted(seen, volume):
    """
    What the head wrote to a volume, and its space; None for both where it is not mounted or cannot be read.
    """
    try:
        if __salt__["gluster_mount.mount_health"](volume["mount"])["state"] == "alive":
            ids = __salt__["gluster_one_ids.published_ids"](volume["mount"], kept=False)
            return ids, __salt__["gluster_mount.space"](volume["mount"])
    except CommandExecutionError as exc:
        for store in volume["datastores"]:
            _wrong(seen, store, exc)
    return None, None


def _asked(seen, on, function, **arguments):
    """
    What a function returns; an empty list and a finding where it fails, so that earlier findings are not lost.
    """
    try:
        return __salt__[function](**arguments)
    except (CommandExecutionError, OSError) as exc:
        if _away(exc):
            raise
        seen["findings"].append(["check_failed", on, str(exc), "an answer", "see what it says"])
        return []


def _wrong(seen, store, exc):
    what, expected = str(exc), "what the pillar says"
    seen["findings"].append(["datastore_wrong", store, what, expected, "see what it says"])


def _away(exc):
    """
    Whether oned did not answer, or rejected the credentials: what opennebula_api raises has oned's code, which is None
    or 256 then.
    """
    return getattr(exc, "code", 0) in (None, 256)


def _current(seen, node, name, store, run):
    """
    A datastore as it is, None where it does not exist or is rejected; its findings are added.
    """
    volume, cure = node["volumes"][name], f"salt {node['id']} state.apply gluster_one.datastore"
    planned = [{**settings, "name": other} for other, settings in volume["datastores"].items()]
    arguments = {**volume["datastores"][store], "mount": volume["mount"]}
    try:
        found = __salt__["one_datastore.compare"](store, arguments, planned=planned, run=run)
    except (CommandExecutionError, SaltInvocationError) as exc:
        if _away(exc):
            raise
        _wrong(seen, store, exc)
        return None
    current = found["current"]
    if not current:
        what, again = "OpenNebula has no such datastore", f"{cure}, if nobody deleted it on purpose"
        seen["findings"].append(["datastore_gone", store, what, "it is there", again])
        return None
    differing = ", ".join(f"{key} is {change['old']}" for key, change in found["changes"].items())
    expected = ", ".join(str(change["new"]) for change in found["changes"].values())
    if differing:
        seen["findings"].append(["datastore", store, differing, expected, cure])
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
    The head has written the datastore's identifier to the volume for the other nodes.
    """
    if ids is None or ids.get(store) == current["id"]:
        return []
    what, cure = f"its identifier on the volume is {ids.get(store)}", f"salt {node['id']} state.apply"
    return [["link", store, what, str(current["id"]), f"{cure} gluster_one.datastore"]]


def _size(space, store, current):
    """
    The size that OpenNebula sees is the volume's, not that of a local disk; it measures every 300 s.
    """
    if not current["total_mb"] or __utils__["one_datastore_rules.is_size"](current["total_mb"], space):
        return []
    what, expected = f"OpenNebula sees {current['total_mb']} MB", f"{space['total_mb']} MB, the volume's size"
    path, cure = current["base_path"], f"see BASE_PATH in `onedatastore show {current['id']}`, which is an odd path"
    cure = f"ls -ld {path} on the head" if __utils__["gluster_process.is_plain"](path) else cure
    return [["datastore_size", store, what, expected, cure]]


def _images(node, seen):
    """
    Images that cannot be opened natively, or natively alone where VMs have files; of many only how many more. The
    master takes a thousand findings of a node.
    """
    found = []
    images = _asked(seen, "OpenNebula's images", "gluster_native.images")
    for image in images[:MOST_IMAGES]:
        what = image["what"]
        if what == "disk":
            what = "a disk of VM" if image["disk"] is None else f"disk {image['disk']} of VM"
        on = f"{image['datastore']}: {what} {image['id']} ({image['name']}, {image['owner']})"
        found.append(["image", on, image["problem"], EVERYWHERE, image["cure"]])
    if images[MOST_IMAGES:]:
        count = len(images[MOST_IMAGES:])
        cure = f"salt {node['id']} gluster_one.images"
        found.append(["image", f"{count} more images and disks", "that command names them", EVERYWHERE, cure])
    return found
