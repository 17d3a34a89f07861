"""
Which datastores may go
=======================

What has to be known before datastores of OpenNebula are deleted: whether they are those that are meant, and whether
anything is on them. ``connection`` is that of the execution module ``opennebula``.
"""

import os

__virtualname__ = "one_datastore_clean"

# OpenNebula's own datastores have identifiers below this one.
FIRST = 100


def __virtual__():
    return __virtualname__


def look(volume, datastores, mount=None, datastores_dir="/var/lib/one/datastores", **connection):
    """
    What is left of a volume's datastores, and what speaks against deleting them.

    All arguments are those of the state ``gluster_one.one_datastores_absent``, with ``volume`` for its name.

    Returns a dict: sentences against it, what would change, the datastores to delete, the names whose identifiers are
    on the mounted volume, and OpenNebula's own datastores, which stay::

        {"blockers": ["datastore glusterds (101) has 3 images and 0 machines: ..."],
         "changes": {"glusterds": {"old": 101, "new": None}}, "there": {"glusterds": 101}, "left": ["glusterds"],
         "own": {}}

    CLI Example:

    .. code-block:: bash

        salt head one_datastore_clean.look one_vol '{glusterds: {}}' mount=/var/lib/one/datastores/0
    """
    stores = __salt__["opennebula.datastore_list"](**connection)
    found = {"blockers": [], "changes": {}, "there": {}, "left": [], "own": {}}
    meant = {}
    for name, settings in datastores.items():
        same = _meant(stores, name, (settings or {}).get("datastore_id"))
        if len(same) > 1:
            ids = " and ".join(str(store["id"]) for store in same)
            found["blockers"].append(f"there is more than one datastore {name} ({ids}): give datastore_id")
        if len(same) != 1:
            continue
        store = same[0]
        meant[store["id"]] = name
        found["own" if store["id"] < FIRST else "there"][name] = store["id"]
        found["blockers"] += _another(store, volume, settings or {})
    found["changes"] = {name: {"old": number, "new": None} for name, number in found["there"].items()}
    for store in stores:
        if store["id"] in meant or _on_volume(store, volume, mount, datastores_dir):
            found["blockers"] += _full(store, store["id"] in meant, connection)
    alive = mount and __salt__["gluster_one.mount_health"](mount)["state"] == "alive"
    ids = __salt__["gluster_one.datastore_ids"](mount) if alive else {}
    found["left"] = sorted(set(ids) & set(datastores))
    for name in found["left"]:
        found["changes"][f"identifier of {name}"] = {"old": ids[name], "new": None}
    return found


def _meant(stores, name, number):
    """
    The datastores of a name or, if that is given, of an identifier.
    """
    if number is None:
        return [store for store in stores if store["name"] == str(name)]
    return [store for store in stores if store["id"] == int(number)]


def _another(store, volume, settings):
    """
    Why a datastore is another one than the pillar's, as sentences.
    """
    kind, other = settings.get("type", "IMAGE_DS"), store.get("GLUSTER_VOLUME", volume)
    seen = [f"of type {store['type']}, not {kind}"] if store["type"] != kind else []
    seen += [f"on volume {other}, not {volume}"] if other != volume else []
    return [f"datastore {store['name']} ({store['id']}) is {text}: correct the pillar" for text in seen]


def _full(store, named, connection):
    """
    What a datastore holds, as sentences.
    """
    images = len(__salt__["opennebula.image_list"](store["id"], **connection))
    machines = len(__salt__["opennebula.vm_list"](store["id"], **connection))
    if not images and not machines:
        return []
    which = "" if named else ", which the pillar does not name,"
    return [
        f"datastore {store['name']} ({store['id']}){which} has {images} images and {machines} machines: delete or move "
        "them first"
    ]


def _on_volume(store, volume, mount, datastores_dir):
    """
    Whether a datastore's images or machines lie on a volume.
    """
    if store.get("GLUSTER_VOLUME") == volume:
        return True
    path = os.path.join(datastores_dir, str(store["id"]))
    return bool(mount) and (path == mount or path in __salt__["gluster_mount.links"](datastores_dir, mount))
