"""
OpenNebula's images and the machines that use them, as data
===========================================================

More functions of the execution module ``opennebula``: Salt joins modules of one virtual name.

connection
    As in ``opennebula.datastore_list``.
"""

import re

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

    A number that oned does not give is None, a text that it does not give is empty.

    CLI Example:

    .. code-block:: bash

        salt head opennebula.image_list 101
    """
    pool = __salt__["opennebula_api.call"]("imagepool.info", *ALL, **connection)
    images = [_image(element) for element in pool.get("IMAGE", [])]
    return [image for image in images if datastore_id is None or image["datastore"] == int(datastore_id)]


def _image(element):
    snapshots = element.get("SNAPSHOTS")
    snapshots = snapshots.get("SNAPSHOT") if isinstance(snapshots, dict) else snapshots
    return {
        "id": _number(element.get("ID")),
        "name": _text(element.get("NAME")),
        "owner": _text(element.get("UNAME")),
        "group": _text(element.get("GNAME")),
        "type": _name(TYPES, element.get("TYPE")),
        "state": _name(STATES, element.get("STATE")),
        "persistent": _number(element.get("PERSISTENT")) == 1,
        "format": _text(element.get("FORMAT")) or _text(_dict(element.get("TEMPLATE")).get("FORMAT")),
        "size_mb": _number(element.get("SIZE")),
        "source": _text(element.get("SOURCE")),
        "snapshots": len(_list(snapshots)),
        "datastore": _number(element.get("DATASTORE_ID")),
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

    ``state`` and ``lcm_state`` are OpenNebula's numbers: 3 and 3 is running. A number that oned does not give is None,
    a text that it does not give is empty.

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
    history = [_dict(record) for record in _list(_dict(element.get("HISTORY_RECORDS")).get("HISTORY"))]
    last = history[-1] if history else {}
    return {
        "id": _number(element.get("ID")),
        "name": _text(element.get("NAME")),
        "owner": _text(element.get("UNAME")),
        "state": _number(element.get("STATE")),
        "lcm_state": _number(element.get("LCM_STATE")),
        "host": last.get("HOSTNAME"),
        "system": _number(last.get("DS_ID")),
        # The template is the user's, who may have written DISK = "anything".
        "disks": [
            {
                "id": _number(disk.get("DISK_ID")),
                "image": _text(disk.get("IMAGE")),
                "datastore": _number(disk.get("DATASTORE_ID", -1)),
                "format": _text(disk.get("FORMAT")) or _text(disk.get("DRIVER")),
                "clone": disk.get("CLONE") != "NO",
                "type": _text(disk.get("DISK_TYPE")),
            }
            for disk in map(_dict, _list(_dict(element.get("TEMPLATE")).get("DISK")))
        ],
    }


def _number(value):
    """
    A number of oned's, None for what is none.
    """
    return int(value) if re.fullmatch(r"-?\d{1,18}", str(value), re.ASCII) else None


def _text(value):
    return value if isinstance(value, str) else ""


def _dict(value):
    return value if isinstance(value, dict) else {}


def _list(value):
    return value if isinstance(value, list) else [] if value is None else [value]


def _name(names, value):
    number = _number(value)
    return names[number] if number is not None and 0 <= number < len(names) else str(value)
