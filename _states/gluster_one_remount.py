"""
A mount that is to be as /etc/fstab has it by now
=================================================

More states of ``gluster_one``: Salt joins modules of one virtual name.
"""

import functools
import os

from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "gluster_one"


def __virtual__():
    return __virtualname__


def datastore_remounted(name, volume, servers, options=None, timeout=120):
    """
    A mounted volume's client was started with the servers and the options that fstab has: where it was not, the volume
    is unmounted and mounted again. After ``datastore_mounted``, which writes the line, when somebody asks for it.

    A mount that anything uses stays as it is, and the state fails and says what: see ``gluster_one.mount_users``. First
    the volume is mounted aside with the new options.

    name
        The directory on which it is mounted (string).

    volume, servers, options
        As ``datastore_mounted`` has them.

    timeout
        Seconds to wait for the mount (int, default 120).

    .. code-block:: yaml

        remount one_vol:
          gluster_one.datastore_remounted:
            - name: /var/lib/one/gluster/one_vol
            - volume: one_vol
            - servers: [kvm1, kvm2, kvm3]
            - options: [log-level=WARNING]
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    fine = f"{volume} is mounted as /etc/fstab has it"
    try:
        __salt__["gluster_mount.check_arguments"](name, options=options)
        name = os.path.normpath(name)
        entry = __salt__["gluster_mount.entry_wanted"](name, volume, servers, options)
        first = {"fstab", "mount"} & set(__salt__["gluster_mount.changes"](name, volume, entry))
        if first and not __opts__["test"]:
            raise CommandExecutionError(f"{name} is not mounted, or not from fstab: apply datastore_mounted first")
        changes = _changes(name, entry)
        users = __salt__["gluster_one.mount_users"](name) if changes else []
        if users:
            shown = ", ".join(users[:5]) + (", ..." if len(users) > 5 else "")
            raise CommandExecutionError(f"{name} stays as it is while it is used by {shown}")
        if __opts__["test"] or not changes:
            return __salt__["gluster_one.predicted"](ret, changes, fine)
        if not __salt__["gluster_mount.mountable"](entry["device"], entry["opts"]):
            new = changes["client"]["new"]
            raise CommandExecutionError(f"{name} stays as it is: the volume could not be mounted aside by {new}")
        __salt__["gluster_mount.unmount"](name, lazy=False)
        mount = functools.partial(__salt__["gluster_mount.mount"], name, timeout)
        __salt__["gluster_one.awaited"](mount, timeout, f"Volume {volume} was not mounted on {name}")
        return __salt__["gluster_one.applied"](ret, changes, _changes(name, entry), fine)
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def _changes(name, entry):
    """
    What differs between the client that runs and the line of fstab.
    """
    stale = __salt__["gluster_mount.stale"](name, entry)
    return {"client": {"old": stale, "new": f"{entry['device']} {','.join(entry['opts'])}"}} if stale else {}
