"""
OpenNebula's images and the machines that use them, as data
===========================================================

More functions of the execution module ``opennebula``: Salt joins modules of one virtual name.

connection
    As in ``opennebula.datastore_list``.
"""

__virtualname__ = "opennebula"

STATES = ("INIT", "READY", "USED", "DISABLED", "LOCKED", "ERROR", "CLONE", "DELETE", "USED_PERS", "LOCKED_USED",
          "LOCKED_USED_PERS")  # fmt: skip
TYPES = ("OS", "CDROM", "DATABLOCK", "KERNEL", "RAMDISK", "CONTEXT", "BACKUP", "FILESYSTEM")
# All that the user may see, whatever its place in the pool.
ALL = (-2, -1, -1)


def __virtual__():
    return __virtualname__


def image_list(datastore_id=None, **connection):
    """
    The images of a datastore.

    datastore_id
        The datastore's identifier (int). Default: the images of all datastores.

    Returns a list of dicts::

        [{"id": 3, "name": "ubuntu", "owner": "oneadmin", "group": "oneadmin", "type": "OS", "state": "READY",
          "persistent": False, "format": "raw", "size_mb": 1024, "source": "/var/lib/one/datastores/101/271d52...",
          "snapshots": 0, "datastore": 101}]

    CLI Example:

    .. code-block:: bash

        salt head opennebula.image_list 101
    """
    pool = __salt__["opennebula_api.call"]("imagepool.info", *ALL, **connection)
    images = [_image(element) for element in pool.get("IMAGE", [])]
    return [image for image in images if datastore_id is None or image["datastore"] == int(datastore_id)]


def _image(element):
    snapshots = element.get("SNAPSHOTS") or {}
    return {
        "id": int(element["ID"]),
        "name": element["NAME"],
        "owner": element["UNAME"],
        "group": element["GNAME"],
        "type": _name(TYPES, element["TYPE"]),
        "state": _name(STATES, element["STATE"]),
        "persistent": int(element["PERSISTENT"]) == 1,
        "format": element.get("FORMAT") or element.get("TEMPLATE", {}).get("FORMAT", ""),
        "size_mb": int(element["SIZE"]),
        "source": element.get("SOURCE", ""),
        "snapshots": len(_list(snapshots.get("SNAPSHOT") if isinstance(snapshots, dict) else snapshots)),
        "datastore": int(element["DATASTORE_ID"]),
    }


def vm_list(datastore_id=None, **connection):
    """
    The machines that are not done and whose disks lie on a datastore: because their images are of it, or because it is
    their system datastore.

    datastore_id
        The datastore's identifier (int). Default: all machines.

    Returns a list of dicts::

        [{"id": 7, "name": "web", "owner": "oneadmin", "state": 3, "lcm_state": 3, "host": "kvm2", "system": 100,
          "disks": [{"id": 0, "image": "ubuntu", "datastore": 101, "format": "qcow2", "clone": True,
                     "type": "GLUSTER"}]}]

    ``state`` and ``lcm_state`` are OpenNebula's numbers: 3 and 3 is running.

    CLI Example:

    .. code-block:: bash

        salt head opennebula.vm_list 101
    """
    pool = __salt__["opennebula_api.call"]("vmpool.infoextended", *ALL, -1, "", **connection)
    machines = [_machine(element) for element in pool.get("VM", [])]
    if datastore_id is None:
        return machines
    on = int(datastore_id)
    return [vm for vm in machines if vm["system"] == on or any(disk["datastore"] == on for disk in vm["disks"])]


def _machine(element):
    history = _list((element.get("HISTORY_RECORDS") or {}).get("HISTORY"))
    last = history[-1] if history else {}
    return {
        "id": int(element["ID"]),
        "name": element["NAME"],
        "owner": element["UNAME"],
        "state": int(element["STATE"]),
        "lcm_state": int(element["LCM_STATE"]),
        "host": last.get("HOSTNAME"),
        "system": int(last["DS_ID"]) if last.get("DS_ID") is not None else None,
        "disks": [
            {
                "id": int(disk["DISK_ID"]),
                "image": disk.get("IMAGE", ""),
                "datastore": int(disk.get("DATASTORE_ID", -1)),
                "format": disk.get("FORMAT") or disk.get("DRIVER", ""),
                "clone": disk.get("CLONE") != "NO",
                "type": disk.get("DISK_TYPE", ""),
            }
            for disk in _list((element.get("TEMPLATE") or {}).get("DISK"))
        ],
    }


def _list(value):
    return value if isinstance(value, list) else [] if value is None else [value]


def _name(names, number):
    return names[int(number)] if int(number) < len(names) else str(number)
