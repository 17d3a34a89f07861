"""
Checks that the formula makes before it begins, as states
=========================================================

They change nothing: they fail, and say what is wrong and what to do.
"""

__virtualname__ = "gluster_one_check"


def __virtual__():
    return __virtualname__


def pillar_valid(name, errors, roles=None, force_reload_modules=False):  # pylint: disable=unused-argument
    """
    The pillar is one that the formula understands. Nothing is changed: it fails and says what is wrong.

    name
        Any text (string).

    errors
        What is wrong (list of sentences), as ``gluster_one_pillar.node`` found it.

    roles
        What the pillar makes of this minion (list of strings), said when nothing is wrong.

    force_reload_modules
        For Salt itself, which reads it here: list all modules anew for the states that follow (bool, default False).

    .. code-block:: yaml

        pillar:
          gluster_one_check.pillar_valid:
            - errors: []
    """
    comment = "\n".join(errors) or f"this minion is {', '.join(roles or [])}"
    return {"name": name, "result": not errors, "changes": {}, "comment": comment}


def native_access_supported(name, package="QEMU's gluster driver"):
    """
    QEMU and libvirt of this hypervisor can open ``gluster://``. Nothing is changed: it is a check that fails.

    name
        Any text (string).

    package
        What to install when they cannot (string).

    .. code-block:: yaml

        native access:
          gluster_one_check.native_access_supported:
            - package: qemu-block-extra
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    found = __salt__["gluster_one.native_access"]()
    if not found["qemu"] or not found["gluster"]:
        seen = f"QEMU {found['qemu']} cannot open gluster:// (no gluster driver in this build)"
        seen = seen if found["qemu"] else "QEMU (qemu-img) is not installed"
        return {**ret, "result": False, "comment": f"{seen}: install {package}"}
    if not found["libvirt"]:
        return {**ret, "result": False, "comment": "libvirt is not installed: install opennebula-node-kvm or libvirt"}
    return {**ret, "comment": f"QEMU {found['qemu']} opens gluster://, libvirt is {found['libvirt']}"}
