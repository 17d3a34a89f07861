"""
What the formula checks first and last, as states
=================================================

They change nothing: they fail, and say what is wrong and what to do.
"""

import functools
import os

from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "gluster_one_check"


def __virtual__():
    return __virtualname__


def pillar_valid(name, errors, roles=None, force_reload_modules=False):  # pylint: disable=unused-argument
    """
    The pillar is valid. It is a check: it changes nothing, and fails with what is wrong.

    name
        Any text (string).

    errors
        What is wrong (list of sentences), as ``gluster_one_pillar.node`` found it.

    roles
        What the pillar makes of this minion (list of strings), said when nothing is wrong.

    force_reload_modules
        For Salt itself, which reads it here: reload all modules for the states that follow (bool, default False).

    .. code-block:: yaml

        pillar:
          gluster_one_check.pillar_valid:
            - errors: []
    """
    comment = "\n".join(errors) or f"this minion is {', '.join(roles or [])}"
    if not errors and {"head", "hypervisor"} <= set(roles or []):
        comment += " (where the master has pillar_merge_lists: true, the roles of all pillar files together)"
    return {"name": name, "result": not errors, "changes": {}, "comment": comment}


def servers_reachable(name, servers, mount=None, timeout=120):
    """
    This node reaches glusterd of all servers of a volume that is to be created. It is a check: it changes nothing.

    For every node that needs the volume, and for its servers. What another node may be about to do, such as starting
    glusterd, is waited for. The ports of bricks are known only when there are some. Nothing is looked at where the
    volume is there already: where this node has it mounted, or is one of its servers.

    name
        The volume (string).

    servers
        Its servers (list of host names).

    mount
        The directory on which this node is to have it mounted (string, default none).

    timeout
        Seconds to wait (int, default 120).

    .. code-block:: yaml

        one_vol:
          gluster_one_check.servers_reachable:
            - servers: [kvm1, kvm2, kvm3]
            - mount: /var/lib/gluster_one/one_vol
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": f"{', '.join(servers)} answer at port 24007"}
    look = lambda: __salt__["gluster_peers.unreachable"](servers)  # noqa: E731
    reasons = lambda: "; ".join(one["why"] for one in look().values())  # noqa: E731
    try:
        __salt__["gluster_one_arguments.require_arguments"](
            "servers_reachable", name=name, servers=servers, mount=mount, timeout=timeout
        )
        if name in __salt__["glusterd.volumes"]() or mount in __salt__["gluster_mount.mounts"]():
            return {**ret, "comment": f"volume {name} is there"}
        _require_packages(servers, mount)
        if __opts__["test"]:
            seen = look()
            closed = [one["why"] for one in seen.values() if not one["refused"]]
            down = ", ".join(server for server, one in seen.items() if one["refused"])
            ret.update({"warnings": closed} if closed else {})
            ret.update({"comment": f"the run waits for glusterd of {down}"} if down else {})
            return {**ret, "comment": "; ".join(closed)} if closed else ret
        __utils__["gluster_states.wait_for"](
            reasons, timeout, f"{__grains__['id']} could not reach all servers of volume {name}"
        )
        return ret
    except (CommandExecutionError, SaltInvocationError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def _require_packages(servers, mount):
    """
    What a node itself lacks comes before what it waits for from others: as a server, or to mount the volume.
    """
    serves = __utils__["gluster_hosts.own_names"](servers) & {server.casefold() for server in servers}
    roles = ["server"] * bool(serves) + ["hypervisor"] * bool(mount)
    coming = __salt__["gluster_one_run.to_come"]()
    keys = [key for key in __salt__["gluster_one_packages.missing"](roles, native=False) if key not in coming]
    if keys:
        packages = ", ".join(__utils__["gluster_system.package"](key) for key in keys)
        raise CommandExecutionError(f"this node lacks {packages}: install that, or set `packages: true` in the pillar")


def native_access_supported(name, package="QEMU's gluster driver"):
    """
    QEMU and libvirt of this hypervisor can open ``gluster://``. It is a check: it changes nothing.

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
    found = __salt__["gluster_native.native_access"]()
    missing = __salt__["gluster_native.access_missing"](found, package)
    if missing and "qemu_gluster_package" in __salt__["gluster_one_run.to_come"]():
        return {**ret, "comment": f"the run will show it; now {missing[1]}"}
    if missing:
        _, seen, _, cure = missing
        return {**ret, "result": False, "comment": f"{seen}: {cure}"}
    return {**ret, "comment": f"QEMU {found['qemu']} opens gluster://, libvirt is {found['libvirt']}"}


def files_usable(name, user="oneadmin", timeout=120):
    """
    QEMU writes and reads a file on the mounted volume as oneadmin, and libvirt is there. It is a check.

    For every hypervisor where ``access`` is ``fuse``. The file is opened past the host's cache, as the disk of a VM is,
    and removed again.

    What another node may be about to set, such as the volume's owner, is waited for. ``test=True`` looks once, and
    fails nothing that a run may correct.

    name
        The directory on which this node has the volume mounted (string).

    user
        Who does it (string, default ``oneadmin``).

    timeout
        Seconds to wait (int, default 120).

    .. code-block:: yaml

        /var/lib/gluster_one/one_vol:
          gluster_one_check.files_usable: []
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    try:
        __salt__["gluster_one_arguments.require_arguments"]("files_usable", name=name, user=user, timeout=timeout)
        access = __salt__["gluster_native.native_access"]()
        if not __opts__["test"]:  # for the head, which names VMs that this node could not start
            __salt__["gluster_native.publish_access"](access)
        missing = __salt__["gluster_native.access_missing"](access, None)
        if missing:
            raise CommandExecutionError(f"{missing[1]}: {missing[3]}")
        look = functools.partial(__salt__["gluster_native.file_error"], name, user)
        seen = look()
        if seen and __opts__["test"]:
            return {**ret, "comment": f"the run will show it; now QEMU cannot use a file on {name} as {user}: {seen}"}
        if seen:
            __utils__["gluster_states.wait_for"](look, timeout, f"QEMU cannot use a file on {name} as {user}")
        return {**ret, "comment": f"QEMU writes and reads a file on {name} as {user}"}
    except (CommandExecutionError, SaltInvocationError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def native_readable(name, volume, host, mount, user="oneadmin", timeout=120):
    """
    oneadmin can read a file of the volume over ``gluster://``, as a VM does. It is a check: it changes nothing.

    For every hypervisor.

    The file is the one to which the head writes the datastores' identifiers. The state waits for it, and for the
    volume's options, which another node may be about to set. With ``test=True`` it reads once, and does not fail for
    what a run may repair.

    name
        Any text (string).

    volume
        The volume (string).

    host
        The Gluster server to ask (string), ``server`` or ``server:port``; or a list of several, of which one has to
        answer.

    mount
        The directory on which this node has the volume mounted (string).

    user
        Who reads it (string, default ``oneadmin``).

    timeout
        Seconds to wait (int, default 120).

    .. code-block:: yaml

        gluster://one_vol:
          gluster_one_check.native_readable:
            - volume: one_vol
            - host: kvm1
            - mount: /var/lib/gluster_one/one_vol
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}

    def unnamed():
        if not __salt__["gluster_one_ids.published_ids"](mount):
            return "the head has written no datastore's identifier there yet"

    def unread():
        return __salt__["gluster_native.native_read_error"](volume, hosts, user)

    try:
        __salt__["gluster_one_arguments.require_arguments"](
            "native_readable", name=name, volume=volume, host=host, mount=mount, user=user, timeout=timeout
        )
        hosts = [each.removesuffix(":24007") for each in __utils__["one_datastore_rules.gluster_host"](host).split()]
        server = " or ".join(hosts)
        seen = unread()
        if seen and __opts__["test"]:
            return {**ret, "comment": f"the run will show it; now {user} cannot read {volume}: {unnamed() or seen}"}
        if seen:
            failure = f"{user} could not read {volume} over gluster://{server}"
            try:
                __utils__["gluster_states.wait_for"](lambda: unnamed() or unread(), timeout, failure)
            except CommandExecutionError as exc:
                errors = __salt__["gluster_one_ids.volume_files"](mount)["errors"]
                raise CommandExecutionError("; ".join([str(exc), *map(": ".join, errors.items())])) from None
        return {**ret, "comment": f"{user} reads {volume} over gluster://{server}"}
    except (CommandExecutionError, SaltInvocationError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def mounts_unused(
    name, mounts, datastores=None, datastores_dir="/var/lib/one/datastores", endpoint=None, auth_file=None
):
    """
    Nothing on this node uses the volumes that the formula has mounted. It is a check: it changes nothing.

    It fails where a process has a file open on such a mount, or a VM with disks over gluster:// runs, and names them.
    Mounts that were there before the formula are not looked at: they stay.

    name
        Any text (string).

    mounts
        The volumes by the directories on which they are mounted (dict of strings).

    datastores
        On the head the datastores that are to go (list of strings). It fails where the directory of another one that
        OpenNebula has is a link to such a mount: without it oned would write its images to the local disk. Default: not
        asked.

    datastores_dir
        OpenNebula's directory of datastores (string).

    endpoint, auth_file
        As in the execution module ``opennebula_api`` (strings).

    .. code-block:: yaml

        leave:
          gluster_one_check.mounts_unused:
            - mounts: {/var/lib/gluster_one/one_vol: one_vol}
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": "nothing uses the volumes here"}
    try:
        __salt__["gluster_one_arguments.require_arguments"](
            "mounts_unused", name=name, mounts=mounts, datastores=datastores, datastores_dir=datastores_dir,
            endpoint=endpoint, auth_file=auth_file,
        )  # fmt: skip
        ours = [path for path, volume in mounts.items() if __salt__["gluster_mount_plan.is_ours"](path, volume)]
        users = {path: __salt__["gluster_native.volume_users"](path) for path in ours}
        used = [__utils__["gluster_states.used"](path, found) for path, found in users.items() if found]
        cure = ": migrate or stop VMs, end what else has files open there, and run again"
        if used:
            return {**ret, "result": False, "comment": "; ".join(used) + cure}
        links = [link for path in ours for link in __salt__["gluster_links.links_to"](datastores_dir, path)]
        if datastores is None or not links:
            return ret
        stores = __salt__["opennebula.datastore_list"](endpoint=endpoint, auth_file=auth_file)
        linked = [store for store in stores if f"{os.path.normpath(datastores_dir)}/{store['id']}" in links]
        others = [f"{store['name']} ({store['id']})" for store in linked if store["name"] not in datastores]
        if not others:
            return ret
        text = f"OpenNebula has {', '.join(others)} on such a mount, which the pillar does not name: name it there, or "
        return {**ret, "result": False, "comment": f"{text}delete it, or make its link lead elsewhere, and run again"}
    except (CommandExecutionError, SaltInvocationError) as exc:
        return {**ret, "result": False, "comment": str(exc)}
