"""
A mount that comes back after a boot
====================================

More functions of the execution module ``gluster_mount``: Salt joins modules of one virtual name.

systemd tries a mount unit once. At a boot at which no glusterd answers yet, as after a power cut, it fails for good;
a service beside it tries again until the volume is there. It looks twice: a client that could not get its volume can
show a mount for a moment.
"""

import os

import salt.utils.files
import salt.utils.systemd
from salt.exceptions import CommandExecutionError

__virtualname__ = "gluster_mount"

SERVICE = "gluster-one-mount@{}.service"
DIRECTORY = "/etc/systemd/system"
TEXT = """\
# Written by the Salt formula gluster_one: a mount unit is tried once at boot, this one tries until the volume is there.
[Unit]
Description=Mount %f, again and again until it is there
Wants=network-online.target
After=network-online.target remote-fs.target
StartLimitIntervalSec=0

[Service]
ExecStart=/bin/sh -c 'systemctl cat "$$0" >/dev/null 2>&1 || exit 0; \\
    systemctl start "$$0" && sleep 1 && mountpoint -q "$$1" && stat -f "$$1" >/dev/null' "%i.mount" "%f"
Restart=on-failure
RestartSec=5

[Install]
WantedBy=multi-user.target
"""


def __virtual__():
    return __virtualname__


def unit(path):
    """
    The mount unit that systemd makes of a line of fstab.

    path
        The directory (string).

    Returns its name (string).

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.unit /var/lib/gluster_one/one_vol
    """
    key = f"gluster_mount.unit:{path}"  # asked for at each look
    if key not in __context__:
        done = __salt__["cmd.run_all"](["systemd-escape", "--path", "--suffix=mount", path], python_shell=False)
        __context__[key] = done["stdout"]
    return __context__[key]


def unit_stale(path):
    """
    Whether systemd has yet to read what /etc/fstab says by now, so that the mount unit would mount what it said before.

    path
        The directory (string).

    Returns True or False; False on a system that systemd does not run.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.unit_stale /var/lib/gluster_one/one_vol
    """
    if not salt.utils.systemd.booted(__context__):
        return False
    show = ["systemctl", "show", "--value", "--property=NeedDaemonReload", unit(path)]
    return __salt__["cmd.run_all"](show, python_shell=False, timeout=30)["stdout"] == "yes"


def retry_missing(path):
    """
    The service that is to mount a directory again after a boot, where it is missing.

    path
        The directory (string).

    Returns its name (string), None where it is there, and on a system that systemd does not run.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.retry_missing /var/lib/gluster_one/one_vol
    """
    if not salt.utils.systemd.booted(__context__):
        return None
    name = SERVICE.format(unit(path).removesuffix(".mount"))
    enabled = os.path.lexists(os.path.join(DIRECTORY, "multi-user.target.wants", name))
    return None if enabled and _text() == TEXT else name


def _text():
    try:
        with salt.utils.files.fopen(os.path.join(DIRECTORY, SERVICE.format("")), errors="replace") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def retry_set(path):
    """
    Write and enable the service that mounts a directory again after a boot. It is not started now.

    path
        The directory (string).

    Returns True.

    Raises CommandExecutionError when it cannot be written or enabled.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.retry_set /var/lib/gluster_one/one_vol
    """
    name = SERVICE.format(unit(path).removesuffix(".mount"))
    try:
        if _text() != TEXT:
            with salt.utils.files.fopen(os.path.join(DIRECTORY, SERVICE.format("")), "w") as stream:
                stream.write(TEXT)
            __salt__["service.systemctl_reload"]()
    except OSError as exc:
        raise CommandExecutionError(
            f"{name} cannot be written ({exc.strerror}): see that {DIRECTORY} is writable"
        ) from exc
    if not __salt__["service.enable"](name):
        raise CommandExecutionError(f"{name} cannot be enabled: see `systemctl enable '{name}'`")
    return True


def retry_remove(path):
    """
    Disable the service that mounts a directory again after a boot, and end it where it is at work.

    path
        The directory (string).

    Returns True.

    Raises CommandExecutionError when it cannot be disabled.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_mount.retry_remove /var/lib/gluster_one/one_vol
    """
    name = SERVICE.format(unit(path).removesuffix(".mount"))
    if not os.path.lexists(os.path.join(DIRECTORY, "multi-user.target.wants", name)):
        return True
    if not (__salt__["service.disable"](name) and __salt__["service.stop"](name)):
        raise CommandExecutionError(f"{name} cannot be disabled: see `systemctl disable '{name}'`")
    return True
