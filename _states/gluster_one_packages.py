"""
What a node needs before Gluster can be used, as states
=======================================================

More states of ``gluster_one``: Salt joins modules of one virtual name. Nothing that is installed is ever upgraded.
"""

from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "gluster_one"

BEGUN = "gluster_one.installing"  # in the minion's data: the keys of what a run is about to install


def __virtual__():
    return __virtualname__


def packages_installed(name, roles, native=True):
    """
    Gluster's packages, and the gluster drivers of QEMU and libvirt, are installed.

    What is there stays, of whatever version and origin, and a driver gets the version of the QEMU or libvirt that is
    installed; without those no driver is missing. Salt's own ``pkg.installed`` installs the others. What a run that was
    ended has left half installed is finished first.

    name
        Any text (string).

    roles
        What the node is: ``head``, ``hypervisor``, ``server`` (list of strings).

    native
        Whether VMs are to open ``gluster://`` (bool, default True).

    .. code-block:: yaml

        packages:
          gluster_one.packages_installed:
            - roles: [server, hypervisor]
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    fine = f"no package of Gluster's is missing for {', '.join(roles)}"
    try:
        __salt__["gluster_one_arguments.require_arguments"]("packages_installed", roles=roles, native=native)
        begun = __salt__["data.get"](BEGUN) or []
        keys = list(dict.fromkeys([*begun, *__salt__["gluster_one_packages.missing"](roles, native)]))
        wanted = __salt__["gluster_one_packages.to_install"](keys)
        changes = {package: {"old": None, "new": "installed"} for package in wanted}
        if begun:
            changes["packages"] = {"old": "half installed by a run that was ended", "new": "installed"}
        if __opts__["test"] or not changes:
            packages = [__utils__["gluster_system.package"](key) for key in keys]
            __salt__["gluster_one_run.to_come"]([key for key, package in zip(keys, packages) if package in wanted])
            return __utils__["gluster_states.would_change"](ret, changes, fine)
        __salt__["data.update"](BEGUN, keys)
        if begun:
            __salt__["gluster_one_packages.finish"]()
            wanted = __salt__["gluster_one_packages.to_install"](keys)
        done = _installed(name, wanted) if wanted else {"result": True, "changes": {}}
        __salt__["data.pop"](BEGUN)
        left = [package for package in wanted if package not in done["changes"]]
        ret["changes"] = {package: change for package, change in changes.items() if package not in left}
        if done["result"] is False or left:
            raise CommandExecutionError(_failure(left or wanted, wanted, done))
        others = [package for package in done["changes"] if package not in wanted]
        fine = f"with {len(others)} others that they need" if others else "they need no others"
        return __utils__["gluster_states.changed"](ret, changes, {}, fine)
    except (CommandExecutionError, SaltInvocationError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def _installed(name, wanted):
    pkgs = [{package: version} if version else package for package, version in wanted.items()]
    return _by_salt("pkg.installed", name=name, pkgs=pkgs)


def _by_salt(state, **arguments):
    """
    What a state of Salt's own returns, with all that Salt does before a first state of its kind.
    """
    done = __salt__["state.single"](state, test=False, concurrent=True, **arguments)
    if not isinstance(done, dict):
        raise CommandExecutionError(f"Salt's {state} said: {done}")
    return next(iter(done.values()))


def _failure(left, wanted, done):
    """
    Why packages were not installed, in one line of the package manager's last words.
    """
    pinned = [f"{package} {wanted[package]}" for package in left if wanted.get(package)]
    said = " ".join(str(done["comment"]).split())[-500:]
    cure = "install by hand what it says is missing, or `packages: false` in the pillar"
    if pinned:
        cure += (
            f"; {', '.join(pinned)} goes with what is installed here: where the package source has that version no "
            "longer, upgrade that first, when it suits you"
        )
    return f"{', '.join(left)} could not be installed: {__utils__['gluster_process.visible'](said)}: {cure}"


def pyone_installed(name="pyone"):
    """
    The Python of this minion has pyone, by which the states of a head speak with OpenNebula. For the head.

    Salt's own ``pip.installed`` brings it: with a onedir by ``salt-pip``, which an upgrade of Salt may take away with
    all that it has installed. Where the file server has wheels in ``salt://gluster_one/wheels``, those are taken, and
    no index is asked. salt-minion is not restarted: pyone is there for the states that follow.

    name
        Any text (string, default ``pyone``).

    .. code-block:: yaml

        pyone:
          gluster_one.pyone_installed: []
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    look = __salt__["gluster_one_packages.pyone_missing"]
    fine = "this minion's Python has pyone"
    try:
        __salt__["gluster_one_arguments.require_arguments"]("pyone_installed", name=name)
        seen = look()
        changes = {"pyone": {"old": None, "new": "installed"}} if seen else {}
        if __opts__["test"] or not changes:
            __salt__["gluster_one_run.to_come"](list(changes))
            return __utils__["gluster_states.would_change"](ret, changes, fine)
        source = __salt__["gluster_one_packages.pyone_source"]()
        done = _by_salt("pip.installed", **source)
        left = look()
        if left:
            said = __utils__["gluster_process.visible"](" ".join(str(done["comment"]).split())[-500:])
            where = "the wheels of salt://gluster_one/wheels" if "no_index" in source else "pip's index"
            cure = "have wheels of it and of all that it needs in salt://gluster_one/wheels on the master"
            raise CommandExecutionError(f"{left}; or {cure}; from {where} it could not be installed: {said}")
        return __utils__["gluster_states.changed"](ret, changes, {}, fine)
    except (CommandExecutionError, SaltInvocationError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def glusterd_enabled(name="glusterd"):
    """
    glusterd is started at each boot, and runs. For every server.

    A package may do neither. One that is masked stays so, and so does one that is disabled although this server has
    peers or volumes: somebody has done that, and may be about to replace this server's disks. Where it does not run
    either, the state fails and says so.

    name
        glusterd's service (string, default ``glusterd``).

    .. code-block:: yaml

        glusterd:
          gluster_one.glusterd_enabled: []
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    try:
        __salt__["gluster_one_arguments.require_arguments"]("glusterd_enabled", name=name)
        changes, why = _differing(name, globals().get("__instance_id__"))  # what names this run of states
        if __opts__["test"] or not changes:
            return __utils__["gluster_states.would_change"](ret, changes, why or f"{name} is enabled and runs")
        if "boot" in changes:
            __salt__["service.enable"](name)
        if "service" in changes:
            __salt__["glusterd.restart"](name)
        return __utils__["gluster_states.changed"](ret, changes, _differing(name)[0], f"{name} is enabled and runs")
    except (CommandExecutionError, SaltInvocationError) as exc:
        return {**ret, "result": False, "comment": str(exc)}


def _differing(name, run=None):
    """
    What is to change of glusterd's service, and why nothing is, where that is somebody's doing.
    """
    unit = __salt__["glusterd.unit"](name, run=run)
    if unit is None:  # systemd does not run this system
        return {}, f"{name} is not a service of systemd here"
    running, state = unit["running"], unit["enabled"]
    changes = {} if running else {"service": {"old": "stopped", "new": "running"}}
    if state == "disabled":
        changes = {"boot": {"old": "disabled", "new": "enabled"}, **changes}
    why = None
    if state == "masked":
        why = (
            f"{name} is masked on this node, which somebody has done: `systemctl unmask {name}` when it is to run again"
        )
    elif "boot" in changes:
        kept = [*(" or ".join(names) for names in __salt__["glusterd.peers"]()), *__salt__["glusterd.volumes"]()]
        if kept:
            why = (
                f"{name} is disabled on this node although it has peers or volumes ({', '.join(kept[:5])}), which "
                f"somebody has done: `systemctl enable --now {name}` when it is to run again"
            )
    if not why:
        return changes, None
    if not running:
        raise CommandExecutionError(why)
    return {}, f"{name} runs; {why}"
