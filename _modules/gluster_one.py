"""
What differs from the pillar on this node
===============================================

The commands that the docs name: ``check``, ``report`` and what they are made of. Everything is looked at with the
functions that the states use, and nothing is changed.
"""

import concurrent.futures
import contextlib
import functools
import glob
import os
import time

import salt.utils.files
import salt.utils.path
import salt.utils.systemd
import salt.utils.user
from salt.exceptions import CommandExecutionError, SaltInvocationError

__virtualname__ = "gluster_one"

# Of what `report` returns, for the runner, which has the same number: one more where either needs another answer.
VERSION = 2
MOST_BRICKS = 1000
YOUNG = 3600  # seconds for which a brick has just come back: what waits to be healed comes from that
# By what they end with the master knows these findings' cure: see gluster_one/findings.yaml.
MARKED, UNMARKED = "its directory is in place, so it can be started", "it lacks the volume's identifier"
FULL, MORE_ROOM = "No space left on device", "delete images, or add bricks"
TRIAL = 5  # seconds for a look whether a volume that is not mounted can be
REJECTED = "Peer Rejected"
PROBED = (
    "if nobody probes it now: salt-run state.orchestrate gluster_one.orchestrate.repair_peer pillar='{{peer: {}}}' "
    "(docs/repair-peer.md)"
)
MOST_NAMED = 5  # mounts without flags: whoever makes mount namespaces makes many


def __virtual__():
    return __virtualname__


def check(native=False, heal=True, node=None, pool=True):
    """
    Compare this node with its pillar and return what differs, worst first.

    native
        Read a file of each volume over ``gluster://`` as oneadmin, too; where ``access`` is ``fuse``, have QEMU write
        and read one on the mount (bool, default False).

    heal
        Count on the coordinator what waits to be healed, and on the head what cannot be opened natively (bool, default
        True).

    node
        This node's part (dict of ``gluster_one_pillar.node``). Default: what the pillar makes of it.

    pool
        Have the coordinator ask Gluster (bool, default True), which takes the pool's lock for a moment. Otherwise it
        looks at what glusterd keeps on disk, and whether peers answer: not at others' bricks or what is to be healed.

    Returns a list of findings, empty when all is well::

        [{"kind": "mount_dead", "on": "/var/lib/gluster_one/one_vol", "seen": "the FUSE client is gone",
          "expected": "volume one_vol, mounted", "severity": "error",
          "cure": "salt kvm2 state.apply gluster_one.mount"}]

    ``severity`` is ``error`` (VMs or images are affected) or ``warning``. What the coordinator finds of a volume,
    also of its bricks and peers, has ``volume``, too. A node that is hypervisor alone starts no gluster process for it.
    The exit status of the command is 0 only where nothing is found.

    CLI Example:

    .. code-block:: bash

        salt '*' gluster_one.check
    """
    found = report(native=native, heal=heal, node=node, pool=pool)["findings"]
    __context__["retcode"] = int(bool(found))
    return found


def findings(found=None, at=None, names=None):
    """
    The findings of this node with the time, as the beacon writes them to the mine, where the reactor reads them.

    found
        What a check has found (list of findings). Default: check now.

    at
        When it checked, in seconds since 1970 by this node's clock (float, default now).

    names
        The names by which the pillar's ``servers`` may mean this node, as :func:`report` has them (list of strings,
        default none; those of a check that is made now).

    Returns a dict ``{"at": 1764036000.5, "findings": [...], "names": ["10.0.0.1", "kvm1"]}``.

    CLI Example:

    .. code-block:: bash

        salt kvm2 gluster_one.findings
    """
    seen = {"findings": found, "names": _names(names or [])} if found is not None else report(heal=False)
    return {"at": at or time.time(), "findings": seen["findings"], "names": seen.get("names", [])}


def _names(planned):
    """
    The names of a plan, and those by which this node goes now: its addresses may have changed since.
    """
    return sorted({*planned, *__utils__["gluster_hosts.own_names"]()})


def report(native=False, heal=True, node=None, pool=True, marks=None, hosts=()):
    """
    The findings of this node with all that was seen, as the status of the fleet needs them.

    native, heal, node, pool
        See :func:`check`.

    marks
        By volume what the head has just written to it with :func:`mark` (dict of strings): this node's mount must show
        it, or one that sorts behind it (default none).

    hosts
        Addresses that are one host's, where that was asked of the hosts (list of lists of strings, default none): a
        brick sees a client by its address alone.

    Returns a dict; ``volumes`` is what the coordinator sees, ``datastores`` what the head does, ``coordinates`` says
    for each volume whether this is its coordinator; ``hosts`` are OpenNebula's in the datastores' clusters (the head);
    ``machines`` are the VMs that run on a hypervisor, except for the beacon; ``back`` are the bricks of a server whose
    process has begun within the last hour, with the seconds since::

        {"version": 2, "roles": ["hypervisor", "server"], "findings": [...], "looked": ["mount", "links", ...],
         "names": ["10.0.0.1", "kvm1"], "coordinates": {"one_vol": True}, "hosts": [], "back": {},
         "machines": ["one-7"],
         "volumes": {"one_vol": {"bricks": [3, 3], "peers": [2, 2], "heal": 0, "split_brain": 0, "free_percent": 61,
                                 "sets": [[["kvm1:/data/one_vol", True], ["kvm2:/data/one_vol", True], ...]]}},
         "datastores": {"glusterds": {"id": 101, "type": "IMAGE_DS", "drivers": "fs/shared", "total_mb": 258020,
                                      "volume": "one_vol"}}}

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.report
    """
    # The beacon tries nothing: its look is to be a short one.
    node = {"marks": marks or {}, "hosts": hosts, "trial": pool, **(node or __salt__["gluster_one_pillar.node"]())}
    seen = {"roles": node.get("roles", []), "findings": [], "looked": [], "volumes": {}, "datastores": {}}
    seen["version"] = VERSION
    if node["errors"]:
        for error in node["errors"]:
            _find(seen, "pillar", "pillar", error, "a pillar as in pillar.example", "correct it, then run again")
        seen["findings"] = _worst_first(seen["findings"])
        return seen
    coordinates = {name: volume["coordinator"] for name, volume in node["volumes"].items()}
    node["names"] = _names(node.get("names", []))
    seen.update(names=node["names"], coordinates=coordinates, hosts=[])
    roles = set(node["roles"])
    volumes = {name: volume for name, volume in node["volumes"].items() if volume["coordinator"]}
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        # Gluster takes longest: the rest runs meanwhile.
        about = [list(volumes) if heal else [], pool, node["glusterd"]["service"]] if volumes else []
        look = volumes and executor.submit(__salt__["gluster_pool.snapshot"], *about)
        parts = {
            "mounts": (_mounts, {"hypervisor", "head"} & roles),
            "hypervisor": (_hypervisor, "hypervisor" in roles),
            "server": (_server, "server" in roles),
            "datastores": (functools.partial(_datastores, heal=heal), "head" in roles),
            "volumes": (functools.partial(_volumes, volumes=volumes, look=look), volumes),
            "left": (_left, True),
        }
        for name, (part, here) in parts.items():
            if here:
                _looked(seen, name, part, node)
    if native and "hypervisor" in roles:
        _looked(seen, "native", _native, node)
    if pool and "hypervisor" in roles:
        _looked(seen, "machines", lambda seen: seen.update(machines=machines()))
    findings, known = [], {}
    for one in seen["findings"]:
        # A brick of this server may have been found by both checks: the first has looked at its directory.
        same = known.setdefault((one["kind"], one["on"]), [])
        if one not in same and not (same and one["kind"] == "brick_down"):
            same.append(one)
            findings.append(one)
    seen["findings"] = _worst_first(findings)
    return seen


def _worst_first(findings):
    """
    Findings with the severity of their kind. An error is what the table does not have, or not yet.
    """
    kinds = __utils__["gluster_system.finding_kinds"]() if findings else {}
    for finding in findings:
        finding["severity"] = kinds.get(finding["kind"], {}).get("severity", "error")
    return sorted(findings, key=lambda finding: finding["severity"] != "error")


def _find(seen, kind, on, what, expected, cure, **more):
    texts = {"on": on, "seen": what, "expected": expected}
    visible = __utils__["gluster_process.visible"]
    shown = {key: visible(text, 1000) for key, text in texts.items()}
    # A command without its middle is another command.
    shown["cure"] = visible(cure, len(str(cure)))
    seen["findings"].append({"kind": kind, **shown, **more})


def _looked(seen, on, part, *arguments):
    """
    Check one part, or add a finding that it could not be checked; returns whether it could.
    """
    try:
        part(seen, *arguments)
        return True
    except (CommandExecutionError, SaltInvocationError, OSError) as exc:
        _find(seen, "check_failed", on, str(exc), "an answer", "see what it says")
        return False


def _apply(node, sls):
    return f"salt {node['id']} state.apply gluster_one.{sls}"


def _some(names):
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _mounts(seen, node):
    """
    The head and hypervisors: each volume, whatever is wrong with another.
    """
    looked = [_looked(seen, volume["mount"], _mount, node, name, volume) for name, volume in node["volumes"].items()]
    if all(looked):
        seen["looked"] += ["mount", "links"]


def _mount(seen, node, name, volume):
    """
    A volume is mounted, writable and shown by the directories of its datastores.
    """
    cure = _apply(node, "mount")
    # The beacon's plan may be outdated: it says where the volume was mounted then.
    wanted = __salt__["gluster_mount.place"](volume["mount"], name, node["user"])
    automounter = __salt__["gluster_mount_plan.automounter_error"](wanted)
    if automounter:  # which any look would wake
        raise CommandExecutionError(f"{wanted} {automounter}")
    left = __salt__["gluster_one_ids.volume_files"](wanted, name)
    numbers = _numbers(volume, left["ids"])
    former = __salt__["gluster_mount_plan.former_places"](wanted, name, node["datastores_dir"], node["user"])
    path, expected = _mounted_at(wanted, former), f"volume {name}, mounted"
    line = __salt__["gluster_fstab.line"](path)
    entry = __salt__["gluster_mount_plan.wanted_line"](path, name, volume["servers"], volume["mount_options"])
    _former(seen, node, wanted, path, former)
    if path == wanted and (line.get("device"), line.get("opts")) != (entry["device"], entry["opts"]):
        has = f"{line['device']} {','.join(line['opts'])}" if line else "no line"
        should = f"{entry['device']} {','.join(entry['opts'])}"
        _find(seen, "fstab", path, f"{has} in /etc/fstab", should, cure)
    elif __salt__["gluster_fstab.unit_outdated"](path):
        what = "systemd has not read /etc/fstab since it was changed"
        _find(seen, "unit", path, what, "a mount unit of that line", "systemctl daemon-reload")
    unsafe_mounts = list(__salt__["gluster_mount.mounts_without_flags"](name).items())
    for unsafe, process in unsafe_mounts[:MOST_NAMED]:
        what = "programs that are set-user-ID root work there, or devices: it is mounted without nosuid,nodev"
        what += f", and {len(unsafe_mounts) - MOST_NAMED} more" if len(unsafe_mounts) > MOST_NAMED else ""
        more = "; if it stays, migrate that VM, or restart the process" if process else ""
        _find(seen, "mount_flags", unsafe, what, "nosuid,nodev", f"{cure}{more}")
    retry = __salt__["gluster_fstab.missing_boot_retry"](path)
    if retry:
        what = "nothing mounts it after a boot at which no glusterd answers"
        _find(seen, "boot", path, what, f"{retry}, enabled", cure)
    cover = __salt__["gluster_mount.cover"](path)
    health = None if cover else __salt__["gluster_mount.mount_health"](path)
    if cover:
        _find(seen, "mount_covered", path, f"it is covered by {cover}", expected, cure)
    elif health["state"] in ("hung", "offline"):
        what = "it does not answer: a brick or the network hangs"
        what = what if health["state"] == "hung" else "it is mounted, and no brick answers"
        _find(seen, "mount_hangs", path, what, expected, f"gluster volume status {name}")
    elif health["state"] == "dead":
        _dead(seen, path, expected, cure)
    elif health["state"] == "absent":
        _bare(seen, node, name, path, entry)
    elif health["volume"] != name:
        _find(seen, "mount_other", path, f"{health['device']} is mounted", expected, f"umount {path}, then {cure}")
    else:
        refused = __salt__["gluster_mount.write_error"](path, node["user"])
        seen["looked"] += ["writable"]
        if refused:
            what = f"{node['user']} cannot write: {refused.rpartition(': ')[2]}"
            cure = __salt__["gluster_mount.write_cure"](refused, path, name)["cure"]
            _find(seen, "not_writable", path, what, f"{node['user']} can write", cure)
        full = refused and refused.endswith(FULL)  # which is said already
        space = __salt__["gluster_mount.space"](path) if full else _space(seen, node, path, MORE_ROOM)
        seen["volumes"][name] = {"free_percent": space and space["free_percent"]}
        _hidden(seen, path)
        for place, error in left["errors"].items():
            if error.startswith("[Errno "):  # it could not be looked at: whoever removes it then loses what is well
                _find(seen, "check_failed", path, f"{place}: {error}", "an answer", "see what it says")
                continue
            remove = "remove it as root: only what the formula writes belongs there"
            _find(seen, "volume_file", place, error, "files that the formula has written", remove)
        _client(seen, name, path, entry)
        _marked(seen, name, path, node["marks"])
    _links(seen, node, name, volume, wanted, numbers, former)


def _numbers(volume, left):
    """
    The identifiers of a volume's datastores, as far as they are known.
    """
    given = {store: settings.get("datastore_id") for store, settings in volume["datastores"].items()}
    numbers = __salt__["gluster_one_ids.datastore_numbers"](given, left)
    return {store: number for store, number in numbers.items() if number is not None}


def _mounted_at(wanted, former):
    """
    The directory by which this node has the volume now: the wanted one, unless it is still on a former one alone.
    """
    used = [other for other, found in former.items() if found["line"] or found["mounted"]]
    if used and not __salt__["gluster_fstab.line"](wanted) and wanted not in __salt__["gluster_mount.mounts"]():
        return used[0]
    return wanted


def _former(seen, node, wanted, path, former):
    """
    Nothing is mounted, or would be after a boot, where others than root can replace a directory above.
    """
    for other, service in __salt__["gluster_mount_plan.former_services"](wanted, former, node["user"]).items():
        if other != path:
            what = f"the former {service} is enabled"
            _find(seen, "boot", other, what, "no service mounts there", _apply(node, "mount"))
    for other, found in former.items():
        if found["cover"]:
            _find(seen, "mount_covered", other, f"it is covered by {found['cover']}", "nothing", _apply(node, "mount"))
        owner = __salt__["gluster_mount.foreign_parent"](other, node["user"])
        if found["line"] or other == path:
            what = f"whoever owns {owner} could have it mounted over another directory" if owner else "from before"
            _find(seen, "mount_place", other, what, f"mounted on {wanted}", _apply(node, "mount"))
        elif found["mounted"]:
            users = __salt__["gluster_mount.mount_users"](other)
            what = f"still mounted from before, and used by {_some(users)}" if users else "still mounted from before"
            cure = f"{_apply(node, 'remount')}, once nothing uses it"
            _find(seen, "mount_former", other, what, f"mounted on {wanted} alone", cure)


def _left(seen, node):
    """
    Nothing is left on this node of volumes that the pillar no longer has for it, or of a role that it no longer has.
    """
    mounts = node["volumes"] if {"hypervisor", "head"} & set(node["roles"]) else {}
    for path, name in __salt__["gluster_mount_plan.left_places"](list(mounts)).items():
        what = f"a run has mounted volume {name} there, and by the pillar this node does not need it any more"
        cure = "put it back into the pillar, or, once OpenNebula has no datastore on it, or no VMs for this node: salt "
        cure += f"{node['id']} state.single gluster_one.datastore_unmounted {path} volume={name} "
        cure += f"datastores_dir={node['datastores_dir']}"
        _find(seen, "mount_left", path, what, "nothing mounted", cure)
    if "server" not in node["roles"]:
        return
    known = __salt__["gluster_one_record.recorded"]("volumes")
    for name, info in __salt__["glusterd.volumes"]().items():
        if name in known and name not in node["volumes"]:
            options = ", ".join(__utils__["gluster_options.dropped"](info["options"])[0])
            cure = f"once nothing uses it: salt {node['id']} state.single gluster_one.volume_restored {name}"
            if options:
                what = f"runs have set {options}, and the pillar no longer has the volume"
                _find(seen, "volume_left", name, what, "in the pillar, or as it was", cure, volume=name)


def _dead(seen, path, expected, cure):
    """
    The client has ended, or the bricks have rejected it and it still runs: then open files fail, but are still open.
    """
    users = __salt__["gluster_mount.mount_users"](path) if __salt__["gluster_mount.client"](path) else []
    if users:
        what = f"the bricks have rejected the client, which does not try again, and it is used by {_some(users)}"
        _find(seen, "mount_held", path, what, expected, f"end what uses it, then {cure}")
    else:
        _find(seen, "mount_dead", path, "the FUSE client is gone", expected, cure)


def _client(seen, name, path, entry):
    """
    The client knows every server, and is connected to every brick.
    """
    apart = _bricks_unconnected(path)
    if apart:
        what, cure = f"not connected to {', '.join(apart)}", f"gluster volume status {name}, and the network"
        _find(seen, "client_bricks", path, what, "the client is connected to every brick", cure)
    stale = __salt__["gluster_mount_plan.outdated_client"](path, entry)
    if stale:
        what, cure = f"the client was started with {stale}", "apply gluster_one.remount, once nothing uses it"
        expected = f"{entry['device']} {','.join(entry['opts'])}"
        _find(seen, "client_options", path, what, expected, cure)


def _marked(seen, name, path, marks):
    """
    It is the volume that the head has mounted, and what the head writes is seen here.
    """
    if name in marks:
        seen["looked"] += ["mark"]
        what = __salt__["gluster_one_ids.mark_error"](path, marks[name])
        if what:
            cure = f"gluster volume status {name}, on both"
            _find(seen, "mount_differs", path, what, "the volume that the head has mounted", cure)


def _hidden(seen, path):
    """
    There are no files on the local disk, beneath the mount.
    """
    names = __salt__["gluster_links.files_beneath"](path)
    if not names:
        return
    what = f"{len(names)} file{'s' if len(names) > 1 else ''} ({_some(names)}) beneath the mount, on the local disk"
    above, name = os.path.split(path)
    move = f"move what is in /run/disk/{name}, names with a dot too, to {path}"
    cure = f"mkdir /run/disk; mount --bind {above} /run/disk; {move}; umount /run/disk; rmdir /run/disk"
    _find(seen, "hidden", path, what, "nothing but the volume", cure)


def _bare(seen, node, name, path, entry):
    """
    The directory on which nothing is mounted: who owns it, which images were written into it, and why the volume cannot
    be mounted, if so.
    """
    point = __salt__["gluster_links.mount_point_state"](path)
    if point["blocked"]:
        move = f"move it away, then {_apply(node, 'mount')}"
        _find(seen, "blocked", path, f"nothing is mounted, and it {point['blocked']}", "nothing in it", move)
    else:
        what = "nothing is mounted" + (f", and the bare directory is {point['owner']}'s" if point["owner"] else "")
        refused = {"why": ""}
        if node["trial"]:
            with contextlib.suppress(CommandExecutionError):  # where no trial can be made, it is not known
                trial = __salt__["gluster_probe.mount_refusal"](entry["device"], entry["opts"], timeout=TRIAL)
                refused = trial or refused
        cure = _apply(node, "mount")
        if refused["why"]:
            what, cure = f"{what}, nor can it be: {refused['why']}", f"{refused['cure']}; then {cure}"
        _find(seen, "mount_gone", path, what, f"volume {name}, mounted", cure)


def _links(seen, node, name, volume, path, numbers, former):
    """
    The directories of a volume's datastores lead to it.
    """
    expected = f"a link to {path}"
    asked = [other for other in (volume["mount"], *volume.get("links", [])) if other != path]
    about = dict.fromkeys(asked, (expected, None))
    for store, number in sorted(numbers.items()):
        about[os.path.join(node["datastores_dir"], str(number))] = f"{expected}, for datastore {store}", store
    for other, (expected, store) in about.items():
        state = __salt__["gluster_links.link_state"](other, path, name)
        if other == path or state["state"] == "linked":
            continue
        outdated = set(state["ends"]) & set(former)
        if state["state"] == "blocked" and not outdated:
            move = "umount it" if other in __salt__["gluster_mount.mounts"]() else f"move it to {path}"
            move, what = f"{move}, then {_apply(node, 'mount')}", f"it {state['detail']}"
            if __salt__["gluster_links.leads_to_other"](state, name):
                move = "correct the pillar: a datastore stays on its volume (docs/changes.md, Another volume)"
                what += ": another volume is there"  # by which the master knows it
            _find(seen, "blocked", other, what, expected, move)
            continue
        try:
            if store and not outdated:
                given = volume["datastores"][store].get("datastore_id")
                __salt__["gluster_one_ids.require_number"](store, int(os.path.basename(other)), given)
        except CommandExecutionError as exc:
            _find(seen, "blocked", other, str(exc), expected, f"the pillar of {node['id']}")
            continue
        sls = "datastore" if store and "head" in node["roles"] else "mount"
        what = {"empty": "an empty directory", "absent": "nothing"}.get(state["state"], f"a link to {state['target']}")
        _find(seen, "link", other, what, expected, _apply(node, sls))


def _hypervisor(seen, node):
    """
    QEMU and libvirt can use Gluster, and AppArmor and SELinux allow them to use the datastores.
    """
    _driver(seen, node)
    # A link is followed before the rules are looked at: the volumes' own directories count, too.
    place = __salt__["gluster_mount.place"]
    mounts = [place(volume["mount"], name, node["user"]) for name, volume in node["volumes"].items()]
    tops = [node["datastores_dir"], *mounts]
    tops = [top for top in dict.fromkeys(tops) if top == tops[0] or not top.startswith(f"{tops[0]}/")]
    for on, what, expected, rule in __salt__["gluster_confinement.confinement"](tops):
        _find(seen, "confined", on, what, expected, rule)
    seen["looked"] += ["native"]


def _driver(seen, node):
    """
    QEMU and libvirt can open volumes as the pillar wants it, and what VMs have open they can open again.
    """
    package = node["package"] if any("native" in _access(volume) for volume in node["volumes"].values()) else None
    # Asking takes four processes, and only other programs, drivers or libraries answer otherwise. What is missing is
    # asked for each time: somebody is about to install it.
    programs = map(salt.utils.path.which, ("qemu-img", "libvirtd", "virtqemud"))
    files = ("qemu*", "qemu*/block-gluster.so", "libgf*.so*", "libglusterfs.so*")
    found = [path for above in ("/usr/lib*", "/usr/lib/*") for name in files for path in glob.glob(f"{above}/{name}")]
    stamp = [os.stat(path).st_mtime for path in (*filter(None, programs), *sorted(found)) if os.path.exists(path)]
    kept = __salt__["data.get"]("gluster_native.native_access") or {}
    access = kept.get("access") if kept.get("stamp") == stamp else None
    access = access or __salt__["gluster_native.native_access"]()
    missing = __salt__["gluster_native.access_missing"](access, package)
    if missing:
        _find(seen, "native", *missing)
    elif kept.get("access") != access or kept.get("stamp") != stamp:
        __salt__["data.update"]("gluster_native.native_access", {"stamp": stamp, "access": access})
    machines = [] if access["gluster"] else __salt__["gluster_native.native_machines"]()
    for name in machines[:MOST_NAMED]:
        more = f"; and {len(machines) - MOST_NAMED} more" if len(machines) > MOST_NAMED else ""
        what = f"it has disks open over gluster://, and QEMU {access['qemu']} of this node could not open them{more}"
        cure = "do not stop it before its disks have a way over: docs/native-or-fuse.md"
        _find(seen, "native_vm", name, what, "a VM that could be started here again", cure)


def _access(volume):
    """
    How machines open what is on a volume; the beacon's plan may be of before there was a choice.
    """
    return volume.get("access", ["native"])


def _server(seen, node):
    """
    glusterd runs, with the option that accepts non-root clients.
    """
    service, path = node["glusterd"]["service"], node["glusterd"]["path"]
    unit = __salt__["glusterd.service"](service) or {"running": __salt__["service.status"](service)}
    if not unit["running"]:
        _find(seen, "glusterd_down", service, "it is not running", "running", f"systemctl start {service}")
    for name, pid in __salt__["glusterd.stopped_processes"]().items():
        what = f"its process {pid} is stopped and does not answer"
        _find(seen, "process_stopped", name, what, "it is not stopped", f"kill -CONT {pid}")
    option = {"rpc-auth-allow-insecure": "on"}
    for name, change in __utils__["gluster_options.option_changes"](__salt__["glusterd.options"](path), option).items():
        what = f"{name} is {change['old'] or 'not set'}"
        _find(seen, "glusterd_option", path, what, change["new"], _apply(node, "glusterd"))
    if node["restart"]["keep_bricks"] and unit.get("kill_mode", "process") != "process":
        what = f"KillMode is {unit['kill_mode']}: its restart ends the bricks"
        _find(seen, "kill_mode", service, what, "process", _apply(node, "glusterd"))
    own = [volume["servers"] for volume in node["volumes"].values() if _names_one(volume["servers"], node["names"])]
    alone, page = __salt__["glusterd.not_in_pool"](sum(own, [])), "docs/status.md, A server that is not in the pool"
    if alone:
        cure = (
            "if it is new, a run with create in the pillar, or gluster peer probe it on a member; if it was "
            "reinstalled, docs/replace.md; if it was rejected or probed half, docs/repair-peer.md; by hand: "
            f"{page}"
        )
        _find(seen, "not_in_pool", service, alone, "a member of the pool", cure)
    else:
        # Which the plan of an older beacon does not have.
        wanted, dropped = (node.get("pool", {}).get(key, {}) for key in ("options", "dropped"))
        there = __salt__["glusterd.pool_options"]() if wanted or dropped else {}
        for name, change in __utils__["gluster_options.pool_option_changes"](there, wanted).items():
            what = f"{name} is {change['old'] or 'not set'}"
            _find(seen, "pool_option", "pool", what, change["new"], _apply(node, "pool_options"))
        ours = __salt__["gluster_one_record.recorded"]("pool_options") if dropped else {}
        changes = __utils__["gluster_options.known"](__utils__["gluster_options.undone"](there, ours))
        for name, change in changes.items():
            if name in dropped:
                what = f"{name} is {change['old']}, which the pillar no longer asks for"
                _find(seen, "pool_option", "pool", what, change["new"] or "not set", _apply(node, "pool_options"))
    if not alone and not any(volume["coordinator"] for volume in node["volumes"].values()):  # which asks Gluster
        for peer in __salt__["glusterd.stored_snapshot"]()["pool"]:
            if not peer["connected"]:
                # Which of two that reject each other is to give way is not known here.
                cure = "docs/repair-peer.md" if peer["state"] == REJECTED else PROBED.format(peer["hostname"])
                cure = f"{cure}; by hand: {page}"
                _find(seen, "not_in_pool", peer["hostname"], f"{peer['state']!r} here", "a member of the pool", cure)
    for name in node["volumes"]:
        _bricks(seen, node, name, alone)
    seen["looked"] += ["glusterd"]


def _names_one(servers, names):
    return any(server.casefold() in names for server in servers)


def _bricks(seen, node, name, alone):
    """
    The bricks of a volume on this server: whose they are, and their file systems. While it is in no pool they are not
    to be started.
    """
    bricks = __salt__["glusterd.bricks"](name)
    seen.setdefault("back", {}).update({brick: age for brick, age in bricks["up"].items() if age < YOUNG})
    start = _apply(node, "started")
    for brick, marked in bricks["down"].items() if not alone else []:
        what = f"it is down: {MARKED}" if marked else "it is down"
        cure = start if marked else f"{start}, if its directory carries the volume's identifier"
        _find(seen, "brick_down", brick, what, "online", cure, volume=name)
    lost = {f"/{brick.partition(':/')[2]}": cure for brick, cure in bricks["lost"].items()}
    for brick, directory in __salt__["glusterd.directories"](name).items():
        if directory is None:
            _find(seen, "brick_gone", brick, "its directory does not answer", "it is there", "mount its file system")
            continue
        if brick in lost:
            what = f"its directory is not the brick: {UNMARKED}"
            _find(seen, "brick_gone", brick, what, "the brick", lost[brick])
            continue
        owner = directory["owner"]
        wrong = [has for has, wanted in zip(owner, bricks["owner"]) if wanted not in ("-1", has)]
        if wrong:
            what, expected = f"its root belongs to {':'.join(owner)}", ":".join(bricks["owner"])
            _find(seen, "brick_owner", brick, what, expected, f"chown {expected} on a mount of volume {name}")
        if directory["miscounted"]:
            counted, sharing = directory["miscounted"]
            what = f"Gluster counts it as one of {counted} on its file system: volume {name} looks smaller"
            cure = f"systemctl restart {node['glusterd']['service']}, then gluster volume set {name} user.checked yes"
            _find(seen, "brick_size", brick, what, f"one of {sharing}", cure)
        _space(seen, node, brick, "make room, or add bricks")


def _space(seen, node, path, cure):
    """
    Enough of a file system is free; returns what it has.
    """
    space = __salt__["gluster_mount.space"](path)
    if space and space["free_percent"] < node["free_percent"]:
        what = f"{space['free_percent']} % of {space['total_mb']} MB free"
        _find(seen, "space", path, what, f"at least {node['free_percent']} %", cure)
    return space


def _volumes(seen, node, volumes, look):
    """
    The coordinator of a volume: its options, bricks, peers, and what waits to be healed.
    """
    found = look.result()
    for name, volume in volumes.items():
        _looked(seen, name, _volume, node, name, volume, found)


def _volume(seen, node, name, volume, look):
    """
    One of them, whatever is wrong with another.
    """
    facts, findings = __salt__["gluster_pool.volume_report"](name, volume, look, node)
    seen["volumes"].setdefault(name, {}).update(facts)
    info = look["volumes"].get(name)
    if info:
        out = __salt__["gluster_auth.kept_out"](name, info["options"], volume["servers"], info["transport"])
        findings += [["shut_out", name, what, "all servers and clients are accepted", cure] for what, cure in out]
    for kind, on, what, expected, cure in findings:
        known = __salt__["gluster_one_record.recorded"]("volumes").get(name) if kind == "volume_gone" else None
        if known:  # no run creates it
            what, cure = f"no such volume, and this node has used one with the id {known}", "gluster volume create"
        _find(seen, kind, on, what, expected, cure, volume=name)


def _datastores(seen, node, heal):
    """
    The head: each datastore as the pillar wants it, and what OpenNebula sees of it.
    """
    about = __salt__["one_datastore_report.report"](node, heal)
    seen["datastores"], seen["hosts"] = about["datastores"], about["hosts"]
    for finding in about["findings"]:
        _find(seen, *finding)


def _native(seen, node):
    """
    oneadmin reads a file of each volume over ``gluster://``: the one in which the head leaves the identifiers, which is
    there with the first datastore. Where machines have files on the mount, QEMU writes and reads one there.
    """
    supported = not any(one["kind"] == "native" for one in seen["findings"])
    for name, volume in node["volumes"].items():
        refused = "fuse" in _access(volume) and __salt__["gluster_native.file_error"](volume["mount"], node["user"])
        if refused:
            cure = "see what it says"
            _find(seen, "file_access", volume["mount"], refused, f"QEMU uses a file there as {node['user']}", cure)
        for hosts in volume["hosts"] if supported else []:
            refused = __salt__["gluster_native.native_read_error"](name, hosts, node["user"])
            if refused:
                expected = f"it is read over gluster://{' or '.join(hosts)}"
                _find(seen, "native_read", name, refused, expected, "see the volume's options")
    seen["looked"] += ["native read"]


def _bricks_unconnected(path):
    """
    To which bricks the FUSE client of a mounted volume is not connected, by its own word (list of strings such as
    ``kvm3:/data/one_vol``); None when it does not answer within 3 s.
    """
    # What the client shows of itself in the directory .meta of every mount. The numbers that it gives bricks are not
    # those of `gluster volume info`, once a brick was removed and another one added. Nowhere but on a FUSE mount:
    # the way to it may be oneadmin's. FUSE by its number: the name is fuseblk or fuse, by the version of stat.
    look = """cd -P "$1" && [ "$(stat -f -c %t .)" = 65735546 ] && cd .meta/graphs/active || exit
    for each in $(grep -ls "^connected = 0" *-client-*/private); do
        cd ${each%/private}/options && echo "$(cat remote-host):$(cat remote-subvolume)" && cd ../.. || exit
    done"""
    status, out, _ = __utils__["gluster_process.run"](["sh", "-c", look, "sh", path])
    return (
        [__utils__["gluster_process.visible"](brick) for brick in out.splitlines()[:MOST_BRICKS]]
        if status == 0
        else None
    )


def apart():
    """
    The bricks to which the Gluster clients of this node's mounts are not connected.

    The clients themselves are asked: a brick takes a while to notice that a client is gone.

    Returns a dict by volume of lists of bricks, empty where all are connected; None where one of its mounts does not
    answer::

        {"one_vol": ["kvm3:/data/one_vol"]}

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.apart
    """
    # By client: a volume may be mounted several times, by a client each, and a client have several mounts.
    table, clients, found = __salt__["gluster_mount.mount_table"](), {}, {}
    shown = {mount["path"]: mount["number"] for mount in table}  # the last of those on one directory
    for mount in table:
        if mount["volume"]:
            volume = mount["volume"].partition("/")[0]
            paths = clients.setdefault((volume, mount["device_number"]), [])
            paths += [mount["path"]] if shown[mount["path"]] == mount["number"] else []
    for (volume, _), paths in clients.items():
        answers = (_bricks_unconnected(path) for path in paths)  # one of them may be of a directory within the volume
        found.setdefault(volume, []).append(next((said for said in answers if said is not None), None))
    return {volume: None if None in each else sorted(set().union(*each)) for volume, each in found.items()}


def machines():
    """
    The VMs that run on this node, by QEMU's names.

    Returns a sorted list of QEMU's names for them, such as ``["one-7"]``.

    Raises CommandExecutionError where it is not known, see ``gluster_process.command_lines``.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.machines
    """
    lines = __utils__["gluster_process.command_lines"]()
    return sorted(filter(None, map(__utils__["gluster_process.vm_name"], lines.values())))


def mount_health(path):
    """
    What is mounted on a directory, and whether its FUSE client answers.

    The name of the docs and of runners; its arguments are those of ``gluster_mount.mount_health``.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.mount_health /var/lib/gluster_one/one_vol
    """
    if not isinstance(path, str) or not path.startswith("/"):
        raise SaltInvocationError(f"path is {path!r}: a directory is needed, such as /var/lib/gluster_one/one_vol")
    return __salt__["gluster_mount.mount_health"](path)


def mark(text):
    """
    On the head: write a mark to each mounted volume of the pillar; the other nodes then have to see it.

    The name of the docs and of runners; its arguments are those of ``gluster_one_ids.mark``.

    CLI Example:

    .. code-block:: bash

        salt head gluster_one.mark 8f14e45f
    """
    return __salt__["gluster_one_ids.mark"](text)


def stop_blockers(names, restart=False, apart=None, hosts=()):
    """
    What would be interrupted if servers of the pool stopped now; to be asked on another server.

    The name of the docs and of runners; its arguments are those of ``gluster_pool.stop_blockers``.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.stop_blockers '{kvm2: [kvm2]}'
    """
    return __salt__["gluster_pool.stop_blockers"](names, restart, apart, hosts)


def native_access():
    """
    Whether QEMU on this node can open ``gluster://``, and the versions of QEMU and libvirt.

    The name of the docs and of runners; its arguments are those of ``gluster_native.native_access``.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.native_access
    """
    return __salt__["gluster_native.native_access"]()


def native_read(volume, path=".gluster_one/datastores.json", host="localhost", port=24007, user="oneadmin", timeout=30):
    """
    Read the beginning of a file of a volume over ``gluster://``, as a VM reads its disk.

    The name of the docs and of runners; its arguments are those of ``gluster_native.native_read``.

    CLI Example:

    .. code-block:: bash

        salt kvm1 gluster_one.native_read one_vol
    """
    return __salt__["gluster_native.native_read"](volume, path, host, port, user, timeout)


def images(**connection):
    """
    On the head: the images and VMs' disks that QEMU cannot open or read to their end, or opens only over ``gluster://``.

    The name of the docs and of runners; its arguments are those of ``gluster_native.images``.

    CLI Example:

    .. code-block:: bash

        salt head gluster_one.images
    """
    return __salt__["gluster_native.images"](**connection)
